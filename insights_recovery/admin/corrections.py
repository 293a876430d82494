"""What a person did to an insight, kept in such a way that reading the text again neither undoes nor repeats it."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from insights_recovery import hosts
from insights_recovery.models import Insight


def hold_entries(insights: QuerySet[Insight]) -> None:
    """Lock the entries of these insights until the transaction ends; call it inside one, before reading the insights.

    A worker that settles locks the entry before it replaces the insights. Whoever changes an insight by the same order
    neither has it taken from under the hands nor runs into a deadlock.
    """
    rows = hosts.entries().filter(pk__in=insights.order_by().values("entry_id"))
    list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))


def remove(insights: QuerySet[Insight]) -> None:
    """Remove these insights.

    What an extractor had found stays as a row that says so, or it would be found again; what a person had added goes.
    """
    pks = list(insights.order_by().values_list("pk", flat=True))
    with transaction.atomic(using=hosts.database()):
        hold_entries(_rows(pks))
        _rows(pks).filter(extracted_label="").delete()
        _rows(pks).update(is_removed=True, is_manual_edit=True)


def restore(insights: QuerySet[Insight]) -> int:
    """Take back that these insights were removed; return how many had been."""
    return (
        _rows(list(insights.order_by().values_list("pk", flat=True))).filter(is_removed=True).update(is_removed=False)
    )


def _rows(pks: list[Any]) -> QuerySet[Insight]:
    rows: QuerySet[Insight] = Insight.objects.using(hosts.database()).filter(pk__in=pks)
    return rows
