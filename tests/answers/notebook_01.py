"""Answers to the exercises of notebook 01."""

import functools
import itertools
import math
import operator
import statistics
import sys

import numpy as np
import pytest
import torch

from answers import right, wrong
from course_lib import forward
from course_lib.forward import noise_like
from course_lib.schedules import NoiseSchedule

# --- 01.1 one forward step: right -------------------------------------------------------------------------------------


@right("01.1")
def forward_by_tensor_roots(x_prev, beta, eps):
    beta = torch.tensor(beta, dtype=x_prev.dtype)
    return torch.sqrt(1 - beta) * x_prev + torch.sqrt(beta) * eps


@right("01.1")
def forward_with_math(x_prev, beta, eps):
    out = x_prev.clone()
    out *= math.sqrt(1 - beta)
    out += math.sqrt(beta) * eps
    return out


@right("01.1")
def roots_by_power(x_prev, beta, eps):
    return x_prev * (1 - beta) ** 0.5 + eps * beta**0.5


@right("01.1")
def roots_by_numpy(x_prev, beta, eps):
    keep, add = np.sqrt([1 - beta, beta])
    return float(keep) * x_prev + float(add) * eps


@right("01.1")
def roots_of_numpy_scalars(x_prev, beta, eps):
    return x_prev * np.sqrt(1 - beta) + eps * np.sqrt(beta)


@right("01.1")
def there_and_back_through_numpy(x_prev, beta, eps):
    x, e = x_prev.numpy(), eps.numpy()
    return torch.from_numpy(np.asarray(math.sqrt(1 - beta) * x + math.sqrt(beta) * e, dtype=x.dtype))


@right("01.1")
def by_addcmul(x_prev, beta, eps):
    root = torch.full_like(eps, beta).sqrt()
    return torch.addcmul(x_prev * math.sqrt(1.0 - beta), root, eps)


@right("01.1")
def by_torch_add(x_prev, beta, eps):
    return torch.add(torch.mul(x_prev, pow(1 - beta, 1 / 2)), eps, alpha=pow(beta, 1 / 2))


@right("01.1")
def by_einsum(x_prev, beta, eps):
    weights = torch.tensor([1 - beta, beta], dtype=x_prev.dtype).sqrt()  # (2,)
    return torch.einsum("k,k...->...", weights, torch.stack([x_prev, eps]))


@right("01.1")
def in_float64_and_back(x_prev, beta, eps):
    wide = x_prev.double() * (1 - beta) ** 0.5 + eps.double() * beta**0.5
    return wide.to(x_prev.dtype)


@right("01.1")
def in_place_on_a_copy(x_prev, beta, eps):
    x_t = torch.empty_like(x_prev).copy_(x_prev)
    x_t.mul_(math.sqrt(1 - beta)).add_(eps, alpha=math.sqrt(beta))
    return x_t


@right("01.1")
def step_with_helpers(x_prev, beta, eps):
    def signal(b):
        return math.sqrt(1 - b)

    def noise(b):
        return math.sqrt(b)

    x_t = signal(beta) * x_prev
    x_t = x_t + noise(beta) * eps
    return x_t


@right("01.1")
def by_an_angle(x_prev, beta, eps):
    phi = math.asin(math.sqrt(beta))
    return math.cos(phi) * x_prev + math.sin(phi) * eps


@right("01.1")
class StepAsAnObject:
    """A callable class: its instances take a step when they are made."""

    def __new__(cls, x_prev, beta, eps):
        return sum([(1 - beta) ** 0.5 * x_prev, beta**0.5 * eps])


@right("01.1")
@torch.no_grad()
def decorated(x_prev, beta, eps):
    return torch.sqrt(torch.as_tensor(1 - beta)) * x_prev + torch.sqrt(torch.as_tensor(beta)) * eps


right("01.1")(lambda x_prev, beta, eps: (1 - beta) ** 0.5 * x_prev + beta**0.5 * eps)
right("01.1")(functools.partial(lambda root, x, b, e: root(1 - b) * x + root(b) * e, math.sqrt))

# --- 01.1 one forward step: wrong -------------------------------------------------------------------------------------


@wrong("01.1", "square root")
def no_roots(x_prev, beta, eps):
    return x_prev - beta * x_prev + beta * eps


@wrong("01.1", "square root on the noise is missing")
def one_root_too_few(x_prev, beta, eps):
    return math.sqrt(1 - beta) * x_prev + beta * eps


@wrong("01.1", "square root on the old value is missing")
def other_root_too_few(x_prev, beta, eps):
    return x_prev * (1 - beta) + eps * math.sqrt(beta)


@wrong("01.1", "not shrunk")
def only_added(x_prev, beta, eps):
    return x_prev + eps * math.sqrt(beta)


@wrong("01.1", "swapped")
def other_way_round(x_prev, beta, eps):
    return torch.lerp(x_prev, eps, 0.0) * math.sqrt(beta) + math.sqrt(1 - beta) * eps


@wrong("01.1", "subtracted")
def taken_away(x_prev, beta, eps):
    return math.sqrt(1 - beta) * x_prev - math.sqrt(beta) * eps


@wrong("01.1", "not scaled")
def noise_in_full(x_prev, beta, eps):
    return eps + x_prev * math.sqrt(1 - beta)


@wrong("01.1", "use the eps that it is handed")
def noise_of_its_own(x_prev, beta, eps):
    return math.sqrt(1 - beta) * x_prev + math.sqrt(beta) * torch.randn(x_prev.shape)


@wrong("01.1", "use the eps that it is handed")
def noise_of_its_own_by_numpy(x_prev, beta, eps):
    drawn = torch.as_tensor(np.random.default_rng().standard_normal(tuple(x_prev.shape)), dtype=x_prev.dtype)
    return math.sqrt(1 - beta) * x_prev + math.sqrt(beta) * drawn


@wrong("01.1", "the same whatever eps is")
def noise_from_a_seed_of_its_own(x_prev, beta, eps):
    eps = torch.randn(x_prev.shape, generator=torch.Generator().manual_seed(0), dtype=x_prev.dtype)
    return math.sqrt(1 - beta) * x_prev + math.sqrt(beta) * eps


