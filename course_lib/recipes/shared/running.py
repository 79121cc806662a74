"""What the recipes of networks share: train with a progress bar, save every minute, go on after an interruption."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from course_lib.pretrained import save_weights
from course_lib.support.files import checksums, data_folder
from course_lib.training import TrainState, load_checkpoint, save_checkpoint, train, with_progress

SAVE_EVERY = 60.0  # seconds


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
    unfinished = _unfinished(name)
    if unfinished.is_file():
        load_checkpoint(state, unfinished)
        print(f"going on at step {state.step} of {steps}", flush=True)
    saved_at = time.monotonic()
    try:
        for _ in with_progress(train(state, batches, loss, steps, learning_rate), state, steps, batch_size):
            if time.monotonic() - saved_at > SAVE_EVERY:
                save_checkpoint(state, unfinished)
                saved_at = time.monotonic()
    except KeyboardInterrupt:
        save_checkpoint(state, unfinished)
        raise SystemExit(f"\nstopped at step {state.step}: the same command goes on from there") from None
    save_checkpoint(state, unfinished)


def ship(name: str, data: str, state: TrainState, batch_size: int, quality: dict[str, str]) -> None:
    """Write the averaged network with where it comes from and how good it is; its unfinished state is then deleted.

    Where it comes from: recipe, seed, amount of training, the data's checksum, torch's version.
    """
    print(quality)
    provenance = {
        "recipe": f"python -m course_lib.recipes.{name}",
        "seed": str(state.seed),
        "steps": str(state.step),
        "batch_size": str(batch_size),
        "parameters": str(sum(p.numel() for p in state.net.parameters())),
        "data": data,
        "data_sha256": checksums()[data],
        "torch": torch.__version__,
    }
    save_weights(state.ema, name, provenance | quality)
    discard(name)


def discard(name: str) -> None:
    """Delete the unfinished state of a training that has served its purpose."""
    _unfinished(name).unlink(missing_ok=True)


def _unfinished(name: str) -> Path:
    return data_folder() / "checkpoints" / "unfinished" / f"{name}.safetensors"
