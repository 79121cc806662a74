r"""Measures of how good pictures are, over whole sets of them.

The Fréchet distance compares two sets through the mean and covariance of their features, as if both were Gaussian:

.. math:: d^2 = \|\mu_1-\mu_2\|^2 + \operatorname{tr}\big(\Sigma_1 + \Sigma_2 - 2\,(\Sigma_1\Sigma_2)^{1/2}\big).

Precision and recall tell the two ways of failing apart: pictures that are not like real ones, and real ones that are
never drawn.

Sources: Dowson, Landau 1982 (the distance); Heusel et al. 2017, *GANs Trained by a Two Time-Scale Update Rule*,
equation 6 (its use on features); Kynkäänniemi et al. 2019, *Improved Precision and Recall Metric for Assessing
Generative Models*, equations 1 and 2. Ours come from the course's own classifier, so our figures compare with each other
and with nobody else's. Smaller sets look worse, so compare only sets of equal size, and look at the floor: what two
sets of real pictures score.
"""

import math

import torch
from torch import Tensor, nn

from course_lib.support.arguments import (
    require_axes,
    require_batch,
    require_finite,
    require_hole,
    require_labels,
    require_number,
    require_pictures,
    require_rows,
    require_same_shape,
    require_whole_number,
)
from course_lib.support.batches import in_batches


def frechet_distance(features_1: Tensor, features_2: Tensor) -> float:
    """d², the squared Fréchet distance, as in FID, of two sets of features, (N, D) and (M, D) with N, M > 1; at least 0."""
    (mean_1, cov_1), (mean_2, cov_2) = mean_and_covariance(features_1), mean_and_covariance(features_2)
    return gaussian_frechet_distance(mean_1, cov_1, mean_2, cov_2)


def mean_and_covariance(features: Tensor) -> tuple[Tensor, Tensor]:
    """Of a set of features, (N, D) with N > 1: shapes (D,) and (D, D), float64, on the CPU."""
    features = _features("features", features)
    return features.mean(dim=0), features.T.cov().reshape(features.shape[1], -1)  # (1, 1), too


def gaussian_frechet_distance(mean_1: Tensor, cov_1: Tensor, mean_2: Tensor, cov_2: Tensor) -> float:
    """d², the squared Fréchet distance between two Gaussians; means (D,), covariances (D, D), symmetric and not negative."""
    gaussians = {"mean_1": mean_1, "cov_1": cov_1, "mean_2": mean_2, "cov_2": cov_2}
    for name, each in gaussians.items():
        require_finite(name, each)
    require_axes("mean_1", mean_1, "D")
    require_same_shape("mean_2", mean_2, "mean_1", mean_1)
    require_axes("cov_1", cov_1, len(mean_1), len(mean_1))
    require_same_shape("cov_2", cov_2, "cov_1", cov_1)
    mean_1, cov_1, mean_2, cov_2 = (each.detach().cpu().double() for each in gaussians.values())
    for name, cov in (("cov_1", cov_1), ("cov_2", cov_2)):
        smallest, largest = torch.linalg.eigvalsh(cov)[[0, -1]].tolist()
        if not torch.allclose(cov, cov.T, rtol=1e-4, atol=1e-6 * abs(largest)) or smallest < -1e-4 * max(largest, 0):
            raise ValueError(f"{name} must be a covariance, symmetric and without a negative eigenvalue.")
    # tr (S1 S2)^½ = tr (S1^½ S2 S1^½)^½, whose matrix is symmetric: two symmetric eigenproblems, no complex numbers.
    root_1 = _symmetric_root(cov_1)
    eigenvalues = torch.linalg.eigvalsh(root_1 @ cov_2 @ root_1).clamp(min=0)
    trace = cov_1.trace() + cov_2.trace() - 2 * eigenvalues.sqrt().sum()
    return ((mean_1 - mean_2).square().sum() + trace).clamp(min=0).item()  # rounding may leave -1e-12


def _symmetric_root(matrix: Tensor) -> Tensor:
    eigenvalues, vectors = torch.linalg.eigh(matrix)
    return vectors * eigenvalues.clamp(min=0).sqrt() @ vectors.T


def precision_and_recall(real: Tensor, drawn: Tensor, neighbours: int = 3) -> tuple[float, float]:
    """How many of the drawn look real, and how many of the real could have been drawn, each in [0, 1].

    Around every point of a set lies a ball that reaches to its k-th nearest neighbour in the set; together the balls
    are where the set lives. Precision is the share of the drawn within the balls of the real, recall that of the real
    within those of the drawn. Both depend on the sizes of the sets: compare at equal ones.

    Args:
        real, drawn: features, (N, D) and (M, D), with more rows than ``neighbours``.
        neighbours: k, at least 1.
    """
    real, drawn = _features("real", real), _features("drawn", drawn)
    require_axes("drawn", drawn, "M", real.shape[1])
    require_whole_number("neighbours", neighbours)
    require_number("neighbours", neighbours, 1, min(len(real), len(drawn)) - 1)
    return _share_within(drawn, real, neighbours), _share_within(real, drawn, neighbours)


def _share_within(points: Tensor, others: Tensor, neighbours: int) -> float:
    # Everyone is its own nearest, at distance 0: the k-th neighbour is the one after.
    radius = _distances(others, others).kthvalue(neighbours + 1, dim=1).values  # (M,)
    return (_distances(points, others) <= radius).any(dim=1).double().mean().item()


def _distances(points: Tensor, others: Tensor) -> Tensor:
    """(N, M). By way of a matrix product, as torch does it for many, two in one place would be a little apart."""
    return torch.cdist(points, others, compute_mode="donot_use_mm_for_euclid_dist")


