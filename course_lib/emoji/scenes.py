"""What an emoji picture shows: 101 objects × 11 colours × 7 backgrounds × 3 sizes × 7 styles, drawn at random.

A *sprite* is one drawing of one object. ``Scenes`` say which sprite stands where, in which colour and size, on which
background; ``emoji.drawing`` makes pictures of them, and ``emoji.captions`` puts them into words. Some *cells*, pairs of
object and colour, are held out of all training (data/emoji/held_out.json): a red sports car is asked for, never shown.

Sources and licences: data/emoji/NOTICE; made by recipes/pictures/build_emoji.py.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_lib.support.arguments import (
    require_between,
    require_count,
    require_generator,
    require_labels,
    require_same_shape,
    require_tensor,
)
from course_lib.support.files import shipped_file

OBJECTS = (
    *("airplane", "apple", "backpack", "bag", "balloon", "banana", "bell", "bell pepper", "bicycle", "bird", "book"),
    *("boot", "bucket", "butterfly", "cactus", "canoe", "cap", "car", "cat", "chick", "circle", "clover", "crab"),
    *("crescent moon", "crown", "diamond", "dinosaur", "dog", "dolphin", "door", "dress", "droplet", "eggplant"),
    *("elephant", "fir tree", "fire engine", "fish", "frog", "gem", "gloves", "grapes", "guitar", "handbag", "heart"),
    *("helicopter", "hibiscus", "high heel", "horse", "house", "jeans", "key", "kick scooter", "ladybug", "lantern"),
    *("leaf", "lemon", "motor scooter", "motorcycle", "mushroom", "octopus", "owl", "pear", "pencil", "pickup truck"),
    *("pig", "puzzle piece", "rabbit", "racing car", "ribbon", "rocket", "rose", "sailboat", "scarf", "skateboard"),
    *("snake", "sneaker", "soccer ball", "speedboat", "sports car", "square", "star", "strawberry", "suitcase"),
    *("t-shirt", "tangerine", "teapot", "teddy bear", "telephone", "tent", "tomato", "tractor", "train", "tree"),
    *("triangle", "truck", "trumpet", "tulip", "turtle", "umbrella", "whale", "yarn"),
)
COLOURS = {
    "red": "#dc1e28",
    "orange": "#ff8a1c",
    "yellow": "#f8d312",
    "green": "#22a438",
    "blue": "#2071e6",
    "purple": "#8039c2",
    "pink": "#ff84b7",
    "brown": "#7a4724",
    "black": "#1e1e22",
    "grey": "#8b8c90",
    "white": "#f4f5f7",
}
"""Name → the colour that the middle of an object's paint gets, as sRGB."""

BACKGROUNDS = {
    "white": "#ffffff",
    "black": "#18191d",
    "grey": "#94979c",
    "sky blue": "#bcdff8",
    "light green": "#c8ebbe",
    "pale yellow": "#fdf2c2",
    "light pink": "#f9d4e1",
}
SIZES = {"small": 32, "medium": 46, "large": 60}
"""Name → pixels along the object's longer side, of 64."""

STYLES = ("flat", "glossy", "blob", "noto", "twemoji", "clip art", "icon")
LABELS = (*OBJECTS, *COLOURS, *BACKGROUNDS, *SIZES, *STYLES)
"""All that can be said of a scene, in one list: the labels of networks that are conditioned on numbers."""

SIDE = 64
"""Pixels along a picture's side."""

_OFTEN = {"sports car": 3}  # drawn three times as often as another object: it has the most to tell apart


class Sprite(NamedTuple):
    """One drawing: what it shows (an index into OBJECTS), in which style (into STYLES), whose it is.

    ``native`` is the colour it came in (into COLOURS; -1 if that has no clear name). ``lightness``, ``chroma`` and
    ``hue`` (radians) are the medians of its paint in OKLab, from which the recolouring starts; a chroma of 0 marks
    paint that came without a colour.
    """

    object: int
    style: int
    source: str
    icon: str
    native: int
    lightness: float
    chroma: float
    hue: float


