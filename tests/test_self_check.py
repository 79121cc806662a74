"""The self-check questions: all there, judged with a reason, shown with and without a kernel."""

import html
import re
from math import exp, log, sqrt
from pathlib import Path

import ipywidgets as widgets
import pytest

from course_lib.classroom.mathml import to_mathml
from course_lib.classroom.self_check import (
    Question,
    answer_markdown,
    answer_widget,
    judge,
    load_questions,
    question_markdown,
    right_options,
    self_check,
    to_number,
)
from course_lib.classroom.ticks import ticks

pytestmark = pytest.mark.usefixtures("own_progress")
QUESTIONS = load_questions()
each_question = pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)


def of_kind(kind):
    return [question for question in QUESTIONS.values() if question.kind == kind]


def each_of_kind(kind):
    return pytest.mark.parametrize("question", of_kind(kind), ids=lambda question: question.id)


# --- what the practice sheet owes -------------------------------------------------------------------------------------

# Every fact and number of the practice sheet's questions and exercises, and what the course adds where it is exact:
# question → what must be found in it, in upper or lower case, * and line ends aside.
OWED = {
    "sheet-q1": r"""one sentence each · nothing to learn · Gaussian noise · \beta_1, \dots, \beta_T · pure noise · schedule
        · training picture · learned part · network · x_T · x_0 · sample from the distribution of the data
        · whole noise · not the share that step $t$ put there · not to the same picture""",
    "sheet-q2": r"""x_t = \sqrt{1-\beta_t}\;x_{t-1} + \sqrt{\beta_t}\;\epsilon · \epsilon \sim \mathcal N(0, I) · first term
        · towards zero · second term · fresh Gaussian noise · 0.95 to 0.99 · roots · variance · add up to one
        · 0.99995 · 0.990 · tends to · only if it starts there""",
    "sheet-q3": r"""mean squared error · MSE · \|\,\epsilon - \epsilon_\theta(x_t, t)\,\|^2 · take a picture $x_0$ · time $t$
        · at random · closed form · U-Net · told $t$ · no adversary · no encoder and decoder with a reconstruction term
        · one known target for each example · stably · GAN · whole noise in $x_t$""",
    "sheet-q4": r"""$T$ times · 1000 · one call of the network · DDIM · deterministic · 25 to 100 steps · sometimes in fewer
        · distillation · student · smaller network · 1 to 4 steps · latent · VAE · each step is cheaper · combined
        · seconds · minutes · deterministic only at $\eta = 0$""",
    "sheet-q5": """Rombach · 2022 · not diffuse pixels · trained beforehand · encoder · decoder · smaller · costs much less
        · Stable Diffusion · pictures from text · affordable · consumer · came before diffusion models
        · carries weight in systems in production · first stage""",
    "sheet-q6": """U-Net · predicts the noise · cross-attention · position · text embeddings · language model
        · trained beforehand · CLIP · text encoder · each step · prompt · Classifier-free guidance · while drawing
        · unconditioned · knob for how closely · double""",
    "sheet-q7": """one sentence each · VAE · trains stably · smooth latent space · slightly blurry · single fast pass · GAN
        · sharp · unstable · mode collapse · likelihood · encoder · high quality · stable training · coverage · many steps
        · slow · quality and stability diffusion wins · DDIM · distillation · latent diffusion""",
    "sheet-a": r"""x_{t-1} = 0.5 · \beta_t = 0.04 · \epsilon = 1.5 · \mathcal N(0, 1)
        · x_t = \sqrt{1-\beta_t}\;x_{t-1} + \sqrt{\beta_t}\;\epsilon · \sqrt{0.96} \approx 0.980 · \sqrt{0.04} = 0.2
        · 0.490 · 0.300 · 0.790 · 0.79 · shrinks slightly · positive · most of the signal · 1000 · pure noise
        · undo one of these small steps · reliably · not to the same picture · twice the largest""",
    "sheet-b1": """from text · quality · 10 to 30 seconds · say why · latent diffusion · Stable Diffusion · many steps""",
    "sheet-b2": """face · smooth · morph · say why · VAE · StyleGAN · smooth latent space · straight line · gradual""",
    "sheet-b3": """game · phone · real time · well under a second · say why · GAN · single pass · VAE · loss of quality
        · heavily distilled diffusion · 4 steps or fewer""",
    "sheet-b4": """medical scans · inpaint · radiologist · plausible · say why · almost without a doubt · in high fidelity
        · among the things it does best · surroundings · fixed · masked region · quality · conditional generation""",
    "sheet-c1": """a red sports car · default · recognise · much higher · direction · cling to the prompt · redder
        · more like everybody's idea of a sports car · icon · diversity · naturalness · very high · over-saturated
        · colours that no camera · unnatural colour · anatomy · strange textures · pushed too hard
        · off the range of natural images""",
    "sheet-c2": """a red sports car · much lower · direction · more diverse · tie to the prompt loosens · very low
        · only loosely · sedan · motorbike · something red that is no car · balance · naturalness · artists · stylised
        · documentation · different users want different settings · knob · users get to see · not simply more natural
        · doubles the network's work""",
}


