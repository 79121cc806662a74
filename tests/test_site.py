"""The course's page: what its browser runs is the course's own model, and its pages are the notebooks."""

import functools
import html
import http.server
import json
import math
import re
import runpy
import threading
from contextlib import contextmanager

import numpy as np
import onnxruntime
import pytest
import torch
from playwright.sync_api import expect
from torch.nn import functional

from course_lib import pretrained
from course_lib.classroom import colab, self_check
from course_lib.classroom.progress import HEAD
from course_lib.classroom.self_check import load_questions
from course_lib.networks.attention import record_attention
from course_lib.site import __main__ as site
from course_lib.site.export import export
from course_lib.site.staging import ASLEEP, NOTE, WIDGET, question_html, staged
from course_lib.support.seeds import generator_for

PROMPTS = ["a red sports car", "a blue frog", "a yellow umbrella on black", "a small pink elephant"]


@pytest.fixture(scope="module")
def pipe():
    return pretrained.text_to_image()


@pytest.fixture(scope="module")
def easel(pipe, tmp_path_factory):
    """The folder from which the front page draws."""
    folder = tmp_path_factory.mktemp("easel")
    site.fill_easel(folder)
    return folder


@contextmanager
def served(folder):
    """The address of a server that hands a folder out."""
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def address(easel):
    (easel / "index.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>Draw</title>'
        '<div class="course-draw"></div><script type="module" src="draw.js"></script></html>',
        encoding="utf-8",
    )
    with served(easel) as address:
        yield address


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def page(browser, address):
    """The front page; what it logs as an error fails the test, and so does a request to anywhere else."""
    page, problems = browser.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.on(
        "request", lambda asked: problems.append(asked.url) if not asked.url.startswith((address, "data:")) else None
    )
    page.goto(address)
    yield page
    page.close()
    assert problems == []


def runs(page, script):
    """What a module gives that imports from the easel's scripts."""
    return page.evaluate(f"(async () => {{ {script} }})()")


# --- where its pages lead ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "repository"), [("https://github.com/me/fork", "me/fork"), ("https://example.org/x", None), ("", None)]
)
def test_a_page_offers_colab_once_there_is_an_address_to_fetch_the_course_from(address, repository, monkeypatch):
    monkeypatch.setattr(colab, "stamped_address", lambda notebook: address)
    options = runpy.run_path(str(site.HERE / "conf.py"))["html_theme_options"]
    assert options.get("repository_url") == (repository and f"https://github.com/{repository}")
    assert ("launch_buttons" in options) == (repository is not None)
    if repository:  # the theme puts these together
        place = f"{options['repository_branch']}/{options['path_to_docs']}/00_start_here.ipynb"
        assert place in colab.link(address, "00_start_here.ipynb")


