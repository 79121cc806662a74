"""``python -m course_lib.classroom.coursework build DIR NOTEBOOK…`` and ``… grade DIR --submissions FOLDER_OR_ZIP``."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

if not hasattr(os, "fork"):
    sys.exit("Coursework is graded on Linux or macOS: on Windows, do it in WSL.")
if importlib.util.find_spec("cloudpickle") is None:
    sys.exit("Coursework needs cloudpickle: make .venv/coursework installs it, or pip install cloudpickle.")

from course_lib.classroom.console import say
from course_lib.classroom.coursework.assignment import (
    FILE,
    Assignment,
    AssignmentError,
    load_assignment,
    new_assignment,
)
from course_lib.classroom.coursework.by_hand import PAGE, TABLE, read_entries, with_entries, write_by_hand
from course_lib.classroom.coursework.giving_back import write_feedback, write_overview, write_similar, write_tables
from course_lib.classroom.coursework.gradescope import write_autograder
from course_lib.classroom.coursework.grading import Graded, grade_all
from course_lib.classroom.coursework.handed_in import UnreadableError, read_hand_ins
from course_lib.classroom.coursework.handout import NOTEBOOKS, code_handed_out, write_hand_out
from course_lib.classroom.coursework.sandbox import bubblewrap
from course_lib.classroom.coursework.task import Variation, questions_of
from course_lib.classroom.coursework.within import USUAL, Limits
from course_lib.support.progress_bar import bar


def build(arguments: argparse.Namespace) -> None:
    """Make an assignment of notebooks, and its hand-out."""
    folder, known = arguments.folder, [path.stem for path in NOTEBOOKS]
    if (folder / FILE).exists() and not arguments.again:
        assignment = load_assignment(folder)
        asked = new_assignment(arguments.title, arguments.notebooks, known, not arguments.no_questions)
        if _what(asked) != _what(assignment):
            raise AssignmentError(
                f"{folder} holds another assignment, {assignment.title!r} of {', '.join(assignment.notebooks)}: "
                "name another folder, or add --again to make a new one in its place."
            )
        say(f"{folder} holds an assignment already: its secret stays as it is. (--again makes a new one.)")
    else:
        assignment = new_assignment(arguments.title, arguments.notebooks, known, not arguments.no_questions)
        folder.mkdir(parents=True, exist_ok=True)
        assignment.save(folder)
    packed = write_hand_out(folder, assignment)
    if arguments.gradescope:
        say(
            f"for Gradescope: upload {write_autograder(folder, assignment)} as the autograder, and let nobody else see it"
        )
    if arguments.nbgrader:
        course = nbgrader_course(folder, assignment)
        say(f"for nbgrader: cd {course}; nbgrader generate_assignment {folder.resolve().name}")
    by_hand = sum(each.points for each in questions_of(assignment.tasks).values())
    read = f", {by_hand} of them for answers that you read" if by_hand else ""
    say(f"{assignment.title}: {len(assignment.tasks)} tasks, {assignment.points} points{read}")
    for each in assignment.tasks.values():
        if isinstance(each, Variation):
            say(f"{each.id}: {each.title}, drawn by chance")
    say(f"hand out {packed}; keep {folder / FILE} to yourself")


def _what(assignment: Assignment) -> tuple[str, list[str]]:
    """What an assignment is, apart from what chance has drawn for it."""
    return assignment.title, list(assignment.tasks)


def nbgrader_course(folder: Path, assignment: Assignment) -> Path:
    """Write the course for nbgrader.

    Raises:
        AssignmentError: if nbgrader is not installed.
    """
    if importlib.util.find_spec("nbgrader") is None:
        raise AssignmentError("--nbgrader needs nbgrader: pip install nbgrader, beside the course.")
    from course_lib.classroom.coursework.nbgrader import write_course

    return write_course(folder, assignment, folder.resolve().name)


def grade(arguments: argparse.Namespace) -> None:
    """Grade everything that was handed in."""
    assignment, folder = load_assignment(arguments.folder), arguments.folder
    entries = read_entries(folder, assignment)
    hand_ins = read_hand_ins(arguments.submissions)
    if not hand_ins:
        raise UnreadableError(f"{arguments.submissions} holds no notebooks.")
    if arguments.dask and importlib.util.find_spec("distributed") is None:
        raise AssignmentError('--dask needs Dask: pip install "dask[distributed]", here and on its workers.')
    if bubblewrap() is None and not arguments.dask:
        say(
            "Without bubblewrap (apt install bubblewrap), what students wrote runs with your own rights: "
            "it can read your files and use the network."
        )
    limits = Limits(seconds=arguments.seconds)
    done: list[Graded] = []
    with bar(total=len(hand_ins), unit=" hand-ins") as shown:
        for each in grade_all(assignment, hand_ins, folder, arguments.jobs, limits, arguments.dask):
            done.append(with_entries(each, entries))
            write_feedback(folder, assignment, done[-1])
            shown.update()
    done.sort(key=lambda each: each.key)
    tables = write_tables(folder, assignment, done)
    overview = write_overview(folder, assignment, done)
    similar = write_similar(folder, assignment, done, code_handed_out(assignment))
    waiting = write_by_hand(folder, assignment, done)
    for each in done:
        say(f"{each.points:4} of {assignment.points}  {each.student}{'  (to look at)' if each.notes else ''}")
    pages = ", ".join(path.name for path in (*tables, overview, similar))
    say(f"\n{pages} are in {folder}, and a page for each student in feedback/")
    if waiting:
        say(
            f"Answers that wait to be read, and are not in the points yet: {waiting}. Read {folder / PAGE}, enter points into "
            f"{folder / TABLE}, and run the same command again."
        )


def positive(kind: type) -> Callable[[str], float]:
    """What argparse takes for a number above 0, and finite."""

    def read(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError
        return value

    read.__name__ = "number above 0"
    return read


def parser() -> argparse.ArgumentParser:
    commands = argparse.ArgumentParser(prog="python -m course_lib.classroom.coursework", description=__doc__)
    chosen = commands.add_subparsers(required=True, metavar="build or grade")
    building = chosen.add_parser("build", help="make an assignment of notebooks")
    building.add_argument("folder", type=Path, help="where the assignment is kept")
    building.add_argument("notebooks", nargs="+", help="such as 01 or 03_ddim")
    building.add_argument("--title", default="Diffusion models: coursework", help="as students read it")
    building.add_argument("--again", action="store_true", help="make a new one, with a new secret")
    building.add_argument("--no-questions", action="store_true", help="leave out what has to be read by a person")
    building.add_argument("--nbgrader", action="store_true", help="also make a course for nbgrader")
    building.add_argument("--gradescope", action="store_true", help="also make an autograder for Gradescope")
    building.set_defaults(run=build)
    grading = chosen.add_parser("grade", help="grade what was handed in")
    grading.add_argument("folder", type=Path)
    grading.add_argument(
        "--submissions", type=Path, required=True, help="a folder or a zip, as Moodle or Canvas gives it"
    )
    grading.add_argument("--jobs", type=positive(int), default=os.cpu_count() or 1, help="how many hand-ins at once")
    grading.add_argument("--seconds", type=positive(float), default=USUAL.seconds, help="that one answer may take")
    grading.add_argument("--dask", metavar="ADDRESS", help="grade on a Dask cluster, such as tcp://10.0.0.1:8786")
    grading.set_defaults(run=grade)
    return commands


def main() -> None:
    arguments = parser().parse_args()
    try:
        arguments.run(arguments)
    except (AssignmentError, UnreadableError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("\nstopped: the same command goes on from there")


if __name__ == "__main__":
    main()
