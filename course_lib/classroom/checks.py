"""Exercises: a check that says at once what is right, what is wrong and which usual mistake it looks like.

    forward_step = check("01.1")

takes the notebook's function ``forward_step`` and hands back the one to go on with: the learner's own once it is
verified, the course's until then. So a notebook runs from top to bottom whatever has been solved. A check runs the
answer beside the solution on inputs that the learner does not see. Whatever the answer does, the check says a sentence
and raises nothing but the learner's own interrupt, and it never waits longer than ``TIME_LIMIT``.

A check helps, but it does not protect: it runs in the learner's own process, where it can be deceived on purpose. Marks
need checks of their own, on a machine that the learner does not hold.
"""

import ast
import inspect
import sys
import textwrap
import threading
from collections.abc import Callable
from difflib import get_close_matches
from types import FunctionType

from course_lib.classroom.console import say
from course_lib.classroom.exercise import BugHunt, Exercise
from course_lib.classroom.exercises import EXERCISES
from course_lib.classroom.guarding import AnswerStopped, WrongAnswerError, describe
from course_lib.classroom.on_device import stops_on
from course_lib.classroom.showing import show_markdown
from course_lib.classroom.supervision import Worker, supervised
from course_lib.classroom.ticks import record, ticks
from course_lib.support.device import best_device

TIME_LIMIT = 20.0  # seconds for one check; a right answer takes a small part of one


# --- what a notebook calls --------------------------------------------------------------------------------------------


def check(exercise_id: str, answer: Callable | None = None) -> Callable:
    """Say what is right or wrong about an answer, and hand back the function to go on with.

    Args:
        exercise_id: such as "01.1".
        answer: the learner's function; left out, it is the one of the exercise's name in the notebook.

    Returns:
        The answer if it was verified; until then the solution, and also where it runs on the CPU alone.

    Raises:
        KeyboardInterrupt: if the learner interrupts it.
    """
    exercise = find(exercise_id)
    near = ""
    if answer is None:
        notebook, name = sys._getframe(1).f_globals, exercise.solution.__name__
        answer = notebook.get(name)
        near = "" if name in notebook else _near(name, notebook)
    try:
        status, message = _judge(exercise, answer)
        message += near
    except KeyboardInterrupt:
        say(f"○ Interrupted · {exercise.id} {exercise.title}\nNothing was recorded. Is there a loop that never ends?")
        raise
    before = ticks().get(exercise.id)
    if status == "tried":
        record(exercise.id, status)
    elif status.startswith("done"):
        record(exercise.id, "done")
    untouched = "○ Not attempted yet" if before is None else "○ Only the stub here"
    marks = {"tried": "✗ Not yet", "untouched": untouched, "nothing": "○ Nothing to check"}
    say(f"{marks.get(status, '✓ Right')} · {exercise.id} {exercise.title}{message}")
    if status in marks:
        say("Until it is right, the notebook goes on with the course's own version.")
        if before == "done":
            say("The answer that was right before still counts.")
    return answer if status == "done" else exercise.solution


def run_test(test: Callable, function: Callable, name: str) -> None:
    """Run the test of a bug hunt on a function that it was not written for, and say what it makes of it.

    Args:
        test: what ``check`` handed back.
        function: takes what the broken version takes.
        name: what the function is called in the sentence.
    """
    try:
        test(function)
    except AssertionError as refused:
        say(f"The test refuses {name}: {refused}")
    except Exception as error:
        say(f"The test stops at {name}: {describe(error)}")
    else:
        # Until it is solved, what check hands back is no test of the learner's.
        whose = "The course's test" if any(test is each.solution for each in EXERCISES.values()) else "The test"
        say(f"{whose} lets {name} pass.")


def hints(exercise_id: str) -> None:
    """The hints of an exercise, folded: each opens the way to the next."""
    exercise = find(exercise_id)
    nested = ""
    for number, hint in reversed(list(enumerate(exercise.hints, start=1))):
        inside = f"\n\n{nested}" if nested else ""
        nested = f"<details><summary>Hint {number} of {len(exercise.hints)}</summary>\n\n{hint}{inside}\n\n</details>"
    show_markdown(nested)


