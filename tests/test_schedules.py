"""The schedules against the papers' numbers."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.forward import add_noise
from course_lib.schedules import NoiseSchedule, Schedule, StraightSchedule

SCHEDULES = [NoiseSchedule.linear(), NoiseSchedule.cosine(), NoiseSchedule.linear(50), NoiseSchedule.cosine(7)]


def test_linear_betas_are_those_of_the_paper():
    beta = NoiseSchedule.linear().beta
    assert beta[0] == 0
    assert beta[1].item() == pytest.approx(1e-4, rel=1e-9)
    assert beta[500].item() == pytest.approx(1e-4 + (0.02 - 1e-4) * 499 / 999, rel=1e-9)
    assert beta[1000].item() == pytest.approx(0.02, rel=1e-9)


def test_linear_alpha_bar_is_the_product_of_the_betas():
    schedule = NoiseSchedule.linear()
    product = 1.0
    for t in range(1, 1001):
        product *= 1 - (1e-4 + (0.02 - 1e-4) * (t - 1) / 999)
        assert schedule.alpha_bar[t].item() == pytest.approx(product, rel=1e-10)
    assert product == pytest.approx(4.0358e-5, rel=1e-4)  # what is left of the signal's variance


def test_cosine_alpha_bar_follows_the_paper_until_the_cap():
    alpha_bar = NoiseSchedule.cosine().alpha_bar

    def f(t: int) -> float:
        return math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2

    for t in (1, 10, 250, 500, 900, 999):
        assert alpha_bar[t].item() == pytest.approx(f(t) / f(0), rel=1e-9)
    assert alpha_bar[1000].item() == pytest.approx(0.001 * f(999) / f(0), rel=1e-9)  # beta_T capped at 0.999
    assert alpha_bar[1000].item() == pytest.approx(2.4e-9, rel=0.02)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_clean_picture_first_then_falling(schedule):
    assert schedule.alpha_bar.dtype == torch.float64
    assert schedule.alpha_bar.shape == (schedule.T + 1,)
    assert schedule.alpha_bar[0] == 1
    assert (schedule.alpha_bar.diff() < 0).all()
    assert schedule.alpha_bar[-1] > 0
    assert schedule.snr[0] == math.inf
    torch.testing.assert_close(schedule.snr[1:], schedule.alpha_bar[1:] / (1 - schedule.alpha_bar[1:]))


def test_snr_known_value():
    assert NoiseSchedule.from_beta(torch.tensor([0.25])).snr[1].item() == pytest.approx(3.0)


@given(T=st.integers(1, 300), share=st.floats(0, 1))
def test_times_walk_from_T_to_0(T, share):
    steps = max(1, round(share * T))
    times = NoiseSchedule.linear(T).times(steps)
    assert times[0] == T
    assert times[-1] == 0
    assert len(times) == steps + 1
    gaps = [a - b for a, b in pairwise(times)]
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1  # as even as whole numbers can be, whether or not steps divide T


def test_float32_betas_are_multiplied_in_float64():
    beta = torch.full((1000,), 0.01)  # float32: the nearest number to 0.01, exactly representable in float64
    alpha_bar = NoiseSchedule.from_beta(beta).alpha_bar
    assert alpha_bar[1000].item() == pytest.approx((1 - beta[0].item()) ** 1000, rel=1e-12)


def test_times_of_a_thousand():
    assert NoiseSchedule.linear().times(4) == [1000, 750, 500, 250, 0]
    assert NoiseSchedule.linear().times(1000) == list(range(1000, -1, -1))
    assert NoiseSchedule.linear(10).times(3) == [10, 6, 3, 0]


def test_at_gives_one_number_for_each_row():
    schedule = NoiseSchedule.linear()
    x = torch.zeros(3, 1, 4, 4)
    rows = schedule.at(torch.tensor([0, 500, 1000]), x)
    assert rows.shape == (3, 1, 1, 1)
    assert rows.dtype == torch.float64
    assert rows.flatten().tolist() == schedule.alpha_bar[[0, 500, 1000]].tolist()
    assert schedule.at(500, x) == schedule.alpha_bar[500]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: NoiseSchedule([1.0, 0.5]), TypeError, "alpha_bar must be a torch.Tensor"),
        (lambda: NoiseSchedule(torch.tensor([1.0, 0.5])), TypeError, "alpha_bar must be float64"),
        (lambda: NoiseSchedule(torch.ones(1, dtype=torch.float64)), ValueError, "shape"),
        (lambda: NoiseSchedule(torch.tensor([0.9, 0.5]).double()), ValueError, r"alpha_bar\[0\] must be 1"),
        (lambda: NoiseSchedule(torch.tensor([1.0, 0.5, 0.5]).double()), ValueError, "fall at every step"),
        (lambda: NoiseSchedule(torch.tensor([1.0, 0.5, 0.0]).double()), ValueError, "stay above 0"),
        (lambda: NoiseSchedule(torch.tensor([1.0, math.nan]).double()), ValueError, "fall at every step"),
        (lambda: NoiseSchedule.linear(10.5), TypeError, "T must be a whole number"),
        (lambda: NoiseSchedule.linear(beta_end=2), ValueError, "beta_end must lie between 0 and 1"),
        (lambda: NoiseSchedule.linear().times(0), ValueError, "steps must lie between 1 and 1000"),
        (lambda: NoiseSchedule.linear().times(1001), ValueError, "steps must lie between 1 and 1000"),
        (lambda: NoiseSchedule.linear().times(2.5), TypeError, "steps must be a whole number"),
        (lambda: NoiseSchedule.linear().at(1001, torch.zeros(1)), ValueError, "t must lie between 0 and 1000"),
        (lambda: NoiseSchedule.linear().at(-1, torch.zeros(1)), ValueError, "t must lie between 0 and 1000"),
        (lambda: NoiseSchedule.linear().at(torch.tensor([1, 2]), torch.zeros(3)), ValueError, r"shape \(3,\)"),
        (lambda: NoiseSchedule.linear().at(torch.tensor([True]), torch.zeros(1)), TypeError, "t must hold times"),
        (lambda: NoiseSchedule.linear().times(5, start=1.5), TypeError, "start must be a whole number"),
        (lambda: NoiseSchedule.linear().times(5, start=1001), ValueError, "start must lie between 1 and 1000"),
        (lambda: NoiseSchedule.linear().times(6, start=5), ValueError, "steps must lie between 1 and 5"),
        (lambda: StraightSchedule(0), ValueError, "T must be at least 1"),
        (lambda: StraightSchedule().times(0), ValueError, "steps must be at least 1"),
        (
            lambda: StraightSchedule().signal_and_noise(1001, torch.zeros(1)),
            ValueError,
            "t must lie between 0 and 1000",
        ),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()


# --- one question -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [*SCHEDULES, StraightSchedule(), StraightSchedule(8)])
def test_a_schedule_goes_from_the_picture_to_the_noise_without_a_jump(schedule):
    assert isinstance(schedule, Schedule)
    times = torch.linspace(0, schedule.T, 2001, dtype=torch.float64)
    signal, noise = (each.flatten() for each in schedule.signal_and_noise(times, torch.zeros(2001, 1)))
    assert signal.dtype == noise.dtype == torch.float64
    assert (signal[0], noise[0]) == (1, 0)
    assert (signal.diff() < 0).all()
    assert (noise.diff() > 0).all()
    assert max(signal.diff().abs().max(), noise.diff().max()) < 0.15


@given(t=st.integers(0, 999), share=st.floats(0, 1), cosine=st.booleans())
def test_between_whole_times_the_logarithm_falls_evenly(t, share, cosine):
    schedule = NoiseSchedule.cosine() if cosine else NoiseSchedule.linear()
    before, after = schedule.alpha_bar[t].log(), schedule.alpha_bar[t + 1].log()
    between = schedule.at(t + share, torch.zeros(1)).log()
    assert between.item() == pytest.approx((before + share * (after - before)).item(), abs=1e-9)
    assert schedule.at(float(t), torch.zeros(1)) == schedule.alpha_bar[t]
    assert schedule.at(float(t + 1), torch.zeros(1)) == schedule.alpha_bar[t + 1]


@given(share=st.floats(0, 1))
def test_the_straight_line_is_straight(share):
    signal, noise = StraightSchedule().signal_and_noise(1000 * share, torch.zeros(1))
    assert noise.item() == pytest.approx(share)
    assert signal.item() == pytest.approx(1 - share)


@pytest.mark.parametrize("schedule", [*SCHEDULES, StraightSchedule()])
def test_noise_comes_to_each_row_at_its_own_time(schedule):
    x_0, eps = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    times = [0, 0.25 * schedule.T, 0.7 * schedule.T, schedule.T]
    together = add_noise(schedule, x_0, torch.tensor(times), eps)
    alone = [add_noise(schedule, x_0[i : i + 1], times[i], eps[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-6, atol=1e-6)


def test_times_from_the_middle():
    assert NoiseSchedule.linear().times(4, start=600) == [600, 450, 300, 150, 0]
    assert NoiseSchedule.linear().times(3, start=10) == [10, 6, 3, 0]
    assert StraightSchedule().times(4) == [1000, 750, 500, 250, 0]
    assert StraightSchedule().times(3, start=10) == pytest.approx([10, 20 / 3, 10 / 3, 0])
    assert StraightSchedule(2).times(2000)[1] == 1.999  # more steps than whole times


def test_frozen():
    with pytest.raises(AttributeError):
        NoiseSchedule.linear().alpha_bar = torch.ones(2)
