"""Finished pictures: what people do with them first."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.pipeline.pictures import Pictures, Walk
from course_lib.sampling import Step


def opened(path):
    with Image.open(path) as image:
        return image.copy()


@pytest.fixture
def three():
    """Red, green and blue, with one white pixel at the top right of each."""
    tensor = torch.zeros(3, 3, 4, 6, dtype=torch.uint8)
    tensor[[0, 1, 2], [0, 1, 2]] = 200
    tensor[:, :, 0, 5] = 255
    return Pictures(tensor, ["red", "green", 'a "blue" <one>'])


def test_each_is_an_image_that_other_libraries_take(three, tmp_path):
    first = three[0]
    assert isinstance(first, Image.Image)
    assert first.size == (6, 4)
    assert first.getpixel((0, 0)) == (200, 0, 0)
    assert first.getpixel((5, 0)) == (255, 255, 255)
    fig, ax = plt.subplots()
    assert ax.imshow(first).get_array().shape == (4, 6, 3)
    plt.close(fig)
    first.save(tmp_path / "red.png")
    assert opened(tmp_path / "red.png").getpixel((0, 0)) == (200, 0, 0)
    assert Image.fromarray(np.asarray(first)).size == (6, 4)


def test_they_are_a_sequence(three):
    assert len(three) == 3
    assert [each.getpixel((0, 3)) for each in three] == [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    assert three[-1].getpixel((0, 3)) == (0, 0, 200)
    assert three[1:].captions == ["green", 'a "blue" <one>']
    assert torch.equal(three[1:].tensor, three.tensor[1:])
    with pytest.raises(IndexError):
        three[3]


def test_arrays_have_their_colours_last_and_tensors_first(three):
    assert three.tensor.shape == (3, 3, 4, 6)
    assert three.numpy().shape == np.asarray(three).shape == (3, 4, 6, 3)
    assert three.numpy().dtype == np.uint8
    assert three.numpy()[1, 3, 0].tolist() == [0, 200, 0]
    assert np.asarray(three, dtype=float).dtype == float


def test_all_are_saved_in_one_file_without_loss(three, tmp_path):
    three.save(tmp_path / "all.png")
    saved = np.asarray(opened(tmp_path / "all.png"))
    assert np.array_equal(saved, np.concatenate(list(three.numpy()), axis=1))
    three[:1].save(tmp_path / "large.PNG", enlarge=5)
    assert opened(tmp_path / "large.PNG").size == (30, 20)


def test_more_than_eight_stand_in_rows():
    together = Pictures(torch.zeros(11, 3, 4, 6, dtype=torch.uint8)).together()
    assert together.size == (8 * 6, 2 * 4)
    assert together.getpixel((2 * 6, 4)) == (0, 0, 0)
    assert together.getpixel((3 * 6, 4)) == (255, 255, 255)


@pytest.mark.parametrize("name", ["car", "car.txt", "car.", ".png"])
def test_a_name_that_says_no_format_is_refused(three, tmp_path, name):
    with pytest.raises(ValueError, match=r"a picture cannot be saved as '.*': let the name end in \.png\."):
        three.save(tmp_path / name)


def test_in_a_notebook_they_show_themselves_with_words_for_those_who_cannot_see(three):
    shown = three._repr_html_()
    assert 'alt="red; green; a &quot;blue&quot; &lt;one&gt;"' in shown
    png = base64.b64decode(re.search(r"base64,([^\"]+)", shown)[1])
    assert Image.open(io.BytesIO(png)).size == (18, 4)
    assert "image-rendering: pixelated" in shown
    assert repr(three) == "<3 pictures of 6×4: .save(…), .tensor, .numpy()>"
    assert repr(three[:1]).startswith("<1 picture of")


@pytest.mark.parametrize(
    "tensor", [torch.zeros(1, 3, 4, 4), torch.zeros(3, 4, 4).byte(), torch.zeros(1, 1, 4, 4).byte()]
)
def test_other_tensors_are_refused(tensor):
    with pytest.raises(ValueError, match=r"tensor must be \(N, 3, H, W\) of uint8, 0…255, but got"):
        Pictures(tensor)


def test_nowhere_to_save_is_said_before_anything_is_drawn(tmp_path):
    pictures = Pictures(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*missing' to save in"):
        pictures.save(tmp_path / "missing" / "two.png")
    drawn = []

    def steps():
        for t in (2, 1, 0):
            drawn.append(t)
            yield Step(t, torch.zeros(1), None)

    walk = Walk(steps(), lambda x: pictures)
    for path, enlarge, error in (
        (tmp_path / "missing" / "f.gif", 2, FileNotFoundError),
        (tmp_path / "f.gif", 0, ValueError),
    ):
        with pytest.raises(error):
            walk.save(path, enlarge)
    assert drawn == []
    walk.save(tmp_path / "f.gif")
    assert drawn == [2, 1, 0]


def test_no_picture_is_nothing_to_show_and_no_crash(tmp_path):
    none = Pictures(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))[5:]
    assert "0 pictures" in none._repr_html_()
    with pytest.raises(ValueError, match="there is no picture here"):
        none.save(tmp_path / "none.png")


@pytest.mark.parametrize("captions", [["a"], "ab", ["a", "b", "c"]])
def test_captions_are_one_for_each(captions):
    with pytest.raises(ValueError, match="captions must be a list of 2"):
        Pictures(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), captions)


@pytest.mark.parametrize("enlarge", [0, -1, 1.5, "2", None])
def test_pictures_are_enlarged_by_a_whole_number(enlarge):
    with pytest.raises((TypeError, ValueError), match="enlarge must be"):
        Pictures(torch.zeros(2, 3, 4, 4, dtype=torch.uint8)).together(enlarge)
