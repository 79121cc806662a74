"""The exercises of notebook 04: the KL divergence, a draw, normalised latents, a bug hunt, latent diffusion."""

from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.classroom.checks import BugHunt, Exercise, Trial, joined
from course_lib.denoisers import Denoiser, GaussianDenoiser
from course_lib.forward import noise_like
from course_lib.networks import vae as vae_network
from course_lib.networks.vae import VAE, Posterior
from course_lib.sampling import last, sample
from course_lib.schedules import NoiseSchedule

# --- 04.1 the KL divergence -------------------------------------------------------------------------------------------


def _posterior() -> Posterior:
    mean, log_var = torch.randn(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(12))  # (B, C, H, W) each
    return Posterior(mean, log_var)


def kl_without_half(posterior):
    """The half in front is missing."""
    return posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var


def kl_without_one(posterior):
    """The −1 is missing: at mean 0 and variance 1 the divergence has to be zero."""
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() - posterior.log_var)


def kl_of_unsquared_mean(posterior):
    """The mean has to be squared: being off zero costs the same on either side."""
    return 0.5 * (posterior.mean + posterior.log_var.exp() - 1 - posterior.log_var)


def kl_with_plus(posterior):
    """The logarithm has the wrong sign: a divergence is never negative, and this one is."""
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 + posterior.log_var)


def kl_of_deviation(posterior):
    """The standard deviation stands where the variance belongs: the variance is exp(log_var), not exp(log_var / 2)."""
    return 0.5 * (posterior.mean**2 + (0.5 * posterior.log_var).exp() - 1 - posterior.log_var)


def kl_of_raw_log_var(posterior):
    """log_var is taken for the variance itself: the network says its logarithm, so take exp first."""
    return 0.5 * (posterior.mean**2 + posterior.log_var - 1 - posterior.log_var.abs().log())


def kl_of_logarithm_without_two(posterior):
    """The logarithm is halved, as if of the standard deviation: the formula has that of the variance."""
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - 0.5 * posterior.log_var)


