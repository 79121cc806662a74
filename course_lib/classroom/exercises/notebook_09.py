"""The exercises of notebook 09: put back what is known, walk up again, begin part of the way, walk DDIM upwards, compose
several conditions, two bug hunts.
"""

from numbers import Real

import torch
from torch import Tensor, nn

from course_lib import composition, editing, forward
from course_lib.classroom.chance import seeded
from course_lib.classroom.exercise import BugHunt, Exercise, Trial, joined
from course_lib.classroom.guarding import FILLER, WrongAnswerError, kind_of, require_kind
from course_lib.schedules import NoiseSchedule

LINEAR, COSINE = NoiseSchedule.linear().alpha_bar, NoiseSchedule.cosine().alpha_bar  # (T + 1,) each
SHORT = NoiseSchedule.linear(50, beta_end=0.2).alpha_bar


def _noised(x_0, alpha_bar, eps) -> Tensor:
    """The closed form."""
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * eps


# --- 09.1 put back what is known --------------------------------------------------------------------------------------


def put_back(x_s, known, hole, alpha_bar_s, eps):
    noised = alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * eps
    return torch.where(hole, x_s, noised)


def put_back_into_the_hole(x_s, known, hole, alpha_bar_s, eps):
    """The hole is the wrong way round: it is True where something is to be drawn, so there x_s stays as it is."""
    return torch.where(hole, _noised(known, alpha_bar_s, eps), x_s)


def put_back_clean(x_s, known, hole, alpha_bar_s, eps):
    """What is known is put back clean, beside a hole that is still noisy. The denoiser is told that all of x is at time s,
    so all of it has to be.
    """
    return torch.where(hole, x_s, known)


def put_back_everywhere(x_s, known, hole, alpha_bar_s, eps):
    """The known picture is put back everywhere: in the hole x_s should be left, or nothing is ever drawn there."""
    return _noised(known, alpha_bar_s, eps) + 0 * x_s


def put_back_and_noise_everything(x_s, known, hole, alpha_bar_s, eps):
    """There is new noise in the hole, too. x_s has its own already: noise what is known, and nothing else."""
    return torch.where(hole, x_s, alpha_bar_s**0.5 * known) + (1 - alpha_bar_s) ** 0.5 * eps


def put_back_and_noise_all_of_it(x_s, known, hole, alpha_bar_s, eps):
    """Picture and hole are put together first, and noised together then. x_s is at time s already: noise what is known, and
    put it together with x_s afterwards.
    """
    return _noised(torch.where(hole, x_s, known), alpha_bar_s, eps)


def put_back_without_roots(x_s, known, hole, alpha_bar_s, eps):
    """Both square roots are missing: alpha_bar_s is a share of the variance, and the factors are roots."""
    return torch.where(hole, x_s, alpha_bar_s * known + (1 - alpha_bar_s) * eps)


def put_back_without_root_of_noise(x_s, known, hole, alpha_bar_s, eps):
    """The noise has lost its square root: its factor is the root of 1 − alpha_bar_s."""
    return torch.where(hole, x_s, alpha_bar_s**0.5 * known + (1 - alpha_bar_s) * eps)


def put_back_without_root_of_signal(x_s, known, hole, alpha_bar_s, eps):
    """The picture has lost its square root: its factor is the root of alpha_bar_s."""
    return torch.where(hole, x_s, alpha_bar_s * known + (1 - alpha_bar_s) ** 0.5 * eps)


def put_back_with_root_inside(x_s, known, hole, alpha_bar_s, eps):
    """The noise's factor is 1 minus a root: it has to be the root of 1 − alpha_bar_s."""
    return torch.where(hole, x_s, alpha_bar_s**0.5 * known + (1 - alpha_bar_s**0.5) * eps)


def put_back_swapped(x_s, known, hole, alpha_bar_s, eps):
    """The two factors are swapped: where alpha_bar_s is 1, only the picture should be left."""
    return torch.where(hole, x_s, _noised(eps, alpha_bar_s, known))


def put_back_unshrunk(x_s, known, hole, alpha_bar_s, eps):
    """The known picture is not shrunk: with the noise on top its variance would be larger than that of x_s beside it."""
    return torch.where(hole, x_s, known + (1 - alpha_bar_s) ** 0.5 * eps)


def put_back_with_whole_noise(x_s, known, hole, alpha_bar_s, eps):
    """The noise is not scaled: so much of it is there only at the very beginning."""
    return torch.where(hole, x_s, alpha_bar_s**0.5 * known + eps)


def put_back_without_noise(x_s, known, hole, alpha_bar_s, eps):
    """What is known is shrunk, but has no noise: at time s it should look as x_s does, grain and all."""
    return torch.where(hole, x_s, alpha_bar_s**0.5 * known)


def put_back_by_half(x_s, known, hole, alpha_bar_s, eps):
    """Outside the hole this is a mixture with x_s: there nothing of x_s should be left."""
    return torch.where(hole, x_s, 0.5 * (x_s + _noised(known, alpha_bar_s, eps)))


def put_back_minus_noise(x_s, known, hole, alpha_bar_s, eps):
    """The noise is taken off: the known picture has none yet, so add it."""
    return torch.where(hole, x_s, alpha_bar_s**0.5 * known - (1 - alpha_bar_s) ** 0.5 * eps)


def put_back_by_the_first_hole(x_s, known, hole, alpha_bar_s, eps):
    """All pictures get the hole of the first one: let hole broadcast, for it may have a row for each."""
    return torch.where(hole[:1], x_s, _noised(known, alpha_bar_s, eps))


def put_back_by_differences(x_s, known, hole, alpha_bar_s, eps):
    """It comes out right until known holds large numbers in the hole: they are added and taken off again, and what is small
    gets lost. Choose between the two, by torch.where, say.
    """
    noised = _noised(known, alpha_bar_s, eps)
    return noised + hole * (x_s - noised)


def put_back_nearly_clean(x_s, known, hole, alpha_bar_s, eps):
    """At alpha_bar_s = 1 a little noise is left: the formula as it stands leaves none, and what is known comes out exactly."""
    return torch.where(hole, x_s, alpha_bar_s**0.5 * known + (1 - alpha_bar_s + 1e-8) ** 0.5 * eps)


def _put_back(put_back, shape, alpha_bar_s, holes=1, dtype=torch.float32, in_the_hole=1.0) -> Tensor:
    generator = seeded(91)
    x_s, known, eps = torch.randn(3, *shape, generator=generator, dtype=torch.float64).to(dtype)
    hole = torch.rand(holes, 1, *shape[2:], generator=generator) < 0.4
    return put_back(x_s, torch.where(hole, in_the_hole * known, known), hole, alpha_bar_s, eps)


