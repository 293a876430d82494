"""The holder's side of a lease: it is renewed, or given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from insights_recovery import clock, recovery
from insights_recovery.lifecycle import State
from tests.integration.helpers import (
    claimed,
    create,
    fresh,
    in_state,
    outcomes,
    seconds_until,
    take_over,
)

pytestmark = pytest.mark.django_db

Configure = Callable[..., None]
Sent = Callable[[], list[dict[str, Any]]]


def test_leases_of_live_tasks_are_renewed_and_no_others(configure: Configure) -> None:
    configure(LEASE_SECONDS=90)
    mine, other = (in_state(State.PROCESSING, owner=f"here:1:1:{task}", due_at=clock.later(10)) for task in "ab")
    assert recovery.renew(recovery.held_by_tasks("here:1:1", ["a"])) == 1
    assert 80 < seconds_until(mine, "due_at") <= 90
    assert seconds_until(other, "due_at") <= 10


def test_a_process_without_tasks_renews_nothing() -> None:
    in_state(State.PROCESSING, owner="here:1:1:a")
    assert recovery.renew(recovery.held_by_tasks("here:1:1", [])) == 0


def test_a_lease_that_was_taken_over_meanwhile_is_not_renewed() -> None:
    entry = in_state(State.PROCESSING, owner="here:1:1:a", due_at=clock.later(10))
    held = recovery.held_by_tasks("here:1:1", ["a"])
    take_over(entry)
    assert recovery.renew(held) == 0
    assert seconds_until(entry, "due_at") <= 10


def test_the_owners_in_a_process_are_its_own() -> None:
    for owner in ("here:1:1:a", "here:1:1:b", "here:1:12:c", "here:11:1:d"):
        in_state(State.PROCESSING, owner=owner)
    assert {"here:1:1:a", "here:1:1:b"} == recovery.owners_in("here:1:1")


def test_what_is_given_back_burns_nothing_and_is_offered(sent: Sent) -> None:
    entry = create(attempts=2, crashes=1)
    claimed(entry)
    owner = fresh(entry).processing_owner
    assert recovery.release([owner]) == 1
    assert [2, 1] == [fresh(entry).processing_attempts, fresh(entry).processing_crashes]
    assert ["released"] == outcomes(entry)
    assert [entry.pk] == [pk for message in sent() for pk in message["args"][0]]
