"""The exercises of notebook 07: a student's target, its loss, halving to the end, a bug hunt, what a picture costs."""

from itertools import pairwise

import torch
from torch import Tensor

from course_lib import distillation
from course_lib.classroom.chance import seeded
from course_lib.classroom.exercise import BugHunt, Exercise, Trial, joined
from course_lib.classroom.guarding import WrongAnswerError
from course_lib.denoisers import GaussianDenoiser, IdealDenoiser, Prediction, signal_and_noise
from course_lib.sampling import Step, ddim_step, last, sample
from course_lib.schedules import NoiseSchedule

_COSINE, _LINEAR = NoiseSchedule.cosine(), NoiseSchedule.linear()

# --- 07.1 the target --------------------------------------------------------------------------------------------------


def one_step_target(schedule, x_t, t, x_s, s):
    a_t, n_t = (each.to(x_t) for each in schedule.signal_and_noise(t, x_t))
    a_s, n_s = (each.to(x_t) for each in schedule.signal_and_noise(s, x_t))
    ratio = n_s / n_t
    return (x_s - ratio * x_t) / (a_s - ratio * a_t)


def target_of_the_end(schedule, x_t, t, x_s, s):
    """This is x_s itself. It is the right target where s = 0; before that, x_s still holds noise."""
    return x_s


def target_without_the_start(schedule, x_t, t, x_s, s):
    """This only rescales x_s, as if it held no noise. Take away the noise that the step keeps: it depends on x_t."""
    a_s, _ = schedule.signal_and_noise(s, x_t)
    return (x_s / a_s).to(x_t)


