"""The saved notebooks, as a reader meets them: run in order, without errors, described in words, of a bearable size."""

import ast
import linecache
import re
import subprocess
from contextlib import suppress
from itertools import pairwise, takewhile
from pathlib import Path

import nbformat
import pytest

from course_lib.classroom.checks import show_answer, source_of
from course_lib.classroom.colab import FIRST_CELL, origin, stamp, stamped_address
from course_lib.classroom.exercise import BugHunt, Exercise
from course_lib.classroom.exercises import EXERCISES
from course_lib.classroom.ticks import progress_file

TOP = Path(__file__).parents[1]
NOTEBOOKS = sorted((TOP / "notebooks").glob("*.ipynb"))
TEACHING = [path for path in NOTEBOOKS if path.stem != "10_practice"]  # which asks, and teaches nothing new
FOLDED = re.compile(r"^<details><summary>Show answer</summary>\n\n(?:.|\n)+?\n\n</details>\n")
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_teaching_notebook = pytest.mark.parametrize("path", TEACHING, ids=lambda path: path.stem)


def cells(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


@each_notebook
def test_saved_as_run_from_top_to_bottom_without_errors(path):
    code = cells(path, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error"]
    warnings = [o.text for c in code for o in c.outputs if o.output_type == "stream" and "Warning" in o.text]
    assert not warnings


@each_notebook
def test_valid_small_and_without_leftovers(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < 2_000_000
    assert "widgets" not in notebook.metadata
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert all(re.fullmatch(r"[a-z0-9-]+", cell.id) for cell in notebook.cells)


@each_teaching_notebook
def test_every_figure_has_alternative_text_and_a_sentence_on_what_to_notice(path):
    all_cells = nbformat.read(path, as_version=4).cells
    figures = 0
    for cell, following in zip(all_cells, [*all_cells[1:], None], strict=True):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            assert "image/png" not in data, (
                f"{cell.id}: a figure without alternative text: end the cell with show(fig, alt=…)"
            )
            if "<img" in data.get("text/html", ""):
                figures += 1
                alt = re.search(r'<img alt="([^"]+)"', data["text/html"])
                assert alt, cell.id
                assert len(alt[1].split()) >= 8, f"{cell.id}: {alt[1]}"
                assert following.cell_type == "markdown", cell.id
                said = FOLDED.sub("", following.source, count=1).lstrip()  # what was predicted stands before it
                assert said.startswith("**Notice:**"), following.id
    assert figures >= 3


@each_notebook
def test_no_plot_is_wider_than_the_page(path):
    """JupyterLab shrinks what is wider than about 900 pixels, and its words with it."""
    for cell in cells(path, "code"):
        assert all(float(width) <= 9 for width in re.findall(r"figsize=\(([\d.]+),", cell.source)), cell.id


@each_notebook
def test_begins_with_title_needs_time_and_aims(path):
    first = cells(path, "markdown")[0].source
    assert first.startswith(f"# {path.stem[:2]} · ")
    for words in ("**You need**", "**Time**", "**You will be able to**"):
        assert words in first


@each_teaching_notebook
def test_asks_for_predictions_and_asserts_its_claims(path):
    assert any("**Predict before you run:**" in cell.source for cell in cells(path, "markdown"))
    trees = [ast.parse(cell.source) for cell in cells(path, "code")]
    assert any(isinstance(node, ast.Assert) for tree in trees for node in ast.walk(tree))


@each_teaching_notebook
def test_what_is_to_be_predicted_is_out_of_sight_until_its_cell_runs(path):
    """JupyterLab and Colab fold outputs away by the cell's own metadata, and show them when it runs."""
    all_cells = nbformat.read(path, as_version=4).cells
    for place, cell in enumerate(all_cells):
        if cell.cell_type == "markdown" and "**Predict before you run:**" in cell.source:
            following = list(takewhile(lambda each: each.cell_type == "code", all_cells[place + 1 :]))
            shown = [each for each in following if each.outputs and "progress_bar(" not in each.source]
            assert shown, cell.id
            for each in shown:
                assert each.metadata.get("collapsed"), each.id
                assert each.metadata.jupyter.outputs_hidden, each.id
            for each in following:  # a claim or an alternative text would give it away
                assert is_folded(each) or not re.search(r"\bassert\b|\balt=", each.source), each.id


@each_teaching_notebook
def test_a_prediction_is_answered_in_a_fold_before_anything_is_said_about_it(path):
    """Below the figure, so that it can be checked; or right below the question, where nothing is said afterwards."""
    texts, fold = cells(path, "markdown"), "<details><summary>Show answer</summary>"
    for cell, following in pairwise(texts):
        if "**Predict before you run:**" in cell.source:
            asked = cell.source.split("**Predict before you run:**")[-1]
            assert following.source.startswith(fold) or fold in asked, cell.id


def is_folded(cell):
    """Whether JupyterLab and Colab show nothing of a cell's source but its first line, a title."""
    return bool(cell.metadata.get("jupyter", {}).get("source_hidden"))


@each_notebook
def test_a_cell_that_is_folded_says_in_its_first_line_what_it_holds(path):
    for cell in cells(path, "code"):
        assert is_folded(cell) == (cell.metadata.get("cellView") == "form") == cell.source.startswith("# @title "), (
            cell.id
        )
        if is_folded(cell):
            assert re.match(r"# @title [A-Z].{5,78}\n", cell.source), cell.id


@each_notebook
def test_nothing_in_a_cell_is_for_the_tools_alone(path):
    for cell in cells(path, "code"):
        assert "NBVAL" not in cell.source, cell.id
        broken = [line for line in cell.source.splitlines() if re.match(r"\s*[)\]}]+[^#]*#", line)]
        assert not broken, f"{cell.id}: a comment after a closing bracket: {broken[0]}"


@each_notebook
def test_sections_are_numbered_without_a_gap(path):
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    numbers = [int(number) for number in re.findall(r"^## (\d+) · ", text, flags=re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))


@each_notebook
def test_folded_answers_are_written_as_every_front_end_renders_them(path):
    for cell in cells(path, "markdown"):
        opened = re.findall(
            r"^<details><summary>[^$<]+</summary>\n\n(?:.|\n)+?\n\n</details>$", cell.source, flags=re.MULTILINE
        )
        assert cell.source.count("<details") == cell.source.count("</details>") == len(opened), cell.id


@each_notebook
def test_links_lead_somewhere(path):
    for cell in cells(path, "markdown"):
        for target in re.findall(r"\]\(([^)#]+)", cell.source):
            assert target.startswith("https://") or (path.parent / target).exists(), f"{cell.id}: {target}"


@each_notebook
def test_short_cells(path):
    lengths = sorted(len(cell.source.splitlines()) for cell in cells(path, "code") if not is_folded(cell))
    assert lengths[len(lengths) // 2] <= 16
    assert lengths[-1] <= 45
    assert max(len(cell.source.splitlines()) for cell in cells(path, "code") if cell.id != "imports") <= 45


@each_notebook
def test_times_are_taken_by_the_clock_that_waits_for_the_device(path):
    """On a GPU, any other clock shows how fast work is handed over, not how fast it is done."""
    code = "\n".join(cell.source for cell in cells(path, "code"))
    assert not re.search(r"\bimport time\b|\bfrom time\b|%timeit|%%time", code)


def test_recipes_take_times_by_that_clock_too():
    library = {path.name for path in (TOP / "course_lib").rglob("*.py") if "perf_counter" in path.read_text("utf-8")}
    assert library == {"device.py"}


@each_notebook
def test_no_path_of_any_machine(path):
    assert not re.search(r"/(home|root|Users|tmp|work)/\w", path.read_text(encoding="utf-8"))


# --- the cell that finds the course or installs it --------------------------------------------------------------------


def test_all_notebooks_install_from_one_address_and_link_to_it():
    (address,) = {stamped_address(path) for path in NOTEBOOKS}
    for path in NOTEBOOKS:
        title = cells(path, "markdown")[0].source
        assert title.count("colab.research.google.com") == ("github.com" in address)


def test_until_stamped_nothing_carries_an_address_that_others_could_register():
    if stamped_address(NOTEBOOKS[0]):
        pytest.skip("this copy is stamped with its publisher's address")
    texts = [TOP / "README.md", TOP / "pyproject.toml", *NOTEBOOKS, *(TOP / "course_lib").rglob("*.py")]
    found = {
        (path.name, address)
        for path in texts
        for address in re.findall(r"(?:github|gitlab)\.com/([\w.-]+/[\w.-]+)", path.read_text(encoding="utf-8"))
    }
    assert found == {("colab.py", "NAME/REPOSITORY")}  # what the command asks for


@pytest.fixture
def two_notebooks(tmp_path):
    for name in ("00_a", "01_b"):
        new = nbformat.v4.new_notebook()
        new.cells = [
            nbformat.v4.new_markdown_cell("# A title\n\n**You need** nothing."),
            nbformat.v4.new_code_cell(FIRST_CELL.format(repo="")),
        ]
        nbformat.write(new, tmp_path / f"{name}.ipynb")
    return sorted(tmp_path.glob("*.ipynb"))


@pytest.mark.parametrize(
    ("given", "written", "linked"),
    [
        ("https://github.com/me/my.fork", "https://github.com/me/my.fork", "me/my.fork"),
        ("https://github.com/you/yours.git", "https://github.com/you/yours.git", "you/yours"),
        ("git@github.com:me/my-fork.git", "https://github.com/me/my-fork.git", "me/my-fork"),
        ("ssh://git@github.com/me/fork", "https://github.com/me/fork", "me/fork"),
        ("ssh://git@github.com:22/me/fork.git", "https://github.com/me/fork.git", "me/fork"),
        ("git@github.com:/me/fork.git", "https://github.com/me/fork.git", "me/fork"),
        ("git@github.com:443/fork.git", "https://github.com/443/fork.git", "443/fork"),  # a name, and no port
        # An alias for a second account, and the port that firewalls leave open.
        ("git@github.com-work:me/fork.git", "https://github.com/me/fork.git", "me/fork"),
        ("ssh://git@ssh.github.com:443/me/fork.git", "https://github.com/me/fork.git", "me/fork"),
        ("https://www.GitHub.com/me/fork", "https://github.com/me/fork", "me/fork"),
        ("https://gitlab.example.org/a/b", "https://gitlab.example.org/a/b", None),
        ("file:///home/me/course", "file:///home/me/course", None),
    ],
)
def test_one_command_stamps_the_address_into_all(two_notebooks, given, written, linked):
    before = [path.read_text(encoding="utf-8") for path in two_notebooks]
    for first in (
        "https://github.com/someone/old",
        "git@github.com:someone/old.git",
        "https://gitlab.example.org/someone/d",
    ):
        stamp(first, two_notebooks)
        assert stamp(given, two_notebooks) == written
        for path in two_notebooks:
            assert stamped_address(path) == written
            links = re.findall(r"/github/(.+)/blob/main/notebooks/(.+)\)", cells(path, "markdown")[0].source)
            assert links == ([(linked, path.name)] if linked else [])
            assert "someone" not in path.read_text(encoding="utf-8")
            nbformat.validate(nbformat.read(path, as_version=4))
    stamp("", two_notebooks)
    assert [path.read_text(encoding="utf-8") for path in two_notebooks] == before


@pytest.mark.parametrize(
    "repo",
    [
        *("my fork", 'https://x/y"; import os', "git@github.com", "C:/course", "http://x/y"),
        *("https://github.com/me/..", "https://github.com/me/my course", "/home/me/course"),
        *("https://github.com/me", "https://github.com/me/fork/tree/main", "https://github.com//me/fork"),
    ],
)
def test_an_address_that_git_cannot_use_is_refused(two_notebooks, repo):
    with pytest.raises(ValueError, match="the address must look like https://"):
        stamp(repo, two_notebooks)


def test_an_address_with_a_token_is_not_published(two_notebooks):
    with pytest.raises(ValueError, match="which everybody could read") as refused:
        stamp("https://user:ghp_secret@github.com/me/fork", two_notebooks)
    assert "secret" not in str(refused.value)
    assert "secret" not in two_notebooks[0].read_text(encoding="utf-8")


def test_a_notebook_with_another_first_cell_is_refused_before_any_is_changed(two_notebooks):
    path = two_notebooks[1]
    path.write_text(path.read_text().replace("sys.path.insert(0", "sys.path.insert(1"))
    with pytest.raises(ValueError, match="must begin with the course's set-up cell"):
        stamp("https://github.com/me/fork", two_notebooks)
    assert stamped_address(two_notebooks[0]) == ""


@pytest.mark.parametrize("content", ["", "{", "{}", '{"cells": []}', "\ufeff{}"])
def test_what_is_no_notebook_of_the_course_is_named(two_notebooks, content):
    two_notebooks[1].write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"01_b\.ipynb must begin with the course's set-up cell"):
        stamp("https://github.com/me/fork", two_notebooks)


def test_the_address_is_that_of_the_courses_own_repository(tmp_path):
    assert origin(tmp_path / "nowhere") == ""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "unpacked").mkdir()
    assert origin(tmp_path) == ""
    subprocess.run(["git", "remote", "add", "origin", "https://github.com/me/dotfiles"], cwd=tmp_path, check=True)
    assert origin(tmp_path) == "https://github.com/me/dotfiles"
    assert origin(tmp_path / "unpacked") == ""


# --- the exercises ----------------------------------------------------------------------------------------------------


each_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda each: each.id)


@each_exercise
def test_each_exercise_stands_in_its_notebook_with_all_its_parts(exercise):
    (path,) = (path for path in NOTEBOOKS if path.stem.startswith(exercise.id[:2]))
    name = "exercise-" + exercise.id.replace(".", "-")
    parts = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells if cell.id.startswith(name)}
    points = "1 point" if exercise.points == 1 else f"{exercise.points} points"
    heading, ratings = parts[name].source.splitlines()[0:3:2]
    assert heading == f"### Exercise {exercise.id} · {exercise.title}"
    assert re.fullmatch(rf"\*Difficulty\* [●○]{{5}} · \*importance\* [●○]{{5}} · about \d+ minutes · {points}", ratings)

    stub, check = parts[f"{name}-stub"], parts[f"{name}-check"]
    (written,) = ast.parse(stub.source).body
    (solution,) = ast.parse(source_of(exercise.solution)).body
    assert stub.source.endswith("    raise NotImplementedError")
    assert check.source.splitlines()[0] == f'{written.name} = check("{exercise.id}")'
    assert (solution.name, ast.unparse(solution.args)) == (written.name, ast.unparse(written.args))
    assert "○ Not attempted yet" in check.outputs[0].text
    assert check.source.endswith(f'\nhints("{exercise.id}")\nshow_answer("{exercise.id}")')
    assert exercise.why in check.outputs[-1].data["text/markdown"]
    # Lasting ids and points in the metadata: what hands out and grades the notebooks reads them there.
    assert stub.metadata.exercise == {"id": exercise.id, "role": "answer"}
    assert check.metadata.exercise == {"id": exercise.id, "role": "check", "points": exercise.points}


