"""A small classifier: the course's judge of pictures, and the source of features for the Fréchet distance."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.support.arguments import require_axes, require_maps


class Classifier(nn.Module):
    """Convolutions, each followed by halving the picture, then 64 features and a vote for each class.

    Args:
        channels: of a picture, 1 for grey.
        classes: how many there are.
        size: of a picture, whose sides are equal.
        widths: channels after each convolution.
    """

    FEATURES = 64

    def __init__(
        self, channels: int = 1, classes: int = 10, size: int = 28, widths: tuple[int, ...] = (32, 64, 128)
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential()  # (B, channels, size, size)
        for before, width in pairwise((channels, *widths)):
            self.layers.extend(self._layer(before, width))  # (B, width, half the height, half the width)
        self.size = size
        smallest = size >> len(widths)
        self.to_features = nn.Linear(widths[-1] * smallest**2, self.FEATURES)
        self.to_logits = nn.Linear(self.FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        """What the classifier sees in a picture, before it decides: (B, channels, size, size) in [-1, 1] -> (B, 64)."""
        weight = self.layers[0].weight
        require_maps("x", x, weight.shape[1], 1, weight)
        require_axes("x", x, "B", weight.shape[1], self.size, self.size)
        return self.to_features(self.layers(x).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities: (B, channels, size, size) in [-1, 1] -> (B, classes)."""
        return self.to_logits(F.relu(self.features(x)))

    @staticmethod
    def _layer(channels_in: int, channels: int) -> list[nn.Module]:
        return [
            nn.Conv2d(channels_in, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
