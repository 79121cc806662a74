"""Train the latent diffusion model of the emoji scenes: ``python -m course_lib.recipes.emoji_latent``.

The U-Net and the loss of notebook 02 do not change: pictures are encoded once, before training, and what is sampled
is decoded. Five labels say what to draw (object, colour, background, size, style); a tenth of the pictures come
without, so that the model also draws freely. Some 45 minutes on two cores.
"""

import json
from functools import cache, partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.datasets import emoji
from course_lib.denoisers import Denoiser, NetDenoiser
from course_lib.device import best_device, half_precision, on_best_device
from course_lib.judging import judged_right, shares
from course_lib.metrics import frechet_distance, in_batches
from course_lib.networks.vae import VAE
from course_lib.pretrained import emoji_classifier, emoji_vae, latent_unet
from course_lib.recipes.running import run_training, ship
from course_lib.sampling import ddim_step, sample_many
from course_lib.schedules import NoiseSchedule
from course_lib.training import TrainState, denoising_loss, drop_labels, warm_up_then_fall

STEPS, BATCH_SIZE, LABEL_DROP = 6600, 128, 0.1
SCENES = 50_000  # encoded once
MEASURED = 2000
LATENT = (4, 16, 16)
SMALL, NOT_WHITE = 2, 3  # see times_as_often
SCHEDULE = NoiseSchedule.cosine()


class Labelled(NamedTuple):
    """x_0: latents, (N, 4, 16, 16), or pictures, (N, 3, 64, 64); labels: (N, 5), as ``emoji.labels_of`` gives them."""

    x_0: Tensor
    labels: Tensor


class Told(NamedTuple):
    """x_0: latents, (N, 4, 16, 16); scenes: what each of them shows."""

    x_0: Tensor
    scenes: emoji.Scene


def scenes_as_latents(vae: VAE, count: int, seed: int = 0, centred: bool = False) -> Told:
    """Training scenes as latents of mean 0 and deviation 1: a minute or two for 50,000."""
    generator = torch.Generator().manual_seed(seed)
    parts = [emoji.draw_scenes(min(500, count - done), generator) for done in range(0, count, 500)]
    if centred:
        parts = [emoji.centred(part) for part in parts]
    with half_precision():
        latents = [in_batches(vae.to_latents, emoji.scaled(emoji.compose(part))) for part in parts]
    return Told(torch.cat(latents), emoji.joined(parts))


def encoded_scenes(vae: VAE, count: int = SCENES, seed: int = 0) -> Labelled:
    """``scenes_as_latents`` with the five labels of each."""
    told = scenes_as_latents(vae, count, seed)
    return Labelled(told.x_0, emoji.labels_of(told.scenes))


def times_as_often(scenes: emoji.Scene) -> Tensor:
    """How many times as often each scene is to come in training, (B,) int64: small objects SMALL times, and before
    another background than white NOT_WHITE times.
    """
    small = scenes.size == list(emoji.SIZES).index("small")
    not_white = scenes.background != list(emoji.BACKGROUNDS).index("white")
    return torch.where(small, SMALL, 1) * torch.where(not_white, NOT_WHITE, 1)


def draw_batch(data: Labelled, generator: torch.Generator) -> Labelled:
    """BATCH_SIZE of ``encoded_scenes``, drawn with replacement."""
    rows = torch.randint(len(data.labels), (BATCH_SIZE,), generator=generator)
    return Labelled(data.x_0[rows], data.labels[rows])


def loss(net: nn.Module, batch: Labelled, generator: torch.Generator) -> Tensor:
    """The loss of notebook 02, with v to be predicted; it does not know whether these are latents."""
    labels = drop_labels(batch.labels, net.null_class, LABEL_DROP, generator).to(best_device())
    with half_precision():
        return denoising_loss(NetDenoiser(net, SCHEDULE, "v"), batch.x_0.to(best_device()), labels, generator)


def draw(denoiser: Denoiser, shape: tuple[int, ...], labels: Tensor, steps: int = 50, seed: int = 0) -> Tensor:
    """A new latent, or picture, of a shape for each row of labels, (N,) or (N, K), by DDIM.

    The same seed gives the same ones.
    """
    noise = torch.randn(len(labels), *shape, generator=torch.Generator().manual_seed(seed))
    noise, labels = noise.to(best_device()), labels.to(best_device())
    return sample_many(denoiser, noise, denoiser.schedule.times(steps), ddim_step, labels)


def distance_to_scenes(pictures: Tensor, centred: bool = False) -> float:
    """The Fréchet distance from pictures, (N, 3, 64, 64) in [-1, 1], best 2,000, to 8,000 scenes of the training cells.

    ``centred`` ones if the pictures are. Two sets of real scenes do not score 0: ``real_scenes(2000, seed=5)`` gives the floor.
    """
    return frechet_distance(in_batches(emoji_classifier().features, pictures), _real_features(centred))


@cache
def _real_features(centred: bool) -> Tensor:
    return in_batches(emoji_classifier().features, real_scenes(8000, seed=4, centred=centred))  # (8000, 64)


def real_scenes(count: int, seed: int, centred: bool = False) -> Tensor:
    """Scenes of the training cells, composed anew, (count, 3, 64, 64) in [-1, 1]."""
    scenes = wanted_scenes(count, seed)
    return emoji.scaled(emoji.compose(emoji.centred(scenes) if centred else scenes))


def wanted_scenes(count: int = MEASURED, seed: int = 6) -> emoji.Scene:
    """Scenes of the training cells to be drawn: their labels are asked for, their pictures never made."""
    return emoji.draw_scenes(count, torch.Generator().manual_seed(seed))


def train_latent(name: str, vae: VAE, steps: int) -> TrainState:
    """A diffusion model of the scenes' latents after so many steps; the unfinished state is kept under ``name``."""
    torch.manual_seed(0)
    state = TrainState(on_best_device(latent_unet()))
    batches, learning_rate = partial(draw_batch, encoded_scenes(vae)), partial(warm_up_then_fall, steps=steps)
    run_training(name, state, batches, loss, steps, BATCH_SIZE, learning_rate)
    state.ema.eval()
    return state


def measure(denoiser: NetDenoiser, vae: VAE) -> dict[str, str]:
    """How far drawn pictures are from scenes, with labels and without, and how many show what was asked for."""
    scenes, real = wanted_scenes(), real_scenes(MEASURED, seed=5)
    labels = emoji.labels_of(scenes)
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
