"""The forward process: the number of exercise A, the chain against the closed form, and variances."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.forward import add_noise, forward_step, noise_like
from course_lib.schedules import NoiseSchedule

LINEAR = NoiseSchedule.linear()


def test_one_pixel_by_hand():
    x_t = forward_step(torch.tensor(0.5, dtype=torch.float64), 0.04, torch.tensor(1.5, dtype=torch.float64))
    assert x_t.item() == pytest.approx(math.sqrt(0.96) * 0.5 + 0.2 * 1.5, abs=1e-12)
    assert round(x_t.item(), 2) == 0.79


@given(x=st.floats(-3, 3), beta=st.floats(0, 1), eps=st.floats(-4, 4))
def test_forward_step_shrinks_and_adds(x, beta, eps):
    x_t = forward_step(torch.tensor([x], dtype=torch.float64), beta, torch.tensor([eps], dtype=torch.float64))
    assert x_t.item() == pytest.approx(math.sqrt(1 - beta) * x + math.sqrt(beta) * eps, abs=1e-12)


@given(t=st.integers(0, 1000), x=st.floats(-3, 3), eps=st.floats(-4, 4))
def test_add_noise_is_the_closed_form(t, x, eps):
    x_t = add_noise(LINEAR, torch.tensor([x], dtype=torch.float64), t, torch.tensor([eps], dtype=torch.float64))
    product = math.prod(1 - (1e-4 + (0.02 - 1e-4) * i / 999) for i in range(t))
    assert x_t.item() == pytest.approx(math.sqrt(product) * x + math.sqrt(1 - product) * eps, abs=1e-9)


def test_time_zero_is_the_clean_picture():
    x_0 = torch.randn(4, 1, 8, 8)
    assert torch.equal(add_noise(LINEAR, x_0, 0, torch.randn(4, 1, 8, 8)), x_0)
    assert torch.equal(add_noise(LINEAR, x_0, torch.zeros(4, dtype=torch.int64), torch.randn(4, 1, 8, 8)), x_0)


def test_each_row_has_its_own_time():
    x_0, eps, t = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4), torch.tensor([1, 500, 1000])
    rows = torch.cat([add_noise(LINEAR, x_0[i : i + 1], int(t[i]), eps[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(add_noise(LINEAR, x_0, t, eps), rows)


@pytest.mark.parametrize("t", [1, 10, 300, 1000])
@pytest.mark.slow
def test_chain_and_closed_form_have_the_same_distribution(t):
    generator = torch.Generator().manual_seed(t)
    x_0 = torch.full((200_000,), 1.5, dtype=torch.float64)
    x = x_0
    for beta in LINEAR.beta[1 : t + 1].tolist():
        x = forward_step(x, beta, noise_like(x, generator))
    direct = add_noise(LINEAR, x_0, t, noise_like(x_0, generator))
    mean, std = LINEAR.alpha_bar[t].sqrt() * 1.5, (1 - LINEAR.alpha_bar[t]).sqrt()
    for sampled in (x, direct):  # four standard errors
        assert abs(sampled.mean() - mean) < 4 * std / 200_000**0.5
        assert abs(sampled.std() - std) < 4 * std / 400_000**0.5


def test_variance_stays_one_if_it_starts_there():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400_000, generator=generator, dtype=torch.float64)
    for t in (1, 50, 400, 1000):
        assert add_noise(LINEAR, x, t, noise_like(x, generator)).var().item() == pytest.approx(1, abs=0.01)


def test_noise_like_repeats_with_its_seed():
    x = torch.zeros(2, 3, dtype=torch.float64)
    first = noise_like(x, torch.Generator().manual_seed(5))
    assert first.dtype == torch.float64
    assert torch.equal(first, noise_like(x, torch.Generator().manual_seed(5)))
    assert not torch.equal(first, noise_like(x, torch.Generator().manual_seed(6)))
    normal = noise_like(torch.zeros(100_000), torch.Generator().manual_seed(1))
    assert normal.mean().item() == pytest.approx(0, abs=0.015)
    assert normal.std().item() == pytest.approx(1, abs=0.01)


def test_dtype_is_kept_and_input_untouched():
    for dtype in (torch.float16, torch.float32, torch.float64):
        x_0 = torch.ones(2, 1, 2, 2, dtype=dtype)
        assert add_noise(LINEAR, x_0, 500, torch.ones_like(x_0)).dtype == dtype
        assert forward_step(x_0, 0.1, torch.ones_like(x_0)).dtype == dtype
        assert torch.equal(x_0, torch.ones_like(x_0))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: forward_step(0.5, 0.04, torch.ones(1)), TypeError, "x_prev must be a torch.Tensor"),
        (lambda: forward_step(torch.ones(2), 0.04, torch.ones(1)), ValueError, r"eps must have the shape of x_prev"),
        (lambda: forward_step(torch.ones(2), -0.1, torch.ones(2)), ValueError, "beta must lie between 0 and 1"),
        (lambda: forward_step(torch.ones(2), math.nan, torch.ones(2)), ValueError, "got NaN"),
        (lambda: add_noise(LINEAR, torch.ones(2).long(), 1, torch.ones(2)), TypeError, "floating-point"),
        (lambda: add_noise(LINEAR, torch.ones(2), 1, torch.ones(1)), ValueError, "eps must have the shape of x_0"),
        (lambda: add_noise(LINEAR, torch.ones(2), 1001, torch.ones(2)), ValueError, "t must lie between 0 and 1000"),
        (lambda: add_noise(LINEAR, torch.ones(2), True, torch.ones(2)), TypeError, "t must be a number, but got True"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_from_a_generator_for_each_row_comes_noise_of_the_rows_own():
    x = torch.zeros(3, 2, 4, 5)
    together = noise_like(x, [torch.Generator().manual_seed(seed) for seed in (7, 8, 7)])
    assert together.shape == x.shape
    for row, seed in enumerate((7, 8, 7)):
        assert torch.equal(together[row], torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(seed)))
    assert noise_like(torch.zeros(0, 2), []).shape == (0, 2)
