"""What a cell shows, each with words for where it cannot be drawn: terminals, saved notebooks without a kernel."""

import html
import re
from collections.abc import Callable

import ipywidgets as widgets
from IPython.display import display

# What core ipywidgets cannot do, done by a script in the page. Keys that are typed in a control belong to it: JupyterLab
# would move on at an arrow, and delete the cell at "d d". Only Shift+Enter and keys with Ctrl, Alt or Cmd go on to
# JupyterLab, and Escape leads back to it. Enter in a field presses the button that asks for it. What a widget says in
# words is a live region, so that screen readers say it too, a slider has the name that stands before it, and a button that
# stays pressed is called what its tooltip says, and says whether it is pressed.
SCRIPT = """
const box = this.closest('.course-live');
const own = key => !key.ctrlKey && !key.altKey && !key.metaKey && !(key.shiftKey && key.key === 'Enter');
box.addEventListener('keydown', key => own(key) && key.stopPropagation());
box.addEventListener('keydown', key => {
    if (key.key === 'Escape') box.closest('.jp-Cell')?.focus();
    if (own(key) && key.key === 'Enter' && !key.isComposing && key.target.matches('input, [role=slider]'))
        setTimeout(() => box.querySelector('.course-enter')?.click(), 50);  // after the field has sent its value
}, true);
const speak = () => {
    box.querySelectorAll('.course-says').forEach(line => line.setAttribute('role', 'status'));
    for (const handle of box.querySelectorAll('[role=slider]:not([aria-label])')) {
        const name = handle.closest('.widget-slider')?.querySelector('label')?.textContent;
        if (name) handle.setAttribute('aria-label', name);
    }
    for (const toggle of box.querySelectorAll('button.widget-toggle-button')) {
        if (toggle.title) toggle.setAttribute('aria-label', toggle.title);
        toggle.setAttribute('aria-pressed', toggle.classList.contains('mod-active'));
    }
};
new MutationObserver(speak).observe(box, {childList: true, subtree: true});
speak();
"""
# When a page is loaded again beside a kernel that still runs, pictures load before their widget is in the page.
ONCE_IN_PAGE = """if (!this.isConnected) {
    setTimeout(() => this.dispatchEvent(new Event(event.type)), 50);
    return;
}
"""
# A picture that fails to load, so that the script runs.
ON_PAGE = f'<img src="data:," alt="" onerror="{html.escape(ONCE_IN_PAGE + SCRIPT)}">'

# A saved widget is dead until its cell runs again. The sentence that says so gives way to a live widget above it; where
# there is none, JupyterLab's "Error displaying widget" gives way to the sentence.
ASLEEP = """<style>
.jp-OutputArea-child:has(.course-live:not(.jupyter-widgets-disconnected)) + .jp-OutputArea-child:has(.course-asleep),
.jp-OutputArea-child:not(:has(.course-live)):has(+ .jp-OutputArea-child .course-asleep),
body:not(:has(.jp-OutputArea)):has(.course-live) .course-asleep { display: none }
</style>"""


def show_markdown(text: str, plain: str | None = None) -> None:
    """Show Markdown; ``plain`` stands in for it where none is rendered, the text itself unless given."""
    display({"text/markdown": text, "text/plain": text if plain is None else plain}, raw=True)


def show_html(text: str, plain: str) -> None:
    """Show HTML; ``plain`` stands in for it where none is rendered."""
    display({"text/html": text, "text/plain": plain}, raw=True)


def show_widget(widget: widgets.DOMWidget, plain: str) -> None:
    """Show a widget that keeps its keys to itself, and a sentence in its place where it does not live."""
    frame = widgets.VBox([widget, widgets.HTML(ON_PAGE, layout={"display": "none"})])
    frame.add_class("course-live")
    view = {"version_major": 2, "version_minor": 0, "model_id": frame.model_id}
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": ""}, raw=True)
    show_html(f'<p class="course-asleep">{html.escape(plain)}</p>{ASLEEP}', plain)


def spoken_line() -> widgets.HTML:
    """A line for verdicts and problems, empty at first; screen readers say what comes to stand in it."""
    line = widgets.HTML()
    line.add_class("course-says")
    return line


def text_html(text: str, translate: Callable[[str], str] = html.escape) -> str:
    """Plain text as HTML, escaped; a blank line begins a new paragraph."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "".join(f'<p style="line-height: 1.5">{translate(paragraph)}</p>' for paragraph in paragraphs)


def problem_html(error: Exception) -> str:
    """What a control says of an error behind it."""
    return f'<p class="course-problem">{html.escape(f"{type(error).__name__}: {error}")}</p>'
