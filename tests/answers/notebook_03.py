"""Answers to the exercises of notebook 03."""

import copy
import functools
import math
from itertools import pairwise

import numpy as np
import torch

from answers import right, wrong
from course_lib import sampling
from course_lib.denoisers import GaussianDenoiser, Prediction
from course_lib.forward import add_noise, noise_like
from course_lib.sampling import Step
from course_lib.schedules import NoiseSchedule

# --- 03.1 -------------------------------------------------------------------------------------------------------------


@wrong("03.1", "of the noise that is added")
def ddpm_without_noise_at_one(schedule, now, s, previous=None, generator=None):
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    beta = 1 - a_t / a_s
    mean = a_s**0.5 * beta / (1 - a_t) * now.pred.x_0 + (1 - beta) ** 0.5 * (1 - a_s) / (1 - a_t) * now.x
    variance = (1 - a_s) / (1 - a_t) * beta if s > 1 else 0
    return mean + variance**0.5 * noise_like(now.x, generator)


@right("03.1")
def ddpm_by_the_paper(schedule, now, s, previous=None, generator=None):
    a_t, a_s = float(schedule.alpha_bar[now.t]), float(schedule.alpha_bar[s])
    alpha = a_t / a_s
    mean = (math.sqrt(a_s) * (1 - alpha) * now.pred.x_0 + math.sqrt(alpha) * (1 - a_s) * now.x) / (1 - a_t)
    sigma = math.sqrt((1 - a_s) / (1 - a_t) * (1 - alpha))
    return mean + sigma * torch.randn(now.x.shape, generator=generator)


@right("03.1")
def ddpm_from_eps(schedule, now, s, previous=None, generator=None):
    a_t, a_s = float(schedule.alpha_bar[now.t]), float(schedule.alpha_bar[s])
    alpha = a_t / a_s
    mean = (now.x - (1 - alpha) / math.sqrt(1 - a_t) * now.pred.eps) / math.sqrt(alpha)
    return mean + math.sqrt((1 - a_s) / (1 - a_t) * (1 - alpha)) * torch.empty_like(now.x).normal_(generator=generator)


@right("03.1")
def ddpm_with_an_exception_at_the_end(schedule, now, s, previous=None, generator=None):
    if s == 0:
        return now.pred.x_0.clone()
    return ddpm_by_the_paper(schedule, now, s, previous, generator)


@right("03.1")
def ddpm_in_tensors(schedule, now, s, previous=None, generator=None):
    a_t, a_s = schedule.alpha_bar[now.t], schedule.alpha_bar[s]
    beta = 1 - a_t / a_s
    on_x_0 = torch.sqrt(a_s) * beta / (1 - a_t)
    on_x_t = torch.sqrt(1 - beta) * (1 - a_s) / (1 - a_t)
    sigma = torch.sqrt(beta * (1 - a_s) / (1 - a_t))
    return on_x_0 * now.pred.x_0 + on_x_t * now.x + sigma * torch.randn(now.x.shape, generator=generator)


@right("03.1")
def ddpm_as_in_the_text(schedule, now, s, previous=None, generator=None):
    beta = 1 - (schedule.alpha_bar[now.t] / schedule.alpha_bar[s]).item()
    w = beta / (1 - schedule.alpha_bar[now.t].item())
    mean = w * schedule.alpha_bar[s].item() ** 0.5 * now.pred.x_0 + (1 - w) * now.x / math.sqrt(1 - beta)
    variance = beta * (1 - schedule.alpha_bar[s]) / (1 - schedule.alpha_bar[now.t])
    return mean + float(variance) ** 0.5 * noise_like(now.x, generator)


@right("03.1")
def ddpm_by_precisions(schedule, now, s, previous=None, generator=None):
    """Two reports, each weighted by one over its variance; the first has no doubt at s = 0."""
    a_t, a_s = (float(schedule.alpha_bar[time]) for time in (now.t, s))
    if s == 0:
        return now.pred.x_0 + 0 * noise_like(now.x, generator)
    beta = 1 - a_t / a_s
    from_picture, from_here = 1 / (1 - a_s), (1 - beta) / beta
    total = from_picture + from_here
    mean = (from_picture * a_s**0.5 * now.pred.x_0 + from_here * now.x / (1 - beta) ** 0.5) / total
    return mean + noise_like(now.x, generator) / total**0.5


@right("03.1")
def ddpm_by_the_noise(schedule, now, s, previous=None, generator=None):
    t, x, (_, eps) = now
    a_t, a_s = schedule.alpha_bar[t].item(), schedule.alpha_bar[s].item()
    alpha = a_t / a_s
    z = torch.randn(x.size(), dtype=x.dtype, generator=generator)
    mean = (x - (1 - alpha) / np.sqrt(1 - a_t) * eps) / np.sqrt(alpha)
    return mean + np.sqrt((1 - a_s) / (1 - a_t) * (1 - alpha)) * z


@right("03.1")
def ddpm_as_ddim_with_eta_one(schedule, now, s, previous=None, generator=None):
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    sigma2 = (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)
    x_s = a_s**0.5 * now.pred.x_0 + max(1 - a_s - sigma2, 0) ** 0.5 * now.pred.eps
    return x_s + sigma2**0.5 * noise_like(now.x, generator)


@right("03.1")
def ddpm_picture_by_picture(schedule, now, s, previous=None, generator=None):
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    beta = 1 - a_t / a_s

    def one(x, x_0):
        mean = (a_s**0.5 * beta * x_0 + (1 - beta) ** 0.5 * (1 - a_s) * x) / (1 - a_t)
        return mean.add(torch.randn(x.shape, generator=generator), alpha=(beta * (1 - a_s) / (1 - a_t)) ** 0.5)

    return torch.stack([one(x, x_0) for x, x_0 in zip(now.x, now.pred.x_0, strict=True)])


@right("03.1")
def ddpm_in_float64(schedule, now, s, previous=None, generator=None):
    a_t, a_s = schedule.alpha_bar[[now.t, s]]
    beta = 1 - a_t / a_s
    x, guess = now.x.double(), now.pred.x_0.double()
    mean = a_s.sqrt() * beta / (1 - a_t) * guess + (1 - beta).sqrt() * (1 - a_s) / (1 - a_t) * x
    noise = torch.randn(x.shape, dtype=torch.float64, generator=generator)
    return (mean + ((1 - a_s) / (1 - a_t) * beta).sqrt() * noise).to(now.x.dtype)


