"""Time, which passes only when the simulation says so.

The database's clock cannot be set, so everything else is moved: each moment in the tables goes back by as much as is to
pass. What a process measures by its own clock goes along.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from django.db import models
from django.db.models import F, QuerySet

from insights_recovery import dispatch, extraction, lifeline, patience
from insights_recovery.models import Extraction, Heartbeat, Insight, ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.under_fire.simulated_actors import stop

TABLES: tuple[type[models.Model], ...] = (Entry, Extraction, Insight, ProcessingAttempt, Heartbeat)
"""Every table that the project reads or writes, entries first."""
TOLERANCE = timedelta(seconds=1)
"""What the clocks of this process and of the database server may differ by."""
READERS_OF_TIME = (dispatch, extraction, lifeline, patience)
"""The modules that measure time by the process's own clock."""


class Clock:
    """Stands for the module `time`, and moves the moments in the tables."""

    def __init__(self) -> None:
        self._passed = 0.0

    def monotonic(self) -> float:
        """Return the seconds by the processes' own clock."""
        return time.monotonic() + self._passed

    def sleep(self, seconds: float) -> None:
        """Let others come in between, for as long as they like."""
        stop("sleep")

    def pass_by(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._passed += seconds
        for model, columns in _MOMENTS.items():
            # Past the host's queryset, which watches for edits.
            rows: QuerySet[Any] = QuerySet(model)
            rows.update(**{name: F(name) - timedelta(seconds=seconds) for name in columns})

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have the project measure time by this clock for as long as the block lasts."""
        with ExitStack() as stack:
            for module in READERS_OF_TIME:
                stack.enter_context(mock.patch.object(module, "time", self))
            yield


def _moments(model: type[models.Model]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if isinstance(field, models.DateTimeField)]


_MOMENTS = {model: _moments(model) for model in TABLES if _moments(model)}


def now() -> datetime:
    """Return the present moment; the database servers of tests run on this machine, by the same clock."""
    return datetime.now(UTC)


def moment(value: Any) -> datetime | None:
    """Return what a column of a raw row says, in whichever way the database's driver puts it."""
    if value is None:
        return None
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=UTC)
