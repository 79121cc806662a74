"""The composed emoji pictures: what was asked for is what is in them, the same for a seed everywhere."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.emoji import oklab
from course_lib.emoji.drawing import compose, recolour, scaled
from course_lib.emoji.scenes import (
    BACKGROUNDS,
    COLOURS,
    LABELS,
    OBJECTS,
    SIDE,
    SIZES,
    STYLES,
    Scenes,
    all_cells,
    draw_scenes,
    held_out_cells,
    joined,
    sprites,
    training_cells,
    visible,
)
from course_lib.support.files import data_folder

COLOUR_NAMES = list(COLOURS)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def scene(sprite=0, colour="red", background="white", size="medium", native=False):
    """One scene, its object in the middle."""
    place = (SIDE - SIZES[size]) // 2
    indices = (COLOUR_NAMES.index(colour), list(BACKGROUNDS).index(background), list(SIZES).index(size))
    return Scenes(*(torch.tensor([value]) for value in (sprite, *indices, place, place, native)))


def same(some, others):
    return all(torch.equal(part, getattr(others, name)) for name, part in vars(some).items())


def sprites_of(name):
    return [place for place, sprite in enumerate(sprites()) if OBJECTS[sprite.object] == name]


def test_the_vocabulary_of_pictures():
    assert len(OBJECTS) == len(set(OBJECTS)) == 101
    assert (len(COLOURS), len(BACKGROUNDS), len(SIZES), len(STYLES)) == (11, 7, 3, 7)
    assert len(sprites()) > 474
    assert [sprite.object for sprite in sprites()] == sorted(sprite.object for sprite in sprites())
    assert {sprite.object for sprite in sprites()} == set(range(101))
    assert {sprite.style for sprite in sprites()} == set(range(7))
    assert len(sprites_of("sports car")) >= 7


def test_shapes_and_ranges():
    scenes = draw_scenes(50, generator())
    assert len(scenes) == 50
    assert all(part.shape == (50,) for part in vars(scenes).values())
    assert {part.dtype for name, part in vars(scenes).items() if name != "native"} == {torch.int64}
    assert scenes.native.dtype == torch.bool
    pictures = compose(scenes)
    assert (pictures.shape, pictures.dtype) == ((50, 3, 64, 64), torch.uint8)
    floats = scaled(pictures)
    assert (floats.dtype, floats.min().item(), floats.max().item()) == (torch.float32, -1, 1)


def test_the_same_for_a_seed_everywhere():
    """The digest was taken once: another machine, another version of torch or Pillow must come to the same bytes."""
    first, again, other = (compose(draw_scenes(300, generator(seed))) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert hashlib.sha256(first.numpy().tobytes()).hexdigest()[:16] == "bd35df2a8f04c74d"


def test_no_held_out_cell_in_a_million_training_scenes():
    held_out = held_out_cells()
    counts = torch.zeros(101, 11, dtype=torch.long)
    for seed in range(4):
        scenes = draw_scenes(250_000, generator(seed))
        counts += torch.bincount(scenes.object * 11 + scenes.colour, minlength=101 * 11).view(101, 11)
        assert visible(scenes.colour, scenes.background).all()
    assert counts[held_out].sum() == 0
    assert (counts[~held_out] > 0).all()
    # The sports car comes three times as often as another object, all others equally often.
    share = counts.sum(1) / counts.sum() * 103
    car = OBJECTS.index("sports car")
    assert share[car].item() == pytest.approx(3, abs=0.1)
    assert (share[torch.arange(101) != car] - 1).abs().max() < 0.06


def test_what_is_held_out():
    held_out = held_out_cells()
    red = COLOUR_NAMES.index("red")
    assert held_out[OBJECTS.index("sports car"), red]
    assert held_out[OBJECTS.index("racing car"), red]
    assert not held_out[OBJECTS.index("car"), red]
    assert 0.09 < held_out.float().mean() < 0.11
    assert (11 - held_out.sum(1)).min() >= 8
    assert torch.equal(training_cells(), ~held_out)
    scenes = draw_scenes(5000, generator(), held_out)
    assert held_out[scenes.object, scenes.colour].all()


def test_centred_scenes_have_as_much_room_on_either_side_and_are_else_the_same():
    scenes = draw_scenes(500, generator())
    centred = scenes.centred()
    side = torch.tensor(list(SIZES.values()))[scenes.size]
    for place in (centred.x, centred.y):
        assert torch.equal(place, SIDE - side - place)
    assert same(replace(centred, x=scenes.x, y=scenes.y), scenes)


def test_a_drawing_is_found_by_its_object():
    scenes = draw_scenes(20_000, generator(), all_cells())
    assert len(scenes.sprite.unique()) == len(sprites())
    objects = torch.tensor([sprite.object for sprite in sprites()])
    styles = torch.tensor([sprite.style for sprite in sprites()])
    assert torch.equal(scenes.object, objects[scenes.sprite])
    assert torch.equal(scenes.style, styles[scenes.sprite])
    natives = torch.tensor([sprite.native for sprite in sprites()])[scenes.sprite]
    assert torch.equal(natives[scenes.native], scenes.colour[scenes.native])
    assert scenes.native.float().mean() > 0.02
    assert torch.bincount(scenes.size).tolist() == pytest.approx([5000, 10_000, 5000], rel=0.1)
    assert (scenes.background == 0).float().mean().item() == pytest.approx(0.53, abs=0.05)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_background_is_exact_and_the_object_fills_its_size(background):
    colour = tuple(bytes.fromhex(BACKGROUNDS[background][1:]))
    for size, side in SIZES.items():
        picture = compose(scene(sprites_of("circle")[0], "purple", background, size))[0]
        differs = (picture != torch.tensor(colour, dtype=torch.uint8)[:, None, None]).any(0)
        for axis in (0, 1):
            places = differs.any(axis).nonzero()
            assert places.max() - places.min() + 1 == side
            assert places.min() == (64 - side) // 2


def test_place():
    """x counts from the left, y from the top."""
    middle = scene(0, "red", "white", "small")
    moved = replace(middle, x=torch.tensor([28]), y=torch.tensor([5]))
    first, second = compose(middle)[0], compose(moved)[0]
    assert torch.equal(first[:, 16:48, 16:48], second[:, 5:37, 28:60])


def test_compose_agrees_with_plain_arithmetic():
    """The native drawing, reduced by Pillow and laid on a background in floating-point numbers: nearly the same."""
    sheets = [
        np.asarray(Image.open(data_folder() / f"emoji/sprites_{layer}.webp").convert("RGBA"))
        for layer in ("paint", "rest")
    ]
    checked = 0
    for place, sprite in enumerate(sprites()):
        if place % 17 or sprite.native < 0:
            continue
        row, column = divmod(place, 25)
        tiles = [sheet[row * 72 : row * 72 + 72, column * 72 : column * 72 + 72].astype(float) for sheet in sheets]
        both = np.dstack(
            [sum(tile[..., :3] * tile[..., 3:] / 255 for tile in tiles), sum(tile[..., 3] for tile in tiles)]
        )
        layers = [
            np.asarray(
                Image.fromarray(both[..., channel].clip(0, 255).astype(np.float32)).resize((60, 60), Image.BICUBIC)
            )
            for channel in range(4)
        ]
        alpha = layers[3].clip(0, 255)
        for background, value in (("sky blue", "#bcdff8"), ("black", "#18191d")):
            if background == COLOUR_NAMES[sprite.native]:
                continue
            came = compose(scene(place, COLOUR_NAMES[sprite.native], background, "large", True))[0, :, 2:62, 2:62]
            for channel, back in enumerate(bytes.fromhex(value[1:])):
                expected = layers[channel].clip(0, 255).clip(0, alpha) + (1 - alpha / 255) * back
                away = np.abs(came[channel].numpy() - expected)
                assert away.max() < 12  # where the filter rings, the two clip at different moments
                assert away.mean() < 0.35
                checked += 1
    assert checked > 30


def test_recoloured_paint_has_the_colour_that_was_asked_for():
    """Paint at the medians becomes the prototype itself; darker paint stays darker, and all of it can be shown."""
    lightness, chroma, hue = torch.tensor([[0.6], [0.15], [0.5]], dtype=torch.float64)
    paint = oklab.to_srgb(oklab.from_polar(lightness, chroma, hue))
    darker = oklab.to_srgb(oklab.from_polar(lightness - 0.1, chroma, hue))
    for name, value in COLOURS.items():
        prototype = torch.tensor(tuple(bytes.fromhex(value[1:]))) / 255
        came = recolour(paint, lightness, chroma, hue, name)
        assert torch.allclose(came[0].float(), prototype, atol=0.01)
        shade = oklab.to_oklab(recolour(darker, lightness, chroma, hue, name))
        assert 0.02 < (oklab.to_oklab(came) - shade)[0, 0] < 0.11
    # Paint that came without a colour takes the colour whole.
    grey = torch.full((1, 3), 0.5, dtype=torch.float64)
    none = torch.zeros(1, dtype=torch.float64)
    came = recolour(grey, oklab.to_oklab(grey)[:, 0], none, none, "red")
    assert torch.allclose(came[0] * 255, torch.tensor([220.0, 30.0, 40.0], dtype=torch.float64), atol=2)
    # Vivid light paint, asked to be red, has to give up chroma to be shown.
    vivid = torch.tensor([[1.0, 1.0, 0.0]], dtype=torch.float64)
    came = recolour(vivid, lightness, chroma, hue, "red")
    assert ((came >= 0) & (came <= 1)).all()
    assert oklab.to_polar(oklab.to_oklab(came))[0] > 0.7


def test_recolouring_keeps_what_varies_in_the_paint():
    """Half of the chroma stays half of it, more than half as much again is cut off, a quarter of the hue's way stays."""
    lightness, chroma, hue = torch.tensor([[0.6], [0.08], [0.5]], dtype=torch.float64)

    def recoloured(paint_chroma, paint_hue, colour="brown"):
        paint = oklab.to_srgb(oklab.from_polar(lightness, paint_chroma, paint_hue))
        return oklab.to_polar(oklab.to_oklab(recolour(paint, lightness, chroma, hue, colour)))

    whole, half, aside = (recoloured(*paint) for paint in ((chroma, hue), (chroma / 2, hue), (chroma, hue + 0.4)))
    assert half[1] / whole[1] == pytest.approx(0.5, abs=1e-6)
    assert aside[2] - whole[2] == pytest.approx(0.1, abs=1e-6)
    # Black has hardly any chroma, so that twice as much of it could be shown.
    assert recoloured(chroma * 2, hue, "black")[1] / recoloured(chroma, hue, "black")[1] == pytest.approx(1.5, abs=1e-6)


