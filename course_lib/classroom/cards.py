"""The cards: what they say, which of them make a deck, and their text in the three languages it is needed in.

All of them are in ``data/flashcards.toml``. Their maths stands between dollars.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from course_lib.classroom.mathml import to_mathml
from course_lib.support.files import shipped_tables


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
    entries = shipped_tables("flashcards.toml", "card")
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


# ---- Text: words are escaped, maths is translated ----


def _translated(text: str, words: Callable[[str], str], maths: Callable[[str], str]) -> str:
    pieces = text.split("$")  # words, maths, words, …, words
    return "".join(maths(piece) if i % 2 else words(piece) for i, piece in enumerate(pieces))


def _without_marks(text: str) -> str:
    """Words of which Markdown takes none for a mark or a tag."""
    return html.escape(re.sub(r"([\\`*_\[\]#|~])", r"\\\1", text), quote=False)


# HTML whose maths is TeX between \( and \), which MathJax finds in Anki; HTML whose maths needs neither
# script nor network; and Markdown.
for_mathjax = partial(_translated, words=html.escape, maths=lambda tex: rf"\({html.escape(tex)}\)")
with_mathml = partial(_translated, words=html.escape, maths=to_mathml)
to_markdown = partial(_translated, words=_without_marks, maths="${}$".format)


def paragraphs(card: Card, translate: Callable[[str], str]) -> str:
    """The back of a card as HTML, each line a paragraph."""
    return "".join(f"<p>{translate(line)}</p>" for line in card.back.splitlines())
