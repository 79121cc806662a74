"""The exercises of notebook 05: attention, padding, a bug hunt, the contrastive loss, from a prompt to a picture."""

import copy
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.classroom.exercise import BugHunt, Exercise, Trial, joined
from course_lib.classroom.guarding import WrongAnswerError
from course_lib.denoisers import GaussianDenoiser, Prediction
from course_lib.networks.attention import attention
from course_lib.networks.text import TextEncoder, contrastive_loss
from course_lib.networks.tokenizer import Tokenizer
from course_lib.networks.vae import VAE
from course_lib.sampling import last, sample
from course_lib.schedules import NoiseSchedule

# --- 05.1 attention ---------------------------------------------------------------------------------------------------


def attend(q, k, v):
    scores = q @ k.T / q.shape[-1] ** 0.5  # (N, L)
    weights = torch.softmax(scores, dim=-1)  # over the words
    return weights @ v


def attend_over_positions(q, k, v):
    """The softmax runs over the positions: for each position, the weights of the words have to sum to one."""
    return torch.softmax(q @ k.T / q.shape[-1] ** 0.5, dim=0) @ v


def attend_unscaled(q, k, v):
    """The scores are not divided by √d: with many numbers to a word they would grow, and the softmax would be a choice."""
    return torch.softmax(q @ k.T, dim=-1) @ v


def attend_divided_by_d(q, k, v):
    """The scores are divided by d: its square root is meant."""
    return torch.softmax(q @ k.T / q.shape[-1], dim=-1) @ v


def attend_scaled_up(q, k, v):
    """The scores are multiplied by √d where they should be divided."""
    return torch.softmax(q @ k.T * q.shape[-1] ** 0.5, dim=-1) @ v


def attend_without_softmax(q, k, v):
    """The softmax is missing: scores may be negative and sum to anything."""
    return q @ k.T / q.shape[-1] ** 0.5 @ v


def attend_to_keys(q, k, v):
    """The keys are averaged: a key says what a word offers, the value is what it gives."""
    return torch.softmax(q @ k.T / q.shape[-1] ** 0.5, dim=-1) @ k


def attend_by_values(q, k, v):
    """The queries meet the values: they are to be compared with the keys."""
    return torch.softmax(q @ v.T / q.shape[-1] ** 0.5, dim=-1) @ v


def attend_divided_by_words(q, k, v):
    """The scores are divided by the root of the number of words: d is how many numbers a key has."""
    return torch.softmax(q @ k.T / k.shape[0] ** 0.5, dim=-1) @ v


def attend_divided_by_two(q, k, v):
    """The scores are divided by 2, which is √d for d = 4 alone: read d off q."""
    return torch.softmax(q @ k.T / 2, dim=-1) @ v


def attend_to_the_best(q, k, v):
    """Each position hears its best word alone: with the softmax, all words are heard, each as much as it fits."""
    return v[(q @ k.T).argmax(dim=-1)]


def attend_flattened(q, k, v):
    """The softmax runs over the whole table at once: for each position, the weights of the words have to sum to one."""
    return torch.softmax((q @ k.T / q.shape[-1] ** 0.5).flatten(), dim=0).reshape(len(q), len(k)) @ v


def attend_and_add(q, k, v):
    """The queries are added to what was heard: a network does so around attention, here only the latter is asked for."""
    return q + torch.softmax(q @ k.T / q.shape[-1] ** 0.5, dim=-1) @ v


def _heard(attend, positions: int, words: int, size: int) -> Tensor:
    generator = torch.Generator().manual_seed(51)
    q = torch.randn(positions, size, generator=generator)
    return attend(q, *(torch.randn(words, size, generator=generator) for _ in range(2)))


def _heard_in_other_sizes(attend) -> Tensor:
    return joined(_heard(attend, *sizes) for sizes in ((2, 7, 9), (1, 4, 25), (6, 1, 2)))


