"""Draw the pictures that the README begins with: ``python -m course_lib.recipes.pictures.cover``, some seconds."""

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from course_lib.pipeline.text_to_image import TextToImage
from course_lib.pretrained import text_to_image
from course_lib.support.files import atomic_write, data_folder, record_checksum

SEED, MOMENTS, GAP = 4, 8, 4
PROMPTS = (
    "a red sports car",
    "a blue frog",
    "a yellow umbrella on a black background",
    "a small pink elephant",
    "a purple teapot",
    "a white owl on grey",
    "a green rocket on pale yellow",
    "a large orange fish",
)


def out_of_noise(pipe: TextToImage) -> Tensor:
    """The first prompt's path out of the noise, decoded at MOMENTS, (MOMENTS, 3, 64, 64) uint8."""
    steps = list(pipe.watch(PROMPTS[0], seed=SEED))
    chosen = torch.linspace(0, len(steps) - 1, MOMENTS).round().int().tolist()
    return pipe.decode(torch.cat([steps[index].x for index in chosen])).tensor


def side_by_side(pictures: Tensor) -> Image.Image:
    """(N, 3, 64, 64) uint8 in a row on white, each twice as large and not smoothed."""
    large = pictures.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)  # (N, 3, 128, 128)
    row = torch.cat(list(F.pad(large, (GAP, GAP), value=255)), dim=2)  # (3, 128, N · (128 + 2 GAP))
    return Image.fromarray(row.permute(1, 2, 0).cpu().contiguous().numpy())


def main() -> None:
    pipe = text_to_image()
    for name, pictures in {"noise_to_car": out_of_noise(pipe), "prompts": pipe(PROMPTS, seed=SEED).tensor}.items():
        path = f"cover/{name}.png"
        with atomic_write(data_folder() / path) as partial:
            side_by_side(pictures).save(partial, "png", optimize=True)
        record_checksum(path)


if __name__ == "__main__":
    main()
