"""The notebooks as one course: what they say of each other, of their times and of the papers is true, everywhere alike."""

import re
from pathlib import Path

import nbformat
import pytest

TOP = Path(__file__).parents[1]
NOTEBOOKS = sorted((TOP / "notebooks").glob("*.ipynb"))
README = (TOP / "README.md").read_text(encoding="utf-8")
TEXTS = [TOP / "README.md", *sorted((TOP / "data").glob("*.toml")), *sorted((TOP / "course_lib").rglob("*.py"))]
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path):
    return nbformat.read(path, as_version=4).cells


def markdown(path):
    return "\n\n".join(cell.source for cell in cells(path) if cell.cell_type == "markdown")


def heading(path):
    return cells(path)[0].source.splitlines()[0].removeprefix("# ")


def test_the_readme_lists_the_notebooks_that_are_there():
    assert re.findall(r"^\|.*\(notebooks/(\S+)\)", README, flags=re.MULTILINE) == [path.name for path in NOTEBOOKS]
    assert len({path.name[:2] for path in NOTEBOOKS}) == len(NOTEBOOKS) >= 8


# --- from one to the next ---------------------------------------------------------------------------------------------


def short(path):
    """A notebook's number and first word or two: "02 Training"."""
    return re.sub(r" · ([^:,]+).*", r" \1", heading(path))


@each_notebook
def test_the_top_says_where_one_is_in_the_course_and_the_foot_leads_on(path):
    line = [f"**{short(each)}**" if each == path else f"[{short(each)}]({each.name})" for each in NOTEBOOKS]
    assert (cells(path)[1].id, cells(path)[1].source) == ("links-top", " · ".join(line))
    place = NOTEBOOKS.index(path)
    links = [f"[← {heading(before)}]({before.name})" for before in NOTEBOOKS[:place][-1:]]
    links += ["[Contents](00_start_here.ipynb)"] if place else []
    links += [f"[{heading(after)} →]({after.name})" for after in NOTEBOOKS[place + 1 :][:1]]
    assert (cells(path)[-1].id, cells(path)[-1].source) == ("links-foot", " | ".join(links))


def named_notebooks(text):
    """The notebooks that a text names, "07" or whole: by number, "notebooks 02 and [03](…)", or by file, "07_distillation"."""
    files = set(re.findall(r"\b\d\d_[a-z]\w+", text))
    numbers = set()
    for run in re.findall(
        r"\bnotebooks?((?:[\s,\[\]–…]|\([^)]*\)|\band\b|\bor\b|\bto\b|\b\d\d\b)+)", text, re.IGNORECASE
    ):
        numbers |= set(re.findall(r"\b\d\d\b", re.sub(r"\([^)]*\)", "", run)))
    return files | numbers


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("As in notebook 07, later", {"07"}),
        ("of notebooks 02 and 03, unchanged", {"02", "03"}),
        ("notebooks 02, 03 and [08](08_vae_gan_diffusion.ipynb)", {"02", "03", "08", "08_vae_gan_diffusion"}),
        ("Notebook [05](05_text.ipynb): section 2", {"05", "05_text"}),
        ('notebook = "07_distillation"', {"07_distillation"}),
        ("notebooks 02 to 04", {"02", "04"}),
        ("in this notebook 1,000 pictures and 64 more; torch.full((10_000,), 1)", set()),
    ],
)
def test_what_counts_as_naming_a_notebook(text, named):
    assert named_notebooks(text) == named


@pytest.mark.parametrize("path", [*NOTEBOOKS, *TEXTS], ids=lambda path: path.relative_to(TOP).as_posix())
def test_no_notebook_is_named_that_is_not_there(path):
    text = "\n".join(cell.source for cell in cells(path)) if path.suffix == ".ipynb" else path.read_text("utf-8")
    there = {name for notebook in NOTEBOOKS for name in (notebook.stem, notebook.stem[:2])}
    assert named_notebooks(text) <= there


@each_notebook
def test_the_next_notebook_is_spoken_of_only_where_it_is_there(path):
    if not [after for after in NOTEBOOKS if int(after.stem[:2]) == int(path.stem[:2]) + 1]:
        assert "next notebook" not in markdown(path)


