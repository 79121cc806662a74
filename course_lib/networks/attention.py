r"""Attention: each query looks through all keys and takes a weighted mean of their values.

Source: Vaswani et al. 2017, *Attention Is All You Need*, equation 1:

.. math:: \operatorname{attention}(Q, K, V) = \operatorname{softmax}\Big(\frac{QK^\top}{\sqrt d}\Big)\,V,

the softmax running over the keys, so that each query's weights sum to one. Two uses: in ``SelfAttention`` the positions
of a picture attend to each other; in ``CrossAttention`` they attend to the words of a text, which is how a prompt steers
a picture (Rombach et al. 2022, *High-Resolution Image Synthesis with Latent Diffusion Models*, section 3.3).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course_lib.support.arguments import require_axes, require_count, require_same_shape, require_tensor


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What N queries find at L keys: the mean of the values, weighted by how well each key answers the query.

    Args:
        q: (..., N, d).
        k, v: (..., L, d).
        mask: bool, broadcastable to (..., N, L), True where a query may look; every query needs one True.

    Returns:
        (..., N, d), and the weights, (..., N, L), which sum to one over L and are 0 where mask is False.
    """
    for name, each in (("q", q), ("k", k), ("v", v)):
        require_tensor(name, each)
    shapes = f"the shapes are {tuple(q.shape)}, {tuple(k.shape)} and {tuple(v.shape)}."
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(f"q and k must be vectors of one size, and k and v equally many, but {shapes}")
    try:
        torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    except RuntimeError:
        raise ValueError(f"q, k and v must agree in their first axes, but {shapes}") from None
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5  # (..., N, L)
    if mask is not None:
        require_tensor("mask", mask, floating=False)
        if mask.dtype != torch.bool:
            raise TypeError(f"mask must be bool, True where a query may look, but its dtype is {mask.dtype}.")
        if not mask.any(dim=-1).all():
            raise ValueError("mask must be True somewhere for every query, but one has nowhere to look.")
        scores = scores.masked_fill(~mask, -torch.inf)
    weights = torch.softmax(scores, dim=-1)  # over the keys
    return weights @ v, weights


class SelfAttention(nn.Module):
    """Positions of a feature map attend to each other; added to the map.

    Args:
        channels: C of the map, divisible by heads and by 8.
        heads: independent attentions, each on C / heads channels.
    """

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, channels)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.to_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H, W)
        qkv = self.to_qkv(self.norm(x)).flatten(2)  # (B, 3C, HW)
        q, k, v = qkv.unflatten(1, (3, self.heads, -1)).transpose(-1, -2).unbind(1)  # each (B, heads, HW, d)
        found, _ = attention(q, k, v)  # (B, heads, HW, d)
        return x + self.to_out(found.transpose(-1, -2).reshape(x.shape))


class CrossAttention(nn.Module):
    """Tokens, such as the positions of a picture, attend to the words of a text.

    Args:
        size: C, the numbers of a token, divisible by heads.
        word_size: D, the numbers of a word.
        heads: independent attentions, each on C / heads numbers.
    """

    def __init__(self, size: int, word_size: int, heads: int = 4) -> None:
        super().__init__()
        require_count("heads", heads)
        if size % heads:
            raise ValueError(f"heads must divide the size of a token, {size}, but got {heads}.")
        self.heads = heads
        self.to_q = nn.Linear(size, size)
        self.to_kv = nn.Linear(word_size, 2 * size)
        self.to_out = nn.Linear(size, size)

    def forward(self, tokens: Tensor, words: Tensor) -> Tensor:
        """(B, N, C), (B, L, D) -> (B, N, C); a word that is all zeros is padding and gets no attention."""
        require_tensor("tokens", tokens)
        require_axes("tokens", tokens, "B", "N", self.to_q.in_features)
        require_tensor("words", words)
        require_axes("words", words, len(tokens), "L", self.to_kv.in_features)
        q = self.to_q(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, d)
        k, v = self.to_kv(words).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, heads, L, d)
        found, weights = attention(q, k, v, is_word(words)[:, None, None])  # (B, heads, N, d), (B, heads, N, L)
        if _change is not None:
            changed = _change(weights)
            require_same_shape("what changes the weights", changed, "weights", weights)
            found, weights = changed @ v, changed
        if _recorded is not None:
            _recorded.append(weights.detach())
        return self.to_out(found.transpose(1, 2).flatten(2))  # (B, N, C)


class MapCrossAttention(nn.Module):
    """Cross-attention for a feature map, whose positions are the tokens; added to the map.

    Args:
        channels: C of the map, divisible by heads and by 8.
        word_size: D, the numbers of a word.
        heads: independent attentions, each on C / heads channels.
    """

    def __init__(self, channels: int, word_size: int, heads: int = 4) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.attend = CrossAttention(channels, word_size, heads)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """(B, C, H, W), (B, L, D) -> (B, C, H, W)."""
        require_tensor("x", x)
        require_axes("x", x, "B", self.norm.num_channels, "H", "W")
        tokens = self.norm(x).flatten(2).transpose(1, 2)  # (B, HW, C)
        return x + self.attend(tokens, words).transpose(1, 2).reshape(x.shape)


def is_word(words: Tensor) -> Tensor:
    """Which rows of (B, L, D) stand for words, (B, L) bool: the others, all zeros, are padding."""
    return (words != 0).any(dim=-1)


_recorded: list[Tensor] | None = None


@contextmanager
def record_attention() -> Iterator[list[Tensor]]:
    """Within it, every ``CrossAttention`` adds its weights to the list: (B, heads, N, L), in order of the calls.

    The N tokens of a feature map are its positions, row by row: ``weights.unflatten(2, (H, W))`` is a map again.
    Outside nothing is kept. Recordings do not nest: the inner one takes over until its end.
    """
    global _recorded
    outer, _recorded = _recorded, []
    try:
        yield _recorded
    finally:
        _recorded = outer


_change: Callable[[Tensor], Tensor] | None = None


@contextmanager
def changed_attention(change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within it, every ``CrossAttention`` takes ``change(weights)`` for its weights: (B, heads, N, L) both.

    Those are recorded, too. Changes do not nest: the inner one takes over until its end.
    """
    global _change
    outer, _change = _change, change
    try:
        yield
    finally:
        _change = outer
