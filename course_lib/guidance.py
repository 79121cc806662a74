r"""Classifier-free guidance: how closely to follow the prompt.

One network has learned to predict with a text and without (``training.drop_labels``). What the text changes in its
answer is a direction, and guidance goes further in that direction than the network itself would:

.. math:: \hat\epsilon = \epsilon_\text{uncond} + w\,(\epsilon_\text{cond} - \epsilon_\text{uncond})

w = 0 is the unconditional prediction, w = 1 the conditional one, and w > 1 exaggerates. (Papers often count from
there: their scale is w - 1. ``guidance_scale`` in diffusers is our w.)

One component of that change is parallel to the prediction itself, and only makes it larger: lights too light, colours too
strong. *Projected* guidance leaves that component out, or most of it.

Sources: Ho, Salimans 2022, *Classifier-Free Diffusion Guidance*, equation 6; Kynkäänniemi et al. 2024, *Applying
Guidance in a Limited Interval Improves Sample and Distribution Quality in Diffusion Models*; Sadat, Hilliges, Weber
2025, *Eliminating Oversaturation and Artifacts of High Guidance Scales in Diffusion Models*.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.denoisers import Denoiser, Prediction, signal_and_noise
from course_lib.schedules import Schedule
from course_lib.support.arguments import (
    require_batch,
    require_number,
    require_rows,
    require_same_shape,
    require_tensor,
    require_times,
)


@dataclass(frozen=True, eq=False)
class Guided:
    """A denoiser that follows its condition more closely than it has learned to.

    It asks the other one once, with a batch of twice the size; at w = 0 and w = 1, where one half would not count, with
    one of the usual size.

    Args:
        denoiser: trained with conditions and without.
        w: how far to go, at least 0.
        uncond: the condition that stands for none, or a negative prompt's, from which to go away: a row like those of
            cond, of shape (1, …).
        parallel: the share that is kept, at w > 1, of the change's component parallel to the conditional prediction,
            0…1: all of it in plain guidance, none in purely projected guidance.
    """

    denoiser: Denoiser
    w: float
    uncond: Tensor
    parallel: float = 1.0

    def __post_init__(self) -> None:
        require_number("w", self.w, 0, math.inf)
        require_tensor("uncond", self.uncond, floating=False)
        require_number("parallel", self.parallel, 0, 1)

    @property
    def schedule(self) -> Schedule:
        return self.denoiser.schedule

    def __call__(self, x_t: Tensor, t: float | Tensor, cond: Tensor) -> Prediction:
        require_rows("x_t", x_t)
        _require_rows_of(x_t, cond)
        without, cond = padded_alike(self.uncond, cond)
        if without.ndim != cond.ndim or without.shape[1:] != cond.shape[1:] or len(without) not in (1, len(cond)):
            raise ValueError(
                f"uncond must be a row like those of cond, whose shape is {tuple(cond.shape)}, "
                f"but its shape is {tuple(without.shape)}."
            )
        if without.dtype != cond.dtype:
            raise TypeError(f"uncond must have the dtype of cond, {cond.dtype}, but its dtype is {without.dtype}.")
        without = without.expand_as(cond)
        if self.w in (0, 1):
            return self.denoiser(x_t, t, cond if self.w else without)
        if isinstance(t, Tensor) and t.ndim:
            require_batch("t", t, len(x_t))
        twice = torch.cat([t, t]) if isinstance(t, Tensor) and t.ndim else t
        both = self.denoiser(torch.cat([x_t, x_t]), twice, torch.cat([without, cond]))
        x_0_without, x_0_with = both.x_0.chunk(2)
        change = x_0_with - x_0_without
        if self.w > 1:
            change = torch.lerp(orthogonal(change, x_0_with), change, self.parallel)
        # Mixing x_0 mixes eps in the same way: each is the same straight function of the other.
        return Prediction.from_x_0(x_0_with + (self.w - 1) * change, x_t, *signal_and_noise(self.schedule, t, x_t))


def orthogonal(change: Tensor, x_0: Tensor) -> Tensor:
    r"""The component of a change that is orthogonal to x_0, each row on its own; both (B, …).

    .. math:: \Delta_\perp = \Delta - \frac{\langle\Delta, x_0\rangle}{\langle x_0, x_0\rangle}\,x_0
    """
    require_tensor("x_0", x_0)
    require_same_shape("change", change, "x_0", x_0)
    over_all = tuple(range(1, x_0.ndim))
    inside, length = ((part * x_0).sum(over_all, keepdim=True) for part in (change, x_0))
    return change - inside / length.clamp(min=torch.finfo(x_0.dtype).tiny) * x_0


@dataclass(frozen=True, eq=False)
class Within:
    """One denoiser at the times low…high, another before and after: guidance where it helps, and none where it harms.

    Args:
        inside, outside: of one schedule; such as a guided denoiser and the one inside it.
        low, high: times, both included.
    """

    inside: Denoiser
    outside: Denoiser
    low: float
    high: float

    def __post_init__(self) -> None:
        require_number("low", self.low, 0, math.inf)
        require_number("high", self.high, 0, math.inf)
        if self.low > self.high:
            raise ValueError(f"low must not be above high, but got {self.low} and {self.high}.")

    @property
    def schedule(self) -> Schedule:
        return self.inside.schedule

    def __call__(self, x_t: Tensor, t: float | Tensor, cond: Tensor | None = None) -> Prediction:
        require_times("t", t, self.schedule.T)
        times = torch.as_tensor(t)
        within = (times >= self.low) & (times <= self.high)
        if within.all() or not within.any():
            return (self.inside if within.all() else self.outside)(x_t, t, cond)
        require_batch("t", t, len(x_t))
        if cond is not None:
            _require_rows_of(x_t, cond)
        x_0, eps = torch.empty_like(x_t), torch.empty_like(x_t)
        for denoiser, rows in ((self.inside, within), (self.outside, ~within)):
            here = rows.to(x_t.device)
            x_0[here], eps[here] = denoiser(x_t[here], t[rows], None if cond is None else cond[here])
        return Prediction(x_0, eps)


def _require_rows_of(x_t: Tensor, cond: Tensor) -> None:
    require_tensor("cond", cond, floating=False)
    if not cond.ndim or len(cond) != len(x_t):
        raise ValueError(
            f"cond must have a row for each of the {len(x_t)} of x_t, but its shape is {tuple(cond.shape)}."
        )


def padded_alike(*texts: Tensor) -> list[Tensor]:
    """Encoded texts, (…, L, D), brought to one length L with zeros, which is padding; labels, (B,) or (B, K), as they are."""
    if all(text.ndim < 3 for text in texts):
        return list(texts)
    if any(text.ndim != 3 for text in texts):
        raise ValueError(
            f"texts must all be encoded, (…, L, D), but got shapes {[tuple(text.shape) for text in texts]}."
        )
    longest = max(text.shape[1] for text in texts)
    return [torch.nn.functional.pad(text, (0, 0, 0, longest - text.shape[1])) for text in texts]
