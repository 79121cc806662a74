"""The exercises of notebook 04: the KL divergence, a draw, normalised latents, a bug hunt, latent diffusion."""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.classroom.chance import (
    each_its_own,
    moves_on,
    needs_no_generator,
    repeats,
    seeded,
    shape_of_noise,
)
from course_lib.classroom.exercise import BugHunt, Exercise, Trial, joined
from course_lib.denoisers import GaussianDenoiser
from course_lib.forward import noise_like
from course_lib.networks import vae as vae_network
from course_lib.networks.vae import VAE, Posterior
from course_lib.sampling import last, sample
from course_lib.schedules import NoiseSchedule


def _posterior(*shape: int, dtype=torch.float32) -> Posterior:
    mean, log_var = torch.randn(2, *(shape or (3, 4, 2, 2)), dtype=dtype, generator=seeded(12))  # (B, …) each
    return Posterior(mean, log_var)


def _gradients(function, *arguments) -> tuple[Posterior, Tensor, Tensor]:
    """A posterior, and the gradients by its mean and by its log_var of all numbers of a result; 0 where there are none."""
    posterior = Posterior(*(part.requires_grad_() for part in _posterior()))
    result = function(posterior, *arguments)
    by_part = [None, None]
    if result.requires_grad:
        by_part = torch.autograd.grad(result.sum(), posterior, allow_unused=True)
    detached = Posterior(*(part.detach() for part in posterior))
    return detached, *(torch.zeros_like(part) if by is None else by for by, part in zip(by_part, detached, strict=True))


# --- 04.1 the KL divergence -------------------------------------------------------------------------------------------


def kl_divergence(posterior):
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var)


def kl_without_half(posterior):
    """The half in front is missing."""
    return posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var


def kl_without_one(posterior):
    """The −1 is missing: at mean 0 and variance 1 the divergence has to be zero."""
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() - posterior.log_var)


def kl_with_plus_one(posterior):
    """The 1 is added: take it off, so that the divergence is zero at mean 0 and variance 1."""
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() + 1 - posterior.log_var)


def kl_of_unsquared_mean(posterior):
    """The mean has to be squared: being off zero costs the same on either side."""
    return 0.5 * (posterior.mean + posterior.log_var.exp() - 1 - posterior.log_var)


def kl_with_plus(posterior):
    """The logarithm has the wrong sign: a divergence is never negative, and this one is."""
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 + posterior.log_var)


def kl_with_minus(posterior):
    """All signs are turned round: a divergence is never negative."""
    return -0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var)


def kl_of_deviation(posterior):
    """The standard deviation stands where the variance belongs: the variance is exp(log_var), not exp(log_var / 2)."""
    return 0.5 * (posterior.mean**2 + (0.5 * posterior.log_var).exp() - 1 - posterior.log_var)


def kl_of_squared_variance(posterior):
    """The variance is squared: exp(log_var) is σ² already."""
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() ** 2 - 1 - posterior.log_var)


def kl_of_raw_log_var(posterior):
    """log_var is taken for the variance itself: the network says its logarithm, so take exp first."""
    return 0.5 * (posterior.mean**2 + posterior.log_var - 1 - posterior.log_var.log())


def kl_of_logarithm_without_two(posterior):
    """The logarithm is halved, as if of the standard deviation: the formula has that of the variance."""
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - 0.5 * posterior.log_var)


def kl_of_deviation_throughout(posterior):
    """The standard deviation stands in both places of the variance: take exp(log_var), and log_var as it is."""
    return 0.5 * (posterior.mean**2 + (0.5 * posterior.log_var).exp() - 1 - 0.5 * posterior.log_var)


def kl_the_other_way_round(posterior):
    """This is the divergence of N(0, 1) from the posterior: the two have changed places."""
    return 0.5 * ((1 + posterior.mean**2) / posterior.log_var.exp() - 1 + posterior.log_var)


def kl_without_gradients(posterior):
    """The numbers are right, but no gradient passes: the encoder is trained through this, so detach and convert nothing."""
    mean, log_var = posterior.mean.detach(), posterior.log_var.detach()
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var)


def _divergences_above_one(divergence):
    """Of variances above 1 only: there even the logarithm of log_var is a number."""
    mean, log_var = _posterior()
    return divergence(Posterior(mean, 0.1 + log_var.abs()))


