"""Distillation: a student's one step ends where its teacher's two end."""

import pytest
import torch
from torch import nn

from course_lib.denoisers import GaussianDenoiser, IdealDenoiser, NetDenoiser, Prediction, signal_and_noise
from course_lib.distillation import halving_loss, one_step_target
from course_lib.networks.time_embedding import embed_time
from course_lib.sampling import Step, ddim_step, last, sample
from course_lib.schedules import NoiseSchedule, StraightSchedule
from course_lib.training import TrainState, train

COSINE = NoiseSchedule.cosine()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# --- the target -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [COSINE, NoiseSchedule.linear(), StraightSchedule()])
@pytest.mark.parametrize(("t", "s"), [(1000, 500), (1000, 0), (250, 125), (125, 0)])
def test_a_step_of_ddim_with_the_target_ends_where_it_should(schedule, t, s):
    x_t, x_s = torch.randn(2, 5, 3, 4, generator=generator())
    factors = (each.float() for each in schedule.signal_and_noise(t, x_t))
    target = Prediction.from_x_0(one_step_target(schedule, x_t, t, x_s, s), x_t, *factors)
    assert torch.allclose(ddim_step(schedule, Step(t, x_t, target), s), x_s, atol=2e-5)


def test_each_row_may_have_times_of_its_own():
    x_t, x_s = torch.randn(2, 3, 2, generator=generator())
    t, s = torch.tensor([1000, 600, 30]), torch.tensor([700, 0, 29])
    together = one_step_target(COSINE, x_t, t, x_s, s)
    for row in range(3):
        alone = one_step_target(COSINE, x_t[[row]], t[row].item(), x_s[[row]], s[row].item())
        assert torch.allclose(together[[row]], alone, rtol=1e-5)


def test_a_step_to_the_end_has_the_end_for_its_target():
    x_t, x_0 = torch.randn(2, 4, 3, generator=generator())
    assert torch.equal(one_step_target(COSINE, x_t, 300, x_0, 0), x_0)


@pytest.mark.parametrize("s", [500, 501, torch.tensor([0, 500])])
def test_a_step_that_does_not_go_down_has_no_target(s):
    with pytest.raises(ValueError, match="s must be below t"):
        one_step_target(COSINE, torch.zeros(2, 3), 500, torch.zeros(2, 3), s)


# --- halving ----------------------------------------------------------------------------------------------------------


class Affine(nn.Module):
    """For each time of a walk, one factor and one summand: all that a Gaussian's denoiser needs."""

    def __init__(self, times):
        super().__init__()
        self.times = torch.tensor(times[:-1])
        self.factor, self.summand = (nn.Parameter(torch.zeros(len(self.times), 1)) for _ in range(2))

    def forward(self, x_t, t, cond=None):
        place = (t[:, None] == self.times).float().argmax(dim=1)
        return self.factor[place] * x_t + self.summand[place]


def halved(teacher, steps, x_0, schedule=COSINE):
    """A student of so many steps, trained to the end: an affine one has one best answer, found by plain descent."""
    state = TrainState(net := Affine(schedule.times(steps)), optimizer=torch.optim.Adam(net.parameters(), lr=0.05))

    def loss(net, batch, generator):
        return halving_loss(NetDenoiser(net, schedule, "v"), teacher, batch, steps, generator=generator)

    for _ in train(state, lambda generator: x_0, loss, 600, lambda step: 0.05 * (1 - step / 600)):
        pass
    return NetDenoiser(net.requires_grad_(False), schedule, "v")


def test_a_gaussian_is_halved_down_to_one_step_that_has_its_teachers_mean_and_deviation():
    x_0 = 2 + 0.5 * torch.randn(256, 1, generator=generator())
    teacher = denoiser = GaussianDenoiser(2.0, 0.5, COSINE)
    for steps in (4, 2, 1):
        denoiser = halved(denoiser, steps, x_0)
    noise = torch.randn(4000, 1, generator=generator(1))
    one, eight = (last(sample(each, noise, COSINE.times(n))) for each, n in ((denoiser, 1), (teacher, 8)))
    assert torch.allclose(one, eight, atol=0.01)  # place by place, not only as a whole
    assert one.mean().item() == pytest.approx(eight.mean().item(), abs=0.01)
    assert one.std().item() == pytest.approx(eight.std().item(), abs=0.01)
    straight_there = last(sample(teacher, noise, COSINE.times(1)))
    assert straight_there.std() < 0.01  # what one step without a student gives: everybody's average


class Answers(nn.Module):
    """A network that remembers what it is asked and answers what a denoiser says, as v, plus an error."""

    def __init__(self, denoiser, off=0.0):
        super().__init__()
        self.denoiser, self.off, self.asked = denoiser, nn.Parameter(torch.tensor(off)), []

    def forward(self, x_t, t, cond=None):
        self.asked.append((x_t, t, cond))
        x_0, eps = self.denoiser(x_t, t, cond)
        signal, noise = (each.float() for each in self.denoiser.schedule.signal_and_noise(t, x_t))
        return signal * eps - noise * x_0 + self.off


