"""Bad input, everywhere: what is no answer is one sentence that names the argument, and never a silent wrong number."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from course_lib import (
    adversarial,
    denoisers,
    distillation,
    forward,
    guidance,
    metrics,
    pretrained,
    sampling,
    training,
    variational,
)
from course_lib.datasets import fashion
from course_lib.emoji import captions, emoji_sets, judging, oklab
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.scenes import draw_scenes, rgb_of, visible
from course_lib.networks import (
    attention,
    classifier,
    gan,
    text,
    text_unet,
    time_embedding,
    tokenizer,
    unet,
    vae,
    vector_vae,
)
from course_lib.recipes.shared import muon
from course_lib.schedules import NoiseSchedule
from course_lib.support import batches, seeds

SCHEDULE = NoiseSchedule.cosine()


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


torch.manual_seed(0)
X, EPS, T = drawn(4, 1, 8, 8), drawn(4, 1, 8, 8, seed=1), torch.tensor([1, 20, 300, 1000])
LABELS, FEATURES, PIXELS = torch.tensor([0, 1, 2, 10]), drawn(6, 3), drawn(4, 3, 8, 8).clamp(-1, 1)
NET, TEXT_NET = unet.UNet(width=8), text_unet.TextUNet(1, 16, (8, 8, 16))
DENOISER, WORDS = denoisers.NetDenoiser(NET, SCHEDULE, "v"), drawn(4, 5, 16)
NOW = sampling.Step(500, X, denoisers.Prediction(X, EPS))
BEFORE = sampling.Step(700, X, denoisers.Prediction(EPS, X))
VAE, JUDGE = vae.VAE(width=16), classifier.Classifier(channels=3, size=8)
ENCODER = text.TextEncoder(tokenizer.Tokenizer(["a", "red", "car"]), size=16)
SCENES = draw_scenes(4, torch.Generator().manual_seed(0))
POINTS, KINDS = X.clamp(-1, 1), torch.tensor([0, 1, 2, 2])
DRAWS, SCORES = gan.Generator(1, 3, 8, 3, 8), gan.Discriminator(1, 3, 8, 8)
VECTORS = vector_vae.VectorVAE(1, 3, 8, 3, 8)
POSTERIOR = vae.Posterior(X, EPS)
COLOURS = (drawn(5, 3).clamp(-1, 1) + 1) / 2


def all_of(steps):
    return sampling.last(steps)


CALLS = {
    "at": (SCHEDULE.at, {"t": T, "x": X}),
    "times": (SCHEDULE.times, {"steps": 5}),
    "schedule": (NoiseSchedule, {"alpha_bar": SCHEDULE.alpha_bar}),
    "from_beta": (NoiseSchedule.from_beta, {"beta": torch.linspace(0.1, 0.2, 5)}),
    "linear": (NoiseSchedule.linear, {"T": 10, "beta_start": 0.1, "beta_end": 0.2}),
    "cosine": (NoiseSchedule.cosine, {"T": 10}),
    "forward_step": (forward.forward_step, {"x_prev": X, "beta": 0.1, "eps": EPS}),
    "add_noise": (forward.add_noise, {"schedule": SCHEDULE, "x_0": X, "t": T, "eps": EPS}),
    "noise_like": (forward.noise_like, {"x": X, "generator": torch.Generator()}),
    "signal_and_noise": (denoisers.signal_and_noise, {"schedule": SCHEDULE, "t": T, "x_t": X}),
    "NetDenoiser": (denoisers.NetDenoiser, {"net": NET, "schedule": SCHEDULE, "predicts": "v"}),
    "net denoiser": (DENOISER, {"x_t": X, "t": T, "cond": LABELS}),
    "target": (DENOISER.target, {"x_0": X, "t": T, "eps": EPS}),
    "IdealDenoiser": (lambda data: denoisers.IdealDenoiser(data, SCHEDULE)(X, 5), {"data": X}),
    "ideal denoiser": (denoisers.IdealDenoiser(X, SCHEDULE), {"x_t": X, "t": T}),
    "GaussianDenoiser": (
        lambda mean, std: denoisers.GaussianDenoiser(mean, std, SCHEDULE)(X, 5),
        {"mean": 0.5, "std": 1.0},
    ),
    "Clipped": (lambda low, high: denoisers.Clipped(DENOISER, low, high)(X, 5), {"low": -1.0, "high": 1.0}),
    "Guided": (
        lambda w, uncond, parallel: guidance.Guided(DENOISER, w, uncond, parallel)(X, 5, LABELS),
        {"w": 2.0, "uncond": torch.tensor([10]), "parallel": 0.5},
    ),
    "guided": (guidance.Guided(DENOISER, 2.0, torch.tensor([10])), {"x_t": X, "t": T, "cond": LABELS}),
    "orthogonal": (guidance.orthogonal, {"change": X, "x_0": EPS}),
    "Within": (lambda low, high: guidance.Within(DENOISER, DENOISER, low, high)(X, 5), {"low": 1, "high": 10}),
    "one_step_target": (
        distillation.one_step_target,
        {"schedule": SCHEDULE, "x_t": X, "t": T, "x_s": EPS, "s": torch.zeros_like(T)},
    ),
    "halving_loss": (
        partial(distillation.halving_loss, DENOISER, DENOISER),
        {"x_0": X, "steps": 4, "cond": LABELS},
    ),
    "ddpm_step": (sampling.ddpm_step, {"schedule": SCHEDULE, "now": NOW, "s": 300}),
    "ddim_step": (sampling.ddim_step, {"schedule": SCHEDULE, "now": NOW, "s": 300, "eta": 0.5}),
    "dpmpp_2m_step": (sampling.dpmpp_2m_step, {"schedule": SCHEDULE, "now": NOW, "s": 300, "previous": BEFORE}),
    "sample": (
        lambda x, times, cond, generator: all_of(
            sampling.sample(DENOISER, x, times, sampling.ddpm_step, cond, generator)
        ),
        {"x": X, "times": [5, 3, 0], "cond": LABELS, "generator": torch.Generator()},
    ),
    "sample_many": (
        partial(sampling.sample_many, DENOISER, times=[5, 3, 0], rule=sampling.ddpm_step),
        {"x": X, "cond": LABELS, "generator": torch.Generator(), "size": 3},
    ),
    "draw_times": (training.draw_times, {"size": 5, "T": 10, "shift": 2.0}),
    "drop_labels": (training.drop_labels, {"labels": LABELS, "null_class": 10, "probability": 0.5}),
    "denoising_loss": (training.denoising_loss, {"denoiser": DENOISER, "x_0": X, "cond": LABELS, "shift": 1.0}),
    "ema_decay": (training.ema_decay, {"step": 5, "limit": 0.9}),
    "warm_up_then_fall": (training.warm_up_then_fall, {"step": 5, "steps": 10, "peak": 0.1, "warm_up": 3}),
    "generator_for": (lambda seed, step: seeds.generator_for(seed, step) and 0, {"seed": 1, "step": 2}),
    "TrainState": (
        lambda **given: training.TrainState(nn.Linear(2, 2), **given) and 0,
        {"step": 0, "seed": 0, "ema_limit": 0.9},
    ),
    "frechet_distance": (metrics.frechet_distance, {"features_1": FEATURES, "features_2": FEATURES + 1}),
    "mean_and_covariance": (metrics.mean_and_covariance, {"features": FEATURES}),
    "gaussian_frechet_distance": (
        metrics.gaussian_frechet_distance,
        {"mean_1": torch.zeros(3), "cov_1": torch.eye(3), "mean_2": torch.ones(3), "cov_2": torch.eye(3)},
    ),
    "precision_and_recall": (metrics.precision_and_recall, {"real": FEATURES, "drawn": FEATURES + 1, "neighbours": 2}),
    "mean_pairwise_distance": (metrics.mean_pairwise_distance, {"features": FEATURES}),
    "saturation": (metrics.saturation, {"pictures": PIXELS}),
    "high_frequency_energy": (metrics.high_frequency_energy, {"pictures": PIXELS}),
    "largest_jump": (metrics.largest_jump, {"path": FEATURES}),
    "gradient_penalty": (adversarial.gradient_penalty, {"D": SCORES, "x": POINTS, "labels": KINDS}),
    "discriminator_loss": (
        adversarial.discriminator_loss,
        {"D": SCORES, "G": DRAWS, "x": POINTS, "labels": KINDS, "gamma": 0.1, "penalised": 0.5},
    ),
    "generator_loss": (
        adversarial.generator_loss,
        {"G": DRAWS, "D": SCORES, "x": POINTS, "labels": KINDS},
    ),
    "Generator": (DRAWS, {"z": drawn(4, 3), "labels": KINDS}),
    "Discriminator": (SCORES, {"x": POINTS, "labels": KINDS}),
    "encode to a vector": (VECTORS.encode, {"x": POINTS, "labels": KINDS}),
    "decode a vector": (VECTORS.decode, {"z": drawn(4, 3), "labels": KINDS}),
    "gaussian_log_likelihood": (
        variational.gaussian_log_likelihood,
        {"x": X, "mean": EPS, "log_sigma": torch.tensor(0.3)},
    ),
    "elbo": (variational.elbo, {"vae": VECTORS, "x": POINTS, "labels": KINDS, "beta": 2.0}),
    "bits_of_vae": (variational.bits_of_vae, {"vae": VECTORS, "x": POINTS, "labels": KINDS}),
    "bits_of_diffusion": (
        variational.bits_of_diffusion,
        {"denoiser": DENOISER, "x_0": POINTS, "cond": KINDS},
    ),
    "in_batches": (batches.in_batches, {"function": JUDGE, "pictures": PIXELS, "size": 2}),
    "accuracy": (metrics.accuracy, {"classifier": JUDGE, "pictures": PIXELS, "labels": torch.tensor([1, 2, 3, 4])}),
    "psnr": (metrics.psnr, {"pictures": PIXELS, "others": PIXELS / 2}),
    "orthogonalised": (muon.orthogonalised, {"matrix": FEATURES, "steps": 3}),
    "to_oklab": (oklab.to_oklab, {"rgb": COLOURS}),
    "to_srgb": (oklab.to_srgb, {"oklab": COLOURS}),
    "to_polar": (oklab.to_polar, {"oklab": COLOURS}),
    "from_polar": (oklab.from_polar, {"lightness": drawn(5), "chroma": drawn(5), "hue": drawn(5)}),
    "words": (tokenizer.words, {"text": "a red car"}),
    "Tokenizer": (
        lambda vocabulary, longest: tokenizer.Tokenizer(vocabulary, longest)(["a"]),
        {"vocabulary": ["a"], "longest": 3},
    ),
    "tokenize": (ENCODER.tokenizer, {"texts": ["a red car"]}),
    "unknown": (lambda text: ENCODER.tokenizer.unknown(text) and 0, {"text": "a blue car"}),
    "background_of": (judging.background_of, {"pictures": PIXELS}),
    "colour_of": (judging.colour_of, {"pictures": PIXELS}),
    "size_of": (judging.size_of, {"pictures": PIXELS}),
    "judged_right": (
        lambda pictures, scenes: judging.judged_right(pictures, scenes, JUDGE)["all"],
        {"pictures": PIXELS, "scenes": SCENES},
    ),
    "main_colour": (judging.main_colour, {"pixels": COLOURS}),
    "embed_time": (time_embedding.embed_time, {"t": T, "size": 8}),
    "UNet": (NET, {"x_t": X, "t": T, "cond": LABELS}),
    "TextUNet": (TEXT_NET, {"x_t": X, "t": T, "words": WORDS}),
    "Classifier": (JUDGE, {"x": PIXELS}),
    "encode": (VAE.encode, {"x": PIXELS}),
    "decode": (VAE.decode, {"z": drawn(2, 4, 2, 2)}),
    "to_latents": (VAE.to_latents, {"x": PIXELS}),
    "to_pictures": (VAE.to_pictures, {"z": drawn(2, 4, 2, 2)}),
    "kl_divergence": (
        lambda mean, log_var: vae.kl_divergence(vae.Posterior(mean, log_var)),
        {"mean": X, "log_var": EPS},
    ),
    "reconstruction_error": (vae.reconstruction_error, {"x": X, "other": EPS}),
    "attention": (attention.attention, {"q": WORDS, "k": WORDS, "v": WORDS, "mask": torch.ones(5, dtype=torch.bool)}),
    "TextEncoder": (ENCODER, {"ids": torch.tensor([[1, 3, 4], [1, 5, 0]])}),
    "contrastive_loss": (
        text.contrastive_loss,
        {"pictures": FEATURES, "texts": FEATURES, "fits": torch.eye(6, dtype=torch.bool), "scale": torch.tensor(2.0)},
    ),
    "draw_scenes": (lambda size: draw_scenes(size).labels, {"size": 3}),
    "compose": (compose, {"scenes": SCENES}),
    "scaled": (scaled, {"pictures": torch.full((2, 3, 4, 4), 9, dtype=torch.uint8)}),
    "rgb_of": (lambda colour: torch.tensor(rgb_of(colour)), {"colour": "#12aBfF"}),
    "describe": (lambda scene, index: captions.describe(scene, index) and 0, {"scene": SCENES, "index": 2}),
    "draw_captions": (lambda scenes: captions.draw_captions(scenes) and 0, {"scenes": SCENES}),
    "read_caption": (lambda caption: captions.read_caption(caption) and 0, {"caption": "a red car"}),
    "draw": (
        lambda size: fashion.draw(fashion.Fashion(X, LABELS), size).pictures,
        {"size": 3},
    ),
}


def bad(value):
    """Name → what may be handed over by mistake in place of a value."""
    every = {"None": None, "text": "seven", "object": object(), "objects": [object()], "imaginary": 1j}
    if isinstance(value, torch.Tensor):
        every |= {"list": [value.tolist()], "numpy": value.numpy(), "deeper": value[None]}
        every |= {"complex": value.to(torch.complex64)}
        if value.ndim:
            every |= {"empty": value[:0], "number": value.flatten()[0], "row": value[:1], "shallower": value[0]}
            every = {kind: given for kind, given in every.items() if kind != "row" or len(value) > 1}
        if value.is_floating_point():
            every |= {"integers": value.long(), "bytes": (value * 0).to(torch.uint8)}
            every |= {"NaN": value * math.nan, "infinite": value + math.inf}
        elif value.dtype == torch.int64:
            every |= {"floats": value.float(), "bools": value > 0, "low": value - 5000, "high": value + 5000}
    elif isinstance(value, str):
        every |= {"number": 7, "list": ["a red car"]}
    elif isinstance(value, list):
        every |= {
            "number": 7,
            "fraction": 2.5,
            "empty": [],
            "mixed": [7, 2.5],
            "mixed text": ["a", 7],
            "NaN": [math.nan, 0],
        }
    elif isinstance(value, float | int):
        every |= {"NaN": math.nan, "infinite": math.inf, "minus infinite": -math.inf, "true": True, "list": [value]}
        every |= {"numpy's true": np.True_, "vector": torch.tensor([0.5, 0.5, 0.7]), "negative": -7}
        if isinstance(value, int):
            every |= {"fraction": value + 0.5}
    return every


# What is right all the same: shapes that a function is free in, one time for all, times and labels whose range it cannot
# know, and None where it means something.
FINE = """
at: t number shallower floats, x complex integers bytes NaN infinite
from_beta: beta row
add_noise: t number shallower floats
noise_like: x empty deeper row shallower number NaN infinite, generator None
signal_and_noise: t number shallower floats, x_t NaN infinite
net denoiser: t number shallower floats, cond None
target: t number shallower floats
IdealDenoiser: data row
ideal denoiser: t number shallower floats
GaussianDenoiser: mean negative
Clipped: low negative
guided: t number shallower floats
dpmpp_2m_step: previous None, s fraction
sample: cond None, generator None, times mixed
sample_many: cond None, generator None
drop_labels: labels deeper row low high
denoising_loss: cond None
one_step_target: t number shallower floats, s number shallower floats
halving_loss: cond None
Within: low fraction, high fraction
ddpm_step: s fraction
ddim_step: s fraction
ema_decay: step fraction
warm_up_then_fall: step fraction
saturation: pictures row
high_frequency_energy: pictures row
bits_of_diffusion: cond None
in_batches: pictures row
orthogonalised: matrix row empty
to_oklab: rgb empty deeper row shallower
to_srgb: oklab empty deeper row shallower
to_polar: oklab empty deeper row shallower
words: text text
unknown: text text
background_of: pictures empty row
colour_of: pictures empty row
size_of: pictures empty row
main_colour: pixels row
embed_time: t empty row floats low high
UNet: t floats low high, cond None
TextUNet: t floats low high
Classifier: x row
encode: x row
decode: z row
to_latents: x row
to_pictures: z row
attention: q deeper row shallower, k deeper row shallower, v deeper row shallower, mask None deeper row shallower number
TextEncoder: ids empty row
contrastive_loss: scale integers bytes
scaled: pictures empty deeper row shallower number
"""
FINE = {
    (name, argument, kind)
    for name, arguments in (line.split(": ") for line in FINE.strip().splitlines())
    for argument, *kinds in (each.split() for each in arguments.split(", "))
    for kind in kinds
}
OTHER_NAMES = {
    "x_0": "x_t",
    "uncond": "cond",
    "classifier": "function",
    "pictures": "x must",
}  # of whom it is handed to


def numbers_in(result):
    if isinstance(result, torch.Tensor):
        return [result]
    if isinstance(result, float):
        return [torch.tensor(result)]
    return [each for part in result for each in numbers_in(part)] if isinstance(result, tuple | list) else []


@pytest.mark.parametrize("name", CALLS)
def test_bad_input_is_one_sentence_that_names_the_argument_or_right(name):
    function, arguments = CALLS[name]
    with torch.no_grad():
        assert all(part.isfinite().all() for part in numbers_in(function(**arguments)))
    faults = []
    for argument, value in arguments.items():
        for kind, given in bad(value).items():
            right = (name, argument, kind) in FINE
            try:
                with torch.no_grad():
                    result = function(**arguments | {argument: given})
            except Exception as refused:
                said = str(refused)
                named = [each.rstrip("s_12") in said for each in arguments] + [OTHER_NAMES.get(argument, "?") in said]
                sentence = (
                    isinstance(refused, TypeError | ValueError) and any(named) and "\n" not in said and said[-1] == "."
                )
                if right or not sentence:
                    faults.append(f"{argument} = {kind}: {type(refused).__name__}: {said[:100]!r}")
            else:
                finite = all(part.isfinite().all() for part in numbers_in(result))
                # What is no number may come out where it went in: that is seen, and misleads nobody.
                if not right and (finite or kind not in ("NaN", "infinite")):
                    faults.append(f"{argument} = {kind}: accepted")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", CALLS)
def test_layout_and_gradients_of_the_input_change_nothing(name):
    def strided(value):
        wide = torch.stack([value, torch.zeros_like(value)], dim=-1)
        return wide[..., 0].requires_grad_(value.is_floating_point())

    def seeded(arguments):
        torch.manual_seed(0)
        own = {key: torch.Generator().manual_seed(0) for key, value in arguments.items() if key == "generator"}
        return numbers_in(function(**arguments | own))

    function, arguments = CALLS[name]
    other = {key: strided(value) if isinstance(value, torch.Tensor) else value for key, value in arguments.items()}
    for expected, got in zip(seeded(arguments), seeded(other), strict=True):
        torch.testing.assert_close(got.detach(), expected.detach())
    for key, value in other.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value.detach(), arguments[key]), f"{key} was changed"


def test_a_walk_that_is_used_up_says_so():
    steps = sampling.sample(DENOISER, X, [5, 3, 0])
    sampling.last(steps)
    with pytest.raises(ValueError, match=r"a walk is used up once, so call sample again\."):
        sampling.last(steps)


@pytest.mark.parametrize("s", [-1, 1001, 10**9])
@pytest.mark.parametrize("rule", [sampling.ddpm_step, sampling.ddim_step, sampling.dpmpp_2m_step])
def test_no_rule_takes_a_time_beyond_the_schedule(rule, s):
    with pytest.raises(ValueError, match="s must lie between 0 and 1000"):
        rule(SCHEDULE, NOW, s, BEFORE)
    with pytest.raises(ValueError, match="t must lie between 0 and 1000"):
        rule(SCHEDULE, NOW._replace(t=s), 5, None)
    with pytest.raises(ValueError, match="needs a prediction there, but pred is None"):
        rule(SCHEDULE, NOW._replace(pred=None), 5, None)


@pytest.mark.parametrize("times", [50, None])
def test_what_is_no_list_of_times(times):
    with pytest.raises(TypeError, match="times must"):
        next(sampling.sample(DENOISER, X, times))


@pytest.mark.parametrize("times", [[10.0, 5.5, 0], np.linspace(10, 0, 4), torch.linspace(10, 0, 4)])
def test_times_are_never_rounded(times):
    walked = [step.t for step in sampling.sample(DENOISER, X, times)]
    assert walked == [float(t) for t in times]


def test_one_row_is_never_taken_for_all():
    one = torch.tensor([1])
    for call in (
        lambda: metrics.accuracy(JUDGE, PIXELS, one),
        lambda: next(sampling.sample(DENOISER, X, [5, 0], cond=one)),
        lambda: sampling.sample_many(DENOISER, X, [5, 0], cond=one),
        lambda: judging.judged_right(PIXELS, SCENES[0:1], JUDGE),
        lambda: TEXT_NET(X, T, WORDS[:1]),
        lambda: guidance.Guided(DENOISER, 2, LABELS[:2])(X, 5, LABELS),
    ):
        with pytest.raises(ValueError, match=r"labels|cond|scenes|words"):
            call()


def test_the_same_pictures_have_no_noise_between_them():
    assert metrics.psnr(PIXELS, PIXELS) == math.inf


@pytest.mark.parametrize("load", [fashion.test_set, emoji_sets.faces])
def test_data_that_someone_changes_in_place_are_whole_for_the_next_one(load):
    before = [part.clone() for part in load() if isinstance(part, torch.Tensor)]
    for part in load():
        if isinstance(part, torch.Tensor):
            part.zero_()
    after = [part for part in load() if isinstance(part, torch.Tensor)]
    assert all(map(torch.equal, before, after))


def test_a_schedule_cannot_be_changed_through_what_it_was_made_of_or_gives():
    made_of = SCHEDULE.alpha_bar.clone()
    schedule = NoiseSchedule(made_of)
    made_of.zero_()
    schedule.at(5, X).zero_()
    schedule.at(T, X).zero_()
    assert torch.equal(schedule.alpha_bar, SCHEDULE.alpha_bar)


# --- what careless hands have tried --------------------------------------------------------------------------------------

MODEL = pretrained.fashion()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: judging.background_of(torch.rand(2, 3, 16, 16) * 255), ValueError, "use pictures / 127.5 - 1"),
        (lambda: VAE.measure_latents(torch.ones(3, 4, 2, 2)), ValueError, "must vary in every channel"),
        (lambda: replace(SCENES, colour=-SCENES.colour - 1), ValueError, "scenes.colour must lie"),
        (lambda: replace(SCENES, size=SCENES.size + 99), ValueError, "scenes.size must lie"),
        (
            lambda: replace(SCENES, background=-SCENES.background - 1),
            ValueError,
            "background must lie",
        ),
        (lambda: visible(torch.tensor([-1]), torch.tensor([0])), ValueError, "colour must lie"),
        (lambda: pretrained.describe("fashoin"), ValueError, "no network 'fashoin': choose from emoji_classifier"),
        (
            lambda: guidance.Guided(DENOISER, 2.0, torch.tensor([10]))(X, 5, LABELS[:1]),
            ValueError,
            rf"a row for each of the {len(X)} of x_t, but its shape is \(1,\)",
        ),
        (lambda: training.TrainState(nn.ReLU()), ValueError, "no weight that can be trained; if it is frozen"),
        (lambda: training.draw_times(3, 5, 0), TypeError, r"use torch.Generator\(\).manual_seed\(0\)"),
        (lambda: training.drop_labels(LABELS, 10, 0.5, 7), TypeError, r"use torch.Generator\(\).manual_seed\(7\)"),
        (lambda: fashion.draw(fashion.Fashion(X, [0, 1, 2]), 2), (TypeError, ValueError), "labels"),
        (lambda: training.trainable_copy(MODEL), TypeError, "must be a torch.nn.Module, .*: use net.net"),
        (lambda: training.warm_start(NET, MODEL), TypeError, "must be a torch.nn.Module, .*: use trained.net"),
        (lambda: all_of(sampling.sample(MODEL, X, [5, 0])), TypeError, "denoiser must be a denoiser, such as"),
        (lambda: all_of(sampling.sample(MODEL.net, X, [5, 0])), TypeError, "denoiser must be a denoiser, such as"),
        (lambda: all_of(sampling.sample(DENOISER, X, [5, 0], "ddim")), TypeError, "rule must be a function, such as"),
    ],
)
def test_one_sentence_says_what_to_do(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_one_learning_rate_may_be_one_number():
    def batches(generator):
        return torch.randn(4, 2, generator=generator)

    def loss(net, batch, generator):
        return net(batch).square().mean()

    rates = []
    for rate in (1e-2, lambda step: 1e-2):
        torch.manual_seed(0)
        state = training.TrainState(nn.Linear(2, 1))
        losses = [done.loss for done in training.train(state, batches, loss, 3, rate)]
        rates.append((state.optimizer.param_groups[0]["lr"], losses))
    assert rates[0] == rates[1]
    assert rates[0][0] == 1e-2
