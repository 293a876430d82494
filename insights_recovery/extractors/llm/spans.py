"""Finding a model's quotation in the text: exactly, or else as the same words written a little differently."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cached_property

_QUOTES = str.maketrans(
    "\u2018\u2019\u201a\u201b\u2032\u00b4`\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", "'" * 7 + '"' * 7
)
_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-" * 7)
_WRAPPING = " '\".\u2026"
_SHORTEST_STEM = 4
_EMOJI_STYLES = "\ufe0e\ufe0f"

Place = Callable[[str, str], int]
"""Looks for words in a text; says where they begin, or -1."""


class Quotable:
    """A text in which quotations are looked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    def find(self, snippet: str) -> tuple[int, int] | None:
        """Return where `snippet` stands in the text, as whole words or else as the stem of one, or None.

        White space, case, the style of quotes and dashes, composed or decomposed letters and invisible characters make
        no difference where there is no exact match. The offsets are those of the text, in code points.
        """
        words = snippet.strip()
        for place in (_whole_words, _stems):
            if words and (span := self._find_exactly(words, place) or self._find_alike(words, place)):
                return span
        return None

    def _find_exactly(self, words: str, place: Place) -> tuple[int, int] | None:
        start = place(self._text, words)
        return (start, start + len(words)) if start >= 0 else None

    def _find_alike(self, words: str, place: Place) -> tuple[int, int] | None:
        folded, origins = self._folded
        wanted = _folded(words)[0]
        for form in dict.fromkeys((wanted.strip(), wanted.strip(_WRAPPING))):
            if form and (start := place(folded, form)) >= 0:
                return origins[start], self._behind(origins[start + len(form) - 1])
        return None

    def _behind(self, last: int) -> int:
        """Return the offset behind this character and what combines with it."""
        end = last + 1
        while end < len(self._text) and _combines(self._text[end]):
            end += 1
        return end

    @cached_property
    def _folded(self) -> tuple[str, list[int]]:
        return _folded(self._text)


def _whole_words(text: str, words: str) -> int:
    return _first(text, words, lambda start, end: not (_is_inside(text, start) or _is_inside(text, end)))


def _stems(text: str, words: str) -> int:
    """Find words that go on, by an ending for instance; scripts without case often put no space between words."""
    may_go_on = len(words) >= _SHORTEST_STEM

    def is_stem(start: int, end: int) -> bool:
        return not _is_inside(text, start, _is_cased) and (may_go_on or not _is_inside(text, end, _is_cased))

    return _first(text, words, is_stem)


def _first(text: str, words: str, is_good: Callable[[int, int], bool]) -> int:
    start = text.find(words)
    while start >= 0 and not is_good(start, start + len(words)):
        start = text.find(words, start + 1)
    return start


def _is_inside(text: str, border: int, is_part: Callable[[str], bool] = str.isalnum) -> bool:
    """Say whether the word on the left of `border` goes on at its right."""
    return 0 < border < len(text) and is_part(text[border - 1]) and is_part(text[border])


def _is_cased(character: str) -> bool:
    return character.isdecimal() or character.lower() != character.upper()


def _combines(character: str) -> bool:
    return character in _EMOJI_STYLES or unicodedata.combining(character) > 0


def _folded(text: str) -> tuple[str, list[int]]:
    """Return `text` without the differences that do not matter, and for each of its characters where it came from."""
    characters: list[str] = []
    origins: list[int] = []
    for origin, character in enumerate(text):
        for part in _forms(character):
            if part == " " and characters[-1:] == [" "]:
                continue
            characters.append(part)
            origins.append(origin)
    return "".join(characters), origins


def _forms(character: str) -> str:
    if character.isascii():
        return " " if character.isspace() else character.lower().translate(_QUOTES)
    if character.isspace():
        return " "
    if character in _EMOJI_STYLES or unicodedata.category(character) == "Cf":
        return ""
    plain = character.translate(_QUOTES).translate(_DASHES)
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", plain).casefold()).translate(_DASHES)