def _put_back_at_the_end(put_back) -> Tensor:
    """Whether what is known comes out bit for bit, for each way to write alpha_bar."""
    generator, found = seeded(92), []
    for one in (1.0, torch.tensor(1.0), torch.tensor(1.0, dtype=torch.float64)):
        x_s, known, eps = torch.randn(3, 2, 1, 5, 4, generator=generator)
        hole = torch.rand(1, 1, 5, 4, generator=generator) < 0.4
        found.append(put_back(x_s, known, hole, one, eps) == torch.where(hole, x_s, known))
    return torch.stack(found)


PUT_BACK = Exercise(
    id="09.1",
    title="Put back what is known",
    points=2,
    solution=put_back,
    why="Two pictures at one time s: the one that the step has drawn, and the known one, noised as far. From each place one of "
    "them is taken. At the last step alpha_bar_s is 1, no noise is left, and what is known comes out as it was handed over.",
    hints=(
        "Two things: the known picture as it would look at time s, and then a choice, pixel by pixel.",
        "The first is the closed form of notebook 01, with `known` for the picture.",
        "`torch.where(hole, a, b)` takes a where hole is True and b elsewhere, and lets hole broadcast.",
    ),
    trials=(
        Trial(
            lambda put_back: _put_back(put_back, (2, 1, 4, 5), 0.36),
            "Two small grey pictures with one hole do not come out right.",
        ),
        Trial(
            lambda put_back: joined(
                _put_back(put_back, shape, alpha_bar_s, holes)
                for shape, alpha_bar_s, holes in (
                    ((3, 3, 6, 4), LINEAR[700], 3),
                    ((1, 4, 3, 3), COSINE[400], 1),
                    ((3, 1, 5, 5), 0.97, 3),
                )
            ),
            "It comes out right for one time, but not for others, or for pictures of several colours with a hole each.",
        ),
        Trial(
            lambda put_back: _put_back(put_back, (2, 1, 4, 5), COSINE[300], dtype=torch.float64),
            "It comes out right in float32, but not in float64.",
            tolerance=1e-9,
        ),
        Trial(
            lambda put_back: _put_back(put_back, (2, 3, 4, 5), 0.6, in_the_hole=1e7),
            "It comes out right until known holds large numbers in the hole: what it holds there should not matter.",
        ),
        Trial(_put_back_at_the_end, "At alpha_bar_s = 1 the known pixels should come out exactly, bit for bit."),
    ),
    mistakes=(
        put_back_into_the_hole,
        put_back_clean,
        put_back_everywhere,
        put_back_and_noise_everything,
        put_back_and_noise_all_of_it,
        put_back_without_roots,
        put_back_without_root_of_noise,
        put_back_without_root_of_signal,
        put_back_with_root_inside,
        put_back_swapped,
        put_back_unshrunk,
        put_back_with_whole_noise,
        put_back_without_noise,
        put_back_by_half,
        put_back_minus_noise,
        put_back_by_the_first_hole,
        put_back_by_differences,
        put_back_nearly_clean,
    ),
    forbidden=(editing.replacement_step,),
    on_device=True,
)

# --- 09.2 up again ----------------------------------------------------------------------------------------------------


def noise_up(x_t, alpha_bar_t, alpha_bar_s, eps):
    ratio = alpha_bar_s / alpha_bar_t
    return ratio**0.5 * x_t + (1 - ratio) ** 0.5 * eps


def up_as_if_clean(x_t, alpha_bar_t, alpha_bar_s, eps):
    """This is the closed form, which begins with a clean picture. x_t has noise already and has shrunk already: only what is
    missing between t and s comes on top.
    """
    return alpha_bar_s**0.5 * x_t + (1 - alpha_bar_s) ** 0.5 * eps


def up_by_differing_deviations(x_t, alpha_bar_t, alpha_bar_s, eps):
    """The noise's factor is a difference of standard deviations. It is variances that add up when independent noise comes on
    top.
    """
    more = (1 - alpha_bar_s) ** 0.5 - (1 - alpha_bar_t) ** 0.5
    return (alpha_bar_s / alpha_bar_t) ** 0.5 * x_t + more * eps


def up_by_differing_variances(x_t, alpha_bar_t, alpha_bar_s, eps):
    """The noise's variance is alpha_bar_t − alpha_bar_s, which leaves out that the noise in x_t shrinks along with the
    picture: more has to come on top.
    """
    return (alpha_bar_s / alpha_bar_t) ** 0.5 * x_t + (alpha_bar_t - alpha_bar_s) ** 0.5 * eps


def up_unshrunk(x_t, alpha_bar_t, alpha_bar_s, eps):
    """x_t is not shrunk: with the noise on top its variance would grow at every turn."""
    return x_t + (1 - alpha_bar_s / alpha_bar_t) ** 0.5 * eps


def up_by_differing_variances_unshrunk(x_t, alpha_bar_t, alpha_bar_s, eps):
    """x_t is not shrunk, and gets the difference of the two variances: at time s the picture in it has a smaller factor than
    at time t.
    """
    return x_t + (alpha_bar_t - alpha_bar_s) ** 0.5 * eps


def up_with_the_difference_for_beta(x_t, alpha_bar_t, alpha_bar_s, eps):
    """alpha_bar_t − alpha_bar_s is taken for the beta of the leap. alpha_bar is a product, so what a leap keeps is a ratio."""
    beta = alpha_bar_t - alpha_bar_s
    return (1 - beta) ** 0.5 * x_t + beta**0.5 * eps


def up_with_the_ratio_upside_down(x_t, alpha_bar_t, alpha_bar_s, eps):
    """The ratio in front of x_t is upside down: on the way up the picture shrinks, so it has to be below 1."""
    return (alpha_bar_t / alpha_bar_s) ** 0.5 * x_t + (1 - alpha_bar_s / alpha_bar_t) ** 0.5 * eps


def up_without_roots(x_t, alpha_bar_t, alpha_bar_s, eps):
    """Both square roots are missing: the ratio is one of variances, and the factors are roots."""
    return alpha_bar_s / alpha_bar_t * x_t + (1 - alpha_bar_s / alpha_bar_t) * eps


def up_without_root_of_noise(x_t, alpha_bar_t, alpha_bar_s, eps):
    """The noise has lost its square root: its factor is the root of 1 minus the ratio."""
    return (alpha_bar_s / alpha_bar_t) ** 0.5 * x_t + (1 - alpha_bar_s / alpha_bar_t) * eps


def up_without_root_of_signal(x_t, alpha_bar_t, alpha_bar_s, eps):
    """x_t has lost its square root: its factor is the root of the ratio."""
    return alpha_bar_s / alpha_bar_t * x_t + (1 - alpha_bar_s / alpha_bar_t) ** 0.5 * eps


def up_with_root_inside(x_t, alpha_bar_t, alpha_bar_s, eps):
    """The noise's factor is 1 minus a root: it has to be the root of 1 minus the ratio."""
    root = (alpha_bar_s / alpha_bar_t) ** 0.5
    return root * x_t + (1 - root) * eps


