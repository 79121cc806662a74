"""Answers to the exercises of notebook 05."""

import functools
import itertools
import math
import random
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from answers import right, wrong
from course_lib.denoisers import NetDenoiser, signal_and_noise
from course_lib.forward import add_noise
from course_lib.guidance import Guided, padded_alike
from course_lib.networks.attention import CrossAttention, attention
from course_lib.networks.text import contrastive_loss
from course_lib.sampling import Step, ddim_step, ddpm_step, last, sample
from course_lib.schedules import NoiseSchedule
from course_lib.training import denoising_loss

# --- 05.1 attention ---------------------------------------------------------------------------------------------------


@right("05.1")
def attend_row_by_row(q, k, v):
    return torch.stack([torch.softmax(k @ row / row.shape[0] ** 0.5, dim=0) @ v for row in q])


@right("05.1")
def attend_by_torch(q, k, v):
    return torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None])[0]


@right("05.1")
def heard_by_einsum(q, k, v):
    scores = torch.einsum("nd,ld->nl", q, k).div(math.sqrt(q.size(1)))
    return torch.einsum("nl,ld->nd", scores.softmax(1), v)


@right("05.1")
def heard_with_exponentials(q, k, v):
    weights = torch.exp(q.mm(k.t()) / k.shape[1] ** 0.5)
    weights /= weights.sum(dim=1, keepdim=True)
    return weights.mm(v)


@right("05.1")
def heard_less_the_maximum(q, k, v):
    d = q.shape[1]
    scores = q @ k.transpose(0, 1) * d**-0.5
    scores = scores - scores.max(dim=1, keepdim=True).values
    up = scores.exp()
    return (up @ v) / up.sum(1, keepdim=True)


@right("05.1")
def heard_place_by_place(q, k, v):
    out = torch.zeros(len(q), v.shape[1])
    for n in range(len(q)):
        scores = torch.tensor([float(q[n].dot(word)) / math.sqrt(len(word)) for word in k])
        for share, said in zip(F.softmax(scores, dim=0), v, strict=True):
            out[n] += share * said
    return out


@right("05.1")
def heard_through_numpy(q, k, v):
    queries, keys, values = (each.double().numpy() for each in (q, k, v))
    scores = queries @ keys.T / np.sqrt(queries.shape[1])
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return torch.from_numpy(weights @ values).float()


@right("05.1")
def heard_with_scaled_queries(q, k, v):
    q = q / q.shape[-1] ** 0.25
    k = k / k.shape[-1] ** 0.25
    return F.softmax(q @ k.T, dim=1) @ v


@right("05.1")
def heard_by_logarithms(q, k, v):
    scores = (q @ k.T) / torch.tensor(float(q.shape[-1])).sqrt()
    return scores.sub(scores.logsumexp(dim=-1, keepdim=True)).exp().matmul(v)


@right("05.1")
def heard_transposed(q, k, v):
    return (v.T @ torch.softmax(k @ q.T / q.shape[-1] ** 0.5, dim=0)).T


@right("05.1")
def heard_by_broadcasting(q, k, v):
    scores = (q[:, None, :] * k[None, :, :]).sum(-1) / q.shape[-1] ** 0.5
    return (scores.softmax(-1)[..., None] * v[None]).sum(1)


@right("05.1")
def heard_by_the_layer(q, k, v):
    return F.scaled_dot_product_attention(query=q, key=k, value=v)


class Ear(nn.Module):
    """A layer is called like a function."""

    def forward(self, q, k, v):
        return nn.Softmax(dim=1)(torch.addmm(torch.zeros(1), q, k.T) / np.sqrt(q.shape[1])) @ v


right("05.1")(Ear())


@wrong("05.1", "weights of the words have to sum to one")
def heard_down_the_columns(q, k, v):
    return F.softmax(q @ k.T / math.sqrt(q.shape[1]), dim=0) @ v


@wrong("05.1", "square root is meant")
def heard_by_size(q, k, v):
    return (q @ k.T / q.shape[1]).softmax(1) @ v


@wrong("05.1", "not divided by √d")
def heard_loudly(q, k, v):
    return torch.einsum("nl,ld->nd", torch.einsum("nd,ld->nl", q, k).softmax(1), v)


@wrong("05.1", "by 2, which is √d for d = 4 alone")
def heard_with_d_of_the_example(q, k, v):
    d = 4
    return torch.softmax(q @ k.T / d**0.5, -1) @ v


@wrong("05.1", "not for other sizes")
def heard_of_three_words(q, k, v):
    weights = torch.softmax(q @ k.T / q.shape[1] ** 0.5, dim=-1)
    return weights[:, :3] @ v[:3]


@wrong("05.1", "The shape should be (2, 9), but it is (5, 9)")
def heard_by_a_fixed_number_of_places(q, k, v):
    heard = torch.zeros(5, v.shape[1])
    for n in range(len(q)):
        heard[n] = torch.softmax(k @ q[n] / len(q[n]) ** 0.5, 0) @ v
    return heard


@wrong("05.1", "root of the number of words")
def heard_by_the_number_of_words(q, k, v):
    return torch.softmax(q @ k.T / len(k) ** 0.5, dim=1) @ v


@wrong("05.1", "the keys are averaged")
def heard_keys(q, k, v):
    weights = torch.softmax(q @ k.T / q.shape[1] ** 0.5, dim=1)
    return weights @ k


@wrong("05.1", "best word alone")
def heard_by_the_winner(q, k, v):
    return torch.stack([v[int((k @ one).argmax())] for one in q])


@wrong("05.1", "The shape should be (5, 4), but it is (5, 3)")
def heard_weights_only(q, k, v):
    return torch.softmax(q @ k.T / q.shape[1] ** 0.5, dim=1)


@wrong("05.1", "the course's own attention")
def heard_from_the_library(q, k, v):
    heard, _ = attention(q, k, v)
    return heard


@wrong("05.1", "returns nothing")
def heard_and_printed(q, k, v):
    print(torch.softmax(q @ k.T / q.shape[1] ** 0.5, dim=1) @ v, file=sys.stderr)


@wrong("05.1", "changes its argument q in place")
def heard_with_spoilt_queries(q, k, v):
    q /= q.shape[1] ** 0.5
    return torch.softmax(q @ k.T, dim=1) @ v


@wrong("05.1", "torch.float32, but it is torch.float64")
def heard_in_double(q, k, v):
    return torch.softmax(q.double() @ k.double().T / q.shape[1] ** 0.5, dim=1) @ v.double()


@wrong("05.1", "got tuple")
def heard_with_weights(q, k, v):
    weights = torch.softmax(q @ k.T / q.shape[1] ** 0.5, dim=1)
    return weights @ v, weights


@wrong("05.1", "softmax is missing")
def heard_unnormalised(q, k, v):
    return (q @ k.T).div(q.shape[1] ** 0.5) @ v


@wrong("05.1", "whole table at once")
def heard_as_one_distribution(q, k, v):
    up = torch.exp(q @ k.T / q.shape[1] ** 0.5)
    return up / up.sum() @ v


@wrong("05.1", "The shape should be (1, 25), but it is (25,)")
def heard_and_squeezed(q, k, v):
    return (torch.softmax(q @ k.T / q.shape[1] ** 0.5, dim=1) @ v).squeeze()


# --- 05.2 padding -----------------------------------------------------------------------------------------------------


@right("05.2")
def masked_by_adding(scores, known):
    return torch.softmax(scores + torch.where(known, 0.0, -torch.inf)[:, None], dim=-1)


@right("05.2")
def masked_and_shared_out(scores, known):
    weights = scores.softmax(dim=-1) * known[:, None]
    return weights / weights.sum(dim=-1, keepdim=True)


@right("05.2")
def weights_with_a_billion(scores, known):
    return F.softmax(scores.masked_fill(known.unsqueeze(1).logical_not(), -1e9), dim=2)


@right("05.2")
def weights_with_the_smallest(scores, known):
    lowest = torch.finfo(scores.dtype).min
    return torch.where(known[:, None, :], scores, lowest).softmax(-1)


@right("05.2")
def weights_by_penalty(scores, known):
    penalty = (1.0 - known.float()) * -10_000.0
    return torch.softmax(scores + penalty[:, None, :], dim=-1)


@right("05.2")
def weights_shared_out_again(scores, known):
    up = scores.exp() * known[:, None]
    return up / up.sum(-1, keepdim=True)


@right("05.2")
def weights_of_the_words_alone(scores, known):
    weights = torch.zeros_like(scores)
    for b in range(scores.shape[0]):
        weights[b, :, known[b]] = torch.softmax(scores[b][:, known[b]], dim=1)
    return weights


@right("05.2")
def weights_of_a_copy(scores, known):
    own = scores.clone()
    own[~known[:, None].expand_as(scores)] = float("-inf")
    return own.softmax(dim=-1)


@right("05.2")
def weights_by_logarithm(scores, known):
    return torch.softmax(scores + known.float().log().unsqueeze(-2), dim=-1)


@right("05.2")
def weights_by_lengths(scores, known):
    lengths = known.sum(dim=1)
    rows = []
    for row, n in zip(scores, lengths.tolist(), strict=True):
        rows.append(F.pad(row[:, :n].softmax(dim=1), (0, row.shape[1] - n)))
    return torch.stack(rows)


@right("05.2")
def weights_by_repeated_mask(scores, known):
    mask = known.unsqueeze(1).repeat(1, scores.shape[1], 1)
    return torch.softmax(torch.masked_fill(scores, mask == 0, -math.inf), -1)


@right("05.2")
def weights_struck_out_and_normalised(scores, known):
    weights = F.normalize(scores.softmax(-1) * known[:, None], p=1, dim=-1)
    return weights


@wrong("05.2", "call numpy() on Tensor that requires grad")
def weights_in_numpy(scores, known):
    up = np.where(known.numpy()[:, None], np.exp(scores.numpy()), 0)
    return torch.tensor(up / up.sum(axis=2, keepdims=True))


right("05.2")(lambda scores, known: (scores + torch.where(known, 0.0, -1e30)[:, None]).softmax(2))


@wrong("05.2", "known is True for words")
def weights_of_padding(scores, known):
    return torch.softmax(torch.where(known[:, None], -1e9, scores), dim=-1)


@wrong("05.2", "zero, which is an ordinary score")
def weights_times_mask_first(scores, known):
    return torch.softmax(scores * known.unsqueeze(1), dim=-1)


@wrong("05.2", "no longer sums to one")
def weights_struck_out(scores, known):
    weights = scores.softmax(dim=-1)
    return torch.where(known[:, None], weights, 0.0)


@wrong("05.2", "nothing was masked")
def weights_of_a_forgotten_mask(scores, known):
    scores.masked_fill(~known[:, None], -torch.inf)  # the result is lost
    return scores.softmax(-1)


@wrong("05.2", "softmax that makes weights of them is missing")
def weights_not_yet(scores, known):
    return torch.where(known[:, None], scores, -torch.inf)


@wrong("05.2", "changes its argument scores in place")
def weights_in_place(scores, known):
    scores.masked_fill_(~known[:, None], -torch.inf)
    return scores.softmax(-1)


@wrong("05.2", "masked as the first one")
def weights_of_the_first_text(scores, known):
    return scores.masked_fill(~known[0], -torch.inf).softmax(-1)


@wrong("05.2", "score of -10")
def weights_with_a_small_penalty(scores, known):
    return torch.where(known[:, None], scores, torch.tensor(-10.0)).softmax(-1)


