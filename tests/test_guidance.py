"""Guidance: exact at w = 0 and w = 1, a straight line between and beyond, one call on twice the batch."""

import math

import pytest
import torch

from course_lib.denoisers import GaussianDenoiser, NetDenoiser
from course_lib.guidance import Guided, Within, orthogonal, padded_alike
from course_lib.networks.text_unet import TextUNet
from course_lib.sampling import ddim_step, ddpm_step, dpmpp_2m_step, last, sample
from course_lib.schedules import NoiseSchedule

SCHEDULE = NoiseSchedule.cosine()


class Counting:
    """A denoiser that remembers the sizes of the batches it was asked for."""

    def __init__(self, denoiser):
        self.denoiser, self.schedule, self.batches = denoiser, denoiser.schedule, []

    def __call__(self, x_t, t, cond=None):
        self.batches.append(len(x_t))
        return self.denoiser(x_t, t, cond)


@pytest.fixture
def denoiser():
    torch.manual_seed(0)
    net = TextUNet(word_size=16, widths=(8, 16, 16)).requires_grad_(False)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return Counting(NetDenoiser(net, SCHEDULE, "v"))


@pytest.fixture
def given():
    torch.manual_seed(1)
    return torch.randn(3, 4, 8, 8), torch.randn(3, 5, 16), torch.randn(1, 2, 16)


def test_zero_and_one_are_exact_and_cost_one_call(denoiser, given):
    x, cond, uncond = given
    for w, plain in ((0.0, padded_alike(uncond, cond)[0].expand(3, -1, -1)), (1.0, cond)):
        expected = denoiser.denoiser(x, 500, plain)
        denoiser.batches.clear()
        got = Guided(denoiser, w, uncond)(x, 500, cond)
        assert denoiser.batches == [3]
        assert torch.equal(got.x_0, expected.x_0)
        assert torch.equal(got.eps, expected.eps)


def test_the_shorter_text_is_filled_up_at_its_end_and_labels_stay():
    short, long = torch.ones(1, 2, 3), torch.ones(4, 5, 3)
    filled, same = padded_alike(short, long)
    assert filled.shape == (1, 5, 3)
    assert (filled[:, :2] == 1).all()
    assert (filled[:, 2:] == 0).all()
    assert torch.equal(same, long)
    labels = torch.tensor([3]), torch.tensor([1, 2])
    assert all(after is before for after, before in zip(padded_alike(*labels), labels, strict=True))


@pytest.mark.parametrize("t", [500, torch.tensor([1, 300, 1000])])
def test_other_scales_lie_on_the_line_and_cost_one_call_of_twice_the_size(denoiser, given, t):
    x, cond, uncond = given
    without, with_text = (Guided(denoiser, w, uncond)(x, t, cond) for w in (0, 1))
    denoiser.batches.clear()
    got = Guided(denoiser, 2.5, uncond)(x, t, cond)
    assert denoiser.batches == [6]
    for part, a, b in zip(got, without, with_text, strict=True):
        assert torch.allclose(part, a + 2.5 * (b - a), atol=2e-3 * part.abs().max().item())
    signal, noise = (SCHEDULE.at(t, x) ** 0.5).float(), ((1 - SCHEDULE.at(t, x)) ** 0.5).float()
    assert torch.allclose(signal * got.x_0 + noise * got.eps, x, atol=1e-3)  # both say the same of x_t


@pytest.mark.parametrize("w", [1.5, 4])
@pytest.mark.parametrize("kept", [0, 0.3])
@pytest.mark.parametrize("t", [500, torch.tensor([1, 300, 1000])])
def test_projected_guidance_goes_as_far_but_less_parallel_to_the_prediction(denoiser, given, t, kept, w):
    x, cond, uncond = given
    without, with_text = (Guided(denoiser, scale, uncond)(x, t, cond).x_0 for scale in (0, 1))
    denoiser.batches.clear()
    got = Guided(denoiser, w, uncond, parallel=kept)(x, t, cond)
    assert denoiser.batches == [6]
    for row, a, b in zip(*(part.flatten(1).double() for part in (got.x_0, without, with_text)), strict=True):
        beyond, change = row - b, b - a
        parallel = (change @ b) / (b @ b) * b
        assert torch.allclose(beyond, (w - 1) * (change - (1 - kept) * parallel), atol=2e-3 * row.abs().max().item())
        left = beyond - (w - 1) * kept * parallel
        assert (left @ b).abs() < 1e-3 * left.norm() * b.norm()  # at right angles to the prediction
    signal, noise = (SCHEDULE.at(t, x) ** 0.5).float(), ((1 - SCHEDULE.at(t, x)) ** 0.5).float()
    assert torch.allclose(signal * got.x_0 + noise * got.eps, x, atol=1e-3)


