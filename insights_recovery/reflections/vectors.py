"""Texts as vectors, near each other where the texts are alike: the one place that says what "alike" means.

One half of it is what they are about and how they feel: the vector of the embedded extractor's encoder. The other is
the words they share: tf-idf (G. Salton and C. Buckley, "Term-weighting approaches in automatic text retrieval", 1988)
over the embedded extractor's hashed words and pairs of words, in signed hashed space (K. Weinberger et al., "Feature
hashing for large scale multitask learning", ICML 2009).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from insights_recovery.extractors.local import features, language, lists, model
from insights_recovery.extractors.local.vocabulary import counted

Floats = npt.NDArray[np.float32]

DIMENSIONS = 1 << 14
"""Dimensions of the words: with a few hundred to a text, few of them meet in one place. The encoder's come behind."""
_PIECE = 16_384
_SIGN = np.uint32(1 << 31)


def vectors(texts: Sequence[str]) -> Floats:
    """Return a vector of length 1 per text; zeros for a text without a word. Time grows with the texts' length."""
    encoder = model.load().encoder
    words = np.zeros((len(texts), DIMENSIONS), np.float32)
    meanings = np.zeros((len(texts), encoder.width), np.float32)
    for place, text in enumerate(texts):
        for piece in _pieces(text):
            words[place] += _words(piece)
            # The encoder has read English only.
            if language.detect(piece) in {"en", ""}:
                meanings[place] += encoder.encode([piece]).vectors[0] * len(piece)
    said = np.any(words, axis=1, keepdims=True)
    return _of_length_one(np.hstack([_of_length_one(words), _of_length_one(meanings) * said]))


def _words(piece: str) -> npt.NDArray[np.float64]:
    _, keys, counts = counted(features.bags([piece]).words)
    weights = (1.0 + np.log(counts)) * _rarity(keys)
    signs = np.where(keys & _SIGN, -1.0, 1.0)
    return np.asarray(np.bincount(keys % DIMENSIONS, weights=weights * signs, minlength=DIMENSIONS))


def _of_length_one(rows: Floats) -> Floats:
    """Return the rows in their directions and of length 1; zeros stay zeros."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0), np.float32)


def _pieces(text: str) -> Iterator[str]:
    """Cut a text into pieces whose n-grams fit into little memory, between words where there are any."""
    start = 0
    while start < len(text):
        end = start + _PIECE
        space = text.rfind(" ", start, end) if end < len(text) else -1
        end = space if space > start else end
        yield text[start:end]
        start = end


def _rarity(keys: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
    """Return how much each word counts: by the texts of the training data, most where it stands in none of them."""
    known, rarity = _known()
    places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    weights = np.where(known[places] == keys, rarity[places], rarity.max())
    return np.where(np.isin(keys, _small_words()), rarity.min(), weights)


@lru_cache(maxsize=1)
def _known() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float64]]:
    """Return the words that the embedded extractor knows, by key, with their inverse document frequency."""
    words = np.load(model.WEIGHTS / "words.npy")
    return words, np.load(model.WEIGHTS / "rarity.npy")[: len(words)].astype(np.float64)


@lru_cache(maxsize=1)
def _small_words() -> npt.NDArray[np.uint32]:
    """Return the small words of the languages that are known, which tell nothing of what a text is about."""
    words = sorted(frozenset().union(*lists.languages().values()))
    return np.unique(counted(features.bags(words).words)[1])
