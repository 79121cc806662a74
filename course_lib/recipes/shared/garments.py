"""What the recipes on Fashion-MNIST share: how garments are drawn in one pass, and how drawn ones are measured."""

from functools import cache

import torch
from torch import Tensor

from course_lib.datasets import fashion
from course_lib.metrics import accuracy, frechet_distance, high_frequency_energy, precision_and_recall
from course_lib.networks.gan import Generator
from course_lib.pretrained import fashion_classifier
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device

DATA = "fashion_mnist/train-images-idx3-ubyte.gz"
FLOOR = 2000  # so many pictures of the test set, the first ones, say what real ones score; the others are compared with


def equal_shares(count: int, classes: int = len(fashion.LABELS)) -> Tensor:
    """Labels, (count,), all in turn."""
    return torch.arange(count) % classes


def draw_in_one_pass(generator: Generator, count: int, seed: int) -> fashion.Fashion:
    """``count`` pictures from noise, all labels in equal shares; the same seed gives the same pictures."""
    labels = equal_shares(count, generator.classes)
    z = torch.randn(count, generator.latent, generator=torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def drawn(rows: Tensor) -> Tensor:
        return generator(z[rows].to(best_device()), labels[rows].to(best_device())).clamp(-1, 1)

    return fashion.Fashion(in_batches(drawn, torch.arange(count), 250), labels)


def distance_to_real(pictures: Tensor) -> float:
    """The Fréchet distance from pictures, best 2,000, to 8,000 real ones that no network was trained on."""
    return frechet_distance(in_batches(fashion_classifier().features, pictures), _real_features())


def quality(drawn: fashion.Fashion) -> dict[str, float]:
    """How far pictures are from real ones, how many are of their label, and how like, how varied, how sharp they are."""
    judge = fashion_classifier()
    features = in_batches(judge.features, drawn.pictures)
    precision, recall = precision_and_recall(_real_features()[:FLOOR], features)
    sharpness = high_frequency_energy(drawn.pictures) / _real_energy()
    return {
        "frechet_distance": round(distance_to_real(drawn.pictures), 3),
        "judged_right": round(accuracy(judge, *drawn), 4),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "sharpness": round(sharpness, 4),
    }


def classes(drawn: fashion.Fashion) -> dict[str, float]:
    """How many of the ten labels are drawn so that half or more are judged right, and how evenly the judge names them all:
    exp of the entropy of its votes, 10 if each gets a tenth.
    """
    votes = in_batches(fashion_classifier(), drawn.pictures).argmax(dim=1)  # (N,)
    right = torch.stack([(votes[drawn.labels == label] == label).double().mean() for label in drawn.labels.unique()])
    shares = votes.bincount() / len(votes)
    return {
        "classes_covered": int((right >= 0.5).sum()),
        "classes_named": round(torch.special.entr(shares).sum().exp().item(), 3),
    }


def real_garments(count: int = FLOOR) -> fashion.Fashion:
    """Real ones, at most FLOOR, that are among neither those trained on nor those compared with."""
    return fashion.Fashion(*(part[:count] for part in fashion.test_set()))


@cache
def _real_features() -> Tensor:
    return in_batches(fashion_classifier().features, fashion.test_set().pictures[FLOOR:])  # (8000, 64)


@cache
def _real_energy() -> float:
    return high_frequency_energy(fashion.test_set().pictures)
