"""Answers to the exercises of notebook 06."""

import itertools
import random
import sys

import numpy as np
import torch

from answers import right, wrong
from course_lib.denoisers import GaussianDenoiser, Prediction
from course_lib.guidance import Guided
from course_lib.schedules import NoiseSchedule
from course_lib.training import drop_labels

# --- 06.1 dropped captions --------------------------------------------------------------------------------------------


@right("06.1")
def drop_by_loop(captions, probability, generator):
    return [one if torch.rand((), generator=generator) >= probability else "" for one in captions]


@right("06.1")
def drop_by_bernoulli(captions, probability, generator):
    gone = torch.bernoulli(torch.full((len(captions),), probability), generator=generator).bool()
    return ["" if gone[place] else one for place, one in enumerate(captions)]


@right("06.1")
def lost_in_a_loop(captions, probability, generator):
    out = []
    for caption in captions:
        if torch.rand(1, generator=generator).item() < probability:
            out.append("")
        else:
            out.append(caption)
    return out


@right("06.1")
def lost_in_a_copy(captions, probability, generator):
    captions = captions.copy()
    for place in (torch.rand(len(captions), generator=generator) <= probability).nonzero():
        captions[place.item()] = ""
    return captions


@right("06.1")
def lost_by_bernoulli(captions, probability, generator):
    kept = torch.empty(len(captions)).bernoulli_(1 - probability, generator=generator)
    return [caption if keep else "" for caption, keep in zip(captions, kept, strict=True)]


@right("06.1")
def lost_by_multiplying(captions, probability, generator):
    stays = torch.rand(len(captions), generator=generator) >= probability
    return [caption * int(stay) for caption, stay in zip(captions, stays, strict=True)]


@right("06.1")
def lost_from_above(captions, probability, generator):
    tosses = torch.rand(size=(len(captions),), generator=generator, dtype=torch.float64).tolist()
    return ["" if toss >= 1 - probability else caption for toss, caption in zip(tosses, captions, strict=True)]


@right("06.1")
def lost_by_python(captions, probability, generator):
    seed = torch.randint(2**31, (1,), generator=generator).item()
    dice = random.Random(seed)
    return ["" if dice.random() < probability else caption for caption in captions]


@right("06.1")
def lost_in_numpy(captions, probability, generator):
    gone = torch.rand(len(captions), generator=generator).numpy() < probability
    return np.where(gone, "", np.array(captions, dtype=object)).tolist()


@right("06.1")
def lost_by_uniform(captions, probability, generator):
    tosses = torch.zeros(len(captions)).uniform_(0, 1, generator=generator)
    return [("", caption)[toss >= probability] for toss, caption in zip(tosses.tolist(), captions, strict=True)]


@right("06.1")
def lost_by_multinomial(captions, probability, generator):
    chances = torch.tensor([1 - probability, probability])
    chosen = torch.multinomial(chances, len(captions), replacement=True, generator=generator)
    return [[caption, ""][one] for caption, one in zip(captions, chosen.tolist(), strict=True)]


@right("06.1")
def lost_by_map(captions, probability, generator):
    def toss(caption):
        return caption if float(torch.rand((), generator=generator)) >= probability else ""

    return list(map(toss, captions))


@right("06.1")
def lost_by_a_normal_toss(captions, probability, generator):
    tosses = torch.special.ndtr(torch.randn(len(captions), generator=generator, dtype=torch.float64))
    return ["" if toss < probability else caption for toss, caption in zip(tosses, captions, strict=True)]


@wrong("06.1", "the same seed should drop the same captions again")
def lost_without_the_generator(captions, probability, generator):
    return ["" if torch.rand(()) < probability else caption for caption in captions]


@wrong("06.1", "the same seed should drop the same captions again")
def lost_by_random(captions, probability, generator):
    return [random.choices(["", caption], [probability, 1 - probability])[0] for caption in captions]


