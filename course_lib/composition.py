r"""Several questions to one denoiser, and one picture that answers them all.

The score of a product of densities is the sum of their scores, and a score is a predicted noise but for a factor. So what
a denoiser says under several conditions, or of several views of one picture, can be added up:

.. math:: \hat\epsilon = \epsilon_\text{uncond} + \sum_i w_i\,(\epsilon_i - \epsilon_\text{uncond}), \qquad
          \hat\epsilon = \frac1K \sum_i v_i^{-1}\,\epsilon_\theta\big(v_i(x_t), t, c_i\big).

The first is *composition*: c_1 and c_2, and where a w is negative, and not c_3. With a single condition it is guidance. The
second shows one picture in several *views*, such as upright and upside down, each with a condition of its own. And
``SharedAttention`` draws two pictures at a time, which differ in what the prompt says but not in where things are. (At t > 0
the noised product is not the product of the noised densities, so composition does not draw the product exactly.)

Sources: Liu et al. 2022, *Compositional Visual Generation with Composable Diffusion Models*, equations 11 and 13; Geng, Park,
Owens 2024, *Visual Anagrams: Generating Multi-View Optical Illusions with Diffusion Models*, section 3; Hertz et al. 2023,
*Prompt-to-Prompt Image Editing with Cross-Attention Control*, section 3.2.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.denoisers import Denoiser, Prediction, signal_and_noise
from course_lib.guidance import padded_alike
from course_lib.networks.attention import changed_attention
from course_lib.schedules import Schedule
from course_lib.support.arguments import (
    require_axes,
    require_number,
    require_rows,
    require_same_shape,
    require_tensor,
    require_whole_number,
)


@dataclass(frozen=True, eq=False)
class Composed:
    """A denoiser under several conditions at once, each with a weight; it asks the other one once, with a larger batch.

    Args:
        denoiser: trained with conditions and without.
        conds: the conditions, each a row, (1, …), or one for each picture, (B, …).
        w: the weight of each; below 0, the picture is kept away from what it says.
        uncond: the condition that stands for none, a row, (1, …).
    """

    denoiser: Denoiser
    conds: Sequence[Tensor]
    w: Sequence[float]
    uncond: Tensor

    def __post_init__(self) -> None:
        listed = isinstance(self.conds, Sequence) and isinstance(self.w, Sequence)
        if not listed or not self.conds or len(self.conds) != len(self.w):
            raise ValueError("conds must be a list of one condition or more, and w a list of as many numbers.")
        for weight in self.w:
            require_number("every w", weight, -math.inf, math.inf)
        for name, each in (("uncond", self.uncond), *(("every one of conds", cond) for cond in self.conds)):
            require_rows(name, each)

    @property
    def schedule(self) -> Schedule:
        return self.denoiser.schedule

    def __call__(self, x_t: Tensor, t: float | Tensor, cond: None = None) -> Prediction:
        require_rows("x_t", x_t)
        if cond is not None:
            raise ValueError("cond must be None: a composed denoiser has its conditions already.")
        answers = _asked_together(self.denoiser, [x_t] * (1 + len(self.w)), t, [self.uncond, *self.conds])
        without, *others = answers
        x_0 = without + sum(weight * (other - without) for weight, other in zip(self.w, others, strict=True))
        return Prediction.from_x_0(x_0, x_t, *signal_and_noise(self.schedule, t, x_t))


@dataclass(frozen=True, eq=False)
class View:
    """A way to look at a picture, (B, C, H, W), and the way back.

    Only what moves numbers about, or flips their signs, keeps noise what it is: turning, mirroring, swapping pieces.
    """

    there: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]


UPRIGHT = View(lambda x: x, lambda x: x)
UPSIDE_DOWN = View(lambda x: x.rot90(2, (-2, -1)), lambda x: x.rot90(2, (-2, -1)))
A_QUARTER_TURNED = View(lambda x: x.rot90(1, (-2, -1)), lambda x: x.rot90(-1, (-2, -1)))


@dataclass(frozen=True, eq=False)
class Views:
    """A denoiser of pictures that show something in each of several views: the mean of what it says of them.

    Args:
        denoiser: of single pictures, such as a guided one.
        views: at least one.
        conds: one for each view, a row, (1, …), or one for each picture, (B, …); None where there is no condition.
    """

    denoiser: Denoiser
    views: Sequence[View]
    conds: Sequence[Tensor | None]

    def __post_init__(self) -> None:
        listed = isinstance(self.views, Sequence) and isinstance(self.conds, Sequence)
        if not listed or not self.views or len(self.views) != len(self.conds):
            raise ValueError("views must be a list of one view or more, and conds a list of as many conditions.")
        if not all(isinstance(view, View) for view in self.views):
            raise TypeError("every one of views must be a View, such as UPSIDE_DOWN or View(there, back).")

    @property
    def schedule(self) -> Schedule:
        return self.denoiser.schedule

    def __call__(self, x_t: Tensor, t: float | Tensor, cond: None = None) -> Prediction:
        require_rows("x_t", x_t)
        if cond is not None:
            raise ValueError("cond must be None: a denoiser of views has a condition for each already.")
        seen = [view.there(x_t) for view in self.views]
        for each in seen:
            require_same_shape("what a view answers", each, "x_t", x_t)
        answers = _asked_together(self.denoiser, seen, t, self.conds)
        turned_back = [view.back(answer) for view, answer in zip(self.views, answers, strict=True)]
        for each in turned_back:
            require_same_shape("what a view gives back", each, "x_t", x_t)
        x_0 = sum(turned_back) / len(self.views)
        return Prediction.from_x_0(x_0, x_t, *signal_and_noise(self.schedule, t, x_t))


@dataclass(frozen=True, eq=False)
class SharedAttention:
    """A denoiser of pictures in pairs, the second of which looks where the first one looks: prompt-to-prompt.

    Where a word of the second prompt stands for one of the first, each position of the second picture attends to it as the
    same position of the first picture does to that one. So the layout stays, and what the other words say changes.

    Args:
        denoiser: with a text-conditional network inside, guided or not. The rows of x_t are the pairs, one after the other:
            first, second, first, second …, and the two of a pair should begin from the same noise.
        source: (L,) int64, for each token of the second prompts the place of its token in the first ones, or -1 for a token
            that has none, which keeps the attention of its own; as ``Tokenizer.sources`` gives it.
    """

    denoiser: Denoiser
    source: Tensor

    def __post_init__(self) -> None:
        require_axes("source", self.source, "L")
        require_rows("source", self.source)
        require_whole_number("source", self.source)

    @property
    def schedule(self) -> Schedule:
        return self.denoiser.schedule

    def __call__(self, x_t: Tensor, t: float | Tensor, cond: Tensor | None = None) -> Prediction:
        require_rows("x_t", x_t)
        if len(x_t) % 2:
            raise ValueError(f"x_t must hold pairs of pictures, one row after the other, but it has {len(x_t)} rows.")
        with changed_attention(self._shared):
            return self.denoiser(x_t, t, cond)

    def _shared(self, weights: Tensor) -> Tensor:  # (2P, heads, N, L) -> the same
        first, second = weights[::2], weights[1::2]  # (P, heads, N, L) each
        if len(self.source) > weights.shape[-1] or self.source.max() >= weights.shape[-1]:
            raise ValueError(f"source must fit prompts of {weights.shape[-1]} tokens, but got {self.source.tolist()}.")
        has_one = F.pad(self.source >= 0, (0, weights.shape[-1] - len(self.source))).to(weights.device)
        place = F.pad(self.source, (0, weights.shape[-1] - len(self.source))).to(weights.device)
        shared = torch.where(has_one, first[..., place], second)
        shared = shared / shared.sum(dim=-1, keepdim=True)  # new words and old ones came from two pictures
        return torch.stack([first, shared], dim=1).flatten(0, 1)


def _asked_together(
    denoiser: Denoiser, pictures: Sequence[Tensor], t: float | Tensor, conds: Sequence[Tensor | None]
) -> list[Tensor]:
    """What the denoiser takes for the pictures in each of K batches, (B, …), under its own condition, in a single call."""
    rows = len(pictures[0])
    times = torch.cat([t] * len(pictures)) if isinstance(t, Tensor) and t.ndim else t
    together = None
    if any(cond is not None for cond in conds):
        for cond in conds:
            require_tensor("every one of conds", cond, floating=False)
            if len(cond) not in (1, rows):
                raise ValueError(f"every one of conds must have 1 row or {rows}, one a picture, but got {len(cond)}.")
        together = torch.cat([cond.expand(rows, *cond.shape[1:]) for cond in padded_alike(*conds)])
    return list(denoiser(torch.cat(list(pictures)), times, together).x_0.chunk(len(pictures)))
