"""The library and the shown answers on a device that refuses what CUDA refuses, and computes on the CPU."""

from functools import partial

import pytest
import torch
from test_notebooks import notebook_at, run_cell
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

from course_lib import forward, training
from course_lib.classroom import checks, on_device, ticks
from course_lib.classroom.checks import source_of
from course_lib.classroom.exercise import Exercise
from course_lib.classroom.exercises import EXERCISES
from course_lib.denoisers import Clipped, GaussianDenoiser, IdealDenoiser, NetDenoiser
from course_lib.distillation import halving_loss
from course_lib.guidance import Guided, Within, orthogonal
from course_lib.networks.text_unet import TextUNet
from course_lib.networks.unet import UNet
from course_lib.networks.vae import VAE, kl_divergence
from course_lib.sampling import ddim_step, ddpm_step, dpmpp_2m_step, last, sample, sample_many
from course_lib.schedules import NoiseSchedule

# --- the device -------------------------------------------------------------------------------------------------------

HERE, THERE = torch.device("cpu"), torch.device("cuda:0")


class Elsewhere(torch.Tensor):
    """A tensor on the other device; its numbers lie on the CPU, in the memory of the tensor that it was made of."""

    __torch_function__ = torch._C._disabled_torch_function_impl


def is_there(value):
    return isinstance(value, Elsewhere)


def moved(value, device):
    """All tensors in a value as tensors of a device, with the same memory and the same gradients."""
    kind = Elsewhere if torch.device(device).type == "cuda" else Tensor
    with torch._C.DisableTorchFunction():
        return tree_map_only(Tensor, lambda x: x if type(x) is kind else x.as_subclass(kind), value)


