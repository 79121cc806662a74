"""Move every control that lives in a kernel, as a hand would, and list what goes wrong.

``IN_KERNEL`` is source text for programs that run notebooks, such as run_notebooks.py: executed in a kernel, after the cells,
it stops with an AssertionError that says which control does not answer.
"""

import os
import tempfile
from pathlib import Path

import ipywidgets as widgets

try:
    from ipywidgets.widgets.widget import _instances
except ImportError:  # version 7, which Colab has
    _instances = widgets.Widget.widgets

IN_KERNEL = f"""import runpy
broken_controls = runpy.run_path({__file__!r})["move_every_widget"]()
assert not broken_controls, broken_controls"""


def move_every_widget() -> list[str]:
    """Move each slider to its ends, choose each option, tick each box, type into each field, and press each button.

    All but the buttons, unless they stay pressed, stand afterwards as they stood before. The learner's ticks are left alone.

    Returns:
        For each move that ended in an error which control it was, and what the reader saw; empty if all is well.
    """
    usual = os.environ.get("COURSE_PROGRESS")
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_PROGRESS"] = str(Path(folder) / "progress.json")
        for control in list(_instances.values()):
            for name, move in _moves(control):
                move()
                problems += [f"{name} → {line.value}" for line in list(_instances.values()) if _shows_problem(line)]
        del os.environ["COURSE_PROGRESS"]
    if usual is not None:
        os.environ["COURSE_PROGRESS"] = usual
    return problems


def _moves(control):
    """What a hand can do with a control: a name and a function each."""
    if isinstance(control, widgets.Button):
        return [(f"button {control.description}", control.click)]
    if hasattr(control, "options") and hasattr(control, "index"):
        trait, values = "index", range(len(control.options))
    elif hasattr(control, "min") and hasattr(control, "max"):
        trait, values = "value", (control.min, control.max)
    elif isinstance(control, widgets.Checkbox | widgets.ToggleButton):
        trait, values = "value", (True, False)
    elif isinstance(control, widgets.Text | widgets.Textarea):
        trait, values = "value", ("", "$x$ <b> 0.5")
    else:
        return []
    usual = getattr(control, trait)
    name = (
        control.tooltip if isinstance(control, widgets.ToggleButton) else control.description
    )  # what is on it changes
    return [(f"{name} = {value}", lambda value=value: setattr(control, trait, value)) for value in (*values, usual)]


def _shows_problem(widget):
    return isinstance(widget, widgets.HTML) and "course-problem" in widget.value