@dataclass(frozen=True, eq=False)
class Scenes:
    """What is in each of B pictures. ``len(scenes)`` is B; ``scenes[rows]`` are the scenes of these rows.

    Args:
        sprite: (B,) int64, indices into ``sprites()``.
        colour, background, size: (B,) int64, indices into COLOURS, BACKGROUNDS and SIZES.
        x, y: (B,) int64, the pixel where the object's square begins, counted from the left and from the top.
        native: (B,) bool, the object as it was drawn, not recoloured; possible only where ``colour`` is its sprite's own.

    Raises:
        TypeError, ValueError: if an entry is out of its range, an object would stick out of its picture, or a native
            scene's colour is not the sprite's own.
    """

    sprite: Tensor
    colour: Tensor
    background: Tensor
    size: Tensor
    x: Tensor
    y: Tensor
    native: Tensor

    def __post_init__(self) -> None:
        counts = {"sprite": len(sprites()), "colour": len(COLOURS), "background": len(BACKGROUNDS), "size": len(SIZES)}
        for field in fields(self):
            values = getattr(self, field.name)
            require_tensor(f"scenes.{field.name}", values, floating=False)
            require_same_shape(f"scenes.{field.name}", values, "scenes.sprite", self.sprite)
            wanted = torch.bool if field.name == "native" else torch.int64
            if values.dtype != wanted:
                raise TypeError(f"scenes.{field.name} must be {wanted}, but its dtype is {values.dtype}.")
            if field.name in counts:
                require_between(f"scenes.{field.name}", values, 0, counts[field.name] - 1)
        if self.sprite.ndim != 1:
            raise ValueError(f"scenes.sprite must have shape (B,), but its shape is {tuple(self.sprite.shape)}.")
        room = SIDE - sides_of(self.size)
        for name in ("x", "y"):
            values = getattr(self, name)
            if ((values < 0) | (values > room)).any():
                raise ValueError(
                    f"scenes.{name} must lie between 0 and 64 less the size: an object would stick out of its picture."
                )
        if (self.native & (self.colour != _table("native")[self.sprite])).any():
            raise ValueError(
                "scenes.native must be False wherever scenes.colour is not the colour that the sprite came in."
            )

    def __len__(self) -> int:
        return len(self.sprite)

    def __getitem__(self, rows: Tensor | slice) -> "Scenes":
        """The scenes of these rows, by their numbers, (K,), by a bool for each, (B,), or as a slice."""
        if isinstance(rows, Tensor):
            numbers = rows.dtype == torch.int64 and rows.ndim == 1
            mask = rows.dtype == torch.bool and rows.shape == (len(self),)
            if not numbers and not mask:
                raise TypeError(
                    f"scenes[rows] needs numbers of rows, (K,) int64, or a bool for each of {len(self)}, "
                    f"but got shape {tuple(rows.shape)} and {rows.dtype}."
                )
            if numbers:
                require_between("rows", rows, -len(self), len(self) - 1)
        elif not isinstance(rows, slice):
            raise TypeError(f"scenes[rows] needs a tensor or a slice, such as scenes[3:4], but got {rows!r:.60}.")
        elif rows.step is not None and rows.step < 1:
            raise ValueError(f"scenes[rows] needs a slice that goes forwards, but its step is {rows.step}.")
        return Scenes(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def object(self) -> Tensor:
        """(B,) int64: which object each picture shows, an index into OBJECTS."""
        return _table("object")[self.sprite]

    @property
    def style(self) -> Tensor:
        """(B,) int64: in which style each picture is drawn, an index into STYLES."""
        return _table("style")[self.sprite]

    @property
    def labels(self) -> Tensor:
        """(B, 5) int64, indices into LABELS: each picture's object, colour, background, size and style."""
        parts = (self.object, self.colour, self.background, self.size, self.style)
        begins = np.cumsum([0, len(OBJECTS), len(COLOURS), len(BACKGROUNDS), len(SIZES)]).tolist()
        return torch.stack([part + begin for part, begin in zip(parts, begins, strict=True)], dim=1)

    def centred(self) -> "Scenes":
        """The scenes, with every object moved to the middle."""
        middle = (SIDE - sides_of(self.size)) // 2  # (B,)
        return replace(self, x=middle, y=middle)


def joined(parts: Iterable[Scenes]) -> Scenes:
    """Scenes one after the other."""
    parts = list(parts) if isinstance(parts, Iterable) else []
    if not parts or not all(isinstance(part, Scenes) for part in parts):
        raise TypeError("parts must be one or more Scenes, as draw_scenes gives them.")
    return Scenes(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Scenes)))


def require_scenes(scenes: Scenes) -> None:
    """Refuse anything but Scenes."""
    if not isinstance(scenes, Scenes):
        raise TypeError(f"scenes must be Scenes, as draw_scenes gives them, but got {type(scenes).__name__}.")


def sides_of(size: Tensor) -> Tensor:
    """Indices into SIZES → pixels along the side of an object's square; any shape, int64."""
    return torch.tensor(list(SIZES.values()))[size]


@cache
def sprites() -> tuple[Sprite, ...]:
    """All drawings, in order of object, then of source."""
    rows = json.loads(shipped_file("emoji/sprites.json").read_text(encoding="utf-8"))
    colours = list(COLOURS)
    return tuple(
        Sprite(
            OBJECTS.index(row["object"]),
            STYLES.index(row["style"]),
            row["source"],
            row["icon"],
            -1 if row["native"] is None else colours.index(row["native"]),
            *(row[key] for key in ("lightness", "chroma", "hue")),
        )
        for row in rows
    )


