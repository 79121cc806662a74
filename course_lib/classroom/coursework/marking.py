"""From the code of an answer to a mark and a sentence: the answer runs in the sandbox, and is judged here."""

import functools
import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from course_lib.classroom.chance import moved_by, other_numbers
from course_lib.classroom.coursework.assignment import version_of
from course_lib.classroom.coursework.sandbox import Reply, Sandbox
from course_lib.classroom.coursework.slicing import (
    Code,
    answer_in,
    cell_of_stub,
    other_answers,
    unreadable_cell_of,
)
from course_lib.classroom.coursework.wire import DTYPES, BadMessageError, Message
from course_lib.classroom.coursework.within import USUAL, Asked, Limits, Recorded
from course_lib.classroom.exercise import AGAIN, ROUNDS, Attempt, BugHunt, Exercise, Trial
from course_lib.classroom.exercises import EXERCISES
from course_lib.classroom.guarding import STUBS_LINE, WrongAnswerError, argument_names, require_kind, what_matters

State = Literal["right", "wrong", "open", "missing"]


@dataclass(frozen=True)
class Mark:
    """What became of one exercise.

    Args:
        state: "open" if the stub still stands there, "missing" if there is not even a stub.
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
    *("classroom.exercises", "classroom.coursework", "EXERCISES", "assignment.json"),
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

    Afterwards, ``keys`` says what the marks depended on, and ``texts`` holds the code of the answers, both by exercise.
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

    def mark(self, code: Code, exercises: list[str]) -> dict[str, Mark]:
        """The marks of the exercises of a notebook, by id."""
        marks: dict[str, Mark] = {}
        for exercise_id in exercises:
            self._mark(code, exercise_id, marks, ())
        return {exercise_id: marks[exercise_id] for exercise_id in exercises}

    def _mark(self, code: Code, exercise_id: str, marks: dict[str, Mark], above: tuple[str, ...]) -> None:
        """Mark an exercise, after the others that its answer calls."""
        if exercise_id in marks:
            return
        exercise = EXERCISES[exercise_id]
        name = exercise.solution.__name__
        part = answer_in(code, name)
        if part is None:
            marks[exercise_id] = _without_answer(exercise, code)
            return
        by_name = {EXERCISES[other].solution.__name__: other for other in _of_same_notebook(exercise_id)}
        given = {}
        for other in other_answers(part, [each for each in by_name if each != name]):
            if by_name[other] not in above:
                self._mark(code, by_name[other], marks, (*above, exercise_id))
            if by_name[other] in above or marks[by_name[other]].state != "right":
                given[other] = EXERCISES[by_name[other]].solution  # as in the notebook, until the own one is right
        part = answer_in(code, name, frozenset(given))
        self.texts[exercise_id] = part.text
        key = self.keys[exercise_id] = self._key(exercise_id, part.text, given)
        if self.known.get(exercise_id, ("", None))[0] == key:
            marks[exercise_id] = self.known[exercise_id][1]
            return
        asked = Asked(part.parts, name, (), exercise.forbidden, given, limits=self.limits)
        with other_numbers(numbers_for(self.secret, exercise_id)):
            judged = _Judged(self.box, asked, exercise)
            says = judged.findings()
        marks[exercise_id] = Mark(
            exercise_id,
            exercise.title,
            exercise.points if says is None else 0,
            exercise.points,
            "right" if says is None else "wrong",
            says or "",
            judged.note,
            round(judged.seconds, 2),
            judged.memory,
        )

    def _key(self, exercise_id: str, text: str, given: Iterable[str]) -> str:
        """What a mark depends on, in short: another answer, check, secret or limit gives another key."""
        depends_on = (text, version_of(exercise_id), self.secret, repr(self.limits), *sorted(given))
        return hashlib.sha256("\0".join(depends_on).encode("utf-8", "surrogatepass")).hexdigest()


Known = dict[str, tuple[str, Mark]]
"""Marks by exercise, each with the key of what it depends on."""


def numbers_for(secret: str, exercise_id: str) -> int:
    """How far the numbers of an exercise are moved: it cannot be guessed without the secret, nor be told from another's."""
    digest = hmac.new(secret.encode(), exercise_id.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:5], "big") + 1


def _of_same_notebook(exercise_id: str) -> list[str]:
    return [other for other in EXERCISES if other[:2] == exercise_id[:2]]


def _without_answer(exercise: Exercise | BugHunt, code: Code) -> Mark:
    """The mark of an exercise of which there is nothing but a stub, or less."""
    name = exercise.solution.__name__
    untouched = functools.partial(Mark, exercise.id, exercise.title, 0, exercise.points)
    if (unreadable := unreadable_cell_of(code, name)) is not None:
        number, reason = unreadable
        return untouched("wrong", f"Code cell {number}, where {name} stands, cannot be read: {reason}.")
    if cell_of_stub(code, name) is not None:
        return untouched("open", "Not attempted: the stub stands there as it was handed out.")
    return untouched("missing", f"There is no function {name} in the notebook.", f"{name} is missing")


class _Judged:
    """One answer, run in the sandbox and judged here."""

    def __init__(self, box: Sandbox, asked: Asked, exercise: Exercise | BugHunt) -> None:
        self.box, self.asked, self.exercise = box, asked, exercise
        text = "\n".join(source for *_, source in asked.parts)
        self.note = next((f"mentions {hidden}" for hidden in HIDDEN if hidden in text), "")
        self.seconds, self.memory = 0.0, 0

    def findings(self) -> str | None:
        """What is wrong with the answer; None if nothing is."""
        try:
            if isinstance(self.exercise, BugHunt):
                return self.exercise.findings_of(functools.partial(self._attempt, {}))
            reply = self._reply(runs=tuple(trial.run for trial in self.exercise.trials), **self._about())
            outcome = functools.partial(self._outcome, iter(reply.messages), reply.end)
            return self.exercise.findings_of(outcome, self._remark)
        except WrongAnswerError as finding:
            return str(finding)

    def _reply(self, **asked: Any) -> Reply:
        reply = self.box.ask(replace(self.asked, **asked))
        self.seconds += reply.seconds
        self.memory = max(self.memory, reply.memory)
        return reply

    def _about(self) -> dict[str, Any]:
        """What has to be known of the function to watch it."""
        return {"names": tuple(argument_names(self.exercise.solution)), "changes": self.exercise.changes}

    def _remark(self) -> str | None:
        """What the last call of the trial that went wrong shows of an answer that is none of the usual mistakes."""
        matters = what_matters(self.exercise.solution, _recorded(self.tried, self.exercise).last_call)
        reply = self._reply(runs=(self.tried.run,), matters=matters, **self._about())
        said = reply.messages[0].values.get("remark") if reply.messages else None
        return said if said is None else str(said)[:500]

    def _outcome(self, messages: Iterator[Message], end: str, trial: Trial) -> Tensor:
        """What a trial made of the answer."""
        self.tried = trial
        message = self._next(messages, end)
        _require_kinds(message.values.get("kinds", []), trial, self.exercise)
        if message.tensor is not None:
            return message.tensor
        raise WrongAnswerError(_said(message))

    def _attempt(self, kept: dict[Callable, tuple[Iterator[Message], str]], version: Callable) -> Attempt:
        """What a test did with a version: it is handed it as often as that may be asked, at once."""
        if version not in kept:
            handed_as = next(iter(argument_names(self.exercise.solution)))
            reply = self._reply(runs=(version,), times=ROUNDS + AGAIN, handed_as=handed_as)
            kept[version] = iter(reply.messages), reply.end
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
