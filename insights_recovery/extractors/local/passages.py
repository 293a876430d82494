"""A text cut into sentences, clauses, words and windows, each with its exact place. Every cut takes linear time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

LONGEST_SENTENCE = 600
"""Longer runs without an end are cut, so that no later step meets a sentence of a million words."""
WINDOW = 700
"""About how many characters are scored at once: some 130 words, the longest texts of the training data."""

_END = re.compile(r"(?<![.!?…。！？])[.!?…。！？]++[\"'”’»)\]]*(?=\s)|[。！？]|\n")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"“])(?:[A-HJ-Z]|[Mm]rs?|[Mm]s|[Dd]r|[Pp]rof|[Ss]t|vs|[JS]r|etc|e\.g|i\.e|[ap]\.m|[A-Z]\.[A-Z])$"
)
_SHORT_LINE = 50
_LIST_MARK = re.compile(r"[ \t]{0,8}(?:[-*•#>]|\d{1,3}[.)]|\n|$)")
_CLAUSE_END = re.compile(
    r"[,;]?\s+(?=(?:but|although|though|however|whereas|while|yet|except|unlike|until)\b)"
    r"|[;:–—]+\s+|\s+-+\s+"
    r"|,\s+(?=(?:and|so|then)\s+(?:then\s+)?(?:i|he|she|we|they|it|my|our|the|his|her|their|[A-Z][a-z]+)\b)"
    r"|\s+(?=and\s+(?:i|he|she|we|they)\s+\w+)",
    re.IGNORECASE,
)
_WORD = re.compile(r"(?:https?://|www\.)\S+|[@#]\w+|([^\W_]+(?:['’&.-][^\W_]+)*)")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text."""

    start: int
    """Offset of its first character in the whole text."""
    end: int
    """Offset behind its last character."""

    def of(self, text: str) -> str:
        """Return the characters of `text` that it covers."""
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text."""

    text: str
    """As written."""
    lower: str
    """In lower case, with a straight apostrophe."""
    start: int
    """Offset of its first character in the whole text."""
    end: int
    """Offset behind its last character."""
    gap: str
    """What stands between it and the word before, empty for the first of a sentence."""


def sentences(text: str) -> Iterator[Span]:
    """Yield the sentences of `text` in order, without the white space around them."""
    start = 0
    for match in _END.finditer(text):
        if _ends_here(text, start, match):
            yield from _pieces(text, start, match.end())
            start = match.end()
    yield from _pieces(text, start, len(text))


def clauses(text: str, sentence: Span) -> list[Span]:
    """Return the clauses of a sentence: its parts between contrasts, semicolons, and "and I"-like joints."""
    inside = sentence.of(text)
    cuts = [0, *(match.end() for match in _CLAUSE_END.finditer(inside)), len(inside)]
    spans = (_stripped(text, sentence.start + a, sentence.start + b) for a, b in pairwise(cuts))
    return [span for span in spans if span.start < span.end] or [sentence]


def words(text: str, sentence: Span) -> list[Word]:
    """Return the words of a sentence; links, @handles and #hashtags are left out."""
    found: list[Word] = []
    for match in _WORD.finditer(text, sentence.start, sentence.end):
        if match[1]:
            gap = text[found[-1].end : match.start()] if found else ""
            found.append(Word(match[1], match[1].lower().replace("’", "'"), match.start(), match.end(), gap))
    return found


def windows(spans: Iterable[Span]) -> list[tuple[Span, ...]]:
    """Group neighbouring sentences into windows of about `WINDOW` characters."""
    grouped: list[tuple[Span, ...]] = []
    current: list[Span] = []
    for span in spans:
        if current and span.end - current[0].start > WINDOW:
            grouped.append(tuple(current))
            current = []
        current.append(span)
    return [*grouped, tuple(current)] if current else grouped


def covering(window: Sequence[Span]) -> Span:
    """Return the stretch from the first sentence of a window to its last."""
    return Span(window[0].start, window[-1].end)


def _ends_here(text: str, start: int, match: re.Match[str]) -> bool:
    """Tell a sentence's end from an abbreviation's full stop and from a line that is merely wrapped."""
    if match[0] == "\n":
        return match.start() - start < _SHORT_LINE or _LIST_MARK.match(text, match.end()) is not None
    if match[0] != ".":
        return True
    return _ABBREVIATION.search(text, max(start, match.start() - 8), match.start()) is None


def _pieces(text: str, start: int, end: int) -> Iterator[Span]:
    span = _stripped(text, start, end)
    start, end = span.start, span.end
    while end - start > LONGEST_SENTENCE:
        space = text.rfind(" ", start + LONGEST_SENTENCE // 2, start + LONGEST_SENTENCE)
        cut = space if space > 0 else start + LONGEST_SENTENCE
        piece = _stripped(text, start, cut)
        if piece.start < piece.end:
            yield piece
        start = cut
    last = _stripped(text, start, end)
    if last.start < last.end:
        yield last


def _stripped(text: str, start: int, end: int) -> Span:
    inside = text[start:end]
    start += len(inside) - len(inside.lstrip())
    return Span(start, max(start, start + len(inside.strip())))
