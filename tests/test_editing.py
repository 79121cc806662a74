"""Editing against known answers: a Gaussian whose conditional is known, an inversion that is exact, pixels that stay."""

from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from course_lib.denoisers import GaussianDenoiser, IdealDenoiser, Prediction, signal_and_noise
from course_lib.editing import (
    image_to_image,
    inversion_step,
    inversion_times,
    last_share,
    repaint_step,
    repaint_times,
    replacement_step,
)
from course_lib.forward import add_noise, forward_step, noise_further
from course_lib.sampling import Step, ddim_step, ddpm_step, dpmpp_2m_step, last, sample
from course_lib.schedules import NoiseSchedule, StraightSchedule

COSINE, LINEAR, STRAIGHT = NoiseSchedule.cosine(), NoiseSchedule.linear(), StraightSchedule()
SCHEDULES = [COSINE, LINEAR, STRAIGHT]
RHO, SEEN = 0.9, 1.5  # two numbers, each N(0, 1), that go together; the first one is seen


class PairDenoiser:
    """Exact for two numbers of N(0, [[1, ρ], [ρ, 1]])."""

    def __init__(self, schedule=COSINE):
        self.schedule = schedule
        self.cov = torch.tensor([[1, RHO], [RHO, 1]], dtype=torch.float64)

    def gain(self, t) -> Tensor:
        """x_0 is gain @ x_t, (2, 2)."""
        a, n = self.schedule.signal_and_noise(t, torch.zeros(1))
        return a * self.cov @ torch.linalg.inv(a**2 * self.cov + n**2 * torch.eye(2, dtype=torch.float64))

    def __call__(self, x_t, t, cond=None):
        return Prediction.from_x_0(x_t @ self.gain(t).T.to(x_t), x_t, *signal_and_noise(self.schedule, t, x_t))


def law_of(walk, denoiser) -> tuple[float, float]:
    """Mean and variance of the second number at the end of a walk of DDPM by replacement, from recursion alone.

    Every step is linear and its noise Gaussian, so both numbers stay Gaussian: their mean and covariance say it all.
    """
    schedule = denoiser.schedule
    mean, cov = torch.zeros(2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    for t, s in pairwise(walk):
        (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, torch.zeros(1)) for time in (t, s))
        if s > t:
            mean, cov = a_s / a_t * mean, (a_s / a_t) ** 2 * cov + (n_s**2 - (a_s / a_t * n_t) ** 2) * torch.eye(2)
            continue
        beta = n_t**2 - (a_t / a_s * n_s) ** 2
        step = a_s * beta / n_t**2 * denoiser.gain(t) + a_t / a_s * n_s**2 / n_t**2 * torch.eye(2)
        mean, cov = step @ mean, step @ cov @ step.T + beta * n_s**2 / n_t**2 * torch.eye(2)
        mean[0], cov[0, :], cov[:, 0] = a_s * SEEN, 0, 0
        cov[0, 0] = n_s**2
    return mean[1].item(), cov[1, 1].item()


def draw_the_second(rule, walk, count=20_000):
    denoiser, hole = PairDenoiser(), torch.tensor([False, True])
    generator = torch.Generator().manual_seed(0)
    known = torch.tensor([SEEN, 0.0], dtype=torch.float64).expand(count, 2)
    noise = torch.randn(count, 2, generator=generator, dtype=torch.float64)
    drawn = last(
        sample(denoiser, noise, walk, partial(rule, known=known, hole=hole, rule=ddpm_step), generator=generator)
    )
    assert (drawn[:, 0] == SEEN).all()
    return drawn[:, 1].mean().item(), drawn[:, 1].var().item()


# --- holes ------------------------------------------------------------------------------------------------------------


def test_replacement_draws_what_the_recursion_says_and_not_the_conditional():
    walk = COSINE.times(50)
    mean, variance = law_of(walk, PairDenoiser())
    drawn_mean, drawn_variance = draw_the_second(replacement_step, walk)
    assert drawn_mean == pytest.approx(mean, abs=0.02)
    assert drawn_variance == pytest.approx(variance, rel=0.05)
    assert abs(mean - RHO * SEEN) > 0.1  # the right conditional is N(ρ · seen, 1 - ρ²)