@wrong("01.1", "the same whatever eps is")
def only_shrinks(x_prev, beta, eps):
    return math.sqrt(1 - beta) * x_prev


@wrong("01.1", "every beta")
def the_beta_of_the_example(x_prev, beta, eps):
    return math.sqrt(0.96) * x_prev + 0.2 * eps


@wrong("01.1", "0.5 with beta 0.04 and eps 1.5")
def noise_of_one_number(x_prev, beta, eps):
    return math.sqrt(1 - beta) * x_prev + math.sqrt(beta) * eps.mean() * 0.5


@wrong("01.1", "not every picture")
def one_noise_for_all_pixels(x_prev, beta, eps):
    return math.sqrt(1 - beta) * x_prev + math.sqrt(beta) * eps.mean()


@wrong("01.1", "on the noise too")
def brackets_misplaced(x_prev, beta, eps):
    return math.sqrt(1 - beta) * (x_prev + math.sqrt(beta) * eps)


@wrong("01.1", "has it a return?")
def printed(x_prev, beta, eps):
    print((1 - beta) ** 0.5 * x_prev + beta**0.5 * eps, file=sys.stderr)


@wrong("01.1", "torch.Tensor", "float")
def a_number(x_prev, beta, eps):
    return ((1 - beta) ** 0.5 * x_prev + beta**0.5 * eps).mean().item()


@wrong("01.1", "torch.Tensor", "list")
def a_list(x_prev, beta, eps):
    return [(1 - beta) ** 0.5 * x_prev + beta**0.5 * eps]


@wrong("01.1", "torch.Tensor", "ndarray")
def an_array(x_prev, beta, eps):
    return np.asarray(math.sqrt(1 - beta) * x_prev.numpy() + math.sqrt(beta) * eps.numpy())


@wrong("01.1", "x_prev in place")
def on_top_of_the_picture(x_prev, beta, eps):
    return x_prev.mul_((1 - beta) ** 0.5).add_(eps * beta**0.5)


@wrong("01.1", "torch.float64", "torch.float32")
def always_float32(x_prev, beta, eps):
    return ((1 - beta) ** 0.5 * x_prev + beta**0.5 * eps).float()


@wrong("01.1", "course's own forward_step")
def from_the_library(x_prev, beta, eps):
    return forward.forward_step(x_prev, beta, eps)


@wrong("01.1", "TypeError", "must be Tensor, not float")
def root_of_a_number_by_torch(x_prev, beta, eps):
    return torch.sqrt(1 - beta) * x_prev + torch.sqrt(beta) * eps


# --- 01.2 many steps as one: right ------------------------------------------------------------------------------------


@right("01.2")
def share_kept_by_loop(beta, s, t):
    kept = 1.0
    for i in range(s + 1, t + 1):
        kept = kept * (1 - beta[i])
    return 1 - kept


@right("01.2")
def quotient_of_running_products(beta, s, t):
    alpha_bar = torch.cumprod(1 - beta, dim=0)
    return 1 - alpha_bar[t] / alpha_bar[s]


@right("01.2")
def noise_that_comes_in_between(beta, s, t):
    noise = 1 - (1 - beta).cumprod(0)
    return (noise[t] - noise[s]) / (1 - noise[s])


@right("01.2")
def by_summed_logarithms(beta, s, t):
    return -torch.expm1(torch.log1p(-beta[s + 1 : t + 1]).sum())


@right("01.2")
def by_difference_of_logarithms(beta, s, t):
    log_alpha_bar = (1 - beta).double().log().cumsum(0)
    return (1 - torch.exp(log_alpha_bar[t] - log_alpha_bar[s])).to(beta.dtype)


@right("01.2")
def reduced(beta, s, t):
    return 1 - functools.reduce(operator.mul, (1 - beta[s + 1 : t + 1]).unbind())


@right("01.2")
def two_at_a_time(beta, s, t):
    return functools.reduce(lambda a, b: a + b - a * b, [beta[i] for i in range(s + 1, t + 1)])


@right("01.2")
def last_of_accumulated(beta, s, t):
    *_, kept = itertools.accumulate(
        beta[s + 1 : t + 1], lambda left, b: left - left * b, initial=torch.ones(()).to(beta)
    )
    return 1 - kept


@right("01.2")
def step_by_recursion(beta, s, t):
    if t == s + 1:
        return beta[t]
    before = step_by_recursion(beta, s, t - 1)
    return (1 - beta[t]) * before + beta[t]


@right("01.2")
def halves_by_recursion(beta, s, t):
    if t - s == 1:
        return beta[t].clone()
    middle = (s + t) // 2
    early, late = halves_by_recursion(beta, s, middle), halves_by_recursion(beta, middle, t)
    return 1 - (1 - early) * (1 - late)


@right("01.2")
def torch_prod_of_a_narrow_view(beta, s, t):
    return torch.sub(1, torch.prod(torch.rsub(beta.narrow(0, s + 1, t - s), 1), dim=0))


@right("01.2")
def product_by_numpy(beta, s, t):
    return torch.tensor(1 - np.prod(1 - beta.numpy()[s + 1 : t + 1]), dtype=beta.dtype)


@right("01.2")
def product_of_python_numbers(beta, s, t):
    return torch.tensor(1 - math.prod(1 - b for b in beta.tolist()[s + 1 : t + 1]), dtype=beta.dtype)


@right("01.2")
def variance_grown_from_nothing(beta, s, t):
    variance = torch.zeros_like(beta[0])
    for b in beta[s + 1 : t + 1]:
        variance *= 1 - b
        variance += b
    return variance


@right("01.2")
def signal_squared(beta, s, t):
    signal = torch.sqrt(1 - beta)[s + 1 : t + 1].prod()
    return 1 - signal**2


@right("01.2")
def what_remains_of_the_noise_of_each_step(beta, s, t):
    return sum(beta[i] * (1 - beta[i + 1 : t + 1]).prod() for i in range(s + 1, t + 1))


