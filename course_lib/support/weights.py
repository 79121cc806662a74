"""Whether weights fit a network."""

from torch import Tensor, nn


def misfit(weights: dict[str, Tensor], net: nn.Module) -> str:
    """In words, the first weight that a network lacks or has in another shape, or that is missing; "" if all fit it."""
    for name, wanted in net.state_dict().items():
        if name not in weights:
            return f"{name} is missing"
        if weights[name].shape != wanted.shape:
            return f"{name} has shape {tuple(weights[name].shape)} instead of {tuple(wanted.shape)}"
    return "".join([f"{name} is one too many" for name in weights if name not in net.state_dict()][:1])
