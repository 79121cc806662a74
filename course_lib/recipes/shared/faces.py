"""What the recipes of the emoji faces share: the pictures at half their size, in batches, and how drawn ones are measured."""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.datasets.fashion import Fashion, draw
from course_lib.emoji import emoji_sets
from course_lib.metrics import frechet_distance, high_frequency_energy
from course_lib.pretrained import emoji_classifier
from course_lib.recipes.fashion_classifier import mirrored
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device

DATA = "emoji/pictures.json"
MEASURED = 600


def draw_faces(size: int, generator: torch.Generator) -> Fashion:
    """So many faces, (size, 3, 32, 32) in [-1, 1], half of them mirrored, all with the one label 0."""
    batch = mirrored(draw(_all(), size, generator), generator)
    return Fashion(*(part.to(best_device()) for part in batch))


def features_of(pictures: Tensor) -> Tensor:
    """What the judge of emoji sees in faces at half their size, (N, 128)."""
    return in_batches(emoji_classifier().features, F.interpolate(pictures, scale_factor=2, mode="nearest"))


def quality(drawn: Tensor) -> dict[str, str]:
    """How far drawn faces are from the real ones, all of which were trained on, and how sharp they are.

    Not precision: a few odd faces stand so far from all others that their balls hold even noise.
    """
    real = _all().pictures
    return {
        "frechet_distance": f"{frechet_distance(features_of(real), features_of(drawn)):.2f}",
        "sharpness": f"{high_frequency_energy(drawn) / high_frequency_energy(real):.4f}",
    }


@cache
def _all() -> Fashion:
    pictures = emoji_sets.small_faces()
    return Fashion(pictures, torch.zeros(len(pictures), dtype=torch.int64))
