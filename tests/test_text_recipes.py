"""The recipes of the text-to-image model: what they train on, and how their pictures are measured."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib import pretrained
from course_lib.denoisers import GaussianDenoiser, signal_and_noise
from course_lib.emoji import captions
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.scenes import (
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    SIZES,
    draw_scenes,
    held_out_cells,
    joined,
    training_cells,
)
from course_lib.guidance import Guided
from course_lib.networks.vae import reconstruction_error
from course_lib.pipeline.text_to_image import TextToImage
from course_lib.recipes import emoji_decoder, emoji_latent, text_to_image
from course_lib.recipes.measurements import guidance_scales, text_conditions
from course_lib.recipes.pictures import cover
from course_lib.recipes.shared import captioned, latents, running
from course_lib.support.batches import in_batches
from course_lib.training import draw_times


def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def data():
    return latents.scenes_as_latents(pretrained.emoji_vae(), 600)


def same(some, others):
    return all(torch.equal(part, getattr(others, name)) for name, part in vars(some).items())


def said_of(text, scenes, row):
    """Whether a caption is true of one of the scenes."""
    object_, colour, size, background, style = captions.read_caption(text)
    one = scenes[row : row + 1]
    true = (one.object.item(), one.colour.item(), one.size.item(), one.background.item())
    true += (one.style.item(),)
    return all(
        asked in (None, has) for asked, has in zip((object_, colour, size, background, style), true, strict=True)
    )


def test_it_learns_from_encoded_scenes_of_the_training_cells(data):
    assert data.x_0.shape == (600, 4, 16, 16)
    assert not held_out_cells()[data.scenes.object, data.scenes.colour].any()
    pictures = scaled(compose(data.scenes[:20]))
    exact = pretrained.emoji_vae().to_latents(pictures)
    assert (data.x_0[:20] - exact).square().mean().item() < 1e-3  # of variance 1: no more than half precision loses


def test_the_decoder_learns_from_scenes_in_the_middle_the_rare_ones_more_often(monkeypatch):
    composed = []
    monkeypatch.setattr(
        emoji_decoder, "compose", lambda scenes, compose=compose: composed.append(scenes) or compose(scenes)
    )
    for seed in range(10):
        pictures = emoji_decoder.draw_batch(torch.Generator().manual_seed(seed))
        assert pictures.shape == (emoji_decoder.BATCH_SIZE, 3, 64, 64)
    assert (pictures.min() >= -1) & (pictures.max() <= 1)
    scenes = joined(composed)
    assert same(scenes.centred(), scenes)
    assert not held_out_cells()[scenes.object, scenes.colour].any()
    plain = draw_scenes(2000, generator())
    rarer = {"small": lambda s: s.size == 0, "not white": lambda s: s.background != 0}
    for name, is_rare in rarer.items():
        assert is_rare(scenes).double().mean() > is_rare(plain).double().mean() + 0.08, name


def test_the_decoder_gets_the_latents_with_noise_of_every_strength():
    vae = pretrained.emoji_vae()
    pictures = scaled(compose(draw_scenes(100, generator())))
    off = emoji_decoder.noisy_latents(vae, pictures, generator()) - in_batches(vae.to_latents, pictures)
    strengths = off.std(dim=(1, 2, 3))
    assert strengths.min() < 0.03
    assert 0.27 < strengths.max() < 0.32
    assert strengths.mean().item() == pytest.approx(emoji_decoder.NOISE / 2, abs=0.03)


def test_training_the_decoder_leaves_the_shipped_vae_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "data_folder", lambda: tmp_path)
    for name, value in {"STEPS": 2, "BATCH_SIZE": 4, "MEASURED": 8}.items():
        monkeypatch.setattr(emoji_decoder, name, value)
    shipped = []
    monkeypatch.setattr(emoji_decoder, "ship", lambda *given: shipped.append(given))
    before = [parameter.clone() for parameter in pretrained.emoji_vae().parameters()]
    emoji_decoder.main()
    ((_, _, state, *_),) = shipped
    after = list(pretrained.emoji_vae().parameters())
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))
    assert not any(parameter.requires_grad for parameter in after)
    old = pretrained.emoji_vae().decoder.state_dict()
    assert not any(torch.equal(value, old[name]) for name, value in state.net.state_dict().items())


def test_the_loss_of_the_decoder_is_the_error_of_what_it_makes_of_noisy_latents(monkeypatch):
    vae, pictures = pretrained.emoji_vae(), scaled(compose(draw_scenes(20, generator())))
    losses = []
    for noise in (0.0, 1.0):
        monkeypatch.setattr(emoji_decoder, "NOISE", noise)
        losses.append(emoji_decoder.loss(vae, vae.decoder, pictures, generator()).item())
    exact = reconstruction_error(pictures, vae.reconstruct(pictures)).item()
    assert losses[0] == pytest.approx(exact, rel=0.05)
    assert losses[1] > 1.5 * losses[0]


def test_small_objects_and_backgrounds_other_than_white_are_repeated(data):
    repeated = text_to_image.repeated(data, latents.times_as_often(data.scenes))

    def counts(scenes):
        """How many scenes there are of each (size, white or not)."""
        return torch.bincount(2 * scenes.size + (scenes.background != list(BACKGROUNDS).index("white")))

    assert counts(repeated.scenes).tolist() == (counts(data.scenes) * torch.tensor([2, 6, 1, 3, 1, 3])).tolist()
    rows = torch.cdist(repeated.x_0[:50].flatten(1), data.x_0.flatten(1)).argmin(dim=1)
    assert same(repeated.scenes[:50], data.scenes[rows])


def test_what_the_first_round_tears_comes_more_often_in_the_second():
    scenes = draw_scenes(3000, generator())
    times = text_to_image.times_as_often_again(scenes)
    size, background, colour = (list(names).index for names in (SIZES, BACKGROUNDS, COLOURS))
    for of_size, ground, of_colour, expected in (
        ("medium", "white", "red", 1),
        ("medium", "light pink", "white", 6),
        ("small", "white", "red", 2),
        ("large", "white", "blue", 3),
        ("medium", "grey", "red", 4),
        ("medium", "black", "red", 5),
        ("medium", "sky blue", "yellow", 3),
        ("large", "black", "white", 30),
    ):
        those = (scenes.size == size(of_size)) & (scenes.background == background(ground))
        those &= scenes.colour == colour(of_colour)
        assert those.any()
        assert times[those].unique().tolist() == [expected], (of_size, ground, of_colour)


def test_objects_stand_in_the_middle():
    told = emoji_latent.scenes_as_latents(pretrained.emoji_vae(), 40, centred=True)
    for scenes in (told.scenes, text_to_image.red_sports_cars(40)):
        assert same(scenes.centred(), scenes)
    expected = scaled(compose(emoji_latent.wanted_scenes(20, seed=4).centred()))
    assert torch.equal(emoji_latent.real_scenes(20, seed=4, centred=True), expected)
    assert not torch.equal(emoji_latent.real_scenes(20, seed=4), expected)


def test_a_batch_has_new_captions_that_are_true_and_now_and_then_none(data):
    x_0, texts = captioned.draw_batch(data, generator(), 128)
    assert x_0.shape == (text_to_image.BATCH_SIZE, 4, 16, 16)
    rows = torch.cdist(x_0.flatten(1), data.x_0.flatten(1)).argmin(dim=1).tolist()
    assert all(said_of(text, data.scenes, row) for text, row in zip(texts, rows, strict=True) if text)
    many = [
        text for seed in range(20) for text in captioned.draw_batch(data, torch.Generator().manual_seed(seed), 128)[1]
    ]
    assert sum(text == "" for text in many) / len(many) == pytest.approx(0.1, abs=0.025)
    assert len(set(many)) > 1500  # of 2,560 from 600 scenes


def test_a_share_of_the_captions_says_all_there_is_to_say(data):
    x_0, texts = captioned.draw_batch(data, generator(), size=1000, full=text_to_image.FULL)
    rows = torch.cdist(x_0.flatten(1), data.x_0.flatten(1)).argmin(dim=1).tolist()
    full = [text == captions.describe(data.scenes, row) for text, row in zip(texts, rows, strict=True)]
    assert sum(full) / 1000 == pytest.approx(0.5, abs=0.06)
    assert sum(text == "" for text in texts) / 1000 == pytest.approx(0.1, abs=0.03)


def test_a_network_that_knows_nothing_yet_misses_v_by_its_variance(data):
    batch = captioned.draw_batch(data, generator(), 128)
    net = pretrained.text_unet()
    assert text_to_image.loss(pretrained.text_encoder(), net, batch, generator()).item() == pytest.approx(1, abs=0.1)


class Answers(torch.nn.Module):
    """A network that knows the latents, and misses them by so much in the rows named."""

    def __init__(self, x_0, off, rows):
        super().__init__()
        self.x_0 = x_0.clone()
        self.x_0[rows] += off

    def forward(self, x_t, t, cond):
        signal, noise = signal_and_noise(text_to_image.SCHEDULE, t, x_t)
        return (signal * x_t - self.x_0) / noise


def test_the_end_of_training_looks_at_pictures_too_where_there_is_little_noise(data):
    vae, encoder = pretrained.text_to_image_vae(), pretrained.text_encoder()
    batch = captioned.draw_batch(data, generator(), 128)
    x_0, count = batch[0], text_to_image.BATCH_SIZE

    def value(off, rows):
        return text_to_image.finishing_loss(vae, encoder, Answers(x_0, off, rows), batch, generator()).item()

    assert value(0.0, slice(None)) == pytest.approx(0, abs=1e-3)
    t = draw_times(count, 1000, generator(), text_to_image.SHIFT)
    variance = 1 - text_to_image.SCHEDULE.alpha_bar[t]
    few, rest = slice(text_to_image.DECODED), slice(text_to_image.DECODED, None)
    assert value(0.1, rest) == pytest.approx((0.01 / variance[rest]).sum().item() / count, rel=1e-2)
    in_pictures = reconstruction_error(vae.decode(vae.unscaled(x_0[few])), vae.decode(vae.unscaled(x_0[few] + 0.1)))
    in_latents = (0.01 / variance[few]).sum().item() / count
    assert in_pictures > 0.01
    expected = in_latents + text_to_image.PICTURE_WEIGHT * in_pictures.item()
    assert value(0.1, few) == pytest.approx(expected, rel=2e-2)


@pytest.mark.slow
def test_the_recipe_trains_finishes_measures_and_ships(tmp_path, monkeypatch, data):
    monkeypatch.setattr(running, "data_folder", lambda: tmp_path)
    asked = []
    monkeypatch.setattr(
        text_to_image, "scenes_as_latents", lambda vae, count, centred: asked.append((count, centred)) or data
    )
    steps = (2, 1, 3, 1)
    phases = tuple(phase._replace(steps=few) for phase, few in zip(text_to_image.PHASES, steps, strict=True))
    monkeypatch.setattr(text_to_image, "PHASES", phases)
    told, draw_batch = [], text_to_image.draw_batch
    monkeypatch.setattr(
        text_to_image, "draw_batch", lambda data, *given, **more: told.append(data) or draw_batch(data, *given, **more)
    )
    started, begun_with, finished, measured, shipped = [], [], [], [], []
    new_state, finishing_loss = text_to_image.new_state, text_to_image.finishing_loss

    def start(net, seed):
        begun_with.append(net.state_dict())
        started.append(new_state(net, seed))
        return started[-1]

    monkeypatch.setattr(text_to_image, "new_state", start)
    monkeypatch.setattr(
        text_to_image, "finishing_loss", lambda *given: finished.append(given[2]) or finishing_loss(*given)
    )
    monkeypatch.setattr(text_to_image, "measure", lambda *given: measured.append(given) or {"good": "very"})
    monkeypatch.setattr(text_to_image, "ship", lambda *given: shipped.append(given))
    text_to_image.main()
    assert asked == [(text_to_image.SCENES, True)]
    assert [(state.step, state.seed) for state in started] == [(2, 0), (1, 1), (3, 2), (1, 3)]
    untrained = text_to_image.untrained().state_dict()
    assert all(torch.equal(value, untrained[name]) for name, value in begun_with[0].items())
    for before, weights in zip(started, begun_with[1:], strict=False):
        assert all(torch.equal(value, weights[name]) for name, value in before.ema.state_dict().items())
    assert finished == [started[1].net, started[3].net]  # in their only step
    often = [latents.times_as_often(data.scenes), text_to_image.times_as_often_again(data.scenes)]
    shown = [int(often[number].sum()) for number in (0, 0, 1, 0)]
    assert shown[0] != shown[2]
    assert [len(each.x_0) for each in told] == [
        count for count, few in zip(shown, steps, strict=True) for _ in range(few)
    ]
    ((name, _, state, _, quality, shipped_phases),) = shipped
    assert (name, quality, shipped_phases) == ("text_to_image", {"good": "very"}, phases)
    assert state is started[-1]
    ((pipe, seen),) = measured
    assert pipe.denoiser.net is state.ema
    assert seen is data
    vae = pretrained.text_to_image_vae()
    assert all(torch.equal(value, vae.state_dict()[name]) for name, value in pipe.vae.state_dict().items())
    weight = "middle_1.block.conv1.weight"
    weights = [each.get_parameter(weight) for each in (text_to_image.untrained(), *(state.net for state in started))]
    assert not any(torch.equal(one, other) for one, other in itertools.pairwise(weights))
    left = sorted(path.stem for path in (tmp_path / "checkpoints" / "unfinished").iterdir())
    assert left == ["text_to_image", *(f"text_to_image_{number}" for number in range(3))]  # which ``ship`` deletes


def test_the_second_part_of_training_begins_where_the_first_one_ended():
    trained = pretrained.text_unet()
    trained.load_state_dict({name: value + 1 for name, value in trained.state_dict().items()})
    state = text_to_image.new_state(trained, seed=1)
    for net in (state.net, state.ema):
        assert all(torch.equal(value, trained.state_dict()[name]) for name, value in net.state_dict().items())
    assert state.net is not trained


def test_the_nearest_is_found_and_its_distance_is_that_of_one_number():
    training = torch.randn(300, 4, 2, 2, generator=generator())
    near = training[[3, 70, 250]] + 0.1
    assert text_to_image.to_nearest(near, training) == pytest.approx(0.1, abs=1e-4)
    assert text_to_image.to_nearest(training[:150], training) == pytest.approx(0, abs=1e-3)


def test_prompts_are_drawn_guided_by_their_own_words():
    class Reads:
        """Latents whose mean is the first number of the begin token's vector, twice that if guided away from none."""

        schedule = text_to_image.SCHEDULE

        def __call__(self, x_t, t, cond):
            return GaussianDenoiser(cond[:, 0, 0].reshape(-1, 1, 1, 1), 1e-3, self.schedule)(x_t, t)

    encoder = pretrained.text_encoder()
    prompts = ["a red car", "a blue owl"]
    means = encoder.encode([*prompts, ""])[:, 0, 0]
    for w in (1.0, 2.0):
        guided = Guided(Reads(), w, encoder.encode([""]))
        drawn = text_to_image.draw_prompts(encoder, guided, prompts)
        wanted = means[2] + w * (means[:2] - means[2])
        assert torch.allclose(drawn.mean(dim=(1, 2, 3)), wanted, atol=0.02)


