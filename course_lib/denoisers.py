r"""Denoisers: given a noisy picture, what was the picture and what was the noise?

Both answers say the same thing, since :math:`x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon`:
one follows from the other. A denoiser therefore always returns both, and a sampler never asks which
one the network was trained to predict.

Three denoisers: a network (learned), and two that need no learning since the exact answer is known, which makes
them the yardstick for the first. ``Clipped`` wraps any of them.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from course_lib.schedules import Schedule, require_schedule
from course_lib.support.arguments import (
    require_between,
    require_finite,
    require_number,
    require_rows,
    require_same_shape,
    require_tensor,
    require_times,
)


class Prediction(NamedTuple):
    """What a denoiser says of x_t: the clean picture and the whole noise in it, both of x_t's shape."""

    x_0: Tensor
    eps: Tensor

    @classmethod
    def from_x_0(cls, x_0: Tensor, x_t: Tensor, signal: Tensor, noise: Tensor) -> "Prediction":
        r"""Whatever x_t holds beside the picture is noise: :math:`\epsilon = (x_t - \sqrt{\bar\alpha_t}\,x_0) /
        \sqrt{1-\bar\alpha_t}`, the two roots as ``signal_and_noise`` gives them.
        """
        return cls(x_0, eps=(x_t - signal * x_0) / noise)


class Denoiser(Protocol):
    """Anything that can be asked for a ``Prediction``; t is one time for all or one for each row, above 0 and up to T."""

    schedule: Schedule

    def __call__(self, x_t: Tensor, t: float | Tensor, cond: Tensor | None = None) -> Prediction: ...


def signal_and_noise(schedule: Schedule, t: float | Tensor, x_t: Tensor) -> tuple[Tensor, Tensor]:
    """The schedule's factors of picture and noise, shaped and typed to multiply x_t; t above 0 and up to T.

    At t = 0 there is no noise to predict, and dividing by it would give NaN: refused.
    """
    require_schedule(schedule)
    require_tensor("x_t", x_t)
    require_times("t", t, schedule.T)
    signal, noise = schedule.signal_and_noise(t, x_t)
    if (noise == 0).any():
        raise ValueError("t must be above 0: the clean picture holds no noise to predict.")
    return signal.to(x_t), noise.to(x_t)


@dataclass(frozen=True)
class NetDenoiser:
    r"""A network, whatever it predicts; the only place that converts.

    ===========  ===========================================================================  ====================
    predicts     the network's target                                                         source
    ===========  ===========================================================================  ====================
    ``"eps"``    :math:`\epsilon`                                                             Ho et al. 2020
    ``"x_0"``    :math:`x_0`
    ``"v"``      :math:`v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0`        Salimans, Ho 2022
    ``"u"``      :math:`u = \epsilon - x_0`                                                   Liu et al. 2022
    ===========  ===========================================================================  ====================

    Args:
        net: called as net(x_t, t, cond), with t of shape (B,), unscaled, int64, or float32 where times are not whole;
            returns the shape of x_t.
        schedule: the noise schedule that the network was trained with.
        predicts: see the table. Where a schedule leaves nothing of the picture at T, eps would not tell what it was.
    """

    net: nn.Module
    schedule: Schedule
    predicts: Literal["eps", "x_0", "v", "u"]

    def __post_init__(self) -> None:
        if not callable(self.net):
            raise TypeError(f"net must be a network, called as net(x_t, t, cond), but got {type(self.net).__name__}.")
        require_schedule(self.schedule)
        if self.predicts not in ("eps", "x_0", "v", "u"):
            raise ValueError(f'predicts must be "eps", "x_0", "v" or "u", but got {self.predicts!r}.')
        signal_at_end, _ = self.schedule.signal_and_noise(self.schedule.T, torch.zeros(1))
        if self.predicts == "eps" and signal_at_end == 0:
            raise ValueError(
                'predicts must be "u", "v" or "x_0" with this schedule, but got "eps": at T nothing of the picture is left, '
                "so the noise does not tell what it was."
            )

    def __call__(self, x_t: Tensor, t: float | Tensor, cond: Tensor | None = None) -> Prediction:
        signal, noise = signal_and_noise(self.schedule, t, x_t)
        t = torch.as_tensor(t)
        t = t.float() if t.is_floating_point() else t  # Apple's GPU knows no float64
        out = self.net(x_t, t.to(x_t.device).expand(len(x_t)), cond)
        require_same_shape("what the network answers", out, "x_t", x_t)
        if self.predicts == "eps":
            return Prediction(x_0=(x_t - noise * out) / signal, eps=out)
        if self.predicts == "x_0":
            return Prediction.from_x_0(out, x_t, signal, noise)
        if self.predicts == "u":
            both = signal + noise
            return Prediction(x_0=(x_t - noise * out) / both, eps=(x_t + signal * out) / both)
        length = signal**2 + noise**2  # 1 with every NoiseSchedule
        return Prediction(x_0=(signal * x_t - noise * out) / length, eps=(noise * x_t + signal * out) / length)

    def target(self, x_0: Tensor, t: float | Tensor, eps: Tensor) -> Tensor:
        """What the network should have answered for the picture x_0 with noise eps at time t; the shape of x_0."""
        require_tensor("x_0", x_0)
        require_same_shape("eps", eps, "x_0", x_0)
        if self.predicts == "eps":
            return eps
        if self.predicts == "x_0":
            return x_0
        if self.predicts == "u":
            return eps - x_0
        signal, noise = signal_and_noise(self.schedule, t, x_0)
        return signal * eps - noise * x_0