class OtherDevice(TorchFunctionMode):
    """Within it "cuda" is the other device. What CUDA refuses raises; whatever else meets a tensor there stays there."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        device = THERE if any(map(is_there, tensors)) else HERE
        if function == Tensor.device.__get__:
            return device
        if function == Tensor.is_cuda.__get__:
            return device == THERE
        if function is Tensor.__deepcopy__:
            twin = moved(args[0].detach().clone(), device).requires_grad_(args[0].requires_grad)
            twin._is_param = getattr(args[0], "_is_param", False)
            return twin
        if function in (Tensor.cpu, Tensor.cuda):
            function, args = Tensor.to, (args[0], "cpu" if function is Tensor.cpu else "cuda")
        if function is Tensor.to:
            return self.to(*args, **kwargs)
        if function is Tensor.copy_:
            device = THERE if is_there(args[0]) else HERE
        elif kwargs.get("device") is not None:
            device, kwargs["device"] = torch.device(kwargs["device"]), HERE
        else:
            self.refuse_mixing(function, args, tensors)
        if device.type == "cuda" and kwargs.get("generator") is not None:
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        if device.type == "cuda" and function in (Tensor.numpy, Tensor.__array__):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        return moved(function(*args, **kwargs), device)

    def to(self, x, *targets, **named):
        device, dtype = THERE if is_there(x) else HERE, x.dtype
        for target in (*targets, *named.values()):
            if isinstance(target, Tensor):
                device, dtype = THERE if is_there(target) else HERE, target.dtype
            elif isinstance(target, torch.dtype):
                dtype = target
            elif isinstance(target, str | torch.device):
                device = target
        with torch._C.DisableTorchFunction():
            return moved(x.to(dtype), device)

    def refuse_mixing(self, function, args, tensors):
        """Tensors of one device, beside single numbers of the CPU; a tensor there may be indexed by one here."""
        if function in (Tensor.__getitem__, Tensor.__setitem__) and is_there(args[0]):
            return
        here = [x for x in tensors if not is_there(x) and (x.ndim > 0 or function in (torch.cat, torch.stack))]
        if here and any(map(is_there, tensors)):
            raise RuntimeError("Expected all tensors to be on the same device, but found two devices, cuda:0 and cpu!")


@pytest.fixture
def other_device():
    with OtherDevice():
        yield


def there(value):
    """A value on the other device: its tensors, its network's weights, which it swaps; stand-ins answer from far away."""
    if isinstance(value, nn.Module):
        for part in value.modules():
            part._parameters, part._buffers = moved((dict(part._parameters), dict(part._buffers)), THERE)
        return value
    if getattr(value, "__module__", "").startswith("course_lib.classroom.exercises"):
        return FarAway(value)
    if isinstance(value, tuple | list):
        parts = [there(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return moved(value, THERE)


class FarAway:
    """An object of an exercise that stands in for a network: asked from the other device, it answers there."""

    def __init__(self, inside):
        self.inside = inside

    def __call__(self, *arguments, **named):
        with torch._C.DisableTorchFunction():
            return there(self.inside(*moved(arguments, HERE), **moved(named, HERE)))

    def __getattr__(self, name):
        value = getattr(self.inside, name)
        return FarAway(value) if callable(value) else there(value)


# --- it refuses what CUDA refuses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mixes",
    [
        lambda x: x + torch.ones(3),
        lambda x: torch.ones(3) * x,
        lambda x: torch.ones(3).mul_(x[0]),
        lambda x: torch.where(torch.ones(3, dtype=torch.bool), x, 0.0),
        lambda x: torch.cat([x, torch.zeros(1)]),
        lambda x: torch.stack([x[0], torch.tensor(1.0)]),
        lambda x: nn.functional.mse_loss(x, torch.zeros(3)),
        lambda x: NoiseSchedule.linear().alpha_bar[x.long()],
        lambda x: torch.randn(3, device=x.device, generator=torch.Generator()),
        lambda x: torch.empty_like(x).normal_(generator=torch.Generator()),
        lambda x: nn.Linear(3, 3)(x),
    ],
)
def test_two_devices_and_a_generator_of_the_other_are_refused(mixes, other_device):
    with pytest.raises(RuntimeError, match="Expected"):
        mixes(torch.ones(3, device="cuda"))


def test_numpy_is_refused_and_what_cuda_allows_is_allowed(other_device):
    x = torch.ones(3).cuda()
    with pytest.raises(TypeError, match=r"Use Tensor\.cpu"):
        x.numpy()
    for y in (x + 1, x * torch.tensor(2.0), x[torch.tensor([0, 2])], torch.zeros(3).to(x), x.double(), x.clone()):
        assert is_there(y)
        assert y.device == THERE
    assert type(x.cpu() + torch.ones(3)) is Tensor
    assert is_there(torch.zeros(3, device=x.device).copy_(torch.ones(3)))
    assert float(x.sum()) == 3


# --- the library ------------------------------------------------------------------------------------------------------


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(seed=1, size=2):
    return torch.randn(size, 1, 8, 8, generator=seeded(seed))  # (B, C, H, W)


def fixed(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


LINEAR, COSINE = NoiseSchedule.linear(), NoiseSchedule.cosine()
TIMES, T = [1000, 500, 100, 0], torch.tensor([3, 700])
LABELS = torch.tensor([1, 4])


def small_net():
    return fixed(lambda: UNet(width=16))


def trained(to):
    net = to(small_net())
    for part in net.modules():  # an optimiser changes leaves alone
        part._parameters = {name: nn.Parameter(value.detach()) for name, value in part._parameters.items()}
    state = training.TrainState(net)

    def loss(net, batch, generator):
        x_0, labels = batch
        labels = training.drop_labels(labels, 10, 0.3, generator)
        return training.denoising_loss(NetDenoiser(net, COSINE, "v"), x_0, labels, generator)

    for _ in training.train(state, lambda generator: to((pictures(), LABELS)), loss, 3, lambda step: 1e-3):
        pass
    return torch.cat([p.detach().flatten() for p in (*state.net.parameters(), *state.ema.parameters())])


def drawn(
    rule, make_denoiser=lambda to: GaussianDenoiser(to(torch.tensor([0.5, -0.5]).reshape(2, 1, 1, 1)), 0.5, LINEAR)
):
    return lambda to: last(sample(make_denoiser(to), to(pictures()), TIMES, rule, to(LABELS), seeded()))


def net_denoiser(to, predicts="v"):
    return NetDenoiser(to(small_net().eval().requires_grad_(False)), COSINE, predicts)


def guided(w, **named):
    def make(to):
        return Guided(net_denoiser(to), w, to(torch.tensor([10])), **named)

    return make


def through_the_vae(to):
    vae = to(fixed(lambda: VAE(channels=1, width=16)).eval().requires_grad_(False))
    posterior = vae.encode(to(pictures()))
    return vae.to_pictures(vae.to_latents(vae.decode(posterior.draw(seeded())))) + kl_divergence(posterior).mean()


def asked(make_denoiser, t=T):
    return lambda to: torch.cat(make_denoiser(to)(to(pictures()), to(t) if isinstance(t, Tensor) else t))


LIBRARY = {
    "forward_step": lambda to: forward.forward_step(to(pictures()), 0.04, to(pictures(2))),
    "add_noise": lambda to: forward.add_noise(LINEAR, to(pictures()), to(T), to(pictures(2))),
    "add_noise at times of the CPU": lambda to: forward.add_noise(LINEAR, to(pictures()), T, to(pictures(2))),
    "noise_like": lambda to: forward.noise_like(to(pictures()), seeded()),
    "GaussianDenoiser": asked(lambda to: GaussianDenoiser(0.5, 0.5, LINEAR)),
    "GaussianDenoiser of many means": asked(lambda to: GaussianDenoiser(to(pictures(3)), 0.5, LINEAR)),
    "IdealDenoiser": asked(lambda to: IdealDenoiser(to(pictures(4, 5)), LINEAR)),
    "Clipped": asked(lambda to: Clipped(GaussianDenoiser(0.5, 2.0, COSINE), -1, 1)),
    "Clipped at one time": asked(lambda to: Clipped(GaussianDenoiser(0.5, 2.0, COSINE), -1, 1), 900),
    **{f"NetDenoiser of {what}": asked(partial(net_denoiser, predicts=what)) for what in ("eps", "x_0", "v")},
    "target": lambda to: net_denoiser(to).target(to(pictures()), to(T), to(pictures(2))),
    **{rule.__name__: drawn(rule) for rule in (ddpm_step, ddim_step, dpmpp_2m_step)},
    "ddim_step with noise": drawn(partial(ddim_step, eta=0.5)),
    **{f"guided by {w}": drawn(ddim_step, guided(w)) for w in (0, 1, 3)},
    "projected": drawn(ddim_step, guided(3, parallel=0.2)),
    "guided within": drawn(ddim_step, lambda to: Within(guided(3)(to), net_denoiser(to), 200, 800)),
    "orthogonal": lambda to: orthogonal(to(pictures()), to(pictures(2))),
    "halving_loss": lambda to: halving_loss(
        net_denoiser(to), guided(3)(to), to(pictures()), 4, to(LABELS), seeded()
    ).reshape(1),
    "train": trained,
    "VAE": through_the_vae,
    "TextUNet": lambda to: to(fixed(lambda: TextUNet(4, 8, (8, 16, 16))).eval())(
        to(torch.randn(2, 4, 16, 16, generator=seeded())), to(T), to(torch.randn(2, 5, 8, generator=seeded()))
    ).detach(),
}


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_gives_the_same_on_the_other_device_and_leaves_it_there(name, other_device):
    result = LIBRARY[name](there)
    assert is_there(result)
    assert torch.allclose(result.cpu(), LIBRARY[name](lambda value: value), atol=1e-5)


def test_many_pictures_come_back_to_the_cpu(other_device):
    denoiser = GaussianDenoiser(0.5, 0.5, LINEAR)
    many = sample_many(denoiser, there(pictures(size=5)), TIMES, size=2)
    assert type(many) is Tensor
    assert torch.allclose(many, last(sample(denoiser, pictures(size=5), TIMES)), atol=1e-5)


# --- the shown answers ------------------------------------------------------------------------------------------------


# The training loop makes no tensor of its own, and its optimiser would step the weights that are here.
MAKES_NO_TENSOR = ("02.2",)


@pytest.mark.parametrize(
    "exercise",
    [each for each in EXERCISES.values() if isinstance(each, Exercise) and each.id not in MAKES_NO_TENSOR],
    ids=lambda each: each.id,
)
def test_a_shown_answer_runs_on_the_other_device(exercise, own_progress):
    names, _, _ = notebook_at(exercise)
    run_cell(source_of(exercise.solution), names)
    answer = names[exercise.solution.__name__]

    def from_afar(*arguments):
        parts = [part for value in arguments if isinstance(value, nn.Module) for part in value.modules()]
        weights = [(part._parameters, part._buffers) for part in parts]
        with OtherDevice():
            arguments = there(arguments)
            result = answer(*arguments)
        for part, own in zip(parts, weights, strict=True):
            part._parameters, part._buffers = own
        if any(map(is_there, tree_leaves(arguments))) and isinstance(result, Tensor):
            assert is_there(result)
        return moved(result, HERE)

    for trial in exercise.trials:
        assert trial.agrees(trial.run(from_afar), exercise.solution), trial.says


# --- what a check says of answers that stop there ---------------------------------------------------------------------


def noise_of_the_cpu(posterior, generator=None):
    noise = torch.randn(posterior.mean.shape, generator=generator)
    return posterior.mean + (posterior.log_var / 2).exp() * noise


def statistics_through_numpy(latents):
    values = latents.detach().numpy()
    off = values - values.mean(axis=(0, 2, 3), keepdims=True)
    return torch.from_numpy(off / off.std(axis=(0, 2, 3), keepdims=True))


def places_of_the_cpu(ids, words, places):
    return words[ids] + torch.index_select(places, 0, torch.arange(ids.shape[1]))


MAKES_TENSORS = {"04.2": noise_of_the_cpu, "04.3": statistics_through_numpy, "05.4": places_of_the_cpu}


@pytest.mark.parametrize("id_", MAKES_TENSORS)
def test_a_right_answer_that_stops_on_the_gpu_counts_and_the_courses_own_goes_on(
    id_, own_progress, capsys, monkeypatch
):
    answer = MAKES_TENSORS[id_]
    assert checks.check(id_, answer) is answer, capsys.readouterr().out
    assert "computes on" not in capsys.readouterr().out
    monkeypatch.setattr(checks, "best_device", lambda: THERE)
    monkeypatch.setattr(checks, "stops_on", within_the_other_device)
    assert checks.check(id_, answer) is EXERCISES[id_].solution
    said = capsys.readouterr().out
    assert said.startswith("✓ Right")
    assert "computes on cuda:0" in said
    assert "the course's own version" in said
    assert ticks.ticks()[id_] == "done"


def test_what_the_notebook_computes_on_the_cpu_is_not_tried_on_the_gpu(own_progress, monkeypatch):
    def factors_of_the_cpu(schedule, x_t, t, v):
        kept = schedule.alpha_bar[t].reshape(-1, 1, 1, 1)
        return kept.sqrt().float() * x_t - (1 - kept).sqrt().float() * v

    monkeypatch.setattr(checks, "best_device", lambda: THERE)
    monkeypatch.setattr(checks, "stops_on", within_the_other_device)
    assert checks.check("02.4", factors_of_the_cpu) is factors_of_the_cpu


def within_the_other_device(*given):
    """A check works in a thread of its own, where a mode has to be entered anew."""
    with OtherDevice():
        return on_device.stops_on(*given)


@pytest.mark.parametrize(
    "exercise", [each for each in EXERCISES.values() if isinstance(each, Exercise)], ids=lambda each: each.id
)
def test_a_shown_answer_is_right_with_a_gpu_too(exercise, own_progress, capsys, monkeypatch):
    names, _, _ = notebook_at(exercise)
    run_cell(source_of(exercise.solution), names)
    answer = names[exercise.solution.__name__]
    monkeypatch.setattr(checks, "best_device", lambda: THERE)
    monkeypatch.setattr(checks, "stops_on", within_the_other_device)
    assert checks.check(exercise.id, answer) is answer, capsys.readouterr().out
