"""Ways to condition a network on a text, compared: ``python -m course_lib.recipes.measurements.text_conditions``, half an hour.

Five times the same U-Net, the same latents, the same captions, the same number of steps; what differs is what it gets
to read:

    bag of words     the mean of vectors for its words, which are trained together with the U-Net
    one vector       the begin token of the contrastive encoder, which stands for the whole text
    words            all its tokens
    random words     those of an encoder that has never learned anything
    learned words    those of an encoder that is trained together with the U-Net

With a single token, every position reads the same; that needs no other network. Beside them
stands notebook 04's model, as it was shipped, which reads no text but five labels. All are asked for pairs of object and
colour that training has shown, and for pairs that it has not.

Trainings go on where they were stopped, and rows that are done are kept.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from course_lib.denoisers import Denoiser, NetDenoiser
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.judging import judged_right, shares
from course_lib.emoji.scenes import BACKGROUNDS, COLOURS, OBJECTS, Scenes, draw_scenes, held_out_cells, training_cells
from course_lib.guidance import Guided
from course_lib.networks.text import Encoded, TextEncoder
from course_lib.networks.tokenizer import PAD
from course_lib.networks.vae import LATENT
from course_lib.pipeline.text_to_image import STEPS as DRAWN_STEPS
from course_lib.pretrained import (
    contrastive_pair_network,
    emoji_classifier,
    emoji_latent,
    emoji_vae,
    text_encoder,
    text_unet,
)
from course_lib.recipes.shared import tables
from course_lib.recipes.shared.captioned import draw_batch
from course_lib.recipes.shared.latents import SCHEDULE, LatentScenes, draw, scenes_as_latents
from course_lib.recipes.shared.muon import Muon
from course_lib.recipes.shared.running import discard, run_training
from course_lib.recipes.text_to_image import PHASES, SHIFT
from course_lib.support.batches import in_batches
from course_lib.support.device import half_precision, on_best_device
from course_lib.training import TrainState, denoising_loss, warm_up_then_fall

NAME, NETWORKS = "text_conditions", ("emoji_classifier", "emoji_latent", "emoji_vae", "text_encoder")
STEPS, BATCH_SIZE, SCENES, MEASURED, SCALE = 400, 64, 20_000, 200, 3.0
ENDS = ("unet.embed_t", "unet.stem", "unet.head", "encoder.embed_word")
BOTH = ("white", "black", "grey")
"""Words that may be the object's colour as well as the background's: where they can be mixed up."""


class BagOfWords(nn.Module):
    """The mean of a vector for each word, as the only token: it knows which words a text has, but not in which order."""

    def __init__(self) -> None:
        super().__init__()
        like = text_encoder()
        self.tokenizer = like.tokenizer
        self.embed_word = nn.Embedding(*like.embed_word.weight.shape)
        self.norm = nn.LayerNorm(like.size)

    def forward(self, ids: Tensor) -> Encoded:
        """Tokens, (B, L), as the tokeniser gives them → their mean; how long the padding is changes nothing."""
        known = (ids != PAD)[..., None]  # (B, L, 1)
        mean = self.norm((self.embed_word(ids) * known).sum(dim=1) / known.sum(dim=1))  # (B, D)
        return Encoded(mean[:, None], mean)


class Reader(nn.Module):
    """A text encoder and a U-Net as one network, so that they can be trained together.

    Args:
        encoder: frozen unless ``learns``.
        tokens: how many of each text the U-Net gets to read; None for all.
    """

    def __init__(self, encoder: TextEncoder | BagOfWords, learns: bool = False, tokens: int | None = None) -> None:
        super().__init__()
        self.encoder, self.unet, self.tokens = encoder.requires_grad_(learns), text_unet(), tokens

    def forward(self, x_t: Tensor, t: Tensor, ids: Tensor) -> Tensor:
        """As the U-Net, but for what the text is given as: (B, L), the tokeniser's numbers."""
        return self.unet(x_t, t, self.encoder(ids).words[:, : self.tokens])


def bag_of_words() -> Reader:
    return Reader(BagOfWords(), learns=True)


def one_vector() -> Reader:
    return Reader(text_encoder(), tokens=1)


def words() -> Reader:
    return Reader(text_encoder())


def random_words() -> Reader:
    return Reader(contrastive_pair_network().text)


def learned_words() -> Reader:
    return Reader(contrastive_pair_network().text, learns=True)


