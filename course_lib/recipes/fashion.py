"""Train the diffusion model of Fashion-MNIST: ``python -m course_lib.recipes.fashion``.

The model of notebook 02, trained for longer: cosine schedule, the network predicts v, and one label in ten is dropped,
so that the same network also draws without a label.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.datasets import fashion
from course_lib.denoisers import Clipped, NetDenoiser
from course_lib.metrics import accuracy
from course_lib.networks.unet import UNet
from course_lib.pretrained import fashion_classifier
from course_lib.recipes.shared.garments import DATA, distance_to_real, equal_shares, real_garments
from course_lib.recipes.shared.running import run, ship
from course_lib.sampling import Rule, ddim_step, dpmpp_2m_step, sample_many
from course_lib.schedules import NoiseSchedule
from course_lib.support.device import best_device, on_best_device
from course_lib.training import TrainState, TrainStep, denoising_loss, drop_labels, train, warm_up_then_fall

STEPS, LABEL_DROP = 16_000, 0.1
MEASURED, DRAWN_STEPS = 2000, 100
SCHEDULE = NoiseSchedule.cosine()


class Setting(NamedTuple):
    """What can be tuned."""

    predicts: str = "v"
    shift: float = 1.0
    peak: float = 2e-3
    batch_size: int = 128


def begin(setting: Setting, seed: int = 0) -> tuple[TrainState]:
    """The training before its first step."""
    torch.manual_seed(seed)
    return (TrainState(on_best_device(UNet()), seed=seed),)


def training(states: tuple[TrainState], setting: Setting, steps: int) -> Iterator[TrainStep]:
    """All of it, not begun yet."""
    batches = partial(fashion.draw, fashion.train_set(), setting.batch_size)
    learning_rate = partial(warm_up_then_fall, steps=steps, peak=setting.peak)
    return train(*states, batches, partial(loss, setting=setting), steps, learning_rate)


def loss(net: nn.Module, batch: fashion.Fashion, generator: torch.Generator, setting: Setting) -> Tensor:
    labels = drop_labels(batch.labels, net.null_class, LABEL_DROP, generator)
    pictures, labels = batch.pictures.to(best_device()), labels.to(best_device())
    denoiser = NetDenoiser(net, SCHEDULE, setting.predicts)
    return denoising_loss(denoiser, pictures, labels, generator, setting.shift)


def drawn_by(net: UNet, setting: Setting, count: int = 2000, seed: int = 0) -> fashion.Fashion:
    """``count`` pictures, the ten labels in equal shares, in DRAWN_STEPS steps of DDIM."""
    return draw_garments(_denoiser(net, setting), SCHEDULE.times(DRAWN_STEPS), ddim_step, count, seed)


def drawn_in_few_steps_by(net: UNet, setting: Setting, steps: int, count: int = 2000, seed: int = 0) -> fashion.Fashion:
    """The same in ``steps`` steps of DPM-Solver++."""
    return draw_garments(_denoiser(net, setting), SCHEDULE.times(steps), dpmpp_2m_step, count, seed)


def _denoiser(net: UNet, setting: Setting) -> Clipped:
    return Clipped(NetDenoiser(net, SCHEDULE, setting.predicts), -1, 1)


def draw_garments(denoiser: Clipped, times: list[int], rule: Rule, count: int = 2000, seed: int = 0) -> fashion.Fashion:
    """``count`` pictures, the ten labels in equal shares, 250 at a time; the same seed gives the same pictures."""
    generator = torch.Generator().manual_seed(seed)
    labels = equal_shares(count)
    noise, cond = torch.randn(count, 1, 28, 28, generator=generator).to(best_device()), labels.to(best_device())
    pictures = sample_many(denoiser, noise, times, rule, cond, generator).clamp(-1, 1)
    return fashion.Fashion(pictures, labels)


def measure(drawn: fashion.Fashion) -> dict[str, str]:
    """How far drawn garments are from real ones and how many are of their label, beside what real ones score."""
    real = fashion.test_set()
    return {
        "frechet_distance_ddim_100": f"{distance_to_real(drawn.pictures):.3f}",
        "frechet_distance_real": f"{distance_to_real(real_garments(MEASURED).pictures):.3f}",
        "judged_right_ddim_100": f"{accuracy(fashion_classifier(), *drawn):.4f}",
        "judged_right_real": f"{accuracy(fashion_classifier(), *real):.4f}",
    }


def main() -> None:
    setting = Setting()
    states = begin(setting)
    run("fashion", states, training(states, setting, STEPS), STEPS, setting.batch_size)
    quality = measure(drawn_by(states[-1].ema.eval(), setting, MEASURED))
    ship("fashion", DATA, states[-1], setting.batch_size, quality)


if __name__ == "__main__":
    main()
