"""Five words for a sentiment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import overload


@dataclass(frozen=True, kw_only=True)
class Mood:
    """A sentiment in words."""

    level: int
    """From 1, very low, to 5, very good; the colour goes by it."""
    word: str
    """The word."""
    sentiment: float
    """The number, from -1 to 1."""


SCALE = ((-0.5, "very low"), (-0.15, "low"), (0.15, "even"), (0.5, "good"), (1.0, "very good"))
"""The upper end of each level, and its word."""

LEVELS = [Mood(level=level, word=word, sentiment=upper) for level, (upper, word) in enumerate(SCALE, start=1)]
"""One mood a level, for a legend."""


@overload
def mood_of(sentiment: float) -> Mood: ...
@overload
def mood_of(sentiment: float | None) -> Mood | None: ...
def mood_of(sentiment: float | None) -> Mood | None:
    """Return the mood of a sentiment from -1 to 1; None for None."""
    if sentiment is None:
        return None
    level = next((level for level in LEVELS if sentiment < level.sentiment), LEVELS[-1])
    return replace(level, sentiment=sentiment)
