"""Pictures that are not whole, and those that were rated by eye."""

from dataclasses import replace

import pytest
import torch

from course_lib.emoji import damage as damages
from course_lib.emoji.damage import CHANGED, KINDS, WITH_WHEELS, damage
from course_lib.emoji.drawing import compose
from course_lib.emoji.rated import rated_once, rated_pictures
from course_lib.emoji.scenes import OBJECTS, all_cells, draw_scenes, sprites


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def scenes():
    return draw_scenes(200, generator(3), all_cells()).centred()


@pytest.fixture(scope="module")
def cars():
    cells = all_cells() & torch.tensor([name in WITH_WHEELS for name in OBJECTS])[:, None]
    return draw_scenes(60, generator(4), cells).centred()


def changed(pictures, others):
    """(B, H, W) bool: where a difference can be seen."""
    return (pictures.int() - others.int()).abs().amax(dim=1) > 40


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_seen_where_it_is_said_to_be(kind, scenes, cars):
    some = cars if kind == "without wheels" else scenes
    pictures, visible = damage(some, kind, generator())
    real = compose(some)
    assert pictures.shape == real.shape
    assert pictures.dtype == torch.uint8
    assert 0.4 < visible.double().mean() <= 1
    share = changed(pictures, real).sum((1, 2)) / changed(real, real[:, :, :1, :1]).sum((1, 2))
    assert share[visible].min() > CHANGED / 2  # a drawing of its own, with the other's outline, may be twice as large
    again, _ = damage(some, kind, generator())
    assert torch.equal(pictures, again)
    assert not torch.equal(pictures, damage(some, kind, generator(1))[0])


def test_the_backgrounds_stay(scenes):
    for kind in KINDS:
        pictures, _ = damage(scenes, kind, generator())
        corner = (pictures[:, :, 0, 0].int() - compose(scenes)[:, :, 0, 0].int()).abs().amax(dim=1)
        assert (corner <= 3).double().mean() > 0.97, kind  # now and then a part is moved into the corner


def test_swapped_pictures_are_made_of_two_drawings_of_which_neither_is_whole(scenes):
    pictures, visible = damage(scenes, "swapped", generator())
    others = compose(damages._with_other_drawings(scenes, generator()))
    real = compose(scenes)
    of_one, of_other = ((pictures == each).all(dim=1) for each in (real, others))
    assert (of_one | of_other).all()
    assert not of_one.flatten(1).all(dim=1)[visible].any()
    assert not of_other.flatten(1).all(dim=1)[visible].any()


def test_mixed_pictures_lie_between_two_drawings(scenes):
    pictures, _ = damage(scenes, "mixed", generator())
    others = compose(damages._with_other_drawings(scenes, generator())).int()
    real = compose(scenes).int()
    assert (pictures.int() >= torch.minimum(real, others) - 1).all()
    assert (pictures.int() <= torch.maximum(real, others) + 1).all()


def test_where_something_is_erased_there_is_background(scenes):
    pictures, visible = damage(scenes, "erased", generator())
    real = compose(scenes)
    away = (pictures != real).any(dim=1)  # (B, H, W)
    ground = real[:, :, :1, :1].expand_as(real)
    assert torch.equal(pictures.movedim(1, -1)[away], ground.movedim(1, -1)[away])
    assert away.flatten(1).any(dim=1)[visible].all()


def test_only_what_has_wheels_loses_them_and_only_below(scenes, cars):
    _, visible = damage(scenes, "without wheels", generator())
    with_wheels = torch.tensor([OBJECTS[index] in WITH_WHEELS for index in scenes.object])
    assert not visible[~with_wheels].any()
    pictures, visible = damage(cars, "without wheels", generator())
    assert visible.double().mean() > 0.6
    assert torch.equal(pictures[:, :, :32], compose(cars)[:, :, :32])


def test_the_other_drawing_is_another_and_mostly_of_the_same_object(scenes):
    others = damages._with_other_drawings(scenes, generator())
    same = others.object == scenes.object
    assert 0.65 < same.double().mean() < 0.85
    assert (others.sprite[same] != scenes.sprite[same]).double().mean() > 0.95
    assert torch.equal(others.colour, scenes.colour)
    assert torch.equal(others.background, scenes.background)
    # Every other drawing of an object has its turn.
    car = replace(
        draw_scenes(400, generator(), all_cells()),
        sprite=torch.full((400,), [sprite.object for sprite in sprites()].index(OBJECTS.index("sports car"))),
        native=torch.zeros(400, dtype=torch.bool),
    )
    drawn = damages._with_other_drawings(car, generator())
    assert len(drawn.sprite[drawn.object == car.object].unique()) == 7


def test_what_cannot_be_damaged_is_refused(scenes):
    with pytest.raises(ValueError, match=r"kind must be one of 'swapped', 'mixed', .* but got 'torn'"):
        damage(scenes, "torn")
    with pytest.raises(TypeError, match="scenes must be Scenes"):
        damage(compose(scenes), "erased")
    with pytest.raises(TypeError, match="generator"):
        damage(scenes, "erased", 3)


def test_the_rated_pictures_are_all_there():
    rated = rated_pictures()
    assert rated.pictures.shape == (300, 3, 64, 64)
    assert rated.pictures.dtype == torch.uint8
    assert rated.whole.shape == (300,)
    assert len(rated.prompts) == len(rated.settings) == 300
    assert rated.prompts.count("a red sports car") == 50
    assert 0.5 < rated.whole.double().mean() < 0.8
    assert len({bytes(picture.flatten().tolist()) for picture in rated.pictures}) == 300
    assert len(set(rated.settings)) == 5


def test_no_picture_teaches_and_measures():
    teaching, measuring = (
        {bytes(picture.flatten().tolist()) for picture in some().pictures} for some in (rated_once, rated_pictures)
    )
    assert len(teaching) == len(rated_once().whole) == 2760
    assert not teaching & measuring
    assert 0.7 < rated_once().whole.double().mean() < 0.85
