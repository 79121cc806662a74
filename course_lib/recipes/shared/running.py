"""What the recipes of networks share: train with a progress bar, save every minute, go on after an interruption."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import nn

from course_lib.pretrained import save_weights
from course_lib.support.files import checksums, data_folder
from course_lib.training import TrainState, TrainStep, load_checkpoint, save_checkpoint, train, with_progress

SAVE_EVERY = 60.0  # seconds


class Phase(Protocol):
    """A stretch of training of so many steps."""

    @property
    def steps(self) -> int: ...


P = TypeVar("P", bound=Phase)


def run_training(
    name: str,
    state: TrainState,
    batches: Callable[[torch.Generator], Any],
    loss: Callable,
    steps: int,
    batch_size: int,
    learning_rate: Callable[[int], float],
) -> None:
    """Train ``state`` to ``steps``; the unfinished state is kept in data/checkpoints/unfinished/ meanwhile."""
    run(name, state, train(state, batches, loss, steps, learning_rate), steps, batch_size)


def run(
    name: str,
    state: TrainState | Sequence[TrainState],
    training: Iterator[TrainStep],
    steps: int,
    batch_size: int,
) -> None:
    """Go through with a training of one state, or of several that go in step, from where it was interrupted.

    Args:
        training: not begun yet, since ``state`` is changed first if there is an unfinished one.
    """
    states, unfinished = [state] if isinstance(state, TrainState) else state, _unfinished(name)
    if unfinished.is_file():
        load_checkpoint(state, unfinished)
        print(f"going on at step {states[0].step} of {steps}", flush=True)
    saved_at = time.monotonic()
    try:
        for _ in with_progress(training, states[0], steps, batch_size):
            if time.monotonic() - saved_at > SAVE_EVERY:
                save_checkpoint(state, unfinished)
                saved_at = time.monotonic()
    except KeyboardInterrupt:
        save_checkpoint(state, unfinished)
        raise SystemExit(f"\nstopped at step {states[0].step}: the same command goes on from there") from None
    save_checkpoint(state, unfinished)


def train_phases(
    name: str, phases: Sequence[P], net: nn.Module, train_phase: Callable[[str, P, nn.Module, int], TrainState]
) -> TrainState:
    """Train one phase after the other, each from the averaged weights of the one before, the first one from ``net``.

    Args:
        train_phase: train_phase(unfinished, phase, net, seed), where ``unfinished`` is the name of the state that
            ``run_training`` keeps meanwhile, and the seed is the phase's number.
    """
    for seed, (unfinished, phase) in enumerate(zip(_unfinished_names(name, phases), phases, strict=True)):
        state = train_phase(unfinished, phase, net, seed)
        net = state.ema
    return state


def ship(
    name: str,
    data: str,
    state: TrainState,
    batch_size: int,
    quality: Mapping[str, object],
    phases: Sequence[Phase] = (),
) -> None:
    """Write the averaged network with where it comes from and how good it is; what was kept unfinished is then deleted.

    Where it comes from: recipe, seed, amount of training (of each phase, if there were several), the data's checksum,
    torch's version.
    """
    print(quality)
    provenance = {
        "recipe": f"python -m course_lib.recipes.{name}",
        "seed": str(state.seed),
        "steps": " + ".join(str(phase.steps) for phase in phases) or str(state.step),
        "batch_size": str(batch_size),
        "parameters": str(sum(p.numel() for p in state.net.parameters())),
        "data": data,
        "data_sha256": checksums()[data],
        "torch": torch.__version__,
    }
    save_weights(state.ema, name, provenance | {key: str(value) for key, value in quality.items()})
    for unfinished in _unfinished_names(name, phases):
        discard(unfinished)


def discard(name: str) -> None:
    """Delete the unfinished state of a training that has served its purpose."""
    _unfinished(name).unlink(missing_ok=True)


def _unfinished_names(name: str, phases: Sequence[Phase]) -> list[str]:
    """Of the states of a recipe's phases; the last one, or the only one, has the recipe's own name."""
    return [*(f"{name}_{number}" for number in range(len(phases) - 1)), name]


def _unfinished(name: str) -> Path:
    return data_folder() / "checkpoints" / "unfinished" / f"{name}.safetensors"
