"""The course for nbgrader: its four commands work as they stand, and its marks are those of ``grade``."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from handed_in import ten_hand_ins

from course_lib.classroom.checks import source_of
from course_lib.classroom.coursework.assignment import load_assignment
from course_lib.classroom.coursework.grading import grade_all
from course_lib.classroom.coursework.handed_in import read_hand_ins
from course_lib.classroom.coursework.task import HERE, Experiment, Question

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("nbgrader") is None, reason="nbgrader is not installed: make .venv/nbgrader"
    ),
]
NAME = "01_forward_step.ipynb"


def run(folder, *arguments):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_nbgrader_makes_collects_marks_and_gives_back(tmp_path):
    folder = tmp_path / "week1"
    code, said = run(tmp_path, "course_lib.classroom.coursework", "build", str(folder), "01", "--nbgrader")
    assert code == 0, said
    course = folder / "nbgrader"
    code, said = run(course, "nbgrader", "generate_assignment", "week1")
    assert code == 0, said
    release = json.loads((course / "release" / "week1" / NAME).read_text(encoding="utf-8"))
    sources = {
        kind: "".join("".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])
        for kind, path in ((kind, course / kind / "week1" / NAME) for kind in ("source", "release"))
    }
    assignment = load_assignment(folder)
    for task in assignment.tasks.values():
        if isinstance(task, Question):
            assert task.model in sources["source"]
            assert task.model not in sources["release"]
        elif not isinstance(task, Experiment):
            body = source_of(task.solution).split("\n", 1)[1]
            assert body in sources["source"]
            assert body not in sources["release"]
    assert HERE in sources["release"]
    expected = {}
    for student, (notebook, points) in ten_hand_ins(release, assignment).items():
        expected[student] = points
        path = course / "submitted" / student / "week1" / NAME
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook), encoding="utf-8")
    code, said = run(course, "nbgrader", "autograde", "week1")
    assert code == 0, said
    assert "01.1: ended its process" in said
    for command in (["generate_feedback", "week1"], ["export"]):
        code, said = run(course, "nbgrader", *command)
        assert code == 0, said
    with open(course / "grades.csv", newline="", encoding="utf-8") as file:
        assert {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)} == expected
    for student, waits in (("right", True), ("stripped", True), ("untouched", False)):
        assert to_be_read(course, student) == waits
    page = (course / "feedback" / "wrong" / "week1" / "01_forward_step.html").read_text(encoding="utf-8")
    assert "Not yet" in page
    assert "BEGIN HIDDEN TESTS" not in page
    graded = grade_all(assignment, read_hand_ins(course / "submitted"), tmp_path, 2)
    assert {each.student: each.points for each in graded} == expected


def to_be_read(course, student):
    """Whether nbgrader asks a person to grade what a student has written."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        return book.find_submission("week1", student).needs_manual_grade
