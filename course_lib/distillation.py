r"""Distillation: a student that needs few steps learns from a teacher that needs many.

Two steps of the teacher, from t by way of a middle to s, lead from x_t to some x_s. A student
that is to get there in a single step of DDIM has to predict one certain picture, which is its target:

.. math:: \tilde x_0 = \frac{x_s - r\,x_t}{\text{signal}_s - r\,\text{signal}_t}, \qquad
          r = \frac{\text{noise}_s}{\text{noise}_t}.

The student needs half as many steps as its teacher. Then it is the teacher, and is halved again. If the first teacher is
guided, every student draws as if it were: guidance costs nothing any more, and its scale is fixed.

Sources: Salimans, Ho 2022, *Progressive Distillation for Fast Sampling of Diffusion Models*, algorithm 2; Meng et al. 2023,
*On Distillation of Guided Diffusion Models*.
"""

from itertools import islice

import torch
from torch import Tensor

from course_lib.denoisers import Denoiser, NetDenoiser, Prediction, signal_and_noise
from course_lib.forward import add_noise, noise_like
from course_lib.sampling import ddim_step, last, sample
from course_lib.schedules import Schedule, require_schedule
from course_lib.support.arguments import (
    require_finite,
    require_generator,
    require_number,
    require_rows,
    require_same_shape,
    require_tensor,
    require_whole_number,
)


def one_step_target(schedule: Schedule, x_t: Tensor, t: float | Tensor, x_s: Tensor, s: float | Tensor) -> Tensor:
    r"""The picture that a denoiser has to see in x_t so that ``ddim_step`` goes from there to x_s.

    Args:
        x_t, x_s: the start and the end of the step, (B, …) both.
        t, s: their times, s below t, one for all or one for each row; t in 0…T, s may be 0, where the target is x_s.

    Returns:
        :math:`\tilde x_0` of the formula above, (B, …).
    """
    require_schedule(schedule)
    require_tensor("x_t", x_t)
    require_rows("x_t", x_t)
    require_same_shape("x_s", x_s, "x_t", x_t)
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    if not (n_s < n_t).all():
        raise ValueError("s must be below t in every row.")
    ratio = n_s / n_t
    return ((x_s - ratio.to(x_t) * x_t) / (a_s - ratio * a_t).to(x_t)).to(x_t)


def halving_loss(
    student: NetDenoiser,
    teacher: Denoiser,
    x_0: Tensor,
    steps: int,
    cond: Tensor | None = None,
    generator: torch.Generator | None = None,
    walker: Denoiser | None = None,
) -> Tensor:
    """How far a student of so many steps is from a teacher that takes two for each of them, shape ().

    Each picture is noised to the beginning of one of the student's steps, drawn at random; from there the teacher walks
    two steps. The error is that of what the network predicts. For v this weights the error of the picture by 1 / noise²,
    which is 1 where there is only noise, and larger where little is left to be done (Salimans, Ho, "SNR + 1").

    A noised picture of the data is not quite what a student comes across on its way, and its mistakes add up. So some of
    the rows may begin where its own walk leads (Kohler et al. 2024, *Imagine Flash*, "backward distillation").

    Args:
        student: whose network is trained.
        teacher: of the same schedule, and frozen: the student of twice as many steps, or a guided denoiser.
        x_0: clean pictures, (B, …).
        steps: of the student, as in ``schedule.times(steps)``.
        cond: handed to both, a row for each picture.
        generator: for steps and noise.
        walker: the student, or an average of it, whose own walk from noise every other row begins on, the second, the
            fourth …; x_0 does not matter there. None: all rows are noised pictures.
    """
    if not isinstance(student, NetDenoiser):
        raise TypeError(f"student must be a NetDenoiser, which has a network, but got {type(student).__name__}.")
    require_finite("x_0", x_0)
    require_rows("x_0", x_0)
    require_generator("generator", generator)
    schedule = student.schedule
    require_whole_number("steps", steps)
    require_number("steps", steps, 1, schedule.T // 2)  # the teacher takes twice as many
    times = torch.tensor(schedule.times(2 * steps))  # (2 steps + 1,)
    _require_schedule_of("teacher", teacher, schedule, times)
    if walker is not None:
        _require_schedule_of("walker", walker, schedule, times)
    place = torch.randint(steps, (len(x_0),), generator=generator)  # (B,), of the student's steps
    t, middle, s = times[2 * place], times[2 * place + 1], times[2 * place + 2]
    x_t = add_noise(schedule, x_0, t, noise_like(x_0, generator))  # (B, …)
    if walker is not None and len(x_0) > 1:
        words = None if cond is None else cond[1::2]
        x_t[1::2] = _on_its_walk(walker, noise_like(x_0[1::2], generator), place[1::2], steps, words)
    x_s = last(sample(teacher, x_t, [t, middle, s], ddim_step, cond))
    target = Prediction.from_x_0(one_step_target(schedule, x_t, t, x_s, s), x_t, *signal_and_noise(schedule, t, x_t))
    answer = student.net(x_t, t.to(x_t.device), cond)
    require_same_shape("what the network answers", answer, "x_0", x_0)
    return (answer - student.target(target.x_0, t, target.eps)).square().mean()


def _require_schedule_of(name: str, denoiser: Denoiser, schedule: Schedule, times: Tensor) -> None:
    """Refuse a denoiser that does not see what the student sees at these times."""
    own = getattr(denoiser, "schedule", None)
    if not callable(denoiser) or own is None:
        raise TypeError(f"{name} must be a denoiser with a schedule, but got {type(denoiser).__name__}.")
    x = torch.zeros(len(times), 1)
    same = own.T == schedule.T and all(
        torch.allclose(mine, other)
        for mine, other in zip(own.signal_and_noise(times, x), schedule.signal_and_noise(times, x), strict=True)
    )
    if not same:
        raise ValueError(f"{name} must have the student's schedule, but at the same times it adds other noise.")


def _on_its_walk(walker: Denoiser, noise: Tensor, place: Tensor, steps: int, cond: Tensor | None) -> Tensor:
    """Where a walk of so many steps from this noise, (B, …), is at the beginning of a step, (B,) in 0…steps - 1."""
    walk = islice(sample(walker, noise, walker.schedule.times(steps), ddim_step, cond), steps)
    states = torch.stack([each.x.to(noise.dtype) for each in walk])  # (steps, B, …)
    return states[place, torch.arange(len(noise))]
