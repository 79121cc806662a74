"""Many pictures, a few at a time."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.support.arguments import require_count, require_rows
from course_lib.support.device import best_device


def in_batches(function: Callable[[Tensor], Tensor], pictures: Tensor, size: int = 500) -> Tensor:
    """Apply a network's function to many pictures, ``size`` at a time on the best device; the answers, (N, …), on the CPU."""
    if not callable(function):
        raise TypeError(f"function must be a network or one of its functions, but got {type(function).__name__}.")
    require_rows("pictures", pictures)
    require_count("size", size)
    return torch.cat([function(batch.to(best_device())).cpu() for batch in pictures.split(size)])
