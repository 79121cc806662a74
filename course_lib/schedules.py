r"""Noise schedules: how much of the picture is left at time t, and how much noise has come.

A schedule answers one question, ``signal_and_noise(t, x)``: the two factors in

.. math:: x_t = \text{signal}_t\,x_0 + \text{noise}_t\,\epsilon, \qquad 0 \le t \le T.

Whatever else the course needs, from the loss to the samplers, it computes from these two. t is any number, one for all
pictures or one for each.

``NoiseSchedule`` is that of diffusion. Its forward process multiplies by :math:`\sqrt{1-\beta_t}` and adds noise of
variance :math:`\beta_t`, T times. What is left is given by the running product

.. math:: \bar\alpha_t = \prod_{i=1}^{t} (1 - \beta_i), \qquad \bar\alpha_0 = 1, \qquad
          \text{signal}_t = \sqrt{\bar\alpha_t}, \qquad \text{noise}_t = \sqrt{1-\bar\alpha_t},

the share of the original's variance that is still there. Index t is the papers' t = 1…T, and index 0 is
the clean picture, so that no step, first or last, needs a special case.

Sources: Ho, Jain, Abbeel 2020, *Denoising Diffusion Probabilistic Models*, section 2 (linear betas,
section 4); Nichol, Dhariwal 2021, *Improved Denoising Diffusion Probabilistic Models*, section 3.2 (cosine); Liu,
Gong, Liu 2022, *Flow Straight and Fast* (the straight line).
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from course_lib.support.arguments import (
    require_batch,
    require_count,
    require_number,
    require_rows,
    require_tensor,
    require_times,
    require_whole_number,
)


@runtime_checkable
class Schedule(Protocol):
    """How much picture and how much noise there is at each time from 0, the clean picture, to T."""

    T: int

    def signal_and_noise(self, t: float | Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """The factors of picture and noise at time t in 0…T, one for all or one for each row of x, (B,).

        Float64, since 1 - signal² loses half its digits in float32, and on the CPU, since Apple's GPU knows no float64:
        do all arithmetic with them, then bring what comes out to x, as in ``signal.to(x)``.

        Returns:
            Two tensors of shape () for one time, (B, 1, …, 1) for a batch of times, to multiply x.
        """
        ...

    def times(self, steps: int, start: float | None = None) -> list[float]:
        """Evenly spread times [start, …, 0] for a sampler that takes ``steps`` steps; start is T unless given."""
        ...


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    r"""The schedule of a diffusion, given by its cumulative products. Between two whole times, the logarithm of
    :math:`\bar\alpha` falls evenly.

    Args:
        alpha_bar: :math:`\bar\alpha_0 … \bar\alpha_T`, shape (T+1,), float64, falling from exactly 1
            and staying above 0. Float64, since :math:`1-\bar\alpha_t` loses half its digits in float32. A copy of it
            is kept, on the CPU: not every GPU knows float64.

    Raises:
        TypeError, ValueError: if ``alpha_bar`` is anything else; the text says what.
    """

    alpha_bar: Tensor  # (T+1,)

    def __post_init__(self) -> None:
        require_tensor("alpha_bar", self.alpha_bar)
        object.__setattr__(self, "alpha_bar", self.alpha_bar.detach().cpu().clone())  # frozen, also from outside
        if self.alpha_bar.dtype != torch.float64:
            raise TypeError(
                f"alpha_bar must be float64, but its dtype is {self.alpha_bar.dtype}: use alpha_bar.double()."
            )
        if self.alpha_bar.ndim != 1 or len(self.alpha_bar) < 2:
            raise ValueError(
                f"alpha_bar must have shape (T+1,) with T ≥ 1, but its shape is {tuple(self.alpha_bar.shape)}."
            )
        if self.alpha_bar[0] != 1:
            raise ValueError(f"alpha_bar[0] must be 1, the clean picture, but it is {self.alpha_bar[0].item():g}.")
        if not (self.alpha_bar.diff() < 0).all() or not self.alpha_bar[-1] > 0:
            raise ValueError(
                "alpha_bar must fall at every step and stay above 0: a step that adds no noise cannot be undone."
            )

    @staticmethod
    def from_beta(beta: Tensor) -> "NoiseSchedule":
        r"""The schedule with the given step variances :math:`\beta_1 … \beta_T`, shape (T,), each in (0, 1)."""
        require_tensor("beta", beta)
        require_rows("beta", beta)
        if beta.ndim != 1 or not ((beta > 0) & (beta < 1)).all():
            raise ValueError(
                "beta must have shape (T,) and lie between 0 and 1 without touching them, "
                f"but its shape is {tuple(beta.shape)} and it goes from {beta.min():g} to {beta.max():g}."
            )
        beta = beta.detach().cpu()
        one = torch.ones(1, dtype=torch.float64)
        return NoiseSchedule(torch.cat([one, (1 - beta.double()).cumprod(dim=0)]))  # (T+1,)

    @staticmethod
    def linear(T: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> "NoiseSchedule":
        r"""Betas on a straight line: :math:`\beta_1` = beta_start … :math:`\beta_T` = beta_end (Ho et al. 2020, section 4)."""
        require_count("T", T)
        require_number("beta_start", beta_start, 0, 1)
        require_number("beta_end", beta_end, 0, 1)
        return NoiseSchedule.from_beta(torch.linspace(beta_start, beta_end, int(T), dtype=torch.float64))

    @staticmethod
    def cosine(T: int = 1000) -> "NoiseSchedule":
        r"""A squared cosine (Nichol, Dhariwal 2021, equation 17), with their offset and their cap on beta:

        .. math:: \bar\alpha_t = \frac{f(t)}{f(0)}, \quad
                  f(t) = \cos^2\!\Big(\frac{t/T + 0.008}{1.008}\cdot\frac{\pi}{2}\Big), \quad \beta_t \le 0.999.
        """
        require_count("T", T)
        t = torch.arange(int(T) + 1, dtype=torch.float64)
        f = torch.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2
        # The cap keeps alpha_bar_T above zero, 2.4e-9 for T = 1000: without it nothing of the picture would be left
        # and eps could no longer be turned into x_0.
        return NoiseSchedule.from_beta((1 - f[1:] / f[:-1]).clamp(max=0.999))

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.alpha_bar) - 1

    @property
    def beta(self) -> Tensor:
        r"""The variance that step t adds, :math:`\beta_t = 1 - \bar\alpha_t/\bar\alpha_{t-1}`, (T+1,); beta[0] is 0."""
        ratio = self.alpha_bar[1:] / self.alpha_bar[:-1]
        return torch.cat([torch.zeros(1, dtype=torch.float64), 1 - ratio])

    @property
    def snr(self) -> Tensor:
        r"""Signal-to-noise ratio :math:`\bar\alpha_t/(1-\bar\alpha_t)`, shape (T+1,); infinite at 0."""
        return self.alpha_bar / (1 - self.alpha_bar)

    def at(self, t: float | Tensor, x: Tensor) -> Tensor:
        r""":math:`\bar\alpha_t`, shaped to multiply x, () or (B, 1, …, 1), float64, on the CPU."""
        t = _shaped(t, x, self.T)
        if not t.is_floating_point():
            return self.alpha_bar.take(t.long())
        before = t.floor().long().clamp(max=self.T - 1)
        share = t - before  # of the way from one whole time to the next
        return self.alpha_bar.take(before) ** (1 - share) * self.alpha_bar.take(before + 1) ** share

    def signal_and_noise(self, t: float | Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        r""":math:`\sqrt{\bar\alpha_t}` and :math:`\sqrt{1-\bar\alpha_t}`, see ``Schedule``."""
        alpha_bar = self.at(t, x)
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()

    def times(self, steps: int, start: int | None = None) -> list[int]:
        """Evenly spread whole times [start, …, 0]; steps lie in 1…start and need not divide it, see ``Schedule``."""
        start = self.T if start is None else start
        require_whole_number("start", start)
        require_number("start", start, 1, self.T)
        require_whole_number("steps", steps)
        require_number("steps", steps, 1, start)
        steps, start = int(steps), int(start)  # numpy's small integers would overflow
        return [start * (steps - k) // steps for k in range(steps + 1)]


@dataclass(frozen=True)
class StraightSchedule:
    r"""From the picture to the noise on a straight line: :math:`x_t = (1 - t/T)\,x_0 + (t/T)\,\epsilon`.

    Known as rectified flow or flow matching. At T nothing of the picture is left, so a network that goes with it predicts
    u, v or x_0, and not eps. Sources: Liu, Gong, Liu 2022, *Flow Straight and Fast*; Lipman et al. 2022, *Flow Matching
    for Generative Modeling*.

    Args:
        T: the time at which there is only noise. Any number would do; at 1000 times look alike to a network.
    """

    T: int = 1000

    def __post_init__(self) -> None:
        require_count("T", self.T)

    def signal_and_noise(self, t: float | Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """1 - t/T and t/T, see ``Schedule``."""
        share = _shaped(t, x, self.T).double() / self.T
        return 1 - share, share

    def times(self, steps: int, start: float | None = None) -> list[float]:
        """Evenly spread times [start, …, 0], which need not be whole, see ``Schedule``."""
        start = self.T if start is None else start
        require_count("steps", steps)
        require_number("start", start, 0, self.T)
        return [start * (steps - k) / steps for k in range(steps + 1)]


def _shaped(t: float | Tensor, x: Tensor, T: int) -> Tensor:
    """Times in 0…T, whole numbers or float64, on the CPU and shaped to multiply x."""
    require_tensor("x", x, floating=False)
    require_times("t", t, T)
    t = t.cpu() if isinstance(t, Tensor) else torch.as_tensor(np.asarray(t))  # NumPy keeps every digit of a float
    t = t.double() if t.is_floating_point() else t
    if t.ndim > 0:
        require_batch("t", t, len(x) if x.ndim else 0)
        t = t.reshape(-1, *[1] * (x.ndim - 1))  # (B, 1, …, 1)
    return t


def require_schedule(schedule: Schedule) -> None:
    """Refuse anything but a schedule, such as the picture when two arguments are swapped."""
    if not isinstance(schedule, Schedule):
        raise TypeError(
            f"schedule must be a schedule, such as NoiseSchedule.cosine(), but got {type(schedule).__name__}."
        )
