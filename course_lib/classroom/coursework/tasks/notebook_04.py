"""What coursework asks of notebook 04: a price in bits, latents for another program, the right price, and who needs KL."""

import math

import torch

from course_lib.classroom.chance import seeded
from course_lib.classroom.coursework.task import Question, Variation
from course_lib.classroom.exercise import Trial
from course_lib.networks.vae import VAE, kl_divergence

# --- 04.V the price of a latent ---------------------------------------------------------------------------------------


def price_in_bits(mean, std, prior_mean, prior_std):
    """What each latent of a batch costs, in bits: (B,), the sum over all of its numbers.

    mean, std: (B, H, W, C), the encoder's Gaussians, channels last; std are standard deviations, above 0
    prior_mean, prior_std: (C,), the prior: for each channel one Gaussian, in place of N(0, 1)
    A number costs the KL divergence of the encoder's Gaussian from the prior's; one bit is log(2) nats.
    """
    away = (mean - prior_mean) / prior_std  # (B, H, W, C), in deviations of the prior
    ratio = std / prior_std  # (B, H, W, C)
    nats = 0.5 * (away**2 + ratio**2 - 1) - ratio.log()
    return nats.sum(dim=(1, 2, 3)) / torch.tensor(2.0).log()


def price_as_the_course_has_it(mean, std, prior_mean, prior_std):
    """This is the divergence from N(0, 1), as in the course. Here each channel has a prior of its own."""
    nats = 0.5 * (mean**2 + std**2 - 1) - std.log()
    return nats.sum(dim=(1, 2, 3)) / math.log(2)


def price_of_deviations_as_variances(mean, std, prior_mean, prior_std):
    """This takes the standard deviations for variances: square them, the prior's too."""
    nats = 0.5 * ((mean - prior_mean) ** 2 / prior_std + std / prior_std - 1 - (std / prior_std).log())
    return nats.sum(dim=(1, 2, 3)) / math.log(2)


def price_the_other_way_round(mean, std, prior_mean, prior_std):
    """This is the divergence of the prior from the encoder's Gaussian: the two have changed places."""
    away, ratio = (mean - prior_mean) / std, prior_std / std
    nats = 0.5 * (away**2 + ratio**2 - 1) - ratio.log()
    return nats.sum(dim=(1, 2, 3)) / math.log(2)


def price_in_nats(mean, std, prior_mean, prior_std):
    """This is right in nats: divide by log(2) to get bits."""
    away, ratio = (mean - prior_mean) / prior_std, std / prior_std
    return (0.5 * (away**2 + ratio**2 - 1) - ratio.log()).sum(dim=(1, 2, 3))


def price_averaged(mean, std, prior_mean, prior_std):
    """This averages over the numbers of a latent: a latent costs as much as all of them together."""
    away, ratio = (mean - prior_mean) / prior_std, std / prior_std
    return (0.5 * (away**2 + ratio**2 - 1) - ratio.log()).mean(dim=(1, 2, 3)) / math.log(2)


def price_without_half(mean, std, prior_mean, prior_std):
    """The half in front of the formula is missing."""
    away, ratio = (mean - prior_mean) / prior_std, std / prior_std
    return (away**2 + ratio**2 - 1 - 2 * ratio.log()).sum(dim=(1, 2, 3)) / math.log(2)


def price_with_half_a_logarithm(mean, std, prior_mean, prior_std):
    """The logarithm counts only half. The formula has the variance's, which is twice the standard deviation's."""
    away, ratio = (mean - prior_mean) / prior_std, std / prior_std
    return (0.5 * (away**2 + ratio**2 - 1 - ratio.log())).sum(dim=(1, 2, 3)) / math.log(2)


def price_of_unscaled_means(mean, std, prior_mean, prior_std):
    """How far the means are apart has to be measured in deviations of the prior: under a wide prior the same way is cheap."""
    away, ratio = mean - prior_mean, std / prior_std
    return (0.5 * (away**2 + ratio**2 - 1) - ratio.log()).sum(dim=(1, 2, 3)) / math.log(2)


