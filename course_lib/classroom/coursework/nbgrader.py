"""A course for nbgrader, whose marks are those of ``grade``: handing out, collecting and feedback are nbgrader's.

``generate_assignment``, ``autograde``, ``generate_feedback`` and ``export`` work as they stand. Only what autograde does with
a notebook is replaced, by two steps named in the course's configuration. ``RestoreCells`` marks the cells anew: by what
stands in them, since metadata may be stripped, and cells deleted, doubled or edited. ``MarkAnswers`` takes the place of
running the notebook: the answers run in the sandbox, and the verdict becomes the output of the test's cell, from which nbgrader
reads the points. There are no hidden tests in the notebooks, so no feedback can show them.
"""

import json
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from course_lib.classroom.checks import source_of
from course_lib.classroom.coursework.assignment import Assignment, load_assignment
from course_lib.classroom.coursework.handed_in import Cell, words_on
from course_lib.classroom.coursework.handout import NOTEBOOKS, handed_out
from course_lib.classroom.coursework.marking import Mark, Marker
from course_lib.classroom.coursework.sandbox import sandbox
from course_lib.classroom.coursework.slicing import answer_in, cell_of_stub, read_cells
from course_lib.classroom.coursework.task import HERE, Task, functions_of

CONFIGURATION = '''"""nbgrader's configuration of this course: what autograde does with a notebook is the course's own."""

from pathlib import Path

from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearOutput,
    OverwriteCells,
    OverwriteKernelspec,
    SaveAutoGrades,
)

from course_lib.classroom.coursework.nbgrader import MarkAnswers, RestoreCells

here = Path(__file__).resolve().parent
c = get_config()  # noqa: F821
c.CourseDirectory.root = str(here)
c.CourseDirectory.course_id = "diffusion"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError"}
c.ClearSolutions.text_stub = HERE
c.Autograde.sanitize_preprocessors = [
    RestoreCells, ClearOutput, OverwriteKernelspec, OverwriteCells, CheckCellMetadata
]
c.Autograde.autograde_preprocessors = [MarkAnswers, SaveAutoGrades, AssignLatePenalties, CheckCellMetadata]
c.RestoreCells.source = str(here / "source")
c.RestoreCells.assignment = c.MarkAnswers.assignment = str(here.parent)
'''


def write_course(folder: Path, assignment: Assignment, name: str) -> Path:
    """Write a course for nbgrader into ``folder``/nbgrader, with this assignment in it under a name."""
    course, found = folder / "nbgrader", {path.stem: path for path in NOTEBOOKS}
    (course / "source" / name).mkdir(parents=True, exist_ok=True)
    (course / "nbgrader_config.py").write_text(CONFIGURATION.replace("HERE", repr(HERE)), encoding="utf-8")
    for each in assignment.notebooks:
        notebook = handed_out(json.loads(found[each].read_text(encoding="utf-8")), each, assignment)
        for cell in notebook["cells"]:
            _tell_nbgrader(cell, assignment.tasks)
        path = course / "source" / name / f"{each}.ipynb"
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return course


def _tell_nbgrader(cell: dict[str, Any], tasks: dict[str, Task]) -> None:
    """Give a cell of a task what nbgrader wants to know of it, and an answer's cell its solution."""
    of_task = cell["metadata"].get("exercise", {})
    role = of_task.get("role")
    if role not in ("answer", "check", "words"):
        return
    task, graded, solution = tasks[of_task["id"]], role != "answer", role != "check"
    told = {"schema_version": 3, "grade": graded, "solution": solution, "locked": not solution, "task": False}
    told["grade_id"] = f"exercise-{task.id.replace('.', '-')}-{role}"
    if graded:
        told |= {"points": task.points}
    if role == "words":
        criteria = "\n".join(f"- {points}: {what}" for points, what in task.criteria)
        cell["source"] = f"{task.model}\n\n{criteria}".splitlines(keepends=True)
    elif role == "answer":
        stub = "".join(cell["source"])
        lines = source_of(task.solution).split("\n")[1:]
        indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
        body = "\n".join([f"{indent}### BEGIN SOLUTION", *lines, f"{indent}### END SOLUTION"])
        cell["source"] = stub.replace(f"{indent}raise NotImplementedError", body).splitlines(keepends=True)
    cell["metadata"]["nbgrader"] = told


