"""What the processes of a chaos run are told, by an environment variable."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

VARIABLE = "INSIGHTS_RECOVERY_CHAOS"
SKEW = "INSIGHTS_RECOVERY_CHAOS_SKEW"
"""Environment variable of a process whose clock is to be wrong: by how many seconds."""
MARK = "insights_recovery chaos"
"""How the text of every entry begins that a chaos run makes, so that it is told from a person's."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """One run, as its processes need to know it."""

    settings: str
    """The host's settings module."""
    folder: str
    """Where journal, switches and logs lie."""
    insights: Mapping[str, Any]
    """What replaces the host's values in INSIGHTS_RECOVERY."""
    phrase: str
    """A phrase of this run that stands in every text, and must be found nowhere else."""
    seed: int
    """The seed of all dice."""
    seconds: float
    """How long an extraction takes on average, in seconds."""
    factory: str = ""
    """Dotted path of the host's function that makes an entry with a text; empty for our own way."""

    def environment(self) -> dict[str, str]:
        """Return the environment of a process that takes these orders."""
        return {VARIABLE: json.dumps(asdict(self)), "DJANGO_SETTINGS_MODULE": "insights_recovery.chaos.settings"}

    def over(self, insights: Mapping[str, Any]) -> dict[str, Any]:
        """Return the value of INSIGHTS_RECOVERY for this run, given the host's."""
        return {**insights, **self.insights}

    @property
    def lease(self) -> float:
        """How long a lease is good for, in seconds."""
        return float(self.insights["LEASE_SECONDS"])

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.folder)


def given() -> Orders:
    """Return the orders of this process.

    Raises:
        RuntimeError: it has none, for it was not started by `manage.py chaos`.
    """
    if VARIABLE not in os.environ:
        raise RuntimeError("This belongs to processes that `manage.py chaos` starts; run that command instead.")
    return Orders(**json.loads(os.environ[VARIABLE]))
