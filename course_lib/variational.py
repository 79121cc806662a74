r"""The evidence lower bound: how probable a model finds a picture, at least. A VAE has one, and a diffusion model, too.

A VAE cannot say how probable a picture is, since all latents that might lead to it would have to be summed. Its encoder
gives a bound from below, and training raises it (Kingma, Welling 2014, *Auto-Encoding Variational Bayes*, equation 3):

.. math:: \log p(x) \ge \mathbb E_{z \sim q(z|x)}\big[\log p(x|z)\big] - D_\text{KL}\big(q(z|x)\,\|\,N(0, I)\big)

Both terms are sums, over pixels and over the latent's numbers. To average them would weigh 784 pixels as much as 32
numbers: the bound would be none, and the latents would be pressed into the prior until they said nothing.

A diffusion model is such a VAE, with T latents of the picture's size and an encoder that has nothing to learn (Kingma et
al. 2021, *Variational Diffusion Models*, equations 11 to 13):

.. math:: -\log p(x_0) \le D_\text{KL}\big(q(x_T|x_0)\,\|\,N(0, I)\big) + \mathbb E\big[-\log p(x_0|x_1)\big]
          + \sum_{t=2}^{T} \tfrac12\big(\text{SNR}(t-1) - \text{SNR}(t)\big)\,\mathbb E\,\|x_0 - \hat x_0(x_t, t)\|^2

Bits a dimension make the two comparable: what a pixel of 256 shades costs, 8 if one knows nothing.
"""

import math

import torch
from torch import Tensor

from course_lib.denoisers import Denoiser
from course_lib.forward import add_noise, noise_like
from course_lib.networks.vae import Posterior, kl_divergence
from course_lib.networks.vector_vae import VectorVAE
from course_lib.schedules import Schedule
from course_lib.support.arguments import (
    require_between,
    require_finite,
    require_generator,
    require_number,
    require_pictures,
    require_same_shape,
    require_tensor,
)
from course_lib.training import draw_times


