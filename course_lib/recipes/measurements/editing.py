"""Fillings and changes measured: ``python -m course_lib.recipes.measurements.editing``, twenty minutes on two cores.

garments      holes in the middle of real garments, filled without a label: is it still the same garment, and how hard is
              the border
prints        T-shirts with a print that lies in the hole, and without one: how often a filling has one
text          real scenes whose object is cut out and another one asked for; and scenes of which the right half is cut out
inversion     a picture turned into noise and drawn again: what comes back, against steps and refinements
changes       the colour of an object changed: by starting anew, from the noised picture, from the inverted one
composition   two prompts at once, and one less another
views         one picture that shows two things, upright and turned, in pixels and in latents

Parts that are done are kept.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.composition import UPRIGHT, UPSIDE_DOWN, Composed, SharedAttention, Views
from course_lib.datasets.fashion import LABELS, test_set
from course_lib.denoisers import Clipped, Denoiser
from course_lib.editing import inversion_step, inversion_times, last_share, repaint_step, repaint_times
from course_lib.emoji.drawing import compose, scaled
from course_lib.emoji.judging import judge, judged_right, shares, whole_of
from course_lib.emoji.scenes import (
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    SIDE,
    SIZES,
    Scenes,
    draw_scenes,
    joined,
    rgb_of,
    training_cells,
    visible,
)
from course_lib.forward import add_noise
from course_lib.guidance import Guided
from course_lib.metrics import accuracy, psnr, seam
from course_lib.networks.vae import LATENT
from course_lib.pipeline.text_to_image import GUIDANCE, REFINEMENTS, STEPS, TextToImage
from course_lib.pretrained import emoji_classifier, emoji_wholeness, fashion, fashion_classifier, text_to_image
from course_lib.recipes.measurements.guidance_scales import NETWORKS as TEXT_NETWORKS
from course_lib.recipes.shared import tables
from course_lib.recipes.shared.captioned import full_captions
from course_lib.recipes.shared.garments import real_garments
from course_lib.sampling import Rule, ddim_step, ddpm_step, last, sample
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device
from course_lib.support.seeds import generator_for

NAME, NETWORKS = "editing", ("fashion", "fashion_classifier", *TEXT_NETWORKS)
GARMENTS, SHIRTS, GARMENT_STEPS, INVERSION_STEPS = 300, 100, 50, 50
STRENGTHS = tuple(tenths / 10 for tenths in range(1, 11))
STRENGTHS_UNGUIDED = (0.4, 0.6, 0.8, 1.0)
INVERTED_IN = (10, 25, 50, 100)  # steps
HOLES, HALVES, INVERTED, CHANGED, COMPOSED, PAIRS = 200, 60, 12, 60, 64, 90


class Way(NamedTuple):
    """A walk that fills a hole: by which rule, up again after how many steps, and how often each stretch is walked."""

    rule: Rule = ddim_step
    jump: int = 1
    resamplings: int = 1

    def times(self, times: Sequence[float]) -> list[float]:
        return repaint_times(times, self.jump, self.resamplings)

    def calls(self, times: Sequence[float]) -> int:
        """Of the denoiser: one for each step down."""
        walk = self.times(times)
        return sum(s < t for t, s in pairwise(walk))


GARMENT_WAYS = {
    "replacement, DDIM": Way(),
    "replacement, DDPM": Way(ddpm_step),
    "RePaint, 5 times, DDIM": Way(ddim_step, 5, 5),
    "RePaint, 2 times, DDPM": Way(ddpm_step, 5, 2),
    "RePaint, 5 times, DDPM": Way(ddpm_step, 5, 5),
}
SCENE_WAYS = {
    "replacement": Way(),
    "RePaint, 2 times": Way(ddim_step, 5, 2),
    "RePaint, 4 times": Way(ddim_step, 5, 4),
}


def square(side: int, begin: int, end: int) -> Tensor:
    """(1, 1, side, side) bool, True from row and column ``begin`` up to ``end``."""
    hole = torch.zeros(1, 1, side, side, dtype=torch.bool)
    hole[..., begin:end, begin:end] = True
    return hole


GARMENT_HOLE = square(28, 9, 19)
SCENE_HOLE = square(SIDE, 8, 56)
RIGHT_HALF = torch.arange(SIDE).expand(1, 1, SIDE, SIDE) >= SIDE // 2


def fill(
    denoiser: Denoiser,
    known: Tensor,
    hole: Tensor,
    way: Way,
    steps: int,
    cond: Tensor | None = None,
    seed: int = 0,
    batch: int = 100,
) -> Tensor:
    """Pictures or latents, (N, …), with what is drawn in the hole; each row has noise of its own. On the CPU."""
    hole = hole.to(best_device())

    @torch.no_grad()
    def filled(rows: Tensor) -> Tensor:
        generators = [generator_for(seed, row) for row in rows.tolist()]
        noise = torch.stack([torch.randn(known.shape[1:], generator=each) for each in generators]).to(best_device())
        rule = partial(repaint_step, known=known[rows].to(best_device()), hole=hole, rule=way.rule)
        of_rows = None if cond is None else cond[rows].to(best_device())
        walk = way.times(denoiser.schedule.times(steps))
        return last(sample(denoiser, noise, walk, rule, of_rows, generators))

    return in_batches(filled, torch.arange(len(known)), batch)


def of_garments() -> Denoiser:
    """The garments' denoiser, within the range of pixels."""
    return Clipped(fashion().denoiser, -1, 1)


