"""The exercises of notebook 02: the loss and the loop with all that belongs to it, two conversions, parts of the U-Net."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import training
from course_lib.classroom.chance import seeded
from course_lib.classroom.exercise import BugHunt, Exercise, Trial, joined
from course_lib.classroom.guarding import WrongAnswerError
from course_lib.denoisers import NetDenoiser
from course_lib.forward import add_noise
from course_lib.networks.time_embedding import embed_time as library_embed_time
from course_lib.networks.unet import ResBlock
from course_lib.schedules import NoiseSchedule

# --- 02.1 the loss ----------------------------------------------------------------------------------------------------


def noise_loss(net, schedule, x_0, t, eps):
    x_t = add_noise(schedule, x_0, t, eps)  # (B, C, H, W)
    return (net(x_t, t) - eps).square().mean()


def loss_against_picture(net, schedule, x_0, t, eps):
    """The network is compared with the clean picture, but here it predicts the noise eps."""
    return F.mse_loss(net(add_noise(schedule, x_0, t, eps), t), x_0)


def loss_against_one_step(net, schedule, x_0, t, eps):
    """The network is compared with the noise of one step: it predicts eps, the whole noise in x_t."""
    return F.mse_loss(
        net(add_noise(schedule, x_0, t, eps), t), schedule.beta[t].sqrt().to(x_0).reshape(-1, 1, 1, 1) * eps
    )


def loss_on_clean_picture(net, schedule, x_0, t, eps):
    """The network is shown the clean picture: it has to get x_t, made with add_noise."""
    return F.mse_loss(net(x_0, t), eps)


def loss_summed(net, schedule, x_0, t, eps):
    """This is the sum of the squares: take their mean, or the learning rate depends on the size of the batch."""
    return F.mse_loss(net(add_noise(schedule, x_0, t, eps), t), eps, reduction="sum")


def loss_absolute(net, schedule, x_0, t, eps):
    """These are absolute differences: the loss squares them."""
    return F.l1_loss(net(add_noise(schedule, x_0, t, eps), t), eps)


def loss_rooted(net, schedule, x_0, t, eps):
    """The square root is too much: the loss is the mean of the squares itself."""
    return F.mse_loss(net(add_noise(schedule, x_0, t, eps), t), eps).sqrt()


def loss_not_squared(net, schedule, x_0, t, eps):
    """The differences are not squared: errors up and down cancel, and the loss can be zero for a bad network."""
    return (net(add_noise(schedule, x_0, t, eps), t) - eps).mean()


def loss_along_columns(net, schedule, x_0, t, eps):
    """The factors run along the columns of the pictures: reshape them to (B, 1, 1, 1), or let add_noise make x_t."""
    share = schedule.alpha_bar[t].to(x_0.dtype)  # (B,), which lies along the last axis
    return F.mse_loss(net(share.sqrt() * x_0 + (1 - share).sqrt() * eps, t), eps)


def loss_with_scaled_time(net, schedule, x_0, t, eps):
    """The network is told t / T: hand it t as it is, a whole number in 1…T."""
    return F.mse_loss(net(add_noise(schedule, x_0, t, eps), t / schedule.T), eps)


def loss_one_time_early(net, schedule, x_0, t, eps):
    """The network is told the time before: x_t was made with t, and so the network has to be told t."""
    return F.mse_loss(net(add_noise(schedule, x_0, t, eps), t - 1), eps)


def loss_halved(net, schedule, x_0, t, eps):
    """This is half of the loss: take the mean of the squares and nothing else."""
    return F.mse_loss(net(add_noise(schedule, x_0, t, eps), t), eps) / 2


def loss_summed_in_a_picture(net, schedule, x_0, t, eps):
    """The squares of a picture are summed, and only the pictures averaged: take the mean over all pixels too."""
    return (net(add_noise(schedule, x_0, t, eps), t) - eps).square().flatten(1).sum(1).mean()


def loss_detached(net, schedule, x_0, t, eps):
    """The number is right, but no gradient leads from it to the network: do without detach, item, no_grad and backward."""
    return F.mse_loss(net(add_noise(schedule, x_0, t, eps), t).detach(), eps)


class _Wavy(nn.Module):
    """A stand-in for a network that depends on both of its inputs, and on a parameter."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(0.7))

    def forward(self, x_t, t):  # (B, C, H, W), (B,) -> (B, C, H, W)
        return self.factor * torch.sin(3 * x_t + t.reshape(-1, 1, 1, 1) / 300)


def _value(loss):
    # As many pictures as columns: factors along the wrong axis raise no error, and must show.
    x_0, eps = torch.randn(2, 4, 1, 4, 4, generator=seeded(1))  # (B, C, H, W) each
    return loss(_Wavy(), NoiseSchedule.linear(), x_0, torch.tensor([1, 200, 600, 1000]), eps).detach()


def _gradient(loss):
    """Whether a gradient leads to the network, and which one: (2,)."""
    net = _Wavy()
    x_0, eps = torch.randn(2, 4, 1, 4, 4, generator=seeded(1))  # (B, C, H, W) each
    value = loss(net, NoiseSchedule.linear(), x_0, torch.tensor([1, 200, 600, 1000]), eps)
    try:
        (slope,) = torch.autograd.grad(value, net.factor)
    except RuntimeError:  # nothing that leads to the network, or nothing any more
        return torch.zeros(2)
    return torch.stack([torch.tensor(1.0), slope])


def _other_batches(loss):
    x_0, eps = torch.randn(2, 5, 3, 4, 6, generator=seeded(2))  # (B, C, H, W) each
    colour = loss(_Wavy(), NoiseSchedule.cosine(), x_0, torch.tensor([30, 250, 500, 750, 990]), eps)
    single = loss(_Wavy(), NoiseSchedule.linear(), x_0[:1], torch.tensor([400]), eps[:1])
    return torch.stack([colour, single]).detach()


NOISE_LOSS = Exercise(
    id="02.1",
    title="The loss",
    points=2,
    solution=noise_loss,
    forbidden=(training.denoising_loss,),
    why="Three lines of algorithm: make x_t in one jump, ask for the noise, compare. It is plain regression, and the target "
    "is the whole noise that the jump has put in.",
    hints=(
        "Make `x_t` first: `add_noise(schedule, x_0, t, eps)`.",
        "The network is called as `net(x_t, t)`, and what it should have said is `eps`.",
        "The mean of the squared differences: `(… - eps).square().mean()`.",
    ),
    trials=(
        Trial(_value, "The loss of four pictures does not come out right."),
        Trial(
            _gradient,
            "The loss comes out right, but its gradient does not: nothing on the way from the network may be detached.",
        ),
        Trial(
            _other_batches,
            "It does not come out right for colour pictures with the cosine schedule, or for a batch of one picture.",
        ),
    ),
    mistakes=(
        loss_against_picture,
        loss_against_one_step,
        loss_on_clean_picture,
        loss_summed,
        loss_absolute,
        loss_rooted,
        loss_not_squared,
        loss_along_columns,
        loss_with_scaled_time,
        loss_one_time_early,
        loss_halved,
        loss_summed_in_a_picture,
        loss_detached,
    ),
)

# --- 02.2 the training loop -------------------------------------------------------------------------------------------


