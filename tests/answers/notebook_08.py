"""Answers to the exercises of notebook 08."""

import cmath
import copy
import math
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from torch import distributions, nn
from torch.func import functional_call, grad, jacrev, vmap

from answers import right, wrong
from course_lib import adversarial, metrics, training, variational
from course_lib.classroom.exercises import notebook_08
from course_lib.networks.vae import Posterior, kl_divergence

# --- 08.1 the bound ---------------------------------------------------------------------------------------------------


@right("08.1")
def bound_by_distributions(vae, x, eps):
    mean, log_var = vae.encode(x)
    std = torch.exp(log_var / 2)
    z = mean + std * eps
    log_p = distributions.Normal(vae.decode(z), vae.log_sigma.exp()).log_prob(x).flatten(1).sum(1)
    prior = distributions.Normal(torch.zeros_like(mean), torch.ones_like(std))
    return log_p - distributions.kl_divergence(distributions.Normal(mean, std), prior).sum(-1)


@right("08.1")
def bound_by_independent_distributions(vae, x, eps):
    posterior = vae.encode(x)
    q = distributions.Independent(distributions.Normal(posterior.mean, posterior.log_var.exp().sqrt()), 1)
    p = distributions.Independent(distributions.Normal(0 * posterior.mean, 1 + 0 * posterior.mean), 1)
    decoded = vae.decode(q.base_dist.mean + q.base_dist.stddev * eps)
    likelihood = distributions.Independent(distributions.Normal(decoded, torch.exp(vae.log_sigma)), x.ndim - 1)
    return likelihood.log_prob(x) - distributions.kl_divergence(q, p)


@right("08.1")
def bound_with_the_librarys_divergence(vae, x, eps):
    posterior = vae.encode(x)
    decoded = vae.decode(posterior.mean + (posterior.log_var / 2).exp() * eps)
    squares = ((x - decoded) ** 2).flatten(1).sum(1) / (2 * torch.exp(2 * vae.log_sigma))
    n = x[0].numel()
    return -squares - n * vae.log_sigma - n / 2 * math.log(2 * math.pi) - kl_divergence(posterior).sum(dim=1)


@right("08.1")
def bound_row_by_row(vae, x, eps):
    bounds = []
    for k in range(len(x)):
        mean, log_var = vae.encode(x[k : k + 1])
        decoded = vae.decode(mean + torch.sqrt(torch.exp(log_var)) * eps[k : k + 1])
        sigma = vae.log_sigma.exp()
        density = -((x[k] - decoded[0]) ** 2) / (2 * sigma**2) - torch.log(sigma * math.sqrt(2 * math.pi))
        bounds.append(density.sum() - 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum())
    return torch.stack(bounds)


@right("08.1")
def bound_by_einsum(vae, x, eps):
    mean, log_var = vae.encode(x)
    std = (log_var / 2).exp()
    off = ((x - vae.decode(torch.addcmul(mean, std, eps))) / vae.log_sigma.exp()).reshape(len(x), -1)
    nats = -0.5 * torch.einsum("bi,bi->b", off, off) - off.shape[1] * (vae.log_sigma + math.log(math.tau) / 2)
    kl = torch.einsum("bi,bi->b", mean, mean) + torch.einsum("bi,bi->b", std, std) - log_var.sum(1) - mean.shape[1]
    return nats - kl / 2


@right("08.1")
def bound_in_float64(vae, x, eps):
    posterior = vae.encode(x)
    mean, log_var = posterior.mean.double(), posterior.log_var.double()
    z = mean + log_var.mul(0.5).exp() * eps
    off = x.double() - vae.decode(z.float())
    log_sigma = vae.log_sigma.double()
    nats = -0.5 * (off * torch.exp(-log_sigma)).pow(2) - log_sigma - 0.5 * math.log(2 * math.pi)
    total = nats.sum(dim=tuple(range(1, nats.ndim))) - 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)
    return total.float()


@right("08.1")
def bound_by_gaussian_nll(vae, x, eps):
    mean, log_var = vae.encode(x)
    decoded = vae.decode(mean + (0.5 * log_var).exp() * eps)
    variance = (2 * vae.log_sigma).exp().expand_as(x)
    nll = F.gaussian_nll_loss(decoded, x, variance, full=True, eps=1e-12, reduction="none")
    kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp(), dim=1)
    return -nll.flatten(start_dim=1).sum(dim=1) - kl


@right("08.1")
def bound_by_mse_loss(vae, x, eps):
    mu, logvar = vae.encode(x)
    std = torch.exp(0.5 * logvar)
    recon = vae.decode(mu + eps * std)
    sse = F.mse_loss(recon, x, reduction="none").view(x.size(0), -1).sum(-1)
    D = x.numel() // x.size(0)
    log_lik = -0.5 * sse * torch.exp(-2 * vae.log_sigma) - D * vae.log_sigma - 0.5 * D * np.log(2 * np.pi)
    KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=-1)
    return log_lik - KLD


@right("08.1")
def bound_with_helpers(vae, x, eps):
    def log_normal(value, mean, log_sigma):
        return -(((value - mean) / torch.exp(log_sigma)) ** 2) / 2 - log_sigma - math.log(2 * math.pi) / 2

    def total(each):
        return each.reshape(each.shape[0], -1).sum(dim=1)

    posterior = vae.encode(x)
    z = posterior.mean + torch.exp(posterior.log_var / 2) * eps
    return total(log_normal(x, vae.decode(z), vae.log_sigma)) - total(kl_divergence(posterior))


@right("08.1")
def bound_by_a_product_of_densities(vae, x, eps):
    """The logarithm of each density, added in float64."""
    mean, log_var = vae.encode(x)
    mu, sigma = vae.decode(mean + (log_var / 2).exp() * eps).double(), vae.log_sigma.exp().double()
    density = torch.exp(-((x - mu) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var)
    return (density.log().flatten(1).sum(dim=1) - kl.sum(dim=1)).to(x.dtype)


@right("08.1")
def bound_of_one_concatenation(vae, x, eps):
    mean, log_var = vae.encode(x)
    off = (x - vae.decode(mean + (log_var / 2).exp() * eps)).flatten(1) / vae.log_sigma.exp()
    nats = -(off**2 + math.log(2 * math.pi)) / 2 - vae.log_sigma
    return torch.cat([nats, (1 + log_var - mean**2 - log_var.exp()) / 2], dim=1).sum(dim=1)


@right("08.1")
def bound_by_lognormal_norm(vae, x, eps):
    mean, log_var = vae.encode(x)
    z = torch.lerp(mean, mean + eps, (log_var / 2).exp())
    n = math.prod(x.shape[1:])
    length = torch.linalg.vector_norm((vae.decode(z) - x).flatten(1), dim=1)
    kl = torch.stack([mean**2, log_var.exp(), -log_var]).sum(dim=(0, 2)).sub(mean.shape[1]).div(2)
    return -(length**2) / 2 / vae.log_sigma.exp() ** 2 - n * (vae.log_sigma + 0.918938533204673) - kl


@right("08.1")
def bound_in_place_on_own_tensors(vae, x, eps):
    posterior = vae.encode(x)
    z = posterior.log_var.div(2).exp().mul(eps).add(posterior.mean)
    bound = torch.zeros(len(x))
    bound += distributions.Normal(vae.decode(z), vae.log_sigma.exp()).log_prob(x).flatten(1).sum(dim=1)
    bound -= kl_divergence(posterior).sum(dim=1)
    return bound


def parts(vae, x, eps):
    """The log-likelihood and the divergence, each of every number, for what goes wrong with them."""
    mean, log_var = vae.encode(x)
    likelihood = distributions.Normal(vae.decode(mean + (log_var / 2).exp() * eps), vae.log_sigma.exp())
    return likelihood.log_prob(x).flatten(1), 0.5 * (mean**2 + log_var.exp() - 1 - log_var)


@wrong("08.1", "averaged over the latent's numbers")
def bound_with_mean_divergence(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return nats.sum(1) - kl.mean(1)


@wrong("08.1", "averaged over the numbers of x")
def bound_with_mean_likelihood(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return nats.mean(1) - kl.sum(1)


@wrong("08.1", "Both terms are averaged")
def bound_with_means(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return nats.mean(1) - kl.mean(1)


@wrong("08.1", "-log σ is missing")
def bound_without_the_determinant(vae, x, eps):
    mean, log_var = vae.encode(x)
    decoded = vae.decode(mean + (log_var / 2).exp() * eps)
    nats = -0.5 * ((x - decoded) / vae.log_sigma.exp()) ** 2 - 0.5 * math.log(2 * math.pi)
    return nats.flatten(1).sum(1) - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "once for each row")
def bound_with_constants_outside(vae, x, eps):
    mean, log_var = vae.encode(x)
    decoded = vae.decode(mean + (log_var / 2).exp() * eps)
    squares = ((x - decoded) ** 2).flatten(1).sum(1) / (2 * vae.log_sigma.exp() ** 2)
    nats = -squares - vae.log_sigma - 0.5 * math.log(2 * math.pi)
    return nats - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "½ log 2π is missing")
def bound_of_an_unnormalised_density(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return (nats + 0.5 * math.log(2 * math.pi)).sum(1) - kl.sum(1)


@wrong("08.1", "without its ½")
def bound_with_log_two_pi(vae, x, eps):
    mean, log_var = vae.encode(x)
    decoded = vae.decode(mean + (log_var / 2).exp() * eps)
    nats = -0.5 * ((x - decoded) / vae.log_sigma.exp()) ** 2 - vae.log_sigma - math.log(2 * math.pi)
    return nats.flatten(1).sum(1) - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "is missing for every number of x")
def bound_by_weighted_squares(vae, x, eps):
    mean, log_var = vae.encode(x)
    decoded = vae.decode(mean + (log_var / 2).exp() * eps)
    squares = ((x - decoded) ** 2).flatten(1).sum(1) / vae.log_sigma.exp() ** 2
    return -squares / 2 - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "as if there were no σ")
def bound_by_plain_squares(vae, x, eps):
    mean, log_var = vae.encode(x)
    squares = F.mse_loss(vae.decode(mean + (log_var / 2).exp() * eps), x, reduction="none")
    return -squares.flatten(1).sum(1) - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "divided by 2σ²")
def bound_without_half_a_square(vae, x, eps):
    mean, log_var = vae.encode(x)
    off = (x - vae.decode(mean + (log_var / 2).exp() * eps)) / vae.log_sigma.exp()
    nats = -(off**2) - vae.log_sigma - math.log(2 * math.pi) / 2
    return nats.flatten(1).sum(1) - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "divided by 2σ: divide it by 2σ²")
def bound_by_the_deviation(vae, x, eps):
    mean, log_var = vae.encode(x)
    off = x - vae.decode(mean + (log_var / 2).exp() * eps)
    nats = -(off**2) / (2 * vae.log_sigma.exp()) - vae.log_sigma - math.log(2 * math.pi) / 2
    return nats.flatten(1).sum(1) - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "do not come out right", "is right")
def bound_with_the_root_of_sigma(vae, x, eps):
    """Takes log_sigma for the logarithm of the variance."""
    mean, log_var = vae.encode(x)
    decoded = vae.decode(mean + (log_var / 2).exp() * eps)
    nats = distributions.Normal(decoded, (vae.log_sigma / 2).exp()).log_prob(x).flatten(1).sum(1)
    return nats - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "σ itself is vae.log_sigma.exp()")
def bound_divided_by_log_sigma(vae, x, eps):
    mean, log_var = vae.encode(x)
    off = x - vae.decode(mean + (log_var / 2).exp() * eps)
    nats = -(off**2) / (2 * vae.log_sigma**2) - vae.log_sigma - math.log(2 * math.pi) / 2
    return nats.flatten(1).sum(1) - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "Your function stopped with ValueError", "scale")
def bound_of_a_negative_deviation(vae, x, eps):
    mean, log_var = vae.encode(x)
    decoded = vae.decode(mean + (log_var / 2).exp() * eps)
    return distributions.Normal(decoded, vae.log_sigma).log_prob(x).sum(1)


