r"""Training: the loss, the loop, the averaged weights, and checkpoints from which it goes on as if never stopped.

The loss is plain regression (Ho et al. 2020, equation 14 and algorithm 1): draw a picture, a time and noise, make
x_t in closed form, and ask the network for the noise.

.. math:: L = \mathbb E_{x_0, t, \epsilon}\,\big\|\epsilon - \epsilon_\theta(x_t, t)\big\|^2
"""

import copy
import json
import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from course_lib.denoisers import NetDenoiser
from course_lib.forward import add_noise, noise_like
from course_lib.support.arguments import (
    require_count,
    require_finite,
    require_generator,
    require_number,
    require_rows,
    require_same_shape,
    require_tensor,
    require_whole_number,
)
from course_lib.support.files import CourseFileError, atomic_write
from course_lib.support.progress_bar import bar
from course_lib.support.seeds import generator_for
from course_lib.support.weights import misfit

# --- the loss ---------------------------------------------------------------------------------------------------------

# Root mean square from which data cannot be meant as they are. Pixels in [-1, 1] have at most 1, latents about 1, and
# even a badly scaled latent hardly 10; pictures in 0…255 have 30 (dark) to 200. At ten times the noise's deviation,
# the schedule would leave so much of the picture in x_T that sampling could not begin from noise.
_LARGEST = 10


def draw_times(size: int, T: int, generator: torch.Generator | None = None, shift: float = 1.0) -> Tensor:
    r"""Random times in 1…T, shape (size,), int64, one from each of ``size`` equal slices of the range.

    Each time on its own is uniform; together they cover the range evenly, which makes the loss less noisy than
    independent draws (Kingma et al. 2021, *Variational Diffusion Models*, appendix I.1).

    A ``shift`` s above 1 favours much noise, where outlines are settled: :math:`u \to \frac{s u}{1 + (s - 1) u}` (Esser et
    al. 2024, *Scaling Rectified Flow Transformers for High-Resolution Image Synthesis*, equation 23). It is above 0.
    """
    require_count("size", size)
    require_count("T", T)
    require_number("shift", shift, 0, math.inf)
    require_generator("generator", generator)
    if shift == 0:
        raise ValueError("shift must be above 0, but got 0: all times would be 1.")
    u = (torch.arange(size) + torch.rand(size, generator=generator)) / size  # (size,), in [0, 1)
    u = shift * u / (1 + (shift - 1) * u)
    return 1 + (u * T).long().clamp(max=T - 1)


def drop_labels(
    labels: Tensor, null_class: int, probability: float, generator: torch.Generator | None = None
) -> Tensor:
    """The labels, (B,) or (B, K), each row replaced by ``null_class`` with the given probability in [0, 1].

    So one network learns to draw with a label and without (Ho, Salimans 2022, *Classifier-Free Diffusion Guidance*).
    """
    require_rows("labels", labels)
    require_whole_number("labels", labels)
    require_count("null_class", null_class, at_least=0)
    require_number("probability", probability, 0, 1)
    require_generator("generator", generator)
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
        x_0: clean pictures, (B, …), of about the size of the noise: pixels in [-1, 1], or latents of deviation 1.
        cond: handed to the network, one row for each picture.
        generator: for times and noise.
        shift: of the times, see ``draw_times``.

    Raises:
        TypeError, ValueError: if x_0 holds no finite floating-point numbers or is far too large, or if the network
            answers in another shape, which would be broadcast.
    """
    if not isinstance(denoiser, NetDenoiser):
        raise TypeError(f"denoiser must be a NetDenoiser, which has a network, but got {type(denoiser).__name__}.")
    require_finite("x_0", x_0)
    require_rows("x_0", x_0)
    size = x_0.square().mean().sqrt().item()
    if size > _LARGEST:
        raise ValueError(
            f"x_0 must be about as large as the noise, whose deviation is 1, but its root mean square is {size:.0f}: "
            "use x_0 / 127.5 - 1 if these are pixels in 0…255, else shift and scale the data."
        )
    t = draw_times(len(x_0), denoiser.schedule.T, generator, shift).to(x_0.device)  # (B,)
    eps = noise_like(x_0, generator)  # (B, …)
    x_t = add_noise(denoiser.schedule, x_0, t, eps)  # (B, …)
    answer = denoiser.net(x_t, t, cond)
    require_same_shape("what the network answers", answer, "x_0", x_0)
    return (answer - denoiser.target(x_0, t, eps)).square().mean()


# --- the loop ---------------------------------------------------------------------------------------------------------


@dataclass
class TrainState:
    """All that training changes, and the seed from which everything random follows.

    Batch k and its noise derive from (seed, k) alone. So ``net``, ``ema``, ``optimizer`` and ``step`` are the whole
    state, from which training goes on bit for bit, on the same kind of machine with the same number of threads.

    Args:
        net: the network, whose weights jump about. A shipped one is frozen: train a ``trainable_copy`` of it.
        ema: their exponential moving average, which is what one samples with; unless given a copy of net, in evaluation
            mode.
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
        require_count("step", self.step, at_least=0)
        require_count("seed", self.seed, at_least=0)
        require_number("ema_limit", self.ema_limit, 0, 1)
        _require_network("net", self.net)
        if not any(parameter.requires_grad for parameter in self.net.parameters()):
            raise ValueError(
                "net has no weight that can be trained; if it is frozen, as shipped networks are, "
                "use TrainState(trainable_copy(net)), which leaves the original as it is."
            )
        if self.ema is None:
            self.ema = copy.deepcopy(self.net).requires_grad_(False).eval()
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=2e-3, betas=(0.9, 0.98))
        _require_alike(self.ema, self.net)
        trained = {id(parameter) for group in self.optimizer.param_groups for parameter in group["params"]}
        if trained.isdisjoint(map(id, self.net.parameters())):
            raise ValueError("optimizer must be made of net's parameters, but it holds none of them.")


