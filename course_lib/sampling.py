r"""Sampling: walking from noise back to a picture.

One loop, ``sample``, and three rules for a single step from x_t to x_s. A rule is a pure function of the
schedule and the denoiser's answer; it never calls the network. Change the rule and the same network draws by
DDPM, DDIM or DPM-Solver++.

Sources: Ho et al. 2020 (DDPM), equations 6, 7; Song, Meng, Ermon 2021, *Denoising Diffusion Implicit Models*,
equations 12, 16; Lu et al. 2022, *DPM-Solver++*, algorithm 2.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.arguments import (
    require_between,
    require_count,
    require_finite,
    require_number,
    require_rows,
    require_tensor,
    require_whole_number,
)
from course_lib.denoisers import Denoiser, Prediction
from course_lib.forward import Generators, noise_like
from course_lib.schedules import NoiseSchedule, require_schedule


class Step(NamedTuple):
    """One moment of sampling: the time t, the picture x = x_t, and what the denoiser said of it (None at the end)."""

    t: int
    x: Tensor
    pred: Prediction | None


Rule = Callable[[NoiseSchedule, Step, int, Step | None, Generators], Tensor]
"""rule(schedule, now, s, previous, generator) -> x_s: one step from now.t to s; previous is the step before now."""


def ddpm_step(
    schedule: NoiseSchedule,
    now: Step,
    s: int,
    previous: Step | None = None,
    generator: Generators = None,
) -> Tensor:
    r"""Ancestral sampling: draw x_s from :math:`q(x_s \mid x_t, x_0)` with the predicted x_0 (Ho et al., equations 6 and 7).

    .. math:: x_s = \frac{\sqrt{\bar\alpha_s}\,\beta_{t|s}}{1-\bar\alpha_t}\,x_0
              + \frac{\sqrt{1-\beta_{t|s}}\,(1-\bar\alpha_s)}{1-\bar\alpha_t}\,x_t
              + \sqrt{\frac{1-\bar\alpha_s}{1-\bar\alpha_t}\,\beta_{t|s}}\;z,
              \qquad \beta_{t|s} = 1 - \frac{\bar\alpha_t}{\bar\alpha_s}.

    With s = t-1 this is the paper's step; a larger step is the same formula. At s = 0 the noise vanishes by itself.
    """
    _require_step(schedule, now, s)
    _require_downwards(now.t, s)
    a_t, a_s = schedule.alpha_bar[now.t], schedule.alpha_bar[s]
    beta = 1 - a_t / a_s
    mean = _scale(a_s.sqrt() * beta / (1 - a_t), now.pred.x_0) + _scale(
        (1 - beta).sqrt() * (1 - a_s) / (1 - a_t), now.x
    )
    variance = (1 - a_s) / (1 - a_t) * beta
    return mean + _scale(variance.sqrt(), noise_like(now.x, generator))


def ddim_step(
    schedule: NoiseSchedule,
    now: Step,
    s: int,
    previous: Step | None = None,
    generator: Generators = None,
    *,
    eta: float = 0.0,
) -> Tensor:
    r"""DDIM: put the predicted picture and the predicted noise together again at time s (Song et al., equations 12 and 16).

    .. math:: x_s = \sqrt{\bar\alpha_s}\,x_0 + \sqrt{1-\bar\alpha_s-\sigma^2}\,\epsilon + \sigma z, \qquad
              \sigma = \eta\,\sqrt{\frac{1-\bar\alpha_s}{1-\bar\alpha_t}\Big(1-\frac{\bar\alpha_t}{\bar\alpha_s}\Big)}.

    eta = 0 is deterministic and may also walk upwards, s > t (inversion); eta = 1 is ``ddpm_step``. To choose
    another eta, hand ``functools.partial(ddim_step, eta=0.5)`` to ``sample``.
    """
    _require_step(schedule, now, s)
    require_number("eta", eta, 0, 1)
    a_t, a_s = schedule.alpha_bar[now.t], schedule.alpha_bar[s]
    if eta == 0:
        return _scale(a_s.sqrt(), now.pred.x_0) + _scale((1 - a_s).sqrt(), now.pred.eps)
    _require_downwards(now.t, s)
    sigma = eta * ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)).sqrt()
    x_s = _scale(a_s.sqrt(), now.pred.x_0) + _scale((1 - a_s - sigma**2).clamp(min=0).sqrt(), now.pred.eps)
    return x_s + _scale(sigma, noise_like(now.x, generator))


def dpmpp_2m_step(
    schedule: NoiseSchedule,
    now: Step,
    s: int,
    previous: Step | None = None,
    generator: Generators = None,
) -> Tensor:
    r"""DPM-Solver++(2M): DDIM, with x_0 extrapolated from the last two predictions (Lu et al., algorithm 2).

    With :math:`\lambda = \log(\sqrt{\bar\alpha}/\sqrt{1-\bar\alpha})`, :math:`h = \lambda_s - \lambda_t` and r the
    previous h over this one:

    .. math:: D = x_0 + \frac{1}{2r}\,(x_0 - x_0^{\text{previous}}), \qquad
              x_s = \frac{\sqrt{1-\bar\alpha_s}}{\sqrt{1-\bar\alpha_t}}\,x_t + \sqrt{\bar\alpha_s}\,(1 - e^{-h})\,D.

    The first step has no previous prediction, and into s = 0, where :math:`\lambda` is infinite, nothing can be
    extrapolated: both are first order, that is, DDIM. Deterministic; the generator is not used.
    """
    _require_step(schedule, now, s)
    if previous is None or s == 0:
        return ddim_step(schedule, now, s)
    _require_step(schedule, previous, now.t)
    if previous.t == now.t:
        raise ValueError(f"previous must be at another time than now, but both are at {now.t}.")
    a_t, a_s = schedule.alpha_bar[now.t], schedule.alpha_bar[s]
    log_snr_half = 0.5 * schedule.snr.log()  # (T+1,): lambda
    h, h_previous = log_snr_half[s] - log_snr_half[now.t], log_snr_half[now.t] - log_snr_half[previous.t]
    extrapolated = now.pred.x_0 + _scale(h / (2 * h_previous), now.pred.x_0 - previous.pred.x_0)
    return _scale(((1 - a_s) / (1 - a_t)).sqrt(), now.x) + _scale(a_s.sqrt() * -torch.expm1(-h), extrapolated)


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    x: Tensor,
    times: Sequence[int],
    rule: Rule = ddim_step,
    cond: Tensor | None = None,
    generator: Generators = None,
) -> Iterator[Step]:
    """Walk x along the given times, one denoiser call a step, and yield every moment on the way.

    Args:
        denoiser: what to ask at every time but the last.
        x: the start, x_t at times[0]; standard Gaussian noise if that is T. Shape (B, …).
        times: such as ``schedule.times(50)``; any walk without standing still, in 1…T but for the last, which may
            be 0. Downwards draws, upwards inverts, from the middle is image-to-image.
        rule: how to take one step.
        cond: handed to the denoiser, one row for each picture; None for none.
        generator: for the rules that add noise; None for torch's own. From one generator, the noise of a picture depends
            on how many are drawn together. From a sequence of generators, one for each row of x, it does not: picture k
            of a batch comes out again when it is drawn alone, from its own start and its own generator.

    Yields:
        len(times) steps: the start with its prediction first, the result last, without one.
    """
    times = _checked_times(denoiser.schedule, times)
    require_finite("x", x)
    require_rows("x", x)
    if isinstance(cond, Tensor) and cond.ndim and len(cond) != len(x):
        raise ValueError(f"cond must have a row for each of the {len(x)} rows of x, but it has {len(cond)}.")
    previous = None
    for t, s in pairwise(times):
        now = Step(t, x, denoiser(x, t, cond))
        yield now
        x = rule(denoiser.schedule, now, s, previous, generator)
        previous = now
    yield Step(times[-1], x, None)


def last(steps: Iterator[Step]) -> Tensor:
    """Run a sampler to its end and return its result, x of the last step."""
    end = deque(steps, maxlen=1)
    if not end:
        raise ValueError(
            "steps must hold a step, but there is none left: a walk is used up once, so call sample again."
        )
    return end[0].x


def sample_many(
    denoiser: Denoiser,
    x: Tensor,
    times: Sequence[int],
    rule: Rule = ddim_step,
    cond: Tensor | None = None,
    generator: Generators = None,
    size: int = 250,
) -> Tensor:
    """The results of ``sample`` alone, for more pictures than fit at once: ``size`` at a time.

    Arguments as of ``sample``. The answer, (N, …), is on the CPU.
    """
    require_count("size", size)
    require_tensor("x", x)
    require_rows("x", x)
    if cond is not None:
        require_rows("cond", cond)
    for name, each in (("cond", cond), ("generator", generator)):
        if isinstance(each, Tensor | Sequence) and len(each) != len(x):
            raise ValueError(f"{name} must have a row for each of the {len(x)} rows of x, but it has {len(each)}.")
    drawn = []
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        some = None if cond is None else cond[rows]
        own = generator[rows] if isinstance(generator, Sequence) else generator
        drawn.append(last(sample(denoiser, x[rows], times, rule, some, own)).cpu())
    return torch.cat(drawn)


def _scale(factor: Tensor, x: Tensor) -> Tensor:
    """A float64 factor times x, in x's dtype: the factor is rounded once, after all arithmetic on it."""
    return factor.item() * x


