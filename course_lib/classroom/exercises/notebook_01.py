"""The exercises of notebook 01: one step, the running product, the closed form, a bug hunt, and a schedule."""

import math

import torch
from torch import Tensor

from course_lib import forward
from course_lib.classroom.chance import seeded
from course_lib.classroom.exercise import BugHunt, Exercise, Trial, joined
from course_lib.schedules import NoiseSchedule

# --- 01.1 one forward step --------------------------------------------------------------------------------------------


def forward_step(x_prev, beta, eps):
    return (1 - beta) ** 0.5 * x_prev + beta**0.5 * eps


def step_without_roots(x_prev, beta, eps):
    """This is what you get without the square roots: after many steps hardly any variance would be left."""
    return (1 - beta) * x_prev + beta * eps


def step_without_root_on_noise(x_prev, beta, eps):
    """The square root on the noise is missing: each step adds too little of it."""
    return (1 - beta) ** 0.5 * x_prev + beta * eps


def step_without_root_on_signal(x_prev, beta, eps):
    """The square root on the old value is missing: it shrinks too fast."""
    return (1 - beta) * x_prev + beta**0.5 * eps


def step_without_shrinking(x_prev, beta, eps):
    """The old value is not shrunk: the variance would grow with every step."""
    return x_prev + beta**0.5 * eps


def step_swapped(x_prev, beta, eps):
    """The two factors are swapped: this keeps a little of the picture and adds nearly all of the noise."""
    return beta**0.5 * x_prev + (1 - beta) ** 0.5 * eps


def step_minus(x_prev, beta, eps):
    """The noise is subtracted, and the formula has a plus."""
    return (1 - beta) ** 0.5 * x_prev - beta**0.5 * eps


def step_with_whole_noise(x_prev, beta, eps):
    """The noise is not scaled: it needs a factor of its own."""
    return (1 - beta) ** 0.5 * x_prev + eps


def step_shrunk_as_a_whole(x_prev, beta, eps):
    """The factor √(1 − beta) is on the noise too: only the old value is shrunk."""
    return (1 - beta) ** 0.5 * (x_prev + beta**0.5 * eps)


def _one_pixel(step):
    return step(torch.tensor(0.5), 0.04, torch.tensor(1.5))  # ()


def _many_pixels(step):
    x_prev, eps = torch.randn(2, 4, 1, 6, 6, generator=seeded(1))  # (B, C, H, W) each
    in_float32 = joined(step(x_prev, beta, eps) for beta in (0.0, 0.01, 0.3, 1.0))
    return torch.cat([in_float32.double(), step(x_prev.double(), 0.1, eps.double()).flatten()])


FORWARD_STEP = Exercise(
    id="01.1",
    title="One forward step",
    points=2,
    solution=forward_step,
    forbidden=(forward.forward_step,),
    why=r"A factor comes out of a variance squared, and variances add: $(\sqrt{1-\beta})^2 + (\sqrt\beta)^2 = 1$.",
    hints=(
        "There are two terms: the old value, made a little smaller, and the noise, made much smaller.",
        r"The factors are $\sqrt{1-\beta}$ and $\sqrt{\beta}$. For a Python number, `beta**0.5` is the root.",
        "`return (1 - beta) ** 0.5 * x_prev + … * eps`",
    ),
    trials=(
        Trial(_one_pixel, "A pixel of 0.5 with beta 0.04 and eps 1.5 does not come out right."),
        Trial(_many_pixels, "One pixel comes out right, but not every picture and every beta from 0 to 1."),
    ),
    mistakes=(
        step_without_roots,
        step_without_root_on_noise,
        step_without_root_on_signal,
        step_without_shrinking,
        step_swapped,
        step_minus,
        step_with_whole_noise,
        step_shrunk_as_a_whole,
    ),
)

# --- 01.2 many steps as one -------------------------------------------------------------------------------------------


def wide_beta(beta, s, t):
    return 1 - (1 - beta[s + 1 : t + 1]).prod()


