"""Refusals: one clear sentence for an argument that cannot be right.

Each function raises ``TypeError`` or ``ValueError`` whose text names the argument, says what it got and
what was expected. They stand at the boundary of the public functions, so that a mistake is reported
where it was made and not three files further down.
"""

import math
from numbers import Integral, Real
from reprlib import repr  # shortened: a list of a thousand numbers is no sentence

import numpy as np
import torch
from torch import Tensor


def require_tensor(name: str, value: object, floating: bool = True) -> None:
    """Refuse anything but a tensor, of floating-point numbers unless ``floating`` is False."""
    if not isinstance(value, Tensor):
        hint = f": use torch.as_tensor({name})." if isinstance(value, list | tuple | Real | np.ndarray) else "."
        raise TypeError(f"{name} must be a torch.Tensor, but got {type(value).__name__}{hint}")
    if floating and not value.is_floating_point():
        use = f"{name}.float()"
        if value.dtype == torch.uint8:
            use += " / 127.5 - 1, which takes pixels from 0…255 to [-1, 1]"
        raise TypeError(f"{name} must hold floating-point numbers, but its dtype is {value.dtype}: use {use}.")


def require_same_shape(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Refuse two tensors whose shapes differ: broadcasting would silently reuse one noise for many pictures."""
    require_tensor(other_name, other, floating=False)
    require_tensor(name, value, floating=other.is_floating_point())
    if value.shape != other.shape:
        raise ValueError(
            f"{name} must have the shape of {other_name}, {tuple(other.shape)}, but its shape is {tuple(value.shape)}."
        )


def require_batch(name: str, value: Tensor, size: int) -> None:
    """Refuse a tensor that is not one number for each of ``size`` rows."""
    require_tensor(name, value, floating=False)
    if value.shape != (size,):
        raise ValueError(
            f"{name} must have shape ({size},), one for each picture, but its shape is {tuple(value.shape)}."
        )


def require_rows(name: str, value: Tensor, at_least: int = 1) -> None:
    """Refuse a tensor, (B, …), that has too few rows: the mean of nothing is no number."""
    require_tensor(name, value, floating=False)
    if value.ndim == 0 or len(value) < at_least or not value.numel():
        raise ValueError(
            f"{name} must have at least {at_least} row{'s' if at_least > 1 else ''}, "
            f"but its shape is {tuple(value.shape)}."
        )


def require_axes(name: str, value: Tensor, *axes: str | int) -> None:
    """Refuse a tensor whose shape is not such as ("N", 3, "H", "W"): a number stands for itself, a letter for any."""
    require_tensor(name, value, floating=False)
    if value.ndim != len(axes) or any(
        isinstance(axis, int) and axis != size for axis, size in zip(axes, value.shape, strict=True)
    ):
        wanted = ", ".join(map(str, axes)) + ("," if len(axes) == 1 else "")
        raise ValueError(f"{name} must have shape ({wanted}), but its shape is {tuple(value.shape)}.")


def require_finite(name: str, value: Tensor) -> None:
    """Refuse a tensor with NaN or an infinite number in it: it would spread to all that is computed from it."""
    require_tensor(name, value)
    if not value.isfinite().all():
        raise ValueError(f"{name} must be finite, but it holds NaN or infinite numbers.")


def require_maps(name: str, value: Tensor, channels: int, divisor: int, weight: Tensor) -> None:
    """Refuse what a network with such a weight cannot read: anything but (B, channels, H, W) of its dtype and device.

    Sides divide by ``divisor``: halving would lose a row.
    """
    require_tensor(name, value)
    require_axes(name, value, "B", channels, "H", "W")
    require_rows(name, value)
    if value.shape[-1] % divisor or value.shape[-2] % divisor:
        raise ValueError(f"{name} must have sides that divide by {divisor}, but its shape is {tuple(value.shape)}.")
    require_kind(name, value, weight)


def require_pictures(name: str, pictures: Tensor) -> None:
    """Refuse what cannot be pictures in [-1, 1]; what a network draws may exceed that a little."""
    require_tensor(name, pictures)
    require_rows(name, pictures)
    if not -2 <= pictures.min() <= pictures.max() <= 2:  # NaN is refused, too
        raise ValueError(
            f"{name} must lie in [-1, 1], but got values from {pictures.min():g} to {pictures.max():g}: "
            f"use {name} / 127.5 - 1 if they lie in 0…255."
        )


def require_hole(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Refuse a mask that is not bool, or cannot be spread over the other tensor without enlarging it."""
    require_tensor(name, value, floating=False)
    if value.dtype != torch.bool:
        raise TypeError(f"{name} must be bool, True where there is something to draw, but its dtype is {value.dtype}.")
    try:
        fits = torch.broadcast_shapes(value.shape, other.shape) == other.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name} must fit {other_name}, whose shape is {tuple(other.shape)}, but its shape is {tuple(value.shape)}."
        )


