"""The set-up: lists that must agree, and what may stand at the top."""

import ast
import re
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from course_lib.install import __main__ as install
from course_lib.install.served import NEWEST, OLDEST
from course_lib.site import __main__ as site

TOP = Path(__file__).parents[1]
INSTALL = TOP / "course_lib" / "install"
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirement_name(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower()


def pins(name):
    """Package → version, of one list of those that are installed."""
    lines = (INSTALL / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    found = [re.fullmatch(r"([\w.-]+)==([\w.]+)( ; .+)?", line) for line in lines]
    assert all(found), lines
    pinned = {canonical(each[1]): each[2] for each in found}
    assert len(pinned) == len(lines), name  # one version of each package, whatever the Python and machine
    return pinned


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


LISTS = sorted(path.stem for path in INSTALL.glob("*.txt"))


def test_conda_installs_what_make_lab_installs():
    environment = (TOP / "environment.yml").read_text(encoding="utf-8")
    assert f"python{PROJECT['requires-python']},<3.{NEWEST[1] + 1}" in environment
    # Nothing is listed a second time.
    assert re.findall(r"^\s+- (.+)", environment.split("dependencies:")[1], flags=re.MULTILINE)[1:] == [
        "pip",
        "pip:",
        f"--extra-index-url {install.CPU_BUILDS}",
        "-r course_lib/install/lab.txt",
        "-e .",
    ]


def test_low_floors_and_no_caps():
    for requirement in PROJECT["dependencies"]:
        assert re.fullmatch(r"[\w-]+>=[\d.]+", requirement), requirement
    floors = dict(requirement.split(">=") for requirement in PROJECT["dependencies"])
    assert floors["torch"] == "2.4"
    assert floors["ipywidgets"] == "7.7"


def test_each_list_pins_all_that_its_extra_asks_for():
    extras = PROJECT["optional-dependencies"]
    make = re.search(r"^LISTS := (.+)$", (TOP / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    assert sorted([*make.split(), "cuda"]) == LISTS
    for name in make.split():
        wanted = {requirement_name(each) for each in [*PROJECT["dependencies"], *extras[name]]}
        assert {canonical(each) for each in wanted} <= set(pins(name)), name
        assert pins(name)["torch"] == "2.13.0"
        assert not any(package.startswith(("nvidia", "cuda", "triton")) for package in pins(name)), name


def test_a_package_has_the_same_version_in_every_list():
    versions = {}
    for name in LISTS:
        for package, version in pins(name).items():
            assert versions.setdefault(package, version) == version, package


def test_what_is_pinned_is_what_the_tests_run_with():
    for package, version in (pins("lab") | pins("test")).items():
        with suppress(PackageNotFoundError):  # of another system
            assert metadata(package)["Version"].split("+")[0] == version, package


def test_the_lists_are_complete():
    """Installed one by one, without looking for what they depend on, the packages lack nothing."""
    for name in set(LISTS) - {"cuda", "compare"}:  # these two are not installed for the tests
        for package in pins(name):
            with suppress(PackageNotFoundError):
                for text in metadata(package).get_all("Requires-Dist") or []:
                    needed = Requirement(text)
                    if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                        nvidia = needed.name.startswith(("nvidia", "cuda", "triton"))
                        assert nvidia or canonical(needed.name) in pins(name), f"{package} in {name} needs {needed}"


def test_every_pin_admits_every_python_that_is_promised():
    assert PROJECT["requires-python"] == f">={OLDEST[0]}.{OLDEST[1]}"
    promised = [f"{OLDEST[0]}.{minor}.0" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    for package in pins("lab") | pins("test") | pins("clip"):
        with suppress(PackageNotFoundError):  # of another system
            admits = SpecifierSet(metadata(package).get("Requires-Python", ""))
            assert all(python in admits for python in promised), f"{package} asks for Python {admits}"


def test_continuous_integration_skips_nothing_for_want_of_a_package():
    assert "make .venv/clip" in (TOP / ".ci" / "run").read_text(encoding="utf-8")


def test_only_what_belongs_stands_at_the_top(course_files):
    assert {path.parts[0] for path in course_files} <= {
        *("notebooks", "course_lib", "data", "tests", "environment.yml", "README.md"),
        *("pyproject.toml", "Makefile", "LICENSE", ".gitignore", ".gitattributes", ".ci", ".github"),
    }


def test_only_notebooks_are_seen_among_the_notebooks(course_files):
    seen = [path.name for path in course_files if path.parts[0] == "notebooks" and not path.name.startswith(".")]
    assert all(name.endswith(".ipynb") for name in seen), seen


def test_the_mathematics_imports_nothing_from_its_right_and_nothing_from_the_classroom():
    order = ["schedules", "forward", "denoisers", "sampling"]
    for place, name in enumerate(order):
        source = (TOP / "course_lib" / f"{name}.py").read_text(encoding="utf-8")
        imported = re.findall(r"^from course_lib\.(\w+)", source, flags=re.MULTILINE)
        assert set(imported) <= {"support", *order[:place]}, name
    for path in (TOP / "course_lib").rglob("*.py"):
        if not {"classroom", "site"} & {*path.parts}:  # the site shows what the classroom asks
            assert "course_lib.classroom" not in path.read_text(encoding="utf-8"), path.name


def test_no_files_import_each_other_in_a_circle():
    names = {}
    for path in (TOP / "course_lib").rglob("*.py"):
        parts = path.relative_to(TOP).with_suffix("").parts
        names[".".join(parts).removesuffix(".__init__")] = path
    imports = {}
    for name, path in names.items():
        found = [
            node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
        ]
        wanted = {f"{node.module}.{each.name}" for node in found for each in node.names} | {
            node.module for node in found
        }
        imports[name] = wanted & names.keys() - {name}
    assert "course_lib.schedules" in imports["course_lib.forward"]
    while imports:  # take away what imports nothing that is left
        free = [name for name, wanted in imports.items() if not wanted & imports.keys()]
        assert free, f"a circle among {', '.join(sorted(imports))}"
        for name in free:
            del imports[name]


def test_at_the_front_stand_the_twelve_files_that_a_reader_comes_for():
    front = {path.stem for path in (TOP / "course_lib").glob("[a-z]*.py")}
    mathematics = {"schedules", "forward", "denoisers", "sampling", "guidance", "training", "distillation", "metrics"}
    assert front == mathematics | {"variational", "adversarial", "composition", "editing"}


def test_drawing_pictures_imports_neither_training_nor_metrics_nor_recipes():
    command = (
        "import sys, course_lib.pretrained; print(*(name for name in sys.modules if name.startswith('course_lib')))"
    )
    ran = subprocess.run([sys.executable, "-c", command], cwd=TOP, capture_output=True, text=True, check=True)
    loaded = ran.stdout.split()
    assert "course_lib.pipeline.text_to_image" in loaded
    unwanted = ("course_lib.training", "course_lib.metrics", "course_lib.recipes", "course_lib.classroom")
    assert not [name for name in loaded if name.startswith(unwanted)]


# --- what a fork gets for free ----------------------------------------------------------------------------------------


def test_the_workflow_runs_commands_that_are_there():
    workflow = yaml.safe_load((TOP / ".github" / "workflows" / "course.yml").read_text(encoding="utf-8"))
    jobs = workflow["jobs"]
    ran = "\n".join(step["run"] for job in jobs.values() for step in job["steps"] if "run" in step)
    rules = re.findall(r"^([\w-]+):", (TOP / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    asked = set(re.findall(r"make ([\w-]+)", ran))
    assert asked == {"test", "proof-colab", "site"} <= set(rules)
    assert "python -m course_lib.install lab test\n.venv\\Scripts\\python -m pytest" in ran  # the README's, on Windows
    matrix = jobs["test"]["strategy"]["matrix"]
    assert {system.split("-")[0] for system in matrix["system"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    (uploaded,) = [step["with"]["path"] for step in jobs["site"]["steps"] if "upload-pages" in step.get("uses", "")]
    assert (TOP / uploaded) == site.TOP / "site"  # where make site writes to
    assert set(jobs["publish"]["needs"]) <= set(jobs)
