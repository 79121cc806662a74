"""Figures with sliders, from core ipywidgets alone: they work by keyboard, in JupyterLab and in Colab."""

from collections.abc import Callable
from types import FunctionType

import ipywidgets as widgets
from matplotlib.figure import Figure

from course_lib.classroom.plots import figure_html
from course_lib.classroom.showing import problem_html, show_widget, spoken_line


def explore(draw: Callable[..., Figure], alt: str, **controls: widgets.ValueWidget) -> None:
    """Show a figure that is drawn again whenever one of its controls moves, or a sentence where no kernel runs."""
    show_widget(explorer(draw, alt, **controls), plain="[With a running kernel, run this cell to move the controls.]")


def explorer(draw: Callable[..., Figure], alt: str, **controls: widgets.ValueWidget) -> widgets.VBox:
    """The widget that ``explore`` shows.

    Args:
        draw: makes the figure from the controls' values, by name. It goes on with the notebook's names as they are now:
            a later cell may use them for something else.
        alt: a sentence that says what the figure shows, for readers who cannot see it. What the controls say is added.
        controls: ipywidgets such as ``IntSlider``, by the name of draw's argument.

    Returns:
        Controls and figure. An error in ``draw`` is raised at once for the first figure, and shown above the figure,
        as text, for later ones.
    """
    draw = with_names_of_now(draw)

    def picture() -> str:
        # HTML that is replaced in place: ``interact`` appends pictures in Colab, and widgets.Image has no alternative text.
        fig = draw(**{name: control.value for name, control in controls.items()})
        said = (f"{control.description} = {getattr(control, 'label', control.value)}" for control in controls.values())
        return figure_html(fig, f"{alt} Now: {', '.join(said)}.")

    def redraw(change: object) -> None:
        try:
            image.value = picture()
            problem.value = ""
        except Exception as error:  # any: a widget's callback has no output of its own, and the reader must see it
            problem.value = problem_html(error)

    for name, control in controls.items():
        control.description = control.description or name
        control.layout.width, control.layout.max_width = "40em", "100%"
    image, problem = widgets.HTML(picture()), spoken_line()
    for control in controls.values():
        control.observe(redraw, names="value")
    return widgets.VBox([*controls.values(), problem, image])


def with_names_of_now(function: Callable) -> Callable:
    """The same function on a copy of its global names, so that no later cell changes what they stand for."""
    if not isinstance(function, FunctionType):
        return function
    names, closure = dict(function.__globals__), function.__closure__
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, closure)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
