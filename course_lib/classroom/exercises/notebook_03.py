"""The exercises of notebook 03: DDPM's step, a bug hunt, the loop, the times, DDIM's step."""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib import sampling
from course_lib.classroom.chance import (
    each_its_own,
    moves_on,
    needs_no_generator,
    repeats,
    seeded,
    shape_of_noise,
)
from course_lib.classroom.exercise import BugHunt, Exercise, Trial, joined
from course_lib.denoisers import Denoiser, GaussianDenoiser, Prediction
from course_lib.forward import add_noise, noise_like
from course_lib.sampling import Rule, Step
from course_lib.schedules import NoiseSchedule

LINEAR, COSINE = NoiseSchedule.linear(), NoiseSchedule.cosine()
SHORT = NoiseSchedule.linear(50, beta_end=0.2)


def _moment(schedule: NoiseSchedule, t: int, shape: tuple[int, ...] = (6, 1, 4, 5), dtype=torch.float32) -> Step:
    """A moment whose guess and noise belong to its x_t, so that it does not matter from which two an answer starts."""
    x_0, eps = torch.randn(2, *shape, dtype=dtype, generator=seeded(8))  # (B, …) each
    return Step(t, add_noise(schedule, x_0, t, eps), Prediction(x_0, eps))


def _blank(t: int, shape: tuple[int, ...], dtype=torch.float32) -> Step:
    """All zeros: of a step from here nothing but its noise is left."""
    zeros = torch.zeros(shape, dtype=dtype)
    return Step(t, zeros, Prediction(zeros, zeros))


# --- 03.1 DDPM's step -------------------------------------------------------------------------------------------------


def ddpm_step(schedule, now, s, previous=None, generator=None):
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    beta = 1 - a_t / a_s
    mean = a_s**0.5 * beta / (1 - a_t) * now.pred.x_0 + (1 - beta) ** 0.5 * (1 - a_s) / (1 - a_t) * now.x
    variance = beta * (1 - a_s) / (1 - a_t)
    return mean + variance**0.5 * noise_like(now.x, generator)


def _mean_and_variance(schedule: NoiseSchedule, now: Step, s: int) -> tuple[Tensor, float, float]:
    """The mean of q(x_s | x_t, x_0), its variance, and the beta of the step."""
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    beta = 1 - a_t / a_s
    mean = a_s**0.5 * beta / (1 - a_t) * now.pred.x_0 + (1 - beta) ** 0.5 * (1 - a_s) / (1 - a_t) * now.x
    return mean, (1 - a_s) / (1 - a_t) * beta, beta


def _drawn(schedule: NoiseSchedule, now: Step, s: int, generator: torch.Generator | None) -> Tensor:
    """The step once more, for what goes wrong in its generator."""
    mean, variance, _ = _mean_and_variance(schedule, now, s)
    return mean + variance**0.5 * noise_like(now.x, generator)


def ddpm_with_noise_at_the_end(schedule, now, s, previous=None, generator=None):
    """Noise was added on the last step: at s = 0 there must be none. (The variance is not beta, which never vanishes.)"""
    mean, _, beta = _mean_and_variance(schedule, now, s)
    return mean + beta**0.5 * noise_like(now.x, generator)


def ddpm_with_beta(schedule, now, s, previous=None, generator=None):
    """The variance is beta: the formula has the smaller one, beta · (1 − alpha_bar_s) / (1 − alpha_bar_t)."""
    mean, _, beta = _mean_and_variance(schedule, now, s)
    return mean + (beta**0.5 if s > 0 else 0.0) * noise_like(now.x, generator)


def ddpm_with_beta_of_one_step(schedule, now, s, previous=None, generator=None):
    """This is the beta of the one step into t: it has to be that of all steps from s to t, 1 − alpha_bar_t / alpha_bar_s."""
    a_t, a_s, beta = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item(), schedule.beta[now.t].item()
    mean = a_s**0.5 * beta / (1 - a_t) * now.pred.x_0 + (1 - beta) ** 0.5 * (1 - a_s) / (1 - a_t) * now.x
    return mean + ((1 - a_s) / (1 - a_t) * beta) ** 0.5 * noise_like(now.x, generator)


