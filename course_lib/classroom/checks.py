"""Exercises: a check that says at once what is right, what is wrong and which usual mistake it looks like.

    forward_step = check("01.1", forward_step)

hands back the function to go on with: the learner's own once it is verified, the library's until then. So a notebook
runs from top to bottom whatever has been solved. A check runs the answer beside the solution on inputs that the learner
does not see. It never raises, and it never waits longer than ``TIME_LIMIT``.
"""

import ast
import copy
import ctypes
import inspect
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.classroom.progress import record
from course_lib.classroom.showing import show_markdown
from course_lib.schedules import NoiseSchedule

TIME_LIMIT = 20.0  # seconds for one check; a right answer takes a small part of one


@dataclass(frozen=True)
class Trial:
    """One thing that is tried.

    Args:
        run: calls the answer, once or many times, and returns what came of it as one tensor.
        says: what a wrong result tells the learner if it is none of the usual mistakes.
        tolerance: how far the result may be from the solution's; wide where the answer draws its own random numbers.
    """

    run: Callable[[Callable], Tensor]
    says: str
    tolerance: float = 1e-5

    def agrees(self, got: Tensor, function: Callable) -> bool:
        """Whether an answer's result is what another function gives."""
        expected = self.run(function)
        return got.shape == expected.shape and torch.allclose(
            got.double(), expected.double(), rtol=self.tolerance, atol=self.tolerance
        )


@dataclass(frozen=True)
class Exercise:
    """A function to write.

    Args:
        id: lasting, "01.1" and so on: notebook and number.
        points: what it counts as coursework.
        solution: the right function; this is the only place where it is written down.
        why: a word on why it is right, shown under it.
        hints: from a nudge to nearly the answer.
        trials: what is tried, in this order.
        mistakes: wrong functions; an answer that gives what one of them gives is told its docstring.
        changes: the argument, by position, that the function is meant to change in place.
        forbidden: functions of the library that do the same work; calling them is no answer.
    """

    id: str
    title: str
    points: int
    solution: Callable
    why: str
    hints: tuple[str, ...]
    trials: tuple[Trial, ...]
    mistakes: tuple[Callable, ...]
    changes: int | None = None
    forbidden: tuple[Callable, ...] = ()

    def findings(self, answer: Callable) -> str | None:
        """What is wrong with an answer, in a sentence or two; None if nothing is."""
        guarded = _Guarded(answer, self)
        for number, trial in enumerate(self.trials):
            got = trial.run(guarded)
            if trial.agrees(got, self.solution):
                continue
            # A usual mistake passes where the answer has passed, and only then is it tried where the answer fails: one
            # that fails earlier may not even run here.
            earlier = self.trials[:number]
            for mistake in self.mistakes:
                passed = all(each.agrees(each.run(mistake), self.solution) for each in earlier)
                if passed and trial.agrees(got, mistake):
                    return inspect.getdoc(mistake)
            return f"{trial.says} {_example(got, trial.run(self.solution))}"
        return None


@dataclass(frozen=True)
class BugHunt:
    """A test to write, which catches a bug.

    Args:
        broken: the function with the bug.
        correct: right functions, written differently: the test must let all of them pass.
        solution: a test that catches it.
        forbidden: functions of the library that do the same: comparing with them is no test.
    """

    id: str
    title: str
    points: int
    broken: Callable
    correct: tuple[Callable, ...]
    solution: Callable
    why: str
    hints: tuple[str, ...]
    forbidden: tuple[Callable, ...] = ()

    def findings(self, answer: Callable) -> str | None:
        """What is wrong with a test; None if it tells right from wrong, again and again."""
        watched = _Watched(answer, (self.solution, *self.forbidden))
        for _ in range(3):
            for version in self.correct:
                problem = _refusal(watched, version)
                if problem is not None:
                    return f"Your test refuses a correct version too ({problem}). Which values would be right?"
            problem = _refusal(watched, self.broken)
            if problem is None:
                return "Your test lets the broken version pass. On which input does the bug show?"
            if not problem.startswith("AssertionError"):
                return f"With the broken version your test does not reach an assertion: it stops with {problem}."
        return None


def joined(results: Iterable[Tensor]) -> Tensor:
    """All numbers of several results in one row, for a trial of several calls."""
    return torch.cat([result.flatten() for result in results])


class WrongAnswerError(Exception):
    """Something wrong that was seen before there was a result to compare."""


