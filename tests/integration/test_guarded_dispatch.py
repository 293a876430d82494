"""Guards of this process's own line to the broker, each with what happens where it is missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from celery import current_app
from django.db import DatabaseError, connection

from insights_recovery import dispatch, hosts
from insights_recovery.dispatch import Broker
from insights_recovery.lifecycle import State
from tests.harness import use_broker
from tests.integration.helpers import fresh, in_state, seconds_until
from tests.integration.told import told

pytestmark = pytest.mark.django_db


def test_a_line_is_dialled_once_and_kept() -> None:
    broker = Broker()
    assert broker._connection() is broker._connection()


def test_a_fork_dials_anew() -> None:
    broker = Broker()
    parents = broker._connection()
    broker._pid = os.getpid() + 1
    assert broker._connection() is not parents
    assert broker._pid == os.getpid()
    assert broker._connection() is broker._connection()


def test_a_line_that_failed_is_hung_up_and_not_used_again(dead_broker: str) -> None:
    broker = Broker()
    assert not broker.is_silenced
    failed = broker._connection()
    assert broker.publish([1], "insights") is not None
    assert broker.is_silenced
    assert broker._connection() is not failed


def test_a_line_that_failed_is_closed_in_bounded_time(dead_broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    bounds: list[float] = []
    monkeypatch.setattr(broker._connection(), "collect", lambda *, socket_timeout: bounds.append(socket_timeout))
    broker.publish([1], "insights")
    assert bounds == [0.5]


def test_a_line_that_works_again_is_silenced_no_more(dead_broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()
    broker.publish([1], "insights")
    monkeypatch.setattr(dispatch, "_send", lambda *_: None)
    assert broker.publish([1], "insights") is None
    assert not broker.is_silenced


def test_an_outage_silences_for_half_a_minute(dead_broker: str) -> None:
    broker, now = Broker(), dispatch.time.monotonic()
    broker.publish([1], "insights")
    assert 25 < broker._silent_until - now < 40


def test_of_what_the_broker_was_not_told_it_is_told_a_few_seconds_later(dead_broker: str) -> None:
    entry = in_state(State.PENDING)
    assert not dispatch.nudge([entry.pk], "insights")
    assert 2 < seconds_until(entry, "due_at") <= 5


def test_the_grace_doubles_six_times_at_the_most() -> None:
    graces = []
    for nudges in (5, 6, 7):
        entry = in_state(State.PENDING, nudges=nudges)
        dispatch.offer([entry.pk])
        graces.append(round(seconds_until(entry, "due_at") / 60))
    assert graces == [32, 64, 64]


def test_a_message_goes_to_its_queue_by_our_own_bounded_line(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(current_app.tasks[dispatch.TASK], "apply_async", lambda **how: given.append(how))
    broker = Broker()
    assert broker.publish([1], "somewhere") is None
    assert given == [{"args": ([1],), "queue": "somewhere", "connection": broker._connection()}]


@pytest.mark.parametrize(("insist", "messages"), [(False, 0), (True, 1)])
def test_while_the_broker_is_out_only_who_insists_tries_it(
    monkeypatch: pytest.MonkeyPatch, insist: bool, messages: int
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(dispatch, "_send", lambda *message: given.append(message))
    monkeypatch.setattr(dispatch.broker, "_silent_until", dispatch.time.monotonic() + 30)
    entry = in_state(State.PENDING)
    assert dispatch.nudge([entry.pk], "insights", insist=insist) is bool(messages)
    assert len(given) == messages


def test_a_nudge_does_not_insist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch.broker, "_silent_until", dispatch.time.monotonic() + 30)
    assert not dispatch.nudge([in_state(State.PENDING).pk], "insights")


def test_the_entry_says_what_went_wrong_and_the_outage_is_told(dead_broker: str) -> None:
    entry = in_state(State.PENDING)
    with told("broker_unreachable") as words:
        dispatch.nudge([entry.pk], "insights", insist=True)
    error = fresh(entry).processing_error
    assert "OperationalError" in error
    assert words == [{"entry_ids": [entry.pk], "error": error}]


def test_a_writer_does_not_fail_where_the_database_cannot_be_told_either(dead_broker: str) -> None:
    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE"):
            raise DatabaseError
        return execute(sql, params, many, context)

    entry = in_state(State.PENDING)
    with told("broker_unreachable") as words, connection.execute_wrapper(refuse):
        assert not dispatch.nudge([entry.pk], "insights", insist=True)
    assert [said["entry_ids"] for said in words] == [[entry.pk]]
    assert "DatabaseError" in words[0]["error"]


def test_what_was_offered_is_told_with_its_queue() -> None:
    entry = in_state(State.PENDING, backfill=True)
    with told("entries_offered") as words:
        dispatch.offer([entry.pk])
    assert words == [{"entry_ids": [entry.pk], "queue": "insights_backfill"}]


@pytest.mark.parametrize(("at", "told_of"), [(2, 1), (3, 2)])
def test_where_a_message_fails_only_those_before_it_count_as_told(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, at: int, told_of: int
) -> None:
    sent: list[Any] = []

    def send(*message: Any) -> None:
        sent.append(message)
        if len(sent) == at:
            raise OSError

    configure(BATCH_SIZE=1)
    monkeypatch.setattr(dispatch, "_send", send)
    entries = [in_state(State.PENDING, backfill=False) for _ in range(3)]
    with told("broker_unreachable") as words:
        assert len(dispatch.offer([entry.pk for entry in entries])) == told_of
    states = [fresh(entry).processing_state for entry in entries]
    assert sorted(states, reverse=True) == [State.PENDING] * told_of + [State.CELERY_ERROR] * (3 - told_of)
    assert all(said["entry_ids"] for said in words)


def test_what_was_claimed_meanwhile_is_not_sent() -> None:
    assert dispatch.send([in_state(State.PROCESSING).pk]) == []


@pytest.mark.parametrize("solitary", [True, False])
@pytest.mark.parametrize(("backfill", "queue"), [(True, "insights_backfill"), (False, "insights")])
def test_each_kind_has_its_queue(sent: Callable[[], Any], solitary: bool, backfill: bool, queue: str) -> None:
    entry = in_state(State.PENDING, solitary=solitary, backfill=backfill)
    dispatch.send([entry.pk])
    assert [message["queue"] for message in sent()] == [queue]


def test_a_key_that_json_does_not_know_travels_as_text() -> None:
    assert dispatch._wire(UUID(int=7)) == str(UUID(int=7))
    assert dispatch._wire(7) == 7


def test_what_is_due_is_what_waits_and_the_oldest_comes_first() -> None:
    in_state(State.PROCESSING, backfill=False)
    waits = in_state(State.PENDING, backfill=False)
    due = hosts.entries().order_by("-pk").due(backfill=False)
    assert [waits.pk] == [entry.pk for entry in due]
    assert due.query.order_by == ("processing_due_at",)


# No single wait exceeds the bound, and none is repeated

ONCE = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
REDIS = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25, "retry_on_timeout": False}


@pytest.mark.parametrize(
    ("url", "bounds"),
    [
        ("redis://127.0.0.1:1/0", ONCE | REDIS),
        ("rediss://127.0.0.1:1/0", ONCE | REDIS),
        ("amqp://127.0.0.1:1//", ONCE | {"read_timeout": 0.25, "write_timeout": 0.25}),
        ("memory://", {}),
    ],
)
def test_a_line_to_each_kind_of_broker_is_bounded(url: str, bounds: dict[str, Any]) -> None:
    with use_broker(current_app._get_current_object(), url, {"visibility_timeout": 7}):
        line = dispatch.bounded_connection(0.25)
    assert line.transport_options == {"visibility_timeout": 7, **bounds}
    assert line.connect_timeout == 0.25


def test_what_the_host_says_of_its_line_does_not_loosen_the_bound() -> None:
    with use_broker(current_app._get_current_object(), "redis://127.0.0.1:1/0", {"socket_timeout": 100}):
        assert dispatch.bounded_connection(0.25).transport_options["socket_timeout"] == 0.25
