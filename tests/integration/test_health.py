"""The probes against the real things: the tests' database, a broker that is closed or frozen, and what beat left."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection, connections, models
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from insights_recovery import clock, recovery, schedule
from insights_recovery.indexes import DueIndex
from insights_recovery.models import Heartbeat
from insights_recovery.monitoring import diagnosis, health
from insights_recovery.monitoring.examination import Health
from insights_recovery.monitoring.messaging import BeatProbe, BrokerProbe, WorkersProbe
from insights_recovery.monitoring.probes import ProbeResult, ProbeStatus
from insights_recovery.monitoring.storage import DatabaseProbe, IndexProbe, MigrationsProbe
from insights_recovery.monitoring.timeouts import TimeoutChainProbe
from tests import services
from tests.conftest import celery_app
from tests.harness import use_broker
from tests.hosts.notes.models import Entry
from tests.services.servers import free_port

pytestmark = pytest.mark.django_db

OK, WARNING, FAILED = ProbeStatus.OK, ProbeStatus.WARNING, ProbeStatus.FAILED

PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the doctor wait for workers, of which there are none here, as short a time as may be."""
    probes = [WorkersProbe(patience=0.05) if isinstance(probe, WorkersProbe) else probe for probe in health.PROBES]
    monkeypatch.setattr(health, "PROBES", tuple(probes))


@pytest.fixture
def broken_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A database that no new connection can reach; the test's own, which is open, stays."""
    broken = {"NAME": str(tmp_path / "no such folder" / "db.sqlite3")} if connection.vendor == "sqlite" else {}
    for key, value in {"PORT": str(free_port()), "PASSWORD": PASSWORD, **broken}.items():
        monkeypatch.setitem(connections.settings["default"], key, value)


def result_of(found: Health, name: str) -> ProbeResult:
    return next(result for result in found.results if result.name == name)


# Database


def test_a_database_that_answers_is_named() -> None:
    result = DatabaseProbe().run()

    assert result.status is OK
    assert connection.display_name in result.message


@pytest.mark.usefixtures("broken_database")
def test_a_broken_database_is_a_finding_with_a_remedy_and_without_its_password() -> None:
    result = DatabaseProbe().run()

    assert result.status is FAILED
    assert "does not answer" in result.message
    assert "DATABASES" in result.remedy
    assert PASSWORD not in str(result)


@pytest.mark.usefixtures("broken_database")
def test_whatever_rests_on_a_broken_database_is_reported_too_and_nothing_sweeps() -> None:
    checkup = health.check_up()

    assert {"database", "migrations", "index", "beat", "sweep"} <= set(checkup.health.failed)
    assert result_of(checkup.health, "broker").status is OK
    assert checkup.sweep is None
    assert not Heartbeat.objects.exists()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_frozen_database_is_given_up_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("insights_recovery.monitoring.storage.PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setitem(connections.settings["default"], "HOST", "127.0.0.1")
        monkeypatch.setitem(connections.settings["default"], "PORT", str(silent.getsockname()[1]))
        result = DatabaseProbe().run()

    assert result.message == "The database does not answer in time."
    assert result.duration_ms < 2000


# Migrations


def test_applied_migrations_are_well() -> None:
    assert MigrationsProbe().run().status is OK


@pytest.mark.parametrize("app", ["insights_recovery", "notes"])
def test_an_unapplied_migration_is_named(app: str) -> None:
    MigrationRecorder(connection).record_unapplied(app, "0001_initial")

    result = MigrationsProbe().run()

    assert result.status is FAILED
    assert f"{app}.0001_initial" in result.message
    assert "migrate" in result.remedy


def test_an_app_without_migrations_is_named(settings: Any) -> None:
    settings.MIGRATION_MODULES = {"insights_recovery": None, "notes": None}

    result = MigrationsProbe().run()

    assert result.status is WARNING
    assert "insights_recovery, notes" in result.message


# The due index


@pytest.fixture
def no_due_index(transactional_db: None) -> Iterator[DueIndex]:
    """The entries' table without the due index, for the time of the test."""
    index = next(index for index in Entry._meta.indexes if isinstance(index, DueIndex))
    with connection.schema_editor() as editor:
        editor.remove_index(Entry, index)
    yield index
    with connection.schema_editor() as editor:
        editor.add_index(Entry, index)


def test_the_due_index_is_found() -> None:
    assert IndexProbe().run().status is OK


@pytest.mark.usefixtures("no_due_index")
def test_a_missing_due_index_is_found_out() -> None:
    result = IndexProbe().run()

    assert result.status is FAILED
    assert "processing_backfill, processing_due_at" in result.message
    assert "CREATE INDEX" in result.remedy


def test_an_index_over_every_entry_is_found_out(no_due_index: DueIndex) -> None:
    if not connection.features.supports_partial_indexes:
        pytest.skip("this database has no partial indexes")
    whole = models.Index(fields=no_due_index.fields, name="whole")
    with connection.schema_editor() as editor:
        editor.add_index(Entry, whole)
    try:
        result = IndexProbe().run()
    finally:
        with connection.schema_editor() as editor:
            editor.remove_index(Entry, whole)

    assert result.status is WARNING
    assert "WHERE processing_due_at IS NOT NULL" in result.remedy


def test_the_table_without_the_entries_columns_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Entry._meta, "db_table", "no_such_table")

    assert IndexProbe().run().status is FAILED


