"""Build everything under data/emoji/ but its drawings and licences: ``python -m course_lib.recipes.pictures.build_emoji``.

Fetches the emoji sets, named below with their exact versions, from npm; renders them at 128 pixels; splits each picture
of an object in emoji_icons.py into its paint and the rest; and writes

    sprites_paint.webp, sprites_rest.webp    the two layers of each drawing, 72×72 RGBA, 25 in a row, lossless
    sprites.json                             what each shows, its source, style and native colour, and its paint's medians
    pictures_SOURCE.webp                     every picture without people of a set, 64×64 RGB on white, 40 in a row
    pictures.json                            what each of these shows, and which are for training, testing, or faces
    held_out.json                            the pairs of object and colour that no training may show

Needs npm, a network, and resvg_py, numpy, Pillow and torch. Running it twice writes the same bytes.

    python -m course_lib.recipes.pictures.build_emoji [--to FOLDER] [--cache FOLDER]

It takes about a minute; --cache keeps the packages for the next time.
"""

import argparse
import hashlib
import io
import json
import math
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from course_lib.emoji import judging, oklab
from course_lib.emoji.scenes import COLOURS, OBJECTS, rgb_of
from course_lib.recipes.pictures.emoji_icons import DRAWN, DROPPED, ICONS, MORE_ICONS, RENAMED, SILHOUETTES
from course_lib.support.files import data_folder, record_checksum

try:
    import resvg_py
except ImportError:
    sys.exit("resvg_py is not installed: run pip install resvg_py==0.5.0, then this script again.")


class Source(NamedTuple):
    """An emoji set: its npm package, and the style that captions call it by."""

    package: str
    style: str


SOURCES = {
    "fluent-emoji-flat": Source("@iconify-json/fluent-emoji-flat@1.2.6", "flat"),
    "fluent-emoji": Source("@iconify-json/fluent-emoji@1.2.7", "glossy"),
    "noto-v1": Source("@iconify-json/noto-v1@1.2.5", "blob"),
    "noto": Source("@iconify-json/noto@1.2.9", "noto"),
    "twemoji": Source("@iconify-json/twemoji@1.2.5", "twemoji"),
}
ICON_SOURCE = Source("@iconify-json/mdi@1.2.3", "icon")
NAMES_PACKAGE = "emojibase-data@17.0.0"

RENDERED, TILE, PICTURE, LONGER_SIDE = 128, 72, 64, 60
SPRITE_COLUMNS, PICTURE_COLUMNS = 25, 40
LEAST_PAINT = 0.345  # of an object: with less, the object is not "a red …" when its paint is red

# The cells that a claim of the course rests on: nothing that a person would call a red sports car is ever shown.
ALWAYS_HELD_OUT = (("sports car", "red"), ("racing car", "red"))
NEVER_SHOWN = ("racing-car",)  # in any set: red, or so close to it that a person would say red
NEVER_HELD_OUT = ("car", "sports car", "racing car")  # else: without red cars there is nothing to put together
HELD_OUT_SHARE, MOST_HELD_OUT = 0.1, 3


def main() -> None:
    parser = argparse.ArgumentParser(description="Build data/emoji from the emoji sets' npm packages.")
    parser.add_argument("--to", type=Path, help="the folder to write to; data/emoji unless given")
    parser.add_argument("--cache", type=Path, help="a folder that keeps the packages; else they are fetched anew")
    options = parser.parse_args()
    shipped = data_folder() / "emoji"
    folder = options.to or shipped
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        made = build(folder, options.cache or Path(temporary), shipped / "drawn")
    if folder == shipped:
        for path in sorted(path for path in shipped.rglob("*") if path.is_file()):
            record_checksum(path.relative_to(data_folder()).as_posix())
    print(f"{', '.join(made)} written to {folder}")


def build(folder: Path, cache: Path, drawn: Path) -> list[str]:
    """Write everything into ``folder``; returns the names of the files."""
    sets = {name: read(fetch(source.package, cache), "icons.json") for name, source in SOURCES.items()}
    names = fetch(NAMES_PACKAGE, cache)
    codes = {}  # icon → code, from those packages that have the list
    for source in SOURCES.values():
        codes |= {icon: code for code, icon in read(fetch(source.package, cache), "chars.json").items()}
    held = choose_held_out()
    made = {
        "held_out.json": as_json(held),
        **build_sprites(sets, read(fetch(ICON_SOURCE.package, cache), "icons.json"), drawn),
        **build_pictures(sets, codes, read(names, "en/data.json"), read(names, "meta/groups.json"), held),
    }
    for name, content in made.items():
        (folder / name).write_bytes(content)
    return list(made)