def fill_garments(pictures: Tensor, way: Way, hole: Tensor = GARMENT_HOLE, seed: int = 0) -> Tensor:
    """Garments, (N, 1, 28, 28), with a hole filled without saying what they are."""
    none = torch.full((len(pictures),), fashion().net.null_class)
    return fill(of_garments(), pictures, hole, way, GARMENT_STEPS, none, seed, 250).clamp(-1, 1)


def have_print(pictures: Tensor, hole: Tensor = GARMENT_HOLE) -> Tensor:
    """(N,) bool: whether there is something on the garments, (N, 1, 28, 28), where the hole is."""
    return pictures[hole.expand_as(pictures)].reshape(len(pictures), -1).std(dim=1) > 0.3


def plain_around(pictures: Tensor) -> Tensor:
    """(N,) bool: whether there is cloth above and below the hole, and nothing on it that speaks of a print."""
    around = pictures[:, 0, [6, 7, 20, 21]][..., 9:19].flatten(1)  # (N, 40)
    return (around.std(dim=1) < 0.12) & (around.mean(dim=1) > -0.9)


def measure_garments() -> dict:
    real = real_garments(GARMENTS)
    hole = GARMENT_HOLE
    times = fashion().schedule.times(GARMENT_STEPS)

    def row(pictures: Tensor, calls: int) -> dict[str, float]:
        right = accuracy(fashion_classifier(), pictures, real.labels)
        return {"calls": calls, "judged_right": round(right, 4), "seam": round(seam(pictures, hole), 4)}

    grey = torch.where(hole, 0.0, real.pictures)
    others = fill(of_garments(), real.pictures, torch.ones_like(hole), Way(), GARMENT_STEPS, real.labels, 0, 250)
    pasted = torch.where(hole, others.clamp(-1, 1), real.pictures)
    rows = {"real": row(real.pictures, 0), "left grey": row(grey, 0), "pasted": row(pasted, len(times) - 1)}
    for name, way in GARMENT_WAYS.items():
        filled = fill_garments(real.pictures, way)
        assert torch.equal(filled[~hole.expand_as(filled)], real.pictures[~hole.expand_as(filled)])
        rows[name] = row(filled, way.calls(times))
        print("garments", name, rows[name], flush=True)
    return {"pictures": GARMENTS, "steps": GARMENT_STEPS, "rows": rows}


def measure_prints() -> dict:
    """T-shirts that are plain around the hole, with a print in it and without: how many fillings have one."""
    shirts = test_set().pictures[test_set().labels == LABELS.index("T-shirt")]
    shirts = shirts[plain_around(shirts)]
    printed = have_print(shirts)
    rows = {}
    for name, of in (("with a print", printed), ("without", ~printed)):
        chosen = shirts[of][:SHIRTS]
        filled = fill_garments(chosen, GARMENT_WAYS["RePaint, 5 times, DDPM"])
        rows[name] = {"shirts": len(chosen), "filled with a print": int(have_print(filled).sum())}
        print("prints", name, rows[name], flush=True)
    return rows


def of_object(caption: str) -> str:
    """What a full caption says of the object: "a large red sports car"."""
    return caption.split(" on a ")[0]


