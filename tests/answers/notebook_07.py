"""Answers to the exercises of notebook 07."""

import copy
import functools
import itertools
import math
import operator
from collections import OrderedDict
from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F

from answers import right, wrong
from course_lib import distillation
from course_lib.classroom.exercises import notebook_07
from course_lib.classroom.exercises.notebook_07 import one_step_target
from course_lib.denoisers import GaussianDenoiser, IdealDenoiser, NetDenoiser, Prediction, signal_and_noise
from course_lib.forward import add_noise
from course_lib.sampling import Step, ddim_step, last, sample, sample_many
from course_lib.schedules import NoiseSchedule

# --- 07.1 the target --------------------------------------------------------------------------------------------------


@right("07.1")
def target_by_cross_multiplying(schedule, x_t, t, x_s, s):
    a_t, n_t = schedule.signal_and_noise(t, x_t)
    a_s, n_s = schedule.signal_and_noise(s, x_s)
    x_0 = (n_t * x_s - n_s * x_t) / (n_t * a_s - n_s * a_t)
    return x_0.to(x_t.dtype)


@right("07.1")
def target_from_alpha_bar(schedule, x_t, t, x_s, s):
    def factors(time):
        alpha_bar = schedule.alpha_bar[time].reshape(-1, *[1] * (x_t.ndim - 1)).float()
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()

    (a_t, n_t), (a_s, n_s) = factors(t), factors(s)
    return (x_s - n_s / n_t * x_t) / (a_s - n_s / n_t * a_t)


@right("07.1")
def target_in_float64(schedule, x_t, t, x_s, s):
    start, end = x_t.double(), x_s.double()
    a_t, n_t = schedule.signal_and_noise(t, start)
    a_s, n_s = schedule.signal_and_noise(s, end)
    return ((end - start * n_s / n_t) / (a_s - a_t * n_s / n_t)).float()


@right("07.1")
def target_row_by_row(schedule, x_t, t, x_s, s):
    rows = []
    for row in range(len(x_t)):
        t_row = int(t[row]) if isinstance(t, torch.Tensor) else t
        s_row = int(s[row]) if isinstance(s, torch.Tensor) else s
        a_t, a_s = math.sqrt(schedule.alpha_bar[t_row]), math.sqrt(schedule.alpha_bar[s_row])
        n_t, n_s = math.sqrt(1 - schedule.alpha_bar[t_row]), math.sqrt(1 - schedule.alpha_bar[s_row])
        rows.append((x_s[row] - n_s / n_t * x_t[row]) / (a_s - n_s / n_t * a_t))
    return torch.stack(rows)


@right("07.1")
def target_in_numpy(schedule, x_t, t, x_s, s):
    alpha_bar, start, end = schedule.alpha_bar.numpy(), x_t.numpy(), x_s.numpy()
    shape = (-1, *[1] * (start.ndim - 1))
    at_t, at_s = (alpha_bar[np.asarray(time)].reshape(shape) for time in (t, s))
    ratio = np.sqrt((1 - at_s) / (1 - at_t))
    return torch.from_numpy(((end - ratio * start) / (np.sqrt(at_s) - ratio * np.sqrt(at_t))).astype(np.float32))


@right("07.1")
def target_by_a_linear_system(schedule, x_t, t, x_s, s):
    """Two equations for each row, in x_0 and eps."""
    times = torch.stack([torch.as_tensor(time).expand(len(x_t)) for time in (t, s)], dim=1)  # (B, 2)
    alpha_bar = schedule.alpha_bar[times]
    matrix = torch.stack([alpha_bar.sqrt(), (1 - alpha_bar).sqrt()], dim=2)  # (B, 2, 2)
    known = torch.stack([x_t.flatten(1), x_s.flatten(1)], dim=1).double()  # (B, 2, D)
    return torch.linalg.solve(matrix, known)[:, 0].reshape(x_t.shape).float()


@right("07.1")
def target_by_einsum(schedule, x_t, t, x_s, s):
    times = [torch.as_tensor(time).expand(len(x_t)) for time in (t, s)]
    (a_t, n_t), (a_s, n_s) = ((ab.sqrt(), (1 - ab).sqrt()) for ab in (schedule.alpha_bar[time] for time in times))
    weights = torch.stack([-n_s, n_t]) / (n_t * a_s - n_s * a_t)  # (2, B)
    return torch.einsum("kb,kb...->b...", weights.to(x_t), torch.stack([x_t, x_s]))


@right("07.1")
def target_with_a_case_for_the_end(schedule, x_t, t, x_s, s):
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    ratio = n_t / torch.where(n_s == 0, 1, n_s)
    before_the_end = (ratio * x_s - x_t) / (ratio * a_s - a_t)
    return torch.where(n_s == 0, x_s, before_the_end).to(x_t)


@right("07.1")
def target_by_angles(schedule, x_t, t, x_s, s):
    """Signal and noise are cosine and sine of an angle."""
    phi, psi = (torch.atan2(*reversed(schedule.signal_and_noise(time, x_t))) for time in (t, s))
    return (((torch.sin(phi)) * x_s - torch.sin(psi) * x_t) / torch.sin(phi - psi)).to(x_t)


@right("07.1")
def target_by_noise_to_signal(schedule, x_t, t, x_s, s):
    """Divided by the signal, the way is a straight line in noise / signal, and the picture is where that is 0."""
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    start, end, sigma_t, sigma_s = x_t / a_t, x_s / a_s, n_t / a_t, n_s / a_s
    return ((sigma_t * end - sigma_s * start) / (sigma_t - sigma_s)).to(x_t.dtype)


@right("07.1")
def target_by_lerp(schedule, x_t, t, x_s, s):
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    sigma_t, sigma_s = n_t / a_t, n_s / a_s
    return torch.lerp(x_t.double() / a_t, x_s.double() / a_s, sigma_t / (sigma_t - sigma_s)).to(x_t)


@right("07.1")
def target_by_asking_ddim(schedule, x_t, t, x_s, s):
    """A step is a straight line in the picture that is seen: where does it go for 0, and where for 1?"""
    a_t, n_t = signal_and_noise(schedule, t, x_t)

    def end(x_0):
        return ddim_step(schedule, Step(t, x_t, Prediction(x_0, (x_t - a_t * x_0) / n_t)), s)

    for_zero, for_one = end(torch.zeros_like(x_t)), end(torch.ones_like(x_t))
    return (x_s - for_zero) / (for_one - for_zero)


@right("07.1")
def target_by_one_step_of_newton(schedule, x_t, t, x_s, s):
    a_t, n_t = signal_and_noise(schedule, t, x_t)
    with torch.enable_grad():
        x_0 = torch.zeros_like(x_t, requires_grad=True)
        end = ddim_step(schedule, Step(t, x_t, Prediction.from_x_0(x_0, x_t, a_t, n_t)), s)
        (slope,) = torch.autograd.grad(end.sum(), x_0)
    return (x_s - end.detach()) / slope


@right("07.1")
def target_by_recursion(schedule, x_t, t, x_s, s):
    if not torch.is_tensor(t):
        a_t, n_t = (each.item() for each in schedule.signal_and_noise(t, x_t))
        a_s, n_s = (each.item() for each in schedule.signal_and_noise(s, x_t))
        return x_s.mul(n_t).sub(x_t, alpha=n_s).div(n_t * a_s - n_s * a_t)
    every = zip(x_t.split(1), t.tolist(), x_s.split(1), s.tolist(), strict=True)
    return torch.cat([target_by_recursion(schedule, *one) for one in every])


@right("07.1")
def target_with_a_walrus(schedule, x_t, t, x_s, s):
    (a_t, n_t), (a_s, n_s) = map(lambda time: schedule.signal_and_noise(time, x_t), (t, s))
    return ((x_s - (r := n_s / n_t) * x_t) / (a_s - r * a_t)).type_as(x_t)


@right("07.1")
def target_in_a_copy(schedule, x_t, t, x_s, s):
    a_t, n_t = (each.to(x_t) for each in schedule.signal_and_noise(t, x_t))
    a_s, n_s = (each.to(x_t) for each in schedule.signal_and_noise(s, x_t))
    out = x_t.clone()
    out *= -n_s / n_t
    out += x_s
    out /= a_s - n_s * a_t / n_t
    return out


right("07.1")(
    lambda schedule, x_t, t, x_s, s: (lambda at, nt, as_, ns: ((nt * x_s - ns * x_t) / (nt * as_ - ns * at)).to(x_t))(
        *schedule.signal_and_noise(t, x_t), *schedule.signal_and_noise(s, x_s)
    )
)


@wrong("07.1", "before that, x_s still holds noise")
def target_is_the_end(schedule, x_t, t, x_s, s):
    return x_s.clone()


