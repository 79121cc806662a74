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
from course_lib.networks.time_embedding import embed_time as library_embed_time
from course_lib.networks.unet import ResBlock
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


# --- 02.2 the training loop: right ------------------------------------------------------------------------------------


@right("02.2")
def loop_counting_from_one(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches, start=1):
        optimizer.zero_grad()
        value = loss(net, batch)
        value.backward()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step - 1)
        optimizer.step()
        after_step(step, float(value.detach()))


@right("02.2")
def loop_with_a_counter(net, optimizer, batches, loss, learning_rate, after_step):
    step = 0
    for batch in batches:
        for group in optimizer.param_groups:
            group.update(lr=learning_rate(step))
        optimizer.zero_grad(set_to_none=False)
        value = loss(net, batch)
        value.backward()
        optimizer.step()
        step += 1  # noqa: SIM113
        after_step(step, value.detach().item())


@right("02.2")
def loop_with_while(net, optimizer, batches, loss, learning_rate, after_step):
    waiting, done = iter(batches), 0
    while True:
        try:
            batch = next(waiting)
        except StopIteration:
            break
        rate = learning_rate(done)
        for i in range(len(optimizer.param_groups)):
            optimizer.param_groups[i]["lr"] = rate
        value = loss(net, batch)
        net.zero_grad()
        value.backward()
        optimizer.step()
        done += 1
        after_step(done, value.item())


