"""What coursework asks of notebook 02: back from a velocity, the loss of a straight path, times to train on, and a floor."""

import math
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from course_lib.classroom.chance import seeded
from course_lib.classroom.coursework.task import Experiment, Question, Variation
from course_lib.classroom.exercise import Trial
from course_lib.classroom.guarding import WrongAnswerError
from course_lib.denoisers import NetDenoiser
from course_lib.forward import add_noise, noise_like
from course_lib.networks.time_embedding import embed_time
from course_lib.sampling import last, sample
from course_lib.schedules import NoiseSchedule
from course_lib.training import TrainState, draw_times, train, warm_up_then_fall

# --- 02.V picture and noise from a velocity ---------------------------------------------------------------------------


def picture_and_noise(x, velocity, u):
    """The clean pictures and the noise in them, stacked: (2, N, B), the pictures first.

    x, velocity: (N, B), each column a noisy picture of N pixels, and its velocity
    u: (B,), from 0, the picture, to 1, the noise: x = cos(u · 90°) · picture + sin(u · 90°) · noise
    velocity: the derivative of x with respect to u, for this picture and this noise
    """
    angle = u * math.pi / 2
    v = velocity / (math.pi / 2)
    return torch.stack([angle.cos() * x - angle.sin() * v, angle.sin() * x + angle.cos() * v])


def velocity_as_the_course_has_it(x, velocity, u):
    """This takes the velocity for the course's v. But the angle grows by π/2 while u grows by 1: a factor is missing."""
    angle = u * math.pi / 2
    return torch.stack([angle.cos() * x - angle.sin() * velocity, angle.sin() * x + angle.cos() * velocity])


def velocity_multiplied(x, velocity, u):
    """This multiplies the velocity by π/2. It has that factor in it already: divide by it."""
    angle = u * math.pi / 2
    v = velocity * (math.pi / 2)
    return torch.stack([angle.cos() * x - angle.sin() * v, angle.sin() * x + angle.cos() * v])


def velocity_in_degrees(x, velocity, u):
    """This hands degrees to cos and sin, which take radians: 90° are π/2."""
    angle = u * 90
    v = velocity / 90
    return torch.stack([angle.cos() * x - angle.sin() * v, angle.sin() * x + angle.cos() * v])


def velocity_by_alpha_bar(x, velocity, u):
    """This takes 1 − u for alpha_bar. Here u gives an angle, and alpha_bar would be the square of its cosine."""
    signal, noise = (1 - u).sqrt(), u.sqrt()
    v = velocity / (math.pi / 2)
    return torch.stack([signal * x - noise * v, noise * x + signal * v])


def velocity_along_a_line(x, velocity, u):
    """This follows the velocity in a straight line, but the path from picture to noise is an arc: rotate back along it."""
    return torch.stack([x - u * velocity, x + (1 - u) * velocity])


def velocity_rotated_on(x, velocity, u):
    """This rotates the wrong way, further on: the velocity has to be subtracted to get the picture, and added for the noise."""
    angle = u * math.pi / 2
    v = velocity / (math.pi / 2)
    return torch.stack([angle.cos() * x + angle.sin() * v, angle.cos() * v - angle.sin() * x])


def velocity_for_noise(x, velocity, u):
    """This takes the velocity for the noise itself. It is a mixture of noise and picture."""
    angle = u * math.pi / 2
    return torch.stack([(x - angle.sin() * velocity) / angle.cos(), velocity])


def velocity_noise_first(x, velocity, u):
    """Both are right, but in the wrong order: the pictures come first."""
    angle = u * math.pi / 2
    v = velocity / (math.pi / 2)
    return torch.stack([angle.sin() * x + angle.cos() * v, angle.cos() * x - angle.sin() * v])


