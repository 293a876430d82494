"""Which fault strikes when, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_PAUSE = 1.0
"""Bound of the pause before a strike, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One fault of a run."""

    number: int
    """Its place in the run, from 1."""
    fault: str
    """Its name."""
    victim: float
    """Which of those that it may hit, as a share of them: 0 is the first."""
    strength: float
    """From 0 to 1: how long it lasts, or how many it hits."""
    pause: float
    """Seconds to wait before it."""


def draw(seed: int, faults: Sequence[str], count: int) -> list[Strike]:
    """Return `count` strikes; the same seed and faults always give the same.

    The faults come in rounds, each round in an order of its own, so that none is left out for long.
    """
    dice = random.Random(f"{seed} schedule")  # noqa: S311 - a seed makes it repeatable
    names: list[str] = []
    while faults and len(names) < count:
        names += dice.sample(list(faults), len(faults))
    return [
        Strike(
            number=number,
            fault=name,
            victim=round(dice.random(), 6),
            strength=round(dice.random(), 6),
            pause=round(dice.uniform(0, LONGEST_PAUSE), 3),
        )
        for number, name in enumerate(names[:count], 1)
    ]
