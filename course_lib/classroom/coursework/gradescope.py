"""An autograder for Gradescope: a zip to upload, and what runs in it: ``python -m course_lib.classroom.coursework.gradescope``.

Gradescope runs ``setup.sh`` once, when it builds its machine, and ``run_autograder`` for each submission, with the files in
/autograder/submission, as root; it reads the marks from /autograder/results/results.json. Its machine is a wall already, so
bubblewrap, which works there seldom, need not be there: answers run as the user nobody, who may neither read the secret and
the solutions nor write the results.
"""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

from course_lib.classroom.coursework.assignment import FILE, Assignment, load_assignment
from course_lib.classroom.coursework.giving_back import STATES
from course_lib.classroom.coursework.grading import Graded, grade_one
from course_lib.classroom.coursework.handed_in import HandIn, read_hand_ins
from course_lib.classroom.coursework.sandbox import sandbox
from course_lib.classroom.coursework.task import questions_of
from course_lib.support.files import PACKAGE, atomic_write, data_folder

ROOT = Path("/autograder")
SETUP = """\
#!/usr/bin/env bash
# Run once, when Gradescope builds the machine.
set -euo pipefail
apt-get update
apt-get install -y python3 python3-venv bubblewrap
PYTHON=python3
if ! python3 -c "import sys; sys.exit(sys.version_info < (3, 11))"; then
  PYTHON=python3.11
  apt-get install -y python3.11 python3.11-venv
fi
cd /autograder/source
$PYTHON -m course_lib.install lab coursework
"""
RUN = """\
#!/usr/bin/env bash
# Run for each submission.
cd /autograder/source
exec .venv/bin/python -m course_lib.classroom.coursework.gradescope
"""
SECRETS = (FILE, "course_lib/classroom/exercises", "course_lib/classroom/coursework/tasks")
BESIDE = ("LICENSE", "README.md", "pyproject.toml")
LEFT_OUT = ("__pycache__", ".ipynb_checkpoints", "unfinished")


def write_autograder(folder: Path, assignment: Assignment) -> Path:
    """Write the zip that is uploaded as an autograder: the course, the assignment with its secret, and the two scripts."""
    packed, top = folder / "gradescope.zip", PACKAGE.parent
    assignment.save(folder)
    with atomic_write(packed) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as target:
        for name, text in (("setup.sh", SETUP), ("run_autograder", RUN)):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o755 << 16
            target.writestr(info, text)
        target.write(folder / FILE, FILE)
        for name in BESIDE:
            target.write(top / name, name)
        for path in sorted(PACKAGE.rglob("*")):
            inside = path.relative_to(top)
            if path.is_file() and not set(inside.parts) & set(LEFT_OUT) and "data" not in inside.parts:
                target.write(path, inside.as_posix())
        for path in sorted(data_folder().rglob("*")):
            if path.is_file() and path.suffix in (".json", ".txt", ""):
                target.write(path, f"data/{path.relative_to(data_folder()).as_posix()}")
    return packed


def grade_submission(root: Path) -> None:
    """Grade what lies in ``root``/submission, and write what Gradescope reads."""
    for name in SECRETS:
        (root / "source" / name).chmod(0o700)
    assignment = load_assignment(root / "source")
    (root / "results").mkdir(parents=True, exist_ok=True)
    hand_in = HandIn("submission")
    for each in read_hand_ins(root / "submission"):
        hand_in.files += each.files
        hand_in.notes += each.notes
    with sandbox("nobody" if os.getuid() == 0 else None) as box:
        graded = grade_one(assignment, hand_in, box)
    with atomic_write(root / "results" / "results.json") as partial:
        partial.write_text(json.dumps(results_of(graded, assignment), indent=1, ensure_ascii=False), encoding="utf-8")


def results_of(graded: Graded, assignment: Assignment) -> dict[str, Any]:
    """Marks as Gradescope reads them: a test for each task. What is for the instructor stays hidden from the student."""
    by_hand = questions_of(assignment.tasks)
    tests = [
        {
            "name": f"{mark.exercise} {mark.title}",
            "score": mark.points,
            "max_score": mark.out_of,
            "status": "passed" if mark.state == "right" else "failed",
            "output": mark.says or STATES[mark.state],
            "output_format": "text",
            "visibility": "visible",
        }
        for mark in graded.marks.values()
        if mark.exercise not in by_hand
    ]
    for each, question in by_hand.items():
        output = f"{question.points} points, given by somebody who reads it.\n\n{graded.words[each] or 'Nothing is written.'}"
        tests.append({"name": f"{each} {question.title}", "output": output, "visibility": "visible"})
    if graded.notes:
        tests.append({"name": "for the instructor", "output": "\n".join(graded.notes), "visibility": "hidden"})
    return {"score": graded.points, "tests": tests, "stdout_visibility": "hidden", "output": f"{assignment.title}"}


if __name__ == "__main__":
    grade_submission(ROOT)
