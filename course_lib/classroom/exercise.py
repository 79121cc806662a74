"""What an exercise is: a function to write with what is tried on it, or a test to write that catches a bug."""

import functools
import inspect
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from course_lib.classroom.chance import moved_by
from course_lib.classroom.guarding import (
    STUBS_LINE,
    AnswerStopped,
    Guarded,
    Watched,
    WrongAnswerError,
    describe,
    example_of,
    kind_of,
)

ROUNDS, FEWEST = 20, 3  # so often a bug hunt's test is tried, and so often at least
AGAIN = 5  # tries more, to see whether a verdict was chance
PATIENCE = 5.0  # seconds for the rounds above the fewest


@dataclass(frozen=True)
class Trial:
    """One thing that is tried.

    Args:
        run: calls the answer, once or many times, and returns the results as one tensor.
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
        mistakes: wrong functions; if an answer gives the same as one of them, the learner reads its docstring.
        changes: the argument, by position, that the function is meant to change in place.
        forbidden: functions of the library that do the same work; calling them is no answer.
        on_device: whether the notebook hands the function tensors that lie on a GPU, where there is one.
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
    on_device: bool = False

    def findings(self, answer: Callable) -> str | None:
        """What is wrong with an answer, in a sentence or two; None if nothing is."""
        guarded = Guarded(answer, self.solution, self.forbidden, self.changes)
        return self.findings_of(partial(self._outcome, guarded), guarded.remark)

    def findings_of(
        self, outcome: Callable[[Trial], Tensor], remark: Callable[[], str | None] = lambda: None
    ) -> str | None:
        """As ``findings``, of an answer that need not run in this process.

        Args:
            outcome: what a trial makes of the answer, an error if it makes nothing.
            remark: what the answer's last call shows if the answer is none of the usual mistakes.
        """
        for number, trial in enumerate(self.trials):
            got = outcome(trial)
            if trial.agrees(got, self.solution):
                continue
            for mistake in self.mistakes:
                # A usual mistake passes where the answer has passed. One that cannot run here is not the answer's.
                with suppress(Exception):
                    passed = all(each.agrees(_result(each, mistake), self.solution) for each in self.trials[:number])
                    if passed and trial.agrees(got, mistake):
                        return inspect.getdoc(mistake)
            remarked = remark() if got.isfinite().all() else None
            return f"{trial.says} {remarked or example_of(got, _result(trial, self.solution))}".rstrip()
        return None

    def _outcome(self, guarded: Guarded, trial: Trial) -> Tensor:
        """What a trial makes of an answer; what it cannot work with is the answer's fault if the solution's result will do."""
        try:
            return trial.run(guarded)
        except (WrongAnswerError, AnswerStopped):
            raise
        except Exception as error:
            _result(trial, self.solution)
            returned, expected = kind_of(guarded.returned), kind_of(guarded.expected)
            raise WrongAnswerError(
                f"The check cannot use what your function returned: {returned}, where {expected} was expected."
            ) from error


@dataclass(frozen=True)
class BugHunt:
    """A test to write, which catches a bug.

    Args:
        broken: the function with the bug.
        correct: right functions, written differently: the test must let all of them pass. The docstring of one, if it has
            any, is what a test that refuses it is told.
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
    on_device: ClassVar[bool] = False

    def findings(self, answer: Callable) -> str | None:
        """What is wrong with a test; None if it tells right from wrong, again and again."""
        return self.findings_of(partial(self._try, answer))

    def findings_of(self, attempt: Callable[[Callable], "Attempt"], patience: float = PATIENCE) -> str | None:
        """As ``findings``, of a test that need not run in this process: ``attempt`` hands a version to it.

        Rounds above the fewest are left out once ``patience`` seconds have passed.
        """
        began = time.monotonic()
        for turn in range(ROUNDS):
            if turn >= FEWEST and time.monotonic() - began > patience:
                break
            for version in self.correct:
                problem = self._refused(attempt, version)
                if problem is not None:
                    return problem
            problem = self._caught(attempt)
            if problem is not None:
                return problem
        return None

    def _refused(self, attempt: Callable[[Callable], "Attempt"], version: Callable) -> str | None:
        """What is wrong with a test that does not let a correct version pass; None if it does."""
        tried = attempt(version)
        if tried.end == "passed":
            return None
        if tried.end != "refused":
            return f"Your test stops with {tried.said} although the version that it is handed is correct."
        if not tried.called:
            return self._never_called()
        if any(attempt(version).end == "passed" for _ in range(AGAIN)):
            return (
                f"Your test refuses a correct version now and then, by chance ({tried.said}). "
                "Take more numbers, or leave more room, as torch.allclose does with a larger atol."
            )
        advice = inspect.getdoc(version) or "Which values would be right?"
        return f"Your test refuses a correct version too ({tried.said}). {advice}"

    def _caught(self, attempt: Callable[[Callable], "Attempt"]) -> str | None:
        """What is wrong with a test that does not catch the bug; None if it does."""
        tried = attempt(self.broken)
        if tried.end == "refused":
            return None
        if tried.end == "stopped":
            return (
                f"With the broken version your test does not reach an assertion: it stops with {tried.said}. "
                "Let an `assert` say what is wrong."
            )
        if not tried.called:
            return self._never_called()
        if tried.returned:
            return (
                "Your test lets the broken version pass: it returns what it found, where an `assert` that fails should "
                "stop it."
            )
        if any(attempt(self.broken).end == "refused" for _ in range(AGAIN)):
            return "Your test lets the broken version pass now and then. On which input does the bug always show?"
        return (
            "Your test lets the broken version pass: no `assert` stops it. On which input does the bug show, "
            "and by how much?"
        )

    def _never_called(self) -> str:
        return f"Your test never calls {self._handed()}, the function that it is handed."

    def _handed(self) -> str:
        """The name under which a test is handed the versions."""
        return next(iter(inspect.signature(self.solution).parameters))

    def _try(self, answer: Callable, version: Callable) -> "Attempt":
        return attempt(answer, version, (self.solution, *self.forbidden), self._handed())


