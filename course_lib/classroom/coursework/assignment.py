"""An assignment: what of which notebooks counts, and the secret that its hidden numbers come from."""

import functools
import hashlib
import hmac
import inspect
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from course_lib.classroom import chance, exercise, guarding
from course_lib.classroom.coursework import task
from course_lib.classroom.coursework.task import Question, Run, Task
from course_lib.classroom.coursework.tasks import OTHERS, VARIATIONS
from course_lib.classroom.exercises import EXERCISES

FILE = "assignment.json"


class AssignmentError(Exception):
    """Something that an assignment cannot be made of, in a sentence."""


@dataclass(frozen=True)
class Assignment:
    """What is handed out and graded.

    Args:
        title: as students read it.
        notebooks: their names, such as "03_ddim".
        secret: who does not know it, cannot know on what numbers answers are tried.
        beside: what counts beside the notebooks' exercises: variations, by the names of their functions, and experiments
            and questions, by their ids.
    """

    title: str
    notebooks: tuple[str, ...]
    secret: str
    beside: tuple[str, ...] = ()

    @property
    def by_notebook(self) -> dict[str, dict[str, Task]]:
        """What counts, by notebook and id."""
        chosen = [*EXERCISES.values(), *(_BESIDE[each] for each in self.beside)]
        return {name: {each.id: each for each in chosen if each.id[:2] == name[:2]} for name in self.notebooks}

    @property
    def tasks(self) -> dict[str, Task]:
        """All that counts, by id."""
        return {each.id: each for tasks in self.by_notebook.values() for each in tasks.values()}

    @property
    def points(self) -> int:
        return sum(each.points for each in self.tasks.values())

    def save(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


_BESIDE: dict[str, Task] = {each.solution.__name__: each for each in VARIATIONS} | {each.id: each for each in OTHERS}


def new_assignment(title: str, notebooks: list[str], known: list[str], questions: bool = True) -> Assignment:
    """An assignment of notebooks, with a secret and a choice of variations of its own.

    Args:
        notebooks: each named by its number or in full.
        known: the names of those that there are.
        questions: whether what a person has to read counts, too.

    Raises:
        AssignmentError: if there is no such notebook, or none with exercises.
    """
    names = []
    for asked in notebooks:
        found = [name for name in known if name in (asked, Path(asked).stem) or name[:2] == asked]
        if not found:
            raise AssignmentError(f"there is no notebook {asked!r}: choose from {', '.join(known)}.")
        if not any(each[:2] == found[0][:2] for each in EXERCISES):
            raise AssignmentError(f"notebook {found[0]} has no exercises to be graded.")
        names += [found[0]] if found[0] not in names else []
    beside = []
    for name in names:
        variations = [each.solution.__name__ for each in VARIATIONS if each.id[:2] == name[:2]]
        others = [each for each in OTHERS if each.id[:2] == name[:2]]
        beside += [secrets.choice(variations)] if variations else []
        beside += [each.id for each in others if questions or not isinstance(each, Question)]
    return Assignment(title, tuple(names), secrets.token_hex(16), tuple(beside))


def load_assignment(folder: Path) -> Assignment:
    """The assignment that ``build`` made in a folder.

    Raises:
        AssignmentError: if there is none.
    """
    try:
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
        read = Assignment(
            values["title"], tuple(values["notebooks"]), values["secret"], tuple(values.get("beside", ()))
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssignmentError(
            f"{folder} holds no assignment: make one with python -m course_lib.classroom.coursework build {folder} 01."
        ) from error
    if unknown := [each for each in read.beside if each not in _BESIDE]:
        raise AssignmentError(
            f"{folder} was made with another version of the course, in which there is {', '.join(unknown)}: grade it with that."
        )
    return read


def numbers_for(secret: str, task_id: str) -> int:
    """How far the numbers of a task are moved: it cannot be guessed without the secret, nor be told from another's."""
    digest = hmac.new(secret.encode(), task_id.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:5], "big") + 1


@functools.cache
def version_of(asked: Run) -> str:
    """What changes when the check of a task does: marks of another version are made again."""
    files = [Path(module.__file__) for module in (chance, exercise, guarding, task, inspect.getmodule(asked.solution))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