def ddpm_without_root(schedule, now, s, previous=None, generator=None):
    """The noise is multiplied by its variance: take the square root, the standard deviation."""
    mean, variance, _ = _mean_and_variance(schedule, now, s)
    return mean + variance * noise_like(now.x, generator)


def ddpm_without_roots_in_the_mean(schedule, now, s, previous=None, generator=None):
    """The square roots are missing from the mean: alpha_bar_s and 1 − beta stand under a root there."""
    a_t, a_s = schedule.alpha_bar[now.t].item(), schedule.alpha_bar[s].item()
    _, variance, beta = _mean_and_variance(schedule, now, s)
    mean = a_s * beta / (1 - a_t) * now.pred.x_0 + (1 - beta) * (1 - a_s) / (1 - a_t) * now.x
    return mean + variance**0.5 * noise_like(now.x, generator)


def ddpm_with_uniform_noise(schedule, now, s, previous=None, generator=None):
    """torch.rand was used where torch.randn was meant: the noise is never negative, and the picture drifts upwards."""
    mean, variance, _ = _mean_and_variance(schedule, now, s)
    return mean + variance**0.5 * torch.rand(now.x.shape, generator=generator)


def ddpm_without_noise(schedule, now, s, previous=None, generator=None):
    """No noise is added: this is the mean alone, and without noise the pictures come out bland."""
    return _mean_and_variance(schedule, now, s)[0]


def ddpm_with_predicted_noise(schedule, now, s, previous=None, generator=None):
    """The noise that is added is the predicted eps: draw fresh noise, noise_like(now.x, generator)."""
    mean, variance, _ = _mean_and_variance(schedule, now, s)
    return mean + variance**0.5 * now.pred.eps


def ddpm_with_one_noise_for_all(schedule, now, s, previous=None, generator=None):
    """Numbers share their noise: every pixel of every picture draws its own, so draw noise in the shape of now.x."""
    mean, variance, _ = _mean_and_variance(schedule, now, s)
    return mean + variance**0.5 * noise_like(now.x[:1], generator)


def ddpm_with_always_the_same_noise(schedule, now, s, previous=None, generator=None):
    """The noise is the same whatever generator is handed over: draw it from generator, and set no seed in the step."""
    return _drawn(schedule, now, s, seeded(0))


def ddpm_with_a_fresh_start_each_time(schedule, now, s, previous=None, generator=None):
    """The generator draws the same noise at every step: draw from it as it is, without a copy and without a new seed."""
    return _drawn(schedule, now, s, generator and seeded(generator.initial_seed()))


def ddpm_with_the_same_noise_without_a_generator(schedule, now, s, previous=None, generator=None):
    """Without a generator, two steps have the same noise or none: generator=None should draw from torch's own."""
    return _drawn(schedule, now, s, generator or seeded(0))


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


def _ddpm_draws(question, step):
    """A question about draws, asked of a step on the way."""
    return question(lambda generator: step(LINEAR, _moment(LINEAR, 500), 400, None, generator))


def _ddpm_last_step(step):
    """How far the step into s = 0 ends from the guess: mean and deviation over 60,000 pixels."""
    found = []
    for schedule, t in ((LINEAR, 20), (COSINE, 400), (LINEAR, 1)):
        now = _moment(schedule, t, (6, 1, 100, 100))
        away = step(schedule, now, 0, None, seeded(3)) - now.pred.x_0
        found += [away.mean(), away.std()]
    return torch.stack(found)


def _ddpm_means(cases, step):
    """The means alone: the noise is what a step from a blank moment leaves, and drops out of the difference."""
    return joined(
        step(schedule, _moment(schedule, t, shape, dtype), s, None, seeded(2))
        - step(schedule, _blank(t, shape, dtype), s, None, seeded(2))
        for schedule, t, s, shape, dtype in cases
    )


def _ddpm_noise(step):
    """Of 200,000 numbers each, in units of the deviation that they should have: five sigmas of chance are 0.016."""
    found = []
    for schedule, t, s in (
        (LINEAR, 100, 40),
        (LINEAR, 400, 300),
        (COSINE, 700, 300),
        (SHORT, 30, 29),
        (LINEAR, 2, 1),
        (COSINE, 5, 2),
    ):
        blank = _blank(t, (8, 10, 50, 50))
        _, variance, _ = _mean_and_variance(schedule, blank, s)
        found.append(shape_of_noise(step(schedule, blank, s, None, seeded(2)) / variance**0.5))
    return joined(found)


