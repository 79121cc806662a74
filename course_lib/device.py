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