def target_not_divided(schedule, x_t, t, x_s, s):
    """The numerator is right. What is left of x_0 in it has a factor, by which it has to be divided."""
    (_, n_t), (_, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    return (x_s - n_s / n_t * x_t).to(x_t)


def target_divided_by_one_signal(schedule, x_t, t, x_s, s):
    """It is divided by signal_s alone. But eps holds x_0, too: its share has to be taken away from the factor."""
    (_, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    return ((x_s - n_s / n_t * x_t) / a_s).to(x_t)


def target_with_a_plus(schedule, x_t, t, x_s, s):
    """A sign is wrong: replace eps by (x_t - signal_t x_0) / noise_t, and x_0 comes with a minus in the second place."""
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    return ((x_s - n_s / n_t * x_t) / (a_s + n_s / n_t * a_t)).to(x_t)


def target_with_a_plus_above(schedule, x_t, t, x_s, s):
    """A sign is wrong: the noise that the step keeps has to be taken away from x_s, with a minus."""
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    return ((x_s + n_s / n_t * x_t) / (a_s - n_s / n_t * a_t)).to(x_t)


def target_upside_down(schedule, x_t, t, x_s, s):
    """The ratio is upside down: it is noise_s over noise_t, which is small, since the step takes noise away."""
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    ratio = n_t / n_s.clamp(min=1e-12)
    return ((x_s - ratio * x_t) / (a_s - ratio * a_t)).to(x_t)


def target_of_signals(schedule, x_t, t, x_s, s):
    """This is the noise that goes with the target. Either signal and noise have changed places (``signal_and_noise`` gives
    the factor of the picture first), or you have solved for eps.
    """
    (n_t, a_t), (n_s, a_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    return ((x_s - n_s / n_t * x_t) / (a_s - n_s / n_t * a_t)).to(x_t)


def target_of_mixed_ends(schedule, x_t, t, x_s, s):
    """x_t stands with the factors of s, and x_s with those of t: each belongs to its own time."""
    (a_s, n_s), (a_t, n_t) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    ratio = n_s / n_t.clamp(min=1e-12)
    return ((x_s - ratio * x_t) / (a_s - ratio * a_t)).to(x_t)


def target_of_squares(schedule, x_t, t, x_s, s):
    """The factors are squared. ``signal_and_noise`` gives the roots already, as they stand before picture and noise."""
    (a_t, n_t), (a_s, n_s) = (schedule.signal_and_noise(time, x_t) for time in (t, s))
    ratio = (n_s / n_t) ** 2
    return ((x_s - ratio * x_t) / (a_s**2 - ratio * a_t**2)).to(x_t)


def _targets(target, schedule, shape, steps) -> Tensor:
    generator = seeded(71)
    return joined(target(schedule, *_between(generator, shape, t, s)) for t, s in steps)


def _between(generator, shape, t, s) -> tuple:
    x_t, x_s = torch.randn(2, *shape, generator=generator)
    return x_t, t, x_s, s


def _rows(target) -> Tensor:
    generator = seeded(72)
    t, s = torch.tensor([1000, 750, 30]), torch.tensor([500, 0, 10])
    return target(_COSINE, *_between(generator, (3, 2, 4, 4), t, s))


TARGET = Exercise(
    id="07.1",
    title="What the student should see",
    points=3,
    solution=one_step_target,
    why="Two unknowns, x_0 and eps, and two equations: both x_t and x_s are made of them. The second one is DDIM's step, "
    "the first says what eps is once x_0 is known.",
    hints=(
        "Write down both equations: `x_t = a_t x_0 + n_t eps` and `x_s = a_s x_0 + n_s eps`.",
        "Solve the first for eps and put it into the second: only x_0 is unknown now.",
        "`x_s - (n_s / n_t) * x_t` is what is left of x_0, times a factor. Which one?",
    ),
    trials=(
        Trial(
            lambda target: _targets(target, _COSINE, (3, 2), ((1000, 500), (500, 250))),
            "Points on their way from t = 1000 to 500, and from 500 to 250, do not come out right.",
            tolerance=1e-4,
        ),
        Trial(
            lambda target: _targets(target, _COSINE, (3, 2), ((1000, 0), (250, 0))),
            "It comes out right in the middle of the way, but not for steps that end at s = 0.",
            tolerance=1e-4,
        ),
        Trial(
            lambda target: _targets(target, _LINEAR, (2, 4, 3, 3), ((800, 600), (400, 100), (125, 62))),
            "It comes out right for points and the cosine schedule, but not for pictures with linear betas.",
            tolerance=1e-4,
        ),
        Trial(
            _rows,
            "It comes out right for one time, but not for pictures, (B, C, H, W), of which every one has times of its own.",
            tolerance=1e-4,
        ),
    ),
    mistakes=(
        target_of_the_end,
        target_without_the_start,
        target_not_divided,
        target_divided_by_one_signal,
        target_with_a_plus,
        target_with_a_plus_above,
        target_upside_down,
        target_of_signals,
        target_of_mixed_ends,
        target_of_squares,
    ),
    forbidden=(distillation.one_step_target,),
)

# --- 07.2 the loss ----------------------------------------------------------------------------------------------------


def halving_loss(student, teacher, x_t, t, middle, s):
    with torch.no_grad():
        x_s = last(sample(teacher, x_t, [t, middle, s]))
        x_0 = one_step_target(teacher.schedule, x_t, t, x_s, s)
    _, noise = teacher.schedule.signal_and_noise(t, x_t)
    return ((student(x_t, t).x_0 - x_0) / noise.to(x_t)).square().mean()


def _halved(student, teacher, x_t, t, middle, s, path=None, predicted=None, weight=1):
    """The loss with another path, another prediction, or weights 1 / noise to another power."""
    with torch.no_grad():
        x_s = last(sample(teacher, x_t, path or [t, middle, s]))
        x_0 = one_step_target(teacher.schedule, x_t, t, x_s, s)
    _, noise = teacher.schedule.signal_and_noise(t, x_t)
    predicted = student(x_t, t).x_0 if predicted is None else predicted
    return ((predicted - x_0) / noise.to(x_t) ** weight).square().mean()


def loss_without_weights(student, teacher, x_t, t, middle, s):
    """Divide the error by noise_t before squaring. Without it, steps near the end, whose errors nothing mends, count less."""
    return _halved(student, teacher, x_t, t, middle, s, weight=0)


def loss_with_the_weights_twice(student, teacher, x_t, t, middle, s):
    """The squared error is divided by noise_t to the fourth power: divide by noise_t before squaring, and only there."""
    return _halved(student, teacher, x_t, t, middle, s, weight=2)


def loss_with_half_the_weights(student, teacher, x_t, t, middle, s):
    """The squared error is divided by noise_t, which belongs inside the square: divide first, then square."""
    return _halved(student, teacher, x_t, t, middle, s, weight=0.5)


def loss_of_one_long_step(student, teacher, x_t, t, middle, s):
    """The target is what the teacher sees at t, which one step gives, however long: it has to stop in the middle, look
    again, and go on to s.
    """
    return _halved(student, teacher, x_t, t, middle, s, path=[t, s])


def loss_of_the_place(student, teacher, x_t, t, middle, s):
    """The student's picture is compared with x_s, which still holds noise: turn it into a target first, with 07.1."""
    with torch.no_grad():
        x_s = last(sample(teacher, x_t, [t, middle, s]))
    _, noise = teacher.schedule.signal_and_noise(t, x_t)
    return ((student(x_t, t).x_0 - x_s) / noise.to(x_t)).square().mean()


def loss_of_ends(student, teacher, x_t, t, middle, s):
    """The ends of both ways are compared. Compare pictures: what the student sees at t, and the target, with 07.1."""
    with torch.no_grad():
        x_s = last(sample(teacher, x_t, [t, middle, s]))
    return (ddim_step(teacher.schedule, Step(t, x_t, student(x_t, t)), s) - x_s).square().mean()


def loss_of_teaching_oneself(student, teacher, x_t, t, middle, s):
    """The student walks the two steps itself: what it is to learn comes from its teacher."""
    return _halved(student, student, x_t, t, middle, s)


def loss_of_the_wrong_pupil(student, teacher, x_t, t, middle, s):
    """It is the teacher whose prediction is compared with the target: the student's should be."""
    with torch.no_grad():
        predicted = teacher(x_t, t).x_0
    return _halved(student, teacher, x_t, t, middle, s, predicted=predicted)


def loss_of_noise(student, teacher, x_t, t, middle, s):
    """The noises are compared, and at t = 1000, where there is only noise, they hardly differ: compare the pictures."""
    schedule = teacher.schedule
    with torch.no_grad():
        x_0 = one_step_target(schedule, x_t, t, last(sample(teacher, x_t, [t, middle, s])), s)
    target = Prediction.from_x_0(x_0, x_t, *signal_and_noise(schedule, t, x_t))
    return (student(x_t, t).eps - target.eps).square().mean()


def loss_of_distance(student, teacher, x_t, t, middle, s):
    """These are distances, not their squares."""
    with torch.no_grad():
        x_0 = one_step_target(teacher.schedule, x_t, t, last(sample(teacher, x_t, [t, middle, s])), s)
    _, noise = teacher.schedule.signal_and_noise(t, x_t)
    return ((student(x_t, t).x_0 - x_0) / noise.to(x_t)).abs().mean()


def loss_summed(student, teacher, x_t, t, middle, s):
    """The squares are added up: take their mean, or the loss grows with the batch."""
    return _halved(student, teacher, x_t, t, middle, s) * x_t.numel()


class _Shifted:
    """A Gaussian's denoiser with one weight: where it believes the mean to be."""

    def __init__(self, mean: float, std: float, schedule: NoiseSchedule) -> None:
        self.mean, self.std, self.schedule = torch.tensor(mean, requires_grad=True), std, schedule

    def __call__(self, x_t: Tensor, t: int | Tensor, cond: Tensor | None = None) -> Prediction:
        return GaussianDenoiser(self.mean, self.std, self.schedule)(x_t, t)


_STEPS = torch.tensor([[1000, 800, 500], [500, 250, 0], [250, 187, 125], [125, 62, 0]])


def _loss(loss, schedule=_COSINE, times=_STEPS, shape=(2,)) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of a student, and its gradients on the student's weight and on the teacher's (0 for none)."""
    student, teacher = _Shifted(0.5, 1.2, schedule), _Shifted(2.0, 0.5, schedule)
    x_t = torch.randn(len(times), *shape, generator=seeded(73))
    with torch.enable_grad():
        value = loss(student, teacher, x_t, *times.T)
        if student.mean.grad is not None:
            raise WrongAnswerError(
                "Your function calls backward(), which is the training loop's work: only return the loss."
            )
        if not value.requires_grad:
            return value, torch.zeros(()), torch.zeros(())
        try:
            value.backward()
        except RuntimeError as error:
            raise WrongAnswerError(
                f"The loss that comes back cannot be differentiated: {str(error).splitlines()[0][:120]}"
            ) from None
    gradients = (torch.zeros(()) if each.mean.grad is None else each.mean.grad for each in (student, teacher))
    return value.detach(), *gradients


def _losses(loss) -> Tensor:
    few = _STEPS[[1, 0]]
    return joined([_loss(loss, _LINEAR, few, (3, 2))[0], _loss(loss, _COSINE, _STEPS[[2]], (4,))[0]])


LOSS = Exercise(
    id="07.2",
    title="The loss of one halving",
    points=3,
    solution=halving_loss,
    why="The teacher walks, without a gradient; its end is turned into a picture, and the student is asked for that picture. "
    "Divided by the noise, an error of the picture is an error of v: late steps, whose errors nothing mends, count for more.",
    hints=(
        "Three lines: where do two steps of the teacher end, which target is that, and how far is the student from it?",
        "`sample(teacher, x_t, [t, middle, s])` walks two steps, and `last(…)` gives the end. `one_step_target` is yours.",
        "`student(x_t, t).x_0` minus the target, divided by `noise.to(x_t)`, which "
        "`teacher.schedule.signal_and_noise(t, x_t)` gives second; then the mean of the squares.",
    ),
    trials=(
        Trial(lambda loss: _loss(loss)[0], "The loss of a student of four steps does not come out right."),
        Trial(_losses, "It comes out right for points and the cosine schedule, but not for others."),
        Trial(
            lambda loss: _loss(loss)[2],
            "The loss comes out right, but its gradient reaches the teacher, too, which would then learn from its pupil: "
            "let the teacher walk under torch.no_grad().",
        ),
        Trial(
            lambda loss: _loss(loss)[1],
            "The loss comes out right, but its gradient on the student's weight does not: is the student asked under "
            "torch.no_grad(), or its answer detached?",
            tolerance=1e-4,
        ),
    ),
    mistakes=(
        loss_without_weights,
        loss_with_the_weights_twice,
        loss_with_half_the_weights,
        loss_of_one_long_step,
        loss_of_the_place,
        loss_of_ends,
        loss_of_teaching_oneself,
        loss_of_the_wrong_pupil,
        loss_of_noise,
        loss_of_distance,
        loss_summed,
    ),
    forbidden=(distillation.halving_loss,),
)

# --- 07.3 halving to the end ------------------------------------------------------------------------------------------


def distil(teacher, steps, train_student):
    students = {}
    while steps > 1:
        steps = steps // 2
        teacher = train_student(teacher, steps)
        students[steps] = teacher
    return students


def distil_from_the_first(teacher, steps, train_student):
    """Every student has the first teacher, which takes far more than twice its steps: a trained student teaches the next."""
    students = {}
    while steps > 1:
        steps = steps // 2
        students[steps] = train_student(teacher, steps)
    return students


def distil_too_early(teacher, steps, train_student):
    """The first student takes as many steps as its teacher: halve first, then train."""
    students = {}
    while steps > 1:
        teacher = train_student(teacher, steps)
        students[steps] = teacher
        steps = steps // 2
    return students


def distil_to_two(teacher, steps, train_student):
    """It stops at two steps: there is one more student, that of a single step."""
    students = {}
    while steps > 2:
        steps = steps // 2
        teacher = train_student(teacher, steps)
        students[steps] = teacher
    return students


def distil_once(teacher, steps, train_student):
    """One halving, and no more: go on until a student takes a single step."""
    return {steps // 2: train_student(teacher, steps // 2)}


def distil_by_one(teacher, steps, train_student):
    """Each student takes one step less than its teacher: it should take half as many."""
    students = {}
    while steps > 1:
        steps = steps - 1
        teacher = train_student(teacher, steps)
        students[steps] = teacher
    return students


def distil_with_teachers_steps(teacher, steps, train_student):
    """The students are right, but filed under their teachers' numbers of steps."""
    students = {}
    while steps > 1:
        before, steps = steps, steps // 2
        teacher = train_student(teacher, steps)
        students[before] = teacher
    return students


def distil_and_keep_the_last(teacher, steps, train_student):
    """Only the last student is handed back: all of them are asked for."""
    while steps > 1:
        steps = steps // 2
        teacher = train_student(teacher, steps)
    return {steps: teacher}


def distil_from_below(teacher, steps, train_student):
    """It begins with one step and doubles: the teacher of the student of one step is not there yet. Begin at the top."""
    students, count = {}, 1
    while count < steps:
        teacher = train_student(teacher, count)
        students[count] = teacher
        count = 2 * count
    return students


def distil_told_the_teachers_steps(teacher, steps, train_student):
    """``train_student`` is told how many steps the teacher takes: it wants to know how many the student will."""
    students = {}
    while steps > 1:
        teacher = train_student(teacher, steps)
        steps = steps // 2
        students[steps] = teacher
    return students


def distil_to_nothing(teacher, steps, train_student):
    """It goes on to zero steps: the student of one step is the last."""
    students = {}
    while steps > 0:
        steps = steps // 2
        teacher = train_student(teacher, steps)
        students[steps] = teacher
    return students


def distil_and_keep_the_teachers(teacher, steps, train_student):
    """Each teacher is filed in its student's place: put the student there that it has trained."""
    students = {}
    while steps > 1:
        steps = steps // 2
        students[steps] = teacher
        teacher = train_student(teacher, steps)
    return students


def distil_with_the_teacher(teacher, steps, train_student):
    """The first teacher is among the students: it was not trained here."""
    students = {steps: teacher}
    while steps > 1:
        steps = steps // 2
        teacher = train_student(teacher, steps)
        students[steps] = teacher
    return students


def _lineage(distil, steps: int) -> Tensor:
    """Who learned from whom: for each student its steps, and the steps of all its teachers, from the first on."""

    def train_student(teacher: tuple[int, ...], steps: int, updates: int = 1000) -> tuple[int, ...]:
        if type(steps) is not int:
            raise TypeError(f"the number of steps must be a whole number, but got {steps!r}: halve it with //.")
        return (*teacher, steps)

    students = distil((steps,), steps, train_student)
    for count, lineage in students.items():
        if type(count) is not int or not isinstance(lineage, tuple):
            raise WrongAnswerError(
                "The dictionary should hold what train_student returned, each student under the number of its steps."
            )
    rows = [[count, *lineage, *[0] * (70 - len(lineage))] for count, lineage in sorted(students.items())]
    return torch.tensor(rows, dtype=torch.float64)


HALVING = Exercise(
    id="07.3",
    title="Halving to the end",
    points=1,
    solution=distil,
    why="That the student becomes the teacher is one line. So no student has to learn more than two steps of somebody.",
    hints=(
        "A loop that goes on while there is more than one step.",
        "Halve the steps, train a student, keep it. Who teaches the next one?",
        "`teacher = train_student(teacher, steps)`, and then `students[steps] = teacher`.",
    ),
    trials=(
        Trial(
            lambda distil: _lineage(distil, 16),
            "From a teacher of 16 steps, other students come than those of 8, 4, 2 and 1, each taught by the one before.",
        ),
        Trial(
            lambda distil: joined(_lineage(distil, steps) for steps in (2, 4, 64)),
            "It is right for a teacher of 16 steps, but not for one of 2, 4 or 64.",
        ),
    ),
    mistakes=(
        distil_from_the_first,
        distil_too_early,
        distil_to_two,
        distil_once,
        distil_by_one,
        distil_with_teachers_steps,
        distil_and_keep_the_last,
        distil_with_the_teacher,
        distil_from_below,
        distil_told_the_teachers_steps,
        distil_to_nothing,
        distil_and_keep_the_teachers,
    ),
)

# --- 07.4 bug hunt ----------------------------------------------------------------------------------------------------


def two_steps(teacher, x_t, t, middle, s):
    pred = teacher(x_t, t)
    x_middle = ddim_step(teacher.schedule, Step(t, x_t, pred), middle)
    return ddim_step(teacher.schedule, Step(middle, x_middle, pred), s)


def two_steps_by_the_loop(teacher, x_t, t, middle, s):
    return last(sample(teacher, x_t, [t, middle, s]))


def two_steps_by_hand(teacher, x_t, t, middle, s):
    for start, end in ((t, middle), (middle, s)):
        x_t = ddim_step(teacher.schedule, Step(start, x_t, teacher(x_t, start)), end)
    return x_t


def find_the_bug(two_steps):
    teacher = IdealDenoiser(torch.tensor([[-1.0], [1.0]]), NoiseSchedule.cosine())
    x_t = torch.randn(8, 1)
    x_s = two_steps(teacher, x_t, 1000, 500, 0)
    expected = last(sample(teacher, x_t, [1000, 500, 0]))
    assert torch.allclose(x_s, expected, atol=1e-4), "two steps should end where two steps of sample end"


OLD_ANSWER = BugHunt(
    id="07.4",
    title="Bug hunt: a student that learns nothing",
    points=2,
    broken=two_steps,
    correct=(two_steps_by_the_loop, two_steps_by_hand),
    solution=find_the_bug,
    why="The teacher is asked once and its answer used twice. DDIM's step is a straight line for as long as the answer "
    "stays the same, so two such steps end where one long step ends, and the target is what the teacher says already.",
    hints=(
        "How often should the teacher be asked on the way from t to s?",
        "Take a teacher whose answer changes on the way: `IdealDenoiser(torch.tensor([[-1.0], [1.0]]), schedule)`.",
        "`last(sample(teacher, x_t, [t, middle, s]))` ends where two steps should end.",
    ),
)

# --- 07.5 what a picture costs ----------------------------------------------------------------------------------------


def speedups(stages):
    costs = [calls * call + rest for calls, call, rest in stages]
    return [costs[k] / costs[k + 1] for k in range(len(costs) - 1)]


def speedups_from_the_first(stages):
    """Each stage is compared with the first: compare it with the one before, so that the product is the whole."""
    costs = [calls * call + rest for calls, call, rest in stages]
    return [costs[0] / after for after in costs[1:]]


def speedups_of_calls(stages):
    """Only the numbers of calls are compared: a call does not cost the same everywhere."""
    return [before[0] / after[0] for before, after in pairwise(stages)]


def speedups_without_the_rest(stages):
    """The rest is left out. It is paid once for each picture, and the fewer the calls, the more it counts."""
    costs = [calls * call for calls, call, _ in stages]
    return [before / after for before, after in pairwise(costs)]


def speedups_with_the_rest_each_time(stages):
    """The rest is paid at every call: it comes once for each picture."""
    costs = [calls * (call + rest) for calls, call, rest in stages]
    return [before / after for before, after in pairwise(costs)]


def speedups_upside_down(stages):
    """The ratios are upside down: before over after, which is above 1 where it became quicker."""
    costs = [calls * call + rest for calls, call, rest in stages]
    return [after / before for before, after in pairwise(costs)]


def speedups_as_differences(stages):
    """These are differences: how many times quicker is a ratio."""
    costs = [calls * call + rest for calls, call, rest in stages]
    return [before - after for before, after in pairwise(costs)]


def _of(speedups, *stages) -> Tensor:
    ratios = list(speedups(list(stages)))
    if len(ratios) != len(stages) - 1:
        raise WrongAnswerError(
            f"Return one number for each remedy, so one fewer than stages: {len(stages) - 1} here, and not {len(ratios)}."
        )
    return torch.tensor([float(each) for each in ratios], dtype=torch.float64)


ACCOUNT = Exercise(
    id="07.5",
    title="What each remedy brings",
    points=1,
    solution=speedups,
    why="Remedies that act on different factors multiply: fewer calls, cheaper calls. The rest is no factor, and in the end "
    "it sets the limit.",
    hints=(
        "What does one picture cost at one stage? A product and a sum.",
        "`calls * call + rest`, for each stage.",
        "Each cost divided by the next one: `costs[k] / costs[k + 1]`.",
    ),
    trials=(
        Trial(
            lambda speedups: _of(speedups, (1000, 32.0, 0.0), (25, 32.0, 0.0), (25, 2.0, 3.0)),
            "A thousand calls, then 25, then 25 that cost a sixteenth, do not come out right.",
        ),
        Trial(
            lambda speedups: joined(
                (
                    _of(speedups, (2, 3.0, 1.0), (4, 0.5, 1.5), (8, 0.5, 1.5), (8, 0.5, 1.5)),
                    _of(speedups, (50, 0.5, 2.0), (4, 0.5, 2.0), (1, 0.5, 2)),
                )
            ),
            "It comes out right for three stages, but not for others.",
        ),
    ),
    mistakes=(
        speedups_from_the_first,
        speedups_of_calls,
        speedups_without_the_rest,
        speedups_with_the_rest_each_time,
        speedups_upside_down,
        speedups_as_differences,
    ),
)
