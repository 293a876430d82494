"""Entries with nothing to extract: blank ones, and duplicates where the host asks for that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from insights_recovery import clock
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Insight
from tests.hosts.extractors import read_calls
from tests.hosts.notes.models import Entry
from tests.integration.helpers import (
    again,
    create,
    fresh,
    process,
    put,
)

pytestmark = pytest.mark.django_db

Configure = Callable[..., None]


@pytest.mark.parametrize("text", ["", "   ", "\n\t\u2003"])
def test_an_entry_without_text_is_skipped(text: str, extractor_log: Path) -> None:
    entry = create(text)
    assert process(entry) == {"skipped": 1}
    assert [State.SKIPPED, "blank"] == [fresh(entry).processing_state, fresh(entry).processing_reason]
    assert read_calls(extractor_log) == []


def test_an_entry_whose_text_was_emptied_loses_the_old_insights() -> None:
    entry = create()
    process(entry)
    Entry.objects.filter(pk=entry.pk).update(content="")
    process(entry)
    assert not Insight.objects.exists()
    assert not Extraction.objects.exists()


@pytest.fixture
def author(django_user_model: Any) -> Any:
    return django_user_model.objects.create(username="author")


def test_a_duplicate_is_skipped_where_the_host_asks_for_it(configure: Configure, author: Any) -> None:
    configure(SKIP_DUPLICATES=True)
    first, second = (Entry.objects.create(content="twice", author=author) for _ in range(2))
    process(first)
    assert process(second) == {"skipped": 1}
    assert fresh(second).processing_reason == "duplicate"


def test_a_duplicate_is_extracted_where_the_host_does_not_ask(author: Any) -> None:
    first, second = (Entry.objects.create(content="twice", author=author) for _ in range(2))
    process(first)
    assert process(second) == {"completed": 1}


def test_the_same_text_of_another_author_is_no_duplicate(
    configure: Configure, author: Any, django_user_model: Any
) -> None:
    configure(SKIP_DUPLICATES=True)
    other = django_user_model.objects.create(username="other")
    first, second = (Entry.objects.create(content="twice", author=who) for who in (author, other))
    process(first)
    assert process(second) == {"completed": 1}


def test_nobody_is_no_author(configure: Configure) -> None:
    configure(SKIP_DUPLICATES=True)
    first, second = create("twice"), create("twice")
    process(first)
    assert process(second) == {"completed": 1}


def test_an_entry_is_no_duplicate_of_itself(configure: Configure, author: Any) -> None:
    configure(SKIP_DUPLICATES=True)
    entry = Entry.objects.create(content="once", author=author)
    process(entry)
    again(put(entry, state=State.PENDING, due_at=clock.now()))
    assert process(entry) == {"completed": 1}