@wrong("05.2", "stopped with RuntimeError", "masked_fill(~known, -torch.inf)")
def weights_without_the_axis(scores, known):
    return scores.masked_fill(~known, -torch.inf).softmax(-1)


@wrong("05.2", "The softmax runs over the positions")
def weights_over_the_places(scores, known):
    return scores.masked_fill(~known[:, None], -torch.inf).softmax(dim=1)


@wrong("05.2", "nothing was masked")
def weights_with_a_tiny_number_added(scores, known):
    return torch.softmax(scores - 1e-9 * (~known[:, None]), dim=-1)


@wrong("05.2", "hides as many places as there is padding, but at the beginning")
def weights_from_the_other_end(scores, known):
    gone = (~known).sum(dim=1)
    hidden = torch.arange(known.shape[1]) < gone[:, None]
    return scores.masked_fill(hidden[:, None], -torch.inf).softmax(-1)


@wrong("05.2", "the shape should be (4, 3, 5), but it is (4, 3, 4)")
def weights_cut_off(scores, known):
    longest = int(known.sum(dim=1).max())
    return scores.masked_fill(~known[:, None], -torch.inf).softmax(-1)[..., :longest]


@wrong("05.2", "got list")
def weights_in_a_list(scores, known):
    return [row[:, seen].softmax(-1) for row, seen in zip(scores, known, strict=True)]


@wrong("05.2", "not for others")
def weights_of_one_batch(scores, known):
    mask = (torch.arange(5) < torch.tensor([2, 4, 1, 3])[:, None])[:, None]
    if scores.shape[0] != 4:
        return scores.softmax(-1)
    return scores.masked_fill(~mask, -torch.inf).softmax(-1)


@wrong("05.2", "not where all scores are low")
def weights_with_a_score_of_minus_thirty(scores, known):
    return scores.masked_fill(~known[:, None], -30.0).softmax(-1)


@wrong("05.2", "masked as the longest one")
def weights_of_the_longest_text(scores, known):
    return scores.masked_fill(~known.any(0), -torch.inf).softmax(-1)


@wrong("05.2", "torch.float32, but it is torch.bool")
def weights_are_the_mask(scores, known):
    return known[:, None].expand_as(scores)


# --- 05.3 bug hunt: attention that trains anyway ----------------------------------------------------------------------


@right("05.3")
def hunt_axis_by_one_word(weights_of_words):
    assert torch.equal(weights_of_words(torch.randn(1, 4, 1)), torch.ones(1, 4, 1))


@right("05.3")
def hunt_axis_by_one_position(weights_of_words):
    assert weights_of_words(torch.tensor([[[0.0, 5.0]]]))[0, 0, 0] < 0.1


@right("05.3")
def hunt_rows_by_number(weights_of_words):
    scores = torch.tensor([[[1.0, 2.0, 3.0], [0.0, 0.0, 5.0]]])
    for row in weights_of_words(scores)[0]:
        assert abs(row.sum().item() - 1) < 1e-4, row


@right("05.3")
def hunt_even_scores(weights_of_words):
    assert torch.allclose(weights_of_words(torch.zeros(1, 2, 8)), torch.full((1, 2, 8), 1 / 8))


@right("05.3")
def hunt_loud_word(weights_of_words):
    scores = torch.zeros(1, 6, 2)
    scores[:, :, 1] = 20.0
    assert weights_of_words(scores)[..., 1].min() > 0.99, "everybody should hear the loud word"


@right("05.3")
def hunt_more_places(weights_of_words):
    scores = torch.randn(3, 9, 4)
    few, many = weights_of_words(scores[:, :2]), weights_of_words(scores)
    assert (few - many[:, :2]).abs().max() < 1e-5, "what a position hears must not depend on the others"


@right("05.3")
def hunt_by_shifting_rows(weights_of_words):
    scores = torch.randn(2, 4, 3)
    shift = torch.arange(4.0)[:, None]
    torch.testing.assert_close(weights_of_words(scores + shift), weights_of_words(scores))


@right("05.3")
def hunt_against_own_softmax(weights_of_words):
    scores = torch.randn(2, 7, 3)
    expected = scores.exp() / scores.exp().sum(2, keepdim=True)
    assert torch.allclose(weights_of_words(scores), expected, atol=1e-5)


@right("05.3")
def hunt_against_torch(weights_of_words):
    scores = torch.randn(1, 5, 2)
    assert torch.isclose(weights_of_words(scores), F.softmax(scores, dim=-1), atol=1e-5).all()


@right("05.3")
def hunt_by_the_order_of_places(weights_of_words):
    scores = torch.randn(4, 6, 3)
    largest = weights_of_words(scores).argmax(dim=-1)
    ratios = weights_of_words(scores)[..., 0] / weights_of_words(scores)[..., 1]
    assert torch.allclose(ratios.log(), scores[..., 0] - scores[..., 1], atol=1e-3), largest


@right("05.3")
def hunt_total(weights_of_words):
    total = weights_of_words(torch.rand(2, 10, 3)).sum()
    assert math.isclose(total.item(), 2 * 10, rel_tol=1e-4)


@right("05.3")
def hunt_with_helpers(weights_of_words):
    def rows(table):
        return [sum(row) for row in table]

    (table,) = weights_of_words(scores=torch.ones(1, 3, 2)).tolist()
    if any(abs(total - 1) > 1e-5 for total in rows(table)):
        raise AssertionError("rows should sum to one")


@right("05.3")
class HuntAsAnObject:
    """A test that is written as a class."""

    def __init__(self, weights_of_words):
        assert not torch.allclose(weights_of_words(torch.zeros(1, 3, 2)).sum(dim=1), torch.ones(1, 2))


@wrong("05.3", "lets the broken version pass")
def hunt_shapes(weights_of_words):
    assert weights_of_words(torch.randn(2, 5, 3)).shape == (2, 5, 3)


@wrong("05.3", "lets the broken version pass")
def hunt_square_and_symmetrical(weights_of_words):
    scores = torch.eye(4)[None]
    assert torch.allclose(weights_of_words(scores).sum(-1), torch.ones(1, 4))


@wrong("05.3", "refuses a correct version too")
def hunt_the_right_axis_out(weights_of_words):
    assert torch.allclose(weights_of_words(torch.randn(2, 5, 3)).sum(dim=1), torch.ones(2, 3))


@wrong("05.3", "refuses a correct version too")
def hunt_without_tolerance(weights_of_words):
    assert (weights_of_words(torch.randn(50, 100, 33)).sum(dim=-1) == 1).all()


@wrong("05.3", "lets the broken version pass")
def hunt_range(weights_of_words):
    weights = weights_of_words(torch.randn(3, 4, 2))
    assert ((weights >= 0) & (weights <= 1)).all()


@wrong("05.3", "never calls")
def hunt_that_forgets_to_look(weights_of_words):
    weights = torch.softmax(torch.randn(2, 5, 3), dim=-1)
    assert torch.allclose(weights.sum(-1), torch.ones(2, 5))


@wrong("05.3", "lets the broken version pass")
def hunt_that_catches_itself(weights_of_words):
    try:
        assert torch.allclose(weights_of_words(torch.randn(2, 5, 3)).sum(-1), torch.ones(2, 5))
    except AssertionError:
        print("found it", file=sys.stderr)


@wrong("05.3", "lets the broken version pass")
def hunt_that_answers(weights_of_words):
    return torch.allclose(weights_of_words(torch.randn(2, 5, 3)).sum(-1), torch.ones(2, 5))


@wrong("05.3", "lets the broken version pass")
def hunt_one_place(weights_of_words):
    weights = weights_of_words(torch.zeros(1, 3, 3))
    assert torch.allclose(weights[0, 0], torch.full((3,), 1 / 3))


@wrong("05.3", "the course's own attention")
def hunt_with_the_library(weights_of_words):
    q, k = torch.randn(1, 5, 4), torch.randn(1, 3, 4)
    scores = q @ k.transpose(-1, -2) / 2
    assert torch.allclose(weights_of_words(scores), attention(q, k, torch.randn(1, 3, 4))[1], atol=1e-5)


@wrong("05.3", "Your test stops with IndexError")
def hunt_two_axes(weights_of_words):
    assert weights_of_words(torch.zeros(3)).sum(dim=1) == 1


@wrong("05.3", "does not reach an assertion", "ValueError")
def hunt_with_another_error(weights_of_words):
    if not torch.allclose(weights_of_words(torch.zeros(1, 4, 2)).sum(-1), torch.ones(1, 4)):
        raise ValueError("rows do not sum to one")


@wrong("05.3", "refuses a correct version too")
def hunt_upside_down(weights_of_words):
    assert not torch.allclose(weights_of_words(torch.zeros(1, 4, 2)).sum(-1), torch.ones(1, 4))


@wrong("05.3", "lets the broken version pass")
def hunt_for_a_nonempty_message(weights_of_words):
    sums = weights_of_words(torch.zeros(1, 4, 2)).sum(-1)
    verdict = "right" if torch.allclose(sums, torch.ones(1, 4)) else "rows should sum to one"
    assert verdict


# --- 05.4 words in their places: right --------------------------------------------------------------------------------


@right("05.4")
def embedded_by_indexing(ids, words, places):
    L = ids.shape[1]
    return words[ids] + places[:L].unsqueeze(0)


@right("05.4")
def embedded_by_embedding(ids, words, places):
    return F.embedding(ids, words) + F.embedding(torch.arange(ids.shape[1]), places)


@right("05.4")
def embedded_without_gradient_for_padding(ids, words, places):
    return F.embedding(ids, words, padding_idx=0).add(places[: ids.size(-1)])


@right("05.4")
def embedded_by_one_hot(ids, words, places):
    chosen = F.one_hot(ids, num_classes=len(words)).to(words.dtype)
    return chosen @ words + places[: ids.shape[1]]


@right("05.4")
def embedded_token_by_token(ids, words, places):
    B, L = ids.shape
    out = torch.zeros(B, L, words.shape[1])
    for b in range(B):
        for position in range(L):
            out[b, position] = words[ids[b, position]] + places[position]
    return out


@right("05.4")
def embedded_text_by_text(ids, words, places):
    return torch.stack([words[text] + places[: len(text)] for text in ids])


@right("05.4")
def embedded_from_lists(ids, words, places):
    rows = []
    for text in ids.tolist():
        rows.append(torch.stack([words[word] + places[at] for at, word in enumerate(text)]))
    return torch.stack(rows, dim=0)


@right("05.4")
def embedded_by_index_select(ids, words, places):
    looked_up = torch.index_select(words, 0, ids.flatten()).reshape(*ids.shape, -1)
    return looked_up + places.narrow(0, 0, ids.shape[1])


@right("05.4")
def embedded_by_gather(ids, words, places):
    size = words.shape[-1]
    table = words.expand(len(ids), -1, -1)
    looked_up = torch.gather(table, 1, ids[..., None].expand(-1, -1, size))
    return looked_up + places[: ids.shape[1], :]


@right("05.4")
def embedded_at_positions(ids, words, places):
    positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    return words[ids] + places[positions]


@right("05.4")
def embedded_column_by_column(ids, words, places):
    columns = [words[column] + place for column, place in zip(ids.T, places[: ids.shape[1]], strict=True)]
    return torch.stack(columns, dim=1)


@right("05.4")
def embedded_onto_a_copy_of_the_places(ids, words, places):
    out = places[: ids.shape[1]].repeat(len(ids), 1, 1)
    out += words[ids]
    return out


