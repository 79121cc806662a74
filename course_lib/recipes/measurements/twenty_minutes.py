"""Pixels against latents, twenty minutes of training each: ``python -m course_lib.recipes.measurements.twenty_minutes``.

Two questions. What does a step cost? Operations and time, for one and the same U-Net on pictures of 64×64×3 and on their
latents of 16×16×4, position by position. And what do twenty minutes buy on two cores? Four rows:

    pixels               a diffusion model of the pictures themselves, of a size that sees enough of them in the time
    latents              a VAE and a diffusion model of its latents, both from nothing, both within the twenty minutes
    shipped latents      the shipped pair, each of which had more than that
    pixels, 4×4 patches  a diffusion model of the pictures that is as wide as that of the latents, and whose step costs
                         as much: it packs 4×4 pixels into a position by itself, where the other has the VAE for it

Trainings go on where they were stopped and rows that are done are kept; an hour and a half in all.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib.denoisers import Clipped, Denoiser, NetDenoiser
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.judging import judged_right, shares
from course_lib.emoji.scenes import LABELS, Scenes, draw_scenes
from course_lib.networks.unet import UNet
from course_lib.networks.vae import LATENT, VAE
from course_lib.pretrained import describe, emoji_classifier, emoji_vae, latent_unet, load_weights
from course_lib.recipes import emoji_latent as latent_recipe
from course_lib.recipes import emoji_vae as vae_recipe
from course_lib.recipes.emoji_latent import MEASURED, Labelled, loss
from course_lib.recipes.shared import tables
from course_lib.recipes.shared.latents import SCHEDULE, draw
from course_lib.recipes.shared.running import discard, run_training
from course_lib.recipes.shared.scores import distance_to_scenes, real_scenes, wanted_scenes
from course_lib.support.batches import in_batches
from course_lib.support.device import clock, on_best_device, seconds_of
from course_lib.support.files import atomic_write, data_folder, record_checksum
from course_lib.training import TrainState, warm_up_then_fall

NAME, NETWORKS = "twenty_minutes", ("emoji_classifier", "emoji_latent", "emoji_vae")
SHEET = f"measurements/{NAME}.webp"
PIXEL_STEPS, PIXEL_BATCH = 2000, 64
VAE_STEPS, LATENT_STEPS = 2200, 1150
PATCHED_STEPS = 5600
SAMPLING_STEPS, TIMED, SHOWN = 50, 100, 12
PICTURE = (3, 64, 64)


class Trained(NamedTuple):
    """One row: what draws its pictures, the steps that it took, and which of the timed steps these were."""

    denoiser: Denoiser
    vae: VAE | None
    steps: int
    vae_steps: int
    step: str


def pixel_unet() -> UNet:
    """On 2×2 patches, and narrower than the latent model: that one would see too few pictures in the time."""
    return UNet(channels=3, classes=len(LABELS), width=48)


def patched_unet() -> UNet:
    """On 4×4 patches, and as wide as the latent model: as many positions, and as dear a step."""
    return UNet(channels=3, classes=len(LABELS), width=64, patch=4)


def train_on_pixels(name: str, net: UNet, steps: int) -> Clipped:
    """The averaged network after so many steps, as a denoiser of pictures."""
    state = TrainState(on_best_device(net))

    def draw_batch(generator: torch.Generator) -> Labelled:
        scenes = draw_scenes(PIXEL_BATCH, generator)
        return Labelled(scaled(compose(scenes)), scenes.labels)

    learning_rate = partial(warm_up_then_fall, steps=steps)
    run_training(name, state, draw_batch, loss, steps, PIXEL_BATCH, learning_rate)
    return Clipped(NetDenoiser(state.ema.eval(), SCHEDULE, "v"), -1, 1)


def pixels() -> Trained:
    torch.manual_seed(0)
    denoiser = train_on_pixels("twenty_minutes_pixels", pixel_unet(), PIXEL_STEPS)
    return Trained(denoiser, None, PIXEL_STEPS, 0, "pixel_unet")


def patched_pixels() -> Trained:
    torch.manual_seed(0)
    denoiser = train_on_pixels("twenty_minutes_patched", patched_unet(), PATCHED_STEPS)
    return Trained(denoiser, None, PATCHED_STEPS, 0, "patched_unet")


def latents() -> Trained:
    vae = vae_recipe.train_vae("twenty_minutes_vae", VAE_STEPS).ema
    net = latent_recipe.train_latent("twenty_minutes_latents", vae, LATENT_STEPS).ema
    return Trained(NetDenoiser(net, SCHEDULE, "v"), vae, LATENT_STEPS, VAE_STEPS, "latent_unet")


def shipped_latents() -> Trained:
    steps, vae_steps = (int(describe(name)["steps"]) for name in ("emoji_latent", "emoji_vae"))
    net = load_weights(latent_unet(), "emoji_latent")
    return Trained(NetDenoiser(net, SCHEDULE, "v"), emoji_vae(), steps, vae_steps, "latent_unet")


ROWS: dict[str, Callable[[], Trained]] = {
    "pixels": pixels,
    "latents": latents,
    "shipped latents": shipped_latents,
    "pixels, 4×4 patches": patched_pixels,
}


def draw_pictures(trained: Trained, scenes: Scenes) -> Tensor:
    """What N scenes say, drawn: (N, 3, 64, 64) in [-1, 1], sampled, and decoded if it is a latent."""
    shape = PICTURE if trained.vae is None else LATENT
    drawn = draw(trained.denoiser, shape, scenes.labels, SAMPLING_STEPS)
    return drawn if trained.vae is None else in_batches(trained.vae.to_pictures, drawn)


def operations(net: nn.Module, shape: tuple[int, ...]) -> int:
    """Floating-point operations of a training step with one picture: forward and back, counted by torch."""
    net = copy.deepcopy(net).to("meta")  # shapes without numbers: counted, not computed
    x, t = torch.zeros(1, *shape, device="meta"), torch.ones(1, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter:
        net(x, t).sum().backward()
    return counter.get_total_flops()


def training_step(net: nn.Module, batch: Labelled | Tensor, of: Callable = loss) -> Callable[[], None]:
    """A step of training with one and the same batch, to be timed."""
    net, generator = on_best_device(net), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        of(net, batch, generator).backward()
        optimizer.step()

    return step


def costs() -> dict:
    """What a training step of each network costs, and the same U-Net on both, a batch of 32 each."""

    def zeros(count: int, shape: tuple[int, ...]) -> Labelled:
        return Labelled(torch.zeros(count, *shape), torch.zeros(count, 5, dtype=torch.int64))

    same = UNet(channels=3, classes=len(LABELS), width=64, patch=1)  # the latent model's, but for its ends
    timed = seconds_of(
        {
            "same_unet_on_pixels": training_step(same, zeros(32, PICTURE)),
            "unet_on_latents": training_step(latent_unet(), zeros(32, LATENT)),
            "pixel_unet": training_step(pixel_unet(), zeros(PIXEL_BATCH, PICTURE)),
            "patched_unet": training_step(patched_unet(), zeros(PIXEL_BATCH, PICTURE)),
            "latent_unet": training_step(latent_unet(), zeros(latent_recipe.BATCH_SIZE, LATENT)),
            "encoding": partial(latent_recipe.encoded_scenes, on_best_device(VAE()).eval(), 500),
            "vae": training_step(VAE(), torch.zeros(vae_recipe.BATCH_SIZE, *PICTURE), vae_recipe.loss),
        }
    )
    return {
        "gflop_of_a_picture": {
            "pixels": round(operations(same, PICTURE) / 1e9, 3),
            "latents": round(operations(latent_unet(), LATENT) / 1e9, 3),
        },
        "seconds_of_32_pictures": {
            "pixels": round(timed["same_unet_on_pixels"], 4),
            "latents": round(timed["unet_on_latents"], 4),
        },
        "seconds_of_a_step": {
            name: round(timed[name], 4) for name in ("pixel_unet", "patched_unet", "latent_unet", "vae")
        },
        "seconds_of_encoding": round(timed["encoding"] * latent_recipe.SCENES / 500, 1),
    }


def measure(name: str, trained: Trained, cost: dict) -> dict:
    """One row of the table, with the ``costs`` of a step; "minutes" hold the encoding of the scenes too."""
    began = clock()
    draw_pictures(trained, wanted_scenes(TIMED))
    took = clock() - began
    step = cost["seconds_of_a_step"]
    seconds = trained.steps * step[trained.step] + (0 if trained.vae is None else cost["seconds_of_encoding"])
    scenes = wanted_scenes(MEASURED)
    pictures = draw_pictures(trained, scenes)
    return {
        "name": name,
        "steps": trained.steps,
        "vae_steps": trained.vae_steps,
        "minutes": round(seconds / 60, 1),
        "vae_minutes": round(trained.vae_steps * step["vae"] / 60, 1),
        "seconds_for_100": round(took, 2),
        "frechet_distance": round(distance_to_scenes(pictures), 3),
        "judged_right": shares(judged_right(pictures, scenes, emoji_classifier())),
    }


def begin() -> dict:
    """The table before anything is trained: the floors of the distance, and what a step costs."""
    real, vae = real_scenes(MEASURED, seed=5), emoji_vae()
    return {
        "pictures": MEASURED,
        "sampling_steps": SAMPLING_STEPS,
        "real_frechet_distance": round(distance_to_scenes(real), 3),
        "reconstructed_frechet_distance": round(distance_to_scenes(in_batches(vae.reconstruct, real)), 3),
        **costs(),
        "rows": [],
    }


def main() -> None:
    table, sheet = tables.resume(NAME, NETWORKS, begin), data_folder() / SHEET
    strips = list(np.array(Image.open(sheet)).reshape(len(table["rows"]), 64, -1, 3)) if table["rows"] else []
    for name, train_row in list(ROWS.items())[len(table["rows"]) :]:
        trained = train_row()
        table["rows"].append(measure(name, trained, table))
        pictures = draw_pictures(trained, wanted_scenes(SHOWN))  # (SHOWN, 3, 64, 64)
        shown = ((pictures + 1) * 127.5).round().to(torch.uint8)
        strips.append(shown.permute(2, 0, 3, 1).flatten(1, 2).numpy())  # (64, SHOWN · 64, 3)
        with atomic_write(sheet) as partial_file:
            Image.fromarray(np.concatenate(strips)).save(partial_file, format="webp", lossless=True)
        record_checksum(SHEET)
        tables.save(NAME, table)
        print(table["rows"][-1], flush=True)
    for name in ("pixels", "vae", "latents", "patched"):
        discard(f"twenty_minutes_{name}")


if __name__ == "__main__":
    main()
