"""Searching by insight: a queryset that stays one, and shows what holds now."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insights_recovery.models import Insight
from tests.hosts.notes.models import Entry
from tests.integration.journals import by_hand, edit_by_sql, find, unsettle, written

pytestmark = pytest.mark.django_db


def keys(rows: Any) -> set[Any]:
    return set(rows.values_list("pk", flat=True))


def test_entries_are_found_by_kind_and_label() -> None:
    lake = written(("place", "Lake"), ("person", "Anna"))
    town = written(("place", "Town"))
    written(("theme", "lake"))
    assert keys(Entry.objects.with_insight("place", "lake")) == {lake.pk}
    assert keys(Entry.objects.with_insight("place")) == {lake.pk, town.pk}
    assert keys(Entry.objects.with_insight(label="ANNA")) == {lake.pk}
    assert Entry.objects.with_insight().count() == 3


def test_questions_are_put_one_after_the_other_and_stay_a_queryset(django_assert_num_queries: Any) -> None:
    both = written(("person", "Anna"), ("place", "Lake"), text="b")
    also = written(("person", "Anna"), ("place", "Lake"), text="a")
    written(("person", "Anna"), ("place", "Town"))
    with django_assert_num_queries(0):
        rows = Entry.objects.with_insight("person", "anna").with_insight("place", "lake")
        rows = rows.exclude(content="x").order_by("content")
    with django_assert_num_queries(1):
        assert [entry.pk for entry in rows] == [also.pk, both.pk]
    assert rows.with_insight("person").filter(content="a").update(title="found") == 1


def test_what_was_found_twice_gives_the_entry_once() -> None:
    entry = written(("place", "Lake", None, 3), ("place", "lake", None, 9))
    find(entry, ("place", "Lake"), extractor="second")
    assert Entry.objects.with_insight("place", "lake").count() == 1


def test_the_feeling_attached_is_that_of_the_very_insight() -> None:
    good = written(("person", "Anna", 0.8), ("person", "Ben", -0.9), sentiment=0.5)
    bad = written(("person", "Anna", -0.4), sentiment=-0.5)
    unfelt = written(("person", "Anna"))
    assert keys(Entry.objects.with_insight("person", "anna", sentiment_from=0.5)) == {good.pk}
    assert keys(Entry.objects.with_insight("person", "anna", sentiment_to=0)) == {bad.pk}
    assert keys(Entry.objects.with_insight("person", "anna")) == {good.pk, bad.pk, unfelt.pk}
    assert keys(Entry.objects.with_sentiment(0.1)) == {good.pk}
    assert keys(Entry.objects.with_sentiment(-0.5, 0)) == {bad.pk}
    assert keys(Entry.objects.with_sentiment()) == {good.pk, bad.pk, unfelt.pk}


def test_nothing_of_an_old_text_is_shown_and_nothing_that_was_removed() -> None:
    entry = written(("theme", "kept"), sentiment=0.5)
    unsettle(entry, ("theme", "gone", 0.5), sentiment=-0.9)
    assert not Entry.objects.with_insight(label="gone").exists()
    assert not Entry.objects.with_sentiment(-1, -0.5).exists()
    assert Entry.objects.with_insight(label="kept").exists()
    edit_by_sql(entry)
    assert not Entry.objects.with_insight().exists()
    assert not Entry.objects.with_sentiment().exists()


def test_an_entry_whose_text_nobody_knows_has_nothing_of_it() -> None:
    entry = written(("theme", "kept"), sentiment=0.5)
    Entry.objects.filter(pk=entry.pk).update(content="edited by an update")
    assert not Entry.objects.with_insight().exists()
    assert not Entry.objects.with_sentiment().exists()


def test_what_a_person_says_is_found_whatever_becomes_of_the_text() -> None:
    entry = written()
    said = by_hand(entry, "person", "Anna")
    edit_by_sql(entry)
    assert keys(Entry.objects.with_insight("person", "anna")) == {entry.pk}
    Insight.objects.filter(pk=said.pk).update(is_removed=True)
    assert not Entry.objects.with_insight("person", "anna").exists()


def test_it_agrees_with_what_each_entry_shows() -> None:
    shown = written(("theme", "lake"))
    for entry in (written(), edit_by_sql(written(("theme", "lake"))), shown):
        unsettle(entry, ("theme", "lake")) if entry.extractions.exists() else None
    with_lake = {entry.pk for entry in Entry.objects.all() if entry.current_insights().filter(label="lake")}
    assert keys(Entry.objects.with_insight("theme", "lake")) == with_lake == {shown.pk}


@pytest.mark.parametrize("asked", ["résumé", "RÉSUMÉ", "Résumé"])
def test_an_accent_is_a_letter_of_its_own_on_every_database(asked: str) -> None:
    accented = written(("tag", "Résumé"))
    written(("tag", "resume"))
    assert keys(Entry.objects.with_insight("tag", asked)) == {accented.pk}


@pytest.mark.parametrize(
    ("label", "asked"),
    [("ÄRGER", "ärger"), ("ärger", "ÄRGER"), ("Ärger", "ärger"), ("Москва", "москва"), ("МОСКВА", "Москва"),
     ("STRASSE", "straße"), ("100%", "100%"), ("a_b", "A_B"), ("o'Neil", "O'NEIL"), ("Ελλάδα", "ελλάδα")],
)  # fmt: skip
def test_case_makes_no_difference(label: str, asked: str) -> None:
    found = written(("tag", label))
    written(("tag", "100x"), ("tag", "axb"))
    assert keys(Entry.objects.with_insight(label=asked)) == {found.pk}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(label=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40))
def test_every_label_is_found_as_it_is_written(label: str) -> None:
    entry = written(("tag", label))
    other = written(("tag", f"{label}x"))
    found = keys(Entry.objects.with_insight("tag", label))
    Entry.objects.all().delete()
    assert (entry.pk in found, other.pk in found) == (True, False)


def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="feeling"):
        Entry.objects.with_insight("feeling")


@pytest.mark.parametrize("limits", [(0.5, 0.4), (-2, 0), (0, 1.5), (float("nan"), 1)])
def test_a_range_that_is_none_is_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="range"):
        Entry.objects.with_sentiment(*limits)
    with pytest.raises(ValueError, match="range"):
        Entry.objects.with_insight(sentiment_from=limits[0], sentiment_to=limits[1])
