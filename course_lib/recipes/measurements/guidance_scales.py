"""What guidance gives and takes: ``python -m course_lib.recipes.measurements.guidance_scales``, some minutes on two cores.

For each scale w, 300 pictures of full captions, half of them of held-out cells, and 64 of "a red sports car": with
plain guidance at all times, with plain guidance within an interval of them alone, and with projected guidance. What is
given is adherence, of which a torn picture has none, what is taken diversity and naturalness. Rows that are done are kept.
"""

from functools import partial

import torch
from torch import Tensor

from course_lib.denoisers import Denoiser
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.judging import judged_right, shares
from course_lib.emoji.scenes import Scenes, draw_scenes, held_out_cells, joined, training_cells
from course_lib.metrics import frechet_distance, mean_pairwise_distance, precision_and_recall, saturation
from course_lib.pipeline.text_to_image import TextToImage
from course_lib.pretrained import emoji_classifier, emoji_wholeness, text_to_image
from course_lib.recipes.shared import tables
from course_lib.recipes.shared.captioned import draw_prompts, full_captions, red_sports_cars
from course_lib.support.batches import in_batches

NAME = "guidance_scales"
NETWORKS = ("emoji_classifier", "emoji_decoder", "emoji_vae", "emoji_wholeness", "text_encoder", "text_to_image")
SCALES = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 15.0)
INTERVAL = (200, 800)  # of the times 1…1000
PARALLEL = 0.3
# Kind of guidance → the scales that are tried, and the options of the pipeline. Up to w = 1 there is nothing to project.
KINDS = {
    "plain": (SCALES, {}),
    "interval only": ((2.0, 3.0, 5.0), {"interval": INTERVAL}),
    "projected": (SCALES[2:], {"parallel": PARALLEL}),
}
PICTURES, SEEDS = 300, 64
PROMPT = "a red sports car"


def wanted_scenes(seed: int = 7) -> Scenes:
    """Half of training cells, half of held-out ones, in the middle of the picture, where the model draws."""
    generator = torch.Generator().manual_seed(seed)
    halves = [draw_scenes(PICTURES // 2, generator, cells) for cells in (training_cells(), held_out_cells())]
    return joined(halves).centred()


def describe_pictures(pictures: Tensor, scenes: Scenes, of_one_prompt: Tensor, real: Tensor) -> dict[str, float]:
    """One row of the table.

    Args:
        pictures: (N, 3, 64, 64) in [-1, 1], one for each of the scenes.
        scenes: what they are to show.
        of_one_prompt: (M, 3, 64, 64), all to show a red sports car: a whole one, as ``judged_right`` has it.
        real: features of N other real pictures.
    """
    classifier, wholeness = emoji_classifier(), emoji_wholeness()
    right = judged_right(pictures, scenes, classifier, wholeness)
    cars = judged_right(of_one_prompt, red_sports_cars(len(of_one_prompt)), classifier, wholeness)
    features = in_batches(classifier.features, pictures)  # (N, 64)
    precision, recall = precision_and_recall(real, features)
    row = shares(right | {"red sports cars": cars["adherence"]}) | {
        "pairwise distance": mean_pairwise_distance(in_batches(classifier.features, of_one_prompt)),
        "saturation": saturation(of_one_prompt),
        "precision": precision,
        "recall": recall,
        "frechet_distance": frechet_distance(features, real),
    }
    return {what: round(value, 4) for what, value in row.items()}


def draw_pictures(pipe: TextToImage, denoiser: Denoiser, prompts: list[str]) -> Tensor:
    """A picture for each prompt, (N, 3, 64, 64) in [-1, 1]; the same noise whatever the denoiser."""
    return in_batches(pipe.vae.to_pictures, draw_prompts(pipe.encoder, denoiser, prompts))


def begin(pipe: TextToImage, scenes: Scenes, real: Tensor) -> dict:
    """The table before its first row: what real pictures score, and their reconstructions."""
    pictures, cars = (scaled(compose(each)) for each in (scenes, red_sports_cars(SEEDS)))
    again, cars_again = (in_batches(pipe.vae.reconstruct, each) for each in (pictures, cars))
    return {
        "pictures": PICTURES,
        "seeds": SEEDS,
        "prompt": PROMPT,
        "interval": list(INTERVAL),
        "parallel": PARALLEL,
        "real": describe_pictures(pictures, scenes, cars, real),
        "reconstructed": describe_pictures(again, scenes, cars_again, real),
        **{kind: {} for kind in KINDS},
    }


def main() -> None:
    pipe, scenes = text_to_image(), wanted_scenes()
    real = in_batches(emoji_classifier().features, scaled(compose(wanted_scenes(seed=9))))  # (N, 64)
    table, prompts = tables.resume(NAME, NETWORKS, partial(begin, pipe, scenes, real)), full_captions(scenes)
    for kind, (scales, settings) in KINDS.items():
        for w in scales:
            if str(w) in table[kind]:
                continue
            denoiser = pipe.guided(w, **settings)
            drawn, cars = (draw_pictures(pipe, denoiser, each) for each in (prompts, [PROMPT] * SEEDS))
            table[kind][str(w)] = describe_pictures(drawn, scenes, cars, real)
            tables.save(NAME, table)
            print(kind, w, table[kind][str(w)], flush=True)


if __name__ == "__main__":
    main()