class TrainStep(NamedTuple):
    """What one step of training did: its number, from 1, and the loss on its batch."""

    step: int
    loss: float


def ema_decay(step: int, limit: float = 0.9995) -> float:
    """How much of the average is kept at a step (from 0): little at first, so that the random start is soon forgotten."""
    require_number("step", step, 0, math.inf)
    require_number("limit", limit, 0, 1)
    return min(limit, (1 + step) / (10 + step))


@torch.no_grad()
def update_ema(ema: nn.Module, net: nn.Module, decay: float) -> None:
    r""":math:`\bar\theta \leftarrow \text{decay}\cdot\bar\theta + (1-\text{decay})\cdot\theta`, in place; decay in [0, 1].

    Buffers, such as the running statistics of BatchNorm, are copied: they are averages already, or count.
    """
    require_number("decay", decay, 0, 1)
    _require_alike(ema, net)
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.lerp_(current.to(average), 1 - decay)
    for kept, current in zip(ema.buffers(), net.buffers(), strict=True):
        kept.copy_(current)


def warm_up_then_fall(step: int, steps: int, peak: float = 2e-3, warm_up: int = 100) -> float:
    """A learning rate: up to ``peak`` within ``warm_up`` steps, flat to 60 % of the way, then straight down to 2 %.

    After more than ``steps`` steps it stays at 2 %.
    """
    require_number("step", step, 0, math.inf)
    require_count("steps", steps)
    require_number("peak", peak, 0, math.inf)
    require_count("warm_up", warm_up)
    fall = min(1.0, max(0.0, (step / steps - 0.6) / 0.4))
    return peak * min(1.0, (step + 1) / warm_up) * (1 - 0.98 * fall)


def train(
    state: TrainState,
    batches: Callable[[torch.Generator], Any],
    loss: Callable[[nn.Module, Any, torch.Generator], Tensor],
    steps: int,
    learning_rate: Callable[[int], float] | float | None = None,
) -> Iterator[TrainStep]:
    """Train until ``state.step`` is ``steps``, yielding after each step, when weights and average are up to date.

    Progress bars, plots and checkpoints just iterate; to stop iterating is to stop the training, and another call
    goes on from there.

    Args:
        state: changed in place.
        batches: a batch from a generator.
        loss: loss(net, batch, generator), shape ().
        steps: where to stop, counted from the very first step.
        learning_rate: one number, or one for the step about to be taken, counted from 0; None leaves the optimiser's own.

    Raises:
        FloatingPointError: if the loss is not finite; the weights are still those before that step.
        TypeError, ValueError: if the loss is not one number that depends on the network's weights, or if a learning
            rate is negative.
    """
    require_whole_number("steps", steps)
    while state.step < steps:
        generator = generator_for(state.seed, state.step)
        value = loss(state.net, batches(generator), generator)
        require_tensor("the loss", value)
        if value.numel() != 1 or not value.requires_grad:
            raise ValueError(
                "the loss must be one number that depends on the network's weights, "
                f"but it has shape {tuple(value.shape)} and {'a' if value.requires_grad else 'no'} gradient."
            )
        if not math.isfinite(value.item()):
            raise FloatingPointError(
                f"the loss became {value.item()} at step {state.step + 1}: try a smaller learning rate, "
                "and look for a division by zero or a logarithm of zero in the loss."
            )
        rate = learning_rate(state.step) if callable(learning_rate) else learning_rate
        if rate is not None:
            require_number("the learning rate", rate, 0, math.inf)
        state.optimizer.zero_grad()
        value.backward()
        with uninterrupted():
            if rate is not None:
                for group in state.optimizer.param_groups:
                    group["lr"] = rate
            state.optimizer.step()
            update_ema(state.ema, state.net, ema_decay(state.step, state.ema_limit))
            state.step += 1
        yield TrainStep(state.step, value.item())