ATTENTION = Exercise(
    id="05.1",
    title="Attention",
    points=2,
    solution=attend,
    why="A position's weights over the words sum to one, so what it receives is an average of their values. Which words "
    "count is decided by queries and keys, what they say by the values.",
    hints=(
        "Scores first: every query with every key, (N, L). `q @ k.T` has all of these products.",
        "Divide by the root of d, `q.shape[-1] ** 0.5`, then `torch.softmax(scores, dim=…)`: what should sum to one?",
        "The last line is `weights @ v`: (N, L) times (L, d).",
    ),
    trials=(
        Trial(lambda attend: _heard(attend, 5, 3, 4), "Five positions and three words, d = 4, do not come out right."),
        Trial(
            _heard_in_other_sizes,
            "It comes out right for five positions, three words and d = 4, but not for other sizes: read them off q and k.",
        ),
    ),
    mistakes=(
        attend_over_positions,
        attend_unscaled,
        attend_divided_by_d,
        attend_scaled_up,
        attend_without_softmax,
        attend_to_keys,
        attend_by_values,
        attend_divided_by_words,
        attend_divided_by_two,
        attend_to_the_best,
        attend_flattened,
        attend_and_add,
    ),
    forbidden=(attention,),
)

# --- 05.2 padding -----------------------------------------------------------------------------------------------------


def masked_weights(scores, known):
    scores = scores.masked_fill(~known[:, None], -torch.inf)  # (B, N, L)
    return torch.softmax(scores, dim=-1)


def masked_upside_down(scores, known):
    """The words are hidden and the padding is seen: known is True for words."""
    return torch.softmax(scores.masked_fill(known[:, None], -torch.inf), dim=-1)


def masked_with_zero(scores, known):
    """The padding gets a score of zero, which is an ordinary score: minus infinity gives a weight of zero."""
    return torch.softmax(scores.masked_fill(~known[:, None], 0.0), dim=-1)


def masked_after_softmax(scores, known):
    """The padding's weights are struck out after the softmax: what is left no longer sums to one."""
    return torch.softmax(scores, dim=-1) * known[:, None]


def masked_nothing(scores, known):
    """The padding still has weights: nothing was masked."""
    return torch.softmax(scores, dim=-1)


def masked_scores(scores, known):
    """These are the scores: the softmax that makes weights of them is missing."""
    return scores.masked_fill(~known[:, None], -torch.inf)


def masked_by_first_text(scores, known):
    """Every text is masked as the first one: each has a length of its own."""
    return torch.softmax(scores.masked_fill(~known[:1, None], -torch.inf), dim=-1)


def masked_with_little(scores, known):
    """The padding gets a score of -10, and still has weight where the words' scores are low too: use minus infinity."""
    return torch.softmax(scores.masked_fill(~known[:, None], -10.0), dim=-1)


def masked_for_the_last_text(scores, known):
    """Every text is masked as the last one: each has a length of its own."""
    return torch.softmax(scores.masked_fill(~known[-1:, None], -torch.inf), dim=-1)


def masked_from_the_end(scores, known):
    """The mask is turned round: it hides as many places as there is padding, but at the beginning."""
    return torch.softmax(scores.masked_fill(~known.flip(-1)[:, None], -torch.inf), dim=-1)


def masked_over_positions(scores, known):
    """The softmax runs over the positions: for each of them, the weights of the words have to sum to one."""
    return torch.softmax(scores.masked_fill(~known[:, None], -torch.inf), dim=1)


def _masked(masked, positions: int, lengths: list[int], shift: float = 0.0) -> Tensor:
    """Weights of texts with so many words each; shift raises all scores, of which a softmax knows nothing.

    NaN becomes -1, which can be compared: over the positions, the softmax of padding is NaN.
    """
    scores = torch.randn(len(lengths), positions, max(lengths) + 1, generator=torch.Generator().manual_seed(52))
    known = torch.arange(max(lengths) + 1) < torch.tensor(lengths)[:, None]  # (B, L)
    return masked(scores + shift, known).nan_to_num(nan=-1.0)


def _masked_in_other_sizes(masked) -> Tensor:
    return joined(
        _masked(masked, *sizes)
        for sizes in ((1, [2, 5, 3]), (6, [2]), (4, [4, 4], 3.0), (2, [1, 3], -9.0), (2, [1, 3], -60.0))
    )


