"""What a fine-tuned transformer says about texts: the soft labels that the static encoder learns to give.

The folder of a teacher holds `teacher-int8.onnx` (inputs `ids` and `mask`, output `vec`, the mean of the last layer),
`vocab.txt`, `teacher-heads.npz` (a linear head per set: `<head>.weight`, `<head>.bias`) and `teacher-labels.json` (the
labels of each head).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import BertWordPieceTokenizer

Table = npt.NDArray[np.float32]

HEADS = {
    ("goemotions", "emotions"): "goemotions",
    ("lemotif", "emotions"): "lemotif_e",
    ("lemotif", "topics"): "lemotif_t",
    ("claff_happydb", "topics"): "claff",
    ("sad", "topics"): "sad",
}
"""The teacher's head for a field of a set; `vad` (valence and arousal) and `vader` (score) are its numbers."""
_LONGEST = 128
_BATCH = 32
_CLASS, _SEPARATOR = 101, 102
"""Numbers of the pieces that stand before and behind a text."""


class Teacher:
    """A transformer that is asked once per training text."""

    def __init__(self, folder: Path) -> None:
        self.pieces = folder / "vocab.txt"
        self._tokenizer = BertWordPieceTokenizer(str(self.pieces), lowercase=True)
        self._tokenizer.enable_truncation(_LONGEST)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / "teacher-int8.onnx"), options)
        self._heads = dict(np.load(folder / "teacher-heads.npz"))
        self._labels: dict[str, list[str]] = json.loads((folder / "teacher-labels.json").read_text(encoding="utf-8"))

    def vectors(self, texts: Sequence[str]) -> Table:
        """Return a vector per text."""
        return self._run([encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))])

    def piece_vectors(self) -> Table:
        """Return a vector per piece of the vocabulary, of the piece standing alone."""
        return self._run([[_CLASS, number, _SEPARATOR] for number in range(self._tokenizer.get_vocab_size())])

    def probability(self, vectors: Table, head: str, labels: Sequence[str]) -> Table:
        """Return, per text, the probability that it has at least one of a head's own `labels`."""
        columns = [self._labels[head].index(label) for label in labels]
        odds = vectors @ self._heads[f"{head}.weight"][columns].T + self._heads[f"{head}.bias"][columns]
        return np.asarray(1 - np.prod(1 - 1 / (1 + np.exp(-odds)), axis=1), np.float32)

    def numbers(self, vectors: Table) -> Table:
        """Return valence, arousal and score per text, from 0 to 1."""
        found = [vectors @ self._heads[f"{head}.weight"].T + self._heads[f"{head}.bias"] for head in ("vad", "vader")]
        return np.asarray(np.clip(np.hstack(found) / 2 + 0.5, 0, 1), np.float32)

    def _run(self, numbers: Sequence[Sequence[int]]) -> Table:
        """Run texts of like length together, since the shorter ones are filled up to the longest."""
        order = np.argsort([len(text) for text in numbers], kind="stable")
        vectors: Any = None
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            found = self._batch([numbers[place] for place in places])
            vectors = np.zeros((len(numbers), found.shape[1]), np.float32) if vectors is None else vectors
            vectors[places] = found
        return np.asarray(vectors)

    def _batch(self, numbers: Sequence[Sequence[int]]) -> Table:
        longest = max(map(len, numbers))
        ids, mask = (np.zeros((len(numbers), longest), np.int64) for _ in range(2))
        for place, text in enumerate(numbers):
            ids[place, : len(text)] = text
            mask[place, : len(text)] = 1
        return np.asarray(self._session.run(None, {"ids": ids, "mask": mask})[0])
