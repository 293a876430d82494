"""Races that the model and the random races found, each in the order in which it went wrong."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from insights_recovery import clock, history, insights, lifecycle, operations, recovery
from insights_recovery.lifecycle import State
from insights_recovery.models import ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.helpers import Elsewhere, create, fresh, in_state, process
from tests.integration.interleaved import several_connections, waits
from tests.integration.test_interleavings import _write
from tests.integration.test_interleavings_people import _slow_deletion

pytestmark = [pytest.mark.django_db(transaction=True)]


@several_connections
def test_what_is_being_edited_is_not_buried_for_what_its_old_text_did() -> None:
    entry = in_state(State.PROCESSING, "old", solitary=True, crashes=2)
    with transaction.atomic():
        _write(entry)
        sweep = Elsewhere(lambda: recovery.rescue_expired(10))
        assert waits(sweep)
    sweep.value()
    recovery.rescue_expired(10)
    assert State.PENDING == fresh(entry).processing_state


@several_connections
def test_what_is_being_edited_is_not_skipped_with_its_old_text() -> None:
    entry = in_state(State.PENDING, "old")
    with transaction.atomic():
        _write(entry)
        person = Elsewhere(lambda: operations.skip([entry.pk]))
        assert waits(person)
    assert 1 == person.value()
    assert [State.SKIPPED, lifecycle.digest_of("new")] == [
        fresh(entry).processing_state,
        fresh(entry).processing_digest,
    ]


@several_connections
@pytest.mark.parametrize("model", insights.BELONGINGS)
def test_who_deletes_and_who_looks_for_orphans_never_wait_for_each_other(model: Any) -> None:
    entry = create()
    process(entry)
    pks = list(model.objects.values_list("pk", flat=True))
    assert pks
    with _slow_deletion(entry) as (locked, go_on):
        deletion = Elsewhere(lambda: fresh(entry).delete())
        assert locked.wait(20)
        assert 0 == Elsewhere(lambda: insights.remove_orphans(model, pks, using="default")).value(10)
        go_on.set()
        deletion.value()


class _DeleteBehind:
    """Deletes the entry right after the statement that writes its text, as somebody else may."""

    def __init__(self, pk: Any) -> None:
        self._pk = pk

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith("UPDATE") and "notes_entry" in sql:
            Elsewhere(lambda: Entry.objects.filter(pk=self._pk).delete()).value()
        return result


def test_a_save_does_not_fail_because_the_entry_is_deleted_right_after_it() -> None:
    entry = create("old")
    entry.content = "new"
    with connection.execute_wrapper(_DeleteBehind(entry.pk)):
        entry.save()
    assert not Entry.objects.exists()


@several_connections
def test_pruning_never_makes_a_deletion_fail() -> None:
    second, first = create("second"), create("first")
    process(second)
    process(first)
    ProcessingAttempt.objects.update(finished_at=clock.later(-86_400 * 40))
    with transaction.atomic():
        first.delete()
        # It must not take what belongs to the second while it waits for what belongs to the first.
        pruning = Elsewhere(lambda: history.prune(days=30, limit=10, using="default"))
        waits(pruning)
        second.delete()
    pruning.value()
    assert not ProcessingAttempt.objects.exists()