def without_style(caption: str) -> str:
    """A full caption without its last words, ", flat style"."""
    return caption.rsplit(",", 1)[0]


def wanted_and_others() -> tuple[Scenes, Scenes]:
    """Scenes of medium size in the middle, and as many others on the same backgrounds that show another object."""
    generator = torch.Generator().manual_seed(11)
    medium = list(SIZES).index("medium")

    def drawn(count: int) -> Scenes:
        scenes = draw_scenes(count, generator)
        return scenes[scenes.size == medium].centred()

    wanted, pool = drawn(4 * HOLES)[:HOLES], drawn(40 * HOLES)
    others = []
    for row in range(HOLES):
        one = wanted[row : row + 1]
        fits = visible(pool.colour, one.background.expand(len(pool)))
        fits &= (pool.object != one.object) & (pool.colour != one.colour) & ~pool.native
        other = pool[fits.nonzero()[row : row + 1, 0]]
        others.append(replace(other, background=one.background))
    return wanted, joined(others)


def latents_of(pipe: TextToImage, pictures: Tensor) -> Tensor:
    return in_batches(pipe.vae.to_latents, pictures)


def pictures_of(pipe: TextToImage, latents: Tensor) -> Tensor:
    return in_batches(pipe.vae.to_pictures, latents)


@torch.no_grad()
def read(pipe: TextToImage, prompts: list[str]) -> Tensor:
    return pipe.encoder.encode(prompts)


