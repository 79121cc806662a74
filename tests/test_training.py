"""Training: the loss's optimum, exact resumption, averaged weights, and what is said when it goes wrong."""

import copy
import math
import os
import signal
from collections import deque
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from scipy import stats
from torch import nn

from course_lib.denoisers import GaussianDenoiser, NetDenoiser
from course_lib.networks.time_embedding import embed_time
from course_lib.networks.unet import UNet
from course_lib.sampling import last, sample
from course_lib.schedules import NoiseSchedule, StraightSchedule
from course_lib.support.files import CourseFileError, data_folder
from course_lib.support.seeds import generator_for
from course_lib.training import (
    TrainState,
    denoising_loss,
    draw_times,
    drop_labels,
    ema_decay,
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


def test_several_states_go_into_one_file_and_all_or_none_come_out(tmp_path):
    path, pair = tmp_path / "pair.safetensors", (fresh_state(seed=0), fresh_state(seed=1))
    for state, steps in zip(pair, (3, 2), strict=True):
        for _ in train(state, batches, loss, steps):
            pass
    save_checkpoint(pair, path)
    loaded = fresh_state(seed=0), fresh_state(seed=1)
    load_checkpoint(loaded, path)
    for state, again in zip(pair, loaded, strict=True):
        assert again.step == state.step
        assert same_weights(again.net, state.net)
        assert same_weights(again.ema, state.ema)

    with pytest.raises(CourseFileError, match="holds the state of 2 trainings, not of 1: load it into as many states"):
        load_checkpoint(fresh_state(seed=0), path)
    with pytest.raises(CourseFileError, match="holds the state of 2 trainings, not of 3"):
        load_checkpoint((*loaded, fresh_state(seed=2)), path)
    untouched = fresh_state(seed=0), fresh_state(seed=5)
    with pytest.raises(ValueError, match="was trained with seed 1, not 5"):
        load_checkpoint(untouched, path)
    assert untouched[0].step == 0  # though the first would have fitted
    save_checkpoint(pair[0], path)
    with pytest.raises(CourseFileError, match="holds the state of 1 training, not of 2"):
        load_checkpoint(loaded, path)


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


def test_the_schedule_of_the_learning_rate_holds_for_every_group_of_weights():
    """Muon's matrices are a second group: at a rate of zero neither they nor the rest may move."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 3))
    groups = [{"params": net[0].parameters(), "lr": 1.0}, {"params": net[2].parameters(), "lr": 2.0}]
    state = TrainState(net, optimizer=torch.optim.AdamW(groups, weight_decay=0))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for done in train(state, batches, loss, 2, lambda step: 0.25 * step):
        assert [group["lr"] for group in state.optimizer.param_groups] == [0.25 * (done.step - 1)] * 2
        moved = {name: not torch.equal(value, before[name]) for name, value in net.state_dict().items()}
        assert set(moved.values()) == {done.step == 2}


def test_a_checkpoint_holds_the_seed(tmp_path):
    state = fresh_state(seed=7)
    run(state, 2)
    save_checkpoint(state, tmp_path / "state.safetensors")
    again = fresh_state(seed=7)
    load_checkpoint(again, tmp_path / "state.safetensors")
    assert run(again, 4) == run(state, 4)
    with pytest.raises(ValueError, match="seed"):
        load_checkpoint(fresh_state(seed=0), tmp_path / "state.safetensors")


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


def test_the_average_of_a_network_with_batch_norm_draws_as_it_should():
    torch.manual_seed(0)
    state = TrainState(nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)))

    def shifted(generator):
        return 5 + torch.randn(64, 3, generator=generator)

    def to_zero(net, batch, generator):
        return (net(batch) - batch.flip(1)).square().mean()

    for _ in train(state, shifted, to_zero, 200):
        pass
    assert not state.ema.training
    assert state.ema[1].running_mean.abs().max() > 0.5
    for name, value in state.net[1].named_buffers():
        assert torch.equal(state.ema[1].get_buffer(name), value), name
    batch = shifted(torch.Generator().manual_seed(1))
    state.net.eval()
    averaged, last = (to_zero(net, batch, None).item() for net in (state.ema, state.net))
    assert averaged < 2 * last + 0.1


def test_averages_of_another_network_are_refused():
    net = fresh_state().net
    for ema in (nn.Linear(3, 8), nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1))):
        with pytest.raises(ValueError, match="ema must have the weights of net"):
            update_ema(ema, net, 0.9)
        with pytest.raises(ValueError, match="ema must have the weights of net"):
            TrainState(net, ema=ema)
    with pytest.raises(ValueError, match="optimizer must be made of net's parameters"):
        TrainState(net, optimizer=torch.optim.SGD(fresh_state().net.parameters(), lr=0.1))


def test_learning_rate_warms_up_stays_and_falls():
    rate = partial(warm_up_then_fall, steps=1000, peak=1.0, warm_up=100)
    assert rate(0) == pytest.approx(0.01)
    assert rate(99) == rate(600) == 1.0
    assert rate(800) == pytest.approx(0.51)
    assert rate(1000) == pytest.approx(0.02)
    assert rate(1001) == rate(1500) == rate(10**6) == rate(1000)  # past the plan it stays, and never turns negative
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
    with pytest.raises(CourseFileError, match=r"0\.weight has shape \(8, 3\) instead of \(4, 3\)"):
        load_checkpoint(TrainState(nn.Sequential(nn.Linear(3, 4), nn.SiLU(), nn.Linear(4, 3))), path)
    whole = path.read_bytes()
    for damaged in (whole[:100], b""):
        path.write_bytes(damaged)
        with pytest.raises(CourseFileError, match="not a readable checkpoint"):
            load_checkpoint(fresh_state(), path)
    with pytest.raises(CourseFileError, match="not a readable checkpoint"):
        load_checkpoint(fresh_state(), tmp_path / "nowhere.safetensors")


def refusals_of_checkpoints(tmp_path):
    """What is said of every checkpoint that cannot be used."""
    path = tmp_path / "state.safetensors"
    state = fresh_state()
    run(state, 1)
    save_checkpoint(state, path)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(path.read_bytes()[:200])
    bare = tmp_path / "bare.safetensors"
    save_file(dict(state.net.state_dict()), bare)
    shipped = data_folder() / "checkpoints" / "fashion.safetensors"
    net = fresh_state().net
    for file, into in (
        (damaged, fresh_state()),
        (tmp_path / "missing.safetensors", fresh_state()),
        (bare, fresh_state()),
        (shipped, TrainState(UNet())),
        (shipped, TrainState(UNet(width=8))),
        (path, TrainState(nn.Linear(2, 2))),
        (path, TrainState(net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9))),
        (path, TrainState(net, optimizer=torch.optim.AdamW([net[0].weight]))),
        (path, fresh_state(seed=1)),
    ):
        before = copy.deepcopy((into.net.state_dict(), into.ema.state_dict(), into.optimizer.state_dict(), into.step))
        with pytest.raises((CourseFileError, ValueError)) as refused:
            load_checkpoint(into, file)
        assert into.step == before[3]  # nothing is half loaded
        for old, new in zip(before, (into.net.state_dict(), into.ema.state_dict()), strict=False):
            assert all(torch.equal(value, new[name]) for name, value in old.items())
        assert into.optimizer.state_dict() == before[2]
        yield str(refused.value)


def test_no_message_about_a_checkpoint_advises_to_destroy_it(tmp_path):
    said = list(refusals_of_checkpoints(tmp_path))
    for sentence in said:
        assert not {"delete", "remove", "overwrite", "restore"} & set(sentence.replace(",", " ").lower().split())
        assert "\n" not in sentence
    assert ["move it away or choose another name" in sentence for sentence in said[:2]] == [True, True]
    assert all("TrainState(trainable_copy(net))" in sentence for sentence in said[2:5])
    assert "trained by AdamW with 4 parameters, but this state has SGD with 4" in said[6]
    assert "trained by AdamW with 4 parameters, but this state has AdamW with 1" in said[7]


def test_a_learning_rate_set_by_hand_and_all_other_settings_of_the_optimiser_come_back(tmp_path):
    path = tmp_path / "state.safetensors"
    whole, stopped = fresh_state(), fresh_state()
    for state in (whole, stopped):
        for _ in train(state, batches, loss, 3):
            pass
        state.optimizer.param_groups[0] |= {"lr": 3e-4, "betas": (0.5, 0.6), "weight_decay": 0.3}
    save_checkpoint(stopped, path)
    resumed = fresh_state()
    load_checkpoint(resumed, path)
    (group,) = resumed.optimizer.param_groups
    assert (group["lr"], tuple(group["betas"]), group["weight_decay"]) == (3e-4, (0.5, 0.6), 0.3)
    for state in (whole, resumed):
        for _ in train(state, batches, loss, 6):
            pass
    assert same_weights(whole.net, resumed.net)


@pytest.mark.parametrize(
    "make",
    [
        partial(torch.optim.SGD, lr=0.1),
        partial(torch.optim.SGD, lr=0.1, momentum=0.9),
        partial(torch.optim.AdamW, lr=torch.tensor(0.01), foreach=False),
        partial(torch.optim.RMSprop, lr=0.01),
    ],
)
def test_other_optimisers_go_on_bit_for_bit_too(tmp_path, make):
    def state():
        net = fresh_state().net
        return TrainState(net, optimizer=make(net.parameters()))

    whole, stopped, resumed = state(), state(), state()
    for each, steps in ((whole, 6), (stopped, 3)):
        for _ in train(each, batches, loss, steps):
            pass
    save_checkpoint(stopped, tmp_path / "state.safetensors")
    load_checkpoint(resumed, tmp_path / "state.safetensors")
    for _ in train(resumed, batches, loss, 6):
        pass
    assert same_weights(whole.net, resumed.net)


def test_a_checkpoint_that_holds_more_than_tensors_is_refused_before_anything_is_written(tmp_path):
    net = fresh_state().net
    state = TrainState(net, optimizer=torch.optim.LBFGS(net.parameters()))
    state.optimizer.state[net[0].weight]["n_iter"] = 3
    with pytest.raises(TypeError, match="a checkpoint holds tensors only"):
        save_checkpoint(state, tmp_path / "state.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists what a process has mapped")
def test_a_loaded_checkpoint_lets_go_of_its_file(tmp_path):
    path = tmp_path / "state.safetensors"
    state = fresh_state()
    run(state, 2)
    save_checkpoint(state, path)
    resumed = fresh_state()
    load_checkpoint(resumed, path)
    with pytest.raises(CourseFileError) as refused:
        load_checkpoint(TrainState(nn.Linear(2, 2)), path)
    assert str(path) not in Path("/proc/self/maps").read_text(encoding="utf-8"), refused
    save_checkpoint(resumed, path)  # Windows would refuse to replace what is mapped


def test_progress_passes_the_steps_on_and_shows_loss_and_rate(capsys):
    state = fresh_state()
    seen = list(with_progress(train(state, batches, loss, 5), state, 5, 16))
    assert [done.step for done in seen] == [1, 2, 3, 4, 5]
    shown = capsys.readouterr().err
    assert "pictures" in shown
    assert "loss=" in shown


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (lambda net, batch: net(batch).detach().mean(), ValueError, "depends on the network's weights"),
        (lambda net, batch: net(batch).square().mean(dim=1), ValueError, r"one number .* shape \(16,\)"),
        (lambda net, batch: 0.5, TypeError, r"the loss must be a torch\.Tensor"),
    ],
)
def test_losses_that_cannot_be(answer, error, words):
    with pytest.raises(error, match=words):
        next(train(fresh_state(), batches, lambda net, batch, generator: answer(net, batch), 1))


def test_a_negative_learning_rate_is_refused_and_the_step_is_not_taken():
    state = fresh_state()
    with pytest.raises(ValueError, match="the learning rate must be finite and at least 0"):
        next(train(state, batches, loss, 1, lambda step: -1e-3))
    assert state.step == 0
    assert same_weights(state.net, fresh_state().net)


def pictures(dtype=torch.float32):
    """As dark as pictures are: nine pixels of ten are black."""
    drawn = torch.randint(0, 256, (8, 1, 8, 8), generator=torch.Generator().manual_seed(0))
    return torch.where(torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.9, 0, drawn).to(dtype)


@pytest.mark.parametrize(
    ("x_0", "error", "words"),
    [
        (pictures(), ValueError, r"x_0 must be about as large as the noise, .* use x_0 / 127\.5 - 1"),
        (pictures(torch.float16), ValueError, "x_0 must be about as large as the noise"),
        (pictures(torch.uint8), TypeError, r"dtype is torch\.uint8: use x_0\.float\(\) / 127\.5 - 1"),
        (pictures(torch.int64), TypeError, "x_0 must hold floating-point numbers"),
        (torch.full((2, 1, 8, 8), math.nan), ValueError, "x_0 must be finite"),
        (torch.zeros(0, 1, 8, 8), ValueError, "x_0 must have at least 1 row"),
        ([[0.0]], TypeError, r"x_0 must be a torch\.Tensor"),
    ],
)
def test_the_loss_refuses_what_is_no_scaled_data(x_0, error, words):
    with pytest.raises(error, match=words):
        denoising_loss(NetDenoiser(UNet(width=8), LINEAR, "v"), x_0)


def test_the_loss_takes_pixels_and_latents_as_they_come():
    generator = torch.Generator().manual_seed(0)
    tailed = torch.randn(8, 1, 8, 8, generator=generator) * 3
    tailed[0, 0, 0, 0] = 60  # one number far out is no matter of scale
    for x_0 in (pictures() / 127.5 - 1, pictures() / 255, tailed):
        assert denoising_loss(NetDenoiser(UNet(width=8), LINEAR, "v"), x_0).isfinite()


@pytest.mark.parametrize("answers", [lambda x: x.mean((1, 2, 3), keepdim=True), lambda x: x[:, :, 0], lambda x: x[:1]])
def test_an_answer_that_would_be_broadcast_is_refused(answers):
    denoiser = NetDenoiser(lambda x, t, cond: answers(x), LINEAR, "eps")
    with pytest.raises(ValueError, match="what the network answers must have the shape of x_0"):
        denoising_loss(denoiser, torch.zeros(4, 2, 8, 8))
    with pytest.raises(ValueError, match="what the network answers must have the shape of x_t"):
        denoiser(torch.zeros(4, 2, 8, 8), 5)


def test_no_steps_left_is_no_step():
    state = fresh_state()
    run(state, 3)
    assert run(state, 3) == []
    with pytest.raises(TypeError, match="steps must be a whole number"):
        next(train(state, batches, loss, 2.5))


@pytest.mark.parametrize("rows", [2, 3, 400])
def test_several_labels_of_a_picture_are_dropped_together(rows):
    labels = torch.arange(3).repeat(rows, 1)  # (rows, 3)
    kept, dropped = labels[:1], torch.full((1, 3), 9)
    seen = set()
    for seed in range(20):
        for row in drop_labels(labels, 9, 0.5, torch.Generator().manual_seed(seed)):
            assert torch.equal(row[None], kept) or torch.equal(row[None], dropped)
            seen.add(row[0].item())
    assert seen == {0, 9}


# --- one loop for diffusion and for the straight line ------------------------------------------------------------------


def spiral(size, generator):
    """Points near a spiral, (size, 2), of mean 0 and variance 1."""
    radius = torch.rand(size, generator=generator).sqrt()
    angle = 3 * torch.pi * radius
    points = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    points += 0.02 * torch.randn(points.shape, generator=generator)
    return (points - points.mean(dim=0)) / points.std(dim=0)


class SmallNet(nn.Module):
    def __init__(self, width=128):
        super().__init__()
        inner = [layer for _ in range(2) for layer in (nn.Linear(width, width), nn.SiLU())]
        self.layers = nn.Sequential(nn.Linear(2 + 32, width), nn.SiLU(), *inner, nn.Linear(width, 2))

    def forward(self, x_t, t, cond=None):
        return self.layers(torch.cat([x_t, embed_time(t, 32)], dim=1))


def fitted(schedule, predicts, points, steps=800):
    torch.manual_seed(0)
    state = TrainState(SmallNet())

    def batches(generator):
        return points[torch.randint(len(points), (512,), generator=generator)]

    def loss(net, x_0, generator):
        return denoising_loss(NetDenoiser(net, schedule, predicts), x_0, generator=generator)

    deque(train(state, batches, loss, steps, partial(warm_up_then_fall, steps=steps, peak=4e-3)), maxlen=0)
    return NetDenoiser(state.ema, schedule, predicts)


@pytest.mark.slow
def test_a_straight_line_draws_as_well_as_cosine_and_v():
    points = spiral(2000, torch.Generator().manual_seed(0))
    noise = torch.randn(2000, 2, generator=torch.Generator().manual_seed(1))

    def far(drawn):
        """How far what is drawn lies from the spiral on average, and the spiral from it."""
        between = torch.cdist(drawn, points)
        return (between.min(dim=0).values.mean() + between.min(dim=1).values.mean()).item() / 2

    cosine, straight = (
        fitted(schedule, predicts, points)
        for schedule, predicts in ((NoiseSchedule.cosine(), "v"), (StraightSchedule(), "u"))
    )
    for steps in (2, 5, 20):
        of_cosine, of_straight = (
            far(last(sample(denoiser, noise, denoiser.schedule.times(steps)))) for denoiser in (cosine, straight)
        )
        assert of_straight < 1.1 * of_cosine, steps
    assert of_straight < 0.07  # after 20 steps; points of the square at random lie 0.2 away, the spiral's own 0.02