MASK = Exercise(
    id="05.2",
    title="Nobody looks at padding",
    points=1,
    solution=masked_weights,
    why="The exponential of minus infinity is zero, so padding gets no weight, and the softmax shares all of it among the "
    "words. The begin token is always known, so no row is left with nothing.",
    hints=(
        "Change the scores, not the weights: the softmax then makes the rest sum to one by itself.",
        "Which score has the exponential zero?",
        "`scores.masked_fill(~known[:, None], -torch.inf)`: the new axis stands for the positions.",
    ),
    trials=(
        Trial(lambda masked: _masked(masked, 3, [2, 4, 1, 3]), "Texts of one to four words do not come out right."),
        Trial(
            _masked_in_other_sizes,
            "It comes out right for texts of one to four words, but not for others, or not where all scores are low.",
        ),
    ),
    mistakes=(
        masked_upside_down,
        masked_with_zero,
        masked_after_softmax,
        masked_nothing,
        masked_scores,
        masked_by_first_text,
        masked_with_little,
        masked_for_the_last_text,
        masked_from_the_end,
        masked_over_positions,
    ),
    forbidden=(attention,),
)

# --- 05.3 bug hunt ----------------------------------------------------------------------------------------------------


def weights_of_words(scores):
    return torch.softmax(scores, dim=-2)


def weights_by_softmax(scores):
    return torch.softmax(scores, dim=-1)


def weights_by_hand(scores):
    rising = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return rising / rising.sum(dim=-1, keepdim=True)


def find_the_bug(weights_of_words):
    weights = weights_of_words(torch.randn(2, 5, 3))  # (B, positions, words)
    assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 5)), "over the words, weights should sum to one"


WRONG_AXIS = BugHunt(
    id="05.3",
    title="Bug hunt: attention that trains anyway",
    points=2,
    broken=weights_of_words,
    correct=(weights_by_softmax, weights_by_hand),
    solution=find_the_bug,
    why="The shapes are right and the loss falls, since the layers around it adapt. But the positions compete for a word "
    "instead of the words for a position, and what a position receives depends on how large the picture is.",
    hints=(
        "What has to be true of the weights of one position, whatever the scores are?",
        "Take as many positions as you like, but not as many as words: a square table may hide it.",
        "`weights.sum(dim=-1)` has one number for each position.",
    ),
    forbidden=(attention,),
)

# --- 05.4 the contrastive loss ----------------------------------------------------------------------------------------


def clip_loss(pictures, texts, scale):
    logits = scale * pictures @ texts.T  # (B, B)
    own = torch.arange(len(pictures), device=pictures.device)  # (B,)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def _mean_choice(pictures, texts, scale):
    """The right loss, for mistakes that begin after it."""
    logits, own = scale * pictures @ texts.T, torch.arange(len(pictures))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def clip_loss_one_way(pictures, texts, scale):
    """Only pictures look for their texts: texts should look for their pictures too."""
    return F.cross_entropy(scale * pictures @ texts.T, torch.arange(len(pictures)))


def clip_loss_other_way(pictures, texts, scale):
    """Only texts look for their pictures: pictures should look for their texts too."""
    return F.cross_entropy(scale * texts @ pictures.T, torch.arange(len(pictures)))


def clip_loss_summed(pictures, texts, scale):
    """The two directions are added: their mean is meant."""
    logits, own = scale * pictures @ texts.T, torch.arange(len(pictures))
    return F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)


def clip_loss_unscaled(pictures, texts, scale):
    """The scale is missing: unit vectors alone keep all probabilities alike."""
    logits, own = pictures @ texts.T, torch.arange(len(pictures))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def clip_loss_divided(pictures, texts, scale):
    """The products are divided by the scale: it is one over the temperature, so multiply."""
    logits, own = pictures @ texts.T / scale, torch.arange(len(pictures))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def clip_loss_of_products(pictures, texts, scale):
    """This only asks own pairs to be alike: without a softmax over the others, all may end in one point."""
    return -(scale * pictures * texts).sum(dim=1).mean()


def clip_loss_among_pictures(pictures, texts, scale):
    """Pictures are compared with pictures: compare them with the texts."""
    return F.cross_entropy(scale * pictures @ pictures.T, torch.arange(len(pictures)))


def clip_loss_over_sum(pictures, texts, scale):
    """The cross-entropies of the pairs are added up: take their mean, or the loss depends on how many there are."""
    return len(pictures) * _mean_choice(pictures, texts, scale)


def clip_loss_of_shares(pictures, texts, scale):
    """The probabilities of the own pairs are averaged: a cross-entropy is minus the mean of their logarithms."""
    logits = scale * pictures @ texts.T
    return -(logits.softmax(1).diagonal().mean() + logits.softmax(0).diagonal().mean()) / 2


