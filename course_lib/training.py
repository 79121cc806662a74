r"""Training: the loss, the loop, the averaged weights, and checkpoints from which it goes on as if never stopped.

The loss is plain regression (Ho et al. 2020, equation 14 and algorithm 1): draw a picture, a time and noise, make
x_t in closed form, and ask the network for the noise.

.. math:: L = \mathbb E_{x_0, t, \epsilon}\,\big\|\epsilon - \epsilon_\theta(x_t, t)\big\|^2
"""

import copy
import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from IPython import get_ipython
from IPython.display import display
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from course_lib.arguments import require_between, require_whole_number
from course_lib.denoisers import NetDenoiser
from course_lib.files import CourseFileError, atomic_write
from course_lib.forward import add_noise, noise_like

# --- the loss ---------------------------------------------------------------------------------------------------------


def draw_times(size: int, T: int, generator: torch.Generator | None = None, shift: float = 1.0) -> Tensor:
    r"""Random times in 1…T, shape (size,), int64, one from each of ``size`` equal slices of the range.

    Each time on its own is uniform; together they cover the range evenly, which makes the loss less noisy than
    independent draws (Kingma et al. 2021, *Variational Diffusion Models*, appendix I.1).

    A ``shift`` s above 1 favours much noise, where outlines are settled: :math:`u \to \frac{s u}{1 + (s - 1) u}` (Esser et
    al. 2024, *Scaling Rectified Flow Transformers for High-Resolution Image Synthesis*, equation 23). It is above 0.
    """
    require_between("shift", shift, 0, math.inf)
    u = (torch.arange(size) + torch.rand(size, generator=generator)) / size  # (size,), in [0, 1)
    u = shift * u / (1 + (shift - 1) * u)
    return 1 + (u * T).long().clamp(max=T - 1)


def drop_labels(
    labels: Tensor, null_class: int, probability: float, generator: torch.Generator | None = None
) -> Tensor:
    """The labels, (B,) or (B, K), each row replaced by ``null_class`` with the given probability in [0, 1].

    So one network learns to draw with a label and without (Ho, Salimans 2022, *Classifier-Free Diffusion Guidance*).
    """
    require_between("probability", probability, 0, 1)
    dropped = torch.rand(len(labels), generator=generator).to(labels.device) < probability  # (B,)
    return torch.where(dropped.reshape(-1, *[1] * (labels.ndim - 1)), null_class, labels)


def denoising_loss(
    denoiser: NetDenoiser,
    x_0: Tensor,
    cond: Tensor | None = None,
    generator: torch.Generator | None = None,
    shift: float = 1.0,
) -> Tensor:
    """The mean squared error of the network's prediction at random times with random noise, shape ().

    Args:
        denoiser: whose network is trained; it also says what the network predicts.
        x_0: clean pictures, (B, …).
        cond: handed to the network, one row for each picture.
        generator: for times and noise.
        shift: of the times, see ``draw_times``.
    """
    t = draw_times(len(x_0), denoiser.schedule.T, generator, shift).to(x_0.device)  # (B,)
    eps = noise_like(x_0, generator)  # (B, …)
    x_t = add_noise(denoiser.schedule, x_0, t, eps)  # (B, …)
    return (denoiser.net(x_t, t, cond) - denoiser.target(x_0, t, eps)).square().mean()


# --- the loop ---------------------------------------------------------------------------------------------------------


@dataclass
class TrainState:
    """All that training changes, and the seed from which everything random follows.

    Batch k and its noise derive from (seed, k) alone. So ``net``, ``ema``, ``optimizer`` and ``step`` are the whole
    state: whoever has them goes on bit for bit, on the same kind of machine with the same number of threads.

    Args:
        net: the network, whose weights jump about.
        ema: their exponential moving average, which is what one samples with; a copy of net unless given.
        optimizer: AdamW over the parameters of net unless given.
        step: how many steps are done.
        seed: of the batches and their noise.
        ema_limit: of ``ema_decay``: how much of the average is kept at a step, in the end.
    """

    net: nn.Module
    ema: nn.Module = None
    optimizer: torch.optim.Optimizer = None
    step: int = 0
    seed: int = 0
    ema_limit: float = 0.9995

    def __post_init__(self) -> None:
        if self.ema is None:
            self.ema = copy.deepcopy(self.net).requires_grad_(False)
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=2e-3, betas=(0.9, 0.98))


class TrainStep(NamedTuple):
    """What one step of training did: its number, from 1, and the loss on its batch."""

    step: int
    loss: float


