"""The VAE: shapes and ranges, the divergence against its closed form, latents of mean 0 and deviation 1."""

import pytest
import torch
from torch.distributions import Normal
from torch.distributions import kl_divergence as kl_of_distributions

from course_lib.networks.vae import VAE, Posterior, kl_divergence, reconstruction_error


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return VAE(width=16).eval().requires_grad_(False)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (8, 20)])
def test_a_latent_has_a_quarter_of_the_sides(vae, height, width):
    x = random(2, 3, height, width)
    mean, log_var = vae.encode(x)
    assert mean.shape == log_var.shape == (2, 4, height // 4, width // 4)
    assert vae.decode(mean).shape == x.shape
    assert vae.to_latents(x).shape == mean.shape


def test_a_latent_has_a_twelfth_of_the_numbers():
    vae, x = VAE(), torch.zeros(1, 3, 64, 64)
    assert x.numel() == 12 * vae.encode(x).mean.numel()


def test_pictures_come_back_within_their_range(vae):
    pictures = vae.to_pictures(100 * random(2, 4, 16, 16))
    assert pictures.min() == -1
    assert pictures.max() == 1


def test_a_reconstruction_goes_to_the_latents_and_back(vae):
    x = random(2, 3, 16, 16)
    assert torch.equal(vae.reconstruct(x), vae.to_pictures(vae.to_latents(x)))


def test_variances_stay_in_a_range_that_float32_can_hold(monkeypatch):
    vae = VAE(width=16)
    for low, high in ((-1e6, 1e6), (-20.5, 10.5)):
        wild = torch.tensor([low, -19.5, 9.5, high])
        answer = torch.cat([wild, wild]).reshape(1, 8, 1, 1)
        monkeypatch.setattr(vae.encoder, "forward", lambda x, answer=answer: answer)
        mean, log_var = vae.encode(torch.zeros(1, 3, 16, 16))
        assert torch.equal(mean.flatten(), wild)
        assert torch.equal(log_var.flatten(), torch.tensor([-20, -19.5, 9.5, 10]))


def test_sides_that_do_not_divide_are_refused(vae):
    with pytest.raises(ValueError, match=r"x must have sides that divide by 4, but its shape is \(1, 3, 30, 64\)"):
        vae.encode(torch.zeros(1, 3, 30, 64))


def test_rows_do_not_mix(vae):
    x = random(3, 3, 16, 16)
    together = vae.to_pictures(vae.to_latents(x))
    alone = torch.cat([vae.to_pictures(vae.to_latents(row[None])) for row in x])
    assert torch.allclose(together, alone, atol=1e-5)


def test_the_divergence_is_that_of_the_textbook():
    posterior = Posterior(random(5, 4, 3, 3), random(5, 4, 3, 3, seed=1))
    expected = kl_of_distributions(Normal(posterior.mean, (posterior.log_var / 2).exp()), Normal(0.0, 1.0))
    assert torch.allclose(kl_divergence(posterior), expected, atol=1e-6)


def test_the_divergence_of_the_standard_gaussian_is_zero_and_of_no_other():
    zero = torch.zeros(1, 1, 1, 1)
    assert kl_divergence(Posterior(zero, zero)).item() == 0
    assert kl_divergence(Posterior(zero + 1, zero)).item() == 0.5
    for log_var in (-3.0, -0.1, 0.1, 3.0):
        assert kl_divergence(Posterior(zero, zero + log_var)).item() > 0


def test_draws_have_the_posteriors_mean_and_deviation_and_follow_the_generator():
    mean, log_var = torch.full((200_000,), 3.0), torch.full((200_000,), 0.25).log()
    drawn = Posterior(mean, log_var).draw(torch.Generator().manual_seed(0))
    assert abs(drawn.mean().item() - 3) < 0.01
    assert abs(drawn.std().item() - 0.5) < 0.01
    assert torch.equal(drawn, Posterior(mean, log_var).draw(torch.Generator().manual_seed(0)))


def test_gradients_reach_mean_and_variance_through_a_draw():
    mean, log_var = torch.zeros(4, requires_grad=True), torch.zeros(4, requires_grad=True)
    Posterior(mean, log_var).draw(torch.Generator().manual_seed(0)).sum().backward()
    assert (mean.grad == 1).all()
    assert (log_var.grad != 0).all()


def test_the_error_counts_values_and_edges_once_each():
    x, other = torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 2, 3)
    other[0, 0, 0, 0] = 1.0  # one value of six, one of three differences downwards, one of four to the right
    assert reconstruction_error(x, other).item() == pytest.approx(1 / 6 + 1 / 3 + 1 / 4)
    assert reconstruction_error(x, x + 2).item() == pytest.approx(2)  # brighter everywhere: no edge differs


def test_normalised_latents_have_mean_zero_and_deviation_one_in_each_channel():
    torch.manual_seed(1)
    vae = VAE(width=16).requires_grad_(False)
    x = random(8, 3, 32, 32)
    before = vae.encode(x).mean
    vae.measure_latents(before)
    latents = vae.to_latents(x)
    assert torch.allclose(latents.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-5)
    assert torch.allclose(latents.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-5)
    assert torch.allclose(vae.to_pictures(latents), vae.decode(before).clamp(-1, 1), atol=1e-5)


def test_what_was_measured_is_saved_with_the_weights():
    vae, other = VAE(width=16), VAE(width=16)
    vae.measure_latents(3 * random(9, 4, 4, 4) + 2)
    other.load_state_dict(vae.state_dict())
    assert torch.equal(other.latent_mean, vae.latent_mean)
    assert torch.equal(other.latent_std, vae.latent_std)


def test_it_learns():
    torch.manual_seed(0)
    vae, generator = VAE(width=16), torch.Generator().manual_seed(0)
    x = random(16, 3, 2, 2).sign().repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)  # four patches of one colour
    optimizer, errors = torch.optim.AdamW(vae.parameters(), lr=5e-3), []
    for _ in range(120):
        posterior = vae.encode(x)
        error = reconstruction_error(x, vae.decode(posterior.draw(generator)))
        optimizer.zero_grad()
        (error + 1e-3 * kl_divergence(posterior).mean()).backward()
        optimizer.step()
        errors.append(error.item())
    assert errors[-1] < 0.5 * errors[0]