def test_the_more_often_repaint_resamples_the_nearer_it_comes_to_the_conditional():
    walk = repaint_times(COSINE.times(50), jump=1, resamplings=5)
    drawn_mean, drawn_variance = draw_the_second(repaint_step, walk)
    mean, variance = law_of(walk, PairDenoiser())
    assert drawn_mean == pytest.approx(mean, abs=0.02)
    assert drawn_variance == pytest.approx(variance, rel=0.05)
    off = []
    for resamplings in (1, 2, 5, 20):
        mean, variance = law_of(repaint_times(COSINE.times(50), 1, resamplings), PairDenoiser())
        off.append(abs(mean - RHO * SEEN) + abs(variance - (1 - RHO**2)))
    assert all(after < before for before, after in pairwise(off))
    assert off[-1] < off[0] / 5


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("rule", [ddim_step, ddpm_step, dpmpp_2m_step])
def test_what_is_known_comes_out_exactly(schedule, rule):
    torch.manual_seed(0)
    known = torch.rand(3, 1, 8, 8) * 2 - 1
    hole = torch.zeros(8, 8, dtype=torch.bool)
    hole[2:5, 3:6] = True
    denoiser = GaussianDenoiser(0.0, 0.5, schedule)
    for step, walk in (
        (replacement_step, schedule.times(7)),
        (repaint_step, repaint_times(schedule.times(7), jump=2, resamplings=3)),
    ):
        drawn = last(sample(denoiser, torch.randn(known.shape), walk, partial(step, known=known, hole=hole, rule=rule)))
        assert torch.equal(drawn[..., ~hole], known[..., ~hole])
        assert not torch.equal(drawn[..., hole], known[..., hole])


def test_between_the_ends_the_known_part_is_as_noisy_as_its_time_says():
    known, hole = torch.full((1, 40_000), 0.7), torch.zeros(40_000, dtype=torch.bool)
    now = Step(900, torch.randn(1, 40_000), Prediction(known, known))
    x_s = replacement_step(COSINE, now, 600, generator=torch.Generator().manual_seed(0), known=known, hole=hole)
    signal, noise = COSINE.signal_and_noise(600, known)
    assert x_s.mean().item() == pytest.approx(0.7 * signal.item(), abs=0.02)
    assert x_s.std().item() == pytest.approx(noise.item(), rel=0.02)


def test_one_seed_a_row_fills_the_same_hole_alone():
    known, hole = torch.zeros(2, 6), torch.arange(6) > 2
    denoiser, start = GaussianDenoiser(0.0, 1.0, COSINE), torch.randn(2, 6)
    rule = partial(repaint_step, known=known, hole=hole, rule=ddpm_step)
    walk = repaint_times(COSINE.times(5), 2, 2)
    both = last(sample(denoiser, start, walk, rule, generator=[torch.Generator().manual_seed(k) for k in (1, 2)]))
    rule = partial(repaint_step, known=known[1:], hole=hole, rule=ddpm_step)
    alone = last(sample(denoiser, start[1:], walk, rule, generator=[torch.Generator().manual_seed(2)]))
    assert torch.equal(both[1:], alone)


def test_the_walk_of_repaint_goes_up_in_leaps_and_never_from_zero():
    assert repaint_times([4, 3, 2, 1, 0], jump=2, resamplings=2) == [4, 3, 2, 4, 3, 2, 1, 2, 1, 0]
    assert repaint_times([4, 3, 2, 1, 0], jump=2, resamplings=1) == [4, 3, 2, 1, 0]
    assert repaint_times([4, 3, 2, 1, 0], jump=9, resamplings=3) == [4, 3, 2, 1, 4, 3, 2, 1, 4, 3, 2, 1, 0]
    assert repaint_times([4, 0], jump=2, resamplings=3) == [4, 0]