def with_progress(training: Iterator[TrainStep], state: TrainState, steps: int, batch_size: int) -> Iterator[TrainStep]:
    """Pass on the steps of ``train``, with a bar that shows the loss, pictures a second and the time left."""
    require_count("steps", steps, at_least=0)
    require_count("batch_size", batch_size)
    smoothed = None
    with bar(total=steps * batch_size, initial=state.step * batch_size, unit=" pictures", unit_scale=True) as shown:
        for trained in training:
            smoothed = trained.loss if smoothed is None else 0.98 * smoothed + 0.02 * trained.loss
            shown.set_postfix(step=trained.step, loss=f"{smoothed:.4f}", refresh=False)
            shown.update(batch_size)
            yield trained


@contextmanager
def uninterrupted() -> Iterator[None]:
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


# --- going on from a trained network ----------------------------------------------------------------------------------


def trainable_copy(net: nn.Module) -> nn.Module:
    """A copy of a trained network, such as a shipped one, that can be trained; the original stays as it is, and frozen.

    ``TrainState(trainable_copy(pretrained.fashion().net))`` goes on from there. A learning rate of a tenth of the usual
    one keeps what the network knows.
    """
    _require_network("net", net)
    return copy.deepcopy(net).requires_grad_(True).train()


def warm_start(net: nn.Module, trained: nn.Module) -> list[str]:
    """Fill ``net`` with every weight of a trained network whose name and shape fit.

    So a shipped network gets another number of classes, or another head: build the network that is wanted, and begin
    with all that the shipped one knows, as in ``warm_start(UNet(classes=3), pretrained.fashion().net)``.

    Returns:
        The names of the weights that found none that fits, and are as they were: these begin anew.

    Raises:
        ValueError: if none fits.
    """
    _require_network("net", net)
    _require_network("trained", trained)
    begun, known = net.state_dict(), trained.state_dict()
    fits = {name: value for name, value in known.items() if name in begun and begun[name].shape == value.shape}
    if not fits:
        raise ValueError(
            f"no weight of this {type(trained).__name__} fits this {type(net).__name__}: nothing to begin with."
        )
    net.load_state_dict(fits, strict=False)
    return [name for name in begun if name not in fits]


def _require_network(name: str, value: object) -> None:
    if not isinstance(value, nn.Module):
        part = f": use {name}.net" if hasattr(value, "net") else ""
        raise TypeError(f"{name} must be a torch.nn.Module, but got {type(value).__name__}{part}.")


def _require_alike(ema: nn.Module, net: nn.Module) -> None:
    differs = misfit(ema.state_dict(), net)
    if differs:
        raise ValueError(f"ema must have the weights of net, but {differs}.")


# --- checkpoints ------------------------------------------------------------------------------------------------------


def save_checkpoint(state: TrainState | Sequence[TrainState], path: Path) -> None:
    """Write the whole state to a safetensors file, in one piece: a file that is there is a file that is complete.

    Several states that belong together, such as those of a GAN, go into one file, so that none is ahead of the others.
    """
    tensors, metadata = {}, {}
    for prefix, each in _by_prefix(state).items():
        tensors |= {f"{prefix}net.{name}": value for name, value in each.net.state_dict().items()}
        tensors |= {f"{prefix}ema.{name}": value for name, value in each.ema.state_dict().items()}
        optimizer = each.optimizer.state_dict()
        groups = json.dumps(optimizer["param_groups"], default=Tensor.item)  # a rate may be a tensor
        for index, moments in optimizer["state"].items():
            tensors |= {f"{prefix}optimizer.{index}.{name}": value for name, value in moments.items()}
        metadata |= {
            f"{prefix}step": str(each.step),
            f"{prefix}seed": str(each.seed),
            f"{prefix}optimizer": type(each.optimizer).__name__,
            f"{prefix}param_groups": groups,
        }
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"a checkpoint holds tensors only, but {name} is a {type(value).__name__}: use another optimizer."
            )
    with atomic_write(Path(path)) as partial:
        save_file({name: value.contiguous() for name, value in tensors.items()}, partial, metadata=metadata)


