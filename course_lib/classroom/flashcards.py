"""Flashcards: to learn from in a notebook, to print one card a page, and to take along in Anki.

    flashcards("forward")       a deck in a notebook, by buttons or by keyboard, and as text below
    print_flashcards()          a button that lays out the whole set for the printer

The same without a browser: ``python -m course_lib.classroom.flashcards --pdf cards.pdf``, or ``--html``, or ``--anki``.
What the cards say is read in cards.py, and card_files.py makes what is printed or taken along.
"""

import argparse
import html
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ipywidgets as widgets

from course_lib.classroom.card_files import html_page, write_anki, write_html, write_pdf
from course_lib.classroom.cards import Card, deck, paragraphs, to_markdown, with_mathml
from course_lib.classroom.console import say
from course_lib.classroom.showing import show_html, show_markdown, show_widget, spoken_line

COMMAND = "python -m course_lib.classroom.flashcards"

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


# ---- In a notebook ----


def flashcards(name: str = "all") -> None:
    """Show a deck, named as in ``deck``: card by card with buttons and, folded below, as text for readers without a kernel."""
    cards = deck(name)
    instead = "[Run this cell to learn with buttons. All cards of the deck are below, as text.]"
    show_widget(learn(cards, random.Random()), plain=instead)
    show_markdown(as_markdown(cards), plain=f"[{len(cards)} flashcards as text]")


def learn(cards: Sequence[Card], generator: random.Random) -> widgets.VBox:
    """A pile of cards with its buttons. No button ever goes, moves or is switched off: mouse and keyboard keep their place."""
    face, place = spoken_line(), widgets.Label()
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
    return widgets.VBox([widgets.HBox([*buttons, place], layout={"flex_flow": "row wrap"}), face])


def _face(card: Card | None, answered: bool) -> str:
    if card is None:
        inside = "<b>All cards of this deck are good.</b><p>Start over, today or in a few days.</p>"
    else:
        inside = f'<div style="font-size: 1.25em; font-weight: bold">{with_mathml(card.front)}</div>'
        if answered:
            inside += f'<hr style="border: 0; border-top: 1px solid">{paragraphs(card, with_mathml)}'
    box = (
        "box-sizing: border-box; width: 40em; max-width: 100%; min-height: 11em; border: 1px solid; border-radius: 6px"
    )
    return f'<div style="{box}; padding: 1em 1.5em; font-size: 16px; line-height: 1.5">{inside}</div>'


def as_markdown(cards: Sequence[Card]) -> str:
    """A deck as Markdown alone: each answer folded under its question, and all of them in one fold."""
    blocks = ["<details><summary>All cards of this deck, as text</summary>"]
    for i, card in enumerate(cards, start=1):
        if "$" in card.front:  # no maths is rendered in a summary
            blocks += [f"**{i}** · {to_markdown(card.front)}", "<details><summary>Answer</summary>"]
        else:
            blocks += [f"<details><summary><b>{i}</b> · {html.escape(card.front)}</summary>"]
        blocks += [*(to_markdown(line) for line in card.back.splitlines()), "</details>"]
    return "\n\n".join([*blocks, "</details>"])


# ---- On paper, and in files ----

PRINT = (
    "const page = window.open(''); if (page) { page.document.write(this.dataset.page); page.document.close(); "
    "page.focus(); page.setTimeout(() => page.print(), 300) }"
)


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
                say(f"cards written to {chosen[form]}: {len(cards)}")
    except (ValueError, RuntimeError, OSError) as problem:
        raise SystemExit(str(problem)) from None


if __name__ == "__main__":
    main()
