"""Cards to take along: printed from a browser, as a PDF that needs no browser, and in Anki.

Their maths becomes MathML on the printed page, which needs no network, is set by matplotlib in the PDF, and goes to
MathJax in Anki.
"""

import html
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from course_lib.classroom.cards import Card, for_mathjax, paragraphs, with_mathml
from course_lib.support.files import atomic_write

TITLE = "Diffusion models: flashcards"

# ---- By way of a browser ----

HEAD = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Diffusion models: flashcards</title><style>
@page { size: 148mm 105mm; margin: 0 }
body { margin: 0; font: 14pt/1.35 "STIX Two Text", "Times New Roman", "Liberation Serif", serif; color: #000; background: #fff }
section { position: relative; box-sizing: border-box; width: 148mm; height: 104.5mm; padding: 11mm 12mm; break-after: page }
section:last-child { break-after: auto }
section.long { font-size: 12pt }
h2 { margin: 0; padding-bottom: 3mm; border-bottom: .6pt solid #000; font-size: 1.35em; line-height: 1.25 }
p { margin: 3mm 0 0 }
math { font-weight: normal; font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", "DejaVu Math TeX Gyre", math }
footer { position: absolute; left: 12mm; right: 12mm; bottom: 7mm; font-size: 8pt; color: #555 }
footer span { float: right }
@media screen { section { margin: 1em auto; border: 1px solid #888 } }
</style></head>
"""


def html_page(cards: Sequence[Card]) -> str:
    """A page of its own that prints one card a page, front and answer."""
    sections = (
        f"<section{' class=long' * (len(card.back) > 230)}><h2>{with_mathml(card.front)}</h2>"
        f"{paragraphs(card, with_mathml)}"
        f"<footer>{html.escape(card.notebook)}<span>{html.escape(card.id)}</span></footer></section>"
        for card in cards
    )
    return HEAD + "<body>" + "\n".join(sections) + "</body></html>\n"


def write_html(cards: Sequence[Card], path: Path) -> None:
    """Write the page that prints one card a page; it needs nothing but itself."""
    with atomic_write(path) as partial:
        partial.write_text(html_page(cards), encoding="utf-8")


# ---- Without a browser. All lengths are in points, and (0, 0) is the lower left corner. ----

MILLIMETRE = 72 / 25.4
WIDTH, HEIGHT, MARGIN = 148 * MILLIMETRE, 105 * MILLIMETRE, 12 * MILLIMETRE
FLOOR = MARGIN + 12  # the answer ends above this line, the footer stands below it


@dataclass(frozen=True)
class Word:
    """A word, or a formula with what clings to it, where it stands: left end and baseline."""

    text: str
    x: float
    y: float
    width: float
    size: float
    bold: bool


def lay_out(card: Card) -> tuple[list[Word], float]:
    """Where every word of a card stands, and the height of the rule; all in smaller type if it would not fit."""
    for shrink in (0.96**k for k in count()):
        words, y = _set(card.front, 19 * shrink, True, HEIGHT - MARGIN)
        rule = y - 7 * shrink
        y = rule - 11 * shrink
        for line in card.back.splitlines():
            more, y = _set(line, 14.5 * shrink, False, y)
            words, y = words + more, y - 6 * shrink
        if y >= FLOOR and all(word.x + word.width <= WIDTH - MARGIN for word in words):
            return words, rule


def _set(text: str, size: float, bold: bool, top: float) -> tuple[list[Word], float]:
    """One paragraph's words below a height, and the height that it reaches down to."""
    lines, x = [[]], MARGIN
    for token in re.findall(r"(?:\$[^$]*\$|\S)+", text):  # a formula is never broken
        width, above, below = _measure(token, size, bold)
        if x + width > WIDTH - MARGIN and lines[-1]:
            lines, x = [*lines, []], MARGIN
        lines[-1].append((token, x, width, above, below))
        x += width + 0.25 * size
    words, y = [], top
    for line in lines:
        y -= max(0.75 * size, *(above for *_, above, _ in line))
        words += [Word(token, x, y, width, size, bold) for token, x, width, _, _ in line]
        y -= max(0.25 * size, *(below for *_, below in line)) + 0.25 * size
    return words, y


def _font(size: float, bold: bool) -> FontProperties:
    weight = "bold" if bold else "normal"
    return FontProperties(family="STIXGeneral", weight=weight, size=size, math_fontfamily="stix")


def _measure(text: str, size: float, bold: bool) -> tuple[float, float, float]:
    """How far a word reaches to the right, above its baseline and below it."""
    font, measure = _font(size, bold), text_to_path.get_text_width_height_descent
    if "$" in text:
        width, height, below = measure(text, font, ismath=True)
        return width, height - below, below
    # Only ink is measured; between two bars the white at a word's ends counts too. No word is higher than its line.
    return measure(f"|{text}|", font, ismath=False)[0] - measure("||", font, ismath=False)[0], 0, 0


def write_pdf(cards: Sequence[Card], path: Path) -> None:
    """Write one page a card, with matplotlib alone."""
    with atomic_write(path) as partial, PdfPages(partial, metadata={"Title": TITLE, "CreationDate": None}) as pages:
        for card in cards:
            pages.savefig(draw_page(card))


def draw_page(card: Card) -> Figure:
    """One card as a page."""
    fig = Figure(figsize=(WIDTH / 72, HEIGHT / 72), facecolor="white", layout="none")
    words, rule = lay_out(card)
    for word in words:
        fig.text(word.x / WIDTH, word.y / HEIGHT, word.text, fontproperties=_font(word.size, word.bold), color="black")
    left, right = MARGIN / WIDTH, 1 - MARGIN / WIDTH
    fig.add_artist(Line2D([left, right], [rule / HEIGHT] * 2, linewidth=0.6, color="black"))
    for x, text, side in [(left, card.notebook, "left"), (right, card.id, "right")]:
        fig.text(x, (MARGIN - 8) / HEIGHT, text, fontproperties=_font(8, False), color="#555555", ha=side)
    return fig


# ---- Anki ----

MODEL, DECK = 1_259_973_743, 1_361_616_016  # drawn once; Anki knows the kind of card and the deck by them


def write_anki(cards: Sequence[Card], path: Path) -> None:
    """Write an Anki package; imported again, it updates its cards and leaves what Anki knows of the learner.

    Raises:
        RuntimeError: if genanki, which writes such packages, is not installed.
    """
    try:
        import genanki
    except ImportError:
        raise RuntimeError(f"genanki is not installed: run  {sys.executable} -m pip install genanki") from None
    fields = [{"name": name} for name in ("Front", "Back", "Notebook")]
    answer = "{{FrontSide}}<hr id=answer>{{Back}}<small>{{Notebook}}</small>"
    template = {"name": "Card", "qfmt": "<b>{{Front}}</b>", "afmt": answer}
    css = ".card { font: 20px/1.4 serif; max-width: 34em; margin: 1em auto }"
    model = genanki.Model(MODEL, TITLE, fields=fields, templates=[template], css=css)
    notes = genanki.Deck(DECK, TITLE)
    for card in cards:
        texts = [for_mathjax(card.front), paragraphs(card, for_mathjax), html.escape(card.notebook)]
        guid = genanki.guid_for("diffusion-course", card.id)
        notes.add_note(genanki.Note(model, fields=texts, guid=guid, tags=[card.notebook, *card.tags]))
    with atomic_write(path) as partial:
        genanki.Package(notes).write_to_file(str(partial))
