"""Train the GAN of Fashion-MNIST: ``python -m course_lib.recipes.fashion_gan``.

Parameters and training time are those of the diffusion model and of the VAE that notebook 08 compares it with; how it was
tuned stands in measurements/family_tries.py.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from course_lib.adversarial import RELATIVISTIC, Game, train_in_turns
from course_lib.datasets import fashion
from course_lib.networks.gan import Discriminator, Generator
from course_lib.recipes.shared.garments import DATA, draw_in_one_pass, quality
from course_lib.recipes.shared.running import run, ship
from course_lib.support.device import best_device, on_best_device
from course_lib.training import TrainState, TrainStep, warm_up_then_fall

STEPS = 8800  # twenty minutes, both networks
MEASURED = 2000
BETAS = (0.0, 0.99)  # of Adam: no momentum, which would carry one network past what the other has just become


class Setting(NamedTuple):
    """What was tuned. ``spectral`` bounds the discriminator's slope by its weights; the penalties do so by its gradient."""

    game: Game = RELATIVISTIC
    gamma: float = 0.2
    spectral: bool = False
    latent: int = 32
    peak: float = 5e-4
    batch_size: int = 64
    penalised: float = 0.25
    leak: float = 1.0


SETTING = Setting(batch_size=32, leak=0.01)  # the best of those that were tried


def begin(setting: Setting, seed: int = 0) -> tuple[TrainState, TrainState]:
    """The training before its first step: the discriminator's, then the generator's."""
    torch.manual_seed(seed)
    generator, discriminator = Generator(latent=setting.latent, leak=setting.leak), Discriminator()
    if setting.spectral:
        for layer in discriminator.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding):
                if not layer.weight.any():
                    nn.init.orthogonal_(layer.weight)  # a weight that is zero has no norm to divide by
                spectral_norm(layer)
    return opponents(discriminator, generator, seed)


def opponents(discriminator: nn.Module, generator: nn.Module, seed: int = 0) -> tuple[TrainState, TrainState]:
    """Their states before the first step, in this order; each sees batches of its own."""
    return tuple(
        TrainState(on_best_device(net), optimizer=torch.optim.Adam(net.parameters(), betas=BETAS), seed=2 * seed + own)
        for own, net in enumerate((discriminator, generator))
    )


def training(states: tuple[TrainState, TrainState], setting: Setting, steps: int) -> Iterator[TrainStep]:
    """All of it, not begun yet; the generator's steps, each after one of the discriminator's."""
    data = fashion.train_set()

    def batches(rng: torch.Generator) -> fashion.Fashion:
        return fashion.Fashion(*(part.to(best_device()) for part in fashion.draw(data, setting.batch_size, rng)))

    learning_rate = partial(warm_up_then_fall, steps=steps, peak=setting.peak)
    game = setting.game, setting.gamma, setting.penalised
    return (pair[1] for pair in train_in_turns(*states, batches, steps, learning_rate, *game))


def drawn_by(net: Generator, setting: Setting, count: int = 2000, seed: int = 0) -> fashion.Fashion:
    """``count`` pictures, the ten labels in equal shares."""
    return draw_in_one_pass(net, count, seed)


def main() -> None:
    states = begin(SETTING)
    run("fashion_gan", states, training(states, SETTING, STEPS), STEPS, SETTING.batch_size)
    drawn = drawn_by(states[-1].ema.eval(), SETTING, MEASURED)
    ship("fashion_gan", DATA, states[-1], SETTING.batch_size, quality(drawn))


if __name__ == "__main__":
    main()
