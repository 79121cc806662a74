"""Train the students of the text-to-image model: ``python -m course_lib.recipes.text_to_image_student``.

Four students in one network (networks/step_counts.py), for 8, 4, 2 and 1 steps, and all of them learn at once. The one of
8 steps is taught by the text-to-image model, guided at w = 3, in steps half as long; that of 4 steps by the averaged
weights of the one of 8 as they are at the moment, and so on down to one step. What is learned above comes down as it comes.

In the first phase, latents and captions are those that the teacher was trained on. Its students fell short in two ways.
What guidance adds was copied for the captions that were shown, and less for others: of four-step pictures object and colour
were right in 98.2 % as many as the teacher's in seen cells, in 96.4 % as many in held-out ones, and 80.5 % of 200 red
sports cars were whole. And what a student walks through is no noised picture of the data, but one of its own: in one step
it did better than in eight. So in the second phase every other latent is one of their own, the picture that the student of
one step draws; and since that needs no picture of the data, half of those are of held-out cells. Of red sports cars and
their like they so have the words, and what their teacher makes of them, and still no picture. That brought 99.9 and
97.2 %, and 97.5 % of the cars; the Fréchet distance went from 32.3 to 28.5 (the teacher's is 29.3).

Such a picture, noised, still is not what a walk of four steps comes across: in held-out cells the student of one step was
right as often as 99.1 % of the teacher, that of four as 97.2 %. So in the third phase every other latent is taken from the
walk of the student that learns from it, whose captions are drawn as in the second. Then it was 98.2 % in held-out cells,
99.7 % in seen ones, and 98.5 % of the cars.

A specialist gains nothing: the student of four steps alone, trained 300 steps further with the one of eight as its teacher
and on its own walks, has object and colour right in 97.0 and 95.5 % (seen, held out), the shared one in 96.8 and 95.6 %.

A peak of 3e-3 was too much: the loss was higher after 400 steps than after 100, where with 2e-3 it fell. Distribution
matching (Yin et al. 2024, *Improved Distribution Matching Distillation for Fast Image Synthesis*), 150 rounds of 64 from
students halved for 20 minutes, left adherence in one step where it was, at 89 % of 120, and brought two red sports cars
closer together, from 12.8 to 10.2.
"""

import json
from enum import Enum
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.denoisers import Denoiser, NetDenoiser
from course_lib.distillation import halving_loss
from course_lib.emoji.judging import judged_right, shares
from course_lib.emoji.scenes import all_cells, draw_scenes, held_out_cells
from course_lib.networks.step_counts import StepCounts
from course_lib.networks.text import TextEncoder
from course_lib.networks.vae import LATENT, VAE
from course_lib.pretrained import emoji_classifier, emoji_wholeness, student_network, text_to_image
from course_lib.recipes.shared.captioned import (
    draw_batch,
    draw_prompts,
    draw_texts,
    full_captions,
    measured_scenes,
    red_sports_cars,
)
from course_lib.recipes.shared.latents import SCHEDULE, LatentScenes, scenes_as_latents, times_as_often
from course_lib.recipes.shared.muon import Muon
from course_lib.recipes.shared.running import run_training, ship, train_phases
from course_lib.recipes.shared.scores import distance_to_scenes
from course_lib.recipes.text_to_image import CARS, FULL, MEASURED, SCENES, repeated
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device, half_precision, on_best_device
from course_lib.training import TrainState, trainable_copy, warm_up_then_fall


class Own(Enum):
    """Where the latents of every other row come from, if not from the data."""

    PICTURES = "what the student of one step draws, noised"
    WALKS = "what each student comes across on its way"


class Phase(NamedTuple):
    """A stretch of training: its steps, the peak of its learning rate, and what the students have of their own in it."""

    steps: int
    peak: float
    own: Own | None


PHASES = (Phase(3000, 2e-3, None), Phase(700, 1e-3, Own.PICTURES), Phase(700, 1e-3, Own.WALKS))
EMA_LIMIT = 0.99
ROWS = {1: 40, 2: 32, 4: 32, 8: 24}  # of a batch, for the student of so many steps
BATCH_SIZE = sum(ROWS.values())


def untrained(teacher: NetDenoiser) -> StepCounts:
    """The students before any training, which say what their teacher says without guidance."""
    net = student_network()
    net.net.load_state_dict(teacher.net.state_dict())
    return net


