"""Figures that everybody can read: colours that colour-blind readers can tell apart, and a text for those who cannot see them.

A notebook draws with matplotlib as usual and ends with ``show(fig, alt="…")``, or ``show_film`` where motion is the point.
"""

import base64
import html
import io
import math
import textwrap
from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from course_lib.classroom.showing import show_html
from course_lib.support.arguments import require_between, require_whole_number

# Okabe, Ito 2008, *Color Universal Design*; in an order in which neighbours differ in lightness too.
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#666666",
)

CAPTION = 8  # points: the size of the letters above single pictures
HELD = 1500  # milliseconds that a film stands still at its end
LARGE = 50_000  # bytes of a picture, from which on it need not be kept pixel for pixel
SHARP = 2  # pixels of a figure's file to one of the page, as today's screens have them

STYLE = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, PURPLE, SKY, RED, GREY]),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "lines.linewidth": 2,
    "legend.frameon": False,
    "image.cmap": "gray",
}


def use_course_style() -> None:
    """Let matplotlib draw as all figures of the course look; called once at the top of a notebook."""
    plt.rcParams.update(STYLE)


def show(fig: Figure, alt: str) -> None:
    """Show a finished figure with a text that says what is to be seen, for readers who cannot see it.

    Args:
        fig: any matplotlib figure; closed afterwards, so that it is not shown twice.
        alt: one or two sentences: what is drawn, and what it shows.

    Raises:
        ValueError: if alt says nothing.
    """
    if len(alt.split()) < 4:
        raise ValueError(f"alt must say in a sentence what the figure shows, but got {alt!r}.")
    show_html(figure_html(fig, alt), plain=f"[Figure: {alt}]")


def figure_html(fig: Figure, alt: str) -> str:
    """A figure as HTML; it is closed."""
    width, height = fig.get_size_inches() * fig.dpi
    return img_tag(to_webp(fig), alt, width, height)


def show_film(figures: Iterable[Figure], alt: str, seconds: float = 4.0) -> None:
    """Show figures of one size one after the other, again and again; on paper, and for whoever wants no motion, the last.

    Args:
        figures: the moments, two at least; each is closed before the next is asked for, so that a generator will do.
        alt: what moves, and where to.
        seconds: that all moments but the last take together; the last is held for a moment.

    Raises:
        ValueError: if there are fewer than two figures, if they differ in size, or if alt says nothing.
    """
    require_between("seconds", seconds, 0, math.inf)
    if len(alt.split()) < 4:
        raise ValueError(f"alt must say in a sentence what the film shows, but got {alt!r}.")
    frames = [_rendered(fig, fig.dpi) for fig in figures]
    if len(frames) < 2:
        raise ValueError(f"a film takes two figures at least, but got {len(frames)}.")
    sizes = {frame.size for frame in frames}
    if len(sizes) > 1:
        raise ValueError(f"the figures of a film must have one size, but got {len(sizes)}.")
    film = io.BytesIO()
    times = [round(1000 * seconds / (len(frames) - 1))] * (len(frames) - 1) + [HELD]
    frames[0].save(film, "webp", save_all=True, append_images=frames[1:], duration=times, loop=0, quality=65, method=6)
    still = base64.b64encode(packed(frames[-1])).decode()
    instead = f'<source media="print, (prefers-reduced-motion: reduce)" srcset="data:image/webp;base64,{still}">'
    moving = img_tag(film.getvalue(), alt, *frames[-1].size)
    show_html(f"<picture>{instead}{moving}</picture>", plain=f"[Film: {alt}]")


def img_tag(webp: bytes, alt: str, width: float, height: float, onload: str = "") -> str:
    """A picture as HTML, so large on the page; ``onload`` is script that runs once it is there.

    An <img> of its own, since neither JupyterLab's plain image/png nor ``widgets.Image`` has an alternative text.
    """
    said, source = html.escape(alt), base64.b64encode(webp).decode()
    then = f' onload="{html.escape(onload)}"' if onload else ""
    style = "max-width: 100%; height: auto; background: white"
    size = f'width="{width:.0f}" height="{height:.0f}" style="{style}" decoding="sync"'
    return f'<img alt="{said}" src="data:image/webp;base64,{source}" {size}{then}>'


def to_webp(fig: Figure) -> bytes:
    """The figure as the bytes of a WebP file; it is closed."""
    return packed(_rendered(fig, SHARP * fig.dpi))


