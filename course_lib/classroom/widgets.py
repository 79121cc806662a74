"""Figures with sliders, from core ipywidgets alone: they work by keyboard, in JupyterLab and in Colab."""

from collections.abc import Callable

import ipywidgets as widgets
from matplotlib.figure import Figure

from course_lib.classroom.plots import to_png
from course_lib.classroom.showing import show_widget


def explore(draw: Callable[..., Figure], **controls: widgets.ValueWidget) -> None:
    """Show a figure that is drawn again whenever one of its controls moves, or a sentence where no kernel runs."""
    show_widget(explorer(draw, **controls), plain="[With a running kernel, run this cell to move the controls.]")


def explorer(draw: Callable[..., Figure], **controls: widgets.ValueWidget) -> widgets.VBox:
    """The widget that ``explore`` shows.

    The picture is a ``widgets.Image``, which is replaced in place; ``interact`` appends pictures in Colab.

    Args:
        draw: makes the figure from the controls' values, by name.
        controls: ipywidgets such as ``IntSlider``, by the name of draw's argument.

    Returns:
        Controls and figure. An error in ``draw`` is raised at once for the first figure, and shown in the figure's
        place, as text, for later ones.
    """

    def picture() -> bytes:
        return to_png(draw(**{name: control.value for name, control in controls.items()}))

    image = widgets.Image(value=picture(), format="png", layout={"align_self": "flex-start", "max_width": "100%"})
    problem = widgets.Label()

    def redraw(change: object) -> None:
        try:
            image.value = picture()
            problem.value = ""
        except Exception as error:  # any: a widget's callback has no output of its own, and the reader must see it
            problem.value = f"{type(error).__name__}: {error}"

    for name, control in controls.items():
        control.description = control.description or name
        control.observe(redraw, names="value")
    return widgets.VBox([*controls.values(), problem, image])
