"""What coursework asks of notebook 01: the closed form as others write it, fifty gentle steps, and pictures from 0 to 1."""

import math

import torch
from torch import Tensor

from course_lib import forward
from course_lib.classroom.chance import seeded
from course_lib.classroom.coursework.task import Experiment, Question, Variation
from course_lib.classroom.exercise import Trial
from course_lib.classroom.guarding import WrongAnswerError

SQUARE, OTHER = (4, 4, 4), (5, 3, 2)  # in a square batch a wrong axis gives numbers, which can be named

# --- 01.V the closed form, the schedule as log-SNR --------------------------------------------------------------------


def add_noise_by_log_snr(x_0, t, noise, log_snr):
    """The noisy pictures x_t at the times t.

    x_0, noise: (H, W, B), the pictures of a batch side by side along the last axis
    t: (B,), whole numbers from 1 to T
    log_snr: (T,), the natural logarithm of alpha_bar / (1 - alpha_bar) at the times 1, 2, … T
    """
    alpha_bar = log_snr.sigmoid()[t - 1]
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise


def log_snr_from_zero(x_0, t, noise, log_snr):
    """This takes log_snr[t], but the first entry belongs to the time 1: it is one step late."""
    alpha_bar = log_snr.sigmoid()[t % len(log_snr)]
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise


def log_snr_of_amplitudes(x_0, t, noise, log_snr):
    """This takes the ratio for one of amplitudes, but alpha_bar / (1 - alpha_bar) is one of variances."""
    alpha_bar = (2 * log_snr).sigmoid()[t - 1]
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise


def log_snr_as_alpha_bar(x_0, t, noise, log_snr):
    """exp(log_snr) is the ratio alpha_bar / (1 - alpha_bar), and not yet alpha_bar itself: solve for it."""
    alpha_bar = log_snr.exp()[t - 1]
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).abs().sqrt() * noise


def log_snr_of_ten(x_0, t, noise, log_snr):
    """This undoes a logarithm to the base of ten, but it is the natural one."""
    alpha_bar = (math.log(10) * log_snr).sigmoid()[t - 1]
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise


def log_snr_without_roots(x_0, t, noise, log_snr):
    """The square roots are missing: alpha_bar is a share of the variance, and the factors are its roots."""
    alpha_bar = log_snr.sigmoid()[t - 1]
    return alpha_bar * x_0 + (1 - alpha_bar) * noise


def log_snr_multiplied(x_0, t, noise, log_snr):
    """This multiplies the steps up, but log_snr[t - 1] already speaks of all the noise up to the time t."""
    alpha_bar = log_snr.sigmoid().cumprod(dim=0)[t - 1]
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise


def log_snr_along_the_first_axis(x_0, t, noise, log_snr):
    """This takes the first axis for that of the batch, but here the pictures lie along the last."""
    alpha_bar = log_snr.sigmoid()[t - 1].reshape(-1, 1, 1)
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise


def log_snr_swapped(x_0, t, noise, log_snr):
    """The two factors are swapped: where log_snr is large, the picture should be nearly whole."""
    alpha_bar = log_snr.sigmoid()[t - 1]
    return (1 - alpha_bar).sqrt() * x_0 + alpha_bar.sqrt() * noise


def _log_snr(answer, shape, t):
    x_0, noise = torch.randn(2, *shape, generator=seeded(11))  # (H, W, B) each
    log_snr = 6 - torch.rand(8, generator=seeded(12)).cumsum(dim=0) * 3  # (T,)
    return answer(x_0, t, noise, log_snr)


LOG_SNR = Variation(
    id="01.V",
    title="The closed form, told by log-SNR",
    points=4,
    text=r"""Other papers describe a schedule by its *log-SNR*, the logarithm of the ratio of signal to noise, $\lambda_t =
\ln\frac{\bar\alpha_t}{1-\bar\alpha_t}$, and other programs keep the pictures of a batch along the *last* axis. Write
the closed form of exercise 01.3 for such a program.""",
    solution=add_noise_by_log_snr,
    example="torch.full((1, 1, 2), 0.5), torch.tensor([1, 3]), torch.full((1, 1, 2), 1.5), torch.tensor([3.0, 1.0, 0.0])",
    why=r"Solved for it, $\bar\alpha_t$ is the sigmoid of $\lambda_t$.",
    hints=(),
    trials=(
        Trial(
            lambda answer: _log_snr(answer, SQUARE, torch.tensor([2, 7, 1, 5])), "Four pictures do not come out right."
        ),
        Trial(
            lambda answer: _log_snr(answer, OTHER, torch.tensor([8, 1])),
            "At the first and the last time it is not right.",
        ),
    ),
    forbidden=(forward.add_noise, forward.forward_step),
    mistakes=(
        log_snr_from_zero,
        log_snr_of_amplitudes,
        log_snr_as_alpha_bar,
        log_snr_of_ten,
        log_snr_without_roots,
        log_snr_multiplied,
        log_snr_along_the_first_axis,
        log_snr_swapped,
    ),
)