def price_with_channels_second(mean, std, prior_mean, prior_std):
    """This takes the second axis for the channels, as in the course. Here they are the last."""
    prior_mean, prior_std = prior_mean[:, None, None], prior_std[:, None, None]
    away, ratio = (mean - prior_mean) / prior_std, std / prior_std
    return (0.5 * (away**2 + ratio**2 - 1) - ratio.log()).sum(dim=(1, 2, 3)) / math.log(2)


def price_of_channels(mean, std, prior_mean, prior_std):
    """This adds up what each channel costs over the batch: what is asked for is the price of each latent."""
    away, ratio = (mean - prior_mean) / prior_std, std / prior_std
    return (0.5 * (away**2 + ratio**2 - 1) - ratio.log()).sum(dim=(0, 1, 2)) / math.log(2)


def _price(answer, shape, widest):
    mean, log_std = torch.randn(2, *shape, generator=seeded(41))  # (B, H, W, C) each
    prior_mean = torch.randn(shape[-1], generator=seeded(42))  # (C,)
    prior_std = 0.4 + widest * torch.rand(shape[-1], generator=seeded(43))  # (C,)
    return answer(mean, (0.5 * log_std).exp(), prior_mean, prior_std)


PRICE = Variation(
    id="04.V",
    title="The price of a latent, in bits",
    points=4,
    text=r"""In another VAE the encoder answers with standard deviations, the channels are the *last* axis, and in place of
$\mathcal N(0, 1)$ there is a *prior* that is trained along with it: one mean $\mu_p$ and one standard
deviation $\sigma_p$ for each channel. Its authors want to know how many bits each latent carries: the sum of
$D_\text{KL}\big(\mathcal N(\mu, \sigma^2)\,\|\,\mathcal N(\mu_p, \sigma_p^2)\big)$ over its numbers. Where both are the
same, it has to be 0.""",
    solution=price_in_bits,
    example="torch.tensor([[[[1.0, 2.0]]], [[[0.0, 3.0]]]]), torch.tensor([[[[0.5, 3.0]]], [[[1.0, 3.0]]]]), "
    "torch.tensor([0.0, 2.0]), torch.tensor([1.0, 3.0])",
    why="Shifted and scaled so that the prior is N(0, 1), the formula is the course's: a divergence does not depend on units.",
    hints=(),
    trials=(
        Trial(lambda answer: _price(answer, (4, 4, 4, 4), 1.2), "The price of four latents does not come out right."),
        Trial(
            lambda answer: _price(answer, (2, 3, 5, 6), 4.0),
            "It is not right for latents of another shape, under a wider prior.",
        ),
    ),
    mistakes=(
        price_as_the_course_has_it,
        price_of_deviations_as_variances,
        price_the_other_way_round,
        price_in_nats,
        price_averaged,
        price_without_half,
        price_with_half_a_logarithm,
        price_of_unscaled_means,
        price_with_channels_second,
        price_of_channels,
    ),
    forbidden=(kl_divergence,),
)

# --- 04.V latents for another program ---------------------------------------------------------------------------------


def latents_for_another(z, total, squares, count, factor):
    """The latents as the encoder made them, times a factor: the shape of z.

    z: (C, B, N), latents that were normalised, each channel to mean 0 and deviation 1; C channels, B latents, N positions
    total, squares: (C,), for each channel the sum of all training latents' numbers, and the sum of their squares
    count: how many numbers were added up for each channel
    factor: the number by which the other program has all of its latents multiplied
    The variance of a channel is the mean of the squares minus the square of the mean.
    """
    mean = total / count  # (C,)
    std = (squares / count - mean**2).sqrt()  # (C,)
    return factor * (z * std[:, None, None] + mean[:, None, None])


def latents_as_the_course_has_it(z, total, squares, count, factor):
    """This takes the two sums for mean and deviation, which the course has stored: compute them from the sums."""
    return factor * (z * squares[:, None, None] + total[:, None, None])


def latents_shifted_first(z, total, squares, count, factor):
    """This shifts first and scales then, the bug of 04.4: undo the last thing first."""
    mean = total / count
    std = (squares / count - mean**2).sqrt()
    return factor * (z + mean[:, None, None]) * std[:, None, None]


def latents_normalised_again(z, total, squares, count, factor):
    """This normalises once more: z is normalised already, and has to be brought back."""
    mean = total / count
    std = (squares / count - mean**2).sqrt()
    return factor * (z - mean[:, None, None]) / std[:, None, None]


