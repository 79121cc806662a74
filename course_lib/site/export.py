"""The text-to-image model for a browser: three ONNX graphs, and the numbers around them.

    words.onnx      ids (B, L) int64                            -> words (B, L, 128)
    denoiser.onnx   x_t (B, 4, 16, 16), t (B,) int64, words     -> v (B, 4, 16, 16), attention (B, L, 16, 16)
    decoder.onnx    z (B, 4, 16, 16)                            -> pictures (B, 3, 64, 64) in [-1, 1]
    model.json      the vocabulary in the order of its ids, alpha_bar, and what the pipeline takes unless told otherwise

The weights travel in float16, which halves what a reader has to load, and are float32 again before anything is computed:
of a picture's 256 grey levels no number changes by more than two (tests/test_site.py).
"""

import copy
import json
import math
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from course_lib.emoji.scenes import SIDE
from course_lib.networks.attention import record_attention
from course_lib.networks.tokenizer import UNKNOWN
from course_lib.networks.vae import LATENT
from course_lib.pipeline.text_to_image import GUIDANCE, STEPS, TextToImage

OPSET = 18
LARGE = 1024  # numbers of a tensor from which on it is halved: biases and norms, which are small, stay as they are


class _Words(nn.Module):
    """The text encoder, without its second answer."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ids: Tensor) -> Tensor:
        return self.encoder(ids).words


class _Denoiser(nn.Module):
    """The U-Net, and how much of each position's attention each word gets: the mean of all heads and layers."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x_t: Tensor, t: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        with record_attention() as recorded:
            v = self.net(x_t, t, words)
        return v, torch.stack([_as_maps(weights) for weights in recorded]).mean(dim=0)


def _as_maps(weights: Tensor) -> Tensor:
    """(B, heads, N, L) to (B, L, 16, 16): where a layer has fewer positions, each stands for several."""
    side = math.isqrt(int(weights.shape[2]))
    maps = weights.mean(dim=1).transpose(1, 2).unflatten(2, (side, side))
    times = LATENT[-1] // side
    return maps.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)


class _Decoder(nn.Module):
    """The way from a latent to a picture."""

    def __init__(self, vae: nn.Module) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, z: Tensor) -> Tensor:
        return self.vae.to_pictures(z)


def export(pipe: TextToImage, folder: Path) -> None:
    """Write the four files into a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = pipe.encoder.tokenizer(["a red sports car", ""])  # of two lengths, so that padding is traced
    with torch.no_grad():
        words = pipe.encoder.encode(["a red sports car", ""]).cpu()
    x_t, t = torch.zeros(2, *LATENT), torch.tensor([500, 500])
    rows, length = {0: "B"}, {0: "B", 1: "L"}
    seen = {"x_t": rows, "t": rows, "words": length, "v": rows, "attention": length}
    graphs = {  # network, arguments, and what is of any length in its inputs and outputs
        "words": (_Words(pipe.encoder), (ids,), {"ids": length, "words": length}),
        "denoiser": (_Denoiser(pipe.denoiser.net), (x_t, t, words), seen),
        "decoder": (_Decoder(pipe.vae), (x_t,), {"z": rows, "pictures": rows}),
    }
    for name, (net, arguments, axes) in graphs.items():
        path = folder / f"{name}.onnx"
        names = list(axes)
        # It warns that refusals are not traced, and that there is a newer exporter, which would trace them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                copy.deepcopy(net).cpu().eval(),  # the pipeline keeps its own where it is
                arguments,
                str(path),
                input_names=names[: len(arguments)],
                output_names=names[len(arguments) :],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        onnx.save(_halved(onnx.load(path)), path)
    around = {
        "vocabulary": pipe.encoder.tokenizer.vocabulary,
        "first_id": UNKNOWN + 1,
        "longest": pipe.encoder.tokenizer.longest,
        "alpha_bar": pipe.denoiser.schedule.alpha_bar.tolist(),
        "guidance": GUIDANCE,
        "steps": STEPS,
        "latent": LATENT,
        "side": SIDE,
    }
    (folder / "model.json").write_text(json.dumps(around, allow_nan=False), encoding="utf-8")


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with its large weights stored in float16, and turned into float32 before they are used."""
    kept, casts = [], []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= LARGE:
            stored = f"{weight.name}_in_float16"
            kept.append(numpy_helper.from_array(values.astype(np.float16), stored))
            casts.append(helper.make_node("Cast", [stored], [weight.name], to=TensorProto.FLOAT))
        else:
            kept.append(weight)
    nodes = [*casts, *model.graph.node]
    for field, values in ((model.graph.initializer, kept), (model.graph.node, nodes)):
        del field[:]
        field.extend(values)
    onnx.checker.check_model(model)
    return model
