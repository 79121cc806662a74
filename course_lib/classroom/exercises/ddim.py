"""The exercises of notebook 03: DDPM's step, a bug hunt, the loop, the times, DDIM's step."""

from itertools import pairwise

import torch
from torch import Tensor

from course_lib import sampling
from course_lib.classroom.checks import BugHunt, Exercise, Trial, joined
from course_lib.denoisers import Denoiser, GaussianDenoiser, Prediction
from course_lib.forward import add_noise, noise_like
from course_lib.sampling import Rule, Step
from course_lib.schedules import NoiseSchedule

# --- 03.1 DDPM's step -------------------------------------------------------------------------------------------------


def _moment(schedule: NoiseSchedule, t: int) -> Step:
    x_0, eps = torch.randn(2, 6, 1, 4, 5, generator=torch.Generator().manual_seed(8))  # (B, C, H, W) each
    return Step(t, add_noise(schedule, x_0, t, eps), Prediction(x_0, eps))


def _mean_and_variance(schedule: NoiseSchedule, now: Step, s: int) -> tuple[Tensor, float, float]:
    """The mean of q(x_s | x_t, x_0), its variance, and the beta of the step."""
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    beta = 1 - a_t / a_s
    mean = a_s**0.5 * beta / (1 - a_t) * now.pred.x_0 + (1 - beta) ** 0.5 * (1 - a_s) / (1 - a_t) * now.x
    return mean, (1 - a_s) / (1 - a_t) * beta, beta


def ddpm_with_noise_at_the_end(schedule, now, s, previous=None, generator=None):
    """Noise was added on the last step: at s = 0 there must be none. (The variance is not beta, which never vanishes.)"""
    mean, _, beta = _mean_and_variance(schedule, now, s)
    return mean + beta**0.5 * noise_like(now.x, generator)


def ddpm_with_beta(schedule, now, s, previous=None, generator=None):
    """The variance is beta: the formula has the smaller one, beta · (1 − alpha_bar_s) / (1 − alpha_bar_t)."""
    mean, _, beta = _mean_and_variance(schedule, now, s)
    return mean + (beta**0.5 if s > 0 else 0.0) * noise_like(now.x, generator)


def ddpm_without_root(schedule, now, s, previous=None, generator=None):
    """The noise is multiplied by its variance: take the square root, the standard deviation."""
    mean, variance, _ = _mean_and_variance(schedule, now, s)
    return mean + variance * noise_like(now.x, generator)


def ddpm_with_uniform_noise(schedule, now, s, previous=None, generator=None):
    """torch.rand was used where torch.randn was meant: the noise is never negative, and the picture drifts upwards."""
    mean, variance, _ = _mean_and_variance(schedule, now, s)
    return mean + variance**0.5 * torch.rand(now.x.shape, generator=generator)


def ddpm_without_noise(schedule, now, s, previous=None, generator=None):
    """No noise is added: this is the mean alone, and without noise the pictures come out bland."""
    return _mean_and_variance(schedule, now, s)[0]


def ddpm_without_x_t(schedule, now, s, previous=None, generator=None):
    """The term with x_t is missing from the mean."""
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    _, variance, beta = _mean_and_variance(schedule, now, s)
    return a_s**0.5 * beta / (1 - a_t) * now.pred.x_0 + variance**0.5 * noise_like(now.x, generator)


def ddpm_without_x_0(schedule, now, s, previous=None, generator=None):
    """The term with the guess of x_0 is missing from the mean."""
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    _, variance, beta = _mean_and_variance(schedule, now, s)
    return (1 - beta) ** 0.5 * (1 - a_s) / (1 - a_t) * now.x + variance**0.5 * noise_like(now.x, generator)


def _mean_and_spread(step):
    """Of 200,000 steps from one and the same moment: the two numbers by which such a step is known."""
    schedule, found = NoiseSchedule.linear(), []
    for t, s in ((100, 40), (400, 300)):
        x_0, eps = torch.full((200_000, 1, 1, 1), -0.5), torch.full((200_000, 1, 1, 1), 1.2)
        now = Step(t, add_noise(schedule, x_0, t, eps), Prediction(x_0, eps))
        x_s = step(schedule, now, s, None, torch.Generator().manual_seed(2))
        found += [x_s.mean(), x_s.std()]
    return torch.stack(found)


def _ddpm_last_step(step):
    schedule = NoiseSchedule.linear()
    return joined(step(schedule, _moment(schedule, t), 0, None, torch.Generator().manual_seed(3)) for t in (1, 200))