def up_with_a_root_too_many(x_t, alpha_bar_t, alpha_bar_s, eps):
    """There is a root too many under the noise's root: its variance is 1 minus the ratio, not 1 minus the ratio's root."""
    root = (alpha_bar_s / alpha_bar_t) ** 0.5
    return root * x_t + (1 - root) ** 0.5 * eps


def up_by_way_of_a_picture(x_t, alpha_bar_t, alpha_bar_s, eps):
    """This works out x_0 with the eps that it is handed. That one is new: it is not the noise in x_t, so no picture can be
    found with it, and none is needed.
    """
    x_0 = (x_t - (1 - alpha_bar_t) ** 0.5 * eps) / alpha_bar_t**0.5
    return alpha_bar_s**0.5 * x_0 + (1 - alpha_bar_s) ** 0.5 * eps


def up_swapped(x_t, alpha_bar_t, alpha_bar_s, eps):
    """The two factors are swapped: after a short leap nearly all of x_t should be left."""
    ratio = alpha_bar_s / alpha_bar_t
    return (1 - ratio) ** 0.5 * x_t + ratio**0.5 * eps


def up_with_all_the_noise_of_s(x_t, alpha_bar_t, alpha_bar_s, eps):
    """x_t shrinks as it should, but the noise is all that belongs to time s: x_t brings some of it along."""
    return (alpha_bar_s / alpha_bar_t) ** 0.5 * x_t + (1 - alpha_bar_s) ** 0.5 * eps


def up_shrunk_to_s(x_t, alpha_bar_t, alpha_bar_s, eps):
    """The noise is right, but x_t shrinks by the root of alpha_bar_s, as if it had not shrunk yet: it has, up to t."""
    return alpha_bar_s**0.5 * x_t + (1 - alpha_bar_s / alpha_bar_t) ** 0.5 * eps


def up_to_t(x_t, alpha_bar_t, alpha_bar_s, eps):
    """This noises as far as t, where x_t stands already: the leap goes on to s."""
    return alpha_bar_t**0.5 * x_t + (1 - alpha_bar_t) ** 0.5 * eps


def up_minus_noise(x_t, alpha_bar_t, alpha_bar_s, eps):
    """The noise is taken off: on the way up it is added."""
    ratio = alpha_bar_s / alpha_bar_t
    return ratio**0.5 * x_t - (1 - ratio) ** 0.5 * eps


def _ups(noise_up, cases, dtype=torch.float32) -> Tensor:
    generator, found = seeded(93), []
    for shape, alpha_bar_t, alpha_bar_s in cases:
        x_t, eps = torch.randn(2, *shape, generator=generator, dtype=torch.float64).to(dtype)
        found.append(noise_up(x_t, alpha_bar_t, alpha_bar_s, eps))
    return joined(found)


NOISE_UP = Exercise(
    id="09.2",
    title="Up again, from where you are",
    points=2,
    solution=noise_up,
    why="The ratio is what the steps from t to s keep of the variance, as 1 − beta is for a single one. x_t's noise shrinks "
    "with the picture, and the new noise fills the variance up: ratio · (1 − alpha_bar_t) + 1 − ratio is 1 − alpha_bar_s.",
    hints=(
        "How does x_t become x_s if the two are a single step apart? That is exercise 01.1.",
        "alpha_bar is a product over steps. What the steps from t to s keep is therefore `alpha_bar_s / alpha_bar_t`.",
        "It stands where 1 − beta stands in one step: its root in front of `x_t`, the root of 1 minus it in front of `eps`.",
    ),
    trials=(
        Trial(
            lambda noise_up: _ups(noise_up, (((2, 1, 4, 5), 0.8, 0.5),)),
            "A leap from alpha_bar 0.8 to 0.5 does not come out right.",
        ),
        Trial(
            lambda noise_up: _ups(
                noise_up,
                (
                    ((3, 3, 6, 4), LINEAR[400], LINEAR[500]),
                    ((2, 7), COSINE[100], COSINE[900]),
                    ((1, 1, 3, 3), SHORT[20], SHORT[21]),
                    ((5,), 0.3, 0.01),
                ),
            ),
            "It comes out right for one leap, but not for others, or for x of another shape.",
        ),
        Trial(
            lambda noise_up: _ups(noise_up, (((2, 3), 1.0, 0.7), ((2, 3), LINEAR[0], LINEAR[300]))),
            "It comes out right on the way, but not from t = 0, where alpha_bar_t is 1 and x_t a clean picture.",
        ),
        Trial(
            lambda noise_up: _ups(noise_up, (((2, 3, 4), LINEAR[30], LINEAR[60]), ((4,), 0.9, 0.2)), torch.float64),
            "It comes out right in float32, but not in float64.",
            tolerance=1e-9,
        ),
    ),
    mistakes=(
        up_as_if_clean,
        up_by_differing_deviations,
        up_by_differing_variances,
        up_unshrunk,
        up_by_differing_variances_unshrunk,
        up_with_the_difference_for_beta,
        up_with_the_ratio_upside_down,
        up_without_roots,
        up_without_root_of_noise,
        up_without_root_of_signal,
        up_with_root_inside,
        up_with_a_root_too_many,
        up_by_way_of_a_picture,
        up_swapped,
        up_with_all_the_noise_of_s,
        up_shrunk_to_s,
        up_to_t,
        up_minus_noise,
    ),
    forbidden=(forward.noise_further, forward.forward_step),
    on_device=True,
)

# --- 09.3 part of the way ---------------------------------------------------------------------------------------------


def part_of_the_way(x_0, strength, times, alpha_bar, eps):
    steps = max(1, round(strength * (len(times) - 1)))
    remaining = times[-1 - steps :]
    a = alpha_bar[remaining[0]].item()
    return a**0.5 * x_0 + (1 - a) ** 0.5 * eps, remaining


def _part(x_0, times, steps, alpha_bar, eps) -> tuple[Tensor, list]:
    """The last so many steps, and x_0 noised to where they begin."""
    remaining = times[len(times) - 1 - steps :]
    return _noised(x_0, alpha_bar[remaining[0]], eps), remaining


def _steps(strength, times) -> int:
    return max(1, round(strength * (len(times) - 1)))


def part_at_the_beginning(x_0, strength, times, alpha_bar, eps):
    """These are the first steps of the walk: it begins part of the way down, and goes on to the end, so take the last ones."""
    remaining = times[: _steps(strength, times) + 1]
    return _noised(x_0, alpha_bar[remaining[0]], eps), remaining


def part_without_the_first(x_0, strength, times, alpha_bar, eps):
    """There is one time too few: so many steps have one time more, as a fence has one more post. The first one is missing."""
    remaining = times[-_steps(strength, times) :]
    return _noised(x_0, alpha_bar[remaining[0]], eps), remaining


def part_with_one_more(x_0, strength, times, alpha_bar, eps):
    """There is one time too many: so many steps have one time more than steps, the 0 at the end included."""
    return _part(x_0, times, min(_steps(strength, times) + 1, len(times) - 1), alpha_bar, eps)


