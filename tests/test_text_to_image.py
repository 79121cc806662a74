"""The pipeline: what goes in, what comes out, and what it says of a prompt that it cannot take."""

import dataclasses
import math
import warnings

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from course_lib.denoisers import NetDenoiser
from course_lib.emoji import captions
from course_lib.networks.text import TextEncoder
from course_lib.networks.text_unet import TextUNet
from course_lib.networks.tokenizer import Tokenizer
from course_lib.networks.vae import VAE
from course_lib.pipeline.text_to_image import Distilled, IgnoredText, TextToImage, UnknownWord
from course_lib.sampling import Step, last, sample
from course_lib.schedules import NoiseSchedule


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
    pictures = pipe(["a red car", "a blue owl"], steps=2).tensor
    assert pictures.shape == (2, 3, 64, 64)
    assert pictures.dtype == torch.uint8
    assert torch.equal(pictures, pipe(["a red car", "a blue owl"], steps=2).tensor)
    assert not torch.equal(pictures, pipe(["a red car", "a blue owl"], steps=2, seed=1).tensor)


def test_a_row_does_not_depend_on_its_neighbours(pipe):
    prompts = ["a red car", "a small blue owl on a grey background", "a red car"]
    among = pipe(prompts, steps=2).tensor
    for row, prompt in enumerate(prompts):
        alone = pipe(prompt, steps=2, row=row).tensor
        assert (alone[0].int() - among[row].int()).abs().max() <= 1
    assert (among[0].int() - among[2].int()).abs().max() > 1  # noise of its own


def test_prompt_scale_and_negative_prompt_are_heard(pipe):
    plain = pipe("a red car", steps=2).tensor
    for other in (
        pipe("a blue car", steps=2),
        pipe("a red car", steps=2, guidance=1),
        pipe("a red car", steps=2, negative="a small owl"),
        pipe("a red car", steps=3),
    ):
        assert (plain.int() - other.tensor.int()).abs().max() > 2
    assert torch.equal(plain, pipe("a red car", steps=2, negative="").tensor)


def test_guidance_is_the_plain_formula_unless_told_otherwise(pipe):
    with torch.no_grad():
        cond, uncond = pipe.encoder.encode(["a red car"]), pipe.encoder.encode([""])
        x = pipe.noise(1, seed=3)
        e_cond, e_uncond = (pipe.denoiser(x, 700, each).eps for each in (cond, uncond))
        assert torch.allclose(pipe.guided(4)(x, 700, cond).eps, e_uncond + 4 * (e_cond - e_uncond), atol=1e-4)


def test_projected_guidance_and_an_interval_are_asked_for_by_name(pipe):
    def drawn(**options):
        return pipe("a red car", steps=5, **options).tensor

    plain = drawn(guidance=4)
    assert torch.equal(drawn(guidance=4, parallel=1, interval=(0, 1000)), plain)
    assert torch.equal(drawn(guidance=4, interval=(401, 599)), drawn(guidance=1))  # no step begins there
    for options in ({"parallel": 0}, {"interval": (300, 700)}):
        other = drawn(guidance=4, **options)
        assert not torch.equal(other, plain)
        guided, times = pipe.guided(4, **options), pipe.denoiser.schedule.times(5)
        walked = last(sample(guided, pipe.noise(1, 0), times, cond=pipe.encoder.encode(["a red car"])))
        assert torch.equal(last(pipe.watch("a red car", steps=5, guidance=4, **options)), walked)
    for interval in (300, (300,), "ab", (None, 800)):
        with pytest.raises(TypeError, match="interval must be two times"):
            drawn(interval=interval)
    with pytest.raises(ValueError, match=r"interval must begin with its smaller time, but got \(800, 200\)"):
        drawn(interval=(800, 200))
    with pytest.raises(ValueError, match="interval must lie between 0 and 1000, but got 2000"):
        drawn(interval=(500, 2000))
    with pytest.raises(ValueError, match="count must be at least 1, but got 0"):
        pipe.noise(0, seed=1)


def test_what_an_interval_leaves_without_effect_is_said(pipe):
    with pytest.warns(IgnoredText, match="negative has no effect: no step lies in the interval from 1 to 2"):
        pipe("a red car", steps=2, guidance=3, negative="an owl", interval=(1, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # outside of the interval, the prompt is followed as it was learned
        pipe("a red car", steps=2, guidance=0, interval=(1, 2))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"prompts": "a red car", "guidance": 0}, "prompts have no effect at guidance=0: use a guidance of 1 or more"),
        ({"prompts": "a red car", "guidance": 1, "negative": "an owl"}, "negative has no effect at guidance=1: use a"),
        ({"prompts": "a red car", "guidance": 0.5, "negative": "an owl"}, "negative is drawn instead of avoided at"),
        ({"prompts": "a red car", "guidance": 0, "negative": "an owl"}, "negative is drawn instead of avoided at"),
    ],
)
def test_a_text_that_does_nothing_is_named_at_the_line_that_asked(pipe, given, says):
    for ask in (pipe, pipe.watch):
        with pytest.warns(IgnoredText, match=says) as caught:
            ask(**given, steps=1)
        assert [warned.filename for warned in caught] == [__file__]


