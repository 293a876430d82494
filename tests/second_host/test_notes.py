"""A note's way from the save to its insights."""

from collections.abc import Callable
from typing import Any

import pytest

from insights_recovery import operations
from insights_recovery.models import Insight
from tests.hosts.diary.models import Note
from tests.hosts.extractors import digest_of

pytestmark = pytest.mark.django_db


def test_a_saved_note_is_announced_by_its_key_alone(
    sent: Callable[[], list[dict[str, Any]]], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        note = Note.objects.create(body="a canary in the text")
    (message,) = sent()
    assert message["args"] == [[str(note.pk)]]
    assert "canary" not in message["raw"]


def test_a_note_gets_the_insights_of_its_own_text_field() -> None:
    note = Note.objects.create(body="Walked to the lake.")
    operations.process_now([note.pk])
    note.refresh_from_db()
    assert note.insights_processed
    assert [insight.label for insight in Insight.objects.filter(entry=note)] == [digest_of(note.body)]


def test_deleting_a_note_leaves_nothing_behind() -> None:
    note = Note.objects.create(body="Walked to the lake.")
    operations.process_now([note.pk])
    note.delete()
    assert not Insight.objects.exists()