def _repeats_itself(step):
    schedule = NoiseSchedule.linear()
    one, two = (step(schedule, _moment(schedule, 500), 400, None, torch.Generator().manual_seed(4)) for _ in range(2))
    return (one - two).abs().max()


DDPM_STEP = Exercise(
    id="03.1",
    title="DDPM's step",
    points=3,
    solution=sampling.ddpm_step,
    why=r"At $s = 0$ the factor $1-\bar\alpha_s$ is zero, so the noise vanishes by itself. A mean, a root, and fresh noise: "
    "that is ancestral sampling.",
    hints=(
        "First the three numbers: `a_t`, `a_s` and `beta = 1 - a_t / a_s`.",
        "Then the mean, from `now.pred.x_0` and `now.x` with the two factors of the formula.",
        "Then noise: the *root* of the variance times `noise_like(now.x, generator)`.",
    ),
    trials=(
        Trial(
            _ddpm_last_step,
            "The last step, into s = 0, should give the guess of x_0 itself, without noise.",
            tolerance=1e-4,
        ),
        Trial(_mean_and_spread, "Mean or standard deviation of many steps do not come out right.", tolerance=0.01),
        Trial(_repeats_itself, "Twice the same generator should give twice the same step."),
    ),
    mistakes=(
        ddpm_with_noise_at_the_end,
        ddpm_with_beta,
        ddpm_without_root,
        ddpm_with_uniform_noise,
        ddpm_without_noise,
        ddpm_without_x_t,
        ddpm_without_x_0,
    ),
)

# --- 03.2 bug hunt ----------------------------------------------------------------------------------------------------


def step(schedule, now, s, generator):
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    beta = 1 - a_t / a_s
    mean = a_s**0.5 * beta / (1 - a_t) * now.pred.x_0 + (1 - beta) ** 0.5 * (1 - a_s) / (1 - a_t) * now.x
    return mean + beta**0.5 * torch.randn(now.x.shape, generator=generator)


def step_without_last_noise(schedule, now, s, generator):
    return step(schedule, now, s, generator) if s > 0 else now.pred.x_0


def step_of_smaller_variance(schedule, now, s, generator):
    return sampling.ddpm_step(schedule, now, s, None, generator)


def find_the_bug(step):
    x = torch.zeros(1, 1, 8, 8)
    guess = torch.full_like(x, 0.5)
    last_step = step(NoiseSchedule.linear(), Step(1, x, Prediction(guess, x)), 0, torch.Generator().manual_seed(0))
    assert torch.allclose(last_step, guess, atol=1e-5), "the last step should give the guess, without noise"


NOISE_AT_THE_END = BugHunt(
    id="03.2",
    title="Bug hunt: a grain that stays",
    points=2,
    broken=step,
    correct=(step_without_last_noise, step_of_smaller_variance),
    solution=find_the_bug,
    why="With sigma² = beta, which the paper allows, the noise does not vanish at s = 0: one case has to be an exception, and "
    "many implementations have forgotten it. The grain is faint (0.01 at t = 1), so nobody sees it in a picture. Both "
    "correct versions are free in their noise at s > 0, so a test of the last step is the one to write.",
    hints=(
        "The two correct versions differ in how much noise they add on the way. Which step must look the same in both?",
        "At s = 0 the picture is finished. What should be left of the generator's noise?",
        "Call `step` with s = 0 and compare with `now.pred.x_0`.",
    ),
)

# --- 03.3 the loop ----------------------------------------------------------------------------------------------------


def sampling_loop(denoiser: Denoiser, x: Tensor, times: list[int], rule: Rule) -> Tensor:
    for t, s in pairwise(times):
        now = Step(t, x, denoiser(x, t))
        x = rule(denoiser.schedule, now, s, None, None)
    return x


def _step(denoiser: Denoiser, x: Tensor, asked_at: int, t: int, s: int, rule: Rule) -> Tensor:
    return rule(denoiser.schedule, Step(t, x, denoiser(x, asked_at)), s, None, None)


def draw_one_step_short(denoiser, x, times, rule):
    """The last step is missing: the walk has to arrive at the last time."""
    for t, s in pairwise(times[:-1]):
        x = _step(denoiser, x, t, t, s, rule)
    return x


def draw_from_the_start_each_time(denoiser, x, times, rule):
    """Every step starts from the first noise: x has to be replaced by what the step returned."""
    return [_step(denoiser, x, t, t, s, rule) for t, s in pairwise(times)][-1]


def draw_asking_at_s(denoiser, x, times, rule):
    """The denoiser is asked at s, but the picture stands at t."""
    for t, s in pairwise(times):
        x = _step(denoiser, x, max(s, 1), t, s, rule)
    return x


