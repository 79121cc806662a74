"""Networks that ship with the course, each in one call, ready to use.

Weights are safetensors: plain numbers, never code. A file's metadata says how it was made and how good it is;
``describe("fashion")`` shows it. Files are read once, and each call gives a network of its own, so that whatever is done
with one is done to no other.

To go on training one, or to begin another network with its weights: ``training.trainable_copy``, ``training.warm_start``.
"""

import copy
from collections.abc import Callable
from functools import cache, wraps
from typing import NamedTuple, TypeVar

from torch import nn

from course_lib.denoisers import NetDenoiser
from course_lib.emoji import captions
from course_lib.emoji.scenes import LABELS, OBJECTS, SIDE
from course_lib.networks.classifier import Classifier
from course_lib.networks.gan import Generator
from course_lib.networks.step_counts import StepCounts
from course_lib.networks.text import ContrastivePair, TextEncoder
from course_lib.networks.text_unet import TextUNet
from course_lib.networks.tokenizer import Tokenizer
from course_lib.networks.unet import UNet
from course_lib.networks.vae import VAE
from course_lib.networks.vector_vae import VectorVAE
from course_lib.pipeline.text_to_image import GUIDANCE, Distilled, TextToImage
from course_lib.pretrained.weights import describe, load_weights, save_weights
from course_lib.schedules import NoiseSchedule
from course_lib.support.arguments import require_whole_number

Loaded = TypeVar("Loaded")

FACES = {"channels": 3, "classes": 1, "side": 32, "latent": 64, "width": 32}  # the shape of VAE and generator
FACES_DIFFUSION = {"channels": 3, "classes": 0, "width": 40}
STUDENTS = (1, 2, 4, 8)  # the numbers of steps for which there is a student of the text-to-image model


__all__ = [
    "STUDENTS",
    "contrastive_pair",
    "describe",
    "emoji_classifier",
    "emoji_latent",
    "emoji_vae",
    "emoji_wholeness",
    "faces_diffusion",
    "faces_gan",
    "faces_vae",
    "fashion",
    "fashion_classifier",
    "fashion_diffusion",
    "fashion_gan",
    "fashion_vae",
    "load_weights",
    "save_weights",
    "text_encoder",
    "text_to_image",
    "text_to_image_student",
    "text_to_image_vae",
]


class PretrainedDiffusion(NamedTuple):
    """A trained network, the schedule it was trained with, and the denoiser that a sampler needs."""

    net: nn.Module
    schedule: NoiseSchedule
    denoiser: NetDenoiser


def _read_once(load: Callable[[], Loaded]) -> Callable[[], Loaded]:
    """``load``, called once; each call gives a copy of what it gave."""
    original = cache(load)

    @wraps(load)
    def loaded() -> Loaded:
        return copy.deepcopy(original())

    return loaded


@_read_once
def fashion() -> PretrainedDiffusion:
    """The diffusion model of Fashion-MNIST: 28×28 grey, labels 0…9, cosine schedule, predicts v (recipes/fashion.py).

    Its denoiser is bare: ``Clipped(model.denoiser, -1, 1)`` keeps predictions within the range of pixels, around
    ``Guided`` where there is guidance.
    """
    return _diffusion(UNet(), "fashion")


@_read_once
def fashion_diffusion() -> PretrainedDiffusion:
    """The same, trained for twenty minutes, as the two that follow (recipes/fashion_diffusion.py)."""
    return _diffusion(UNet(), "fashion_diffusion")


def _diffusion(net: nn.Module, name: str) -> PretrainedDiffusion:
    net, schedule = load_weights(net, name), NoiseSchedule.cosine()
    return PretrainedDiffusion(net, schedule, NetDenoiser(net, schedule, "v"))


@_read_once
def fashion_vae() -> VectorVAE:
    """The VAE of Fashion-MNIST that draws by itself: a vector of 32 and a label 0…9 to 28×28 (recipes/fashion_vae.py)."""
    return load_weights(VectorVAE(), "fashion_vae")


@_read_once
def fashion_gan() -> Generator:
    """The generator of the GAN of Fashion-MNIST, of the same shape as the VAE's decoder (recipes/fashion_gan.py)."""
    return load_weights(Generator(), "fashion_gan")


@_read_once
def fashion_classifier() -> Classifier:
    """The judge of Fashion-MNIST pictures (recipes/fashion_classifier.py)."""
    return load_weights(Classifier(), "fashion_classifier")


@_read_once
def faces_vae() -> VectorVAE:
    """The VAE of the emoji faces: a vector of 64 and the label 0 to 32×32×3 (recipes/faces_vae.py)."""
    return load_weights(VectorVAE(**FACES), "faces_vae")


