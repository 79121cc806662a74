r"""Flashcards: to learn from in a notebook, to print one card a page, and to take along in Anki.

    flashcards("forward")       a deck in a notebook, by buttons or by keyboard, and as text below
    print_flashcards()          a button that lays out the whole set for the printer

The same without a browser: ``python -m course_lib.classroom.flashcards --pdf cards.pdf``, or ``--html``, or ``--anki``.
All cards are in ``data/flashcards.toml``. Their maths stands between dollars and goes to MathJax in notebooks and Anki,
becomes MathML on printed pages, which needs no network, and is set by matplotlib in the PDF.
"""

import argparse
import html
import random
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

import ipywidgets as widgets
from latex2mathml.converter import convert as to_mathml
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from course_lib.classroom.showing import show_html, show_markdown, show_widget
from course_lib.files import atomic_write, shipped_file

TITLE = "Diffusion models: flashcards"
COMMAND = "python -m course_lib.classroom.flashcards"


@dataclass(frozen=True)
class Card:
    """A question and its answer; maths between dollars, each line of the back a paragraph."""

    id: str
    front: str
    back: str
    notebook: str
    tags: tuple[str, ...]


def load_cards() -> list[Card]:
    """All cards of the course, in the order of ``data/flashcards.toml``."""
    entries = tomllib.loads(shipped_file("flashcards.toml").read_text(encoding="utf-8"))["card"]
    return [Card(c["id"], c["front"], c["back"].strip(), c["notebook"], tuple(c["tags"])) for c in entries]


def deck(name: str) -> list[Card]:
    """The cards that go by a name.

    Args:
        name: a tag such as "sheet"; a notebook, whole ("01_forward_step") or a part of it ("01", "forward"); or "all".

    Raises:
        ValueError: if no card goes by that name; the text lists the names that exist.
    """
    cards = load_cards()
    chosen = [card for card in cards if name in ("all", card.notebook, *card.notebook.split("_"), *card.tags)]
    if not chosen:
        notebooks = ", ".join(sorted({card.notebook for card in cards}))
        tags = ", ".join(sorted({tag for card in cards for tag in card.tags}))
        raise ValueError(
            f"there is no deck {name!r}: name a notebook or a part of it ({notebooks}), a tag ({tags}), or all."
        )
    return chosen


# ---- The pile: what is still to be learned, without any widget ----


@dataclass(frozen=True)
class Pile:
    """A deck while it is learned: cards not yet seen, then those to repeat; the first of them all lies on top."""

    total: int
    unseen: tuple[Card, ...]
    missed: tuple[Card, ...] = ()

    @property
    def top(self) -> Card | None:
        """The card to answer now; None when every card is good."""
        return next(iter(self.unseen + self.missed), None)


def start(cards: Sequence[Card]) -> Pile:
    """A pile of all the cards, none of them seen."""
    return Pile(len(cards), tuple(cards))


def good(pile: Pile) -> Pile:
    """The top card is known: it leaves the pile."""
    if pile.unseen:
        return replace(pile, unseen=pile.unseen[1:])
    return replace(pile, missed=pile.missed[1:])


def again(pile: Pile) -> Pile:
    """The top card goes to the very end of the pile, and comes back."""
    rest = good(pile)
    return replace(rest, missed=(*rest.missed, pile.top)) if pile.top else pile


def shuffle(pile: Pile, generator: random.Random) -> Pile:
    """The same cards in random order; those not yet seen still come first."""
    unseen, missed = (tuple(generator.sample(part, len(part))) for part in (pile.unseen, pile.missed))
    return replace(pile, unseen=unseen, missed=missed)


def describe(pile: Pile) -> str:
    """Where one stands: "card 3 of 12, 2 to repeat"."""
    if pile.top is None:
        return f"all {pile.total} cards are good"
    seen = pile.total - len(pile.unseen)
    place = f"card {seen + 1} of {pile.total}" if pile.unseen else f"all {pile.total} cards seen"
    return place + (f", {len(pile.missed)} to repeat" if pile.missed else "")


# ---- Text: words are escaped, maths is translated ----


