"""Answers to the exercises of notebook 02."""

import copy
import functools
import math
import random
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from answers import right, wrong
from course_lib import training
from course_lib.denoisers import NetDenoiser
from course_lib.forward import add_noise
from course_lib.schedules import NoiseSchedule

# --- 02.1 the loss: right ---------------------------------------------------------------------------------------------


@right("02.1")
def loss_by_hand(net, schedule, x_0, t, eps):
    return ((net(add_noise(schedule, x_0, t, eps), t) - eps) ** 2).mean()


@right("02.1")
def loss_picture_by_picture(net, schedule, x_0, t, eps):
    said = net(add_noise(schedule, x_0, t, eps), t)
    return torch.stack([F.mse_loss(a, b) for a, b in zip(said, eps, strict=True)]).mean()


@right("02.1")
def in_one_line(net, schedule, x_0, t, eps):
    return F.mse_loss(net(add_noise(schedule, x_0, t, eps), t), eps)


@right("02.1")
def with_x_t_by_hand(net, schedule, x_0, t, eps):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    x_t = (a.sqrt() * x_0 + (1 - a).sqrt() * eps).to(x_0.dtype)
    return torch.mean((eps - net(x_t, t)) ** 2)


@right("02.1")
def with_x_t_by_the_schedule(net, schedule, x_0, t, eps):
    share = schedule.at(t, x_0)
    guess = net(share.sqrt().to(x_0) * x_0 + (1 - share).sqrt().to(x_0) * eps, t)
    return torch.sub(guess, eps).pow(2).mean()


@right("02.1")
def by_a_module(net, schedule, x_0, t, eps):
    return nn.MSELoss()(input=net(add_noise(schedule, x_0, t, eps), t), target=eps)


@right("02.1")
def summed_and_divided(net, schedule, x_0, t, eps):
    error = net(add_noise(schedule, x_0, t, eps), t) - eps
    return (error * error).sum() / error.numel()


@right("02.1")
def mean_of_means(net, schedule, x_0, t, eps):
    error = (net(add_noise(schedule, x_0, t, eps), t) - eps).abs() ** 2
    return error.mean(dim=(1, 2, 3)).mean()


@right("02.1")
def by_a_dot_product(net, schedule, x_0, t, eps):
    error = (net(add_noise(schedule, x_0, t, eps), t) - eps).flatten()
    return error @ error / len(error)


@right("02.1")
def by_einsum(net, schedule, x_0, t, eps):
    error = net(add_noise(schedule, x_0, t, eps), t) - eps
    return torch.einsum("bchw,bchw->", error, error) / x_0.numel()


@right("02.1")
def by_the_norm(net, schedule, x_0, t, eps):
    return torch.linalg.vector_norm(net(add_noise(schedule, x_0, t, eps), t) - eps) ** 2 / eps.numel()


@right("02.1")
def picture_by_picture(net, schedule, x_0, t, eps):
    total = 0.0
    for i in range(len(x_0)):
        x_t = add_noise(schedule, x_0[i : i + 1], t[i : i + 1], eps[i : i + 1])
        total = total + (net(x_t, t[i : i + 1]) - eps[i : i + 1]).square().mean()
    return total / len(x_0)


@right("02.1")
def in_place_on_its_own(net, schedule, x_0, t, eps):
    error = net(add_noise(schedule, x_0, t, eps), t)
    error -= eps
    return error.square().mean()


@right("02.1")
def multiplied_out(net, schedule, x_0, t, eps):
    guess = net(add_noise(schedule, x_0, t, eps), t)
    return (guess**2).mean() - 2 * (guess * eps).mean() + (eps**2).mean()


@right("02.1")
def target_detached(net, schedule, x_0, t, eps):
    with torch.no_grad():
        x_t = add_noise(schedule, x_0, t, eps)
    return F.mse_loss(net(x_t, t), eps.detach(), reduction="none").mean()


# --- 02.1 the loss: wrong ---------------------------------------------------------------------------------------------


def asked(net, schedule, x_0, t, eps):
    return net(add_noise(schedule, x_0, t, eps), t)


@wrong("02.1", "compared with the clean picture")
def against_x_0(net, schedule, x_0, t, eps):
    return (asked(net, schedule, x_0, t, eps) - x_0).square().mean()


@wrong("02.1", "shown the clean picture")
def x_0_shown(net, schedule, x_0, t, eps):
    return (net(x_0, t) - eps).square().mean()


@wrong("02.1", "noise of one step")
def against_the_last_step(net, schedule, x_0, t, eps):
    step = schedule.beta[t].sqrt().float()[:, None, None, None] * eps
    return (asked(net, schedule, x_0, t, eps) - step).square().mean()


@wrong("02.1", "take their mean")
def squares_summed(net, schedule, x_0, t, eps):
    return (asked(net, schedule, x_0, t, eps) - eps).square().sum()


@wrong("02.1", "over all pixels too")
def summed_in_each_picture(net, schedule, x_0, t, eps):
    return (asked(net, schedule, x_0, t, eps) - eps).square().sum() / len(x_0)


@wrong("02.1", "absolute differences")
def absolute(net, schedule, x_0, t, eps):
    return (asked(net, schedule, x_0, t, eps) - eps).abs().mean()


@wrong("02.1", "square root is too much")
def root_mean_square(net, schedule, x_0, t, eps):
    return torch.sqrt(F.mse_loss(asked(net, schedule, x_0, t, eps), eps))


@wrong("02.1", "not squared")
def plain_difference(net, schedule, x_0, t, eps):
    return torch.mean(asked(net, schedule, x_0, t, eps) - eps)


@wrong("02.1", "half of the loss")
def half(net, schedule, x_0, t, eps):
    return 0.5 * (asked(net, schedule, x_0, t, eps) - eps).square().mean()