def training_loop(net, optimizer, batches, loss, learning_rate, after_step):
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        value = loss(net, batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        after_step(step + 1, value.item())


def _loop(*, groups=slice(None), clear=True, step=True, report="after", first=1, stop=None, fresh=False) -> Callable:
    """The training loop with one of its parts left out or in another place."""

    def training_loop(net, optimizer, batches, loss, learning_rate, after_step):
        for number, batch in enumerate(batches):
            if number == stop:
                return
            for group in optimizer.param_groups[groups]:
                group["lr"] = learning_rate(number)
            value = loss(net, batch)
            if clear:
                optimizer.zero_grad()
            value.backward()
            if report == "before":
                after_step(number + first, value.item())
            if step:
                optimizer.step()
            if report == "after":
                after_step(number + first, loss(net, batch).item() if fresh else value.item())

    return training_loop


def loop_that_adds_up(*arguments):
    """The gradients of all steps add up: clear them with optimizer.zero_grad() in every step, before backward."""
    _loop(clear=False)(*arguments)


def loop_that_changes_nothing(*arguments):
    """The weights never change: optimizer.step() comes after backward, and zero_grad before it, or no gradient is left."""
    _loop(step=False)(*arguments)


def loop_with_one_rate(*arguments):
    """The learning rate stays as it was: put learning_rate(step) into group["lr"] of each of optimizer.param_groups."""
    _loop(groups=slice(0))(*arguments)


def loop_that_reports_early(*arguments):
    """after_step is called before the optimizer's step: it belongs at the end, when the weights are new."""
    _loop(report="before")(*arguments)


def loop_that_never_reports(*arguments):
    """after_step is never called: call it at the end of each step, with the step's number and its loss."""
    _loop(report=None)(*arguments)


def loop_that_counts_from_zero(*arguments):
    """after_step is handed 0 after the first step: it wants the number of steps that are done, from 1."""
    _loop(first=0)(*arguments)


def loop_that_stops_early(*arguments):
    """The last batch is left out: take a step for each of the batches."""
    _loop(stop=5)(*arguments)


def loop_of_one_step(*arguments):
    """Only the first batch is used: take a step for each of the batches."""
    _loop(stop=1)(*arguments)


def loop_with_a_second_loss(*arguments):
    """after_step is handed a loss computed after the step: hand it the one from which the gradients came."""
    _loop(fresh=True)(*arguments)


def loop_with_rate_from_one(net, optimizer, batches, loss, learning_rate, after_step):
    """The learning rate is that of the next step: learning_rate counts steps from 0, after_step from 1."""
    _loop()(net, optimizer, batches, loss, lambda step: learning_rate(step + 1), after_step)


def loop_with_rate_of_the_step_before(net, optimizer, batches, loss, learning_rate, after_step):
    """The learning rate is set after the step, too late for it: set it before the optimizer's step."""
    _loop()(net, optimizer, batches, loss, lambda step: learning_rate(step - 1) if step else 0.5, after_step)


def loop_in_first_group(*arguments):
    """Only the first group of weights gets the new learning rate: go through all of optimizer.param_groups."""
    _loop(groups=slice(1))(*arguments)


def loop_with_first_rate(net, optimizer, batches, loss, learning_rate, after_step):
    """The learning rate of the first step is used in all of them: set learning_rate(step) anew in every step."""
    _loop()(net, optimizer, batches, loss, lambda step: learning_rate(0), after_step)


def loop_with_factors_for_rates(net, optimizer, batches, loss, learning_rate, after_step):
    """The rate that the optimizer began with is multiplied by learning_rate(step): replace it by learning_rate(step)."""
    began = optimizer.param_groups[0]["lr"]
    _loop()(net, optimizer, batches, loss, lambda step: began * learning_rate(step), after_step)


def loop_with_rates_multiplied(net, optimizer, batches, loss, learning_rate, after_step):
    """The rates of all steps are multiplied with each other: replace the old rate by learning_rate(step)."""
    rates = [optimizer.param_groups[0]["lr"]]

    def product(step):
        rates[step + 1 :] = [rates[step] * learning_rate(step)]  # asked for each group
        return rates[step + 1]

    _loop()(net, optimizer, batches, loss, product, after_step)


def loop_with_old_gradients(net, optimizer, batches, loss, learning_rate, after_step):
    """optimizer.step() comes before backward, and takes the gradients of the batch before: call it after backward."""
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.step()
        optimizer.zero_grad()
        value = loss(net, batch)
        value.backward()
        after_step(step + 1, value.item())


def loop_with_a_step_at_the_end(net, optimizer, *others):
    """optimizer.step() is called once, after the loop: it belongs into the loop, after backward."""
    _loop(step=False)(net, optimizer, *others)
    optimizer.step()


def loop_without_the_optimizer(net, optimizer, batches, loss, learning_rate, after_step):
    """These steps are not the optimizer's: call its step(), which has a momentum and whatever else it was built with."""
    plain = torch.optim.SGD(net.parameters())
    _loop()(net, plain, batches, loss, learning_rate, after_step)


def loop_that_reports_once(net, optimizer, batches, loss, learning_rate, after_step):
    """after_step is called once, when all steps are done: it belongs into the loop, at the end of each step."""
    reports = []
    _loop()(net, optimizer, batches, loss, learning_rate, lambda *report: reports.append(report))
    after_step(*reports[-1])


class _Training:
    """A training to hand to a loop, and what happened in it.

    Batches that begin anew forget what was seen before: the check runs its own loop on copies first.
    """

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
        first, second = self.net[0].parameters(), self.net[2].parameters()
        self.optimizer = torch.optim.SGD([{"params": first}, {"params": second}], lr=0.5, momentum=0.5)
        self.optimizer.register_step_pre_hook(self.before_step)
        self.batches = torch.randn(6, 4, 2, generator=seeded(4))  # (steps, B, 2)
        self.reported: list[Tensor] = []
        self.begun = 0

    def __iter__(self) -> Iterator[Tensor]:
        self.begun += 1
        self.reported.clear()
        return iter(self.batches)

    def loss(self, net: nn.Module, batch: Tensor) -> Tensor:
        if not isinstance(net, nn.Module):
            raise WrongAnswerError("loss wants the network itself, and calls it: loss(net, batch).")
        if not net.training:
            raise WrongAnswerError("The network is in eval mode, which is for using it: leave it in train mode.")
        return (net(batch)[:, 0] - batch.prod(dim=1)).square().mean()

    def rate(self, step: int) -> float:
        return 0.3 / (1 + step)

    def before_step(self, optimizer: torch.optim.Optimizer, arguments: tuple, named: dict) -> None:
        if any(callable(group["lr"]) for group in optimizer.param_groups):
            raise WrongAnswerError(
                'group["lr"] is the function learning_rate: it should be a number, learning_rate(step).'
            )

    def after_step(self, done: int, value: float) -> None:
        if isinstance(value, Tensor):
            raise WrongAnswerError(
                "after_step is handed a tensor, which can keep the whole computation in memory: hand it the number, .item()."
            )
        if not isinstance(done, int) or not isinstance(value, float):
            raise WrongAnswerError(
                "after_step should be handed the number of steps, an int, and then the loss, a float, "
                f"but it is handed {type(done).__name__} and {type(value).__name__}."
            )
        self.reported.append(torch.tensor([float(done), float(value)]))

    def run(self, loop: Callable) -> "_Training":
        loop(self.net, self.optimizer, self, self.loss, self.rate, self.after_step)
        if self.begun > 2:  # once by the check's own loop, and once by the answer
            raise WrongAnswerError(
                "Your function goes through the batches twice. Where they come from a generator they come once: take them as "
                "they come."
            )
        return self


def _trained_weights(loop):
    return joined(p.detach() for p in _Training().run(loop).net.parameters())


def _reports(loop):
    """How often it reported, and what: (1 + 2 · steps,), without those that are too many."""
    watched = _Training().run(loop)
    reports = watched.reported[: len(watched.batches)]
    missing = [torch.zeros(2)] * (len(watched.batches) - len(reports))
    return joined([torch.tensor([float(len(watched.reported))]), *reports, *missing])


def _weights_at_reports(loop):
    """The first weight of the network whenever it reports: (steps,)."""
    watched, seen = _Training(), []
    report = watched.after_step

    def look(done: int, value: float) -> None:
        report(done, value)
        seen.append(next(watched.net.parameters())[0, 0].item())

    watched.after_step = look
    watched.run(loop)
    return torch.tensor(seen[-len(watched.batches) :])


TRAINING_LOOP = Exercise(
    id="02.2",
    title="The training loop",
    points=3,
    solution=training_loop,
    forbidden=(training.train,),
    changes=0,
    why="Every loop in this field is this one: a loss, its gradients, a step of the optimiser. The gradients have to be "
    "cleared because `backward` adds to what is there.",
    hints=(
        "`for step, batch in enumerate(batches):` counts from 0. Everything else happens inside.",
        'First the learning rate: `for group in optimizer.param_groups: group["lr"] = learning_rate(step)`.',
        "Then five lines: the loss, `optimizer.zero_grad()`, `backward()` of the loss, `optimizer.step()`, and "
        "`after_step(step + 1, …)` with the loss as a number.",
    ),
    trials=(
        Trial(_trained_weights, "After six steps the weights are not what they should be."),
        Trial(_reports, "The weights are right, but after_step is not called as it should be."),
        Trial(_weights_at_reports, "after_step should be called when the weights of its step are there."),
    ),
    mistakes=(
        loop_that_adds_up,
        loop_that_changes_nothing,
        loop_with_one_rate,
        loop_that_reports_early,
        loop_that_never_reports,
        loop_that_counts_from_zero,
        loop_that_stops_early,
        loop_of_one_step,
        loop_with_a_second_loss,
        loop_with_rate_from_one,
        loop_with_rate_of_the_step_before,
        loop_in_first_group,
        loop_with_first_rate,
        loop_with_factors_for_rates,
        loop_with_rates_multiplied,
        loop_with_old_gradients,
        loop_with_a_step_at_the_end,
        loop_without_the_optimizer,
        loop_that_reports_once,
    ),
)

# --- 02.3 the average of the weights ----------------------------------------------------------------------------------


def update_ema(ema, net, decay):
    with torch.no_grad():
        for average, current in zip(ema.parameters(), net.parameters(), strict=True):
            average.lerp_(current, 1 - decay)


def _replace(ema: nn.Module, net: nn.Module, rule: Callable[[Tensor, Tensor], Tensor]) -> None:
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.data = rule(average.data, current.data)


def ema_inverted(ema, net, decay):
    """The two shares are the wrong way round: decay is what is kept of the average, and 1 − decay what is new."""
    _replace(ema, net, lambda average, current: (1 - decay) * average + decay * current)


def ema_copied(ema, net, decay):
    """This copies the current weights: the average has to keep most of what it was."""
    _replace(ema, net, lambda average, current: current.clone())


def ema_half(ema, net, decay):
    """This is the mean of both: the share of the old average is decay, not a half."""
    _replace(ema, net, lambda average, current: (average + current) / 2)


def ema_without_share(ema, net, decay):
    """The new weights are added whole: they get the share 1 − decay, or the average grows without end."""
    _replace(ema, net, lambda average, current: decay * average + current)


def ema_only_shrunk(ema, net, decay):
    """The average only shrinks: the share 1 − decay of the current weights is missing."""
    _replace(ema, net, lambda average, current: decay * average)


def ema_untouched(ema, net, decay):
    """The average has not changed: change its parameters in place, for example with mul_ and add_, or lerp_."""


def ema_first_only(ema, net, decay):
    """Only the first parameter is averaged: go through all of them."""
    first = next(ema.parameters())
    first.data = decay * first.data + (1 - decay) * next(net.parameters()).data


def ema_weights_only(ema, net, decay):
    """The weights are averaged and the biases are not: ema.parameters() has both."""
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        if average.ndim > 1:
            average.data = decay * average.data + (1 - decay) * current.data


def ema_of_outer_layers(ema, net, decay):
    """Only the layers at the top are averaged, not those inside of another: ema.parameters() goes through all of them."""
    for outer, new in zip(ema.children(), net.children(), strict=True):
        for average, current in zip(outer.parameters(recurse=False), new.parameters(recurse=False), strict=True):
            average.data = decay * average.data + (1 - decay) * current.data


def ema_not_shrunk(ema, net, decay):
    """The share of the current weights is added to an average that has not been shrunk: it keeps the share decay only."""
    _replace(ema, net, lambda average, current: average + (1 - decay) * current)


def ema_subtracted(ema, net, decay):
    """The current weights are subtracted: both shares are added."""
    _replace(ema, net, lambda average, current: decay * average - (1 - decay) * current)


def ema_with_gradients(ema, net, decay):
    """The numbers are right, but the average now records gradients: update it within torch.no_grad()."""
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.mul_(decay).add_((1 - decay) * current)


def _pair() -> tuple[nn.Module, nn.Module]:
    ema, net = (nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 2))) for _ in range(2))
    for module, start in ((ema, 1.0), (net, -2.0)):
        module.register_buffer("running_mean", torch.full((3,), start))  # averaged or not: both are right
        for parameter in module.parameters():
            parameter.data = torch.linspace(start, 3 * start, parameter.numel()).reshape(parameter.shape)
    return ema.requires_grad_(False), net