def run_cell(source, names):
    """Run a cell with its source where ``inspect`` looks for it, as IPython does."""
    file = f"<cell {source}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), names)


def notebook_at(exercise):
    """A notebook's namespace above an exercise, as its imports, definitions and checks leave it; then stub and check."""
    (path,) = (path for path in NOTEBOOKS if path.stem.startswith(exercise.id[:2]))
    part, names, sources = f"exercise-{exercise.id.replace('.', '-')}", {}, {}
    for cell in cells(path, "code"):
        sources[cell.id] = cell.source
        for node in ast.parse(cell.source).body if f"{part}-stub" not in sources else ():
            defines = isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
            checks = isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("check(")
            if defines or checks:
                with suppress(NameError):  # a default that the notebook computes: what needs it will not be there
                    run_cell(ast.unparse(node), names)
    return names, sources[f"{part}-stub"], sources[f"{part}-check"].splitlines()[0]


@each_exercise
def test_what_a_learner_writes_is_used_below_and_a_bug_hunts_test_is_run(exercise):
    """``make rerun ARGS="--ways solved"`` sees each of them called."""
    (path,) = (path for path in NOTEBOOKS if path.stem.startswith(exercise.id[:2]))
    code, part, name = cells(path, "code"), f"exercise-{exercise.id.replace('.', '-')}", exercise.solution.__name__
    (place,) = [number for number, cell in enumerate(code) if cell.id == f"{part}-check"]
    if isinstance(exercise, BugHunt):
        assert "The course's test lets " in code[place].outputs[0].text
        calls = [node for node in ast.walk(ast.parse(code[place].source)) if isinstance(node, ast.Call)]
        assert any(ast.unparse(call).startswith(f"run_test({name}, ") for call in calls)
    else:
        below = [node for cell in code[place + 1 :] for node in ast.walk(ast.parse(cell.source))]
        used = [node for node in below if isinstance(node, ast.Name) and node.id == name]
        assert any(isinstance(node.ctx, ast.Load) for node in used), name


