"""Themes, how much room each takes from period to period, and whether that grows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from django.db.models import QuerySet

from insights_recovery.extractors.base import Kind
from insights_recovery.reflections.findings import CHUNK, Key, Spellings, found_in
from insights_recovery.reflections.periods import Period, Unit, period_of
from insights_recovery.reflections.selection import known
from insights_recovery.reflections.trends import Trend, trend


@dataclass(frozen=True, kw_only=True)
class PeriodShare:
    """How much room something takes in a period."""

    period: Period
    """The day, week or month."""
    entries: int
    """The number of entries that have it."""
    among: int
    """The number of entries of the period of which anything is known; at least one."""

    @property
    def share(self) -> float:
        """The part of the entries that have it, from 0 to 1."""
        return self.entries / self.among


@dataclass(frozen=True, kw_only=True)
class ThemeTrend:
    """A theme over time."""

    kind: str
    """Its kind; `theme` unless another was asked for."""
    label: str
    """Its label, in the commonest spelling."""
    entries: int
    """The number of entries that have it."""
    periods: tuple[PeriodShare, ...]
    """Each period with an entry of which anything is known, the earliest first, also those without the theme."""
    trend: Trend
    """The trend of its share; periods in which nothing was written say nothing."""


def theme_trends(
    entries: QuerySet[Any],
    *,
    on: str,
    by: Unit | str = Unit.WEEK,
    zone: tzinfo | None = None,
    kind: str = Kind.THEME,
    limit: int = 10,
) -> list[ThemeTrend]:
    """Return the `limit` themes (or labels of another kind) of most entries, with their trends.

    The trend is that of the theme's share among the period's entries: who writes more does not have more of everything.
    See `trends.trend` for the method. `on` is the field of the entry's date or moment; the periods are those of the
    time zone `zone`, or of Django's current one. Two queries.

    Raises:
        ValueError: there is no such kind, or `by` is no unit.
        TypeError: `on` names a field that holds no dates.
    """
    unit = Unit(by)
    counts: dict[Key, Counter[Period]] = defaultdict(Counter)
    spellings = Spellings()
    for found in found_in(entries, kinds=[kind], on=on):
        period = period_of(found.when, unit, zone)
        for key, findings in found.by_key.items():
            spellings.meet(key, findings)
            counts[key][period] += 1
    totals = _totals(entries, on, unit, zone)
    ranked = sorted(counts, key=lambda key: (-counts[key].total(), key))[:limit]
    return [_theme(key, spellings.of(key), counts[key], totals) for key in ranked]


def _totals(entries: QuerySet[Any], on: str, unit: Unit, zone: tzinfo | None) -> Counter[Period]:
    moments = known(entries).filter(**{f"{on}__isnull": False}).values_list(on, flat=True)
    return Counter(period_of(moment, unit, zone) for moment in moments.iterator(chunk_size=CHUNK))


def _theme(key: Key, label: str, counts: Counter[Period], totals: Counter[Period]) -> ThemeTrend:
    # An entry that was stored between the two queries is in the first alone, or in the second.
    periods = sorted(totals.keys() | counts.keys())
    shares = tuple(
        PeriodShare(period=period, entries=counts[period], among=max(totals[period], counts[period]))
        for period in periods
    )
    return ThemeTrend(kind=key[0], label=label, entries=counts.total(), periods=shares, trend=_trend_of(shares))


def _trend_of(shares: Sequence[PeriodShare]) -> Trend:
    return trend([point.period.number for point in shares], [point.share for point in shares])