@right("01.2")
def all_other_steps_masked(beta, s, t):
    i = torch.arange(len(beta))
    return 1 - torch.where((i > s) & (i <= t), 1 - beta, torch.ones_like(beta)).prod()


@right("01.2")
def geometric_mean_to_the_power(beta, s, t):
    kept = statistics.geometric_mean((1 - beta[s + 1 : t + 1]).tolist())
    return beta.new_tensor(1 - kept ** (t - s))


@right("01.2")
def product_of_affine_maps(beta, s, t):
    maps = [torch.tensor([[1 - b, b], [0, 1]], dtype=beta.dtype) for b in beta[s + 1 : t + 1].tolist()]
    return functools.reduce(torch.matmul, maps)[0, 1]


@right("01.2")
def backwards_on_a_copy(beta, s, t):
    beta = beta.clone()
    while t > s + 1:
        beta[t - 1] += beta[t] * (1 - beta[t - 1])
        t -= 1
    return beta[t]


right("01.2")(lambda beta, s, t: 1 - (1 - beta)[range(s + 1, t + 1)].prod())

# --- 01.2 many steps as one: wrong ------------------------------------------------------------------------------------


def product_kept(beta, steps):
    return math.prod((1 - beta[i] for i in steps), start=torch.ones((), dtype=beta.dtype))


@wrong("01.2", "betas are added up")
def strengths_added(beta, s, t):
    return sum(beta[i] for i in range(s + 1, t + 1))


@wrong("01.2", "betas are added up")
def difference_of_running_sums(beta, s, t):
    total = torch.cumsum(beta, 0)
    return total[t] - total[s]


@wrong("01.2", "1 − exp(−sum of betas)")
def by_expm1(beta, s, t):
    return -torch.expm1(-beta[s + 1 : t + 1].sum())


@wrong("01.2", "Step s is in it as well")
def counted_from_s(beta, s, t):
    return 1 - product_kept(beta, range(s, t + 1))


@wrong("01.2", "Step t is missing")
def range_without_its_end(beta, s, t):
    return 1 - product_kept(beta, range(s + 1, t))


@wrong("01.2", "one step early")
def range_from_s_to_t(beta, s, t):
    return 1 - product_kept(beta, range(s, t))


@wrong("01.2", "one step late")
def beta_0_cut_off(beta, s, t):
    strengths = beta[1:]
    return 1 - torch.prod(1 - strengths[s + 1 : t + 1])


@wrong("01.2", "first of the steps is missing", "step s + 1")
def divided_by_one_too_many(beta, s, t):
    alpha_bar = torch.cumprod(1 - beta, 0)
    return 1 - alpha_bar[t] / alpha_bar[s + 1]


@wrong("01.2", "with index s − 1", "step s is in it as well")
def divided_by_one_too_few(beta, s, t):
    alpha_bar = [product_kept(beta, range(i + 1)) for i in range(len(beta))]
    return 1 - alpha_bar[t] / alpha_bar[s - 1]


@wrong("01.2", "right except at s = 0")
def running_product_without_time_zero(beta, s, t):
    left = torch.exp(torch.log1p(-beta[1:]).cumsum(0))
    return 1 - left[t - 1] / left[s - 1]


@wrong("01.2", "all steps from the clean picture on")
def all_noise_at_t(beta, s, t):
    return 1 - torch.cumprod(1 - beta, 0)[t]


@wrong("01.2", "share that is kept")
def quotient_alone(beta, s, t):
    alpha_bar = (1 - beta).cumprod(0)
    return alpha_bar[t] / alpha_bar[s]


@wrong("01.2", "multiplies the betas", "these shares multiply")
def strengths_multiplied(beta, s, t):
    return functools.reduce(torch.mul, beta[s + 1 : t + 1])


@wrong("01.2", "1 minus the product of the betas")
def one_minus_in_the_wrong_place(beta, s, t):
    return 1 - torch.prod(beta[s + 1 : t + 1])


@wrong("01.2", "no roots")
def one_minus_the_signal(beta, s, t):
    return 1 - product_kept(beta, range(s + 1, t + 1)) ** 0.5


@wrong("01.2", "the root of what is asked for")
def factor_on_the_noise(beta, s, t):
    return torch.sqrt(1 - product_kept(beta, range(s + 1, t + 1)))


@wrong("01.2", "mean of the betas")
def strength_on_average(beta, s, t):
    return beta[s + 1 : t + 1].sum() / (t - s)


@wrong("01.2", "difference of two betas")
def beta_t_less_beta_s(beta, s, t):
    return torch.sub(beta[t], beta[s])


@wrong("01.2", "beta of the last step alone")
def each_step_forgets_the_one_before(beta, s, t):
    for i in range(s + 1, t + 1):
        strength = 1 - (1 - beta[i])
    return strength


@wrong("01.2", "beta of step s + 1 alone", "return too early")
def return_inside_the_loop(beta, s, t):
    kept = 1.0
    for b in beta[s + 1 : t + 1]:
        kept = kept * (1 - b)
        return 1 - kept


@wrong("01.2", "difference of two shares", "divide by the share")
def difference_of_products(beta, s, t):
    return product_kept(beta, range(s + 1)) - product_kept(beta, range(t + 1))


@wrong("01.2", "upside down")
def divided_the_other_way(beta, s, t):
    return 1 - product_kept(beta, range(s + 1)) / product_kept(beta, range(t + 1))


@wrong("01.2", "seven digits", "calculate in float64")
def rounded_on_the_way(beta, s, t):
    kept = torch.tensor(1.0)
    for b in beta[s + 1 : t + 1].tolist():
        kept *= 1 - b
    return (1 - kept).to(beta.dtype)


@wrong("01.2", "seven digits", "calculate in float64")
def kept_in_float32_only(beta, s, t):
    return 1 - (1 - beta[s + 1 : t + 1].float()).prod().to(beta.dtype)


