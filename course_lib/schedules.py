r"""Noise schedules: how much of the picture is left after t steps.

The forward process multiplies by :math:`\sqrt{1-\beta_t}` and adds noise of variance :math:`\beta_t`,
T times. All that the rest of the course needs is the running product

.. math:: \bar\alpha_t = \prod_{i=1}^{t} (1 - \beta_i), \qquad \bar\alpha_0 = 1,

the share of the original's variance that is still there. Index t is the papers' t = 1…T, and index 0 is
the clean picture, so that no step, first or last, needs a special case.

Sources: Ho, Jain, Abbeel 2020, *Denoising Diffusion Probabilistic Models*, section 2 (linear betas,
section 4); Nichol, Dhariwal 2021, *Improved Denoising Diffusion Probabilistic Models*, section 3.2 (cosine).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.arguments import (
    require_batch,
    require_between,
    require_count,
    require_number,
    require_rows,
    require_tensor,
    require_whole_number,
)


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    r"""A noise schedule, given by its cumulative products.

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

    def at(self, t: int | Tensor, x: Tensor) -> Tensor:
        r""":math:`\bar\alpha_t`, shaped to multiply x; still float64, so that :math:`1-\bar\alpha_t` keeps its digits.

        And still on the CPU, since Apple's GPU knows no float64: do all arithmetic with it, then bring what comes out
        to x, as in ``(1 - schedule.at(t, x)).sqrt().to(x)``.

        Args:
            t: one time for the whole batch, or one for each row, shape (B,); in 0…T.
            x: what it will multiply, shape (B, …): only its shape is used.

        Returns:
            Shape () for one time, (B, 1, …, 1) for a batch of times.
        """
        require_tensor("x", x, floating=False)
        require_whole_number("t", t)
        require_between("t", t, 0, self.T)
        t = torch.as_tensor(t).long().cpu()
        if t.ndim > 0:
            require_batch("t", t, len(x) if x.ndim else 0)
            t = t.reshape(-1, *[1] * (x.ndim - 1))  # (B, 1, …, 1)
        return self.alpha_bar.take(t)

    def times(self, steps: int) -> list[int]:
        """Evenly spread times [T, …, 0] for a sampler that takes ``steps`` steps, 1…T; steps need not divide T."""
        require_whole_number("steps", steps)
        require_number("steps", steps, 1, self.T)
        steps = int(steps)  # numpy's small integers would overflow
        return [self.T * (steps - k) // steps for k in range(steps + 1)]


def require_schedule(schedule: NoiseSchedule) -> None:
    """Refuse anything but a schedule, such as the picture when two arguments are swapped."""
    if not isinstance(schedule, NoiseSchedule):
        raise TypeError(f"schedule must be a NoiseSchedule, but a {type(schedule).__name__} came.")
