"""Flashcards: the file's shape, the pile, the buttons, and every card whole on its page."""

import html
import math
import random
import re
import sqlite3
import sys
import unicodedata
import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from latex2mathml.converter import convert
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.mathtext import MathTextParser
from pypdf import PdfReader

from course_lib.classroom.card_files import (
    FLOOR,
    HEIGHT,
    MARGIN,
    WIDTH,
    draw_page,
    html_page,
    lay_out,
    write_anki,
    write_html,
    write_pdf,
)
from course_lib.classroom.cards import Card, deck, load_cards
from course_lib.classroom.flashcards import (
    again,
    as_markdown,
    describe,
    flashcards,
    good,
    learn,
    main,
    print_flashcards,
    shuffle,
    start,
)

CARDS = load_cards()
STRANGE = Card("strange-1", "Is a_b *c* <script> & `d`?", r"$x_t$ is | 2 \ 3 <b>", "01_forward_step", ("sheet",))
NOTEBOOKS = {path.stem for path in (Path(__file__).parents[1] / "notebooks").glob("*.ipynb")}


def named(ids):
    return [Card(each, f"{each}?", f"{each}.", "01_forward_step", ()) for each in ids]


def count_words(text):
    return len(re.sub(r"\$[^$]+\$", "formula", text).split())


# ---- The file ----


# What the sheet's cards say, fact by fact: a later hand may reword them, and must not lose one.
FACTS = {
    "sheet-1": [r"\beta_1, \ldots, \beta_T", "nothing learned", "learned: a network", "x_T", "x_0", "pure noise"],
    "sheet-2": [
        r"\sqrt{1-\beta_t}\,x_{t-1} + \sqrt{\beta_t}\,\epsilon",
        r"\mathcal{N}(0, I)",
        "0.990 to 0.99995",
        "tends to",
    ],
    "sheet-3": [
        r"\|\epsilon - \epsilon_\theta(x_t, t)\|^2",
        "mean squared",
        "U-Net",
        "the whole noise",
        "adversary",
        "stable",
    ],
    "sheet-4": ["1000", "25 to 100", r"\eta = 0", "student", "1 to 4", "VAE"],
    "sheet-5": ["not on pixels", "VAE", "encoder and decoder", "Stable Diffusion", "affordable"],
    "sheet-6": ["cross-attention", "U-Net", "CLIP", "every denoising step", "guidance"],
    "sheet-7": [
        "with the prompt and without",
        "twice",
        r"\epsilon_u + w\,(\epsilon_c - \epsilon_u)",
        "more diverse",
        "knob",
    ],
    "sheet-8": ["blurry", "smooth latent space", "sharp", "unstable", "mode", "slow", "DDIM, distillation and latent"],
    "sheet-9": ["encoder", "decoder", "first stage", "Stable Diffusion", "never replaced"],
}


@pytest.mark.parametrize("card", CARDS[:9], ids=lambda card: card.id)
def test_no_fact_of_the_sheet_is_lost(card):
    assert [fact for fact in FACTS[card.id] if fact not in card.back] == []


def test_ids_last_and_notebooks_and_tags_are_of_the_known_kind():
    ids = [card.id for card in CARDS]
    assert len(set(ids)) == len(ids)
    parts = {part for name in NOTEBOOKS for part in [name, *name.split("_")]}
    for card in CARDS:
        assert re.fullmatch(r"[a-z]+-\d+", card.id)
        assert card.notebook in NOTEBOOKS
        assert card.tags
        for tag in card.tags:
            assert re.fullmatch(r"[a-z-]+", tag), tag  # Anki allows no spaces
            assert tag not in parts, f"{tag} would mix two decks"
    for notebook in sorted(NOTEBOOKS)[:7]:
        assert sum(card.notebook == notebook and "sheet" not in card.tags for card in CARDS) >= 7


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_cards_are_short(card):
    assert 1 <= count_words(card.front) <= 15
    assert 1 <= count_words(card.back) <= (70 if "sheet" in card.tags else 45)
    assert card.front.endswith("?")
    assert all(line and line == line.strip() for line in [card.front, *card.back.splitlines()])


# Tried in MathJax, latex2mathml and mathtext. Before you use another, try it in all three.
COMMANDS = {
    *(
        "alpha",
        "beta",
        "epsilon",
        "eta",
        "theta",
        "Omega",
        "bar",
        "hat",
        "tilde",
        "mathcal",
        "sqrt",
        "log",
        "sin",
        "nabla",
    ),
    *("approx", "cdot", "cdots", "ldots", "sim", "|", ","),
}