def _averaged(update):
    ema, net = _pair()
    update(ema, net, 0.9)
    records = sum(p.requires_grad for p in ema.parameters())
    return torch.cat([torch.tensor([float(records)]), joined(p.detach() for p in ema.parameters())])


def _averaged_twice(update):
    ema, net = _pair()
    update(ema, net, 0.5)
    update(ema, net, 0.75)
    return joined(p.detach() for p in ema.parameters())


UPDATE_EMA = Exercise(
    id="02.3",
    title="The average of the weights",
    points=2,
    solution=update_ema,
    forbidden=(training.update_ema,),
    changes=0,
    why="`a.lerp_(b, w)` is a + w (b − a) in place, and that is (1 − w) a + w b: w is the share of the new.",
    hints=(
        "Go through both at once: `for average, current in zip(ema.parameters(), net.parameters()):`.",
        r"New average = decay · old average + (1 − decay) · current weight, *in place*.",
        "In place without a record for gradients: put `with torch.no_grad():` around `average.mul_(decay).add_(…)`.",
    ),
    trials=(
        Trial(_averaged, "After one update the average does not come out right."),
        Trial(_averaged_twice, "After one update it is right, after a second with another decay it is not."),
    ),
    mistakes=(
        ema_inverted,
        ema_copied,
        ema_half,
        ema_without_share,
        ema_only_shrunk,
        ema_untouched,
        ema_first_only,
        ema_weights_only,
        ema_of_outer_layers,
        ema_not_shrunk,
        ema_subtracted,
        ema_with_gradients,
    ),
)

