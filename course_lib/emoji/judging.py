"""Rules that say which background, colour and size a picture has: no network, so nothing that can be fooled.

They judge real pictures and generated ones alike, from the pixels alone: no mask says where the object is. Their
errors on real pictures are measured in tests/test_judging.py, and bound every measurement made with them. The object
is left to a classifier; ``judge`` asks all four.
"""

import torch
from torch import Tensor, nn

from course_lib.emoji import oklab
from course_lib.emoji.nearest import nearest_real
from course_lib.emoji.scenes import BACKGROUNDS, COLOURS, SIDE, SIZES, Scenes, require_scenes, rgb_of
from course_lib.support.arguments import (
    require_axes,
    require_batch,
    require_between,
    require_finite,
    require_rows,
    require_tensor,
)
from course_lib.support.batches import in_batches

_DIFFERS = 0.06  # distance in OKLab from the background at which a pixel counts as the object's: just seen by the eye
_NEUTRALS = [list(COLOURS).index(name) for name in ("black", "grey", "white")]
_NEUTRAL_WEIGHT = 0.7  # outlines, wheels and windows are neutral: such a pixel says less about the object's colour


def background_of(pictures: Tensor) -> Tensor:
    """Which background each picture has: (B, 3, H, W) in [-1, 1] → (B,) int64, indices into BACKGROUNDS.

    The one nearest to the median of the border, in OKLab. Raises TypeError or ValueError for anything but pictures.
    """
    return _background(_pixels(pictures))


def colour_of(pictures: Tensor) -> Tensor:
    """Which colour the object of each picture has: (B, 3, H, W) in [-1, 1] → (B,) int64, indices into COLOURS.

    Each pixel that differs from the border votes for the nearest colour in OKLab; a picture without one is the colour
    of its border.
    """
    return _colour(_pixels(pictures))


def size_of(pictures: Tensor) -> Tensor:
    """Which size the object of each picture has: (B, 3, H, W) in [-1, 1] → (B,) int64, indices into SIZES.

    The one nearest to the longer side of the box around all pixels that differ from the border.
    """
    return _size(_pixels(pictures))


def judge(pictures: Tensor, classifier: nn.Module) -> dict[str, Tensor]:
    """What is seen in each picture, (B, 3, 64, 64) in [-1, 1]: "object", "colour", "background", "size" → (B,) int64.

    The three rules say three of them, and ``classifier`` (``pretrained.emoji_classifier()``) says the object.
    """
    pixels = _pixels(pictures)
    return {
        "object": in_batches(classifier, pictures).argmax(dim=1),
        "colour": _colour(pixels),
        "background": _background(pixels),
        "size": _size(pixels),
    }


def whole_of(pictures: Tensor, seen: dict[str, Tensor], wholeness: nn.Module) -> Tensor:
    """Whether what each picture shows is whole: (B, 3, 64, 64) in [-1, 1] → (B,) bool.

    Args:
        seen: what ``judge`` sees in them.
        wholeness: the network that compares them with the nearest real drawings (``pretrained.emoji_wholeness()``).
    """
    return in_batches(wholeness, beside(pictures, nearest_real(pictures, seen))).argmax(dim=1) == 1


def beside(pictures: Tensor, real: Tensor) -> Tensor:
    """What the judge of wholeness looks at: pictures, real ones, and the difference, (B, 3, H, W) twice → (B, 9, H, W)."""
    return torch.cat([pictures, real, pictures - real], dim=1)


def judged_right(
    pictures: Tensor, scenes: Scenes, classifier: nn.Module, wholeness: nn.Module | None = None
) -> dict[str, Tensor]:
    """Whether each picture shows what its scene says: as ``judge``, (B,) bool; and "all" of the four at once.

    With the judge of ``wholeness``, three rows more: "whole"; "object and colour"; and "adherence", which is object and
    colour and whole, for a torn red sports car is none.
    """
    require_scenes(scenes)
    require_rows("pictures", pictures)
    require_batch("scenes.sprite", scenes.sprite, len(pictures))
    said = {
        "object": scenes.object,
        "colour": scenes.colour,
        "background": scenes.background,
        "size": scenes.size,
    }
    seen = judge(pictures, classifier)
    right = {what: seen[what] == said[what] for what in said}
    right["all"] = torch.stack(list(right.values())).all(dim=0)
    if wholeness is None:
        return right
    both, whole = right["object"] & right["colour"], whole_of(pictures, seen, wholeness)
    return right | {"whole": whole, "object and colour": both, "adherence": both & whole}


