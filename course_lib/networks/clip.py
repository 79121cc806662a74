"""The real CLIP instead of the course's own text encoder, where transformers is installed; Colab has it.

    from transformers import CLIPTextModel, CLIPTokenizer

    name = "openai/clip-vit-base-patch32"
    encoder = ClipEncoder(CLIPTextModel.from_pretrained(name), CLIPTokenizer.from_pretrained(name))
    encoder.encode(["a red sports car"])  # (1, L, 512)

Its words have 512 numbers instead of 128, so a U-Net has to be trained for it: ``TextUNet(word_size=encoder.size)``.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class ClipEncoder:
    """Reads texts as ``TextEncoder`` does, through CLIP's transformer, frozen.

    Args:
        model: a ``transformers.CLIPTextModel``.
        tokenizer: its ``CLIPTokenizer``, which cuts rare words into pieces, so that none is unknown.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model.eval().requires_grad_(False), tokenizer
        self.size = model.config.hidden_size

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Texts → (B, L, D), a vector for each token, zeros for padding.

        Raises:
            ValueError: if a text has more tokens than CLIP can read.
        """
        longest = self.model.config.max_position_embeddings
        said = self.tokenizer(list(texts), padding=True, return_tensors="pt").to(self.model.device)
        if said.input_ids.shape[1] > longest:
            raise ValueError(f"a text may have {longest} tokens, but got one of {said.input_ids.shape[1]}: shorten it.")
        with torch.no_grad():
            words = self.model(said.input_ids, said.attention_mask).last_hidden_state
        return words * said.attention_mask[..., None]  # (B, L, D)

    def unknown(self, text: str) -> dict[str, list[str]]:
        """Nothing: CLIP spells what it does not know."""
        return {}
