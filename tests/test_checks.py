"""Exercises: right answers pass, however they are written; wrong ones get their message; nothing crashes or hangs."""

import inspect
import json
import math
import time

import pytest
import torch
from torch.nn import functional as F

from course_lib import forward
from course_lib.classroom import checks
from course_lib.classroom.checks import BugHunt, Exercise, check, find, hints, show_answer, show_source
from course_lib.classroom.exercises import EXERCISES
from course_lib.classroom.progress import progress, progress_file, record, ticks
from course_lib.classroom.self_check import load_questions
from course_lib.denoisers import Prediction
from course_lib.forward import add_noise, noise_like
from course_lib.sampling import Step, last, sample
from course_lib.schedules import NoiseSchedule

WRITTEN = [each for each in EXERCISES.values() if isinstance(each, Exercise)]
HUNTS = [each for each in EXERCISES.values() if isinstance(each, BugHunt)]
by_id = {"ids": lambda each: getattr(each, "id", getattr(each, "__name__", None))}


pytestmark = pytest.mark.usefixtures("own_progress")


# --- right answers ----------------------------------------------------------------------------------------------------


def forward_by_tensor_roots(x_prev, beta, eps):
    beta = torch.tensor(beta, dtype=x_prev.dtype)
    return torch.sqrt(1 - beta) * x_prev + torch.sqrt(beta) * eps


def forward_with_math(x_prev, beta, eps):
    out = x_prev.clone()
    out *= math.sqrt(1 - beta)
    out += math.sqrt(beta) * eps
    return out


def alpha_bar_by_loop(beta):
    left, out = 1.0, []
    for b in beta.tolist():
        left *= 1 - b
        out.append(left)
    return torch.tensor(out, dtype=beta.dtype)


def alpha_bar_by_logarithm(beta):
    return torch.exp(torch.cumsum(torch.log1p(-beta), 0))


def jump_picture_by_picture(schedule, x_0, t, eps):
    rows = []
    for i in range(len(x_0)):
        a = schedule.alpha_bar[t[i]].item()
        rows.append(a**0.5 * x_0[i] + (1 - a) ** 0.5 * eps[i])
    return torch.stack(rows)


def jump_by_views(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t][:, None, None, None].float()
    return (a.sqrt() * x_0 + (1 - a).sqrt() * eps).to(x_0.dtype)


def cosine_in_numpy_style(T):
    def f(t):
        return math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2

    return torch.tensor([f(t) / f(0) for t in range(T + 1)], dtype=torch.float64)


def cosine_by_half_angle(T):
    angle = (torch.linspace(0, 1, T + 1, dtype=torch.float64) + 0.008) / 1.008 * torch.pi
    f = (1 + angle.cos()) / 2
    return f / f[0]


def loss_by_hand(net, schedule, x_0, t, eps):
    return ((net(add_noise(schedule, x_0, t, eps), t) - eps) ** 2).mean()


def loss_picture_by_picture(net, schedule, x_0, t, eps):
    said = net(add_noise(schedule, x_0, t, eps), t)
    return torch.stack([F.mse_loss(a, b) for a, b in zip(said, eps, strict=True)]).mean()


def drop_by_mask(labels, null_class, probability, generator=None):
    out = labels.clone()
    out[torch.rand(len(labels), generator=generator) < probability] = null_class
    return out


def drop_by_coin(labels, null_class, probability, generator=None):
    coin = torch.bernoulli(torch.full(labels.shape, float(probability)), generator=generator).bool()
    return labels.masked_fill(coin, null_class)


def ema_by_mul_and_add(ema, net, decay):
    with torch.no_grad():
        for average, current in zip(ema.parameters(), net.parameters(), strict=True):
            average.mul_(decay).add_(current, alpha=1 - decay)


def ema_by_state(ema, net, decay):
    new = net.state_dict()
    ema.load_state_dict({name: decay * old + (1 - decay) * new[name] for name, old in ema.state_dict().items()})