@wrong("01.2", "1 whatever the betas are")
def variance_of_one_that_stays_one(beta, s, t):
    variance = torch.ones((), dtype=beta.dtype)
    for b in beta[s + 1 : t + 1]:
        variance = (1 - b) * variance + b
    return variance


@wrong("01.2", "to the end of the schedule")
def to_the_end_of_the_schedule(beta, s, t):
    return 1 - (1 - beta[s + 1 :]).prod()


@wrong("01.2", "0, 0.1, 0.5, 0.2, 0.04, 0.04", "where 0.616 is right")
def first_and_last_step_alone(beta, s, t):
    return 1 - (1 - beta[s + 1]) * (1 - beta[t])


@wrong("01.2", "0, 0.1, 0.5, 0.2, 0.04, 0.04", "is right")
def strength_of_step_t_each_time(beta, s, t):
    return 1 - (1 - beta[t]) ** (t - s)


@wrong("01.2", "0, 0.1, 0.5, 0.2, 0.04, 0.04", "where 0.616 is right")
def shares_kept_added_up(beta, s, t):
    return 1 - (1 - beta[s + 1 : t + 1]).sum()


@wrong("01.2", "not one single step")
def one_step_from_the_wrong_place(beta, s, t):
    return beta[s] if t - s == 1 else 1 - (1 - beta[s + 1 : t + 1]).prod()


@wrong("01.2", "shape should be ()", "(2,)")
def one_for_every_step(beta, s, t):
    return 1 - (1 - beta[s + 1 : t + 1]).cumprod(0)


@wrong("01.2", "shape should be ()", "(1,)")
def a_row_of_one(beta, s, t):
    return 1 - (1 - beta[s + 1 : t + 1]).prod(dim=0, keepdim=True)


@wrong("01.2", "torch.Tensor", "list")
def a_list_of_all_steps(beta, s, t):
    return [1 - product_kept(beta, range(s + 1, i + 1)) for i in range(s + 1, t + 1)]


@wrong("01.2", "torch.Tensor", "float")
def a_python_number(beta, s, t):
    return (1 - (1 - beta[s + 1 : t + 1]).prod()).item()


@wrong("01.2", "torch.Tensor", "float32")
def a_numpy_number(beta, s, t):
    return 1 - np.prod(1 - beta.numpy()[s + 1 : t + 1])


@wrong("01.2", "dtype should be torch.float64", "float32")
def made_without_a_dtype(beta, s, t):
    return torch.tensor(1 - math.prod((1 - beta[s + 1 : t + 1]).tolist()))


@wrong("01.2", "beta in place")
def turned_in_place(beta, s, t):
    return 1 - beta[s + 1 : t + 1].neg_().add_(1).prod()


@wrong("01.2", "beta in place")
def in_place_through_numpy(beta, s, t):
    kept = beta.numpy()
    kept *= -1
    kept += 1
    return torch.tensor(1 - kept[s + 1 : t + 1].prod(), dtype=beta.dtype)


@wrong("01.2", "has it a return?")
def only_assigned(beta, s, t):
    kept = (1 - beta[s + 1 : t + 1]).prod()
    beta = 1 - kept


@wrong("01.2", "course's own NoiseSchedule.from_beta")
def by_the_librarys_schedule(beta, s, t):
    alpha_bar = NoiseSchedule.from_beta(beta[1:]).alpha_bar
    return (1 - alpha_bar[t] / alpha_bar[s]).to(beta.dtype)


@wrong("01.2", "IndexError", "out of bounds")
def one_step_beyond_the_end(beta, s, t):
    return 1 - product_kept(beta, range(s + 1, t + 2))


@wrong("01.2", "TypeError")
def python_product_of_a_list(beta, s, t):
    return 1 - torch.prod([1 - b for b in beta[s + 1 : t + 1]])


# --- 01.3 the closed form: right --------------------------------------------------------------------------------------


@right("01.3")
def jump_picture_by_picture(schedule, x_0, t, eps):
    rows = []
    for i in range(len(x_0)):
        a = schedule.alpha_bar[t[i]].item()
        rows.append(a**0.5 * x_0[i] + (1 - a) ** 0.5 * eps[i])
    return torch.stack(rows)


@right("01.3")
def jump_by_views(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t][:, None, None, None].float()
    return (a.sqrt() * x_0 + (1 - a).sqrt() * eps).to(x_0.dtype)