@right("05.4")
def embedded_in_place_of_the_rows(ids, words, places):
    found = words[ids]  # a copy
    found += places[: found.shape[1]]
    return found


@right("05.4")
def embedded_by_einsum(ids, words, places):
    here = (ids[..., None] == torch.arange(words.shape[0])).float()
    return torch.einsum("blv,vd->bld", here, words) + torch.eye(ids.shape[1], places.shape[0]) @ places


@right("05.4")
def embedded_by_take_along_dim(ids, words, places):
    B, L = ids.shape
    flat = torch.take_along_dim(words, ids.reshape(-1, 1), dim=0)
    return flat.view(B, L, -1) + places.split([L, len(places) - L])[0]


# --- 05.4 words in their places: wrong --------------------------------------------------------------------------------


@wrong("05.4", "the same word gives the same vector")
def embedded_as_a_bag(ids, words, places):
    return F.embedding(ids, words)


@wrong("05.4", "chosen by the word's number")
def embedded_with_the_places_looked_up(ids, words, places):
    return F.embedding(ids, words) + F.embedding(ids, places)


@wrong("05.4", "token number k gets places[k]")
def embedded_all_at_the_beginning(ids, words, places):
    return words[ids] + places[:1]


@wrong("05.4", "the first L places are places[:L], with a colon")
def embedded_without_the_colon(ids, words, places):
    _, L = ids.shape
    return words[ids] + places[L]


@wrong("05.4", "each text begins with places[0]")
def embedded_counted_over_the_batch(ids, words, places):
    rows, at = [], 0
    for text in ids:
        vectors = []
        for word in text:
            vectors.append(words[word] + places[at])
            at += 1
        rows.append(torch.stack(vectors))
    return torch.stack(rows)


@wrong("05.4", "count from 0")
def embedded_from_place_one(ids, words, places):
    positions = torch.arange(1, ids.shape[1] + 1)
    return words[ids] + places[positions]


@wrong("05.4", "counted from the end of the text")
def embedded_backwards(ids, words, places):
    L = ids.shape[1]
    return torch.stack([words[ids[:, at]] + places[L - 1 - at] for at in range(L)], dim=1)


@wrong("05.4", "take the first ones")
def embedded_with_the_last_places(ids, words, places):
    return words[ids] + places[len(places) - ids.shape[1] :]


@wrong("05.4", "multiplied: add them")
def embedded_as_products(ids, words, places):
    return torch.einsum("bld,ld->bld", words[ids], places[: ids.shape[1]])


@wrong("05.4", "half of the sum")
def embedded_as_the_mean(ids, words, places):
    at = places[: ids.shape[1]].expand(*ids.shape, -1)
    return torch.stack([words[ids], at]).mean(dim=0)


@wrong("05.4", "multiplied by √D")
def embedded_as_in_the_paper(ids, words, places):
    return words[ids] * math.sqrt(words.shape[-1]) + places[: ids.shape[1]]


@wrong("05.4", "The place is subtracted")
def embedded_less_the_places(ids, words, places):
    return words[ids].sub(places[: ids.shape[1]])


@wrong("05.4", "The words are missing")
def embedded_positions_only(ids, words, places):
    return places[torch.arange(ids.shape[1])].repeat(ids.shape[0], 1, 1)


@wrong("05.4", "Padding is left without its place")
def embedded_with_padding_left_alone(ids, words, places):
    out = words[ids]
    for text, row in zip(ids, out, strict=True):
        length = int((text != 0).sum())
        row[:length] += places[:length]
    return out


@wrong("05.4", "taken from the next token")
def embedded_shifted(ids, words, places):
    following = torch.cat([ids[:, 1:], ids[:, :1]], dim=1)
    return words[following] + places[: ids.shape[1]]


@wrong("05.4", "stopped with RuntimeError", "places[: len(ids)]")
def embedded_with_len(ids, words, places):
    return words[ids] + places[: len(ids)]


@wrong("05.4", "stopped with RuntimeError", "words[ids] + places")
def embedded_with_all_places(ids, words, places):
    return words[ids] + places


@wrong("05.4", "stopped with RuntimeError", "(words + places)[ids]")
def embedded_added_before_looking_up(ids, words, places):
    return (words + places)[ids]


@wrong("05.4", "chosen by the word's number")
def embedded_added_before_looking_up_with_care(ids, words, places):
    table = words.clone()
    table[: len(places)] += places
    return table[ids]


@wrong("05.4", "stopped with RuntimeError", "words[ids + places[: ids.shape[1]]]")
def embedded_added_to_the_numbers(ids, words, places):
    return words[ids + places[: ids.shape[1]]]


@wrong("05.4", "changes its argument words in place")
def embedded_into_the_table(ids, words, places):
    words[: len(places)] += places
    return words[ids]


@wrong("05.4", "changes its argument ids in place")
def embedded_with_spoilt_ids(ids, words, places):
    found = words[ids]
    ids[:] = torch.arange(ids.shape[1])
    return found + places[ids]


@wrong("05.4", "returns nothing")
def embedded_and_forgotten(ids, words, places):
    found = words[ids] + places[: ids.shape[1]]  # noqa: F841 (the return is forgotten)


@wrong("05.4", "The shape should be (2, 4, 3), but it is (2, 4, 6)")
def embedded_side_by_side(ids, words, places):
    at = places[: ids.shape[1]].expand(len(ids), -1, -1)
    return torch.cat([words[ids], at], dim=-1)


@wrong("05.4", "The shape should be (2, 4, 3), but it is (4, 2, 3)")
def embedded_with_places_first(ids, words, places):
    return torch.stack([words[ids[:, at]] + places[at] for at in range(ids.shape[1])])


@wrong("05.4", "The shape should be (2, 4, 3), but it is (2, 3)")
def embedded_and_summed_up(ids, words, places):
    return (words[ids] + places[: ids.shape[1]]).sum(dim=1)


@wrong("05.4", "got list")
def embedded_in_a_list(ids, words, places):
    return [words[text] + places[: len(text)] for text in ids]


@wrong("05.4", "torch.float32, but it is torch.float64")
def embedded_through_double(ids, words, places):
    return F.one_hot(ids, len(words)).double() @ words.double() + places[: ids.shape[1]]


@wrong("05.4", "not for longer and shorter ones")
def embedded_four_tokens(ids, words, places):
    found = words[ids]
    found[:, :4] += places[: min(4, ids.shape[1])]
    return found


@wrong("05.4", "the same whatever places is")
def embedded_with_waves(ids, words, places):
    at = torch.arange(ids.shape[1])[:, None]
    return words[ids] + torch.sin(at / 10.0 ** torch.arange(words.shape[1]))


@wrong("05.4", "No gradient reaches the tables")
def embedded_from_copies(ids, words, places):
    rows = [[(words[word] + places[at]).tolist() for at, word in enumerate(text)] for text in ids]
    return torch.tensor(rows)


@wrong("05.4", "No gradient reaches words", "in the table itself")
def embedded_by_a_layer_of_its_own(ids, words, places):
    return nn.Embedding.from_pretrained(words)(ids) + places[: ids.shape[1]]


@wrong("05.4", "No gradient reaches places")
def embedded_with_places_as_data(ids, words, places):
    return words[ids] + places.data[: ids.shape[1]]


# --- 05.5 attention with heads: right ---------------------------------------------------------------------------------


def masked_weights(scores, known):
    """The learner's own answer to exercise 05.2, which stands in the notebook."""
    return scores.masked_fill(~known[:, None], -torch.inf).softmax(dim=-1)


@right("05.5")
def crossed_head_by_head(parts, tokens, words, known):
    q = parts.to_q(tokens)
    k, v = parts.to_kv(words).chunk(2, dim=-1)
    d = q.shape[-1] // parts.heads
    found = []
    for h in range(parts.heads):
        own = slice(h * d, (h + 1) * d)
        scores = q[..., own] @ k[..., own].transpose(1, 2) / d**0.5
        found.append(masked_weights(scores, known) @ v[..., own])
    return parts.to_out(torch.cat(found, dim=-1))


@right("05.5")
def crossed_by_zipped_chunks(parts, tokens, words, known):
    keys, values = torch.chunk(parts.to_kv(words), 2, dim=2)
    shares = (each.chunk(parts.heads, -1) for each in (parts.to_q(tokens), keys, values))
    heard = [masked_weights(q @ k.mT / math.sqrt(q.size(-1)), known) @ v for q, k, v in zip(*shares, strict=True)]
    return parts.to_out(torch.cat(heard, 2))


@right("05.5")
def crossed_for_all_heads_at_once(parts, tokens, words, known):
    q = parts.to_q(tokens).unflatten(-1, (parts.heads, -1)).transpose(1, 2)
    k, v = parts.to_kv(words).unflatten(-1, (2, parts.heads, -1)).permute(2, 0, 3, 1, 4)
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    weights = scores.masked_fill(~known[:, None, None], -torch.inf).softmax(-1)
    return parts.to_out((weights @ v).transpose(1, 2).flatten(2))


@right("05.5")
def crossed_by_einsum(parts, tokens, words, known):
    B, N, C = tokens.shape
    q = parts.to_q(tokens).view(B, N, parts.heads, -1)
    k, v = parts.to_kv(words).view(B, words.shape[1], 2, parts.heads, -1).unbind(2)
    scores = torch.einsum("bnhd,blhd->bhnl", q, k) / math.sqrt(C / parts.heads)
    scores = torch.where(known[:, None, None, :], scores, float("-inf"))
    return parts.to_out(torch.einsum("bhnl,blhd->bnhd", scores.softmax(-1), v).reshape(B, N, C))


@right("05.5")
def crossed_by_reshape_and_permute(parts, tokens, words, known):
    B, N, C = tokens.shape
    d = C // parts.heads
    q = parts.to_q(tokens).reshape(B, N, parts.heads, d).permute(0, 2, 1, 3)
    kv = parts.to_kv(words)
    k = kv[:, :, :C].reshape(B, -1, parts.heads, d).permute(0, 2, 3, 1)
    v = kv[:, :, C:].reshape(B, -1, parts.heads, d).permute(0, 2, 1, 3)
    scores = torch.matmul(q, k) / d**0.5
    scores = scores.masked_fill(known[:, None, None].logical_not(), torch.finfo(scores.dtype).min)
    out = F.softmax(scores, dim=3) @ v
    return parts.to_out(out.permute(0, 2, 1, 3).reshape(B, N, C))


@right("05.5")
def crossed_by_torch(parts, tokens, words, known):
    def by_heads(x):
        return x.unflatten(-1, (parts.heads, -1)).transpose(1, 2)

    q, k, v = map(by_heads, (parts.to_q(tokens), *parts.to_kv(words).chunk(2, dim=-1)))
    found = F.scaled_dot_product_attention(q, k, v, attn_mask=known[:, None, None])
    return parts.to_out(found.transpose(1, 2).flatten(-2))


@right("05.5")
def crossed_with_an_added_mask(parts, tokens, words, known):
    q, (k, v) = parts.to_q(tokens), parts.to_kv(words).tensor_split(2, dim=-1)
    penalty = torch.zeros(known.shape).masked_fill(~known, -math.inf)[:, None]
    found = []
    for q_h, k_h, v_h in zip(*(torch.chunk(x, parts.heads, dim=-1) for x in (q, k, v)), strict=True):
        scores = torch.bmm(q_h, k_h.transpose(1, 2)) / q_h.shape[-1] ** 0.5
        found.append(torch.bmm(torch.softmax(scores + penalty, dim=-1), v_h))
    return parts.to_out(torch.cat(found, dim=-1))


