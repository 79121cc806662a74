"""Ways to tell a network what to draw, compared: ``python -m course_lib.recipes.text_conditions``, half an hour.

Five times the same U-Net, the same latents, the same captions, the same number of steps; what differs is what it gets
to read:

    bag of words     the mean of vectors for its words, which are trained together with the U-Net
    one vector       the begin token of the contrastive encoder, which stands for the whole text
    words            all its tokens
    random words     those of an encoder that has never learned anything
    learned words    those of an encoder that is trained together with the U-Net

With a single token, every position hears the same; that needs no other network. Beside them
stands notebook 04's model, as it was shipped, which reads no text but five labels. All are asked for pairs of object and
colour that training has shown, and for pairs that it has not.

Trainings go on where they were stopped, and rows that are done are kept.
"""

import json
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from course_lib.datasets import emoji
from course_lib.denoisers import Denoiser, NetDenoiser
from course_lib.device import half_precision, on_best_device
from course_lib.files import atomic_write, checksums, data_folder, record_checksum
from course_lib.guidance import Guided
from course_lib.judging import judged_right, shares
from course_lib.metrics import in_batches
from course_lib.muon import Muon
from course_lib.networks.text import Encoded, TextEncoder
from course_lib.pretrained import (
    contrastive_pair_network,
    emoji_classifier,
    emoji_latent,
    emoji_vae,
    text_encoder,
    text_unet,
)
from course_lib.recipes.emoji_latent import LATENT, SCHEDULE, Told, draw, scenes_as_latents
from course_lib.recipes.running import discard, run_training
from course_lib.recipes.text_to_image import DRAWN_STEPS, PEAK, SHIFT, draw_batch
from course_lib.tokenizer import PAD
from course_lib.training import TrainState, denoising_loss, warm_up_then_fall

NAME = "measurements/text_conditions.json"
STEPS, BATCH_SIZE, SCENES, MEASURED, SCALE = 400, 64, 20_000, 200, 3.0
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


def train_reader(name: str, reader: Reader, data: Told) -> Reader:
    """The averaged network after STEPS steps."""
    unet = on_best_device(reader).unet
    state = TrainState(reader, optimizer=Muon(reader, [unet.embed_t, unet.stem, unet.head, reader.encoder.embed_word]))
    learning_rate = partial(warm_up_then_fall, steps=STEPS, peak=PEAK)
    run_training(name, state, partial(draw_batch, data, size=BATCH_SIZE), loss, STEPS, BATCH_SIZE, learning_rate)
    return state.ema.eval()


def confusable_scenes(cells: Tensor) -> emoji.Scene:
    """Scenes of the cells in which object and background have two different ones of the colours in BOTH."""
    scenes = emoji.draw_scenes(60 * MEASURED, torch.Generator().manual_seed(8), cells)
    object_colours, grounds = (
        [list(names).index(name) for name in BOTH] for names in (emoji.COLOURS, emoji.BACKGROUNDS)
    )
    fit = torch.isin(scenes.colour, torch.tensor(object_colours)) & torch.isin(scenes.background, torch.tensor(grounds))
    return emoji.centred(emoji.picked(scenes, fit.nonzero().flatten()[:MEASURED]))


def judge_shares(pictures: Tensor, scenes: emoji.Scene) -> dict[str, float]:
    """How many pictures show what they should, and how many have both colours right."""
    right = judged_right(pictures, scenes, emoji_classifier())
    right["colour and background"] = right["colour"] & right["background"]
    return shares(right)


def draw_and_judge(denoiser: Denoiser, cond: Tensor, uncond: Tensor, scenes: emoji.Scene) -> dict[str, float]:
    """What the judges say of a picture for each row of cond."""
    guided = Guided(denoiser, SCALE, uncond)
    pictures = in_batches(emoji_vae().to_pictures, draw(guided, LATENT, cond, steps=DRAWN_STEPS))
    return judge_shares(pictures, scenes)


def measure_labels(scenes: emoji.Scene) -> dict[str, float]:
    """Notebook 04's model, told by number what the scenes show."""
    model, labels = emoji_latent(), emoji.labels_of(scenes)  # (N, 5)
    none = torch.full_like(labels[:1], model.net.null_class)
    return draw_and_judge(model.denoiser, labels, none, scenes)


def measure(reader: Reader, scenes: emoji.Scene) -> dict[str, float]:
    """What the judges say of pictures of prompts such as "a white cat on a black background"."""
    prompts = [
        f"a {list(emoji.COLOURS)[colour]} {emoji.OBJECTS[name]} on a {list(emoji.BACKGROUNDS)[ground]} background"
        for colour, name, ground in zip(scenes.colour, emoji.objects_of(scenes), scenes.background, strict=True)
    ]
    ids = reader.encoder.tokenizer([*prompts, ""])  # (N + 1, L)
    return draw_and_judge(NetDenoiser(reader, SCHEDULE, "v"), ids[:-1], ids[-1:], scenes)


def main() -> None:
    path = data_folder() / NAME
    table = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    shipped = {
        name: checksums()[f"checkpoints/{name}.safetensors"] for name in ("emoji_vae", "emoji_latent", "text_encoder")
    }
    asked = {
        "training": confusable_scenes(emoji.training_cells()),
        "held out": confusable_scenes(emoji.held_out_cells()),
    }
    if table.get("checkpoints_sha256") != shipped:  # other networks: nothing measured of them yet
        real = {cells: judge_shares(emoji.scaled(emoji.compose(scenes)), scenes) for cells, scenes in asked.items()}
        table = {
            "recipe": "python -m course_lib.recipes.text_conditions",
            "checkpoints_sha256": shipped,
            "pictures": MEASURED,
            "steps": STEPS,
            "guidance": SCALE,
            "real": real,
            "rows": {"five labels": {cells: measure_labels(scenes) for cells, scenes in asked.items()}},
        }
    data = scenes_as_latents(emoji_vae(), SCENES, centred=True)
    for name, new_reader in ROWS.items():
        if name in table["rows"]:
            continue
        torch.manual_seed(0)
        unfinished = f"text_conditions_{name.replace(' ', '_')}"
        reader = train_reader(unfinished, new_reader(), data)
        table["rows"][name] = {cells: measure(reader, scenes) for cells, scenes in asked.items()}
        with atomic_write(path) as partial_file:
            partial_file.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
        print(name, table["rows"][name], flush=True)
        discard(unfinished)
    record_checksum(NAME)


if __name__ == "__main__":
    main()
