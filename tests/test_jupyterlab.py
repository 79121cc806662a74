"""JupyterLab itself, in a browser: the notebooks as somebody runs and reads them, their controls by mouse and by keyboard.

The server has a home folder of its own and works on copies. The whole notebooks take minutes: ``make proof-jupyterlab``.
"""

import ast
import dis
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect
from pypdf import PdfReader

from course_lib.classroom.cards import load_cards

TOP = Path(__file__).parents[1]
NOTEBOOKS = sorted(path.name for path in (TOP / "notebooks").glob("*.ipynb"))
MINUTES, SECONDS = 1_200_000, 60_000  # milliseconds: a notebook, and a press of a button, on a busy machine
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"

pytestmark = pytest.mark.slow
expect.set_options(timeout=SECONDS)


def whole_notebooks(*quick: str):
    """A test of each notebook; those that are not quick have a make target of their own."""
    marks = {name: () if name[:2] in quick else pytest.mark.proof for name in NOTEBOOKS}
    return pytest.mark.parametrize("name", [pytest.param(name, marks=marks[name], id=name[:2]) for name in NOTEBOOKS])


# --- JupyterLab, and somebody in front of it --------------------------------------------------------------------------


@dataclass(frozen=True)
class Lab:
    """A server that runs, and the folder that it shows."""

    address: str
    token: str
    folder: Path

    def ask(self, method: str, path: str) -> bytes:
        asked = urllib.request.Request(
            self.address + path, method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(asked) as answer:
            return answer.read()

    def end_kernels(self) -> None:
        for session in json.loads(self.ask("GET", "api/sessions")):
            self.ask("DELETE", f"api/sessions/{session['id']}")


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):  # asks for the browser, so that nothing starts where there is none
    home = tmp_path_factory.mktemp("home")
    folder = home / "course"
    shutil.copytree(TOP / "notebooks", folder, ignore=shutil.ignore_patterns(".*"))
    settings = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"fetchNews": "false", "checkForUpdates": false}', encoding="utf-8")  # asks nobody
    usual = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "IPYTHON", "XDG_", "COURSE_"))}
    own = {name: str(home) for name in ("HOME", "USERPROFILE")} | {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PYTHONPATH": str(TOP),
    }
    options = ["--no-browser", "--allow-root", "--ServerApp.port=0", f"--ServerApp.root_dir={folder}"]
    options += ["--LabApp.expose_app_in_browser=True"]  # so that a test can ask what is still running
    with (home / "log.txt").open("w", encoding="utf-8") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, cwd=folder, env=usual | own, stdout=log, stderr=subprocess.STDOUT)
    told = home / "runtime" / f"jpserver-{server.pid}.json"
    while not told.exists():
        assert server.poll() is None, (home / "log.txt").read_text(encoding="utf-8")
        time.sleep(0.1)
    at = json.loads(told.read_text(encoding="utf-8"))
    yield Lab(at["url"], at["token"], folder)
    server.terminate()
    server.wait()


class Desk:
    """Somebody in front of a notebook: what they do, and what they see."""

    def __init__(self, lab: Lab, page: Page) -> None:
        self.lab, self.page = lab, page

    def open(self, name: str) -> None:
        """Open a notebook of the folder, and wait until all of it is there."""
        self.page.goto(f"{self.lab.address}lab/tree/{name}?token={self.lab.token}&reset")
        count = len(nbformat.read(self.lab.folder / name, as_version=4).cells)
        expect(self.page.locator(".jp-Notebook .jp-Cell")).to_have_count(count)
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text("| Idle")  # the kernel is there

    def choose(self, *path: str) -> None:
        """Choose an entry of the menu."""
        bar, *entries = path
        self.page.locator(".lm-MenuBar-item").get_by_text(bar, exact=True).click()
        for entry in entries:
            self.page.locator(".lm-Menu-itemLabel").get_by_text(entry, exact=True).click()

    def run_all(self, limit: float) -> None:
        """Run all cells by the menu, and wait for the last."""
        self.choose("Run", "Run All Cells")
        code = """jupyterapp.shell.currentWidget.content.widgets
            .filter(cell => cell.model.type === 'code').map(cell => cell.model)"""
        begun = f"{code}.some(cell => cell.executionCount || cell.executionState === 'running')"
        self.page.wait_for_function(begun)
        done = f"{code}.every(cell => cell.executionCount && cell.executionState === 'idle')"
        self.page.wait_for_function(done, timeout=limit)

    def use_theme(self, name: str) -> None:
        self.choose("Settings", "Theme", name)
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-name", name)

    def tab_to(self, target: Locator) -> None:
        """Press Tab until the target has the keyboard."""
        for _ in range(150):
            self.page.keyboard.press("Tab")
            if target.evaluate("target => target === document.activeElement"):
                return
        raise AssertionError(f"Tab does not lead to {target}")

    def read(self, script: str):
        """What a script of those below finds on the page."""
        return self.page.evaluate(f"() => {{ {SEEN} {script} }}")


