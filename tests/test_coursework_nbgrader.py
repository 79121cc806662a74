"""The course for nbgrader: its four commands work as they stand, and its marks are those of ``grade``."""

import copy
import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from handed_in import ATTACKS

from course_lib.classroom.checks import source_of
from course_lib.classroom.coursework.assignment import load_assignment
from course_lib.classroom.coursework.grading import grade_all
from course_lib.classroom.coursework.handed_in import read_hand_ins
from course_lib.classroom.exercises import EXERCISES

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


def solved(release, instead=None):
    """The release with every answer written in, or another one for some exercises."""
    notebook = copy.deepcopy(release)
    for cell in notebook["cells"]:
        told = cell["metadata"].get("exercise", {})
        if told.get("role") == "answer":
            cell["source"] = (instead or {}).get(told["id"], source_of(EXERCISES[told["id"]].solution))
    return notebook


def is_graded(cell):
    return cell["metadata"].get("nbgrader", {}).get("grade", False)


def hand_ins(release):
    """Notebooks, and the points that they deserve."""
    stripped, doubled, deleted, edited, turned = (solved(release) for _ in range(5))
    for cell in stripped["cells"]:
        cell["metadata"] = {}
    doubled["cells"] += copy.deepcopy([cell for cell in doubled["cells"] if "nbgrader" in cell["metadata"]])
    deleted["cells"] = [cell for cell in deleted["cells"] if not is_graded(cell)]
    edited = copy.deepcopy(release)
    for cell in edited["cells"]:
        if is_graded(cell):
            cell["source"] = 'print("all right")'
    turned["cells"].reverse()
    wrong = "def forward_step(x_prev, beta, eps):\n    return x_prev"
    return {
        "right": (solved(release), 11),
        "untouched": (release, 0),
        "wrong": (solved(release, {"01.1": wrong}), 9),
        "exits": (solved(release, {"01.1": ATTACKS["ends the process"].code}), 9),
        "equal": (solved(release, {"01.1": ATTACKS["equals everything"].code}), 9),
        "stripped": (stripped, 11),
        "doubled": (doubled, 11),
        "deleted": (deleted, 11),
        "edited": (edited, 0),
        "turned": (turned, 11),
    }


def test_nbgrader_makes_collects_marks_and_gives_back(tmp_path):
    folder = tmp_path / "week1"
    code, said = run(tmp_path, "course_lib.classroom.coursework", "build", str(folder), "01", "--nbgrader")
    assert code == 0, said
    course = folder / "nbgrader"
    code, said = run(course, "nbgrader", "generate_assignment", "week1")
    assert code == 0, said
    release = json.loads((course / "release" / "week1" / NAME).read_text(encoding="utf-8"))
    source = "".join("".join(cell["source"]) for cell in release["cells"])
    for exercise in (each for each in EXERCISES.values() if each.id[:2] == "01"):
        body = source_of(exercise.solution).split("\n", 1)[1]
        assert body not in source
        assert f'check("{exercise.id}")' in source
    expected = {}
    for student, (notebook, points) in hand_ins(release).items():
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
    page = (course / "feedback" / "wrong" / "week1" / "01_forward_step.html").read_text(encoding="utf-8")
    assert "Not yet" in page
    assert "BEGIN HIDDEN TESTS" not in page
    graded = grade_all(load_assignment(folder), read_hand_ins(course / "submitted"), tmp_path, 2)
    assert {each.student: each.points for each in graded} == expected
