r"""Attention: every position asks every other what it holds.

Source: Vaswani et al. 2017, *Attention Is All You Need*, equation 1:

.. math:: \operatorname{attention}(Q, K, V) = \operatorname{softmax}\Big(\frac{QK^\top}{\sqrt d}\Big)\,V,

the softmax running over the keys, so that each query's weights sum to one.
"""

import torch
from torch import Tensor, nn


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
        B, C, H, W = x.shape
        qkv = self.to_qkv(self.norm(x))  # (B, 3C, H, W)
        q, k, v = qkv.reshape(B, 3, self.heads, C // self.heads, H * W).unbind(1)  # each (B, heads, d, HW)
        scores = q.transpose(-1, -2) @ k * q.shape[-2] ** -0.5  # (B, heads, HW queries, HW keys)
        weights = torch.softmax(scores, dim=-1)  # over the keys
        attended = v @ weights.transpose(-1, -2)  # (B, heads, d, HW)
        return x + self.to_out(attended.reshape(B, C, H, W))