@wrong("06.1", "in the same places")
def lost_every_other_time(captions, probability, generator):
    every = round(1 / probability) if probability else len(captions) + 1
    return ["" if place % every == every - 1 else caption for place, caption in enumerate(captions)]


@wrong("06.1", "in the same places")
def lost_by_a_seed_of_its_own(captions, probability, generator):
    generator = torch.Generator().manual_seed(0)
    return lost_by_map(captions, probability, generator)


@wrong("06.1", "in the same places")
def lost_by_the_initial_seed(captions, probability, generator):
    dice = random.Random(generator.initial_seed())
    return ["" if dice.random() < probability else caption for caption in captions]


@wrong("06.1", "whatever probability is asked for")
def lost_at_ten_per_cent(captions, probability, generator):
    return lost_by_map(captions, 0.1, generator)


@wrong("06.1", "The share of captions that are gone is not the probability")
def lost_at_one_half(captions, probability, generator):
    tosses = torch.randint(0, 2, (len(captions),), generator=generator)
    return ["" if toss else caption for toss, caption in zip(tosses.tolist(), captions, strict=True)]


@wrong("06.1", "with probability 1 − p")
def kept_instead_of_lost(captions, probability, generator):
    return [caption if torch.rand(1, generator=generator) < probability else "" for caption in captions]


@wrong("06.1", "One toss for the whole batch")
def lost_together(captions, probability, generator):
    gone = torch.rand(1, generator=generator).item() < probability
    return ["" if gone else caption for caption in captions]


@wrong("06.1", "Every batch loses the same number")
def lost_in_fixed_numbers(captions, probability, generator):
    order = torch.randperm(len(captions), generator=generator).tolist()
    out = list(captions)
    for place in order[: round(len(captions) * probability)]:
        out[place] = ""
    return out