@wrong("07.1", "Take away the noise that the step keeps")
def target_by_rescaling(schedule, x_t, t, x_s, s):
    alpha_bar = schedule.alpha_bar[s].reshape(-1, *[1] * (x_s.ndim - 1))
    return x_s / alpha_bar.sqrt().to(x_s.dtype)


@wrong("07.1", "by which it has to be divided")
def target_before_the_division(schedule, x_t, t, x_s, s):
    _, n_t = schedule.signal_and_noise(t, x_t)
    _, n_s = schedule.signal_and_noise(s, x_t)
    return x_s - (n_s / n_t).to(x_t) * x_t


@wrong("07.1", "eps holds x_0, too")
def target_by_the_ends_signal(schedule, x_t, t, x_s, s):
    """Takes eps to be x_t / noise_t, as if x_t were noise alone."""
    eps = x_t / schedule.signal_and_noise(t, x_t)[1]
    signal, noise = schedule.signal_and_noise(s, x_s)
    return ((x_s - noise * eps) / signal).to(x_s)


@wrong("07.1", "A sign is wrong")
def target_with_a_sign_lost(schedule, x_t, t, x_s, s):
    (a_t, n_t), (a_s, n_s) = (map(torch.Tensor.float, schedule.signal_and_noise(time, x_t)) for time in (t, s))
    return (n_t * x_s - n_s * x_t) / (n_t * a_s + n_s * a_t)


@wrong("07.1", "The ratio is upside down")
def target_by_the_other_ratio(schedule, x_t, t, x_s, s):
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    growth = (n_t / n_s).to(x_t)
    return (x_s - growth * x_t) / (a_s - growth * a_t).to(x_t)


@wrong("07.1", "Signal and noise have changed places")
def target_of_noise_and_signal(schedule, x_t, t, x_s, s):
    noise_t, signal_t = (each.to(x_t) for each in schedule.signal_and_noise(t, x_t))
    noise_s, signal_s = (each.to(x_t) for each in schedule.signal_and_noise(s, x_s))
    return (noise_t * x_s - noise_s * x_t) / (noise_t * signal_s - noise_s * signal_t)


@wrong("07.1", "x_t stands with the factors of s")
def target_of_mixed_ends(schedule, x_t, t, x_s, s):
    """The times are swapped, the places are not."""
    return target_by_cross_multiplying(schedule, x_t, s, x_s, t)


@wrong("07.1", "The factors are squared")
def target_of_alpha_bar(schedule, x_t, t, x_s, s):
    at_t, at_s = (schedule.alpha_bar[time].reshape(-1, *[1] * (x_t.ndim - 1)).to(x_t) for time in (t, s))
    return ((1 - at_t) * x_s - (1 - at_s) * x_t) / ((1 - at_t) * at_s - (1 - at_s) * at_t)


@wrong("07.1", "do not come out right", "is right")
def target_divided_by_one_minus(schedule, x_t, t, x_s, s):
    ratio = (schedule.signal_and_noise(s, x_s)[1] / schedule.signal_and_noise(t, x_t)[1]).to(x_t)
    return (x_s - ratio * x_t) / (1 - ratio)


@wrong("07.1", "do not come out right", "is right")
def target_without_brackets(schedule, x_t, t, x_s, s):
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    return (x_s - n_s / n_t * x_t / (a_s - n_s / n_t * a_t)).to(x_t)


@wrong("07.1", "do not come out right", "is right")
def target_clamped(schedule, x_t, t, x_s, s):
    return target_in_float64(schedule, x_t, t, x_s, s).clamp(-1, 1)


@wrong("07.1", "whatever x_t is")
def target_without_x_t(schedule, x_t, t, x_s, s):
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_s) for time in (t, s))
    return (x_s / (a_s - n_s / n_t * a_t)).to(x_s)


@wrong("07.1", "not for steps that end at s = 0", "something divided by 0")
def target_over_the_ends_noise(schedule, x_t, t, x_s, s):
    """eps from the second equation, put into the first."""
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    return ((n_t / n_s * x_s - x_t) / (n_t / n_s * a_s - a_t)).to(x_t)


@wrong("07.1", "t must be above 0")
def target_by_the_denoisers_factors(schedule, x_t, t, x_s, s):
    (a_t, n_t), (a_s, n_s) = (signal_and_noise(schedule, time, x_t) for time in (t, s))
    return (x_s - n_s / n_t * x_t) / (a_s - n_s / n_t * a_t)


@wrong("07.1", "not for steps that end at s = 0", "something divided by 0")
def target_from_the_end_to_the_start(schedule, x_t, t, x_s, s):
    """The two equations are alike, so that this goes wrong at s = 0 alone."""
    return target_with_a_walrus(schedule, x_s, s, x_t, t)


@wrong("07.1", "do not come out right", "is right")
def target_by_the_difference_of_signals(schedule, x_t, t, x_s, s):
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    return ((x_s - n_s / n_t * x_t) / (a_s - a_t)).to(x_t)


@wrong("07.1", "do not come out right", "is right")
def target_with_x_s_for_the_picture(schedule, x_t, t, x_s, s):
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    return ((x_s - n_s * (x_t - a_t * x_s) / n_t) / a_s).to(x_t)


@wrong("07.1", "not for pictures with linear betas")
def target_of_the_cosine(schedule, x_t, t, x_s, s):
    return target_in_float64(NoiseSchedule.cosine(), x_t, t, x_s, s)


@wrong("07.1", "The shape should be (2, 4, 3, 3), but it is (2, 36)")
def target_of_flat_rows(schedule, x_t, t, x_s, s):
    return target_in_float64(schedule, x_t.flatten(1), t, x_s.flatten(1), s)


@wrong("07.1", "The dtype should be torch.float32", "convert with .to")
def target_left_in_float64_for_rows(schedule, x_t, t, x_s, s):
    a_t, n_t = schedule.signal_and_noise(t, x_t)
    a_s, n_s = schedule.signal_and_noise(s, x_t)
    return (x_s - n_s / n_t * x_t) / (a_s - n_s / n_t * a_t)


@wrong("07.1", "Your function stopped with RuntimeError", "must match the size")
def target_with_times_unshaped(schedule, x_t, t, x_s, s):
    at_t, at_s = schedule.alpha_bar[t].float(), schedule.alpha_bar[s].float()
    r = ((1 - at_s) / (1 - at_t)).sqrt()
    return (x_s - r * x_t) / (at_s.sqrt() - r * at_t.sqrt())


@wrong("07.1", "Your function stopped with", "ambiguous")
def target_with_an_if_for_the_end(schedule, x_t, t, x_s, s):
    return x_s if s == 0 else target_in_float64(schedule, x_t, t, x_s, s)


@wrong("07.1", "Your function stopped with", "converted to Scalar")
def target_with_item(schedule, x_t, t, x_s, s):
    a_t, n_t = (each.item() for each in schedule.signal_and_noise(t, x_t))
    a_s, n_s = (each.item() for each in schedule.signal_and_noise(s, x_t))
    return (x_s - n_s / n_t * x_t) / (a_s - n_s / n_t * a_t)


@wrong("07.1", "of which every one has times of its own")
def target_of_the_first_rows_times(schedule, x_t, t, x_s, s):
    t, s = (int(torch.as_tensor(time).flatten()[0]) for time in (t, s))
    return target_in_float64(schedule, x_t, t, x_s, s)


@wrong("07.1", "of which every one has times of its own")
def target_of_the_end_if_any_row_ends(schedule, x_t, t, x_s, s):
    if torch.as_tensor(s == 0).any():
        return x_s
    return target_in_float64(schedule, x_t, t, x_s, s)


@wrong("07.1", "changes its argument x_s in place", "make a new tensor")
def target_in_place(schedule, x_t, t, x_s, s):
    a_t, n_t = (each.to(x_t) for each in schedule.signal_and_noise(t, x_t))
    a_s, n_s = (each.to(x_t) for each in schedule.signal_and_noise(s, x_t))
    x_s -= n_s / n_t * x_t
    return x_s / (a_s - n_s / n_t * a_t)


@wrong("07.1", "returns nothing")
def target_not_returned(schedule, x_t, t, x_s, s):
    target_in_float64(schedule, x_t, t, x_s, s)


@wrong("07.1", "should return a torch.Tensor, but got tuple")
def target_and_noise(schedule, x_t, t, x_s, s):
    x_0 = target_in_float64(schedule, x_t, t, x_s, s)
    a_t, n_t = schedule.signal_and_noise(t, x_t)
    return x_0, ((x_t - a_t * x_0) / n_t).to(x_t)


