"""Whether a row of numbers rises or falls: by methods that one odd value does not sway, and few points do not fool."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SURE = 0.05
"""The chance of error below which a trend is called one."""
LONGEST = 1000
"""Points that are regarded, the latest: the work grows with their square."""


class Direction(enum.StrEnum):
    """Which way it goes."""

    RISING = "rising"
    """More and more."""
    FALLING = "falling"
    """Less and less."""
    STEADY = "steady"
    """Neither, or not so that one could tell."""


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A trend, or that there is none."""

    direction: Direction
    """Which way it goes, `steady` unless chance would do as much in less than 5 of 100 cases."""
    slope: float
    """By how much the value changes from one period to the next."""
    p_value: float
    """How likely a row without any trend would look like one at least as much, from 0 to 1."""
    points: int
    """How many values that is said of."""


def trend(places: Sequence[int], values: Sequence[float]) -> Trend:
    """Return the trend of `values`, which were met at `places` in ascending order.

    The direction is the Mann-Kendall test's (H. B. Mann, "Nonparametric tests against trend", Econometrica 13, 1945;
    M. G. Kendall, "Rank Correlation Methods", 4th ed. 1975), two-sided, by the normal approximation with Kendall's
    correction for ties and for continuity: it looks at signs alone, and cannot find a trend in four points or fewer.
    The slope is the Theil-Sen estimator, the median of the slopes between all pairs (P. K. Sen, "Estimates of the
    regression coefficient based on Kendall's tau", JASA 63, 1968), which up to 29 % of odd values cannot carry away.
    """
    x = np.asarray(places[-LONGEST:], np.float64)
    y = np.asarray(values[-LONGEST:], np.float64)
    earlier, later = np.triu_indices(len(y), k=1)
    rises = y[later] - y[earlier]
    p_value = _chance(int(np.sign(rises).sum()), y)
    slope = float(np.median(rises / (x[later] - x[earlier]))) if len(y) > 1 else 0.0
    return Trend(direction=_direction(rises, p_value), slope=slope, p_value=p_value, points=len(y))


def _direction(rises: np.ndarray, p_value: float) -> Direction:
    if p_value >= SURE:
        return Direction.STEADY
    return Direction.RISING if np.sign(rises).sum() > 0 else Direction.FALLING


def _chance(score: int, values: np.ndarray) -> float:
    n = len(values)
    _, ties = np.unique(values, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - float(np.sum(ties * (ties - 1) * (2 * ties + 5)))) / 18
    if score == 0 or variance <= 0:
        return 1.0
    return math.erfc((abs(score) - 1) / math.sqrt(2 * variance))