def latents_mean_not_multiplied(z, total, squares, count, factor):
    """The factor is missing on the mean: it multiplies the whole latent."""
    mean = total / count
    std = (squares / count - mean**2).sqrt()
    return factor * z * std[:, None, None] + mean[:, None, None]


def latents_divided(z, total, squares, count, factor):
    """This divides by the factor: the other program has its latents multiplied by it."""
    mean = total / count
    std = (squares / count - mean**2).sqrt()
    return (z * std[:, None, None] + mean[:, None, None]) / factor


def latents_scaled_by_variance(z, total, squares, count, factor):
    """This scales by the variance: the square root is missing."""
    mean = total / count
    variance = squares / count - mean**2
    return factor * (z * variance[:, None, None] + mean[:, None, None])


def latents_scaled_by_root_mean_square(z, total, squares, count, factor):
    """The root of the mean of the squares is the deviation from 0. From the mean it is smaller: subtract the mean's square."""
    mean = total / count
    return factor * (z * (squares / count).sqrt()[:, None, None] + mean[:, None, None])


def latents_without_shift(z, total, squares, count, factor):
    """The mean is missing: scaled back, each channel still has to be shifted back."""
    mean = total / count
    std = (squares / count - mean**2).sqrt()
    return factor * z * std[:, None, None]


def latents_with_one_for_all(z, total, squares, count, factor):
    """This has one mean and one deviation for all channels: each has its own."""
    mean = total.mean() / count
    std = (squares.mean() / count - mean**2).sqrt()
    return factor * (z * std + mean)


def latents_with_channels_second(z, total, squares, count, factor):
    """This takes the second axis for the channels, as in the course. Here they are the first."""
    mean = total / count
    std = (squares / count - mean**2).sqrt()
    return factor * (z * std[:, None] + mean[:, None])


def _back(answer, shape, factor):
    scale, shift = torch.rand(2, shape[0], 1, generator=seeded(44))  # (C, 1) each
    latents = (0.5 + scale) * torch.randn(shape[0], 20_000, generator=seeded(45)) + 2 * shift - 1  # (C, count)
    z = torch.randn(shape, generator=seeded(46))  # (C, B, N)
    return answer(z, latents.sum(dim=1), latents.square().sum(dim=1), latents.shape[1], factor)


BACK = Variation(
    id="04.V",
    title="Latents for another program",
    points=4,
    text=r"""A diffusion model has drawn latents that were normalised channel by channel. What was stored is not mean and
deviation, but two sums for each channel, over the latents of a million pictures: of the numbers, and of their squares. The
drawn latents are now needed in another program, which does as Stable Diffusion does: *its* latents are those of the encoder
times one factor for all channels, without a shift. Here the channels come *first*. Write the conversion.""",
    solution=latents_for_another,
    example="torch.tensor([[[0.0, 1.0]], [[0.0, 1.0]]]), torch.tensor([20.0, 0.0]), torch.tensor([50.0, 90.0]), 10, 0.5",
    why="Scaled back, then shifted back, with a mean and a deviation for each channel; the factor multiplies what comes out.",
    hints=(),
    trials=(
        # Wide enough for a variance that was divided by n − 1.
        Trial(lambda answer: _back(answer, (4, 4, 4), 0.18), "Four latents do not come out right.", tolerance=1e-4),
        Trial(
            lambda answer: _back(answer, (3, 2, 5), 2.5),
            "It is not right for latents of another shape, with another factor.",
            tolerance=1e-4,
        ),
    ),
    mistakes=(
        latents_as_the_course_has_it,
        latents_shifted_first,
        latents_normalised_again,
        latents_mean_not_multiplied,
        latents_divided,
        latents_scaled_by_variance,
        latents_scaled_by_root_mean_square,
        latents_without_shift,
        latents_with_one_for_all,
        latents_with_channels_second,
    ),
    forbidden=(VAE.unscaled,),
)

# --- 04.E the right price ---------------------------------------------------------------------------------------------

