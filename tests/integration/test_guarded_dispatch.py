"""Guards of this process's own line to the broker, each with what happens where it is missing."""

from __future__ import annotations

import os
from typing import Any

import pytest
from celery import current_app

from insights_recovery import dispatch
from insights_recovery.dispatch import Broker
from insights_recovery.lifecycle import State
from tests.harness import use_broker
from tests.integration.helpers import in_state, seconds_until

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
        connection = dispatch.bounded_connection(0.25)
    assert connection.transport_options == {"visibility_timeout": 7, **bounds}
    assert connection.connect_timeout == 0.25


def test_what_the_host_says_of_its_line_does_not_loosen_the_bound() -> None:
    with use_broker(current_app._get_current_object(), "redis://127.0.0.1:1/0", {"socket_timeout": 100}):
        assert dispatch.bounded_connection(0.25).transport_options["socket_timeout"] == 0.25
