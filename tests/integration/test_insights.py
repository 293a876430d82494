"""Storing insights: all or none, one set per entry and extractor, corrections kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from insights_recovery import operations
from insights_recovery.models import Extraction, Insight
from tests.hosts.notes.models import Entry
from tests.integration.helpers import MARKER, SECOND, create, fresh, heard, in_state, process
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db

Scripted = Callable[..., list[Any]]


def _labels(entry: Entry) -> list[str]:
    return sorted(insight.label for insight in fresh(entry).current_insights())


def _again(entry: Entry, text: str | None = None) -> None:
    if text is None:
        operations.reprocess([entry.pk])
    else:
        Entry.objects.filter(pk=entry.pk).update(content=text)
    process(entry)


def test_all_of_a_result_is_stored(scripted: Scripted) -> None:
    scripted(lambda _: found("lake", sentiment=0.5, title="Lake", summary="At a lake.", language="en", usage={"t": 1}))
    entry = create()
    process(entry)
    stored = Extraction.objects.get(entry=entry)
    assert [0.5, "Lake", "At a lake.", "en", {"t": 1}] == [
        getattr(stored, name) for name in ("sentiment", "title", "summary", "language", "usage")
    ]
    assert stored.duration >= 0
    assert stored.text_digest == fresh(entry).processing_digest


def test_insights_come_in_the_extractors_order(scripted: Scripted) -> None:
    scripted(lambda _: found("c", "a", "b"))
    entry = create()
    process(entry)
    assert ["c", "a", "b"] == [insight.label for insight in fresh(entry).current_insights()]


def test_reprocessing_replaces_what_was_found(scripted: Scripted) -> None:
    results = iter([found("old"), found("new")])
    scripted(lambda _: next(results))
    entry = create()
    process(entry)
    _again(entry)
    assert ["new"] == _labels(entry)
    assert 1 == Extraction.objects.count() == Insight.objects.count()


def test_old_insights_stay_until_new_ones_exist(scripted: Scripted) -> None:
    results = iter([found("old")])
    scripted(lambda _: next(results))
    entry = create()
    process(entry)
    _again(entry)
    assert ["old"] == _labels(entry)


def test_a_store_that_fails_half_way_leaves_nothing(scripted: Scripted) -> None:
    scripted(lambda _: found(*map(str, range(600))))
    entry = create()
    inserts = []

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT") and '_insight"' in sql.replace("`", '"'):
            inserts.append(sql)
            if len(inserts) == 2:
                raise IntegrityError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        assert process(entry) == {"failed": 1}
    assert not Insight.objects.exists()
    assert not Extraction.objects.exists()


def test_there_is_one_extraction_per_entry_extractor_and_text() -> None:
    entry = create()
    values = {"entry": entry, "extractor": "x", "version": "1", "text_digest": "d", "duration": 0.0}
    Extraction.objects.create(**values)
    with pytest.raises(IntegrityError), transaction.atomic():
        Extraction.objects.create(**values)


def _correct(entry: Entry, found_as: str, **changes: Any) -> None:
    Insight.objects.filter(entry=entry, label=found_as).update(is_manual_edit=True, **changes)


@pytest.mark.parametrize("text", [None, "Another text."])
def test_an_edited_insight_stays_and_is_not_found_a_second_time(scripted: Scripted, text: str | None) -> None:
    scripted(lambda _: found("lake", "walk"))
    entry = create()
    process(entry)
    _correct(entry, "lake", label="pond")
    _again(entry, text)
    assert ["pond", "walk"] == _labels(entry)


@pytest.mark.parametrize("text", [None, "Another text."])
def test_a_removed_insight_stays_removed(scripted: Scripted, text: str | None) -> None:
    scripted(lambda _: found("lake", "LAKE", "walk"))
    entry = create()
    process(entry)
    _correct(entry, "lake", is_removed=True)
    _again(entry, text)
    assert ["walk"] == _labels(entry)


@pytest.mark.parametrize("text", [None, "Another text.", ""])
def test_an_insight_added_by_hand_stays(scripted: Scripted, text: str | None) -> None:
    scripted(lambda _: found("walk"))
    entry = create()
    process(entry)
    Insight.objects.create(entry=entry, kind="theme", label="mine", is_manual_edit=True)
    _again(entry, text)
    assert "mine" in _labels(entry)


def test_a_correction_outlives_its_extractor(scripted: Scripted, configure: Callable[..., None]) -> None:
    scripted(lambda _: found("lake", "walk"))
    entry = create()
    process(entry)
    _correct(entry, "lake", label="pond")
    configure(EXTRACTORS=[MARKER])
    _again(entry, "Another text.")
    assert "pond" in _labels(entry)
    assert "walk" not in _labels(entry)


def test_what_another_extractor_found_in_an_older_text_is_dropped(
    scripted: Scripted, configure: Callable[..., None]
) -> None:
    scripted(lambda _: found("lake"))
    entry = create()
    process(entry)
    configure(EXTRACTORS=[MARKER])
    _again(entry, "Another text.")
    assert ["marker"] == list(Extraction.objects.values_list("extractor", flat=True))


def test_what_two_extractors_found_is_kept_apart(configure: Callable[..., None]) -> None:
    configure(EXTRACTORS=[MARKER, SECOND])
    entry = create()
    process(entry)
    _again(entry)
    assert 2 == Insight.objects.count() == Extraction.objects.count()


def test_insights_of_another_entry_are_never_touched(scripted: Scripted) -> None:
    scripted(found)
    one, other = create("one"), create("other")
    process(one, other)
    _again(one, "changed")
    assert ["other"] == _labels(other)


def test_an_entry_that_was_never_read_shows_nothing() -> None:
    entry = in_state("PENDING", digest="")
    Extraction.objects.create(entry=entry, extractor="x", version="1", text_digest="", duration=0.0)
    assert not fresh(entry).current_extractions().exists()


def test_an_insight_by_hand_is_shown_before_the_entry_is_done() -> None:
    entry = create()
    Insight.objects.create(entry=entry, kind="theme", label="mine", is_manual_edit=True)
    assert ["mine"] == _labels(entry)


def test_a_completion_is_told() -> None:
    entry = create()
    with heard("entry_completed") as completed:
        process(entry)
    assert [entry.pk] == completed
