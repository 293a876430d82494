"""What the acceptance tests share: entries in numbers, and waiting for how they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.harness import wait_until
from tests.hosts.notes.models import Entry


def states(pks: Sequence[Any] | None = None) -> dict[str, int]:
    """Return how many entries, of these keys if given, are in which state."""
    rows = Entry.objects.all() if pks is None else Entry.objects.filter(pk__in=pks)
    counts: dict[str, int] = {}
    for state in rows.values_list("processing_state", flat=True):
        counts[state] = counts.get(state, 0) + 1
    return counts


def wait_for_states(expected: dict[str, int], timeout: float = 60) -> None:
    """Wait until exactly so many entries are in each state."""
    wait_until(lambda: states() == expected, timeout, what=f"the entries to stand as {expected}")
