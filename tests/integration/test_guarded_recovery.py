"""Guards of the sweep and of whoever takes back, each with what happens where it is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from insights_recovery import clock, hosts, identity, recovery
from insights_recovery.lifecycle import State
from insights_recovery.models import Heartbeat
from insights_recovery.querysets import SLICE
from tests.hosts.notes.models import Entry
from tests.integration.helpers import (
    claimed,
    create,
    fresh,
    in_state,
    outcomes,
    put,
    take_over,
)
from tests.integration.told import told

pytestmark = pytest.mark.django_db(transaction=True)

Scripted = Callable[..., list[Any]]
Configure = Callable[..., None]


# Sweeps


def test_while_one_sweep_is_under_way_no_other_starts() -> None:
    assert recovery._take_sweep(uuid4())
    assert not recovery._take_sweep(uuid4())
    assert recovery.sweep() is None


def test_a_sweep_leaves_its_whole_heartbeat() -> None:
    now = Heartbeat.objects.annotate(now=clock.now()).values_list("now", flat=True)
    assert recovery.sweep() is not None
    heartbeat = Heartbeat.objects.get(name=recovery.SWEEP)
    moment = now.get(name=recovery.SWEEP)
    assert abs(moment - heartbeat.started_at) < timedelta(seconds=20)
    assert heartbeat.started_at <= heartbeat.finished_at
    assert (heartbeat.token, heartbeat.lease_until) == (None, None)
    assert heartbeat.runner == str(identity.of_this_process())
    assert set(heartbeat.report) == {field.name for field in fields(recovery.SweepReport)}


def test_a_heartbeat_of_something_else_makes_no_room_for_a_second_sweep() -> None:
    assert recovery._take_sweep(uuid4())
    Heartbeat.objects.create(name="verify", finished_at=clock.now())
    assert not recovery._take_sweep(uuid4())


def test_a_heartbeat_of_something_else_does_not_stand_for_a_sweep() -> None:
    Heartbeat.objects.create(name="verify", finished_at=clock.now())
    assert recovery.sweep_if_overdue() is not None


def test_a_sweep_is_told_with_its_report() -> None:
    with told("sweep_finished") as words:
        report = recovery.sweep()
    assert report is not None
    assert words == [{"report": report}]
    assert 0 <= report.seconds < 100


def _waiting(number: int, **columns: Any) -> list[Entry]:
    return [in_state(State.PENDING, **columns) for _ in range(number)]


def test_no_more_backfill_is_offered_than_was_asked_for() -> None:
    _waiting(3, backfill=True)
    assert recovery.offer_due(1) == 1


def test_more_in_flight_than_is_allowed_keeps_nobody_elses_entry_waiting(configure: Configure) -> None:
    configure(MAX_IN_FLIGHT=1)
    for _ in range(3):
        in_state(State.PROCESSING, backfill=True, due_at=clock.later(60))
    _waiting(1, backfill=True)
    _waiting(1, backfill=False)
    assert recovery.offer_due(10) == 1


def test_in_flight_is_what_was_offered_of_one_kind_and_is_not_overdue_and_what_is_in_work() -> None:
    later: dict[str, Any] = {"due_at": clock.later(60), "backfill": True}
    offered = in_state(State.PENDING, nudges=1, **later)
    untold = in_state(State.CELERY_ERROR, nudges=2, **later)
    held = in_state(State.PROCESSING, **later)
    in_state(State.PENDING, nudges=0, **later)
    in_state(State.PENDING, nudges=1, **later | {"backfill": False})
    in_state(State.PENDING, nudges=1, backfill=True)
    in_state(State.COMPLETED, backfill=True)
    flying = hosts.entries().in_flight(backfill=True).values_list("pk", flat=True)
    assert {offered.pk, untold.pk, held.pk} == set(flying)


def test_all_that_was_offered_counts(configure: Configure) -> None:
    configure(BATCH_SIZE=2)
    _waiting(5, backfill=False)
    _waiting(3, backfill=True)
    assert recovery.offer_due(100) == 8


def test_a_slice_of_the_verify_pass_says_when_it_ended() -> None:
    in_state(State.COMPLETED)
    recovery.verify_slice(10)
    assert Heartbeat.objects.get(name="verify").finished_at is not None


def test_a_slice_leaves_the_heartbeats_of_all_else_alone() -> None:
    recovery.sweep()
    before = Heartbeat.objects.exclude(name="verify").order_by("name").values()
    expected = list(before)
    for _ in range(2):
        in_state(State.COMPLETED)
    recovery.verify_slice(1)
    assert expected == list(before.all())
    assert Heartbeat.objects.get(name="verify").cursor


def test_slices_go_by_the_key_whatever_the_order_of_the_rows() -> None:
    first, second, third = (in_state(State.COMPLETED).pk for _ in range(3))
    rows = hosts.entries().order_by("-pk")
    assert [first, second] == recovery._next_slice("a pass", rows, 2)
    assert [third] == recovery._next_slice("a pass", rows, 2)


def test_of_many_entries_each_is_looked_at_once() -> None:
    pks = [in_state(State.COMPLETED).pk for _ in range(SLICE + 1)]
    assert pks == [entry.pk for entry in hosts.entries().order_by("pk").few_at_a_time(pks)]


# Taking back


def test_the_lease_that_ran_out_first_is_taken_back_first() -> None:
    # The other way round in the index, and by key.
    late = in_state(State.PROCESSING, due_at=clock.later(-10), backfill=False)
    first = in_state(State.PROCESSING, due_at=clock.later(-20), backfill=True)
    assert recovery.rescue_expired(1) == 1
    assert [State.PROCESSING, State.PENDING] == [fresh(entry).processing_state for entry in (late, first)]


@pytest.mark.parametrize("solitary", [True, False])
def test_a_lease_that_was_renewed_at_the_last_moment_leaves_its_attempt_open(
    scripted: Scripted, solitary: bool
) -> None:
    scripted()
    entry = create()
    claimed(entry, alone=solitary)
    put(entry, due_at=clock.later(-1))
    rows = hosts.entries().expired().filter(pk=entry.pk)
    held = rows.values("pk", "processing_token", "processing_solitary", "processing_crashes").get()
    put(entry, due_at=clock.later(60))
    assert not recovery._take_back(rows, held, recovery.SILENT)
    assert outcomes(entry) == ["running"]


def test_a_lease_of_somebody_else_is_not_taken_back_in_the_name_of_the_first(scripted: Scripted) -> None:
    scripted()
    entry = create("Walked.")
    other = create("Swam.")
    claimed(entry, other)
    put(entry, due_at=clock.later(-1))
    rows = hosts.entries().expired().filter(pk=entry.pk)
    held = rows.values("pk", "processing_token", "processing_solitary", "processing_crashes").get()
    take_over(entry)
    assert not recovery._take_back(rows, held, recovery.SILENT)
    assert fresh(entry).processing_state == State.PROCESSING


def test_what_was_settled_at_the_last_moment_is_not_given_back(scripted: Scripted) -> None:
    scripted()
    entry = create()
    batch = claimed(entry)
    token = fresh(entry).processing_token
    take_over(entry)
    assert not recovery._give_back(entry.pk, token)
    assert outcomes(entry) == ["running"]
    assert batch.work() == {}


def test_giving_one_entry_back_leaves_the_others_of_its_claim(scripted: Scripted) -> None:
    scripted()
    one, other = create("Walked."), create("Swam.")
    claimed(one, other)
    assert recovery._give_back(one.pk, fresh(one).processing_token)
    assert [State.PENDING, State.PROCESSING] == [fresh(entry).processing_state for entry in (one, other)]
    assert [["released"], ["running"]] == [outcomes(one), outcomes(other)]


def test_a_release_is_told() -> None:
    entry = in_state(State.PROCESSING, due_at=clock.later(60))
    with told("entries_released") as words:
        recovery.release([entry.processing_owner])
    assert words == [{"entry_ids": [entry.pk]}]


@pytest.mark.parametrize(
    ("name", "look"),
    [
        ("entries_rescued", lambda: recovery.rescue_expired(10)),
        ("entries_released", lambda: recovery.release(["nobody"])),
        ("entries_reopened", lambda: recovery.verify([])),
    ],
)
def test_a_look_that_finds_nothing_says_nothing(name: str, look: Callable[[], int]) -> None:
    with told(name) as words:
        assert look() == 0
    assert words == []


def test_a_rescue_says_why() -> None:
    entry = in_state(State.PROCESSING)
    with told("entries_rescued") as words:
        recovery.rescue_expired(10)
    assert words == [{"entry_ids": [entry.pk], "reason": recovery.SILENT.message}]