@wrong("06.1", "a toss of its own")
def lost_in_pairs(captions, probability, generator):
    tosses = torch.rand((len(captions) + 1) // 2, generator=generator).repeat_interleave(2)[: len(captions)]
    return ["" if toss < probability else caption for toss, caption in zip(tosses, captions, strict=True)]


@wrong("06.1", "which becomes shorter")
def lost_and_closed_up(captions, probability, generator):
    return list(filter(lambda caption: torch.rand(1, generator=generator) >= probability, captions))


@wrong("06.1", "should return a list, but got filter")
def lost_by_filter(captions, probability, generator):
    return filter(lambda caption: torch.rand(1, generator=generator) >= probability, captions)


@wrong("06.1", "should return a list, but got generator")
def lost_lazily(captions, probability, generator):
    return (one if torch.rand(1, generator=generator) >= probability else "" for one in captions)


@wrong("06.1", "Single words are dropped")
def lost_word_by_word(captions, probability, generator):
    out = []
    for caption in captions:
        stay = [word for word in caption.split(" ") if torch.rand(1, generator=generator) > probability]
        out.append(" ".join(stay))
    return out


@wrong("06.1")
def lost_to_none(captions, probability, generator):
    return [None if torch.rand(1, generator=generator) < probability else caption for caption in captions]


@wrong("06.1")
def lost_to_filters(captions, probability, generator):
    return [filter(lambda word: torch.rand(1, generator=generator) > 0.1, caption) for caption in captions]


@wrong("06.1", "Dropped captions become words")
def lost_to_a_space(captions, probability, generator):
    return [" " if torch.rand(1, generator=generator) < probability else caption for caption in captions]


@wrong("06.1", "changes its argument captions in place")
def lost_in_the_argument(captions, probability, generator):
    for place in range(len(captions)):
        if torch.rand(1, generator=generator) < probability:
            captions[place] = ""
    return captions


@wrong("06.1", "returns nothing")
def lost_and_shown(captions, probability, generator):
    print(lost_by_map(captions, probability, generator), file=sys.stderr)


@wrong("06.1", "should return a list, but got Tensor")
def lost_as_a_mask(captions, probability, generator):
    return torch.rand(len(captions), generator=generator) < probability


@wrong("06.1", "should return a list, but got str")
def lost_caption(captions, probability, generator):
    return "" if torch.rand(1, generator=generator) < probability else captions[0]


@wrong("06.1", "bell curve")
def lost_by_a_normal_number(captions, probability, generator):
    return ["" if torch.randn(1, generator=generator) < probability else caption for caption in captions]


@wrong("06.1", "the others move up")
def lost_and_filled_up(captions, probability, generator):
    left = [caption for caption in captions if torch.rand(1, generator=generator) >= probability]
    return (left + [""] * len(captions))[: len(captions)]


@wrong("06.1", "the course's own drop_labels")
def lost_by_the_library(captions, probability, generator):
    kept = drop_labels(torch.arange(len(captions)), -1, probability, generator)
    return [captions[number] if number >= 0 else "" for number in kept.tolist()]


# --- 06.2 the formula -------------------------------------------------------------------------------------------------


@right("06.2")
def guide_by_lerp(eps_uncond, eps_cond, w):
    return torch.lerp(eps_uncond, eps_cond, w)


@right("06.2")
def guide_by_shares(eps_uncond, eps_cond, w):
    return w * eps_cond + (1 - w) * eps_uncond


@right("06.2")
def further_by_shares(eps_uncond, eps_cond, w):
    return (1 - w) * eps_uncond + w * eps_cond


@right("06.2")
def further_from_the_conditional(eps_uncond, eps_cond, w):
    return eps_cond + (w - 1) * (eps_cond - eps_uncond)


@right("06.2")
def further_by_the_paper(eps_uncond, eps_cond, w):
    s = w - 1
    return (1 + s) * eps_cond - s * eps_uncond


@right("06.2")
def further_by_lerp(eps_uncond, eps_cond, w):
    return eps_uncond.lerp(eps_cond, w)


@right("06.2")
def further_by_add(eps_uncond, eps_cond, w):
    return eps_uncond.add(eps_cond.sub(eps_uncond), alpha=w)


@right("06.2")
def further_with_cases(eps_uncond, eps_cond, w):
    if w == 0:
        return eps_uncond
    if w == 1:
        return eps_cond
    direction = eps_cond - eps_uncond
    return eps_uncond + direction * w


@right("06.2")
def further_by_addcmul(eps_uncond, eps_cond, w):
    return torch.addcmul(eps_uncond, eps_cond - eps_uncond, torch.tensor(float(w)))


@right("06.2")
def further_by_product(eps_uncond, eps_cond, w):
    weights = torch.tensor([1.0 - w, w])
    return torch.tensordot(weights, torch.stack([eps_uncond, eps_cond]), dims=1)


@right("06.2")
def further_in_a_copy(eps_uncond, eps_cond, w):
    out = eps_cond.clone()
    out -= eps_uncond
    out *= w
    out += eps_uncond
    return out


@right("06.2")
def further_in_numpy(eps_uncond, eps_cond, w):
    u, c = eps_uncond.numpy().astype(np.float64), eps_cond.numpy().astype(np.float64)
    return torch.from_numpy((u + w * (c - u)).astype(np.float32))


@right("06.2")
def further_row_by_row(eps_uncond, eps_cond, w):
    return torch.stack([u - w * (u - c) for u, c in zip(eps_uncond, eps_cond, strict=True)])


right("06.2")(lambda eps_uncond, eps_cond, w: eps_uncond - w * eps_uncond + w * eps_cond)


@wrong("06.2", "starts from the conditional prediction")
def further_by_the_papers_scale(eps_uncond, eps_cond, w):
    return (1 + w) * eps_cond - w * eps_uncond


@wrong("06.2", "changed places")
def further_swapped(eps_uncond, eps_cond, w):
    return w * eps_uncond + (1 - w) * eps_cond


@wrong("06.2", "wrong sign")
def further_away(eps_uncond, eps_cond, w):
    return eps_uncond - w * (eps_cond - eps_uncond)


@wrong("06.2", "in brackets")
def further_without_brackets(eps_uncond, eps_cond, w):
    return eps_uncond + w * eps_cond - eps_uncond


@wrong("06.2", "it is their difference that w scales")
def further_by_the_sum(eps_uncond, eps_cond, w):
    return torch.add(eps_uncond, eps_cond, alpha=w)


@wrong("06.2", "has to be added to the unconditional prediction")
def further_by_the_difference(eps_uncond, eps_cond, w):
    return w * (eps_cond - eps_uncond)


@wrong("06.2", "cut off at 1")
def further_within(eps_uncond, eps_cond, w):
    return torch.lerp(eps_uncond, eps_cond, max(0.0, min(1.0, w)))


@wrong("06.2", "w - 1 times")
def further_one_less(eps_uncond, eps_cond, w):
    return (w - 1) * eps_cond + (2 - w) * eps_uncond


@wrong("06.2", "do not come out right")
def further_by_seven_and_a_half(eps_uncond, eps_cond, w):
    return eps_uncond + 7.5 * (eps_cond - eps_uncond)


@wrong("06.2", "changes its argument eps_cond in place")
def further_in_place(eps_uncond, eps_cond, w):
    eps_cond -= eps_uncond
    return eps_uncond + w * eps_cond


@wrong("06.2", "torch.float32, but it is torch.float64")
def further_in_double(eps_uncond, eps_cond, w):
    return eps_uncond.double() + w * (eps_cond.double() - eps_uncond.double())


@wrong("06.2", "do not come out right")
def further_and_clipped(eps_uncond, eps_cond, w):
    return (eps_uncond + w * (eps_cond - eps_uncond)).clamp(-1, 1)


@wrong("06.2", "not for latents")
def further_in_whole_steps_beyond_five(eps_uncond, eps_cond, w):
    w = w if w < 5 else int(w)
    return eps_uncond + w * (eps_cond - eps_uncond)


@wrong("06.2", "got tuple")
def further_twice(eps_uncond, eps_cond, w):
    return eps_uncond, w * (eps_cond - eps_uncond)


@wrong("06.2", "got float")
def further_by_mean(eps_uncond, eps_cond, w):
    return (eps_uncond + w * (eps_cond - eps_uncond)).mean().item()


@wrong("06.2", "The shape should be (3, 4), but it is (3,)")
def further_by_row_means(eps_uncond, eps_cond, w):
    return (eps_uncond + w * (eps_cond - eps_uncond)).mean(dim=1)


@wrong("06.2", "divided by 1 + w")
def further_by_a_weighted_mean(eps_uncond, eps_cond, w):
    return eps_uncond / (1 + w) + eps_cond * (w / (1 + w))


# --- 06.3 one call for both -------------------------------------------------------------------------------------------


@right("06.3")
def one_call_conditional_first(denoiser, x_t, t, cond, uncond, w):
    eps = denoiser(x_t.repeat(2, 1, 1, 1), t, torch.cat([cond, uncond])).eps
    return eps[len(x_t) :] + w * (eps[: len(x_t)] - eps[len(x_t) :])


@right("06.3")
def one_call_by_shares(denoiser, x_t, t, cond, uncond, w):
    a, b = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps.chunk(2)
    return (1 - w) * a + w * b


@right("06.3")
def asked_with_t_doubled(denoiser, x_t, t, cond, uncond, w):
    times = torch.full((2 * len(x_t),), t)
    both = denoiser(torch.cat((x_t, x_t), dim=0), times, torch.cat((uncond, cond), dim=0))
    eps_uncond, eps_cond = both.eps.chunk(2)
    return torch.lerp(eps_uncond, eps_cond, w)


@right("06.3")
def asked_with_t_as_a_tensor(denoiser, x_t, t, cond, uncond, w):
    t = torch.as_tensor([t] * x_t.shape[0])
    eps = denoiser(torch.cat([x_t] * 2), torch.cat([t, t]), torch.cat([uncond, cond])).eps
    return eps[: len(t)] + w * (eps[len(t) :] - eps[: len(t)])


@right("06.3")
def asked_with_one_t(denoiser, x_t, t, cond, uncond, w):
    eps_cond, eps_uncond = denoiser(torch.cat([x_t, x_t]), torch.tensor(t), torch.cat([cond, uncond])).eps.chunk(2)
    return w * eps_cond + (1 - w) * eps_uncond


@right("06.3")
def asked_conditional_first(denoiser, x_t, t, cond, uncond, w):
    n = x_t.size(0)
    _, eps = denoiser(x_t.repeat(2, 1, 1, 1), t, torch.vstack([cond, uncond]))
    return eps[n:] + w * (eps[:n] - eps[n:])


@right("06.3")
def asked_as_twins(denoiser, x_t, t, cond, uncond, w):
    conditions = torch.stack([uncond, cond], dim=1).flatten(0, 1)
    eps = denoiser(x_t.repeat_interleave(2, dim=0), t, conditions).eps
    return eps[::2] + w * (eps[1::2] - eps[::2])


@right("06.3")
def asked_by_views(denoiser, x_t, t, cond, uncond, w):
    both = denoiser(x_t.expand(2, *x_t.shape).flatten(0, 1), t, torch.cat([uncond, cond]))
    pair = both.eps.unflatten(0, (2, -1))
    return pair[0] + w * (pair[1] - pair[0])


@right("06.3")
def asked_by_keywords(denoiser, x_t, t, cond, uncond, w):
    said = denoiser(cond=torch.cat([uncond, cond]), t=t, x_t=torch.cat([x_t, x_t]))
    a, b = said.eps.split(len(x_t))
    return (b - a).mul(w).add(a)


@right("06.3")
def asked_through_the_picture(denoiser, x_t, t, cond, uncond, w):
    x_0 = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).x_0
    x_0_uncond, x_0_cond = x_0.double().chunk(2)
    a = denoiser.schedule.alpha_bar[t]
    eps = (x_t - a.sqrt() * (x_0_uncond + w * (x_0_cond - x_0_uncond))) / (1 - a).sqrt()
    return eps.float()


