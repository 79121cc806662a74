"""The set-up: lists that must agree, and what may stand at the top."""

import re
import subprocess
import tomllib
from pathlib import Path

from course_lib.classroom import setup_check
from course_lib.files import CourseFileError

TOP = Path(__file__).parents[1]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirement_name(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower()


def test_conda_and_make_install_the_same_extras_of_the_one_list():
    make = re.search(r"^EXTRAS := (.+)$", (TOP / "Makefile").read_text(), flags=re.MULTILINE)[1]
    conda = re.search(r"- -e \.\[(.+)\]", (TOP / "environment.yml").read_text())[1]
    assert make == conda
    assert set(make.split(",")) <= set(PROJECT["optional-dependencies"])
    environment = (TOP / "environment.yml").read_text()
    assert "- -c constraints.txt" in environment
    assert f"python{PROJECT['requires-python']}" in environment
    # Nothing is listed a second time.
    assert re.findall(r"^\s+- ([\w.-]+)", environment.split("dependencies:")[1], flags=re.MULTILINE) == [
        "python",
        "pip",
        "pip",
        "-c",
        "-e",
    ]


def test_low_floors_and_no_caps():
    for requirement in PROJECT["dependencies"]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+", requirement), requirement
    floors = dict(requirement.split(">=") for requirement in PROJECT["dependencies"])
    assert floors["torch"] == "2.4"
    assert floors["ipywidgets"] == "7.7"


def test_constraints_pin_everything_that_make_installs():
    lines = [line for line in (TOP / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    pins = dict(line.split("==") for line in lines)
    assert pins["torch"] == "2.13.0"
    wanted = [
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["lab"],
        *PROJECT["optional-dependencies"]["test"],
    ]
    assert {requirement_name(each) for each in wanted} <= {name.lower() for name in pins}


def test_only_what_belongs_stands_at_the_top():
    tracked = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    assert {name.split("/")[0] for name in tracked if name} <= {
        *("notebooks", "course_lib", "data", "tests", "environment.yml", "README.md"),
        *("pyproject.toml", "Makefile", "constraints.txt", "LICENSE", ".gitignore", ".ci"),
    }


def test_the_mathematics_imports_nothing_from_its_right_and_nothing_from_the_classroom():
    order = ["arguments", "schedules", "forward", "denoisers", "sampling"]
    for place, name in enumerate(order):
        source = (TOP / "course_lib" / f"{name}.py").read_text(encoding="utf-8")
        imported = re.findall(r"^from course_lib\.(\w+)", source, flags=re.MULTILINE)
        assert set(imported) <= set(order[:place]), name
    for path in (TOP / "course_lib").rglob("*.py"):
        if "classroom" not in path.parts:
            assert "course_lib.classroom" not in path.read_text(encoding="utf-8"), path.name


def test_setup_check_when_all_is_well(capsys):
    assert setup_check.check_setup()
    assert "All is ready." in capsys.readouterr().out


def test_setup_check_says_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(setup_check, "find_spec", lambda name: None if name == "ipywidgets" else object())

    def missing(name):
        raise CourseFileError(f"{name} is missing: restore it")

    monkeypatch.setattr(setup_check, "shipped_file", missing)
    assert not setup_check.check_setup()
    said = capsys.readouterr().out
    assert re.search(r"✗ ipywidgets is not installed: run .* -m pip install ipywidgets", said)
    assert re.search(r"✗ .* is missing: restore it", said)
    assert "Not ready" in said


def test_setup_check_refuses_an_old_python(capsys, monkeypatch):
    monkeypatch.setattr(setup_check.sys, "version_info", (3, 9, 1))
    assert not setup_check.check_setup()
    assert "✗ Python 3.9 is too old: the course needs 3.11 or newer" in capsys.readouterr().out
