"""Answers to the exercises of notebook 05."""

import functools
import math
import random
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from answers import right, wrong
from course_lib.denoisers import NetDenoiser
from course_lib.guidance import Guided, padded_alike
from course_lib.networks.attention import attention
from course_lib.networks.text import contrastive_loss
from course_lib.sampling import Step, ddim_step, ddpm_step, last, sample

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


@right("05.2")
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


@wrong("05.2", "do not come out right")
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


# --- 05.4 the contrastive loss ----------------------------------------------------------------------------------------


@right("05.4")
def clip_loss_by_logarithms(pictures, texts, scale):
    logits = scale * pictures @ texts.T
    return -(logits.log_softmax(1).diagonal().mean() + logits.log_softmax(0).diagonal().mean()) / 2


@right("05.4")
def clip_loss_by_loop(pictures, texts, scale):
    total = 0
    for i in range(len(pictures)):
        total = total - (scale * texts @ pictures[i]).softmax(0)[i].log()
        total = total - (scale * pictures @ texts[i]).softmax(0)[i].log()
    return total / 2 / len(pictures)


def table(pictures, texts, scale):
    return scale * pictures @ texts.T


@right("05.4")
def loss_by_log_softmax(pictures, texts, scale):
    logits = table(pictures, texts, scale)
    by_picture = -F.log_softmax(logits, dim=1).diag()
    by_text = -F.log_softmax(logits, dim=0).diag()
    return 0.5 * (by_picture + by_text).mean()


@right("05.4")
def loss_by_logsumexp(pictures, texts, scale):
    logits = torch.einsum("id,jd->ij", pictures, texts) * scale
    own = (pictures * texts).sum(-1) * scale
    return ((logits.logsumexp(0) - own).mean() + (logits.logsumexp(1) - own).mean()) / 2


@right("05.4")
def loss_with_shares_as_targets(pictures, texts, scale):
    logits, target = table(pictures, texts, scale), torch.eye(len(texts))
    return torch.stack([F.cross_entropy(logits, target), F.cross_entropy(logits.t(), target)]).mean()


@right("05.4")
def loss_with_labels_from_a_list(pictures, texts, scale):
    labels = torch.tensor(list(range(pictures.size(0))))
    ask = nn.CrossEntropyLoss()
    a = ask(scale * (pictures @ texts.T), labels)
    b = ask(scale * (texts @ pictures.T), labels)
    return a / 2 + b / 2


@right("05.4")
def loss_pair_by_pair(pictures, texts, scale):
    losses = []
    for i in range(len(pictures)):
        losses.append(-torch.log(torch.softmax(scale * (texts @ pictures[i]), dim=0)[i]))
        losses.append(-torch.log(torch.softmax(scale * (pictures @ texts[i]), dim=0)[i]))
    return sum(losses) / len(losses)


@right("05.4")
def loss_by_nll(pictures, texts, scale):
    logits = table(pictures, texts, scale)
    own = torch.arange(len(logits)).long()
    return (F.nll_loss(logits.log_softmax(-1), own) + F.nll_loss(logits.T.log_softmax(-1), own)).div(2)


@right("05.4")
def loss_in_double(pictures, texts, scale):
    logits = scale * pictures.double() @ texts.double().T
    own = torch.arange(len(pictures))
    return (0.5 * F.cross_entropy(logits, own) + 0.5 * F.cross_entropy(logits.T, own)).to(pictures.dtype)


@right("05.4")
def loss_with_exponentials(pictures, texts, scale):
    up = torch.exp(scale * pictures @ texts.T)
    share = up.diagonal() ** 2 / (up.sum(0) * up.sum(1))
    return -share.log().mean() / 2


@right("05.4")
def loss_of_both_at_once(pictures, texts, scale):
    logits = table(pictures, texts, scale)
    own = torch.arange(len(pictures), device=logits.device)
    return F.cross_entropy(torch.cat([logits, logits.T]), own.repeat(2))


@right("05.4")
def loss_by_gather(pictures, texts, scale):
    own, logits = torch.arange(len(pictures))[:, None], scale * pictures @ texts.mT
    halves = [each.log_softmax(dim=1).gather(1, own).mean() for each in (logits, logits.mT)]
    return -(halves[0] + halves[1]) / 2


@right("05.4")
def loss_of_directions(pictures, texts, scale):
    alike = F.cosine_similarity(pictures[:, None], texts[None], dim=-1)
    return -((scale * alike).log_softmax(0) + (scale * alike).log_softmax(1)).trace() / (2 * len(alike))


