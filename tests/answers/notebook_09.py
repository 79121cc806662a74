"""Answers to the exercises of notebook 09."""

import math
from functools import reduce
from itertools import pairwise

import numpy as np
import torch

from answers import right, wrong
from course_lib import editing, forward
from course_lib.classroom.exercises import notebook_09
from course_lib.denoisers import Prediction
from course_lib.sampling import Step, ddim_step
from course_lib.schedules import NoiseSchedule

# --- 09.1 put back what is known --------------------------------------------------------------------------------------


@right("09.1")
def put_back_by_math(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, math.sqrt(alpha_bar_s) * known + math.sqrt(1 - alpha_bar_s) * eps)


@right("09.1")
def put_back_by_a_product(x_s, known, hole, alpha_bar_s, eps):
    inside = hole.to(x_s.dtype)
    return inside * x_s + (1 - inside) * (alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * eps)


@right("09.1")
def put_back_by_two_products(x_s, known, hole, alpha_bar_s, eps):
    a = float(alpha_bar_s)
    return hole * x_s + ~hole * (a**0.5 * known) + ~hole * ((1 - a) ** 0.5 * eps)


@right("09.1")
def put_back_into_a_copy(x_s, known, hole, alpha_bar_s, eps):
    result = x_s.clone()
    outside = ~hole.expand_as(x_s)
    result[outside] = alpha_bar_s**0.5 * known[outside] + (1 - alpha_bar_s) ** 0.5 * eps[outside]
    return result


@right("09.1")
def put_back_in_numpy(x_s, known, hole, alpha_bar_s, eps):
    a = float(alpha_bar_s)
    noised = np.sqrt(a) * known.numpy() + np.sqrt(1 - a) * eps.numpy()
    return torch.from_numpy(np.where(hole.numpy(), x_s.numpy(), noised)).to(x_s.dtype)


@right("09.1")
def put_back_by_masked_fill(x_s, known, hole, alpha_bar_s, eps):
    noised = (alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * eps).masked_fill(hole, 0.0)
    return noised + x_s.masked_fill(~hole, 0.0)


@right("09.1")
def put_back_picture_by_picture(x_s, known, hole, alpha_bar_s, eps):
    holes = hole.expand(len(x_s), *hole.shape[1:])
    rows = []
    for k in range(len(x_s)):
        noised = alpha_bar_s**0.5 * known[k] + (1 - alpha_bar_s) ** 0.5 * eps[k]
        rows.append(torch.where(holes[k], x_s[k], noised))
    return torch.stack(rows)


@right("09.1")
def put_back_by_tensors(x_s, known, hole, alpha_bar_s, eps):
    a = torch.as_tensor(alpha_bar_s, dtype=x_s.dtype)
    return torch.where(~hole, a.sqrt() * known + (1 - a).sqrt() * eps, x_s)


@right("09.1")
def put_back_in_float64(x_s, known, hole, alpha_bar_s, eps):
    a = torch.as_tensor(alpha_bar_s).double()
    noised = torch.sqrt(a) * known.double() + torch.sqrt(1 - a) * eps.double()
    return torch.where(hole, x_s.double(), noised).to(x_s.dtype)


@right("09.1")
def put_back_by_lerp(x_s, known, hole, alpha_bar_s, eps):
    noised = alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * eps
    noised = torch.where(hole, torch.zeros_like(noised), noised)
    return torch.lerp(noised, x_s, hole.to(x_s.dtype).expand_as(x_s))


@right("09.1")
def put_back_by_add(x_s, known, hole, alpha_bar_s, eps):
    noised = torch.add(known * alpha_bar_s**0.5, eps, alpha=float((1 - alpha_bar_s) ** 0.5))
    return x_s.where(hole, noised)


@right("09.1")
def put_back_by_masked_scatter(x_s, known, hole, alpha_bar_s, eps):
    noised = alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * eps
    everywhere = hole.expand_as(x_s).contiguous()
    return noised.masked_scatter(everywhere, x_s[everywhere])


@right("09.1")
def put_back_by_an_angle(x_s, known, hole, alpha_bar_s, eps):
    sine = math.sqrt(1 - alpha_bar_s)
    cosine = math.sqrt(1 - sine**2) if sine else 1.0
    return torch.where(hole, x_s, cosine * known + sine * eps)


