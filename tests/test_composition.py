"""Composition against known answers: Gaussians under several conditions, views that turn, attention that is handed over."""

import pytest
import torch
from torch import nn

from course_lib.composition import (
    A_QUARTER_TURNED,
    UPRIGHT,
    UPSIDE_DOWN,
    Composed,
    SharedAttention,
    View,
    Views,
)
from course_lib.denoisers import GaussianDenoiser, NetDenoiser, Prediction
from course_lib.guidance import Guided
from course_lib.networks.attention import changed_attention, record_attention
from course_lib.networks.text_unet import TextUNet
from course_lib.networks.tokenizer import Tokenizer
from course_lib.sampling import last, sample
from course_lib.schedules import NoiseSchedule

COSINE = NoiseSchedule.cosine()


class MeansDenoiser:
    """Exact for N(cond, std²), cond being (B, 1); counts its calls."""

    schedule = COSINE

    def __init__(self, std=1.0):
        self.std, self.calls = std, 0

    def __call__(self, x_t, t, cond):
        self.calls += 1
        return GaussianDenoiser(cond, self.std, COSINE)(x_t, t)


def rows(*means):
    return [torch.tensor([[mean]], dtype=torch.float64) for mean in means]


NONE = torch.zeros(1, 1, dtype=torch.float64)


def drawn_from(denoiser, steps=400):
    x = torch.tensor([[-1.0], [0.0], [1.0]], dtype=torch.float64)
    low, middle, high = last(sample(denoiser, x, COSINE.times(steps)))[:, 0].tolist()
    return middle, (high - low) / 2


def test_composed_gaussians_are_their_product():
    """N(μ_i, 1) each over N(0, 1) is exp(μ_i x): the product has the mean Σ w_i μ_i, and deviation 1."""
    inner = MeansDenoiser()
    for w in ((1, 1), (2, 1), (1, -1), (0.5, 3)):
        mean, deviation = drawn_from(Composed(inner, rows(0.4, -1.0), w, NONE))
        assert mean == pytest.approx(0.4 * w[0] - 1.0 * w[1], abs=0.01)
        assert deviation == pytest.approx(1, abs=0.01)


def test_where_deviations_differ_composition_is_not_the_product():
    """N(0, ½²) twice over N(0, 1): the product has the variance 1/(4 + 4 - 1), what is drawn the deviation ½ · ½ / 1.

    In y = x / signal and σ = noise / signal the flow is dy/dσ = σ y (2 / (¼ + σ²) - 1 / (1 + σ²)), which integrates to
    y ∝ (¼ + σ²) / (1 + σ²)^½.
    """

    class Deviations(MeansDenoiser):
        def __call__(self, x_t, t, cond):
            return GaussianDenoiser(0.0, cond, COSINE)(x_t, t)

    half, one = rows(0.5, 1.0)
    mean, deviation = drawn_from(Composed(Deviations(), [half, half], (1, 1), one))
    assert mean == pytest.approx(0, abs=1e-6)
    assert deviation == pytest.approx(0.25, abs=0.005)
    assert deviation < 0.8 * 7**-0.5


def test_one_condition_is_guidance():
    inner, (cond,) = MeansDenoiser(), rows(0.7)
    x = torch.randn(5, 1, dtype=torch.float64)
    for w in (0.5, 3.0):
        composed = Composed(inner, [cond], [w], NONE)(x, 500)
        guided = Guided(inner, w, NONE)(x, 500, cond.expand(5, 1))
        assert torch.allclose(composed.x_0, guided.x_0)
        assert torch.allclose(composed.eps, guided.eps)


def test_all_conditions_are_asked_in_one_call_and_each_row_may_have_its_own():
    inner, x = MeansDenoiser(), torch.randn(3, 1, dtype=torch.float64)
    own = torch.tensor([[0.1], [0.2], [0.3]], dtype=torch.float64)
    together = Composed(inner, [own, *rows(1.0)], [1, 1], NONE)(x, torch.tensor([100, 500, 900]))
    assert inner.calls == 1
    for row, t in enumerate((100, 500, 900)):
        alone = Composed(inner, [own[row : row + 1], *rows(1.0)], [1, 1], NONE)(x[row : row + 1], t)
        assert torch.allclose(together.eps[row], alone.eps[0])


# --- views ------------------------------------------------------------------------------------------------------------