# --- 01.V the closed form, noise without shrinking --------------------------------------------------------------------


def add_noise_by_sigma(x_0, t, noise, sigma):
    """The noisy pictures at the times t, shrunk so that their variance is 1 again.

    x_0, noise: (H, B, W), the pictures of a batch along the middle axis; both have a variance of 1
    t: (B,), whole numbers from 0 to T
    sigma: (T + 1,), the standard deviation of the noise that is added at the times 0, 1, … T, while x_0 is not shrunk
    """
    sigma = sigma[t][:, None]
    return (x_0 + sigma * noise) / (1 + sigma**2).sqrt()


def sigma_not_shrunk(x_0, t, noise, sigma):
    """This adds the noise and stops there: the variance is 1 + sigma² then, and should be 1."""
    return x_0 + sigma[t][:, None] * noise


def sigma_divided_by_variance(x_0, t, noise, sigma):
    """This divides by the variance 1 + sigma²: to bring it to 1, divide by the standard deviation, its root."""
    sigma = sigma[t][:, None]
    return (x_0 + sigma * noise) / (1 + sigma**2)


def sigma_divided_by_sum(x_0, t, noise, sigma):
    """This divides by 1 + sigma: it is the variances of picture and noise that add up, and not their deviations."""
    sigma = sigma[t][:, None]
    return (x_0 + sigma * noise) / (1 + sigma)


def sigma_as_the_course_has_it(x_0, t, noise, sigma):
    """This is the course's formula with sigma² for the noise's share: here sigma may be far above 1, and x_0 is not shrunk."""
    sigma = sigma[t][:, None]
    return (1 - sigma**2).abs().sqrt() * x_0 + sigma * noise


def sigma_as_variance(x_0, t, noise, sigma):
    """This takes sigma for a variance: it is the standard deviation, the factor itself."""
    sigma = sigma[t][:, None]
    return (x_0 + sigma.sqrt() * noise) / (1 + sigma).sqrt()


def sigma_one_early(x_0, t, noise, sigma):
    """This takes sigma[t - 1]: here the first entry belongs to the time 0."""
    sigma = sigma[t - 1][:, None]
    return (x_0 + sigma * noise) / (1 + sigma**2).sqrt()


def sigma_along_the_first_axis(x_0, t, noise, sigma):
    """This takes the first axis for that of the batch, but here the pictures lie along the middle one."""
    sigma = sigma[t][:, None, None]
    return (x_0 + sigma * noise) / (1 + sigma**2).sqrt()


def sigma_along_the_last_axis(x_0, t, noise, sigma):
    """This takes the last axis for that of the batch, but here the pictures lie along the middle one."""
    return (x_0 + sigma[t] * noise) / (1 + sigma[t] ** 2).sqrt()


def sigma_added_up(x_0, t, noise, sigma):
    """This adds the sigmas up, but sigma[t] already speaks of all the noise up to the time t."""
    sigma = sigma.cumsum(dim=0)[t][:, None]
    return (x_0 + sigma * noise) / (1 + sigma**2).sqrt()


def _sigma(answer, shape, t):
    x_0, noise = torch.randn(2, *shape, generator=seeded(13))  # (H, B, W) each
    steps = 0.2 + torch.rand(8, generator=seeded(14))
    return answer(x_0, t, noise, torch.cat([torch.zeros(1), steps.cumsum(dim=0)]))  # (T + 1,)


