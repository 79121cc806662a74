"""Exercises: a check that says at once what is right, what is wrong and which usual mistake it looks like.

    forward_step = check("01.1")

takes the notebook's function ``forward_step`` and hands back the one to go on with: the learner's own once it is
verified, the course's until then. So a notebook runs from top to bottom whatever has been solved. A check runs the
answer beside the solution on inputs that the learner does not see. Whatever the answer does, the check says a sentence
and raises nothing but the learner's own interrupt, and it never waits longer than ``TIME_LIMIT``.

A check helps, and does not protect: it runs in the learner's own process, where whoever wants to can deceive it. Marks
need checks of their own, on a machine that the learner does not hold.
"""

import ast
import copy
import functools
import inspect
import os
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.classroom.console import say
from course_lib.classroom.progress import record, ticks
from course_lib.classroom.showing import show_markdown
from course_lib.classroom.supervision import TimeUp, Worker, supervised
from course_lib.schedules import NoiseSchedule

TIME_LIMIT = 20.0  # seconds for one check; a right answer takes a small part of one
ROUNDS, FEWEST, PATIENCE = (
    20,
    3,
    5.0,
)  # of a bug hunt: so often, or as often as fits into so many seconds, but three times


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
        expected = _result(self, function)
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
            got = self._outcome(trial, guarded)
            if trial.agrees(got, self.solution):
                continue
            for mistake in self.mistakes:
                # A usual mistake passes where the answer has passed. One that cannot run here is not the answer's.
                with suppress(Exception):
                    passed = all(each.agrees(_result(each, mistake), self.solution) for each in self.trials[:number])
                    if passed and trial.agrees(got, mistake):
                        return inspect.getdoc(mistake)
            remark = guarded.remark() if got.isfinite().all() else None
            return f"{trial.says} {remark or _example(got, _result(trial, self.solution))}".rstrip()
        return None

    def _outcome(self, trial: Trial, guarded: "_Guarded") -> Tensor:
        """What a trial makes of an answer; what it cannot work with is the answer's fault if the solution's result will do."""
        try:
            return trial.run(guarded)
        except (WrongAnswerError, AnswerStopped):
            raise
        except Exception as error:
            _result(trial, self.solution)
            returned, expected = _kind(guarded.returned), _kind(guarded.expected)
            raise WrongAnswerError(
                f"The check cannot use what your function returned: {returned}, where {expected} was expected."
            ) from error


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
        began = time.monotonic()
        for turn in range(ROUNDS):
            if turn >= FEWEST and time.monotonic() - began > PATIENCE:
                break
            for version in self.correct:
                problem = self._refused(answer, version)
                if problem is not None:
                    return problem
            problem = self._caught(answer)
            if problem is not None:
                return problem
        return None

    def _refused(self, answer: Callable, version: Callable) -> str | None:
        """What is wrong with a test that does not let a correct version pass; None if it does."""
        tried = self._try(answer, version)
        if tried.error is None:
            return None
        if not isinstance(tried.error, AssertionError):
            return f"Your test stops with {tried.said} although the version that it is handed is correct."
        if not tried.called:
            return self._never_called()
        if any(self._try(answer, version).error is None for _ in range(5)):
            return (
                f"Your test refuses a correct version now and then, by chance ({tried.said}). "
                "Take more numbers, or leave more room."
            )
        return f"Your test refuses a correct version too ({tried.said}). Which values would be right?"

    def _caught(self, answer: Callable) -> str | None:
        """What is wrong with a test that does not catch the bug; None if it does."""
        tried = self._try(answer, self.broken)
        if isinstance(tried.error, AssertionError):
            return None
        if tried.error is not None:
            return (
                f"With the broken version your test does not reach an assertion: it stops with {tried.said}. "
                "Let an `assert` say what is wrong."
            )
        if not tried.called:
            return self._never_called()
        if tried.returned is not None:
            return (
                "Your test lets the broken version pass: it returns what it found, where an `assert` that fails should "
                "stop it."
            )
        return "Your test lets the broken version pass: no `assert` stops it. On which input does the bug show?"

    def _never_called(self) -> str:
        return f"Your test never calls {self._handed()}, the function that it is handed."

    def _handed(self) -> str:
        """The name under which a test is handed the versions."""
        return next(iter(inspect.signature(self.solution).parameters))

    def _try(self, answer: Callable, version: Callable) -> "_Tried":
        """Hand a version to a test, under a name that does not give away which one it is."""
        calls = []

        def handed(*arguments: Any, **named: Any) -> Any:
            calls.append(version)
            return version(*arguments, **named)

        try:
            returned = _Watched(answer, (self.solution, *self.forbidden))(handed)
        except AnswerStopped as stopped:
            if not isinstance(stopped.error, Exception) or isinstance(stopped.error, NotImplementedError):
                raise
            said = _describe(stopped.error).replace(f"{version.__name__}()", f"{self._handed()}()")
            return _Tried(bool(calls), error=stopped.error, said=said)
        return _Tried(bool(calls), returned=returned)


