"""Where the arithmetic happens: the one place that chooses a device, and the clock that waits for it."""

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import nn


def best_device() -> torch.device:
    """A CUDA GPU when there is one, as on Colab, else the CPU. (Apple's GPU has no float64, which schedules need.)"""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def on_best_device(net: nn.Module) -> nn.Module:
    """The network itself, moved to the best device, its weights laid out as convolutions like them there."""
    # channels_last keeps a position's channels side by side in memory: convolutions are some 10 to 20 % faster on a CPU.
    return net.to(best_device(), memory_format=torch.channels_last)


def multiplies_in_bfloat16() -> bool:
    """Whether the processor or GPU does so by itself. Those that do not take some hundred times as long as in float32."""
    if best_device().type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    can = getattr(torch.cpu, "get_capabilities", dict)()  # from torch 2.9 on
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))


def half_precision() -> torch.autocast:
    """Within it, networks multiply in bfloat16 where that is fast; elsewhere nothing changes.

    A recipe's forward pass runs in it, which nearly doubles the speed; weights, averages and losses stay in float32.
    """
    return torch.autocast(best_device().type, torch.bfloat16, enabled=multiplies_in_bfloat16())


def clock() -> float:
    """Seconds, of which only differences count, read once the device has done all that it was asked so far.

    A GPU works on after a call has returned: without waiting for it, one would measure how fast it is given work.
    """
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()
    return time.perf_counter()


def seconds_of(steps: dict[str, Callable[[], object]], times: int = 7) -> dict[str, float]:
    """What each step takes, by the clock: the median of several, in turns, so that they compare."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(times + 1):
        for name, step in steps.items():
            began = clock()
            step()
            found[name].append(clock() - began)
    return {name: median(each[1:]) for name, each in found.items()}  # the first warms up
