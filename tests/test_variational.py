"""The bound on the likelihood where the likelihood itself is known."""

import math

import pytest
import torch
from torch import nn

from course_lib.denoisers import GaussianDenoiser, IdealDenoiser, Prediction
from course_lib.networks.vae import Posterior
from course_lib.networks.vector_vae import VectorVAE
from course_lib.schedules import NoiseSchedule
from course_lib.variational import bits_of_diffusion, bits_of_vae, elbo, gaussian_log_likelihood


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_likelihood_is_that_of_torch():
    x, mean, log_sigma = (torch.randn(5, 2, 3, generator=seeded(k)) for k in range(3))
    expected = torch.distributions.Normal(mean, log_sigma.exp()).log_prob(x).sum(dim=(1, 2))
    assert torch.allclose(gaussian_log_likelihood(x, mean, log_sigma), expected, atol=1e-5)
    expected = torch.distributions.Normal(mean, 0.3).log_prob(x).sum(dim=(1, 2))
    assert torch.allclose(gaussian_log_likelihood(x, mean, torch.tensor(0.3).log()), expected, atol=1e-4)


class Factor(nn.Module):
    """x = W z + noise: the one VAE whose likelihood is known, N(0, W Wᵀ + σ²) (Tipping, Bishop 1999, equation 4)."""

    def __init__(self, wrong=0.0):
        super().__init__()
        self.W = 0.3 * torch.randn(4, 2, generator=seeded(7), dtype=torch.float64)
        self.log_sigma = torch.tensor(-1.0, dtype=torch.float64)
        self.wrong = wrong

    def encode(self, x, labels):
        variance = (2 * self.log_sigma).exp()
        M = self.W.T @ self.W + variance * torch.eye(2, dtype=torch.float64)
        mean = x @ self.W @ M.inverse()
        # The exact posterior's covariance is no diagonal one: W is turned so that it is.
        return Posterior(mean + self.wrong, (variance * M.inverse().diagonal()).log().expand_as(mean))

    def decode(self, z, labels):
        return z @ self.W.T


def factor(wrong=0.0):
    vae = Factor(wrong)
    _, _, turn = torch.linalg.svd(vae.W)
    vae.W = vae.W @ turn.T  # columns at right angles
    return vae


def test_with_the_exact_posterior_the_bound_is_the_likelihood():
    vae = factor()
    covariance = vae.W @ vae.W.T + (2 * vae.log_sigma).exp() * torch.eye(4, dtype=torch.float64)
    exact = torch.distributions.MultivariateNormal(torch.zeros(4, dtype=torch.float64), covariance)
    x = exact.sample((200,)) * 0.5
    bound = torch.stack([elbo(vae, x, None, seeded(k)) for k in range(2000)]).mean(dim=0)
    assert (bound - exact.log_prob(x)).abs().max() < 0.15  # of some nats, from 2,000 draws each
    assert (bound - exact.log_prob(x)).mean().abs() < 0.01
    wrong = torch.stack([elbo(factor(wrong=0.5), x, None, seeded(k)) for k in range(500)]).mean(dim=0)
    assert (wrong < exact.log_prob(x) - 0.1).all()  # any other posterior gives less


def test_beta_weighs_the_divergence_alone():
    torch.manual_seed(0)
    vae = VectorVAE(width=8, side=8, latent=3).eval()
    x, labels = torch.rand(4, 1, 8, 8) * 2 - 1, torch.arange(4)
    none, one, four = (elbo(vae, x, labels, seeded(), beta) for beta in (0, 1, 4))
    assert torch.allclose(none - four, 4 * (none - one), atol=1e-3)
    mean, log_var = vae.encode(x, labels)
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * log_var).exp()), torch.distributions.Normal(0.0, 1.0)
    )
    assert torch.allclose(none - one, kl.sum(dim=1), atol=1e-3)


def test_what_a_vae_that_knows_nothing_needs():
    class Nothing(nn.Module):
        """Every pixel N(0, σ²), whatever the latent."""

        log_sigma = torch.tensor(0.5).log()

        def encode(self, x, labels):
            return Posterior(torch.zeros(len(x), 2), torch.zeros(len(x), 2))

        def decode(self, z, labels):
            return torch.zeros(len(z), 1, 8, 8)

    shades = torch.randint(256, (500, 1, 8, 8), generator=seeded()) / 127.5 - 1
    bits = bits_of_vae(Nothing(), shades, None, seeded(1))
    # An even spread over [-1, 1] has a mean square of 1/3; a shade is 2/255 wide.
    known = (0.5 * (1 / 3) / 0.25 + math.log(0.5) + 0.5 * math.log(2 * math.pi)) / math.log(2) + math.log2(255 / 2)
    assert bits.mean().item() == pytest.approx(known, abs=0.02)
    assert known > 8  # eight bits say any shade