def clip_loss_with_gain(pictures, texts, scale):
    """The sign is the other way round: a cross-entropy is minus the mean logarithm, and falls as pairs are found."""
    return -_mean_choice(pictures, texts, scale)


def clip_loss_softmax_twice(pictures, texts, scale):
    """F.cross_entropy takes logits and makes the softmax itself: here it is made twice."""
    logits, own = scale * pictures @ texts.T, torch.arange(len(pictures))
    return (F.cross_entropy(logits.softmax(1), own) + F.cross_entropy(logits.T.softmax(1), own)) / 2


def clip_loss_detached(pictures, texts, scale):
    """No gradient passes through this loss, so nothing would learn from it: compute it with torch, without detach."""
    return _mean_choice(pictures, texts, scale).detach()


def clip_loss_texts_detached(pictures, texts, scale):
    """No gradient reaches the texts: both encoders learn from this loss."""
    return _mean_choice(pictures, texts.detach(), scale)


def clip_loss_pictures_detached(pictures, texts, scale):
    """No gradient reaches the pictures: both encoders learn from this loss."""
    return _mean_choice(pictures.detach(), texts, scale)


def _pairs(count: int, size: int) -> Tensor:
    """Pictures and texts of length 1, (2, count, size)."""
    return F.normalize(torch.randn(2, count, size, generator=torch.Generator().manual_seed(53)), dim=-1)


def _loss_in_other_sizes(loss) -> Tensor:
    return joined(loss(*_pairs(*sizes), scale) for *sizes, scale in ((7, 3, 14.0), (2, 6, 1.0), (3, 3, 10)))


def _gradients(loss) -> Tensor:
    """Of the loss by pictures and texts, (2 · 4, 5); zero where none arrives.

    Only across the vectors: along them the encoders, which make them of length 1, let nothing through, so that a loss
    may make them of length 1 once more.
    """
    pictures, texts = (unit.requires_grad_() for unit in _pairs(4, 5))
    value = loss(pictures, texts, 4.0)
    if not value.requires_grad:
        return torch.zeros(8, 5)
    try:
        found = torch.autograd.grad(value, (pictures, texts), allow_unused=True, materialize_grads=True)
    except RuntimeError as error:  # such as after an in-place change of what the gradient needs
        reason = str(error).split(": [")[0]
        raise WrongAnswerError(f"The loss comes out right, but torch cannot compute its gradient: {reason}.") from error
    found, units = torch.cat(found), torch.cat([pictures, texts]).detach()  # each (8, 5)
    return found - (found * units).sum(dim=1, keepdim=True) * units


CONTRASTIVE = Exercise(
    id="05.4",
    title="The contrastive loss",
    points=2,
    solution=clip_loss,
    why="Each picture has to choose among all texts, and each text among all pictures: the others of the batch are the wrong "
    "answers, so nobody has to write any.",
    hints=(
        "All products at once, (B, B): row i holds picture i with every text.",
        "The right answer of row i is column i: `F.cross_entropy(logits, own)` with `own = torch.arange(B)`, on the "
        "device of `pictures`.",
        "The texts' choice is in the columns: the same with `logits.T`. Take the mean of both.",
    ),
    trials=(
        Trial(lambda loss: loss(*_pairs(4, 5), 4.0), "Four pairs at a scale of 4 do not come out right."),
        Trial(
            _loss_in_other_sizes,
            "It comes out right for four pairs at a scale of 4, but not for other numbers of pairs or other scales.",
        ),
        Trial(_gradients, "The loss comes out right, but its gradient does not, and a network learns from that."),
    ),
    mistakes=(
        clip_loss_one_way,
        clip_loss_other_way,
        clip_loss_summed,
        clip_loss_unscaled,
        clip_loss_divided,
        clip_loss_of_products,
        clip_loss_among_pictures,
        clip_loss_over_sum,
        clip_loss_of_shares,
        clip_loss_with_gain,
        clip_loss_softmax_twice,
        clip_loss_detached,
        clip_loss_texts_detached,
        clip_loss_pictures_detached,
    ),
    forbidden=(contrastive_loss,),
)

# --- 05.5 from a prompt to a picture ----------------------------------------------------------------------------------


