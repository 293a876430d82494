"""`python -m training DATA TEACHER`: learn the weights of the embedded extractor, and print its figures."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from insights_recovery.extractors.evaluation import evaluate
from insights_recovery.extractors.local import LocalExtractor, model, pieces
from insights_recovery.extractors.local.model import WEIGHTS, Model
from training import calibrate, distil, export, fit, vectorise
from training.corpus import DIARIES, SETS, Scheme, Split, read_scheme, read_split
from training.teacher import Teacher

Table = npt.NDArray[np.float64]


def main() -> None:
    """Train, write, report."""
    arguments = _arguments()
    started = time.perf_counter()
    scheme = read_scheme(arguments.data)
    train, dev = (read_split(arguments.data, scheme, split) for split in ("train", "dev"))
    _learn_encoder(scheme, train, Teacher(arguments.teacher))
    print(f"encoder: {time.perf_counter() - started:.0f} s", flush=True)
    vocabulary = vectorise.learn_vocabulary(train.texts)
    weights, biases = _fitted(scheme, train, vectorise.matrix(vocabulary, train.texts))
    steps, scale = export.quantised(weights)
    draft = _draft(scheme, scale, biases)
    card = _card(scheme, dev, Model(vocabulary, steps, model.encoder(WEIGHTS), draft), draft)
    version = export.write(WEIGHTS, vocabulary, steps, card)
    print(f"version {version}, {len(vocabulary.rarity)} n-grams, {time.perf_counter() - started:.0f} s", flush=True)
    for figure in evaluate(LocalExtractor(), arguments.data):
        print(f"{figure.value:10.4f}  {figure.data}, {figure.measure}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with scheme.json and a folder per data set")
    parser.add_argument("teacher", type=Path, help="folder with the fine-tuned transformer")
    return parser.parse_args()


def _learn_encoder(scheme: Scheme, train: Split, teacher: Teacher) -> None:
    wanted = distil.lessons(scheme, train, teacher)
    vocabulary = pieces.read(teacher.pieces)
    network = distil.train(vocabulary, teacher.piece_vectors(), train.texts, wanted)
    export.write_encoder(WEIGHTS, teacher.pieces, distil.arrays(network, vocabulary, train.texts))


def _fitted(scheme: Scheme, train: Split, rows: sparse.csr_matrix) -> tuple[Table, Table]:
    """Return the weights (n-grams x columns) and biases of all labels and, last, of the valence."""
    models = [fit.fit_label(rows, train, column, field) for column, (field, _) in enumerate(scheme.columns)]
    models.append(fit.fit_valence(rows, train))
    return np.stack([weights for weights, _ in models], axis=1), np.array([bias for _, bias in models])


def _draft(scheme: Scheme, scale: Table, biases: Table) -> dict[str, Any]:
    """Return the card of a model that is not calibrated yet."""
    heads = [(SETS.index(name), scheme.columns.index((field, label))) for name, field, label in distil.heads(scheme)]
    diaries = [SETS.index(name) for name in DIARIES]
    return {
        "emotions": [],
        "topics": [],
        "heads": heads,
        "diaries": diaries,
        "lean": [],
        "mixture": [],
        "scale": scale.tolist(),
        "bias": biases.tolist(),
    }


def _card(scheme: Scheme, dev: Split, draft: Model, card: dict[str, Any]) -> dict[str, Any]:
    """Return the card of the calibrated model: labels with their thresholds, and what makes probabilities of sums."""
    logits, heads = draft.sums(dev.texts)
    evidence = draft.evidence(dev.texts, logits[:, -1], heads)
    card = {**card, "mixture": calibrate.mixture(evidence, dev)}
    feelings = model.mixed_feelings(evidence, card["mixture"]).astype(float)
    by_heads = draft.by_heads(heads).astype(float)
    for column, (field, name) in enumerate(scheme.columns):
        scores = logits[:, column].astype(float)
        fitted = calibrate.calibrated(scores, feelings, dev, column, leans=field == "emotions")
        likelihoods = (fitted.probabilities(scores, feelings) + by_heads[:, column]) / 2
        card[field].append({"name": name, "threshold": calibrate.threshold(likelihoods, dev, column)})
        card["lean"].append(fitted.lean)
        card["scale"][column] *= fitted.slope
        card["bias"][column] = fitted.slope * card["bias"][column] + fitted.offset
    return card


if __name__ == "__main__":
    main()
