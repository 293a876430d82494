"""`retry_unprocessed_entries`, with and without a broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from insights_recovery import clock, identity, recovery, schedule
from insights_recovery.lifecycle import Reason, State
from insights_recovery.models import Heartbeat, ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.test_commands import run
from tests.integration.test_commands_status import plant, rows

pytestmark = pytest.mark.django_db

COMMAND = "retry_unprocessed_entries"

Sent = Callable[[], list[dict[str, Any]]]


def unannounced(*texts: str) -> list[Any]:
    """Return the keys of entries of which nobody was told."""
    return [entry.pk for entry in Entry.objects.bulk_create([Entry(content=text) for text in texts])]


def dead_letters(number: int) -> list[Any]:
    """Return the keys of so many dead letters."""
    pks = unannounced(*(f"dead letter {position}" for position in range(number)))
    plant(
        *pks,
        processing_state=State.FAILED,
        processing_reason=Reason.ATTEMPTS,
        processing_attempts=5,
        processing_due_at=None,
    )
    return pks


def leased(owner: str) -> Any:
    """Return the key of an entry in work."""
    (pk,) = unannounced("in work")
    token = uuid4()
    plant(
        pk,
        processing_state=State.PROCESSING,
        processing_token=token,
        processing_owner=owner,
        processing_due_at=clock.later(900),
    )
    ProcessingAttempt.objects.create(entry_id=pk, number=1, token=token)
    return pk


def a_dead_process() -> str:
    me = identity.of_this_process()
    return f"{me.place}:{me.pid}:1:task"


# The sweep


@pytest.mark.parametrize("arguments", [[], ["--run-now"]])
def test_by_itself_it_is_one_sweep(arguments: list[str], sent: Sent) -> None:
    unannounced("one", "two")

    ran = run(COMMAND, *arguments, "--format", "json")

    assert ran.status == 0
    assert set(ran.json) == {"sweep"}
    assert ran.json["sweep"]["offered"] == 2
    assert len(sent()) == 1
    assert Heartbeat.objects.get(name=recovery.SWEEP).finished_at is not None


def test_another_process_that_sweeps_is_no_error() -> None:
    Heartbeat.objects.create(name=recovery.SWEEP, token=uuid4())
    Heartbeat.objects.update(lease_until=clock.later(60))

    assert run(COMMAND, "--format", "json").json == {"sweep": None}
    assert "Another process is sweeping" in run(COMMAND).out


def test_a_limit_bounds_what_is_offered(sent: Sent) -> None:
    unannounced("one", "two", "three")

    assert run(COMMAND, "--limit", "2", "--format", "json").json["sweep"] == {"rescued": 0, "offered": 2}
    assert rows().overdue().count() == 1


@pytest.mark.usefixtures("dead_broker")
def test_a_sweep_survives_a_broker_that_is_out() -> None:
    (pk,) = unannounced("nobody can be told")

    ran = run(COMMAND, "--format", "json")

    assert ran.status == 0
    assert ran.json["sweep"]["offered"] == 0
    assert rows().get(pk=pk).processing_state == State.CELERY_ERROR


# Beat


def test_setup_registers_the_periodic_tasks_and_sweeps_nothing(sent: Sent) -> None:
    schedule._periodic_tasks().all().delete()
    unannounced("one")

    ran = run(COMMAND, "--setup-periodic", "--format", "json")

    assert sorted(ran.json["periodic"]) == sorted(periodic.name for periodic in schedule.TASKS)
    assert set(ran.json) == {"periodic"}
    assert sent() == []
    assert "already" in run(COMMAND, "--setup-periodic").out


def test_setup_and_a_sweep_can_be_had_together() -> None:
    assert set(run(COMMAND, "--setup-periodic", "--run-now", "--format", "json").json) == {"periodic", "sweep"}


def test_setup_without_beat_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "BEAT", "an_app_that_is_not_installed")

    ran = run(COMMAND, "--setup-periodic")

    assert ran.status == 2
    assert "INSTALLED_APPS" in ran.err


# Dead letters


def test_dead_letters_get_fresh_attempts(sent: Sent) -> None:
    dead_letters(3)

    ran = run(COMMAND, "--failed", "--format", "json")

    assert ran.json == {"retried": 3}
    assert {entry.processing_attempts for entry in rows()} == {0}
    assert not rows().dead().exists()
    assert len(sent()) == 1


def test_a_limit_leaves_the_other_dead_letters_alone() -> None:
    dead_letters(3)

    assert run(COMMAND, "--failed", "--limit", "2", "--format", "json").json == {"retried": 2}
    assert rows().dead().count() == 1


# Right here


@pytest.mark.usefixtures("dead_broker")
def test_inline_needs_no_broker() -> None:
    unannounced("one", "two")
    Entry.objects.create(content="three")

    ran = run(COMMAND, "--inline", "--format", "json")

    assert ran.json == {"outcomes": {"completed": 3}}
    assert ran.status == 0
    assert rows().filter(processing_state=State.COMPLETED).count() == 3


def test_inline_ends_back_offs_and_leaves_dead_letters_alone() -> None:
    dead_letters(1)
    (pk,) = unannounced("held back")
    plant(pk, processing_not_before=clock.later(900), processing_due_at=clock.later(900))

    assert run(COMMAND, "--inline", "--format", "json").json["outcomes"] == {"completed": 1}
    assert rows().dead().count() == 1


def test_inline_with_failed_does_dead_letters_too() -> None:
    dead_letters(1)
    unannounced("new")

    assert run(COMMAND, "--inline", "--failed", "--format", "json").json["outcomes"] == {"completed": 2}


def test_inline_takes_back_what_a_dead_process_held() -> None:
    pk = leased(a_dead_process())

    assert run(COMMAND, "--inline", "--format", "json").json["outcomes"] == {"completed": 1}
    assert rows().get(pk=pk).processing_state == State.COMPLETED


def test_inline_leaves_alone_what_is_in_work() -> None:
    leased(identity.of_this_process().owner("task"))

    assert run(COMMAND, "--inline", "--format", "json").json["outcomes"] == {}


def test_inline_does_what_people_wrote_first() -> None:
    unannounced("an old one, from a backfill")
    fresh = Entry.objects.create(content="just written")

    run(COMMAND, "--inline", "--limit", "1")

    assert list(rows().finished()) == [fresh]


def test_inline_reports_what_failed_without_quoting_it() -> None:
    unannounced("my secret @@fail", "fine")

    ran = run(COMMAND, "--inline", "--format", "json")

    assert ran.json["outcomes"] == {"completed": 1, "failed": 1}
    assert ran.status == 1
    assert "secret" not in ran.out + ran.err
    assert "failed" in run(COMMAND, "--inline").out


# Looking only


@pytest.mark.parametrize("arguments", [["--run-now", "--setup-periodic", "--failed"], ["--inline", "--failed"], []])
def test_a_dry_run_changes_nothing(arguments: list[str], sent: Sent) -> None:
    schedule._periodic_tasks().all().delete()
    dead_letters(2)
    unannounced("new")
    before = list(rows().order_by("pk").values())

    ran = run(COMMAND, *arguments, "--dry-run", "--format", "json")

    assert ran.json["dry_run"] is True
    assert ran.status == 0
    assert list(rows().order_by("pk").values()) == before
    assert not schedule.installed()
    assert not Heartbeat.objects.exists()
    assert sent() == []


def test_a_dry_run_says_what_would_be_done() -> None:
    dead_letters(2)
    leased(a_dead_process())
    unannounced("new", "new too")

    facts = run(COMMAND, "--run-now", "--setup-periodic", "--failed", "--dry-run", "--format", "json").json
    inline = run(COMMAND, "--inline", "--failed", "--limit", "3", "--dry-run", "--format", "json").json

    assert facts["sweep"] == {"rescued": 1, "offered": 2}
    assert facts["retried"] == 2
    assert len(facts["periodic"]) == len(schedule.TASKS)
    assert inline["to_process"] == 3
    assert "nothing was changed" in run(COMMAND, "--dry-run").out


@pytest.mark.parametrize("limit", ["0", "-3", "many"])
def test_a_limit_that_is_none_is_wrong_usage(limit: str) -> None:
    ran = run(COMMAND, f"--limit={limit}")

    assert ran.status != 0
    assert "whole number of at least 1" in ran.err
