"""What coursework asks of notebook 03: DDIM without shrinking, DDPM from noise to clean, five times, and a way back up."""

import functools
from itertools import pairwise

import torch
from torch import Tensor

from course_lib import sampling
from course_lib.classroom.chance import seeded
from course_lib.classroom.coursework.task import Experiment, Question, Variation
from course_lib.classroom.exercise import Trial
from course_lib.classroom.exercises.notebook_03 import spread_times
from course_lib.classroom.guarding import WrongAnswerError
from course_lib.schedules import NoiseSchedule

# --- 03.V DDIM's step, without shrinking ------------------------------------------------------------------------------


def ddim_by_sigma(x, picture, i, sigma):
    """One step of DDIM for each picture, from the i-th noise level to the next.

    x, picture: (H, W, B), the noisy pictures and the network's guesses of the clean ones, side by side along the last axis
    i: (B,), whole numbers from 0 to K − 1: a picture at level i has noise of the standard deviation sigma[i]
    sigma: (K + 1,), falling to 0, the clean picture: x = picture + sigma · noise
    """
    noise = (x - picture) / sigma[i]
    return picture + sigma[i + 1] * noise


def ddim_shrunk(x, picture, i, sigma):
    """This puts picture and noise together as the course does, shrunk. Here the picture is never shrunk: its factor is 1."""
    noise = (x - picture) / sigma[i]
    alpha_bar = 1 / (1 + sigma[i + 1] ** 2)
    return alpha_bar.sqrt() * picture + (1 - alpha_bar).sqrt() * noise


def ddim_unshrunk_too_late(x, picture, i, sigma):
    """The noise is taken out as in the course, as if x had been shrunk. Here x is the picture plus sigma times the noise."""
    alpha_bar = 1 / (1 + sigma[i] ** 2)
    noise = (x - alpha_bar.sqrt() * picture) / (1 - alpha_bar).sqrt()
    return picture + sigma[i + 1] * noise


def ddim_towards_noise(x, picture, i, sigma):
    """This goes from level i to i − 1, which is noisier. Here the levels are counted from the noise down: go to i + 1."""
    noise = (x - picture) / sigma[i]
    return picture + sigma[(i - 1).clamp(min=0)] * noise


def ddim_from_the_clean_end(x, picture, i, sigma):
    """This counts the levels from the clean end, as the course counts its times. Here sigma[0] is the largest."""
    rising = sigma.flip(0)
    noise = (x - picture) / rising[i + 1]
    return picture + rising[i] * noise


def ddim_with_raw_difference(x, picture, i, sigma):
    """x − picture is sigma[i] times the noise: divide by sigma[i] before you scale it anew."""
    return picture + sigma[i + 1] * (x - picture)


def ddim_added_to_x(x, picture, i, sigma):
    """The new noise is added to x, which still holds the old: add it to the guess of the picture."""
    noise = (x - picture) / sigma[i]
    return x + sigma[i + 1] * noise


def ddim_uphill(x, picture, i, sigma):
    """This moves x away from the picture: on the way from sigma[i] to the smaller sigma[i + 1], noise has to be taken off."""
    noise = (x - picture) / sigma[i]
    return x + (sigma[i] - sigma[i + 1]) * noise


def ddim_with_roots(x, picture, i, sigma):
    """There are square roots too many: sigma is a standard deviation, the factor of the noise itself."""
    noise = (x - picture) / sigma[i].sqrt()
    return picture + sigma[i + 1].sqrt() * noise


def ddim_along_the_first_axis(x, picture, i, sigma):
    """This takes the first axis for that of the batch, but here the pictures lie side by side along the last."""
    noise = (x - picture) / sigma[i].reshape(-1, 1, 1)
    return picture + sigma[i + 1].reshape(-1, 1, 1) * noise


def _sigma(answer, shape, i):
    x, picture = torch.randn(2, *shape, generator=seeded(31))  # (H, W, B) each
    rising = (0.1 + torch.rand(8, generator=seeded(32))).cumsum(dim=0)  # (K,)
    return answer(x, picture, i, torch.cat([torch.zeros(1), rising]).flip(0))


