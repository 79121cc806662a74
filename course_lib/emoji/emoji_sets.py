"""All emoji pictures without people, as five sets draw them, 64×64 on white: variety for training a VAE; and the faces.

They have names but no captions: the captioned pictures are composed by ``course_lib.emoji.drawing``. An emoji stands on
one side of the split with all its versions, for two sets draw on the same outlines. Emoji that show
a held-out pair of object and colour in any set are in no training set.

Sources and licences: data/emoji/NOTICE; made by recipes/pictures/build_emoji.py.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.emoji.drawing import read_sheet, scaled
from course_lib.emoji.scenes import SIDE
from course_lib.support.files import shipped_file

_COLUMNS = 40  # of pictures in a row of the sheets


class EmojiPictures(NamedTuple):
    """pictures: (N, 3, 64, 64) uint8 in 0…255; of each its Unicode name, its code and the set that it is from."""

    pictures: Tensor
    names: tuple[str, ...]
    codes: tuple[str, ...]
    sources: tuple[str, ...]


def train_set() -> EmojiPictures:
    """Nine tenths of the emoji, without those that show a held-out pair of object and colour."""
    return _pick(lambda entry: not entry["test"] and not entry["held_out"])


def test_set() -> EmojiPictures:
    """A tenth of the emoji, of which no version is in the training set."""
    return _pick(lambda entry: entry["test"])


def faces() -> EmojiPictures:
    """The smileys, cats and monkeys that look at the reader, for paths from one face to another."""
    return _pick(lambda entry: entry["face"])


def small_faces() -> Tensor:
    """Those faces at half their size, (609, 3, 32, 32) float32 in [-1, 1]: each pixel the mean of four."""
    return F.avg_pool2d(scaled(faces().pictures), 2)


def _pick(wanted: Callable[[dict], bool]) -> EmojiPictures:
    """Copies: changing them in place does no harm elsewhere."""
    index = _index()
    rows, codes, sources = [], [], []
    for source, listed in index["pictures"].items():
        places = [place for place, code in enumerate(listed) if wanted(index["emoji"][code])]
        rows.append(_sheet(source)[places])
        codes += [listed[place] for place in places]
        sources += [source] * len(places)
    names = tuple(index["emoji"][code]["name"] for code in codes)
    return EmojiPictures(torch.cat(rows), names, tuple(codes), tuple(sources))


@cache
def _index() -> dict:
    return json.loads(shipped_file("emoji/pictures.json").read_text(encoding="utf-8"))


@cache
def _sheet(source: str) -> Tensor:
    """(N, 3, 64, 64) uint8: all pictures of one set."""
    count = len(_index()["pictures"][source])
    tiles = read_sheet(f"emoji/pictures_{source}.webp", "RGB", SIDE, _COLUMNS, count)  # (N, 64, 64, 3)
    return tiles.movedim(-1, 1).contiguous()
