"""One network for several numbers of steps: told by a vector, or for good."""

import pytest
import torch

from course_lib.networks.step_counts import StepCounts
from course_lib.networks.text_unet import TextUNet


@pytest.fixture
def students():
    torch.manual_seed(0)
    net = TextUNet(word_size=16, widths=(8, 16, 16))
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return StepCounts(net, (1, 2, 4))


@pytest.fixture
def given():
    torch.manual_seed(1)
    return torch.randn(3, 4, 8, 8), torch.tensor([1000, 500, 1]), torch.randn(3, 5, 16)


def test_before_any_training_the_number_of_steps_changes_nothing(students, given):
    plain = students.net(*given)
    for steps in (1, 2, 4):
        assert torch.equal(students.taking(steps)(*given), plain)


def test_each_number_has_an_answer_of_its_own_and_the_copy_that_is_told_for_good_has_the_same(students, given):
    torch.nn.init.normal_(students.embed_steps.weight)
    told = [students.taking(steps)(*given) for steps in (1, 2, 4)]
    assert not any(torch.allclose(one, other, atol=1e-2) for one, other in ((told[0], told[1]), (told[1], told[2])))
    weights = {name: value.clone() for name, value in students.state_dict().items()}
    for steps, answer in zip((1, 2, 4), told, strict=True):
        alone = students.alone(steps)
        assert type(alone) is TextUNet
        assert torch.allclose(alone(*given), answer, atol=1e-5)
    assert all(torch.equal(value, weights[name]) for name, value in students.state_dict().items())


def test_what_one_learns_reaches_the_shared_weights_and_no_other_ones_vector(students, given):
    students.taking(2)(*given).square().mean().backward()
    assert (students.embed_steps.weight.grad.abs().sum(dim=1) > 0).tolist() == [False, True, False]
    assert all(parameter.grad.abs().sum() > 0 for parameter in students.net.parameters())


def test_what_was_told_follows_the_weights_as_they_are_trained(students, given):
    two = students.taking(2)
    with torch.no_grad():
        students.embed_steps.weight += 1
    assert torch.equal(two(*given), students.taking(2)(*given))


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        *((steps, "steps must be one of 1, 2, 4, but got") for steps in (0, 3, 8)),
        *((steps, "steps must be a whole number") for steps in ("2", None, 2.5, 2.0, True, [2])),
    ],
)
@pytest.mark.parametrize("ask", ["taking", "alone"])
def test_another_number_is_refused_in_a_sentence(students, ask, steps, says):
    with pytest.raises((TypeError, ValueError), match=says):
        getattr(students, ask)(steps)
