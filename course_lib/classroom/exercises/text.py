"""The exercises of notebook 05: attention, padding, a bug hunt, the contrastive loss, from a prompt to a picture."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.classroom.checks import BugHunt, Exercise, Trial, joined
from course_lib.denoisers import Denoiser, GaussianDenoiser
from course_lib.sampling import last, sample
from course_lib.schedules import NoiseSchedule

# --- 05.1 attention ---------------------------------------------------------------------------------------------------


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
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


def _qkv(positions: int = 5, words: int = 3, size: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(51)
    q = torch.randn(positions, size, generator=generator)
    return q, *(torch.randn(words, size, generator=generator) for _ in range(2))


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
    trials=(Trial(lambda function: function(*_qkv()), "Five positions and three words do not come out right."),),
    mistakes=(
        attend_over_positions,
        attend_unscaled,
        attend_divided_by_d,
        attend_scaled_up,
        attend_without_softmax,
        attend_to_keys,
        attend_by_values,
        attend_divided_by_words,
    ),
)

# --- 05.2 padding -----------------------------------------------------------------------------------------------------


def masked_weights(scores: Tensor, known: Tensor) -> Tensor:
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


def _two_texts(masked):
    scores = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(52))  # (B, N, L)
    return masked(scores, torch.tensor([[True, True, True, False], [True, False, False, False]]))


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
    trials=(Trial(_two_texts, "Two texts of different lengths do not come out right."),),
    mistakes=(
        masked_upside_down,
        masked_with_zero,
        masked_after_softmax,
        masked_nothing,
        masked_scores,
        masked_by_first_text,
    ),
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
)

# --- 05.4 the contrastive loss ----------------------------------------------------------------------------------------


def clip_loss(pictures: Tensor, texts: Tensor, scale: float) -> Tensor:
    logits = scale * pictures @ texts.T  # (B, B)
    own = torch.arange(len(pictures))
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


def _four_pairs(loss):
    pictures, texts = F.normalize(torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(53)), dim=-1)
    return loss(pictures, texts, 4.0)


CONTRASTIVE = Exercise(
    id="05.4",
    title="The contrastive loss",
    points=2,
    solution=clip_loss,
    why="Each picture has to choose among all texts, and each text among all pictures: the others of the batch are the wrong "
    "answers, so nobody has to write any.",
    hints=(
        "All products at once, (B, B): row i holds picture i with every text.",
        "The right answer of row i is column i: `F.cross_entropy(logits, torch.arange(B))`.",
        "The texts' choice is in the columns: the same with `logits.T`. Take the mean of both.",
    ),
    trials=(Trial(_four_pairs, "The loss of four pairs does not come out right."),),
    mistakes=(
        clip_loss_one_way,
        clip_loss_other_way,
        clip_loss_summed,
        clip_loss_unscaled,
        clip_loss_divided,
        clip_loss_of_products,
        clip_loss_among_pictures,
    ),
)

# --- 05.5 from a prompt to a picture ----------------------------------------------------------------------------------


def draw_prompts(prompts, encoder, denoiser: Denoiser, vae, noise: Tensor, times: list[int]) -> Tensor:
    cond = encoder.encode(prompts)  # (B, L, D)
    z = last(sample(denoiser, noise, times, cond=cond))  # (B, 4, 16, 16)
    return vae.to_pictures(z)  # (B, 3, 64, 64)


def prompts_unread(prompts, encoder, denoiser, vae, noise, times):
    """The prompts never reach the denoiser: hand what the encoder answers to the sampler, as cond=…"""
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode([""] * len(prompts)))))


def prompts_all_the_first(prompts, encoder, denoiser, vae, noise, times):
    """Every picture is drawn from the first prompt: each row of the noise has its own."""
    cond = encoder.encode(prompts)[:1].expand(len(prompts), -1, -1)
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=cond)))


def prompts_not_decoded(prompts, encoder, denoiser, vae, noise, times):
    """These are latents: decode them."""
    return last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))


def prompts_not_scaled_back(prompts, encoder, denoiser, vae, noise, times):
    """The latents go to the decoder as they were diffused: vae.to_pictures scales and shifts them back first."""
    return vae.decode(last(sample(denoiser, noise, times, cond=encoder.encode(prompts))))


def prompts_in_one_stride(prompts, encoder, denoiser, vae, noise, times):
    """Only the first and the last of the times are used: walk along all of them."""
    ends = [times[0], times[-1]]
    return vae.to_pictures(last(sample(denoiser, noise, ends, cond=encoder.encode(prompts))))


def prompts_from_zero_to_one(prompts, encoder, denoiser, vae, noise, times):
    """The pictures come out in 0 … 1: in -1 … 1 they were asked for, as the decoder gives them."""
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))) / 2 + 0.5


class _Letters:
    """An encoder of one vector a text: how many letters it has."""

    def encode(self, texts):
        return torch.tensor([[[len(text) / 10, 1.0]] for text in texts])


class _Halving:
    """Decodes by halving, after the latents' own scale is back."""

    def decode(self, z):
        return z / 2

    def to_pictures(self, z):
        return self.decode(3 * z + 0.1)


class _GaussianOfText(NamedTuple):
    """Exact for latents whose mean the text's first number gives."""

    schedule: NoiseSchedule

    def __call__(self, x_t, t, cond):
        return GaussianDenoiser(cond[:, 0, 0].reshape(-1, 1, 1, 1), 0.4, self.schedule)(x_t, t)


def _drawn(draw):
    noise = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(55))
    denoiser = _GaussianOfText(NoiseSchedule.cosine())
    return joined(
        [draw(["a", "an apple", "a red sports car"], _Letters(), denoiser, _Halving(), noise, [1000, 600, 200, 0])]
    )


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
    trials=(Trial(_drawn, "Three prompts with an exact denoiser do not come out right.", tolerance=1e-4),),
    mistakes=(
        prompts_unread,
        prompts_all_the_first,
        prompts_not_decoded,
        prompts_not_scaled_back,
        prompts_in_one_stride,
        prompts_from_zero_to_one,
    ),
)

EXERCISES = (ATTENTION, MASK, WRONG_AXIS, CONTRASTIVE, PROMPT_TO_PICTURE)
