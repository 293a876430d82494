"""Erasure: all that was derived from entries goes, and the entries stay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from insights_recovery import dispatch, insights, lifecycle, texts
from insights_recovery.hosts import database, entries
from insights_recovery.lifecycle import Reason, State
from insights_recovery.models import Extraction, Insight, ProcessingAttempt
from insights_recovery.querysets import SLICE, EntryQuerySet


@dataclass(frozen=True, kw_only=True)
class Erased:
    """How much was erased, or would be."""

    entries: int = 0
    """Entries, which stay."""
    insights: int = 0
    """Insights, those that people made or corrected among them."""
    extractions: int = 0
    """Extractions, with titles and summaries."""
    attempts: int = 0
    """Attempts, the history of dead letters among them."""

    def __add__(self, other: Erased) -> Erased:
        return Erased(
            entries=self.entries + other.entries,
            insights=self.insights + other.insights,
            extractions=self.extractions + other.extractions,
            attempts=self.attempts + other.attempts,
        )


def erase(pks: Iterable[Any]) -> Erased:
    """Erase insights, extractions and attempts of these entries, and leave the entries be; return how much it was.

    The entries are `SKIPPED` then, "a person decided it", and are not read again until their text is edited or somebody
    has them reprocessed. A worker that is at one of them loses its lease and can store nothing any more.
    """
    return sum(erase_by_slices(list(pks)), Erased())


def erase_by_slices(pks: Sequence[Any]) -> Iterator[Erased]:
    """Do what `erase` does, a slice of entries to a transaction; yield how much each was."""
    for some in dispatch.batched(list(pks), SLICE):
        yield _erase(some)


def erasable(rows: QuerySet[Any]) -> Erased:
    """Return what `erase` would erase of these entries."""
    pks = rows.order_by().values("pk")
    insight, extraction, attempt = (
        model._default_manager.using(rows.db).filter(entry__in=pks).count()
        for model in (Insight, Extraction, ProcessingAttempt)
    )
    return Erased(entries=rows.count(), insights=insight, extractions=extraction, attempts=attempt)


def _erase(pks: Sequence[Any]) -> Erased:
    rows = entries().filter(pk__in=pks)
    with transaction.atomic(using=database()):
        # A worker that settles locks the entry first as well: it has stored its result, which then goes too, or it
        # comes behind us, and finds its lease gone.
        rows.lock_in_order()
        _leave_be(rows)
        erased = erasable(rows)
        insights.erase(list(pks), using=database())
    return erased


def _leave_be(rows: EntryQuerySet[Any]) -> None:
    """Skip these entries, whatever they are at, without a moment in which somebody could see them wait.

    Were they left `COMPLETED`, they would be without the extraction that this promises. The table has no verb of its
    own for that, so it goes by way of waiting, all in one transaction. On SQLite its first statement must write.
    """
    lifecycle.reprocess(rows.filter(processing_state=State.COMPLETED))
    for token in set(rows.leased().values_list("processing_token", flat=True)):
        lifecycle.release(rows, token)
    lifecycle.dismiss(rows, digest="")
    for entry in list(
        rows.filter(processing_state=State.SKIPPED, processing_reason=Reason.BY_HAND, processing_digest="")
    ):
        lifecycle.adopt(entries().filter(pk=entry.pk), digest=texts.read(entry).digest)
