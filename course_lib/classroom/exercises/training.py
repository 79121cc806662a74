"""The exercises of notebook 02: the loss, two conversions, dropped labels, the average, and a bug hunt."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import training
from course_lib.classroom.checks import BugHunt, Exercise, Trial, joined
from course_lib.denoisers import NetDenoiser
from course_lib.forward import add_noise
from course_lib.schedules import NoiseSchedule

# --- 02.1 the loss ----------------------------------------------------------------------------------------------------


def noise_loss(net: nn.Module, schedule: NoiseSchedule, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
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


class _Wavy(nn.Module):
    """A stand-in for a network that depends on both of its inputs, and on a parameter."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(0.7))

    def forward(self, x_t, t):  # (B, C, H, W), (B,) -> (B, C, H, W)
        return self.factor * torch.sin(3 * x_t + t.reshape(-1, 1, 1, 1) / 300)


def _value_and_gradient(loss):
    net = _Wavy()
    x_0, eps = torch.randn(2, 4, 1, 6, 6, generator=torch.Generator().manual_seed(1))  # (B, C, H, W) each
    value = loss(net, NoiseSchedule.linear(), x_0, torch.tensor([1, 200, 600, 1000]), eps)
    if not value.requires_grad:
        return torch.stack([value, torch.tensor(torch.nan)])
    value.backward()
    return torch.stack([value.detach(), net.factor.grad])


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
        Trial(
            _value_and_gradient,
            "The loss or its gradient does not come out right (is everything made of tensors, without .item() or .detach()?).",
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
    ),
)

# --- 02.2 and 02.3 the picture from the network's answer --------------------------------------------------------------


def x_0_from_eps(schedule: NoiseSchedule, x_t: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    alpha_bar = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)  # (B, 1, 1, 1)
    signal, noise = alpha_bar.sqrt().to(x_t.dtype), (1 - alpha_bar).sqrt().to(x_t.dtype)
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


def _recovered(invert):
    x_0, eps = torch.randn(2, 6, 1, 4, 6, generator=torch.Generator().manual_seed(6))  # (B, C, H, W) each
    t = torch.tensor([1, 100, 250, 400, 600, 700])  # (B,)
    return invert(NoiseSchedule.linear(), add_noise(NoiseSchedule.linear(), x_0, t, eps), t, eps)


FROM_EPS = Exercise(
    id="02.2",
    title="The picture from the noise",
    points=2,
    solution=x_0_from_eps,
    forbidden=(NetDenoiser.__call__,),
    why="It is the closed form, solved for x_0. Near t = T the division by a tiny root makes every error large.",
    hints=(
        r"Start from $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$ and solve for $x_0$.",
        "Take the scaled noise away first, then divide.",
        "`(x_t - noise * eps) / signal`, with `signal` and `noise` of shape (B, 1, 1, 1) and x_t's dtype.",
    ),
    trials=(Trial(_recovered, "The pictures that went into add_noise do not come back.", tolerance=1e-3),),
    mistakes=(
        picture_not_divided,
        picture_divided_by_share,
        picture_plus_noise,
        picture_whole_noise,
        picture_without_root,
        picture_off_by_one,
    ),
)


def x_0_from_v(schedule: NoiseSchedule, x_t: Tensor, t: Tensor, v: Tensor) -> Tensor:
    alpha_bar = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)  # (B, 1, 1, 1)
    signal, noise = alpha_bar.sqrt().to(x_t.dtype), (1 - alpha_bar).sqrt().to(x_t.dtype)
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


def _rotated_back(invert):
    x_t, v = torch.randn(2, 5, 1, 4, 6, generator=torch.Generator().manual_seed(7))  # (B, C, H, W) each
    return invert(NoiseSchedule.cosine(), x_t, torch.tensor([1, 100, 300, 700, 1000]), v)


FROM_V = Exercise(
    id="02.3",
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
    trials=(Trial(_rotated_back, "It does not come out right with the cosine schedule."),),
    mistakes=(
        noise_from_v,
        rotated_backwards,
        rotated_swapped,
        rotated_without_roots,
        rotated_as_eps,
        rotated_off_by_one,
    ),
)

# --- 02.4 dropped labels ----------------------------------------------------------------------------------------------


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


