"""The playground: a prompt, a press of the button, and the picture, step by step; nothing typed can break it."""

import io
import warnings

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.classroom.playground import player, playground
from course_lib.denoisers import Prediction
from course_lib.sampling import Step
from course_lib.text_to_image import UnknownWord


class Watched:
    """A pipeline of two steps that remembers what it was asked; its pictures have the step's number as their grey."""

    def __init__(self):
        self.asked, self.seen = [], []

    def watch(self, prompts, **options):
        self.asked.append((prompts, options))
        if not prompts:
            raise ValueError("a sentence that says what was wrong.")
        if "zebroid" in prompts:
            warnings.warn("'zebroid' is no word.", UnknownWord, stacklevel=1)
        return self.steps()

    def steps(self):
        for t, grey in ((2, 10), (1, 20)):
            yield Step(t, torch.zeros(1), Prediction(torch.tensor([float(grey)]), torch.zeros(1)))
        yield Step(0, torch.tensor([30.0]), None)

    def decode(self, x):
        self.seen.append(int(x))
        return torch.full((1, 3, 64, 64), int(x), dtype=torch.uint8)


@pytest.fixture
def box():
    return player(Watched(), "a red sports car")


def parts(box):
    *fields, button, status, image = box.children
    return {field.description: field for field in fields}, button, status, image


def test_nothing_is_drawn_before_the_button_is_pressed():
    pipe = Watched()
    *_, image = player(pipe, "a car").children
    assert pipe.asked == []
    assert image.layout.display == "none"


def test_a_press_hands_over_what_the_fields_say_and_shows_every_step():
    pipe = Watched()
    fields, button, status, image = parts(player(pipe, "a car"))
    fields["negative"].value, fields["guidance w"].value = "a bus", 4.5
    fields["steps"].value, fields["seed"].value = 2, 7
    button.click()
    assert pipe.asked == [("a car", {"negative": "a bus", "guidance": 4.5, "steps": 2, "seed": 7})]
    assert pipe.seen == [10, 20, 30]  # what it believes the end will be, and the end
    shown = np.asarray(Image.open(io.BytesIO(image.value)))
    assert shown.shape == (256, 256, 3)
    assert (shown == 30).all()
    assert image.layout.display == ""
    assert status.value.startswith("done")
    assert not button.disabled


def test_enter_draws_and_the_button_does_not_draw_the_same_again():
    pipe = Watched()
    fields, button, *_ = parts(player(pipe, "a car"))
    fields["prompt"].value = "an owl"
    button.click()
    assert [prompts for prompts, _ in pipe.asked] == ["an owl"]
    fields["seed"].value = 1
    button.click()
    assert len(pipe.asked) == 2


def test_what_is_wrong_is_said_and_the_next_press_works(box):
    fields, button, status, _ = parts(box)
    fields["prompt"].value = ""
    assert status.value == "ValueError: a sentence that says what was wrong."
    assert not button.disabled
    fields["prompt"].value = "a zebroid"
    assert status.value == "'zebroid' is no word."
    button.click()
    fields["prompt"].value = "a car"
    assert status.value.startswith("done")


def test_without_a_kernel_there_is_a_sentence(capsys):
    playground(Watched())
    assert "With a running kernel" in capsys.readouterr().out


def test_every_field_has_its_words(box):
    fields, button, *_ = parts(box)
    assert list(fields) == ["prompt", "negative", "guidance w", "steps", "seed"]
    assert isinstance(button, widgets.Button)