DDPM_STEP = Exercise(
    id="03.1",
    title="DDPM's step",
    points=3,
    on_device=True,
    solution=ddpm_step,
    forbidden=(sampling.ddpm_step, sampling.ddim_step),
    why=r"At $s = 0$ the factor $1-\bar\alpha_s$ is zero, so the noise vanishes by itself. A mean, a root, and fresh noise: "
    "that is ancestral sampling.",
    hints=(
        "First the three numbers: `a_t`, `a_s` and `beta = 1 - a_t / a_s`, each with `.item()`.",
        "Then the mean, from `now.pred.x_0` and `now.x` with the two factors of the formula.",
        "Then noise: the *root* of the variance times `noise_like(now.x, generator)`.",
    ),
    trials=(
        Trial(partial(_ddpm_draws, repeats), "Twice the same generator should give twice the same step."),
        Trial(
            _ddpm_last_step,
            "The last step, into s = 0, should give the guess of x_0 itself, without noise.",
            tolerance=0.01,
        ),
        Trial(
            partial(
                _ddpm_means,
                (
                    (LINEAR, 100, 40, (6, 1, 4, 5), torch.float32),
                    (LINEAR, 500, 499, (6, 1, 4, 5), torch.float32),
                    (LINEAR, 300, 0, (6, 1, 4, 5), torch.float32),
                ),
            ),
            "The mean of a step, without its noise, does not come out right.",
            tolerance=1e-4,
        ),
        Trial(
            lambda step: each_its_own(step(LINEAR, _blank(400, (6, 5, 20, 30)), 300, None, seeded(2))),
            "Every number should have noise of its own.",
        ),
        Trial(
            partial(
                _ddpm_means,
                (
                    (COSINE, 700, 300, (2, 3, 5, 4), torch.float32),
                    (SHORT, 30, 10, (7,), torch.float64),
                    (SHORT, 50, 49, (3, 2), torch.float64),
                    (COSINE, 1, 0, (1, 1, 3, 3), torch.float32),
                ),
            ),
            "The mean of a step is right for the linear schedule and wrong for another, or for x of another shape.",
            tolerance=1e-4,
        ),
        Trial(
            _ddpm_noise,
            "Mean or standard deviation of the noise that is added do not come out right, counted over many steps.",
            tolerance=0.02,
        ),
        Trial(partial(_ddpm_draws, moves_on), "The noise should be the generator's, and new at every step."),
        Trial(partial(_ddpm_draws, needs_no_generator), "Without a generator, the noise should be torch's own."),
    ),
    mistakes=(
        ddpm_with_noise_at_the_end,
        ddpm_with_beta,
        ddpm_with_beta_of_one_step,
        ddpm_without_root,
        ddpm_without_roots_in_the_mean,
        ddpm_with_uniform_noise,
        ddpm_without_noise,
        ddpm_with_predicted_noise,
        ddpm_with_one_noise_for_all,
        ddpm_with_always_the_same_noise,
        ddpm_with_a_fresh_start_each_time,
        ddpm_with_the_same_noise_without_a_generator,
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
    mean, variance, _ = _mean_and_variance(schedule, now, s)
    return mean + variance**0.5 * torch.randn(now.x.shape, generator=generator)


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
    forbidden=(sampling.ddpm_step, sampling.ddim_step),
    why="With sigma² = beta, which the paper allows, the noise does not vanish at s = 0: one case has to be an exception, and "
    "many implementations have forgotten it. After a thousand steps the grain is faint (0.01) and nobody sees it; after ten it "
    "spoils every picture. Both correct versions are free in their noise at s > 0, so a test of the last step is the one to "
    "write.",
    hints=(
        "The two correct versions differ in how much noise they add on the way. Which step must look the same in both?",
        "At s = 0 the picture is finished. What should be left of the generator's noise?",
        "Call `step` with s = 0 and compare with `now.pred.x_0`.",
    ),
)

# --- 03.3 the loop ----------------------------------------------------------------------------------------------------


def sampling_loop(denoiser, x, times, rule, cond=None, generator=None):
    t = times[0]
    for s in times[1:]:
        now = Step(t, x, denoiser(x, t, cond))
        x = rule(denoiser.schedule, now, s, None, generator)
        t = s
    return x


def _walk(
    denoiser: Denoiser, x: Tensor, times: list[int], rule: Rule, cond: Tensor | None, generator: torch.Generator | None
) -> Tensor:
    """The loop once more, for what goes wrong in its arguments."""
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator)
    return x


