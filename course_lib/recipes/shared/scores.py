"""How far drawn pictures are from real scenes."""

from functools import cache

import torch
from torch import Tensor

from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.scenes import Scenes, draw_scenes
from course_lib.metrics import frechet_distance
from course_lib.pretrained import emoji_classifier
from course_lib.support.batches import in_batches

REAL = 8000


def distance_to_scenes(pictures: Tensor, centred: bool = False) -> float:
    """The Fréchet distance from pictures, (N, 3, 64, 64) in [-1, 1], best 2,000, to REAL scenes of the training cells.

    ``centred`` ones if the pictures are. Two sets of real scenes do not score 0: ``real_scenes(2000, seed=5)`` gives the floor.
    """
    return frechet_distance(in_batches(emoji_classifier().features, pictures), _real_features(REAL, centred))


@cache
def _real_features(count: int, centred: bool) -> Tensor:
    return in_batches(emoji_classifier().features, real_scenes(count, seed=4, centred=centred))  # (count, 64)


def real_scenes(count: int, seed: int, centred: bool = False) -> Tensor:
    """Scenes of the training cells, composed anew, (count, 3, 64, 64) in [-1, 1]."""
    scenes = wanted_scenes(count, seed)
    return scaled(compose(scenes.centred() if centred else scenes))


def wanted_scenes(count: int, seed: int = 6) -> Scenes:
    """Scenes of the training cells to be drawn: their labels are asked for, their pictures never made."""
    return draw_scenes(count, torch.Generator().manual_seed(seed))