def gaussian_log_likelihood(x: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    r"""How probable each picture is, in nats, if every pixel is Gaussian around its mean; (B,).

    .. math:: \sum_i -\frac{(x_i - \mu_i)^2}{2\sigma^2} - \log\sigma - \tfrac12\log 2\pi

    Args:
        x, mean: (B, …).
        log_sigma: one for all pixels, shape (), or one each, (B, …).
    """
    require_finite("x", x)
    if x.ndim < 2:
        raise ValueError(f"x must have shape (B, …), a row for each picture, but its shape is {tuple(x.shape)}.")
    require_same_shape("mean", mean, "x", x)
    require_tensor("log_sigma", log_sigma)
    if log_sigma.ndim:
        require_same_shape("log_sigma", log_sigma, "x", x)
    nats = -0.5 * ((x - mean) / log_sigma.exp()) ** 2 - log_sigma - 0.5 * math.log(2 * math.pi)  # (B, …)
    return nats.flatten(1).sum(dim=1)


def elbo(
    vae: VectorVAE, x: Tensor, labels: Tensor, generator: torch.Generator | None = None, beta: float = 1.0
) -> Tensor:
    r"""The bound on :math:`\log p(x)` of each picture, in nats, from one draw of its latent; (B,).

    Args:
        x: (B, channels, side, side) in [-1, 1].
        labels: (B,), int64.
        generator: for the draw.
        beta: weighs the divergence; only with 1 it is the bound (Higgins et al. 2017, *beta-VAE*, equation 4).
    """
    _require_vae(vae)
    require_pictures("x", x)
    require_number("beta", beta, 0, math.inf)
    posterior = vae.encode(x, labels)
    mean = vae.decode(posterior.draw(generator), labels)  # (B, channels, side, side)
    divergence = kl_divergence(posterior).sum(dim=1)  # (B,)
    return gaussian_log_likelihood(x, mean, vae.log_sigma) - beta * divergence


SHADES = 256  # of a pixel: k / 127.5 - 1 for k = 0…255


@torch.no_grad()
def bits_of_vae(vae: VectorVAE, x: Tensor, labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """At most how many bits a dimension the VAE needs for each picture, (B,).

    Its density is one over all real numbers, and the pictures have 256 shades: each pixel is moved at random within its
    shade, over which the density is then averaged (Theis et al. 2016, *A note on the evaluation of generative models*,
    section 3.1).

    Args:
        x: (B, channels, side, side), of the 256 shades in [-1, 1].
        labels: (B,), int64.
        generator: for shades and latents.
    """
    _require_vae(vae)
    require_pictures("x", x)
    require_generator("generator", generator)
    width = 2 / (SHADES - 1)  # of a shade
    moved = x + width * (torch.rand(x.shape, generator=generator).to(x) - 0.5)
    nats = -elbo(vae, moved, labels, generator) - x[0].numel() * math.log(width)  # (B,)
    return nats / (x[0].numel() * math.log(2))


@torch.no_grad()
def bits_of_diffusion(
    denoiser: Denoiser, x_0: Tensor, cond: Tensor | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """At most how many bits a dimension the diffusion model needs for each picture, (B,), from one time of its sum.

    The mean over many pictures is what counts: a single one's figure depends on which time it got. Times are spread
    evenly over the pictures.

    Args:
        denoiser: of a variance-preserving schedule, so that x_T is about N(0, I) for data in [-1, 1].
        x_0: (B, …), of the 256 shades in [-1, 1].
        cond: handed to the denoiser, one row for each picture.
        generator: for times and noise.
    """
    if not hasattr(denoiser, "schedule"):
        raise TypeError(f"denoiser must be a denoiser with a schedule, but got {type(denoiser).__name__}.")
    require_pictures("x_0", x_0)
    require_between("x_0", x_0, -1, 1)  # whose shades are looked up
    if x_0.ndim < 2 or x_0.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"x_0 must have shape (B, …) and dtype float32 or float64, but got {tuple(x_0.shape)} of {x_0.dtype}."
        )
    schedule, size = denoiser.schedule, x_0[0].numel()

    signal, noise = schedule.signal_and_noise(schedule.T, x_0)
    end = Posterior(signal.to(x_0) * x_0, torch.full_like(x_0, 2 * math.log(noise)))
    prior = kl_divergence(end).flatten(1).sum(dim=1)  # (B,)

    x_1 = add_noise(schedule, x_0, 1, noise_like(x_0, generator))
    signal, noise = (factor.to(x_0) for factor in schedule.signal_and_noise(1, x_0))
    shades = torch.linspace(-1, 1, SHADES).to(x_0)  # (256,)
    log_odds = -0.5 * ((x_1[..., None] - signal * shades) / noise) ** 2  # (B, …, 256)
    rows = ((x_0 + 1) / 2 * (SHADES - 1)).round().long()[..., None]  # (B, …, 1)
    picture = -log_odds.log_softmax(dim=-1).gather(-1, rows).flatten(1).sum(dim=1)  # (B,)

    t = 1 + draw_times(len(x_0), schedule.T - 1, generator)  # (B,), in 2…T
    x_t = add_noise(schedule, x_0, t, noise_like(x_0, generator))
    guess = denoiser(x_t, t, cond).x_0
    require_finite("what the denoiser answers", guess)
    error = (x_0 - guess).square().flatten(1).sum(dim=1)  # (B,)
    steps = 0.5 * (_snr(schedule, t - 1, x_0) - _snr(schedule, t, x_0)) * error * (schedule.T - 1)  # (B,)
    return (prior + picture + steps) / (size * math.log(2))


def _require_vae(vae: object) -> None:
    if not all(hasattr(vae, part) for part in ("encode", "decode", "log_sigma")):
        raise TypeError(f"vae must have encode, decode and log_sigma, as a VectorVAE, but got {type(vae).__name__}.")


def _snr(schedule: Schedule, t: Tensor, x: Tensor) -> Tensor:
    signal, noise = schedule.signal_and_noise(t, x)
    return ((signal / noise) ** 2).flatten().to(x)