def _rendered(fig: Figure, dpi: float) -> Image.Image:
    """The figure as a picture; it is closed."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    plt.close(fig)
    return Image.open(buffer).convert("RGB")


def packed(image: Image.Image) -> bytes:
    """A picture as the bytes of a WebP file, without transparency, which nothing here uses.

    Notebooks carry their pictures along, and PNG takes half as much again. A picture is kept pixel for pixel unless that is
    large: many small pictures in one figure take a third less in a quality in which the eye sees no difference.
    """
    exact, close = io.BytesIO(), io.BytesIO()
    image.convert("RGB").save(exact, "webp", lossless=True)
    if exact.tell() < LARGE:
        return exact.getvalue()
    image.convert("RGB").save(close, "webp", quality=90, method=6, use_sharp_yuv=True)
    return min(exact.getvalue(), close.getvalue(), key=len)


def draw_pictures(
    pictures: Tensor | np.ndarray,
    columns: int = 10,
    column_titles: Sequence[str] = (),
    row_titles: Sequence[str] = (),
    size: float = 0.8,
    low: float | None = None,
    high: float | None = None,
    captions: Sequence[str] = (),
) -> Figure:
    """Many small pictures on a grid, row by row: a film strip when a row is a time line.

    Args:
        pictures: (N, 1, H, W) grey or (N, 3, H, W) colour, or one of them; also with the channels last, as NumPy and
            matplotlib have them; or what the text-to-image model returns.
        columns: how many stand in a row.
        column_titles, row_titles: above the columns, left of the rows; none unless given.
        size: of a picture, in inches.
        low, high: the values drawn as black and as white: -1 and 1, or 0 and 255 for uint8, unless given. What lies
            outside is clipped.
        captions: above each picture its own, such as its prompt, in lines that fit; none unless given.

    Returns:
        The figure, to be handed to ``show``.

    Raises:
        TypeError, ValueError: in one sentence, for what is no picture.
    """
    gap = 2
    require_whole_number("columns", columns)
    require_between("columns", columns, 1, math.inf)
    pictures = _as_batch(pictures)
    n, _, H, W = pictures.shape
    rows = -(-n // columns)
    if captions and len(captions) != n:
        raise ValueError(f"captions must hold one for each of the {n} pictures, but got {len(captions)}.")
    # As much room above a row of pictures as its longest caption takes, in pixels of the canvas.
    letters = max(6, round(size * 72 / (0.62 * CAPTION)))  # that fit beside each other
    texts = [textwrap.fill(caption, letters) for caption in captions]
    heights = [len(text.splitlines()) for text in texts]  # of an empty one 0
    lines = [max(heights[i : i + columns]) for i in range(0, n, columns)] if texts else []
    line = math.ceil(1.25 * CAPTION / 72 / size * W)  # one of them
    above = [line * count for count in lines] or [0] * rows
    tops = [i * (H + gap) + sum(above[: i + 1]) for i in range(rows)]  # of the rows of pictures
    if low is None or high is None:
        black, white = _range_of(pictures)
        low, high = (black if low is None else low), (white if high is None else high)
    scaled = (pictures.detach().cpu().double() - low) / (high - low)
    tiles = scaled.clamp(0, 1).permute(0, 2, 3, 1).numpy()  # (N, H, W, C)
    canvas = np.ones((rows * (H + gap) - gap + sum(above), columns * (W + gap) - gap, tiles.shape[-1]))
    for i, tile in enumerate(tiles):
        y, x = tops[i // columns], i % columns * (W + gap)
        canvas[y : y + H, x : x + W] = tile
    width, height = columns * size, columns * size * canvas.shape[0] / canvas.shape[1]
    fig = plt.figure(figsize=(width, height), layout="none")
    ax = fig.add_axes((0, 0, 1, 1))
    ax.imshow(canvas.squeeze(-1) if tiles.shape[-1] == 1 else canvas, vmin=0, vmax=1, interpolation="nearest")
    ax.set_xticks([W / 2 + i * (W + gap) for i in range(len(column_titles))], column_titles)
    ax.set_yticks([H / 2 + tops[i] for i in range(len(row_titles))], row_titles)
    for i, text in enumerate(texts):
        x, y = W / 2 + i % columns * (W + gap), tops[i // columns] - 0.35 * line
        ax.text(x, y, text, ha="center", va="baseline", fontsize=CAPTION, linespacing=1.1)
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    # The pictures keep their size, and around them is room for the titles, whose size only drawing tells.
    usual = fig.dpi
    fig.set_dpi(SHARP * usual)  # letters are as wide as the file's pixels make them
    titled = ax.get_tightbbox().padded(0.05 * fig.dpi)
    around = titled.transformed(fig.dpi_scale_trans.inverted())  # in inches, where the pictures begin at 0
    fig.set_dpi(usual)
    fig.set_size_inches(around.width, around.height)
    ax.set_position(
        (-around.x0 / around.width, -around.y0 / around.height, width / around.width, height / around.height)
    )
    return fig


def _as_batch(pictures: Tensor | np.ndarray) -> Tensor:
    """(N, C, H, W), C = 1 or 3, of whatever shape pictures come in."""
    given = getattr(pictures, "tensor", pictures)
    if not isinstance(given, Tensor | np.ndarray):
        raise TypeError(f"pictures must be a tensor or a NumPy array, but got {type(given).__name__}.")
    batch = torch.as_tensor(given)
    if batch.ndim == 2:
        batch = batch[None]  # (1, H, W)
    if batch.ndim in (3, 4) and batch.shape[-3] not in (1, 3) and batch.shape[-1] in (1, 3):
        batch = batch.movedim(-1, -3)  # (…, C, H, W)
    if batch.ndim not in (3, 4) or batch.shape[-3] not in (1, 3) or not batch.numel():
        latents = ": are these latents? decode them first" if batch.ndim in (3, 4) and batch.shape[-3] == 4 else ""
        raise ValueError(
            f"pictures must be (N, 1, H, W), (N, 3, H, W) or one of them, but got shape {tuple(given.shape)}{latents}."
        )
    return batch if batch.ndim == 4 else batch[None]


def _range_of(pictures: Tensor) -> tuple[float, float]:
    """The values that stand for black and white."""
    if pictures.dtype in (torch.uint8, torch.bool):
        return 0, 255 if pictures.dtype == torch.uint8 else 1
    if pictures.min() >= 0 and pictures.max() > 50:
        raise ValueError(
            f"pictures from {pictures.min():g} to {pictures.max():g} would all be white, as white is 1: "
            "use .to(torch.uint8), or say low=0, high=255."
        )
    return -1, 1


def pick(steps: Sequence, count: int) -> list:
    """``count`` entries of a sequence, evenly spread, the first and the last among them: the frames of a film strip."""
    return [steps[round(i * (len(steps) - 1) / (count - 1))] for i in range(count)]
