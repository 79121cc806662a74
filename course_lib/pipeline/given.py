"""What users hand over: a picture to change, and a mask that says where its hole is.

A picture may be whatever Pillow opens, or a path to it; an array as matplotlib shows it; a tensor; or ``Pictures`` that were
drawn. It is taken as one would see it: turned as its camera says, what is transparent on white, its middle square, 64×64.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from course_lib.editing import last_share
from course_lib.emoji.scenes import SIDE
from course_lib.networks.vae import LATENT
from course_lib.support.arguments import require_finite

Given = Image.Image | str | os.PathLike | np.ndarray | Tensor
"""One picture, or one mask."""

Several = Given | Sequence[Given]
"""One, or one for each prompt."""

STRENGTH = 0.6  # of a picture that is changed as a whole, by recipes/measurements/editing.py
WANTED = "an image of Pillow's, a path, an array (H, W, 3) of uint8 or of floats in 0…1, or a tensor (3, H, W)"


class Edit(NamedTuple):
    """What the pipeline is handed beside the prompt: see ``TextToImage``'s call."""

    picture: Several | None = None
    mask: Several | None = None
    strength: float | None = None
    start: Tensor | None = None

    def require_picture(self) -> None:
        """Refuse what says nothing without a picture."""
        for name, given in (("mask", self.mask), ("strength", self.strength)):
            if given is not None:
                raise ValueError(f"{name} needs a picture: hand it over as picture=….")

    def times(self, times: list[float]) -> list[float]:
        """The last ones of a walk's times: as many steps as the strength says, at least one."""
        if self.start is not None:
            raise ValueError("start and picture exclude each other: a picture begins from its own noised latents.")
        return last_share(times, (STRENGTH if self.mask is None else 1) if self.strength is None else self.strength)


def pictures_from(picture: Several) -> Tensor:
    """One picture, or several: (N, 3, 64, 64) in [-1, 1].

    Tensors hold uint8 in 0…255, or floats in [-1, 1], as everywhere in this course; arrays floats in 0…1, as matplotlib.

    Raises:
        TypeError, ValueError, FileNotFoundError: in one sentence, for what is no picture.
    """
    images = [_upright(_image("picture", each)) for each in _each_of("picture", picture)]
    small = [
        ImageOps.fit(_on(image, "white").convert("RGB"), (SIDE, SIDE), Image.Resampling.LANCZOS) for image in images
    ]
    return torch.stack([torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in small]) / 127.5 - 1