RIGHT_PRICE = Question(
    id="04.E",
    title="The right price",
    text=r"""Write down what came of the open experiment of section 3. A table first, with a row for each thing that you tried:
what was changed, the squared error, and the distance that a tenth of the draws exceed. It begins with the notebook's two
rows and has at least four of your own, each of which differs from another row in one thing alone. Then, in three to six
sentences, what you conclude, and which of the differences may be chance. The number to beat: less than 0.41 for that
distance, at an error below 0.140.""",
    criteria=(
        (1, "A try that beats the number: a last column below 0.41 at an error below 0.140."),
        (
            1,
            "A table of at least four tries, in which one thing is changed at a time, so that it can be seen what did it.",
        ),
        (
            1,
            "A conclusion that these numbers carry: what each change gave and cost, and where a difference may be chance.",
        ),
    ),
    model=r"""All with the notebook's seeds.

| what | squared error | a tenth of the draws beyond |
|---|---|---|
| w = 0.001, the notebook's | 0.136 | 0.44 |
| w = 0.01, the notebook's | 0.144 | 0.37 |
| w = 0.003 | 0.139 | 0.42 |
| w = 0.005 | 0.141 | 0.40 |
| w = 0.005, 1,400 steps | 0.134 | 0.38 |
| w = 0.005, one more layer of 256 in encoder and decoder | 0.119 | 0.30 |
| w = 0.02, one more layer | 0.126 | 0.31 |
| w = 0.001, one more layer | 0.113 | 0.29 |

The weight alone trades one number for the other: at 0.003 the error is low enough and the last column is not, and at 0.005
it is the other way round. A better network improves both at once: twice the steps at the same weight beat the number, and one
more layer in either half beats it by far. With that layer the weight hardly matters any more to the last column: it goes from
0.29 to 0.31 while the weight grows twentyfold, and that may be chance, since eight sets of 200 draws from one and the same
network (w = 0.005) gave anything from 0.35 to 0.40. For the same reason I would not rely on the steps from 0.42 to 0.40 and
0.38. The one from 0.40 to 0.30 is real: with two other seeds of training it was there again.""",
)

# --- 04.Q what the KL term is for -------------------------------------------------------------------------------------

HOLES = Question(
    id="04.Q",
    title="Who needs the KL term?",
    text=r"""A classmate says: "Section 3 closes the holes in the latent space. But in section 6 nobody draws latents from a
Gaussian; the diffusion model draws them, and it has learned where latents lie. So for latent diffusion the KL term is good
for nothing: leave it out, and let the normalising see to the size of the latents." Stable Diffusion's weight of 0.000001
seems to agree. What is right about this? Now suppose that without the KL term the clouds shrink to points, and that the
diffusion model errs a little, as all of them do: what is lost then, and which measurement would show it? Three to six
sentences.""",
    criteria=(
        (
            1,
            "Right: holes harm whoever draws from a Gaussian. A diffusion model draws where it has seen latents, whatever the "
            "shape of that region, and stays out of the holes.",
        ),
        (1, "Right: the size is a matter of normalising, so the weight may be tiny."),
        (
            1,
            "Lost: with a cloud around each latent the decoder has learned to make the right picture of its neighbourhood. "
            "Without one it has been trained on points only, and a latent that is a little off may be decoded badly.",
        ),
        (
            1,
            "A measurement that would show it: add a little noise, in units of the latents' deviation, to the latents of "
            "unseen pictures, decode, and compare by how much the error grows with clouds and without; or another as good.",
        ),
    ),
    model=r"""Most of it is right. Holes are a trouble for those who draw from a Gaussian and land in them; a diffusion model
learns the distribution of the latents, of whatever shape, and draws where they are. The size is settled by normalising, so the
weight can be tiny, and Stable Diffusion's is. (I trained a small diffusion model on the two numbers of the plain autoencoder:
a tenth of its draws lie beyond 0.29, as with reconstructions, where draws from a Gaussian have 0.52.) But the KL term also
keeps the clouds from shrinking, and in a cloud the decoder has to make the right picture of everything near a latent. A
decoder that was trained on points alone owes nothing to the places beside them, where every slightly wrong draw lands. It can
be measured: add noise of 0.2 deviations to the latents of unseen garments and decode. In the plain autoencoder the squared
error grows from 0.134 to 0.179, in the VAE with w = 0.01 only from 0.144 to 0.160.""",
)