def picture_from_eps_in_float64(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
    return ((x_t.double() - (1 - a).sqrt() * eps.double()) / a.sqrt()).float()


def picture_from_eps_by_snr(schedule, x_t, t, eps):
    a = schedule.alpha_bar[t].float()[:, None, None, None]
    return x_t / a.sqrt() - (1 / a - 1).sqrt() * eps


def picture_from_v_by_angle(schedule, x_t, t, v):
    angle = torch.acos(schedule.alpha_bar[t].sqrt()).reshape(-1, 1, 1, 1)
    return (torch.cos(angle) * x_t - torch.sin(angle) * v).to(x_t.dtype)


def picture_from_v_row_by_row(schedule, x_t, t, v):
    a = schedule.alpha_bar[t].tolist()
    return torch.stack([s**0.5 * x - (1 - s) ** 0.5 * w for s, x, w in zip(a, x_t, v, strict=True)])


def times_by_rounding(schedule, steps):
    return [round(schedule.T * (1 - k / steps)) for k in range(steps + 1)]


def times_by_linspace(schedule, steps):
    return torch.linspace(schedule.T, 0, steps + 1, dtype=torch.float64).round().long().tolist()


def ddim_in_three_lines(schedule, now, s, previous=None, generator=None):
    a = schedule.alpha_bar[s].to(now.x.dtype)
    return a.sqrt() * now.pred.x_0 + torch.sqrt(1 - a) * now.pred.eps


def ddim_unpacking(schedule, now, s, previous, generator):
    _, _, (x_0, eps) = now
    signal = math.sqrt(schedule.alpha_bar[s])
    return signal * x_0 + math.sqrt(1 - signal**2) * eps


def ddpm_by_the_paper(schedule, now, s, previous=None, generator=None):
    a_t, a_s = float(schedule.alpha_bar[now.t]), float(schedule.alpha_bar[s])
    alpha = a_t / a_s
    mean = (math.sqrt(a_s) * (1 - alpha) * now.pred.x_0 + math.sqrt(alpha) * (1 - a_s) * now.x) / (1 - a_t)
    sigma = math.sqrt((1 - a_s) / (1 - a_t) * (1 - alpha))
    return mean + sigma * torch.randn(now.x.shape, generator=generator)


def ddpm_from_eps(schedule, now, s, previous=None, generator=None):
    a_t, a_s = float(schedule.alpha_bar[now.t]), float(schedule.alpha_bar[s])
    alpha = a_t / a_s
    mean = (now.x - (1 - alpha) / math.sqrt(1 - a_t) * now.pred.eps) / math.sqrt(alpha)
    return mean + math.sqrt((1 - a_s) / (1 - a_t) * (1 - alpha)) * torch.empty_like(now.x).normal_(generator=generator)


def ddpm_with_an_exception_at_the_end(schedule, now, s, previous=None, generator=None):
    if s == 0:
        return now.pred.x_0.clone()
    return ddpm_by_the_paper(schedule, now, s, previous, generator)


def draw_by_index(denoiser, x, times, rule):
    for i in range(len(times) - 1):
        pred = denoiser(x, times[i])
        x = rule(denoiser.schedule, Step(times[i], x, pred), times[i + 1], None, None)
    return x


def draw_recursively(denoiser, x, times, rule):
    if len(times) == 1:
        return x
    now = Step(t=times[0], x=x, pred=denoiser(x, times[0], None))
    return draw_recursively(denoiser, rule(denoiser.schedule, now, times[1], None, None), times[1:], rule)


def hunt_uniform_by_sign(make_noisy):
    assert (make_noisy(torch.zeros(1000), 0.5) < 0).any(), "noise is sometimes negative"


def hunt_uniform_by_mean(make_noisy):
    drift = make_noisy(torch.full((50_000,), 2.0), 0.25).mean() - 1
    assert drift.abs() < 0.05


def hunt_average_by_limit(average):
    value = torch.tensor(1.0)
    for _ in range(10):
        value = average(value, torch.tensor(0.0), 0.99)
    assert value > 0.8


def hunt_average_by_equality(average):
    assert average(2.0, 4.0, 0.75) == 2.5


def hunt_noise_by_two_seeds(step):
    schedule = NoiseSchedule.linear()
    now = Step(1, torch.ones(1, 1, 4, 4), Prediction(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)))
    a, b = (step(schedule, now, 0, torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert torch.allclose(a, b, atol=1e-6)


def hunt_noise_by_spread(step):
    schedule = NoiseSchedule.linear(10)
    now = Step(5, torch.ones(1, 1, 30, 30), Prediction(torch.zeros(1, 1, 30, 30), torch.ones(1, 1, 30, 30)))
    assert step(schedule, now, 0, None).std() < 1e-6


def kl_as_a_sum(posterior):
    return -0.5 * (1 + posterior.log_var - posterior.mean.pow(2) - posterior.log_var.exp())


def kl_by_torch(posterior):
    normal = torch.distributions.Normal(posterior.mean, (0.5 * posterior.log_var).exp())
    return torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))


