"""What goes between the grader and the process in which answers run: nothing that comes back is executed or unpickled.

A message is a line of JSON, with the length of what follows, and then the raw numbers of a tensor, if there is one.
"""

import json
import math
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

LONGEST_LINE = 100_000  # bytes
LARGEST_TENSOR = 64 * 2**20  # bytes
DTYPES = {
    str(dtype): dtype
    for dtype in (
        *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.bool),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.complex64, torch.complex128),
    )
}


class BadMessageError(Exception):
    """What came back was not written by the course."""


class Message(NamedTuple):
    """Named values that JSON can hold, and perhaps a tensor."""

    values: dict[str, Any]
    tensor: Tensor | None = None


def send(stream: BinaryIO, message: Message) -> None:
    """Write a message."""
    values, numbers = dict(message.values), b""
    if message.tensor is not None:
        tensor = message.tensor.detach().cpu().contiguous()
        numbers = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
        values["tensor"] = {"shape": list(tensor.shape), "dtype": str(tensor.dtype)}
    stream.write(json.dumps(values).encode() + b"\n" + numbers)
    stream.flush()


def receive(stream: BinaryIO) -> Message | None:
    """Read a message; None at the end.

    Raises:
        BadMessageError: if it is none.
    """
    line = stream.readline(LONGEST_LINE)
    if not line:
        return None
    try:
        values = json.loads(line)
        of_tensor = values.pop("tensor", None)
        if of_tensor is None:
            return Message(values)
        dtype, shape = DTYPES[of_tensor["dtype"]], of_tensor["shape"]
        if len(shape) > 16 or not all(type(size) is int and 0 <= size <= LARGEST_TENSOR for size in shape):
            raise BadMessageError("a shape that no result has")
        size = math.prod(shape) * dtype.itemsize
    except Exception as error:  # whatever somebody has thought of
        raise BadMessageError(f"no message of the course's: {line[:60]!r}") from error
    if size > LARGEST_TENSOR:
        raise BadMessageError("a tensor that is too large")
    numbers = stream.read(size)
    if len(numbers) != size:
        raise BadMessageError("a tensor that breaks off")
    flat = torch.frombuffer(bytearray(numbers), dtype=dtype) if size else torch.empty(0, dtype=dtype)
    return Message(values, flat.reshape(shape))