def test_texts_that_count_are_not_complained_of(pipe):
    pipe("", guidance=0, steps=1)  # a warning would be an error
    pipe("a red car", guidance=1, steps=1)
    pipe("a red car", guidance=1, negative="", steps=1)
    pipe("a red car", guidance=1.5, negative="an owl", steps=1)


def test_what_is_said_to_have_no_effect_has_none(pipe):
    def drawn(*prompts, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IgnoredText)
            return pipe(*prompts, steps=2, **options).tensor.int()

    for one, other in [
        (drawn("a red car", guidance=0), drawn("an owl", guidance=0)),
        (drawn("a red car", guidance=1), drawn("a red car", guidance=1, negative="an owl")),
        (drawn("a red car", guidance=0, negative="an owl"), drawn("an owl", guidance=1)),
    ]:
        assert (one - other).abs().max() <= 1


def test_every_step_can_be_watched(pipe):
    steps = list(pipe.watch("a red car", steps=4))
    assert [step.t for step in steps] == [1000, 750, 500, 250, 0]
    assert all(isinstance(step, Step) for step in steps)
    assert torch.equal(pipe.decode(steps[-1].x).tensor, pipe("a red car", steps=4).tensor)


def test_pictures_carry_their_prompts(pipe):
    assert pipe(["a red car", "an owl"], steps=1).captions == ["a red car", "an owl"]
    assert pipe("a red car", steps=1).captions == ["a red car"]


def test_the_walk_is_saved_as_a_film_that_ends_in_the_picture(pipe, tmp_path):
    pipe.watch("a red car", steps=4).save(tmp_path / "car.gif")
    with Image.open(tmp_path / "car.gif") as film:
        assert (film.n_frames, film.size, film.info["loop"]) == (5, (128, 128), 0)
        ends = [np.asarray(frame.convert("RGB")).astype(int)[::2, ::2] for frame in ImageSequence.Iterator(film)]
    drawn = np.asarray(pipe("a red car", steps=4)[0]).astype(int)
    away = [abs(frame - drawn).mean() for frame in ends]
    assert away[-1] < 12  # a GIF has 256 colours, and this picture is all noise
    assert away[0] > 2 * away[-1]


def test_a_walk_that_was_taken_already_is_not_saved_as_an_empty_film(pipe, tmp_path):
    walk = pipe.watch("a red car", steps=2)
    list(walk)
    with pytest.raises(ValueError, match="this walk has been taken already: call watch"):
        walk.save(tmp_path / "car.gif")
    assert not (tmp_path / "car.gif").exists()
    with pytest.raises(ValueError, match=r"a film cannot be saved as 'car.png': let the name end in \.gif\."):
        pipe.watch("a red car", steps=2).save("car.png")


