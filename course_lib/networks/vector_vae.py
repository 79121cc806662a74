r"""A VAE that draws pictures by itself: its latent is one vector, and a vector from :math:`N(0, I)` is as good as any.

    x ──trunk──► mean and variance (32) ──draw──► z ──generator──► mean of x

The encoder is the GAN's discriminator but for its last layer, and the decoder is the GAN's generator, weight for weight:
what the two families draw differs by what they minimise, not by what they are made of. The first stage of latent
diffusion (vae.py) is no such thing: it keeps nearly all of a picture, and noise decodes to nothing there.

Source: Kingma, Welling 2014, *Auto-Encoding Variational Bayes*; Rybkin et al. 2021, *Simple and Effective VAE Training
with Calibrated Decoders*, section 3 (one learned deviation for all pixels).
"""

import torch
from torch import Tensor, nn

from course_lib.networks.gan import Generator, Trunk, of_labels, require_sizes
from course_lib.networks.vae import Posterior


class VectorVAE(nn.Module):
    """Pictures with labels to vectors and back.

    Args:
        channels, classes, side, latent, width, leak: as the generator's.
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
        require_sizes(side, classes=classes, latent=latent)
        self.trunk = Trunk(channels, side, width)
        self.embed_label = nn.Embedding(classes, self.trunk.features)
        self.to_posterior = nn.Linear(self.trunk.features, 2 * latent)
        self.decoder = Generator(channels, classes, side, latent, width, leak)
        self.log_sigma = nn.Parameter(torch.tensor(-1.0))  # of the pixels around their mean, learned

    def encode(self, x: Tensor, labels: Tensor) -> Posterior:
        """Pictures, (B, channels, side, side) in [-1, 1], and labels, (B,) int64, to Gaussians over vectors, (B, latent)."""
        features = self.trunk(x)  # (B, features)
        of_label = of_labels(self.embed_label, labels, len(x))  # (B, features)
        mean, log_var = self.to_posterior(features + of_label).chunk(2, dim=1)
        return Posterior(mean, log_var.clamp(-20, 10))  # beyond, exp would leave float32's comfortable range

    def decode(self, z: Tensor, labels: Tensor) -> Tensor:
        """Vectors, (B, latent), and labels, (B,) int64, to the means of pictures, (B, channels, side, side)."""
        return self.decoder(z, labels)
