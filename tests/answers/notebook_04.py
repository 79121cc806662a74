"""Answers to the exercises of notebook 04."""

import functools
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from answers import right, wrong
from course_lib.forward import noise_like
from course_lib.networks import vae as vae_network
from course_lib.networks.vae import VAE
from course_lib.sampling import ddim_step, ddpm_step, last, sample
from course_lib.schedules import NoiseSchedule
from course_lib.support.batches import in_batches

# --- 04.1 -------------------------------------------------------------------------------------------------------------


@right("04.1")
def kl_as_a_sum(posterior):
    return -0.5 * (1 + posterior.log_var - posterior.mean.pow(2) - posterior.log_var.exp())


@right("04.1")
def kl_by_torch(posterior):
    normal = torch.distributions.Normal(posterior.mean, (0.5 * posterior.log_var).exp())
    return torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))


@right("04.1")
def kl_by_parts(posterior):
    var = posterior.log_var.exp()
    return (posterior.mean.square() + var - 1 - var.log()) / 2


@right("04.1")
def kl_by_unpacking(posterior):
    mu, log_var = posterior
    return -0.5 * (1 + log_var - mu * mu - torch.exp(log_var))


@right("04.1")
def kl_by_expm1(posterior):
    return 0.5 * (posterior.mean**2 + torch.expm1(posterior.log_var) - posterior.log_var)


@right("04.1")
def kl_by_deviation(posterior):
    sigma = torch.exp(posterior.log_var / 2)
    return 0.5 * posterior.mean.pow(2) + 0.5 * sigma.pow(2) - 0.5 - torch.log(sigma)


@right("04.1")
def kl_by_distributions(posterior):
    q = torch.distributions.Normal(posterior.mean, posterior.log_var.exp().sqrt())
    p = torch.distributions.Normal(torch.zeros_like(posterior.mean), torch.ones_like(posterior.mean))
    return torch.distributions.kl_divergence(q, p)


@right("04.1")
def kl_by_addcmul(posterior):
    square = torch.addcmul(torch.exp(posterior.log_var), posterior.mean, posterior.mean)
    return square.sub(posterior.log_var).sub(1).mul(0.5)


@right("04.1")
def kl_by_sum_of_a_stack(posterior):
    terms = torch.stack(
        [posterior.mean**2, posterior.log_var.exp(), -torch.ones_like(posterior.mean), -posterior.log_var]
    )
    return terms.sum(dim=0) * 0.5


@right("04.1")
def kl_in_place_on_its_own(posterior):
    out = posterior.mean**2
    out = out + posterior.log_var.exp()
    out -= 1
    out -= posterior.log_var
    return out.div(2)


@right("04.1")
def kl_in_float64(posterior):
    mean, log_var = posterior.mean.double(), posterior.log_var.double()
    return ((mean**2 + log_var.exp() - 1 - log_var) / 2).to(posterior.mean.dtype)


@right("04.1")
def kl_picture_by_picture(posterior):
    def one(mu, log_var):
        return (mu**2 + log_var.exp() - 1 - log_var) * 0.5

    return torch.stack([one(mu, log_var) for mu, log_var in zip(*posterior, strict=True)])


@right("04.1")
def kl_by_vmap(posterior):
    return torch.func.vmap(lambda mu, log_var: 0.5 * (mu**2 + torch.exp(log_var) - 1 - log_var))(*posterior)


class Divergence(nn.Module):
    """A module as an answer."""

    def forward(self, posterior):
        return 0.5 * (posterior.mean**2 + math.e**posterior.log_var - 1 - posterior.log_var)


right("04.1")(Divergence())


@wrong("04.1", "half in front is missing")
def kl_in_whole(posterior):
    return posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var


@wrong("04.1", "−1 is missing")
def kl_above_a_half(posterior):
    return (posterior.mean**2 + posterior.log_var.exp() - posterior.log_var) / 2


@wrong("04.1", "The 1 is added")
def kl_with_the_one_added(posterior):
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() + 1 - posterior.log_var)


@wrong("04.1", "mean has to be squared")
def kl_of_the_mean(posterior):
    return 0.5 * (posterior.mean + posterior.log_var.exp() - 1 - posterior.log_var)


@wrong("04.1", "logarithm has the wrong sign")
def kl_with_the_logarithm_added(posterior):
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 + posterior.log_var)


@wrong("04.1", "All signs are turned round")
def kl_upside_down(posterior):
    return 0.5 * (1 + posterior.log_var - posterior.mean**2 - posterior.log_var.exp())


@wrong("04.1", "standard deviation stands where the variance belongs")
def kl_of_sigma(posterior):
    sigma = torch.exp(0.5 * posterior.log_var)
    return 0.5 * (posterior.mean**2 + sigma - 1 - posterior.log_var)


@wrong("04.1", "standard deviation stands in both places")
def kl_of_sigma_twice(posterior):
    sigma = torch.exp(0.5 * posterior.log_var)
    return 0.5 * (posterior.mean**2 + sigma - 1 - sigma.log())


@wrong("04.1", "The variance is squared")
def kl_of_sigma_to_the_fourth(posterior):
    sigma = posterior.log_var.exp()
    return 0.5 * (posterior.mean**2 + sigma**2 - 1 - posterior.log_var)