# --- what is exported -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_exported_graphs_answer_as_the_networks_do(pipe, easel):
    graphs = {
        name: onnxruntime.InferenceSession(easel / "model" / f"{name}.onnx")
        for name in ("words", "denoiser", "decoder")
    }
    with torch.no_grad():
        for prompts in (["a cat"], PROMPTS, ["", "a small red sports car on a sky blue background, flat style"]):
            ids, words = pipe.encoder.tokenizer(prompts), pipe.encoder.encode(prompts)
            (found,) = graphs["words"].run(None, {"ids": ids.numpy()})
            np.testing.assert_allclose(found, words, atol=5e-3)
            x_t, t = pipe.noise(len(prompts), seed=3), torch.arange(1, 1001, 1000 // len(prompts))[: len(prompts)]
            given = {"x_t": x_t.numpy(), "t": t.numpy(), "words": words.numpy()}
            v, attention = graphs["denoiser"].run(None, given)
            np.testing.assert_allclose(v, pipe.denoiser.net(x_t, t, words), atol=2e-2)
            np.testing.assert_allclose(attention.sum(axis=1), np.ones((len(prompts), 16, 16)), atol=1e-4)
            (pictures,) = graphs["decoder"].run(None, {"z": x_t.numpy()})
            np.testing.assert_allclose(pictures, pipe.vae.to_pictures(x_t), atol=5e-3)


@pytest.mark.slow
def test_all_that_a_reader_loads_is_at_most_30_megabytes(easel):
    loaded = sum(
        path.stat().st_size for path in easel.rglob("*") if path.suffix in (".js", ".mjs", ".wasm", ".onnx", ".json")
    )
    assert loaded < 30e6
    (said,) = re.findall(r"MEGABYTES = (\d+);", (easel / "draw.js").read_text(encoding="utf-8"))
    assert round(loaded / 1e6) == int(said)
    assert not list(easel.rglob("*.mjs")), "some servers do not know that ending for a script's"


@pytest.mark.slow
def test_a_student_is_exported_as_its_teacher_is(tmp_path):
    export(pretrained.text_to_image(steps=4), tmp_path)
    denoiser = onnxruntime.InferenceSession(tmp_path / "denoiser.onnx")
    student = pretrained.text_to_image(steps=4)
    x_t, t = student.noise(1, seed=0), torch.tensor([750])
    with torch.no_grad():
        words = student.encoder.encode(["a red sports car"])
        v, _ = denoiser.run(None, {"x_t": x_t.numpy(), "t": t.numpy(), "words": words.numpy()})
        np.testing.assert_allclose(v, student.denoiser.net(x_t, t, words), atol=2e-2)


# --- what the browser computes ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("pair", [(0, 0), (1, 0), (7, 3), (2**31 - 1, 5), (2**40 + 17, 2**33)])
def test_a_seed_means_the_same_noise_as_in_torch(page, pair):
    script = (
        f'const {{ normalNoise }} = await import("./noise.js"); return [...normalNoise(1024, {pair[0]}, {pair[1]})];'
    )
    found = torch.tensor(runs(page, script))
    torch.testing.assert_close(found, torch.randn(1024, generator=generator_for(*pair)), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_prompts_are_read_as_the_tokenizer_reads_them(page, pipe):
    texts = [
        "",
        "A red, SPORTS car!",
        "sky-blue don't “elefant” 3 🚗",
        "a reed spots cart",
        "Äpfel & naïve_café",
        "x" * 30,
        "a lagre bat",  # like more than three words each
        "cat " * 24,
    ]
    model = json.dumps({"vocabulary": pipe.encoder.tokenizer.vocabulary, "first_id": 3, "longest": 24})
    script = (
        'const { encode, unknown } = await import("./tokenizer.js");'
        f"const model = {model};"
        f"return {json.dumps(texts)}.map((text) => [[...encode(text, model)].map(Number), unknown(text, model)]);"
    )
    for text, (ids, unknown) in zip(texts, runs(page, script), strict=True):
        assert ids == pipe.encoder.tokenizer([text])[0].tolist(), text
        assert [each["word"] for each in unknown] == list(pipe.encoder.unknown(text))
        for each in unknown:
            known = pipe.encoder.unknown(text)[each["word"]]
            assert len(each["like"]) == len(known), each
            assert set(each["like"]) == set(known) or len(known) == 3, (
                each
            )  # of equally similar ones others may come first


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 4, 7, 25, 50])
def test_a_walk_takes_the_times_of_the_schedule(page, pipe, steps):
    script = f'const {{ times }} = await import("./sampling.js"); return times(1000, {steps});'
    assert runs(page, script) == pipe.denoiser.schedule.times(steps)


