"""Writes the weights in the form in which the extractor reads them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from insights_recovery.extractors.local.vocabulary import Vocabulary


def quantised(weights: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Return `weights` (a column per label) as 8-bit steps q, and a scale s per column: weight = s x q x |q|."""
    largest = np.maximum(np.abs(weights).max(axis=0), 1e-9)
    steps = np.rint(np.sign(weights) * np.sqrt(np.abs(weights) / largest) * 127)
    return steps.astype(np.int8), largest / 127**2


def write(folder: Path, vocabulary: Vocabulary, table: npt.NDArray[np.int8], card: dict[str, Any]) -> str:
    """Write the files and return the version, which is a digest of all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "words.npy", vocabulary.words)
    np.save(folder / "characters.npy", vocabulary.characters)
    np.save(folder / "rarity.npy", vocabulary.rarity.astype(np.float16))
    np.save(folder / "table.npy", table)
    digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
    for name in ("words", "characters", "rarity", "table"):
        digest.update((folder / f"{name}.npy").read_bytes())
    version = digest.hexdigest()[:12]
    (folder / "model.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (folder / "version.txt").write_text(version + "\n", encoding="ascii")
    return version
