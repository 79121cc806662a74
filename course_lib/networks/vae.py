r"""The variational autoencoder: a picture becomes a small latent, and the latent a picture again.

    x (3, 64, 64) ──encode──► mean and variance (4, 16, 16) ──draw──► z ──decode──► x' (3, 64, 64)

A latent has a twelfth of the picture's numbers. The encoder answers with a Gaussian for each of them rather than with a
number, and the loss asks two things of it: that a draw from it decodes to the picture, and that it stays close to
:math:`N(0, I)`, so that the latents of all pictures lie together, without gaps.

.. math:: L = \underbrace{|x - x'| + |\nabla x - \nabla x'|}_\text{reconstruction}
          + w \cdot D_\text{KL}\big(N(\mu, \sigma^2)\,\|\,N(0, I)\big)

Sources: Kingma, Welling 2014, *Auto-Encoding Variational Bayes*, equation 10 and appendix B; Rombach et al. 2022,
*High-Resolution Image Synthesis with Latent Diffusion Models*, section 3.1 (a small weight w, latents as first stage).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.forward import noise_like
from course_lib.support.arguments import (
    require_axes,
    require_finite,
    require_maps,
    require_rows,
    require_same_shape,
    require_tensor,
)

PATCH = 2
LATENT = (4, 16, 16)
"""The shape of the latent of a picture of 64×64."""


class Posterior(NamedTuple):
    r"""What the encoder says of a picture: a Gaussian for every number of its latent, each (B, C, H, W)."""

    mean: Tensor
    log_var: Tensor

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        r""":math:`z = \mu + \sigma\epsilon`, which lets gradients through to :math:`\mu` and :math:`\sigma`; (B, C, H, W)."""
        return self.mean + (0.5 * self.log_var).exp() * noise_like(self.mean, generator)


def kl_divergence(posterior: Posterior) -> Tensor:
    r"""How far each latent number's Gaussian is from :math:`N(0, 1)`; the shape of its mean, in nats, never negative.

    .. math:: D_\text{KL} = \tfrac12\big(\mu^2 + \sigma^2 - 1 - \log\sigma^2\big)
    """
    require_tensor("posterior.mean", posterior.mean)
    require_same_shape("posterior.log_var", posterior.log_var, "posterior.mean", posterior.mean)
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var)


def reconstruction_error(x: Tensor, other: Tensor) -> Tensor:
    """The mean absolute difference of the pictures, and of their differences between neighbours, so that edges count.

    Both (B, channels, H, W); shape ().
    """
    require_tensor("x", x)
    require_same_shape("other", other, "x", x)
    require_axes("x", x, "B", "C", "H", "W")
    require_rows("x", x)
    down = F.l1_loss(other.diff(dim=-2), x.diff(dim=-2))
    right = F.l1_loss(other.diff(dim=-1), x.diff(dim=-1))
    return F.l1_loss(other, x) + down + right


class Block(nn.Module):
    """Two convolutions, added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(8, channels), nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(8, channels), nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H, W)
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class VAE(nn.Module):
    """An encoder and a decoder for pictures whose sides divide by four; a latent's sides are a quarter of theirs.

    Args:
        channels: of a picture, 3 for colour.
        latent_channels: of a latent.
        width: channels at the latent's resolution, divisible by 16.
    """

    def __init__(self, channels: int = 3, latent_channels: int = 4, width: int = 96) -> None:
        super().__init__()
        half, patch_channels = width // 2, channels * PATCH**2
        self.encoder = nn.Sequential(  # (B, channels, H, W)
            nn.PixelUnshuffle(PATCH),  # (B, 4 channels, H/2, W/2)
            nn.Conv2d(patch_channels, half, 3, padding=1),
            Block(half),
            nn.Conv2d(half, width, 3, stride=2, padding=1),  # (B, width, H/4, W/4)
            Block(width),
            Block(width),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, 2 * latent_channels, 3, padding=1),  # (B, 2 latent_channels, H/4, W/4)
        )
        self.decoder = nn.Sequential(  # (B, latent_channels, H/4, W/4)
            nn.Conv2d(latent_channels, width, 3, padding=1),
            Block(width),
            Block(width),
            nn.Conv2d(width, 4 * half, 3, padding=1),
            nn.PixelShuffle(2),  # (B, half, H/2, W/2)
            Block(half),
            Block(half),
            nn.GroupNorm(8, half),
            nn.SiLU(),
            nn.Conv2d(half, patch_channels, 3, padding=1),
            nn.PixelShuffle(PATCH),  # (B, channels, H, W)
        )
        # Mean and deviation of all pictures' latents, a number for each channel; 0 and 1 until they are measured.
        self.register_buffer("latent_mean", torch.zeros(latent_channels, 1, 1))
        self.register_buffer("latent_std", torch.ones(latent_channels, 1, 1))

    def encode(self, x: Tensor) -> Posterior:
        """Pictures, (B, channels, H, W) in [-1, 1], to Gaussians over latents, (B, latent_channels, H/4, W/4)."""
        weight = self.encoder[1].weight
        require_maps("x", x, weight.shape[1] // PATCH**2, 2 * PATCH, weight)
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        return Posterior(mean, log_var.clamp(-20, 10))  # beyond, exp would leave float32's comfortable range

    def decode(self, z: Tensor) -> Tensor:
        """Latents as ``encode`` gives them, (B, latent_channels, H/4, W/4), to pictures, (B, channels, H, W)."""
        weight = self.decoder[0].weight
        require_maps("z", z, weight.shape[1], 1, weight)
        return self.decoder(z)

    def to_latents(self, x: Tensor) -> Tensor:
        """Pictures to what a diffusion model works on: the mean latents, shifted and scaled to mean 0 and deviation 1.

        A noise schedule is made for data of that size. Shapes as in ``encode``.
        """
        return (self.encode(x).mean - self.latent_mean) / self.latent_std

    def to_pictures(self, z: Tensor) -> Tensor:
        """The way back from what a diffusion model has drawn; pictures in [-1, 1]. Shapes as in ``decode``."""
        return self.decode(self.unscaled(z)).clamp(-1, 1)

    def unscaled(self, z: Tensor) -> Tensor:
        """Latents as ``to_latents`` gives them, back to how ``encode`` does."""
        require_tensor("z", z)
        require_axes("z", z, "B", len(self.latent_mean), "H", "W")
        return z * self.latent_std + self.latent_mean

    def reconstruct(self, x: Tensor) -> Tensor:
        """Pictures through the mean latents and back, (B, channels, H, W) in [-1, 1]: what the VAE keeps of them."""
        return self.to_pictures(self.to_latents(x))

    def measure_latents(self, latents: Tensor) -> None:
        """Remember mean and deviation of many latents as ``encode`` gives them, (N, latent_channels, H/4, W/4)."""
        require_axes("latents", latents, "N", len(self.latent_mean), "H", "W")
        require_rows("latents", latents)
        require_finite("latents", latents)
        if (latents.std(dim=(0, 2, 3)) == 0).any():
            raise ValueError("latents must vary in every channel, but one is constant: its scale would be infinite.")
        self.latent_mean.copy_(latents.mean(dim=(0, 2, 3))[:, None, None])
        self.latent_std.copy_(latents.std(dim=(0, 2, 3))[:, None, None])