@wrong("08.1", "multiplied by the variance")
def bound_from_wide_draws(vae, x, eps):
    mean, log_var = vae.encode(x)
    z = mean + log_var.exp() * eps
    nats = distributions.Normal(vae.decode(z), vae.log_sigma.exp()).log_prob(x).flatten(1).sum(1)
    return nats - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "multiplied by log_var itself")
def bound_from_raw_draws(vae, x, eps):
    mean, log_var = vae.encode(x)
    nats = distributions.Normal(vae.decode(mean + log_var * eps), vae.log_sigma.exp()).log_prob(x).flatten(1).sum(1)
    return nats - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "The mean is decoded")
def bound_of_the_mean(vae, x, eps):
    nats, kl = parts(vae, x, torch.zeros_like(eps))
    return nats.sum(1) - kl.sum(1)


@wrong("08.1", "eps is decoded")
def bound_of_the_prior(vae, x, eps):
    nats = distributions.Normal(vae.decode(eps), vae.log_sigma.exp()).log_prob(x).flatten(1).sum(1)
    return nats - kl_divergence(vae.encode(x)).sum(1)


@wrong("08.1", "two different results", "use the eps that it is handed")
def bound_from_draws_of_its_own(vae, x, eps):
    nats, kl = parts(vae, x, torch.randn_like(eps))
    return nats.sum(1) - kl.sum(1)


