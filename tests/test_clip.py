"""The real CLIP through the encoder's interface: its classes, made tiny and with random weights."""

import json

import pytest
import torch

from course_lib.denoisers import NetDenoiser
from course_lib.networks.attention import is_word
from course_lib.networks.clip import ClipEncoder
from course_lib.networks.text_unet import TextUNet
from course_lib.networks.vae import VAE
from course_lib.pipeline.text_to_image import TextToImage
from course_lib.schedules import NoiseSchedule

transformers = pytest.importorskip("transformers", reason="make .venv/clip installs transformers, as CI does")

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A tokeniser that knows letters and nothing longer, and a transformer of one layer."""
    folder = tmp_path_factory.mktemp("clip")
    tokens = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    torch.manual_seed(0)
    config = transformers.CLIPTextConfig(
        **{"vocab_size": len(tokens), "hidden_size": 16, "intermediate_size": 32, "projection_dim": 16},
        **{"num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 12},
        **{"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1},
    )
    return ClipEncoder(transformers.CLIPTextModel(config), tokenizer)


def test_a_vector_for_each_token_and_zeros_for_padding(encoder):
    out = encoder.encode(["red car", "a"])
    assert out.shape == (2, 8, 16)  # begin, six letters, end
    assert is_word(out).sum(dim=1).tolist() == [8, 3]
    assert not out.requires_grad


def test_a_text_alone_is_what_it_is_among_longer_ones(encoder):
    assert torch.allclose(encoder.encode(["a"])[0], encoder.encode(["a", "red car"])[0, :3], atol=1e-5)


def test_the_empty_text_is_one_too_and_no_word_is_unknown(encoder):
    assert is_word(encoder.encode([""])).sum() == 2
    assert encoder.unknown("zebroid") == {}


def test_a_long_text_is_refused_in_a_sentence(encoder):
    with pytest.raises(ValueError, match=r"a text may have 12 tokens, but got one of 17: shorten it\."):
        encoder.encode(["a car", "a" * 15])


def test_it_fits_into_the_pipeline(encoder):
    net = TextUNet(word_size=encoder.size, widths=(8, 16, 16)).eval().requires_grad_(False)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    pipe = TextToImage(encoder, NetDenoiser(net, NoiseSchedule.cosine(), "v"), VAE(width=16).eval())
    red, blue = pipe(["a red", "a blue"], steps=2).tensor
    assert red.shape == (3, 64, 64)
    assert not torch.equal(red, blue)