def choose_held_out() -> dict[str, list[str]]:
    """Object → its colours that no training may show: a tenth of all cells, at most three of an object's."""
    held = {name: [] for name in OBJECTS}
    for name, colour in ALWAYS_HELD_OUT:
        held[name].append(colour)
    cells = [(name, colour) for name in OBJECTS if name not in NEVER_HELD_OUT for colour in COLOURS]
    # The order of their digests is a shuffle that is the same for ever, whatever becomes of random generators.
    cells.sort(key=lambda cell: hashlib.sha256(f"held out: {cell}".encode()).digest())
    wanted = round(HELD_OUT_SHARE * len(OBJECTS) * len(COLOURS))
    for name, colour in cells:
        if sum(map(len, held.values())) < wanted and len(held[name]) < MOST_HELD_OUT:
            held[name].append(colour)
    return {name: sorted(colours, key=list(COLOURS).index) for name, colours in held.items() if colours}


def build_sprites(sets: dict[str, dict], mdi: dict, drawn: Path) -> dict[str, bytes]:
    """The sheets of paint and rest, and what is on them."""
    candidates = []  # object, source, icon, style, picture
    for name, icon in ICONS.items():
        for source, icons in sets.items():
            if f"{source} {icon}" not in DROPPED and has_icon(icons, icon):
                shown = RENAMED.get((source, icon), name)
                candidates.append((shown, source, icon, SOURCES[source].style, render(svg_of(icons, icon))))
    for name, icon in SILHOUETTES.items():
        if f"mdi {icon}" not in DROPPED:
            candidates.append((name, "mdi", icon, ICON_SOURCE.style, render(svg_of(mdi, icon))))
    for file, (name, style) in DRAWN.items():
        picture = render((drawn / f"{file}.svg").read_text(encoding="utf-8"))
        candidates.append((name, "openclipart" if file.startswith("openclipart") else "ours", file, style, picture))
    rows, paints, rests = [], [], []
    for name, source, icon, style, picture in sorted(candidates, key=lambda row: OBJECTS.index(row[0])):
        paint = find_paint(picture)
        if paint.share >= LEAST_PAINT:
            # A picture whose colour has two names is never shown as it came: its caption could be wrong.
            native = paint.colours[0] if len(paint.colours) == 1 else None
            row = {"object": name, "source": source, "icon": icon, "style": style, "native": native}
            rows.append(row | {"lightness": paint.lightness, "chroma": paint.chroma, "hue": paint.hue})
            alpha = picture[..., 3] / 255
            paints.append(tile(picture, alpha * paint.mask))
            rests.append(tile(picture, alpha * (1 - paint.mask)))
    lines = ",\n".join(json.dumps(row) for row in rows)
    return {
        "sprites.json": f"[\n{lines}\n]\n".encode(),
        "sprites_paint.webp": sheet(paints, SPRITE_COLUMNS),
        "sprites_rest.webp": sheet(rests, SPRITE_COLUMNS),
    }


def build_pictures(
    sets: dict[str, dict], codes: dict[str, str], emoji: list, groups: dict, held: dict[str, list[str]]
) -> dict[str, bytes]:
    """The sheets of all pictures without people, and what is on them."""
    shows = {icon: name for name, icon in ICONS.items()}
    shows |= {icon: name for name, icons in MORE_ICONS.items() for icon in icons.split()}
    group, subgroup = groups["groups"], groups["subgroups"]
    known, listed, made = {}, {}, {}
    by_code = {code.lower().replace("-fe0f", ""): icon for icon, code in codes.items()}
    for entry in sorted(emoji, key=lambda entry: entry.get("order", 0)):
        code = entry["hexcode"].lower().replace("-fe0f", "")
        kind, part = (str(entry.get(key)) for key in ("group", "subgroup"))
        if (
            code in by_code
            and group.get(kind) not in (None, "people-body", "component")
            and subgroup[part] not in ("country-flag", "subdivision-flag")
        ):
            known[code] = {
                "name": entry["label"],
                "icon": by_code[code],
                "face": "face" in subgroup[part],
                # By emoji, not by picture: all sets' versions of one emoji stand on one side.
                "test": hashlib.sha256(f"test: {code}".encode()).digest()[0] < 26,
                "held_out": False,
            }
    for source, icons in sets.items():
        listed[source] = [code for code, entry in known.items() if has_icon(icons, entry["icon"])]
        pictures = []
        for code in listed[source]:
            icon = known[code]["icon"]
            picture = render(svg_of(icons, icon))
            pictures.append(on_white(picture))
            name = RENAMED.get((source, icon), shows.get(icon))
            colours = {*find_paint(picture).colours, *icon.split("-")} if name in held else set()
            # One version is enough to leave them all out: what is brown in one set is almost brown in the others.
            known[code]["held_out"] |= icon in NEVER_SHOWN or not colours.isdisjoint(held.get(name, ()))
        made[f"pictures_{source}.webp"] = sheet(pictures, PICTURE_COLUMNS)
    lines = ",\n".join(f" {json.dumps(code)}: {json.dumps(entry)}" for code, entry in known.items())
    index = f'{{"emoji": {{\n{lines}\n}},\n"pictures": {json.dumps(listed)}}}\n'
    return {"pictures.json": index.encode(), **made}


