"""Figures with sliders, from core ipywidgets alone: they work by keyboard, in JupyterLab and in Colab."""

from collections.abc import Callable

import ipywidgets as widgets
from matplotlib.figure import Figure

from course_lib.classroom.plots import to_png


def explore(draw: Callable[..., Figure], **controls: widgets.ValueWidget) -> widgets.VBox:
    """A figure that is drawn again whenever one of its controls moves.

    The picture is a ``widgets.Image``, which is replaced in place; ``interact`` appends pictures in Colab.

    Args:
        draw: makes the figure from the controls' values, by name.
        controls: ipywidgets such as ``IntSlider``, by the name of draw's argument.

    Returns:
        The widget; the last expression of a cell shows it. An error in ``draw`` is raised at once for the first
        figure, and shown in the figure's place, as text, for later ones.
    """

    def picture() -> bytes:
        return to_png(draw(**{name: control.value for name, control in controls.items()}))

    image = widgets.Image(value=picture(), format="png", layout={"align_self": "flex-start", "max_width": "100%"})
    problem = widgets.Label()

    def redraw(change: object) -> None:
        try:
            image.value = picture()
            problem.value = ""
        except (
            Exception
        ) as error:  # whatever it is, the reader must see it: a widget's callback has no output of its own
            problem.value = f"{type(error).__name__}: {error}"

    for name, control in controls.items():
        control.description = control.description or name
        control.observe(redraw, names="value")
    return widgets.VBox([*controls.values(), problem, image])
