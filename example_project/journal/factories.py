"""Test data: authors, and entries in any state, brought there by the very verbs that the workers use."""

from __future__ import annotations

import uuid
from typing import Any

import factory
from django.contrib.auth import get_user_model
from factory.django import DjangoModelFactory

from insights_recovery import lifecycle
from insights_recovery.extractors.base import Kind
from insights_recovery.lifecycle import Reason, digest_of
from insights_recovery.models import Extraction, Insight

from .models import JournalEntry


class AuthorFactory(DjangoModelFactory):
    """Somebody who keeps a journal."""

    class Meta:
        model = get_user_model()

    username = factory.Sequence(lambda number: f"author{number}")


class EntryFactory(DjangoModelFactory):
    """An entry that nobody has read yet."""

    class Meta:
        model = JournalEntry

    author = factory.SubFactory(AuthorFactory)
    content = "A walk by the river with Anna. The evening was calm."


def found(text: str, words: str, kind: str = Kind.PERSON, **fields: Any) -> Insight:
    """Return an unsaved insight that rests on the first occurrence of `words`."""
    start = text.index(words)
    return Insight(kind=kind, **{"label": words, "snippet": words, "start": start, "end": start + len(words), **fields})


def finish(entry: JournalEntry, *insights: Insight, sentiment: float | None = 0.4, **fields: str) -> JournalEntry:
    """Bring a waiting entry to its end, with these insights."""
    digest = digest_of(entry.content)
    token = _claim(entry)
    extraction = Extraction.objects.create(
        entry=entry, extractor="test", version="1", text_digest=digest, sentiment=sentiment, duration=0.1, **fields
    )
    for insight in insights:
        insight.entry, insight.extraction = entry, extraction
        insight.save()
    lifecycle.complete(_rows(entry), token, digest=digest)
    entry.refresh_from_db()
    return entry


def fail(entry: JournalEntry, reason: Reason = Reason.ATTEMPTS) -> JournalEntry:
    """Make a waiting entry a dead letter."""
    lifecycle.bury(_rows(entry), _claim(entry), reason=reason, error="TimeoutError", digest=digest_of(entry.content))
    entry.refresh_from_db()
    return entry


def hold_back(entry: JournalEntry, reason: Reason, *, seconds: float) -> JournalEntry:
    """Have a waiting entry put off: by a failed attempt for the reason `retry`, else by an outage."""
    token = _claim(entry)
    if reason == Reason.RETRY:
        lifecycle.retry(_rows(entry), token, delay=seconds, error="TimeoutError", digest=digest_of(entry.content))
    else:
        lifecycle.postpone(_rows(entry), token, reason=reason, delay=seconds, error="")
    entry.refresh_from_db()
    return entry


def take(entry: JournalEntry) -> JournalEntry:
    """Have a worker take a waiting entry."""
    _claim(entry)
    entry.refresh_from_db()
    return entry


def _claim(entry: JournalEntry) -> uuid.UUID:
    token = uuid.uuid4()
    if not lifecycle.claim(_rows(entry), token=token, owner="test", lease=30, alone=True):
        raise ValueError("the entry cannot be claimed")
    return token


def _rows(entry: JournalEntry) -> Any:
    return JournalEntry.objects.filter(pk=entry.pk)
