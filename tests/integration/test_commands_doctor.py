"""`startup_check`: every probe in one report, whatever is broken, and one sweep."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from insights_recovery import clock, recovery, schedule
from insights_recovery.indexes import DueIndex
from insights_recovery.models import Heartbeat
from insights_recovery.monitoring import health
from insights_recovery.monitoring.messaging import WorkersProbe
from insights_recovery.monitoring.probes import ProbeResult
from tests import services
from tests.conftest import celery_app
from tests.harness import HostProject, WorkerProcess, use_broker, wait_until
from tests.hosts.notes.models import Entry
from tests.integration.test_commands import impatient, run
from tests.services.servers import free_port

__all__ = ["impatient"]

pytestmark = pytest.mark.django_db

COMMAND = "startup_check"

NAMES = ["settings", "database", "migrations", "index", "broker", "workers", "beat", "sweep", "timeout_chain"]


def examined(*arguments: str) -> Any:
    return run(COMMAND, "--format", "json", *arguments).json


def test_the_report_has_the_form_of_the_contract() -> None:
    report = examined()

    assert set(report) == {"overall_status", "failed_checks_count", "checks", "sweep"}
    assert list(report["checks"]) == NAMES
    for check in report["checks"].values():
        assert set(check) == {"status", "message", "remedy", "duration_ms"}
        assert check["status"] in {"OK", "WARNING", "FAILED"}
        assert bool(check["remedy"]) == (check["status"] != "OK")


def test_without_a_worker_it_is_unhealthy_and_says_what_to_start() -> None:
    ran = run(COMMAND)

    assert ran.status == 1
    assert "celery -A" in ran.out
    assert "UNHEALTHY: workers failed." in ran.out


def test_warnings_alone_leave_the_status_at_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PROBES", tuple(probe for probe in health.PROBES if probe.name != "workers"))

    ran = run(COMMAND, "--format", "json")

    assert ran.json["overall_status"] == "DEGRADED"
    assert ran.status == 0


def test_all_well_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule.install()
    schedule._periodic_tasks().update(last_run_at=timezone.now())
    recovery.sweep()
    monkeypatch.setattr(health, "PROBES", tuple(probe for probe in health.PROBES if probe.name != "workers"))

    ran = run(COMMAND)

    assert "HEALTHY." in ran.out
    assert ran.status == 0


def test_it_sweeps_once() -> None:
    Entry.objects.bulk_create([Entry(content="nobody was told")])

    assert examined()["sweep"]["offered"] == 1
    assert "Swept: 0 rescued, 0 offered." in run(COMMAND).out


def test_it_leaves_a_sweep_that_is_under_way_to_whoever_runs_it() -> None:
    Heartbeat.objects.create(name=recovery.SWEEP, token=uuid4())
    Heartbeat.objects.update(lease_until=clock.later(60))

    assert examined()["sweep"] is None
    assert "another process is at it" in run(COMMAND).out


@pytest.mark.usefixtures("dead_broker")
def test_a_closed_broker_is_reported_in_time() -> None:
    Entry.objects.bulk_create([Entry(content="nobody can be told")])
    started = time.monotonic()

    report = examined()

    assert time.monotonic() - started < 4
    assert report["checks"]["broker"]["status"] == "FAILED"
    assert report["checks"]["broker"]["duration_ms"] < 2000
    assert "'broker' failed" in report["checks"]["workers"]["message"]
    assert report["checks"]["database"]["status"] == "OK"
    assert report["sweep"]["offered"] == 0


def test_a_frozen_broker_is_reported_in_time(killable_redis: services.Redis) -> None:
    Entry.objects.bulk_create([Entry(content="nobody can be told")])
    with use_broker(celery_app, killable_redis.url):
        killable_redis.freeze()
        started = time.monotonic()
        report = examined()

    assert time.monotonic() - started < 6
    assert report["checks"]["broker"]["status"] == "FAILED"
    assert report["checks"]["broker"]["duration_ms"] < 2000


def test_a_broken_database_is_reported_with_all_that_rests_on_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(connections.settings["default"], "PORT", str(free_port()))
    if connection.vendor == "sqlite":
        monkeypatch.setitem(connections.settings["default"], "NAME", str(tmp_path / "no" / "db.sqlite3"))

    ran = run(COMMAND, "--format", "json")

    failed = {name for name, check in ran.json["checks"].items() if check["status"] == "FAILED"}
    assert {"database", "migrations", "index", "beat", "sweep"} <= failed
    assert ran.json["sweep"] is None
    assert ran.status == 1
    assert "Not swept." in run(COMMAND).out


def test_an_unapplied_migration_is_reported_and_nothing_is_swept() -> None:
    MigrationRecorder(connection).record_unapplied("insights_recovery", "0001_initial")

    report = examined()

    assert "insights_recovery.0001_initial" in report["checks"]["migrations"]["message"]
    assert report["sweep"] is None


@pytest.mark.django_db(transaction=True)
def test_a_missing_index_is_reported() -> None:
    index = next(index for index in Entry._meta.indexes if isinstance(index, DueIndex))
    with connection.schema_editor() as editor:
        editor.remove_index(Entry, index)
    try:
        report = examined()
    finally:
        with connection.schema_editor() as editor:
            editor.add_index(Entry, index)

    assert report["checks"]["index"]["status"] == "FAILED"


def test_wrong_settings_are_a_probe_and_do_not_end_the_command(host_project: HostProject) -> None:
    """On the command line, where every other command is ended by the system checks."""
    host_project.configure(EXTRACTORS=["no.such.Extractor"])

    ran = host_project.manage(COMMAND, "--format", "json")
    report = json.loads(ran.stdout)

    assert report["checks"]["settings"]["status"] == "FAILED"
    assert "insights_recovery.E007" in report["checks"]["settings"]["message"]
    assert report["checks"]["database"]["status"] == "OK"


@pytest.mark.timeout(240)
def test_a_worker_is_found_and_a_queue_that_nobody_serves_is_named(host_project: HostProject) -> None:
    """By the very answer that an operator sees, of workers that really run."""

    def answer_of(worker: WorkerProcess) -> ProbeResult:
        """Return what is found once this worker answers, and kill it."""
        answers: list[ProbeResult] = []

        def answered() -> bool:
            answers.append(WorkersProbe(patience=1.0).run())
            return worker.node in answers[-1].message

        wait_until(answered, 30, what=f"{worker.node} to answer")
        worker.kill()
        return answers[-1]

    whole = answer_of(host_project.worker("whole"))
    some = answer_of(host_project.worker("some", arguments=["-Q", "insights"]))
    more = answer_of(host_project.worker("more", arguments=["-Q", "insights,insights_backfill"]))

    assert whole.status == "OK"
    assert some.status == "FAILED"
    assert "insights_backfill, insights_maintenance" in some.message
    assert more.status == "WARNING"
    assert "insights_maintenance" in more.remedy
