"""The exercises of notebook 08: a VAE's bound, a GAN's losses and its penalty, precision and recall, a way between two
latents, three bug hunts.
"""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.distributions import kl_divergence as divergence_of
from torch.nn import functional as F

from course_lib import adversarial, metrics, training, variational
from course_lib.classroom.chance import seeded
from course_lib.classroom.exercise import BugHunt, Exercise, Trial, joined
from course_lib.classroom.guarding import WrongAnswerError
from course_lib.networks.vae import Posterior

# --- 08.1 the bound ---------------------------------------------------------------------------------------------------


def elbo(vae, x, eps):
    mean, log_var = vae.encode(x)
    z = mean + (0.5 * log_var).exp() * eps
    off = (x - vae.decode(z)) / vae.log_sigma.exp()
    log_likelihood = -0.5 * off**2 - vae.log_sigma - 0.5 * math.log(2 * math.pi)
    divergence = 0.5 * (mean**2 + log_var.exp() - 1 - log_var)
    return log_likelihood.flatten(1).sum(dim=1) - divergence.sum(dim=1)


def _z(posterior, eps) -> Tensor:
    return posterior.mean + (0.5 * posterior.log_var).exp() * eps


def _off(vae, x, z) -> Tensor:
    """How far x is from its mean, (B, n)."""
    return (x - vae.decode(z)).flatten(1)


def _nats(vae, x, z) -> Tensor:
    """The log-likelihood of every number of x, (B, n)."""
    off = _off(vae, x, z)
    return -0.5 * (off / vae.log_sigma.exp()) ** 2 - vae.log_sigma - 0.5 * math.log(2 * math.pi)


def _divergences(posterior) -> Tensor:
    """Of every number of the latent, (B, D)."""
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var)


def bound_with_averaged_divergence(vae, x, eps):
    """The divergence is averaged over the latent's numbers: add them up, or it counts too little and the bound is none."""
    posterior = vae.encode(x)
    return _nats(vae, x, _z(posterior, eps)).sum(dim=1) - _divergences(posterior).mean(dim=1)


def bound_with_averaged_likelihood(vae, x, eps):
    """The log-likelihood is averaged over the numbers of x: the probability of them all is a product, so add its logs up."""
    posterior = vae.encode(x)
    return _nats(vae, x, _z(posterior, eps)).mean(dim=1) - _divergences(posterior).sum(dim=1)


def bound_of_averages(vae, x, eps):
    """Both terms are averaged, over different numbers of numbers: the bound is that of their sums."""
    posterior = vae.encode(x)
    return _nats(vae, x, _z(posterior, eps)).mean(dim=1) - _divergences(posterior).mean(dim=1)


def bound_without_log_sigma(vae, x, eps):
    """-log σ is missing. Without it the bound would rise for ever as σ grows, and no error would count."""
    posterior = vae.encode(x)
    return (_nats(vae, x, _z(posterior, eps)) + vae.log_sigma).sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_with_one_log_sigma(vae, x, eps):
    """log σ and ½ log 2π are taken off once for each row: every number of x has a density of its own, so take them off
    before you add up.
    """
    posterior = vae.encode(x)
    off = _off(vae, x, _z(posterior, eps)) / vae.log_sigma.exp()
    constants = vae.log_sigma + 0.5 * math.log(2 * math.pi)
    return -0.5 * off.square().sum(dim=1) - constants - _divergences(posterior).sum(dim=1)


def bound_with_plus_log_sigma(vae, x, eps):
    """log σ has the wrong sign: the wider a Gaussian, the lower its density."""
    posterior = vae.encode(x)
    return (_nats(vae, x, _z(posterior, eps)) + 2 * vae.log_sigma).sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_without_two_pi(vae, x, eps):
    """½ log 2π is missing. It moves no weight, but without it these are not the nats of a density."""
    posterior = vae.encode(x)
    nats = _nats(vae, x, _z(posterior, eps)) + 0.5 * math.log(2 * math.pi)
    return nats.sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_with_a_whole_two_pi(vae, x, eps):
    """log 2π stands there without its ½, which comes from a root: the density is divided by σ√(2π)."""
    posterior = vae.encode(x)
    nats = _nats(vae, x, _z(posterior, eps)) - 0.5 * math.log(2 * math.pi)
    return nats.sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_without_constants(vae, x, eps):
    """The squared error is right, but -log σ - ½ log 2π is missing for every number of x."""
    posterior = vae.encode(x)
    off = _off(vae, x, _z(posterior, eps)) / vae.log_sigma.exp()
    return -0.5 * off.square().sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_of_squared_errors(vae, x, eps):
    """This is a squared error, as if there were no σ. Take the logarithm of the Gaussian's density."""
    posterior = vae.encode(x)
    return -_off(vae, x, _z(posterior, eps)).square().sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_without_half_the_square(vae, x, eps):
    """The squared error lacks its ½: it is divided by 2σ²."""
    posterior = vae.encode(x)
    z = _z(posterior, eps)
    off = _off(vae, x, z) / vae.log_sigma.exp()
    return (_nats(vae, x, z) - 0.5 * off.square()).sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_with_deviation_for_variance(vae, x, eps):
    """The squared error is divided by 2σ: divide it by 2σ², or the error by σ before you square it."""
    posterior = vae.encode(x)
    off = _off(vae, x, _z(posterior, eps))
    nats = -0.5 * off**2 / vae.log_sigma.exp() - vae.log_sigma - 0.5 * math.log(2 * math.pi)
    return nats.sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_with_log_sigma_for_sigma(vae, x, eps):
    """The error is divided by log σ: σ itself is vae.log_sigma.exp()."""
    posterior = vae.encode(x)
    off = _off(vae, x, _z(posterior, eps)) / vae.log_sigma
    nats = -0.5 * off**2 - vae.log_sigma - 0.5 * math.log(2 * math.pi)
    return nats.sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_drawn_with_variance(vae, x, eps):
    """eps is multiplied by the variance: the deviation is exp(log_var / 2)."""
    posterior = vae.encode(x)
    z = posterior.mean + posterior.log_var.exp() * eps
    return _nats(vae, x, z).sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_drawn_with_log_var(vae, x, eps):
    """eps is multiplied by log_var itself: the deviation is exp(log_var / 2)."""
    posterior = vae.encode(x)
    z = posterior.mean + posterior.log_var * eps
    return _nats(vae, x, z).sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_drawn_with_the_decoders_sigma(vae, x, eps):
    """eps is multiplied by the deviation of x: z has one of its own, exp(log_var / 2), for each of its numbers."""
    posterior = vae.encode(x)
    z = posterior.mean + vae.log_sigma.exp() * eps
    return _nats(vae, x, z).sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_at_the_mean(vae, x, eps):
    """The mean is decoded: the bound's expectation is over draws, z = mean + exp(log_var / 2) · eps."""
    posterior = vae.encode(x)
    return _nats(vae, x, posterior.mean).sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_at_the_noise(vae, x, eps):
    """eps is decoded, which knows nothing of x: z = mean + exp(log_var / 2) · eps."""
    return _nats(vae, x, eps).sum(dim=1) - _divergences(vae.encode(x)).sum(dim=1)


def bound_with_divergence_added(vae, x, eps):
    """The divergence is added: it is what the latent costs, so take it off."""
    posterior = vae.encode(x)
    return _nats(vae, x, _z(posterior, eps)).sum(dim=1) + _divergences(posterior).sum(dim=1)