def part_without_the_end(x_0, strength, times, alpha_bar, eps):
    """The last time is missing: the walk has to arrive at 0, where the picture is clean."""
    x, remaining = _part(x_0, times, _steps(strength, times), alpha_bar, eps)
    return x, remaining[:-1]


def part_that_keeps(x_0, strength, times, alpha_bar, eps):
    """strength is taken for what is kept of the picture: it is how much of the way is walked anew, and at 1 it is all of it."""
    return _part(x_0, times, max(1, round((1 - strength) * (len(times) - 1))), alpha_bar, eps)


def part_rounded_down(x_0, strength, times, alpha_bar, eps):
    """The number of steps is cut off, and 0.58 · 50, which a computer takes for 28.999…, becomes 28: round it."""
    return _part(x_0, times, max(1, int(strength * (len(times) - 1))), alpha_bar, eps)


def part_rounded_up(x_0, strength, times, alpha_bar, eps):
    """The number of steps is rounded up: take the nearest whole number."""
    steps = strength * (len(times) - 1)
    return _part(x_0, times, max(1, int(steps) + (steps > int(steps))), alpha_bar, eps)


def part_of_the_times(x_0, strength, times, alpha_bar, eps):
    """strength is multiplied by the number of times: there is one step less than times, and strength is a share of the
    steps.
    """
    return _part(x_0, times, min(max(1, round(strength * len(times))), len(times) - 1), alpha_bar, eps)


def part_below_a_time(x_0, strength, times, alpha_bar, eps):
    """The times are chosen by their size, those up to strength · T. They need not lie evenly: count steps instead."""
    remaining = [t for t in times if t <= strength * (len(alpha_bar) - 1)]
    return _noised(x_0, alpha_bar[remaining[0]], eps), remaining


def part_with_no_step(x_0, strength, times, alpha_bar, eps):
    """A small strength leaves no step at all: at least one is walked."""
    return _part(x_0, times, round(strength * (len(times) - 1)), alpha_bar, eps)


def part_upwards(x_0, strength, times, alpha_bar, eps):
    """The times rise: a sampler walks down, so leave them in the order in which they came."""
    x, remaining = _part(x_0, times, _steps(strength, times), alpha_bar, eps)
    return x, remaining[::-1]


def part_noised_by_strength(x_0, strength, times, alpha_bar, eps):
    """x_0 is noised to strength · T, which is not where the remaining times begin: the first of them says how noisy x is."""
    remaining = _part(x_0, times, _steps(strength, times), alpha_bar, eps)[1]
    return _noised(x_0, alpha_bar[round(strength * (len(alpha_bar) - 1))], eps), remaining


def part_noised_to_the_top(x_0, strength, times, alpha_bar, eps):
    """x_0 is noised to the first of all times: hardly anything of it would be left. Noise it to the first of the remaining
    ones.
    """
    return _noised(x_0, alpha_bar[times[0]], eps), _part(x_0, times, _steps(strength, times), alpha_bar, eps)[1]


def part_not_noised(x_0, strength, times, alpha_bar, eps):
    """x_0 comes back clean: the denoiser is told the first of the remaining times, so noise it as far."""
    return x_0.clone(), _part(x_0, times, _steps(strength, times), alpha_bar, eps)[1]


def part_that_is_noise(x_0, strength, times, alpha_bar, eps):
    """x is noise alone: x_0 has to be in it, or the walk knows nothing of the picture."""
    return eps.clone(), _part(x_0, times, _steps(strength, times), alpha_bar, eps)[1]


def part_noised_by_its_share(x_0, strength, times, alpha_bar, eps):
    """x_0 and noise are mixed by strength itself: how much noise belongs to a time, alpha_bar says."""
    remaining = _part(x_0, times, _steps(strength, times), alpha_bar, eps)[1]
    return _noised(x_0, 1 - strength, eps), remaining


def part_noised_without_roots(x_0, strength, times, alpha_bar, eps):
    """The square roots are missing: alpha_bar is a share of the variance, and the factors are its roots."""
    remaining = _part(x_0, times, _steps(strength, times), alpha_bar, eps)[1]
    a = alpha_bar[remaining[0]]
    return a * x_0 + (1 - a) * eps, remaining


def part_noised_to_the_second(x_0, strength, times, alpha_bar, eps):
    """x_0 is noised to the second of the remaining times: the first step begins at the first."""
    remaining = _part(x_0, times, _steps(strength, times), alpha_bar, eps)[1]
    return _noised(x_0, alpha_bar[remaining[1]], eps), remaining


def _both_parts(answer, strength, times, alpha_bar, shape=(2, 1, 3, 4), dtype=torch.float32) -> tuple[Tensor, Tensor]:
    """x, and the remaining times as a tensor."""
    x_0, eps = torch.randn(2, *shape, generator=seeded(94), dtype=torch.float64).to(dtype)
    x, remaining = answer(x_0, strength, list(times), alpha_bar, eps)
    if isinstance(x, list) and isinstance(remaining, Tensor):
        raise WrongAnswerError("The two are swapped: return x first, and then the remaining times.")
    require_kind(x, x_0)
    if not isinstance(remaining, list):
        raise WrongAnswerError(f"The second of the two should be a list of times, but it is {kind_of(remaining)}.")
    if not all(isinstance(t, Real) or (isinstance(t, Tensor) and t.ndim == 0) for t in remaining):
        raise WrongAnswerError(
            f"The second of the two should hold times, each a number, but it is {kind_of(remaining)}."
        )
    return x, torch.tensor([float(t) for t in remaining])


UNEVEN = (1000, 980, 900, 700, 640, 450, 390, 350, 100, 30, 0)  # ten steps
FIFTY = tuple(range(1000, -1, -20))


def _remaining(answer, cases) -> Tensor:
    """The remaining times, each list filled up to one length, so that a list too short is told from one too long."""
    found = []
    for strength, times in cases:
        remaining = _both_parts(answer, strength, times, LINEAR)[1]
        found.append(nn.functional.pad(remaining[:99], (0, 99 - len(remaining[:99])), value=FILLER))
    return torch.stack(found)


