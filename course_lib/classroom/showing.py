"""What a cell shows, each with words for whoever cannot see it drawn: in a terminal, without a kernel, untrusted."""

import ipywidgets as widgets
from IPython.display import display


def show_markdown(text: str, plain: str | None = None) -> None:
    """Show Markdown; ``plain`` stands in for it where none is rendered, the text itself unless given."""
    display({"text/markdown": text, "text/plain": text if plain is None else plain}, raw=True)


def show_html(text: str, plain: str) -> None:
    """Show HTML; ``plain`` stands in for it where none is rendered."""
    display({"text/html": text, "text/plain": plain}, raw=True)


def show_widget(widget: widgets.DOMWidget, plain: str) -> None:
    """Show a widget as widgets show themselves, but with a sentence where none can be drawn."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": plain}, raw=True)
