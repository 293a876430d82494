"""Named questions about entries; they change nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Self, TypeVar

from django.db import connections
from django.db.models import CharField, Exists, Func, OuterRef, Q, QuerySet

from insights_recovery import clock
from insights_recovery.extractors.base import Kind
from insights_recovery.lifecycle import FINISHED, WAITING, State

EntryT = TypeVar("EntryT", bound=Any)

SLICE = 50
"""Entries with their texts that are held in memory at a time."""


class EntryQuerySet(QuerySet[EntryT]):
    """Questions about how far entries are processed."""

    def unfinished(self) -> Self:
        """Entries that still must end: those that are due some time, which the partial index lists.

        Every question about some of them begins here, and names both kinds: without the leading column of the index
        MariaDB and SQLite would read the whole journal.
        """
        return self.filter(processing_backfill__in=(False, True), processing_due_at__isnull=False)

    def finished(self) -> Self:
        """Entries that ended, well or not."""
        return self.filter(processing_state__in=FINISHED)

    def dead(self) -> Self:
        """Dead letters."""
        return self.filter(processing_state=State.FAILED)

    def overdue(self) -> Self:
        """Entries that somebody should be looking at by now, whoever has them."""
        return self.unfinished().filter(processing_due_at__lte=clock.now())

    def due(self, *, backfill: bool) -> Self:
        """Waiting entries to be offered now, oldest first: people's own, or with `backfill` the others."""
        waiting = self.filter(processing_due_at__lte=clock.now(), processing_state__in=WAITING)
        return waiting.of_kind(backfill=backfill).order_by("processing_due_at")

    def in_flight(self, *, backfill: bool) -> Self:
        """Entries that were offered and are not overdue, or are in work."""
        offered = Q(processing_state__in=WAITING, processing_nudges__gt=0)
        current = self.filter(processing_due_at__gt=clock.now()).of_kind(backfill=backfill)
        return current.filter(offered | Q(processing_state=State.PROCESSING))

    def of_kind(self, *, backfill: bool) -> Self:
        """People's own entries, or with `backfill` the others; as a list of one, which SQLite finds in the index."""
        return self.filter(processing_backfill__in=(backfill,))

    def leased(self) -> Self:
        """Entries in work."""
        return self.unfinished().filter(processing_state=State.PROCESSING)

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

    def lock_in_order(self) -> None:
        """Lock these rows by ascending key, as a deletion does, so that neither can be the other's deadlock.

        It must be called inside a transaction. SQLite, which locks no rows, is left alone; see `lock_free_keys`.
        """
        if connections[self.db].features.has_select_for_update:
            list(self.order_by("pk").select_for_update().values_list("pk", flat=True))

    def few_at_a_time(self, pks: Sequence[Any]) -> Iterator[EntryT]:
        """Yield those of the rows `pks` that are in this queryset, and hold few texts in memory at a time.

        Each slice is read to its end before the first of it is given out: SQLite refuses to write while a SELECT of the
        same connection is under way and another connection wrote meanwhile, and `iterator()` would be such a SELECT.
        """
        for start in range(0, len(pks), SLICE):
            yield from list(self.filter(pk__in=pks[start : start + SLICE]))

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

    def with_insight(
        self,
        kind: str | None = None,
        label: str | None = None,
        *,
        sentiment_from: float = -1.0,
        sentiment_to: float = 1.0,
    ) -> Self:
        """Entries that have an insight of this kind and label now, with the feeling attached in this range.

        It counts what was found in the text as it stands, and what a person made; not what was found in an older text,
        nor what a person removed. Questions may be put one after the other: each asks for an insight of its own. An
        insight without a feeling is in the whole range only.

        The label is compared without regard to case: wholly so for the letters of ASCII, and for all others as far as
        the database knows them; written all small, all large or with a large initial, every letter is found everywhere.

        Raises:
            ValueError: there is no such kind, or the range is none within -1 to 1.
        """
        rows = current_of(self.model, "insights").filter(is_removed=False)
        if kind is not None:
            rows = rows.filter(kind=Kind(kind).value)
        if label is not None:
            rows = rows.alias(_small=Small("label")).filter(_small__in=_spellings(label))
        return self.filter(Exists(_within(rows, sentiment_from, sentiment_to)))

    def with_sentiment(self, sentiment_from: float = -1.0, sentiment_to: float = 1.0) -> Self:
        """Entries whose text as it stands has an overall sentiment in this range, by whichever extractor.

        In the whole range are all entries that were read, also those for which no extractor gave a sentiment.

        Raises:
            ValueError: the range is none within -1 to 1.
        """
        return self.filter(Exists(_within(current_of(self.model, "extractions"), sentiment_from, sentiment_to)))


class Small(Func):
    """A text in small letters, compared letter by letter and not by a collation to which an e is an é."""

    function = "LOWER"
    output_field = CharField()

    def as_mysql(self, compiler: Any, connection: Any, **extra_context: Any) -> Any:
        """Compare bytes, whatever collation and character set the table has."""
        template = "CAST(CONVERT(LOWER(%(expressions)s) USING utf8mb4) AS BINARY)"
        return self.as_sql(compiler, connection, template=template, **extra_context)


def current_of(model: Any, relation: str) -> QuerySet[Any]:
    """Return the rows of an outer query's entry that are of its text as it stands, for `Exists`.

    `relation` is the entry's name for them, `insights` or `extractions`; among insights are those of a person.
    """
    rows = model._meta.get_field(relation).related_model._default_manager.filter(entry=OuterRef("pk")).order_by()
    current: QuerySet[Any] = rows.filter(rows.is_of([OuterRef("processing_digest")]))
    return current


def _within(rows: QuerySet[Any], lowest: float, highest: float) -> QuerySet[Any]:
    if not -1.0 <= lowest <= highest <= 1.0:
        raise ValueError(f"a range of sentiment runs upwards within -1 to 1, not from {lowest} to {highest}")
    from_below = rows.filter(sentiment__gte=lowest) if lowest > -1.0 else rows
    return from_below.filter(sentiment__lte=highest) if highest < 1.0 else from_below


def _spellings(label: str) -> set[str]:
    """Return how a database that knows only ASCII, or one that knows all letters, may have `label` in small letters."""
    forms = {label, label.lower(), label.upper(), label.title(), label.capitalize(), label.casefold()}
    return {form.translate(_SMALL) for form in forms} | {form.lower() for form in forms}


_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
