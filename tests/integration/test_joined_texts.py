"""A text that a host's hook joins from two fields."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from insights_recovery.lifecycle import State
from tests.hosts.extractors import digest_of as label_of
from tests.integration.helpers import fresh, process, row
from tests.integration.joined import JoinedEntry

pytestmark = pytest.mark.django_db

OLD, NEW = "Walked to the lake.", "Swam in the lake."


@pytest.fixture
def joined(configure: Callable[..., None]) -> JoinedEntry:
    configure(ENTRY_MODEL="notes.JoinedEntry")
    entry = JoinedEntry.objects.create(title="Sunday", content=OLD)
    process(entry)
    return JoinedEntry.objects.get(pk=entry.pk)


def _save_title(entry: JoinedEntry) -> None:
    entry.title = "Monday"
    entry.save()


def _save_title_only(entry: JoinedEntry) -> None:
    entry.title = "Monday"
    entry.save(update_fields=["title"])


def _save_title_beside_a_stale_text(entry: JoinedEntry) -> None:
    JoinedEntry.objects.filter(pk=entry.pk).update(content=NEW)
    _save_title_only(entry)


def _update_title(entry: JoinedEntry) -> None:
    JoinedEntry.objects.filter(pk=entry.pk).update(title="Monday")


@pytest.mark.parametrize("edit", [_save_title, _save_title_only, _save_title_beside_a_stale_text, _update_title])
def test_an_edit_of_any_part_of_a_joined_text_reopens(edit: Callable[[JoinedEntry], None], joined: JoinedEntry) -> None:
    edit(joined)
    assert fresh(joined).processing_state == State.PENDING
    process(joined)
    last = JoinedEntry.objects.get(pk=joined.pk)
    assert [label_of(last.get_insight_text())] == [insight.label for insight in last.current_insights()]


def test_a_save_that_leaves_a_joined_text_alone_moves_nothing(joined: JoinedEntry) -> None:
    before = row(joined)
    joined.save()
    assert before == row(joined)


def test_a_save_of_one_part_by_a_stale_instance_shows_no_old_insights(joined: JoinedEntry) -> None:
    JoinedEntry.objects.filter(pk=joined.pk).update(content=NEW)
    joined.save(update_fields=["title"])
    assert not JoinedEntry.objects.get(pk=joined.pk).current_insights().exists()