@pytest.mark.parametrize("w", [0, 0.4, 1])
def test_projection_begins_where_the_conditional_prediction_is_left_behind(denoiser, given, w):
    x, cond, uncond = given
    plain, projected = (Guided(denoiser, w, uncond, parallel)(x, 500, cond) for parallel in (1, 0))
    assert torch.equal(plain.x_0, projected.x_0)
    assert torch.equal(plain.eps, projected.eps)


def test_across_leaves_nothing_of_what_points_the_same_way():
    x_0 = torch.tensor([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]])
    change = torch.tensor([[6.0, 8.0], [5.0, -7.0], [1.0, 1.0]])
    expected = torch.tensor([[0.0, 0.0], [5.0, 0.0], [1.0, 1.0]])  # nothing is parallel to nothing
    assert torch.allclose(orthogonal(change, x_0), expected, atol=1e-6)


def test_the_null_condition_may_be_longer_than_the_prompt(denoiser, given):
    x, cond, uncond = given
    short, long = Guided(denoiser, 3, uncond), Guided(denoiser, 3, torch.nn.functional.pad(uncond, (0, 0, 0, 9)))
    assert torch.allclose(short(x, 500, cond).x_0, long(x, 500, cond).x_0, atol=1e-3)


@pytest.mark.parametrize("parallel", [1, 0.3, 0])
@pytest.mark.parametrize("rule", [ddpm_step, ddim_step, dpmpp_2m_step])
def test_every_rule_walks_with_guidance(denoiser, given, rule, parallel):
    x, cond, uncond = given
    drawn = last(sample(Guided(denoiser, 2, uncond, parallel), x, [1000, 500, 250, 0], rule, cond, torch.Generator()))
    assert drawn.shape == x.shape
    assert drawn.isfinite().all()
    assert denoiser.batches == [6, 6, 6]


class Shifted:
    """Gaussian data whose mean is the label: the score is known, so is what guidance makes of it."""

    schedule = SCHEDULE

    def __call__(self, x_t, t, cond):
        return GaussianDenoiser(cond[:, None], 0.5, SCHEDULE)(x_t, t)


def test_labels_are_guided_too_and_further_than_the_data_lie():
    cond, noise = torch.ones(2000), torch.randn(2000, 1, generator=torch.Generator().manual_seed(0))
    ends = [last(sample(Guided(Shifted(), w, torch.zeros(1)), noise, SCHEDULE.times(50), cond=cond)) for w in (0, 1, 3)]
    means = [end.mean().item() for end in ends]
    assert means == pytest.approx([0, 1, 3], abs=0.05)  # equal deviations: guidance moves the mean along the line


@pytest.mark.parametrize("w", [-0.1, math.nan, -math.inf, math.inf])
def test_a_scale_that_makes_no_sense_is_refused(denoiser, w):
    with pytest.raises(ValueError, match="w must be finite and at least 0"):
        Guided(denoiser, w, torch.zeros(1, 1, 16))


@pytest.mark.parametrize("parallel", [-0.1, 1.1, math.nan])
def test_a_share_that_makes_no_sense_is_refused(denoiser, parallel):
    with pytest.raises(ValueError, match="parallel must lie between 0 and 1"):
        Guided(denoiser, 2, torch.zeros(1, 1, 16), parallel)


def test_guidance_within_an_interval(denoiser, given):
    x, cond, uncond = given
    guided = Guided(denoiser, 3, uncond)
    limited = Within(guided, denoiser, 200, 700)
    assert limited.schedule is SCHEDULE
    for t, expected in ((199, denoiser), (200, guided), (700, guided), (701, denoiser)):
        assert torch.equal(limited(x, t, cond).x_0, expected(x, t, cond).x_0), t
    with pytest.raises(ValueError, match="low must not be above high, but got 6 and 5"):
        Within(guided, denoiser, 6, 5)
    with pytest.raises(ValueError, match="low must be finite and at least 0"):
        Within(guided, denoiser, -1, 5)


def test_guidance_within_an_interval_at_a_time_for_each_row(denoiser, given):
    x, cond, uncond = given
    limited = Within(Guided(denoiser, 3, uncond), denoiser, 200, 700)
    for rows in ([100, 300, 800], [300, 400, 500], [1, 2, 3], [199.5, 200, 700.5]):
        t = torch.tensor(rows)[: len(x)]
        together = limited(x, t, cond)
        for i in range(len(x)):
            alone = limited(x[i : i + 1], t[i].item(), cond[i : i + 1])
            torch.testing.assert_close(together.x_0[i : i + 1], alone.x_0)
            torch.testing.assert_close(together.eps[i : i + 1], alone.eps)
