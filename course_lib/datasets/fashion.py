"""Fashion-MNIST: 70,000 grey pictures of garments, 28×28, in ten classes, read with numpy alone.

Source: Xiao, Rasul, Vollgraf 2017, *Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms*; MIT licence, beside the files in data/fashion_mnist.
"""

import gzip
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_lib.support.arguments import require_count, require_generator, require_rows, require_tensor
from course_lib.support.files import shipped_file

LABELS = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


class Fashion(NamedTuple):
    """pictures: (N, 1, 28, 28) float32 in [-1, 1], -1 the empty background; labels: (N,) int64 in 0…9."""

    pictures: Tensor
    labels: Tensor


def train_set() -> Fashion:
    """The 60,000 pictures to learn from."""
    return _read("train", 60_000)


def test_set() -> Fashion:
    """The 10,000 pictures that no network has seen."""
    return _read("t10k", 10_000)


def draw(data: Fashion, size: int, generator: torch.Generator | None = None) -> Fashion:
    """A batch of ``size`` pictures with their labels, each drawn at random, with replacement."""
    require_count("size", size)
    require_rows("data.pictures", data.pictures)
    if len(data.labels) != len(data.pictures):
        raise ValueError(
            f"data must hold as many labels as pictures, but got {len(data.labels)} and {len(data.pictures)}."
        )
    require_tensor("data.labels", data.labels, floating=False)
    require_generator("generator", generator)
    rows = torch.randint(len(data.pictures), (size,), generator=generator)
    return Fashion(data.pictures[rows], data.labels[rows])


def _read(prefix: str, count: int) -> Fashion:
    """Copies: changing them in place does no harm elsewhere."""
    # The idx format: a header of 16 bytes for pictures, 8 for labels, then one byte a number.
    pictures = _unzipped(f"{prefix}-images-idx3-ubyte.gz", 16).reshape(count, 1, 28, 28)
    labels = _unzipped(f"{prefix}-labels-idx1-ubyte.gz", 8)
    return Fashion(torch.tensor(pictures).float() / 127.5 - 1, torch.tensor(labels).long())


@cache
def _unzipped(name: str, header: int) -> np.ndarray:
    with gzip.open(shipped_file(f"fashion_mnist/{name}")) as file:
        return np.frombuffer(file.read(), dtype=np.uint8, offset=header)  # read-only