@right("05.4")
def loss_of_normalised_vectors(pictures, texts, scale):
    pictures = pictures / pictures.norm(dim=-1, keepdim=True)
    texts = texts / texts.norm(dim=-1, keepdim=True)
    return loss_by_nll(pictures, texts, scale)


@right("05.4")
@functools.wraps(loss_by_nll)
def loss_decorated(pictures, texts, scale):
    return loss_by_nll(texts, pictures, scale=scale)


@wrong("05.4", "texts should look for their pictures too")
def loss_of_pictures_alone(pictures, texts, scale):
    return -table(pictures, texts, scale).log_softmax(1).diag().mean()


@wrong("05.4", "pictures should look for their texts too")
def loss_of_texts_alone(pictures, texts, scale):
    return -table(pictures, texts, scale).log_softmax(0).diag().mean()


@wrong("05.4", "their mean is meant")
def loss_of_both_added(pictures, texts, scale):
    logits = table(pictures, texts, scale)
    return -logits.log_softmax(1).diag().mean() - logits.log_softmax(0).diag().mean()


@wrong("05.4", "one over the temperature, so multiply")
def loss_with_a_temperature(pictures, texts, scale):
    return loss_by_log_softmax(pictures, texts, 1 / scale)


@wrong("05.4", "The scale is missing")
def loss_without_scale(pictures, texts, scale):
    return loss_by_logsumexp(pictures, texts, 1)


@wrong("05.4", "not for other numbers of pairs or other scales")
def loss_at_a_fixed_scale(pictures, texts, scale):
    return loss_by_logsumexp(pictures, texts, 4.0)


@wrong("05.4", "No gradient passes through this loss")
def loss_rebuilt(pictures, texts, scale):
    return torch.tensor(loss_by_nll(pictures, texts, scale).item())


@wrong("05.4", "No gradient passes through this loss")
def loss_without_gradients(pictures, texts, scale):
    with torch.no_grad():
        return loss_by_nll(pictures, texts, scale)


@wrong("05.4", "No gradient reaches the texts")
def loss_with_frozen_texts(pictures, texts, scale):
    return loss_by_log_softmax(pictures, texts.clone().detach(), scale)


@wrong("05.4", "its gradient does not")
def loss_with_half_of_each(pictures, texts, scale):
    one = -table(pictures, texts.detach(), scale).log_softmax(1).diag().mean()
    other = -table(pictures.detach(), texts, scale).log_softmax(0).diag().mean()
    return (one + other) / 2


@wrong("05.4", "should return a torch.Tensor, but got float")
def loss_as_a_number(pictures, texts, scale):
    return loss_by_nll(pictures, texts, scale).item()


@wrong("05.4", "The shape should be (), but it is (4,)")
def loss_for_each(pictures, texts, scale):
    logits = table(pictures, texts, scale)
    return -(logits.log_softmax(1).diag() + logits.log_softmax(0).diag()) / 2


@wrong("05.4", "makes the softmax itself")
def loss_softened_twice(pictures, texts, scale):
    logits, own = table(pictures, texts, scale), torch.arange(len(pictures))
    rows, columns = torch.softmax(logits, dim=1), torch.softmax(logits.T, dim=1)
    return (F.cross_entropy(rows, own) + F.cross_entropy(columns, own)) / 2


@wrong("05.4", "The sign is the other way round")
def loss_as_a_likelihood(pictures, texts, scale):
    logits = table(pictures, texts, scale)
    return (logits.log_softmax(1).diag().mean() + logits.log_softmax(0).diag().mean()) / 2


@wrong("05.4", "take their mean")
def loss_as_a_sum(pictures, texts, scale):
    logits, own = table(pictures, texts, scale), torch.arange(len(pictures))
    one, other = (F.cross_entropy(each, own, reduction="sum") for each in (logits, logits.T))
    return (one + other) / 2


@wrong("05.4", "the course's own contrastive_loss")
def loss_from_the_library(pictures, texts, scale):
    return contrastive_loss(pictures, texts, torch.eye(len(pictures), dtype=torch.bool), torch.tensor(scale))


@wrong("05.4", "stopped with IndexError")
def loss_of_four(pictures, texts, scale):
    own = torch.arange(4)
    logits = table(pictures, texts, scale)
    return -(logits.log_softmax(1)[own, own].mean() + logits.log_softmax(0)[own, own].mean()) / 2


@wrong("05.4", "torch cannot compute its gradient", "modified by an inplace operation")
def loss_that_spoils_its_own_graph(pictures, texts, scale):
    up = table(pictures, texts, scale).exp()
    own = up.diagonal().clone()
    rows, columns = up.sum(1), up.sum(0)
    up *= 0
    return -((own / rows).log() + (own / columns).log()).mean() / 2