PART_OF_THE_WAY = Exercise(
    id="09.3",
    title="Part of the way",
    points=2,
    solution=part_of_the_way,
    why="Nothing else is new: from there on it is the sampler of notebook 03, which begins later. The first of the remaining "
    "times says how noisy x is, since that is what the denoiser will be told.",
    hints=(
        "First count: there is one step less than there are times. How many of them are to be walked?",
        "`max(1, round(strength * (len(times) - 1)))`. So many steps have one time more, and the last time is 0.",
        "`times[-1 - steps:]` are the last ones. `alpha_bar[remaining[0]]` says how noisy the picture is where they begin.",
    ),
    trials=(
        Trial(
            lambda answer: _remaining(answer, ((0.4, UNEVEN),)),
            "With strength 0.4, the last 4 of ten steps should remain.",
        ),
        Trial(
            lambda answer: _remaining(
                answer, ((0.6, FIFTY), (0.22, UNEVEN), (0.58, FIFTY), (0.36, UNEVEN), (0.7, FIFTY))
            ),
            "The remaining times are right for one strength, but not for others.",
        ),
        Trial(
            lambda answer: _remaining(answer, ((1.0, FIFTY), (1.0, UNEVEN))),
            "With strength 1 all steps should remain.",
        ),
        Trial(
            lambda answer: _remaining(answer, ((0.01, FIFTY), (0.04, UNEVEN), (0.3, (1000, 0)))),
            "A small strength should leave one step.",
        ),
        Trial(
            lambda answer: _both_parts(answer, 0.5, UNEVEN, LINEAR)[0],
            "The remaining times are right, but not x: it is x_0, noised to where they begin.",
        ),
        Trial(
            lambda answer: joined(
                _both_parts(answer, strength, times, alpha_bar, shape)[0]
                for strength, times, alpha_bar, shape in (
                    (0.6, FIFTY, COSINE, (3, 5)),
                    (0.3, (50, 40, 35, 20, 12, 3, 0), SHORT, (1, 3, 4, 4)),
                    (1.0, UNEVEN, LINEAR, (2, 2)),
                    (0.02, UNEVEN, LINEAR, (6,)),
                )
            ),
            "x comes out right for one strength, but not for others, another schedule or another shape.",
        ),
        Trial(
            lambda answer: _both_parts(answer, 0.4, UNEVEN, LINEAR, dtype=torch.float64)[0],
            "It comes out right in float32, but not in float64.",
            tolerance=1e-9,
        ),
    ),
    mistakes=(
        part_at_the_beginning,
        part_without_the_first,
        part_with_one_more,
        part_without_the_end,
        part_that_keeps,
        part_rounded_down,
        part_rounded_up,
        part_of_the_times,
        part_below_a_time,
        part_with_no_step,
        part_upwards,
        part_noised_by_strength,
        part_noised_to_the_top,
        part_not_noised,
        part_that_is_noise,
        part_noised_by_its_share,
        part_noised_without_roots,
        part_noised_to_the_second,
    ),
    forbidden=(editing.last_share, editing.image_to_image),
    on_device=True,
)

# --- 09.4 DDIM upwards ------------------------------------------------------------------------------------------------


def step_up(x_t, t, s, eps_at, alpha_bar, refinements):
    a_t, a_s = alpha_bar[t].item(), alpha_bar[s].item()

    def up(eps):
        x_0 = (x_t - (1 - a_t) ** 0.5 * eps) / a_t**0.5
        return a_s**0.5 * x_0 + (1 - a_s) ** 0.5 * eps

    x_s = up(eps_at(x_t, t))
    for _ in range(refinements):
        x_s = up(eps_at(x_s, s))
    return x_s


def _up(x_t, a_t, a_s, eps) -> Tensor:
    """DDIM's step, in the one direction or the other."""
    return (a_s / a_t) ** 0.5 * (x_t - (1 - a_t) ** 0.5 * eps) + (1 - a_s) ** 0.5 * eps


def _walked(x_t, t, s, eps_at, alpha_bar, refinements, up=_up) -> Tensor:
    """The steps as they should be taken, with another formula."""
    a_t, a_s = alpha_bar[t].item(), alpha_bar[s].item()
    x_s = up(x_t, a_t, a_s, eps_at(x_t, t))
    for _ in range(refinements):
        x_s = up(x_t, a_t, a_s, eps_at(x_s, s))
    return x_s


def stepped_with_the_ratio_upside_down(x_t, t, s, eps_at, alpha_bar, refinements):
    """The ratio of the two signals is upside down: on the way up the picture becomes fainter."""

    def up(x_t, a_t, a_s, eps):
        return (a_t / a_s) ** 0.5 * (x_t - (1 - a_t) ** 0.5 * eps) + (1 - a_s) ** 0.5 * eps

    return _walked(x_t, t, s, eps_at, alpha_bar, refinements, up)


def stepped_without_root_of_the_ratio(x_t, t, s, eps_at, alpha_bar, refinements):
    """alpha_bar_s / alpha_bar_t lacks its square root: the picture's factors are the roots of alpha_bar."""

    def up(x_t, a_t, a_s, eps):
        return a_s / a_t * (x_t - (1 - a_t) ** 0.5 * eps) + (1 - a_s) ** 0.5 * eps

    return _walked(x_t, t, s, eps_at, alpha_bar, refinements, up)


def stepped_without_roots_of_noise(x_t, t, s, eps_at, alpha_bar, refinements):
    """The noise's factors lack their square roots: they are the roots of 1 − alpha_bar."""

    def up(x_t, a_t, a_s, eps):
        return (a_s / a_t) ** 0.5 * (x_t - (1 - a_t) * eps) + (1 - a_s) * eps

    return _walked(x_t, t, s, eps_at, alpha_bar, refinements, up)


def stepped_with_noise_left_in(x_t, t, s, eps_at, alpha_bar, refinements):
    """The noise of time t is never taken out of x_t: the new noise would come on top of the old."""

    def up(x_t, a_t, a_s, eps):
        return (a_s / a_t) ** 0.5 * x_t + (1 - a_s) ** 0.5 * eps

    return _walked(x_t, t, s, eps_at, alpha_bar, refinements, up)


def stepped_without_new_noise(x_t, t, s, eps_at, alpha_bar, refinements):
    """The noise of time t is taken out, but none is put back: at time s the same eps stands in x with its new factor."""

    def up(x_t, a_t, a_s, eps):
        return (a_s / a_t) ** 0.5 * (x_t - (1 - a_t) ** 0.5 * eps)

    return _walked(x_t, t, s, eps_at, alpha_bar, refinements, up)


def stepped_from_a_faint_picture(x_t, t, s, eps_at, alpha_bar, refinements):
    """What is left of x_t without its noise is not yet x_0: divide it by the root of alpha_bar_t as well."""

    def up(x_t, a_t, a_s, eps):
        return a_s**0.5 * (x_t - (1 - a_t) ** 0.5 * eps) + (1 - a_s) ** 0.5 * eps

    return _walked(x_t, t, s, eps_at, alpha_bar, refinements, up)


def stepped_to_the_guess(x_t, t, s, eps_at, alpha_bar, refinements):
    """This is the guess of x_0: put it together with the noise again, as it is at time s."""

    def up(x_t, a_t, a_s, eps):
        return (x_t - (1 - a_t) ** 0.5 * eps) / a_t**0.5

    return _walked(x_t, t, s, eps_at, alpha_bar, refinements, up)


