"""Train the diffusion model of Fashion-MNIST: ``python -m course_lib.recipes.fashion``.

The model of notebook 02, trained for longer: cosine schedule, the network predicts v, and one label in ten is dropped,
so that the same network also draws without a label.
"""

from functools import cache, partial

import torch
from torch import Tensor, nn

from course_lib.datasets import fashion
from course_lib.denoisers import Clipped, NetDenoiser
from course_lib.metrics import accuracy, frechet_distance
from course_lib.networks.unet import UNet
from course_lib.pretrained import fashion_classifier
from course_lib.recipes.shared.running import run_training, ship
from course_lib.sampling import Rule, ddim_step, sample_many
from course_lib.schedules import NoiseSchedule
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device, on_best_device
from course_lib.training import TrainState, denoising_loss, drop_labels, warm_up_then_fall

STEPS, BATCH_SIZE, LABEL_DROP = 16_000, 128, 0.1
MEASURED, DRAWN_STEPS = 2000, 100
SCHEDULE = NoiseSchedule.cosine()


def loss(net: nn.Module, batch: fashion.Fashion, generator: torch.Generator) -> Tensor:
    labels = drop_labels(batch.labels, net.null_class, LABEL_DROP, generator)
    pictures, labels = batch.pictures.to(best_device()), labels.to(best_device())
    return denoising_loss(NetDenoiser(net, SCHEDULE, "v"), pictures, labels, generator)


def draw_garments(denoiser: Clipped, times: list[int], rule: Rule, count: int = 2000, seed: int = 0) -> fashion.Fashion:
    """``count`` pictures, the ten labels in equal shares, 250 at a time; the same seed gives the same pictures."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(fashion.LABELS)  # (count,)
    noise, cond = torch.randn(count, 1, 28, 28, generator=generator).to(best_device()), labels.to(best_device())
    pictures = sample_many(denoiser, noise, times, rule, cond, generator).clamp(-1, 1)
    return fashion.Fashion(pictures, labels)


def distance_to_real(pictures: Tensor) -> float:
    """The Fréchet distance from pictures, best 2,000, to 8,000 real ones that no network was trained on.

    The first 2,000 of the test set are not among them: they give the floor that real pictures reach.
    """
    return frechet_distance(in_batches(fashion_classifier().features, pictures), _real_features())


@cache
def _real_features() -> Tensor:
    return in_batches(fashion_classifier().features, fashion.test_set().pictures[2000:])  # (8000, 64)


def measure(denoiser: Clipped) -> dict[str, str]:
    """How far drawn garments are from real ones and how many are of their label, beside what real ones score."""
    drawn, real = draw_garments(denoiser, SCHEDULE.times(DRAWN_STEPS), ddim_step, MEASURED), fashion.test_set()
    return {
        "frechet_distance_ddim_100": f"{distance_to_real(drawn.pictures):.3f}",
        "frechet_distance_real": f"{distance_to_real(real.pictures[:MEASURED]):.3f}",
        "judged_right_ddim_100": f"{accuracy(fashion_classifier(), *drawn):.4f}",
        "judged_right_real": f"{accuracy(fashion_classifier(), *real):.4f}",
    }


def main() -> None:
    torch.manual_seed(0)
    data = fashion.train_set()
    state = TrainState(on_best_device(UNet()))
    run_training(
        "fashion",
        state,
        batches=partial(fashion.draw, data, BATCH_SIZE),
        loss=loss,
        steps=STEPS,
        batch_size=BATCH_SIZE,
        learning_rate=partial(warm_up_then_fall, steps=STEPS),
    )
    quality = measure(Clipped(NetDenoiser(state.ema.eval(), SCHEDULE, "v"), -1, 1))
    ship("fashion", "fashion_mnist/train-images-idx3-ubyte.gz", state, BATCH_SIZE, quality)


if __name__ == "__main__":
    main()