def velocity_along_the_first_axis(x, velocity, u):
    """This takes the first axis for that of the batch, but here each column is a picture."""
    angle = (u * math.pi / 2)[:, None]
    v = velocity / (math.pi / 2)
    return torch.stack([angle.cos() * x - angle.sin() * v, angle.sin() * x + angle.cos() * v])


def _velocity(answer, shape, u):
    x, velocity = torch.randn(2, *shape, generator=seeded(21))  # (N, B) each
    return answer(x, velocity, u)


VELOCITY = Variation(
    id="02.V",
    title="Picture and noise from a velocity",
    points=4,
    text=r"""Another program moves from picture to noise along an arc, $x_u = \cos(\tfrac\pi2 u)\,x_0 +
\sin(\tfrac\pi2 u)\,\epsilon$, with $u$ from 0 to 1 in place of a time, and its network predicts the *velocity*
$dx_u/du$. It keeps each picture as a column of numbers. Write what its sampler needs: from $x_u$ and the velocity back
to the picture and the noise. At both ends of the way, too, the results have to be numbers.""",
    solution=picture_and_noise,
    example="torch.tensor([[1.0, 1.0, 1.0]]), torch.tensor([[0.0, 2.0, 2.0]]), torch.tensor([0.0, 0.5, 1.0])",
    why=r"Divided by $\pi/2$ the velocity is the course's $v$, and the pair of $x_u$ and $v$ is rotated back.",
    hints=(),
    trials=(
        Trial(
            lambda answer: _velocity(answer, (4, 4), torch.tensor([0.3, 0.8, 0.1, 0.6])),
            "Four pictures do not come out right.",
        ),
        Trial(
            lambda answer: _velocity(answer, (5, 3), torch.tensor([1.0, 0.0, 0.4])),
            "At the ends, u = 0 and u = 1, it is not right.",
        ),
    ),
    mistakes=(
        velocity_as_the_course_has_it,
        velocity_multiplied,
        velocity_in_degrees,
        velocity_by_alpha_bar,
        velocity_along_a_line,
        velocity_rotated_on,
        velocity_for_noise,
        velocity_noise_first,
        velocity_along_the_first_axis,
    ),
)

# --- 02.V the loss of a straight path ---------------------------------------------------------------------------------


def straight_loss(net, picture, noise, t, weight):
    """The loss of a batch of clips, a tensor of shape ().

    net: called as net(x, t), predicts the derivative of x with respect to t, in the shape of x
    picture, noise: (F, B, N), B clips of F frames with N pixels each; all frames of a clip share a time
    t: (B,), from 0, the noise, to 1, the picture: x = t · picture + (1 − t) · noise
    weight: (B,), above 0; the loss is the weighted average, over the clips, of each clip's mean squared error
    """
    time = t[:, None]  # (B, 1)
    x = time * picture + (1 - time) * noise
    error = (net(x, t) - (picture - noise)).square().mean(dim=(0, 2))  # (B,)
    return (weight * error).sum() / weight.sum()


def straight_as_the_course_has_it(net, picture, noise, t, weight):
    """This is the course's loss, with t for alpha_bar: here x lies on a straight line, and the target is its direction."""
    time = t[:, None]
    error = (net(time.sqrt() * picture + (1 - time).sqrt() * noise, t) - noise).square().mean(dim=(0, 2))
    return (weight * error).sum() / weight.sum()


def straight_with_time_reversed(net, picture, noise, t, weight):
    """Time runs the wrong way: here t = 0 is the noise, and t = 1 the picture."""
    time = t[:, None]
    error = (net((1 - time) * picture + time * noise, t) - (noise - picture)).square().mean(dim=(0, 2))
    return (weight * error).sum() / weight.sum()


def straight_away_from_the_picture(net, picture, noise, t, weight):
    """The target has the wrong sign: as t grows, x moves towards the picture."""
    time = t[:, None]
    error = (net(time * picture + (1 - time) * noise, t) - (noise - picture)).square().mean(dim=(0, 2))
    return (weight * error).sum() / weight.sum()


