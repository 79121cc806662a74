"""The recipes of the emoji networks: what they train on, and how their pictures are measured."""

import json
import time

import pytest
import torch

from course_lib import pretrained
from course_lib.denoisers import GaussianDenoiser, Prediction, signal_and_noise
from course_lib.emoji.damage import KINDS
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.judging import judged_right
from course_lib.emoji.rated import rated_pictures
from course_lib.emoji.scenes import LABELS, draw_scenes, held_out_cells, training_cells
from course_lib.networks.classifier import Classifier
from course_lib.networks.unet import UNet
from course_lib.networks.vae import VAE
from course_lib.recipes import emoji_classifier, emoji_latent, emoji_vae, emoji_wholeness
from course_lib.recipes.measurements import twenty_minutes
from course_lib.support.device import seconds_of


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


@pytest.mark.slow
def test_the_latent_model_learns_from_encoded_scenes_of_the_training_cells():
    latents, labels = emoji_latent.encoded_scenes(pretrained.emoji_vae(), 600)
    assert latents.shape == (600, 4, 16, 16)
    assert latents.dtype == torch.float32
    scenes = draw_scenes(500, generator(), training_cells())
    assert torch.equal(labels[:500], scenes.labels)
    exact = pretrained.emoji_vae().to_latents(scaled(compose(scenes)))
    assert (latents[:500] - exact).square().mean().item() < 1e-3  # of variance 1: no more than half precision loses
    batch = emoji_latent.draw_batch(emoji_latent.Labelled(latents, labels), generator())
    assert batch.x_0.shape == (emoji_latent.BATCH_SIZE, 4, 16, 16)
    rows = torch.cdist(batch.x_0.flatten(1), latents.flatten(1)).argmin(dim=1)
    assert torch.equal(batch.x_0, latents[rows])
    assert torch.equal(batch.labels, labels[rows])
    # A network that knows nothing yet predicts zero, and misses v, whose variance is that of latents and noise: one.
    assert emoji_latent.loss(pretrained.latent_unet(), batch, generator()).item() == pytest.approx(1, abs=0.1)


def test_the_latent_model_learns_with_labels_and_now_and_then_without():
    class Listening(torch.nn.Module):
        null_class = 101

        def forward(self, x_t, t, cond):
            self.heard = cond
            return x_t

    net, labels = Listening(), torch.arange(50_000).reshape(10_000, 5) % 101
    emoji_latent.loss(net, emoji_latent.Labelled(torch.zeros(10_000, 1, 1, 1), labels), generator())
    kept = (net.heard == labels).all(dim=1)  # (10000,)
    assert kept.double().mean().item() == pytest.approx(1 - emoji_latent.LABEL_DROP, abs=0.02)
    assert (net.heard[~kept] == net.null_class).all()  # all five of a row, or none


def test_real_scenes_are_of_the_training_cells_and_new_for_every_seed():
    scenes = draw_scenes(20, torch.Generator().manual_seed(3), training_cells())
    assert torch.equal(emoji_latent.real_scenes(20, seed=3), scaled(compose(scenes)))
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
    pixels, latents = UNet(channels=3, classes=len(LABELS), width=64, patch=1), pretrained.latent_unet()
    ratio = twenty_minutes.operations(pixels, (3, 64, 64)) / twenty_minutes.operations(latents, (4, 16, 16))
    assert 16 < ratio < 40  # sixteen times the positions, and attention pays for their square


def test_times_are_medians_taken_in_turns():
    calls = []

    def step(name, seconds):
        calls.append(name)
        time.sleep(seconds)

    found = seconds_of({"a": lambda: step("a", 0.02), "b": lambda: step("b", 0.001)}, times=3)
    assert calls == ["a", "b"] * 4
    assert 0.02 <= found["a"] < 0.2
    assert found["b"] < found["a"]