def test_on_the_way_up_the_denoiser_is_not_asked():
    asked = []

    class Counting(GaussianDenoiser):
        def __call__(self, x_t, t, cond=None):
            asked.append(t)
            return super().__call__(x_t, t, cond)

    known, hole = torch.zeros(1, 4), torch.arange(4) > 1
    walk = repaint_times([4, 3, 2, 1, 0], jump=2, resamplings=2)
    last(sample(Counting(0.0, 1.0, COSINE), torch.randn(1, 4), walk, partial(repaint_step, known=known, hole=hole)))
    assert asked == [4, 3, 4, 3, 2, 2, 1]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_noise_further_is_the_chain(schedule):
    x_0, eps = torch.zeros(200_000), torch.randn(200_000, generator=torch.Generator().manual_seed(1))
    x_t = add_noise(schedule, x_0 + 0.5, 300, eps)
    x_s = noise_further(schedule, x_t, 300, 700, torch.randn(200_000, generator=torch.Generator().manual_seed(2)))
    signal, noise = schedule.signal_and_noise(700, x_0)
    assert x_s.mean().item() == pytest.approx(0.5 * signal.item(), abs=0.01)
    assert x_s.std().item() == pytest.approx(noise.item(), rel=0.01)
    beta = COSINE.beta[31].item()
    one = noise_further(COSINE, x_t[:9], 30, 31, eps[:9])
    assert torch.allclose(one, forward_step(x_t[:9], beta, eps[:9]), atol=1e-6)


# --- a picture changed ------------------------------------------------------------------------------------------------