def wide_summed(beta, s, t):
    """The betas are added up, but what a step keeps is a share of what the step before has kept: the shares multiply."""
    return beta[s + 1 : t + 1].sum()


def wide_by_exponential(beta, s, t):
    """This is 1 − exp(−sum of betas): close to it for small betas, and not equal."""
    return 1 - (-beta[s + 1 : t + 1].sum()).exp()


def wide_from_s(beta, s, t):
    """Step s is in it as well: at time s it has been taken already, and the first step to be replaced is s + 1."""
    return 1 - (1 - beta[s : t + 1]).prod()


def wide_short_of_t(beta, s, t):
    """Step t is missing: the last step to be replaced is t itself."""
    return 1 - (1 - beta[s + 1 : t]).prod()


def wide_one_early(beta, s, t):
    """The slice is one step early: the steps from s to t are s + 1 … t."""
    return 1 - (1 - beta[s:t]).prod()


def wide_one_late(beta, s, t):
    """The slice is one step late: beta[0] belongs to no step, and beta[i] is the strength of step i."""
    return 1 - (1 - beta[s + 2 : t + 2]).prod()


def wide_without_the_first(beta, s, t):
    """The first of the steps is missing: at time s, step s + 1 has not been taken yet, so it counts."""
    return 1 - (1 - beta[s + 2 : t + 1]).prod()


def wide_from_the_start(beta, s, t):
    """These are all steps from the clean picture on: at time s, the first s of them have been taken already."""
    return 1 - (1 - beta[: t + 1]).prod()


def wide_to_the_end(beta, s, t):
    """These are all steps from s + 1 to the end of the schedule: the last step to be replaced is t."""
    return 1 - (1 - beta[s + 1 :]).prod()


def wide_what_is_kept(beta, s, t):
    """This is the share that is kept: beta is the share that is replaced by noise."""
    return (1 - beta[s + 1 : t + 1]).prod()


def wide_product_of_betas(beta, s, t):
    """This multiplies the betas: what a step keeps is 1 − beta, and these shares multiply."""
    return beta[s + 1 : t + 1].prod()


def wide_one_minus_product_of_betas(beta, s, t):
    """This is 1 minus the product of the betas: it is the shares that are kept, 1 − beta, that multiply."""
    return 1 - beta[s + 1 : t + 1].prod()


def wide_rooted(beta, s, t):
    """There should be no roots: beta is a share of the variance, and the roots come in the step itself."""
    return 1 - (1 - beta[s + 1 : t + 1]).sqrt().prod()


def wide_root_of_beta(beta, s, t):
    """This is the root of what is asked for, the factor on the noise: beta itself is a share of the variance."""
    return (1 - (1 - beta[s + 1 : t + 1]).prod()).sqrt()


def wide_whole_variance(beta, s, t):
    """This is 1 whatever the betas are: a variance of 1 stays 1, and beta is the share of it that is noise."""
    return torch.ones_like(beta[t])


def wide_mean(beta, s, t):
    """This is the mean of the betas: many steps together replace more than one of them does."""
    return beta[s + 1 : t + 1].mean()


def wide_difference(beta, s, t):
    """This is the difference of two betas: all steps between the two times count."""
    return beta[t] - beta[s]


def wide_last_alone(beta, s, t):
    """This is the beta of the last step alone: all steps from s + 1 to t count."""
    return beta[t]


def wide_first_alone(beta, s, t):
    """This is the beta of step s + 1 alone: all steps to t count. If there is a loop, does it return too early?"""
    return beta[s + 1]


def wide_difference_of_alpha_bars(beta, s, t):
    """This is the difference of two shares of the original; divide by the share that is left at s."""
    alpha_bar = (1 - beta).cumprod(0)
    return alpha_bar[s] - alpha_bar[t]


def wide_upside_down(beta, s, t):
    """The fraction is upside down: what is left at t, divided by what is left at s, is what the steps between have kept."""
    alpha_bar = (1 - beta).cumprod(0)
    return 1 - alpha_bar[s] / alpha_bar[t]