class TimeUp(BaseException):
    """Thrown into an answer that does not come to an end; not an Exception, so that ``except Exception`` lets it out."""


# --- what a notebook calls --------------------------------------------------------------------------------------------


def check(exercise_id: str, answer: Callable) -> Callable:
    """Say what is right or wrong about an answer, and hand back the function to go on with.

    Args:
        exercise_id: such as "01.1".
        answer: the learner's function, without brackets.

    Returns:
        The answer if it was verified; until then the solution.
    """
    exercise = find(exercise_id)
    status, message = _judge(exercise, answer)
    if status != "open":
        record(exercise.id, status)
    mark = {"done": "✓ Right", "tried": "✗ Not yet", "open": "○ Not attempted yet"}[status]
    print(f"{mark} · {exercise.id} {exercise.title}{message}")
    if status != "done":
        print("Until it is right, the notebook goes on with the course's own version.")
    return answer if status == "done" else exercise.solution


def hints(exercise_id: str) -> None:
    """The hints of an exercise, folded: each opens the way to the next."""
    exercise = find(exercise_id)
    nested = ""
    for number, hint in reversed(list(enumerate(exercise.hints, start=1))):
        inside = f"\n\n{nested}" if nested else ""
        nested = f"<details><summary>Hint {number} of {len(exercise.hints)}</summary>\n\n{hint}{inside}\n\n</details>"
    show_markdown(nested)


def show_answer(exercise_id: str) -> None:
    """The solution of an exercise, folded, with a word on why."""
    exercise = find(exercise_id)
    source = f"```python\n{source_of(exercise.solution)}\n```"
    show_markdown(f"<details><summary>Show answer</summary>\n\n{source}\n\n{exercise.why}\n\n</details>")


def show_source(exercise_id: str) -> None:
    """The broken function of a bug hunt, to be read."""
    print(source_of(find(exercise_id).broken))


def find(exercise_id: str) -> Exercise | BugHunt:
    """The exercise with an id.

    Raises:
        ValueError: if there is none; the text lists those of the same notebook, or all.
    """
    from course_lib.classroom.exercises import EXERCISES  # the exercises are made of this module's classes

    if exercise_id not in EXERCISES:
        near = [known for known in EXERCISES if known[:2] == str(exercise_id)[:2]] or list(EXERCISES)
        raise ValueError(f"there is no exercise {exercise_id!r}: choose from {', '.join(near)}.")
    return EXERCISES[exercise_id]


def source_of(function: Callable) -> str:
    """The source of a function without its docstring, which says what the exercise has said already."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    lines, definition = source.splitlines(), ast.parse(source).body[0]
    if ast.get_docstring(definition) is not None:
        docstring = definition.body[0]
        del lines[docstring.lineno - 1 : docstring.end_lineno]
    return "\n".join(lines)


# --- judging, whatever the answer does --------------------------------------------------------------------------------


def _judge(exercise: Exercise | BugHunt, answer: Callable) -> tuple[str, str]:
    """("done" | "tried" | "open", what to add to the verdict)."""
    if not callable(answer):
        return "tried", f"\nHand over the function itself, without brackets; a {type(answer).__name__} came."
    outcome: list[tuple[str, str]] = []

    def work() -> None:
        try:
            problem = exercise.findings(answer)
            outcome.append(("done", "") if problem is None else ("tried", f"\n{problem}"))
        except WrongAnswerError as finding:
            outcome.append(("tried", f"\n{finding}"))
        except NotImplementedError:
            outcome.append(("open", ""))
        except BaseException as error:
            outcome.append(("tried", f"\nYour function stopped with {_describe(error)}"))

    # A thread of its own can be left behind when it does not end; a process could not see the notebook's functions.
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(TIME_LIMIT)
    if worker.is_alive():
        _throw_into(worker, TimeUp)
        return "tried", f"\nIt was stopped after {TIME_LIMIT:.0f} seconds: is there a loop that never ends?"
    return outcome[0]


def _throw_into(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raise an exception in another thread, again and again for a second, should the answer catch everything."""
    for _ in range(20):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))
        thread.join(0.05)
        if not thread.is_alive():
            return