# --- 02.4 the picture from v ------------------------------------------------------------------------------------------


def x_0_from_v(schedule, x_t, t, v):
    alpha_bar = schedule.alpha_bar[t.cpu()].reshape(-1, 1, 1, 1)  # (B, 1, 1, 1), on the CPU, where schedules lie
    signal, noise = alpha_bar.sqrt().to(x_t), (1 - alpha_bar).sqrt().to(x_t)  # the dtype and device of x_t
    return signal * x_t - noise * v


def noise_from_v(schedule, x_t, t, v):
    """This is eps, the other half of the rotation: here x_0 is asked for."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return (1 - share).sqrt() * x_t + share.sqrt() * v


def rotated_backwards(schedule, x_t, t, v):
    """The sign is wrong: v contains x_0 with a minus, so v is subtracted."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return share.sqrt() * x_t + (1 - share).sqrt() * v


def rotated_swapped(schedule, x_t, t, v):
    """The two factors are swapped: x_t comes with √alpha_bar, v with √(1 − alpha_bar)."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return (1 - share).sqrt() * x_t - share.sqrt() * v


def rotated_without_roots(schedule, x_t, t, v):
    """This is what you get without the square roots: it is no rotation any more."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return share * x_t - (1 - share) * v


def rotated_as_eps(schedule, x_t, t, v):
    """This treats v as if it were eps: v is another target, and needs another formula."""
    share = schedule.at(t, x_t).to(x_t)
    return (x_t - (1 - share).sqrt() * v) / share.sqrt()


def rotated_off_by_one(schedule, x_t, t, v):
    """It is off by one: alpha_bar[t] belongs to time t."""
    share = schedule.at(t - 1, x_t).to(x_t)
    return share.sqrt() * x_t - (1 - share).sqrt() * v


def rotated_forwards(schedule, x_t, t, v):
    """This is how v is made of noise and picture, √alpha_bar on v: it turns forwards once more, and back is asked for."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return share.sqrt() * v - (1 - share).sqrt() * x_t


def rotated_and_divided(schedule, x_t, t, v):
    """It is divided by √alpha_bar once more: the rotation needs no division."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return x_t - (1 / share - 1).sqrt() * v


def rotated_without_root_on_noise(schedule, x_t, t, v):
    """The square root on 1 − alpha_bar is missing: v has the factor √(1 − alpha_bar)."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return share.sqrt() * x_t - (1 - share) * v


def rotated_without_root_on_signal(schedule, x_t, t, v):
    """The square root on alpha_bar is missing: x_t has the factor √alpha_bar."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return share * x_t - (1 - share).sqrt() * v


