r"""The forward process: destroying a picture on purpose.

Nothing is learned here. A picture is shrunk a little and given a little Gaussian noise, over and over; and
since a sum of Gaussians is a Gaussian, any number of such steps can be taken at once.

Source: Ho, Jain, Abbeel 2020, *Denoising Diffusion Probabilistic Models*, equations 2 and 4.
"""

import torch
from torch import Tensor

from course_lib.arguments import require_between, require_same_shape, require_tensor
from course_lib.schedules import NoiseSchedule


def forward_step(x_prev: Tensor, beta: float, eps: Tensor) -> Tensor:
    r"""One step of the chain, :math:`x_t = \sqrt{1-\beta_t}\,x_{t-1} + \sqrt{\beta_t}\,\epsilon` (equation 2).

    Args:
        x_prev: :math:`x_{t-1}`, any shape.
        beta: the step's variance :math:`\beta_t`, in [0, 1].
        eps: standard Gaussian noise, the shape of x_prev.

    Returns:
        :math:`x_t`, the shape and dtype of x_prev.
    """
    require_tensor("x_prev", x_prev)
    require_same_shape("eps", eps, "x_prev", x_prev)
    require_between("beta", beta, 0, 1)
    return (1 - beta) ** 0.5 * x_prev + beta**0.5 * eps


def add_noise(schedule: NoiseSchedule, x_0: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
    r"""t steps at once, :math:`x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon` (equation 4).

    Args:
        schedule: gives :math:`\bar\alpha`.
        x_0: clean pictures, shape (B, …); pixels usually in [-1, 1].
        t: one time, or one for each picture, shape (B,); in 0…T.
        eps: standard Gaussian noise, the shape of x_0: the *whole* noise in :math:`x_t`, not that of one step.

    Returns:
        :math:`x_t`, the shape and dtype of x_0; x_0 itself where t is 0.
    """
    require_tensor("x_0", x_0)
    require_same_shape("eps", eps, "x_0", x_0)
    alpha_bar = schedule.at(t, x_0)
    return alpha_bar.sqrt().to(x_0) * x_0 + (1 - alpha_bar).sqrt().to(x_0) * eps


def noise_like(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Standard Gaussian noise of x's shape, dtype and device, drawn on the CPU so that a seed means the same everywhere."""
    return torch.randn(x.shape, dtype=x.dtype, generator=generator).to(x.device)
