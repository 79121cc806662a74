"""Text to picture: everything put together, in the order in which the data flows.

    prompt ──encode──► words ─┐
                     noise ──► guided denoiser, step by step ──► latent ──decode──► picture

``pretrained.text_to_image()`` loads the trained parts, and ``pretrained.text_to_image(steps=4)`` those of a student, whose
denoiser takes so many steps and is guided already.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.denoisers import Denoiser
from course_lib.editing import inversion_step, inversion_times, replacement_step
from course_lib.emoji.scenes import SIDE
from course_lib.forward import add_noise
from course_lib.guidance import Guided, Within
from course_lib.networks.vae import LATENT, VAE
from course_lib.pipeline.given import Edit, Several, holes_from, pictures_from
from course_lib.pipeline.pictures import Pictures, Walk
from course_lib.sampling import last, sample
from course_lib.support.arguments import (
    require_axes,
    require_between,
    require_count,
    require_finite,
    require_number,
    require_whole_number,
)
from course_lib.support.batches import in_batches
from course_lib.support.device import best_device
from course_lib.support.seeds import generator_for

GUIDANCE = 3.0  # prompts are followed best from 2 to 5: recipes/measurements/guidance_scales.py
STEPS = 25
REFINEMENTS = 2  # of an inversion


class Encoder(Protocol):
    """Anything that reads texts: ``networks.text.TextEncoder``, or ``networks.clip.ClipEncoder``."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """(B, L, D), a vector for each token, zeros for padding."""

    def unknown(self, text: str) -> dict[str, list[str]]:
        """The words of a text that are not in its vocabulary, each with known words of similar spelling."""


class UnknownWord(UserWarning):
    """A prompt has a word that is not in the text encoder's vocabulary."""


class IgnoredText(UserWarning):
    """A prompt or a negative prompt has no effect, or the opposite one, at this guidance."""


class Distilled(NamedTuple):
    """What is built into a student: how many steps it takes, and the guidance with which its teacher drew."""

    steps: int
    guidance: float


