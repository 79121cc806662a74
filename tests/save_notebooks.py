"""Run notebooks from top to bottom and save them with their outputs: ``make notebooks N="05 06"``.

Each in a fresh kernel, in order and one at a time, so that the times in it are those of a machine that does nothing else,
and with an empty home folder, so that it shows a newcomer's ticks. What a kernel alone can use, the state of its widgets,
is not saved. A notebook in which a cell stops stays as it was.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from course_lib.support.files import atomic_write

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def chosen(numbers: list[str]) -> list[Path]:
    """The notebooks of some numbers, such as 03; all of none. Ends the program if there is no such notebook."""
    known = {path.stem[:2]: path for path in NOTEBOOKS}
    if not known.keys() >= set(numbers):
        sys.exit(f"there are these notebooks: {' '.join(known)}.")
    return [path for number, path in known.items() if not numbers or number in numbers]


def run(path: Path) -> nbformat.NotebookNode:
    """A notebook with new outputs.

    Raises:
        CellExecutionError: if a cell stops.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=1800,
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
    ).execute()
    notebook.metadata.pop("widgets", None)
    nbformat.validate(notebook)
    return notebook


def save(notebook: nbformat.NotebookNode, path: Path) -> None:
    text = json.dumps(json.loads(nbformat.writes(notebook)), indent=1, ensure_ascii=False)
    with atomic_write(path) as partial:
        partial.write_bytes(f"{text}\n".encode())


def main() -> int:
    failed = 0
    for path in chosen(sys.argv[1:]):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as home:
            os.environ["HOME"] = os.environ["USERPROFILE"] = home
            os.environ.pop("COURSE_PROGRESS", None)
            try:
                save(run(path), path)
            except CellExecutionError as error:
                failed += 1
                print(f"✗ {path.stem} stays as it was: {error}", flush=True)
                continue
        print(f"{path.stem}: {time.monotonic() - began:.0f} s, {path.stat().st_size // 1024} kB", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