@pytest.mark.slow
def test_the_page_draws_what_the_course_draws(page, pipe):
    """The same prompt, seed and knobs: the same picture, to within two grey levels."""
    for prompt, seed, guidance, steps in (
        ("a red sports car", 1, 3, 25),
        ("a blue frog", 2, 1, 5),
        ("a purple teapot", 3, 7.5, 8),
        ("", 4, 0, 3),
    ):
        page.fill("[name=prompt]", prompt)
        page.fill("[name=seed]", str(seed))
        for name, value in (("guidance", guidance), ("steps", steps)):
            page.fill(f"[name={name}]", str(value))
        page.click("button")
        page.wait_for_function(
            "document.querySelector('[role=status]').textContent.startsWith('Done')", timeout=120_000
        )
        script = "return [...document.querySelector('canvas').getContext('2d').getImageData(0, 0, 64, 64).data];"
        drawn = torch.tensor(runs(page, script)).reshape(64, 64, 4)
        expected = pipe(prompt, seed=seed, guidance=guidance, steps=steps).tensor[0].movedim(0, -1).int()
        assert (drawn[..., 3] == 255).all()
        assert (drawn[..., :3] - expected).abs().max() <= 2, prompt
        assert page.locator("output").all_text_contents() == [f"{guidance:g}", str(steps)]


@pytest.mark.slow
def test_a_word_that_is_pointed_at_shows_what_attended_to_it(page, pipe, hindrances):
    prompt, steps = "a red sports car", 4
    with record_attention() as recorded:
        pipe(prompt, seed=1, steps=steps)
    maps = []
    for weights in recorded:
        side = math.isqrt(weights.shape[2])
        square = weights[-1].mean(dim=0).unflatten(0, (side, side)).permute(2, 0, 1)
        maps.append(functional.interpolate(square[None], size=(16, 16))[0])
    expected = torch.stack(maps).mean(dim=0)
    page.fill("[name=steps]", str(steps))
    page.click("button")
    words = page.locator(".words button")
    expect(words).to_have_text(["(begin)", *prompt.split()], timeout=120_000)
    dark = page.locator(".attention")
    assert dark.is_hidden()
    for word, own in zip(words.all(), expected, strict=True):
        word.hover()
        assert dark.is_visible()
        script = "return [...document.querySelector('.attention').getContext('2d').getImageData(0, 0, 16, 16).data];"
        darkness = torch.tensor(runs(page, script)).reshape(16, 16, 4)[..., 3]
        assert (darkness - 220 * (1 - own / own.max())).abs().max() <= 4
        page.mouse.move(0, 0)
        assert dark.is_hidden()
    assert hindrances(page) == []
    words.last.focus()
    assert dark.is_visible()
    words.first.hover()
    page.mouse.move(0, 0)
    assert dark.is_visible()  # of the word that has the keyboard
    page.keyboard.press("Escape")
    assert dark.is_hidden()
    words.first.hover()
    assert dark.is_visible()
    page.keyboard.press("Escape")
    assert dark.is_hidden()
    page.mouse.move(0, 0)
    words.last.blur()
    page.fill("[name=steps]", "50")  # so that there is time to look
    page.click("button")  # another picture begins without the words of the last one
    assert words.count() == 0
    assert dark.is_hidden()
    expect(words).to_have_count(5, timeout=120_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "answer", "said"),
    [
        ("ort-wasm-simd-threaded.wasm", lambda route: route.abort(), "Failed to fetch."),
        ("denoiser.onnx", lambda route: route.fulfill(status=503), "denoiser.onnx could not be loaded (503)."),
        ("denoiser.onnx", lambda route: route.fulfill(body="<p>Log in"), "denoiser.onnx came damaged."),
        ("*.wasm", lambda route: route.fulfill(body="<p>Log in"), "ort-wasm-simd-threaded.wasm came damaged."),
    ],
    ids=["no network", "no answer", "another answer", "another answer for the runtime"],
)
def test_what_could_not_be_loaded_is_loaded_at_the_next_press(file, answer, said, browser, address):
    page = browser.new_page()
    page.goto(address)
    page.fill("[name=steps]", "1")
    status = page.locator("[role=status]")
    page.route(f"**/{file}", answer)
    page.click("button")
    expect(status).to_contain_text(f"The model could not be loaded: {said} Press again;", timeout=120_000)
    page.unroute(f"**/{file}")
    page.click("button")
    expect(status).to_contain_text("Done", timeout=120_000)
    page.close()