def draw_by_randn(posterior, generator=None):
    noise = torch.randn(posterior.mean.shape, generator=generator)
    return posterior.mean + posterior.log_var.exp().sqrt() * noise


def draw_by_addcmul(posterior, generator=None):
    return torch.addcmul(posterior.mean, (posterior.log_var / 2).exp(), noise_like(posterior.mean, generator))


def hunt_back_by_hand(back_to_latents):
    assert torch.equal(back_to_latents(torch.tensor([2.0]), torch.tensor(3.0), torch.tensor(5.0)), torch.tensor([13.0]))


def hunt_back_by_zero(back_to_latents):
    mean, std = torch.tensor(4.0), torch.tensor(2.5)
    if (back_to_latents(torch.zeros(3), mean, std) - mean).abs().max() > 1e-5:
        raise AssertionError("zero should come back as the mean")


def normalised_by_channel(latents):
    out = torch.empty_like(latents)
    for c in range(latents.shape[1]):
        out[:, c] = (latents[:, c] - latents[:, c].mean()) / latents[:, c].std()
    return out


def normalised_by_views(latents):
    rows = latents.transpose(0, 1).flatten(1)
    mean, std = rows.mean(dim=1), rows.std(dim=1)
    return (latents - mean[:, None, None]) / std[:, None, None]


def pictures_step_by_step(vae, denoiser, noise, times, cond):
    for step in sample(denoiser, noise, times, cond=cond):
        z = step.x
    return vae.decode(z * vae.latent_std + vae.latent_mean).clamp(-1, 1)


def pictures_in_one_line(vae, denoiser, noise, times, cond):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=cond)))


def attend_row_by_row(q, k, v):
    return torch.stack([torch.softmax(k @ row / row.shape[0] ** 0.5, dim=0) @ v for row in q])


def attend_by_torch(q, k, v):
    return torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None])[0]


def masked_by_adding(scores, known):
    return torch.softmax(scores + torch.where(known, 0.0, -torch.inf)[:, None], dim=-1)


def masked_and_shared_out(scores, known):
    weights = scores.softmax(dim=-1) * known[:, None]
    return weights / weights.sum(dim=-1, keepdim=True)


def clip_loss_by_logarithms(pictures, texts, scale):
    logits = scale * pictures @ texts.T
    return -(logits.log_softmax(1).diagonal().mean() + logits.log_softmax(0).diagonal().mean()) / 2


def clip_loss_by_loop(pictures, texts, scale):
    total = 0
    for i in range(len(pictures)):
        total = total - (scale * texts @ pictures[i]).softmax(0)[i].log()
        total = total - (scale * pictures @ texts[i]).softmax(0)[i].log()
    return total / 2 / len(pictures)


def hunt_axis_by_one_word(weights_of_words):
    assert torch.equal(weights_of_words(torch.randn(1, 4, 1)), torch.ones(1, 4, 1))


def hunt_axis_by_one_position(weights_of_words):
    assert weights_of_words(torch.tensor([[[0.0, 5.0]]]))[0, 0, 0] < 0.1


def prompts_step_by_step(prompts, encoder, denoiser, vae, noise, times):
    for step in sample(denoiser, noise, times, cond=encoder.encode(prompts)):
        z = step.x
    return vae.to_pictures(z)


def prompts_in_one_line(prompts, encoder, denoiser, vae, noise, times):
    return vae.to_pictures(last(sample(denoiser, noise, times, cond=encoder.encode(prompts))))


