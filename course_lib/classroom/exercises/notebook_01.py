"""The exercises of notebook 01: one step, the running product, the closed form, a bug hunt, and a schedule."""

import math

import torch
from torch import Tensor

from course_lib import forward
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
    x_prev, eps = torch.randn(2, 4, 1, 6, 6, generator=torch.Generator().manual_seed(1))  # (B, C, H, W) each
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

# --- 01.2 what is left after t steps ----------------------------------------------------------------------------------


def alpha_bar_of(beta):
    return (1 - beta).cumprod(dim=0)


def shares_added(beta):
    """The shares are added up, but what is left of what is left is a product."""
    return (1 - beta).cumsum(0)


def product_of_betas(beta):
    """This is the product of the betas: what a step keeps is 1 − beta."""
    return beta.cumprod(0)


def single_steps(beta):
    """This is what each single step keeps: take the product of all steps so far."""
    return 1 - beta


def product_of_roots(beta):
    """These are the square roots: alpha_bar is the share of the variance, and its root comes later."""
    return (1 - beta).sqrt().cumprod(0)


def exponential_of_sum(beta):
    """This is exp(−sum of betas): close to the product for small betas, and not equal to it."""
    return (-beta.cumsum(0)).exp()


def one_step_late(beta):
    """It starts one step late: alpha_bar[t] contains the factor of step t itself."""
    return torch.cat([torch.ones_like(beta[:1]), (1 - beta).cumprod(0)[:-1]])


def what_is_lost(beta):
    """This is 1 − alpha_bar, the share that is lost: return what is left."""
    return 1 - (1 - beta).cumprod(0)


def from_the_end(beta):
    """The product runs from the last step backwards: alpha_bar[t] has the factors of the steps up to t."""
    return (1 - beta).flip(0).cumprod(0).flip(0)


def squared_shares(beta):
    """These are squares: each step keeps the share 1 − beta of the variance, once."""
    return (1 - beta).square().cumprod(0)


def products_in_float32(beta):
    """The numbers are right to seven digits only: where the betas are float64, calculate in float64."""
    return (1 - beta.float()).cumprod(0).to(beta.dtype)


def _a_hundred(f):
    return f(NoiseSchedule.linear(100).beta)


def _to_ten_digits(f):
    """1 if float64 betas give float64 products, shape (1,): the right ones have been seen to be right to five digits."""
    beta = NoiseSchedule.linear(100).beta
    return torch.tensor([float(torch.allclose(f(beta), alpha_bar_of(beta), rtol=1e-10))])


ALPHA_BAR = Exercise(
    id="01.2",
    title="What is left after t steps",
    points=1,
    solution=alpha_bar_of,
    forbidden=(NoiseSchedule.from_beta,),
    why=r"Each step keeps the share $1-\beta$ of the variance that the one before has left, and so the shares multiply.",
    hints=(
        r"After one step $1-\beta_1$ is left, after two steps that share of it: $(1-\beta_1)(1-\beta_2)$.",
        "PyTorch calls a running product `cumprod`; along the first dimension it is `cumprod(dim=0)`.",
    ),
    trials=(
        Trial(
            lambda f: f(torch.tensor([0.0, 0.1, 0.5, 0.2])),
            "For the betas 0, 0.1, 0.5, 0.2 it does not come out right.",
        ),
        Trial(_a_hundred, "A short list comes out right, but not a hundred betas."),
        Trial(_to_ten_digits, "Too many digits are lost."),
    ),
    mistakes=(
        shares_added,
        product_of_betas,
        single_steps,
        product_of_roots,
        exponential_of_sum,
        one_step_late,
        what_is_lost,
        from_the_end,
        squared_shares,
        products_in_float32,
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
    x_0, eps = torch.randn(2, 8, 1, 8, 8, generator=torch.Generator().manual_seed(3))  # (B, C, H, W) each
    return jump(NoiseSchedule.linear(), x_0, torch.arange(50, 850, 100), eps)


def _oblong_pictures(jump):
    x_0, eps = torch.randn(2, 3, 3, 4, 8, generator=torch.Generator().manual_seed(4))  # (B, C, H, W) each
    return jump(NoiseSchedule.cosine(), x_0, torch.tensor([10, 500, 990]), eps)


def _first_and_last_time(jump):
    x_0, eps = torch.randn(2, 2, 1, 4, 4, generator=torch.Generator().manual_seed(5))  # (B, C, H, W) each
    return jump(NoiseSchedule.linear(), x_0, torch.tensor([0, 1000]), eps)


def _one_picture(jump):
    x_0, eps = torch.randn(2, 1, 1, 4, 6, generator=torch.Generator().manual_seed(6))  # (B, C, H, W) each
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
    """1 if the curve is exact to the digits of float64, shape (1,): near T, small numbers are divided by small ones."""
    return torch.tensor([float(torch.allclose(f(1000), cosine_alpha_bar(1000), rtol=0, atol=1e-12))])


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
        Trial(_to_twelve_digits, "Too many digits are lost."),
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
