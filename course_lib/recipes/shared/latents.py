"""Latents of the emoji scenes: encoded once, for every model that is trained on them, and drawn anew."""

from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.denoisers import Denoiser
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.scenes import BACKGROUNDS, SIZES, Scenes, draw_scenes, joined
from course_lib.networks.vae import VAE
from course_lib.sampling import Rule, ddim_step, sample_many
from course_lib.schedules import NoiseSchedule
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device, half_precision

SCHEDULE = NoiseSchedule.cosine()
SMALL, NOT_WHITE = 2, 3  # see times_as_often


class LatentScenes(NamedTuple):
    """x_0: latents, (N, 4, 16, 16); scenes: what each of them shows."""

    x_0: Tensor
    scenes: Scenes


def scenes_as_latents(vae: VAE, count: int, seed: int = 0, centred: bool = False) -> LatentScenes:
    """Training scenes as latents of mean 0 and deviation 1: a minute or two for 50,000."""
    generator = torch.Generator().manual_seed(seed)
    parts = [draw_scenes(min(500, count - done), generator) for done in range(0, count, 500)]
    if centred:
        parts = [part.centred() for part in parts]
    with half_precision():
        latents = [in_batches(vae.to_latents, scaled(compose(part))) for part in parts]
    return LatentScenes(torch.cat(latents), joined(parts))


def times_as_often(scenes: Scenes) -> Tensor:
    """How many times as often each scene comes in training, (B,) int64: small objects SMALL times, and backgrounds
    other than white NOT_WHITE times.
    """
    small = scenes.size == list(SIZES).index("small")
    not_white = scenes.background != list(BACKGROUNDS).index("white")
    return torch.where(small, SMALL, 1) * torch.where(not_white, NOT_WHITE, 1)


def draw(
    denoiser: Denoiser,
    shape: tuple[int, ...],
    cond: Tensor,
    steps: int = 50,
    seed: int = 0,
    rule: Rule = ddim_step,
) -> Tensor:
    """A new latent, or picture, of a shape for each row of cond; the same seed gives the same ones.

    Args:
        cond: labels, (N,) or (N, K), or encoded texts, (N, L, D).

    Returns:
        (N, *shape), on the CPU.
    """
    noise = torch.randn(len(cond), *shape, generator=torch.Generator().manual_seed(seed))
    noise, cond = noise.to(best_device()), cond.to(best_device())
    return sample_many(denoiser, noise, denoiser.schedule.times(steps), rule, cond)
