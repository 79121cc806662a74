"""Whether an answer that is right runs on the GPU, too: notebooks compute there, the checks on the CPU."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.classroom.exercise import Exercise, Trial
from course_lib.classroom.guarding import describe

STAND_INS = "course_lib.classroom.exercises"  # whose objects answer in a network's place


def stops_on(device: torch.device, exercise: Exercise, answer: Callable) -> str | None:
    """What is to be said of a right answer that stops on a device on which the course's own does not; else None."""
    for trial in exercise.trials:
        if _stopped_by(trial, exercise.solution, device) is None:
            error = _stopped_by(trial, answer, device)
            if error is not None:
                return (
                    f"This notebook computes on {device}, though, and there it stops with {describe(error)}. So the notebook "
                    "goes on with the course's own version. To see yours used, make every new tensor where those are that "
                    "it is handed: device=x.device, torch.zeros_like(x), ….to(x)."
                )
    return None


def _stopped_by(trial: Trial, function: Callable, device: torch.device) -> Exception | None:
    stopped = []

    def elsewhere(*arguments: Any) -> Any:
        try:
            return moved(function(*moved(arguments, device)), torch.device("cpu"))
        except Exception as error:
            stopped.append(error)
            raise

    try:
        trial.run(elsewhere)
    except Exception:  # the trial's own too, if its stand-ins cannot be moved: that says nothing of the function
        return stopped[0] if stopped else None
    return None


def moved(value: Any, device: torch.device) -> Any:
    """A value with its tensors and copies of its networks on a device; a trial's stand-ins answer there from the CPU."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, nn.Module):
        return copy.deepcopy(value).to(device)
    if getattr(value, "__module__", "").startswith(STAND_INS):
        return _FarAway(value, device)
    if isinstance(value, list | tuple):
        parts = [moved(part, device) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


class _FarAway:
    def __init__(self, inside: Any, device: torch.device) -> None:
        self._inside, self._device = inside, device

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        here = torch.device("cpu")
        named = {name: moved(value, here) for name, value in named.items()}
        return moved(self._inside(*moved(arguments, here), **named), self._device)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inside, name)
        return _FarAway(value, self._device) if callable(value) else moved(value, self._device)