BY_SIGMA = Variation(
    id="03.V",
    title="DDIM's step, without shrinking",
    points=4,
    text=r"""Many programs follow Karras et al. (2022) and never shrink the picture: a noisy one is
$x_0 + \sigma\,\epsilon$, with a $\sigma$ that begins far above 1 and falls to 0. Their levels are counted in the order in
which they are visited, and here each picture of a batch may be at another level. Write DDIM's step for such a program.""",
    solution=ddim_by_sigma,
    example="torch.tensor([[[3.0, 3.0]]]), torch.tensor([[[1.0, 1.0]]]), torch.tensor([0, 2]), "
    "torch.tensor([8.0, 4.0, 2.0, 0.0])",
    why="DDIM puts guess and predicted noise together again in the proportions of the next level; only the proportions differ.",
    hints=(),
    trials=(
        Trial(
            lambda answer: _sigma(answer, (4, 4, 4), torch.tensor([2, 6, 1, 4])), "Four pictures do not come out right."
        ),
        Trial(
            lambda answer: _sigma(answer, (5, 3, 2), torch.tensor([7, 0])),
            "From the first level, or into the last, it is not right.",
        ),
    ),
    mistakes=(
        ddim_shrunk,
        ddim_unshrunk_too_late,
        ddim_towards_noise,
        ddim_from_the_clean_end,
        ddim_with_raw_difference,
        ddim_added_to_x,
        ddim_uphill,
        ddim_with_roots,
        ddim_along_the_first_axis,
    ),
    forbidden=(sampling.ddim_step, sampling.ddpm_step),
)

# --- 03.V DDPM's step, the list from noise to clean -------------------------------------------------------------------


def ddpm_by_noise_left(x, v, z, done, noise_left):
    """One step of DDPM for each picture: the next noisy pictures, (N, B).

    x, v: (N, B), each column a noisy picture of N pixels, and the v that the network predicts for it: sqrt(alpha_bar) times
        the noise minus sqrt(1 − alpha_bar) times the picture
    z: (N, B), the fresh noise of the step, of variance 1
    done: (B,), whole numbers from 0 to K − 1: how many of the K steps a picture has taken
    noise_left: (K,), falling: noise_left[k] is 1 − alpha_bar after k steps; after the K-th it is 0, which is not in the list
    """
    n_t, n_s = noise_left[done], torch.cat([noise_left, torch.zeros_like(noise_left[:1])])[done + 1]  # (B,) each
    picture = (1 - n_t).sqrt() * x - n_t.sqrt() * v
    kept = (1 - n_t) / (1 - n_s)  # (B,): of the variance of x_s, on the way forward from s to t
    mean = (1 - n_s).sqrt() * (1 - kept) / n_t * picture + kept.sqrt() * n_s / n_t * x
    return mean + ((1 - kept) * n_s / n_t).sqrt() * z


def ddpm_from_the_clean_end(x, v, z, done, noise_left):
    """This counts the levels from the clean end, as the course counts its times. Here the list begins with the most noise."""
    rising = torch.cat([torch.zeros_like(noise_left[:1]), noise_left.flip(0)])
    n_t, n_s = rising[done + 1], rising[done]
    picture = (1 - n_t).sqrt() * x - n_t.sqrt() * v
    kept = (1 - n_t) / (1 - n_s)
    mean = (1 - n_s).sqrt() * (1 - kept) / n_t * picture + kept.sqrt() * n_s / n_t * x
    return mean + ((1 - kept) * n_s / n_t).sqrt() * z


def ddpm_one_level_late(x, v, z, done, noise_left):
    """This is one level too far down the list: noise_left[done] belongs to x, and the step leads to the entry after it."""
    padded = torch.cat([noise_left, torch.zeros_like(noise_left[:1])])
    n_t, n_s = padded[done + 1], padded[done + 2]
    picture = (1 - n_t).sqrt() * x - n_t.sqrt() * v
    kept = (1 - n_t) / (1 - n_s)
    mean = (1 - n_s).sqrt() * (1 - kept) / n_t * picture + kept.sqrt() * n_s / n_t * x
    return mean + ((1 - kept) * n_s / n_t).sqrt() * z


