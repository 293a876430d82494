"""The trained weights, and what they say about texts: a probability per label, and a valence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from insights_recovery.extractors.local.lexicon import lexical_feeling
from insights_recovery.extractors.local.vocabulary import Vectors, Vocabulary

Floats = npt.NDArray[np.float32]

WEIGHTS = Path(__file__).parent / "weights"
_BATCH_CHARACTERS = 16_384


@dataclass(frozen=True, kw_only=True)
class Label:
    """One label the model can give."""

    name: str
    """An emotion or topic of the journal scheme."""
    threshold: float
    """Probability from which on the label is shown, tuned on development data."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What the model says about a batch of texts, a row per text."""

    emotions: Floats
    """Probability per emotion, in the order of `Model.emotions`."""
    topics: Floats
    """Probability per topic, in the order of `Model.topics`."""
    feelings: Floats
    """Feeling per text, from -1 (bad) to 1 (good)."""


class Model:
    """Logistic models over a shared vocabulary, with 8-bit weights."""

    def __init__(self, vocabulary: Vocabulary, table: npt.NDArray[np.int8], card: dict[str, Any]) -> None:
        """Take the arrays of `training` and its card: the labels, and what turns sums into probabilities."""
        self.emotions = tuple(Label(**label) for label in card["emotions"])
        self.topics = tuple(Label(**label) for label in card["topics"])
        self._vocabulary = vocabulary
        self._table = table
        self._scale = np.asarray(card["scale"], np.float32)
        self._bias = np.asarray(card["bias"], np.float32)
        self._lean = np.asarray(card["lean"], np.float32)
        self._mixture: Sequence[float] = card["mixture"]

    def scores(self, texts: Sequence[str]) -> Scores:
        """Return the scores of `texts`. A text is scored as a whole: cut long ones into windows first."""
        rows = [self._logits(batch) for batch in _batches(texts)]
        logits = np.concatenate(rows) if rows else np.zeros((0, len(self._bias)), np.float32)
        feelings = mixed_feelings(logits[:, -1], [lexical_feeling(text) for text in texts], self._mixture)
        probabilities = sigmoid(logits[:, :-1] + feelings[:, None] * self._lean)
        border = len(self.emotions)
        return Scores(emotions=probabilities[:, :border], topics=probabilities[:, border:], feelings=feelings)

    def _logits(self, texts: Sequence[str]) -> Floats:
        return weighted(self._vocabulary.vectors(texts), self._table, len(texts)) * self._scale + self._bias


def mixed_feelings(valence: Floats, lexical: Sequence[float], mixture: Sequence[float]) -> Floats:
    """Return tanh(a x valence + b x lexicon + c) per text, with (a, b, c) the `mixture`."""
    by_valence, by_lexicon, offset = mixture
    feelings: Floats = np.tanh(by_valence * valence + by_lexicon * np.asarray(lexical, np.float32) + offset)
    return feelings.astype(np.float32)


def sigmoid(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return 1 / (1 + exp(-x)); beyond 30 it makes no difference and would overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30))))


def weighted(vectors: Vectors, table: npt.NDArray[np.int8], size: int) -> Floats:
    """Return, per text, the sum of its terms' weights, each times the term's value.

    A weight is stored as the signed root of itself, so that eight bits hold both the few large and the many small.
    """
    sums = np.zeros((size, table.shape[1]), np.float32)
    borders = np.searchsorted(vectors.texts, np.arange(size + 1))
    steps = table[vectors.terms].astype(np.float32)
    rows = steps * np.abs(steps)
    for text, (start, end) in enumerate(pairwise(borders)):
        sums[text] = vectors.values[start:end] @ rows[start:end]
    return sums


@lru_cache(maxsize=1)
def load() -> Model:
    """Return the model shipped with the package, read once per process.

    The table is mapped, not read: processes on one machine share its pages, and only what is used is loaded.
    """
    vocabulary = Vocabulary(
        words=np.load(WEIGHTS / "words.npy"),
        characters=np.load(WEIGHTS / "characters.npy"),
        rarity=np.load(WEIGHTS / "rarity.npy").astype(np.float32),
    )
    card = json.loads((WEIGHTS / "model.json").read_text(encoding="utf-8"))
    return Model(vocabulary, np.load(WEIGHTS / "table.npy", mmap_mode="r"), card)


def version() -> str:
    """Return the version of the shipped weights, without loading them."""
    return (WEIGHTS / "version.txt").read_text(encoding="ascii").strip()


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut `texts` into runs of bounded length, so that memory does not grow with the whole."""
    start = length = 0
    for place, text in enumerate(texts):
        if place > start and length + len(text) > _BATCH_CHARACTERS:
            yield texts[start:place]
            start, length = place, 0
        length += len(text)
    if start < len(texts):
        yield texts[start:]
