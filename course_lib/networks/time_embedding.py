"""Time embedding: a number between 1 and T as a vector that a network can use."""

import math

import torch
from torch import Tensor

from course_lib.support.arguments import require_count, require_tensor


def embed_time(t: Tensor, size: int) -> Tensor:
    r"""Times as waves, :math:`[\sin(t\,\omega_i), \cos(t\,\omega_i)]` with :math:`\omega_i = 10000^{-i/(size/2)}`.

    Neighbouring times get similar embeddings, distant ones different ones (Vaswani et al. 2017, section 3.5).

    Args:
        t: (B,), any numeric type.
        size: of the embedding, even.

    Returns:
        (B, size), float32, in [-1, 1].
    """
    require_tensor("t", t, floating=False)
    require_count("size", size, at_least=2)
    if t.is_complex() or t.dtype == torch.bool:
        raise TypeError(f"t must hold times, but its dtype is {t.dtype}.")
    if t.ndim != 1 or size % 2:
        raise ValueError(f"t must have shape (B,) and size be even, but got {tuple(t.shape)} and {size}.")
    frequencies = torch.exp(-math.log(10_000) / (size // 2) * torch.arange(size // 2, device=t.device))  # (size/2,)
    angles = t.float()[:, None] * frequencies  # (B, size/2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)  # (B, size)
