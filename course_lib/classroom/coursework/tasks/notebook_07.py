"""What coursework asks of notebook 07: a student's targets where nothing shrinks, or where ways are straight, and pairs."""

import torch

from course_lib.classroom.chance import seeded
from course_lib.classroom.coursework.task import Question, Variation
from course_lib.classroom.exercise import Trial, joined

# --- 07.V the student's targets, noise without shrinking --------------------------------------------------------------


def pictures_to_be_seen(walk, sigma):
    """The clean picture x_0 that a student has to see at the start of each of its S steps, (B, N, S).

    walk: (B, N, 2·S + 1), B noisy pictures of N numbers at each moment of the teacher's walk, from the noisiest to the last
    sigma: (2·S + 1,), falling: the standard deviation of the noise at these moments; the last may be 0

    Nothing is shrunk: a noisy picture is x_0 + sigma · noise. A step sees a clean picture and a noise in it, keeps both,
    and puts them together with the smaller sigma. Each step of the student has to end where two of the teacher's do.
    """
    start, end = walk[..., :-2:2], walk[..., 2::2]
    left = sigma[2::2] / sigma[:-2:2]
    return (end - left * start) / (1 - left)


def _seen_at(start, end, sigma_start, sigma_end):
    """What is seen at the start of a step that leads from there to the end."""
    left = sigma_end / sigma_start
    return (end - left * start) / (1 - left)


def seen_as_the_course_has_it(walk, sigma):
    """This is the course's target, for pictures that are shrunk: here the factor on the picture is 1 at all times."""
    start, end = walk[..., :-2:2], walk[..., 2::2]
    signal = 1 / (1 + sigma**2).sqrt()
    noise = sigma * signal
    left = noise[2::2] / noise[:-2:2]
    return (end - left * start) / (signal[2::2] - left * signal[:-2:2])


def seen_at_the_end(walk, sigma):
    """These are the noisy pictures where the steps end: that is the target where sigma ends at 0, and nowhere else."""
    return walk[..., 2::2] + 0 * sigma[2::2]


def seen_not_divided(walk, sigma):
    """The noise is taken away, but part of the picture goes with it: divide by the share that is left, 1 - ratio."""
    start, end = walk[..., :-2:2], walk[..., 2::2]
    return end - sigma[2::2] / sigma[:-2:2] * start


def seen_with_a_plus(walk, sigma):
    """A sign is wrong in the divisor: the noise at the start is start - x_0, so x_0 comes in with a minus."""
    start, end = walk[..., :-2:2], walk[..., 2::2]
    left = sigma[2::2] / sigma[:-2:2]
    return (end - left * start) / (1 + left)


def seen_upside_down(walk, sigma):
    """The ratio is upside down: it is the sigma at the end of a step over the one at its start, and so below 1."""
    return _seen_at(walk[..., :-2:2], walk[..., 2::2], sigma[2::2], sigma[:-2:2])


def seen_halfway(walk, sigma):
    """This aims at the teacher's moments in between, which is what the teacher sees already: aim two of its steps ahead."""
    return _seen_at(walk[..., :-2:2], walk[..., 1::2], sigma[:-2:2], sigma[1::2])


def seen_from_halfway(walk, sigma):
    """The steps begin at the teacher's moments in between: a step of the student begins where two of the teacher's begin."""
    return _seen_at(walk[..., 1::2], walk[..., 2::2], sigma[1::2], sigma[2::2])


def seen_on_average(walk, sigma):
    """This is the mean of what the teacher sees in its two steps: where they lead depends on their lengths, too."""
    return (seen_halfway(walk, sigma) + seen_from_halfway(walk, sigma)) / 2


def seen_as_noise(walk, sigma):
    """You have solved for the noise that goes with the target: the picture is asked for."""
    return (walk[..., :-2:2] - walk[..., 2::2]) / (sigma[:-2:2] - sigma[2::2])


def seen_by_variances(walk, sigma):
    """The sigmas are squared: what stands before the noise is the standard deviation itself."""
    return _seen_at(walk[..., :-2:2], walk[..., 2::2], sigma[:-2:2] ** 2, sigma[2::2] ** 2)


def seen_along_the_middle_axis(walk, sigma):
    """The sigmas lie along the numbers of a picture: the moments of the walk are the last axis."""
    return _seen_at(walk[..., :-2:2], walk[..., 2::2], sigma[:-2:2, None], sigma[2::2, None])