class CornerDenoiser:
    """Says that the picture is cond everywhere, and more towards the first corner."""

    schedule = COSINE

    def __call__(self, x_t, t, cond=None):
        ramp = torch.arange(16.0).reshape(1, 1, 4, 4)
        x_0 = ramp.expand_as(x_t) + (0 if cond is None else cond.reshape(-1, 1, 1, 1))
        return Prediction.from_x_0(x_0, x_t, *(part.to(x_t) for part in COSINE.signal_and_noise(t, x_t)))


def test_views_are_turned_there_and_back():
    x = torch.randn(2, 1, 4, 4)
    ramp = torch.arange(16.0).reshape(4, 4)
    for view, turned in ((UPSIDE_DOWN, ramp.rot90(2)), (A_QUARTER_TURNED, ramp.rot90(-1))):
        assert torch.equal(view.back(view.there(x)), x)
        conds = [torch.tensor([0.0]), torch.tensor([4.0])]
        both = Views(CornerDenoiser(), [UPRIGHT, view], conds)(x, 500)
        assert torch.allclose(both.x_0, ((ramp + turned + 4) / 2).expand(2, 1, 4, 4))
        signal, noise = (part.to(x) for part in COSINE.signal_and_noise(500, x))
        assert torch.allclose(signal * both.x_0 + noise * both.eps, x, atol=1e-5)
    assert not torch.equal(A_QUARTER_TURNED.there(x), A_QUARTER_TURNED.back(x))


def test_one_view_upright_is_the_denoiser_itself():
    x = torch.randn(2, 1, 4, 4)
    for cond in (None, torch.tensor([1.0, 2.0])):
        one = Views(CornerDenoiser(), [UPRIGHT], [cond])(x, 300)
        assert torch.allclose(one.x_0, CornerDenoiser()(x, 300, cond).x_0)


# --- attention that is handed over ------------------------------------------------------------------------------------


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = TextUNet(word_size=16, widths=(8, 16, 16))
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.2)
    return net.eval()


def test_a_change_that_changes_nothing_changes_nothing(net):
    x, t, said = torch.randn(2, 4, 8, 8), torch.tensor([3, 700]), torch.randn(2, 5, 16)
    plain = net(x, t, said)
    with changed_attention(lambda weights: weights):
        assert torch.allclose(net(x, t, said), plain, atol=1e-6)
    with changed_attention(lambda weights: weights.roll(1, -1)), record_attention() as maps:
        changed = net(x, t, said)
    assert not torch.allclose(changed, plain, atol=1e-3)
    with record_attention() as plain_maps:
        assert torch.equal(net(x, t, said), plain)
    assert torch.allclose(maps[0], plain_maps[0].roll(1, -1))
    cut = changed_attention(lambda weights: weights[..., :1])
    with pytest.raises(ValueError, match="what changes the weights must have the shape"), cut:
        net(x, t, said)
    assert torch.equal(net(x, t, said), plain)


def test_the_second_of_a_pair_looks_where_the_first_one_looks(net):
    words = torch.randn(4, 5, 16)
    words[2, 4:] = 0  # the first prompt of the second pair is shorter
    x, source = torch.randn(4, 4, 8, 8), torch.tensor([0, 1, -1, 2, 3])
    denoiser = NetDenoiser(net, COSINE, "v")
    with torch.no_grad(), record_attention() as maps:
        shared = SharedAttention(denoiser, source)(x, 500, words)
    plain = denoiser(x, 500, words)
    assert torch.allclose(shared.x_0[::2], plain.x_0[::2], atol=1e-5)
    assert not torch.allclose(shared.x_0[1::2], plain.x_0[1::2], atol=1e-3)
    for weights in maps:
        assert torch.allclose(weights.sum(dim=-1), torch.ones(weights.shape[:-1]), atol=1e-5)
        first, second = weights[::2], weights[1::2]
        ratio = second[..., [0, 1, 3, 4]] / first[..., [0, 1, 2, 3]].clamp(min=1e-12)
        assert torch.allclose(ratio[:1], ratio[:1, ..., :1].expand_as(ratio[:1]), rtol=1e-3)