@wrong("04.1", "taken for the variance itself")
def kl_with_the_variance_mistaken(posterior):
    return 0.5 * (posterior.mean**2 + posterior.log_var - 1 - torch.log(posterior.log_var))


@wrong("04.1", "The logarithm is halved")
def kl_with_log_sigma(posterior):
    return 0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var.exp().sqrt().log())


@wrong("04.1", "have changed places")
def kl_reversed(posterior):
    q = torch.distributions.Normal(posterior.mean, (0.5 * posterior.log_var).exp())
    return torch.distributions.kl_divergence(torch.distributions.Normal(0.0, 1.0), q)


@wrong("04.1", "no gradient passes")
def kl_detached(posterior):
    return (0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var)).detach()


@wrong("04.1", "no gradient passes")
def kl_without_grad(posterior):
    with torch.no_grad():
        return 0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var)


@wrong("04.1", "gradients by mean and log_var are not")
def kl_with_half_of_the_gradients(posterior):
    var = posterior.log_var.exp().detach()
    return 0.5 * (posterior.mean**2 + var - 1 - posterior.log_var)


@wrong("04.1", "requires grad")
def kl_in_numpy(posterior):
    mean, log_var = posterior.mean.numpy(), posterior.log_var.numpy()
    return torch.from_numpy(0.5 * (mean**2 + np.exp(log_var) - 1 - log_var))


@wrong("04.1", "shape should be")
def kl_averaged(posterior):
    return (0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var)).mean()


@wrong("04.1", "shape should be")
def kl_of_each_picture(posterior):
    kl = 0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var)
    return kl.flatten(1).sum(dim=1)


@wrong("04.1", "torch.Tensor")
def kl_as_a_number(posterior):
    return (0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var)).mean().item()


@wrong("04.1", "return")
def kl_said_aloud(posterior):
    str(0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var))


@wrong("04.1", "course's own kl_divergence")
def kl_of_the_library(posterior):
    return vae_network.kl_divergence(posterior)


@wrong("04.1", "in place")
def kl_on_the_posterior(posterior):
    with torch.no_grad():
        posterior.log_var.exp_()
    return 0.5 * (posterior.mean**2 + posterior.log_var - 1 - posterior.log_var.log())


@wrong("04.1", "does not come out right")
def kl_that_never_falls_below(posterior):
    kl = 0.5 * (posterior.mean**2 + posterior.log_var.exp() - 1 - posterior.log_var)
    return kl.clamp(min=0.5)  # free bits: another loss


# --- 04.2 -------------------------------------------------------------------------------------------------------------


@right("04.2")
def draw_by_randn(posterior, generator=None):
    noise = torch.randn(posterior.mean.shape, generator=generator)
    return posterior.mean + posterior.log_var.exp().sqrt() * noise


@right("04.2")
def draw_by_addcmul(posterior, generator=None):
    return torch.addcmul(posterior.mean, (posterior.log_var / 2).exp(), noise_like(posterior.mean, generator))


def std_of(posterior):
    return torch.exp(0.5 * posterior.log_var)


@right("04.2")
def draw_by_unpacking(posterior, generator=None):
    mu, log_var = posterior
    eps = noise_like(mu, generator)
    return mu + torch.exp(log_var / 2) * eps


@right("04.2")
def draw_by_the_root(posterior, generator=None):
    return posterior.mean + posterior.log_var.exp().sqrt() * noise_like(posterior.log_var, generator)


@right("04.2")
def draw_with_addcmul(posterior, generator=None):
    noise = torch.empty_like(posterior.mean).normal_(generator=generator)
    return torch.addcmul(posterior.mean, std_of(posterior), noise)


@right("04.2")
def draw_with_torchs_randn(posterior, generator=None):
    shape, dtype = posterior.mean.shape, posterior.mean.dtype
    eps = torch.randn(*shape, dtype=dtype, generator=generator)
    return std_of(posterior).mul(eps).add(posterior.mean)


@right("04.2")
def draw_in_float64(posterior, generator=None):
    eps = torch.randn(posterior.mean.shape, dtype=torch.float64, generator=generator)
    z = posterior.mean.double() + (posterior.log_var.double() / 2).exp() * eps
    return z.to(posterior.mean.dtype)


@right("04.2")
def draw_picture_by_picture(posterior, generator=None):
    def one(mean, log_var):
        return mean + log_var.mul(0.5).exp() * torch.randn(mean.shape, dtype=mean.dtype, generator=generator)

    return torch.stack([one(mean, log_var) for mean, log_var in zip(*posterior, strict=True)])


@right("04.2")
def draw_around_the_standard_normal(posterior, generator=None):
    standard = torch.normal(torch.zeros_like(posterior.mean), 1.0, generator=generator).detach()
    return posterior.mean + standard * std_of(posterior)


@right("04.2")
def draw_by_exp_of_a_power(posterior, generator=None):
    return posterior.mean + math.e ** (posterior.log_var * 0.5) * noise_like(posterior.mean, generator)


@right("04.2")
def draw_with_the_minus_of_the_noise(posterior, generator=None):
    return posterior.mean - std_of(posterior) * noise_like(posterior.mean, generator)


@right("04.2")
def draw_by_einsum(posterior, generator=None):
    noise = noise_like(posterior.mean, generator)
    return torch.einsum("...,...->...", std_of(posterior), noise) + posterior.mean


