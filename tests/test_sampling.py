"""Samplers against known answers: reference sums, exact flows, and each other."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.denoisers import Clipped, GaussianDenoiser, IdealDenoiser, NetDenoiser, Prediction
from course_lib.forward import forward_step, noise_like
from course_lib.sampling import Step, ddim_step, ddpm_step, dpmpp_2m_step, last, sample, sample_many
from course_lib.schedules import NoiseSchedule, StraightSchedule

LINEAR, COSINE = NoiseSchedule.linear(), NoiseSchedule.cosine()
RULES = [ddpm_step, ddim_step, partial(ddim_step, eta=0.5), dpmpp_2m_step]


class ReferenceNet(nn.Module):
    """x · t / (t + 1), t counted from 0 as in diffusers' scheduler tests; ours is counted from 1."""

    def forward(self, x, t, cond):
        t = t.reshape(-1, 1, 1, 1).to(x) - 1
        return x * t / (t + 1)


def reference_sample():
    return (torch.arange(768).reshape(3, 8, 8, 4) / 768).permute(3, 0, 1, 2)  # (4, 3, 8, 8)


def test_ddim_reference_sum():
    """Stored in diffusers, tests/schedulers/test_scheduler_ddim.py: 10 steps, eta 0, no clipping."""
    times = [*range(901, 0, -100), 0]
    x = last(sample(NetDenoiser(ReferenceNet(), LINEAR, "eps"), reference_sample(), times))
    assert x.abs().sum().item() == pytest.approx(172.0067, abs=1e-2)
    assert x.abs().mean().item() == pytest.approx(0.223967, abs=1e-5)


def test_ddpm_reference_sum():
    """Stored in diffusers, tests/schedulers/test_scheduler_ddpm.py: 1,000 steps, x_0 clipped, seed 0."""
    denoiser = Clipped(NetDenoiser(ReferenceNet(), LINEAR, "eps"), -1, 1)
    generator = torch.Generator().manual_seed(0)
    x = last(sample(denoiser, reference_sample(), LINEAR.times(1000), ddpm_step, generator=generator))
    assert x.abs().sum().item() == pytest.approx(258.9606, abs=1e-2)
    assert x.abs().mean().item() == pytest.approx(0.3372, abs=1e-4)


def noise_in(rule, t, s, schedule=LINEAR):
    """The standard deviation of the noise that a rule adds on its way from t to s."""
    zero = torch.zeros(200_000, dtype=torch.float64)
    now = Step(t, zero, Prediction(zero, zero))
    return rule(schedule, now, s, None, torch.Generator().manual_seed(0)).std().item()


def test_posterior_variance():
    assert noise_in(ddpm_step, 488, 487) ** 2 == pytest.approx(0.00979, rel=0.01)
    a = LINEAR.alpha_bar
    for t, s in ((1000, 999), (2, 1), (700, 300)):
        variance = (1 - a[s]) / (1 - a[t]) * (1 - a[t] / a[s])
        assert noise_in(ddpm_step, t, s) == pytest.approx(variance.sqrt().item(), rel=0.01)
        for eta in (0.3, 1.0):
            assert noise_in(partial(ddim_step, eta=eta), t, s) == pytest.approx(eta * variance.sqrt().item(), rel=0.01)


@pytest.mark.parametrize("rule", RULES)
def test_no_noise_on_the_last_step(rule):
    assert noise_in(rule, 1, 0) == 0
    assert noise_in(rule, 100, 0) == 0


@pytest.mark.parametrize("schedule", [LINEAR, COSINE])
@pytest.mark.parametrize("rule", RULES)
def test_the_last_step_lands_on_the_predicted_picture(rule, schedule):
    generator = torch.Generator().manual_seed(0)
    x, x_0 = torch.randn(2, 3, 4, dtype=torch.float64, generator=generator)
    a = schedule.alpha_bar[40]
    eps = (x - a.sqrt() * x_0) / (1 - a).sqrt()
    previous = Step(80, x, Prediction(x_0 + 1, eps))
    torch.testing.assert_close(rule(schedule, Step(40, x, Prediction(x_0, eps)), 0, previous, generator), x_0)