@right("03.1")
def ddpm_with_torch_normal(schedule, now, s, previous=None, generator=None):
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    beta = 1 - a_t / a_s
    mean = torch.lerp(
        now.x * (1 - beta) ** -0.5, now.pred.x_0 * a_s**0.5, beta / (1 - a_t)
    )  # what lies between the two reports
    return torch.normal(mean, ((1 - a_s) / (1 - a_t) * beta) ** 0.5, generator=generator)


@right("03.1")
def ddpm_in_place_on_its_own(schedule, now, s, previous=None, generator=None):
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    beta = 1 - a_t / a_s
    out = torch.empty_like(now.x).normal_(generator=generator)
    out *= (beta * (1 - a_s) / (1 - a_t)) ** 0.5
    out += a_s**0.5 * beta / (1 - a_t) * now.pred.x_0
    out.add_(now.x, alpha=(1 - beta) ** 0.5 * (1 - a_s) / (1 - a_t))
    return out


@right("03.1")
def ddpm_with_the_noise_masked(schedule, now, s, previous=None, generator=None):
    alpha_bar, t = schedule.alpha_bar, now.t
    beta = 1 - alpha_bar[t] / alpha_bar[s]
    log_variance = torch.log((beta * (1 - alpha_bar[s]) / (1 - alpha_bar[t])).clamp(min=1e-20))
    mask = float(s != 0)
    mean = (alpha_bar[s].sqrt() * beta * now.pred.x_0 + (1 - beta).sqrt() * (1 - alpha_bar[s]) * now.x) / (
        1 - alpha_bar[t]
    )
    return mean + mask * torch.exp(0.5 * log_variance) * noise_like(now.x, generator)


class Ancestral:
    """A callable object."""

    def __call__(self, schedule, now, s, previous=None, generator=None):
        a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
        beta = 1 - a_t / a_s
        noise = generator and noise_like(now.x, generator)
        if noise is None:
            noise = torch.randn_like(now.x)
        x_0 = now.pred.x_0
        return self.weights(a_t, a_s, beta, x_0, now.x) + noise * (beta * (1 - a_s) / (1 - a_t)) ** 0.5

    def weights(self, a_t, a_s, beta, x_0, x_t):
        return (a_s**0.5 * beta * x_0 + (1 - beta) ** 0.5 * (1 - a_s) * x_t) / (1 - a_t)


right("03.1")(Ancestral())


def ddpm(schedule, now, s, generator, *, root=lambda value: value**0.5, noise=None, beta=None, end=True):
    """What the wrong answers below have in common: the step, of which each changes a part."""
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    beta = 1 - a_t / a_s if beta is None else beta
    mean = a_s**0.5 * beta / (1 - a_t) * now.pred.x_0 + (1 - beta) ** 0.5 * (1 - a_s) / (1 - a_t) * now.x
    return mean + root(beta * (1 - a_s) / (1 - a_t)) * (noise_like(now.x, generator) if noise is None else noise)


@wrong("03.1", "linear schedule and wrong for another")
def ddpm_of_the_linear_schedule(schedule, now, s, previous=None, generator=None):
    return ddpm(NoiseSchedule.linear(), now, s, generator)


@wrong("03.1", "mean of a step")
def ddpm_of_a_cosine_schedule(schedule, now, s, previous=None, generator=None):
    return ddpm(NoiseSchedule.cosine(), now, s, generator)


@wrong("03.1", "use the generator that it is handed")
def ddpm_with_randn_like(schedule, now, s, previous=None, generator=None):
    return ddpm(schedule, now, s, generator, noise=torch.randn_like(now.x))


@wrong("03.1", "same whatever generator is handed over")
def ddpm_with_a_seed(schedule, now, s, previous=None, generator=None):
    return ddpm(schedule, now, s, torch.Generator().manual_seed(42))


@wrong("03.1", "same noise at every step")
def ddpm_with_a_copied_generator(schedule, now, s, previous=None, generator=None):
    mine = torch.Generator()
    mine.set_state(generator.get_state())
    return ddpm(schedule, now, s, mine)


@wrong("03.1", "same whatever generator is handed over")
def ddpm_that_seeds_torch(schedule, now, s, previous=None, generator=None):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return ddpm(schedule, now, s, None)


@wrong("03.1", "'NoneType' object has no attribute")
def ddpm_that_needs_a_generator(schedule, now, s, previous=None, generator=None):
    return ddpm(
        schedule, now, s, generator, noise=torch.randn(now.x.shape, generator=generator, device=generator.device)
    )


@wrong("03.1", "Numbers share their noise")
def ddpm_with_a_number_for_a_picture(schedule, now, s, previous=None, generator=None):
    noise = torch.randn(len(now.x), *[1] * (now.x.ndim - 1), generator=generator)
    return ddpm(schedule, now, s, generator, noise=noise)


@wrong("03.1", "Numbers share their noise")
def ddpm_with_grey_noise(schedule, now, s, previous=None, generator=None):
    noise = torch.randn(now.x[:, :1].shape, generator=generator)
    return ddpm(schedule, now, s, generator, noise=noise)


@wrong("03.1", "Numbers share their noise")
def ddpm_with_a_single_number(schedule, now, s, previous=None, generator=None):
    return ddpm(schedule, now, s, generator, noise=torch.randn((), generator=generator))


@wrong("03.1", "torch.rand was used")
def ddpm_with_rand(schedule, now, s, previous=None, generator=None):
    noise = torch.zeros_like(now.x).uniform_(generator=generator)
    return ddpm(schedule, now, s, generator, noise=noise)


@wrong("03.1", "standard deviation of the noise")
def ddpm_with_scaled_rand(schedule, now, s, previous=None, generator=None):
    noise = (torch.rand(now.x.shape, generator=generator) - 0.5) * 12**0.5  # the right mean and deviation
    return ddpm(schedule, now, s, generator, noise=noise)


@wrong("03.1", "multiplied by its variance")
def ddpm_by_variance(schedule, now, s, previous=None, generator=None):
    return ddpm(schedule, now, s, generator, root=lambda value: value)


