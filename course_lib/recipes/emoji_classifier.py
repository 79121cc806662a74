"""Train the judge of the emoji pictures' objects: ``python -m course_lib.recipes.emoji_classifier``.

Only judges see all cells, those that are held out of training too: they have to recognise what no model has been shown.
"""

import json
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.judging import shares
from course_lib.emoji.scenes import OBJECTS, all_cells, draw_scenes, sprites
from course_lib.pretrained import emoji_classifier_network
from course_lib.recipes.shared.running import run_training, ship
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device, half_precision, on_best_device
from course_lib.training import TrainState, warm_up_then_fall

STEPS, BATCH_SIZE, TESTED = 9000, 64, 20_000


def blurred(pictures: Tensor) -> Tensor:
    """The mean of each 3×3 neighbourhood, (B, 3, H, W)."""
    return F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def roughened(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures, (B, 3, H, W) in [-1, 1], half of them mirrored, half blurred, a quarter twice, half with noise.

    Generated pictures are less clean than drawn ones, and are to be judged by what they show.
    """

    def half() -> Tensor:
        return torch.rand(len(pictures), 1, 1, 1, generator=generator) < 0.5  # (B, 1, 1, 1)

    pictures = torch.where(half(), pictures.flip(-1), pictures)
    once = blurred(pictures)
    pictures = torch.where(half(), torch.where(half(), blurred(once), once), pictures)
    noise = 0.1 * torch.randn(pictures.shape, generator=generator)
    return torch.where(half(), (pictures + noise).clamp(-1, 1), pictures)


def draw_batch(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures, (B, 3, 64, 64) in [-1, 1], and the object in each, (B,)."""
    scenes = draw_scenes(BATCH_SIZE, generator, all_cells())
    return roughened(scaled(compose(scenes)), generator), scenes.object


def loss(net: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
    pictures, objects = (part.to(best_device()) for part in batch)
    with half_precision():
        return F.cross_entropy(net(pictures), objects)


def measure(net: nn.Module) -> dict[str, str]:
    """How often the object is named correctly: over all pictures, for each object, and for each drawing of a sports car."""
    scenes = draw_scenes(TESTED, torch.Generator().manual_seed(1), all_cells())
    right = in_batches(net, scaled(compose(scenes))).argmax(dim=1) == scenes.object  # (TESTED,)
    sports_cars = {
        sprite.icon: right[scenes.sprite == index]
        for index, sprite in enumerate(sprites())
        if OBJECTS[sprite.object] == "sports car"
    }
    objects = {name: right[scenes.object == index] for index, name in enumerate(OBJECTS)}
    return {
        "test_accuracy": f"{right.double().mean().item():.4f}",
        "test_accuracy_of_objects": json.dumps(shares(objects)),
        "test_accuracy_of_sports_cars": json.dumps(shares(sports_cars)),
    }


def main() -> None:
    torch.manual_seed(0)
    state = TrainState(on_best_device(emoji_classifier_network()))
    learning_rate = partial(warm_up_then_fall, steps=STEPS)
    run_training("emoji_classifier", state, draw_batch, loss, STEPS, BATCH_SIZE, learning_rate)
    ship("emoji_classifier", "emoji/sprites_paint.webp", state, BATCH_SIZE, measure(state.ema.eval()))


if __name__ == "__main__":
    main()