@wrong("09.1", "wrong way round")
def put_back_inside(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(~hole, x_s, alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * eps)


@wrong("09.1", "put back clean")
def put_back_pasted(x_s, known, hole, alpha_bar_s, eps):
    return hole * x_s + ~hole * known


@wrong("09.1", "put back everywhere")
def put_back_over_all(x_s, known, hole, alpha_bar_s, eps):
    return alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * eps


@wrong("09.1", "new noise in the hole")
def put_back_with_noise_on_top(x_s, known, hole, alpha_bar_s, eps):
    result = torch.where(hole, x_s, math.sqrt(alpha_bar_s) * known)
    return result + math.sqrt(1 - alpha_bar_s) * eps


@wrong("09.1", "put together first")
def put_back_before_noising(x_s, known, hole, alpha_bar_s, eps):
    both = hole * x_s + ~hole * known
    return alpha_bar_s**0.5 * both + (1 - alpha_bar_s) ** 0.5 * eps


@wrong("09.1", "Both square roots are missing")
def put_back_linearly(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, torch.lerp(eps, known, float(alpha_bar_s)))


@wrong("09.1", "The noise has lost its square root")
def put_back_with_one_root(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, math.sqrt(alpha_bar_s) * known + (1 - alpha_bar_s) * eps)


@wrong("09.1", "The picture has lost its square root")
def put_back_with_the_other_root(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, alpha_bar_s * known + math.sqrt(1 - alpha_bar_s) * eps)


@wrong("09.1", "1 minus a root")
def put_back_by_one_minus_the_root(x_s, known, hole, alpha_bar_s, eps):
    signal = math.sqrt(alpha_bar_s)
    return torch.where(hole, x_s, signal * known + (1 - signal) * eps)


@wrong("09.1", "factors are swapped")
def put_back_the_noise(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, math.sqrt(1 - alpha_bar_s) * known + math.sqrt(alpha_bar_s) * eps)


@wrong("09.1", "is not shrunk")
def put_back_at_full_size(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, known + math.sqrt(1 - alpha_bar_s) * eps)


@wrong("09.1", "is shrunk, but has no noise")
def put_back_faintly(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, math.sqrt(alpha_bar_s) * known)


@wrong("09.1", "a mixture with x_s")
def put_back_half(x_s, known, hole, alpha_bar_s, eps):
    noised = alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * eps
    return torch.where(hole, x_s, (x_s + noised) / 2)


@wrong("09.1", "changes its argument x_s in place")
def put_back_in_place(x_s, known, hole, alpha_bar_s, eps):
    outside = ~hole.expand_as(x_s)
    x_s[outside] = (alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * eps)[outside]
    return x_s


@wrong("09.1", "changes its argument known in place")
def put_back_with_known_noised_in_place(x_s, known, hole, alpha_bar_s, eps):
    known *= alpha_bar_s**0.5
    known += (1 - alpha_bar_s) ** 0.5 * eps
    return torch.where(hole, x_s, known)


@wrong("09.1", "use the eps that it is handed")
def put_back_with_other_noise(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * torch.randn_like(known))


@wrong("09.1", "large numbers in the hole")
def put_back_by_a_difference(x_s, known, hole, alpha_bar_s, eps):
    noised = alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * eps
    return noised + (x_s - noised) * hole


@wrong("09.1", "a little noise is left")
def put_back_with_a_floor(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, alpha_bar_s**0.5 * known + (1 - alpha_bar_s + 1e-8) ** 0.5 * eps)


@wrong("09.1", "the hole of the first one")
def put_back_with_one_hole(x_s, known, hole, alpha_bar_s, eps):
    noised = alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * eps
    return torch.where(hole[0], x_s, noised)


@wrong("09.1", "right for one time, but not for others")
def put_back_at_one_time(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, 0.6 * known + 0.8 * eps)


@wrong("09.1", "The dtype should be torch.float32, but it is torch.float64")
def put_back_left_in_float64(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, alpha_bar_s**0.5 * known.double() + (1 - alpha_bar_s) ** 0.5 * eps)


@wrong("09.1", "AttributeError", "has no attribute 'sqrt'")
def put_back_with_a_float_for_a_tensor(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, alpha_bar_s.sqrt() * known + (1 - alpha_bar_s).sqrt() * eps)


# --- 09.2 up again ----------------------------------------------------------------------------------------------------


@right("09.2")
def up_by_math(x_t, alpha_bar_t, alpha_bar_s, eps):
    return math.sqrt(alpha_bar_s / alpha_bar_t) * x_t + math.sqrt(1 - alpha_bar_s / alpha_bar_t) * eps


@right("09.2")
def up_by_one_beta(x_t, alpha_bar_t, alpha_bar_s, eps):
    beta = 1 - alpha_bar_s / alpha_bar_t
    return (1 - beta) ** 0.5 * x_t + beta**0.5 * eps


@right("09.2")
def up_by_variances(x_t, alpha_bar_t, alpha_bar_s, eps):
    """As much as is missing of the noise's variance at time s."""
    shrunk = (alpha_bar_s / alpha_bar_t) ** 0.5
    more = (1 - alpha_bar_s) - shrunk**2 * (1 - alpha_bar_t)
    return shrunk * x_t + more**0.5 * eps


@right("09.2")
def up_in_numpy(x_t, alpha_bar_t, alpha_bar_s, eps):
    r = np.float64(alpha_bar_s) / np.float64(alpha_bar_t)
    return torch.from_numpy(np.sqrt(r) * x_t.numpy() + np.sqrt(1 - r) * eps.numpy()).to(x_t.dtype)


@right("09.2")
def up_by_tensors(x_t, alpha_bar_t, alpha_bar_s, eps):
    a_t, a_s = (torch.as_tensor(a, dtype=torch.float64) for a in (alpha_bar_t, alpha_bar_s))
    return (a_s / a_t).sqrt() * x_t + (1 - a_s / a_t).sqrt() * eps


@right("09.2")
def up_by_a_difference_of_products(x_t, alpha_bar_t, alpha_bar_s, eps):
    return alpha_bar_s**0.5 / alpha_bar_t**0.5 * x_t + ((alpha_bar_t - alpha_bar_s) / alpha_bar_t) ** 0.5 * eps


@right("09.2")
def up_by_logarithms(x_t, alpha_bar_t, alpha_bar_s, eps):
    log_ratio = math.log(alpha_bar_s) - math.log(alpha_bar_t)
    return math.exp(log_ratio / 2) * x_t + math.sqrt(-math.expm1(log_ratio)) * eps


@right("09.2")
def up_by_an_angle(x_t, alpha_bar_t, alpha_bar_s, eps):
    angle = math.acos(math.sqrt(alpha_bar_s / alpha_bar_t))
    return math.cos(angle) * x_t + math.sin(angle) * eps


@right("09.2")
def up_in_place_on_its_own(x_t, alpha_bar_t, alpha_bar_s, eps):
    ratio = float(alpha_bar_s / alpha_bar_t)
    x_s = x_t.clone().mul_(ratio**0.5)
    return x_s.add_(eps, alpha=(1 - ratio) ** 0.5)


@right("09.2")
def up_in_float64(x_t, alpha_bar_t, alpha_bar_s, eps):
    r = float(alpha_bar_s) / float(alpha_bar_t)
    return (r**0.5 * x_t.double() + (1 - r) ** 0.5 * eps.double()).to(x_t.dtype)


@right("09.2")
def up_number_by_number(x_t, alpha_bar_t, alpha_bar_s, eps):
    r = float(alpha_bar_s / alpha_bar_t)
    pairs = zip(x_t.flatten().tolist(), eps.flatten().tolist(), strict=True)
    numbers = [r**0.5 * x + (1 - r) ** 0.5 * noise for x, noise in pairs]
    return torch.tensor(numbers, dtype=x_t.dtype).reshape(x_t.shape)


@right("09.2")
def up_by_einsum(x_t, alpha_bar_t, alpha_bar_s, eps):
    r = float(alpha_bar_s / alpha_bar_t)
    factors = torch.tensor([r, 1 - r], dtype=torch.float64).sqrt().to(x_t.dtype)
    return torch.einsum("k,k...->...", factors, torch.stack([x_t, eps]))


@wrong("09.2", "begins with a clean picture")
def up_by_the_closed_form(x_t, alpha_bar_t, alpha_bar_s, eps):
    return math.sqrt(alpha_bar_s) * x_t + math.sqrt(1 - alpha_bar_s) * eps


@wrong("09.2", "a difference of standard deviations")
def up_by_deviations(x_t, alpha_bar_t, alpha_bar_s, eps):
    more = math.sqrt(1 - alpha_bar_s) - math.sqrt(1 - alpha_bar_t)
    return math.sqrt(alpha_bar_s / alpha_bar_t) * x_t + more * eps


@wrong("09.2", "which leaves out that the noise in x_t shrinks")
def up_by_the_missing_variance(x_t, alpha_bar_t, alpha_bar_s, eps):
    more = (1 - alpha_bar_s) - (1 - alpha_bar_t)
    return math.sqrt(alpha_bar_s / alpha_bar_t) * x_t + math.sqrt(more) * eps


@wrong("09.2", "x_t is not shrunk: with the noise on top")
def up_at_full_size(x_t, alpha_bar_t, alpha_bar_s, eps):
    return x_t + math.sqrt(1 - alpha_bar_s / alpha_bar_t) * eps


@wrong("09.2", "x_t is not shrunk, and gets the difference")
def up_by_added_variance(x_t, alpha_bar_t, alpha_bar_s, eps):
    return x_t + math.sqrt(alpha_bar_t - alpha_bar_s) * eps


@wrong("09.2", "taken for the beta of the leap")
def up_by_a_difference_for_beta(x_t, alpha_bar_t, alpha_bar_s, eps):
    beta = alpha_bar_t - alpha_bar_s
    return math.sqrt(1 - beta) * x_t + math.sqrt(beta) * eps


@wrong("09.2", "upside down")
def up_and_larger(x_t, alpha_bar_t, alpha_bar_s, eps):
    return math.sqrt(alpha_bar_t / alpha_bar_s) * x_t + math.sqrt(1 - alpha_bar_s / alpha_bar_t) * eps


@wrong("09.2", "The result is complex")
def up_with_both_upside_down(x_t, alpha_bar_t, alpha_bar_s, eps):
    ratio = alpha_bar_t / alpha_bar_s
    return ratio**0.5 * x_t + (1 - ratio) ** 0.5 * eps


@wrong("09.2", "Your function stopped with ValueError", "math")
def up_with_the_root_of_less_than_nothing(x_t, alpha_bar_t, alpha_bar_s, eps):
    return math.sqrt(alpha_bar_t / alpha_bar_s) * x_t + math.sqrt(1 - alpha_bar_t / alpha_bar_s) * eps


@wrong("09.2", "Both square roots are missing")
def up_linearly(x_t, alpha_bar_t, alpha_bar_s, eps):
    return torch.lerp(eps, x_t, float(alpha_bar_s / alpha_bar_t))


@wrong("09.2", "The noise has lost its square root")
def up_with_one_root(x_t, alpha_bar_t, alpha_bar_s, eps):
    r = alpha_bar_s / alpha_bar_t
    return r**0.5 * x_t + (1 - r) * eps


@wrong("09.2", "x_t has lost its square root")
def up_with_the_other_root(x_t, alpha_bar_t, alpha_bar_s, eps):
    r = alpha_bar_s / alpha_bar_t
    return r * x_t + (1 - r) ** 0.5 * eps


@wrong("09.2", "1 minus a root")
def up_by_one_minus_the_root(x_t, alpha_bar_t, alpha_bar_s, eps):
    r = math.sqrt(alpha_bar_s / alpha_bar_t)
    return r * x_t + (1 - r) * eps


@wrong("09.2", "a root too many")
def up_by_the_root_of_one_minus_a_root(x_t, alpha_bar_t, alpha_bar_s, eps):
    r = math.sqrt(alpha_bar_s / alpha_bar_t)
    return r * x_t + math.sqrt(1 - r) * eps


@wrong("09.2", "That one is new")
def up_through_a_guessed_picture(x_t, alpha_bar_t, alpha_bar_s, eps):
    picture = (x_t - math.sqrt(1 - alpha_bar_t) * eps) / math.sqrt(alpha_bar_t)
    return math.sqrt(alpha_bar_s) * picture + math.sqrt(1 - alpha_bar_s) * eps


@wrong("09.2", "factors are swapped")
def up_the_wrong_way_round(x_t, alpha_bar_t, alpha_bar_s, eps):
    r = alpha_bar_s / alpha_bar_t
    return math.sqrt(1 - r) * x_t + math.sqrt(r) * eps


@wrong("09.2", "x_t brings some of it along")
def up_with_whole_noise(x_t, alpha_bar_t, alpha_bar_s, eps):
    return math.sqrt(alpha_bar_s / alpha_bar_t) * x_t + math.sqrt(1 - alpha_bar_s) * eps


@wrong("09.2", "as if it had not shrunk yet")
def up_shrunk_twice(x_t, alpha_bar_t, alpha_bar_s, eps):
    return math.sqrt(alpha_bar_s) * x_t + math.sqrt(1 - alpha_bar_s / alpha_bar_t) * eps


@wrong("09.2", "The noise is taken off")
def up_with_a_minus(x_t, alpha_bar_t, alpha_bar_s, eps):
    r = alpha_bar_s / alpha_bar_t
    return math.sqrt(r) * x_t - math.sqrt(1 - r) * eps


@wrong("09.2", "use the eps that it is handed")
def up_with_noise_of_its_own(x_t, alpha_bar_t, alpha_bar_s, eps):
    r = alpha_bar_s / alpha_bar_t
    return r**0.5 * x_t + (1 - r) ** 0.5 * torch.randn_like(x_t)


@wrong("09.2", "changes its argument x_t in place")
def up_in_place(x_t, alpha_bar_t, alpha_bar_s, eps):
    r = alpha_bar_s / alpha_bar_t
    x_t *= r**0.5
    return x_t + (1 - r) ** 0.5 * eps


@wrong("09.2", "right for one leap, but not for others")
def up_one_leap(x_t, alpha_bar_t, alpha_bar_s, eps):
    return math.sqrt(0.625) * x_t + math.sqrt(0.375) * eps


@wrong("09.2", "the course's own noise_further")
def up_by_the_library(x_t, alpha_bar_t, alpha_bar_s, eps):
    schedule = NoiseSchedule(torch.tensor([1.0, float(alpha_bar_t), float(alpha_bar_s)], dtype=torch.float64))
    return forward.noise_further(schedule, x_t, 1, 2, eps)


# --- 09.3 part of the way ---------------------------------------------------------------------------------------------


@right("09.3")
def part_by_slicing(x_0, strength, times, alpha_bar, eps):
    n = max(1, round(strength * (len(times) - 1)))
    remaining = times[len(times) - n - 1 :]
    a = alpha_bar[remaining[0]]
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps, remaining


@right("09.3")
def part_by_dropping(x_0, strength, times, alpha_bar, eps):
    remaining = list(times)
    steps = max(round(strength * (len(times) - 1)), 1)
    while len(remaining) > steps + 1:
        remaining.pop(0)
    a = float(alpha_bar[remaining[0]])
    return math.sqrt(a) * x_0 + math.sqrt(1 - a) * eps, remaining


@right("09.3")
def part_by_the_start(x_0, strength, times, alpha_bar, eps):
    steps = len(times) - 1
    start = min(steps - 1, steps - round(strength * steps))
    t = times[start]
    return alpha_bar[t] ** 0.5 * x_0 + (1 - alpha_bar[t]) ** 0.5 * eps, times[start:]


@right("09.3")
def part_by_a_loop(x_0, strength, times, alpha_bar, eps):
    steps = round(strength * (len(times) - 1)) or 1
    remaining = []
    for k, t in enumerate(times):
        if len(times) - 1 - k <= steps:
            remaining.append(t)
    signal = alpha_bar[remaining[0]].sqrt().to(x_0.dtype)
    noise = (1 - alpha_bar[remaining[0]]).sqrt().to(x_0.dtype)
    return signal * x_0 + noise * eps, remaining


@right("09.3")
def part_backwards(x_0, strength, times, alpha_bar, eps):
    steps = max(1, int(strength * (len(times) - 1) + 0.5))
    remaining = times[::-1][: steps + 1][::-1]
    a = alpha_bar[remaining[0]].item()
    return torch.add(x_0 * a**0.5, eps, alpha=(1 - a) ** 0.5), remaining


@right("09.3")
def part_in_numpy(x_0, strength, times, alpha_bar, eps):
    steps = max(1, int(np.rint(strength * (len(times) - 1))))
    first, *rest = times[-(steps + 1) :]
    a = alpha_bar.numpy()[first]
    x = torch.from_numpy(np.sqrt(a) * x_0.numpy() + np.sqrt(1 - a) * eps.numpy()).to(x_0.dtype)
    return x, [first, *rest]


@right("09.3")
def part_by_the_closed_form(x_0, strength, times, alpha_bar, eps):
    remaining = times[-1 - max(1, round(strength * (len(times) - 1))) :]
    return forward.add_noise(NoiseSchedule(alpha_bar), x_0, remaining[0], eps), remaining


@right("09.3")
def part_by_comprehension(x_0, strength, times, alpha_bar, eps):
    steps = max(1, round(strength * (len(times) - 1)))
    remaining = [times[-k] for k in range(steps + 1, 0, -1)]
    a = alpha_bar[remaining[0]].double()
    return (a.sqrt() * x_0.double() + (1 - a).sqrt() * eps.double()).to(x_0.dtype), remaining


@right("09.3")
def part_by_an_angle(x_0, strength, times, alpha_bar, eps):
    remaining = times[max(0, len(times) - 1 - max(1, round(strength * (len(times) - 1)))) :]
    angle = math.acos(math.sqrt(alpha_bar[remaining[0]]))
    return math.cos(angle) * x_0 + math.sin(angle) * eps, remaining


@right("09.3")
def part_with_indices(x_0, strength, times, alpha_bar, eps):
    last = len(times) - 1
    first = last - max(1, math.floor(strength * last + 0.5))
    a = alpha_bar[torch.tensor(times)][first]
    x = x_0.clone()
    x *= a.sqrt().item()
    x += (1 - a).sqrt().item() * eps
    return x, [times[k] for k in range(first, last + 1)]


@right("09.3")
def part_by_del(x_0, strength, times, alpha_bar, eps):
    steps = max(1, round(strength * (len(times) - 1)))
    remaining = times.copy()
    del remaining[: -steps - 1]
    a_t = alpha_bar[remaining[0]].item()
    return a_t**0.5 * x_0 + (1 - a_t) ** 0.5 * eps, remaining


def noised_to(x_0, t, alpha_bar, eps):
    """For what goes wrong with the times."""
    return alpha_bar[t].sqrt() * x_0 + (1 - alpha_bar[t]).sqrt() * eps


def rounded(strength, times):
    return max(1, round(strength * (len(times) - 1)))


@wrong("09.3", "The two are swapped")
def part_times_first(x_0, strength, times, alpha_bar, eps):
    remaining = times[-1 - max(1, round(strength * (len(times) - 1))) :]
    a = alpha_bar[remaining[0]].item()
    return remaining, math.sqrt(a) * x_0 + math.sqrt(1 - a) * eps


@wrong("09.3", "should hold times, each a number", "a list of length 4, holding tuples")
def part_in_pairs(x_0, strength, times, alpha_bar, eps):
    remaining = times[-1 - max(1, round(strength * (len(times) - 1))) :]
    a = alpha_bar[remaining[0]].item()
    return math.sqrt(a) * x_0 + math.sqrt(1 - a) * eps, list(pairwise(remaining))


@wrong("09.3", "These are the first steps")
def part_from_the_top(x_0, strength, times, alpha_bar, eps):
    remaining = times[: 1 + rounded(strength, times)]
    return noised_to(x_0, remaining[0], alpha_bar, eps), remaining


@wrong("09.3", "one time too few")
def part_one_short(x_0, strength, times, alpha_bar, eps):
    remaining = times[-rounded(strength, times) :]
    return noised_to(x_0, remaining[0], alpha_bar, eps), remaining


@wrong("09.3", "one time too many")
def part_one_long(x_0, strength, times, alpha_bar, eps):
    remaining = times[max(0, len(times) - 2 - rounded(strength, times)) :]
    return noised_to(x_0, remaining[0], alpha_bar, eps), remaining


@wrong("09.3", "The last time is missing")
def part_that_never_arrives(x_0, strength, times, alpha_bar, eps):
    remaining = times[-1 - rounded(strength, times) : -1]
    return noised_to(x_0, remaining[0], alpha_bar, eps), remaining


@wrong("09.3", "taken for what is kept")
def part_for_the_other_share(x_0, strength, times, alpha_bar, eps):
    remaining = times[-1 - rounded(1 - strength, times) :]
    return noised_to(x_0, remaining[0], alpha_bar, eps), remaining


@wrong("09.3", "The number of steps is cut off")
def part_by_int(x_0, strength, times, alpha_bar, eps):
    remaining = times[-1 - max(1, int(strength * (len(times) - 1))) :]
    return noised_to(x_0, remaining[0], alpha_bar, eps), remaining


@wrong("09.3", "rounded up")
def part_by_ceil(x_0, strength, times, alpha_bar, eps):
    remaining = times[-1 - math.ceil(strength * (len(times) - 1)) :]
    return noised_to(x_0, remaining[0], alpha_bar, eps), remaining


@wrong("09.3", "multiplied by the number of times")
def part_of_the_posts(x_0, strength, times, alpha_bar, eps):
    steps = min(len(times) - 1, max(1, round(strength * len(times))))
    return noised_to(x_0, times[-1 - steps], alpha_bar, eps), times[-1 - steps :]


@wrong("09.3", "chosen by their size")
def part_by_size(x_0, strength, times, alpha_bar, eps):
    remaining = [t for t in times if t <= strength * 1000]
    return noised_to(x_0, remaining[0], alpha_bar, eps), remaining


@wrong("09.3", "leaves no step at all")
def part_of_no_step(x_0, strength, times, alpha_bar, eps):
    remaining = times[-1 - round(strength * (len(times) - 1)) :]
    return noised_to(x_0, remaining[0], alpha_bar, eps), remaining


@wrong("09.3", "The times rise")
def part_that_rises(x_0, strength, times, alpha_bar, eps):
    remaining = sorted(times[-1 - rounded(strength, times) :])
    return noised_to(x_0, remaining[-1], alpha_bar, eps), remaining


@wrong("09.3", "not where the remaining times begin")
def part_noised_to_a_share_of_T(x_0, strength, times, alpha_bar, eps):
    t = round(strength * (len(alpha_bar) - 1))
    return noised_to(x_0, t, alpha_bar, eps), times[-1 - rounded(strength, times) :]


@wrong("09.3", "the first of all times")
def part_noised_to_T(x_0, strength, times, alpha_bar, eps):
    return noised_to(x_0, times[0], alpha_bar, eps), times[-1 - rounded(strength, times) :]


@wrong("09.3", "x_0 comes back clean")
def part_left_clean(x_0, strength, times, alpha_bar, eps):
    return x_0, times[-1 - rounded(strength, times) :]


@wrong("09.3", "x is noise alone")
def part_of_noise(x_0, strength, times, alpha_bar, eps):
    return eps, times[-1 - rounded(strength, times) :]


@wrong("09.3", "mixed by strength itself")
def part_mixed_by_strength(x_0, strength, times, alpha_bar, eps):
    x = math.sqrt(1 - strength) * x_0 + math.sqrt(strength) * eps
    return x, times[-1 - rounded(strength, times) :]


@wrong("09.3", "The square roots are missing")
def part_mixed_linearly(x_0, strength, times, alpha_bar, eps):
    remaining = times[-1 - rounded(strength, times) :]
    a = alpha_bar[remaining[0]].item()
    return a * x_0 + (1 - a) * eps, remaining


@wrong("09.3", "should return a tuple, but got Tensor")
def part_without_times(x_0, strength, times, alpha_bar, eps):
    return noised_to(x_0, times[-1 - rounded(strength, times)], alpha_bar, eps)


@wrong("09.3", "changes its argument times in place: make a new list")
def part_by_popping(x_0, strength, times, alpha_bar, eps):
    steps = rounded(strength, times)
    while len(times) > steps + 1:
        times.pop(0)
    return noised_to(x_0, times[0], alpha_bar, eps), times


@wrong("09.3", "it holds ranges")
def part_as_a_tensor_and_a_range(x_0, strength, times, alpha_bar, eps):
    remaining = times[-1 - rounded(strength, times) :]
    return noised_to(x_0, remaining[0], alpha_bar, eps), range(remaining[0], -1, -1), x_0


@wrong("09.3", "should be a list of times, but it is a Tensor")
def part_with_times_in_a_tensor(x_0, strength, times, alpha_bar, eps):
    remaining = torch.tensor(times)[-1 - rounded(strength, times) :]
    return noised_to(x_0, int(remaining[0]), alpha_bar, eps), remaining


@wrong("09.3", "the course's own last_share")
def part_by_the_library(x_0, strength, times, alpha_bar, eps):
    remaining = editing.last_share(times, strength)
    return noised_to(x_0, remaining[0], alpha_bar, eps), remaining


# --- 09.4 DDIM upwards ------------------------------------------------------------------------------------------------


@right("09.4")
def step_up_by_the_ratio(x_t, t, s, eps_at, alpha_bar, refinements):
    a_t, a_s = alpha_bar[t].item(), alpha_bar[s].item()
    x_s, time = x_t, t
    for _ in range(1 + refinements):
        eps = eps_at(x_s, time)
        x_s = math.sqrt(a_s / a_t) * (x_t - math.sqrt(1 - a_t) * eps) + math.sqrt(1 - a_s) * eps
        time = s
    return x_s


@right("09.4")
def step_up_in_one_formula(x_t, t, s, eps_at, alpha_bar, refinements):
    (a_t, n_t), (a_s, n_s) = ((alpha_bar[k].sqrt().item(), (1 - alpha_bar[k]).sqrt().item()) for k in (t, s))
    x_s = a_s / a_t * x_t + (n_s - a_s / a_t * n_t) * eps_at(x_t, t)
    for _ in range(refinements):
        x_s = a_s / a_t * x_t + (n_s - a_s / a_t * n_t) * eps_at(x_s, s)
    return x_s


@right("09.4")
def step_up_by_recursion(x_t, t, s, eps_at, alpha_bar, refinements):
    a_t, a_s = alpha_bar[t], alpha_bar[s]

    def found(turns):
        eps = eps_at(found(turns - 1), s) if turns else eps_at(x_t, t)
        return a_s.sqrt() * ((x_t - (1 - a_t).sqrt() * eps) / a_t.sqrt()) + (1 - a_s).sqrt() * eps

    return found(refinements)


@right("09.4")
def step_up_by_reduce(x_t, t, s, eps_at, alpha_bar, refinements):
    a_t, a_s = float(alpha_bar[t]), float(alpha_bar[s])

    def up(eps):
        return (a_s / a_t) ** 0.5 * (x_t - (1 - a_t) ** 0.5 * eps) + (1 - a_s) ** 0.5 * eps

    return reduce(lambda x_s, _: up(eps_at(x_s, s)), range(refinements), up(eps_at(x_t, t)))


@right("09.4")
def step_up_by_a_while(x_t, t, s, eps_at, alpha_bar, refinements):
    eps, left = eps_at(x_t, t), refinements
    while True:
        x_0 = (x_t - (1 - alpha_bar[t]) ** 0.5 * eps) / alpha_bar[t] ** 0.5
        x_s = alpha_bar[s] ** 0.5 * x_0 + (1 - alpha_bar[s]) ** 0.5 * eps
        if left == 0:
            return x_s
        left -= 1
        eps = eps_at(x_s, s)


@right("09.4")
def step_up_by_sigma(x_t, t, s, eps_at, alpha_bar, refinements):
    """In units of the signal a step is straight."""
    sigma_t, sigma_s = (math.sqrt((1 - alpha_bar[k]) / alpha_bar[k]) for k in (t, s))
    from_t, signal_s = x_t / math.sqrt(alpha_bar[t]), math.sqrt(alpha_bar[s])
    x_s = signal_s * (from_t + (sigma_s - sigma_t) * eps_at(x_t, t))
    for _ in range(refinements):
        x_s = signal_s * (from_t + (sigma_s - sigma_t) * eps_at(x_s, s))
    return x_s


@right("09.4")
def step_up_by_the_closed_form(x_t, t, s, eps_at, alpha_bar, refinements):
    schedule = NoiseSchedule(alpha_bar)

    def up(eps):
        x_0 = (x_t - (1 - alpha_bar[t]).sqrt() * eps) / alpha_bar[t].sqrt()
        return forward.add_noise(schedule, x_0, s, eps)

    x_s = up(eps_at(x_t, t))
    for _ in range(refinements):
        x_s = up(eps_at(x_s, s))
    return x_s


@right("09.4")
def step_up_by_ddim(x_t, t, s, eps_at, alpha_bar, refinements):
    """The library's step may be used: what is asked for is what is around it."""
    schedule, eps = NoiseSchedule(alpha_bar), eps_at(x_t, t)
    for turn in range(refinements + 1):
        x_0 = (x_t - (1 - alpha_bar[t]).sqrt() * eps) / alpha_bar[t].sqrt()
        x_s = ddim_step(schedule, Step(t, x_t, Prediction(x_0, eps)), s)
        if turn < refinements:
            eps = eps_at(x_s, s)
    return x_s


@right("09.4")
def step_up_in_numpy(x_t, t, s, eps_at, alpha_bar, refinements):
    table = alpha_bar.numpy()
    x, a_t, a_s = x_t.numpy(), table[t], table[s]

    def up(eps):
        x_s = np.sqrt(a_s / a_t) * (x - np.sqrt(1 - a_t) * eps.numpy()) + np.sqrt(1 - a_s) * eps.numpy()
        return torch.from_numpy(x_s).to(x_t.dtype)

    x_s = up(eps_at(x_t, t))
    for _ in range(refinements):
        x_s = up(eps_at(x_s, s))
    return x_s


@right("09.4")
def step_up_in_float64(x_t, t, s, eps_at, alpha_bar, refinements):
    x, a_t, a_s = x_t.double(), alpha_bar[t].double(), alpha_bar[s].double()
    eps = eps_at(x_t, t).double()
    for turn in range(refinements + 1):
        x_s = (a_s / a_t).sqrt() * (x - (1 - a_t).sqrt() * eps) + (1 - a_s).sqrt() * eps
        eps = eps_at(x_s.to(x_t.dtype), s).double() if turn < refinements else eps
    return x_s.to(x_t.dtype)


@right("09.4")
def step_up_with_a_queue(x_t, t, s, eps_at, alpha_bar, refinements):
    x_s = x_t
    for time in [t] + refinements * [s]:
        eps = eps_at(x_s, time)
        guess = (x_t - (1 - alpha_bar[t]).sqrt() * eps).div(alpha_bar[t].sqrt())
        x_s = guess.mul(alpha_bar[s].sqrt()).add((1 - alpha_bar[s]).sqrt() * eps)
    return x_s


def up(x_t, t, s, alpha_bar, eps):
    """DDIM's step, for what goes wrong around it."""
    x_0 = (x_t - (1 - alpha_bar[t]).sqrt() * eps) / alpha_bar[t].sqrt()
    return alpha_bar[s].sqrt() * x_0 + (1 - alpha_bar[s]).sqrt() * eps


def around(step, x_t, t, s, eps_at, alpha_bar, refinements):
    """The refinements as they should be, for what goes wrong in the formula: step(a_t, a_s, eps)."""
    a_t, a_s = alpha_bar[t].item(), alpha_bar[s].item()
    x_s = step(x_t, a_t, a_s, eps_at(x_t, t))
    for _ in range(refinements):
        x_s = step(x_t, a_t, a_s, eps_at(x_s, s))
    return x_s


@wrong("09.4", "upside down")
def step_up_and_brighter(*arguments):
    return around(lambda x, a, b, e: math.sqrt(a / b) * (x - math.sqrt(1 - a) * e) + math.sqrt(1 - b) * e, *arguments)


@wrong("09.4", "lacks its square root")
def step_up_by_the_variances_ratio(*arguments):
    return around(lambda x, a, b, e: b / a * (x - math.sqrt(1 - a) * e) + math.sqrt(1 - b) * e, *arguments)


@wrong("09.4", "noise's factors lack their square roots")
def step_up_by_the_noises_variance(*arguments):
    return around(lambda x, a, b, e: math.sqrt(b / a) * (x - (1 - a) * e) + (1 - b) * e, *arguments)


@wrong("09.4", "never taken out")
def step_up_on_top(*arguments):
    return around(lambda x, a, b, e: math.sqrt(b / a) * x + math.sqrt(1 - b) * e, *arguments)


@wrong("09.4", "none is put back")
def step_up_without_noise(*arguments):
    return around(lambda x, a, b, e: math.sqrt(b / a) * (x - math.sqrt(1 - a) * e), *arguments)


@wrong("09.4", "not yet x_0")
def step_up_from_what_is_left(*arguments):
    return around(lambda x, a, b, e: math.sqrt(b) * (x - math.sqrt(1 - a) * e) + math.sqrt(1 - b) * e, *arguments)


@wrong("09.4", "This is the guess of x_0")
def step_to_the_end(*arguments):
    return around(lambda x, a, b, e: (x - math.sqrt(1 - a) * e) / math.sqrt(a), *arguments)


@wrong("09.4", "without refinements does not come out right")
def step_up_by_fresh_noise_further(*arguments):
    return around(lambda x, a, b, e: math.sqrt(b / a) * x + math.sqrt(1 - b / a) * e, *arguments)


@wrong("09.4", "The first question is asked at time s")
def step_up_asking_ahead(x_t, t, s, eps_at, alpha_bar, refinements):
    x_s = x_t
    for _ in range(refinements + 1):
        x_s = up(x_t, t, s, alpha_bar, eps_at(x_s, s))
    return x_s


@wrong("09.4", "There are no refinements")
def step_up_plainly(x_t, t, s, eps_at, alpha_bar, refinements):
    return up(x_t, t, s, alpha_bar, eps_at(x_t, t))


@wrong("09.4", "one refinement too few")
def step_up_one_look_short(x_t, t, s, eps_at, alpha_bar, refinements):
    x_s = up(x_t, t, s, alpha_bar, eps_at(x_t, t))
    for _ in range(1, refinements):
        x_s = up(x_t, t, s, alpha_bar, eps_at(x_s, s))
    return x_s


@wrong("09.4", "one refinement too many")
def step_up_one_look_more(x_t, t, s, eps_at, alpha_bar, refinements):
    x_s = up(x_t, t, s, alpha_bar, eps_at(x_t, t))
    for _ in range(refinements + 1):
        x_s = up(x_t, t, s, alpha_bar, eps_at(x_s, s))
    return x_s


@wrong("09.4", "there is one: look again as often")
def step_up_with_an_if(x_t, t, s, eps_at, alpha_bar, refinements):
    x_s = up(x_t, t, s, alpha_bar, eps_at(x_t, t))
    if refinements:
        x_s = up(x_t, t, s, alpha_bar, eps_at(x_s, s))
    return x_s


@wrong("09.4", "looks at x_t once more")
def step_up_looking_back(x_t, t, s, eps_at, alpha_bar, refinements):
    x_s = up(x_t, t, s, alpha_bar, eps_at(x_t, t))
    for _ in range(refinements):
        x_s = up(x_t, t, s, alpha_bar, eps_at(x_t, s))
    return x_s


@wrong("09.4", "asks about x_s at time t")
def step_up_asking_at_t(x_t, t, s, eps_at, alpha_bar, refinements):
    x_s = up(x_t, t, s, alpha_bar, eps_at(x_t, t))
    for _ in range(refinements):
        x_s = up(x_t, t, s, alpha_bar, eps_at(x_s, t))
    return x_s


@wrong("09.4", "and so further every time")
def step_up_and_up(x_t, t, s, eps_at, alpha_bar, refinements):
    x = up(x_t, t, s, alpha_bar, eps_at(x_t, t))
    for _ in range(refinements):
        x = up(x, t, s, alpha_bar, eps_at(x, s))
    return x


@wrong("09.4", "the first one is taken out")
def step_up_from_the_first_guess(x_t, t, s, eps_at, alpha_bar, refinements):
    eps = eps_at(x_t, t)
    x_0 = (x_t - (1 - alpha_bar[t]).sqrt() * eps) / alpha_bar[t].sqrt()
    x_s = alpha_bar[s].sqrt() * x_0 + (1 - alpha_bar[s]).sqrt() * eps
    for _ in range(refinements):
        x_s = alpha_bar[s].sqrt() * x_0 + (1 - alpha_bar[s]).sqrt() * eps_at(x_s, s)
    return x_s


@wrong("09.4", "asked once more than it need be")
def step_up_with_a_wasted_call(x_t, t, s, eps_at, alpha_bar, refinements):
    eps = eps_at(x_t, t)
    for _ in range(refinements + 1):
        x_s = up(x_t, t, s, alpha_bar, eps)
        eps = eps_at(x_s, s)
    return x_s


@wrong("09.4", "It stops looking as soon as little changes")
def step_up_until_nothing_moves(x_t, t, s, eps_at, alpha_bar, refinements):
    x_s = up(x_t, t, s, alpha_bar, eps_at(x_t, t))
    for _ in range(refinements):
        again = up(x_t, t, s, alpha_bar, eps_at(x_s, s))
        settled = torch.allclose(again, x_s, atol=1e-3)
        x_s = again
        if settled:
            return x_s
    return x_s


@wrong("09.4", "eps_at is not asked once at t and then once for each refinement")
def step_up_with_four_looks_at_most(x_t, t, s, eps_at, alpha_bar, refinements):
    x_s = up(x_t, t, s, alpha_bar, eps_at(x_t, t))
    for _ in range(min(refinements, 4)):
        x_s = up(x_t, t, s, alpha_bar, eps_at(x_s, s))
    return x_s


@wrong("09.4", "eps_at is not asked once at t and then once for each refinement")
def step_up_asking_twice(x_t, t, s, eps_at, alpha_bar, refinements):
    return around(
        lambda x, a, b, e: math.sqrt(b / a) * (x - math.sqrt(1 - a) * e) + math.sqrt(1 - b) * e,
        x_t,
        t,
        s,
        lambda x, time: (eps_at(x, time) + eps_at(x, time)) / 2,
        alpha_bar,
        refinements,
    )


@wrong("09.4", "IndexError")
def step_up_one_too_far(x_t, t, s, eps_at, alpha_bar, refinements):
    return up(x_t, t, len(alpha_bar), alpha_bar, eps_at(x_t, t))


@wrong("09.4", "TypeError")
def step_up_without_a_time(x_t, t, s, eps_at, alpha_bar, refinements):
    return up(x_t, t, s, alpha_bar, eps_at(x_t))


# --- 09.5 several conditions ------------------------------------------------------------------------------------------


@right("09.5")
def composed_by_sum(eps_uncond, eps_conds, w):
    return eps_uncond + sum(a * (eps - eps_uncond) for a, eps in zip(w, eps_conds, strict=True))


@right("09.5")
def composed_by_stack(eps_uncond, eps_conds, w):
    differences = torch.stack(eps_conds) - eps_uncond
    weights = torch.tensor(w, dtype=eps_uncond.dtype)
    return eps_uncond + torch.tensordot(weights, differences, dims=1)


@right("09.5")
def composed_by_einsum(eps_uncond, eps_conds, w):
    weights = torch.as_tensor(w).to(eps_uncond)
    return eps_uncond + torch.einsum("k,k...->...", weights, torch.stack(eps_conds) - eps_uncond)


@right("09.5")
def composed_by_what_is_left(eps_uncond, eps_conds, w):
    result = (1 - sum(w)) * eps_uncond
    for k in range(len(w)):
        result = result + w[k] * eps_conds[k]
    return result


@right("09.5")
def composed_in_place_on_its_own(eps_uncond, eps_conds, w):
    result = eps_uncond.clone()
    for weight, eps in zip(w, eps_conds, strict=True):
        result += weight * (eps - eps_uncond)
    return result


@right("09.5")
def composed_in_numpy(eps_uncond, eps_conds, w):
    base = eps_uncond.numpy()
    total = base + sum(weight * (eps.numpy() - base) for weight, eps in zip(w, eps_conds, strict=True))
    return torch.from_numpy(total).to(eps_uncond.dtype)


@right("09.5")
def composed_by_reduce(eps_uncond, eps_conds, w):
    return reduce(lambda so_far, pair: so_far + pair[0] * (pair[1] - eps_uncond), zip(w, eps_conds), eps_uncond)  # noqa: B905


@right("09.5")
def composed_by_recursion(eps_uncond, eps_conds, w):
    if not eps_conds:
        return eps_uncond
    return composed_by_recursion(eps_uncond, eps_conds[1:], w[1:]) + w[0] * (eps_conds[0] - eps_uncond)


@right("09.5")
def composed_by_lerps(eps_uncond, eps_conds, w):
    guided = [torch.lerp(eps_uncond, eps, float(weight)) for weight, eps in zip(w, eps_conds, strict=True)]
    return sum(guided) - (len(w) - 1) * eps_uncond


@right("09.5")
def composed_with_signs(eps_uncond, eps_conds, w):
    towards = [a * (e - eps_uncond) for a, e in zip(w, eps_conds, strict=True) if a > 0]
    away = [-a * (e - eps_uncond) for a, e in zip(w, eps_conds, strict=True) if a < 0]
    zero = torch.zeros_like(eps_uncond)
    return eps_uncond + sum(towards, zero) - sum(away, zero)


@right("09.5")
def composed_by_a_matrix(eps_uncond, eps_conds, w):
    rows = torch.stack([eps_uncond, *eps_conds]).flatten(1)
    weights = torch.tensor([[1 - sum(w), *w]], dtype=eps_uncond.dtype)
    return (weights @ rows).reshape(eps_uncond.shape)


@wrong("09.5", "are added whole")
def composed_of_wholes(eps_uncond, eps_conds, w):
    result = eps_uncond
    for weight, eps in zip(w, eps_conds, strict=True):
        result = result + weight * eps
    return result


@wrong("09.5", "eps_uncond itself is missing")
def composed_from_nothing(eps_uncond, eps_conds, w):
    return torch.einsum("k,k...->...", torch.tensor(w, dtype=eps_uncond.dtype), torch.stack(eps_conds) - eps_uncond)


@wrong("09.5", "The differences are averaged")
def composed_as_a_mean(eps_uncond, eps_conds, w):
    return torch.stack([eps_uncond + a * (eps - eps_uncond) for a, eps in zip(w, eps_conds, strict=True)]).mean(dim=0)


@wrong("09.5", "divided by their sum")
def composed_with_normalised_weights(eps_uncond, eps_conds, w):
    shares = [weight / sum(w) for weight in w]
    return eps_uncond + sum(a * (eps - eps_uncond) for a, eps in zip(shares, eps_conds, strict=True))


@wrong("09.5", "A negative weight counts as a positive one")
def composed_with_sizes(eps_uncond, eps_conds, w):
    return eps_uncond + sum(math.fabs(a) * (eps - eps_uncond) for a, eps in zip(w, eps_conds, strict=True))


@wrong("09.5", "negative weight are left out")
def composed_of_what_is_wanted(eps_uncond, eps_conds, w):
    return eps_uncond + sum(a * (eps - eps_uncond) for a, eps in zip(w, eps_conds, strict=True) if a > 0)


@wrong("09.5", "Only the last condition is left")
def composed_by_overwriting(eps_uncond, eps_conds, w):
    for weight, eps in zip(w, eps_conds, strict=True):
        result = eps_uncond + weight * (eps - eps_uncond)
    return result


@wrong("09.5", "Only the first condition counts")
def composed_returning_early(eps_uncond, eps_conds, w):
    for weight, eps in zip(w, eps_conds, strict=True):
        return eps_uncond + weight * (eps - eps_uncond)


@wrong("09.5", "from the result of the one before")
def composed_one_after_the_other(eps_uncond, eps_conds, w):
    for weight, eps in zip(w, eps_conds, strict=True):
        eps_uncond = eps_uncond + weight * (eps - eps_uncond)
    return eps_uncond


@wrong("09.5", "once for every condition")
def composed_of_guidances(eps_uncond, eps_conds, w):
    return sum(torch.lerp(eps_uncond, eps, float(a)) for a, eps in zip(w, eps_conds, strict=True))


@wrong("09.5", "wrong sign")
def composed_backwards(eps_uncond, eps_conds, w):
    return eps_uncond - sum(a * (eps - eps_uncond) for a, eps in zip(w, eps_conds, strict=True))


@wrong("09.5", "from another zero")
def composed_as_papers_write(eps_uncond, eps_conds, w):
    return (1 - len(w) - sum(w)) * eps_uncond + sum((1 + a) * eps for a, eps in zip(w, eps_conds, strict=True))


@wrong("09.5", "get the first weight")
def composed_by_one_weight(eps_uncond, eps_conds, w):
    return eps_uncond + sum(w[0] * (eps - eps_uncond) for eps in eps_conds)


@wrong("09.5", "averaged first")
def composed_of_the_mean(eps_uncond, eps_conds, w):
    return eps_uncond + sum(w) * (torch.stack(eps_conds).mean(dim=0) - eps_uncond)


@wrong("09.5", "changes its argument eps_uncond in place")
def composed_in_place(eps_uncond, eps_conds, w):
    start = eps_uncond.clone()
    for weight, eps in zip(w, eps_conds, strict=True):
        eps_uncond += weight * (eps - start)
    return eps_uncond


@wrong("09.5", "changes its argument eps_conds in place: make a new list")
def composed_by_popping(eps_uncond, eps_conds, w):
    result = eps_uncond
    for weight in reversed(w):
        result = result + weight * (eps_conds.pop() - eps_uncond)
    return result


@wrong("09.5", "but not for another number of them")
def composed_of_two(eps_uncond, eps_conds, w):
    first, second = eps_conds[0], eps_conds[-1]
    return eps_uncond + w[0] * (first - eps_uncond) + w[-1] * (second - eps_uncond)


@wrong("09.5", "TypeError")
def composed_of_a_list(eps_uncond, eps_conds, w):
    return eps_uncond + w * (eps_conds - eps_uncond)


# --- 09.6 bug hunt: a frame without grain -----------------------------------------------------------------------------


def framed(rows=1, size=8):
    """Two pictures, noise, and a hole in the middle."""
    x_s, known, eps = torch.randn(3, rows, 1, size, size)
    hole = torch.zeros(1, 1, size, size, dtype=torch.bool)
    hole[..., 2:-2, 2:-2] = True
    return x_s, known, hole, eps


@right("09.6")
def hunt_by_the_formula(put_back):
    x_s, known, hole, eps = framed()
    expected = torch.where(hole, x_s, math.sqrt(0.3) * known + math.sqrt(0.7) * eps)
    assert torch.allclose(put_back(x_s, known, hole, 0.3, eps), expected, atol=1e-5)


@right("09.6")
def hunt_by_the_deviation(put_back):
    """Of black pixels only the noise is left."""
    x_s, _, hole, eps = framed(size=40)
    x = put_back(x_s, torch.zeros_like(x_s), hole, 0.19, eps)
    assert abs(x[~hole].std().item() - 0.9) < 0.2


@right("09.6")
def hunt_by_a_difference(put_back):
    x_s, known, hole, eps = framed()
    x = put_back(x_s, known, hole, 0.5, eps)
    assert not torch.allclose(x[~hole], known[~hole], atol=1e-3)


@right("09.6")
def hunt_by_two_noises(put_back):
    x_s, known, hole, eps = framed()
    one, other = (put_back(x_s, known, hole, 0.5, noise) for noise in (eps, -eps))
    assert not torch.allclose(one, other), "the noise should matter"


@right("09.6")
def hunt_at_the_very_beginning(put_back):
    x_s, known, hole, eps = framed()
    outside = ~hole
    torch.testing.assert_close(put_back(x_s, known, hole, 0.0, eps)[outside], eps[outside])


@right("09.6")
def hunt_without_a_hole(put_back):
    ones = torch.ones(1, 1, 2, 2)
    x = put_back(5 * ones, 0 * ones, torch.zeros(1, 1, 2, 2, dtype=torch.bool), 0.36, ones)
    assert np.allclose(x.numpy(), 0.8)


@right("09.6")
def hunt_by_the_signal(put_back):
    """Without noise, what is known is at least fainter."""
    x_s, known, hole, _ = framed()
    x = put_back(x_s, known, hole, 0.25, torch.zeros_like(known))
    assert torch.allclose(x[~hole], known[~hole] / 2, atol=1e-5)


@right("09.6")
def hunt_by_one_pixel(put_back):
    pixel = torch.ones(1, 1, 1, 1)
    x = put_back(pixel, pixel, torch.zeros(1, 1, 1, 1, dtype=torch.bool), torch.tensor(0.64), -pixel)
    assert f"{x.item():.4f}" == "0.2000"


@right("09.6")
def hunt_at_many_times(put_back):
    x_s, known, hole, eps = framed(rows=2)
    for a in (0.9, 0.5, 0.1, 1.0):
        x = put_back(x_s, known, hole, a, eps)
        assert torch.allclose(x, torch.where(hole, x_s, a**0.5 * known + (1 - a) ** 0.5 * eps), atol=1e-4), a


@right("09.6")
def hunt_by_the_variance(put_back):
    """Pictures and noise of variance 1 stay at variance 1, and known ones of variance 4 do not stay at 4."""
    x_s, known, hole, eps = framed(size=100)
    assert put_back(x_s, 2 * known, torch.zeros_like(hole), 0.5, eps).var() < 3.2


@right("09.6")
def hunt_by_a_float64_tensor(put_back):
    x_s, known, hole, eps = framed()
    a = torch.tensor(0.5, dtype=torch.float64)
    assert (put_back(x_s, known, hole, a, eps + 10) - known)[~hole].mean() > 1


right("09.6")(lambda put_back: hunt_without_a_hole(put_back))


@wrong("09.6", "lets the broken version pass", "On which input does the bug show")
def hunt_at_the_end(put_back):
    x_s, known, hole, eps = framed()
    assert torch.equal(put_back(x_s, known, hole, 1.0, eps), torch.where(hole, x_s, known))


@wrong("09.6", "lets the broken version pass")
def hunt_in_the_hole(put_back):
    x_s, known, hole, eps = framed()
    assert torch.allclose(put_back(x_s, known, hole, 0.5, eps)[hole], x_s[hole])


@wrong("09.6", "lets the broken version pass")
def hunt_with_everything_a_hole(put_back):
    x_s, known, hole, eps = framed()
    assert torch.allclose(put_back(x_s, known, torch.ones_like(hole), 0.5, eps), x_s)


@wrong("09.6", "lets the broken version pass")
def hunt_for_a_shape_and_a_dtype(put_back):
    x_s, known, hole, eps = framed()
    x = put_back(x_s, known, hole, 0.5, eps)
    assert x.shape == x_s.shape
    assert x.dtype == x_s.dtype


@wrong("09.6", "lets the broken version pass")
def hunt_with_black_and_no_noise(put_back):
    x_s, known, hole, _ = framed()
    zeros = torch.zeros_like(known)
    assert (put_back(x_s, zeros, hole, 0.5, zeros)[~hole] == 0).all()


@wrong("09.6", "lets the broken version pass")
def hunt_for_damage(put_back):
    x_s, known, hole, eps = framed()
    before = x_s.clone()
    put_back(x_s, known, hole, 0.5, eps)
    assert torch.equal(x_s, before)


@wrong("09.6", "lets the broken version pass")
def hunt_for_finite_numbers(put_back):
    x_s, known, hole, eps = framed()
    assert put_back(x_s, known, hole, 0.5, eps).isfinite().all()


@wrong("09.6", "it returns what it found")
def hunt_that_returns_a_comparison(put_back):
    x_s, known, hole, eps = framed()
    return torch.allclose(put_back(x_s, known, hole, 0.5, eps)[~hole], known[~hole])


@wrong("09.6", "refuses a correct version too")
def hunt_for_a_clean_frame(put_back):
    x_s, known, hole, eps = framed()
    assert torch.allclose(put_back(x_s, known, hole, 0.5, eps)[~hole], known[~hole])


@wrong("09.6", "refuses a correct version too", "which of the two does your test see?")
def hunt_for_noise_everywhere(put_back):
    x_s, known, hole, eps = framed()
    expected = torch.where(hole, x_s, math.sqrt(0.5) * known) + math.sqrt(0.5) * eps
    assert torch.allclose(put_back(x_s, known, hole, 0.5, eps), expected, atol=1e-5)


@wrong("09.6", "refuses a correct version too")
def hunt_with_the_hole_turned_round(put_back):
    x_s, known, hole, eps = framed()
    expected = torch.where(hole, math.sqrt(0.5) * known + math.sqrt(0.5) * eps, x_s)
    assert torch.allclose(put_back(x_s, known, hole, 0.5, eps), expected, atol=1e-5)


@wrong("09.6", "refuses a correct version")
def hunt_to_the_last_bit(put_back):
    """One rounding more, and it is another number."""
    x_s, known, hole, eps = framed(size=40)
    expected = torch.where(hole, x_s, (math.sqrt(0.3) * known.double() + math.sqrt(0.7) * eps.double()).float())
    assert torch.equal(put_back(x_s, known, hole, 0.3, eps), expected)


@wrong("09.6", "refuses a correct version too")
def hunt_without_roots(put_back):
    x_s, known, hole, eps = framed()
    expected = torch.where(hole, x_s, 0.7 * known + 0.3 * eps)
    assert torch.allclose(put_back(x_s, known, hole, 0.7, eps), expected, atol=1e-5)


@wrong("09.6", "Your test stops with TypeError", "missing 1 required positional argument: 'eps'")
def hunt_without_noise(put_back):
    x_s, known, hole, _ = framed()
    assert put_back(x_s, known, hole, 0.5) is not None


@wrong("09.6", "never calls put_back")
def hunt_without_a_call(put_back):
    known, eps = torch.randn(2, 1, 1, 8, 8)
    assert not torch.equal(known, eps)


@wrong("09.6", "the course's own find_the_grain")
def hunt_by_the_exercises_own(put_back):
    notebook_09.find_the_grain(put_back)


# --- 09.7 bug hunt: a view that stays turned --------------------------------------------------------------------------


def turned(x):
    return x.rot90(2, (-2, -1))


def a_ramp(x, t):
    """Noise that grows from the first pixel to the last, whatever the picture."""
    return torch.arange(float(x[0].numel())).reshape(x[:1].shape).expand(x.shape)


def weighted(x, t):
    """Each pixel by its place."""
    return a_ramp(x, t) * x + t / 1000


@right("09.7")
def hunt_by_a_ramp(both_views):
    x = torch.randn(2, 1, 4, 4)
    assert torch.allclose(both_views(a_ramp, x, 10), torch.full_like(x, 7.5))


@right("09.7")
def hunt_by_the_mean_formula(both_views):
    x = torch.randn(3, 1, 5, 6)
    expected = (weighted(x, 300) + turned(weighted(turned(x), 300))) / 2
    assert torch.allclose(both_views(weighted, x, 300), expected, rtol=1e-4, atol=1e-4)


@right("09.7")
def hunt_by_the_picture_itself(both_views):
    """An eps_at that answers with what it sees: turned back, that is the picture."""
    x = torch.randn(1, 3, 4, 4)
    assert torch.allclose(both_views(lambda x, t: x, x, 500), x, atol=1e-5)


@right("09.7")
def hunt_by_one_pixel_of_noise(both_views):
    x = torch.zeros(1, 1, 3, 3)
    x[0, 0, 0, 0] = 1
    eps = both_views(lambda x, t: 2 * x, x, 1)
    assert eps[0, 0, 0, 0] > 1.5, "all of the noise is in the first pixel"


@right("09.7")
def hunt_by_a_turned_picture(both_views):
    """Turn the picture, and the answer turns along."""
    x = torch.randn(1, 1, 6, 6)
    torch.testing.assert_close(
        both_views(weighted, turned(x), 7), turned(both_views(weighted, x, 7)), rtol=1e-4, atol=1e-4
    )


@right("09.7")
def hunt_by_a_column(both_views):
    def left(x, t):
        result = torch.zeros_like(x)
        result[..., 0] = 4
        return result

    eps = both_views(left, torch.zeros(1, 1, 3, 3), 100)
    assert torch.allclose(eps[0, 0, 0], torch.tensor([2.0, 0.0, 2.0]))


@right("09.7")
def hunt_by_a_layer(both_views):
    with torch.no_grad():
        net = torch.nn.Linear(16, 16)
        x = torch.randn(1, 1, 4, 4)

        def eps_at(x, t):
            return net(x.flatten(1)).reshape(x.shape)

        expected = eps_at(x, 5) / 2 + eps_at(x.flip(-1, -2), 5).flip(-1, -2) / 2
        assert torch.allclose(both_views(eps_at, x, 5), expected, atol=1e-5)


@right("09.7")
def hunt_by_noise_that_is_known(both_views):
    """x_t is noise alone, and eps_at knows it."""
    noise = torch.randn(4, 1, 8, 8)
    assert (both_views(lambda x, t: x, noise, 1000) - noise).abs().max() < 1e-4


@right("09.7")
def hunt_by_numpy(both_views):
    x = torch.rand(1, 1, 4, 4)
    found = both_views(lambda x, t: x.cumsum(-1), x, 3).numpy()[0, 0]
    picture = x.numpy()[0, 0]
    second = np.rot90(np.cumsum(np.rot90(picture, 2), axis=1), 2)
    np.testing.assert_allclose(found, (np.cumsum(picture, axis=1) + second) / 2, rtol=1e-4)


@right("09.7")
def hunt_by_one_row(both_views):
    row = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    found = both_views(lambda x, t: x**2, row, 1).flatten().tolist()
    assert [round(each, 3) for each in found] == [1, 4, 9]


@right("09.7")
def hunt_by_a_symmetric_picture(both_views):
    """The picture may be symmetric if the answer is not."""
    eps = both_views(a_ramp, torch.zeros(1, 1, 2, 2), 1)
    assert eps.std() < 1e-4


right("09.7")(lambda both_views: hunt_by_a_ramp(both_views))


@wrong("09.7", "lets the broken version pass", "On which input does the bug show")
def hunt_with_ones(both_views):
    x = torch.randn(1, 1, 4, 4)
    assert torch.allclose(both_views(lambda x, t: torch.ones_like(x), x, 1), torch.ones(1, 1, 4, 4))


@wrong("09.7", "lets the broken version pass")
def hunt_with_a_symmetric_picture(both_views):
    """Each pixel by itself, in a picture that is the same upside down."""
    x = torch.eye(4)[None, None]
    assert torch.allclose(both_views(lambda x, t: x.sin(), x, 1), x.sin())


@wrong("09.7", "lets the broken version pass")
def hunt_by_the_mean_of_all(both_views):
    x = torch.randn(1, 1, 4, 4)
    expected = (weighted(x, 1) + weighted(turned(x), 1)).mean() / 2
    assert torch.isclose(both_views(weighted, x, 1).mean(), expected, rtol=1e-3, atol=1e-3)


@wrong("09.7", "lets the broken version pass")
def hunt_for_the_shape(both_views):
    x = torch.randn(2, 3, 4, 4)
    assert both_views(weighted, x, 1).shape == x.shape


@wrong("09.7", "lets the broken version pass")
def hunt_with_one_pixel(both_views):
    x = torch.randn(2, 1, 1, 1)
    assert torch.allclose(both_views(lambda x, t: x, x, 1), x)


@wrong("09.7", "lets the broken version pass")
def hunt_with_a_picture_that_is_black(both_views):
    x = torch.zeros(1, 1, 4, 4)
    assert (both_views(lambda x, t: 3 * x, x, 1) == 0).all()


@wrong("09.7", "lets the broken version pass")
def hunt_for_the_time(both_views):
    x = torch.randn(1, 1, 2, 2)
    assert torch.allclose(both_views(lambda x, t: torch.full_like(x, t), x, 7), torch.full_like(x, 7))


@wrong("09.7", "lets the broken version pass")
def hunt_for_what_is_seen(both_views):
    seen = []

    def eps_at(x, t):
        seen.append(x)
        return x

    x = torch.randn(1, 1, 4, 4)
    both_views(eps_at, x, 1)
    assert len(seen) == 2
    assert any(torch.equal(each, turned(x)) for each in seen)


@wrong("09.7", "it returns what it found")
def hunt_that_returns_whether(both_views):
    x = torch.randn(1, 1, 4, 4)
    return torch.allclose(both_views(lambda x, t: x, x, 1), x)


@wrong("09.7", "refuses a correct version too")
def hunt_for_a_second_answer_as_it_is(both_views):
    x = torch.randn(1, 1, 4, 4)
    expected = (weighted(x, 1) + weighted(turned(x), 1)) / 2
    assert torch.allclose(both_views(weighted, x, 1), expected, rtol=1e-4)


@wrong("09.7", "refuses a correct version too", "the mean of two answers")
def hunt_for_a_sum(both_views):
    x = torch.randn(1, 1, 4, 4)
    assert torch.allclose(both_views(lambda x, t: x, x, 1), 2 * x)


@wrong("09.7", "refuses a correct version too")
def hunt_for_one_view(both_views):
    x = torch.randn(1, 1, 4, 4)
    assert torch.allclose(both_views(weighted, x, 1), weighted(x, 1))


@wrong("09.7", "refuses a correct version", "should not count its calls")
def hunt_by_the_order_of_calls(both_views):
    """It answers 0 to the first question, and the ramp to the second."""
    answers = iter([0.0, 1.0])
    x = torch.zeros(1, 1, 2, 2)
    eps = both_views(lambda x, t: next(answers) * a_ramp(x, t), x, 1)
    assert torch.allclose(eps, turned(a_ramp(x, 1)) / 2)


@wrong("09.7", "Your test stops with TypeError", "missing 1 required positional argument: 't'")
def hunt_without_a_time(both_views):
    x = torch.randn(1, 1, 4, 4)
    assert torch.allclose(both_views(lambda x, t: x, x), x)


@wrong("09.7", "Your test stops with TypeError", "takes 1 positional argument")
def hunt_with_an_eps_without_a_time(both_views):
    x = torch.randn(1, 1, 4, 4)
    assert torch.allclose(both_views(lambda x: x, x, 1), x)


@wrong("09.7", "never calls both_views")
def hunt_without_views(both_views):
    x = torch.randn(1, 1, 4, 4)
    assert torch.allclose(turned(turned(x)), x)


@wrong("09.7", "the course's own find_what_stays_turned")
def hunt_by_the_exercises_own_views(both_views):
    notebook_09.find_what_stays_turned(both_views)