def test_what_a_pair_shares_depends_on_no_other_pair(net):
    words, x, source = torch.randn(6, 5, 16), torch.randn(6, 4, 8, 8), torch.tensor([0, 1, -1, 2, 3])
    shared = SharedAttention(NetDenoiser(net, COSINE, "v"), source)
    with torch.no_grad():
        together = shared(x, 500, words).x_0
        alone = [shared(x[row : row + 2], 500, words[row : row + 2]).x_0 for row in (0, 2, 4)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)


def test_pairs_stay_pairs_under_guidance(net):
    words, uncond = torch.randn(2, 4, 16), torch.randn(1, 1, 16)
    x, source = torch.randn(1, 4, 8, 8).expand(2, -1, -1, -1), torch.arange(4)
    guided = Guided(NetDenoiser(net, COSINE, "v"), 3.0, uncond)
    with torch.no_grad(), record_attention() as maps:
        SharedAttention(guided, source)(x, 500, words)
    for weights in maps:
        assert torch.allclose(weights[1], weights[0], atol=1e-6)
        assert torch.allclose(weights[3], weights[2], atol=1e-6)


def test_which_token_stands_for_which():
    tokenizer = Tokenizer(["a", "red", "blue", "car", "on", "white", "big"])
    assert tokenizer.sources("a red car", "a blue car").tolist() == [0, 1, 2, 3]
    assert tokenizer.sources("a red car", "a big red car").tolist() == [0, 1, -1, 2, 3]
    assert tokenizer.sources("a red car", "a red car on white").tolist() == [0, 1, 2, 3, -1, -1]
    assert tokenizer.sources("a big red car", "a car").tolist() == [0, 1, 4]
    assert tokenizer.sources("", "a car").tolist() == [0, -1, -1]


# --- refusals ---------------------------------------------------------------------------------------------------------

X = torch.randn(2, 1, 4, 4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Composed(MeansDenoiser(), [], [], NONE), "conds must be a list of one condition or more"),
        (lambda: Composed(MeansDenoiser(), rows(1.0), [1, 2], NONE), "w a list of as many"),
        (lambda: Composed(MeansDenoiser(), rows(1.0), [float("nan")], NONE), "every w must"),
        (lambda: Composed(MeansDenoiser(), rows(1.0), [torch.tensor([1.0, 2.0])], NONE), "every w must be one number"),
        (lambda: Composed(MeansDenoiser(), rows(1.0), 3, NONE), "w a list of as many"),
        (lambda: Composed(MeansDenoiser(), rows(1.0), [1], NONE)(NONE, 5, NONE), "cond must be None"),
        (
            lambda: Composed(MeansDenoiser(), [torch.zeros(3, 1)], [1], NONE)(torch.zeros(2, 1), 5),
            "must have 1 row or 2",
        ),
        (lambda: Views(CornerDenoiser(), [], []), "views must be a list of one view or more"),
        (lambda: Views(CornerDenoiser(), [UPRIGHT], [None, None]), "conds a list of as many"),
        (lambda: Views(CornerDenoiser(), UPRIGHT, [None]), "views must be a list of one view or more"),
        (lambda: Views(CornerDenoiser(), [UPRIGHT], None), "conds a list of as many"),
        (lambda: Views(CornerDenoiser(), [abs], [None]), "every one of views must be a View"),
        (lambda: Views(CornerDenoiser(), [View(abs, lambda x: x[..., :1])], [None])(X, 5), "what a view gives back"),
        (lambda: Views(CornerDenoiser(), [UPRIGHT], [None])(X, 5, X), "cond must be None"),
        (
            lambda: Views(CornerDenoiser(), [UPRIGHT, UPRIGHT], [None, torch.zeros(1)])(X, 5),
            "every one of conds must be a t",
        ),
        (
            lambda: Views(CornerDenoiser(), [View(lambda x: x[..., :2], lambda x: x)], [None])(X, 5),
            "what a view answers",
        ),
        (lambda: SharedAttention(CornerDenoiser(), torch.zeros(3)), "source must hold whole numbers"),
        (lambda: SharedAttention(CornerDenoiser(), torch.arange(3))(X[:1], 5), "x_t must hold pairs"),
        (
            lambda: SharedAttention(
                NetDenoiser(TextUNet(word_size=16, widths=(8, 16, 16)), COSINE, "v"), torch.arange(9)
            )(torch.randn(2, 4, 8, 8), 5, torch.randn(2, 3, 16)),
            "source must fit prompts of 3 tokens",
        ),
    ],
)
def test_bad_input_gets_one_sentence(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()
