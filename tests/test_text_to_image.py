"""The pipeline: what goes in, what comes out, and what it says of a prompt that it cannot take."""

import math
import warnings
from dataclasses import replace

import pytest
import torch

from course_lib.datasets import captions
from course_lib.denoisers import NetDenoiser
from course_lib.networks.text import TextEncoder
from course_lib.networks.text_unet import TextUNet
from course_lib.networks.vae import VAE
from course_lib.sampling import Step
from course_lib.schedules import NoiseSchedule
from course_lib.text_to_image import ALONG, TextToImage, UnknownWord
from course_lib.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def pipe():
    """Small networks with random weights, to which every word matters."""
    torch.manual_seed(0)
    net = TextUNet(word_size=16, widths=(8, 16, 16)).eval().requires_grad_(False)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    encoder = TextEncoder(Tokenizer(captions.vocabulary()), size=16).eval().requires_grad_(False)
    vae = VAE(width=16).eval().requires_grad_(False)
    return TextToImage(encoder, NetDenoiser(net, NoiseSchedule.cosine(), "v"), vae)


def test_pictures_come_out_the_same_for_a_seed(pipe):
    pictures = pipe(["a red car", "a blue owl"], steps=2)
    assert pictures.shape == (2, 3, 64, 64)
    assert pictures.dtype == torch.uint8
    assert torch.equal(pictures, pipe(["a red car", "a blue owl"], steps=2))
    assert not torch.equal(pictures, pipe(["a red car", "a blue owl"], steps=2, seed=1))


def test_a_row_does_not_depend_on_its_neighbours(pipe):
    alone, among = pipe("a red car", steps=2), pipe(["a red car", "a small blue owl on a grey background"], steps=2)
    assert (alone[0].int() - among[0].int()).abs().max() <= 1
    same = pipe(["a red car"] * 2, steps=2)
    assert not torch.equal(same[0], same[1])  # noise of its own


def test_prompt_scale_and_negative_prompt_are_heard(pipe):
    plain = pipe("a red car", steps=2)
    for other in (
        pipe("a blue car", steps=2),
        pipe("a red car", steps=2, guidance=1),
        pipe("a red car", steps=2, negative="a small owl"),
        pipe("a red car", steps=3),
    ):
        assert (plain.int() - other.int()).abs().max() > 2
    assert torch.equal(plain, pipe("a red car", steps=2, negative=""))


def test_guidance_is_projected_unless_told_otherwise(pipe):
    plain = replace(pipe, along=1)
    for w, same in ((1, True), (4, False)):
        one, other = (each("a red car", guidance=w, steps=3) for each in (pipe, plain))
        assert torch.equal(one, other) == same
    assert (pipe.guided(4).along, plain.guided(4).along) == (ALONG, 1)
    assert 0 < ALONG < 1


def test_at_scale_zero_the_prompt_is_not_heard(pipe):
    assert torch.equal(pipe("a red car", guidance=0, steps=2), pipe("an owl", guidance=0, steps=2))


def test_every_step_can_be_watched(pipe):
    steps = list(pipe.watch("a red car", steps=4))
    assert [step.t for step in steps] == [1000, 750, 500, 250, 0]
    assert all(isinstance(step, Step) for step in steps)
    assert torch.equal(pipe.decode(steps[-1].x), pipe("a red car", steps=4))


def test_an_unknown_word_is_named_with_those_like_it(pipe):
    with pytest.warns(UnknownWord, match="'automobil' is no word that .* knows; known words like it: automobile"):
        pipe("a red automobil", steps=1)
    with pytest.warns(UnknownWord, match="'🚗' is no word that the text encoder knows\\."):
        pipe("🚗", steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe("A red car, flat style.", steps=1)


@pytest.mark.parametrize("given", [{"prompts": "an automobil"}, {"prompts": "a car", "negative": "an automobil"}])
def test_the_warning_points_to_the_line_that_asked(pipe, given):
    with pytest.warns(UnknownWord) as caught:
        pipe(**given, steps=1)
    assert [warned.filename for warned in caught] == [__file__]


@pytest.mark.parametrize("prompt", ["", "   ", "!?", "красная машина", "🚗🚗", "x" * 10_000])
@pytest.mark.filterwarnings("ignore::course_lib.text_to_image.UnknownWord")
def test_any_short_text_is_drawn(pipe, prompt):
    assert pipe(prompt, steps=1).shape == (1, 3, 64, 64)


@pytest.mark.parametrize(
    ("prompts", "options", "problem", "says"),
    [
        ("red " * 2500, {}, ValueError, "a text may have 24 words, but one of 2500 came: shorten it"),
        (7, {}, TypeError, "prompts must be a text or a list of texts, but 7 came"),
        ([7], {}, TypeError, "a text must be a string, but 7 came"),
        ([], {}, ValueError, "at least one text"),
        ("a car", {"guidance": -1}, ValueError, "w must be finite and at least 0, but -1 came"),
        ("a car", {"guidance": math.nan}, ValueError, "w must be finite and at least 0, but NaN came"),
        ("a car", {"guidance": math.inf}, ValueError, "w must be finite and at least 0, but inf came"),
        ("a car", {"guidance": "3"}, TypeError, "w must be a number, but '3' came"),
        ("a car", {"steps": 0}, ValueError, "steps must lie between 1 and 1000, but 0 came"),
        ("a car", {"steps": 1001}, ValueError, "steps must lie between 1 and 1000"),
        ("a car", {"steps": 2.5}, TypeError, "steps must be a whole number"),
        ("a car", {"seed": "x"}, TypeError, "seed must be a whole number"),
        ("a car", {"seed": -1}, ValueError, "seed must lie between 0"),
        ("a car", {"negative": 3}, TypeError, "a text must be a string, but 3 came"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(pipe, prompts, options, problem, says):
    with pytest.raises(problem, match=says):
        pipe(prompts, **options)