def stepped_asking_at_s_at_once(x_t, t, s, eps_at, alpha_bar, refinements):
    """The first question is asked at time s, but x_t stands at t."""
    a_t, a_s = alpha_bar[t].item(), alpha_bar[s].item()
    x_s = _up(x_t, a_t, a_s, eps_at(x_t, s))
    for _ in range(refinements):
        x_s = _up(x_t, a_t, a_s, eps_at(x_s, s))
    return x_s


def stepped_without_refinements(x_t, t, s, eps_at, alpha_bar, refinements):
    """There are no refinements: so often look again at x_s, and take the step anew."""
    return _walked(x_t, t, s, eps_at, alpha_bar, 0)


def stepped_one_refinement_short(x_t, t, s, eps_at, alpha_bar, refinements):
    """There is one refinement too few: the first look, at x_t, does not count as one."""
    return _walked(x_t, t, s, eps_at, alpha_bar, refinements - 1)


def stepped_with_one_refinement_more(x_t, t, s, eps_at, alpha_bar, refinements):
    """There is one refinement too many: with 0 of them it is the plain step."""
    return _walked(x_t, t, s, eps_at, alpha_bar, refinements + 1)


def stepped_with_one_refinement(x_t, t, s, eps_at, alpha_bar, refinements):
    """However many refinements are asked for, there is one: look again as often as refinements says."""
    return _walked(x_t, t, s, eps_at, alpha_bar, min(refinements, 1))


def stepped_looking_from_x_t(x_t, t, s, eps_at, alpha_bar, refinements):
    """Each refinement looks at x_t once more: it should look at x_s, where the last one has led."""
    return _walked(x_t, t, s, lambda x, time: eps_at(x_t, time), alpha_bar, refinements)


def stepped_looking_at_t(x_t, t, s, eps_at, alpha_bar, refinements):
    """Each refinement asks about x_s at time t: it stands at s by now, and the denoiser has to be told."""
    return _walked(x_t, t, s, lambda x, time: eps_at(x, t), alpha_bar, refinements)


def stepped_further_each_time(x_t, t, s, eps_at, alpha_bar, refinements):
    """Each refinement steps up from x_s, and so further every time: all of them take the one step from x_t, with a better
    eps.
    """
    a_t, a_s = alpha_bar[t].item(), alpha_bar[s].item()
    x_s = _up(x_t, a_t, a_s, eps_at(x_t, t))
    for _ in range(refinements):
        x_s = _up(x_s, a_t, a_s, eps_at(x_s, s))
    return x_s


def stepped_with_two_noises(x_t, t, s, eps_at, alpha_bar, refinements):
    """The new eps is put in, but the first one is taken out: both are one and the same, that of the last look."""
    a_t, a_s = alpha_bar[t].item(), alpha_bar[s].item()
    first = eps = eps_at(x_t, t)
    for turn in range(refinements + 1):
        x_s = (a_s / a_t) ** 0.5 * (x_t - (1 - a_t) ** 0.5 * first) + (1 - a_s) ** 0.5 * eps
        eps = eps_at(x_s, s) if turn < refinements else eps
    return x_s


def stepped_with_averaged_noises(x_t, t, s, eps_at, alpha_bar, refinements):
    """The new eps is averaged with the one before: take the new one alone."""
    a_t, a_s = alpha_bar[t].item(), alpha_bar[s].item()
    eps = eps_at(x_t, t)
    for _ in range(refinements):
        eps = 0.5 * (eps + eps_at(_up(x_t, a_t, a_s, eps), s))
    return _up(x_t, a_t, a_s, eps)


def stepped_until_it_settles(x_t, t, s, eps_at, alpha_bar, refinements):
    """It stops looking as soon as little changes: refinements says how often to look, so that the number of calls is known
    beforehand.
    """
    a_t, a_s = alpha_bar[t].item(), alpha_bar[s].item()
    x_s = _up(x_t, a_t, a_s, eps_at(x_t, t))
    for _ in range(refinements):
        before, x_s = x_s, _up(x_t, a_t, a_s, eps_at(x_s, s))
        if (x_s - before).abs().max() < 1e-3:
            break
    return x_s


def stepped_asking_too_often(x_t, t, s, eps_at, alpha_bar, refinements):
    """It comes out right, but eps_at is asked once more than it need be, and each call is dear: after the last refinement
    nobody uses another eps.
    """
    x_s = _walked(x_t, t, s, eps_at, alpha_bar, refinements)
    eps_at(x_s, s)
    return x_s


class _Eps(nn.Module):
    """Predicted noise that depends on x and on the time, and a list of the times at which it was asked."""

    def __init__(self, T: int) -> None:
        super().__init__()
        self.T, self.asked = T, []

    def forward(self, x: Tensor, t: int) -> Tensor:
        self.asked.append(t)
        share = float(t) / self.T
        return (0.5 + share) * torch.sin(1.3 * x + share) + 0.2 * x.flip(-1) - 0.1


def _stepped_up(answer, cases, dtype=torch.float32) -> Tensor:
    generator, found = seeded(95), []
    for alpha_bar, t, s, refinements, shape in cases:
        x_t = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        found.append(answer(x_t, t, s, _Eps(len(alpha_bar) - 1), alpha_bar, refinements))
    return joined(found)


def _asked(answer) -> Tensor:
    """When the denoiser is asked: the times in order, and how many they are."""
    found = []
    short = 201  # a step in which another look changes little
    for refinements, s in ((0, 300), (1, 300), (3, 300), (7, short)):
        eps_at = _Eps(1000)
        answer(torch.randn(2, 3, generator=seeded(96)), 200, s, eps_at, LINEAR, refinements)
        asked = torch.tensor([float(t) for t in eps_at.asked[:9]])
        found.append(nn.functional.pad(asked, (0, 9 - len(asked)), value=FILLER))
    return torch.stack(found)