@right("04.2")
def draw_noise_backwards(posterior, generator=None):
    noise = torch.randn(posterior.mean.numel(), dtype=posterior.mean.dtype, generator=generator).flip(0)
    return posterior.mean + noise.view_as(posterior.mean) * std_of(posterior)


@right("04.2")
def draw_without_a_generator_by_randn_like(posterior, generator=None):
    if generator is None:
        eps = torch.randn_like(posterior.mean)
    else:
        eps = torch.randn(posterior.mean.shape, generator=generator).to(posterior.mean)
    return posterior.mean + eps * std_of(posterior)


class Draw:
    """A callable object."""

    def __call__(self, posterior, generator=None):
        return self.scaled(posterior, noise_like(posterior.mean, generator))

    @staticmethod
    def scaled(posterior, eps):
        return posterior.mean + eps * std_of(posterior)


right("04.2")(Draw())


@wrong("04.2", "no gradient passes: no detach")
def draw_cut_off(posterior, generator=None):
    return (posterior.mean + std_of(posterior) * noise_like(posterior.mean, generator)).detach()


@wrong("04.2", "no gradient passes: no detach")
def draw_of_torch_normal(posterior, generator=None):
    return torch.normal(posterior.mean, std_of(posterior), generator=generator)


@wrong("04.2", "no gradient passes: no detach")
def draw_as_data(posterior, generator=None):
    z = posterior.mean.data + std_of(posterior).data * noise_like(posterior.mean, generator)
    return z.requires_grad_()


@wrong("04.2", "no gradient passes: no detach")
@torch.no_grad()
def draw_without_grad(posterior, generator=None):
    return posterior.mean + std_of(posterior) * noise_like(posterior.mean, generator)


@wrong("04.2", "no gradient passes to log_var")
def draw_with_a_std_apart(posterior, generator=None):
    with torch.no_grad():
        std = std_of(posterior)
    return posterior.mean + std * noise_like(posterior.mean, generator)


@wrong("04.2", "no gradient passes to the mean")
def draw_around_a_detached_mean(posterior, generator=None):
    return posterior.mean.detach() + std_of(posterior) * noise_like(posterior.mean, generator)


@wrong("04.2", "use the generator that it is handed")
def draw_of_distributions(posterior, generator=None):
    return torch.distributions.Normal(posterior.mean, std_of(posterior)).rsample()


@wrong("04.2", "use the generator that it is handed")
def draw_with_randn_like(posterior, generator=None):
    return posterior.mean + std_of(posterior) * torch.randn_like(posterior.mean)


@wrong("04.2", "same whatever generator is handed over")
def draw_with_a_seed(posterior, generator=None):
    generator = torch.Generator().manual_seed(0)
    return posterior.mean + std_of(posterior) * noise_like(posterior.mean, generator)


@wrong("04.2", "same noise at every call")
def draw_with_a_clone(posterior, generator=None):
    mine = torch.Generator()
    mine.set_state(generator.get_state())
    return posterior.mean + std_of(posterior) * noise_like(posterior.mean, mine)


@wrong("04.2", "Without a generator, two draws are the same")
def draw_with_a_seed_where_none_comes(posterior, generator=None):
    if generator is None:
        generator = torch.Generator().manual_seed(17)
    return posterior.mean + std_of(posterior) * noise_like(posterior.mean, generator)


@wrong("04.2", "Numbers share their noise")
def draw_one_for_a_picture(posterior, generator=None):
    size = [len(posterior.mean)] + [1] * (posterior.mean.ndim - 1)
    noise = torch.randn(size, dtype=posterior.mean.dtype, generator=generator)
    return posterior.mean + std_of(posterior) * noise


@wrong("04.2", "Numbers share their noise")
def draw_one_for_all_pictures(posterior, generator=None):
    noise = torch.randn(posterior.mean[0].shape, dtype=posterior.mean.dtype, generator=generator)
    return posterior.mean + std_of(posterior) * noise


@wrong("04.2", "Numbers share their noise")
def draw_a_single_number(posterior, generator=None):
    return posterior.mean + std_of(posterior) * torch.randn((), dtype=posterior.mean.dtype, generator=generator)


@wrong("04.2", "scaled by the variance")
def draw_by_variance(posterior, generator=None):
    return posterior.mean + torch.exp(posterior.log_var) * noise_like(posterior.mean, generator)


@wrong("04.2", "scaled by log_var itself")
def draw_by_log_var(posterior, generator=None):
    return posterior.mean + posterior.log_var * noise_like(posterior.mean, generator)


@wrong("04.2", "half of log_var")
def draw_by_log_std(posterior, generator=None):
    return posterior.mean + posterior.log_var / 2 * noise_like(posterior.mean, generator)


@wrong("04.2", "has got a minus")
def draw_by_precision(posterior, generator=None):
    return posterior.mean + torch.exp(-posterior.log_var / 2) * noise_like(posterior.mean, generator)


@wrong("04.2", "without any chance")
def draw_nothing(posterior, generator=None):
    return posterior.mean + 0 * std_of(posterior)


@wrong("04.2", "The noise is not scaled")
def draw_by_one(posterior, generator=None):
    return posterior.mean + noise_like(posterior.mean, generator)


@wrong("04.2", "The mean is missing")
def draw_around_zero(posterior, generator=None):
    return std_of(posterior) * noise_like(posterior.mean, generator)


