"""Train the judge of wholeness: ``python -m course_lib.recipes.emoji_wholeness``, a quarter of an hour on two cores.

A classifier of objects passes torn pictures: two outlines in one, a body without wheels. This judge sees each picture
beside the nearest real drawing, and is shown two kinds:

- *rated* ones, which the text-to-image model drew after its first round and an eye has looked at (emoji/rated.py);
- *made* ones: real pictures, and such as are not whole: real ones that were damaged (emoji/damage.py), what notebook 04's
  model draws at settings that tear pictures, and real ones that it has redrawn from a noised state. The more noise, the
  less is left of the drawing: the little changed ones are shown as whole, so that the model's hand gives nothing away, and
  the melted ones as torn. All go through the VAE, with a little noise on their latents, so that blur gives nothing away
  either; a quarter of the composed ones stay as they are.

Both are needed, and so is the drawing beside. A whole one of the pictures below scored higher than a torn one, after 450
steps with the first 1,680 rated pictures, in 91 % of all pairs; without the made ones in 89, and fewer real pictures passed;
without the drawing beside in 73; and with made ones alone, after 300 steps, in 82.

Then it is calibrated on 300 other pictures, each rated twice or three times: as many pass as the eye found whole.
"""

import json
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.emoji.damage import KINDS, WITH_WHEELS, changed, damage
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.judging import beside, judge
from course_lib.emoji.nearest import nearest_real
from course_lib.emoji.rated import rated_once, rated_pictures
from course_lib.emoji.scenes import OBJECTS, Scenes, all_cells, draw_scenes
from course_lib.forward import add_noise
from course_lib.guidance import Guided
from course_lib.networks.classifier import Classifier
from course_lib.networks.vae import LATENT, VAE
from course_lib.pretrained import emoji_classifier, emoji_latent, emoji_vae, emoji_wholeness_network, text_to_image_vae
from course_lib.recipes.shared.latents import draw
from course_lib.recipes.shared.running import run_training, ship
from course_lib.sampling import ddim_step, sample_many
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device, half_precision, on_best_device
from course_lib.training import TrainState, warm_up_then_fall

STEPS, PEAK, BATCH_SIZE, EMA_LIMIT = 2400, 1e-3, 64, 0.99
RATED = 0.6  # of each batch
MADE, AT_A_TIME = 9600, 64
MOVED = 3  # pixels at most, a picture and its drawing alike

NOISE = 0.25  # at most; latents have deviation 1
UNTOUCHED = 0.25  # of the composed pictures
TORN = 1000  # pictures that the model draws at each of these:
SETTINGS = {"w = 0": (0.0, 25), "w = 1": (1.0, 25), "w = 15": (15.0, 25), "3 steps": (1.0, 3)}
"""Name → guidance and steps at which notebook 04's model tears its pictures, at w = 1 nineteen of twenty."""

REDRAWN, REDRAWN_STEPS = 10_000, 8
NOISED = (200, 350, 500, 650)  # the times, of 1…1000, from which pictures are redrawn
UNCHANGED, MELTED = 0.05, 0.12  # up to which change a redrawn picture counts as whole, and from which on as torn

TESTED = 2000
REAL_PASSED = 0.98  # at least, of those that the VAE gave back


class Compared(NamedTuple):
    """Pictures and the nearest real ones, (N, 3, 64, 64) in [-1, 1] each; and which are whole, (N,) bool."""

    pictures: Tensor
    real: Tensor
    whole: Tensor


def compared(pictures: Tensor, whole: Tensor) -> Compared:
    return Compared(pictures, real_beside(pictures), whole)


def real_beside(pictures: Tensor) -> Tensor:
    """The real drawings nearest to what the judges see in these pictures."""
    return nearest_real(pictures, judge(pictures, emoji_classifier()))


# --- made pictures ----------------------------------------------------------------------------------------------------


def some_scenes(count: int, generator: torch.Generator, cells: Tensor | None = None) -> Scenes:
    """Scenes of all cells, or of these; every second one with the object in the middle."""
    scenes = draw_scenes(count, generator, all_cells() if cells is None else cells)
    middle, moved = scenes.centred(), torch.arange(count) % 2 == 0
    return replace(scenes, x=torch.where(moved, scenes.x, middle.x), y=torch.where(moved, scenes.y, middle.y))


def damaged(kind: str, count: int, generator: torch.Generator) -> Tensor:
    """At most ``count`` pictures with one kind of damage that can be seen, (N, 3, 64, 64) in [-1, 1]."""
    cells = all_cells()
    if kind == "without wheels":
        cells &= torch.tensor([name in WITH_WHEELS for name in OBJECTS])[:, None]
    pictures, visible = damage(some_scenes(2 * count, generator, cells), kind, generator)
    return scaled(pictures[visible][:count])