@pytest.mark.parametrize("question_id", OWED)
def test_every_fact_of_the_practice_sheet_is_in_its_question(question_id):
    question = QUESTIONS[question_id]
    text = re.sub(r"\s+", " ", (question_markdown(question) + answer_markdown(question)).replace("*", "")).lower()
    for wanted in re.split(r"\s+·\s+", OWED[question_id]):
        assert wanted.lower() in text, wanted


def test_the_facts_of_every_question_of_the_sheet_are_listed_here():
    assert {name for name in QUESTIONS if name.startswith("sheet-")} == set(OWED)


def test_each_of_the_first_notebooks_has_three_or_four_questions_of_its_own():
    for name in sorted({question.notebook for question in QUESTIONS.values()} - {"10_practice"}):
        own = [q for q in QUESTIONS.values() if q.notebook == name and not q.id.startswith("sheet-")]
        assert 3 <= len(own) <= 4
        assert all(re.fullmatch(name[:2] + r"-[a-z]", question.id) for question in own)
        assert all(question.kind in ("number", "choice") for question in own)


# --- the questions themselves -----------------------------------------------------------------------------------------


def test_ids_are_unique():
    text = (Path(__file__).parents[1] / "data" / "self_check.toml").read_text(encoding="utf-8")
    assert len(QUESTIONS) == text.count("\n[[question]]\n")


@each_question
def test_its_notebook_is_there(question):
    assert (Path(__file__).parents[1] / "notebooks" / f"{question.notebook}.ipynb").exists()


@each_question
def test_each_kind_has_what_it_needs(question):
    assert question.question.strip()
    assert question.answer.strip()
    if question.kind == "number":
        assert question.wrong
        assert question.why
        assert question.hint.endswith((".", "?"))
        assert all(abs(slip.value - question.value) > 2 * question.tolerance for slip in question.wrong)
        assert len({slip.value for slip in question.wrong}) == len(question.wrong)
    if question.kind == "choice":
        assert right_options(question)
        assert len({option.text for option in question.options}) == len(question.options) >= 3
        assert {option.status for option in question.options} <= {"right", "accepted", "wrong"}
    assert bool(question.points) == (question.kind == "compare")
    assert bool(question.options) == (question.kind == "choice")


def plain_parts(question):
    """Everything that a widget shows."""
    yield from (part for part in (question.why, question.hint, *question.points) if part)
    yield from (each.why for each in (*question.wrong, *question.options))
    if question.kind == "compare":
        yield question.answer


def formulas(question):
    """All maths that a widget shows."""
    return [tex for part in plain_parts(question) for tex in part.split("$")[1::2]]


@each_question
def test_maths_in_a_widget_is_mathml_that_needs_no_script(question):
    for tex in formulas(question):
        assert (
            re.search(r"[\\$&]|\b(?:frac|sqrt|bar|alpha|beta)\b", re.sub("&#x[0-9A-F]+;", "", to_mathml(tex))) is None
        )


