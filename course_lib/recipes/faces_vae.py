"""Train the VAE of the emoji faces: ``python -m course_lib.recipes.faces_vae``.

Notebook 08 walks from one face to another through its latents. Five minutes on two cores.
"""

from functools import partial

import torch

from course_lib.networks.vector_vae import VectorVAE
from course_lib.pretrained import FACES
from course_lib.recipes.fashion_vae import loss
from course_lib.recipes.shared.faces import DATA, MEASURED, draw_faces, quality
from course_lib.recipes.shared.garments import draw_in_one_pass
from course_lib.recipes.shared.running import run_training, ship
from course_lib.support.device import on_best_device
from course_lib.training import TrainState, warm_up_then_fall

STEPS, BATCH_SIZE, PEAK = 4000, 64, 2e-3


def main() -> None:
    torch.manual_seed(0)
    state = TrainState(on_best_device(VectorVAE(**FACES)))
    learning_rate = partial(warm_up_then_fall, steps=STEPS, peak=PEAK)
    run_training("faces_vae", state, partial(draw_faces, BATCH_SIZE), loss, STEPS, BATCH_SIZE, learning_rate)
    drawn = draw_in_one_pass(state.ema.eval().decoder, MEASURED, 0).pictures
    ship("faces_vae", DATA, state, BATCH_SIZE, quality(drawn))


if __name__ == "__main__":
    main()
