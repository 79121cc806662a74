"""The exercises of notebook 06: dropped captions, the formula, one call for both, a bug hunt."""

import torch
from torch import Tensor

from course_lib.classroom.checks import BugHunt, Exercise, Trial, joined
from course_lib.denoisers import Denoiser, Prediction

# --- 06.1 dropped captions --------------------------------------------------------------------------------------------


def drop_captions(captions: list[str], probability: float, generator: torch.Generator) -> list[str]:
    dropped = torch.rand(len(captions), generator=generator) < probability  # (B,)
    return ["" if gone else caption for caption, gone in zip(captions, dropped.tolist(), strict=True)]


def drop_the_others(captions, probability, generator):
    """Captions are dropped with probability 1 − p: nearly all of them are gone."""
    kept = torch.rand(len(captions), generator=generator) < probability
    return [caption if stays else "" for caption, stays in zip(captions, kept.tolist(), strict=True)]


def drop_all_or_none(captions, probability, generator):
    """One toss for the whole batch: every caption has its own."""
    return [""] * len(captions) if torch.rand((), generator=generator) < probability else list(captions)


def drop_the_first(captions, probability, generator):
    """Always the first ones are dropped: it should be chance."""
    count = round(probability * len(captions))
    return [""] * count + list(captions[count:])


def drop_and_forget(captions, probability, generator):
    """Captions are taken out of the list, and the others move up to pictures that they do not describe: put "" there."""
    dropped = torch.rand(len(captions), generator=generator) < probability
    kept = [caption for caption, gone in zip(captions, dropped.tolist(), strict=True) if not gone]
    return kept + [""] * (len(captions) - len(kept))


def drop_to_words(captions, probability, generator):
    """Dropped captions become words: the empty text stands for none."""
    dropped = torch.rand(len(captions), generator=generator) < probability
    return ["no caption" if gone else caption for caption, gone in zip(captions, dropped.tolist(), strict=True)]


def drop_words(captions, probability, generator):
    """Single words are dropped: a caption goes as a whole or not at all."""

    def keep(word):
        return torch.rand((), generator=generator) >= probability

    return [" ".join(filter(keep, caption.split())) for caption in captions]


def _share_dropped(drop):
    """How many of 20,000 captions are gone at 10 %, how they are spread, and whether the others are untouched."""
    captions = [f"red car number {number}" for number in range(20_000)]
    after = drop(list(captions), 0.1, torch.Generator().manual_seed(62))
    gone = torch.tensor([text == "" for text in after], dtype=torch.float32)
    halves = gone.reshape(2, -1).mean(dim=1)  # (2,)
    kept = [new == old for new, old in zip(after, captions, strict=True) if new]
    return joined([halves, torch.tensor(kept or [False], dtype=torch.float32).mean()])


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
        'Put `""` in the place of those that go, so that the others stay beside their pictures.',
    ),
    trials=(Trial(_share_dropped, "Of 20,000 captions at 10 %, not a tenth is gone by chance.", tolerance=0.012),),
    mistakes=(
        drop_the_others,
        drop_all_or_none,
        drop_the_first,
        drop_and_forget,
        drop_to_words,
        drop_words,
    ),
)

# --- 06.2 the formula -------------------------------------------------------------------------------------------------


def guide(eps_uncond: Tensor, eps_cond: Tensor, w: float) -> Tensor:
    return eps_uncond + w * (eps_cond - eps_uncond)


def guide_off_by_one(eps_uncond, eps_cond, w):
    """w = 1 already exaggerates: this starts from the conditional prediction. Some papers do; here w = 1 is plain."""
    return eps_cond + w * (eps_cond - eps_uncond)


def guide_backwards(eps_uncond, eps_cond, w):
    """The two have changed places: larger w leads away from the prompt."""
    return eps_cond + w * (eps_uncond - eps_cond)


def guide_only_towards(eps_uncond, eps_cond, w):
    """The conditional prediction is merely made larger: go from the unconditional one towards it, and beyond."""
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


def _two_predictions() -> Tensor:
    return torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(61))


def _at_several_scales(guided):
    return joined(guided(*_two_predictions(), w) for w in (0.0, 1.0, 0.4, 3.0))


FORMULA = Exercise(
    id="06.2",
    title="The formula",
    points=2,
    solution=guide,
    why="At w = 0 the unconditional prediction, at w = 1 the conditional one, and beyond it the same straight line.",
    hints=(
        "Two answers and a straight line through them: where is w = 0, where is w = 1?",
        "The direction is `eps_cond - eps_uncond`: what the prompt changes.",
        "Start at `eps_uncond`, and go w times that far.",
    ),
    trials=(Trial(_at_several_scales, "Two predictions at w = 0, 1, 0.4 and 3 do not come out right."),),
    mistakes=(
        guide_off_by_one,
        guide_backwards,
        guide_only_towards,
        guide_by_sum,
        guide_by_difference,
        guide_at_most_one,
    ),
)

# --- 06.3 one call for both -------------------------------------------------------------------------------------------


def guide_in_one_call(denoiser: Denoiser, x_t: Tensor, t: int, cond: Tensor, uncond: Tensor, w: float) -> Tensor:
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


def guide_interleaved(denoiser, x_t, t, cond, uncond, w):
    """Every second row is taken: the batch holds first all rows without the prompt, then all with it."""
    both = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps
    return both[::2] + w * (both[1::2] - both[::2])


class _Curved:
    """A denoiser whose answer bends with its condition, and which remembers the smallest batch it was asked for."""

    def __init__(self):
        self.smallest = 1000

    def __call__(self, x_t, t, cond):
        self.smallest = min(self.smallest, len(x_t))
        eps = torch.tanh(x_t * cond[:, None]) + t / 1000 + cond[:, None] ** 2
        return Prediction(x_t - eps, eps)


def _asked_once(guided):
    denoiser = _Curved()
    x_t = torch.randn(3, 4, generator=torch.Generator().manual_seed(63))
    out = guided(denoiser, x_t, 400, torch.tensor([0.5, 1.0, -2.0]), torch.tensor([0.1, 0.2, 0.3]), 3.0)
    return joined([out, torch.tensor(float(denoiser.smallest))])


ONE_CALL = Exercise(
    id="06.3",
    title="One call for both",
    points=2,
    solution=guide_in_one_call,
    why="The same noisy picture stands in both halves of the batch, once beside each condition. Twice the arithmetic, but one "
    "trip through the network.",
    hints=(
        "`torch.cat([x_t, x_t])` is the batch twice; the conditions are put together in the same order.",
        "`.eps.chunk(2)` gives the two halves back, in the order in which they went in.",
        "Then the formula of 06.2.",
    ),
    trials=(Trial(_asked_once, "Three pictures, asked for in one call, do not come out right."),),
    mistakes=(
        guide_halves_swapped,
        guide_in_two_calls,
        guide_of_pictures,
        guide_mixed_conditions,
        guide_interleaved,
        guide_from_conditional,
    ),
)

# --- 06.4 bug hunt ----------------------------------------------------------------------------------------------------


def guided(eps_uncond, eps_cond, w):
    return (1 + w) * eps_cond - w * eps_uncond


def guided_by_shares(eps_uncond, eps_cond, w):
    return w * eps_cond + (1 - w) * eps_uncond


def find_the_bug(guided):
    eps_uncond, eps_cond = torch.randn(2, 5)
    assert torch.allclose(guided(eps_uncond, eps_cond, 1.0), eps_cond, atol=1e-6), (
        "w = 1 should be the plain prediction"
    )


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
)

EXERCISES = (DROPPED, FORMULA, ONE_CALL, OFF_BY_ONE)
