"""The recipe of the students: who teaches whom, on what, and what is measured of each."""

import json

import pytest
import torch

from course_lib import pretrained
from course_lib.denoisers import NetDenoiser
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.scenes import held_out_cells
from course_lib.guidance import Guided
from course_lib.recipes import text_to_image_student as recipe
from course_lib.recipes.shared import latents


@pytest.fixture(scope="module")
def pipe():
    return pretrained.text_to_image()


@pytest.fixture
def students(pipe):
    """Before any training, but each with a vector of its own, so that they can be told apart."""
    net = recipe.new_state(pipe.denoiser).net
    torch.manual_seed(0)
    torch.nn.init.normal_(net.embed_steps.weight)
    return net


def prompts_and_latents(count):
    torch.manual_seed(1)
    return torch.randn(count, 4, 16, 16), ["a red car", "a small blue owl"] * (count // 2)


def test_students_begin_as_their_teacher_without_guidance(pipe):
    state = recipe.new_state(pipe.denoiser)
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
    average = recipe.new_state(pipe.denoiser).ema
    torch.nn.init.normal_(average.embed_steps.weight)
    teacher, asked = pipe.guided(), []

    def halving_loss(student, its_teacher, x_0, steps, cond, generator):
        asked.append((student, its_teacher, x_0, steps, cond))
        return torch.tensor(float(steps), requires_grad=True)

    monkeypatch.setattr(recipe, "halving_loss", halving_loss)
    x_0, texts = prompts_and_latents(recipe.BATCH_SIZE)
    value = recipe.loss(teacher, pipe.encoder, average, students, (x_0, texts), torch.Generator())
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


def test_gradients_reach_the_students_and_nobody_who_teaches(pipe, students, monkeypatch):
    monkeypatch.setattr(recipe, "ROWS", dict.fromkeys(recipe.ROWS, 1))
    average = recipe.new_state(pipe.denoiser).ema
    recipe.loss(pipe.guided(), pipe.encoder, average, students, prompts_and_latents(4), torch.Generator()).backward()
    assert all(parameter.grad is not None for parameter in students.parameters())
    assert (students.embed_steps.weight.grad.abs().sum(dim=1) > 0).all()
    assert all(parameter.grad is None for parameter in [*average.parameters(), *pipe.denoiser.net.parameters()])


def test_the_recipe_hands_over_a_guided_teacher_and_training_cells(monkeypatch):
    given, asked = [], []
    few = latents.scenes_as_latents(pretrained.emoji_vae(), 200, centred=True)
    monkeypatch.setattr(recipe, "scenes_as_latents", lambda vae, count, centred: asked.append((count, centred)) or few)
    monkeypatch.setattr(recipe, "run_training", lambda *each: given.append(each))
    monkeypatch.setattr(recipe, "measure", lambda *each: {})
    monkeypatch.setattr(recipe, "ship", lambda *each: None)
    recipe.main()
    ((_, state, batches, loss, steps, size, rate),) = given
    teacher, _, average = loss.args
    assert isinstance(teacher, Guided)
    assert (teacher.w, teacher.parallel) == (3, 1)
    shipped = pretrained.text_to_image().denoiser.net.state_dict()
    assert all(torch.equal(value, shipped[name]) for name, value in teacher.denoiser.net.state_dict().items())
    assert average is state.ema
    assert asked == [(recipe.SCENES, True)]
    x_0, texts = batches(torch.Generator().manual_seed(0))
    assert len(x_0) == len(texts) == size == recipe.BATCH_SIZE
    often = latents.times_as_often(few.scenes)
    assert (x_0[:, None] == few.x_0).flatten(2).all(dim=2).any(dim=1).all()
    assert often.sum() > len(few.x_0)
    assert rate(steps // 2) == recipe.PEAK > 10 * rate(steps - 1)


@pytest.mark.slow
def test_each_student_is_measured_on_what_it_draws_in_its_own_steps(pipe, monkeypatch):
    monkeypatch.setattr(recipe, "MEASURED", 30)
    monkeypatch.setattr(recipe, "CARS", 6)
    net, scenes_asked, steps_asked = recipe.new_state(pipe.denoiser).ema, [], []
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