def _walked(answer, pictures, numbers, ratios):
    """A walk along sigmas of which each is so many times the one before."""
    sigma = 5 * torch.tensor([1.0, *ratios]).cumprod(dim=0)
    shape = pictures, numbers, len(sigma)
    walk = torch.randn(*shape, generator=seeded(71)) * (1 + sigma)
    return answer(walk, sigma)


def _walked_to_the_end(answer):
    return joined(
        (
            _walked(answer, 2, 5, [0.7, 0.5, 0.3, 0.0]),
            _walked(answer, 4, 1, [0.2, 0.0]),
            _walked(answer, 1, 2, [0.5] * 10),
        )
    )


NOT_SHRUNK = Variation(
    id="07.V",
    title="The student's targets, noise without shrinking",
    points=4,
    text=r"""Many programs do not shrink the picture while they add noise to it ([Karras et al. 2022, *Elucidating the Design
Space of Diffusion-Based Generative Models*](https://arxiv.org/abs/2206.00364)): a noisy picture is $x_0 + \sigma\,\epsilon$,
and $\sigma$ falls from step to step. In such a program a teacher has walked $2S$ steps, and every moment of its walk has
been kept. What does a student have to see in each of its $S$ steps? Find the target of exercise 07.1 anew for this
convention, for all steps at once.""",
    solution=pictures_to_be_seen,
    example="torch.tensor([[[10.0, 6.0, 3.0]]]), torch.tensor([4.0, 2.0, 0.5])",
    why=r"In $\sigma$ such a step is a straight line, and the target is where the line through start and end would arrive at "
    r"$\sigma = 0$.",
    hints=(),
    trials=(
        Trial(
            lambda answer: _walked(answer, 3, 3, [0.8, 0.6, 0.7, 0.5, 0.4, 0.6]),
            "Three steps of a student, for three pictures of three numbers, do not come out right.",
        ),
        Trial(
            _walked_to_the_end,
            "It comes out right for three steps, but not for other numbers of them, or where sigma ends at 0.",
            tolerance=1e-4,
        ),
    ),
    mistakes=(
        seen_as_the_course_has_it,
        seen_at_the_end,
        seen_not_divided,
        seen_with_a_plus,
        seen_upside_down,
        seen_halfway,
        seen_from_halfway,
        seen_on_average,
        seen_as_noise,
        seen_by_variances,
        seen_along_the_middle_axis,
    ),
)

# --- 07.V the student's velocity --------------------------------------------------------------------------------------


def velocity_of_one_step(teacher, x, t, middle, s):
    """The velocity with which one straight step from t to s ends where two of the teacher's end, (N, B).

    teacher: teacher(x, t) gives the velocities, (N, B), of points x, (N, B), at times t, (B,)
    x: (N, B), one point a column, where it is at its time t
    t, middle, s: (B,), the times of each point: t < middle < s, since here 0 is pure noise and 1 the clean picture

    The teacher goes from t to middle, and from there, with the velocity that it gives there, to s.
    """
    first = teacher(x, t)
    second = teacher(x + (middle - t) * first, middle)
    return ((middle - t) * first + (s - middle) * second) / (s - t)


def velocity_as_the_course_has_it(teacher, x, t, middle, s):
    """Here time runs the other way than in the course: a step from t adds (middle - t) times the velocity."""
    first = teacher(x, t)
    second = teacher(x + (t - middle) * first, middle)
    return ((middle - t) * first + (s - middle) * second) / (s - t)


def velocity_as_a_picture(teacher, x, t, middle, s):
    """This is the clean picture that the student would see, as in exercise 07.1: the velocity is asked for."""
    first = teacher(x, t)
    second = teacher(x + (middle - t) * first, middle)
    return x + (1 - t) * ((middle - t) * first + (s - middle) * second) / (s - t)


def velocity_at_the_start(teacher, x, t, middle, s):
    """This is what the teacher says at t: with it, one long step ends where the teacher's own long step would."""
    return teacher(x, t)


def velocity_on_average(teacher, x, t, middle, s):
    """This is the plain mean of two velocities: the middle need not lie halfway, and the longer step counts for more."""
    first = teacher(x, t)
    return (first + teacher(x + (middle - t) * first, middle)) / 2


def velocity_with_lengths_swapped(teacher, x, t, middle, s):
    """Each velocity is weighted by the other's step: the first one holds from t to middle."""
    first = teacher(x, t)
    second = teacher(x + (middle - t) * first, middle)
    return ((s - middle) * first + (middle - t) * second) / (s - t)