@each_question
def test_what_a_widget_shows_is_plain_sentences_with_maths_in_pairs_of_dollars(question):
    for part in plain_parts(question):
        assert part.count("$") % 2 == 0, part
        outside = re.sub(r"\$[^$]+\$", "", part)
        assert not re.search(r"[*`<>\[\]\\_]", outside.replace("x_t", "").replace("x_0", "")), part
    for why in (each.why for each in (*question.wrong, *question.options)):
        assert len(why.split()) >= 5
        assert why.endswith(".")
    for option in question.options:  # labels of radio buttons: neither maths nor HTML nor Markdown, and on one line
        assert not re.search(r"[$<&*`\n]", option.text)
        assert len(option.text) <= 64


@each_question
def test_maths_in_question_and_answer_is_in_pairs(question):
    for text in (question.question, question.answer):
        assert text.replace("$$", "").count("$") % 2 == 0
        assert text.count("$$") % 2 == 0


# --- numbers ----------------------------------------------------------------------------------------------------------

x, beta, eps = 0.5, 0.04, 1.5  # exercise A
a, x_0, noise = 0.64, 0.5, -1  # 01-b


def softmax_first(first, second):
    """The weight of the first of three scores, of which the third is 0."""
    return exp(first) / (exp(first) + exp(second) + 1)


def softplus(score):
    return log(1 + exp(score))


