"""The game of a GAN against answers that are known: best discriminators, slopes, and training that resumes bit for bit."""

import math

import pytest
import torch
from torch import nn

from course_lib.adversarial import (
    HINGE,
    NON_SATURATING,
    RELATIVISTIC,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    train_in_turns,
)
from course_lib.networks.gan import Discriminator, Generator
from course_lib.training import TrainState, load_checkpoint, save_checkpoint


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Affine(nn.Module):
    """z -> scale · z + shift: a generator of Gaussians."""

    def __init__(self, scale=1.0, shift=0.0):
        super().__init__()
        self.latent = 1
        self.scale, self.shift = nn.Parameter(torch.tensor(scale)), nn.Parameter(torch.tensor(shift))

    def forward(self, z, labels=None):
        return self.scale * z + self.shift


class Quadratic(nn.Module):
    """a + b x + c x²: the log of the ratio of any two Gaussians has this form."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(3))

    def forward(self, x, labels=None):
        a, b, c = self.weights
        return (a + b * x + c * x**2).squeeze(1)


class Linear(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x, labels=None):
        return x.flatten(1) @ self.w


# --- the losses -------------------------------------------------------------------------------------------------------


def best_discriminator(game, mean, std):
    """Of real ones from N(mean, std²) and drawn ones from N(0, 1), found by Newton's method on 200,000 of each."""
    D, G = Quadratic(), Affine()
    x = mean + std * torch.randn(200_000, 1, generator=seeded(1))
    optimizer = torch.optim.LBFGS(D.parameters(), max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-9)

    def closure():
        optimizer.zero_grad()
        loss = discriminator_loss(D, G, x, generator=seeded(2), game=game, gamma=0)
        loss.backward()
        return loss

    optimizer.step(closure)
    return D.weights.detach()


@pytest.mark.parametrize(("mean", "std"), [(1.0, 1.0), (0.5, 0.7)])
def test_the_best_discriminator_of_two_gaussians_is_the_log_of_their_ratio(mean, std):
    # log N(x; m, s²) - log N(x; 0, 1) = -log s - m²/(2 s²) + m/s² x + (1 - 1/s²)/2 x²  (Goodfellow et al., proposition 1)
    known = torch.tensor([-math.log(std) - mean**2 / (2 * std**2), mean / std**2, (1 - std**-2) / 2])
    assert best_discriminator(NON_SATURATING, mean, std) == pytest.approx(known.tolist(), abs=0.03)
    relative = best_discriminator(RELATIVISTIC, mean, std)  # only differences of scores matter: any constant will do
    assert abs(relative[0]) < 1e-4
    assert relative[1:] == pytest.approx(known[1:].tolist(), abs=0.03)


def test_losses_of_known_scores():
    real, drawn = torch.tensor([2.0]), torch.tensor([-0.5])
    soft = math.log1p
    assert RELATIVISTIC.discriminator(real, drawn).item() == pytest.approx(soft(math.exp(-2.5)))
    assert RELATIVISTIC.generator(real, drawn).item() == pytest.approx(soft(math.exp(2.5)))
    assert NON_SATURATING.discriminator(real, drawn).item() == pytest.approx(soft(math.exp(-2)) + soft(math.exp(-0.5)))
    assert NON_SATURATING.generator(real, drawn).item() == pytest.approx(soft(math.exp(0.5)))
    assert HINGE.discriminator(real, drawn).item() == 0.5
    assert HINGE.discriminator(torch.tensor([0.75]), torch.tensor([-1.0])).item() == 0.25  # each margin is 1
    assert HINGE.generator(real, drawn).item() == 0.5


@pytest.mark.parametrize("game", [RELATIVISTIC, NON_SATURATING, HINGE])
def test_each_loss_pulls_the_scores_its_own_way(game):
    real, drawn = torch.zeros(5, requires_grad=True), torch.zeros(5, requires_grad=True)
    of_real, of_drawn = torch.autograd.grad(game.discriminator(real, drawn).sum(), (real, drawn))
    assert (of_real < 0).all()
    assert (of_drawn > 0).all()
    (of_drawn,) = torch.autograd.grad(game.generator(real, drawn).sum(), (drawn,))
    assert (of_drawn < 0).all()


