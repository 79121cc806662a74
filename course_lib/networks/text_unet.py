r"""The U-Net that reads: at every resolution, positions of the picture attend to the words of the prompt.

    x_t ──► level ──────────────────────shortcut──────────────────────► level ──► out
              │ shrink                                             grow │
              └───► level ─────────────shortcut─────────────► level ────┘
                      │ shrink                           grow │
                      └─────► level ─────────► level ─────────┘

A level is a residual block, self-attention (not at the first resolution, where it would cost most) and cross-attention.
Time enters as in networks/unet.py; a text enters through cross-attention alone.

Source: Rombach et al. 2022, *High-Resolution Image Synthesis with Latent Diffusion Models*, section 3.3.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.networks.attention import MapCrossAttention, SelfAttention
from course_lib.networks.time_embedding import embed_time
from course_lib.networks.unet import ResBlock
from course_lib.support.arguments import require_axes, require_batch, require_kind, require_maps, require_tensor


class Level(nn.Module):
    """What happens at one resolution: a residual block, self-attention unless it is switched off, and cross-attention."""

    def __init__(self, channels_in: int, channels: int, embedding: int, word_size: int, self_attention: bool) -> None:
        super().__init__()
        self.block = ResBlock(channels_in, channels, embedding)
        self.self_attention = SelfAttention(channels) if self_attention else nn.Identity()
        self.cross_attention = MapCrossAttention(channels, word_size)

    def forward(self, x: Tensor, emb: Tensor, words: Tensor) -> Tensor:  # (B, C_in, H, W), … -> (B, C, H, W)
        return self.cross_attention(self.self_attention(self.block(x, emb)), words)


class TextUNet(nn.Module):
    """A text-conditional U-Net for latents whose sides divide by four.

    Args:
        channels: of a latent.
        word_size: D, the numbers that stand for a word.
        widths: channels at the full, the half and the quarter resolution, each divisible by 8.
    """

    def __init__(self, channels: int = 4, word_size: int = 128, widths: Sequence[int] = (64, 128, 256)) -> None:
        super().__init__()
        embedding, self.time_size = 4 * widths[0], 64
        level = partial(Level, embedding=embedding, word_size=word_size, self_attention=True)
        first = partial(level, self_attention=False)  # at the full resolution, where it would cost most
        full, half, quarter = widths
        self.embed_t = nn.Sequential(nn.Linear(self.time_size, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.stem = nn.Conv2d(channels, full, 3, padding=1)
        self.down_a, self.shrink_a = (
            first(full, full),
            nn.Conv2d(full, half, 3, stride=2, padding=1),
        )
        self.down_b, self.shrink_b = (
            level(half, half),
            nn.Conv2d(half, quarter, 3, stride=2, padding=1),
        )
        self.middle_1, self.middle_2 = (
            level(quarter, quarter),
            level(quarter, quarter),
        )
        self.grow_b, self.up_b = nn.Conv2d(quarter, half, 3, padding=1), level(2 * half, half)
        self.grow_a, self.up_a = nn.Conv2d(half, full, 3, padding=1), first(2 * full, full)
        self.head = nn.Sequential(nn.GroupNorm(8, full), nn.SiLU(), nn.Conv2d(full, channels, 3, padding=1))
        nn.init.zeros_(self.head[-1].weight)  # the first guess is zero everywhere: a loss of one, from where it falls
        nn.init.zeros_(self.head[-1].bias)

    def forward(self, x_t: Tensor, t: Tensor, words: Tensor) -> Tensor:
        """Predict, for each latent.

        Args:
            x_t: (B, channels, H, W).
            t: (B,), int64, in 1…T.
            words: (B, L, D), a text encoder's answer; rows of zeros are padding.

        Returns:
            (B, channels, H, W): v, or whatever it was trained to predict.

        Raises:
            TypeError, ValueError: for anything else, in one sentence.
        """
        weight = self.stem.weight
        require_maps("x_t", x_t, weight.shape[1], 4, weight)
        require_batch("t", t, len(x_t))
        if words is None:
            raise TypeError(
                'words must be what a text encoder answers, but got None: to draw without a text, use encoder.encode([""]).'
            )
        require_tensor("words", words)
        require_axes("words", words, len(x_t), "L", self.down_a.cross_attention.attend.to_kv.in_features)
        require_kind("words", words, weight)
        emb = F.silu(self.embed_t(embed_time(t, self.time_size).to(weight.dtype)))  # (B, E)
        a = self.down_a(self.stem(x_t), emb, words)  # (B, full, H, W) ──────────────────────┐
        b = self.down_b(self.shrink_a(a), emb, words)  # (B, half, H/2, W/2) ────────┐       │
        m = self.middle_1(self.shrink_b(b), emb, words)  # (B, quarter, H/4, W/4)    │       │
        m = self.middle_2(m, emb, words)  # (B, quarter, H/4, W/4)                   │       │
        m = F.interpolate(self.grow_b(m), scale_factor=2)  # (B, half, H/2, W/2)     │       │
        b = self.up_b(torch.cat([m, b], dim=1), emb, words)  # (B, half, H/2, W/2) ◄─┘       │
        b = F.interpolate(self.grow_a(b), scale_factor=2)  # (B, full, H, W)                 │
        a = self.up_a(torch.cat([b, a], dim=1), emb, words)  # (B, full, H, W) ◄─────────────┘
        return self.head(a)  # (B, channels, H, W)
