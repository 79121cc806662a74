"""Where the arithmetic happens: the one place that chooses a device."""

import torch
from torch import nn


def best_device() -> torch.device:
    """A CUDA GPU when there is one, as on Colab, else the CPU. (Apple's GPU has no float64, which schedules need.)"""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def on_best_device(net: nn.Module) -> nn.Module:
    """The network itself, moved to the best device, its weights laid out as convolutions like them there."""
    # channels_last keeps a position's channels side by side in memory: convolutions are some 10 to 20 % faster on a CPU.
    return net.to(best_device(), memory_format=torch.channels_last)


def half_precision() -> torch.autocast:
    """Within it, networks multiply in bfloat16 where the processor or GPU does so by itself; elsewhere nothing changes.

    A recipe's forward pass runs in it, which nearly doubles the speed; weights, averages and losses stay in float32.
    """
    device = best_device().type
    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:  # get_capabilities: from torch 2.9 on
        can = getattr(torch.cpu, "get_capabilities", dict)()
        native = bool(can.get("avx512_bf16") or can.get("amx_bf16"))
    return torch.autocast(device, torch.bfloat16, enabled=native)