def _divergences(divergence):
    standard = Posterior(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
    others = (
        _posterior(5, 3),
        _posterior(7, dtype=torch.float64),
        Posterior(torch.ones(2, 3, 4), torch.full((2, 3, 4), -6.0)),
    )
    return joined(divergence(posterior) for posterior in (standard, _posterior(), *others))


KL_DIVERGENCE = Exercise(
    id="04.1",
    title="The KL divergence",
    points=2,
    on_device=True,
    solution=kl_divergence,
    forbidden=(vae_network.kl_divergence,),
    why="Zero at mean 0 and variance 1, and growing in every direction from there. Each number of a latent pays for itself; "
    "the loss takes the mean of them all.",
    hints=(
        "The variance is `posterior.log_var.exp()`, and its logarithm is there already.",
        r"Half of $\mu^2 + \sigma^2 - 1 - \log\sigma^2$, number by number.",
        "Try it at `mean = 0` and `log_var = 0`: every term is there to make that zero.",
    ),
    trials=(
        Trial(_divergences_above_one, "The divergence of Gaussians of variance above 1 does not come out right."),
        Trial(_divergences, "The divergence does not come out right for every mean and variance, and in every shape."),
        Trial(
            lambda divergence: joined(_gradients(divergence)[1:]),
            "The numbers are right, but their gradients by mean and log_var are not.",
        ),
    ),
    mistakes=(
        kl_without_half,
        kl_without_one,
        kl_with_plus_one,
        kl_of_unsquared_mean,
        kl_with_plus,
        kl_with_minus,
        kl_of_deviation,
        kl_of_squared_variance,
        kl_of_raw_log_var,
        kl_of_logarithm_without_two,
        kl_of_deviation_throughout,
        kl_the_other_way_round,
        kl_without_gradients,
    ),
)

# --- 04.2 a draw ------------------------------------------------------------------------------------------------------


def draw_latent(posterior, generator=None):
    std = (0.5 * posterior.log_var).exp()
    return posterior.mean + std * noise_like(posterior.mean, generator)


def _drawn(mean: Tensor, std: Tensor, generator: torch.Generator | None) -> Tensor:
    """The draw once more, for what goes wrong in its parts."""
    return mean + std * noise_like(mean, generator)


def _std(posterior: Posterior) -> Tensor:
    return (0.5 * posterior.log_var).exp()


def draw_with_variance(posterior, generator=None):
    """The noise is scaled by the variance: the standard deviation is exp(log_var / 2)."""
    return _drawn(posterior.mean, posterior.log_var.exp(), generator)


def draw_with_log_var(posterior, generator=None):
    """The noise is scaled by log_var itself, which may even be negative: take exp of half of it."""
    return _drawn(posterior.mean, posterior.log_var, generator)


def draw_with_half_log_var(posterior, generator=None):
    """The noise is scaled by half of log_var, which may even be negative: the exp of it is missing."""
    return _drawn(posterior.mean, 0.5 * posterior.log_var, generator)


def draw_with_one_over_deviation(posterior, generator=None):
    """The noise is divided by the deviation, or log_var has got a minus: multiply by exp(log_var / 2)."""
    return _drawn(posterior.mean, 1 / _std(posterior), generator)


def draw_the_mean(posterior, generator=None):
    """This is the mean, without any chance: the decoder has to learn the neighbourhood, so draw."""
    return posterior.mean.clone()


def draw_unscaled(posterior, generator=None):
    """The noise is not scaled: every number of the latent has a standard deviation of its own."""
    return _drawn(posterior.mean, torch.ones(()), generator)


def draw_without_mean(posterior, generator=None):
    """The mean is missing: only chance is left, and nothing of the picture."""
    return _drawn(torch.zeros_like(posterior.mean), _std(posterior), generator)


def draw_uniform(posterior, generator=None):
    """torch.rand was used where torch.randn was meant: the noise is never negative."""
    return posterior.mean + _std(posterior) * torch.rand(posterior.mean.shape, generator=generator)


def draw_one_for_all(posterior, generator=None):
    """Numbers share their noise: every number of every picture draws its own, so draw noise in the shape of the mean."""
    return posterior.mean + _std(posterior) * noise_like(posterior.mean[:1], generator)


def draw_always_the_same(posterior, generator=None):
    """The noise is the same whatever generator is handed over: draw it from generator, and set no seed here."""
    return _drawn(posterior.mean, _std(posterior), seeded(0))


def draw_from_a_fresh_start(posterior, generator=None):
    """The generator draws the same noise at every call: draw from it as it is, without a copy and without a new seed."""
    return _drawn(posterior.mean, _std(posterior), generator and seeded(generator.initial_seed()))


def draw_the_same_without_a_generator(posterior, generator=None):
    """Without a generator, two draws are the same: generator=None should draw from torch's own."""
    return _drawn(posterior.mean, _std(posterior), generator or seeded(0))


def draw_without_gradients(posterior, generator=None):
    """The numbers are right, but no gradient passes: no detach, no_grad or torch.normal, only a sum and a product."""
    return _drawn(posterior.mean.detach(), _std(posterior).detach(), generator)


def draw_without_gradient_of_the_mean(posterior, generator=None):
    """The numbers are right, but no gradient passes to the mean: add posterior.mean as it is."""
    return _drawn(posterior.mean.detach(), _std(posterior), generator)


def draw_without_gradient_of_the_deviation(posterior, generator=None):
    """The numbers are right, but no gradient passes to log_var: the deviation has to be computed from it as it is."""
    return _drawn(posterior.mean, _std(posterior).detach(), generator)


def _draws(question, draw):
    return question(lambda generator: draw(_posterior(), generator))


def _means(draw):
    """The means alone: the noise is what a draw around 0 leaves, and drops out of the difference."""
    posteriors = (_posterior(), _posterior(5, 3), _posterior(7, dtype=torch.float64))
    return joined(
        draw(posterior, seeded(3)) - draw(posterior._replace(mean=torch.zeros_like(posterior.mean)), seeded(3))
        for posterior in posteriors
    )


def _shared_noise(draw):
    zeros = torch.zeros(6, 5, 20, 30)
    return each_its_own(draw(Posterior(zeros, zeros + 0.8), seeded(2)))


def _noise(draw):
    """Of 200,000 numbers each, in units of the deviation that they should have: five sigmas of chance are 0.016."""
    log_var = torch.tensor([-3.0, 0.8, 2.0])[:, None, None].repeat(1, 400, 500)  # (3, 400, 500): in one posterior
    z = draw(Posterior(torch.zeros_like(log_var), log_var), seeded(2)) / (0.5 * log_var).exp()
    return joined(shape_of_noise(one) for one in z)


def _gradient_kinds(draw):
    """Of the gradients by mean and by log_var: is there one, and is it right?"""
    posterior, by_mean, by_log_var = _gradients(draw, seeded(3))
    noise = draw(posterior, seeded(3)) - posterior.mean
    pairs = ((by_mean, torch.ones_like(by_mean)), (by_log_var, 0.5 * noise))
    return torch.tensor([[bool(got.any()), torch.allclose(got, right, atol=1e-5)] for got, right in pairs])


DRAW = Exercise(
    id="04.2",
    title="A draw that gradients pass through",
    points=2,
    on_device=True,
    solution=draw_latent,
    forbidden=(Posterior.draw,),
    why="Chance comes from outside, so mean and deviation enter by a product and a sum, and both have gradients. This is the "
    "reparameterisation trick.",
    hints=(
        "Mean plus deviation times noise, as in the closed form of notebook 01.",
        "From the logarithm of the variance to the deviation: halve it, then `exp`.",
        "`noise_like(posterior.mean, generator)` gives noise of the right shape.",
    ),
    trials=(
        Trial(partial(_draws, repeats), "Twice the same generator should give twice the same draw."),
        Trial(_means, "The mean of the draw, without its noise, does not come out right.", tolerance=1e-4),
        Trial(_shared_noise, "Every number should have noise of its own."),
        Trial(_noise, "Mean or standard deviation of many draws do not come out right.", tolerance=0.02),
        Trial(partial(_draws, moves_on), "The noise should be the generator's, and new at every call."),
        Trial(partial(_draws, needs_no_generator), "Without a generator, the noise should be torch's own."),
        Trial(_gradient_kinds, "The numbers are right, but their gradients by mean and log_var are not."),
    ),
    mistakes=(
        draw_with_variance,
        draw_with_log_var,
        draw_with_half_log_var,
        draw_with_one_over_deviation,
        draw_the_mean,
        draw_unscaled,
        draw_without_mean,
        draw_uniform,
        draw_one_for_all,
        draw_always_the_same,
        draw_from_a_fresh_start,
        draw_the_same_without_a_generator,
        draw_without_gradients,
        draw_without_gradient_of_the_mean,
        draw_without_gradient_of_the_deviation,
    ),
)

# --- 04.3 normalised latents ------------------------------------------------------------------------------------------


def normalised(latents):
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


def normalised_to_between_0_and_1(latents):
    """This stretches each channel from its least to its greatest number: take the mean off, and divide by the deviation."""
    low, high = latents.amin(dim=(0, 2, 3), keepdim=True), latents.amax(dim=(0, 2, 3), keepdim=True)
    return (latents - low) / (high - low)


def _normalised(shape, seed, normalise):
    """Of channels with means and deviations of their own; many numbers, so that dividing by n or n − 1 makes no odds."""
    scale, shift = torch.rand(2, shape[1], 1, 1, generator=seeded(seed))  # (C, 1, 1) each
    uneven = torch.linspace(-1, 1, shape[0])[:, None, None, None]  # (N, 1, 1, 1): pictures differ in brightness
    latents = torch.randn(shape, generator=seeded(seed + 1)) + uneven  # (N, C, H, W)
    return normalise(latents * (0.3 + 5 * scale) + 8 * shift - 4)


NORMALISED = Exercise(
    id="04.3",
    title="Latents of mean 0 and deviation 1",
    points=1,
    on_device=True,
    solution=normalised,
    why="One mean and one deviation for each channel, over all pictures and positions. The course's VAE keeps them with its "
    "weights, so that drawn latents find their way back.",
    hints=(
        "Each channel has a mean and a deviation of its own.",
        "`latents.mean(dim=(0, 2, 3), keepdim=True)` has shape (1, C, 1, 1).",
        "Take the mean off, then divide by the deviation, `.std(…)`.",
    ),
    trials=(
        Trial(
            partial(_normalised, (24, 3, 20, 30), 14),
            "Latents of three channels do not come out right.",
            tolerance=1e-3,
        ),
        Trial(
            partial(_normalised, (9, 5, 32, 48), 16),
            "It is right for one set of latents and wrong for another, of other numbers of pictures, channels and places.",
            tolerance=1e-3,
        ),
    ),
    mistakes=(
        normalised_together,
        normalised_by_picture,
        normalised_by_position,
        normalised_by_variance,
        normalised_without_shift,
        normalised_without_scale,
        normalised_upside_down,
        normalised_to_between_0_and_1,
    ),
)

# --- 04.4 bug hunt ----------------------------------------------------------------------------------------------------


def back_to_latents(z, mean, std):
    return (z + mean) * std


def back_by_scaling_first(z, mean, std):
    return z * std + mean


def back_by_subtracting(z, mean, std):  # rounded like the first: the numbers of a test may be as nice as they like
    return mean - std * -z


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
    correct=(back_by_scaling_first, back_by_subtracting),
    solution=find_the_bug,
    forbidden=(VAE.unscaled,),
    why="Undo the last thing first: it was shifted, then scaled, so scale back, then shift. With a mean near zero the bug "
    "hardly shows, and the pictures are merely a little off, which is how such a line survives for years. There and back again "
    "is a test that needs no thought.",
    hints=(
        "What does the function undo? Do that yourself, and then let the function undo it.",
        "With `mean = 0` or `std = 1` nothing shows: choose other values.",
        "Normalise by hand, `z = (latents - mean) / std`, and compare what comes back with `latents`, by `torch.allclose`, "
        "since it may be off by a rounding.",
    ),
)

