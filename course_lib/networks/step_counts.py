"""One network for several numbers of steps: a vector for each of them, added to the embedding of time.

A student that takes one step from t = 1000 has to say what it sees at the end; one that takes eight, only where to go first.
Same picture, same time, another answer: so it has to know how many steps it may take. Otherwise all weights are shared,
which is what makes four students fit into one small file (compare Frans et al. 2025, *One Step Diffusion via Shortcut
Models*, whose network is told how long a step is).
"""

import copy
from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.func import functional_call

from course_lib.networks.text_unet import TextUNet
from course_lib.support.arguments import require_whole_number

_BIAS = "embed_t.2.bias"  # of the last layer of the time's embedding


class StepCounts(nn.Module):
    """A U-Net that reads, with a vector for each number of steps; before any training they are 0, and change nothing.

    Args:
        net: the U-Net, all of whose weights are shared.
        counts: the numbers of steps.
    """

    def __init__(self, net: TextUNet, counts: Sequence[int]) -> None:
        super().__init__()
        self.net, self.counts = net, tuple(counts)
        self.embed_steps = nn.Embedding(len(self.counts), len(net.get_parameter(_BIAS)))
        nn.init.zeros_(self.embed_steps.weight)

    def taking(self, steps: int) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """The network told that there will be so many steps, as net(x_t, t, words): gradients lead into the shared weights."""
        self._vector(steps)  # which refuses another number now, and not at the first call

        def net(x_t: Tensor, t: Tensor, words: Tensor) -> Tensor:
            told = {_BIAS: self.net.get_parameter(_BIAS) + self._vector(steps)}
            return functional_call(self.net, told, (x_t, t, words))

        return net

    def alone(self, steps: int) -> TextUNet:
        """A copy that is told for good: an ordinary U-Net, which takes so many steps and no other number."""
        net = copy.deepcopy(self.net)
        net.get_parameter(_BIAS).data += self._vector(steps).detach()
        return net

    def _vector(self, steps: int) -> Tensor:
        require_whole_number("steps", steps)
        if steps not in self.counts:
            raise ValueError(f"steps must be one of {', '.join(map(str, self.counts))}, but got {steps!r:.60}.")
        return self.embed_steps.weight[self.counts.index(steps)]
