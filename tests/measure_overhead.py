"""What the library's loops cost over bare code, as ratios measured in turns: ``python tests/measure_overhead.py``.

The sampler against 25 bare network calls: at most 3 % more. A training step against a loop written out by hand: at most
5 % more. Exits with status 1 if either is more.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch

from course_lib.datasets import fashion
from course_lib.denoisers import Clipped, NetDenoiser
from course_lib.networks.unet import UNet
from course_lib.sampling import last, sample
from course_lib.schedules import NoiseSchedule
from course_lib.training import TrainState, denoising_loss, ema_decay, train

SCHEDULE, BATCH_SIZE = NoiseSchedule.cosine(), 64
ROUNDS = 21


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ratio(library: Callable[[], object], bare: Callable[[], object]) -> float:
    """The median over rounds of library / bare, the two in turns, and each first in every other round."""
    ratios = []
    for number in range(-1, ROUNDS):
        first, second = (library, bare) if number % 2 else (bare, library)
        one, two = seconds(first), seconds(second)
        if number >= 0:  # the first round only warms up
            ratios.append(one / two if number % 2 else two / one)
    return statistics.median(ratios)


def sampler() -> float:
    net = UNet().eval().requires_grad_(False)
    x = torch.randn(BATCH_SIZE, 1, 28, 28)
    cond = torch.arange(BATCH_SIZE) % 10
    times = SCHEDULE.times(25)
    denoiser = Clipped(NetDenoiser(net, SCHEDULE, "v"), -1, 1)

    @torch.no_grad()
    def bare() -> None:
        for t in times[:-1]:
            net(x, torch.full((BATCH_SIZE,), t), cond)

    return ratio(lambda: last(sample(denoiser, x, times, cond=cond)), bare)


def training_step() -> float:
    data = fashion.test_set()
    state = TrainState(UNet())

    def batches(generator: torch.Generator) -> torch.Tensor:
        return fashion.draw(data, BATCH_SIZE, generator).pictures

    def loss(net: UNet, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return denoising_loss(NetDenoiser(net, SCHEDULE, "v"), batch, generator=generator)

    def library() -> None:
        for _ in train(state, batches, loss, state.step + 8):
            pass

    net, ema = UNet(), UNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, betas=(0.9, 0.98))
    signal, noise = SCHEDULE.alpha_bar.sqrt().float(), (1 - SCHEDULE.alpha_bar).sqrt().float()

    def by_hand() -> None:
        for step in range(8):
            x_0 = data.pictures[torch.randint(len(data.pictures), (BATCH_SIZE,))]
            t = torch.randint(1, 1001, (BATCH_SIZE,))
            eps = torch.randn_like(x_0)
            a, b = signal[t].reshape(-1, 1, 1, 1), noise[t].reshape(-1, 1, 1, 1)
            value = torch.nn.functional.mse_loss(net(a * x_0 + b * eps, t), a * eps - b * x_0)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            with torch.no_grad():
                for average, current in zip(ema.parameters(), net.parameters(), strict=True):
                    average.lerp_(current, 1 - ema_decay(step))
            value.item()

    return ratio(library, by_hand)


def main() -> int:
    costs = {
        "the sampler over bare network calls": (sampler(), 1.03),
        "a training step over a hand-written loop": (training_step(), 1.05),
    }
    for name, (cost, allowed) in costs.items():
        print(f"{name}: {cost - 1:+.1%} (allowed: {allowed - 1:+.0%})")
    return int(any(cost > allowed for cost, allowed in costs.values()))


if __name__ == "__main__":
    sys.exit(main())
