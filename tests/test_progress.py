"""Ticks: none is lost, no file of somebody else's is overwritten, and no home folder is no error."""

import json
import multiprocessing
import os

import pytest

from course_lib.classroom.progress import progress
from course_lib.classroom.ticks import progress_file, record, ticks

pytestmark = pytest.mark.usefixtures("own_progress")


def link(path, target):
    try:
        path.symlink_to(target)
    except OSError:  # Windows lets only some users make links
        pytest.skip("this user may not make links")


def record_many(name):
    for number in range(60):
        record(f"{name}.{number}", "done")


@pytest.mark.slow
def test_kernels_that_tick_at_once_lose_nothing():
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(record_many, ["01", "02"], chunksize=1)
    assert len(ticks()) == 120
    assert {path.name for path in progress_file().parent.iterdir()} <= {"progress.json", "progress.json.lock"}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[1, 2]",
        "null",
        "[" * 100_000,
        "\xff",
        '{"01.1": "perfect"}',
        '{"01.1": ["done"]}',
        '{"version": 2, "items": {}}',
    ],
)
def test_a_file_that_is_damaged_or_of_a_newer_version_stays_as_it_is(content, capsys, shown):
    progress_file().write_text(content, encoding="latin-1")
    assert ticks() == {}
    record("01.2", "done")
    assert progress_file().read_text(encoding="latin-1") == content
    sentence = "is damaged or of a newer version of the course: move it away, or name another in COURSE_PROGRESS"
    assert sentence in capsys.readouterr().out
    progress()
    (data,) = shown
    assert sentence in data["text/markdown"]


def test_an_empty_file_holds_nothing_to_lose():
    progress_file().touch()
    record("01.2", "done")
    assert ticks() == {"01.2": "done"}


def test_a_link_stays_one_and_what_it_points_to_is_written(tmp_path):
    target = tmp_path / "synchronised" / "ticks.json"
    target.parent.mkdir()
    link(progress_file(), target)
    record("01.1", "done")
    record("01.2", "tried")
    assert progress_file().is_symlink()
    assert json.loads(target.read_text()) == {"01.1": "done", "01.2": "tried"}


def test_a_link_to_itself_is_a_sentence(capsys):
    link(progress_file(), progress_file())
    record("01.1", "done")
    assert "Your progress could not be saved" in capsys.readouterr().out
    assert progress_file().is_symlink()


def test_a_place_with_spaces_and_accents(tmp_path, monkeypatch, shown):
    place = tmp_path / "Kurse für Hélène" / "mon progrès.json"
    monkeypatch.setenv("COURSE_PROGRESS", str(place))
    record("01.1", "done")
    assert json.loads(place.read_text()) == {"01.1": "done"}
    progress()
    assert f"kept in `{place}`" in shown[0]["text/markdown"]


def test_a_place_below_the_home_folder_and_a_file_of_blanks(tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("COURSE_PROGRESS", "~/mine.json")
    (tmp_path / "mine.json").write_text("\n")
    record("01.1", "done")
    assert json.loads((tmp_path / "mine.json").read_text()) == {"01.1": "done"}


def test_the_place_is_shown_from_the_home_folder(tmp_path, monkeypatch, shown):
    monkeypatch.delenv("COURSE_PROGRESS")
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    record("01.1", "done")
    assert (tmp_path / ".diffusion_course" / "progress.json").exists()
    progress()
    assert "kept in `~/.diffusion_course/progress.json`" in shown[0]["text/markdown"]


def test_no_home_folder_and_no_account_entry(monkeypatch, capsys, shown):
    monkeypatch.delenv("COURSE_PROGRESS")
    # What a container does to a user whom its list of accounts does not know: there is nothing to expand ~ to.
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert ticks() == {}
    record("01.1", "done")
    assert "there is no home folder: name a file in COURSE_PROGRESS" in capsys.readouterr().out
    progress()
    assert "No ticks are kept: there is no home folder" in shown[0]["text/markdown"]
    assert not os.path.lexists("~")


def test_a_home_that_cannot_be_written_is_a_sentence(tmp_path, monkeypatch, capsys):
    (tmp_path / "home").write_text("a file, so that not even an administrator can write into it")
    monkeypatch.delenv("COURSE_PROGRESS")
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    record("01.1", "done")
    assert "Your progress could not be saved" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="devices in the file system are POSIX's")
def test_what_is_no_file_is_never_replaced_by_one(tmp_path, monkeypatch, capsys):
    pipe = tmp_path / "null"
    os.mkfifo(pipe)
    for place in (pipe, tmp_path):
        monkeypatch.setenv("COURSE_PROGRESS", str(place))
        assert ticks() == {}
        record("01.1", "done")
        assert "is no file: name another in COURSE_PROGRESS" in capsys.readouterr().out
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
