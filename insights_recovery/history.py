"""The history of attempts: one row per claimed run, opened with the claim and closed with its end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.db.models import QuerySet

from insights_recovery import clock
from insights_recovery.lifecycle import State
from insights_recovery.models import Outcome, ProcessingAttempt, RecoverableEntry
from insights_recovery.scrubbing import ErrorReport


def open_attempts(entries: Sequence[RecoverableEntry], *, token: UUID, task_id: str, worker: str, using: str) -> None:
    """Open an attempt for each of these entries, just claimed."""
    ProcessingAttempt.objects.using(using).bulk_create(
        ProcessingAttempt(
            entry_id=entry.pk, number=entry.processing_claims, token=token, task_id=task_id, worker=worker
        )
        for entry in entries
    )


def close_attempts(
    pks: Collection[Any], tokens: Collection[UUID], outcome: Outcome, *, using: str, error: ErrorReport | None = None
) -> None:
    """Close the open attempts of these entries under these tokens."""
    ProcessingAttempt.objects.using(using).filter(entry_id__in=pks, token__in=tokens, outcome=Outcome.RUNNING).update(
        outcome=outcome,
        finished_at=clock.now(),
        error_type=error.type[:255] if error else "",
        error=error.message if error else "",
        traceback=error.traceback if error else "",
    )


def outlived(*, days: float, using: str) -> QuerySet[ProcessingAttempt]:
    """Return the attempts that ended more than `days` ago; those at dead letters are evidence, and not among them."""
    ended = ProcessingAttempt.objects.using(using).filter(finished_at__lt=clock.later(-days * 86_400))
    return ended.exclude(entry__processing_state=State.FAILED)


def prune(*, days: float, limit: int, using: str) -> int:
    """Delete at most `limit` attempts that are outlived, the oldest first; return how many."""
    pks = list(outlived(days=days, using=using).order_by("finished_at").values_list("pk", flat=True)[:limit])
    with transaction.atomic(using=using):
        free = _lock_free(pks, using=using)
        ProcessingAttempt.objects.using(using).filter(pk__in=free).delete()
    return len(free)


def _lock_free(pks: list[Any], *, using: str) -> list[Any]:
    """Lock those of these attempts that nobody has locked: who deletes their entries must not be kept waiting.

    SQLite is left alone, as in `EntryQuerySet.lock_free_keys`.
    """
    if not connections[using].features.has_select_for_update_skip_locked:
        return pks
    attempts = ProcessingAttempt.objects.using(using).filter(pk__in=pks)
    return list(attempts.select_for_update(skip_locked=True).values_list("pk", flat=True))
