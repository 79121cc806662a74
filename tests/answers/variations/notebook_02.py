"""Right answers to the variations of notebook 02."""

import math

import torch

from answers.variations import right


@right("picture_and_noise")
def with_alpha_bar(x, velocity, u):
    alpha_bar = torch.cos(math.pi * u / 2) ** 2
    signal, noise, v = alpha_bar.sqrt(), torch.sin(math.pi * u / 2), 2 * velocity / math.pi
    out = torch.zeros(2, *x.shape)
    out[0], out[1] = signal * x - noise * v, noise * x + signal * v
    return out


@right("picture_and_noise")
def by_matrices(x, velocity, u):
    angle = torch.deg2rad(90 * u)
    turned = torch.stack(
        [torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])]
    )  # (2, 2, B)
    return torch.einsum("ijb,jnb->inb", turned, torch.stack([x, velocity / math.radians(90)]))


@right("picture_and_noise")
def as_complex_numbers(x, velocity, u):
    turn = torch.polar(torch.ones_like(u), u * torch.pi / 2)
    both = torch.complex(x, velocity / (torch.pi / 2)) * turn
    return torch.cat([both.real[None], both.imag[None]])


@right("picture_and_noise")
def column_by_column(x, velocity, u):
    columns = []
    for place, share in enumerate(u.tolist()):
        c, s = math.cos(share * math.pi / 2), math.sin(share * math.pi / 2)
        here, v = x[:, place], velocity[:, place] / (math.pi / 2)
        columns.append(torch.stack([c * here - s * v, s * here + c * v]))
    return torch.stack(columns, dim=2)


@right("straight_loss")
def clip_by_clip(net, picture, noise, t, weight):
    x = torch.stack([t[b] * picture[:, b] + (1 - t[b]) * noise[:, b] for b in range(len(t))], dim=1)
    off = net(x, t) - picture + noise
    return sum(weight[b] * (off[:, b] ** 2).mean() for b in range(len(t))) / weight.sum()


@right("straight_loss")
def by_lerp(net, picture, noise, t, weight):
    x = torch.lerp(noise, picture, t.view(1, -1, 1).expand_as(picture))
    errors = torch.nn.functional.mse_loss(net(x, t), picture - noise, reduction="none").mean(2).mean(0)
    return torch.dot(weight / weight.sum(), errors)


@right("straight_loss")
def with_weights_on_every_number(net, picture, noise, t, weight):
    way = picture - noise
    squares = (net(noise + t.unsqueeze(1) * way, t) - way).pow(2)
    shares = weight.reshape(1, -1, 1).expand_as(squares)
    return torch.sum(shares * squares) / torch.sum(shares)


@right("straight_loss")
def batch_first(net, picture, noise, t, weight):
    first, last = noise.transpose(0, 1), picture.transpose(0, 1)
    x = (1 - t)[:, None, None] * first + t[:, None, None] * last
    answered = net(x.transpose(0, 1), t).transpose(0, 1)
    return (weight * (answered - (last - first)).flatten(1).square().mean(1)).sum().div(weight.sum())
