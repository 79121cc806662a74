"""Every precision and every device: half to double, and a GPU that knows no float64."""

from functools import partial

import numpy as np
import pytest
import torch
from pretended_gpu import DEVICE, PretendedGPU

from course_lib.denoisers import Clipped, GaussianDenoiser, IdealDenoiser, NetDenoiser, signal_and_noise
from course_lib.forward import add_noise, noise_like
from course_lib.guidance import Guided
from course_lib.metrics import frechet_distance, precision_and_recall
from course_lib.networks.classifier import Classifier
from course_lib.networks.text_unet import TextUNet
from course_lib.networks.unet import UNet
from course_lib.networks.vae import VAE
from course_lib.sampling import ddim_step, ddpm_step, dpmpp_2m_step, last, sample
from course_lib.schedules import NoiseSchedule
from course_lib.support.device import best_device
from course_lib.training import denoising_loss, draw_times, drop_labels, update_ema

COSINE = NoiseSchedule.cosine()
RULES = [ddpm_step, ddim_step, partial(ddim_step, eta=0.5), dpmpp_2m_step]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# --- a GPU ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gpu():
    with PretendedGPU():
        yield DEVICE


def test_the_pretended_gpu_refuses_what_a_real_one_does(gpu):
    x = torch.randn(3, 4).to(gpu)
    assert (2 * x).device.type == gpu.type
    assert torch.zeros(3, dtype=torch.float64).to(x).dtype == torch.float32  # cast first, then moved
    for float64 in (
        lambda: torch.zeros(3, dtype=torch.float64).to(gpu),
        x.double,
        lambda: torch.ones(2).double().to(gpu),
    ):
        with pytest.raises(TypeError, match="does not support float64"):
            float64()
    with pytest.raises(RuntimeError, match="same device"):
        x + torch.zeros(4)


@pytest.mark.parametrize("t", [500, torch.tensor([1, 300, 1000])])
def test_factors_are_taken_in_float64_and_arrive_in_the_dtype_and_on_the_device_of_the_pictures(gpu, t):
    x = torch.zeros(3, 1, 4, 4)
    exact = COSINE.alpha_bar[t]
    for moved in (t, t.to(gpu) if isinstance(t, torch.Tensor) else t):
        signal, noise = signal_and_noise(COSINE, moved, x.to(gpu))
        assert signal.device.type == noise.device.type == gpu.type
        assert torch.equal(signal.cpu().flatten(), exact.sqrt().float().flatten())
        assert torch.equal(noise.cpu().flatten(), (1 - exact).sqrt().float().flatten())


def test_training_needs_no_float64_there(gpu):
    torch.manual_seed(0)
    for net, cond in ((UNet(width=8), torch.arange(4)), (TextUNet(1, 16, (8, 8, 16)), torch.randn(4, 3, 16))):
        net.to(gpu)
        for predicts in ("eps", "x_0", "v"):
            x_0 = torch.randn(4, 1, 8, 8).to(gpu)
            loss = denoising_loss(NetDenoiser(net, COSINE, predicts), x_0, cond.to(gpu), seeded())
            loss.backward()
        assert net.stem.weight.grad.device.type == gpu.type
    update_ema(net, net, 0.9)
    assert drop_labels(torch.arange(4).to(gpu), 10, 0.5, seeded()).device.type == gpu.type


@pytest.mark.parametrize("rule", RULES)
def test_sampling_needs_no_float64_there(gpu, rule):
    torch.manual_seed(0)
    net, x, cond = UNet(width=8).to(gpu), torch.randn(3, 1, 8, 8).to(gpu), torch.arange(3).to(gpu)
    guided = Guided(NetDenoiser(net, COSINE, "v"), 2, torch.tensor([10]).to(gpu), parallel=0.5)
    for denoiser in (
        Clipped(guided, -1, 1),
        GaussianDenoiser(0, 1, COSINE),
        IdealDenoiser(torch.zeros(5, 1, 8, 8).to(gpu), COSINE),
    ):
        drawn = last(sample(denoiser, x, [1000, 500, 1, 0], rule, cond, seeded()))
        assert drawn.device.type == gpu.type
        assert drawn.dtype == torch.float32
    guided(x, torch.tensor([1, 2, 3]).to(gpu), cond)  # a time for each row


def test_metrics_need_no_float64_there(gpu):
    a, b = (torch.randn(20, 3, generator=seeded(seed)) for seed in (0, 1))
    assert frechet_distance(a.to(gpu), b.to(gpu)) == frechet_distance(a, b)
    assert precision_and_recall(a.to(gpu), b.to(gpu)) == precision_and_recall(a, b)