# Broker and workers


def test_a_broker_that_answers_is_named() -> None:
    result = BrokerProbe().run()

    assert result.status is OK
    assert "memory" in result.message


@pytest.mark.usefixtures("dead_broker")
def test_a_closed_broker_is_found_out_at_once() -> None:
    result = BrokerProbe().run()

    assert result.status is FAILED
    assert "does not answer" in result.message
    assert result.duration_ms < 2000


def test_a_frozen_broker_is_found_out_in_bounded_time(killable_redis: services.Redis) -> None:
    with use_broker(celery_app, killable_redis.url):
        assert BrokerProbe().run().status is OK
        killable_redis.freeze()
        result = BrokerProbe().run()

    assert result.status is FAILED
    assert result.duration_ms < 2000


@contextmanager
def dripping_server() -> Iterator[str]:
    """A Redis that never comes to the end of its answer: no wait for the next byte is ever too long."""
    ended = threading.Event()

    def drip(server: socket.socket) -> None:
        line, _ = server.accept()
        with line, suppress(OSError):
            line.sendall(b"+")
            while not ended.wait(0.05):
                line.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=drip, args=[server], daemon=True)
        dripping.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        ended.set()
        dripping.join()


def test_a_broker_that_keeps_the_line_busy_is_given_up_all_the_same() -> None:
    with dripping_server() as url, use_broker(celery_app, url):
        result = BrokerProbe().run()

    assert result.message == "The broker does not answer in time."
    assert result.duration_ms < 3000


def test_the_password_of_the_broker_is_not_shown(redis_server: services.Redis) -> None:
    address = redis_server.url.removeprefix("redis://")
    with use_broker(celery_app, f"redis://user:{PASSWORD}@{address}"):
        assert PASSWORD not in str(BrokerProbe().run())


def test_a_frozen_broker_does_not_keep_the_question_to_the_workers(killable_redis: services.Redis) -> None:
    """The broker may freeze between the two probes, and Celery's own producer would wait for ever."""
    with use_broker(celery_app, killable_redis.url):
        killable_redis.freeze()
        started = time.monotonic()
        result = WorkersProbe(patience=0.1).run()

    assert result.status is FAILED
    assert time.monotonic() - started < 5


def test_the_question_to_the_workers_goes_out_on_a_line_of_its_own(redis_broker: services.Redis) -> None:
    """Celery's pool has no timeouts, and would keep a connection open that nobody asked for."""
    WorkersProbe(patience=0.05).run()

    with redis.Redis.from_url(redis_broker.url) as client:
        assert len(client.client_list()) == 1


def test_nobody_who_answers_is_a_failure_with_the_command_that_helps() -> None:
    result = WorkersProbe(patience=0.05).run()

    assert result.status is FAILED
    assert "celery -A" in result.remedy


# Beat


def test_beat_that_is_not_installed_is_a_warning_since_workers_sweep_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "BEAT", "an_app_that_is_not_installed")

    result = BeatProbe().run()

    assert result.status is WARNING
    assert "INSTALLED_APPS" in result.remedy


def test_periodic_tasks_that_are_missing_are_named() -> None:
    schedule.install()
    schedule._periodic_tasks().filter(name=schedule.TASKS[0].name).delete()

    result = BeatProbe().run()

    assert result.status is WARNING
    assert schedule.TASKS[0].name in result.message
    assert "--setup-periodic" in result.remedy


def test_a_paused_task_is_named() -> None:
    schedule.install()
    schedule._periodic_tasks().filter(name=schedule.TASKS[0].name).update(enabled=False)

    result = BeatProbe().run()

    assert result.status is WARNING
    assert "Paused" in result.message


def test_beat_that_never_sent_anything_is_named() -> None:
    schedule.install()

    result = BeatProbe().run()

    assert result.status is WARNING
    assert "Start beat" in result.remedy


@pytest.mark.parametrize(("seconds", "status"), [(0, OK), (700, OK), (900, WARNING)])
def test_beat_is_late_after_two_intervals_and_the_time_it_takes_to_write(seconds: float, status: ProbeStatus) -> None:
    schedule.install()
    schedule._periodic_tasks().update(last_run_at=timezone.now() - timedelta(seconds=seconds))

    assert BeatProbe().run().status is status


# Sweep


