"""Pictures of scenes, composed on the fly at 64×64.

A sprite has two layers: its *paint*, the part whose colour gives the object its colour, and the *rest*, which keeps its
own (wheels, windows, leaves, eyes). The paint is recoloured, both layers are reduced to the size asked for and laid on a
background of one colour:

    picture = paint + rest + (1 - alpha) · background,        both layers premultiplied by their alpha

All of it after the recolouring is whole-number arithmetic, so that a seed means the same picture on every machine.
"""

from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from course_lib.emoji import oklab
from course_lib.emoji.scenes import BACKGROUNDS, COLOURS, SIDE, SIZES, Scenes, require_scenes, rgb_of, sprites
from course_lib.support.arguments import require_between, require_tensor
from course_lib.support.files import shipped_file

_TILE, _COLUMNS = 72, 25  # the sprites' sheets: tiles of 72×72, 25 in a row
# How much of the paint's light and shade is kept: light and dark colours have no room for all of it.
_SHADING = {"white": 0.4, "black": 0.5, "yellow": 0.7, "pink": 0.75}


def compose(scenes: Scenes) -> Tensor:
    """(B, 3, 64, 64) uint8 in 0…255: the pictures of the scenes.

    The first call prepares all drawings in all colours and sizes, which takes some seconds.

    Raises:
        TypeError: if scenes is not a Scenes.
    """
    require_scenes(scenes)
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
    rows = torch.tensor([(sprite.lightness, sprite.chroma, sprite.hue) for sprite in sprites()], dtype=torch.float64)
    medians = rows[keys >> 24].unbind(-1)  # (U,) each
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
    narrow = (layers @ weights.T / 2**14).round().clamp(0, 255)  # (s, 4, 72, side)
    small = (weights @ narrow / 2**14).round().clamp(0, 255)  # (s, 4, side, side)
    small[:, :3] = small[:, :3].minimum(small[:, 3:])  # premultiplied: no colour above its alpha
    return small.to(torch.uint8)


@cache
def _filter(side: int) -> Tensor:
    """(side, 72): Catmull and Rom's cubic, stretched to the step of the reduction, in whole 2⁻¹⁴ths that sum to 2¹⁴."""
    step = _TILE / side
    centre = (torch.arange(side, dtype=torch.float64) + 0.5) * step - 0.5
    d = ((torch.arange(_TILE) - centre[:, None]) / step).abs()  # (side, 72)
    inner, outer = 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    weights = torch.where(d < 1, inner, torch.where(d < 2, outer, 0.0))
    whole = (weights / weights.sum(1, keepdim=True) * 2**14).round()
    whole[torch.arange(side), whole.argmax(1)] += 2**14 - whole.sum(1)
    return whole.float()


def read_sheet(name: str, mode: str, side: int, columns: int, count: int) -> Tensor:
    """The tiles of a shipped sheet, row by row: (count, side, side, channels) uint8; mode as Pillow names it, "RGB"…"""
    with Image.open(shipped_file(name)) as image:
        sheet = np.array(image.convert(mode))
    grid = sheet.reshape(-1, side, columns, side, sheet.shape[-1]).swapaxes(1, 2)  # (rows, columns, side, side, C)
    return torch.from_numpy(grid.reshape(-1, side, side, sheet.shape[-1])[:count].copy())