@pytest.fixture
def desk(browser, lab):
    """JupyterLab in a new window; a script's error fails the test, and so does a request to anywhere else."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(SECONDS)
    page, problems = context.new_page(), []
    at_home = (lab.address, lab.address.replace("http", "ws"), "data:", "blob:")
    page.on("pageerror", lambda error: problems.append(f"{error}: {error.stack}"))
    page.on("request", lambda asked: None if asked.url.startswith(at_home) else problems.append(asked.url))
    yield Desk(lab, page)
    context.close()
    lab.end_kernels()
    assert problems == []


# What can be seen: `seen` are the pieces of text among the outputs that have a place on the page, each with its element.
SEEN = r"""
const area = '.jp-Notebook .jp-OutputArea-output';
const seen = [];
for (const output of document.querySelectorAll(area)) {
    const walker = document.createTreeWalker(output, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
        const shown = element.checkVisibility({visibilityProperty: true}) && !element.closest('style, script, option');
        if (text && shown) seen.push({text, element});
    }
    for (const element of output.querySelectorAll('input, textarea, select'))
        if (element.checkVisibility()) seen.push({text: element.value || element.placeholder || 'field', element});
}
"""

# Errors, objects that show as their names, formulas that show as TeX, and pictures that are not there or have no words.
WRONG = r"""
const red = '[data-mime-type="application/vnd.jupyter.stderr"], [data-mime-type="application/vnd.jupyter.error"]';
const wrong = [...document.querySelectorAll(red)].map(output => output.textContent);
const raw = /\bBox\(children=|\w+\(value=|[Ee]rror displaying widget|model not found|<\w[\w.]* (object )?at 0x/;
const tex = /\$[^$]*\\|\\(frac|sqrt|bar|alpha|beta|epsilon|sigma|mathbb|mathcal|left|text)\b|\\\(|\\\[/;
for (const {text, element} of seen) {
    if (raw.test(text)) wrong.push(text);
    if (tex.test(text) && !element.closest('pre, code')) wrong.push(text);
}
for (const picture of document.querySelectorAll('.jp-Notebook .jp-OutputArea-output img')) {
    if (!picture.checkVisibility()) continue;  // carries a script, and shows nothing
    if (!picture.complete || !picture.naturalWidth || picture.alt.length < 10) wrong.push(picture.outerHTML.slice(0, 200));
}
return wrong;
"""

# WCAG 2.2, 1.4.3: text stands out from what lies behind it by 4.5, large text by 3.
FAINT = r"""
const pixel = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const rgba = colour => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
};
const over = ([r, g, b, a], below) => [r, g, b].map((each, i) => a * each + (1 - a) * below[i]);
const behind = element => {
    if (!element) return [255, 255, 255];
    const paint = rgba(getComputedStyle(element).backgroundColor);
    return paint[3] === 1 ? paint.slice(0, 3) : over(paint, behind(element.parentElement));
};
const luminance = colour => colour.map(each => each / 255)
    .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
    .reduce((sum, each, i) => sum + each * [0.2126, 0.7152, 0.0722][i], 0);
const faint = {};
for (const {text, element} of seen) {
    // Nobody sees the first two; a program's colours are JupyterLab's own, which makes comments too faint by night.
    if (element.closest('[aria-hidden=true], mjx-assistive-mml, pre code span')) continue;
    const style = getComputedStyle(element), back = behind(element);
    const [low, high] = [luminance(over(rgba(style.color), back)), luminance(back)].sort((a, b) => a - b);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < (large ? 3 : 4.5)) faint[`${element.className || element.tagName} ${style.color} on ${back}`] = [ratio, text];
}
return [seen.length, faint];
"""


def assert_stands_out(desk: Desk) -> None:
    count, faint = desk.read(FAINT)
    assert count > 0
    assert faint == {}


# --- whole notebooks --------------------------------------------------------------------------------------------------


@whole_notebooks("00", "10")
def test_a_notebook_runs_from_top_to_bottom(desk, name):
    """Nothing red, no object's name in place of what it shows, and every figure there, with words for those who cannot see."""
    notebook = nbformat.read(desk.lab.folder / name, as_version=4)
    for cell in notebook.cells:  # so that all that is seen comes of this run
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, desk.lab.folder / f"run {name}")
    desk.open(f"run {name}")
    desk.run_all(MINUTES)
    lively = desk.page.locator(".jp-OutputArea-output .course-live")
    expect(lively).to_have_count(sum(shows_widgets(cell.source) for cell in notebook.cells))
    assert desk.read(WRONG) == []
    shown = desk.page.locator(".jp-OutputArea-output img:visible").count()

    desk.page.keyboard.press("Control+s")
    expect(desk.page.locator(".lm-TabBar-tab.jp-mod-current.jp-mod-dirty")).to_have_count(0)
    saved = nbformat.read(desk.lab.folder / f"run {name}", as_version=4)
    code = [cell for cell in saved.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert shown >= sum(str(cell.outputs).count("<img ") for cell in code)  # what widgets draw comes on top


def shows_widgets(source: str) -> int:
    return len(re.findall(r"^(?:self_check|explore|playground|mask_painter|flashcards)\(", source, flags=re.MULTILINE))


@whole_notebooks("10")
def test_a_saved_notebook_can_be_read_before_it_runs(desk, name):
    """Untrusted as it comes, then trusted, by day and by night."""
    desk.open(name)
    trust = desk.page.locator(".jp-StatusItem-trust")
    expect(trust).to_have_attribute("title", re.compile("not trusted"))
    reads_well(desk)
    desk.page.keyboard.press("Control+Shift+c")
    desk.page.keyboard.type("trust notebook")
    desk.page.keyboard.press("Enter")
    desk.page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(trust).to_have_attribute("title", re.compile("Notebook trusted"))
    reads_well(desk)
    for theme in (DARK, LIGHT):
        desk.use_theme(theme)
        assert_stands_out(desk)


def reads_well(desk: Desk) -> None:
    assert desk.page.get_by_text("Error displaying widget").locator("visible=true").count() == 0
    folded = desk.page.locator(".jp-OutputArea-output details").first
    folded.locator("summary").first.click()
    expect(folded).to_have_attribute("open", "")
    folded.locator("summary").first.click()
    expect(folded).not_to_have_attribute("open", "")
    desk.page.evaluate("document.querySelectorAll('.jp-Notebook details').forEach(each => { each.open = true })")
    assert desk.read(WRONG) == []


# --- what the widgets do ----------------------------------------------------------------------------------------------


def part_of(name: str, *ids: str) -> nbformat.NotebookNode:
    """Some cells of a notebook as they stand, below its first cell and the statements that make the names they need."""
    notebook = nbformat.read(next((TOP / "notebooks").glob(f"{name}*.ipynb")), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    asked = [cell for cell in code if cell.id in ids]
    assert len(asked) == len(ids), f"{name} has not all of the cells {ids}"
    above = code[1 : code.index(asked[0])]
    needed, kept = set().union(*(names(ast.parse(cell.source))[0] for cell in asked)), []
    for cell in reversed(above):
        for statement in reversed(ast.parse(cell.source).body):
            read, made = names(ast.Module([statement], []))
            source = ast.get_source_segment(cell.source, statement)
            if made & needed or source == "use_course_style()":
                kept.insert(0, source)
                needed = needed - made | read
    notebook.cells = [code[0], nbformat.v4.new_code_cell("\n".join(kept)), *asked]
    for cell in notebook.cells:
        cell.outputs, cell.execution_count = [], None
    return notebook


def names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The names that a piece of code reads before it makes them itself, and those that it makes."""
    read, made, waiting = set(), set(), [compile(tree, "", "exec")]
    for code in waiting:  # the code itself, then the functions in it
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_NAME", "LOAD_GLOBAL") and step.argval not in made:
                read.add(step.argval)
            if step.opname == "STORE_NAME" and code is waiting[0]:
                made.add(step.argval)
        waiting += [each for each in code.co_consts if isinstance(each, type(code))]
    return read, made


@pytest.fixture
def at_work(desk):
    """What opens a part of a notebook and runs it, and hands back the desk."""

    def open_and_run(name: str, *ids: str) -> Desk:
        nbformat.write(part_of(name, *ids), desk.lab.folder / "part.ipynb")
        desk.open("part.ipynb")
        desk.run_all(3 * SECONDS)
        assert desk.read(WRONG) == []
        return desk

    return open_and_run


def live(desk: Desk, index: int = 0) -> Locator:
    """A widget that runs, by its place on the page."""
    return desk.page.locator(".jp-OutputArea-output .course-live").nth(index)


def begin_above(desk: Desk, widget: Locator) -> None:
    """Leave the keyboard at the cell of a widget, as Escape does."""
    desk.page.locator(".jp-Cell", has=widget).locator(".jp-InputPrompt").click()


def test_a_slider_moves_by_arrows_and_by_mouse_and_its_figure_follows(at_work):
    desk = at_work("01", "slider")
    widget = live(desk)
    handle, figure = widget.get_by_role("slider"), widget.locator("img:visible")
    begin_above(desk, widget)
    desk.tab_to(handle)
    before = figure.get_attribute("src")
    expect(figure).to_have_attribute("alt", re.compile("t = 200,"))
    desk.page.keyboard.press("ArrowRight")
    expect(figure).to_have_attribute("alt", re.compile("t = 210,"))
    assert figure.get_attribute("src") != before
    box = widget.locator(".noUi-base").bounding_box()
    desk.page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    expect(figure).to_have_attribute("alt", re.compile(r"t = (99\d|1000)\b"))
    widget.get_by_label("cosine").check()
    expect(figure).to_have_attribute("alt", re.compile("schedule = cosine"))


def test_the_words_of_a_prompt_are_explored_by_keyboard(at_work):
    desk = at_work("05", "maps-explorer")
    widget = live(desk)
    words, figure = widget.locator("select"), widget.locator("img:visible")
    expect(figure).to_have_attribute("alt", re.compile("word = car, step = 12"))
    begin_above(desk, widget)
    desk.tab_to(words)
    desk.page.keyboard.press("ArrowDown")
    expect(figure).to_have_attribute("alt", re.compile("word = on, step = 12"))
    desk.tab_to(widget.get_by_role("slider"))
    desk.page.keyboard.press("ArrowLeft")
    expect(figure).to_have_attribute("alt", re.compile("word = on, step = 11"))


def test_a_prompt_is_drawn_by_enter_and_by_the_button(at_work):
    desk = at_work("06", "playground")
    widget = live(desk)
    prompt, picture, line = widget.get_by_label("prompt"), widget.locator("img:visible"), widget.get_by_role("status")
    begin_above(desk, widget)
    desk.tab_to(prompt)
    desk.page.keyboard.press("Control+a")
    desk.page.keyboard.type("a blue frog")
    desk.page.keyboard.press("Enter")
    expect(picture).to_have_attribute("alt", "a blue frog, step 25 of 25")
    expect(line).to_contain_text("Done")
    frog = picture.get_attribute("src")
    desk.tab_to(widget.get_by_role("slider", name="steps"))
    for _ in range(22):
        desk.page.keyboard.press("ArrowLeft")
    prompt.fill("a red sports car")
    widget.get_by_role("button", name="Draw").click()
    expect(picture).to_have_attribute("alt", "a red sports car, step 3 of 3")
    assert picture.get_attribute("src") != frog


def test_a_students_picture_follows_the_typing(at_work):
    desk = at_work("07", "playground")
    widget = live(desk)
    picture = widget.locator("img:visible")
    first = picture.get_attribute("src")
    begin_above(desk, widget)
    desk.tab_to(widget.get_by_label("prompt"))
    desk.page.keyboard.press("Control+a")
    desk.page.keyboard.type("a blue frog")
    expect(picture).to_have_attribute("alt", "a blue frog, seed 0")
    assert picture.get_attribute("src") != first
    desk.page.keyboard.type(" zzyzx")
    expect(widget.get_by_role("status")).to_contain_text("zzyzx")


def test_a_hole_is_drawn_by_mouse_and_by_tab_and_space_and_filled(at_work):
    desk = at_work("09", "painter")
    widget = live(desk)
    line, pictures = widget.get_by_role("status"), widget.locator("img:visible")
    expect(line).to_contain_text("Hole: 16 of 64 cells, in rows 3 to 6 and columns 3 to 6.")
    begin_above(desk, widget)
    desk.tab_to(widget.get_by_label("row 1, column 1", exact=True))
    desk.page.keyboard.press("Space")
    expect(line).to_contain_text("Hole: 17 of 64 cells, in rows 1 to 6")
    widget.get_by_label("row 8, column 8", exact=True).click()
    expect(line).to_contain_text("Hole: 18 of 64 cells, in rows 1 to 8 and columns 1 to 8.")
    expect(widget.get_by_label("row 8, column 8", exact=True)).to_have_attribute("aria-pressed", "true")
    widget.get_by_role("button", name="Clear").click()
    expect(line).to_contain_text("no cell is marked")
    widget.get_by_role("button", name="Fill").click()
    expect(line).to_contain_text("mark at least one cell")
    widget.get_by_role("button", name="Right half").click()
    expect(line).to_contain_text("Hole: 32 of 64 cells")
    prompt = widget.get_by_label("prompt")
    prompt.fill("a yellow tractor")
    prompt.press("Enter")
    expect(line).to_contain_text("Done")
    expect(pictures.nth(1)).to_have_attribute("alt", re.compile("filled with: a yellow tractor"))


def test_questions_tell_right_from_wrong_by_mouse_and_by_keyboard(at_work):
    desk = at_work("09", "questions")
    number, choice = live(desk, 0), live(desk, 1)
    verdict = number.get_by_role("status")
    begin_above(desk, number)
    desk.tab_to(number.get_by_label("Your number:"))
    desk.page.keyboard.type("246")
    desk.page.keyboard.press("Enter")
    expect(verdict).to_contain_text("Not yet: Walked 4 times")
    number.get_by_label("Your number:").fill("197")
    number.get_by_role("button", name="Check").click()
    expect(verdict).to_contain_text("Right")
    verdict = choice.get_by_role("status")
    choice.get_by_role("button", name="B", exact=True).click()
    expect(verdict).to_contain_text("B · Not yet")
    desk.page.keyboard.press("Shift+Tab")
    desk.page.keyboard.press("Space")
    expect(verdict).to_contain_text("A · Right")


def test_keys_typed_in_a_control_do_nothing_to_the_cells_and_escape_leads_back(at_work):
    desk = at_work("09", "questions")
    field = live(desk).get_by_label("Your number:")
    field.click()
    desk.page.keyboard.type("ddb1")  # in command mode: delete this cell, and add one
    assert field.input_value() == "ddb1"
    live(desk, 1).get_by_role("button", name="B", exact=True).press("x")  # cut it
    expect(desk.page.locator(".jp-Notebook .jp-Cell")).to_have_count(3)
    desk.page.keyboard.press("Escape")
    desk.page.keyboard.press("b")
    expect(desk.page.locator(".jp-Notebook .jp-Cell")).to_have_count(4)


def test_cards_are_learned_by_mouse_and_by_keyboard(at_work):
    desk = at_work("09", "flashcards-and-progress-code")
    cards = live(desk)
    face, place = cards.get_by_role("status"), cards.locator(".widget-label:visible")
    front = face.inner_text()
    begin_above(desk, cards)
    desk.tab_to(cards.get_by_role("button", name="Show answer"))
    desk.page.keyboard.press("Enter")
    expect(face.locator("hr")).to_be_visible()
    desk.tab_to(cards.get_by_role("button", name="Again"))
    desk.page.keyboard.press("Space")
    expect(place).to_have_text("card 2 of 8, 1 to repeat")
    assert face.inner_text() != front
    good = cards.get_by_role("button", name="Good")
    for at in range(2, 8):
        good.click()  # shows the answer
        expect(face.locator("hr")).to_be_visible()
        good.click()
        expect(place).to_have_text(f"card {at + 1} of 8, 1 to repeat")
    for _ in range(2):
        good.click()
        expect(face.locator("hr")).to_be_visible()
        good.click()
        expect(face.locator("hr")).to_be_hidden()
    expect(place).to_have_text("all 8 cards are good")
    cards.get_by_role("button", name="Start over").click()
    expect(place).to_have_text("card 1 of 8")
    assert face.inner_text() == front


def test_the_cards_print_one_a_page(at_work):
    desk = at_work("10", "print-cards")
    # A real print dialog would wait for somebody: it is noted that it was asked for.
    desk.page.context.add_init_script("window.print = () => { window.printed = true }")
    with desk.page.expect_popup() as opened:
        desk.page.get_by_role("button", name="Print flashcards").click()
    sheet = opened.value
    sheet.wait_for_selector("section")
    sheet.evaluate("window.print = () => { window.printed = true }")
    sheet.wait_for_function("window.printed")
    pages = PdfReader(BytesIO(sheet.pdf(prefer_css_page_size=True))).pages
    cards = load_cards()
    assert len(pages) == len(cards)
    for page, card in zip(pages, cards, strict=True):
        text = page.extract_text()
        assert card.id in text
        assert card.notebook in text
        width, height = (float(each) * 25.4 / 72 for each in page.mediabox[2:])
        assert (round(width), round(height)) == (148, 105)


def test_controls_answer_after_the_page_is_loaded_again(at_work):
    """The kernel still runs, and the widgets of the saved notebook come to life again, with all that the page's script does."""
    # So many that the page's scripts come before what they look for.
    desk = at_work("10", *("q1", "q2", "q3", "q4", "q5", "q6", "q7", "a", "b1", "b2", "b3", "b4"), "flashcards-all")
    desk.page.keyboard.press("Control+s")
    expect(desk.page.locator(".lm-TabBar-tab.jp-mod-current.jp-mod-dirty")).to_have_count(0)
    desk.open("part.ipynb")
    expect(desk.page.locator(".course-live")).to_have_count(13)
    expect(desk.page.locator(".course-live [role=status]")).to_have_count(13)
    number = desk.page.locator(".course-live", has=desk.page.get_by_label("Your number:")).first
    number.get_by_label("Your number:").click()
    desk.page.keyboard.type("0.79")
    desk.page.keyboard.press("Enter")
    expect(number.get_by_role("status")).to_contain_text("Right")
    desk.page.keyboard.type("dd")  # in command mode: delete this cell
    expect(desk.page.locator(".jp-Notebook .jp-Cell")).to_have_count(15)


def test_what_controls_say_stands_out_by_day_and_by_night(at_work):
    desk = at_work("01", "slider", "questions", "flashcards")
    for button in desk.page.locator(".course-live button").all():
        if button.inner_text() in ("A", "Check", "Compare", "I knew it", "Show answer"):
            button.click()
    expect(desk.page.locator(".course-says p").nth(4)).to_be_visible()
    for theme in (LIGHT, DARK):
        desk.use_theme(theme)
        assert_stands_out(desk)
    desk.use_theme(LIGHT)  # as it was