def fill_scenes(pipe: TextToImage, given: Tensor, hole: Tensor, prompts: list[str], way: Way, seed: int = 0) -> Tensor:
    """What is drawn, (N, 3, 64, 64), with what the prompts say in the hole, (1, 1, 64, 64); not pasted back."""
    in_latent = F.max_pool2d(hole.float(), SIDE // LATENT[-1]).bool()
    return pictures_of(
        pipe, fill(pipe.guided(), latents_of(pipe, given), in_latent, way, STEPS, read(pipe, prompts), seed)
    )


def describe_filled(pictures: Tensor, scenes: Scenes, given: Tensor, hole: Tensor) -> dict[str, float]:
    """Whether pictures show what was asked for, how hard the border is, and how far what is known has changed."""
    right = judged_right(pictures, scenes, emoji_classifier(), emoji_wholeness())
    changed = (pictures - given)[~hole.expand_as(given)].abs().mean().item()
    return {
        **shares({what: right[what] for what in ("object", "colour", "object and colour", "whole")}),
        "seam": round(seam(pictures, hole), 4),
        "changed outside": round(changed, 4),
    }


def measure_text() -> dict:
    pipe = text_to_image()
    wanted, others = wanted_and_others()
    times = pipe.denoiser.schedule.times(STEPS)
    table = {
        "pictures": {"object": HOLES, "half": HALVES},
        "steps": STEPS,
        "guidance": GUIDANCE,
        "calls": {name: 2 * way.calls(times) for name, way in SCENE_WAYS.items()},
    }
    holes = {"object": (wanted, others, SCENE_HOLE), "half": (wanted[:HALVES], wanted[:HALVES], RIGHT_HALF)}
    for part, (scenes, standing, hole) in holes.items():
        real, given = (scaled(compose(each)) for each in (scenes, standing))
        prompts = [of_object(caption) for caption in full_captions(scenes)]
        alone = fill_scenes(pipe, given, torch.ones_like(hole), prompts, Way())
        drawn = {"real, through the VAE": pictures_of(pipe, latents_of(pipe, real)), "drawn alone, cut in": alone}
        drawn |= {name: fill_scenes(pipe, given, hole, prompts, way) for name, way in SCENE_WAYS.items()}
        drawn["without a prompt"] = fill_scenes(pipe, given, hole, [""] * len(given), Way())
        shown = {"real": real, "drawn alone": alone, "decoded, not pasted back": drawn["replacement"]}
        shown |= {name: torch.where(hole, each, given) for name, each in drawn.items()}
        table[part] = {name: describe_filled(each, scenes, given, hole) for name, each in shown.items()}
        for name, row in table[part].items():
            print("text", part, name, row, flush=True)
    return table


@torch.no_grad()
def invert(pipe: TextToImage, latents: Tensor, cond: Tensor, steps: int, refinements: int) -> Tensor:
    """The noise of latents, (N, 4, 16, 16), at guidance 1."""
    up = partial(inversion_step, refinements=refinements)
    walk = inversion_times(pipe.denoiser.schedule, steps)
    return last(sample(pipe.denoiser, latents.to(best_device()), walk, up, cond))


def measure_inversion() -> dict:
    pipe = text_to_image()
    scenes = draw_scenes(INVERTED, torch.Generator().manual_seed(12)).centred()
    given, cond = scaled(compose(scenes)), read(pipe, full_captions(scenes))
    latents = latents_of(pipe, given)
    again = pictures_of(pipe, latents)
    table = {"pictures": INVERTED, "vae_alone": round(psnr(again, given), 2), "rows": []}
    for refinements in (0, 1, 2):
        for steps in INVERTED_IN:
            noise = invert(pipe, latents, cond, steps, refinements)
            with torch.no_grad():
                back = last(sample(pipe.denoiser, noise, pipe.denoiser.schedule.times(steps), cond=cond)).cpu()
            row = {
                "refinements": refinements,
                "steps": steps,
                "latents_error": round((back - latents).square().mean().sqrt().item(), 4),
                "psnr": round(psnr(pictures_of(pipe, back), given), 2),
                "noise_std": round(noise.std().item(), 4),
            }
            table["rows"].append(row)
            print("inversion", row, flush=True)
    return table


def shown(pictures: Tensor, scenes: Scenes) -> Tensor:
    """(N, 64, 64) bool: where the pictures, (N, 3, 64, 64) in [-1, 1], differ from their background."""
    grounds = torch.tensor([rgb_of(value) for value in BACKGROUNDS.values()])[scenes.background] / 127.5 - 1  # (N, 3)
    return (pictures - grounds[:, :, None, None]).abs().amax(dim=1) > 0.2


def wanted_changes() -> tuple[Scenes, Scenes]:
    """Scenes, and the same with the object in another colour, which goes with their background."""
    generator = torch.Generator().manual_seed(13)
    scenes = draw_scenes(4 * CHANGED, generator).centred()
    colour = (scenes.colour + 1 + torch.randint(len(COLOURS) - 1, (len(scenes),), generator=generator)) % len(COLOURS)
    fits = visible(colour, scenes.background) & training_cells()[scenes.object, colour] & ~scenes.native
    scenes, colour = scenes[fits][:CHANGED], colour[fits][:CHANGED]
    return scenes, replace(scenes, colour=colour)


def describe_changed(pictures: Tensor, scenes: Scenes, wanted: Scenes) -> dict[str, float]:
    """Whether pictures of scenes show what was wanted, and how much else has changed.

    Returns:
        Shares that are judged right; ``same shape``, of the pixels that differ from the background before or after, the
        share that does so in both; the mean change of a pixel ``outside`` the object, against the picture that was given,
        and ``inside``, against the object in its new colour.
    """
    given, ideal = (scaled(compose(each)) for each in (scenes, wanted))
    stood, stands = shown(given, scenes), shown(pictures, scenes)  # (N, 64, 64)
    overlap = (stood & stands).sum((1, 2)) / (stood | stands).sum((1, 2))
    outside = ~F.max_pool2d(stood[:, None].float(), 5, 1, 2).bool()[:, 0]  # two pixels away from the object
    right = judged_right(pictures, wanted, emoji_classifier(), emoji_wholeness())
    return {
        **shares({what: right[what] for what in ("object", "colour", "whole", "adherence")}),
        "same shape": round(overlap.mean().item(), 4),
        "outside": round((pictures - given).abs().mean(dim=1)[outside].mean().item(), 4),
        "inside": round((pictures - ideal).abs().mean(dim=1)[stood].mean().item(), 4),
    }


def measure_changes() -> dict:
    """The object gets another colour."""
    pipe = text_to_image()
    scenes, wanted = wanted_changes()
    given, ideal = (scaled(compose(each)) for each in (scenes, wanted))
    befores, afters = ([without_style(caption) for caption in full_captions(each)] for each in (scenes, wanted))
    before, after = read(pipe, befores), read(pipe, afters)
    latents, schedule = latents_of(pipe, given), pipe.denoiser.schedule
    table = {"pictures": CHANGED, "steps": STEPS, "inverted in": INVERSION_STEPS, "rows": {}}

    def row(name: str, pictures: Tensor) -> None:
        table["rows"][name] = describe_changed(pictures, scenes, wanted)
        print("changes", name, table["rows"][name], flush=True)

    row("nothing done", given)
    row("recoloured, real", ideal)
    row("through the VAE", pictures_of(pipe, latents))
    noise, times = pipe.noise(CHANGED, seed=0).cpu(), schedule.times(STEPS)
    for guidance, strengths in ((GUIDANCE, STRENGTHS), (1.0, STRENGTHS_UNGUIDED)):
        for strength in strengths:
            walk = last_share(times, strength)
            noised = add_noise(schedule, latents, walk[0], noise)
            row(f"strength {strength}, guidance {guidance:g}", drawn_from(pipe, noised, walk, after, guidance))
    inverted, times = invert(pipe, latents, before, INVERSION_STEPS, REFINEMENTS), schedule.times(INVERSION_STEPS)
    for guidance in (1.0, GUIDANCE):
        row(f"inverted, guidance {guidance:g}", drawn_from(pipe, inverted, times, after, guidance))
    for start, x in (("inverted", inverted), ("new noise", noise)):
        for guidance in (1.0, GUIDANCE):
            pictures = drawn_in_pairs(pipe, x, times, befores, afters, guidance)
            row(f"{start}, attention shared, guidance {guidance:g}", pictures)
    return table


@torch.no_grad()
def drawn_from(
    pipe: TextToImage, x: Tensor, times: Sequence[float], cond: Tensor, guidance: float = GUIDANCE
) -> Tensor:
    """Pictures for each row of cond, from noised latents on."""
    latents = last(sample(pipe.guided(guidance), x.to(best_device()), times, cond=cond))
    return pictures_of(pipe, latents.cpu())


@torch.no_grad()
def drawn_in_pairs(
    pipe: TextToImage, x: Tensor, times: Sequence[float], befores: list[str], afters: list[str], guidance: float
) -> Tensor:
    """The same, each picture looking where the one of the prompt before looks, which is drawn beside it."""
    sources = [tuple(pipe.encoder.tokenizer.sources(*pair).tolist()) for pair in zip(befores, afters, strict=True)]
    drawn = torch.empty_like(x, device="cpu")
    for source in set(sources):
        rows = [row for row, each in enumerate(sources) if each == source]
        shared = SharedAttention(pipe.denoiser, torch.tensor(source))
        denoiser = shared if guidance == 1 else Guided(shared, guidance, read(pipe, [""]))
        prompts = [prompt for row in rows for prompt in (befores[row], afters[row])]  # in pairs
        twice = x[rows].repeat_interleave(2, dim=0).to(best_device())
        drawn[rows] = last(sample(denoiser, twice, times, cond=read(pipe, prompts)))[1::2].cpu()
    return pictures_of(pipe, drawn)


RED, CAR_ON_BLUE = "a red sports car", "a sports car on a sky blue background"
ON_BLUE, ON_WHITE = "on a sky blue background", "on a white background"


def measure_composition() -> dict:
    """Shares of the pictures, from the same noise, that show what one prompt says, what another says, and both."""
    pipe = text_to_image()
    nothing = read(pipe, [""])
    noise = pipe.noise(COMPOSED, seed=14)
    times = pipe.denoiser.schedule.times(STEPS)
    table = {"pictures": COMPOSED, "and": {}, "not": {}}

    def drawn(denoiser: Denoiser, prompt: str | None = None) -> Tensor:
        cond = None if prompt is None else read(pipe, [prompt] * COMPOSED)
        with torch.no_grad():
            return pictures_of(pipe, last(sample(denoiser, noise, times, cond=cond)).cpu())

    def row(part: str, name: str, pictures: Tensor) -> None:
        seen = judge(pictures, emoji_classifier())
        found = {
            "sports car": seen["object"] == OBJECTS.index("sports car"),
            "red": seen["colour"] == list(COLOURS).index("red"),
            "on sky blue": seen["background"] == list(BACKGROUNDS).index("sky blue"),
            "on white": seen["background"] == list(BACKGROUNDS).index("white"),
            "whole": whole_of(pictures, seen, emoji_wholeness()),
        }
        table[part][name] = shares(found)
        print("composition", part, name, table[part][name], flush=True)

    def composed(prompts: tuple[str, str], w: tuple[float, float]) -> Tensor:
        return drawn(Composed(pipe.denoiser, [read(pipe, [one]) for one in prompts], w, nothing))

    for prompt in (RED, CAR_ON_BLUE, f"{RED} {ON_BLUE}"):
        row("and", prompt, drawn(pipe.guided(), prompt))
    for second in (CAR_ON_BLUE, ON_BLUE):
        for w in ((3, 3), (3, 1)):
            row("and", f"w = {w[0]}, and {w[1]} for {second.removesuffix(' background')}", composed((RED, second), w))
    for prompt in (RED, f"{RED}, not {ON_WHITE}", f"{RED}, {ON_WHITE}"):
        row("not", prompt, drawn(pipe.guided(), prompt))
    for w in ((3, -0.5), (3, -1), (3, -2)):
        row("not", f"w = {w[0]}, and {w[1]:g} for {ON_WHITE}", composed((RED, ON_WHITE), w))
    row("not", f"negative prompt: {ON_WHITE}", drawn(pipe.guided(uncond=read(pipe, [ON_WHITE])), RED))
    return table


def measure_views() -> dict:
    """One thing upright, another upside down: how many of the pictures are judged right both ways."""
    views, generator = [UPRIGHT, UPSIDE_DOWN], torch.Generator().manual_seed(15)
    pairs = torch.tensor([(a, b) for a in range(10) for b in range(10) if a != b])  # (90, 2)
    noise = torch.randn(len(pairs), 1, 28, 28, generator=generator).to(best_device())
    conds = [pairs[:, which].to(best_device()) for which in (0, 1)]
    times = fashion().schedule.times(GARMENT_STEPS)
    table = {"pictures": PAIRS, "pixels": {}, "latents": {}}

    def row(part: str, name: str, upright: Tensor, turned: Tensor) -> None:
        table[part][name] = shares({"upright": upright, "turned": turned, "both": upright & turned})
        print("views", part, name, table[part][name], flush=True)

    def judged(pictures: Tensor, labels: Tensor) -> Tensor:
        return in_batches(fashion_classifier(), pictures).argmax(dim=1) == labels

    none = torch.full_like(conds[0][:1], fashion().net.null_class)
    for w in (1.0, 3.0):
        guided = Guided(of_garments(), w, none)
        with torch.no_grad():
            alone = last(sample(guided, noise, times, cond=conds[0])).clamp(-1, 1).cpu()
            both = last(sample(Views(guided, views, conds), noise, times)).clamp(-1, 1).cpu()
        for name, pictures in (("one view", alone), ("two views", both)):
            row(
                "pixels",
                f"{name}, w = {w:g}",
                judged(pictures, pairs[:, 0]),
                judged(UPSIDE_DOWN.there(pictures), pairs[:, 1]),
            )

    pipe = text_to_image()
    pairs = torch.stack([torch.randperm(len(OBJECTS), generator=generator)[:2] for _ in range(PAIRS)])  # (90, 2)
    conds = [read(pipe, [f"a blue {OBJECTS[row]} on white" for row in pairs[:, which].tolist()]) for which in (0, 1)]
    noise, times = pipe.noise(PAIRS, seed=15), pipe.denoiser.schedule.times(STEPS)
    for name, denoiser, cond in (
        ("one view", pipe.guided(), conds[0]),
        ("two views", Views(pipe.guided(), views, conds), None),
    ):
        with torch.no_grad():
            latents = last(sample(denoiser, noise, times, cond=cond)).cpu()
        pictures = pictures_of(pipe, latents)
        seen = [judge(view.there(pictures), emoji_classifier())["object"] for view in views]
        row("latents", name, seen[0] == pairs[:, 0], seen[1] == pairs[:, 1])
        turned = pictures_of(pipe, UPSIDE_DOWN.there(latents))
        table["latents"][name]["decoded turned, psnr"] = round(psnr(turned, UPSIDE_DOWN.there(pictures)), 2)
    return table


PARTS = {
    "garments": measure_garments,
    "prints": measure_prints,
    "text": measure_text,
    "inversion": measure_inversion,
    "changes": measure_changes,
    "composition": measure_composition,
    "views": measure_views,
}


def main() -> None:
    table = tables.resume(NAME, NETWORKS, dict)
    for name, measure in PARTS.items():
        if name not in table:
            table[name] = measure()
            tables.save(NAME, table)


if __name__ == "__main__":
    main()