def draw_prompts(prompts, encoder, denoiser, vae, noise, times):
    cond = encoder.encode(prompts)  # (B, L, D)
    z = last(sample(denoiser, noise, times, cond=cond))  # (B, 4, 16, 16)
    return vae.to_pictures(z)  # (B, 3, 64, 64)


def prompts_from_fresh_noise(prompts, encoder, denoiser, vae, noise, times):
    """Drawn twice from the same noise, the pictures differ: start from it, walk by DDIM, and draw no random numbers."""
    return vae.to_pictures(last(sample(denoiser, torch.randn_like(noise), times, cond=encoder.encode(prompts))))


def prompts_from_own_noise(prompts, encoder, denoiser, vae, noise, times):
    """Whatever noise is given, the same pictures come: start the walk from `noise`."""
    return vae.to_pictures(last(sample(denoiser, torch.zeros_like(noise), times, cond=encoder.encode(prompts))))


def prompts_along_own_times(prompts, encoder, denoiser, vae, noise, times):
    """Whatever times are given, the same pictures come: walk along `times`."""
    own = denoiser.schedule.times(10)
    return vae.to_pictures(last(sample(denoiser, noise, own, cond=encoder.encode(prompts))))


def prompts_unread(prompts, encoder, denoiser, vae, noise, times):
    """Whatever the prompts say, the same pictures come: hand what the encoder answers to the sampler, as cond=…"""
    return vae.to_pictures(last(sample(denoiser, noise, times)))


def prompts_all_the_first(prompts, encoder, denoiser, vae, noise, times):
    """Every picture is drawn from the first prompt: each row of the noise has its own."""
    cond = encoder.encode(prompts)[:1].expand(len(prompts), -1, -1)
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=cond)))


def prompts_by_first_word(prompts, encoder, denoiser, vae, noise, times):
    """Only the first token of each prompt is handed on: the denoiser reads all of (B, L, D)."""
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts)[:, :1])))


def prompts_not_scaled_back(prompts, encoder, denoiser, vae, noise, times):
    """The latents go to the decoder as they were diffused: vae.to_pictures scales and shifts them back first."""
    return vae.decode(last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))).clamp(-1, 1)


def prompts_not_shifted_back(prompts, encoder, denoiser, vae, noise, times):
    """The latents are scaled back, but not shifted by their mean: vae.to_pictures does both."""
    return vae.decode(last(sample(denoiser, noise, times, cond=encoder.encode(prompts))) * vae.latent_std).clamp(-1, 1)


def prompts_shifted_first(prompts, encoder, denoiser, vae, noise, times):
    """The latents are shifted back before they are scaled: the other way round undoes what was done."""
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return vae.decode((z + vae.latent_mean) * vae.latent_std).clamp(-1, 1)


def prompts_scaled_back_twice(prompts, encoder, denoiser, vae, noise, times):
    """The latents are scaled and shifted back twice: vae.to_pictures does it, so hand it the latents as they were drawn."""
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return vae.to_pictures(z * vae.latent_std + vae.latent_mean)


def prompts_clipped_latents(prompts, encoder, denoiser, vae, noise, times):
    """The latents are clipped to -1 … 1: pixels end there, latents do not."""
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts))).clamp(-1, 1))


def prompts_in_one_stride(prompts, encoder, denoiser, vae, noise, times):
    """Only the first and the last of the times are used: walk along all of them."""
    ends = [times[0], times[-1]]
    return vae.to_pictures(last(sample(denoiser, noise, ends, cond=encoder.encode(prompts))))


def prompts_one_step_short(prompts, encoder, denoiser, vae, noise, times):
    """The last step is missing: the walk has to arrive at the last of the times."""
    return vae.to_pictures(last(sample(denoiser, noise, times[:-1], cond=encoder.encode(prompts))))


def prompts_from_zero_to_one(prompts, encoder, denoiser, vae, noise, times):
    """The pictures come out in 0 … 1: in -1 … 1 they were asked for, as the decoder gives them."""
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))) / 2 + 0.5


def prompts_not_clamped(prompts, encoder, denoiser, vae, noise, times):
    """Some numbers lie beyond -1 … 1: vae.to_pictures clamps them, vae.decode does not."""
    return vae.decode(vae.unscaled(last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))))


