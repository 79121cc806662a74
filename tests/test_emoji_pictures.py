"""All emoji pictures: what is in which set, and that no held-out pair is in training."""

import torch

from course_lib.emoji import emoji_sets
from course_lib.emoji.scenes import COLOURS, OBJECTS, held_out_cells, sprites


def test_counts_and_shapes():
    train, test, faces = emoji_sets.train_set(), emoji_sets.test_set(), emoji_sets.faces()
    for data, least in ((train, 5000), (test, 550), (faces, 600)):
        count = len(data.names)
        assert count >= least
        assert (data.pictures.shape, data.pictures.dtype) == ((count, 3, 64, 64), torch.uint8)
        assert len(data.codes) == len(data.sources) == count
        assert set(data.sources) == {"noto", "noto-v1", "twemoji", "fluent-emoji", "fluent-emoji-flat"}
        assert (data.pictures[:, :, 0] == 255).all()  # white all round
        assert (data.pictures.flatten(1).min(1).values < 250).float().mean() > 0.99


def test_an_emoji_stands_on_one_side_with_all_its_versions():
    train, test = emoji_sets.train_set(), emoji_sets.test_set()
    assert not set(train.codes) & set(test.codes)
    assert 0.08 < len(test.codes) / (len(test.codes) + len(train.codes)) < 0.13


def test_known_pictures():
    faces = emoji_sets.faces()
    assert faces.names.count("grinning face") == 5
    assert "red heart" not in faces.names
    everything = {*emoji_sets.train_set().names, *emoji_sets.test_set().names}
    assert {"red heart", "hot dog"} <= everything
    assert not any("person" in name or "woman" in name.split() for name in everything)


def test_pictures_go_with_their_names_and_stand_upright():
    both = [emoji_sets.train_set(), emoji_sets.test_set()]
    found = {name: [] for name in ("red heart", "blue heart", "green heart", "red triangle pointed up")}
    for data in both:
        for picture, name in zip(data.pictures.float(), data.names, strict=True):
            if name in found:
                found[name].append(255 - picture)  # how far below white: the object alone
    for name, channel in (("red heart", 0), ("blue heart", 2), ("green heart", 1)):
        for picture in found[name]:
            assert picture.mean((1, 2)).argmin() == channel, name
    assert found["red triangle pointed up"]
    for picture in found["red triangle pointed up"]:
        assert picture[:, 40:].sum() > 2 * picture[:, :24].sum()


def test_no_red_sports_car_and_no_other_held_out_cell_in_training():
    """Looked up by hand: pictures that show a held-out pair are in no training set, others of the same object are."""
    train, test = emoji_sets.train_set(), emoji_sets.test_set()
    assert "1f3ce" not in train.codes  # the racing car: red or orange in all sets
    held_out = held_out_cells()
    for code, name, colour in (("1f7e4", "circle", "brown"), ("1f34f", "apple", "green"), ("1f499", "heart", "blue")):
        cell = held_out[OBJECTS.index(name), list(COLOURS).index(colour)]
        assert not (cell and code in train.codes), name
        assert cell or code in (*train.codes, *test.codes), name
    natives = [sprite for sprite in sprites() if sprite.native >= 0 and held_out[sprite.object, sprite.native]]
    index = emoji_sets._index()
    code_of = {entry["icon"]: code for code, entry in index["emoji"].items()}
    checked = 0
    for sprite in natives:
        if sprite.icon in code_of and sprite.source in index["pictures"]:
            assert code_of[sprite.icon] not in train.codes, sprite
            checked += 1
    assert checked > 10
