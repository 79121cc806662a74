"""Every shipped network draws what it drew before: however the library is rebuilt, to float32's rounding.

``python tests/test_same_pictures.py`` writes the numbers anew. Do so only where another picture is meant.
"""

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from course_lib import pretrained
from course_lib.denoisers import Clipped, GaussianDenoiser, IdealDenoiser, NetDenoiser
from course_lib.forward import add_noise
from course_lib.guidance import Guided, Within
from course_lib.networks.unet import UNet
from course_lib.sampling import ddim_step, ddpm_step, dpmpp_2m_step, last, sample
from course_lib.schedules import NoiseSchedule
from course_lib.training import TrainState, denoising_loss, train

NUMBERS = Path(__file__).with_suffix(".json")
RULES = {"ddpm": ddpm_step, "ddim": ddim_step, "half": partial(ddim_step, eta=0.5), "dpmpp": dpmpp_2m_step}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def garments(rule, times=None):
    model = pretrained.fashion()
    x, labels = torch.randn(2, 1, 28, 28, generator=seeded()), torch.tensor([3, 9])
    times = times or model.schedule.times(6)
    return last(sample(Clipped(model.denoiser, -1, 1), x, times, rule, labels, seeded(1)))


def inverted():
    model = pretrained.fashion()
    start = garments(ddim_step)
    return last(sample(model.denoiser, start, [1, 100, 300, 600, 1000], ddim_step, torch.tensor([3, 9])))


def objects(rule):
    model = pretrained.emoji_latent()
    x, generator = torch.randn(2, 4, 16, 16, generator=seeded()), seeded(1)
    labels = torch.tensor([[3, 1, 2, 1], [20, 5, 4, 0]])
    return last(sample(model.denoiser, x, model.schedule.times(5), rule, labels, generator))


def prompted(**options):
    pipe = pretrained.text_to_image()
    return pipe(["a red sports car", "a small blue frog on pink"], steps=5, seed=2, parallel=0.3, **options).tensor


def prompted_in(steps):
    pipe = pretrained.text_to_image(steps=steps)
    return pipe(["a red sports car", "a small blue frog on pink"], seed=2).tensor


def guided(within):
    model = pretrained.fashion()
    guided = Guided(model.denoiser, 3.0, torch.tensor([model.net.null_class]))
    denoiser = Clipped(Within(guided, model.denoiser, 200, 800) if within else guided, -1, 1)
    x = torch.randn(2, 1, 28, 28, generator=seeded())
    return last(sample(denoiser, x, model.schedule.times(5), cond=torch.tensor([3, 9])))


def exact(kind, schedule, rule):
    data = torch.linspace(-1, 1, 12).reshape(4, 3)
    denoiser = GaussianDenoiser(0.3, 0.5, schedule) if kind == "gaussian" else IdealDenoiser(data, schedule)
    x = torch.randn(5, 3, generator=seeded())
    return last(sample(denoiser, x, schedule.times(7), rule, generator=seeded(1)))


def trained(predicts):
    torch.manual_seed(0)
    net, schedule = UNet(width=8), NoiseSchedule.cosine()

    def loss(net, batch, generator):
        return denoising_loss(NetDenoiser(net, schedule, predicts), batch, torch.tensor([1, 2, 3, 4]), generator)

    steps = train(TrainState(net), lambda generator: torch.randn(4, 1, 8, 8, generator=generator), loss, 3)
    return torch.tensor([step.loss for step in steps])


def noised(schedule):
    x_0 = torch.linspace(-1, 1, 24).reshape(6, 4)
    t = torch.tensor([0, 1, 250, 500, 999, 1000])
    return add_noise(schedule, x_0, t, torch.randn(6, 4, generator=seeded()))


CASES = {
    **{f"garments {name}": partial(garments, rule) for name, rule in RULES.items()},
    "garments from the middle": partial(garments, ddpm_step, [500, 300, 200, 50, 0]),
    "garments inverted": inverted,
    **{f"objects {name}": partial(objects, rule) for name, rule in RULES.items()},
    "prompt": prompted,
    "prompt, guidance 5": partial(prompted, guidance=5),
    "prompt, negative": partial(prompted, negative="on white"),
    **{f"prompt, student of {steps}": partial(prompted_in, steps) for steps in pretrained.STUDENTS},
    "guided": partial(guided, within=False),
    "guided within": partial(guided, within=True),
    **{
        f"{kind} {name} {rule}": partial(exact, kind, schedule, RULES[rule])
        for kind in ("gaussian", "ideal")
        for name, schedule in (("linear", NoiseSchedule.linear()), ("cosine", NoiseSchedule.cosine()))
        for rule in RULES
    },
    **{f"trained on {predicts}": partial(trained, predicts) for predicts in ("eps", "x_0", "v")},
    "noised linear": partial(noised, NoiseSchedule.linear()),
    "noised cosine": partial(noised, NoiseSchedule.cosine()),
}


def some_of(result):
    """Numbers that tell one result from another: mean and spread, and eight of its values."""
    values = result.double().flatten()
    places = torch.linspace(0, len(values) - 1, min(8, len(values))).long()
    return [round(each, 6) for each in (values.mean().item(), values.std().item(), *values[places].tolist())]


@pytest.mark.parametrize("case", CASES)
def test_it_draws_what_it_drew_before(case):
    before = json.loads(NUMBERS.read_text(encoding="utf-8"))[case]
    assert some_of(CASES[case]()) == pytest.approx(before, abs=5e-4)


def test_no_number_is_left_over():
    assert json.loads(NUMBERS.read_text(encoding="utf-8")).keys() == CASES.keys()


if __name__ == "__main__":
    written = {case: some_of(draw()) for case, draw in CASES.items()}
    lines = ",\n".join(f"  {json.dumps(case)}: {json.dumps(numbers)}" for case, numbers in written.items())
    NUMBERS.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
