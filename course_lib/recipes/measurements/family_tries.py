"""Tune VAE, GAN and diffusion with the same care: ``python -m course_lib.recipes.measurements.family_tries``.

Seven tries for each family on Fashion-MNIST, five minutes of training each, on two cores: the first is where the others
begin, the next five change one thing each, and the last changes another in the best of them. Steps are timed first, all
tries in turn, so that they compare whatever else the machine does later. Rows that are done are kept; two hours in all.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from course_lib.adversarial import HINGE, NON_SATURATING
from course_lib.datasets.fashion import Fashion
from course_lib.recipes import fashion_diffusion, fashion_gan, fashion_vae
from course_lib.recipes.fashion import drawn_in_few_steps_by
from course_lib.recipes.shared import tables
from course_lib.recipes.shared.garments import quality, real_garments
from course_lib.recipes.shared.running import discard, run
from course_lib.support.device import seconds_of

NAME, NETWORKS = "family_tries", ("fashion_classifier",)
SECONDS, PICTURES, DRAWN_STEPS, TIMED = 300, 2000, 25, 12

VAE, GAN, DIFFUSION = fashion_vae.Setting, fashion_gan.Setting, fashion_diffusion.Setting
FAMILIES: dict[str, Any] = {"VAE": fashion_vae, "GAN": fashion_gan, "diffusion": fashion_diffusion}
"""The recipes: each has ``begin``, ``training``, ``drawn_by``, and a ``SETTING`` that was found here."""

TRIES = {
    "VAE": {
        "beta 1, 32 numbers, rate 0.002, batches of 128": VAE(),
        "16 numbers": VAE(latent=16),
        "beta 4": VAE(beta=4.0),
        "beta 0.25": VAE(beta=0.25),
        "batches of 64": VAE(batch_size=64),
        "rate 0.001": VAE(peak=1e-3),
        "batches of 64, leak 0.01": VAE(batch_size=64, leak=0.01),
    },
    "GAN": {
        "relativistic, gamma 0.2, rate 0.0005, batches of 64": GAN(),
        "non-saturating": GAN(game=NON_SATURATING),
        "hinge, spectral normalisation, no penalty, rate 0.0002": GAN(game=HINGE, gamma=0.0, spectral=True, peak=2e-4),
        "gamma 0.05": GAN(gamma=0.05),
        "gamma 1": GAN(gamma=1.0),
        "batches of 32": GAN(batch_size=32),
        "batches of 32, leak 0.01": GAN(batch_size=32, leak=0.01),
    },
    "diffusion": {
        "v, rate 0.002, batches of 128": DIFFUSION(),
        "eps": DIFFUSION(predicts="eps"),
        "times shifted by 2": DIFFUSION(shift=2.0),
        "batches of 64": DIFFUSION(batch_size=64),
        "rate 0.001": DIFFUSION(peak=1e-3),
        "rate 0.004": DIFFUSION(peak=4e-3),
        "batches of 64, rate 0.004": DIFFUSION(batch_size=64, peak=4e-3),
    },
}


def seconds_of_steps() -> dict[str, dict[str, float]]:
    """What a step of each try takes, by the clock: the median of several, in turns, so that they compare."""

    def timed(family: str, setting: tuple) -> Callable[[], object]:
        training = FAMILIES[family].training(FAMILIES[family].begin(setting), setting, 10**6)
        return lambda: next(training)

    steps = {(family, name): timed(family, each) for family, tries in TRIES.items() for name, each in tries.items()}
    found = seconds_of(steps, TIMED)
    return {family: {name: found[family, name] for name in tries} for family, tries in TRIES.items()}


def drawn_by(family: str, net: nn.Module, setting: tuple, count: int, seed: int = 0) -> Fashion:
    """What a network draws; the diffusion model in DRAWN_STEPS steps of DPM-Solver++, since it is often asked here."""
    if family != "diffusion":
        return FAMILIES[family].drawn_by(net, setting, count, seed)
    return drawn_in_few_steps_by(net, setting, DRAWN_STEPS, count, seed)


def begin() -> dict:
    """The table before its first row: what real pictures score, and how many steps each try gets."""
    seconds = seconds_of_steps()
    return {
        "seconds": SECONDS,
        "pictures": PICTURES,
        "real": quality(real_garments(PICTURES)),
        "seconds_of_a_step": {f: {n: round(s, 4) for n, s in tries.items()} for f, tries in seconds.items()},
        "steps": {f: {n: round(SECONDS / s) for n, s in tries.items()} for f, tries in seconds.items()},
        "rows": {family: {} for family in TRIES},
    }


def main() -> None:
    table = tables.resume(NAME, NETWORKS, begin)
    tables.save(NAME, table)
    for family, tries in TRIES.items():
        recipe = FAMILIES[family]
        for name, setting in tries.items():
            if name in table["rows"][family]:
                continue
            states, steps = recipe.begin(setting), table["steps"][family][name]
            run(NAME, states, recipe.training(states, setting, steps), steps, setting.batch_size)
            table["rows"][family][name] = quality(drawn_by(family, states[-1].ema.eval(), setting, PICTURES))
            tables.save(NAME, table)
            discard(NAME)
            print(family, name, table["rows"][family][name], flush=True)


if __name__ == "__main__":
    main()
