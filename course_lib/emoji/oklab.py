"""OKLab: colours in which equal distances look about equal, and lightness, chroma and hue come apart.

Source: Björn Ottosson 2020, *A perceptual color space for image processing*; the transfer curve is that of
IEC 61966-2-1 (sRGB).
"""

import math

import torch
from torch import Tensor

from course_lib.support.arguments import require_between, require_same_shape, require_tensor

# Linear sRGB to the answers of the eye's three kinds of cones, and the cube roots of those to OKLab.
_CONES = ((0.4122214708, 0.5363325363, 0.0514459929), (0.2119034982, 0.6806995451, 0.1073969566))
_CONES = (*_CONES, (0.0883024619, 0.2817188376, 0.6299787005))
_OKLAB = ((0.2104542553, 0.7936177850, -0.0040720468), (1.9779984951, -2.4285922050, 0.4505937099))
_OKLAB = (*_OKLAB, (0.0259040371, 0.7827717662, -0.8086757660))


def to_oklab(rgb: Tensor) -> Tensor:
    """(..., 3) sRGB in [0, 1] → (..., 3) OKLab: lightness in [0, 1], then green to red and blue to yellow, within ±0.4.

    Computed and returned in rgb's own floating-point type.
    """
    _require_colours("rgb", rgb)
    require_between("rgb", rgb, 0, 1)
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0) + 0.055) / 1.055) ** 2.4)
    cones = linear @ rgb.new_tensor(_CONES).T  # (..., 3)
    return cones.clamp(min=0) ** (1 / 3) @ rgb.new_tensor(_OKLAB).T


def to_srgb(oklab: Tensor) -> Tensor:
    """(..., 3) OKLab → (..., 3) sRGB; below 0 or above 1 where no screen can show the colour."""
    _require_colours("oklab", oklab)
    roots = oklab @ torch.linalg.inv(oklab.new_tensor(_OKLAB)).T  # (..., 3)
    linear = roots**3 @ torch.linalg.inv(oklab.new_tensor(_CONES)).T
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def to_polar(oklab: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(..., 3) OKLab → lightness, chroma (0 is grey) and hue in radians, (...,) each."""
    _require_colours("oklab", oklab)
    lightness, a, b = oklab.unbind(-1)
    return lightness, torch.hypot(a, b), torch.atan2(b, a)


def from_polar(lightness: Tensor, chroma: Tensor, hue: Tensor) -> Tensor:
    """Lightness, chroma and hue in radians, (...,) each → (..., 3) OKLab."""
    require_tensor("lightness", lightness)
    require_same_shape("chroma", chroma, "lightness", lightness)
    require_same_shape("hue", hue, "lightness", lightness)
    return torch.stack([lightness, chroma * hue.cos(), chroma * hue.sin()], dim=-1)


def turn(hue: Tensor, other: Tensor | float) -> Tensor:
    """The shortest way round from ``other`` to ``hue``: their difference in [-π, π)."""
    return torch.remainder(hue - other + math.pi, 2 * math.pi) - math.pi


def _require_colours(name: str, colours: Tensor) -> None:
    require_tensor(name, colours)
    if colours.ndim == 0 or colours.shape[-1] != 3:
        raise ValueError(f"{name} must have shape (..., 3), but its shape is {tuple(colours.shape)}.")