def test_an_unknown_word_is_named_with_those_like_it(pipe):
    with pytest.warns(UnknownWord, match="'automobil' is not in the .* vocabulary; known words like it: automobile"):
        pipe("a red automobil", steps=1)
    with pytest.warns(UnknownWord, match="'🚗' is not in the text encoder's vocabulary\\."):
        pipe("🚗", steps=1)
    with pytest.warns(UnknownWord) as caught:  # in any of the prompts, and in the negative one
        pipe(["a red car", "a red automobil", "a pnik owl"], steps=1, negative="a blurry car")
    said = [str(each.message) for each in caught]
    assert [next(word for word in ("automobil'", "pnik", "blurry") if word in each) for each in said] == [
        "automobil'",
        "pnik",
        "blurry",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe("A red car, flat style.", steps=1)


@pytest.mark.parametrize("given", [{"prompts": "an automobil"}, {"prompts": "a car", "negative": "an automobil"}])
def test_the_warning_points_to_the_line_that_asked(pipe, given):
    for ask in (pipe, pipe.watch):
        with pytest.warns(UnknownWord) as caught:
            ask(**given, steps=1)
        assert [warned.filename for warned in caught] == [__file__]


@pytest.mark.parametrize("prompt", ["", "   ", "!?", "красная машина", "🚗🚗", "x" * 10_000])
@pytest.mark.filterwarnings("ignore::course_lib.pipeline.text_to_image.UnknownWord")
def test_any_short_text_is_drawn(pipe, prompt):
    assert pipe(prompt, steps=1).tensor.shape == (1, 3, 64, 64)


@pytest.mark.parametrize(
    ("prompts", "options", "problem", "says"),
    [
        ("red " * 2500, {}, ValueError, "a text may have 24 words, but got one of 2500: shorten it"),
        (7, {}, TypeError, "prompts must be a text or a list of texts, but got 7"),
        ([7], {}, TypeError, "a text must be a string, but got 7"),
        ([], {}, ValueError, "at least one text"),
        ("a car", {"guidance": -1}, ValueError, "w must be finite and at least 0, but got -1"),
        ("a car", {"guidance": math.nan}, ValueError, "w must be finite and at least 0, but got NaN"),
        ("a car", {"guidance": math.inf}, ValueError, "w must be finite and at least 0, but got inf"),
        ("a car", {"guidance": "3"}, TypeError, "w must be a number, but got '3'"),
        ("a car", {"steps": 0}, ValueError, "steps must lie between 1 and 1000, but got 0"),
        ("a car", {"steps": 1001}, ValueError, "steps must lie between 1 and 1000"),
        ("a car", {"steps": 2.5}, TypeError, "steps must be a whole number"),
        ("a car", {"seed": "x"}, TypeError, "seed must be a whole number"),
        ("a car", {"seed": -1}, ValueError, "seed must lie between 0"),
        ("a car", {"row": -1}, ValueError, "row must lie between 0"),
        ("a car", {"row": 1.0}, TypeError, "row must be a whole number"),
        ("a car", {"negative": 3}, TypeError, "a text must be a string, but got 3"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(pipe, prompts, options, problem, says):
    with pytest.raises(problem, match=says):
        pipe(prompts, **options)


# --- a student --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def student(pipe):
    """The same networks, as if two steps at w = 3 were built in."""
    return dataclasses.replace(pipe, distilled=Distilled(steps=2, guidance=3.0))


def test_a_student_takes_its_steps_with_one_call_each_and_no_guidance_from_outside(pipe, student):
    assert torch.equal(student("a red car").tensor, pipe("a red car", steps=2, guidance=1).tensor)
    assert [step.t for step in student.watch("a red car")] == [1000, 500, 0]
    assert student.guided() is student.denoiser


def test_a_student_may_be_told_what_is_built_in(student):
    plain = student("a red car", seed=3).tensor
    assert torch.equal(student("a red car", seed=3, steps=2, guidance=3, parallel=1).tensor, plain)
    assert not torch.equal(student("a red car", seed=4).tensor, plain)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 4}, r"this student takes 2 steps and no other number, but got steps=4: leave it out, or load"),
        ({"steps": 0}, "this student takes 2 steps and no other number"),
        ({"steps": "2"}, "steps must be a whole number"),
        ({"steps": True}, "steps must be a whole number"),
        ({"guidance": "3"}, "guidance must be a number"),
        ({"guidance": 5}, "guidance cannot be chosen: this student draws as its teacher did at guidance 3"),
        ({"guidance": 1}, "guidance cannot be chosen"),
        ({"negative": "a blue car"}, "a negative prompt cannot be chosen"),
        ({"interval": (200, 800)}, "interval cannot be chosen"),
        ({"parallel": 0.3}, r"parallel cannot be chosen: .* Use its teacher, pretrained.text_to_image\(\)"),
    ],
)
def test_a_student_says_in_a_sentence_what_it_cannot_do(student, options, says):
    for ask in (student, student.watch):
        with pytest.raises((TypeError, ValueError), match=says):
            ask("a red car", **options)


def test_an_empty_negative_prompt_is_none_for_a_student_too(student):
    assert torch.equal(student("a red car", negative="").tensor, student("a red car").tensor)


def test_one_step_is_not_called_steps(pipe):
    one = dataclasses.replace(pipe, distilled=Distilled(steps=1, guidance=3.0))
    with pytest.raises(ValueError, match="this student takes 1 step and no other number"):
        one("a car", steps=2)


def test_unknown_words_are_named_by_a_student_too(student):
    with pytest.warns(UnknownWord, match="zebroid"):
        student("a zebroid")


# --- pictures that are handed over ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def given():
    generator = np.random.default_rng(0)
    return Image.fromarray(generator.integers(0, 256, (64, 64, 3), dtype=np.uint8))


def hole_of(rows=slice(16, 40), columns=slice(20, 44)):
    hole = np.zeros((64, 64), dtype=bool)
    hole[rows, columns] = True
    return hole


def test_outside_the_mask_a_picture_stays_as_it_is(pipe, given):
    hole = hole_of()
    drawn = pipe(["a red car", "a blue owl"], steps=6, picture=given, mask=hole).numpy()
    for each in drawn:
        assert (each[~hole] == np.array(given)[~hole]).all()
        assert (each[hole] != np.array(given)[hole]).any()
    assert (drawn[0] != drawn[1]).any()
    frames = pipe.watch("a red car", steps=6, picture=given, mask=hole)
    for step in frames:
        assert (frames.decode(step.x).numpy()[0][~hole] == np.array(given)[~hole]).all()