def _divergences(divergence):
    standard = Posterior(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
    return joined(divergence(posterior) for posterior in (standard, _posterior()))


KL_DIVERGENCE = Exercise(
    id="04.1",
    title="The KL divergence",
    points=2,
    solution=vae_network.kl_divergence,
    why="Zero at mean 0 and variance 1, and growing in every direction from there. Each number of a latent pays for itself; "
    "the loss takes the mean of them all.",
    hints=(
        "The variance is `posterior.log_var.exp()`, and its logarithm is there already.",
        r"Half of $\mu^2 + \sigma^2 - 1 - \log\sigma^2$, number by number.",
        "Try it at `mean = 0` and `log_var = 0`: every term is there to make that zero.",
    ),
    trials=(Trial(_divergences, "The divergence of some Gaussians does not come out right."),),
    mistakes=(
        kl_without_half,
        kl_without_one,
        kl_of_unsquared_mean,
        kl_with_plus,
        kl_of_deviation,
        kl_of_raw_log_var,
        kl_of_logarithm_without_two,
    ),
)

# --- 04.2 a draw ------------------------------------------------------------------------------------------------------


def draw_with_variance(posterior, generator=None):
    """The noise is scaled by the variance: the standard deviation is exp(log_var / 2)."""
    return posterior.mean + posterior.log_var.exp() * noise_like(posterior.mean, generator)


def draw_with_log_var(posterior, generator=None):
    """The noise is scaled by log_var itself, which may even be negative: take exp of half of it."""
    return posterior.mean + posterior.log_var * noise_like(posterior.mean, generator)


def draw_the_mean(posterior, generator=None):
    """This is the mean, without any chance: the decoder has to learn the neighbourhood, so draw."""
    return posterior.mean.clone()


def draw_unscaled(posterior, generator=None):
    """The noise is not scaled: every number of the latent has a standard deviation of its own."""
    return posterior.mean + noise_like(posterior.mean, generator)


def draw_without_mean(posterior, generator=None):
    """The mean is missing: only chance is left, and nothing of the picture."""
    return (0.5 * posterior.log_var).exp() * noise_like(posterior.mean, generator)


def draw_uniform(posterior, generator=None):
    """torch.rand was used where torch.randn was meant: the noise is never negative."""
    noise = torch.rand(posterior.mean.shape, generator=generator)
    return posterior.mean + (0.5 * posterior.log_var).exp() * noise


def draw_one_for_all(posterior, generator=None):
    """One and the same noise for all pictures: every number draws its own."""
    noise = noise_like(posterior.mean[:1], generator)
    return posterior.mean + (0.5 * posterior.log_var).exp() * noise


def _mean_and_spread(draw):
    """Of 200,000 draws of each of two Gaussians; and whether two pictures share their noise."""
    mean = torch.tensor([0.5, -2.0]).reshape(1, 2, 1, 1).repeat(200_000, 1, 1, 1)
    log_var = torch.tensor([-1.5, 0.8]).reshape(1, 2, 1, 1).repeat(200_000, 1, 1, 1)
    z = draw(Posterior(mean, log_var), torch.Generator().manual_seed(2))
    return joined([z.mean(dim=(0, 2, 3)), z.std(dim=(0, 2, 3))])


def _repeats_itself(draw):
    one, two = (draw(_posterior(), torch.Generator().manual_seed(3)) for _ in range(2))
    return (one - two).abs().max()


DRAW = Exercise(
    id="04.2",
    title="A draw that gradients pass through",
    points=2,
    solution=Posterior.draw,
    why="`self` is the posterior. Chance comes from outside, so mean and deviation enter by a product and a sum, and both have "
    "gradients. This is the reparameterisation trick.",
    hints=(
        "Mean plus deviation times noise, as in the closed form of notebook 01.",
        "From the logarithm of the variance to the deviation: halve it, then `exp`.",
        "`noise_like(posterior.mean, generator)` gives noise of the right shape.",
    ),
    trials=(
        Trial(_mean_and_spread, "Mean or standard deviation of many draws do not come out right.", tolerance=0.015),
        Trial(_repeats_itself, "Twice the same generator should give twice the same draw."),
    ),
    mistakes=(
        draw_with_variance,
        draw_with_log_var,
        draw_the_mean,
        draw_unscaled,
        draw_without_mean,
        draw_uniform,
        draw_one_for_all,
    ),
)

# --- 04.3 normalised latents ------------------------------------------------------------------------------------------


def normalised(latents: Tensor) -> Tensor:
    mean = latents.mean(dim=(0, 2, 3), keepdim=True)  # (1, C, 1, 1)
    std = latents.std(dim=(0, 2, 3), keepdim=True)  # (1, C, 1, 1)
    return (latents - mean) / std


def normalised_together(latents):
    """One mean and one deviation for all channels: each channel has its own."""
    return (latents - latents.mean()) / latents.std()


def normalised_by_picture(latents):
    """Every picture is normalised by itself, which takes away how bright or colourful it is: take the whole set."""
    return (latents - latents.mean(dim=(2, 3), keepdim=True)) / latents.std(dim=(2, 3), keepdim=True)


def normalised_by_position(latents):
    """Every position is normalised by itself: the mean is to be taken over pictures and positions."""
    return (latents - latents.mean(dim=0, keepdim=True)) / latents.std(dim=0, keepdim=True)


def normalised_by_variance(latents):
    """Divided by the variance: the deviation becomes one only if it is divided by itself."""
    dims = (0, 2, 3)
    return (latents - latents.mean(dim=dims, keepdim=True)) / latents.var(dim=dims, keepdim=True)


def normalised_without_shift(latents):
    """The mean is not taken off."""
    return latents / latents.std(dim=(0, 2, 3), keepdim=True)


def normalised_without_scale(latents):
    """The mean is gone, but the deviation is still the old one."""
    return latents - latents.mean(dim=(0, 2, 3), keepdim=True)


def normalised_upside_down(latents):
    """Multiplied by the deviation where it should be divided."""
    dims = (0, 2, 3)
    return (latents - latents.mean(dim=dims, keepdim=True)) * latents.std(dim=dims, keepdim=True)


def _of_three_channels(normalise):
    latents = torch.randn(6, 3, 2, 4, generator=torch.Generator().manual_seed(14))  # (N, C, H, W)
    scale, shift = torch.tensor([0.3, 2.0, 5.0]), torch.tensor([1.0, -4.0, 0.5])
    return normalise(latents * scale[:, None, None] + shift[:, None, None])


NORMALISED = Exercise(
    id="04.3",
    title="Latents of mean 0 and deviation 1",
    points=1,
    solution=normalised,
    why="One mean and one deviation for each channel, over all pictures and positions. The course's VAE keeps them with its "
    "weights, so that whoever draws latents can find the way back.",
    hints=(
        "Each channel has a mean and a deviation of its own.",
        "`latents.mean(dim=(0, 2, 3), keepdim=True)` has shape (1, C, 1, 1).",
        "Take the mean off, then divide by the deviation, `.std(…)`.",
    ),
    trials=(Trial(_of_three_channels, "Latents of three channels do not come out right.", tolerance=1e-4),),
    mistakes=(
        normalised_together,
        normalised_by_picture,
        normalised_by_position,
        normalised_by_variance,
        normalised_without_shift,
        normalised_without_scale,
        normalised_upside_down,
    ),
)

# --- 04.4 bug hunt ----------------------------------------------------------------------------------------------------


def back_to_latents(z, mean, std):
    return (z + mean) * std


def back_by_scaling_first(z, mean, std):
    return z * std + mean


def back_by_dividing(z, mean, std):
    return (z + mean / std) * std


def find_the_bug(back_to_latents):
    latents = torch.tensor([3.0, 5.0, 10.0])
    mean, std = latents.mean(), latents.std()
    z = (latents - mean) / std
    assert torch.allclose(back_to_latents(z, mean, std), latents, atol=1e-5), "there and back should change nothing"


NORMALISED_BACK = BugHunt(
    id="04.4",
    title="Bug hunt: colours that are a little off",
    points=2,
    broken=back_to_latents,
    correct=(back_by_scaling_first, back_by_dividing),
    solution=find_the_bug,
    why="Undo the last thing first: it was shifted, then scaled, so scale back, then shift. With a mean near zero the bug "
    "hardly shows, and the pictures are merely a little off, which is how such a line survives for years. There and back again "
    "is a test that needs no thought.",
    hints=(
        "What does the function undo? Do that yourself, and then let the function undo it.",
        "With `mean = 0` or `std = 1` nothing shows: choose other values.",
        "Normalise by hand, `z = (latents - mean) / std`, and compare what comes back with `latents`.",
    ),
)

# --- 04.5 latent diffusion --------------------------------------------------------------------------------------------


def draw_pictures(vae: VAE, denoiser: Denoiser, noise: Tensor, times: list[int], cond: Tensor) -> Tensor:
    z = last(sample(denoiser, noise, times, cond=cond))  # (B, 4, 16, 16)
    return vae.to_pictures(z)  # (B, 3, 64, 64)


def pictures_not_scaled_back(vae, denoiser, noise, times, cond):
    """The latents go to the decoder as they were diffused: scale and shift them back first; vae.to_pictures does both."""
    return vae.decode(last(sample(denoiser, noise, times, cond=cond))).clamp(-1, 1)


def pictures_without_labels(vae, denoiser, noise, times, cond):
    """The labels are not handed on: the sampler takes them as cond=cond."""
    return vae.to_pictures(last(sample(denoiser, noise, times)))


def pictures_of_noise(vae, denoiser, noise, times, cond):
    """The noise itself is decoded: walk it to a latent first."""
    return vae.to_pictures(noise)


def pictures_of_clipped_latents(vae, denoiser, noise, times, cond):
    """The latents are clipped to ±1: pixels end there, latents do not."""
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=cond)).clamp(-1, 1))


