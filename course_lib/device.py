"""Where the arithmetic happens: the one place that chooses a device."""

import torch


def best_device() -> torch.device:
    """A CUDA GPU when there is one, as on Colab, else the CPU. (Apple's GPU has no float64, which schedules need.)"""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