# question → (the right value, by its formula), and each slip: (its value by its formula, words of its explanation)
BY_FORMULA = {
    "sheet-a": (
        sqrt(1 - beta) * x + sqrt(beta) * eps,
        [
            ((1 - beta) * x + beta * eps, "No square roots"),
            (sqrt(1 - beta) * x + beta * eps, "root on the noise is missing"),
            ((1 - beta) * x + sqrt(beta) * eps, "root on the signal is missing"),
            (x + sqrt(beta) * eps, "shrinking is missing"),
            (sqrt(beta) * x + sqrt(1 - beta) * eps, "swapped"),
            (sqrt(1 - beta) * x - sqrt(beta) * eps, "minus where the plus should be"),
            (sqrt(1 - beta) * x + eps, "not scaled"),
        ],
    ),
    "00-b": (
        50,
        [
            (40 * 50, "as one batch"),
            (40, "number of pictures"),
            (1, "only one step"),
            (1000, "strides of twenty"),
            (50 + 1, "51 stops"),
        ],
    ),
    "01-a": (
        (1 - 0.1) * 4 + 0.1,
        [
            ((1 - 0.1) * 4, "fresh noise brings variance of its own"),
            (4, "only if it is one"),
            (1, "tends to"),
            ((1 - 0.1) ** 2 * 4 + 0.1, "factor of the signal"),
            ((1 - 0.1) * 4 + 0.1**2, "factor of the noise"),
            (4 - 0.1, "4 - 0.1"),
        ],
    ),
    "01-b": (
        sqrt(a) * x_0 + sqrt(1 - a) * noise,
        [
            (sqrt(a) * x_0 - sqrt(1 - a) * noise, "sign of the noise"),
            (a * x_0 + (1 - a) * noise, "No square roots"),
            (sqrt(a) * x_0 + (1 - a) * noise, "root on the noise is missing"),
            (a * x_0 + sqrt(1 - a) * noise, "root on the signal is missing"),
            (sqrt(1 - a) * x_0 + sqrt(a) * noise, "swapped"),
            (x_0 + sqrt(1 - a) * noise, "did not shrink"),
            (sqrt(a) * x_0 + noise, "not scaled"),
        ],
    ),
    "02-a": (1, [(0, "not its error"), (1 + 1, "two variances"), (0.5, "pixels"), (0.22, "spiral")]),
    "02-b": (
        sqrt((1 - 0.01) / 0.01),
        [
            ((1 - 0.01) / 0.01, "root is missing"),
            (1 / 0.01, r"$1/\bar\alpha_t$"),
            (sqrt(0.01 / (1 - 0.01)), "Upside down"),
            (1, "itself"),
            (sqrt(1 - 0.01), "half of the way"),
        ],
    ),
    "03-b": (10 * 4, [(10 * 2, "second order"), (10 * 4**2, "root"), (10 * 2**3, "eighth"), (100, "0.029")]),
    "03-c": (
        0.0001 * (1 - 1) / (1 - 0.9999),
        [(sqrt(0.0001), "grain"), (0.0001, "variance of the step forward"), (1, "before it is scaled")],
    ),
    "04-a": (
        512 * 512 * 3 / (64 * 64 * 4),
        [
            (8, "one side"),
            (8 * 8, "Those are the positions"),
            (64 * 64 * 3 / (16 * 16 * 4), "own VAE"),
            (8 * 8 * 4 / 3, "upside down"),
            (64 * 64 * 4, "the latent has"),
        ],
    ),
    "04-b": (
        (1 + 0.25 - 1 - log(0.25)) / 2,
        [
            (1 + 0.25 - 1 - log(0.25), "half in front"),
            ((1 + 0.5 - 1 - log(0.5)) / 2, "where its square belongs"),
            ((1 + 0.25 - 1 + log(0.25)) / 2, "sign of the logarithm"),
            ((0.25 - 1 - log(0.25)) / 2, "mean is missing"),
            ((1 + 0.25 - log(0.25)) / 2, "-1 is missing"),
        ],
    ),
    "05-a": (
        softmax_first(6 / sqrt(4), 2 / sqrt(4)),
        [
            (softmax_first(6, 2), "not divided"),
            (softmax_first(6 / 4, 2 / 4), "its root"),
            (6 / (6 + 2 + 0), "without exponentials"),
            (softmax_first(6 * sqrt(4), 2 * sqrt(4)), "multiplied"),
        ],
    ),
    "06-a": (
        0.2 + 3 * (0.5 - 0.2),
        [
            ((1 + 3) * 0.5 - 3 * 0.2, "as many papers write it"),
            (3 * (0.5 - 0.2), "difference alone"),
            (3 * 0.5, "Only the difference"),
            (0.5 + 3 * (0.2 - 0.5), "swapped"),
            (0.2 + (0.5 - 0.2) / 3, "a mixture"),
        ],
    ),
    "06-b": (6.5 + 1, [(6.5, "paper's zero"), (6.5 - 1, "The other way"), (6.5 * 2, "not doubled")]),
    "07-a": (
        (0.95 - 0.6 / 0.8 * 0.8) / (0.8 - 0.6 / 0.8 * 0.6),
        [
            (0.95 - 0.6 / 0.8 * 0.8, "numerator"),
            ((0.95 - 0.6 / 0.8 * 0.8) / 0.8, "alone"),
            (0.95 / 0.8, "held no noise"),
            (0.95, "itself"),
        ],
    ),
    "07-b": (
        32 * 2 / 4,
        [(32 / 4, "Those are the steps"), (32 / (4 * 2), "built into"), (3, "halved"), (32 * 2, "before")],
    ),
    "08-a": (
        (30 + 10 * 1.2) / (100 * log(2)),
        [
            ((30 + 10 * 1.2) / 100, "nats a pixel"),
            (30 / (100 * log(2)), "latent is missing"),
            ((30 + 1.2) / (100 * log(2)), "averaged"),
            ((30 - 10 * 1.2) / (100 * log(2)), "taken off the costs"),
            ((30 + 10 * 1.2) * log(2) / 100, "multiplied"),
            ((30 + 10 * 1.2) / log(2), "whole picture"),
        ],
    ),
    "08-b": (
        (softplus(0 - 2) + softplus(2 - 0)) / 2,
        [
            (softplus((0 + 2) / 2 - (2 + 0) / 2), "averaged before"),
            (((0 - 2) + (2 - 0)) / 2, "softplus of each is missing"),
            ((0 + 2) / 2, "relu"),
            (softplus(-2) + softplus(2), "the sum"),
            (softplus(-2), "judged wrong"),
            ((softplus(-2) + softplus(0) + softplus(0) + softplus(2)) / 2, "of 2014"),
        ],
    ),
    "09-a": (
        49 * 4 + 1,
        [
            (50 * 4, "only once"),
            (49 * 4 + 1 + 10 * 3, "leaps up"),
            (50, "plain replacement"),
            (49 * (1 + 4) + 1, "4 times in all"),
            (50 * 4 * 5, "no factor"),
            (10 * 4, "walks along stretches"),
        ],
    ),
    "09-c": (
        0.6 * 1000,
        [
            ((1 - 0.6) * 1000, "how much is kept"),
            (0.6 * 50, "So many steps"),
            (1000, "strength 1"),
            (0.6 * 1000 + 20, "too many"),
            (0.6 * 1000 - 20, "too few"),
        ],
    ),
}