# --- 04.5 latent diffusion --------------------------------------------------------------------------------------------


def draw_scenes_from_noise(vae, denoiser, noise, times, cond):
    z = last(sample(denoiser, noise, times, cond=cond))  # (B, 4, 16, 16)
    return vae.to_pictures(z)  # (B, 3, 64, 64)


def pictures_not_scaled_back(vae, denoiser, noise, times, cond):
    """The latents go to the decoder as they were diffused: scale and shift them back first; vae.to_pictures does both."""
    return vae.decode(last(sample(denoiser, noise, times, cond=cond)))


def pictures_shifted_before_they_are_scaled(vae, denoiser, noise, times, cond):
    """The latents are shifted first and scaled then, the bug of 04.4: vae.to_pictures scales by vae.latent_std first."""
    z = last(sample(denoiser, noise, times, cond=cond))
    return vae.decode((z + vae.latent_mean) * vae.latent_std)


def pictures_normalised_again(vae, denoiser, noise, times, cond):
    """The latents are normalised once more: undo it, by z * vae.latent_std + vae.latent_mean or by vae.to_pictures."""
    z = last(sample(denoiser, noise, times, cond=cond))
    return vae.decode((z - vae.latent_mean) / vae.latent_std)


def pictures_out_of_range(vae, denoiser, noise, times, cond):
    """Some pixels leave [-1, 1]: the decoder knows no bounds, so clamp what it says, or let vae.to_pictures do it."""
    return vae.decode(vae.unscaled(last(sample(denoiser, noise, times, cond=cond))))


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


