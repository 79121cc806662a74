"""Train the text encoder, and the picture encoder that teaches it: ``python -m course_lib.recipes.text_encoder``.

Pictures and captions of the training cells only: "sports car" occurs and "red" occurs, the two together never.
Captions leave things out, so several may be true of one picture. Each picture brings a hard negative too, its own
caption with another colour: without it, the object alone would tell captions apart, and colours would be learned late.
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.emoji import captions
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.scenes import Scenes, draw_scenes, held_out_cells, training_cells
from course_lib.networks.text import ContrastivePair, contrastive_loss
from course_lib.pretrained import contrastive_pair_network
from course_lib.recipes.shared.captioned import full_captions
from course_lib.recipes.shared.running import run_training, ship
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device, half_precision, on_best_device
from course_lib.training import TrainState, warm_up_then_fall

STEPS, BATCH_SIZE, PEAK = 2500, 128, 1e-3
MEASURED = 1000


class Pairs(NamedTuple):
    """pictures: (B, 3, 64, 64) in [-1, 1]; texts: their B captions, then B hard negatives; fits: (B, 2B) bool."""

    pictures: Tensor
    texts: list[str]
    fits: Tensor


def fits(scenes: Scenes, texts: list[str]) -> Tensor:
    """(B, K) bool: which of K captions is true of which of B scenes; what a caption leaves out, it leaves open."""
    asked = [captions.read_caption(text) for text in texts]
    wanted = torch.tensor([[-1 if part is None else part for part in request] for request in asked])  # (K, 5)
    said = torch.stack(
        [scenes.object, scenes.colour, scenes.size, scenes.background, scenes.style], dim=1
    )  # (B, 5), in the order of captions.Request
    return ((said[:, None] == wanted) | (wanted == -1)).all(dim=-1)


def other_colours(scenes: Scenes, generator: torch.Generator) -> Scenes:
    """The scenes, each in another colour, of a cell that training may show: no caption ever names a held-out cell."""
    allowed = training_cells()[scenes.object]  # (B, colours)
    allowed.scatter_(1, scenes.colour[:, None], value=False)
    ticket = torch.rand(allowed.shape, generator=generator)  # (B, colours)
    colour = ticket.where(allowed, -1.0).argmax(dim=1)
    return replace(scenes, colour=colour, native=torch.zeros(len(scenes), dtype=torch.bool))


def draw_batch(generator: torch.Generator, size: int = BATCH_SIZE) -> Pairs:
    scenes = draw_scenes(size, generator)
    seed = torch.randint(2**31, (), generator=generator).item()
    texts = [
        text
        for named in (scenes, other_colours(scenes, generator))  # the same words, but for the colour
        for text in captions.draw_captions(named, torch.Generator().manual_seed(seed))
    ]
    return Pairs(scaled(compose(scenes)), texts, fits(scenes, texts))


def loss(net: ContrastivePair, batch: Pairs, generator: torch.Generator) -> Tensor:
    ids, true = net.text.tokenizer(batch.texts).to(best_device()), batch.fits.to(best_device())
    with half_precision():
        pictures, texts = net.embed_pictures(batch.pictures.to(best_device())), net.embed_texts(ids)
    # CLIP's bound on the scale: above a hundred, training gets unsteady.
    return contrastive_loss(pictures.float(), texts.float(), true, net.log_scale.exp().clamp(max=100))


def measure(pair: ContrastivePair) -> dict[str, str]:
    """Retrieval among 1,000 new scenes and their full captions: how often the nearest is true, in both directions."""
    quality = {}
    for name, cells in (("training", training_cells()), ("held_out", held_out_cells())):
        scenes = draw_scenes(MEASURED, torch.Generator().manual_seed(1), cells)
        texts = full_captions(scenes)
        right = fits(scenes, texts)  # (N, N)
        pictures = in_batches(pair.embed_pictures, scaled(compose(scenes)))
        said = in_batches(pair.embed_texts, pair.text.tokenizer(texts))
        for way, found in (("text", right), ("picture", right.T)):
            nearest = (pictures @ said.T if way == "text" else said @ pictures.T).argmax(dim=1)
            share = found[torch.arange(MEASURED), nearest].double().mean().item()
            quality[f"nearest_{way}_is_true_{name}_cells"] = f"{share:.3f}"
    return quality


def main() -> None:
    torch.manual_seed(0)
    state = TrainState(on_best_device(contrastive_pair_network()))
    learning_rate = partial(warm_up_then_fall, steps=STEPS, peak=PEAK)
    run_training("text_encoder", state, draw_batch, loss, STEPS, BATCH_SIZE, learning_rate)
    ship("text_encoder", "emoji/sprites_paint.webp", state, BATCH_SIZE, measure(state.ema.eval()))


if __name__ == "__main__":
    main()