def test_what_lies_in_the_hole_is_not_handed_on_to_the_network(pipe, given):
    """Where the mask covers whole cells of the latent, nothing of x_0 in them may be seen: only their noise may begin."""
    seen = []

    class Watching:
        schedule = pipe.denoiser.schedule

        def __call__(self, x_t, t, cond=None):
            seen.append(x_t[0])
            return pipe.denoiser(x_t, t, cond)

    watched = dataclasses.replace(pipe, denoiser=Watching())
    watched("a red car", steps=6, guidance=1, picture=given, mask=hole_of(slice(16, 32), slice(16, 32)))
    assert torch.allclose(seen[0][:, 4:8, 4:8], pipe.noise(1, seed=0)[0, :, 4:8, 4:8], atol=1e-3)
    assert len(seen) == 6


def test_the_more_strength_the_less_stays_of_a_picture(pipe, given):
    x_0 = pipe.vae.to_latents(torch.from_numpy(np.array(given)).permute(2, 0, 1)[None] / 127.5 - 1)
    begun = [next(pipe.watch("a red car", steps=10, picture=given, strength=strength)) for strength in (0.2, 0.6, 1)]
    assert [step.t for step in begun] == [200, 600, 1000]
    off = [(step.x - x_0).norm().item() for step in begun]
    assert off[0] < off[1] < off[2]
    assert torch.equal(begun[1].x, next(pipe.watch("a red car", steps=10, picture=given)).x)
    assert torch.allclose(begun[2].x, pipe.noise(1, seed=0), atol=1e-2)


def test_one_picture_serves_all_prompts_or_each_has_its_own(pipe, given):
    other = given.rotate(180)
    both = pipe(["a red car", "a red car"], steps=5, picture=[given, other], strength=0.2).tensor
    alone = pipe("a red car", steps=5, picture=other, strength=0.2, row=1).tensor
    assert (both[1].int() - alone[0].int()).abs().max() <= 1
    shared = pipe(["a red car", "a blue owl"], steps=5, picture=given, strength=0.2).tensor
    assert (shared[0].int() - both[0].int()).abs().max() <= 1


def test_what_was_drawn_can_be_drawn_on(pipe):
    drawn = pipe("a red car", steps=3)
    assert len(pipe("a blue car", steps=3, picture=drawn)) == 1
    assert len(pipe("a blue car", steps=3, picture=drawn[0], mask=hole_of())) == 1


def test_an_inversion_starts_the_walk_back(pipe, given):
    noise = pipe.invert("a red car", given, steps=8)
    assert noise.shape == (1, 4, 16, 16)
    begun = next(pipe.watch("a red car", steps=8, guidance=1, start=noise))
    assert torch.equal(begun.x, noise)
    plain = pipe("a red car", steps=3, seed=4)
    assert torch.equal(pipe("a red car", steps=3, start=pipe.noise(1, seed=4)).tensor, plain.tensor)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mask": hole_of()}, "mask needs a picture"),
        ({"strength": 0.5}, "strength needs a picture"),
        ({"picture": np.zeros((64, 64, 3), np.uint8), "strength": 0}, "strength must be above 0"),
        ({"picture": np.zeros((64, 64, 3), np.uint8), "strength": 2}, "strength must lie between 0 and 1"),
        ({"picture": np.zeros((64, 64, 3), np.uint8), "start": torch.zeros(1, 4, 16, 16)}, "exclude each other"),
        ({"picture": [np.zeros((64, 64, 3), np.uint8)] * 2}, "picture must be one, or one for each of the 1 prompts"),
        ({"picture": np.zeros((64, 64, 3), np.uint8), "mask": np.zeros((64, 64), bool)}, "all of it is black"),
        ({"start": torch.zeros(4, 16, 16)}, "start must have shape"),
        ({"start": torch.zeros(2, 4, 16, 16)}, "start must have shape"),
        ({"start": torch.full((1, 4, 16, 16), math.nan)}, "start must be finite"),
    ],
)
def test_odd_pictures_masks_and_starts_are_refused(pipe, options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        pipe("a red car", steps=2, **options)


def test_a_student_cannot_invert(pipe, given):
    student = dataclasses.replace(pipe, distilled=Distilled(4, 3.0))
    with pytest.raises(ValueError, match="a student cannot invert"):
        student.invert("a red car", given)


def test_an_unknown_word_is_named_at_the_line_that_inverts(pipe, given):
    with pytest.warns(UnknownWord, match="'carr' is not in") as told:
        pipe.invert("a red carr", given, steps=2)
    assert told[0].filename == __file__