def guide_by_lerp(eps_uncond, eps_cond, w):
    return torch.lerp(eps_uncond, eps_cond, w)


def guide_by_shares(eps_uncond, eps_cond, w):
    return w * eps_cond + (1 - w) * eps_uncond


def drop_by_loop(captions, probability, generator):
    return [one if torch.rand((), generator=generator) >= probability else "" for one in captions]


def drop_by_bernoulli(captions, probability, generator):
    gone = torch.bernoulli(torch.full((len(captions),), probability), generator=generator).bool()
    return ["" if gone[place] else one for place, one in enumerate(captions)]


def one_call_conditional_first(denoiser, x_t, t, cond, uncond, w):
    eps = denoiser(x_t.repeat(2, 1), t, torch.cat([cond, uncond])).eps
    return eps[len(x_t) :] + w * (eps[: len(x_t)] - eps[len(x_t) :])


def one_call_by_shares(denoiser, x_t, t, cond, uncond, w):
    a, b = denoiser(torch.cat([x_t, x_t]), t, torch.cat([uncond, cond])).eps.chunk(2)
    return (1 - w) * a + w * b


def hunt_scale_by_numbers(guided):
    assert guided(torch.tensor(2.0), torch.tensor(3.0), 3.0) == 5


def hunt_scale_by_zero(guided):
    assert guided(torch.tensor(2.0), torch.tensor(3.0), 0.0) == 2


RIGHT = {
    "01.1": [forward_by_tensor_roots, forward_with_math],
    "01.2": [alpha_bar_by_loop, alpha_bar_by_logarithm],
    "01.3": [jump_picture_by_picture, jump_by_views],
    "01.4": [hunt_uniform_by_sign, hunt_uniform_by_mean],
    "01.5": [cosine_in_numpy_style, cosine_by_half_angle],
    "02.1": [loss_by_hand, loss_picture_by_picture],
    "02.4": [drop_by_mask, drop_by_coin],
    "02.5": [ema_by_mul_and_add, ema_by_state],
    "02.2": [picture_from_eps_in_float64, picture_from_eps_by_snr],
    "02.3": [picture_from_v_by_angle, picture_from_v_row_by_row],
    "02.6": [hunt_average_by_limit, hunt_average_by_equality],
    "03.1": [ddpm_by_the_paper, ddpm_from_eps, ddpm_with_an_exception_at_the_end],
    "03.2": [hunt_noise_by_two_seeds, hunt_noise_by_spread],
    "03.3": [draw_by_index, draw_recursively],
    "03.4": [times_by_rounding, times_by_linspace],
    "03.5": [ddim_in_three_lines, ddim_unpacking],
    "04.1": [kl_as_a_sum, kl_by_torch],
    "04.2": [draw_by_randn, draw_by_addcmul],
    "04.3": [normalised_by_channel, normalised_by_views],
    "04.4": [hunt_back_by_hand, hunt_back_by_zero],
    "04.5": [pictures_step_by_step, pictures_in_one_line],
    "05.1": [attend_row_by_row, attend_by_torch],
    "05.2": [masked_by_adding, masked_and_shared_out],
    "05.4": [clip_loss_by_logarithms, clip_loss_by_loop],
    "05.3": [hunt_axis_by_one_word, hunt_axis_by_one_position],
    "05.5": [prompts_step_by_step, prompts_in_one_line],
    "06.1": [drop_by_loop, drop_by_bernoulli],
    "06.2": [guide_by_lerp, guide_by_shares],
    "06.3": [one_call_conditional_first, one_call_by_shares],
    "06.4": [hunt_scale_by_numbers, hunt_scale_by_zero],
}


@pytest.mark.parametrize(
    ("exercise_id", "answer"), [(number, answer) for number, answers in RIGHT.items() for answer in answers], **by_id
)
def test_a_right_answer_passes_however_it_is_written(exercise_id, answer, capsys):
    assert check(exercise_id, answer) is answer
    assert capsys.readouterr().out.startswith(f"✓ Right · {exercise_id}")
    assert ticks() == {exercise_id: "done"}