ROWS: dict[str, Callable[[], Reader]] = {
    "bag of words": bag_of_words,
    "one vector": one_vector,
    "words": words,
    "random words": random_words,
    "learned words": learned_words,
}


def loss(net: Reader, batch: tuple[Tensor, list[str]], generator: torch.Generator) -> Tensor:
    latents, texts = batch
    with half_precision():
        return denoising_loss(NetDenoiser(net, SCHEDULE, "v"), latents, net.encoder.tokenizer(texts), generator, SHIFT)


def train_reader(name: str, reader: Reader, data: LatentScenes) -> Reader:
    """The averaged network after STEPS steps."""
    state = TrainState(on_best_device(reader), optimizer=Muon(reader, ENDS))
    learning_rate = partial(warm_up_then_fall, steps=STEPS, peak=PHASES[0].peak)
    run_training(name, state, partial(draw_batch, data, size=BATCH_SIZE), loss, STEPS, BATCH_SIZE, learning_rate)
    return state.ema.eval()


def confusable_scenes(cells: Tensor) -> Scenes:
    """Scenes of the cells in which object and background have two different ones of the colours in BOTH."""
    scenes = draw_scenes(60 * MEASURED, torch.Generator().manual_seed(8), cells)
    object_colours, grounds = ([list(names).index(name) for name in BOTH] for names in (COLOURS, BACKGROUNDS))
    fit = torch.isin(scenes.colour, torch.tensor(object_colours)) & torch.isin(scenes.background, torch.tensor(grounds))
    return scenes[fit.nonzero().flatten()[:MEASURED]].centred()


def judge_shares(pictures: Tensor, scenes: Scenes) -> dict[str, float]:
    """How many pictures show what they should, and how many have both colours right."""
    right = judged_right(pictures, scenes, emoji_classifier())
    right["colour and background"] = right["colour"] & right["background"]
    return shares(right)


def draw_and_judge(denoiser: Denoiser, cond: Tensor, uncond: Tensor, scenes: Scenes) -> dict[str, float]:
    """What the judges say of a picture for each row of cond."""
    guided = Guided(denoiser, SCALE, uncond)
    pictures = in_batches(emoji_vae().to_pictures, draw(guided, LATENT, cond, steps=DRAWN_STEPS))
    return judge_shares(pictures, scenes)


def measure_labels(scenes: Scenes) -> dict[str, float]:
    """Notebook 04's model, conditioned on the labels of the scenes."""
    model, labels = emoji_latent(), scenes.labels  # (N, 5)
    none = torch.full_like(labels[:1], model.net.null_class)
    return draw_and_judge(model.denoiser, labels, none, scenes)


def measure(reader: Reader, scenes: Scenes) -> dict[str, float]:
    """What the judges say of pictures of prompts such as "a white cat on a black background"."""
    prompts = [
        f"a {list(COLOURS)[colour]} {OBJECTS[name]} on a {list(BACKGROUNDS)[ground]} background"
        for colour, name, ground in zip(scenes.colour, scenes.object, scenes.background, strict=True)
    ]
    ids = reader.encoder.tokenizer([*prompts, ""])  # (N + 1, L)
    return draw_and_judge(NetDenoiser(reader, SCHEDULE, "v"), ids[:-1], ids[-1:], scenes)


def begin(asked: dict[str, Scenes]) -> dict:
    """The table before anything is trained: what the judges say of real pictures, and of notebook 04's model."""
    return {
        "pictures": MEASURED,
        "steps": STEPS,
        "guidance": SCALE,
        "real": {cells: judge_shares(scaled(compose(scenes)), scenes) for cells, scenes in asked.items()},
        "rows": {"five labels": {cells: measure_labels(scenes) for cells, scenes in asked.items()}},
    }


def main() -> None:
    asked = {"training": confusable_scenes(training_cells()), "held out": confusable_scenes(held_out_cells())}
    table = tables.resume(NAME, NETWORKS, partial(begin, asked))
    data = scenes_as_latents(emoji_vae(), SCENES, centred=True)
    for name, new_reader in ROWS.items():
        if name in table["rows"]:
            continue
        torch.manual_seed(0)
        unfinished = f"text_conditions_{name.replace(' ', '_')}"
        reader = train_reader(unfinished, new_reader(), data)
        table["rows"][name] = {cells: measure(reader, scenes) for cells, scenes in asked.items()}
        tables.save(NAME, table)
        print(name, table["rows"][name], flush=True)
        discard(unfinished)


if __name__ == "__main__":
    main()
