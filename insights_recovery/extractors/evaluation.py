"""How good an extractor is: what it says about labelled texts, and figures that compare it with what people said.

A data folder holds `scheme.json`, which says which label of which set stands for which label of the journal, and a
folder per set with `<split>.jsonl.gz`, a labelled text per line. What a set does not annotate is not held against an
extractor: labels that no text of the set can have are left out before anything is counted.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from insights_recovery.extractors.base import ExtractionResult, Extractor, Kind, normalised
from insights_recovery.extractors.local import LocalExtractor

Row = Mapping[str, Any]
Prediction = dict[str, Any]
Marks = Sequence[frozenset[str]]
"""A set of labels per text."""

KINDS = {
    "emotions": Kind.EMOTION,
    "topics": Kind.THEME,
    "people": Kind.PERSON,
    "places": Kind.PLACE,
    "key_phrases": Kind.KEYPHRASE,
}
"""What a prediction lists, and the kind of insight each is made of."""
GOOD = frozenset({"joy", "excitement", "gratitude", "love", "pride", "contentment", "hope"})
BAD = frozenset({"sadness", "anger", "frustration", "anxiety", "shame", "disgust", "boredom"})
ENOUGH = 10
"""Texts that must have a label for it to count in a macro-F1: below, one text more or less decides."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of one set."""

    data: str
    """The set's name."""
    measure: str
    """What was measured, in words."""
    value: float
    """The figure."""
    texts: int
    """On how many texts it rests."""


def predict(texts: Sequence[str], extractor: Extractor | None = None) -> list[Prediction]:
    """Return what an extractor, the embedded one unless named, says about each text, in order.

    Each is a dict of `emotions` and `topics` (labels of the journal, best first), `sentiment` (-1..1, 0 where there is
    none), `people`, `places` and `key_phrases` (as they stand in the text).

    Raises:
        Exception: whatever the extractor raises for a text.
    """
    chosen = extractor or LocalExtractor()
    return [_prediction(normalised(result, text)) for result, text in zip(_results(chosen, texts), texts, strict=True)]


def _results(extractor: Extractor, texts: Sequence[str]) -> Iterator[object]:
    for result in extractor.extract_batch(texts):
        if isinstance(result, Exception):
            raise result
        yield result


def _prediction(result: ExtractionResult) -> Prediction:
    found: Prediction = {
        name: list(dict.fromkeys(insight.label for insight in result.insights if insight.kind == kind))
        for name, kind in KINDS.items()
    }
    return {**found, "sentiment": result.sentiment or 0.0}


# The figures


def evaluate(extractor: Extractor, folder: Path, *, split: str = "dev", limit: int | None = None) -> Iterator[Figure]:
    """Yield the figures of all sets of a data folder, at most `limit` texts of each.

    Raises:
        FileNotFoundError: the folder has no `scheme.json`.
    """
    scheme = json.loads((folder / "scheme.json").read_text(encoding="utf-8"))
    for name, measures in MEASURES.items():
        rows = list(_rows(folder / name / f"{split}.jsonl.gz", limit))
        if not rows:
            continue
        begun = time.perf_counter()
        said = predict([row["text"] for row in rows], extractor)
        seconds = time.perf_counter() - begun
        for measure, value in measures(rows, said, Labels(scheme, name)):
            yield Figure(data=name, measure=measure, value=round(float(value), 4), texts=len(rows))
        words = sum(len(row["text"].split()) for row in rows) / len(rows)
        yield Figure(
            data=name,
            measure=f"texts a second, at {words:.0f} words",
            value=round(len(rows) / seconds),
            texts=len(rows),
        )


def _rows(file: Path, limit: int | None) -> Iterator[Row]:
    if not file.exists():
        return
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if limit is not None and number >= limit:
                return
            yield json.loads(line)


class Labels:
    """The journal's labels in the words of one set."""

    def __init__(self, scheme: Mapping[str, Any], name: str) -> None:
        self._sources = {
            field: {label: set(own[name]) for label, own in scheme[field].items() if name in own}
            for field in ("emotions", "topics")
        }

    def known(self, field: str) -> frozenset[str]:
        """Return the journal's labels that the set annotates."""
        return frozenset(self._sources[field])

    def wanted(self, field: str, rows: Sequence[Row]) -> Marks:
        """Return the journal's labels that people gave each text."""
        sources = self._sources[field]
        return [frozenset(label for label, own in sources.items() if own & set(row[field])) for row in rows]


def _said(field: str, said: Sequence[Prediction], known: frozenset[str]) -> list[list[str]]:
    return [[label for label in one[field] if label in known] for one in said]


def top_right(wanted: Marks, given: Sequence[Sequence[str]]) -> float:
    """Return how often the first label given is one of a text's own, among the texts that have any."""
    marked = [(own, best) for own, best in zip(wanted, given, strict=True) if own]
    return _ratio(sum(bool(best) and best[0] in own for own, best in marked), len(marked))


