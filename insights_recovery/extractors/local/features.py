"""Texts as hashed n-grams: the only input of the classifiers, computed in whole arrays and the same on every machine.

A text becomes two bags of 64-bit hashes: words (single ones and pairs of neighbours) and characters (three to five of
them inside one word, with its borders). The words behind a negation are other words: their letters are moved beyond
Unicode's end, so that "not happy" shares nothing with "happy". Hashes are polynomials modulo 2**64 taken from prefix
sums, so that a hundred n-grams cost a few array operations; Python's own salted `hash` plays no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint32]

_BASE = 0x9E3779B97F4A7C15
_BASE_INVERSE = pow(_BASE, -1, 1 << 64)
_SPACE = 32
_APOSTROPHE = 39
_CHARACTER_SIZES = (3, 4, 5)
_NEGATION_REACH = 2
_BEYOND_UNICODE = np.uint32(0x200000)
_NEGATIONS = tuple(
    "not no never don't didn't doesn't isn't wasn't aren't weren't can't couldn't won't wouldn't shouldn't haven't "
    "hasn't hadn't cannot without hardly dont didnt doesnt isnt wasnt cant wont".split()
)
_EMOTICONS = {
    ":-)": "🙂", ":)": "🙂", ":-(": "🙁", ":(": "🙁", ":'(": "😢", ":-d": "😀", ":d": "😀", ";)": "😉", "<3": "❤",
    ":/": "😕", ":-/": "😕", ":p": "😛",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Bag:
    """The n-grams of one kind in a batch of texts: two arrays of equal length, ordered by text."""

    texts: Indices
    """Which text of the batch the n-gram stands in, from 0."""
    hashes: Hashes
    """Its hash, evenly spread over 64 bits."""


@dataclass(frozen=True, kw_only=True)
class Bags:
    """Both kinds of n-grams of a batch."""

    words: Bag
    """Words and pairs of words."""
    characters: Bag
    """Character n-grams."""


def bags(texts: Sequence[str]) -> Bags:
    """Return the n-grams of `texts`. Time and memory grow with their summed length, so cut long texts first."""
    lowered = [_plain(text) for text in texts]
    codes = _codes(f" {' '.join(lowered)} ")
    lengths = np.fromiter((len(text) + 1 for text in lowered), np.int64, len(lowered))
    owners = np.repeat(np.arange(len(lowered), dtype=np.int64), lengths)
    owners = np.concatenate([np.zeros(1, np.int64), owners, np.full(1, max(len(lowered) - 1, 0))])[: len(codes)]
    letters, symbols = _letters(codes), _symbols(codes)
    starts, ends = _borders(letters, symbols)
    codes = _negated(codes, starts, ends, owners)
    return Bags(words=_words(codes, starts, ends, owners), characters=_characters(codes, letters, owners))


def mixed(values: Hashes) -> Hashes:
    """Return `values` with every bit depending on every other (the finaliser of splitmix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _plain(text: str) -> str:
    text = text.lower()
    for emoticon, emoji in _EMOTICONS.items():
        text = text.replace(emoticon, f" {emoji} ")
    return text


def _codes(text: str) -> Codes:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4")).astype(np.uint32)
    codes[(codes == 0x2019) | (codes == 0x2018)] = _APOSTROPHE
    return codes


def _letters(codes: Codes) -> Flags:
    """Flag what words are made of: letters and digits of any script, and apostrophes between two of them."""
    latin: Flags = ((codes >= 97) & (codes <= 122)) | ((codes >= 48) & (codes <= 57))
    other: Flags = (codes >= 0xC0) & ~((codes >= 0x2000) & (codes < 0x2E80)) & ~((codes >= 0x3000) & (codes < 0x3040))
    letters: Flags = latin | (other & (codes != 0xD7) & (codes != 0xF7) & (codes < 0x1F000) & (codes != 0xFE0F))
    inside = np.zeros_like(letters)
    inside[1:-1] = (codes[1:-1] == _APOSTROPHE) & letters[:-2] & letters[2:]
    return np.logical_or(letters, inside)


def _symbols(codes: Codes) -> Flags:
    """Flag what is a word by itself: emoji, exclamation and question marks."""
    emoji = ((codes >= 0x1F000) & (codes < 0x20000)) | ((codes >= 0x2600) & (codes < 0x27C0))
    marks = (codes == ord("!")) | (codes == ord("?"))
    symbols: Flags = emoji | marks
    return symbols


def _borders(letters: Flags, symbols: Flags) -> tuple[Indices, Indices]:
    """Return where words start and end."""
    opens, closes = letters.copy(), letters.copy()
    opens[1:] &= ~letters[:-1]
    closes[:-1] &= ~letters[1:]
    return np.flatnonzero(opens | symbols), np.flatnonzero(closes | symbols) + 1


def _negated(codes: Codes, starts: Indices, ends: Indices, owners: Indices) -> Codes:
    """Return `codes` with the letters of the few words that follow a negation moved beyond Unicode."""
    places = np.arange(len(starts))
    negations = np.isin(_spans(codes, starts, ends), _negations())
    last = np.maximum.accumulate(np.where(negations, places, -1))
    near = (last >= 0) & (places > last) & (places - last <= _NEGATION_REACH)
    near &= owners[starts] == owners[starts[np.maximum(last, 0)]]
    edges = np.zeros(len(codes) + 1, np.int64)
    edges[starts[near]] += 1
    edges[ends[near]] -= 1
    return np.where(np.cumsum(edges)[:-1] > 0, codes + _BEYOND_UNICODE, codes)


def _words(codes: Codes, starts: Indices, ends: Indices, owners: Indices) -> Bag:
    hashes, texts = _spans(codes, starts, ends), owners[starts]
    paired = texts[1:] == texts[:-1]
    pairs = mixed(hashes[:-1] * np.uint64(3) + hashes[1:])[paired]
    return _ordered([texts, texts[1:][paired]], [hashes, pairs])


def _characters(codes: Codes, letters: Flags, owners: Indices) -> Bag:
    spaced = np.where(letters, codes, np.uint32(_SPACE))
    solid = np.concatenate([np.zeros(1, np.int64), np.cumsum(letters)])
    texts, hashes = [], []
    for size in _CHARACTER_SIZES:
        starts = np.arange(max(len(codes) - size + 1, 0))
        starts = starts[solid[starts + size - 1] - solid[starts + 1] == size - 2]
        hashes.append(_spans(spaced, starts, starts + size))
        texts.append(owners[np.minimum(starts + 1, len(owners) - 1)])
    return _ordered(texts, hashes)


def _spans(codes: Codes, starts: Indices, ends: Indices) -> Hashes:
    """Return one hash per span of `codes`; equal spans have equal hashes wherever they stand."""
    powers, inverses = _powers(1 << max(len(codes) - 1, 1).bit_length())
    prefix = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum((codes.astype(np.uint64) + np.uint64(1)) * powers[: len(codes)], out=prefix[1:])
    return mixed((prefix[ends] - prefix[starts]) * inverses[starts])


@lru_cache(maxsize=32)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Return the first `count` powers of the base and of its inverse modulo 2**64."""
    powers = np.full(count, _BASE, np.uint64)
    inverses = np.full(count, _BASE_INVERSE, np.uint64)
    powers[0] = inverses[0] = 1
    return np.cumprod(powers, dtype=np.uint64), np.cumprod(inverses, dtype=np.uint64)


@lru_cache(maxsize=1)
def _negations() -> Hashes:
    codes = _codes(f" {' '.join(_NEGATIONS)} ")
    letters = codes != _SPACE
    edges = np.flatnonzero(np.diff(letters.astype(np.int8)))
    return _spans(codes, edges[::2] + 1, edges[1::2] + 1)


def _ordered(texts: list[Indices], hashes: list[Hashes]) -> Bag:
    owners = np.concatenate(texts)
    order = np.argsort(owners, kind="stable")
    return Bag(texts=owners[order], hashes=np.concatenate(hashes)[order])
