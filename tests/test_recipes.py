"""Every recipe, from its first step to the file that it ships: interrupted, gone on with, averaged, measured.

Each runs for a few steps on very little, in a data folder of its own. What a measurement says is compared with answers
that are known: of pictures that are right, of grey ones, of each other's.
"""

import json
import math
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from course_lib import pretrained, recipes
from course_lib.datasets import fashion
from course_lib.emoji import emoji_sets
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.rated import rated_once, rated_pictures
from course_lib.emoji.scenes import OBJECTS, draw_scenes, held_out_cells
from course_lib.metrics import accuracy
from course_lib.networks.vae import VAE, Posterior
from course_lib.recipes import (
    emoji_classifier,
    emoji_decoder,
    emoji_latent,
    emoji_vae,
    emoji_wholeness,
    faces_diffusion,
    faces_gan,
    faces_vae,
    fashion_classifier,
    fashion_diffusion,
    fashion_gan,
    fashion_vae,
    text_encoder,
    text_to_image,
    text_to_image_student,
)
from course_lib.recipes import fashion as fashion_recipe
from course_lib.recipes.measurements import (
    fashion_samplers,
    few_steps,
    guidance_scales,
    text_conditions,
    twenty_minutes,
)
from course_lib.recipes.shared import garments, running, scores, tables
from course_lib.recipes.shared.latents import LatentScenes
from course_lib.support import files
from course_lib.support.batches import in_batches
from course_lib.support.files import CourseFileError, checksums, differs
from course_lib.training import trainable_copy


def a_few(read):
    """The first forty of the rated pictures: for each of all the nearest drawing would have to be found."""
    return lambda: type(read())(*(part[:40] for part in read()))


SMALL = {
    "emoji_classifier": (emoji_classifier, {"STEPS": 4, "BATCH_SIZE": 8, "TESTED": 1000}),
    "emoji_decoder": (emoji_decoder, {"STEPS": 4, "BATCH_SIZE": 4, "MEASURED": 8}),
    "emoji_latent": (emoji_latent, {"STEPS": 4, "BATCH_SIZE": 8, "SCENES": 50, "MEASURED": 8}),
    "emoji_vae": (emoji_vae, {"STEPS": 4, "BATCH_SIZE": 4, "MEASURED": 8}),
    "emoji_wholeness": (
        emoji_wholeness,
        {
            **{"STEPS": 4, "BATCH_SIZE": 8, "MADE": 20, "AT_A_TIME": 24, "TORN": 4, "REDRAWN": 40, "TESTED": 48},
            **{"rated_once": a_few(rated_once), "rated_pictures": a_few(rated_pictures)},
        },
    ),
    "faces_diffusion": (faces_diffusion, {"STEPS": 4, "BATCH_SIZE": 8, "MEASURED": 20, "DRAWN_STEPS": 2}),
    "faces_gan": (faces_gan, {"STEPS": 4, "SETTING": fashion_gan.Setting(batch_size=8), "MEASURED": 20}),
    "faces_vae": (faces_vae, {"STEPS": 4, "BATCH_SIZE": 8, "MEASURED": 20}),
    "fashion": (
        fashion_recipe,
        {"STEPS": 4, "Setting": partial(fashion_recipe.Setting, batch_size=8), "MEASURED": 20, "DRAWN_STEPS": 2},
    ),
    "fashion_classifier": (fashion_classifier, {"STEPS": 4, "BATCH_SIZE": 8}),
    "fashion_diffusion": (
        fashion_diffusion,
        {"STEPS": 4, "SETTING": fashion_recipe.Setting(batch_size=8), "MEASURED": 20},
    ),
    "fashion_gan": (fashion_gan, {"STEPS": 4, "SETTING": fashion_gan.Setting(batch_size=8), "MEASURED": 20}),
    "fashion_vae": (fashion_vae, {"STEPS": 4, "SETTING": fashion_vae.Setting(batch_size=8), "MEASURED": 20}),
    "text_encoder": (text_encoder, {"STEPS": 4, "BATCH_SIZE": 8, "MEASURED": 40}),
    "text_to_image": (
        text_to_image,
        {
            "PHASES": tuple(phase._replace(steps=3) for phase in text_to_image.PHASES),
            **{"BATCH_SIZE": 8, "DECODED": 2, "SCENES": 50, "MEASURED": 6, "CARS": 2},
        },
    ),
    "text_to_image_student": (
        text_to_image_student,
        {
            "PHASES": tuple(phase._replace(steps=3) for phase in text_to_image_student.PHASES),
            "ROWS": {1: 2, 2: 3, 4: 2, 8: 1},
            **{"BATCH_SIZE": 8, "SCENES": 50, "MEASURED": 6, "CARS": 2},
        },
    ),
}


