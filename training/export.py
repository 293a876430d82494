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


def write_encoder(folder: Path, vocabulary: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Write the encoder's vocabulary, its table of vectors, and its layers in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pieces.txt").write_bytes(vocabulary.read_bytes())
    layers = {name: array.astype(np.float16) for name, array in arrays.items() if name != "table"}
    np.save(folder / "vectors.npy", arrays["table"])
    np.savez(folder / "layers.npz", **layers)  # type: ignore[arg-type]


def write(folder: Path, vocabulary: Vocabulary, table: npt.NDArray[np.int8], card: dict[str, Any]) -> str:
    """Write the files beside the encoder's and return the version, which is a digest of all of them."""
    np.save(folder / "words.npy", vocabulary.words)
    np.save(folder / "characters.npy", vocabulary.characters)
    np.save(folder / "rarity.npy", vocabulary.rarity.astype(np.float16))
    np.save(folder / "table.npy", table)
    digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
    for name in ("words.npy", "characters.npy", "rarity.npy", "table.npy", "vectors.npy", "pieces.txt"):
        digest.update((folder / name).read_bytes())
    # Its arrays and not the file, which bears the time when it was written.
    with np.load(folder / "layers.npz") as layers:
        for name in sorted(layers):
            digest.update(layers[name].tobytes())
    version = digest.hexdigest()[:12]
    (folder / "model.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (folder / "version.txt").write_text(version + "\n", encoding="ascii")
    return version
