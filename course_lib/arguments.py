"""Refusals: one clear sentence for an argument that cannot be right.

Each function raises ``TypeError`` or ``ValueError`` whose text names the argument, says what came and
what was expected. They stand at the boundary of the public functions, so that a mistake is reported
where it was made and not three files further down.
"""

import math
from numbers import Real

import torch
from torch import Tensor


def require_tensor(name: str, value: object, floating: bool = True) -> None:
    """Refuse anything but a tensor, of floating-point numbers unless ``floating`` is False."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, but a {type(value).__name__} came.")
    if floating and not value.is_floating_point():
        raise TypeError(f"{name} must hold floating-point numbers, but its dtype is {value.dtype}: use {name}.float().")


def require_same_shape(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Refuse two tensors whose shapes differ: broadcasting would silently reuse one noise for many pictures."""
    if value.shape != other.shape:
        raise ValueError(
            f"{name} must have the shape of {other_name}, {tuple(other.shape)}, but its shape is {tuple(value.shape)}."
        )


def require_batch(name: str, value: Tensor, size: int) -> None:
    """Refuse a tensor that is not one number for each of ``size`` rows."""
    if value.shape != (size,):
        raise ValueError(
            f"{name} must have shape ({size},), one for each picture, but its shape is {tuple(value.shape)}."
        )


def require_sides(name: str, value: Tensor, divisor: int) -> None:
    """Refuse pictures, (B, C, H, W), whose height or width does not divide by ``divisor``: halving would lose a row."""
    if value.shape[-1] % divisor or value.shape[-2] % divisor:
        raise ValueError(f"{name} must have sides that divide by {divisor}, but its shape is {tuple(value.shape)}.")


def require_between(name: str, value: float | Tensor, low: float, high: float) -> None:
    """Refuse a number, or a tensor with any entry, outside [low, high]; NaN is outside, and so is infinity, always."""
    if not isinstance(value, Real | Tensor):
        raise TypeError(f"{name} must be a number, but {value!r} came.")
    smallest, largest = (value.min().item(), value.max().item()) if isinstance(value, Tensor) else (value, value)
    if not (low <= smallest and largest <= high and math.isfinite(largest)):
        came = f"{smallest:g}" if smallest == largest else f"values from {smallest:g} to {largest:g}"
        if math.isnan(smallest) or math.isnan(largest):
            came = "NaN"
        wanted = f"lie between {low:g} and {high:g}" if math.isfinite(high) else f"be finite and at least {low:g}"
        raise ValueError(f"{name} must {wanted}, but {came} came.")


def require_whole_number(name: str, value: object) -> None:
    """Refuse anything but a whole number: an int (True is none) or a tensor of integers."""
    if isinstance(value, Tensor):
        if value.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
            raise TypeError(f"{name} must hold whole numbers, but its dtype is {value.dtype}: use {name}.long().")
    elif isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, but {value!r} came.")
