"""Pictures and masks as people hand them over: files, cameras' tags, palettes, transparency, arrays, other sizes."""

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.pipeline.given import holes_from, pictures_from
from course_lib.pipeline.pictures import Pictures

RED, WHITE, BLACK = (1, -1, -1), (1, 1, 1), (-1, -1, -1)


def halves(width=64, height=64, left=(255, 0, 0), right=(0, 0, 255)):
    """A picture whose left half has one colour, and whose right half another."""
    image = Image.new("RGB", (width, height), right)
    image.paste(Image.new("RGB", (width // 2, height), left), (0, 0))
    return image


def at(pictures, row, column):
    return tuple(round(value, 1) for value in pictures[0, :, row, column].tolist())


def test_a_picture_of_the_right_size_is_taken_to_the_last_bit(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    expected = torch.from_numpy(values).permute(2, 0, 1)[None]
    image = Image.fromarray(values)
    image.save(tmp_path / "one.png")
    as_tensor = expected[0]
    for given in (
        image,
        tmp_path / "one.png",
        str(tmp_path / "one.png"),
        values,
        values.astype(np.int64),
        values / 255,
        as_tensor,
        expected,
        as_tensor / 127.5 - 1,
        Pictures(expected),
        [image],
    ):
        taken = pictures_from(given)
        assert taken.shape == (1, 3, 64, 64)
        assert torch.equal(((taken + 1) * 127.5).round().to(torch.uint8), expected)
    assert pictures_from([image, values]).shape == (2, 3, 64, 64)
    assert pictures_from(np.stack([values, values])).shape == (2, 3, 64, 64)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "HSV", "YCbCr", "1"])
def test_pictures_of_every_mode_are_taken_as_one_sees_them(mode):
    grey = halves(left=(255, 255, 255), right=(0, 0, 0)).convert(mode)
    taken = pictures_from(grey)
    assert at(taken, 5, 5) == WHITE
    assert at(taken, 5, 60) == BLACK


def test_what_is_transparent_is_white():
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (32, 0, 64, 64))
    palette = image.convert("P")
    palette.info["transparency"] = palette.getpixel((60, 5))
    for given in (image, image.convert("LA"), palette):
        assert at(pictures_from(given), 5, 60) == WHITE
    assert at(pictures_from(image), 5, 5) == RED
    assert at(pictures_from(palette), 5, 5) == RED


def test_sixteen_bits_become_eight():
    deep = Image.fromarray(np.full((64, 64), 65535, dtype=np.uint16))
    assert at(pictures_from(deep), 0, 0) == WHITE
    dark = Image.fromarray(np.full((64, 64), 200, dtype=np.uint16))  # however dark all of it is
    assert pictures_from(dark).unique().tolist() == pytest.approx([1 / 127.5 - 1])


def test_a_picture_of_floats_is_taken_as_the_array_would_be():
    values = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    of_floats, of_eight_bits = Image.fromarray(values), Image.fromarray((values * 255).round().astype(np.uint8))
    assert torch.equal(pictures_from(of_floats), pictures_from(of_eight_bits))
    assert torch.equal(pictures_from(of_eight_bits.convert("F")), pictures_from(of_eight_bits))
    assert torch.equal(pictures_from(of_eight_bits.convert("I")), pictures_from(of_eight_bits))


def test_a_tensor_of_half_the_precision_and_a_path_from_home_are_taken(tmp_path, monkeypatch):
    given = torch.full((3, 64, 64), 0.5, dtype=torch.bfloat16)
    assert torch.equal(pictures_from(given), pictures_from(given.float()))
    halves().save(tmp_path / "own.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert at(pictures_from("~/own.png"), 5, 5) == RED


def test_a_cameras_tag_turns_the_picture(tmp_path):
    tag = Image.Exif()
    tag[0x0112] = 6  # to be turned by a quarter to the right
    halves().save(tmp_path / "turned.jpg", exif=tag, quality=95)
    taken = pictures_from(tmp_path / "turned.jpg")
    assert taken[0, 0, 5].mean() > 0.8  # red is on top now
    assert taken[0, 2, 60].mean() > 0.8


def test_other_sizes_give_their_middle_square():
    wide = halves(300, 100)
    taken = pictures_from(wide)
    assert taken.shape == (1, 3, 64, 64)
    assert at(taken, 32, 5) == RED
    assert at(taken, 32, 58) == (-1, -1, 1)
    assert pictures_from(halves(16, 16)).shape == (1, 3, 64, 64)
    tall = Image.new("RGB", (10, 40), "white")
    tall.paste((0, 0, 0), (0, 15, 10, 25))
    assert (pictures_from(tall) < -0.9).float().mean() > 0.9


def test_the_first_frame_of_a_film_is_taken(tmp_path):
    halves().save(tmp_path / "film.gif", save_all=True, append_images=[Image.new("RGB", (64, 64))])
    assert at(pictures_from(tmp_path / "film.gif"), 5, 5) == RED


# --- masks ------------------------------------------------------------------------------------------------------------


def square(size=64, low=0, high=255):
    values = np.full((size, size), low, dtype=np.uint8)
    values[size // 4 : size // 2, size // 4 : size // 2] = high
    return values


def test_masks_are_taken_in_every_form(tmp_path):
    values = square()
    expected = torch.from_numpy(values > 0)[None, None]
    Image.fromarray(values).save(tmp_path / "mask.png")
    for given in (
        values,
        values > 0,
        values / 255,
        Image.fromarray(values),
        Image.fromarray(values).convert("1"),
        Image.fromarray(values).convert("RGB"),
        tmp_path / "mask.png",
        torch.from_numpy(values > 0),
        torch.from_numpy(values > 0)[None],
        torch.from_numpy(values > 0)[None, None],
        torch.from_numpy(values > 0).float(),
        torch.from_numpy(values > 0).long(),
        square(low=10, high=90),
    ):
        assert torch.equal(holes_from(given, halves()), expected)
    drawn = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    drawn.paste((255, 255, 255, 255), (16, 16, 32, 32))
    assert torch.equal(holes_from(drawn, halves()), expected)


def test_a_mask_goes_through_what_its_picture_goes_through():
    wide = np.zeros((100, 300), dtype=bool)
    wide[:, 100:150] = True  # the left half of the middle square
    hole = holes_from(wide, halves(300, 100))[0, 0]
    assert hole[:, :32].all()
    assert not hole[:, 32:].any()
    own = holes_from(square(), halves(300, 100))[0, 0]
    assert torch.equal(own, torch.from_numpy(square() > 0))


def test_a_thin_line_is_not_lost():
    thin = np.zeros((1000, 1000), dtype=bool)
    thin[500, :] = True
    hole = holes_from(thin, halves(1000, 1000))[0, 0]
    assert hole.any(dim=0).all()
    assert hole.sum() == 64


def test_one_mask_serves_all_pictures_or_each_has_its_own():
    pictures = [halves(), halves()]
    assert holes_from(square(), pictures).shape == (2, 1, 64, 64)
    other = square().T[::-1].copy()
    assert not torch.equal(*holes_from([square(), other], pictures))
    assert torch.equal(holes_from([square(), other], halves()), holes_from([square(), other], pictures))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_several_masks_may_be_stacked(count):
    several = [np.roll(square(), 5 * number, axis=1) > 0 for number in range(count)]
    expected = holes_from(several, halves())
    assert expected.shape == (count, 1, 64, 64)
    stacked = np.stack(several)
    for given in (
        stacked,
        torch.from_numpy(stacked),
        torch.from_numpy(stacked).int(),
        torch.from_numpy(stacked)[:, None],
    ):
        assert torch.equal(holes_from(given, halves()), expected)
    in_colours = torch.from_numpy(square() > 0).expand(3, -1, -1)
    assert holes_from(in_colours, halves()).shape == (1, 1, 64, 64)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pictures_from("nowhere.png"), "picture must be a file, but there is none at 'nowhere.png'"),
        (lambda: pictures_from(__file__), "picture must be a picture that Pillow can open"),
        (lambda: pictures_from(7), "picture must be an image of Pillow's"),
        (lambda: pictures_from([7]), "picture must be an image of Pillow's"),
        (lambda: pictures_from([]), "picture must be at least one"),
        (lambda: pictures_from(np.zeros((64, 64, 2))), "but its shape is"),
        (lambda: pictures_from(np.zeros((5,))), "but its shape is"),
        (lambda: pictures_from(np.zeros((0, 64, 3))), "but its shape is"),
        (lambda: pictures_from(np.full((64, 64, 3), -0.5)), "floats in 0…1"),
        (lambda: pictures_from(np.full((64, 64, 3), 300)), "whole numbers in 0…255"),
        (lambda: pictures_from(np.full((64, 64, 3), np.nan)), "floats in 0…1"),
        (lambda: pictures_from(torch.full((3, 64, 64), torch.nan)), "picture must be finite"),
        (lambda: pictures_from(torch.full((3, 64, 64), 200.0)), "whole numbers in 0…255"),
        (lambda: holes_from(square(32), halves()), "mask must have the size of its picture, 64×64, but it is 32×32"),
        (lambda: holes_from(np.arange(4096, dtype=np.uint8).reshape(64, 64), halves()), "mask must have two values"),
        (lambda: holes_from(np.zeros((64, 64), dtype=bool), halves()), "all of it is black"),
        (lambda: holes_from(np.ones((64, 64), dtype=bool), halves()), "all of it is white"),
        (lambda: holes_from(np.arange(300)[None].repeat(100, 0) < 40, halves(300, 100)), "nothing of it is marked"),
        (lambda: holes_from(np.arange(300)[None].repeat(100, 0) > 40, halves(300, 100)), "all of it is marked"),
        (lambda: holes_from([square()] * 2, [halves()] * 3), "mask must be one, or one for each of the 3 pictures"),
        (lambda: pictures_from(torch.zeros(0, 3, 64, 64)), "but its shape is"),
        (lambda: pictures_from(torch.zeros(3, 0, 0)), "but its shape is"),
        (lambda: pictures_from(torch.zeros(4, 16, 16)), "its shape is that of a latent"),
        (lambda: pictures_from(b"picture.png"), "picture must be an image of Pillow's"),
        (lambda: pictures_from(Image.fromarray(np.full((9, 9), np.nan, dtype=np.float32))), "numbers from 0 on"),
        (lambda: pictures_from(Image.fromarray(np.full((9, 9), -5, dtype=np.int32))), "numbers from 0 on"),
        (lambda: holes_from(None, halves()), "mask must be an image of Pillow's"),
    ],
)
def test_bad_input_gets_one_sentence(call, words):
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=words):
        call()
