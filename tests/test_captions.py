"""Captions: every one says of its picture what is in it, is understood, and has no word that is not in the vocabulary."""

import hashlib
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.emoji import captions
from course_lib.emoji.captions import COLOUR_WORDS, OBJECT_WORDS, Request, describe, draw_captions, read_caption
from course_lib.emoji.scenes import (
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    SIZES,
    STYLES,
    Scenes,
    all_cells,
    draw_scenes,
    sprites,
)
from course_lib.networks.tokenizer import words


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def drawn():
    scenes = draw_scenes(30_000, generator(3), all_cells())
    return scenes, draw_captions(scenes, generator(4))


def test_the_same_for_a_seed_everywhere(drawn):
    scenes, texts = drawn
    assert texts == draw_captions(scenes, generator(4))
    assert texts != draw_captions(scenes, generator(5))
    assert hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16] == "2f2476236a0fcccd"


def test_a_caption_depends_on_its_own_row_alone(drawn):
    scenes, texts = drawn
    assert draw_captions(scenes[:10], generator(4)) == texts[:10]


def test_every_caption_says_what_its_picture_has(drawn):
    scenes, texts = drawn
    objects, styles = scenes.object.tolist(), scenes.style.tolist()
    for place, text in enumerate(texts):
        asked = read_caption(text)
        assert asked.object == objects[place], text
        assert asked.colour == scenes.colour[place], text
        assert asked.size in (None, scenes.size[place]), text
        assert asked.background in (None, scenes.background[place]), text
        assert asked.style in (None, styles[place]), text


def test_parts_are_left_out_as_often_as_said(drawn):
    scenes, texts = drawn
    requests = [read_caption(text) for text in texts]
    assert sum(text.startswith(("a picture of", "a drawing of")) for text in texts) / 30_000 == pytest.approx(
        1 / 3, abs=0.01
    )
    assert sum(asked.background is not None for asked in requests) / 30_000 == pytest.approx(1 / 2, abs=0.01)
    assert sum(asked.style is not None for asked in requests) / 30_000 == pytest.approx(1 / 4, abs=0.01)
    named = [asked.size is not None for asked in requests]
    medium = (scenes.size == 1).tolist()
    assert not any(name for name, is_medium in zip(named, medium, strict=True) if is_medium)
    assert sum(named) / (30_000 - sum(medium)) == pytest.approx(0.8, abs=0.01)


def test_the_vocabulary_is_exactly_the_set_of_words(drawn):
    vocabulary = captions.vocabulary()
    seen = {word for text in drawn[1] for word in words(text)}
    assert seen == set(vocabulary)
    assert list(vocabulary) == sorted(set(vocabulary))
    assert 170 <= len(vocabulary) <= 200


def test_every_phrase_comes_and_belongs_to_one_thing(drawn):
    for table, names in ((OBJECT_WORDS, OBJECTS), (COLOUR_WORDS, tuple(COLOURS))):
        assert tuple(table) == names
        assert all(phrases[0] == name for name, phrases in table.items())
        assert max(Counter(phrase for phrases in table.values() for phrase in phrases).values()) == 1
    texts = " | ".join(drawn[1])
    for phrase in [
        phrase for table in (OBJECT_WORDS, COLOUR_WORDS) for phrases in table.values() for phrase in phrases
    ]:
        assert f" {phrase}" in texts, phrase


def test_articles(drawn):
    for text in drawn[1]:
        begin = text.removeprefix("a picture of ").removeprefix("a drawing of ")
        counted = not any(f" {phrase}" in f" {begin}" for phrase in captions.WITHOUT_ARTICLE)
        article, _, rest = begin.partition(" ")
        if counted:
            assert article == ("an" if rest[0] in "aeiou" else "a"), text
        else:
            assert article not in ("a", "an"), text


def test_describe():
    index = next(i for i, sprite in enumerate(sprites()) if sprite.icon == "coupe_flat")
    parts = (index, list(COLOURS).index("orange"), list(BACKGROUNDS).index("sky blue"), 0, 16, 16, False)
    scenes = Scenes(*(torch.tensor([0, part]) for part in parts[:-1]), torch.tensor([False, False]))
    assert describe(scenes, 1) == "a small orange sports car on a sky blue background, flat style"
    with pytest.raises(ValueError, match="index must lie between 0 and 1, but got 2"):
        describe(scenes, 2)


@given(st.integers(0, 2**31), st.booleans())
def test_what_is_described_is_read_back(seed, capitals):
    scenes = draw_scenes(1, generator(seed), all_cells())
    text = describe(scenes)
    size = scenes.size.item()
    assert read_caption(text.upper() if capitals else f"  {text} ") == Request(
        scenes.object.item(),
        scenes.colour.item(),
        None if size == 1 else size,
        scenes.background.item(),
        scenes.style.item(),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a rosy bunny", ("rabbit", "pink", None, None, None)),
        ("a red sports car", ("sports car", "red", None, None, None)),
        ("a picture of a large crimson race car on black", ("racing car", "red", "large", "black", None)),
        ("an orange tangerine", ("tangerine", "orange", None, None, None)),
        (
            "violet trousers on a light green background, clip art style",
            ("jeans", "purple", None, "light green", "clip art"),
        ),
        ("a small golden teddy on pale yellow, icon style", ("teddy bear", "yellow", "small", "pale yellow", "icon")),
    ],
)
def test_known_captions(text, expected):
    name, colour, size, background, style = expected
    assert read_caption(text) == Request(
        OBJECTS.index(name),
        list(COLOURS).index(colour),
        None if size is None else list(SIZES).index(size),
        None if background is None else list(BACKGROUNDS).index(background),
        None if style is None else STYLES.index(style),
    )


@pytest.mark.parametrize(
    "text", ["", "a car", "red", "a red unicorn", "a red car on mauve", "a red car car", "a red car, art style"]
)
def test_captions_that_are_none(text):
    with pytest.raises(ValueError, match=r"caption must read like 'a small red car .*', but "):
        read_caption(text)


def test_a_caption_is_a_string():
    with pytest.raises(TypeError, match="caption must be a string, but got int"):
        read_caption(3)
