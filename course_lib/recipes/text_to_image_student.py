"""Train the students of the text-to-image model: ``python -m course_lib.recipes.text_to_image_student``.

Four students in one network (networks/step_counts.py), for 8, 4, 2 and 1 steps, and all of them learn at once. The one of
8 steps is taught by the text-to-image model, guided at w = 3, in steps half as long; that of 4 steps by the averaged
weights of the one of 8 as they are at the moment, and so on down to one step. What is learned above comes down as it comes.

Nothing else is new: latents and captions are those that the teacher was trained on, and no picture of a held-out cell,
nor its caption, is among them.
"""

import json
from functools import partial

import torch
from torch import Tensor

from course_lib.denoisers import Denoiser, NetDenoiser
from course_lib.distillation import halving_loss
from course_lib.emoji.judging import judged_right, shares
from course_lib.emoji.scenes import draw_scenes, held_out_cells, training_cells
from course_lib.networks.step_counts import StepCounts
from course_lib.networks.text import TextEncoder
from course_lib.networks.vae import VAE
from course_lib.pretrained import emoji_classifier, emoji_wholeness, student_network, text_to_image
from course_lib.recipes.shared.captioned import draw_batch, draw_prompts, full_captions, red_sports_cars
from course_lib.recipes.shared.latents import SCHEDULE, scenes_as_latents, times_as_often
from course_lib.recipes.shared.muon import Muon
from course_lib.recipes.shared.running import run_training, ship
from course_lib.recipes.shared.scores import distance_to_scenes
from course_lib.recipes.text_to_image import CARS, FULL, MEASURED, SCENES, repeated
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device, half_precision, on_best_device
from course_lib.training import TrainState, warm_up_then_fall

STEPS, PEAK, EMA_LIMIT = 3000, 2e-3, 0.99
ROWS = {1: 40, 2: 32, 4: 32, 8: 24}  # of a batch, for the student of so many steps
BATCH_SIZE = sum(ROWS.values())


def new_state(teacher: NetDenoiser) -> TrainState:
    """The students before any training, which say what their teacher says without guidance."""
    net = student_network()
    net.net.load_state_dict(teacher.net.state_dict())
    ends = ["net.embed_t", "net.stem", "net.head", "embed_steps"]
    return TrainState(net := on_best_device(net), optimizer=Muon(net, ends), ema_limit=EMA_LIMIT)


def student_of(net: StepCounts, steps: int) -> NetDenoiser:
    """The student that takes so many steps; its weights are those of all."""
    return NetDenoiser(net.taking(steps), SCHEDULE, "v")


def loss(
    teacher: Denoiser,
    encoder: TextEncoder,
    average: StepCounts,
    net: StepCounts,
    batch: tuple[Tensor, list[str]],
    generator: torch.Generator,
) -> Tensor:
    """How far each student is from its teacher: the student of twice as many steps, or, where there is none, ``teacher``.

    Args:
        average: the averaged weights, with which students teach.
    """
    latents, texts = batch
    total = torch.zeros((), device=best_device())
    with half_precision():
        cond = encoder.encode(texts)
        parts = (each.to(best_device()).split(list(ROWS.values())) for each in (latents, cond))
        for (steps, rows), x_0, words in zip(ROWS.items(), *parts, strict=True):
            above = student_of(average, 2 * steps) if 2 * steps in ROWS else teacher
            error = halving_loss(student_of(net, steps), above, x_0, steps, words, generator)
            total = total + rows / BATCH_SIZE * error
    return total


def measure(net: StepCounts, encoder: TextEncoder, vae: VAE) -> dict[str, str]:
    """What the judges say of 1,000 pictures of each student in seen cells and in held-out ones, and of 200 red sports
    cars; and the Fréchet distances. The scenes and the noise are those with which the teacher was measured.
    """
    judges, quality = (emoji_classifier(), emoji_wholeness()), {}
    for steps in ROWS:
        drawn = partial(draw_prompts, encoder, student_of(net, steps), steps=steps)
        cars = in_batches(vae.to_pictures, drawn(["a red sports car"] * CARS))
        right = {"red_sports_cars": judged_right(cars, red_sports_cars(CARS), *judges)}
        for name, cells in (("training", training_cells()), ("held_out", held_out_cells())):
            scenes = draw_scenes(MEASURED, torch.Generator().manual_seed(6), cells).centred()
            pictures = in_batches(vae.to_pictures, drawn(full_captions(scenes)))
            right[f"judged_right_{name}_cells"] = judged_right(pictures, scenes, *judges)
            if name == "training":
                quality[f"frechet_distance_in_{steps}"] = f"{distance_to_scenes(pictures, centred=True):.3f}"
        quality |= {f"{what}_in_{steps}": json.dumps(shares(each)) for what, each in right.items()}
    return quality


def main() -> None:
    pipe = text_to_image()
    teacher, encoder, vae = pipe.guided(), pipe.encoder, pipe.vae
    data = scenes_as_latents(vae, SCENES, centred=True)
    batches = partial(draw_batch, repeated(data, times_as_often(data.scenes)), size=BATCH_SIZE, full=FULL)
    state = new_state(pipe.denoiser)
    of_students = partial(loss, teacher, encoder, state.ema)
    learning_rate = partial(warm_up_then_fall, steps=STEPS, peak=PEAK)
    run_training("text_to_image_student", state, batches, of_students, STEPS, BATCH_SIZE, learning_rate)
    quality = measure(state.ema.eval(), encoder, vae)
    ship("text_to_image_student", "emoji/sprites_paint.webp", state, BATCH_SIZE, quality)


if __name__ == "__main__":
    main()
