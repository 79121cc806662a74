r"""Muon: an optimiser for the matrices of hidden layers.

A layer's weights are one matrix, and its gradient pushes along few directions of it much harder than along all others.
Muon lets every direction have the same say: of the gradient's singular value decomposition :math:`U S V^\top`, it steps
along :math:`U V^\top`. A few matrix products come close enough to that, and no decomposition is needed.

AdamW does the rest, as usual: biases, norms, and the layers at both ends.

Sources: Jordan et al. 2024, *Muon: An optimizer for hidden layers in neural networks* (the polynomial); Liu et al.
2025, *Muon is Scalable for LLM Training*, equation 4 (the size of a step). ``torch.optim.Muon`` is the same for
matrices alone; convolutions have kernels of four axes.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from course_lib.support.arguments import require_axes, require_count, require_number, require_tensor
from course_lib.support.device import multiplies_in_bfloat16


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """About :math:`U V^T` of a matrix :math:`U S V^T`, (M, N): its singular values brought close to one.

    Each step applies a polynomial of fifth degree to the singular values, which lifts small ones the most: those above a
    hundredth of the norm end between 0.65 and 1.2, smaller ones may not get there in five steps. Half
    precision is enough, since only about one is asked for; it is used where it is fast.
    """
    require_tensor("matrix", matrix)
    require_axes("matrix", matrix, "M", "N")
    require_count("steps", steps, at_least=0)
    x = matrix.bfloat16() if multiplies_in_bfloat16() else matrix
    x = x.T if x.shape[0] > x.shape[1] else x  # the product below is then the smaller of the two
    x = x / x.norm().clamp(min=1e-7)  # no singular value above one
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x.T if matrix.shape[0] > matrix.shape[1] else x).to(matrix.dtype)


class Muon(AdamW):
    """Muon for the weights of a network's hidden layers, AdamW for all else, at one learning rate.

    Args:
        net: all of whose parameters are trained.
        ends: the names of those of its layers that are not hidden: where pictures and times come in, and where the answer
            goes out.
        lr: AdamW's; the steps of matrices are scaled to the size that AdamW's usually have.
        momentum: how much of the averaged gradient is kept at a step, in [0, 1).
        weight_decay: of all parameters.
    """

    def __init__(
        self,
        net: nn.Module,
        ends: Iterable[str],
        lr: float = 4e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        if not isinstance(net, nn.Module):
            raise TypeError(f"net must be a network, but got {type(net).__name__}.")
        require_number("momentum", momentum, 0, 0.999999)
        ends = list(ends) if isinstance(ends, Iterable) and not isinstance(ends, str) else [ends]
        known = dict(net.named_modules())
        for name in ends:
            if not isinstance(name, str):
                raise TypeError(f'ends must be names of layers, such as ["stem", "head"], but got {name!r:.60}.')
            if name not in known:
                raise ValueError(
                    f"ends must be names of the network's layers, but this {type(net).__name__} has no {name!r}: "
                    f"its layers are {', '.join(name for name, _ in net.named_children())}."
                )
        at_the_ends = {parameter for name in ends for parameter in known[name].parameters()}
        hidden = {parameter for parameter in net.parameters() if parameter.ndim > 1} - at_the_ends
        others = [parameter for parameter in net.parameters() if parameter not in hidden]
        super().__init__(others, lr=lr, betas=(0.9, 0.98), weight_decay=weight_decay)
        # In the network's order, which is what a checkpoint counts on.
        matrices = [parameter for parameter in net.parameters() if parameter in hidden]
        self.add_param_group({"params": matrices, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Take one step along the gradients that ``backward`` has left."""
        *_, group = self.param_groups
        for weight in group["params"]:
            if weight.grad is None:
                continue
            state = self.state[weight]
            if not state:
                state |= {"step": torch.tensor(0.0), "average": torch.zeros_like(weight)}
            state["step"] += 1
            state["average"].lerp_(weight.grad, 1 - group["momentum"])
            # Nesterov's momentum: the average as it would be if this gradient came once more.
            ahead = weight.grad.lerp(state["average"], group["momentum"]).flatten(1)  # (M, N)
            direction = orthogonalised(ahead).reshape(weight.shape)
            size = 0.2 * max(ahead.shape) ** 0.5
            weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"] * size)
            weight.grad = None  # AdamW passes over what has none
        super().step()
