"""Text to picture: everything put together, in the order in which the data flows.

    prompt ──encode──► words ─┐
                     noise ──► guided denoiser, step by step ──► latent ──decode──► picture

``pretrained.text_to_image()`` loads the trained parts.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from course_lib.arguments import require_between, require_whole_number
from course_lib.denoisers import Denoiser
from course_lib.device import best_device
from course_lib.guidance import Guided
from course_lib.metrics import in_batches
from course_lib.networks.vae import VAE
from course_lib.sampling import Step, last, sample
from course_lib.training import generator_for

GUIDANCE = 3.0  # prompts are followed best from 2 to 5: recipes/guidance_scales
ALONG = 0.3  # a compromise: at 1 colours become harsh, at 0 pale
LATENT = (4, 16, 16)


class Encoder(Protocol):
    """Anything that reads texts: ``networks.text.TextEncoder``, or ``networks.clip.ClipEncoder``."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """(B, L, D), a vector for each token, zeros for padding."""

    def unknown(self, text: str) -> dict[str, list[str]]:
        """The words of a text that it has never heard, each with known ones that are spelt like it."""


class UnknownWord(UserWarning):
    """A prompt has a word that the text encoder has never heard."""


@dataclass(frozen=True, eq=False)
class TextToImage:
    """Calls give pictures; ``watch`` gives every step on the way to them.

    Args:
        encoder: reads the prompt.
        denoiser: of latents, conditioned on what the encoder answers.
        vae: turns latents into pictures.
        along: the share of guidance that is kept of what makes colours gaudy, see ``guidance.Guided``.
    """

    encoder: Encoder
    denoiser: Denoiser
    vae: VAE
    along: float = ALONG

    def __call__(
        self,
        prompts: str | Sequence[str],
        *,
        guidance: float = GUIDANCE,
        steps: int = 25,
        seed: int = 0,
        negative: str | None = None,
    ) -> Tensor:
        """Draw a picture for each prompt.

        Args:
            prompts: one or several.
            guidance: w, at least 0: 1 is what the network learned, more follows the prompt more closely.
            steps: of DDIM, in 1…T.
            seed: the same one gives the same pictures. Every row has noise of its own.
            negative: what to stay away from.

        Returns:
            (N, 3, 64, 64) uint8.

        Raises:
            TypeError, ValueError: in one sentence, for anything else.

        Warns:
            UnknownWord: naming the known words that are spelt most like it.
        """
        return self.decode(last(self.watch(prompts, guidance=guidance, steps=steps, seed=seed, negative=negative)))

    def watch(
        self,
        prompts: str | Sequence[str],
        *,
        guidance: float = GUIDANCE,
        steps: int = 25,
        seed: int = 0,
        negative: str | None = None,
    ) -> Iterator[Step]:
        """The same, step by step: latents with their predictions, each of which ``decode`` turns into pictures."""
        prompts = [prompts] if isinstance(prompts, str) else prompts
        if not isinstance(prompts, Sequence):
            raise TypeError(f"prompts must be a text or a list of texts, but {prompts!r} came.")
        cond = self._read(prompts)  # (N, L, D)
        times = self.denoiser.schedule.times(steps)
        uncond = None if negative is None else self._read([negative])  # (1, L, D)
        return sample(self.guided(guidance, uncond), self.noise(len(cond), seed), times, cond=cond)

    def guided(self, guidance: float = GUIDANCE, uncond: Tensor | None = None) -> Guided:
        """The denoiser that follows prompts at this scale, away from ``uncond``: the empty prompt unless told otherwise."""
        uncond = self._read([""]) if uncond is None else uncond
        return Guided(self.denoiser, guidance, uncond, self.along)

    def decode(self, latents: Tensor) -> Tensor:
        """(N, 4, 16, 16) → (N, 3, 64, 64) uint8."""
        return ((in_batches(self.vae.to_pictures, latents) + 1) * 127.5).round().to(torch.uint8)

    def noise(self, count: int, seed: int) -> Tensor:
        """(count, 4, 16, 16): row i depends on (seed, i) alone, whoever stands beside it."""
        require_whole_number("seed", seed)
        require_between("seed", seed, 0, 2**63 - 1)
        rows = [torch.randn(LATENT, generator=generator_for(seed, row)) for row in range(count)]
        return torch.stack(rows).to(best_device())

    def _read(self, texts: Sequence[str]) -> Tensor:
        with torch.no_grad():
            words = self.encoder.encode(texts)
        for text in texts:
            for word, like in self.encoder.unknown(text).items():
                hint = f"; known words like it: {', '.join(like)}" if like else ""
                warnings.warn(f"{word[:40]!r} is no word that the text encoder knows{hint}.", UnknownWord, stacklevel=4)
        return words
