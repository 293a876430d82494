"""The vocabulary of the training texts, and texts as a sparse matrix over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from insights_recovery.extractors.local import features
from insights_recovery.extractors.local.vocabulary import Vocabulary, counted

_BATCH = 256
_LEAST_TEXTS = 2


def learn_vocabulary(texts: Sequence[str]) -> Vocabulary:
    """Return every n-gram that stands in at least two of `texts`."""
    words, characters = [], []
    for batch in _batches(texts):
        bags = features.bags(batch)
        words.append(counted(bags.words)[1])
        characters.append(counted(bags.characters)[1])
    word_keys, word_counts = _frequent(words)
    character_keys, character_counts = _frequent(characters)
    return Vocabulary(
        words=word_keys,
        characters=character_keys,
        rarity=_rarity(np.concatenate([word_counts, character_counts]), len(texts)),
    )


def matrix(vocabulary: Vocabulary, texts: Sequence[str]) -> sparse.csr_matrix:
    """Return `texts` as rows over the vocabulary's terms."""
    blocks = []
    for batch in _batches(texts):
        vectors = vocabulary.vectors(batch)
        places = (vectors.texts, vectors.terms)
        blocks.append(sparse.csr_matrix((vectors.values, places), shape=(len(batch), len(vocabulary.rarity))))
    return sparse.csr_matrix(sparse.vstack(blocks))


def _frequent(keys: list[npt.NDArray[np.uint32]]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    distinct, counts = np.unique(np.concatenate(keys), return_counts=True)
    return distinct[counts >= _LEAST_TEXTS], counts[counts >= _LEAST_TEXTS]


def _rarity(counts: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.float32]:
    """Return the smoothed inverse document frequency, in the precision in which it is stored."""
    return (np.log((1 + size) / (1 + counts)) + 1).astype(np.float16).astype(np.float32)


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH))