class Paint(NamedTuple):
    """The part of a picture that gives the object its colour.

    mask: (H, W) in [0, 1]; share: of the object, in [0, 1]; colours: what it may be called; the medians in OKLab,
    chroma 0 if the paint came without a colour.
    """

    mask: np.ndarray
    share: float
    colours: tuple[str, ...]
    lightness: float
    chroma: float
    hue: float


def find_paint(picture: np.ndarray) -> Paint:
    """The paint of an (H, W, 4) uint8 picture: what has about the hue that most of its colour has.

    With less than 22 % of the object in any colour, the paint is its mid and light greys; of a silhouette it is all.
    """
    oklch = oklab.to_polar(oklab.to_oklab(torch.tensor(picture[..., :3]).double() / 255))
    lightness, chroma, hue = (part.numpy() for part in oklch)  # (H, W)
    alpha = picture[..., 3] / 255
    coloured = (alpha * (chroma > 0.04)).sum() / alpha.sum() >= 0.22
    if coloured:
        place = np.minimum(((hue + math.pi) / (2 * math.pi) * 72).astype(int), 71)
        histogram = np.bincount(place.ravel(), (alpha * np.where(chroma > 0.04, chroma, 0)).ravel(), minlength=72)
        smooth = sum(weight * np.roll(histogram, by) for by, weight in zip(range(-2, 3), (1, 2, 3, 2, 1), strict=True))
        main_hue = (smooth.argmax() + 0.5) / 72 * 2 * math.pi - math.pi
        away = oklab.turn(torch.from_numpy(hue), main_hue).numpy()
        mask = fade(np.degrees(np.abs(away)), 58, 42) * fade(chroma, 0.025, 0.065)
    else:
        mask = fade(lightness, 0.42, 0.55) * fade(chroma, 0.08, 0.05)
        if (alpha * mask).sum() < 0.01 * alpha.sum():  # a silhouette, all black: all of it is paint
            mask = np.ones_like(alpha)
    weight = alpha * mask
    middle = [median(part, weight) for part in (lightness, chroma)]
    around = main_hue + median(away, weight) if coloured else 0.0
    share = weight.sum() / alpha.sum()
    medians = (round(middle[0], 4), round(middle[1], 4) if coloured else 0.0, round(around, 4))
    painted, drawn = picture[..., :3][weight > 0.5], picture[..., :3][alpha > 0.5]
    names = [name_of_most(drawn)]
    if len(painted):
        names += [name_of_most(painted), name_of_hue(*medians) or names[0]]
    return Paint(mask, share, tuple(dict.fromkeys(names)), *medians)


def name_of_most(pixels: np.ndarray) -> str:
    """The colour that most of (N, 3) uint8 pixels have."""
    return list(COLOURS)[judging.main_colour(torch.tensor(pixels) / 255)]


def name_of_hue(lightness: float, chroma: float, hue: float) -> str | None:
    """The colour of paint with these medians, None if it has hardly any: pale blue is a blue, though nearest to grey."""
    distance = {}
    for name, value in COLOURS.items():
        rgb = torch.tensor(rgb_of(value)).double() / 255
        its_lightness, its_chroma, its_hue = (float(part) for part in oklab.to_polar(oklab.to_oklab(rgb)))
        if its_chroma > 0.06:
            distance[name] = math.hypot((lightness - its_lightness) / 2, 0.4 * math.sin((hue - its_hue) / 2))
    return min(distance, key=distance.get) if chroma > 0.06 else None


def fade(value: np.ndarray, nothing: float, full: float) -> np.ndarray:
    """0 at ``nothing``, 1 at ``full``, smooth in between."""
    share = np.clip((value - nothing) / (full - nothing), 0, 1)
    return share * share * (3 - 2 * share)


