"""Train the judge of Fashion-MNIST pictures: ``python -m course_lib.recipes.fashion_classifier``.

Its accuracy says how well generated pictures show what they should; its features give the Fréchet distance.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.datasets import fashion
from course_lib.metrics import accuracy
from course_lib.networks.classifier import Classifier
from course_lib.recipes.shared.running import run_training, ship
from course_lib.support.arguments import require_labels
from course_lib.support.device import best_device
from course_lib.training import TrainState, warm_up_then_fall

STEPS, BATCH_SIZE = 4000, 128


def mirrored(batch: fashion.Fashion, generator: torch.Generator) -> fashion.Fashion:
    """Half of the pictures left to right: a shirt stays a shirt, and the classifier sees twice as many."""
    flip = torch.rand(len(batch.pictures), 1, 1, 1, generator=generator) < 0.5  # (B, 1, 1, 1)
    return fashion.Fashion(torch.where(flip, batch.pictures.flip(-1), batch.pictures), batch.labels)


def loss(net: nn.Module, batch: fashion.Fashion, generator: torch.Generator) -> Tensor:
    require_labels("batch.labels", batch.labels, len(fashion.LABELS))
    return F.cross_entropy(net(batch.pictures.to(best_device())), batch.labels.to(best_device()))


def main() -> None:
    torch.manual_seed(0)
    data = fashion.train_set()
    state = TrainState(Classifier().to(best_device()))

    def batches(generator: torch.Generator) -> fashion.Fashion:
        return mirrored(fashion.draw(data, BATCH_SIZE, generator), generator)

    learning_rate = partial(warm_up_then_fall, steps=STEPS)
    run_training("fashion_classifier", state, batches, loss, STEPS, BATCH_SIZE, learning_rate)
    share = accuracy(state.ema.eval(), *fashion.test_set())
    quality = {"test_accuracy": f"{share:.4f}"}
    ship("fashion_classifier", "fashion_mnist/train-images-idx3-ubyte.gz", state, BATCH_SIZE, quality)


if __name__ == "__main__":
    main()
