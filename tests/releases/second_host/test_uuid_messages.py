"""A nudge with UUID keys that any release has sent does its work today."""

from __future__ import annotations

import pytest

from insights_recovery.lifecycle import State
from tests.hosts.diary.models import Note
from tests.releases import record
from tests.releases.feeding import feed

NUDGES = {name: message for name, message in record.all_messages() if "UUID" in message.name}


@pytest.mark.django_db
@pytest.mark.parametrize("message", NUDGES.values(), ids=NUDGES)
def test_a_nudge_of_any_release_is_understood(message: record.Message) -> None:
    Note.objects.bulk_create(Note(pk=pk, body=f"note {pk}") for pk in message.keys)
    assert {"completed": len(message.keys)} == feed(message)
    assert {State.COMPLETED} == set(Note.objects.values_list("processing_state", flat=True))
