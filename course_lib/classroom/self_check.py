"""The self-check questions: shown in a notebook, answered there, and judged with a reason.

All questions stand in ``data/self_check.toml``. ``self_check("sheet-a")`` shows one: the question, a place for the
learner's own answer, and the answer, folded; whether a free answer was right, only the learner can tick. Question and
folded answer are Markdown, so that they can be read without a kernel and in a notebook that is not trusted.
"""

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches
from string import ascii_uppercase
from typing import Literal
from unicodedata import normalize

import ipywidgets as widgets

from course_lib.classroom.cards import with_mathml
from course_lib.classroom.showing import show_markdown, show_widget, spoken_line, text_html
from course_lib.classroom.ticks import Status, record
from course_lib.support.files import shipped_tables


@dataclass(frozen=True)
class Wrong:
    """A wrong number that a known slip leads to, and which slip it is."""

    value: float
    why: str


@dataclass(frozen=True)
class Option:
    """One option of a choice: plain text, what it is worth, and why."""

    text: str
    status: Literal["right", "accepted", "wrong"]
    why: str


@dataclass(frozen=True)
class Question:
    """A question, its answer, and what is needed to judge a learner's own.

    ``question`` and ``answer`` are Markdown. All else, and the answer of kind "compare", is plain sentences, as
    widgets show no Markdown. Maths stands between dollars in both.
    """

    id: str  # lasting: a learner's ticks are kept by it
    notebook: str  # the one that teaches it, such as "01_forward_step"
    kind: Literal["free", "number", "choice", "compare"]
    question: str
    answer: str
    # kind "number": right within tolerance; why it is; a hint for wrong numbers that no known slip leads to
    value: float = math.nan
    tolerance: float = math.nan
    why: str = ""
    hint: str = ""
    wrong: tuple[Wrong, ...] = ()
    options: tuple[Option, ...] = ()  # kind "choice"
    points: tuple[str, ...] = ()  # kind "compare": what to look for in one's own text

    @property
    def tick(self) -> str:
        """What the progress file knows the question by."""
        return f"self-check {self.id}"


@dataclass(frozen=True)
class Verdict:
    """Whether an entry is right (or accepted), and the sentences that say so and why."""

    right: bool
    text: str


def load_questions() -> dict[str, Question]:
    """All questions by id, in the order of the file.

    Raises:
        CourseFileError: if the file is missing or cannot be read.
    """
    return {each["id"]: _from_table(each) for each in shipped_tables("self_check.toml", "question")}


def _from_table(table: dict) -> Question:
    parts = {
        "wrong": tuple(Wrong(**each) for each in table.get("wrong", ())),
        "options": tuple(Option(**each) for each in table.get("options", ())),
        "points": tuple(table.get("points", ())),
    }
    return Question(**{**table, **parts})


# --- judging, without any widget --------------------------------------------------------------------------------------


def judge(question: Question, entry: str | Collection[str]) -> Verdict:
    """Say whether an entry is right, and why; every wrong number and option that is known has a reason of its own.

    Args:
        question: of kind "number" or "choice".
        entry: for a number what was typed, such as "0.79" or " 0,79 "; for a choice the text of
            the chosen option, or the texts of all that are ticked.

    Raises:
        ValueError: if the question is of another kind, which has no right and wrong.
    """
    if question.kind == "number":
        return _judge_number(question, entry)
    if question.kind == "choice":
        return _judge_choice(question, entry)
    raise ValueError(f"{question.id} has no right and wrong (its kind is {question.kind}): read its answer instead.")


def _judge_number(question: Question, entry: str) -> Verdict:
    if not entry.strip():
        return Verdict(False, "Nothing is entered yet: type a number, then press Enter.")
    meant = (to_number(entry), to_number(entry.replace(",", ".")))  # 1,127 may be a thousand or a little more than one
    numbers = [number for number in meant if number is not None]
    if not numbers:
        return Verdict(False, f'Not yet: "{entry.strip()}" is no number; write it in digits, such as 12.5 or -3.')
    closest = min(numbers, key=lambda number: abs(number - question.value))
    if abs(closest - question.value) <= question.tolerance:
        return Verdict(True, f"Right: {question.why}")
    for number in numbers:
        nearest = min(question.wrong, key=lambda slip: abs(number - slip.value))
        if abs(number - nearest.value) <= question.tolerance:
            return Verdict(False, f"Not yet: {nearest.why}")
    way = "small" if closest < question.value else "large"
    return Verdict(False, f"Not yet: {entry.strip()} is too {way}. {question.hint}")


