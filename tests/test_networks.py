"""The networks: shapes, what depends on what, and attention by hand."""

import math

import pytest
import torch

from course_lib.networks.attention import SelfAttention
from course_lib.networks.classifier import Classifier
from course_lib.networks.time_embedding import embed_time
from course_lib.networks.unet import ResBlock, UNet
from course_lib.support.device import best_device, half_precision


@pytest.fixture
def unet():
    """A small U-Net with random instead of zero weights at the end, so that every input can be felt."""
    torch.manual_seed(0)
    net = UNet(channels=2, classes=3, width=8)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return net


def test_shapes(unet):
    for side in (4, 8, 28):
        x = torch.randn(5, 2, side, side)
        assert unet(x, torch.arange(1, 6), torch.tensor([0, 1, 2, 3, 0])).shape == x.shape
    assert unet(torch.randn(1, 2, 8, 12), torch.tensor([7])).shape == (1, 2, 8, 12)
    with pytest.raises(ValueError, match="sides that divide by 4"):
        unet(torch.randn(1, 2, 30, 28), torch.tensor([7]))


def test_several_labels_of_a_picture_add_up(unet):
    x, t = torch.randn(2, 2, 8, 8), torch.tensor([5, 900])
    both = unet(x, t, torch.tensor([[0, 2], [1, 1]]))
    assert torch.equal(both, unet(x, t, torch.tensor([[2, 0], [1, 1]])))
    assert torch.equal(unet(x, t, torch.tensor([[0], [1]])), unet(x, t, torch.tensor([0, 1])))
    with torch.no_grad():
        unet.embed_label.weight[1] = unet.embed_label.weight[0] + unet.embed_label.weight[2]
    assert torch.allclose(both[:1], unet(x[:1], t[:1], torch.tensor([1])), atol=1e-5)


def test_without_patches_positions_enter_one_by_one():
    torch.manual_seed(0)
    net = UNet(channels=4, classes=3, width=8, patch=1)
    assert net.stem.in_channels == 4
    x = torch.randn(2, 4, 6, 10)
    assert net(x, torch.tensor([1, 9])).shape == x.shape
    with pytest.raises(ValueError, match="sides that divide by 2"):
        net(torch.randn(1, 4, 5, 6), torch.tensor([7]))


def test_half_precision_is_used_where_the_processor_has_it_and_nowhere_else(monkeypatch):
    a = torch.ones(2, 2, device=best_device())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    with half_precision():
        assert (a @ a).dtype == torch.float32
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    with half_precision():
        assert (a @ a).dtype == torch.bfloat16
    assert (a @ a).dtype == torch.float32


def test_a_new_unet_answers_zero_everywhere():
    assert (UNet()(torch.randn(2, 1, 28, 28), torch.tensor([1, 1000])) == 0).all()


def test_no_label_is_the_null_class(unet):
    x, t = torch.randn(2, 2, 8, 8), torch.tensor([5, 900])
    assert torch.equal(unet(x, t), unet(x, t, torch.tensor([3, 3])))
    assert unet.null_class == 3


def test_time_and_label_change_the_answer_and_rows_do_not_mix(unet):
    x, t, cond = torch.randn(3, 2, 8, 8), torch.tensor([5, 500, 900]), torch.tensor([0, 1, 2])
    out = unet(x, t, cond)
    for changed in (unet(x, t + 50, cond), unet(x, t, (cond + 1) % 3)):
        assert ((changed - out).abs().amax(dim=(1, 2, 3)) > 1e-4).all()
    alone = torch.cat([unet(x[i : i + 1], t[i : i + 1], cond[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(out, alone, rtol=1e-4, atol=1e-5)


def test_every_position_sees_the_whole_picture(unet):
    x = torch.randn(1, 2, 16, 16, requires_grad=True)
    unet(x, torch.tensor([5]))[0, 0, 0, 0].backward()
    assert (x.grad.abs() > 0).all()


def test_every_parameter_is_used(unet):
    unet(torch.randn(4, 2, 8, 8), torch.tensor([1, 2, 3, 4]), torch.tensor([0, 1, 2, 3])).square().sum().backward()
    for name, parameter in unet.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_time_embedding_known_values():
    emb = embed_time(torch.tensor([0, 3]), 8)
    assert emb.shape == (2, 8)
    torch.testing.assert_close(emb[0], torch.tensor([0.0] * 4 + [1.0] * 4))
    waves = [3 * 10_000 ** (-i / 4) for i in range(4)]
    torch.testing.assert_close(emb[1], torch.tensor([math.sin(w) for w in waves] + [math.cos(w) for w in waves]))


def test_a_new_block_changes_nothing():
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(ResBlock(8, 8, 16)(x, torch.randn(2, 16)), x)


def test_attention_is_torchs_own():
    torch.manual_seed(0)
    layer = SelfAttention(16, heads=2)
    x = torch.randn(3, 16, 4, 5)
    q, k, v = layer.to_qkv(layer.norm(x)).reshape(3, 3, 2, 8, 20).unbind(1)
    by_torch = torch.nn.functional.scaled_dot_product_attention(*(part.transpose(-1, -2) for part in (q, k, v)))
    expected = x + layer.to_out(by_torch.transpose(-1, -2).reshape(3, 16, 4, 5))
    torch.testing.assert_close(layer(x), expected)


def test_classifier_shapes():
    net = Classifier()
    assert net(torch.randn(3, 1, 28, 28)).shape == (3, 10)
    assert net.features(torch.randn(3, 1, 28, 28)).shape == (3, 64)


def test_a_classifier_of_larger_pictures_in_colour_with_more_halvings():
    net = Classifier(channels=3, classes=7, size=64, widths=(8, 8, 16, 16))
    assert net(torch.randn(2, 3, 64, 64)).shape == (2, 7)
    assert net.to_features.in_features == 16 * 4 * 4
