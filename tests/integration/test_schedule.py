"""The periodic tasks in django-celery-beat: declared once, installed as often as one likes."""

from __future__ import annotations

from typing import Any

import pytest
from celery import current_app
from django.apps import apps
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from insights_recovery import schedule
from insights_recovery.exceptions import ConfigurationError

pytestmark = pytest.mark.django_db

SWEEP, STATUS = (periodic.name for periodic in schedule.TASKS)


@pytest.fixture(autouse=True)
def nothing_installed() -> None:
    """`migrate` has registered them already when the tests' database was made."""
    PeriodicTask.objects.all().delete()
    IntervalSchedule.objects.all().delete()


def migrated() -> None:
    schedule.install_after_migrate(apps.get_app_config("insights_recovery"), using="default")


def test_each_task_is_registered_under_its_name() -> None:
    assert schedule.install() == [SWEEP, STATUS]

    task = PeriodicTask.objects.get(name=SWEEP)
    assert task.enabled
    assert task.interval.period == IntervalSchedule.SECONDS
    assert task.interval.every == 300
    assert task.description


def test_what_is_sent_is_a_task_that_workers_know() -> None:
    schedule.install()

    current_app.loader.import_default_modules()
    assert {task.task for task in schedule.installed()} <= set(current_app.tasks)


def test_they_go_to_the_queue_for_maintenance(settings: Any) -> None:
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "MAINTENANCE_QUEUE": "housework"}
    schedule.install()

    assert {task.queue for task in schedule.installed()} == {"housework"}


def test_a_tick_that_nobody_took_up_before_the_next_one_is_dropped() -> None:
    schedule.install()

    assert {task.expire_seconds for task in schedule.installed()} == {300}


def test_a_second_time_changes_nothing() -> None:
    schedule.install()
    before = list(PeriodicTask.objects.order_by("pk").values())

    assert schedule.install() == []
    assert list(PeriodicTask.objects.order_by("pk").values()) == before
    assert IntervalSchedule.objects.count() == 1


def test_another_interval_is_taken_over_and_a_running_beat_is_told(settings: Any) -> None:
    schedule.install()
    told = PeriodicTasks.last_change()
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "SWEEP_INTERVAL": 60}

    assert schedule.install() == [SWEEP, STATUS]
    assert {task.interval.every for task in schedule.installed()} == {60}
    assert {task.expire_seconds for task in schedule.installed()} == {60}
    assert PeriodicTasks.last_change() > told


def test_an_interval_below_a_second_becomes_one_second(settings: Any) -> None:
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "SWEEP_INTERVAL": 0.2}
    schedule.install()

    assert {task.interval.every for task in schedule.installed()} == {1}


def test_what_an_operator_paused_stays_paused(settings: Any) -> None:
    schedule.install()
    PeriodicTask.objects.filter(name=SWEEP).update(enabled=False)
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "SWEEP_INTERVAL": 60}

    schedule.install()

    assert not PeriodicTask.objects.get(name=SWEEP).enabled


def test_a_task_that_was_given_another_schedule_gets_ours_back() -> None:
    """Beat refuses a task with two schedules."""
    schedule.install()
    nightly = CrontabSchedule.objects.create(hour="3", minute="0")
    PeriodicTask.objects.filter(name=SWEEP).update(interval=None, crontab=nightly)

    assert schedule.install() == [SWEEP]
    task = PeriodicTask.objects.get(name=SWEEP)
    assert (task.crontab, task.interval.every) == (None, 300)


def test_tasks_of_others_are_left_alone() -> None:
    every = IntervalSchedule.objects.create(every=300, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(name="somebody's sweep", task="somebody.sweep", interval=every, queue="theirs")

    schedule.install()

    assert PeriodicTask.objects.get(name="somebody's sweep").queue == "theirs"
    assert {task.name for task in schedule.installed()} == {SWEEP, STATUS}


def test_migrate_registers_them() -> None:
    migrated()

    assert len(schedule.installed()) == 2


def test_migrate_registers_nothing_where_the_host_says_no(settings: Any) -> None:
    settings.INSIGHTS_RECOVERY = {**settings.INSIGHTS_RECOVERY, "SETUP_PERIODIC": False}
    migrated()

    assert schedule.installed() == []


def test_migrate_of_another_database_registers_nothing() -> None:
    schedule.install_after_migrate(apps.get_app_config("insights_recovery"), using="another")

    assert schedule.installed() == []


@pytest.fixture
def no_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without django-celery-beat."""
    monkeypatch.setattr(schedule, "BEAT", "an_app_that_is_not_installed")


@pytest.mark.usefixtures("no_beat")
def test_without_beat_nothing_is_installed_and_a_person_is_told_why() -> None:
    migrated()

    assert not schedule.is_available()
    assert schedule.installed() == []
    with pytest.raises(ConfigurationError, match="INSTALLED_APPS"):
        schedule.install()