def test_every_exercise_has_right_answers_here():
    assert RIGHT.keys() == EXERCISES.keys()


def test_a_run_through_first_untouched_then_solved(shown):
    for exercise_id in EXERCISES:
        assert check(exercise_id, stub) is find(exercise_id).solution
    progress()
    assert shown[-1]["text/markdown"].count("○ open") == len(EXERCISES)
    assert f"0 of {len(load_questions())} self-check questions" in shown[-1]["text/markdown"]
    for exercise_id, answers in RIGHT.items():
        assert check(exercise_id, answers[0]) is answers[0]
    progress()
    assert shown[-1]["text/markdown"].count("✓ done") == len(EXERCISES)


# --- wrong answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exercise", "mistake"), [(each, mistake) for each in WRITTEN for mistake in each.mistakes], **by_id
)
def test_a_usual_mistake_is_called_by_its_name(exercise, mistake, capsys):
    assert check(exercise.id, mistake) is exercise.solution
    assert inspect.getdoc(mistake) in capsys.readouterr().out
    assert ticks() == {exercise.id: "tried"}


@pytest.mark.parametrize("exercise", WRITTEN, **by_id)
def test_at_least_six_mistakes_are_known_by_different_sentences(exercise):
    assert len({inspect.getdoc(mistake) for mistake in exercise.mistakes}) == len(exercise.mistakes) >= 6


def stub(*arguments):
    raise NotImplementedError


def returns_nothing(*arguments):
    pass


class EqualToEverything:
    shape, dtype = (), torch.float32

    def __eq__(self, other):
        return True

    def __getattr__(self, name):
        return lambda *arguments, **named: self


class LyingTensor(torch.Tensor):
    def __eq__(self, other):
        return torch.tensor(True)


@pytest.mark.parametrize("exercise_id", list(EXERCISES))
def test_an_untouched_stub_is_open_and_nothing_is_recorded(exercise_id, capsys):
    assert check(exercise_id, stub) is find(exercise_id).solution
    assert "○ Not attempted yet" in capsys.readouterr().out
    assert not progress_file().exists()


@pytest.mark.parametrize("exercise", [each for each in WRITTEN if each.id not in ("02.5", "03.4", "06.1")], **by_id)
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (returns_nothing, "has it a return?"),
        (lambda *arguments: EqualToEverything(), "a EqualToEverything came"),
        (lambda *arguments: torch.zeros(1).as_subclass(LyingTensor), "a LyingTensor came"),
        (lambda *arguments: torch.zeros(7, 5), "it is (7, 5)"),
        (lambda *arguments: arguments[99], "IndexError"),
        (lambda: None, "TypeError"),
    ],
)
def test_a_result_of_the_wrong_kind_says_so(exercise, answer, message, capsys):
    assert check(exercise.id, answer) is exercise.solution
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("exercise", EXERCISES.values(), **by_id)
@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: lambda *arguments: f(*arguments)], ids=["itself", "wrapped"])
def test_the_courses_own_solution_is_no_answer(exercise, wrap, capsys):
    assert check(exercise.id, wrap(exercise.solution)) is exercise.solution
    assert "This calls the course's own" in capsys.readouterr().out


def test_the_librarys_function_that_does_the_same_is_no_answer_either(capsys):
    check("01.5", lambda T: NoiseSchedule.cosine(T).alpha_bar)
    assert "the course's own cosine" in capsys.readouterr().out


@pytest.mark.parametrize("exercise_id", ["01.1", "01.3", "02.2", "03.5"])
def test_a_wrong_dtype_is_named(exercise_id, capsys):
    check(exercise_id, lambda *arguments: RIGHT[exercise_id][0](*arguments).half())
    assert "The dtype should be torch.float32, but it is torch.float16" in capsys.readouterr().out


def test_an_alpha_bar_left_in_float64_is_named(capsys):
    def jump(schedule, x_0, t, eps):
        a = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
        return a.sqrt() * x_0 + (1 - a).sqrt() * eps

    check("01.3", jump)
    assert "torch.float32, but it is torch.float64: convert with .to" in capsys.readouterr().out