@wrong("07.1", "should return a torch.Tensor, but got ndarray")
def target_as_an_array(schedule, x_t, t, x_s, s):
    return target_in_numpy(schedule, x_t, t, x_s, s).numpy()


@wrong("07.1", "the course's own one_step_target")
def target_of_the_library(schedule, x_t, t, x_s, s):
    return distillation.one_step_target(schedule, x_t, t, x_s, s)


@wrong("07.1", "the course's own one_step_target")
def target_of_the_exercises(schedule, x_t, t, x_s, s):
    return notebook_07.one_step_target(schedule, x_t, t, x_s, s)


# --- 07.2 the loss ----------------------------------------------------------------------------------------------------


@right("07.2")
def loss_by_hand(student, teacher, x_t, t, middle, s):
    schedule = teacher.schedule
    with torch.no_grad():
        x_middle = ddim_step(schedule, Step(t, x_t, teacher(x_t, t)), middle)
        x_s = ddim_step(schedule, Step(middle, x_middle, teacher(x_middle, middle)), s)
        target = one_step_target(schedule, x_t, t, x_s, s)
    error = student(x_t, t).x_0 - target
    noise = schedule.signal_and_noise(t, x_t)[1].to(x_t)
    return torch.mean((error / noise) ** 2)


@right("07.2")
def loss_in_a_loop(student, teacher, x_t, t, middle, s):
    x_s = x_t
    for start, end in pairwise([t, middle, s]):
        with torch.no_grad():
            x_s = ddim_step(teacher.schedule, Step(start, x_s, teacher(x_s, start)), end)
    x_0 = one_step_target(teacher.schedule, x_t, t, x_s, s)
    weights = 1 / teacher.schedule.signal_and_noise(t, x_t)[1].float() ** 2
    return (weights * (student(x_t, t).x_0 - x_0) ** 2).mean()


@right("07.2")
def loss_by_sample_alone(student, teacher, x_t, t, middle, s):
    """``sample`` walks without a gradient by itself."""
    x_0 = one_step_target(teacher.schedule, x_t, t, last(sample(teacher, x_t, (t, middle, s))), s)
    return ((student(x_t, t).x_0 - x_0) / teacher.schedule.signal_and_noise(t, x_t)[1].to(x_t)).pow(2).mean()


@right("07.2")
def loss_by_the_last_of_a_list(student, teacher, x_t, t, middle, s):
    *_, end = sample(teacher, x_t, [t, middle, s])
    x_0 = one_step_target(teacher.schedule, x_t, t, end.x, s)
    _, noise = signal_and_noise(teacher.schedule, t, x_t)
    return F.mse_loss(student(x_t, t).x_0 / noise, x_0 / noise)


@right("07.2")
def loss_by_detach(student, teacher, x_t, t, middle, s):
    schedule = teacher.schedule
    x_middle = ddim_step(schedule, Step(t, x_t, teacher(x_t, t)), middle)
    x_s = ddim_step(schedule, Step(middle, x_middle, teacher(x_middle, middle)), s).detach()
    x_0, _ = student(x_t, t)
    return torch.square(
        (x_0 - one_step_target(schedule, x_t, t, x_s, s)) / signal_and_noise(schedule, t, x_t)[1]
    ).mean()


@wrong("07.2", "has no attribute 'requires_grad_'")
def loss_with_a_copied_teacher(student, teacher, x_t, t, middle, s):
    frozen = copy.deepcopy(teacher).requires_grad_(False)
    x_s = frozen_walk(frozen, x_t, [t, middle, s])
    x_0 = one_step_target(frozen.schedule, x_t, t, x_s, s)
    error = (student(x_t, t)[0] - x_0) / frozen.schedule.signal_and_noise(t, x_t)[1].to(x_t)
    return error.flatten() @ error.flatten() / error.numel()


def frozen_walk(teacher, x, times):
    """Recursive: one step, then the rest."""
    t, *rest = times
    if not rest:
        return x
    return frozen_walk(teacher, ddim_step(teacher.schedule, Step(t, x, teacher(x, t)), rest[0]), rest)


@right("07.2")
@torch.enable_grad()
def loss_in_inference_mode(student, teacher, x_t, t, middle, s):
    with torch.inference_mode():
        x_s = last(sample(teacher, x_t, [t, middle, s], rule=ddim_step))
        x_0 = one_step_target(teacher.schedule, x_t, t, x_s, s)
    _, noise = teacher.schedule.signal_and_noise(t, x_t)
    return ((student(x_t, t).x_0 - x_0) / noise.to(x_t)).square().mean()


@right("07.2")
def loss_of_v(student, teacher, x_t, t, middle, s):
    """The error of v = signal eps - noise x_0, of two predictions that go with the same x_t."""
    schedule = teacher.schedule
    x_0 = one_step_target(schedule, x_t, t, last(sample(teacher, x_t, [t, middle, s])), s)
    signal, noise = signal_and_noise(schedule, t, x_t)
    said = student(x_t, t)
    target = Prediction.from_x_0(x_0, x_t, signal, noise)
    return (signal * (said.eps - target.eps) - noise * (said.x_0 - target.x_0)).square().mean()


@right("07.2")
def loss_by_signal_to_noise(student, teacher, x_t, t, middle, s):
    """SNR + 1 is 1 / noise²."""
    x_0 = one_step_target(teacher.schedule, x_t, t, last(sample(teacher, x_t, [t, middle, s])), s)
    weights = (teacher.schedule.snr[t] + 1).reshape(-1, *[1] * (x_t.ndim - 1)).to(x_t)
    return (weights * (student(x_t, t).x_0 - x_0).square()).mean()


@right("07.2")
def loss_row_by_row(student, teacher, x_t, t, middle, s):
    losses = []
    for k in range(len(x_t)):
        x, times = x_t[k : k + 1], [int(each[k]) for each in (t, middle, s)]
        with torch.no_grad():
            x_0 = one_step_target(teacher.schedule, x, times[0], last(sample(teacher, x, times)), times[2])
        noise = (1 - teacher.schedule.alpha_bar[times[0]].item()) ** 0.5
        losses.append((((student(x, times[0]).x_0 - x_0) / noise) ** 2).mean())
    return torch.stack(losses).mean()


@right("07.2")
def loss_in_float64(student, teacher, x_t, t, middle, s):
    with torch.no_grad():
        x_s = last(sample(teacher, x_t, [t, middle, s])).double()
        x_0 = one_step_target(teacher.schedule, x_t.double(), t, x_s, s)
    _, noise = teacher.schedule.signal_and_noise(t, x_t)
    return (((student(x_t, t).x_0.double() - x_0) / noise) ** 2).mean().float()


@right("07.2")
def loss_with_a_target_of_its_own(student, teacher, x_t, t, middle, s):
    x_s = last(sample(teacher, x_t, [t, middle, s]))
    (a_t, n_t), (a_s, n_s) = ((f.to(x_t) for f in teacher.schedule.signal_and_noise(time, x_t)) for time in (t, s))
    # (x_0 - target) / n_t, both sides times the target's denominator
    missed = student(x_t, t).x_0 * (n_t * a_s - n_s * a_t) - (n_t * x_s - n_s * x_t)
    return (missed / (n_t * a_s - n_s * a_t) / n_t).square().sum() / x_t.numel()


@right("07.2")
def loss_of_ends(student, teacher, x_t, t, middle, s):
    """Where the student's one step ends, and where the teacher's two: their distance, in pictures."""
    schedule = teacher.schedule
    x_s = last(sample(teacher, x_t, [t, middle, s]))
    ours = ddim_step(schedule, Step(t, x_t, student(x_t, t)), s)
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    return ((ours - x_s) / (n_t * a_s - n_s * a_t).to(x_t)).square().mean()


@right("07.2")
def loss_by_einsum(student, teacher, x_t, t, middle, s):
    x_0 = one_step_target(teacher.schedule, x_t, t, last(sample(teacher, x_t, torch.stack([t, middle, s]).unbind())), s)
    missed = (student(x_t, t).x_0 - x_0).reshape(len(x_t), -1)
    return torch.einsum("bd,bd,b->", missed, missed, (1 / (1 - teacher.schedule.alpha_bar[t])).float()) / missed.numel()


@right("07.2")
def loss_by_sample_many(student, teacher, x_t, t, middle, s):
    schedule, x_s = teacher.schedule, sample_many(teacher, x_t, [t, middle, s])
    error = student(x_t, t).x_0.sub(one_step_target(schedule, x_t, t, x_s, s))
    return torch.linalg.vector_norm(error / schedule.signal_and_noise(t, x_t)[1].float()).square() / error.numel()


