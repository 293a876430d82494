"""The current insights of many entries, in one query, entry by entry: memory does not grow with their number."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.models import F, QuerySet

from insights_recovery.extractors.base import Kind
from insights_recovery.models import Extraction, Insight
from insights_recovery.reflections.selection import whole

CHUNK = 2000
"""Rows that are fetched at a time."""

Key = tuple[str, str]
"""Kind and label, the latter as `same` has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One insight, as far as it is counted."""

    kind: str
    """Its kind."""
    label: str
    """Its label, as written."""
    sentiment: float | None
    """The feeling attached to it."""
    start: int | None
    """Where in the text it stands."""

    @property
    def key(self) -> Key:
        """What it has in common with findings of the same."""
        return self.kind, same(self.label)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What is known of one entry."""

    when: Any
    """The entry's date or moment; nothing where none was asked for."""
    findings: list[Finding]
    """Its current insights of the kinds asked for, at least one."""

    @property
    def by_key(self) -> dict[Key, list[Finding]]:
        """The findings, those of the same together."""
        together: dict[Key, list[Finding]] = defaultdict(list)
        for finding in self.findings:
            together[finding.key].append(finding)
        return together


class Spellings:
    """The spellings in which each label was met, to show it in the commonest."""

    def __init__(self) -> None:
        self._met: dict[Key, Counter[str]] = defaultdict(Counter)

    def meet(self, key: Key, findings: Collection[Finding]) -> None:
        """Note the spellings of an entry's findings of the same."""
        self._met[key].update({finding.label for finding in findings})

    def of(self, key: Key) -> str:
        """Return the commonest spelling, the first by the alphabet where several are."""
        return min(self._met[key].items(), key=lambda item: (-item[1], item[0]))[0]


def same(label: str) -> str:
    """Return what labels that are the same but for case have in common, on every database."""
    return unicodedata.normalize("NFC", label.strip().casefold())


def known_kinds(kinds: Collection[str]) -> list[str]:
    """Return these kinds as they are stored.

    Raises:
        ValueError: there is no such kind.
    """
    return [Kind(kind).value for kind in kinds]


def found_in(entries: QuerySet[Any], *, kinds: Collection[str], on: str | None = None) -> Iterator[Found]:
    """Yield what is known of each of these entries, those with nothing of these kinds left out; one query.

    With `on`, the name of a field of dates or moments, entries without one are left out.
    """
    columns = ["entry_id", "kind", "label", "sentiment", "start", *_when(on)]
    insights = _current(Insight.objects, entries, on).filter(is_removed=False, kind__in=known_kinds(kinds))
    for _, rows in groupby(_fetched(insights, columns), key=itemgetter(0)):
        together = list(rows)
        yield Found(
            when=together[0][5] if on else None,
            findings=[Finding(kind=row[1], label=row[2], sentiment=row[3], start=row[4]) for row in together],
        )


def sentiments_of(entries: QuerySet[Any], *, on: str) -> Iterator[tuple[Any, list[float]]]:
    """Yield date or moment, and overall sentiment by each extractor that gives one, of each entry read; one query."""
    extractions = _current(Extraction.objects, entries, on)
    rows = _fetched(extractions, ["entry_id", "sentiment", *_when(on)])
    for _, of_one in groupby(rows, key=itemgetter(0)):
        together = list(of_one)
        yield together[0][2], [sentiment for _, sentiment, _ in together if sentiment is not None]


def _current(manager: Any, entries: QuerySet[Any], on: str | None) -> QuerySet[Any]:
    rows = manager.using(entries.db)
    current: QuerySet[Any] = rows.filter(
        rows.is_of([F("entry__processing_digest")]), entry__in=whole(entries).values("pk")
    )
    return current.filter(**{f"entry__{on}__isnull": False}) if on else current


def _when(on: str | None) -> list[str]:
    return [f"entry__{on}"] if on else []


def _fetched(rows: QuerySet[Any], columns: list[str]) -> Iterator[Any]:
    return rows.order_by("entry_id").values_list(*columns).iterator(chunk_size=CHUNK)
