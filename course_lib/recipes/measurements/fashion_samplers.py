"""Measure the samplers of notebook 03: ``python -m course_lib.recipes.measurements.fashion_samplers``.

For each rule and number of steps, 2,000 pictures of the shipped model: their Fréchet distance to real ones, the share
that the classifier finds right, and the time for 100. Rows of up to MANY steps are drawn from other seeds too, which
tells by how much the distance varies by chance. Rows that are done are kept, so it can be stopped and started again;
an hour and a quarter on two cores, most of it in the two rows of 1,000 steps.
"""

from operator import itemgetter

from course_lib.datasets import fashion
from course_lib.denoisers import Clipped
from course_lib.metrics import accuracy
from course_lib.pretrained import fashion as pretrained_fashion
from course_lib.pretrained import fashion_classifier
from course_lib.recipes.fashion import draw_garments
from course_lib.recipes.shared import tables
from course_lib.recipes.shared.garments import distance_to_real, real_garments
from course_lib.sampling import Rule, ddim_step, ddpm_step, dpmpp_2m_step
from course_lib.support.device import clock

NAME, NETWORKS = "fashion_samplers", ("fashion", "fashion_classifier")
RULES: dict[str, Rule] = {"DDPM": ddpm_step, "DDIM": ddim_step, "DPM-Solver++": dpmpp_2m_step}
STEPS = {"DDPM": (5, 10, 25, 50, 100, 1000), "DDIM": (5, 10, 25, 50, 100, 1000), "DPM-Solver++": (5, 10, 25, 50)}
PICTURES, TIMED = 2000, 100
OTHER_SEEDS, MANY = (1, 2), 50


def measure(denoiser: Clipped, rule: str, steps: int, seed: int = 0) -> dict:
    """One row of the table."""
    drawn = draw_garments(denoiser, denoiser.schedule.times(steps), RULES[rule], PICTURES, seed)
    return {
        "rule": rule,
        "steps": steps,
        "frechet_distance": round(distance_to_real(drawn.pictures), 3),
        "judged_right": round(accuracy(fashion_classifier(), *drawn), 4),
    }


def seconds(denoiser: Clipped, rule: str, steps: int) -> float:
    """The time that 100 pictures take, in one batch, by the clock."""
    began = clock()
    draw_garments(denoiser, denoiser.schedule.times(steps), RULES[rule], TIMED)
    return round(clock() - began, 2)


def begin() -> dict:
    """The table before its first row: what real pictures score."""
    real = fashion.test_set()
    return {
        "pictures": PICTURES,
        "real_frechet_distance": round(distance_to_real(real_garments(PICTURES).pictures), 3),
        "real_judged_right": round(accuracy(fashion_classifier(), *real), 4),
        "timed_pictures": TIMED,
        "rows": [],
    }


def main() -> None:
    denoiser = Clipped(pretrained_fashion().denoiser, -1, 1)
    table = tables.resume(NAME, NETWORKS, begin)
    rows = {(row["rule"], row["steps"]): row for row in table["rows"]}
    # The quick rows first, so that a look at an unfinished table says something.
    wanted = [(rule, steps) for rule in RULES for steps in STEPS[rule]]
    for rule, steps in sorted(wanted, key=itemgetter(1)):
        if (rule, steps) not in rows:
            rows[rule, steps] = measure(denoiser, rule, steps)
            table["rows"] = [rows[each] for each in wanted if each in rows]
            tables.save(NAME, table)
            print(rows[rule, steps], flush=True)
    for row in table["rows"]:
        if row["steps"] <= MANY and "other_seeds" not in row:
            others = [measure(denoiser, row["rule"], row["steps"], seed) for seed in OTHER_SEEDS]
            row["other_seeds"] = [each["frechet_distance"] for each in others]
            tables.save(NAME, table)
            print(row, flush=True)
    # Times are taken in one go at the end, so that they compare with each other.
    for row in table["rows"]:
        row["seconds_for_100"] = seconds(denoiser, row["rule"], row["steps"])
    tables.save(NAME, table)


if __name__ == "__main__":
    main()