def velocity_asked_in_place(teacher, x, t, middle, s):
    """The teacher is asked about x twice: at the middle, ask it about the point where its first step has led."""
    first, second = teacher(x, t), teacher(x, middle)
    return ((middle - t) * first + (s - middle) * second) / (s - t)


def velocity_asked_at_the_old_time(teacher, x, t, middle, s):
    """The second question has the right point, but the old time: it is asked at the middle."""
    first = teacher(x, t)
    second = teacher(x + (middle - t) * first, t)
    return ((middle - t) * first + (s - middle) * second) / (s - t)


def velocity_halved(teacher, x, t, middle, s):
    """This stops halfway between t and s: the middle is given, and may lie elsewhere."""
    first, halfway = teacher(x, t), (t + s) / 2
    return (first + teacher(x + (halfway - t) * first, halfway)) / 2


def velocity_not_divided(teacher, x, t, middle, s):
    """This is how far the two steps lead in all: a velocity is that over the time that it takes."""
    first = teacher(x, t)
    return (middle - t) * first + (s - middle) * teacher(x + (middle - t) * first, middle)


def velocity_for_all_the_way(teacher, x, t, middle, s):
    """It is divided by all the time to the picture, 1 - t: the student's step ends at s."""
    first = teacher(x, t)
    second = teacher(x + (middle - t) * first, middle)
    return ((middle - t) * first + (s - middle) * second) / (1 - t)


def velocity_along_the_first_axis(teacher, x, t, middle, s):
    """The times lie along the numbers of a point: here each column is a point, with times of its own."""
    first = teacher(x, t)
    to_middle, onwards = (middle - t)[:, None], (s - middle)[:, None]
    return (to_middle * first + onwards * teacher(x + to_middle * first, middle)) / (to_middle + onwards)


def _bent(x, t):
    """A teacher whose ways are bent: velocities that depend on place, time, and a point's other numbers."""
    return torch.sin(2 * x + 3 * t) + 0.5 * x.roll(1, dims=0)


def _velocities(answer, numbers, points):
    generator = seeded(72)
    x = torch.randn(numbers, points, generator=generator)
    t, first, second = 0.05 + 0.25 * torch.rand(3, points, generator=generator)
    return answer(_bent, x, t, t + first, t + first + second)


def _velocities_from_end_to_end(answer):
    """Other sizes, and all the way from noise to picture, by a middle near one end and near the other."""
    x = torch.randn(3, 2, generator=seeded(73))
    all_the_way = answer(_bent, x, torch.zeros(2), torch.tensor([0.1, 0.8]), torch.ones(2))
    return joined((_velocities(answer, 2, 5), _velocities(answer, 6, 1), all_the_way))


STRAIGHT = Variation(
    id="07.V",
    title="The student's velocity",
    points=4,
    text=r"""In *rectified flow* (Liu et al. 2022, linked in section 1) noise and picture are joined by a straight line, and
the network gives the *velocity* along it: a step adds the time that it takes, times the velocity, and the time runs from
0, noise, to 1, picture. Halving works here as well. Let the teacher take its two steps, and find the velocity that a student
has to give at their beginning.""",
    solution=velocity_of_one_step,
    example="lambda x, t: t - x, torch.tensor([[1.0], [3.0]]), torch.tensor([0.0]), torch.tensor([0.25]), torch.tensor([1.0])",
    why="Both steps add up to a way, and a velocity is a way over its time: the mean of the two, weighted by their lengths.",
    hints=(),
    trials=(
        Trial(lambda answer: _velocities(answer, 4, 4), "Four points of four numbers do not come out right."),
        Trial(
            _velocities_from_end_to_end,
            "It comes out right for four points, but not for other sizes, or not from t = 0 to s = 1.",
        ),
    ),
    mistakes=(
        velocity_as_the_course_has_it,
        velocity_as_a_picture,
        velocity_at_the_start,
        velocity_on_average,
        velocity_with_lengths_swapped,
        velocity_asked_in_place,
        velocity_asked_at_the_old_time,
        velocity_halved,
        velocity_not_divided,
        velocity_for_all_the_way,
        velocity_along_the_first_axis,
    ),
)

# --- 07.E a better last student ---------------------------------------------------------------------------------------

