"""Deleting never fails because a worker is at it, and leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.signals import post_delete, pre_delete

from insights_recovery import history, lifecycle, recovery
from insights_recovery.models import Extraction, Insight, Outcome, ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.helpers import Elsewhere, claimed, create, fresh, process, put
from tests.integration.scripted import found

BELONGINGS = (Insight, Extraction, ProcessingAttempt)

several_connections = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer: the two could only wait for each other"
)


def _left() -> int:
    return sum(model.objects.count() for model in BELONGINGS)


def _of_one(entry: Entry) -> None:
    entry.delete()


def _of_a_queryset(entry: Entry) -> None:
    Entry.objects.filter(pk=entry.pk).delete()


DELETIONS: list[Callable[[Entry], None]] = [_of_one, _of_a_queryset]


@pytest.mark.django_db
@pytest.mark.parametrize("delete", DELETIONS)
def test_a_deletion_takes_along_all_that_belongs_to_the_entry(delete: Callable[[Entry], None]) -> None:
    entry, kept = create(), create("kept")
    process(entry, kept)
    delete(entry)
    assert [1, 1, 1] == [model.objects.filter(entry_id=kept.pk).count() for model in BELONGINGS]
    assert _left() == 3


@pytest.mark.django_db
def test_the_deletion_of_an_author_takes_along_the_entries(django_user_model: Any) -> None:
    author = django_user_model.objects.create(username="author")
    entry = Entry.objects.create(content="text", author=author)
    process(entry)
    author.delete()
    assert _left() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("delete", DELETIONS)
def test_an_entry_may_be_deleted_while_it_is_extracted(
    delete: Callable[[Entry], None], scripted: Callable[..., Any]
) -> None:
    entry = create()
    scripted(lambda _: delete(fresh(entry)) or found("lake"))
    assert process(entry) == {}
    assert _left() == 0


@pytest.mark.django_db
def test_what_was_stored_behind_the_cascade_is_removed_with_the_row() -> None:
    entry = create()

    def store_late(instance: Entry, **_: Any) -> None:
        Insight.objects.create(entry_id=instance.pk, kind="theme", label="late")

    pre_delete.connect(store_late, sender=Entry)
    try:
        with connection.execute_wrapper(_StoreAfterCascade(entry.pk)):
            entry.delete()
    finally:
        pre_delete.disconnect(store_late, sender=Entry)
    assert _left() == 0


class _StoreAfterCascade:
    """Writes an insight right before the entry's own row is deleted, when the cascade is through."""

    def __init__(self, pk: Any) -> None:
        self._pk = pk

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("DELETE FROM") and "notes_entry" in sql.partition("WHERE")[0]:
            Insight.objects.create(entry_id=self._pk, kind="theme", label="late")
        return execute(sql, params, many, context)


@pytest.mark.django_db
def test_what_an_sql_delete_leaves_behind_the_next_sweep_removes() -> None:
    entry = create()
    process(entry)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM notes_entry WHERE id = %s", [entry.pk])
    recovery.sweep()
    assert _left() == 0


@several_connections
@pytest.mark.django_db(transaction=True)
def test_a_deletion_waits_for_a_worker_that_settles_and_then_takes_all(scripted: Callable[..., Any]) -> None:
    scripted(lambda _: found("lake"))
    entry = create()
    batch = claimed(entry)
    with transaction.atomic():
        batch.work()
        deletion = Elsewhere(lambda: fresh(entry).delete())
        deletion.join(0.3)
        assert deletion.is_alive()
    deletion.value()
    assert _left() == 0


@several_connections
@pytest.mark.django_db(transaction=True)
def test_a_deletion_takes_the_entrys_lock_before_what_belongs_to_it() -> None:
    entry = create()
    claimed(entry)
    token = fresh(entry).processing_token
    with transaction.atomic():
        lifecycle.hold(Entry.objects.filter(pk=entry.pk), token, lease=30)
        deletion = Elsewhere(lambda: fresh(entry).delete())
        deletion.join(0.5)
        # Had the deletion begun with the attempts, each would now wait for the other.
        history.close_attempts([entry.pk], [token], Outcome.COMPLETED, using="default")
    deletion.value()
    assert _left() == 0


@several_connections
@pytest.mark.django_db(transaction=True)
def test_a_worker_waits_for_a_deletion_and_then_stores_nothing(scripted: Callable[..., Any]) -> None:
    scripted(lambda _: found("lake"))
    entry = create()
    batch = claimed(entry)
    with transaction.atomic():
        fresh(entry).delete()
        work = Elsewhere(batch.work)
        work.join(0.3)
        assert work.is_alive()
    assert work.value() == {}
    assert _left() == 0


@pytest.mark.django_db(transaction=True)
def test_many_deletions_beside_a_worker_leave_nothing(scripted: Callable[..., Any]) -> None:
    scripted(lambda _: found("lake"))
    entries = [create(f"text {number}") for number in range(20)]
    pks = [entry.pk for entry in entries]
    batch = claimed(*entries)
    start = threading.Barrier(2)

    def delete() -> None:
        start.wait()
        for pk in reversed(pks):
            Entry.objects.get(pk=pk).delete()

    deletion = Elsewhere(delete)
    start.wait()
    batch.work()
    deletion.value()
    assert not Entry.objects.exists()
    assert _left() == 0


def _renew(first: Entry, second: Entry, batch: Any) -> None:
    recovery.renew(recovery.held_by_tasks("elsewhere:1:1", ["task"]))


def _release(first: Entry, second: Entry, batch: Any) -> None:
    batch._release([first.pk, second.pk])


@several_connections
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("write", [_renew, _release])
def test_whoever_writes_many_rows_never_makes_a_slow_deletion_fail(write: Callable[..., None]) -> None:
    first, second = create("first"), create("second")
    batch = claimed(first, second)
    # PostgreSQL updates in the order in which rows were last written, a deletion goes by the key.
    put(first, nudges=0)
    locked = threading.Event()

    def pause(instance: Entry, **_: Any) -> None:
        if instance.pk == first.pk:
            locked.set()
            # Longer than PostgreSQL waits before it looks for a deadlock: then the deletion would be the victim.
            threading.Event().wait(1.5)

    pre_delete.connect(pause, sender=Entry)
    try:
        deletion = Elsewhere(lambda: Entry.objects.filter(pk__in=[first.pk, second.pk]).delete())
        assert locked.wait(10)
        writer = Elsewhere(lambda: write(first, second, batch))
        deletion.value()
        writer.value()
    finally:
        pre_delete.disconnect(pause, sender=Entry)
    assert not Entry.objects.exists()
    assert _left() == 0


@pytest.mark.django_db
def test_our_receivers_are_connected_for_the_hosts_entry_alone() -> None:
    assert {True} == {signal.has_listeners(Entry) for signal in (pre_delete, post_delete)}
    assert {False} == {signal.has_listeners(Insight) for signal in (pre_delete, post_delete)}