@wrong("03.1", "The variance is beta")
def ddpm_of_the_larger_variance(schedule, now, s, previous=None, generator=None):
    beta = 1 - schedule.alpha_bar[now.t].item() / schedule.alpha_bar[s].item()
    return ddpm(schedule, now, s, generator, root=lambda value: beta**0.5 if s else 0)


@wrong("03.1", "Noise was added on the last step")
def ddpm_of_the_larger_variance_everywhere(schedule, now, s, previous=None, generator=None):
    beta = 1 - schedule.alpha_bar[now.t].item() / schedule.alpha_bar[s].item()
    return ddpm(schedule, now, s, generator, root=lambda value: beta**0.5)


@wrong("03.1", "beta of the one step")
def ddpm_of_one_step(schedule, now, s, previous=None, generator=None):
    return ddpm(schedule, now, s, generator, beta=schedule.beta[now.t].item())


@wrong("03.1", "No noise is added")
def ddpm_mean_only(schedule, now, s, previous=None, generator=None):
    return ddpm(schedule, now, s, generator, noise=0)


@wrong("03.1", "mean of a step")
def ddpm_subtracting(schedule, now, s, previous=None, generator=None):
    return ddpm(schedule, now, s, generator) - 0.1 * now.x * (s > 0)


@wrong("03.1", "square roots are missing from the mean")
def ddpm_without_roots(schedule, now, s, previous=None, generator=None):
    a_t, a_s = schedule.alpha_bar[now.t], schedule.alpha_bar[s]
    beta = 1 - a_t / a_s
    mean = (a_s * beta * now.pred.x_0 + (1 - beta) * (1 - a_s) * now.x) / (1 - a_t)
    return mean + (beta * (1 - a_s) / (1 - a_t)).sqrt() * noise_like(now.x, generator)


@wrong("03.1", "term with x_t is missing")
def ddpm_around_x_0(schedule, now, s, previous=None, generator=None):
    a_t, a_s = schedule.alpha_bar[now.t], schedule.alpha_bar[s]
    beta = 1 - a_t / a_s
    mean = a_s.sqrt() * beta / (1 - a_t) * now.pred.x_0
    return torch.addcmul(mean, (beta * (1 - a_s) / (1 - a_t)).sqrt().to(mean.dtype), noise_like(now.x, generator))


@wrong("03.1", "guess of x_0 is missing")
def ddpm_around_x_t(schedule, now, s, previous=None, generator=None):
    a_t, a_s = schedule.alpha_bar[now.t], schedule.alpha_bar[s]
    beta = 1 - a_t / a_s
    mean = (1 - beta).sqrt() * (1 - a_s) / (1 - a_t) * now.x
    return mean + (beta * (1 - a_s) / (1 - a_t)).sqrt() * noise_like(now.x, generator)


@wrong("03.1", "in place")
def ddpm_on_the_arguments(schedule, now, s, previous=None, generator=None):
    now.x.mul_(0.5)
    return ddpm(schedule, now, s, generator)


@wrong("03.1", "course's own ddpm_step")
def ddpm_of_the_library(schedule, now, s, previous=None, generator=None):
    return sampling.ddpm_step(schedule, now, s, previous, generator)


@wrong("03.1", "course's own ddim_step")
def ddpm_of_the_librarys_ddim(schedule, now, s, previous=None, generator=None):
    return sampling.ddim_step(schedule, now, s, generator=generator, eta=1.0)


@wrong("03.1", "return")
def ddpm_printed(schedule, now, s, previous=None, generator=None):
    str(ddpm(schedule, now, s, generator))


@wrong("03.1", "dtype")
def ddpm_left_in_float64(schedule, now, s, previous=None, generator=None):
    return ddpm(schedule, now, s, generator).double()


@wrong("03.1", "torch.Tensor")
def ddpm_as_an_array(schedule, now, s, previous=None, generator=None):
    return ddpm(schedule, now, s, generator).numpy()


@wrong("03.1", "Without a generator")
def ddpm_without_noise_unless_asked(schedule, now, s, previous=None, generator=None):
    return ddpm(schedule, now, s, generator, noise=0 if generator is None else None)


# --- 03.2 -------------------------------------------------------------------------------------------------------------