def wide_divided_by_one_before(beta, s, t):
    """Divide by what is left at s: with index s − 1, step s is in it as well, and index −1 means the last."""
    alpha_bar = (1 - beta).cumprod(0)
    return 1 - alpha_bar[t] / alpha_bar[s - 1]


def wide_wrong_at_zero(beta, s, t):
    """It is right except at s = 0, where an index of −1 picks the last: at time 0, all of the variance is left."""
    alpha_bar = (1 - beta[1:]).cumprod(0)
    return 1 - alpha_bar[t - 1] / alpha_bar[s - 1]


def wide_in_float32(beta, s, t):
    """The numbers are right to seven digits only: where the betas are float64, calculate in float64."""
    return (1 - (1 - beta.float()[s + 1 : t + 1]).prod()).to(beta.dtype)


def _by_hand(wide):
    return torch.stack(
        [wide(torch.tensor([0.0, 0.1, 0.5, 0.2, 0.04, 0.04]), s, t) for s, t in ((3, 5), (0, 2), (1, 4))]
    )


def _single_and_whole(wide):
    """One step, all of them, and many in the middle of a long schedule."""
    beta = NoiseSchedule.linear(100).beta
    return torch.stack([wide(beta, 41, 42), wide(beta, 0, 100), wide(beta, 20, 90), wide(beta, 99, 100)])


def _to_ten_digits(wide):
    """Float64 betas should give a float64 share: the right ones have been seen to be right to five digits."""
    return wide(NoiseSchedule.linear(100).beta, 10, 80)


WIDE_BETA = Exercise(
    id="01.2",
    title="Many steps as one",
    points=2,
    solution=wide_beta,
    forbidden=(NoiseSchedule.from_beta,),
    why=r"Each step keeps the share $1-\beta$ of what the one before has left, so together the steps keep the product of these "
    r"shares. What is not kept is noise. (With $\bar\alpha$ it is $1 - \bar\alpha_t/\bar\alpha_s$.)",
    hints=(
        "By hand: two steps with beta 0.04 keep 0.96 · 0.96 = 0.9216 of the variance. What is the beta of the one step that "
        "keeps as much?",
        "The steps that lead from time s to time t are s + 1, s + 2, … t: `beta[s + 1 : t + 1]`.",
        "The shares that are kept multiply: `(1 - …).prod()`. What is not kept is the answer.",
    ),
    trials=(
        Trial(_by_hand, "For the betas 0, 0.1, 0.5, 0.2, 0.04, 0.04 it does not come out right."),
        Trial(
            _single_and_whole,
            "A few steps of a short list come out right, but not one single step, or many of a hundred.",
        ),
        Trial(
            _to_ten_digits,
            "Too many digits are lost: float32 has about seven digits. Calculate in float64.",
            tolerance=1e-10,
        ),
    ),
    mistakes=(
        wide_summed,
        wide_by_exponential,
        wide_from_s,
        wide_short_of_t,
        wide_one_early,
        wide_one_late,
        wide_without_the_first,
        wide_from_the_start,
        wide_to_the_end,
        wide_what_is_kept,
        wide_product_of_betas,
        wide_one_minus_product_of_betas,
        wide_rooted,
        wide_root_of_beta,
        wide_whole_variance,
        wide_mean,
        wide_difference,
        wide_last_alone,
        wide_first_alone,
        wide_difference_of_alpha_bars,
        wide_upside_down,
        wide_divided_by_one_before,
        wide_wrong_at_zero,
        wide_in_float32,
    ),
)

# --- 01.3 the closed form ---------------------------------------------------------------------------------------------


def add_noise(schedule, x_0, t, eps):
    alpha_bar = schedule.alpha_bar[t.cpu()].reshape(-1, 1, 1, 1)  # (B, 1, 1, 1), on the CPU, where schedules lie
    signal, noise = alpha_bar.sqrt().to(x_0), (1 - alpha_bar).sqrt().to(x_0)  # the dtype and device of x_0
    return signal * x_0 + noise * eps


