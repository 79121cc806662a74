"""The practice sheet: which notebook owes which of its items, and that each stands there, in notebook 10, and in the deck."""

import re
from pathlib import Path

import nbformat
import pytest

from course_lib.classroom.cards import deck, load_cards
from course_lib.classroom.self_check import answer_markdown, load_questions

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PRACTICE = "10_practice"

# Which notebook owes what. Until one that is still to be written is there, the practice has its items alone.
QUESTIONS = {
    "sheet-q1": "01_forward_step",  # the two directions
    "sheet-q2": "01_forward_step",  # the formula of a step
    "sheet-q3": "02_training",  # the loss and its target
    "sheet-q4": "03_ddim",  # why it is slow, and what helps
    "sheet-q5": "04_latent_diffusion",  # latent diffusion
    "sheet-q6": "05_text_conditioning",  # the prompt
    "sheet-q7": "08_vae_gan_diffusion",  # three families
    "sheet-a": "01_forward_step",  # exercise A: one pixel
    "sheet-b1": "08_vae_gan_diffusion",  # exercise B: best quality
    "sheet-b2": "08_vae_gan_diffusion",  # a morph
    "sheet-b3": "08_vae_gan_diffusion",  # a game
    "sheet-b4": "08_vae_gan_diffusion",  # inpainting
    "sheet-c1": "06_guidance",  # exercise C: more guidance
    "sheet-c2": "06_guidance",  # less guidance
}
CARDS = {
    "sheet-1": "01_forward_step",  # the two directions
    "sheet-2": "01_forward_step",  # the formula of a step
    "sheet-3": "02_training",  # loss and target
    "sheet-4": "03_ddim",  # slow, and three remedies
    "sheet-5": "04_latent_diffusion",
    "sheet-6": "05_text_conditioning",
    "sheet-7": "06_guidance",
    "sheet-8": "08_vae_gan_diffusion",
    "sheet-9": "04_latent_diffusion",  # why the VAE still carries weight
}


def home(notebook):
    """Where the items of a notebook stand today."""
    return notebook if (NOTEBOOKS / f"{notebook}.ipynb").exists() else PRACTICE


def code_of(notebook):
    path = NOTEBOOKS / f"{notebook}.ipynb"
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def asked_in(notebook):
    return [name for cell in code_of(notebook) for name in re.findall(r'^self_check\("([^"]+)"\)', cell.source, re.M)]


def shown_by(cells, call):
    """The Markdown that the cell with this call has shown, as saved."""
    (cell,) = [cell for cell in cells if call in cell.source.splitlines()]
    return "\n".join(
        output.data["text/markdown"] for output in cell.outputs if "text/markdown" in output.get("data", {})
    )


@pytest.mark.parametrize(("question", "notebook"), QUESTIONS.items())
def test_each_question_stands_in_its_notebook_and_in_the_practice(question, notebook):
    answer = answer_markdown(load_questions()[question])
    for place in (home(notebook), PRACTICE):
        assert answer in shown_by(code_of(place), f'self_check("{question}")'), place


def test_the_practice_asks_the_whole_sheet_in_its_order():
    assert asked_in(PRACTICE) == list(QUESTIONS)


@pytest.mark.parametrize(("card", "notebook"), CARDS.items())
def test_each_card_is_in_its_notebooks_deck_and_among_the_nine(card, notebook):
    assert card in [each.id for each in deck("sheet")]
    assert card in [each.id for each in deck(home(notebook))]


def test_the_questions_and_the_nine_cards_of_the_sheet_belong_to_their_notebooks():
    sheet = {each.id: each.notebook for each in load_questions().values() if each.id.startswith("sheet-")}
    assert sheet == {question: home(notebook) for question, notebook in QUESTIONS.items()}
    nine = load_cards()[:9]  # they come first
    assert deck("sheet") == nine
    assert [(each.id, each.notebook) for each in nine] == [(card, home(notebook)) for card, notebook in CARDS.items()]


def test_every_notebook_asks_its_own_questions_and_shows_its_own_deck():
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if path.stem == PRACTICE:
            continue
        own = [question.id for question in load_questions().values() if question.notebook == path.stem]
        assert len(own) >= 4, path.stem
        assert asked_in(path.stem) == own
        (name,) = [m for cell in code_of(path.stem) for m in re.findall(r'^flashcards\("([^"]+)"\)', cell.source, re.M)]
        assert deck(name) == deck(path.stem)
        assert len([card for card in deck(name) if "sheet" not in card.tags]) >= 6, path.stem


def test_the_practice_shows_the_nine_then_the_full_deck_and_prints_it():
    sources = [cell.source.strip() for cell in code_of(PRACTICE)]
    assert sources.index('flashcards("sheet")') < sources.index('flashcards("all")')
    assert "print_flashcards()" in sources