def straight_against_noise(net, picture, noise, t, weight):
    """The network is compared with the noise. It predicts how x changes with t: work out that derivative."""
    time = t[:, None]
    error = (net(time * picture + (1 - time) * noise, t) - noise).square().mean(dim=(0, 2))
    return (weight * error).sum() / weight.sum()


def straight_against_picture(net, picture, noise, t, weight):
    """The network is compared with the picture. It predicts how x changes with t: work out that derivative."""
    time = t[:, None]
    error = (net(time * picture + (1 - time) * noise, t) - picture).square().mean(dim=(0, 2))
    return (weight * error).sum() / weight.sum()


def straight_with_roots(net, picture, noise, t, weight):
    """There are square roots too many: on a straight line the factors are t and 1 − t themselves."""
    time = t[:, None]
    x = time.sqrt() * picture + (1 - time).sqrt() * noise
    error = (net(x, t) - (picture - noise)).square().mean(dim=(0, 2))
    return (weight * error).sum() / weight.sum()


def straight_told_another_time(net, picture, noise, t, weight):
    """The network is told 1 − t: hand it t as it is."""
    time = t[:, None]
    error = (net(time * picture + (1 - time) * noise, 1 - t) - (picture - noise)).square().mean(dim=(0, 2))
    return (weight * error).sum() / weight.sum()


def straight_divided_by_the_clips(net, picture, noise, t, weight):
    """This divides by the number of clips: a weighted average divides by the sum of the weights."""
    time = t[:, None]
    error = (net(time * picture + (1 - time) * noise, t) - (picture - noise)).square().mean(dim=(0, 2))
    return (weight * error).mean()


def straight_summed(net, picture, noise, t, weight):
    """The squares of a clip are summed: take their mean, over its frames and pixels."""
    time = t[:, None]
    error = (net(time * picture + (1 - time) * noise, t) - (picture - noise)).square().sum(dim=(0, 2))
    return (weight * error).sum() / weight.sum()


def straight_along_the_first_axis(net, picture, noise, t, weight):
    """This takes the first axis for that of the batch. Here it counts the frames, and the clips lie along the second."""
    time = t[:, None, None]
    error = (net(time * picture + (1 - time) * noise, t) - (picture - noise)).square().mean(dim=(1, 2))
    return (weight * error).sum() / weight.sum()


def _network(x, t):
    """A stand-in for a network that depends on both of its inputs."""
    if not isinstance(t, Tensor) or t.shape != x.shape[1:2]:
        raise WrongAnswerError("net wants one time for each clip: call it as net(x, t), with t of shape (B,).")
    return torch.sin(2 * x + 3 * t[:, None])


def _straight(answer, shape, t):
    picture, noise = torch.randn(2, *shape, generator=seeded(22))  # (F, B, N) each
    weight = 0.2 + torch.rand(shape[1], generator=seeded(23))  # (B,)
    return answer(_network, picture, noise, t, weight)


STRAIGHT = Variation(
    id="02.V",
    title="The loss of a straight path",
    points=4,
    text=r"""*Rectified flow* goes from noise to picture in a straight line, and often with time running the other way:
$t = 0$ is the noise and $t = 1$ the picture. The network predicts the derivative of $x_t$ with respect to $t$. In this program
the pictures are the frames of short clips, and some clips count more than others. Write the loss.""",
    solution=straight_loss,
    example="lambda x, t: 0.5 * x, torch.ones(2, 2, 1), torch.zeros(2, 2, 1), torch.tensor([0.0, 1.0]), "
    "torch.tensor([1.0, 3.0])",
    why=r"The derivative of $t\,x_1 + (1-t)\,\epsilon$ with respect to $t$ is $x_1 - \epsilon$, at every $t$.",
    hints=(),
    trials=(
        Trial(
            lambda answer: _straight(answer, (4, 4, 4), torch.tensor([0.3, 0.8, 0.1, 0.6])),
            "The loss of four clips does not come out right.",
        ),
        Trial(
            lambda answer: _straight(answer, (3, 2, 5), torch.tensor([1.0, 0.0])),
            "At the ends, t = 0 and t = 1, or for clips of another shape, it is not right.",
        ),
    ),
    mistakes=(
        straight_as_the_course_has_it,
        straight_with_time_reversed,
        straight_away_from_the_picture,
        straight_against_noise,
        straight_against_picture,
        straight_with_roots,
        straight_told_another_time,
        straight_divided_by_the_clips,
        straight_summed,
        straight_along_the_first_axis,
    ),
)