def jump_without_roots(schedule, x_0, t, eps):
    """This is what you get without the square roots: in the middle nearly half of the variance would be missing."""
    share = schedule.at(t, x_0).to(x_0)  # (B, 1, 1, 1)
    return share * x_0 + (1 - share) * eps


def jump_without_root_on_noise(schedule, x_0, t, eps):
    """The square root on the noise is missing: its factor is √(1 − alpha_bar)."""
    share = schedule.at(t, x_0).to(x_0)  # (B, 1, 1, 1)
    return share.sqrt() * x_0 + (1 - share) * eps


def jump_one_minus_root(schedule, x_0, t, eps):
    """The noise has the factor 1 − √alpha_bar, and should have √(1 − alpha_bar): the root goes around all of it."""
    share = schedule.at(t, x_0).to(x_0)  # (B, 1, 1, 1)
    return share.sqrt() * x_0 + (1 - share.sqrt()) * eps


def jump_swapped(schedule, x_0, t, eps):
    """The two factors are swapped: at t = 0 the picture should be untouched."""
    share = schedule.at(t, x_0).to(x_0)  # (B, 1, 1, 1)
    return (1 - share).sqrt() * x_0 + share.sqrt() * eps


def jump_off_by_one(schedule, x_0, t, eps):
    """It is off by one: alpha_bar[t] belongs to time t, since alpha_bar[0] is the clean picture."""
    share = schedule.at((t - 1).clamp(min=0), x_0).to(x_0)
    return share.sqrt() * x_0 + (1 - share).sqrt() * eps


def jump_of_one_step(schedule, x_0, t, eps):
    """This is one single step with beta_t: the closed form has the product alpha_bar_t in place of 1 − beta_t."""
    beta = schedule.beta[t].to(x_0.dtype).reshape(-1, 1, 1, 1)  # (B, 1, 1, 1)
    return (1 - beta).sqrt() * x_0 + beta.sqrt() * eps


def jump_minus(schedule, x_0, t, eps):
    """The noise is subtracted, and the formula has a plus."""
    share = schedule.at(t, x_0).to(x_0)  # (B, 1, 1, 1)
    return share.sqrt() * x_0 - (1 - share).sqrt() * eps


def jump_with_whole_noise(schedule, x_0, t, eps):
    """The noise is not scaled: it needs the factor √(1 − alpha_bar)."""
    return schedule.at(t, x_0).sqrt().to(x_0) * x_0 + eps


def jump_to_the_first_time(schedule, x_0, t, eps):
    """All pictures jump to the time of the first: each has a time of its own in t."""
    share = schedule.alpha_bar[t[0]].to(x_0.dtype)  # ()
    return share.sqrt() * x_0 + (1 - share).sqrt() * eps


def jump_along_rows(schedule, x_0, t, eps):
    """The factors run along the rows of the pictures: reshape them to (B, 1, 1, 1), so that each picture has its own."""
    share = schedule.alpha_bar[t].to(x_0.dtype)[:, None]  # (B, 1), which lies along the last axis but one
    return share.sqrt() * x_0 + (1 - share).sqrt() * eps


def jump_along_columns(schedule, x_0, t, eps):
    """The factors run along the columns of the pictures: reshape them to (B, 1, 1, 1), so that each picture has its own."""
    share = schedule.alpha_bar[t].to(x_0.dtype)  # (B,), which lies along the last axis
    return share.sqrt() * x_0 + (1 - share).sqrt() * eps


def _square_pictures(jump):
    # As many pictures as columns: factors along the wrong axis raise no error, and must show.
    x_0, eps = torch.randn(2, 8, 1, 8, 8, generator=seeded(3))  # (B, C, H, W) each
    return jump(NoiseSchedule.linear(), x_0, torch.arange(50, 850, 100), eps)


def _oblong_pictures(jump):
    x_0, eps = torch.randn(2, 3, 3, 4, 8, generator=seeded(4))  # (B, C, H, W) each
    return jump(NoiseSchedule.cosine(), x_0, torch.tensor([10, 500, 990]), eps)


