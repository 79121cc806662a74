r"""Editing: what can be done with a picture that is there already, by a rule or a walk around the same denoiser.

=====================  =====================================================================================
fill a hole            ``replacement_step``, a rule: after every step, put back what is known
fill it coherently     ``repaint_step``, the same, on ``repaint_times``, a walk that goes up again and again
change a picture       ``image_to_image``: noise it part of the way, and walk back
find a picture's noise ``inversion_step`` on ``inversion_times``: DDIM, walked upwards
=====================  =====================================================================================

None of them knows whether x is made of pixels or of latents, nor what a condition says.

Sources: Song et al. 2021, *Score-Based Generative Modeling through Stochastic Differential Equations*, appendix I.2
(replacement); Lugmayr et al. 2022, *RePaint: Inpainting using Denoising Diffusion Probabilistic Models*, algorithm 1; Meng et
al. 2022, *SDEdit*, algorithm 1; Song, Meng, Ermon 2021, *Denoising Diffusion Implicit Models*, section 4.3 (inversion); Pan et
al. 2023, *Effective Real Image Editing with Accelerated Iterative Diffusion Inversion*, section 3 (its fixed point).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from numbers import Real

import torch
from torch import Tensor

from course_lib.denoisers import Denoiser
from course_lib.forward import Generators, add_noise, noise_further, noise_like
from course_lib.sampling import Rule, Step, ddim_step, sample
from course_lib.schedules import Schedule, require_schedule
from course_lib.support.arguments import (
    require_count,
    require_finite,
    require_hole,
    require_number,
    require_rows,
    require_same_shape,
)


def replacement_step(
    schedule: Schedule,
    now: Step,
    s: float | Tensor,
    previous: Step | None = None,
    generator: Generators = None,
    *,
    known: Tensor,
    hole: Tensor,
    rule: Rule = ddim_step,
) -> Tensor:
    r"""A step of ``rule`` in the hole, and outside it the known picture, noised to the same time.

    .. math:: x_s = h \odot \text{rule}(x_t) + (1 - h) \odot \big(\text{signal}_s\,x_0 + \text{noise}_s\,\epsilon\big),
              \qquad \epsilon \sim N(0, I).

    At s = 0 there is no noise: what is known comes out exactly as it was handed over. To use it, hand
    ``functools.partial(replacement_step, known=x_0, hole=hole)`` to ``sample``.

    Args:
        known: the picture x_0, of x's shape; what it holds in the hole does not matter, but must be finite.
        hole: bool, broadcastable to x's shape, True where x is to be drawn.
        rule: what walks down inside.
    """
    _require_known(known, hole, now.x)
    x_s = rule(schedule, now, s, previous, generator)
    return torch.where(hole, x_s, add_noise(schedule, known, s, noise_like(known, generator)))


def repaint_step(
    schedule: Schedule,
    now: Step,
    s: float | Tensor,
    previous: Step | None = None,
    generator: Generators = None,
    *,
    known: Tensor,
    hole: Tensor,
    rule: Rule = ddim_step,
) -> Tensor:
    """``replacement_step`` where the walk goes down, and noise where it goes up again: for the walks of ``repaint_times``.

    After a step down, the hole was drawn without knowing what would be put beside it. Noise both further, together, and
    the next step down sees them side by side. On the way up the denoiser is not asked.

    Args as of ``replacement_step``. A walk that turns round has no use for what the rule remembers of the steps before.
    """
    if bool(torch.as_tensor(s > now.t).all()):
        return noise_further(schedule, now.x, now.t, s, noise_like(now.x, generator))
    return replacement_step(schedule, now, s, None, generator, known=known, hole=hole, rule=rule)


def repaint_times(times: Sequence[float], jump: int, resamplings: int) -> list[float]:
    """A walk along the given times on which each stretch of ``jump`` steps is walked ``resamplings`` times.

    From the end of a stretch it goes up to the beginning in one leap; from time 0, the clean picture, never. So
    ``repaint_times([4, 3, 2, 1, 0], jump=2, resamplings=2)`` is 4 3 2, 4 3 2, 1, 2 1, 0.

    Args:
        times: downwards, such as ``schedule.times(50)``.
        jump: how many steps it is from the beginning of a stretch to its end; the last may be shorter.
        resamplings: how often each is walked; 1 gives the times as they are.
    """
    require_count("jump", jump)
    require_count("resamplings", resamplings)
    if not isinstance(times, Sequence) or not all(isinstance(t, Real) for t in times):
        raise TypeError(f"times must be a list of numbers, as schedule.times(50) is, but got {times!r:.60}.")
    if len(times) < 2 or not all(s < t for t, s in pairwise(times)):
        raise ValueError(f"times must go down at every step, as schedule.times(50) does, but got {times!r:.60}.")
    *noisy, end = times
    walk = noisy[:1]
    for first in range(0, len(noisy) - 1, jump):
        stretch = noisy[first : first + jump + 1]
        walk += stretch[1:] + (resamplings - 1) * stretch
    return [*walk, end]


def image_to_image(
    denoiser: Denoiser,
    x_0: Tensor,
    strength: float,
    steps: int,
    rule: Rule = ddim_step,
    cond: Tensor | None = None,
    generator: Generators = None,
) -> Iterator[Step]:
    """Noise a picture part of the way, and walk back: coarse shapes stay, what the noise has covered is drawn anew.

    Args:
        denoiser, rule, cond: as of ``sample``.
        x_0: the pictures to begin with, (B, …).
        strength: how much of the way, above 0 and up to 1, which is the whole way and leaves nothing of the picture.
        steps: of the whole way, ``schedule.times(steps)``; of these the last ``strength · steps`` are walked, at least one.
        generator: for the noise at the beginning, and for rules that add some.

    Yields:
        The steps, as ``sample`` does.
    """
    require_finite("x_0", x_0)
    require_rows("x_0", x_0)
    require_count("steps", steps)
    times = last_share(denoiser.schedule.times(steps), strength)
    x = add_noise(denoiser.schedule, x_0, times[0], noise_like(x_0, generator))
    return sample(denoiser, x, times, rule, cond, generator)


def last_share(times: Sequence[float], strength: float) -> list[float]:
    """The end of a walk: of its steps the last share, above 0 and up to 1, and at least one step."""
    require_number("strength", strength, 0, 1)
    if strength == 0:
        raise ValueError("strength must be above 0: at 0 nothing would change.")
    return list(times)[-1 - max(1, round(float(strength) * (len(times) - 1))) :]


def inversion_step(
    schedule: Schedule,
    now: Step,
    s: float | Tensor,
    previous: Step | None = None,
    generator: Generators = None,
    *,
    refinements: int = 0,
) -> Tensor:
    r"""DDIM upwards: the noisier x_s from which ``ddim_step`` would have come to x_t.

    The step down from x_s uses the noise that is seen *there*, which cannot be known before one is there. So plain inversion
    takes the noise seen in x_t; each refinement looks again, from where the last one has led:

    .. math:: x_s \leftarrow \frac{\text{signal}_s}{\text{signal}_t}\,\big(x_t - \text{noise}_t\,\epsilon_\theta(x_s, s)\big)
              + \text{noise}_s\,\epsilon_\theta(x_s, s).

    A fixed point of it is exact: the way down returns to x_t. Deterministic; the generator is not used.

    Args:
        refinements: how often to look again, each a call of the denoiser; 0 is ``ddim_step``. To choose, hand
            ``functools.partial(inversion_step, refinements=3)`` to ``sample``.
    """
    require_count("refinements", refinements, at_least=0)
    if bool(torch.as_tensor(s <= now.t).any()):
        raise ValueError(f"inversion walks up: s must be above t = {now.t}, but got s = {s}.")
    x_s = ddim_step(schedule, now, s)
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, now.x) for time in (now.t, s))
    for _ in range(refinements):
        eps = now.pred.elsewhere(x_s, s).eps
        # x_t's factor, and the noise's, each rounded once
        x_s = (a_s / a_t).to(now.x) * now.x + (n_s - a_s / a_t * n_t).to(now.x) * eps
    return x_s


def inversion_times(schedule: Schedule, steps: int) -> list[float]:
    """The times of ``schedule.times(steps)`` upwards, from 1, where a clean picture may stand for x_1, to T."""
    require_schedule(schedule)
    return [1, *(t for t in reversed(schedule.times(steps)) if t > 1)]


def _require_known(known: Tensor, hole: Tensor, x: Tensor) -> None:
    require_finite("known", known)
    require_same_shape("known", known, "x", x)
    if known.dtype != x.dtype:
        raise TypeError(
            f"known must have the dtype of x, {x.dtype}, but its dtype is {known.dtype}: use known.to({x.dtype})."
        )
    require_hole("hole", hole, "x", x)
