"""What guidance gives and takes: ``python -m course_lib.recipes.guidance_scales``, some minutes on two cores.

For each scale w, 300 pictures of full captions, half of them of held-out cells, and 64 of "a red sports car": with
plain guidance at all times, with plain guidance within an interval of them alone, and with projected guidance. What is
given is adherence, what is taken diversity and naturalness. Rows that are done are kept.
"""

import json
from dataclasses import replace

import torch
from torch import Tensor

from course_lib.datasets import emoji
from course_lib.denoisers import Denoiser
from course_lib.files import atomic_write, checksums, data_folder, record_checksum
from course_lib.guidance import Within
from course_lib.judging import judged_right, shares
from course_lib.metrics import frechet_distance, in_batches, mean_pairwise_distance, precision_and_recall, saturation
from course_lib.pretrained import emoji_classifier, text_to_image
from course_lib.recipes.text_to_image import draw_prompts, full_captions, red_sports_cars
from course_lib.text_to_image import TextToImage

NAME = "measurements/guidance_scales.json"
SCALES = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0, 15.0)
INTERVAL = (200, 800)  # of the times 1…1000
WITHIN = (2.0, 3.0, 5.0)  # the scales that are tried within it alone
PROJECTED = SCALES[2:]  # up to w = 1 there is nothing to project
PICTURES, SEEDS = 300, 64
PROMPT = "a red sports car"


def wanted_scenes(seed: int = 7) -> emoji.Scene:
    """Half of training cells, half of held-out ones, in the middle of the picture, where the model draws."""
    generator = torch.Generator().manual_seed(seed)
    halves = [
        emoji.draw_scenes(PICTURES // 2, generator, cells) for cells in (emoji.training_cells(), emoji.held_out_cells())
    ]
    return emoji.centred(emoji.joined(halves))


def describe_pictures(pictures: Tensor, scenes: emoji.Scene, of_one_prompt: Tensor, real: Tensor) -> dict[str, float]:
    """One row of the table.

    Args:
        pictures: (N, 3, 64, 64) in [-1, 1], one for each of the scenes.
        scenes: what they are to show.
        of_one_prompt: (M, 3, 64, 64), all to show a red sports car.
        real: features of N other real pictures.
    """
    classifier = emoji_classifier()
    right = judged_right(pictures, scenes, classifier)
    cars = judged_right(of_one_prompt, red_sports_cars(len(of_one_prompt)), classifier)
    features = in_batches(classifier.features, pictures)  # (N, 64)
    precision, recall = precision_and_recall(real, features)
    wanted = {
        "object": right["object"],
        "colour": right["colour"],
        "object and colour": right["object"] & right["colour"],
        "all": right["all"],
        "red sports cars": cars["object"] & cars["colour"],
    }
    row = shares(wanted) | {
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


def main() -> None:
    pipe, path = text_to_image(), data_folder() / NAME
    shipped = {name: checksums()[f"checkpoints/{name}.safetensors"] for name in ("text_to_image", "emoji_decoder")}
    scenes, classifier = wanted_scenes(), emoji_classifier()
    pictures = emoji.scaled(emoji.compose(scenes))
    real = in_batches(classifier.features, emoji.scaled(emoji.compose(wanted_scenes(seed=9))))  # (N, 64)
    table = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if table.get("checkpoints_sha256") != shipped:  # other networks: nothing measured of it yet
        cars = emoji.scaled(emoji.compose(red_sports_cars(SEEDS)))
        table = {
            "recipe": "python -m course_lib.recipes.guidance_scales",
            "checkpoints_sha256": shipped,
            "pictures": PICTURES,
            "seeds": SEEDS,
            "prompt": PROMPT,
            "interval": INTERVAL,
            "real": describe_pictures(pictures, scenes, cars, real),
            "reconstructed": describe_pictures(
                in_batches(pipe.vae.reconstruct, pictures), scenes, in_batches(pipe.vae.reconstruct, cars), real
            ),
            "plain": {},
            "interval only": {},
            "projected": {},
        }
    prompts = full_captions(scenes)
    for w in SCALES:
        plain, projected = replace(pipe, along=1).guided(w), pipe.guided(w)
        for kind, denoiser, scales in (
            ("plain", plain, SCALES),
            ("interval only", Within(plain, pipe.denoiser, *INTERVAL), WITHIN),
            ("projected", projected, PROJECTED),
        ):
            if str(w) in table[kind] or w not in scales:
                continue
            drawn = draw_pictures(pipe, denoiser, prompts)
            table[kind][str(w)] = describe_pictures(
                drawn, scenes, draw_pictures(pipe, denoiser, [PROMPT] * SEEDS), real
            )
            with atomic_write(path) as partial:
                partial.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
            print(kind, w, table[kind][str(w)], flush=True)
    record_checksum(NAME)


if __name__ == "__main__":
    main()
