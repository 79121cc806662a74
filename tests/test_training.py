"""Training: the loss's optimum, exact resumption, averaged weights, and what is said when it goes wrong."""

import math
import os
import signal
from functools import partial

import pytest
import torch
from scipy import stats
from torch import nn

from course_lib.denoisers import GaussianDenoiser, NetDenoiser
from course_lib.files import CourseFileError
from course_lib.schedules import NoiseSchedule
from course_lib.training import (
    TrainState,
    denoising_loss,
    draw_times,
    drop_labels,
    ema_decay,
    generator_for,
    load_checkpoint,
    save_checkpoint,
    train,
    update_ema,
    warm_up_then_fall,
    with_progress,
)

LINEAR = NoiseSchedule.linear()


def batches(generator):
    return torch.randn(16, 3, generator=generator)


def loss(net, batch, generator):
    return (net(batch) - torch.randn(16, 3, generator=generator)).square().mean()


def fresh_state(seed=0):
    torch.manual_seed(0)
    return TrainState(nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 3)), seed=seed)


def run(state, steps):
    return [done.loss for done in train(state, batches, loss, steps, partial(warm_up_then_fall, steps=12))]


def same_weights(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_resuming_from_a_file_is_bit_for_bit_as_if_never_stopped(tmp_path):
    whole = fresh_state()
    losses = run(whole, 12)
    for stop in (0, 1, 5, 11):
        first = fresh_state()
        before = run(first, stop)
        save_checkpoint(first, tmp_path / "state.safetensors")
        torch.manual_seed(123)  # another start and other global random numbers: neither may matter
        second = TrainState(nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 3)))
        load_checkpoint(second, tmp_path / "state.safetensors")
        assert second.step == stop
        assert before + run(second, 12) == losses
        assert same_weights(second.net, whole.net)
        assert same_weights(second.ema, whole.ema)


def test_stopping_the_iteration_and_going_on_changes_nothing():
    whole, parts = fresh_state(), fresh_state()
    losses = run(whole, 12)
    seen = []
    for done in train(parts, batches, loss, 12, partial(warm_up_then_fall, steps=12)):
        seen.append(done.loss)
        if done.step == 7:
            break
    assert seen + run(parts, 12) == losses
    assert same_weights(parts.net, whole.net)