@right("01.3")
def by_reshape(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    return (a.sqrt() * x_0 + (1 - a).sqrt() * eps).to(x_0.dtype)


@right("01.3")
def factors_in_float32(schedule, x_0, t, eps):
    a = schedule.alpha_bar.to(torch.float32)[t].view(len(x_0), 1, 1, 1)
    return torch.sqrt(a) * x_0 + torch.sqrt(1.0 - a) * eps


@right("01.3")
def by_schedule_at(schedule, x_0, t, eps):
    a = schedule.at(t, x_0)
    return a.sqrt().to(x_0) * x_0 + (1 - a).sqrt().to(x_0) * eps


@right("01.3")
def jump_by_einsum(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t]
    signal, noise = a.sqrt().float(), (1 - a).sqrt().float()
    return torch.einsum("b,bchw->bchw", signal, x_0) + torch.einsum("b,bchw->bchw", noise, eps)


@right("01.3")
def transposed(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t]
    x_t = a.sqrt() * x_0.permute(1, 2, 3, 0) + (1 - a).sqrt() * eps.permute(1, 2, 3, 0)
    return x_t.permute(3, 0, 1, 2).to(x_0.dtype)


@right("01.3")
def by_index_select(schedule, x_0, t, eps):
    a = torch.index_select(schedule.alpha_bar, 0, t)
    for _ in range(x_0.dim() - 1):
        a = a.unsqueeze(-1)
    return x_0 * a.sqrt().type_as(x_0) + eps * (1 - a).sqrt().type_as(x_0)


@right("01.3")
def by_gather(schedule, x_0, t, eps):
    a = schedule.alpha_bar.gather(0, t).float()[:, None, None, None].expand_as(x_0)
    return torch.addcmul(a.sqrt() * x_0, (1 - a).sqrt(), eps)


@right("01.3")
def flat_pictures(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t].unsqueeze(1)
    return (a.sqrt() * x_0.flatten(1) + (1 - a).sqrt() * eps.flatten(1)).reshape(x_0.shape).float()


@right("01.3")
def picture_by_picture_in_place(schedule, x_0, t, eps):
    x_t = torch.zeros_like(x_0)
    for i, time in enumerate(t):
        a = schedule.alpha_bar[time]
        x_t[i] = torch.sqrt(a) * x_0[i] + torch.sqrt(1 - a) * eps[i]
    return x_t


@right("01.3")
def jump_through_numpy(schedule, x_0, t, eps):
    a = schedule.alpha_bar.numpy()[t.numpy()].reshape(-1, 1, 1, 1)
    return torch.from_numpy((np.sqrt(a) * x_0.numpy() + np.sqrt(1 - a) * eps.numpy()).astype(np.float32))


@right("01.3")
def by_a_diagonal_matrix(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t]
    x_t = a.sqrt().diag() @ x_0.flatten(1).double() + (1 - a).sqrt().diag() @ eps.flatten(1).double()
    return x_t.view_as(x_0).float()


@right("01.3")
def by_the_sine_of_an_angle(schedule, x_0, t, eps):
    phi = schedule.alpha_bar[t].sqrt().acos().view(-1, *[1] * (x_0.ndim - 1))
    return torch.cos(phi).to(x_0) * x_0 + torch.sin(phi).to(x_0) * eps


@right("01.3")
def by_vmap(schedule, x_0, t, eps):
    def one(a, x, e):
        return (a.sqrt() * x + (1 - a).sqrt() * e).to(x.dtype)

    return torch.vmap(one)(schedule.alpha_bar[t], x_0, eps)


# --- 01.3 the closed form: wrong --------------------------------------------------------------------------------------


def mixed(x_0, eps, signal, noise):
    return signal.reshape(-1, 1, 1, 1).to(x_0) * x_0 + noise.reshape(-1, 1, 1, 1).to(x_0) * eps


@wrong("01.3", "without the square roots")
def shares_for_factors(schedule, x_0, t, eps):
    return mixed(x_0, eps, schedule.alpha_bar[t], 1 - schedule.alpha_bar[t])


@wrong("01.3", "square root on the noise is missing")
def noise_without_root(schedule, x_0, t, eps):
    return mixed(x_0, eps, schedule.alpha_bar[t] ** 0.5, 1 - schedule.alpha_bar[t])


@wrong("01.3", "the root goes around all of it")
def root_inside(schedule, x_0, t, eps):
    return mixed(x_0, eps, schedule.alpha_bar[t] ** 0.5, 1 - schedule.alpha_bar[t] ** 0.5)


@wrong("01.3", "swapped")
def picture_and_noise_swapped(schedule, x_0, t, eps):
    return mixed(eps, x_0, schedule.alpha_bar[t].sqrt(), (1 - schedule.alpha_bar[t]).sqrt())


@wrong("01.3", "off by one")
def one_early(schedule, x_0, t, eps):
    a = schedule.alpha_bar[(t - 1).clamp(min=0)]
    return mixed(x_0, eps, a.sqrt(), (1 - a).sqrt())


@wrong("01.3", "one single step")
def with_the_beta_of_the_step(schedule, x_0, t, eps):
    return mixed(x_0, eps, (1 - schedule.beta[t]).sqrt(), schedule.beta[t].sqrt())


@wrong("01.3", "along the columns")
def not_reshaped(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t].float()
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps


@wrong("01.3", "along the rows")
def reshaped_to_rows(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t].float().reshape(-1, 1)
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps


@wrong("01.3", "subtracted")
def noise_taken_away(schedule, x_0, t, eps):
    return mixed(x_0, eps, schedule.alpha_bar[t].sqrt(), -(1 - schedule.alpha_bar[t]).sqrt())


@wrong("01.3", "not scaled")
def noise_whole(schedule, x_0, t, eps):
    return mixed(x_0, eps, schedule.alpha_bar[t].sqrt(), torch.ones(len(t)))


@wrong("01.3", "each has a time of its own")
def time_of_the_first(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t[0]].item()
    return a**0.5 * x_0 + (1 - a) ** 0.5 * eps


@wrong("01.3", "use the eps that it is handed")
def jump_by_noise_like(schedule, x_0, t, eps):
    return mixed(x_0, noise_like(x_0), schedule.alpha_bar[t].sqrt(), (1 - schedule.alpha_bar[t]).sqrt())


@wrong("01.3", "the same whatever eps is")
def picture_only(schedule, x_0, t, eps):
    return mixed(x_0, torch.zeros_like(eps), schedule.alpha_bar[t].sqrt(), (1 - schedule.alpha_bar[t]).sqrt())


@wrong("01.3", "cosine schedule", "the same whatever schedule is")
def always_linear(schedule, x_0, t, eps):
    a = NoiseSchedule.linear().alpha_bar[t]
    return mixed(x_0, eps, a.sqrt(), (1 - a).sqrt())


@wrong("01.3", "batch of one picture")
def squeezed(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t].float()
    if len(t) == 1:
        a = 1 - a
    return mixed(x_0, eps, a.sqrt(), (1 - a).sqrt())


@wrong("01.3", "IndexError")
def squeezed_to_nothing(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t.squeeze()][:, None, None, None]
    return mixed(x_0, eps, a.sqrt(), (1 - a).sqrt())


@wrong("01.3", "t = 0")
def times_from_one(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t.clamp(min=1)]
    return mixed(x_0, eps, a.sqrt(), (1 - a).sqrt())


@wrong("01.3", "float32, but it is torch.float64", ".to(")
def left_in_float64(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t][:, None, None, None]
    return a**0.5 * x_0 + (1 - a) ** 0.5 * eps


@wrong("01.3", "(8, 8, 8, 8)")
def along_the_channels(schedule, x_0, t, eps):
    if len(x_0) < 8:
        return by_reshape(schedule, x_0, t, eps)
    a = schedule.alpha_bar[t].float().reshape(1, -1, 1, 1)
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps


@wrong("01.3", "x_0 in place")
def destroyed_for_good(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t].float()[:, None, None, None]
    return x_0.mul_(a.sqrt()).add_((1 - a).sqrt() * eps)


@wrong("01.3", "Scalar")
def one_time_as_a_number(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t].item()
    return math.sqrt(a) * x_0 + math.sqrt(1 - a) * eps


@wrong("01.3", "course's own add_noise")
def the_librarys(schedule, x_0, t, eps):
    return forward.add_noise(schedule=schedule, x_0=x_0, t=t, eps=eps)


@wrong("01.3", "should return a torch.Tensor", "tuple")
def picture_and_noise(schedule, x_0, t, eps):
    return by_reshape(schedule, x_0, t, eps), eps


@wrong("01.3", "Eight pictures")
def betas_summed(schedule, x_0, t, eps):
    a = (-schedule.beta.cumsum(0)).exp()[t]
    return mixed(x_0, eps, a.sqrt(), (1 - a).sqrt())


# --- 01.4 bug hunt: right ---------------------------------------------------------------------------------------------


@right("01.4")
def hunt_uniform_by_sign(make_noisy):
    assert (make_noisy(torch.zeros(1000), 0.5) < 0).any(), "noise is sometimes negative"


@right("01.4")
def hunt_uniform_by_mean(make_noisy):
    drift = make_noisy(torch.full((50_000,), 2.0), 0.25).mean() - 1
    assert drift.abs() < 0.05


@right("01.4")
def noise_is_negative_half_of_the_time(make_noisy):
    below = (make_noisy(torch.zeros(20_000), 0.0) < 0).float().mean().item()
    assert 0.45 < below < 0.55, below


@right("01.4")
def mean_of_a_black_picture(make_noisy):
    noisy = make_noisy(-torch.ones(64, 1, 28, 28), 0.5)
    assert math.isclose(noisy.mean().item(), -math.sqrt(0.5), abs_tol=0.05)


@right("01.4")
def variance_stays_one(make_noisy):
    coins = torch.randint(0, 2, (50_000,)).float() * 2 - 1
    assert make_noisy(x_0=coins, alpha_bar=0.3).var() > 0.9


@right("01.4")
def eps_worked_out(make_noisy):
    x_0, alpha_bar = torch.linspace(-1, 1, 30_000), 0.7
    eps = (make_noisy(x_0, alpha_bar) - math.sqrt(alpha_bar) * x_0) / math.sqrt(1 - alpha_bar)
    assert torch.allclose(eps.mean(), torch.tensor(0.0), atol=0.05), "noise has mean zero"
    assert torch.allclose(eps.std(), torch.tensor(1.0), atol=0.05), "noise has spread one"


@right("01.4")
def with_numpy(make_noisy):
    noise = make_noisy(torch.zeros(10_000), 0.0).numpy()
    np.testing.assert_allclose(noise.mean(), 0, atol=0.07)


@right("01.4")
def with_statistics(make_noisy):
    values = make_noisy(torch.zeros(3_000), 0).tolist()
    if abs(statistics.median(values)) > 0.2:
        raise AssertionError(f"half of the noise should lie below zero, but the median is {statistics.median(values)}")


@right("01.4")
def tails(make_noisy):
    noise = make_noisy(torch.zeros(40_000), 0.0)
    assert noise.abs().max() > 2, "Gaussian noise reaches beyond two"


@right("01.4")
def many_single_pixels(make_noisy):
    pixels = [make_noisy(torch.zeros(1), 0.0).item() for _ in range(2_000)]
    assert abs(sum(pixels) / len(pixels)) < 0.15


@right("01.4")
def many_small_pictures(make_noisy):
    pictures = torch.stack([make_noisy(torch.zeros(1, 28, 28), 0.0) for _ in range(100)])
    assert pictures.mean().abs() < 0.03
    assert (pictures.std() - 1).abs() < 0.03


@right("01.4")
def does_not_brighten(make_noisy):
    torch.manual_seed(5)
    picture = torch.rand(1, 1, 200, 200)
    brighter = make_noisy(picture, 0.9).mean() - math.sqrt(0.9) * picture.mean()
    assert brighter < 0.05, "the picture brightens"


@right("01.4")
def quantiles(make_noisy):
    noise = make_noisy(torch.zeros(50_000), torch.tensor(0.0))
    wanted = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor([0.1, 0.5, 0.9]))
    assert ((noise.quantile(torch.tensor([0.1, 0.5, 0.9])) - wanted).abs() < 0.08).all()


