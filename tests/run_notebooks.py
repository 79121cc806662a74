"""Run notebooks as busy hands do, and list what breaks: ``make rerun ARGS="03 04 --ways twice solved"``.

Three ways, each in a kernel of its own:

    twice     from top to bottom, and once more in the same kernel; each time, then, every control is moved
    upwards   from top to bottom, and then every cell again, from the last to the first
    solved    from top to bottom, with every answer that the notebook shows pasted in place of its stub

In each of them no cell may stop with an error, and a cell that runs again must print what it printed before (a check that
runs again without its stub says that there is nothing to check); with the answers pasted, every check must say "Right", and
every function that was checked must be called by a cell below.
Takes minutes a notebook; exits with status 1 if something broke.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from save_notebooks import chosen
from widgets_moved import IN_KERNEL

from course_lib.classroom import showing
from course_lib.classroom.checks import show_answer

WAYS = ("twice", "upwards", "solved")
PRINTS_SECONDS = re.compile(
    r"\bclock\(\)|\bmilliseconds\b|\bprogress_bar\b|\bwith_progress\b"
)  # in a cell's source: never the same again


# In the kernel, after a check: the function that it handed back counts from here on how often it is called.
MARK = """
import functools as _functools

_calls = globals().get("_calls", {{}})


def _marked(function, name):
    @_functools.wraps(function)
    def marked(*arguments, **named):
        _calls[name] += 1
        return function(*arguments, **named)

    _calls[name] = 0
    return marked


{name} = _marked({name}, "{name}")
"""
UNCALLED = "print(*[name for name, count in _calls.items() if count == 0])"


def run_in_kernel(client: NotebookClient, notebook: nbformat.NotebookNode, source: str) -> str:
    """What a cell that is not the notebook's prints."""
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    client.execute_cell(notebook.cells[-1], len(notebook.cells) - 1)
    return printed(notebook.cells[-1])


def shown_answer(exercise_id: str) -> str:
    """The code of the answer that a notebook shows, as a learner would copy it."""
    shown, usual = [], showing.display
    showing.display = lambda data, raw: shown.append(data["text/markdown"])
    try:
        show_answer(exercise_id)
    finally:
        showing.display = usual
    return "\n".join(re.findall(r"```python\n(.*?)```", "\n".join(shown), flags=re.DOTALL))


def printed(cell: nbformat.NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")


def problems(path: Path, way: str) -> Iterator[str]:
    """What breaks when a notebook is run in one of the three ways, a sentence each."""
    notebook = nbformat.read(path, as_version=4)
    code = [(index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    if way == "solved":
        for _, cell in code:
            if cell.id.endswith("-stub"):
                cell.source = shown_answer(cell.metadata.exercise.id)
    turns = {"twice": [code, code], "upwards": [code, code[::-1]], "solved": [code]}[way]
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(path.parent)}})
    first: dict[str, str] = {}
    with client.setup_kernel():
        for turn, cells in enumerate(turns):
            which = "again" if turn else "first"
            for index, cell in cells:
                when = f"{path.stem}, {way}, {which}: {cell.id}"
                try:
                    client.execute_cell(cell, index)
                except CellExecutionError as error:
                    yield f"{when} stops with {error.ename}: {error.evalue}"
                    if turn == 0:  # what the cells below need is missing now: they would all stop
                        return
                    continue
                except (DeadKernelError, TimeoutError) as error:
                    yield f"{when} ends the run: {error}"
                    return
                if way == "solved" and cell.id.endswith("-check") and "✓ Right" not in printed(cell):
                    yield f"{when} does not accept the answer that is shown: {printed(cell)}"
                if way == "solved" and cell.id.endswith("-check") and not cell.source.startswith("find_the_bug"):
                    run_in_kernel(client, notebook, MARK.format(name=cell.source.split(" = ")[0]))
                before, now = first.setdefault(cell.id, printed(cell)), printed(cell)
                # Above its stub's new run, a check finds the course's own function and says so.
                open_twice = before.startswith("○ Not attempted yet") and now.startswith("○ Nothing to check")
                if before != now and not open_twice and not PRINTS_SECONDS.search(cell.source):
                    yield f"{when} prints\n{now}but before it printed\n{before}"
            if way == "twice":
                try:
                    run_in_kernel(client, notebook, IN_KERNEL)
                except CellExecutionError as error:
                    yield f"{path.stem}, {way}, {which}: a control does not answer: {error.evalue}"
        if way == "solved" and any(cell.id.endswith("-check") for _, cell in code):
            for name in run_in_kernel(client, notebook, UNCALLED).split():
                yield f"{path.stem}, {way}: {name} is checked, and then never called"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("numbers", nargs="*", help="of the notebooks, such as 03; all unless given")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    asked = parser.parse_args()
    paths = chosen(asked.numbers)
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        # The developer's own ticks stay as they are.
        os.environ["COURSE_PROGRESS"] = str(Path(folder) / "progress.json")
        for path in paths:
            for way in asked.ways:
                began = time.monotonic()
                for problem in problems(path, way):
                    broken += 1
                    print(f"✗ {problem}", flush=True)
                print(f"{path.stem}, {way}: {time.monotonic() - began:.0f} s", flush=True)
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