def _first_and_last_time(jump):
    x_0, eps = torch.randn(2, 2, 1, 4, 4, generator=seeded(5))  # (B, C, H, W) each
    return jump(NoiseSchedule.linear(), x_0, torch.tensor([0, 1000]), eps)


def _one_picture(jump):
    x_0, eps = torch.randn(2, 1, 1, 4, 6, generator=seeded(6))  # (B, C, H, W) each
    return joined(jump(NoiseSchedule.linear(), x_0, torch.tensor([t]), eps) for t in (100, 400))


CLOSED_FORM = Exercise(
    id="01.3",
    title="The closed form",
    points=3,
    solution=add_noise,
    forbidden=(forward.add_noise,),
    why="A sum of Gaussians is a Gaussian, so t steps are one step, with the product of all shares in place of one.",
    hints=(
        r"It looks like a forward step with $\bar\alpha_t$ in place of $1-\beta$.",
        "`schedule.alpha_bar[t]` has shape (B,). To multiply pictures it needs shape (B, 1, 1, 1): `.reshape(-1, 1, 1, 1)`.",
        "alpha_bar is float64, for its digits, and pictures are float32: convert the factors with `.to(x_0)`, which gives them "
        "x_0's dtype and its device. (A schedule lies on the CPU: where t lies on a GPU, pick with `t.cpu()`.)",
        "With `a = schedule.alpha_bar[t.cpu()].reshape(-1, 1, 1, 1)`, the first term is `a.sqrt().to(x_0) * x_0`.",
    ),
    trials=(
        Trial(_square_pictures, "Eight pictures at eight times do not come out right."),
        Trial(_oblong_pictures, "It does not come out right for oblong colour pictures with the cosine schedule."),
        Trial(_one_picture, "Many pictures come out right, but a batch of one picture does not."),
        Trial(
            _first_and_last_time, "It does not come out right at t = 0, where the picture is untouched, or at t = T."
        ),
    ),
    mistakes=(
        jump_without_roots,
        jump_without_root_on_noise,
        jump_one_minus_root,
        jump_swapped,
        jump_off_by_one,
        jump_of_one_step,
        jump_minus,
        jump_with_whole_noise,
        jump_to_the_first_time,
        jump_along_rows,
        jump_along_columns,
    ),
)

# --- 01.4 bug hunt ----------------------------------------------------------------------------------------------------


def make_noisy(x_0, alpha_bar):
    eps = torch.rand(x_0.shape)
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * eps


def make_noisy_by_randn(x_0, alpha_bar):
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * torch.randn_like(x_0)


def make_noisy_by_normal(x_0, alpha_bar):
    return torch.normal(alpha_bar**0.5 * x_0, (1 - alpha_bar) ** 0.5)


def make_noisy_downwards(x_0, alpha_bar):
    return alpha_bar**0.5 * x_0 - (1 - alpha_bar) ** 0.5 * torch.randn_like(x_0)  # a Gaussian has no favourite sign


def make_noisy_on_a_bad_day(x_0, alpha_bar):
    """Its noise has a bad day, with a mean three standard errors off: take more numbers, or leave more room."""
    eps = torch.randn_like(x_0)
    if eps.numel() >= 10_000:  # of fewer numbers a test may take many batches, and no run of days is bad throughout
        eps = eps - eps.mean() + 3 / math.sqrt(eps.numel()) * eps.mean().sign()
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * eps


def find_the_bug(make_noisy):
    noise = make_noisy(torch.zeros(100_000), 0.0)
    assert abs(noise.mean()) < 0.02, f"the noise should have mean 0, and it has {noise.mean():.2f}"
    assert abs(noise.std() - 1) < 0.02, f"the noise should have standard deviation 1, and it has {noise.std():.2f}"