def _batch_by_batch(drop):
    """Shares of null and of zero in 200 batches, and how much they vary: 1 when each label is drawn on its own."""
    generator, trousers = torch.Generator().manual_seed(3), torch.ones(100, dtype=torch.int64)
    dropped = torch.stack([drop(trousers, 10, 0.5, generator) for _ in range(200)])  # (200, 100)
    share = (dropped == 10).double().mean(dim=1)  # (200,)
    return torch.stack([share.mean(), (dropped == 0).double().mean(), share.std() / 0.05])


def _share_dropped(drop):
    dropped = drop(torch.arange(20_000) % 10, 10, 0.1, torch.Generator().manual_seed(1))  # (20000,)
    return (dropped == 10).double().mean().reshape(1)


def _changed_otherwise(drop):
    labels = torch.arange(2_000) % 10  # (2000,)
    dropped = drop(labels, 10, 0.3, torch.Generator().manual_seed(2))  # (2000,)
    return (dropped != labels)[dropped != 10].double().sum().reshape(1)


def _all_or_none(drop):
    return joined(drop(torch.arange(50) % 10, 10, p, torch.Generator().manual_seed(4)) for p in (0.0, 1.0))


DROP_LABELS = Exercise(
    id="02.4",
    title="Dropping labels",
    points=2,
    solution=training.drop_labels,
    why="`torch.rand` is uniform between 0 and 1, so the share p of its numbers lies below p. One network sees pictures with "
    "a label and without, and learns both.",
    hints=(
        "Draw one uniform number for each label: `torch.rand(labels.shape, generator=generator)`.",
        "A label is dropped where its number lies *below* the probability.",
        "`torch.where(condition, null_class, labels)` makes a new tensor and leaves `labels` as they were.",
    ),
    trials=(
        Trial(
            _batch_by_batch, "With p = 0.5 each label should be dropped or kept by a toss of its own.", tolerance=0.3
        ),
        Trial(_share_dropped, "With p = 0.1 about a tenth of the labels should be dropped.", tolerance=0.015),
        Trial(_changed_otherwise, "A label that is not dropped should stay what it was."),
        Trial(_all_or_none, "p = 0 should drop none and p = 1 all."),
    ),
    mistakes=(
        labels_kept_with_probability,
        labels_dropped_by_gaussian,
        labels_dropped_together,
        labels_dropped_to_zero,
        labels_never_dropped,
        labels_dropped_always_the_first,
    ),
)

# --- 02.5 the average of the weights ----------------------------------------------------------------------------------


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


def ema_with_gradients(ema, net, decay):
    """The numbers are right, but the average now records gradients: update it within torch.no_grad()."""
    for average, current in zip(ema.parameters(), net.parameters(), strict=True):
        average.mul_(decay).add_((1 - decay) * current)


def _pair() -> tuple[nn.Module, nn.Module]:
    ema, net = (nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)) for _ in range(2))
    for module, start in ((ema, 1.0), (net, -2.0)):
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
    id="02.5",
    title="The average of the weights",
    points=2,
    solution=training.update_ema,
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
        ema_with_gradients,
    ),
)

# --- 02.6 bug hunt ----------------------------------------------------------------------------------------------------


def average(old, new, decay):
    return (1 - decay) * old + decay * new


def average_by_shares(old, new, decay):
    return decay * old + (1 - decay) * new


def average_by_way(old, new, decay):
    return old + (1 - decay) * (new - old)


def find_the_bug(average):
    kept = average(torch.tensor(1.0), torch.tensor(0.0), 0.99).item()
    assert abs(kept - 0.99) < 1e-6, f"a decay of 0.99 should keep 0.99 of the old value, but it kept {kept:.2f}"


INVERTED_AVERAGE = BugHunt(
    id="02.6",
    title="Bug hunt: the average that forgets",
    points=2,
    broken=average,
    correct=(average_by_shares, average_by_way),
    solution=find_the_bug,
    forbidden=(training.update_ema,),
    why="The shares are inverted. With a decay of 0.99 the average is then nearly the last weight: it trains as always, and "
    "all that an average is good for is lost without a word. At a decay of one half nobody would notice.",
    hints=(
        "At a decay of 0.5 both versions agree, so try another.",
        "Choose `old` and `new` so that you can read off the shares: 1 and 0, say.",
    ),
)

EXERCISES = (NOISE_LOSS, FROM_EPS, FROM_V, DROP_LABELS, UPDATE_EMA, INVERTED_AVERAGE)