@dataclass(frozen=True, eq=False)
class IdealDenoiser:
    r"""The best possible denoiser for a finite data set: no network, no training.

    If the data are exactly the points :math:`x^{(1)} … x^{(N)}`, the least squared error is reached by their mean,
    weighted by how likely each is to have become x_t:

    .. math:: \hat x_0 = \sum_i w_i\,x^{(i)}, \qquad
              w = \operatorname{softmax}_i\Big(-\frac{\|x_t - \sqrt{\bar\alpha_t}\,x^{(i)}\|^2}{2(1-\bar\alpha_t)}\Big).

    It has memorised the data: sampling with it reproduces them. Source: Karras et al. 2022, *Elucidating the
    Design Space of Diffusion-Based Generative Models*, appendix B.3.

    Args:
        data: shape (N, …); every x_t must then have shape (B, …).
    """

    data: Tensor
    schedule: Schedule

    def __post_init__(self) -> None:
        require_finite("data", self.data)
        require_rows("data", self.data)
        require_schedule(self.schedule)

    def __call__(self, x_t: Tensor, t: float | Tensor, cond: Tensor | None = None) -> Prediction:
        signal, noise = signal_and_noise(self.schedule, t, x_t)
        if x_t.shape[1:] != self.data.shape[1:]:
            raise ValueError(
                f"x_t must hold rows of the data's shape {tuple(self.data.shape[1:])}, "
                f"but its shape is {tuple(x_t.shape)}."
            )
        if x_t.dtype != self.data.dtype:
            raise TypeError(f"x_t must have the dtype of the data, {self.data.dtype}, but its dtype is {x_t.dtype}.")
        x, points = x_t.flatten(1), self.data.flatten(1)  # (B, D), (N, D)
        signal_row, noise_row = signal.reshape(-1, 1), noise.reshape(-1, 1)  # (B, 1) or (1, 1)
        # |x - s p|² without the term |x|², which is the same for every point and drops out of the softmax
        distance = (signal_row**2) * (points**2).sum(1) - 2 * signal_row * (x @ points.T)  # (B, N)
        weights = torch.softmax(-distance / (2 * noise_row**2), dim=1)  # (B, N): over the data
        x_0 = (weights @ points).reshape(x_t.shape)  # (B, …)
        return Prediction.from_x_0(x_0, x_t, signal, noise)


@dataclass(frozen=True)
class GaussianDenoiser:
    r"""The best possible denoiser for data from :math:`N(\mu, \sigma^2)`, each coordinate on its own:

    .. math:: \hat x_0 = \mu + \frac{\sqrt{\bar\alpha_t}\,\sigma^2}{\bar\alpha_t\sigma^2 + 1 - \bar\alpha_t}
              \,\big(x_t - \sqrt{\bar\alpha_t}\,\mu\big).
    """

    mean: float
    std: float
    schedule: Schedule

    def __post_init__(self) -> None:
        require_between("mean", self.mean, -math.inf, math.inf)
        require_between("std", self.std, 0, math.inf)
        require_schedule(self.schedule)

    def __call__(self, x_t: Tensor, t: float | Tensor, cond: Tensor | None = None) -> Prediction:
        signal, noise = signal_and_noise(self.schedule, t, x_t)
        for name, each in (
            ("mean", self.mean),
            ("std", self.std),
        ):  # one number, or such as one for each row, (B, 1, …)
            if isinstance(each, Tensor) and each.ndim not in (0, x_t.ndim):
                raise ValueError(
                    f"{name} must have as many axes as x_t, {x_t.ndim}, but its shape is {tuple(each.shape)}."
                )
        gain = signal * self.std**2 / (signal**2 * self.std**2 + noise**2)
        x_0 = self.mean + gain * (x_t - signal * self.mean)
        return Prediction.from_x_0(x_0, x_t, signal, noise)


@dataclass(frozen=True)
class Clipped:
    """Another denoiser, its x_0 kept within [low, high] and its eps recomputed to match.

    For pixels, whose range is known. Never use ±1 on latents, whose range is not.
    """

    denoiser: Denoiser
    low: float
    high: float

    def __post_init__(self) -> None:
        require_number("low", self.low, -math.inf, math.inf)
        require_number("high", self.high, -math.inf, math.inf)
        if not self.low < self.high:
            raise ValueError(f"low must be below high, but got low = {self.low} and high = {self.high}.")

    @property
    def schedule(self) -> Schedule:
        return self.denoiser.schedule

    def __call__(self, x_t: Tensor, t: float | Tensor, cond: Tensor | None = None) -> Prediction:
        signal, noise = signal_and_noise(self.schedule, t, x_t)
        x_0 = self.denoiser(x_t, t, cond).x_0.clamp(self.low, self.high)
        return Prediction.from_x_0(x_0, x_t, signal, noise)
