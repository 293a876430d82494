"""The labelled texts, read from the data folder and translated to the journal scheme."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SETS = ("goemotions", "lemotif", "claff_happydb", "sad", "emobank", "vader_gt")
"""What may be trained on. Inspec and WNUT-17 are for evaluation only and are never read here."""
DIARIES = ("lemotif", "claff_happydb", "sad")
"""Those in which people write of their own days."""

_POSITIVE = {"joy", "excitement", "gratitude", "love", "pride", "contentment", "hope"}
_NEGATIVE = {"sadness", "anger", "frustration", "anxiety", "shame", "disgust", "boredom"}
_POLAR_VALENCE = 0.6
_STRESS_VALENCE = 0.5


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """The journal's labels, and which label of which set stands for each."""

    emotions: Mapping[str, Mapping[str, list[str]]]
    """Per emotion and set, the set's labels that mean it; a set not named does not annotate it."""
    topics: Mapping[str, Mapping[str, list[str]]]
    """The same for topics."""

    @property
    def columns(self) -> list[tuple[str, str]]:
        """All labels as (field, name): the emotions, then the topics."""
        return [("emotions", name) for name in self.emotions] + [("topics", name) for name in self.topics]

    def sources(self, field: str, name: str) -> Mapping[str, list[str]]:
        """Return, per set that annotates the label, the set's own labels."""
        return (self.emotions if field == "emotions" else self.topics)[name]


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split of all sets, a row per text."""

    texts: list[str]
    """The texts."""
    origin: npt.NDArray[np.int64]
    """Index into `SETS`."""
    labels: npt.NDArray[np.int8]
    """Per column of the scheme: 1 yes, 0 no, -1 not annotated by the text's set."""
    valence: npt.NDArray[np.float32]
    """Feeling from -1 to 1, nan where neither rated nor implied."""
    rated: npt.NDArray[np.bool_]
    """Whether people rated the valence, or it is implied by labels."""
    ratings: npt.NDArray[np.float32]
    """What people rated, a column each for EmoBank's valence and arousal and for the score of the VADER texts, from 0
    to 1; nan where they did not."""


def read_scheme(folder: Path) -> Scheme:
    """Return the scheme of the data folder."""
    return Scheme(**json.loads((folder / "scheme.json").read_text(encoding="utf-8")))


def read_rows(folder: Path, name: str, split: str) -> list[dict[str, Any]]:
    """Return the rows of one set and split."""
    with gzip.open(folder / name / f"{split}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_split(folder: Path, scheme: Scheme, split: str) -> Split:
    """Return one split ("train" or "dev") of all sets that may be trained on."""
    rows = [(place, row) for place, name in enumerate(SETS) for row in read_rows(folder, name, split)]
    labels = np.array([_labels(scheme, SETS[place], row) for place, row in rows], np.int8)
    rated = [_rated_valence(SETS[place], row) for place, row in rows]
    pairs = zip(rows, labels, strict=True)
    implied = [_implied_valence(scheme, SETS[place], row, marks) for (place, row), marks in pairs]
    return Split(
        texts=[row["text"] for _, row in rows],
        origin=np.array([place for place, _ in rows], np.int64),
        labels=labels,
        valence=np.array([b if a is None else a for a, b in zip(rated, implied, strict=True)], np.float32),
        rated=np.array([value is not None for value in rated]),
        ratings=np.array([_ratings(SETS[place], row) for place, row in rows], np.float32),
    )


def _labels(scheme: Scheme, origin: str, row: Mapping[str, Any]) -> list[int]:
    marks = []
    for field, name in scheme.columns:
        own = scheme.sources(field, name).get(origin)
        marks.append(-1 if own is None else int(not set(own).isdisjoint(row[field])))
    return marks


def _rated_valence(origin: str, row: Mapping[str, Any]) -> float | None:
    if origin == "vader_gt":
        return float(row["score"]) / 4
    return (float(row["valence"]) - 3) / 2 if origin == "emobank" else None


def _ratings(origin: str, row: Mapping[str, Any]) -> tuple[float, float, float]:
    nan = float("nan")
    if origin == "emobank":
        return (float(row["valence"]) - 1) / 4, (float(row["arousal"]) - 1) / 4, nan
    return (nan, nan, (float(row["score"]) + 4) / 8) if origin == "vader_gt" else (nan, nan, nan)


def _implied_valence(scheme: Scheme, origin: str, row: Mapping[str, Any], marks: npt.NDArray[np.int8]) -> float:
    """Return the valence that labels imply; neither the sets nor their papers give one, so its size is a choice."""
    if origin == "claff_happydb":
        return _STRESS_VALENCE
    if origin == "sad":
        return -_STRESS_VALENCE if row["stressor"] else float("nan")
    marked = [column for column, mark in zip(scheme.columns, marks, strict=True) if mark == 1]
    named = {name for field, name in marked if field == "emotions"}
    good, bad = len(named & _POSITIVE), len(named & _NEGATIVE)
    if good + bad:
        return _POLAR_VALENCE * (good - bad) / (good + bad)
    return 0.0 if row.get("emotions") == ["neutral"] else float("nan")
