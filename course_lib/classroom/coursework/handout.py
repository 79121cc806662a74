"""What students get: the notebooks as they are, without outputs and without the buttons that show an exercise's answer."""

import copy
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from course_lib.classroom.coursework.assignment import Assignment, AssignmentError
from course_lib.classroom.exercises import EXERCISES
from course_lib.support.files import PACKAGE, atomic_write

NOTEBOOKS = sorted((PACKAGE.parent / "notebooks").glob("*.ipynb"))
ANSWER = re.compile(r'^show_answer\("[^"]*"\)\n?', re.MULTILINE)
IMPORTED = re.compile(r"\bshow_answer, |, show_answer\b")


def write_hand_out(folder: Path, assignment: Assignment) -> Path:
    """Write the notebooks of an assignment into a zip, and return its path.

    Raises:
        AssignmentError: if the notebooks are not there.
    """
    found = {path.stem: path for path in NOTEBOOKS}
    packed = folder / "handout.zip"
    with atomic_write(packed) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as target:
        for name in assignment.notebooks:
            if name not in found:
                raise AssignmentError(
                    f"the notebook {name} is not here: build in a clone of the course, which has them."
                )
            notebook = handed_out(json.loads(found[name].read_text(encoding="utf-8")), name, assignment)
            target.writestr(f"{name}.ipynb", json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return packed


def handed_out(notebook: dict[str, Any], name: str, assignment: Assignment) -> dict[str, Any]:
    """A notebook as students get it."""
    made = copy.deepcopy(notebook)
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            source = IMPORTED.sub("", ANSWER.sub("", "".join(cell["source"]))).rstrip("\n")
            cell |= {"source": source.splitlines(keepends=True), "outputs": [], "execution_count": None}
    made["cells"].insert(1, _told(name, assignment))
    made["metadata"]["coursework"] = {"title": assignment.title, "notebook": name}
    return made


def code_handed_out(assignment: Assignment) -> str:
    """All the code of the notebooks of an assignment."""
    cells = (
        cell
        for path in NOTEBOOKS
        if path.stem in assignment.notebooks
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    )
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def _told(name: str, assignment: Assignment) -> dict[str, Any]:
    """The cell that says what is asked for."""
    exercises = assignment.exercises[name]
    points = sum(EXERCISES[each].points for each in exercises)
    listed = ", ".join(f"{each} ({EXERCISES[each].points})" for each in exercises)
    text = f"""**{assignment.title}.** {len(exercises)} exercises count here, {points} points together: {listed}.

Write each function into its own cell, under the name that it has there. The check below it helps: it tries your function at
once, and names the usual mistakes. It is not the grading, which tries other numbers, on another machine. What is graded is
the last version of each function in this file, with whatever else in the file it uses; an exercise that you leave out costs
you its own points alone. Then save, and hand in this one file, {name}.ipynb."""
    return {"cell_type": "markdown", "id": "coursework", "metadata": {}, "source": text.splitlines(keepends=True)}
