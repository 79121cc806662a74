"""The exercises of notebook 06: dropped captions, the formula, one call for both, a bug hunt."""

import torch
from torch import Tensor, nn

from course_lib.classroom.chance import seeded
from course_lib.classroom.exercise import BugHunt, Exercise, Trial, joined
from course_lib.denoisers import Prediction, signal_and_noise
from course_lib.guidance import Guided
from course_lib.schedules import NoiseSchedule
from course_lib.training import drop_labels

# --- 06.1 dropped captions --------------------------------------------------------------------------------------------


def drop_captions(captions, probability, generator):
    dropped = torch.rand(len(captions), generator=generator) < probability  # (B,)
    return ["" if gone else caption for caption, gone in zip(captions, dropped.tolist(), strict=True)]


def drop_and_shorten(captions, probability, generator):
    """Captions are taken out of the list, which becomes shorter: put "" in their place."""
    kept = torch.rand(len(captions), generator=generator) >= probability
    return [caption for caption, stays in zip(captions, kept.tolist(), strict=True) if stays]


def drop_and_forget(captions, probability, generator):
    """Captions are taken out of the list, and the others move up to pictures that they do not describe: put "" there."""
    left = drop_and_shorten(captions, probability, generator)
    return left + [""] * (len(captions) - len(left))


def drop_words(captions, probability, generator):
    """Single words are dropped: a caption goes as a whole or not at all."""

    def keep(word):
        return torch.rand((), generator=generator) >= probability

    return [" ".join(filter(keep, caption.split())) for caption in captions]


def drop_to_words(captions, probability, generator):
    """Dropped captions become words: the empty text stands for none."""
    dropped = torch.rand(len(captions), generator=generator) < probability
    return ["no caption" if gone else caption for caption, gone in zip(captions, dropped.tolist(), strict=True)]


def drop_in_the_same_places(captions, probability, generator):
    """Batch after batch, captions go in the same places: draw new numbers from the generator in every call."""
    count = round(probability * len(captions))
    return [""] * count + list(captions[count:])


def drop_without_generator(captions, probability, generator):
    """It does not follow the generator alone: the same seed should drop the same captions again, and another seed others."""
    dropped = torch.rand(len(captions)) < probability
    return ["" if gone else caption for caption, gone in zip(captions, dropped.tolist(), strict=True)]


def drop_all_or_none(captions, probability, generator):
    """One toss for the whole batch: every caption has its own."""
    return [""] * len(captions) if torch.rand((), generator=generator) < probability else list(captions)


def drop_just_as_many(captions, probability, generator):
    """Every batch loses the same number of captions: with a toss for each, it is sometimes more and sometimes fewer."""
    count = round(probability * len(captions))
    gone = set(torch.randperm(len(captions), generator=generator)[:count].tolist())
    return ["" if place in gone else caption for place, caption in enumerate(captions)]


def drop_the_others(captions, probability, generator):
    """Captions are dropped with probability 1 − p: nearly all of them are gone."""
    kept = torch.rand(len(captions), generator=generator) < probability
    return [caption if stays else "" for caption, stays in zip(captions, kept.tolist(), strict=True)]


def drop_a_tenth(captions, probability, generator):
    """One caption in ten is dropped, whatever probability is asked for."""
    dropped = torch.rand(len(captions), generator=generator) < 0.1
    return ["" if gone else caption for caption, gone in zip(captions, dropped.tolist(), strict=True)]


def drop_by_a_bell_curve(captions, probability, generator):
    """The tosses come from a bell curve, torch.randn: torch.rand draws evenly from 0 to 1."""
    dropped = torch.randn(len(captions), generator=generator) < probability
    return ["" if gone else caption for caption, gone in zip(captions, dropped.tolist(), strict=True)]


def _captions(count: int) -> list[str]:
    return [f"red car number {number}" for number in range(count)]


def _gone(drop, count: int, probability: float, generator: torch.Generator) -> Tensor:
    """Where the empty text stands after the drop, (count,); nowhere beyond the end of what came back."""
    after = drop(_captions(count), probability, generator)[:count]
    return torch.tensor([float(text == "") for text in after] + [0.0] * (count - len(after)))


def _neither_nor(drop) -> Tensor:
    """Of 200 captions, dropped at one half: whether any entry is neither its caption nor "", and what kind it is.

    In order: another length of the list, another's caption, part of its own, some other text, no text.
    """
    captions = _captions(200)
    after = drop(list(captions), 0.5, seeded(62))
    texts = [(new, old) for new, old in zip(after, captions, strict=False) if isinstance(new, str)]
    strange = [(new, old) for new, old in texts if new not in ("", old)]
    parts = [set() < set(new.split()) < set(old.split()) for new, old in strange if new not in captions]
    kinds = (
        len(after) != len(captions),
        any(new in captions for new, _ in strange),
        any(parts),
        not all(parts),
        any(not isinstance(new, str) for new in after),
    )
    return torch.tensor(kinds, dtype=torch.float32)


