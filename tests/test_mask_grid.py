"""The grid in which a hole is drawn, and the picture whose hole is filled: right pixels, and a sentence for all else."""

import base64
import io
import re
import warnings
from html import unescape

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image
from widgets_moved import move_every_widget

from course_lib.classroom.mask_grid import MARK, MaskGrid
from course_lib.classroom.mask_painter import DARK, LIGHT, STRIPE, mask_painter, painter
from course_lib.pipeline.pictures import Pictures
from course_lib.pipeline.text_to_image import UnknownWord

ALT = "A smiling face, drawn in yellow."
GENERATOR = np.random.default_rng(0)
PICTURE = GENERATOR.integers(0, 256, (64, 64, 3), dtype=np.uint8)
RESULT = torch.from_numpy(GENERATOR.integers(0, 256, (1, 3, 64, 64), dtype=np.uint8))


def cell(grid, row, column):
    """The button of a cell, as its words name it."""
    (found,) = [button for button in grid.buttons if button.tooltip == f"row {row}, column {column}"]
    return found


def press(widget, name):
    """Press the button of that name."""
    (button,) = [
        each for each in everything_in(widget) if isinstance(each, widgets.Button) and each.description == name
    ]
    button.click()


def everything_in(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything_in(child)


# --- the grid ---------------------------------------------------------------------------------------------------------


def test_the_middle_square_is_marked_at_first():
    expected = torch.zeros(64, 64, dtype=torch.bool)
    expected[16:48, 16:48] = True
    assert MaskGrid().mask().dtype == torch.bool
    assert MaskGrid().mask().equal(expected)


@pytest.mark.parametrize("cells", range(3, 17))
def test_every_middle_is_a_hole_that_leaves_something_and_stands_in_the_middle(cells):
    mask = MaskGrid(cells).mask(cells)
    assert mask.any()
    assert not mask.all()
    assert mask.equal(mask.flip(0))
    assert mask.equal(mask.flip(1))


@pytest.mark.parametrize(("cells", "side"), [(8, 64), (4, 64), (16, 64), (3, 9), (8, 8)])
def test_a_pressed_cell_marks_its_pixels_and_no_others(cells, side):
    grid, size = MaskGrid(cells), side // cells
    press(grid, "Clear")
    assert not grid.mask(side).any()
    cell(grid, 2, 3).value = True  # as a click does, or the space bar
    expected = torch.zeros(side, side, dtype=torch.bool)
    expected[size : 2 * size, 2 * size : 3 * size] = True
    assert grid.mask(side).equal(expected)
    cell(grid, 2, 3).value = False
    assert not grid.mask(side).any()


def test_the_buttons_below_empty_all_cells_and_mark_the_middle_alone():
    grid = MaskGrid()
    middle = grid.mask()
    cell(grid, 1, 1).value = True
    press(grid, "Middle square")
    assert grid.mask().equal(middle)
    press(grid, "Right half")
    assert torch.equal(grid.mask(), (torch.arange(64) >= 32).expand(64, 64))
    press(grid, "Clear")
    assert not grid.mask().any()


def test_a_marked_cell_differs_in_more_than_its_shade_and_every_cell_has_a_name():
    grid = MaskGrid(4)
    names = [button.tooltip for button in grid.buttons]
    assert names == [f"row {row}, column {column}" for row in range(1, 5) for column in range(1, 5)]
    for button in grid.buttons:
        assert button.description == (MARK if button.value else "")
    cell(grid, 1, 4).value = True
    assert cell(grid, 1, 4).description == MARK
    press(grid, "Clear")
    assert {button.description for button in grid.buttons} == {""}


def test_marks_are_handed_over_as_they_stand():
    grid = MaskGrid(4)
    marks = torch.tensor([[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]).bool()
    grid.mark(marks)
    assert grid.mask(4).equal(marks)
    with pytest.raises(ValueError, match=r"marks must have shape \(4, 4\)"):
        grid.mark(torch.ones(8, 8, dtype=torch.bool))


def test_who_listens_is_told_once_for_each_press_and_hears_the_new_mask():
    grid, heard = MaskGrid(), []
    grid.on_change(lambda: heard.append(int(grid.mask(8).sum())))
    cell(grid, 1, 1).value = True
    press(grid, "Clear")
    press(grid, "Middle square")
    assert heard == [17, 0, 16]


@pytest.mark.parametrize("cells", [0, 2, 17, 8.0, "8", True])
def test_no_grid_of_any_other_number(cells):
    with pytest.raises((TypeError, ValueError), match="cells must"):
        MaskGrid(cells)


@pytest.mark.parametrize("side", [0, 63, 4, 64.0])
def test_no_mask_of_parts_of_pixels(side):
    with pytest.raises((TypeError, ValueError), match="side must"):
        MaskGrid().mask(side)


# --- the painter ------------------------------------------------------------------------------------------------------


class Painted:
    """The widget, its parts by name, and what its function was asked."""

    def __init__(self, fill=None, **options):
        self.asked = []
        self.widget = painter(fill or self.fill, PICTURE, ALT, **options)
        top, self.status, row = self.widget.children
        self.prompt, self.button = top.children
        self.holed, self.grid, self.filled = row.children

    def fill(self, prompt, mask):
        self.asked.append((prompt, mask))
        if prompt == "wrong":
            raise ValueError("a sentence that says what was <wrong>.")
        if "zebroid" in prompt:
            warnings.warn("'zebroid' is no word.", UnknownWord, stacklevel=1)
        return Pictures(RESULT)

    def says(self):
        return unescape(re.sub("<[^>]+>", "", self.status.value))


def pixels(html):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(re.search('base64,([^"]+)', html)[1]))))