# --- 05.5 from a prompt to a picture ----------------------------------------------------------------------------------


@right("05.5")
def prompts_step_by_step(prompts, encoder, denoiser, vae, noise, times):
    for step in sample(denoiser, noise, times, cond=encoder.encode(prompts)):
        z = step.x
    return vae.to_pictures(z)


@right("05.5")
def prompts_in_one_line(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts))))


@right("05.5")
def picture_with_the_scale_by_hand(prompts, encoder, denoiser, vae, noise, times):
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return vae.decode(z * vae.latent_std + vae.latent_mean).clamp(-1, 1)


@right("05.5")
def picture_clamped_once_more(prompts, encoder, denoiser, vae, noise, times):
    words = encoder.encode(prompts)
    steps = list(sample(denoiser, noise, times, cond=words))
    return vae.to_pictures(steps[-1].x).clamp(-1, 1)


@right("05.5")
def picture_by_unscaled(prompts, encoder, denoiser, vae, noise, times):
    *_, end = sample(denoiser, x=noise, times=times, rule=ddim_step, cond=encoder.encode(prompts))
    return torch.clamp(vae.decode(vae.unscaled(end.x)), min=-1, max=1)


@right("05.5")
def picture_by_own_loop(prompts, encoder, denoiser, vae, noise, times):
    cond, x = encoder.encode(prompts), noise
    for k in range(1, len(times)):
        t, s = times[k - 1], times[k]
        x_0, eps = denoiser(x, t, cond)
        a = denoiser.schedule.alpha_bar[s].item()
        x = a**0.5 * x_0 + (1 - a) ** 0.5 * eps
    return vae.to_pictures(x)


@right("05.5")
def picture_by_rule(prompts, encoder, denoiser, vae, noise, times):
    with torch.no_grad():
        cond, z = encoder.encode(prompts), noise.clone()
        for i in range(len(times) - 1):
            pred = denoiser(z, times[i], cond=cond)
            z = ddim_step(denoiser.schedule, Step(times[i], z, pred), times[i + 1])
        return vae.to_pictures(z)


@right("05.5")
def picture_by_picture(prompts, encoder, denoiser, vae, noise, times):
    drawn = []
    for prompt, start in zip(prompts, noise, strict=True):
        z = last(sample(denoiser, start[None], times, cond=encoder.encode([prompt])))
        drawn.append(vae.to_pictures(z)[0])
    return torch.stack(drawn)


@right("05.5")
def picture_in_a_prepared_tensor(prompts, encoder, denoiser, vae, noise, times):
    out = torch.empty(len(prompts), 3, 64, 64)
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    for i, latent in enumerate(z):
        out[i] = vae.to_pictures(latent.unsqueeze(0)).squeeze(0)
    return out


@right("05.5")
def picture_from_tokens(prompts, encoder, denoiser, vae, noise, times):
    ids = encoder.tokenizer(prompts)
    heard = encoder(ids)
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=heard.words)))


@right("05.5")
def picture_with_padded_words(prompts, encoder, denoiser, vae, noise, times):
    each = padded_alike(*(encoder.encode([prompt]) for prompt in prompts))
    return vae.to_pictures(last(sample(denoiser, noise, tuple(times), cond=torch.cat(each))))


@right("05.5")
def picture_by_guidance_at_one(prompts, encoder, denoiser, vae, noise, times):
    plain = Guided(denoiser, 1, encoder.encode([""]))
    return vae.to_pictures(last(sample(plain, noise, times, cond=encoder.encode(prompts))))


@right("05.5")
def picture_by_while(prompts, encoder, denoiser, vae, noise, times):
    walk = sample(denoiser, noise, times, cond=encoder.encode(prompts), generator=torch.Generator().manual_seed(0))
    step = next(walk)
    while step.pred is not None:
        step = next(walk)
    return vae.to_pictures(step.x)


@right("05.5")
def picture_in_inference_mode(prompts, encoder, denoiser, vae, noise, times):
    with torch.inference_mode():
        z = last(sample(denoiser, noise, times, cond=encoder.encode(list(prompts))))
        return vae.decoder(vae.unscaled(z)).clamp(-1.0, 1.0)


@wrong("05.5", "Whatever the prompts say", "as cond=")
def picture_with_a_forgotten_cond(prompts, encoder, denoiser, vae, noise, times):
    encoder.encode(prompts)
    return vae.to_pictures(last(sample(denoiser, noise, times)))


@wrong("05.5", "Whatever the prompts say")
def picture_of_the_example(prompts, encoder, denoiser, vae, noise, times):
    cond = encoder.encode(["a red sports car"] * len(prompts))
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=cond)))


