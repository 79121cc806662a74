"""Pictures that are not whole: real ones, damaged in the ways in which drawn ones go wrong.

A judge of objects is content with a wheel and a windscreen, wherever they are. A judge of wholeness has to be taught
what a torn picture looks like, and here they are made: each from a scene, so that object, colour and background are
those of a real picture, and only the outline is wrong.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.emoji.drawing import compose
from course_lib.emoji.scenes import OBJECTS, SIDE, Scenes, require_scenes, sides_of, sprites
from course_lib.support.arguments import require_generator

CHANGED = 0.15
"""A picture counts as damaged if it differs from every real one that it is made of by this share of its object's pixels."""

WITH_WHEELS = (
    *("bicycle", "car", "fire engine", "kick scooter", "motor scooter", "motorcycle", "pickup truck", "racing car"),
    *("sports car", "tractor", "train", "truck"),
)
"""The objects that can lose them."""

_SEEN = 40  # of 255: by how much a pixel has to differ in some channel


def swapped(pictures: Tensor, others: Tensor, sides: Tensor, generator: torch.Generator | None) -> Tensor:
    """A part of one drawing, and the rest of another."""
    return torch.where(_parts(sides, generator), pictures, others)


def mixed(pictures: Tensor, others: Tensor, sides: Tensor, generator: torch.Generator | None) -> Tensor:
    """Two drawings, each half transparent."""
    share = 0.35 + 0.3 * torch.rand(len(pictures), 1, 1, 1, generator=generator)
    return share * pictures + (1 - share) * others


def shifted(pictures: Tensor, others: Tensor, sides: Tensor, generator: torch.Generator | None) -> Tensor:
    """A part stands beside its place, by a twelfth to a fifth of the object's side."""
    angle = 2 * torch.pi * torch.rand(len(pictures), generator=generator)
    far = sides * (0.08 + 0.12 * torch.rand(len(pictures), generator=generator))
    move = torch.stack([angle.cos(), angle.sin()], dim=-1) * far[:, None]  # (B, 2)
    return torch.where(_parts(sides, generator), pictures, _moved(pictures, move[:, None, None]))


def erased(pictures: Tensor, others: Tensor, sides: Tensor, generator: torch.Generator | None) -> Tensor:
    """A part is missing, and the background stands there."""
    return torch.where(_parts(sides, generator), pictures, pictures[:, :, :1, :1])


def bent(pictures: Tensor, others: Tensor, sides: Tensor, generator: torch.Generator | None) -> Tensor:
    """Every place is moved by another amount."""
    field = F.interpolate(
        torch.randn(len(pictures), 2, 9, 9, generator=generator), (SIDE, SIDE), mode="bicubic", align_corners=True
    )
    strength = sides * (0.03 + 0.07 * torch.rand(len(pictures), generator=generator))
    return _moved(pictures, (field * strength[:, None, None, None]).movedim(1, -1))


def without_wheels(pictures: Tensor, others: Tensor, sides: Tensor, generator: torch.Generator | None) -> Tensor:
    """The lowest fifth to third of the object is missing: of a car, its wheels."""
    seen = _differs(pictures, pictures[:, :, :1, :1]).any(dim=3)[:, 0]  # (B, H)
    rows = torch.arange(SIDE)
    top, bottom = torch.where(seen, rows, SIDE).amin(dim=1), torch.where(seen, rows, -1).amax(dim=1)
    cut = bottom - (bottom - top) * (0.18 + 0.17 * torch.rand(len(pictures), generator=generator))  # (B,)
    return torch.where(rows[None, None, :, None] > cut[:, None, None, None], pictures[:, :, :1, :1], pictures)


KINDS: dict[str, Callable[[Tensor, Tensor, Tensor, torch.Generator | None], Tensor]] = {
    "swapped": swapped,
    "mixed": mixed,
    "shifted": shifted,
    "erased": erased,
    "bent": bent,
    "without wheels": without_wheels,
}
"""Name → damage: pictures and others, (B, 3, 64, 64) in 0…255; sides, (B,) the objects' in pixels → damaged pictures."""


