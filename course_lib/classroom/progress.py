"""What a learner has done, tried and left open: a small file on their own machine, and a table of it.

The file holds the ids of exercises and questions and nothing else. It is never sent anywhere; whoever deletes it loses
the ticks and nothing more. It lies in the home folder, ``~/.diffusion_course/progress.json``, unless the environment
variable ``COURSE_PROGRESS`` names another place.
"""

import json
import os
from pathlib import Path
from typing import Literal

from course_lib.classroom.showing import show_markdown
from course_lib.files import atomic_write

Status = Literal["done", "tried"]


def progress_file() -> Path:
    """Where the ticks are kept."""
    return Path(os.environ.get("COURSE_PROGRESS") or Path.home() / ".diffusion_course" / "progress.json")


def ticks() -> dict[str, Status]:
    """The status of every item that was at least tried, by id; a file that cannot be read counts as none."""
    try:
        known = json.loads(progress_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {item: status for item, status in known.items() if status in ("done", "tried")}


def record(item: str, status: Status) -> None:
    """Tick an item. What is done stays done, whatever is tried later; a disk that cannot be written to loses the tick."""
    known = ticks()
    if known.get(item) == "done" or known.get(item) == status:
        return
    try:
        with atomic_write(progress_file()) as partial:
            partial.write_text(json.dumps(known | {item: status}, indent=1) + "\n", encoding="utf-8")
    except OSError as problem:
        print(f"Your progress could not be saved ({problem}); everything else works.")


def progress() -> None:
    """Show which exercises are done, tried and open, in all notebooks, the points, and the self-check questions."""
    from course_lib.classroom.exercises import EXERCISES  # these two record their ticks here
    from course_lib.classroom.self_check import load_questions

    known = ticks()
    marks = {"done": "✓ done", "tried": "◐ tried", None: "○ open"}
    rows = [
        f"| {each.id} | {each.title} | {marks[known.get(each.id)]} | {each.points} |" for each in EXERCISES.values()
    ]
    table = "\n".join(["| exercise | title | status | points |", "|---|---|---|---|", *rows])
    reached = sum(each.points for each in EXERCISES.values() if known.get(each.id) == "done")
    total = sum(each.points for each in EXERCISES.values())
    asked = [each.tick for each in load_questions().values()]
    answered = sum(known.get(item) == "done" for item in asked)
    place = str(progress_file()).replace(str(Path.home()), "~")
    text = (
        f"{table}\n\n**{reached} of {total} points**, and {answered} of {len(asked)} self-check questions answered. "
        f"The ticks are kept in `{place}`, on this machine alone."
    )
    show_markdown(text)