@right("03.2")
def hunt_noise_by_two_seeds(step):
    schedule = NoiseSchedule.linear()
    now = Step(1, torch.ones(1, 1, 4, 4), Prediction(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)))
    a, b = (step(schedule, now, 0, torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert torch.allclose(a, b, atol=1e-6)


@right("03.2")
def hunt_noise_by_spread(step):
    schedule = NoiseSchedule.linear(10)
    now = Step(5, torch.ones(1, 1, 30, 30), Prediction(torch.zeros(1, 1, 30, 30), torch.ones(1, 1, 30, 30)))
    assert step(schedule, now, 0, None).std() < 1e-6


def a_moment(t=1, x_0=0.25, shape=(2, 1, 8, 8), schedule=None):
    """A moment in the cosine schedule, its guess and its noise."""
    schedule = schedule or NoiseSchedule.cosine()
    guess, eps = torch.full(shape, x_0), torch.randn(shape, generator=torch.Generator().manual_seed(31))
    return schedule, Step(t, add_noise(schedule, guess, t, eps), Prediction(guess, eps))


def seed(number):
    return torch.Generator().manual_seed(number)


@right("03.2")
def the_last_step_is_the_guess(step):
    schedule, now = a_moment()
    assert torch.allclose(step(schedule, now, 0, None), now.pred.x_0, atol=1e-4)


@right("03.2")
def the_last_step_from_afar(step):
    schedule, now = a_moment(t=600)
    assert (step(schedule, now, 0, seed(1)) - now.pred.x_0).abs().max() < 0.01, "grain"


@right("03.2")
def by_keywords(step):
    schedule, now = a_moment(t=50)
    last_one = step(schedule=schedule, now=now, s=0, generator=seed(2))
    torch.testing.assert_close(last_one, now.pred.x_0, atol=1e-4, rtol=0)


@right("03.2")
def two_seeds_one_end(step):
    schedule, now = a_moment(t=10)
    ends = [step(schedule, now, 0, seed(number)) for number in range(5)]
    for one, other in pairwise(ends):
        assert torch.allclose(one, other, atol=1e-5)


@right("03.2")
def no_spread_at_the_end(step):
    schedule, now = a_moment(t=3, shape=(1, 100_000))
    assert step(schedule, now, 0, seed(3)).std().item() < 1e-4


@right("03.2")
def at_every_time(step):
    schedule = NoiseSchedule.linear(20)
    for t in range(1, 21):
        _, now = a_moment(t, schedule=schedule, shape=(4, 30))
        np.testing.assert_allclose(step(schedule, now, 0, None).numpy(), now.pred.x_0.numpy(), atol=1e-4)


@right("03.2")
def noise_on_the_way_and_none_at_the_end(step):
    schedule, now = a_moment(t=500)
    on_the_way, at_the_end = (
        (step(schedule, now, s, seed(1)) - step(schedule, now, s, seed(2))).abs().max() for s in (400, 0)
    )
    assert on_the_way > 0.01
    assert at_the_end < 1e-4


@right("03.2")
def on_one_number(step):
    schedule = NoiseSchedule.linear()
    number = torch.tensor([0.5], dtype=torch.float64)
    now = Step(1000, number, Prediction(number, number))
    found = [step(schedule, now, 0, seed(k)).item() for k in range(20)]
    assert max(found) - min(found) < 1e-6


@right("03.2")
def with_an_assertion_raised_by_hand(step):
    schedule, now = a_moment(t=100)
    difference = step(schedule, now, 0, seed(8)).sub(now.pred.x_0).square().mean().sqrt()
    if difference > 1e-3:
        raise AssertionError(f"noise of size {difference:.3f} is left")


@right("03.2")
def with_helpers_inside(step):
    def finished(k):
        schedule, now = a_moment(t=k, shape=(1, 3, 6, 6))
        return step(schedule, now, 0, seed(k)), now.pred.x_0

    assert all(torch.allclose(*finished(k), atol=1e-3) for k in (2, 20, 200))


@right("03.2")
def the_end_of_a_walk(step):
    """A whole walk towards a denoiser that knows the picture: it has to arrive there."""
    schedule, generator = NoiseSchedule.linear(), seed(5)
    picture = torch.linspace(-1, 1, 64)
    x = torch.randn(64, generator=generator)
    for t, s in pairwise([1000, 500, 100, 10, 0]):
        a_t = schedule.alpha_bar[t].item()
        now = Step(t, x, Prediction(picture, (x - a_t**0.5 * picture) / (1 - a_t) ** 0.5))
        x = step(schedule, now, s, generator)
    assert torch.allclose(x, picture, atol=1e-3)


@wrong("03.2", "lets the broken version pass")
def looks_on_the_way_only(step):
    schedule, now = a_moment(t=500)
    assert not torch.equal(step(schedule, now, 499, seed(1)), step(schedule, now, 499, seed(2)))


@wrong("03.2", "lets the broken version pass")
def with_too_much_patience(step):
    schedule, now = a_moment(t=1)
    assert torch.allclose(step(schedule, now, 0, seed(1)), now.pred.x_0, atol=0.5)


@wrong("03.2", "never calls")
def never_calls_it(step):
    assert callable(step)


@wrong("03.2", "lets the broken version pass")
def returns_its_verdict(step):
    schedule, now = a_moment(t=100)
    return torch.allclose(step(schedule, now, 0, seed(1)), now.pred.x_0, atol=1e-4)


@wrong("03.2", "lets the broken version pass")
def catches_its_own_assertion(step):
    schedule, now = a_moment(t=100)
    try:
        assert torch.allclose(step(schedule, now, 0, seed(1)), now.pred.x_0, atol=1e-4)
    except AssertionError:
        step = None


@wrong("03.2", "lets the broken version pass")
def looks_at_the_mean_only(step):
    schedule, now = a_moment(t=1, shape=(1, 100_000))
    assert abs(step(schedule, now, 0, seed(1)).mean().item() - 0.25) < 1e-2


@wrong("03.2", "lets the broken version pass")
def one_seed_twice(step):
    schedule, now = a_moment(t=100)
    assert torch.equal(step(schedule, now, 0, seed(1)), step(schedule, now, 0, seed(1)))


@wrong("03.2", "refuses a correct version too")
def wants_no_noise_anywhere(step):
    schedule, now = a_moment(t=500)
    assert torch.allclose(step(schedule, now, 400, seed(1)), step(schedule, now, 400, seed(2)))


@wrong("03.2", "refuses a correct version too")
def wants_the_smaller_variance(step):
    schedule, now = a_moment(t=500, shape=(1, 100_000))
    a_t, a_s = schedule.alpha_bar[500].item(), schedule.alpha_bar[300].item()
    spread = (step(schedule, now, 300, seed(1)) - step(schedule, now, 300, seed(2))).std().item() / 2**0.5
    assert abs(spread - ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)) ** 0.5) < 0.01


@wrong("03.2", "refuses a correct version too")
def wants_x_t_to_stay(step):
    schedule, now = a_moment(t=100)
    assert torch.allclose(step(schedule, now, 0, seed(1)), now.x)


@wrong("03.2", "refuses a correct version too")
def wants_nothing_of_x_0(step):
    schedule, now = a_moment(t=100)
    assert step(schedule, now, 0, seed(1)).abs().max() < 1e-3


@wrong("03.2", "Your test stops with TypeError")
def hands_over_too_little(step):
    schedule, now = a_moment(t=100)
    assert torch.allclose(step(schedule, now, 0), now.pred.x_0, atol=1e-4)


@wrong("03.2", "refuses a correct version too")
def compares_bit_for_bit(step):
    schedule, now = a_moment(t=100, x_0=0.3)
    assert torch.equal(step(schedule, now, 0, seed(1)), now.pred.x_0 * 1.0000001)


@wrong("03.2", "course's own ddpm_step")
def compares_with_the_library(step):
    schedule, now = a_moment(t=100)
    assert torch.allclose(step(schedule, now, 0, seed(1)), sampling.ddpm_step(schedule, now, 0, None, seed(1)))


@wrong("03.2", "does not reach an assertion")
def raises_something_else(step):
    schedule, now = a_moment(t=100)
    if not torch.allclose(step(schedule, now, 0, seed(1)), now.pred.x_0, atol=1e-4):
        raise RuntimeError("grain")