@pytest.mark.slow
def test_a_press_ends_the_walk_of_the_one_before(page):
    status = page.locator("[role=status]")
    page.fill("[name=steps]", "50")
    page.click("button")
    expect(status).to_contain_text(re.compile(r"Step \d+ of 50: t = \d+"), timeout=120_000)
    page.fill("[name=steps]", "1")
    page.click("button")
    expect(status).to_contain_text("Done", timeout=120_000)
    picture = "return document.querySelector('canvas').toDataURL();"
    drawn = runs(page, picture)
    page.wait_for_timeout(1500)  # several steps of a walk that goes on
    assert runs(page, picture) == drawn
    assert "Done" in status.text_content()


@pytest.mark.slow
def test_the_page_says_what_is_wrong_and_goes_on(page):
    status = page.locator("[role=status]")
    page.fill("[name=steps]", "1")

    def draw(prompt, words):
        page.fill("[name=prompt]", prompt)
        page.keyboard.press("Enter")
        page.wait_for_function(
            "words => document.querySelector('[role=status]').textContent.includes(words)", arg=words, timeout=120_000
        )

    draw("a " * 30, "A prompt may have 24 words, and this one has 30")
    draw("a blue elefant", "“elefant” is no word that it knows; it knows elephant")
    draw("a cat", "Done")
    assert "cat" in page.locator("canvas").first.get_attribute("aria-label")
    assert status.text_content().startswith("Done")
    page.fill("[name=guidance]", "0")
    draw("a cat", "With a guidance of 0 no prompt is heard.")
    assert "cat" not in page.locator("canvas").first.get_attribute("aria-label")


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1200])
def test_a_press_brings_the_picture_into_view_and_a_long_word_keeps_its_place(browser, address, width):
    page = browser.new_page(viewport={"width": width, "height": 640})
    page.goto(address)
    page.add_style_tag(path=str(site.HERE / "browser" / "draw.css"))
    page.fill("[name=steps]", "1")
    page.fill("[name=prompt]", "x" * 190)
    page.click("button")
    expect(page.locator("[role=status]")).to_contain_text("is no word that it knows", timeout=120_000)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("canvas").first.bounding_box()["width"] < 330
    page.fill("[name=prompt]", "a cat")
    page.evaluate("scrollTo(0, 0)")
    page.click("button")
    expect(page.locator("[role=status]")).to_contain_text("Done", timeout=120_000)
    place = page.locator("canvas").first.bounding_box()
    assert place["y"] + place["height"] <= 640
    page.close()


# --- the pages --------------------------------------------------------------------------------------------------------


def test_what_jupyterlab_folds_is_folded_and_only_widgets_go():
    for notebook in site.NOTEBOOKS:
        before = json.loads(notebook.read_text(encoding="utf-8"))
        after = json.loads(staged(json.dumps(before)))
        assert after["cells"].pop(1) == NOTE
        for one, other in zip(before["cells"], after["cells"], strict=True):
            hidden = one["metadata"].get("jupyter", {})
            tags = other["metadata"].pop("tags")
            assert ("hide-input" in tags) == bool(hidden.get("source_hidden"))
            assert ("hide-output" in tags) == bool(hidden.get("outputs_hidden"))
            one["metadata"].pop("tags", None)
            titled = "".join(one["source"]).startswith("# @title ")
            assert bool(other["metadata"].pop("mystnb", {})) == titled
            asleep = [ASLEEP in str(output) or WIDGET in str(output) for output in one.get("outputs", [])]
            kept = [output for output in one.get("outputs", []) if output in other["outputs"]]
            table = HEAD in json.dumps(one.get("outputs", []))  # of a learner's progress, which a page does not know
            assert len(kept) >= asleep.count(False) - table
            assert {**one, "outputs": None} == {**other, "outputs": None}


