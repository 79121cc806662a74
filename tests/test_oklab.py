"""OKLab: the values that its author gives, there and back, and the shorter way round the circle of hues."""

import math

import pytest
import torch

from course_lib.emoji import oklab


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((1, 1, 1), (1, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 1, 0), (0.86644, -0.23389, 0.17950)),
        ((0, 0, 1), (0.45201, -0.03246, -0.31153)),
    ],
)
def test_known_colours(rgb, expected):
    came = oklab.to_oklab(torch.tensor(rgb, dtype=torch.float64))
    assert came.tolist() == pytest.approx(expected, abs=2e-5)


def test_there_and_back():
    rgb = torch.rand(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(oklab.to_srgb(oklab.to_oklab(rgb)), rgb, atol=1e-9)
    lab = oklab.to_oklab(rgb)
    assert torch.allclose(oklab.from_polar(*oklab.to_polar(lab)), lab, atol=1e-12)


def test_the_shorter_way_round():
    turns = oklab.turn(torch.tensor([3.0, -3.0, 1.0]), torch.tensor([-3.0, 3.0, 0.5]))
    assert turns.tolist() == pytest.approx([6 - 2 * math.pi, 2 * math.pi - 6, 0.5], abs=1e-6)