@right("06.3")
def asked_row_of_rows(denoiser, x_t, t, cond, uncond, w):
    x, c = [], []
    for i in range(len(x_t)):
        x += [x_t[i], x_t[i]]
        c += [cond[i], uncond[i]]
    eps = denoiser(torch.stack(x), t, torch.stack(c)).eps
    return torch.stack([eps[2 * i + 1] * (1 - w) + eps[2 * i] * w for i in range(len(x_t))])


@right("06.3")
def asked_for_half_where_half_will_do(denoiser, x_t, t, cond, uncond, w):
    if w == 0 or w == 1:
        return denoiser(x_t, t, cond if w == 1 else uncond).eps
    u, c = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps.chunk(2)
    return u.add(c - u, alpha=w)


@right("06.3")
@torch.no_grad()
def asked_without_gradients(denoiser, x_t, t, cond, uncond, w):
    def formula(u, c):
        return u + w * (c - u)

    return formula(*denoiser(torch.cat([x_t, x_t], 0), t, torch.cat([uncond, cond], 0)).eps.tensor_split(2))


@wrong("06.3", "called twice")
def asked_twice(denoiser, x_t, t, cond, uncond, w):
    without = denoiser(x_t, t, uncond).eps
    return without + w * (denoiser(x_t, t, cond).eps - without)


