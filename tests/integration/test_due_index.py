"""The one query that recovery lives by is read from the one index that is made for it."""

from __future__ import annotations

import pytest
from django.db import connection

from insights_recovery import clock, hosts
from insights_recovery.lifecycle import State
from tests.hosts.notes.models import Entry

# ANALYZE commits on MariaDB, so that a transaction around the test would leave the journal behind.
pytestmark = pytest.mark.django_db(transaction=True)

FINISHED = 4000
DUE = 20


@pytest.fixture
def journal() -> None:
    """Some thousand finished entries of some length, and twenty that are due."""
    Entry.objects.bulk_create([Entry(content="text " * 100) for _ in range(FINISHED)], batch_size=1000)
    hosts.entries().update(processing_state=State.COMPLETED, processing_due_at=None, processing_digest="d")
    Entry.objects.bulk_create([Entry(content="text") for _ in range(DUE)])
    hosts.entries().unfinished().update(processing_due_at=clock.later(-60))
    statement = {"postgresql": "ANALYZE notes_entry", "mysql": "ANALYZE TABLE notes_entry"}.get(connection.vendor)
    if statement:
        with connection.cursor() as cursor:
            cursor.execute(statement)


def _index() -> str:
    return Entry._meta.indexes[0].name


def _plan(rows: object) -> str:
    return str(rows.explain())  # type: ignore[attr-defined]


@pytest.mark.parametrize("backfill", [True, False])
@pytest.mark.postgres
def test_postgresql_finds_due_entries_by_the_index(journal: None, backfill: bool) -> None:
    plan = _plan(hosts.entries().due(backfill=backfill)[:10])
    assert _index() in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("backfill", [True, False])
@pytest.mark.sqlite
def test_sqlite_finds_due_entries_by_the_index(journal: None, backfill: bool) -> None:
    plan = _plan(hosts.entries().due(backfill=backfill)[:10])
    assert f"USING INDEX {_index()}" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("backfill", [True, False])
@pytest.mark.mariadb
def test_mariadb_finds_due_entries_by_the_index(journal: None, backfill: bool) -> None:
    assert _index() in _plan(hosts.entries().due(backfill=backfill)[:10])


@pytest.mark.postgres
def test_the_index_of_postgresql_grows_with_what_is_unfinished(journal: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [_index()])
        (definition,) = cursor.fetchone()
    assert "WHERE (processing_due_at IS NOT NULL)" in definition


@pytest.mark.sqlite
def test_the_index_of_sqlite_grows_with_what_is_unfinished() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE name = %s", [_index()])
        (definition,) = cursor.fetchone()
    assert 'WHERE "processing_due_at" IS NOT NULL' in definition


def test_the_index_exists_on_every_database() -> None:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, "notes_entry")
    columns = constraints[_index()]["columns"]
    assert ["processing_backfill", "processing_due_at"] == columns


QUESTIONS = {
    "due": lambda rows: rows.due(backfill=True),
    "expired": lambda rows: rows.expired(),
    "overdue": lambda rows: rows.overdue(),
    "unfinished": lambda rows: rows.unfinished(),
    "leased": lambda rows: rows.leased(),
    "in flight": lambda rows: rows.in_flight(backfill=True),
    "held by": lambda rows: rows.held_by(["owner"]),
    "held by a process": lambda rows: rows.held_by_process("process"),
}


def test_no_question_about_the_unfinished_reads_the_whole_journal(journal: None) -> None:
    for question in QUESTIONS.values():
        plan = _plan(question(hosts.entries()).order_by())
        assert _index() in plan, plan
        assert "SCAN" not in plan.replace("Index Scan", ""), plan
