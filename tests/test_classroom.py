"""Figures and widgets: described in words, drawn right, and honest about errors."""

import base64
import io
import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import ipywidgets as widgets
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from ipywidgets.widgets.widget import _instances
from PIL import Image

from course_lib.classroom.plots import SHARP, draw_pictures, packed, pick, show, show_film
from course_lib.classroom.progress import progress
from course_lib.classroom.showing import problem_html, show_widget, spoken_line, text_html
from course_lib.classroom.widgets import explore, explorer


def pixels(webp):
    return np.asarray(Image.open(io.BytesIO(webp)))


def test_show_gives_an_image_with_its_text_and_closes_the_figure(shown):
    fig, _ = plt.subplots(figsize=(2, 2))
    show(fig, alt='A "quoted" & <strange> empty figure')
    (data,) = shown
    assert (
        '<img alt="A &quot;quoted&quot; &amp; &lt;strange&gt; empty figure" src="data:image/webp;base64,'
        in data["text/html"]
    )
    width, height = re.search(r'width="(\d+)" height="(\d+)"', data["text/html"]).groups()
    picture = pixels(base64.b64decode(re.search('base64,([^"]+)', data["text/html"])[1]))
    assert (width, height) == ("200", "200")
    assert picture.shape[:2] == (400, 400), "sharp: two pixels of the file to one of the page"
    assert data["text/plain"] == '[Figure: A "quoted" & <strange> empty figure]'
    assert not plt.fignum_exists(fig.number)


def test_a_small_picture_is_kept_pixel_for_pixel_and_a_large_one_as_the_eye_sees_it():
    smooth = np.linspace(0, 255, 3 * 300 * 300).reshape(300, 300, 3)
    grain = np.random.default_rng(0).normal(0, 8, smooth.shape)
    large = Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))
    small = large.crop((0, 0, 100, 100))
    assert (pixels(packed(small)) == np.asarray(small)).all()
    exact = io.BytesIO()
    large.save(exact, "webp", lossless=True)
    assert len(packed(large)) < exact.tell() / 2
    assert np.abs(pixels(packed(large)).astype(float) - np.asarray(large)).mean() < 8


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


@pytest.mark.parametrize("size", [0.4, 1.1])
@pytest.mark.parametrize("rows", [[], ["class mean", "a title of many words"]])
@pytest.mark.parametrize("columns", [[], ["trousers", "ankle boot, left"]])
def test_titles_of_any_length_are_whole_and_the_pictures_keep_their_size(rows, columns, size):
    fig = draw_pictures(torch.zeros(4, 1, 4, 4), columns=2, column_titles=columns, row_titles=rows, size=size)
    fig.set_dpi(SHARP * fig.dpi)  # as it is saved
    fig.draw_without_rendering()
    ax = fig.axes[0]
    page, titled = fig.bbox, ax.get_tightbbox()
    assert page.x0 < titled.x0 < titled.x1 < page.x1
    assert page.y0 < titled.y0 < titled.y1 < page.y1
    assert ax.get_window_extent().width == pytest.approx(2 * size * fig.dpi)
    assert ax.get_window_extent().height == pytest.approx(2 * size * fig.dpi)
    plt.close(fig)


def film_of(values, shown):
    figures = [draw_pictures(torch.full((1, 1, 4, 4), value), columns=1) for value in values]
    show_film(figures, alt="a picture that gets brighter")
    return shown[-1]["text/html"]