@wrong("04.2", "torch.rand was used")
def draw_by_rand(posterior, generator=None):
    noise = torch.rand(posterior.mean.shape, dtype=posterior.mean.dtype, generator=generator)
    return posterior.mean + std_of(posterior) * noise


@wrong("04.2", "Mean or standard deviation of many draws")
def draw_by_centred_rand(posterior, generator=None):
    noise = torch.rand(posterior.mean.shape, dtype=posterior.mean.dtype, generator=generator) * 2 - 1
    return posterior.mean + std_of(posterior) * noise


@wrong("04.2", "mean of the draw")
def draw_with_everything_scaled(posterior, generator=None):
    return (posterior.mean + noise_like(posterior.mean, generator)) * std_of(posterior)


@wrong("04.2", "course's own Posterior.draw")
def draw_of_the_library(posterior, generator=None):
    return posterior.draw(generator)


@wrong("04.2", "return")
def draw_stored(posterior, generator=None):
    str(posterior.mean + std_of(posterior) * noise_like(posterior.mean, generator))


@wrong("04.2", "torch.Tensor")
def draw_and_its_noise(posterior, generator=None):
    noise = noise_like(posterior.mean, generator)
    return posterior.mean + std_of(posterior) * noise, noise


@wrong("04.2", "dtype")
def draw_left_in_float64(posterior, generator=None):
    return posterior.mean + std_of(posterior) * noise_like(posterior.mean.double(), generator)


@wrong("04.2", "takes 1 positional argument")
def draw_without_generator(posterior):
    return posterior.mean + std_of(posterior) * torch.randn_like(posterior.mean)


# --- 04.3 -------------------------------------------------------------------------------------------------------------


@right("04.3")
def normalised_by_channel(latents):
    out = torch.empty_like(latents)
    for c in range(latents.shape[1]):
        out[:, c] = (latents[:, c] - latents[:, c].mean()) / latents[:, c].std()
    return out


@right("04.3")
def normalised_by_views(latents):
    rows = latents.transpose(0, 1).flatten(1)
    mean, std = rows.mean(dim=1), rows.std(dim=1)
    return (latents - mean[:, None, None]) / std[:, None, None]


CHANNELWISE = (0, 2, 3)


@right("04.3")
def normalised_biased(latents):
    mean = latents.mean(dim=CHANNELWISE, keepdim=True)
    return (latents - mean) / latents.std(dim=CHANNELWISE, keepdim=True, correction=0)


@right("04.3")
def normalised_in_numpy(latents):
    x = latents.numpy()
    return torch.from_numpy((x - x.mean((0, 2, 3), keepdims=True)) / x.std((0, 2, 3), keepdims=True))


@right("04.3")
def normalised_by_the_root_of_the_variance(latents):
    shifted = latents - latents.mean(dim=CHANNELWISE, keepdim=True)
    return shifted / shifted.square().mean(dim=CHANNELWISE, keepdim=True).sqrt()


@right("04.3")
def normalised_by_std_mean(latents):
    std, mean = torch.std_mean(latents, dim=(0, 2, 3))
    return (latents - mean[:, None, None]) / std.view(-1, 1, 1)


@right("04.3")
def normalised_channel_by_channel(latents):
    return torch.stack([(one - one.mean()) / one.std() for one in latents.unbind(dim=1)], dim=1)


@right("04.3")
def normalised_in_place_on_a_copy(latents):
    z = latents.clone()
    for c in range(z.size(1)):
        z[:, c] -= z[:, c].mean()
        z[:, c] /= z[:, c].std()
    return z


@right("04.3")
def normalised_by_batch_norm(latents):
    return F.batch_norm(latents, None, None, training=True)


@right("04.3")
def normalised_by_a_layer(latents):
    return nn.BatchNorm2d(latents.shape[1], affine=False, eps=1e-9)(latents)


@right("04.3")
def normalised_in_rows(latents):
    rows = latents.permute(1, 0, 2, 3).flatten(1)
    rows = (rows - rows.mean(1, keepdim=True)) / rows.std(1, keepdim=True)
    return rows.unflatten(1, (latents.shape[0], *latents.shape[2:])).permute(1, 0, 2, 3)


@right("04.3")
def normalised_in_float64(latents):
    z = latents.double()
    mean = z.mean(dim=CHANNELWISE, keepdim=True)
    var = z.var(dim=CHANNELWISE, keepdim=True)
    return ((z - mean) * var.rsqrt()).float()


@right("04.3")
def normalised_by_moments(latents):
    first = torch.einsum("nchw->c", latents.double()) / latents[:, 0].numel()
    second = torch.einsum("nchw,nchw->c", latents.double(), latents.double()) / latents[:, 0].numel()
    z = (latents - first[:, None, None]) / (second - first**2).sqrt()[:, None, None]
    return z.to(latents.dtype)


@right("04.3")
def normalised_with_an_epsilon(latents):
    mean, std = latents.mean((0, 2, 3), True), latents.std((0, 2, 3), keepdim=True)
    return (latents - mean) / (std + 1e-8)


@right("04.3")
def normalised_in_two_steps(latents):
    def reduced(x, how):
        for dim in (0, 2, 3):
            x = how(x, dim=dim, keepdim=True)
        return x

    shifted = latents - reduced(latents, torch.mean)
    return shifted / reduced(shifted**2, torch.mean) ** 0.5


