"""What a person may ask: retry, skip, reprocess, process now. Admin, commands and API all come here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from django.db import transaction

from insights_recovery import dispatch, insights, lifecycle, processing, texts
from insights_recovery.hosts import database, entries
from insights_recovery.models import Outcome
from insights_recovery.querysets import EntryQuerySet

CHUNK = 500
"""Entries that one statement moves, at the most."""


def retry(pks: Iterable[Any]) -> int:
    """Try these waiting or failed entries again at once, with fresh attempts; return how many."""
    return _move_and_offer(pks, lifecycle.requeue)


def reprocess(pks: Iterable[Any], *, extractor: str | None = None) -> int:
    """Do these finished entries over, behind what people write today; what is stored stays until it is replaced.

    With the name of an extractor only that one is called again; what the others found is paid for, and stands.
    """
    moved = 0
    for rows in _locked(pks):
        insights.mark_outdated(rows.finished(), extractor=extractor)
        moved += lifecycle.reprocess(rows)
    return moved


def skip(pks: Iterable[Any]) -> int:
    """Leave these waiting or failed entries be; return how many."""
    return sum(_dismiss(pk) for pk in pks)


def _dismiss(pk: Any) -> int:
    rows = entries().filter(pk=pk)
    with transaction.atomic(using=database()):
        # This locks the row, so that the text that is read next is the one that is left be.
        if moved := lifecycle.dismiss(rows, digest=""):
            lifecycle.adopt(rows, digest=texts.read(rows.get()).digest)
    return moved


def process_now(pks: Iterable[Any]) -> Counter[Outcome]:
    """Process these entries right here, one by one, with no Celery and no broker; return how attempts ended.

    A failed entry is tried again, and a waiting one does not wait any longer.
    """
    tally: Counter[Outcome] = Counter()
    for outcomes in process_each(list(pks)):
        tally += outcomes
    return tally


def process_each(pks: Sequence[Any]) -> Iterator[Counter[Outcome]]:
    """Process these entries right here, one by one; yield how each one's attempt ended, if there was one."""
    runner = processing.this_process(f"inline-{uuid4()}")
    for pk in pks:
        lifecycle.requeue(entries().filter(pk=pk))
        yield processing.process([pk], runner)


def _move_and_offer(pks: Iterable[Any], verb: Any) -> int:
    moved = 0
    pks = list(pks)
    for rows in _locked(pks):
        moved += verb(rows)
    for chunk in dispatch.batched(pks, CHUNK):
        # A worker that heard of them before the caller's transaction commits would find nothing to do.
        transaction.on_commit(partial(dispatch.offer, chunk), using=database())
    return moved


def _locked(pks: Iterable[Any]) -> Iterator[EntryQuerySet[Any]]:
    """Yield the entries in chunks, each locked for as long as the caller is at it."""
    for chunk in dispatch.batched(list(pks), CHUNK):
        with transaction.atomic(using=database()):
            rows = entries().filter(pk__in=chunk)
            rows.lock_in_order()
            yield rows
