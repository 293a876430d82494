"""Reading back, export and erasure where keys are UUIDs and nobody is an author."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from insights_recovery import operations
from insights_recovery.models import Insight
from insights_recovery.reflections import similar_entries, theme_trends
from tests.hosts.diary.models import Note
from tests.hosts.extractors import digest_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def note() -> Any:
    """A note that is done."""
    note = Note.objects.create(body="Walked to the lake.")
    operations.process_now([note.pk])
    return note


def test_notes_are_found_by_their_insights(note: Any) -> None:
    other = Note.objects.create(body="Walked to the lake, again.")
    assert list(Note.objects.with_insight("keyphrase", digest_of(note.body).upper())) == [note]
    (found,) = theme_trends(Note.objects.all(), on="processing_completed_at", kind="keyphrase")
    assert found.label == digest_of(note.body)
    assert [similar.entry for similar in similar_entries(note, Note.objects.all())] == [other]


def test_notes_are_exported_by_key(note: Any) -> None:
    out = io.StringIO()
    call_command("export_insights", "--all", stdout=out, stderr=io.StringIO())
    (record,) = json.loads(out.getvalue())["entries"]
    assert (record["id"], record["text"]) == (str(note.pk), note.body)
    with pytest.raises(CommandError, match="AUTHOR_FIELD"):
        call_command("export_insights", "--author", "1")


def test_notes_are_erased_by_key(note: Any) -> None:
    out = io.StringIO()
    call_command("erase_insights", "--ids", str(note.pk), "--format", "json", stdout=out)
    assert json.loads(out.getvalue())["insights"] == 1
    assert not Insight.objects.exists()
    assert Note.objects.get().processing_state == "SKIPPED"
    with pytest.raises(CommandError, match="no key"):
        call_command("erase_insights", "--ids", "no-uuid")
