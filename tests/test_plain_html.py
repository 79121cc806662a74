"""Notebooks where no kernel runs and much is stripped, as on GitHub: all that was saved can be seen and read."""

import re
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
STRIPPED = re.compile(
    r"<(script|style)\b.*?</\1>"  # what GitHub takes out of an output
    r"|(?<=[\s\"'])(?:style|on\w+|class|id)=(\"[^\"]*\"|'[^']*')",
    flags=re.DOTALL,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Notebooks as HTML, each made when it is asked for, without what a viewer that trusts nobody takes out."""
    folder = tmp_path_factory.mktemp("exported")

    def export(path):
        notebook = nbformat.read(path, as_version=4)
        for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
            data = output.get("data", {})
            data.pop("application/vnd.jupyter.widget-view+json", None)
            if "text/html" in data:
                data["text/html"] = STRIPPED.sub("", data["text/html"])
        page, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook)
        written = folder / f"{path.stem}.html"
        written.write_text(page, encoding="utf-8")
        return written.as_uri()

    return export


@pytest.fixture
def page(browser):
    page = browser.new_page()
    page.route(re.compile("^http"), lambda route: route.abort())  # there is no network
    yield page
    page.close()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_was_saved_can_be_seen(path, page, exported):
    page.goto(exported(path))
    pictures = page.evaluate("""[...document.querySelectorAll('.jp-OutputArea img')].map(
        img => ({alt: img.alt, width: img.naturalWidth, shown: img.getBoundingClientRect().width}))""")
    saved = path.read_text(encoding="utf-8")
    assert len(pictures) == saved.count("<img alt=")
    for picture in pictures:
        assert picture["width"] > 0, picture
        assert picture["shown"] > 50, picture
        assert len(picture["alt"].split()) >= 4, picture
    said = page.locator("body").inner_text()
    for sign in (
        r"\w*Box\(",
        r"HTML\(value",
        r"model_id",
        r"Error displaying",
        r"<\w+ (class|style)=",
        r"querySelector",
    ):
        assert not re.search(sign, said), sign
    folded = page.locator("details")
    assert folded.count() >= saved.count("<details><summary>Show answer")
    assert page.locator("details[open]").count() == 0
    if folded.count():
        first = folded.first
        first.locator("> summary").press("Enter")
        assert first.evaluate(
            "fold => fold.open && fold.innerText.length > fold.querySelector('summary').innerText.length"
        )


@pytest.mark.parametrize("number", ["00", "05", "10"])
def test_a_reader_who_cannot_see_well_meets_no_serious_hindrance(number, page, exported, hindrances):
    """In what the course wrote: the numbers beside cells, the colours of code and of links are the exporter's own."""
    page.goto(exported(next(path for path in NOTEBOOKS if path.stem.startswith(number))))
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    page.evaluate(
        "document.querySelectorAll('.jp-InputArea-prompt, .jp-OutputPrompt, .highlight').forEach(e => e.remove())"
    )
    assert hindrances(page, "link-in-text-block") == []