def pictures_of_first_guess(vae, denoiser, noise, times, cond):
    """This decodes the first guess of the latent: walk all the way."""
    return vae.to_pictures(denoiser(noise, times[0], cond).x_0)


def pictures_one_step_short(vae, denoiser, noise, times, cond):
    """The last step is missing: the walk has to arrive at the last time."""
    return vae.to_pictures(last(sample(denoiser, noise, times[:-1], cond=cond)))


def pictures_decoded_on_the_way(vae, denoiser, noise, times, cond):
    """The latent is decoded and encoded again on the way: decode once, at the end."""
    middle = len(times) // 2
    z = last(sample(denoiser, noise, times[: middle + 1], cond=cond))
    return vae.to_pictures(last(sample(denoiser, vae.to_latents(vae.to_pictures(z)), times[middle:], cond=cond)))


def _small_vae() -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        vae = VAE(width=16).eval().requires_grad_(False)
    vae.latent_mean.copy_(torch.tensor([0.5, -1.0, 0.2, 2.0])[:, None, None])
    vae.latent_std.copy_(torch.tensor([2.0, 0.5, 3.0, 1.5])[:, None, None])
    return vae


class _GaussianOfLabel(NamedTuple):
    """Exact for latents whose mean depends on the label; without one, as if it were 0."""

    schedule: NoiseSchedule

    def __call__(self, x_t, t, cond=None):
        labels = torch.zeros(len(x_t)) if cond is None else cond
        return GaussianDenoiser(0.8 - 0.6 * labels.reshape(-1, 1, 1, 1), 0.6, self.schedule)(x_t, t)


def _drawn(draw):
    noise = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(15))
    denoiser, cond = _GaussianOfLabel(NoiseSchedule.cosine()), torch.tensor([2, 1])
    return draw(_small_vae(), denoiser, noise, [1000, 700, 400, 100, 0], cond)


LATENT_DIFFUSION = Exercise(
    id="04.5",
    title="Latent diffusion",
    points=2,
    solution=draw_pictures,
    why="Nothing about the sampler has changed: it walks whatever tensor it is given. The VAE stands at the end, once.",
    hints=(
        "Two lines: walk the noise to a latent, then decode it.",
        "`last(sample(denoiser, noise, times, cond=cond))` is what you have done with pixels in notebook 03.",
        "The latents were normalised for the diffusion: `vae.to_pictures` undoes that before it decodes.",
    ),
    trials=(Trial(_drawn, "Pictures from an exact denoiser and a small VAE do not come out right.", tolerance=1e-4),),
    mistakes=(
        pictures_not_scaled_back,
        pictures_without_labels,
        pictures_of_noise,
        pictures_of_clipped_latents,
        pictures_of_first_guess,
        pictures_one_step_short,
        pictures_decoded_on_the_way,
    ),
)


EXERCISES = (KL_DIVERGENCE, DRAW, NORMALISED, NORMALISED_BACK, LATENT_DIFFUSION)
