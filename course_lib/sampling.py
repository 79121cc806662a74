r"""Sampling: walking from noise back to a picture.

One loop, ``sample``, and three rules for a single step from x_t to x_s. A rule is a pure function of the
schedule and the denoiser's answer. Change the rule and the same network draws by DDPM, DDIM or DPM-Solver++.

Sources: Ho et al. 2020 (DDPM), equations 6, 7; Song, Meng, Ermon 2021, *Denoising Diffusion Implicit Models*,
equations 12, 16; Lu et al. 2022, *DPM-Solver++*, algorithm 2.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_lib.denoisers import Denoiser, Prediction
from course_lib.forward import Generators, noise_like
from course_lib.schedules import Schedule, require_schedule
from course_lib.support.arguments import (
    require_count,
    require_finite,
    require_number,
    require_rows,
    require_tensor,
    require_times,
)


class LazyPrediction:
    """A ``Prediction`` that is computed when it is first used, and never if it is not.

    Args:
        denoiser, x, t, cond: what to ask, and about what.
    """

    def __init__(self, denoiser: Denoiser, x: Tensor, t: float | Tensor, cond: Tensor | None) -> None:
        self._denoiser, self._x, self._t, self._cond = denoiser, x, t, cond

    @cached_property
    def _answer(self) -> Prediction:
        return self.elsewhere(self._x, self._t)

    @property
    def x_0(self) -> Tensor:
        return self._answer.x_0

    @property
    def eps(self) -> Tensor:
        return self._answer.eps

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._answer)

    def __getitem__(self, place: int) -> Tensor:
        return self._answer[place]

    @torch.no_grad()
    def elsewhere(self, x: Tensor, t: float | Tensor) -> Prediction:
        """What the same denoiser says, under the same condition, of another x_t: for rules that look before they step."""
        return self._denoiser(x, t, self._cond)


class _Moment(NamedTuple):
    t: float | Tensor
    x: Tensor
    pred: Prediction | LazyPrediction | None


class Step(_Moment):
    """One moment of sampling: the time t, the picture x = x_t, and what the denoiser says of it (None at the end).

    ``previous`` is the moment before, which has its own ``previous``, for rules that look further back; ``sample`` keeps
    three.
    """

    previous: "Step | None" = None

    def __new__(
        cls,
        t: float | Tensor,
        x: Tensor,
        pred: Prediction | LazyPrediction | None,
        previous: "Step | None" = None,
    ) -> "Step":
        step = super().__new__(cls, t, x, pred)
        step.previous = previous  # beside the tuple, which is unpacked as three
        return step


Rule = Callable[[Schedule, Step, float | Tensor, Step | None, Generators], Tensor]
"""rule(schedule, now, s, previous, generator) -> x_s: one step from now.t to s; previous is the step before now."""

_REMEMBERED = 3


def ddpm_step(
    schedule: Schedule,
    now: Step,
    s: float | Tensor,
    previous: Step | None = None,
    generator: Generators = None,
) -> Tensor:
    r"""Ancestral sampling: draw x_s from :math:`q(x_s \mid x_t, x_0)` with the predicted x_0 (Ho et al., equations 6 and 7).

    .. math:: x_s = \frac{\sqrt{\bar\alpha_s}\,\beta_{t|s}}{1-\bar\alpha_t}\,x_0
              + \frac{\sqrt{1-\beta_{t|s}}\,(1-\bar\alpha_s)}{1-\bar\alpha_t}\,x_t
              + \sqrt{\frac{1-\bar\alpha_s}{1-\bar\alpha_t}\,\beta_{t|s}}\;z,
              \qquad \beta_{t|s} = 1 - \frac{\bar\alpha_t}{\bar\alpha_s}.

    In the code, a and n are the schedule's factors of picture and noise: :math:`\bar\alpha = a^2`, :math:`1-\bar\alpha = n^2`.
    The variance that comes between s and t is then :math:`\beta_{t|s} = n_t^2 - (a_t/a_s)^2\,n_s^2`, with every schedule.

    With s = t-1 this is the paper's step; a larger step is the same formula. At s = 0 the noise vanishes by itself.
    """
    _require_step(schedule, now, s)
    _require_downwards(now.t, s)
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, now.x) for time in (now.t, s))
    beta = n_t**2 - (a_t / a_s * n_s) ** 2
    mean = _scale(a_s * beta / n_t**2, now.pred.x_0) + _scale(a_t / a_s * n_s**2 / n_t**2, now.x)
    return mean + _scale(beta.sqrt() * n_s / n_t, noise_like(now.x, generator))


def ddim_step(
    schedule: Schedule,
    now: Step,
    s: float | Tensor,
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
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, now.x) for time in (now.t, s))
    if eta == 0:
        return _scale(a_s, now.pred.x_0) + _scale(n_s, now.pred.eps)
    _require_downwards(now.t, s)
    sigma = eta * n_s / n_t * (n_t**2 - (a_t / a_s * n_s) ** 2).sqrt()
    x_s = _scale(a_s, now.pred.x_0) + _scale((n_s**2 - sigma**2).clamp(min=0).sqrt(), now.pred.eps)
    return x_s + _scale(sigma, noise_like(now.x, generator))


def dpmpp_2m_step(
    schedule: Schedule,
    now: Step,
    s: float | Tensor,
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
    if previous is None:
        return ddim_step(schedule, now, s)
    _require_step(schedule, previous, now.t)
    if _any(previous.t == now.t):
        raise ValueError(f"previous must be at another time than now, but both are at {now.t}.")
    (a_u, n_u), (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, now.x) for time in (previous.t, now.t, s))
    lambda_u, lambda_t, lambda_s = (a_u / n_u).log(), (a_t / n_t).log(), (a_s / n_s).log()
    h, h_previous = lambda_s - lambda_t, lambda_t - lambda_u
    onwards = torch.where(n_s == 0, 0, h / (2 * h_previous))
    extrapolated = now.pred.x_0 + _scale(onwards, now.pred.x_0 - previous.pred.x_0)
    return _scale(n_s / n_t, now.x) + _scale(a_s * -torch.expm1(-h), extrapolated)


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    x: Tensor,
    times: Sequence[float | Tensor],
    rule: Rule = ddim_step,
    cond: Tensor | None = None,
    generator: Generators = None,
) -> Iterator[Step]:
    """Walk x along the given times and yield every moment on the way.

    The denoiser is called once a step, and not at all where neither the rule nor the caller uses its prediction.

    Args:
        denoiser: what to ask, at every time but the last.
        x: the start, x_t at times[0]; standard Gaussian noise if that is T. Shape (B, …).
        times: such as ``schedule.times(50)``; any walk without standing still, above 0 and up to T but for the last,
            which may be 0. Downwards draws, upwards inverts, from the middle is image-to-image. They need not be whole
            numbers, and each may be a tensor, (B,), with a time for each row.
        rule: how to take one step.
        cond: handed to the denoiser, one row for each picture; None for none.
        generator: for the rules that add noise; None for torch's own. From one generator, the noise of a picture depends
            on how many are drawn together. From a sequence of generators, one for each row of x, it does not: picture k
            of a batch comes out again when it is drawn alone, from its own start and its own generator.

    Yields:
        len(times) steps: the start with its prediction first, the result last, without one.
    """
    if not callable(denoiser) or not hasattr(denoiser, "schedule"):
        raise TypeError(
            "denoiser must be a denoiser, such as pretrained.fashion().denoiser or NetDenoiser(net, schedule, predicts), "
            f"but got {type(denoiser).__name__}."
        )
    if not callable(rule):
        raise TypeError(f"rule must be a function, such as ddim_step, but got {rule!r:.60}.")
    times = _checked_times(denoiser.schedule, times)
    require_finite("x", x)
    require_rows("x", x)
    if isinstance(cond, Tensor) and cond.ndim and len(cond) != len(x):
        raise ValueError(f"cond must have a row for each of the {len(x)} rows of x, but it has {len(cond)}.")
    previous = None
    for t, s in pairwise(times):
        now = Step(t, x, LazyPrediction(denoiser, x, t, cond), previous)
        yield now
        x = rule(denoiser.schedule, now, s, previous, generator)
        previous = _remembered(now, _REMEMBERED)
    yield Step(times[-1], x, None, previous)


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
    times: Sequence[float | Tensor],
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
    """A float64 factor, one or one for each row, times x, in x's dtype: it is rounded once, after all arithmetic on it."""
    return (factor.to(x) if factor.ndim else factor.item()) * x