@dataclass(frozen=True)
class _Tried:
    """What a test did with a version: whether it called it, what it returned, or the error and how it reads."""

    called: bool
    returned: Any = None
    error: Exception | None = None
    said: str = ""


@functools.cache
def _result(trial: Trial, function: Callable) -> Tensor:
    """What comes of one of the course's own functions, computed once and with random numbers of its own."""
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(1)  # an answer's begin with another seed
        return trial.run(function)


def joined(results: Iterable[Tensor]) -> Tensor:
    """All numbers of several results in one row, for a trial of several calls."""
    return torch.cat([result.flatten() for result in results])


class WrongAnswerError(Exception):
    """Something wrong that was seen before there was a result to compare."""


class AnswerStopped(Exception):  # noqa: N818 (it carries an error of somebody else's)
    """An error that was raised inside the learner's function, and not in the check around it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


# --- what a notebook calls --------------------------------------------------------------------------------------------


def check(exercise_id: str, answer: Callable | None = None) -> Callable:
    """Say what is right or wrong about an answer, and hand back the function to go on with.

    Args:
        exercise_id: such as "01.1".
        answer: the learner's function; left out, it is the one of the exercise's name in the notebook.

    Returns:
        The answer if it was verified; until then the solution.

    Raises:
        KeyboardInterrupt: if the learner interrupts it.
    """
    exercise = find(exercise_id)
    if answer is None:
        answer = sys._getframe(1).f_globals.get(exercise.solution.__name__)
    try:
        status, message = _judge(exercise, answer)
    except KeyboardInterrupt:
        say(f"○ Interrupted · {exercise.id} {exercise.title}\nNothing was recorded. Is there a loop that never ends?")
        raise
    before = ticks().get(exercise.id)
    if status in ("done", "tried"):
        record(exercise.id, status)
    untouched = "○ Not attempted yet" if before is None else "○ Only the stub here"
    mark = {"done": "✓ Right", "tried": "✗ Not yet", "untouched": untouched, "nothing": "○ Nothing to check"}[status]
    say(f"{mark} · {exercise.id} {exercise.title}{message}")
    if status != "done":
        say("Until it is right, the notebook goes on with the course's own version.")
        if before == "done":
            say("The answer that was right before still counts.")
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


def _judge(exercise: Exercise | BugHunt, answer: object) -> tuple[str, str]:
    """("done" | "tried" | "untouched" | "nothing", what to add to the verdict)."""
    name = exercise.solution.__name__
    if isinstance(threading.current_thread(), Worker):
        raise WrongAnswerError(f"Your function calls check itself: that line belongs below {name}, and not into it.")
    if not callable(answer):
        instead = "" if answer is None else f", only a value ({type(answer).__name__})"
        return "nothing", f"\nThere is no function {name} yet{instead}: run the cell that defines it, then this one."
    if any(answer is own for own in (exercise.solution, *exercise.forbidden)):
        return "nothing", (
            f"\nThis is the course's own {name}, which an earlier check or an import put there: "
            "run the cell with your function again, then this one."
        )
    if type(answer) is FunctionType and _is_stub(answer):
        return "untouched", ""
    verdict, printed = supervised(lambda: _verdict(exercise, answer), TIME_LIMIT)
    stopped = ("tried", f"\nIt was stopped after {TIME_LIMIT:.0f} seconds: is there a loop that never ends?")
    status, message = verdict or stopped
    if printed.length:
        message += f"\nYour function printed, in all the calls of the check:\n{textwrap.indent(str(printed), '    ')}"
    return status, message


def _verdict(exercise: Exercise | BugHunt, answer: Callable) -> tuple[str, str]:
    """As ``_judge``, of an answer that is the learner's own."""
    try:
        problem = exercise.findings(answer)
    except WrongAnswerError as finding:
        problem = str(finding)
    except AnswerStopped as stopped:
        problem = f"Your function stopped with {_describe(stopped.error)}"
    except Exception as error:
        return "nothing", f"\nThe check itself failed, not your function: {_describe(error)}"
    return ("done", "") if problem is None else ("tried", f"\n{problem}")