# --- four ways to be told ---------------------------------------------------------------------------------------------


def test_one_vector_reads_the_begin_token_and_words_read_all():
    ids = pretrained.text_encoder().tokenizer(["a red car", "a blue owl on black"])
    x, t = torch.randn(2, 4, 16, 16, generator=generator()), torch.tensor([500, 500])
    for make, tokens in ((text_conditions.one_vector, 1), (text_conditions.words, ids.shape[1])):
        torch.manual_seed(0)
        reader = make()
        seen = []
        reader.unet.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[2]))
        reader(x, t, ids)
        assert seen[0].shape == (2, tokens, 128)
        assert torch.equal(seen[0], pretrained.text_encoder()(ids).words[:, :tokens])


def test_a_bag_of_words_knows_the_words_but_not_their_order():
    tokenizer, bag = pretrained.text_encoder().tokenizer, text_conditions.bag_of_words().encoder
    texts = ["a white cat on a black background", "a black cat on a white background", "a black cat", ""]
    one, swapped, other, empty = bag(tokenizer(texts)).words
    assert torch.allclose(one, swapped, atol=1e-6)
    assert one.shape == (1, 128)
    assert not torch.allclose(one, other, atol=0.1)
    assert not torch.allclose(other, empty, atol=0.1)
    assert torch.allclose(bag(tokenizer(texts[2:3])).words[0], other, atol=1e-6)  # with less padding