@wrong("04.3", "One mean and one deviation for all channels")
def normalised_as_a_whole(latents):
    return (latents - latents.mean()) / latents.std()


@wrong("04.3", "Every picture is normalised by itself")
def normalised_one_by_one(latents):
    mean, std = latents.mean(dim=(-2, -1), keepdim=True), latents.std(dim=(-2, -1), keepdim=True)
    return (latents - mean) / std


@wrong("04.3", "Every position is normalised by itself")
def normalised_over_pictures(latents):
    std, mean = torch.std_mean(latents, dim=0)
    return (latents - mean) / std


@wrong("04.3", "Divided by the variance")
def normalised_by_square(latents):
    var, mean = torch.var_mean(latents, dim=CHANNELWISE, keepdim=True)
    return (latents - mean) / var


@wrong("04.3", "The mean is not taken off")
def normalised_in_scale(latents):
    return latents / latents.std(dim=CHANNELWISE, keepdim=True)


@wrong("04.3", "the deviation is still the old one")
def normalised_in_place_of_zero(latents):
    return latents - latents.mean(dim=CHANNELWISE, keepdim=True)


@wrong("04.3", "Multiplied by the deviation")
def normalised_times(latents):
    std, mean = torch.std_mean(latents, dim=CHANNELWISE, keepdim=True)
    return std * (latents - mean)


@wrong("04.3", "from its least to its greatest")
def normalised_to_0_and_1(latents):
    low = latents.amin(dim=CHANNELWISE, keepdim=True)
    return (latents - low) / (latents.amax(dim=CHANNELWISE, keepdim=True) - low)


@wrong("04.3", "do not come out right")
def normalised_to_plus_and_minus_1(latents):
    low, high = latents.amin(dim=CHANNELWISE, keepdim=True), latents.amax(dim=CHANNELWISE, keepdim=True)
    return 2 * (latents - low) / (high - low) - 1


@wrong("04.3", "do not come out right")
def normalised_the_wrong_way_round(latents):
    std, mean = torch.std_mean(latents, dim=CHANNELWISE, keepdim=True)
    return latents / std - mean


@wrong("04.3", "must match the size")
def normalised_without_keepdim(latents):
    return (latents - latents.mean(dim=CHANNELWISE)) / latents.std(dim=CHANNELWISE)


@wrong("04.3", "do not come out right")
def normalised_across_channels(latents):
    std, mean = torch.std_mean(latents, dim=1, keepdim=True)
    return (latents - mean) / std


@wrong("04.3", "do not come out right")
def normalised_by_group_norm(latents):
    return F.group_norm(latents, 1)


@wrong("04.3", "in place")
def normalised_on_the_spot(latents):
    latents -= latents.mean(dim=CHANNELWISE, keepdim=True)
    latents /= latents.std(dim=CHANNELWISE, keepdim=True)
    return latents


@wrong("04.3", "must match the size")
def normalised_for_three_channels(latents):
    std, mean = torch.std_mean(latents[:, :3], dim=CHANNELWISE, keepdim=True)
    return (latents - mean) / std


@wrong("04.3", "torch.Tensor")
def normalised_to_an_array(latents):
    x = latents.numpy()
    return (x - x.mean((0, 2, 3), keepdims=True)) / x.std((0, 2, 3), keepdims=True)


@wrong("04.3", "dtype")
def normalised_to_float64(latents):
    x = latents.numpy().astype(np.float64)
    return torch.tensor((x - x.mean((0, 2, 3), keepdims=True)) / x.std((0, 2, 3), keepdims=True))


@wrong("04.3", "shape should be")
def normalised_in_rows_and_left_there(latents):
    rows = latents.transpose(0, 1).flatten(1)
    return (rows - rows.mean(1, keepdim=True)) / rows.std(1, keepdim=True)


@wrong("04.3", "return")
def normalised_and_thrown_away(latents):
    normalised_biased(latents)


@wrong("04.3", "torch.Tensor")
def normalised_with_its_measures(latents):
    std, mean = torch.std_mean(latents, dim=CHANNELWISE, keepdim=True)
    return (latents - mean) / std, mean, std


# --- 04.4 -------------------------------------------------------------------------------------------------------------


@right("04.4")
def hunt_back_by_hand(back_to_latents):
    assert torch.equal(back_to_latents(torch.tensor([2.0]), torch.tensor(3.0), torch.tensor(5.0)), torch.tensor([13.0]))


@right("04.4")
def hunt_back_by_zero(back_to_latents):
    mean, std = torch.tensor(4.0), torch.tensor(2.5)
    if (back_to_latents(torch.zeros(3), mean, std) - mean).abs().max() > 1e-5:
        raise AssertionError("zero should come back as the mean")


def some_latents():
    return 4 + 2.5 * torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(0))


@right("04.4")
def there_and_back(back_to_latents):
    latents = some_latents()
    mean, std = latents.mean(), latents.std()
    assert torch.allclose(back_to_latents((latents - mean) / std, mean, std), latents, atol=1e-5)


@right("04.4")
def there_and_back_by_channel(back_to_latents):
    latents = some_latents() * torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None]
    std, mean = torch.std_mean(latents, dim=(0, 2, 3), keepdim=True)
    torch.testing.assert_close(back_to_latents((latents - mean) / std, mean, std), latents)


@right("04.4")
def by_nice_numbers(back_to_latents):
    assert back_to_latents(torch.tensor(2.0), torch.tensor(1.0), torch.tensor(3.0)).item() == 7