def test_a_film_moves_and_has_its_last_moment_as_a_still(shown):
    html = film_of([-1.0, 0.0, 1.0], shown)
    still, film = (
        Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"data:image/webp;base64,([^\"]+)", html)
    )
    assert film.n_frames == 3
    assert film.info["loop"] == 0
    middle = (film.width // 2, film.height // 2)
    brightness = []
    for frame in range(3):
        film.seek(frame)
        brightness.append(film.convert("L").getpixel(middle))
    assert np.diff(brightness).min() > 50
    assert getattr(still, "n_frames", 1) == 1
    assert abs(still.convert("L").getpixel(middle) - brightness[-1]) < 5
    assert "prefers-reduced-motion" in html
    assert '<img alt="a picture that gets brighter"' in html
    assert not plt.get_fignums()


def test_a_film_of_one_moment_or_of_several_sizes_is_refused(shown):
    with pytest.raises(ValueError, match="takes two figures at least, but got 1"):
        film_of([0.0], shown)
    figures = [draw_pictures(torch.zeros(1, 1, 4, 4), columns=1, size=size) for size in (1.0, 2.0)]
    with pytest.raises(ValueError, match="must have one size"):
        show_film(figures, alt="two pictures of two sizes")


def test_each_picture_has_its_caption_above_it_in_lines_that_fit():
    captions = ["one", "a caption that is far too long for one line", "three", "four"]
    fig = draw_pictures(torch.zeros(4, 3, 8, 8), columns=2, captions=captions, size=1.0)
    fig.canvas.draw()
    ax = fig.axes[0]
    assert [text.get_text().replace("\n", " ") for text in ax.texts] == captions
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    canvas = ax.images[0].get_array()
    tops = [int(text.get_position()[1]) for text in ax.texts]
    assert tops[0] == tops[1] < tops[2] == tops[3]
    for text, top in zip(ax.texts, tops, strict=True):
        column = int(text.get_position()[0])
        assert canvas[top, column].max() == 1, "the caption stands on white"
        assert canvas[top + 4, column].max() < 1, "and its picture follows below it"


def test_captions_that_do_not_match_the_pictures_are_refused():
    with pytest.raises(ValueError, match="captions must hold one for each of the 4 pictures, but got 3"):
        draw_pictures(torch.zeros(4, 3, 8, 8), captions=["a", "b", "c"])


def test_colour_pictures_keep_their_colours():
    red = torch.tensor([1.0, -1.0, -1.0]).reshape(1, 3, 1, 1).expand(1, 3, 4, 4)
    fig = draw_pictures(red, columns=1)
    assert (fig.axes[0].images[0].get_array() == np.array([1.0, 0.0, 0.0])).all()
    plt.close(fig)


def drawn(pictures, **options):
    """What draw_pictures puts on its canvas."""
    fig = draw_pictures(pictures, columns=1, **options)
    plt.close(fig)
    return np.asarray(fig.axes[0].images[0].get_array())


def test_bytes_are_drawn_from_0_to_255():
    grey = torch.tensor([[0, 51], [102, 255]], dtype=torch.uint8)
    assert np.allclose(drawn(grey[None, None]), [[0, 0.2], [0.4, 1]])
    assert np.allclose(drawn(grey[None, None], high=510), [[0, 0.1], [0.2, 0.5]])
    assert np.allclose(drawn(grey > 60), [[0, 0], [1, 1]])


@pytest.mark.parametrize(
    "as_given",
    [
        lambda x: x,  # (1, 3, H, W)
        lambda x: x[0],
        lambda x: x.numpy(),
        lambda x: x.permute(0, 2, 3, 1),  # (1, H, W, 3)
        lambda x: x[0].permute(1, 2, 0).numpy(),
        lambda x: x.to(torch.float32) / 127.5 - 1,
        lambda x: SimpleNamespace(tensor=x),
    ],
)
def test_colour_pictures_come_in_the_shapes_that_people_have(as_given):
    colours = torch.randint(0, 256, (1, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert np.allclose(drawn(as_given(colours)), colours[0].permute(1, 2, 0).numpy() / 255, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5), (4, 5, 1), (1, 1, 4, 5), (1, 4, 5, 1)])
def test_grey_pictures_come_in_the_shapes_that_people_have(shape):
    grey = torch.rand(4, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert np.allclose(drawn(grey.reshape(shape)), (grey.numpy() + 1) / 2)


@pytest.mark.parametrize(
    ("pictures", "sentence"),
    [
        (torch.zeros(2, 4, 8, 8), r"got shape \(2, 4, 8, 8\): are these latents\? decode them first\.$"),
        (torch.zeros(5), r"^pictures must be \(N, 1, H, W\), .* but got shape \(5,\)\.$"),
        (torch.zeros(0, 3, 8, 8), r"got shape \(0, 3, 8, 8\)\.$"),
        (torch.zeros(2, 5, 8, 8), r"got shape \(2, 5, 8, 8\)\.$"),
        (np.zeros((1, 1, 3, 8, 8)), r"got shape \(1, 1, 3, 8, 8\)\.$"),
        (torch.full((1, 1, 2, 2), 200.0), r"^pictures from 200 to 200 would all be white, .* say low=0, high=255\.$"),
    ],
)
def test_what_is_no_picture_gets_one_sentence(pictures, sentence):
    with pytest.raises(ValueError, match=sentence):
        draw_pictures(pictures)


def test_a_list_is_no_picture_and_no_column_holds_none():
    with pytest.raises(TypeError, match=r"^pictures must be a tensor or a NumPy array, but got list\.$"):
        draw_pictures([1, 2])
    with pytest.raises(ValueError, match="columns must"):
        draw_pictures(torch.zeros(1, 1, 2, 2), columns=0)


def test_pick_takes_both_ends():
    assert pick(range(101), 5) == [0, 25, 50, 75, 100]
    assert pick("abcde", 2) == ["a", "e"]


def draw(level):
    fig, ax = plt.subplots(figsize=(1, 1))
    ax.axhspan(0, level)
    ax.set_ylim(0, 10)
    if level == 9:
        raise ValueError("nine is <too> much")
    return fig


ALT = "A bar that reaches up to the level."


def test_a_slider_redraws_in_place():
    slider = widgets.IntSlider(value=1, min=0, max=10)
    image = explorer(draw, ALT, level=slider).children[-1]
    before = image.value
    assert before.startswith(
        '<img alt="A bar that reaches up to the level. Now: level = 1." src="data:image/webp;base64,'
    )
    slider.value = 5
    assert "Now: level = 5." in image.value
    assert image.value.split("src=")[1] != before.split("src=")[1]
    slider.value = 1
    assert image.value == before
    assert slider.description == "level"
    plt.close("all")


def test_a_choice_is_named_by_its_words():
    choice = widgets.Dropdown(options=[("low", 1), ("high", 8)], value=1)
    image = explorer(draw, ALT, level=choice).children[-1]
    choice.value = 8
    assert "Now: level = high." in image.value
    plt.close("all")


def test_sliders_are_wide_and_fit_a_narrow_page():
    slider = widgets.IntSlider(value=1, min=0, max=10)
    explorer(draw, ALT, level=slider)
    assert (slider.layout.width, slider.layout.max_width) == ("40em", "100%")
    plt.close("all")


def test_an_error_behind_a_slider_is_seen():
    slider = widgets.IntSlider(value=1, min=0, max=10)
    problem = explorer(draw, ALT, level=slider).children[-2]
    slider.value = 9
    assert problem.value == '<p class="course-problem">ValueError: nine is &lt;too&gt; much</p>'
    slider.value = 2
    assert problem.value == ""
    with pytest.raises(ValueError, match="nine is <too> much"):
        explorer(draw, ALT, level=widgets.IntSlider(value=9, min=0, max=10))
    plt.close("all")


def test_a_later_cell_may_use_the_names_for_something_else():
    cells = """
def draw_word(place, *, size=2):
    fig, ax = plt.subplots(figsize=(size, 1))
    ax.set_title(" ".join(words[i] for i in [place]))
    return fig
"""
    notebook = {"plt": plt, "words": ["a", "red", "car"]}
    exec(cells, notebook)
    slider = widgets.IntSlider(value=0, min=0, max=2)
    problem, image = explorer(notebook["draw_word"], ALT, place=slider).children[-2:]
    before = image.value
    notebook["words"] = {}
    slider.value = 2
    assert problem.value == ""
    assert image.value != before
    plt.close("all")


def test_explore_shows_the_widget_and_a_sentence_for_readers_without_a_kernel(shown):
    assert explore(draw, ALT, level=widgets.IntSlider(value=1, min=0, max=10)) is None
    live, asleep = shown
    assert live["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert "run this cell to move the controls" in asleep["text/plain"]
    plt.close("all")


# --- what core ipywidgets cannot do -----------------------------------------------------------------------------------


def model_of(output):
    return _instances[output["application/vnd.jupyter.widget-view+json"]["model_id"]]


def test_a_shown_widget_is_followed_by_the_sentence_that_stands_in_for_it(shown):
    show_widget(widgets.Button(), plain="[Run <this> cell.]")
    live, asleep = shown
    assert live["text/plain"] == ""  # the sentence stands once
    assert '<p class="course-asleep">[Run &lt;this&gt; cell.]</p>' in asleep["text/html"]
    assert asleep["text/plain"] == "[Run <this> cell.]"
    frame = model_of(live)
    assert frame._dom_classes == ("course-live",)
    for name in ("course-live", "course-asleep"):
        assert f".{name}" in asleep["text/html"].split("<style>")[1]


def test_a_shown_widget_keeps_its_keys_and_speaks(shown):
    button = widgets.Button()
    show_widget(button, plain="[Run this cell.]")
    inside, script = model_of(shown[0]).children
    assert inside is button
    assert script.layout.display == "none"
    for name in ("stopPropagation()", ".course-live", ".course-enter", ".course-says"):
        assert name in script.value
    assert spoken_line()._dom_classes == ("course-says",)


def test_text_is_escaped_for_widgets():
    assert re.sub(' style="[^"]+"', "", text_html("a < b\n\n $x$ \n")) == "<p>a &lt; b</p><p> $x$</p>"
    assert problem_html(KeyError("<2>")) == '<p class="course-problem">KeyError: &#x27;&lt;2&gt;&#x27;</p>'


# --- tables -----------------------------------------------------------------------------------------------------------


def without_empty_header(markdown):
    """Whether every column of every table has a name, which screen readers say before each entry."""
    headers = re.findall(r"^(\|.*\|)\n\|[-:| ]+\|$", markdown, flags=re.MULTILINE)
    return all(name.strip() for header in headers for name in header.split("|")[1:-1])


@pytest.mark.usefixtures("own_progress")
def test_every_column_of_a_table_has_a_name(shown):
    assert not without_empty_header("| | b |\n|---|---|\n| 1 | 2 |")
    progress()
    texts = [shown[0]["text/markdown"]]
    for path in (Path(__file__).parents[1] / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        texts += [cell.source for cell in cells if cell.cell_type == "markdown"]
    assert [text for text in texts if not without_empty_header(text)] == []
