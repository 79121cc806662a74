"""Figures and widgets: described in words, drawn right, and honest about errors."""

import io

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_lib.classroom.plots import draw_pictures, pick, show, to_png
from course_lib.classroom.widgets import explore, explorer


def pixels(png):
    return plt.imread(io.BytesIO(png))


def test_show_gives_an_image_with_its_text_and_closes_the_figure(shown):
    fig, _ = plt.subplots(figsize=(2, 2))
    show(fig, alt='A "quoted" & <strange> empty figure')
    (data,) = shown
    assert (
        '<img alt="A &quot;quoted&quot; &amp; &lt;strange&gt; empty figure" src="data:image/png;base64,'
        in data["text/html"]
    )
    assert data["text/plain"] == '[Figure: A "quoted" & <strange> empty figure]'
    assert not plt.fignum_exists(fig.number)


@pytest.mark.parametrize("alt", ["", "loss", "a plot"])
def test_show_asks_for_a_sentence(alt):
    with pytest.raises(ValueError, match="alt must say in a sentence"):
        show(plt.figure(), alt=alt)
    plt.close("all")


def test_pictures_stand_row_by_row_in_black_and_white():
    pictures = torch.full((3, 1, 4, 4), -1.0)
    pictures[1] = 1.0
    pictures[2] = 7.0  # beyond white is white
    fig = draw_pictures(pictures, columns=2, column_titles=["left", "right"], row_titles=["up", "down"])
    ax = fig.axes[0]
    canvas = ax.images[0].get_array()
    assert canvas.shape == (10, 10)
    assert (canvas[:4, :4] == 0).all()
    assert (canvas[:4, 6:] == 1).all()
    assert (canvas[6:, :4] == 1).all()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["left", "right"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["up", "down"]
    plt.close(fig)


def test_colour_pictures_keep_their_colours():
    red = torch.tensor([1.0, -1.0, -1.0]).reshape(1, 3, 1, 1).expand(1, 3, 4, 4)
    fig = draw_pictures(red, columns=1)
    assert (fig.axes[0].images[0].get_array() == np.array([1.0, 0.0, 0.0])).all()
    plt.close(fig)


def test_pick_takes_both_ends():
    assert pick(range(101), 5) == [0, 25, 50, 75, 100]
    assert pick("abcde", 2) == ["a", "e"]


def draw(level):
    fig, ax = plt.subplots(figsize=(1, 1))
    ax.axhspan(0, level)
    ax.set_ylim(0, 10)
    if level == 9:
        raise ValueError("nine is too much")
    return fig


def test_a_slider_redraws_in_place():
    slider = widgets.IntSlider(value=1, min=0, max=10)
    box = explorer(draw, level=slider)
    image = box.children[-1]
    before = image.value
    assert pixels(before).shape == pixels(to_png(draw(1))).shape
    slider.value = 5
    assert image.value != before
    slider.value = 1
    assert image.value == before
    assert slider.description == "level"
    plt.close("all")


def test_an_error_behind_a_slider_is_seen():
    slider = widgets.IntSlider(value=1, min=0, max=10)
    problem = explorer(draw, level=slider).children[-2]
    slider.value = 9
    assert problem.value == "ValueError: nine is too much"
    slider.value = 2
    assert problem.value == ""
    with pytest.raises(ValueError, match="nine is too much"):
        explorer(draw, level=widgets.IntSlider(value=9, min=0, max=10))
    plt.close("all")


def test_explore_shows_the_widget_and_a_sentence_for_readers_without_a_kernel(shown):
    assert explore(draw, level=widgets.IntSlider(value=1, min=0, max=10)) is None
    (data,) = shown
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert "run this cell to move the controls" in data["text/plain"]
    plt.close("all")