@each_notebook
def test_links_to_notebooks_say_in_words_where_they_lead(path):
    for text, _ in re.findall(r"\[([^\]]+)\]\(([^)]+\.ipynb)\)", markdown(path)):
        assert re.search(r"[A-Za-z]{3}", text), text


@each_notebook
def test_every_column_of_a_table_has_a_heading(path):
    for header in re.findall(r"^(\|.*\|)\n\|[-|: ]+\|$", markdown(path), flags=re.MULTILINE):
        assert all(words.strip() for words in header.strip("|").split("|")), header


# --- times ------------------------------------------------------------------------------------------------------------

MINUTES = {
    "ten minutes": 10,
    "half an hour": 30,
    "an hour": 60,
    "an hour and a half": 90,
    "two hours": 120,
    "two and a half hours": 150,
}


def times(path):
    """How long a notebook takes to run, and to read and solve, in its own words."""
    said = re.search(
        r"^\*\*Time\*\* (?:about )?(.+) to run(?: on two CPU cores)?, (.+) to (?:read|answer)", markdown(path), re.M
    )
    return said.groups()


@each_notebook
def test_the_readme_and_the_map_say_of_a_notebooks_times_what_it_says_itself(path):
    to_run, to_read = times(path)
    (row,) = re.findall(rf"^\|.*\(notebooks/{path.name}\).*$", README, flags=re.MULTILINE)
    assert row.endswith(f"| {to_run} | {to_read} |")
    name = r"\*\*00 Start here\*\*" if path == NOTEBOOKS[0] else rf"\({path.name}\)"
    (row,) = re.findall(rf"^\|.*{name}.*$", markdown(NOTEBOOKS[0]), flags=re.MULTILINE)
    assert row.endswith(f"| {to_read} |")


def test_the_time_of_the_whole_course_is_the_sum():
    hours = round(sum(MINUTES[times(path)[1]] for path in NOTEBOOKS) / 60)
    for text in (README, markdown(NOTEBOOKS[0])):
        assert f"about {hours} hours in all" in text


# --- papers -----------------------------------------------------------------------------------------------------------

AUTHORS = r"[A-Z][\w-]+(?: et al\.|(?:(?:, | and )[A-Z][\w-]+)+)"
CITATION = re.compile(rf"({AUTHORS}) \(?((?:19|20)\d\d)\b")
LINKED = re.compile(
    rf"\[((?:{AUTHORS}|[A-Z][\w-]+) (?:19|20)\d\d), \*([^*\]]+)\*\]\((https://arxiv\.org/abs/\d{{4}}\.\d{{4,5}})\)"
)


@each_notebook
def test_a_paper_is_linked_once_where_a_notebook_first_names_it(path):
    text = markdown(path)
    links = {match.start(1): match for match in LINKED.finditer(text)}
    seen = set()
    for match in CITATION.finditer(text):
        paper = re.match(r"[\w-]+", match[1])[0], match[2]  # the first author and the year
        assert match.start() in links or paper in seen, f"no link where {match[0]} is named first"
        seen.add(paper)
    targets = [match[3] for match in links.values()]
    assert len(targets) == len(set(targets)), "one link a paper"
    assert text.count("https://arxiv.org/") == len(targets), "a link to a paper names authors and year"


def test_the_same_paper_has_the_same_title_and_link_everywhere():
    known = {}
    for path in NOTEBOOKS:
        for authors, title, link in LINKED.findall(markdown(path)):
            assert known.setdefault(link, (authors, title)) == (authors, title)


# --- the README's code ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_line_of_python_in_the_readme_runs_in_its_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shown = re.findall(r"```python\n(.+?)```", README, flags=re.DOTALL)
    fewer = {"loss, 100, lambda": "loss, 2, lambda", "times(50)": "times(2)"}
    names = {}
    for code in shown:
        for many, few in fewer.items():
            code = code.replace(many, few)
        exec(code, names)
    assert {path.name for path in tmp_path.iterdir()} == {"both.png", "out of the noise.gif"}
    assert names["garments"].shape == (10, 1, 28, 28)
    said = capsys.readouterr().out
    assert re.search(r"step 1: loss 0\.\d+\nstep 2: loss 0\.\d+\nbegins anew: \['embed_label.weight'\]\n", said)