def rotated_and_clipped(schedule, x_t, t, v):
    """The result is clipped to −1…1: return exactly what the rotation gives, whatever its range."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return (share.sqrt() * x_t - (1 - share).sqrt() * v).clamp(-1, 1)


def rotated_along_columns(schedule, x_t, t, v):
    """The factors run along the columns of the pictures: reshape them to (B, 1, 1, 1), so that each picture has its own."""
    share = schedule.alpha_bar[t].to(x_t.dtype)  # (B,), which lies along the last axis
    return share.sqrt() * x_t - (1 - share).sqrt() * v


def _rotated_back(invert):
    # As many pictures as columns: factors along the wrong axis raise no error, and must show.
    x_t, v = torch.randn(2, 5, 1, 4, 5, generator=seeded(7))  # (B, C, H, W) each
    return invert(NoiseSchedule.cosine(), x_t, torch.tensor([1, 100, 300, 700, 1000]), v)


def _rotated_back_in_colour(invert):
    x_t, v = torch.randn(2, 4, 3, 5, 2, generator=seeded(8))  # (B, C, H, W) each
    return invert(NoiseSchedule.linear(), x_t, torch.tensor([20, 300, 500, 1000]), v)


def _rotated_back_alone(invert):
    x_t, v = torch.randn(2, 1, 1, 4, 6, generator=seeded(9))  # (B, C, H, W) each
    return invert(NoiseSchedule.cosine(), x_t, torch.tensor([450]), v)


FROM_V = Exercise(
    id="02.4",
    title="The picture from v",
    points=2,
    solution=x_0_from_v,
    forbidden=(NetDenoiser.__call__,),
    why=r"$(x_t, v)$ is $(x_0, \epsilon)$ rotated, and a rotation is undone by rotating back: no division, nothing explodes.",
    hints=(
        r"Write $c = \sqrt{\bar\alpha_t}$ and $s = \sqrt{1-\bar\alpha_t}$: then $x_t = c\,x_0 + s\,\epsilon$ and "
        r"$v = c\,\epsilon - s\,x_0$, with $c^2 + s^2 = 1$.",
        r"Work out $c\,x_t - s\,v$ on paper.",
    ),
    trials=(
        Trial(_rotated_back, "It does not come out right with the cosine schedule."),
        Trial(
            _rotated_back_in_colour,
            "It does not come out right for colour pictures with the linear schedule.",
        ),
        Trial(_rotated_back_alone, "Many pictures come out right, but a batch of one picture does not."),
    ),
    mistakes=(
        noise_from_v,
        rotated_backwards,
        rotated_swapped,
        rotated_without_roots,
        rotated_as_eps,
        rotated_off_by_one,
        rotated_forwards,
        rotated_and_divided,
        rotated_without_root_on_noise,
        rotated_without_root_on_signal,
        rotated_and_clipped,
        rotated_along_columns,
    ),
)

# --- 02.5 dropped labels ----------------------------------------------------------------------------------------------


def drop_labels(labels, null_class, probability, generator=None):
    dropped = torch.rand(labels.shape, generator=generator) < probability  # (B,), drawn on the CPU
    return torch.where(dropped.to(labels.device), null_class, labels)


def labels_kept_with_probability(labels, null_class, probability, generator=None):
    """The labels are dropped with probability 1 − p: nearly all of them are gone, and nothing is learned from them."""
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, labels, null_class)


def labels_dropped_by_gaussian(labels, null_class, probability, generator=None):
    """torch.randn was used where torch.rand was meant: below p lie far more Gaussian numbers than the share p."""
    return torch.where(torch.randn(labels.shape, generator=generator) < probability, null_class, labels)


def labels_dropped_together(labels, null_class, probability, generator=None):
    """All labels of a batch are dropped together or none: draw one random number for each label."""
    return torch.where(torch.rand(1, generator=generator) < probability, null_class, labels)


def labels_dropped_to_zero(labels, null_class, probability, generator=None):
    """A dropped label becomes 0, which is a T-shirt: it should become null_class."""
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, 0, labels)


def labels_never_dropped(labels, null_class, probability, generator=None):
    """Nothing is ever dropped."""
    return labels.clone()


def labels_dropped_always_the_first(labels, null_class, probability, generator=None):
    """It is always the same places that lose their labels: draw at random for each batch."""
    return torch.where(torch.arange(len(labels)) < probability * len(labels), null_class, labels)


def labels_dropped_by_number(labels, null_class, probability, generator=None):
    """Exactly the share p of each batch is dropped: toss for each label on its own, so that the number varies."""
    order = torch.rand(labels.shape, generator=generator).argsort()
    return torch.where(order < probability * len(labels), null_class, labels)


def labels_dropped_with_a_half(labels, null_class, probability, generator=None):
    """About half of the labels are dropped, whatever p is: compare the uniform numbers with the probability."""
    return torch.where(torch.rand(labels.shape, generator=generator) < 0.5, null_class, labels)


def labels_dropped_with_a_tenth(labels, null_class, probability, generator=None):
    """About a tenth of the labels are dropped, whatever p is: compare the uniform numbers with the probability."""
    return torch.where(torch.rand(labels.shape, generator=generator) < 0.1, null_class, labels)


def labels_dropped_to_ten(labels, null_class, probability, generator=None):
    """A dropped label becomes 10, which is right for ten garments alone: it should become null_class."""
    return torch.where(torch.rand(labels.shape, generator=generator) < probability, 10, labels)


def labels_dropped_without_generator(labels, null_class, probability, generator=None):
    """The generator that is handed over is not used: draw with torch.rand(…, generator=generator)."""
    return torch.where(torch.rand(labels.shape) < probability, null_class, labels)


def labels_dropped_from_the_seed(labels, null_class, probability, generator=None):
    """Called again with the same generator it drops the same labels: draw from it, not from its seed or a copy."""
    fresh = torch.Generator().manual_seed(0 if generator is None else generator.initial_seed())
    return torch.where(torch.rand(labels.shape, generator=fresh) < probability, null_class, labels)


def _batch_by_batch(drop):
    """Of 400 batches: twenty times the shares of null, zero and any change, and the spreads of how many go and of where.

    Both spreads are divided by what they are when each label is dropped or kept by a toss of its own.
    """
    trousers = torch.ones(200, dtype=torch.int64)
    dropped = torch.stack([drop(trousers, 10, 0.5, seeded(k)) for k in range(400)])  # (400, 200)
    gone = (dropped == 10).double()
    by_batch, by_place = gone.mean(dim=1), gone.mean(dim=0)  # (400,), (200,)
    spreads = by_batch.std() * (200 / 0.25) ** 0.5, by_place.std() * (400 / 0.25) ** 0.5
    shares = [each.double().mean() for each in (gone, dropped == 0, dropped != 1)]
    return torch.stack([*(20 * share for share in shares), *spreads])


def _neighbours_alike(drop):
    gone = drop(torch.ones(20_000, dtype=torch.int64), 10, 0.5, seeded(6)) == 10  # (20000,)
    return (gone[1:] == gone[:-1]).double().mean().reshape(1)


def _shares_dropped(drop):
    generator, labels = seeded(1), torch.arange(20_000) % 10
    dropped = torch.stack([drop(labels, 10, p, generator) for p in (0.1, 0.33, 0.875)])  # (3, 20000)
    return (dropped == 10).double().mean(dim=1)  # (3,)


def _changed_otherwise(drop):
    labels = torch.arange(2_000) % 10  # (2000,)
    dropped = drop(labels, 10, 0.3, seeded(2))  # (2000,)
    return (dropped != labels)[dropped != 10].double().sum().reshape(1)


def _all_or_none(drop):
    labels, generator = torch.arange(50) % 10, seeded(4)
    return joined(
        drop(some, null_class, p, generator)
        for some in (labels, labels[:1], torch.arange(50).flip(0) // 5)
        for null_class in (10, 77)
        for p in (0.0, 1.0)
    )


def _draws_from_generator(drop):
    """1 where all is well, shape (3,): the same seed drops the same labels, a second call and another seed drop others."""
    labels, generator = torch.arange(1_000) % 10, seeded(5)
    first, second = (drop(labels, 10, 0.5, generator) for _ in range(2))
    again, other = (drop(labels, 10, 0.5, seeded(seed)) for seed in (5, 6))
    well = torch.equal(first, again), not torch.equal(first, second), not torch.equal(first, other)
    return torch.tensor([float(each) for each in well])


def _without_generator(drop):
    dropped = drop(torch.arange(1_000) % 10, 10, 0.5)  # (1000,)
    return (dropped == 10).double().mean().reshape(1)


DROP_LABELS = Exercise(
    id="02.5",
    title="Dropping labels",
    points=2,
    solution=drop_labels,
    forbidden=(training.drop_labels,),
    why="`torch.rand` is uniform between 0 and 1, so the share p of its numbers lies below p. One network sees pictures with "
    "a label and without, and learns both.",
    hints=(
        "Draw one uniform number for each label: `torch.rand(labels.shape, generator=generator)`.",
        "A label is dropped where its number lies *below* the probability.",
        "`torch.where(condition, null_class, labels)` makes a new tensor and leaves `labels` as they were.",
    ),
    trials=(
        # The tolerances are five standard deviations of the difference between two draws, or a little more.
        Trial(_batch_by_batch, "With p = 0.5 half of the labels should go, each by a toss of its own.", tolerance=0.2),
        Trial(
            _neighbours_alike,
            "Each label should have a toss of its own, and share it with no neighbour.",
            tolerance=0.02,
        ),
        Trial(
            _shares_dropped, "With p = 0.1, 0.33 and 0.875 such shares of the labels should be dropped.", tolerance=0.02
        ),
        Trial(_changed_otherwise, "A label that is not dropped should stay what it was."),
        Trial(_all_or_none, "p = 0 should drop none and p = 1 all, in a batch of one label too."),
        Trial(
            _draws_from_generator,
            "The same seed should drop the same labels, and another seed or a second call with the same generator others.",
        ),
        Trial(_without_generator, "Without a generator it should drop by chance as well.", tolerance=0.12),
    ),
    mistakes=(
        labels_kept_with_probability,
        labels_dropped_by_gaussian,
        labels_dropped_together,
        labels_dropped_to_zero,
        labels_never_dropped,
        labels_dropped_always_the_first,
        labels_dropped_by_number,
        labels_dropped_with_a_half,
        labels_dropped_with_a_tenth,
        labels_dropped_to_ten,
        labels_dropped_without_generator,
        labels_dropped_from_the_seed,
    ),
)

# --- 02.6 the picture from the noise ----------------------------------------------------------------------------------


def x_0_from_eps(schedule, x_t, t, eps):
    alpha_bar = schedule.alpha_bar[t.cpu()].reshape(-1, 1, 1, 1)  # (B, 1, 1, 1), on the CPU, where schedules lie
    signal, noise = alpha_bar.sqrt().to(x_t), (1 - alpha_bar).sqrt().to(x_t)  # the dtype and device of x_t
    return (x_t - noise * eps) / signal


def picture_not_divided(schedule, x_t, t, eps):
    """What is left after taking the noise away is still shrunk: divide by √alpha_bar."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return x_t - (1 - share).sqrt() * eps


def picture_divided_by_share(schedule, x_t, t, eps):
    """It is divided by alpha_bar, and should be divided by its root."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return (x_t - (1 - share).sqrt() * eps) / share


def picture_plus_noise(schedule, x_t, t, eps):
    """The noise is added once more: take it away."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return (x_t + (1 - share).sqrt() * eps) / share.sqrt()


