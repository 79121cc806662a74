"""Starting the process in which answers run, and asking it: without network and without the course's solutions.

On Linux, bubblewrap gives it a file system of its own: Python, PyTorch and the course without its solutions, all read
only, and an empty folder in memory to write to. It has no network and sees no other process. Without bubblewrap there is
the same process with the same limits of time and memory, and a copy of the course without the solutions; but then the
system lets it read what the grader may read, write where the grader may write, and use the network.
"""

import contextlib
import functools
import grp
import io
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle

from course_lib.classroom import chance, exercises
from course_lib.classroom.coursework import tasks
from course_lib.classroom.coursework.wire import BadMessageError, Message, receive
from course_lib.classroom.coursework.within import LARGEST_REPLY, LENGTH, Asked
from course_lib.support.files import PACKAGE, data_folder

PATIENCE = 10.0  # seconds, beyond those of an answer
PROCESSES = 16  # at a time, threads among them
ROOM = 64 * 2**20  # bytes that an answer's own folder holds
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc/ld.so.cache", "/etc/alternatives", "/opt/hostedtoolcache")
COPY = "/tmp/course"


class Reply(NamedTuple):
    """What came of an answer.

    Args:
        messages: of its trials, as far as it came.
        end: "" if it came to its end; "time", "too much", "forged", "lost", or the name of the signal that ended it.
        seconds: that it took.
        memory: bytes, at its peak.
    """

    messages: list[Message]
    end: str
    seconds: float
    memory: int


@functools.cache
def bubblewrap() -> str | None:
    """The path of bubblewrap, if there is one that this system lets us use."""
    path = shutil.which("bwrap")
    if path is None:
        return None
    tried = subprocess.run([path, *_walls(), "--ro-bind", "/", "/", "true"], capture_output=True, check=False)
    return path if tried.returncode == 0 else None


def _walls() -> list[str]:
    return ["--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"]


@contextlib.contextmanager
def course_without_solutions() -> Iterator[Path]:
    """A folder with a copy of the package in which no solution stands."""
    with tempfile.TemporaryDirectory(prefix="course") as folder:
        skipped = shutil.ignore_patterns("exercises", "tasks", "data", "__pycache__", "*.ipynb")
        shutil.copytree(PACKAGE, Path(folder) / "course_lib", ignore=skipped)
        (Path(folder) / "course_lib" / "data").symlink_to(data_folder())
        os.chmod(folder, 0o755)  # for another user, too
        yield Path(folder)


