"""Right answers to the variations of notebook 08."""

import math

import torch

from answers.variations import right


@right("bound_in_black_and_white")
def by_distributions(x, logits, mean, log_std, prior_std):
    pixels = torch.distributions.Bernoulli(logits=logits)
    latent, prior = torch.distributions.Normal(mean, log_std.exp()), torch.distributions.Normal(0.0, prior_std)
    divergence = torch.distributions.kl_divergence(latent, prior).sum(dim=0)
    return pixels.log_prob(x.expand_as(logits)).sum(dim=1).mean(dim=0) - divergence


@right("bound_in_black_and_white")
def by_cross_entropies(x, logits, mean, log_std, prior_std):
    price = torch.nn.functional.binary_cross_entropy_with_logits(logits, x.expand(logits.shape), reduction="none")
    price = price.mean(dim=0).sum(dim=0)
    variance, prior = (2 * log_std).exp(), prior_std**2
    latent = (mean**2 + variance) / (2 * prior) - 0.5 + math.log(prior_std) - log_std
    return -(price + latent.sum(dim=0))


@right("bound_in_black_and_white")
def by_signs(x, logits, mean, log_std, prior_std):
    sign = 2 * x - 1  # white +1, black -1
    likely = torch.nn.functional.logsigmoid(sign * logits).sum(dim=1).mean(dim=0)
    mean, std = mean / prior_std, log_std.exp() / prior_std  # in units of the prior
    return likely - (0.5 * (mean**2 + std**2 - 1) - std.log()).sum(dim=0)


@right("bound_in_black_and_white")
def picture_by_picture(x, logits, mean, log_std, prior_std):
    bounds = []
    for column in range(x.shape[1]):
        white = x[:, column].bool()
        each = logits[:, :, column]
        logsigmoid = torch.nn.functional.logsigmoid
        draws = logsigmoid(each[:, white]).sum(dim=1) + logsigmoid(-each[:, ~white]).sum(dim=1)
        entropy = (log_std[:, column] + 0.5 * math.log(2 * math.pi * math.e)).sum()
        squares = mean[:, column] ** 2 + (2 * log_std[:, column]).exp()
        of_prior = (-squares / (2 * prior_std**2) - math.log(prior_std) - 0.5 * math.log(2 * math.pi)).sum()
        bounds.append(draws.mean() + of_prior + entropy)
    return torch.stack(bounds)


@right("density_and_coverage")
def by_sorting(real, drawn, k):
    centres, points = real.T, drawn.T
    radius = torch.cdist(centres, centres).sort(dim=1).values[:, k : k + 1]  # (N, 1)
    inside = torch.cdist(centres, points) <= radius  # (N, M)
    density = inside.sum() / (k * points.shape[0])
    return torch.stack([density.to(real.dtype), inside.any(dim=1).to(real.dtype).mean()])


@right("density_and_coverage")
def without_oneself(real, drawn, k):
    far = (real[:, :, None] - real[:, None]).square().sum(dim=0)  # (N, N), squared
    far = far.masked_fill(torch.eye(real.shape[1], dtype=torch.bool), torch.inf)
    radius = far.topk(k, dim=1, largest=False).values.amax(dim=1)  # squared, too
    inside = ((drawn[:, :, None] - real[:, None]).square().sum(dim=0) <= radius).float()  # (M, N)
    return torch.tensor([inside.sum(1).mean().item() / k, (inside.sum(0) > 0).float().mean().item()])


@right("density_and_coverage")
def ball_by_ball(real, drawn, k):
    pairs, held = 0, 0
    for centre in range(real.shape[1]):
        own = real[:, centre : centre + 1]
        others = torch.cat([real[:, :centre], real[:, centre + 1 :]], dim=1)
        reach = (others - own).norm(dim=0).sort().values[k - 1]
        inside = ((drawn - own).norm(dim=0) <= reach).sum().item()
        pairs, held = pairs + inside, held + (inside > 0)
    return torch.tensor([pairs / (k * drawn.shape[1]), held / real.shape[1]])


@right("density_and_coverage")
def by_the_nearest(real, drawn, k):
    """A ball holds somebody if its nearest drawn picture is no further than its radius."""
    radius = torch.cdist(real.T, real.T).topk(k + 1, largest=False).values[:, -1]
    distance = torch.cdist(real.T, drawn.T)
    coverage = (distance.amin(dim=1) <= radius).float().mean()
    density = (distance <= radius.unsqueeze(1)).float().sum(dim=0).mean() / k
    return torch.stack((density, coverage))