@dataclass(frozen=True, eq=False)
class TextToImage:
    """Calls give pictures; ``watch`` gives every step on the way to them.

    Args:
        encoder: reads the prompt.
        denoiser: of latents, conditioned on what the encoder answers.
        vae: turns latents into pictures.
        distilled: what is built into the denoiser, if it is a student's. Then there is nothing to choose: a call may leave
            out the steps and all that belongs to guidance, or repeat what is built in.
    """

    encoder: Encoder
    denoiser: Denoiser
    vae: VAE
    distilled: Distilled | None = None

    def __call__(
        self,
        prompts: str | Sequence[str],
        *,
        guidance: float | None = None,
        steps: int | None = None,
        seed: int = 0,
        row: int = 0,
        negative: str | None = None,
        interval: tuple[float, float] | None = None,
        parallel: float = 1.0,
        picture: Several | None = None,
        mask: Several | None = None,
        strength: float | None = None,
        start: Tensor | None = None,
    ) -> Pictures:
        """Draw a picture for each prompt.

        Args:
            prompts: one or several.
            guidance: w, at least 0: 1 is what the network learned, more follows the prompt more closely. Unless given,
                it is 3, or what is built into a student.
            steps: of DDIM, in 1…T. Unless given, they are 25, or those of a student.
            seed: the same one gives the same pictures. Every row has noise of its own.
            row: of the first prompt. To draw picture k of several alone, hand over its prompt with row=k.
            negative: what to stay away from; needs a guidance above 1.
            interval: the times low…high at which there is guidance, such as (200, 800), as in ``guidance.Within``; None
                for all.
            parallel: 1 is plain guidance, less is projected guidance, see ``guidance.Guided``.
            picture: one to change, or one for each prompt: an image of Pillow's, a path, an array, a tensor, or what this
                pipeline drew; see ``pipeline.given``.
            mask: with a picture: where to draw, in white or True; all the rest stays as it is, to the last bit.
            strength: with a picture: how much of the way from noise it goes, above 0 and up to 1. Unless given, all of it
                where there is a mask, and 0.6 where there is none: the less, the more stays of the picture.
            start: latents, (N, 4, 16, 16), to draw from in place of noise, such as ``invert`` finds.

        Returns:
            The pictures, 64×64: ``.save("car.png")`` writes them, ``.tensor`` is (N, 3, 64, 64) uint8.

        Raises:
            TypeError, ValueError: in one sentence, for anything else, and if a student is asked for what it cannot do.

        Warns:
            UnknownWord: naming known words of similar spelling.
            IgnoredText: if a prompt or a negative prompt has no effect, or the opposite one, at this guidance.
        """
        edit = Edit(picture, mask, strength, start)
        walk = self._walk(prompts, guidance, steps, seed, row, negative, interval, parallel, edit)
        return Pictures(walk.decode(last(walk)).tensor, captions=_listed(prompts))

    def watch(
        self,
        prompts: str | Sequence[str],
        *,
        guidance: float | None = None,
        steps: int | None = None,
        seed: int = 0,
        row: int = 0,
        negative: str | None = None,
        interval: tuple[float, float] | None = None,
        parallel: float = 1.0,
        picture: Several | None = None,
        mask: Several | None = None,
        strength: float | None = None,
        start: Tensor | None = None,
    ) -> Walk:
        """The same, step by step: latents with their predictions, each of which ``decode`` turns into pictures.

        ``watch(…).save("car.gif")`` makes a film of it.
        """
        edit = Edit(picture, mask, strength, start)
        return self._walk(prompts, guidance, steps, seed, row, negative, interval, parallel, edit)

    def invert(self, prompts: str | Sequence[str], picture: Several, steps: int = 100) -> Tensor:
        """The noise from which pictures are drawn again at guidance 1, (N, 4, 16, 16): for ``start``.

        Args:
            prompts: what each picture shows, one or several.
            picture: as above, one, or one for each prompt.
            steps: of DDIM upwards, each with ``REFINEMENTS`` more looks.

        Raises:
            ValueError: for a student, which knows no way up.
        """
        if self.distilled is not None:
            raise ValueError(
                "a student cannot invert: it leaps over the times between. Use its teacher, pretrained.text_to_image()."
            )
        cond = self._read(_listed(prompts), deeper=0)
        x_0 = self._latents_of(pictures_from(picture), len(cond))
        up = partial(inversion_step, refinements=REFINEMENTS)
        return last(sample(self.denoiser, x_0, inversion_times(self.denoiser.schedule, steps), up, cond))

    def guided(
        self,
        guidance: float | None = None,
        uncond: Tensor | None = None,
        interval: tuple[float, float] | None = None,
        parallel: float = 1.0,
    ) -> Denoiser:
        """The denoiser that follows prompts at this scale, away from ``uncond``: the empty prompt by default.

        A student's is its own: it does so by itself.
        """
        if self.distilled is not None:
            self._require_built_in(guidance, uncond, interval, parallel)
            return self.denoiser
        guidance = GUIDANCE if guidance is None else guidance
        uncond = self._read([""]) if uncond is None else uncond
        guided = Guided(self.denoiser, guidance, uncond, parallel)
        if interval is None:
            return guided
        if not isinstance(interval, Sequence) or len(interval) != 2 or not all(isinstance(t, Real) for t in interval):
            raise TypeError(f"interval must be two times, such as (200, 800), but got {interval!r:.60}.")
        low, high = interval
        for t in interval:
            require_between("interval", t, 0, self.denoiser.schedule.T)
        if low > high:
            raise ValueError(f"interval must begin with its smaller time, but got ({low:g}, {high:g}).")
        return Within(guided, self.denoiser, low, high)

    def decode(self, latents: Tensor) -> Pictures:
        """(N, 4, 16, 16) → N pictures of 64×64.

        Raises:
            ValueError: if the latents are not finite, as after too much guidance.
        """
        require_finite("latents", latents)
        return _as_pictures(in_batches(self.vae.to_pictures, latents))

    def noise(self, count: int, seed: int, row: int = 0) -> Tensor:
        """(count, 4, 16, 16): rows ``row``, row + 1 …; each depends on (seed, its number) alone, not on the rows beside it."""
        require_count("count", count)
        return self._noise(self._generators(count, seed, row))

    def _generators(self, count: int, seed: int, row: int) -> list[torch.Generator]:
        for name, value in (("seed", seed), ("row", row)):
            require_whole_number(name, value)
            require_between(name, value, 0, 2**63 - 1)
        return [generator_for(seed, number) for number in range(row, row + count)]

    def _noise(self, generators: list[torch.Generator]) -> Tensor:
        return torch.stack([torch.randn(LATENT, generator=each) for each in generators]).to(best_device())

    def _walk(
        self,
        prompts: str | Sequence[str],
        guidance: float | None,
        steps: int | None,
        seed: int,
        row: int,
        negative: str | None,
        interval: tuple[float, float] | None,
        parallel: float,
        edit: Edit,
    ) -> Walk:
        prompts = _listed(prompts)
        times = self.denoiser.schedule.times(self._number_of(steps))
        if self.distilled is not None:
            negative = None if isinstance(negative, str) and not negative else negative  # as the teacher takes it
            self._require_built_in(guidance, negative, interval, parallel)
        cond = self._read(prompts)  # (N, L, D)
        uncond = None if negative is None else self._read([negative])  # (1, L, D)
        guided = self.guided(guidance, uncond, interval, parallel)
        generators = self._generators(len(cond), seed, row)
        noise = self._noise(generators) if edit.start is None else _start(edit, len(cond))
        if edit.picture is None:
            edit.require_picture()
            walk = Walk(sample(guided, noise, times, cond=cond), self.decode)
        else:
            times = edit.times(times)
            walk = self._edited(guided, noise, times, cond, generators, edit)
        if self.distilled is None:
            self._warn_of_ignored(prompts, GUIDANCE if guidance is None else guidance, times, negative, interval)
        return walk

    def _edited(
        self,
        guided: Denoiser,
        noise: Tensor,
        times: list[float],
        cond: Tensor,
        generators: list[torch.Generator],
        edit: Edit,
    ) -> Walk:
        """From a noised picture: all of it drawn on, or its hole alone."""
        given = pictures_from(edit.picture)  # (N or 1, 3, 64, 64)
        x_0 = self._latents_of(given, len(cond))
        x = add_noise(self.denoiser.schedule, x_0, times[0], noise)
        if edit.mask is None:
            return Walk(sample(guided, x, times, cond=cond), self.decode)
        hole = holes_from(edit.mask, edit.picture)  # (N or 1, 1, 64, 64)
        if len(hole) not in (1, len(cond)):
            raise ValueError(f"mask must be one, or one for each of the {len(cond)} prompts, but got {len(hole)}.")
        # A number of the latent stands for 4×4 pixels: it is drawn if one of them is.
        hole_in_latent = F.max_pool2d(hole.float(), SIDE // LATENT[-1]).bool().to(x.device)  # (N or 1, 1, 16, 16)
        # RePaint's walk costs four times as many calls and fills no better here: recipes/measurements/editing.py
        rule = partial(replacement_step, known=x_0, hole=hole_in_latent)
        walk = sample(guided, x, times, rule, cond, generators)

        def pasted(latents: Tensor) -> Pictures:
            require_finite("latents", latents)
            return _as_pictures(torch.where(hole, in_batches(self.vae.to_pictures, latents), given))

        return Walk(walk, pasted)

    def _latents_of(self, given: Tensor, count: int) -> Tensor:
        """(count, 4, 16, 16): of one picture for all rows, or of one for each, (1 or count, 3, 64, 64)."""
        if len(given) not in (1, count):
            raise ValueError(f"picture must be one, or one for each of the {count} prompts, but got {len(given)}.")
        latents = in_batches(self.vae.to_latents, given.to(best_device()))
        return latents.to(best_device()).expand(count, -1, -1, -1)

    def _number_of(self, steps: int | None) -> int:
        if self.distilled is None:
            return STEPS if steps is None else steps
        if steps is not None:
            require_whole_number("steps", steps)
        if steps not in (None, self.distilled.steps):
            raise ValueError(
                f"this student takes {self.distilled.steps} {'step' if self.distilled.steps == 1 else 'steps'} and no other "
                f"number, but got steps={steps!r:.60}: leave it out, or load the student of another number with "
                "pretrained.text_to_image(steps=…)."
            )
        return self.distilled.steps

    def _require_built_in(
        self,
        guidance: float | None,
        negative: str | Tensor | None,
        interval: tuple[float, float] | None,
        parallel: float,
    ) -> None:
        """Refuse what a student has no knob for."""
        if guidance is not None:
            require_number("guidance", guidance, 0, math.inf)
        require_number("parallel", parallel, 0, 1)
        asked = {
            "guidance": guidance not in (None, self.distilled.guidance),
            "a negative prompt": negative is not None,
            "interval": interval is not None,
            "parallel": parallel != 1,
        }
        for name, given in asked.items():
            if given:
                raise ValueError(
                    f"{name} cannot be chosen: this student draws as its teacher did at guidance "
                    f"{self.distilled.guidance:g}, and has no knob for it. Use its teacher, pretrained.text_to_image()."
                )

    def _warn_of_ignored(
        self,
        prompts: list[str],
        guidance: float,
        times: list[float],
        negative: str | None,
        interval: tuple[float, float] | None,
    ) -> None:
        low, high = interval or (0, times[0])
        guided_steps = sum(low <= t <= high for t in times[:-1])
        if negative and not guided_steps:
            said = f"no step lies in the interval from {low:g} to {high:g}"
            _warn(f"negative has no effect: {said}.", IgnoredText, deeper=1)
        elif negative and guidance <= 1:
            said = "has no effect" if guidance == 1 else "is drawn instead of avoided"
            _warn(f"negative {said} at guidance={guidance:g}: use a guidance above 1.", IgnoredText, deeper=1)
        elif guidance == 0 and any(prompts) and guided_steps == len(times) - 1:
            _warn("prompts have no effect at guidance=0: use a guidance of 1 or more.", IgnoredText, deeper=1)

    def _read(self, texts: Sequence[str], deeper: int = 1) -> Tensor:
        with torch.no_grad():
            words = self.encoder.encode(texts)
        for text in texts:
            for word, like in self.encoder.unknown(text).items():
                hint = f"; known words like it: {', '.join(like)}" if like else ""
                _warn(f"{word[:40]!r} is not in the text encoder's vocabulary{hint}.", UnknownWord, deeper)
        return words


def _listed(prompts: str | Sequence[str]) -> list[str]:
    if isinstance(prompts, str):
        return [prompts]
    if not isinstance(prompts, Sequence):
        raise TypeError(f"prompts must be a text or a list of texts, but got {prompts!r}.")
    return list(prompts)


def _warn(text: str, kind: type[UserWarning], deeper: int = 0) -> None:
    """Warn, pointing to the line that called the pipeline: it stands above ``_walk`` and ``__call__`` or ``watch``."""
    warnings.warn(text, kind, stacklevel=4 + deeper)


def _as_pictures(pictures: Tensor) -> Pictures:
    """(N, 3, 64, 64) in [-1, 1]."""
    return Pictures(((pictures + 1) * 127.5).round().to(torch.uint8))


def _start(edit: Edit, count: int) -> Tensor:
    require_finite("start", edit.start)
    require_axes("start", edit.start, count, *LATENT)
    return edit.start.to(best_device(), torch.float32)
