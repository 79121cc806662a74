"""The recipes of the emoji networks: what they train on, and how their pictures are measured."""

import time

import pytest
import torch

from course_lib import pretrained
from course_lib.datasets import emoji
from course_lib.denoisers import GaussianDenoiser
from course_lib.networks.classifier import Classifier
from course_lib.networks.unet import UNet
from course_lib.networks.vae import VAE
from course_lib.recipes import emoji_classifier, emoji_latent, emoji_vae, twenty_minutes


def generator():
    return torch.Generator().manual_seed(0)


def test_the_vae_learns_from_scenes_and_from_the_general_set():
    pictures = emoji_vae.draw_batch(generator())
    assert pictures.shape == (emoji_vae.BATCH_SIZE, 3, 64, 64)
    assert pictures.min() >= -1
    assert pictures.max() <= 1
    assert torch.equal(pictures, emoji_vae.draw_batch(generator()))
    general = pictures[emoji_vae.BATCH_SIZE // 2 :]
    corner = general[:, :, 0, 0]  # (B/2, 3): white, or paper that throws back at least 70 % of the light
    assert corner.min() >= 0.35
    assert 0.2 < (corner == 1).all(dim=1).float().mean() < 0.8


def test_the_loss_of_the_vae_holds_reconstruction_and_divergence(monkeypatch):
    torch.manual_seed(0)
    vae, pictures = VAE(width=16).requires_grad_(False), torch.zeros(2, 3, 16, 16)
    losses = []
    for weight in (0.0, 1.0, 2.0):
        monkeypatch.setattr(emoji_vae, "KL_WEIGHT", weight)
        losses.append(emoji_vae.loss(vae, pictures, generator()).item())
    assert 0 < losses[0] < losses[1]
    assert losses[2] - losses[1] == pytest.approx(losses[1] - losses[0], rel=1e-3)


def test_the_latent_model_learns_from_encoded_scenes_of_the_training_cells():
    latents = emoji_latent.encoded_scenes(pretrained.emoji_vae(), 600)
    assert latents.shape == (600, 4, 16, 16)
    scenes = emoji.draw_scenes(500, generator(), emoji.training_cells())
    assert torch.equal(latents[:500], pretrained.emoji_vae().to_latents(emoji.scaled(emoji.compose(scenes))))
    batch = emoji_latent.draw_batch(latents, generator())
    assert batch.shape == (emoji_latent.BATCH_SIZE, 4, 16, 16)
    assert all((latents == row).flatten(1).all(dim=1).any() for row in batch)
    # A network that knows nothing yet predicts zero, and misses v, whose variance is that of latents and noise: one.
    assert emoji_latent.loss(pretrained.latent_unet(), batch, generator()).item() == pytest.approx(1, abs=0.1)


def test_real_scenes_are_of_the_training_cells_and_new_for_every_seed():
    scenes = emoji.draw_scenes(20, torch.Generator().manual_seed(3), emoji.training_cells())
    assert torch.equal(emoji_latent.real_scenes(20, seed=3), emoji.scaled(emoji.compose(scenes)))
    assert not torch.equal(emoji_latent.real_scenes(20, seed=3), emoji_latent.real_scenes(20, seed=4))


def test_operations_are_counted_forward_and_back():
    class OneLayer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 5, 1)

        def forward(self, x, t):
            return self.layer(x)

    # 4·4 positions, 3·5 products and as many sums; back, the same again for the weights (the input needs no gradient).
    assert twenty_minutes.operations(OneLayer(), (3, 4, 4)) == 2 * (4 * 4 * 3 * 5 * 2)


def test_a_step_on_pixels_costs_far_more_than_one_on_latents():
    pixels, latents = UNet(channels=3, classes=0, width=96), pretrained.latent_unet()
    ratio = twenty_minutes.operations(pixels, (3, 64, 64)) / twenty_minutes.operations(latents, (4, 16, 16))
    assert 12 < ratio < 17  # sixteen times the positions; the embeddings of time cost the same


def test_times_are_medians_taken_in_turns():
    calls = []

    def step(name, seconds):
        calls.append(name)
        time.sleep(seconds)

    found = twenty_minutes.seconds_of({"a": lambda: step("a", 0.02), "b": lambda: step("b", 0.001)}, times=3)
    assert calls == ["a", "b"] * 4
    assert 0.02 <= found["a"] < 0.2
    assert found["b"] < found["a"]


def test_what_is_timed_is_a_step_of_training():
    net = UNet(channels=3, classes=0, width=8)
    before = [parameter.clone() for parameter in net.parameters()]
    twenty_minutes.training_step(net, torch.zeros(2, 3, 16, 16))()
    changed = [not torch.equal(old, new.cpu()) for old, new in zip(before, net.parameters(), strict=True)]
    assert any(changed)


def test_latents_are_decoded_and_pixels_are_not():
    denoiser = GaussianDenoiser(0.5, 0.1, emoji_latent.SCHEDULE)
    pixels = twenty_minutes.draw_pictures(twenty_minutes.Trained(denoiser, None, 1, 0), 3)
    assert torch.equal(pixels, emoji_latent.draw(denoiser, (3, 64, 64), 50, 3))
    vae = pretrained.emoji_vae()
    decoded = twenty_minutes.draw_pictures(twenty_minutes.Trained(denoiser, vae, 1, 1), 3)
    assert torch.equal(decoded, vae.to_pictures(emoji_latent.draw(denoiser, (4, 16, 16), 50, 3)))


def test_the_same_seed_draws_the_same():
    denoiser = GaussianDenoiser(0.5, 0.1, emoji_latent.SCHEDULE)
    one, two, other = (emoji_latent.draw(denoiser, (4, 2, 2), 5, 300, seed) for seed in (3, 3, 4))
    assert one.shape == (300, 4, 2, 2)
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert one.mean().item() == pytest.approx(0.5, abs=0.02)


def test_the_judge_learns_all_objects_and_cells_from_roughened_pictures():
    pictures, objects = emoji_classifier.draw_batch(generator())
    assert pictures.shape == (emoji_classifier.BATCH_SIZE, 3, 64, 64)
    assert objects.shape == (emoji_classifier.BATCH_SIZE,)
    net = Classifier(channels=3, classes=101, size=64, widths=(8, 8, 8, 8))
    assert emoji_classifier.loss(net, (pictures, objects), generator()).item() == pytest.approx(4.6, abs=0.7)  # log 101


def test_roughened_pictures_are_each_changed_by_tosses_of_their_own_and_stay_in_range():
    picture = -torch.ones(1, 3, 8, 8)
    picture[..., :3] = 1  # an edge from top to bottom, left of the middle
    rough = emoji_classifier.roughened(picture.repeat(2000, 1, 1, 1), generator())
    assert rough.min() >= -1
    assert rough.max() <= 1
    assert 0.45 < (rough[:, 0, :, -1].mean(dim=-1) > 0).double().mean() < 0.55  # mirrored
    smooth = rough[:, 0].diff(dim=-2).abs().sum(dim=(1, 2)) == 0  # the same from top to bottom: no noise
    assert 0.45 < smooth.double().mean() < 0.55
    soft = rough[smooth][:, 0, 0].diff(dim=-1).abs().amax(dim=-1) < 1  # (n,): a blurred edge falls in thirds
    assert 0.4 < soft.double().mean() < 0.6