def alt_of(html):
    return unescape(re.search('alt="([^"]*)"', html)[1])


def enlarged(picture):
    return picture.repeat(4, 0).repeat(4, 1)


def test_the_picture_is_hatched_in_its_hole_and_as_it_was_elsewhere():
    painted = Painted()
    hole = enlarged(painted.grid.mask().numpy())
    shown = pixels(painted.holed.value)
    assert shown.shape == (256, 256, 3)
    assert np.array_equal(shown[~hole], enlarged(PICTURE)[~hole])
    y, x = np.indices(hole.shape)
    stripes = np.where((x + y) // STRIPE % 2 == 0, DARK, LIGHT)
    assert np.array_equal(shown[hole], np.stack([stripes] * 3, -1)[hole])


def test_each_press_draws_the_hole_anew_in_pixels_and_in_words():
    painted = Painted()
    assert alt_of(painted.holed.value) == f"{ALT} Hole: 16 of 64 cells, in rows 3 to 6 and columns 3 to 6."
    press(painted.grid, "Clear")
    assert np.array_equal(pixels(painted.holed.value), enlarged(PICTURE))
    assert painted.says() == "Hole: no cell is marked."
    cell(painted.grid, 1, 8).value = True
    changed = (pixels(painted.holed.value) != enlarged(PICTURE)).any(-1)
    assert changed[:32, -32:].mean() > 0.9
    assert changed.sum() == changed[:32, -32:].sum()
    assert painted.says() == "Hole: 1 of 64 cells, in row 1 and column 8."
    assert alt_of(painted.holed.value) == f"{ALT} {painted.says()}"
    assert painted.asked == []  # nothing is filled before the button is pressed
    assert painted.filled.value == ""


def test_a_press_hands_over_prompt_and_mask_and_shows_what_comes_back():
    painted = Painted(prompt="a hat")
    cell(painted.grid, 1, 1).value = True
    painted.button.click()
    ((prompt, mask),) = painted.asked
    assert prompt == "a hat"
    assert mask.equal(painted.grid.mask())
    assert mask[0, 0]
    assert np.array_equal(pixels(painted.filled.value), enlarged(RESULT[0].permute(1, 2, 0).numpy()))
    assert alt_of(painted.filled.value) == f"{ALT} Its hole is filled with: a hat"
    assert painted.says().startswith("Done")
    painted.prompt.value = 'a "red" <hat>'
    assert len(painted.asked) == 1
    painted.button.click()
    assert alt_of(painted.filled.value) == f'{ALT} Its hole is filled with: a "red" <hat>'


def test_several_pictures_stand_beside_each_other():
    painted = Painted(fill=lambda prompt, mask: Pictures(RESULT.repeat(3, 1, 1, 1)))
    painted.button.click()
    assert pixels(painted.filled.value).shape == (256, 768, 3)


def test_a_hole_of_no_cell_or_of_all_is_refused_in_a_sentence():
    painted = Painted()
    painted.button.click()
    press(painted.grid, "Clear")
    painted.button.click()
    assert painted.says() == "There is no hole to fill: mark at least one cell."
    assert painted.filled.value == ""  # no result of another hole
    painted.grid.mark(torch.ones(8, 8, dtype=torch.bool))
    painted.button.click()
    assert painted.says() == "Nothing of the picture would stay: leave at least one cell unmarked."
    assert len(painted.asked) == 1
    cell(painted.grid, 8, 8).value = False
    painted.button.click()
    assert len(painted.asked) == 2


def test_what_is_wrong_is_said_and_the_next_press_works():
    painted = Painted()

    def ask(prompt):
        painted.prompt.value = prompt
        painted.button.click()
        return painted.says()

    assert ask("a hat").startswith("Done")
    assert ask("wrong") == "ValueError: a sentence that says what was <wrong>."
    assert "course-problem" in painted.status.value
    assert painted.filled.value == ""
    assert ask("a zebroid") == "'zebroid' is no word."
    assert painted.filled.value != ""
    assert ask("a hat").startswith("Done")


def test_what_is_no_picture_is_said():
    painted = Painted(fill=lambda prompt, mask: None)
    painted.button.click()
    assert painted.says().startswith("TypeError: picture must be")


def test_an_interrupt_leaves_no_older_result_and_says_that_it_stopped():
    def interrupted(prompt, mask):
        raise KeyboardInterrupt

    painted = Painted(fill=interrupted)
    painted.filled.value = "an older one"
    with pytest.raises(KeyboardInterrupt):
        painted.button.click()
    assert painted.filled.value == ""
    assert painted.says() == "Stopped."


def test_while_it_fills_it_says_so():
    said = []
    painted = Painted(fill=lambda prompt, mask: said.append(painted.says()) or Pictures(RESULT))
    painted.button.click()
    assert said == ["Filling …"]


def test_a_later_cell_may_use_the_names_for_something_else():
    cell_of_notebook = {"pictures": Pictures(RESULT)}
    exec("def fill(prompt, mask): return pictures", cell_of_notebook)
    painted = Painted(fill=cell_of_notebook["fill"])
    cell_of_notebook["pictures"] = None
    painted.button.click()
    assert painted.says().startswith("Done")


def test_enter_in_the_field_presses_the_button_and_what_is_said_is_a_live_region():
    painted = Painted()
    assert "course-enter" in painted.button._dom_classes
    assert not painted.prompt.continuous_update
    assert "course-says" in painted.status._dom_classes


def fill(prompt, mask):
    return Pictures(RESULT)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((None, PICTURE, ALT), "fill must be a function of a prompt and a mask, but got NoneType"),
        ((fill, "nowhere.png", ALT), "picture must be a file"),
        ((fill, [PICTURE, PICTURE], ALT), "picture must be one, but got 2"),
        ((fill, PICTURE, "a face"), "alt must say in a sentence"),
        ((fill, PICTURE, None), "alt must be a text, but got NoneType"),
        ((fill, PICTURE, ALT, 5), "prompt must be a text, but got int"),
        ((fill, PICTURE, ALT, "a hat", 6), "cells must be 4, 8 or 16, which divide the picture's 64 pixels, but got 6"),
    ],
)
def test_what_is_wrong_in_the_call_is_refused_in_a_sentence(arguments, sentence):
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=sentence):
        mask_painter(*arguments)


def test_without_a_kernel_there_is_a_sentence_and_it_is_the_same_each_time(shown):
    for _ in range(2):
        mask_painter(fill, PICTURE, ALT)
    words = [data["text/plain"] for data in shown]
    assert "With a running kernel" in words[1]
    assert words[2:] == words[:2]


@pytest.mark.usefixtures("no_other_widgets")
def test_a_hand_that_moves_everything_fills_the_hole_and_finds_what_breaks():
    painted = Painted(prompt="a hat", cells=4)
    middle = painted.grid.mask()
    assert move_every_widget() == []
    ((prompt, mask),) = painted.asked
    assert prompt == "a hat"
    assert mask.equal(middle)

    def breaks():
        if cell(painted.grid, 1, 1).value:
            painted.status.value = '<p class="course-problem">KeyError</p>'

    painted.grid.on_change(breaks)
    assert any(problem.startswith("row 1, column 1 = True → ") for problem in move_every_widget())
    assert painted.grid.mask().equal(middle)
