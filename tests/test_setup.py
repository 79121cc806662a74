"""The set-up: on every machine that is served, and a sentence at once on every other."""

import ast
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from course_lib.classroom import setup_check
from course_lib.classroom.console import say
from course_lib.install import __main__ as install
from course_lib.install import served
from course_lib.support import files
from course_lib.support.files import CourseFileError

TOP = Path(__file__).parents[1]


# --- which machines are served ----------------------------------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch):
    """Makes this seem another machine."""

    def become(system, processor, python=(3, 12, 1), library=("glibc", "2.36"), macos="14.5", build="win-amd64"):
        monkeypatch.setattr(sys, "version_info", python)
        monkeypatch.setattr(platform, "system", lambda: system)
        monkeypatch.setattr(platform, "machine", lambda: processor)
        monkeypatch.setattr(platform, "libc_ver", lambda: library)
        monkeypatch.setattr(platform, "mac_ver", lambda: (macos, ("", "", ""), processor))
        monkeypatch.setattr(sysconfig, "get_platform", lambda: build)

    return become


@pytest.mark.parametrize("python", [(3, 11, 0), (3, 11, 2), (3, 12, 0), (3, 13, 0), (3, 14, 9)])
def test_served(machine, python):
    for system, processor in (("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64"), ("Windows", "AMD64")):
        machine(system, processor, python)
        assert served.not_served() == ""


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"python": (3, 10, 13)}, "Python 3.10 is too old: the course needs 3.11 to 3.14."),
        ({"python": (3, 15, 0)}, "Python 3.15 is too new for the course's PyTorch: it needs 3.11 to 3.14."),
        ({"processor": "ppc64le"}, r"no Linux build for this Python's processor \(ppc64le\)"),
        ({"library": ("glibc", "2.17")}, "glibc 2.28 or newer, but this one has glibc 2.17"),
        ({"library": ("", "")}, "glibc 2.28 or newer, but this one has another C library"),
        ({"system": "Darwin"}, "no longer built for Intel Macs"),
        (
            {"system": "Darwin", "processor": "arm64", "macos": "13.7.1"},
            r"macOS 14 or newer, but this is macOS 13\.7\.1",
        ),
        ({"system": "Windows", "processor": "ARM64", "build": "win-arm64"}, "a Python for x86-64, .* for win-arm64"),
        ({"system": "Windows", "processor": "x86", "build": "win32"}, "a Python for x86-64, but this one is for win32"),
        ({"system": "FreeBSD"}, "built for Linux, macOS and Windows, but this is FreeBSD"),
    ],
)
def test_not_served(machine, other, sentence):
    machine(**{"system": "Linux", "processor": "x86_64"} | other)
    assert re.search(sentence, served.not_served())


def test_other_kinds_of_python_are_not_served(machine, monkeypatch):
    machine("Linux", "x86_64")
    monkeypatch.setattr(platform, "python_implementation", lambda: "PyPy")
    assert "not PyPy" in served.not_served()


