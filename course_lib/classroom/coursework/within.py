"""Where answers run: a process without network and without the course's solutions, which forks once for each answer.

Started by sandbox.py, with what is asked on stdin and what comes of it on stdout. What is asked is pickled by the grader,
who is trusted; what goes back is read as in wire.py, since an answer might have written it. Right or wrong is not decided
here: results go back, and are compared where no answer can reach.
"""

import __future__

import contextlib
import ctypes
import io
import linecache
import os
import pickle
import resource
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from course_lib.classroom.coursework.wire import Message, send
from course_lib.classroom.exercise import attempt
from course_lib.classroom.guarding import (
    AnswerStopped,
    Matters,
    Unchanging,
    Watched,
    WrongAnswerError,
    describe,
    remark_of,
)

MOST_CALLS = 500  # whose kinds are told
LARGEST_REPLY = 80 * 2**20  # bytes
NOT_DUMPABLE = 4  # prctl's number for it
LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Limits:
    """What one answer may use.

    Args:
        seconds: of the clock, and of computing.
        memory: bytes, beyond what PyTorch has taken before.
        processes: at a time, where the system counts those of an answer alone.
        file: bytes of the largest file.
    """

    seconds: float = 20.0
    memory: int = 2**29
    processes: int | None = None
    file: int = 2**20


USUAL = Limits()


@dataclass(frozen=True)
class Asked:
    """What is asked of one answer.

    Args:
        parts: its code, (cell, line, source) each.
        name: of the function.
        given: functions that it may call, by name.
        runs: what is tried; each takes the function and returns a tensor. Or, of a bug hunt, one version of a function.
        times: how often the version is handed to the test; None if the answer is no test.
        handed_as: the name under which a test is handed a version.
        names: of the function's arguments.
        changes: which one it is meant to change, by position.
        matters: on what its result should depend: not the result of the one trial is asked for then, but what its last
            call shows.
    """

    parts: tuple[tuple[int, int, str], ...]
    name: str
    runs: tuple[Callable, ...]
    forbidden: tuple[Callable, ...] = ()
    given: dict[str, Callable] = field(default_factory=dict)
    times: int | None = None
    handed_as: str = ""
    names: tuple[str, ...] = ()
    changes: int | None = None
    matters: Matters | None = None
    limits: Limits = USUAL


class Recorded(Unchanging):
    """A function, with the kind of everything that it returned."""

    def __init__(self, function: Callable, asked: Asked) -> None:
        super().__init__(function, asked.forbidden, list(asked.names), asked.changes)
        self.kinds: list[dict[str, Any]] = []

    def unrecorded(self, *arguments: Any) -> Any:
        """A call that leaves the last one what it was."""
        return Watched.__call__(self, *arguments)

    def __call__(self, *arguments: Any) -> Any:
        returned = super().__call__(*arguments)
        if len(self.kinds) < MOST_CALLS:
            self.kinds.append(kind_of(returned))
        return returned


def kind_of(value: Any) -> dict[str, Any]:
    """Type, and shape and dtype of a tensor or the types in a list, as JSON can hold them."""
    if type(value) in (Tensor, nn.Parameter):
        return {"type": "Tensor", "shape": list(value.shape), "dtype": str(value.dtype)}
    kind = {"type": type(value).__name__[:60]}
    if type(value) in (list, tuple):
        kind["holds"] = sorted({type(each).__name__[:60] for each in value[:MOST_CALLS]})
    return kind


# --- one answer, in a process of its own ------------------------------------------------------------------------------


def answer(asked: Asked, reply: BinaryIO) -> None:
    """Run one answer, and write what comes of each trial as soon as it is there."""
    try:
        function = _defined(asked)
    except BaseException as error:  # whatever its code does
        send(reply, Message({"stopped": describe(error)}))
        return
    if not callable(function):
        send(reply, Message({"wrong": f"{asked.name} is no function, only a value ({type(function).__name__})."}))
    elif asked.times is not None:
        for _ in range(asked.times):
            _hand_over(asked, function, reply)
    elif asked.matters is not None:
        send(reply, Message({"remark": _remark(asked, Recorded(function, asked))}))
    else:
        recorded = Recorded(function, asked)
        for run in asked.runs:
            if not _try(run, recorded, reply):
                return


def _defined(asked: Asked) -> Any:
    """The answer's function, after its code has run. Annotations are not: what they name may stand below, or nowhere."""
    namespace = {"__name__": "__main__", "display": lambda *shown, **named: None, **asked.given}
    for cell, line, source in asked.parts:
        file = f"cell {cell}"
        text = "\n" * (line - 1) + source
        known = linecache.cache.get(file, (0, None, [], file))[2]
        lines = [old if old.strip() else new for old, new in _pairs(known, text.splitlines(keepends=True))]
        linecache.cache[file] = (len(text), None, lines, file)
        star = source.startswith("from ") and source.endswith("import *")
        with contextlib.suppress(*[ImportError] if star else []):  # what it brings may not be needed
            exec(compile(text, file, "exec", flags=__future__.annotations.compiler_flag, dont_inherit=True), namespace)
    return namespace.get(asked.name)