# --- 02.E which times to train on -------------------------------------------------------------------------------------

T = 1000
COSINE = NoiseSchedule.cosine(T)
SEEDS, STEPS, BATCH = 3, 500, 512


def first_times(size, generator):
    return draw_times(size, T, generator)


def my_times(size, generator):
    u = (torch.arange(size) + torch.rand(size, generator=generator)) / size  # (size,): evenly over 0…1
    share = (torch.special.ndtri(u) - 1.5).sigmoid()  # (size,): of the way to T, mostly a small one
    return (1000 * share).ceil().long().clamp(1, 1000)


def _times_of_batches(times):
    """The times of all batches of three trainings, (seeds, steps, batch), drawn one after the other."""
    trainings = []
    for seed in range(SEEDS):
        generator = seeded(24 + seed)
        batches = [times(BATCH, generator) for _ in range(STEPS)]
        if any(not isinstance(each, Tensor) or each.shape != (BATCH,) for each in batches):
            raise WrongAnswerError(
                f"my_times({BATCH}, generator) should return {BATCH} times, a tensor of shape ({BATCH},)."
            )
        trainings.append(torch.stack(batches))
    return torch.stack(trainings)


class _SmallNet(nn.Module):
    """The notebook's network for pictures of two pixels."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (2 + 32, 128, 128, 128)
        layers = [part for sides in pairwise(sizes) for part in (nn.Linear(*sides), nn.SiLU())]
        self.layers = nn.Sequential(*layers, nn.Linear(128, 2))

    def forward(self, x_t, t, cond=None):  # (B, 1, 1, 2), (B,) -> (B, 1, 1, 2)
        return self.layers(torch.cat([x_t.flatten(1), embed_time(t, 32)], dim=1)).reshape(x_t.shape)


def _spiral(size: int) -> Tensor:
    """The notebook's points near a spiral, (size, 1, 1, 2): the very same, since some spirals are easier to hit."""
    generator = torch.Generator().manual_seed(0)
    radius = torch.rand(size, generator=generator).sqrt()  # (size,)
    angle = 3 * math.pi * radius
    points = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)  # (size, 2)
    points = points + 0.02 * torch.randn(points.shape, generator=generator)
    return ((points - points.mean(dim=0)) / points.std(dim=0)).reshape(size, 1, 1, 2)


def _points_loss(net, batch, generator):
    (x_0, t), denoiser = batch, NetDenoiser(net, COSINE, "v")
    eps = noise_like(x_0, generator)  # (B, 1, 1, 2)
    return (net(add_noise(COSINE, x_0, t, eps), t) - denoiser.target(x_0, t, eps)).square().mean()


def _share_that_misses(times: Tensor) -> float:
    """Of a thousand points, the share that ends off the spiral, after a training with these times: the mean of three."""
    if times.shape != (SEEDS, STEPS, BATCH):
        raise WrongAnswerError(f"my_times({BATCH}, generator) should return {BATCH} times.")
    if times.is_complex() or (times.double() != times.double().round()).any():
        raise WrongAnswerError("A time is a whole number, and some of yours are not: round them.")
    times = times.double()
    if ((times < 1) | (times > T)).any():
        raise WrongAnswerError(f"Times lie in 1…{T}, and yours go from {times.min():g} to {times.max():g}.")
    points = _spiral(2000)  # (2000, 1, 1, 2)
    missed = [_misses_after(each, points, seeded(27 + seed).initial_seed()) for seed, each in enumerate(times.long())]
    return sum(missed) / SEEDS


