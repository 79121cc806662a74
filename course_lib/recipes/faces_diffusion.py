"""Train the diffusion model of the emoji faces: ``python -m course_lib.recipes.faces_diffusion``.

Seven minutes on two cores; the loss of notebook 02, without labels.
"""

from functools import partial

import torch
from torch import Tensor, nn

from course_lib.datasets.fashion import Fashion
from course_lib.denoisers import Clipped, NetDenoiser
from course_lib.networks.unet import UNet
from course_lib.pretrained import FACES_DIFFUSION
from course_lib.recipes.fashion import SCHEDULE
from course_lib.recipes.shared.faces import DATA, MEASURED, draw_faces, quality
from course_lib.recipes.shared.running import run_training, ship
from course_lib.sampling import ddim_step, sample_many
from course_lib.support.device import best_device, on_best_device
from course_lib.training import TrainState, denoising_loss, warm_up_then_fall

STEPS, BATCH_SIZE, PEAK, DRAWN_STEPS = 4000, 64, 2e-3, 50


def loss(net: nn.Module, batch: Fashion, generator: torch.Generator) -> Tensor:
    return denoising_loss(NetDenoiser(net, SCHEDULE, "v"), batch.pictures, None, generator)


def main() -> None:
    torch.manual_seed(0)
    state = TrainState(on_best_device(UNet(**FACES_DIFFUSION)))
    learning_rate = partial(warm_up_then_fall, steps=STEPS, peak=PEAK)
    run_training("faces_diffusion", state, partial(draw_faces, BATCH_SIZE), loss, STEPS, BATCH_SIZE, learning_rate)
    noise = torch.randn(MEASURED, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(best_device())
    denoiser = Clipped(NetDenoiser(state.ema.eval(), SCHEDULE, "v"), -1, 1)
    drawn = sample_many(denoiser, noise, SCHEDULE.times(DRAWN_STEPS), ddim_step)
    ship("faces_diffusion", DATA, state, BATCH_SIZE, quality(drawn.clamp(-1, 1)))


if __name__ == "__main__":
    main()