def test_the_losses_draw_and_score_as_they_say():
    D, G = Linear([2.0]), Affine(0.5, 1.0)
    x = torch.randn(6, 1, generator=seeded(3))
    drawn = 0.5 * torch.randn(6, 1, generator=seeded(4)) + 1
    gaps = (2 * (drawn - x)).squeeze(1)
    plain = torch.nn.functional.softplus(gaps).mean()
    assert discriminator_loss(D, G, x, generator=seeded(4), gamma=0).item() == pytest.approx(plain.item())
    # A line is as steep everywhere, 2: both penalties are 4.
    penalised = discriminator_loss(D, G, x, generator=seeded(4), gamma=0.3).item()
    assert penalised == pytest.approx(plain.item() + 0.3 / 2 * (4 + 4))
    expected = torch.nn.functional.softplus(-gaps).mean().item()
    assert generator_loss(G, D, x, generator=seeded(4)).item() == pytest.approx(expected)


def test_a_share_of_the_rows_is_penalised():
    D, G = Quadratic(), Affine(0.0, 1.0)  # draws ones only
    D.weights.data = torch.tensor([0.0, 0.0, 1.0])  # slope 2 x
    x = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    plain = discriminator_loss(D, G, x, gamma=0).item()
    for share, slopes in ((1.0, 4 * (1 + 4 + 9 + 16) / 4), (0.5, 4 * (1 + 4) / 2), (0.3, 4 * (1 + 4) / 2), (0.25, 4)):
        loss = discriminator_loss(D, G, x, gamma=2.0, penalised=share).item()
        assert loss == pytest.approx(plain + slopes + 4), share


def test_labels_reach_both_networks():
    class ByLabel(nn.Module):
        latent = 1

        def forward(self, z, labels):
            return z * 0 + labels[:, None]

    seen = []

    class D(nn.Module):
        def forward(self, x, labels):
            seen.append((x.squeeze(1).tolist(), labels.tolist()))
            return (x.squeeze(1) * labels) * 1.0

    x, labels = torch.tensor([[5.0], [6.0]]), torch.tensor([1, 2])
    discriminator_loss(D(), ByLabel(), x, labels, gamma=1.0, penalised=0.5)
    assert seen == [([5, 6, 1, 2], [1, 2, 1, 2]), ([5], [1]), ([1], [1])]


def test_each_loss_trains_its_own_network_and_no_other():
    D, G, x = Linear([2.0]), Affine(), torch.randn(4, 1)
    discriminator_loss(D, G, x, gamma=0.1).backward()
    assert D.w.grad is not None
    assert G.scale.grad is None
    D.zero_grad()
    generator_loss(G, D, x).backward()
    assert G.scale.grad is not None
    assert D.w.grad is None
    assert D.w.requires_grad  # and learns on afterwards


# --- the slope --------------------------------------------------------------------------------------------------------


def test_the_penalty_of_a_known_slope():
    x = torch.randn(50, 3, generator=seeded())
    assert gradient_penalty(Linear([1.0, -2.0, 2.0]), x).item() == pytest.approx(9)
    D = Quadratic()
    D.weights.data = torch.tensor([3.0, 1.0, -0.5])
    line = torch.randn(100, 1, generator=seeded(1))
    assert gradient_penalty(D, line).item() == pytest.approx((1 - line).square().mean().item(), rel=1e-5)


def test_the_penalty_agrees_with_differences_and_can_be_learned_from():
    torch.manual_seed(0)
    D = Discriminator(width=8, side=8).double()
    for weight in D.parameters():  # blocks begin at zero: shake them awake
        weight.data += 0.1 * torch.randn_like(weight)
    x, labels = torch.rand(3, 1, 8, 8, dtype=torch.float64) * 2 - 1, torch.tensor([1, 4, 9])
    penalty, h, by_differences = gradient_penalty(D, x, labels), 1e-6, 0.0
    with torch.no_grad():
        for place in range(64):
            step = torch.zeros(64, dtype=torch.float64).index_fill(0, torch.tensor(place), h).view(1, 1, 8, 8)
            by_differences += ((D(x + step, labels) - D(x - step, labels)) / (2 * h)).square().mean().item()
    assert penalty.item() == pytest.approx(by_differences, rel=1e-5)
    bias = D.trunk.low[0].conv1.bias
    (slope,) = torch.autograd.grad(penalty, bias)
    place, found = slope.abs().argmax(), []
    for sign in (1, -2):
        bias.data[place] += sign * h
        found.append(gradient_penalty(D, x, labels).item())
    assert slope[place].item() == pytest.approx((found[0] - found[1]) / (2 * h), rel=1e-4)


# --- training ---------------------------------------------------------------------------------------------------------


def small_states():
    torch.manual_seed(0)
    nets = Discriminator(width=8, side=8, classes=3), Generator(width=8, side=8, classes=3, latent=4)
    return tuple(
        TrainState(net, optimizer=torch.optim.Adam(net.parameters(), betas=(0.0, 0.99)), seed=seed)
        for seed, net in enumerate(nets)
    )