def ddpm_that_stops_short(x, v, z, done, noise_left):
    """The last step does not arrive. After K steps no noise is left, although the list has no entry that says so."""
    n_t, n_s = noise_left[done], noise_left[(done + 1).clamp(max=len(noise_left) - 1)]
    picture = (1 - n_t).sqrt() * x - n_t.sqrt() * v
    kept = (1 - n_t) / (1 - n_s)
    mean = (1 - n_s).sqrt() * (1 - kept) / n_t * picture + kept.sqrt() * n_s / n_t * x
    return mean + ((1 - kept) * n_s / n_t).sqrt() * z


def ddpm_with_v_for_noise(x, v, z, done, noise_left):
    """This takes v for the noise. It is a mixture of noise and picture: the guess of the picture is signal · x − noise · v."""
    n_t, n_s = noise_left[done], torch.cat([noise_left, torch.zeros_like(noise_left[:1])])[done + 1]
    picture = (x - n_t.sqrt() * v) / (1 - n_t).sqrt()
    kept = (1 - n_t) / (1 - n_s)
    mean = (1 - n_s).sqrt() * (1 - kept) / n_t * picture + kept.sqrt() * n_s / n_t * x
    return mean + ((1 - kept) * n_s / n_t).sqrt() * z


def ddpm_with_v_added(x, v, z, done, noise_left):
    """The guess of the picture has a wrong sign: v is subtracted."""
    n_t, n_s = noise_left[done], torch.cat([noise_left, torch.zeros_like(noise_left[:1])])[done + 1]
    picture = (1 - n_t).sqrt() * x + n_t.sqrt() * v
    kept = (1 - n_t) / (1 - n_s)
    mean = (1 - n_s).sqrt() * (1 - kept) / n_t * picture + kept.sqrt() * n_s / n_t * x
    return mean + ((1 - kept) * n_s / n_t).sqrt() * z


def ddpm_that_is_ddim(x, v, z, done, noise_left):
    """This is DDIM's step, which takes the predicted noise once more. DDPM's has fresh noise in it: z."""
    n_t, n_s = noise_left[done], torch.cat([noise_left, torch.zeros_like(noise_left[:1])])[done + 1]
    picture = (1 - n_t).sqrt() * x - n_t.sqrt() * v
    noise = n_t.sqrt() * x + (1 - n_t).sqrt() * v
    return (1 - n_s).sqrt() * picture + n_s.sqrt() * noise


def ddpm_with_the_way_forward(x, v, z, done, noise_left):
    """z has the variance of the step forward. That of the step back is smaller, and in the last step it is 0."""
    n_t, n_s = noise_left[done], torch.cat([noise_left, torch.zeros_like(noise_left[:1])])[done + 1]
    picture = (1 - n_t).sqrt() * x - n_t.sqrt() * v
    kept = (1 - n_t) / (1 - n_s)
    mean = (1 - n_s).sqrt() * (1 - kept) / n_t * picture + kept.sqrt() * n_s / n_t * x
    return mean + (1 - kept).sqrt() * z


def ddpm_without_root(x, v, z, done, noise_left):
    """z is multiplied by its variance: take the square root, the standard deviation."""
    n_t, n_s = noise_left[done], torch.cat([noise_left, torch.zeros_like(noise_left[:1])])[done + 1]
    picture = (1 - n_t).sqrt() * x - n_t.sqrt() * v
    kept = (1 - n_t) / (1 - n_s)
    mean = (1 - n_s).sqrt() * (1 - kept) / n_t * picture + kept.sqrt() * n_s / n_t * x
    return mean + (1 - kept) * n_s / n_t * z


def ddpm_without_roots_in_the_mean(x, v, z, done, noise_left):
    """In the mean two square roots are missing: those of alpha_bar_s and of 1 − beta."""
    n_t, n_s = noise_left[done], torch.cat([noise_left, torch.zeros_like(noise_left[:1])])[done + 1]
    picture = (1 - n_t).sqrt() * x - n_t.sqrt() * v
    kept = (1 - n_t) / (1 - n_s)
    mean = (1 - n_s) * (1 - kept) / n_t * picture + kept * n_s / n_t * x
    return mean + ((1 - kept) * n_s / n_t).sqrt() * z


