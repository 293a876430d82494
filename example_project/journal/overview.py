"""Moods over time, and what comes up most: figures for the overview page, as data; the template draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import fmean

from django.db.models import Avg, Count, Max, QuerySet
from django.utils import timezone

from insights_recovery.lifecycle import UNFINISHED
from insights_recovery.models import Insight

from .library import Author, entries_of, for_listing, insights_of
from .models import JournalEntry
from .moods import Mood, mood_of

PERIODS = {30: "30 days", 90: "3 months", 365: "a year"}
"""How far back one may look, in days."""

TOP = 8
"""How many of a kind are shown."""

CHART_WIDTH, CHART_HEIGHT, GAP = 720, 160, 4
"""Of the drawing, in its own units."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """The mood of some days, and where its bar lies in the drawing."""

    first: date
    """The first of the days."""
    last: date
    """The last one."""
    mood: Mood
    """Their average."""
    entries: int
    """How many entries it rests on."""
    x: float
    """Left edge."""
    y: float
    """Upper edge."""
    width: float
    """Width."""
    height: float
    """Height; a mood around zero keeps a sliver, to be seen at all."""


@dataclass(frozen=True, kw_only=True)
class Frequent:
    """Something that comes up often."""

    insight_id: int
    """One of its insights, which stands for it in addresses, so that they hold no word of the journal."""
    label: str
    """What it is."""
    times: int
    """In how many entries it comes up."""
    percent: float
    """That in per cent of the most frequent one."""
    mood: Mood | None
    """The feeling attached to it, on average."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The figures of a period."""

    since: date
    """Its first day."""
    entries: int
    """Entries written in it."""
    unread: int
    """Those that are not read yet."""
    mood: Mood | None
    """Their average mood."""
    bars: Sequence[Bar]
    """The moods over time, the oldest first; times without an entry have none."""


def overview_of(author: Author, days: int, *, now: datetime | None = None) -> Overview:
    """Return the figures of the author's last `days` days."""
    today = timezone.localtime(now or timezone.now()).date()
    entries = entries_of(author).filter(written_at__gte=_start(today, days))
    moods = _daily_moods(entries)
    sentiments = [value for _, value in moods]
    return Overview(
        since=today - timedelta(days=days - 1),
        entries=entries.count(),
        unread=entries.filter(processing_state__in=UNFINISHED).count(),
        mood=mood_of(fmean(sentiments)) if sentiments else None,
        bars=bars(moods, today=today, days=days),
    )


def frequent(author: Author, kind: str, days: int, *, now: datetime | None = None) -> list[Frequent]:
    """Return what of a kind came up most in the author's last `days` days."""
    today = timezone.localtime(now or timezone.now()).date()
    found = insights_of(author).filter(kind=kind, entry__written_at__gte=_start(today, days))
    return _ranked(found)


def bars(moods: Iterable[tuple[date, float]], *, today: date, days: int) -> list[Bar]:
    """Return one bar per day, week or month, whichever makes a drawing that can be read."""
    step = 1 if days <= 31 else 7 if days <= 180 else 30
    columns = -(-days // step)
    by_column: dict[int, list[float]] = {}
    for day, sentiment in moods:
        by_column.setdefault(columns - 1 - (today - day).days // step, []).append(sentiment)
    shown = sorted(item for item in by_column.items() if 0 <= item[0] < columns)
    return [_bar(column, values, columns=columns, step=step, today=today) for column, values in shown]


def _bar(column: int, values: list[float], *, columns: int, step: int, today: date) -> Bar:
    sentiment = fmean(values)
    last = today - timedelta(days=(columns - 1 - column) * step)
    middle, height = CHART_HEIGHT / 2, max(abs(sentiment) * CHART_HEIGHT / 2, 3)
    return Bar(
        first=last - timedelta(days=step - 1),
        last=last,
        mood=mood_of(sentiment),
        entries=len(values),
        x=round(column * CHART_WIDTH / columns + GAP / 2, 1),
        y=round(middle - height if sentiment >= 0 else middle, 1),
        width=round(CHART_WIDTH / columns - GAP, 1),
        height=round(height, 1),
    )


def _start(today: date, days: int) -> datetime:
    """Return the midnight, in the reader's zone, at which the period begins."""
    first = today - timedelta(days=days - 1)
    return datetime.combine(first, time.min, tzinfo=timezone.get_current_timezone())


def _daily_moods(entries: QuerySet[JournalEntry]) -> list[tuple[date, float]]:
    # Days are told apart here and not in the database: MariaDB knows no zones unless somebody loaded them.
    rows = for_listing(entries).prefetch_related(None).values_list("written_at", "sentiment")
    return [(timezone.localtime(moment).date(), value) for moment, value in rows if value is not None]


def _ranked(found: QuerySet[Insight]) -> list[Frequent]:
    rows = list(
        found.order_by()
        .values("label")
        .annotate(times=Count("entry", distinct=True), mood=Avg("sentiment"), newest=Max("pk"))
        .order_by("-times", "label")[:TOP]
    )
    most = max((row["times"] for row in rows), default=1)
    return [
        Frequent(
            insight_id=row["newest"],
            label=row["label"],
            times=row["times"],
            percent=100 * row["times"] / most,
            mood=mood_of(row["mood"]),
        )
        for row in rows
    ]
