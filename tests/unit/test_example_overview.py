"""Moods over time: which days share a bar, and where it lies."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone
from journal.factories import AuthorFactory, EntryFactory, finish, found
from journal.moods import LEVELS, mood_of
from journal.overview import CHART_HEIGHT, CHART_WIDTH, PERIODS, bars, frequent, overview_of

from insights_recovery.extractors.base import Kind

TODAY = date(2026, 3, 5)


@pytest.mark.parametrize(
    ("sentiment", "word"),
    [
        (-1.0, "very low"),
        (-0.5, "low"),
        (-0.15, "even"),
        (0.0, "even"),
        (0.15, "good"),
        (0.5, "very good"),
        (1.0, "very good"),
    ],
)
def test_moods(sentiment: float, word: str) -> None:
    assert mood_of(sentiment).word == word


def test_no_sentiment_is_no_mood() -> None:
    assert mood_of(None) is None
    assert [level.level for level in LEVELS] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("days", PERIODS)
def test_the_first_and_the_last_day_lie_in_the_drawing(days: int) -> None:
    first, last = bars([(TODAY - timedelta(days=days - 1), 0.5), (TODAY, 0.5)], today=TODAY, days=days)
    assert 0 <= first.x < last.x
    assert last.x + last.width <= CHART_WIDTH
    assert first.first <= TODAY - timedelta(days=days - 1) <= first.last
    assert last.last == TODAY


def test_days_of_one_week_share_a_bar_and_a_week_without_entries_has_none() -> None:
    moods = [(TODAY, 1.0), (TODAY - timedelta(days=6), 0.0), (TODAY - timedelta(days=14), -0.4)]
    older, newer = bars(moods, today=TODAY, days=90)
    assert (newer.entries, newer.mood.sentiment) == (2, 0.5)
    assert (older.entries, older.last) == (1, TODAY - timedelta(days=14))


def test_a_low_mood_hangs_below_the_line() -> None:
    low, even, good = bars(
        [(TODAY - timedelta(days=2), -1.0), (TODAY - timedelta(days=1), 0.0), (TODAY, 0.5)], today=TODAY, days=30
    )
    middle = CHART_HEIGHT / 2
    assert (low.y, low.height) == (middle, middle)
    assert (good.y, good.height) == (middle / 2, middle / 2)
    assert even.height > 0


def test_what_lies_outside_the_period_has_no_bar() -> None:
    assert bars([(TODAY - timedelta(days=30), 0.5), (TODAY + timedelta(days=1), 0.5)], today=TODAY, days=30) == []


@pytest.mark.django_db
def test_the_readers_zone_decides_the_day() -> None:
    author = AuthorFactory()
    finish(EntryFactory(author=author, written_at=datetime(2026, 3, 4, 23, 30, tzinfo=UTC)))
    noon = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
    assert overview_of(author, 30, now=noon).bars[0].last == date(2026, 3, 4)
    with timezone.override("Europe/Berlin"):
        assert overview_of(author, 30, now=noon).bars[0].last == date(2026, 3, 5)


@pytest.mark.django_db
def test_what_comes_up_in_more_entries_comes_first() -> None:
    author, text = AuthorFactory(), "Anna, Anna and Ben."
    finish(EntryFactory(author=author, content=text), found(text, "Anna"), found(text, "Anna"), found(text, "Ben"))
    finish(EntryFactory(author=author, content=text), found(text, "Ben", sentiment=0.9))
    finish(EntryFactory(content=text), found(text, "Anna"))
    assert [(item.label, item.times, item.percent) for item in frequent(author, Kind.PERSON, 30)] == [
        ("Ben", 2, 100),
        ("Anna", 1, 50),
    ]