def test_the_installer_answers_an_old_python_in_a_sentence():
    for path in (TOP / "course_lib" / "install").glob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))
    program = (
        "import runpy, sys; sys.version_info = (3, 9, 6); runpy.run_module('course_lib.install', run_name='__main__')"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == "Python 3.9 is too old: the course needs 3.11 to 3.14.\n"


def test_the_readme_says_which_machines_are_served():
    text = (TOP / "README.md").read_text(encoding="utf-8")
    for part in ("Python 3.11 to 3.14", "macOS 14", "Intel Mac", "Windows on Arm", "glibc 2.28"):
        assert part in text, part


# --- which PyTorch ----------------------------------------------------------------------------------------------------


@pytest.fixture
def installer(monkeypatch, tmp_path):
    """The installer on a Linux machine, in an empty environment, with everything that it would run written down."""
    monkeypatch.setattr(install, "VENV", tmp_path)
    monkeypatch.setattr(install, "has_nvidia_card", lambda: False)
    ran = []
    monkeypatch.setattr(install, "pip", lambda *what: ran.append(what) or 0)
    monkeypatch.setattr(install, "install", lambda *what: ran.append(what))
    return ran


def put_torch_there(build):
    (install.VENV / "lib" / "python3.11" / "site-packages" / f"torch-2.13.0{build}.dist-info").mkdir(parents=True)


def test_the_build_for_the_cpu_where_there_is_no_nvidia_card(installer, capsys):
    install.install_torch_on_linux(None)
    assert len(installer) == 1
    assert {"--index-url=https://download.pytorch.org/whl/cpu", "torch==2.13.0"} <= set(installer[0])
    assert "Downloading PyTorch for the CPU, about 190 MB" in capsys.readouterr().out


@pytest.mark.parametrize("build", [None, "cuda"])
def test_the_build_for_nvidia_where_there_is_a_card_or_it_is_asked_for(installer, monkeypatch, capsys, build):
    monkeypatch.setattr(install, "has_nvidia_card", lambda: build is None)
    install.install_torch_on_linux(build)
    libraries, torch = installer  # in this order: an interruption between them leaves no PyTorch that cannot start
    assert libraries == (f"--requirement={TOP / 'course_lib' / 'install' / 'cuda.txt'}",)
    assert "torch==2.13.0" in torch
    assert not any("download.pytorch.org" in part for part in torch)
    assert "about 2.7 GB" in capsys.readouterr().out


def test_where_the_index_of_pytorch_cannot_be_reached_it_says_what_comes_instead(installer, monkeypatch, capsys):
    monkeypatch.setattr(install, "pip", lambda *what: installer.append(what) or "--retries=1" in what)
    install.install_torch_on_linux(None)
    assert [part for what in installer for part in what if part.startswith("--requirement")]
    said = capsys.readouterr().out
    assert re.search(r"could not be had from download\.pytorch\.org\.\n.*about 2\.7 GB \(Ctrl-C stops it\)", said)


@pytest.mark.parametrize("there", ["", "+cpu", "+cu130"])
def test_what_is_there_already_stays_unless_another_build_is_asked_for(installer, there):
    put_torch_there(there)
    install.install_torch_on_linux(None)
    assert installer == []


def test_another_build_that_is_asked_for_takes_the_place_of_the_one_there(installer):
    put_torch_there("+cpu")
    install.install_torch_on_linux("cuda")
    assert {"--force-reinstall", "torch==2.13.0"} <= set(installer[-1])


# --- what make and the installer do -----------------------------------------------------------------------------------


def test_an_unknown_list_or_build_is_named(monkeypatch, capsys):
    for arguments, sentence in (
        (["labs"], "the lists are clip, compare, coursework, lab, nbgrader, site, test, but got labs"),
        (["--torch=gpu"], "invalid choice: 'gpu'"),
    ):
        monkeypatch.setattr(sys, "argv", ["install", *arguments])
        with pytest.raises(SystemExit):
            install.main()
        assert sentence in capsys.readouterr().err


def dry(*arguments, **environment):
    # A make within a make says which folder it enters and leaves.
    command = ["make", "--dry-run", "--no-print-directory", "--old-file=.venv/lab", *arguments]
    ran = subprocess.run(
        command, cwd=TOP, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return ran.stdout


def test_make_lab_opens_the_course_at_notebook_00():
    command = dry("lab", "ARGS=--no-browser").splitlines()[-1]
    where = re.search(r"jupyter lab --LabApp\.default_url=/lab/tree/(\S+)", command)[1]
    assert (TOP / where).is_file()
    # No path stands there, which would make its folder the root, and course_lib could not be opened.
    assert all(part.startswith("-") for part in command.split("jupyter lab")[1].split())
    assert ("--allow-root" in command) == (hasattr(os, "getuid") and os.getuid() == 0)


def test_make_without_a_home_keeps_settings_and_progress_in_the_course():
    sentence = "Your home folder cannot be written to"
    assert sentence in dry("lab", HOME=str(TOP / "README.md"))
    assert sentence not in dry("lab", HOME=str(TOP))


def test_one_word_chooses_the_build_of_pytorch_also_later(tmp_path):
    shutil.copy(TOP / "Makefile", tmp_path)
    for name in ("course_lib/install/__main__.py", "course_lib/install/lab.txt", "pyproject.toml", ".venv/lab"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for words, expected in (([], []), (["TORCH=cuda"], ["lab --torch=cuda"])):
        command = ["make", "--dry-run", ".venv/lab", *words]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert re.findall(r"course_lib\.install (.+)", ran.stdout) == expected


# --- the set-up check -------------------------------------------------------------------------------------------------


def test_when_all_is_well(capsys):
    assert setup_check.check_setup()
    assert "All is ready." in capsys.readouterr().out


def test_what_is_missing_is_said(capsys, monkeypatch):
    monkeypatch.setattr(setup_check, "find_spec", lambda name: None if name in ("ipywidgets", "torch") else object())

    def missing(name):
        raise CourseFileError(f"{name} is missing: fetch it")

    monkeypatch.setattr(setup_check, "shipped_file", missing)
    assert not setup_check.check_setup()
    said = capsys.readouterr().out
    assert re.search(r"✗ ipywidgets is not installed: run .* -m pip install ipywidgets", said)
    assert "✗ torch is not installed: run  make lab" in said
    assert len(re.findall(r"✗ .* is missing: fetch it", said)) == 3
    assert re.search(r"✗ … and \d+ more of the \d+ shipped files", said)
    assert "Not ready" in said


def test_where_pytorch_cannot_be_had_the_check_says_why(capsys, monkeypatch):
    monkeypatch.setattr(setup_check, "find_spec", lambda name: None if name == "torch" else object())
    monkeypatch.setattr(setup_check, "not_served", lambda: "PyTorch is no longer built for Intel Macs.")
    assert not setup_check.check_setup()
    assert "✗ torch is not installed: PyTorch is no longer built for Intel Macs." in capsys.readouterr().out


def test_an_old_python_is_refused(capsys, monkeypatch):
    monkeypatch.setattr(setup_check.sys, "version_info", (3, 9, 1))
    assert not setup_check.check_setup()
    assert "✗ Python 3.9 is too old: the course needs 3.11 or newer" in capsys.readouterr().out


def test_an_edited_text_is_named_and_is_no_hindrance(tmp_path, monkeypatch, capsys):
    (tmp_path / "self_check.toml").write_text("an instructor's own question")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  self_check.toml\n")
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path)
    assert setup_check.check_setup()
    assert "· data/self_check.toml differs from what was shipped: fine if you edited it" in capsys.readouterr().out


def test_the_check_needs_no_package_to_say_what_is_missing():
    """As on a machine where nothing is installed: no package is found but the standard library and the course."""
    program = f"""if True:
        import sys
        sys.path.insert(0, {str(TOP)!r})
        from course_lib.classroom.setup_check import check_setup
        check_setup()"""
    ran = subprocess.run([sys.executable, "-S", "-I", "-c", program], capture_output=True, text=True, check=False)
    assert "✗ torch is not installed" in ran.stdout, ran.stderr
    assert "Not ready yet" in ran.stdout


@pytest.mark.slow
def test_a_console_without_the_marks_gets_words():
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "course_lib.classroom.setup_check"]
    ran = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, check=False)
    said = ran.stdout.decode("cp1252")
    assert ran.returncode == 0, ran.stderr
    assert f"[ok] Python 3.{sys.version_info[1]}" in said
    assert "All is ready." in said


def test_a_console_that_has_the_marks_keeps_them(capsys):
    say("✓ right · β")
    assert capsys.readouterr().out == "✓ right · β\n"


# --- clones -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_clone_that_turns_line_ends_around_in_a_path_with_accents_and_without_a_home(clone, tmp_path):
    """What Git for Windows makes unless told not to."""
    place = tmp_path / "Ein Kurs für Hélène"
    subprocess.run(["git", "clone", "-q", "-c", "core.autocrlf=true", clone, place], check=True)
    assert b"\r" not in (place / "data" / "self_check.toml").read_bytes()
    assert b"\r" not in (place / "notebooks" / "00_start_here.ipynb").read_bytes()
    nowhere = str(place / "README.md")
    environment = {**os.environ, "PYTHONPATH": str(place), "HOME": nowhere, "USERPROFILE": nowhere}
    command = [sys.executable, "-m", "course_lib.classroom.setup_check"]
    ran = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert "All is ready." in ran.stdout, ran.stdout + ran.stderr
    assert "differs" not in ran.stdout
    assert f"✓ {len(files.checksums())} files" in ran.stdout