def show_answer(exercise_id: str) -> None:
    """The solution of an exercise, folded, with a word on why."""
    exercise = find(exercise_id)
    source = f"```python\n{source_of(exercise.solution)}\n```"
    show_markdown(f"<details><summary>Show answer</summary>\n\n{source}\n\n{exercise.why}\n\n</details>")


def show_source(exercise_id: str) -> None:
    """The broken function of a bug hunt, to be read."""
    print(source_of(find(exercise_id).broken))


def find(exercise_id: str) -> Exercise | BugHunt:
    """The exercise with an id.

    Raises:
        ValueError: if there is none; the text lists those of the same notebook, or all.
    """
    if exercise_id not in EXERCISES:
        near = [known for known in EXERCISES if known[:2] == str(exercise_id)[:2]] or list(EXERCISES)
        raise ValueError(f"there is no exercise {exercise_id!r}: choose from {', '.join(near)}.")
    return EXERCISES[exercise_id]


def source_of(function: Callable) -> str:
    """The source of a function without its docstring, which says what the exercise has said already."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    lines, definition = source.splitlines(), ast.parse(source).body[0]
    if ast.get_docstring(definition) is not None:
        docstring = definition.body[0]
        del lines[docstring.lineno - 1 : docstring.end_lineno]
    return "\n".join(lines)


# --- judging, whatever the answer does --------------------------------------------------------------------------------


def _judge(exercise: Exercise | BugHunt, answer: object) -> tuple[str, str]:
    """("done" | "done, not here" | "tried" | "untouched" | "nothing", what to add to the verdict)."""
    name = exercise.solution.__name__
    if isinstance(threading.current_thread(), Worker):
        raise WrongAnswerError(f"Your function calls check itself: that line belongs below {name}, and not into it.")
    if not callable(answer):
        instead = "" if answer is None else f", only a value ({type(answer).__name__})"
        return "nothing", f"\nThere is no function {name} yet{instead}: run the cell that defines it, then this one."
    if any(answer is own for own in (exercise.solution, *exercise.forbidden)):
        return "nothing", (
            f"\nThis is the course's own {name}, which an earlier check or an import put there: "
            "run the cell with your function again, then this one."
        )
    if type(answer) is FunctionType and _is_stub(answer):
        return "untouched", ""
    verdict, printed = supervised(lambda: _verdict(exercise, answer), TIME_LIMIT)
    stopped = ("tried", f"\nIt was stopped after {TIME_LIMIT:.0f} seconds: is there a loop that never ends?")
    status, message = verdict or stopped
    if printed.length:
        message += f"\nYour function printed, in all the calls of the check:\n{textwrap.indent(str(printed), '    ')}"
    return status, message


def _verdict(exercise: Exercise | BugHunt, answer: Callable) -> tuple[str, str]:
    """As ``_judge``, of an answer that is the learner's own."""
    try:
        problem = exercise.findings(answer)
    except WrongAnswerError as finding:
        problem = str(finding)
    except AnswerStopped as stopped:
        problem = f"Your function stopped with {describe(stopped.error)}"
    except Exception as error:
        return "nothing", f"\nThe check itself failed, not your function: {describe(error)}"
    if problem is not None:
        return "tried", f"\n{problem}"
    device = best_device()
    stops = stops_on(device, exercise, answer) if device.type != "cpu" and exercise.on_device else None
    return ("done", "") if stops is None else ("done, not here", f"\n{stops}")


def _near(name: str, notebook: dict) -> str:
    """A sentence if the notebook has a function whose name is all but the one that is looked for."""
    functions = [key for key, value in notebook.items() if isinstance(value, FunctionType)]
    alike = get_close_matches(name, functions, n=1, cutoff=0.8)
    return f" There is a {alike[0]}: is that a slip in the name?" if alike else ""


def _is_stub(function: Callable) -> bool:
    """Whether nothing but ``raise NotImplementedError`` stands in a function, beside a docstring and comments."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0].body
    except (OSError, SyntaxError, AttributeError):  # no source, or a lambda's, which is part of a line
        return False
    lines = [ast.unparse(line) for line in body if not isinstance(getattr(line, "value", None), ast.Constant)]
    return len(lines) == 1 and lines[0].startswith("raise NotImplementedError")