@wrong("03.2", "refuses a correct version too")
def asserts_the_bug(step):
    schedule, now = a_moment(t=100)
    assert not torch.allclose(step(schedule, now, 0, seed(1)), now.pred.x_0, atol=1e-4)


# --- 03.3 -------------------------------------------------------------------------------------------------------------


@right("03.3")
def walk_by_keywords(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times):
        now = Step(t=t, x=x, pred=denoiser(x, t, cond))
        x = rule(schedule=denoiser.schedule, now=now, s=s, previous=None, generator=generator)
    return x


@right("03.3")
def draw_by_index(denoiser, x, times, rule, cond, generator):
    for i in range(len(times) - 1):
        pred = denoiser(x, times[i], cond)
        x = rule(denoiser.schedule, Step(times[i], x, pred), times[i + 1], None, generator)
    return x


@right("03.3")
def draw_recursively(denoiser, x, times, rule, cond, generator):
    if len(times) == 1:
        return x
    now = Step(t=times[0], x=x, pred=denoiser(x, times[0], cond))
    return draw_recursively(
        denoiser, rule(denoiser.schedule, now, times[1], None, generator), times[1:], rule, cond, generator
    )


@right("03.3")
def loop_over_pairs(denoiser, x, times, rule, cond, generator):
    starts, ends = times[:-1], times[1:]
    for t, s in zip(starts, ends, strict=True):
        x = rule(denoiser.schedule, Step(t=t, x=x, pred=denoiser(x, t, cond)), s, None, generator)
    return x


@right("03.3")
def loop_by_index(denoiser, x, times, rule, cond, generator):
    k = 0
    while k + 1 < len(times):
        pred = denoiser(x, times[k], cond)
        now = Step(times[k], x, pred)
        x = rule(denoiser.schedule, now, times[k + 1], None, generator)
        k += 1
    return x


@right("03.3")
def loop_by_reduce(denoiser, x, times, rule, cond, generator):
    def go(state, s):
        t, x = state
        return s, rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator)

    return functools.reduce(go, times[1:], (times[0], x))[1]


@right("03.3")
def loop_by_recursion(denoiser, x, times, rule, cond, generator):
    t, *rest = times
    if not rest:
        return x
    x_s = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), rest[0], None, generator)
    return loop_by_recursion(denoiser, x_s, rest, rule, cond, generator)


@right("03.3")
def loop_on_a_copied_list(denoiser, x, times, rule, cond, generator):
    left = list(times)
    now = left.pop(0)
    while left:
        then = left.pop(0)
        x = rule(denoiser.schedule, Step(now, x, denoiser(x, now, cond)), then, previous=None, generator=generator)
        now = then
    return x


@right("03.3")
def loop_without_what_is_not_needed(denoiser, x, times, rule, cond, generator):
    schedule = denoiser.schedule
    for t, s in pairwise(times):
        x = rule(schedule, Step(t, x, denoiser(x, t, cond)), s, generator=generator)
    return x


@right("03.3")
def loop_with_a_trail(denoiser, x, times, rule, cond, generator):
    trail = [x.clone()]
    for i, s in enumerate(times[1:]):
        guess = denoiser(trail[-1], times[i], cond)
        trail.append(
            rule(denoiser.schedule, Step(times[i], trail[-1], Prediction(guess.x_0, guess.eps)), s, None, generator)
        )
    return trail[-1]


@right("03.3")
def loop_with_times_for_each_picture(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times):
        asked = torch.full((len(x),), t)
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, asked, cond)), s, None, generator)
    return x


@right("03.3")
def loop_that_asks_twice(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times):
        x_0, eps = denoiser(x, t, cond).x_0, denoiser(x, t, cond).eps
        x = rule(denoiser.schedule, Step(t, x, Prediction(x_0, eps)), s, None, generator)
    return x


@right("03.3")
def loop_that_remembers(denoiser, x, times, rule, cond, generator):
    previous = None
    with torch.no_grad():
        for t, s in pairwise(times):
            now = Step(t, x, denoiser(x, t, cond))
            x = rule(denoiser.schedule, now, s, previous, generator)
            previous = now
    return x


def logged(function):
    @functools.wraps(function)
    def wrapper(*arguments, **named):
        return function(*arguments, **named)

    return wrapper


@right("03.3")
@logged
def loop_with_a_decorator(denoiser, x, times, rule, cond, generator):
    steps = iter(times)
    t = next(steps)
    for s in steps:
        x, t = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator), s
    return x


right("03.3")(
    lambda denoiser, x, times, rule, cond, generator: [
        x := rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator) for t, s in pairwise(times)
    ][-1]
)


@wrong("03.3", "Another rule makes no difference")
def loop_of_ddim_only(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times):
        a_s = denoiser.schedule.alpha_bar[s].item()
        x_0, eps = denoiser(x, t, cond)
        x = a_s**0.5 * x_0 + (1 - a_s) ** 0.5 * eps
    return x


@wrong("03.3", "guess of x_0", "walk all the way")
def loop_that_guesses(denoiser, x, times, rule, cond, generator):
    pred = denoiser(x, times[0], cond)
    return pred.x_0


@wrong("03.3", "Every step starts from the first noise")
def loop_that_forgets(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times):
        now = Step(t, x, denoiser(x, t, cond))
        x_s = rule(denoiser.schedule, now, s, None, generator)
    return x_s


@wrong("03.3", "The last step is missing")
def loop_that_stops_short(denoiser, x, times, rule, cond, generator):
    for i in range(len(times) - 2):
        x = rule(denoiser.schedule, Step(times[i], x, denoiser(x, times[i], cond)), times[i + 1], None, generator)
    return x


@wrong("03.3", "The first step is missing")
def loop_that_starts_late(denoiser, x, times, rule, cond, generator):
    for i in range(1, len(times) - 1):
        x = rule(denoiser.schedule, Step(times[i], x, denoiser(x, times[i], cond)), times[i + 1], None, generator)
    return x


@wrong("03.3", "IndexError")
def loop_that_runs_over_the_end(denoiser, x, times, rule, cond, generator):
    for i in range(len(times)):
        x = rule(
            denoiser.schedule, Step(times[i], x, denoiser(x, max(times[i], 1), cond)), times[i + 1], None, generator
        )
    return x


@wrong("03.3", "asked only once")
def loop_with_one_prediction(denoiser, x, times, rule, cond, generator):
    guess = denoiser(x, times[0], cond)
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, guess), s, None, generator)
    return x