def test_every_question_with_a_number_has_its_formulas_here():
    assert set(BY_FORMULA) == {question.id for question in of_kind("number")}


@each_of_kind("number")
def test_right_and_wrong_numbers_follow_from_their_formulas(question):
    right, slips = BY_FORMULA[question.id]
    verdict = judge(question, f"{right:.4f}")
    assert verdict.right
    assert verdict.text == f"Right: {question.why}"
    assert len(slips) == len(question.wrong)
    for value, words in slips:
        verdict = judge(question, f"{value:.4f}")
        assert not verdict.right
        assert verdict.text.startswith("Not yet: ")
        assert words in verdict.text
    for slip in question.wrong:  # as typed with the digits that the folded answer lists
        assert judge(question, f"{slip.value:g}").text == f"Not yet: {slip.why}"


def test_the_seven_slips_of_exercise_a():
    values = {slip.value for slip in QUESTIONS["sheet-a"].wrong}
    assert values == {0.54, 0.55, 0.78, 0.80, 1.57, 0.19, 1.99}


@pytest.mark.parametrize("entry", ["0.79", " .79 ", "0,79", ",79", "0.790", "0.7899", "+0.79", "79e-2", "0.78990"])
def test_right_in_several_spellings(entry):
    assert judge(QUESTIONS["sheet-a"], entry).right


@pytest.mark.parametrize("entry", ["0.78", "0.80", "0.8", "0,78", "0.785", "0.795", "0.7", "-0.79", "79"])
def test_not_right(entry):
    assert not judge(QUESTIONS["sheet-a"], entry).right


def test_a_wrong_number_without_an_explanation_gets_a_direction_and_a_hint():
    question = QUESTIONS["sheet-a"]
    assert judge(question, " 0.6 ").text == f"Not yet: 0.6 is too small. {question.hint}"
    assert judge(question, "3").text == f"Not yet: 3 is too large. {question.hint}"


@pytest.mark.parametrize("entry", ["about 0.8", "x", "0.7.9", "nan", "inf", "1/0", "1/2/3", "%", "/", "5 - 3", "<b>"])
def test_what_is_no_number_gets_one_sentence(entry):
    verdict = judge(QUESTIONS["sheet-a"], entry)
    assert not verdict.right
    assert verdict.text == f'Not yet: "{entry}" is no number; write it in digits, such as 12.5 or -3.'


def test_nothing_typed():
    for entry in ("", "   "):
        verdict = judge(QUESTIONS["sheet-a"], entry)
        assert not verdict.right
        assert verdict.text.startswith("Nothing is entered yet")


def test_commas_and_signs():
    assert to_number("1,000") == 1000
    assert to_number("20,291.5") == 20291.5
    assert to_number("0,125") == 0.125
    assert to_number("-1,5") == to_number("−1.5") == -1.5
    assert judge(QUESTIONS["00-b"], "2,000").text == judge(QUESTIONS["00-b"], "2000").text
    assert to_number("1_000") is None


def test_a_comma_before_three_digits_may_be_a_decimal_comma():
    assert judge(QUESTIONS["08-b"], "1,127").right
    assert judge(QUESTIONS["01-a"], "3,700").right
    assert "is too small" in judge(QUESTIONS["08-b"], "0,527").text
    assert "is too small" in judge(QUESTIONS["08-b"], "1,026").text
    slip = QUESTIONS["08-b"].wrong[0]
    assert judge(QUESTIONS["08-b"], f"{slip.value:.3f}".replace(".", ",")).text == f"Not yet: {slip.why}"


