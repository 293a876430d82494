"""The n-grams the classifiers know, and texts as sparse rows of weights over them (tf-idf)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from insights_recovery.extractors.local import features


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """Texts as sparse rows: three arrays of equal length, ordered by text."""

    texts: npt.NDArray[np.int64]
    """Which text of the batch, from 0."""
    terms: npt.NDArray[np.int64]
    """Which known n-gram: its row in the table of weights."""
    values: npt.NDArray[np.float32]
    """How much it counts. The words of a text have length 1 as a vector, and so have its characters."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Known n-grams by the upper half of their hash: first the words, then the characters."""

    words: npt.NDArray[np.uint32]
    """Sorted keys of the word n-grams; their terms count from 0."""
    characters: npt.NDArray[np.uint32]
    """Sorted keys of the character n-grams; their terms follow the words'."""
    rarity: npt.NDArray[np.float32]
    """Per term ln((1 + texts) / (1 + texts with the term)) + 1, the smoothed inverse document frequency."""

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return `texts` as sparse rows; n-grams that are not known are left out."""
        bags = features.bags(texts)
        words = self._block(bags.words, self.words, 0, len(texts))
        characters = self._block(bags.characters, self.characters, len(self.words), len(texts))
        owners = np.concatenate([words.texts, characters.texts])
        order = np.argsort(owners, kind="stable")
        return Vectors(
            texts=owners[order],
            terms=np.concatenate([words.terms, characters.terms])[order],
            values=np.concatenate([words.values, characters.values])[order],
        )

    def _block(self, bag: features.Bag, known: npt.NDArray[np.uint32], offset: int, size: int) -> Vectors:
        owners, keys, counts = counted(bag)
        places = np.minimum(np.searchsorted(known, keys), max(len(known) - 1, 0))
        hits = known[places] == keys
        owners, terms = owners[hits], places[hits].astype(np.int64) + offset
        values = (1.0 + np.log(counts[hits])) * self.rarity[terms]
        norms = np.sqrt(np.bincount(owners, weights=values * values, minlength=size))
        return Vectors(texts=owners, terms=terms, values=(values / norms[owners]).astype(np.float32))


def counted(bag: features.Bag) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Return each text's distinct n-grams as text, key and how often it stands there."""
    pairs = (bag.texts.astype(np.uint64) << np.uint64(32)) | (bag.hashes >> np.uint64(32))
    distinct, counts = np.unique(pairs, return_counts=True)
    owners = (distinct >> np.uint64(32)).astype(np.int64)
    return owners, (distinct & np.uint64(0xFFFFFFFF)).astype(np.uint32), counts