def test_recolouring_leaves_the_rest_alone():
    """Where a drawing has no paint, all its colours look the same."""
    wheels = next(place for place, sprite in enumerate(sprites()) if sprite.icon == "coupe_clip_art")
    red, green = (compose(scene(wheels, colour, "white", "large"))[0] for colour in ("red", "green"))
    same = (red == green).all(0)
    dark = (red.float().mean(0) < 90) & same
    assert dark.sum() > 60  # the tyres
    assert (~same).sum() > 500  # the body


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sprite": torch.tensor([100_000])}, r"scenes\.sprite must lie between 0 and"),
        ({"colour": torch.tensor([-1])}, r"scenes\.colour must lie between 0 and 10"),
        ({"background": torch.tensor([7])}, r"scenes\.background must lie between 0 and 6"),
        ({"size": torch.tensor([3])}, r"scenes\.size must lie between 0 and 2"),
        ({"x": torch.tensor([19])}, r"scenes\.x must lie between 0 and 64 less the size"),
        ({"y": torch.tensor([-1])}, r"scenes\.y must lie between 0 and 64 less the size"),
        ({"colour": torch.tensor([1, 2])}, r"scenes\.colour must have the shape of scenes\.sprite"),
        ({"native": torch.tensor([True]), "colour": torch.tensor([5])}, r"scenes\.native must be False wherever"),
    ],
)
def test_scenes_that_cannot_be(change, message):
    red = next(place for place, sprite in enumerate(sprites()) if COLOUR_NAMES[sprite.native] == "red")
    with pytest.raises(ValueError, match=message):
        replace(scene(red), **change)


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (0, TypeError, r"a tensor or a slice, such as scenes\[3:4\], but got 0"),
        ([0, 1], TypeError, "a tensor or a slice"),
        (slice(None, None, -1), ValueError, "a slice that goes forwards, but its step is -1"),
        (torch.tensor([True]), TypeError, "a bool for each of 5, but got shape"),
        (torch.ones(5, dtype=torch.uint8), TypeError, "but got shape"),
        (torch.zeros(2, 2, dtype=torch.int64), TypeError, r"but got shape \(2, 2\)"),
        (torch.tensor([5]), ValueError, "rows must lie between -5 and 4, but got 5"),
    ],
)
def test_rows_that_cannot_be_are_refused_in_one_sentence(rows, error, words):
    with pytest.raises(error, match=words):
        draw_scenes(5, torch.Generator().manual_seed(0))[rows]


