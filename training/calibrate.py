"""From scores to probabilities (Platt 1999), and from which probability on a label is shown. Fitted on dev."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from insights_recovery.extractors.local.model import sigmoid
from training.corpus import SETS, Split

Column = npt.NDArray[np.float64]

_GRID = np.arange(0.08, 0.62, 0.02)
_STRETCH = 1.4


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Probability = sigmoid(slope x score + lean x feeling + offset)."""

    slope: float
    """How much a score counts."""
    lean: float
    """How much the text's feeling counts: for joy upwards, for grief downwards; 0 for topics."""
    offset: float
    """Log odds at score and feeling 0."""

    def probabilities(self, scores: Column, feelings: Column) -> Column:
        """Return the probability per text."""
        return sigmoid(self.slope * scores + self.lean * feelings + self.offset)


def calibrated(scores: Column, feelings: Column, split: Split, column: int, *, leans: bool) -> Calibration:
    """Return the calibration of one label; each annotating set weighs the same."""
    known = split.labels[:, column] >= 0
    marks, origin = split.labels[known, column], split.origin[known]
    sizes = np.bincount(origin)
    evidence = np.stack([scores[known], feelings[known] * leans], axis=1)
    model = LogisticRegression(C=100.0, max_iter=1000)
    model.fit(evidence, marks, sample_weight=len(marks) / sizes[origin] / len(np.unique(origin)))
    slope, lean = model.coef_[0]
    return Calibration(slope=float(slope), lean=float(lean) if leans else 0.0, offset=float(model.intercept_[0]))


def threshold(probabilities: Column, split: Split, column: int) -> float:
    """Return the probability from which on showing the label gives the best mean F1 over the sets that annotate it."""
    known = split.labels[:, column] >= 0
    groups = [known & (split.origin == origin) for origin in np.unique(split.origin[known])]
    marks = split.labels[:, column]
    means = [np.mean([_f1(marks[group], probabilities[group] >= at) for group in groups]) for at in _GRID]
    smooth = np.convolve(means, [0.25, 0.5, 0.25], mode="same")
    return round(float(_GRID[1:-1][np.argmax(smooth[1:-1])]), 2)


def _f1(marks: npt.NDArray[np.int8], shown: npt.NDArray[np.bool_]) -> float:
    return float(f1_score(marks, shown, zero_division=0.0))


def mixture(evidence: npt.NDArray[np.float32], split: Split) -> list[float]:
    """Return a weight per column of `evidence` and an offset, so that tanh of their sum fits the dev ratings best.

    Ratings, and the valence that labels imply, are first put on the scale on which they are shown: raters seldom use
    the ends of theirs, so that half way up is as clear as a person gets. Each set weighs the same.
    """
    known = ~np.isnan(split.valence)
    wanted = np.arctanh(np.clip(split.valence[known] * _STRETCH, -0.9, 0.9))
    columns = np.column_stack([evidence[known], np.ones(int(known.sum()))])
    sizes = np.bincount(split.origin[known], minlength=len(SETS))
    weights = np.sqrt(1 / sizes[split.origin[known]])
    solution = np.linalg.lstsq(columns * weights[:, None], wanted * weights, rcond=None)[0]
    return [round(float(value), 4) for value in solution]
