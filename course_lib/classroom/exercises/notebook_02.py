"""The exercises of notebook 02: the loss, two conversions, dropped labels, the average, and a bug hunt."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import training
from course_lib.classroom.exercise import BugHunt, Exercise, Trial, joined
from course_lib.denoisers import NetDenoiser
from course_lib.forward import add_noise
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
    x_0, eps = torch.randn(2, 4, 1, 4, 4, generator=torch.Generator().manual_seed(1))  # (B, C, H, W) each
    return loss(_Wavy(), NoiseSchedule.linear(), x_0, torch.tensor([1, 200, 600, 1000]), eps).detach()


def _gradient(loss):
    """Whether a gradient leads to the network, and which one: (2,)."""
    net = _Wavy()
    x_0, eps = torch.randn(2, 4, 1, 4, 4, generator=torch.Generator().manual_seed(1))  # (B, C, H, W) each
    value = loss(net, NoiseSchedule.linear(), x_0, torch.tensor([1, 200, 600, 1000]), eps)
    try:
        (slope,) = torch.autograd.grad(value, net.factor)
    except RuntimeError:  # nothing that leads to the network, or nothing any more
        return torch.zeros(2)
    return torch.stack([torch.tensor(1.0), slope])


def _other_batches(loss):
    x_0, eps = torch.randn(2, 5, 3, 4, 6, generator=torch.Generator().manual_seed(2))  # (B, C, H, W) each
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

# --- 02.2 and 02.3 the picture from the network's answer --------------------------------------------------------------


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
    x_0, eps = torch.randn(2, 6, 1, 4, 6, generator=torch.Generator().manual_seed(6))  # (B, C, H, W) each
    t = torch.tensor([1, 100, 250, 400, 600, 700])  # (B,)
    return invert(NoiseSchedule.linear(), add_noise(NoiseSchedule.linear(), x_0, t, eps), t, eps)


def _recovered_in_colour(invert):
    x_0, eps = torch.randn(2, 4, 3, 5, 2, generator=torch.Generator().manual_seed(8))  # (B, C, H, W) each
    t = torch.tensor([20, 300, 500, 800])  # (B,)
    return invert(NoiseSchedule.cosine(), add_noise(NoiseSchedule.cosine(), x_0, t, eps), t, eps)


def _recovered_alone(invert):
    x_0, eps = torch.randn(2, 1, 1, 4, 6, generator=torch.Generator().manual_seed(9))  # (B, C, H, W) each
    t = torch.tensor([450])  # (B,)
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
    x_t, v = torch.randn(2, 5, 1, 4, 5, generator=torch.Generator().manual_seed(7))  # (B, C, H, W) each
    return invert(NoiseSchedule.cosine(), x_t, torch.tensor([1, 100, 300, 700, 1000]), v)


def _rotated_back_in_colour(invert):
    x_t, v = torch.randn(2, 4, 3, 5, 2, generator=torch.Generator().manual_seed(8))  # (B, C, H, W) each
    return invert(NoiseSchedule.linear(), x_t, torch.tensor([20, 300, 500, 1000]), v)


def _rotated_back_alone(invert):
    x_t, v = torch.randn(2, 1, 1, 4, 6, generator=torch.Generator().manual_seed(9))  # (B, C, H, W) each
    return invert(NoiseSchedule.cosine(), x_t, torch.tensor([450]), v)


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

# --- 02.4 dropped labels ----------------------------------------------------------------------------------------------


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
    dropped = torch.stack([drop(trousers, 10, 0.5, torch.Generator().manual_seed(k)) for k in range(400)])  # (400, 200)
    gone = (dropped == 10).double()
    by_batch, by_place = gone.mean(dim=1), gone.mean(dim=0)  # (400,), (200,)
    spreads = by_batch.std() * (200 / 0.25) ** 0.5, by_place.std() * (400 / 0.25) ** 0.5
    shares = [each.double().mean() for each in (gone, dropped == 0, dropped != 1)]
    return torch.stack([*(20 * share for share in shares), *spreads])


def _neighbours_alike(drop):
    gone = drop(torch.ones(20_000, dtype=torch.int64), 10, 0.5, torch.Generator().manual_seed(6)) == 10  # (20000,)
    return (gone[1:] == gone[:-1]).double().mean().reshape(1)


def _shares_dropped(drop):
    generator, labels = torch.Generator().manual_seed(1), torch.arange(20_000) % 10
    dropped = torch.stack([drop(labels, 10, p, generator) for p in (0.1, 0.33, 0.875)])  # (3, 20000)
    return (dropped == 10).double().mean(dim=1)  # (3,)


def _changed_otherwise(drop):
    labels = torch.arange(2_000) % 10  # (2000,)
    dropped = drop(labels, 10, 0.3, torch.Generator().manual_seed(2))  # (2000,)
    return (dropped != labels)[dropped != 10].double().sum().reshape(1)


def _all_or_none(drop):
    labels, generator = torch.arange(50) % 10, torch.Generator().manual_seed(4)
    return joined(
        drop(some, null_class, p, generator)
        for some in (labels, labels[:1], torch.arange(50).flip(0) // 5)
        for null_class in (10, 77)
        for p in (0.0, 1.0)
    )


def _draws_from_generator(drop):
    """1 where all is well, shape (3,): the same seed drops the same labels, a second call and another seed drop others."""
    labels, generator = torch.arange(1_000) % 10, torch.Generator().manual_seed(5)
    first, second = (drop(labels, 10, 0.5, generator) for _ in range(2))
    again, other = (drop(labels, 10, 0.5, torch.Generator().manual_seed(seed)) for seed in (5, 6))
    well = torch.equal(first, again), not torch.equal(first, second), not torch.equal(first, other)
    return torch.tensor([float(each) for each in well])


def _without_generator(drop):
    dropped = drop(torch.arange(1_000) % 10, 10, 0.5)  # (1000,)
    return (dropped == 10).double().mean().reshape(1)


DROP_LABELS = Exercise(
    id="02.4",
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

# --- 02.5 the average of the weights ----------------------------------------------------------------------------------


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
    id="02.5",
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

# --- 02.6 bug hunt ----------------------------------------------------------------------------------------------------


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
    id="02.6",
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
