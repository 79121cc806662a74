"""Calling what a learner wrote: on copies, without the course's own solution, and with a sentence for whatever goes wrong."""

import copy
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from course_lib.classroom.supervision import TimeUp
from course_lib.schedules import NoiseSchedule

FILLER = -torch.inf  # what a trial fills lists of numbers up with, so that they have one length
STUBS_LINE = "the stub's line raise NotImplementedError"


class WrongAnswerError(Exception):
    """Something wrong that was seen before there was a result to compare."""


class AnswerStopped(Exception):  # noqa: N818 (it carries an error of somebody else's)
    """An error that was raised inside the learner's function, and not in the check around it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def describe(error: BaseException) -> str:
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
        return f"{STUBS_LINE}, which still stands in it (line {own[-1].lineno}): delete it."
    return f"{said} (line {own[-1].lineno}: {own[-1].line})"


class Watched:
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


class Unchanging(Watched):
    """The learner's function, whose damage to an argument becomes a finding.

    Args:
        names: of the arguments.
        changes: which one it is meant to change, by position.
    """

    def __init__(
        self, function: Callable, forbidden: tuple[Callable, ...], names: list[str], changes: int | None
    ) -> None:
        super().__init__(function, forbidden)
        self.names, self.changes = names, changes
        self.last_call: tuple[Any, ...] = ()
        self.returned = None

    def __call__(self, *arguments: Any) -> Any:
        self.last_call = _copy(arguments)
        self.returned = super().__call__(*arguments)
        for position, (old, new) in enumerate(zip(self.last_call, arguments, strict=True)):
            if position != self.changes and not _same(old, new):
                instead = INSTEAD.get(type(old), "leave it as it was")
                raise WrongAnswerError(
                    f"Your function changes its argument {self.names[position]} in place: {instead}."
                )
        return self.returned


class Guarded(Unchanging):
    """The learner's function beside the solution: a result of the wrong kind becomes a finding, too."""

    def __init__(
        self, function: Callable, solution: Callable, forbidden: tuple[Callable, ...], changes: int | None
    ) -> None:
        super().__init__(function, (solution, *forbidden), argument_names(solution), changes)
        self.solution, self.expected = solution, None

    def __call__(self, *arguments: Any) -> Any:
        self.expected = self.solution(*_copy(arguments))
        returned = super().__call__(*arguments)
        require_kind(returned, self.expected)
        return returned

    def remark(self) -> str | None:
        """What the last call shows of an answer that is none of the usual mistakes: noise of its own, an unused argument."""
        answer = partial(Watched.__call__, self)  # which leaves the last call as it was
        return remark_of(answer, self.last_call, self.names, what_matters(self.solution, self.last_call))


class Matters(NamedTuple):
    """What a result depends on: whether the same arguments give the same, and which arguments, by position, change it."""

    repeats: bool
    positions: tuple[int, ...]


def what_matters(solution: Callable, arguments: tuple[Any, ...]) -> Matters:
    """What the solution's result depends on in a call."""
    repeats, positions = False, []
    with suppress(Exception):
        repeats = _alike(solution, arguments, arguments)
    for position in range(len(arguments)):
        with suppress(Exception):
            if any(not _alike(solution, arguments, changed) for changed in _with_others(arguments, position)):
                positions.append(position)
    return Matters(repeats, tuple(positions))


def remark_of(answer: Callable, arguments: tuple[Any, ...], names: list[str], matters: Matters) -> str | None:
    """What a call shows of an answer whose result should depend on what ``matters``."""
    with suppress(Exception):
        if matters.repeats and not _alike(answer, arguments, arguments):
            handed = {name for name, value in zip(names, arguments, strict=False) if value is not None}
            noise = handed & {"eps", "noise", "generator"}
            advice = f": use the {min(noise)} that it is handed, and draw no other noise" if noise else ""
            return f"Called twice with the same arguments, it gives two different results{advice}."
    for position in matters.positions:
        with suppress(Exception):
            if all(_alike(answer, arguments, changed) for changed in _with_others(arguments, position)):
                return f"Your function gives the same whatever {names[position]} is."
    return None


def _with_others(arguments: tuple[Any, ...], position: int) -> list[list[Any]]:
    """The same arguments with other values at one position."""
    others = _others(arguments[position])
    return [[*arguments[:position], other, *arguments[position + 1 :]] for other in others]


def _alike(function: Callable, arguments: Iterable[Any], others: Iterable[Any]) -> bool:
    """Whether a function gives the same for two lists of arguments."""
    return _same(function(*_copy(tuple(arguments))), function(*_copy(tuple(others))))


def argument_names(function: Callable) -> list[str]:
    return list(inspect.signature(function).parameters)


