"""What coursework asks beside a notebook's exercises: its idea in other conventions, a number to beat, and words."""

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from course_lib.classroom.checks import source_of
from course_lib.classroom.exercise import BugHunt, Exercise


@dataclass(frozen=True, kw_only=True)
class Variation(Exercise):
    """An exercise in conventions that are not the course's, so that what the library has is no answer to it.

    Each assignment draws one of several. The docstring of the solution is the task: it stands in the stub as well.

    Args:
        text: what comes before the stub, in Markdown.
        example: arguments, as code, on which students try their function.
    """

    text: str
    example: str

    @property
    def stub(self) -> str:
        """The cell into which students write."""
        first = source_of(self.solution).split("\n", 1)[0]
        said = "\n    ".join(inspect.getdoc(self.solution).splitlines())
        said = said if "\n" not in said else f"{said}\n    "
        return f'{first}\n    """{said}"""\n    raise NotImplementedError'.replace("\n    \n", "\n\n")


@dataclass(frozen=True)
class Experiment:
    """A number to beat, by a function that the notebook hands out with a first try in it.

    Args:
        start: the first try.
        solution: one that beats the number.
        why: a word on why it does.
        run: calls the answer, and returns what is to be measured.
        measure: the number, which should be as small as can be; an error if what came back is against the rules.
        to_beat: where the points begin.
        says: the number, in a sentence, with a place for it.
        rules: what is measured, for students to read.
    """

    id: str
    title: str
    points: int
    start: Callable
    solution: Callable
    why: str
    run: Callable[[Callable], Tensor]
    measure: Callable[[Tensor], float]
    to_beat: float
    says: str
    rules: str = ""
    forbidden: tuple[Callable, ...] = ()
    changes: int | None = None

    def findings_of(self, result: Tensor) -> str | None:
        """What is missing, of what ``run`` has made of the answer; None if the number is beaten.

        Raises:
            WrongAnswerError: if the result is against the rules.
        """
        number = self.measure(result)
        return None if number <= self.to_beat else self.says.format(number)

    def is_start(self, source: str) -> bool:
        """Whether a function is the first try, untouched."""
        return _plain(source) == _plain(inspect.getsource(self.start))


@dataclass(frozen=True)
class Question:
    """What is answered in words, and read by a person.

    Args:
        text: in Markdown.
        criteria: what the points are given for, each with its number of them.
        model: an answer that would get all of them.
    """

    id: str
    title: str
    text: str
    criteria: tuple[tuple[int, str], ...]
    model: str

    @property
    def points(self) -> int:
        return sum(points for points, _ in self.criteria)

    @property
    def heading(self) -> str:
        """The first line, by which the answer is found."""
        return f"### {self.id} · {self.title}"

    @property
    def shown(self) -> str:
        """What students read."""
        return f"{self.heading}\n\n{self.text}\n\n*{self.points} points, given by somebody who reads it.*"


HERE = "*Write your answer here, in place of this line.*"
"""What stands in the place of an answer in words."""

Run = Exercise | BugHunt | Experiment
"""What is marked by running it."""

Task = Run | Question
"""Whatever counts in an assignment."""


def functions_of(tasks: Mapping[str, Task]) -> dict[str, Run]:
    """Those of some tasks that are marked by running them."""
    return {each: task for each, task in tasks.items() if not isinstance(task, Question)}


def questions_of(tasks: Mapping[str, Task]) -> dict[str, Question]:
    """Those of some tasks that a person reads."""
    return {each: task for each, task in tasks.items() if isinstance(task, Question)}


def _plain(source: str) -> str:
    """A function's code without its name, comments and docstring."""
    definition = ast.parse(source).body[0]
    if isinstance(definition, ast.FunctionDef):
        definition.name = "function"
        if ast.get_docstring(definition) is not None:
            del definition.body[0]
    return ast.unparse(definition)
