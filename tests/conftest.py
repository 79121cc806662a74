"""Settings for all tests, and a line of progress for each notebook."""

import shutil
import signal
import subprocess
import time
from fnmatch import fnmatch
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from hypothesis import settings
from ipywidgets.widgets.widget import _instances
from playwright.sync_api import sync_playwright

from course_lib.classroom import showing

TOP = Path(__file__).parents[1]

# The same examples in every run, and no deadline: a busy machine is no failure.
settings.register_profile("course", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("course")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class NotebookProgress:
    """Says of each notebook how many cells ran and how long they took, when its last cell is done."""

    def __init__(self, terminal):
        self.terminal = terminal
        self.name, self.cells, self.began = None, 0, 0.0

    def pytest_runtest_logstart(self, nodeid):
        name = nodeid.split("::")[0]
        if name != self.name:
            self.pytest_sessionfinish()
            self.name, self.cells, self.began = name, 0, time.monotonic()
        self.cells += 1

    def pytest_sessionfinish(self):
        if self.name and self.name.endswith(".ipynb"):
            self.terminal.ensure_newline()
            self.terminal.write_line(f"{self.name}: {self.cells} cells in {time.monotonic() - self.began:.0f} s")
            self.name = None


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    config.pluginmanager.register(NotebookProgress(config.pluginmanager.get_plugin("terminalreporter")))


@pytest.fixture(scope="session")
def course_files():
    """Every file of the course, below its top: what git lists, committed or not; in an unpacked ZIP, what is there."""
    if (TOP / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=TOP, capture_output=True, check=True).stdout.decode().split("\0")
    else:
        ignored = [line.rstrip("/") for line in (TOP / ".gitignore").read_text(encoding="utf-8").splitlines()]
        there = (path.relative_to(TOP) for path in TOP.rglob("*"))
        kept = (path for path in there if not any(fnmatch(part, name) for part in path.parts for name in ignored))
        listed = [path.as_posix() for path in kept if not path.is_relative_to("data/checkpoints/unfinished")]
    return [Path(name) for name in listed if name and (TOP / name).is_file()]


@pytest.fixture(scope="session")
def clone(course_files, tmp_path_factory):
    """A git repository with exactly the files that are here now, committed or not, as a fork's would be."""
    folder = tmp_path_factory.mktemp("fork") / "clone"
    for name in course_files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOP / name, folder / name)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *command], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def browser():
    """A browser without a window; where there is none, the tests that ask for it are skipped."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def hindrances():
    """What axe-core calls serious or critical in a page, for readers who do not see well or use no mouse."""

    def found(page, *but):
        """All but some rules."""
        options = {"resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in but}}
        violations = Axe().run(page, options=options).response["violations"]
        serious = [each for each in violations if each["impact"] in ("serious", "critical")]
        return [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in serious]

    return found


@pytest.fixture
def interruptible():
    """Python's own answer to Ctrl-C, which a process started in the background may lack."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def own_progress(tmp_path, monkeypatch):
    """Ticks of this test alone, not the developer's own."""
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))


@pytest.fixture
def shown(monkeypatch):
    """What cells would show, in order, as data by type."""
    outputs = []
    monkeypatch.setattr(showing, "display", lambda data, raw: outputs.append(data))
    return outputs


@pytest.fixture
def no_other_widgets(monkeypatch):
    """As in a kernel that has shown no widget yet, and none stays behind."""
    for name in list(_instances):
        monkeypatch.delitem(_instances, name)
    yield
    for name in list(_instances):
        _instances.pop(name)