@right("07.2")
def loss_with_the_librarys_target(student, teacher, x_t, t, middle, s):
    end = functools.reduce(lambda _, step: step, sample(teacher, x_t, [t, middle, s]))
    x_0 = distillation.one_step_target(teacher.schedule, x_t, t, end.x, s)
    return F.mse_loss(student(x_t, t).x_0, x_0, reduction="none").div(noise_of(teacher, t, x_t) ** 2).mean()


def noise_of(denoiser, t, x_t):
    return denoiser.schedule.signal_and_noise(t, x_t)[1].to(x_t)


def the_target(teacher, x_t, t, middle, s):
    with torch.no_grad():
        return one_step_target(teacher.schedule, x_t, t, last(sample(teacher, x_t, [t, middle, s])), s)


@wrong("07.2", "Divide the error by noise_t before squaring")
def loss_of_pictures_alone(student, teacher, x_t, t, middle, s):
    return F.mse_loss(student(x_t, t).x_0, the_target(teacher, x_t, t, middle, s))


@wrong("07.2", "to the fourth power")
def loss_over_the_variance(student, teacher, x_t, t, middle, s):
    variance = (1 - teacher.schedule.at(t, x_t)).to(x_t)
    return ((student(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)) / variance).pow(2).mean()


@wrong("07.2", "divide first, then square")
def loss_squared_before_the_division(student, teacher, x_t, t, middle, s):
    missed = (student(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)).square()
    return (missed / noise_of(teacher, t, x_t)).mean()


@wrong("07.2", "it has to stop in the middle")
def loss_of_one_step_by_hand(student, teacher, x_t, t, middle, s):
    with torch.no_grad():
        x_s = ddim_step(teacher.schedule, Step(t, x_t, teacher(x_t, t)), s)
        x_0 = one_step_target(teacher.schedule, x_t, t, x_s, s)
    return F.mse_loss(student(x_t, t).x_0 / noise_of(teacher, t, x_t), x_0 / noise_of(teacher, t, x_t))


@wrong("07.2", "it has to stop in the middle")
def loss_of_what_the_teacher_sees(student, teacher, x_t, t, middle, s):
    with torch.no_grad():
        x_0 = teacher(x_t, t).x_0
    return ((student(x_t, t).x_0 - x_0) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "it has to stop in the middle")
def loss_of_the_same_answer_twice(student, teacher, x_t, t, middle, s):
    with torch.no_grad():
        pred = teacher(x_t, t)
        x_middle = ddim_step(teacher.schedule, Step(t, x_t, pred), middle)
        x_s = ddim_step(teacher.schedule, Step(middle, x_middle, pred), s)
        x_0 = one_step_target(teacher.schedule, x_t, t, x_s, s)
    return ((student(x_t, t).x_0 - x_0) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "it has to stop in the middle")
def loss_that_ends_in_the_middle(student, teacher, x_t, t, middle, s):
    x_middle = last(sample(teacher, x_t, [t, middle]))
    x_0 = one_step_target(teacher.schedule, x_t, t, x_middle, middle)
    return ((student(x_t, t).x_0 - x_0) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "turn it into a target first")
def loss_against_the_end(student, teacher, x_t, t, middle, s):
    *_, (_, x_s, _) = sample(teacher, x_t, [t, middle, s])
    return torch.mean((x_s - student(x_t, t).x_0) ** 2 / noise_of(teacher, t, x_t) ** 2)


@wrong("07.2", "what it is to learn comes from its teacher")
def loss_by_walking_oneself(student, teacher, x_t, t, middle, s):
    x_0 = the_target(student, x_t, t, middle, s)
    return ((student(x_t, t).x_0 - x_0) / noise_of(student, t, x_t)).square().mean()