def _is_stub(function: Callable) -> bool:
    """Whether nothing but ``raise NotImplementedError`` stands in a function, beside a docstring and comments."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0].body
    except (OSError, SyntaxError, AttributeError):  # no source, or a lambda's, which is part of a line
        return False
    lines = [ast.unparse(line) for line in body if not isinstance(getattr(line, "value", None), ast.Constant)]
    return len(lines) == 1 and lines[0].startswith("raise NotImplementedError")


def _describe(error: BaseException) -> str:
    """The error in a line, with the learner's own line where it happened."""
    try:
        text = " ".join(str(error).split())
    except TimeUp:
        raise
    except BaseException:  # whatever the learner's own class of errors does when it is asked for its text
        text = ""
    text = text if len(text) <= 300 else f"{text[:300]}…"
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    others = (Path(__file__).parents[1], Path(torch.__file__).parents[1], Path(os.__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(tuple(map(str, others)))]
    if not own or not own[-1].line:
        return said
    if type(error) is NotImplementedError and not text and own[-1].line.startswith("raise NotImplementedError"):
        return (
            f"the stub's line raise NotImplementedError, which still stands in it (line {own[-1].lineno}): delete it."
        )
    return f"{said} (line {own[-1].lineno}: {own[-1].line})"


class _Watched:
    """A function, called so that a call of the library's own solution within it is noticed, and its errors are marked."""

    def __init__(self, function: Callable, solutions: tuple[Callable, ...]) -> None:
        self.function, self.solutions = function, [inspect.unwrap(solution).__code__ for solution in solutions]

    def __call__(self, *arguments: Any) -> Any:
        called: list[str] = []

        def watch(frame: Any, event: str, argument: Any) -> None:
            # By identity: a pasted solution may equal the course's own.
            if event == "call" and any(frame.f_code is code for code in self.solutions):
                called.append(frame.f_code.co_qualname.removesuffix(".__call__"))

        before, recording = sys.getprofile(), torch.is_grad_enabled()
        sys.setprofile(watch)
        try:
            return self.function(*arguments)
        except (TimeUp, WrongAnswerError):
            raise
        except BaseException as error:
            raise AnswerStopped(error) from error
        finally:
            sys.setprofile(before)
            torch.set_grad_enabled(recording)  # these three are the next trial's too
            torch.set_default_dtype(torch.float32)
            torch.set_default_device(None)
            if called:
                raise WrongAnswerError(f"This calls the course's own {called[0]}: write the arithmetic yourself.")


INSTEAD = {Tensor: "make a new tensor instead", list: "make a new list instead"}


class _Guarded(_Watched):
    """The learner's function, called on copies; damage to them, and a result of the wrong kind, become a finding."""

    def __init__(self, function: Callable, exercise: Exercise) -> None:
        super().__init__(function, (exercise.solution, *exercise.forbidden))
        self.exercise, self.names = exercise, list(inspect.signature(exercise.solution).parameters)
        self.last_call: tuple[Any, ...] = ()
        self.returned = self.expected = None

    def __call__(self, *arguments: Any) -> Any:
        self.expected = self.exercise.solution(*_copy(arguments))
        self.last_call = _copy(arguments)
        self.returned = super().__call__(*arguments)
        for position, (old, new) in enumerate(zip(self.last_call, arguments, strict=True)):
            if position != self.exercise.changes and not _same(old, new):
                instead = INSTEAD.get(type(old), "leave it as it was")
                raise WrongAnswerError(
                    f"Your function changes its argument {self.names[position]} in place: {instead}."
                )
        _require_kind(self.returned, self.expected)
        return self.returned

    def remark(self) -> str | None:
        """What the last call shows of an answer that is none of the usual mistakes: noise of its own, an unused argument."""
        solution, answer = self.exercise.solution, super().__call__
        with suppress(Exception):
            if self._alike(solution, self.last_call) and not self._alike(answer, self.last_call):
                handed = {name for name, value in zip(self.names, self.last_call, strict=False) if value is not None}
                noise = handed & {"eps", "noise", "generator"}
                advice = f": use the {min(noise)} that it is handed, and draw no other noise" if noise else ""
                return f"Called twice with the same arguments, it gives two different results{advice}."
        for position, (name, value) in enumerate(zip(self.names, self.last_call, strict=False)):
            with suppress(Exception):
                changed = [*self.last_call[:position], _another(value), *self.last_call[position + 1 :]]
                if self._alike(answer, changed) and not self._alike(solution, changed):
                    return f"Your function gives the same whatever {name} is."
        return None

    def _alike(self, function: Callable, arguments: Iterable[Any]) -> bool:
        """Whether a function gives the same for these arguments as for those of the last call."""
        return _same(function(*_copy(self.last_call)), function(*_copy(tuple(arguments))))


def _require_kind(result: Any, expected: Any) -> None:
    """Refuse a result of another type, shape or dtype; an object that merely claims to be equal is no tensor."""
    if expected is None:
        return
    if result is None:
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
        if result.layout != expected.layout:
            raise WrongAnswerError(f"The tensor should be a dense one, but it is {result.layout}: use .to_dense().")
        if result.device != expected.device:
            raise WrongAnswerError(
                f"The result should be on the inputs' device, {expected.device}, but it is on {result.device}."
            )
    elif type(result) is not type(expected):
        wanted = type(expected).__name__
        raise WrongAnswerError(f"Your function should return a {wanted}, but a {type(result).__name__} came.")
    elif isinstance(expected, list | tuple):
        # How long it should be is for the trials to say, which know the usual mistakes.
        wanted = _kinds(expected)
        strange = _kinds(result) - wanted
        if wanted and strange:
            raise WrongAnswerError(
                f"The {type(result).__name__} should hold Python {_listed(wanted)}, but it holds {_listed(strange)}."
            )


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
        alike = old.shape == new.shape and old.dtype == new.dtype
        return alike and bool(((old == new) | (old.isnan() & new.isnan())).all())
    if isinstance(old, NoiseSchedule):
        return _same(old.alpha_bar, new.alpha_bar)
    if isinstance(old, nn.Module):
        return _same([*old.state_dict().values()], [*new.state_dict().values()])
    if isinstance(old, tuple | list):
        return len(old) == len(new) and all(map(_same, old, new))
    return old == new if isinstance(old, str | float | int) else True


def _another(value: Any) -> Any:
    """A value in the place of an argument, of the same kind and as good; the same one of what has no such other."""
    if isinstance(value, torch.Generator):
        return torch.Generator().manual_seed(value.initial_seed() + 1)
    if isinstance(value, NoiseSchedule):
        return NoiseSchedule(value.alpha_bar**2)
    if isinstance(value, float) or (isinstance(value, Tensor) and value.is_floating_point()):
        return 0.9 * value
    if isinstance(value, Tensor) and value.ndim > 0:
        return value.flip(0)
    return value


def _kind(value: Any) -> str:
    """What something is, for a sentence."""
    if type(value) is Tensor:
        grad = ", with gradients" if value.requires_grad else ""
        return f"a tensor of shape {tuple(value.shape)} and dtype {value.dtype}{grad}"
    if isinstance(value, list | tuple):
        holding = f", holding {_listed(_kinds(value))}" if value else ""
        return f"a {type(value).__name__} of length {len(value)}{holding}"
    return "nothing" if value is None else f"a {type(value).__name__}"


def _kinds(values: Iterable[Any]) -> set[str]:
    return {f"{type(value).__name__}s" for value in values}


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names))


def _example(got: Tensor, wanted: Tensor) -> str:
    """The number that is furthest off, for the learner to think about."""
    if got.shape != wanted.shape or got.dtype == torch.bool:  # of yes and no, the trial's own words say more
        return ""
    got, wanted = got.double().flatten(), wanted.double().flatten()
    worst = int((got - wanted).abs().nan_to_num(nan=torch.inf).argmax())
    if got[worst].isnan() and not wanted[worst].isnan():
        return "For one input it gives nan, not a number: is something divided by 0, or the root of less than 0 taken?"
    return f"For one input it gives {got[worst].item():.4g}, where {wanted[worst].item():.4g} is right."