def test_rows_may_be_negative_none_or_chosen_by_a_mask():
    scenes = draw_scenes(5, torch.Generator().manual_seed(0))
    assert len(scenes[0:0]) == 0
    assert scenes[torch.tensor([-1])].sprite == scenes.sprite[4]
    mask = torch.tensor([True, False, True, False, False])
    assert torch.equal(scenes[mask].sprite, scenes.sprite[[0, 2]])


def test_refusals():
    with pytest.raises(TypeError, match=r"scenes\.native must be torch\.bool, but its dtype is torch\.int64"):
        replace(scene(), native=torch.tensor([0]))
    with pytest.raises(TypeError, match=r"scenes\.size must be torch\.int64, but its dtype is torch\.uint8"):
        replace(scene(), size=torch.tensor([0], dtype=torch.uint8))
    with pytest.raises(TypeError, match=r"generator must be a torch\.Generator"):
        draw_scenes(3, 5)
    with pytest.raises(TypeError, match="parts must be one or more Scenes"):
        joined(3)
    with pytest.raises(TypeError, match=r"scenes\.colour must be torch\.int64"):
        replace(scene(), colour=torch.tensor([1.0]))
    with pytest.raises(TypeError, match="size must be a whole number"):
        draw_scenes(1.5)
    with pytest.raises(ValueError, match="size must be at least 1, but got 0"):
        draw_scenes(0)
    with pytest.raises(ValueError, match=r"cells must have the shape of all_cells\(\)"):
        draw_scenes(1, cells=torch.ones(3, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="cells must be bool, with at least one True"):
        draw_scenes(1, cells=~all_cells())
    with pytest.raises(TypeError, match=r"cells must be a torch\.Tensor"):
        draw_scenes(1, cells="held out")


def test_every_source_has_its_licence():
    folder = data_folder() / "emoji"
    notice = (folder / "NOTICE").read_text(encoding="utf-8")
    for source in {sprite.source for sprite in sprites()}:
        assert f'Source "{source}"' in notice
    for text in ("Apache-2.0", "CC-BY-4.0", "MIT-Microsoft", "MIT-emojibase"):
        assert f"licenses/{text}.txt" in notice
        assert len((folder / "licenses" / f"{text}.txt").read_text(encoding="utf-8")) > 1000
    assert "recoloured" in notice


def test_small_enough_to_ship():
    sizes = {path.name: path.stat().st_size for path in (data_folder() / "emoji").rglob("*") if path.is_file()}
    rated = sum(size for name, size in sizes.items() if name.startswith("rated"))  # which no notebook needs
    assert rated <= 11_000_000
    assert sum(sizes.values()) - rated <= 16_000_000


def test_labels_say_all_that_a_scene_holds():
    scenes = draw_scenes(300, torch.Generator().manual_seed(5))
    named = [[LABELS[label] for label in row] for row in scenes.labels.tolist()]
    assert [row[0] for row in named] == [OBJECTS[o] for o in scenes.object.tolist()]
    lists = (COLOURS, BACKGROUNDS, SIZES)
    for place, (names, of) in enumerate(zip(lists, (scenes.colour, scenes.background, scenes.size), strict=True), 1):
        assert [row[place] for row in named] == [list(names)[index] for index in of.tolist()]
    assert [row[4] for row in named] == [STYLES[style] for style in scenes.style.tolist()]


def test_scenes_are_picked_by_rows_and_joined_again():
    scenes = draw_scenes(6, torch.Generator().manual_seed(0))
    for rows in (torch.tensor([5, 0, 5]), slice(2, 4)):
        chosen = scenes[rows]
        assert all(torch.equal(part, getattr(scenes, name)[rows]) for name, part in vars(chosen).items())
    again = joined(scenes[part] for part in (slice(2), slice(2, None)))
    assert same(again, scenes)
