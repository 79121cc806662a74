"""Rules that say of a picture which background, colour and size it has: no network, so nothing to be fooled with.

They judge real pictures and generated ones alike, from the pixels alone: there is no mask of the object. What they get
wrong on real pictures is measured in tests/test_judging.py, and is the floor of every measurement made with them.
"""

import torch
from torch import Tensor

from course_lib import oklab
from course_lib.datasets.emoji import COLOURS

_NEUTRAL = torch.tensor([name in ("black", "grey", "white") for name in COLOURS])
_NEUTRAL_WEIGHT = 0.7  # outlines, wheels and windows are neutral: a pixel of them says less about the object's colour


def main_colour(pixels: Tensor) -> int:
    """The colour that most of (N, 3) sRGB pixels in [0, 1] are nearest to, an index into COLOURS."""
    nearest = torch.cdist(oklab.to_oklab(pixels.double()), _prototypes(COLOURS)).argmin(1)  # (N,)
    votes = torch.bincount(nearest, minlength=len(COLOURS)) * torch.where(_NEUTRAL, _NEUTRAL_WEIGHT, 1.0)
    return int(votes.argmax())


def _prototypes(colours: dict[str, str]) -> Tensor:
    """(K, 3) OKLab of named colours."""
    rgb = torch.tensor([tuple(bytes.fromhex(value[1:])) for value in colours.values()], dtype=torch.float64) / 255
    return oklab.to_oklab(rgb)
