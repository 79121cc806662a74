"""From the code of an answer to a mark and a sentence: the answer runs in the sandbox, and is judged here."""

import functools
import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from course_lib.classroom.chance import moved_by, other_numbers
from course_lib.classroom.coursework.assignment import numbers_for, version_of
from course_lib.classroom.coursework.sandbox import Reply, Sandbox
from course_lib.classroom.coursework.slicing import (
    Code,
    answer_in,
    cell_of_stub,
    other_answers,
    unreadable_cell_of,
)
from course_lib.classroom.coursework.task import Experiment, Run
from course_lib.classroom.coursework.wire import DTYPES, BadMessageError, Message
from course_lib.classroom.coursework.within import USUAL, Asked, Limits, Recorded
from course_lib.classroom.exercise import AGAIN, FEWEST, ROUNDS, Attempt, BugHunt, Exercise, Trial
from course_lib.classroom.guarding import STUBS_LINE, WrongAnswerError, argument_names, require_kind, what_matters

State = Literal["right", "wrong", "open", "missing", "to read", "read"]


@dataclass(frozen=True)
class Mark:
    """What became of one task.

    Args:
        state: "open" if the stub still stands there, "missing" if there is not even a stub; "to read" if it waits for a
            person, "read" once it has been given points.
        says: to the student, "" if all is right.
        note: to the instructor, "" if nothing is unusual.
        seconds, memory: that the answer took, in bytes.
    """

    exercise: str
    title: str
    points: int
    out_of: int
    state: State
    says: str = ""
    note: str = ""
    seconds: float = 0.0
    memory: int = 0


ENDS = {
    "time": "It was stopped after {seconds:.0f} seconds: is there a loop that never ends?",
    "": "It ended the whole process, as os._exit does, and with it its own check.",
    "too much": "It sent back more than can be read.",
    "forged": "What came back was not written by the check.",
    "lost": "The process in which it ran was lost twice.",
}
NOTES = {
    "": "ended its process",
    "too much": "sent back too much",
    "forged": "wrote into the grader's channel",
    "lost": "ended the sandbox; look at it by hand",
}


HIDDEN = (
    *("classroom.exercises", "classroom.coursework", "EXERCISES", "VARIATIONS", "assignment.json"),
    *("setprofile", "settrace", "_getframe", "f_back", "__closure__", "cell_contents", "/proc", "os.write", "_exit"),
)
"""What an answer has no honest use for."""


class Marker:
    """Marks the answers of one notebook after another.

    Args:
        box: where answers run.
        secret: from which the numbers come that answers are tried on; nobody who has it not can guess them.
        limits: of each answer.
        known: marks that were made before, with what they depended on.

    Afterwards, ``keys`` says what the marks depended on, and ``texts`` holds the code of the answers, both by id.
    """

    def __init__(
        self,
        box: Sandbox,
        secret: str,
        limits: Limits = USUAL,
        known: "Known | None" = None,
    ) -> None:
        self.box, self.secret, self.limits, self.known = box, secret, limits, known or {}
        self.keys: dict[str, str] = {}
        self.texts: dict[str, str] = {}

    def mark(self, code: Code, tasks: Mapping[str, Run]) -> dict[str, Mark]:
        """The marks of what is run of one notebook, by id."""
        marks: dict[str, Mark] = {}
        for each in tasks:
            self._mark(code, each, tasks, marks, ())
        return {each: marks[each] for each in tasks}

    def _mark(
        self, code: Code, task_id: str, tasks: Mapping[str, Run], marks: dict[str, Mark], above: tuple[str, ...]
    ) -> None:
        """Mark a task, after the others that its answer calls."""
        if task_id in marks:
            return
        task = tasks[task_id]
        name = task.solution.__name__
        part = answer_in(code, name)
        if part is None or (isinstance(task, Experiment) and task.is_start(part.answer)):
            marks[task_id] = _without_answer(task, code)
            return
        by_name = {other.solution.__name__: each for each, other in tasks.items()}
        given = {}
        for other in other_answers(part, [each for each in by_name if each != name]):
            if by_name[other] not in above:
                self._mark(code, by_name[other], tasks, marks, (*above, task_id))
            if by_name[other] in above or marks[by_name[other]].state != "right":
                given[other] = tasks[by_name[other]].solution  # as in the notebook, until the own one is right
        part = answer_in(code, name, frozenset(given))
        self.texts[task_id] = part.text
        key = self.keys[task_id] = self._key(task, part.text, given)
        if self.known.get(task_id, ("", None))[0] == key:
            marks[task_id] = self.known[task_id][1]
            return
        asked = Asked(part.parts, name, (), task.forbidden, given, limits=self.limits)
        with other_numbers(numbers_for(self.secret, task_id)):
            judged = _Judged(self.box, asked, task)
            says = judged.findings()
        marks[task_id] = Mark(
            task_id,
            task.title,
            task.points if says is None else 0,
            task.points,
            "right" if says is None else "wrong",
            says or "",
            judged.note,
            round(judged.seconds, 2),
            judged.memory,
        )

    def _key(self, task: Run, text: str, given: Iterable[str]) -> str:
        """What a mark depends on, in short: another answer, check, secret or limit gives another key."""
        depends_on = (text, task.id, version_of(task), self.secret, repr(self.limits), *sorted(given))
        return hashlib.sha256("\0".join(depends_on).encode("utf-8", "surrogatepass")).hexdigest()