@dataclass(frozen=True)
class Attempt:
    """What a test did with a version: whether it called it, whether it returned something, and how it ended.

    Args:
        end: "passed", "refused" if an assertion failed, or "stopped" by another error.
        said: how the error reads.
    """

    called: bool
    end: Literal["passed", "refused", "stopped"]
    returned: bool = False
    said: str = ""


def attempt(answer: Callable, version: Callable, forbidden: tuple[Callable, ...], name: str) -> Attempt:
    """Hand a version to a test, under a name that does not give away which one it is."""
    calls = []

    def handed(*arguments: Any, **named: Any) -> Any:
        calls.append(version)
        return version(*arguments, **named)

    try:
        returned = Watched(answer, forbidden)(handed)
    except AnswerStopped as stopped:
        said = describe(stopped.error)
        if STUBS_LINE in said:
            raise
        said = said.replace(f"{version.__name__}()", f"{name}()")
        return Attempt(bool(calls), "refused" if isinstance(stopped.error, AssertionError) else "stopped", said=said)
    return Attempt(bool(calls), "passed", returned is not None)


def _result(trial: Trial, function: Callable) -> Tensor:
    """What comes of one of the course's own functions, computed once for its numbers."""
    return _computed(trial, function, moved_by())


@functools.cache
def _computed(trial: Trial, function: Callable, moved: int) -> Tensor:
    """As ``_result``, and with random numbers of its own."""
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(1)  # an answer's begin with another seed
        return trial.run(function)


def joined(results: Iterable[Tensor]) -> Tensor:
    """All numbers of several results in one row, for a trial of several calls."""
    return torch.cat([result.flatten() for result in results])
