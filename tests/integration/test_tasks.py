"""The Celery entry points, called as Celery calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Task
from django.db import OperationalError, connection

from insights_recovery import tasks
from insights_recovery.exceptions import InfrastructureError
from insights_recovery.lifecycle import State
from insights_recovery.models import Heartbeat, ProcessingAttempt
from tests.integration.helpers import create, fresh, in_state

pytestmark = pytest.mark.django_db

Sent = Callable[[], list[dict[str, Any]]]

OURS = [
    tasks.extract_insights_task,
    tasks.retry_unprocessed_entries,
    tasks.check_entry_processing_status,
    tasks.debug_task,
    tasks.worker_health_check,
    tasks.monitor_worker_performance,
]


@pytest.mark.parametrize("as_list", [True, False])
def test_a_message_names_one_entry_or_many(as_list: bool) -> None:
    entry = create()
    result = tasks.extract_insights_task.apply(([entry.pk] if as_list else entry.pk,))
    assert {"completed": 1} == result.get()


def test_a_key_may_arrive_as_a_string() -> None:
    assert {"completed": 1} == tasks.extract_insights_task.apply((str(create().pk),)).get()


def test_the_history_knows_the_task() -> None:
    tasks.extract_insights_task.apply(([create().pk],), task_id="t-1")
    assert "t-1" == ProcessingAttempt.objects.get().task_id


def test_what_an_extractor_raises_is_no_failure_of_the_task() -> None:
    assert {"failed": 1} == tasks.extract_insights_task.apply(([create("@@fail").pk],)).get()


@pytest.mark.parametrize("junk", [None, "x", {}, {"a": 1}, [[]], 1.5, [None], True])
def test_a_message_that_makes_no_sense_is_done_with(junk: Any) -> None:
    assert {} == tasks.extract_insights_task.apply((junk,)).get()


def test_the_sweep_reports_in_numbers() -> None:
    in_state(State.PENDING)
    report = tasks.retry_unprocessed_entries.apply().get()
    assert report["offered"] == 1
    assert Heartbeat.objects.filter(name="sweep", finished_at__isnull=False).exists()


def test_the_status_counts() -> None:
    in_state(State.FAILED)
    assert tasks.check_entry_processing_status.apply().get()["states"]["FAILED"] == 1


@pytest.mark.parametrize("task", OURS, ids=lambda task: task.name)
def test_each_task_carries_its_own_policy(task: Task) -> None:
    assert task.acks_late
    assert not task.reject_on_worker_lost
    assert (InfrastructureError,) == task.autoretry_for
    assert task.retry_backoff
    assert task.retry_jitter


def test_no_answer_is_kept_of_an_extraction() -> None:
    assert tasks.extract_insights_task.ignore_result


def test_limits_come_from_the_settings_when_they_are_needed(configure: Callable[..., None]) -> None:
    configure(SOFT_TIME_LIMIT=7, TIME_LIMIT=8)
    assert [7, 8] == [tasks.extract_insights_task.soft_time_limit, tasks.extract_insights_task.time_limit]


@pytest.mark.parametrize(
    ("task", "queue"), [(OURS[0], "insights"), (OURS[1], "insights_maintenance"), (OURS[3], "insights_maintenance")]
)
def test_a_message_that_names_no_queue_goes_to_ours(task: Task, queue: str, sent: Sent) -> None:
    with task.app.connection_for_write() as line:
        task.apply_async(([1],) if task is OURS[0] else (), connection=line)
    assert [queue] == [message["queue"] for message in sent()]


def test_a_message_may_name_its_queue(sent: Sent) -> None:
    with tasks.debug_task.app.connection_for_write() as line:
        tasks.debug_task.apply_async(queue="elsewhere", connection=line)
    assert ["elsewhere"] == [message["queue"] for message in sent()]


def test_a_database_that_is_gone_has_the_task_repeated() -> None:
    entry = create()

    def gone(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raise OperationalError("gone away")

    with connection.execute_wrapper(gone):
        result = tasks.extract_insights_task.apply(([entry.pk],), retries=5)
    assert isinstance(result.result, InfrastructureError)
    assert fresh(entry).processing_state == State.PENDING