def load_checkpoint(state: TrainState | Sequence[TrainState], path: Path) -> None:
    """Put a saved state into ``state``, whose networks and optimiser must be built as they were; or several into several.

    What the optimiser is set to, such as a learning rate given by hand, comes from the file too: to change it, set it
    afterwards. Either all of ``state`` is changed or, if anything is refused, nothing.

    Raises:
        CourseFileError: if the file cannot be read, holds no state of a training, or one of another network or optimiser.
        ValueError: if it was trained with another seed.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Copies: tensors that lie in the file itself would keep it open, and Windows would not let it be replaced.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as problem:
        raise CourseFileError(
            f"{path} is not a readable checkpoint ({problem}): "
            "move it away or choose another name to train from the start."
        ) from None
    states = _by_prefix(state)
    if not {f"{prefix}{key}" for prefix in states for key in _ABOUT} <= metadata.keys():
        held = sum(key.endswith("param_groups") for key in metadata)
        if held:
            raise CourseFileError(
                f"{path} holds the state of {held} training{'s' if held > 1 else ''}, not of {len(states)}: "
                "load it into as many states as it holds."
            )
        raise CourseFileError(
            f"{path} holds weights, but not the state of a training: to go on training a shipped network, "
            "use TrainState(trainable_copy(net)); to go on from other weights, load them into the network first."
        )
    fitted = [
        (each, _Saved.of(each, path, _under(prefix, tensors), _under(prefix, metadata)))
        for prefix, each in states.items()
    ]
    for each, saved in fitted:  # all fit: only now is anything changed
        each.net.load_state_dict(saved.net)
        each.ema.load_state_dict(saved.ema)
        each.optimizer.load_state_dict(saved.optimizer)
        each.step = saved.step


_ABOUT = ("step", "seed", "optimizer", "param_groups")  # what the metadata say of a state


def _by_prefix(state: TrainState | Sequence[TrainState]) -> dict[str, TrainState]:
    """The states, and what their names in the file begin with: nothing if there is one, else their number."""
    if isinstance(state, TrainState):
        return {"": state}
    return {f"{number}.": each for number, each in enumerate(state)}


def _under(prefix: str, named: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}


class _Saved(NamedTuple):
    """What a file holds of one state, and is known to fit it."""

    net: dict[str, Tensor]
    ema: dict[str, Tensor]
    optimizer: dict
    step: int

    @classmethod
    def of(cls, state: TrainState, path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> "_Saved":
        if int(metadata["seed"]) != state.seed:
            raise ValueError(
                f"{path} was trained with seed {metadata['seed']}, not {state.seed}: use that seed or another file."
            )
        net, ema, optimizer = (_under(part, tensors) for part in ("net.", "ema.", "optimizer."))
        differs = misfit(net, state.net) or misfit(ema, state.ema)
        if differs:
            raise CourseFileError(
                f"{path} belongs to a network of another shape ({differs}): build the network as it was, "
                "or choose another name to train from the start."
            )
        groups, settings = json.loads(metadata["param_groups"]), state.optimizer.state_dict()["param_groups"]
        trained_by = f"{metadata['optimizer']} with {_counts(groups)} parameters"
        here = f"{type(state.optimizer).__name__} with {_counts(settings)} parameters"
        if trained_by != here:
            raise CourseFileError(
                f"{path} was trained by {trained_by}, but this state has {here}: "
                "build the optimizer as it was, or choose another name to train from the start."
            )
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in optimizer.items():
            index, _, key = name.partition(".")
            moments.setdefault(int(index), {})[key] = value
        for group, setting in zip(groups, settings, strict=True):
            group |= {key: torch.tensor(group[key]) for key, value in setting.items() if isinstance(value, Tensor)}
        return cls(net, ema, {"state": moments, "param_groups": groups}, int(metadata["step"]))


def _counts(groups: list[dict]) -> str:
    return " + ".join(str(len(group["params"])) for group in groups)