STEP_UP = Exercise(
    id="09.4",
    title="DDIM, upwards",
    points=3,
    solution=step_up,
    why="It is DDIM's step with s above t: noise out, picture fainter, noise in. The step down from x_s will use the eps that "
    "is seen there. So each refinement looks there, and steps from x_t once more: where that changes nothing, the way back is "
    "exact.",
    hints=(
        "Write the step as a small function of `eps` alone: it is needed `1 + refinements` times, always from `x_t`.",
        r"First the guess, $(x_t - \sqrt{1-\bar\alpha_t}\,\epsilon) / \sqrt{\bar\alpha_t}$, then the closed form at time s.",
        "The first `eps` is `eps_at(x_t, t)`. In each turn of the loop it is `eps_at(x_s, s)`, with the x_s found last.",
    ),
    trials=(
        Trial(
            lambda answer: _stepped_up(answer, ((LINEAR, 300, 400, 0, (2, 1, 3, 4)),)),
            "A step up without refinements does not come out right.",
            tolerance=1e-4,
        ),
        Trial(
            lambda answer: _stepped_up(
                answer,
                (
                    (LINEAR, 300, 400, 3, (2, 1, 3, 4)),
                    (LINEAR, 300, 400, 2, (2, 1, 3, 4)),
                    (LINEAR, 300, 400, 1, (2, 1, 3, 4)),
                ),
            ),
            "A step up is right without refinements, but not with them.",
            tolerance=1e-4,
        ),
        Trial(
            lambda answer: _stepped_up(
                answer,
                (
                    (COSINE, 500, 520, 0, (3, 2, 4)),
                    (COSINE, 1, 100, 2, (5,)),
                    (SHORT, 20, 35, 1, (2, 3, 2, 2)),
                    (LINEAR, 1, 40, 2, (2, 6)),
                    (LINEAR, 700, 701, 4, (1, 1, 2, 3)),
                ),
            ),
            "It comes out right for one step, but not for others, another schedule or another shape.",
            tolerance=1e-4,
        ),
        Trial(
            lambda answer: _stepped_up(answer, ((LINEAR, 300, 400, 2, (2, 5)),), torch.float64),
            "It comes out right in float32, but not in float64.",
            tolerance=1e-9,
        ),
        Trial(
            _asked,
            "It comes out right, but eps_at is not asked once at t and then once for each refinement, at s: each call is a "
            "pass of the network.",
        ),
    ),
    mistakes=(
        stepped_with_the_ratio_upside_down,
        stepped_without_root_of_the_ratio,
        stepped_without_roots_of_noise,
        stepped_with_noise_left_in,
        stepped_without_new_noise,
        stepped_from_a_faint_picture,
        stepped_to_the_guess,
        stepped_asking_at_s_at_once,
        stepped_without_refinements,
        stepped_one_refinement_short,
        stepped_with_one_refinement_more,
        stepped_with_one_refinement,
        stepped_looking_from_x_t,
        stepped_looking_at_t,
        stepped_further_each_time,
        stepped_with_two_noises,
        stepped_with_averaged_noises,
        stepped_until_it_settles,
        stepped_asking_too_often,
    ),
    forbidden=(editing.inversion_step,),
    on_device=True,
)

# --- 09.5 several conditions ------------------------------------------------------------------------------------------


def composed_eps(eps_uncond, eps_conds, w):
    guided = eps_uncond
    for weight, eps in zip(w, eps_conds, strict=True):
        guided = guided + weight * (eps - eps_uncond)
    return guided


def composed_without_subtracting(eps_uncond, eps_conds, w):
    """The conditions' predictions are added whole: what counts of each is how it differs from eps_uncond."""
    return eps_uncond + sum(weight * eps for weight, eps in zip(w, eps_conds, strict=True))


def composed_of_differences_alone(eps_uncond, eps_conds, w):
    """eps_uncond itself is missing: with all weights 0 it should be what comes out."""
    return sum(weight * (eps - eps_uncond) for weight, eps in zip(w, eps_conds, strict=True))


def composed_by_average(eps_uncond, eps_conds, w):
    """The differences are averaged: add them up, or each condition counts less the more there are."""
    return eps_uncond + sum(weight * (eps - eps_uncond) for weight, eps in zip(w, eps_conds, strict=True)) / len(w)


def composed_by_shares(eps_uncond, eps_conds, w):
    """The weights are divided by their sum: they are scales, and need not add up to anything."""
    return eps_uncond + sum(weight * (eps - eps_uncond) for weight, eps in zip(w, eps_conds, strict=True)) / sum(w)


def composed_by_sizes(eps_uncond, eps_conds, w):
    """A negative weight counts as a positive one: it should lead away from its condition."""
    return eps_uncond + sum(abs(weight) * (eps - eps_uncond) for weight, eps in zip(w, eps_conds, strict=True))


def composed_of_the_positive(eps_uncond, eps_conds, w):
    """Conditions with a negative weight are left out: they should lead away from what they say."""
    return eps_uncond + sum(max(weight, 0) * (eps - eps_uncond) for weight, eps in zip(w, eps_conds, strict=True))


def composed_of_the_last(eps_uncond, eps_conds, w):
    """Only the last condition is left: each turn of the loop should add to what the ones before have made."""
    return eps_uncond + w[-1] * (eps_conds[-1] - eps_uncond)


def composed_of_the_first(eps_uncond, eps_conds, w):
    """Only the first condition counts: is there a return inside the loop?"""
    return eps_uncond + w[0] * (eps_conds[0] - eps_uncond)


def composed_in_a_chain(eps_uncond, eps_conds, w):
    """Each condition is guided from the result of the one before. All differences start from eps_uncond, so that their order
    does not matter.
    """
    guided = eps_uncond
    for weight, eps in zip(w, eps_conds, strict=True):
        guided = guided + weight * (eps - guided)
    return guided


def composed_of_whole_guidances(eps_uncond, eps_conds, w):
    """eps_uncond is added once for every condition: it should be there once."""
    return sum(eps_uncond + weight * (eps - eps_uncond) for weight, eps in zip(w, eps_conds, strict=True))


def composed_the_other_way(eps_uncond, eps_conds, w):
    """The differences have the wrong sign: a positive weight should lead towards its condition."""
    return eps_uncond + sum(weight * (eps_uncond - eps) for weight, eps in zip(w, eps_conds, strict=True))


def composed_from_another_zero(eps_uncond, eps_conds, w):
    """The weights count from another zero, 1 + w: a single condition with the weight 1 should be followed as it is."""
    return eps_uncond + sum((1 + weight) * (eps - eps_uncond) for weight, eps in zip(w, eps_conds, strict=True))


def composed_with_one_weight(eps_uncond, eps_conds, w):
    """All conditions get the first weight: each has one of its own."""
    return eps_uncond + w[0] * sum(eps - eps_uncond for eps in eps_conds)


def composed_of_a_mean_condition(eps_uncond, eps_conds, w):
    """The conditions are averaged first, and guided by the sum of the weights: then it does not matter which weight is
    whose.
    """
    return eps_uncond + sum(w) * (sum(eps_conds) / len(eps_conds) - eps_uncond)


def _composed(answer, cases, dtype=torch.float32) -> Tensor:
    generator, found = seeded(97), []
    for shape, w in cases:
        eps = torch.randn(1 + len(w), *shape, generator=generator, dtype=torch.float64).to(dtype)
        found.append(answer(eps[0], list(eps[1:]), list(w)))
    return joined(found)