def sweep_ended(seconds_ago: float) -> None:
    Heartbeat.objects.create(name=recovery.SWEEP)
    Heartbeat.objects.update(finished_at=clock.later(-seconds_ago))


def test_no_sweep_yet_is_a_warning() -> None:
    assert health.SweepProbe().run().status is WARNING


@pytest.mark.parametrize(("seconds", "status"), [(1, OK), (590, OK), (620, FAILED)])
def test_health_is_red_when_the_sweep_is_late(seconds: float, status: ProbeStatus) -> None:
    sweep_ended(seconds)

    assert health.SweepProbe().run().status is status


def test_a_sweep_that_has_begun_but_never_ended_is_none() -> None:
    Heartbeat.objects.create(name=recovery.SWEEP)
    Heartbeat.objects.update(started_at=clock.now())

    assert health.SweepProbe().run().status is WARNING


# Settings and the timeout chain


def test_good_settings_are_well() -> None:
    assert health.SettingsProbe().run().status is OK


def test_a_wrong_setting_is_named_with_its_check(settings: Any) -> None:
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "MAX_ATEMPTS": 3}

    result = health.SettingsProbe().run()

    assert result.status is FAILED
    assert "insights_recovery.E001" in result.message
    assert "MAX_ATTEMPTS" in result.remedy


def test_a_doubtful_setting_is_a_warning_unless_it_is_silenced(settings: Any) -> None:
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "AUTHOR_FIELD": None, "SKIP_DUPLICATES": True}
    assert health.SettingsProbe().run().status is WARNING

    settings.SILENCED_SYSTEM_CHECKS = ["insights_recovery.W002"]
    assert health.SettingsProbe().run().status is OK


def test_wrong_settings_leave_no_probe_without_an_answer(settings: Any) -> None:
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "BATCH_SIZE": 0}

    found = health.current()

    assert len(found.results) == len(health.PROBES)
    assert result_of(found, "database").remedy == "See 'settings'."


def test_the_chain_reads_what_the_broker_was_told() -> None:
    assert TimeoutChainProbe().run().status is OK
    with use_broker(celery_app, f"redis://127.0.0.1:{free_port()}/0", {"visibility_timeout": 10}):
        result = TimeoutChainProbe().run()

    assert result.status is WARNING
    assert "visibility_timeout" in result.message


# The checkup


def test_a_checkup_ends_with_a_sweep() -> None:
    Entry.objects.bulk_create([Entry(content="one"), Entry(content="two")])

    checkup = health.check_up()

    assert checkup.sweep is not None
    assert checkup.sweep.offered == 2
    assert checkup.as_dict()["sweep"]["offered"] == 2
    assert health.SweepProbe().run().status is OK


def test_a_sweep_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble() -> None:
        raise RuntimeError(PASSWORD)

    monkeypatch.setattr(recovery, "sweep", stumble)

    checkup = health.check_up()

    assert "sweep" in checkup.health.failed
    assert PASSWORD not in json.dumps(checkup.as_dict())


# What a worker says of itself


@pytest.mark.parametrize(
    ("ask", "probes"),
    [
        (diagnosis.greeting, {"system_info"}),
        (diagnosis.health, {"system_info", "database", "file_system", "memory", "cpu", "model_imports"}),
        (diagnosis.performance, {"memory", "cpu", "file_system"}),
    ],
)
def test_a_worker_says_who_it_is_and_how_it_does(ask: Any, probes: set[str]) -> None:
    said = json.loads(json.dumps(ask("task-1", "worker@here")))

    assert said["task_id"] == "task-1"
    assert said["worker"] == "worker@here"
    assert set(said["checks"]) == probes
    assert said["failed_checks_count"] == 0
    assert said["overall_status"] in {"HEALTHY", "DEGRADED"}
    assert {"pid", "timestamp"} <= set(said)


@pytest.mark.usefixtures("broken_database")
def test_a_worker_says_that_it_cannot_reach_the_database() -> None:
    said = diagnosis.health("task-1", "worker@here")

    assert said["overall_status"] == "UNHEALTHY"
    assert said["checks"]["database"]["status"] == "FAILED"


def test_a_worker_says_that_it_cannot_make_an_extractor(settings: Any) -> None:
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "EXTRACTORS": ["no.such.Extractor"]}

    assert diagnosis.health("task-1", "worker@here")["checks"]["model_imports"]["status"] == "FAILED"


def test_a_full_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "LEAST_FREE_DISK", 1.1)

    assert diagnosis.FileSystemProbe().run().status is WARNING


def test_a_disk_that_cannot_be_written_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")

    assert diagnosis.FileSystemProbe().run().status is FAILED


def test_a_process_that_has_eaten_the_memory_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "MOST_MEMORY", 0.0)

    assert diagnosis.MemoryProbe().run().status is WARNING


def test_a_machine_that_is_too_busy_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "MOST_LOAD", -1.0)

    assert diagnosis.CpuProbe().run().status is WARNING