def draw_asking_once(denoiser, x, times, rule):
    """The denoiser is asked only once: ask again at every step, since the guess becomes better."""
    pred = denoiser(x, times[0])
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, pred), s, None, None)
    return x


def draw_first_guess(denoiser, x, times, rule):
    """This returns the guess of x_0 at the start: walk all the way."""
    return denoiser(x, times[0]).x_0


def draw_every_step(denoiser, x, times, rule):
    """This visits every time from the first to the last: only the given times are asked for."""
    for t in range(times[0], times[-1], -1):
        x = _step(denoiser, x, t, t, t - 1, rule)
    return x


def draw_skipping_first(denoiser, x, times, rule):
    """The first step is missing: begin at times[0]."""
    for t, s in pairwise(times[1:]):
        x = _step(denoiser, x, t, t, s, rule)
    return x


def _drawn(walk):
    denoiser = GaussianDenoiser(2.0, 0.5, NoiseSchedule.linear())
    x = torch.randn(5, 1, 2, 2, generator=torch.Generator().manual_seed(10))  # (B, C, H, W)
    return joined(
        walk(denoiser, x, times, sampling.ddim_step) for times in ([1000, 700, 300, 0], [1000, 0], [900, 400, 50])
    )


LOOP = Exercise(
    id="03.3",
    title="The sampling loop",
    points=2,
    solution=sampling_loop,
    forbidden=(sampling.sample,),
    why="Ask at t, step to s, and go on from there. The library's `sample` does the same and yields every moment on the way.",
    hints=(
        "Each step needs two times, where it starts and where it ends: `for t, s in zip(times, times[1:]):`.",
        "Ask at t: `pred = denoiser(x, t)`, and put the moment together: `Step(t, x, pred)`.",
        "`x = rule(denoiser.schedule, Step(t, x, pred), s, None, None)`: the new x replaces the old one.",
    ),
    trials=(Trial(_drawn, "Three walks with an exact denoiser do not arrive where they should.", tolerance=1e-4),),
    mistakes=(
        draw_one_step_short,
        draw_from_the_start_each_time,
        draw_asking_at_s,
        draw_asking_once,
        draw_first_guess,
        draw_every_step,
        draw_skipping_first,
    ),
)

# --- 03.4 the times ---------------------------------------------------------------------------------------------------