def _in_the_same_places(drop) -> Tensor:
    """1 if twenty batches in a row, drawn with one generator, lose their captions in the same places."""
    generator = seeded(63)
    first, *others = (_gone(drop, 40, 0.5, generator) for _ in range(20))
    return torch.tensor(float(all(torch.equal(first, other) for other in others)))


def _without_the_seed(drop) -> Tensor:
    """1 if the same seed gives others, or another seed gives the same."""

    def twenty(seed):
        generator = seeded(seed)
        return torch.stack([_gone(drop, 40, 0.5, generator) for _ in range(20)])

    again, another = torch.equal(twenty(64), twenty(64)), torch.equal(twenty(64), twenty(65))
    return torch.tensor(float(not again or another))


def _shares_of_batches(drop) -> Tensor:
    """Of 500 batches of 8 captions, dropped at 0.35, the shares in which what the comments say is true."""
    generator = seeded(66)
    gone = torch.stack([_gone(drop, 8, 0.35, generator) for _ in range(500)])  # (500, 8)
    count = gone.sum(dim=1)
    told = torch.stack(
        [
            (count % 8 == 0).float(),  # all or none are gone
            (count == 3).float(),  # the commonest number is gone
            gone[:, 0],  # the first is gone
            gone[:, -1],  # the last is gone
            gone[:, 0] * gone[:, 1],  # two neighbours are gone
        ]
    )
    return told.mean(dim=1)


def _shares(drop) -> Tensor:
    """The share of 4,800 captions that is gone, 16 to a batch, at several probabilities."""
    generator = seeded(67)
    return torch.stack(
        [
            torch.stack([_gone(drop, 16, probability, generator) for _ in range(300)]).mean()
            for probability in (0.0, 0.1, 0.6, 1.0)
        ]
    )


DROPPED = Exercise(
    id="06.1",
    title="Captions that go missing",
    points=1,
    solution=drop_captions,
    why="The empty caption is an ordinary text of one token. The network learns what to predict when nobody says anything, "
    "and needs no second network for it.",
    hints=(
        "One toss for each caption: `torch.rand(len(captions), generator=generator)`.",
        "A number drawn evenly from 0 to 1 lies below p with probability p.",
        'Put `""` in place of those that go, so that the others stay beside their pictures.',
    ),
    # Tolerances: two right answers with other numbers differ by less than five deviations.
    trials=(
        Trial(_neither_nor, 'Each caption should come back in its place as it was, or as the empty text, "".'),
        Trial(_in_the_same_places, "Twenty batches in a row should not lose their captions in the same places."),
        Trial(_without_the_seed, "The same seed should drop the same captions again, and another seed others."),
        Trial(
            _shares, "The share of captions that are gone is not the probability that was asked for.", tolerance=0.05
        ),
        Trial(
            _shares_of_batches,
            "As many are gone as should be, but not independently: each caption should have a toss of its own.",
            tolerance=0.16,
        ),
    ),
    mistakes=(
        drop_and_shorten,
        drop_and_forget,
        drop_words,
        drop_to_words,
        drop_in_the_same_places,
        drop_without_generator,
        drop_the_others,
        drop_a_tenth,
        drop_by_a_bell_curve,
        drop_all_or_none,
        drop_just_as_many,
    ),
    forbidden=(drop_labels,),
)

# --- 06.2 the formula -------------------------------------------------------------------------------------------------


def guide(eps_uncond, eps_cond, w):
    return eps_uncond + w * (eps_cond - eps_uncond)


def guide_off_by_one(eps_uncond, eps_cond, w):
    """w = 1 already exaggerates: this starts from the conditional prediction. Some papers do; here w = 1 is plain."""
    return eps_cond + w * (eps_cond - eps_uncond)


def guide_backwards(eps_uncond, eps_cond, w):
    """The two have changed places: larger w leads away from the prompt."""
    return eps_cond + w * (eps_uncond - eps_cond)


def guide_away(eps_uncond, eps_cond, w):
    """The difference has the wrong sign, so that larger w leads away from the prompt: it is eps_cond - eps_uncond."""
    return eps_uncond + w * (eps_uncond - eps_cond)


def guide_only_towards(eps_uncond, eps_cond, w):
    """This is w times eps_cond alone: w scales the difference, in brackets, and the way starts at eps_uncond."""
    return w * eps_cond


