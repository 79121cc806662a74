"""Train the latent diffusion model of the emoji scenes: ``python -m course_lib.recipes.emoji_latent``.

The U-Net and the loss of notebook 02 do not change: pictures are encoded once, before training, and what is sampled
is decoded. The model draws any scene, without being told which. Some 25 minutes on two cores.
"""

from functools import cache, partial

import torch
from torch import Tensor, nn

from course_lib.datasets import emoji
from course_lib.denoisers import Denoiser, NetDenoiser
from course_lib.device import best_device, on_best_device
from course_lib.metrics import frechet_distance, in_batches
from course_lib.networks.vae import VAE
from course_lib.pretrained import emoji_classifier, emoji_vae, latent_unet
from course_lib.recipes.running import run_training, ship
from course_lib.sampling import ddim_step, last, sample
from course_lib.schedules import NoiseSchedule
from course_lib.training import TrainState, denoising_loss, warm_up_then_fall

STEPS, BATCH_SIZE = 3200, 128
SCENES = 50_000  # encoded once
MEASURED = 2000
LATENT = (4, 16, 16)
SCHEDULE = NoiseSchedule.cosine()


def encoded_scenes(vae: VAE, count: int = SCENES, seed: int = 0) -> Tensor:
    """Training scenes as latents of mean 0 and deviation 1, (count, 4, 16, 16): some minutes for 50,000."""
    generator = torch.Generator().manual_seed(seed)
    parts = [emoji.draw_scenes(min(500, count - done), generator) for done in range(0, count, 500)]
    return torch.cat([in_batches(vae.to_latents, emoji.scaled(emoji.compose(part))) for part in parts])


def draw_batch(latents: Tensor, generator: torch.Generator) -> Tensor:
    """(B, 4, 16, 16), drawn from ``encoded_scenes`` with replacement."""
    return latents[torch.randint(len(latents), (BATCH_SIZE,), generator=generator)]


def loss(net: nn.Module, latents: Tensor, generator: torch.Generator) -> Tensor:
    """The loss of notebook 02, with v to be predicted; it does not know that these are latents."""
    return denoising_loss(NetDenoiser(net, SCHEDULE, "v"), latents.to(best_device()), generator=generator)


def draw(denoiser: Denoiser, shape: tuple[int, ...], steps: int = 50, count: int = MEASURED, seed: int = 0) -> Tensor:
    """``count`` new latents, or pictures, of a shape, by DDIM, 250 at a time; the same seed gives the same ones."""
    noise = torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))
    times = denoiser.schedule.times(steps)
    return torch.cat([last(sample(denoiser, z.to(best_device()), times, ddim_step)).cpu() for z in noise.split(250)])


def distance_to_scenes(pictures: Tensor) -> float:
    """The Fréchet distance from pictures, (N, 3, 64, 64) in [-1, 1], best 2,000, to 8,000 scenes of the training cells.

    Two sets of real scenes do not score 0: ``real_scenes(2000, seed=5)`` gives the floor.
    """
    return frechet_distance(in_batches(emoji_classifier().features, pictures), _real_features())


@cache
def _real_features() -> Tensor:
    return in_batches(emoji_classifier().features, real_scenes(8000, seed=4))  # (8000, 64)


def real_scenes(count: int, seed: int) -> Tensor:
    """Scenes of the training cells, composed anew, (count, 3, 64, 64) in [-1, 1]."""
    return emoji.scaled(emoji.compose(emoji.draw_scenes(count, torch.Generator().manual_seed(seed))))


def train_latent(name: str, vae: VAE, steps: int) -> TrainState:
    """A diffusion model of the scenes' latents after so many steps; the unfinished state is kept under ``name``."""
    torch.manual_seed(0)
    state = TrainState(on_best_device(latent_unet()))
    batches, learning_rate = partial(draw_batch, encoded_scenes(vae)), partial(warm_up_then_fall, steps=steps)
    run_training(name, state, batches, loss, steps, BATCH_SIZE, learning_rate)
    state.ema.eval()
    return state


def main() -> None:
    vae, real = emoji_vae(), real_scenes(MEASURED, seed=5)
    state = train_latent("emoji_latent", vae, STEPS)
    drawn = in_batches(vae.to_pictures, draw(NetDenoiser(state.ema, SCHEDULE, "v"), LATENT))
    again = in_batches(vae.reconstruct, real)
    quality = {
        "frechet_distance_ddim_50": f"{distance_to_scenes(drawn):.3f}",
        "frechet_distance_reconstructed": f"{distance_to_scenes(again):.3f}",
        "frechet_distance_real": f"{distance_to_scenes(real):.3f}",
    }
    ship("emoji_latent", "emoji/sprites_paint.webp", state, BATCH_SIZE, quality)


if __name__ == "__main__":
    main()