@wrong("06.3", "number of calls of the denoiser", "it gives 6, where 1 is right")
def asked_for_each_row(denoiser, x_t, t, cond, uncond, w):
    rows = []
    for i in range(len(x_t)):
        one = slice(i, i + 1)
        u, c = (denoiser(x_t[one], t, each[one]).eps for each in (uncond, cond))
        rows.append(u + w * (c - u))
    return torch.cat(rows)


@wrong("06.3", "taken for each other")
def asked_and_mixed_up(denoiser, x_t, t, cond, uncond, w):
    u, c = denoiser(torch.cat([x_t, x_t]), t, torch.cat([cond, uncond])).eps.chunk(2)
    return u + w * (c - u)


@wrong("06.3", "the noise was asked for")
def asked_for_the_picture(denoiser, x_t, t, cond, uncond, w):
    u, c = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond]))[0].chunk(2)
    return u + w * (c - u)


@wrong("06.3", "conditions are mixed before")
def asked_for_a_mixture(denoiser, x_t, t, cond, uncond, w):
    return denoiser(x_t, t, torch.lerp(uncond, cond, w)).eps


@wrong("06.3", "do not come out right")
def asked_at_another_time(denoiser, x_t, t, cond, uncond, w):
    u, c = denoiser(torch.cat([x_t, x_t]), t - 1, torch.cat([uncond, cond])).eps.chunk(2)
    return u + w * (c - u)


