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

from insights_recovery.extractors.local import pieces
from insights_recovery.extractors.local.encoder import Encoder, Layers
from insights_recovery.extractors.local.lexicon import lexical_feeling
from insights_recovery.extractors.local.vocabulary import Vectors, Vocabulary

Floats = npt.NDArray[np.float32]

WEIGHTS = Path(__file__).parent / "weights"
_BATCH_CHARACTERS = 16_384
_SHARE = 1e-3
"""What every set counts at least: where a text resembles none that annotates a label, all of those count alike."""


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
    diaries: Floats
    """How much each text is like the diaries among the training texts, from 0 to 1."""


class Model:
    """Two models that see a text differently, and the mean of what they say.

    One is a logistic regression per label over exact n-grams, with 8-bit weights. The other is the encoder, whose heads
    say how people of each data set would label the text; they are weighed by how much it resembles that set's texts.
    """

    def __init__(
        self, vocabulary: Vocabulary, table: npt.NDArray[np.int8], encoder: Encoder, card: dict[str, Any]
    ) -> None:
        """Take the arrays of `training` and its card: the labels, and what turns sums into probabilities."""
        self.emotions = tuple(Label(**label) for label in card["emotions"])
        self.topics = tuple(Label(**label) for label in card["topics"])
        self.encoder = encoder
        self._vocabulary = vocabulary
        self._table = table
        self._origins = np.asarray([origin for origin, _ in card["heads"]])
        self._diaries: Sequence[int] = card["diaries"]
        self._joined = np.zeros((len(card["heads"]), len(card["bias"]) - 1), np.float32)
        self._joined[np.arange(len(card["heads"])), [column for _, column in card["heads"]]] = 1
        self._scale = np.asarray(card["scale"], np.float32)
        self._bias = np.asarray(card["bias"], np.float32)
        self._lean = np.asarray(card["lean"], np.float32)
        self._mixture: Sequence[float] = card["mixture"]

    def scores(self, texts: Sequence[str]) -> Scores:
        """Return the scores of `texts`. A text is scored as a whole: cut long ones into windows first."""
        logits, heads = self.sums(texts)
        evidence = self.evidence(texts, logits[:, -1], heads)
        feelings = mixed_feelings(evidence, self._mixture)
        by_words = sigmoid(logits[:, :-1] + feelings[:, None] * self._lean)
        probabilities = np.asarray((by_words + self.by_heads(heads)) / 2, np.float32)
        border = len(self.emotions)
        return Scores(
            emotions=probabilities[:, :border],
            topics=probabilities[:, border:],
            feelings=feelings,
            diaries=self._likeness(heads)[:, self._diaries].sum(axis=1),
        )

    def evidence(self, texts: Sequence[str], valence: Floats, heads: Floats) -> Floats:
        """Return what speaks of a text's feeling: regression, lexicon, and the heads of valence and score."""
        lexical = np.fromiter(map(lexical_feeling, texts), np.float32, len(texts))
        first = len(self._origins)
        return np.stack([valence, lexical, heads[:, first], heads[:, first + 2]], axis=1)

    def by_heads(self, heads: Floats) -> Floats:
        """Return a probability per label: of the sets that annotate it, each by how much the text is like its own."""
        first = len(self._origins)
        shares = (self._likeness(heads) + _SHARE)[:, self._origins]
        said = (sigmoid(heads[:, :first]) * shares) @ self._joined
        return np.asarray(said / (shares @ self._joined), np.float32)

    def _likeness(self, heads: Floats) -> Floats:
        """Return how much each text is like those of each set; the last heads say so."""
        odds = heads[:, len(self._origins) + 3 :]
        likeness = np.exp(odds - odds.max(axis=1, initial=-30, keepdims=True))
        return np.asarray(likeness / likeness.sum(axis=1, keepdims=True), np.float32)

    def sums(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Return what both models say before anything is made of it: log odds per label and the valence, and heads."""
        parts = [self._sums(batch) for batch in _batches(texts)] or [self._sums([])]
        logits, heads = zip(*parts, strict=True)
        return np.concatenate(logits), np.concatenate(heads)

    def _sums(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        by_words = weighted(self._vocabulary.vectors(texts), self._table, len(texts)) * self._scale + self._bias
        return by_words, self.encoder.encode(texts).heads


def mixed_feelings(evidence: Floats, mixture: Sequence[float]) -> Floats:
    """Return tanh of the weighted sum of the evidence per text; the last of `mixture` is an offset."""
    *weights, offset = mixture
    feelings: Floats = np.tanh(evidence @ np.asarray(weights, np.float32) + np.float32(offset)).astype(np.float32)
    return feelings


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
    return Model(vocabulary, np.load(WEIGHTS / "table.npy", mmap_mode="r"), encoder(WEIGHTS), card)


def encoder(folder: Path) -> Encoder:
    """Return the encoder of a folder of weights."""
    dense = {name: array.astype(np.float32) for name, array in np.load(folder / "layers.npz").items()}
    layers = Layers(table=np.load(folder / "vectors.npy", mmap_mode="r"), **dense)
    return Encoder(pieces.read(folder / "pieces.txt"), layers)


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