def all_cells() -> Tensor:
    """(objects, colours) bool, all True: for judges of pictures, which must know everything."""
    return torch.ones(len(OBJECTS), len(COLOURS), dtype=torch.bool)


def held_out_cells() -> Tensor:
    """(objects, colours) bool: the pairs that no training may show, in any style, size or synonym."""
    cells = ~all_cells()
    colours = list(COLOURS)
    for name, held in json.loads(shipped_file("emoji/held_out.json").read_text(encoding="utf-8")).items():
        for colour in held:
            cells[OBJECTS.index(name), colours.index(colour)] = True
    return cells


def training_cells() -> Tensor:
    """(objects, colours) bool: the pairs that training shows."""
    return ~held_out_cells()


def visible(colour: Tensor, background: Tensor) -> Tensor:
    """Whether an object of each colour can be seen on each background: not white on white, black on black, …"""
    require_labels("colour", colour, len(COLOURS))
    require_labels("background", background, len(BACKGROUNDS))
    return _visible_pairs()[colour, background]


def draw_scenes(size: int, generator: torch.Generator | None = None, cells: Tensor | None = None) -> Scenes:
    """``size`` scenes drawn at random: an object, one of its cells, one of its drawings, a background, a size, a place.

    Args:
        cells: (objects, colours) bool, the pairs to draw from; those of training by default.

    Raises:
        TypeError, ValueError: if size is no whole number of at least 1, or cells is no table of pairs with one True.
    """
    require_count("size", size)
    require_generator("generator", generator)
    cells = training_cells() if cells is None else cells
    require_tensor("cells", cells, floating=False)
    require_same_shape("cells", cells, "all_cells()", all_cells())
    if cells.dtype != torch.bool or not cells.any():
        raise ValueError("cells must be bool, with at least one True: training_cells(), held_out_cells(), all_cells().")

    def pick(count: Tensor) -> Tensor:
        """One of 0 … count - 1 for each row; 2⁴⁰ is so much larger than any count that none is favoured."""
        return torch.randint(2**40, (size,), generator=generator) % count

    often = torch.tensor([_OFTEN.get(name, 1) for name in OBJECTS]) * cells.any(1)  # (O,)
    objects = torch.repeat_interleave(torch.arange(len(OBJECTS)), often)
    which = objects[pick(torch.tensor(len(objects)))]  # (B,)
    colour = _nth_true(cells[which], pick(cells.sum(1)[which]))
    drawings = torch.bincount(_table("object"), minlength=len(OBJECTS))  # (O,), and sprites are in order of object
    sprite = (drawings.cumsum(0) - drawings)[which] + pick(drawings[which])
    # White comes as often as all others together: it is what a caption without a background means most often.
    allowed = _visible_pairs()[colour]  # (B, backgrounds)
    background = torch.where(
        (pick(torch.tensor(2)) == 0) & allowed[:, 0],
        torch.zeros(size, dtype=torch.long),
        _nth_true(allowed, pick(allowed.sum(1))),
    )
    # Half are of medium size, a quarter small, a quarter large.
    scale = torch.tensor([0, 1, 1, 2])[pick(torch.tensor(4))]
    room = SIDE - sides_of(scale)  # (B,)
    play = torch.tensor([12, 3, 1])[scale]  # the largest distance from the centre: more for small ones
    x, y = (room // 2 - play + pick(2 * play + 1) for _ in range(2))
    native = (colour == _table("native")[sprite]) & (pick(torch.tensor(2)) == 0)
    return Scenes(sprite, colour, background, scale, x, y, native)


def rgb_of(colour: str) -> tuple[int, int, int]:
    """``"#rrggbb"`` → three numbers in 0…255."""
    if not isinstance(colour, str) or not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        raise ValueError(f'colour must read "#rrggbb", but got {colour!r:.60}.')
    return tuple(bytes.fromhex(colour[1:]))


@cache
def _table(field: str) -> Tensor:
    """(S,) int64: one field of all sprites, "object", "style" or "native"."""
    return torch.tensor([getattr(sprite, field) for sprite in sprites()])


@cache
def _visible_pairs() -> Tensor:
    """(colours, backgrounds) bool: all pairs but those of one name, and white on pale yellow, which cannot be seen."""
    return torch.tensor(
        [
            [colour != ground and (colour, ground) != ("white", "pale yellow") for ground in BACKGROUNDS]
            for colour in COLOURS
        ]
    )


def _nth_true(rows: Tensor, n: Tensor) -> Tensor:
    """(B, K) bool, (B,) → (B,): the place of each row's n-th True, counted from 0."""
    return ((rows.cumsum(1) > n[:, None]) & rows).int().argmax(1)