def picture_whole_noise(schedule, x_t, t, eps):
    """eps is taken away unscaled: in x_t it has the factor √(1 − alpha_bar)."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return (x_t - eps) / share.sqrt()


def picture_without_root(schedule, x_t, t, eps):
    """The square root on the noise is missing."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return (x_t - (1 - share) * eps) / share.sqrt()


def picture_off_by_one(schedule, x_t, t, eps):
    """It is off by one: alpha_bar[t] belongs to time t."""
    share = schedule.at(t - 1, x_t).to(x_t)
    return (x_t - (1 - share).sqrt() * eps) / share.sqrt()


def picture_of_one_step(schedule, x_t, t, eps):
    """This undoes one single step with beta_t: between x_0 and x_t lie t steps, and alpha_bar_t is their product."""
    beta = schedule.beta[t].to(x_t.dtype).reshape(-1, 1, 1, 1)  # (B, 1, 1, 1)
    return (x_t - beta.sqrt() * eps) / (1 - beta).sqrt()


def picture_multiplied(schedule, x_t, t, eps):
    """It is multiplied by √alpha_bar once more: divide by it."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return (x_t - (1 - share).sqrt() * eps) * share.sqrt()


def picture_divided_too_early(schedule, x_t, t, eps):
    """Only x_t is divided by √alpha_bar: the noise has to be taken away before that, or be divided too."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return x_t / share.sqrt() - (1 - share).sqrt() * eps


def picture_destroyed_again(schedule, x_t, t, eps):
    """This adds the noise of t steps once more, as add_noise does: take it out."""
    return add_noise(schedule, x_t, t, eps)


def picture_clipped(schedule, x_t, t, eps):
    """The result is clipped to −1…1: return exactly what went in, whatever its range."""
    share = schedule.at(t, x_t).to(x_t)  # (B, 1, 1, 1)
    return ((x_t - (1 - share).sqrt() * eps) / share.sqrt()).clamp(-1, 1)


def picture_along_columns(schedule, x_t, t, eps):
    """The factors run along the columns of the pictures: reshape them to (B, 1, 1, 1), so that each picture has its own."""
    share = schedule.alpha_bar[t].to(x_t.dtype)  # (B,), which lies along the last axis
    return (x_t - (1 - share).sqrt() * eps) / share.sqrt()


def _recovered(invert):
    # As many pictures as columns: factors along the wrong axis raise no error, and must show.
    x_0, eps = torch.randn(2, 6, 1, 4, 6, generator=seeded(6))  # (B, C, H, W) each
    t = torch.tensor([1, 100, 250, 400, 600, 700])  # (B,)
    return invert(NoiseSchedule.linear(), add_noise(NoiseSchedule.linear(), x_0, t, eps), t, eps)


def _recovered_in_colour(invert):
    x_0, eps = torch.randn(2, 4, 3, 5, 2, generator=seeded(8))  # (B, C, H, W) each
    t = torch.tensor([20, 300, 500, 800])  # (B,)
    return invert(NoiseSchedule.cosine(), add_noise(NoiseSchedule.cosine(), x_0, t, eps), t, eps)


def _recovered_alone(invert):
    x_0, eps = torch.randn(2, 1, 1, 4, 6, generator=seeded(9))  # (B, C, H, W) each
    t = torch.tensor([450])  # (B,)
    return invert(NoiseSchedule.linear(), add_noise(NoiseSchedule.linear(), x_0, t, eps), t, eps)


FROM_EPS = Exercise(
    id="02.6",
    title="The picture from the noise",
    points=2,
    solution=x_0_from_eps,
    forbidden=(NetDenoiser.__call__,),
    why="It is the closed form, solved for x_0. Near t = T the division by a tiny root makes every error large.",
    hints=(
        r"Start from $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$ and solve for $x_0$.",
        "Take the scaled noise away first, then divide.",
        "`(x_t - noise * eps) / signal`, with `signal` and `noise` of shape (B, 1, 1, 1), moved to x_t's dtype and device "
        "by `.to(x_t)`.",
    ),
    trials=(
        Trial(_recovered, "The pictures that went into add_noise do not come back.", tolerance=1e-3),
        Trial(
            _recovered_in_colour,
            "It does not come out right for colour pictures with the cosine schedule.",
            tolerance=1e-3,
        ),
        Trial(_recovered_alone, "Many pictures come back, but a batch of one picture does not.", tolerance=1e-3),
    ),
    mistakes=(
        picture_not_divided,
        picture_divided_by_share,
        picture_plus_noise,
        picture_whole_noise,
        picture_without_root,
        picture_off_by_one,
        picture_of_one_step,
        picture_multiplied,
        picture_divided_too_early,
        picture_destroyed_again,
        picture_clipped,
        picture_along_columns,
    ),
)

# --- 02.7 the time as waves -------------------------------------------------------------------------------------------