@pytest.fixture
def interruptible():
    """Python's own answer to Ctrl-C, which a process started in the background may lack."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_in_the_middle_of_a_step_waits_until_it_is_taken_whole():
    whole, interrupted = fresh_state(), fresh_state()
    run(whole, 12)
    interrupted.optimizer.register_step_post_hook(lambda *_: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run(interrupted, 12)
    assert interrupted.step == 1  # weights, average and counter moved together
    interrupted.optimizer._optimizer_step_post_hooks.clear()
    run(interrupted, 12)
    assert same_weights(interrupted.net, whole.net)
    assert same_weights(interrupted.ema, whole.ema)


def test_seeds_differ_and_every_step_has_noise_of_its_own():
    assert run(fresh_state(0), 3) != run(fresh_state(1), 3)
    draws = {torch.rand(1, generator=generator_for(seed, step)).item() for seed in range(20) for step in range(20)}
    assert len(draws) == 400


def test_each_step_yields_after_weights_average_and_counter_are_up_to_date():
    state = fresh_state()
    for number, done in enumerate(train(state, batches, loss, 3), start=1):
        assert done.step == state.step == number
        if number == 1:  # the first average: decay (1 + 0) / (10 + 0)
            start = fresh_state().net.state_dict()
            for name, value in state.ema.state_dict().items():
                expected = 0.1 * start[name] + 0.9 * state.net.state_dict()[name]
                torch.testing.assert_close(value, expected)


def test_the_average_forgets_as_soon_as_the_state_says():
    state = fresh_state()
    state.step, state.ema_limit = 1000, 0.25
    before = {name: value.clone() for name, value in state.ema.state_dict().items()}
    next(train(state, batches, loss, 1001))
    for name, value in state.ema.state_dict().items():
        torch.testing.assert_close(value, 0.25 * before[name] + 0.75 * state.net.state_dict()[name])


def test_ema_formula_and_warm_up():
    ema, net = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.constant_(ema.weight, 2.0)
    nn.init.constant_(net.weight, 10.0)
    update_ema(ema, net, 0.75)
    assert ema.weight.item() == pytest.approx(0.75 * 2 + 0.25 * 10)
    assert net.weight.item() == 10
    assert ema_decay(0) == pytest.approx(0.1)
    assert ema_decay(90) == pytest.approx(0.91)
    assert ema_decay(10**9) == 0.9995
    with pytest.raises(ValueError, match="decay must lie between 0 and 1"):
        update_ema(ema, net, 1.5)


def test_learning_rate_warms_up_stays_and_falls():
    rate = partial(warm_up_then_fall, steps=1000, peak=1.0, warm_up=100)
    assert rate(0) == pytest.approx(0.01)
    assert rate(99) == rate(600) == 1.0
    assert rate(800) == pytest.approx(0.51)
    assert rate(1000) == pytest.approx(0.02)
    assert warm_up_then_fall(99, 1000) == 2e-3 > warm_up_then_fall(98, 1000)  # the defaults
    state = fresh_state()
    for _ in train(state, batches, loss, 4, lambda step: 10.0**-step):
        pass
    assert state.optimizer.param_groups[0]["lr"] == pytest.approx(1e-3)


def test_times_cover_the_range_evenly():
    t = draw_times(1000, 1000, torch.Generator().manual_seed(0))
    assert t.dtype == torch.int64
    assert sorted(t.tolist()) == list(range(1, 1001))  # one from each of 1,000 slices
    many = torch.cat([draw_times(1, 10, torch.Generator().manual_seed(seed)) for seed in range(3000)])
    assert stats.chisquare(torch.bincount(many, minlength=11)[1:].numpy()).pvalue > 0.001
    assert many.min() == 1
    assert many.max() == 10


def test_the_last_slice_never_rounds_up_beyond_T(monkeypatch):
    just_below_one = 1 - 2**-24  # the largest float32 that torch.rand can give; divided by 64 it may round up
    monkeypatch.setattr(torch, "rand", lambda size, generator: torch.full((size,), just_below_one))
    assert draw_times(64, 1000).max() == 1000


def test_shifted_times_favour_much_noise_or_little():
    for shift in (3.0, 0.5):
        t = draw_times(10_000, 1000, torch.Generator().manual_seed(0), shift)
        u = (torch.arange(10_000) + 0.5) / 10_000
        assert (t - 1000 * shift * u / (1 + (shift - 1) * u)).abs().max() <= 1.5
        assert (t.min(), t.max()) == (1, 1000)
    plain = draw_times(100, 1000, torch.Generator().manual_seed(0))
    assert torch.equal(draw_times(100, 1000, torch.Generator().manual_seed(0), 1.0), plain)
    with pytest.raises(ValueError, match="shift must be finite and at least 0"):
        draw_times(10, 1000, shift=-1.0)


def test_the_loss_is_taken_at_the_shifted_times():
    seen = []

    def net(x_t, t, cond):
        seen.append(t)
        return x_t

    for shift in (1.0, 4.0):
        denoising_loss(NetDenoiser(net, LINEAR, "eps"), torch.zeros(100, 1), None, torch.Generator(), shift)
    assert seen[0].double().mean() == pytest.approx(500, abs=10)
    assert seen[1].double().mean() > 650


def test_labels_are_dropped_with_the_given_probability():
    labels = torch.arange(10_000) % 10
    dropped = drop_labels(labels, 10, 0.1, torch.Generator().manual_seed(0))
    assert (dropped == 10).double().mean().item() == pytest.approx(0.1, abs=0.01)
    assert torch.equal(dropped[dropped != 10], labels[dropped != 10])
    assert torch.equal(drop_labels(labels, 10, 0.0), labels)
    assert (drop_labels(labels, 10, 1.0) == 10).all()
    with pytest.raises(ValueError, match="probability must lie between 0 and 1"):
        drop_labels(labels, 10, 1.1)


class Exact(nn.Module):
    """Answers what the exact denoiser of N(2, 0.5²) would, plus an error."""

    def __init__(self, predicts, error=0.0):
        super().__init__()
        self.predicts, self.error = predicts, error

    def forward(self, x_t, t, cond):
        best = GaussianDenoiser(2, 0.5, LINEAR)(x_t, t)
        return NetDenoiser(self, LINEAR, self.predicts).target(best.x_0, t, best.eps) + self.error


@pytest.mark.parametrize("predicts", ["eps", "x_0", "v"])
def test_the_loss_is_least_at_the_exact_denoiser_and_its_least_value_is_known(predicts):
    """The least loss is the posterior's variance, averaged over t; any offset adds its square."""
    x_0 = 2 + 0.5 * torch.randn(200_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a = LINEAR.alpha_bar[1:]
    variance_x_0 = 0.25 * (1 - a) / (0.25 * a + 1 - a)
    # eps - eps_hat = sqrt(a/(1-a)) (x_0_hat - x_0), and v - v_hat = (x_0_hat - x_0) / sqrt(1-a)
    least = {"eps": variance_x_0 * a / (1 - a), "x_0": variance_x_0, "v": variance_x_0 / (1 - a)}[predicts].mean()

    def value(error):
        denoiser = NetDenoiser(Exact(predicts, error), LINEAR, predicts)
        return denoising_loss(denoiser, x_0, generator=torch.Generator().manual_seed(1)).item()

    assert value(0.0) == pytest.approx(least.item(), rel=0.02)
    assert value(0.1) == pytest.approx(least.item() + 0.01, rel=0.02)


def test_a_loss_that_is_not_finite_stops_with_step_and_advice_and_keeps_the_weights():
    state = fresh_state()

    def broken(net, batch, generator):
        return loss(net, batch, generator) * (math.nan if state.step == 3 else 1)

    with pytest.raises(FloatingPointError, match=r"nan at step 4: try a smaller learning rate"):
        list(train(state, batches, broken, 10))
    assert state.step == 3
    assert all(value.isfinite().all() for value in state.net.state_dict().values())


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    state, path = fresh_state(), tmp_path / "state.safetensors"
    run(state, 2)
    save_checkpoint(state, path)
    before = path.read_bytes()
    run(state, 4)

    def fails(tensors, file, metadata):
        file.write_bytes(b"half a file")
        raise OSError("no space left")

    monkeypatch.setattr("course_lib.training.save_file", fails)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(state, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["state.safetensors"]


def test_checkpoints_that_cannot_be_used_are_refused(tmp_path):
    state, path = fresh_state(), tmp_path / "state.safetensors"
    run(state, 1)
    save_checkpoint(state, path)
    with pytest.raises(ValueError, match="trained with seed 0, not 1"):
        load_checkpoint(fresh_state(seed=1), path)
    with pytest.raises(CourseFileError, match="network of another shape"):
        load_checkpoint(TrainState(nn.Linear(2, 2)), path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CourseFileError, match="not a readable checkpoint"):
        load_checkpoint(fresh_state(), path)


def test_progress_passes_the_steps_on_and_shows_loss_and_rate(capsys):
    state = fresh_state()
    seen = list(with_progress(train(state, batches, loss, 5), state, 5, 16))
    assert [done.step for done in seen] == [1, 2, 3, 4, 5]
    shown = capsys.readouterr().err
    assert "pictures" in shown
    assert "loss=" in shown


def test_no_steps_left_is_no_step():
    state = fresh_state()
    run(state, 3)
    assert run(state, 3) == []
    with pytest.raises(TypeError, match="steps must be a whole number"):
        next(train(state, batches, loss, 2.5))