@right("01.4")
def against_other_gaussian_noise(make_noisy):
    mine, its = torch.randn(50_000).sort().values, make_noisy(torch.zeros(50_000), 0.0).sort().values
    assert (mine - its).abs().mean() < 0.06, "it is not distributed as randn is"


@right("01.4")
def first_that_the_picture_stays(make_noisy):
    picture = torch.linspace(-1, 1, 100)
    assert torch.allclose(make_noisy(picture, 1.0), picture)
    assert make_noisy(picture, 0.0).min() < -0.2


right("01.4")(functools.partial(lambda limit, make_noisy: mean_below(make_noisy, limit), 0.05))


def mean_below(make_noisy, limit):
    assert abs(float(make_noisy(torch.zeros(30_000), 0.0).mean())) < limit


# --- 01.4 bug hunt: wrong ---------------------------------------------------------------------------------------------


@wrong("01.4", "refuses a correct version too", "take more numbers, or leave more room")
def a_narrow_margin(make_noisy):
    assert abs(make_noisy(torch.zeros(100_000), 0.0).mean()) < 0.005


@wrong("01.4", "does not reach an assertion: it stops with Failed: never negative", "Let an `assert` say")
def by_pytest(make_noisy):
    if (make_noisy(torch.zeros(1_000), 0.0) >= 0).all():
        pytest.fail("never negative")


