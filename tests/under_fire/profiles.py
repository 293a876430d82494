"""How much is tried: a little with the ordinary tests, more in the short profile, all of it in the long one."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

VARIABLE = "UNDER_FIRE"
"""Environment variable that names the profile."""
PROFILES = ("ordinary", "short", "long")
PROFILE = os.environ.get(VARIABLE, "ordinary")
"""The profile of this run."""


def by_profile(*, ordinary: T, short: T, long: T) -> T:
    """Return the value for the profile of this run."""
    return {"ordinary": ordinary, "short": short, "long": long}[PROFILE]