def draw_one_step_short(denoiser, x, times, rule, cond, generator):
    """The last step is missing: the walk has to arrive at the last time."""
    return _walk(denoiser, x, times[:-1], rule, cond, generator)


def draw_skipping_first(denoiser, x, times, rule, cond, generator):
    """The first step is missing: begin at times[0]."""
    return _walk(denoiser, x, times[1:], rule, cond, generator)


def draw_every_step(denoiser, x, times, rule, cond, generator):
    """This visits every time from the first to the last: only the given times are asked for."""
    return _walk(denoiser, x, list(range(times[0], times[-1] - 1, -1)), rule, cond, generator)


def draw_on_to_zero(denoiser, x, times, rule, cond, generator):
    """The walk goes on to 0: it has to end at the last of the times, whichever that is."""
    return _walk(denoiser, x, times if times[-1] == 0 else [*times, 0], rule, cond, generator)


def draw_from_the_top(denoiser, x, times, rule, cond, generator):
    """The walk begins at T: it has to begin at times[0], wherever that is."""
    T = denoiser.schedule.T
    return _walk(denoiser, x, times if times[0] == T else [T, *times], rule, cond, generator)


def draw_first_guess(denoiser, x, times, rule, cond, generator):
    """This returns the guess of x_0 at the start: walk all the way."""
    return denoiser(x, times[0], cond).x_0


def draw_last_guess(denoiser, x, times, rule, cond, generator):
    """This returns the last guess of x_0, and not the x that the last step made."""
    for t, s in pairwise(times):
        pred = denoiser(x, t, cond)
        x = rule(denoiser.schedule, Step(t, x, pred), s, None, generator)
    return pred.x_0


def draw_asking_once(denoiser, x, times, rule, cond, generator):
    """The denoiser is asked only once: ask again at every step, since the guess becomes better."""
    pred = denoiser(x, times[0], cond)
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, pred), s, None, generator)
    return x


def draw_asking_at_s(denoiser, x, times, rule, cond, generator):
    """The denoiser is asked at s, but the picture stands at t."""
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(t, x, denoiser(x, max(s, 1), cond)), s, None, generator)
    return x


def draw_telling_s(denoiser, x, times, rule, cond, generator):
    """The Step says s where the picture stands at t: the rule gets s by itself."""
    for t, s in pairwise(times):
        x = rule(denoiser.schedule, Step(s, x, denoiser(x, t, cond)), s, None, generator)
    return x


def draw_by_a_rule_of_its_own(denoiser, x, times, rule, cond, generator):
    """Another rule makes no difference here: every step has to be taken by the rule that is handed over."""
    return _walk(denoiser, x, times, sampling.ddim_step, cond, generator)


def draw_from_noise_of_its_own(denoiser, x, times, rule, cond, generator):
    """Twice the same x ends in different pictures: begin with the x that is handed over, and draw nothing here."""
    return _walk(denoiser, noise_like(x), times, rule, cond, generator)


def draw_by_another_schedule(denoiser, x, times, rule, cond, generator):
    """The rule is handed another schedule than the denoiser's: hand over denoiser.schedule."""
    return _walk(denoiser, x, times, lambda schedule, now, s, *rest: rule(COSINE, now, s, *rest), cond, generator)


def draw_from_the_start_each_time(denoiser, x, times, rule, cond, generator):
    """Every step starts from the first noise: x has to be replaced by what the step returned."""
    return [rule(denoiser.schedule, Step(t, x, denoiser(x, t, cond)), s, None, generator) for t, s in pairwise(times)][
        -1
    ]


def draw_without_labels(denoiser, x, times, rule, cond, generator):
    """The denoiser is not told cond: ask for denoiser(x, t, cond), or it draws whatever it likes."""
    return _walk(denoiser, x, times, rule, None, generator)


