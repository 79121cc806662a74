"""Train the VAE of the emoji pictures: ``python -m course_lib.recipes.emoji_vae``.

It learns from what every generating network learns from, scenes without the held-out cells, and from the general set,
so that it can draw more than the listed objects. What it is measured on, it has never seen.
"""

from functools import partial

import torch
from torch import Tensor

from course_lib.datasets import emoji, emoji_pictures
from course_lib.device import best_device, on_best_device
from course_lib.metrics import in_batches, psnr
from course_lib.networks.vae import VAE, kl_divergence, reconstruction_error
from course_lib.recipes.running import run_training, ship
from course_lib.training import TrainState, warm_up_then_fall

STEPS, BATCH_SIZE, KL_WEIGHT = 6000, 32, 1e-3
MEASURED = 2000  # scenes


def draw_batch(generator: torch.Generator) -> Tensor:
    """Half composed scenes, half pictures of the general set; (B, 3, 64, 64) in [-1, 1].

    The general set stands on white; half of it is printed on tinted paper, for the decoder to keep any ground clean.
    """
    scenes = emoji.compose(emoji.draw_scenes(BATCH_SIZE // 2, generator))  # (B/2, 3, 64, 64)
    general = emoji_pictures.train_set().pictures
    others = general[torch.randint(len(general), (BATCH_SIZE // 2,), generator=generator)]  # (B/2, 3, 64, 64)
    tint, tinted = (torch.rand(len(others), n, 1, 1, generator=generator) for n in (3, 1))
    paper = torch.where(tinted < 0.5, 1 - 0.3 * tint, 1.0)  # (B/2, 3, 1, 1): the share of light that it throws back
    return emoji.scaled(torch.cat([scenes, others * paper]))


def loss(net: VAE, pictures: Tensor, generator: torch.Generator) -> Tensor:
    pictures = pictures.to(best_device())
    posterior = net.encode(pictures)
    error = reconstruction_error(pictures, net.decode(posterior.draw(generator)))
    return error + KL_WEIGHT * kl_divergence(posterior).mean()


def main() -> None:
    torch.manual_seed(0)
    state = TrainState(on_best_device(VAE()))
    learning_rate = partial(warm_up_then_fall, steps=STEPS)
    run_training("emoji_vae", state, draw_batch, loss, STEPS, BATCH_SIZE, learning_rate)

    vae, generator = state.ema.eval(), torch.Generator().manual_seed(1)
    scenes = emoji.scaled(emoji.compose(emoji.draw_scenes(MEASURED, generator)))
    vae.measure_latents(in_batches(lambda x: vae.encode(x).mean, scenes))
    held_out = emoji.scaled(emoji.compose(emoji.draw_scenes(MEASURED, generator, emoji.held_out_cells())))
    unseen = emoji.scaled(emoji_pictures.test_set().pictures)

    def again(x: Tensor) -> Tensor:
        return vae.to_pictures(vae.to_latents(x))

    quality = {
        "psnr_unseen_emoji": f"{psnr(unseen, in_batches(again, unseen)):.2f}",
        "psnr_held_out_cells": f"{psnr(held_out, in_batches(again, held_out)):.2f}",
    }
    ship("emoji_vae", "emoji/sprites_paint.webp", state, BATCH_SIZE, quality)


if __name__ == "__main__":
    main()