LAST_STUDENT = Question(
    id="07.E",
    title="A better last student",
    text=r"""Write down what came of the open experiment of section 5. A table first: what you changed, one thing at a
time and then perhaps several together, and both numbers of the last student. Then the lines of code that gave your best.
Then what you conclude: what helped, what did not, what did it cost, and which differences may be chance? The numbers to
beat: at most 1.7 % on no arm, at most 0.08 off.""",
    criteria=(
        (1, "At least three changes, each on its own, with both numbers, beside the notebook's 3.5 % and 0.08."),
        (1, "At most 1.7 % on no arm, and at most 0.08 off, with the code that gives it."),
        (
            1,
            "A conclusion that the numbers carry: what helped, and at what price. Half a point is chance, by a second seed "
            "or by √(0.035 · 0.965 / 2000) = 0.4 %.",
        ),
    ),
    model=r"""| what | on no arm | off |
|---|---|---|
| as in the notebook | 3.5 % | 0.08 |
| the same with other seeds, three times | 2.8 to 3.1 % | 0.08 |
| without the division by n_t | 4.5 % | 0.08 |
| 512 points a batch | 2.7 % | 0.08 |
| points along the seams three times as often | 3.5 % | 0.08 |
| learning rate from 1e-2 down, not from 3e-3 | 1.8 % | 0.08 |
| `ArmNet(width=256)` | 2.0 % | 0.08 |
| 2,000 updates for each student | **1.7 %** | 0.08 |
| 2,000 updates and width 256 | 1.2 % | 0.08 |
| 2,000 updates and learning rate 1e-2 | 1.2 % | 0.08 |
| 4,000 updates | **0.9 %** | 0.07 |

My best: `def train_student(teacher, steps, updates=4000)`, nothing else.

The number is beaten, and the plainest change did it: longer training. Four trainings with 2,000 updates gave 1.2 to
1.7 %, four with 1,000 gave 2.8 to 3.5 %, so that is not chance. A larger learning rate and a wider network help as well,
and add up with it. So the students were not finished: what is lost is lost along the seams, where the map is steep, and
a network becomes steep slowly. I cannot say that more points a batch help, nor that points along the seams do: one
training and the next are as far apart. Without the division by n_t it is worse, if not by much. The price is time: four
times as many updates take four times as long. "Off" hardly moves, for it can hardly fall below what the sixteen exact
steps are off, 0.07.""",
)

# --- 07.Q without halving ---------------------------------------------------------------------------------------------

WITHOUT_HALVING = Question(
    id="07.Q",
    title="A student without a teacher",
    text=r"""A classmate wants the student of one step at once. "Where a step ends at $s = 0$, the target is the finished
picture. So I draw noises, I draw points of the data, and at $t = 1000$ I teach a fresh network to see the point in the
noise, by the squared error. That is the loss of exercise 07.2, and there is no teacher to wait for." What will her
student draw, and why? What changes if the target for each noise is the end of sixteen exact steps from it? And what does
that cost, compared with halving? Four to six sentences.""",
    criteria=(
        (
            2,
            "Noise and point are drawn independently, so the noise says nothing of the point, and the squared error is "
            "smallest for the mean of all data: every noise ends in the middle, where the arms meet, as with one exact step.",
        ),
        (
            1,
            "With the end of its own walk for a target, each noise has one right answer: there is nothing to average but along "
            "the seams, and the arms come out.",
        ),
        (
            1,
            "The price: sixteen calls of the teacher for each target, where halving takes two. So it is a real alternative, "
            "not a mistake.",
        ),
    ),
    model=r"""Her noises and points have nothing to do with one another. For each noise every point of the data is an
equally good target, and the squared error is smallest for their mean: her student brings every noise to one place, the
middle where the arms meet, just as a single step of the exact denoiser does. The formula is that of 07.2, but the pairs
are others: there the target is the end of a walk that began at this very noise. With such ends as targets each noise has
one right answer, and the student can learn the arms, up to the seams, where neighbouring noises end far apart and are
averaged. For each target the teacher is called sixteen times, where in halving it is called twice. (I tried it. On
random pairs all 2,000 points end within 0.01 of the middle, and the loss stays near 0.85, the variance of the data in
each direction. With the teacher's ends 5.9 % are on no arm after 1,000 updates and 1.3 % after 4,000; the notebook's
chain, 4,000 updates in all, has 3.5 %. So it works, for eight times as many calls of the teacher.)""",
)
