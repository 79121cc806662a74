"""Fashion-MNIST as it is known to be."""

import pytest
import torch

from course_lib.datasets import fashion


def test_counts_shapes_and_range():
    for data, count in ((fashion.train_set(), 60_000), (fashion.test_set(), 10_000)):
        assert data.pictures.shape == (count, 1, 28, 28)
        assert data.pictures.dtype == torch.float32
        assert data.pictures.min() == -1
        assert data.pictures.max() == 1
        assert data.labels.dtype == torch.int64
        assert torch.bincount(data.labels).tolist() == [count // 10] * 10


def test_known_pictures():
    """The mean of the training pixels is 72.94 of 255, and the first picture is an ankle boot."""
    data = fashion.train_set()
    assert ((data.pictures.double().mean() + 1) * 127.5).item() == pytest.approx(72.94, abs=0.01)
    assert fashion.LABELS[data.labels[0]] == "ankle boot"
    assert [fashion.LABELS[label] for label in fashion.test_set().labels[:3]] == ["ankle boot", "pullover", "trousers"]


def test_draw_repeats_with_its_seed_and_keeps_pictures_with_their_labels():
    data = fashion.test_set()
    first, second, other = (fashion.draw(data, 64, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.pictures, second.pictures)
    assert not torch.equal(first.pictures, other.pictures)
    rows = torch.randint(10_000, (64,), generator=torch.Generator().manual_seed(1))
    assert torch.equal(first.labels, data.labels[rows])
    assert torch.equal(first.pictures, data.pictures[rows])
    with pytest.raises(TypeError, match="size must be a whole number"):
        fashion.draw(data, 1.5)
