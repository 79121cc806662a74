"""A Colab user has one notebook in an empty folder, and an environment without the course: notebook 00 must still run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from on_colab import RunAlone, ask, environment, make_environment, published

from course_lib.classroom import ticks
from course_lib.classroom.colab import FIRST_CELL
from course_lib.classroom.progress import progress
from course_lib.support import files

TOP = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    python = make_environment(tmp_path_factory.mktemp("environment"))
    missing = run_first_cell(python, python.parent, then="", COURSE_REPO="")
    assert "ImportError: course_lib is not here" in missing.stderr  # but PyTorch is
    assert ask(python, "import importlib.util as u; print(u.find_spec('torch') is not None)", python.parent) == "True"
    without_git = run_first_cell(python, python.parent, then="", COURSE_REPO="https://example.org", PATH="")
    assert "ImportError: course_lib is not here" in without_git.stderr
    return python


@pytest.mark.slow
def test_notebook_00_runs_from_an_empty_folder_and_downloads_what_it_needs(clone, colab, tmp_path):
    alone = RunAlone(
        TOP / "notebooks" / "00_start_here.ipynb", tmp_path / "content", colab, COURSE_REPO=published(clone)
    )
    said = alone.execute("import course_lib; print('library:', course_lib.__file__)")
    assert re.search(r"· \d\d large files more are fetched when a notebook needs them\n", said)
    assert "All is ready." in said
    assert re.search(r"the classifier agrees with the label for \d+%", said)
    assert "To keep it on your Google Drive, run this:" in said
    course = tmp_path / "content" / "diffusion-course"
    assert f"library: {course / 'course_lib' / '__init__.py'}" in said  # and not that of this checkout
    assert (course / "LICENSE").exists()  # goes wherever the code goes
    large = {path.name for path in course.rglob("*.safetensors")}
    assert large == {"fashion.safetensors", "fashion_classifier.safetensors"}
    assert {path.name[:4] for path in course.rglob("*.gz")} == {"t10k"}  # without the training set
    assert alone.downloaded() < 15e6
    assert not ask(colab, "import importlib.util as u; print(u.find_spec('course_lib') or '')", tmp_path)


FINDS_IT = "import course_lib\nprint(course_lib.__file__)"


def program(then):
    return f"{FIRST_CELL.format(repo='')}\n{then}"


def run_first_cell(python, folder, then=FINDS_IT, **variables):
    return subprocess.run(
        [python, "-c", program(then)], cwd=folder, env=environment(**variables), capture_output=True, text=True
    )


@pytest.fixture
def fetched(clone, colab, tmp_path):
    """A folder into which the first cell has fetched the course, and the address it came from."""
    (tmp_path / "my content").mkdir()
    ran = run_first_cell(colab, tmp_path / "my content", COURSE_REPO=published(clone))
    assert ran.returncode == 0, ran.stderr
    return tmp_path / "my content" / "diffusion-course"


@pytest.mark.slow
def test_a_large_file_is_fetched_whole_when_it_is_read_and_never_again(fetched, clone, colab):
    name = "fashion_mnist/t10k-images-idx3-ubyte.gz"
    read = f"from course_lib.support.files import shipped_file; print(len(shipped_file({name!r}).read_bytes()))"
    assert not (fetched / "data" / name).exists()
    size = (TOP / "data" / name).stat().st_size
    assert ask(colab, read, fetched) == str(size)
    (fetched / "data" / name).write_bytes(b"damaged")
    assert "truncated or altered): delete it, and run this again." in run_first_cell(colab, fetched.parent, read).stderr
    (fetched / "data" / name).unlink()
    assert ask(colab, read, fetched) == str(size)
    clone.rename(clone.with_name("gone"))
    try:
        assert run_first_cell(colab, fetched.parent, read).stdout.splitlines()[-1] == str(size)  # after a restart
        missing = run_first_cell(colab, fetched.parent, "from course_lib import pretrained; pretrained.fashion()")
    finally:
        clone.with_name("gone").rename(clone)
    assert "data/checkpoints/fashion.safetensors could not be fetched: run this again when there is a network." in (
        missing.stderr
    )
    assert list(fetched.glob("data/checkpoints/*")) == []


@pytest.mark.slow
def test_two_notebooks_that_fetch_at_once_do_not_disturb_each_other(clone, colab, tmp_path):
    variables = environment(COURSE_REPO=published(clone))
    both = [
        subprocess.Popen(
            [colab, "-c", program(FINDS_IT)], cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [each.communicate()[0].splitlines()[-1] for each in both]
    assert said == [str(tmp_path / "diffusion-course" / "course_lib" / "__init__.py")] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["diffusion-course"]


def test_an_ordinary_clone_asks_no_server(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "SHA256SUMS").write_text(f"{'0' * 64}  lost.webp\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text('[remote "origin"]\n\turl = https://nowhere.invalid/\n')
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "course_lib")
    with pytest.raises(files.CourseFileError, match="is missing: fetch the course once more"):
        files.shipped_file("lost.webp")


@pytest.mark.slow
def test_an_address_that_leads_nowhere_is_named(colab, tmp_path):
    ran = run_first_cell(colab, tmp_path, COURSE_REPO=(tmp_path / "nothing").as_uri())
    assert "ImportError: Could not fetch the course (is it public?): " in ran.stderr
    assert (tmp_path / "nothing").as_uri() in ran.stderr or str(tmp_path / "nothing") in ran.stderr
    assert not (tmp_path / "diffusion-course").exists()


@pytest.mark.slow
def test_the_address_of_something_else_is_named_and_nothing_of_it_stays(colab, tmp_path):
    other, here = tmp_path / "other", tmp_path / "here"
    git = ["git", "-C", other, "-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    other.mkdir()
    here.mkdir()
    (other / "pyproject.toml").write_text('[project]\nname = "other"\ndependencies = ["no-such-package-anywhere"]\n')
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "Something else"]):
        subprocess.run([*git, *command], check=True)
    ran = run_first_cell(colab, here, COURSE_REPO=other.as_uri())
    assert "ImportError: Could not fetch the course" in ran.stderr
    assert "path 'course_lib' does not exist" in ran.stderr
    assert list(here.iterdir()) == []


@pytest.mark.slow
def test_inside_a_checkout_another_kernel_finds_the_course_without_a_network(colab, tmp_path):
    below = tmp_path / "a checkout" / "notebooks"
    below.mkdir(parents=True)
    (below.parent / "course_lib").mkdir()
    (below.parent / "course_lib" / "__init__.py").write_text("")
    ran = run_first_cell(colab, below, COURSE_REPO="https://nowhere.invalid/")
    assert ran.stdout.splitlines()[-1] == str(below.parent / "course_lib" / "__init__.py"), ran.stderr


def test_a_kernel_without_pytorch_is_told_and_gets_no_gigabytes(tmp_path):
    inside, alone = tmp_path / "course" / "notebooks", tmp_path / "alone"
    for folder in (inside, alone, inside.parent / "course_lib"):
        folder.mkdir(parents=True)
    (inside.parent / "course_lib" / "__init__.py").write_text("")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = tmp_path / "bare" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    for folder in (inside, alone):
        ran = run_first_cell(python, folder, COURSE_REPO="https://nowhere.invalid/")
        assert "ImportError: This kernel has no PyTorch: run make lab, or choose the kernel .venv." in ran.stderr


@pytest.mark.slow
def test_a_folder_of_the_same_name_is_not_taken_for_the_course(colab, tmp_path):
    (tmp_path / "diffusion-course" / "course_lib").mkdir(parents=True)  # a copy that was interrupted, say
    ran = run_first_cell(colab, tmp_path, COURSE_REPO="https://nowhere.invalid/")
    assert "diffusion-course is something else than the course: rename it." in ran.stderr


@pytest.mark.slow
def test_another_repository_is_left_alone(clone, colab, tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path / "other"], check=True)
    before = (tmp_path / "other" / ".git" / "config").read_text()
    (tmp_path / "here").mkdir()
    ran = run_first_cell(
        colab,
        tmp_path / "here",
        COURSE_REPO=f' "{published(clone)}" ',  # with what is easily copied along
        GIT_DIR=str(tmp_path / "other" / ".git"),
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "other" / ".git" / "config").read_text() == before


@pytest.mark.slow
def test_alone_and_without_an_address_it_says_what_to_do(colab, tmp_path):
    ran = run_first_cell(colab, tmp_path)
    assert "course_lib is not here: open this notebook inside the course's folder, or install git" in ran.stderr


# --- what has been solved, on a machine that is lost within hours -------------------------------------------------------


def test_a_connected_drive_keeps_the_ticks_and_those_from_before(tmp_path, monkeypatch, shown):
    drive = tmp_path / "MyDrive"
    monkeypatch.delenv("COURSE_PROGRESS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr(ticks, "DRIVE", drive)
    monkeypatch.setattr("course_lib.classroom.progress.DRIVE", drive)
    ticks.record("01.1", "done")
    ticks.record("01.2", "tried")
    assert ticks.progress_file().is_relative_to(tmp_path / ".diffusion_course")
    drive.mkdir()
    kept = drive / "diffusion_course" / "progress.json"
    kept.parent.mkdir()
    kept.write_text('{"01.1": "tried", "01.2": "done", "02.1": "done"}')  # of an earlier day
    ticks.record("03.1", "done")
    assert ticks.read_ticks(kept) == {"01.1": "done", "01.2": "done", "02.1": "done", "03.1": "done"}
    progress()
    assert "on your Google Drive." in shown[-1]["text/markdown"]
    kept.unlink()  # on another day, nothing comes back from this machine
    assert ticks.ticks() == {}
    ticks.record("04.1", "done")
    at_home = tmp_path / ".diffusion_course" / "progress.json"
    at_home.write_text("damaged")
    assert ticks.ticks() == {"04.1": "done"}  # what cannot be moved hides nothing, and stays
    assert at_home.read_text() == "damaged"