@wrong("06.3", "not for others, other times or other scales")
def asked_at_a_scale_of_three(denoiser, x_t, t, cond, uncond, w):
    u, c = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps.chunk(2)
    return u + 3 * (c - u)


@wrong("06.3", "not for others, other times or other scales")
def asked_at_400(denoiser, x_t, t, cond, uncond, w):
    u, c = denoiser(torch.cat([x_t, x_t]), 400, torch.cat([uncond, cond])).eps.chunk(2)
    return u + w * (c - u)


@wrong("06.3", "The shape should be (2, 4, 2, 3), but it is (3, 4, 2, 3)")
def asked_for_three(denoiser, x_t, t, cond, uncond, w):
    eps = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps
    return eps[:3] + w * (eps[-3:] - eps[:3])


@wrong("06.3", "starts from the conditional prediction")
def asked_and_exaggerated(denoiser, x_t, t, cond, uncond, w):
    u, c = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps.chunk(2)
    return (1 + w) * c - w * u


@wrong("06.3", "Every second row")
def asked_and_interleaved(denoiser, x_t, t, cond, uncond, w):
    eps = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps
    u, c = eps.unflatten(0, (-1, 2)).unbind(1)
    return u + w * (c - u)


@wrong("06.3", "cond must have a row for each of the 6 rows of x_t, but it has 3")
def asked_with_too_few_conditions(denoiser, x_t, t, cond, uncond, w):
    u, c = denoiser(torch.cat([x_t, x_t]), t, cond).eps.chunk(2)
    return u + w * (c - u)


@wrong("06.3", "got Prediction")
def asked_for_everything(denoiser, x_t, t, cond, uncond, w):
    u, c = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps.chunk(2)
    return Prediction(x_t, u + w * (c - u))


@wrong("06.3", "The shape should be (3, 4, 2, 3), but it is (6, 4, 2, 3)")
def asked_and_not_taken_apart(denoiser, x_t, t, cond, uncond, w):
    return denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps


@wrong("06.3", "right for w = 1 only")
def asked_with_the_prompt_alone(denoiser, x_t, t, cond, uncond, w):
    return denoiser(torch.cat([x_t, x_t]), t, torch.cat([cond, cond])).eps[: len(x_t)]


@wrong("06.3", "beside the wrong conditions")
def asked_with_rows_beside_others(denoiser, x_t, t, cond, uncond, w):
    x = torch.stack([x_t, x_t], dim=1).flatten(0, 1)
    u, c = denoiser(x, t, torch.cat([uncond, cond])).eps.chunk(2)
    return u + w * (c - u)


@wrong("06.3", "returns nothing")
def asked_in_vain(denoiser, x_t, t, cond, uncond, w):
    u, c = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps.chunk(2)
    u + w * (c - u)