def test_image_to_image_ends_where_bayes_says():
    """Data of two points, -1 and 1: noised to x_t, a picture at 0.3 may have been either, 1 with sigmoid(2 a x_t / n²)."""
    denoiser = IdealDenoiser(torch.tensor([[-1.0], [1.0]]), COSINE)
    x_0 = torch.full((4000, 1), 0.3)
    eps = torch.randn(100_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    nearer = []
    for strength in (0.15, 0.5, 1.0):
        seeded = torch.Generator().manual_seed(0)
        end = last(image_to_image(denoiser, x_0, strength, 100, ddpm_step, generator=seeded))
        assert torch.allclose(end.abs(), torch.ones(4000, 1), atol=1e-3)
        nearer.append((end > 0).float().mean().item())
        signal, noise = COSINE.signal_and_noise(round(1000 * strength), eps)
        expected = torch.sigmoid(2 * signal * (0.3 * signal + noise * eps) / noise**2).mean().item()
        assert nearer[-1] == pytest.approx(expected, abs=0.02)
    assert nearer[0] > 0.8 > nearer[1] > 0.56 > nearer[2]


def test_image_to_image_walks_its_share_of_the_steps():
    denoiser = GaussianDenoiser(0.0, 1.0, COSINE)
    for strength, times in ((1.0, [1000, 750, 500, 250, 0]), (0.5, [500, 250, 0]), (0.01, [250, 0])):
        walk = list(image_to_image(denoiser, torch.zeros(1, 3), strength, 4))
        assert [step.t for step in walk] == times
        noise = torch.randn(1, 3, generator=torch.Generator().manual_seed(5))
    walk = list(image_to_image(denoiser, torch.ones(1, 3), 0.5, 4, generator=torch.Generator().manual_seed(5)))
    assert torch.equal(walk[0].x, add_noise(COSINE, torch.ones(1, 3), 500, noise))


# --- the way up -------------------------------------------------------------------------------------------------------


def round_trip(steps, refinements, denoiser, x_0):
    up = partial(inversion_step, refinements=refinements)
    noise = last(sample(denoiser, x_0, inversion_times(denoiser.schedule, steps), up))
    back = last(sample(denoiser, noise, [*reversed(inversion_times(denoiser.schedule, steps))], ddim_step))
    return noise, (back - x_0).abs().max().item()


def test_inversion_of_a_gaussian_finds_its_noise_and_its_error_is_of_first_order():
    """DDIM's exact flow takes N(μ, σ²) to N(0, 1) by a shift and a stretch."""
    mean, std = 0.4, 0.25
    denoiser = GaussianDenoiser(mean, std, COSINE)
    x_0 = torch.linspace(-0.3, 1.1, 9, dtype=torch.float64)[:, None]
    off, back = {}, {}
    for steps in (50, 100, 200, 400):
        noise, back[steps] = round_trip(steps, 0, denoiser, x_0)
        off[steps] = (noise - (x_0 - mean) / std).abs().max().item()
    for few, many in pairwise(off):
        assert 1.6 < back[few] / back[many] < 2.4
    assert off[400] < off[50]


def test_refined_inversion_comes_back_exactly():
    denoiser = GaussianDenoiser(0.4, 0.25, COSINE)
    x_0 = torch.linspace(-0.3, 1.1, 9, dtype=torch.float64)[:, None]
    errors = [round_trip(50, refinements, denoiser, x_0)[1] for refinements in (0, 1, 3, 10)]
    assert all(after < before for before, after in pairwise(errors))
    assert errors[1] < errors[0] / 10
    assert errors[-1] < errors[0] / 1000


def test_a_strength_may_be_a_tensor():
    assert last_share([4, 3, 2, 1, 0], torch.tensor(0.5)) == [2, 1, 0]


def test_the_times_of_an_inversion_go_from_1_to_the_end():
    assert inversion_times(COSINE, 4) == [1, 250, 500, 750, 1000]
    assert inversion_times(COSINE, 1000)[:3] == [1, 2, 3]
    assert inversion_times(StraightSchedule(10), 4) == [1, 2.5, 5, 7.5, 10]


# --- refusals ---------------------------------------------------------------------------------------------------------


def stepped(rule, **given):
    x = torch.zeros(2, 4)
    return rule(COSINE, Step(500, x, Prediction(x, x)), given.pop("s", 400), **given)


def test_inversion_looks_again_only_when_asked():
    assert torch.equal(stepped(inversion_step, s=600), stepped(ddim_step, s=600))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: stepped(replacement_step, known=torch.zeros(2, 3), hole=torch.ones(4).bool()),
            "known must have the shape",
        ),
        (
            lambda: stepped(replacement_step, known=torch.full((2, 4), torch.nan), hole=torch.ones(4).bool()),
            "known must be fin",
        ),
        (
            lambda: stepped(replacement_step, known=torch.zeros(2, 4).double(), hole=torch.ones(4).bool()),
            "known must have the dtype of x",
        ),
        (lambda: stepped(replacement_step, known=torch.zeros(2, 4), hole=torch.ones(4)), "hole must be bool"),
        (lambda: stepped(repaint_step, known=torch.zeros(2, 4), hole=torch.ones(3).bool()), "hole must fit x"),
        (lambda: stepped(repaint_step, known=torch.zeros(2, 4), hole=torch.ones(3, 2, 4).bool()), "hole must fit x"),
        (lambda: stepped(inversion_step), "inversion walks up"),
        (lambda: stepped(inversion_step, s=600, refinements=-1), "refinements must be at least 0"),
        (lambda: noise_further(COSINE, torch.zeros(2), 500, 400, torch.zeros(2)), "s must be above t"),
        (lambda: repaint_times([0, 1, 2], 1, 1), "times must go down"),
        (lambda: repaint_times([2, float("nan"), 0], 1, 1), "times must go down"),
        (lambda: repaint_times("43210", 1, 1), "times must be a list of numbers"),
        (lambda: repaint_times(None, 1, 1), "times must be a list of numbers"),
        (lambda: repaint_times([2, 1, 0], 0, 1), "jump must be at least 1"),
        (lambda: repaint_times([2, 1, 0], 1, 1.5), "resamplings must be a whole number"),
        (
            lambda: image_to_image(GaussianDenoiser(0.0, 1.0, COSINE), torch.zeros(1, 2), 0, 10),
            "strength must be above 0",
        ),
        (
            lambda: image_to_image(GaussianDenoiser(0.0, 1.0, COSINE), torch.zeros(1, 2), 1.5, 10),
            "strength must lie between",
        ),
    ],
)
def test_bad_input_gets_one_sentence(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()
