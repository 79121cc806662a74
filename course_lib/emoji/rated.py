"""Drawn pictures that were looked at, one by one: is what they show whole? What teaches and measures the judge of wholeness.

They were drawn by the course's models at several settings, shuffled, and rated without knowing which. *Torn* is what no
artist would hand in: two outlines in one; parts that are missing, displaced or melted; a thing that one cannot make out.
Plain, small or somewhat blurred pictures count as whole.

The 300 that measure the judge were rated twice, the second time in another order and beside the nearest real drawing. The
two looks agreed in 268; a third decided the others. So much for how sure an eye is: a judge that agrees with it more often
than in 89 of 100 agrees with it more than it agrees with itself. The 2,760 that teach the judge were looked at once,
beside the nearest real drawing.
"""

import json
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.emoji.drawing import read_sheet
from course_lib.emoji.scenes import SIDE
from course_lib.support.files import shipped_file

_COLUMNS = 20  # of pictures in a row of the sheet


class RatedPictures(NamedTuple):
    """pictures: (N, 3, 64, 64) uint8 in 0…255; whole: (N,) bool; of each the prompt it was drawn for, and how."""

    pictures: Tensor
    whole: Tensor
    prompts: tuple[str, ...]
    settings: tuple[str, ...]


def rated_pictures() -> RatedPictures:
    """The 300 that measure, in the order in which they were rated first."""
    return _read("rated")


def rated_once() -> RatedPictures:
    """The 2,760 that teach."""
    return _read("rated_once")


def _read(name: str) -> RatedPictures:
    rows = json.loads(shipped_file(f"emoji/{name}.json").read_text(encoding="utf-8"))
    tiles = read_sheet(f"emoji/{name}.webp", "RGB", SIDE, _COLUMNS, len(rows))  # (N, 64, 64, 3)
    whole = torch.tensor([row["whole"] for row in rows])
    prompts, settings = (tuple(row[key] for row in rows) for key in ("prompt", "setting"))
    return RatedPictures(tiles.movedim(-1, 1).contiguous(), whole, prompts, settings)