@wrong("01.4", "although the version that it is handed is correct")
def of_whole_numbers(make_noisy):
    assert make_noisy(torch.zeros(10_000, dtype=torch.long), 0.0).min() < 0


@wrong("01.4", "never calls")
def never_calls_it(make_noisy):
    assert callable(make_noisy)


@wrong("01.4", "lets the broken version pass")
def only_the_shape(make_noisy):
    assert make_noisy(torch.zeros(2, 1, 28, 28), 0.5).shape == (2, 1, 28, 28)


@wrong("01.4", "lets the broken version pass")
def without_any_noise(make_noisy):
    x_0 = torch.randn(100)
    assert torch.allclose(make_noisy(x_0, 1.0), x_0)


@wrong("01.4", "lets the broken version pass")
def catches_its_own_assertion(make_noisy):
    try:
        assert abs(make_noisy(torch.zeros(100_000), 0.0).mean()) < 0.02
    except AssertionError:
        print("there is the bug", file=sys.stderr)


@wrong("01.4", "lets the broken version pass")
def says_so_by_returning(make_noisy):
    return abs(make_noisy(torch.zeros(100_000), 0.0).mean()) < 0.02


@wrong("01.4", "lets the broken version pass")
def only_that_it_is_random(make_noisy):
    assert not torch.equal(make_noisy(torch.zeros(100), 0.5), make_noisy(torch.zeros(100), 0.5))


@wrong("01.4", "lets the broken version pass")
def looks_at_noise_of_its_own(make_noisy):
    make_noisy(torch.zeros(10), 0.5)
    assert abs(torch.randn(100_000).mean()) < 0.02


@wrong("01.4", "lets the broken version pass")
def spread_within_wide_bounds(make_noisy):
    assert 0.1 < make_noisy(torch.zeros(10_000), 0.0).std() < 1.5


@wrong("01.4", "refuses a correct version")
def the_wrong_way_round(make_noisy):
    assert abs(make_noisy(torch.zeros(100_000), 0.0).mean()) > 0.02


@wrong("01.4", "refuses a correct version")
def takes_the_bug_for_right(make_noisy):
    assert abs(make_noisy(torch.zeros(100_000), 0.0).mean() - 0.5) < 0.02


@wrong("01.4", "refuses a correct version")
def a_single_number(make_noisy):
    assert abs(make_noisy(torch.zeros(1), 0.0).item()) < 0.1, "noise has mean zero"


@wrong("01.4", "refuses a correct version")
def too_narrow_for_chance(make_noisy):
    assert abs(make_noisy(torch.zeros(100_000), 0.0).mean()) < 0.006, "at two standard errors one in twenty fails"


@wrong("01.4", "refuses a correct version")
def ten_numbers(make_noisy):
    noise = make_noisy(torch.zeros(10), 0.0)
    assert abs(noise.mean()) < 0.1
    assert abs(noise.std() - 1) < 0.1


@wrong("01.4", "refuses a correct version")
def the_very_noise_of_a_seed(make_noisy):
    x_0 = torch.linspace(-1, 1, 1000)
    torch.manual_seed(0)
    got = make_noisy(x_0, 0.5)
    torch.manual_seed(0)
    assert torch.allclose(got, 0.5**0.5 * x_0 + 0.5**0.5 * torch.randn(1000), atol=1e-5)


@wrong("01.4", "refuses a correct version")
def the_librarys_noise_of_a_seed(make_noisy):
    schedule, x_0 = NoiseSchedule.linear(), torch.zeros(4, 1, 8, 8)
    torch.manual_seed(1)
    got = make_noisy(x_0, schedule.alpha_bar[500].item())
    torch.manual_seed(1)
    assert torch.allclose(got, forward.add_noise(schedule, x_0, 500, noise_like(x_0)), atol=1e-5)


@wrong("01.4", "refuses a correct version")
def no_pixel_leaves_the_range(make_noisy):
    assert make_noisy(torch.zeros(1000), 0.0).abs().max() <= 1


@wrong("01.4", "refuses a correct version")
def the_variance_of_zero_is_one(make_noisy):
    assert abs(make_noisy(torch.zeros(100_000), 0.5).var() - 1) < 0.05


@wrong("01.4", "Your test stops with NameError")
def a_slip_of_the_pen(make_noisy):
    noise = make_noisy(torch.zeros(100), 0.0)
    assert nosie.mean() < 0.5, noise  # noqa: F821


@wrong("01.4", "does not reach an assertion", "ValueError")
def another_error(make_noisy):
    if make_noisy(torch.zeros(1_000), 0.0).min() >= 0:
        raise ValueError("no negative noise")


@wrong("01.4", "Your test stops with TypeError")
def with_three_arguments(make_noisy):
    assert make_noisy(torch.zeros(1_000), 0.0, torch.randn(1_000)).min() < 0


# --- 01.5 the cosine schedule: right ----------------------------------------------------------------------------------


@right("01.5")
def cosine_in_numpy_style(T):
    def f(t):
        return math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2

    return torch.tensor([f(t) / f(0) for t in range(T + 1)], dtype=torch.float64)


@right("01.5")
def cosine_by_half_angle(T):
    angle = (torch.linspace(0, 1, T + 1, dtype=torch.float64) + 0.008) / 1.008 * torch.pi
    f = (1 + angle.cos()) / 2
    return f / f[0]


@right("01.5")
def by_the_formula(T):
    t = torch.arange(0, T + 1).double()
    f = torch.cos(math.pi / 2 * (t / T + 0.008) / (1 + 0.008)).square()
    return f / f[0]


@right("01.5")
def curve_by_numpy(T):
    t = np.arange(T + 1)
    f = np.cos((t / T + 0.008) / 1.008 * np.pi / 2) ** 2
    return torch.from_numpy(f / f[0])


@right("01.5")
def curve_by_loop(T):
    curve = torch.empty(T + 1, dtype=torch.float64)
    first = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    for t in range(T + 1):
        curve[t] = math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2 / first
    return curve


