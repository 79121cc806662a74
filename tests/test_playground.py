"""The playground: a prompt, a press of the button, and the picture, step by step; nothing typed can break it."""

import base64
import html
import io
import re
import warnings

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import pretrained
from course_lib.classroom.playground import PRESS_NEXT, follower, player, playground
from course_lib.denoisers import Prediction
from course_lib.pipeline.pictures import Pictures
from course_lib.pipeline.text_to_image import Distilled, UnknownWord
from course_lib.sampling import Step


class Watched:
    """A pipeline of two steps that remembers what it was asked; its pictures have the step's number as their grey."""

    distilled = None

    def __init__(self):
        self.asked, self.seen = [], []

    def watch(self, prompts, **options):
        self.asked.append((prompts, options))
        if not prompts:
            raise ValueError("a sentence that says what was <wrong>.")
        if "zebroid" in prompts:
            warnings.warn("'zebroid' is no word.", UnknownWord, stacklevel=1)
        return self.steps(prompts)

    def steps(self, prompts):
        for t, grey in ((2, 10), (1, 20)):
            yield Step(t, torch.zeros(1), Prediction(torch.tensor([float(grey)]), torch.zeros(1)))
            if "breaks" in prompts:
                raise RuntimeError("in the middle")
        yield Step(0, torch.tensor([30.0]), None)

    def decode(self, x):
        self.seen.append(int(x))
        return Pictures(torch.full((1, 3, 64, 64), int(x), dtype=torch.uint8))


class Played:
    """The widget, and its parts by name."""

    def __init__(self, prompt="a red sports car", pictures_press=False, pipe=None):
        self.pipe = pipe or Watched()
        *fields, buttons, self.status, self.image = player(self.pipe, prompt).children
        self.fields = {field.description: field for field in fields}
        self.draw, self.stop, self.next = buttons.children
        if pictures_press:
            self.next.click()

    @property
    def prompts(self):
        return [prompts for prompts, _ in self.pipe.asked]

    def says(self):
        return re.sub("<[^>]+>", "", self.status.value)

    def shown(self):
        """The grey of the picture on the screen."""
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(re.search('base64,([^"]+)', self.image.value)[1]))))
        assert pixels.shape == (256, 256, 3)
        assert (pixels == pixels[0, 0, 0]).all()
        return int(pixels[0, 0, 0])


def test_the_shipped_model_draws_in_it():
    pipe = pretrained.text_to_image()
    played = Played("a blue frog", pipe=pipe)
    played.fields["steps"].value = 2
    played.fields["seed"].value = 3
    played.draw.click()
    assert played.says() == "Done: change something, and draw again."
    shown = Image.open(io.BytesIO(base64.b64decode(re.search('base64,([^"]+)', played.image.value)[1])))
    (drawn,) = pipe("a blue frog", steps=2, seed=3)
    assert np.array_equal(np.asarray(shown.convert("RGB"))[::4, ::4], np.asarray(drawn))


def test_nothing_is_drawn_before_the_button_is_pressed():
    played = Played()
    assert played.pipe.asked == []
    assert "base64" not in played.image.value
    for name, value in {"prompt": "an owl", "negative": "a bus", "guidance w": 4.5, "steps": 2, "seed": 7}.items():
        played.fields[name].value = value  # as when a field is left
    assert played.pipe.asked == []


def test_a_press_hands_over_what_the_fields_say_and_shows_every_step():
    played = Played("a car")
    played.fields["negative"].value, played.fields["guidance w"].value = "a bus", 4.5
    played.fields["steps"].value, played.fields["seed"].value = 2, 7
    played.draw.click()
    assert played.pipe.asked == [("a car", {"negative": "a bus", "guidance": 4.5, "steps": 2, "seed": 7})]
    assert played.pipe.seen == [10, 20, 30]  # what it believes the end will be, and the end
    assert played.shown() == 30
    assert played.says().startswith("Done")


def test_every_picture_has_an_alternative_text():
    played = Played('a "red" car')
    played.fields["steps"].value = 2
    played.draw.click()
    assert '<img alt="a &quot;red&quot; car, step 2 of 2" ' in played.image.value
    assert "<p" in played.image.value


def test_the_same_prompt_is_drawn_again_when_asked_again():
    played = Played("a car")
    played.draw.click()
    played.draw.click()
    assert played.prompts == ["a car", "a car"]


def test_enter_in_any_field_presses_draw_and_each_picture_asks_for_the_next():
    played = Played()
    assert "course-enter" in played.draw._dom_classes
    assert "course-next" in played.next._dom_classes
    assert "course-next" in PRESS_NEXT
    assert f'onerror="{PRESS_NEXT}"' in played.image.value  # as the page shows it, once
    played.draw.click()
    assert f'onload="{html.escape(PRESS_NEXT)}"' in played.image.value
    assert played.next.layout.display == "none"


