"""Is everything there? One line for each thing the course needs, in plain words, with the remedy where it is missing."""

import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from course_lib.device import best_device
from course_lib.files import CourseFileError, checksums, shipped_file


def check_setup() -> bool:
    """Print what is there and what is missing; True if the notebooks can run."""
    checks = [
        _python,
        *map(_package, ("torch", "numpy", "matplotlib", "ipywidgets", "safetensors", "tqdm", "latex2mathml")),
    ]
    results = [check() for check in [*checks, _files]]
    for good, text in results:
        print(f"{'✓' if good else '✗'} {text}")
    print(
        f"· networks run on the {'GPU' if best_device().type == 'cuda' else 'CPU, which is enough for all of the course'}"
    )
    ready = all(good for good, _ in results)
    print(
        "\nAll is ready."
        if ready
        else "\nNot ready yet: mend the lines marked ✗, restart the kernel, and run this cell again."
    )
    return ready


def _python() -> tuple[bool, str]:
    came = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info < (3, 11):  # noqa: UP036 (who runs from a checkout has no installer that refuses)
        return False, f"{came} is too old: the course needs 3.11 or newer. Make a new environment with make lab."
    return True, came


def _package(name: str) -> Callable[[], tuple[bool, str]]:
    def check() -> tuple[bool, str]:
        if find_spec(name) is None:
            return False, f"{name} is not installed: run  {sys.executable} -m pip install {name}"
        try:
            return True, f"{name} {version(name)}"
        except PackageNotFoundError:
            return True, name

    return check


def _files() -> tuple[bool, str]:
    try:
        names = list(checksums())
        for name in names:
            shipped_file(name)
    except CourseFileError as problem:
        return False, str(problem)
    return True, f"{len(names)} files of pictures, networks, questions and cards, all as they were shipped"