@pytest.mark.parametrize(
    ("entry", "number"),
    [
        *[("84%", 0.84), ("84 %", 0.84), ("84,4 %", 0.844), ("120%", 1.2), ("-5%.", -0.05)],
        *[("–0.2", -0.2), ("—0.2", -0.2), ("−0,2", -0.2), ("- 0.2", -0.2), ("‐0.2", -0.2), ("‑0.2", -0.2)],
        *[("−1/5", -0.2), ("1 / 5", 0.2), ("2,5/5", 0.5), ("-1/-5", 0.2), ("1,000/10", 100)],
        *[("0.79.", 0.79), ("50.", 50), (" .79. ", 0.79), ("1,000.", 1000)],
    ],
)
def test_numbers_as_people_type_them(entry, number):
    assert to_number(entry) == pytest.approx(number)


# --- choices ----------------------------------------------------------------------------------------------------------

BEST = {"sheet-b1": "diffusion", "sheet-b2": "VAE", "sheet-b3": "GAN", "sheet-b4": "diffusion"}


@pytest.mark.parametrize("question_id", BEST)
def test_exercise_b(question_id):
    question = QUESTIONS[question_id]
    assert [option.text for option in right_options(question)] == [BEST[question_id]]
    assert judge(question, BEST[question_id]).text.startswith("Right: ")
    assert {option.text.split(",")[0] for option in question.options} == {"VAE", "GAN", "diffusion"}


def test_accepted_alternatives_of_exercise_b():
    accepted = {(q.id, option.text) for q in QUESTIONS.values() for option in q.options if option.status == "accepted"}
    assert accepted == {
        ("sheet-b2", "GAN"),
        ("sheet-b3", "VAE"),
        ("sheet-b3", "diffusion, distilled to 4 steps or fewer"),
    }
    for question_id, text in accepted:
        verdict = judge(QUESTIONS[question_id], (text,))
        assert verdict.right
        assert verdict.text.startswith("Accepted: ")
    assert "StyleGAN" in judge(QUESTIONS["sheet-b2"], "GAN").text
    assert not judge(QUESTIONS["sheet-b3"], "diffusion, in many steps").right


@each_of_kind("choice")
def test_every_option_yields_its_own_explanation(question):
    for option in question.options:
        verdict = judge(question, (option.text,))
        if option.status == "wrong" or len(right_options(question)) == 1:
            assert option.why in verdict.text
            assert verdict.right == (option.status != "wrong")
    assert judge(question, [option.text for option in right_options(question)]).right
    assert judge(question, ()).text.startswith("Nothing is chosen yet")
    no_option = f"{question.options[0].text}, or none of these"
    assert judge(question, no_option).text.startswith("Nothing is chosen yet")


def test_all_that_is_right_must_be_ticked_and_nothing_else():
    question = QUESTIONS["02-d"]
    rights = [option.text for option in right_options(question)]
    assert rights == ["the noisy picture x_t", "the time t", "the label"]
    missing = judge(question, rights[:2])
    assert not missing.right
    assert missing.text == "Not yet: what you have ticked is right, but something is missing."
    too_much = judge(question, [*rights, "the noise eps"])
    assert not too_much.right
    assert too_much.text.startswith('Not yet. "the noise eps": That is what it is asked for.')
    assert judge(question, rights).right


@pytest.mark.parametrize("question_id", ["sheet-q1", "sheet-c1"])
def test_free_text_is_not_judged(question_id):
    with pytest.raises(ValueError, match=f"{question_id} has no right and wrong .*: read its answer instead"):
        judge(QUESTIONS[question_id], "text")


# --- the widgets ------------------------------------------------------------------------------------------------------


def inside(box, kind):
    """All widgets of a kind in a box, in order."""
    return [
        found
        for child in box.children
        for found in (inside(child, kind) if isinstance(child, widgets.Box) else [child] * (type(child) is kind))
    ]


def sentence(widget):
    """What a widget's HTML says, its maths as TeX between dollars again."""
    return html.unescape(re.sub("<[^>]+>", "", as_tex(widget.value)))