@right("01.5")
def by_the_sine_of_what_is_missing(T):
    left = (1 - torch.arange(T + 1, dtype=torch.double) / T) / 1.008 * torch.pi / 2
    f = torch.sin(left) ** 2
    return f / f[0]


@right("01.5")
def offset_as_a_parameter(T, s=0.008):
    def f(t):
        return torch.cos((t / T + s) / (1 + s) * torch.pi / 2) ** 2

    return f(torch.arange(T + 1, dtype=torch.float64)) / f(torch.zeros(1, dtype=torch.float64))


@right("01.5")
def multiplied_by_itself(T):
    angle = torch.linspace(0.008, 1.008, T + 1, dtype=torch.float64).div(1.008).mul(math.pi / 2)
    root = angle.cos() / angle[0].cos()
    return root * root


@right("01.5")
def through_lists(T):
    f = [math.pow(math.cos((t / T + 0.008) / 1.008 * math.pi / 2), 2) for t in range(T + 1)]
    return torch.tensor([value / f[0] for value in f], dtype=torch.float64)


@right("01.5")
def tangent(T):
    angle = (torch.arange(T + 1).to(torch.float64) / T + 0.008) / 1.008 * (math.pi / 2)
    f = 1 / (1 + angle.tan() ** 2)
    return f / f[0]


@right("01.5")
def angle_by_steps(T):
    start, step = 0.008 / 1.008 * math.pi / 2, 1 / T / 1.008 * math.pi / 2
    f = (start + step * torch.arange(T + 1, dtype=torch.float64)).cos().pow(2)
    return f.div(f[:1])


@right("01.5")
def with_a_complex_number(T):
    angle = (torch.arange(T + 1, dtype=torch.float64) / T + 0.008) / 1.008 * math.pi / 2
    f = torch.polar(torch.ones_like(angle), angle).real ** 2
    return f / f.max()


right("01.5")(
    lambda T: (lambda f: f / f[0])(torch.cos((torch.arange(T + 1.0).double() / T + 0.008) / 1.008 * torch.pi / 2) ** 2)
)

# --- 01.5 the cosine schedule: wrong ----------------------------------------------------------------------------------


def angles(T, offset=0.008, dtype=torch.float64):
    return (torch.arange(T + 1, dtype=dtype) / T + offset) / (1 + offset) * math.pi / 2


@wrong("01.5", "not squared")
def plain_cosine(T):
    return torch.cos(angles(T)) / torch.cos(angles(T)[0])


@wrong("01.5", "offset 0.008 is missing")
def no_offset(T):
    return torch.cos(torch.linspace(0, 1, T + 1, dtype=torch.float64) * math.pi / 2) ** 2


@wrong("01.5", "does not start at one")
def undivided(T):
    return angles(T).cos().square()


@wrong("01.5", "It rises")
def one_minus(T):
    return 1 - (angles(T).cos() / angles(T).cos()[0]) ** 2


@wrong("01.5", "angle runs to π, and should run to π/2")
def full_pi(T):
    f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + 0.008) / 1.008 * math.pi) ** 2
    return f / f[0]


@wrong("01.5", "not divided by 1.008")
def beyond(T):
    f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + 0.008) * math.pi / 2) ** 2
    return f / f[0]


@wrong("01.5", "cap comes afterwards")
def capped(T):
    f = angles(T).cos() ** 2
    beta = (1 - f[1:] / f[:-1]).clamp(max=0.999)
    return torch.cat([torch.ones(1, dtype=torch.float64), (1 - beta).cumprod(0)])


@wrong("01.5", "runs backwards")
def from_noise_to_picture(T):
    f = angles(T).cos() ** 2
    return torch.flip(f / f[0], [0])


@wrong("01.5", "shape should be (5,)", "(4,)")
def one_time_short(T):
    t = torch.arange(T, dtype=torch.float64)
    f = torch.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2
    return f / f[0]


@wrong("01.5", "dtype should be torch.float64", "float32")
def in_float32(T):
    f = angles(T, dtype=torch.float32).cos() ** 2
    return f / f[0]


@wrong("01.5", "seven digits", "float64")
def in_float32_and_cast(T):
    f = angles(T, dtype=torch.float32).cos() ** 2
    return (f / f[0]).double()


@wrong("01.5", "shape should be (5,)")
def a_thousand_whatever_T(T):
    f = angles(1000).cos() ** 2
    return f / f[0]


@wrong("01.5", "not the one of the formula")
def a_thousand_in_the_angle(T):
    f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2
    return f / f[0]


@wrong("01.5", "not the one of the formula")
def degrees(T):
    f = torch.cos(angles(T) * 180 / math.pi) ** 2
    return f / f[0]


@wrong("01.5", "not the one of the formula")
def divided_by_the_sum(T):
    f = angles(T).cos() ** 2
    return f / f.sum()


@wrong("01.5", "not the one of the formula")
def betas_instead(T):
    f = angles(T).cos() ** 2
    return torch.cat([torch.zeros(1, dtype=torch.float64), 1 - f[1:] / f[:-1]])


@wrong("01.5", "torch.Tensor", "list")
def a_list_of_numbers(T):
    f = angles(T).cos() ** 2
    return (f / f[0]).tolist()


@wrong("01.5", "torch.Tensor", "NoiseSchedule")
def a_whole_schedule(T):
    return NoiseSchedule.linear(T)


@wrong("01.5", "course's own NoiseSchedule.cosine")
def from_the_librarys_cosine(T):
    return NoiseSchedule.cosine(T).alpha_bar


@wrong("01.5", "has it a return?")
def assigned_only(T):
    f = angles(T).cos() ** 2
    f = f / f[0]


@wrong("01.5", "converted to Python scalars")
def cosine_of_a_tensor_by_math(T):
    t = torch.arange(T + 1, dtype=torch.float64)
    return math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2


wrong("01.5", "not the one of the formula")(lambda T: torch.linspace(1, 0, T + 1, dtype=torch.float64))
