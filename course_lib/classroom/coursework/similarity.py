"""Which hand-ins are alike beyond what the task makes them: runs of tokens that few share, comments and names included.

A right answer to a small exercise looks much like any other, so what counts is what is rare: a run of tokens that the
hand-out or a solution has, or that many students have, says nothing. (After Schleimer, Wilkerson, Aiken 2003, *Winnowing:
Local Algorithms for Document Fingerprinting*, but with every run, since answers are short.) A pair is a reason to look, and
no proof.
"""

import io
import tokenize
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

RUN = 6  # tokens
SHARED_BY_MANY = 0.05  # of the class, and three at least
FEWEST = 12  # rare runs, below which there is too little to compare
ALIKE = 0.5  # of the rare runs of the shorter one

Hand = dict[str, str]
"""A student's code, by exercise."""


@dataclass(frozen=True)
class Pair:
    """Two students, which share of the rare runs of the shorter hand-in they have in common, and in which exercises."""

    first: str
    second: str
    share: float
    exercises: tuple[str, ...]


def similar_pairs(code: dict[str, Hand], handed_out: Iterable[str]) -> list[Pair]:
    """The pairs of students whose code is alike, most alike first.

    Args:
        code: of each student.
        handed_out: the code that all of them were given, and the solutions.
    """
    given = set().union(*map(runs, handed_out))
    of_student = {
        student: {exercise: runs(text) - given for exercise, text in hand.items()} for student, hand in code.items()
    }
    count = Counter(run for hand in of_student.values() for run in set().union(*hand.values()))
    many = max(3, SHARED_BY_MANY * len(code))
    rare = {
        student: {exercise: {run for run in found if count[run] <= many} for exercise, found in hand.items()}
        for student, hand in of_student.items()
    }
    by_run: dict[tuple[str, ...], list[str]] = {}
    for student, hand in rare.items():
        for run in set().union(*hand.values()):
            by_run.setdefault(run, []).append(student)
    common = Counter(pair for students in by_run.values() for pair in combinations(sorted(students), 2))
    size = {student: len(set().union(*hand.values())) for student, hand in rare.items()}
    pairs = []
    for (first, second), shared in common.items():
        shorter = min(size[first], size[second])
        if shorter >= FEWEST and shared >= ALIKE * shorter:
            where = [each for each in rare[first] if rare[first][each] & rare[second].get(each, set())]
            pairs.append(Pair(first, second, shared / shorter, tuple(where)))
    return sorted(pairs, key=lambda pair: (-pair.share, pair.first, pair.second))


def runs(text: str) -> set[tuple[str, ...]]:
    """All runs of so many tokens; what cannot be read as Python is read word by word."""
    try:
        kept = (token.string.strip() for token in tokenize.generate_tokens(io.StringIO(text).readline))
        tokens = [token for token in kept if token]
    except (tokenize.TokenError, SyntaxError):
        tokens = text.split()
    return {tuple(tokens[start : start + RUN]) for start in range(len(tokens) - RUN + 1)}
