"""The autograder for Gradescope, run in the layout that Gradescope documents: its marks are those of ``grade``."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from handed_in import ATTACKS, RIGHT_STEP, cells_of, notebook, right_and_wrong, ten_hand_ins

from course_lib.classroom.coursework.assignment import Assignment
from course_lib.classroom.coursework.gradescope import write_autograder
from course_lib.classroom.coursework.handout import NOTEBOOKS, handed_out
from course_lib.classroom.coursework.sandbox import bubblewrap

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bubblewrap() is None, reason="bubblewrap, which puts a folder in /autograder's place, is not here"
    ),
]
SECRET = "the instructor's own"
ASSIGNMENT = Assignment("Week 1", ("01_forward_step",), SECRET, ("add_noise_by_kept", "01.E", "01.Q"))


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory):
    """What Gradescope has in /autograder, but that setup.sh has not run: the packages are those of the tests."""
    top = tmp_path_factory.mktemp("gradescope")
    packed = write_autograder(top, ASSIGNMENT)
    root = top / "autograder"
    with zipfile.ZipFile(packed) as opened:
        opened.extractall(root / "source")
        assert {info.filename for info in opened.infolist() if info.external_attr >> 16 == 0o755} == {
            *("setup.sh", "run_autograder"),
        }
    shutil.move(root / "source" / "run_autograder", root / "run_autograder")  # where Gradescope puts it
    (root / "source" / ".venv").symlink_to(sys.prefix)
    return root


def run(root, handed_in):
    shutil.rmtree(root / "submission", ignore_errors=True)
    (root / "submission").mkdir()
    (root / "submission" / "01_forward_step.ipynb").write_text(json.dumps(handed_in), encoding="utf-8")
    (root / "results").mkdir(exist_ok=True)
    inside = ["--bind", str(root), "/autograder"]
    for path in Path("/").iterdir():
        if path.name != "autograder":
            inside += ["--symlink", os.readlink(path), path] if path.is_symlink() else ["--dev-bind", path, path]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV"))}
    command = [bubblewrap(), *inside, "bash", "/autograder/run_autograder"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))


def test_the_scripts_are_shell(uploaded):
    for script in (uploaded / "source" / "setup.sh", uploaded / "run_autograder"):
        assert script.read_text().startswith("#!/usr/bin/env bash\n")
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_a_submission_gets_its_marks(uploaded):
    right, wrong = (next(iter(zip(*each.values(), strict=False))) for each in right_and_wrong("01"))
    mixed = run(uploaded, notebook(cells_of([right[0], wrong[1], right[2], wrong[3], right[4]])))
    *tests, question, _ = mixed["tests"]
    assert [test["score"] for test in tests] == [2, 0, 3, 0, 2, 0, 0]
    assert [test["max_score"] for test in tests] == [2, 2, 3, 2, 2, 4, 2]
    assert [test["status"] for test in tests] == [
        *("passed", "failed", "passed", "failed", "passed"),
        "failed",
        "failed",
    ]
    assert mixed["score"] == 7
    assert "score" not in question  # somebody gives it in Gradescope
    assert mixed["tests"][1]["output"]
    assert mixed["stdout_visibility"] == "hidden"


def test_an_attack_gets_nothing_and_only_the_instructor_is_told(uploaded):
    results = uploaded / "results" / "results.json"
    read = f"open('/autograder/source/assignment.json').read() + open({str(results)!r}, 'w').write('x')"
    for code in (ATTACKS["ends the process"].code, f"def forward_step(x_prev, beta, eps):\n    return {read}\n"):
        got = run(uploaded, notebook([code, "x = 1"]))
        assert got["score"] == 0
        assert SECRET not in json.dumps(got)
        assert got["tests"][-1]["visibility"] == "hidden"
    assert run(uploaded, notebook([RIGHT_STEP]))["score"] == 2


def test_ten_hand_ins_get_the_marks_that_they_deserve(uploaded):
    (path,) = [path for path in NOTEBOOKS if path.stem == "01_forward_step"]
    release = handed_out(json.loads(path.read_text(encoding="utf-8")), path.stem, ASSIGNMENT)
    ten = ten_hand_ins(release, ASSIGNMENT)
    assert {name: run(uploaded, made)["score"] for name, (made, _) in ten.items()} == {
        name: points for name, (_, points) in ten.items()
    }