SIGMA = Variation(
    id="01.V",
    title="The closed form, noise without shrinking",
    points=4,
    text=r"""Other programs do not shrink the picture: they add noise of standard deviation $\sigma_t$ to it, which grows
far above 1, and before a network sees $x_0 + \sigma_t\,\varepsilon$, they divide it by one number so that its
variance is 1 again. And they keep the pictures of a batch along the *middle* axis. Write both steps as one function.""",
    solution=add_noise_by_sigma,
    example="torch.full((1, 2, 1), 0.5), torch.tensor([0, 2]), torch.full((1, 2, 1), 1.5), torch.tensor([0.0, 1.0, 3.0])",
    why=r"Picture and noise are independent, so the variance of the sum is $1 + \sigma_t^2$.",
    hints=(),
    trials=(
        Trial(
            lambda answer: _sigma(answer, SQUARE, torch.tensor([2, 7, 1, 5])), "Four pictures do not come out right."
        ),
        Trial(
            lambda answer: _sigma(answer, OTHER, torch.tensor([8, 0, 3])),
            "At the first and the last time it is not right.",
        ),
    ),
    forbidden=(forward.add_noise, forward.forward_step),
    mistakes=(
        sigma_not_shrunk,
        sigma_divided_by_variance,
        sigma_divided_by_sum,
        sigma_as_the_course_has_it,
        sigma_as_variance,
        sigma_one_early,
        sigma_along_the_first_axis,
        sigma_along_the_last_axis,
        sigma_added_up,
    ),
)

# --- 01.V the closed form, the schedule as what each step keeps -------------------------------------------------------


def add_noise_by_kept(x_0, t, noise, kept):
    """The noisy pictures x_t at the times t.

    x_0, noise: (B, N), one picture a row, its pixels in a line
    t: (B,), whole numbers from 0 to T: how many steps have been taken
    kept: (T,), the factor on the old picture in step 1, 2, … T, which is sqrt(1 - beta) in the course
    """
    signal = torch.cat([torch.ones_like(kept[:1]), kept]).cumprod(dim=0)[t][:, None]
    return signal * x_0 + (1 - signal**2).sqrt() * noise


def kept_as_alpha(x_0, t, noise, kept):
    """This takes the factors for 1 - beta: they are its roots, so their product is the picture's factor itself."""
    alpha_bar = torch.cat([torch.ones_like(kept[:1]), kept]).cumprod(dim=0)[t][:, None]
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise


def kept_as_beta(x_0, t, noise, kept):
    """This is the course's formula for betas: what is given here is what a step keeps, and as a factor."""
    alpha_bar = torch.cat([torch.ones_like(kept[:1]), 1 - kept]).cumprod(dim=0)[t][:, None]
    return alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * noise


def kept_one_step_more(x_0, t, noise, kept):
    """This takes one step too many: after t = 0 steps the picture is clean, and kept[0] belongs to step 1."""
    signal = kept.cumprod(dim=0)[t.clamp(max=len(kept) - 1)][:, None]
    return signal * x_0 + (1 - signal**2).sqrt() * noise


def kept_one_step_alone(x_0, t, noise, kept):
    """This takes the one step t: what t steps keep is the product of their factors."""
    signal = torch.cat([torch.ones_like(kept[:1]), kept])[t][:, None]
    return signal * x_0 + (1 - signal**2).sqrt() * noise


def kept_and_the_rest(x_0, t, noise, kept):
    """The factor on the noise is 1 minus the other one here: it is the squares, the variances, that add up to 1."""
    signal = torch.cat([torch.ones_like(kept[:1]), kept]).cumprod(dim=0)[t][:, None]
    return signal * x_0 + (1 - signal) * noise


def kept_without_root(x_0, t, noise, kept):
    """The root on the noise is missing: 1 - signal² is the noise's variance, and the factor is its root."""
    signal = torch.cat([torch.ones_like(kept[:1]), kept]).cumprod(dim=0)[t][:, None]
    return signal * x_0 + (1 - signal**2) * noise


def kept_along_the_last_axis(x_0, t, noise, kept):
    """This takes the last axis for that of the batch, but here each row is a picture."""
    signal = torch.cat([torch.ones_like(kept[:1]), kept]).cumprod(dim=0)[t]
    return signal * x_0 + (1 - signal**2).sqrt() * noise


def kept_swapped(x_0, t, noise, kept):
    """The two factors are swapped: after few steps the picture should be nearly whole."""
    signal = torch.cat([torch.ones_like(kept[:1]), kept]).cumprod(dim=0)[t][:, None]
    return (1 - signal**2).sqrt() * x_0 + signal * noise


def _kept(answer, shape, t):
    x_0, noise = torch.randn(2, *shape, generator=seeded(15))  # (B, N) each
    return answer(x_0, t, noise, 0.6 + 0.39 * torch.rand(8, generator=seeded(16)))


