r"""A generator and a discriminator: noise becomes a picture in one pass, and a second network says how real it looks.

    z ──linear──► 7×7 ──blocks──► 7×7 ──grow──► 14×14 ──blocks──► 14×14 ──patches──► picture
    picture ──patches──► 14×14 ──blocks──► 14×14 ──shrink──► 7×7 ──blocks──► 7×7 ──pool──► features ──► score

Each is the other's mirror. Neither normalises: statistics over a batch would let its pictures see each other, and a
discriminator must judge each alone. A new block changes nothing, since its second convolution begins at zero.

Sources: Goodfellow et al. 2014, *Generative Adversarial Nets*; Miyato, Koyama 2018, *cGANs with Projection
Discriminator*, equation 3 (how the label enters the score); Huang et al. 2024, *The GAN is dead; long live the GAN!*,
section 3 (residual blocks without normalisation, on both sides the same).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.support.arguments import (
    require_axes,
    require_batch,
    require_count,
    require_kind,
    require_labels,
    require_maps,
    require_number,
)

PATCH = 2
SLOPE = 0.2  # of the leaky ReLU below zero: a gradient reaches the generator from everywhere


class Block(nn.Module):
    """Two convolutions, added to their input; no normalisation, and no change at the beginning."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        nn.init.kaiming_normal_(self.conv1.weight, SLOPE)
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C, H, W)
        h = self.conv1(F.leaky_relu(x, SLOPE))
        return x + self.conv2(F.leaky_relu(h, SLOPE))


class Generator(nn.Module):
    """Noise and a label to a picture.

    Args:
        channels: of a picture, 1 for grey.
        classes: how many labels there are; 1 if there are none to tell apart.
        side: of a picture, in pixels, divisible by 4.
        latent: how many numbers the noise has.
        width: channels at half the resolution; at a quarter there are twice as many.
        leak: how much is left of what lies beyond [-1, 1], the range of pixels; 1 bounds nothing. A black ground comes out
            even if there is little, and if there is some, a picture that has become all black can still learn.
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        side: int = 28,
        latent: int = 32,
        width: int = 48,
        leak: float = 0.01,
    ) -> None:
        super().__init__()
        require_sizes(side, channels=channels, classes=classes, latent=latent, width=width)
        require_number("leak", leak, 0, 1)
        self.latent, self.classes, self.smallest, self.leak = latent, classes, side // 4, leak
        wide = 2 * width
        self.embed_label = nn.Embedding(classes, latent)
        self.start = nn.Linear(2 * latent, wide * self.smallest**2)
        self.low = nn.Sequential(Block(wide), Block(wide))
        self.grow = nn.Conv2d(wide, width, 3, padding=1)
        self.high = nn.Sequential(Block(width), Block(width))
        self.head = nn.Conv2d(width, channels * PATCH**2, 3, padding=1)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """Noise from N(0, I), (B, latent), and labels, (B,) int64 in 0…classes - 1, to (B, channels, side, side)."""
        require_axes("z", z, "B", self.latent)
        require_kind("z", z, self.start.weight)
        h = self.start(torch.cat([z, of_labels(self.embed_label, labels, len(z))], dim=1))  # (B, wide · side² / 16)
        h = self.low(h.unflatten(1, (-1, self.smallest, self.smallest)))  # (B, wide, side / 4, side / 4)
        h = F.interpolate(self.grow(F.leaky_relu(h, SLOPE)), scale_factor=2, mode="bilinear")
        h = self.high(h)  # (B, width, side / 2, side / 2)
        x = F.pixel_shuffle(self.head(F.leaky_relu(h, SLOPE)), PATCH)  # (B, channels, side, side)
        bounded = x.clamp(-1, 1)
        return bounded + self.leak * (x - bounded)


class Trunk(nn.Module):
    """A picture to features: the generator's mirror, all that a discriminator or an encoder has but its last layer.

    Args:
        channels, side, width: as the generator's.
    """

    def __init__(self, channels: int = 1, side: int = 28, width: int = 48) -> None:
        super().__init__()
        require_sizes(side, channels=channels, width=width)
        wide = 2 * width
        self.side, self.features = side, 2 * wide
        self.stem = nn.Conv2d(channels * PATCH**2, width, 3, padding=1)
        self.high = nn.Sequential(Block(width), Block(width))
        self.shrink = nn.Conv2d(width, wide, 3, stride=2, padding=1)
        self.low = nn.Sequential(Block(wide), Block(wide))
        self.pool = nn.Conv2d(wide, self.features, side // 4, groups=wide)  # weighs the places, each channel by itself

    def forward(self, x: Tensor) -> Tensor:
        """Pictures, (B, channels, side, side) in [-1, 1], to (B, features)."""
        weight = self.stem.weight
        channels = weight.shape[1] // PATCH**2
        require_maps("x", x, channels, 2 * PATCH, weight)
        require_axes("x", x, "B", channels, self.side, self.side)
        h = self.high(self.stem(F.pixel_unshuffle(x, PATCH)))  # (B, width, side / 2, side / 2)
        h = self.low(self.shrink(F.leaky_relu(h, SLOPE)))  # (B, wide, side / 4, side / 4)
        h = self.pool(F.leaky_relu(h, SLOPE)).flatten(1)  # (B, features)
        return F.leaky_relu(h, SLOPE)


class Discriminator(nn.Module):
    r"""A picture and a label to a score: the larger, the more it looks like a real one of that label.

    .. math:: D(x, y) = w^\top\phi(x) + b + e_y^\top\phi(x) \qquad (\phi \text{ the trunk's features})

    Args:
        channels, classes, side, width: as the generator's.
    """

    def __init__(self, channels: int = 1, classes: int = 10, side: int = 28, width: int = 48) -> None:
        super().__init__()
        require_sizes(side, classes=classes)
        self.trunk = Trunk(channels, side, width)
        self.score = nn.Linear(self.trunk.features, 1)
        self.embed_label = nn.Embedding(classes, self.trunk.features)
        nn.init.normal_(self.embed_label.weight, std=self.trunk.features**-0.5)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Pictures, (B, channels, side, side) in [-1, 1], and labels, (B,) int64 in 0…classes - 1, to (B,)."""
        features = self.trunk(x)  # (B, features)
        of_label = of_labels(self.embed_label, labels, len(x))  # (B, features)
        return self.score(features).squeeze(1) + (of_label * features).sum(dim=1)  # (B,)


def of_labels(embed_label: nn.Embedding, labels: Tensor, rows: int) -> Tensor:
    """What stands for each row's label, (rows, D); whole numbers of any size, in 0…classes - 1, are labels."""
    require_batch("labels", labels, rows)
    require_labels("labels", labels, embed_label.num_embeddings)
    return embed_label(labels.long())


def require_sizes(side: int, **sizes: int) -> None:
    """Refuse a side that cannot be halved twice, and any size, by its name, that is no whole number of at least 1."""
    for name, size in {"side": side, **sizes}.items():
        require_count(name, size)
    if side % 4:
        raise ValueError(f"side must divide by 4, to be halved twice, but got {side}.")