def test_one_step_a_press_and_a_second_prompt_takes_the_place_of_the_first():
    played = Played("a car", pictures_press=True)
    played.draw.click()
    assert (played.pipe.seen, played.says()) == ([10], "Drawing …")
    played.next.click()
    assert played.pipe.seen == [10, 20]
    played.fields["prompt"].value = "an owl"
    played.draw.click()
    assert played.prompts == ["a car", "an owl"]
    for _ in range(9):
        played.next.click()
    assert played.pipe.seen == [10, 20, 10, 20, 30]
    assert played.says().startswith("Done")


def test_stop_ends_it_where_it_is():
    played = Played("a car", pictures_press=True)
    played.stop.click()
    assert played.says() == ""  # there was nothing to stop
    played.draw.click()
    played.stop.click()
    for _ in range(5):
        played.next.click()
    assert (played.pipe.seen, played.shown(), played.says()) == ([10], 10, "Stopped.")
    played.draw.click()
    for _ in range(5):
        played.next.click()
    assert played.pipe.seen == [10, 10, 20, 30]


@pytest.mark.parametrize("pictures_press", [False, True])
def test_what_is_wrong_is_said_and_the_next_press_works(pictures_press):
    played = Played(pictures_press=pictures_press)

    def ask(prompt):
        played.fields["prompt"].value = prompt
        played.draw.click()
        for _ in range(5):
            played.next.click()
        return played.says()

    assert ask("") == "ValueError: a sentence that says what was &lt;wrong&gt;."
    assert "course-problem" in played.status.value
    assert ask("a zebroid") == "&#x27;zebroid&#x27; is no word."
    assert ask("it breaks") == "RuntimeError: in the middle"
    assert ask("a car").startswith("Done")
    assert ask("costs $5 to $6").startswith("Done")


def test_no_button_is_ever_switched_off_so_that_the_keyboard_keeps_its_place():
    played = Played()
    played.draw.observe(lambda change: pytest.fail("switched"), names="disabled")
    played.draw.click()
    assert not played.draw.disabled


def test_without_a_kernel_there_is_a_sentence(capsys):
    playground(Watched())
    assert "With a running kernel" in capsys.readouterr().out


def test_every_field_has_its_words_and_what_is_said_is_a_live_region():
    played = Played()
    assert list(played.fields) == ["prompt", "negative", "guidance w", "steps", "seed"]
    assert all(isinstance(button, widgets.Button) for button in (played.draw, played.stop))
    assert "course-says" in played.status._dom_classes


# --- a student's ------------------------------------------------------------------------------------------------------


class Quick:
    """A student that remembers what it was asked; its picture's grey is the seed."""

    distilled = Distilled(4, 3.0)

    def __init__(self):
        self.asked = []

    def __call__(self, prompts, seed):
        self.asked.append((prompts, seed))
        if not prompts:
            raise ValueError("a sentence that says what was <wrong>.")
        if "spor" in prompts.split():
            warnings.warn("'spor' is no word.", UnknownWord, stacklevel=1)
        return Pictures(torch.full((1, 3, 64, 64), seed, dtype=torch.uint8))


def test_a_students_picture_follows_the_typing():
    pipe = Quick()
    text, seed, status, image = follower(pipe, "a red").children
    assert text.continuous_update  # every letter, not only when the field is left
    assert "base64" in image.value  # there before anything is typed
    text.value = "a red spor"
    assert "'spor' is no word." in status.value.replace("&#x27;", "'")
    text.value = "a red sport"
    assert "Type on" in status.value
    before, seed.value = image.value, 7
    assert image.value != before
    assert 'alt="a red sport, seed 7"' in image.value
    assert pipe.asked == [("a red", 0), ("a red spor", 0), ("a red sport", 0), ("a red sport", 7)]


def test_what_a_student_cannot_draw_is_said_below_and_typing_goes_on():
    text, _, status, image = follower(Quick(), "a car").children
    text.value = ""
    assert "ValueError: a sentence that says what was &lt;wrong&gt;." in status.value
    assert image.value == ""  # no picture of another prompt
    text.value = "a bus"
    assert "Type on" in status.value
    assert "base64" in image.value


def test_what_is_no_pipeline_is_refused_in_a_sentence():
    with pytest.raises(TypeError, match=r"pipe must be a pipeline, such as .* but got StepCounts"):
        playground(pretrained.text_to_image_student())


@pytest.mark.parametrize(("pipe", "fields"), [(Watched(), 5), (Quick(), 2)])
def test_the_playground_shows_what_its_pipeline_can_do(pipe, fields, monkeypatch):
    shown = []
    monkeypatch.setattr("course_lib.classroom.playground.show_widget", lambda widget, plain: shown.append(widget))
    playground(pipe)
    kinds = (widgets.Text, widgets.FloatSlider, widgets.IntSlider, widgets.BoundedIntText)
    assert sum(isinstance(child, kinds) for child in shown[0].children) == fields
