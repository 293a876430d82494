"""`check_processing_status` on the tests' database."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from insights_recovery import clock, lifecycle, operations
from insights_recovery.lifecycle import State
from insights_recovery.querysets import EntryQuerySet
from tests.hosts.notes.models import Entry
from tests.integration.test_commands import run

pytestmark = pytest.mark.django_db

COMMAND = "check_processing_status"


def rows() -> EntryQuerySet[Any]:
    return Entry.processing_rows("default")


def plant(*pks: Any, **columns: Any) -> None:
    """Write columns of these entries past everything that watches over them."""
    assert rows().filter(pk__in=pks).update(**columns) == len(pks)


def write_behind_the_back(pk: int, text: str) -> None:
    """Change a text as plain SQL does."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notes_entry SET content = %s WHERE id = %s", [text, pk])


def test_the_keys_are_those_of_the_contract_and_no_others() -> None:
    Entry.objects.create(content="Dear diary")

    ran = run(COMMAND, "--format", "json")

    assert set(ran.json) == {
        "total",
        "processed",
        "unprocessed",
        "states",
        "overdue",
        "oldest_unprocessed_seconds",
        "reasons",
    }
    assert set(ran.json["states"]) == set(State.values)
    assert ran.json["total"] == ran.json["unprocessed"] == 1
    assert ran.status == 0


def test_an_empty_journal_is_healthy() -> None:
    ran = run(COMMAND, "--format", "json")

    assert ran.json["oldest_unprocessed_seconds"] is None
    assert ran.status == 0


@pytest.mark.parametrize("output", ["json", "table"])
def test_anything_overdue_is_unhealthy(output: str) -> None:
    Entry.objects.bulk_create([Entry(content="nobody was told")])

    assert run(COMMAND, "--format", output).status == 1


def test_verify_compares_every_finished_entry_and_puts_back_what_differs() -> None:
    entries = [Entry.objects.create(content=f"entry {number}") for number in range(5)]
    operations.process_now([entry.pk for entry in entries])
    write_behind_the_back(entries[3].pk, "another text")

    ran = run(COMMAND, "--verify", "--format", "json")

    assert (ran.json["verified"], ran.json["reopened"]) == (5, 1)
    assert "retried" not in ran.json
    assert rows().get(pk=entries[3].pk).processing_state == State.PENDING


def test_verify_goes_over_more_than_one_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insights_recovery.monitoring.paging.pages.__kwdefaults__", {"limit": None, "size": 2})
    entries = [Entry.objects.create(content=f"entry {number}") for number in range(5)]
    operations.process_now([entry.pk for entry in entries])
    for entry in entries:
        write_behind_the_back(entry.pk, "another text")

    assert run(COMMAND, "--verify", "--format", "json").json["reopened"] == 5


def test_retry_offers_what_is_due(sent: Callable[[], list[dict[str, Any]]]) -> None:
    entry = Entry.objects.bulk_create([Entry(content="nobody was told")])[0]

    ran = run(COMMAND, "--retry-unprocessed", "--format", "json")

    assert ran.json["retried"] == 1
    assert ran.json["overdue"] == 0
    assert ran.status == 0
    assert [message["args"] for message in sent()] == [[[entry.pk]]]


def test_retry_ends_back_offs_and_postponements(sent: Callable[[], list[dict[str, Any]]]) -> None:
    entry = Entry.objects.create(content="held back")
    plant(entry.pk, processing_nudges=0, processing_not_before=clock.later(900), processing_due_at=clock.later(900))

    assert run(COMMAND, "--retry-unprocessed", "--format", "json").json["retried"] == 1
    assert len(sent()) == 1


def test_retry_offers_nothing_twice(sent: Callable[[], list[dict[str, Any]]]) -> None:
    """Due, and one of which the broker could not be told."""
    entry = Entry.objects.create(content="nobody was told")
    sent()
    plant(entry.pk, processing_state=State.CELERY_ERROR, processing_due_at=clock.now())

    assert run(COMMAND, "--retry-unprocessed", "--format", "json").json["retried"] == 1
    assert len(sent()) == 1


def test_retry_leaves_alone_what_a_message_speaks_of(sent: Callable[[], list[dict[str, Any]]]) -> None:
    Entry.objects.create(content="announced a moment ago")

    assert run(COMMAND, "--retry-unprocessed", "--format", "json").json["retried"] == 0
    assert sent() == []


@pytest.mark.usefixtures("dead_broker")
def test_retry_says_that_the_broker_is_out_and_loses_nothing() -> None:
    Entry.objects.bulk_create([Entry(content="nobody can be told")])

    ran = run(COMMAND, "--retry-unprocessed", "--format", "json")

    assert "broker cannot be reached" in ran.err
    assert ran.json["states"][State.CELERY_ERROR] == 1


def test_the_table_says_why_entries_wait() -> None:
    Entry.objects.create(content="Dear diary")
    Entry.objects.bulk_create([Entry(content="nobody was told")])

    out = run(COMMAND).out

    assert "PENDING" in out
    assert "new  2" in out
    assert "1 overdue" in out


def test_watching_goes_on_until_it_is_interrupted() -> None:
    Entry.objects.create(content="Dear diary")
    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()

    ran = run(COMMAND, "--watch", "--interval", "0.1")

    assert ran.out.count("Nothing is overdue.") >= 2
    assert ran.status == 0


def test_watching_ends_with_the_status_of_the_last_report() -> None:
    Entry.objects.bulk_create([Entry(content="nobody was told")])
    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()

    assert run(COMMAND, "--watch", "--interval", "0.1").status == 1


def test_watching_in_json_is_wrong_usage() -> None:
    ran = run(COMMAND, "--watch", "--format", "json")

    assert ran.status == 2
    assert "--watch" in ran.err
    assert ran.out == ""


def test_an_interval_of_nothing_is_wrong_usage() -> None:
    assert "above 0" in run(COMMAND, "--watch", "--interval", "0").err


def test_planted_columns_are_seen_by_lifecycle() -> None:
    """The helper of this module writes what the guards would refuse to."""
    entry = Entry.objects.create(content="Dear diary")
    plant(entry.pk, processing_reason=lifecycle.Reason.BUDGET)

    assert run(COMMAND, "--format", "json").json["reasons"] == {"budget": 1}
