"""What the acceptance tests share: entries in numbers, and waiting for how they stand and are worked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.harness import HostProject, WorkerProcess, wait_until
from tests.hosts.notes.models import Entry


def states(pks: Sequence[Any] | None = None) -> dict[str, int]:
    """Return how many entries, of these keys if given, are in which state."""
    rows = Entry.objects.all() if pks is None else Entry.objects.filter(pk__in=pks)
    counts: dict[str, int] = {}
    for state in rows.values_list("processing_state", flat=True):
        counts[state] = counts.get(state, 0) + 1
    return counts


def wait_for_states(expected: dict[str, int], timeout: float = 60, *, supervised: Sequence[WorkerProcess] = ()) -> None:
    """Wait until exactly so many entries are in each state; meanwhile start these workers again whenever they end."""

    def stand() -> bool:
        for worker in supervised:
            worker.supervise()
        return states() == expected

    wait_until(stand, timeout, what=f"the entries to stand as {expected}")


def in_work(project: HostProject, text: str, times: int = 1) -> None:
    """Wait until an extractor has begun with `text` for the so-many-th time, so that a fault hits work in flight."""
    wait_until(lambda: len(project.calls(text)) >= times, 30, what=f"call {times} for {text!r}")
    assert project.in_flight(text)