def holes_from(mask: Several, picture: Several) -> Tensor:
    """Where pictures are to be filled: (N, 1, 64, 64) bool.

    A mask has two values, of which the larger, such as white or True, marks the hole, and the size of its picture, before
    or after that was brought to 64×64. It is cut and shrunk as the picture is. One picture may have several masks, and
    several pictures one; a tensor or an array, (N, H, W), holds N masks.

    Raises:
        TypeError, ValueError, FileNotFoundError: in one sentence, for any other mask, and for one without a hole or without
            anything else.
    """
    masks, pictures = _each_of("mask", mask), _each_of("picture", picture)
    if 1 not in (len(masks), len(pictures)) and len(masks) != len(pictures):
        raise ValueError(f"mask must be one, or one for each of the {len(pictures)} pictures, but got {len(masks)}.")
    sizes = [_upright(_image("picture", each)).size for each in pictures]
    count = max(len(masks), len(sizes))
    masks, sizes = (each * (count // len(each)) for each in (masks, sizes))
    return torch.stack([_hole(_image("mask", mask), size) for mask, size in zip(masks, sizes, strict=True)])


def _hole(mask: Image.Image, size: tuple[int, int]) -> Tensor:  # (1, 64, 64) bool
    mask = _upright(mask)
    if mask.size not in (size, (SIDE, SIDE)):
        raise ValueError(
            f"mask must have the size of its picture, {size[0]}×{size[1]}, but it is {mask.width}×{mask.height}."
        )
    values = np.array(_on(mask, "black").convert("L"))
    different = np.unique(values)
    if len(different) > 2:
        raise ValueError(
            f"mask must have two values, such as black and white, but it has {len(different)}: save it as PNG, not as JPEG, "
            "and draw it without soft edges."
        )
    if len(different) < 2:
        raise ValueError(
            "mask must mark a hole and leave something: white is to be drawn, black stays, but all of it is "
            f"{'white' if different[0] else 'black'}."
        )
    marked = Image.fromarray(np.where(values == different[1], 255, 0).astype(np.uint8))
    # A pixel of the small picture is drawn if any part of it is marked: so no thin line is lost.
    hole = np.array(ImageOps.fit(marked, (SIDE, SIDE), Image.Resampling.BOX)) > 0
    if not hole.any() or hole.all():
        raise ValueError(
            f"mask must mark a hole and leave something of the picture's middle square, which becomes {SIDE}×{SIDE}: "
            f"here {'all' if hole.any() else 'nothing'} of it is marked."
        )
    return torch.from_numpy(hole)[None]


def _each_of(name: str, given: Several) -> list[Given]:
    """A list of single ones; tensors and arrays with four axes hold several, and so do masks with three."""
    if isinstance(given, str | os.PathLike | Image.Image):
        return [given]
    if isinstance(given, np.ndarray | Tensor):
        several = given.ndim == 4 or (name == "mask" and given.ndim == 3 and not _is_picture(given))
        return list(given) if several and len(given) else [given]
    if not isinstance(given, Sequence) or isinstance(given, bytes):
        raise TypeError(f"{name} must be {WANTED}, but got {type(given).__name__}.")
    if not given:
        raise ValueError(f"{name} must be at least one, but got an empty list.")
    return list(given)


def _is_picture(mask: np.ndarray | Tensor) -> bool:
    """Whether a mask with three axes is one, saved in colours, and not several without."""
    if isinstance(mask, Tensor):
        return len(mask) == 3 and bool((mask == mask[:1]).all())  # (3, H, W)
    return mask.shape[-1] in (1, 3, 4)  # (H, W, 3)


def _image(name: str, given: Given) -> Image.Image:
    if isinstance(given, Image.Image):
        return given
    if isinstance(given, str | os.PathLike):
        return _opened(name, Path(given).expanduser())
    if not isinstance(given, np.ndarray | Tensor):
        raise TypeError(f"{name} must be {WANTED}, but got {type(given).__name__}.")
    values = given.detach().cpu() if isinstance(given, Tensor) else given
    if isinstance(given, Tensor) and given.numel():
        if tuple(values.shape) == LATENT:
            raise ValueError(
                f"{name} must hold pixels, but its shape is that of a latent: decode it, or hand it over as start."
            )
        if values.is_floating_point():
            require_finite(name, values)
            values = values.float()  # NumPy knows no bfloat16
            values = (values.clamp(-1, 1) + 1) / 2 if values.abs().max() <= 2 else values
        values = (values.movedim(0, -1) if values.ndim == 3 else values).numpy()
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[-1] not in (3, 4)) or not values.size:
        raise ValueError(f"{name} must be {WANTED}, but its shape is {tuple(given.shape)}.")
    if values.dtype == bool:
        return Image.fromarray(values.astype(np.uint8) * 255)
    if values.dtype.kind == "f" and np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1:
        return Image.fromarray((values * 255).round().astype(np.uint8))
    if values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= 255:
        return Image.fromarray(values.astype(np.uint8))
    raise ValueError(
        f"{name} must hold whole numbers in 0…255, or floats in 0…1 (in [-1, 1] in a tensor), but got {values.dtype} "
        f"from {values.min():g} to {values.max():g}."
    )


def _opened(name: str, path: Path) -> Image.Image:
    if not path.is_file():
        raise FileNotFoundError(f"{name} must be a file, but there is none at {str(path)!r}.")
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError(f"{name} must be a picture that Pillow can open, but {str(path)!r} is not: {error}.") from None


def _upright(image: Image.Image) -> Image.Image:
    """As its camera was held."""
    return ImageOps.exif_transpose(image)


def _on(image: Image.Image, colour: str) -> Image.Image:
    """What is transparent shows the colour; 16 bits a number, and floats, become 8 bits."""
    if image.mode.startswith(("I", "F")):
        return _in_eight_bits(image)
    if image.mode not in ("RGBA", "RGBa", "LA", "La", "PA") and "transparency" not in image.info:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, colour)
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Of 16 bits the upper eight; floats in 0…1 as in arrays, or in 0…255, as ``convert("F")`` makes them."""
    values = np.array(image).astype(float)
    if not np.isfinite(values).all() or values.min() < 0:
        raise ValueError(f"picture must hold numbers from 0 on, but its mode is {image.mode} and some are not.")
    if image.mode.startswith("F"):
        scale = 255 if values.max() <= 1 else 1
    else:  # "I" is what older versions of Pillow make of 16 bits
        scale = 1 / 257 if image.mode != "I" or values.max() > 255 else 1
    return Image.fromarray((values * scale).round().clip(0, 255).astype(np.uint8))