# --- half, double -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "off"), [(torch.float16, 0.05), (torch.bfloat16, 0.3), (torch.float64, 1e-4)])
def test_networks_answer_in_the_precision_of_their_weights(dtype, off):
    torch.manual_seed(0)
    unet, text = UNet(width=8), TextUNet(1, 16, (8, 8, 16))
    for parameter in (*unet.parameters(), *text.parameters()):
        if parameter.ndim == 1 or not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    x, t, words = torch.randn(3, 1, 8, 8), torch.tensor([1, 500, 1000]), torch.randn(3, 4, 16)
    cases = [(unet, (x, t, torch.arange(3))), (text, (x, t, words)), (Classifier(size=8), (x,))]
    vae = VAE(width=16)
    cases += [(vae, (torch.randn(2, 3, 8, 8),))]
    vae.forward = vae.reconstruct
    for net, given in cases:
        expected = net(*given).detach()
        net.to(dtype)
        answer = net(*(part.to(dtype) if part.is_floating_point() else part for part in given))
        assert answer.dtype == dtype
        assert (answer.detach().float() - expected).abs().max() < off * expected.abs().max().clamp(min=1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_training_and_sampling_in_other_precisions(dtype):
    torch.manual_seed(0)
    net = UNet(width=8).to(dtype)
    denoiser, x = NetDenoiser(net, COSINE, "v"), torch.randn(2, 1, 8, 8).to(dtype)
    loss = denoising_loss(denoiser, x, torch.tensor([0, 1]), seeded())
    loss.backward()
    assert loss.dtype == dtype
    for rule in RULES:
        drawn = last(sample(denoiser, x, [1000, 500, 0], rule, torch.tensor([0, 1]), seeded()))
        assert drawn.dtype == dtype
        assert drawn.isfinite().all()


def test_another_precision_than_the_networks_is_one_sentence_but_within_autocast():
    x, t = torch.randn(2, 1, 8, 8), torch.tensor([1, 2])
    with pytest.raises(
        TypeError, match=r"x_t must have the dtype of the network's weights, torch.float16, .* use x_t\.to"
    ):
        UNet(width=8).half()(x, t)
    with pytest.raises(TypeError, match="words must have the dtype"):
        TextUNet(1, 16, (8, 8, 16))(x, t, torch.randn(2, 3, 16).double())
    with torch.autocast("cpu", torch.bfloat16):
        assert UNet(width=8)(x.bfloat16(), t).shape == x.shape


# --- whole numbers, labels --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, int])
def test_whole_numbers_of_numpy_are_whole_numbers(kind):
    x = torch.randn(2, 1, 4, 4, generator=seeded())
    assert COSINE.at(kind(5), x) == COSINE.alpha_bar[5]
    assert NoiseSchedule.linear(kind(10)).T == 10
    assert COSINE.times(kind(4)) == [1000, 750, 500, 250, 0]
    assert torch.equal(add_noise(COSINE, x, kind(7), x), add_noise(COSINE, x, 7, x))
    denoiser = GaussianDenoiser(0, 1, COSINE)
    assert torch.equal(denoiser(x, kind(7)).x_0, denoiser(x, 7).x_0)
    walked = last(sample(denoiser, x, np.array([200, 100, 0]).astype(kind)))
    assert torch.equal(walked, last(sample(denoiser, x, [200, 100, 0])))
    assert draw_times(kind(3), kind(10)).shape == (3,)
    guided = Guided(NetDenoiser(UNet(width=8), COSINE, "v"), 2, torch.tensor([10]))
    assert guided(x, kind(7), torch.tensor([1, 2])).x_0.shape == x.shape


@pytest.mark.parametrize("kind", [True, np.True_, 5.0, np.float64(5), "5", None])
def test_what_is_no_whole_number(kind):
    for call in (
        lambda: COSINE.times(kind),
        lambda: draw_times(3, kind),
        lambda: NoiseSchedule.cosine(kind),
    ):
        with pytest.raises(TypeError, match="must be a whole number"):
            call()


@pytest.mark.parametrize(
    ("cond", "error", "words"),
    [
        (torch.tensor([0, 11]), ValueError, "cond must lie between 0 and 10, but got values from 0 to 11"),
        (torch.tensor([-1, 0]), ValueError, "cond must lie between 0 and 10"),
        (torch.tensor([0.0, 1.0]), TypeError, r"cond must hold whole numbers, .* use cond\.long\(\)"),
        ([0, 1], TypeError, r"cond must be a torch.Tensor, but got list: use torch\.as_tensor\(cond\)"),
        (3, TypeError, r"cond must be a torch.Tensor, but got int"),
        (torch.tensor(3), ValueError, "cond must hold labels for each of the 2 pictures"),
        (torch.tensor([1]), ValueError, "cond must hold labels for each of the 2 pictures"),
        (torch.tensor([1, 2, 3, 4]), ValueError, "cond must hold labels for each of the 2 pictures"),
    ],
)
def test_labels_that_cannot_be_are_refused_before_the_network_looks_them_up(cond, error, words):
    net = UNet(width=8)
    net.embed_label.register_forward_pre_hook(lambda *_: pytest.fail("looked up"))
    with pytest.raises(error, match=words):
        net(torch.zeros(2, 1, 8, 8), torch.tensor([1, 2]), cond)


# --- a generator for each row -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_picture_k_of_a_batch_comes_out_again_when_drawn_alone_with_its_own_generator(rule):
    torch.manual_seed(0)
    net = UNet(width=8)
    torch.nn.init.normal_(net.head[-1].weight, std=0.1)
    denoiser, cond = NetDenoiser(net, COSINE, "v"), torch.arange(4)
    start = noise_like(torch.zeros(4, 1, 8, 8), [seeded(row) for row in range(4)])
    times = [1000, 700, 300, 0]
    together = last(sample(denoiser, start, times, rule, cond, [seeded(row) for row in range(4)]))
    alone = last(sample(denoiser, start[2:3], times, rule, cond[2:3], [seeded(2)]))
    torch.testing.assert_close(together[2:3], alone, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="generator must hold one generator for each row of x"):
        last(sample(denoiser, start, times, ddpm_step, cond, [seeded()]))


def test_one_generator_gives_what_torch_gives_and_two_rows_never_share_noise():
    x = torch.zeros(3, 2, dtype=torch.float64)
    assert torch.equal(noise_like(x, seeded(5)), torch.randn(3, 2, dtype=torch.float64, generator=seeded(5)))
    rows = noise_like(x, [seeded(1), seeded(2), seeded(1)])
    assert torch.equal(rows[0], rows[2])
    assert not torch.equal(rows[0], rows[1])
    assert rows.device == torch.device("cpu")
    assert best_device().type in ("cpu", "cuda")