def bound_of_coins(T):
    """The sum of the bound for a fair coin of black and white, term by term, by integration."""
    schedule, noise = NoiseSchedule.cosine(T), torch.linspace(-9, 9, 20001, dtype=torch.float64)
    density = torch.exp(-(noise**2) / 2) / math.sqrt(2 * math.pi) * (noise[1] - noise[0])
    signal, sigma = schedule.alpha_bar.sqrt(), (1 - schedule.alpha_bar).sqrt()
    nats = 0.5 * (signal[T] ** 2 + sigma[T] ** 2 - 1 - 2 * sigma[T].log())
    shades = torch.linspace(-1, 1, 256, dtype=torch.float64)
    odds = -0.5 * ((signal[1] + sigma[1] * noise[:, None] - signal[1] * shades) / sigma[1]) ** 2
    nats += (density * -odds.log_softmax(dim=1)[:, -1]).sum()
    for t in range(2, T + 1):
        x_t = signal[t] + sigma[t] * noise  # of a coin that shows +1
        error = (1 - torch.tanh(signal[t] * x_t / sigma[t] ** 2)) ** 2
        nats += 0.5 * (schedule.snr[t - 1] - schedule.snr[t]) * (density * error).sum()
    return nats.item() / math.log(2)


@pytest.mark.parametrize("T", [10, 100])
def test_the_bound_of_a_diffusion_model_that_knows_all_of_a_fair_coin(T):
    coins = torch.randint(2, (200_000, 1), generator=seeded()) * 2.0 - 1
    denoiser = IdealDenoiser(torch.tensor([[-1.0], [1.0]]), NoiseSchedule.cosine(T))
    bits = bits_of_diffusion(denoiser, coins, generator=seeded(1))
    spread = bits.std().item() / len(bits) ** 0.5
    assert bits.mean().item() == pytest.approx(bound_of_coins(T), abs=4 * spread)


def test_the_bound_comes_down_to_the_one_bit_of_a_coin():
    bounds = [bound_of_coins(T) for T in (10, 100, 1000, 20_000)]
    assert bounds == sorted(bounds, reverse=True)
    assert 1 < bounds[-1] < 1.02


def test_a_denoiser_that_knows_less_needs_more_bits():
    shades = (torch.randint(256, (4000, 4), generator=seeded()) / 127.5 - 1) * 1.0
    schedule = NoiseSchedule.cosine()

    def clueless(x_t, t, cond=None):
        return Prediction(torch.zeros_like(x_t), x_t)

    clueless.schedule = schedule
    good, bad = (
        bits_of_diffusion(each, shades, generator=seeded(1)).mean().item()
        for each in (GaussianDenoiser(0.0, 3**-0.5, schedule), clueless)
    )
    assert 8 < good < 9.1  # 8 at best
    assert bad > 2 * good


def test_rows_get_their_condition_and_times_are_spread():
    schedule, asked = NoiseSchedule.cosine(50), []

    def denoiser(x_t, t, cond):
        asked.append((t, cond))
        return Prediction(x_t, x_t)

    denoiser.schedule = schedule
    bits_of_diffusion(denoiser, torch.zeros(49, 1), torch.arange(49), seeded())
    ((t, cond),) = asked
    assert sorted(t.tolist()) == list(range(2, 51))  # every time of the sum once
    assert cond.tolist() == list(range(49))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: bits_of_diffusion(GaussianDenoiser(0.0, 1.0, NoiseSchedule.cosine()), 1.5 * torch.ones(2, 3)),
            "x_0 must lie",
        ),
        (
            lambda: bits_of_diffusion(GaussianDenoiser(0.0, 1.0, NoiseSchedule.cosine()), torch.ones(3)),
            r"shape \(B, …\)",
        ),
        (
            lambda: bits_of_diffusion(GaussianDenoiser(0.0, 1.0, NoiseSchedule.cosine()), torch.ones(2, 3).half()),
            "float32 or",
        ),
        (
            lambda: gaussian_log_likelihood(torch.zeros(3), torch.zeros(3), torch.zeros(())),
            r"x must have shape \(B, …\)",
        ),
        (
            lambda: gaussian_log_likelihood(torch.full((1, 2), torch.nan), torch.zeros(1, 2), torch.zeros(())),
            "x must be finite",
        ),
        (lambda: elbo(VectorVAE(width=8, side=8), torch.full((1, 1, 8, 8), 255.0), torch.tensor([0])), "x must lie in"),
    ],
)
def test_odd_pictures_are_refused(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