def _misses_after(times: Tensor, points: Tensor, seed: int) -> float:
    """The same for one training, with its times as (steps, batch)."""
    left = iter(times)

    def draw(generator):
        return points[torch.randint(len(points), (BATCH,), generator=generator)], next(left)

    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)
        state = TrainState(_SmallNet(), seed=seed)
    for _ in train(state, draw, _points_loss, STEPS, partial(warm_up_then_fall, steps=STEPS, peak=4e-3)):
        pass
    noise = torch.randn(1000, 1, 1, 2, generator=seeded(30))
    drawn = last(sample(NetDenoiser(state.ema, COSINE, "v"), noise, COSINE.times(25)))  # (1000, 1, 1, 2)
    nearest = torch.cdist(drawn.flatten(1), points.flatten(1)).amin(dim=1)  # (1000,)
    return (~(nearest < 0.1)).double().mean().item()


WHICH_TIMES = Experiment(
    id="02.E",
    title="Which times to train on",
    points=2,
    start=first_times,
    solution=my_times,
    why="The line is thin, so small times decide whether it is hit: three in four of these lie below 300, and hardly any "
    "above 700, where the best guess is close to the average of all points anyway.",
    run=_times_of_batches,
    measure=_share_that_misses,
    to_beat=0.30,
    says="On average over three trainings {:.1%} of the points miss the spiral: the number to beat is 30.0%.",
    rules="With your `my_times` three networks are trained for 500 steps each, from seeds that are not the notebook's, and "
    "on average 70 % of their points have to land on the spiral. Such an average is off by a point or two: leave some room.",
)

# --- 02.Q below the floor ---------------------------------------------------------------------------------------------

FLOOR = Question(
    id="02.Q",
    title="Better than the best?",
    text=r"""A classmate trains the small network of section 3 just as you did, but on 20 points of the spiral only. On
these points its loss ends at 0.20. Section 6 says that the least possible loss is 0.217, and so the classmate says: "My
network beats the best possible denoiser." How can the loss be so low? What would the least possible loss be for *one*
training point, and why? On which points should the two networks be compared, and which will do better there? Three to six
sentences.""",
    criteria=(
        (
            1,
            "The floor belongs to the data: 0.217 is that of the 2,000 points. Of 20 points fewer can have become x_t, so less "
            "is left open, and their own floor is lower.",
        ),
        (
            1,
            "For one point it is 0: x_0 is always that point, so the noise can be computed from x_t, "
            "ε = (x_t − √ᾱ_t x_0) / √(1 − ᾱ_t).",
        ),
        (
            1,
            "They should be compared on points of the spiral that neither was trained on, with the same times and noises.",
        ),
        (
            1,
            "There the network of the 2,000 points does better: the other has learned its 20 points, and not the spiral.",
        ),
    ),
    model=r"""The least possible loss is no constant of nature: it is the uncertainty that is left when you see x_t, and that
depends on which points there are. 0.217 is the floor for the 2,000 points. If there are only 20, fewer of them can have
become x_t, less is left open, and the floor is lower (0.17, by the IdealDenoiser), so 0.20 is not below anything. With one
point nothing is left open: x_0 is known beforehand, the noise follows from x_t as (x_t − √ᾱ_t x_0) / √(1 − ᾱ_t), and the
floor is 0, for a network that can draw nothing but this one point. The two should be compared on points of the spiral that
neither has seen, with the same times and noises. There the network of the 2,000 points will do better (0.23 against 0.28
when I tried it), since the other has learned 20 points and not the line on which they lie.""",
)
