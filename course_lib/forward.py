r"""The forward process: destroying a picture on purpose.

Nothing is learned here. A picture is shrunk a little and given a little Gaussian noise, over and over; and
since a sum of Gaussians is a Gaussian, any number of such steps can be taken at once.

Source: Ho, Jain, Abbeel 2020, *Denoising Diffusion Probabilistic Models*, equations 2 and 4.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.schedules import Schedule, require_schedule
from course_lib.support.arguments import require_number, require_same_shape, require_tensor

Generators = torch.Generator | Sequence[torch.Generator] | None
"""Where noise comes from: one generator for all rows of a batch, one for each, or torch's own."""


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
    require_number("beta", beta, 0, 1)
    return (1 - beta) ** 0.5 * x_prev + beta**0.5 * eps.to(x_prev.dtype)


def add_noise(schedule: Schedule, x_0: Tensor, t: float | Tensor, eps: Tensor) -> Tensor:
    r"""t steps at once, :math:`x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon` (equation 4), or whatever the
    schedule says of picture and noise.

    Args:
        schedule: gives the two factors.
        x_0: clean pictures, shape (B, …); pixels usually in [-1, 1].
        t: one time, or one for each picture, shape (B,); in 0…T.
        eps: standard Gaussian noise, the shape of x_0: the *whole* noise in :math:`x_t`, not that of one step.

    Returns:
        :math:`x_t`, the shape and dtype of x_0; x_0 itself where t is 0.
    """
    require_schedule(schedule)
    require_tensor("x_0", x_0)
    require_same_shape("eps", eps, "x_0", x_0)
    signal, noise = schedule.signal_and_noise(t, x_0)
    return signal.to(x_0) * x_0 + noise.to(x_0) * eps.to(x_0.dtype)


def noise_further(schedule: Schedule, x_t: Tensor, t: float | Tensor, s: float | Tensor, eps: Tensor) -> Tensor:
    r"""From x_t on to a later time s at once: as many steps of the chain as lie between them (Ho et al., equation 2).

    .. math:: x_s = \frac{\text{signal}_s}{\text{signal}_t}\,x_t + \sqrt{\text{noise}_s^2 - \Big(\frac{\text{signal}_s}
              {\text{signal}_t}\Big)^2 \text{noise}_t^2}\;\epsilon.

    Args:
        x_t: noisy pictures, (B, …).
        t, s: their time and the one to go to, s above t, in 0…T; one for all or one for each row, (B,).
        eps: standard Gaussian noise, the shape of x_t.

    Returns:
        :math:`x_s`, the shape and dtype of x_t.
    """
    require_schedule(schedule)
    require_tensor("x_t", x_t)
    require_same_shape("eps", eps, "x_t", x_t)
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    if not bool((n_s > n_t).all()):
        raise ValueError(f"s must be above t = {t}: noise is only added, but got s = {s}.")
    shrink = a_s / a_t
    return shrink.to(x_t) * x_t + (n_s**2 - (shrink * n_t) ** 2).sqrt().to(x_t) * eps.to(x_t.dtype)


def noise_like(x: Tensor, generator: Generators = None) -> Tensor:
    """Standard Gaussian noise of x's shape, dtype and device, drawn on the CPU so that a seed means the same everywhere.

    From one generator, what a row gets depends on how many rows there are. From a sequence of generators, one for each
    row of x, it depends on the row's own alone.
    """
    require_tensor("x", x)
    if generator is None or isinstance(generator, torch.Generator):
        return torch.randn(x.shape, dtype=x.dtype, generator=generator).to(x.device)
    if not isinstance(generator, Sequence) or not all(isinstance(each, torch.Generator) for each in generator):
        raise TypeError(f"generator must be a torch.Generator, or one for each row, but got {generator!r:.60}.")
    if x.ndim == 0 or len(generator) != len(x):
        raise ValueError(
            f"generator must hold one generator for each row of x, whose shape is {tuple(x.shape)}, "
            f"but it holds {len(generator)}."
        )
    rows = [torch.randn(x.shape[1:], dtype=x.dtype, generator=each) for each in generator]
    return torch.stack(rows).to(x.device) if rows else torch.empty_like(x)
