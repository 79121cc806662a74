"""Right answers to the variations of notebook 04."""

import math

import torch

from answers.variations import right


@right("price_in_bits")
def by_torch(mean, std, prior_mean, prior_std):
    normal = torch.distributions.Normal
    nats = torch.distributions.kl_divergence(normal(mean, std), normal(prior_mean, prior_std))
    return nats.flatten(1).sum(dim=1) / math.log(2)


@right("price_in_bits")
def term_by_term(mean, std, prior_mean, prior_std):
    price = torch.log2(prior_std / std)
    price = price + ((mean - prior_mean) ** 2 + std**2) / (2 * prior_std**2) / math.log(2)
    return (price - 0.5 / math.log(2)).sum((-1, -2, -3))


@right("price_in_bits")
def by_log_var(mean, std, prior_mean, prior_std):
    mean, log_var = (mean - prior_mean) / prior_std, 2 * (std.log() - prior_std.log())
    return torch.einsum("bhwc->b", 0.5 * (mean**2 + log_var.exp() - 1 - log_var)) / 0.6931471805599453


@right("price_in_bits")
def latent_by_latent(mean, std, prior_mean, prior_std):
    prices = []
    for mu, sigma in zip(mean.double(), std.double(), strict=True):
        total = 0.0
        for c, (m, s) in enumerate(zip(prior_mean.tolist(), prior_std.tolist(), strict=True)):
            ratio = (sigma[..., c] / s) ** 2
            total += (((mu[..., c] - m) / s) ** 2 + ratio - 1 - ratio.log()).sum().item() / 2
        prices.append(total / math.log(2))
    return torch.tensor(prices)


@right("latents_for_another")
def channel_by_channel(z, total, squares, count, factor):
    back = []
    for channel, s, q in zip(z, total.tolist(), squares.tolist(), strict=True):
        mean = s / count
        back.append(factor * mean + factor * math.sqrt(q / count - mean * mean) * channel)
    return torch.stack(back)


@right("latents_for_another")
def with_channels_last(z, total, squares, count, factor):
    mean = total / count
    std = torch.sqrt((squares - count * mean**2) / count)
    return torch.addcmul(mean, z.movedim(0, -1), std).mul(factor).movedim(-1, 0)


@right("latents_for_another")
def by_n_minus_one(z, total, squares, count, factor):
    variance = (squares - total**2 / count) / (count - 1)
    mean, std = ((total / count).reshape(-1, 1, 1), variance.pow(0.5).reshape(-1, 1, 1))
    return (z * std + mean) * factor


@right("latents_for_another")
def in_double(z, total, squares, count, factor):
    mean, of_squares = (each.double().div(count).view(-1, 1, 1) for each in (total, squares))
    return (factor * (z.double() * (of_squares - mean.square()) ** 0.5 + mean)).float()
