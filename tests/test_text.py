"""Text: the tokeniser, attention to words, the encoder, and the loss that teaches it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.emoji import captions
from course_lib.emoji.scenes import COLOURS, OBJECTS, all_cells, draw_scenes, held_out_cells
from course_lib.networks.attention import CrossAttention, MapCrossAttention, attention, is_word, record_attention
from course_lib.networks.text import ContrastivePair, TextEncoder, contrastive_loss
from course_lib.networks.text_unet import TextUNet
from course_lib.networks.tokenizer import BEGIN, PAD, UNKNOWN, Tokenizer, words
from course_lib.pretrained import contrastive_pair_network
from course_lib.recipes import text_encoder as recipe


@pytest.fixture
def tokenizer():
    return Tokenizer(["a", "car", "red", ",", "t-shirt"], longest=6)


@pytest.fixture
def encoder(tokenizer):
    torch.manual_seed(0)
    return TextEncoder(tokenizer, size=16)


# --- the tokeniser ----------------------------------------------------------------------------------------------------


def test_words_in_small_letters_without_full_stops():
    assert words("A red  Car, flat style!") == ["a", "red", "car", ",", "flat", "style"]
    assert words("(the dog's) T-shirt...") == ["the", "dog's", "t-shirt"]
    assert words("красная машина 🚗") == ["красная", "машина", "🚗"]
    assert words(" \n ") == []


def test_every_text_begins_and_short_ones_are_padded(tokenizer):
    ids = tokenizer(["a red car", "", "purple car"])
    assert ids.tolist() == [[BEGIN, 3, 5, 4], [BEGIN, PAD, PAD, PAD], [BEGIN, UNKNOWN, 4, PAD]]
    assert len(tokenizer) == 8


def test_unknown_words_are_named_with_their_neighbours(tokenizer):
    assert tokenizer.unknown("a rad car, quickly") == {"rad": ["red"], "quickly": []}
    assert tokenizer.unknown("a red car") == {}


@pytest.mark.parametrize(
    ("texts", "problem", "says"),
    [
        ("a red car", TypeError, "texts must be a list of strings, but got one string"),
        ([], ValueError, "at least one text"),
        ([7], TypeError, "a text must be a string, but got 7"),
        (["a"] * 2 + ["red " * 7], ValueError, "may have 6 words, but got one of 7"),
    ],
)
def test_what_is_no_text_is_refused(tokenizer, texts, problem, says):
    with pytest.raises(problem, match=says):
        tokenizer(texts)


@given(st.text(max_size=40))
def test_any_text_becomes_numbers_of_the_vocabulary(text):
    tokenizer = Tokenizer(captions.vocabulary(), longest=40)
    ids = tokenizer([text])
    assert ids[0, 0] == BEGIN
    assert ids.max() < len(tokenizer)
    assert ids.shape[1] == 1 + len(words(text))
    assert (ids[0] == UNKNOWN).sum() == sum(word not in tokenizer.vocabulary for word in words(text))


def test_every_caption_is_read_whole():
    scenes = draw_scenes(3000, torch.Generator().manual_seed(0), all_cells())
    tokenizer = contrastive_pair_network().text.tokenizer
    ids = tokenizer(captions.draw_captions(scenes, torch.Generator().manual_seed(1)))
    assert not (ids == UNKNOWN).any()


# --- attention --------------------------------------------------------------------------------------------------------


def test_attention_by_hand():
    q = torch.tensor([[1.0, 0.0]])
    k = torch.tensor([[2.0, 0.0], [0.0, 2.0], [9.0, 9.0]])
    v = torch.tensor([[1.0], [3.0], [100.0]])
    found, weights = attention(q, k, v, torch.tensor([True, True, False]))
    first = math.exp(2 / math.sqrt(2)) / (math.exp(2 / math.sqrt(2)) + 1)
    assert weights[0].tolist() == pytest.approx([first, 1 - first, 0])
    assert found.item() == pytest.approx(first + 3 * (1 - first))


def test_weights_sum_to_one_over_the_keys():
    q, k = torch.randn(2, 3, 5, 4), torch.randn(2, 3, 7, 4)
    _, weights = attention(q, k, k)
    assert weights.shape == (2, 3, 5, 7)
    assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 3, 5), atol=1e-6)


def test_positions_find_what_the_words_hold():
    torch.manual_seed(0)
    layer = CrossAttention(8, word_size=6, heads=2)
    x, said = torch.randn(2, 15, 8), torch.randn(2, 4, 6)
    out = layer(x, said)
    assert out.shape == x.shape
    other = layer(x, torch.cat([said[:1], torch.randn(1, 4, 6)]))
    assert torch.equal(out[0], other[0])
    assert (out[1] - other[1]).abs().max() > 1e-3
    # By hand, head by head.
    q = layer.to_q(x[0])  # (15, 8)
    k, v = layer.to_kv(said[0]).chunk(2, dim=-1)  # (4, 8) each
    heads = [attention(q[:, part], k[:, part], v[:, part])[0] for part in (slice(0, 4), slice(4, 8))]
    assert torch.allclose(out[0], layer.to_out(torch.cat(heads, dim=1)), atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "given", "words"),
    [
        (CrossAttention(8, word_size=6), (torch.zeros(2, 5, 7), torch.ones(2, 4, 6)), "tokens must have shape"),
        (CrossAttention(8, word_size=6), (torch.zeros(2, 5, 8), torch.ones(2, 4, 7)), "words must have shape"),
        (CrossAttention(8, word_size=6), (torch.zeros(2, 5, 8), None), "words must be a torch.Tensor"),
        (MapCrossAttention(8, word_size=6), (torch.zeros(2, 8, 5), torch.ones(2, 4, 6)), "x must have shape"),
        (MapCrossAttention(8, word_size=6), (torch.ones(2, 4, 6), torch.zeros(2, 8, 3, 5)), "x must have shape"),
    ],
)
def test_cross_attention_refuses_other_shapes_in_one_sentence(layer, given, words):
    with pytest.raises((TypeError, ValueError), match=words):
        layer(*given)


def test_heads_have_to_divide_the_size():
    with pytest.raises(ValueError, match="heads must divide the size of a token, 8, but got 3"):
        CrossAttention(8, word_size=6, heads=3)


def test_the_positions_of_a_map_are_tokens_row_by_row():
    torch.manual_seed(0)
    layer = MapCrossAttention(8, word_size=6, heads=2)
    x, said = torch.randn(2, 8, 3, 5), torch.randn(2, 4, 6)
    with record_attention() as maps:
        out = layer(x, said)
    assert maps[0].shape == (2, 2, 15, 4)
    for row, column in ((0, 0), (1, 3), (2, 4)):
        token = layer.norm(x)[:, :, row, column]  # (2, 8)
        alone = layer.attend(token[:, None], said)[:, 0]
        assert torch.allclose(out[:, :, row, column], x[:, :, row, column] + alone, atol=1e-5)


def test_padding_is_never_attended_and_its_length_changes_nothing():
    torch.manual_seed(0)
    net = TextUNet(word_size=16, widths=(8, 16, 16))
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x, t, said = torch.randn(2, 4, 8, 8), torch.tensor([3, 700]), torch.randn(2, 5, 16)
    said[1, 3:] = 0
    longer = torch.nn.functional.pad(said, (0, 0, 0, 9))
    assert is_word(longer).sum(dim=1).tolist() == [5, 3]
    with record_attention() as maps:
        out, again = net(x, t, said), net(x, t, longer)
    assert torch.allclose(out, again, atol=1e-5)
    for weights in maps:
        assert (weights[1, ..., 3:] == 0).all()
        assert torch.allclose(weights.sum(dim=-1), torch.ones(weights.shape[:-1]), atol=1e-5)


def test_maps_are_recorded_within_and_not_outside():
    net = TextUNet(word_size=16, widths=(8, 16, 16))
    x, t, said = torch.randn(2, 4, 8, 8), torch.tensor([3, 700]), torch.randn(2, 5, 16)
    with record_attention() as maps:
        net(x, t, said)
    sides = [8, 4, 2, 2, 4, 8]
    assert [weights.shape for weights in maps] == [(2, 4, side**2, 5) for side in sides]
    net(x, t, said)
    assert len(maps) == 6
    with record_attention() as outer:
        with record_attention() as inner:
            net(x, t, said)
        assert (len(outer), len(inner)) == (0, 6)
        net(x, t, said)
    assert len(outer) == 6
    with pytest.raises(ZeroDivisionError), record_attention():
        _ = 1 / 0
    net(x, t, said)
    assert len(outer) == 6


# --- the U-Net that reads ---------------------------------------------------------------------------------------------


def test_a_new_text_unet_answers_zero_and_wants_sides_that_divide_by_four():
    net = TextUNet(word_size=16, widths=(8, 16, 16))
    x, said = torch.randn(2, 4, 8, 12), torch.randn(2, 3, 16)
    assert (net(x, torch.tensor([1, 2]), said) == 0).all()
    with pytest.raises(ValueError, match="sides that divide by 4"):
        net(torch.randn(2, 4, 6, 8), torch.tensor([1, 2]), said)


# --- the encoder ------------------------------------------------------------------------------------------------------


def test_a_vector_for_each_word_and_zeros_for_padding(encoder):
    out = encoder.encode(["a red car", ""])
    assert out.shape == (2, 4, 16)
    assert is_word(out).tolist() == [[True] * 4, [True, False, False, False]]
    ids = encoder.tokenizer(["a red car", ""])
    assert torch.equal(encoder(ids).text, out[:, 0])


def test_a_text_alone_is_what_it_is_among_longer_ones(encoder):
    alone, among = encoder.encode(["a car"]), encoder.encode(["a car", "a red , red car"])
    assert torch.allclose(alone[0], among[0, :3], atol=1e-6)


def test_order_matters(encoder):
    one, other = encoder.encode(["red car"]), encoder.encode(["car red"])
    assert (one[0, 0] - other[0, 0]).abs().max() > 1e-3


# --- pictures and texts -----------------------------------------------------------------------------------------------


def test_the_contrastive_loss_by_hand():
    pictures = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    texts = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    fits = torch.tensor([[True, False, False], [False, True, False]])
    e = math.e
    to_text = (-math.log(e / (e + 1 + 1 / e)) - math.log(e / (1 + e + 1))) / 2
    to_picture = -math.log(e / (e + 1))  # the hard negative looks for no picture
    loss = contrastive_loss(pictures, texts, fits, torch.tensor(1.0))
    assert loss.item() == pytest.approx((to_text + to_picture) / 2, abs=1e-6)


def test_several_right_answers_share_the_probability():
    pictures, texts = torch.ones(1, 1), torch.ones(2, 1)
    both = contrastive_loss(pictures, texts, torch.tensor([[True, True]]), torch.tensor(5.0))
    assert both.item() == pytest.approx(math.log(2) / 2, abs=1e-6)  # nothing to learn: an even choice, and one picture


def test_several_pictures_of_one_text_share_the_probability():
    pictures, texts = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    loss = contrastive_loss(pictures, texts, torch.tensor([[True], [True]]), torch.tensor(1.0))
    to_picture = math.log(math.e + 1) - 0.5  # half of it to each: the mean of log(1 + e) - 1 and log(1 + e)
    assert loss.item() == pytest.approx(to_picture / 2, abs=1e-6)


def test_fitting_captions_are_those_that_say_nothing_wrong():
    scenes = draw_scenes(40, torch.Generator().manual_seed(0))
    full = [captions.describe(scenes, row) for row in range(40)]
    drawn = captions.draw_captions(scenes, torch.Generator().manual_seed(1))
    assert recipe.fits(scenes, full).diagonal().all()
    assert recipe.fits(scenes, drawn).diagonal().all()
    name = OBJECTS[scenes.object[0]]
    colour = list(COLOURS)[scenes.colour[0]]
    texts = [f"a {colour} {name}", f"a {list(COLOURS)[scenes.colour[0] - 1]} {name}"]
    assert recipe.fits(scenes, texts)[0].tolist() == [True, False]


def test_no_caption_in_training_names_a_held_out_cell_and_every_second_half_is_wrong():
    held_out = held_out_cells()
    for seed in range(20):
        batch = recipe.draw_batch(torch.Generator().manual_seed(seed))
        count = recipe.BATCH_SIZE
        assert len(batch.texts) == 2 * count
        assert batch.fits[:, :count].diagonal().all()
        assert not batch.fits[:, count:].diagonal().any()
        for text in batch.texts:
            asked = captions.read_caption(text)
            assert not held_out[asked.object, asked.colour], text
        own, swapped = (captions.read_caption(text) for text in (batch.texts[0], batch.texts[count]))
        assert own._replace(colour=None) == swapped._replace(colour=None)
        assert own.colour != swapped.colour


def test_the_pair_ends_on_the_unit_sphere_and_learns_from_a_batch():
    torch.manual_seed(0)
    pair = contrastive_pair_network()
    batch = recipe.draw_batch(torch.Generator().manual_seed(0))
    ids = pair.text.tokenizer(batch.texts)
    for embedded in (pair.embed_texts(ids), pair.embed_pictures(batch.pictures)):
        assert torch.allclose(embedded.norm(dim=1), torch.ones(len(embedded)), atol=1e-5)
    loss = recipe.loss(pair, batch, torch.Generator())
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2 * recipe.BATCH_SIZE), rel=0.3)  # it knows nothing yet
    assert all(parameter.grad is not None for parameter in pair.parameters())
    assert isinstance(pair, ContrastivePair)
