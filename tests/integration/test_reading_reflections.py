"""What a journal says over time: moods, themes, people and places, what comes together."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from insights_recovery import reflections
from insights_recovery.exceptions import ConfigurationError
from insights_recovery.models import RecoverableQuerySet
from insights_recovery.reflections import (
    Direction,
    Often,
    Unit,
    entries_of,
    mentions,
    mood_over_time,
    pairs,
    theme_trends,
)
from insights_recovery.reflections import companions as companions_module
from insights_recovery.reflections.selection import everything_of
from tests.hosts.notes.models import Entry
from tests.integration.helpers import put
from tests.integration.journals import MONDAY, ON, by_hand, days, edit_by_sql, find, unsettle, written

pytestmark = pytest.mark.django_db

EVERY: dict[str, Callable[[Any], Any]] = {
    "mood_over_time": lambda rows: mood_over_time(rows, on=ON),
    "theme_trends": lambda rows: theme_trends(rows, on=ON),
    "mentions": lambda rows: mentions(rows, on=ON),
    "pairs": lambda rows: pairs(rows, least_entries=1),
}
QUERIES = {"mood_over_time": 2, "theme_trends": 2, "mentions": 1, "pairs": 3}

each_function = pytest.mark.parametrize("name", EVERY)


@pytest.fixture
def week() -> list[Entry]:
    """A few entries with a bit of everything."""
    return [
        written(("emotion", "joy"), ("theme", "family"), ("person", "Anna", 0.5), when=days(day), sentiment=day / 10)
        for day in range(3)
    ]


@each_function
def test_the_number_of_queries_does_not_grow(name: str, week: list[Entry], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(QUERIES[name]):
        assert EVERY[name](Entry.objects.all())
    for day in range(40):
        written(("emotion", "joy"), ("theme", "family"), ("person", "Anna"), ("place", "Lake"), when=days(day))
    with django_assert_num_queries(QUERIES[name]):
        assert EVERY[name](Entry.objects.all())


@each_function
def test_nothing_is_said_of_no_entries(name: str) -> None:
    assert EVERY[name](Entry.objects.all()) == []
    assert EVERY[name](Entry.objects.none()) == []


@each_function
def test_only_what_holds_now_counts(name: str, week: list[Entry]) -> None:
    before = EVERY[name](Entry.objects.all())
    for entry in week:
        unsettle(entry, ("emotion", "dread"), ("theme", "war"), ("person", "Eve"), sentiment=-1.0)
    edit_by_sql(written(("emotion", "dread"), ("theme", "war"), ("person", "Eve"), sentiment=-1.0))
    assert EVERY[name](Entry.objects.all()) == before


@each_function
def test_the_order_and_the_repetitions_of_the_queryset_do_not_matter(name: str, week: list[Entry]) -> None:
    expected = EVERY[name](Entry.objects.all())
    assert EVERY[name](Entry.objects.order_by("-pk")) == expected
    assert EVERY[name](Entry.objects.filter(insights__isnull=False).distinct()) == expected
    assert EVERY[name](Entry.objects.filter(insights__isnull=False)) == expected
    assert EVERY[name](Entry.objects.filter(pk=week[0].pk).union(Entry.objects.exclude(pk=week[0].pk))) == expected


@each_function
def test_a_slice_is_asked_about_as_any_queryset(name: str, week: list[Entry]) -> None:
    expected = EVERY[name](Entry.objects.filter(pk__in=[entry.pk for entry in week[:2]]))
    assert EVERY[name](Entry.objects.order_by("pk")[:2]) == expected


@each_function
def test_another_model_than_the_entry_is_refused(name: str, django_user_model: Any) -> None:
    with pytest.raises(TypeError, match="queryset of entries"):
        EVERY[name](django_user_model.objects.all())


@pytest.mark.sqlite
@each_function
def test_insights_are_reached_by_an_index(name: str, week: list[Entry]) -> None:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        EVERY[name](Entry.objects.filter(author=1))
    for query in captured.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plan = [row[3] for row in cursor.fetchall()]
        assert [line for line in plan if line.startswith("SCAN") and "insights_recovery" in line] == [], plan


def test_a_mood_is_that_of_its_period() -> None:
    written(("emotion", "joy"), ("emotion", "Awe"), sentiment=0.8)
    written(("emotion", "Joy"), ("emotion", "joy"), sentiment=0.2, when=days(2))
    written(("emotion", "joy"), ("emotion", "fear"), when=days(6))
    written(("emotion", "fear"), sentiment=-1.0, when=days(7))
    first, second = mood_over_time(Entry.objects.all(), on=ON, emotions=2)
    assert first.period.start == MONDAY.date()
    assert first.entries == 3
    assert first.sentiment == pytest.approx(0.5)
    assert first.emotions == (Often(label="joy", entries=3), Often(label="Awe", entries=1))
    assert (second.entries, second.sentiment, second.period.unit) == (1, -1.0, Unit.WEEK)


def test_an_entry_counts_once_however_many_extractors_read_it() -> None:
    entry = written(("emotion", "joy"), sentiment=0.0)
    find(entry, ("emotion", "JOY"), sentiment=1.0, extractor="second")
    find(entry, extractor="third")
    written(sentiment=0.0)
    (mood,) = mood_over_time(Entry.objects.all(), on=ON)
    assert (mood.entries, mood.sentiment) == (2, 0.25)
    assert mood.emotions == (Often(label="JOY", entries=1),)


def test_periods_begin_where_midnight_is_in_the_zone_asked_for(settings: Any) -> None:
    late = datetime(2026, 3, 29, 22, 30, tzinfo=UTC)
    written(sentiment=0.5, when=late)

    def days_in(**zone: Any) -> list[date]:
        return [mood.period.start for mood in mood_over_time(Entry.objects.all(), on=ON, by="day", **zone)]

    assert days_in() == [date(2026, 3, 29)]
    assert days_in(zone=ZoneInfo("Europe/Berlin")) == [date(2026, 3, 30)]
    settings.TIME_ZONE = "Europe/Berlin"
    assert days_in() == [date(2026, 3, 30)]


def test_entries_without_a_date_are_left_out(week: list[Entry]) -> None:
    assert mood_over_time(Entry.objects.all(), on="processing_completed_at") == []
    assert theme_trends(Entry.objects.all(), on="processing_completed_at") == []
    assert mentions(Entry.objects.all(), on="processing_completed_at") == []


def test_a_theme_that_takes_more_room_each_week_rises() -> None:
    for week in range(8):
        written(("theme", "Work"), ("theme", "home"), when=days(7 * week))
        for other in range(8 - week):
            written(("theme", "home"), when=days(7 * week + other / 10))
    home, work = theme_trends(Entry.objects.all(), on=ON)
    assert (home.label, home.entries, home.trend.direction, home.trend.slope) == ("home", 44, Direction.STEADY, 0)
    assert (work.label, work.entries, work.trend.direction) == ("Work", 8, Direction.RISING)
    assert [(point.entries, point.among) for point in work.periods] == [(1, 9 - week) for week in range(8)]
    assert work.trend.slope > 0
    assert work.trend.points == 8


def test_a_theme_does_not_rise_because_more_is_written() -> None:
    for week in range(8):
        for number in range(2 * (week + 1)):
            written(("theme", "work") if number % 2 else ("theme", "home"), when=days(7 * week))
    assert {theme.trend.direction for theme in theme_trends(Entry.objects.all(), on=ON)} == {Direction.STEADY}


def test_what_a_person_says_of_an_unread_entry_counts_among_the_known() -> None:
    for label in ("new", "other"):
        by_hand(edit_by_sql(written(("theme", "old"))), "theme", label)
    edit_by_sql(written(("theme", "old")))
    themes = theme_trends(Entry.objects.all(), on=ON)
    assert [(theme.label, theme.periods[0].share) for theme in themes] == [("new", 0.5), ("other", 0.5)]


def test_any_kind_has_trends_and_no_more_are_given_than_asked_for(week: list[Entry]) -> None:
    written(("person", "Ben"))
    assert [t.label for t in theme_trends(Entry.objects.all(), on=ON, kind="person")] == ["Anna", "Ben"]
    assert [t.label for t in theme_trends(Entry.objects.all(), on=ON, kind="person", limit=1)] == ["Anna"]


def test_people_are_known_by_how_often_since_when_and_with_what_feeling() -> None:
    first = written(("person", "Anna", 1.0, 0), ("person", "anna", 0.0, 9), ("theme", "Anna"))
    find(first, ("person", "Anna", 0.5, 9), extractor="second")
    written(("person", "Anna", -0.5), ("place", "Lake"), when=days(30))
    written(("person", "ANNA"), when=days(-3))
    anna, lake = mentions(Entry.objects.all(), on=ON)
    assert (anna.kind, anna.label, anna.entries, anna.times) == ("person", "Anna", 3, 4)
    assert (anna.first_seen, anna.last_seen) == (days(-3), days(30))
    assert anna.sentiment == pytest.approx((0.5 - 0.5) / 2)
    assert (lake.kind, lake.label, lake.sentiment) == ("place", "Lake", None)
    assert [found.label for found in mentions(Entry.objects.all(), on=ON, kinds=["theme"])] == ["Anna"]
    assert mentions(Entry.objects.all(), on=ON, limit=1) == [anna]


@pytest.mark.parametrize("labels", [("É", "é"), ("ß", "SS"), ("Åsa", "Åsa"), ("ΣΑΣ", "σας")])
def test_labels_that_differ_in_case_or_composition_are_one_on_every_database(labels: tuple[str, str]) -> None:
    for label in labels:
        written(("person", label))
    (found,) = mentions(Entry.objects.all(), on=ON)
    assert found.entries == 2
    assert found.label in labels


def test_labels_that_differ_in_an_accent_are_two_on_every_database() -> None:
    written(("person", "Rene"), ("person", "René"))
    assert [found.label for found in mentions(Entry.objects.all(), on=ON)] == ["Rene", "René"]


def test_hostile_labels_are_only_labels() -> None:
    labels = ["'; DROP TABLE notes_entry; --", "%", "_", "\\", "=1+1", "{{ 7*7 }}", "<b>", "\u202e", "💣" * 200]
    written(*(("person", label) for label in labels))
    assert {found.label for found in mentions(Entry.objects.all(), on=ON)} == set(labels)
    assert len(pairs(Entry.objects.all(), least_entries=1, limit=100)) == len(labels) * (len(labels) - 1) / 2


def test_what_always_comes_together_is_associated_wholly_and_chance_not_at_all() -> None:
    for number in range(8):
        together = [("person", "Anna"), ("activity", "chess")] if number % 2 else [("person", "Ben")]
        written(*together, *([("place", "Lake")] if number < 4 else []))
    found = {pair.labels: pair for pair in pairs(Entry.objects.all(), least_entries=2)}
    chess, chance = found["chess", "Anna"], found["Anna", "Lake"]
    assert (chess.kinds, chess.entries, chess.lift) == (("activity", "person"), 4, 2.0)
    assert chess.association == pytest.approx(1.0)
    assert (chance.lift, chance.association) == (1.0, 0.0)
    assert next(iter(found)) == ("chess", "Anna")


def test_the_measure_is_normalised_mutual_information() -> None:
    for number in range(10):
        written(
            ("theme", "none"),
            *([("person", "Anna")] if number < 5 else []),
            *([("place", "Lake")] if 1 < number < 6 else []),
        )
    (found,) = pairs(Entry.objects.all(), kinds=["person", "place"])
    expected = math.log((3 / 10) / (5 / 10 * 4 / 10)) / -math.log(3 / 10)
    assert found.association == pytest.approx(expected)
    assert found.lift == pytest.approx(1.5)


def test_what_comes_together_too_seldom_is_left_out(week: list[Entry]) -> None:
    written(("person", "Eve"), ("theme", "war"))
    assert ("Eve", "war") not in {pair.labels for pair in pairs(Entry.objects.all())}
    assert pairs(Entry.objects.all(), least_entries=4) == []
    assert len(pairs(Entry.objects.all(), limit=1)) == 1
    with pytest.raises(ValueError, match="least_entries"):
        pairs(Entry.objects.all(), least_entries=0)


def test_what_is_in_every_entry_says_nothing() -> None:
    for _ in range(3):
        written(("person", "Anna"), ("theme", "family"))
    (found,) = pairs(Entry.objects.all())
    assert (found.lift, found.association) == (1.0, 0.0)


def test_no_more_labels_are_compared_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companions_module, "WIDEST", 2)
    for _ in range(2):
        written(("person", "a"), ("person", "b"))
    written(("person", "a"), ("person", "b"), ("person", "c"))
    assert [pair.labels for pair in pairs(Entry.objects.all(), least_entries=1)] == [("a", "b")]


@each_function
def test_a_kind_or_unit_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="nonsense"):
        {
            "mood_over_time": lambda rows: mood_over_time(rows, on=ON, by="nonsense"),
            "theme_trends": lambda rows: theme_trends(rows, on=ON, kind="nonsense"),
            "mentions": lambda rows: mentions(rows, on=ON, kinds=["nonsense"]),
            "pairs": lambda rows: pairs(rows, kinds=["nonsense"]),
        }[name](Entry.objects.all())


def test_a_field_that_holds_no_dates_is_refused(week: list[Entry]) -> None:
    with pytest.raises(TypeError, match="dates or moments"):
        mood_over_time(Entry.objects.all(), on="content")


def test_entries_are_those_of_their_author(configure: Callable[..., None], django_user_model: Any) -> None:
    configure(AUTHOR_FIELD="author")
    anna, ben = (django_user_model.objects.create(username=name) for name in ("anna", "ben"))
    mine = written(("person", "Ben"), author=anna)
    written(("person", "Anna"), author=ben)
    written(("person", "Nobody"))
    assert [found.label for found in mentions(entries_of(anna), on=ON)] == ["Ben"]
    assert list(entries_of(anna.pk).with_insight("person", "ben")) == [mine]
    with pytest.raises(ValueError, match="whose"):
        entries_of(None)


def test_what_a_host_hides_is_not_read_back_but_exported_and_erased(
    configure: Callable[..., None], django_user_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shown(models.Manager.from_queryset(RecoverableQuerySet)):  # type: ignore[misc]
        def get_queryset(self) -> Any:
            return super().get_queryset().exclude(title="hidden")

    manager = Shown()
    manager.model = Entry
    monkeypatch.setitem(Entry._meta.__dict__, "default_manager", manager)
    configure(AUTHOR_FIELD="author")
    anna = django_user_model.objects.create(username="anna")
    shown, hidden = written(author=anna), written(author=anna)
    put(hidden, title="hidden")
    assert list(entries_of(anna)) == [shown]
    assert set(everything_of(anna)) == {shown, hidden}


def test_without_an_author_field_the_error_says_what_to_set(configure: Callable[..., None]) -> None:
    configure(AUTHOR_FIELD=None)
    with pytest.raises(ConfigurationError, match="AUTHOR_FIELD"):
        entries_of(1)


def test_all_that_is_public_is_named() -> None:
    assert sorted(reflections.__all__) == list(reflections.__all__)
    assert all(hasattr(reflections, name) for name in reflections.__all__)
