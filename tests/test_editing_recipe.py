"""The recipe that measures editing: what it fills, asks for and counts, and that each of its parts runs."""

import pytest
import torch

from course_lib.composition import UPSIDE_DOWN
from course_lib.denoisers import GaussianDenoiser
from course_lib.editing import repaint_times
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.scenes import visible
from course_lib.metrics import seam
from course_lib.recipes.measurements import editing
from course_lib.recipes.measurements.editing import Way
from course_lib.recipes.shared import tables
from course_lib.sampling import ddpm_step
from course_lib.schedules import NoiseSchedule
from course_lib.support.device import best_device

DENOISER = GaussianDenoiser(0.5, 0.2, NoiseSchedule.cosine())


def test_a_way_counts_its_calls_down_and_none_up():
    times = [5, 4, 3, 2, 1, 0]
    assert Way().calls(times) == 5
    assert Way(jump=2, resamplings=3).calls(times) == 3 * 4 + 1
    assert Way(jump=2, resamplings=3).times(times) == repaint_times(times, 2, 3)


def test_filling_keeps_what_is_known_bit_for_bit_and_draws_the_rest():
    known = torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(0)) - 3  # far from what is drawn
    hole = editing.square(6, 1, 4)
    for way in (Way(), Way(ddpm_step, 2, 3)):
        filled = editing.fill(DENOISER, known, hole, way, steps=20)
        outside = ~hole.expand_as(known)
        assert torch.equal(filled[outside], known[outside])
        assert filled[~outside].mean().item() == pytest.approx(0.5, abs=0.1)


def test_a_row_is_filled_alike_whatever_stands_beside_it():
    known, hole = torch.zeros(5, 1, 6, 6), editing.square(6, 2, 4)
    together = editing.fill(DENOISER, known, hole, Way(ddpm_step, 2, 2), steps=6)
    in_twos = editing.fill(DENOISER, known, hole, Way(ddpm_step, 2, 2), steps=6, batch=2)
    torch.testing.assert_close(in_twos, together)
    assert not torch.equal(together[0], together[1])


def test_a_print_is_what_stands_out_in_the_hole_of_a_garment_that_is_plain_around_it():
    shirts = torch.full((3, 1, 28, 28), 0.3)
    shirts[1, :, 12:16, 9:19] = -0.9
    shirts[2, :, :, ::2] = -0.9  # striped all over
    assert editing.have_print(shirts).tolist() == [False, True, True]
    assert editing.plain_around(shirts).tolist() == [True, True, False]


def test_what_is_asked_for_is_another_object_in_another_colour_on_the_background_that_is_there():
    wanted, others = editing.wanted_and_others()
    assert len(wanted) == len(others) == editing.HOLES
    assert torch.equal(wanted.background, others.background)
    assert not (wanted.object == others.object).any()
    assert not (wanted.colour == others.colour).any()
    assert visible(others.colour, others.background).all()
    pictures = scaled(compose(others))
    assert seam(pictures, editing.SCENE_HOLE) == 0, "the hole should cut out all of the object"


def test_prompts_leave_out_what_the_surroundings_say():
    caption = "a large red sports car on a sky blue background, flat style"
    assert editing.of_object(caption) == "a large red sports car"
    assert editing.without_style(caption) == "a large red sports car on a sky blue background"


def test_what_is_shown_is_what_differs_from_the_background():
    wanted, _ = editing.wanted_and_others()
    pictures = scaled(compose(wanted[:6]))
    shown = editing.shown(pictures, wanted[:6])
    assert 0.05 < shown.float().mean() < 0.6
    assert torch.equal(editing.shown(UPSIDE_DOWN.there(pictures), wanted[:6]), shown.flip(1, 2))


def test_a_change_is_described_inside_and_outside_of_the_object(monkeypatch):
    monkeypatch.setattr(editing, "CHANGED", 20)
    scenes, wanted = editing.wanted_changes()
    assert len(scenes) == len(wanted) == 20
    assert not (scenes.colour == wanted.colour).any()
    assert torch.equal(scenes.object, wanted.object)
    given, ideal = (scaled(compose(each)) for each in (scenes, wanted))
    nothing_done, done = (editing.describe_changed(each, scenes, wanted) for each in (given, ideal))
    assert (nothing_done["same shape"], nothing_done["outside"], nothing_done["colour"]) == (1, 0, 0)
    assert (done["inside"], done["colour"]) == (0, 1)
    assert done["outside"] < 0.001  # what stands out in the new colour alone
    assert nothing_done["inside"] > 0.1
    assert done["same shape"] > 0.9
    lighter = ideal.clone()
    lighter[:, :, :2] += 0.3  # above the object, and what differs from the background is no longer the object alone
    above = editing.describe_changed(lighter, scenes, wanted)
    assert above["outside"] > 0.005
    assert above["inside"] == 0
    assert above["same shape"] < done["same shape"]


SMALL = {
    "GARMENTS": 10,
    "SHIRTS": 2,
    "GARMENT_STEPS": 2,
    "STEPS": 2,
    "INVERSION_STEPS": 2,
    "HOLES": 3,
    "HALVES": 2,
    "INVERTED": 2,
    "CHANGED": 3,
    "COMPOSED": 2,
    "PAIRS": 2,
    "STRENGTHS": (0.5,),
    "STRENGTHS_UNGUIDED": (0.5,),
    "INVERTED_IN": (2, 3),
    "GARMENT_WAYS": {"RePaint, 5 times, DDPM": Way(ddpm_step, 1, 2)},
    "SCENE_WAYS": {"replacement": Way()},
}


@pytest.mark.slow
def test_every_part_runs_small_and_is_kept(monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(editing, name, value)
    saved = {}
    monkeypatch.setattr(tables, "resume", lambda *_: saved)
    monkeypatch.setattr(tables, "save", lambda name, table: saved.update(table))
    editing.main()
    table = dict(saved)
    assert list(table) == list(editing.PARTS)
    assert set(editing.GARMENT_WAYS) < set(table["garments"]["rows"])
    assert table["garments"]["rows"]["real"]["judged_right"] > 0.8
    assert table["text"]["object"]["real"]["changed outside"] == 0 < table["text"]["object"]["real"]["whole"]
    assert set(editing.SCENE_WAYS) < set(table["text"]["half"])
    monkeypatch.setattr(editing, "PARTS", dict.fromkeys(editing.PARTS, pytest.fail))
    editing.main()  # nothing is measured twice


def test_the_best_device_is_where_holes_are_filled():
    known = torch.zeros(1, 1, 4, 4)
    assert editing.fill(DENOISER, known.to(best_device()), editing.square(4, 1, 3), Way(), 2).device.type == "cpu"
