"""The real drawing that a picture is nearest to."""

from dataclasses import replace

import pytest
import torch

from course_lib.emoji import damage as damages
from course_lib.emoji.damage import damage
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.nearest import nearest_real
from course_lib.emoji.scenes import OBJECTS, SIDE, all_cells, draw_scenes, sides_of, sprites


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def seen(scenes):
    """What judges see who are always right."""
    return {
        "object": scenes.object,
        "colour": scenes.colour,
        "background": scenes.background,
        "size": scenes.size,
    }


@pytest.fixture(scope="module")
def scenes():
    return draw_scenes(120, generator(3), all_cells())


@pytest.mark.parametrize("centred", [True, False])
def test_a_real_picture_is_nearest_to_itself(scenes, centred):
    scenes = scenes.centred() if centred else scenes
    pictures = scaled(compose(scenes))
    assert torch.equal(nearest_real(pictures, seen(scenes)), pictures)


def test_a_torn_picture_is_nearest_to_what_it_was_made_of(scenes):
    scenes, real = scenes.centred(), scaled(compose(scenes.centred()))
    pictures, _ = damage(scenes, "without wheels", generator())
    assert (nearest_real(scaled(pictures), seen(scenes)) == real).all(dim=(1, 2, 3)).double().mean() > 0.8
    # A bent one is nearest to the same drawing, sometimes a pixel aside.
    pictures, _ = damage(scenes, "bent", generator())
    off = (nearest_real(scaled(pictures), seen(scenes)) - real).abs().mean((1, 2, 3))
    other = (scaled(compose(damages._with_other_drawings(scenes, generator()))) - real).abs().mean((1, 2, 3))
    assert (off < other / 2).double().mean() > 0.7


def test_the_nearest_drawing_stands_where_the_object_is(scenes):
    pictures, _ = damage(scenes, "bent", generator())
    nearest = nearest_real(scaled(pictures), seen(scenes))
    ground = nearest[:, :, :1, :1]
    there = [((some - ground).abs().amax(dim=1) > 0.2).double() for some in (scaled(pictures), nearest)]
    places = torch.arange(SIDE) * 1.0
    for axis in (1, 2):
        first, second = ((each.sum(dim=axis) * places).sum(dim=1) / each.sum((1, 2)).clamp(min=1) for each in there)
        assert (first - second).abs().median() < 1.5


def test_what_is_seen_says_which_drawings_there_are(scenes):
    pictures, told = scaled(compose(scenes)), seen(scenes)
    cat = nearest_real(pictures, told | {"object": torch.full_like(scenes.object, OBJECTS.index("cat"))})
    cats = torch.tensor([sprite.object == OBJECTS.index("cat") for sprite in sprites()])
    for row in range(3):
        one = replace(scenes[torch.full((int(cats.sum()),), row)], sprite=cats.nonzero().flatten())
        one = replace(one, native=torch.zeros_like(one.native)).centred()
        native = replace(one, native=torch.tensor([sprites()[k].native for k in one.sprite]) == one.colour)
        every = torch.cat([_everywhere(each) for each in (one, native)])
        assert (every == cat[row]).all(dim=(1, 2, 3)).any()
    assert torch.equal(cat[:, :, 0, 0], pictures[:, :, 0, 0])


def _everywhere(scenes):
    last = int(SIDE - sides_of(scenes.size[:1]))
    places = [(x, y) for x in range(last + 1) for y in range(last + 1)]
    whole = [replace(scenes, x=torch.full_like(scenes.x, x), y=torch.full_like(scenes.y, y)) for x, y in places]
    return torch.cat([scaled(compose(some)) for some in whole])


def test_an_empty_picture_has_a_nearest_drawing_too(scenes):
    empty = torch.full((1, 3, 64, 64), 0.5)
    assert nearest_real(empty, seen(scenes[:1])).shape == (1, 3, 64, 64)