def _checked_times(schedule: NoiseSchedule, times: Sequence[int]) -> list[int]:
    require_schedule(schedule)
    if not isinstance(times, Iterable):
        raise TypeError(f"times must be a list of times such as schedule.times(50), but {times!r} came.")
    times = list(times)
    for t in times:
        require_whole_number("times", t)
    times = [int(t) for t in times]
    if len(times) < 2:
        raise ValueError(f"times must hold at least a start and an end, but {times} came.")
    for t, s in pairwise(times):
        require_between("every time but the last", t, 1, schedule.T)
        if t == s:
            raise ValueError(f"times must change at every step, but {t} stands there twice in a row.")
    require_between("the last time", times[-1], 0, schedule.T)
    return times


def _require_step(schedule: NoiseSchedule, now: Step, s: int) -> None:
    require_schedule(schedule)
    if not isinstance(now, Step):
        raise TypeError(f"now and previous must be Steps, but a {type(now).__name__} came.")
    if now.pred is None:
        raise ValueError(
            f"a step from t = {now.t} needs a prediction there, but pred is None, as at the end of a walk."
        )
    for name, time, low in (("t", now.t, 1), ("s", s, 0)):
        require_whole_number(name, time)
        require_number(name, time, low, schedule.T)


def _require_downwards(t: int, s: int) -> None:
    if not 0 <= s < t:
        raise ValueError(f"this rule adds noise and only walks down: s must lie in 0…{t - 1}, but s = {s} came.")