@wrong("05.5", "from the same noise, the pictures differ: start from it")
def picture_from_any_noise(prompts, encoder, denoiser, vae, noise, times):
    start = torch.randn(len(prompts), 4, 16, 16)
    return vae.to_pictures(last(sample(denoiser, start, times, cond=encoder.encode(prompts))))


@wrong("05.5", "Drawn twice from the same noise", "walk by DDIM")
def picture_by_ancestral_sampling(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, rule=ddpm_step, cond=encoder.encode(prompts))))


@wrong("05.5", "Whatever noise is given")
def picture_from_a_seed_of_its_own(prompts, encoder, denoiser, vae, noise, times):
    start = torch.randn(noise.shape, generator=torch.Generator().manual_seed(1))
    return vae.to_pictures(last(sample(denoiser, start, times, cond=encoder.encode(prompts))))


@wrong("05.5", "Whatever times are given")
def picture_in_25_steps(prompts, encoder, denoiser, vae, noise, times):
    own = denoiser.schedule.times(25)
    return vae.to_pictures(last(sample(denoiser, noise, own, cond=encoder.encode(prompts))))


@wrong("05.5", "vae.to_pictures scales and shifts them back")
def picture_by_decode_alone(prompts, encoder, denoiser, vae, noise, times):
    return vae.decode(last(sample(denoiser, noise, times, cond=encoder.encode(prompts))))


@wrong("05.5", "beyond -1 … 1")
def picture_beyond_the_range(prompts, encoder, denoiser, vae, noise, times):
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return vae.decode(z * vae.latent_std + vae.latent_mean)


@wrong("05.5", "in 0 … 1")
def picture_for_imshow(prompts, encoder, denoiser, vae, noise, times):
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return (vae.to_pictures(z) + 1) / 2


@wrong("05.5", "torch.float32, but it is torch.uint8")
def picture_in_bytes(prompts, encoder, denoiser, vae, noise, times):
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return ((vae.to_pictures(z) + 1) * 127.5).round().to(torch.uint8)


@wrong("05.5", "The shape should be (3, 3, 64, 64), but it is (3, 4, 16, 16)")
def picture_undecoded(prompts, encoder, denoiser, vae, noise, times):
    return last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))


@wrong("05.5", "The shape should be (3, 3, 64, 64), but it is (3, 64, 64)")
def picture_of_the_first_prompt(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts))))[0]


@wrong("05.5", "should return a torch.Tensor, but got list")
def picture_in_a_list(prompts, encoder, denoiser, vae, noise, times):
    return list(vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))))


@wrong("05.5", "cond must be what encoder.encode(prompts) answers")
def picture_from_bare_prompts(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=prompts)))


@wrong("05.5", "cond must be what encoder.encode(prompts) answers")
def picture_from_bare_tokens(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.tokenizer(prompts))))


@wrong("05.5", "cond must have a row for each of the 3 rows of x, but it has 1")
def picture_of_one_prompt(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts[:1]))))


@wrong("05.5", "arrive at the last of the times")
def picture_a_step_too_early(prompts, encoder, denoiser, vae, noise, times):
    steps = list(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return vae.to_pictures(steps[-2].x)


@wrong("05.5", "pixels end there, latents do not")
def picture_of_clamped_latents(prompts, encoder, denoiser, vae, noise, times):
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return vae.to_pictures(z.clamp(min=-1, max=1))


@wrong("05.5", "returns nothing")
def picture_drawn_and_lost(prompts, encoder, denoiser, vae, noise, times):
    vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts))))


@wrong("05.5", "not for one prompt")
def picture_until_zero(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, [*times[:-1], 0], cond=encoder.encode(prompts))))


@wrong("05.5", "changes its argument noise in place")
def picture_over_the_noise(prompts, encoder, denoiser, vae, noise, times):
    noise.mul_(1)
    noise.copy_(last(sample(denoiser, noise.clone(), times, cond=encoder.encode(prompts))))
    return vae.to_pictures(noise)


@wrong("05.5", "stopped with AttributeError")
def picture_through_the_net(prompts, encoder, denoiser, vae, noise, times):
    bare = NetDenoiser(denoiser.net, denoiser.schedule, "v")
    return vae.to_pictures(last(sample(bare, noise, times, cond=encoder.encode(prompts))))


@wrong("05.5", "Drawn twice")
def picture_with_a_little_luck(prompts, encoder, denoiser, vae, noise, times):
    z = last(sample(denoiser, noise, times, cond=encoder.encode(prompts)))
    return (vae.to_pictures(z) + 0.01 * random.random()).clamp(-1, 1)
