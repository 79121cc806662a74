"""Shipped files: whole or refused with a sentence; written in one piece or not at all."""

import hashlib
import re
import subprocess

import pytest

from course_lib import files
from course_lib.files import CourseFileError, atomic_write, checksums, data_folder, record_checksum, shipped_file


@pytest.fixture
def small_data(tmp_path, monkeypatch):
    """A data folder with one good file, in place of the shipped one."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "good.bin").write_bytes(b"as it was shipped")
    digest = hashlib.sha256(b"as it was shipped").hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  set/good.bin\n")
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    return tmp_path


def test_every_shipped_file_is_whole_and_listed():
    top = data_folder()
    for name in checksums():
        assert shipped_file(name).is_file()
    tracked = subprocess.run(["git", "ls-files", "."], cwd=top, capture_output=True, text=True).stdout.split()
    assert set(tracked) <= {*checksums(), "SHA256SUMS"}


def test_a_good_file(small_data):
    assert shipped_file("set/good.bin") == small_data / "set" / "good.bin"


@pytest.mark.parametrize("content", [b"as it was", b"As it was shipped", b""])
def test_truncated_or_altered(small_data, content):
    shipped_file("set/good.bin")
    (small_data / "set" / "good.bin").write_bytes(content)
    with pytest.raises(CourseFileError, match=r"good\.bin is not as it was shipped .* git restore data/set/good\.bin"):
        shipped_file("set/good.bin")


def test_missing(small_data):
    (small_data / "set" / "good.bin").unlink()
    with pytest.raises(CourseFileError, match=r"good\.bin is missing: restore it with git restore data/set/good\.bin"):
        shipped_file("set/good.bin")
    with pytest.raises(CourseFileError, match="not listed in data/SHA256SUMS"):
        shipped_file("set/other.bin")
    (small_data / "SHA256SUMS").unlink()
    with pytest.raises(CourseFileError, match="SHA256SUMS is missing"):
        shipped_file("set/good.bin")


def test_remedy_of_an_installed_course(small_data, monkeypatch):
    monkeypatch.setattr(files, "PACKAGE", small_data.parent)
    (small_data / "set" / "good.bin").unlink()
    with pytest.raises(CourseFileError, match="install the course again"):
        shipped_file("set/good.bin")


def test_recording_a_checksum(small_data):
    (small_data / "set" / "a new.bin").write_bytes(b"new")
    record_checksum("set/a new.bin")
    assert shipped_file("set/a new.bin").read_bytes() == b"new"
    assert list(checksums()) == ["set/a new.bin", "set/good.bin"]
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


def test_licences_stand_beside_the_data():
    text = (data_folder() / "fashion_mnist" / "LICENSE").read_text(encoding="utf-8")
    assert re.search(r"MIT License.*Zalando SE.*Permission is hereby granted", text, flags=re.DOTALL)