class Sandbox:
    """A process that runs answers, one after the other. It starts when it is first asked, and again if it was ended.

    Args:
        course: the folder with the course without its solutions.
        wrapper: bubblewrap's path; None to do without.
        user: whose rights answers have, if they are not to have one's own; root alone can choose.
    """

    def __init__(self, course: Path, wrapper: str | None, user: str | None = None) -> None:
        self.course, self.wrapper, self.user = course, wrapper, user
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def ask(self, asked: Asked) -> Reply:
        """Run an answer there, and once more if the process was lost over it."""
        if self.wrapper:  # without it, the limit would count the grader's own processes, too
            asked = replace(asked, limits=replace(asked.limits, processes=PROCESSES))
        question = _pickled(asked)
        for _ in range(2):
            process = self._started()
            try:
                process.stdin.write(LENGTH.pack(len(question)) + question)
                process.stdin.flush()
                with _ended_after(process, asked.limits.seconds + PATIENCE):
                    return _read(process)
            except (BrokenPipeError, EOFError, BadMessageError):
                self.close()
        return Reply([], "lost", 0.0, 0)

    def close(self) -> None:
        """End the process, and all within."""
        if self._process is not None:
            self._process.kill()
            for stream in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    stream.close()
            self._process.wait()
            self._process = None

    def _started(self) -> subprocess.Popen:
        if self._process is None or self._process.poll() is not None:
            self.close()
            command, environment = self._command()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd=self.course,
                user=self.user,
                group=self.user and grp.getgrgid(pwd.getpwnam(self.user).pw_gid).gr_name,
                extra_groups=self.user and [],
            )
        return self._process

    def _command(self) -> tuple[list[str], dict[str, str]]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
        course = Path(COPY) if self.wrapper else self.course
        path = f"import sys; sys.path.insert(0, {str(course)!r})"
        start = "from course_lib.classroom.coursework.within import main; main()"
        python = [sys.executable, "-I", "-B", "-c", f"{path}; {start}"]
        if self.wrapper is None:
            return python, environment
        return [self.wrapper, *_walls(), *self._files(), *python], environment

    def _files(self) -> list[str]:
        """What is to be seen of the file system."""
        packages = Path(sysconfig.get_path("purelib"))
        seen = [*SYSTEM, sys.prefix, sys.base_prefix, str(packages), sysconfig.get_path("platlib")]
        arguments = ["--size", str(ROOM), "--tmpfs", "/tmp"]
        for path in dict.fromkeys(seen):
            if Path(path).is_symlink() and not path.startswith(sys.prefix):
                arguments += ["--symlink", os.readlink(path), path]
            elif Path(path).exists():
                arguments += ["--ro-bind", path, path]
        if (installed := packages / "course_lib").exists():
            arguments += ["--tmpfs", str(installed)]
        arguments += ["--ro-bind", str(self.course), COPY, "--ro-bind", str(data_folder()), str(data_folder())]
        return [
            *arguments,
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--dir",
            "/tmp/own",
            "--remount-ro",
            "/",
            "--remount-ro",
            "/dev",
            "--chdir",
            "/tmp/own",
        ]


@contextlib.contextmanager
def sandbox(user: str | None = None) -> Iterator[Sandbox]:
    """A sandbox with a copy of the course of its own; without bubblewrap, answers have the rights of ``user``, if given."""
    wrapper = bubblewrap()
    with course_without_solutions() as course, Sandbox(course, wrapper, None if wrapper else user) as box:
        yield box


@contextlib.contextmanager
def _ended_after(process: subprocess.Popen, seconds: float) -> Iterator[None]:
    """End a process that takes longer than it should: its own limits may have been got round."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read(process: subprocess.Popen) -> Reply:
    """What comes of a question.

    Raises:
        EOFError: if the process has ended.
        BadMessageError: if it was not the process that wrote.
    """
    head = receive(process.stdout)
    if head is None:
        raise EOFError
    values = head.values
    kinds = {"end": str, "seconds": float, "memory": int, "bytes": int}
    if {name: type(value) for name, value in values.items()} != kinds or not 0 <= values["bytes"] <= LARGEST_REPLY:
        raise BadMessageError(f"no head of a reply: {values!r:.60}")
    said, messages, end = io.BytesIO(process.stdout.read(values["bytes"])), [], values["end"]
    try:
        while (message := receive(said)) is not None:
            messages.append(message)
    except BadMessageError:
        end = end or "forged"
    return Reply(messages, end, values["seconds"], values["memory"])


class _Pickler(cloudpickle.CloudPickler):
    """Takes functions of the exercises along by value, since their modules, which hold the solutions, are not there."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, functools._lru_cache_wrapper):
            return functools.cache, (value.__wrapped__,)
        return super().reducer_override(value)


def _pickled(asked: Asked) -> bytes:
    for module in _BY_VALUE:
        cloudpickle.register_pickle_by_value(module)
    try:
        stream = io.BytesIO()
        _Pickler(stream).dump(asked)
        return stream.getvalue()
    finally:
        for module in _BY_VALUE:
            cloudpickle.unregister_pickle_by_value(module)


_HIDDEN = (exercises.__name__, tasks.__name__)
_BY_VALUE = [chance, *(module for name, module in list(sys.modules.items()) if name.startswith(_HIDDEN))]
