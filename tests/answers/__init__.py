"""What learners write: right answers in many styles, and wrong ones with words that their verdict must hold.

One file a notebook. A right answer is a function under ``@right("01.1")``; a wrong one stands under
``@wrong("01.1", "square root")``, which asks that the learner is told so. The names of the functions do not matter.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple


class Answer(NamedTuple):
    """A function that a learner may hand over, and what they must be told, word for word; nothing if it is right."""

    exercise: str
    function: Callable
    told: tuple[str, ...]


RIGHT: list[Answer] = []
WRONG: list[Answer] = []


def right(exercise: str) -> Callable:
    """A right answer of an exercise."""
    return _collect(RIGHT, exercise, ())


def wrong(exercise: str, *told: str) -> Callable:
    """A wrong answer, and words that its verdict must hold, upper and lower case alike."""
    return _collect(WRONG, exercise, told)


def _collect(answers: list[Answer], exercise: str, told: tuple[str, ...]) -> Callable:
    def collect(function: Callable) -> Callable:
        answers.append(Answer(exercise, function, told))
        return function

    return collect


for _path in sorted(Path(__file__).parent.glob("notebook_*.py")):
    import_module(f"{__name__}.{_path.stem}")