def test_damage_to_an_argument_is_named(capsys):
    def in_place(x_prev, beta, eps):
        eps *= beta**0.5
        return (1 - beta) ** 0.5 * x_prev + eps

    check("01.1", in_place)
    assert "changes its argument eps in place" in capsys.readouterr().out


def test_damage_to_the_schedule_is_named(capsys):
    def in_place(schedule, x_0, t, eps):
        result = jump_by_views(schedule, x_0, t, eps)
        schedule.alpha_bar.mul_(0.5)
        return result

    check("01.3", in_place)
    assert "changes its argument schedule in place" in capsys.readouterr().out


def test_an_error_comes_with_the_learners_own_line(capsys):
    def broken(x_prev, beta, eps):
        return (1 - beta) ** 0.5 * x_before  # noqa: F821

    check("01.1", broken)
    assert "NameError: name 'x_before' is not defined (line " in capsys.readouterr().out


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, RecursionError, MemoryError])
def test_no_error_of_an_answer_reaches_the_notebook(error, capsys):
    def stops(*arguments):
        raise error("enough")

    check("01.1", stops)
    assert f"Your function stopped with {error.__name__}: enough" in capsys.readouterr().out


@pytest.mark.parametrize("stubborn", [False, True], ids=["endless", "endless and catching everything"])
def test_an_endless_loop_is_stopped(stubborn, monkeypatch, capsys):
    monkeypatch.setattr(checks, "TIME_LIMIT", 0.3)
    finished = time.monotonic() + 3  # the test must not leave a thread behind for ever

    def endless(x_prev, beta, eps):
        while time.monotonic() < finished:
            try:
                while time.monotonic() < finished:
                    pass
            except BaseException:
                if not stubborn:
                    raise

    began = time.monotonic()
    assert check("01.1", endless) is forward.forward_step
    assert time.monotonic() - began < 4
    assert "is there a loop that never ends?" in capsys.readouterr().out


def test_what_is_no_function_is_refused(capsys):
    check("01.1", 0.79)
    assert "Hand over the function itself, without brackets; a float came." in capsys.readouterr().out


def test_a_global_seed_is_no_substitute_for_the_generator(capsys):
    check("03.1", lambda schedule, now, s, previous, generator: ddpm_by_the_paper(schedule, now, s, None, None))
    assert "Twice the same generator should give twice the same step." in capsys.readouterr().out


def test_one_right_number_is_not_enough(capsys):
    check("01.1", lambda x_prev, beta, eps: torch.full_like(x_prev, 0.5 * 0.96**0.5 + 0.3))
    assert "One pixel comes out right, but not every picture" in capsys.readouterr().out


def test_a_mistake_that_cannot_run_on_an_input_is_not_taken_for_the_learners_error(capsys):
    linear = NoiseSchedule.linear()
    check("01.3", lambda schedule, x_0, t, eps: jump_by_views(linear, x_0, t, eps))  # whatever schedule comes
    assert "It does not come out right for oblong colour pictures with the cosine" in capsys.readouterr().out


# --- bug hunts --------------------------------------------------------------------------------------------------------


def lets_everything_pass(candidate):
    candidate  # noqa: B018


def refuses_everything(candidate):
    raise AssertionError("no")


def stops_with_another_error(candidate):
    raise ValueError("no assertion")


def takes_no_candidate():
    raise AssertionError("never called")


def never_ends(candidate):
    while True:
        pass


def refuses_the_third_it_sees():
    """A test that does not look at what it is handed, and only counts."""
    calls = []

    def counts(candidate):
        calls.append(candidate)
        assert len(calls) != 3

    return counts


def refuses_by_chance():
    """A test that tosses a coin: it may be lucky once, and not three times over."""
    tosses = iter([0, 0, 1, 0, 1, 0, 1, 0, 1])
    return lambda candidate: exec("assert not toss", {"toss": next(tosses)})