def small_batches(generator):
    return torch.rand(4, 1, 8, 8, generator=generator) * 2 - 1, torch.randint(3, (4,), generator=generator)


def weights_of(states):
    return [each for state in states for net in (state.net, state.ema) for each in net.state_dict().values()]


def test_a_game_stops_and_resumes_bit_for_bit(tmp_path):
    whole, path = small_states(), tmp_path / "both.safetensors"
    pairs = list(train_in_turns(*whole, small_batches, 5, 1e-3))
    assert [(d.step, g.step) for d, g in pairs] == [(k, k) for k in range(1, 6)]
    first = small_states()
    for d, _ in train_in_turns(*first, small_batches, 5, 1e-3):
        if d.step == 2:
            break
    save_checkpoint(first, path)
    second = small_states()
    for net in (state.net for state in second):
        for weight in net.parameters():
            weight.data.zero_()
    load_checkpoint(second, path)
    again = list(train_in_turns(*second, small_batches, 5, 1e-3))
    assert again == pairs[2:]
    assert all(torch.equal(a, b) for a, b in zip(weights_of(whole), weights_of(second), strict=True))


def test_an_interruption_comes_after_a_pair(monkeypatch):
    import signal

    states, taken = small_states(), []

    def batches(generator):
        taken.append(None)
        if len(taken) == 3:  # the discriminator's second step
            signal.raise_signal(signal.SIGINT)
        return small_batches(generator)

    with pytest.raises(KeyboardInterrupt):
        list(train_in_turns(*states, batches, 5, 1e-3))
    assert [state.step for state in states] == [2, 2]


def test_states_out_of_step_are_refused():
    states = small_states()
    states[0].step = 1
    with pytest.raises(ValueError, match="they are at 1 and 0"):
        next(train_in_turns(*states, small_batches, 5))


@pytest.mark.parametrize("game", [RELATIVISTIC, NON_SATURATING, HINGE])
def test_a_generator_finds_the_mean_of_what_is_real(game):
    torch.manual_seed(0)
    D = nn.Sequential(nn.Linear(1, 32), nn.SiLU(), nn.Linear(32, 1), nn.Flatten(0))
    G = Affine()

    class Judge(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = D

        def forward(self, x, labels=None):
            return self.layers(x)

    nets = Judge(), G
    states = [
        TrainState(net, optimizer=torch.optim.Adam(net.parameters(), betas=(0.0, 0.99)), seed=k)
        for k, net in enumerate(nets)
    ]
    for _ in train_in_turns(*states, lambda g: (3 + torch.randn(64, 1, generator=g), None), 600, 1e-2, game, 0.1):
        pass
    assert states[1].ema.shift.item() == pytest.approx(3, abs=0.4)
    assert abs(states[1].ema.scale.item()) == pytest.approx(1, abs=0.4)


class Blind(nn.Module):
    def forward(self, x, labels=None):
        return torch.zeros(len(x))


def states(*seeds):
    return [TrainState(net, seed=seed) for net, seed in zip((Linear([2.0]), Affine(0.5, 1.0)), seeds, strict=True)]


X = torch.randn(4, 1, generator=seeded(3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: discriminator_loss(Linear([2.0]), Affine(0.5, 1.0), X, game="hinge"), "game must be RELATIVISTIC"),
        (lambda: generator_loss(Affine(0.5, 1.0), Linear([2.0]), X, game=None), "game must be RELATIVISTIC"),
        (lambda: discriminator_loss(Linear([2.0]), Affine(0.5, 1.0), X, penalised=0), "penalised must be above 0"),
        (
            lambda: discriminator_loss(Linear([2.0]), Affine(0.5, 1.0), X.double()),
            "x must have the dtype of the network's",
        ),
        (
            lambda: discriminator_loss(Linear([2.0]), Affine(float("nan"), 1.0), X, gamma=0),
            "what G draws must be finite",
        ),
        (
            lambda: discriminator_loss(Linear([float("nan")]), Affine(0.5, 1.0), X, gamma=0),
            "what D answers must be finite",
        ),
        (lambda: gradient_penalty(Blind(), X), "D must look at x"),
        (lambda: next(train_in_turns(*states(3, 3), lambda g: (X, None), 2)), "different seeds, but both have 3"),
        (
            lambda: next(train_in_turns(Linear([2.0]), Affine(0.5, 1.0), lambda g: (X, None), 2)),
            "discriminator must be a T",
        ),
        (lambda: next(train_in_turns(*states(0, 1), lambda g: X, 2)), "batches must give pictures and their labels"),
        (lambda: next(train_in_turns(*states(0, 1), lambda g: (X,), 2)), "batches must give pictures and their labels"),
    ],
)
def test_bad_input_gets_one_clear_sentence(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