def _translated(text: str, words: Callable[[str], str], maths: Callable[[str], str]) -> str:
    pieces = text.split("$")  # words, maths, words, …, words
    return "".join(maths(piece) if i % 2 else words(piece) for i, piece in enumerate(pieces))


def _without_marks(text: str) -> str:
    """Words of which Markdown takes none for a mark or a tag."""
    return html.escape(re.sub(r"([\\`*_\[\]#|~])", r"\\\1", text), quote=False)


# HTML whose maths is TeX between \( and \), which MathJax finds in a widget and in Anki; HTML whose maths needs neither
# script nor network; and Markdown.
_for_mathjax = partial(_translated, words=html.escape, maths=lambda tex: rf"\({html.escape(tex)}\)")
_with_mathml = partial(_translated, words=html.escape, maths=to_mathml)
_markdown = partial(_translated, words=_without_marks, maths="${}$".format)


def _paragraphs(card: Card, translate: Callable[[str], str]) -> str:
    return "".join(f"<p>{translate(line)}</p>" for line in card.back.splitlines())


# ---- In a notebook ----


def flashcards(name: str = "all") -> None:
    """Show a deck, named as in ``deck``: card by card with buttons and, folded below, as text for who has no kernel."""
    cards = deck(name)
    instead = "[Run this cell to learn with buttons. All cards of the deck are below, as text.]"
    show_widget(learn(cards, random.Random()), plain=instead)
    show_markdown(as_markdown(cards), plain=f"[{len(cards)} flashcards as text]")


def learn(cards: Sequence[Card], generator: random.Random) -> widgets.VBox:
    """A pile of cards with its buttons. No button ever goes or is switched off, so the keyboard keeps its place."""
    face, place = widgets.HTMLMath(), widgets.Label()
    buttons = [widgets.Button(description=text) for text in ("Show answer", "Again", "Good", "Shuffle", "Start over")]
    pile, answered = start(cards), False

    def turn(to: Pile, answer: bool) -> None:
        nonlocal pile, answered
        pile, answered = to, answer
        face.value = _face(pile.top, answered)
        place.value = describe(pile)

    def grade(mark: Callable[[Pile], Pile]) -> None:
        turn(mark(pile), False) if answered else turn(pile, True)  # nobody grades an answer that they have not seen

    actions = (
        lambda _: turn(pile, True),
        lambda _: grade(again),
        lambda _: grade(good),
        lambda _: turn(shuffle(pile, generator), False),
        lambda _: turn(start(cards), False),
    )
    for button, action in zip(buttons, actions, strict=True):
        button.on_click(action)
    turn(pile, False)
    return widgets.VBox([face, widgets.HBox(buttons, layout={"flex_flow": "row wrap"}), place])


def _face(card: Card | None, answered: bool) -> str:
    if card is None:
        inside = "<b>All cards of this deck are good.</b><p>Start over, today or in a few days.</p>"
    else:
        inside = f'<div style="font-size: 1.25em; font-weight: bold">{_for_mathjax(card.front)}</div>'
        if answered:
            inside += f'<hr style="border: 0; border-top: 1px solid">{_paragraphs(card, _for_mathjax)}'
    box = (
        "box-sizing: border-box; width: 40em; max-width: 100%; min-height: 11em; border: 1px solid; border-radius: 6px"
    )
    return f'<div style="{box}; padding: 1em 1.5em; font-size: 16px; line-height: 1.5">{inside}</div>'


def as_markdown(cards: Sequence[Card]) -> str:
    """A deck as Markdown alone: each answer folded under its question, and all of them in one fold."""
    blocks = ["<details><summary>All cards of this deck, as text</summary>"]
    for i, card in enumerate(cards, start=1):
        if "$" in card.front:  # no maths is rendered in a summary
            blocks += [f"**{i}** · {_markdown(card.front)}", "<details><summary>Answer</summary>"]
        else:
            blocks += [f"<details><summary><b>{i}</b> · {html.escape(card.front)}</summary>"]
        blocks += [*(_markdown(line) for line in card.back.splitlines()), "</details>"]
    return "\n\n".join([*blocks, "</details>"])