def test_what_is_timed_is_a_step_of_training():
    net = UNet(channels=3, classes=0, width=8)
    before = [parameter.clone() for parameter in net.parameters()]
    batch = emoji_latent.Labelled(torch.zeros(2, 3, 16, 16), torch.zeros(2, 5, dtype=torch.int64))
    twenty_minutes.training_step(net, batch)()
    changed = [not torch.equal(old, new.cpu()) for old, new in zip(before, net.parameters(), strict=True)]
    assert any(changed)


def test_latents_are_decoded_and_pixels_are_not():
    denoiser, scenes = GaussianDenoiser(0.5, 0.1, emoji_latent.SCHEDULE), emoji_latent.wanted_scenes(3)
    labels = scenes.labels
    pixels = twenty_minutes.draw_pictures(twenty_minutes.Trained(denoiser, None, 1, 0, "pixel_unet"), scenes)
    assert torch.equal(pixels, emoji_latent.draw(denoiser, (3, 64, 64), labels))
    vae = pretrained.emoji_vae()
    decoded = twenty_minutes.draw_pictures(twenty_minutes.Trained(denoiser, vae, 1, 1, "latent_unet"), scenes)
    assert torch.equal(decoded, vae.to_pictures(emoji_latent.draw(denoiser, (4, 16, 16), labels)))


def test_the_same_seed_draws_the_same():
    denoiser, objects = GaussianDenoiser(0.5, 0.1, emoji_latent.SCHEDULE), torch.arange(300) % 101
    one, two, other = (emoji_latent.draw(denoiser, (4, 2, 2), objects, 5, seed) for seed in (3, 3, 4))
    assert one.shape == (300, 4, 2, 2)
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert one.mean().item() == pytest.approx(0.5, abs=0.02)


def test_every_picture_is_drawn_with_its_own_object():
    class Mirror:
        """Guesses that every latent is its label, so that the label is where the walk ends."""

        schedule = emoji_latent.SCHEDULE

        def __call__(self, x_t, t, cond):
            x_0 = cond.float().reshape(-1, 1, 1, 1).expand_as(x_t)
            signal, noise = signal_and_noise(self.schedule, t, x_t)
            return Prediction(x_0, (x_t - signal * x_0) / noise)

    objects = torch.arange(300) % 101
    drawn = emoji_latent.draw(Mirror(), (1, 2, 2), objects, steps=2)
    assert torch.allclose(drawn.mean(dim=(1, 2, 3)), objects.float(), atol=1e-3)


def test_scenes_are_asked_for_as_training_shows_them():
    scenes = emoji_latent.wanted_scenes(5000)
    assert not held_out_cells()[scenes.object, scenes.colour].any()
    assert torch.equal(scenes.sprite[:10], emoji_latent.wanted_scenes(5000).sprite[:10])
    assert not torch.equal(scenes.sprite, emoji_latent.wanted_scenes(5000, seed=7).sprite)


def test_minutes_hold_every_step_and_the_encoding():
    denoiser, vae = GaussianDenoiser(0.0, 1.0, emoji_latent.SCHEDULE), pretrained.emoji_vae()
    steps = {"pixel_unet": 0.3, "patched_unet": 0.1, "latent_unet": 0.5, "vae": 0.2}
    cost = {"seconds_of_a_step": steps, "seconds_of_encoding": 60.0}
    small = {"MEASURED": 4, "TIMED": 2}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in small.items():
            patch.setattr(twenty_minutes, name, value)
        patch.setattr(twenty_minutes, "distance_to_scenes", lambda pictures: 1.0)
        trained = twenty_minutes.Trained
        on_latents = twenty_minutes.measure("latents", trained(denoiser, vae, 240, 600, "latent_unet"), cost)
        on_pixels = twenty_minutes.measure("pixels", trained(denoiser, None, 400, 0, "pixel_unet"), cost)
        on_patches = twenty_minutes.measure("patches", trained(denoiser, None, 600, 0, "patched_unet"), cost)
    assert (on_latents["minutes"], on_latents["vae_minutes"]) == (3.0, 2.0)  # 240 · 0.5 s + 60 s; 600 · 0.2 s
    assert (on_pixels["minutes"], on_pixels["vae_minutes"]) == (2.0, 0.0)
    assert on_patches["minutes"] == 1.0


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
    steps = (rough[smooth][:, 0, 0].diff(dim=-1).abs() > 1e-3).sum(dim=-1)  # (n,): one, three if blurred, five if twice
    assert set(steps.tolist()) == {1, 3, 5}
    assert 0.18 < (steps == 5).double().mean() < 0.32


