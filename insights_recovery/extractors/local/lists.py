"""The word lists beside the code: plain text, one idea a file, read once per process when first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent / "lists"


@lru_cache(maxsize=32)
def plain(name: str) -> frozenset[str]:
    """Return the words of a file that separates them by white space."""
    return frozenset(word for line in _lines(name) for word in line.split())


@lru_cache(maxsize=32)
def phrases(name: str) -> Mapping[str, str]:
    """Return label by form, in lower case, of a file with lines "a, b, c" or "label: form, form".

    A line without a colon names several things that are their own label.
    """
    found: dict[str, str] = {}
    for line in _lines(name):
        label, colon, rest = line.partition(": ")
        forms = [form.strip() for form in (rest if colon else line).split(",")]
        found.update((form.lower(), label if colon else form) for form in forms)
    return found


@lru_cache(maxsize=1)
def languages() -> Mapping[str, frozenset[str]]:
    """Return the commonest small words per language tag."""
    pairs = (line.split(":", 1) for line in _lines("languages"))
    return {tag: frozenset(words.split()) for tag, words in pairs}


@lru_cache(maxsize=1)
def valence() -> Mapping[str, float]:
    """Return the feeling of single words, from -4 to 4."""
    rows = (line.split() for line in _lines("valence"))
    return {word: float(row[0]) for row in rows for word in row[1:]}


def _lines(name: str) -> Iterator[str]:
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line