def new_state(net: StepCounts, seed: int = 0) -> TrainState:
    """Students at the beginning of a phase, and the optimiser that trains them."""
    net = on_best_device(trainable_copy(net))
    ends = ["net.embed_t", "net.stem", "net.head", "embed_steps"]
    return TrainState(net, optimizer=Muon(net, ends), seed=seed, ema_limit=EMA_LIMIT)


def student_of(net: StepCounts, steps: int) -> NetDenoiser:
    """The student that takes so many steps; its weights are those of all."""
    return NetDenoiser(net.taking(steps), SCHEDULE, "v")


def draw_with_own(data: LatentScenes, generator: torch.Generator, size: int, full: float) -> tuple[Tensor, list[str]]:
    """As ``draw_batch``, with other captions in every other row: of all cells and of held-out ones in turn.

    The latents of these rows do not go with them: the students' own take their place in ``loss``.
    """
    x_0, texts = draw_batch(data, generator, size, full)
    for start, cells in ((1, all_cells()), (3, held_out_cells())):
        rows = range(start, size, 4)
        texts[start::4] = draw_texts(draw_scenes(len(rows), generator, cells).centred(), generator, full)
    return x_0, texts


@torch.no_grad()
def own_pictures(average: StepCounts, words: Tensor, generator: torch.Generator) -> Tensor:
    """What the student of one step draws, a latent for each of encoded texts, (N, L, D) -> (N, 4, 16, 16)."""
    noise = torch.randn(len(words), *LATENT, generator=generator).to(words.device)
    return student_of(average, 1)(noise, SCHEDULE.T, words).x_0


def loss(
    teacher: Denoiser,
    encoder: TextEncoder,
    average: StepCounts,
    own: Own | None,
    net: StepCounts,
    batch: tuple[Tensor, list[str]],
    generator: torch.Generator,
) -> Tensor:
    """How far each student is from its teacher: the student of twice as many steps, or, where there is none, ``teacher``.

    Args:
        average: the averaged weights, with which students teach.
        own: where the latents of every other row come from.
    """
    latents, texts = batch[0].to(best_device()), batch[1]
    total = torch.zeros((), device=best_device())
    with half_precision():
        cond = encoder.encode(texts)
        if own is Own.PICTURES:
            latents[1::2] = own_pictures(average, cond[1::2], generator)
        parts = (each.split(list(ROWS.values())) for each in (latents, cond))
        for (steps, rows), x_0, words in zip(ROWS.items(), *parts, strict=True):
            above = student_of(average, 2 * steps) if 2 * steps in ROWS else teacher
            walker = student_of(average, steps) if own is Own.WALKS else None
            error = halving_loss(student_of(net, steps), above, x_0, steps, words, generator, walker)
            total = total + rows / BATCH_SIZE * error
    return total


def train_phase(
    teacher: Denoiser,
    encoder: TextEncoder,
    data: LatentScenes,
    unfinished: str,
    phase: Phase,
    net: StepCounts,
    seed: int,
) -> TrainState:
    """Train one of ``PHASES`` from these weights, as ``train_phases`` asks for it."""
    state = new_state(net, seed)
    batches = partial(draw_batch if phase.own is None else draw_with_own, data, size=BATCH_SIZE, full=FULL)
    of_students = partial(loss, teacher, encoder, state.ema, phase.own)
    learning_rate = partial(warm_up_then_fall, steps=phase.steps, peak=phase.peak)
    run_training(unfinished, state, batches, of_students, phase.steps, BATCH_SIZE, learning_rate)
    return state


def measure(net: StepCounts, encoder: TextEncoder, vae: VAE) -> dict[str, str]:
    """What the judges say of 1,000 pictures of each student in seen cells and in held-out ones, and of 200 red sports
    cars; and the Fréchet distances. The scenes and the noise are those with which the teacher was measured.
    """
    judges, quality = (emoji_classifier(), emoji_wholeness()), {}
    for steps in ROWS:
        drawn = partial(draw_prompts, encoder, student_of(net, steps), steps=steps)
        cars = in_batches(vae.to_pictures, drawn(["a red sports car"] * CARS))
        right = {"red_sports_cars": judged_right(cars, red_sports_cars(CARS), *judges)}
        for name, scenes in measured_scenes(MEASURED).items():
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
    data, net = repeated(data, times_as_often(data.scenes)), untrained(pipe.denoiser)
    state = train_phases("text_to_image_student", PHASES, net, partial(train_phase, teacher, encoder, data))
    quality = measure(state.ema, encoder, vae)
    ship("text_to_image_student", "emoji/sprites_paint.webp", state, BATCH_SIZE, quality, PHASES)


if __name__ == "__main__":
    main()
