"""The only aggregate queries about entries."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count

from insights_recovery import clock
from insights_recovery.conf import conf
from insights_recovery.hosts import entries
from insights_recovery.lifecycle import UNFINISHED, State


@dataclass(frozen=True, kw_only=True)
class Status:
    """How the entries stand, in numbers of entries."""

    total: int
    """All of them."""
    processed: int
    """Completed or skipped."""
    unprocessed: int
    """Waiting or in work."""
    states: dict[str, int]
    """By state, all six."""
    overdue: int
    """Those that somebody should be looking at by now; backfill beyond `MAX_IN_FLIGHT` is not, it waits its turn."""
    oldest_unprocessed_seconds: float | None
    """For how long the oldest unfinished entry has been waiting to be done, in seconds; None where all are done."""
    reasons: dict[str, int]
    """Unfinished entries by reason."""


def status() -> Status:
    """Return how the entries stand now."""
    by_state = dict.fromkeys(State.values, 0) | _counts("processing_state")
    unprocessed = sum(by_state[state] for state in UNFINISHED)
    return Status(
        total=sum(by_state.values()),
        processed=by_state[State.COMPLETED] + by_state[State.SKIPPED],
        unprocessed=unprocessed,
        states=by_state,
        overdue=_overdue(),
        oldest_unprocessed_seconds=_oldest(),
        reasons=_counts("processing_reason", unfinished=True),
    )


def _counts(column: str, *, unfinished: bool = False) -> dict[str, int]:
    rows = entries().unfinished() if unfinished else entries().all()
    return dict(rows.order_by().values_list(column).annotate(count=Count("pk")))


def _overdue() -> int:
    overdue = entries().overdue()
    is_full = entries().in_flight(backfill=True).count() >= conf().max_in_flight
    return (overdue.exclude(processing_backfill=True, processing_nudges=0) if is_full else overdue).count()


def _oldest() -> float | None:
    waiting = entries().unfinished().order_by("processing_waiting_since").annotate(now=clock.now())
    times = waiting.values_list("now", "processing_waiting_since").first()
    return max(0.0, (times[0] - times[1]).total_seconds()) if times else None