def ddpm_along_the_first_axis(x, v, z, done, noise_left):
    """This takes the first axis for that of the batch, but here each column is a picture."""
    padded = torch.cat([noise_left, torch.zeros_like(noise_left[:1])])[:, None]
    n_t, n_s = padded[done], padded[done + 1]
    picture = (1 - n_t).sqrt() * x - n_t.sqrt() * v
    kept = (1 - n_t) / (1 - n_s)
    mean = (1 - n_s).sqrt() * (1 - kept) / n_t * picture + kept.sqrt() * n_s / n_t * x
    return mean + ((1 - kept) * n_s / n_t).sqrt() * z


def _noise_left(answer, shape, done):
    x, v, z = torch.randn(3, *shape, generator=seeded(33))  # (N, B) each
    falls = 0.4 + torch.rand(8, generator=seeded(34))
    return answer(x, v, z, done, (4 - falls.cumsum(dim=0)).sigmoid())  # (K,), from nearly 1 down


BY_NOISE_LEFT = Variation(
    id="03.V",
    title="DDPM's step, from noise to clean",
    points=4,
    text=r"""Another program stores its schedule in the order in which a sampler uses it: entry $k$ is $1-\bar\alpha$, the
noise's share of the variance, after $k$ steps, nearly 1 at first and then falling. The clean picture at the end is not in
the list. Its network predicts $v$, as in notebook 02; each picture is a column of numbers, and those of a batch may be at
different steps. Write DDPM's step for it, with the variance of exercise 03.1; the noise $z$ is handed to you.""",
    solution=ddpm_by_noise_left,
    example="torch.tensor([[1.0, 1.0], [0.5, 2.0]]), torch.tensor([[0.5, 1.0], [-1.0, 0.0]]), torch.ones(2, 2), "
    "torch.tensor([0, 2]), torch.tensor([0.96, 0.64, 0.36])",
    why=r"The same posterior: with $n = 1-\bar\alpha$ the step forward keeps $(1-n_t)/(1-n_s)$, and $\beta$ is the rest.",
    hints=(),
    trials=(
        Trial(
            lambda answer: _noise_left(answer, (4, 4), torch.tensor([2, 5, 1, 4])),
            "Four pictures do not come out right.",
        ),
        Trial(
            lambda answer: _noise_left(answer, (5, 3), torch.tensor([7, 0, 3])),
            "In the first or the last step it is not right.",
        ),
    ),
    mistakes=(
        ddpm_from_the_clean_end,
        ddpm_one_level_late,
        ddpm_that_stops_short,
        ddpm_with_v_for_noise,
        ddpm_with_v_added,
        ddpm_that_is_ddim,
        ddpm_with_the_way_forward,
        ddpm_without_root,
        ddpm_without_roots_in_the_mean,
        ddpm_along_the_first_axis,
    ),
    forbidden=(sampling.ddim_step, sampling.ddpm_step),
)

# --- 03.E a timetable for five steps ----------------------------------------------------------------------------------

schedule = NoiseSchedule.cosine()  # under the name that it has in the notebook


def first_times(steps):
    return spread_times(schedule, steps)


def my_times(steps):
    return [1000, 875, 700, 400, 100, 0]  # found by moving one time after the other


def _five(times):
    try:
        return torch.as_tensor(times(5))
    except (TypeError, ValueError, RuntimeError) as error:
        raise WrongAnswerError("my_times(5) should return a list of six whole numbers.") from error


def _distance_after(times: Tensor) -> float:
    """The Fréchet distance of the notebook's thousand pictures, if they are drawn at these times."""
    if times.shape != (6,):
        raise WrongAnswerError(
            f"Five steps have six times, both ends counted. my_times(5) returned something of shape {tuple(times.shape)}."
        )
    if times.is_complex() or (times.double() != times.double().round()).any():
        raise WrongAnswerError("A time is a whole number, and some of yours are not: round them.")
    listed = [int(each) for each in times.double().clamp(-1e9, 1e9).tolist()]
    if (listed[0], listed[-1]) != (schedule.T, 0):
        raise WrongAnswerError(f"The times lead from {schedule.T} to 0, and yours from {listed[0]} to {listed[-1]}.")
    if any(t <= s for t, s in pairwise(listed)):
        raise WrongAnswerError(f"The times have to fall from step to step, and yours do not: {listed}.")
    return _distance_at(tuple(listed))