@each_exercise
def test_the_shown_answer_pasted_into_its_notebook_passes_its_check(exercise, own_progress, shown, capsys):
    names, _, check = notebook_at(exercise)
    show_answer(exercise.id)
    (answer,) = re.findall(r"```python\n(.*?)\n```", shown[-1]["text/markdown"], flags=re.DOTALL)
    run_cell(answer, names)
    pasted = names[exercise.solution.__name__]
    capsys.readouterr()
    run_cell(check, names)
    said = capsys.readouterr().out
    assert said.startswith("✓ Right"), said
    assert names[exercise.solution.__name__] is pasted


@each_exercise
def test_cells_run_twice_or_bottom_up_are_told_nothing_false_and_record_nothing(exercise, own_progress, capsys):
    names, stub, check = notebook_at(exercise)
    nothing, untouched = "○ Nothing to check", "○ Not attempted yet"
    for cell, says in [(check, nothing), (check, nothing), (stub, ""), (check, untouched), (check, nothing)] * 2:
        capsys.readouterr()
        run_cell(cell, names)
        assert capsys.readouterr().out.startswith(says)
    assert not progress_file().exists()


def test_exercises_stand_in_the_order_of_their_numbers_three_to_eight_and_bug_hunts_in_every_notebook():
    for path in TEACHING[1:]:
        numbers = [cell.metadata.exercise.id for cell in cells(path, "code") if cell.id.endswith("-check")]
        own = [each for each in EXERCISES.values() if each.id.startswith(path.stem[:2])]
        assert numbers == [each.id for each in own]
        assert 3 <= len([each for each in own if isinstance(each, Exercise)]) <= 8
        assert 1 <= len([each for each in own if isinstance(each, BugHunt)]) <= 3