def _describe(error: BaseException) -> str:
    """The error in a line, with the learner's own line where it happened."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    package = str(Path(__file__).parents[1])
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(package)]
    own = [frame for frame in own if "site-packages" not in frame.filename]
    return f"{said} (line {own[-1].lineno}: {own[-1].line})" if own and own[-1].line else said


class _Watched:
    """A function, called so that a call of the library's own solution within it is noticed."""

    def __init__(self, function: Callable, solutions: tuple[Callable, ...]) -> None:
        self.function, self.solutions = function, {_code(solution) for solution in solutions}

    def __call__(self, *arguments: Any) -> Any:
        called: list[str] = []

        def watch(frame: Any, event: str, argument: Any) -> None:
            if event == "call" and frame.f_code in self.solutions:
                called.append(frame.f_code.co_name)

        sys.setprofile(watch)
        try:
            return self.function(*arguments)
        finally:
            sys.setprofile(None)
            if called:
                raise WrongAnswerError(f"This calls the course's own {called[0]}: write the arithmetic yourself.")


class _Guarded(_Watched):
    """The learner's function, called on copies; damage to them, and a result of the wrong kind, become a finding."""

    def __init__(self, function: Callable, exercise: Exercise) -> None:
        super().__init__(function, (exercise.solution, *exercise.forbidden))
        self.exercise = exercise

    def __call__(self, *arguments: Any) -> Any:
        expected = self.exercise.solution(*_copy(arguments))
        before = _copy(arguments)
        result = super().__call__(*arguments)
        for position, (old, new) in enumerate(zip(before, arguments, strict=True)):
            if position != self.exercise.changes and not _same(old, new):
                name = list(inspect.signature(self.exercise.solution).parameters)[position]
                raise WrongAnswerError(
                    f"Your function changes its argument {name} in place: make a new tensor instead."
                )
        _require_kind(result, expected)
        return result


def _require_kind(result: Any, expected: Any) -> None:
    """Refuse a result of another type, shape or dtype; an object that merely claims to be equal is no tensor."""
    if result is None and expected is not None:
        raise WrongAnswerError("Your function returns nothing: has it a return?")
    if isinstance(expected, Tensor):
        if type(result) not in (Tensor, nn.Parameter):
            raise WrongAnswerError(f"Your function should return a torch.Tensor, but a {type(result).__name__} came.")
        if result.shape != expected.shape:
            raise WrongAnswerError(f"The shape should be {tuple(expected.shape)}, but it is {tuple(result.shape)}.")
        if result.dtype != expected.dtype:
            raise WrongAnswerError(
                f"The dtype should be {expected.dtype}, but it is {result.dtype}: convert with .to(…)."
            )
    elif isinstance(expected, list) and type(result) is not list:
        raise WrongAnswerError(f"Your function should return a list, but a {type(result).__name__} came.")


def _copy(value: Any) -> Any:
    """A copy whose tensors share no memory with the original; a generator's copy draws the same numbers."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, torch.Generator):
        generator = torch.Generator()
        generator.set_state(value.get_state())
        return generator
    if isinstance(value, NoiseSchedule):
        return NoiseSchedule(value.alpha_bar.clone())
    if isinstance(value, nn.Module):
        return copy.deepcopy(value)
    if isinstance(value, tuple):
        parts = [_copy(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [_copy(part) for part in value]
    return value


def _same(old: Any, new: Any) -> bool:
    """Whether nothing has changed, bit for bit."""
    if isinstance(old, Tensor):
        return old.shape == new.shape and torch.equal(old, new)
    if isinstance(old, NoiseSchedule):
        return torch.equal(old.alpha_bar, new.alpha_bar)
    if isinstance(old, nn.Module):
        return all(map(torch.equal, old.state_dict().values(), new.state_dict().values()))
    if isinstance(old, tuple | list):
        return len(old) == len(new) and all(map(_same, old, new))
    return True


def _example(got: Tensor, wanted: Tensor) -> str:
    """The first number that differs, for the learner to think about."""
    got, wanted = got.double().flatten(), wanted.double().flatten()
    worst = int((got - wanted).abs().nan_to_num(nan=torch.inf).argmax())
    return f"For one input it gives {got[worst].item():.4g}, where {wanted[worst].item():.4g} is right."


def _refusal(test: Callable, version: Callable) -> str | None:
    """The error with which a test refuses a version, in a line; None if it lets it pass."""
    try:
        test(lambda *arguments, **named: version(*arguments, **named))
    except (WrongAnswerError, NotImplementedError):
        raise
    except Exception as error:
        return _describe(error)
    return None


def _code(function: Callable) -> CodeType:
    return inspect.unwrap(function).__code__
