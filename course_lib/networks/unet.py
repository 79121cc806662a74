r"""The U-Net: down to where a position sees the whole picture, and up again, with skip connections.

    x_t ──patches──► a ────────────shortcut────────────► a' ──pictures──► out
                      │ shrink                      grow │
                      └──────► b ───shortcut───► b' ─────┘
                               │                 │
                               └──► middle ──────┘

Two choices make it quick on a CPU. Pictures enter as 2×2 patches, a quarter of the positions with four times
the channels; and there are just two resolutions. Latents, which are packed already, enter as they are (patch=1): a
neighbour says little about them, and a network that sees them one by one learns much faster.

Sources: Ronneberger et al. 2015, *U-Net*; Ho et al. 2020, appendix B (residual blocks, time embedding); Dhariwal,
Nichol 2021, *Diffusion Models Beat GANs*, section 3.1 (scale and shift).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.networks.attention import SelfAttention
from course_lib.networks.time_embedding import embed_time
from course_lib.support.arguments import require_batch, require_labels, require_maps


class ResBlock(nn.Module):
    """Two convolutions, added to their input; between them the embedding scales and shifts every channel."""

    def __init__(self, channels_in: int, channels: int, embedding: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(8, channels_in), nn.Conv2d(channels_in, channels, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(8, channels), nn.Conv2d(channels, channels, 3, padding=1)
        self.scale_and_shift = nn.Linear(embedding, 2 * channels)
        self.shortcut = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()
        nn.init.zeros_(self.conv2.weight)  # a new block changes nothing: the network starts shallow and deepens
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:  # (B, C_in, H, W), (B, E) -> (B, C, H, W)
        h = self.conv1(F.silu(self.norm1(x)))  # (B, C, H, W)
        scale, shift = self.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=1)  # each (B, C, 1, 1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.shortcut(x) + h


class UNet(nn.Module):
    """A class-conditional U-Net for pictures, or latents, whose sides divide by twice the patch.

    Args:
        channels: of a picture, 1 for grey.
        classes: how many labels there are; one more, ``null_class``, stands for "no label" and lets one network
            be both the conditional and the unconditional model.
        width: channels at the upper resolution, divisible by 8; the lower has twice as many.
        patch: the side of the patches in which a picture enters, 1 for none.
    """

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 48, patch: int = 2) -> None:
        super().__init__()
        embedding, wide, patch_channels = 4 * width, 2 * width, channels * patch**2
        self.patch = patch
        self.null_class = classes
        self.time_size = 64
        self.embed_t = nn.Sequential(nn.Linear(self.time_size, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.embed_label = nn.Embedding(classes + 1, embedding)

        self.stem = nn.Conv2d(patch_channels, width, 3, padding=1)
        self.down_a = ResBlock(width, width, embedding)
        self.shrink = nn.Conv2d(width, wide, 3, stride=2, padding=1)
        self.down_b = ResBlock(wide, wide, embedding)
        self.middle_1 = ResBlock(wide, wide, embedding)
        self.attention = SelfAttention(wide)
        self.middle_2 = ResBlock(wide, wide, embedding)
        self.up_b = ResBlock(2 * wide, wide, embedding)
        self.grow = nn.Conv2d(wide, width, 3, padding=1)
        self.up_a = ResBlock(2 * width, width, embedding)
        self.head = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, patch_channels, 3, padding=1))
        nn.init.zeros_(self.head[-1].weight)  # the first guess is zero everywhere: a loss of one, from where it falls
        nn.init.zeros_(self.head[-1].bias)

    def forward(self, x_t: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
        """Predict, for each picture.

        Args:
            x_t: (B, channels, H, W).
            t: (B,), int64, in 1…T.
            cond: labels, int64 in 0…classes, one for each picture, (B,), or K, (B, K), whose embeddings are added;
                ``null_class`` means none, and None means none for all.

        Returns:
            (B, channels, H, W): eps, x_0 or v, whatever it was trained to predict.

        Raises:
            TypeError, ValueError: for anything else, in one sentence.
        """
        weight = self.stem.weight
        require_maps("x_t", x_t, weight.shape[1] // self.patch**2, 2 * self.patch, weight)
        require_batch("t", t, len(x_t))
        if cond is None:
            cond = torch.full_like(t, self.null_class, dtype=torch.int64)
        else:
            require_labels("cond", cond, self.null_class + 1)
            if cond.ndim not in (1, 2) or len(cond) != len(x_t):
                raise ValueError(
                    f"cond must hold labels for each of the {len(x_t)} pictures, (B,) or (B, K), "
                    f"but its shape is {tuple(cond.shape)}."
                )
        labels = self.embed_label(cond.long().reshape(len(t), -1)).sum(dim=1)  # (B, E)
        waves = embed_time(t, self.time_size).to(weight.dtype)  # (B, 64)
        emb = F.silu(self.embed_t(waves) + labels)  # (B, E)

        patches = F.pixel_unshuffle(x_t, self.patch)  # (B, 4 channels, H/2, W/2), for 2×2 patches
        a = self.down_a(self.stem(patches), emb)  # (B, width, H/2, W/2) ────────────────┐
        b = self.down_b(self.shrink(a), emb)  # (B, wide, H/4, W/4) ────────────┐        │
        m = self.attention(self.middle_1(b, emb))  # (B, wide, H/4, W/4)        │        │
        m = self.middle_2(m, emb)  # (B, wide, H/4, W/4)                        │        │
        b = self.up_b(torch.cat([m, b], dim=1), emb)  # (B, wide, H/4, W/4) ◄───┘        │
        b = F.interpolate(self.grow(b), scale_factor=2)  # (B, width, H/2, W/2)          │
        a = self.up_a(torch.cat([b, a], dim=1), emb)  # (B, width, H/2, W/2) ◄───────────┘
        return F.pixel_shuffle(self.head(a), self.patch)  # (B, channels, H, W)