Known = dict[str, tuple[str, Mark]]
"""Marks by task, each with the key of what it depends on."""


def _without_answer(task: Run, code: Code) -> Mark:
    """The mark of a task of which there is nothing but a stub, or less."""
    name = task.solution.__name__
    untouched = functools.partial(Mark, task.id, task.title, 0, task.points)
    if (unreadable := unreadable_cell_of(code, name)) is not None:
        number, reason = unreadable
        return untouched("wrong", f"Code cell {number}, where {name} stands, cannot be read: {reason}.")
    if cell_of_stub(code, name) is not None:
        return untouched("open", f"{name} stands there as it was handed out.")
    return untouched("missing", f"There is no function {name} in the notebook.", f"{name} is missing")


class _Judged:
    """One answer, run in the sandbox and judged here."""

    def __init__(self, box: Sandbox, asked: Asked, task: Run) -> None:
        self.box, self.asked, self.task = box, asked, task
        text = "\n".join(source for *_, source in asked.parts)
        self.note = next((f"mentions {hidden}" for hidden in HIDDEN if hidden in text), "")
        self.seconds, self.memory = 0.0, 0

    def findings(self) -> str | None:
        """What is wrong with the answer; None if nothing is."""
        try:
            if isinstance(self.task, BugHunt):
                return self.task.findings_of(functools.partial(self._attempt, {}), patience=math.inf)
            if isinstance(self.task, Experiment):
                reply = self._reply(runs=(self.task.run,), **self._about())
                return self.task.findings_of(_result(self._next(iter(reply.messages), reply.end)))
            reply = self._reply(runs=tuple(trial.run for trial in self.task.trials), **self._about())
            outcome = functools.partial(self._outcome, iter(reply.messages), reply.end)
            return self.task.findings_of(outcome, self._remark)
        except WrongAnswerError as finding:
            return str(finding)

    def _reply(self, **asked: Any) -> Reply:
        reply = self.box.ask(replace(self.asked, **asked))
        self.seconds += reply.seconds
        self.memory = max(self.memory, reply.memory)
        return reply

    def _about(self) -> dict[str, Any]:
        """What has to be known of the function to watch it."""
        return {"names": tuple(argument_names(self.task.solution)), "changes": self.task.changes}

    def _remark(self) -> str | None:
        """What the last call of the trial that went wrong shows of an answer that is none of the usual mistakes."""
        matters = what_matters(self.task.solution, _recorded(self.tried, self.task).last_call)
        reply = self._reply(runs=(self.tried.run,), matters=matters, **self._about())
        said = reply.messages[0].values.get("remark") if reply.messages else None
        return said if said is None else str(said)[:500]

    def _outcome(self, messages: Iterator[Message], end: str, trial: Trial) -> Tensor:
        """What a trial made of the answer."""
        self.tried = trial
        message = self._next(messages, end)
        _require_kinds(message.values.get("kinds", []), trial, self.task)
        return _result(message)

    def _attempt(self, kept: dict[Callable, tuple[Iterator[Message], str]], version: Callable) -> Attempt:
        """What a test did with a version: it is handed it as often as that may be asked, at once."""
        if version not in kept:
            handed_as = next(iter(argument_names(self.task.solution)))
            reply = self._reply(runs=(version,), times=ROUNDS + AGAIN, handed_as=handed_as)
            # a slow test, of which time allowed fewer tries than that, is judged by those that it had
            enough = reply.end == "time" and len(reply.messages) >= FEWEST + AGAIN
            kept[version] = itertools.cycle(reply.messages) if enough else iter(reply.messages), reply.end
        message = self._next(*kept[version])
        if "attempt" not in message.values:
            raise WrongAnswerError(_said(message))
        try:
            return Attempt(**message.values["attempt"])
        except TypeError as error:
            raise WrongAnswerError(ENDS["forged"]) from error

    def _next(self, messages: Iterator[Message], end: str) -> Message:
        """The next message of an answer; what has ended it, if there is none."""
        for message in messages:
            return message
        self.note = NOTES.get(end, "" if end == "time" else f"crashed ({end})")
        says = ENDS.get(end, f"It crashed the whole process ({end}), which Python code alone does not do.")
        raise WrongAnswerError(says.format(seconds=self.asked.limits.seconds))


