"""Emoji pictures: 101 objects × 11 colours × 7 backgrounds × 3 sizes × 7 styles, composed on the fly at 64×64.

A *sprite* is one drawing of one object in two layers: its *paint*, the part whose colour gives the object its colour,
and the *rest*, which keeps its own (wheels, windows, leaves, eyes). The paint is recoloured, both layers are reduced to
the size asked for and laid on a background of one colour:

    picture = paint + rest + (1 - alpha) · background,        both layers premultiplied by their alpha

All of it after the recolouring is whole-number arithmetic, so that a seed means the same picture on every machine.
What is in a picture is a ``Scene``; ``course_lib.datasets.captions`` puts it into words. Some *cells*, pairs of object
and colour, are held out of all training (data/emoji/held_out.json): a red sports car is asked for, never shown.

Sources and licences: data/emoji/NOTICE; made by data/build_emoji.py.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from course_lib import oklab
from course_lib.arguments import (
    require_between,
    require_count,
    require_labels,
    require_same_shape,
    require_tensor,
    require_whole_number,
)
from course_lib.files import shipped_file

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
"""All that can be said of a scene, in one list, for networks that are told by number what to draw."""

SIDE = 64
"""Pixels along a picture's side."""

_TILE, _COLUMNS = 72, 25  # the sprites' sheets: tiles of 72×72, 25 in a row
# How much of the paint's light and shade is kept: light and dark colours have no room for all of it.
_SHADING = {"white": 0.4, "black": 0.5, "yellow": 0.7, "pink": 0.75}
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


class Scene(NamedTuple):
    """What is in each of B pictures, int64 (B,) throughout but for ``native``, which is bool (B,).

    sprite: index into ``sprites()``; colour, background, size: indices into COLOURS, BACKGROUNDS, SIZES;
    x, y: the pixel where the object's square begins, 0 at the left and at the top; native: the object as it was drawn
    rather than recoloured, possible only where ``colour`` is the sprite's native colour.
    """

    sprite: Tensor
    colour: Tensor
    background: Tensor
    size: Tensor
    x: Tensor
    y: Tensor
    native: Tensor


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


def objects_of(scenes: Scene) -> Tensor:
    """(B,) int64: which object each picture shows, an index into OBJECTS."""
    require_scenes(scenes)
    return _table("object")[scenes.sprite]


def styles_of(scenes: Scene) -> Tensor:
    """(B,) int64: in which style each picture is drawn, an index into STYLES."""
    require_scenes(scenes)
    return _table("style")[scenes.sprite]


def labels_of(scenes: Scene) -> Tensor:
    """(B, 5) int64, indices into LABELS: each picture's object, colour, background, size and style."""
    require_scenes(scenes)
    parts = (objects_of(scenes), scenes.colour, scenes.background, scenes.size, styles_of(scenes))
    begins = np.cumsum([0, len(OBJECTS), len(COLOURS), len(BACKGROUNDS), len(SIZES)]).tolist()
    return torch.stack([part + begin for part, begin in zip(parts, begins, strict=True)], dim=1)


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