def require_generator(name: str, value: object) -> None:
    """Refuse a seed where a generator is wanted."""
    if value is not None and not isinstance(value, torch.Generator):
        seed = f": use torch.Generator().manual_seed({value})." if isinstance(value, Integral) else "."
        raise TypeError(f"{name} must be a torch.Generator, but got {repr(value)}{seed}")


def require_kind(name: str, value: Tensor, weight: Tensor) -> None:
    """Refuse a tensor that lies elsewhere than a network's weight, or is of another dtype, but where autocast converts."""
    if value.device != weight.device:
        raise ValueError(
            f"{name} must lie on the network's device, {weight.device}, but it lies on {value.device}: "
            f'use {name}.to("{weight.device}").'
        )
    if value.dtype != weight.dtype and not torch.is_autocast_enabled(value.device.type):
        raise TypeError(
            f"{name} must have the dtype of the network's weights, {weight.dtype}, but its dtype is {value.dtype}: "
            f"use {name}.to({weight.dtype})."
        )


def require_labels(name: str, value: Tensor, classes: int) -> None:
    """Refuse anything but whole numbers in 0…classes - 1: an index out of range ends the process on a GPU."""
    require_tensor(name, value, floating=False)
    require_whole_number(name, value)
    require_between(name, value, 0, classes - 1)


def require_between(name: str, value: float | Tensor, low: float, high: float) -> None:
    """Refuse a number, or a tensor with any entry, outside [low, high]; NaN is outside, and so is infinity, always."""
    if isinstance(value, bool) or not isinstance(value, Real | Tensor):
        raise TypeError(f"{name} must be a number, but got {repr(value)}.")
    if isinstance(value, Tensor) and value.is_complex():
        raise TypeError(f"{name} must hold real numbers, but its dtype is {value.dtype}.")
    if isinstance(value, Tensor) and not value.numel():
        return
    smallest, largest = (value.min().item(), value.max().item()) if isinstance(value, Tensor) else (value, value)
    if not (low <= smallest and largest <= high and abs(smallest) != math.inf != abs(largest)):
        smallest, largest = (
            repr(int(each)) if isinstance(each, Integral) else f"{each:g}" for each in (smallest, largest)
        )
        got = smallest if smallest == largest else f"values from {smallest} to {largest}"
        if "nan" in got:
            got = "NaN"
        wanted = "be finite" if math.isinf(low) else f"be finite and at least {low:g}"
        wanted = f"lie between {low:g} and {high:g}" if math.isfinite(high) else wanted
        raise ValueError(f"{name} must {wanted}, but got {got}.")


def require_number(name: str, value: float | Tensor, low: float, high: float) -> None:
    """Refuse anything but one number in [low, high]."""
    require_between(name, value, low, high)
    if isinstance(value, Tensor) and value.ndim:
        raise ValueError(f"{name} must be one number, but got a tensor of shape {tuple(value.shape)}.")


def require_times(name: str, value: float | Tensor, T: int) -> None:
    """Refuse anything but times in 0…T: one for all, or a tensor with one for each row."""
    if isinstance(value, Tensor) and value.dtype == torch.bool:
        raise TypeError(f"{name} must hold times, but its dtype is {value.dtype}.")
    require_between(name, value, 0, T)


def require_whole_number(name: str, value: object) -> None:
    """Refuse anything but a whole number: an int, numpy's too (True is none), or a tensor of integers."""
    if isinstance(value, Tensor):
        if value.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
            raise TypeError(f"{name} must hold whole numbers, but its dtype is {value.dtype}: use {name}.long().")
    elif isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, but got {repr(value)}.")


def require_count(name: str, value: object, at_least: int = 1) -> None:
    """Refuse anything but one whole number, such as how many, that is large enough."""
    require_whole_number(name, value)
    if isinstance(value, Tensor) and value.ndim:
        raise ValueError(f"{name} must be one number, but got a tensor of shape {tuple(value.shape)}.")
    if value < at_least:
        raise ValueError(f"{name} must be at least {at_least}, but got {int(value)}.")
