"""Denoisers: prediction types agree, the exact ones are exact, clipping keeps eps in step."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_lib.denoisers import Clipped, GaussianDenoiser, IdealDenoiser, NetDenoiser, Prediction
from course_lib.forward import add_noise
from course_lib.schedules import NoiseSchedule, StraightSchedule

LINEAR, COSINE = NoiseSchedule.linear(), NoiseSchedule.cosine()


class Answers(nn.Module):
    """A network that answers with what it was given, and remembers what it was asked."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x_t, t, cond):
        self.asked = (x_t, t, cond)
        return self.answer


@given(t=st.integers(1, 999), seed=st.integers(0, 100), cosine=st.booleans())
def test_all_three_predictions_agree_with_the_truth(t, seed, cosine):
    schedule = COSINE if cosine else LINEAR
    generator = torch.Generator().manual_seed(seed)
    x_0, eps = torch.randn(2, 2, 3, 1, 4, 4, dtype=torch.float64, generator=generator).unbind()
    x_0, eps = x_0[0], eps[0]  # (3, 1, 4, 4)
    x_t = add_noise(schedule, x_0, t, eps)
    a = schedule.alpha_bar[t]
    truth = {"eps": eps, "x_0": x_0, "v": a.sqrt() * eps - (1 - a).sqrt() * x_0}
    for predicts, answer in truth.items():
        denoiser = NetDenoiser(Answers(answer), schedule, predicts)
        torch.testing.assert_close(denoiser.target(x_0, t, eps), answer, rtol=1e-10, atol=1e-10)
        prediction = denoiser(x_t, t)
        torch.testing.assert_close(prediction.x_0, x_0, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(prediction.eps, eps, rtol=1e-6, atol=1e-6)


def test_the_net_gets_unscaled_times_and_the_condition():
    net = Answers(torch.zeros(3, 1, 2, 2))
    cond = torch.tensor([1, 2, 3])
    NetDenoiser(net, LINEAR, "eps")(torch.zeros(3, 1, 2, 2), 1000, cond)
    _, t, passed = net.asked
    assert t.tolist() == [1000, 1000, 1000]
    assert passed is cond
    NetDenoiser(net, LINEAR, "eps")(torch.zeros(3, 1, 2, 2), torch.tensor([1, 7, 9]), cond)
    assert net.asked[1].tolist() == [1, 7, 9]


def test_times_of_rows_are_used_row_by_row():
    out, x = torch.randn(3, 1, 2, 2), torch.randn(3, 1, 2, 2)
    t = torch.tensor([1, 500, 1000])
    for predicts in ("eps", "x_0", "v"):
        together = NetDenoiser(Answers(out), LINEAR, predicts)(x, t)
        for i in range(3):
            alone = NetDenoiser(Answers(out[i : i + 1]), LINEAR, predicts)(x[i : i + 1], int(t[i]))
            torch.testing.assert_close(together.x_0[i : i + 1], alone.x_0)
            torch.testing.assert_close(together.eps[i : i + 1], alone.eps)


def test_ideal_denoiser_is_the_posterior_mean():
    data = torch.tensor([[-1.0, 0.5], [2.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    x_t, t = torch.tensor([[0.3, 0.1]], dtype=torch.float64), 400
    a = LINEAR.alpha_bar[t]
    likelihood = torch.stack(  # the Gaussian density of x_t given each point, by torch's own formula
        [torch.distributions.Normal(a.sqrt() * p, (1 - a).sqrt()).log_prob(x_t[0]).sum().exp() for p in data]
    )
    mean = (likelihood / likelihood.sum()) @ data
    prediction = IdealDenoiser(data, LINEAR)(x_t, t)
    torch.testing.assert_close(prediction.x_0[0], mean)
    torch.testing.assert_close(a.sqrt() * prediction.x_0 + (1 - a).sqrt() * prediction.eps, x_t)


def test_ideal_denoiser_with_one_time_for_each_row():
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(5, 1, 2, 2, generator=generator)
    x_t, t = torch.randn(3, 1, 2, 2, generator=generator), torch.tensor([10, 300, 990])
    together = IdealDenoiser(data, LINEAR)(x_t, t)
    for i in range(3):
        torch.testing.assert_close(together.x_0[i : i + 1], IdealDenoiser(data, LINEAR)(x_t[i : i + 1], int(t[i])).x_0)


def test_ideal_denoiser_near_the_data_recites_and_far_from_it_averages():
    data = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    near = IdealDenoiser(data, LINEAR)(add_noise(LINEAR, data[:1], 1, torch.zeros(1, 3)), 1)
    torch.testing.assert_close(near.x_0, data[:1])
    far = IdealDenoiser(data, COSINE)(torch.zeros(1, 3), 1000)
    torch.testing.assert_close(far.x_0[0], data.mean(0), atol=1e-3, rtol=0)


@given(t=st.integers(1, 1000), mean=st.floats(-2, 2), std=st.floats(0.1, 2))
def test_gaussian_denoiser_is_linear_regression(t, mean, std):
    # x_0 and x_t are jointly Gaussian, so E[x_0 | x_t] = E x_0 + cov(x_0, x_t) / var(x_t) (x_t - E x_t).
    a = LINEAR.alpha_bar[t].item()
    x_t = torch.tensor([[0.7]], dtype=torch.float64)
    covariance, variance = a**0.5 * std**2, a * std**2 + (1 - a)
    expected = mean + covariance / variance * (0.7 - a**0.5 * mean)
    prediction = GaussianDenoiser(mean, std, LINEAR)(x_t, t)
    assert prediction.x_0.item() == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert (a**0.5 * prediction.x_0 + (1 - a) ** 0.5 * prediction.eps).item() == pytest.approx(0.7, abs=1e-9)


def test_gaussian_denoiser_agrees_with_ideal_denoiser_on_many_points():
    data = 2 + 0.5 * torch.randn(200_000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x_t = torch.tensor([[-1.0], [0.5], [2.0]], dtype=torch.float64)
    exact, empirical = GaussianDenoiser(2, 0.5, LINEAR)(x_t, 500), IdealDenoiser(data, LINEAR)(x_t, 500)
    torch.testing.assert_close(empirical.x_0, exact.x_0, atol=0.02, rtol=0)


def test_clipped_keeps_range_and_identity():
    x_t = 3 * torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    plain = NetDenoiser(Answers(torch.zeros(2, 1, 4, 4)), LINEAR, "eps")
    clipped = Clipped(plain, -1, 1)(x_t, 300)
    assert clipped.x_0.min() == -1
    assert clipped.x_0.max() == 1
    torch.testing.assert_close(clipped.x_0, plain(x_t, 300).x_0.clamp(-1, 1))
    a = LINEAR.alpha_bar[300].float()
    torch.testing.assert_close(a.sqrt() * clipped.x_0 + (1 - a).sqrt() * clipped.eps, x_t)
    wide = Clipped(plain, -1e9, 1e9)(x_t, 300)
    torch.testing.assert_close(wide.x_0, plain(x_t, 300).x_0)
    torch.testing.assert_close(wide.eps, plain(x_t, 300).eps, atol=1e-5, rtol=0)
    assert Clipped(plain, -1, 1).schedule is LINEAR


def test_prediction_is_a_pair():
    assert Prediction._fields == ("x_0", "eps")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: NetDenoiser(nn.Identity(), LINEAR, "noise"), ValueError, 'predicts must be "eps", "x_0", "v" or "u"'),
        (
            lambda: GaussianDenoiser(0, 1, LINEAR)(torch.zeros(2, 1), 0),
            ValueError,
            "t must be above 0: the clean picture",
        ),
        (lambda: GaussianDenoiser(0, 1, LINEAR)(torch.zeros(2, 1), "now"), TypeError, "t must be a number"),
        (
            lambda: GaussianDenoiser(0, 1, LINEAR)(torch.zeros(2, 1), 1000.5),
            ValueError,
            "t must lie between 0 and 1000",
        ),
        (
            lambda: NetDenoiser(nn.Identity(), StraightSchedule(), "eps"),
            ValueError,
            "the noise does not tell what it was",
        ),
        (lambda: GaussianDenoiser(0, 1, LINEAR)([0.0], 1), TypeError, "x_t must be a torch.Tensor"),
        (lambda: IdealDenoiser(torch.zeros(4, 2), LINEAR)(torch.zeros(1, 3), 5), ValueError, r"shape \(2,\)"),
        (lambda: Clipped(GaussianDenoiser(0, 1, LINEAR), 1, -1), ValueError, "low must be below high"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


# --- every schedule, every time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [LINEAR, COSINE, StraightSchedule()], ids=["linear", "cosine", "straight"])
@pytest.mark.parametrize("predicts", ["x_0", "v", "u", "eps"])
@pytest.mark.parametrize("t", [1, 333.3, 999.5, [0.5, 100.25, 1000.0], [1, 500, 1000]])
def test_whatever_is_predicted_right_gives_the_picture_and_the_noise(schedule, predicts, t):
    if predicts == "eps" and isinstance(schedule, StraightSchedule):
        return  # refused
    t = torch.tensor(t) if isinstance(t, list) else t
    generator = torch.Generator().manual_seed(0)
    x_0, eps = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    x_t = add_noise(schedule, x_0, t, eps)
    net = Answers(NetDenoiser(Answers(None), schedule, predicts).target(x_0, t, eps))
    found = NetDenoiser(net, schedule, predicts)(x_t, t)
    if not (predicts == "eps" and 1000 in torch.as_tensor(t)):  # there, cosine leaves a few 100,000ths of the picture
        torch.testing.assert_close(found.x_0, x_0)
    torch.testing.assert_close(found.eps, eps)
    asked = net.asked[1]
    assert asked.shape == (3,)
    assert asked.dtype == (torch.float32 if torch.as_tensor(t).is_floating_point() else torch.int64)
    torch.testing.assert_close(asked.double(), torch.as_tensor(t).double().expand(3))


@pytest.mark.parametrize("schedule", [LINEAR, COSINE, StraightSchedule()], ids=["linear", "cosine", "straight"])
@pytest.mark.parametrize("times", [[1, 500, 999], [0.5, 500.5, 1000]])
def test_a_time_for_each_row_is_as_good_as_a_call_for_each(schedule, times):
    x_t = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    exact = [
        GaussianDenoiser(0.3, 0.7, schedule),
        IdealDenoiser(torch.tensor([[0.0, 1.0], [1.0, -1.0]]), schedule),
        Clipped(GaussianDenoiser(0.3, 0.7, schedule), -0.1, 0.1),
    ]
    for denoiser in exact:
        together = denoiser(x_t, torch.tensor(times))
        alone = [denoiser(x_t[i : i + 1], times[i]) for i in range(3)]
        torch.testing.assert_close(together.x_0, torch.cat([each.x_0 for each in alone]))
        torch.testing.assert_close(together.eps, torch.cat([each.eps for each in alone]))