class _Telling(NamedTuple):
    """A denoiser whose guess says when it was asked: a 1 at place t of the first 13 numbers."""

    schedule: NoiseSchedule

    def __call__(self, x_t, t, cond=None):
        return Prediction(_mark(x_t, t), torch.zeros_like(x_t))


def _mark(x: Tensor, place: int) -> Tensor:
    return torch.eye(x.shape[1])[place].expand_as(x)


def _diary(walk):
    """When a walk asks its denoiser, and which steps it has its rule take, by whose schedule: told by x itself, (1, 183).

    A list would not do: the solution goes the same way beside the answer, and would write into it too.
    """
    known, found = NoiseSchedule.linear(12, beta_end=0.5), []

    def rule(schedule, now, s, previous=None, generator=None):
        right = torch.equal(schedule.alpha_bar, known.alpha_bar)
        return now.x + now.pred.x_0 + _mark(now.x, 13 + 13 * now.t + s) + (0 if right else _mark(now.x, 182))

    for times in ([12, 9, 4, 0], [12, 0], [10, 7, 3], [8, 6, 5, 2, 1]):
        found.append(walk(_Telling(known), torch.zeros(1, 183), times, rule, None, None) > 0)
    return joined(found)


def _needs_its_rule(walk):
    """Whether another rule leads elsewhere, whether the same leads there again, and whether the end is the first guess."""
    denoiser, x = GaussianDenoiser(2.0, 0.5, LINEAR), torch.randn(4, 1, 2, 2, generator=seeded(11))
    rules = (sampling.ddim_step, sampling.ddim_step, _mixing_rule)
    one, again, other = (walk(denoiser, x, [900, 500, 200], rule, None, None) for rule in rules)
    return torch.tensor([torch.allclose(one, end) for end in (other, again, denoiser(x, 900).x_0)])


def _mixing_rule(schedule, now, s, previous=None, generator=None):
    """A rule that nobody would guess, of everything that it is handed."""
    a_s = schedule.alpha_bar[s].item()
    return 0.7 * now.x - a_s * now.pred.x_0 + 0.3 * now.pred.eps.flip(-1) + 0.01 * (now.t - s)


def _arrivals(walk):
    """Where walks end: two rules, two schedules, and pictures of several shapes."""
    found = []
    for rule in (sampling.ddim_step, _mixing_rule):
        denoiser = GaussianDenoiser(2.0, 0.5, LINEAR)
        x = torch.randn(5, 1, 2, 2, generator=seeded(10))  # (B, C, H, W)
        found += [
            walk(denoiser, x, times, rule, None, None) for times in ([1000, 700, 300, 0], [1000, 0], [900, 400, 50])
        ]
        short = GaussianDenoiser(-1.0, 0.8, SHORT)
        found += [walk(short, x[:1].flatten(1).double(), [50, 30, 20, 10, 5, 1], rule, None, None)]  # (1, 4)
    return joined(found)


class _Labelled(NamedTuple):
    """A denoiser that wants labels, and believes that pictures look like them."""

    schedule: NoiseSchedule

    def __call__(self, x_t, t, cond=None):
        guess = torch.zeros_like(x_t) if cond is None else cond.to(x_t)[:, None].expand_as(x_t)
        return Prediction(guess, x_t - guess)


def _handed_on(walk):
    """Walks with labels, and with a rule that adds noise from the generator."""
    x, labels = torch.randn(4, 3, generator=seeded(12)), torch.tensor([1, 5, 2, 7])
    arguments = _Labelled(LINEAR), x, [900, 500, 200]
    with_labels = walk(*arguments, sampling.ddim_step, labels, None)
    return joined([with_labels, walk(*arguments, sampling.ddpm_step, labels, seeded(13))])


def _without_a_generator(walk):
    """Whether two walks with a rule that adds noise end alike although nobody has handed over a generator."""
    denoiser, x = GaussianDenoiser(2.0, 0.5, LINEAR), torch.randn(4, 1, 2, 2, generator=seeded(14))
    one, other = (walk(denoiser, x, [900, 500, 200], sampling.ddpm_step, None, None) for _ in range(2))
    return torch.tensor(torch.allclose(one, other))