TEX = {to_mathml(tex): tex for tex in (formula for q in QUESTIONS.values() for formula in formulas(q))}


def as_tex(value):
    return re.sub("<math.*?</math>", lambda maths: f"${html.escape(TEX[maths[0]])}$", value)


def test_a_number_by_click():
    question = QUESTIONS["sheet-a"]
    box = answer_widget(question)
    (field,), (button,), (feedback,) = (inside(box, kind) for kind in (widgets.Text, widgets.Button, widgets.HTML))
    assert button.description == "Check"
    button.click()
    assert sentence(feedback).startswith("Nothing is entered yet")
    assert ticks() == {}
    field.value = "0.78"
    button.click()
    assert sentence(feedback) == judge(question, "0.78").text
    assert ticks() == {"self-check sheet-a": "tried"}
    field.value = "0,79"
    button.click()
    assert sentence(feedback).startswith("Right: ")
    assert ticks() == {"self-check sheet-a": "done"}


def test_a_number_by_enter_alone():
    box = answer_widget(QUESTIONS["01-a"])
    (field,), (feedback,) = inside(box, widgets.Text), inside(box, widgets.HTML)
    assert not field.continuous_update  # so the value comes with Enter, not with each key
    field.set_state({"value": " 3.7 "})  # as the browser sends it
    assert sentence(feedback).startswith("Right: ")
    assert ticks() == {"self-check 01-a": "done"}


def test_what_is_typed_is_escaped():
    box = answer_widget(QUESTIONS["sheet-a"])
    (field,), (feedback,) = inside(box, widgets.Text), inside(box, widgets.HTML)
    field.value = "<script>alert(1)</script>"
    assert "<script>" not in feedback.value
    assert "<script>alert(1)</script>" in sentence(feedback)


def test_a_choice_is_judged_at_the_press_of_its_letter():
    box = answer_widget(QUESTIONS["sheet-b3"])
    buttons, (feedback,) = inside(box, widgets.Button), inside(box, widgets.HTML)
    # The options themselves stand in the question, and no arrow key is needed, which JupyterLab would take for itself.
    assert [button.description for button in buttons] == ["A", "B", "C", "D"]
    assert sentence(feedback) == ""
    assert ticks() == {}
    for letter, beginning, tick in [
        ("C", "C · Not yet: ", "tried"),
        ("A", "A · Accepted: ", "done"),
        ("B", "B · Right: ", "done"),
    ]:
        buttons["ABCD".index(letter)].click()
        assert sentence(feedback).startswith(beginning)
        assert ticks() == {"self-check sheet-b3": tick}


def test_a_choice_of_several():
    box = answer_widget(QUESTIONS["00-d"])
    boxes, (button,), (feedback,) = (inside(box, kind) for kind in (widgets.Checkbox, widgets.Button, widgets.HTML))
    assert [(each.description, each.value) for each in boxes] == [(letter, False) for letter in "ABCD"]
    button.click()
    assert sentence(feedback).startswith("Nothing is chosen yet")
    boxes[0].value = True
    button.click()
    assert "something is missing" in sentence(feedback)
    boxes[2].value = True
    button.click()
    assert sentence(feedback).startswith("Right: ")
    assert ticks() == {"self-check 00-d": "done"}


@each_of_kind("compare")
def test_free_text_beside_the_model_answer(question):
    box = answer_widget(question)
    (field,), (button,), (said, own, model) = (
        inside(box, kind) for kind in (widgets.Textarea, widgets.Button, widgets.HTML)
    )
    field.value = "  \n"
    button.click()
    assert sentence(said).startswith("Nothing is written yet")
    assert own.value == model.value == ""
    assert ticks() == {}
    field.value = "It gets redder, for $5 & $6, <more>."
    button.click()
    assert sentence(said) == "Your answer and a good one stand below."
    assert "It gets redder, for $5 &amp; $6, &lt;more&gt;." in own.value
    for words in (*question.points, *question.answer.split("\n\n")):
        assert words.strip() in sentence(model)
    assert model.value.count("<li>") == len(question.points)
    assert ticks() == {f"self-check {question.id}": "done"}
    field.value = ""
    button.click()
    assert own.value == model.value == ""