def guide_by_sum(eps_uncond, eps_cond, w):
    """The two are added, which makes the noise larger: it is their difference that w scales."""
    return eps_uncond + w * eps_cond


def guide_by_difference(eps_uncond, eps_cond, w):
    """Only the difference is left: it has to be added to the unconditional prediction."""
    return w * (eps_cond - eps_uncond)


def guide_at_most_one(eps_uncond, eps_cond, w):
    """w is cut off at 1: guidance is what happens beyond."""
    return eps_uncond + min(w, 1.0) * (eps_cond - eps_uncond)


def guide_one_less(eps_uncond, eps_cond, w):
    """This goes w - 1 times that far, so that w = 1 does not hear the prompt: at w = 1 the conditional one is right."""
    return eps_uncond + (w - 1) * (eps_cond - eps_uncond)


def guide_by_weighted_mean(eps_uncond, eps_cond, w):
    """The result is divided by 1 + w, which keeps it between the two: guidance goes beyond the conditional one."""
    return (eps_uncond + w * eps_cond) / (1 + w)


def _guided(guided, scales, *shape: int) -> Tensor:
    predictions = torch.randn(2, *shape, generator=seeded(61))
    return joined(guided(*predictions, w) for w in scales)


FORMULA = Exercise(
    id="06.2",
    title="The formula",
    points=2,
    on_device=True,
    solution=guide,
    why="At w = 0 the unconditional prediction, at w = 1 the conditional one, and beyond it the same straight line.",
    hints=(
        "Two answers and a straight line through them: where is w = 0, where is w = 1?",
        "The direction is `eps_cond - eps_uncond`: what the prompt changes.",
        "Start at `eps_uncond`, and go w times that far.",
    ),
    trials=(
        Trial(
            lambda guided: _guided(guided, (0.0, 1.0, 0.4, 3.0), 3, 4),
            "Two predictions at w = 0, 1, 0.4 and 3 do not come out right.",
        ),
        Trial(
            lambda guided: _guided(guided, (0, 1, 2, 7.5, 15), 2, 4, 5, 5),
            "It comes out right for some scales, but not for latents, (B, C, H, W), at w = 0, 1, 2, 7.5 and 15.",
        ),
    ),
    mistakes=(
        guide_off_by_one,
        guide_backwards,
        guide_away,
        guide_only_towards,
        guide_by_sum,
        guide_by_difference,
        guide_at_most_one,
        guide_one_less,
        guide_by_weighted_mean,
    ),
)

# --- 06.3 one call for both -------------------------------------------------------------------------------------------


def guide_in_one_call(denoiser, x_t, t, cond, uncond, w):
    both = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond]))
    eps_uncond, eps_cond = both.eps.chunk(2)
    return eps_uncond + w * (eps_cond - eps_uncond)


def guide_halves_swapped(denoiser, x_t, t, cond, uncond, w):
    """The halves come back in the order in which they went in, and here they are taken for each other."""
    eps_cond, eps_uncond = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps.chunk(2)
    return eps_uncond + w * (eps_cond - eps_uncond)


def guide_in_two_calls(denoiser, x_t, t, cond, uncond, w):
    """The denoiser is called twice: a batch of twice the size does it in one call, which is quicker."""
    eps_uncond, eps_cond = (denoiser(x_t, t, each).eps for each in (uncond, cond))
    return eps_uncond + w * (eps_cond - eps_uncond)


def guide_of_pictures(denoiser, x_t, t, cond, uncond, w):
    """These are the predicted pictures, x_0: the noise was asked for."""
    one, other = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).x_0.chunk(2)
    return one + w * (other - one)


def guide_mixed_conditions(denoiser, x_t, t, cond, uncond, w):
    """The conditions are mixed before the network is asked: what it makes of a mixture is not a mixture of its answers."""
    return denoiser(x_t, t, uncond + w * (cond - uncond)).eps


def guide_from_conditional(denoiser, x_t, t, cond, uncond, w):
    """This starts from the conditional prediction, so that w = 1 exaggerates already: start from the unconditional one."""
    eps_uncond, eps_cond = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps.chunk(2)
    return eps_cond + w * (eps_cond - eps_uncond)


def guide_not_at_all(denoiser, x_t, t, cond, uncond, w):
    """This is the conditional prediction alone, which is right for w = 1 only."""
    return denoiser(x_t, t, cond).eps


def guide_interleaved(denoiser, x_t, t, cond, uncond, w):
    """Every second row is taken: the batch holds first all rows without the prompt, then all with it."""
    both = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps
    return both[::2] + w * (both[1::2] - both[::2])