def _result(message: Message) -> Tensor:
    """What a trial made of an answer; an error if it made nothing."""
    if message.tensor is None:
        raise WrongAnswerError(_said(message))
    return message.tensor


def _said(message: Message) -> str:
    """What an answer's own process says went wrong; untrusted, as all of it."""
    values = message.values
    if "wrong" in values:
        return str(values["wrong"])[:2000]
    if "stopped" in values:
        says = str(values["stopped"])[:2000]
        return f"Your function stopped with {says}" if STUBS_LINE not in says else f"Your function stopped at {says}"
    return "The check cannot use what your function returned."


def _require_kinds(kinds: Any, trial: Trial, exercise: Exercise) -> None:
    """Refuse results of another type, shape or dtype than the solution's, call by call."""
    try:
        stand_ins = [_stand_in(kind) for kind in kinds]
    except (BadMessageError, TypeError, KeyError, AttributeError, RuntimeError, ValueError, OverflowError) as error:
        raise WrongAnswerError(ENDS["forged"]) from error
    for got, expected in zip(stand_ins, _expected_kinds(trial, exercise, moved_by()), strict=False):
        require_kind(got, _stand_in(expected))


@functools.cache
def _expected_kinds(trial: Trial, exercise: Exercise, moved: int) -> list[dict[str, Any]]:
    return _recorded(trial, exercise).kinds


def _recorded(trial: Trial, exercise: Exercise) -> Recorded:
    """The solution, after a trial."""
    names = tuple(argument_names(exercise.solution))
    recorded = Recorded(exercise.solution, Asked((), "", (), names=names, changes=exercise.changes))
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(1)
        trial.run(recorded)
    return recorded


def _stand_in(kind: dict[str, Any]) -> Any:
    """Something of a kind, without its numbers."""
    name = str(kind["type"])
    if name == "Tensor":
        if kind["dtype"] not in DTYPES:
            raise BadMessageError(f"a tensor of {kind['dtype']!r:.40}")
        return torch.empty(kind["shape"], dtype=DTYPES[kind["dtype"]], device="meta")
    if name == "NoneType":
        return None
    made = {each.__name__: each for each in (int, float, str, bool, dict, set)}
    if name in ("list", "tuple"):
        holds = [made.get(each, type(str(each), (), {}))() for each in kind.get("holds", [])]
        return holds if name == "list" else tuple(holds)
    return made.get(name, type(name, (), {}))()