COMPOSED = Exercise(
    id="09.5",
    title="Several conditions at once",
    points=2,
    solution=composed_eps,
    why="Each condition pulls by its own difference, from the same place, and a negative weight pushes. With one condition it "
    "is guidance.",
    hints=(
        "With a single condition it is exercise 06.2: `eps_uncond + w * (eps_cond - eps_uncond)`.",
        "Every condition adds a term of its own, weight times difference. `zip(w, eps_conds)` gives them in pairs.",
        "Begin with `guided = eps_uncond`, and in each turn make `guided + weight * (eps - eps_uncond)` the new one.",
    ),
    trials=(
        Trial(
            lambda answer: _composed(answer, (((2, 1, 3, 4), (1.5, 3.0)),)),
            "Two conditions with the weights 1.5 and 3 do not come out right.",
        ),
        Trial(
            lambda answer: _composed(answer, (((2, 1, 3, 4), (4.0, -2.0)), ((2, 5), (-1.5, 0.5)))),
            "It comes out right, but not where a weight is negative.",
        ),
        Trial(
            lambda answer: _composed(
                answer,
                (
                    ((3, 4, 2, 2), (2.0,)),
                    ((5,), (1, -1, 2)),
                    ((1, 3, 6, 4), (0.5, 7.5, -3.0, 1.0)),
                    ((2, 2), (0.0, 0.0)),
                ),
            ),
            "It comes out right for two conditions, but not for another number of them, or for other weights.",
        ),
        Trial(
            lambda answer: _composed(answer, (((2, 7), (2.5, -1.0, 4.0)),), torch.float64),
            "It comes out right in float32, but not in float64.",
            tolerance=1e-9,
        ),
    ),
    mistakes=(
        composed_without_subtracting,
        composed_of_differences_alone,
        composed_by_average,
        composed_by_shares,
        composed_by_sizes,
        composed_of_the_positive,
        composed_of_the_last,
        composed_of_the_first,
        composed_in_a_chain,
        composed_of_whole_guidances,
        composed_the_other_way,
        composed_from_another_zero,
        composed_with_one_weight,
        composed_of_a_mean_condition,
    ),
    forbidden=(composition.Composed.__call__,),
    on_device=True,
)

# --- 09.6 bug hunt ----------------------------------------------------------------------------------------------------


def put_back_what_is_known(x_s, known, hole, alpha_bar_s, eps):
    return torch.where(hole, x_s, known)


def put_back_by_a_choice(x_s, known, hole, alpha_bar_s, eps):
    """This version returns x_s in the hole, and elsewhere the closed form: which of the two does your test see?"""
    noised = alpha_bar_s**0.5 * known + (1 - alpha_bar_s) ** 0.5 * eps
    return torch.where(hole, x_s, noised)


def put_back_by_masks(x_s, known, hole, alpha_bar_s, eps):
    """This version multiplies by the hole, 0 or 1, and adds up, which is right for finite numbers, to within rounding: leave
    room for it, as torch.allclose does with atol=1e-5.
    """
    inside = hole.to(x_s.dtype)
    signal = torch.as_tensor(alpha_bar_s, dtype=torch.float64).sqrt().to(x_s)
    noise = torch.as_tensor(1 - alpha_bar_s, dtype=torch.float64).sqrt().to(x_s)
    return inside * x_s + (1 - inside) * (signal * known + noise * eps)


def put_back_by_indices(x_s, known, hole, alpha_bar_s, eps):
    """This version rounds a little differently, and is right: leave room for it, as torch.allclose does with atol=1e-5."""
    result, outside = x_s.clone(), ~hole.expand(x_s.shape)
    variance = 1 - alpha_bar_s
    result[outside] = (known[outside].double() * alpha_bar_s**0.5 + eps[outside].double() * variance**0.5).to(x_s.dtype)
    return result


def find_the_grain(put_back):
    x_s = known = torch.zeros(1, 1, 8, 8)
    hole = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    hole[..., 2:6, 2:6] = True
    x = put_back(x_s, known, hole, 0.5, torch.ones(1, 1, 8, 8))
    assert (x[~hole] > 0.5).all(), "halfway down, what is known should be as noisy as the rest"


GRAIN = BugHunt(
    id="09.6",
    title="Bug hunt: a frame without grain",
    points=1,
    broken=put_back_what_is_known,
    correct=(put_back_by_a_choice, put_back_by_masks, put_back_by_indices),
    solution=find_the_grain,
    why="At the last step, where alpha_bar_s is 1, both do the same, and the finished picture has the right frame: so nobody "
    "sees it there. On the way the denoiser is told that everything is noisy, sees a frame that is not, and draws what "
    "does not fit.",
    hints=(
        "Where should the noise `eps` be found in the result, and how much of it?",
        "At `alpha_bar_s = 1` clean pixels are right, and in the hole nothing is put back: look at another time, and outside.",
        "With `known` all zeros and `eps` all ones, the result outside the hole is the noise's factor, a number that you know.",
    ),
    forbidden=(editing.replacement_step,),
)

# --- 09.7 bug hunt ----------------------------------------------------------------------------------------------------


def both_views(eps_at, x_t, t):
    upside_down = x_t.rot90(2, (-2, -1))
    return (eps_at(x_t, t) + eps_at(upside_down, t)) / 2


def both_views_turned_back(eps_at, x_t, t):
    """It returns the mean of two answers, of which the second is turned back. Work out by hand what that is for your eps_at."""
    upside_down = x_t.rot90(2, (-2, -1))
    return (eps_at(x_t, t) + eps_at(upside_down, t).rot90(2, (-2, -1))) / 2


def both_views_by_flips(eps_at, x_t, t):
    """It turns by flipping both axes, and returns the mean, with some rounding."""
    first = eps_at(x_t, t)
    second = eps_at(x_t.flip(-1).flip(-2), t).flip(-2, -1)
    return first + 0.5 * (second - first)


def both_views_the_second_first(eps_at, x_t, t):
    """It asks about the picture upside down first, which is as good: your eps_at should not count its calls."""
    turned = eps_at(torch.rot90(x_t, -2, (-1, -2)), t)
    return 0.5 * torch.rot90(turned, 2, (-2, -1)) + 0.5 * eps_at(x_t, t)


def find_what_stays_turned(both_views):
    above = torch.zeros(1, 1, 4, 4)
    above[..., :2, :] = 1

    def eps_at(x, t):  # it sees noise in the upper half, whichever picture comes
        return above

    eps = both_views(eps_at, torch.randn(1, 1, 4, 4), 500)
    assert torch.allclose(eps, torch.full_like(eps, 0.5)), "turned back, the second answer is about the lower half"


STAYS_TURNED = BugHunt(
    id="09.7",
    title="Bug hunt: a view that stays turned",
    points=1,
    broken=both_views,
    correct=(both_views_turned_back, both_views_by_flips, both_views_the_second_first),
    solution=find_what_stays_turned,
    why="The second answer says where the noise is in the picture as it was seen, upside down. Left like that, each pixel is "
    "told about the one across. Where eps_at's answer looks the same upright and upside down, nobody notices.",
    hints=(
        "`eps_at` is yours to choose, a function of x and t. What would show that its second answer was not turned back?",
        "An answer that looks alike upright and upside down, such as all ones, cannot show it; nor can the mean of all pixels, "
        "or a picture that is symmetric itself. Take an `eps_at` that looks at positions.",
        "Let it answer 1 in the upper half and 0 in the lower, whatever it is shown. What is the mean of that, and of that "
        "turned?",
    ),
    forbidden=(composition.Views.__call__,),
)