def maths_problems(text):
    """Why some maths of a text would not render somewhere."""
    if text.count("$") % 2:
        return ["a dollar is missing"]
    problems = []
    for tex in text.split("$")[1::2]:
        problems += [f"unknown: {each}" for each in re.findall(r"\\([A-Za-z]+|.)", tex) if each not in COMMANDS]
        if re.search("[<>&]", tex):
            problems.append("HTML would take it for a tag")
        if "\\" in convert(tex):
            problems.append("latex2mathml lacks it")
        try:
            MathTextParser("path").parse(f"${tex}$")
        except ValueError:
            problems.append("mathtext lacks it")
    return problems


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_the_maths_renders_everywhere(card):
    assert maths_problems(card.front) == []
    assert [problem for line in card.back.splitlines() for problem in maths_problems(line)] == []


@pytest.mark.parametrize(
    ("tex", "problem"),
    [
        ("$x", "a dollar is missing"),
        ("$x < y$", "HTML would take it for a tag"),
        (r"$\frac12$", "mathtext lacks it"),
        (r"$\foo x$", "latex2mathml lacks it"),
        (r"$\mathdefault{x}$", "unknown: mathdefault"),
    ],
)
def test_maths_that_would_not_render_is_noticed(tex, problem):
    assert problem in maths_problems(tex)


# ---- Decks and piles ----


def test_a_deck_by_each_kind_of_name():
    assert deck("all") == CARDS
    assert deck("forward") == deck("01") == deck("01_forward_step")
    assert {card.notebook for card in deck("forward")} == {"01_forward_step"}
    assert {tag for card in deck("formula") for tag in card.tags} > {"formula"}
    assert {card.notebook for card in deck("guidance")} == {"06_guidance"}
    assert {card.id for card in deck("guidance")} > {"sheet-7", "guidance-1"}


@pytest.mark.parametrize("name", ["nonsense", "", "0", "forw", "start-1"])
def test_an_unknown_deck_is_told_which_there_are(name):
    sentence = rf"^there is no deck '{name}': name a notebook or a part of it \(00_.*\), a tag \(.*sheet.*\), or all\.$"
    with pytest.raises(ValueError, match=sentence):
        deck(name)


def test_good_cards_go_and_missed_cards_come_back_at_the_end():
    a, b, c = cards = named("abc")
    pile = start(cards)
    assert (pile.top, describe(pile)) == (a, "card 1 of 3")
    pile = again(pile)
    assert (pile.top, describe(pile)) == (b, "card 2 of 3, 1 to repeat")
    pile = good(pile)
    assert (pile.top, describe(pile)) == (c, "card 3 of 3, 1 to repeat")
    pile = again(pile)
    assert (pile.top, describe(pile)) == (a, "all 3 cards seen, 2 to repeat")
    pile = again(pile)
    assert pile.top == c
    pile = good(good(pile))
    assert (pile.top, describe(pile)) == (None, "all 3 cards are good")
    assert good(pile) == again(pile) == pile
    assert start(cards).top == a


