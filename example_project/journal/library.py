"""Questions about one author's entries; nobody else's are ever in the answer."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Avg, F, OuterRef, Prefetch, Q, QuerySet, Subquery

from insights_recovery.extractors.base import Kind
from insights_recovery.models import Extraction, Insight

from .models import JournalEntry

Author = AbstractBaseUser | AnonymousUser

CURRENT = Q(is_removed=False) & (Q(extraction__text_digest=F("entry__processing_digest")) | Q(is_manual_edit=True))
"""What `entry.current_insights()` says of one entry, as a condition on many: insights of the text that each has now."""


def entries_of(author: Author) -> QuerySet[JournalEntry]:
    """Return the author's entries, the newest first."""
    return JournalEntry.objects.filter(author_id=author.pk)


def insights_of(author: Author) -> QuerySet[Insight]:
    """Return the insights that are valid for the author's entries as they stand."""
    return Insight.objects.filter(CURRENT, entry__author_id=author.pk)


def for_listing(entries: QuerySet[JournalEntry]) -> QuerySet[JournalEntry]:
    """Add what a list shows: `sentiment`, `found_title`, and in `notable` the feelings and themes."""
    extractions = Extraction.objects.filter(entry=OuterRef("pk"), text_digest=OuterRef("processing_digest"))
    mean = extractions.order_by().values("entry").annotate(mean=Avg("sentiment")).values("mean")
    titles = extractions.exclude(title="").order_by("pk").values("title")
    notable = Insight.objects.filter(CURRENT, kind__in=[Kind.EMOTION, Kind.THEME]).order_by("pk")
    return entries.annotate(sentiment=Subquery(mean), found_title=Subquery(titles[:1])).prefetch_related(
        Prefetch("insights", queryset=notable, to_attr="notable")
    )


def containing(entries: QuerySet[JournalEntry], words: str) -> QuerySet[JournalEntry]:
    """Return those entries that contain every one of the words, in the title or in the text."""
    for word in words.split():
        entries = entries.filter(Q(content__icontains=word) | Q(title__icontains=word))
    return entries


def sharing(author: Author, insight: Insight) -> QuerySet[JournalEntry]:
    """Return the author's entries in which the same thing was found."""
    same: QuerySet[Any] = insights_of(author).filter(kind=insight.kind, label__iexact=insight.label)
    return entries_of(author).filter(pk__in=same.values("entry"))