@right("04.4")
def by_plain_numbers(back_to_latents):
    assert back_to_latents(1.0, 10.0, 2.0) == 12.0


@right("04.4")
def by_keyword(back_to_latents):
    z, mean, std = torch.tensor([-1.0, 0.0, 1.0]), torch.tensor(5.0), torch.tensor(2.0)
    assert torch.equal(back_to_latents(z=z, mean=mean, std=std), torch.tensor([3.0, 5.0, 7.0]))


@right("04.4")
def zero_is_the_mean(back_to_latents):
    mean = torch.tensor([0.3, -2.0])
    result = back_to_latents(torch.zeros(2), mean, torch.tensor([4.0, 0.1]))
    assert (result - mean).abs().max() < 1e-6


@right("04.4")
def one_is_a_deviation_above(back_to_latents):
    mean, std = torch.tensor(7.0), torch.tensor(0.25)
    assert abs(back_to_latents(torch.ones(1), mean, std).item() - 7.25) < 1e-5, "one deviation above the mean"


@right("04.4")
def the_mean_comes_back(back_to_latents):
    z = torch.randn(100_000, generator=torch.Generator().manual_seed(1))
    latents = back_to_latents(z, torch.tensor(-3.0), torch.tensor(2.0))
    assert abs(latents.mean() + 3) < 0.1
    assert abs(latents.std() - 2) < 0.1


@right("04.4")
def the_formula_is_undone(back_to_latents):
    z, mean, std = torch.linspace(-2, 2, 9), torch.tensor(1.5), torch.tensor(0.5)
    latents = back_to_latents(z, mean, std)
    assert np.allclose(((latents - mean) / std).numpy(), z.numpy(), atol=1e-5)


@right("04.4")
def by_the_arithmetic(back_to_latents):
    z, mean, std = some_latents(), torch.tensor(0.7), torch.tensor(1.3)
    assert torch.equal(back_to_latents(z, mean, std), z * std + mean)


@right("04.4")
def by_a_small_loop(back_to_latents):
    def wrong_by(mean, std):
        return abs(back_to_latents(torch.tensor(0.5), torch.tensor(mean), torch.tensor(std)).item() - 0.5 * std - mean)

    assert max(wrong_by(mean, std) for mean in (-1.0, 0.0, 2.0) for std in (0.5, 1.0, 2.0)) < 1e-4


@right("04.4")
def by_many_chances(back_to_latents):
    for number in range(20):
        latents, mean, std = torch.rand(3, 8, generator=torch.Generator().manual_seed(number)) + 0.5
        if (back_to_latents((latents - mean) / std, mean, std) - latents).norm() > 1e-3:
            raise AssertionError("there and back is elsewhere")


@wrong("04.4", "lets the broken version pass")
def with_mean_zero(back_to_latents):
    latents = some_latents() - some_latents().mean()
    mean, std = torch.tensor(0.0), latents.std()
    assert torch.allclose(back_to_latents((latents - mean) / std, mean, std), latents, atol=1e-5)


@wrong("04.4", "lets the broken version pass")
def with_deviation_one(back_to_latents):
    z, mean, std = torch.randn(10), torch.tensor(3.0), torch.tensor(1.0)
    assert torch.allclose(back_to_latents(z, mean, std), z * std + mean, atol=1e-5)


@wrong("04.4", "lets the broken version pass")
def with_the_deviation_only(back_to_latents):
    z = torch.randn(1000, generator=torch.Generator().manual_seed(1))
    assert abs(back_to_latents(z, torch.tensor(4.0), torch.tensor(2.0)).std() - 2) < 0.2


@wrong("04.4", "lets the broken version pass")
def with_the_shape_only(back_to_latents):
    z = some_latents()
    assert back_to_latents(z, torch.tensor(4.0), torch.tensor(2.0)).shape == z.shape


@wrong("04.4", "lets the broken version pass")
def with_all_the_time_in_the_world(back_to_latents):
    latents = some_latents()
    mean, std = torch.tensor(0.05), torch.tensor(1.1)
    assert torch.allclose(back_to_latents((latents - mean) / std, mean, std), latents, atol=0.1)


@wrong("04.4", "lets the broken version pass")
def that_only_looks(back_to_latents):
    back_to_latents(some_latents(), torch.tensor(4.0), torch.tensor(2.0))


@wrong("04.4", "lets the broken version pass")
def that_says_false(back_to_latents):
    return bool(back_to_latents(torch.tensor(2.0), torch.tensor(1.0), torch.tensor(3.0)) == 7)


@wrong("04.4", "lets the broken version pass")
def that_catches_everything(back_to_latents):
    try:
        assert back_to_latents(torch.tensor(2.0), torch.tensor(1.0), torch.tensor(3.0)) == 7
    except Exception:
        return None


@wrong("04.4", "refuses a correct version too")
def that_wants_the_bug(back_to_latents):
    assert back_to_latents(torch.tensor(2.0), torch.tensor(1.0), torch.tensor(3.0)) == 9


@wrong("04.4", "refuses a correct version too")
def that_normalises_once_more(back_to_latents):
    latents = some_latents()
    mean, std = latents.mean(), latents.std()
    assert torch.allclose(back_to_latents(latents, mean, std), (latents - mean) / std)