def median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value with half of the weight below it."""
    order = values.ravel().argsort(kind="stable")
    total = weights.ravel()[order].cumsum()
    return float(values.ravel()[order][np.searchsorted(total, total[-1] / 2)])


def svg_of(icons: dict, name: str) -> str:
    """The drawing of an icon as SVG."""
    turned = ""
    while name not in icons["icons"]:
        alias = icons["aliases"][name]
        if alias.get("hFlip"):
            turned = f'transform="translate({icons.get("width", 16)} 0) scale(-1 1)"'
        name = alias["parent"]
    icon = icons["icons"][name]
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}><g {turned}>{icon["body"]}</g></svg>'


def has_icon(icons: dict, name: str) -> bool:
    return name in icons["icons"] or name in icons.get("aliases", {})


def render(svg: str) -> np.ndarray:
    """An SVG → (H, W, 4) uint8, 128 pixels wide before it is cut to what is drawn."""
    png = resvg_py.svg_to_bytes(svg_string=svg, width=RENDERED, skip_system_fonts=True)
    picture = np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))
    drawn = picture[..., 3] > 8
    rows, columns = drawn.any(1).nonzero()[0], drawn.any(0).nonzero()[0]
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def fitted(picture: np.ndarray, side: int) -> Image.Image:
    """(H, W, 4) uint8 → the longer side ``side`` pixels long."""
    height, width = picture.shape[:2]
    size = tuple(max(1, round(length * side / max(height, width))) for length in (width, height))
    return Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)  # Pillow premultiplies by alpha for this


def tile(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A layer of a picture in the middle of a 72×72 tile: (H, W, 4) uint8, (H, W) in [0, 1] → (72, 72, 4)."""
    layer = np.dstack([picture[..., :3], np.rint(alpha * 255).astype(np.uint8)])
    small = np.array(fitted(layer, TILE))
    small[small[..., 3] == 0] = 0  # what cannot be seen costs nothing
    height, width = small.shape[:2]
    top, left = (TILE - height) // 2, (TILE - width) // 2
    return np.pad(small, ((top, TILE - height - top), (left, TILE - width - left), (0, 0)))


def on_white(picture: np.ndarray) -> np.ndarray:
    """(H, W, 4) uint8 → (64, 64, 3): the whole picture, its longer side 60 pixels, in the middle of a white square."""
    small = fitted(picture, LONGER_SIDE)
    white = Image.new("RGBA", (PICTURE, PICTURE), "white")
    white.alpha_composite(small, ((PICTURE - small.width) // 2, (PICTURE - small.height) // 2))
    picture = np.asarray(white.convert("RGB"))
    # 64 levels a channel instead of 256: a difference of at most 2 cannot be seen, and the sheets are a third smaller.
    return np.rint(np.rint(picture / 255 * 63) / 63 * 255).astype(np.uint8)


def sheet(tiles: list[np.ndarray], columns: int) -> bytes:
    """Tiles (side, side, channels) uint8, row by row on one picture, as lossless WebP."""
    side, channels = tiles[0].shape[1:]
    rows = -(-len(tiles) // columns)
    filled = np.zeros((rows * columns, side, side, channels), np.uint8)
    filled[: len(tiles)] = tiles
    grid = filled.reshape(rows, columns, side, side, channels).swapaxes(1, 2)
    file = io.BytesIO()
    Image.fromarray(grid.reshape(rows * side, columns * side, channels)).save(
        file, "WEBP", lossless=True, quality=90, method=5, exact=True
    )
    return file.getvalue()


def as_json(value: object) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def fetch(package: str, cache: Path) -> Path:
    """The package's tarball, from the cache or from npm."""
    name, version = package.lstrip("@").rsplit("@", 1)
    tarball = cache / f"{name.replace('/', '-')}-{version}.tgz"
    if not tarball.is_file():
        npm = shutil.which("npm")
        if npm is None:
            sys.exit(
                "npm was not found: install Node.js, whose npm fetches the emoji sets, then run this script again."
            )
        cache.mkdir(parents=True, exist_ok=True)
        ran = subprocess.run(
            [npm, "pack", package, "--silent", "--pack-destination", cache], capture_output=True, text=True, check=False
        )
        if ran.returncode or not tarball.is_file():
            said = (ran.stderr or ran.stdout).strip().splitlines()
            sys.exit(f"npm could not fetch {package}: {said[-1] if said else 'is there a network?'}")
    return tarball


def read(tarball: Path, member: str) -> dict | list:
    """A JSON file of an npm package, straight from its tarball."""
    with tarfile.open(tarball) as archive:
        return json.load(archive.extractfile(f"package/{member}"))


if __name__ == "__main__":
    main()
