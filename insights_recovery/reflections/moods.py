"""Mood over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import tzinfo
from statistics import fmean
from typing import Any

from django.db.models import QuerySet

from insights_recovery.extractors.base import Kind
from insights_recovery.reflections.findings import Key, Spellings, found_in, sentiments_of
from insights_recovery.reflections.periods import Period, Unit, period_of


@dataclass(frozen=True, kw_only=True)
class Often:
    """A label, and how often."""

    label: str
    """The label, in its commonest spelling."""
    entries: int
    """The number of entries that have it."""


@dataclass(frozen=True, kw_only=True)
class PeriodMood:
    """The mood of a period."""

    period: Period
    """The day, week or month."""
    entries: int
    """The number of its entries that were read."""
    sentiment: float | None
    """The mean of their overall sentiment, from -1 to 1, each entry counting once; None where no extractor gave one."""
    emotions: tuple[Often, ...]
    """The commonest emotions, those of most entries first."""


class _Sum:
    """What is summed up for one period."""

    def __init__(self) -> None:
        self.entries = 0
        self.sentiments: list[float] = []
        self.emotions: Counter[Key] = Counter()


def mood_over_time(
    entries: QuerySet[Any], *, on: str, by: Unit | str = Unit.WEEK, zone: tzinfo | None = None, emotions: int = 3
) -> list[PeriodMood]:
    """Return the mood of each day, week or month in which anything is known of these entries, the earliest first.

    `on` is the field of the entry's date or moment. The periods are those of the time zone `zone`, or of Django's
    current one. Two queries.

    Raises:
        ValueError: `by` is no unit.
        TypeError: `on` names a field that holds no dates.
    """
    unit = Unit(by)
    sums: dict[Period, _Sum] = defaultdict(_Sum)
    for when, sentiments in sentiments_of(entries, on=on):
        of_period = sums[period_of(when, unit, zone)]
        of_period.entries += 1
        of_period.sentiments += [fmean(sentiments)] if sentiments else []
    spellings = Spellings()
    for found in found_in(entries, kinds=[Kind.EMOTION], on=on):
        of_period = sums[period_of(found.when, unit, zone)]
        for key, findings in found.by_key.items():
            spellings.meet(key, findings)
            of_period.emotions[key] += 1
    return [_mood(period, sums[period], spellings, emotions) for period in sorted(sums)]


def _mood(period: Period, summed: _Sum, spellings: Spellings, emotions: int) -> PeriodMood:
    ranked = sorted(summed.emotions.items(), key=lambda item: (-item[1], item[0]))
    return PeriodMood(
        period=period,
        entries=summed.entries,
        sentiment=fmean(summed.sentiments) if summed.sentiments else None,
        emotions=tuple(Often(label=spellings.of(key), entries=number) for key, number in ranked[:emotions]),
    )
