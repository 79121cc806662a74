r"""Measures of how good pictures are, over whole sets of them.

The Fréchet distance compares two sets through the mean and covariance of their features, as if both were Gaussian:

.. math:: d^2 = \|\mu_1-\mu_2\|^2 + \operatorname{tr}\big(\Sigma_1 + \Sigma_2 - 2\,(\Sigma_1\Sigma_2)^{1/2}\big).

Sources: Dowson, Landau 1982 (the distance); Heusel et al. 2017, *GANs Trained by a Two Time-Scale Update Rule*,
equation 6 (its use on features). Ours come from the course's own classifier, so our figures compare with each other
and with nobody else's. Smaller sets look worse, so compare only sets of equal size, and look at the floor: what two
sets of real pictures score.
"""

import math

import torch
from torch import Tensor, nn

from course_lib.arguments import require_same_shape, require_tensor
from course_lib.device import best_device


def frechet_distance(features_1: Tensor, features_2: Tensor) -> float:
    """The squared Fréchet distance between two sets of features, (N, D) and (M, D) with N, M > 1; never negative."""
    (mean_1, cov_1), (mean_2, cov_2) = mean_and_covariance(features_1), mean_and_covariance(features_2)
    return gaussian_frechet_distance(mean_1, cov_1, mean_2, cov_2)


def mean_and_covariance(features: Tensor) -> tuple[Tensor, Tensor]:
    """Of a set of features, (N, D) with N > 1: shapes (D,) and (D, D), float64."""
    require_tensor("features", features)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features must have shape (N, D) with N > 1, but their shape is {tuple(features.shape)}.")
    features = features.double()
    return features.mean(dim=0), features.T.cov()


def gaussian_frechet_distance(mean_1: Tensor, cov_1: Tensor, mean_2: Tensor, cov_2: Tensor) -> float:
    """The squared Fréchet distance between two Gaussians; means (D,), covariances (D, D), symmetric and not negative."""
    require_same_shape("mean_2", mean_2, "mean_1", mean_1)
    require_same_shape("cov_2", cov_2, "cov_1", cov_1)
    # tr (S1 S2)^½ = tr (S1^½ S2 S1^½)^½, whose matrix is symmetric: two symmetric eigenproblems, no complex numbers.
    root_1 = _symmetric_root(cov_1)
    eigenvalues = torch.linalg.eigvalsh(root_1 @ cov_2 @ root_1).clamp(min=0)
    trace = cov_1.trace() + cov_2.trace() - 2 * eigenvalues.sqrt().sum()
    return ((mean_1 - mean_2).square().sum() + trace).clamp(min=0).item()  # rounding may leave -1e-12


def _symmetric_root(matrix: Tensor) -> Tensor:
    eigenvalues, vectors = torch.linalg.eigh(matrix)
    return vectors * eigenvalues.clamp(min=0).sqrt() @ vectors.T


@torch.no_grad()
def in_batches(function: nn.Module, pictures: Tensor, size: int = 500) -> Tensor:
    """Apply a network's function to many pictures, ``size`` at a time on the best device; the answers, (N, …), on the CPU."""
    return torch.cat([function(batch.to(best_device())).cpu() for batch in pictures.split(size)])


def accuracy(classifier: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """The share of pictures, (N, …), that the classifier gives their label, (N,); in [0, 1]."""
    return (in_batches(classifier, pictures).argmax(dim=1) == labels.cpu()).double().mean().item()


def psnr(pictures: Tensor, others: Tensor) -> float:
    r"""Peak signal-to-noise ratio of two sets of pictures in [-1, 1], of one shape, in dB; larger is more alike.

    .. math:: 10\,\log_{10}\frac{2^2}{\text{mean squared error}}, \qquad 2 \text{ being the range of the values.}
    """
    require_same_shape("others", others, "pictures", pictures)
    return 10 * math.log10(4 / (pictures - others).square().mean().item())
