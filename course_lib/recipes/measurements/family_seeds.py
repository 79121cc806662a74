"""How far five trainings of each family differ: ``python -m course_lib.recipes.measurements.family_seeds``.

VAE, GAN and diffusion as their recipes have them, three minutes each on two cores, from five seeds, which are the same for
all; after every minute the quality of what the averaged network draws.
Trainings that are done are kept; an hour in all.
"""

from course_lib.recipes.measurements.family_tries import FAMILIES, drawn_by
from course_lib.recipes.measurements.three_families import seconds_of_a_step
from course_lib.recipes.shared import tables
from course_lib.recipes.shared.garments import quality, real_garments

NAME, NETWORKS = "family_seeds", ("fashion_classifier",)
SEEDS, MINUTES, PICTURES = (0, 1, 2, 3, 4), 3, 1000


def begin() -> dict:
    """The table before its first row."""
    seconds = seconds_of_a_step()
    steps = {family: round(60 / seconds[family]) for family in FAMILIES}
    return {
        "pictures": PICTURES,
        "real": quality(real_garments(PICTURES)),
        "steps_a_minute": steps,
        "rows": {family: {} for family in FAMILIES},
    }


def curve(family: str, seed: int, steps_a_minute: int) -> list[dict]:
    """The quality after every minute of one training."""
    recipe, found = FAMILIES[family], []
    setting = recipe.SETTING
    states = recipe.begin(setting, seed)
    for trained in recipe.training(states, setting, MINUTES * steps_a_minute):
        if trained.step % steps_a_minute == 0:
            found.append(quality(drawn_by(family, states[-1].ema.eval(), setting, PICTURES, seed)))
    return found


def main() -> None:
    table = tables.resume(NAME, NETWORKS, begin)
    tables.save(NAME, table)
    for seed in SEEDS:
        for family, rows in table["rows"].items():
            if str(seed) not in rows:
                rows[str(seed)] = curve(family, seed, table["steps_a_minute"][family])
                tables.save(NAME, table)
                print(family, seed, rows[str(seed)], flush=True)


if __name__ == "__main__":
    main()