class _GaussianOfWords(NamedTuple):
    """Exact for latents whose mean the words give: for the channels, the sums of their first numbers."""

    schedule: NoiseSchedule

    def __call__(self, x_t: Tensor, t: int | Tensor, cond: Tensor | None = None) -> Prediction:
        if cond is None:
            cond = torch.zeros(1, 1, 4)
        if not isinstance(cond, Tensor) or cond.ndim != 3 or not cond.is_floating_point():
            raise TypeError("cond must be what encoder.encode(prompts) answers, of shape (B, L, D).")
        mean = cond[..., :4].sum(dim=1)[..., None, None]  # (B, 4, 1, 1)
        return GaussianDenoiser(mean / 4, 0.4, self.schedule)(x_t, t)


@cache
def _parts() -> tuple[TextEncoder, _GaussianOfWords, VAE]:
    """An encoder and a small decoder that have learned nothing, and an exact denoiser between them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        known = ["a", "an", "red", "blue", "white", "sports", "car", "apple"]
        encoder, vae = TextEncoder(Tokenizer(known), size=8, depth=1, heads=2), VAE(width=16)
        vae.decoder = nn.Sequential(
            nn.Conv2d(4, 48, 3, padding=1), nn.PixelShuffle(4)
        )  # (B, 4, H, W) -> (B, 3, 4H, 4W)
    vae.encoder = nn.Identity()
    vae.latent_mean.copy_(torch.tensor([0.5, -1.0, 0.2, 2.0])[:, None, None])
    vae.latent_std.copy_(torch.tensor([2.0, 0.5, 3.0, 1.5])[:, None, None])
    return encoder.requires_grad_(False), _GaussianOfWords(NoiseSchedule.cosine()), vae.requires_grad_(False)


PROMPTS = ("a red sports car", "an apple", "a blue car on white")


def _drawn(draw, prompts=PROMPTS, times=(1000, 600, 200, 0), seed: int = 55) -> Tensor:
    noise = torch.randn(len(prompts), 4, 16, 16, generator=torch.Generator().manual_seed(seed))
    return draw(list(prompts), *copy.deepcopy(_parts()), noise, list(times))


def _one_if_alike(a: Tensor, b: Tensor) -> Tensor:
    return torch.tensor(float(torch.allclose(a, b, atol=1e-6, equal_nan=True)))


PROMPT_TO_PICTURE = Exercise(
    id="05.5",
    title="From a prompt to a picture",
    points=2,
    solution=draw_prompts,
    why="Encode, walk, decode: three lines, and each of them is a network that you have seen being trained.",
    hints=(
        "Read first: `encoder.encode(prompts)` has a row for each prompt.",
        "Then walk, as in notebook 04, with what was read as `cond`.",
        "Decode once, at the end: `vae.to_pictures`.",
    ),
    trials=(
        Trial(
            lambda draw: _one_if_alike(_drawn(draw), _drawn(draw)),
            "Drawn twice from the same noise, the pictures differ.",
        ),
        Trial(
            lambda draw: _one_if_alike(_drawn(draw), _drawn(draw, seed=56)), "Another noise gives the same pictures."
        ),
        Trial(
            lambda draw: _one_if_alike(_drawn(draw), _drawn(draw, times=(900, 300, 0))),
            "Other times give the same pictures.",
        ),
        Trial(
            lambda draw: _one_if_alike(_drawn(draw), _drawn(draw, ["a white apple", "a car", "a red car on blue"])),
            "Other prompts give the same pictures.",
        ),
        Trial(lambda draw: _drawn(draw).clamp(-1, 1), "Three prompts do not give the right pictures.", tolerance=1e-4),
        Trial(
            lambda draw: _drawn(draw, ["a blue apple"], (700, 500, 300, 100, 20)).clamp(-1, 1),
            "It comes out right for three prompts from t = 1000 to 0, but not for one prompt from t = 700 to 20.",
            tolerance=1e-4,
        ),
        Trial(_drawn, "The pictures should lie in -1 … 1.", tolerance=1e-4),
    ),
    mistakes=(
        prompts_from_fresh_noise,
        prompts_from_own_noise,
        prompts_along_own_times,
        prompts_unread,
        prompts_all_the_first,
        prompts_by_first_word,
        prompts_not_scaled_back,
        prompts_not_shifted_back,
        prompts_shifted_first,
        prompts_scaled_back_twice,
        prompts_clipped_latents,
        prompts_in_one_stride,
        prompts_one_step_short,
        prompts_from_zero_to_one,
        prompts_not_clamped,
    ),
)
