"""VAE, GAN and diffusion are tuned, trained and measured alike: the tables' recipes, each on very little."""

import pytest

from course_lib.datasets import fashion
from course_lib.recipes import fashion as fashion_recipe
from course_lib.recipes import fashion_diffusion, fashion_gan, fashion_vae
from course_lib.recipes.measurements import family_seeds, family_tries, three_families
from course_lib.recipes.shared import garments, running, tables
from course_lib.support import files
from course_lib.support.files import checksums


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """A data folder of the test's own, with what the recipes read and none of what they write."""
    shipped = files.data_folder()
    (tmp_path / "data" / "checkpoints").mkdir(parents=True)
    (tmp_path / "data" / "fashion_mnist").symlink_to(shipped / "fashion_mnist")
    for path in (shipped / "checkpoints").glob("fashion*.safetensors"):
        (tmp_path / "data" / "checkpoints" / path.name).symlink_to(path)
    (tmp_path / "data" / "SHA256SUMS").write_bytes((shipped / "SHA256SUMS").read_bytes())
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "course_lib")
    return tmp_path / "data"


@pytest.fixture
def tiny(monkeypatch):
    """Batches, pictures and steps so few that a training takes a second."""
    for recipe in (fashion_vae, fashion_gan, fashion_diffusion):
        monkeypatch.setattr(recipe, "SETTING", smaller(recipe.SETTING))
    monkeypatch.setattr(fashion_recipe, "DRAWN_STEPS", 2)
    real = fashion.test_set()
    features = garments.in_batches(garments.fashion_classifier().features, real.pictures[2000:2100])
    monkeypatch.setattr(garments, "_real_features", lambda: features)
    monkeypatch.setattr(garments, "FLOOR", 20)


def few_of(table, count=2):
    return {family: dict(list(each.items())[:count]) for family, each in table.items()}


def smaller(setting):
    return setting._replace(batch_size=4)


def test_each_family_is_tried_as_often_and_each_try_changes_one_thing():
    counts = {family: len(tries) for family, tries in family_tries.TRIES.items()}
    assert set(counts) == set(family_tries.FAMILIES)
    assert set(counts.values()) == {7}
    for tries in family_tries.TRIES.values():
        first, *others, last = tries.values()
        assert len(set(tries.values())) == len(tries)
        for other in others:
            changed = [key for key in first._fields if getattr(first, key) != getattr(other, key)]
            # Another game or another way to hold the discriminator down is one thing, though it needs a rate of its own.
            assert len(changed) == 1 or changed == ["game", "gamma", "spectral", "peak"]
        assert any(sum(a != b for a, b in zip(last, other, strict=True)) == 1 for other in others)


def test_each_recipe_takes_the_best_of_its_tries():
    rows = tables.resume("family_tries", family_tries.NETWORKS, dict)["rows"]
    for family, recipe in family_tries.FAMILIES.items():
        assert set(rows[family]) == set(family_tries.TRIES[family])
        best = min(rows[family], key=lambda name: rows[family][name]["frechet_distance"])
        assert family_tries.TRIES[family][best] == recipe.SETTING


def test_all_have_as_many_parameters():
    found = three_families.parameters()
    trained = [each["trained"] for each in found.values()]
    assert max(trained) < 1.02 * min(trained)
    assert found["VAE"]["drawing"] == found["GAN"]["drawing"] < found["GAN"]["trained"]
    assert found["diffusion"]["drawing"] == found["diffusion"]["trained"]