def generator_for(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step: a generator that depends on (seed, step) and nothing else."""
    # torch's CPU generator uses 32 bits of its seed: mix both numbers into them.
    return torch.Generator().manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1)[0]))


def ema_decay(step: int, limit: float = 0.9995) -> float:
    """How much of the average is kept at a step (from 0): little at first, so that the random start is soon forgotten."""
    return min(limit, (1 + step) / (10 + step))


@torch.no_grad()
def update_ema(ema: nn.Module, net: nn.Module, decay: float) -> None:
    r""":math:`\bar\theta \leftarrow \text{decay}\cdot\bar\theta + (1-\text{decay})\cdot\theta`, in place; decay in [0, 1]."""
    require_between("decay", decay, 0, 1)
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.lerp_(current, 1 - decay)


def warm_up_then_fall(step: int, steps: int, peak: float = 2e-3, warm_up: int = 100) -> float:
    """A learning rate: up to ``peak`` within ``warm_up`` steps, flat to 60 % of the way, then straight down to 2 %."""
    fall = max(0.0, (step / steps - 0.6) / 0.4)
    return peak * min(1.0, (step + 1) / warm_up) * (1 - 0.98 * fall)


def train(
    state: TrainState,
    batches: Callable[[torch.Generator], Any],
    loss: Callable[[nn.Module, Any, torch.Generator], Tensor],
    steps: int,
    learning_rate: Callable[[int], float] | None = None,
) -> Iterator[TrainStep]:
    """Train until ``state.step`` is ``steps``, yielding after each step, when weights and average are up to date.

    Progress bars, plots and checkpoints just iterate; whoever stops iterating stops the training, and another call
    goes on from there.

    Args:
        state: changed in place.
        batches: a batch from a generator.
        loss: loss(net, batch, generator), shape ().
        steps: where to stop, counted from the very first step.
        learning_rate: of the step about to be taken, counted from 0; None leaves the optimiser's own.

    Raises:
        FloatingPointError: if the loss is not finite; the weights are still those before that step.
    """
    require_whole_number("steps", steps)
    while state.step < steps:
        generator = generator_for(state.seed, state.step)
        value = loss(state.net, batches(generator), generator)
        if not math.isfinite(value.item()):
            raise FloatingPointError(
                f"the loss became {value.item()} at step {state.step + 1}: try a smaller learning rate, "
                "and look for a division by zero or a logarithm of zero in the loss."
            )
        state.optimizer.zero_grad()
        value.backward()
        with _uninterrupted():
            if learning_rate is not None:
                for group in state.optimizer.param_groups:
                    group["lr"] = learning_rate(state.step)
            state.optimizer.step()
            update_ema(state.ema, state.net, ema_decay(state.step, state.ema_limit))
            state.step += 1
        yield TrainStep(state.step, value.item())


def with_progress(training: Iterator[TrainStep], state: TrainState, steps: int, batch_size: int) -> Iterator[TrainStep]:
    """Pass the steps of ``train`` on, behind a bar that shows the loss, pictures a second and the time left."""
    done = state.step * batch_size
    smoothed = None
    looks = {"unit": " pictures", "unit_scale": True, "mininterval": 1.0, "ncols": 100}
    with tqdm(total=steps * batch_size, initial=done, file=_NotebookLine.where_it_is_one(), **looks) as bar:
        for trained in training:
            smoothed = trained.loss if smoothed is None else 0.98 * smoothed + 0.02 * trained.loss
            bar.set_postfix(step=trained.step, loss=f"{smoothed:.4f}", refresh=False)
            bar.update(batch_size)
            yield trained


class _NotebookLine:
    """Where a bar writes to in a notebook: one line, which is replaced. On stderr, a saved notebook keeps all states of it."""

    encoding = "utf-8"  # tqdm asks before it draws blocks

    def __init__(self) -> None:
        self._shown = display({"text/plain": ""}, raw=True, display_id=True)

    @classmethod
    def where_it_is_one(cls) -> "_NotebookLine | None":
        """None outside of notebooks, which means stderr."""
        return cls() if hasattr(get_ipython(), "kernel") else None

    def write(self, text: str) -> None:
        if line := text.strip():
            self._shown.update({"text/plain": line}, raw=True)

    def flush(self) -> None:
        pass


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C until the block is done: a step is taken whole or not at all."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread is ever interrupted
        yield
        return
    held: list[tuple] = []
    usual = signal.signal(signal.SIGINT, lambda *args: held.append(args))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if held and callable(usual):
        usual(*held[0])


# --- checkpoints ------------------------------------------------------------------------------------------------------


def save_checkpoint(state: TrainState, path: Path) -> None:
    """Write the whole state to a safetensors file, in one piece: a file that is there is a file that is complete."""
    tensors = {f"net.{name}": value for name, value in state.net.state_dict().items()}
    tensors |= {f"ema.{name}": value for name, value in state.ema.state_dict().items()}
    for index, moments in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
    with atomic_write(Path(path)) as partial:
        save_file(
            {name: value.contiguous() for name, value in tensors.items()},
            partial,
            metadata={"step": str(state.step), "seed": str(state.seed)},
        )


def load_checkpoint(state: TrainState, path: Path) -> None:
    """Put a saved state into ``state``, whose networks and optimiser must be built as they were.

    Raises:
        CourseFileError: if the file cannot be read or belongs to another network.
        ValueError: if it was trained with another seed.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as problem:
        raise CourseFileError(
            f"{path} is not a readable checkpoint ({problem}): delete it to train from the start."
        ) from None
    if int(metadata["seed"]) != state.seed:
        raise ValueError(
            f"{path} was trained with seed {metadata['seed']}, not {state.seed}: use that seed or another file."
        )
    moments: dict[int, dict[str, Tensor]] = {}
    for name in [name for name in tensors if name.startswith("optimizer.")]:
        _, index, key = name.split(".")
        moments.setdefault(int(index), {})[key] = tensors.pop(name)
    try:
        for part, module in (("net", state.net), ("ema", state.ema)):
            module.load_state_dict(
                {k.removeprefix(f"{part}."): v for k, v in tensors.items() if k.startswith(f"{part}.")}
            )
    except RuntimeError:
        raise CourseFileError(
            f"{path} belongs to a network of another shape: delete it to train from the start."
        ) from None
    state.optimizer.load_state_dict({"state": moments, "param_groups": state.optimizer.state_dict()["param_groups"]})
    state.step = int(metadata["step"])
