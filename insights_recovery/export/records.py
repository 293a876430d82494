"""All that is stored of an entry, as plain data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, time
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db.models import Field, QuerySet

from insights_recovery import texts
from insights_recovery.conf import conf
from insights_recovery.models import Extraction, Insight, ProcessingAttempt, RecoverableEntry
from insights_recovery.models.entries import PREFIX
from insights_recovery.reflections.selection import slices, whole

Record = dict[str, Any]

EXTRACTION = ("extractor", "version", "is_outdated", "language", "title", "summary", "sentiment", "duration")
INSIGHT = ("kind", "label", "snippet", "start", "end", "sentiment", "confidence")
CORRECTION = ("is_manual_edit", "is_removed", "extracted_kind", "extracted_label")
ATTEMPT = ("number", "started_at", "finished_at", "outcome", "error")


def records(entries: QuerySet[Any]) -> Iterator[Record]:
    """Yield a record of strings, numbers, lists and dicts for each of these entries, in the order of their keys.

    Insights that a person removed and those of older texts are in it, and marked. Four queries for each 50 entries, and
    one for each 500.
    """
    rows = whole(entries).prefetch_related("insights", "extractions", "attempts")
    for some in slices(rows):
        yield from map(_entry, some)


def _entry(entry: Any) -> Record:
    extractions = {extraction.pk: extraction for extraction in sorted(entry.extractions.all(), key=attrgetter("pk"))}
    return {
        "id": _plain(entry.pk),
        "text": texts.read(entry).text,
        "state": entry.processing_state,
        "reason": entry.processing_reason,
        "completed_at": _plain(entry.processing_completed_at),
        "fields": {
            field.name: _value(field, entry) for field in entry._meta.concrete_fields if _is_hosts(field, entry)
        },
        "extractions": [_extraction(extraction, entry) for extraction in extractions.values()],
        "insights": [_insight(insight, extractions, entry) for insight in entry.insights.all()],
        "attempts": [_columns(attempt, ATTEMPT) for attempt in entry.attempts.all()],
    }


def _extraction(extraction: Extraction, entry: RecoverableEntry) -> Record:
    return {
        **_columns(extraction, EXTRACTION),
        "is_current": _is_of_text(extraction, entry),
        "usage": _plain(extraction.usage),
        "created_at": _plain(extraction.created_at),
    }


def _insight(insight: Insight, extractions: Mapping[Any, Extraction], entry: RecoverableEntry) -> Record:
    extraction = extractions.get(insight.extraction_id)
    is_current = insight.is_manual_edit or (extraction is not None and _is_of_text(extraction, entry))
    return {
        **_columns(insight, INSIGHT),
        "extractor": extraction.extractor if extraction else "",
        "version": extraction.version if extraction else "",
        "is_current": is_current and not insight.is_removed,
        **_columns(insight, CORRECTION),
    }


def _is_of_text(extraction: Extraction, entry: RecoverableEntry) -> bool:
    return bool(extraction.text_digest == entry.processing_digest)


def _columns(row: Extraction | Insight | ProcessingAttempt, names: tuple[str, ...]) -> Record:
    return {name: _plain(getattr(row, name)) for name in names}


def _is_hosts(field: Any, entry: RecoverableEntry) -> bool:
    """Say whether a column is the host's, and not the text, which is in the record already."""
    is_text = field.name == conf().text_field and not entry.overrides_insight_text()
    return not (field.primary_key or field.name.startswith(PREFIX) or is_text)


def _value(field: Field[Any, Any], entry: RecoverableEntry) -> Any:
    value = field.value_from_object(entry)
    # What is of no plain type is written as Django's own serializers write it.
    return _plain(value) if value is None or isinstance(value, _PLAIN) else field.value_to_string(entry)


_PLAIN = (str, int, float, date, time, UUID, Mapping, list, tuple)


def _plain(value: Any) -> Any:
    """Return `value` as JSON has it: moments by ISO 8601, and in words what is no number, text or collection."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)