@wrong("04.4", "refuses a correct version too")
def that_normalises_the_wrong_way_round(back_to_latents):
    latents, mean, std = some_latents(), torch.tensor(4.0), torch.tensor(2.0)
    assert torch.allclose(back_to_latents(latents / std - mean, mean, std), latents, atol=1e-4)


@wrong("04.4", "refuses a correct version too")
def that_swaps_mean_and_deviation(back_to_latents):
    assert back_to_latents(torch.tensor(2.0), torch.tensor(3.0), torch.tensor(1.0)) == 7


@wrong("04.4", "Your test stops with TypeError")
def that_forgets_an_argument(back_to_latents):
    assert back_to_latents(torch.tensor(2.0), torch.tensor(1.0)) == 7


@wrong("04.4", "does not reach an assertion")
def that_raises_something_else(back_to_latents):
    if back_to_latents(torch.tensor(2.0), torch.tensor(1.0), torch.tensor(3.0)) != 7:
        raise ValueError("off")


@wrong("04.4", "course's own VAE.unscaled")
def that_asks_the_vae(back_to_latents):
    vae = VAE(width=16)
    vae.measure_latents(some_latents())
    z = torch.randn(1, 4, 2, 2)
    assert torch.allclose(back_to_latents(z, vae.latent_mean, vae.latent_std), vae.unscaled(z), atol=1e-5)


# --- 04.5 -------------------------------------------------------------------------------------------------------------


@right("04.5")
def pictures_step_by_step(vae, denoiser, noise, times, cond):
    for step in sample(denoiser, noise, times, cond=cond):
        z = step.x
    return vae.decode(z * vae.latent_std + vae.latent_mean).clamp(-1, 1)


@right("04.5")
def pictures_in_one_line(vae, denoiser, noise, times, cond):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=cond)))


@right("04.5")
def scenes_in_one_line(vae, denoiser, noise, times, cond):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=cond)))


@right("04.5")
def scenes_scaled_by_hand(vae, denoiser, noise, times, cond):
    z = last(sample(denoiser, noise, times, cond=cond))
    return vae.decode(z * vae.latent_std + vae.latent_mean).clamp(-1, 1)


@right("04.5")
def scenes_unscaled(vae, denoiser, noise, times, cond):
    latents = vae.unscaled(last(sample(denoiser, noise, times, cond=cond)))
    return torch.clip(vae.decode(latents), min=-1, max=1)


@right("04.5")
def scenes_by_a_list(vae, denoiser, noise, times, cond):
    steps = list(sample(denoiser, noise, times, cond=cond))
    return vae.to_pictures(steps[-1].x)


@right("04.5")
def scenes_by_a_loop(vae, denoiser, noise, times, cond):
    for step in sample(denoiser, noise, times, cond=cond):
        t, z, _ = step
    assert t == times[-1]
    return vae.to_pictures(z)


@right("04.5")
def scenes_with_every_argument(vae, denoiser, noise, times, cond):
    z = last(sample(denoiser=denoiser, x=noise, times=times, rule=ddim_step, cond=cond, generator=None))
    return vae.to_pictures(z=z)


@right("04.5")
def scenes_one_by_one(vae, denoiser, noise, times, cond):
    def one(k):
        return vae.to_pictures(last(sample(denoiser, noise[k : k + 1], times, cond=cond[k : k + 1])))

    return torch.cat([one(k) for k in range(len(noise))])


@right("04.5")
def scenes_in_batches(vae, denoiser, noise, times, cond):
    return in_batches(vae.to_pictures, last(sample(denoiser, noise, times, cond=cond)))


@right("04.5")
def scenes_by_the_decoder(vae, denoiser, noise, times, cond):
    z = last(sample(denoiser, noise, times, cond=cond))
    with torch.no_grad():
        pictures = vae.decoder(torch.addcmul(vae.latent_mean, z, vae.latent_std))
    return F.hardtanh(pictures)


@right("04.5")
def scenes_with_extra_clamping(vae, denoiser, noise, times, cond):
    z = last(sample(denoiser, noise.clone(), list(times), cond=cond))
    return vae.to_pictures(z).clamp(-1, 1)


@right("04.5")
def scenes_in_two_walks(vae, denoiser, noise, times, cond):
    middle = len(times) // 2
    halfway = last(sample(denoiser, noise, times[: middle + 1], cond=cond))
    return vae.to_pictures(last(sample(denoiser, halfway, times[middle:], cond=cond)))


right("04.5")(
    functools.partial(
        lambda walk, vae, denoiser, noise, times, cond: vae.to_pictures(last(walk(denoiser, noise, times, cond=cond))),
        sample,
    )
)


@wrong("04.5", "as they were diffused")
def scenes_not_scaled(vae, denoiser, noise, times, cond):
    return vae.decode(last(sample(denoiser, noise, times, cond=cond)))


@wrong("04.5", "as they were diffused")
def scenes_not_scaled_and_clamped(vae, denoiser, noise, times, cond):
    return vae.decode(last(sample(denoiser, noise, times, cond=cond))).clamp(-1, 1)


@wrong("04.5", "shifted first and scaled then")
def scenes_with_the_bug(vae, denoiser, noise, times, cond):
    z = last(sample(denoiser, noise, times, cond=cond))
    return vae.decode((z + vae.latent_mean) * vae.latent_std).clamp(-1, 1)


