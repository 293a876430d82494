"""Linear models over the vocabulary: one logistic regression per label, one ridge regression for the valence."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from training.corpus import SETS, Split

Column = npt.NDArray[np.float64]

SEED = 7
_INVERSE_PENALTY = {"emotions": 1.5, "topics": 2.0}
_RIDGE_PENALTY = 2.0
_SET_WEIGHTS = {"lemotif": 3.0, "sad": 1.5}
_IMPLIED_WEIGHT = 0.25
"""A valence implied by labels counts a quarter of one that people rated."""


def fit_label(rows: sparse.csr_matrix, split: Split, column: int, field: str) -> tuple[Column, float]:
    """Return weights and bias of one label, fitted on the sets that annotate it."""
    known = split.labels[:, column] >= 0
    model = LogisticRegression(
        C=_INVERSE_PENALTY[field], solver="liblinear", dual=True, max_iter=400, tol=0.01, random_state=SEED
    )
    model.fit(rows[known], split.labels[known, column], sample_weight=_weights(split)[known])
    return model.coef_[0], float(model.intercept_[0])


def fit_valence(rows: sparse.csr_matrix, split: Split) -> tuple[Column, float]:
    """Return weights and bias of the valence."""
    known = ~np.isnan(split.valence)
    weights = np.where(split.rated, 1.0, _IMPLIED_WEIGHT)[known]
    model = Ridge(alpha=_RIDGE_PENALTY, solver="sparse_cg", tol=1e-4, random_state=SEED)
    model.fit(rows[known], split.valence[known], sample_weight=weights)
    return model.coef_.ravel(), float(model.intercept_)


def _weights(split: Split) -> Column:
    per_set = np.array([_SET_WEIGHTS.get(name, 1.0) for name in SETS])
    return per_set[split.origin]