@functools.cache
def _distance_at(times: tuple[int, ...]) -> float:
    from course_lib import pretrained
    from course_lib.denoisers import Clipped
    from course_lib.recipes.shared.garments import distance_to_real
    from course_lib.support.device import best_device

    denoiser, device = Clipped(pretrained.fashion().denoiser, -1, 1), best_device()
    # The notebook's own starts: others shift every distance by more than there is to win.
    starts = torch.randn(1000, 1, 28, 28, generator=torch.Generator().manual_seed(0)).to(device)
    labels = torch.arange(1000, device=device) % 10  # (1000,)
    drawn = [
        sampling.last(sampling.sample(denoiser, x, times, sampling.ddim_step, cond=cond))
        for x, cond in zip(starts.split(100), labels.split(100), strict=True)
    ]
    return distance_to_real(torch.cat(drawn))


FIVE_STEPS = Experiment(
    id="03.E",
    title="A timetable for five steps",
    points=2,
    start=first_times,
    solution=my_times,
    why="Short steps at both ends and long ones in the middle: from 700 to 100 it takes two.",
    run=_five,
    measure=_distance_after,
    to_beat=30.05,  # what is printed as 30.0
    says="With your five steps the Fréchet distance is {:.1f}: it has to be 30.0 or less.",
    rules="With the times of your `my_times(5)`, six whole numbers that fall from 1000 to 0, the cell's thousand pictures are "
    "drawn once more, from the same starts. Their Fréchet distance, to one decimal, has to be 30.0 or less.",
)

# --- 03.Q the way back up ---------------------------------------------------------------------------------------------

ADDRESS = Question(
    id="03.Q",
    title="The address of a boot",
    text=r"""For DDIM the start $x_T$ is a picture's address. A classmate wants to know the address of a real boot: "I add
noise to it by the closed form, up to $t = 1000$. DDIM adds no noise of its own, so from this $x_T$ it leads back to the
boot."

1. Where does his walk lead, and why?
2. How could you find an address that does lead back, with no other tool than DDIM's step?
3. Does yours lead to the boot exactly?
4. Would your way work with DDPM's step?

A sentence or two for each.""",
    criteria=(
        (
            1,
            "Not to the boot: at T the closed form leaves next to nothing of it (a factor of 0.00005), so x_T is fresh noise, "
            "the address of some other picture.",
        ),
        (
            1,
            "DDIM's step is determined by x_t, and nothing in it asks for s < t: walk up from the boot, with rising times, and "
            "put guess and predicted noise together at the later time.",
        ),
        (
            1,
            "It leads back nearly, not exactly: on the way up the network is asked at the other end of each step. The shorter "
            "the steps, the closer it comes.",
        ),
        (1, "Not with DDPM: each of its steps adds fresh noise, so x_T does not decide what is drawn."),
    ),
    model=r"""The walk leads to some other garment. At t = 1000 the closed form leaves 0.00005 of the boot, so x_T is the fresh
noise and nothing else, and DDIM draws whatever picture has this noise as its address. But a DDIM step is determined by x_t,
and its formula holds for a later time as well: so start at the boot and walk up, at rising times, and put the guess and the
predicted noise together in the proportions of the *next* time, until you are at T. (Begin at t = 1, since at 0 there is no
noise to ask for.) Walking down from there retraces the way, though not exactly: each step relies on the prediction made where
it starts, and up and down start at opposite ends. With more steps it comes closer. (For ten test pictures, with their labels:
by the closed form and back it ends 0.56 away per pixel; up by DDIM and down again 0.05 in 50 steps, and 0.012 in 200.) With
DDPM nothing of the kind works, since its noise on the way decides as much as x_T does.""",
)