@_read_once
def faces_gan() -> Generator:
    """The generator of the GAN of the emoji faces, of the same shape as that VAE's decoder (recipes/faces_gan.py)."""
    return load_weights(Generator(**FACES), "faces_gan")


@_read_once
def faces_diffusion() -> PretrainedDiffusion:
    """The diffusion model of the emoji faces: 32×32×3, no labels, cosine schedule, predicts v (recipes/faces_diffusion.py)."""
    return _diffusion(UNet(**FACES_DIFFUSION), "faces_diffusion")


@_read_once
def emoji_classifier() -> Classifier:
    """The judge of the emoji pictures' objects, 64×64×3 in [-1, 1] (recipes/emoji_classifier.py)."""
    return load_weights(emoji_classifier_network(), "emoji_classifier")


def emoji_classifier_network() -> Classifier:
    """That judge before any training: the recipe's starting point."""
    return Classifier(channels=3, classes=len(OBJECTS), size=SIDE, widths=(32, 64, 128, 128))


@_read_once
def emoji_wholeness() -> Classifier:
    """The judge of whether an emoji picture is whole, beside the nearest real drawing (recipes/emoji_wholeness.py).

    64×64×9, as ``emoji.judging.beside`` lays the two beside each other; ``emoji.judging.whole_of`` asks it.
    """
    return load_weights(emoji_wholeness_network(), "emoji_wholeness")


def emoji_wholeness_network() -> Classifier:
    """That judge before any training: class 1 stands for whole, class 0 for torn."""
    return Classifier(channels=9, classes=2, size=SIDE, widths=(32, 64, 128, 128))


@_read_once
def emoji_vae() -> VAE:
    """The first stage of latent diffusion: pictures of 64×64×3 to latents of 16×16×4 and back (recipes/emoji_vae.py)."""
    return load_weights(VAE(), "emoji_vae")


@_read_once
def text_to_image_vae() -> VAE:
    """The same latents as ``emoji_vae``'s, and a decoder trained further for what ``text_to_image`` draws of them:
    objects in the middle, outlines a little off (recipes/emoji_decoder.py).
    """
    vae = emoji_vae()
    load_weights(vae.decoder, "emoji_decoder")
    return vae


@_read_once
def emoji_latent() -> PretrainedDiffusion:
    """The diffusion model of the VAE's latents: 16×16×4, labels as in LABELS, predicts v (recipes/emoji_latent.py)."""
    return _diffusion(latent_unet(), "emoji_latent")


def latent_unet() -> UNet:
    """That model's network before any training: the U-Net of notebook 02, for latents, and a third wider."""
    return UNet(channels=4, classes=len(LABELS), width=64, patch=1)


def text_encoder() -> TextEncoder:
    """What reads the prompts, 128 numbers to a word (recipes/text_encoder.py)."""
    return contrastive_pair().text


@_read_once
def contrastive_pair() -> ContrastivePair:
    """The text encoder with the picture encoder that taught it: captions and pictures in one space."""
    return load_weights(contrastive_pair_network(), "text_encoder")


def contrastive_pair_network() -> ContrastivePair:
    """That pair before any training: the recipe's starting point."""
    return ContrastivePair(TextEncoder(Tokenizer(captions.vocabulary())))


def text_to_image(steps: int | None = None) -> TextToImage:
    """Prompts to pictures of 64×64×3, everything in one call.

    Args:
        steps: 1, 2, 4 or 8: the student that was distilled to take so many steps, each with one network call, guidance
            built in (recipes/text_to_image_student.py). None: its teacher, which takes any number of steps at any
            guidance (recipes/text_to_image.py).
    """
    if steps is None:
        return _teacher()
    require_whole_number("steps", steps)
    if steps not in STUDENTS:
        raise ValueError(
            f"there are students of {', '.join(map(str, STUDENTS))} steps, but got steps={steps}: "
            f"the model itself takes any number, as in text_to_image()(prompts, steps={steps})."
        )
    denoiser = NetDenoiser(text_to_image_student().alone(steps), NoiseSchedule.cosine(), "v")
    return TextToImage(text_encoder(), denoiser, text_to_image_vae(), Distilled(int(steps), GUIDANCE))


@_read_once
def _teacher() -> TextToImage:
    net = load_weights(text_unet(), "text_to_image")
    return TextToImage(text_encoder(), NetDenoiser(net, NoiseSchedule.cosine(), "v"), text_to_image_vae())


def text_unet() -> TextUNet:
    """The network that recipes/text_to_image.py trains."""
    return TextUNet()


@_read_once
def text_to_image_student() -> StepCounts:
    """The network of all students of ``text_to_image``, which share their weights (recipes/text_to_image_student.py)."""
    return load_weights(student_network(), "text_to_image_student")


def student_network() -> StepCounts:
    """That network before any training."""
    return StepCounts(text_unet(), STUDENTS)