def guide_with_noise_twice(denoiser, x_t, t, cond, uncond, w):
    """The rows of x_t stand beside the wrong conditions: repeat_interleave puts twins side by side, torch.cat in halves."""
    both = denoiser(x_t.repeat_interleave(2, dim=0), t, torch.cat([uncond, cond])).eps
    eps_uncond, eps_cond = both.chunk(2)
    return eps_uncond + w * (eps_cond - eps_uncond)


class _Curved(nn.Module):
    """A denoiser whose answer bends with its condition, and which counts its calls."""

    schedule = NoiseSchedule.cosine()

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x_t: Tensor, t: int | Tensor, cond: Tensor) -> Prediction:
        self.calls += 1
        if len(cond) != len(x_t):
            raise ValueError(f"cond must have a row for each of the {len(x_t)} rows of x_t, but it has {len(cond)}.")
        signal, noise = signal_and_noise(self.schedule, t, x_t)
        if cond.shape[1:] != (5, 2):
            raise ValueError(f"cond must hold all words of each row, (B, 5, 2), but its shape is {tuple(cond.shape)}.")
        heard = (cond * torch.linspace(0.2, 1.8, 10).view(5, 2).to(cond)).mean(dim=(1, 2)).reshape(-1, 1, 1, 1)
        eps = torch.tanh(x_t * heard) + noise * heard**2
        return Prediction((x_t - noise * eps) / signal, eps)


def _asked(guided, count: int, t: int, w: float) -> tuple[Tensor, int]:
    """Guided eps of so many latents, and how often the denoiser was called for it."""
    generator = seeded(63)
    denoiser = _Curved()
    x_t = torch.randn(count, 4, 2, 3, generator=generator)
    cond, uncond = (torch.randn(count, 5, 2, generator=generator) + 0.5 for _ in range(2))
    return guided(denoiser, x_t, t, cond, uncond, w), denoiser.calls


def _asked_elsewhere(guided) -> Tensor:
    return joined(_asked(guided, *each)[0] for each in ((2, 900, 7.5), (1, 20, 2), (4, 400, 0.0), (3, 650, 1)))


ONE_CALL = Exercise(
    id="06.3",
    title="One call for both",
    points=2,
    on_device=True,
    solution=guide_in_one_call,
    why="The same noisy picture stands in both halves of the batch, once beside each condition. Twice the arithmetic, but one "
    "trip through the network.",
    hints=(
        "`torch.cat([x_t, x_t])` is the batch twice; the conditions are put together in the same order.",
        "`.eps.chunk(2)` gives the two halves back, in the order in which they went in.",
        "Then the formula of 06.2.",
    ),
    trials=(
        Trial(lambda guided: _asked(guided, 3, 400, 3.0)[0], "Three latents at t = 400, w = 3 do not come out right."),
        Trial(
            _asked_elsewhere,
            "It comes out right for three latents at t = 400, w = 3, but not for others, other times or other scales.",
        ),
        Trial(
            lambda guided: torch.tensor(float(_asked(guided, 3, 400, 3.0)[1])),
            "The noise comes out right, but the number of calls of the denoiser does not.",
        ),
    ),
    mistakes=(
        guide_halves_swapped,
        guide_in_two_calls,
        guide_of_pictures,
        guide_mixed_conditions,
        guide_interleaved,
        guide_from_conditional,
        guide_not_at_all,
        guide_with_noise_twice,
    ),
    forbidden=(Guided.__call__,),
)

# --- 06.4 bug hunt ----------------------------------------------------------------------------------------------------


def guided(eps_uncond, eps_cond, w):
    return (1 + w) * eps_cond - w * eps_uncond


def guided_by_shares(eps_uncond, eps_cond, w):
    return w * eps_cond + (1 - w) * eps_uncond


def find_the_bug(guided):
    eps_uncond, eps_cond = torch.randn(2, 5)
    at_one = guided(eps_uncond, eps_cond, 1.0)
    assert torch.allclose(at_one, eps_cond, atol=1e-5), "w = 1 should be the plain prediction"


OFF_BY_ONE = BugHunt(
    id="06.4",
    title="Bug hunt: a scale with another zero",
    points=2,
    broken=guided,
    correct=(guide, guided_by_shares),
    solution=find_the_bug,
    why="The broken one is no nonsense: it is how the paper writes it, with a scale that is smaller by one. The pictures look "
    "right, only every comparison is off by one. At w = 0 and w = 1 the answer is known, so test there.",
    hints=(
        "For which w do you know what has to come out?",
        "With `eps_uncond` equal to `eps_cond` every scale gives the same: choose two that differ.",
        "At `w = 1` the guided prediction is the conditional one.",
    ),
    forbidden=(Guided.__call__,),
)