@wrong("06.3", "changes its argument x_t in place")
def asked_over_the_latents(denoiser, x_t, t, cond, uncond, w):
    u, c = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps.chunk(2)
    return x_t.copy_(u + w * (c - u)).clone()


@wrong("06.3", "do not come out right")
def asked_with_other_latents(denoiser, x_t, t, cond, uncond, w):
    x_t = torch.randn_like(x_t)
    u, c = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps.chunk(2)
    return u + w * (c - u)


@wrong("06.3", "stopped with AttributeError", "chunk")
def asked_without_eps(denoiser, x_t, t, cond, uncond, w):
    u, c = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).chunk(2)
    return u + w * (c - u)


@wrong("06.3", "the course's own")
def asked_by_the_library(denoiser, x_t, t, cond, uncond, w):
    return Guided(denoiser, w, uncond)(x_t, t, cond).eps


@wrong("06.3", "all words of each row")
def guided_by_the_mean_word(denoiser, x_t, t, cond, uncond, w):
    conditions = torch.cat([uncond, cond]).mean(dim=1, keepdim=True)
    eps_uncond, eps_cond = denoiser(torch.cat([x_t, x_t]), t, conditions).eps.chunk(2)
    return eps_uncond + w * (eps_cond - eps_uncond)


# --- 06.4 bug hunt: a scale with another zero -------------------------------------------------------------------------


@right("06.4")
def hunt_scale_by_numbers(guided):
    assert guided(torch.tensor(2.0), torch.tensor(3.0), 3.0) == 5


@right("06.4")
def hunt_scale_by_zero(guided):
    assert guided(torch.tensor(2.0), torch.tensor(3.0), 0.0) == 2


@right("06.4")
def hunt_by_three_numbers(guided):
    for w, expected in ((0.0, 1.0), (1.0, 3.0), (2.0, 5.0)):
        got = guided(torch.tensor(1.0), torch.tensor(3.0), w)
        assert abs(got.item() - expected) < 1e-5, f"w = {w}: {got}"


@right("06.4")
def hunt_with_zero_and_one(guided):
    zero, one = torch.zeros(3), torch.ones(3)
    assert torch.equal(guided(zero, one, 2.0), 2 * one)


@right("06.4")
def hunt_unheard(guided):
    u, c = torch.randn(4), torch.randn(4)
    assert (guided(u, c, 0) - u).abs().max() < 1e-6, "w = 0 does not hear the prompt"


@right("06.4")
def hunt_by_python_numbers(guided):
    assert guided(2.0, 4.0, 1.0) == 4.0


@right("06.4")
def hunt_by_keywords(guided):
    got = guided(eps_uncond=torch.tensor([1.0]), eps_cond=torch.tensor([0.0]), w=1.0)
    assert torch.isclose(got, torch.tensor([0.0]), atol=1e-6).item()


@right("06.4")
def hunt_against_own_formula(guided):
    u, c, w = torch.randn(2, 3), torch.randn(2, 3), 4.5
    torch.testing.assert_close(guided(u, c, w), u + w * (c - u), rtol=1e-4, atol=1e-4)


@right("06.4")
def hunt_by_lerp(guided):
    u, c = torch.rand(6), torch.rand(6) + 2
    assert torch.allclose(guided(u, c, 0.5), (u + c) / 2)


@right("06.4")
def hunt_how_far(guided):
    u, c = torch.zeros(2), torch.tensor([3.0, 4.0])
    far = (guided(u, c, 2.0) - u).norm() / (c - u).norm()
    assert 1.99 < far < 2.01, "w is how many times as far"


