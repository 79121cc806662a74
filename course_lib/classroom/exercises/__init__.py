"""The exercises of all notebooks: whatever exercise stands in a file notebook_….py here, by id and in order."""

from importlib import import_module
from pathlib import Path

from course_lib.classroom.exercise import BugHunt, Exercise

_FILES = sorted(path.stem for path in Path(__file__).parent.glob("notebook_*.py"))
_STANDING = [thing for file in _FILES for thing in vars(import_module(f"{__name__}.{file}")).values()]
EXERCISES = {each.id: each for each in _STANDING if isinstance(each, Exercise | BugHunt)}