def test_ddpm_mean_is_the_posterior_mean():
    """q(x_s | x_t, x_0) by Bayes' rule, from two Gaussians multiplied: an independent road to the same numbers."""
    for t, s in ((500, 499), (500, 200), (2, 1)):
        a_t, a_s = LINEAR.alpha_bar[t].item(), LINEAR.alpha_bar[s].item()
        x_0, x_t = 0.3, -0.8
        prior_mean, prior_precision = a_s**0.5 * x_0, 1 / (1 - a_s)  # x_s given x_0
        ratio = a_t / a_s  # x_t given x_s: mean sqrt(ratio) x_s, variance 1 - ratio
        precision = prior_precision + ratio / (1 - ratio)
        mean = (prior_precision * prior_mean + ratio**0.5 * x_t / (1 - ratio)) / precision
        ones = torch.ones(400_000, dtype=torch.float64)
        now = Step(t, x_t * ones, Prediction(x_0 * ones, ones))
        drawn = ddpm_step(LINEAR, now, s, None, torch.Generator().manual_seed(1))
        assert drawn.mean().item() == pytest.approx(mean, abs=5 * (1 / precision) ** 0.5 / 400_000**0.5)
        assert drawn.var().item() == pytest.approx(1 / precision, rel=0.01)


def test_eta_one_survives_rounding_where_nothing_of_the_picture_is_left():
    """With alpha_bar_T next to nothing, 1 - alpha_bar_s - sigma² is zero, or by rounding a little less."""
    one = torch.ones(1, 1, dtype=torch.float64)
    for a_s in torch.linspace(0.01, 0.99, 99).tolist():
        schedule = NoiseSchedule(torch.tensor([1.0, a_s, 1e-300], dtype=torch.float64))
        x_s = ddim_step(
            schedule, Step(2, one, Prediction(one, one)), 1, None, torch.Generator().manual_seed(0), eta=1.0
        )
        assert x_s.isfinite().all()


