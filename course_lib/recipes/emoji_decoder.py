"""Train the VAE's decoder further, for what the text-to-image model draws: ``python -m course_lib.recipes.emoji_decoder``.

It takes some 20 minutes on two cores that multiply in bfloat16 (AVX-512), and twice that on others.

The encoder stays as it is, so the latents do too, and no diffusion model has to be trained anew; Stable Diffusion's
decoders were exchanged in the same way. Three things are new to the decoder:

- its latents are a little off, by noise, as drawn ones are: a mistake of the diffusion model is not to tear an outline;
- every object stands in the middle, where the text-to-image model draws it;
- rare scenes, of which it knows least, come as often as in that model's training.
"""

import copy
import json
from functools import partial

import torch
from torch import Tensor, nn

from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.judging import judged_right, shares
from course_lib.emoji.scenes import draw_scenes, held_out_cells, training_cells
from course_lib.metrics import psnr
from course_lib.networks.vae import VAE, reconstruction_error
from course_lib.pretrained import emoji_classifier, emoji_vae
from course_lib.recipes.shared.latents import times_as_often
from course_lib.recipes.shared.running import run_training, ship
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device, half_precision, on_best_device
from course_lib.training import TrainState, trainable_copy, warm_up_then_fall

STEPS, PEAK, BATCH_SIZE = 6000, 1e-3, 32
NOISE = 0.3  # at most; latents have deviation 1
MEASURED = 2000


def draw_batch(generator: torch.Generator) -> Tensor:
    """Scenes of the training cells, in the middle, the rare ones more often; (BATCH_SIZE, 3, 64, 64) in [-1, 1]."""
    scenes = draw_scenes(4 * BATCH_SIZE, generator)
    chosen = torch.multinomial(times_as_often(scenes).float(), BATCH_SIZE, generator=generator)
    return scaled(compose(scenes[chosen].centred()))


def noisy_latents(vae: VAE, pictures: Tensor, generator: torch.Generator) -> Tensor:
    """The pictures' latents, each with noise of its own strength, 0 to NOISE; (B, 4, 16, 16)."""
    with torch.no_grad(), half_precision():
        latents = in_batches(vae.to_latents, pictures).float()
    strength = NOISE * torch.rand(len(latents), 1, 1, 1, generator=generator)
    return latents + strength * torch.randn(latents.shape, generator=generator)


def loss(vae: VAE, decoder: nn.Module, pictures: Tensor, generator: torch.Generator) -> Tensor:
    """The reconstruction error of notebook 04, on latents of the VAE that stays as it is."""
    latents = noisy_latents(vae, pictures, generator).to(best_device())
    with half_precision():
        again = decoder(vae.unscaled(latents))
    return reconstruction_error(pictures.to(best_device()), again.float())


def measure(vae: VAE, decoder: nn.Module) -> dict[str, str]:
    """What the new decoder makes of latents, as the encoder gives them and with noise, beside what the old one does.

    In dB, and as what the judges say.
    """
    new = copy.deepcopy(vae)
    new.decoder = decoder.eval()
    quality = {}
    for name, cells in (("training", training_cells()), ("held_out", held_out_cells())):
        scenes = draw_scenes(MEASURED, torch.Generator().manual_seed(2), cells).centred()
        pictures = scaled(compose(scenes))
        latents = {
            "reconstructed": in_batches(vae.to_latents, pictures),
            "noisy": noisy_latents(vae, pictures, torch.Generator().manual_seed(3)),
        }
        for kind, given in latents.items():
            for each, whose in ((new, ""), (vae, "_by_emoji_vae")):
                again = in_batches(each.to_pictures, given)
                quality[f"psnr_{kind}{whose}_{name}_cells"] = f"{psnr(pictures, again):.2f}"
                right = judged_right(again, scenes, emoji_classifier())
                quality[f"judged_right_{kind}{whose}_{name}_cells"] = json.dumps(shares(right))
    return quality


def main() -> None:
    vae = emoji_vae()
    state = TrainState(on_best_device(trainable_copy(vae.decoder)))
    learning_rate = partial(warm_up_then_fall, steps=STEPS, peak=PEAK)
    run_training("emoji_decoder", state, draw_batch, partial(loss, vae), STEPS, BATCH_SIZE, learning_rate)
    ship("emoji_decoder", "emoji/sprites_paint.webp", state, BATCH_SIZE, measure(vae, state.ema))


if __name__ == "__main__":
    main()
