"""A static encoder: one vector per piece of a word, pooled, and one hidden layer; distilled from a transformer.

Pieces and pairs of neighbouring pieces have a vector and a weight each. A text is the mean of its vectors by the
softmax of their weights, beside the largest value of each dimension; a hidden layer makes a vector of that, in which
texts that say the same lie close, and from which a layer of heads reads how people of each data set would label it.

Static vectors taken from a transformer: Tulkens & van Dongen, "Model2Vec" (2024). Distillation: Hinton et al., 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from insights_recovery.extractors.local.features import mixed
from insights_recovery.extractors.local.pieces import Pieces

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

PAIRS = 16_384
"""How many vectors the pairs of neighbouring pieces share."""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A batch of texts, a row per text."""

    vectors: Floats
    """The hidden layer, as seen from the middle of the training texts: texts that say the same lie the same way."""
    heads: Floats
    """What each head says: log odds, in the order in which the encoder was trained."""


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The arrays of a trained encoder."""

    table: npt.NDArray[np.int8]
    """A vector per piece, then per pair, in steps of 8 bits; their scale is in `hidden`."""
    weights: Floats
    """How much each piece and pair counts, as a logit."""
    hidden: Floats
    """From the mean (first half of the rows) and the peaks (second half) to the hidden layer."""
    hidden_bias: Floats
    """Its bias."""
    centre: Floats
    """The mean of the hidden layer over the training texts."""
    heads: Floats
    """From the hidden layer to the heads."""
    heads_bias: Floats
    """Their bias."""


class Encoder:
    """Turns texts into vectors."""

    def __init__(self, pieces: Pieces, layers: Layers) -> None:
        self._pieces = pieces
        self._layers = layers

    @property
    def width(self) -> int:
        """How long a text's vector is."""
        return len(self._layers.centre)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Return the vectors of `texts`. Time and memory grow with their summed length, so cut long texts first."""
        layers = self._layers
        if not texts:
            return Encoded(vectors=_none(layers.hidden), heads=_none(layers.heads))
        hidden = gelu(self._pooled(texts) @ layers.hidden + layers.hidden_bias)
        return Encoded(vectors=hidden - layers.centre, heads=hidden @ layers.heads + layers.heads_bias)

    def _pooled(self, texts: Sequence[str]) -> Floats:
        rows = [terms(self._pieces.numbers(text), len(self._pieces)) for text in texts]
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        starts = np.cumsum(lengths) - lengths
        found = np.concatenate(rows)
        vectors = self._layers.table[found].astype(np.float32)
        weights = self._layers.weights[found]
        shares = np.exp(weights - np.repeat(np.maximum.reduceat(weights, starts), lengths))
        shares /= np.repeat(np.add.reduceat(shares, starts), lengths)
        mean = np.add.reduceat(vectors * shares[:, None], starts)
        gates = (1.0 / (1.0 + np.exp(-weights))).astype(np.float32)
        vectors *= gates[:, None]
        return np.concatenate([mean, np.maximum.reduceat(vectors, starts)], axis=1)


def terms(pieces: Sequence[int], size: int) -> Indices:
    """Return the rows of the table that a text has: those of its pieces, then those of its pairs."""
    numbers = np.asarray(pieces, np.int64)
    left, right = numbers[:-1].astype(np.uint64), numbers[1:].astype(np.uint64)
    pairs = mixed(left * np.uint64(3) + (right << np.uint64(32))) % np.uint64(PAIRS)
    return np.concatenate([numbers, pairs.astype(np.int64) + size])


def gelu(values: Floats) -> Floats:
    """Return the Gaussian error linear unit in its tanh form (Hendrycks & Gimpel 2016)."""
    inner = np.float32(np.sqrt(2 / np.pi)) * (values + np.float32(0.044715) * values**3)
    return np.asarray(np.float32(0.5) * values * (np.float32(1) + np.tanh(inner)), np.float32)


def _none(layer: Floats) -> Floats:
    return np.zeros((0, layer.shape[1]), np.float32)
