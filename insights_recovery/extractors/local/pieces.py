"""Texts as pieces of words: WordPiece (Schuster & Nakajima 2012; Wu et al. 2016) over the uncased vocabulary of BERT.

A word is cut into the longest pieces that the vocabulary has, from the left, so that a word nobody has seen still says
something by its parts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

_WORD = re.compile(r"\w+|[^\w\s]")
_UNKNOWN = "[UNK]"
_LONGEST = 60
_REMEMBERED = 65_536


class Pieces:
    """A vocabulary of pieces, counted from 0; those that go on within a word begin with `##`."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._numbers = {piece: number for number, piece in enumerate(pieces)}
        self._unknown = self._numbers[_UNKNOWN]
        self._known: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers(self, text: str) -> list[int]:
        """Return the numbers of the text's pieces, in order; at least one, that of the unknown."""
        found: list[int] = []
        for word in _WORD.findall(_plain(text)):
            found += self._known.get(word) or self._learn(word)
        return found or [self._unknown]

    def _learn(self, word: str) -> tuple[int, ...]:
        numbers = self._cut(word)
        if len(self._known) < _REMEMBERED:
            self._known[word] = numbers
        return numbers

    def _cut(self, word: str) -> tuple[int, ...]:
        if len(word) > _LONGEST:
            return (self._unknown,)
        found: list[int] = []
        start = 0
        while start < len(word):
            end = self._longest(word, start)
            if end == start:
                return (self._unknown,)
            found.append(self._numbers[_piece(word, start, end)])
            start = end
        return tuple(found)

    def _longest(self, word: str, start: int) -> int:
        ends = range(len(word), start, -1)
        return next((end for end in ends if _piece(word, start, end) in self._numbers), start)


def _piece(word: str, start: int, end: int) -> str:
    return f"##{word[start:end]}" if start else word[:end]


def _plain(text: str) -> str:
    """Return the text in lower case and without accents, as the vocabulary is."""
    lowered = text.lower()
    if lowered.isascii():
        return lowered
    return "".join(char for char in unicodedata.normalize("NFD", lowered) if unicodedata.category(char) != "Mn")


@lru_cache(maxsize=1)
def read(file: Path) -> Pieces:
    """Return the vocabulary of a file with one piece a line."""
    return Pieces(file.read_text(encoding="utf-8").splitlines())