NETWORKS = (
    *(pretrained.fashion, pretrained.fashion_classifier, pretrained.emoji_classifier, pretrained.emoji_vae),
    *(pretrained.emoji_latent, pretrained.emoji_wholeness, pretrained.contrastive_pair, pretrained.text_to_image_vae),
    *(pretrained.fashion_vae, pretrained.fashion_gan, pretrained.fashion_diffusion),
    *(pretrained.faces_vae, pretrained.faces_gan, pretrained.faces_diffusion),
)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A folder that holds what the shipped one holds."""
    for load in (*NETWORKS, pretrained.text_to_image, pretrained.text_to_image_student):
        load()  # read once, so that no other test ever gets a network that is shipped here
    top = tmp_path_factory.mktemp("course")
    shutil.copytree(files.data_folder(), top / "data", ignore=shutil.ignore_patterns("unfinished", "cover"))
    return top


@pytest.fixture
def sandbox(copied, monkeypatch):
    """A data folder of the tests' own."""
    monkeypatch.setattr(files, "PACKAGE", copied / "course_lib")
    monkeypatch.setattr(scores, "REAL", 100)
    shutil.rmtree(copied / "data" / "checkpoints" / "unfinished", ignore_errors=True)
    (copied / "data" / "measurements" / "trial.json").unlink(missing_ok=True)  # another test's, whatever the order
    return copied / "data"


@pytest.fixture
def small(monkeypatch):
    """Makes a recipe small."""

    def make_small(recipe, constants):
        for name, value in constants.items():
            assert hasattr(recipe, name), name
            monkeypatch.setattr(recipe, name, value)

    return make_small


def stopped_at(step):
    """In place of the progress bar: somebody presses Ctrl-C after so many steps."""

    def with_progress(steps, *_):
        for now in steps:
            yield now
            if now.step == step:
                raise KeyboardInterrupt

    return with_progress


def unfinished(sandbox):
    return sorted(path.stem for path in (sandbox / "checkpoints" / "unfinished").glob("*.safetensors"))


# --- networks ---------------------------------------------------------------------------------------------------------