@pytest.mark.slow
def test_every_question_and_every_deck_of_the_notebooks_is_in_its_page():
    for notebook in site.NOTEBOOKS:
        text = notebook.read_text(encoding="utf-8")
        called = [
            name
            for cell in json.loads(text)["cells"]
            if cell["cell_type"] == "code"
            for name in re.findall(r'^self_check\("([\w-]+)"\)', "".join(cell["source"]), flags=re.MULTILINE)
        ]
        asked = [load_questions()[name].kind for name in called]
        page = staged(text)
        assert page.count("course-question") == len(asked) - asked.count("free")
        assert page.count("course-cards") == len(re.findall(r'flashcards\(\\"', text))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The site without what draws."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "fill_easel", lambda folder: None)
        assert site.build(folder / "built") == 0
    assert [path.name for path in folder.iterdir()] == ["built"]
    return folder / "built"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_asks_nobody_else_for_anything(built):
    for notebook in site.NOTEBOOKS:
        page = (built / f"{notebook.stem}.html").read_text(encoding="utf-8")
        assert "<math" in page or notebook.stem.startswith(("00", "10"))
        for formula in re.findall("<math.*?</math>", page, flags=re.DOTALL):
            drawn = html.unescape(re.sub("<[^>]*>", "", formula))
            assert not re.search(r"[\\&$]", drawn), drawn
            assert not re.search("mathvariant=.(script|double-struck)", formula), drawn  # which browsers do not know
        assert (built / "_sources" / notebook.name).read_bytes() == notebook.read_bytes()
        for tag in ("<script src=", "<link href=", '<link rel="stylesheet" href='):
            assert f'{tag}"http' not in page
    assert "attent" in (built / "searchindex.js").read_text(encoding="utf-8")
    first = (built / "00_start_here.html").read_text(encoding="utf-8")
    assert "Find the course, or fetch it on Colab: show the source" in first
    assert HEAD not in first
    assert "○ open" not in first
    assert "carries no address yet" in (built / "index.html").read_text(encoding="utf-8")
    assert (built / ".nojekyll").exists()


@pytest.fixture(scope="module")
def pages(built):
    with served(built) as address:
        yield address


ENTRIES = [
    "0.79",
    " 0,79 ",
    "1,000",
    "1,000.5",
    "12.",
    "50%",
    "1/2",
    "1/0",
    "−3",
    "- 3",
    "1e3",
    "abc",
    "",
    "1/2/3",
    ".5",
    "٣",
    "１２．５",
    "1_000",
    "1e400",
]


@pytest.mark.slow
def test_a_page_judges_as_a_notebook_does(browser, pages):
    page = browser.new_page()
    page.goto(f"{pages}09_inpainting.html")
    script = 'const { toNumber } = await import("./_static/questions.js");'
    found = runs(page, f"{script} return {json.dumps(ENTRIES)}.map(toNumber);")
    for entry, number in zip(ENTRIES, found, strict=True):
        assert number == (None if entry == "٣" else self_check.to_number(entry)), entry
    script = (
        'const { judge } = await import("./_static/questions.js");'
        "return pairs.map(([content, entry]) => judge(content, entry)).map(({ right, words }) => {"
        'const line = document.createElement("p"); line.innerHTML = words; return [right, line.textContent]; });'
    )
    for question in load_questions().values():
        if question.kind not in ("number", "choice"):
            continue
        if question.kind == "number":
            edges = [question.value + question.tolerance, question.value - question.tolerance]
            numbers = [question.value, *edges, *(slip.value for slip in question.wrong), 1e9, -1e9]
            commas = [f"{number:.3f}".replace(".", ",") for number in numbers]
            entries = [*map(repr, numbers), *commas, "many", ""]
            pairs = [(entry, entry) for entry in entries]
        else:
            letters = [letter for letter, _ in self_check.lettered(question)]
            texts = dict(self_check.lettered(question))
            chosen = [[letter] for letter in letters] + [letters, letters[:2], []]
            several = len(self_check.right_options(question)) > 1
            pairs = [(each, [texts[letter].text for letter in each]) for each in chosen if several or len(each) < 2]
        content = html.unescape(re.search('data-content="([^"]*)"', question_html(question))[1])
        asked = json.dumps([[json.loads(content), entry] for entry, _ in pairs])
        for (right, words), (entry, own) in zip(runs(page, f"const pairs = {asked}; {script}"), pairs, strict=True):
            expected = self_check.judge(question, own)
            assert right == expected.right, (question.id, entry)
            begins = r"Not yet[.:]|\w+"  # a point where each wrong tick is named with its reason
            assert re.match(begins, words)[0] == re.match(begins, expected.text)[0], (question.id, entry)
    page.close()


