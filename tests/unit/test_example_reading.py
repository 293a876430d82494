"""Highlighting: the segments are the text, whatever the spans are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal.factories import EntryFactory, finish, found
from journal.reading import HEADINGS, reading_of, segments

from insights_recovery.extractors.base import Kind
from insights_recovery.models import Insight

TEXT = "A walk by the river with Anna."


def insight(pk: int, start: int | None, end: int | None, text: str = TEXT, snippet: str | None = None) -> Insight:
    lies_in_text = start is not None and end is not None and snippet is None
    return Insight(
        pk=pk,
        kind=Kind.OTHER,
        label="x",
        start=start,
        end=end,
        snippet=text[start:end] if lies_in_text else snippet or "",
    )


def test_every_kind_has_a_heading() -> None:
    assert set(HEADINGS) == set(Kind)


def test_overlapping_spans_are_cut_where_one_begins_or_ends() -> None:
    walk_by_the = insight(1, 2, 13)
    the_river = insight(2, 10, 19)
    assert [(item.text, [i.pk for i in item.insights]) for item in segments(TEXT, [walk_by_the, the_river])] == [
        ("A ", []),
        ("walk by ", [1]),
        ("the", [2, 1]),
        (" river", [2]),
        (" with Anna.", []),
    ]


def test_a_thing_keeps_the_passage_around_it() -> None:
    whole = insight(1, 0, len(TEXT))
    whole.kind = Kind.EMOTION
    anna = insight(2, 25, 29)
    anna.kind = Kind.PERSON
    classes = [item.classes for item in segments(TEXT, [whole, anna])]
    assert classes == ["kind-emotion", "kind-person kind-emotion", "kind-emotion"]


@pytest.mark.parametrize(
    ("start", "end", "snippet"),
    [(None, None, ""), (5, 5, ""), (9, 3, ""), (25, 99, "Anna"), (0, 4, "Anna")],
    ids=["none", "empty", "backwards", "beyond the end", "other words"],
)
def test_a_span_that_does_not_fit_marks_nothing(start: int | None, end: int | None, snippet: str) -> None:
    assert [item.insights for item in segments(TEXT, [insight(1, start, end, snippet=snippet)])] == [()]


def test_an_empty_text_has_no_segments() -> None:
    assert segments("", []) == []


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 45), st.integers(0, 45)), max_size=8))
def test_segments_joined_are_the_text(text: str, spans: list[tuple[int, int]]) -> None:
    insights = [insight(pk, start, end, text) for pk, (start, end) in enumerate(spans)]
    result = segments(text, insights)
    assert "".join(item.text for item in result) == text
    for item in insights:
        fits = item.start < item.end <= len(text)
        assert "".join(s.text for s in result if item in s.insights) == (text[item.start : item.end] if fits else "")


@pytest.mark.django_db
def test_findings_are_grouped_by_kind_and_label() -> None:
    text = "Anna came. Later anna left for Rome."
    entry = finish(
        EntryFactory(content=text),
        found(text, "Rome", Kind.PLACE),
        found(text, "Anna", sentiment=0.8),
        found(text, "anna", sentiment=0.2),
        found(text, "Rome", Kind.TAG),
        found(text, "Later", Kind.KEYPHRASE),
        summary="Anna came and left.",
        title="Anna",
        sentiment=-0.7,
    )
    reading = reading_of(entry)
    assert [group.heading for group in reading.groups] == ["People", "Places", "Key phrases"]
    (anna,) = reading.groups[0].findings
    assert (anna.label, anna.times, anna.mood.word) == ("Anna", 2, "very good")
    assert (reading.summary, reading.title, reading.mood.word) == ("Anna came and left.", "Anna", "very low")


@pytest.mark.django_db
def test_a_summary_as_long_as_the_text_is_left_out() -> None:
    text = "Anna came."
    assert reading_of(finish(EntryFactory(content=text), summary=text)).summary == ""


@pytest.mark.django_db
def test_an_edited_text_shows_nothing_of_the_old_one() -> None:
    text = "Anna came."
    entry = finish(EntryFactory(content=text), found(text, "Anna"), title="Anna")
    entry.content = "Nobody came."
    entry.save()
    reading = reading_of(entry)
    assert (reading.groups, reading.title, reading.mood) == ([], "", None)
    assert [item.insights for item in reading.segments] == [()]
