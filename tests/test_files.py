"""Shipped files: whole or refused with a sentence; written in one piece or not at all."""

import hashlib
import multiprocessing
import os
import re
import time
from pathlib import Path

import pytest

from course_lib.support import files
from course_lib.support.files import (
    CourseFileError,
    atomic_write,
    checksums,
    data_folder,
    differs,
    record_all_checksums,
    record_checksum,
    shipped_file,
)


@pytest.fixture
def small_data(tmp_path, monkeypatch):
    """A data folder with one good file, in place of the shipped one."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "good.webp").write_bytes(b"as it was shipped")
    digest = hashlib.sha256(b"as it was shipped").hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  set/good.webp\n")
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    return tmp_path


def test_every_shipped_file_is_whole_and_listed(course_files):
    for name in checksums():
        assert shipped_file(name).is_file()
        assert not differs(name), f"{name} was changed: enter it with make checksums"
    shipped = {path.relative_to("data").as_posix() for path in course_files if path.is_relative_to("data")}
    assert shipped == {*checksums(), "SHA256SUMS"}


def test_a_good_file(small_data):
    assert shipped_file("set/good.webp") == small_data / "set" / "good.webp"


@pytest.mark.parametrize("content", [b"as it was", b"As it was shipped", b""])
def test_truncated_or_altered(small_data, content):
    shipped_file("set/good.webp")
    (small_data / "set" / "good.webp").write_bytes(content)
    with pytest.raises(CourseFileError, match=r"good\.webp is not as it was shipped") as refused:
        shipped_file("set/good.webp")
    assert "copy data/set/good.webp from there" in str(refused.value)


def test_missing(small_data):
    (small_data / "set" / "good.webp").unlink()
    remedy = "fetch the course once more, into another folder, and copy data/set/good.webp from there"
    with pytest.raises(CourseFileError, match=rf"good\.webp is missing: {remedy}"):
        shipped_file("set/good.webp")
    (small_data / "set" / "other.webp").write_bytes(b"nobody knows it")
    with pytest.raises(CourseFileError, match="not listed in data/SHA256SUMS"):
        shipped_file("set/other.webp")
    (small_data / "SHA256SUMS").unlink()
    with pytest.raises(CourseFileError, match="SHA256SUMS is missing"):
        shipped_file("set/other.webp")


@pytest.mark.parametrize("name", ["self_check.toml", "set/LICENSE", "set/NOTICE.txt", "set/drawing.svg", "build.py"])
def test_text_that_people_may_edit_is_never_refused(small_data, name):
    (small_data / name).write_text("as shipped")
    record_checksum(name)
    assert not differs(name)
    (small_data / name).write_text("as an instructor likes it")
    assert shipped_file(name).read_text() == "as an instructor likes it"
    assert differs(name)


def test_networks_pictures_and_tables_are_verified():
    verified = {name for name in checksums() if Path(name).suffix in files.VERIFIED}
    assert {name.split("/")[0] for name in verified} == {
        "checkpoints",
        "cover",
        "emoji",
        "fashion_mnist",
        "measurements",
        "onnxruntime_web",
    }
    edited = {Path(name).suffix for name in checksums()} - files.VERIFIED
    assert edited == {".toml", ".txt", ".svg", ""}


def test_no_message_advises_what_would_lose_work(small_data):
    said = []
    for spoil in (lambda path: path.write_bytes(b"mine"), lambda path: path.unlink()):
        spoil(small_data / "set" / "good.webp")
        with pytest.raises(CourseFileError) as refused:
            shipped_file("set/good.webp")
        said.append(str(refused.value))
    assert not any(re.search(r"git |delete|remove|restore|reinstall", text) for text in said)


def test_recording_all_checksums(small_data):
    (small_data / "set" / "good.webp").write_bytes(b"changed")
    (small_data / "set" / "a new.webp").write_bytes(b"new")
    (small_data / "checkpoints" / "unfinished").mkdir(parents=True)
    (small_data / "checkpoints" / "unfinished" / "net.safetensors").write_bytes(b"half")
    assert record_all_checksums() == ["set/a new.webp", "set/good.webp"]
    assert list(checksums()) == ["set/a new.webp", "set/good.webp"]
    assert shipped_file("set/good.webp").read_bytes() == b"changed"
    (small_data / "set" / "a new.webp").unlink()
    assert record_all_checksums() == ["set/a new.webp"]
    assert list(checksums()) == ["set/good.webp"]
    (small_data / ".cache").mkdir()
    (small_data / ".cache" / "trash.txt").write_bytes(b"trash")
    (small_data / ".DS_Store").write_bytes(b"trash")
    assert record_all_checksums() == []
    (small_data / "SHA256SUMS").write_text("damaged\n")
    assert record_all_checksums() == ["set/good.webp"]
    (small_data / "set" / "two\nlines.txt").write_bytes(b"odd")
    with pytest.raises(CourseFileError, match=r"a file with an odd name, .*: rename it"):
        record_all_checksums()
    assert list(checksums()) == ["set/good.webp"]


def test_recording_a_checksum(small_data):
    (small_data / "set" / "a new.webp").write_bytes(b"new")
    record_checksum("set/a new.webp")
    assert shipped_file("set/a new.webp").read_bytes() == b"new"
    assert list(checksums()) == ["set/a new.webp", "set/good.webp"]
    lines = (small_data / "SHA256SUMS").read_text().splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  .+", line) for line in lines)  # as sha256sum writes and reads it


def test_atomic_write_replaces_whole_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "file.txt"
    with atomic_write(path) as partial:
        partial.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"

    def interrupted():
        with atomic_write(path) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "first"
    assert [each.name for each in path.parent.iterdir()] == ["file.txt"]


def test_what_a_killed_process_left_is_cleared_by_the_next_write_and_what_another_writes_is_not(tmp_path):
    path = tmp_path / "file [1].txt"  # brackets mean something in a glob
    left, written, of_another = (
        tmp_path / f".{name}.partial" for name in (f"{path.name}.1", f"{path.name}.2", "other.1")
    )
    for each in (left, written, of_another):
        each.write_text("half")
    for each in (left, of_another):
        os.utime(each, (time.time() - 86400,) * 2)
    with atomic_write(path) as partial:
        partial.write_text("whole")
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([path.name, written.name, of_another.name])


def write_often(path, text):
    for _ in range(50):
        with atomic_write(path) as partial:
            partial.write_text(text)


def test_processes_that_write_at_once_do_not_take_each_others_files(tmp_path):
    path = tmp_path / "file.txt"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(write_often, [(path, "a" * 10_000), (path, "b" * 10_000)])
    assert path.read_text() in ("a" * 10_000, "b" * 10_000)
    assert list(tmp_path.iterdir()) == [path]


def test_two_writes_to_one_path_within_a_process_do_not_meet(tmp_path):
    path = tmp_path / "file.txt"
    with atomic_write(path) as first:
        first.write_text("first")
        with atomic_write(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"


def test_licences_stand_beside_the_data():
    text = (data_folder() / "fashion_mnist" / "LICENSE").read_text(encoding="utf-8")
    assert re.search(r"MIT License.*Zalando SE.*Permission is hereby granted", text, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("listed", "words"),
    [(b"", "is empty"), (b"\xff\xfe\x00", "is damaged"), (b"one\n", "is damaged, in the line 'one'")],
)
def test_a_list_of_checksums_that_is_damaged_is_said_to_be(small_data, listed, words):
    (small_data / "SHA256SUMS").write_bytes(listed)
    with pytest.raises(CourseFileError, match=words):
        files.checksums()


def test_tables_that_people_edit_are_read_with_care(small_data):
    path = small_data / "cards.toml"
    path.write_bytes(b"\xef\xbb\xbf[[card]]\nid = 'one'\n")  # with the mark that Windows' editors put before it
    assert files.shipped_tables("cards.toml", "card") == [{"id": "one"}]
    for text, words in (
        (b"[[card]]\nid = 'one", "cards.toml cannot be read: Expected"),
        (b"[[card]]\nid = '\xe9'", "cards.toml cannot be read"),
        (b"", r"cards.toml holds no \[\[card\]\]"),
    ):
        path.write_bytes(text)
        with pytest.raises(CourseFileError, match=words):
            files.shipped_tables("cards.toml", "card")
