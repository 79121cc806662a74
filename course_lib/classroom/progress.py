"""How far a learner has come: a table of what is done, tried and left open."""

import os
from pathlib import Path

from course_lib.classroom.exercises import EXERCISES
from course_lib.classroom.self_check import load_questions
from course_lib.classroom.showing import show_markdown
from course_lib.classroom.ticks import DRIVE, progress_file, read_ticks

HEAD = "| exercise | title | status | points |"


def progress() -> None:
    """Show which exercises are done, tried and open, in all notebooks, the points, and the self-check questions."""
    try:
        path = progress_file()
        known = read_ticks(path)
        where = "on your Google Drive" if path.is_relative_to(DRIVE) else "on this machine alone"
        place = f"The ticks are kept in `{_from_home(path)}`, {where}."
    except (OSError, ValueError) as problem:
        known, place = {}, f"No ticks are kept: {problem}."
    marks = {"done": "✓ done", "tried": "◐ tried", None: "○ open"}
    rows = [
        f"| {each.id} | {each.title} | {marks[known.get(each.id)]} | {each.points} |" for each in EXERCISES.values()
    ]
    table = "\n".join([HEAD, "|---|---|---|---|", *rows])
    reached = sum(each.points for each in EXERCISES.values() if known.get(each.id) == "done")
    total = sum(each.points for each in EXERCISES.values())
    asked = [each.tick for each in load_questions().values()]
    answered = sum(known.get(item) == "done" for item in asked)
    show_markdown(
        f"{table}\n\n**{reached} of {total} points**, and {answered} of {len(asked)} self-check questions answered. "
        f"{place}"
    )


def _from_home(path: Path) -> str:
    home = Path(os.path.expanduser("~"))  # unlike Path.home, this is no error where there is none
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)