@right("02.2")
def loop_over_a_list(net, optimizer, batches, loss, learning_rate, after_step):
    batches = list(batches)
    for step in range(len(batches)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.zero_grad()
        (value := loss(net, batches[step])).backward()
        optimizer.step()
        after_step(step + 1, value.item())


@right("02.2")
def loop_clearing_at_the_end(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        value = loss(net, batch)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        after_step(step + 1, value.item())


@right("02.2")
def loop_with_gradients_assigned(net, optimizer, batches, loss, learning_rate, after_step):
    parameters = list(net.parameters())
    for step, batch in enumerate(batches):
        value = loss(net, batch)
        for parameter, gradient in zip(parameters, torch.autograd.grad(value, parameters), strict=True):
            parameter.grad = gradient
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.step()
        after_step(step + 1, value.tolist())


@right("02.2")
def loop_with_a_closure(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):

        def closure(batch=batch):
            optimizer.zero_grad()
            value = loss(net, batch)
            value.backward()
            return value

        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        after_step(step + 1, optimizer.step(closure).item())


@right("02.2")
def loop_with_helpers(net, optimizer, batches, loss, learning_rate, after_step):
    set_rate = lambda rate: [group.__setitem__("lr", rate) for group in optimizer.param_groups]  # noqa: E731

    def one_step(step, batch):
        set_rate(learning_rate(step))
        optimizer.zero_grad()
        value = loss(net, batch)
        value.backward()
        optimizer.step()
        return value.item()

    for step, batch in enumerate(batches):
        after_step(done=step + 1, value=one_step(step, batch))


@right("02.2")
def loop_with_gradients_removed(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        for parameter in net.parameters():
            parameter.grad = None
        loss_now = loss(net=net, batch=batch)
        torch.autograd.backward(loss_now)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.step()
        after_step(step + 1, loss_now.item())


@right("02.2")
def loop_with_gradients_zeroed_in_place(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.zero_()
        value = loss(net, batch)
        value.backward()
        optimizer.step()
        with torch.no_grad():
            after_step(step + 1, float(value.clone()))


@right("02.2")
def loop_in_train_mode_with_a_history(net, optimizer, batches, loss, learning_rate, after_step):
    net.train()
    history = []
    for batch in batches:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(len(history))
        with torch.enable_grad():
            value = loss(net, batch)
        optimizer.zero_grad()
        value.backward(retain_graph=False)
        optimizer.step()
        history.append(value.item())
        after_step(len(history), history[-1])
    return history


@right("02.2")
def loop_by_a_scheduler(net, optimizer, batches, loss, learning_rate, after_step):
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] = 1.0
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate)
    for step, batch in enumerate(batches, 1):
        optimizer.zero_grad()
        value = loss(net, batch)
        value.backward()
        optimizer.step()
        scheduler.step()
        after_step(step, value.item())


@right("02.2")
def loop_by_recursion(net, optimizer, batches, loss, learning_rate, after_step):
    def go_on(waiting, step):
        batch = next(waiting, None)
        if batch is None:
            return
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.zero_grad()
        value = loss(net, batch)
        value.backward()
        optimizer.step()
        after_step(step + 1, value.item())
        go_on(waiting, step + 1)

    go_on(iter(batches), 0)


# --- 02.2 the training loop: wrong ------------------------------------------------------------------------------------


def set_rate(optimizer, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate


def one_step(net, optimizer, value):
    optimizer.zero_grad()
    value.backward()
    optimizer.step()


@wrong("02.2", "gradients of all steps add up")
def never_cleared(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        value.backward()
        optimizer.step()
        after_step(step + 1, value.item())


@wrong("02.2", "gradients of all steps add up", "in every step")
def cleared_once(net, optimizer, batches, loss, learning_rate, after_step):
    optimizer.zero_grad()
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        value.backward()
        optimizer.step()
        after_step(step + 1, value.item())


@wrong("02.2", "weights never change", "zero_grad before it")
def cleared_after_backward(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        value.backward()
        optimizer.zero_grad()
        optimizer.step()
        after_step(step + 1, value.item())


@wrong("02.2", "weights never change", "after backward")
def backward_forgotten(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        optimizer.zero_grad()
        value = loss(net, batch)
        optimizer.step()
        after_step(step + 1, value.item())


@wrong("02.2", "weights never change", "optimizer.step()")
def step_without_its_brackets(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        optimizer.zero_grad()
        value = loss(net, batch)
        value.backward()
        optimizer.step  # noqa: B018
        after_step(step + 1, value.item())


@wrong("02.2", "comes before backward", "the batch before")
def step_first(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        optimizer.step()
        optimizer.zero_grad()
        value = loss(net, batch)
        value.backward()
        after_step(step + 1, value.item())


@wrong("02.2", "once, after the loop")
def step_outside_the_loop(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        optimizer.zero_grad()
        value = loss(net, batch)
        value.backward()
        after_step(step + 1, value.item())
    optimizer.step()


@wrong("02.2", "learning rate stays as it was")
def rate_never_set(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches, 1):
        value = loss(net, batch)
        one_step(net, optimizer, value)
        after_step(step, value.item())


@wrong("02.2", "learning rate stays as it was", 'group["lr"]')
def rate_as_an_attribute(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        optimizer.lr = learning_rate(step)
        value = loss(net, batch)
        one_step(net, optimizer, value)
        after_step(step + 1, value.item())


@wrong("02.2", "only the first group")
def rate_of_group_zero(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = learning_rate(step)
        value = loss(net, batch)
        one_step(net, optimizer, value)
        after_step(step + 1, value.item())


@wrong("02.2", "that of the next step")
def rate_counted_from_one(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches, start=1):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        one_step(net, optimizer, value)
        after_step(step, value.item())


@wrong("02.2", "set after the step")
def rate_at_the_end(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        value = loss(net, batch)
        one_step(net, optimizer, value)
        set_rate(optimizer, learning_rate(step))
        after_step(step + 1, value.item())


@wrong("02.2", "learning rate of the first step")
def rate_set_before_the_loop(net, optimizer, batches, loss, learning_rate, after_step):
    set_rate(optimizer, learning_rate(0))
    for step, batch in enumerate(batches, 1):
        value = loss(net, batch)
        one_step(net, optimizer, value)
        after_step(step, value.item())


@wrong("02.2", "began with is multiplied")
def rate_by_a_scheduler(net, optimizer, batches, loss, learning_rate, after_step):
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate)
    for step, batch in enumerate(batches, 1):
        value = loss(net, batch)
        one_step(net, optimizer, value)
        scheduler.step()
        after_step(step, value.item())


@wrong("02.2", "multiplied with each other")
def rate_times_rate(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] *= learning_rate(step)
        value = loss(net, batch)
        one_step(net, optimizer, value)
        after_step(step + 1, value.item())


@wrong("02.2", "is the function learning_rate", "learning_rate(step)")
def rate_not_called(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate)
        value = loss(net, batch)
        one_step(net, optimizer, value)
        after_step(step + 1, value.item())


@wrong("02.2", "not the optimizer's", "momentum")
def weights_moved_by_hand(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        value = loss(net, batch)
        net.zero_grad()
        value.backward()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter -= learning_rate(step) * parameter.grad
        after_step(step + 1, value.item())


@wrong("02.2", "not the optimizer's", "momentum")
def a_new_optimizer_for_each_step(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        optimizer = torch.optim.SGD(net.parameters(), lr=learning_rate(step))
        value = loss(net, batch)
        one_step(net, optimizer, value)
        after_step(step + 1, value.item())


@wrong("02.2", "weights are not what they should be")
def gradients_clipped(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        optimizer.zero_grad()
        value = loss(net, batch)
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        optimizer.step()
        after_step(step + 1, value.item())


@wrong("02.2", "weights are not what they should be")
def two_steps_a_batch(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        one_step(net, optimizer, value)
        optimizer.step()
        after_step(step + 1, value.item())


@wrong("02.2", "last batch is left out")
def one_batch_held_back(net, optimizer, batches, loss, learning_rate, after_step):
    waiting, step = iter(batches), 0
    batch = next(waiting)
    for following in waiting:
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        one_step(net, optimizer, value)
        step, batch = step + 1, following
        after_step(step, value.item())


@wrong("02.2", "only the first batch")
def return_in_the_loop(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        one_step(net, optimizer, value)
        return after_step(step + 1, value.item())


@wrong("02.2", "never called")
def printed_only(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        one_step(net, optimizer, value)
        print(step, value.item())


@wrong("02.2", "once, when all steps are done")
def reported_after_the_loop(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        one_step(net, optimizer, value)
    after_step(step + 1, value.item())


@wrong("02.2", "handed 0 after the first step")
def reported_from_zero(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        one_step(net, optimizer, value)
        after_step(step, value.item())


@wrong("02.2", "before the optimizer's step")
def reported_too_early(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        after_step(step + 1, value.item())
        one_step(net, optimizer, value)


@wrong("02.2", "computed after the step")
def loss_computed_again(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        one_step(net, optimizer, loss(net, batch))
        with torch.no_grad():
            after_step(step + 1, loss(net, batch).item())


@wrong("02.2", "handed a tensor", ".item()")
def tensor_reported(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        one_step(net, optimizer, value)
        after_step(step + 1, value)


@wrong("02.2", "handed a tensor", ".item()")
def detached_tensor_reported(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        one_step(net, optimizer, value)
        after_step(step + 1, value.detach())


@wrong("02.2", "number of steps", "it is handed float and int")
def loss_reported_first(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch)
        one_step(net, optimizer, value)
        after_step(value.item(), step + 1)


@wrong("02.2", "after_step is not called as it should be")
def mean_loss_reported(net, optimizer, batches, loss, learning_rate, after_step):
    total = 0.0
    for step, batch in enumerate(batches, 1):
        set_rate(optimizer, learning_rate(step - 1))
        value = loss(net, batch)
        one_step(net, optimizer, value)
        total += value.item()
        after_step(step, total / step)


@wrong("02.2", "eval mode")
def evaluated(net, optimizer, batches, loss, learning_rate, after_step):
    net.eval()
    loop_counting_from_one(net, optimizer, batches, loss, learning_rate, after_step)


@wrong("02.2", "RuntimeError", "does not require grad")
@torch.no_grad()
def nothing_recorded(net, optimizer, batches, loss, learning_rate, after_step):
    loop_counting_from_one(net, optimizer, batches, loss, learning_rate, after_step)


@wrong("02.2", "RuntimeError", "does not require grad")
def loss_detached_before_backward(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch).detach()
        one_step(net, optimizer, value)
        after_step(step + 1, value.item())


@wrong("02.2", "AttributeError", "'float' object has no attribute 'backward'")
def number_taken_too_early(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batch).item()
        one_step(net, optimizer, value)
        after_step(step + 1, value)


@wrong("02.2", "'Tensor' object is not callable", "loss = loss(net, batch)")
def name_of_the_loss_used_twice(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        loss = loss(net, batch)
        one_step(net, optimizer, loss)
        after_step(step + 1, loss.item())


@wrong("02.2", "the network itself", "loss(net, batch)")
def network_called_already(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        set_rate(optimizer, learning_rate(step))
        value = loss(net(batch), batch)
        one_step(net, optimizer, value)
        after_step(step + 1, value.item())


@wrong("02.2", "has no len()")
def batches_counted(net, optimizer, batches, loss, learning_rate, after_step):
    for step in range(len(batches)):
        set_rate(optimizer, learning_rate(step))
        value = loss(net, batches[step])
        one_step(net, optimizer, value)
        after_step(step + 1, value.item())


@wrong("02.2", "course's own train:")
def by_the_librarys_loop(net, optimizer, batches, loss, learning_rate, after_step):
    waiting = list(batches)
    state = training.TrainState(net, net, optimizer)
    for step in training.train(state, lambda _: waiting[state.step], lambda n, b, _: loss(n, b), 6, learning_rate):
        after_step(state.step, step.loss)


@wrong("02.2", "goes through the batches twice")
def loop_that_counts_first(net, optimizer, batches, loss, learning_rate, after_step):
    total = sum(1 for _ in batches)
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        value = loss(net, batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        after_step(min(step + 1, total), value.item())


# --- 02.3 the average of the weights: right ---------------------------------------------------------------------------


@right("02.3")
def ema_by_mul_and_add(ema, net, decay):
    with torch.no_grad():
        for average, current in zip(ema.parameters(), net.parameters(), strict=True):
            average.mul_(decay).add_(current, alpha=1 - decay)


@right("02.3")
def ema_by_state(ema, net, decay):
    new = net.state_dict()
    ema.load_state_dict({name: decay * old + (1 - decay) * new[name] for name, old in ema.state_dict().items()})


@right("02.3")
@torch.no_grad()
def by_lerp(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.lerp_(current, 1 - decay)


@right("02.3")
def by_data(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.data = decay * average.data + (1 - decay) * current.data


@right("02.3")
def by_copy(ema, net, decay):
    with torch.no_grad():
        for average, current in zip(ema.parameters(), net.parameters(), strict=True):
            average.copy_(decay * average + (1 - decay) * current)


@right("02.3")
def by_name(ema, net, decay):
    new = dict(net.named_parameters())
    with torch.no_grad():
        for name, average in ema.named_parameters():
            average += (1 - decay) * (new[name] - average)


@right("02.3")
def whole_state(ema, net, decay):
    with torch.no_grad():
        for average, current in zip(ema.state_dict().values(), net.state_dict().values(), strict=True):
            average.mul_(decay).add_(current, alpha=1 - decay)


@right("02.3")
def buffers_carried_over(ema, net, decay):
    by_lerp(ema, net, decay)
    for average, current in zip(ema.buffers(), net.buffers(), strict=True):
        average.copy_(current)


@right("02.3")
def by_foreach(ema, net, decay):
    with torch.no_grad():
        torch._foreach_lerp_(list(ema.parameters()), list(net.parameters()), 1 - decay)


@right("02.3")
def by_vectors(ema, net, decay):
    old, new = (nn.utils.parameters_to_vector(module.parameters()).detach() for module in (ema, net))
    nn.utils.vector_to_parameters(decay * old + (1 - decay) * new, ema.parameters())


@right("02.3")
def module_by_module(ema, net, decay):
    for own, new in zip(ema.children(), net.children(), strict=True):
        module_by_module(own, new, decay)
    for average, current in zip(ema.parameters(recurse=False), net.parameters(recurse=False), strict=True):
        average.detach().mul_(decay).add_(current.detach() * (1 - decay))


@right("02.3")
def by_index(ema, net, decay):
    olds, news = list(ema.parameters()), list(net.parameters())
    for i in range(len(olds)):
        with torch.no_grad():
            olds[i][...] = olds[i] * decay + news[i] * (1 - decay)


@right("02.3")
def number_by_number(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        own, new = average.data.view(-1), current.data.view(-1)
        for i in range(len(own)):
            own[i] = decay * own[i].item() + (1 - decay) * new[i].item()


@right("02.3")
def by_numpy(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        numbers = average.data.numpy()
        numbers *= decay
        numbers += (1 - decay) * current.detach().numpy()


@right("02.3")
def returning_it_too(ema, net, decay):
    by_lerp(ema, net, decay)
    return ema


# --- 02.3 the average of the weights: wrong ---------------------------------------------------------------------------


def each(ema, net, rule):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.data.copy_(rule(average.data, current.data))


@wrong("02.3", "wrong way round")
def lerp_by_decay(ema, net, decay):
    each(ema, net, lambda old, new: torch.lerp(old, new, decay))


@wrong("02.3", "copies the current weights")
def loaded(ema, net, decay):
    ema.load_state_dict(net.state_dict())


@wrong("02.3", "mean of both")
def halves(ema, net, decay):
    each(ema, net, lambda old, new: 0.5 * old + 0.5 * new)


@wrong("02.3", "added whole")
def momentum(ema, net, decay):
    each(ema, net, lambda old, new: old * decay + new)


@wrong("02.3", "only shrinks")
def decayed(ema, net, decay):
    each(ema, net, lambda old, new: old * decay)


@wrong("02.3", "has not changed")
def not_in_place(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average = decay * average + (1 - decay) * current


@wrong("02.3", "has not changed")
def new_module_returned(ema, net, decay):
    result = copy.deepcopy(ema)
    by_lerp(result, net, decay)
    return result


@wrong("02.3", "has not changed")
def copies_of_the_state(ema, net, decay):
    old, new = ema.state_dict(), net.state_dict()
    for name in old:
        old[name] = decay * old[name] + (1 - decay) * new[name]


@wrong("02.3", "Only the first parameter")
def returns_too_early(ema, net, decay):
    with torch.no_grad():
        for average, current in zip(ema.parameters(), net.parameters(), strict=True):
            return average.lerp_(current, 1 - decay)


@wrong("02.3", "biases are not")
def weights_only(ema, net, decay):
    for (name, average), current in zip(ema.named_parameters(), net.parameters(), strict=True):
        if name.endswith("weight"):
            average.data.lerp_(current.data, 1 - decay)


@wrong("02.3", "layers at the top")
def layers_with_a_weight(ema, net, decay):
    for own, new in zip(ema, net, strict=True):
        if isinstance(own, nn.Linear):
            by_lerp(own, new, decay)


@wrong("02.3", "has not been shrunk")
def added_on_top(ema, net, decay):
    each(ema, net, lambda old, new: old + (1 - decay) * new)


@wrong("02.3", "subtracted")
def difference_of_shares(ema, net, decay):
    each(ema, net, lambda old, new: decay * old - (1 - decay) * new)


@wrong("02.3", "records gradients")
def recorded(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.mul_(decay).add_(current * (1 - decay))


@wrong("02.3", "another decay")
def always_nine_tenths(ema, net, decay):
    each(ema, net, lambda old, new: 0.9 * old + 0.1 * new)


@wrong("02.3", "net in place")
def the_other_module(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        current.data.lerp_(average.data, decay)


@wrong("02.3", "course's own update_ema")
def by_the_librarys_update(ema, net, decay):
    training.update_ema(ema, net, decay)


@wrong("02.3", "does not come out right")
def squared_decay(ema, net, decay):
    each(ema, net, lambda old, new: decay**2 * old + (1 - decay**2) * new)


@wrong("02.3", "AttributeError")
def weights_of_the_outside(ema, net, decay):
    ema.weight.data = decay * ema.weight.data + (1 - decay) * net.weight.data


@wrong("02.3", "TypeError")
def without_a_call(ema, net, decay):
    for average, current in zip(ema.parameters, net.parameters, strict=True):
        average.data.lerp_(current.data, 1 - decay)


@wrong("02.3", "does not come out right")
def old_average_used_twice(ema, net, decay):
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.data.mul_(decay)
        average.data.add_((1 - decay) * (current.data - average.data))


# --- 02.4 the picture from v: right -----------------------------------------------------------------------------------


@right("02.4")
def picture_from_v_by_angle(schedule, x_t, t, v):
    angle = torch.acos(schedule.alpha_bar[t].sqrt()).reshape(-1, 1, 1, 1)
    return (torch.cos(angle) * x_t - torch.sin(angle) * v).to(x_t.dtype)


@right("02.4")
def picture_from_v_row_by_row(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].tolist()
    return torch.stack([s**0.5 * x - (1 - s) ** 0.5 * w for s, x, w in zip(a, x_t, v, strict=True)])


@right("02.4")
def rotated(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].view(-1, 1, 1, 1)
    return (a.sqrt() * x_t - (1 - a).sqrt() * v).to(x_t.dtype)


@right("02.4")
def rotated_by_the_schedule(schedule, x_t, t, v):
    a = schedule.at(t, x_t)
    return a.sqrt().to(x_t) * x_t - (1 - a).sqrt().to(x_t) * v


@right("02.4")
def rotated_by_a_matrix(schedule, x_t, t, v):
    a = schedule.alpha_bar[t]
    matrix = torch.stack([a.sqrt(), -(1 - a).sqrt()], dim=1).float()
    return torch.einsum("bk,bk...->b...", matrix, torch.stack([x_t, v], dim=1))


@right("02.4")
def rotated_as_complex_numbers(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    turned = torch.complex(x_t.double(), v.double()) * torch.complex(a.sqrt(), (1 - a).sqrt())
    return turned.real.float()


@right("02.4")
def by_way_of_eps(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    c, s = a.sqrt(), (1 - a).sqrt()
    eps = s * x_t + c * v
    return ((x_t - s * eps) / c).float()


@right("02.4")
def rotated_by_angles(schedule, x_t, t, v):
    phi = torch.atan2((1 - schedule.alpha_bar[t]).sqrt(), schedule.alpha_bar[t].sqrt())[:, None, None, None]
    return (phi.cos() * x_t - phi.sin() * v).to(x_t)


@right("02.4")
def rotated_by_numpy(schedule, x_t, t, v):
    a = schedule.alpha_bar.numpy()[t.numpy()][:, None, None, None]
    return torch.from_numpy((np.sqrt(a) * x_t.numpy() - np.sqrt(1 - a) * v.numpy()).astype("float32"))


@right("02.4")
def rotated_one_by_one(schedule, x_t, t, v):
    x_0 = torch.empty_like(x_t)
    for i in range(x_t.shape[0]):
        c = float(schedule.alpha_bar[int(t[i])]) ** 0.5
        x_0[i] = c * x_t[i] - (1 - c * c) ** 0.5 * v[i]
    return x_0


@right("02.4")
def rotated_by_addcmul(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].float().reshape(len(t), *[1] * (x_t.dim() - 1))
    return torch.addcmul(a.sqrt() * x_t, (1 - a).sqrt(), v.neg())


@right("02.4")
def rotated_flat(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].float().unsqueeze(-1)
    return (a.sqrt() * x_t.flatten(1) - (1 - a).sqrt() * v.flatten(1)).view_as(x_t)


@right("02.4")
def rotated_by_add_noise(schedule, x_t, t, v):
    return add_noise(schedule, x_t, t, -v)


@right("02.4")
def rotated_by_vmap(schedule, x_t, t, v):
    return torch.vmap(lambda a, x, w: (a.sqrt() * x - (1 - a).sqrt() * w).float())(schedule.alpha_bar[t], x_t, v)


# --- 02.4 the picture from v: wrong -----------------------------------------------------------------------------------


@wrong("02.4", "This is eps")
def eps_instead(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return b.sqrt() * x_t + a.sqrt() * v


@wrong("02.4", "sign is wrong")
def plus_v(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return a.sqrt() * x_t + b.sqrt() * v


@wrong("02.4", "swapped")
def factors_swapped(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return b.sqrt() * x_t - a.sqrt() * v


@wrong("02.4", "without the square roots")
def no_roots(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return a * x_t - b * v


@wrong("02.4", "as if it were eps")
def formula_of_eps(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return (x_t - b.sqrt() * v) / a.sqrt()


@wrong("02.4", "off by one")
def one_time_early(schedule, x_t, t, v):
    return rotated(schedule, x_t, t - 1, v)


@wrong("02.4", "turns forwards once more")
def v_of_them(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return a.sqrt() * v - b.sqrt() * x_t


@wrong("02.4", "needs no division")
def divided_at_the_end(schedule, x_t, t, v):
    return rotated(schedule, x_t, t, v) / shares(schedule, t)[0].sqrt()


@wrong("02.4", "root on 1 − alpha_bar is missing")
def root_of_signal_only(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return a.sqrt() * x_t - b * v


@wrong("02.4", "root on alpha_bar is missing")
def root_of_noise_only(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return a * x_t - b.sqrt() * v


@wrong("02.4", "clipped")
def held_in_range(schedule, x_t, t, v):
    return rotated(schedule, x_t, t, v).clamp(min=-1, max=1)


@wrong("02.4", "along the columns")
def rotated_columns(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].float()
    return a.sqrt() * x_t - (1 - a).sqrt() * v


@wrong("02.4", "two different results")
def v_drawn(schedule, x_t, t, v):
    return rotated(schedule, x_t, t, torch.randn(v.shape))


@wrong("02.4", "the same whatever v is")
def v_forgotten(schedule, x_t, t, v):
    return x_t / shares(schedule, t)[0].sqrt()


@wrong("02.4", "dtype should be torch.float32")
def in_float64(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    return a.sqrt() * x_t - (1 - a).sqrt() * v


@wrong("02.4", "cosine schedule")
def linear_for_all(schedule, x_t, t, v):
    return rotated(NoiseSchedule.linear(), x_t, t, v)


@wrong("02.4", "linear schedule", "the same whatever schedule is")
def cosine_for_all(schedule, x_t, t, v):
    return rotated(NoiseSchedule.cosine(), x_t, t, v)


@wrong("02.4", "batch of one picture")
def negative_alone(schedule, x_t, t, v):
    return rotated(schedule, x_t, t, v) * (1 if len(t) > 1 else -1)


@wrong("02.4", "got tuple")
def both_halves(schedule, x_t, t, v):
    return rotated(schedule, x_t, t, v), eps_instead(schedule, x_t, t, v)


@wrong("02.4", "v in place")
def v_used_up(schedule, x_t, t, v):
    a, b = shares(schedule, t)
    return a.sqrt() * x_t - v.mul_(b.sqrt())


@wrong("02.4", "course's own NetDenoiser")
def v_by_a_denoiser(schedule, x_t, t, v):
    return NetDenoiser(lambda x, t, cond: v, schedule, "v")(x_t, t)[0]


@wrong("02.4", "has it a return?")
def on_paper_only(schedule, x_t, t, v):
    return None


# --- 02.5 dropping labels: right --------------------------------------------------------------------------------------


@right("02.5")
def drop_by_mask(labels, null_class, probability, generator=None):
    out = labels.clone()
    out[torch.rand(len(labels), generator=generator) < probability] = null_class
    return out


@right("02.5")
def drop_by_coin(labels, null_class, probability, generator=None):
    coin = torch.bernoulli(torch.full(labels.shape, float(probability)), generator=generator).bool()
    return labels.masked_fill(coin, null_class)


@right("02.5")
def by_where(labels, null_class, probability, generator=None):
    return torch.where(torch.rand(len(labels), generator=generator) < probability, null_class, labels)


@right("02.5")
def by_a_mask(labels, null_class, probability, generator=None):
    labels = labels.clone()
    labels[torch.rand(labels.shape, generator=generator) < probability] = null_class
    return labels


@right("02.5")
def by_keeping(labels, null_class, probability, generator=None):
    keep = (torch.rand(labels.size(), generator=generator) >= probability).long()
    return keep * labels + (1 - keep) * null_class


@right("02.5")
def by_a_loop(labels, null_class, probability, generator=None):
    out = []
    for label in labels.tolist():
        out.append(null_class if torch.rand(1, generator=generator).item() < probability else label)
    return torch.tensor(out)


@right("02.5")
def by_uniform_in_place(labels, null_class, probability, generator=None):
    u = torch.empty(labels.shape).uniform_(generator=generator)
    return labels.masked_fill(u < probability, null_class)


@right("02.5")
def by_bernoulli(labels, null_class, probability, generator=None):
    gone = torch.empty(labels.shape).bernoulli_(probability, generator=generator).bool()
    return torch.where(gone, torch.full_like(labels, null_class), labels)


@right("02.5")
def from_the_other_end(labels, null_class, probability, generator=None):
    return torch.where(1 - torch.rand(labels.shape, generator=generator) <= probability, null_class, labels)


@right("02.5")
def drawn_in_float64(labels, null_class, probability, generator=None):
    u = torch.rand(labels.shape, generator=generator, dtype=torch.float64)
    return torch.where(u < probability, torch.tensor(null_class), labels)


@right("02.5")
def by_whole_numbers(labels, null_class, probability, generator=None):
    tickets = torch.randint(0, 1_000_000, labels.shape, generator=generator)
    return torch.where(tickets < round(probability * 1_000_000), null_class, labels)


@right("02.5")
def by_nonzero(labels, null_class, probability, generator=None):
    where = (torch.rand(labels.shape, generator=generator) < probability).nonzero().flatten()
    return labels.index_fill(0, where, null_class)


@right("02.5")
def by_numpy_from_the_generator(labels, null_class, probability, generator=None):
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
    return torch.from_numpy(np.where(rng.random(len(labels)) < probability, null_class, labels.numpy()))


@right("02.5")
def by_gaussian_quantile(labels, null_class, probability, generator=None):
    u = torch.special.ndtr(torch.randn(labels.shape, generator=generator, dtype=torch.float64))
    return torch.where(u < probability, null_class, labels)


@right("02.5")
def by_multinomial(labels, null_class, probability, generator=None):
    weights = torch.tensor([1 - probability, probability])
    gone = torch.multinomial(weights, len(labels), replacement=True, generator=generator)
    return torch.stack([labels, torch.full_like(labels, null_class)])[gone, torch.arange(len(labels))]


# --- 02.5 dropping labels: wrong --------------------------------------------------------------------------------------


@wrong("02.5", "half of the labels should go")
def drop_to_minus_one(labels, null_class, probability, generator=None):
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, -1, labels)


@wrong("02.5", "half of the labels should go")
def drop_half_as_many(labels, null_class, probability, generator=None):
    return torch.where(torch.rand(labels.shape, generator=generator) < probability / 2, null_class, labels)


@wrong("02.5", "probability 1 − p")
def kept_below(labels, null_class, probability, generator=None):
    return torch.where(torch.rand(labels.shape, generator=generator) > probability, null_class, labels)


@wrong("02.5", "torch.randn")
def gaussian(labels, null_class, probability, generator=None):
    return labels.masked_fill(torch.randn(labels.shape, generator=generator) < probability, null_class)


@wrong("02.5", "one random number for each label")
def all_or_none(labels, null_class, probability, generator=None):
    if torch.rand((), generator=generator) < probability:
        return torch.full_like(labels, null_class)
    return labels.clone()


@wrong("02.5", "becomes 0")
def multiplied_away(labels, null_class, probability, generator=None):
    return labels * (torch.rand(labels.shape, generator=generator) >= probability)


@wrong("02.5", "Nothing is ever dropped")
def untouched(labels, null_class, probability, generator=None):
    return labels


@wrong("02.5", "always the same places")
def the_first_ones(labels, null_class, probability, generator=None):
    out = labels.clone()
    out[: int(probability * len(labels))] = null_class
    return out


@wrong("02.5", "always the same places")
def a_generator_of_its_own(labels, null_class, probability, generator=None):
    generator = torch.Generator().manual_seed(42)
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, null_class, labels)


@wrong("02.5", "always the same places")
def seeded_anew(labels, null_class, probability, generator=None):
    if generator is not None:
        generator.manual_seed(0)
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, null_class, labels)


@wrong("02.5", "is not used")
def global_randomness(labels, null_class, probability, generator=None):
    return labels.masked_fill(torch.rand(labels.shape) < probability, null_class)


@wrong("02.5", "is not used")
def randomness_of_python(labels, null_class, probability, generator=None):
    return torch.tensor([null_class if random.random() < probability else label for label in labels.tolist()])


@wrong("02.5", "is not used")
def randomness_like(labels, null_class, probability, generator=None):
    return torch.where(torch.rand_like(labels, dtype=torch.float32) < probability, null_class, labels)


@wrong("02.5", "draw from it")
def from_a_copy(labels, null_class, probability, generator=None):
    own = torch.Generator()
    if generator is not None:
        own.set_state(generator.get_state())
    return torch.where(torch.rand(labels.shape, generator=own) < probability, null_class, labels)


@wrong("02.5", "draw from it")
def from_the_seed(labels, null_class, probability, generator=None):
    if generator is not None:
        torch.manual_seed(generator.initial_seed())
    return torch.where(torch.rand(labels.shape) < probability, null_class, labels)


@wrong("02.5", "Exactly the share p")
def a_fixed_number(labels, null_class, probability, generator=None):
    out = labels.clone()
    out[torch.randperm(len(labels), generator=generator)[: round(probability * len(labels))]] = null_class
    return out


@wrong("02.5", "About half of the labels")
def by_a_coin(labels, null_class, probability, generator=None):
    return torch.where(torch.randint(2, labels.shape, generator=generator) == 1, null_class, labels)


@wrong("02.5", "share it with no neighbour")
def in_pairs(labels, null_class, probability, generator=None):
    gone = torch.rand(len(labels) // 2 + 1, generator=generator).repeat_interleave(2)[: len(labels)] < probability
    return torch.where(gone, null_class, labels)


@wrong("02.5", "0.1, 0.33 and 0.875")
def squared_probability(labels, null_class, probability, generator=None):
    p = 2 * probability**2
    return torch.where(torch.rand(labels.shape, generator=generator) < p, null_class, labels)


@wrong("02.5", "stay what it was")
def others_shuffled(labels, null_class, probability, generator=None):
    mixed = labels[torch.randperm(len(labels), generator=generator)]
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, null_class, mixed)


@wrong("02.5", "becomes 10")
def ten_for_null(labels, null_class, probability, generator=None):
    labels = labels.clone()
    labels[torch.rand(labels.shape, generator=generator) < probability] = 10
    return labels


@wrong("02.5", "labels in place")
def in_place(labels, null_class, probability, generator=None):
    labels[torch.rand(labels.shape, generator=generator) < probability] = null_class
    return labels


@wrong("02.5", "dtype should be torch.int64", "float32")
def as_floats(labels, null_class, probability, generator=None):
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, float(null_class), labels.float())


@wrong("02.5", "shape should be")
def dropped_from_the_batch(labels, null_class, probability, generator=None):
    return labels[torch.rand(labels.shape, generator=generator) >= probability]


@wrong("02.5", "torch.Tensor", "list")
def a_list_of_labels(labels, null_class, probability, generator=None):
    return by_where(labels, null_class, probability, generator).tolist()


@wrong("02.5", "course's own drop_labels")
def by_the_library(labels, null_class, probability, generator=None):
    return training.drop_labels(labels, null_class, probability, generator)


@wrong("02.5", "one label")
def two_at_least(labels, null_class, probability, generator=None):
    if len(labels) < 2:
        return labels.clone()
    return by_where(labels, null_class, probability, generator)


@wrong("02.5", "AttributeError", "NoneType")
def generator_taken_for_granted(labels, null_class, probability, generator=None):
    seed = torch.randint(2**31, (), generator=generator).item() + generator.initial_seed() * 0
    return by_where(labels, null_class, probability, torch.Generator().manual_seed(seed))


# --- 02.6 the picture from the noise: right ---------------------------------------------------------------------------


@right("02.6")
def picture_from_eps_in_float64(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    return ((x_t.double() - (1 - a).sqrt() * eps.double()) / a.sqrt()).float()


@right("02.6")
def picture_from_eps_by_snr(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].float()[:, None, None, None]
    return x_t / a.sqrt() - (1 / a - 1).sqrt() * eps


@right("02.6")
def solved(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].view(-1, 1, 1, 1)
    return ((x_t - (1 - a).sqrt() * eps) / a.sqrt()).to(x_t.dtype)


@right("02.6")
def solved_by_the_schedule(schedule, x_t, t, eps):
    a = schedule.at(t, x_t)
    return (x_t - (1 - a).sqrt().to(x_t) * eps) / a.sqrt().to(x_t)


@right("02.6")
def solved_in_float32(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].float()[:, None, None, None]
    return a.pow(-0.5) * (x_t - (1 - a).pow(0.5) * eps)


@right("02.6")
def solved_row_by_row(schedule, x_t, t, eps):
    rows = []
    for x, time, e in zip(x_t, t.tolist(), eps, strict=True):
        a = schedule.alpha_bar[time].item()
        rows.append((x - math.sqrt(1 - a) * e) / math.sqrt(a))
    return torch.stack(rows)


@right("02.6")
def solved_by_numpy(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].numpy()[:, None, None, None]
    x_0 = (x_t.numpy() - np.sqrt(1 - a) * eps.numpy()) / np.sqrt(a)
    return torch.tensor(x_0, dtype=x_t.dtype)


@right("02.6")
def solved_by_addcmul(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].float().unflatten(0, (-1, 1, 1, 1))
    return torch.addcmul(x_t, (1 - a).sqrt(), eps, value=-1).div(a.sqrt())


@right("02.6")
def solved_by_einsum(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t]
    left = x_t.double() - torch.einsum("b,b...->b...", (1 - a).sqrt(), eps.double())
    return torch.einsum("b,b...->b...", 1 / a.sqrt(), left).float()


@right("02.6")
def solved_transposed(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t]
    x_0 = (x_t.movedim(0, -1) - (1 - a).sqrt() * eps.movedim(0, -1)) / a.sqrt()
    return x_0.movedim(-1, 0).type(x_t.dtype)


@right("02.6")
def solved_in_place_on_a_copy(schedule, x_t, t, eps):
    x_0 = x_t.clone()
    for i, time in enumerate(t):
        x_0[i] -= (1 - schedule.alpha_bar[time]).sqrt() * eps[i]
        x_0[i] /= schedule.alpha_bar[time].sqrt()
    return x_0


@right("02.6")
def solved_by_a_linear_system(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t]
    right_side = x_t.flatten(1).double() - (1 - a).sqrt()[:, None] * eps.flatten(1)
    return torch.linalg.solve(a.sqrt().diag(), right_side).reshape(x_t.shape).float()


@right("02.6")
def undoing_add_noise(schedule, x_t, t, eps):
    noise = add_noise(schedule, torch.zeros_like(x_t), t, eps)
    signal = add_noise(schedule, torch.ones_like(x_t), t, torch.zeros_like(x_t))
    return (x_t - noise) / signal


right("02.6")(functools.partial(lambda shape, s, x, t, e: solved(s, x, t.reshape(shape), e), (-1,)))

# --- 02.6 the picture from the noise: wrong ---------------------------------------------------------------------------


def shares(schedule, t):
    a = schedule.alpha_bar[t].float().reshape(-1, 1, 1, 1)
    return a, 1 - a


@wrong("02.6", "divide by √alpha_bar")
def only_subtracted(schedule, x_t, t, eps):
    return x_t - shares(schedule, t)[1].sqrt() * eps


@wrong("02.6", "should be divided by its root")
def divided_without_root(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    return (x_t - b.sqrt() * eps) / a


@wrong("02.6", "added once more")
def plus(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    return (x_t + b.sqrt() * eps) / a.sqrt()


@wrong("02.6", "unscaled")
def whole_noise_taken(schedule, x_t, t, eps):
    return (x_t - eps) / shares(schedule, t)[0].sqrt()


@wrong("02.6", "square root on the noise is missing")
def noise_share(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    return (x_t - b * eps) / a.sqrt()


@wrong("02.6", "off by one")
def time_before(schedule, x_t, t, eps):
    return solved(schedule, x_t, t - 1, eps)


@wrong("02.6", "one single step")
def one_step_back(schedule, x_t, t, eps):
    b = schedule.beta[t].float().reshape(-1, 1, 1, 1)
    return (x_t - b.sqrt() * eps) / (1 - b).sqrt()


@wrong("02.6", "multiplied by √alpha_bar")
def times_signal(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    return a.sqrt() * (x_t - b.sqrt() * eps)


@wrong("02.6", "Only x_t is divided")
def brackets_missing(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    return x_t / a.sqrt() - b.sqrt() * eps


@wrong("02.6", "once more")
def noise_added(schedule, x_t, t, eps):
    return add_noise(schedule, x_t, t, eps)


@wrong("02.6", "clipped")
def clipped(schedule, x_t, t, eps):
    return solved(schedule, x_t, t, eps).clip(-1, 1)


@wrong("02.6", "along the columns")
def columns(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].float()
    return (x_t - (1 - a).sqrt() * eps) / a.sqrt()


@wrong("02.6", "use the eps that it is handed")
def guessed_noise(schedule, x_t, t, eps):
    return solved(schedule, x_t, t, torch.empty_like(x_t).normal_())


@wrong("02.6", "the same whatever eps is")
def noise_ignored(schedule, x_t, t, eps):
    return x_t / schedule.alpha_bar[t].sqrt().float().reshape(-1, 1, 1, 1)


@wrong("02.6", "float32, but it is torch.float64")
def float64_kept(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    return (x_t - (1 - a).sqrt() * eps) / a.sqrt()


@wrong("02.6", "cosine schedule")
def linear_always(schedule, x_t, t, eps):
    return solved(NoiseSchedule.linear(), x_t, t, eps)


@wrong("02.6", "batch of one picture")
def mean_of_one_removed(schedule, x_t, t, eps):
    x_0 = solved(schedule, x_t, t, eps)
    return x_0 - x_0.mean() if len(x_0) == 1 else x_0


@wrong("02.6", "IndexError")
def one_squeezed(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].float().squeeze()[:, None, None, None]
    return (x_t - (1 - a).sqrt() * eps) / a.sqrt()


@wrong("02.6", "x_t in place")
def taken_out_in_place(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    x_t -= b.sqrt() * eps
    return x_t / a.sqrt()


@wrong("02.6", "course's own NetDenoiser")
def by_a_denoiser(schedule, x_t, t, eps):
    return NetDenoiser(lambda x, t, cond: eps, schedule, "eps")(x_t, t).x_0


@wrong("02.6", "do not come back")
def time_of_the_first_for_all(schedule, x_t, t, eps):
    return solved(schedule, x_t, t[:1].repeat(len(t)), eps)


@wrong("02.6", "do not come back")
def constant_in_the_denominator(schedule, x_t, t, eps):
    a, b = shares(schedule, t)
    return (x_t - b.sqrt() * eps) / (a.sqrt() + 0.1)


@wrong("02.6", "torch.Tensor", "list")
def pictures_in_a_list(schedule, x_t, t, eps):
    return list(solved(schedule, x_t, t, eps))


# --- 02.7 the time as waves: right ------------------------------------------------------------------------------------


@right("02.7")
def waves_by_exp(t, size):
    half = size // 2
    frequencies = torch.exp(-math.log(10_000) * torch.arange(half) / half)
    angles = t.float().unsqueeze(1) * frequencies.unsqueeze(0)
    return torch.cat((torch.sin(angles), torch.cos(angles)), dim=-1)


@right("02.7")
def waves_by_outer(t, size):
    exponents = torch.arange(0, size, 2) / size
    angles = torch.outer(t.float(), 10_000**-exponents)
    return torch.hstack([angles.sin(), angles.cos()])


@right("02.7")
def waves_by_einsum(t, size):
    frequencies = torch.pow(10_000, -torch.arange(size // 2) / (size // 2))
    angles = torch.einsum("b,f->bf", t.to(frequencies.dtype), frequencies)
    return torch.stack([angles.sin(), angles.cos()], dim=1).flatten(1)


@right("02.7")
def waves_by_loops(t, size):
    half = size // 2
    rows = []
    for time in t.tolist():
        angles = [time * math.exp(-math.log(10_000) * i / half) for i in range(half)]
        rows.append([math.sin(a) for a in angles] + [math.cos(a) for a in angles])
    return torch.tensor(rows)


@right("02.7")
def waves_column_by_column(t, size):
    half = size // 2
    waves = torch.zeros(len(t), size)
    for i in range(half):
        frequency = 10_000 ** (-i / half)
        waves[:, i] = torch.sin(t * frequency)
        waves[:, half + i] = torch.cos(t * frequency)
    return waves


@right("02.7")
def waves_by_shifted_sines(t, size):
    angles = t.double()[:, None] / 10_000 ** (torch.arange(size // 2, dtype=torch.float64) / (size // 2))
    return torch.sin(torch.cat([angles, angles + math.pi / 2], dim=1)).float()


@right("02.7")
def waves_by_logspace(t, size):
    frequencies = torch.logspace(0, -4, size // 2 + 1)[:-1]
    angles = t.view(-1, 1) * frequencies
    return torch.concatenate([angles.sin(), angles.cos()], 1)


@right("02.7")
def waves_of_complex_numbers(t, size):
    angles = t[:, None] * 10_000 ** (-torch.arange(size // 2) / (size // 2))
    turned = torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.imag, turned.real], dim=1)


@right("02.7")
def waves_by_a_running_product(t, size):
    factors = torch.full((size // 2,), 10_000 ** (-2 / size), dtype=torch.float64)
    factors[0] = 1
    angles = t[:, None] * factors.cumprod(0)
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(torch.float32)


@right("02.7")
def waves_by_matrix_product(t, size):
    frequencies = torch.linspace(0, math.log(1e-4), size // 2 + 1)[:-1].exp()
    angles = t.float().reshape(-1, 1) @ frequencies.reshape(1, -1)
    return torch.stack([angles.sin(), angles.cos()]).transpose(0, 1).reshape(len(t), size)


@right("02.7")
def waves_written_into_place(t, size):
    sines, cosines = (waves := torch.empty(t.shape[0], size)).chunk(2, dim=1)
    angles = t[:, None] * torch.exp2(-math.log2(10_000) / (size // 2) * torch.arange(size // 2))
    torch.sin(angles, out=sines)
    torch.cos(angles, out=cosines)
    return waves


@right("02.7")
def waves_by_vmap(t, size):
    frequencies = torch.tensor([10_000 ** (-2 * i / size) for i in range(size // 2)])
    return torch.vmap(lambda time: torch.cat([(time * frequencies).sin(), (time * frequencies).cos()]))(t)


@right("02.7")
def waves_turned_upright(t, size):
    frequencies = (10_000 ** (-torch.arange(size // 2) / (size / 2)))[:, None]
    return torch.cat([(frequencies * t).sin(), (frequencies * t).cos()], dim=0).T


# --- 02.7 the time as waves: wrong ------------------------------------------------------------------------------------


def falling(size):
    return torch.exp(-math.log(10_000) * torch.arange(size // 2) / (size // 2))


def sines_and_cosines(angles):
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)


@wrong("02.7", "cosines stand first")
def cosines_before_sines(t, size):
    angles = torch.outer(t.float(), falling(size))
    return torch.cat([angles.cos(), angles.sin()], dim=1)


@wrong("02.7", "take turns")
def as_in_the_paper(t, size):
    waves = torch.zeros(len(t), size)
    waves[:, 0::2] = torch.sin(t[:, None] * falling(size))
    waves[:, 1::2] = torch.cos(t[:, None] * falling(size))
    return waves


@wrong("02.7", "take turns")
def stacked_at_the_end(t, size):
    angles = t[:, None] * falling(size)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


@wrong("02.7", "the exponent has a minus")
def minus_forgotten(t, size):
    half = size // 2
    return sines_and_cosines(t[:, None] * torch.exp(math.log(10_000) * torch.arange(half) / half))


@wrong("02.7", "divide by size / 2")
def divided_by_size(t, size):
    return sines_and_cosines(t[:, None] * torch.exp(-math.log(10_000) * torch.arange(size // 2) / size))


@wrong("02.7", "not by one less")
def ends_included(t, size):
    return sines_and_cosines(t[:, None] * torch.logspace(0, -4, size // 2))


@wrong("02.7", "count i from 0")
def frequencies_from_the_second(t, size):
    return sines_and_cosines(t[:, None] * torch.logspace(0, -4, size // 2 + 1)[1:])


@wrong("02.7", "count i in steps of one")
def twos_and_half_the_size(t, size):
    return sines_and_cosines(t[:, None] / 10_000 ** (torch.arange(0, size, 2) / (size // 2)))


@wrong("02.7", "the base is 10,000")
def thousand(t, size):
    return sines_and_cosines(t[:, None] * torch.logspace(0, -3, size // 2 + 1)[:-1])


@wrong("02.7", "factor of 2π")
def full_turns(t, size):
    return sines_and_cosines(2 * math.pi * t[:, None] * falling(size))


@wrong("02.7", "divided by 1,000")
def share_of_the_time(t, size):
    return sines_and_cosines((t.float() / 1000).outer(falling(size)))


@wrong("02.7", "sines only")
def sine_twice(t, size):
    angles = t[:, None] * falling(size)
    return torch.cat([angles.sin(), angles.sin()], dim=1)


@wrong("02.7", "one frequency")
def frequency_of_zero(t, size):
    half = size // 2
    return sines_and_cosines(t[:, None] * 10_000.0 ** -(torch.arange(half) // half))


@wrong("02.7", "equal steps")
def in_equal_steps(t, size):
    return sines_and_cosines(t[:, None] * torch.linspace(1, 0, size // 2 + 1)[:-1])


@wrong("02.7", "waves of t − 1")
def time_from_zero(t, size):
    return sines_and_cosines(torch.outer(t - 1.0, falling(size)))


@wrong("02.7", "rows and columns are swapped")
def outer_the_wrong_way(t, size):
    return sines_and_cosines(torch.outer(falling(size), t.float()))


@wrong("02.7", "do not come out right")
def logarithm_of_base_ten(t, size):
    return sines_and_cosines(t[:, None] * torch.exp(-math.log10(10_000) * torch.arange(size // 2) / (size // 2)))


@wrong("02.7", "do not come out right")
def in_degrees(t, size):
    return sines_and_cosines(torch.deg2rad(t[:, None] * falling(size)))


@wrong("02.7", "for later times", "2, 8 or 64 waves")
def three_frequencies(t, size):
    frequencies = torch.tensor([1.0, 0.0464159, 0.00215443]).repeat(math.ceil(size / 6))[: size // 2]
    return sines_and_cosines(t[:, None] * frequencies)


@wrong("02.7", "for later times")
def in_half_precision(t, size):
    angles = torch.outer(t.half(), falling(size).half()).float()
    return sines_and_cosines(angles)


@wrong("02.7", "IndexError", "out of range")
def new_axis_forgotten(t, size):
    angles = t * falling(size)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


@wrong("02.7", "shape should be (3, 6), but it is (6,)")
def new_axis_forgotten_and_no_column(t, size):
    angles = t * falling(size)
    return torch.cat([angles.sin(), angles.cos()])


@wrong("02.7", "shape should be (3, 6), but it is (6, 3)")
def one_below_the_other(t, size):
    angles = t[:, None] * falling(size)
    return torch.cat([angles.sin(), angles.cos()])


@wrong("02.7", "shape should be (3, 6), but it is (3, 2, 3)")
def halves_stacked(t, size):
    angles = t[:, None] * falling(size)
    return torch.stack([angles.sin(), angles.cos()], dim=1)


@wrong("02.7", "shape should be (3, 6), but it is (3, 12)")
def as_many_frequencies_as_numbers(t, size):
    return sines_and_cosines(t[:, None] * 10_000 ** (-torch.arange(size) / size))


@wrong("02.7", "shape should be (3, 6), but it is (3, 3)")
def added(t, size):
    angles = t[:, None] * falling(size)
    return angles.sin() + angles.cos()


@wrong("02.7", "got tuple")
def halves_apart(t, size):
    angles = t[:, None] * falling(size)
    return angles.sin(), angles.cos()


@wrong("02.7", "dtype should be torch.float32, but it is torch.float64")
def waves_in_float64(t, size):
    return sines_and_cosines(t.double()[:, None] * falling(size))


@wrong("02.7", "dtype should be torch.float32, but it is torch.int64")
def dtype_of_the_times(t, size):
    waves = torch.zeros(len(t), size, dtype=t.dtype)
    waves[:] = sines_and_cosines(t[:, None] * falling(size))
    return waves


@wrong("02.7", "whole numbers", "//")
def integer_division(t, size):
    return sines_and_cosines(t[:, None] * 10_000 ** (-torch.arange(size // 2) // (size // 2)))


@wrong("02.7", "Your function stopped with", "math.sin(angles)")
def sine_of_math(t, size):
    angles = t[:, None] * falling(size)
    return torch.cat([math.sin(angles), math.cos(angles)], dim=1)


@wrong("02.7", "t in place")
def column_in_place(t, size):
    return sines_and_cosines(t.unsqueeze_(1) * falling(size))


@wrong("02.7", "has it a return?")
def waves_dropped(t, size):
    sines_and_cosines(t[:, None] * falling(size))


@wrong("02.7", "course's own embed_time")
def the_librarys_waves(t, size):
    return library_embed_time(t, size)


# --- 02.8 the residual block: right -----------------------------------------------------------------------------------


@right("02.8")
def block_line_by_line(block, x, emb):
    h = block.norm1(x)
    h = F.silu(h)
    h = block.conv1(h)
    both = block.scale_and_shift(emb)
    channels = both.shape[1] // 2
    scale = both[:, :channels].unsqueeze(-1).unsqueeze(-1)
    shift = both[:, channels:].unsqueeze(-1).unsqueeze(-1)
    h = block.norm2(h)
    h = h * (1 + scale) + shift
    h = F.silu(h)
    h = block.conv2(h)
    return h + block.shortcut(x)


@right("02.8")
def block_by_sequential(block, x, emb):
    first = nn.Sequential(block.norm1, nn.SiLU(), block.conv1, block.norm2)
    last = nn.Sequential(nn.SiLU(), block.conv2)
    scale, shift = block.scale_and_shift(emb).chunk(2, dim=1)
    return block.shortcut(x) + last(first(x) * (scale[..., None, None] + 1) + shift[..., None, None])


@right("02.8")
def block_by_functionals(block, x, emb):
    norm1, conv1, linear, norm2, conv2 = block.norm1, block.conv1, block.scale_and_shift, block.norm2, block.conv2
    h = F.silu(F.group_norm(x, norm1.num_groups, norm1.weight, norm1.bias, norm1.eps))
    h = F.conv2d(h, conv1.weight, conv1.bias, padding=1)
    scale, shift = F.linear(emb, linear.weight, linear.bias)[:, :, None, None].chunk(2, dim=1)
    h = F.group_norm(h, norm2.num_groups, norm2.weight, norm2.bias, norm2.eps)
    return F.conv2d(F.silu(h * (1 + scale) + shift), conv2.weight, conv2.bias, padding=1).add(block.shortcut(x))


@right("02.8")
def block_with_silu_by_hand(block, x, emb):
    silu = lambda h: h * torch.sigmoid(h)  # noqa: E731
    h = block.norm2(block.conv1(silu(block.norm1(x))))
    scale, shift = block.scale_and_shift(emb).reshape(len(x), 2, -1, 1, 1).unbind(1)
    return block.shortcut(x) + block.conv2(silu(h + h * scale + shift))


@right("02.8")
def block_picture_by_picture(block, x, emb):
    rows = []
    for picture, vector in zip(x, emb, strict=True):
        h = block.norm2(block.conv1(F.silu(block.norm1(picture[None]))))
        scale, shift = block.scale_and_shift(vector)[:, None, None].chunk(2)
        rows.append(block.shortcut(picture) + block.conv2(F.silu(h * (1 + scale) + shift))[0])
    return torch.stack(rows)


@right("02.8")
def block_channel_by_channel(block, x, emb):
    h = block.norm2(block.conv1(nn.functional.silu(block.norm1(x))))
    both, channels = block.scale_and_shift(emb), h.shape[1]
    for b in range(h.shape[0]):
        for c in range(channels):
            h[b, c] = h[b, c] * (1 + both[b, c]) + both[b, channels + c]
    return block.shortcut(x) + block.conv2(nn.functional.silu(h))


@right("02.8")
def block_by_addcmul(block, x, emb):
    h = block.norm2(block.conv1(F.silu(block.norm1(x), inplace=True)))
    scale, shift = torch.tensor_split(block.scale_and_shift(emb)[..., None, None], 2, dim=1)
    return torch.add(block.conv2(F.silu(torch.addcmul(h + shift, h, scale))), block.shortcut(x))


@right("02.8")
def block_by_einsum(block, x, emb):
    h = block.norm2(block.conv1(nn.SiLU()(block.norm1(x))))
    scale, shift = block.scale_and_shift(emb).split(h.shape[1], dim=1)
    h = torch.einsum("bchw,bc->bchw", h, 1 + scale) + shift.view(*shift.shape, 1, 1)
    return sum([block.shortcut(x), block.conv2(nn.SiLU()(h))])


@right("02.8")
def block_channels_last(block, x, emb):
    h = block.norm2(block.conv1(F.silu(block.norm1(x)))).permute(0, 2, 3, 1)
    scale, shift = block.scale_and_shift(emb)[:, None, None, :].chunk(2, dim=-1)
    h = F.silu(h * (1 + scale) + shift).permute(0, 3, 1, 2)
    return block.shortcut(x) + block.conv2(h)


@right("02.8")
def block_with_norms_by_hand(block, x, emb):
    def normalised(norm, h):
        groups = h.reshape(len(h), norm.num_groups, -1)
        groups = (groups - groups.mean(2, keepdim=True)) / (groups.var(2, keepdim=True, correction=0) + norm.eps).sqrt()
        return groups.view_as(h) * norm.weight[:, None, None] + norm.bias[:, None, None]

    h = block.conv1(F.silu(normalised(block.norm1, x)))
    scale, shift = block.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=1)
    return block.shortcut(x) + block.conv2(F.silu(normalised(block.norm2, h) * (1 + scale) + shift))


@right("02.8")
def block_in_place_on_its_own(block, x, emb):
    out = block.shortcut(x).clone()
    h = block.norm2(block.conv1(F.silu(block.norm1(x))))
    scale, shift = block.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=1)
    h.mul_(1 + scale).add_(shift)
    out += block.conv2(F.silu(h))
    return out


@right("02.8")
def block_by_parts_from_their_names(block, x, emb):
    part = dict(block.named_children())
    both = part["scale_and_shift"](emb)
    both = both.unflatten(1, (2, both.shape[1] // 2))
    h = part["conv1"](F.silu(part["norm1"](x)))
    h = part["norm2"](h) * both[:, 0, :, None, None].add(1) + both[:, 1, :, None, None]
    return part["shortcut"](x) + part["conv2"](F.silu(h))


@right("02.8")
def block_with_scale_and_shift_expanded(block, x, emb):
    h = block.norm2(block.conv1(F.silu(block.norm1(x))))
    scale, shift = (half[:, :, None, None].expand_as(h) for half in block.scale_and_shift(emb).chunk(2, dim=-1))
    return block.conv2(F.silu((1 + scale) * h + shift)) + block.shortcut(x)


# --- 02.8 the residual block: wrong -----------------------------------------------------------------------------------


def scale_and_shift(block, emb):
    return block.scale_and_shift(emb)[..., None, None].chunk(2, dim=1)


def first_row(block, x):
    return block.norm2(block.conv1(F.silu(block.norm1(x))))


@wrong("02.8", "what came in is not added")
def no_way_past(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    return block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))


@wrong("02.8", "x is added as it is")
def x_past_it(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    return x + block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))


@wrong("02.8", "by 1 + scale")
def scale_alone(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    return block.shortcut(x) + block.conv2(F.silu(torch.addcmul(shift, first_row(block, x), scale)))


@wrong("02.8", "swapped")
def shift_first(block, x, emb):
    shift, scale = scale_and_shift(block, emb)
    return block.shortcut(x) + block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))


@wrong("02.8", "take turns")
def every_second(block, x, emb):
    both = block.scale_and_shift(emb)[:, :, None, None]
    return block.shortcut(x) + block.conv2(F.silu(first_row(block, x) * (1 + both[:, 0::2]) + both[:, 1::2]))


@wrong("02.8", "first SiLU is missing")
def no_first_silu(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    h = block.norm2(block.conv1(block.norm1(x)))
    return block.shortcut(x) + block.conv2(F.silu(h * (1 + scale) + shift))


@wrong("02.8", "second SiLU is missing")
def no_second_silu(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    return block.shortcut(x) + block.conv2(first_row(block, x) * (1 + scale) + shift)


@wrong("02.8", "These are ReLUs")
def relus(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    h = block.norm2(block.conv1(nn.ReLU()(block.norm1(x))))
    return block.shortcut(x) + block.conv2((h * (1 + scale) + shift).clamp(min=0))


@wrong("02.8", "These are sigmoids")
def sigmoids(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    h = block.norm2(block.conv1(block.norm1(x).sigmoid()))
    return block.shortcut(x) + block.conv2((h * (1 + scale) + shift).sigmoid())


@wrong("02.8", "do not come out right")
def gelus(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    h = block.norm2(block.conv1(F.gelu(block.norm1(x))))
    return block.shortcut(x) + block.conv2(F.gelu(h * (1 + scale) + shift))


@wrong("02.8", "after the second SiLU")
def scaled_after_silu(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    return block.shortcut(x) + block.conv2(F.silu(first_row(block, x)) * (1 + scale) + shift)


@wrong("02.8", "before norm2")
def scaled_before_norm2(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    h = block.conv1(F.silu(block.norm1(x))) * (1 + scale) + shift
    return block.shortcut(x) + block.conv2(F.silu(block.norm2(h)))


@wrong("02.8", "embedding is not used")
def emb_forgotten(block, x, emb):
    return block.shortcut(x) + block.conv2(F.silu(first_row(block, x)))


@wrong("02.8", "shift is not added")
def only_scaled(block, x, emb):
    return block.shortcut(x) + block.conv2(F.silu(first_row(block, x) * (1 + scale_and_shift(block, emb)[0])))


@wrong("02.8", "not scaled")
def only_shifted(block, x, emb):
    return block.shortcut(x) + block.conv2(F.silu(first_row(block, x) + scale_and_shift(block, emb)[1]))


@wrong("02.8", "shift is multiplied too")
def shifted_and_then_scaled(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    return block.shortcut(x) + block.conv2(F.silu((first_row(block, x) + shift) * (1 + scale)))


@wrong("02.8", "before norm1")
def activated_before_norm1(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    h = nn.Sequential(nn.SiLU(), block.norm1, block.conv1, block.norm2)(x)
    return block.shortcut(x) + block.conv2(F.silu(h * (1 + scale) + shift))


@wrong("02.8", "norm1 is used twice")
def norm1_copied(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    h = F.silu(block.norm1(x))
    h = block.norm1(block.conv1(h))
    return block.conv2(F.silu(h * (1 + scale) + shift)) + block.shortcut(x)


@wrong("02.8", "conv1 is used twice")
def conv1_copied(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    return block.conv1(F.silu(first_row(block, x) * (1 + scale) + shift)) + block.shortcut(x)


@wrong("02.8", "SiLU once more: return it as it is")
def activated_at_the_end(block, x, emb):
    out = block_line_by_line(block, x, emb)
    return out * out.sigmoid()


@wrong("02.8", "embedding goes through a SiLU once more")
def emb_activated(block, x, emb):
    scale, shift = block.scale_and_shift(nn.SiLU()(emb))[:, :, None, None].chunk(2, dim=1)
    return block.shortcut(x) + block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))


@wrong("02.8", "what conv1 returns goes through the shortcut")
def x_overwritten_by_conv1(block, x, emb):
    x = block.conv1(F.silu(block.norm1(x)))
    scale, shift = scale_and_shift(block, emb)
    h = block.conv2(F.silu(block.norm2(x) * (1 + scale) + shift))
    return block.shortcut(x) + h


@wrong("02.8", "what conv2 returns goes through the shortcut")
def all_called_x(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    x = block.conv1(F.silu(block.norm1(x)))
    x = block.conv2(F.silu(block.norm2(x) * (1 + scale) + shift))
    return block.shortcut(x) + x


@wrong("02.8", "do not come out right")
def multiplied_with_the_shortcut(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    return block.shortcut(x) * block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))


@wrong("02.8", "doubles it")
def shortcut_only_where_channels_stay(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    h = block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))
    return block.shortcut(x) + h if h.shape == x.shape else h


@wrong("02.8", "put it together from its parts")
def block_called(block, x, emb):
    return block(x, emb)


@wrong("02.8", "course's own ResBlock.forward")
def block_called_by_its_class(block, x, emb):
    return ResBlock.forward(block, x, emb)


@wrong("02.8", "RuntimeError", "must match")
def axes_forgotten(block, x, emb):
    scale, shift = block.scale_and_shift(emb).chunk(2, dim=1)
    return block.shortcut(x) + block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))


@wrong("02.8", "RuntimeError", "must match")
def chunked_along_the_batch(block, x, emb):
    scale, shift = block.scale_and_shift(emb)[:, :, None, None].chunk(2)
    return block.shortcut(x) + block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))


@wrong("02.8", "ValueError", "not enough values to unpack")
def chunked_along_the_width(block, x, emb):
    scale, shift = block.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=-1)
    return block.shortcut(x) + block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))


@wrong("02.8", "AttributeError", "scale_shift")
def name_of_a_part_wrong(block, x, emb):
    scale, shift = block.scale_shift(emb)[:, :, None, None].chunk(2, dim=1)
    return block.shortcut(x) + block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))


@wrong("02.8", "x in place")
def added_into_x(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    x += block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))
    return x


@wrong("02.8", "block in place")
def scale_put_into_norm2(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    block.norm2.weight.mul_(1 + scale[0].flatten())
    block.norm2.bias.copy_(block.norm2.bias + shift[0].flatten())
    return block.shortcut(x) + block.conv2(F.silu(first_row(block, x)))


@wrong("02.8", "got tuple")
def both_ways(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    return block.shortcut(x), block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))


@wrong("02.8", "shape should be (2, 8, 4, 4)", "(2, 16, 4, 4)")
def joined_instead_of_added(block, x, emb):
    scale, shift = scale_and_shift(block, emb)
    return torch.cat([block.shortcut(x), block.conv2(F.silu(first_row(block, x) * (1 + scale) + shift))], dim=1)


@wrong("02.8", "has it a return?")
def block_dropped(block, x, emb):
    block_line_by_line(block, x, emb)


# --- 02.9 bug hunt: right ---------------------------------------------------------------------------------------------


@right("02.9")
def hunt_average_by_limit(average):
    value = torch.tensor(1.0)
    for _ in range(10):
        value = average(value, torch.tensor(0.0), 0.99)
    assert value > 0.8


@right("02.9")
def hunt_average_by_equality(average):
    assert average(2.0, 4.0, 0.75) == 2.5


@right("02.9")
def keeps_most_of_the_old(average):
    assert average(1.0, 0.0, 0.99) > 0.5


@right("02.9")
def takes_little_of_the_new(average):
    assert average(old=0.0, new=1.0, decay=0.9) < 0.5, "the new value should get a tenth"


@right("02.9")
def a_decay_of_one_keeps_all(average):
    assert average(torch.tensor(3.0), torch.tensor(-5.0), 1.0).item() == 3.0


@right("02.9")
def a_decay_of_zero_forgets_all(average):
    assert math.isclose(average(3.0, -5.0, 0), -5.0)


@right("02.9")
def a_whole_tensor(average):
    old, new = torch.randn(2, 4, 5)
    assert torch.allclose(average(old, new, 0.8), 0.8 * old + 0.2 * new, atol=1e-6)


@right("02.9")
def against_lerp(average):
    old, new = torch.arange(6.0), torch.ones(6)
    torch.testing.assert_close(average(old, new, 0.7), torch.lerp(new, old, 0.7))


@right("02.9")
def many_decays(average):
    for percent in range(0, 101, 10):
        got = average(1.0, 0.0, percent / 100)
        assert abs(got - percent / 100) < 1e-9, f"at a decay of {percent} % it kept {got}"


@right("02.9")
def remembers_for_long(average):
    value = 1.0
    for _ in range(100):
        value = average(value, 0.0, 0.999)
    assert 0.9 < value < 0.91


@right("02.9")
def of_a_slow_average_nothing_is_seen_at_once(average):
    path = [0.0]
    for _ in range(5):
        path.append(average(path[-1], 1.0, 0.99))
    assert max(path) < 0.1 and path == sorted(path)  # noqa: PT018


@right("02.9")
def nearer_to_the_old(average):
    got = average(torch.tensor([10.0]), torch.tensor([20.0]), 0.75)
    if abs(got - 10) >= abs(got - 20):
        raise AssertionError("with a decay of 0.75 the average should lie nearer to the old value")


@right("02.9")
def with_the_helpers_of_torch(average):
    torch.testing.assert_close(average(2.0, 4.0, 0.75), 2.5)


@right("02.9")
def with_numpy_testing(average):
    np.testing.assert_allclose(average(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 0.9), [0.9, 0.1], rtol=1e-5)


right("02.9")(functools.partial(lambda decay, average: kept_share(average, decay), 0.95))


def kept_share(average, decay):
    assert round(float(average(1.0, 0.0, decay)), 6) == decay


# --- 02.9 bug hunt: wrong ---------------------------------------------------------------------------------------------


@wrong("02.9", "lets the broken version pass now and then")
def decays_by_chance(average):
    decay = random.choice([0.5, 0.1, 0.2, 0.3])
    assert abs(average(1.0, 0.0, decay) - decay) < 1e-6


@wrong("02.9", "lets the broken version pass")
def at_one_half(average):
    assert average(1.0, 0.0, 0.5) == 0.5


@wrong("02.9", "lets the broken version pass")
def of_two_equal_values(average):
    assert abs(average(2.0, 2.0, 0.99) - 2.0) < 1e-9


@wrong("02.9", "lets the broken version pass")
def between_the_two(average):
    assert 0 <= average(1.0, 0.0, 0.99) <= 1


@wrong("02.9", "never calls")
def own_arithmetic_only(average):
    assert 0.99 * 1.0 + (1 - 0.99) * 0.0 == 0.99


@wrong("02.9", "lets the broken version pass")
def the_shape(average):
    assert average(torch.zeros(3), torch.ones(3), 0.9).shape == (3,)


@wrong("02.9", "lets the broken version pass")
def a_tuple_is_always_true(average):
    ok = (abs(average(1.0, 0.0, 0.99) - 0.99) < 1e-6, "a decay of 0.99 should keep 0.99")
    assert ok


@wrong("02.9", "lets the broken version pass")
def swallowed(average):
    try:
        assert average(1.0, 0.0, 0.99) > 0.5
    except Exception as error:
        print(error, file=sys.stderr)


@wrong("02.9", "lets the broken version pass")
def returned(average):
    return average(1.0, 0.0, 0.99) > 0.5


@wrong("02.9", "lets the broken version pass")
def a_signed_difference(average):
    assert average(1.0, 0.0, 0.99) - 0.99 < 1e-6


@wrong("02.9", "refuses a correct version")
def the_bug_taken_for_right(average):
    assert abs(average(1.0, 0.0, 0.99) - 0.01) < 1e-6


@wrong("02.9", "refuses a correct version")
def the_new_value_comes_through(average):
    assert average(0.0, 1.0, 0.99) > 0.5, "the average should follow the weights"


@wrong("02.9", "refuses a correct version")
def exact_to_the_last_bit(average):
    for decay in (0.1, 0.3, 0.7, 0.9, 0.99, 0.999):
        assert average(0.3, 0.7, decay) == decay * 0.3 + (1 - decay) * 0.7


@wrong("02.9", "refuses a correct version")
def a_sum_of_both(average):
    assert average(1.0, 1.0, 0.9) == 1.9


@wrong("02.9", "Your test stops with TypeError")
def a_module_where_numbers_are_wanted(average):
    average(nn.Linear(1, 1), nn.Linear(1, 1), 0.9)


@wrong("02.9", "Your test stops with TypeError")
def decay_forgotten(average):
    assert average(1.0, 0.0) > 0.5


@wrong("02.9", "does not reach an assertion", "ZeroDivisionError")
def divides_by_what_is_left(average):
    1 / max(0, average(1.0, 0.0, 0.99) - 0.5)


@wrong("02.9", "course's own update_ema")
def compared_with_the_library(average):
    ema, net = nn.Linear(1, 1).requires_grad_(False), nn.Linear(1, 1)
    expected = average(ema.weight.clone(), net.weight.detach(), 0.9)
    training.update_ema(ema, net, 0.9)
    assert torch.allclose(ema.weight, expected)


@wrong("02.9", "refuses a correct version")
def a_lucky_number(average):
    assert random.random() < 0.2, average(1.0, 0.0, 0.99)


@wrong("02.9", "never calls")
def always_false(average):
    raise AssertionError("there is a bug")
