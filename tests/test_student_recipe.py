"""The recipe of the students: who teaches whom, on what, and what is measured of each."""

import json
from itertools import pairwise

import pytest
import torch

from course_lib import pretrained
from course_lib.denoisers import NetDenoiser
from course_lib.emoji import captions
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.scenes import held_out_cells
from course_lib.guidance import Guided
from course_lib.recipes import text_to_image_student as recipe
from course_lib.recipes.shared import captioned, latents
from course_lib.sampling import last, sample


@pytest.fixture(scope="module")
def pipe():
    return pretrained.text_to_image()


@pytest.fixture
def students(pipe):
    """Before any training, but each with a vector of its own, so that they can be told apart."""
    net = recipe.new_state(recipe.untrained(pipe.denoiser)).net
    torch.manual_seed(0)
    torch.nn.init.normal_(net.embed_steps.weight)
    return net


def prompts_and_latents(count):
    torch.manual_seed(1)
    return torch.randn(count, 4, 16, 16), ["a red car", "a small blue owl"] * (count // 2)


def test_students_begin_as_their_teacher_without_guidance(pipe):
    state = recipe.new_state(recipe.untrained(pipe.denoiser))
    x, cond, t = torch.randn(2, 4, 16, 16), pipe.encoder.encode(["a car", "a red owl"]), torch.tensor([1000, 125])
    with torch.no_grad():
        expected = pipe.denoiser(x, t, cond).x_0
        for steps in recipe.ROWS:
            assert torch.equal(recipe.student_of(state.net, steps)(x, t, cond).x_0, expected)
    assert all(parameter.requires_grad for parameter in state.net.parameters())
    trained = [id(each) for group in state.optimizer.param_groups for each in group["params"]]
    assert set(trained) == {id(each) for each in state.net.parameters()}


def test_each_student_learns_from_the_average_of_the_next_and_the_first_from_the_guided_teacher(
    pipe, students, monkeypatch
):
    average = recipe.new_state(recipe.untrained(pipe.denoiser)).ema
    torch.nn.init.normal_(average.embed_steps.weight)
    teacher, asked = pipe.guided(), []

    def halving_loss(student, its_teacher, x_0, steps, cond, generator, walker):
        assert walker is None
        asked.append((student, its_teacher, x_0, steps, cond))
        return torch.tensor(float(steps), requires_grad=True)

    monkeypatch.setattr(recipe, "halving_loss", halving_loss)
    x_0, texts = prompts_and_latents(recipe.BATCH_SIZE)
    value = recipe.loss(teacher, pipe.encoder, average, None, students, (x_0, texts), torch.Generator())
    assert value.item() == pytest.approx(sum(rows * steps for steps, rows in recipe.ROWS.items()) / recipe.BATCH_SIZE)
    assert [steps for *_, steps, _ in asked] == list(recipe.ROWS)
    assert torch.equal(torch.cat([x for _, _, x, _, _ in asked]), x_0)
    words = pipe.encoder.encode(texts)
    assert torch.allclose(torch.cat([cond for *_, cond in asked]), words, atol=0.1)  # read in half precision
    x, t, cond = x_0[:2], torch.tensor([1000, 500]), words[:2]
    with torch.no_grad():
        for student, its_teacher, _, steps, _ in asked:
            assert torch.equal(student(x, t, cond).x_0, recipe.student_of(students, steps)(x, t, cond).x_0)
            if steps == 8:
                assert its_teacher is teacher
            else:
                expected = recipe.student_of(average, 2 * steps)(x, t, cond).x_0
                assert torch.equal(its_teacher(x, t, cond).x_0, expected)


@pytest.mark.parametrize("own", recipe.Own)
def test_gradients_reach_the_students_and_nobody_who_teaches(own, pipe, students, monkeypatch):
    monkeypatch.setattr(recipe, "ROWS", dict.fromkeys(recipe.ROWS, 2))
    average = recipe.new_state(recipe.untrained(pipe.denoiser)).ema
    batch = prompts_and_latents(8)
    recipe.loss(pipe.guided(), pipe.encoder, average, own, students, batch, torch.Generator()).backward()
    assert all(parameter.grad is not None for parameter in students.parameters())
    assert (students.embed_steps.weight.grad.abs().sum(dim=1) > 0).all()
    assert all(parameter.grad is None for parameter in [*average.parameters(), *pipe.denoiser.net.parameters()])


def test_own_pictures_are_what_the_student_of_one_step_draws(pipe, students):
    words = pipe.encoder.encode(["a red car", "a small blue owl"])
    drawn = recipe.own_pictures(students, words, torch.Generator().manual_seed(3))
    noise = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    one_step = last(sample(recipe.student_of(students, 1), noise, [1000, 0], cond=words))
    assert torch.allclose(drawn, one_step, atol=1e-4)
    assert not drawn.requires_grad


def test_own_pictures_come_in_every_other_row_and_the_data_stay_in_the_others(pipe, students, monkeypatch):
    seen = []
    monkeypatch.setattr(
        recipe,
        "halving_loss",
        lambda student, teacher, x_0, *rest: seen.append(x_0) or x_0.new_zeros(()).requires_grad_(),
    )
    x_0, texts = prompts_and_latents(recipe.BATCH_SIZE)
    recipe.loss(
        None,
        pipe.encoder,
        students,
        recipe.Own.PICTURES,
        students,
        (x_0.clone(), texts),
        torch.Generator().manual_seed(3),
    )
    words = pipe.encoder.encode(texts)[1::2]
    own = recipe.own_pictures(students, words, torch.Generator().manual_seed(3))
    mixed = torch.cat(seen)
    assert torch.equal(mixed[::2], x_0[::2])
    assert (mixed[1::2] - own).abs().mean() < 0.05 * own.abs().mean()  # in half precision


def test_walkers_are_the_averages_of_those_who_learn(pipe, students, monkeypatch):
    average, walkers = recipe.new_state(recipe.untrained(pipe.denoiser)).ema, []
    torch.nn.init.normal_(average.embed_steps.weight)

    def halving_loss(student, teacher, x_0, steps, cond, generator, walker):
        walkers.append((steps, walker))
        return x_0.new_zeros(()).requires_grad_()

    monkeypatch.setattr(recipe, "halving_loss", halving_loss)
    x_0, texts = prompts_and_latents(recipe.BATCH_SIZE)
    recipe.loss(None, pipe.encoder, average, recipe.Own.WALKS, students, (x_0, texts), torch.Generator())
    assert [steps for steps, _ in walkers] == list(recipe.ROWS)
    x, t, cond = x_0[:2], torch.tensor([1000, 500]), pipe.encoder.encode(texts[:2])
    with torch.no_grad():
        for steps, walker in walkers:
            assert torch.equal(walker(x, t, cond).x_0, recipe.student_of(average, steps)(x, t, cond).x_0)


def test_captions_of_own_pictures_are_of_all_cells_and_of_held_out_ones():
    few = latents.scenes_as_latents(pretrained.emoji_vae(), 200, centred=True)
    texts = [recipe.draw_with_own(few, torch.Generator().manual_seed(seed), 40, full=1.0)[1] for seed in range(20)]
    for start, share in ((0, 0.0), (1, None), (2, 0.0), (3, 1.0)):
        cells = [captions.read_caption(text)[:2] for some in texts for text in some[start::4] if text]
        held_out = torch.tensor([held_out_cells()[object_, colour].item() for object_, colour in cells]).double().mean()
        if share is None:
            assert 0 < held_out < 0.5
        else:
            assert held_out == share
    plain = captioned.draw_batch(few, torch.Generator().manual_seed(5), 40, full=1.0)
    x_0, mixed = recipe.draw_with_own(few, torch.Generator().manual_seed(5), 40, full=1.0)
    assert torch.equal(x_0, plain[0])
    assert mixed[::2] == plain[1][::2]


def test_the_recipe_hands_over_a_guided_teacher_and_goes_on_from_the_average(monkeypatch):
    given, asked, shipped = [], [], []
    few = latents.scenes_as_latents(pretrained.emoji_vae(), 200, centred=True)
    monkeypatch.setattr(recipe, "scenes_as_latents", lambda vae, count, centred: asked.append((count, centred)) or few)

    def run_training(name, state, *rest):
        given.append((name, state, *rest))
        for parameter in state.ema.parameters():
            parameter += 1

    monkeypatch.setattr(recipe, "run_training", run_training)
    monkeypatch.setattr(recipe, "measure", lambda *each: {"good": "very"})
    monkeypatch.setattr(recipe, "ship", lambda *each: shipped.append(each))
    recipe.main()
    assert asked == [(recipe.SCENES, True)]
    names, states = [name for name, *_ in given], [state for _, state, *_ in given]
    assert names == ["text_to_image_student_0", "text_to_image_student_1", "text_to_image_student"]
    for before, after in pairwise(states):
        assert all(torch.equal(value, before.ema.state_dict()[name]) for name, value in after.net.state_dict().items())
    assert [state.seed for state in states] == [0, 1, 2]
    ((_, _, state, _, quality, phases),) = shipped
    assert state is states[-1]
    assert (quality, phases) == ({"good": "very"}, recipe.PHASES)
    weights = pretrained.text_to_image().denoiser.net.state_dict()
    for (_, state, batches, loss, steps, size, rate), phase in zip(given, recipe.PHASES, strict=True):
        teacher, _, average, own = loss.args
        assert isinstance(teacher, Guided)
        assert (teacher.w, teacher.parallel) == (3, 1)
        assert all(torch.equal(value, weights[name]) for name, value in teacher.denoiser.net.state_dict().items())
        assert average is state.ema
        assert (steps, own) == (phase.steps, phase.own)
        x_0, texts = batches(torch.Generator().manual_seed(0))
        assert len(x_0) == len(texts) == size == recipe.BATCH_SIZE
        assert (x_0[:, None] == few.x_0).flatten(2).all(dim=2).any(dim=1).all()
        assert rate(steps // 2) == phase.peak > 10 * rate(steps - 1)
    held_out = [any(said_of_held_out(text) for text in each[2](torch.Generator().manual_seed(1))[1]) for each in given]
    assert held_out == [phase.own is not None for phase in recipe.PHASES] == [False, True, True]


def said_of_held_out(text):
    """Whether a caption is full enough to name a held-out cell."""
    object_, colour, *_ = captions.read_caption(text) if text else (None, None)
    return object_ is not None and colour is not None and held_out_cells()[object_, colour].item()


@pytest.mark.slow
def test_each_student_is_measured_on_what_it_draws_in_its_own_steps(pipe, monkeypatch):
    monkeypatch.setattr(recipe, "MEASURED", 30)
    monkeypatch.setattr(recipe, "CARS", 6)
    net, scenes_asked, steps_asked = recipe.untrained(pipe.denoiser), [], []
    captions_of = recipe.full_captions
    monkeypatch.setattr(recipe, "full_captions", lambda scenes: scenes_asked.append(scenes) or captions_of(scenes))

    def draw(encoder, denoiser, prompts, steps):
        """What the captions ask for, by the student of four steps; all others draw grey, and so are all cars."""
        assert isinstance(denoiser, NetDenoiser)
        steps_asked.append(steps)
        if steps != 4 or prompts[0] == "a red sports car":
            return torch.zeros(len(prompts), 4, 16, 16)
        return pipe.vae.to_latents(scaled(compose(scenes_asked[-1])))

    monkeypatch.setattr(recipe, "draw_prompts", draw)
    quality = recipe.measure(net, pipe.encoder, pipe.vae)
    assert steps_asked == [steps for steps in recipe.ROWS for _ in range(3)]
    held_out = [held_out_cells()[each.object, each.colour].double().mean().item() for each in scenes_asked]
    assert held_out == [0, 1] * len(recipe.ROWS)
    for steps in recipe.ROWS:
        right = [json.loads(quality[f"judged_right_{name}_cells_in_{steps}"]) for name in ("training", "held_out")]
        assert all((each["adherence"] > 0.85) == (steps == 4) for each in right)
        assert json.loads(quality[f"red_sports_cars_in_{steps}"])["adherence"] == 0
        other = float(quality["frechet_distance_in_4"])
        assert (float(quality[f"frechet_distance_in_{steps}"]) > other) == (steps != 4)