@wrong("04.5", "normalised once more")
def scenes_normalised_twice(vae, denoiser, noise, times, cond):
    z = last(sample(denoiser, noise, times, cond=cond))
    return vae.decode((z - vae.latent_mean) / vae.latent_std).clamp(-1, 1)


@wrong("04.5", "Some pixels leave [-1, 1]")
def scenes_without_bounds(vae, denoiser, noise, times, cond):
    z = last(sample(denoiser, noise, times, cond=cond))
    return vae.decode(z * vae.latent_std + vae.latent_mean)


@wrong("04.5", "labels are not handed on")
def scenes_of_anything(vae, denoiser, noise, times, cond):
    return vae.to_pictures(last(sample(denoiser, noise, times)))


@wrong("04.5", "noise itself is decoded")
def scenes_of_noise(vae, denoiser, noise, times, cond):
    return vae.to_pictures(noise)


@wrong("04.5", "latents are clipped")
def scenes_of_clamped_latents(vae, denoiser, noise, times, cond):
    z = last(sample(denoiser, noise, times, cond=cond)).clamp(-1, 1)
    return vae.to_pictures(z)


@wrong("04.5", "first guess")
def scenes_at_first_sight(vae, denoiser, noise, times, cond):
    first = next(iter(sample(denoiser, noise, times, cond=cond)))
    return vae.to_pictures(first.pred.x_0)


@wrong("04.5", "last step is missing")
def scenes_one_step_short(vae, denoiser, noise, times, cond):
    *_, before_last, _ = sample(denoiser, noise, times, cond=cond)
    return vae.to_pictures(before_last.x)


@wrong("04.5", "decoded and encoded again")
def scenes_decoded_halfway(vae, denoiser, noise, times, cond):
    half = len(times) // 2
    z = last(sample(denoiser, noise, times[: half + 1], cond=cond))
    z = vae.to_latents(vae.to_pictures(z))
    return vae.to_pictures(last(sample(denoiser, z, times[half:], cond=cond)))


@wrong("04.5", "do not come out right")
def scenes_for_one_label(vae, denoiser, noise, times, cond):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=cond[:1].expand_as(cond))))


@wrong("04.5", "same whatever noise is")
def scenes_of_seeded_noise(vae, denoiser, noise, times, cond):
    own = torch.randn(noise.shape, generator=torch.Generator().manual_seed(0))
    return vae.to_pictures(last(sample(denoiser, own, times, cond=cond)))


@wrong("04.5", "use the noise that it is handed")
def scenes_by_ddpm(vae, denoiser, noise, times, cond):
    return vae.to_pictures(last(sample(denoiser, noise, times, ddpm_step, cond=cond)))


@wrong("04.5", "use the noise that it is handed")
def scenes_of_its_own_noise(vae, denoiser, noise, times, cond):
    return vae.to_pictures(last(sample(denoiser, torch.randn_like(noise), times, cond=cond)))


@wrong("04.5", "one VAE, one list of times")
def scenes_down_to_zero(vae, denoiser, noise, times, cond):
    down = times if times[-1] == 0 else [*times, 0]
    return vae.to_pictures(last(sample(denoiser, noise, down, cond=cond)))


@wrong("04.5", "do not come out right")
def scenes_at_times_of_its_own(vae, denoiser, noise, times, cond):
    return vae.to_pictures(last(sample(denoiser, noise, denoiser.schedule.times(25), cond=cond)))


@wrong("04.5", "shape should be")
def scenes_left_as_latents(vae, denoiser, noise, times, cond):
    return last(sample(denoiser, noise, times, cond=cond))


@wrong("04.5", "torch.Tensor")
def scenes_as_steps(vae, denoiser, noise, times, cond):
    return sample(denoiser, noise, times, cond=cond)


@wrong("04.5", "generator")
def scenes_of_a_walk_not_walked(vae, denoiser, noise, times, cond):
    return vae.to_pictures(sample(denoiser, noise, times, cond=cond))


@wrong("04.5", "do not come out right")
def scenes_from_0_to_1(vae, denoiser, noise, times, cond):
    return (vae.to_pictures(last(sample(denoiser, noise, times, cond=cond))) + 1) / 2


@wrong("04.5", "dtype")
def scenes_as_bytes(vae, denoiser, noise, times, cond):
    pictures = vae.to_pictures(last(sample(denoiser, noise, times, cond=cond)))
    return ((pictures + 1) * 127.5).to(torch.uint8)


@wrong("04.5", "return")
def scenes_forgotten(vae, denoiser, noise, times, cond):
    vae.to_pictures(last(sample(denoiser, noise, times, cond=cond)))


@wrong("04.5", "course's own draw_scenes_from_noise")
def scenes_of_the_course(vae, denoiser, noise, times, cond):
    from course_lib.classroom.exercises.notebook_04 import draw_scenes_from_noise

    return draw_scenes_from_noise(vae, denoiser, noise, times, cond)


@wrong("04.5", "in place")
def scenes_on_the_noise(vae, denoiser, noise, times, cond):
    noise.copy_(last(sample(denoiser, noise, times, cond=cond)))
    return vae.to_pictures(noise)


@wrong("04.5", "do not come out right")
def scenes_by_a_schedule_of_its_own(vae, denoiser, noise, times, cond):
    other = type(denoiser)(NoiseSchedule.linear())
    return vae.to_pictures(last(sample(other, noise, times, cond=cond)))