@wrong("03.3", "asked at s")
def loop_that_asks_ahead(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, s if s > 0 else 1, cond)), s, None, generator)
    return x


@wrong("03.3", "every time from the first to the last")
def loop_through_everything(denoiser, x, times, rule, cond, generator):
    t = times[0]
    while t > times[-1]:
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), t - 1, None, generator)
        t -= 1
    return x


@wrong("03.3", "The walk goes on to 0")
def loop_down_to_zero(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise([t for t in times if t > 0] + [0]):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator)
    return x


@wrong("03.3", "The walk begins at T")
def loop_from_the_very_top(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise([denoiser.schedule.T, *(t for t in times if t < denoiser.schedule.T)]):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator)
    return x


@wrong("03.3", "Twice the same x")
def loop_from_fresh_noise(denoiser, x, times, rule, cond, generator):
    x = torch.randn_like(x)
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator)
    return x


@wrong("03.3", "another schedule than the denoiser's")
def loop_by_a_schedule_of_its_own(denoiser, x, times, rule, cond, generator):
    schedule = NoiseSchedule.cosine()
    for t, s in pairwise(times):
        x = rule(schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator)
    return x


@wrong("03.3", "The Step says s")
def loop_with_the_wrong_time_in_the_step(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(s, x, denoiser(x, t, cond)), s, None, generator)
    return x


@wrong("03.3", "in place")
def loop_that_eats_the_times(denoiser, x, times, rule, cond, generator):
    while len(times) > 1:
        t = times.pop(0)
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), times[0], None, generator)
    return x


@wrong("03.3", "course's own sample")
def loop_of_the_library(denoiser, x, times, rule, cond, generator):
    return sampling.last(sampling.sample(denoiser, x, times, rule, cond, generator))


@wrong("03.3", "list")
def loop_that_returns_all(denoiser, x, times, rule, cond, generator):
    every = [x]
    for t, s in pairwise(times):
        every.append(rule(denoiser.schedule, Step(t, every[-1], denoiser(every[-1], t, cond)), s, None, generator))
    return every


@wrong("03.3", "return")
def loop_without_a_return(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator)


@wrong("03.3", "AttributeError")
def loop_with_half_a_prediction(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond).x_0), s, None, generator)
    return x


@wrong("03.3", "at every time but the last")
def loop_over_every_second_time(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times[::2]):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator)
    return x


@wrong("03.3", "do not arrive")
def loop_that_clips(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator).clamp(-3, 3)
    return x


@wrong("03.3", "not told cond")
def loop_that_forgets_the_labels(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t)), s, None, generator)
    return x


@wrong("03.3", "use the generator that it is handed")
def loop_with_noise_of_its_own(denoiser, x, times, rule, cond, generator):
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, None)
    return x


@wrong("03.3", "no generator is handed over")
def walk_with_a_default_generator(denoiser, x, times, rule, cond=None, generator=None):
    generator = generator or torch.Generator().manual_seed(0)
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator)
    return x


# --- 03.4 -------------------------------------------------------------------------------------------------------------


@right("03.4")
def times_by_linspace(schedule, steps):
    return torch.linspace(schedule.T, 0, steps + 1, dtype=torch.float64).round().long().tolist()


@right("03.4")
def times_rounded_up(schedule, steps):
    return [math.ceil(schedule.T * k / steps) for k in range(steps, -1, -1)]


@right("03.4")
def times_by_rounding(schedule, steps):
    return [round(schedule.T - k * schedule.T / steps) for k in range(steps + 1)]


@right("03.4")
def times_by_torch(schedule, steps):
    return torch.linspace(schedule.T, 0, steps + 1, dtype=torch.float64).round().int().tolist()


@right("03.4")
def times_by_numpy(schedule, steps):
    return [int(t) for t in np.linspace(0, schedule.T, num=steps + 1).round()[::-1]]