def bound_without_divergence(vae, x, eps):
    """The divergence is missing, and the log-likelihood alone is no bound: its z was drawn by somebody who saw x."""
    return _nats(vae, x, _z(vae.encode(x), eps)).sum(dim=1)


def bound_without_half_the_divergence(vae, x, eps):
    """The divergence lacks its ½, which stands in front of all four terms."""
    posterior = vae.encode(x)
    return _nats(vae, x, _z(posterior, eps)).sum(dim=1) - 2 * _divergences(posterior).sum(dim=1)


def bound_with_mean_and_log_var_swapped(vae, x, eps):
    """The encoder's two answers are swapped: mean, log_var = vae.encode(x)."""
    log_var, mean = vae.encode(x)
    posterior = Posterior(mean, log_var)
    return _nats(vae, x, _z(posterior, eps)).sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_as_a_loss(vae, x, eps):
    """This is the loss, which falls. The bound has the other sign: it is raised."""
    posterior = vae.encode(x)
    return _divergences(posterior).sum(dim=1) - _nats(vae, x, _z(posterior, eps)).sum(dim=1)


def bound_stopped_at_z(vae, x, eps):
    """The bound is right, but no gradient passes through z: the encoder would hear from the divergence alone, and never
    learn what the decoder needs.
    """
    posterior = vae.encode(x)
    return _nats(vae, x, _z(posterior, eps).detach()).sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_stopped_at_the_divergence(vae, x, eps):
    """The bound is right, but no gradient passes through the divergence: nothing would hold the latents at N(0, I)."""
    posterior = vae.encode(x)
    return _nats(vae, x, _z(posterior, eps)).sum(dim=1) - _divergences(posterior).sum(dim=1).detach()


def bound_without_gradients(vae, x, eps):
    """The bound is right, but no gradient reaches any weight: no detach, no_grad or NumPy here, since it is trained on."""
    with torch.no_grad():
        posterior = vae.encode(x)
        return _nats(vae, x, _z(posterior, eps)).sum(dim=1) - _divergences(posterior).sum(dim=1)


def bound_with_a_fixed_sigma(vae, x, eps):
    """The bound is right, but log_sigma gets no gradient and would never be learned: no float(), item() or detach()."""
    posterior = vae.encode(x)
    off, log_sigma = _off(vae, x, _z(posterior, eps)), vae.log_sigma.item()
    nats = -0.5 * (off / math.exp(log_sigma)) ** 2 - log_sigma - 0.5 * math.log(2 * math.pi)
    return nats.sum(dim=1) - _divergences(posterior).sum(dim=1)


class _SmallVAE(nn.Module):
    """One layer each way, for rows of any shape."""

    def __init__(self, shape: tuple[int, ...], latent: int, log_sigma: float, seed: int) -> None:
        super().__init__()
        generator, size = seeded(seed), math.prod(shape)
        self.shape = shape
        self.to_posterior = nn.Parameter(torch.randn(size, 2 * latent, generator=generator) / size**0.5)
        self.to_x = nn.Parameter(torch.randn(latent, size, generator=generator))
        self.log_sigma = nn.Parameter(torch.tensor(log_sigma))

    def encode(self, x: Tensor) -> Posterior:
        return Posterior(*(x.flatten(1) @ self.to_posterior).chunk(2, dim=1))

    def decode(self, z: Tensor) -> Tensor:
        return (z @ self.to_x).tanh().unflatten(1, self.shape)


