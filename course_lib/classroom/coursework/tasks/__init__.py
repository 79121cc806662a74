"""What coursework asks beside the exercises, notebook by notebook: whatever stands in a file notebook_….py here."""

from importlib import import_module
from pathlib import Path

from course_lib.classroom.coursework.task import Experiment, Question, Variation

_FILES = sorted(path.stem for path in Path(__file__).parent.glob("notebook_*.py"))
_STANDING = [thing for file in _FILES for thing in vars(import_module(f"{__name__}.{file}")).values()]
VARIATIONS = [each for each in _STANDING if isinstance(each, Variation)]
OTHERS = [each for each in _STANDING if isinstance(each, Experiment | Question)]
