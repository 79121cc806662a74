"""VAE, GAN and diffusion on Fashion-MNIST, measured alike: ``python -m course_lib.recipes.measurements.three_families``.

Two budgets on two cores. Twenty minutes each: the shipped fashion_vae, fashion_gan and fashion_diffusion. An hour each: VAE
and GAN are trained here, and the diffusion model is the shipped fashion, which took not quite as long. All have about as
many parameters, both networks of VAE and GAN counted. The diffusion model draws in 100 steps of DDIM, and once more in ten
of DPM-Solver++, which it was not trained for. Trainings go on where they were stopped and rows that are done are kept; two
hours and a quarter in all.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn

from course_lib.datasets import fashion
from course_lib.pretrained import describe, fashion_diffusion, fashion_gan, fashion_vae
from course_lib.pretrained import fashion as fashion_for_an_hour
from course_lib.recipes import fashion as fashion_recipe
from course_lib.recipes.measurements.family_tries import FAMILIES
from course_lib.recipes.shared import tables
from course_lib.recipes.shared.garments import classes, quality, real_garments
from course_lib.recipes.shared.running import discard, run
from course_lib.support.device import seconds_of
from course_lib.support.files import atomic_write, data_folder, record_checksum

NAME = "three_families"
NETWORKS = ("fashion", "fashion_classifier", "fashion_diffusion", "fashion_gan", "fashion_vae")
SHEET = f"measurements/{NAME}.webp"
PICTURES, SHOWN, FEW_STEPS = 2000, 20, 10
TIMES_AS_LONG = 3

Draw = Callable[[int, int], fashion.Fashion]


TRAININGS = {name: (recipe, recipe.SETTING) for name, recipe in FAMILIES.items()}
TRAININGS["fashion"] = (fashion_recipe, fashion_recipe.Setting())


class Row(NamedTuple):
    """What draws so many pictures from a seed, and of which training how many steps it took."""

    draw: Draw
    training: str
    steps: int


def shipped(training: str, net: nn.Module, name: str) -> Row:
    recipe, setting = TRAININGS[training]
    return Row(partial(recipe.drawn_by, net, setting), training, int(describe(name)["steps"]))


def trained_for_an_hour(family: str) -> Row:
    """The recipe's own training, three times as long; the unfinished state is kept until the table is done."""
    recipe, setting = TRAININGS[family]
    name, steps = f"{NAME}_{family}", TIMES_AS_LONG * recipe.STEPS
    states = recipe.begin(setting)
    run(name, states, recipe.training(states, setting, steps), steps, setting.batch_size)
    return Row(partial(recipe.drawn_by, states[-1].ema.eval(), setting), family, steps)


def in_few_steps(training: str, net: nn.Module, name: str) -> Row:
    draw = partial(fashion_recipe.drawn_in_few_steps_by, net, TRAININGS[training][1], FEW_STEPS)
    return Row(draw, training, int(describe(name)["steps"]))


ROWS: dict[str, dict[str, Callable[[], Row]]] = {
    "20 minutes": {
        "VAE": lambda: shipped("VAE", fashion_vae(), "fashion_vae"),
        "GAN": lambda: shipped("GAN", fashion_gan(), "fashion_gan"),
        "diffusion": lambda: shipped("diffusion", fashion_diffusion().net, "fashion_diffusion"),
        "diffusion, 10 steps": lambda: in_few_steps("diffusion", fashion_diffusion().net, "fashion_diffusion"),
    },
    "an hour": {
        "VAE": lambda: trained_for_an_hour("VAE"),
        "GAN": lambda: trained_for_an_hour("GAN"),
        "diffusion": lambda: shipped("fashion", fashion_for_an_hour().net, "fashion"),
        "diffusion, 10 steps": lambda: in_few_steps("fashion", fashion_for_an_hour().net, "fashion"),
    },
}


def seconds_of_a_step() -> dict[str, float]:
    """What a step of each training takes, in turns."""

    def step(name: str) -> Callable[[], object]:
        recipe, setting = TRAININGS[name]
        training = recipe.training(recipe.begin(setting), setting, 10**6)
        return lambda: next(training)

    return {name: round(each, 4) for name, each in seconds_of({name: step(name) for name in TRAININGS}, 12).items()}


def parameters() -> dict[str, dict[str, int]]:
    """Of each family: how many are trained, and how many of them draw."""
    found = {}
    for family, recipe in FAMILIES.items():
        nets = [state.net for state in recipe.begin(recipe.SETTING)]
        draws = nets[-1].decoder if family == "VAE" else nets[-1]
        counts = (sum(weight.numel() for net in each for weight in net.parameters()) for each in (nets, [draws]))
        found[family] = dict(zip(("trained", "drawing"), counts, strict=True))
    return found


def begin() -> dict:
    """The table before its first row."""
    real = real_garments()
    return {
        "pictures": PICTURES,
        "real": quality(real) | classes(real),
        "parameters": parameters(),
        "seconds_of_a_step": seconds_of_a_step(),
        "rows": {budget: {} for budget in ROWS},
    }


def measure(row: Row, seconds_of_a_step: dict[str, float]) -> dict:
    """One row of the table but for the times of drawing, which are taken at the end."""
    drawn = row.draw(PICTURES, 0)
    minutes = round(row.steps * seconds_of_a_step[row.training] / 60, 1)
    return {"steps": row.steps, "minutes": minutes} | quality(drawn) | classes(drawn)


def sheet_of(rows: list[Row]) -> np.ndarray:
    """The first pictures of every row, below each other: (rows · 28, SHOWN · 28) uint8."""
    strips = [((row.draw(SHOWN, 0).pictures + 1) * 127.5).round().to(torch.uint8) for row in rows]  # (SHOWN, 1, 28, 28)
    return torch.cat([strip[:, 0].movedim(0, 1).flatten(1) for strip in strips]).numpy()


def main() -> None:
    table = tables.resume(NAME, NETWORKS, begin)
    tables.save(NAME, table)
    rows: dict[tuple[str, str], Row] = {}
    for budget, families in ROWS.items():
        for name, make in families.items():
            rows[budget, name] = make()
            if name not in table["rows"][budget]:
                table["rows"][budget][name] = measure(rows[budget, name], table["seconds_of_a_step"])
                tables.save(NAME, table)
                print(budget, name, table["rows"][budget][name], flush=True)
    # Times are taken in one go at the end, so that they compare with each other.
    for count in (1, 64):
        draws = {key: partial(row.draw, count, 0) for key, row in rows.items()}
        for (budget, name), seconds in seconds_of(draws, 5).items():
            table["rows"][budget][name][f"seconds_for_{count}"] = round(seconds, 5)
    tables.save(NAME, table)
    with atomic_write(data_folder() / SHEET) as partial_file:
        Image.fromarray(sheet_of(list(rows.values()))).save(partial_file, format="webp", lossless=True)
    record_checksum(SHEET)
    for family in ("VAE", "GAN"):
        discard(f"{NAME}_{family}")


if __name__ == "__main__":
    main()