def test_shuffling_follows_the_seed_and_keeps_missed_cards_last():
    cards = named("abcdefgh")
    pile = again(again(again(start(cards))))
    one, same, other = (shuffle(pile, random.Random(seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert one.unseen != pile.unseen
    assert set(one.unseen) == set(cards[3:])
    assert set(one.missed) == set(cards[:3])
    assert describe(one) == describe(pile)


@given(st.lists(st.sampled_from(["again", "good", "shuffle"])))
def test_no_card_is_lost_or_doubled(moves):
    cards = named("abcde")
    pile, known = start(cards), []
    for move in moves:
        if move == "good" and pile.top:
            known.append(pile.top)
        pile = shuffle(pile, random.Random(0)) if move == "shuffle" else {"again": again, "good": good}[move](pile)
        assert sorted([*known, *pile.unseen, *pile.missed], key=cards.index) == cards


# ---- In a notebook ----


class Learner:
    """Sees what the widget shows and clicks its buttons."""

    def __init__(self, cards):
        self.box = learn(cards, random.Random(0))
        row, self.face = self.box.children
        *buttons, self.place = row.children
        self.buttons = {button.description: button for button in buttons}

    def click(self, *names):
        for name in names:
            self.buttons[name].click()
        return self.sees()

    def sees(self):
        return [each for each in re.findall(r"\b[abc][?.]", self.face.value)], self.place.value


def test_learning_by_clicks():
    learner = Learner(named("abc"))
    assert learner.sees() == (["a?"], "card 1 of 3")
    assert learner.click("Show answer") == (["a?", "a."], "card 1 of 3")
    assert learner.click("Show answer") == (["a?", "a."], "card 1 of 3")
    assert learner.click("Again") == (["b?"], "card 2 of 3, 1 to repeat")
    # Who grades without having seen the answer is shown it first.
    assert learner.click("Good") == (["b?", "b."], "card 2 of 3, 1 to repeat")
    assert learner.click("Good") == (["c?"], "card 3 of 3, 1 to repeat")
    assert learner.click("Again", "Again") == (["a?"], "all 3 cards seen, 2 to repeat")
    assert learner.click("Good", "Good", "Show answer", "Good") == ([], "all 3 cards are good")
    assert "All cards of this deck are good." in learner.face.value
    assert learner.click("Show answer", "Again", "Good", "Shuffle") == ([], "all 3 cards are good")
    assert learner.click("Start over") == (["a?"], "card 1 of 3")
    learner.click("Show answer")
    answers = {tuple(learner.click("Shuffle")[0]) for _ in range(20)}
    assert answers == {("a?",), ("b?",), ("c?",)}  # and none with its answer


def test_buttons_stay_so_that_the_keyboard_keeps_its_place():
    learner = Learner(named("ab"))
    before = dict(learner.buttons)
    assert list(before) == ["Show answer", "Again", "Good", "Shuffle", "Start over"]
    learner.click("Show answer", "Again", "Good", "Good", "Good", "Good")
    assert learner.sees()[1] == "all 2 cards are good"
    assert list(learner.box.children[0].children[:-1]) == list(before.values())
    assert not any(button.disabled for button in before.values())


def test_words_are_escaped_and_maths_is_marked_in_the_widget():
    learner = Learner([STRANGE])
    learner.click("Show answer")
    assert "Is a_b *c* &lt;script&gt; &amp; `d`?" in learner.face.value
    assert "</math> is | 2 \\ 3 &lt;b&gt;</p>" in learner.face.value


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_a_card_holds_no_tex_and_is_spoken(card):
    learner = Learner([card])
    learner.click("Show answer")
    assert not re.search(r"[$\\]", learner.face.value)
    assert learner.face.value.count("<math") == (card.front + card.back).count("$") // 2
    assert "course-says" in learner.face._dom_classes


def test_a_deck_is_shown_as_a_widget_and_as_text(shown):
    flashcards("forward")
    widget, asleep, text = shown
    assert widget["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert "Run this cell" in asleep["text/plain"]
    assert text["text/markdown"] == as_markdown(deck("forward"))


def test_the_text_holds_all_cards_folded():
    text = as_markdown(CARDS)
    assert text.startswith("<details><summary>All cards of this deck, as text</summary>\n\n")
    assert text.count("<details>") == text.count("</details>") == len(CARDS) + 1
    assert text.endswith("\n\n</details>\n\n</details>")
    for line in re.findall(r".*</?(?:details|summary)>.*", text):
        assert line.startswith(("<details><summary>", "</details>")), "tags stand unindented"
        assert "$" not in line, "no maths in a summary"
    assert not re.search(r"</summary>(?!\n\n)|(?<!\n\n)</details>", text), "blank lines around what is folded"
    for card in CARDS:
        assert all(line in html.unescape(text.replace("\\_", "_")) for line in [card.front, *card.back.splitlines()])


def test_words_are_escaped_in_the_text():
    text = as_markdown([STRANGE])
    assert "<summary><b>1</b> · Is a_b *c* &lt;script&gt; &amp; `d`?</summary>" in text
    assert r"$x_t$ is \| 2 \\ 3 &lt;b&gt;" in text
    with_maths = Card("s", "$x_t$: a_b, <i>?", "yes", "01_forward_step", ())
    assert "**1** · $x_t$: a\\_b, &lt;i&gt;?\n\n<details><summary>Answer</summary>\n\nyes" in as_markdown([with_maths])


# ---- On paper ----


def test_the_page_prints_a_section_a_card_and_no_blank_page():
    page = html_page(CARDS)
    assert page.count("<section") == page.count("</section>") == page.count("<h2>") == len(CARDS)
    assert "@page { size: 148mm 105mm;" in page
    assert re.search(r"section \{[^}]*break-after: page", page)
    assert "section:last-child { break-after: auto }" in page
    assert page.endswith("</section></body></html>\n"), "only the last section is the last child"
    body = page.split("<body>")[1]
    assert "$" not in body
    assert "\\" not in body
    assert body.count("<math ") == sum((card.front + card.back).count("$") // 2 for card in CARDS)
    assert "src=" not in page
    assert "href=" not in page
    for card in CARDS:
        for line in [card.front, *card.back.splitlines()]:
            assert all(html.escape(words) in body for words in line.split("$")[::2])


def test_words_are_escaped_on_the_page():
    body = html_page([STRANGE]).split("<body>")[1]
    assert "<h2>Is a_b *c* &lt;script&gt; &amp; `d`?</h2><p><math " in body
    assert "</math> is | 2 \\ 3 &lt;b&gt;</p>" in body


def test_the_print_button_opens_the_page_and_says_what_else_to_do(shown):
    print_flashcards("forward")
    print_flashcards()
    (forward, everything) = (data["text/html"] for data in shown)
    carried = re.search(r'<button onclick="([^"]*)" data-page="([^"]*)">Print flashcards</button>', forward)
    assert "print()" in html.unescape(carried[1])
    assert html.unescape(carried[2]) == html_page(deck("forward"))
    assert "Run this cell first" in forward
    assert "python -m course_lib.classroom.flashcards --pdf cards.pdf --deck forward</code>" in forward
    assert "--pdf cards.pdf</code>" in everything
    assert f"One card a page, {len(CARDS)} in all." in everything


def squeezed(text):
    """Text without spaces and ligatures, as far as a PDF reader may differ."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text))


@pytest.mark.slow
def test_every_card_is_whole_on_a_page_of_its_own(tmp_path):
    write_pdf(CARDS, tmp_path / "cards.pdf")
    reader = PdfReader(tmp_path / "cards.pdf")
    assert len(reader.pages) == len(CARDS)
    assert reader.metadata.title == "Diffusion models: flashcards"
    for card, page in zip(CARDS, reader.pages, strict=True):
        assert math.isclose(float(page.mediabox.width) / 72 * 25.4, 148, abs_tol=0.1)
        assert math.isclose(float(page.mediabox.height) / 72 * 25.4, 105, abs_tol=0.1)
        there = squeezed(page.extract_text())
        outside_maths = " ".join(f"{card.front} {card.back}".split("$")[::2])
        assert [word for word in outside_maths.split() if squeezed(word) not in there] == []
        assert card.notebook in there
        assert card.id in there


def positions(card):
    words, rule = lay_out(card)
    count = len(re.findall(r"(?:\$[^$]*\$|\S)+", card.front))
    return words[:count], rule, words[count:]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_the_layout_stays_within_the_margins(card):
    front, rule, back = positions(card)
    assert " ".join(word.text for word in [*front, *back]) == " ".join(f"{card.front} {card.back}".split())
    for word in [*front, *back]:
        assert word.x >= MARGIN
        assert word.x + word.width <= WIDTH - MARGIN
        assert FLOOR < word.y < HEIGHT - MARGIN
    assert min(word.y for word in front) > rule > max(word.y for word in back)
    assert min(word.size for word in back) >= 12, "a card that needs smaller type says too much"
    for left, right in pairwise(back):
        assert right.y < left.y or right.x > left.x + left.width, "words follow each other"


def ink(card):
    """Where a card's drawing is not white, (297, 419), a pixel a point; row 0 is the top."""
    canvas = FigureCanvasAgg(draw_page(card))
    canvas.figure.set_dpi(72)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].min(axis=-1) < 200


LONG = Card(
    "long-1", "Is this $x_t$ much too long? " * 6, "Many words, $\\sqrt{1-\\beta_t}$ and more. " * 40, "03_ddim", ()
)
WIDE = Card("wide-1", "Wide?", "$" + " + ".join(["x_{t-1}"] * 30) + "$", "03_ddim", ())


@pytest.mark.parametrize("card", [*CARDS[:9:2], LONG, WIDE], ids=lambda card: card.id)
def test_no_ink_in_the_margins_however_long_the_card(card):
    marked = ink(card)
    rows, columns = marked.any(axis=1).nonzero()[0], marked.any(axis=0).nonzero()[0]
    assert columns.min() >= MARGIN - 2
    assert columns.max() <= WIDTH - MARGIN + 2
    assert rows.min() >= MARGIN - 4
    assert not marked[int(HEIGHT - FLOOR) + 1 : int(HEIGHT - MARGIN)].any(), "the answer runs into the footer"
    assert marked[int(HEIGHT - MARGIN) :].any(), "the footer is missing"


def test_type_shrinks_only_where_it_must():
    _, _, back = positions(CARDS[1])
    _, _, smaller = positions(LONG)
    assert back[0].size == 14.5
    assert smaller[0].size < 10


# ---- Anki and the command line ----


def notes_in(package, folder):
    """guid, fields and tags of each note of an Anki package, and the ids of its decks."""
    with zipfile.ZipFile(package) as archive:
        archive.extract("collection.anki2", folder)
    connection = sqlite3.connect(folder / "collection.anki2")
    notes = connection.execute("select guid, mid, flds, tags from notes order by id").fetchall()
    decks = {row[0] for row in connection.execute("select did from cards")}
    connection.close()
    return notes, decks


def test_anki_knows_the_cards_again(tmp_path):
    write_anki(CARDS, tmp_path / "one.apkg")
    reworded = [replace(card, front=f"Now: {card.front}") for card in reversed(CARDS)]
    write_anki([STRANGE, *reworded], tmp_path / "two.apkg")
    one, decks = notes_in(tmp_path / "one.apkg", tmp_path)
    two, same_decks = notes_in(tmp_path / "two.apkg", tmp_path)
    assert len(one) == len(CARDS)
    assert len({guid for guid, *_ in one}) == len(CARDS)
    assert decks == same_decks
    assert {note[:2] for note in one} < {note[:2] for note in two}, "guid and model must stay, whatever else changes"
    _, _, fields, tags = one[1]
    front, back, notebook = fields.split("\x1f")
    assert front == r"How does one forward step make \(x_t\) from \(x_{t-1}\)?"
    assert back.startswith(r"<p>\(x_t = \sqrt{1-\beta_t}\,x_{t-1} + \sqrt{\beta_t}\,\epsilon\), with")
    assert notebook == "01_forward_step"
    assert set(tags.split()) == {"sheet", "formula", "01_forward_step"}
    strange = next(fields for *_, fields, _ in two if "script" in fields)
    assert strange.startswith("Is a_b *c* &lt;script&gt; &amp; `d`?\x1f<p>\\(x_t\\) is | 2 \\ 3 &lt;b&gt;</p>")


def test_without_genanki_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "genanki", None)
    with pytest.raises(RuntimeError, match=r"^genanki is not installed: run  .* -m pip install genanki$"):
        write_anki(CARDS, tmp_path / "cards.apkg")
    assert list(tmp_path.iterdir()) == []


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["flashcards", *(str(each) for each in arguments)])
    main()


def test_the_command_writes_what_it_is_asked_for(tmp_path, monkeypatch, capsys):
    files, cards = [tmp_path / name for name in ("cards.pdf", "cards.html", "cards.apkg")], deck("guidance")
    run(monkeypatch, "--deck", "guidance", "--pdf", files[0], "--html", files[1], "--anki", files[2])
    assert capsys.readouterr().out.splitlines() == [f"cards written to {file}: {len(cards)}" for file in files]
    assert len(PdfReader(files[0]).pages) == len(cards)
    assert files[1].read_text(encoding="utf-8") == html_page(cards)
    assert len(notes_in(files[2], tmp_path)[0]) == len(cards)


def test_the_command_says_what_it_needs(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch)
    assert stopped.value.code == 2
    assert "name at least one file to write: --pdf, --html or --anki" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="there is no deck 'nonsense'"):
        run(monkeypatch, "--deck", "nonsense", "--pdf", tmp_path / "cards.pdf")
    monkeypatch.setitem(sys.modules, "genanki", None)
    with pytest.raises(SystemExit, match="genanki is not installed"):
        run(monkeypatch, "--anki", tmp_path / "cards.apkg")
    assert list(tmp_path.iterdir()) == []


def test_the_file_takes_the_place_of_the_old_one(tmp_path):
    write_html(CARDS, tmp_path / "cards.html")
    write_html(CARDS[:2], tmp_path / "cards.html")
    assert [each.name for each in tmp_path.iterdir()] == ["cards.html"]
    assert (tmp_path / "cards.html").read_text(encoding="utf-8") == html_page(CARDS[:2])