def test_a_free_answer_is_ticked_by_whoever_gave_it():
    box = answer_widget(QUESTIONS["sheet-q1"])
    (status,), (known, missed) = inside(box, widgets.HTML), inside(box, widgets.Button)
    assert ticks() == {}
    missed.click()
    assert (ticks(), sentence(status)[:15]) == ({"self-check sheet-q1": "tried"}, "Ticked as tried")
    known.click()
    assert (ticks(), sentence(status)[:14]) == ({"self-check sheet-q1": "done"}, "Ticked as done")


@each_question
def test_a_verdict_is_spoken(question):
    assert "course-says" in [
        name for line in inside(answer_widget(question), widgets.HTML) for name in line._dom_classes
    ]


@each_question
def test_a_verdict_holds_no_tex(question):
    box = answer_widget(question)
    for field in inside(box, widgets.Text):
        for entry in ("1e9", *(f"{each:g}" for each in (question.value, *(slip.value for slip in question.wrong)))):
            field.value = entry
            assert not re.search(r"[$\\]", " ".join(line.value for line in inside(box, widgets.HTML)))
    for field in inside(box, widgets.Textarea):
        field.value = "text"
    for field in (*inside(box, widgets.Button), *inside(box, widgets.Checkbox)):
        field.click() if isinstance(field, widgets.Button) else setattr(field, "value", True)
        assert not re.search(r"[$\\]", " ".join(line.value for line in inside(box, widgets.HTML)))


# --- what is shown ----------------------------------------------------------------------------------------------------


@each_question
def test_the_static_form_stands_on_its_own(question, shown):
    assert self_check(question.id) is None
    assert [output.get("text/markdown") for output in shown if "text/markdown" in output] == [
        question_markdown(question),
        answer_markdown(question),
    ]
    asked, answered = (output["text/markdown"] for output in shown if "text/markdown" in output)
    assert question.question.strip() in asked
    assert question.answer.strip() in answered
    for letter, each in zip("ABCDEFGH", question.options, strict=False):
        assert f"\n- **{letter}** · {each.text}" in asked
        assert f"\n- **{letter} · {each.text}** ({each.status}): {each.why}" in answered
    for slip in question.wrong:
        assert f"**{slip.value:g}**: {slip.why}" in answered
    assert all(point in answered for point in question.points)
    assert shown[0]["text/plain"] == asked
    # As test_notebooks.py demands of folded answers in Markdown cells.
    pattern = r"^<details><summary>[^$<]+</summary>\n\n(?:.|\n)+?\n\n</details>$"
    assert re.fullmatch(pattern, answered, flags=re.MULTILINE)
    assert answered.count("<details") == answered.count("</details>") == 1


@each_question
def test_an_answer_is_entered_above_the_right_one_and_a_free_one_is_ticked_below_it(question, shown):
    self_check(question.id)
    place = 2 if question.kind == "free" else 1
    view = "application/vnd.jupyter.widget-view+json"
    assert [view in output for output in shown] == [each == place for each in range(4)]
    assert shown[place][view]["model_id"]
    assert shown[place + 1]["text/plain"].startswith("[With a running kernel")


def test_an_unknown_question_is_answered_with_those_that_exist():
    with pytest.raises(ValueError, match=r"^there is no question 'sheet-d'; choose one of sheet-") as problem:
        self_check("sheet-d")
    listed = str(problem.value).removesuffix(".").split("choose one of ")[1].split(", ")
    assert sorted(listed) == sorted(QUESTIONS)
    with pytest.raises(ValueError, match="choose one of sheet-a, "):
        self_check("shet-a")
    with pytest.raises(ValueError, match="choose one of sheet-q1, sheet-q2"):
        self_check("")


def test_a_question_is_a_value():
    free = Question(id="x", notebook="00_start_here", kind="free", question="Why?", answer="Because.")
    assert question_markdown(free) == "**Check yourself.** Why?"
    assert answer_markdown(free) == "<details><summary>Show answer</summary>\n\nBecause.\n\n</details>"
