"""Running what somebody else wrote: it may never end, print a book, seed the random numbers, or be interrupted."""

import ctypes
import io
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any

import numpy as np
import torch

SHOWN_LINES, SHOWN_CHARACTERS = 5, 400


class TimeUp(SystemExit):
    """Thrown into a thread that does not end: ``except Exception`` lets it out, and a thread ends by it in silence."""


class Worker(threading.Thread):
    """A thread that runs somebody else's work. It can be left behind; a process would not see a notebook's functions."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.work, self.result, self.ended = work, None, threading.Event()  # join, interrupted, may say that it ended

    def run(self) -> None:
        try:
            with suppress(TimeUp):
                self.result = self.work()
        finally:
            self.ended.set()

    def wait(self, seconds: float) -> None:
        """Until it ends, or for so long; in short waits, since Windows does not interrupt a long one."""
        end = time.monotonic() + seconds
        while not self.ended.wait(0.05) and time.monotonic() < end:
            pass

    def stop(self) -> None:
        """Throw ``TimeUp`` into it, again and again for a second, should the work catch everything."""
        for _ in range(20):
            if self.ended.is_set():
                return
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident), ctypes.py_object(TimeUp))
            self.ended.wait(0.05)


class Printed:
    """What was printed: the beginning of it, and how much it was."""

    def __init__(self) -> None:
        self.text, self.length, self.lock = "", 0, threading.Lock()

    def add(self, text: str) -> None:
        with self.lock:
            self.text += text[: SHOWN_CHARACTERS - len(self.text)]
            self.length += len(text)

    def __str__(self) -> str:
        """The first lines, and how many characters follow; empty if nothing was printed."""
        shown = "".join(self.text.splitlines(keepends=True)[:SHOWN_LINES])
        left = self.length - len(shown)
        return shown.rstrip("\n") + (f"\n… and {left:,} more characters" if left else "")


class _Splitter(io.TextIOBase):
    """In place of stdout or stderr: threads that were there before print as ever, and all later ones are kept."""

    encoding = "utf-8"

    def __init__(self, stream: io.TextIOBase, printed: Printed) -> None:
        self.stream, self.printed = stream, printed
        self.bystanders = {thread.ident for thread in threading.enumerate()}

    def write(self, text: str) -> int:
        if threading.get_ident() in self.bystanders:
            return self.stream.write(text)
        self.printed.add(text)
        return len(text)

    def flush(self) -> None:
        self.stream.flush()


@contextmanager
def _state_kept() -> Iterator[None]:
    """Random numbers and the default dtype are afterwards what they were, and begin as the same each time.

    Whether gradients are recorded, and on which device tensors are made, PyTorch keeps for each thread apart.
    """
    dtype, of_python, of_numpy = torch.get_default_dtype(), random.getstate(), np.random.get_state()  # noqa: NPY002
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=gpus):
        torch.set_default_dtype(torch.float32)
        torch.default_generator.manual_seed(0)
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002 (the generator that an answer may use and seed)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            random.setstate(of_python)
            np.random.set_state(of_numpy)  # noqa: NPY002


def supervised(work: Callable[[], Any], seconds: float) -> tuple[Any, Printed]:
    """Run work in a thread of its own, and leave everything as it was.

    Returns:
        What work returned, or None if it had to be stopped; and what was printed meanwhile.

    Raises:
        KeyboardInterrupt: if that interrupts it; the work has been stopped then.
    """
    worker, printed = Worker(work), Printed()
    with (
        _state_kept(),
        redirect_stdout(_Splitter(sys.stdout, printed)),
        redirect_stderr(_Splitter(sys.stderr, printed)),
    ):
        try:
            worker.start()
            worker.wait(seconds)
        finally:
            worker.stop()
    return worker.result, printed
