"""Train the VAE of Fashion-MNIST: ``python -m course_lib.recipes.fashion_vae``.

It draws by itself, from a vector of noise and a label. Parameters and training time are those of the diffusion model and
of the GAN that notebook 08 compares it with; how it was tuned stands in measurements/family_tries.py.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.datasets import fashion
from course_lib.networks.vector_vae import VectorVAE
from course_lib.recipes.shared.garments import DATA, draw_in_one_pass, quality
from course_lib.recipes.shared.running import run, ship
from course_lib.support.device import best_device, on_best_device
from course_lib.training import TrainState, TrainStep, train, warm_up_then_fall
from course_lib.variational import elbo

STEPS = 13_400  # twenty minutes
MEASURED = 2000


class Setting(NamedTuple):
    """What was tuned."""

    latent: int = 32
    beta: float = 1.0
    peak: float = 2e-3
    batch_size: int = 128
    leak: float = 1.0


SETTING = Setting(batch_size=64, leak=0.01)  # the best of those that were tried


def begin(setting: Setting, seed: int = 0) -> tuple[TrainState]:
    """The training before its first step."""
    torch.manual_seed(seed)
    return (TrainState(on_best_device(VectorVAE(latent=setting.latent, leak=setting.leak)), seed=seed),)


def training(states: tuple[TrainState], setting: Setting, steps: int) -> Iterator[TrainStep]:
    """All of it, not begun yet."""
    batches = partial(fashion.draw, fashion.train_set(), setting.batch_size)
    learning_rate = partial(warm_up_then_fall, steps=steps, peak=setting.peak)
    return train(*states, batches, partial(loss, beta=setting.beta), steps, learning_rate)


def loss(net: VectorVAE, batch: fashion.Fashion, generator: torch.Generator, beta: float = 1.0) -> Tensor:
    """The bound turned round, in nats a pixel."""
    pictures, labels = batch.pictures.to(best_device()), batch.labels.to(best_device())
    return -elbo(net, pictures, labels, generator, beta).mean() / pictures[0].numel()


def drawn_by(net: VectorVAE, setting: Setting, count: int = 2000, seed: int = 0) -> fashion.Fashion:
    """``count`` pictures, the means that the decoder gives, the ten labels in equal shares."""
    return draw_in_one_pass(net.decoder, count, seed)


def main() -> None:
    states = begin(SETTING)
    run("fashion_vae", states, training(states, SETTING, STEPS), STEPS, SETTING.batch_size)
    drawn = drawn_by(states[-1].ema.eval(), SETTING, MEASURED)
    ship("fashion_vae", DATA, states[-1], SETTING.batch_size, quality(drawn))


if __name__ == "__main__":
    main()
