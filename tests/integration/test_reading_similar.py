"""Entries like this one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from insights_recovery.querysets import SLICE
from insights_recovery.reflections import similar_entries, similarity, vectors
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create

pytestmark = pytest.mark.django_db

LAKE = "We swam in the lake all afternoon and dried on the warm stones."


def test_the_entries_most_like_one_come_first_and_itself_is_none_of_them() -> None:
    lake = create(LAKE)
    again = create("Swam in the lake again, the stones were warm.")
    copy = create(LAKE)
    create("My boss shouted about the budget.")
    found = similar_entries(lake, Entry.objects.all(), limit=2)
    assert [similar.entry for similar in found] == [copy, again]
    assert found[0].likeness == pytest.approx(1, abs=1e-3)
    assert 0 < found[1].likeness < found[0].likeness <= 1


def test_what_has_nothing_in_common_is_left_out() -> None:
    lake = create("Swam in the lake with Anna.")
    create("My boss shouted about the budget.")
    create("")
    assert similar_entries(lake, Entry.objects.all()) == []
    assert similar_entries(create(""), Entry.objects.all()) == []


def test_only_the_entries_asked_about_are_compared() -> None:
    lake, near, far = create(LAKE), create(LAKE), create(LAKE)
    assert [found.entry for found in similar_entries(lake, Entry.objects.filter(pk=near.pk))] == [near]
    assert [found.entry for found in similar_entries(lake, Entry.objects.order_by("-pk")[:1])] == [far]
    assert similar_entries(lake, Entry.objects.none()) == []


def test_texts_are_read_few_at_a_time(monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any) -> None:
    Entry.objects.bulk_create(Entry(content=f"{LAKE} {number}") for number in range(SLICE * 2 + 1))
    entry = create(LAKE)
    sizes: list[int] = []
    monkeypatch.setattr(similarity, "vectors", lambda texts: sizes.append(len(texts)) or vectors.vectors(texts))
    with django_assert_num_queries(1 + 3 + 1):
        assert len(similar_entries(entry, Entry.objects.all(), limit=5)) == 5
    assert sizes == [1, 50, 50, 1]


def test_an_entry_whose_text_cannot_be_read_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    lake, broken, near = create(LAKE), create(f"{LAKE} broken"), create(LAKE)
    read: Callable[[Entry], str] = Entry.get_insight_text

    def refuse(entry: Entry) -> str:
        if entry.pk == broken.pk:
            raise ValueError(entry.content)
        return read(entry)

    monkeypatch.setattr(Entry, "get_insight_text", refuse)
    assert [found.entry for found in similar_entries(lake, Entry.objects.all())] == [near]
