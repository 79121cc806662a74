"""Figures that everybody can read: colours that colour-blind readers can tell apart, and a text for those who don't see.

A notebook draws with matplotlib as usual and ends with ``show(fig, alt="…")``.
"""

import base64
import html
import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from course_lib.classroom.showing import show_html

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
        raise ValueError(f"alt must say in a sentence what the figure shows, but {alt!r} came.")
    # An <img> of its own, since JupyterLab gives a plain image/png output no alternative text.
    source = base64.b64encode(to_png(fig)).decode()
    text = html.escape(alt, quote=True)
    image = f'<img alt="{text}" src="data:image/png;base64,{source}" style="max-width: 100%; background: white">'
    show_html(image, plain=f"[Figure: {alt}]")


def to_png(fig: Figure) -> bytes:
    """The figure as the bytes of a PNG file; the figure is closed."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=fig.dpi)
    plt.close(fig)
    return packed_png(Image.open(buffer))


def packed_png(image: Image.Image) -> bytes:
    """A picture as the bytes of a PNG file: without transparency, which nothing here uses, and as small as it goes."""
    buffer = io.BytesIO()  # notebooks carry their pictures along
    image.convert("RGB").save(buffer, "png", optimize=True)
    return buffer.getvalue()


def draw_pictures(
    pictures: Tensor,
    columns: int = 10,
    column_titles: Sequence[str] = (),
    row_titles: Sequence[str] = (),
    size: float = 0.8,
    low: float = -1,
    high: float = 1,
) -> Figure:
    """Many small pictures on a grid, row by row: a film strip when a row is a time line.

    Args:
        pictures: (N, 1, H, W) grey or (N, 3, H, W) colour.
        columns: how many stand in a row.
        column_titles, row_titles: above the columns, left of the rows; none unless given.
        size: of a picture, in inches.
        low, high: the values drawn as black and as white; what lies outside is clipped.

    Returns:
        The figure, to be handed to ``show``.
    """
    gap = 2
    n, _, H, W = pictures.shape
    rows = -(-n // columns)
    tiles = (
        ((pictures.detach().cpu().double() - low) / (high - low)).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    )  # (N, H, W, C)
    canvas = np.ones((rows * (H + gap) - gap, columns * (W + gap) - gap, tiles.shape[-1]))
    for i, tile in enumerate(tiles):
        y, x = i // columns * (H + gap), i % columns * (W + gap)
        canvas[y : y + H, x : x + W] = tile
    margins = (0.1 + 0.1 * max((len(title) for title in row_titles), default=0), 0.3 if column_titles else 0.05)
    fig, ax = plt.subplots(figsize=(columns * size + margins[0], rows * size + margins[1]))
    ax.set_anchor("E")  # what room is left over goes to the titles of the rows
    ax.imshow(canvas.squeeze(-1) if tiles.shape[-1] == 1 else canvas, vmin=0, vmax=1, interpolation="nearest")
    ax.set_xticks([W / 2 + i * (W + gap) for i in range(len(column_titles))], column_titles)
    ax.set_yticks([H / 2 + i * (H + gap) for i in range(len(row_titles))], row_titles)
    ax.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return fig


def pick(steps: Sequence, count: int) -> list:
    """``count`` entries of a sequence, evenly spread, the first and the last among them: the frames of a film strip."""
    return [steps[round(i * (len(steps) - 1) / (count - 1))] for i in range(count)]