def times_by_stride(schedule, steps):
    """A fixed stride only works when steps divides T: here it ends before 0, or takes a step too many."""
    return list(range(schedule.T, -1, -(schedule.T // steps)))


def times_upwards(schedule, steps):
    """They rise: a sampler starts at T and walks down."""
    return [schedule.T * k // steps for k in range(steps + 1)]


def times_without_end(schedule, steps):
    """The 0 at the end is missing: the last step would stop before the clean picture."""
    return [schedule.T * (steps - k) // steps for k in range(steps)]


def times_without_start(schedule, steps):
    """T at the beginning is missing: that is where the noise belongs."""
    return [schedule.T * (steps - k) // steps for k in range(1, steps + 1)]


def times_one_too_few(schedule, steps):
    """These are as many times as steps: with both ends it takes one more, as a fence takes one more post."""
    return [round(schedule.T * (1 - k / (steps - 1))) for k in range(steps)]


def times_from_one_below(schedule, steps):
    """They start at T − 1, as if counted from 0: this course counts the papers' way, from 1 to T."""
    return [max(schedule.T * (steps - k) // steps - 1, 0) for k in range(steps + 1)]


def _is_a_walk(choose):
    """What makes times a walk; which way a fraction is rounded does not matter."""
    found = []
    for T, steps in ((1000, 10), (1000, 7), (1000, 1000), (50, 3)):
        chosen = choose(NoiseSchedule.linear(T), steps)
        times = torch.tensor([float(t) for t in chosen], dtype=torch.float64)  # (steps + 1,)
        gaps = -times.diff()
        uneven = bool((gaps - T / steps).abs().max() >= 1) if len(gaps) else True
        whole = all(type(t) is int for t in chosen)
        found.append(torch.tensor([len(chosen), chosen[0], chosen[-1], whole, uneven], dtype=torch.float64))
    return torch.stack(found)


TIMES = Exercise(
    id="03.4",
    title="Which times to visit",
    points=1,
    solution=NoiseSchedule.times,
    why="`self` is the schedule. Multiplied first and divided last, the k-th time is off by less than one, whatever steps is.",
    hints=(
        "For 4 steps of T = 1000 it is `[1000, 750, 500, 250, 0]`: one more time than steps.",
        "The k-th time, k = 0 … steps, lies at T · (steps − k) / steps.",
        "Times are whole numbers: round with `//`. A fixed stride `T // steps` fails when steps does not divide T.",
    ),
    trials=(
        Trial(
            _is_a_walk, "The times should fall evenly from T to 0, as whole numbers, also when steps does not divide T."
        ),
    ),
    mistakes=(
        times_by_stride,
        times_upwards,
        times_without_end,
        times_without_start,
        times_one_too_few,
        times_from_one_below,
    ),
)

# --- 03.5 DDIM's step -------------------------------------------------------------------------------------------------


def ddim_with_picture_of_now(schedule, now, s, previous=None, generator=None):
    """x_t is used in the place of the guess of x_0: the step puts the *guess* together with the noise."""
    a_s = schedule.alpha_bar[s].item()
    return a_s**0.5 * now.x + (1 - a_s) ** 0.5 * now.pred.eps


def ddim_at_old_time(schedule, now, s, previous=None, generator=None):
    """Guess and noise are put together at t, where they came from: the step goes to s."""
    a_t = schedule.alpha_bar[now.t].item()
    return a_t**0.5 * now.pred.x_0 + (1 - a_t) ** 0.5 * now.pred.eps


def ddim_without_roots(schedule, now, s, previous=None, generator=None):
    """This is what you get without the square roots."""
    a_s = schedule.alpha_bar[s].item()
    return a_s * now.pred.x_0 + (1 - a_s) * now.pred.eps


def ddim_swapped(schedule, now, s, previous=None, generator=None):
    """The two factors are swapped: at s = 0 only the picture should be left."""
    a_s = schedule.alpha_bar[s].item()
    return (1 - a_s) ** 0.5 * now.pred.x_0 + a_s**0.5 * now.pred.eps


def ddim_with_fresh_noise(schedule, now, s, previous=None, generator=None):
    """Fresh noise is added: with eta = 0 the step takes the *predicted* noise, and the same start gives the same picture."""
    a_s = schedule.alpha_bar[s].item()
    return a_s**0.5 * now.pred.x_0 + (1 - a_s) ** 0.5 * noise_like(now.x, torch.Generator().manual_seed(9))


def ddim_off_by_one(schedule, now, s, previous=None, generator=None):
    """It is off by one: alpha_bar[s] belongs to time s, and alpha_bar[0] is 1."""
    a_s = schedule.alpha_bar[s + 1].item()
    return a_s**0.5 * now.pred.x_0 + (1 - a_s) ** 0.5 * now.pred.eps


def ddim_jumps_to_the_end(schedule, now, s, previous=None, generator=None):
    """This is the guess of x_0 itself: put it together with the noise that time s still has."""
    return now.pred.x_0.clone()


def _ddim_steps(step):
    return joined(
        step(schedule, _moment(schedule, t), s, None, torch.Generator().manual_seed(1))
        for schedule in (NoiseSchedule.linear(), NoiseSchedule.cosine())
        for t, s in ((1000, 900), (500, 480), (500, 1))
    )


def _ddim_last_step(step):
    schedule = NoiseSchedule.linear()
    return joined(step(schedule, _moment(schedule, t), 0, None, None) for t in (1, 100))


DDIM_STEP = Exercise(
    id="03.5",
    title="DDIM's step",
    points=3,
    solution=sampling.ddim_step,
    why="With eta = 0 it is one line: the closed form at time s, with the guess for the picture and the *predicted* noise. The "
    "library's version has eta in it as well.",
    hints=(
        "The closed form again: a picture and a noise are put together, at the new time s.",
        r"The picture is `now.pred.x_0` and the noise is `now.pred.eps`; the factors are $\sqrt{\bar\alpha_s}$ and "
        r"$\sqrt{1-\bar\alpha_s}$.",
        "`a_s = schedule.alpha_bar[s].item()` is a plain number, so the dtype of the pictures stays as it is.",
    ),
    trials=(
        Trial(_ddim_steps, "A step from t to s does not come out right."),
        Trial(_ddim_last_step, "The last step, into s = 0, should give the guess of x_0 itself."),
    ),
    mistakes=(
        ddim_with_picture_of_now,
        ddim_at_old_time,
        ddim_without_roots,
        ddim_swapped,
        ddim_with_fresh_noise,
        ddim_off_by_one,
        ddim_jumps_to_the_end,
    ),
)


EXERCISES = (DDPM_STEP, NOISE_AT_THE_END, LOOP, TIMES, DDIM_STEP)
