"""The end of a lease: one short transaction that starts with the fence and compares the text."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from insights_recovery import history, lifecycle, texts
from insights_recovery.exceptions import LeaseLostError
from insights_recovery.hosts import entries
from insights_recovery.models import Outcome, RecoverableEntry
from insights_recovery.patience import patiently
from insights_recovery.querysets import EntryQuerySet
from insights_recovery.scrubbing import ErrorReport

Change = Callable[[EntryQuerySet[Any]], object]
"""What to write for one entry, given as a queryset, once the fence has let us through."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to write for the entries of one claim."""

    token: UUID
    """The fencing token of the claim."""
    seconds: float
    """How long it is good for from each renewal."""
    using: str
    """Alias of the database."""


def settle(
    lease: Lease, pk: Any, digest: str, change: Change, outcome: Outcome, error: ErrorReport | None = None
) -> Outcome:
    """Write `change` for one entry if the lease is still ours and its text still has `digest`; return what came of it.

    With `Outcome.RUNNING` the lease goes on, as after all extractors but the last. A text that was edited meanwhile
    ends the attempt as superseded, and nothing of it is written.

    Raises:
        LeaseLostError: another worker holds the entry now, or it was deleted; nothing was written.
        DatabaseError: the database refused, or stayed away for as long as the lease is good for.
    """

    def attempt() -> Outcome:
        with transaction.atomic(using=lease.using):
            ended = _change_or_supersede(lease, _fenced(lease, pk), digest, change, outcome)
            if ended is not Outcome.RUNNING:
                history.close_attempts([pk], [lease.token], ended, using=lease.using, error=error)
        return ended

    return patiently(attempt, seconds=lease.seconds, using=lease.using)


def _fenced(lease: Lease, pk: Any) -> RecoverableEntry:
    """Return the entry as it is now, its row locked until the transaction ends, if the lease is still ours."""
    rows = entries().leased().filter(pk=pk, processing_token=lease.token)
    if connections[lease.using].features.has_select_for_update:
        rows = rows.select_for_update()
    else:
        # SQLite: a transaction that starts by reading fails when it comes to write, so the first statement writes.
        lifecycle.hold(rows, lease.token, lease=lease.seconds)
    entry: RecoverableEntry | None = rows.first()
    if entry is None:
        raise LeaseLostError
    return entry


def _change_or_supersede(
    lease: Lease, entry: RecoverableEntry, digest: str, change: Change, outcome: Outcome
) -> Outcome:
    rows = entries().filter(pk=entry.pk)
    current = texts.read(entry).digest
    if current != digest:
        lifecycle.supersede(rows, lease.token, digest=current)
        return Outcome.SUPERSEDED
    change(rows)
    return outcome


def settle_all(
    lease: Lease, pks: Collection[Any], change: Change, outcome: Outcome, error: ErrorReport | None = None
) -> list[Any]:
    """Write `change` for those of these entries whose lease is still ours, whatever their text; return their keys."""

    def attempt() -> list[Any]:
        with transaction.atomic(using=lease.using):
            rows = entries().filter(pk__in=pks)
            rows.lock_in_order()
            lifecycle.hold(rows, lease.token, lease=lease.seconds)
            held = list(rows.filter(processing_token=lease.token).values_list("pk", flat=True))
            change(entries().filter(pk__in=held))
            history.close_attempts(held, [lease.token], outcome, using=lease.using, error=error)
        return held

    return patiently(attempt, seconds=lease.seconds, using=lease.using)