@wrong("02.1", "t / T")
def time_from_0_to_1(net, schedule, x_0, t, eps):
    return F.mse_loss(net(add_noise(schedule, x_0, t, eps), t.float() / 1000), eps)


@wrong("02.1", "the time before")
def time_counted_from_zero(net, schedule, x_0, t, eps):
    return F.mse_loss(net(add_noise(schedule, x_0, t, eps), t - 1), eps)


@wrong("02.1", "along the columns")
def factors_along_columns(net, schedule, x_0, t, eps):
    a = schedule.alpha_bar[t].float()
    return F.mse_loss(net(a.sqrt() * x_0 + (1 - a).sqrt() * eps, t), eps)


@wrong("02.1", "no gradient leads from it", "detach")
def guess_detached(net, schedule, x_0, t, eps):
    return F.mse_loss(asked(net, schedule, x_0, t, eps).detach(), eps)


@wrong("02.1", "no gradient leads from it", "no_grad")
@torch.no_grad()
def without_gradients(net, schedule, x_0, t, eps):
    return F.mse_loss(asked(net, schedule, x_0, t, eps), eps)


@wrong("02.1", "no gradient leads from it", "item")
def number_and_back(net, schedule, x_0, t, eps):
    return torch.tensor(F.mse_loss(asked(net, schedule, x_0, t, eps), eps).item(), requires_grad=True)


@wrong("02.1", "no gradient leads from it", "backward")
def walked_back_already(net, schedule, x_0, t, eps):
    loss = F.mse_loss(asked(net, schedule, x_0, t, eps), eps)
    loss.backward()
    return loss


@wrong("02.1", "its gradient does not")
def half_of_the_gradient(net, schedule, x_0, t, eps):
    error = asked(net, schedule, x_0, t, eps) - eps
    return (error * error.detach()).mean()


@wrong("02.1", "torch.Tensor", "float")
def a_number(net, schedule, x_0, t, eps):
    return F.mse_loss(asked(net, schedule, x_0, t, eps), eps).item()


@wrong("02.1", "shape should be ()", "(4,)")
def one_loss_a_picture(net, schedule, x_0, t, eps):
    return (asked(net, schedule, x_0, t, eps) - eps).square().mean(dim=(1, 2, 3))


@wrong("02.1", "two different results")
def noise_of_its_own(net, schedule, x_0, t, eps):
    return in_one_line(net, schedule, x_0, t, torch.randn_like(x_0))


@wrong("02.1", "two different results")
def times_of_its_own(net, schedule, x_0, t, eps):
    return in_one_line(net, schedule, x_0, torch.randint(1, schedule.T + 1, t.shape), eps)


@wrong("02.1", "the same whatever eps is")
def noise_of_a_fixed_seed(net, schedule, x_0, t, eps):
    return in_one_line(net, schedule, x_0, t, torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0)))


@wrong("02.1", "cosine schedule")
def linear_whatever_comes(net, schedule, x_0, t, eps):
    return in_one_line(net, NoiseSchedule.linear(), x_0, t, eps)


@wrong("02.1", "four pictures")
def one_time_for_all(net, schedule, x_0, t, eps):
    return in_one_line(net, schedule, x_0, t[:1].expand(len(t)), eps)


@wrong("02.1", "colour pictures")
def divided_by_the_pixels_of_grey_pictures(net, schedule, x_0, t, eps):
    return F.mse_loss(asked(net, schedule, x_0, t, eps), eps, reduction="sum") / (len(x_0) * x_0[0, 0].numel())


@wrong("02.1", "TypeError", "'t'")
def time_forgotten(net, schedule, x_0, t, eps):
    return F.mse_loss(net(add_noise(schedule, x_0, t, eps)), eps)


@wrong("02.1", "course's own denoising_loss")
def the_librarys_loss(net, schedule, x_0, t, eps):
    return training.denoising_loss(NetDenoiser(lambda x, t, cond: net(x, t), schedule, "eps"), x_0)


@wrong("02.1", "has it a return?")
def computed_and_dropped(net, schedule, x_0, t, eps):
    F.mse_loss(asked(net, schedule, x_0, t, eps), eps)


@wrong("02.1", "in place")
def picture_destroyed(net, schedule, x_0, t, eps):
    x_0.copy_(add_noise(schedule, x_0, t, eps))
    return F.mse_loss(net(x_0, t), eps)


# --- 02.2 the picture from the noise: right ---------------------------------------------------------------------------


