"""What a person did to an insight, kept in such a way that reading the text again neither undoes nor repeats it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from insights_recovery import hosts
from insights_recovery.models import Insight


def hold_entries(pks: Collection[Any]) -> None:
    """Lock these entries until the transaction ends; call it inside one, before reading the insights to be changed.

    A worker that settles locks the entry before it replaces the insights. Whoever changes an insight by the same order
    neither has it taken from under the hands nor runs into a deadlock.
    """
    rows = hosts.entries().filter(pk__in=pks).order_by("pk")
    list(rows.select_for_update().values_list("pk", flat=True))


def remove(insights: QuerySet[Insight]) -> None:
    """Remove these insights.

    What an extractor had found stays as a row that says so, or it would be found again; what a person had added goes.
    """
    pks = list(insights.order_by().values_list("pk", flat=True))
    with transaction.atomic(using=hosts.database()):
        hold_entries(set(_rows(pks).values_list("entry_id", flat=True)))
        _rows(pks).filter(extracted_label="").delete()
        _rows(pks).update(is_removed=True, is_manual_edit=True)


def restore(insights: QuerySet[Insight]) -> int:
    """Take back that these insights were removed; return how many had been."""
    pks = list(insights.order_by().values_list("pk", flat=True))
    return _rows(pks).filter(is_removed=True).update(is_removed=False)


def _rows(pks: list[Any]) -> QuerySet[Insight]:
    rows: QuerySet[Insight] = Insight.objects.using(hosts.database()).filter(pk__in=pks)
    return rows
