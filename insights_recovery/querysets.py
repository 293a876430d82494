"""Named questions about entries; they change nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Self, TypeVar

from django.db import connections
from django.db.models import Q, QuerySet

from insights_recovery import clock
from insights_recovery.lifecycle import FINISHED, WAITING, State

EntryT = TypeVar("EntryT", bound=Any)


class EntryQuerySet(QuerySet[EntryT]):
    """Questions about how far entries are processed."""

    def unfinished(self) -> Self:
        """Entries that still must end: those that are due some time, which the partial index lists."""
        return self.filter(processing_due_at__isnull=False)

    def finished(self) -> Self:
        """Entries that ended, well or not."""
        return self.filter(processing_state__in=FINISHED)

    def dead(self) -> Self:
        """Dead letters."""
        return self.filter(processing_state=State.FAILED)

    def overdue(self) -> Self:
        """Entries that somebody should be looking at by now, whoever has them."""
        return self.filter(processing_due_at__lte=clock.now())

    def due(self, *, backfill: bool) -> Self:
        """Waiting entries to be offered now, oldest first: people's own, or with `backfill` the others."""
        waiting = self.overdue().filter(processing_state__in=WAITING, processing_backfill=backfill)
        return waiting.order_by("processing_due_at")

    def in_flight(self, *, backfill: bool) -> Self:
        """Entries that were offered and are not overdue, or are in work."""
        offered = Q(processing_state__in=WAITING, processing_nudges__gt=0)
        current = self.filter(processing_due_at__gt=clock.now(), processing_backfill=backfill)
        return current.filter(offered | Q(processing_state=State.PROCESSING))

    def leased(self) -> Self:
        """Entries in work."""
        return self.filter(processing_state=State.PROCESSING)

    def expired(self) -> Self:
        """Entries whose lease ran out."""
        return self.leased().overdue()

    def held_by(self, owners: Collection[str]) -> Self:
        """Entries in work that these owners hold."""
        return self.leased().filter(processing_owner__in=owners)

    def held_by_process(self, process: str) -> Self:
        """Entries in work that any task of this process holds; `process` is an identity without a task."""
        return self.leased().filter(processing_owner__startswith=f"{process}:")

    def done_twins(self, entry: Any, digest: str, author_field: str) -> Self:
        """Other entries of the same author, done, whose text has this digest."""
        author = getattr(entry, author_field)
        same_author = {author_field: author} if author is not None else {"pk__in": ()}
        same = self.filter(processing_state=State.COMPLETED, processing_digest=digest, **same_author)
        return same.exclude(pk=entry.pk)

    def lock_free_keys(self, pks: Sequence[Any]) -> list[Any]:
        """Lock those of the rows `pks` that no other transaction has locked, and return their keys.

        It must be called inside a transaction. Where the database cannot skip locked rows (SQLite, with its one
        writer) all of `pks` are returned and nothing is locked: a transaction that began by reading could not go on
        to write there, and the guard of the statement that follows decides.
        """
        if not connections[self.db].features.has_select_for_update_skip_locked:
            return list(pks)
        rows = self.filter(pk__in=pks).order_by("pk").select_for_update(skip_locked=True)
        return list(rows.values_list("pk", flat=True))