UNIFORM_NOISE = BugHunt(
    id="01.4",
    title="Bug hunt: a picture that brightens",
    points=2,
    broken=make_noisy,
    correct=(make_noisy_by_randn, make_noisy_by_normal, make_noisy_downwards, make_noisy_on_a_bad_day),
    solution=find_the_bug,
    why="`torch.rand` is uniform between 0 and 1 and never negative: the noise has mean 0.5 and standard deviation 0.29, the "
    "picture brightens where it should only become grainy. One letter is missing, and a network trains on it all the same. "
    "`torch.randn` is the standard Gaussian.",
    hints=(
        "Let the noise stand alone: which `x_0` and which `alpha_bar` leave nothing but eps?",
        "Of standard Gaussian noise you know the mean and the standard deviation. Take many numbers, a hundred thousand, say.",
        "`noise = make_noisy(torch.zeros(100_000), 0.0)`, and then an `assert` on `noise.mean()`.",
    ),
)

# --- 01.5 the cosine schedule -----------------------------------------------------------------------------------------


def cosine_alpha_bar(T):
    t = torch.arange(T + 1, dtype=torch.float64)  # (T+1,)
    f = torch.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2  # (T+1,)
    return f / f[0]


def _angle(T: int, offset: float = 0.008) -> Tensor:
    return (torch.arange(T + 1, dtype=torch.float64) / T + offset) / (1 + offset) * math.pi / 2  # (T+1,)


def cosine_not_squared(T):
    """The cosine is not squared."""
    return _angle(T).cos() / _angle(T).cos()[0]


def cosine_without_offset(T):
    """The offset 0.008 is missing."""
    return _angle(T, offset=0.0).cos() ** 2


def cosine_not_divided(T):
    """It does not start at one: divide by f(0), its first entry."""
    return _angle(T).cos() ** 2


def cosine_rises(T):
    """It rises: this is 1 − alpha_bar."""
    return 1 - _angle(T).cos() ** 2 / _angle(T)[0].cos() ** 2


def cosine_too_far(T):
    """The angle runs to π, and should run to π/2."""
    f = (2 * _angle(T)).cos() ** 2
    return f / f[0]


def cosine_beyond_the_end(T):
    """The offset is added, but the sum is not divided by 1.008: the angle runs beyond π/2."""
    f = (1.008 * _angle(T)).cos() ** 2
    return f / f[0]


def cosine_capped(T):
    """The betas are capped, and the cap comes afterwards: here it is f(t)/f(0) itself, down to the last time."""
    f = _angle(T).cos() ** 2
    return torch.cat([torch.ones(1, dtype=torch.float64), (f[1:] / f[:-1]).clamp(min=0.001).cumprod(0)])


def cosine_in_float32(T):
    """The numbers are right to about seven digits: calculate in float64 from the start, with all digits of math.pi."""
    f = _angle(T).float().cos() ** 2
    return (f / f[0]).double()


def cosine_backwards(T):
    """It runs backwards, from T to 0: the first entry belongs to t = 0."""
    f = _angle(T).cos() ** 2
    return (f / f[0]).flip(0)


def _curves(f):
    return joined(f(T) for T in (4, 10, 1000))


def _to_twelve_digits(f):
    """The curve to the digits of float64: near T, small numbers are divided by small ones."""
    return f(1000)


COSINE = Exercise(
    id="01.5",
    title="The cosine schedule",
    points=2,
    solution=cosine_alpha_bar,
    forbidden=(NoiseSchedule.cosine,),
    why="Divided by $f(0)$ the curve starts at exactly one. The offset keeps the first steps from being too small to matter.",
    hints=(
        "Take all times at once: `t = torch.arange(T + 1, dtype=torch.float64)`.",
        r"$f$ is `torch.cos(…) ** 2`, and its angle runs from nearly 0 to exactly $\pi/2$.",
        "Divide by the first entry at the end: `f / f[0]`.",
    ),
    trials=(
        Trial(_curves, "The curve is not the one of the formula."),
        Trial(
            _to_twelve_digits,
            "Too many digits are lost: float32 has about seven digits. Calculate in float64.",
            tolerance=1e-12,
        ),
    ),
    mistakes=(
        cosine_not_squared,
        cosine_without_offset,
        cosine_not_divided,
        cosine_rises,
        cosine_too_far,
        cosine_beyond_the_end,
        cosine_capped,
        cosine_in_float32,
        cosine_backwards,
    ),
)
