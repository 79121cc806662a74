"""Train the latent diffusion model of the emoji scenes: ``python -m course_lib.recipes.emoji_latent``.

The U-Net and the loss of notebook 02 do not change: pictures are encoded once, before training, and what is sampled
is decoded. Five labels say what to draw (object, colour, background, size, style); a tenth of the pictures come
without, so that the model also draws freely. Some 45 minutes on two cores.
"""

import json
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.denoisers import NetDenoiser
from course_lib.emoji.judging import judged_right, shares
from course_lib.networks.vae import LATENT, VAE
from course_lib.pretrained import emoji_classifier, emoji_vae, latent_unet
from course_lib.recipes.shared.latents import SCHEDULE, draw, scenes_as_latents
from course_lib.recipes.shared.running import run_training, ship
from course_lib.recipes.shared.scores import distance_to_scenes, real_scenes, wanted_scenes
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device, half_precision, on_best_device
from course_lib.training import TrainState, denoising_loss, drop_labels, warm_up_then_fall

STEPS, BATCH_SIZE, LABEL_DROP = 6600, 128, 0.1
SCENES = 50_000  # encoded once
MEASURED = 2000


class Labelled(NamedTuple):
    """x_0: latents, (N, 4, 16, 16), or pictures, (N, 3, 64, 64); labels: (N, 5), as ``Scenes.labels`` has them."""

    x_0: Tensor
    labels: Tensor


def encoded_scenes(vae: VAE, count: int, seed: int = 0) -> Labelled:
    """``scenes_as_latents`` with the five labels of each."""
    x_0, scenes = scenes_as_latents(vae, count, seed)
    return Labelled(x_0, scenes.labels)


def draw_batch(data: Labelled, generator: torch.Generator) -> Labelled:
    """BATCH_SIZE of ``encoded_scenes``, drawn with replacement."""
    rows = torch.randint(len(data.labels), (BATCH_SIZE,), generator=generator)
    return Labelled(data.x_0[rows], data.labels[rows])


def loss(net: nn.Module, batch: Labelled, generator: torch.Generator) -> Tensor:
    """The loss of notebook 02, with v to be predicted; it does not know whether these are latents."""
    labels = drop_labels(batch.labels, net.null_class, LABEL_DROP, generator).to(best_device())
    with half_precision():
        return denoising_loss(NetDenoiser(net, SCHEDULE, "v"), batch.x_0.to(best_device()), labels, generator)


def train_latent(name: str, vae: VAE, steps: int) -> TrainState:
    """A diffusion model of the scenes' latents after so many steps; the unfinished state is kept under ``name``."""
    torch.manual_seed(0)
    state = TrainState(on_best_device(latent_unet()))
    batches, learning_rate = partial(draw_batch, encoded_scenes(vae, SCENES)), partial(warm_up_then_fall, steps=steps)
    run_training(name, state, batches, loss, steps, BATCH_SIZE, learning_rate)
    state.ema.eval()
    return state


def measure(denoiser: NetDenoiser, vae: VAE) -> dict[str, str]:
    """How far drawn pictures are from scenes, with labels and without, and how many show what was asked for."""
    scenes, real = wanted_scenes(MEASURED), real_scenes(MEASURED, seed=5)
    labels = scenes.labels
    none = torch.full_like(labels, denoiser.net.null_class)
    drawn, free = (in_batches(vae.to_pictures, draw(denoiser, LATENT, each)) for each in (labels, none))
    right = judged_right(drawn, scenes, emoji_classifier())
    return {
        "frechet_distance_ddim_50": f"{distance_to_scenes(drawn):.3f}",
        "frechet_distance_ddim_50_without_labels": f"{distance_to_scenes(free):.3f}",
        "frechet_distance_reconstructed": f"{distance_to_scenes(in_batches(vae.reconstruct, real)):.3f}",
        "frechet_distance_real": f"{distance_to_scenes(real):.3f}",
        "judged_right_ddim_50": json.dumps(shares(right)),
    }


def main() -> None:
    vae = emoji_vae()
    state = train_latent("emoji_latent", vae, STEPS)
    quality = measure(NetDenoiser(state.ema, SCHEDULE, "v"), vae)
    ship("emoji_latent", "emoji/sprites_paint.webp", state, BATCH_SIZE, quality)


if __name__ == "__main__":
    main()
