"""The real drawing that a picture is nearest to: what the judge of wholeness compares it with."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.scenes import SIDE, Scenes, joined, sides_of, sprites

_ONE_PIXEL = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2))  # (9, 2)
_SEEN = 0.2  # by how much, of 2, a pixel has to differ from the background in some channel


def nearest_real(pictures: Tensor, seen: dict[str, Tensor]) -> Tensor:
    """For each picture, (B, 3, 64, 64) in [-1, 1], the real one that it is nearest to, of the same shape.

    The candidates are all drawings of what is seen, in the middle and where the picture's own object is; the nearest of them
    is then moved by a pixel, wherever that is nearer still. The nearest is that of the smallest absolute difference,
    slightly blurred.

    Args:
        seen: what ``judge`` sees in the pictures: "object", "colour", "background" and "size", (B,) int64 each.
    """
    where = _centres(pictures)  # (B, 2)
    nearest = torch.empty_like(pictures)
    for row, picture in enumerate(pictures):
        drawings = _all_drawings(*(int(seen[what][row]) for what in ("object", "colour", "background", "size")))
        by = (where[row] - _centres(scaled(compose(drawings)))).round().long()  # (N, 2)
        best, _ = _nearest(picture, joined([drawings, _moved(drawings, by)]))
        best, nearest[row] = _nearest(picture, _moved(best[torch.zeros(9, dtype=torch.long)], _ONE_PIXEL))
    return nearest


def _nearest(picture: Tensor, scenes: Scenes) -> tuple[Scenes, Tensor]:
    """The one of these scenes that a picture, (3, H, W), is nearest to, and its picture."""
    real = scaled(compose(scenes)).to(picture)
    row = int((_blurred(real) - _blurred(picture[None])).abs().mean((1, 2, 3)).argmin())
    return scenes[row : row + 1], real[row]


def _all_drawings(object_: int, colour: int, background: int, size: int) -> Scenes:
    """Every drawing of an object, recoloured, and as it was drawn where that is its own colour; in the middle."""
    mine = [k for k, sprite in enumerate(sprites()) if sprite.object == object_]
    native = [k for k in mine if sprites()[k].native == colour]
    sprite = torch.tensor(mine + native)
    colour, background, size = (torch.full_like(sprite, index) for index in (colour, background, size))
    zero = torch.zeros_like(sprite)
    return Scenes(sprite, colour, background, size, zero, zero, torch.arange(len(sprite)) >= len(mine)).centred()


def _moved(scenes: Scenes, by: Tensor) -> Scenes:
    """The scenes with their objects moved by (x, y), (B, 2) int64, as far as the picture allows."""
    last = SIDE - sides_of(scenes.size)
    x, y = (torch.minimum((place + by[:, axis]).clamp(min=0), last) for axis, place in enumerate((scenes.x, scenes.y)))
    return replace(scenes, x=x, y=y)


def _centres(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 2): the middle, x and y, of what stands out from the background."""
    out = (pictures - pictures[:, :, :1, :1]).abs().amax(dim=1) > _SEEN  # (B, H, W)
    places = torch.arange(SIDE, device=pictures.device)
    centres = []
    for axis in (1, 2):  # over rows: which columns; over columns: which rows
        there = out.any(dim=axis)  # (B, SIDE)
        first, last = torch.where(there, places, SIDE).amin(dim=1), torch.where(there, places, -1).amax(dim=1)
        centres.append((first + last) / 2)
    return torch.stack(centres, dim=1)


def _blurred(pictures: Tensor) -> Tensor:
    return F.avg_pool2d(pictures, 3, stride=2, padding=1)
