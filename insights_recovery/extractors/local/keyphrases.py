"""The phrases that carry a text's subject: runs of content words, weighed by count, length and place."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from insights_recovery.extractors.local.passages import Word

LONGEST_PHRASE = 4
_MOST_PHRASES = 20_000
_SHORTEST_WORD = 3


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """A phrase of the text."""

    label: str
    """The words in lower case, with single spaces."""
    start: int
    """Offset of its first appearance."""
    end: int
    """Offset behind it."""
    weight: float
    """How much it stands for the text, the best phrase being 1."""


@dataclass
class PhraseCounter:
    """Gathers the phrases of a text sentence by sentence, in bounded memory."""

    stopwords: Collection[str]
    """Words that no phrase begins or ends with."""
    _places: dict[str, tuple[int, int]] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)
    _words: Counter[str] = field(default_factory=Counter)

    def add(self, words: list[Word]) -> None:
        """Take in one sentence."""
        for run in self._runs(words):
            label = " ".join(word.lower for word in run)
            if label in self._counts or len(self._counts) < _MOST_PHRASES:
                self._words.update(word.lower for word in run)
                self._counts[label] += 1
                self._places.setdefault(label, (run[0].start, run[-1].end))

    def best(self, limit: int) -> list[Phrase]:
        """Return the `limit` weightiest phrases, weightiest first.

        A phrase weighs (1 + ln count) x the mean of 1 + ln of its words' counts, x the root of its length, and less
        the later in the text it first comes: what an entry is about tends to be said early.
        """
        weights = {label: self._weight(label) for label in self._counts}
        ranked = sorted(weights, key=lambda label: (-weights[label], self._places[label]))[:limit]
        top = max((weights[label] for label in ranked), default=1.0)
        return [self._phrase(label, round(weights[label] / top, 3)) for label in ranked]

    def _weight(self, label: str) -> float:
        words = label.split(" ")
        spread = sum(1 + math.log(self._words[word]) for word in words) / len(words)
        early = 1 + 1 / (1 + math.log1p(self._places[label][0] / 200))
        return (1 + math.log(self._counts[label])) * spread * math.sqrt(len(words)) * early

    def _phrase(self, label: str, weight: float) -> Phrase:
        start, end = self._places[label]
        return Phrase(label=label, start=start, end=end, weight=weight)

    def _runs(self, words: Iterable[Word]) -> Iterator[list[Word]]:
        run: list[Word] = []
        for word in words:
            content = word.lower not in self.stopwords and len(word.text) >= _SHORTEST_WORD and not word.text.isdigit()
            if run and (not content or word.gap.strip() or len(run) == LONGEST_PHRASE):
                yield run
                run = []
            if content:
                run.append(word)
        if run:
            yield run