class TwoSteps:
    """A denoiser whose one step ends where two of another's end, made from the rule itself."""

    def __init__(self, teacher, steps):
        self.teacher, self.schedule, self.steps = teacher, teacher.schedule, steps

    def __call__(self, x_t, t, cond=None):
        twice = self.schedule.times(2 * self.steps)
        rows = []
        for x, time, row in zip(x_t.split(1), t.tolist(), range(len(x_t)), strict=True):
            at = twice.index(time)
            x_s = last(sample(self.teacher, x, twice[at : at + 3], cond=None if cond is None else cond[[row]]))
            (a_t, n_t), (a_s, n_s) = (self.schedule.signal_and_noise(each, x) for each in (time, twice[at + 2]))
            rows.append((x_s.double() - n_s / n_t * x.double()) / (a_s - n_s / n_t * a_t))
        x_0 = torch.cat(rows).float()
        signal, noise = (each.float() for each in self.schedule.signal_and_noise(t, x_t))
        return Prediction.from_x_0(x_0, x_t, signal, noise)


class PlaneNet(nn.Module):
    """From a point of the plane and a time to v."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 + 16, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 2))

    def forward(self, x_t, t, cond=None):
        return self.layers(torch.cat([x_t, embed_time(t, 16)], dim=1))


@pytest.mark.parametrize("steps", [1, 2])
def test_in_the_plane_every_point_goes_where_the_teacher_leads_it(steps):
    angles = torch.linspace(0.3, 5.0, 40)
    data = 1.5 * torch.stack([angles.cos(), angles.sin()], dim=1)  # (40, 2), a ring with a gap
    teacher = IdealDenoiser(data, COSINE)
    torch.manual_seed(0)
    state = TrainState(PlaneNet(), ema_limit=0.99)

    def loss(net, batch, generator):
        return halving_loss(NetDenoiser(net, COSINE, "v"), teacher, batch, steps, generator=generator)

    def draw_points(generator):
        return data[torch.randint(len(data), (256,), generator=generator)]

    for _ in train(state, draw_points, loss, 600, lambda step: 5e-3 * (1 - step / 600)):
        pass
    starts = torch.randn(500, 2, generator=generator(3))
    wanted, without = (last(sample(teacher, starts, COSINE.times(count))) for count in (2 * steps, steps))
    by_student = last(sample(NetDenoiser(state.ema, COSINE, "v"), starts, COSINE.times(steps)))
    off, off_without = ((points - wanted).norm(dim=1) for points in (by_student, without))
    assert off.median() < 0.15 * off_without.median()
    assert off.mean() < 0.25 * off_without.mean()


@pytest.fixture
def points():
    return torch.randn(64, 2, generator=generator(3))


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_who_ends_where_two_steps_of_the_teacher_end_has_no_loss(points, steps):
    teacher = IdealDenoiser(points[:5], COSINE)
    net = Answers(TwoSteps(teacher, steps))
    loss = halving_loss(NetDenoiser(net, COSINE, "v"), teacher, points, steps, generator=generator())
    assert loss.item() < 1e-6
    ((x_t, t, _),) = net.asked
    assert set(t.tolist()) == set(COSINE.times(steps)[:-1])  # every step of the student's comes, and no other time
    assert x_t.shape == points.shape
    off = halving_loss(NetDenoiser(Answers(net.denoiser, 0.1), COSINE, "v"), teacher, points, steps)
    assert off.item() == pytest.approx(0.01, rel=1e-3)  # an error of v counts alike at every time


def test_the_teachers_own_answer_is_no_target(points):
    teacher = IdealDenoiser(points[:5], COSINE)
    loss = halving_loss(NetDenoiser(Answers(teacher), COSINE, "v"), teacher, points, 2, generator=generator())
    assert loss > 0.01


def test_pictures_are_noised_to_the_times_that_the_student_is_asked_at(points):
    net = Answers(IdealDenoiser(points[:5], COSINE))
    big = 3 + points / 10
    halving_loss(NetDenoiser(net, COSINE, "v"), net.denoiser, big, 4, generator=generator())
    ((x_t, t, _),) = net.asked
    signal, _ = COSINE.signal_and_noise(t, x_t)
    for time in t.unique():
        here = x_t[t == time]
        assert here.mean().item() == pytest.approx(3 * signal[t == time][0].item(), abs=4 * (2 * len(here)) ** -0.5)


class Remembers:
    """A denoiser that sees nothing but zeros, and remembers what it was asked."""

    schedule = COSINE

    def __init__(self):
        self.asked = []

    def __call__(self, x_t, t, cond=None):
        self.asked.append((x_t, t, cond))
        return Prediction.from_x_0(torch.zeros_like(x_t), x_t, *signal_and_noise(COSINE, t, x_t))


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_with_a_walker_every_other_row_begins_where_its_own_walk_leads(points, steps):
    cond = torch.arange(6.0)[:, None].expand(6, 2)
    walker, teacher, asked = GaussianDenoiser(0.7, 0.4, COSINE), Remembers(), []
    student = NetDenoiser(lambda *given: asked.append(given) or torch.zeros_like(given[0]), COSINE, "v")
    halving_loss(student, teacher, points[:6], steps, cond, generator(4), walker)
    (x_t, t, words), *_ = teacher.asked
    assert torch.equal(x_t, asked[0][0])
    assert torch.equal(words, cond)
    without = Remembers()
    halving_loss(student, without, points[:6], steps, cond, generator(4))
    assert torch.equal(x_t[::2], without.asked[0][0][::2])
    assert torch.equal(t, without.asked[0][1])
    draws = generator(4)
    torch.randint(steps, (6,), generator=draws)
    torch.randn(points[:6].shape, generator=draws)
    walk = [*sample(walker, torch.randn(points[:3].shape, generator=draws), COSINE.times(steps))]
    for row in range(3):
        (expected,) = (each.x[row] for each in walk if each.t == t[2 * row + 1])
        assert torch.allclose(x_t[2 * row + 1], expected)


def test_of_a_single_row_nothing_is_walked_and_of_two_the_second(points):
    student, walker = NetDenoiser(lambda x_t, *_: torch.zeros_like(x_t), COSINE, "v"), Remembers()
    for rows in (1, 2):
        pairs = [
            [halving_loss(student, walker, points[:rows], 3, None, generator(seed), each) for each in (walker, None)]
            for seed in range(9)
        ]
        assert all(one == other for one, other in pairs) == (rows == 1)


def test_a_walker_walks_under_the_condition_of_its_rows(points):
    walker, cond = Remembers(), torch.arange(6.0)[:, None].expand(6, 2)
    student = NetDenoiser(lambda x_t, *_: torch.zeros_like(x_t), COSINE, "v")
    halving_loss(student, Remembers(), points[:6], 3, cond, generator(), walker)
    assert len(walker.asked) == 2  # the first step begins with noise, and what the third would see is not asked for
    assert all(torch.equal(words, cond[1::2]) for *_, words in walker.asked)


def test_the_condition_reaches_student_and_teacher(points):
    asked = []

    class Teacher:
        schedule = COSINE

        def __call__(self, x_t, t, cond):
            asked.append(cond)
            return GaussianDenoiser(cond[:, None], 0.5, COSINE)(x_t, t)

    net, cond = Answers(TwoSteps(Teacher(), 2)), torch.arange(64.0)
    loss = halving_loss(NetDenoiser(net, COSINE, "v"), Teacher(), points, 2, cond, generator())
    assert all(each is cond for each in asked[:2])
    assert net.asked[0][2] is cond
    assert loss.item() < 1e-4


def test_the_teacher_is_not_trained_and_the_student_is(points):
    net, teacher = Affine(COSINE.times(2)), Affine(COSINE.times(4))
    halving_loss(NetDenoiser(net, COSINE, "v"), NetDenoiser(teacher, COSINE, "v"), points, 2).backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_the_same_generator_gives_the_same_loss(points):
    teacher = IdealDenoiser(points[:5], COSINE)
    one, same, other = (
        halving_loss(NetDenoiser(Answers(teacher), COSINE, "v"), teacher, points, 2, generator=generator(seed)).item()
        for seed in (1, 1, 2)
    )
    assert one == same != other


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"student": GaussianDenoiser(0.0, 1.0, COSINE)}, "student must be a NetDenoiser"),
        ({"x_0": torch.full((3, 2), torch.nan)}, "x_0 must be finite"),
        ({"x_0": torch.zeros(0, 2)}, "x_0 must"),
        ({"steps": 0}, "steps must lie between 1 and 500"),
        ({"steps": 501}, "steps must lie between 1 and 500"),
        ({"generator": 3}, "generator must be"),
        ({"teacher": GaussianDenoiser(0.0, 1.0, NoiseSchedule.linear())}, "teacher must have the student's schedule"),
        ({"walker": GaussianDenoiser(0.0, 1.0, NoiseSchedule.cosine(100))}, "walker must have the student's schedule"),
        ({"walker": "w"}, "walker must be a denoiser with a schedule, but got str"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(changed, said):
    teacher = GaussianDenoiser(0.0, 1.0, COSINE)
    given = {"student": NetDenoiser(Affine([1000, 0]), COSINE, "v"), "teacher": teacher, "x_0": torch.zeros(3, 2)}
    with pytest.raises((TypeError, ValueError), match=said):
        halving_loss(**(given | {"steps": 1} | changed))