def shares(right: dict[str, Tensor]) -> dict[str, float]:
    """For each name the share of True in its bool, (B,), rounded to four digits: what ``judged_right`` found, in short."""
    for what, each in right.items():
        require_rows(f'right["{what}"]', each)
        if each.dtype != torch.bool:
            raise TypeError(f'right["{what}"] must be bool, but its dtype is {each.dtype}.')
    return {what: round(each.double().mean().item(), 4) for what, each in right.items()}


def main_colour(pixels: Tensor) -> int:
    """The colour that most of (N, 3) sRGB pixels in [0, 1] are nearest to, an index into COLOURS."""
    require_tensor("pixels", pixels)
    require_axes("pixels", pixels, "N", 3)
    require_rows("pixels", pixels)
    require_between("pixels", pixels, 0, 1)
    return int(_votes(oklab.to_oklab(pixels.float())[None], torch.ones(1, len(pixels), dtype=torch.bool)).argmax())


def _background(pixels: Tensor) -> Tensor:  # (B, H, W, 3) -> (B,)
    return torch.cdist(_border(pixels), _prototypes(BACKGROUNDS)).argmin(1)


def _colour(pixels: Tensor) -> Tensor:  # (B, H, W, 3) -> (B,)
    differs = _differs(pixels)
    counts = torch.where(differs.any((1, 2), keepdim=True), differs, True)  # (B, H, W)
    return torch.cat([_votes(*some).argmax(1) for some in zip(pixels.split(64), counts.split(64), strict=True)])


def _size(pixels: Tensor) -> Tensor:  # (B, H, W, 3) -> (B,)
    differs = _differs(pixels)
    # A row or column counts from two pixels on: a single one may be noise.
    lengths = [_extent(differs.sum(side) > 1) for side in (1, 2)]  # (B,) each: width, height
    longer = torch.maximum(*lengths) * SIDE / pixels.shape[2]
    return (longer[:, None] - torch.tensor(list(SIZES.values()))).abs().argmin(1)


def _votes(pixels: Tensor, counts: Tensor) -> Tensor:
    """(B, ..., 3) OKLab, (B, ...) bool: which pixels count → (B, K): their votes for each colour."""
    nearest = torch.cdist(pixels.flatten(1, -2), _prototypes(COLOURS)).argmin(2)  # (B, N)
    weights = torch.ones(len(COLOURS))
    weights[_NEUTRALS] = _NEUTRAL_WEIGHT
    votes = torch.zeros(len(pixels), len(COLOURS))
    return votes.scatter_add_(1, nearest, weights[nearest] * counts.flatten(1))


def _border(pixels: Tensor) -> Tensor:
    """(B, H, W, 3) → (B, 3): the median of each picture's border of two pixels."""
    ring = torch.ones(pixels.shape[1:3], dtype=torch.bool)
    ring[2:-2, 2:-2] = False
    return pixels[:, ring].median(1).values


def _differs(pixels: Tensor) -> Tensor:
    """(B, H, W, 3) → (B, H, W) bool: where each picture differs from its border, which is where its object is."""
    return (pixels - _border(pixels)[:, None, None]).norm(dim=-1) > _DIFFERS


def _pixels(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) in [-1, 1] → (B, H, W, 3) OKLab."""
    require_finite("pictures", pictures)
    if pictures.numel() and pictures.max() > 50:  # what a network draws may exceed the range, but not by so much
        raise ValueError(
            f"pictures must lie in [-1, 1], but got values to {pictures.max():g}: use pictures / 127.5 - 1 if they are pixels."
        )
    if pictures.ndim != 4 or pictures.shape[1] != 3 or min(pictures.shape[2:]) < 8:
        raise ValueError(
            f"pictures must have shape (B, 3, H, W), at least 8 pixels a side, but it is {tuple(pictures.shape)}."
        )
    return oklab.to_oklab(((pictures.detach().cpu().float().clamp(-1, 1) + 1) / 2).movedim(1, -1))


def _extent(seen: Tensor) -> Tensor:
    """(B, L) bool → (B,): from the first True to the last, both included; 0 if there is none."""
    places = torch.arange(1, seen.shape[1] + 1)
    last = (seen * places).amax(1)
    first = (seen * places.flip(0)).amax(1)
    return (first + last - seen.shape[1]).clamp(min=0)


def _prototypes(colours: dict[str, str]) -> Tensor:
    """(K, 3) OKLab of named colours."""
    return oklab.to_oklab(torch.tensor([rgb_of(value) for value in colours.values()]) / 255)
