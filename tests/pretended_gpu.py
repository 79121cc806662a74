"""A pretended GPU: its tensors are computed on the CPU, and what a real one refuses is refused.

Like Apple's, it knows no float64; like any, it does not mix with the CPU, but for single numbers. No GPU is needed for it.
"""

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("meta")  # the one device besides the CPU that torch always knows


class OnGPU(torch.Tensor):
    """A tensor that says it lies on the GPU; ``held`` is where its numbers are."""

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "OnGPU":
        if held.dtype == torch.float64:
            raise TypeError("Cannot convert a tensor to the GPU as it does not support float64.")
        return torch.Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), dtype=held.dtype, device=DEVICE, requires_grad=held.requires_grad
        )

    def __init__(self, held: torch.Tensor) -> None:
        self.held = held.detach()

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return compute(function, args, kwargs or {})


class PretendedGPU(TorchDispatchMode):
    """Within it, ``torch.zeros(3, device="mps")`` and the like are pretended too."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return compute(function, args, kwargs or {})


def compute(function, args, kwargs):
    tensors = [each for each in pytree.tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)]
    some_on_gpu = any(isinstance(each, OnGPU) for each in tensors)
    asked = kwargs.get("device")
    moves = function in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
    if some_on_gpu and not moves and any(not isinstance(each, OnGPU) and each.ndim for each in tensors):
        raise RuntimeError("Expected all tensors to be on the same device, but found at least two devices.")
    if asked is not None:
        kwargs = kwargs | {"device": "cpu"}
    held_args, held_kwargs = pytree.tree_map_only(OnGPU, lambda each: each.held, (args, kwargs))
    result = function(*held_args, **held_kwargs)
    if function is torch.ops.aten.copy_.default:
        return args[0]
    if function._schema.is_mutable:
        return args[0]
    to_gpu = torch.device(asked).type == DEVICE.type if asked is not None else some_on_gpu
    return pytree.tree_map_only(torch.Tensor, OnGPU, result) if to_gpu else result
