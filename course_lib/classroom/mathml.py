"""Formulas as MathML, which browsers draw themselves: no script, and nothing to load."""

import re

from latex2mathml.converter import convert


def to_mathml(tex: str, display: str = "inline") -> str:
    """A formula in TeX as MathML; display is "inline" or "block".

    What the converter misreads is first said as it understands it: ``aligned`` it does not know, of ``\\big\\|`` it shows
    the backslash, and a script or double-struck letter without braces becomes one that browsers draw as any other.
    """
    tex = tex.replace("{aligned}", "{split}")
    tex = re.sub(r"\\[bB]ig[lr]?\s*\\\|", r"\\|", tex)
    tex = re.sub(r"\\(mathbb|mathcal)\s*([A-Z])", r"\\\1{\2}", tex)
    return convert(tex, display=display)
