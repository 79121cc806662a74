"""Settings for all tests, and a line of progress for each notebook."""

import time

from hypothesis import settings

# The same examples in every run, and no deadline: a busy machine is no failure.
settings.register_profile("course", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("course")

_notebook = {"name": None, "cells": 0, "began": 0.0}


def pytest_runtest_logreport(report):
    """Say of each notebook how many cells ran and how long they took, when its last cell is done."""
    name = report.nodeid.split("::")[0]
    if name != _notebook["name"]:
        _report_notebook()
        _notebook.update(name=name if name.endswith(".ipynb") else None, cells=0, began=time.monotonic())
    if report.when == "call":
        _notebook["cells"] += 1


def pytest_sessionfinish(session):
    _report_notebook()


def _report_notebook():
    if _notebook["name"]:
        seconds = time.monotonic() - _notebook["began"]
        print(f"\n{_notebook['name']}: {_notebook['cells']} cells in {seconds:.0f} s", flush=True)
        _notebook["name"] = None
