"""Figures on the development split, as rows of a table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.metrics import f1_score

from training.corpus import SETS, Scheme, Split

Row = tuple[str, float]
Table = npt.NDArray[np.float64]

_TOPS = (("lemotif", "emotions"), ("lemotif", "topics"), ("claff_happydb", "topics"), ("sad", "topics"))


def emotion_f1(scheme: Scheme, split: Split, probabilities: Table, thresholds: Table) -> float:
    """Return macro F1 over the journal emotions that GoEmotions annotates, each shown from its threshold on."""
    rows = split.origin == SETS.index("goemotions")
    columns = _annotated(scheme, split, rows, "emotions")
    shown = probabilities[rows] >= thresholds
    each = [f1_score(split.labels[rows, column], shown[:, column], zero_division=0.0) for column in columns]
    return float(np.mean(each))


def top_right(scheme: Scheme, split: Split, probabilities: Table, origin: str, field: str) -> float:
    """Return how often the likeliest of the labels a set annotates is one of a text's own labels.

    Texts without any such label are left out, and so are labels that the set does not annotate.
    """
    rows = split.origin == SETS.index(origin)
    columns = _annotated(scheme, split, rows, field)
    labels = split.labels[rows][:, columns] == 1
    best = probabilities[rows][:, columns].argmax(axis=1)
    marked = labels.any(axis=1)
    return float(labels[marked, best[marked]].mean())


def table(scheme: Scheme, split: Split, probabilities: Table, thresholds: Table, feelings: Table) -> list[Row]:
    """Return all figures."""
    rows = [("GoEmotions, journal emotions: macro F1", emotion_f1(scheme, split, probabilities, thresholds))]
    for origin, field in (
        ("lemotif", "emotions"),
        ("lemotif", "topics"),
        ("claff_happydb", "topics"),
        ("sad", "topics"),
    ):
        rows.append((f"{origin}, {field}: top label right", top_right(scheme, split, probabilities, origin, field)))
    for origin in ("emobank", "vader_gt"):
        chosen = split.origin == SETS.index(origin)
        rows.append((f"{origin}, feeling: Pearson r", _correlation(feelings[chosen], split.valence[chosen])))
    for origin in ("lemotif", "goemotions"):
        chosen = (split.origin == SETS.index(origin)) & (np.abs(np.nan_to_num(split.valence)) > 0.3)
        same = np.sign(feelings[chosen]) == np.sign(split.valence[chosen])
        rows.append((f"{origin}, feeling: sign right where the labels are all good or all bad", float(same.mean())))
    return rows


def _annotated(scheme: Scheme, split: Split, rows: npt.NDArray[np.bool_], field: str) -> list[int]:
    known = (split.labels[rows] >= 0).any(axis=0)
    return [place for place, (kind, _) in enumerate(scheme.columns) if kind == field and known[place]]


def _correlation(left: npt.NDArray[np.float64], right: npt.NDArray[np.float32]) -> float:
    return float(np.corrcoef(left, right)[0, 1])
