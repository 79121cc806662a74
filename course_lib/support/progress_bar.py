"""Progress bars: a line in a terminal, and in a notebook one line too, also in the saved file."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from IPython import get_ipython
from IPython.display import display
from tqdm import tqdm

T = TypeVar("T")


def progress_bar(steps: Iterable[T], total: int) -> Iterator[T]:
    """Pass on ``total`` steps, with a bar that shows how many are done, how many a second, and the time left."""
    with bar(total=total, unit=" steps") as shown:
        for step in steps:
            yield step
            shown.update()


def bar(**options: Any) -> tqdm:
    """A bar of tqdm's, with its options, that leaves one line wherever it is shown."""
    return tqdm(file=_NotebookLine.where_it_is_one(), mininterval=1.0, ncols=100, **options)


class _NotebookLine:
    """Where a bar writes to in a notebook: one line, which is replaced. On stderr, a saved notebook keeps all states of it."""

    encoding = "utf-8"  # tqdm asks before it draws blocks

    def __init__(self) -> None:
        self._shown = display({"text/plain": ""}, raw=True, display_id=True)

    @classmethod
    def where_it_is_one(cls) -> "_NotebookLine | None":
        """None outside of notebooks, which means stderr."""
        return cls() if hasattr(get_ipython(), "kernel") else None

    def write(self, text: str) -> None:
        if line := text.strip():
            self._shown.update({"text/plain": line}, raw=True)

    def flush(self) -> None:
        pass