class Scores(torch.nn.Module):
    """A judge of wholeness with an answer of its own: the score of each picture, (B,)."""

    def __init__(self, score):
        super().__init__()
        self.score = score

    def forward(self, both):
        return torch.stack([torch.zeros(len(both)), self.score(both)], dim=1)


@pytest.fixture(scope="module")
def vaes():
    return [pretrained.emoji_vae(), pretrained.text_to_image_vae()]


def test_half_of_the_made_pictures_are_whole(vaes):
    unchanged, torn = torch.zeros(1, 4, 16, 16), torch.ones(1, 4, 16, 16)
    pictures, whole = emoji_wholeness.draw_made(vaes, unchanged, torn, generator())
    assert pictures.shape == (len(whole), 3, 64, 64)
    assert pictures.abs().max() <= 1
    assert whole.sum() == emoji_wholeness.AT_A_TIME // 2
    assert 0.5 <= whole.double().mean() < 0.55
    assert torch.equal(pictures, emoji_wholeness.draw_made(vaes, unchanged, torn, generator())[0])
    # Those of the model are decoded from its latents, with a little noise on them.
    for latent, said, share in ((unchanged, 1, 1 / 8), (torn, 0, 1 / 4)):
        nearest = torch.stack([(pictures - vae.to_pictures(latent)).square().mean((1, 2, 3)) for vae in vaes]).amin(
            dim=0
        )
        count = round(share * emoji_wholeness.AT_A_TIME)
        drawn = nearest.argsort()[:count]
        assert (whole[drawn] == said).all()
        assert nearest[drawn].max() < 0.5 * nearest.sort().values[count]


@pytest.mark.slow
def test_what_the_model_has_redrawn_is_whole_if_unchanged_and_torn_if_melted(vaes):
    unchanged, melted = emoji_wholeness.redrawn_latents(vaes[1], 80, seed=0)
    assert min(len(unchanged), len(melted)) >= 15
    assert len(unchanged) + len(melted) < 80  # what lies between is neither
    assert unchanged.shape[1:] == melted.shape[1:] == (4, 16, 16)
    assert torch.equal(unchanged, emoji_wholeness.redrawn_latents(vaes[1], 80, seed=0)[0])
    net = pretrained.emoji_wholeness()
    whole = (emoji_wholeness.wholeness(net, vaes[1].to_pictures(some)) > 0 for some in (unchanged, melted))
    assert [round(each.double().mean().item()) for each in whole] == [1, 0]


@pytest.mark.slow
def test_torn_pictures_are_drawn_at_settings_that_tear_them(vaes):
    torn = emoji_wholeness.torn_latents(8, seed=0)
    assert list(torn) == list(emoji_wholeness.SETTINGS)
    assert {latents.shape for latents in torn.values()} == {(8, 4, 16, 16)}
    spread = {name: latents.std().item() for name, latents in torn.items()}
    assert spread["w = 15"] > 1.3 * spread["w = 0"]
    scenes = emoji_wholeness.some_scenes(8, generator())
    right = judged_right(vaes[0].to_pictures(torn["w = 0"]), scenes, pretrained.emoji_classifier())
    assert right["object"].double().mean() < 0.3


