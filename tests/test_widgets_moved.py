"""What moves all controls of a notebook finds the one that does not answer, and leaves the rest as it was."""

import os

import ipywidgets as widgets
import matplotlib.pyplot as plt
import pytest
from ipywidgets.widgets.widget import _instances
from widgets_moved import IN_KERNEL, move_every_widget

from course_lib.classroom.playground import player
from course_lib.classroom.self_check import answer_widget, load_questions
from course_lib.classroom.widgets import explorer

ALT = "A square as large as the slider says."


pytestmark = pytest.mark.usefixtures("no_other_widgets")


def draw(size):
    if size == 4:
        raise KeyError(size)
    return plt.figure(figsize=(1, 1))


@pytest.mark.parametrize(
    "control",
    [
        widgets.IntSlider(value=2, min=1, max=4),
        widgets.FloatSlider(value=2, min=1, max=4),
        widgets.Dropdown(options=[("small", 1), ("large", 4), ("middle", 2)]),
        widgets.RadioButtons(options=[1, 2, 4]),
    ],
    ids=lambda control: type(control).__name__,
)
def test_a_control_that_does_not_answer_is_found(control, monkeypatch):
    monkeypatch.setitem(_instances, control.model_id, control)
    before = control.value
    explorer(draw, ALT, size=control)
    (problem,) = move_every_widget()
    assert problem.startswith("size = ")
    assert '→ <p class="course-problem">KeyError: 4' in problem
    assert control.value == before
    with pytest.raises(AssertionError, match="KeyError: 4"):
        exec(IN_KERNEL, {"__name__": "notebook"})


def test_an_error_behind_a_button_is_found():
    class Broken:
        def watch(self, *_, **__):
            raise ValueError("no prompt today")

    player(Broken(), "a red sports car")
    assert any("button Draw → " in problem and "no prompt today" in problem for problem in move_every_widget())


def test_controls_that_answer_are_found_well_and_no_tick_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    explorer(draw, ALT, size=widgets.IntSlider(value=2, min=1, max=3))
    for question in load_questions().values():
        answer_widget(question)
    assert move_every_widget() == []
    assert list(tmp_path.iterdir()) == []
    assert os.environ["COURSE_PROGRESS"] == str(tmp_path / "progress.json")
    exec(IN_KERNEL, {"__name__": "notebook"})