def _any(condition: bool | Tensor) -> bool:
    """Whether something holds, of one time or of any row's."""
    return bool(torch.as_tensor(condition).any())


def _remembered(step: Step | None, count: int) -> Step | None:
    """A step with no more than ``count`` moments in its memory, itself among them: a long walk would fill the computer's."""
    if step is None or count == 0:
        return None
    return Step(*step, _remembered(step.previous, count - 1))


def _checked_times(schedule: Schedule, times: Sequence[float | Tensor]) -> list[float | Tensor]:
    require_schedule(schedule)
    if not isinstance(times, Iterable):
        raise TypeError(f"times must be a list of times such as schedule.times(50), but got {times!r}.")
    times = [t.item() if isinstance(t, np.generic) or (isinstance(t, Tensor) and not t.ndim) else t for t in times]
    if len(times) < 2:
        raise ValueError(f"times must hold at least a start and an end, but got {times}.")
    for t in times:
        require_times("every time", t, schedule.T)
    for t, s in pairwise(times):
        if _any(t == 0):
            raise ValueError(
                "every time but the last must be above 0: from 0, where the picture is clean, there is no further step."
            )
        if _any(t == s):
            raise ValueError(f"times must change at every step, but {t} stands there twice in a row.")
    return times


def _require_step(schedule: Schedule, now: Step, s: float | Tensor) -> None:
    require_schedule(schedule)
    if not isinstance(now, Step):
        raise TypeError(f"now and previous must be Steps, but got {type(now).__name__}.")
    if now.pred is None:
        raise ValueError(
            f"a step from t = {now.t} needs a prediction there, but pred is None, as at the end of a walk."
        )
    for name, time in (("t", now.t), ("s", s)):
        require_times(name, time, schedule.T)
    if _any(now.t == 0):
        raise ValueError("t must be above 0: from 0, where the picture is clean, there is no further step.")


def _require_downwards(t: float | Tensor, s: float | Tensor) -> None:
    if _any(s >= t):
        raise ValueError(f"this rule adds noise and only walks down: s must be below t = {t}, but got s = {s}.")
