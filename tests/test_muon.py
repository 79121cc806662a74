"""Muon: steps along all directions alike, as torch's own does for matrices."""

import pytest
import torch
from torch import nn

from course_lib.recipes.shared import muon as muon_file
from course_lib.recipes.shared.muon import Muon, orthogonalised
from course_lib.training import TrainState, load_checkpoint, save_checkpoint


@pytest.mark.parametrize("shape", [(20, 20), (30, 8), (8, 30)])
def test_all_singular_values_come_close_to_one_and_the_directions_stay(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0)).double()
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    matrix = u @ torch.diag(torch.linspace(1, 30, len(s)).double()) @ v
    answer = orthogonalised(matrix)
    assert answer.dtype == matrix.dtype
    inside = u.T @ answer @ v.T
    assert (inside.diagonal() > 0.6).all()
    assert (inside.diagonal() < 1.3).all()
    assert (inside - torch.diag(inside.diagonal())).abs().max() < 0.05
    assert torch.allclose(orthogonalised(1000 * matrix), answer, atol=0.05)
    assert (orthogonalised(torch.zeros(shape)) == 0).all()


@pytest.mark.parametrize("fast", [True, False])
def test_it_multiplies_in_half_precision_only_where_that_is_fast(monkeypatch, fast):
    monkeypatch.setattr(muon_file, "multiplies_in_bfloat16", lambda: fast)
    u, _ = torch.linalg.qr(torch.randn(20, 20, generator=torch.Generator().manual_seed(0)).double())
    turned = u.T @ orthogonalised(u)  # a multiple of the identity, but for rounding
    error = (turned - torch.diag(turned.diagonal())).abs().max()
    assert error > 1e-4 if fast else error < 1e-12


class Layers(nn.Module):
    """A first layer, a hidden one and a last one."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.hidden, self.last = nn.Linear(4, 6), nn.Conv2d(6, 3, 3), nn.Linear(3, 1)

    def forward(self, x):
        return self.last(self.hidden(self.first(x).reshape(-1, 6, 3, 3)).flatten(1))


def muon(net, **options):
    return Muon(net, ["first", "last"], **options)


def steps(state, first, count):
    for number in range(first, first + count):
        state.optimizer.zero_grad()
        x = torch.randn(5, 9, 4, generator=torch.Generator().manual_seed(number))
        state.net(x).square().mean().backward()
        state.optimizer.step()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has it from 2.9 on")
def test_agrees_with_torchs_own_on_a_matrix():
    ours, theirs = nn.Linear(10, 6, bias=False), nn.Linear(10, 6, bias=False)
    theirs.load_state_dict(ours.state_dict())
    net = nn.Sequential(nn.Linear(2, 10), ours)
    before = ours.weight.detach().clone()
    a = Muon(net, ["0"], lr=0.02, weight_decay=0.1)
    b = torch.optim.Muon([theirs.weight], lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    for number in range(4):
        gradient = torch.randn(6, 10, generator=torch.Generator().manual_seed(number))
        ours.weight.grad, theirs.weight.grad = gradient.clone(), gradient.clone()
        a.step()
        b.step()
    assert (ours.weight - before).abs().max() > 0.01
    assert torch.allclose(ours.weight, theirs.weight, atol=2e-3)


def test_ends_biases_and_norms_are_stepped_as_by_adamw_and_hidden_layers_are_not():
    ours, theirs = Layers(), Layers()
    a, b = muon(ours, lr=0.01), torch.optim.AdamW(theirs.parameters(), lr=0.01, betas=(0.9, 0.98))
    for number in range(2):
        for net, optimizer in ((ours, a), (theirs, b)):
            for parameter in net.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
            optimizer.step()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other) == (name != "hidden.weight"), name


def test_a_step_of_a_matrix_is_as_large_as_adamws():
    net = Layers()
    before = net.hidden.weight.detach().clone()
    net.hidden.weight.grad = torch.randn(net.hidden.weight.shape, generator=torch.Generator().manual_seed(0))
    muon(net, lr=0.01, weight_decay=0.0).step()
    moved = (net.hidden.weight - before).square().mean().sqrt().item()
    assert moved == pytest.approx(0.2 * 0.01, rel=0.3)


def test_training_goes_on_from_a_checkpoint_as_if_never_stopped(tmp_path):
    straight, stopped, resumed = (TrainState(net, optimizer=muon(net)) for net in (Layers(), Layers(), Layers()))
    steps(straight, 0, 6)
    steps(stopped, 0, 3)
    save_checkpoint(stopped, tmp_path / "half.safetensors")
    load_checkpoint(resumed, tmp_path / "half.safetensors")
    steps(resumed, 3, 3)
    for a, b in zip(straight.net.parameters(), resumed.net.parameters(), strict=True):
        assert torch.equal(a, b)
