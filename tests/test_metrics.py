"""The Fréchet distance against scipy, against closed forms, and as a distance should behave."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch import nn

from course_lib.datasets import fashion
from course_lib.metrics import (
    accuracy,
    frechet_distance,
    gaussian_frechet_distance,
    high_frequency_energy,
    largest_jump,
    mean_and_covariance,
    mean_pairwise_distance,
    precision_and_recall,
    psnr,
    saturation,
    seam,
)
from course_lib.support.batches import in_batches


def features(seed, n=300, d=6):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=generator)
    return torch.randn(n, d, generator=generator) @ mixing + torch.randn(d, generator=generator)


@given(seed=st.integers(0, 200))
def test_agrees_with_scipys_matrix_square_root(seed):
    a, b = features(2 * seed), features(2 * seed + 1)
    (m1, c1), (m2, c2) = [(x.double().numpy().mean(0), np.cov(x.double().numpy(), rowvar=False)) for x in (a, b)]
    expected = ((m1 - m2) ** 2).sum() + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_two_gaussians_with_a_known_distance():
    # Covariances that commute: the distance is |m1 - m2|² + sum (s1 - s2)² over the axes' deviations.
    m1, m2 = torch.tensor([0.0, 1.0]).double(), torch.tensor([3.0, -1.0]).double()
    c1, c2 = torch.diag(torch.tensor([4.0, 1.0]).double()), torch.diag(torch.tensor([1.0, 9.0]).double())
    assert gaussian_frechet_distance(m1, c1, m2, c2) == pytest.approx(9 + 4 + (2 - 1) ** 2 + (1 - 3) ** 2)
    angle = torch.tensor(0.7).double()
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]]).double()
    turned = gaussian_frechet_distance(turn @ m1, turn @ c1 @ turn.T, turn @ m2, turn @ c2 @ turn.T)
    assert turned == pytest.approx(18)


def test_sampled_gaussians_come_close_to_the_known_distance():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(100_000, 3, generator=generator)
    b = 2 * torch.randn(100_000, 3, generator=generator) + 1
    assert frechet_distance(a, b) == pytest.approx(3 * (1 + 1), rel=0.02)


@given(seed=st.integers(0, 100))
def test_symmetric_zero_to_itself_and_never_negative(seed):
    a, b = features(seed), features(seed + 1000)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)
    assert 0 <= frechet_distance(a, a) < 1e-6  # rounding must not make it negative
    assert frechet_distance(a, b) >= 0


def test_features_that_never_vary_are_no_problem():
    flat = torch.cat([features(0), torch.zeros(300, 2)], dim=1)
    assert frechet_distance(flat, flat) == pytest.approx(0, abs=1e-6)


@given(seed=st.integers(0, 100))
def test_fewer_pictures_than_features_give_a_number_all_the_same(seed):
    few, others = features(seed, n=4, d=20), features(seed + 1000, n=4, d=20)  # covariances of rank 3
    mean_part = (few.double().mean(0) - others.double().mean(0)).square().sum().item()
    traces = sum(np.trace(np.cov(x.double().numpy(), rowvar=False)) for x in (few, others))
    assert mean_part * (1 - 1e-9) <= frechet_distance(few, others) <= mean_part + traces


def test_mean_and_covariance_are_numpys():
    x = features(3)
    mean, cov = mean_and_covariance(x)
    np.testing.assert_allclose(mean, x.double().numpy().mean(0))
    np.testing.assert_allclose(cov, np.cov(x.double().numpy(), rowvar=False))


def test_accuracy_and_batches():
    pictures = torch.eye(4).repeat(300, 1)  # 1,200 pictures whose class is where they are one
    labels = torch.arange(4).repeat(300)
    assert accuracy(nn.Identity(), pictures, labels) == 1
    assert accuracy(nn.Identity(), pictures, (labels + (torch.arange(1200) < 300)) % 4) == 0.75
    assert torch.equal(in_batches(nn.Identity(), pictures, 7), pictures)


@pytest.mark.parametrize("bad", [torch.zeros(5), torch.zeros(1, 5), torch.zeros(2, 2, 2)])
def test_refusals(bad):
    with pytest.raises(ValueError, match=r"features must have shape \(N, D\) with N > 1"):
        frechet_distance(bad, torch.zeros(5, 5))
    with pytest.raises(ValueError, match="mean_2 must have the shape of mean_1"):
        frechet_distance(torch.rand(5, 3), torch.rand(5, 4))


def test_peak_signal_to_noise_ratio_of_known_errors():
    black = -torch.ones(1, 3, 4, 4)
    assert psnr(black, -black) == pytest.approx(0)  # as wrong as can be
    assert psnr(black, black + 0.2) == pytest.approx(20)  # a tenth of the range


def test_peak_signal_to_noise_ratio_of_one_noise_for_many_pictures_is_refused():
    with pytest.raises(ValueError, match="others must have the shape of pictures"):
        psnr(torch.zeros(2, 3, 4, 4), torch.zeros(3, 4, 4))


# --- precision, recall, diversity, saturation -------------------------------------------------------------------------


def test_precision_and_recall_tell_two_failures_apart():
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(200, 2, generator=generator) + torch.tensor([x, 0.0]) for x in (-50.0, 50.0))
    more_left = torch.randn(400, 2, generator=generator) + torch.tensor([-50.0, 0.0])
    both, elsewhere = torch.cat([left, right]), torch.randn(200, 2, generator=generator) + 1000
    precision, recall = precision_and_recall(both, more_left)  # real enough, but half is never drawn
    assert precision > 0.9
    assert 0.4 < recall < 0.5
    precision, recall = precision_and_recall(left, torch.cat([left + 0.01, elsewhere]))  # half of it is not real
    assert precision == pytest.approx(0.5, abs=0.02)
    assert recall > 0.98
    assert precision_and_recall(both, both) == (1, 1)


def test_precision_by_hand():
    real, drawn = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[-0.9], [4.9], [5.1]])
    # Balls around 0, 1, 3 of radius 1, 1, 2 reach from -1 to 5; those around -0.9, 4.9, 5.1 of 5.8, 0.2, 0.2 to 4.9.
    assert precision_and_recall(real, drawn, neighbours=1) == (pytest.approx(2 / 3), 1)


@pytest.mark.parametrize("neighbours", [0, 3, 4])
def test_neighbours_are_within_the_sets(neighbours):
    with pytest.raises(ValueError, match="neighbours must lie between 1 and 2"):
        precision_and_recall(torch.randn(3, 2), torch.randn(5, 2), neighbours)


def test_precision_wants_features_of_one_size():
    with pytest.raises(ValueError, match="drawn"):
        precision_and_recall(torch.randn(3, 2), torch.randn(5, 3), 1)


def test_mean_pairwise_distance_by_hand():
    assert mean_pairwise_distance(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])) == pytest.approx(10 / 3)


def test_saturation_is_that_of_hsv():
    grey, red, rose, black = (
        torch.tensor(rgb).reshape(1, 3, 1, 1) * 2 - 1
        for rgb in ([0.3, 0.3, 0.3], [0.7, 0.0, 0.0], [1.0, 0.75, 0.5], [0.0, 0.0, 0.0])
    )
    assert [saturation(each) for each in (grey, red, rose, black)] == pytest.approx([0, 1, 0.5, 0], abs=1e-5)
    assert saturation(torch.cat([grey, red])) == pytest.approx(0.5)


# --- sharpness and paths ----------------------------------------------------------------------------------------------


def wave(cycles_across, cycles_down, size=32):
    across, down = torch.arange(size), torch.arange(size)[:, None]
    return torch.cos(2 * torch.pi * (cycles_across * across + cycles_down * down) / size)[None, None]


def test_the_energy_of_waves_is_known():
    # A cosine's mean square is 1/2; of 32 pixels, 8 cycles are a quarter of a cycle a pixel.
    for cycles, energy in (((8, 0), 0), ((9, 0), 0.5), ((0, 9), 0.5), ((5, 5), 0), ((6, 6), 0.5), ((16, 0), 1)):
        assert high_frequency_energy(0.9 * wave(*cycles)) == pytest.approx(0.81 * energy, abs=1e-6), cycles
    assert high_frequency_energy(torch.full((2, 1, 8, 8), 0.7)) == pytest.approx(0, abs=1e-12)  # the mean is no edge


def test_noise_has_its_share_of_the_energy_and_a_blurred_picture_has_less():
    noise = (0.3 * torch.randn(200, 1, 28, 28, generator=torch.Generator().manual_seed(0))).clamp(-2, 2)
    f = torch.fft.fftfreq(28)
    share = (f[None] ** 2 + f[:, None] ** 2 > 1 / 16).double().mean().item()
    assert high_frequency_energy(noise) == pytest.approx(0.09 * share, rel=0.02)
    pictures = fashion.test_set().pictures[:300]
    energy = high_frequency_energy(pictures)
    assert high_frequency_energy(pictures.repeat(2, 1, 1, 1)) == pytest.approx(energy)
    blurred = [pictures]
    for _ in range(2):
        blurred.append(nn.functional.avg_pool2d(blurred[-1], 3, 1, 1, count_include_pad=False))
    energies = [high_frequency_energy(each) for each in blurred]
    assert energies[1] < 0.3 * energies[0]
    assert energies[2] < energies[1]
    assert high_frequency_energy((pictures + noise.repeat(2, 1, 1, 1)[:300]).clamp(-1, 1)) > 1.5 * energy


def test_the_largest_jump_of_known_paths():
    even = torch.arange(5.0)[:, None] * torch.tensor([[3.0, 4.0]])
    assert largest_jump(even) == pytest.approx(1)
    assert largest_jump(torch.tensor([[0.0], [1.0], [2.0], [7.0]])) == pytest.approx(5 / (7 / 3))
    assert largest_jump(torch.tensor([[0.0]] * 5 + [[1.0]])) == pytest.approx(5)  # all of it in one of five steps
    with pytest.raises(ValueError, match="go somewhere"):
        largest_jump(torch.ones(4, 2))
    with pytest.raises(ValueError, match="two steps or more"):
        largest_jump(torch.tensor([[0.0], [1.0]]))


def test_equal_features_lie_in_each_others_balls_however_many_there_are():
    for seed in range(20):
        one = torch.randn(1, 64, generator=torch.Generator().manual_seed(seed))
        assert precision_and_recall(one.repeat(24, 1), one.repeat(48, 1)) == (1.0, 1.0)


def test_saturation_stays_within_its_range_where_a_network_overshoots():
    dark = torch.tensor([-1.01, -1.02, -1.02]).reshape(1, 3, 1, 1)
    assert saturation(dark) == 0
    assert 0 <= saturation(-1 + 0.02 * torch.randn(2, 3, 8, 8)) <= 1


def test_one_feature_is_a_set_of_features_too():
    few, others = torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [5.0]])
    assert frechet_distance(few, others) == pytest.approx(9)


def test_a_covariance_that_is_none_is_refused():
    mean, one = torch.zeros(2), torch.eye(2)
    for wrong in (-one, torch.tensor([[1.0, 0.5], [0.0, 1.0]])):
        with pytest.raises(ValueError, match="cov_2 must be a covariance"):
            gaussian_frechet_distance(mean, one, mean, wrong)
    assert gaussian_frechet_distance(mean, 0 * one, mean, one) == pytest.approx(2)


def test_the_seam_is_the_mean_step_over_the_border_of_a_hole_alone():
    pictures = torch.zeros(2, 1, 6, 8)
    hole = torch.zeros(1, 1, 6, 8, dtype=torch.bool)
    hole[..., 2:4, 3:6] = True
    inside, outside = pictures.clone(), pictures.clone()
    inside[..., 2:4, 3:6] = 0.5
    outside[0, :, :2] = -0.25  # above the hole: 3 of its 10 neighbours, in one of two pictures
    assert seam(inside, hole) == pytest.approx(0.5)
    assert seam(outside, hole) == pytest.approx(0.25 * 3 / 20)
    chequered = torch.rand(2, 1, 6, 8, generator=torch.Generator().manual_seed(0))
    beside = chequered.clone()
    beside[..., 0, 0] += 0.3  # touches no border
    assert seam(beside, hole) == seam(chequered, hole)
    each = torch.cat([hole, hole.roll(1, -1)])
    halves = [seam(chequered[row : row + 1], each[row : row + 1]) for row in range(2)]
    assert seam(chequered, each) == pytest.approx(sum(halves) / 2)


@pytest.mark.parametrize("marked", [True, False])
def test_a_seam_needs_a_border(marked):
    with pytest.raises(ValueError, match="mark something, but not all"):
        seam(torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), marked))


def test_a_hole_for_the_seam_is_bool_and_fits():
    with pytest.raises(TypeError, match="hole must be bool"):
        seam(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4))
    with pytest.raises(ValueError, match="hole must fit"):
        seam(torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4, dtype=torch.bool))


def test_the_frechet_distance_is_computed_in_double_precision_whatever_it_is_handed():
    """In float32 the large traces of nearly equal Gaussians would leave nothing of their small distance."""
    factor = torch.randn(16, 16, generator=torch.Generator().manual_seed(0))
    cov = 1e4 * factor @ factor.T
    cov = (cov + cov.T) / 2
    assert gaussian_frechet_distance(torch.zeros(16), cov, torch.full((16,), 0.1), cov) == pytest.approx(0.16, rel=1e-3)


def test_three_neighbours_unless_told_otherwise():
    generator = torch.Generator().manual_seed(0)
    real, drawn = torch.randn(60, 3, generator=generator), 1.5 * torch.randn(60, 3, generator=generator)
    assert precision_and_recall(real, drawn) == precision_and_recall(real, drawn, 3)
    assert precision_and_recall(real, drawn) != precision_and_recall(real, drawn, 4)