# ---- On paper, by way of a browser ----

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

PRINT = (
    "const page = window.open(''); if (page) { page.document.write(this.dataset.page); page.document.close(); "
    "page.focus(); page.setTimeout(() => page.print(), 300) }"
)


def html_page(cards: Sequence[Card]) -> str:
    """A page of its own that prints one card a page, front and answer."""
    sections = (
        f"<section{' class=long' * (len(card.back) > 230)}><h2>{_with_mathml(card.front)}</h2>"
        f"{_paragraphs(card, _with_mathml)}"
        f"<footer>{html.escape(card.notebook)}<span>{html.escape(card.id)}</span></footer></section>"
        for card in cards
    )
    return HEAD + "<body>" + "\n".join(sections) + "</body></html>\n"


def print_flashcards(name: str = "all") -> None:
    """Show a button that opens a deck, named as in ``deck``, in a window of its own and prints it, one card a page."""
    cards = deck(name)
    instead = f"{COMMAND} --pdf cards.pdf" + ("" if name == "all" else f" --deck {name}")
    page = html.escape(html_page(cards))
    button = f'<button onclick="{html.escape(PRINT)}" data-page="{page}">Print flashcards</button>'
    text = (
        f"One card a page, {len(cards)} in all. Nothing happens? Run this cell first: in a notebook not yet trusted the "
        "button is dead. If the browser keeps the window from opening, write a file instead, in a terminal:"
    )
    shown = f"<p>{button}</p><p>{html.escape(text)} <code>{html.escape(instead)}</code></p>"
    show_html(shown, plain=f"{text} {instead}")


def write_html(cards: Sequence[Card], path: Path) -> None:
    """Write the page that prints one card a page; it needs nothing but itself."""
    with atomic_write(path) as partial:
        partial.write_text(html_page(cards), encoding="utf-8")


# ---- On paper, without a browser. All lengths are in points, and (0, 0) is the lower left corner. ----

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
            pages.savefig(_draw(card))


def _draw(card: Card) -> Figure:
    fig = Figure(figsize=(WIDTH / 72, HEIGHT / 72), facecolor="white", layout="none")
    words, rule = lay_out(card)
    for word in words:
        fig.text(word.x / WIDTH, word.y / HEIGHT, word.text, fontproperties=_font(word.size, word.bold), color="black")
    left, right = MARGIN / WIDTH, 1 - MARGIN / WIDTH
    fig.add_artist(Line2D([left, right], [rule / HEIGHT] * 2, linewidth=0.6, color="black"))
    for x, text, side in [(left, card.notebook, "left"), (right, card.id, "right")]:
        fig.text(x, (MARGIN - 8) / HEIGHT, text, fontproperties=_font(8, False), color="#555555", ha=side)
    return fig


# ---- Anki, and the command line ----

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
        texts = [_for_mathjax(card.front), _paragraphs(card, _for_mathjax), html.escape(card.notebook)]
        guid = genanki.guid_for("diffusion-course", card.id)
        notes.add_note(genanki.Note(model, fields=texts, guid=guid, tags=[card.notebook, *card.tags]))
    with atomic_write(path) as partial:
        genanki.Package(notes).write_to_file(str(partial))


def main() -> None:
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write flashcards to print, or for Anki.")
    parser.add_argument("--deck", default="all", help='which cards: "sheet", "01", "forward", …; all unless given')
    writers = {"pdf": write_pdf, "html": write_html, "anki": write_anki}
    for form in writers:
        parser.add_argument(f"--{form}", type=Path, metavar="FILE")
    chosen = vars(parser.parse_args())
    if not any(chosen[form] for form in writers):
        parser.error("name at least one file to write: --pdf, --html or --anki")
    try:
        cards = deck(chosen["deck"])
        for form, write in writers.items():
            if chosen[form]:
                write(cards, chosen[form])
                print(f"cards written to {chosen[form]}: {len(cards)}")
    except (ValueError, RuntimeError, OSError) as problem:
        raise SystemExit(str(problem)) from None


if __name__ == "__main__":
    main()
