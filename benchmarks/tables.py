"""Timing, and tables whose last column is the ratio to the first row."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median, quantiles


def timed(action: Callable[[], object], times: int) -> list[float]:
    """Return the seconds that each of so many calls took."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        taken.append(time.perf_counter() - begun)
    return taken


def show(title: str, rows: Sequence[tuple[str, Sequence[float]]]) -> None:
    """Print a row for each series: its median and 99th percentile in ms, and the median's ratio to the first row's."""
    print(f"\n{title}")
    print(f"  {'':<44} {'median ms':>10} {'p99 ms':>10} {'ratio':>7}")
    base = median(rows[0][1])
    for name, taken in rows:
        p99 = quantiles(taken, n=100)[98] if len(taken) > 1 else taken[0]
        print(f"  {name:<44} {median(taken) * 1e3:>10.2f} {p99 * 1e3:>10.2f} {median(taken) / base:>7.2f}")