def test_no_recipe_is_left_out():
    assert sorted(SMALL) == sorted(path.stem for path in Path(recipes.__file__).parent.glob("[a-z]*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_recipe_is_interrupted_goes_on_and_ships_its_averaged_weights(name, sandbox, small, monkeypatch, capsys):
    recipe, constants = SMALL[name]
    small(recipe, constants)
    states, ship = [], recipe.ship

    def shipping(name, data, state, *rest):
        states.append(state)
        ship(name, data, state, *rest)

    monkeypatch.setattr(recipe, "ship", shipping)
    shipped = sandbox / "checkpoints" / f"{name}.safetensors"
    keys = set(pretrained.describe(name))
    recipe.main()
    at_once = load_file(shipped)

    with monkeypatch.context() as patch:
        patch.setattr(running, "with_progress", stopped_at(2))
        with pytest.raises(SystemExit, match="stopped at step 2: the same command goes on from there"):
            recipe.main()
    assert len(unfinished(sandbox)) == 1
    capsys.readouterr()
    recipe.main()
    assert "going on at step 2 of" in capsys.readouterr().out
    assert unfinished(sandbox) == []

    said, state = pretrained.describe(name), states[-1]
    written = load_file(shipped)
    assert all(torch.equal(value, at_once[key]) for key, value in written.items())  # as if never stopped
    assert all(torch.equal(value.cpu(), written[key]) for key, value in state.ema.state_dict().items())
    assert any(not torch.equal(value.cpu(), written[key]) for key, value in state.net.state_dict().items())
    assert set(said) == keys  # all that the real file says, and nothing else
    assert said["seed"] == str(state.seed)
    phases = constants.get("PHASES", [])
    assert said["steps"] == (" + ".join(str(phase.steps) for phase in phases) or str(state.step))
    assert said["data_sha256"] == checksums()[said["data"]]
    assert not differs(f"checkpoints/{name}.safetensors")


# --- what is trained on -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", [emoji_vae, emoji_decoder, text_encoder])
def test_no_held_out_cell_is_trained_on(recipe, monkeypatch):
    seen = []
    monkeypatch.setattr(recipe, "compose", lambda scenes: seen.append(scenes) or compose(scenes))
    for seed in range(40):
        recipe.draw_batch(torch.Generator().manual_seed(seed))
    cells = torch.stack([held_out_cells()[each.object, each.colour].any() for each in seen])
    assert not cells.any()


@pytest.mark.slow
def test_the_vae_never_sees_the_emoji_that_it_is_measured_on(monkeypatch):
    monkeypatch.setattr(emoji_vae, "compose", lambda scenes: torch.zeros(0, 3, 64, 64))
    monkeypatch.setattr(torch, "rand", lambda *shape, generator: torch.ones(shape))  # white paper
    kept = emoji_sets.train_set().pictures.flatten(1)
    held_back = {bytes(picture.flatten().tolist()) for picture in emoji_sets.test_set().pictures}
    known = {bytes(picture.tolist()) for picture in kept}
    for seed in range(3):
        batch = ((emoji_vae.draw_batch(torch.Generator().manual_seed(seed)) + 1) * 127.5).round()
        drawn = {bytes(picture.flatten().to(torch.uint8).tolist()) for picture in batch}
        assert drawn <= known
        assert not drawn & held_back


# --- what is measured -------------------------------------------------------------------------------------------------


class Rebuilt(VAE):
    """A VAE whose reconstructions are what a function makes of the pictures; it remembers which it was given."""

    def __init__(self, function):
        super().__init__(width=16)
        self.function, self.given = function, []

    def reconstruct(self, x):
        self.given.append(x)
        return self.function(x)

    def encode(self, x):
        return Posterior(x, torch.zeros_like(x))


def shares_of(quality):
    return {key: json.loads(value)["all"] for key, value in quality.items() if key.startswith("judged_right")}


@pytest.mark.slow
def test_the_vae_is_measured_on_what_it_gives_back_of_unseen_emoji_and_of_both_kinds_of_cells(small, monkeypatch):
    small(emoji_vae, {"MEASURED": 60})
    judged, judge = [], emoji_vae.judged_right
    monkeypatch.setattr(emoji_vae, "judged_right", lambda *given: judged.append((given[0], given[1])) or judge(*given))
    perfect, grey = Rebuilt(lambda x: x), Rebuilt(torch.zeros_like)
    for vae, decibels in ((perfect, math.inf), (grey, 9.0)):
        judged.clear()
        quality = emoji_vae.measure(vae)
        numbers = {key: float(value) for key, value in quality.items() if key.startswith("psnr")}
        assert set(numbers) == {"psnr_unseen_emoji", "psnr_training_cells", "psnr_held_out_cells"}
        assert all(number == decibels or number < decibels for number in numbers.values())
        right = shares_of(quality)
        assert min(right[f"judged_right_real_{cells}_cells"] for cells in ("training", "held_out")) > 0.9
        for cells in ("training", "held_out"):
            same = vae is perfect
            expected = right[f"judged_right_real_{cells}_cells"] if same else 0
            assert right[f"judged_right_reconstructed_{cells}_cells"] == expected
        held_out = [held_out_cells()[scenes.object, scenes.colour].double().mean().item() for _, scenes in judged]
        assert held_out == [0, 0, 1, 1]
    unseen = torch.cat(perfect.given)[: len(emoji_sets.test_set().pictures)]
    assert torch.equal(unseen, scaled(emoji_sets.test_set().pictures))


def test_the_new_decoder_is_measured_under_its_own_name_and_the_old_one_under_its():
    grey = trainable_copy(pretrained.emoji_vae().decoder)
    for parameter in list(grey.parameters())[-2:]:
        torch.nn.init.zeros_(parameter)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emoji_decoder, "MEASURED", 30)
        quality = emoji_decoder.measure(pretrained.emoji_vae(), grey)
    right = shares_of(quality)
    for kind in ("reconstructed", "noisy"):
        for cells in ("training", "held_out"):
            assert float(quality[f"psnr_{kind}_{cells}_cells"]) < 10
            assert float(quality[f"psnr_{kind}_by_emoji_vae_{cells}_cells"]) > 20
            assert right[f"judged_right_{kind}_{cells}_cells"] == 0
            assert right[f"judged_right_{kind}_by_emoji_vae_{cells}_cells"] > 0.7
    clean, noisy = (float(quality[f"psnr_{kind}_by_emoji_vae_training_cells"]) for kind in ("reconstructed", "noisy"))
    assert clean > noisy + 0.5


@pytest.fixture
def few_real_ones(monkeypatch):
    """A fifth of the real garments that drawn ones are compared with; gives those that are not among them."""
    real = fashion.test_set()
    features = in_batches(pretrained.fashion_classifier().features, real.pictures[2000:4000])
    monkeypatch.setattr(garments, "_real_features", lambda: features)
    return fashion.Fashion(real.pictures[:500], real.labels[:500])


@pytest.mark.slow
def test_drawn_garments_are_measured_and_not_the_real_ones(small, few_real_ones):
    small(fashion_recipe, {"MEASURED": 500})
    real = fashion.test_set()
    for drawn in (few_real_ones, few_real_ones._replace(pictures=-torch.ones(500, 1, 28, 28))):
        quality = {key: float(value) for key, value in fashion_recipe.measure(drawn).items()}
        assert quality["judged_right_real"] == pytest.approx(accuracy(pretrained.fashion_classifier(), *real), abs=1e-4)
        same = drawn is few_real_ones
        assert (quality["frechet_distance_ddim_100"] == quality["frechet_distance_real"]) == same
        assert (quality["judged_right_ddim_100"] > 0.85) == same
    assert quality["frechet_distance_ddim_100"] > 5 * quality["frechet_distance_real"]
    assert quality["judged_right_ddim_100"] < 0.3


def test_garments_of_known_faults_are_told_apart(few_real_ones):
    real = few_real_ones
    trousers = real.pictures[real.labels == 1]
    blurred = torch.nn.functional.avg_pool2d(real.pictures, 3, 1, 1, count_include_pad=False)
    found = {
        "real": garments.quality(real),
        "blurred": garments.quality(real._replace(pictures=blurred)),
        "one kind only": garments.quality(fashion.Fashion(trousers.repeat(10, 1, 1, 1)[:500], torch.ones(500).long())),
        "wrong labels": garments.quality(real._replace(labels=real.labels.roll(1))),
        "noise": garments.quality(real._replace(pictures=torch.rand(500, 1, 28, 28) * 2 - 1)),
    }
    as_real = found["real"]
    assert as_real["judged_right"] > 0.85
    assert min(as_real["precision"], as_real["recall"]) > 0.6
    assert as_real["sharpness"] == pytest.approx(1, abs=0.05)
    assert all(each["frechet_distance"] > 2 * as_real["frechet_distance"] for each in list(found.values())[1:3])
    assert found["blurred"]["sharpness"] < 0.3
    assert found["one kind only"]["judged_right"] > 0.9
    assert found["one kind only"]["precision"] > as_real["precision"]
    assert found["one kind only"]["recall"] < 0.2
    assert found["wrong labels"] == as_real | {"judged_right": found["wrong labels"]["judged_right"]}
    assert found["wrong labels"]["judged_right"] < 0.3
    assert found["noise"]["recall"] == 0
    assert found["noise"]["sharpness"] > 2


def test_classes_that_are_covered_and_named():
    real = fashion.test_set()
    every = garments.classes(fashion.Fashion(real.pictures[:1000], real.labels[:1000]))
    assert every["classes_covered"] >= 9
    assert every["classes_named"] > 9.5
    boots = real.pictures[real.labels == 9][:500]
    in_turn = torch.arange(500) % 10
    only_boots = garments.classes(fashion.Fashion(boots, in_turn))
    assert only_boots["classes_covered"] == 1
    assert only_boots["classes_named"] < 1.5


def test_pictures_in_one_pass_have_labels_in_turn_and_noise_of_their_seed():
    class Echo(torch.nn.Module):
        latent, classes = 3, 10

        def forward(self, z, labels):
            return torch.cat([z, labels[:, None] / 10], dim=1)

    drawn, again, other = (garments.draw_in_one_pass(Echo(), 510, seed) for seed in (0, 0, 1))
    assert drawn.labels.tolist() == [k % 10 for k in range(510)]
    assert torch.equal(drawn.pictures[:, 3], drawn.labels / 10)
    assert torch.equal(drawn.pictures, again.pictures)
    assert not torch.equal(drawn.pictures, other.pictures)
    noise = drawn.pictures[:, :3]
    assert noise.abs().max() == 1  # pixels are kept within their range
    assert (noise.abs() == 1).double().mean().item() == pytest.approx(0.317, abs=0.05)  # a third of N(0, 1) lies beyond


def test_the_judge_of_objects_is_judged_by_the_objects(small):
    small(emoji_classifier, {"TESTED": 1000})

    class AlwaysSays(torch.nn.Module):
        def __init__(self, name):
            super().__init__()
            self.answer = torch.nn.functional.one_hot(torch.tensor(OBJECTS.index(name)), len(OBJECTS)).float()

        def forward(self, x):
            return self.answer.expand(len(x), -1)

    quality = emoji_classifier.measure(AlwaysSays("sports car"))
    by_object = json.loads(quality["test_accuracy_of_objects"])
    assert {name for name, share in by_object.items() if share} == {"sports car"}
    assert by_object["sports car"] == 1
    assert 0.01 < float(quality["test_accuracy"]) < 0.06  # three in 103
    assert set(json.loads(quality["test_accuracy_of_sports_cars"]).values()) == {1.0}
    assert set(json.loads(emoji_classifier.measure(AlwaysSays("cat"))["test_accuracy_of_sports_cars"]).values()) == {
        0.0
    }


def test_the_text_encoder_is_measured_on_texts_of_their_own(small, monkeypatch):
    small(text_encoder, {"MEASURED": 150})
    good = text_encoder.measure(pretrained.contrastive_pair())
    assert min(map(float, good.values())) > 0.6
    monkeypatch.setattr(text_encoder.captions, "describe", lambda scenes, row: "a red car")
    assert max(map(float, text_encoder.measure(pretrained.contrastive_pair()).values())) < 0.1


@pytest.mark.slow
def test_latents_drawn_with_labels_are_measured_under_labels(small, monkeypatch):
    small(emoji_latent, {"MEASURED": 100})
    vae = pretrained.emoji_vae()

    def draw(denoiser, shape, labels):
        """What the labels ask for, exactly; nothing without labels."""
        scenes = emoji_latent.wanted_scenes(100)
        right = vae.to_latents(scaled(compose(scenes)))
        return right if torch.equal(labels, scenes.labels) else torch.zeros_like(right)

    monkeypatch.setattr(emoji_latent, "draw", draw)
    monkeypatch.setattr(scores, "REAL", 400)
    quality = emoji_latent.measure(pretrained.emoji_latent().denoiser, vae)
    assert json.loads(quality["judged_right_ddim_50"])["all"] > 0.85
    distance = {key: float(value) for key, value in quality.items() if key.startswith("frechet")}
    assert distance["frechet_distance_ddim_50"] < 0.3 * distance["frechet_distance_ddim_50_without_labels"]
    assert distance["frechet_distance_real"] < distance["frechet_distance_reconstructed"]
    # Of the same scenes, other pictures and their reconstructions: about the same distance.
    assert distance["frechet_distance_ddim_50"] < 2 * distance["frechet_distance_reconstructed"]


@pytest.mark.slow
def test_the_text_to_image_model_is_measured_on_what_it_draws(small, monkeypatch):
    small(text_to_image, {"MEASURED": 40, "CARS": 8})
    pipe, asked = pretrained.text_to_image(), []
    captions_of = text_to_image.full_captions

    def full_captions(scenes):
        asked.append(scenes)
        return captions_of(scenes)

    def draw(encoder, guided, prompts):
        """Exactly what the captions ask for; for "a red sports car", grey."""
        if prompts[0] == "a red sports car":
            return torch.zeros(len(prompts), 4, 16, 16)
        return pipe.vae.to_latents(scaled(compose(asked[-1])))

    monkeypatch.setattr(text_to_image, "full_captions", full_captions)
    monkeypatch.setattr(text_to_image, "draw_prompts", draw)
    known = draw_scenes(200, torch.Generator().manual_seed(77)).centred()
    data = LatentScenes(pipe.vae.to_latents(scaled(compose(known))), known)
    quality = text_to_image.measure(pipe, data)
    assert [held_out_cells()[each.object, each.colour].double().mean().item() for each in asked] == [0, 1]
    right = shares_of(quality)
    for cells in ("training", "held_out"):
        assert right[f"judged_right_drawn_{cells}_cells"] == right[f"judged_right_reconstructed_{cells}_cells"] > 0.85
        assert right[f"judged_right_real_{cells}_cells"] > 0.95
        assert right[f"judged_right_drawn_shuffled_{cells}_cells"] < 0.05
        drawn, real = (quality[f"distance_to_nearest_{kind}_{cells}_cells"] for kind in ("drawn", "real"))
        assert drawn == real
    assert json.loads(quality["red_sports_cars"])["adherence"] == 0
    assert quality["frechet_distance_drawn"] == quality["frechet_distance_reconstructed"]
    assert float(quality["frechet_distance_real"]) != float(quality["frechet_distance_drawn"])


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_is_gone_on_with_unless_its_networks_are_others(sandbox):
    begun = []

    def begin():
        begun.append(True)
        return {"rows": []}

    table = tables.resume("trial", ["fashion"], begin)
    assert table["recipe"] == "python -m course_lib.recipes.measurements.trial"
    assert table["checkpoints_sha256"] == {"fashion": checksums()["checkpoints/fashion.safetensors"]}
    table["rows"].append({"a": 1})
    tables.save("trial", table)
    assert not differs("measurements/trial.json")
    assert tables.resume("trial", ["fashion"], begin) == table
    assert len(begun) == 1
    assert tables.resume("trial", ["fashion", "emoji_vae"], begin)["rows"] == []
    assert len(begun) == 2


@pytest.mark.parametrize("content", ["", "[]", "3", '{"rows": []}', "{"])
def test_what_is_no_table_is_refused_by_name(sandbox, content):
    path = sandbox / "measurements" / "trial.json"
    path.write_text(content, encoding="utf-8")
    files.record_checksum("measurements/trial.json")
    with pytest.raises(CourseFileError, match=r"trial\.json is no table of measurements: delete it"):
        tables.resume("trial", ["fashion"], dict)


def test_a_table_that_was_changed_by_hand_is_not_gone_on_with(sandbox):
    tables.save("trial", tables.resume("new trial", ["fashion"], lambda: {"rows": [1]}))
    path = sandbox / "measurements" / "trial.json"
    path.write_text(path.read_text(encoding="utf-8").replace("1", "2"), encoding="utf-8")
    with pytest.raises(CourseFileError, match="is not as it was shipped"):
        tables.resume("trial", ["fashion"], dict)


class StopHereError(Exception):
    """Somebody pulls the plug."""


def run_in_two_goes(recipe, sandbox, step, monkeypatch, rows_of):
    """Run a measurement, stopped before its last row, and again; returns the table, and how many rows each go measured."""
    (sandbox / "measurements" / f"{recipe.NAME}.json").unlink()
    original, calls = getattr(recipe, step), []

    def counted(*given, **named):
        calls.append(given)
        if len(calls) == 2:
            raise StopHereError
        return original(*given, **named)

    monkeypatch.setattr(recipe, step, counted)
    with pytest.raises(StopHereError):
        recipe.main()
    path = sandbox / "measurements" / f"{recipe.NAME}.json"
    half = json.loads(path.read_text(encoding="utf-8"))
    recipe.main()
    table = json.loads(path.read_text(encoding="utf-8"))
    assert not differs(f"measurements/{recipe.NAME}.json")
    assert rows_of(table)[: len(rows_of(half))] == rows_of(half)
    assert len(rows_of(half)) < len(rows_of(table))
    assert table["checkpoints_sha256"] == half["checkpoints_sha256"]
    return table, len(calls)


@pytest.mark.slow
def test_samplers_are_measured_row_by_row(sandbox, small, monkeypatch):
    few = {"DDPM": (3,), "DDIM": (3,), "DPM-Solver++": (3,)}
    small(fashion_samplers, {"STEPS": few, "PICTURES": 20, "TIMED": 2, "OTHER_SEEDS": (5,)})
    table, calls = run_in_two_goes(
        fashion_samplers,
        sandbox,
        "measure",
        monkeypatch,
        lambda table: [(row["rule"], row["frechet_distance"]) for row in table["rows"]],
    )
    assert calls == 7  # the first row once, the second twice, the third once; and one seed more for each
    assert [row["rule"] for row in table["rows"]] == list(few)
    assert len({row["frechet_distance"] for row in table["rows"]}) == 3  # each rule draws its own
    assert all(row["seconds_for_100"] > 0 for row in table["rows"])
    assert all(len(row["other_seeds"]) == 1 for row in table["rows"])
    assert all(row["other_seeds"] != [row["frechet_distance"]] for row in table["rows"])


@pytest.mark.slow
def test_few_steps_are_measured_row_by_row_each_way_in_its_own_steps(sandbox, small, monkeypatch):
    ways = {name: way._replace(steps=way.steps[1:3]) for name, way in few_steps.WAYS.items()}
    small(few_steps, {"WAYS": ways, "SEEDS": 4})
    small(guidance_scales, {"PICTURES": 20})
    asked, draw_prompts = [], few_steps.draw_prompts

    def draw(encoder, denoiser, prompts, steps, rule):
        calls = []

        def counted(x_t, t, cond):
            calls.append(len(x_t))
            return denoiser(x_t, t, cond)

        counted.schedule = denoiser.schedule
        drawn = draw_prompts(encoder, counted, prompts, steps, rule)
        asked.append((getattr(denoiser, "w", None), getattr(rule, "__name__", rule), steps, len(calls)))
        return drawn

    monkeypatch.setattr(few_steps, "draw_prompts", draw)
    rows_of = lambda table: [row for name in ways for row in table[name].values()]  # noqa: E731
    table, calls = run_in_two_goes(few_steps, sandbox, "describe_pictures", monkeypatch, rows_of)
    assert calls == 9  # the second of eight rows twice
    assert {name: list(table[name]) for name in ways} == {name: ["2", "4"] for name in ways}
    assert [row["calls"] for row in rows_of(table)] == [4, 8, 4, 8, 2, 4, 2, 4]
    done = asked[:2] + asked[4:]  # each row draws prompts and cars; the second row was stopped and drawn again
    for (w, rule, steps, taken), (name, _) in zip(done[::2], [(n, k) for n in ways for k in (2, 4)], strict=True):
        expected = {"DDIM": 3.0, "DPM-Solver++": 3.0, "without guidance": 1.0, "student": None}[name]
        assert (w, rule) == (expected, "dpmpp_2m_step" if name == "DPM-Solver++" else "ddim_step")
        assert taken == steps
    assert table["student"]["4"]["object and colour"] > 0.6 > table["without guidance"]["2"]["red sports cars"]


@pytest.mark.slow
def test_scales_are_measured_row_by_row(sandbox, small, monkeypatch):
    kinds = {"plain": ((0.0, 3.0), {}), "projected": ((3.0,), {"parallel": 0.3})}
    small(guidance_scales, {"KINDS": kinds, "PICTURES": 20, "SEEDS": 4})
    (sandbox / "measurements" / "guidance_scales.json").unlink()
    guidance_scales.main()
    path = sandbox / "measurements" / "guidance_scales.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    assert table["plain"]["0.0"]["all"] == 0
    assert table["plain"]["3.0"]["object"] > 0.7
    assert table["projected"]["3.0"]["saturation"] < table["plain"]["3.0"]["saturation"]
    assert table["real"]["all"] > 0.9
    del table["projected"]["3.0"]
    tables.save("guidance_scales", table)
    drawn = []
    draw = guidance_scales.draw_pictures
    monkeypatch.setattr(guidance_scales, "draw_pictures", lambda *given: drawn.append(given) or draw(*given))
    guidance_scales.main()
    assert len(drawn) == 2  # the one row that was missing: its pictures, and its cars
    assert {given[1].parallel for given in drawn} == {0.3}


@pytest.mark.slow
def test_what_networks_read_is_compared_row_by_row(sandbox, small, monkeypatch):
    rows = {name: text_conditions.ROWS[name] for name in ("one vector", "words")}
    small(text_conditions, {"ROWS": rows, "STEPS": 3, "BATCH_SIZE": 4, "SCENES": 20, "MEASURED": 4})
    table, calls = run_in_two_goes(
        text_conditions, sandbox, "train_reader", monkeypatch, lambda table: list(table["rows"].items())
    )
    assert calls == 3
    assert list(table["rows"]) == ["five labels", "one vector", "words"]
    assert table["real"]["held out"]["all"] > 0.7
    assert unfinished(sandbox) == []


@pytest.mark.slow
def test_the_race_is_run_row_by_row(sandbox, small, monkeypatch):
    constants = {"PIXEL_STEPS": 3, "PIXEL_BATCH": 2, "VAE_STEPS": 3, "LATENT_STEPS": 3, "PATCHED_STEPS": 3}
    small(twenty_minutes, constants | {"MEASURED": 8, "TIMED": 2, "SHOWN": 3, "SAMPLING_STEPS": 2})
    small(emoji_vae, {"BATCH_SIZE": 4, "MEASURED": 8})
    small(emoji_latent, {"BATCH_SIZE": 4, "SCENES": 20})
    steps = {"pixel_unet": 0.3, "patched_unet": 0.1, "latent_unet": 0.5, "vae": 0.2}
    monkeypatch.setattr(twenty_minutes, "costs", lambda: {"seconds_of_a_step": steps, "seconds_of_encoding": 60.0})
    table, calls = run_in_two_goes(
        twenty_minutes, sandbox, "measure", monkeypatch, lambda table: [row["name"] for row in table["rows"]]
    )
    assert calls == 5
    assert [row["name"] for row in table["rows"]] == list(twenty_minutes.ROWS)
    with Image.open(sandbox / "measurements" / "twenty_minutes.webp") as sheet:
        assert sheet.size == (3 * 64, 4 * 64)
    assert not differs("measurements/twenty_minutes.webp")
    assert unfinished(sandbox) == []