def damage(scenes: Scenes, kind: str, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Pictures of scenes with one kind of damage, drawn at random.

    Args:
        kind: one of KINDS.

    Returns:
        The pictures, (B, 3, 64, 64) uint8 in 0…255; and which of them are damaged visibly, (B,) bool: to erase a corner
        that is empty does no harm, and a cat has no wheels to lose.
    """
    require_scenes(scenes)
    require_generator("generator", generator)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}, but got {kind!r:.60}.")
    pictures = compose(scenes).float()
    others = compose(_with_other_drawings(scenes, generator)).float()
    made = KINDS[kind](pictures, others, sides_of(scenes.size), generator).round().clamp(0, 255)
    visible = torch.minimum(changed(made, pictures), changed(made, others)) >= CHANGED
    if kind == "without wheels":
        visible &= torch.isin(scenes.object, torch.tensor([OBJECTS.index(name) for name in WITH_WHEELS]))
    return made.to(torch.uint8), visible


def changed(pictures: Tensor, originals: Tensor) -> Tensor:
    """How many pixels can be told from those of the originals, as a share of the originals' objects: (B,), 0 or more.

    Args:
        pictures, originals: (B, 3, H, W) in 0…255; an original's corner has the colour of its background.
    """
    objects = _differs(originals, originals[:, :, :1, :1]).sum((1, 2, 3)).clamp(min=1)
    return _differs(pictures, originals).sum((1, 2, 3)) / objects


def _with_other_drawings(scenes: Scenes, generator: torch.Generator | None) -> Scenes:
    """The scenes with another drawing of the same object in each; in a quarter of them, with another object's."""
    objects = torch.tensor([sprite.object for sprite in sprites()])  # in order of object
    counts = torch.bincount(objects, minlength=len(OBJECTS))
    first, count = (counts.cumsum(0) - counts)[scenes.object], counts[scenes.object]  # (B,) each
    step = 1 + torch.randint(2**40, (len(scenes),), generator=generator) % (count - 1)
    same = first + (scenes.sprite - first + step) % count
    any_ = torch.randint(len(objects), (len(scenes),), generator=generator)
    quarter = torch.rand(len(scenes), generator=generator) < 0.25
    return replace(scenes, sprite=torch.where(quarter, any_, same), native=torch.zeros_like(scenes.native))


def _parts(sides: Tensor, generator: torch.Generator | None) -> Tensor:
    """(B,) sides of objects → (B, 1, 64, 64) bool: a part of each picture, beyond a line through the object or in spots."""
    count = len(sides)
    places = torch.arange(SIDE) - (SIDE - 1) / 2
    angle = 2 * torch.pi * torch.rand(count, 1, 1, generator=generator)
    off = 0.5 * (torch.rand(count, 1, 1, generator=generator) - 0.5) * sides[:, None, None]
    line = angle.cos() * places + angle.sin() * places[:, None] > off  # (B, 64, 64)
    coarse = torch.randn(count, 1, 6, 6, generator=generator)
    spots = F.interpolate(coarse, (SIDE, SIDE), mode="bicubic", align_corners=True)[:, 0] > 0.3
    half = torch.rand(count, 1, 1, generator=generator) < 0.5
    return torch.where(half, line, spots)[:, None]


def _moved(pictures: Tensor, by: Tensor) -> Tensor:
    """(B, 3, 64, 64), and by how many pixels each place looks aside, (B, 64 or 1, 64 or 1, 2) → (B, 3, 64, 64)."""
    places = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    grid = torch.stack(torch.meshgrid(places, places, indexing="xy"), dim=-1)  # (64, 64, 2): x, y
    return F.grid_sample(pictures, grid + by * 2 / SIDE, padding_mode="border", align_corners=False)


def _differs(pictures: Tensor, others: Tensor) -> Tensor:
    """(B, 3, H, W) in 0…255 twice → (B, 1, H, W) bool: where a difference can be seen."""
    return (pictures - others).abs().amax(dim=1, keepdim=True) > _SEEN
