"""The text encoder: a sentence as one vector for each word; and the contrastive pair that trains it, as in CLIP.

    a red car  ──► begin a red car ──► 2 transformer blocks ──► 4 vectors, one for each token ──► cross-attention
                                                                 └─ the first: the whole text ──► beside pictures

No label says what "red" means. It learns by matching captions and pictures: ``ContrastivePair`` maps texts and pictures
into one space, in which those that belong together are close (Radford et al. 2021, *Learning
Transferable Visual Models From Natural Language Supervision*).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.networks.attention import attention
from course_lib.networks.classifier import Classifier
from course_lib.networks.tokenizer import PAD, Tokenizer
from course_lib.support.arguments import require_axes, require_labels, require_number, require_rows, require_tensor


class Encoded(NamedTuple):
    """words: (B, L, D), a vector for each token, zeros for padding; text: (B, D), that of the begin token."""

    words: Tensor
    text: Tensor


class Block(nn.Module):
    """A transformer block: words attend to each other, then a small network transforms each; both are residual."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.to_qkv, self.to_out = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    def forward(self, x: Tensor, known: Tensor) -> Tensor:  # (B, L, D), (B, L) -> (B, L, D)
        q, k, v = self.to_qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found, _ = attention(q, k, v, known[:, None, None])  # (B, heads, L, d)
        x = x + self.to_out(found.transpose(1, 2).flatten(2))  # (B, L, D)
        return x + self.mlp(self.norm2(x))


class TextEncoder(nn.Module):
    """A transformer over words; every word sees the whole text.

    Args:
        tokenizer: what it understands.
        size: D, the numbers that stand for a word, divisible by heads.
        depth: how many blocks.
        heads: independent attentions in each.
    """

    def __init__(self, tokenizer: Tokenizer, size: int = 128, depth: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.tokenizer, self.size = tokenizer, size
        self.embed_word = nn.Embedding(len(tokenizer), size)
        self.embed_place = nn.Parameter(0.02 * torch.randn(1 + tokenizer.longest, size))
        nn.init.normal_(self.embed_word.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(size, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(size)

    def forward(self, ids: Tensor) -> Encoded:
        """Tokens, (B, L), as the tokeniser gives them → their vectors; how long the padding is changes nothing."""
        require_labels("ids", ids, len(self.tokenizer))
        longest = len(self.embed_place)
        if ids.ndim != 2 or not 1 <= ids.shape[1] <= longest:
            raise ValueError(f"ids must have shape (B, L) with L in 1…{longest}, but its shape is {tuple(ids.shape)}.")
        known = ids != PAD  # (B, L)
        x = self.embed_word(ids) + self.embed_place[: ids.shape[1]]  # (B, L, D)
        for block in self.blocks:
            x = block(x, known)
        x = self.norm(x) * known[..., None]  # (B, L, D)
        return Encoded(x, x[:, 0])

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Texts → (B, L, D), what cross-attention reads: a vector for each token, zeros for padding."""
        return self(self.tokenizer(texts).to(self.embed_place.device)).words

    def unknown(self, text: str) -> dict[str, list[str]]:
        """The words of a text that are not in its vocabulary, each with known words of similar spelling."""
        return self.tokenizer.unknown(text)


class ContrastivePair(nn.Module):
    """A text encoder and a picture encoder that end in one space of unit vectors.

    Args:
        text: the text encoder.
        side: of the pictures.
        size: of the common space.
    """

    def __init__(self, text: TextEncoder, side: int = 64, size: int = 64) -> None:
        super().__init__()
        self.text = text
        self.picture = Classifier(channels=3, classes=size, size=side, widths=(32, 64, 128, 128))
        self.project = nn.Linear(text.size, size)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))  # CLIP's start; learned

    def embed_texts(self, ids: Tensor) -> Tensor:
        """Tokens, (B, L) → (B, size), of length 1."""
        return F.normalize(self.project(self.text(ids).text), dim=-1)

    def embed_pictures(self, pictures: Tensor) -> Tensor:
        """(B, 3, side, side) in [-1, 1] → (B, size), of length 1."""
        return F.normalize(self.picture(pictures), dim=-1)


def contrastive_loss(pictures: Tensor, texts: Tensor, fits: Tensor, scale: Tensor) -> Tensor:
    r"""How badly pictures find their texts and texts their pictures, shape ().

    .. math:: L = \tfrac12\Big(-\sum_j p_{j|i} \log \operatorname{softmax}_j(s\,a_i \cdot b_j)
              \;-\; \sum_i p_{i|j} \log \operatorname{softmax}_i(s\,a_i \cdot b_j)\Big),

    averaged over i and j: the cross-entropies of CLIP, but with several right answers, which share the probability
    evenly, since a caption that leaves things out fits many pictures (Khosla et al. 2020, *Supervised Contrastive
    Learning*, equation 2). A text that fits no picture, a hard negative, counts only as a wrong answer.

    Args:
        pictures: a, (B, D), of length 1.
        texts: b, (K, D), of length 1.
        fits: (B, K) bool, which text is true of which picture; every picture needs one.
        scale: s, one over the temperature, shape ().
    """
    for name, each in (("pictures", pictures), ("texts", texts)):
        require_tensor(name, each)
        require_rows(name, each)
    require_axes("pictures", pictures, "B", "D")
    require_axes("texts", texts, "K", pictures.shape[1])
    require_axes("fits", fits, len(pictures), len(texts))
    if fits.dtype != torch.bool:
        raise TypeError(f"fits must be bool, but its dtype is {fits.dtype}.")
    if not fits.any(dim=1).all():
        raise ValueError("fits must be True somewhere for every picture, but one has no text.")
    require_number("scale", scale, 0, math.inf)
    logits = scale * pictures @ texts.T  # (B, K)
    share = fits.to(logits.dtype)  # (B, K)
    some = fits.any(dim=0)  # (K,)
    to_text = F.cross_entropy(logits, share / share.sum(dim=1, keepdim=True))
    to_picture = F.cross_entropy(logits.T[some], (share / share.sum(dim=0)).T[some])
    return (to_text + to_picture) / 2
