"""Text to numbers: a tokeniser over whole words.

Every text begins with one *begin* token, which every network may always look at: the empty prompt is that token alone,
and stands for "no text". A word that is not in the vocabulary becomes the *unknown* token, so any input works; and
``unknown`` says which words those were and which known ones look most like them.
"""

import difflib
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.support.arguments import require_count

PAD, BEGIN, UNKNOWN = 0, 1, 2

_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*|[^\w\s.!?;:()\"'’]")
"""Letters and digits, joined by hyphens or apostrophes; any other sign is a word of its own, but full stops and such
are none."""


def words(text: str) -> list[str]:
    """The words of a text in small letters, in order; the comma is one: "A red car, flat." → a, red, car, ",", flat."""
    if not isinstance(text, str):
        raise TypeError(f"a text must be a string, but got {text!r:.60}.")
    return _WORD.findall(text.lower())


class Tokenizer:
    """Words to whole numbers and back.

    Args:
        vocabulary: the known words, in the order of their numbers.
        longest: how many words a text may have.
    """

    def __init__(self, vocabulary: Sequence[str], longest: int = 24) -> None:
        require_count("longest", longest)
        self.longest = longest
        self.vocabulary = tuple(_list_of(vocabulary, "vocabulary"))
        if not all(isinstance(word, str) for word in self.vocabulary) or len({*self.vocabulary}) < len(self.vocabulary):
            raise ValueError("vocabulary must hold strings, each of them once.")
        self._ids = {word: number for number, word in enumerate(self.vocabulary, start=UNKNOWN + 1)}

    def __len__(self) -> int:
        """How many different numbers there are, the three special ones included."""
        return UNKNOWN + 1 + len(self.vocabulary)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """(B, L) int64: for each text BEGIN, its words, and PAD up to the length of the longest.

        Raises:
            TypeError: if a text is no string.
            ValueError: if there is none, or one has more words than can be read.
        """
        rows = [[BEGIN, *(self._ids.get(word, UNKNOWN) for word in self._words(text))] for text in _list_of(texts)]
        longest = max(len(row) for row in rows)
        return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])

    def unknown(self, text: str) -> dict[str, list[str]]:
        """The words of a text that are not in the vocabulary, each with up to three known words of similar spelling."""
        return {
            word: difflib.get_close_matches(word, self.vocabulary)
            for word in self._words(text)
            if word not in self._ids
        }

    def sources(self, first: str, second: str) -> Tensor:
        """For each token of the second text the place of the same token in the first, or -1 if it is new, (L,) int64.

        Where a stretch of words stands in for another of the same length, as blue does for red, each stands for the one
        in its place.
        """
        one, other = self([first])[0].tolist(), self([second])[0].tolist()
        places = torch.full((len(other),), -1)
        matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
        for _, start, end, other_start, other_end in matcher.get_opcodes():
            if end - start == other_end - other_start:
                places[other_start:other_end] = torch.arange(start, end)
        return places

    def _words(self, text: str) -> list[str]:
        found = words(text)
        if len(found) > self.longest:
            raise ValueError(f"a text may have {self.longest} words, but got one of {len(found)}: shorten it.")
        return found


def _list_of(texts: Sequence[str], name: str = "texts") -> list[str]:
    if isinstance(texts, str):
        raise TypeError(f"{name} must be a list of strings, but got one string: write [{texts[:20]!r}].")
    if not isinstance(texts, Sequence):
        raise TypeError(f"{name} must be a list of strings, but got {texts!r:.60}.")
    if not len(texts):
        raise ValueError(f"{name} must hold at least one text, but got an empty list.")
    return list(texts)