def draw_scenes(size: int, generator: torch.Generator | None = None, cells: Tensor | None = None) -> Scene:
    """``size`` scenes drawn at random: an object, one of its cells, one of its drawings, a background, a size, a place.

    Args:
        cells: (objects, colours) bool, the pairs to draw from; those of training unless told otherwise.

    Raises:
        TypeError, ValueError: if size is no whole number of at least 1, or cells is no table of pairs with one True.
    """
    require_count("size", size)
    cells = training_cells() if cells is None else cells
    require_tensor("cells", cells, floating=False)
    require_same_shape("cells", cells, "all_cells()", all_cells())
    if cells.dtype != torch.bool or not cells.any():
        raise ValueError("cells must be bool, with at least one True: training_cells(), held_out_cells(), all_cells().")

    def pick(count: Tensor) -> Tensor:
        """One of 0 … count - 1 for each row; 2⁴⁰ is so far above any count that none is favoured."""
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
    room = SIDE - torch.tensor(list(SIZES.values()))[scale]  # (B,)
    play = torch.tensor([12, 3, 1])[scale]  # how far off the centre it may stand: the small ones far
    x, y = (room // 2 - play + pick(2 * play + 1) for _ in range(2))
    native = (colour == _table("native")[sprite]) & (pick(torch.tensor(2)) == 0)
    return Scene(sprite, colour, background, scale, x, y, native)


def picked(scenes: Scene, rows: Tensor | slice) -> Scene:
    """The scenes of these rows, by their numbers or as a slice."""
    require_scenes(scenes)
    return Scene(*(field[rows] for field in scenes))


def joined(parts: Iterable[Scene]) -> Scene:
    """Scenes one after the other."""
    parts = list(parts)
    if not parts or not all(isinstance(part, Scene) for part in parts):
        raise TypeError("parts must be one or more Scenes, as draw_scenes gives them.")
    return Scene(*(torch.cat(fields) for fields in zip(*parts, strict=True)))


def centred(scenes: Scene) -> Scene:
    """The scenes, with every object moved to the middle."""
    require_scenes(scenes)
    middle = (SIDE - torch.tensor(list(SIZES.values()))[scenes.size]) // 2  # (B,)
    return scenes._replace(x=middle, y=middle)


def compose(scenes: Scene) -> Tensor:
    """(B, 3, 64, 64) uint8 in 0…255: the pictures of the scenes.

    The first call prepares all drawings in all colours and sizes, which takes some seconds.

    Raises:
        ValueError: if an entry of the scenes is out of its range, or a native scene's colour is not the sprite's own.
    """
    _require_in_range(scenes)
    back = torch.tensor([rgb_of(value) for value in BACKGROUNDS.values()], dtype=torch.int32)[scenes.background]
    pictures = back.to(torch.uint8)[:, :, None, None].repeat(1, 1, SIDE, SIDE)  # (B, 3, 64, 64)
    row = scenes.sprite * (len(COLOURS) + 1) + torch.where(scenes.native, len(COLOURS), scenes.colour)
    for size, side in enumerate(SIZES.values()):
        of_size = (scenes.size == size).nonzero().flatten()
        for some in of_size.split(256):  # as many as fit into a processor's cache
            layer = _recoloured()[size][row[some]].int()  # (b, 4, side, side)
            behind = (255 - layer[:, 3:]) * back[some, :, None, None] + 128
            laid = (layer[:, :3] + ((behind + (behind >> 8)) >> 8)).to(torch.uint8)  # ÷ 255, rounded
            places = zip(some.tolist(), scenes.x[some].tolist(), scenes.y[some].tolist(), laid, strict=True)
            for index, x, y, picture in places:
                pictures[index, :, y : y + side, x : x + side] = picture
    return pictures


def scaled(pictures: Tensor) -> Tensor:
    """uint8 in 0…255 → float32 in [-1, 1], the range that the networks see."""
    require_tensor("pictures", pictures, floating=False)
    require_between("pictures", pictures, 0, 255)
    return pictures.float() / 127.5 - 1


def recolour(rgb: Tensor, lightness: Tensor, chroma: Tensor, hue: Tensor, colour: str) -> Tensor:
    """Paint in another colour: (N, 3) float64 sRGB → (N, 3), with the medians (N,) of the paint that each belongs to.

    Lightness keeps a part of its distance from the median, chroma is scaled by its median, and hue keeps a quarter of
    its deviation; then chroma shrinks until a screen can show the colour.
    """
    to_lightness, to_chroma, to_hue = oklab.to_polar(oklab.to_oklab(rgb.new_tensor(rgb_of(COLOURS[colour])) / 255))
    was_lightness, was_chroma, was_hue = oklab.to_polar(oklab.to_oklab(rgb))
    new_lightness = to_lightness + _SHADING.get(colour, 0.85) * (was_lightness - lightness)
    new_lightness = new_lightness.clamp(0.06, 0.985)
    coloured = chroma > 0
    scale = torch.where(coloured, was_chroma / chroma.clamp(min=1e-3), 1.0).clamp(max=1.5)
    new_hue = to_hue + torch.where(coloured, oklab.turn(was_hue, hue) / 4, 0.0)
    direction = oklab.from_polar(torch.zeros_like(new_lightness), to_chroma * scale, new_hue)  # (N, 3)
    grey = oklab.from_polar(new_lightness, torch.zeros_like(new_hue), new_hue)
    # The largest share of the chroma that fits, found by halving; nearly all colours fit as they are.
    new = oklab.to_srgb(grey + direction)  # (N, 3)
    outside = ((new < 0) | (new > 1)).any(-1).nonzero().flatten()
    low, high = (torch.full((len(outside), 1), share, dtype=rgb.dtype) for share in (0.0, 1.0))
    for _ in range(7):
        middle = (low + high) / 2
        tried = oklab.to_srgb(grey[outside] + middle * direction[outside])
        fits = ((tried >= 0) & (tried <= 1)).all(-1, keepdim=True)
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    new[outside] = oklab.to_srgb(grey[outside] + low * direction[outside])
    return new.clamp(0, 1)


@cache
def _recoloured() -> tuple[Tensor, ...]:
    """For each size (sprites · 12, 4, side, side) uint8, premultiplied: each sprite in all colours, then as it came."""
    paint, rest = (
        read_sheet(f"emoji/sprites_{layer}.webp", "RGBA", _TILE, _COLUMNS, len(sprites()))
        for layer in ("paint", "rest")
    )  # (S, 72, 72, 4)
    where = paint[..., 3] > 0  # (S, 72, 72)
    # Many of a sprite's pixels have the same paint: each is recoloured once.
    parts = (where.nonzero()[:, 0], *paint[where][:, :3].long().unbind(-1))  # sprite, red, green, blue: (N,) each
    keys, place = torch.unique(
        sum(part << shift for part, shift in zip(parts, (24, 16, 8, 0), strict=True)), return_inverse=True
    )
    rgb = torch.stack([keys >> 16 & 255, keys >> 8 & 255, keys & 255], dim=-1).double() / 255  # (U, 3)
    medians = [_table(name)[keys >> 24] for name in ("lightness", "chroma", "hue")]  # (U,) each
    alpha = paint[where][:, 3:].double()  # (N, 1)
    total = (paint[..., 3:].int() + rest[..., 3:].int()).clamp(max=255).float()  # (S, 72, 72, 1)
    below = rest[..., :3].double() * rest[..., 3:] / 255  # (S, 72, 72, 3)
    unpainted = torch.cat([below.round().float().minimum(total), total], dim=-1)  # (S, 72, 72, 4)
    reduced = [[] for _ in SIZES]  # for each size: for each colour (S, 4, side, side)
    for new in [*(recolour(rgb, *medians, colour) for colour in COLOURS), rgb]:
        layers = unpainted.clone()
        laid = (below[where] + new[place] * alpha).round().float()  # (N, 3)
        layers[where] = torch.cat([laid.minimum(total[where]), total[where]], dim=-1)
        for some in layers.movedim(-1, 1).split(64):  # (64, 4, 72, 72)
            for sheets, side in zip(reduced, SIZES.values(), strict=True):
                sheets.append(_reduced(some, side))
    count = len(COLOURS) + 1
    return tuple(torch.cat(sheets).unflatten(0, (count, -1)).swapaxes(0, 1).flatten(0, 1) for sheets in reduced)


def _reduced(layers: Tensor, side: int) -> Tensor:
    """(s, 4, 72, 72) whole numbers as float32 → (s, 4, side, side) uint8, exactly the same everywhere.

    The filter's weights are whole 2⁻¹⁴ths: every sum stays below 2²⁴, where float32 still counts in ones.
    """
    weights = _filter(side)  # (side, 72)
    across = (layers @ weights.T / 2**14).round().clamp(0, 255)  # (s, 4, 72, side)
    small = (weights @ across / 2**14).round().clamp(0, 255)  # (s, 4, side, side)
    small[:, :3] = small[:, :3].minimum(small[:, 3:])  # premultiplied: no colour above its alpha
    return small.to(torch.uint8)


@cache
def _filter(side: int) -> Tensor:
    """(side, 72): Catmull and Rom's cubic, stretched to the step of the reduction, in whole 2⁻¹⁴ths that sum to 2¹⁴."""
    step = _TILE / side
    centre = (torch.arange(side, dtype=torch.float64) + 0.5) * step - 0.5
    d = ((torch.arange(_TILE) - centre[:, None]) / step).abs()  # (side, 72)
    near, far = 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    weights = torch.where(d < 1, near, torch.where(d < 2, far, 0.0))
    whole = (weights / weights.sum(1, keepdim=True) * 2**14).round()
    whole[torch.arange(side), whole.argmax(1)] += 2**14 - whole.sum(1)
    return whole.float()


def read_sheet(name: str, mode: str, side: int, columns: int, count: int) -> Tensor:
    """The tiles of a shipped sheet, row by row: (count, side, side, channels) uint8; mode as Pillow names it, "RGB"…"""
    with Image.open(shipped_file(name)) as image:
        sheet = np.array(image.convert(mode))
    grid = sheet.reshape(-1, side, columns, side, sheet.shape[-1]).swapaxes(1, 2)  # (rows, columns, side, side, C)
    return torch.from_numpy(grid.reshape(-1, side, side, sheet.shape[-1])[:count].copy())


@cache
def _table(field: str) -> Tensor:
    """(S,): one field of all sprites."""
    values = [getattr(sprite, field) for sprite in sprites()]
    return torch.tensor(values, dtype=torch.float64 if isinstance(values[0], float) else torch.int64)


@cache
def _visible_pairs() -> Tensor:
    """(colours, backgrounds) bool: all pairs but those of one name, and white on pale yellow, which nobody sees."""
    return torch.tensor(
        [
            [colour != ground and (colour, ground) != ("white", "pale yellow") for ground in BACKGROUNDS]
            for colour in COLOURS
        ]
    )


def _nth_true(rows: Tensor, n: Tensor) -> Tensor:
    """(B, K) bool, (B,) → (B,): the place of each row's n-th True, counted from 0."""
    return ((rows.cumsum(1) > n[:, None]) & rows).int().argmax(1)


def rgb_of(colour: str) -> tuple[int, int, int]:
    """``"#rrggbb"`` → three numbers in 0…255."""
    if not isinstance(colour, str) or not re.fullmatch("#[0-9a-fA-F]{6}", colour):
        raise ValueError(f'colour must read "#rrggbb", but {colour!r:.60} came.')
    return tuple(bytes.fromhex(colour[1:]))


def require_scenes(scenes: Scene) -> None:
    """Refuse what is no Scene, and numbers that stand for no drawing, colour, background or size."""
    if not isinstance(scenes, Scene):
        raise TypeError(f"scenes must be a Scene, as draw_scenes gives them, but a {type(scenes).__name__} came.")
    counts = {"sprite": len(sprites()), "colour": len(COLOURS), "background": len(BACKGROUNDS), "size": len(SIZES)}
    for name, count in counts.items():
        values = getattr(scenes, name)
        require_tensor(f"scenes.{name}", values, floating=False)
        require_whole_number(f"scenes.{name}", values)
        require_same_shape(f"scenes.{name}", values, "scenes.sprite", scenes.sprite)
        if len(values):
            require_between(f"scenes.{name}", values, 0, count - 1)


def _require_in_range(scenes: Scene) -> None:
    require_scenes(scenes)
    room = SIDE - torch.tensor(list(SIZES.values()))[scenes.size]
    for name in ("x", "y"):
        values = getattr(scenes, name)
        require_tensor(f"scenes.{name}", values, floating=False)
        require_same_shape(f"scenes.{name}", values, "scenes.sprite", scenes.sprite)
        if ((values < 0) | (values > room)).any():
            raise ValueError(f"scenes.{name} must lie between 0 and 64 less the size, but an object would stick out.")
    require_tensor("scenes.native", scenes.native, floating=False)
    if (scenes.native & (scenes.colour != _table("native")[scenes.sprite])).any():
        raise ValueError(
            "scenes.native must be False wherever scenes.colour is not the colour that the sprite came in."
        )
