"""`python -m training DATA [--out FOLDER]`: learn the weights of the embedded extractor and print its figures."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from insights_recovery.extractors.local.lexicon import lexical_feeling
from insights_recovery.extractors.local.model import WEIGHTS, mixed_feelings
from training import calibrate, export, figures, fit, vectorise
from training.corpus import Scheme, Split, read_scheme, read_split

Table = npt.NDArray[np.float64]


def main() -> None:
    """Train, write, report."""
    arguments = _arguments()
    started = time.perf_counter()
    scheme = read_scheme(arguments.data)
    train, dev = (read_split(arguments.data, scheme, split) for split in ("train", "dev"))
    vocabulary = vectorise.learn_vocabulary(train.texts)
    weights, biases = _fitted(scheme, train, vectorise.matrix(vocabulary, train.texts))
    steps, scale = export.quantised(weights)
    rows = vectorise.matrix(vocabulary, dev.texts)
    scores = rows @ (steps.astype(float) * np.abs(steps) * scale) + biases
    card, probabilities, feeling = _calibrated(scheme, dev, scores, scale, biases)
    version = export.write(arguments.out, vocabulary, steps, card)
    thresholds = np.array([label["threshold"] for label in card["emotions"] + card["topics"]])
    print(f"version {version}, {len(vocabulary.rarity)} n-grams, {time.perf_counter() - started:.0f} s")
    for name, value in figures.table(scheme, dev, probabilities, thresholds, feeling):
        print(f"{value:8.3f}  {name}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with scheme.json and a folder per data set")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where the weights are written")
    return parser.parse_args()


def _fitted(scheme: Scheme, train: Split, rows: sparse.csr_matrix) -> tuple[Table, Table]:
    """Return the weights (n-grams x columns) and biases of all labels and, last, of the valence."""
    models = [fit.fit_label(rows, train, column, field) for column, (field, _) in enumerate(scheme.columns)]
    models.append(fit.fit_valence(rows, train))
    return np.stack([weights for weights, _ in models], axis=1), np.array([bias for _, bias in models])


def _calibrated(
    scheme: Scheme, dev: Split, scores: Table, scale: Table, biases: Table
) -> tuple[dict[str, Any], Table, Table]:
    """Return the model's card, and the probabilities and feelings it gives the dev texts."""
    lexical = [lexical_feeling(text) for text in dev.texts]
    mixture = calibrate.mixture(scores[:, -1], np.array(lexical), dev)
    feelings = mixed_feelings(scores[:, -1].astype(np.float32), lexical, mixture).astype(float)
    probabilities = np.zeros((len(dev.texts), len(scheme.columns)))
    card: dict[str, Any] = {"emotions": [], "topics": [], "mixture": mixture, "lean": []}
    scale, biases = scale.copy(), biases.copy()
    for column, (field, name) in enumerate(scheme.columns):
        fitted = calibrate.calibrated(scores[:, column], feelings, dev, column, leans=field == "emotions")
        probabilities[:, column] = fitted.probabilities(scores[:, column], feelings)
        card[field].append({"name": name, "threshold": calibrate.threshold(probabilities[:, column], dev, column)})
        card["lean"].append(fitted.lean)
        scale[column], biases[column] = fitted.slope * scale[column], fitted.slope * biases[column] + fitted.offset
    return {**card, "scale": scale.tolist(), "bias": biases.tolist()}, probabilities, feelings


if __name__ == "__main__":
    main()
