"""Captions: what is in an emoji picture, in words, with synonyms and with parts left out.

The grammar, where a bar separates choices and what stands in brackets may be missing:

    [a picture of | a drawing of] a|an [small | large] COLOUR OBJECT [on BACKGROUND | on a BACKGROUND background]
    [, STYLE style]

An object of medium size has no word for its size. What is not counted (jeans, gloves) has no article. ``read_caption`` goes the
other way: what does a caption ask for?
"""

import re
from functools import cache
from typing import NamedTuple

import torch

from course_lib.emoji.scenes import BACKGROUNDS, COLOURS, OBJECTS, SIZES, STYLES, Scenes, require_scenes
from course_lib.networks.tokenizer import words
from course_lib.support.arguments import require_between, require_whole_number

COLOUR_WORDS = {
    "red": ("red", "scarlet", "crimson"),
    "orange": ("orange",),
    "yellow": ("yellow", "golden"),
    "green": ("green", "emerald"),
    "blue": ("blue", "azure"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rosy"),
    "brown": ("brown", "chocolate"),
    "black": ("black", "ebony"),
    "grey": ("grey", "gray", "silver"),
    "white": ("white", "snowy"),
}
OBJECT_WORDS = {name: (name,) for name in OBJECTS} | {
    "airplane": ("airplane", "plane"),
    "bag": ("bag", "purse"),
    "bicycle": ("bicycle", "bike"),
    "bucket": ("bucket", "pail"),
    "cap": ("cap", "hat"),
    "car": ("car", "automobile"),
    "cat": ("cat", "kitty"),
    "circle": ("circle", "disc"),
    "crescent moon": ("crescent moon", "moon"),
    "dinosaur": ("dinosaur", "dino"),
    "dog": ("dog", "puppy"),
    "dress": ("dress", "gown"),
    "droplet": ("droplet", "drop"),
    "fire engine": ("fire engine", "fire truck"),
    "gem": ("gem", "jewel"),
    "helicopter": ("helicopter", "chopper"),
    "horse": ("horse", "pony"),
    "house": ("house", "home"),
    "jeans": ("jeans", "trousers"),
    "ladybug": ("ladybug", "ladybird"),
    "motor scooter": ("motor scooter", "moped"),
    "motorcycle": ("motorcycle", "motorbike"),
    "mushroom": ("mushroom", "toadstool"),
    "pig": ("pig", "piggy"),
    "rabbit": ("rabbit", "bunny"),
    "racing car": ("racing car", "race car"),
    "ribbon": ("ribbon", "bow"),
    "sailboat": ("sailboat", "sailing boat"),
    "sneaker": ("sneaker", "trainer"),
    "soccer ball": ("soccer ball", "football"),
    "speedboat": ("speedboat", "motorboat"),
    "sports car": ("sports car", "coupe"),
    "suitcase": ("suitcase", "luggage"),
    "t-shirt": ("t-shirt", "tee"),
    "tangerine": ("tangerine", "mandarin"),
    "teddy bear": ("teddy bear", "teddy"),
    "telephone": ("telephone", "phone"),
    "train": ("train", "locomotive"),
    "turtle": ("turtle", "tortoise"),
}
"""Object → what captions call it, its own name first. No phrase belongs to two objects."""

WITHOUT_ARTICLE = ("jeans", "gloves", "grapes", "trousers", "luggage", "yarn")
"""Plurals, and what is not counted."""

SIZE_WORDS = {"small": "small", "medium": "", "large": "large"}
BEGINNINGS = ("a picture of ", "a drawing of ")


class Request(NamedTuple):
    """What a caption asks for: indices into OBJECTS, COLOURS, SIZES, BACKGROUNDS and STYLES; None for what it leaves open."""

    object: int
    colour: int
    size: int | None
    background: int | None
    style: int | None


def describe(scene: Scenes, index: int = 0) -> str:
    """The plain full caption of one of the scenes: every part named, by its own name.

    Raises:
        ValueError: if there is no scene of that index.
    """
    require_scenes(scene)
    require_whole_number("index", index)
    require_between("index", index, 0, len(scene.sprite) - 1)
    one = scene[index : index + 1]
    object_, style = one.object.item(), one.style.item()
    background = f" on a {list(BACKGROUNDS)[one.background]} background"
    what = _thing(list(SIZES)[one.size], list(COLOURS)[one.colour], OBJECTS[object_])
    return f"{what}{background}, {STYLES[style]} style"


def draw_captions(scenes: Scenes, generator: torch.Generator | None = None) -> list[str]:
    """A caption for each of B scenes, its words and the parts that it leaves out drawn at random.

    Two thirds of the captions begin with the object, half name the background, a quarter the style; sizes that have
    a word are named four times out of five.
    """
    require_scenes(scenes)
    count = len(scenes.sprite)
    # One row of draws for each caption, so that a caption depends on its own row alone.
    draws = torch.randint(2**31, (count, 6), generator=generator).tolist()
    rows = zip(scenes.object.tolist(), scenes.style.tolist(), strict=True)
    sizes, colours, backgrounds = list(SIZES), list(COLOURS), list(BACKGROUNDS)
    parts = (part.tolist() for part in (scenes.size, scenes.colour, scenes.background))
    captions = []
    for (object_, style), size, colour, background, draw in zip(rows, *parts, draws, strict=True):
        begin, named, hue, thing, where, how = draw
        text = ("", "", "", "", *BEGINNINGS)[begin % 6]
        text += _thing(
            sizes[size] if named % 5 else "medium",
            _one_of(COLOUR_WORDS[colours[colour]], hue),
            _one_of(OBJECT_WORDS[OBJECTS[object_]], thing),
        )
        ground = backgrounds[background]
        text += ("", "", f" on {ground}", f" on a {ground} background")[where % 4]
        text += f", {STYLES[style]} style" if how % 4 == 0 else ""
        captions.append(text)
    return captions


def read_caption(caption: str) -> Request:
    """What a caption of the grammar asks for; capitals and spaces at the ends do not matter.

    Raises:
        ValueError: if the caption is not of the grammar, saying from where on.
    """
    if not isinstance(caption, str):
        raise TypeError(f"caption must be a string, but got {type(caption).__name__}.")
    found = _grammar().fullmatch(" ".join(caption.lower().split()))
    if found is None:
        raise ValueError(
            f"caption must read like 'a small red car on a sky blue background, flat style', but got {caption!r}."
        )
    size, background, style = (found[name] for name in ("size", "background", "style"))
    return Request(
        _places(OBJECT_WORDS)[found["object"]],
        _places(COLOUR_WORDS)[found["colour"]],
        None if size is None else list(SIZES).index(size),
        None if background is None else list(BACKGROUNDS).index(background),
        None if style is None else STYLES.index(style),
    )


@cache
def vocabulary() -> tuple[str, ...]:
    """All words that captions can contain, in order of the alphabet; the comma is one."""
    phrases = [*BEGINNINGS, "a an on background style ,", *SIZE_WORDS.values(), *BACKGROUNDS, *STYLES]
    phrases += [phrase for words in (*COLOUR_WORDS.values(), *OBJECT_WORDS.values()) for phrase in words]
    return tuple(sorted({word for phrase in phrases for word in words(phrase)}))


def _thing(size: str, colour: str, name: str) -> str:
    """Article, size, colour and object, such as "an orange cat"."""
    phrase = " ".join(word for word in (SIZE_WORDS[size], colour, name) if word)
    if name in WITHOUT_ARTICLE:
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _one_of(words: tuple[str, ...], draw: int) -> str:
    """The thing's own name half of the time, else one of its synonyms."""
    if len(words) == 1 or draw % 2 == 0:
        return words[0]
    return words[1 + draw // 2 % (len(words) - 1)]


def _places(words: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """Phrase → the place of the entry that it belongs to."""
    return {phrase: place for place, phrases in enumerate(words.values()) for phrase in phrases}


@cache
def _grammar() -> re.Pattern:
    def any_of(phrases) -> str:
        return "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))

    size = any_of(filter(None, SIZE_WORDS.values()))
    return re.compile(
        f"(?:{any_of(BEGINNINGS)})?(?:an? )?(?:(?P<size>{size}) )?(?P<colour>{any_of(_places(COLOUR_WORDS))}) "
        f"(?P<object>{any_of(_places(OBJECT_WORDS))})(?: on (?:a )?(?P<background>{any_of(BACKGROUNDS)})(?: background)?)?"
        f"(?:, (?P<style>{any_of(STYLES)}) style)?"
    )
