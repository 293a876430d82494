"""A message that any release has sent does its work today."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from insights_recovery.lifecycle import State
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, fresh, heard, in_state
from tests.releases import record
from tests.releases.feeding import feed

pytestmark = pytest.mark.django_db

RELEASES = record.kept()
MESSAGES = dict(record.all_messages())
EXTRACTION = "insights_recovery.tasks.extract_insights_task"
PERIODIC = ("retry_unprocessed_entries", "check_entry_processing_status")
ASKED_FOR = ("debug_task", "worker_health_check", "monitor_worker_performance")
NUDGES = {name: message for name, message in MESSAGES.items() if message.task == EXTRACTION}
MEANT_FOR_US = {name: message for name, message in NUDGES.items() if "UUID" not in message.name}
MEANT_FOR_ANOTHER = {name: message for name, message in NUDGES.items() if "UUID" in message.name}

each_release = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.version)


@each_release
def test_every_kind_of_message_is_kept(release: record.Release) -> None:
    nudges = {"one id", "several ids", "one UUID", "UUIDs", "a bare id"}
    assert nudges.union(PERIODIC, ASKED_FOR) <= {message.name for message in release.messages}


@pytest.mark.parametrize("message", MEANT_FOR_US.values(), ids=MEANT_FOR_US)
def test_a_nudge_of_any_release_is_understood(message: record.Message) -> None:
    entries = [Entry.objects.create(pk=pk, content=f"entry {pk}") for pk in message.keys]
    bystander = create()
    assert {"completed": len(entries)} == feed(message)
    assert {State.COMPLETED} == {fresh(entry).processing_state for entry in entries}
    assert State.PENDING == fresh(bystander).processing_state


@pytest.mark.parametrize("message", MEANT_FOR_ANOTHER.values(), ids=MEANT_FOR_ANOTHER)
def test_keys_of_another_kind_are_passed_over(message: record.Message) -> None:
    assert all(UUID(pk) for pk in message.keys)
    with heard("entries_unknown") as unknown:
        assert {} == feed(message)
    assert [] == unknown


def _named(name: str) -> dict[str, record.Message]:
    return {release.version: release.message(name) for release in RELEASES}


@pytest.mark.parametrize("message", _named("retry_unprocessed_entries").values(), ids=lambda message: message.name)
def test_a_sweep_that_any_release_asked_for_offers_what_is_due(
    message: record.Message, sent: Callable[[], list[dict[str, Any]]]
) -> None:
    entry = in_state(State.PENDING)
    sent()
    assert 1 == feed(message)["offered"]
    assert [[[entry.pk]]] == [nudge["args"] for nudge in sent()]


@pytest.mark.parametrize("name", [*PERIODIC, *ASKED_FOR])
@each_release
def test_whatever_any_release_asks_for_is_answered(release: record.Release, name: str) -> None:
    assert feed(release.message(name))


def test_a_record_is_not_written_twice(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "FOLDER", tmp_path)
    record.keep(RELEASES[0])
    with pytest.raises(FileExistsError):
        record.keep(RELEASES[0])
    assert RELEASES[:1] == record.kept()