@pytest.mark.parametrize("hunt", HUNTS, **by_id)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lets_everything_pass, "lets the broken version pass"),
        (lambda: refuses_everything, "refuses a correct version too (AssertionError: no"),
        (lambda: stops_with_another_error, "refuses a correct version too (ValueError: no assertion"),
        (lambda: takes_no_candidate, "refuses a correct version too (TypeError"),
        (lambda: never_ends, "is there a loop that never ends?"),
        (refuses_by_chance, "refuses a correct version too (AssertionError"),
        (lambda: "assert", "without brackets; a str came"),
    ],
)
def test_a_test_that_catches_nothing_is_told_why(hunt, make, message, monkeypatch, capsys):
    monkeypatch.setattr(checks, "TIME_LIMIT", 0.5)
    check(hunt.id, make())
    assert message in capsys.readouterr().out
    assert ticks() == {hunt.id: "tried"}


def test_a_test_that_counts_its_calls_is_no_catch(capsys):
    check("01.4", refuses_the_third_it_sees())
    assert "lets the broken version pass" in capsys.readouterr().out  # in the second round


def test_stopping_by_another_error_is_no_assertion(capsys):
    def stops(make_noisy):
        if make_noisy(torch.zeros(1000), 0.5).min() > -0.1:
            raise ValueError("too bright")

    check("01.4", stops)
    assert "does not reach an assertion: it stops with ValueError: too bright" in capsys.readouterr().out


@pytest.mark.parametrize("hunt", HUNTS, **by_id)
def test_the_broken_function_is_shown_as_it_is_run(hunt, capsys):
    show_source(hunt.id)
    assert capsys.readouterr().out.strip() == inspect.getsource(hunt.broken).strip()


# --- hints, answers, ids ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", EXERCISES.values(), **by_id)
def test_hints_open_one_inside_the_other(exercise, shown):
    hints(exercise.id)
    (text,) = (data["text/markdown"] for data in shown)
    places = [text.index(hint) for hint in exercise.hints]
    assert len(places) >= 2
    assert places == sorted(places)
    assert text.count("<details>") == text.count("\n\n</details>") == len(places)
    assert text.endswith("</details>")
    assert text.rindex("<details>") < places[-1] < text.index("</details>")  # the last lies inside all others


@pytest.mark.parametrize("exercise", EXERCISES.values(), **by_id)
def test_the_answer_is_the_solutions_own_source_and_a_word_on_why(exercise, shown):
    show_answer(exercise.id)
    (text,) = (data["text/markdown"] for data in shown)
    assert text.startswith("<details><summary>Show answer</summary>\n\n```python\n")
    assert inspect.getsource(inspect.unwrap(exercise.solution)).rstrip().splitlines()[-1].strip() in text
    assert '"""' not in text
    assert exercise.why in text
    compile(text.split("```python\n")[1].split("\n```")[0], exercise.id, "exec")


def test_an_unknown_id_names_the_ones_there_are():
    with pytest.raises(ValueError, match=r"no exercise '01\.9': choose from 01\.1, 01\.2, 01\.3, 01\.4, 01\.5\."):
        check("01.9", stub)
    with pytest.raises(ValueError, match=r"no exercise 'forward': choose from 01\.1, .*, 06\.4\."):
        show_answer("forward")


def test_ids_are_in_order_and_have_points():
    assert list(EXERCISES) == sorted(EXERCISES)
    assert all(each.points in (1, 2, 3) for each in EXERCISES.values())


# --- progress ---------------------------------------------------------------------------------------------------------


def test_done_stays_done():
    record("01.1", "tried")
    record("01.1", "done")
    record("01.1", "tried")
    assert json.loads(progress_file().read_text()) == {"01.1": "done"}


def test_a_place_that_cannot_be_written_to_is_no_error(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "file" / "progress.json"))
    assert check("01.1", forward_with_math) is forward_with_math
    assert "could not be saved" in capsys.readouterr().out


def test_progress_shows_done_tried_and_open(shown):
    record("01.1", "done")
    record("03.5", "tried")
    record("self-check 01-a", "done")
    progress()
    (text,) = (data["text/markdown"] for data in shown)
    assert "| 01.1 | One forward step | ✓ done | 2 |" in text
    assert "| 03.5 | DDIM's step | ◐ tried | 3 |" in text
    assert text.count("○ open") == len(EXERCISES) - 2
    assert f"**2 of {sum(each.points for each in EXERCISES.values())} points**, and 1 of " in text