def _pairs(old: list[str], new: list[str]) -> list[tuple[str, str]]:
    longest = max(len(old), len(new))
    return list(zip([*old, *["\n"] * (longest - len(old))], [*new, *["\n"] * (longest - len(new))], strict=True))


def _hand_over(asked: Asked, test: Callable, reply: BinaryIO) -> None:
    try:
        tried = attempt(test, asked.runs[0], asked.forbidden, asked.handed_as)
    except WrongAnswerError as finding:
        send(reply, Message({"wrong": str(finding)}))
    except AnswerStopped as stopped:
        send(reply, Message({"stopped": describe(stopped.error)}))
    else:
        send(reply, Message({"attempt": asdict(tried)}))


def _remark(asked: Asked, recorded: Recorded) -> str | None:
    """What the last call of a trial shows of an answer."""
    torch.manual_seed(0)
    with contextlib.suppress(Exception):
        asked.runs[0](recorded)
    return remark_of(recorded.unrecorded, recorded.last_call, list(asked.names), asked.matters)


def _try(run: Callable, recorded: Recorded, reply: BinaryIO) -> bool:
    """Whether a trial came to an end, and another one is worth trying."""
    torch.manual_seed(0)
    recorded.kinds.clear()
    try:
        result = run(recorded)
    except WrongAnswerError as finding:
        send(reply, Message({"wrong": str(finding), "kinds": recorded.kinds}))
    except AnswerStopped as stopped:
        send(reply, Message({"stopped": describe(stopped.error), "kinds": recorded.kinds}))
    except BaseException:  # the trial cannot work with what came back
        send(reply, Message({"unusable": True, "kinds": recorded.kinds}))
    else:
        if type(result) is Tensor:
            send(reply, Message({"kinds": recorded.kinds}, result))
            return True
        send(reply, Message({"unusable": True, "kinds": recorded.kinds}))
    return False


# --- the process that forks -------------------------------------------------------------------------------------------


def serve(questions: BinaryIO, replies: BinaryIO) -> None:
    """Answer one question after the other, until there are no more.

    After each, one message says how the answer's process ended, and how long its reply is, which follows.
    """
    while (head := questions.read(LENGTH.size)) and len(head) == LENGTH.size:
        asked: Asked = pickle.loads(questions.read(*LENGTH.unpack(head)))
        ended, said = _in_a_fork(asked)
        send(replies, Message({**ended, "bytes": len(said)}))
        replies.write(said)
        replies.flush()


def _in_a_fork(asked: Asked) -> tuple[dict[str, Any], bytes]:
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            os.closerange(3, writing)  # among them, where the replies of all answers go
            os.closerange(writing + 1, os.sysconf("SC_OPEN_MAX"))
            _confine(asked.limits)
            with os.fdopen(writing, "wb") as reply:
                answer(asked, reply)
        finally:
            os._exit(0)  # whatever threads it has left alive
    os.close(writing)
    said, end = _read_all(reading, began + asked.limits.seconds)
    os.close(reading)
    _kill(child)
    _, status, used = os.wait4(child, 0)
    while os.getpid() == 1:  # what it has left behind
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    if end == "" and os.WIFSIGNALED(status) and os.WTERMSIG(status) != signal.SIGKILL:
        end = signal.Signals(os.WTERMSIG(status)).name
    return {"end": end, "seconds": time.monotonic() - began, "memory": used.ru_maxrss * 1024}, said


def _read_all(stream: int, until: float) -> tuple[bytes, str]:
    """What an answer wrote, and what stopped it: "time", "too much", or "" if it came to an end."""
    said = io.BytesIO()
    while (left := until - time.monotonic()) > 0:
        if not select.select([stream], [], [], left)[0]:
            break
        some = os.read(stream, 2**20)
        if not some:
            return said.getvalue(), ""
        said.write(some)
        if said.tell() > LARGEST_REPLY:
            return b"", "too much"
    return said.getvalue(), "time"


def _kill(child: int) -> None:
    """End an answer's process and all that it has started, as far as they can be found."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpid() == 1:
            os.kill(-1, signal.SIGKILL)  # all there is but this one, in a space of process numbers of its own
        else:
            os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def _confine(limits: Limits) -> None:
    """Take from this process what an answer must not have. What is printed goes nowhere."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    size = Path("/proc/self/statm")  # in pages; not on every system
    taken = int(size.read_text().split()[0]) * resource.getpagesize() if size.exists() else None
    most = {
        resource.RLIMIT_CPU: int(limits.seconds) + 1,
        resource.RLIMIT_FSIZE: limits.file,
        resource.RLIMIT_CORE: 0,
    }
    if taken is not None:
        most[resource.RLIMIT_AS] = taken + limits.memory
    if limits.processes is not None:
        most[resource.RLIMIT_NPROC] = limits.processes
    for what, value in most.items():
        resource.setrlimit(what, (value, value))
    sys.setrecursionlimit(1000)


def _keep_to_oneself() -> None:
    """Let no answer into this process by way of /proc (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(NOT_DUMPABLE, 0, 0, 0, 0)


def main() -> None:
    _keep_to_oneself()
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may write between the replies
    torch.set_num_threads(1)
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
