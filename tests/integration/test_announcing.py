"""A save tells the workers once, after commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from insights_recovery.lifecycle import State
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, fresh, in_state, seconds_until

Sent = Callable[[], list[dict[str, Any]]]


class RolledBackError(Exception):
    """Ends a transaction that must not be committed."""


@pytest.mark.django_db(transaction=True)
def test_a_created_entry_is_announced_by_its_key_alone(sent: Sent) -> None:
    entry = Entry.objects.create(content="a canary in the text")
    (message,) = sent()
    assert [[entry.pk]] == message["args"]
    assert message["queue"] == "insights"
    assert "canary" not in message["raw"]


@pytest.mark.django_db(transaction=True)
def test_a_message_goes_to_our_task(sent: Sent) -> None:
    Entry.objects.create(content="text")
    assert [message["task"] for message in sent()] == ["insights_recovery.tasks.extract_insights_task"]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_announced_before_the_commit(sent: Sent) -> None:
    with transaction.atomic():
        Entry.objects.create(content="text")
        assert sent() == []
    assert len(sent()) == 1


@pytest.mark.django_db(transaction=True)
def test_nothing_is_announced_after_a_rollback(sent: Sent) -> None:
    def write_and_fail() -> None:
        with transaction.atomic():
            Entry.objects.create(content="text")
            raise RolledBackError

    with pytest.raises(RolledBackError):
        write_and_fail()
    assert sent() == []


@pytest.mark.django_db(transaction=True)
def test_an_edit_is_announced_once(sent: Sent) -> None:
    entry = in_state(State.COMPLETED)
    sent()
    entry.content = "edited"
    entry.save()
    assert [[[entry.pk]]] == [message["args"] for message in sent()]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fields", [None, ["title"]])
def test_a_save_without_a_new_text_publishes_nothing(sent: Sent, fields: list[str] | None) -> None:
    entry = in_state(State.COMPLETED)
    sent()
    entry.title = "title"
    entry.save(update_fields=fields)
    assert sent() == []


@pytest.mark.django_db(transaction=True)
def test_a_second_save_of_the_same_instance_publishes_nothing(sent: Sent) -> None:
    entry = Entry.objects.create(content="text")
    sent()
    entry.save()
    assert sent() == []


@pytest.mark.django_db(transaction=True)
def test_a_copy_is_announced(sent: Sent) -> None:
    entry = in_state(State.COMPLETED)
    sent()
    entry.pk = None
    entry.save()
    assert [[[entry.pk]]] == [message["args"] for message in sent()]


@pytest.mark.django_db(transaction=True)
def test_bulk_creation_publishes_nothing(sent: Sent) -> None:
    Entry.objects.bulk_create([Entry(content="one"), Entry(content="two")])
    assert sent() == []


@pytest.mark.django_db
def test_an_announced_entry_is_due_after_the_grace_and_in_front() -> None:
    entry = create()
    assert 50 < seconds_until(entry, "due_at") <= 60
    assert [1, False] == [fresh(entry).processing_nudges, fresh(entry).processing_backfill]
