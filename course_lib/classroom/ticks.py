"""What a learner has done and tried: a small file on their own machine.

The file holds the ids of exercises and questions and nothing else. It is never sent anywhere; deleting it loses
the ticks and nothing more. It lies in the home folder, ``~/.diffusion_course/progress.json``, unless the environment
variable ``COURSE_PROGRESS`` names another place; on Colab, whose machines are lost within hours, on the user's Google
Drive as soon as it is connected, with what had been solved before.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock

from course_lib.classroom.console import say
from course_lib.support.files import atomic_write

Status = Literal["done", "tried"]

DRIVE = Path("/content/drive/MyDrive")  # where Colab shows a Google Drive that is connected


def progress_file() -> Path:
    """Where the ticks are kept.

    Raises:
        FileNotFoundError: if ``COURSE_PROGRESS`` names no place and this user has no home folder.
    """
    try:
        if named := os.environ.get("COURSE_PROGRESS"):
            return Path(named).expanduser()
        at_home = Path.home() / ".diffusion_course" / "progress.json"
    except RuntimeError:
        raise FileNotFoundError("there is no home folder: name a file in COURSE_PROGRESS") from None
    if not DRIVE.is_dir():
        return at_home
    on_drive = DRIVE / "diffusion_course" / "progress.json"
    with suppress(OSError, ValueError):  # what cannot be read, or moved yet, stays where it is
        if at_home.exists():
            _add(read_ticks(at_home), on_drive)
            at_home.unlink()
    return on_drive


def ticks() -> dict[str, Status]:
    """The status of every item that was at least tried, by id; a file that cannot be read counts as none."""
    try:
        return read_ticks(progress_file())
    except (OSError, ValueError):
        return {}


def record(item: str, status: Status) -> None:
    """Tick an item. What is done stays done, whatever is tried later.

    Ticks of several kernels at once are all kept. Where the file cannot be written, or is not one of this version of
    the course, a sentence says so, the file stays as it is and the tick is lost.
    """
    try:
        _add({item: status}, progress_file())
    except (OSError, ValueError) as problem:
        say(f"Your progress could not be saved ({problem}); everything else works.")


def _add(new: dict[str, Status], path: Path) -> None:
    path = Path(os.path.realpath(path))  # where the file is a link, it stays one
    _require_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock", timeout=10):
        known = read_ticks(path)
        news = {item: status for item, status in new.items() if known.get(item) not in ("done", status)}
        if news:
            with atomic_write(path) as partial:
                partial.write_text(json.dumps(known | news, indent=1) + "\n", encoding="utf-8")


def read_ticks(path: Path) -> dict[str, Status]:
    """The ticks in a file; none if it is not there or empty.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it holds anything but ticks as this version of the course writes them.
    """
    _require_file(path)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        known = json.loads(text.strip() or "{}")
    except (ValueError, RecursionError):  # the latter, nested thousands deep
        known = None
    if not isinstance(known, dict) or any(status not in ("done", "tried") for status in known.values()):
        raise ValueError(
            f"{path} is damaged or of a newer version of the course: move it away, or name another in COURSE_PROGRESS"
        )
    return known


def _require_file(path: Path) -> None:
    """Refuse what is there and no file, such as /dev/null, in whose place a file must not come."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no file: name another in COURSE_PROGRESS")