KEPT = Variation(
    id="01.V",
    title="The closed form, told by what a step keeps",
    points=4,
    text=r"""Another program stores a schedule as the factor that each step leaves of the old picture,
$a_t = \sqrt{1-\beta_t}$, and its list begins with the first step: it has no entry for the clean picture. It keeps
each picture as a row of numbers. Write the closed form of exercise 01.3 for it.""",
    solution=add_noise_by_kept,
    example="torch.full((2, 1), 0.5), torch.tensor([0, 2]), torch.full((2, 1), 1.5), torch.tensor([0.9, 0.8, 0.7])",
    why=r"The product of the factors is $\sqrt{\bar\alpha_t}$, and the noise has what is missing to a variance of 1.",
    hints=(),
    trials=(
        Trial(lambda answer: _kept(answer, (4, 4), torch.tensor([2, 7, 1, 5])), "Four pictures do not come out right."),
        Trial(
            lambda answer: _kept(answer, (3, 5), torch.tensor([8, 0, 3])),
            "At the first and the last time it is not right.",
        ),
    ),
    forbidden=(forward.add_noise, forward.forward_step),
    mistakes=(
        kept_as_alpha,
        kept_as_beta,
        kept_one_step_more,
        kept_one_step_alone,
        kept_and_the_rest,
        kept_without_root,
        kept_along_the_last_axis,
        kept_swapped,
    ),
)

# --- 01.E fifty gentle steps ------------------------------------------------------------------------------------------


def first_betas(steps):
    return 20 * torch.linspace(1e-4, 0.02, steps, dtype=torch.float64)


def my_betas(steps):
    return torch.full((steps,), 1 - 4e-5 ** (1 / steps), dtype=torch.float64)


def _fifty(betas):
    return torch.as_tensor(betas(50))


def _largest(betas: Tensor) -> float:
    """The largest of fifty betas that reach noise."""
    if betas.is_complex():
        raise WrongAnswerError("A beta is a real number, and yours are complex.")
    if betas.shape != (50,):
        raise WrongAnswerError(
            f"my_betas(50) should return fifty betas, and returned something of the shape {tuple(betas.shape)}."
        )
    betas = betas.double()
    if not ((betas >= 0) & (betas <= 1)).all():
        raise WrongAnswerError("A beta is a share: each should lie between 0 and 1.")
    left = (1 - betas).prod().item()
    if left > 4e-5 * (1 + 1e-3):  # as float32 would have it
        raise WrongAnswerError(f"Your fifty steps leave {left:.1e} of the picture's variance, and 4e-05 is allowed.")
    return betas.max().item()


GENTLE_STEPS = Experiment(
    id="01.E",
    title="Fifty gentle steps",
    points=2,
    start=first_betas,
    solution=my_betas,
    why="The product of the shares that are kept is given, so the largest beta is smallest if all are equal.",
    run=_fifty,
    measure=_largest,
    to_beat=0.20 * (1 + 1e-6),  # 0.2 as float32 has it is a little more
    says="The largest of your fifty betas is {:.3f}: the number to beat is 0.20.",
    rules=r"`my_betas(50)` has to return fifty betas, none above 0.20, that leave $4\cdot 10^{-5}$ of the variance at most.",
)

# --- 01.Q pictures on another scale -----------------------------------------------------------------------------------

SCALE = Question(
    id="01.Q",
    title="From 0 to 1",
    text=r"""A classmate forgets to bring the pixels from 0…1 to -1…1. Her pictures have half the contrast of the
notebook's and a mean of about 0.5; the linear schedule with its thousand steps and all the rest stay as they are. What
changes in $x_t$ on the way, by how much, and does what the forward steps end in still fit what drawing starts from?
Would you mend it? Four to seven sentences, with numbers where there are some.""",
    criteria=(
        (1, "Half the contrast is a quarter of the variance, so the signal-to-noise ratio is a quarter at every time."),
        (1, "So the pictures drown earlier in the walk, and more of the last steps work on what is noise already."),
        (
            1,
            "At T it still fits: what is left of the picture has the factor √(4.04·10⁻⁵) ≈ 0.006, of the mean 0.5 about "
            "0.003, beside noise of deviation 1.",
        ),
        (
            1,
            "A verdict with a reason: scale the pictures (or shift the schedule), since nothing breaks, but steps are wasted.",
        ),
    ),
    model=r"""Going from -1…1 to 0…1 halves every difference between pixels, so the picture's variance is a quarter of what it
was. The noise is the same, so at every t the signal-to-noise ratio is a quarter of the notebook's: her pictures drown
earlier, and more of the thousand steps are spent on what is noise already. The mean of x_t is √ᾱ_t · 0.5 instead of about
0: on the way the network has to predict it as well. At T nothing is lost, for √ᾱ_T ≈ 0.006 leaves 0.003 of that mean beside
noise of deviation 1, so drawing may start from N(0, I) as before. Nothing breaks, but I would mend it: 2x - 1 costs
nothing, and the schedule was made for pictures of that contrast.""",
)