def require_kind(result: Any, expected: Any) -> None:
    """Refuse a result of another type, shape or dtype; an object that merely claims to be equal is no tensor."""
    if expected is None:
        return
    if result is None:
        raise WrongAnswerError("Your function returns nothing: has it a return?")
    if isinstance(expected, Tensor):
        if type(result) not in (Tensor, nn.Parameter):
            raise WrongAnswerError(f"Your function should return a torch.Tensor, but got {type(result).__name__}.")
        if result.shape != expected.shape:
            raise WrongAnswerError(f"The shape should be {tuple(expected.shape)}, but it is {tuple(result.shape)}.")
        if result.is_complex() and not expected.is_complex():
            raise WrongAnswerError(
                "The result is complex: the root of a negative number was taken. Is a difference the wrong way round, or a "
                "ratio upside down?"
            )
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
    elif type(result) is not type(expected) and not (type(expected) is float and isinstance(result, float)):
        wanted = type(expected).__name__
        raise WrongAnswerError(f"Your function should return a {wanted}, but got {type(result).__name__}.")
    elif isinstance(expected, list | tuple):
        # How long it should be is for the trials to say, which know the usual mistakes.
        wanted = _kinds(expected)
        strange = _kinds(result) - wanted
        if wanted and strange:
            raise WrongAnswerError(
                f"The {type(result).__name__} should hold Python {_listed(wanted)}, but it holds {_listed(strange)}."
            )


def _copy(value: Any, memo: dict | None = None) -> Any:
    """A copy whose tensors share no memory with the original; a generator's copy draws the same numbers.

    Args:
        memo: what has been copied already, so that the copy of an optimiser steps the copy of its network.
    """
    memo = {} if memo is None else memo
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, torch.Generator):
        generator = torch.Generator()
        generator.set_state(value.get_state())
        return generator
    if isinstance(value, NoiseSchedule):
        return NoiseSchedule(value.alpha_bar.clone())
    if isinstance(value, nn.Module | torch.optim.Optimizer):
        return copy.deepcopy(value, memo)
    if isinstance(value, tuple):
        parts = [_copy(part, memo) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [_copy(part, memo) for part in value]
    return value


def _same(old: Any, new: Any) -> bool:
    """Whether nothing has changed, bit for bit."""
    if isinstance(old, Tensor):
        alike = old.shape == new.shape and old.dtype == new.dtype
        return alike and bool(((old == new) | (old.isnan() & new.isnan())).all())
    if isinstance(old, NoiseSchedule):
        return _same(old.alpha_bar, new.alpha_bar)
    if isinstance(old, nn.Module):
        modes = ([module.training for module in net.modules()] for net in (old, new))
        return _same([*old.state_dict().values()], [*new.state_dict().values()]) and _same(*modes)
    if isinstance(old, tuple | list):
        return len(old) == len(new) and all(map(_same, old, new))
    return old == new if isinstance(old, str | float | int) else True


def _others(value: Any) -> list[Any]:
    """Values of the same kind that could stand for an argument, equally valid; none where there are no others."""
    if isinstance(value, torch.Generator):
        return [torch.Generator().manual_seed(value.initial_seed() + 1)]
    if isinstance(value, NoiseSchedule):
        longer = torch.cat([value.alpha_bar, value.alpha_bar[-1:] / 2])
        return [NoiseSchedule(value.alpha_bar**2), NoiseSchedule(longer)]
    if isinstance(value, float):
        return [0.9 * value, 0.3 * value]
    if isinstance(value, Tensor) and value.is_floating_point():
        return [0.9 * value, 0.3 * value, -value, value.flip(0) if value.ndim else value]
    if isinstance(value, Tensor) and value.ndim > 0:
        return [value.flip(0), ~value if value.dtype == torch.bool else (value + 1) // 2]
    return []


def kind_of(value: Any) -> str:
    """What something is, for a sentence."""
    if type(value) is Tensor:
        grad = ", with gradients" if value.requires_grad else ""
        return f"a tensor of shape {tuple(value.shape)} and dtype {value.dtype}{grad}"
    if isinstance(value, list | tuple):
        holding = f", holding {_listed(_kinds(value))}" if value else ""
        return f"a {type(value).__name__} of length {len(value)}{holding}"
    return "nothing" if value is None else f"a {type(value).__name__}"


def _kinds(values: Iterable[Any]) -> set[str]:
    """The types, in the plural; NumPy's float64 is a Python float."""
    return {"floats" if isinstance(value, float) else f"{type(value).__name__}s" for value in values}


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names))


def example_of(got: Tensor, wanted: Tensor) -> str:
    """The number that is furthest off, for the learner to think about."""
    if got.shape != wanted.shape or got.dtype == torch.bool:  # of yes and no, the trial's own words say more
        return ""
    got, wanted = got.double().flatten(), wanted.double().flatten()
    worst = int((got - wanted).abs().nan_to_num(nan=torch.inf).argmax())
    if FILLER in (got[worst], wanted[worst]):  # a list that is too short or too long
        return ""
    if got[worst].isnan() and not wanted[worst].isnan():
        return "For one input it gives nan, not a number: is something divided by 0, or the root of less than 0 taken?"
    for digits in (4, 6, 9, 15):  # as many as show the difference
        given, right = f"{got[worst].item():.{digits}g}", f"{wanted[worst].item():.{digits}g}"
        if given != right:
            break
    return f"For one input it gives {given}, where {right} is right."
