"""Train the VAE of the emoji pictures: ``python -m course_lib.recipes.emoji_vae``.

It learns from what every generating network learns from, scenes without the held-out cells, and from the general set,
so that it can draw more than the listed objects. What it is measured on, it has never seen.
"""

import json
from functools import cache, partial

import torch
from torch import Tensor

from course_lib.emoji import emoji_sets
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.judging import judged_right, shares
from course_lib.emoji.scenes import draw_scenes, held_out_cells, training_cells
from course_lib.metrics import psnr
from course_lib.networks.vae import VAE, Posterior, kl_divergence, reconstruction_error
from course_lib.pretrained import emoji_classifier
from course_lib.recipes.shared.running import run_training, ship
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device, half_precision, on_best_device
from course_lib.training import TrainState, warm_up_then_fall

STEPS, BATCH_SIZE, KL_WEIGHT = 6500, 32, 2e-2
MEASURED = 2000  # scenes


def draw_batch(generator: torch.Generator) -> Tensor:
    """Half composed scenes, half pictures of the general set; (B, 3, 64, 64) in [-1, 1].

    The general set stands on white; half of it is printed on tinted paper, for the decoder to keep any ground clean.
    """
    scenes = compose(draw_scenes(BATCH_SIZE // 2, generator))  # (B/2, 3, 64, 64)
    general = _general()
    others = general[torch.randint(len(general), (BATCH_SIZE // 2,), generator=generator)]  # (B/2, 3, 64, 64)
    tint, tinted = (torch.rand(len(others), n, 1, 1, generator=generator) for n in (3, 1))
    paper = torch.where(tinted < 0.5, 1 - 0.3 * tint, 1.0)  # (B/2, 3, 1, 1): the share of light that it throws back
    return scaled(torch.cat([scenes, others * paper]))


@cache
def _general() -> Tensor:
    return emoji_sets.train_set().pictures


def loss(net: VAE, pictures: Tensor, generator: torch.Generator) -> Tensor:
    pictures = pictures.to(best_device())
    with half_precision():
        posterior = net.encode(pictures)
    posterior = Posterior(*(part.float() for part in posterior))
    with half_precision():
        reconstructed = net.decode(posterior.draw(generator))
    error = reconstruction_error(pictures, reconstructed.float())
    return error + KL_WEIGHT * kl_divergence(posterior).mean()


def measure(vae: VAE) -> dict[str, str]:
    """How alike pictures and reconstructions are, in dB, and what the judges say of both."""
    generator = torch.Generator().manual_seed(2)
    unseen = scaled(emoji_sets.test_set().pictures)
    quality = {"psnr_unseen_emoji": f"{psnr(unseen, in_batches(vae.reconstruct, unseen)):.2f}"}
    for name, cells in (("training", training_cells()), ("held_out", held_out_cells())):
        scenes = draw_scenes(MEASURED, generator, cells)
        pictures = scaled(compose(scenes))
        reconstructed = in_batches(vae.reconstruct, pictures)
        quality[f"psnr_{name}_cells"] = f"{psnr(pictures, reconstructed):.2f}"
        for kind, judged in (("real", pictures), ("reconstructed", reconstructed)):
            right = judged_right(judged, scenes, emoji_classifier())
            quality[f"judged_right_{kind}_{name}_cells"] = json.dumps(shares(right))
    return quality


def train_vae(name: str, steps: int) -> TrainState:
    """A VAE after so many steps, its latents measured; the unfinished state is kept under ``name``."""
    torch.manual_seed(0)
    state = TrainState(on_best_device(VAE()))
    run_training(name, state, draw_batch, loss, steps, BATCH_SIZE, partial(warm_up_then_fall, steps=steps))
    vae, scenes = state.ema.eval(), draw_scenes(MEASURED, torch.Generator().manual_seed(1))
    vae.measure_latents(in_batches(lambda x: vae.encode(x).mean, scaled(compose(scenes))))
    return state


def main() -> None:
    state = train_vae("emoji_vae", STEPS)
    ship("emoji_vae", "emoji/sprites_paint.webp", state, BATCH_SIZE, measure(state.ema))


if __name__ == "__main__":
    main()
