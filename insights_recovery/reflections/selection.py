"""Which entries: those of an author, and those of any queryset in the form in which they can be asked about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django.db.models import Exists, Q, QuerySet

from insights_recovery import hosts
from insights_recovery.conf import conf
from insights_recovery.exceptions import ConfigurationError
from insights_recovery.models import RecoverableEntry
from insights_recovery.monitoring.paging import pages
from insights_recovery.querysets import SLICE, EntryQuerySet, current_of


def entries_of(author: Any) -> EntryQuerySet[Any]:
    """Return the entries of an author (the instance or its key), without those that the host's default manager hides.

    Raises:
        ConfigurationError: the setting AUTHOR_FIELD does not say which field names the author.
        ValueError: `author` is None; that would be the entries of nobody, not those of everybody.
    """
    rows = hosts.entry_model()._default_manager.using(hosts.database())
    # It is one of ours unless the host has a queryset of its own that is not derived from it, of which a check warns.
    return cast("EntryQuerySet[Any]", rows.filter(**_by(author)))


def everything_of(author: Any) -> EntryQuerySet[Any]:
    """Return the entries of an author, hidden ones too: for what must miss none.

    Raises:
        ConfigurationError: the setting AUTHOR_FIELD does not say which field names the author.
        ValueError: `author` is None; that would be the entries of nobody, not those of everybody.
    """
    return hosts.entries().filter(**_by(author))


def author_field() -> str:
    """Return the name of the field that names the author.

    Raises:
        ConfigurationError: the setting AUTHOR_FIELD is None.
    """
    if name := conf().author_field:
        return name
    raise ConfigurationError(
        "Entries have no author as far as is known: set INSIGHTS_RECOVERY['AUTHOR_FIELD'] to the name of the field of "
        f"{conf().entry_model} that names the author."
    )


def _by(author: Any) -> dict[str, Any]:
    if author is None:
        raise ValueError("whose entries? the author is None")
    return {author_field(): author}


def whole(entries: QuerySet[Any]) -> QuerySet[Any]:
    """Return the same entries, each once, in no order, and free to be filtered whatever `entries` is.

    Raises:
        TypeError: it is no queryset of entries.
    """
    if not issubclass(entries.model, RecoverableEntry):
        raise TypeError(f"a queryset of entries is expected, not one of {entries.model.__name__}")
    rows = entries.model.processing_rows(entries.db)
    if entries.query.is_sliced:
        # MariaDB takes no LIMIT in a subquery.
        return rows.filter(pk__in=list(entries.values_list("pk", flat=True)))
    if entries.query.combinator or sum(map(bool, entries.query.alias_refcount.values())) > 1:
        # A union cannot be filtered, and a join may repeat entries.
        return rows.filter(pk__in=entries.order_by().values("pk"))
    return entries.order_by()


def known(entries: QuerySet[Any]) -> QuerySet[Any]:
    """Return those of these entries of which anything is known: they were read, or a person said something of them."""
    rows = whole(entries)
    said = current_of(rows.model, "insights").filter(is_removed=False)
    return rows.filter(Q(Exists(current_of(rows.model, "extractions"))) | Q(Exists(said)))


def slices(entries: QuerySet[Any]) -> Iterator[list[Any]]:
    """Yield these entries by key, few at a time; each slice is read to its end before it is given out.

    On SQLite a SELECT that is under way keeps the connection from writing.
    """
    for pks in pages(entries):
        for start in range(0, len(pks), SLICE):
            yield list(entries.filter(pk__in=pks[start : start + SLICE]).order_by("pk"))
