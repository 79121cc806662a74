"""What random answers are tried by: the same for every way to write a draw, since no number of it is compared.

A ``draw`` here is a function of a generator, or of None for torch's own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

Draw = Callable[[torch.Generator | None], Tensor]
_moved_by = 0


def seeded(seed: int) -> torch.Generator:
    """A generator with this seed, or with another one within ``other_numbers``: all that is tried draws its numbers here."""
    return torch.Generator().manual_seed(seed + _moved_by)


@contextmanager
def other_numbers(moved_by: int) -> Iterator[None]:
    """Try answers on other numbers than a notebook's check does: those who know its numbers know nothing of these."""
    global _moved_by
    before, _moved_by = _moved_by, moved_by
    try:
        yield
    finally:
        _moved_by = before


def moved_by() -> int:
    """How far the seeds are from those of a notebook's check."""
    return _moved_by


def repeats(draw: Draw) -> Tensor:
    """Whether two generators with one seed give the same numbers: chance comes from nowhere else."""
    return torch.tensor(torch.allclose(draw(seeded(4)), draw(seeded(4)), equal_nan=True))


def moves_on(draw: Draw) -> Tensor:
    """Whether another seed gives other numbers, and whether a second call with one generator does."""
    generator = seeded(5)
    first, second, other = draw(generator), draw(generator), draw(seeded(6))
    return torch.tensor([not torch.allclose(first, other), not torch.allclose(first, second)])


def needs_no_generator(draw: Draw) -> Tensor:
    """Whether two calls without a generator give different numbers."""
    return torch.tensor(not torch.allclose(draw(None), draw(None)))


def each_its_own(noise: Tensor) -> Tensor:
    """Whether no numbers along an axis share their noise.

    The mean over n numbers has a variance of 1/n of theirs if they are independent, and all of it if they are the same.
    """
    if noise.std() <= 1e-4 * noise.abs().max():
        return noise.abs().max() == 0  # one and the same number everywhere, unless there is no noise at all
    shares = [noise.mean(dim=axis).var() * size / noise.var() for axis, size in enumerate(noise.shape)]
    return torch.stack(shares).max() < 2


def shape_of_noise(noise: Tensor) -> Tensor:
    """Mean, standard deviation and mean size of many numbers: enough to tell a Gaussian from torch.rand, scaled or not."""
    return torch.stack([noise.mean(), noise.std(), noise.abs().mean()])
