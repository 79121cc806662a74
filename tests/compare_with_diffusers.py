"""Our U-Net beside diffusers' UNet2DModel, in one run: pictures a second in training, then quality after equal time.

``make compare`` runs it, after installing the extra "compare". Both networks learn Fashion-MNIST without labels, from the
same batches with the same loss, optimiser and averaging, on the same schedule; only the network differs. Speed is
measured in turns, so that a busy spell of the machine hits both. After ``--minutes`` of training each, 2,000 pictures
by 50 DDIM steps are compared with real ones.
"""

import argparse
import statistics
import time

import torch
from diffusers import UNet2DModel
from torch import nn

from course_lib.datasets import fashion
from course_lib.denoisers import Clipped, NetDenoiser
from course_lib.networks.unet import UNet
from course_lib.recipes.fashion import SCHEDULE, draw_garments
from course_lib.recipes.shared.garments import distance_to_real
from course_lib.sampling import ddim_step
from course_lib.training import TrainState, denoising_loss, train

BATCH_SIZE = 64
DATA = fashion.train_set()


class Unlabelled(nn.Module):
    """A network that is never told the label."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, cond: torch.Tensor | None) -> torch.Tensor:
        return self.net(x_t, t)


class Diffusers(nn.Module):
    """UNet2DModel as diffusers' own course configures it for 28×28 pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.net = UNet2DModel(
            sample_size=28,
            in_channels=1,
            out_channels=1,
            layers_per_block=2,
            block_out_channels=(32, 64, 64),
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        )

    def forward(self, x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self.net(x_t, t).sample


def batches(generator: torch.Generator) -> torch.Tensor:
    return fashion.draw(DATA, BATCH_SIZE, generator).pictures


def loss(net: nn.Module, batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return denoising_loss(NetDenoiser(net, SCHEDULE, "v"), batch, generator=generator)


def pictures_a_second(state: TrainState, steps: int) -> float:
    began = time.perf_counter()
    for _ in train(state, batches, loss, state.step + steps):
        pass
    return steps * BATCH_SIZE / (time.perf_counter() - began)


def train_for(state: TrainState, minutes: float) -> None:
    """Train by the clock, the learning rate falling to zero over the second half of the time."""
    began, seconds = time.monotonic(), 60 * minutes

    def learning_rate(step: int) -> float:
        gone = (time.monotonic() - began) / seconds
        return 1e-3 * min(1, (step + 1) / 100) * max(0.02, min(1, 2 - 2 * gone))

    for _ in train(state, batches, loss, 10**9, learning_rate):
        if time.monotonic() - began > seconds:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="of training for each network; 0 measures speed only")
    parser.add_argument("--rounds", type=int, default=7, help="of the speed measurement")
    wanted = parser.parse_args()

    torch.manual_seed(0)
    ours, theirs = TrainState(Unlabelled(UNet())), TrainState(Unlabelled(Diffusers()))
    for state in (ours, theirs):
        print(
            f"{type(state.net.net).__name__}: {sum(p.numel() for p in state.net.parameters()):,} parameters", flush=True
        )
        pictures_a_second(state, 2)  # warm-up
    rounds = [(pictures_a_second(ours, 12), pictures_a_second(theirs, 3)) for _ in range(wanted.rounds)]
    ratio = statistics.median(a / b for a, b in rounds)
    print(f"pictures a second in training: ours {statistics.median(a for a, _ in rounds):.0f}, ", end="")
    print(f"diffusers {statistics.median(b for _, b in rounds):.0f}; median ratio {ratio:.1f}", flush=True)
    assert ratio >= 6, "less than six times the pictures a second"

    if wanted.minutes:
        distances = []
        for name, net in (("ours", UNet()), ("diffusers", Diffusers())):
            state = TrainState(Unlabelled(net))
            train_for(state, wanted.minutes)
            denoiser = Clipped(NetDenoiser(state.ema.eval(), SCHEDULE, "v"), -1, 1)
            drawn = draw_garments(denoiser, SCHEDULE.times(50), ddim_step)
            distances.append(distance_to_real(drawn.pictures))
            print(f"{name}: {state.step} steps, Fréchet distance {distances[-1]:.2f}", flush=True)
        assert distances[0] < distances[1], "diffusers' network was better after the same time"


if __name__ == "__main__":
    main()
