"""Finished pictures: to look at, to save, and as the arrays that other libraries expect.

pictures = pipe(["a red sports car", "a blue frog"])
pictures                       # in a notebook: shows them
pictures.save("both.png")      # beside each other, in one file
pictures[0].save("car.png")    # each is a PIL image, which matplotlib and NumPy take as well
pictures.tensor                # (N, 3, H, W) uint8
pictures.numpy()               # (N, H, W, 3) uint8
"""

import base64
import html
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from course_lib.sampling import Step
from course_lib.support.arguments import require_count

COLUMNS = 8  # so many stand in a row where several are shown or saved together
FRAME, LAST_FRAME = 80, 1500  # of a film, in milliseconds


class Pictures(Sequence[Image.Image]):
    """Some pictures in colour, each with the words it was drawn from.

    Args:
        tensor: (N, 3, H, W) uint8, 0…255.
        captions: what each shows, for readers who cannot see it; one each, or none.
    """

    def __init__(self, tensor: Tensor, captions: Sequence[str] = ()) -> None:
        if tensor.dtype != torch.uint8 or tensor.ndim != 4 or tensor.shape[1] != 3:
            raise ValueError(
                f"tensor must be (N, 3, H, W) of uint8, 0…255, but got {tuple(tensor.shape)} of {tensor.dtype}."
            )
        if isinstance(captions, str) or (captions and len(captions) != len(tensor)):
            raise ValueError(
                f"captions must be a list of {len(tensor)}, one for each picture, but got {captions!r:.60}."
            )
        self.tensor, self.captions = tensor.cpu(), list(captions)

    def __len__(self) -> int:
        return len(self.tensor)

    def __getitem__(self, index: int | slice) -> "Image.Image | Pictures":
        if isinstance(index, slice):
            return Pictures(self.tensor[index], self.captions[index])
        return Image.fromarray(self.numpy()[index])

    def numpy(self) -> np.ndarray:
        """(N, H, W, 3) uint8: colours last, as matplotlib, Pillow and most others want them."""
        return np.ascontiguousarray(self.tensor.permute(0, 2, 3, 1).numpy())

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def together(self, enlarge: int = 1) -> Image.Image:
        """All of them in one image, in rows of at most eight, each pixel ``enlarge`` pixels wide and high.

        Raises:
            TypeError, ValueError: if there is no picture, or if enlarge is no whole number of at least 1.
        """
        require_count("enlarge", enlarge)
        if not len(self):
            raise ValueError("there is no picture here to show or save.")
        count, _, height, width = self.tensor.shape
        columns = min(count, COLUMNS)
        sheet = Image.new("RGB", (columns * width, -(-count // columns) * height), "white")
        for number, picture in enumerate(self):
            sheet.paste(picture, (number % columns * width, number // columns * height))
        return sheet.resize((sheet.width * enlarge, sheet.height * enlarge), Image.Resampling.NEAREST)

    def save(self, path: str | os.PathLike, enlarge: int = 1) -> None:
        """Write all of them into one file, ``together``; its ending says the format, such as .png.

        Raises:
            FileNotFoundError: if there is no such folder.
            ValueError: if the ending is none that Pillow can write.
        """
        _require_folder(path)
        if Image.registered_extensions().get(Path(path).suffix.lower()) not in Image.SAVE:
            raise ValueError(f"a picture cannot be saved as {str(path)!r}: let the name end in .png.")
        self.together(enlarge).save(path)

    def _repr_html_(self) -> str:
        if not len(self):
            return html.escape(repr(self))
        buffer = io.BytesIO()
        self.together().save(buffer, "png")
        alt = html.escape("; ".join(self.captions) or f"{len(self)} pictures", quote=True)
        shown = 4 * self.tensor.shape[-1] if len(self) == 1 else 2 * self.tensor.shape[-1] * min(len(self), COLUMNS)
        style = f"width: {shown}px; max-width: 100%; image-rendering: pixelated"
        return f'<img alt="{alt}" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}" style="{style}">'

    def __repr__(self) -> str:
        height, width = self.tensor.shape[-2:]
        return f"<{len(self)} {'picture' if len(self) == 1 else 'pictures'} of {width}×{height}: .save(…), .tensor, .numpy()>"


class Walk(Iterator[Step]):
    """The steps from noise to pictures, one after the other as they are taken; or all of them as a film.

    Args:
        steps: as ``sampling.sample`` yields them.
        decode: makes pictures of a step's x.
    """

    def __init__(self, steps: Iterator[Step], decode: Callable[[Tensor], Pictures]) -> None:
        self.steps, self.decode = steps, decode

    def __next__(self) -> Step:
        return next(self.steps)

    def save(self, path: str | os.PathLike, enlarge: int = 2) -> None:
        """Walk to the end and write a film that repeats, a frame for each step, as a GIF.

        Raises:
            FileNotFoundError: if there is no such folder; then the walk is still to be taken.
            ValueError: if the walk has been taken already, or if the name does not end in .gif.
        """
        require_count("enlarge", enlarge)
        _require_folder(path)
        if Path(path).suffix.lower() != ".gif":
            raise ValueError(f"a film cannot be saved as {str(path)!r}: let the name end in .gif.")
        # 256 colours a frame are all that a GIF has; dithered they would be grain, which here means noise.
        frames = [self.decode(step.x).together(enlarge).quantize(dither=Image.Dither.NONE) for step in self]
        if not frames:
            raise ValueError("this walk has been taken already: call watch(…) again, and save that.")
        times = [FRAME] * (len(frames) - 1) + [LAST_FRAME]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, loop=0)


def _require_folder(path: str | os.PathLike) -> None:
    """Refuse a path in a folder that is not there, before anything is drawn for it."""
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(Path(path).parent)!r} to save in: make it first.")
