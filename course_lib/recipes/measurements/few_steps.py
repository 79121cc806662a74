"""What few steps cost in quality: ``python -m course_lib.recipes.measurements.few_steps``, some minutes on two cores.

The text-to-image model in fewer and fewer steps, by DDIM, by DPM-Solver++ and without guidance, and its students, each
in the number of steps that it was distilled for. Prompts, noise and figures are those of guidance_scales.py: 300 pictures
of full captions, half of them of held-out cells, and 64 of "a red sports car". Rows that are done are kept.

Steps do not cost the same everywhere: with guidance the network is called twice for each.
"""

from functools import partial
from typing import NamedTuple

from torch import Tensor

from course_lib.denoisers import Denoiser
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.scenes import Scenes
from course_lib.pipeline.text_to_image import GUIDANCE, TextToImage
from course_lib.pretrained import STUDENTS, emoji_classifier, text_to_image
from course_lib.recipes.measurements import guidance_scales
from course_lib.recipes.measurements.guidance_scales import PROMPT, SEEDS, describe_pictures, wanted_scenes
from course_lib.recipes.shared import tables
from course_lib.recipes.shared.captioned import draw_prompts, full_captions
from course_lib.sampling import Rule, ddim_step, dpmpp_2m_step
from course_lib.support.batches import in_batches

NAME, NETWORKS = "few_steps", (*guidance_scales.NETWORKS, "text_to_image_student")
STEPS = (1, 2, 4, 8, 12, 25)


class Way(NamedTuple):
    """A way to draw: at which guidance, None for the students', by which rule, and in how many steps."""

    guidance: float | None
    rule: Rule
    steps: tuple[int, ...]

    @property
    def calls(self) -> int:
        """Of the network, in each step."""
        return 1 if self.guidance in (None, 1) else 2


WAYS = {
    "DDIM": Way(GUIDANCE, ddim_step, STEPS),
    "DPM-Solver++": Way(GUIDANCE, dpmpp_2m_step, STEPS),
    "without guidance": Way(1.0, ddim_step, STEPS),
    "student": Way(None, ddim_step, STUDENTS),
}


def drawn_by(way: Way, steps: int, pipe: TextToImage, prompts: list[str]) -> Tensor:
    """A picture for each prompt, (N, 3, 64, 64) in [-1, 1]; the same noise whatever the way."""
    denoiser: Denoiser = text_to_image(steps).denoiser if way.guidance is None else pipe.guided(way.guidance)
    return in_batches(pipe.vae.to_pictures, draw_prompts(pipe.encoder, denoiser, prompts, steps, way.rule))


def begin(scenes: Scenes) -> dict:
    """The table before its first row."""
    return {"pictures": len(scenes), "seeds": SEEDS, "prompt": PROMPT, **{name: {} for name in WAYS}}


def main() -> None:
    pipe, scenes = text_to_image(), wanted_scenes()
    real = in_batches(emoji_classifier().features, scaled(compose(wanted_scenes(seed=9))))  # (N, 64)
    table = tables.resume(NAME, NETWORKS, partial(begin, scenes))
    for name, way in WAYS.items():
        for steps in way.steps:
            if str(steps) in table[name]:
                continue
            drawn, cars = (drawn_by(way, steps, pipe, each) for each in (full_captions(scenes), [PROMPT] * SEEDS))
            row = describe_pictures(drawn, scenes, cars, real)
            table[name][str(steps)] = {"calls": steps * way.calls, **row}
            tables.save(NAME, table)
            print(name, steps, table[name][str(steps)], flush=True)


if __name__ == "__main__":
    main()
