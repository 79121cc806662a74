"""An assignment: which exercises of which notebooks count, and the secret that its hidden numbers come from."""

import functools
import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from course_lib.classroom import chance, exercise, guarding
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
    """

    title: str
    notebooks: tuple[str, ...]
    secret: str

    @property
    def exercises(self) -> dict[str, list[str]]:
        """The exercises that count, by notebook."""
        return {name: [each for each in EXERCISES if each[:2] == name[:2]] for name in self.notebooks}

    @property
    def points(self) -> int:
        return sum(EXERCISES[each].points for ids in self.exercises.values() for each in ids)

    def save(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def new_assignment(title: str, notebooks: list[str], known: list[str]) -> Assignment:
    """An assignment of notebooks, each named by its number or in full, with a secret of its own.

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
    return Assignment(title, tuple(names), secrets.token_hex(16))


def load_assignment(folder: Path) -> Assignment:
    """The assignment that ``build`` made in a folder.

    Raises:
        AssignmentError: if there is none.
    """
    try:
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return Assignment(values["title"], tuple(values["notebooks"]), values["secret"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssignmentError(
            f"{folder} holds no assignment: make one with python -m course_lib.classroom.coursework build {folder} 01."
        ) from error


@functools.cache
def version_of(exercise_id: str) -> str:
    """What changes when an exercise's check does: marks of another version are made again."""
    stands_in = EXERCISES[exercise_id].solution.__module__.rsplit(".", 1)[-1]
    files = [Path(module.__file__) for module in (chance, exercise, guarding)]
    files.append(Path(exercise.__file__).parent / "exercises" / f"{stands_in}.py")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
