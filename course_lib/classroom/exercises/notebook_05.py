"""The exercises of notebook 05: attention and its parts, a bug hunt, two losses, from a prompt to a picture."""

import copy
from collections.abc import Iterable
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.classroom.chance import seeded
from course_lib.classroom.exercise import BugHunt, Exercise, Trial, joined
from course_lib.classroom.guarding import WrongAnswerError
from course_lib.denoisers import GaussianDenoiser, Prediction, signal_and_noise
from course_lib.networks.attention import CrossAttention, attention
from course_lib.networks.text import TextEncoder, contrastive_loss
from course_lib.networks.tokenizer import Tokenizer
from course_lib.networks.vae import VAE
from course_lib.sampling import last, sample
from course_lib.schedules import NoiseSchedule
from course_lib.training import denoising_loss

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
    generator = seeded(51)
    q = torch.randn(positions, size, generator=generator)
    return attend(q, *(torch.randn(words, size, generator=generator) for _ in range(2)))


def _heard_in_other_sizes(attend) -> Tensor:
    return joined(_heard(attend, *sizes) for sizes in ((2, 7, 9), (1, 4, 25), (6, 1, 2)))


ATTENTION = Exercise(
    id="05.1",
    title="Attention",
    points=2,
    on_device=True,
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


def masked_for_the_longest_text(scores, known):
    """Every text is masked as the longest one: each has a length of its own."""
    return torch.softmax(scores.masked_fill(~known.any(dim=0), -torch.inf), dim=-1)


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
    scores = torch.randn(len(lengths), positions, max(lengths) + 1, generator=seeded(52))
    known = torch.arange(max(lengths) + 1) < torch.tensor(lengths)[:, None]  # (B, L)
    return masked(scores + shift, known).nan_to_num(nan=-1.0)


def _masked_in_other_sizes(masked) -> Tensor:
    return joined(
        _masked(masked, *sizes)
        for sizes in ((1, [2, 5, 3]), (6, [2]), (4, [4, 4], 3.0), (2, [1, 3], -9.0), (2, [1, 3], -60.0))
    )


def _masked_slopes(masked) -> Tensor:
    """By the scores, of a mixture of all weights."""
    scores = torch.randn(2, 3, 4, generator=seeded(29)).requires_grad_()
    weights = masked(scores, torch.arange(4) < torch.tensor([4, 2])[:, None])
    return _slopes((weights * torch.linspace(-1, 1, 24).view(2, 3, 4)).sum(), (scores,))


MASK = Exercise(
    id="05.2",
    title="Nobody attends to padding",
    points=1,
    on_device=True,
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
        Trial(_masked_slopes, "The weights are right, but their gradients do not reach the scores."),
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
        masked_for_the_longest_text,
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

# --- 05.4 words in their places ---------------------------------------------------------------------------------------


def embed_words(ids, words, places):
    return words[ids] + places[: ids.shape[1]]  # (B, L, D)


def embedded_without_places(ids, words, places):
    """The places are missing: the same word gives the same vector wherever it stands."""
    return words[ids]


def embedded_with_places_of_ids(ids, words, places):
    """The place is chosen by the word's number: the first token gets places[0], the second places[1], and so on."""
    return words[ids] + places[ids]


def embedded_with_first_place(ids, words, places):
    """Every token gets the first place: token number k gets places[k]."""
    return words[ids] + places[0]


def embedded_with_the_place_after_the_last(ids, words, places):
    """Every token gets one and the same place, places[L]: the first L places are places[:L], with a colon."""
    return words[ids] + places[ids.shape[1]]


def embedded_running_on(ids, words, places):
    """The places run on from one text to the next: each text begins with places[0]."""
    return words[ids] + places[torch.arange(ids.numel()).view_as(ids)]


def embedded_counted_from_one(ids, words, places):
    """The first token gets places[1]: count from 0."""
    return words[ids] + places[1 : ids.shape[1] + 1]


def embedded_from_the_end(ids, words, places):
    """The places are counted from the end of the text: the first token gets places[0]."""
    return words[ids] + places[: ids.shape[1]].flip(0)


def embedded_at_the_end_of_the_table(ids, words, places):
    """These are the last places of the table: take the first ones."""
    return words[ids] + places[-ids.shape[1] :]


def embedded_multiplied(ids, words, places):
    """Word and place are multiplied: add them."""
    return words[ids] * places[: ids.shape[1]]


def embedded_averaged(ids, words, places):
    """This is half of the sum: add word and place as they are."""
    return (words[ids] + places[: ids.shape[1]]) / 2


def embedded_scaled(ids, words, places):
    """The words are multiplied by √D: add word and place as they are."""
    return words[ids] * words.shape[1] ** 0.5 + places[: ids.shape[1]]


def embedded_subtracted(ids, words, places):
    """The place is subtracted: add it."""
    return words[ids] - places[: ids.shape[1]]


def embedded_places_alone(ids, words, places):
    """The words are missing: their vectors are words[ids]."""
    return places[: ids.shape[1]].expand(len(ids), -1, -1)


def embedded_but_for_padding(ids, words, places):
    """Padding is left without its place: give it one too, since the mask sees to it that nobody attends there."""
    return words[ids] + places[: ids.shape[1]] * (ids != 0)[..., None]


def embedded_with_neighbours(ids, words, places):
    """The words are taken from the next token: words[ids] has them where they stand."""
    return words[ids.roll(-1, dims=1)] + places[: ids.shape[1]]


def embedded_detached(ids, words, places):
    """No gradient reaches the tables, but both are learned: compute with torch, without detach."""
    return (words[ids] + places[: ids.shape[1]]).detach()


def embedded_with_words_detached(ids, words, places):
    """No gradient reaches words, but both tables are learned: look up in the table itself, not in a copy of it."""
    return words.detach()[ids] + places[: ids.shape[1]]


def embedded_with_places_detached(ids, words, places):
    """No gradient reaches places, but both tables are learned: add rows of the table itself, not of a copy of it."""
    return words[ids] + places.detach()[: ids.shape[1]]


def _tables(known: int, longest: int, size: int) -> tuple[Tensor, Tensor]:
    generator = seeded(51)
    return torch.randn(known, size, generator=generator), torch.randn(longest, size, generator=generator)


def _embedded(embed):
    """Of two texts of four tokens; there are eight places, so that those of the ids and those that run on exist too."""
    return embed(torch.tensor([[1, 4, 7, 4], [1, 3, 0, 0]]), *_tables(9, 8, 3))


def _embedded_in_other_sizes(embed):
    texts = torch.tensor([[1, 5, 2, 8, 6, 2, 3]]), torch.tensor([[1], [2], [0]]), torch.tensor([[3, 3], [0, 1]])
    return joined(embed(ids, *_tables(9, 7, 4)) for ids in texts)


def _slopes(value: Tensor, by: Iterable[Tensor]) -> Tensor:
    """The gradient of a number by tensors, in one row; zero where none arrives."""
    by = tuple(by)
    if not value.requires_grad:
        return torch.zeros(sum(each.numel() for each in by))
    try:
        return joined(torch.autograd.grad(value, by, allow_unused=True, materialize_grads=True))
    except RuntimeError as error:  # such as after an in-place change of what the gradient needs
        reason = str(error).split(": [")[0]
        raise WrongAnswerError(
            f"The result comes out right, but torch cannot compute its gradient: {reason}."
        ) from error


def _embedded_slopes(embed) -> Tensor:
    """By both tables, of a mixture of all numbers; without padding, whose word need not be learned."""
    words, places = (table.requires_grad_() for table in _tables(9, 7, 3))
    found = embed(torch.tensor([[1, 4, 7, 4], [1, 3, 2, 2]]), words, places)
    return _slopes((found * torch.linspace(-1, 1, 24).view(2, 4, 3)).sum(), (words, places))


WORD_PLACES = Exercise(
    id="05.4",
    title="Words in their places",
    points=1,
    on_device=True,
    solution=embed_words,
    why="Indexing a table with a tensor of numbers gives a tensor of rows, (B, L, D), and the places, (L, D), are added to "
    "every text alike. Without them a text would be a bag of words to all that follows.",
    hints=(
        "`words[ids]` has a row of the table for each token: (B, L, D).",
        "The places of a text of L tokens are the first L rows: `places[:L]`, (L, D).",
        "Adding (B, L, D) and (L, D) adds the same places to every text.",
    ),
    trials=(
        Trial(_embedded, "The vectors of two texts do not come out right."),
        Trial(_embedded_in_other_sizes, "It is right for texts of four tokens, but not for longer and shorter ones."),
        Trial(
            _embedded_slopes, "The vectors come out right, but their gradient does not, and the tables learn from that."
        ),
    ),
    mistakes=(
        embedded_without_places,
        embedded_with_places_of_ids,
        embedded_with_first_place,
        embedded_with_the_place_after_the_last,
        embedded_running_on,
        embedded_counted_from_one,
        embedded_from_the_end,
        embedded_at_the_end_of_the_table,
        embedded_multiplied,
        embedded_averaged,
        embedded_scaled,
        embedded_subtracted,
        embedded_places_alone,
        embedded_but_for_padding,
        embedded_with_neighbours,
        embedded_detached,
        embedded_with_words_detached,
        embedded_with_places_detached,
    ),
)

# --- 05.5 attention with heads ----------------------------------------------------------------------------------------


def cross_attention(parts, tokens, words, known):
    q = parts.to_q(tokens)  # (B, N, C)
    k, v = parts.to_kv(words).chunk(2, dim=-1)  # (B, L, C) each
    found = []
    for head in range(parts.heads):
        q_h, k_h, v_h = (each.chunk(parts.heads, dim=-1)[head] for each in (q, k, v))  # (B, …, d)
        scores = q_h @ k_h.transpose(1, 2) / q_h.shape[-1] ** 0.5  # (B, N, L)
        found.append(masked_weights(scores, known) @ v_h)  # (B, N, d)
    return parts.to_out(torch.cat(found, dim=-1))


def _split(x, heads):
    """(B, …, C) -> (B, heads, …, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _split_without_transposing(x, heads):
    return x.reshape(len(x), heads, x.shape[1], -1)


def _split_in_turns(x, heads):
    return x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2)


def _join(found):
    """(B, heads, N, d) -> (B, N, C)."""
    return found.transpose(1, 2).flatten(2)


def _join_without_transposing(found):
    return found.reshape(len(found), found.shape[2], -1)


def _join_in_turns(found):
    return found.permute(0, 2, 3, 1).flatten(2)


def _join_averages(found):
    return found.mean(dim=1).repeat(1, 1, found.shape[1])


def _found(
    parts, tokens, words, known, *, heads=None, power=-0.5, of_all=False, split=_split, weigh=masked_weights, join=_join
) -> Tensor:
    """Cross-attention before its last projection, with one of its parts changed; weigh is an answer to 05.2."""
    q, k, v = parts.to_q(tokens), *parts.to_kv(words).chunk(2, dim=-1)
    q, k, v = (split(each, heads or parts.heads) for each in (q, k, v))  # (B, heads, …, d)
    scores = q @ k.transpose(-1, -2) * (tokens if of_all else q).shape[-1] ** power
    return join(weigh(scores, known[:, None]) @ v)


def _crossed(parts, tokens, words, known, **changed: Any) -> Tensor:
    return parts.to_out(_found(parts, tokens, words, known, **changed))


def _replaced(parts, **layers: Any) -> SimpleNamespace:
    """The parts, some of them replaced by functions."""
    return SimpleNamespace(
        **{"heads": parts.heads, "to_q": parts.to_q, "to_kv": parts.to_kv, "to_out": parts.to_out} | layers
    )


def _hide_the_words(scores, known):
    """As masked_upside_down, but a text without padding gives no NaN."""
    return torch.softmax(scores.masked_fill(known[:, None], -1e9), dim=-1)


def crossed_without_mask(parts, tokens, words, known):
    """Padding is attended to: use known, so that it gets no weight."""
    return _crossed(parts, tokens, words, known, weigh=masked_nothing)


def crossed_masked_upside_down(parts, tokens, words, known):
    """The mask is upside down: known is True where there is a word."""
    return _crossed(parts, tokens, words, known, weigh=masked_upside_down)


def crossed_masked_upside_down_with_a_number(parts, tokens, words, known):
    """The words are hidden and the padding is seen: known is True for words."""
    return _crossed(parts, tokens, words, known, weigh=_hide_the_words)


def crossed_masked_with_zero(parts, tokens, words, known):
    """The padding gets a score of zero, which is an ordinary score: minus infinity gives a weight of zero."""
    return _crossed(parts, tokens, words, known, weigh=masked_with_zero)


def crossed_masked_with_little(parts, tokens, words, known):
    """The padding gets a score of -10, and still has weight where the words' scores are low too: use minus infinity."""
    return _crossed(parts, tokens, words, known, weigh=masked_with_little)


def crossed_masked_after_softmax(parts, tokens, words, known):
    """The padding's weights are struck out after the softmax: what is left no longer sums to one."""
    return _crossed(parts, tokens, words, known, weigh=masked_after_softmax)


def crossed_masked_by_first_text(parts, tokens, words, known):
    """Every text is masked as the first one: each has a length of its own."""
    return _crossed(parts, tokens, words, known, weigh=masked_by_first_text)


def crossed_masked_for_the_longest_text(parts, tokens, words, known):
    """Every text is masked as the longest one: each has a length of its own."""
    return _crossed(parts, tokens, words, known, weigh=lambda scores, _: masked_for_the_longest_text(scores, known))


def crossed_with_padding_set_to_zero(parts, tokens, words, known):
    """Padding is set to zero before it is projected, but it still gets weight: mask the scores."""
    return _crossed(parts, tokens, words * known[..., None], known, weigh=masked_nothing)


def crossed_over_tokens(parts, tokens, words, known):
    """The softmax runs over the tokens: each token's weights over the words should sum to one."""
    return _crossed(parts, tokens, words, known, weigh=lambda scores, known: torch.softmax(scores, dim=-2))


def crossed_without_softmax(parts, tokens, words, known):
    """The softmax is missing: scores may be negative and sum to anything."""
    return _crossed(parts, tokens, words, known, weigh=masked_scores)


def crossed_in_one_head(parts, tokens, words, known):
    """There is one head: split queries, keys and values into parts.heads of d = C / heads numbers each."""
    return _crossed(parts, tokens, words, known, heads=1)


def crossed_divided_by_all(parts, tokens, words, known):
    """The scores are divided by the root of C: it is the root of d, the numbers of one head."""
    return _crossed(parts, tokens, words, known, of_all=True)


def crossed_unscaled(parts, tokens, words, known):
    """The scores are not divided by the root of d."""
    return _crossed(parts, tokens, words, known, power=0)


def crossed_divided_by_d(parts, tokens, words, known):
    """The scores are divided by d: it is its root."""
    return _crossed(parts, tokens, words, known, power=-1)


def crossed_scaled_up(parts, tokens, words, known):
    """The scores are multiplied by the root of d where they should be divided."""
    return _crossed(parts, tokens, words, known, power=0.5)


def crossed_with_keys_for_values(parts, tokens, words, known):
    """Keys and values are swapped: the first half of what to_kv gives are the keys."""
    swapped = _replaced(parts, to_kv=lambda x: torch.cat(parts.to_kv(x).chunk(2, dim=-1)[::-1], dim=-1))
    return _crossed(swapped, tokens, words, known)


def crossed_with_keys_and_values_of_each_head(parts, tokens, words, known):
    """What to_kv gives is split into heads before keys and values: the keys of all heads come first, then all values."""
    turned = _replaced(
        parts, to_kv=lambda x: parts.to_kv(x).unflatten(-1, (parts.heads, 2, -1)).transpose(-3, -2).flatten(-3)
    )
    return _crossed(turned, tokens, words, known)


def crossed_viewed_without_transposing(parts, tokens, words, known):
    """A view as (B, heads, N, d) gives each head the numbers of other tokens: view as (B, N, heads, d), then transpose."""
    return _crossed(parts, tokens, words, known, split=_split_without_transposing)


def crossed_viewed_there_and_back(parts, tokens, words, known):
    """A view as (B, heads, N, d), and back, mixes tokens with heads: view as (B, N, heads, d), then transpose."""
    return _crossed(parts, tokens, words, known, split=_split_without_transposing, join=_join_without_transposing)


def crossed_joined_without_transposing(parts, tokens, words, known):
    """What the heads find, (B, heads, N, d), is reshaped as it lies, which mixes tokens: swap heads and N first."""
    return _crossed(parts, tokens, words, known, join=_join_without_transposing)


def crossed_with_heads_taken_in_turns(parts, tokens, words, known):
    """The heads take turns at the numbers: the first head has the first d of them, the second the next d, and so on."""
    return _crossed(parts, tokens, words, known, split=_split_in_turns)


def crossed_with_numbers_before_heads(parts, tokens, words, known):
    """The C numbers are laid out as (d, heads): lay them out as (heads, d), so that a head's stand side by side."""
    return _crossed(parts, tokens, words, known, split=_split_in_turns, join=_join_in_turns)


def crossed_with_heads_laid_in_turns(parts, tokens, words, known):
    """What the heads find is interleaved: all numbers of the first head come first, then all of the second, and so on."""
    return _crossed(parts, tokens, words, known, join=_join_in_turns)


def crossed_with_heads_averaged(parts, tokens, words, known):
    """The heads are averaged: lay what they find side by side, C numbers in all."""
    return _crossed(parts, tokens, words, known, join=_join_averages)


def crossed_without_output(parts, tokens, words, known):
    """The last projection is missing: parts.to_out mixes what the heads have found."""
    return _found(parts, tokens, words, known)


def crossed_and_added(parts, tokens, words, known):
    """The tokens are added once more: return what attention gives, and leave the adding to the block around it."""
    return tokens + _crossed(parts, tokens, words, known)


def crossed_with_raw_queries(parts, tokens, words, known):
    """The tokens are not projected: the queries are parts.to_q(tokens)."""
    return _crossed(_replaced(parts, to_q=lambda x: x), tokens, words, known)


def crossed_without_biases(parts, tokens, words, known):
    """The layers' biases are missing: call the layers, as in parts.to_q(tokens), and they are added."""
    bare = {name: partial(F.linear, weight=getattr(parts, name).weight) for name in ("to_q", "to_kv", "to_out")}
    return _crossed(_replaced(parts, **bare), tokens, words, known)


def crossed_detached(parts, tokens, words, known):
    """No gradient passes through this, so no layer would learn from it: compute with torch, without detach."""
    return _crossed(parts, tokens, words, known).detach()


class _Parts(nn.Module):
    """The layers of a cross-attention, weights at random; it cannot be called, since that is the answer's work."""

    def __init__(self, size: int, word_size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(52)
            self.to_q, self.to_kv = nn.Linear(size, size), nn.Linear(word_size, 2 * size)
            self.to_out = nn.Linear(size, size)
            for parameter in self.parameters():
                nn.init.normal_(parameter, std=0.6)
        self.requires_grad_(False)

    def forward(self, *arguments: Any) -> Tensor:
        raise WrongAnswerError("This calls the layers as a whole: put attention together from its parts.")


def _heard_by_tokens(
    lengths: tuple[int, ...],
    size: int = 8,
    word_size: int = 5,
    heads: int = 2,
    scale: float = 1.0,
    tokens: int = 6,
    words: int = 7,
):
    """Layers, so many tokens for each of the texts, so many words each, and which of them are known."""
    generator = seeded(53)
    known = torch.arange(words) < torch.tensor(lengths)[:, None]
    asking = scale * torch.randn(len(lengths), tokens, size, generator=generator)
    heard = torch.randn(len(lengths), words, word_size, generator=generator)
    return _Parts(size, word_size, heads), asking, heard, known


def _attended_without_padding(cross) -> Tensor:
    """NaN becomes -1, which can be compared: it is what a mask that hides all words leaves of a softmax."""
    return cross(*_heard_by_tokens((7, 7, 7))).nan_to_num(nan=-1.0)


def _attended(cross) -> Tensor:
    return cross(*_heard_by_tokens((4, 1, 5)))


def _attended_in_other_sizes(cross) -> Tensor:
    """A text that fills all places is among them, and low scores: those of large tokens, far from all words."""
    return joined(
        cross(*_heard_by_tokens(*each))
        for each in (((3, 1), 12, 12, 3, 2.0, 9, 4), ((1, 3, 2, 7), 6, 2, 1), ((4,), 4, 3, 4, 1.0, 2, 5))
    )


def _attended_slopes(cross) -> Tensor:
    """By tokens, words and all weights, of a mixture of all numbers."""
    parts, tokens, words, known = _heard_by_tokens((5, 7, 4))
    learned = tokens, words, *parts.parameters()
    for each in learned:
        each.requires_grad_()
    found = cross(parts, tokens, words, known)
    return _slopes((found * torch.linspace(-1, 1, tokens.numel()).view_as(tokens)).sum(), learned)


CROSS_ATTENTION = Exercise(
    id="05.5",
    title="Attention with heads",
    points=3,
    on_device=True,
    solution=cross_attention,
    forbidden=(CrossAttention.forward, attention),
    why="Each head has its own small queries, keys and values, so one may look for the colour and another for the thing. "
    "The projections before and after are all that is learned here; attention itself has no weights.",
    hints=(
        "First the projections: `q = parts.to_q(tokens)`, and `parts.to_kv(words).chunk(2, dim=-1)` gives keys and values.",
        "Go through the heads: `each.chunk(parts.heads, dim=-1)[head]` is one head's share of q, k or v.",
        "One head: scores, (B, N, L), with `k_h.transpose(1, 2)`, divided by the root of d; your `masked_weights(scores, "
        "known)`; times `v_h`.",
        "At the end `torch.cat(found, dim=-1)` lays the heads side by side, and `parts.to_out` mixes them.",
    ),
    trials=(
        Trial(
            _attended_without_padding,
            "What six tokens hear in three texts without padding does not come out right.",
            tolerance=1e-4,
        ),
        Trial(_attended, "It comes out right for texts without padding, but not with it.", tolerance=1e-4),
        Trial(
            _attended_in_other_sizes,
            "It is right for six tokens, seven words and two heads of four numbers, but not for other sizes and numbers of "
            "heads, or not where scores are low.",
            tolerance=1e-4,
        ),
        Trial(
            _attended_slopes,
            "The result comes out right, but its gradient does not, and the layers learn from that.",
            tolerance=1e-4,
        ),
    ),
    mistakes=(
        crossed_without_mask,
        crossed_masked_upside_down,
        crossed_masked_upside_down_with_a_number,
        crossed_masked_with_zero,
        crossed_masked_with_little,
        crossed_masked_after_softmax,
        crossed_masked_by_first_text,
        crossed_masked_for_the_longest_text,
        crossed_with_padding_set_to_zero,
        crossed_over_tokens,
        crossed_without_softmax,
        crossed_in_one_head,
        crossed_divided_by_all,
        crossed_unscaled,
        crossed_divided_by_d,
        crossed_scaled_up,
        crossed_with_keys_for_values,
        crossed_with_keys_and_values_of_each_head,
        crossed_viewed_without_transposing,
        crossed_viewed_there_and_back,
        crossed_joined_without_transposing,
        crossed_with_heads_taken_in_turns,
        crossed_with_numbers_before_heads,
        crossed_with_heads_laid_in_turns,
        crossed_with_heads_averaged,
        crossed_without_output,
        crossed_and_added,
        crossed_with_raw_queries,
        crossed_without_biases,
        crossed_detached,
    ),
)

# --- 05.6 the contrastive loss ----------------------------------------------------------------------------------------


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
    return F.normalize(torch.randn(2, count, size, generator=seeded(53)), dim=-1)


def _loss_in_other_sizes(loss) -> Tensor:
    return joined(loss(*_pairs(*sizes), scale) for *sizes, scale in ((7, 3, 14.0), (2, 6, 1.0), (3, 3, 10)))


def _gradients(loss) -> Tensor:
    """Of the loss by pictures and texts, (2 · 4, 5); zero where none arrives.

    Only across the vectors: along them the encoders, which make them of length 1, let nothing through, so that a loss
    may make them of length 1 once more.
    """
    pictures, texts = (unit.requires_grad_() for unit in _pairs(4, 5))
    value = loss(pictures, texts, 4.0)
    found, units = _slopes(value, (pictures, texts)).view(8, 5), torch.cat([pictures, texts]).detach()  # each (8, 5)
    return found - (found * units).sum(dim=1, keepdim=True) * units


def _slope_of_the_scale(loss) -> Tensor:
    scale = torch.tensor(4.0, requires_grad=True)
    return _slopes(loss(*_pairs(4, 5), scale), (scale,))


CONTRASTIVE = Exercise(
    id="05.6",
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
        Trial(
            _slope_of_the_scale,
            "The scale learns as well, as a tensor of one number, but the right gradient does not reach it: multiply by it as "
            "it is, and make no plain number of it.",
        ),
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

# --- 05.7 the loss with captions --------------------------------------------------------------------------------------


def caption_loss(net, encoder, schedule, z_0, captions, t, eps):
    read = encoder.encode(captions)  # (B, L, D)
    signal, noise = (each.to(z_0) for each in schedule.signal_and_noise(t, z_0))  # (B, 1, 1, 1)
    z_t, v = signal * z_0 + noise * eps, signal * eps - noise * z_0
    return (net(z_t, t, read) - v).square().mean()


def _parts_of_loss(encoder, schedule, z_0, captions, t, eps):
    """What the mistakes below start from: z_t, v, and what the captions say."""
    signal, noise = signal_and_noise(schedule, t, z_0)
    return signal * z_0 + noise * eps, signal * eps - noise * z_0, encoder.encode(captions)


def caption_loss_against_noise(net, encoder, schedule, z_0, captions, t, eps):
    """The network is compared with the noise, but this one predicts v: signal · eps − noise · z_0."""
    z_t, _, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.mse_loss(net(z_t, t, read), eps)


def caption_loss_against_latent(net, encoder, schedule, z_0, captions, t, eps):
    """The network is compared with the clean latent, but this one predicts v: signal · eps − noise · z_0."""
    z_t, _, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.mse_loss(net(z_t, t, read), z_0)


def caption_loss_of_minus_v(net, encoder, schedule, z_0, captions, t, eps):
    """The sign of v is the other one: v = signal · eps − noise · z_0."""
    z_t, v, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.mse_loss(net(z_t, t, read), -v)


def caption_loss_with_v_swapped(net, encoder, schedule, z_0, captions, t, eps):
    """The factors of v are swapped: in v the noise eps comes with the factor of the signal, and z_0 with that of the noise."""
    z_t, _, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    signal, noise = signal_and_noise(schedule, t, z_0)
    return F.mse_loss(net(z_t, t, read), noise * eps - signal * z_0)


def caption_loss_with_a_sum(net, encoder, schedule, z_0, captions, t, eps):
    """In v the two are subtracted, not added: v = signal · eps − noise · z_0."""
    z_t, _, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    signal, noise = signal_and_noise(schedule, t, z_0)
    return F.mse_loss(net(z_t, t, read), signal * eps + noise * z_0)


def caption_loss_on_clean_latent(net, encoder, schedule, z_0, captions, t, eps):
    """The network is shown the clean latent: it has to get z_t, noised to time t."""
    _, v, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.mse_loss(net(z_0, t, read), v)


def caption_loss_all_the_first(net, encoder, schedule, z_0, captions, t, eps):
    """Every latent gets the first caption: each row has its own."""
    z_t, v, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.mse_loss(net(z_t, t, read[:1].expand_as(read)), v)


def caption_loss_of_begin_tokens(net, encoder, schedule, z_0, captions, t, eps):
    """Only the first token of each caption is handed on: the network reads all of (B, L, D)."""
    z_t, v, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.mse_loss(net(z_t, t, read[:, :1]), v)


def caption_loss_of_nothing(net, encoder, schedule, z_0, captions, t, eps):
    """Whatever the captions say, the loss is the same: hand what the encoder answers to the network."""
    z_t, v, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.mse_loss(net(z_t, t, torch.zeros_like(read)), v)


def caption_loss_with_scaled_time(net, encoder, schedule, z_0, captions, t, eps):
    """The network is told t / T: hand it t as it is, a whole number in 1…T."""
    z_t, v, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.mse_loss(net(z_t, t / schedule.T, read), v)


def caption_loss_one_time_early(net, encoder, schedule, z_0, captions, t, eps):
    """The network is told the time before: z_t was made with t, and so the network has to be told t."""
    z_t, v, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.mse_loss(net(z_t, t - 1, read), v)


def caption_loss_summed(net, encoder, schedule, z_0, captions, t, eps):
    """This is the sum of the squares: take their mean, or the learning rate depends on the size of the batch."""
    z_t, v, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.mse_loss(net(z_t, t, read), v, reduction="sum")


def caption_loss_rooted(net, encoder, schedule, z_0, captions, t, eps):
    """The square root is too much: the loss is the mean of the squares itself."""
    z_t, v, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.mse_loss(net(z_t, t, read), v).sqrt()


def caption_loss_absolute(net, encoder, schedule, z_0, captions, t, eps):
    """These are absolute differences: the loss squares them."""
    z_t, v, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.l1_loss(net(z_t, t, read), v)


def caption_loss_detached(net, encoder, schedule, z_0, captions, t, eps):
    """The number is right, but no gradient leads from it to the network: do without detach, item, no_grad and backward."""
    z_t, v, read = _parts_of_loss(encoder, schedule, z_0, captions, t, eps)
    return F.mse_loss(net(z_t, t, read), v).detach()


class _WavyReader(nn.Module):
    """A stand-in for a U-Net: it heeds the latent, the time and every number of every word, and is as strict as one."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(0.7))
        self.hear = nn.Parameter(torch.linspace(-0.5, 0.5, 32).view(4, 8))  # (C, D)

    def forward(self, x_t: Tensor, t: Tensor, words: Tensor) -> Tensor:  # (B, C, H, W), (B,), (B, L, D)
        if not isinstance(t, Tensor) or t.shape != (len(x_t),):
            raise WrongAnswerError("The network wants t as your function gets it, of shape (B,).")
        if x_t.dtype != self.factor.dtype:
            raise WrongAnswerError(
                f"The network computes in {self.factor.dtype} and is shown {x_t.dtype}: bring the factors to the latents, "
                "with .to(z_0)."
            )
        place = torch.arange(1, 1 + words.shape[1]).to(words)[:, None]
        heard = (place * F.linear(words, self.hear)).sum(dim=1)[..., None, None]  # the words in their order
        return self.factor * torch.sin(3 * x_t + t.reshape(-1, 1, 1, 1) / 300 + heard)


CAPTIONS = (*("a red sports car", "an apple"), *("a blue car on white", "a white car"))
OTHERS = (*("a white apple", "a blue car"), *("an apple on red", "a sports car"))


def _loss_of_captions(loss, net: nn.Module | None = None, captions=CAPTIONS) -> Tensor:
    # As many latents as columns: factors along the wrong axis raise no error, and must show.
    z_0, eps = torch.randn(2, 4, 4, 4, 4, generator=seeded(57))  # (B, C, H, W) each
    t = torch.tensor([1, 200, 600, 1000])
    return loss(net or _WavyReader(), copy.deepcopy(_parts()[0]), NoiseSchedule.cosine(), z_0, list(captions), t, eps)


def _loss_is_the_same_again(loss) -> Tensor:
    """Often enough to notice a caption that is dropped now and then."""
    first = _loss_of_captions(loss)
    return torch.stack([_one_if_alike(first, _loss_of_captions(loss)) for _ in range(20)])


def _loss_heeds_captions(loss) -> Tensor:
    return _one_if_alike(_loss_of_captions(loss), _loss_of_captions(loss, captions=OTHERS))


def _gradient_of_caption_loss(loss) -> Tensor:
    """Whether a gradient leads to the network, and which one: (2,). None has arrived there yet."""
    net = _WavyReader()
    value = _loss_of_captions(loss, net)
    try:
        (slope,) = torch.autograd.grad(value, net.factor)
    except RuntimeError:  # nothing that leads to the network, or nothing any more
        return torch.zeros(2)
    return torch.stack([torch.tensor(1.0), slope]) if net.factor.grad is None else torch.zeros(2)


def _loss_of_other_batches(loss) -> Tensor:
    z_0, eps = torch.randn(2, 2, 4, 6, 3, generator=seeded(58))  # (B, C, H, W) each
    net, encoder, t = _WavyReader(), copy.deepcopy(_parts()[0]), torch.tensor([950, 30])
    two = loss(net, encoder, NoiseSchedule.linear(), z_0, ["a blue apple", "a red car on white"], t, eps)
    one = loss(net, encoder, NoiseSchedule.linear(), z_0[:1], ["a car"], t[:1], eps[:1])
    return torch.stack([two, one]).detach()


def _loss_of_an_empty_caption(loss) -> Tensor:
    return _loss_of_captions(loss, captions=["", *CAPTIONS[1:]]).detach()


CAPTION_LOSS = Exercise(
    id="05.7",
    title="The loss with captions",
    points=2,
    on_device=True,
    solution=caption_loss,
    forbidden=(denoising_loss,),
    why="But for `read` it is the loss of notebook 02. Nobody tells the network what a word means: a prediction that heeds "
    "the caption has a smaller error, and that is all that it is taught by.",
    hints=(
        "`encoder.encode(captions)` reads them. The factors of latent and noise are "
        "`(each.to(z_0) for each in schedule.signal_and_noise(t, z_0))`.",
        "`z_t = signal * z_0 + noise * eps`, as ever, and the target is v = signal · eps − noise · z_0.",
        "The network is called as `net(z_t, t, read)`; then the mean of the squared differences.",
    ),
    trials=(
        Trial(
            _loss_is_the_same_again,
            "Called again with the same arguments, the loss is another: draw no random numbers, and leave captions as they "
            "are.",
        ),
        Trial(_loss_heeds_captions, "Other captions give the same loss."),
        Trial(lambda loss: _loss_of_captions(loss).detach(), "The loss of four latents does not come out right."),
        Trial(
            _gradient_of_caption_loss,
            "The loss comes out right, but its gradient does not: nothing on the way from the network may be detached.",
        ),
        Trial(
            _loss_of_other_batches,
            "It comes out right for four latents with the cosine schedule, but not for two or one with the linear one.",
        ),
        Trial(_loss_of_an_empty_caption, "It comes out right for captions with words, but not where one is empty."),
    ),
    mistakes=(
        caption_loss_against_noise,
        caption_loss_against_latent,
        caption_loss_of_minus_v,
        caption_loss_with_v_swapped,
        caption_loss_with_a_sum,
        caption_loss_on_clean_latent,
        caption_loss_all_the_first,
        caption_loss_of_begin_tokens,
        caption_loss_of_nothing,
        caption_loss_with_scaled_time,
        caption_loss_one_time_early,
        caption_loss_summed,
        caption_loss_rooted,
        caption_loss_absolute,
        caption_loss_detached,
    ),
)

# --- 05.8 from a prompt to a picture ----------------------------------------------------------------------------------


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
    """Exact for latents whose mean the words give: every number of each, in their order."""

    schedule: NoiseSchedule

    def __call__(self, x_t: Tensor, t: int | Tensor, cond: Tensor | None = None) -> Prediction:
        if cond is None:
            cond = torch.zeros(1, 1, 8)
        if not isinstance(cond, Tensor) or cond.ndim != 3 or not cond.is_floating_point() or cond.shape[-1] != 8:
            raise TypeError("cond must be what encoder.encode(prompts) answers, of shape (B, L, D).")
        place = torch.arange(1, 1 + cond.shape[1]).to(cond)[:, None]
        mean = F.linear((place * cond).sum(dim=1), torch.linspace(-0.3, 0.3, 32).view(4, 8))  # (B, 4)
        return GaussianDenoiser(mean[..., None, None], 0.4, self.schedule)(x_t, t)


class Encoder:
    """All that an answer may use of an encoder: the notebook's own is not the library's."""

    def __init__(self, inside: TextEncoder) -> None:
        self._inside = inside

    def encode(self, texts: Iterable[str]) -> Tensor:
        return self._inside.encode(texts)


@cache
def _parts() -> tuple[Encoder, _GaussianOfWords, VAE]:
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
    return Encoder(encoder.requires_grad_(False)), _GaussianOfWords(NoiseSchedule.cosine()), vae.requires_grad_(False)


PROMPTS = ("a red sports car", "an apple", "a blue car on white")


def _drawn(draw, prompts=PROMPTS, times=(1000, 600, 200, 0), seed: int = 55) -> Tensor:
    noise = torch.randn(len(prompts), 4, 16, 16, generator=seeded(seed))
    return draw(list(prompts), *copy.deepcopy(_parts()), noise, list(times))


def _one_if_alike(a: Tensor, b: Tensor) -> Tensor:
    """NaN where something is, for that says nothing of what is alike."""
    alike = float(torch.allclose(a, b, atol=1e-6))
    return torch.tensor(alike if a.isfinite().all() and b.isfinite().all() else float("nan"))


PROMPT_TO_PICTURE = Exercise(
    id="05.8",
    title="From a prompt to a picture",
    points=2,
    on_device=True,
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