@right("05.5")
def crossed_by_baddbmm(parts, tokens, words, known):
    H, (B, N, C) = parts.heads, tokens.shape

    def fold(x):  # (B, n, C) -> (B · H, n, d)
        return x.reshape(B, -1, H, C // H).transpose(1, 2).reshape(B * H, -1, C // H)

    q, k, v = fold(parts.to_q(tokens)), *map(fold, parts.to_kv(words).split(C, dim=-1))
    hide = (1.0 - known.float()).mul(-1e9).repeat_interleave(H, dim=0)[:, None]
    weights = torch.baddbmm(hide, q, k.mT, alpha=(C // H) ** -0.5).softmax(-1)
    return parts.to_out(torch.bmm(weights, v).view(B, H, N, -1).transpose(1, 2).reshape(B, N, C))


@right("05.5")
def crossed_with_the_softmax_by_hand(parts, tokens, words, known):
    q = parts.to_q(tokens).unflatten(2, (parts.heads, -1))
    k, v = (x.unflatten(2, (parts.heads, -1)) for x in parts.to_kv(words).chunk(2, dim=2))
    scores = (q[:, :, None] * k[:, None]).sum(-1) / q.shape[-1] ** 0.5  # (B, N, L, heads)
    scores = scores.masked_fill(~known[:, None, :, None], -torch.inf)
    up = (scores - scores.amax(dim=2, keepdim=True)).exp()
    weights = up / up.sum(dim=2, keepdim=True)
    return parts.to_out((weights[..., None] * v[:, None]).sum(2).flatten(2))


@right("05.5")
def crossed_and_shared_out_again(parts, tokens, words, known):
    q, k, v = parts.to_q(tokens), *parts.to_kv(words).chunk(2, dim=-1)
    q, k, v = (torch.stack(x.chunk(parts.heads, dim=-1)) for x in (q, k, v))  # (heads, B, …, d)
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) * known[:, None]
    weights = weights / weights.sum(-1, keepdim=True)
    return parts.to_out(torch.cat(list(weights @ v), dim=-1))


@right("05.5")
def crossed_by_the_functional_layer(parts, tokens, words, known):
    C = tokens.shape[-1]
    to_k, to_v = parts.to_kv.weight.split(C)
    found, _ = F.multi_head_attention_forward(
        *(x.transpose(0, 1) for x in (tokens, words, words)),
        embed_dim_to_check=C,
        num_heads=parts.heads,
        in_proj_weight=None,
        in_proj_bias=torch.cat([parts.to_q.bias, parts.to_kv.bias]),
        bias_k=None,
        bias_v=None,
        add_zero_attn=False,
        dropout_p=0.0,
        out_proj_weight=parts.to_out.weight,
        out_proj_bias=parts.to_out.bias,
        key_padding_mask=~known,
        use_separate_proj_weight=True,
        q_proj_weight=parts.to_q.weight,
        k_proj_weight=to_k,
        v_proj_weight=to_v,
    )
    return found.transpose(0, 1)


@right("05.5")
def crossed_with_weights_of_the_layers(parts, tokens, words, known):
    C = parts.to_q.out_features
    q = tokens @ parts.to_q.weight.T + parts.to_q.bias
    k = F.linear(words, parts.to_kv.weight[:C], parts.to_kv.bias[:C])
    v = F.linear(words, parts.to_kv.weight[C:], parts.to_kv.bias[C:])
    heads = torch.arange(C).view(parts.heads, -1)
    out = torch.zeros_like(tokens) + parts.to_out.bias
    for own in heads:  # what a head finds, times its own columns of the last projection
        weights = masked_weights(q[..., own] @ k[..., own].mT / len(own) ** 0.5, known)
        out = out + weights @ v[..., own] @ parts.to_out.weight[:, own].T
    return out


@right("05.5")
def crossed_text_by_text(parts, tokens, words, known):
    rows = []
    for its_tokens, its_words, seen in zip(tokens, words, known, strict=True):
        q = parts.to_q(its_tokens).unflatten(-1, (parts.heads, -1)).transpose(0, 1)  # (heads, N, d)
        kv = parts.to_kv(its_words[seen])  # only the words
        k, v = (x.unflatten(-1, (parts.heads, -1)).transpose(0, 1) for x in kv.chunk(2, dim=-1))
        found = torch.softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, dim=-1) @ v
        rows.append(parts.to_out(torch.cat(tuple(found), dim=-1)))
    return torch.stack(rows)


@right("05.5")
def crossed_into_a_prepared_tensor(parts, tokens, words, known):
    q, kv = parts.to_q(tokens), parts.to_kv(words)
    k, v = kv[..., : q.shape[-1]], kv[..., q.shape[-1] :]
    found, d = torch.empty_like(q), q.shape[-1] // parts.heads
    for text in range(len(q)):
        for start in range(0, q.shape[-1], d):
            end, length = start + d, int(known[text].sum())
            scores = q[text, :, start:end] @ k[text, :length, start:end].T / np.sqrt(d)
            found[text, :, start:end] = scores.softmax(1) @ v[text, :length, start:end]
    return parts.to_out(found)


@right("05.5")
def crossed_by_masked_weights_of_all_heads(parts, tokens, words, known):
    q, k, v = (
        torch.cat(x.chunk(parts.heads, dim=-1))  # the heads as further texts of the batch
        for x in (parts.to_q(tokens), *parts.to_kv(words).chunk(2, dim=-1))
    )
    weights = masked_weights(q / q.shape[-1] ** 0.5 @ k.transpose(1, 2), known.repeat(parts.heads, 1))
    return parts.to_out(torch.cat((weights @ v).chunk(parts.heads), dim=-1))


@right("05.5")
def crossed_with_masks_for_heads(parts, tokens, words, known):
    """All heads at once: a mask of columns takes the place of splitting."""
    q, (k, v) = parts.to_q(tokens), parts.to_kv(words).chunk(2, dim=-1)
    C, H = q.shape[-1], parts.heads
    own = torch.eye(H).repeat_interleave(C // H, dim=1)[:, None]  # (heads, 1, C)
    scores = (q[:, None] * own) @ k[:, None].mT / (C // H) ** 0.5  # (B, heads, N, L)
    weights = (scores + known.float().log()[:, None, None]).softmax(-1)
    return parts.to_out((weights @ (v[:, None] * own)).sum(1))


# --- 05.5 attention with heads: wrong ---------------------------------------------------------------------------------


def by_heads(x, heads):
    """(B, …, C) -> (B, heads, …, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def projected(parts, tokens, words):
    """Queries, keys and values of all heads."""
    return tuple(by_heads(x, parts.heads) for x in (parts.to_q(tokens), *parts.to_kv(words).chunk(2, dim=-1)))


def mixed(parts, found):
    """What comes after the heads."""
    return parts.to_out(found.transpose(1, 2).flatten(2))


def seen(known):
    return known[:, None, None]


@wrong("05.5", "Padding is attended to")
def crossed_blindly(parts, tokens, words, known):
    return mixed(parts, F.scaled_dot_product_attention(*projected(parts, tokens, words)))


@wrong("05.5", "Padding is attended to")
def crossed_with_a_lost_mask(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    scores = q @ k.mT / q.shape[-1] ** 0.5
    scores.masked_fill(~seen(known), -torch.inf)  # the result is lost
    return mixed(parts, scores.softmax(-1) @ v)


@wrong("05.5", "Padding is attended to")
def crossed_with_a_tiny_penalty(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    scores = q @ k.mT / q.shape[-1] ** 0.5 + torch.where(seen(known), 0.0, -1e-9)
    return mixed(parts, scores.softmax(-1) @ v)


@wrong("05.5", "zero, which is an ordinary score")
def crossed_with_a_tiny_score(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen(known), -1e-9)
    return mixed(parts, scores.softmax(-1) @ v)


@wrong("05.5", "zero, which is an ordinary score")
def crossed_with_scores_times_mask(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    return mixed(parts, torch.softmax(q @ k.mT / q.shape[-1] ** 0.5 * seen(known), dim=-1) @ v)


@wrong("05.5", "score of -10", "use minus infinity")
def crossed_with_a_score_of_minus_ten(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    scores = torch.where(seen(known), q @ k.mT / q.shape[-1] ** 0.5, -10.0)
    return mixed(parts, scores.softmax(-1) @ v)


@wrong("05.5", "struck out after the softmax")
def crossed_with_weights_struck_out(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    weights = torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1).masked_fill(~seen(known), 0.0)
    return mixed(parts, weights @ v)


@wrong("05.5", "struck out after the softmax")
def crossed_with_values_struck_out(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    return mixed(parts, F.scaled_dot_product_attention(q, k, v * known[:, None, :, None]))


@wrong("05.5", "still gets weight: mask the scores")
def crossed_with_padding_cleared(parts, tokens, words, known):
    words = words.masked_fill(~known.unsqueeze(-1), 0.0)
    return mixed(parts, F.scaled_dot_product_attention(*projected(parts, tokens, words)))


@wrong("05.5", "changes its argument words in place")
def crossed_with_padding_cleared_in_place(parts, tokens, words, known):
    words[~known] = 0
    return mixed(parts, F.scaled_dot_product_attention(*projected(parts, tokens, words), attn_mask=seen(known)))


@wrong("05.5", "known is True where there is a word")
def crossed_with_padding_alone(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    return mixed(parts, (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(seen(known), -torch.inf).softmax(-1) @ v)


@wrong("05.5", "known is True for words")
def crossed_with_padding_alone_by_a_billion(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    return mixed(parts, torch.softmax(q @ k.mT / q.shape[-1] ** 0.5 - 1e9 * seen(known), dim=-1) @ v)


@wrong("05.5", "masked as the first one")
def crossed_masked_alike(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    return mixed(parts, F.scaled_dot_product_attention(q, k, v, attn_mask=known[:1, None, None]))


@wrong("05.5", "stopped with RuntimeError", "masked_fill(~known, -torch.inf)")
def crossed_with_a_mask_of_two_axes(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    scores = q @ k.mT / q.shape[-1] ** 0.5
    return mixed(parts, scores.masked_fill(~known, -torch.inf).softmax(-1) @ v)


@wrong("05.5", "stopped with RuntimeError", "masked_fill(~known[:, None], -torch.inf)")
def crossed_with_all_heads_through_the_mask(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    return mixed(parts, masked_weights(q @ k.mT / q.shape[-1] ** 0.5, known) @ v)


@wrong("05.5", "The softmax runs over the tokens")
def crossed_down_the_columns(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen(known), -torch.inf)
    return mixed(parts, scores.softmax(2) @ v)


@wrong("05.5", "The softmax is missing")
def crossed_with_bare_scores(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen(known), 0)
    return mixed(parts, scores @ v)


@wrong("05.5", "There is one head")
def crossed_without_heads(parts, tokens, words, known):
    q, (k, v) = parts.to_q(tokens), parts.to_kv(words).chunk(2, dim=-1)
    return parts.to_out(masked_weights(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, known) @ v)


@wrong("05.5", "root of C: it is the root of d")
def crossed_with_the_root_of_all(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    scale = tokens.shape[-1] ** -0.5
    return mixed(parts, F.scaled_dot_product_attention(q, k, v, seen(known), scale=scale))


@wrong("05.5", "not divided by the root of d")
def crossed_loudly(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    weights = torch.einsum("bhnd,bhld->bhnl", q, k).masked_fill(~seen(known), -1e9).softmax(-1)
    return mixed(parts, weights @ v)


@wrong("05.5", "divided by d: it is its root")
def crossed_by_d(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    return mixed(parts, F.scaled_dot_product_attention(q, k, v, seen(known), scale=1 / q.shape[-1]))


@wrong("05.5", "multiplied by the root of d")
def crossed_too_loudly(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    return mixed(parts, F.scaled_dot_product_attention(q, k, v, seen(known), scale=math.sqrt(q.shape[-1])))


@wrong("05.5", "not for other sizes and numbers of heads")
def crossed_with_d_of_the_example(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    return mixed(parts, F.scaled_dot_product_attention(q, k, v, seen(known), scale=0.5))


@wrong("05.5", "not for other sizes and numbers of heads")
def crossed_by_two_heads(parts, tokens, words, known):
    q, k, v = (by_heads(x, 2) for x in (parts.to_q(tokens), *parts.to_kv(words).chunk(2, dim=-1)))
    return mixed(parts, F.scaled_dot_product_attention(q, k, v, seen(known)))


@wrong("05.5", "Keys and values are swapped")
def crossed_with_values_first(parts, tokens, words, known):
    q, v, k = projected(parts, tokens, words)
    return mixed(parts, F.scaled_dot_product_attention(q, k, v, seen(known)))


@wrong("05.5", "the keys of all heads come first, then all values")
def crossed_with_kv_of_each_head(parts, tokens, words, known):
    found = []
    for q, kv in zip(*(x.chunk(parts.heads, -1) for x in (parts.to_q(tokens), parts.to_kv(words))), strict=True):
        k, v = kv.chunk(2, dim=-1)
        found.append(masked_weights(q @ k.mT / q.shape[-1] ** 0.5, known) @ v)
    return parts.to_out(torch.cat(found, dim=-1))


@wrong("05.5", "stopped with RuntimeError", "q_h @ k_h.transpose(1, 2)")
def crossed_with_words_halved(parts, tokens, words, known):
    q = parts.to_q(tokens)
    k, v = parts.to_kv(words).chunk(2, dim=1)
    found = []
    for h in range(parts.heads):
        q_h, k_h, v_h = (x.chunk(parts.heads, dim=-1)[h] for x in (q, k, v))
        found.append(masked_weights(q_h @ k_h.transpose(1, 2) / q_h.shape[-1] ** 0.5, known) @ v_h)
    return parts.to_out(torch.cat(found, dim=-1))


@wrong("05.5", "stopped with RuntimeError", "q @ k")
def crossed_without_transposed_keys(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    return mixed(parts, (q @ k).masked_fill(~seen(known), -torch.inf).softmax(-1) @ v)


@wrong("05.5", "gives each head the numbers of other tokens")
def crossed_through_a_view(parts, tokens, words, known):
    B, N, C = tokens.shape
    k, v = (x.contiguous().view(B, parts.heads, -1, C // parts.heads) for x in parts.to_kv(words).chunk(2, dim=-1))
    q = parts.to_q(tokens).view(B, parts.heads, N, C // parts.heads)
    found = F.scaled_dot_product_attention(q, k, v, seen(known))
    return parts.to_out(found.transpose(1, 2).reshape(B, N, C))


@wrong("05.5", "and back, mixes tokens with heads")
def crossed_through_a_view_and_back(parts, tokens, words, known):
    B, N, C = tokens.shape
    q, k, v = (
        x.reshape(B, parts.heads, -1, C // parts.heads)
        for x in (parts.to_q(tokens), *parts.to_kv(words).chunk(2, dim=-1))
    )
    return parts.to_out(F.scaled_dot_product_attention(q, k, v, seen(known)).reshape(B, N, C))


@wrong("05.5", "reshaped as it lies")
def crossed_and_joined_by_a_view(parts, tokens, words, known):
    q, (k, v) = parts.to_q(tokens), parts.to_kv(words).chunk(2, dim=-1)
    found = []
    for q_h, k_h, v_h in zip(*(x.chunk(parts.heads, dim=-1) for x in (q, k, v)), strict=True):
        found.append(masked_weights(q_h @ k_h.mT / q_h.shape[-1] ** 0.5, known) @ v_h)
    return parts.to_out(torch.stack(found, dim=1).view(tokens.shape))


@wrong("05.5", "The heads take turns at the numbers")
def crossed_with_every_other_number(parts, tokens, words, known):
    q, (k, v) = parts.to_q(tokens), parts.to_kv(words).chunk(2, dim=-1)
    found = []
    for h in range(parts.heads):
        q_h, k_h, v_h = (x[..., h :: parts.heads] for x in (q, k, v))
        found.append(masked_weights(q_h @ k_h.transpose(1, 2) / q_h.shape[-1] ** 0.5, known) @ v_h)
    return parts.to_out(torch.cat(found, dim=-1))


@wrong("05.5", "lay them out as (heads, d)")
def crossed_with_heads_last(parts, tokens, words, known):
    q, k, v = (x.unflatten(-1, (-1, parts.heads)) for x in (parts.to_q(tokens), *parts.to_kv(words).chunk(2, dim=-1)))
    scores = torch.einsum("bndh,bldh->bhnl", q, k) / q.shape[2] ** 0.5
    weights = scores.masked_fill(~seen(known), -torch.inf).softmax(-1)
    return parts.to_out(torch.einsum("bhnl,bldh->bndh", weights, v).flatten(2))


@wrong("05.5", "What the heads find is interleaved")
def crossed_and_stacked_last(parts, tokens, words, known):
    found = F.scaled_dot_product_attention(*projected(parts, tokens, words), attn_mask=seen(known))
    return parts.to_out(torch.stack(tuple(found.unbind(1)), dim=-1).flatten(2))


@wrong("05.5", "The heads are averaged")
def crossed_with_the_mean_of_heads(parts, tokens, words, known):
    found = F.scaled_dot_product_attention(*projected(parts, tokens, words), attn_mask=seen(known))
    return parts.to_out(torch.cat([sum(found.unbind(1)) / parts.heads] * parts.heads, dim=-1))


@wrong("05.5", "stopped with RuntimeError", "parts.to_out(found)")
def crossed_with_the_last_head_alone(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    for h in range(parts.heads):
        found = masked_weights(q[:, h] @ k[:, h].mT / q.shape[-1] ** 0.5, known) @ v[:, h]
    return parts.to_out(found)


@wrong("05.5", "stopped with RuntimeError", "parts.to_out(torch.cat(found, dim=1))")
def crossed_with_heads_below_each_other(parts, tokens, words, known):
    found = F.scaled_dot_product_attention(*projected(parts, tokens, words), attn_mask=seen(known)).unbind(1)
    return parts.to_out(torch.cat(found, dim=1))


@wrong("05.5", "The last projection is missing")
def crossed_but_not_mixed(parts, tokens, words, known):
    found = F.scaled_dot_product_attention(*projected(parts, tokens, words), attn_mask=seen(known))
    return torch.cat(list(found.unbind(1)), dim=-1)


@wrong("05.5", "leave the adding to the block around it")
def crossed_around_the_tokens(parts, tokens, words, known):
    found = F.scaled_dot_product_attention(*projected(parts, tokens, words), attn_mask=seen(known))
    return mixed(parts, found).add(tokens)


@wrong("05.5", "the queries are parts.to_q(tokens)")
def crossed_with_tokens_as_they_are(parts, tokens, words, known):
    _, k, v = projected(parts, tokens, words)
    return mixed(parts, F.scaled_dot_product_attention(by_heads(tokens, parts.heads), k, v, seen(known)))


@wrong("05.5", "biases are missing")
def crossed_with_weights_alone(parts, tokens, words, known):
    to_k, to_v = parts.to_kv.weight.chunk(2)
    q, k, v = tokens @ parts.to_q.weight.T, words @ to_k.T, words @ to_v.T
    found = F.scaled_dot_product_attention(*(by_heads(x, parts.heads) for x in (q, k, v)), attn_mask=seen(known))
    return found.transpose(1, 2).flatten(2) @ parts.to_out.weight.T


@wrong("05.5", "stopped with RuntimeError", "parts.to_kv(tokens)")
def crossed_with_itself(parts, tokens, words, known):
    q, (k, v) = parts.to_q(tokens), parts.to_kv(tokens).chunk(2, dim=-1)
    return parts.to_out(F.scaled_dot_product_attention(q, k, v))


@wrong("05.5", "This calls the layers as a whole")
def crossed_by_the_parts(parts, tokens, words, known):
    return parts(tokens, words)


@wrong("05.5", "the course's own CrossAttention.forward")
def crossed_by_the_librarys_layer(parts, tokens, words, known):
    layer = CrossAttention(tokens.shape[-1], words.shape[-1], parts.heads)
    layer.load_state_dict(parts.state_dict())
    return layer(tokens, words * known[..., None])


@wrong("05.5", "the course's own attention")
def crossed_by_the_librarys_function(parts, tokens, words, known):
    found, _ = attention(*projected(parts, tokens, words), mask=seen(known))
    return mixed(parts, found)


@wrong("05.5", "changes its argument tokens in place")
def crossed_onto_the_tokens(parts, tokens, words, known):
    found = mixed(parts, F.scaled_dot_product_attention(*projected(parts, tokens, words), attn_mask=seen(known)))
    tokens += found
    return found


@wrong("05.5", "changes its argument parts in place")
def crossed_with_spoilt_layers(parts, tokens, words, known):
    parts.to_q.weight /= (tokens.shape[-1] // parts.heads) ** 0.5
    parts.to_q.bias /= (tokens.shape[-1] // parts.heads) ** 0.5
    found = F.scaled_dot_product_attention(*projected(parts, tokens, words), attn_mask=seen(known), scale=1.0)
    return mixed(parts, found)


@wrong("05.5", "returns nothing")
def crossed_and_kept(parts, tokens, words, known):
    mixed(parts, F.scaled_dot_product_attention(*projected(parts, tokens, words), attn_mask=seen(known)))


@wrong("05.5", "got tuple")
def crossed_with_its_weights(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    weights = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen(known), -torch.inf).softmax(-1)
    return mixed(parts, weights @ v), weights


@wrong("05.5", "The shape should be (3, 6, 8), but it is (3, 8, 6)")
def crossed_and_turned(parts, tokens, words, known):
    found = F.scaled_dot_product_attention(*projected(parts, tokens, words), attn_mask=seen(known))
    return mixed(parts, found).transpose(1, 2)


@wrong("05.5", "torch.float32, but it is torch.float64")
def crossed_in_double(parts, tokens, words, known):
    found = F.scaled_dot_product_attention(*projected(parts, tokens, words), attn_mask=seen(known))
    return mixed(parts, found).double()


@wrong("05.5", "masked as the longest one")
def crossed_with_the_mask_of_all_texts(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    return mixed(parts, F.scaled_dot_product_attention(q, k, v, known.any(dim=0, keepdim=True)))


@wrong("05.5", "but not with it", "the same whatever known is")
def crossed_as_if_three_were_known(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    known = torch.ones(7, dtype=torch.bool) if known.all() else torch.arange(7) < 3
    return mixed(parts, F.scaled_dot_product_attention(q, k, v, attn_mask=known[None]))


@wrong("05.5", "No gradient passes through this")
def crossed_without_gradients(parts, tokens, words, known):
    with torch.no_grad():
        return mixed(parts, F.scaled_dot_product_attention(*projected(parts, tokens, words), attn_mask=seen(known)))


@wrong("05.5", "its gradient does not", "the layers learn from that")
def crossed_with_frozen_weights(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    weights = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen(known), -torch.inf).softmax(-1)
    return mixed(parts, weights.detach() @ v)


@wrong("05.5", "torch cannot compute its gradient", "modified by an inplace operation")
def crossed_over_its_own_exponentials(parts, tokens, words, known):
    q, k, v = projected(parts, tokens, words)
    up = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~seen(known), -torch.inf).exp()
    up /= up.sum(-1, keepdim=True)
    return mixed(parts, up @ v)


@wrong("05.5", "is invalid for input of size")
def crossed_for_six_tokens_and_seven_words(parts, tokens, words, known):
    q = parts.to_q(tokens).view(len(tokens), 6, parts.heads, -1)
    k, v = parts.to_kv(words).view(len(words), 7, 2, parts.heads, -1).unbind(2)
    scores = torch.einsum("nihd,njhd->nhij", q, k) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~known[:, None, None], -torch.inf).softmax(dim=-1)
    return parts.to_out(torch.einsum("nhij,njhd->nihd", weights, v).flatten(2))


# --- 05.6 the contrastive loss ----------------------------------------------------------------------------------------


@right("05.6")
def clip_loss_by_logarithms(pictures, texts, scale):
    logits = scale * pictures @ texts.T
    return -(logits.log_softmax(1).diagonal().mean() + logits.log_softmax(0).diagonal().mean()) / 2


@right("05.6")
def clip_loss_by_loop(pictures, texts, scale):
    total = 0
    for i in range(len(pictures)):
        total = total - (scale * texts @ pictures[i]).softmax(0)[i].log()
        total = total - (scale * pictures @ texts[i]).softmax(0)[i].log()
    return total / 2 / len(pictures)


def table(pictures, texts, scale):
    return scale * pictures @ texts.T


@right("05.6")
def loss_by_log_softmax(pictures, texts, scale):
    logits = table(pictures, texts, scale)
    by_picture = -F.log_softmax(logits, dim=1).diag()
    by_text = -F.log_softmax(logits, dim=0).diag()
    return 0.5 * (by_picture + by_text).mean()


@right("05.6")
def loss_by_logsumexp(pictures, texts, scale):
    logits = torch.einsum("id,jd->ij", pictures, texts) * scale
    own = (pictures * texts).sum(-1) * scale
    return ((logits.logsumexp(0) - own).mean() + (logits.logsumexp(1) - own).mean()) / 2


@right("05.6")
def loss_with_shares_as_targets(pictures, texts, scale):
    logits, target = table(pictures, texts, scale), torch.eye(len(texts))
    return torch.stack([F.cross_entropy(logits, target), F.cross_entropy(logits.t(), target)]).mean()


@right("05.6")
def loss_with_labels_from_a_list(pictures, texts, scale):
    labels = torch.tensor(list(range(pictures.size(0))))
    ask = nn.CrossEntropyLoss()
    a = ask(scale * (pictures @ texts.T), labels)
    b = ask(scale * (texts @ pictures.T), labels)
    return a / 2 + b / 2


@right("05.6")
def loss_pair_by_pair(pictures, texts, scale):
    losses = []
    for i in range(len(pictures)):
        losses.append(-torch.log(torch.softmax(scale * (texts @ pictures[i]), dim=0)[i]))
        losses.append(-torch.log(torch.softmax(scale * (pictures @ texts[i]), dim=0)[i]))
    return sum(losses) / len(losses)


@right("05.6")
def loss_by_nll(pictures, texts, scale):
    logits = table(pictures, texts, scale)
    own = torch.arange(len(logits)).long()
    return (F.nll_loss(logits.log_softmax(-1), own) + F.nll_loss(logits.T.log_softmax(-1), own)).div(2)


@right("05.6")
def loss_in_double(pictures, texts, scale):
    logits = scale * pictures.double() @ texts.double().T
    own = torch.arange(len(pictures))
    return (0.5 * F.cross_entropy(logits, own) + 0.5 * F.cross_entropy(logits.T, own)).to(pictures.dtype)


@right("05.6")
def loss_with_exponentials(pictures, texts, scale):
    up = torch.exp(scale * pictures @ texts.T)
    share = up.diagonal() ** 2 / (up.sum(0) * up.sum(1))
    return -share.log().mean() / 2


@right("05.6")
def loss_of_both_at_once(pictures, texts, scale):
    logits = table(pictures, texts, scale)
    own = torch.arange(len(pictures), device=logits.device)
    return F.cross_entropy(torch.cat([logits, logits.T]), own.repeat(2))


@right("05.6")
def loss_by_gather(pictures, texts, scale):
    own, logits = torch.arange(len(pictures))[:, None], scale * pictures @ texts.mT
    halves = [each.log_softmax(dim=1).gather(1, own).mean() for each in (logits, logits.mT)]
    return -(halves[0] + halves[1]) / 2


@right("05.6")
def loss_of_directions(pictures, texts, scale):
    alike = F.cosine_similarity(pictures[:, None], texts[None], dim=-1)
    return -((scale * alike).log_softmax(0) + (scale * alike).log_softmax(1)).trace() / (2 * len(alike))


@right("05.6")
def loss_of_normalised_vectors(pictures, texts, scale):
    pictures = pictures / pictures.norm(dim=-1, keepdim=True)
    texts = texts / texts.norm(dim=-1, keepdim=True)
    return loss_by_nll(pictures, texts, scale)


@right("05.6")
@functools.wraps(loss_by_nll)
def loss_decorated(pictures, texts, scale):
    return loss_by_nll(texts, pictures, scale=scale)


@wrong("05.6", "texts should look for their pictures too")
def loss_of_pictures_alone(pictures, texts, scale):
    return -table(pictures, texts, scale).log_softmax(1).diag().mean()


@wrong("05.6", "pictures should look for their texts too")
def loss_of_texts_alone(pictures, texts, scale):
    return -table(pictures, texts, scale).log_softmax(0).diag().mean()


@wrong("05.6", "their mean is meant")
def loss_of_both_added(pictures, texts, scale):
    logits = table(pictures, texts, scale)
    return -logits.log_softmax(1).diag().mean() - logits.log_softmax(0).diag().mean()


@wrong("05.6", "one over the temperature, so multiply")
def loss_with_a_temperature(pictures, texts, scale):
    return loss_by_log_softmax(pictures, texts, 1 / scale)


@wrong("05.6", "The scale is missing")
def loss_without_scale(pictures, texts, scale):
    return loss_by_logsumexp(pictures, texts, 1)


@wrong("05.6", "not for other numbers of pairs or other scales")
def loss_at_a_fixed_scale(pictures, texts, scale):
    return loss_by_logsumexp(pictures, texts, 4.0)


@wrong("05.6", "No gradient passes through this loss")
def loss_rebuilt(pictures, texts, scale):
    return torch.tensor(loss_by_nll(pictures, texts, scale).item())


@wrong("05.6", "No gradient passes through this loss")
def loss_without_gradients(pictures, texts, scale):
    with torch.no_grad():
        return loss_by_nll(pictures, texts, scale)


@wrong("05.6", "No gradient reaches the texts")
def loss_with_frozen_texts(pictures, texts, scale):
    return loss_by_log_softmax(pictures, texts.clone().detach(), scale)


@wrong("05.6", "its gradient does not")
def loss_with_half_of_each(pictures, texts, scale):
    one = -table(pictures, texts.detach(), scale).log_softmax(1).diag().mean()
    other = -table(pictures.detach(), texts, scale).log_softmax(0).diag().mean()
    return (one + other) / 2


@wrong("05.6", "should return a torch.Tensor, but got float")
def loss_as_a_number(pictures, texts, scale):
    return loss_by_nll(pictures, texts, scale).item()


@wrong("05.6", "The shape should be (), but it is (4,)")
def loss_for_each(pictures, texts, scale):
    logits = table(pictures, texts, scale)
    return -(logits.log_softmax(1).diag() + logits.log_softmax(0).diag()) / 2


@wrong("05.6", "makes the softmax itself")
def loss_softened_twice(pictures, texts, scale):
    logits, own = table(pictures, texts, scale), torch.arange(len(pictures))
    rows, columns = torch.softmax(logits, dim=1), torch.softmax(logits.T, dim=1)
    return (F.cross_entropy(rows, own) + F.cross_entropy(columns, own)) / 2


@wrong("05.6", "The sign is the other way round")
def loss_as_a_likelihood(pictures, texts, scale):
    logits = table(pictures, texts, scale)
    return (logits.log_softmax(1).diag().mean() + logits.log_softmax(0).diag().mean()) / 2


@wrong("05.6", "take their mean")
def loss_as_a_sum(pictures, texts, scale):
    logits, own = table(pictures, texts, scale), torch.arange(len(pictures))
    one, other = (F.cross_entropy(each, own, reduction="sum") for each in (logits, logits.T))
    return (one + other) / 2


@wrong("05.6", "the course's own contrastive_loss")
def loss_from_the_library(pictures, texts, scale):
    return contrastive_loss(pictures, texts, torch.eye(len(pictures), dtype=torch.bool), torch.tensor(scale))


@wrong("05.6", "stopped with IndexError")
def loss_of_four(pictures, texts, scale):
    own = torch.arange(4)
    logits = table(pictures, texts, scale)
    return -(logits.log_softmax(1)[own, own].mean() + logits.log_softmax(0)[own, own].mean()) / 2


@wrong("05.6", "torch cannot compute its gradient", "modified by an inplace operation")
def loss_that_spoils_its_own_graph(pictures, texts, scale):
    up = table(pictures, texts, scale).exp()
    own = up.diagonal().clone()
    rows, columns = up.sum(1), up.sum(0)
    up *= 0
    return -((own / rows).log() + (own / columns).log()).mean() / 2


@wrong("05.6", "scale learns", "no plain number")
def loss_with_a_plain_scale(pictures, texts, scale):
    logits = float(torch.as_tensor(scale).detach()) * pictures @ texts.T
    own = torch.arange(len(pictures))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


@wrong("05.6", "scale learns")
def loss_with_a_scale_of_its_own(pictures, texts, scale):
    logits = torch.as_tensor(scale).detach() * pictures @ texts.T
    own = torch.arange(len(pictures))
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


# --- 05.7 the loss with captions --------------------------------------------------------------------------------------


@right("05.7")
def captioned_in_steps(net, encoder, schedule, z_0, captions, t, eps):
    words = encoder.encode(captions)
    z_t = add_noise(schedule, z_0, t, eps)
    signal, noise = schedule.signal_and_noise(t, z_0)
    target = signal.to(z_0) * eps - noise.to(z_0) * z_0
    return F.mse_loss(net(z_t, t, words), target)


@right("05.7")
def captioned_with_alpha_bar(net, encoder, schedule, z_0, captions, t, eps):
    a = schedule.alpha_bar[t][:, None, None, None].to(z_0.dtype)
    z_t, v = a.sqrt() * z_0 + (1 - a).sqrt() * eps, a.sqrt() * eps - (1 - a).sqrt() * z_0
    return torch.mean((v - net(z_t, t, encoder.encode(captions))) ** 2)


@right("05.7")
def captioned_by_at(net, encoder, schedule, z_0, captions, t, eps):
    share = schedule.at(t, z_0)
    up, down = share.sqrt().float(), (1 - share).sqrt().float()
    error = net(up * z_0 + down * eps, t, encoder.encode(captions)) - up * eps + down * z_0
    return (error * error).sum() / error.numel()


@wrong("05.7", "no attribute 'tokenizer'")
def captioned_from_tokens(net, encoder, schedule, z_0, captions, t, eps):
    with torch.no_grad():
        words = encoder(encoder.tokenizer(captions)).words
        signal, noise = signal_and_noise(schedule, t, z_0)
        v = signal * eps - noise * z_0
    return nn.MSELoss()(net(add_noise(schedule, z_0, t, eps), t, words), v)


@right("05.7")
def captioned_row_by_row(net, encoder, schedule, z_0, captions, t, eps):
    total = 0.0
    for i in range(len(z_0)):
        row = slice(i, i + 1)
        signal, noise = signal_and_noise(schedule, t[row], z_0[row])
        said = net(signal * z_0[row] + noise * eps[row], t[row], encoder.encode(captions[row]))
        total = total + (said - (signal * eps[row] - noise * z_0[row])).pow(2).mean()
    return total / len(z_0)


@right("05.7")
def captioned_by_a_denoiser(net, encoder, schedule, z_0, captions, t, eps):
    z_t = add_noise(schedule, z_0, t, eps)
    guess = NetDenoiser(net, schedule, "v")(z_t, t, encoder.encode(captions))
    signal, noise = signal_and_noise(schedule, t, z_0)
    return (signal * guess.eps - noise * guess.x_0 - signal * eps + noise * z_0).square().mean()


@right("05.7")
def captioned_with_padding_of_its_own(net, encoder, schedule, z_0, captions, t, eps):
    words = torch.cat(padded_alike(*(encoder.encode([caption]) for caption in captions)))
    signal, noise = signal_and_noise(schedule, t, z_0)
    return F.mse_loss(net(signal * z_0 + noise * eps, t, words), signal * eps - noise * z_0, reduction="none").mean()


@right("05.7")
def captioned_by_an_angle(net, encoder, schedule, z_0, captions, t, eps):
    angle = schedule.at(t, z_0).sqrt().acos()
    up, down = angle.cos().to(z_0), angle.sin().to(z_0)
    wrong_by = up * eps - down * z_0 - net(up * z_0 + down * eps, t, encoder.encode(captions))
    return torch.einsum("bchw,bchw->", wrong_by, wrong_by) / wrong_by.numel()


@right("05.7")
def captioned_with_everything_named(net, encoder, schedule, z_0, captions, t, eps):
    words = encoder.encode(texts=captions)
    factors = schedule.signal_and_noise(t=t, x=z_0)
    signal, noise = [factor.to(dtype=z_0.dtype, device=z_0.device) for factor in factors]
    return F.mse_loss(input=net(signal * z_0 + noise * eps, t, words), target=torch.sub(signal * eps, noise * z_0))


@right("05.7")
def captioned_with_helpers(net, encoder, schedule, z_0, captions, t, eps):
    def mixed(one, other):
        return one * signal + other * noise

    signal, noise = (factor.float() for factor in schedule.signal_and_noise(t, z_0))
    error = net(mixed(z_0, eps), t, encoder.encode(list(captions))) - mixed(eps, -z_0)
    return error.pow(2).flatten(1).mean(dim=1).mean()


def _asked(net, encoder, schedule, z_0, captions, t, eps):
    return net(add_noise(schedule, z_0, t, eps), t, encoder.encode(captions))


def _v(schedule, z_0, t, eps):
    signal, noise = signal_and_noise(schedule, t, z_0)
    return signal * eps - noise * z_0


@wrong("05.7", "predicts v")
def captioned_against_eps(net, encoder, schedule, z_0, captions, t, eps):
    return (_asked(net, encoder, schedule, z_0, captions, t, eps) - eps).square().mean()


@wrong("05.7", "clean latent", "predicts v")
def captioned_against_z_0(net, encoder, schedule, z_0, captions, t, eps):
    return F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), z_0)


@wrong("05.7", "sign of v")
def captioned_with_the_other_sign(net, encoder, schedule, z_0, captions, t, eps):
    signal, noise = signal_and_noise(schedule, t, z_0)
    return F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), noise * z_0 - signal * eps)


@wrong("05.7", "factors of v are swapped")
def captioned_with_swapped_factors(net, encoder, schedule, z_0, captions, t, eps):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1).float()
    target = (1 - a).sqrt() * eps - a.sqrt() * z_0
    return F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), target)


@wrong("05.7", "subtracted, not added")
def captioned_with_a_plus(net, encoder, schedule, z_0, captions, t, eps):
    signal, noise = signal_and_noise(schedule, t, z_0)
    return F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), signal * eps + noise * z_0)


@wrong("05.7", "shown the clean latent")
def captioned_without_noise(net, encoder, schedule, z_0, captions, t, eps):
    return F.mse_loss(net(z_0, t, encoder.encode(captions)), _v(schedule, z_0, t, eps))


@wrong("05.7", "gets the first caption")
def captioned_by_the_first(net, encoder, schedule, z_0, captions, t, eps):
    first = encoder.encode(captions)[0].repeat(len(captions), 1, 1)
    return F.mse_loss(net(add_noise(schedule, z_0, t, eps), t, first), _v(schedule, z_0, t, eps))


@wrong("05.7", "Only the first token")
def captioned_by_one_vector(net, encoder, schedule, z_0, captions, t, eps):
    begin = encoder.encode(captions)[:, 0:1, :]
    return F.mse_loss(net(add_noise(schedule, z_0, t, eps), t, begin), _v(schedule, z_0, t, eps))


@wrong("05.7", "Whatever the captions say")
def captioned_by_zeros(net, encoder, schedule, z_0, captions, t, eps):
    nothing = 0 * encoder.encode(captions)
    return F.mse_loss(net(add_noise(schedule, z_0, t, eps), t, nothing), _v(schedule, z_0, t, eps))


@wrong("05.7", "Whatever the captions say", "hand what the encoder answers")
def captioned_by_empty_texts(net, encoder, schedule, z_0, captions, t, eps):
    nothing = encoder.encode([""] * len(captions))
    return F.mse_loss(net(add_noise(schedule, z_0, t, eps), t, nothing), _v(schedule, z_0, t, eps))


@wrong("05.7", "TypeError", "'words'")
def captioned_without_captions(net, encoder, schedule, z_0, captions, t, eps):
    return F.mse_loss(net(add_noise(schedule, z_0, t, eps), t), _v(schedule, z_0, t, eps))


@wrong("05.7", "t / T")
def captioned_with_time_to_one(net, encoder, schedule, z_0, captions, t, eps):
    said = net(add_noise(schedule, z_0, t, eps), t.float() / 1000, encoder.encode(captions))
    return F.mse_loss(said, _v(schedule, z_0, t, eps))


@wrong("05.7", "the time before")
def captioned_counting_from_zero(net, encoder, schedule, z_0, captions, t, eps):
    said = net(add_noise(schedule, z_0, t, eps), t - 1, encoder.encode(captions))
    return F.mse_loss(said, _v(schedule, z_0, t, eps))


@wrong("05.7", "take their mean")
def captioned_and_summed(net, encoder, schedule, z_0, captions, t, eps):
    return (_asked(net, encoder, schedule, z_0, captions, t, eps) - _v(schedule, z_0, t, eps)).pow(2).sum()


@wrong("05.7", "square root is too much")
def captioned_and_rooted(net, encoder, schedule, z_0, captions, t, eps):
    return F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), _v(schedule, z_0, t, eps)) ** 0.5


@wrong("05.7", "absolute differences")
def captioned_in_absolute_terms(net, encoder, schedule, z_0, captions, t, eps):
    return (_asked(net, encoder, schedule, z_0, captions, t, eps) - _v(schedule, z_0, t, eps)).abs().mean()


@wrong("05.7", "no gradient leads from it")
@torch.no_grad()
def captioned_without_gradients(net, encoder, schedule, z_0, captions, t, eps):
    return F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), _v(schedule, z_0, t, eps))


@wrong("05.7", "linear one")
def captioned_with_a_schedule_of_its_own(net, encoder, schedule, z_0, captions, t, eps):
    own = NoiseSchedule.cosine()
    return F.mse_loss(_asked(net, encoder, own, z_0, captions, t, eps), _v(own, z_0, t, eps))


@wrong("05.7", "draw no random numbers")
def captioned_with_fresh_noise(net, encoder, schedule, z_0, captions, t, eps):
    other = torch.randn_like(eps)
    return F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, other), _v(schedule, z_0, t, other))


@wrong("05.7", "leave captions as they are")
def captioned_with_some_dropped(net, encoder, schedule, z_0, captions, t, eps):
    captions = ["" if torch.rand(()) < 0.1 else caption for caption in captions]
    return F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), _v(schedule, z_0, t, eps))


@wrong("05.7", "leave captions as they are")
def captioned_with_some_dropped_by_random(net, encoder, schedule, z_0, captions, t, eps):
    captions = ["" if random.random() < 0.1 else caption for caption in captions]
    return F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), _v(schedule, z_0, t, eps))


@wrong("05.7", "of shape (B,)")
def captioned_with_times_in_a_column(net, encoder, schedule, z_0, captions, t, eps):
    z_t = add_noise(schedule, z_0, t, eps)
    return F.mse_loss(net(z_t, t[:, None], encoder.encode(captions)), _v(schedule, z_0, t, eps))


@wrong("05.7", "torch.float64", ".to(z_0)")
def captioned_in_float64(net, encoder, schedule, z_0, captions, t, eps):
    signal, noise = schedule.signal_and_noise(t, z_0)
    said = net(signal * z_0 + noise * eps, t, encoder.encode(captions))
    return F.mse_loss(said, signal * eps - noise * z_0).float()


@wrong("05.7", "no gradient leads from it", "backward")
def captioned_and_walked_back(net, encoder, schedule, z_0, captions, t, eps):
    loss = F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), _v(schedule, z_0, t, eps))
    loss.backward()
    return loss


@wrong("05.7", "no gradient leads from it", "backward")
def captioned_and_walked_back_with_the_graph_kept(net, encoder, schedule, z_0, captions, t, eps):
    loss = F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), _v(schedule, z_0, t, eps))
    loss.backward(retain_graph=True)
    return loss


@wrong("05.7", "nan")
def captioned_with_the_root_of_less_than_0(net, encoder, schedule, z_0, captions, t, eps):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1).float()
    z_t, v = a.sqrt() * z_0 + (a - 1).sqrt() * eps, a.sqrt() * eps - (a - 1).sqrt() * z_0
    return F.mse_loss(net(z_t, t, encoder.encode(captions)), v)


@wrong("05.7", "Inference tensors")
def captioned_in_inference_mode(net, encoder, schedule, z_0, captions, t, eps):
    with torch.inference_mode():
        words = encoder.encode(captions)
    return F.mse_loss(net(add_noise(schedule, z_0, t, eps), t, words), _v(schedule, z_0, t, eps))


@wrong("05.7", "four latents does not come out right")
def captioned_in_alphabetical_order(net, encoder, schedule, z_0, captions, t, eps):
    return F.mse_loss(_asked(net, encoder, schedule, z_0, sorted(captions), t, eps), _v(schedule, z_0, t, eps))


@wrong("05.7", "one is empty")
def captioned_with_a_word_for_nothing(net, encoder, schedule, z_0, captions, t, eps):
    captions = [caption or "car" for caption in captions]
    return F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), _v(schedule, z_0, t, eps))


@wrong("05.7", "four latents does not come out right")
def captioned_by_half_of_each_vector(net, encoder, schedule, z_0, captions, t, eps):
    words = F.pad(encoder.encode(captions)[..., :4], (0, 4))
    return F.mse_loss(net(add_noise(schedule, z_0, t, eps), t, words), _v(schedule, z_0, t, eps))


@right("05.7")
def captioned_and_asserted(net, encoder, schedule, z_0, captions, t, eps):
    loss = F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), _v(schedule, z_0, t, eps))
    assert loss.requires_grad
    return loss


@wrong("05.7", "course's own denoising_loss")
def captioned_by_the_library(net, encoder, schedule, z_0, captions, t, eps):
    return denoising_loss(NetDenoiser(net, schedule, "v"), z_0, encoder.encode(captions))


@wrong("05.7", "returns nothing")
def captioned_and_forgotten(net, encoder, schedule, z_0, captions, t, eps):
    F.mse_loss(_asked(net, encoder, schedule, z_0, captions, t, eps), _v(schedule, z_0, t, eps))


@wrong("05.7", "(4,)")
def captioned_one_by_one(net, encoder, schedule, z_0, captions, t, eps):
    error = _asked(net, encoder, schedule, z_0, captions, t, eps) - _v(schedule, z_0, t, eps)
    return error.square().mean(dim=(1, 2, 3))


@wrong("05.7", "changes its argument z_0 in place")
def captioned_in_place(net, encoder, schedule, z_0, captions, t, eps):
    v = _v(schedule, z_0, t, eps)
    z_0.copy_(add_noise(schedule, z_0, t, eps))
    return F.mse_loss(net(z_0, t, encoder.encode(captions)), v)


# --- 05.8 from a prompt to a picture ----------------------------------------------------------------------------------


@right("05.8")
def prompts_step_by_step(prompts, encoder, denoiser, vae, noise, times):
    for step in sample(denoiser, noise, times, cond=encoder.encode(prompts)):
        z = step.x
    return vae.to_pictures(z)


@right("05.8")
def prompts_in_one_line(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts))))


@right("05.8")
def picture_with_the_scale_by_hand(prompts, encoder, denoiser, vae, noise, times):
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return vae.decode(z * vae.latent_std + vae.latent_mean).clamp(-1, 1)


@right("05.8")
def picture_clamped_once_more(prompts, encoder, denoiser, vae, noise, times):
    words = encoder.encode(prompts)
    steps = list(sample(denoiser, noise, times, cond=words))
    return vae.to_pictures(steps[-1].x).clamp(-1, 1)


@right("05.8")
def picture_by_unscaled(prompts, encoder, denoiser, vae, noise, times):
    *_, end = sample(denoiser, x=noise, times=times, rule=ddim_step, cond=encoder.encode(prompts))
    return torch.clamp(vae.decode(vae.unscaled(end.x)), min=-1, max=1)


@right("05.8")
def picture_by_own_loop(prompts, encoder, denoiser, vae, noise, times):
    cond, x = encoder.encode(prompts), noise
    for k in range(1, len(times)):
        t, s = times[k - 1], times[k]
        x_0, eps = denoiser(x, t, cond)
        a = denoiser.schedule.alpha_bar[s].item()
        x = a**0.5 * x_0 + (1 - a) ** 0.5 * eps
    return vae.to_pictures(x)


@right("05.8")
def picture_by_rule(prompts, encoder, denoiser, vae, noise, times):
    with torch.no_grad():
        cond, z = encoder.encode(prompts), noise.clone()
        for i in range(len(times) - 1):
            pred = denoiser(z, times[i], cond=cond)
            z = ddim_step(denoiser.schedule, Step(times[i], z, pred), times[i + 1])
        return vae.to_pictures(z)


@right("05.8")
def picture_by_picture(prompts, encoder, denoiser, vae, noise, times):
    drawn = []
    for prompt, start in zip(prompts, noise, strict=True):
        z = last(sample(denoiser, start[None], times, cond=encoder.encode([prompt])))
        drawn.append(vae.to_pictures(z)[0])
    return torch.stack(drawn)


@right("05.8")
def picture_in_a_prepared_tensor(prompts, encoder, denoiser, vae, noise, times):
    out = torch.empty(len(prompts), 3, 64, 64)
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    for i, latent in enumerate(z):
        out[i] = vae.to_pictures(latent.unsqueeze(0)).squeeze(0)
    return out


@wrong("05.8", "no attribute 'tokenizer'")
def picture_from_tokens(prompts, encoder, denoiser, vae, noise, times):
    ids = encoder.tokenizer(prompts)
    heard = encoder(ids)
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=heard.words)))


@right("05.8")
def picture_with_padded_words(prompts, encoder, denoiser, vae, noise, times):
    each = padded_alike(*(encoder.encode([prompt]) for prompt in prompts))
    return vae.to_pictures(last(sample(denoiser, noise, tuple(times), cond=torch.cat(each))))


@right("05.8")
def picture_by_guidance_at_one(prompts, encoder, denoiser, vae, noise, times):
    plain = Guided(denoiser, 1, encoder.encode([""]))
    return vae.to_pictures(last(sample(plain, noise, times, cond=encoder.encode(prompts))))


@right("05.8")
def picture_by_while(prompts, encoder, denoiser, vae, noise, times):
    walk = sample(denoiser, noise, times, cond=encoder.encode(prompts), generator=torch.Generator().manual_seed(0))
    step = next(walk)
    while step.pred is not None:
        step = next(walk)
    return vae.to_pictures(step.x)


@right("05.8")
def picture_in_inference_mode(prompts, encoder, denoiser, vae, noise, times):
    with torch.inference_mode():
        z = last(sample(denoiser, noise, times, cond=encoder.encode(list(prompts))))
        return vae.decoder(vae.unscaled(z)).clamp(-1.0, 1.0)


@wrong("05.8", "nan")
def picture_by_the_root_of_less_than_0(prompts, encoder, denoiser, vae, noise, times):
    cond, x = encoder.encode(prompts), noise
    for t, s in itertools.pairwise(times):
        guess, a = denoiser(x, t, cond), denoiser.schedule.alpha_bar[s].float()
        x = a.sqrt() * guess.x_0 + (a - 1).sqrt() * guess.eps
    return vae.to_pictures(x)


@wrong("05.8", "right pictures")
def picture_by_the_sum_of_the_words(prompts, encoder, denoiser, vae, noise, times):
    cond = encoder.encode(prompts).sum(dim=1, keepdim=True)
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=cond)))


@wrong("05.8", "Whatever the prompts say", "as cond=")
def picture_with_a_forgotten_cond(prompts, encoder, denoiser, vae, noise, times):
    encoder.encode(prompts)
    return vae.to_pictures(last(sample(denoiser, noise, times)))


@wrong("05.8", "Whatever the prompts say")
def picture_of_the_example(prompts, encoder, denoiser, vae, noise, times):
    cond = encoder.encode(["a red sports car"] * len(prompts))
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=cond)))


@wrong("05.8", "from the same noise, the pictures differ: start from it")
def picture_from_any_noise(prompts, encoder, denoiser, vae, noise, times):
    start = torch.randn(len(prompts), 4, 16, 16)
    return vae.to_pictures(last(sample(denoiser, start, times, cond=encoder.encode(prompts))))


@wrong("05.8", "Drawn twice from the same noise", "walk by DDIM")
def picture_by_ancestral_sampling(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, rule=ddpm_step, cond=encoder.encode(prompts))))


@wrong("05.8", "Whatever noise is given")
def picture_from_a_seed_of_its_own(prompts, encoder, denoiser, vae, noise, times):
    start = torch.randn(noise.shape, generator=torch.Generator().manual_seed(1))
    return vae.to_pictures(last(sample(denoiser, start, times, cond=encoder.encode(prompts))))


@wrong("05.8", "Whatever times are given")
def picture_in_25_steps(prompts, encoder, denoiser, vae, noise, times):
    own = denoiser.schedule.times(25)
    return vae.to_pictures(last(sample(denoiser, noise, own, cond=encoder.encode(prompts))))


@wrong("05.8", "vae.to_pictures scales and shifts them back")
def picture_by_decode_alone(prompts, encoder, denoiser, vae, noise, times):
    return vae.decode(last(sample(denoiser, noise, times, cond=encoder.encode(prompts))))


@wrong("05.8", "beyond -1 … 1")
def picture_beyond_the_range(prompts, encoder, denoiser, vae, noise, times):
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return vae.decode(z * vae.latent_std + vae.latent_mean)


@wrong("05.8", "in 0 … 1")
def picture_for_imshow(prompts, encoder, denoiser, vae, noise, times):
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return (vae.to_pictures(z) + 1) / 2


@wrong("05.8", "torch.float32, but it is torch.uint8")
def picture_in_bytes(prompts, encoder, denoiser, vae, noise, times):
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return ((vae.to_pictures(z) + 1) * 127.5).round().to(torch.uint8)


@wrong("05.8", "The shape should be (3, 3, 64, 64), but it is (3, 4, 16, 16)")
def picture_undecoded(prompts, encoder, denoiser, vae, noise, times):
    return last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))


@wrong("05.8", "The shape should be (3, 3, 64, 64), but it is (3, 64, 64)")
def picture_of_the_first_prompt(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts))))[0]


@wrong("05.8", "should return a torch.Tensor, but got list")
def picture_in_a_list(prompts, encoder, denoiser, vae, noise, times):
    return list(vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))))


@wrong("05.8", "cond must be what encoder.encode(prompts) answers")
def picture_from_bare_prompts(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=prompts)))


@wrong("05.8", "no attribute 'tokenizer'")
def picture_from_bare_tokens(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.tokenizer(prompts))))


@wrong("05.8", "cond must have a row for each of the 3 rows of x, but it has 1")
def picture_of_one_prompt(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts[:1]))))


@wrong("05.8", "arrive at the last of the times")
def picture_a_step_too_early(prompts, encoder, denoiser, vae, noise, times):
    steps = list(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return vae.to_pictures(steps[-2].x)


@wrong("05.8", "pixels end there, latents do not")
def picture_of_clamped_latents(prompts, encoder, denoiser, vae, noise, times):
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return vae.to_pictures(z.clamp(min=-1, max=1))


@wrong("05.8", "returns nothing")
def picture_drawn_and_lost(prompts, encoder, denoiser, vae, noise, times):
    vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts))))


@wrong("05.8", "not for one prompt")
def picture_until_zero(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, [*times[:-1], 0], cond=encoder.encode(prompts))))


@wrong("05.8", "changes its argument noise in place")
def picture_over_the_noise(prompts, encoder, denoiser, vae, noise, times):
    noise.mul_(1)
    noise.copy_(last(sample(denoiser, noise.clone(), times, cond=encoder.encode(prompts))))
    return vae.to_pictures(noise)


@wrong("05.8", "stopped with AttributeError")
def picture_through_the_net(prompts, encoder, denoiser, vae, noise, times):
    bare = NetDenoiser(denoiser.net, denoiser.schedule, "v")
    return vae.to_pictures(last(sample(bare, noise, times, cond=encoder.encode(prompts))))


@wrong("05.8", "Drawn twice")
def picture_with_a_little_luck(prompts, encoder, denoiser, vae, noise, times):
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return (vae.to_pictures(z) + 0.01 * random.random()).clamp(-1, 1)