@wrong("07.2", "the student's should be")
def loss_of_the_teacher(student, teacher, x_t, t, middle, s):
    return ((teacher(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "compare the pictures")
def loss_of_eps(student, teacher, x_t, t, middle, s):
    signal, noise = signal_and_noise(teacher.schedule, t, x_t)
    eps = (x_t - signal * the_target(teacher, x_t, t, middle, s)) / noise
    return F.mse_loss(student(x_t, t)[1], eps)


@wrong("07.2", "not their squares")
def loss_l1(student, teacher, x_t, t, middle, s):
    noise = noise_of(teacher, t, x_t)
    return F.l1_loss(student(x_t, t).x_0 / noise, the_target(teacher, x_t, t, middle, s) / noise)


@wrong("07.2", "take their mean")
def loss_as_a_sum(student, teacher, x_t, t, middle, s):
    noise = noise_of(teacher, t, x_t)
    return F.mse_loss(student(x_t, t).x_0 / noise, the_target(teacher, x_t, t, middle, s) / noise, reduction="sum")


@wrong("07.2", "does not come out right", "is right")
def loss_as_a_root(student, teacher, x_t, t, middle, s):
    noise = noise_of(teacher, t, x_t)
    return ((student(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)) / noise).square().mean().sqrt()


@wrong("07.2", "does not come out right", "is right")
def loss_over_the_signal(student, teacher, x_t, t, middle, s):
    signal, _ = signal_and_noise(teacher.schedule, t, x_t)
    return ((student(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)) / signal).square().mean()


@wrong("07.2", "does not come out right", "is right")
def loss_times_the_noise(student, teacher, x_t, t, middle, s):
    return ((student(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)) * noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "does not come out right", "is right")
def loss_from_the_middle(student, teacher, x_t, t, middle, s):
    x_0 = the_target(teacher, x_t, t, middle, s)
    return ((student(x_t, middle).x_0 - x_0) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "The ends of both ways are compared")
def loss_of_ends_alone(student, teacher, x_t, t, middle, s):
    x_s = last(sample(teacher, x_t, [t, middle, s]))
    return F.mse_loss(ddim_step(teacher.schedule, Step(t, x_t, student(x_t, t)), s), x_s)


@wrong("07.2", "does not come out right")
def loss_over_the_noise_of_s(student, teacher, x_t, t, middle, s):
    return ((student(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)) / noise_of(teacher, s, x_t)).square().mean()


@wrong("07.2", "does not come out right", "whatever s is")
def loss_of_what_the_teacher_sees_in_the_middle(student, teacher, x_t, t, middle, s):
    with torch.no_grad():
        x_0 = teacher(last(sample(teacher, x_t, [t, middle])), middle).x_0
    return ((student(x_t, t).x_0 - x_0) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "does not come out right", "is right")
def loss_of_a_step_from_the_middle(student, teacher, x_t, t, middle, s):
    *_, (_, x_middle, _), (_, x_s, _) = sample(teacher, x_t, [t, middle, s])
    x_0 = one_step_target(teacher.schedule, x_middle, middle, x_s, s)
    return ((student(x_t, t).x_0 - x_0) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "does not come out right", "is right")
def loss_of_the_first_rows_times(student, teacher, x_t, t, middle, s):
    return loss_in_a_loop(student, teacher, x_t, *(int(each[0]) for each in (t, middle, s)))


@wrong("07.2", "does not come out right", "something divided by 0")
def loss_of_a_target_backwards(student, teacher, x_t, t, middle, s):
    x_0 = one_step_target(teacher.schedule, last(sample(teacher, x_t, [t, middle, s])), s, x_t, t)
    return ((student(x_t, t).x_0 - x_0) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "Your function stopped with TypeError", "'generator' and 'Tensor'")
def loss_without_last(student, teacher, x_t, t, middle, s):
    x_0 = one_step_target(teacher.schedule, x_t, t, sample(teacher, x_t, [t, middle, s]), s)
    return ((student(x_t, t).x_0 - x_0) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "Your function stopped with ValueError", "t must be above 0")
def loss_of_a_student_at_the_end(student, teacher, x_t, t, middle, s):
    x_s, x_0 = last(sample(teacher, x_t, [t, middle, s])), the_target(teacher, x_t, t, middle, s)
    return ((student(x_s, s).x_0 - x_0) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "not for others")
def loss_of_the_cosine(student, teacher, x_t, t, middle, s):
    noise = (1 - NoiseSchedule.cosine().at(t, x_t)).sqrt().to(x_t)
    return ((student(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)) / noise).square().mean()


@wrong("07.2", "not for others")
def loss_over_four_rows_of_two(student, teacher, x_t, t, middle, s):
    error = (student(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)) / noise_of(teacher, t, x_t)
    return error.square().sum() / 8


@wrong("07.2", "Your function stopped with RuntimeError", "must match the size")
def loss_with_noise_unshaped(student, teacher, x_t, t, middle, s):
    noise = (1 - teacher.schedule.alpha_bar[t]).sqrt().float()
    return ((student(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)) / noise).square().mean()


@wrong("07.2", "The dtype should be torch.float32")
def loss_left_in_float64(student, teacher, x_t, t, middle, s):
    _, noise = teacher.schedule.signal_and_noise(t, x_t)
    return ((student(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)) / noise).square().mean()


@wrong("07.2", "Your function stopped with AttributeError", "'Prediction' object has no attribute")
def loss_of_a_prediction(student, teacher, x_t, t, middle, s):
    return (student(x_t, t).sub(the_target(teacher, x_t, t, middle, s)) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "gradient reaches the teacher")
def loss_with_a_teacher_that_learns(student, teacher, x_t, t, middle, s):
    x_s = frozen_walk(teacher, x_t, [t, middle, s])
    x_0 = one_step_target(teacher.schedule, x_t, t, x_s, s)
    return ((student(x_t, t).x_0 - x_0) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "is the student asked under torch.no_grad(), or its answer detached?")
@torch.no_grad()
def loss_all_without_a_gradient(student, teacher, x_t, t, middle, s):
    return ((student(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "its gradient on the student's weight does not")
def loss_of_a_detached_student(student, teacher, x_t, t, middle, s):
    guess = student(x_t, t).x_0.detach()
    return ((guess - the_target(teacher, x_t, t, middle, s)) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "its gradient on the student's weight does not")
def loss_of_a_copied_student(student, teacher, x_t, t, middle, s):
    return loss_by_hand(copy.deepcopy(student), teacher, x_t, t, middle, s)


@wrong("07.2", "should return a torch.Tensor, but got float")
def loss_as_a_number(student, teacher, x_t, t, middle, s):
    return loss_by_hand(student, teacher, x_t, t, middle, s).item()


@wrong("07.2", "The shape should be (), but it is (4,)")
def loss_of_each_row(student, teacher, x_t, t, middle, s):
    error = (student(x_t, t).x_0 - the_target(teacher, x_t, t, middle, s)) / noise_of(teacher, t, x_t)
    return error.square().flatten(1).mean(dim=1)


@wrong("07.2", "returns nothing")
def loss_not_returned(student, teacher, x_t, t, middle, s):
    loss = loss_by_hand(student, teacher, x_t, t, middle, s)
    f"{loss:.3f}"


@wrong("07.2", "changes its argument x_t in place")
def loss_in_place(student, teacher, x_t, t, middle, s):
    x_0 = the_target(teacher, x_t, t, middle, s)
    guess = student(x_t, t).x_0
    return (x_t.copy_(x_0).sub(guess) / noise_of(teacher, t, x_t)).square().mean()


@wrong("07.2", "has no attribute 'load_state_dict'")
def loss_with_a_teacher_overwritten(student, teacher, x_t, t, middle, s):
    loss = loss_by_hand(student, teacher, x_t, t, middle, s)
    teacher.load_state_dict(student.state_dict())
    return loss


@wrong("07.2", "the course's own halving_loss")
def loss_of_the_library(student, teacher, x_t, t, middle, s):
    return distillation.halving_loss(student, teacher, x_t, 4)


@wrong("07.2", "the course's own halving_loss")
def loss_of_the_exercises(student, teacher, x_t, t, middle, s):
    return notebook_07.halving_loss(student, teacher, x_t, t, middle, s)


# --- 07.3 halving to the end ------------------------------------------------------------------------------------------


@right("07.3")
def halved_by_recursion(teacher, steps, train_student):
    if steps == 1:
        return {}
    student = train_student(teacher, steps // 2)
    return {steps // 2: student} | halved_by_recursion(student, steps // 2, train_student)


@right("07.3")
def halved_by_powers(teacher, steps, train_student):
    students = {}
    for power in reversed(range(int(math.log2(steps)))):
        students[2**power] = teacher = train_student(teacher, 2**power)
    return students


@right("07.3")
def halved_from_the_dict(teacher, steps, train_student):
    students = {steps: teacher}
    while (fewer := steps // 2) >= 1:
        students[fewer] = train_student(students[steps], fewer)
        steps = fewer
    students.pop(max(students))
    return students


@right("07.3")
def halved_with_a_break(teacher, steps, train_student):
    students = dict()
    while True:
        if steps == 1:
            break
        steps //= 2
        student = train_student(teacher, steps)
        students.update({steps: student})
        teacher = student
    return students


@right("07.3")
def halved_by_accumulating(teacher, steps, train_student):
    counts = [steps >> k for k in range(1, steps.bit_length())]
    students = itertools.accumulate(counts, train_student, initial=teacher)
    return dict(zip(counts, itertools.islice(students, 1, None), strict=True))


@right("07.3")
def halved_by_comprehension(teacher, steps, train_student):
    return {n: (teacher := train_student(teacher, n)) for k in range(1, steps.bit_length()) if (n := steps // 2**k)}


@right("07.3")
def halved_by_generator(teacher, steps, train_student):
    def lessons(teacher, count):
        while count > 1:
            count >>= 1
            teacher = train_student(teacher, count)
            yield count, teacher

    return dict(lessons(teacher, steps))


@right("07.3")
def halved_by_reduce(teacher, steps, train_student):
    counts = [2**k for k in range(steps.bit_length() - 1)][::-1]

    def one_more(taught, count):
        return taught | {count: train_student(list(taught.values())[-1] if taught else teacher, count)}

    return functools.reduce(one_more, counts, {})


@right("07.3")
def halved_in_lists(teacher, steps, train_student):
    counts, students = [steps], [teacher]
    while counts[-1] != 1:
        counts.append(counts[-1] // 2)
        students.append(train_student(students[-1], counts[-1]))
    return dict(zip(counts[1:], students[1:], strict=True))


@right("07.3")
def halved_and_sorted(teacher, steps, train_student):
    students = {}
    step = steps
    while step > 1:
        step = int(step / 2)
        students[step] = train_student(students.get(2 * step, teacher), step)
    return dict(sorted(students.items()))


@right("07.3")
def halved_with_divmod(teacher, steps, train_student):
    students, count = {}, steps
    count, odd = divmod(count, 2)
    while count:
        assert not odd
        students.setdefault(count, train_student(teacher, count))
        teacher = students[count]
        count, odd = divmod(count, 2)
    return students


@right("07.3")
def halved_in_numpy(teacher, steps, train_student):
    counts = (steps / 2 ** np.arange(1, np.log2(steps) + 1)).astype(int).tolist()
    students = {}
    for count in counts:
        teacher = train_student(teacher, count)
        students[count] = teacher
    return students


class Halving:
    """A callable object."""

    def __call__(self, teacher, steps, train_student):
        self.students = {}
        self.teach(teacher, steps, train_student)
        return self.students

    def teach(self, teacher, steps, train_student):
        if steps > 1:
            self.students[steps // 2] = student = train_student(teacher, steps // 2)
            self.teach(student, steps // 2, train_student)


right("07.3")(Halving())


@wrong("07.3", "a trained student teaches the next")
def halved_by_the_first_teacher(teacher, steps, train_student):
    return {steps >> k: train_student(teacher, steps >> k) for k in range(1, steps.bit_length())}


@wrong("07.3", "a trained student teaches the next")
def halved_with_a_student_forgotten(teacher, steps, train_student):
    students = {}
    while (steps := steps // 2) > 0:
        student = train_student(teacher, steps)
        students[steps] = student
    return students


@wrong("07.3", "halve first, then train")
def halved_after_the_lesson(teacher, steps, train_student):
    students = {}
    while steps != 1:
        students[steps] = teacher = train_student(teacher, steps)
        steps //= 2
    return students


@wrong("07.3", "there is one more student")
def halved_down_to_two(teacher, steps, train_student):
    if steps <= 2:
        return {}
    student = train_student(teacher, steps // 2)
    return {steps // 2: student, **halved_down_to_two(student, steps // 2, train_student)}


@wrong("07.3", "go on until a student takes a single step")
def halved_once_by_an_early_return(teacher, steps, train_student):
    students = {}
    while steps > 1:
        steps //= 2
        teacher = train_student(teacher, steps)
        students[steps] = teacher
        return students


@wrong("07.3", "it should take half as many")
def halved_by_a_countdown(teacher, steps, train_student):
    students = {}
    for count in range(steps - 1, 0, -1):
        students[count] = teacher = train_student(teacher, count)
    return students


@wrong("07.3", "filed under their teachers' numbers of steps")
def halved_under_the_teachers_steps(teacher, steps, train_student):
    students = {}
    while steps > 1:
        students[steps] = teacher = train_student(teacher, steps // 2)
        steps //= 2
    return students


@wrong("07.3", "all of them are asked for")
def halved_to_a_single_one(teacher, steps, train_student):
    while steps > 1:
        students = {}
        steps //= 2
        teacher = students[steps] = train_student(teacher, steps)
    return students


@wrong("07.3", "The first teacher is among the students")
def halved_from_the_teacher_on(teacher, steps, train_student):
    students = {steps: teacher}
    while steps > 1:
        students[steps // 2] = train_student(students[steps], steps // 2)
        steps //= 2
    return students


@wrong("07.3", "It goes on to zero steps")
def halved_to_nothing(teacher, steps, train_student):
    students = {}
    while steps > 0:
        steps //= 2
        students[steps] = teacher = train_student(teacher, steps)
    return students


@wrong("07.3", "Begin at the top")
def halved_from_below(teacher, steps, train_student):
    students, count = {}, 1
    while count < steps:
        students[count] = teacher = train_student(teacher, count)
        count *= 2
    return students


@wrong("07.3", "other students come than those of 8, 4, 2 and 1")
def halved_by_quarters(teacher, steps, train_student):
    students = {}
    while steps > 1:
        steps //= 4
        students[steps] = teacher = train_student(teacher, steps)
    return students


@wrong("07.3", "other students come than those of 8, 4, 2 and 1")
def halved_and_numbered(teacher, steps, train_student):
    return dict(enumerate(halved_by_recursion(teacher, steps, train_student).values()))


@wrong("07.3", "told how many steps the teacher takes")
def halved_but_told_the_teachers_steps(teacher, steps, train_student):
    students = {}
    while steps > 1:
        teacher = train_student(teacher, steps)
        steps //= 2
        students[steps] = teacher
    return students


@wrong("07.3", "not for one of 2, 4 or 64")
def halved_four_times(teacher, steps, train_student):
    students = {}
    for count in (8, 4, 2, 1):
        students[count] = teacher = train_student(teacher, count)
    return students


@wrong("07.3", "Your function stopped with UnboundLocalError")
def halved_unless_there_are_two(teacher, steps, train_student):
    while steps > 2:
        steps //= 2
        students = halved_by_recursion(teacher, 2 * steps, train_student)
        break
    return students


@wrong("07.3", "should return a dict, but got list")
def halved_into_a_list(teacher, steps, train_student):
    return list(halved_by_recursion(teacher, steps, train_student).values())


@wrong("07.3", "should return a dict, but got tuple")
def halved_to_the_last_student(teacher, steps, train_student):
    while steps > 1:
        steps //= 2
        teacher = train_student(teacher, steps)
    return teacher


@wrong("07.3", "should return a dict, but got OrderedDict")
def halved_in_order(teacher, steps, train_student):
    return OrderedDict(halved_by_recursion(teacher, steps, train_student))


@wrong("07.3", "should return a dict, but got generator")
def halved_lazily(teacher, steps, train_student):
    while steps > 1:
        steps //= 2
        teacher = train_student(teacher, steps)
        yield steps, teacher


@wrong("07.3", "returns nothing")
def halved_without_a_return(teacher, steps, train_student):
    students = {}
    while steps > 1:
        steps //= 2
        teacher = students[steps] = train_student(teacher, steps)


@wrong("07.3", "Your function stopped with TypeError")
def halved_with_arguments_swapped(teacher, steps, train_student):
    students = {}
    while steps > 1:
        steps //= 2
        teacher = students[steps] = train_student(steps, teacher)
    return students


@wrong("07.3", "the course's own distil")
def halved_by_the_exercises(teacher, steps, train_student):
    return notebook_07.distil(teacher, steps, train_student)


# --- 07.4 bug hunt: a teacher that is asked once ----------------------------------------------------------------------


def gaussian(mean=2.0, std=0.5):
    return GaussianDenoiser(mean, std, NoiseSchedule.cosine())


class Counting:
    """A teacher that keeps the times and places that it is asked about."""

    def __init__(self, teacher):
        self.teacher, self.schedule, self.times, self.places = teacher, teacher.schedule, [], []

    def __call__(self, x_t, t, cond=None):
        self.times.append(t)
        self.places.append(x_t.clone())
        return self.teacher(x_t, t)


@right("07.4")
def hunt_by_counting(two_steps):
    teacher = Counting(gaussian())
    two_steps(teacher, torch.randn(3, 2), 900, 600, 300)
    assert len(teacher.times) == 2, "the teacher should be asked at the start and in the middle"


@right("07.4")
def hunt_by_the_times_asked(two_steps):
    teacher = Counting(gaussian(0.0, 1.0))
    two_steps(teacher, torch.zeros(1, 1), 1000, 500, 250)
    assert teacher.times == [1000, 500]


@right("07.4")
def hunt_by_the_places_asked(two_steps):
    teacher, x = Counting(gaussian()), torch.randn(4, 1)
    two_steps(teacher, x, 1000, 500, 0)
    assert not torch.equal(teacher.places[-1], x), f"asked {len(teacher.places)} times"


@right("07.4")
def hunt_by_two_steps_by_hand(two_steps):
    teacher, x_t = gaussian(), torch.randn(8, 1)
    x_middle = ddim_step(teacher.schedule, Step(800, x_t, teacher(x_t, 800)), 400)
    x_s = ddim_step(teacher.schedule, Step(400, x_middle, teacher(x_middle, 400)), 0)
    torch.testing.assert_close(two_steps(teacher, x_t, 800, 400, 0), x_s)


@right("07.4")
def hunt_by_two_walks(two_steps):
    teacher, x = gaussian(-1.0, 0.3), torch.randn(5, 2)
    halfway = last(sample(teacher, x, [1000, 400]))
    end = last(sample(teacher, halfway, [400, 100]))
    assert (two_steps(teacher, x, 1000, 400, 100) - end).abs().max() < 1e-4


@right("07.4")
def hunt_by_the_long_step(two_steps):
    """Two steps must not end where one long step ends."""
    teacher, x_t = gaussian(), torch.randn(16, 1)
    one = last(sample(teacher, x_t, [1000, 0]))
    assert not torch.allclose(two_steps(teacher, x_t, 1000, 500, 0), one, atol=1e-3)


@right("07.4")
def hunt_by_the_middle(two_steps):
    """Another middle is another end."""
    teacher, x_t = gaussian(), torch.randn(16, 1)
    ends = [two_steps(teacher, x_t, 1000, middle, 0) for middle in (800, 200)]
    assert (ends[0] - ends[1]).abs().max() > 1e-2


@right("07.4")
def hunt_by_spread(two_steps):
    """A single long step from noise leads to the mean; two keep some of the spread."""
    x = torch.randn(2000, 1, generator=torch.Generator().manual_seed(1))
    assert two_steps(gaussian(), x, 1000, 500, 0).std() > 0.1


@right("07.4")
def hunt_by_own_teacher(two_steps):
    """A teacher that sees the time itself: in the end, the middle's."""

    class Clock:
        schedule = NoiseSchedule.linear()

        def __call__(self, x_t, t, cond=None):
            return Prediction(torch.full_like(x_t, t / 1000), torch.zeros_like(x_t))

    assert torch.allclose(two_steps(Clock(), torch.randn(2, 3), 1000, 500, 0), torch.tensor(0.5))


@right("07.4")
def hunt_by_two_points(two_steps):
    teacher = IdealDenoiser(torch.tensor([[-1.0], [1.0]]), NoiseSchedule.cosine())
    x = torch.linspace(-2, 2, 20)[:, None]
    got = two_steps(teacher, x, 1000, 500, 0).numpy()
    np.testing.assert_allclose(got, last(sample(teacher, x, [1000, 500, 0])).numpy(), atol=1e-4)


@right("07.4")
def hunt_with_a_network(two_steps):
    class Net(torch.nn.Module):
        def forward(self, x_t, t, cond=None):
            return x_t.sin() * t[:, None] / 500

    teacher, x = NetDenoiser(Net(), NoiseSchedule.linear(), "v"), torch.randn(6, 3)
    for times in ((1000, 500, 0), (600, 300, 10)):
        expected = list(sample(teacher, x, times))[-1].x
        assert torch.allclose(two_steps(teacher, x, *times), expected, rtol=1e-3, atol=1e-3), times


@right("07.4")
def hunt_with_times_for_rows(two_steps):
    t, middle, s = torch.tensor([[1000, 750, 500], [500, 250, 0]]).T
    x = torch.ones(2, 1, 2, 2)
    assert torch.equal(two_steps(gaussian(), x, t, middle, s), last(sample(gaussian(), x, [t, middle, s])))


@right("07.4")
def hunt_by_keywords(two_steps):
    x = torch.randn(4, 1, dtype=torch.float64)
    got = two_steps(teacher=gaussian(), x_t=x, t=1000, middle=500, s=0)
    if (got - last(sample(gaussian(), x, [1000, 500, 0]))).norm() > 1e-6:
        raise AssertionError("the second step starts from what was seen at t")


@right("07.4")
def hunt_upwards(two_steps):
    x = torch.full((1, 1), 3.0)
    assert two_steps(gaussian(), x, 100, 500, 900).item() == last(sample(gaussian(), x, [100, 500, 900])).item()


@right("07.4")
def hunt_by_the_target(two_steps):
    """The student would learn what its teacher says already."""
    teacher, x_t = gaussian(), torch.randn(4, 1)
    target = one_step_target(teacher.schedule, x_t, 500, two_steps(teacher, x_t, 500, 250, 0), 0)
    assert (target - teacher(x_t, 500).x_0).abs().max() > 0.005, "nothing to learn"


right("07.4")(
    lambda two_steps: np.testing.assert_array_almost_equal(
        two_steps(gaussian(), torch.ones(1, 1), 1000, 500, 0),
        last(sample(gaussian(), torch.ones(1, 1), [1000, 500, 0])),
    )
)


@wrong("07.4", "lets the broken version pass")
def hunt_for_shapes_of_ends(two_steps):
    out = two_steps(gaussian(), torch.randn(4, 2), 1000, 500, 0)
    assert out.shape == (4, 2)
    assert out.isfinite().all()


@wrong("07.4", "lets the broken version pass", "On which input does the bug show")
def hunt_with_a_single_point(two_steps):
    """This teacher says the same everywhere, so that asking it once does no harm."""
    teacher = IdealDenoiser(torch.tensor([[1.0, 2.0]]), NoiseSchedule.cosine())
    x = torch.randn(5, 2)
    expected = last(sample(teacher, x, [1000, 500, 0]))
    assert torch.allclose(two_steps(teacher, x, 1000, 500, 0), expected, atol=1e-4)


@wrong("07.4", "lets the broken version pass")
def hunt_with_a_constant_teacher(two_steps):
    class Constant:
        schedule = NoiseSchedule.linear()

        def __call__(self, x_t, t, cond=None):
            return Prediction(torch.zeros_like(x_t), torch.ones_like(x_t))

    x = torch.randn(3, 1)
    assert torch.equal(two_steps(Constant(), x, 800, 400, 0), last(sample(Constant(), x, [800, 400, 0])))


@wrong("07.4", "lets the broken version pass", "by how much")
def hunt_with_much_room(two_steps):
    x = torch.randn(8, 1)
    assert torch.allclose(two_steps(gaussian(), x, 1000, 500, 0), last(sample(gaussian(), x, [1000, 500, 0])), atol=3)


@wrong("07.4", "lets the broken version pass")
def hunt_without_spread(two_steps):
    x = torch.randn(8, 1)
    expected = last(sample(gaussian(std=0.0), x, [1000, 500, 0]))
    assert torch.allclose(two_steps(gaussian(std=0.0), x, 1000, 500, 0), expected, atol=1e-4)


@wrong("07.4", "lets the broken version pass")
def hunt_with_near_times(two_steps):
    x = torch.randn(8, 1)
    expected = last(sample(gaussian(), x, [502, 501, 500]))
    assert torch.allclose(two_steps(gaussian(), x, 502, 501, 500), expected, atol=1e-3)


@wrong("07.4", "lets the broken version pass")
def hunt_for_another_place(two_steps):
    x = torch.randn(8, 1)
    assert not torch.equal(two_steps(gaussian(), x, 1000, 500, 0), x)


@wrong("07.4", "lets the broken version pass")
def hunt_for_the_same_again(two_steps):
    x = torch.randn(8, 1)
    a, b = (two_steps(gaussian(), x, 1000, 500, 0) for _ in range(2))
    assert torch.equal(a, b)


@wrong("07.4", "it returns what it found")
def hunt_that_returns(two_steps):
    x = torch.randn(8, 1)
    return torch.allclose(two_steps(gaussian(), x, 1000, 500, 0), last(sample(gaussian(), x, [1000, 500, 0])))


@wrong("07.4", "lets the broken version pass")
def hunt_that_swallows_it(two_steps):
    try:
        hunt_by_counting(two_steps)
    except AssertionError:
        "found it"


@wrong("07.4", "lets the broken version pass")
def hunt_by_the_seed_of_the_day(two_steps):
    """Looks only now and then."""
    x = torch.randn(8, 1)
    out = two_steps(gaussian(), x, 1000, 500, 0)
    if torch.rand(()) < 0.4:
        assert torch.allclose(out, last(sample(gaussian(), x, [1000, 500, 0])), atol=1e-4)


@wrong("07.4", "refuses a correct version too")
def hunt_by_one_long_step(two_steps):
    x = torch.randn(8, 1)
    expected = last(sample(gaussian(), x, [1000, 0]))
    assert torch.allclose(two_steps(gaussian(), x, 1000, 500, 0), expected, atol=1e-4), "one step is as good"


@wrong("07.4", "refuses a correct version too")
def hunt_by_fifty_steps(two_steps):
    teacher, x = gaussian(), torch.randn(8, 1)
    expected = last(sample(teacher, x, teacher.schedule.times(50)))
    assert torch.allclose(two_steps(teacher, x, 1000, 500, 0), expected, atol=1e-4)


@wrong("07.4", "refuses a correct version too")
def hunt_by_one_question(two_steps):
    teacher = Counting(gaussian())
    two_steps(teacher, torch.randn(3, 2), 900, 600, 300)
    assert len(teacher.times) == 1


@wrong("07.4", "refuses a correct version too")
def hunt_by_three_questions(two_steps):
    teacher = Counting(gaussian())
    two_steps(teacher, torch.randn(3, 2), 900, 600, 300)
    assert len(teacher.times) == 3, f"asked at {teacher.times}"


@wrong("07.4", "refuses a correct version too")
def hunt_with_other_noise(two_steps):
    got = two_steps(gaussian(), torch.randn(8, 1), 1000, 500, 0)
    assert torch.allclose(got, last(sample(gaussian(), torch.randn(8, 1), [1000, 500, 0])), atol=1e-4)


@wrong("07.4", "refuses a correct version too")
def hunt_for_the_picture(two_steps):
    """Two steps would have to draw what was noised."""
    x_0 = 2 + torch.randn(20, 1)
    x_t = add_noise(NoiseSchedule.cosine(), x_0, 500, torch.randn(20, 1))
    assert torch.allclose(two_steps(gaussian(), x_t, 500, 250, 0), x_0, atol=1e-2)


@wrong("07.4", "never calls two_steps")
def hunt_without_the_version(two_steps):
    teacher, x = gaussian(), torch.randn(8, 1)
    x_middle = last(sample(teacher, x, [1000, 500]))
    assert torch.allclose(last(sample(teacher, x_middle, [500, 0])), last(sample(teacher, x, [1000, 500, 0])))


@wrong("07.4", "Your test stops with TypeError", "missing 1 required positional argument: 's'")
def hunt_without_the_end(two_steps):
    x = torch.randn(8, 1)
    assert torch.allclose(two_steps(gaussian(), x, 1000, 500), last(sample(gaussian(), x, [1000, 500])))


@wrong("07.4", "Your test stops with", "although the version that it is handed is correct")
def hunt_with_swapped_teacher(two_steps):
    x = torch.randn(8, 1)
    assert two_steps(x, gaussian(), 1000, 500, 0).shape == x.shape


@wrong("07.4", "Your test stops with ValueError", "there is no further step")
def hunt_with_no_way_left(two_steps):
    x = torch.randn(8, 1)
    assert not torch.equal(two_steps(gaussian(), x, 500, 0, 0), x)


@wrong("07.4", "Your test stops with TypeError", "denoiser must be a denoiser")
def hunt_with_a_function_for_a_teacher(two_steps):
    asked = []

    def teacher(x_t, t, cond=None):
        asked.append(t)
        return gaussian()(x_t, t)

    two_steps(teacher, torch.randn(8, 1), 1000, 500, 0)
    assert asked == [1000, 500]


@wrong("07.4", "Your test stops with RuntimeError", "ambiguous")
def hunt_for_eight_truths(two_steps):
    x = torch.randn(8, 1)
    assert two_steps(gaussian(), x, 1000, 500, 0) == last(sample(gaussian(), x, [1000, 500, 0]))


@wrong("07.4", "does not reach an assertion", "IndexError")
def hunt_for_the_second_question(two_steps):
    teacher = Counting(gaussian())
    two_steps(teacher, torch.randn(2, 1), 1000, 500, 0)
    assert teacher.times[1] == 500


@wrong("07.4", "does not reach an assertion", "ValueError")
def hunt_that_raises_another_error(two_steps):
    teacher = Counting(gaussian())
    two_steps(teacher, torch.randn(2, 1), 1000, 500, 0)
    if len(teacher.times) < 2:
        raise ValueError("asked once")


@wrong("07.4", "the course's own find_the_bug")
def hunt_by_the_exercises(two_steps):
    notebook_07.find_the_bug(two_steps)


# --- 07.5 what a picture costs ----------------------------------------------------------------------------------------


@right("07.5")
def quicker_by_pairs(stages):
    return [(n * c + r) / (m * d + q) for (n, c, r), (m, d, q) in pairwise(stages)]


@right("07.5")
def quicker_in_a_loop(stages):
    out = []
    for k in range(1, len(stages)):
        calls, call, rest = stages[k - 1]
        before = calls * call + rest
        calls, call, rest = stages[k]
        out.append(before / (calls * call + rest))
    return out


@right("07.5")
def quicker_in_numpy(stages):
    calls, call, rest = np.array(stages, dtype=float).T
    cost = calls * call + rest
    return (cost[:-1] / cost[1:]).tolist()


@right("07.5")
def quicker_in_torch(stages):
    cost = torch.tensor([math.fsum([n * c, r]) for n, c, r in stages], dtype=torch.float64)
    return cost[:-1].div(cost[1:]).tolist()


@right("07.5")
def quicker_by_einsum(stages):
    table = torch.tensor(stages, dtype=torch.float64)
    cost = torch.einsum("k,k->k", table[:, 0], table[:, 1]) + table[:, 2]
    return [float(cost[k] / cost[k + 1]) for k in range(len(cost) - 1)]


@right("07.5")
def quicker_by_recursion(stages):
    if len(stages) < 2:
        return []
    (n, c, r), (m, d, q), *_ = stages
    return [(n * c + r) / (m * d + q), *quicker_by_recursion(stages[1:])]


@right("07.5")
def quicker_by_zip(stages):
    costs = [stage[0] * stage[1] + stage[2] for stage in stages]
    return [before / after for before, after in zip(costs, itertools.islice(costs, 1, None), strict=False)]


@right("07.5")
def quicker_by_map(stages):
    costs = list(itertools.starmap(lambda calls, call, rest: calls * call + rest, stages))
    return list(map(operator.truediv, costs[:-1], costs[1:]))


@right("07.5")
def quicker_with_the_last_kept(stages):
    result, previous = [], None
    for calls, call, rest in stages:
        cost = rest + sum(call for _ in range(calls))
        if previous is not None:
            result += [previous / cost]
        previous = cost
    return result


@right("07.5")
def quicker_with_a_walrus(stages):
    (calls, call, rest), *others = stages
    cost = calls * call + rest
    return [cost / (cost := calls * call + rest) for calls, call, rest in others]


@right("07.5")
def quicker_by_generator(stages):
    def each():
        costs = iter([calls * call + rest for calls, call, rest in stages])
        before = next(costs)
        for after in costs:
            yield before / after
            before = after

    return list(each())


@right("07.5")
def quicker_by_logarithms(stages):
    logs = np.log([calls * call + rest for calls, call, rest in stages])
    return np.exp(-np.diff(logs)).tolist()


@right("07.5")
def quicker_by_speeds(stages):
    """How many pictures in one unit of time, after and before."""
    speed = [1 / (calls * call + rest) for calls, call, rest in stages]
    return [speed[k] / speed[k - 1] for k in range(1, len(speed))]


@right("07.5")
def quicker_by_fractions(stages):
    costs = [Fraction(calls) * Fraction(call) + Fraction(rest) for calls, call, rest in stages]
    return [float(before / after) for before, after in pairwise(costs)]


right("07.5")(lambda stages: [*map(lambda a, b: (a[0] * a[1] + a[2]) / (b[0] * b[1] + b[2]), stages[:-1], stages[1:])])


@wrong("07.5", "compare it with the one before")
def quicker_than_the_first(stages):
    first, *others = [calls * call + rest for calls, call, rest in stages]
    return [first / other for other in others]


@wrong("07.5", "a call does not cost the same everywhere")
def quicker_by_calls(stages):
    calls = np.array([stage[0] for stage in stages], dtype=float)
    return (calls[:-1] / calls[1:]).tolist()


@wrong("07.5", "The rest is left out")
def quicker_without_the_rest(stages):
    return [(a[0] * a[1]) / (b[0] * b[1]) for a, b in pairwise(stages)]


@wrong("07.5", "it comes once for each picture")
def quicker_with_brackets(stages):
    def cost(stage):
        calls, call, rest = stage
        return calls * (call + rest)

    return [cost(before) / cost(after) for before, after in pairwise(stages)]


@wrong("07.5", "The ratios are upside down")
def quicker_after_over_before(stages):
    calls, call, rest = np.array(stages, dtype=float).T
    cost = calls * call + rest
    return (cost[1:] / cost[:-1]).tolist()


@wrong("07.5", "how many times quicker is a ratio")
def quicker_by_how_much(stages):
    costs = [calls * call + rest for calls, call, rest in stages]
    return (-np.diff(costs)).tolist()


@wrong("07.5", "one fewer than stages")
def quicker_altogether_too(stages):
    costs = [calls * call + rest for calls, call, rest in stages]
    return [before / after for before, after in pairwise(costs)] + [costs[0] / costs[-1]]


@wrong("07.5", "one fewer than stages")
def quicker_from_one(stages):
    return [1.0, *quicker_by_pairs(stages)]


@wrong("07.5", "one fewer than stages")
def quicker_but_the_last(stages):
    costs = [calls * call + rest for calls, call, rest in stages]
    return [costs[k] / costs[k + 1] for k in range(len(costs) - 2)]


@wrong("07.5", "one fewer than stages")
def costs_alone(stages):
    return [calls * call + rest for calls, call, rest in stages]


@wrong("07.5", "do not come out right", "is right")
def quicker_by_whole_numbers(stages):
    return [float(before) for before in map(int, quicker_by_pairs(stages))]


@wrong("07.5", "do not come out right", "is right")
def quicker_by_rounded_numbers(stages):
    return [round(each, 1) for each in quicker_by_pairs(stages)]


@wrong("07.5", "do not come out right", "is right")
def quicker_in_per_cent(stages):
    return [100 * (each - 1) for each in quicker_by_pairs(stages)]


@wrong("07.5", "do not come out right", "is right")
def quicker_as_running_products(stages):
    return list(itertools.accumulate([1.0, *quicker_by_pairs(stages)], operator.mul))[:-1]


@wrong("07.5", "one fewer than stages")
def quicker_by_three_stages(stages):
    return quicker_by_pairs([stages[0], stages[1], stages[-1]])


@wrong("07.5", "Your function stopped with ValueError", "values to unpack")
def quicker_by_unpacking_three(stages):
    (n, c, r), (m, d, q), (o, e, p) = stages
    return [(n * c + r) / (m * d + q), (m * d + q) / (o * e + p)]


@wrong("07.5", "Your function stopped with IndexError")
def quicker_one_too_far(stages):
    costs = [calls * call + rest for calls, call, rest in stages]
    return [costs[k] / costs[k + 1] for k in range(len(costs))]


@wrong("07.5", "should return a list, but got float")
def quicker_as_one_number(stages):
    return math.prod(quicker_by_pairs(stages))


@wrong("07.5", "should return a list, but got tuple")
def quicker_as_a_tuple(stages):
    return tuple(quicker_by_pairs(stages))


@wrong("07.5", "should return a list, but got ndarray")
def quicker_as_an_array(stages):
    return np.array(quicker_by_pairs(stages))


@right("07.5")
def quicker_as_numpy_numbers(stages):
    return list(np.array(quicker_by_pairs(stages)))


@wrong("07.5", "should hold Python floats, but it holds Tensors")
def quicker_as_tensors(stages):
    return list(torch.tensor(quicker_by_pairs(stages)))


@wrong("07.5", "should return a list, but got generator")
def quicker_lazily(stages):
    return (each for each in quicker_by_pairs(stages))


@wrong("07.5", "returns nothing")
def quicker_without_a_return(stages):
    costs = [calls * call + rest for calls, call, rest in stages]
    [before / after for before, after in pairwise(costs)]


@wrong("07.5", "changes its argument stages in place", "make a new list")
def quicker_by_popping(stages):
    out, (calls, call, rest) = [], stages.pop(0)
    while stages:
        before = calls * call + rest
        calls, call, rest = stages.pop(0)
        out.append(before / (calls * call + rest))
    return out


@wrong("07.5", "the course's own speedups")
def quicker_by_the_exercises(stages):
    return notebook_07.speedups(stages)