def _small_vae(seed: int) -> VAE:
    """Untrained, with the mean and the deviation of latents that need scaling back, and pixels beyond ±1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = VAE(width=16).eval().requires_grad_(False)
        vae.latent_mean.copy_(3 * torch.rand(4, 1, 1) - 1)
        vae.latent_std.copy_(0.5 + 2 * torch.rand(4, 1, 1))
    vae.decoder[-2].weight.mul_(3)
    return vae


class _GaussianOfLabels(NamedTuple):
    """Exact for latents whose mean depends on the five labels; without labels, as if each were 0."""

    schedule: NoiseSchedule

    def __call__(self, x_t, t, cond=None):
        labels = torch.zeros(len(x_t), 5) if cond is None else cond.float()  # (B, 5)
        mean = 0.8 - labels @ torch.tensor([0.1, -0.2, 0.3, -0.26, 0.07])  # (B,)
        return GaussianDenoiser(mean[:, None, None, None], 0.6, self.schedule)(x_t, t)


def _scenes(draw):
    cond = torch.tensor([[2, 0, 1, 3, 5], [1, 4, 0, 2, 0]])
    noise = torch.randn(2, 4, 4, 4, generator=seeded(15))
    return draw(_small_vae(5), _GaussianOfLabels(NoiseSchedule.cosine()), noise, [1000, 700, 400, 100, 0], cond)


def _other_scenes(draw):
    cond = torch.tensor([[0, 1, 2, 0, 1], [3, 0, 0, 1, 2], [5, 2, 1, 0, 0]])
    noise = torch.randn(3, 4, 2, 5, generator=seeded(16))
    return draw(_small_vae(6), _GaussianOfLabels(NoiseSchedule.linear()), noise, [800, 300, 40], cond)


LATENT_DIFFUSION = Exercise(
    id="04.5",
    title="Latent diffusion",
    points=2,
    on_device=True,
    solution=draw_scenes_from_noise,
    why="Nothing about the sampler has changed: it walks whatever tensor it is given. The VAE stands at the end, once.",
    hints=(
        "Two lines: walk the noise to a latent, then decode it.",
        "`last(sample(denoiser, noise, times, cond=cond))` is what you have done with pixels in notebook 03.",
        "The latents were normalised for the diffusion: `vae.to_pictures` undoes that before it decodes.",
    ),
    trials=(
        Trial(
            lambda draw: _scenes(draw).clamp(-1, 1),
            "Pictures from an exact denoiser and a small VAE do not come out right.",
            tolerance=1e-4,
        ),
        Trial(_scenes, "The pictures should lie in [-1, 1].", tolerance=1e-4),
        Trial(
            _other_scenes,
            "It is right for one VAE, one list of times and two pictures, and wrong for others.",
            tolerance=1e-4,
        ),
    ),
    mistakes=(
        pictures_not_scaled_back,
        pictures_shifted_before_they_are_scaled,
        pictures_normalised_again,
        pictures_out_of_range,
        pictures_without_labels,
        pictures_of_noise,
        pictures_of_clipped_latents,
        pictures_of_first_guess,
        pictures_one_step_short,
        pictures_decoded_on_the_way,
    ),
)
