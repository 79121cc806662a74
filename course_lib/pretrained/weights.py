"""Weights that ship with the course: what is known of them, and how they are read and written."""

from collections.abc import Iterator
from contextlib import contextmanager

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from course_lib.support.device import on_best_device
from course_lib.support.files import CourseFileError, atomic_write, data_folder, record_checksum, shipped_file
from course_lib.support.weights import misfit


def describe(name: str) -> dict[str, str]:
    """How a shipped network was trained and what was measured of it, from its file's metadata.

    Raises:
        ValueError: if there is none of that name; the text lists those that are there.
    """
    shipped = sorted(path.stem for path in (data_folder() / "checkpoints").glob("*.safetensors"))
    if name not in shipped and shipped:
        raise ValueError(f"there is no network {name!r}: choose from {', '.join(shipped)}.")
    with _opened(name) as file:
        return dict(sorted(file.metadata().items()))


def load_weights(net: nn.Module, name: str) -> nn.Module:
    """Fill ``net`` with a shipped network's weights, ready to predict: on the best device, frozen, in evaluation mode.

    Raises:
        CourseFileError: if there is no such checkpoint, or its file is not as shipped, or holds another network.
    """
    with _opened(name) as file:
        # Copies: tensors that lie in the file itself would keep it open, and Windows would not let it be replaced.
        weights = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 (not a dict)
    differs = misfit(weights, net)
    if differs:
        raise CourseFileError(
            f"data/{_checkpoint(name)} holds a network of another shape than this {type(net).__name__} ({differs}): "
            "load it as it was made, with a function of course_lib.pretrained; training.warm_start(net, trained) then "
            "fills another network with the weights that fit."
        )
    net.load_state_dict(weights)
    return on_best_device(net).eval().requires_grad_(False)


@contextmanager
def _opened(name: str) -> Iterator[safe_open]:
    path = shipped_file(_checkpoint(name))
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as problem:
        raise CourseFileError(f"{path} is no safetensors file ({problem}): fetch it, or train it, once more.") from None


def save_weights(net: nn.Module, name: str, metadata: dict[str, str]) -> None:
    """Ship a network: write its weights and what is known of them, and enter the file's checksum."""
    with atomic_write(data_folder() / _checkpoint(name)) as partial:
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()}, partial, metadata
        )
    record_checksum(_checkpoint(name))


def _checkpoint(name: str) -> str:
    return f"checkpoints/{name}.safetensors"