@right("03.4")
def times_turned_round(schedule, steps):
    rising = [k * schedule.T // steps for k in range(steps + 1)]
    return list(reversed(rising))


@right("03.4")
def times_by_whole_numbers_in_torch(schedule, steps):
    k = torch.arange(steps, -1, -1)
    return torch.div(k * schedule.T, steps, rounding_mode="floor").tolist()


@right("03.4")
def times_by_a_line_drawn(schedule, steps):
    """As on a screen: carry the remainder along."""
    times, left, owed = [schedule.T], schedule.T, 0
    for _ in range(steps):
        owed += schedule.T
        left -= owed // steps
        owed %= steps
        times.append(left)
    return times


@right("03.4")
def times_of_what_is_left(schedule, steps):
    t, times = schedule.T, [schedule.T]
    for left in range(steps, 0, -1):
        t -= t // left if left > 1 else t
        times.append(t)
    return times


@right("03.4")
def times_with_long_steps_first(schedule, steps):
    short, more = divmod(schedule.T, steps)
    gaps = [short + 1] * more + [short] * (steps - more)
    times = [schedule.T]
    for gap in gaps:
        times.append(times[-1] - gap)
    return times


@right("03.4")
def times_from_the_table(schedule, steps):
    T = len(schedule.alpha_bar) - 1
    return [int(T * (1 - k / steps) + 0.5) for k in range(steps + 1)]


@right("03.4")
def times_by_generator(schedule, steps):
    def walk():
        for k in range(steps):
            yield schedule.T * (steps - k) // steps
        yield 0

    return [*walk()]


@wrong("03.4", "elsewhere it does not end at 0")
def times_in_strides(schedule, steps):
    return list(range(schedule.T, -1, -(schedule.T // steps)))


@wrong("03.4", "elsewhere it takes a step too many")
def times_in_strides_and_zero(schedule, steps):
    times = list(range(schedule.T, 0, -(schedule.T // steps)))
    times.append(0)
    return times


@wrong("03.4", "elsewhere some gaps are too long")
def times_in_strides_and_a_leap(schedule, steps):
    stride = schedule.T // steps
    return [schedule.T - stride * k for k in range(steps)] + [0]


@wrong("03.4", "Python ints")
def times_as_fractions(schedule, steps):
    return [schedule.T - k * schedule.T / steps for k in range(steps + 1)]


@wrong("03.4", "Python ints")
def times_of_numpy(schedule, steps):
    return list(np.linspace(schedule.T, 0, steps + 1).astype(int))


@wrong("03.4", "Python ints")
def times_as_small_tensors(schedule, steps):
    return list(torch.linspace(schedule.T, 0, steps + 1).round().int())


@wrong("03.4", "list")
def times_as_a_tensor(schedule, steps):
    return torch.linspace(schedule.T, 0, steps + 1).round().int()


@wrong("03.4", "list")
def times_as_a_range(schedule, steps):
    return range(schedule.T, -1, -schedule.T // steps)


@wrong("03.4", "list")
def times_as_a_tuple(schedule, steps):
    return tuple(schedule.T * (steps - k) // steps for k in range(steps + 1))


@wrong("03.4", "They rise")
def times_going_up(schedule, steps):
    return [round(schedule.T * k / steps) for k in range(steps + 1)]


@wrong("03.4", "0 at the end is missing")
def times_of_range_steps(schedule, steps):
    return [round(schedule.T * (1 - k / steps)) for k in range(steps)]


@wrong("03.4", "T at the beginning is missing")
def times_that_step_first(schedule, steps):
    return [round(schedule.T * (1 - k / steps)) for k in range(1, steps + 1)]


@wrong("03.4", "T − 1")
def times_of_linspace_from_999(schedule, steps):
    return torch.linspace(schedule.T - 1, 0, steps + 1, dtype=torch.float64).round().int().tolist()


@wrong("03.4", "They end at 1")
def times_of_linspace_to_1(schedule, steps):
    return torch.linspace(schedule.T, 1, steps + 1, dtype=torch.float64).round().int().tolist()


@wrong("03.4", "as many times as steps")
def times_of_linspace(schedule, steps):
    return torch.linspace(schedule.T, 0, steps, dtype=torch.float64).round().int().tolist()


@wrong("03.4", "one time too many")
def times_with_one_between(schedule, steps):
    return torch.linspace(schedule.T, 0, steps + 2, dtype=torch.float64).round().int().tolist()


@wrong("03.4", "begin at T")
def times_for_a_thousand(schedule, steps):
    return [1000 * (steps - k) // steps for k in range(steps + 1)]


@wrong("03.4", "fall evenly")
def times_in_squares(schedule, steps):
    return [round(schedule.T * (1 - k / steps) ** 2) for k in range(steps + 1)]


@wrong("03.4", "course's own NoiseSchedule.times")
def times_of_the_library(schedule, steps):
    return schedule.times(steps)


@wrong("03.4", "return")
def times_printed(schedule, steps):
    str([schedule.T * (steps - k) // steps for k in range(steps + 1)])


@wrong("03.4", "begin at T")
def times_of_nothing(schedule, steps):
    return []


@wrong("03.4", "one step")
def times_that_fail_for_one_step(schedule, steps):
    if steps == 1:
        return [schedule.T]
    return [schedule.T * (steps - k) // steps for k in range(steps + 1)]


# --- 03.5 -------------------------------------------------------------------------------------------------------------


@right("03.5")
def ddim_in_three_lines(schedule, now, s, previous=None, generator=None):
    a = schedule.alpha_bar[s].to(now.x.dtype)
    return a.sqrt() * now.pred.x_0 + torch.sqrt(1 - a) * now.pred.eps


@right("03.5")
def ddim_unpacking(schedule, now, s, previous, generator):
    _, _, (x_0, eps) = now
    signal = math.sqrt(schedule.alpha_bar[s])
    return signal * x_0 + math.sqrt(1 - signal**2) * eps


@right("03.5")
def ddim_by_the_closed_form(schedule, now, s, previous=None, generator=None):
    return add_noise(schedule, now.pred.x_0, s, now.pred.eps)


@right("03.5")
def ddim_in_tensors(schedule, now, s, previous=None, generator=None):
    return schedule.alpha_bar[s].sqrt() * now.pred.x_0 + torch.sqrt(1 - schedule.alpha_bar[s]) * now.pred.eps


@right("03.5")
def ddim_with_the_noise_from_x_t(schedule, now, s, previous=None, generator=None):
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    eps = (now.x - math.sqrt(a_t) * now.pred.x_0) / math.sqrt(1 - a_t)
    return math.sqrt(a_s) * now.pred.x_0 + math.sqrt(1 - a_s) * eps


@right("03.5")
def ddim_with_the_guess_from_x_t(schedule, now, s, previous=None, generator=None):
    a_t, a_s = (schedule.alpha_bar[k].item() for k in (now.t, s))
    return (a_s / a_t) ** 0.5 * (now.x - (1 - a_t) ** 0.5 * now.pred.eps) + (1 - a_s) ** 0.5 * now.pred.eps


@right("03.5")
def ddim_by_signal_and_noise(schedule, now, s, previous=None, generator=None):
    a_t, a_s = (float(schedule.alpha_bar[k]) for k in (now.t, s))
    ratio = ((1 - a_s) / (1 - a_t)) ** 0.5
    return ratio * now.x + (a_s**0.5 - ratio * a_t**0.5) * now.pred.x_0


@right("03.5")
def ddim_by_unpacking(schedule, now, s, previous=None, generator=None):
    *_, (x_0, eps) = now
    a_s = float(schedule.alpha_bar[s])
    return torch.add(x_0 * a_s**0.5, eps, alpha=(1 - a_s) ** 0.5)


@right("03.5")
def ddim_by_angle(schedule, now, s, previous=None, generator=None):
    angle = math.acos(schedule.alpha_bar[s].sqrt())
    return math.cos(angle) * now.pred.x_0 + math.sin(angle) * now.pred.eps


@right("03.5")
def ddim_in_numpy(schedule, now, s, previous=None, generator=None):
    a = schedule.alpha_bar.numpy()[s]
    x_s = np.sqrt(a) * now.pred.x_0.numpy() + np.sqrt(1 - a) * now.pred.eps.numpy()
    return torch.from_numpy(x_s).to(now.x.dtype)


@right("03.5")
def ddim_in_place_on_its_own(schedule, now, s, previous=None, generator=None):
    x_s = now.pred.x_0.clone()
    x_s *= schedule.alpha_bar[s].sqrt().item()
    x_s += (1 - schedule.alpha_bar[s]).sqrt().item() * now.pred.eps
    return x_s


@right("03.5")
def ddim_by_einsum(schedule, now, s, previous=None, generator=None):
    a_s = schedule.alpha_bar[s]
    factors = torch.stack([a_s.sqrt(), (1 - a_s).sqrt()]).to(now.x.dtype)
    return torch.einsum("k,k...->...", factors, torch.stack(list(now.pred)))


@right("03.5")
def ddim_with_eta(schedule, now, s, previous=None, generator=None, eta=0.0):
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    sigma = eta * ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)) ** 0.5 if eta else 0.0
    x_s = a_s**0.5 * now.pred.x_0 + (1 - a_s - sigma**2) ** 0.5 * now.pred.eps
    return x_s + sigma * noise_like(now.x, generator)


right("03.5")(
    lambda schedule, now, s, *rest: sum(
        (share**0.5).item() * part
        for share, part in zip((schedule.alpha_bar[s], 1 - schedule.alpha_bar[s]), now.pred, strict=True)
    )
)


@wrong("03.5", "Fresh noise is added")
def ddim_with_randn(schedule, now, s, previous=None, generator=None):
    a_s = schedule.alpha_bar[s].item()
    return a_s**0.5 * now.pred.x_0 + (1 - a_s) ** 0.5 * torch.randn_like(now.x)


@wrong("03.5", "Fresh noise is added")
def ddim_that_is_ddpm(schedule, now, s, previous=None, generator=None):
    return ddpm(schedule, now, s, generator)


@wrong("03.5", "Fresh noise is added")
def ddim_with_a_little_noise_on_top(schedule, now, s, previous=None, generator=None):
    a_s = schedule.alpha_bar[s].item()
    x_s = a_s**0.5 * now.pred.x_0 + (1 - a_s) ** 0.5 * now.pred.eps
    return x_s + 0.01 * noise_like(now.x, generator)


@wrong("03.5", "x_t is used in place of the guess")
def ddim_from_x_t(schedule, now, s, previous=None, generator=None):
    a = schedule.alpha_bar[s]
    return a.sqrt() * now.x + (1 - a).sqrt() * now.pred.eps


@wrong("03.5", "put together at t")
def ddim_that_stays(schedule, now, s, previous=None, generator=None):
    return add_noise(schedule, now.pred.x_0, now.t, now.pred.eps)


@wrong("03.5", "without the square roots")
def ddim_without_any_root(schedule, now, s, previous=None, generator=None):
    return torch.lerp(now.pred.eps, now.pred.x_0, schedule.alpha_bar[s].item())


@wrong("03.5", "The noise has lost its square root")
def ddim_with_one_root(schedule, now, s, previous=None, generator=None):
    a = schedule.alpha_bar[s].item()
    return math.sqrt(a) * now.pred.x_0 + (1 - a) * now.pred.eps


@wrong("03.5", "1 minus a root")
def ddim_with_one_minus_the_root(schedule, now, s, previous=None, generator=None):
    signal = schedule.alpha_bar[s].sqrt().item()
    return signal * now.pred.x_0 + (1 - signal) * now.pred.eps


@wrong("03.5", "two factors are swapped")
def ddim_the_wrong_way_round(schedule, now, s, previous=None, generator=None):
    return add_noise(schedule, now.pred.eps, s, now.pred.x_0)


@wrong("03.5", "The noise is taken away")
def ddim_that_denoises(schedule, now, s, previous=None, generator=None):
    a_s = schedule.alpha_bar[s].item()
    return a_s**0.5 * now.pred.x_0 - (1 - a_s) ** 0.5 * now.pred.eps


@wrong("03.5", "one time too late")
def ddim_with_s_plus_one(schedule, now, s, previous=None, generator=None):
    return add_noise(schedule, now.pred.x_0, s + 1, now.pred.eps)


@wrong("03.5", "one time too early")
def ddim_with_s_minus_one(schedule, now, s, previous=None, generator=None):
    a_s = schedule.alpha_bar[s - 1].item()
    return a_s**0.5 * now.pred.x_0 + (1 - a_s) ** 0.5 * now.pred.eps


@wrong("03.5", "This is the guess of x_0 itself")
def ddim_that_arrives_at_once(schedule, now, s, previous=None, generator=None):
    return now.pred.x_0 * 1.0


@wrong("03.5", "linear schedule and wrong for another")
def ddim_of_the_linear_schedule(schedule, now, s, previous=None, generator=None):
    return add_noise(NoiseSchedule.linear(), now.pred.x_0, s, now.pred.eps)


@wrong("03.5", "course's own ddim_step")
def ddim_of_the_library(schedule, now, s, previous=None, generator=None):
    return sampling.ddim_step(schedule, now, s)


@wrong("03.5", "course's own ddim_step")
def ddim_of_the_library_by_the_back_door(schedule, now, s, previous=None, generator=None):
    return sampling.dpmpp_2m_step(schedule, now, s)


@wrong("03.5", "in place")
def ddim_on_the_prediction(schedule, now, s, previous=None, generator=None):
    a_s = schedule.alpha_bar[s].item()
    now.pred.eps.mul_((1 - a_s) ** 0.5)
    return a_s**0.5 * now.pred.x_0 + now.pred.eps


@wrong("03.5", "return")
def ddim_stored(schedule, now, s, previous=None, generator=None):
    copy.copy(add_noise(schedule, now.pred.x_0, s, now.pred.eps))


@wrong("03.5", "shape")
def ddim_of_one_picture(schedule, now, s, previous=None, generator=None):
    return add_noise(schedule, now.pred.x_0, s, now.pred.eps)[0]


@wrong("03.5", "dtype")
def ddim_in_float64(schedule, now, s, previous=None, generator=None):
    return add_noise(schedule, now.pred.x_0.double(), s, now.pred.eps.double())


@wrong("03.5", "last step")
def ddim_with_noise_into_zero(schedule, now, s, previous=None, generator=None):
    return add_noise(schedule, now.pred.x_0, max(s, 1), now.pred.eps)


@wrong("03.5", "does not come out right")
def ddim_of_the_gaussians_guess(schedule, now, s, previous=None, generator=None):
    return add_noise(schedule, GaussianDenoiser(0.0, 1.0, schedule)(now.x, now.t).x_0, s, now.pred.eps)
