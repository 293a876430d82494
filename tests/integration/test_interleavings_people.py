"""What people ask against workers, writers, deletions and each other; and the row locks that keep them apart.

The first holds its transaction open at the moment that counts; the second passes by, or waits, and then sees what the
first has done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from django.db.models.signals import pre_delete

from insights_recovery import dispatch, lifecycle, operations
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction
from tests.hosts.notes.models import Entry
from tests.integration.helpers import Elsewhere, claimed, create, fresh, in_state, process, put, row
from tests.integration.interleaved import claim, several_connections, waits

pytestmark = [pytest.mark.django_db(transaction=True), several_connections]

Sent = Callable[[], list[dict[str, Any]]]


def _messages(sent: Sent) -> list[Any]:
    return [message["args"][0] for message in sent()]


# Retry against claim


def test_a_claim_passes_over_what_a_person_is_retrying(sent: Sent) -> None:
    entry = in_state(State.PENDING, attempts=4)
    sent()
    with transaction.atomic():
        assert 1 == operations.retry([entry.pk])
        assert [] == Elsewhere(lambda: claim(entry)).value(10)
        assert [] == _messages(sent)
    assert [[entry.pk]] == _messages(sent)
    assert [entry.pk] == claim(entry)


def test_who_retries_waits_for_a_claim_and_leaves_the_lease_alone(sent: Sent) -> None:
    entry = in_state(State.PENDING, attempts=4)
    sent()
    with transaction.atomic():
        batch = claimed(entry)
        before = row(entry)
        person = Elsewhere(lambda: operations.retry([entry.pk]))
        assert waits(person)
    assert 0 == person.value()
    assert before == row(entry)
    assert [] == _messages(sent)
    assert {"completed": 1} == batch.work()


def test_who_retries_waits_for_a_settle_and_then_retries_what_failed(scripted: Callable[..., Any]) -> None:
    scripted(_fail)
    entry = in_state(State.PENDING, attempts=4)
    batch = claimed(entry)
    with transaction.atomic():
        batch.work()
        person = Elsewhere(lambda: operations.retry([entry.pk]))
        assert waits(person)
    assert 1 == person.value()
    assert [State.PENDING, 0] == [fresh(entry).processing_state, fresh(entry).processing_attempts]


def _fail(_: str) -> Any:
    raise RuntimeError


# Retry against retry


def test_two_people_retry_and_it_is_done_once(sent: Sent, scripted: Callable[..., Any]) -> None:
    calls = scripted()
    entries = [in_state(State.FAILED, f"text {number}", attempts=5) for number in range(3)]
    pks = [entry.pk for entry in entries]
    sent()
    with transaction.atomic():
        assert 3 == operations.retry(pks)
        other = Elsewhere(lambda: operations.retry(reversed(pks)))
        assert waits(other)
    other.value()
    assert {(State.PENDING, 0)} == {
        (entry.processing_state, entry.processing_attempts) for entry in map(fresh, entries)
    }
    messages = _messages(sent)
    assert set(pks) == {pk for message in messages for pk in message}
    for _ in messages:
        process(*entries)
    assert 3 == len(calls)


def test_a_retry_that_comes_after_the_claim_grants_nothing_more(sent: Sent) -> None:
    entry = in_state(State.FAILED, attempts=5)
    operations.retry([entry.pk])
    claim(entry)
    sent()
    assert 0 == operations.retry([entry.pk])
    assert [] == _messages(sent)


# Reprocess against edit


def test_who_writes_waits_for_who_reprocesses_and_the_new_text_is_done(scripted: Callable[..., Any]) -> None:
    calls = scripted()
    entry = create("old")
    process(entry)
    with transaction.atomic():
        assert 1 == operations.reprocess([entry.pk])
        writer = Elsewhere(lambda: Entry.objects.filter(pk=entry.pk).update(content="new"))
        assert waits(writer)
    writer.value()
    assert {"completed": 1} == process(entry)
    assert ["old", "new"] == calls
    assert [lifecycle.digest_of("new")] == list(Extraction.objects.values_list("text_digest", flat=True))


def test_who_reprocesses_waits_for_who_writes_and_spoils_no_checkpoint() -> None:
    entry = create("text")
    process(entry)
    with transaction.atomic():
        # This puts the entry back, since it cannot know that the text stays the same.
        Entry.objects.filter(pk=entry.pk).update(content="text")
        person = Elsewhere(lambda: operations.reprocess([entry.pk]))
        assert waits(person)
    assert 0 == person.value()
    # Had it looked before it locked, what is paid for would be paid for again.
    assert not Extraction.objects.filter(is_outdated=True).exists()


# Against deletion


@contextmanager
def _slow_deletion(entry: Entry) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Have a deletion stop once it has locked the entry; yield what says that it has, and what lets it go on."""
    locked, go_on = threading.Event(), threading.Event()

    def stop(instance: Entry, **_: Any) -> None:
        if instance.pk == entry.pk:
            locked.set()
            assert go_on.wait(20)

    pre_delete.connect(stop, sender=Entry)
    try:
        yield locked, go_on
    finally:
        go_on.set()
        pre_delete.disconnect(stop, sender=Entry)


def _asked(ask: Callable[[list[Any]], Any], first: Entry, second: Entry) -> None:
    """Ask it of both entries while somebody who deletes both has got to the first."""
    # PostgreSQL updates in the order in which rows were last written, a deletion goes by the key.
    put(first, nudges=0)
    with _slow_deletion(first) as (locked, go_on):
        deletion = Elsewhere(lambda: Entry.objects.filter(pk__in=[first.pk, second.pk]).delete())
        assert locked.wait(20)
        person = Elsewhere(lambda: ask([first.pk, second.pk]))
        assert waits(person)
        go_on.set()
        deletion.value()
        person.value()
    assert not Entry.objects.exists()
    assert not Extraction.objects.exists()


def test_who_retries_and_who_deletes_never_wait_for_each_other() -> None:
    _asked(operations.retry, in_state(State.FAILED), in_state(State.FAILED))


def test_who_reprocesses_and_who_deletes_never_wait_for_each_other() -> None:
    first, second = create("first"), create("second")
    process(first, second)
    # Had it begun with the extractions, each would have what the other comes to want.
    _asked(operations.reprocess, first, second)


# The broker is out


def test_who_could_not_tell_the_broker_waits_for_nobody(dead_broker: str) -> None:
    locked, free = in_state(State.PENDING), in_state(State.PENDING)
    before = row(locked)
    with transaction.atomic():
        Entry.objects.select_for_update().get(pk=locked.pk)
        assert not Elsewhere(lambda: dispatch.nudge([locked.pk, free.pk], "insights", insist=True)).value(10)
    assert before == row(locked)
    assert State.CELERY_ERROR == fresh(free).processing_state


def test_that_the_broker_could_not_be_told_is_not_said_of_what_is_in_work(dead_broker: str) -> None:
    entry = in_state(State.PENDING)
    with transaction.atomic():
        claim(entry)
        before = row(entry)
        Elsewhere(lambda: dispatch.nudge([entry.pk], "insights", insist=True)).value(10)
    dispatch.nudge([entry.pk], "insights", insist=True)
    assert before == row(entry)