def macro_f1(wanted: Marks, given: Sequence[Sequence[str]], *, enough: int = 1) -> float:
    """Return the mean over labels of F1, of the labels that at least `enough` texts have."""
    labels = {label for own in wanted for label in own}
    scores = []
    for label in sorted(labels):
        own = np.array([label in marks for marks in wanted])
        mine = np.array([label in marks for marks in given])
        if own.sum() >= enough:
            scores.append(f1(int((own & mine).sum()), int(mine.sum()), int(own.sum())))
    return float(np.mean(scores)) if scores else 0.0


def micro_f1(wanted: Marks, given: Iterable[Iterable[str]]) -> float:
    """Return F1 of all labels of all texts together."""
    mine = [frozenset(labels) for labels in given]
    hits = sum(len(own & found) for own, found in zip(wanted, mine, strict=True))
    return f1(hits, sum(map(len, mine)), sum(map(len, wanted)))


def f1(hits: int, given: int, wanted: int) -> float:
    """Return the harmonic mean of precision (hits of given) and recall (hits of wanted); 0 where there is no hit."""
    return _ratio(2 * hits, given + wanted)


def pearson(left: Sequence[float], right: Sequence[float]) -> float:
    """Return Pearson's correlation; 0 where one side does not vary."""
    if np.std(left) == 0 or np.std(right) == 0:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


# What is measured on which set

Values = Iterator[tuple[str, float]]
Measure = Callable[[Sequence[Row], Sequence[Prediction], Labels], Values]


def _goemotions(rows: Sequence[Row], said: Sequence[Prediction], labels: Labels) -> Values:
    wanted, given = labels.wanted("emotions", rows), _said("emotions", said, labels.known("emotions"))
    yield "emotions: macro F1", macro_f1(wanted, given)
    yield "emotions: top label right", top_right(wanted, given)
    yield "polarity: macro F1", _polarity(wanted, said)


def _lemotif(rows: Sequence[Row], said: Sequence[Prediction], labels: Labels) -> Values:
    wanted, given = labels.wanted("emotions", rows), _said("emotions", said, labels.known("emotions"))
    yield f"emotions with {ENOUGH} texts or more: macro F1", macro_f1(wanted, given, enough=ENOUGH)
    yield "emotions: top label right", top_right(wanted, given)
    yield "polarity: macro F1", _polarity(wanted, said)
    yield from _topics(rows, said, labels)


def _topics(rows: Sequence[Row], said: Sequence[Prediction], labels: Labels) -> Values:
    wanted, given = labels.wanted("topics", rows), _said("topics", said, labels.known("topics"))
    yield "topics: macro F1", macro_f1(wanted, given)
    yield "topics: micro F1", micro_f1(wanted, given)
    yield "topics: top label right", top_right(wanted, given)


def _polarity(wanted: Marks, said: Sequence[Prediction]) -> float:
    """Return macro F1 of good against bad, where a text's own emotions are all good or all bad."""
    clear = [(own, one) for own, one in zip(wanted, said, strict=True) if bool(own & GOOD) != bool(own & BAD)]
    truth = [frozenset({"good" if own & GOOD else "bad"}) for own, _ in clear]
    return macro_f1(truth, [["good" if one["sentiment"] > 0 else "bad"] for _, one in clear])


def _emobank(rows: Sequence[Row], said: Sequence[Prediction], labels: Labels) -> Values:
    yield "sentiment: Pearson r", pearson([one["sentiment"] for one in said], [row["valence"] for row in rows])


def _vader(rows: Sequence[Row], said: Sequence[Prediction], labels: Labels) -> Values:
    pairs = [(row["domain"], one["sentiment"], row["score"]) for row, one in zip(rows, said, strict=True)]
    for domain in sorted({domain for domain, *_ in pairs}):
        mine, people = zip(*((a, b) for where, a, b in pairs if where == domain), strict=True)
        yield f"sentiment of {domain}: Pearson r", pearson(mine, people)


def _wnut(rows: Sequence[Row], said: Sequence[Prediction], labels: Labels) -> Values:
    for field, own in (("people", "person"), ("places", "location")):
        wanted = [frozenset(text.casefold() for kind, text in row["entities"] if kind == own) for row in rows]
        yield f"{field}: F1", micro_f1(wanted, [[label.casefold() for label in one[field]] for one in said])


def _inspec(rows: Sequence[Row], said: Sequence[Prediction], labels: Labels) -> Values:
    wanted = [frozenset(key.casefold() for key in row["keys"]) for row in rows]
    yield "key phrases: F1", micro_f1(wanted, [[label.casefold() for label in one["key_phrases"]] for one in said])


MEASURES: dict[str, Measure] = {
    "goemotions": _goemotions,
    "lemotif": _lemotif,
    "claff_happydb": _topics,
    "sad": _topics,
    "emobank": _emobank,
    "vader_gt": _vader,
    "wnut17": _wnut,
    "inspec": _inspec,
}
"""The sets, and what is measured on each."""