def _gradients(result: Tensor, on: list[Tensor]) -> list[Tensor]:
    """Of a result on some tensors; 0 where there is none."""
    found = [None] * len(on)
    if result.requires_grad:
        try:
            found = torch.autograd.grad(result, on, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            in_place = "inplace" in str(error)
            raise WrongAnswerError(
                "What comes back has no gradient: a tensor that it was computed from was changed in place, by +=, mul_ or the "
                "like. Make a new one instead."
                if in_place
                else f"What comes back cannot be differentiated: {str(error).splitlines()[0][:120]}"
            ) from None
    return [torch.zeros_like(tensor) if by is None else by for by, tensor in zip(found, on, strict=True)]


def _with_gradients(net: nn.Module) -> nn.Module:
    """A network whose weights hold a gradient already, as in the middle of a training."""
    for weight in net.parameters():
        weight.grad = torch.ones_like(weight)
    return net


def _require_gradients_left(net: nn.Module) -> None:
    if not all(weight.grad is not None and (weight.grad == 1).all() for weight in net.parameters()):
        raise WrongAnswerError(
            "Your function changes the gradients in the network's weights: backward() adds to them and zero_grad() wipes them "
            "out, and both are the training's work. torch.autograd.grad returns a gradient, and puts none anywhere."
        )


def _bounds(elbo, shape, latent, log_sigma, rows=5) -> tuple[Tensor, _SmallVAE]:
    vae, generator = _with_gradients(_SmallVAE(shape, latent, log_sigma, 81)), seeded(82)
    x, eps = torch.randn(rows, *shape, generator=generator), torch.randn(rows, latent, generator=generator)
    return elbo(vae, x, eps), vae


def _gradients_of_bounds(elbo, *names) -> Tensor:
    """Of the bounds' sum, on some of the weights; 0 where there is none."""
    bounds, vae = _bounds(elbo, (1, 3, 4), 3, -0.4)
    _require_gradients_left(vae)
    return joined(_gradients(bounds.sum(), [getattr(vae, name) for name in names]))


BOUND = Exercise(
    id="08.1",
    title="The bound that a VAE raises",
    points=3,
    solution=elbo,
    why="How well x is explained, minus what the latent costs, both in nats. Both are sums: an average in either place would "
    "weigh the two against each other by how many numbers they have, and the bound would be none.",
    hints=(
        "Four steps: encode x, draw z, see how probable x is around `vae.decode(z)`, take off the divergence.",
        r"The logarithm of a Gaussian's density at one number is "
        r"$-\frac{(x-\mu)^2}{2\sigma^2} - \log\sigma - \frac12\log 2\pi$, and `vae.log_sigma` is $\log\sigma$ already.",
        "`.flatten(1).sum(dim=1)` adds up all numbers of each row, whatever the shape of x. The divergence, "
        "`0.5 * (mean**2 + log_var.exp() - 1 - log_var)`, is added up over the latent's numbers, too, by `.sum(dim=1)`.",
    ),
    trials=(
        Trial(
            lambda elbo: _bounds(elbo, (2,), 3, -0.5)[0],
            "The bounds of five points do not come out right.",
            tolerance=1e-4,
        ),
        Trial(
            lambda elbo: joined((_bounds(elbo, (1, 4, 4), 2, -0.5)[0], _bounds(elbo, (3, 2, 3), 4, -0.5, 2)[0])),
            "It comes out right for points, (B, 2), but not for pictures, (B, C, H, W).",
            tolerance=1e-4,
        ),
        Trial(
            lambda elbo: joined(_bounds(elbo, (2,), 3, log_sigma)[0] for log_sigma in (-1.5, 0.0, 1.2)),
            "It comes out right for one σ, but not for others.",
            tolerance=1e-4,
        ),
        Trial(
            lambda elbo: _gradients_of_bounds(elbo, "to_posterior"),
            "The bounds come out right, but their gradient on the encoder's weights does not: it passes through z and "
            "through the divergence.",
            tolerance=1e-3,
        ),
        Trial(
            lambda elbo: _gradients_of_bounds(elbo, "to_x", "log_sigma"),
            "The bounds come out right, but their gradients on the decoder's weights and on log_sigma do not.",
            tolerance=1e-3,
        ),
    ),
    mistakes=(
        bound_with_averaged_divergence,
        bound_with_averaged_likelihood,
        bound_of_averages,
        bound_without_log_sigma,
        bound_with_one_log_sigma,
        bound_with_plus_log_sigma,
        bound_without_two_pi,
        bound_with_a_whole_two_pi,
        bound_without_constants,
        bound_of_squared_errors,
        bound_without_half_the_square,
        bound_with_deviation_for_variance,
        bound_with_log_sigma_for_sigma,
        bound_drawn_with_variance,
        bound_drawn_with_log_var,
        bound_drawn_with_the_decoders_sigma,
        bound_at_the_mean,
        bound_at_the_noise,
        bound_with_divergence_added,
        bound_without_divergence,
        bound_without_half_the_divergence,
        bound_with_mean_and_log_var_swapped,
        bound_as_a_loss,
        bound_stopped_at_z,
        bound_stopped_at_the_divergence,
        bound_without_gradients,
        bound_with_a_fixed_sigma,
    ),
    forbidden=(variational.elbo, variational.gaussian_log_likelihood),
)

# --- 08.2 the losses of a GAN -----------------------------------------------------------------------------------------


def losses(real, drawn):
    loss_D = F.softplus(drawn - real).mean()
    loss_G = F.softplus(real - drawn).mean()
    return loss_D, loss_G


def losses_swapped(real, drawn):
    """The two are swapped: D, whose loss comes first, wants the real picture's score above the drawn one's."""
    return F.softplus(real - drawn).mean(), F.softplus(drawn - real).mean()


def losses_the_same(real, drawn):
    """Both want the same. It is a game: what one wins the other loses, so G's difference has the other sign."""
    loss = F.softplus(drawn - real).mean()
    return loss, loss.clone()


def losses_that_sum_to_zero(real, drawn):
    """G's loss is minus D's, which leaves G without a gradient as soon as D wins: turn the difference round inside."""
    loss = F.softplus(drawn - real).mean()
    return loss, -loss


def losses_of_minus_softplus(real, drawn):
    """The losses fall where they should rise: a minus in front of softplus turns round who wins."""
    return -F.softplus(real - drawn).mean(), -F.softplus(drawn - real).mean()


def losses_non_saturating(real, drawn):
    """These are the losses of 2014, in which each score stands alone: here a real and a drawn picture are compared, so
    take softplus of the difference of their scores.
    """
    return F.softplus(-real).mean() + F.softplus(drawn).mean(), F.softplus(-drawn).mean()


def losses_hinge(real, drawn):
    """These are the hinge losses: take softplus of the difference of a real and a drawn score."""
    return F.relu(1 - real).mean() + F.relu(1 + drawn).mean(), -drawn.mean()


def losses_of_wasserstein(real, drawn):
    """These are the differences alone, as in a Wasserstein GAN: softplus of them is missing."""
    return (drawn - real).mean(), (real - drawn).mean()


def losses_with_relu(real, drawn):
    """relu stands where softplus belongs: it has no gradient at all for pairs that are told apart already."""
    return F.relu(drawn - real).mean(), F.relu(real - drawn).mean()


def losses_summed(real, drawn):
    """The losses are added up over the batch: take their mean."""
    return F.softplus(drawn - real).sum(), F.softplus(real - drawn).sum()


def losses_of_means(real, drawn):
    """The scores are averaged before softplus: compare each real picture with its drawn one, and take the mean then."""
    return F.softplus(drawn.mean() - real.mean()), F.softplus(real.mean() - drawn.mean())


def losses_of_all_pairs(real, drawn):
    """Every real picture is compared with every drawn one: compare row k with row k."""
    difference = drawn[:, None] - real
    return F.softplus(difference).mean(), F.softplus(-difference).mean()


def losses_against_the_average(real, drawn):
    """Each score is compared with the mean of the other side, as in the relativistic average GAN: compare row with row."""
    loss_D = F.softplus(drawn.mean() - real).mean() + F.softplus(drawn - real.mean()).mean()
    loss_G = F.softplus(real.mean() - drawn).mean() + F.softplus(real - drawn.mean()).mean()
    return loss_D, loss_G


def losses_of_sigmoids(real, drawn):
    """These are probabilities, and no losses yet: -log of the sigmoid is what softplus is, with the sign turned round."""
    return torch.sigmoid(drawn - real).mean(), torch.sigmoid(real - drawn).mean()


def losses_of_differing_sigmoids(real, drawn):
    """Each score goes through a sigmoid before they are compared: take the difference of the scores themselves."""
    difference = drawn.sigmoid() - real.sigmoid()
    return F.softplus(difference).mean(), F.softplus(-difference).mean()


def losses_by_naive_logarithms(real, drawn):
    """It comes out right until scores are far apart: there exp overflows, or the sigmoid becomes 0, and the loss is
    infinite. softplus, logsigmoid and logaddexp never compute exp of a large number.
    """
    return -(real - drawn).sigmoid().log().mean(), -(drawn - real).sigmoid().log().mean()


def losses_by_capped_logarithms(real, drawn):
    """It comes out right until scores are far apart: binary_cross_entropy caps the logarithm of a sigmoid at -100. Hand
    the scores to binary_cross_entropy_with_logits, or take softplus.
    """
    ones = torch.ones_like(real)
    entropy = torch.nn.functional.binary_cross_entropy
    return entropy((real - drawn).sigmoid(), ones), entropy((drawn - real).sigmoid(), ones)


def losses_of_a_detached_judge(real, drawn):
    """D's loss comes out right, but it is detached from the drawn pictures' scores, and these are D's own work: it is the
    pictures that are detached, before D sees them.
    """
    return F.softplus(drawn.detach() - real).mean(), F.softplus(real - drawn).mean()


def losses_of_a_detached_generator(real, drawn):
    """G's loss comes out right, but no gradient reaches the drawn pictures' scores, from which alone G can learn."""
    return F.softplus(drawn - real).mean(), F.softplus(real - drawn.detach()).mean()


def losses_without_gradients(real, drawn):
    """The losses come out right, but nothing can be learned from them: use no detach, no_grad, item or NumPy here."""
    return F.softplus(drawn - real).mean().detach(), F.softplus(real - drawn).mean().detach()


def _both(losses, real, drawn) -> list[Tensor]:
    both = list(losses(real, drawn))
    if len(both) != 2:
        raise WrongAnswerError(f"Return two losses, D's and then G's: your tuple holds {len(both)}.")
    for loss in both:
        if loss.shape != ():
            raise WrongAnswerError(
                f"Each loss should be a single number, of shape (), but one has shape {tuple(loss.shape)}: "
                "take the mean over the batch."
            )
        if loss.dtype != real.dtype:
            raise WrongAnswerError(
                f"The dtype of each loss should be {real.dtype}, but one has {loss.dtype}: convert with .to(…)."
            )
    return both


def _scores(seed: int, rows: int = 6, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    return tuple(scale * torch.randn(2, rows, generator=seeded(seed)))


_NEAR = torch.tensor([[6.0, -4.0, 9.0, 0.0], [-1.0, 7.0, 1.0, 12.0]])
"""Scores 7 to 12 apart, where a softplus that gives up too early is seen."""

_FAR = 200 * torch.tensor([[1.0, -1.0, 1.0, 0.0], [-1.0, 1.0, 0.99, 1.0]])
"""Scores of real and of drawn pictures, up to 400 apart, and none alike: there max and abs have no gradient."""


def _slopes(losses, real, drawn) -> Tensor:
    """The gradients that are needed: of D's loss on all scores, of G's on those of what it has drawn; 0 for none."""
    real, drawn = (each.clone().requires_grad_() for each in (real, drawn))
    loss_D, loss_G = _both(losses, real, drawn)
    if real.grad is not None or drawn.grad is not None:
        raise WrongAnswerError("Your function calls backward(), which is the training's work: only return the losses.")
    found = []
    for loss, scores in ((loss_D, (real, drawn)), (loss_G, (drawn,))):
        found += _gradients(loss, list(scores))
    return joined(found)


LOSSES = Exercise(
    id="08.2",
    title="The two losses of a GAN",
    points=2,
    solution=losses,
    why="Only the difference of two scores counts, so D cannot win by giving everything a high score, nor by throwing out "
    "the drawn pictures alone. F.softplus(-a) is -log sigmoid(a), and stays a number for any a.",
    hints=(
        "D wants `real` above `drawn`, and G wants the opposite. What is small if `real - drawn` is large?",
        "`F.softplus(a)` is nearly 0 for a far below 0, and nearly a for a far above it.",
        "D's loss is `F.softplus(drawn - real).mean()`. G's is the same with the two scores swapped.",
    ),
    trials=(
        Trial(
            lambda losses: joined(_both(losses, *_scores(83))),
            "The losses of six pairs of scores do not come out right.",
        ),
        Trial(
            lambda losses: joined([*_both(losses, *_scores(84, 1)), *_both(losses, *_scores(85, 40, 0.5))]),
            "It comes out right for six pairs, but not for one pair or for forty.",
        ),
        Trial(
            lambda losses: joined(_both(losses, *_FAR)),
            "It comes out right for small scores, but not where they are ±200: exp overflows there, and a sigmoid is rounded "
            "to 0 or 1. softplus, logsigmoid and logaddexp know how to avoid both.",
        ),
        Trial(
            lambda losses: _slopes(losses, *_scores(86)),
            "The losses come out right, but their gradients on the scores do not.",
        ),
        Trial(
            lambda losses: _slopes(losses, *_FAR),
            "The losses come out right, but where scores are ±200 their gradients do not.",
        ),
        Trial(
            lambda losses: joined(_both(losses, *_NEAR)),
            "It comes out right for small scores and for large ones, but not where they are 7 to 12 apart.",
            tolerance=1e-6,
        ),
    ),
    mistakes=(
        losses_swapped,
        losses_the_same,
        losses_that_sum_to_zero,
        losses_of_minus_softplus,
        losses_non_saturating,
        losses_hinge,
        losses_of_wasserstein,
        losses_with_relu,
        losses_summed,
        losses_of_means,
        losses_of_all_pairs,
        losses_against_the_average,
        losses_of_sigmoids,
        losses_of_differing_sigmoids,
        losses_by_naive_logarithms,
        losses_by_capped_logarithms,
        losses_of_a_detached_judge,
        losses_of_a_detached_generator,
        losses_without_gradients,
    ),
    forbidden=(*adversarial.RELATIVISTIC,),
)

# --- 08.3 R1 ----------------------------------------------------------------------------------------------------------


def steepness(D, x):
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return slope.square().flatten(1).sum(dim=1).mean()


def _slope(D, x, score=lambda scores: scores.sum()) -> Tensor:
    """The gradient of a number made of the scores on each row, (B, n)."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(score(D(x)), x, create_graph=True)[0].flatten(1)


def steepness_once_and_for_all(D, x):
    """The number is right, but D cannot learn from it: a gradient is part of the loss, so it has to be differentiated once
    more. Ask for that with create_graph=True, and detach nothing after it.
    """
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(D(x).sum(), x)
    return slope.square().flatten(1).sum(dim=1).mean()


def steepness_of_the_mean_score(D, x):
    """This is the gradient of the mean score, which holds 1/B of each row's own: take that of the scores' sum."""
    return _slope(D, x, lambda scores: scores.mean()).square().sum(dim=1).mean()


def steepness_of_each_number(D, x):
    """The squares are averaged over the numbers of a row: a squared length is their sum."""
    return _slope(D, x).square().mean()


def steepness_not_squared(D, x):
    """This is the mean length: square it. Near 0 a square has a gradient that vanishes, and a length has not."""
    return _slope(D, x).norm(dim=1).mean()


def steepness_squared_at_the_end(D, x):
    """The mean length is squared: square every row's length, and take the mean of these."""
    return _slope(D, x).norm(dim=1).mean().square()


def steepness_summed(D, x):
    """The squared lengths are added up over the batch: take their mean."""
    return _slope(D, x).square().sum()


def steepness_towards_one(D, x):
    """This holds the length at 1, as WGAN-GP does. R1 asks for a flat D: the mean of the squared lengths themselves."""
    return (_slope(D, x).norm(dim=1) - 1).square().mean()


def steepness_of_the_mean_slope(D, x):
    """The rows' gradients are averaged first, and those of opposite directions cancel: measure each row's, then average."""
    return _slope(D, x).mean(dim=0).square().sum()


def steepness_by_the_weights(D, x):
    """This is the gradient on D's weights: how steep D is says the one on its input, x."""
    slopes = torch.autograd.grad(D(x).sum(), list(D.parameters()), create_graph=True)
    return sum(slope.square().sum() for slope in slopes)


def steepness_of_absolute_values(D, x):
    """Absolute values are added up: a squared length is the sum of the squares."""
    return _slope(D, x).abs().sum(dim=1).mean()


def steepness_of_sums(D, x):
    """The numbers of each gradient are added up before they are squared, and cancel each other: square first."""
    return _slope(D, x).sum(dim=1).square().mean()


def steepness_at_its_worst(D, x):
    """This is the steepest row: take the mean over the rows."""
    return _slope(D, x).square().sum(dim=1).max()


def steepness_halved(D, x):
    """This is half of it: the ½ belongs to γ/2, which the loss puts in front."""
    return 0.5 * _slope(D, x).square().sum(dim=1).mean()


def steepness_of_probabilities(D, x):
    """This is the gradient of sigmoid(score), which is flat wherever D is sure: take that of the score itself."""
    return _slope(D, x, lambda scores: scores.sigmoid().sum()).square().sum(dim=1).mean()


def steepness_of_the_loss(D, x):
    """This is the gradient of softplus(-score), a loss: take that of the score itself."""
    return _slope(D, x, lambda scores: F.softplus(-scores).sum()).square().sum(dim=1).mean()


def steepness_by_way_of_a_root(D, x):
    """It comes out right, but by way of lengths, whose root has no gradient where a slope is 0: there D's weights would become
    nan. Add up the squares, and take no root of them.
    """
    return _slope(D, x).square().sum(dim=1).sqrt().square().mean()


class _Judge(nn.Module):
    """A score with a slope and, unless it is flat, a curvature: a row of x, of any shape, by itself."""

    def __init__(self, size: int, curvature: float, seed: int) -> None:
        super().__init__()
        generator = seeded(seed)
        self.slope = nn.Parameter(torch.randn(size, generator=generator))
        self.curve = nn.Parameter(curvature * torch.randn(size, 3, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(1)
        return rows @ self.slope + (rows @ self.curve).square().sum(dim=1)


def _steep(steepness, *shape, curvature=1.0, seed=87) -> tuple[Tensor, _Judge, Tensor]:
    D = _Judge(math.prod(shape[1:]), curvature, seed)
    x = torch.randn(shape, generator=seeded(88))
    return steepness(_with_gradients(D), x), D, x


def _learned(steepness) -> Tensor:
    """The gradient of the steepness on D's weights; 0 for none."""
    found, D, _ = _steep(steepness, 4, 1, 2, 3, curvature=0.4)
    return joined(_gradients(found, list(D.parameters())))


class _FlatBelow(nn.Module):
    """A score that is flat for rows of small numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(1 + torch.rand(3, generator=seeded(89)))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x @ self.slope - 1)


def _learned_where_flat(steepness) -> Tensor:
    D = _FlatBelow()
    slopes = _gradients(steepness(D, torch.tensor([[0.0, 0.1, 0.0], [1.0, 2.0, 1.0]])), list(D.parameters()))
    return joined(slopes).nan_to_num(nan=-1.0)


def _left_alone(steepness) -> Tensor:
    found, D, x = _steep(steepness, 3, 2)
    if x.requires_grad:
        raise WrongAnswerError(
            "Your function switches gradients on in the x that it is handed, and there they stay on: "
            "x.detach().requires_grad_() is a tensor of your own, with the same numbers."
        )
    _require_gradients_left(D)
    return found


R1 = Exercise(
    id="08.3",
    title="R1: how steep is the discriminator?",
    points=3,
    solution=steepness,
    why="No score depends on another row, so the gradient of the scores' sum holds each row's own. With create_graph=True it "
    "is a result like any other: D's training differentiates it once more.",
    hints=(
        "You need the gradient of D's scores, but on x and not on the weights. So x has to ask for one.",
        "`x = x.detach().requires_grad_()` is a tensor of your own. `torch.autograd.grad(D(x).sum(), x)` returns a tuple with "
        "each row's gradient in it: why may you take the sum?",
        "With `create_graph=True` the gradient can be differentiated again. Then `.square().flatten(1).sum(dim=1).mean()`.",
    ),
    trials=(
        Trial(
            lambda steepness: _steep(steepness, 5, 3, curvature=0.0)[0],
            "Where D is linear, its squared slope is the same everywhere, and yours is another.",
            tolerance=1e-4,
        ),
        Trial(
            lambda steepness: _steep(steepness, 5, 3)[0],
            "It comes out right where D is linear, but not where its slope changes from row to row.",
            tolerance=1e-4,
        ),
        Trial(
            lambda steepness: joined(
                (_steep(steepness, 4, 1, 3, 3)[0], _steep(steepness, 2, 3, 2, 4, curvature=0.3)[0])
            ),
            "It comes out right for points, (B, 3), but not for pictures, (B, C, H, W).",
            tolerance=1e-4,
        ),
        Trial(
            _learned,
            "It comes out right, but its gradient on D's weights does not: D has to learn from it.",
            tolerance=1e-3,
        ),
        Trial(
            _learned_where_flat,
            "D learns from it, but not where a row's slope is 0: nothing may be divided there.",
            tolerance=1e-4,
        ),
        Trial(_left_alone, "It comes out right once, but not again.", tolerance=1e-4),
    ),
    mistakes=(
        steepness_once_and_for_all,
        steepness_of_the_mean_score,
        steepness_of_each_number,
        steepness_not_squared,
        steepness_squared_at_the_end,
        steepness_summed,
        steepness_towards_one,
        steepness_of_the_mean_slope,
        steepness_by_the_weights,
        steepness_of_absolute_values,
        steepness_of_sums,
        steepness_at_its_worst,
        steepness_halved,
        steepness_of_probabilities,
        steepness_of_the_loss,
        steepness_by_way_of_a_root,
    ),
    forbidden=(adversarial.gradient_penalty,),
)

# --- 08.4 precision and recall ----------------------------------------------------------------------------------------


def share_within(points, others, k):
    radius = torch.cdist(others, others).kthvalue(k + 1, dim=1).values  # each is its own nearest, at distance 0
    within = torch.cdist(points, others) <= radius
    return within.any(dim=1).double().mean().item()


def _radius(others, k) -> Tensor:
    return torch.cdist(others, others).kthvalue(k + 1, dim=1).values


def _share(within) -> float:
    return within.double().mean().item()


def share_with_oneself_a_neighbour(points, others, k):
    """Each of the others is counted as its own neighbour, the nearest of all: the k-th one is a place further."""
    radius = torch.cdist(others, others).kthvalue(k, dim=1).values
    return _share((torch.cdist(points, others) <= radius).any(dim=1))


def share_one_neighbour_too_far(points, others, k):
    """The balls reach one neighbour too far: leave each one itself out once, by position or by k + 1, and not twice."""
    radius = torch.cdist(others, others).kthvalue(k + 2, dim=1).values
    return _share((torch.cdist(points, others) <= radius).any(dim=1))


def share_in_own_balls(points, others, k):
    """The balls lie around the points: they lie around the others, whose own k-th neighbours say how large they are."""
    return _share((torch.cdist(points, others) <= _radius(points, k)[:, None]).any(dim=1))


def share_the_other_way_round(points, others, k):
    """The two sets are swapped: this is how many of the others lie in balls around the points."""
    return _share((torch.cdist(others, points) <= _radius(points, k)).any(dim=1))


def share_of_balls(points, others, k):
    """This is the share of the balls that hold a point: `any` goes over the wrong axis."""
    return _share((torch.cdist(points, others) <= _radius(others, k)).any(dim=0))


def share_in_all_balls(points, others, k):
    """A point would have to lie in all balls: one is enough."""
    return _share((torch.cdist(points, others) <= _radius(others, k)).all(dim=1))


def share_of_pairs(points, others, k):
    """This is the share of all pairs: a point counts once, however many balls it lies in."""
    return _share(torch.cdist(points, others) <= _radius(others, k))


def share_as_a_count(points, others, k):
    """This counts points: divide by how many there are."""
    return (torch.cdist(points, others) <= _radius(others, k)).any(dim=1).double().sum().item()


def share_by_the_others_number(points, others, k):
    """The count is divided by the number of the others: it is a share of the points."""
    return (torch.cdist(points, others) <= _radius(others, k)).any(dim=1).double().sum().item() / len(others)


def share_outside(points, others, k):
    """This is the share of points outside all balls."""
    return 1 - _share((torch.cdist(points, others) <= _radius(others, k)).any(dim=1))


def share_with_neighbours_from_both_sets(points, others, k):
    """Neighbours are looked for in both sets together: a ball's size is a matter of the others alone."""
    radius = torch.cdist(others, torch.cat([others, points])).kthvalue(k + 1, dim=1).values
    return _share((torch.cdist(points, others) <= radius).any(dim=1))


def share_with_points_for_neighbours(points, others, k):
    """The balls reach to the k-th of the points, so that every ball holds some: their neighbours are the others."""
    radius = torch.cdist(others, points).kthvalue(k, dim=1).values
    return _share((torch.cdist(points, others) <= radius).any(dim=1))


def share_with_the_farthest(points, others, k):
    """The balls reach to the k-th farthest of the others: sort from the nearest on."""
    radius = torch.cdist(others, others).topk(k, dim=1).values[:, -1]
    return _share((torch.cdist(points, others) <= radius).any(dim=1))


def share_with_a_common_radius(points, others, k):
    """All balls have the mean radius: each has its own, small where the others lie close together."""
    return _share((torch.cdist(points, others) <= _radius(others, k).mean()).any(dim=1))


def share_with_mean_distances(points, others, k):
    """The radius is the mean distance of the k nearest: it is that of the k-th."""
    nearest = torch.cdist(others, others).topk(k + 1, dim=1, largest=False).values[:, 1:]
    return _share((torch.cdist(points, others) <= nearest.mean(dim=1)).any(dim=1))


def share_strictly_within(points, others, k):
    """A point at the boundary counts, too: <=, not <. If all others lie in one place, their balls are nothing but it."""
    return _share((torch.cdist(points, others) < _radius(others, k)).any(dim=1))


def share_in_the_nearest_ball(points, others, k):
    """Only the ball around the nearest of the others is looked at: a point may lie outside it, and in a larger one."""
    distance, nearest = torch.cdist(points, others).min(dim=1)
    return _share(distance <= _radius(others, k)[nearest])


def share_of_squared_distances(points, others, k):
    """Squared distances are compared with radii: square both, or neither."""
    return _share((torch.cdist(points, others).square() <= _radius(others, k)).any(dim=1))


def share_without_all_zeros(points, others, k):
    """Whatever is at distance 0 is left out of the neighbours: that is right for each one itself, but two of the others
    may lie in the same place.
    """
    distance = torch.cdist(others, others)
    radius = distance.masked_fill(distance == 0, torch.inf).kthvalue(k, dim=1).values
    return _share((torch.cdist(points, others) <= radius).any(dim=1))


def _on_a_grid(count: int, dims: int, generator: torch.Generator) -> Tensor:
    """Different places, whose numbers are whole."""
    places = torch.randperm(15**dims, generator=generator)[:count]
    return torch.stack([places // 15**axis % 15 for axis in range(dims)], dim=1).float()


def _shares(share_within, sizes, k, dims=2, dtype=torch.float32, seed=91) -> Tensor:
    """Of sets that overlap in part, several times.

    The points lie a quarter off the others' grid, where squared distances are no whole numbers, and radii's are: so no
    point is at a boundary, where a rounding would decide, and torch.cdist rounds few rows otherwise than many.
    """
    generator, shares = seeded(seed), []
    for _ in range(6):
        points, others = (_on_a_grid(size, dims, generator).to(dtype) for size in sizes)
        shares.append(share_within(points + 5.25, others, k))
    return _told(shares)


def _on_a_line(share_within) -> Tensor:
    """Even numbers, whose distances are exact: many of the points lie at a boundary."""
    generator, shares = seeded(97), []
    for _ in range(6):
        points, others = _on_a_grid(15, 1, generator)[:9], 2 * _on_a_grid(5, 1, generator)
        shares.append(share_within(2 * points, others, 1))
    return _told(shares)


def _told(shares: list[float]) -> Tensor:
    return torch.tensor(shares, dtype=torch.float64)


def _in_one_place(share_within) -> Tensor:
    """The others all in one place, or in two: each ball is a place."""
    place, elsewhere = _on_a_grid(2, 3, seeded(92))
    one, two = place.repeat(8, 1), torch.cat([place.repeat(5, 1), elsewhere.repeat(6, 1)])
    half = torch.cat([place.repeat(3, 1), elsewhere.repeat(3, 1)])
    pairs = ((half, one), (two, one), (elsewhere.repeat(7, 1), one), (one, two), (half, two))
    return _told([share_within(points, others, 3) for points, others in pairs])


SHARE = Exercise(
    id="08.4",
    title="Precision and recall are one function",
    points=3,
    solution=share_within,
    why="The balls are where the others live: small where they are many, large where they are few. With drawn pictures as "
    "points this is precision, with real ones it is recall, and nothing else changes.",
    hints=(
        "Begin with the radii: how far is each of the others from all others? `torch.cdist(others, others)` is (M, M).",
        "In each of its rows the smallest distance is 0, to itself. `.kthvalue(k + 1, dim=1).values` is the k-th neighbour's.",
        "`torch.cdist(points, others) <= radius` is (N, M), a yes or no for each point and ball. "
        "`.any(dim=1)` asks for one ball, and the mean of that is the share; `.item()` makes it a float.",
    ),
    trials=(
        Trial(
            lambda share_within: _shares(share_within, (40, 12), 3),
            "The shares of 40 points in the balls of 12 others, with k = 3, do not come out right.",
        ),
        Trial(
            _in_one_place,
            "It comes out right for sets that are spread out, but not if all others lie in one place, or in two.",
        ),
        Trial(
            lambda share_within: joined(
                (
                    _shares(share_within, (15, 30), 1, seed=93),
                    _shares(share_within, (30, 9), 5, seed=94),
                    _shares(share_within, (20, 60), 2, dims=3, seed=95),
                )
            ),
            "It comes out right for k = 3 and two numbers a point, but not for others.",
        ),
        Trial(
            lambda share_within: _shares(share_within, (25, 12), 3, dtype=torch.float64, seed=96),
            "It comes out right in float32, but not in float64.",
        ),
        Trial(_on_a_line, "It comes out right but for points at a boundary, which count."),
    ),
    mistakes=(
        share_with_oneself_a_neighbour,
        share_one_neighbour_too_far,
        share_in_own_balls,
        share_the_other_way_round,
        share_of_balls,
        share_in_all_balls,
        share_of_pairs,
        share_as_a_count,
        share_by_the_others_number,
        share_outside,
        share_with_neighbours_from_both_sets,
        share_with_points_for_neighbours,
        share_with_the_farthest,
        share_with_a_common_radius,
        share_with_mean_distances,
        share_strictly_within,
        share_in_the_nearest_ball,
        share_of_squared_distances,
        share_without_all_zeros,
    ),
    forbidden=(metrics.precision_and_recall, metrics._share_within),
)

# --- 08.5 a great circle ----------------------------------------------------------------------------------------------


def great_circle(a, b, share):
    cosine = (a * b).sum() / (a.norm() * b.norm())
    angle = torch.arccos(cosine)
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)


def _angle(a, b) -> Tensor:
    return torch.arccos((a * b).sum() / (a.norm() * b.norm()))


def _turned(a, b, share, angle) -> Tensor:
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)


def circle_that_is_a_line(a, b, share):
    """This is the straight line, on which the latents halfway are too short. The weights of a and b are sines."""
    return (1 - share) * a + share * b


def circle_that_is_a_line_of_one_length(a, b, share):
    """This is the straight line, stretched to the right length: in the middle it runs faster than at the ends. The weights of
    a and b are sines.
    """
    line = (1 - share) * a + share * b
    return line / line.norm() * ((1 - share) * a.norm() + share * b.norm())


def circle_that_is_a_line_of_the_first_length(a, b, share):
    """This is the straight line, stretched to the length of a: at share 1 it is not b, and in the middle it runs faster than
    at the ends. The weights of a and b are sines.
    """
    line = (1 - share) * a + share * b
    return line / line.norm() * a.norm()


def circle_of_roots(a, b, share):
    """The weights are the roots of 1 - s and s: they suit latents at a right angle, and even there the turns are uneven. The
    weights of a and b are sines.
    """
    return (1 - share) ** 0.5 * a + share**0.5 * b


def circle_the_other_way(a, b, share):
    """a and b are swapped: share 0 gives a, and share 1 gives b."""
    return _turned(b, a, share, _angle(a, b))


def circle_by_the_cosine(a, b, share):
    """The cosine of the angle stands where the angle should: take its arccos."""
    return _turned(a, b, share, (a * b).sum() / (a.norm() * b.norm()))


def circle_in_degrees(a, b, share):
    """The angle is in degrees, and torch.sin wants radians: leave it as arccos gives it."""
    return _turned(a, b, share, torch.rad2deg(_angle(a, b)))


def circle_of_the_dot_product(a, b, share):
    """a · b is not divided by the lengths, so it is no cosine, and may be beyond 1, where arccos is nan."""
    return _turned(a, b, share, torch.arccos((a * b).sum()))


def circle_of_the_mean_product(a, b, share):
    """a · b is divided by D, as if both lengths were √D: divide by the lengths themselves."""
    return _turned(a, b, share, torch.arccos((a * b).mean()))


def circle_of_squared_lengths(a, b, share):
    """a · b is divided by the squared lengths: the cosine takes the lengths themselves."""
    return _turned(a, b, share, torch.arccos((a * b).sum() / ((a * a).sum() * (b * b).sum())))


def circle_not_divided(a, b, share):
    """The division by sin Ω is missing: without it, the ends are not a and b."""
    return torch.sin((1 - share) * _angle(a, b)) * a + torch.sin(share * _angle(a, b)) * b


def circle_half_divided(a, b, share):
    """Only the term with b is divided by sin Ω: the division is of the whole sum, so put the sum in brackets."""
    angle = _angle(a, b)
    return torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b / torch.sin(angle)


def circle_divided_by_the_angle(a, b, share):
    """The sum is divided by Ω: divide it by sin Ω."""
    return (torch.sin((1 - share) * _angle(a, b)) * a + torch.sin(share * _angle(a, b)) * b) / _angle(a, b)


def circle_of_cosines(a, b, share):
    """The weights are cosines: both are sines, of (1 - s) Ω and of s Ω."""
    angle = _angle(a, b)
    return (torch.cos((1 - share) * angle) * a + torch.cos(share * angle) * b) / torch.sin(angle)


def circle_of_a_quarter_turn(a, b, share):
    """The weights cos(s π/2) and sin(s π/2) are those of a right angle: between latents it is only nearly one."""
    return math.cos(share * math.pi / 2) * a + math.sin(share * math.pi / 2) * b


def circle_of_length_one(a, b, share):
    """Both are divided by their lengths, so every latent on the way has length 1: only the cosine needs that division."""
    return _turned(a / a.norm(), b / b.norm(), share, _angle(a, b))


def circle_of_the_first_length(a, b, share):
    """Every latent on the way has the length of a: at share 1 it should be b, with its own length."""
    return a.norm() * _turned(a / a.norm(), b / b.norm(), share, _angle(a, b))


def circle_of_mixed_lengths(a, b, share):
    """a and b are scaled to length 1, and the length is put back afterwards: the formula takes both as they are."""
    length = (1 - share) * a.norm() + share * b.norm()
    return length * _turned(a / a.norm(), b / b.norm(), share, _angle(a, b))


def circle_for_each_row(a, b, share):
    """Each row has an angle of its own: add up over all numbers, for a whole latent is one vector."""
    cosine = (a * b).sum(dim=-1, keepdim=True) / (a.norm(dim=-1, keepdim=True) * b.norm(dim=-1, keepdim=True))
    return _turned(a, b, share, torch.arccos(cosine))


def circle_for_each_channel(a, b, share):
    """Each channel has an angle of its own: add up over all numbers, for a whole latent is one vector."""
    axes = tuple(range(1, a.ndim)) or (0,)
    cosine = (a * b).sum(dim=axes, keepdim=True) / (a.norm(dim=axes, keepdim=True) * b.norm(dim=axes, keepdim=True))
    return _turned(a, b, share, torch.arccos(cosine))


def _nearly_parallel(great_circle) -> Tensor:
    """Halfway between latents a few degrees apart, and between some nearly opposite ones."""
    generator = seeded(84)
    a, other = torch.randn(2, 7, generator=generator, dtype=torch.float64)
    return torch.stack([great_circle(a, sign * a + 0.2 * other, 0.3) for sign in (1, -1)])


def _ways(great_circle, shape, shares=(0.25, 0.5, 0.9), lengths=(1.0, 1.0), dtype=torch.float32) -> Tensor:
    """A stop between two latents for each share."""
    generator, stops = seeded(83), []
    for share in shares:
        a, b = (length * torch.randn(shape, generator=generator, dtype=torch.float64) for length in lengths)
        stops.append(great_circle(a.to(dtype), b.to(dtype), share))
    return torch.stack(stops)


GREAT_CIRCLE = Exercise(
    id="08.5",
    title="From one latent to another, along a great circle",
    points=2,
    solution=great_circle,
    why="The two sines turn a towards b by that share of the angle. If both have one length, as noise of many numbers nearly "
    "has, everything on the way has it, too; and even steps of the share are even turns.",
    hints=(
        "First the angle: the dot product over all numbers, `(a * b).sum()`, divided by both lengths, is its cosine.",
        "`a.norm()` is the length of a latent of any shape, and `torch.arccos` turns a cosine into an angle, in radians.",
        "Then the two weights: `torch.sin((1 - share) * angle)` for a and `torch.sin(share * angle)` for b, both divided by "
        "`torch.sin(angle)`.",
    ),
    trials=(
        Trial(
            lambda great_circle: _ways(great_circle, (6,), lengths=(0.6, 0.4)),
            "Latents of six numbers do not come out right.",
            tolerance=1e-4,
        ),
        Trial(
            lambda great_circle: _ways(great_circle, (5,), shares=(0.0, 1.0)),
            "It comes out right on the way, but at share 0 it should be a, and at share 1 b.",
            tolerance=1e-4,
        ),
        Trial(
            lambda great_circle: _ways(great_circle, (5,), lengths=(3.0, 0.5)),
            "It comes out right for some lengths, but not for others.",
            tolerance=1e-4,
        ),
        Trial(
            lambda great_circle: _ways(great_circle, (3, 4, 5)),
            "It comes out right for vectors, (D,), but not for latents that are pictures, (C, H, W).",
            tolerance=1e-4,
        ),
        Trial(
            _nearly_parallel,
            "It comes out right for latents at a wide angle, but not for nearly parallel or nearly opposite ones.",
            tolerance=1e-6,
        ),
        Trial(
            lambda great_circle: _ways(great_circle, (6,), dtype=torch.float64),
            "It comes out right in float32, but not in float64.",
            tolerance=1e-6,
        ),
    ),
    mistakes=(
        circle_that_is_a_line,
        circle_that_is_a_line_of_one_length,
        circle_that_is_a_line_of_the_first_length,
        circle_of_roots,
        circle_the_other_way,
        circle_by_the_cosine,
        circle_in_degrees,
        circle_of_the_dot_product,
        circle_of_the_mean_product,
        circle_of_squared_lengths,
        circle_not_divided,
        circle_half_divided,
        circle_divided_by_the_angle,
        circle_of_cosines,
        circle_of_a_quarter_turn,
        circle_of_length_one,
        circle_of_the_first_length,
        circle_of_mixed_lengths,
        circle_for_each_row,
        circle_for_each_channel,
    ),
    on_device=True,
)

# --- 08.6 bug hunt ----------------------------------------------------------------------------------------------------


def discriminator_step(D, G, optimizer, x, z):
    drawn = G(z)
    loss = F.softplus(D(drawn) - D(x)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def step_with_detached_pictures(D, G, optimizer, x, z):
    """What G draws is detached only afterwards, so its own output may well ask for gradients: look at G's weights."""
    drawn = G(z).detach()
    loss = F.softplus(D(drawn) - D(x)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def step_that_draws_without_gradients(D, G, optimizer, x, z):
    with torch.no_grad():
        drawn = G(z)
    loss = F.softplus(D(drawn) - D(x)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def step_by_gradients_of_D_alone(D, G, optimizer, x, z):
    """It asks for the gradients on D's weights alone, so what D sees may well lead back to G: look at G's weights."""
    loss = F.softplus(D(G(z)) - D(x)).mean()
    optimizer.zero_grad()
    weights = [weight for weight in D.parameters() if weight.requires_grad]
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights, allow_unused=True), strict=True):
        weight.grad = slope
    optimizer.step()
    return loss.item()


def find_the_bug(discriminator_step):
    D, G = nn.Linear(2, 1), nn.Linear(4, 2)
    optimizer = torch.optim.SGD(D.parameters(), lr=0.1)
    discriminator_step(D, G, optimizer, torch.randn(8, 2), torch.randn(8, 4))
    assert all(weight.grad is None for weight in G.parameters()), "D's step should leave no gradient in G's weights"


WRONG_LOSS = BugHunt(
    id="08.6",
    title="Bug hunt: a generator that learns from the wrong loss",
    points=1,
    broken=discriminator_step,
    correct=(step_with_detached_pictures, step_that_draws_without_gradients, step_by_gradients_of_D_alone),
    solution=find_the_bug,
    why="backward() follows the drawn pictures into G, and leaves a gradient of D's loss there. G's optimiser would add it to "
    "that of G's own loss, and the two pull in opposite directions.",
    hints=(
        "Which weights does this step change, and into which ones does `loss.backward()` write a gradient?",
        "Two linear layers are enough: `nn.Linear(2, 1)` for D, `nn.Linear(4, 2)` for G.",
        "After one step, what is `weight.grad` for the weights in `G.parameters()`, and what should it be?",
    ),
)

# --- 08.7 bug hunt ----------------------------------------------------------------------------------------------------


def update_average(ema, net, decay):
    with torch.no_grad():
        for average, current in zip(ema.parameters(), net.parameters(), strict=True):
            average.mul_(decay).add_(current, alpha=1 - decay)


def update_with_buffers_copied(ema, net, decay):
    """Weights are averaged, with some rounding. Running statistics are averages already, and are copied as they are."""
    with torch.no_grad():
        for average, current in zip(ema.parameters(), net.parameters(), strict=True):
            average.mul_(decay).add_(current, alpha=1 - decay)
        for kept, current in zip(ema.buffers(), net.buffers(), strict=True):
            kept.copy_(current)


def update_by_names(ema, net, decay):
    """Weights are averaged, with some rounding. Running statistics are averages already, and are copied as they are."""
    weights, buffers = dict(net.named_parameters()), dict(net.named_buffers())
    with torch.no_grad():
        for name, kept in ema.named_buffers():
            kept.copy_(buffers[name])
        for name, average in ema.named_parameters():
            average.lerp_(weights[name], 1 - decay)


def find_what_is_forgotten(update_average):
    net, ema = nn.BatchNorm1d(3), nn.BatchNorm1d(3)  # new ones are all the same
    net(5 + torch.randn(20, 3))  # in training, BatchNorm notes the mean and the variance of what it sees
    update_average(ema, net, 0.9)
    assert torch.allclose(ema.running_mean, net.running_mean), "the average should have the net's running statistics"


FORGOTTEN = BugHunt(
    id="08.7",
    title="Bug hunt: an average that is grey",
    points=1,
    broken=update_average,
    correct=(update_with_buffers_copied, update_by_names),
    solution=find_what_is_forgotten,
    why="BatchNorm keeps what it has seen in buffers, which are no parameters: no gradient changes them, and no loop over the "
    "parameters finds them. The average would normalise by the statistics of an untrained network.",
    hints=(
        "What does a network hold beside its parameters? `net.state_dict()` lists everything.",
        "Take a net with `nn.BatchNorm1d(3)` in it, and let it see a batch in training: which numbers of it change?",
        "A second `nn.BatchNorm1d(3)` will do as the average: call `net(5 + torch.randn(20, 3))`, update it, and compare their "
        "`running_mean`: statistics are to be copied, not averaged.",
    ),
    forbidden=(training.update_ema,),
)

# --- 08.8 bug hunt ----------------------------------------------------------------------------------------------------


def negative_elbo(x, decoded, log_sigma, mean, log_var):
    off = (x - decoded) / log_sigma.exp()
    log_likelihood = -0.5 * off**2 - log_sigma - 0.5 * math.log(2 * math.pi)
    divergence = 0.5 * (mean**2 + log_var.exp() - 1 - log_var)
    return (divergence.flatten(1).mean(dim=1) - log_likelihood.flatten(1).sum(dim=1)).mean()


def negative_elbo_of_sums(x, decoded, log_sigma, mean, log_var):
    off = (x - decoded) / log_sigma.exp()
    log_likelihood = -0.5 * off**2 - log_sigma - 0.5 * math.log(2 * math.pi)
    divergence = 0.5 * (mean**2 + log_var.exp() - 1 - log_var)
    return (divergence.flatten(1).sum(dim=1) - log_likelihood.flatten(1).sum(dim=1)).mean()


def negative_elbo_by_distributions(x, decoded, log_sigma, mean, log_var):
    log_likelihood = Normal(decoded, log_sigma.exp()).log_prob(x).sum()
    posterior, prior = Normal(mean, (0.5 * log_var).exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean))
    return (divergence_of(posterior, prior).sum() - log_likelihood) / len(x)


def negative_elbo_row_by_row(x, decoded, log_sigma, mean, log_var):
    losses = []
    for row in range(len(x)):
        squares = (x[row] - decoded[row]).square().sum() / log_sigma.exp().square()
        nats = 0.5 * squares + x[row].numel() * (log_sigma + 0.5 * math.log(2 * math.pi))
        losses.append(nats + 0.5 * (mean[row].square() + log_var[row].exp() - 1 - log_var[row]).sum())
    return torch.stack(losses).mean()


def find_the_false_bound(negative_elbo):
    x, log_sigma = torch.zeros(3, 2), torch.tensor(-0.5 * math.log(2 * math.pi))  # decoded exactly: a density of 1
    mean, log_var = torch.ones(3, 4), torch.zeros(3, 4)  # half a nat for each of the four numbers
    loss = negative_elbo(x, x, log_sigma, mean, log_var)
    assert torch.isclose(loss, torch.tensor(2.0), atol=1e-5), "a latent should cost the sum of what its numbers cost"


FALSE_BOUND = BugHunt(
    id="08.8",
    title="Bug hunt: a bound that is none",
    points=1,
    broken=negative_elbo,
    correct=(negative_elbo_of_sums, negative_elbo_by_distributions, negative_elbo_row_by_row),
    solution=find_the_false_bound,
    why="The divergence is averaged over the latent's numbers, so a latent of 32 numbers pays for one. The loss falls, and "
    "pictures come back well, but what it calls a bound may lie above the log-likelihood, and noise decodes to nothing known.",
    hints=(
        "A loss of two terms is easier to test if one of them is known, or 0.",
        "With `decoded = x` there is no error. The divergence of `mean = 1` and `log_var = 0` is ½ for each number.",
        "How does the loss have to change if the latent has four numbers like that instead of one? With a latent of a single "
        "number the bug does not show.",
    ),
)