@pytest.mark.parametrize("steps", [1000, 37, 10])
def test_ddim_with_eta_one_is_ddpm(steps):
    denoiser = GaussianDenoiser(2, 0.5, LINEAR)
    x = torch.randn(50, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ddpm, ddim = (
        last(sample(denoiser, x, LINEAR.times(steps), rule, generator=torch.Generator().manual_seed(1)))
        for rule in (ddpm_step, partial(ddim_step, eta=1.0))
    )
    torch.testing.assert_close(ddpm, ddim, rtol=1e-6, atol=1e-6)


def gaussian_error(rule, steps, schedule=LINEAR):
    """The largest error against the exact flow of N(2, 0.5²): x_0 = mean + std · z, z the standardised x_T."""
    z = torch.linspace(-2, 2, 41, dtype=torch.float64)[:, None]
    a = schedule.alpha_bar[-1]
    x_T = a.sqrt() * 2 + (a * 0.25 + 1 - a).sqrt() * z
    x = last(sample(GaussianDenoiser(2, 0.5, schedule), x_T, schedule.times(steps), rule))
    return (x - (2 + 0.5 * z)).abs().max().item()


def test_ddim_error_on_the_gaussian_is_known_and_first_order():
    errors = {steps: gaussian_error(ddim_step, steps) for steps in (10, 20, 50, 100, 200)}
    known = {10: 0.262, 20: 0.138, 50: 0.0576, 100: 0.0293, 200: 0.0148}
    for steps, error in known.items():
        assert errors[steps] == pytest.approx(error, rel=0.01)
    assert errors[100] / errors[200] == pytest.approx(2, abs=0.1)  # twice the steps, half the error


def test_dpmpp_converges_faster_than_ddim():
    errors = {steps: gaussian_error(dpmpp_2m_step, steps) for steps in (10, 20, 50, 100)}
    for steps, error in errors.items():
        assert error < gaussian_error(ddim_step, steps)
    assert errors[50] < 0.2 * gaussian_error(ddim_step, 50)


def test_dpmpp_is_second_order_away_from_the_ends():
    """From t = 900 to 100 on a grid, against the exact flow there: half the step, a quarter of the error."""
    denoiser = GaussianDenoiser(2, 0.5, COSINE)

    def standard_to(t, z):
        a = COSINE.alpha_bar[t]
        return a.sqrt() * 2 + (a * 0.25 + 1 - a).sqrt() * z

    z = torch.linspace(-2, 2, 21, dtype=torch.float64)[:, None]
    errors = []
    for stride in (40, 20, 10):
        x = last(sample(denoiser, standard_to(900, z), range(900, 99, -stride), dpmpp_2m_step))
        errors.append((x - standard_to(100, z)).abs().max().item())
    assert errors[0] / errors[1] == pytest.approx(4, abs=0.9)
    assert errors[1] / errors[2] == pytest.approx(4, abs=0.6)


def test_dpmpp_formula_with_numbers():
    """One step worked out with plain floats from the paper's algorithm 2."""
    import math

    u, t, s = 600, 400, 250
    a_u, a_t, a_s = (LINEAR.alpha_bar[i].item() for i in (u, t, s))
    lam = [0.5 * math.log(a / (1 - a)) for a in (a_u, a_t, a_s)]
    h_0, h = lam[1] - lam[0], lam[2] - lam[1]
    r = h_0 / h
    x_t, x_0, x_0_before = 0.4, 0.9, 0.6
    D = (1 + 1 / (2 * r)) * x_0 - 1 / (2 * r) * x_0_before
    expected = math.sqrt(1 - a_s) / math.sqrt(1 - a_t) * x_t - math.sqrt(a_s) * (math.exp(-h) - 1) * D

    def step(time, x, guess):
        x, guess = torch.tensor([x], dtype=torch.float64), torch.tensor([guess], dtype=torch.float64)
        return Step(time, x, Prediction(guess, x))

    x_s = dpmpp_2m_step(LINEAR, step(t, x_t, x_0), s, step(u, 0.1, x_0_before))
    assert x_s.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.slow
def test_ddpm_with_few_steps_is_too_narrow():
    """The posterior's variance is right for small steps only: at 10 steps the deviation is 0.33 and not 0.5."""
    x = torch.randn(100_000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def deviation(steps):
        rule, generator = ddpm_step, torch.Generator().manual_seed(1)
        return last(sample(GaussianDenoiser(2, 0.5, LINEAR), x, LINEAR.times(steps), rule, generator=generator)).std()

    assert deviation(10).item() == pytest.approx(0.33, abs=0.01)
    assert deviation(1000).item() == pytest.approx(0.5, abs=0.01)


def test_inversion_walks_up_and_comes_back():
    denoiser = GaussianDenoiser(2, 0.5, LINEAR)
    x_1 = torch.tensor([[1.2], [2.0], [2.9]], dtype=torch.float64)
    x_T = last(sample(denoiser, x_1, range(1, 1001)))
    a = LINEAR.alpha_bar[1000]
    torch.testing.assert_close(x_T, a.sqrt() * 2 + (a * 0.25 + 1 - a).sqrt() * (x_1 - 2) / 0.5, atol=0.01, rtol=0)
    back = last(sample(denoiser, x_T, range(1000, 0, -1)))
    torch.testing.assert_close(back, x_1, atol=0.01, rtol=0)


def test_the_ideal_denoiser_recites_its_data():
    data = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    x = torch.randn(25, 4, generator=torch.Generator().manual_seed(1))
    drawn = last(sample(IdealDenoiser(data, LINEAR), x, LINEAR.times(100)))
    nearest = torch.cdist(drawn, data).min(dim=1).values
    assert nearest.max() < 1e-3


def test_steps_that_are_yielded():
    denoiser = GaussianDenoiser(0, 1, LINEAR)
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    steps = list(sample(denoiser, x, LINEAR.times(7)))
    assert [step.t for step in steps] == LINEAR.times(7)
    assert steps[0].x is x
    assert all(step.pred is not None for step in steps[:-1])
    assert steps[-1].pred is None
    x_0, eps = steps[3].pred
    torch.testing.assert_close(x_0, denoiser(steps[3].x, steps[3].t).x_0)
    torch.testing.assert_close(eps, denoiser(steps[3].x, steps[3].t).eps)


class Counting(nn.Module):
    """Notes the times that it is asked about."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, x, t, cond):
        self.calls.append(t[0].item())
        return x


def test_one_denoiser_call_a_step_and_only_when_its_answer_is_looked_at():
    net = Counting()
    calls = net.calls
    steps = sample(NetDenoiser(net, LINEAR, "eps"), torch.zeros(1, 1), [30, 20, 10, 0])
    first = next(steps)
    assert calls == []
    first.pred.x_0, first.pred.eps  # noqa: B018
    assert calls == [30]
    last(steps)
    assert calls == [30, 20, 10]


def test_condition_is_handed_on():
    seen = []

    class Watching(nn.Module):
        def forward(self, x, t, cond):
            seen.append(cond)
            return x

    cond = torch.tensor([4])
    last(sample(NetDenoiser(Watching(), LINEAR, "eps"), torch.zeros(1, 1), [2, 1, 0], cond=cond))
    assert seen == [cond, cond]


@pytest.mark.parametrize("rule", RULES)
def test_same_seed_same_picture_and_input_untouched(rule):
    x = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    before = x.clone()
    first, second, other = (
        last(
            sample(
                GaussianDenoiser(0, 1, LINEAR), x, LINEAR.times(20), rule, generator=torch.Generator().manual_seed(s)
            )
        )
        for s in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert torch.equal(x, before)
    assert first.dtype == torch.float32
    draws_noise = rule is ddpm_step or getattr(rule, "keywords", {}).get("eta")
    assert torch.equal(first, other) != bool(draws_noise)


@pytest.mark.parametrize("cond", [None, torch.arange(7)])
def test_many_are_walked_some_at_a_time(cond):
    sizes = []

    class OfLabel:
        schedule = COSINE

        def __call__(self, x_t, t, cond=None):
            sizes.append(len(x_t))
            mean = 0.0 if cond is None else cond[:, None].to(x_t)
            return GaussianDenoiser(mean, 0.3, COSINE)(x_t, t)

    noise = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    together = last(sample(OfLabel(), noise, [1000, 500, 0], cond=cond))
    sizes.clear()
    assert torch.allclose(sample_many(OfLabel(), noise, [1000, 500, 0], cond=cond, size=3), together, atol=1e-6)
    assert sizes == [3, 3, 3, 3, 1, 1]
    by_ddpm = [
        sample_many(OfLabel(), noise, [1000, 500, 0], ddpm_step, cond, torch.Generator().manual_seed(seed), size=3)
        for seed in (1, 1, 2)
    ]
    assert torch.equal(by_ddpm[0], by_ddpm[1])
    assert not torch.equal(by_ddpm[0], by_ddpm[2])


def test_one_generator_gives_every_batch_noise_of_its_own():
    """Restarted for each batch, it would draw the same pictures again and again."""
    denoiser, same = GaussianDenoiser(0.0, 1.0, NoiseSchedule.cosine()), torch.zeros(6, 2)
    drawn = sample_many(denoiser, same, [1000, 500, 0], ddpm_step, generator=torch.Generator().manual_seed(0), size=2)
    assert len(drawn[:, 0].unique()) == 6


def test_gradients_are_off_inside_and_untouched_outside():
    net = nn.Linear(2, 2)

    class Wrapped(nn.Module):
        def forward(self, x, t, cond):
            return net(x)

    for step in sample(NetDenoiser(Wrapped(), LINEAR, "eps"), torch.zeros(1, 2), [2, 1, 0]):
        assert torch.is_grad_enabled()
        assert not step.x.requires_grad


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x, d: list(sample(d, x, [10])), ValueError, "at least a start and an end"),
        (
            lambda x, d: list(sample(d, x, [1001, 0])),
            ValueError,
            "every time must lie between 0 and 1000, but got 1001",
        ),
        (lambda x, d: list(sample(d, x, [10, 0, 5])), ValueError, "every time but the last must be above 0"),
        (lambda x, d: list(sample(d, x, [10, 10, 0])), ValueError, "10 stands there twice"),
        (lambda x, d: list(sample(d, x, [10, -1])), ValueError, "every time must lie between 0 and 1000, but got -1"),
        (
            lambda x, d: list(sample(d, x, [math.nan, 0])),
            ValueError,
            "every time must lie between 0 and 1000, but got NaN",
        ),
        (lambda x, d: list(sample(d, x, [True, 0])), TypeError, "every time must be a number, but got True"),
        (lambda x, d: list(sample(d, x, ["10", 0])), TypeError, "every time must be a number"),
        (lambda x, d: list(sample(d, x, [torch.tensor([9, 9, 9]), 0])), ValueError, r"t must have shape \(2,\)"),
        (lambda x, d: list(sample(d, x, [torch.tensor([9, 0]), 0])), ValueError, "but the last must be above 0"),
        (lambda x, d: list(sample(d, x, [torch.tensor([9, 8]), 8, 0])), ValueError, "must change at every step"),
        (lambda x, d: list(sample(d, [0.0], [10, 0])), TypeError, "x must be a torch.Tensor"),
        (lambda x, d: list(sample(d, x, [10, 20], ddpm_step)), ValueError, "only walks down"),
        (lambda x, d: list(sample(d, x, [10, 20], partial(ddim_step, eta=1.0))), ValueError, "only walks down"),
        (
            lambda x, d: list(sample(d, x, [10, 0], partial(ddim_step, eta=2.0))),
            ValueError,
            "eta must lie between 0 and 1",
        ),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call(noise_like(torch.zeros(2, 1)), GaussianDenoiser(0, 1, LINEAR))


# --- times that are not whole, and one for each row --------------------------------------------------------------------

STRAIGHT = StraightSchedule()
SCHEDULES = pytest.mark.parametrize("schedule", [LINEAR, COSINE, STRAIGHT], ids=["linear", "cosine", "straight"])


def test_no_time_is_rounded():
    net = Counting()
    denoiser = NetDenoiser(net, LINEAR, "v")
    steps = list(sample(denoiser, torch.zeros(1, 1), [999.9, np.float64(500.5), torch.tensor(1.5), np.int64(1), 0]))
    assert [step.t for step in steps] == [999.9, 500.5, 1.5, 1, 0]
    assert net.calls == pytest.approx([999.9, 500.5, 1.5, 1])


@SCHEDULES
@pytest.mark.parametrize("rule", RULES)
def test_a_walk_with_a_time_for_each_row_is_a_walk_for_each(schedule, rule):
    denoiser = GaussianDenoiser(0.5, 0.8, schedule)
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    walks = [[1000, 700, 400, 0], [900.5, 600.25, 3.5, 0], [500, 400, 300, 200]]
    times = [torch.tensor(row) for row in zip(*walks, strict=True)]
    generators = [[torch.Generator().manual_seed(seed) for seed in range(3)] for _ in range(2)]
    together = last(sample(denoiser, x, times, rule, generator=generators[0]))
    for i, walk in enumerate(walks):
        alone = last(sample(denoiser, x[i : i + 1], walk, rule, generator=generators[1][i : i + 1]))
        torch.testing.assert_close(together[i : i + 1], alone)


@SCHEDULES
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_draws_the_right_spread_with_every_schedule(schedule, rule):
    denoiser = GaussianDenoiser(2.0, 0.5, schedule)
    x = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    drawn = last(sample(denoiser, x, schedule.times(400), rule, generator=torch.Generator().manual_seed(1)))
    assert drawn.mean().item() == pytest.approx(2, abs=0.03)
    assert drawn.std().item() == pytest.approx(0.5, abs=0.02)


# --- rules that need more, and rules that need less --------------------------------------------------------------------


def heun_step(schedule, now, s, previous=None, generator=None):
    """DDIM by the mean of two predictions: here, and where DDIM would have gone (Karras et al. 2022, algorithm 1)."""
    there = ddim_step(schedule, now, s)
    if s == 0:
        return there
    ahead = now.pred.elsewhere(there, s)
    # In the line on which DDIM is Euler's method, x / signal over noise / signal, the slope is eps.
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, now.x) for time in (now.t, s))
    slope = (now.pred.eps + ahead.eps) / 2
    return a_s.item() * (now.x / a_t.item() + (n_s / a_s - n_t / a_t).item() * slope)


def test_a_rule_may_ask_the_denoiser_once_more():
    denoiser = GaussianDenoiser(0.0, 0.5, LINEAR)
    x = torch.full((1, 1), 1.5, dtype=torch.float64)
    exact = last(sample(denoiser, x, range(500, 99, -1), heun_step))

    def error(rule, gap):
        return abs(last(sample(denoiser, x, range(500, 99, -gap), rule)) - exact).item()

    assert error(ddim_step, 40) / error(ddim_step, 20) == pytest.approx(2, rel=0.15)  # half the step, half the error
    assert error(heun_step, 40) / error(heun_step, 20) == pytest.approx(4, rel=0.25)  # a quarter of it: second order


def test_a_rule_may_look_three_moments_back_and_no_further():
    seen = []

    def looks_back(schedule, now, s, previous, generator):
        assert (previous is None) == (now.previous is None)
        times, step = [], previous
        while step is not None:
            times.append(step.t)
            step = step.previous
        seen.append(times)
        return now.x

    last(sample(GaussianDenoiser(0, 1, LINEAR), torch.zeros(1, 1), [60, 50, 40, 30, 20, 10], looks_back))
    assert seen == [[], [60], [60, 50][::-1], [40, 50, 60], [30, 40, 50]]


def noised_again(schedule, now, s, previous=None, generator=None):
    """Down by DDIM; up by new noise, as RePaint does, for which nothing must be known of the picture."""
    if s < now.t:
        return ddim_step(schedule, now, s)
    (a_t, _), (a_s, _) = (schedule.signal_and_noise(time, now.x) for time in (now.t, s))
    beta = 1 - (a_s / a_t).item() ** 2
    return forward_step(now.x, beta, noise_like(now.x, generator))


def test_on_the_way_up_nobody_is_asked():
    net = Counting()
    times = [500, 400, 300, 400, 300, 200, 300, 200, 100, 0]
    last(sample(NetDenoiser(net, LINEAR, "v"), torch.zeros(1, 1), times, noised_again))
    assert net.calls == [500, 400, 400, 300, 300, 200, 100]


def test_what_is_looked_at_later_holds_no_gradients():
    net = nn.Linear(1, 1)

    class Wrapped(nn.Module):
        def forward(self, x, t, cond):
            return net(x)

    first = next(sample(NetDenoiser(Wrapped(), LINEAR, "v"), torch.zeros(1, 1), [2, 1, 0]))
    assert not first.pred.x_0.requires_grad
    assert not first.pred.elsewhere(torch.zeros(1, 1), 1).eps.requires_grad


def test_a_prediction_can_be_unpacked_and_indexed_as_the_pair_that_it_is():
    x = torch.ones(2, 1, dtype=torch.float64)
    step = next(sample(GaussianDenoiser(0.5, 0.5, LINEAR), x, [1000, 0]))
    x_0, eps = step.pred
    assert step.pred[0] is x_0 is step.pred.x_0
    assert step.pred[1] is eps is step.pred.eps