def test_a_batch_shows_each_picture_beside_its_drawing_changed_alike():
    one = torch.rand(20, 3, 64, 64, generator=generator())
    rated = emoji_wholeness.Compared(one, one + 1, torch.ones(20, dtype=torch.bool))
    made = emoji_wholeness.Compared(one - 5, one - 4, torch.zeros(20, dtype=torch.bool))
    both, whole = emoji_wholeness.draw_batch(rated, made, generator())
    assert both.shape == (emoji_wholeness.BATCH_SIZE, 9, 64, 64)
    assert whole.tolist() == [1] * 38 + [0] * 26  # six tenths of 64
    pictures, real, difference = both.split(3, dim=1)
    assert torch.allclose(real, pictures + 1)
    assert torch.allclose(difference, pictures - real)
    assert (pictures[:38] >= 0).all()
    assert (pictures[38:] < 0).all()
    # Each is one of those given: moved by as many pixels as all others, its colours in another order, perhaps mirrored.
    fits = []
    for picture in pictures[:38, :, 8:-8, 8:-8]:
        for y in range(17):
            for x in range(17):
                same = one[:, :, y : y + 48, x : x + 48].sum(dim=1)
                if any(torch.allclose(each, picture.sum(0), atol=1e-5) for each in same):
                    fits.append((y, x))
    assert 8 < len(fits) < 30  # the others are mirrored
    assert len(set(fits)) == 1
    again = emoji_wholeness.draw_batch(rated, made, torch.Generator().manual_seed(1))[0]
    assert not torch.equal(both, again)


def test_the_threshold_lets_as_many_pass_as_the_eye_found_whole_and_real_pictures():
    scores, whole = torch.arange(100.0), torch.arange(100) % 10 < 7
    high, some = torch.full((50,), 1000.0), torch.linspace(-10, 90, 201)
    assert (scores > emoji_wholeness.threshold(scores, whole, high)).sum() == 70
    limit = emoji_wholeness.threshold(scores, whole, some)
    assert (some > limit).double().mean() >= emoji_wholeness.REAL_PASSED - 0.01
    assert limit < 0


def test_agreement_is_measured_with_the_threshold_of_the_other_half():
    scores, high = torch.arange(100.0), torch.full((50,), 1000.0)
    assert emoji_wholeness.agreement(scores, scores > 59.5, high).double().mean() >= 0.98
    assert emoji_wholeness.agreement(-scores, scores > 59.5, high).double().mean() < 0.25
    # Of the halves, each is told by the other that it is all whole, or all torn.
    halves = torch.arange(100) % 2 == 0
    assert not emoji_wholeness.agreement(scores, halves, high)[1:-1].any()
    assert emoji_wholeness.ranking(scores, scores > 59.5) == 1
    assert emoji_wholeness.ranking(-scores, scores > 59.5) == 0
    assert emoji_wholeness.ranking(scores, halves) == pytest.approx(0.5, abs=0.03)


@pytest.mark.slow
def test_what_the_judge_of_wholeness_says_is_counted_kind_by_kind(monkeypatch, vaes):
    monkeypatch.setattr(emoji_wholeness, "TESTED", 48)
    whole = rated_pictures().whole
    scores, real = torch.where(whole, 1.0, -1.0), torch.full((10,), 9.0)
    for answer in (1.0, -1.0):
        judge = Scores(lambda both, answer=answer: torch.full((len(both),), answer))
        quality = emoji_wholeness.measure(judge, vaes, scores, real)
        shares = {key: float(value) for key, value in quality.items() if key != "torn_refused"}
        passed = {shares[key] for key in shares if key.startswith(("real_passed", "unchanged_passed"))}
        assert passed == {float(answer > 0)}
        assert set(json.loads(quality["torn_refused"]).values()) == {float(answer < 0)}
        assert set(json.loads(quality["torn_refused"])) == {*KINDS, *emoji_wholeness.SETTINGS, "redrawn"}
        assert shares["rated_by_eye"] == 300
        assert shares["ranked_right"] == 1
    scores[whole.nonzero()[:30]] = -2.0
    quality = emoji_wholeness.measure(judge, vaes, scores, real)
    assert float(quality["rated_whole_passed"]) == pytest.approx(1 - 30 / whole.sum().item(), abs=0.01)
    assert float(quality["agrees_with_the_eye"]) < 1