def mean_pairwise_distance(features: Tensor) -> float:
    """The mean Euclidean distance of two different ones of (N, D) with N > 1: 0 if all are the same."""
    return torch.nn.functional.pdist(_features("features", features)).mean().item()


def _features(name: str, features: Tensor) -> Tensor:
    """(N, D) with N > 1, finite, as float64; on the CPU, since not every GPU knows float64."""
    require_finite(name, features)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"{name} must have shape (N, D) with N > 1, but their shape is {tuple(features.shape)}.")
    return features.detach().cpu().double()


def saturation(pictures: Tensor) -> float:
    """The mean over all pixels of the saturation of HSV, (max - min) / max of red, green and blue; in [0, 1], 0 for greys.

    Pictures are (N, 3, H, W) in [-1, 1].
    """
    require_pictures("pictures", pictures)
    require_axes("pictures", pictures, "N", 3, "H", "W")
    rgb = (pictures.clamp(-1, 1) + 1) / 2
    largest = rgb.amax(dim=1)  # (N, H, W)
    return ((largest - rgb.amin(dim=1)) / largest.clamp(min=1e-6)).mean().item()


@torch.no_grad()
def accuracy(classifier: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """The share of pictures, (N, …), that the classifier gives their label, (N,); in [0, 1]."""
    require_rows("pictures", pictures)
    require_batch("labels", labels, len(pictures))
    votes = in_batches(classifier, pictures)  # (N, classes)
    require_axes("what the classifier answers", votes, len(pictures), "classes")
    require_finite("what the classifier answers", votes)
    require_labels("labels", labels, votes.shape[1])
    return (votes.argmax(dim=1) == labels.cpu()).double().mean().item()


def psnr(pictures: Tensor, others: Tensor) -> float:
    r"""Peak signal-to-noise ratio of two sets of pictures in [-1, 1], of one shape, in dB; larger is more alike.

    .. math:: 10\,\log_{10}\frac{2^2}{\text{mean squared error}}, \qquad 2 \text{ being the range of the values.}
    It is infinite if they are the same.
    """
    require_pictures("pictures", pictures)
    require_pictures("others", others)
    require_same_shape("others", others, "pictures", pictures)
    error = (pictures - others).square().mean().item()
    return 10 * math.log10(4 / error) if error else math.inf


def high_frequency_energy(pictures: Tensor) -> float:
    r"""The mean power, a pixel, of all waves shorter than four pixels: edges and grain have it, a blurred picture has none.

    .. math:: \frac1{(HW)^2} \sum_{|f| > 1/4} \big|\hat x_f\big|^2 \qquad (\hat x \text{ the discrete Fourier transform, } f
        \text{ in cycles a pixel})

    Only a ratio says something: that of drawn pictures to real ones is 1 if they are as sharp, below if they are blurred,
    above if they are grainy.

    Args:
        pictures: (N, C, H, W) in [-1, 1].
    """
    require_pictures("pictures", pictures)
    require_axes("pictures", pictures, "N", "C", "H", "W")
    height, width = pictures.shape[2:]
    power = (
        torch.fft.fft2(pictures.detach().cpu().double(), norm="forward").abs() ** 2
    )  # (N, C, H, W), sums to the mean square
    across, down = torch.fft.fftfreq(width), torch.fft.fftfreq(height)  # cycles a pixel, in [-1/2, 1/2)
    short = across[None, :] ** 2 + down[:, None] ** 2 > 1 / 16  # (H, W)
    return power[..., short].sum(dim=-1).mean().item()


def seam(pictures: Tensor, hole: Tensor) -> float:
    r"""How hard the border of a hole is: the mean step from a pixel just inside to its neighbour just outside.

    .. math:: \frac1{|B|} \sum_{(i, j) \in B} |x_i - x_j|, \qquad B \text{ all neighbours, beside or below each other, of
        which one lies in the hole.}

    Only a ratio says something: that of filled pictures to what stood there is 1 if they go on as smoothly.

    Args:
        pictures: (N, C, H, W) in [-1, 1].
        hole: bool, broadcastable to (N, 1, H, W), True in the hole.

    Raises:
        ValueError: if nothing or everything is marked.
    """
    require_pictures("pictures", pictures)
    require_axes("pictures", pictures, "N", "C", "H", "W")
    require_hole("hole", hole, "one channel of pictures", pictures[:, :1])
    # (N, 1, H - 1, W) and (N, 1, H, W - 1)
    steps = [pictures.diff(dim=side).abs().mean(dim=1, keepdim=True) for side in (2, 3)]
    crosses = [hole.expand_as(pictures[:, :1]).int().diff(dim=side) != 0 for side in (2, 3)]
    if not any(each.any() for each in crosses):
        raise ValueError("hole must have a border within the pictures: mark something, but not all.")
    return torch.cat([step[where] for step, where in zip(steps, crosses, strict=True)]).double().mean().item()


def largest_jump(path: Tensor) -> float:
    r"""How evenly a path goes through its features, (N, D) with N > 2: its largest step against its mean step; 1 at best.

    .. math:: \frac{\max_i\|f_{i+1} - f_i\|}{\frac1{N-1}\sum_i\|f_{i+1} - f_i\|}
    """
    steps = _features("path", path).diff(dim=0).norm(dim=1)  # (N - 1,)
    if len(steps) < 2 or not steps.sum():
        raise ValueError(f"path must have two steps or more and go somewhere, but its shape is {tuple(path.shape)}.")
    return (steps.max() / steps.mean()).item()
