"""Sphinx writes formulas as MathML."""

from docutils import nodes
from sphinx.application import Sphinx

from course_lib.classroom.mathml import to_mathml


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx how."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(writer, node: nodes.math) -> None:
    writer.body.append(to_mathml(node.astext()))
    raise nodes.SkipNode


def _display(writer, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{to_mathml(node.astext(), display="block")}</div>')
    raise nodes.SkipNode
