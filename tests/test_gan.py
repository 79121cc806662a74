"""The networks of GAN and VAE: shapes, mirrors, labels, rows that do not mix, and what they refuse."""

import pytest
import torch
from torch import nn

from course_lib.networks.gan import Discriminator, Generator, Trunk
from course_lib.networks.unet import UNet
from course_lib.networks.vector_vae import VectorVAE
from course_lib.training import TrainState, train


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def awake(net):
    """Blocks begin as nothing: weights as after some training."""
    torch.manual_seed(1)
    for weight in net.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (1, 8)])
def test_pictures_and_back(channels, side):
    G = Generator(channels, classes=3, side=side, latent=5, width=8)
    D = Discriminator(channels, classes=3, side=side, width=8)
    vae = VectorVAE(channels, classes=3, side=side, latent=5, width=8)
    labels, z = torch.tensor([0, 2, 1]), 3 * random(3, 5)
    pictures = G(z, labels)
    assert pictures.shape == (3, channels, side, side)
    assert D(pictures.clamp(-1, 1), labels).shape == (3,)
    assert [part.shape for part in vae.encode(pictures.clamp(-1, 1), labels)] == [(3, 5), (3, 5)]
    assert vae.decode(z, labels).shape == pictures.shape


def count(*nets):
    return sum(weight.numel() for net in nets for weight in net.parameters())


def test_the_three_families_have_as_many_parameters():
    unet, gan, vae = count(UNet()), count(Generator(), Discriminator()), count(VectorVAE())
    assert gan == pytest.approx(unet, rel=0.02)
    assert vae == pytest.approx(unet, rel=0.02)


def test_the_vae_is_made_of_the_gans_parts():
    vae, D = VectorVAE(), Discriminator()
    assert isinstance(vae.decoder, Generator)
    assert isinstance(vae.trunk, Trunk)
    assert count(vae.decoder) == count(Generator())
    assert count(vae.trunk) == count(D.trunk)


def test_rows_do_not_mix_and_every_argument_counts():
    G, D, vae = awake(Generator(width=8)), awake(Discriminator(width=8)), awake(VectorVAE(width=8))
    z, x, labels = random(4, 32), random(4, 1, 28, 28).clamp(-1, 1), torch.arange(4)
    for function, given in ((G, z), (D, x), (vae.decode, z), (lambda *both: vae.encode(*both).mean, x)):
        together = function(given, labels)
        for row in range(4):
            alone = function(given[row : row + 1], labels[row : row + 1])
            assert torch.allclose(together[row], alone[0], atol=1e-5)
        assert not torch.allclose(function(given, labels + 1), together, atol=1e-3)
        assert not torch.allclose(function(given.roll(1, 0), labels), together, atol=1e-3)


def test_pictures_hardly_leave_the_range_of_pixels_but_gradients_come_back_from_beyond():
    z, labels = 20 * random(4, 32), torch.arange(4)
    free = awake(Generator(width=8, leak=1))
    slopes = {}
    for leak in (1, 0.01, 0):
        net = Generator(width=8, leak=leak)
        net.load_state_dict(free.state_dict())
        x = free(z, labels)
        assert x.min() < -1 < 1 < x.max()
        size = x.abs()
        torch.testing.assert_close(net(z, labels), x.sign() * torch.where(size > 1, 1 + leak * (size - 1), size))
        net.head.weight.data.zero_()
        net.head.bias.data.fill_(5.0)  # all beyond
        net(z, labels).sum().backward()
        slopes[leak] = net.head.bias.grad.sum().item() / 4
    assert slopes == pytest.approx({1: 28**2, 0.01: 0.01 * 28**2, 0: 0}, rel=1e-4)


def test_the_score_is_the_papers_projection():
    D = awake(Discriminator(width=8))
    x, labels = random(5, 1, 28, 28).clamp(-1, 1), torch.tensor([9, 0, 3, 3, 1])
    features = D.trunk(x)
    w, b, e = D.score.weight[0], D.score.bias, D.embed_label.weight
    expected = torch.stack([w @ f + b[0] + e[y] @ f for f, y in zip(features, labels, strict=True)])
    assert torch.allclose(D(x, labels), expected, atol=1e-5)


def test_variances_stay_in_a_range_that_float32_can_hold():
    vae = VectorVAE(width=8, latent=1)
    nn.init.zeros_(vae.to_posterior.weight)
    for wild, kept in ((-1e6, -20), (-3.0, -3), (1e6, 10)):
        vae.to_posterior.bias.data = torch.tensor([0.5, wild])
        mean, log_var = vae.encode(torch.zeros(1, 1, 28, 28), torch.tensor([0]))
        assert mean.item() == 0.5
        assert log_var.item() == pytest.approx(kept)


def test_the_average_of_a_generator_carries_its_buffers_too():
    class Normalised(nn.Module):
        latent = 2

        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))

        def forward(self, z, labels=None):
            return self.layers(z)

    state = TrainState(Normalised())
    batches = lambda generator: 5 + torch.randn(16, 2, generator=generator)  # noqa: E731
    for _ in train(state, batches, lambda net, z, generator: net(z).square().mean(), 30):
        pass
    for name, value in state.net.named_buffers():
        assert torch.equal(value, state.ema.get_buffer(name)), name
    assert state.ema.layers[1].running_mean.abs().max() > 0.1


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_labels_may_be_whole_numbers_of_any_size(dtype):
    G, D, vae = awake(Generator(width=8)), awake(Discriminator(width=8)), awake(VectorVAE(width=8))
    z, labels = torch.randn(3, 32), torch.tensor([0, 4, 9])
    x = G(z, labels)
    assert torch.equal(G(z, labels.to(dtype)), x)
    assert torch.equal(D(x, labels.to(dtype)), D(x, labels))
    assert torch.equal(vae.encode(x, labels.to(dtype)).mean, vae.encode(x, labels).mean)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Generator()(torch.zeros(2, 31), torch.tensor([0, 1])), r"z must have shape \(B, 32\)"),
        (lambda: Generator()(torch.zeros(2, 32), torch.tensor([0])), r"labels must have shape \(2,\)"),
        (lambda: Generator()(torch.zeros(2, 32), torch.tensor([0, 10])), "labels must lie between 0 and 9"),
        (lambda: Generator()(torch.zeros(2, 32).double(), torch.tensor([0, 1])), "z must have the dtype"),
        (lambda: Discriminator()(torch.zeros(2, 3, 28, 28), torch.tensor([0, 1])), r"x must have shape \(B, 1, H, W\)"),
        (
            lambda: Discriminator()(torch.zeros(2, 1, 32, 32), torch.tensor([0, 1])),
            r"x must have shape \(B, 1, 28, 28\)",
        ),
        (lambda: Discriminator()(torch.zeros(2, 1, 28, 28), torch.tensor([0, -1])), "labels must lie between 0 and 9"),
        (lambda: VectorVAE().encode(torch.zeros(2, 1, 28, 28), torch.tensor([0])), r"labels must have shape \(2,\)"),
        (lambda: Generator(side=30), "side must divide by 4"),
        (lambda: Generator(latent=0), "latent must be at least 1"),
        (lambda: Generator(width=2.5), "width must be a whole number"),
        (lambda: Discriminator(classes=0), "classes must be at least 1"),
        (lambda: Discriminator(channels="1"), "channels must be a whole number"),
        (lambda: VectorVAE(latent=-1), "latent must be at least 1"),
    ],
)
def test_bad_input_gets_one_clear_sentence(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
