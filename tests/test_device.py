"""The clock that waits for the device."""

import time

import pytest
import torch

from course_lib.support.device import clock


def test_differences_are_seconds():
    began = clock()
    time.sleep(0.01)
    assert clock() - began >= 0.01


@pytest.mark.parametrize("gpu", ["cuda", "mps"])
def test_it_is_read_after_the_gpu_has_finished(monkeypatch, gpu):
    done = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu == "cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: gpu == "mps")
    for kind in ("cuda", "mps"):
        monkeypatch.setattr(getattr(torch, kind), "synchronize", lambda kind=kind: done.append(kind))
    monkeypatch.setattr(time, "perf_counter", lambda: done.append("read"))
    clock()
    assert done == [gpu, "read"]
