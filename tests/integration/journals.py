"""Journals for the tests that read insights back: entries that are done, with what was found in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from insights_recovery.lifecycle import State, digest_of
from insights_recovery.models import Extraction, Insight
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, put

ON = "processing_waiting_since"
"""The test host's entry has no date of its own; this column stands for one."""

MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)

Found = Sequence[tuple[Any, ...]]
"""Kind, label and, if any, sentiment and start of each insight."""


def days(number: float) -> datetime:
    """Return the moment so many days after `MONDAY`."""
    return MONDAY + timedelta(days=number)


def written(
    *found: tuple[Any, ...],
    when: datetime = MONDAY,
    sentiment: float | None = None,
    text: str = "Walked to the lake.",
    author: Any = None,
) -> Entry:
    """Return an entry that is done, written at a moment, in which this was found."""
    entry = create(text, state=State.COMPLETED, due_at=None, digest=digest_of(text), waiting_since=when, author=author)
    find(entry, *found, sentiment=sentiment)
    return entry


def find(
    entry: Entry,
    *found: tuple[Any, ...],
    sentiment: float | None = None,
    extractor: str = "marker",
    digest: str | None = None,
) -> Extraction:
    """Store what an extractor found in the entry's text, or in that of another `digest`."""
    extraction = Extraction.objects.create(
        entry=entry,
        extractor=extractor,
        version="1",
        text_digest=digest or entry.processing_digest,
        sentiment=sentiment,
        duration=0.1,
    )
    for position, row in enumerate(found):
        kind, label, feeling, start = (*row, None, None)[:4]
        values = {"kind": kind, "label": label, "sentiment": feeling, "start": start, "position": position}
        Insight.objects.create(entry=entry, extraction=extraction, extracted_kind=kind, extracted_label=label, **values)
    return extraction


def unsettle(entry: Entry, *found: tuple[Any, ...], sentiment: float | None = None) -> None:
    """Store with the entry, under `found`, all that must never be read back: of an old text, and removed."""
    old = find(entry, *found, sentiment=sentiment, extractor="old", digest=digest_of("an older text"))
    assert old.insights.count() == len(found)
    for kind, label, *_ in found:
        current = entry.extractions.get(extractor="marker")
        columns = {"kind": kind, "label": label, "is_removed": True, "is_manual_edit": True}
        Insight.objects.create(entry=entry, extraction=current, **columns)


def by_hand(entry: Entry, kind: str, label: str, **columns: Any) -> Insight:
    """Add what a person says of the entry."""
    return Insight.objects.create(entry=entry, kind=kind, label=label, is_manual_edit=True, **columns)


def edit_by_sql(entry: Entry) -> Entry:
    """Have the entry's text be another than the one that was read, as the verify pass finds it."""
    return put(entry, digest=digest_of("edited"), state=State.PENDING, due_at=MONDAY)
