"""Whatever an extractor does to its connection to the database, it does not do to ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction

from insights_recovery.lifecycle import State
from insights_recovery.models import Insight
from tests.hosts.notes.models import Entry
from tests.integration.helpers import Elsewhere, create, fresh, process
from tests.integration.scripted import found

Scripted = Callable[..., list[Any]]
TEXT = "Walked to the lake."


@pytest.fixture
def closing() -> Iterator[None]:
    """Hang up after the test, whatever state the connection is in: an open transaction would lock the next test out."""
    yield
    line = connections["default"]
    line.close()
    if line.in_atomic_block:
        del connections["default"]


def _close() -> None:
    connection.close()


def _close_under_django() -> None:
    connection.ensure_connection()
    connection.connection.close()


def _leave_a_transaction_open() -> None:
    transaction.atomic().__enter__()
    Insight.objects.count()


def _leave_a_transaction_to_be_rolled_back() -> None:
    transaction.atomic().__enter__()
    transaction.set_rollback(True)


def _switch_autocommit_off() -> None:
    transaction.set_autocommit(False)
    Entry.objects.filter(content="nobody's").update(title="")


def _begin_in_sql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")


def _abort_a_transaction_in_sql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT nothing FROM nowhere")


def _fail_in_a_transaction() -> None:
    with transaction.atomic():
        Entry.objects.filter(content="another").update(title="half of it")
        raise RuntimeError(TEXT)


def _leave_a_result_unread() -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT id FROM notes_entry")
    cursor.fetchone()


SPOILING = {
    action.__name__.strip("_"): action
    for action in (
        _close,
        _close_under_django,
        _leave_a_transaction_open,
        _leave_a_transaction_to_be_rolled_back,
        _switch_autocommit_off,
        _begin_in_sql,
        _abort_a_transaction_in_sql,
        _fail_in_a_transaction,
        _leave_a_result_unread,
    )
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("closing")
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
@pytest.mark.parametrize("spoil", SPOILING.values(), ids=SPOILING)
def test_whatever_an_extractor_does_to_its_connection_everything_is_settled(
    scripted: Scripted, spoil: Callable[[], None], together: bool
) -> None:
    def extract(given: Any) -> Any:
        spoil()
        return [found() for _ in given] if together else found()

    scripted(extract, together=together)
    entry, other = create(TEXT), create("another")
    ours = connections["default"]
    fails = spoil in (_abort_a_transaction_in_sql, _fail_in_a_transaction)
    for one in (entry, other):
        assert process(one) == {"failed" if fails else "completed": 1}
    assert ours is connections["default"]
    ended = [State.PENDING, 1] if fails else [State.COMPLETED, 0]
    assert [ended] * 2 == Elsewhere(lambda: [_ended(entry), _ended(other)]).value()
    assert {""} == set(Entry.objects.values_list("title", flat=True))


def _ended(entry: Entry) -> list[Any]:
    return [fresh(entry).processing_state, fresh(entry).processing_attempts]


@pytest.mark.django_db(transaction=True)
def test_an_extractor_may_read_and_write_the_database(scripted: Scripted) -> None:
    def write(_: str) -> Any:
        with transaction.atomic():
            Entry.objects.filter(title="").update(title="seen")
        return found(str(Entry.objects.count()))

    scripted(write)
    entry = create(TEXT)
    assert process(entry) == {"completed": 1}
    assert ["1", "seen"] == [fresh(entry).current_insights().get().label, fresh(entry).title]


@pytest.mark.django_db(transaction=True)
def test_an_extractor_that_leaves_the_database_alone_costs_no_connection(scripted: Scripted) -> None:
    given: list[Any] = []
    scripted(lambda _: [given.append(connections.all(initialized_only=True)), found()][1])
    entry = create(TEXT)
    line = connection.connection
    process(entry)
    assert [[]] == given
    assert line is connection.connection


@pytest.mark.django_db
def test_inside_a_transaction_of_the_callers_an_extractor_sees_what_is_not_committed(scripted: Scripted) -> None:
    scripted(lambda _: found(str(Entry.objects.count())))
    entry = create(TEXT)
    process(entry)
    assert "1" == fresh(entry).current_insights().get().label


@pytest.mark.django_db(transaction=True)
def test_a_failing_write_of_an_extractor_is_a_failed_attempt(scripted: Scripted) -> None:
    def duplicate(_: str) -> Any:
        Entry.objects.create(pk=Entry.objects.get().pk)

    scripted(duplicate)
    entry = create(TEXT)
    with pytest.raises(DatabaseError):
        duplicate(TEXT)
    assert process(entry) == {"failed": 1}