@pytest.mark.slow
def test_questions_and_cards_work_in_a_page_by_mouse_and_by_keyboard(browser, pages):
    page, problems = browser.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{pages}09_inpainting.html")
    number, choice = page.locator(".course-question").nth(0), page.locator(".course-question").nth(1)
    number.locator("input").fill("246")
    page.keyboard.press("Enter")
    assert number.locator("[role=status]").text_content().startswith("Not yet: Walked 4 times")
    number.locator("input").fill("197")
    number.get_by_role("button").click()
    assert number.locator("[role=status]").text_content().startswith("Right")
    choice.get_by_role("button", name="A").press("Enter")
    assert choice.locator("[role=status]").text_content().startswith("A · Right")

    cards = page.locator(".course-cards")
    where, press = cards.locator("span"), lambda name: cards.get_by_role("button", name=name, exact=True).click()
    assert where.text_content() == "card 1 of 8"
    press("Good")  # shows the answer first
    assert where.text_content() == "card 1 of 8"
    press("Again")
    assert where.text_content() == "card 2 of 8, 1 to repeat"
    for _ in range(2 * 7):
        press("Good")
    assert where.text_content() == "all 8 cards seen, 1 to repeat"
    press("Show answer")
    press("Good")
    assert where.text_content() == "all 8 cards are good"
    press("Start over")
    press("Shuffle")
    assert where.text_content() == "card 1 of 8"
    assert "With a running kernel, run this cell to enter" not in page.content()
    assert problems == []
    page.close()


@pytest.mark.slow
def test_the_search_finds_a_page(browser, pages):
    page = browser.new_page()
    page.goto(f"{pages}search.html?q=distillation")
    page.wait_for_selector("#search-results li a")
    assert any("Distillation" in each for each in page.locator("#search-results li a").all_text_contents())
    page.goto(f"{pages}search.html?q=great+circle")
    quoted = page.locator("#search-results li .context")
    expect(quoted.last).to_contain_text("great circle", timeout=30_000)
    assert "Dark" not in "".join(quoted.all_text_contents())  # a word of the menus
    whole = page.evaluate("fetch('03_ddim.html').then((page) => page.text()).then((text) => Search.htmlToText(text))")
    assert "What you have now" in whole
    assert "System Settings" not in whole  # of the menus, which the article does not hold
    page.close()


@pytest.mark.slow
def test_without_scripts_a_page_says_what_is_missing(browser, pages):
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{pages}10_practice.html")
    for place in (".course-question", ".course-cards"):
        assert "This needs JavaScript" in page.locator(place).first.text_content()
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "colours"), [("index", "light"), ("index", "dark"), ("10_practice", "dark")])
def test_a_page_hinders_nobody(name, colours, browser, pages, hindrances):
    page = browser.new_page(color_scheme=colours)
    page.goto(f"{pages}{name}.html")
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    assert hindrances(page) == []
    page.close()


@pytest.mark.slow
def test_on_a_telephone_no_page_is_wider_than_the_window(browser, pages):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    for notebook in site.NOTEBOOKS:
        page.goto(f"{pages}{notebook.stem}.html")
        page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") == 390, notebook.stem
    page.close()