class RestoreCells(NbGraderPreprocessor):
    """Says anew which cells are answers and tests.

    Each answer is where its function is last defined, and its test below it; what is written in words comes last.
    """

    source = Unicode(help="the folder with the notebooks as they were generated from").tag(config=True)
    assignment = Unicode(help="the folder with assignment.json").tag(config=True)

    def preprocess(self, notebook: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        where = resources["nbgrader"]
        original = nbformat.read(Path(self.source) / where["assignment"] / f"{where['notebook']}.ipynb", as_version=4)
        tasks = load_assignment(Path(self.assignment)).by_notebook[where["notebook"]]
        told = [cell for cell in original.cells if "nbgrader" in cell.metadata]
        of_role = {
            role: {cell.metadata.exercise["id"]: cell for cell in told if cell.metadata.exercise["role"] == role}
            for role in ("answer", "check", "words")
        }
        kept = [cell for cell in notebook.cells if not _is_test(cell, of_role["check"])]
        for cell in kept:
            cell.metadata.pop("nbgrader", None)
        for task_id, test in of_role["check"].items():
            answer, place = of_role["answer"].get(task_id), len(kept) - 1
            if answer is not None:
                place = _answers_place(kept, tasks[task_id].solution.__name__)
                if place is None:
                    kept.append(new_code_cell("raise NotImplementedError"))
                    place = len(kept) - 1
                kept[place].metadata["nbgrader"] = answer.metadata.nbgrader
            kept.insert(place + 1, test)
        for task_id, cell in of_role["words"].items():
            written = words_on(tasks[task_id], [Cell(each.cell_type == "code", each.source) for each in kept])
            place = _place_of(written or HERE, kept)
            if place is None:  # it stands in several cells, or in the question's own
                kept += [new_markdown_cell(f"What is written under {task_id}:"), new_markdown_cell(written or HERE)]
                place = len(kept) - 1
            kept[place].metadata["nbgrader"] = cell.metadata.nbgrader
        for number, cell in enumerate(kept):
            cell["id"] = f"cell-{number}"
        notebook.cells = kept
        return notebook, resources


def _is_test(cell: NotebookNode, tests: dict[str, NotebookNode]) -> bool:
    """Whether a cell is a test's, edited or not."""
    told = cell.metadata.get("nbgrader", {}) if hasattr(cell.metadata, "get") else {}
    names = {test.metadata.nbgrader["grade_id"] for test in tests.values()}
    return told.get("grade_id") in names or any(cell.source.strip() == test.source.strip() for test in tests.values())


def _answers_place(cells: list[NotebookNode], name: str) -> int | None:
    """The cell in which a function is defined last, a stub's if there is nothing else, and not yet another answer's."""
    numbers = [place for place, cell in enumerate(cells) if cell.cell_type == "code"]
    code = read_cells([cells[place].source for place in numbers])
    part = answer_in(code, name)
    number = cell_of_stub(code, name) if part is None else part.cell
    if number is None or "nbgrader" in cells[numbers[number - 1]].metadata:
        return None
    return numbers[number - 1]


def _place_of(words: str, cells: list[NotebookNode]) -> int | None:
    """The text cell in which these words stand, and nothing else, and which is not yet another answer's."""
    for place, cell in enumerate(cells):
        if cell.cell_type == "markdown" and cell.source.strip() == words and "nbgrader" not in cell.metadata:
            return place
    return None


class MarkAnswers(NbGraderPreprocessor):
    """Marks the answers in the sandbox, and writes each verdict as the output of its test."""

    assignment = Unicode(help="the folder with assignment.json").tag(config=True)

    def preprocess(self, notebook: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        assignment = load_assignment(Path(self.assignment))
        tasks = assignment.by_notebook[resources["nbgrader"]["notebook"]]
        code = read_cells([cell.source for cell in notebook.cells if cell.cell_type == "code"])
        with sandbox() as box:
            marks = Marker(box, assignment.secret).mark(code, functions_of(tasks))
        for cell in notebook.cells:
            told = cell.metadata.get("nbgrader", {})
            if told.get("grade") and not told.get("solution"):  # what is written in words waits for a person
                task_id = told["grade_id"].removeprefix("exercise-").removesuffix("-check").replace("-", ".")
                cell.outputs, cell.execution_count = [_verdict(marks[task_id])], None
                if marks[task_id].note:
                    self.log.warning("%s: %s", task_id, marks[task_id].note)
        return notebook, resources


def _verdict(mark: Mark) -> NotebookNode:
    if mark.state == "right":
        return new_output("stream", name="stdout", text=f"✓ Right: {mark.points} of {mark.out_of} points\n")
    return new_output("error", ename="NotYet", evalue=mark.says, traceback=[f"✗ Not yet: {mark.says}"])