def to_number(entry: str) -> float | None:
    """The number that was typed, with a point or a comma for the decimals; None if it is none.

    A comma before exactly three digits, as in "1,000", stands for thousands; ``judge`` also tries it as a decimal comma.
    Percent and fractions count as what they are worth, any dash as a minus, and the full stop after a number as none of
    it.
    """
    text = re.sub(r"[−–—‐‑-]\s*", "-", normalize("NFKC", entry).strip()).removesuffix(".")
    above, over, below = (text[:-1], "/", "100") if text.endswith("%") else text.partition("/")
    number, divisor = _decimal(above), _decimal(below) if over else 1.0
    return number / divisor if number is not None and divisor else None


def _decimal(text: str) -> float | None:
    if re.fullmatch(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?\s*", text):
        text = text.replace(",", "")
    if "_" in text:  # Python's 1_000 is no number elsewhere
        return None
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _judge_choice(question: Question, entry: str | Collection[str]) -> Verdict:
    texts = {entry} if isinstance(entry, str) else set(entry)
    chosen = [option for option in question.options if option.text in texts]
    if not chosen:
        return Verdict(False, "Nothing is chosen yet: choose first, then press Check.")
    wrong = [option for option in chosen if option.status == "wrong"]
    rights = right_options(question)
    if wrong and len(rights) > 1:  # of several ticks, say which ones are meant
        return Verdict(False, "Not yet. " + " ".join(f'"{option.text}": {option.why}' for option in wrong))
    if wrong:
        return Verdict(False, f"Not yet: {wrong[0].why}")
    if len(rights) > 1 and not set(rights) <= set(chosen):
        return Verdict(False, "Not yet: what you have ticked is right, but something is missing.")
    why = " ".join(option.why for option in chosen)
    return Verdict(True, f"Right: {why}" if chosen[0].status == "right" else f"Accepted: {why}")


def right_options(question: Question) -> list[Option]:
    """The options that are right; with more than one, all of them have to be ticked."""
    return [option for option in question.options if option.status == "right"]


def lettered(question: Question) -> list[tuple[str, Option]]:
    """The options of a choice, each with its letter."""
    return list(zip(ascii_uppercase, question.options, strict=False))


# --- what a reader sees, with or without a kernel ---------------------------------------------------------------------


def self_check(question_id: str) -> None:
    """Show one question, a place to enter an answer if it has one, and the answer, folded.

    Args:
        question_id: such as "sheet-a"; ``load_questions()`` has them all.

    Raises:
        ValueError: if there is no such question, with the ids that exist, the likeliest first.
    """
    questions = load_questions()
    if question_id not in questions:
        close = get_close_matches(str(question_id), questions, n=len(questions), cutoff=0.5)
        ids = [*close, *(each for each in questions if each not in close)]
        raise ValueError(f"there is no question {question_id!r}; choose one of {', '.join(ids)}.")
    question = questions[question_id]
    show_markdown(question_markdown(question))
    if question.kind == "free":  # only the learner can compare their own answer with the one shown
        show_markdown(answer_markdown(question))
        show_widget(answer_widget(question), plain="[With a running kernel, run this cell to tick what you knew.]")
    else:
        show_widget(answer_widget(question), plain="[With a running kernel, run this cell to enter your answer here.]")
        show_markdown(answer_markdown(question))


def question_markdown(question: Question) -> str:
    """The question, and the options if it is a choice, each with the letter that stands at its button."""
    options = "".join(f"\n- **{letter}** · {option.text}" for letter, option in lettered(question))
    return f"**Check yourself.** {question.question.strip()}" + (f"\n{options}" if options else "")


def answer_markdown(question: Question) -> str:
    """The answer, folded, with the reasons for every wrong number and every option."""
    lines = [f"- **{slip.value:g}**: {slip.why}" for slip in question.wrong]
    lines += [
        f"- **{letter} · {option.text}** ({option.status}): {option.why}" for letter, option in lettered(question)
    ]
    lines += [f"- {point}" for point in question.points]
    titles = {
        "number": "Other numbers, and the slip that leads to each:",
        "choice": "The options:",
        "compare": "Look for these points in your own text:",
    }
    reasons = "\n".join([f"\n\n{titles[question.kind]}\n", *lines]) if lines else ""
    # Front ends render Markdown inside only between blank lines.
    return f"<details><summary>Show answer</summary>\n\n{question.answer.strip()}{reasons}\n\n</details>"


# --- the widgets: core ipywidgets, by keyboard alone, in words rather than colours ------------------------------------


def answer_widget(question: Question) -> widgets.VBox:
    """A place to enter an answer, a button, and the verdict in words; it ticks the progress."""
    kinds = {"number": _number_widget, "choice": _choice_widget, "compare": _compare_widget, "free": _free_widget}
    return kinds[question.kind](question)


def _number_widget(question: Question) -> widgets.VBox:
    # Not continuous: the value arrives with Enter, or when the field is left.
    field = widgets.Text(description="Your number:", continuous_update=False, style={"description_width": "initial"})
    button, (enter, feedback) = widgets.Button(description="Check"), _feedback(question)
    field.observe(lambda change: enter(field.value.strip()), names="value")
    button.on_click(lambda _: enter(field.value.strip()))
    return widgets.VBox([field, button, feedback])


def _choice_widget(question: Question) -> widgets.VBox:
    # The options themselves stand above, in the question, for readers without a kernel too: here their letters are enough.
    texts, (enter, feedback) = {letter: option.text for letter, option in lettered(question)}, _feedback(question)
    if len(right_options(question)) == 1:
        # Buttons rather than radio buttons: among those the arrow keys should choose, but JupyterLab takes them for itself.
        letters = [widgets.Button(description=letter, layout={"width": "4em"}) for letter in texts]
        for each in letters:
            each.on_click(lambda chosen: enter(texts[chosen.description], f"{chosen.description} · "))
        return widgets.VBox([widgets.HBox(letters), feedback])
    boxes = {letter: widgets.Checkbox(description=letter, indent=False) for letter in texts}
    button = widgets.Button(description="Check")
    button.on_click(lambda _: enter(tuple(texts[letter] for letter in boxes if boxes[letter].value)))
    return widgets.VBox([*boxes.values(), button, feedback])


def _feedback(question: Question) -> tuple[Callable[..., None], widgets.HTML]:
    """What takes an entry (and words to put before its verdict), and the widget that shows the verdict."""
    feedback = spoken_line()

    def enter(entry: str | tuple[str, ...], before: str = "") -> None:
        verdict = judge(question, entry)
        feedback.value = _with_maths(before + verdict.text)
        if entry:
            record(question.tick, "done" if verdict.right else "tried")

    return enter, feedback


def _compare_widget(question: Question) -> widgets.VBox:
    field = widgets.Textarea(placeholder="Your answer, in two or three sentences", rows=5, layout={"width": "auto"})
    button = widgets.Button(description="Compare")
    column = {"flex": "1 1 20em", "min_width": "0"}
    said, own, model = spoken_line(), widgets.HTML(layout=column), widgets.HTML(layout=column)

    def compare(_: widgets.Button) -> None:
        if not field.value.strip():
            said.value = text_html("Nothing is written yet: a sentence or two first, then compare.")
            own.value = model.value = ""
            return
        points = "".join(f"<li>{with_mathml(point)}</li>" for point in question.points)
        said.value = text_html("Your answer and a good one stand below.")
        own.value = f"<b>Your answer</b>{text_html(field.value)}"  # dollars in one's own text are no maths
        model.value = (
            f"<b>One good answer</b>{_with_maths(question.answer)}<b>Are these points in yours?</b><ul>{points}</ul>"
        )
        record(question.tick, "done")

    button.on_click(compare)
    return widgets.VBox([field, button, said, widgets.HBox([own, model], layout={"flex_flow": "row wrap"})])


def _free_widget(question: Question) -> widgets.VBox:
    """A free answer is judged by the learner who gave it: two buttons to say how it went."""
    known, missed = widgets.Button(description="I knew it"), widgets.Button(description="Not yet")
    asks, status = widgets.Label("Compared with your own answer?"), spoken_line()

    def mark(tick: Status, text: str) -> None:
        record(question.tick, tick)
        status.value = text_html(text)

    known.on_click(lambda _: mark("done", "Ticked as done."))
    missed.on_click(lambda _: mark("tried", "Ticked as tried: come back to it another day."))
    return widgets.VBox([asks, widgets.HBox([known, missed]), status])


def _with_maths(text: str) -> str:
    """Plain text as HTML, its maths as MathML: Colab's widgets have no MathJax."""
    return text_html(text, with_mathml)
