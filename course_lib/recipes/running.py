"""What all recipes share: train with a progress bar, save every minute, go on after an interruption."""

import time
from collections.abc import Callable
from typing import Any

import torch

from course_lib.files import checksums, data_folder
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
    unfinished = data_folder() / "checkpoints" / "unfinished" / f"{name}.safetensors"
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


def forget_unfinished(name: str) -> None:
    """Delete the unfinished state once the finished network has been written."""
    (data_folder() / "checkpoints" / "unfinished" / f"{name}.safetensors").unlink(missing_ok=True)


def provenance(name: str, data: str, state: TrainState, batch_size: int) -> dict[str, str]:
    """Where a network comes from: recipe, seed, amount of training, the data's checksum, torch's version."""
    return {
        "recipe": f"python -m course_lib.recipes.{name}",
        "seed": str(state.seed),
        "steps": str(state.step),
        "batch_size": str(batch_size),
        "parameters": str(sum(p.numel() for p in state.net.parameters())),
        "data": data,
        "data_sha256": checksums()[data],
        "torch": torch.__version__,
    }