@pytest.mark.slow
def test_tries_are_interrupted_and_go_on(own_data, tiny, monkeypatch):
    tries = {
        family: {name: smaller(each) for name, each in few.items()}
        for family, few in few_of(family_tries.TRIES).items()
    }
    for name, value in {"TRIES": tries, "SECONDS": 1e-9, "PICTURES": 20, "DRAWN_STEPS": 2, "TIMED": 1}.items():
        monkeypatch.setattr(family_tries, name, value)
    begin = family_tries.begin
    steps = {family: dict.fromkeys(few, 3) for family, few in tries.items()}
    monkeypatch.setattr(family_tries, "begin", lambda: begin() | {"steps": steps})
    calls, run = [], family_tries.run

    def interrupted(*given):
        calls.append(given[3])
        if len(calls) == 3:
            raise SystemExit
        run(*given)

    with monkeypatch.context() as patch:
        patch.setattr(family_tries, "run", interrupted)
        with pytest.raises(SystemExit):
            family_tries.main()
    before = tables.resume("family_tries", family_tries.NETWORKS, dict)
    assert [len(each) for each in before["rows"].values()] == [2, 0, 0]
    family_tries.main()
    table = tables.resume("family_tries", family_tries.NETWORKS, dict)
    assert [len(each) for each in table["rows"].values()] == [2, 2, 2]
    assert table["rows"]["VAE"] == before["rows"]["VAE"]
    assert all(set(row) == set(table["real"]) for rows in table["rows"].values() for row in rows.values())
    assert not list((own_data / "checkpoints" / "unfinished").glob("*"))


@pytest.mark.slow
def test_steps_are_timed_in_turns_and_each_try_gets_as_many_as_fit(tiny, monkeypatch):
    monkeypatch.setattr(
        family_tries, "TRIES", {"VAE": {"a": smaller(fashion_vae.Setting())}, "GAN": {}, "diffusion": {}}
    )
    monkeypatch.setattr(family_tries, "seconds_of_steps", lambda: {"VAE": {"a": 0.25}, "GAN": {}, "diffusion": {}})
    monkeypatch.setattr(family_tries, "PICTURES", 20)
    table = family_tries.begin()
    assert table["steps"]["VAE"]["a"] == 1200  # five minutes
    assert table["seconds_of_a_step"]["VAE"]["a"] == 0.25


@pytest.mark.slow
def test_five_seeds_give_five_curves_that_begin_apart(own_data, tiny, monkeypatch):
    for name, value in {"SEEDS": (0, 1), "MINUTES": 2, "PICTURES": 20}.items():
        monkeypatch.setattr(family_seeds, name, value)
    monkeypatch.setattr(family_tries, "DRAWN_STEPS", 2)
    monkeypatch.setattr(family_seeds, "seconds_of_a_step", lambda: dict.fromkeys(family_seeds.FAMILIES, 30.0))
    family_seeds.main()
    table = tables.resume("family_seeds", family_seeds.NETWORKS, dict)
    assert table["steps_a_minute"] == dict.fromkeys(table["rows"], 2)
    for curves in table["rows"].values():
        assert set(curves) == {"0", "1"}
        assert all(len(curve) == 2 for curve in curves.values())
        assert curves["0"] != curves["1"]


@pytest.mark.slow
def test_the_comparison_measures_every_row_and_shows_it(own_data, tiny, monkeypatch):
    for name, value in {"PICTURES": 20, "SHOWN": 5, "TIMES_AS_LONG": 1, "FEW_STEPS": 2}.items():
        monkeypatch.setattr(three_families, name, value)
    for recipe in (fashion_vae, fashion_gan):
        monkeypatch.setattr(recipe, "STEPS", 3)
    three_families.main()
    table = tables.resume("three_families", three_families.NETWORKS, dict)
    for rows in table["rows"].values():
        assert list(rows) == ["VAE", "GAN", "diffusion", "diffusion, 10 steps"]
        for name, row in rows.items():
            diffusion = "fashion" if rows is table["rows"]["an hour"] else "diffusion"
            step = table["seconds_of_a_step"][diffusion if "diffusion" in name else name]
            assert row["minutes"] == round(row["steps"] * step / 60, 1)
            assert min(row["seconds_for_64"], row["seconds_for_1"]) > 0
            assert set(row) > set(table["real"])
    hour = table["rows"]["an hour"]
    assert hour["VAE"]["steps"] == hour["GAN"]["steps"] == 3
    sheet = files.data_folder() / three_families.SHEET
    assert checksums()[three_families.SHEET]
    with three_families.Image.open(sheet) as image:
        assert image.size == (5 * 28, 8 * 28)
    assert not list((own_data / "checkpoints" / "unfinished").glob("*"))
    assert running._unfinished("x").parent == own_data / "checkpoints" / "unfinished"
