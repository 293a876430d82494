"""How much is tried: a little with the ordinary tests, more in the short profile, all of it in the long one."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

VARIABLE = "UNDER_FIRE"
"""Environment variable that names the profile."""
SHARE = "TEST_SHARE"
"""Environment variable that says which share of the crash points a run has: `1/3` is the second of three.

Who runs the tests on several databases, and has little time, lets them share; without it a run has them all.
"""
PROFILES = ("ordinary", "short", "long")
PROFILE = os.environ.get(VARIABLE, "ordinary")
"""The profile of this run."""


def by_profile(*, ordinary: T, short: T, long: T) -> T:
    """Return the value for the profile of this run."""
    return {"ordinary": ordinary, "short": short, "long": long}[PROFILE]


def share() -> tuple[int, int]:
    """Return the number of this run's share, counted from zero, and how many shares there are."""
    number, _, count = os.environ.get(SHARE, "0/1").partition("/")
    return int(number), int(count)
