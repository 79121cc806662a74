"""Is everything there? One line for each thing the course needs, in plain words, with the remedy where it is missing.

In a terminal: ``python -m course_lib.classroom.setup_check``.
"""

import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from course_lib.classroom.console import say
from course_lib.install.served import OLDEST, not_served
from course_lib.support.files import CourseFileError, checksums, differs, left_on_server, shipped_file

PACKAGES = ("torch", "numpy", "matplotlib", "ipywidgets", "safetensors", "tqdm", "PIL", "filelock", "latex2mathml")

Line = tuple[str, str]  # ✓ there, ✗ missing, · good to know; and the text


def check_setup() -> bool:
    """Print what is there and what is missing; True if the notebooks can run."""
    lines = [_python(), *map(_package, PACKAGES), *_files(), *_device()]
    for mark, text in lines:
        say(f"{mark} {text}")
    ready = all(mark != "✗" for mark, _ in lines)
    say(
        "\nAll is ready."
        if ready
        else "\nNot ready yet: mend the lines marked ✗, restart the kernel, and run this cell again."
    )
    return ready


def _python() -> Line:
    here = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info[:2] < OLDEST:
        return "✗", f"{here} is too old: the course needs 3.11 or newer. Make a new environment with make lab."
    return "✓", here


def _package(name: str) -> Line:
    package = {"PIL": "pillow"}.get(name, name)
    if find_spec(name) is None:
        install = f"run  {sys.executable} -m pip install {package}"
        if name == "torch":
            install = not_served() or "run  make lab, or without make  python -m course_lib.install"
        return "✗", f"{package} is not installed: {install}"
    try:
        return "✓", f"{package} {version(package)}"
    except PackageNotFoundError:
        return "✓", package


def _files() -> list[Line]:
    try:
        names = list(checksums())
    except CourseFileError as problem:
        return [("✗", str(problem))]
    later = [name for name in names if left_on_server(name)]
    names = [name for name in names if name not in later]
    refused, edited = [], []
    for name in names:
        try:
            shipped_file(name)
        except CourseFileError as problem:
            refused.append(("✗", str(problem)))
        else:
            if differs(name):
                edited.append(("·", f"data/{name} differs from what was shipped: fine if you edited it"))
    if len(refused) > 3:
        refused[3:] = [("✗", f"… and {len(refused) - 3} more of the {len(names)} shipped files")]
    whole = [("✓", f"{len(names)} files of pictures, networks, questions and cards")] if not refused else []
    coming = [("·", f"{len(later)} large files more are fetched when a notebook needs them")] if later else []
    return [*refused, *whole, *coming, *edited]


def _device() -> list[Line]:
    if find_spec("torch") is None:
        return []
    from course_lib.support.device import best_device  # asks for torch, and this check must run without it

    place = "GPU" if best_device().type == "cuda" else "CPU, which is enough for all of the course"
    return [("·", f"networks run on the {place}")]


if __name__ == "__main__":
    sys.exit(not check_setup())
