"""What students get: the notebooks as they are, without outputs and without the buttons that show an exercise's answer."""

import ast
import copy
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from course_lib.classroom.colab import LINK
from course_lib.classroom.coursework.assignment import Assignment, AssignmentError
from course_lib.classroom.coursework.task import HERE, Experiment, Question, Task, Variation
from course_lib.classroom.exercises import EXERCISES
from course_lib.support.files import PACKAGE, atomic_write

NOTEBOOKS = sorted((PACKAGE.parent / "notebooks").glob("*.ipynb"))
ANSWER = re.compile(r'^show_answer\("[^"]*"\)\n?', re.MULTILINE)
FOLDED = re.compile(r"\n*<details>.*?</details>\n*", re.DOTALL)
FORM = """A function gets float32 tensors, returns a new one of the same type in the shape that is asked for, and leaves its
arguments as they were. It is run by itself, in seconds: what a search has found belongs into it as numbers. An answer in words
goes into the cell that waits for it, or into cells right below."""
EXPERIMENT, END = "### Open experiment", "## What you have now"
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
    made, tasks = copy.deepcopy(notebook), assignment.by_notebook[name]
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            source = IMPORTED.sub("", ANSWER.sub("", "".join(cell["source"]))).rstrip("\n")
            cell |= {"source": _lines(source), "outputs": [], "execution_count": None}
            continue
        before, heading, after = LINK.sub("", "".join(cell["source"])).partition(EXPERIMENT)
        folded = isinstance(tasks.get(f"{name[:2]}.E"), Experiment)
        cell["source"] = _lines(before + heading + (FOLDED.sub("", after) if folded else after))
    made["cells"].insert(1, _text("coursework", _told(name, assignment)))
    if section := _section(tasks):
        end = next(place for place, cell in enumerate(made["cells"]) if END in "".join(cell["source"]))
        before, heading, after = "".join(made["cells"][end]["source"]).partition(END)
        made["cells"][end]["source"] = _lines(heading + after)
        made["cells"][end:end] = [*([_text("before-coursework", before.rstrip())] if before else []), *section]
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


def _told(name: str, assignment: Assignment) -> str:
    """What is asked for."""
    tasks = assignment.by_notebook[name]
    points = sum(task.points for task in tasks.values())
    listed = ", ".join(f"{each} ({task.points})" for each, task in tasks.items())
    added = " Those with a letter are in the section *Coursework* near the end." if set(tasks) - set(EXERCISES) else ""
    return f"""**{assignment.title}.** What counts here, {points} points together: {listed}.{added}

Write each function into the cell that waits for it, and keep its name. The check below it helps: it tries your function at
once, and names the usual mistakes. It is not the grading, which tries other numbers, on another machine. What is graded is
the last version of each function in this file, with whatever else in the file it uses: it is right or not, and one that you
leave out costs you its own points alone. Then save, and hand in this one file, {name}.ipynb. (On Colab, upload this file:
*File*, *Upload notebook*.)"""


def _section(tasks: dict[str, Task]) -> list[dict[str, Any]]:
    """The cells of what counts beside the exercises."""
    cells = []
    for task in tasks.values():
        called = f"coursework-{task.id.replace('.', '-')}"
        if isinstance(task, Variation):
            text = f"### {task.id} · {task.title}\n\n{task.text}\n\n*{task.points} points.*"
            cells += [_text(called, text), _code(f"{called}-stub", task.stub, task.id, "answer")]
            cells += [_code(f"{called}-try", _example(task), task.id, "check")]
        elif isinstance(task, Experiment):
            rules = f"The notebook's *open experiment* counts, too. {task.rules}"
            text = f"### {task.id} · {task.title}\n\n{rules} *{task.points} points.*"
            counts = f"{task.solution.__name__}  # its last version in this notebook is what counts"
            cells += [_text(called, text), _code(f"{called}-counts", counts, task.id, "check")]
        elif isinstance(task, Question):
            cells += [_text(called, task.shown), _text(f"{called}-answer", HERE, task.id, "words")]
    return [_text("coursework-section", f"## Coursework\n\n{FORM}"), *cells] if cells else []


def _example(variation: Variation) -> str:
    """Code that tries an answer on one example."""
    arguments = eval(f"({variation.example},)", {"torch": torch})
    lines = "".join(
        f"        {ast.unparse(each)},\n" for each in ast.parse(f"f({variation.example})").body[0].value.args
    )
    call = f"{variation.solution.__name__}(\n{lines}    )"
    return f'''# One example; it is graded on others.
try:
    print({call})
except NotImplementedError:
    print("nothing yet")
print("""should be
{variation.solution(*arguments)!s}""")'''


def _text(called: str, text: str, task_id: str = "", role: str = "") -> dict[str, Any]:
    metadata = {"exercise": {"id": task_id, "role": role}} if role else {}
    return {"cell_type": "markdown", "id": called, "metadata": metadata, "source": _lines(text)}


def _code(called: str, source: str, task_id: str, role: str) -> dict[str, Any]:
    return _text(called, source, task_id, role) | {"cell_type": "code", "outputs": [], "execution_count": None}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