@wrong("08.1", "The divergence is added")
def bound_with_a_plus(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return nats.sum(1) + kl.sum(1)


@wrong("08.1", "The divergence is missing")
def bound_by_the_likelihood(vae, x, eps):
    return parts(vae, x, eps)[0].sum(1)


@wrong("08.1", "The divergence lacks its ½")
def bound_with_a_double_divergence(vae, x, eps):
    mean, log_var = vae.encode(x)
    return parts(vae, x, eps)[0].sum(1) + (1 + log_var - mean**2 - log_var.exp()).sum(1)


@wrong("08.1", "This is the loss, which falls")
def bound_to_be_minimised(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return -nats.sum(1) + kl.sum(1)


@wrong("08.1", "The shape should be (5,), but it is ()")
def bound_of_the_batch(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return nats.sum() - kl.sum()


@wrong("08.1", "The shape should be (5,), but it is ()")
def bound_as_a_mean(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return (nats.sum(1) - kl.sum(1)).mean()


@wrong("08.1", "The shape should be (5,), but it is (5, 1)")
def bound_as_a_column(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return nats.sum(1, keepdim=True) - kl.sum(1, keepdim=True)


@wrong("08.1", "The shape should be (5,), but it is (3,)")
def bound_over_the_wrong_axis(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return nats.sum(0).sum() - kl.sum(0)


@wrong("08.1", "Your function stopped with RuntimeError", "must match the size")
def bound_for_points_alone(vae, x, eps):
    mean, log_var = vae.encode(x)
    decoded = vae.decode(mean + (log_var / 2).exp() * eps)
    nats = distributions.Normal(decoded, vae.log_sigma.exp()).log_prob(x).sum(-1)
    return nats - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "It comes out right for one σ, but not for others")
def bound_of_one_sigma(vae, x, eps):
    mean, log_var = vae.encode(x)
    decoded = vae.decode(mean + (log_var / 2).exp() * eps)
    nats = distributions.Normal(decoded, math.exp(-0.5)).log_prob(x).flatten(1).sum(1)
    return nats - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "no gradient passes through z")
def bound_from_detached_draws(vae, x, eps):
    mean, log_var = vae.encode(x)
    with torch.no_grad():
        z = mean + (log_var / 2).exp() * eps
    nats = distributions.Normal(vae.decode(z), vae.log_sigma.exp()).log_prob(x).flatten(1).sum(1)
    return nats - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "their gradient on the encoder's weights does not")
def bound_from_detached_deviations(vae, x, eps):
    mean, log_var = vae.encode(x)
    z = mean + (log_var / 2).exp().detach() * eps
    nats = distributions.Normal(vae.decode(z), vae.log_sigma.exp()).log_prob(x).flatten(1).sum(1)
    return nats - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "no gradient reaches any weight")
@torch.no_grad()
def bound_without_a_gradient(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return nats.sum(1) - kl.sum(1)


@wrong("08.1", "log_sigma gets no gradient")
def bound_with_a_float_for_sigma(vae, x, eps):
    mean, log_var = vae.encode(x)
    decoded = vae.decode(mean + (log_var / 2).exp() * eps)
    nats = distributions.Normal(decoded, math.exp(vae.log_sigma.item())).log_prob(x).flatten(1).sum(1)
    return nats - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "the course's own gaussian_log_likelihood")
def bound_by_the_librarys_likelihood(vae, x, eps):
    mean, log_var = vae.encode(x)
    decoded = vae.decode(mean + (log_var / 2).exp() * eps)
    nats = variational.gaussian_log_likelihood(x, decoded, vae.log_sigma)
    return nats - kl_divergence(Posterior(mean, log_var)).sum(1)


@wrong("08.1", "the course's own elbo")
def bound_of_the_exercises(vae, x, eps):
    return notebook_08.elbo(vae, x, eps)


@wrong("08.1", "should return a torch.Tensor, but got ndarray")
def bound_in_numpy(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return (nats.sum(1) - kl.sum(1)).detach().numpy()


@wrong("08.1", "The dtype should be torch.float32, but it is torch.float64")
def bound_left_in_float64(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    return nats.double().sum(1) - kl.sum(1)


@wrong("08.1", "changes its argument eps in place")
def bound_in_place(vae, x, eps):
    mean, log_var = vae.encode(x)
    eps *= (log_var / 2).exp().detach()
    return distributions.Normal(vae.decode(mean + eps), vae.log_sigma.exp()).log_prob(x).sum(1)


@wrong("08.1", "changes its argument vae in place")
def bound_that_sets_sigma(vae, x, eps):
    with torch.no_grad():
        vae.log_sigma.zero_()
    nats, kl = parts(vae, x, eps)
    return nats.sum(1) - kl.sum(1)


@wrong("08.1", "changes the gradients in the network's weights")
def bound_that_trains(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    bound = nats.sum(1) - kl.sum(1)
    (-bound.mean()).backward(retain_graph=True)
    return bound


@wrong("08.1", "returns nothing")
def bound_that_is_printed(vae, x, eps):
    nats, kl = parts(vae, x, eps)
    print((nats.sum(1) - kl.sum(1)).mean().item())


# --- 08.2 the losses of a GAN -----------------------------------------------------------------------------------------


@right("08.2")
def losses_by_logsigmoid(real, drawn):
    return -F.logsigmoid(real - drawn).mean(), -F.logsigmoid(drawn - real).mean()


@right("08.2")
def losses_by_logaddexp(real, drawn):
    zero = torch.zeros(())
    return torch.logaddexp(zero, drawn - real).mean(), torch.logaddexp(real - drawn, zero).mean()


@right("08.2")
def losses_by_cross_entropy_with_logits(real, drawn):
    gap, ones, zeros = real - drawn, torch.ones_like(real), torch.zeros_like(real)
    entropy = F.binary_cross_entropy_with_logits
    return entropy(gap, ones), entropy(gap, zeros)


@right("08.2")
def losses_by_module(real, drawn):
    criterion, won = nn.BCEWithLogitsLoss(), torch.ones(len(real))
    return criterion(real - drawn, won), criterion(drawn - real, won)


@right("08.2")
def losses_by_cross_entropy(real, drawn):
    """Which of the two is real? Place 0 for D, place 1 for G."""
    pairs = torch.stack([real, drawn], dim=1)
    place = torch.zeros(len(real), dtype=torch.long)
    return F.cross_entropy(pairs, place), F.cross_entropy(pairs, place + 1)


@right("08.2")
def losses_by_log_softmax(real, drawn):
    log_p = F.log_softmax(torch.stack([real, drawn]), dim=0)  # (2, B)
    loss_D, loss_G = -log_p.mean(dim=1)
    return loss_D, loss_G


@right("08.2")
def losses_by_the_symmetry_of_softplus(real, drawn):
    """softplus(a) - softplus(-a) is a."""
    gap = drawn - real
    loss_D = F.softplus(gap).mean()
    return loss_D, loss_D - gap.mean()


@right("08.2")
def losses_by_log1p(real, drawn):
    def stable(a):
        return a.clamp(min=0) + torch.log1p(torch.exp(-a.abs()))

    return stable(drawn - real).mean(), stable(real - drawn).mean()


@right("08.2")
def losses_by_logsumexp(real, drawn):
    both = torch.stack([real, drawn], dim=-1).logsumexp(dim=-1)
    return (both - real).mean(), (both - drawn).mean()


@right("08.2")
def losses_row_by_row(real, drawn):
    of_D, of_G = [], []
    for r, d in zip(real, drawn, strict=True):
        of_D.append(F.softplus(d - r))
        of_G.append(F.softplus(r - d))
    return sum(of_D) / len(of_D), torch.stack(of_G).mean()


@right("08.2")
def losses_by_einsum(real, drawn):
    differences = torch.einsum("ik,kb->ib", torch.tensor([[-1.0, 1.0], [1.0, -1.0]]), torch.stack([real, drawn]))
    return tuple(nn.Softplus()(differences).mean(dim=1))


@wrong("08.2", "until scores are far apart", "there exp overflows")
def losses_by_soft_margin(real, drawn):
    return F.soft_margin_loss(real - drawn, torch.ones_like(real)), F.soft_margin_loss(
        real - drawn, -torch.ones_like(real)
    )


@right("08.2")
def losses_in_float64(real, drawn):
    gap = drawn.double() - real.double()
    loss = -torch.log(torch.sigmoid(torch.stack([-gap, gap]))).mean(dim=1)
    return tuple(each.float() for each in loss)


@right("08.2")
def losses_with_what_is_real_detached_for_G(real, drawn):
    return F.softplus(drawn - real).sum() / real.numel(), F.softplus(real.detach() - drawn).mean()


@right("08.2")
def losses_by_a_bernoulli(real, drawn):
    wins = distributions.Bernoulli(logits=real - drawn)
    return -wins.log_prob(torch.ones(())).mean(), -wins.log_prob(torch.zeros(())).mean()


right("08.2")(lambda real, drawn: tuple(F.softplus(sign * (drawn - real)).mean() for sign in (1, -1)))


@wrong("08.2", "The two are swapped")
def losses_in_the_other_order(real, drawn):
    loss_G, loss_D = F.softplus(drawn - real).mean(), F.softplus(real - drawn).mean()
    return loss_D, loss_G


@wrong("08.2", "Both want the same")
def losses_alike(real, drawn):
    return (-F.logsigmoid(real - drawn).mean(), -F.logsigmoid(real - drawn).mean())


@wrong("08.2", "G's loss is minus D's")
def losses_of_a_zero_sum_game(real, drawn):
    return -F.logsigmoid(real - drawn).mean(), F.logsigmoid(real - drawn).mean()


@wrong("08.2", "The losses fall where they should rise")
def losses_with_a_minus_lost(real, drawn):
    return F.logsigmoid(drawn - real).mean(), F.logsigmoid(real - drawn).mean()


@wrong("08.2", "in which each score stands alone")
def losses_of_2014(real, drawn):
    ones, zeros = torch.ones_like(real), torch.zeros_like(drawn)
    entropy = F.binary_cross_entropy_with_logits
    return entropy(real, ones) + entropy(drawn, zeros), entropy(drawn, ones)


@wrong("08.2", "do not come out right", "is right")
def losses_of_2014_averaged(real, drawn):
    ones, zeros = torch.ones_like(real), torch.zeros_like(drawn)
    entropy = F.binary_cross_entropy_with_logits
    return (entropy(real, ones) + entropy(drawn, zeros)) / 2, entropy(drawn, ones)


@wrong("08.2", "These are the hinge losses")
def losses_by_clamping(real, drawn):
    return (1 - real).clamp(min=0).mean() + (1 + drawn).clamp(min=0).mean(), -drawn.mean()


@wrong("08.2", "softplus of them is missing")
def losses_as_differences(real, drawn):
    return drawn.mean() - real.mean(), real.mean() - drawn.mean()


@wrong("08.2", "relu stands where softplus belongs")
def losses_by_relu(real, drawn):
    return F.relu(drawn - real).mean(), F.relu(real - drawn).mean()


@wrong("08.2", "take their mean")
def losses_added_up(real, drawn):
    entropy, ones = F.binary_cross_entropy_with_logits, torch.ones_like(real)
    return entropy(real - drawn, ones, reduction="sum"), entropy(drawn - real, ones, reduction="sum")


@wrong("08.2", "The scores are averaged before softplus")
def losses_after_averaging(real, drawn):
    gap = (drawn - real).mean()
    return F.softplus(gap), F.softplus(-gap)


@wrong("08.2", "compare row k with row k")
def losses_of_a_tournament(real, drawn):
    loss_D = torch.stack([F.softplus(d - r) for r in real for d in drawn]).mean()
    loss_G = torch.stack([F.softplus(r - d) for r in real for d in drawn]).mean()
    return loss_D, loss_G


@wrong("08.2", "relativistic average GAN")
def losses_of_the_relativistic_average(real, drawn):
    entropy, ones, zeros = F.binary_cross_entropy_with_logits, torch.ones_like(real), torch.zeros_like(real)
    r, d = real - drawn.mean(), drawn - real.mean()
    return entropy(r, ones) + entropy(d, zeros), entropy(r, zeros) + entropy(d, ones)


@wrong("08.2", "These are probabilities")
def losses_as_probabilities(real, drawn):
    return torch.sigmoid(drawn - real).mean(), torch.sigmoid(real - drawn).mean()


@wrong("08.2", "take the difference of the scores themselves")
def losses_of_probabilities_compared(real, drawn):
    p, q = torch.sigmoid(real), torch.sigmoid(drawn)
    return F.softplus(q - p).mean(), F.softplus(p - q).mean()


@wrong("08.2", "until scores are far apart", "there exp overflows")
def losses_by_exp_and_log(real, drawn):
    return torch.log(1 + torch.exp(drawn - real)).mean(), torch.log(1 + torch.exp(real - drawn)).mean()


@wrong("08.2", "until scores are far apart", "there exp overflows")
def losses_by_log_of_sigmoid(real, drawn):
    return -torch.log(torch.sigmoid(real - drawn)).mean(), -torch.log(1 - torch.sigmoid(real - drawn)).mean()


@wrong("08.2", "caps the logarithm")
def losses_by_cross_entropy_of_sigmoids(real, drawn):
    p = torch.sigmoid(real - drawn)
    return F.binary_cross_entropy(p, torch.ones_like(p)), F.binary_cross_entropy(1 - p, torch.ones_like(p))


@wrong("08.2", "not where they are ±200")
def losses_with_a_little_added(real, drawn):
    p = torch.sigmoid(real - drawn)
    return -torch.log(p + 1e-8).mean(), -torch.log(1 - p + 1e-8).mean()


@wrong("08.2", "not where they are ±200")
def losses_with_scores_clamped(real, drawn):
    gap = (drawn - real).clamp(-50, 50)
    return F.softplus(gap).mean(), F.softplus(-gap).mean()


@wrong("08.2", "where scores are ±200 their gradients do not", "nan")
def losses_by_where(real, drawn):
    def choosing(a):
        return torch.where(a > 50, a, torch.log1p(torch.exp(a)))

    return choosing(drawn - real).mean(), choosing(real - drawn).mean()


@wrong("08.2", "these are D's own work")
def losses_with_scores_detached_for_D(real, drawn):
    return -F.logsigmoid(real - drawn.detach()).mean(), -F.logsigmoid(drawn - real).mean()


@wrong("08.2", "no gradient reaches the drawn pictures' scores")
def losses_with_scores_detached_for_G(real, drawn):
    return -F.logsigmoid(real - drawn).mean(), -F.logsigmoid(drawn.detach() - real).mean()


@wrong("08.2", "nothing can be learned from them")
@torch.no_grad()
def losses_without_a_gradient(real, drawn):
    return F.softplus(drawn - real).mean(), F.softplus(real - drawn).mean()


@wrong("08.2", "nothing can be learned from them")
def losses_in_numpy(real, drawn):
    gap = drawn.detach().numpy() - real.detach().numpy()
    return torch.tensor(np.logaddexp(0, gap).mean()), torch.tensor(np.logaddexp(0, -gap).mean())


@wrong("08.2", "should be a single number", "of shape ()")
def losses_of_each_pair(real, drawn):
    return F.softplus(drawn - real), F.softplus(real - drawn)


@wrong("08.2", "The dtype of each loss should be torch.float32, but one has torch.float64")
def losses_left_in_float64(real, drawn):
    gap = drawn.double() - real.double()
    return F.softplus(gap).mean(), F.softplus(-gap).mean()


@wrong("08.2", "your tuple holds 3")
def losses_and_their_sum(real, drawn):
    loss_D, loss_G = F.softplus(drawn - real).mean(), F.softplus(real - drawn).mean()
    return loss_D, loss_G, loss_D + loss_G


@wrong("08.2", "should return a tuple, but got Tensor")
def losses_stacked(real, drawn):
    return torch.stack([F.softplus(drawn - real).mean(), F.softplus(real - drawn).mean()])


@wrong("08.2", "should return a tuple, but got list")
def losses_in_a_list(real, drawn):
    return [F.softplus(drawn - real).mean(), F.softplus(real - drawn).mean()]


@wrong("08.2", "should hold Python Tensors, but it holds floats")
def losses_as_floats(real, drawn):
    return F.softplus(drawn - real).mean().item(), F.softplus(real - drawn).mean().item()


@wrong("08.2", "returns nothing")
def losses_not_returned(real, drawn):
    F.softplus(drawn - real).mean()


@wrong("08.2", "changes its argument drawn in place")
def losses_in_place(real, drawn):
    with torch.no_grad():
        drawn -= real
    return F.softplus(drawn).mean(), F.softplus(-drawn).mean()


@wrong("08.2", "Your function stopped with ValueError")
def losses_of_single_numbers(real, drawn):
    gap = float(drawn) - float(real)
    return torch.tensor(math.log1p(math.exp(gap))), torch.tensor(math.log1p(math.exp(-gap)))


@wrong("08.2", "calls the course's own")
def losses_of_the_library(real, drawn):
    game = adversarial.RELATIVISTIC
    return game.discriminator(real, drawn).mean(), game.generator(real, drawn).mean()


@wrong("08.2", "the course's own losses")
def losses_of_the_exercises(real, drawn):
    return notebook_08.losses(real, drawn)


# --- 08.3 R1 ----------------------------------------------------------------------------------------------------------


@right("08.3")
def steepness_of_a_clone(D, x):
    x = x.clone().requires_grad_(True)
    scores = D(x)
    slope = torch.autograd.grad(outputs=scores, inputs=x, grad_outputs=torch.ones_like(scores), create_graph=True)[0]
    return slope.reshape(len(x), -1).norm(dim=1).pow(2).mean()


@right("08.3")
def steepness_row_by_row(D, x):
    squares = []
    for row in x:
        row = row[None].detach().requires_grad_()
        (slope,) = torch.autograd.grad(D(row)[0], row, create_graph=True)
        squares.append((slope**2).sum())
    return torch.stack(squares).mean()


@right("08.3")
def steepness_by_vmap(D, x):
    slopes = vmap(grad(lambda row: D(row[None]).squeeze(0)))(x)
    return slopes.flatten(1).square().sum(1).mean()


@right("08.3")
def steepness_by_jacobian(D, x):
    """All derivatives of all scores: those of a row on another row are 0."""
    jacobian = torch.autograd.functional.jacobian(D, x, create_graph=True)  # (B, B, …)
    return jacobian.square().sum() / len(x)


@right("08.3")
def steepness_by_jacrev(D, x):
    return jacrev(lambda rows: D(rows).sum())(x).pow(2).sum().div(x.shape[0])


@right("08.3")
def steepness_of_the_mean_made_good(D, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(D(x).mean(), x, create_graph=True)
    return (len(x) * slope).square().sum() / len(x)


@right("08.3")
def steepness_by_einsum(D, x):
    rows = torch.autograd.Variable(x, requires_grad=True)
    slope = torch.autograd.grad(D(rows).sum(), rows, retain_graph=True, create_graph=True)[0].flatten(1)
    return torch.einsum("bi,bi->b", slope, slope).mean()


@right("08.3")
def steepness_by_backward_onto_x(D, x):
    x = x.detach().clone()
    x.requires_grad = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a cycle of references
        D(x).sum().backward(inputs=[x], create_graph=True)
    return sum((slope * slope).sum() for slope in x.grad) / len(x)


@right("08.3")
def steepness_by_rows_of_their_own(D, x):
    """Each row is a leaf."""
    rows = [row.detach().requires_grad_() for row in x]
    slopes = torch.autograd.grad(D(torch.stack(rows)).sum(), rows, create_graph=True)
    return torch.stack([slope.flatten().dot(slope.flatten()) for slope in slopes]).mean()


@right("08.3")
def steepness_along_a_step(D, x):
    """The gradient on what is added to x, which is 0."""
    step = torch.zeros_like(x, requires_grad=True)
    (slope,) = torch.autograd.grad(D(x + step).sum(), [step], create_graph=True)
    return slope.pow(2).sum(dim=tuple(range(1, x.ndim))).mean(dim=0)


@right("08.3")
def steepness_by_functional_call(D, x):
    weights = dict(D.named_parameters())
    slope = grad(lambda rows: functional_call(D, weights, (rows,)).sum())(x)
    return torch.linalg.vector_norm(slope.flatten(start_dim=1), dim=1).square().mean()


@right("08.3")
def steepness_with_gradients_switched_on(D, x):
    with torch.enable_grad():
        x = torch.empty_like(x).copy_(x).requires_grad_()
        slope = torch.autograd.grad([*D(x)], x, create_graph=True)[0]
        return F.mse_loss(slope, torch.zeros_like(slope), reduction="sum") / x.size(0)


@right("08.3")
def steepness_by_vjp(D, x):
    scores, pulled = torch.func.vjp(D, x)
    (slope,) = pulled(torch.ones_like(scores))
    return slope.view(len(x), -1).square().sum(-1).mean()


def slopes_of(D, x, score=torch.sum, **named):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(score(D(x)), x, **({"create_graph": True} | named))[0].flatten(1)


@wrong("08.3", "create_graph=True")
def steepness_without_a_graph(D, x):
    return slopes_of(D, x, create_graph=False).square().sum(1).mean()


@wrong("08.3", "create_graph=True")
def steepness_with_a_graph_retained(D, x):
    return slopes_of(D, x, create_graph=False, retain_graph=True).norm(dim=1).pow(2).mean()


@wrong("08.3", "detach nothing after it")
def steepness_detached(D, x):
    return slopes_of(D, x).square().sum(1).mean().detach()


@wrong("08.3", "take that of the scores' sum")
def steepness_by_the_mean(D, x):
    return slopes_of(D, x, torch.mean).square().sum(1).mean()


@wrong("08.3", "averaged over the numbers of a row")
def steepness_of_pixels(D, x):
    return slopes_of(D, x).pow(2).mean()


@wrong("08.3", "This is the mean length")
def steepness_of_lengths(D, x):
    return slopes_of(D, x).pow(2).sum(1).sqrt().mean()


@wrong("08.3", "The mean length is squared")
def steepness_of_the_mean_length(D, x):
    return slopes_of(D, x).norm(dim=1).mean() ** 2


@wrong("08.3", "added up over the batch")
def steepness_of_the_batch(D, x):
    return slopes_of(D, x).norm() ** 2


@wrong("08.3", "as WGAN-GP does")
def steepness_for_wasserstein(D, x):
    return ((slopes_of(D, x).norm(2, dim=1) - 1) ** 2).mean()


@wrong("08.3", "those of opposite directions cancel")
def steepness_of_an_average(D, x):
    return slopes_of(D, x).mean(0).pow(2).sum()


@wrong("08.3", "the one on its input, x")
def steepness_on_the_weights(D, x):
    slopes = torch.autograd.grad(D(x).sum(), tuple(D.parameters()), create_graph=True)
    return torch.cat([slope.flatten() for slope in slopes]).square().sum()


@wrong("08.3", "Absolute values are added up")
def steepness_in_l1(D, x):
    return slopes_of(D, x).norm(p=1, dim=1).mean()


@wrong("08.3", "and cancel each other: square first")
def steepness_squared_late(D, x):
    return slopes_of(D, x).sum(1).pow(2).mean()


@wrong("08.3", "This is the steepest row")
def steepness_at_most(D, x):
    return slopes_of(D, x).square().sum(1).amax()


@wrong("08.3", "belongs to γ/2")
def steepness_with_its_half(D, x):
    return slopes_of(D, x).square().sum(1).mean() / 2


@wrong("08.3", "flat wherever D is sure")
def steepness_of_a_sigmoid(D, x):
    return slopes_of(D, x, lambda scores: scores.sigmoid().sum()).square().sum(1).mean()


@wrong("08.3", "a loss: take that of the score itself")
def steepness_of_a_loss(D, x):
    return slopes_of(D, x, lambda scores: -F.logsigmoid(scores).sum()).square().sum(1).mean()


@wrong("08.3", "not for pictures")
def steepness_of_points(D, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return slope.square().sum(dim=1).mean()


@wrong("08.3", "not for pictures")
def steepness_of_last_axes(D, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return slope.square().sum(dim=-1).mean()


@wrong("08.3", "its gradient on D's weights does not")
def steepness_of_one_weight(D, x):
    """The graph is cut in part."""
    slope = slopes_of(D, x)
    return (slope.detach() * slope).sum(1).mean()


@wrong("08.3", "switches gradients on in the x that it is handed")
def steepness_of_x_itself(D, x):
    x.requires_grad_()
    (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()


@wrong("08.3", "changes the gradients in the network's weights")
def steepness_by_backward(D, x):
    x = x.detach().requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        D(x).sum().backward(create_graph=True)
    return x.grad.square().flatten(1).sum(1).mean()


@wrong("08.3", "create_graph=True")
def steepness_by_plain_backward(D, x):
    x = x.detach().requires_grad_()
    D(x).sum().backward()
    return x.grad.square().flatten(1).sum(1).mean()


@wrong("08.3", "Your function stopped with RuntimeError", "does not require grad")
def steepness_of_x_that_asks_for_nothing(D, x):
    (slope,) = torch.autograd.grad([D(row[None])[0] for row in x], x, create_graph=True)
    return slope.square().sum()


@wrong("08.3", "Your function stopped with RuntimeError", "can be implicitly created only for scalar outputs")
def steepness_of_all_scores_at_once(D, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(D(x), x, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()


@wrong("08.3", "Your function stopped with RuntimeError", "not have been used in the graph")
def steepness_on_what_D_never_saw(D, x):
    scores = D(x)
    (slope,) = torch.autograd.grad(scores.sum(), x.detach().requires_grad_(), create_graph=True)
    return slope.square().flatten(1).sum(1).mean()


@wrong("08.3", "Your function stopped with AttributeError", "'tuple' object has no attribute")
def steepness_of_a_tuple(D, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(D(x).sum(), x, create_graph=True).square().sum()


@wrong("08.3", "yours is another")
def steepness_by_finite_differences(D, x):
    step, slopes = 1e-1, []
    for place in range(x[0].numel()):
        aside = torch.zeros(x[0].numel())
        aside[place] = step
        slopes.append((D(x + aside.reshape(x[0].shape)) - D(x)) / 2)
    return torch.stack(slopes, dim=1).square().sum(1).mean()


@wrong("08.3", "The shape should be (), but it is (5,)")
def steepness_of_each_row(D, x):
    return slopes_of(D, x).square().sum(1)


@wrong("08.3", "should return a torch.Tensor, but got float")
def steepness_as_a_number(D, x):
    return slopes_of(D, x).square().sum(1).mean().item()


@wrong("08.3", "returns nothing")
def steepness_not_returned(D, x):
    slopes_of(D, x).square().sum(1).mean()


@wrong("08.3", "changes its argument x in place")
def steepness_from_another_place(D, x):
    x += 1e-3
    return slopes_of(D, x).square().sum(1).mean()


@wrong("08.3", "changes its argument D in place")
def steepness_of_clipped_weights(D, x):
    """As the first Wasserstein GAN did."""
    for weight in D.parameters():
        weight.data.clamp_(-0.01, 0.01)
    return slopes_of(D, x).square().sum(1).mean()


@wrong("08.3", "the course's own gradient_penalty")
def steepness_of_the_library(D, x):
    return adversarial.gradient_penalty(lambda rows, labels: D(rows), x)


@wrong("08.3", "the course's own steepness")
def steepness_of_the_exercises(D, x):
    return notebook_08.steepness(D, x)


# --- 08.4 precision and recall ----------------------------------------------------------------------------------------


@right("08.4")
def share_by_sorting(points, others, k):
    radius = torch.cdist(others, others).sort(dim=1).values[:, k]
    return (torch.cdist(points, others) <= radius).any(dim=1).float().mean().item()


@right("08.4")
def share_by_topk(points, others, k):
    radius = torch.cdist(others, others).topk(k + 1, largest=False).values.amax(dim=1)
    inside = torch.cdist(others, points) <= radius[:, None]  # (M, N)
    return float(inside.any(dim=0).sum() / len(points))


@right("08.4")
def share_with_oneself_infinitely_far(points, others, k):
    between = torch.cdist(others, others)
    between.fill_diagonal_(torch.inf)
    radius, _ = torch.kthvalue(between, k, dim=1)
    return torch.cdist(points, others).sub(radius).min(dim=1).values.le(0).double().mean().item()


@right("08.4")
def share_in_loops(points, others, k):
    radii = []
    for i, one in enumerate(others):
        distances = [torch.dist(one, other).item() for j, other in enumerate(others) if j != i]
        radii.append(sorted(distances)[k - 1])
    count = 0
    for point in points:
        if any(torch.dist(point, other).item() <= radius for other, radius in zip(others, radii, strict=True)):
            count += 1
    return count / len(points)


@right("08.4")
def share_in_numpy(points, others, k):
    p, o = points.numpy(), others.numpy()
    between = np.linalg.norm(o[:, None] - o[None], axis=-1)
    radius = np.partition(between, k, axis=1)[:, k]
    return float((np.linalg.norm(p[:, None] - o[None], axis=-1) <= radius).any(axis=1).mean())


@right("08.4")
def share_by_squares(points, others, k):
    def squares(a, b):
        return (a[:, None, :] - b[None, :, :]).pow(2).sum(dim=-1)

    radius = squares(others, others).kthvalue(k + 1).values
    return (squares(points, others) <= radius[None]).any(-1).to(torch.float64).mean().item()


@right("08.4")
def share_by_the_binomial(points, others, k):
    """|a - b|² = |a|² + |b|² - 2ab."""

    def squares(a, b):
        return (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * torch.einsum("nd,md->nm", a, b)

    radius = squares(others, others).sort(dim=-1)[0][:, k]
    return torch.where((squares(points, others) <= radius).any(1), 1.0, 0.0).mean().item()


@right("08.4")
def share_by_math_dist(points, others, k):
    p, o = points.tolist(), others.tolist()
    radii = [sorted(math.dist(one, other) for other in o)[k] for one in o]
    return sum(any(math.dist(a, b) <= r for b, r in zip(o, radii, strict=True)) for a in p) / len(p)


@right("08.4")
def share_ball_by_ball(points, others, k):
    covered = torch.zeros(len(points), dtype=torch.bool)
    for centre in others:
        radius = (others - centre).norm(dim=1).sort().values[k]
        covered |= (points - centre).norm(dim=1) <= radius
    return covered.sum().item() / covered.numel()


@right("08.4")
def share_point_by_point(points, others, k):
    radii = torch.stack([torch.linalg.vector_norm(others - one, dim=1).kthvalue(k + 1).values for one in others])
    hits = [bool((torch.linalg.vector_norm(others - point, dim=1) <= radii).any()) for point in points]
    return float(np.mean(hits))


@right("08.4")
def share_without_the_diagonal(points, others, k):
    M = len(others)
    rest = torch.cdist(others, others)[~torch.eye(M, dtype=torch.bool)].reshape(M, M - 1)
    radius = rest.sort(dim=1).values[:, k - 1]
    return (torch.cdist(points, others) <= radius).amax(dim=1).double().mean().item()


@right("08.4")
def share_in_float64(points, others, k):
    points, others = points.double(), others.double()
    radius = torch.cdist(others, others, compute_mode="donot_use_mm_for_euclid_dist").kthvalue(k + 1, dim=1)[0]
    distance = torch.cdist(points, others, compute_mode="donot_use_mm_for_euclid_dist")
    return 1.0 - (distance > radius).all(dim=1).double().mean().item()


@right("08.4")
def share_of_what_is_hit(points, others, k):
    radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values
    hit = {int(row) for row, _ in (torch.cdist(points, others) <= radius).nonzero()}
    return len(hit) / len(points)


@right("08.4")
def share_by_complex_numbers_where_there_are_two(points, others, k):
    if points.shape[1] != 2:
        return share_by_topk(points, others, k)
    p, o = (each.double().numpy() @ np.array([1, 1j]) for each in (points, others))
    radius = np.sort(np.abs(o[:, None] - o), axis=1)[:, k]
    return np.any(np.abs(p[:, None] - o) <= radius + 1e-9, axis=1).mean().item()


@wrong("08.4", "counted as its own neighbour")
def share_by_the_kth_value(points, others, k):
    radius = torch.cdist(others, others).sort(dim=1).values[:, k - 1]
    return (torch.cdist(points, others) <= radius).any(dim=1).float().mean().item()


@wrong("08.4", "one neighbour too far")
def share_with_a_diagonal_left_out_twice(points, others, k):
    between = torch.cdist(others, others).fill_diagonal_(torch.inf)
    radius = between.kthvalue(k + 1, dim=1).values
    return (torch.cdist(points, others) <= radius).any(dim=1).float().mean().item()


@wrong("08.4", "The balls lie around the points")
def share_in_balls_of_ones_own(points, others, k):
    radius = torch.cdist(points, points).kthvalue(k + 1, dim=1).values
    return (torch.cdist(others, points) <= radius).any(dim=0).float().mean().item()


@wrong("08.4", "The two sets are swapped")
def share_of_the_others(points, others, k):
    return share_by_sorting(others, points, k)


@wrong("08.4", "goes over the wrong axis")
def share_of_balls_with_points(points, others, k):
    radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values
    return (torch.cdist(points, others) <= radius).any(0).float().mean().item()


@wrong("08.4", "one is enough")
def share_in_every_ball(points, others, k):
    radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values
    return (torch.cdist(points, others) <= radius).all(1).float().mean().item()


@wrong("08.4", "the share of all pairs")
def share_without_any(points, others, k):
    radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values
    return (torch.cdist(points, others) <= radius).float().mean().item()


@wrong("08.4", "divide by how many there are")
def share_not_divided(points, others, k):
    radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values
    return float((torch.cdist(points, others) <= radius).any(1).sum())


@wrong("08.4", "it is a share of the points")
def share_over_the_others(points, others, k):
    return share_by_sorting(points, others, k) * len(points) / len(others)


@wrong("08.4", "outside all balls")
def share_of_strangers(points, others, k):
    radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values
    return (torch.cdist(points, others) > radius).all(1).float().mean().item()


@wrong("08.4", "in both sets together")
def share_with_all_for_neighbours(points, others, k):
    both = torch.cat([points, others])
    radius = torch.cdist(others, both).kthvalue(k + 1, dim=1).values
    return (torch.cdist(points, others) <= radius).any(1).float().mean().item()


@wrong("08.4", "their neighbours are the others")
def share_with_the_points_for_neighbours(points, others, k):
    distance = torch.cdist(points, others)
    return (distance <= distance.kthvalue(k, dim=0).values).any(1).float().mean().item()


@wrong("08.4", "sort from the nearest on")
def share_by_the_largest(points, others, k):
    radius = torch.cdist(others, others).sort(dim=1, descending=True).values[:, k - 1]
    return (torch.cdist(points, others) <= radius).any(1).float().mean().item()


@wrong("08.4", "do not come out right")
def share_by_the_largest_but_one(points, others, k):
    radius = torch.cdist(others, others).topk(k + 1, dim=1).values[:, k]
    return (torch.cdist(points, others) <= radius).any(1).float().mean().item()


@wrong("08.4", "All balls have the mean radius")
def share_by_one_radius(points, others, k):
    radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values.mean()
    return (torch.cdist(points, others).min(dim=1).values <= radius).float().mean().item()


@wrong("08.4", "it is that of the k-th")
def share_by_mean_radii(points, others, k):
    radius = torch.cdist(others, others).fill_diagonal_(torch.inf).sort(dim=1).values[:, :k].mean(1)
    return (torch.cdist(points, others) <= radius).any(1).float().mean().item()


@wrong("08.4", "A point at the boundary counts, too")
def share_inside(points, others, k):
    radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values
    return (torch.cdist(points, others) < radius).any(1).float().mean().item()


@wrong("08.4", "Only the ball around the nearest")
def share_by_the_nearest(points, others, k):
    radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values
    distance = torch.cdist(points, others)
    nearest = distance.argmin(1)
    return (distance.gather(1, nearest[:, None])[:, 0] <= radius[nearest]).float().mean().item()


@wrong("08.4", "square both, or neither")
def share_of_squares_and_lengths(points, others, k):
    radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values
    squares = (points[:, None] - others).square().sum(-1)
    return (squares <= radius).any(1).float().mean().item()


@wrong("08.4", "may lie in the same place")
def share_of_positive_distances(points, others, k):
    radii = []
    for one in others:
        distances = (others - one).norm(dim=1)
        distances = distances[distances > 0].sort().values
        radii.append(distances[k - 1] if len(distances) >= k else torch.tensor(torch.inf))
    return (torch.cdist(points, others) <= torch.stack(radii)).any(1).float().mean().item()


@wrong("08.4", "It comes out right for k = 3")
def share_of_three_neighbours(points, others, k):
    return share_by_topk(points, others, 3)


@wrong("08.4", "It comes out right for k = 3")
def share_in_a_plane(points, others, k):
    return share_by_squares(points[:, :2], others[:, :2], k)


@wrong("08.4", "Your function stopped with RuntimeError", "expected scalar type")
def share_of_own_float32(points, others, k):
    return share_by_topk(points, others.clone().to(torch.float32), k)


@wrong("08.4", "Your function stopped with RuntimeError", "must match the size")
def share_of_pairs_in_order(points, others, k):
    radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values
    return ((points - others).norm(dim=1) <= radius).float().mean().item()


@wrong("08.4", "should return a float, but got Tensor")
def share_as_a_tensor(points, others, k):
    return torch.tensor(share_by_topk(points, others, k))


@wrong("08.4", "should return a float, but got tuple")
def share_both_ways(points, others, k):
    return share_by_topk(points, others, k), share_by_topk(others, points, k)


@wrong("08.4", "should return a float, but got int")
def share_as_a_whole_number(points, others, k):
    return round(len(points) * share_by_topk(points, others, k))


@wrong("08.4", "do not come out right", "is right")
def share_in_per_cent(points, others, k):
    return 100 * share_by_topk(points, others, k)


@wrong("08.4", "returns nothing")
def share_not_returned(points, others, k):
    share_by_topk(points, others, k)


@wrong("08.4", "changes its argument others in place")
def share_of_sorted_others(points, others, k):
    others[:] = others[others[:, 0].argsort()]
    return share_by_topk(points, others, k)


@wrong("08.4", "the course's own precision_and_recall")
def share_of_the_library(points, others, k):
    return metrics.precision_and_recall(others, points, k)[0]


@wrong("08.4", "the course's own share_within")
def share_of_the_exercises(points, others, k):
    return notebook_08.share_within(points, others, k)


# --- 08.5 a great circle ----------------------------------------------------------------------------------------------


@right("08.5")
def circle_by_cosine_similarity(a, b, share):
    angle = F.cosine_similarity(a.flatten(), b.flatten(), dim=0).acos()
    weights = torch.stack([((1 - share) * angle).sin(), (share * angle).sin()]) / angle.sin()
    return weights[0] * a + weights[1] * b


@right("08.5")
def circle_by_dot(a, b, share):
    u, v = a.reshape(-1), b.reshape(-1)
    omega = torch.acos(torch.dot(u, v) / (torch.linalg.norm(u) * torch.linalg.norm(v)))
    z = (torch.sin((1 - share) * omega) * u + torch.sin(share * omega) * v) / torch.sin(omega)
    return z.view_as(a)


@right("08.5")
def circle_by_math(a, b, share):
    cosine = (a * b).sum().item() / math.sqrt((a * a).sum().item() * (b * b).sum().item())
    omega = math.acos(cosine)
    return math.sin((1 - share) * omega) / math.sin(omega) * a + math.sin(share * omega) / math.sin(omega) * b


@right("08.5")
def circle_in_numpy(a, b, share):
    x, y = a.numpy(), b.numpy()
    omega = np.arccos(np.vdot(x, y) / (np.linalg.norm(x.ravel()) * np.linalg.norm(y.ravel())))
    return torch.from_numpy((np.sin((1 - share) * omega) * x + np.sin(share * omega) * y) / np.sin(omega)).to(a.dtype)


@right("08.5")
def circle_by_einsum(a, b, share):
    x, y = a.flatten(), b.flatten()
    xy, xx, yy = (torch.einsum("d,d->", p, q) for p, q in ((x, y), (x, x), (y, y)))
    omega = torch.arccos(xy * (xx * yy).rsqrt())
    shares = torch.tensor([1 - share, share], dtype=a.dtype)
    return torch.einsum("k,k...->...", torch.sin(shares * omega) / torch.sin(omega), torch.stack([a, b]))


@right("08.5")
def circle_by_the_angle_of_a_triangle(a, b, share):
    """Half the angle of two unit vectors, from the lengths of their difference and of their sum."""
    u, v = a / a.norm(), b / b.norm()
    omega = 2 * torch.atan2((u - v).norm(), (u + v).norm())
    return (torch.sin(omega - share * omega) * a + torch.sin(share * omega) * b) / torch.sin(omega)


@right("08.5")
def circle_by_tangents(a, b, share):
    """sin((1 - s)Ω)/sin Ω is cos(sΩ) - sin(sΩ)/tan Ω."""
    omega = torch.arccos(torch.sum(a * b) / (a.norm() * b.norm()))
    turned = torch.sin(share * omega)
    return (torch.cos(share * omega) - turned / torch.tan(omega)) * a + turned / torch.sin(omega) * b


@right("08.5")
def circle_in_float64(a, b, share):
    x, y = a.double(), b.double()
    omega = torch.arccos((x * y).sum() / (x.norm() * y.norm()))
    return ((torch.sin((1 - share) * omega) * x + torch.sin(share * omega) * y) / torch.sin(omega)).to(a.dtype)


@right("08.5")
def circle_by_lists(a, b, share):
    x, y = a.flatten().tolist(), b.flatten().tolist()
    dot = sum(p * q for p, q in zip(x, y, strict=True))
    omega = math.acos(dot / (math.hypot(*x) * math.hypot(*y)))
    p, q = (math.sin(weight * omega) / math.sin(omega) for weight in (1 - share, share))
    return torch.tensor([p * i + q * j for i, j in zip(x, y, strict=True)], dtype=a.dtype).reshape(a.shape)


@right("08.5")
def circle_with_ends_apart(a, b, share):
    if share == 0:
        return a.clone()
    if share == 1:
        return b.clone()
    omega = torch.arccos((a.ravel() @ b.ravel() / a.norm() / b.norm()).clamp(-1, 1))
    return torch.add(a * ((1 - share) * omega).sin(), b * (share * omega).sin()).div(omega.sin())


@right("08.5")
def circle_by_complex_numbers(a, b, share):
    """In the plane of a and b: the sines are imaginary parts."""
    omega = math.acos(float((a * b).sum() / (a.norm() * b.norm())))
    sine = [np.exp(1j * weight * omega).imag for weight in (1 - share, share, 1.0)]
    return float(sine[0] / sine[2]) * a + float(sine[1] / sine[2]) * b


@right("08.5")
def circle_by_a_perpendicular(a, b, share):
    """a is turned towards the part of b that is at a right angle to it, stretched so that the whole turn ends at b."""
    u = a / torch.linalg.vector_norm(a)
    along = torch.sum(u * b)
    across = b - along * u
    omega = torch.atan2(across.norm(), along)
    return torch.cos(share * omega) * a + torch.sin(share * omega) / torch.sin(omega) * (b - torch.cos(omega) * a)


@right("08.5")
def circle_by_gram(a, b, share):
    pair = torch.stack([a, b]).flatten(1)
    gram = pair @ pair.T
    omega = (gram[0, 1] / gram.diagonal().prod().sqrt()).acos()
    weights = torch.sin(omega * omega.new_tensor([1 - share, share])) / torch.sin(omega)
    return (weights @ pair).unflatten(0, a.shape)


@right("08.5")
def circle_by_a_phase(a, b, share):
    """The angle of a complex number: real is |a| |b| cos Ω, imaginary |a| |b| sin Ω."""
    aa, ab, bb = ((x.double() * y.double()).sum().item() for x, y in ((a, a), (a, b), (b, b)))
    omega = cmath.phase(complex(ab, math.sqrt(aa * bb - ab**2)))
    turn = cmath.exp(1j * share * omega)
    return (turn.real - turn.imag / math.tan(omega)) * a + turn.imag / math.sin(omega) * b


@wrong("08.5", "This is the straight line, on which the latents halfway")
def circle_by_lerp(a, b, share):
    return torch.lerp(a, b, share)


@wrong("08.5", "stretched to the right length")
def circle_by_a_stretched_line(a, b, share):
    line = torch.lerp(a, b, share)
    return line * (torch.lerp(a.norm(), b.norm(), share) / line.norm())


@wrong("08.5", "stretched to the length of a")
def circle_by_a_line_as_long_as_a(a, b, share):
    line = a + share * (b - a)
    return line * a.square().sum().sqrt() / line.square().sum().sqrt()


@wrong("08.5", "The weights are the roots of 1 - s and s")
def circle_that_keeps_the_variance(a, b, share):
    return math.sqrt(1 - share) * a + math.sqrt(share) * b


@wrong("08.5", "a and b are swapped")
def circle_from_b(a, b, share):
    return circle_by_math(b, a, share)


@wrong("08.5", "take its arccos")
def circle_without_arccos(a, b, share):
    omega = F.cosine_similarity(a.flatten(), b.flatten(), dim=0)
    return (((1 - share) * omega).sin() * a + (share * omega).sin() * b) / omega.sin()


@wrong("08.5", "wants radians")
def circle_by_degrees(a, b, share):
    omega = torch.arccos((a * b).sum() / (a.norm() * b.norm())) * 180 / torch.pi
    return (((1 - share) * omega).sin() * a + (share * omega).sin() * b) / omega.sin()


@wrong("08.5", "a · b is not divided by the lengths")
def circle_without_lengths(a, b, share):
    omega = torch.arccos((a * b).sum())
    return (((1 - share) * omega).sin() * a + (share * omega).sin() * b) / omega.sin()


@wrong("08.5", "as if both lengths were √D")
def circle_by_the_mean_product(a, b, share):
    omega = torch.arccos((a * b).mean())
    return (((1 - share) * omega).sin() * a + (share * omega).sin() * b) / omega.sin()


@wrong("08.5", "divided by the squared lengths")
def circle_by_squared_lengths(a, b, share):
    omega = torch.arccos((a * b).sum() / (a.square().sum() * b.square().sum()))
    return (((1 - share) * omega).sin() * a + (share * omega).sin() * b) / omega.sin()


@wrong("08.5", "The division by sin Ω is missing")
def circle_without_a_division(a, b, share):
    omega = torch.arccos((a * b).sum() / (a.norm() * b.norm()))
    return ((1 - share) * omega).sin() * a + (share * omega).sin() * b


@wrong("08.5", "put the sum in brackets")
def circle_without_brackets(a, b, share):
    omega = torch.arccos((a * b).sum() / (a.norm() * b.norm()))
    return ((1 - share) * omega).sin() * a + (share * omega).sin() * b / omega.sin()


@wrong("08.5", "The sum is divided by Ω")
def circle_over_omega(a, b, share):
    omega = torch.arccos((a * b).sum() / (a.norm() * b.norm()))
    return (((1 - share) * omega).sin() * a + (share * omega).sin() * b) / omega


@wrong("08.5", "This is the straight line, on which the latents halfway")
def circle_with_shares_outside(a, b, share):
    omega = torch.arccos((a * b).sum() / (a.norm() * b.norm()))
    return ((1 - share) * omega.sin() * a + share * omega.sin() * b) / omega.sin()


@wrong("08.5", "The weights are cosines")
def circle_with_cosines(a, b, share):
    omega = torch.arccos((a * b).sum() / (a.norm() * b.norm()))
    return (((1 - share) * omega).cos() * a + (share * omega).cos() * b) / omega.sin()


@wrong("08.5", "are those of a right angle")
def circle_of_ninety_degrees(a, b, share):
    turn = torch.tensor(share * torch.pi / 2, dtype=a.dtype)
    return torch.cos(turn) * a + torch.sin(turn) * b


@wrong("08.5", "so every latent on the way has length 1")
def circle_of_unit_length(a, b, share):
    return circle_by_math(F.normalize(a, dim=None) if a.ndim > 1 else a / a.norm(), b / b.norm(), share)


@wrong("08.5", "Every latent on the way has the length of a")
def circle_of_the_length_of_a(a, b, share):
    return circle_by_math(a, b / b.norm() * a.norm(), share)


@wrong("08.5", "the length is put back afterwards")
def circle_with_lengths_afterwards(a, b, share):
    return torch.lerp(a.norm(), b.norm(), share) * circle_by_math(a / a.norm(), b / b.norm(), share)


@wrong("08.5", "Each row has an angle of its own")
def circle_along_the_last_axis(a, b, share):
    omega = torch.arccos(F.cosine_similarity(a, b, dim=-1))[..., None]
    return (((1 - share) * omega).sin() * a + (share * omega).sin() * b) / omega.sin()


@wrong("08.5", "Each channel has an angle of its own")
def circle_of_each_channel(a, b, share):
    if a.ndim == 1:
        return circle_by_math(a, b, share)
    return torch.stack([circle_by_math(p, q, share) for p, q in zip(a, b, strict=True)])


@wrong("08.5", "The shape should be (3, 4, 5), but it is (60,)")
def circle_flattened(a, b, share):
    return circle_by_math(a.flatten(), b.flatten(), share)


@wrong("08.5", "Your function stopped with RuntimeError", "1D tensors expected")
def circle_of_vectors_alone(a, b, share):
    omega = torch.arccos(torch.dot(a, b) / (a.norm() * b.norm()))
    return (((1 - share) * omega).sin() * a + (share * omega).sin() * b) / omega.sin()


@wrong("08.5", "Latents of six numbers do not come out right")
def circle_by_the_absolute_cosine(a, b, share):
    omega = torch.arccos(((a * b).sum() / (a.norm() * b.norm())).abs())
    return (((1 - share) * omega).sin() * a + (share * omega).sin() * b) / omega.sin()


@wrong("08.5", "Latents of six numbers do not come out right")
def circle_by_correlation(a, b, share):
    """The correlation takes the mean off first."""
    omega = torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].acos()
    return (((1 - share) * omega).sin() * a + (share * omega).sin() * b) / omega.sin()


@wrong("08.5", "gives the same whatever share is")
def circle_always_halfway(a, b, share):
    return circle_by_math(a, b, 0.5)


@wrong("08.5", "at share 0 it should be a")
def circle_with_ends_short(a, b, share):
    """Keeps away from the ends, as if the formula failed there."""
    return circle_by_math(a, b, min(max(share, 0.02), 0.98))


@wrong("08.5", "Your function stopped with TypeError", "must be Tensor, not float")
def circle_with_a_float_in_torch(a, b, share):
    omega = math.acos((a * b).sum() / (a.norm() * b.norm()))
    return (torch.sin((1 - share) * omega) * a + torch.sin(share * omega) * b) / torch.sin(omega)


@wrong("08.5", "should be torch.float32, but it is torch.float64")
def circle_left_in_float64(a, b, share):
    return circle_by_math(a.double(), b.double(), share)


@wrong("08.5", "should be torch.float64, but it is torch.float32")
def circle_always_in_float32(a, b, share):
    return circle_by_math(a, b, share).float()


@wrong("08.5", "should return a torch.Tensor, but got ndarray")
def circle_left_in_numpy(a, b, share):
    return circle_in_numpy(a, b, share).numpy()


@wrong("08.5", "changes its argument a in place")
def circle_that_moves_a(a, b, share):
    a += 0
    a.mul_(2)
    return circle_by_math(a / 2, b, share)


@wrong("08.5", "should return a torch.Tensor, but got list")
def circle_of_many_stops(a, b, share):
    return [circle_by_math(a, b, stop / 10) for stop in range(11)]


@wrong("08.5", "returns nothing")
def circle_not_returned(a, b, share):
    print(circle_by_math(a, b, share))


@wrong("08.5", "the course's own great_circle")
def circle_of_the_exercises(a, b, share):
    return notebook_08.great_circle(a, b, share)


# --- 08.6 bug hunt: a generator that learns from the wrong loss -------------------------------------------------------


def two_layers():
    """D, G and an optimiser of D's weights."""
    D, G = nn.Linear(2, 1), nn.Linear(3, 2)
    return D, G, torch.optim.SGD(D.parameters(), lr=0.1)


def some(rows=6):
    return torch.randn(rows, 2), torch.randn(rows, 3)


@right("08.6")
def hunt_for_gradients(discriminator_step):
    D, G, optimizer = two_layers()
    discriminator_step(D, G, optimizer, *some())
    for name, weight in G.named_parameters():
        assert weight.grad is None, f"a gradient in {name}"


@right("08.6")
def hunt_for_gradients_that_were_zero(discriminator_step):
    D, G, optimizer = two_layers()
    for weight in G.parameters():
        weight.grad = torch.zeros_like(weight)
    discriminator_step(D, G, optimizer, *some())
    assert all((weight.grad == 0).all() for weight in G.parameters())


@right("08.6")
def hunt_for_gradients_that_were_there(discriminator_step):
    D, G, optimizer = two_layers()
    G(torch.randn(5, 3)).square().mean().backward()
    before = [weight.grad.clone() for weight in G.parameters()]
    discriminator_step(D, G, optimizer, *some())
    for old, weight in zip(before, G.parameters(), strict=True):
        assert torch.equal(old, weight.grad)


@right("08.6")
def hunt_by_a_step_of_G(discriminator_step):
    """With no loss of its own, G's optimiser has nothing to do."""
    D, G, optimizer = two_layers()
    of_G, before = torch.optim.SGD(G.parameters(), lr=1.0), copy.deepcopy(G.state_dict())
    discriminator_step(D, G, optimizer, *some())
    of_G.step()
    assert all(torch.equal(before[name], weight) for name, weight in G.state_dict().items())


@right("08.6")
def hunt_by_two_ways_to_Gs_gradient(discriminator_step):
    D, G, optimizer = two_layers()
    x, z = some()

    def gradient(of):
        F.softplus(-D(of(z))).mean().backward()
        return of.weight.grad

    other = copy.deepcopy(G)
    discriminator_step(D, G, optimizer, x, z)
    torch.testing.assert_close(gradient(G), gradient(other))


@right("08.6")
def hunt_by_a_hook(discriminator_step):
    D, G, optimizer = two_layers()
    heard = []
    G.weight.register_hook(heard.append)
    discriminator_step(D, G, optimizer, *some())
    assert heard == []


@right("08.6")
def hunt_by_one_weight(discriminator_step):
    class Shift(nn.Module):
        def __init__(self):
            super().__init__()
            self.by = nn.Parameter(torch.tensor(1.0))

        def forward(self, z):
            return z + self.by

    D, G = nn.Sequential(nn.Linear(1, 1), nn.Flatten(0)), Shift()
    discriminator_step(D, G, torch.optim.Adam(D.parameters()), torch.ones(4, 1), torch.zeros(4, 1))
    assert G.by.grad is None or G.by.grad == 0, f"{G.by.grad}"


@right("08.6")
def hunt_with_a_function_for_G(discriminator_step):
    D = nn.Linear(1, 1)
    scale = torch.tensor(2.0, requires_grad=True)
    discriminator_step(D, lambda z: scale * z, torch.optim.SGD(D.parameters(), 0.1), torch.ones(3, 1), torch.ones(3, 1))
    assert scale.grad is None


@right("08.6")
def hunt_by_the_number_of_gradients(discriminator_step):
    D, G, optimizer = two_layers()
    discriminator_step(D, G, optimizer, *some())
    left = sum(weight.grad is not None for weight in G.parameters())
    if left:
        raise AssertionError(f"{left} weights of G have a gradient")


@right("08.6")
def hunt_with_pictures(discriminator_step):
    G = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
    D = nn.Sequential(nn.Conv2d(1, 2, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(8, 1), nn.Flatten(0))
    optimizer = torch.optim.AdamW(D.parameters(), lr=1e-3)
    for _ in range(2):
        discriminator_step(D, G, optimizer, torch.randn(3, 1, 4, 4), torch.randn(3, 4))
    assert not [weight for weight in G.parameters() if weight.grad is not None]


@right("08.6")
def hunt_by_keywords(discriminator_step):
    D, G, optimizer = two_layers()
    x, z = some()
    loss = discriminator_step(D=D, G=G, optimizer=optimizer, x=x, z=z)
    assert isinstance(loss, float)
    assert D.weight.grad is not None
    np.testing.assert_equal(G.bias.grad, None)


@wrong("08.6", "lets the broken version pass")
def hunt_for_changed_weights_of_G(discriminator_step):
    """D's optimiser never moves them: only their gradients are touched."""
    D, G, optimizer = two_layers()
    before = G.weight.clone()
    discriminator_step(D, G, optimizer, *some())
    assert torch.equal(before, G.weight)


@wrong("08.6", "lets the broken version pass")
def hunt_for_changed_weights_of_D(discriminator_step):
    D, G, optimizer = two_layers()
    before = D.weight.clone()
    discriminator_step(D, G, optimizer, *some())
    assert not torch.equal(before, D.weight)


@wrong("08.6", "lets the broken version pass")
def hunt_for_the_loss(discriminator_step):
    D, G, optimizer = two_layers()
    x, z = some()
    with torch.no_grad():
        expected = F.softplus(D(G(z)) - D(x)).mean().item()
    assert math.isclose(discriminator_step(D, G, optimizer, x, z), expected, rel_tol=1e-4)


@wrong("08.6", "lets the broken version pass")
def hunt_with_a_frozen_G(discriminator_step):
    D, G, optimizer = two_layers()
    G.requires_grad_(False)
    discriminator_step(D, G, optimizer, *some())
    assert all(weight.grad is None for weight in G.parameters())


@wrong("08.6", "lets the broken version pass")
def hunt_after_tidying_up(discriminator_step):
    D, G, optimizer = two_layers()
    discriminator_step(D, G, optimizer, *some())
    G.zero_grad()
    assert all(weight.grad is None for weight in G.parameters())


@wrong("08.6", "lets the broken version pass")
def hunt_for_a_gradient_of_x(discriminator_step):
    D, G, optimizer = two_layers()
    x, z = some()
    discriminator_step(D, G, optimizer, x, z)
    assert x.grad is None
    assert z.grad is None


@wrong("08.6", "lets the broken version pass")
def hunt_under_no_weights(discriminator_step):
    D, _, optimizer = two_layers()
    G = nn.Flatten()
    discriminator_step(D, G, optimizer, torch.randn(4, 2), torch.randn(4, 2))
    assert all(weight.grad is None for weight in G.parameters())


@wrong("08.6", "it returns what it found")
def hunt_that_returns_gradients(discriminator_step):
    D, G, optimizer = two_layers()
    discriminator_step(D, G, optimizer, *some())
    return G.weight.grad is None


@wrong("08.6", "refuses a correct version too")
def hunt_for_any_gradient(discriminator_step):
    D, G, optimizer = two_layers()
    discriminator_step(D, G, optimizer, *some())
    assert D.weight.grad is None, "gradients should be gone after the step"


@wrong("08.6", "refuses a correct version too", "look at G's weights")
def hunt_for_what_D_sees(discriminator_step):
    """What is asked here is how it was done."""
    D, G, optimizer = two_layers()
    seen = []
    D.register_forward_hook(lambda net, inputs, output: seen.append(inputs[0].requires_grad))
    discriminator_step(D, G, optimizer, *some())
    assert not any(seen)


@wrong("08.6", "refuses a correct version too")
def hunt_for_a_gradient_in_G(discriminator_step):
    D, G, optimizer = two_layers()
    discriminator_step(D, G, optimizer, *some())
    assert G.weight.grad is not None, "G should learn"


@wrong("08.6", "refuses a correct version too")
def hunt_for_a_falling_loss(discriminator_step):
    """It falls by chance only: x and z are new each time, and one step is short."""
    D, G, optimizer = two_layers()
    losses = [discriminator_step(D, G, optimizer, *some()) for _ in range(5)]
    assert losses == sorted(losses, reverse=True)


@wrong("08.6", "Your test stops with TypeError")
def hunt_without_z(discriminator_step):
    D, G, optimizer = two_layers()
    discriminator_step(D, G, optimizer, torch.randn(4, 2))


@wrong("08.6", "Your test stops with RuntimeError", "cannot be multiplied")
def hunt_with_x_and_z_swapped(discriminator_step):
    D, G, optimizer = two_layers()
    x, z = some()
    discriminator_step(D, G, optimizer, z, x)
    assert G.weight.grad is None


@wrong("08.6", "Your test stops with AttributeError", "'NoneType' object has no attribute")
def hunt_for_the_sum_of_a_gradient(discriminator_step):
    D, G, optimizer = two_layers()
    discriminator_step(D, G, optimizer, *some())
    assert G.weight.grad.abs().sum() == 0


@wrong("08.6", "never calls discriminator_step")
def hunt_in_ones_own_step(discriminator_step):
    D, G, _ = two_layers()
    x, z = some()
    F.softplus(D(G(z)) - D(x)).mean().backward()
    assert G.weight.grad is None


@wrong("08.6", "the course's own find_the_bug")
def hunt_by_the_exercises_of_08(discriminator_step):
    notebook_08.find_the_bug(discriminator_step)


# --- 08.7 bug hunt: an average that forgets ---------------------------------------------------------------------------


def normalising(features=2):
    return nn.Sequential(nn.Linear(3, features), nn.BatchNorm1d(features), nn.ReLU())


def net_and_average(size=40):
    """A net that has seen something since it was copied."""
    net = normalising()
    ema = copy.deepcopy(net)
    net(4 + torch.randn(size, 3))
    return net, ema


@right("08.7")
def hunt_for_means(update_average):
    net, ema = net_and_average()
    update_average(ema, net, 0.99)
    assert torch.equal(ema[1].running_mean, net[1].running_mean)


@right("08.7")
def hunt_for_all_buffers(update_average):
    net, ema = net_and_average()
    update_average(ema, net, 0.5)
    for (name, kept), current in zip(ema.named_buffers(), net.buffers(), strict=True):
        assert torch.allclose(kept, current), name


@right("08.7")
def hunt_for_the_count(update_average):
    net, ema = net_and_average()
    update_average(ema, net, 0.0)
    assert ema[1].num_batches_tracked == 1


@right("08.7")
def hunt_for_any_change(update_average):
    net = nn.BatchNorm2d(3)
    ema = copy.deepcopy(net)
    before = ema.running_var.clone()
    net(3 * torch.randn(4, 3, 5, 5))
    update_average(ema, net, 0.9)
    assert not torch.allclose(ema.running_var, before), "the variance is still that of the beginning"


@right("08.7")
def hunt_by_what_it_says(update_average):
    """With decay 0 the average is the net."""
    net, ema = net_and_average()
    update_average(ema, net, 0.0)
    x = torch.randn(5, 3)
    torch.testing.assert_close(ema.eval()(x), net.eval()(x))


@right("08.7")
def hunt_by_state_dicts(update_average):
    net, ema = net_and_average()
    update_average(ema, net, 0)
    mine, theirs = ema.state_dict(), net.state_dict()
    assert [name for name in mine if not torch.allclose(mine[name].float(), theirs[name].float())] == []


@right("08.7")
def hunt_after_a_training(update_average):
    net = normalising()
    ema, optimizer = copy.deepcopy(net), torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        (net(2 + torch.randn(16, 3)) - 1).square().mean().backward()
        optimizer.step()
        update_average(ema, net, 0.9)
    assert (ema[1].running_mean - net[1].running_mean).norm() < 1e-5


@right("08.7")
def hunt_with_a_buffer_of_ones_own(update_average):
    net = nn.Module()
    net.weight = nn.Parameter(torch.zeros(2))
    net.register_buffer("seen", torch.zeros(3))
    ema = copy.deepcopy(net)
    net.seen += 7
    update_average(ema, net, 0.5)
    assert ema.seen.tolist() == [7, 7, 7]


@right("08.7")
def hunt_without_training(update_average):
    net, ema = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    net.running_mean.fill_(5.0)
    update_average(ema, net, 0.9)
    assert ema.running_mean.item() == 5.0, f"{ema.running_mean.item()}"


@right("08.7")
def hunt_again_and_again(update_average):
    net, ema = net_and_average()
    for _ in range(100):
        update_average(ema, net, 0.5)
    np.testing.assert_allclose(ema[1].running_var.numpy(), net[1].running_var.numpy(), rtol=1e-4)


@right("08.7")
def hunt_for_weights_and_statistics(update_average):
    net, ema = net_and_average()
    with torch.no_grad():
        net[0].weight += 1
    expected = 0.75 * ema[0].weight + 0.25 * net[0].weight
    update_average(ema, net, 0.75)
    assert torch.allclose(ema[0].weight, expected, atol=1e-5)
    assert torch.allclose(ema[1].running_mean, net[1].running_mean)


@wrong("08.7", "lets the broken version pass")
def hunt_for_weights_alone(update_average):
    net, ema = nn.Linear(2, 2), nn.Linear(2, 2)
    expected = 0.9 * ema.weight + 0.1 * net.weight
    update_average(ema, net, 0.9)
    assert torch.allclose(ema.weight, expected, atol=1e-5)


@wrong("08.7", "lets the broken version pass")
def hunt_without_a_batch(update_average):
    """Both have the statistics of the beginning."""
    net = normalising()
    ema = copy.deepcopy(net)
    update_average(ema, net, 0.9)
    assert torch.allclose(ema[1].running_mean, net[1].running_mean)


@wrong("08.7", "lets the broken version pass")
def hunt_in_evaluation(update_average):
    net = normalising().eval()
    ema = copy.deepcopy(net)
    net(4 + torch.randn(30, 3))
    update_average(ema, net, 0.9)
    assert torch.allclose(ema[1].running_mean, net[1].running_mean)


@wrong("08.7", "lets the broken version pass")
def hunt_with_another_normalisation(update_average):
    net = nn.Sequential(nn.Linear(3, 4), nn.GroupNorm(2, 4))
    ema = copy.deepcopy(net)
    net(torch.randn(5, 3))
    update_average(ema, net, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(ema.state_dict().values(), net.state_dict().values(), strict=True))


@wrong("08.7", "lets the broken version pass")
def hunt_in_training_mode(update_average):
    """In training the statistics of the batch are taken, and the running ones do not matter."""
    net, ema = net_and_average()
    update_average(ema, net, 0.0)
    x = torch.randn(5, 3)
    assert torch.allclose(ema(x), net(x), atol=1e-5)


@wrong("08.7", "lets the broken version pass")
def hunt_with_statistics_shared(update_average):
    net = normalising()
    ema = copy.copy(net)
    net(4 + torch.randn(30, 3))
    update_average(ema, net, 0.9)
    assert torch.allclose(ema[1].running_mean, net[1].running_mean)


@wrong("08.7", "lets the broken version pass")
def hunt_for_an_average_that_is_kept(update_average):
    net, ema = net_and_average()
    before = [weight.clone() for weight in ema.parameters()]
    update_average(ema, net, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, ema.parameters(), strict=True))


@wrong("08.7", "it returns what it found")
def hunt_that_returns_a_comparison(update_average):
    net, ema = net_and_average()
    update_average(ema, net, 0.9)
    return torch.equal(ema[1].running_mean, net[1].running_mean)


@wrong("08.7", "refuses a correct version too", "are copied as they are")
def hunt_for_averaged_statistics(update_average):
    net, ema = net_and_average()
    expected = 0.9 * ema[1].running_mean + 0.1 * net[1].running_mean
    update_average(ema, net, 0.9)
    assert torch.allclose(ema[1].running_mean, expected)


@wrong("08.7", "refuses a correct version too")
def hunt_for_kept_statistics(update_average):
    net, ema = net_and_average()
    before = ema[1].running_mean.clone()
    update_average(ema, net, 0.9)
    assert torch.equal(ema[1].running_mean, before)


@wrong("08.7", "refuses a correct version too")
def hunt_for_copied_weights(update_average):
    net, ema = net_and_average()
    with torch.no_grad():
        net[0].weight += 1
    update_average(ema, net, 0.9)
    assert all(torch.equal(a, b) for a, b in zip(ema.state_dict().values(), net.state_dict().values(), strict=True))


@wrong("08.7", "refuses a correct version too")
def hunt_for_a_net_that_is_handed_back(update_average):
    net, ema = net_and_average()
    assert update_average(ema, net, 0.9) is not None


@wrong("08.7", "Your test stops with TypeError", "missing 1 required positional argument: 'decay'")
def hunt_without_a_decay(update_average):
    net, ema = net_and_average()
    update_average(ema, net)
    assert torch.equal(ema[1].running_mean, net[1].running_mean)


@wrong("08.7", "Your test stops with ValueError", "zip() argument")
def hunt_with_two_kinds_of_nets(update_average):
    net = nn.BatchNorm1d(3)
    update_average(nn.BatchNorm1d(3, affine=False), net, 0.9)


@wrong("08.7", "never calls update_average")
def hunt_without_an_update(update_average):
    net, ema = net_and_average()
    assert torch.equal(ema[1].running_mean, net[1].running_mean)


@wrong("08.7", "the course's own update_ema")
def hunt_by_the_librarys_average(update_average):
    net, ema = net_and_average()
    other = copy.deepcopy(ema)
    update_average(ema, net, 0.9)
    training.update_ema(other, net, 0.9)
    assert torch.equal(ema[1].running_mean, other[1].running_mean)


@wrong("08.7", "the course's own find_what_is_forgotten")
def hunt_by_the_exercises_average(update_average):
    notebook_08.find_what_is_forgotten(update_average)


# --- 08.8 bug hunt: a bound that is none ------------------------------------------------------------------------------


ZERO = torch.tensor(0.0)


@right("08.8")
def hunt_by_the_formula(negative_elbo):
    x, decoded = torch.randn(2, 6, 5)
    mean, log_var = torch.randn(2, 6, 3)
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=1)
    nats = distributions.Normal(decoded, math.exp(-0.3)).log_prob(x).sum(dim=1)
    expected = (kl - nats).mean()
    assert torch.allclose(negative_elbo(x, decoded, torch.tensor(-0.3), mean, log_var), expected, rtol=1e-4, atol=1e-4)


@right("08.8")
def hunt_by_a_longer_latent(negative_elbo):
    """A latent twice over costs twice as much."""
    x, mean, log_var = torch.randn(4, 3), torch.randn(4, 2), torch.randn(4, 2)
    none = negative_elbo(x, x, ZERO, torch.zeros(4, 2), torch.zeros(4, 2))
    once = negative_elbo(x, x, ZERO, mean, log_var) - none
    twice = negative_elbo(x, x, ZERO, mean.repeat(1, 2), log_var.repeat(1, 2)) - none
    assert torch.allclose(twice, 2 * once, rtol=1e-3, atol=1e-4)


@right("08.8")
def hunt_by_known_costs(negative_elbo):
    zeros, ones = torch.zeros(1, 10), torch.ones(1, 10)
    cost = negative_elbo(zeros, zeros, ZERO, ones, zeros) - negative_elbo(zeros, zeros, ZERO, zeros, zeros)
    assert abs(cost.item() - 5) < 1e-3, f"ten numbers should cost 5 nats, not {cost.item():.2f}"


@right("08.8")
def hunt_by_numbers_that_say_nothing(negative_elbo):
    """Numbers at the prior cost nothing, so that there may be any number of them."""
    x, mean, log_var = torch.randn(4, 3), torch.randn(4, 1), torch.randn(4, 1)
    idle = torch.zeros(4, 7)
    one = negative_elbo(x, x, ZERO, mean, log_var)
    padded = negative_elbo(x, x, ZERO, torch.cat([mean, idle], 1), torch.cat([log_var, idle], 1))
    torch.testing.assert_close(one, padded, rtol=1e-4, atol=1e-4)


@right("08.8")
def hunt_by_log_p(negative_elbo):
    """x = sum of D latent numbers of N(0, 1), plus noise: log p(x) is known, and no bound may lie above it."""
    D = 8
    x = torch.full((1, 1), 3.0)
    log_p = distributions.Normal(0.0, math.sqrt(D + 0.01)).log_prob(x).item()
    each = (x / D).expand(1, D)  # a latent that explains x, and is quite sure of it
    bound = -negative_elbo(x, x, torch.tensor(math.log(0.1)), each, torch.full((1, D), -4.0))
    assert bound.item() <= log_p


@right("08.8")
def hunt_by_gradients(negative_elbo):
    mean = torch.full((1, 5), 2.0, requires_grad=True)
    x = torch.zeros(1, 3)
    negative_elbo(x, x, ZERO, mean, torch.zeros(1, 5)).backward()
    assert torch.allclose(mean.grad, torch.full((1, 5), 2.0)), mean.grad


@right("08.8")
def hunt_by_the_variance(negative_elbo):
    x, log_var = torch.zeros(2, 2), torch.tensor([[1.0, -1.0, 0.5], [0.0, 2.0, -3.0]])
    level = negative_elbo(x, x, ZERO, torch.zeros(2, 3), torch.zeros(2, 3))
    rise = negative_elbo(x, x, ZERO, torch.zeros(2, 3), log_var) - level
    assert math.isclose(rise.item(), 0.5 * (log_var.exp() - 1 - log_var).sum().item() / 2, rel_tol=1e-3)


@right("08.8")
def hunt_with_pictures_and_distributions(negative_elbo):
    x, decoded = torch.randn(2, 3, 1, 4, 4)
    q = distributions.Normal(torch.randn(3, 6), torch.rand(3, 6) + 0.5)
    kl = distributions.kl_divergence(q, distributions.Normal(0.0, 1.0)).sum() / 3
    nats = distributions.Normal(decoded, 1.0).log_prob(x).sum() / 3
    got = negative_elbo(x, decoded, ZERO, q.loc, 2 * q.scale.log())
    np.testing.assert_allclose(got.item(), (kl - nats).item(), rtol=1e-4)


@right("08.8")
def hunt_by_one_row_of_two(negative_elbo):
    x, mean = torch.zeros(2, 1), torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    none = torch.zeros(2, 2)
    got = negative_elbo(x, x, ZERO, mean, none) - negative_elbo(x, x, ZERO, none, none)
    assert f"{got.item():.3f}" == "6.250"  # half of 3² + 4², for one row of two


@right("08.8")
def hunt_by_many_sizes(negative_elbo):
    for size in (1, 2, 3, 16):
        mean, log_var = torch.randn(2, 5, size)
        x = torch.randn(5, 2)
        got = negative_elbo(x, x, ZERO, mean, log_var) - math.log(2 * math.pi)
        assert torch.allclose(got, kl_divergence(Posterior(mean, log_var)).sum(1).mean(), rtol=1e-3, atol=1e-3), size


@right("08.8")
def hunt_by_separate_latents(negative_elbo):
    """What two numbers cost together is what they cost one by one."""
    x, none = torch.zeros(1, 1), torch.zeros(1, 1)
    first, second = torch.tensor([[1.5]]), torch.tensor([[-2.0]])
    base = negative_elbo(x, x, ZERO, none, none)
    alone = [negative_elbo(x, x, ZERO, mean, none) - base for mean in (first, second)]
    together = negative_elbo(x, x, ZERO, torch.cat([first, second], dim=1), torch.zeros(1, 2)) - base
    assert (together - sum(alone)).abs() < 1e-3


right("08.8")(lambda negative_elbo: hunt_by_known_costs(negative_elbo))


@wrong("08.8", "lets the broken version pass", "On which input does the bug show")
def hunt_with_one_number(negative_elbo):
    x, decoded = torch.randn(2, 6, 5)
    mean, log_var = torch.randn(2, 6, 1)
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=1)
    nats = distributions.Normal(decoded, 1.0).log_prob(x).sum(dim=1)
    assert torch.allclose(negative_elbo(x, decoded, ZERO, mean, log_var), (kl - nats).mean(), atol=1e-4)


@wrong("08.8", "lets the broken version pass")
def hunt_at_the_prior(negative_elbo):
    x, decoded = torch.randn(2, 6, 5)
    nats = distributions.Normal(decoded, 1.0).log_prob(x).sum(dim=1)
    got = negative_elbo(x, decoded, ZERO, torch.zeros(6, 3), torch.zeros(6, 3))
    assert torch.allclose(got, -nats.mean(), atol=1e-4)


@wrong("08.8", "lets the broken version pass")
def hunt_for_a_shape(negative_elbo):
    x, decoded = torch.randn(2, 6, 5)
    mean, log_var = torch.randn(2, 6, 3)
    assert negative_elbo(x, decoded, ZERO, mean, log_var).shape == ()


@wrong("08.8", "lets the broken version pass")
def hunt_for_an_error_that_costs(negative_elbo):
    x, decoded = torch.randn(2, 6, 5)
    mean, log_var = torch.randn(2, 6, 3)
    assert negative_elbo(x, decoded, ZERO, mean, log_var) > negative_elbo(x, x, ZERO, mean, log_var)


@wrong("08.8", "lets the broken version pass")
def hunt_for_a_latent_that_costs(negative_elbo):
    x, none = torch.randn(6, 5), torch.zeros(6, 3)
    assert negative_elbo(x, x, ZERO, none + 2, none) > negative_elbo(x, x, ZERO, none, none)


@wrong("08.8", "lets the broken version pass")
def hunt_with_too_much_room(negative_elbo):
    x, decoded = torch.randn(2, 6, 50)
    mean, log_var = 0.1 * torch.randn(2, 6, 3)
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=1)
    nats = distributions.Normal(decoded, 1.0).log_prob(x).sum(dim=1)
    assert torch.allclose(negative_elbo(x, decoded, ZERO, mean, log_var), (kl - nats).mean(), rtol=0.05)


@wrong("08.8", "lets the broken version pass")
def hunt_for_a_gradient(negative_elbo):
    mean = torch.ones(4, 3, requires_grad=True)
    x = torch.zeros(4, 2)
    negative_elbo(x, x, ZERO, mean, torch.zeros(4, 3)).backward()
    assert (mean.grad > 0).all()


@wrong("08.8", "it returns what it found")
def hunt_that_returns_costs(negative_elbo):
    zeros, ones = torch.zeros(1, 10), torch.ones(1, 10)
    return negative_elbo(zeros, zeros, ZERO, ones, zeros) - negative_elbo(zeros, zeros, ZERO, zeros, zeros)


@wrong("08.8", "refuses a correct version too")
def hunt_for_averages(negative_elbo):
    x, decoded = torch.randn(2, 6, 5)
    mean, log_var = torch.randn(2, 6, 3)
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).mean()
    nats = distributions.Normal(decoded, 1.0).log_prob(x).mean()
    assert torch.allclose(negative_elbo(x, decoded, ZERO, mean, log_var), kl - nats, atol=1e-4)


@wrong("08.8", "refuses a correct version too")
def hunt_for_a_sum_over_the_batch(negative_elbo):
    x, decoded = torch.randn(2, 6, 5)
    mean, log_var = torch.randn(2, 6, 3)
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum()
    nats = distributions.Normal(decoded, 1.0).log_prob(x).sum()
    assert torch.allclose(negative_elbo(x, decoded, ZERO, mean, log_var), kl - nats, atol=1e-4)


@wrong("08.8", "refuses a correct version too")
def hunt_without_the_constants(negative_elbo):
    x = torch.zeros(3, 2)
    mean, log_var = torch.ones(3, 4), torch.zeros(3, 4)
    assert torch.isclose(negative_elbo(x, x, ZERO, mean, log_var), torch.tensor(2.0))


@wrong("08.8", "refuses a correct version too")
def hunt_for_the_other_sign(negative_elbo):
    zeros, ones = torch.zeros(1, 10), torch.ones(1, 10)
    assert negative_elbo(zeros, zeros, ZERO, ones, zeros) < negative_elbo(zeros, zeros, ZERO, zeros, zeros)


@wrong("08.8", "refuses a correct version too")
def hunt_for_a_positive_loss(negative_elbo):
    """A density may be above 1."""
    x = torch.zeros(3, 2)
    assert negative_elbo(x, x, torch.tensor(-3.0), torch.zeros(3, 4), torch.zeros(3, 4)) >= 0


@wrong("08.8", "Your test stops with AttributeError", "'float' object has no attribute 'exp'")
def hunt_with_a_float_for_log_sigma(negative_elbo):
    zeros, ones = torch.zeros(1, 10), torch.ones(1, 10)
    cost = negative_elbo(zeros, zeros, 0.0, ones, zeros) - negative_elbo(zeros, zeros, 0.0, zeros, zeros)
    assert abs(cost.item() - 5) < 1e-3


@wrong("08.8", "Your test stops with TypeError", "missing 1 required positional argument: 'log_var'")
def hunt_without_log_var(negative_elbo):
    x = torch.zeros(3, 2)
    assert negative_elbo(x, x, ZERO, torch.ones(3, 4)) > 0


@wrong("08.8", "never calls negative_elbo")
def hunt_without_a_loss(negative_elbo):
    mean, log_var = torch.randn(2, 6, 3)
    kl = kl_divergence(Posterior(mean, log_var))
    assert torch.allclose(kl.sum(1), kl.mean(1))


@wrong("08.8", "the course's own find_the_false_bound")
def hunt_by_the_exercises_bound(negative_elbo):
    notebook_08.find_the_false_bound(negative_elbo)