LOOP = Exercise(
    id="03.3",
    title="The sampling loop",
    points=2,
    on_device=True,
    solution=sampling_loop,
    forbidden=(sampling.sample,),
    why="Ask at t, step to s, and go on from there. The library's `sample` does the same and yields every moment on the way.",
    hints=(
        "Each step needs two times, where it starts and where it ends: `for t, s in zip(times, times[1:]):`.",
        "Ask at t: `pred = denoiser(x, t, cond)`, and put the moment together: `Step(t, x, pred)`.",
        "`x = rule(denoiser.schedule, Step(t, x, pred), s, None, generator)`: the new x replaces the old one.",
    ),
    trials=(
        Trial(_needs_its_rule, "The walk should go by the rule that is handed over."),
        Trial(
            _diary,
            "What is asked and done on the way is not as it should be: ask the denoiser at every time but the last, and have "
            "the rule step from there to the next time.",
        ),
        Trial(_arrivals, "Walks with an exact denoiser do not arrive where they should.", tolerance=1e-4),
        Trial(_handed_on, "The labels or the generator do not get where they are used.", tolerance=1e-4),
        Trial(
            _without_a_generator,
            "Where no generator is handed over, two walks of DDPM from the same x end alike: hand the rule None, and it draws "
            "new noise each time.",
        ),
    ),
    mistakes=(
        draw_one_step_short,
        draw_skipping_first,
        draw_every_step,
        draw_on_to_zero,
        draw_from_the_top,
        draw_first_guess,
        draw_last_guess,
        draw_asking_once,
        draw_asking_at_s,
        draw_telling_s,
        draw_by_a_rule_of_its_own,
        draw_from_noise_of_its_own,
        draw_by_another_schedule,
        draw_from_the_start_each_time,
        draw_without_labels,
    ),
)

# --- 03.4 the times ---------------------------------------------------------------------------------------------------


