"""A hole that the learner draws in a picture, and has filled.

No button of ipywidgets can hold a piece of a picture: the grid stands beside it, as large as it is, and the picture shows
at each press what is missing.
"""

from collections.abc import Callable

import ipywidgets as widgets
import torch
from PIL import Image
from torch import Tensor

from course_lib.classroom.mask_grid import MaskGrid
from course_lib.classroom.playground import ENLARGE, WIDE, told
from course_lib.classroom.plots import img_tag, packed
from course_lib.classroom.showing import show_widget, spoken_line, text_html
from course_lib.classroom.widgets import with_names_of_now
from course_lib.emoji.scenes import SIDE
from course_lib.pipeline.given import Several, pictures_from
from course_lib.pipeline.pictures import Pictures

STRIPE = 6  # pixels of the screen, along a row of the hatching
DARK, LIGHT = 96, 176  # its greys


def mask_painter(
    fill: Callable[[str, Tensor], Several], picture: Several, alt: str, prompt: str = "", cells: int = 8
) -> None:
    """Show a picture, a grid in which its hole is drawn, a prompt, and what fills the hole; or a sentence where no kernel runs.

    Args:
        fill: makes the new picture, or several, of a prompt and a mask, (64, 64) bool, True in the hole. It goes on with the
            notebook's names as they are now, as in ``widgets.explorer``.
        picture: one, as in ``pipeline.given``: its middle square is shown, 64×64.
        alt: a sentence that says what the picture shows, for readers who cannot see it. Where the hole is is added.
        prompt: that stands in the field at first.
        cells: along a side of the grid: 4, 8 or 16.

    Raises:
        TypeError, ValueError: in one sentence, for anything else.
    """
    instead = (
        "[With a running kernel, run this cell to draw a hole by mouse, or by Tab and Space, and to have it filled.]"
    )
    show_widget(painter(fill, picture, alt, prompt, cells), plain=instead)


def painter(
    fill: Callable[[str, Tensor], Several], picture: Several, alt: str, prompt: str = "", cells: int = 8
) -> widgets.VBox:
    """The widget that ``mask_painter`` shows.

    Nothing is filled before the button is pressed, or Enter in the field. A press while a hole is being filled waits for its
    turn. What is wrong is said below the button; then there is no result, as an older one would belong to another hole.
    """
    if not callable(fill):
        raise TypeError(f"fill must be a function of a prompt and a mask, but got {type(fill).__name__}.")
    for name, value in (("alt", alt), ("prompt", prompt)):
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a text, but got {type(value).__name__}.")
    if len(alt.split()) < 4:
        raise ValueError(f"alt must say in a sentence what the picture shows, but got {alt!r}.")
    if len(whole := _pictures(picture)) != 1:
        raise ValueError(f"picture must be one, but got {len(whole)}.")
    sheet, fill, grid = whole.together(ENLARGE), with_names_of_now(fill), MaskGrid(cells)
    if SIDE % cells:
        raise ValueError(f"cells must be 4, 8 or 16, which divide the picture's {SIDE} pixels, but got {cells}.")
    text = widgets.Text(prompt, description="prompt", continuous_update=False, **WIDE)
    button = widgets.Button(description="Fill", button_style="primary")
    button.add_class("course-enter")
    status, holed, filled = spoken_line(), widgets.HTML(), widgets.HTML()

    def redraw() -> None:
        where = _in_words(grid)
        holed.value = _img(_hatched(sheet, grid.mask()), f"{alt} {where}")
        status.value = text_html(where)

    def press(_: widgets.Button) -> None:
        mask, result = grid.mask(), ""
        try:
            if not mask.any():
                status.value = text_html("There is no hole to fill: mark at least one cell.")
            elif mask.all():
                status.value = text_html("Nothing of the picture would stay: leave at least one cell unmarked.")
            else:
                status.value = text_html("Filling …")
                with told(status, "Done: mark other cells, or change the prompt, and fill again."):
                    drawn = _pictures(fill(text.value, mask)).together(ENLARGE)
                    result = _img(drawn, f"{alt} Its hole is filled with: {text.value}")
        finally:
            filled.value = result

    grid.on_change(redraw)
    button.on_click(press)
    redraw()
    row = widgets.HBox([holed, grid, filled], layout={"flex_flow": "row wrap", "align_items": "flex-start"})
    return widgets.VBox([widgets.HBox([text, button], layout={"flex_flow": "row wrap"}), status, row])


def _pictures(given: Several) -> Pictures:
    return Pictures(((pictures_from(given) + 1) * 127.5).round().to(torch.uint8))


def _img(sheet: Image.Image, alt: str) -> str:
    return img_tag(packed(sheet), alt, *sheet.size)


def _hatched(sheet: Image.Image, mask: Tensor) -> Image.Image:
    """The enlarged picture with stripes over its hole, (64, 64) bool."""
    across = torch.arange(sheet.width)
    stripes = torch.where((across[:, None] + across) // STRIPE % 2 == 0, DARK, LIGHT).to(torch.uint8)
    hole = Image.fromarray(mask.numpy()).resize(sheet.size, Image.Resampling.NEAREST)
    return Image.composite(Image.fromarray(stripes.numpy()).convert("RGB"), sheet, hole)


def _in_words(grid: MaskGrid) -> str:
    """Where the hole is, for the eyes and the ears: "Hole: 16 of 64 cells, in rows 3 to 6 and columns 3 to 6."."""
    marks = grid.mask(grid.cells)
    if not marks.any():
        return "Hole: no cell is marked."
    spans = []
    for name, of_cells in (("row", marks.any(1)), ("column", marks.any(0))):
        numbers = (of_cells.nonzero().flatten() + 1).tolist()
        first, last = numbers[0], numbers[-1]
        spans.append(f"{name} {first}" if first == last else f"{name}s {first} to {last}")
    return f"Hole: {int(marks.sum())} of {marks.numel()} cells, in {' and '.join(spans)}."
