"""A web writer of a chaos run, step by step: what it writes it says, and a database that is away does not end it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError, connection, connections

from insights_recovery.chaos import writing
from insights_recovery.chaos.journal import WRITES, Ledger, Tail
from insights_recovery.chaos.orders import MARK, Orders
from insights_recovery.chaos.switches import WRITING, Switch
from insights_recovery.chaos.writing import BULK, Writer
from insights_recovery.lifecycle import Reason, State
from tests.hosts.notes.models import Entry
from tests.integration.helpers import fresh, process
from tests.services.servers import free_port
from tests.unit.test_chaos_orders import told

pytestmark = pytest.mark.django_db


@pytest.fixture
def given(tmp_path: Path) -> Orders:
    """The orders of a run."""
    return told(tmp_path)


@pytest.fixture
def writer(given: Orders) -> Writer:
    """A writer that has written nothing."""
    return Writer(0, given)


def _said(given: Orders) -> list[tuple[str, str]]:
    """Return what was written down, without how long it took."""
    return [(event, key) for event, key, _ in Tail(given.path, WRITES).fresh()]


def _the_one(writer: Writer) -> Entry:
    writer._create()
    return Entry.objects.get()


def _done(writer: Writer) -> Entry:
    entry = _the_one(writer)
    process(entry)
    assert fresh(entry).processing_state == State.COMPLETED
    return fresh(entry)


def test_an_entry_is_created_and_then_said(writer: Writer, given: Orders) -> None:
    entry = _the_one(writer)
    assert _said(given) == [("created", str(entry.pk))]
    assert entry.content.startswith(f"{MARK} {given.phrase}")
    assert entry.processing_state == State.PENDING


def test_several_are_created_in_bulk(writer: Writer, given: Orders) -> None:
    writer._create_many()
    keys = [str(pk) for pk in Entry.objects.order_by("pk").values_list("pk", flat=True)]
    assert len(keys) == BULK
    assert _said(given) == [("created", key) for key in keys]
    assert Entry.objects.values("content").distinct().count() == BULK


def test_an_edit_puts_the_entry_back(writer: Writer, given: Orders) -> None:
    entry = _done(writer)
    writer._edit()
    after = fresh(entry)
    assert after.content != entry.content
    assert (after.processing_state, after.processing_reason) == (State.PENDING, Reason.EDITED)
    assert _said(given)[1:] == [("edited", str(entry.pk))]


def test_an_edit_by_sql_is_said_before_and_after_and_leaves_the_entry_done(writer: Writer, given: Orders) -> None:
    entry = _done(writer)
    writer._edit_by_sql()
    after = fresh(entry)
    assert after.content != entry.content
    assert (after.processing_state, after.processing_digest) == (State.COMPLETED, entry.processing_digest)
    assert _said(given)[1:] == [("overwriting", str(entry.pk)), ("overwritten", str(entry.pk))]


def test_a_deletion_is_said_before_and_after(writer: Writer, given: Orders) -> None:
    entry = _the_one(writer)
    writer._delete()
    assert not Entry.objects.exists()
    assert _said(given)[1:] == [("deleting", str(entry.pk)), ("deleted", str(entry.pk))]


@pytest.mark.parametrize(("step", "event"), [("_delete", "deleting"), ("_edit_by_sql", "overwriting")])
def test_what_is_dangerous_is_said_even_where_the_writer_dies_on_the_way(
    writer: Writer, given: Orders, monkeypatch: pytest.MonkeyPatch, step: str, event: str
) -> None:
    entry = _the_one(writer)

    def die(*_: object) -> None:
        raise SystemExit("killed")

    monkeypatch.setattr(Entry, "delete", die)
    monkeypatch.setattr(writing.making, "edit_by_sql", die)
    with pytest.raises(SystemExit):
        getattr(writer, step)()

    assert _said(given)[1:] == [(event, str(entry.pk))]


@pytest.mark.parametrize("step", ["_edit", "_edit_by_sql", "_delete"])
def test_an_entry_that_somebody_else_deleted_is_let_be(writer: Writer, given: Orders, step: str) -> None:
    _the_one(writer).delete()
    getattr(writer, step)()
    assert [event for event, _ in _said(given)] == ["created"]
    assert not Entry.objects.exists()


def test_it_writes_to_entries_of_its_own_alone(writer: Writer, given: Orders) -> None:
    others = Entry.objects.create(content="a person's")
    for _ in range(60):
        writer._step()
    assert str(others.pk) not in {key for _, key in _said(given)}
    assert fresh(others).content == "a person's"


def test_its_ledger_is_true_whatever_it_did(writer: Writer, given: Orders) -> None:
    for _ in range(300):
        writer._step()

    ledger = Ledger(given.path).read()

    assert ledger.kept == {str(pk) for pk in Entry.objects.values_list("pk", flat=True)}
    assert all(ledger.keys.values()), "each kind of step had its turn"
    assert ledger.keys["deleting"] == ledger.keys["deleted"]
    assert ledger.longest > 0


def test_without_a_field_for_the_text_it_only_creates(given: Orders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing.making, "text_column", lambda: None)
    writer = Writer(0, told(given.path, factory="tests.integration.test_chaos_making.by_title"))
    for _ in range(100):
        writer._step()
    assert {event for event, _ in _said(given)} == {"created"}
    assert set(Entry.objects.values_list("title", flat=True)) == {"from the host"}


# A database that is away


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, transactional_db: None) -> Iterator[pytest.MonkeyPatch]:
    """The database is where nobody listens, until the patch is undone."""
    connections.close_all()
    monkeypatch.setitem(connections.settings["default"], "PORT", str(free_port()))
    if connection.vendor == "sqlite":
        monkeypatch.setitem(connections.settings["default"], "NAME", str(tmp_path / "no" / "db.sqlite3"))
    yield monkeypatch
    connections.close_all()


def test_a_database_that_is_away_fails_one_write_and_the_next_one_is_tried(
    writer: Writer, given: Orders, away: pytest.MonkeyPatch
) -> None:
    writer._bravely(writer._create)
    assert _said(given) == []

    away.undo()
    writer._bravely(writer._create)
    assert _said(given) == [("created", str(Entry.objects.get().pk))]


def test_what_may_have_been_deleted_as_the_database_went_is_not_counted_as_kept(
    writer: Writer, given: Orders, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = _the_one(writer)

    def cut(*_: object) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(Entry, "delete", cut)
    writer._bravely(writer._delete)

    assert _said(given)[1:] == [("deleting", str(entry.pk))]
    assert Ledger(given.path).read().kept == set()
    assert Entry.objects.count() == 1


def test_whatever_else_goes_wrong_ends_it(writer: Writer) -> None:
    def fail() -> None:
        raise ValueError("a fault of ours")

    with pytest.raises(ValueError, match="a fault of ours"):
        writer._bravely(fail)


def test_it_writes_while_it_is_told_to(writer: Writer, given: Orders, monkeypatch: pytest.MonkeyPatch) -> None:
    switch, pauses = Switch(given.path, WRITING), []

    def pause(_: float) -> None:
        pauses.append(Entry.objects.count())
        if len(pauses) == 3:
            switch.turn_on()

    def step() -> None:
        writer._create()
        if Entry.objects.count() == 4:
            switch.turn_off()
            monkeypatch.setattr(writing.time, "sleep", _stop)

    monkeypatch.setattr(writing.time, "sleep", pause)
    monkeypatch.setattr(writer, "_step", step)
    with pytest.raises(KeyboardInterrupt):
        writer.run()

    assert pauses == [0, 0, 0]
    assert Entry.objects.count() == 4


def _stop(_: float) -> None:
    raise KeyboardInterrupt