def spread_times(schedule, steps):
    return [schedule.T * (steps - k) // steps for k in range(steps + 1)]


def times_upwards(schedule, steps):
    """They rise: a sampler starts at T and walks down."""
    return [schedule.T * k // steps for k in range(steps + 1)]


def times_without_end(schedule, steps):
    """The 0 at the end is missing: the last step would stop before the clean picture."""
    return [schedule.T * (steps - k) // steps for k in range(steps)]


def times_without_start(schedule, steps):
    """T at the beginning is missing: that is where the noise belongs."""
    return [schedule.T * (steps - k) // steps for k in range(1, steps + 1)]


def times_from_one_below(schedule, steps):
    """They start at T − 1, as if counted from 0: this course counts the papers' way, from 1 to T."""
    return [max(schedule.T * (steps - k) // steps - 1, 0) for k in range(steps + 1)]


def times_down_to_one(schedule, steps):
    """They end at 1: the last time is 0, the clean picture."""
    return [max(schedule.T * (steps - k) // steps, 1) for k in range(steps + 1)]


def times_by_stride(schedule, steps):
    """A fixed stride only works when steps divides T: elsewhere it does not end at 0."""
    return list(range(schedule.T, -1, -(schedule.T // steps)))


def times_by_stride_and_zero(schedule, steps):
    """A fixed stride only works when steps divides T: elsewhere it takes a step too many."""
    return [*range(schedule.T, 0, -(schedule.T // steps)), 0]


def times_by_stride_and_leap(schedule, steps):
    """A fixed stride only works when steps divides T: elsewhere some gaps are too long or too short."""
    return [*(schedule.T - k * (schedule.T // steps) for k in range(steps)), 0]


def times_one_too_few(schedule, steps):
    """These are as many times as steps: with both ends it takes one more, as a fence takes one more post."""
    return [round(schedule.T * (1 - k / (steps - 1))) for k in range(steps)]


def times_one_too_many(schedule, steps):
    """It is one time too many: a walk of so many steps has one time more than steps, both ends counted."""
    return [round(schedule.T * (1 - k / (steps + 1))) for k in range(steps + 2)]


def _lists(choose, asked=((1000, 10), (1000, 7), (50, 3), (64, 9), (12, 5))):
    for T, steps in asked:
        yield T, steps, choose(NoiseSchedule.linear(T, beta_end=0.5), steps)


def _ends(choose):
    """For each list: does it begin at T, at T − 1, and end at 0, at 1, and does it rise?"""
    return torch.tensor(
        [
            [
                times[:1] == [T],
                times[:1] == [T - 1],
                times[-1:] == [0],
                times[-1:] == [1],
                len(times) > 1 and times == sorted(times),
            ]
            for T, _, times in _lists(choose)
        ]
    )


def _lengths(choose):
    """For each list: is it too short, is it too long?"""
    return torch.tensor([[len(times) < steps + 1, len(times) > steps + 1] for _, steps, times in _lists(choose)])


def _even(choose, asked=((1000, 10), (1000, 7), (50, 3), (64, 9), (12, 5))):
    """For each list: is every gap T / steps, rounded up or down? Which way does not matter."""
    gaps = [(T / steps, -torch.tensor(times).diff()) for T, steps, times in _lists(choose, asked)]
    return torch.tensor([len(gap) > 0 and bool((gap - wanted).abs().max() < 1) for wanted, gap in gaps])


def _extremes(choose):
    """One step, and as many as there are times."""
    asked = ((1000, 1), (1000, 1000), (3, 3), (1, 1))
    return joined(
        torch.tensor([times[:1] == [T], times[-1:] == [0], len(times) == steps + 1, even])
        for (T, steps, times), even in zip(_lists(choose, asked), _even(choose, asked).tolist(), strict=True)
    )


TIMES = Exercise(
    id="03.4",
    title="Which times to visit",
    points=1,
    solution=spread_times,
    forbidden=(NoiseSchedule.times,),
    why="Multiplied first and divided last, the k-th time is off by less than one, whatever steps is.",
    hints=(
        "For 4 steps of T = 1000 it is `[1000, 750, 500, 250, 0]`: one more time than steps.",
        "The k-th time, k = 0 … steps, lies at T · (steps − k) / steps.",
        "Times are whole numbers: round with `//`. A fixed stride `T // steps` fails when steps does not divide T.",
    ),
    trials=(
        Trial(_ends, "The times should begin at T and end at 0, also when steps does not divide T."),
        Trial(_lengths, "There should be one time more than steps, also when steps does not divide T."),
        Trial(_even, "The times should fall evenly: every gap is T / steps, rounded up or down."),
        Trial(_extremes, "It should work for one step too, and for as many steps as there are times, steps = T."),
    ),
    mistakes=(
        times_upwards,
        times_without_end,
        times_without_start,
        times_from_one_below,
        times_down_to_one,
        times_by_stride,
        times_by_stride_and_zero,
        times_by_stride_and_leap,
        times_one_too_few,
        times_one_too_many,
    ),
)

# --- 03.5 DDIM's step -------------------------------------------------------------------------------------------------


def ddim_step(schedule, now, s, previous=None, generator=None):
    a_s = schedule.alpha_bar[s].item()
    return a_s**0.5 * now.pred.x_0 + (1 - a_s) ** 0.5 * now.pred.eps


def ddim_with_fresh_noise(schedule, now, s, previous=None, generator=None):
    """Fresh noise is added: with eta = 0 the step takes the *predicted* noise, and the same start gives the same picture."""
    a_s = schedule.alpha_bar[s].item()
    return a_s**0.5 * now.pred.x_0 + (1 - a_s) ** 0.5 * noise_like(now.x, generator)


def ddim_with_picture_of_now(schedule, now, s, previous=None, generator=None):
    """x_t is used in place of the guess of x_0: the step puts the *guess* together with the noise."""
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


def ddim_without_root_of_noise(schedule, now, s, previous=None, generator=None):
    """The noise has lost its square root: its factor is the root of 1 − alpha_bar_s."""
    a_s = schedule.alpha_bar[s].item()
    return a_s**0.5 * now.pred.x_0 + (1 - a_s) * now.pred.eps


def ddim_with_root_inside(schedule, now, s, previous=None, generator=None):
    """The noise's factor is 1 minus a root: it has to be the root of 1 − alpha_bar_s."""
    signal = schedule.alpha_bar[s].item() ** 0.5
    return signal * now.pred.x_0 + (1 - signal) * now.pred.eps


def ddim_swapped(schedule, now, s, previous=None, generator=None):
    """The two factors are swapped: at s = 0 only the picture should be left."""
    a_s = schedule.alpha_bar[s].item()
    return (1 - a_s) ** 0.5 * now.pred.x_0 + a_s**0.5 * now.pred.eps


def ddim_minus_noise(schedule, now, s, previous=None, generator=None):
    """The noise is taken away: at time s the picture still has noise in it, so add it."""
    a_s = schedule.alpha_bar[s].item()
    return a_s**0.5 * now.pred.x_0 - (1 - a_s) ** 0.5 * now.pred.eps


def ddim_off_by_one(schedule, now, s, previous=None, generator=None):
    """It is one time too late: alpha_bar[s] belongs to time s, and alpha_bar[0] is 1."""
    a_s = schedule.alpha_bar[s + 1].item()
    return a_s**0.5 * now.pred.x_0 + (1 - a_s) ** 0.5 * now.pred.eps


def ddim_one_too_early(schedule, now, s, previous=None, generator=None):
    """It is one time too early: alpha_bar[s] belongs to time s, and s − 1 is not needed, since alpha_bar[0] is 1."""
    a_s = schedule.alpha_bar[s - 1].item()
    return a_s**0.5 * now.pred.x_0 + (1 - a_s) ** 0.5 * now.pred.eps


def ddim_jumps_to_the_end(schedule, now, s, previous=None, generator=None):
    """This is the guess of x_0 itself: put it together with the noise that time s still has."""
    return now.pred.x_0.clone()


def _ddim_chance(step):
    """Whether the same moment always leads to the same x_s, whatever the generator."""
    now = _moment(LINEAR, 500)
    first, *others = (step(LINEAR, now, 300, None, each) for each in (seeded(1), seeded(2), None, None))
    return torch.tensor(all(torch.allclose(first, other, equal_nan=True) for other in others))


def _ddim_steps(cases, step):
    return joined(
        step(schedule, _moment(schedule, t, shape, dtype), s, None, None) for schedule, t, s, shape, dtype in cases
    )


def _ddim_last_step(step):
    return joined(step(LINEAR, _moment(LINEAR, t), 0, None, seeded(1)) for t in (1, 100))


DDIM_STEP = Exercise(
    id="03.5",
    title="DDIM's step",
    points=3,
    on_device=True,
    solution=ddim_step,
    forbidden=(sampling.ddim_step,),
    why="With eta = 0 it is one line: the closed form at time s, with the guess for the picture and the *predicted* noise. The "
    "library's version has eta in it as well.",
    hints=(
        "The closed form again: a picture and a noise are put together, at the new time s.",
        r"The picture is `now.pred.x_0` and the noise is `now.pred.eps`; the factors are $\sqrt{\bar\alpha_s}$ and "
        r"$\sqrt{1-\bar\alpha_s}$.",
        "`a_s = schedule.alpha_bar[s].item()` is a plain number, so the dtype of the pictures stays as it is.",
    ),
    trials=(
        Trial(_ddim_chance, "The same moment should always lead to the same x_s."),
        Trial(
            partial(
                _ddim_steps,
                (
                    (LINEAR, 1000, 900, (6, 1, 4, 5), torch.float32),
                    (LINEAR, 500, 480, (6, 1, 4, 5), torch.float32),
                    (LINEAR, 500, 1, (6, 1, 4, 5), torch.float32),
                ),
            ),
            "A step from t to s does not come out right.",
            tolerance=1e-4,
        ),
        Trial(
            partial(
                _ddim_steps,
                (
                    (COSINE, 900, 700, (2, 3, 5, 4), torch.float32),
                    (SHORT, 50, 20, (7,), torch.float64),
                    (SHORT, 30, 30, (3, 2), torch.float64),
                ),
            ),
            "A step is right for the linear schedule and wrong for another, or for x of another shape.",
            tolerance=1e-4,
        ),
        Trial(_ddim_last_step, "The last step, into s = 0, should give the guess of x_0 itself.", tolerance=1e-4),
    ),
    mistakes=(
        ddim_with_fresh_noise,
        ddim_with_picture_of_now,
        ddim_at_old_time,
        ddim_without_roots,
        ddim_without_root_of_noise,
        ddim_with_root_inside,
        ddim_swapped,
        ddim_minus_noise,
        ddim_off_by_one,
        ddim_one_too_early,
        ddim_jumps_to_the_end,
    ),
)
