"""Settings for all tests, and a line of progress for each notebook."""

import time

import pytest
from hypothesis import settings

from course_lib.classroom import showing

# The same examples in every run, and no deadline: a busy machine is no failure.
settings.register_profile("course", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("course")


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
