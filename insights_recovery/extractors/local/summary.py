"""A text in a few of its own sentences, and a title: both taken from the text, nothing is made up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from insights_recovery.extractors.local.passages import Span, clauses, words

LONGEST_SUMMARY = 600
LONGEST_TITLE = 70
_SENTENCES = 3
_CONSIDERED = 2_000
_SHORTEST = 4


def summarise(text: str, spans: Sequence[Span], stopwords: Collection[str]) -> str:
    """Return up to three sentences of `text`, in their order, that share most words with the rest of it.

    Reads the first two thousand sentences. A text of no more than three sentences is its own summary.
    """
    considered = spans[:_CONSIDERED]
    if len(spans) <= _SENTENCES:
        chosen = list(considered)
    else:
        weights = _weights(text, considered, stopwords)
        best = sorted(range(len(considered)), key=lambda place: (-weights[place], place))[:_SENTENCES]
        chosen = [considered[place] for place in sorted(best)]
    return shortened(" ".join(" ".join(span.of(text).split()) for span in chosen), LONGEST_SUMMARY)


def entitle(text: str, spans: Sequence[Span], stopwords: Collection[str]) -> str:
    """Return a headline: the clause of the text's first sentences that says most in few words."""
    weights = _weights(text, spans[:_SENTENCES], stopwords)
    if not weights:
        return ""
    best = max(range(len(weights)), key=lambda place: (weights[place], -place))
    first = clauses(text, spans[best])[0] if best < len(spans) else spans[0]
    headline = " ".join(first.of(text).split()).strip(' ,;:-–—*#>."“”')
    return shortened(headline[:1].upper() + headline[1:], LONGEST_TITLE)


def shortened(sentence: str, length: int) -> str:
    """Return `sentence` cut between words to at most `length` characters, with an ellipsis where something is gone."""
    if len(sentence) <= length:
        return sentence
    space = sentence.rfind(" ", length // 2, length - 1)
    return sentence[: space if space > 0 else length - 1].rstrip(" ,;:-") + "…"


def _weights(text: str, spans: Sequence[Span], stopwords: Collection[str]) -> list[float]:
    bags = [[word.lower for word in words(text, span) if word.lower not in stopwords] for span in spans]
    counts = Counter(word for bag in bags for word in set(bag))
    return [_weight(bag, counts, place) for place, bag in enumerate(bags)]


def _weight(bag: Sequence[str], counts: Mapping[str, int], place: int) -> float:
    """Return how much a sentence shares with the others, damped by its length; very short ones say too little."""
    shared = sum(math.log1p(counts[word]) for word in set(bag))
    length = max(len(bag), _SHORTEST)
    return shared / math.sqrt(length) * (1.15 if place == 0 else 1.0)
