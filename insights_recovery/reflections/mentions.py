"""Who and what an author writes of: how often, since when, and with what feeling."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from statistics import fmean
from typing import Any

from django.db.models import QuerySet

from insights_recovery.extractors.base import Kind
from insights_recovery.reflections.findings import Finding, Key, Spellings, found_in


@dataclass(frozen=True, kw_only=True)
class Mention:
    """Somebody, or something, that is spoken of."""

    kind: str
    """What it is: a `Kind` value."""
    label: str
    """Its name, in the commonest spelling."""
    entries: int
    """The number of entries that speak of it."""
    times: int
    """How often it is found in them; what several extractors find at one place counts once."""
    first_seen: date
    """The date or moment of the earliest of these entries, as the field holds it."""
    last_seen: date
    """That of the latest."""
    sentiment: float | None
    """The mean of the feeling attached, from -1 to 1, each entry counting once; None where none is attached."""


class _Seen:
    """What is summed up for one of them."""

    def __init__(self, when: Any) -> None:
        self.first = self.last = when
        self.entries = self.times = self.felt = 0
        self.feeling = 0.0

    def see(self, when: Any, findings: Collection[Finding]) -> None:
        places = {finding.start for finding in findings if finding.start is not None}
        feelings = [finding.sentiment for finding in findings if finding.sentiment is not None]
        self.first, self.last = min(self.first, when), max(self.last, when)
        self.entries += 1
        self.times += max(len(places), 1)
        if feelings:
            self.felt += 1
            self.feeling += fmean(feelings)


def mentions(
    entries: QuerySet[Any],
    *,
    on: str,
    kinds: Collection[str] = (Kind.PERSON, Kind.PLACE),
    limit: int | None = None,
) -> list[Mention]:
    """Return the people and places (or what is of the `kinds`) in these entries, those of most entries first.

    `on` is the field of the entry's date or moment. With `limit` no more than so many of all kinds together. One query.

    Raises:
        ValueError: there is no such kind.
    """
    seen: dict[Key, _Seen] = {}
    spellings = Spellings()
    for found in found_in(entries, kinds=kinds, on=on):
        for key, findings in found.by_key.items():
            spellings.meet(key, findings)
            seen.setdefault(key, _Seen(found.when)).see(found.when, findings)
    ranked = sorted(seen, key=lambda key: (-seen[key].entries, -seen[key].times, key))[:limit]
    return [_mention(key, spellings.of(key), seen[key]) for key in ranked]


def _mention(key: Key, label: str, seen: _Seen) -> Mention:
    return Mention(
        kind=key[0],
        label=label,
        entries=seen.entries,
        times=seen.times,
        first_seen=seen.first,
        last_seen=seen.last,
        sentiment=seen.feeling / seen.felt if seen.felt else None,
    )