def test_only_the_learned_words_are_trained_along():
    for name, make in text_conditions.ROWS.items():
        learns = {parameter.requires_grad for parameter in make().encoder.parameters()}
        assert learns == {name in ("bag of words", "learned words")}, name
    one, other = text_conditions.random_words().encoder, pretrained.text_encoder()
    assert not torch.equal(one.embed_word.weight, other.embed_word.weight)
    # What is trained is a copy: the shipped encoder stays as it is.
    assert not any(parameter.requires_grad for parameter in other.parameters())


@pytest.mark.parametrize("cells", [training_cells(), held_out_cells()], ids=["training", "held out"])
def test_the_scenes_to_be_mixed_up_have_two_different_of_the_three_colours(cells):
    scenes = text_conditions.confusable_scenes(cells)
    assert len(scenes.colour) == text_conditions.MEASURED
    assert cells[scenes.object, scenes.colour].all()
    for colour, ground in zip(scenes.colour.tolist(), scenes.background.tolist(), strict=True):
        names = {list(COLOURS)[colour], list(BACKGROUNDS)[ground]}
        assert len(names) == 2
        assert names < set(text_conditions.BOTH)


def test_both_colours_have_to_be_right_at_once():
    scenes = text_conditions.confusable_scenes(training_cells())
    some = scenes[:40]
    pictures = scaled(compose(some))
    assert text_conditions.judge_shares(pictures, some)["colour and background"] > 0.9
    other_colours = replace(
        some,
        colour=torch.cat([(some.colour[:20] + 1) % len(COLOURS), some.colour[20:]]),
        native=torch.zeros(len(some)).bool(),
    )
    said = text_conditions.judge_shares(pictures, other_colours)
    assert said["background"] == 1
    assert said["colour and background"] == said["colour"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_the_model_of_labels_is_told_what_the_scenes_show():
    scenes = text_conditions.confusable_scenes(training_cells())
    some = scenes[:12]
    assert text_conditions.measure_labels(some)["colour and background"] > 0.8


# --- scales -----------------------------------------------------------------------------------------------------------


def test_scales_are_measured_on_both_kinds_of_cells_and_on_red_sports_cars():
    scenes = guidance_scales.wanted_scenes()
    held_out = held_out_cells()[scenes.object, scenes.colour]
    assert held_out.double().mean() == 0.5
    cars = text_to_image.red_sports_cars(10)
    assert {OBJECTS[index] for index in cars.object} == {"sports car"}
    assert {list(COLOURS)[index] for index in cars.colour} == {"red"}
    assert held_out_cells()[cars.object, cars.colour].all()


@pytest.mark.slow
def test_a_row_of_real_pictures_says_that_they_are_right():
    scenes = guidance_scales.wanted_scenes()
    some = scenes[slice(None, None, 3)]
    pictures, cars = scaled(compose(some)), scaled(compose(text_to_image.red_sports_cars(20)))
    real = pretrained.emoji_classifier().features(scaled(compose(guidance_scales.wanted_scenes(9))))
    row = guidance_scales.describe_pictures(pictures, some, cars, real)
    assert min(row[what] for what in ("object", "colour", "object and colour", "adherence", "red sports cars")) > 0.9
    assert row["adherence"] <= row["object and colour"] <= min(row["object"], row["colour"])
    assert row["precision"] > 0.6
    torn = cars.clone()
    torn[:, :, 32:] = cars[:, :, 32:].roll(12, dims=3)  # the lower half moved to the right
    assert guidance_scales.describe_pictures(pictures, some, torn, real)["red sports cars"] < 0.3
    grey = guidance_scales.describe_pictures(torch.zeros_like(pictures), some, torch.zeros_like(cars), real)
    assert grey["all"] == grey["red sports cars"] == grey["pairwise distance"] == grey["saturation"] == 0
    assert grey["frechet_distance"] > 10 * row["frechet_distance"]


# --- the README's pictures --------------------------------------------------------------------------------------------


def test_the_way_out_of_the_noise_begins_with_noise():
    denoiser = GaussianDenoiser(0.0, 1e-3, text_to_image.SCHEDULE)
    pipe = TextToImage(pretrained.text_encoder(), denoiser, pretrained.emoji_vae())
    frames = cover.out_of_noise(pipe)
    assert frames.shape == (cover.MOMENTS, 3, 64, 64)
    rough = frames.float().diff(dim=-1).abs().mean(dim=(1, 2, 3))
    assert rough[0] > 3 * rough[-1]


def test_pictures_stand_side_by_side():
    pictures = torch.zeros(3, 3, 64, 64, dtype=torch.uint8)
    pictures[1] = 100
    row = np.asarray(cover.side_by_side(pictures))
    assert row.shape == (128, 3 * 136, 3)
    assert (row[:, 140:268] == 100).all()
    assert (row[:, 132:140] == 255).all()