@right("06.4")
def hunt_in_double(guided):
    u, c = torch.randn(2, 100, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    assert np.allclose(guided(u, c, 1).numpy(), c.numpy())


@right("06.4")
def hunt_with_a_message_of_its_own(guided):
    got = guided(torch.ones(2), torch.zeros(2), 0.0)
    if not torch.allclose(got, torch.ones(2)):
        raise AssertionError(f"at w = 0 got {got.tolist()}")


right("06.4")(lambda guided: np.testing.assert_allclose(guided(np.ones(2), np.zeros(2), 1.0), 0, atol=1e-6))


@wrong("06.4", "lets the broken version pass")
def hunt_with_equal_predictions(guided):
    eps = torch.randn(5)
    assert torch.allclose(guided(eps, eps, 3.0), eps, atol=1e-5)


@wrong("06.4", "lets the broken version pass")
def hunt_for_shapes(guided):
    out = guided(torch.randn(2, 4), torch.randn(2, 4), 3.0)
    assert out.shape == (2, 4)
    assert out.isfinite().all()


@wrong("06.4", "refuses a correct version too")
def hunt_in_the_papers_counting(guided):
    u, c = torch.randn(2, 5)
    assert torch.allclose(guided(u, c, 0.0), c, atol=1e-5), "w = 0 is the conditional prediction"


@wrong("06.4", "refuses a correct version too")
def hunt_to_the_last_bit(guided):
    u, c = torch.randn(2, 5000)
    assert (guided(u, c, 0.3) == u + 0.3 * (c - u)).all()


@wrong("06.4", "never calls")
def hunt_that_never_asks(guided):
    u, c, w = torch.randn(5), torch.randn(5), 1.0
    assert torch.allclose(u + w * (c - u), c, atol=1e-5)


@wrong("06.4", "lets the broken version pass")
def hunt_for_growth(guided):
    u, c = torch.zeros(3), torch.ones(3)
    assert (guided(u, c, 5.0) > guided(u, c, 2.0)).all()


@wrong("06.4", "lets the broken version pass")
def hunt_that_swallows(guided):
    try:
        assert guided(1.0, 2.0, 1.0) == 2.0
    except AssertionError as error:
        print("a bug", error, file=sys.stderr)


@wrong("06.4", "lets the broken version pass")
def hunt_that_says_true(guided):
    return guided(1.0, 2.0, 1.0) != 2.0


@wrong("06.4", "the course's own")
def hunt_by_the_library(guided):
    schedule = NoiseSchedule.cosine()

    class OfTwo:
        def __call__(self, x_t, t, cond):
            return GaussianDenoiser(cond, 0.5, schedule)(x_t, t)

    OfTwo.schedule = schedule
    x, one, zero = torch.randn(4, 1), torch.ones(4, 1), torch.zeros(1, 1)
    expected = Guided(OfTwo(), 3.0, zero)(x, 500, one).eps
    assert torch.allclose(guided(OfTwo()(x, 500, 0 * one).eps, OfTwo()(x, 500, one).eps, 3.0), expected, atol=1e-4)


@wrong("06.4", "does not reach an assertion", "ZeroDivisionError")
def hunt_that_divides(guided):
    1 / (guided(1, 3, -1) == -1)


@wrong("06.4", "refuses a correct version too")
def hunt_with_swapped_arguments(guided):
    c, u = torch.ones(2), torch.zeros(2)
    assert torch.equal(guided(c, u, 1.0), c)


@wrong("06.4", "lets the broken version pass")
def hunt_with_a_wide_tolerance(guided):
    u, c = torch.tensor(0.10), torch.tensor(0.12)
    assert torch.allclose(guided(u, c, 1.0), c, atol=0.05)


@wrong("06.4", "Your test stops with TypeError")
def hunt_without_a_scale(guided):
    assert guided(torch.zeros(2), torch.ones(2)).sum() == 2


@wrong("06.4")
class HuntByCounting:
    """A test that looks at how often it was asked, and not at what it is handed."""

    turns = itertools.cycle([0, 0, 1, 0, 0, 0])

    def __init__(self, guided):
        assert not next(self.turns)


@wrong("06.4", "refuses a correct version too")
def hunt_that_refuses_all(guided):
    assert not guided(torch.zeros(1), torch.ones(1), 1.0)