def embed_time(t, size):
    frequencies = 10_000 ** (-torch.arange(size // 2, device=t.device) / (size // 2))  # (size/2,)
    angles = t[:, None] * frequencies  # (B, size/2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)  # (B, size)


def _waves(t: Tensor, frequencies: Tensor) -> Tensor:
    angles = t[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _exponents(size: int) -> Tensor:
    return torch.arange(size // 2) / (size // 2)


def waves_cosines_first(t, size):
    """The cosines stand first: the sines are the first half, the cosines the second."""
    return _waves(t, 10_000 ** -_exponents(size)).roll(size // 2, dims=1)


def waves_in_turns(t, size):
    """Sines and cosines take turns: here all sines stand first, then all cosines."""
    return _waves(t, 10_000 ** -_exponents(size)).unflatten(1, (2, -1)).transpose(1, 2).flatten(1)


def waves_getting_quicker(t, size):
    """The frequencies rise, up to 10,000: the exponent has a minus."""
    return _waves(t, 10_000 ** _exponents(size))


def waves_by_whole_size(t, size):
    """The exponent is divided by the whole size, so that the slowest wave is still quick: divide by size / 2."""
    return _waves(t, 10_000 ** (-torch.arange(size // 2) / size))


def waves_to_the_end(t, size):
    """The last frequency is 1 / 10,000 exactly: divide i by size / 2, and not by one less."""
    return _waves(t, 10_000 ** (-torch.arange(size // 2) / max(size // 2 - 1, 1)))


def waves_counted_from_one(t, size):
    """The first frequency is not 1: count i from 0."""
    return _waves(t, 10_000 ** (-torch.arange(1, size // 2 + 1) / (size // 2)))


def waves_of_base_1000(t, size):
    """The slowest waves are too quick: the base is 10,000."""
    return _waves(t, 1_000 ** -_exponents(size))


def waves_with_two_pi(t, size):
    """The angles have a factor of 2π: take t times the frequency as it is."""
    return _waves(2 * torch.pi * t, 10_000 ** -_exponents(size))


def waves_of_scaled_time(t, size):
    """The time is divided by 1,000, and the quick waves stand still: take t as it is."""
    return _waves(t / 1_000, 10_000 ** -_exponents(size))


def waves_of_sines_only(t, size):
    """There are sines only: the second half are the cosines of the same angles."""
    sines = (t[:, None] * 10_000 ** -_exponents(size)).sin()
    return torch.cat([sines, sines], dim=1)


def waves_of_one_frequency(t, size):
    """All waves have one frequency: each has its own, from 1 down to nearly 1 / 10,000."""
    return _waves(t, torch.ones(size // 2))


def waves_evenly_spaced(t, size):
    """The frequencies fall in equal steps: they should fall by equal factors, as the power has it."""
    return _waves(t, 1 - _exponents(size))


def waves_counted_in_twos(t, size):
    """The frequencies fall to 1 / 10,000 by half of the way, and further on: count i in steps of one."""
    return _waves(t, 10_000 ** (-torch.arange(0, size, 2) / (size // 2)))


def waves_of_whole_exponents(t, size):
    """The exponents are whole numbers, since // drops what is behind the point: divide i by size / 2 with /."""
    return _waves(t, 10_000 ** (-torch.arange(size // 2) // (size // 2)))


def waves_one_time_early(t, size):
    """These are the waves of t − 1: take t as it is."""
    return _waves(t - 1, 10_000 ** -_exponents(size))


def waves_across(t, size):
    """Rows and columns are swapped: each time is a row, and each frequency a column, as in t[:, None] * frequencies."""
    angles = t * (10_000 ** -_exponents(size))[:, None]  # (size/2, B)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _embedded(embed):
    # As many times as frequencies: swapped axes raise no error, and must show. Early times, so that even the waves of a
    # mistake that makes them quick agree, however the frequencies are computed.
    return embed(torch.tensor([1, 2, 3]), 6)


def _embedded_in_other_sizes(embed):
    several = (torch.tensor([1, 2, 250, 1000]), 8), (torch.tensor([1, 7, 500]), 64), (torch.tensor([999]), 2)
    return joined(embed(t, size) for t, size in several)


TIME_WAVES = Exercise(
    id="02.7",
    title="The time as waves",
    points=2,
    solution=embed_time,
    forbidden=(library_embed_time,),
    why="`t[:, None] * frequencies` has a row for each time and a column for each wave. Near times agree in the slow waves "
    "and differ in the quick ones.",
    hints=(
        "First the frequencies, a tensor of size / 2 numbers: `10_000 ** (-i / (size // 2))` with "
        "`i = torch.arange(size // 2)`.",
        "Every time with every frequency, (B, size/2): `t[:, None] * frequencies`.",
        "`torch.cat([angles.sin(), angles.cos()], dim=1)` puts the halves side by side.",
    ),
    trials=(
        Trial(_embedded, "The six waves of three times do not come out right.", tolerance=1e-3),
        # Angles go up to 1,000, where float32 knows them to 3e-5.
        Trial(
            _embedded_in_other_sizes,
            "It is right for six waves at the times 1 to 3, but not for later times, or not for 2, 8 or 64 waves.",
            tolerance=1e-3,
        ),
    ),
    mistakes=(
        waves_cosines_first,
        waves_in_turns,
        waves_getting_quicker,
        waves_by_whole_size,
        waves_to_the_end,
        waves_counted_from_one,
        waves_of_base_1000,
        waves_with_two_pi,
        waves_of_scaled_time,
        waves_of_sines_only,
        waves_of_one_frequency,
        waves_evenly_spaced,
        waves_counted_in_twos,
        waves_of_whole_exponents,
        waves_one_time_early,
        waves_across,
    ),
)

# --- 02.8 the residual block ------------------------------------------------------------------------------------------


def residual_block(block, x, emb):
    h = block.conv1(F.silu(block.norm1(x)))  # (B, C, H, W)
    scale, shift = block.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=1)  # (B, C, 1, 1) each
    h = block.conv2(F.silu(block.norm2(h) * (1 + scale) + shift))  # (B, C, H, W)
    return block.shortcut(x) + h


def _block(
    block, x, emb, *, scale_from=1.0, swapped=False, first=F.silu, second=F.silu, late=False, skip="shortcut"
) -> Tensor:
    """The block with one of its parts changed."""
    h = block.conv1(first(block.norm1(x)))
    scale, shift = block.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=1)
    scale, shift = (shift, scale) if swapped else (scale, shift)
    h = block.norm2(h)
    h = second(h) * (scale_from + scale) + shift if late else second(h * (scale_from + scale) + shift)
    beside = {"shortcut": lambda: block.shortcut(x), "input": lambda: x, "none": lambda: 0}[skip]()
    return beside + block.conv2(h)


def block_without_residual(block, x, emb):
    """What came in is not added: the block returns the shortcut of x plus what the convolutions make of it."""
    return _block(block, x, emb, skip="none")


def block_without_shortcut(block, x, emb):
    """x is added as it is: send it through block.shortcut first, which fits its channels where their number changes."""
    return _block(block, x, emb, skip="input")


def block_without_one(block, x, emb):
    """The features are multiplied by scale alone: by 1 + scale, so that a scale of zero changes nothing."""
    return _block(block, x, emb, scale_from=0.0)


def block_scale_and_shift_swapped(block, x, emb):
    """Scale and shift are swapped: the first half of the channels is the scale."""
    return _block(block, x, emb, swapped=True)


def block_without_first_silu(block, x, emb):
    """The first SiLU is missing: norm1, SiLU, conv1."""
    return _block(block, x, emb, first=lambda h: h)


def block_without_second_silu(block, x, emb):
    """The second SiLU is missing: it comes after scale and shift, before conv2."""
    return _block(block, x, emb, second=lambda h: h)


def block_with_relu(block, x, emb):
    """These are ReLUs: the block has SiLUs, x · sigmoid(x)."""
    return _block(block, x, emb, first=F.relu, second=F.relu)


def block_with_late_scale(block, x, emb):
    """Scale and shift come after the second SiLU: they belong between norm2 and the SiLU."""
    return _block(block, x, emb, late=True)


def block_without_embedding(block, x, emb):
    """The embedding is not used: block.scale_and_shift(emb) scales and shifts the channels after norm2."""
    h = block.conv1(F.silu(block.norm1(x)))
    return block.shortcut(x) + block.conv2(F.silu(block.norm2(h)))


def block_with_scale_before_norm(block, x, emb):
    """Scale and shift come before norm2, which takes most of them away again: first norm2, then scale and shift."""
    h = block.conv1(F.silu(block.norm1(x)))
    scale, shift = block.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=1)
    return block.shortcut(x) + block.conv2(F.silu(block.norm2(h * (1 + scale) + shift)))


def block_norm_after_silu(block, x, emb):
    """The SiLU comes before norm1: norm1, SiLU, conv1, in this order."""
    h = block.conv1(block.norm1(F.silu(x)))
    scale, shift = block.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=1)
    return block.shortcut(x) + block.conv2(F.silu(block.norm2(h) * (1 + scale) + shift))


def block_with_silu_at_the_end(block, x, emb):
    """The sum goes through a SiLU once more: return it as it is."""
    return F.silu(_block(block, x, emb))


def block_with_second_silu_on_embedding(block, x, emb):
    """The embedding goes through a SiLU once more: it has been through one already."""
    return _block(block, x, F.silu(emb))


def block_with_sigmoid(block, x, emb):
    """These are sigmoids: the block has SiLUs, x · sigmoid(x)."""
    return _block(block, x, emb, first=torch.sigmoid, second=torch.sigmoid)


def block_without_shift(block, x, emb):
    """The shift is not added: multiply by 1 + scale, then add shift."""
    h = block.norm2(block.conv1(F.silu(block.norm1(x))))
    scale, _ = block.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=1)
    return block.shortcut(x) + block.conv2(F.silu(h * (1 + scale)))


def block_without_scale(block, x, emb):
    """The features are not scaled: multiply by 1 + scale before the shift is added."""
    h = block.norm2(block.conv1(F.silu(block.norm1(x))))
    _, shift = block.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=1)
    return block.shortcut(x) + block.conv2(F.silu(h + shift))


def block_with_scale_on_sum(block, x, emb):
    """The shift is multiplied too: multiply by 1 + scale first, and add shift after that."""
    h = block.norm2(block.conv1(F.silu(block.norm1(x))))
    scale, shift = block.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=1)
    return block.shortcut(x) + block.conv2(F.silu((h + shift) * (1 + scale)))


def block_with_halves_in_turns(block, x, emb):
    """Scale and shift take turns here: the first half of the channels is the scale, the second half the shift."""
    h = block.norm2(block.conv1(F.silu(block.norm1(x))))
    scale, shift = block.scale_and_shift(emb)[:, :, None, None].unflatten(1, (-1, 2)).unbind(2)
    return block.shortcut(x) + block.conv2(F.silu(h * (1 + scale) + shift))


def block_with_norm1_twice(block, x, emb):
    """norm1 is used twice: norm2 comes after conv1."""
    h = block.norm1(block.conv1(F.silu(block.norm1(x))))
    scale, shift = block.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=1)
    return block.shortcut(x) + block.conv2(F.silu(h * (1 + scale) + shift))


def block_with_conv1_twice(block, x, emb):
    """conv1 is used twice: the second convolution is conv2."""
    h = block.norm2(block.conv1(F.silu(block.norm1(x))))
    scale, shift = block.scale_and_shift(emb)[:, :, None, None].chunk(2, dim=1)
    return block.shortcut(x) + block.conv1(F.silu(h * (1 + scale) + shift))


def block_with_shortcut_after_conv1(block, x, emb):
    """What conv1 returns goes through the shortcut: it should be x as it came in, so give nothing else the name x."""
    h = block.conv1(F.silu(block.norm1(x)))
    return block.shortcut(h) + _block(block, x, emb, skip="none")


def block_with_shortcut_at_the_end(block, x, emb):
    """What conv2 returns goes through the shortcut: it should be x as it came in, so give nothing else the name x."""
    h = _block(block, x, emb, skip="none")
    return block.shortcut(h) + h


class _Parts(nn.Module):
    """The parts of a block with weights at random; it cannot be called, since that is the answer's work."""

    def __init__(self, channels_in: int, channels: int, projects: bool = True) -> None:
        super().__init__()
        torch.manual_seed(5)
        whole = ResBlock(channels_in, channels, 6)
        for name, part in whole.named_children():
            self.add_module(name, part)
        if projects:  # also where the channels stay as they are, so that leaving it out shows
            self.shortcut = nn.Conv2d(channels_in, channels, 1)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.4)
        self.requires_grad_(False)

    def forward(self, *arguments: Any) -> Tensor:
        raise WrongAnswerError("This calls the block itself: put it together from its parts.")


def _through_block(apply):
    x, emb = torch.randn(2, 8, 4, 4, generator=seeded(6)), torch.linspace(-2, 2, 12)
    return apply(_Parts(8, 8), x, emb.reshape(2, 6))


def _through_a_wider_block(apply):
    x, emb = torch.randn(3, 8, 2, 5, generator=seeded(7)), torch.linspace(-1, 3, 18)
    return apply(_Parts(8, 16), x, emb.reshape(3, 6))


def _through_a_block_that_hands_on(apply):
    """The shortcut of most blocks hands on x itself: changing what it gives in place would change x."""
    x, emb = torch.randn(2, 8, 3, 3, generator=seeded(8)), torch.linspace(-1, 1, 12)
    return apply(_Parts(8, 8, projects=False), x, emb.reshape(2, 6))


RESIDUAL_BLOCK = Exercise(
    id="02.8",
    title="A residual block",
    points=3,
    solution=residual_block,
    forbidden=(ResBlock.forward,),
    why="The last line is the point of it: what came in goes out again, plus a correction. `[:, :, None, None]` lets every "
    "channel have one scale and one shift for all of its positions.",
    hints=(
        "Work along the diagram, one line for each of its rows. `F.silu` is the activation.",
        "`block.scale_and_shift(emb)` is (B, 2C). `[:, :, None, None]` makes it (B, 2C, 1, 1), and `.chunk(2, dim=1)` gives "
        "the two halves.",
        "The second row is `block.conv2(F.silu(block.norm2(h) * (1 + scale) + shift))`; at the end add `block.shortcut(x)`.",
    ),
    trials=(
        Trial(_through_block, "Two pictures with eight channels do not come out right.", tolerance=1e-4),
        Trial(
            _through_a_wider_block,
            "It is right for a block that keeps the number of channels, but not for one that doubles it.",
            tolerance=1e-4,
        ),
        Trial(
            _through_a_block_that_hands_on,
            "It is not right for a block whose shortcut hands on x as it is.",
            tolerance=1e-4,
        ),
    ),
    mistakes=(
        block_without_residual,
        block_without_shortcut,
        block_without_one,
        block_scale_and_shift_swapped,
        block_without_first_silu,
        block_without_second_silu,
        block_with_relu,
        block_with_late_scale,
        block_without_embedding,
        block_with_scale_before_norm,
        block_norm_after_silu,
        block_with_silu_at_the_end,
        block_with_second_silu_on_embedding,
        block_with_sigmoid,
        block_without_shift,
        block_without_scale,
        block_with_scale_on_sum,
        block_with_halves_in_turns,
        block_with_norm1_twice,
        block_with_conv1_twice,
        block_with_shortcut_after_conv1,
        block_with_shortcut_at_the_end,
    ),
)

# --- 02.9 bug hunt ----------------------------------------------------------------------------------------------------


def average(old, new, decay):
    return (1 - decay) * old + decay * new


def average_by_shares(old, new, decay):
    return decay * old + (1 - decay) * new


def average_by_way(old, new, decay):
    return old + (1 - decay) * (new - old)


def average_by_difference(old, new, decay):
    return new + decay * (old - new)


def find_the_bug(average):
    kept = average(torch.tensor(1.0), torch.tensor(0.0), 0.99).item()
    assert abs(kept - 0.99) < 1e-6, f"a decay of 0.99 should keep 0.99 of the old value, but it kept {kept:.2f}"


INVERTED_AVERAGE = BugHunt(
    id="02.9",
    title="Bug hunt: the average that forgets",
    points=2,
    broken=average,
    correct=(average_by_shares, average_by_way, average_by_difference),
    solution=find_the_bug,
    forbidden=(training.update_ema,),
    why="The shares are inverted. With a decay of 0.99 the average is then nearly the last weight: it trains as always, and "
    "all that an average is good for is lost without a word. At a decay of one half nobody would notice.",
    hints=(
        "At a decay of 0.5 both versions agree, so try another.",
        "Choose `old` and `new` so that you can read off the shares: 1 and 0, say.",
    ),
)
