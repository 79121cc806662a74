"""A saved notebook as Sphinx is handed it: folded as in JupyterLab, with questions and cards that work in the page."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from course_lib.classroom.cards import deck, paragraphs, with_mathml
from course_lib.classroom.progress import HEAD
from course_lib.classroom.self_check import Question, lettered, load_questions, right_options
from course_lib.classroom.showing import text_html

FOLDED = {"source_hidden": "hide-input", "outputs_hidden": "hide-output"}
WIDGET = "application/vnd.jupyter.widget-view+json"
TITLE = re.compile("# @title (.*)")
CALL = re.compile(r'^(self_check|flashcards)\("([\w-]*)"\)', flags=re.MULTILINE)
ASLEEP = 'class="course-asleep"'  # the sentence that stands for a widget where no kernel runs, see classroom/showing.py
NOTE = {
    "cell_type": "markdown",
    "id": "this-page",
    "metadata": {},
    "source": "*This page shows a notebook as it was saved, with questions and cards that work. To run its cells, sliders and "
    "exercises, [take the course](index.md#to-take-it).*",
}


def staged(notebook: str) -> str:
    """A notebook, as JSON, for MyST-NB: what JupyterLab folds is tagged, and questions and cards are brought to life."""
    content, questions = json.loads(notebook), load_questions()
    for cell in content["cells"]:
        source = "".join(cell["source"])
        hidden = cell["metadata"].get("jupyter", {})
        tags = [tag for key, tag in FOLDED.items() if hidden.get(key)]
        cell["metadata"]["tags"] = [*cell["metadata"].get("tags", []), *tags]
        if title := TITLE.match(source):
            prompts = {f"code_prompt_{do}": f"{title[1]}: {do} the {{type}}" for do in ("show", "hide")}
            cell["metadata"]["mystnb"] = prompts
        if cell["cell_type"] == "code":
            cell["outputs"] = list(_woken(cell["outputs"], iter(CALL.findall(source)), questions))
    content["cells"].insert(1, NOTE)
    return json.dumps(content)


def _woken(
    outputs: list[dict[str, Any]], calls: Iterator[tuple[str, str]], questions: dict[str, Question]
) -> Iterator[dict[str, Any]]:
    """Outputs without widgets, which need a kernel. Where a question or a deck was called for, the sentence in its place
    becomes an element that a script of the page fills.
    """
    for output in outputs:
        data = output.get("data", {})
        if WIDGET in data:
            continue
        if "".join(data.get("text/markdown", "")).startswith(HEAD):
            asleep = _asleep("With a running kernel, run this cell to see your exercises so far.")
            output = output | {"data": {"text/html": asleep}}
        if ASLEEP in "".join(data.get("text/html", "")) and (call := next(calls, None)):
            kind, name = call
            alive = deck_html(name) if kind == "flashcards" else question_html(questions[name])
            if not alive:
                continue
            output = output | {"data": data | {"text/html": alive}}
        yield output


def question_html(question: Question) -> str:
    """What questions.js fills with a place for the learner's answer; nothing for a free one, which only they can judge."""
    if question.kind == "free":
        return ""
    asked = {"kind": question.kind}
    if question.kind == "number":
        wrong = [asdict(slip) | {"why": with_mathml(slip.why)} for slip in question.wrong]
        asked |= {"value": question.value, "tolerance": question.tolerance, "why": with_mathml(question.why)}
        asked |= {"hint": with_mathml(question.hint), "wrong": wrong}
    elif question.kind == "choice":
        options = [
            asdict(option) | {"letter": letter, "why": with_mathml(option.why)} for letter, option in lettered(question)
        ]
        asked |= {"options": options, "several": len(right_options(question)) > 1}
    else:
        asked |= {
            "answer": text_html(question.answer, with_mathml),
            "points": [with_mathml(each) for each in question.points],
        }
    return _element("course-question", asked)


def deck_html(name: str) -> str:
    """What questions.js fills with a pile of cards."""
    return _element(
        "course-cards",
        [{"front": with_mathml(each.front), "back": paragraphs(each, with_mathml)} for each in deck(name)],
    )


def _element(name: str, content: Any) -> str:
    asleep = _asleep("This needs JavaScript, and a web server that hands the page out.")
    return f'<div class="{name}" data-content="{html.escape(json.dumps(content))}">{asleep}</div>'


def _asleep(said: str) -> str:
    return f"<p {ASLEEP}>[{said}]</p>"