def torn_latents(count: int, seed: int) -> dict[str, Tensor]:
    """What notebook 04's model draws of ``count`` scenes at each of the SETTINGS, (count, 4, 16, 16) each."""
    model, labels = emoji_latent(), some_scenes(count, torch.Generator().manual_seed(seed)).labels
    none = torch.full_like(labels[:1], model.net.null_class)
    with torch.no_grad(), half_precision():
        return {
            name: draw(Guided(model.denoiser, w, none), LATENT, labels, steps, seed).float()
            for name, (w, steps) in SETTINGS.items()
        }


@torch.no_grad()
def redrawn_latents(vae: VAE, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """``count`` scenes that notebook 04's model has redrawn, a part of them from each of the times NOISED.

    Returns:
        Latents of pictures that came out nearly unchanged, and of those that melted, (N, 4, 16, 16) each.
    """
    denoiser, generator = emoji_latent().denoiser, torch.Generator().manual_seed(seed)
    redrawn, change = [], []
    for t in NOISED:
        scenes = some_scenes(count // len(NOISED), generator)
        times = [t * (1 - step / REDRAWN_STEPS) for step in range(REDRAWN_STEPS + 1)]
        with half_precision():
            x_0 = in_batches(vae.to_latents, scaled(compose(scenes))).float()
            noise = torch.randn(x_0.shape, generator=generator)
            x_t = add_noise(denoiser.schedule, x_0, torch.full((len(x_0),), t), noise)
            x_t, labels = x_t.to(best_device()), scenes.labels.to(best_device())
            latents = sample_many(denoiser, x_t, times, ddim_step, labels).float()
            pictures, originals = ((in_batches(vae.to_pictures, x).float() + 1) * 127.5 for x in (latents, x_0))
        redrawn.append(latents)
        change.append(changed(pictures, originals))
    redrawn, change = torch.cat(redrawn), torch.cat(change)
    return redrawn[change <= UNCHANGED], redrawn[change >= MELTED]


def draw_made(vaes: list[VAE], unchanged: Tensor, torn: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Nearly AT_A_TIME pictures, (B, 3, 64, 64) in [-1, 1], half of them whole; and which are: (B,) bool.

    A quarter of the whole ones, and half of the torn ones, are drawn by a model.

    Args:
        vaes: of which one, drawn at random, decodes them.
        unchanged, torn: latents to draw the model's pictures from, (N, 4, 16, 16) each.
    """
    half = AT_A_TIME // 2
    real = scaled(compose(some_scenes(half * 3 // 4, generator)))
    composed = torch.cat([real, *(damaged(kind, half // (2 * len(KINDS)), generator) for kind in KINDS)])
    by_model = [_some_of(unchanged, half // 4, generator), _some_of(torn, half // 2, generator)]
    whole = torch.zeros(len(composed) + sum(map(len, by_model)), dtype=torch.bool)
    whole[: len(real)] = whole[len(composed) : len(composed) + half // 4] = True
    vae = vaes[torch.randint(len(vaes), (), generator=generator)]
    with torch.no_grad(), half_precision():
        latents = torch.cat([in_batches(vae.to_latents, composed).float(), *by_model])
        strength = NOISE * torch.rand(len(latents), 1, 1, 1, generator=generator)
        latents = latents + strength * torch.randn(latents.shape, generator=generator)
        pictures = in_batches(vae.to_pictures, latents).float()
    untouched = (torch.rand(len(composed), generator=generator) < UNTOUCHED).nonzero().flatten()
    pictures[untouched] = composed[untouched]
    return pictures, whole


def make(vaes: list[VAE], count: int, seed: int) -> Compared:
    """At least ``count`` made pictures, of all kinds."""
    unchanged, melted = redrawn_latents(vaes[1], REDRAWN, seed)
    torn = torch.cat([*torn_latents(TORN, seed).values(), melted])
    generator, parts = torch.Generator().manual_seed(seed), []
    while sum(len(pictures) for pictures, _ in parts) < count:
        parts.append(draw_made(vaes, unchanged, torn, generator))
    return compared(*map(torch.cat, zip(*parts, strict=True)))


def _some_of(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return rows[torch.randint(len(rows), (count,), generator=generator)]


# --- training ---------------------------------------------------------------------------------------------------------


def draw_batch(rated: Compared, made: Compared, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """What the judge is shown, (BATCH_SIZE, 9, 64, 64), RATED of it from the rated pictures; and which are whole, int64.

    A picture and its drawing are changed alike, which leaves a whole one whole: some are mirrored, all are moved by up to
    MOVED pixels, and red, green and blue change places.
    """
    count = round(RATED * BATCH_SIZE)
    rows = [
        torch.randint(len(some.whole), (size,), generator=generator)
        for some, size in ((rated, count), (made, BATCH_SIZE - count))
    ]
    pictures, real, whole = (torch.cat([a[rows[0]], b[rows[1]]]) for a, b in zip(rated, made, strict=True))
    both = torch.stack([pictures, real], dim=1)  # (B, 2, 3, 64, 64)
    mirrored = torch.rand(BATCH_SIZE, 1, 1, 1, 1, generator=generator) < 0.5
    both = torch.where(mirrored, both.flip(-1), both)[:, :, torch.randperm(3, generator=generator)]
    side, (y, x) = both.shape[-1], torch.randint(2 * MOVED + 1, (2,), generator=generator).tolist()
    both = F.pad(both.flatten(0, 1), (MOVED,) * 4, mode="replicate")[:, :, y : y + side, x : x + side]
    return beside(*both.unflatten(0, (-1, 2)).unbind(dim=1)), whole.long()


def loss(net: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
    both, whole = (part.to(best_device()) for part in batch)
    with half_precision():
        return F.cross_entropy(net(both), whole)


# --- calibration and measurement --------------------------------------------------------------------------------------


def wholeness(net: Classifier, pictures: Tensor) -> Tensor:
    """The score of each picture, (B,): above zero it counts as whole."""
    torn, whole = in_batches(net, beside(pictures, real_beside(pictures))).float().unbind(dim=1)
    return whole - torn


def threshold(scores: Tensor, whole: Tensor, real: Tensor) -> Tensor:
    """From which score on as many pictures pass as the eye found whole; lower, if not REAL_PASSED of real ones would."""
    return torch.minimum(scores.quantile(1 - whole.float().mean()), real.quantile(1 - REAL_PASSED))


def agreement(scores: Tensor, whole: Tensor, real: Tensor) -> Tensor:
    """Whether judge and eye agree, (N,) bool: each half by the threshold that the other half gives."""
    agree = torch.empty_like(whole)
    for half in (slice(0, None, 2), slice(1, None, 2)):
        other = slice(1 - half.start, None, 2)
        agree[half] = (scores[half] > threshold(scores[other], whole[other], real)) == whole[half]
    return agree


def ranking(scores: Tensor, whole: Tensor) -> float:
    """How often a whole picture scores higher than a torn one: the area under the curve, 0.5 by chance."""
    return (scores[whole][:, None] > scores[~whole]).double().mean().item()


def measure(net: Classifier, vaes: list[VAE], scores: Tensor, real: Tensor) -> dict[str, str]:
    """How often judge and eye agree on the pictures that measure; how many real pictures pass, as composed and from each
    VAE; and how many torn ones, of each kind, do not.

    Args:
        scores: of the 300 rated pictures, before the calibration.
        real: those of real pictures that the VAE gave back, likewise.
    """
    whole = rated_pictures().whole
    agree = agreement(scores, whole, real)
    quality = {
        "rated_by_eye": f"{len(whole)}",
        "agrees_with_the_eye": f"{agree.double().mean().item():.4f}",
        "rated_whole_passed": f"{agree[whole].double().mean().item():.4f}",
        "rated_torn_refused": f"{agree[~whole].double().mean().item():.4f}",
        "ranked_right": f"{ranking(scores, whole):.4f}",
    }

    def passed(pictures: Tensor) -> float:
        return (wholeness(net, pictures) > 0).double().mean().item()

    generator = torch.Generator().manual_seed(1)
    pictures = scaled(compose(some_scenes(TESTED, generator)))
    quality["real_passed"] = f"{passed(pictures):.4f}"
    for name, vae in zip(("emoji_vae", "emoji_decoder"), vaes, strict=True):
        quality[f"real_passed_reconstructed_by_{name}"] = f"{passed(in_batches(vae.reconstruct, pictures)):.4f}"
    unchanged, melted = redrawn_latents(vaes[1], TESTED, seed=1)
    quality["unchanged_passed"] = f"{passed(in_batches(vaes[1].to_pictures, unchanged)):.4f}"
    torn = {kind: in_batches(vaes[1].reconstruct, damaged(kind, TESTED // 4, generator)) for kind in KINDS}
    for name, latents in (torn_latents(TESTED // 4, seed=1) | {"redrawn": melted}).items():
        torn[name] = in_batches(vaes[1].to_pictures, latents)
    return quality | {"torn_refused": json.dumps({name: round(1 - passed(some), 4) for name, some in torn.items()})}


def main() -> None:
    vaes, once = [emoji_vae(), text_to_image_vae()], rated_once()
    torch.manual_seed(0)
    state = TrainState(on_best_device(emoji_wholeness_network()), ema_limit=EMA_LIMIT)
    batches = partial(draw_batch, compared(scaled(once.pictures), once.whole), make(vaes, MADE, seed=0))
    learning_rate = partial(warm_up_then_fall, steps=STEPS, peak=PEAK)
    run_training("emoji_wholeness", state, batches, loss, STEPS, BATCH_SIZE, learning_rate)
    net, rated = state.ema.eval(), rated_pictures()
    pictures = scaled(compose(some_scenes(TESTED, torch.Generator().manual_seed(2))))
    real = wholeness(net, in_batches(vaes[1].reconstruct, pictures))
    scores = wholeness(net, scaled(rated.pictures))
    with torch.no_grad():
        net.to_logits.bias[1] -= threshold(scores, rated.whole, real)
    ship("emoji_wholeness", "emoji/rated_once.webp", state, BATCH_SIZE, measure(net, vaes, scores, real))


if __name__ == "__main__":
    main()
