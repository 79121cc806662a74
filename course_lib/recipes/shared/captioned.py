"""Latents with captions: what a text-to-image model is trained on, and what it is asked for when it is measured."""

import torch
from torch import Tensor

from course_lib.denoisers import Denoiser
from course_lib.emoji import captions
from course_lib.emoji.scenes import COLOURS, OBJECTS, Scenes, all_cells, draw_scenes, held_out_cells, training_cells
from course_lib.networks.vae import LATENT
from course_lib.pipeline.text_to_image import STEPS, Encoder
from course_lib.recipes.shared.latents import LatentScenes, draw
from course_lib.sampling import Rule, ddim_step
from course_lib.support.device import half_precision

CAPTION_DROP = 0.1


def draw_batch(
    data: LatentScenes, generator: torch.Generator, size: int, full: float = 0.0
) -> tuple[Tensor, list[str]]:
    """Latents, (size, 4, 16, 16), and a caption for each, as ``draw_texts`` draws them."""
    rows = torch.randint(len(data.x_0), (size,), generator=generator)
    return data.x_0[rows], draw_texts(data.scenes[rows], generator, full)


def draw_texts(scenes: Scenes, generator: torch.Generator, full: float = 0.0) -> list[str]:
    """A caption for each scene: now and then none, and the full one for a share of ``full``."""
    chance = torch.rand(len(scenes), generator=generator)
    texts = captions.draw_captions(scenes, generator)
    for row in (chance < CAPTION_DROP).nonzero().flatten().tolist():
        texts[row] = ""
    for row in (chance >= 1 - full).nonzero().flatten().tolist():
        texts[row] = captions.describe(scenes, row)
    return texts


def full_captions(scenes: Scenes) -> list[str]:
    """The plain full caption of each of B scenes."""
    return [captions.describe(scenes, row) for row in range(len(scenes))]


def measured_scenes(count: int) -> dict[str, Scenes]:
    """What text-to-image models are asked for when they are measured: scenes of "training" cells and of "held_out" ones."""
    cells = {"training": training_cells(), "held_out": held_out_cells()}
    return {name: draw_scenes(count, torch.Generator().manual_seed(6), some).centred() for name, some in cells.items()}


def red_sports_cars(count: int) -> Scenes:
    """Scenes that no training has seen: red sports cars in every style and size, before every background."""
    only = ~all_cells()
    only[OBJECTS.index("sports car"), list(COLOURS).index("red")] = True
    return draw_scenes(count, torch.Generator().manual_seed(8), only).centred()


@torch.no_grad()
def draw_prompts(
    encoder: Encoder, denoiser: Denoiser, prompts: list[str], steps: int = STEPS, rule: Rule = ddim_step
) -> Tensor:
    """A latent for each prompt, (N, 4, 16, 16), from the same noise whatever the denoiser."""
    with half_precision():
        return draw(denoiser, LATENT, encoder.encode(prompts), steps, rule=rule)
