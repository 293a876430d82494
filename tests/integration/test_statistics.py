"""How the entries stand, in numbers."""

from __future__ import annotations

import pytest

from insights_recovery import clock
from insights_recovery.lifecycle import Reason, State
from insights_recovery.monitoring import statistics
from tests.integration.helpers import in_state

pytestmark = pytest.mark.django_db


def test_an_empty_journal_is_done() -> None:
    status = statistics.status()
    assert [0, 0, 0, 0] == [status.total, status.processed, status.unprocessed, status.overdue]
    assert status.oldest_unprocessed_seconds is None
    assert dict.fromkeys(State.values, 0) == status.states


def test_every_entry_is_counted_in_one_state() -> None:
    for number, state in enumerate(State, start=1):
        for _ in range(number):
            in_state(state)
    status = statistics.status()
    assert {state: number for number, state in enumerate(State.values, start=1)} == status.states
    assert status.total == 21


def test_done_and_to_be_done_leave_dead_letters_out() -> None:
    for state in State:
        in_state(state)
    status = statistics.status()
    assert [2, 3] == [status.processed, status.unprocessed]


def test_what_is_not_due_yet_is_not_overdue() -> None:
    in_state(State.PENDING, due_at=clock.later(60))
    in_state(State.PENDING)
    in_state(State.PROCESSING)
    assert statistics.status().overdue == 2


def test_the_oldest_is_the_one_that_waits_longest() -> None:
    in_state(State.PENDING, waiting_since=clock.later(-100))
    in_state(State.PROCESSING, waiting_since=clock.later(-500))
    in_state(State.COMPLETED, waiting_since=clock.later(-9000))
    oldest = statistics.status().oldest_unprocessed_seconds
    assert oldest is not None
    assert 500 <= oldest < 510


def test_reasons_are_those_of_what_is_unfinished() -> None:
    in_state(State.PENDING, reason=Reason.RETRY)
    in_state(State.PENDING, reason=Reason.RETRY)
    in_state(State.CELERY_ERROR, reason=Reason.BROKER)
    in_state(State.FAILED, reason=Reason.CRASHES)
    assert {"retry": 2, "broker": 1} == statistics.status().reasons