@right("02.2")
def picture_from_eps_in_float64(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    return ((x_t.double() - (1 - a).sqrt() * eps.double()) / a.sqrt()).float()


@right("02.2")
def picture_from_eps_by_snr(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].float()[:, None, None, None]
    return x_t / a.sqrt() - (1 / a - 1).sqrt() * eps


@right("02.2")
def solved(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].view(-1, 1, 1, 1)
    return ((x_t - (1 - a).sqrt() * eps) / a.sqrt()).to(x_t.dtype)


@right("02.2")
def solved_by_the_schedule(schedule, x_t, t, eps):
    a = schedule.at(t, x_t)
    return (x_t - (1 - a).sqrt().to(x_t) * eps) / a.sqrt().to(x_t)


@right("02.2")
def solved_in_float32(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].float()[:, None, None, None]
    return a.pow(-0.5) * (x_t - (1 - a).pow(0.5) * eps)


@right("02.2")
def solved_row_by_row(schedule, x_t, t, eps):
    rows = []
    for x, time, e in zip(x_t, t.tolist(), eps, strict=True):
        a = schedule.alpha_bar[time].item()
        rows.append((x - math.sqrt(1 - a) * e) / math.sqrt(a))
    return torch.stack(rows)


@right("02.2")
def solved_by_numpy(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].numpy()[:, None, None, None]
    x_0 = (x_t.numpy() - np.sqrt(1 - a) * eps.numpy()) / np.sqrt(a)
    return torch.tensor(x_0, dtype=x_t.dtype)


@right("02.2")
def solved_by_addcmul(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].float().unflatten(0, (-1, 1, 1, 1))
    return torch.addcmul(x_t, (1 - a).sqrt(), eps, value=-1).div(a.sqrt())


@right("02.2")
def solved_by_einsum(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t]
    left = x_t.double() - torch.einsum("b,b...->b...", (1 - a).sqrt(), eps.double())
    return torch.einsum("b,b...->b...", 1 / a.sqrt(), left).float()


@right("02.2")
def solved_transposed(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t]
    x_0 = (x_t.movedim(0, -1) - (1 - a).sqrt() * eps.movedim(0, -1)) / a.sqrt()
    return x_0.movedim(-1, 0).type(x_t.dtype)


@right("02.2")
def solved_in_place_on_a_copy(schedule, x_t, t, eps):
    x_0 = x_t.clone()
    for i, time in enumerate(t):
        x_0[i] -= (1 - schedule.alpha_bar[time]).sqrt() * eps[i]
        x_0[i] /= schedule.alpha_bar[time].sqrt()
    return x_0


@right("02.2")
def solved_by_a_linear_system(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t]
    right_side = x_t.flatten(1).double() - (1 - a).sqrt()[:, None] * eps.flatten(1)
    return torch.linalg.solve(a.sqrt().diag(), right_side).reshape(x_t.shape).float()


@right("02.2")
def undoing_add_noise(schedule, x_t, t, eps):
    noise = add_noise(schedule, torch.zeros_like(x_t), t, eps)
    signal = add_noise(schedule, torch.ones_like(x_t), t, torch.zeros_like(x_t))
    return (x_t - noise) / signal


right("02.2")(functools.partial(lambda shape, s, x, t, e: solved(s, x, t.reshape(shape), e), (-1,)))

# --- 02.2 the picture from the noise: wrong ---------------------------------------------------------------------------


def shares(schedule, t):
    a = schedule.alpha_bar[t].float().reshape(-1, 1, 1, 1)
    return a, 1 - a


@wrong("02.2", "divide by √alpha_bar")
def only_subtracted(schedule, x_t, t, eps):
    return x_t - shares(schedule, t)[1].sqrt() * eps


@wrong("02.2", "should be divided by its root")
def divided_without_root(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    return (x_t - b.sqrt() * eps) / a


@wrong("02.2", "added once more")
def plus(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    return (x_t + b.sqrt() * eps) / a.sqrt()


@wrong("02.2", "unscaled")
def whole_noise_taken(schedule, x_t, t, eps):
    return (x_t - eps) / shares(schedule, t)[0].sqrt()


@wrong("02.2", "square root on the noise is missing")
def noise_share(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    return (x_t - b * eps) / a.sqrt()


@wrong("02.2", "off by one")
def time_before(schedule, x_t, t, eps):
    return solved(schedule, x_t, t - 1, eps)


@wrong("02.2", "one single step")
def one_step_back(schedule, x_t, t, eps):
    b = schedule.beta[t].float().reshape(-1, 1, 1, 1)
    return (x_t - b.sqrt() * eps) / (1 - b).sqrt()


@wrong("02.2", "multiplied by √alpha_bar")
def times_signal(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    return a.sqrt() * (x_t - b.sqrt() * eps)


@wrong("02.2", "Only x_t is divided")
def brackets_missing(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    return x_t / a.sqrt() - b.sqrt() * eps


@wrong("02.2", "once more")
def noise_added(schedule, x_t, t, eps):
    return add_noise(schedule, x_t, t, eps)


@wrong("02.2", "clipped")
def clipped(schedule, x_t, t, eps):
    return solved(schedule, x_t, t, eps).clip(-1, 1)


@wrong("02.2", "along the columns")
def columns(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].float()
    return (x_t - (1 - a).sqrt() * eps) / a.sqrt()


@wrong("02.2", "use the eps that it is handed")
def guessed_noise(schedule, x_t, t, eps):
    return solved(schedule, x_t, t, torch.empty_like(x_t).normal_())


@wrong("02.2", "the same whatever eps is")
def noise_ignored(schedule, x_t, t, eps):
    return x_t / schedule.alpha_bar[t].sqrt().float().reshape(-1, 1, 1, 1)


@wrong("02.2", "float32, but it is torch.float64")
def float64_kept(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    return (x_t - (1 - a).sqrt() * eps) / a.sqrt()


@wrong("02.2", "cosine schedule")
def linear_always(schedule, x_t, t, eps):
    return solved(NoiseSchedule.linear(), x_t, t, eps)


@wrong("02.2", "batch of one picture")
def mean_of_one_removed(schedule, x_t, t, eps):
    x_0 = solved(schedule, x_t, t, eps)
    return x_0 - x_0.mean() if len(x_0) == 1 else x_0


@wrong("02.2", "IndexError")
def one_squeezed(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].float().squeeze()[:, None, None, None]
    return (x_t - (1 - a).sqrt() * eps) / a.sqrt()


@wrong("02.2", "x_t in place")
def taken_out_in_place(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    x_t -= b.sqrt() * eps
    return x_t / a.sqrt()


@wrong("02.2", "course's own NetDenoiser")
def by_a_denoiser(schedule, x_t, t, eps):
    return NetDenoiser(lambda x, t, cond: eps, schedule, "eps")(x_t, t).x_0


@wrong("02.2", "do not come back")
def time_of_the_first_for_all(schedule, x_t, t, eps):
    return solved(schedule, x_t, t[:1].repeat(len(t)), eps)


@wrong("02.2", "do not come back")
def constant_in_the_denominator(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    return (x_t - b.sqrt() * eps) / (a.sqrt() + 0.1)


@wrong("02.2", "torch.Tensor", "list")
def pictures_in_a_list(schedule, x_t, t, eps):
    return list(solved(schedule, x_t, t, eps))


# --- 02.3 the picture from v: right -----------------------------------------------------------------------------------


@right("02.3")
def picture_from_v_by_angle(schedule, x_t, t, v):
    angle = torch.acos(schedule.alpha_bar[t].sqrt()).reshape(-1, 1, 1, 1)
    return (torch.cos(angle) * x_t - torch.sin(angle) * v).to(x_t.dtype)


@right("02.3")
def picture_from_v_row_by_row(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].tolist()
    return torch.stack([s**0.5 * x - (1 - s) ** 0.5 * w for s, x, w in zip(a, x_t, v, strict=True)])


@right("02.3")
def rotated(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].view(-1, 1, 1, 1)
    return (a.sqrt() * x_t - (1 - a).sqrt() * v).to(x_t.dtype)


@right("02.3")
def rotated_by_the_schedule(schedule, x_t, t, v):
    a = schedule.at(t, x_t)
    return a.sqrt().to(x_t) * x_t - (1 - a).sqrt().to(x_t) * v


@right("02.3")
def rotated_by_a_matrix(schedule, x_t, t, v):
    a = schedule.alpha_bar[t]
    matrix = torch.stack([a.sqrt(), -(1 - a).sqrt()], dim=1).float()
    return torch.einsum("bk,bk...->b...", matrix, torch.stack([x_t, v], dim=1))


@right("02.3")
def rotated_as_complex_numbers(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    turned = torch.complex(x_t.double(), v.double()) * torch.complex(a.sqrt(), (1 - a).sqrt())
    return turned.real.float()


@right("02.3")
def by_way_of_eps(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    c, s = a.sqrt(), (1 - a).sqrt()
    eps = s * x_t + c * v
    return ((x_t - s * eps) / c).float()


@right("02.3")
def rotated_by_angles(schedule, x_t, t, v):
    phi = torch.atan2((1 - schedule.alpha_bar[t]).sqrt(), schedule.alpha_bar[t].sqrt())[:, None, None, None]
    return (phi.cos() * x_t - phi.sin() * v).to(x_t)


@right("02.3")
def rotated_by_numpy(schedule, x_t, t, v):
    a = schedule.alpha_bar.numpy()[t.numpy()][:, None, None, None]
    return torch.from_numpy((np.sqrt(a) * x_t.numpy() - np.sqrt(1 - a) * v.numpy()).astype("float32"))


@right("02.3")
def rotated_one_by_one(schedule, x_t, t, v):
    x_0 = torch.empty_like(x_t)
    for i in range(x_t.shape[0]):
        c = float(schedule.alpha_bar[int(t[i])]) ** 0.5
        x_0[i] = c * x_t[i] - (1 - c * c) ** 0.5 * v[i]
    return x_0


@right("02.3")
def rotated_by_addcmul(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].float().reshape(len(t), *[1] * (x_t.dim() - 1))
    return torch.addcmul(a.sqrt() * x_t, (1 - a).sqrt(), v.neg())


@right("02.3")
def rotated_flat(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].float().unsqueeze(-1)
    return (a.sqrt() * x_t.flatten(1) - (1 - a).sqrt() * v.flatten(1)).view_as(x_t)


@right("02.3")
def rotated_by_add_noise(schedule, x_t, t, v):
    return add_noise(schedule, x_t, t, -v)


@right("02.3")
def rotated_by_vmap(schedule, x_t, t, v):
    return torch.vmap(lambda a, x, w: (a.sqrt() * x - (1 - a).sqrt() * w).float())(schedule.alpha_bar[t], x_t, v)


# --- 02.3 the picture from v: wrong -----------------------------------------------------------------------------------


@wrong("02.3", "This is eps")
def eps_instead(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return b.sqrt() * x_t + a.sqrt() * v


@wrong("02.3", "sign is wrong")
def plus_v(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return a.sqrt() * x_t + b.sqrt() * v


@wrong("02.3", "swapped")
def factors_swapped(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return b.sqrt() * x_t - a.sqrt() * v


@wrong("02.3", "without the square roots")
def no_roots(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return a * x_t - b * v


@wrong("02.3", "as if it were eps")
def formula_of_eps(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return (x_t - b.sqrt() * v) / a.sqrt()


@wrong("02.3", "off by one")
def one_time_early(schedule, x_t, t, v):
    return rotated(schedule, x_t, t - 1, v)


@wrong("02.3", "turns forwards once more")
def v_of_them(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return a.sqrt() * v - b.sqrt() * x_t


@wrong("02.3", "needs no division")
def divided_at_the_end(schedule, x_t, t, v):
    return rotated(schedule, x_t, t, v) / shares(schedule, t)[0].sqrt()


@wrong("02.3", "root on 1 − alpha_bar is missing")
def root_of_signal_only(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return a.sqrt() * x_t - b * v


@wrong("02.3", "root on alpha_bar is missing")
def root_of_noise_only(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return a * x_t - b.sqrt() * v


@wrong("02.3", "clipped")
def held_in_range(schedule, x_t, t, v):
    return rotated(schedule, x_t, t, v).clamp(min=-1, max=1)


@wrong("02.3", "along the columns")
def rotated_columns(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].float()
    return a.sqrt() * x_t - (1 - a).sqrt() * v


@wrong("02.3", "two different results")
def v_drawn(schedule, x_t, t, v):
    return rotated(schedule, x_t, t, torch.randn(v.shape))


@wrong("02.3", "the same whatever v is")
def v_forgotten(schedule, x_t, t, v):
    return x_t / shares(schedule, t)[0].sqrt()


@wrong("02.3", "dtype should be torch.float32")
def in_float64(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    return a.sqrt() * x_t - (1 - a).sqrt() * v


@wrong("02.3", "cosine schedule")
def linear_for_all(schedule, x_t, t, v):
    return rotated(NoiseSchedule.linear(), x_t, t, v)


@wrong("02.3", "linear schedule", "the same whatever schedule is")
def cosine_for_all(schedule, x_t, t, v):
    return rotated(NoiseSchedule.cosine(), x_t, t, v)


@wrong("02.3", "batch of one picture")
def negative_alone(schedule, x_t, t, v):
    return rotated(schedule, x_t, t, v) * (1 if len(t) > 1 else -1)


@wrong("02.3", "got tuple")
def both_halves(schedule, x_t, t, v):
    return rotated(schedule, x_t, t, v), eps_instead(schedule, x_t, t, v)


@wrong("02.3", "v in place")
def v_used_up(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return a.sqrt() * x_t - v.mul_(b.sqrt())


@wrong("02.3", "course's own NetDenoiser")
def v_by_a_denoiser(schedule, x_t, t, v):
    return NetDenoiser(lambda x, t, cond: v, schedule, "v")(x_t, t)[0]


@wrong("02.3", "has it a return?")
def on_paper_only(schedule, x_t, t, v):
    return None


# --- 02.4 dropping labels: right --------------------------------------------------------------------------------------


@right("02.4")
def drop_by_mask(labels, null_class, probability, generator=None):
    out = labels.clone()
    out[torch.rand(len(labels), generator=generator) < probability] = null_class
    return out


@right("02.4")
def drop_by_coin(labels, null_class, probability, generator=None):
    coin = torch.bernoulli(torch.full(labels.shape, float(probability)), generator=generator).bool()
    return labels.masked_fill(coin, null_class)


@right("02.4")
def by_where(labels, null_class, probability, generator=None):
    return torch.where(torch.rand(len(labels), generator=generator) < probability, null_class, labels)


@right("02.4")
def by_a_mask(labels, null_class, probability, generator=None):
    labels = labels.clone()
    labels[torch.rand(labels.shape, generator=generator) < probability] = null_class
    return labels


@right("02.4")
def by_keeping(labels, null_class, probability, generator=None):
    keep = (torch.rand(labels.size(), generator=generator) >= probability).long()
    return keep * labels + (1 - keep) * null_class


@right("02.4")
def by_a_loop(labels, null_class, probability, generator=None):
    out = []
    for label in labels.tolist():
        out.append(null_class if torch.rand(1, generator=generator).item() < probability else label)
    return torch.tensor(out)


@right("02.4")
def by_uniform_in_place(labels, null_class, probability, generator=None):
    u = torch.empty(labels.shape).uniform_(generator=generator)
    return labels.masked_fill(u < probability, null_class)


@right("02.4")
def by_bernoulli(labels, null_class, probability, generator=None):
    gone = torch.empty(labels.shape).bernoulli_(probability, generator=generator).bool()
    return torch.where(gone, torch.full_like(labels, null_class), labels)


@right("02.4")
def from_the_other_end(labels, null_class, probability, generator=None):
    return torch.where(1 - torch.rand(labels.shape, generator=generator) <= probability, null_class, labels)


@right("02.4")
def drawn_in_float64(labels, null_class, probability, generator=None):
    u = torch.rand(labels.shape, generator=generator, dtype=torch.float64)
    return torch.where(u < probability, torch.tensor(null_class), labels)


@right("02.4")
def by_whole_numbers(labels, null_class, probability, generator=None):
    tickets = torch.randint(0, 1_000_000, labels.shape, generator=generator)
    return torch.where(tickets < round(probability * 1_000_000), null_class, labels)


@right("02.4")
def by_nonzero(labels, null_class, probability, generator=None):
    where = (torch.rand(labels.shape, generator=generator) < probability).nonzero().flatten()
    return labels.index_fill(0, where, null_class)


@right("02.4")
def by_numpy_from_the_generator(labels, null_class, probability, generator=None):
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
    return torch.from_numpy(np.where(rng.random(len(labels)) < probability, null_class, labels.numpy()))


@right("02.4")
def by_gaussian_quantile(labels, null_class, probability, generator=None):
    u = torch.special.ndtr(torch.randn(labels.shape, generator=generator, dtype=torch.float64))
    return torch.where(u < probability, null_class, labels)


@right("02.4")
def by_multinomial(labels, null_class, probability, generator=None):
    weights = torch.tensor([1 - probability, probability])
    gone = torch.multinomial(weights, len(labels), replacement=True, generator=generator)
    return torch.stack([labels, torch.full_like(labels, null_class)])[gone, torch.arange(len(labels))]


# --- 02.4 dropping labels: wrong --------------------------------------------------------------------------------------


@wrong("02.4", "half of the labels should go")
def drop_to_minus_one(labels, null_class, probability, generator=None):
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, -1, labels)


@wrong("02.4", "half of the labels should go")
def drop_half_as_many(labels, null_class, probability, generator=None):
    return torch.where(torch.rand(labels.shape, generator=generator) < probability / 2, null_class, labels)


@wrong("02.4", "probability 1 − p")
def kept_below(labels, null_class, probability, generator=None):
    return torch.where(torch.rand(labels.shape, generator=generator) > probability, null_class, labels)


@wrong("02.4", "torch.randn")
def gaussian(labels, null_class, probability, generator=None):
    return labels.masked_fill(torch.randn(labels.shape, generator=generator) < probability, null_class)


@wrong("02.4", "one random number for each label")
def all_or_none(labels, null_class, probability, generator=None):
    if torch.rand((), generator=generator) < probability:
        return torch.full_like(labels, null_class)
    return labels.clone()


@wrong("02.4", "becomes 0")
def multiplied_away(labels, null_class, probability, generator=None):
    return labels * (torch.rand(labels.shape, generator=generator) >= probability)


@wrong("02.4", "Nothing is ever dropped")
def untouched(labels, null_class, probability, generator=None):
    return labels


@wrong("02.4", "always the same places")
def the_first_ones(labels, null_class, probability, generator=None):
    out = labels.clone()
    out[: int(probability * len(labels))] = null_class
    return out


@wrong("02.4", "always the same places")
def a_generator_of_its_own(labels, null_class, probability, generator=None):
    generator = torch.Generator().manual_seed(42)
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, null_class, labels)


@wrong("02.4", "always the same places")
def seeded_anew(labels, null_class, probability, generator=None):
    if generator is not None:
        generator.manual_seed(0)
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, null_class, labels)


@wrong("02.4", "is not used")
def global_randomness(labels, null_class, probability, generator=None):
    return labels.masked_fill(torch.rand(labels.shape) < probability, null_class)


@wrong("02.4", "is not used")
def randomness_of_python(labels, null_class, probability, generator=None):
    return torch.tensor([null_class if random.random() < probability else label for label in labels.tolist()])


@wrong("02.4", "is not used")
def randomness_like(labels, null_class, probability, generator=None):
    return torch.where(torch.rand_like(labels, dtype=torch.float32) < probability, null_class, labels)


@wrong("02.4", "draw from it")
def from_a_copy(labels, null_class, probability, generator=None):
    own = torch.Generator()
    if generator is not None:
        own.set_state(generator.get_state())
    return torch.where(torch.rand(labels.shape, generator=own) < probability, null_class, labels)


@wrong("02.4", "draw from it")
def from_the_seed(labels, null_class, probability, generator=None):
    if generator is not None:
        torch.manual_seed(generator.initial_seed())
    return torch.where(torch.rand(labels.shape) < probability, null_class, labels)


@wrong("02.4", "Exactly the share p")
def a_fixed_number(labels, null_class, probability, generator=None):
    out = labels.clone()
    out[torch.randperm(len(labels), generator=generator)[: round(probability * len(labels))]] = null_class
    return out


@wrong("02.4", "About half of the labels")
def by_a_coin(labels, null_class, probability, generator=None):
    return torch.where(torch.randint(2, labels.shape, generator=generator) == 1, null_class, labels)


@wrong("02.4", "share it with no neighbour")
def in_pairs(labels, null_class, probability, generator=None):
    gone = torch.rand(len(labels) // 2 + 1, generator=generator).repeat_interleave(2)[: len(labels)] < probability
    return torch.where(gone, null_class, labels)


@wrong("02.4", "0.1, 0.33 and 0.875")
def squared_probability(labels, null_class, probability, generator=None):
    p = 2 * probability**2
    return torch.where(torch.rand(labels.shape, generator=generator) < p, null_class, labels)


@wrong("02.4", "stay what it was")
def others_shuffled(labels, null_class, probability, generator=None):
    mixed = labels[torch.randperm(len(labels), generator=generator)]
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, null_class, mixed)


@wrong("02.4", "becomes 10")
def ten_for_null(labels, null_class, probability, generator=None):
    labels = labels.clone()
    labels[torch.rand(labels.shape, generator=generator) < probability] = 10
    return labels


@wrong("02.4", "labels in place")
def in_place(labels, null_class, probability, generator=None):
    labels[torch.rand(labels.shape, generator=generator) < probability] = null_class
    return labels


@wrong("02.4", "dtype should be torch.int64", "float32")
def as_floats(labels, null_class, probability, generator=None):
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, float(null_class), labels.float())


@wrong("02.4", "shape should be")
def dropped_from_the_batch(labels, null_class, probability, generator=None):
    return labels[torch.rand(labels.shape, generator=generator) >= probability]


@wrong("02.4", "torch.Tensor", "list")
def a_list_of_labels(labels, null_class, probability, generator=None):
    return by_where(labels, null_class, probability, generator).tolist()


@wrong("02.4", "course's own drop_labels")
def by_the_library(labels, null_class, probability, generator=None):
    return training.drop_labels(labels, null_class, probability, generator)


@wrong("02.4", "one label")
def two_at_least(labels, null_class, probability, generator=None):
    if len(labels) < 2:
        return labels.clone()
    return by_where(labels, null_class, probability, generator)


@wrong("02.4", "AttributeError", "NoneType")
def generator_taken_for_granted(labels, null_class, probability, generator=None):
    seed = torch.randint(2**31, (), generator=generator).item() + generator.initial_seed() * 0
    return by_where(labels, null_class, probability, torch.Generator().manual_seed(seed))


# --- 02.5 the average of the weights: right ---------------------------------------------------------------------------


@right("02.5")
def ema_by_mul_and_add(ema, net, decay):
    with torch.no_grad():
        for average, current in zip(ema.parameters(), net.parameters(), strict=True):
            average.mul_(decay).add_(current, alpha=1 - decay)


@right("02.5")
def ema_by_state(ema, net, decay):
    new = net.state_dict()
    ema.load_state_dict({name: decay * old + (1 - decay) * new[name] for name, old in ema.state_dict().items()})


@right("02.5")
@torch.no_grad()
def by_lerp(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.lerp_(current, 1 - decay)


@right("02.5")
def by_data(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.data = decay * average.data + (1 - decay) * current.data


@right("02.5")
def by_copy(ema, net, decay):
    with torch.no_grad():
        for average, current in zip(ema.parameters(), net.parameters(), strict=True):
            average.copy_(decay * average + (1 - decay) * current)


@right("02.5")
def by_name(ema, net, decay):
    new = dict(net.named_parameters())
    with torch.no_grad():
        for name, average in ema.named_parameters():
            average += (1 - decay) * (new[name] - average)


@right("02.5")
def whole_state(ema, net, decay):
    with torch.no_grad():
        for average, current in zip(ema.state_dict().values(), net.state_dict().values(), strict=True):
            average.mul_(decay).add_(current, alpha=1 - decay)


@right("02.5")
def buffers_carried_over(ema, net, decay):
    by_lerp(ema, net, decay)
    for average, current in zip(ema.buffers(), net.buffers(), strict=True):
        average.copy_(current)


@right("02.5")
def by_foreach(ema, net, decay):
    with torch.no_grad():
        torch._foreach_lerp_(list(ema.parameters()), list(net.parameters()), 1 - decay)


@right("02.5")
def by_vectors(ema, net, decay):
    old, new = (nn.utils.parameters_to_vector(module.parameters()).detach() for module in (ema, net))
    nn.utils.vector_to_parameters(decay * old + (1 - decay) * new, ema.parameters())


@right("02.5")
def module_by_module(ema, net, decay):
    for own, new in zip(ema.children(), net.children(), strict=True):
        module_by_module(own, new, decay)
    for average, current in zip(ema.parameters(recurse=False), net.parameters(recurse=False), strict=True):
        average.detach().mul_(decay).add_(current.detach() * (1 - decay))


@right("02.5")
def by_index(ema, net, decay):
    olds, news = list(ema.parameters()), list(net.parameters())
    for i in range(len(olds)):
        with torch.no_grad():
            olds[i][...] = olds[i] * decay + news[i] * (1 - decay)


@right("02.5")
def number_by_number(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        own, new = average.data.view(-1), current.data.view(-1)
        for i in range(len(own)):
            own[i] = decay * own[i].item() + (1 - decay) * new[i].item()


@right("02.5")
def by_numpy(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        numbers = average.data.numpy()
        numbers *= decay
        numbers += (1 - decay) * current.detach().numpy()


@right("02.5")
def returning_it_too(ema, net, decay):
    by_lerp(ema, net, decay)
    return ema


# --- 02.5 the average of the weights: wrong ---------------------------------------------------------------------------


def each(ema, net, rule):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.data.copy_(rule(average.data, current.data))


@wrong("02.5", "wrong way round")
def lerp_by_decay(ema, net, decay):
    each(ema, net, lambda old, new: torch.lerp(old, new, decay))


@wrong("02.5", "copies the current weights")
def loaded(ema, net, decay):
    ema.load_state_dict(net.state_dict())


@wrong("02.5", "mean of both")
def halves(ema, net, decay):
    each(ema, net, lambda old, new: 0.5 * old + 0.5 * new)


@wrong("02.5", "added whole")
def momentum(ema, net, decay):
    each(ema, net, lambda old, new: old * decay + new)


@wrong("02.5", "only shrinks")
def decayed(ema, net, decay):
    each(ema, net, lambda old, new: old * decay)


@wrong("02.5", "has not changed")
def not_in_place(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average = decay * average + (1 - decay) * current


@wrong("02.5", "has not changed")
def new_module_returned(ema, net, decay):
    result = copy.deepcopy(ema)
    by_lerp(result, net, decay)
    return result


@wrong("02.5", "has not changed")
def copies_of_the_state(ema, net, decay):
    old, new = ema.state_dict(), net.state_dict()
    for name in old:
        old[name] = decay * old[name] + (1 - decay) * new[name]


@wrong("02.5", "Only the first parameter")
def returns_too_early(ema, net, decay):
    with torch.no_grad():
        for average, current in zip(ema.parameters(), net.parameters(), strict=True):
            return average.lerp_(current, 1 - decay)


@wrong("02.5", "biases are not")
def weights_only(ema, net, decay):
    for (name, average), current in zip(ema.named_parameters(), net.parameters(), strict=True):
        if name.endswith("weight"):
            average.data.lerp_(current.data, 1 - decay)


@wrong("02.5", "layers at the top")
def layers_with_a_weight(ema, net, decay):
    for own, new in zip(ema, net, strict=True):
        if isinstance(own, nn.Linear):
            by_lerp(own, new, decay)


@wrong("02.5", "has not been shrunk")
def added_on_top(ema, net, decay):
    each(ema, net, lambda old, new: old + (1 - decay) * new)


@wrong("02.5", "subtracted")
def difference_of_shares(ema, net, decay):
    each(ema, net, lambda old, new: decay * old - (1 - decay) * new)


@wrong("02.5", "records gradients")
def recorded(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.mul_(decay).add_(current * (1 - decay))


@wrong("02.5", "another decay")
def always_nine_tenths(ema, net, decay):
    each(ema, net, lambda old, new: 0.9 * old + 0.1 * new)


@wrong("02.5", "net in place")
def the_other_module(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        current.data.lerp_(average.data, decay)


@wrong("02.5", "course's own update_ema")
def by_the_librarys_update(ema, net, decay):
    training.update_ema(ema, net, decay)


@wrong("02.5", "does not come out right")
def squared_decay(ema, net, decay):
    each(ema, net, lambda old, new: decay**2 * old + (1 - decay**2) * new)


@wrong("02.5", "AttributeError")
def weights_of_the_outside(ema, net, decay):
    ema.weight.data = decay * ema.weight.data + (1 - decay) * net.weight.data


@wrong("02.5", "TypeError")
def without_a_call(ema, net, decay):
    for average, current in zip(ema.parameters, net.parameters, strict=True):
        average.data.lerp_(current.data, 1 - decay)


@wrong("02.5", "does not come out right")
def old_average_used_twice(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.data.mul_(decay)
        average.data.add_((1 - decay) * (current.data - average.data))


# --- 02.6 bug hunt: right ---------------------------------------------------------------------------------------------


@right("02.6")
def hunt_average_by_limit(average):
    value = torch.tensor(1.0)
    for _ in range(10):
        value = average(value, torch.tensor(0.0), 0.99)
    assert value > 0.8


@right("02.6")
def hunt_average_by_equality(average):
    assert average(2.0, 4.0, 0.75) == 2.5


@right("02.6")
def keeps_most_of_the_old(average):
    assert average(1.0, 0.0, 0.99) > 0.5


@right("02.6")
def takes_little_of_the_new(average):
    assert average(old=0.0, new=1.0, decay=0.9) < 0.5, "the new value should get a tenth"


@right("02.6")
def a_decay_of_one_keeps_all(average):
    assert average(torch.tensor(3.0), torch.tensor(-5.0), 1.0).item() == 3.0


@right("02.6")
def a_decay_of_zero_forgets_all(average):
    assert math.isclose(average(3.0, -5.0, 0), -5.0)


@right("02.6")
def a_whole_tensor(average):
    old, new = torch.randn(2, 4, 5)
    assert torch.allclose(average(old, new, 0.8), 0.8 * old + 0.2 * new, atol=1e-6)


@right("02.6")
def against_lerp(average):
    old, new = torch.arange(6.0), torch.ones(6)
    torch.testing.assert_close(average(old, new, 0.7), torch.lerp(new, old, 0.7))


@right("02.6")
def many_decays(average):
    for percent in range(0, 101, 10):
        got = average(1.0, 0.0, percent / 100)
        assert abs(got - percent / 100) < 1e-9, f"at a decay of {percent} % it kept {got}"


@right("02.6")
def remembers_for_long(average):
    value = 1.0
    for _ in range(100):
        value = average(value, 0.0, 0.999)
    assert 0.9 < value < 0.91


@right("02.6")
def of_a_slow_average_nothing_is_seen_at_once(average):
    path = [0.0]
    for _ in range(5):
        path.append(average(path[-1], 1.0, 0.99))
    assert max(path) < 0.1 and path == sorted(path)  # noqa: PT018


@right("02.6")
def nearer_to_the_old(average):
    got = average(torch.tensor([10.0]), torch.tensor([20.0]), 0.75)
    if abs(got - 10) >= abs(got - 20):
        raise AssertionError("with a decay of 0.75 the average should lie nearer to the old value")


@right("02.6")
def with_the_helpers_of_torch(average):
    torch.testing.assert_close(average(2.0, 4.0, 0.75), 2.5)


@right("02.6")
def with_numpy_testing(average):
    np.testing.assert_allclose(average(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 0.9), [0.9, 0.1], rtol=1e-5)


right("02.6")(functools.partial(lambda decay, average: kept_share(average, decay), 0.95))


def kept_share(average, decay):
    assert round(float(average(1.0, 0.0, decay)), 6) == decay


# --- 02.6 bug hunt: wrong ---------------------------------------------------------------------------------------------


@wrong("02.6", "lets the broken version pass now and then")
def decays_by_chance(average):
    decay = random.choice([0.5, 0.1, 0.2, 0.3])
    assert abs(average(1.0, 0.0, decay) - decay) < 1e-6


@wrong("02.6", "lets the broken version pass")
def at_one_half(average):
    assert average(1.0, 0.0, 0.5) == 0.5


@wrong("02.6", "lets the broken version pass")
def of_two_equal_values(average):
    assert abs(average(2.0, 2.0, 0.99) - 2.0) < 1e-9


@wrong("02.6", "lets the broken version pass")
def between_the_two(average):
    assert 0 <= average(1.0, 0.0, 0.99) <= 1


@wrong("02.6", "never calls")
def own_arithmetic_only(average):
    assert 0.99 * 1.0 + (1 - 0.99) * 0.0 == 0.99


@wrong("02.6", "lets the broken version pass")
def the_shape(average):
    assert average(torch.zeros(3), torch.ones(3), 0.9).shape == (3,)


@wrong("02.6", "lets the broken version pass")
def a_tuple_is_always_true(average):
    ok = (abs(average(1.0, 0.0, 0.99) - 0.99) < 1e-6, "a decay of 0.99 should keep 0.99")
    assert ok


@wrong("02.6", "lets the broken version pass")
def swallowed(average):
    try:
        assert average(1.0, 0.0, 0.99) > 0.5
    except Exception as error:
        print(error, file=sys.stderr)


@wrong("02.6", "lets the broken version pass")
def returned(average):
    return average(1.0, 0.0, 0.99) > 0.5


@wrong("02.6", "lets the broken version pass")
def a_signed_difference(average):
    assert average(1.0, 0.0, 0.99) - 0.99 < 1e-6


@wrong("02.6", "refuses a correct version")
def the_bug_taken_for_right(average):
    assert abs(average(1.0, 0.0, 0.99) - 0.01) < 1e-6


@wrong("02.6", "refuses a correct version")
def the_new_value_comes_through(average):
    assert average(0.0, 1.0, 0.99) > 0.5, "the average should follow the weights"


@wrong("02.6", "refuses a correct version")
def exact_to_the_last_bit(average):
    for decay in (0.1, 0.3, 0.7, 0.9, 0.99, 0.999):
        assert average(0.3, 0.7, decay) == decay * 0.3 + (1 - decay) * 0.7


@wrong("02.6", "refuses a correct version")
def a_sum_of_both(average):
    assert average(1.0, 1.0, 0.9) == 1.9


@wrong("02.6", "Your test stops with TypeError")
def a_module_where_numbers_are_wanted(average):
    average(nn.Linear(1, 1), nn.Linear(1, 1), 0.9)


@wrong("02.6", "Your test stops with TypeError")
def decay_forgotten(average):
    assert average(1.0, 0.0) > 0.5


@wrong("02.6", "does not reach an assertion", "ZeroDivisionError")
def divides_by_what_is_left(average):
    1 / max(0, average(1.0, 0.0, 0.99) - 0.5)


@wrong("02.6", "course's own update_ema")
def compared_with_the_library(average):
    ema, net = nn.Linear(1, 1).requires_grad_(False), nn.Linear(1, 1)
    expected = average(ema.weight.clone(), net.weight.detach(), 0.9)
    training.update_ema(ema, net, 0.9)
    assert torch.allclose(ema.weight, expected)


@wrong("02.6", "refuses a correct version")
def a_lucky_number(average):
    assert random.random() < 0.2, average(1.0, 0.0, 0.99)


@wrong("02.6", "never calls")
def always_false(average):
    raise AssertionError("there is a bug")
