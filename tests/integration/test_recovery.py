"""Whatever was lost is found again: due entries are offered, lost leases taken back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from insights_recovery import clock, hosts, identity, recovery
from insights_recovery.lifecycle import State
from insights_recovery.models import ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.helpers import (
    again,
    claimed,
    create,
    fresh,
    heard,
    in_state,
    outcomes,
    process,
    put,
    row,
    seconds_until,
)

pytestmark = pytest.mark.django_db

Configure = Callable[..., None]
Sent = Callable[[], list[dict[str, Any]]]


def _offered(sent: Sent) -> list[Any]:
    return [pk for message in sent() for pk in message["args"][0]]


# Offering


def test_due_entries_are_offered_oldest_first(sent: Sent) -> None:
    late = in_state(State.PENDING, due_at=clock.later(-10), backfill=False)
    first = in_state(State.CELERY_ERROR, due_at=clock.later(-20), backfill=False)
    assert recovery.offer_due(1) == 1
    assert recovery.offer_due(1) == 1
    assert [first.pk, late.pk] == _offered(sent)


def test_what_is_not_due_is_not_offered(sent: Sent) -> None:
    in_state(State.PENDING, due_at=clock.later(10))
    assert recovery.offer_due(10) == 0
    assert sent() == []


@pytest.mark.parametrize("state", sorted(set(State) - {State.PENDING, State.CELERY_ERROR}))
def test_only_waiting_entries_are_offered(state: State, sent: Sent) -> None:
    in_state(state)
    assert recovery.offer_due(10) == 0


def test_an_offered_entry_is_not_offered_again_within_the_grace(sent: Sent) -> None:
    entry = in_state(State.PENDING)
    assert recovery.offer_due(10) == 1
    assert recovery.offer_due(10) == 0
    assert [entry.pk] == _offered(sent)


def test_an_entry_that_stays_unclaimed_is_offered_again_after_twice_the_time(sent: Sent) -> None:
    entry = in_state(State.PENDING)
    waits = []
    for _ in range(3):
        put(entry, due_at=clock.later(-1))
        recovery.offer_due(10)
        waits.append(round(seconds_until(entry, "due_at"), -1))
    assert [60, 120, 240] == waits


def test_a_claim_begins_the_grace_anew() -> None:
    entry = in_state(State.PENDING, nudges=5)
    claimed(entry)
    assert row(entry)["processing_nudges"] == 0


def test_existing_rows_go_to_the_queue_behind(sent: Sent) -> None:
    in_state(State.PENDING, backfill=True)
    in_state(State.PENDING, backfill=False)
    recovery.offer_due(10)
    assert ["insights", "insights_backfill"] == sorted(message["queue"] for message in sent())


def test_backfill_is_kept_to_the_bound(configure: Configure, sent: Sent) -> None:
    configure(MAX_IN_FLIGHT=3)
    for _ in range(5):
        in_state(State.PENDING, backfill=True)
    assert recovery.offer_due(10) == 3
    assert recovery.offer_due(10) == 0


def test_entries_in_work_count_towards_the_bound(configure: Configure) -> None:
    configure(MAX_IN_FLIGHT=2)
    in_state(State.PROCESSING, backfill=True, due_at=clock.later(30))
    for _ in range(3):
        in_state(State.PENDING, backfill=True)
    assert recovery.offer_due(10) == 1


def test_what_people_write_is_never_kept_back(configure: Configure) -> None:
    configure(MAX_IN_FLIGHT=1)
    in_state(State.PROCESSING, backfill=True, due_at=clock.later(30))
    for _ in range(3):
        in_state(State.PENDING, backfill=False)
    assert recovery.offer_due(10) == 3


def test_backfill_goes_on_when_what_was_offered_is_done(configure: Configure) -> None:
    configure(MAX_IN_FLIGHT=1)
    first, second = (in_state(State.PENDING, backfill=True, due_at=clock.later(-number)) for number in (2, 1))
    recovery.offer_due(10)
    process(first)
    assert recovery.offer_due(10) == 1
    assert fresh(second).processing_nudges == 1


def test_a_message_carries_no_more_than_a_batch(configure: Configure, sent: Sent) -> None:
    configure(BATCH_SIZE=2)
    for _ in range(5):
        in_state(State.PENDING)
    recovery.offer_due(10)
    assert [1, 2, 2] == sorted(len(message["args"][0]) for message in sent())


def test_suspects_are_sent_alone(sent: Sent) -> None:
    for solitary in (True, True, False, False):
        in_state(State.PENDING, solitary=solitary)
    recovery.offer_due(10)
    assert [1, 1, 2] == sorted(len(message["args"][0]) for message in sent())


def test_while_the_broker_is_out_one_message_is_touched(dead_broker: str, configure: Configure) -> None:
    configure(BATCH_SIZE=2)
    entries = [in_state(State.PENDING, due_at=clock.later(-100 + number), backfill=False) for number in range(6)]
    before = [row(entry) for entry in entries[2:]]
    assert recovery.offer_due(10) == 0
    assert ["CELERY_ERROR"] * 2 == [fresh(entry).processing_state for entry in entries[:2]]
    assert before == [row(entry) for entry in entries[2:]]


# Taking back


def test_what_was_lost_in_a_batch_makes_suspects() -> None:
    entry = in_state(State.PROCESSING, solitary=False, attempts=1, crashes=1)
    assert recovery.rescue_expired(10) == 1
    columns = row(entry)
    assert [columns[f"processing_{name}"] for name in ("state", "reason")] == ["PENDING", "worker_lost"]
    assert [columns[f"processing_{name}"] for name in ("attempts", "crashes", "solitary")] == [1, 1, True]


def test_what_was_lost_alone_crashed(configure: Configure) -> None:
    entry = in_state(State.PROCESSING, solitary=True, attempts=1)
    recovery.rescue_expired(10)
    assert [1, 1] == [fresh(entry).processing_attempts, fresh(entry).processing_crashes]


def test_the_first_crash_is_repeated_at_once(sent: Sent) -> None:
    entry = in_state(State.PROCESSING, solitary=True)
    recovery.rescue_expired(10)
    assert row(entry)["processing_not_before"] is None
    assert [entry.pk] == _offered(sent)


def test_the_second_crash_backs_off(configure: Configure) -> None:
    configure(MAX_CRASHES=9, RETRY_DELAY=1000, RETRY_DELAY_MAX=1000)
    entries = [in_state(State.PROCESSING, solitary=True, crashes=1) for _ in range(5)]
    recovery.rescue_expired(10)
    assert 1 < max(seconds_until(entry, "not_before") for entry in entries) <= 1000


@pytest.mark.parametrize("solitary", [True, False])
def test_crashes_end_in_a_dead_letter_when_the_entry_was_alone(configure: Configure, solitary: bool) -> None:
    configure(MAX_CRASHES=3)
    entry = in_state(State.PROCESSING, solitary=solitary, crashes=2)
    recovery.rescue_expired(10)
    assert ("FAILED" if solitary else "PENDING") == fresh(entry).processing_state


def test_an_edit_on_the_way_forgives_the_crashes_of_the_old_text(configure: Configure) -> None:
    configure(MAX_CRASHES=3)
    entry = in_state(State.PROCESSING, solitary=True, crashes=2)
    seen = hosts.entries().values("pk", "processing_token", "processing_solitary", "processing_crashes").get()
    entry.content = "Another text, which never crashed anybody."
    entry.save()

    assert not recovery._take_back(hosts.entries().expired(), seen, recovery.SILENT)
    assert fresh(entry).processing_state == State.PROCESSING
    assert recovery.rescue_expired(10) == 1

    assert [State.PENDING, 1] == [fresh(entry).processing_state, fresh(entry).processing_crashes]


def test_an_entry_that_kills_its_worker_every_time_has_a_history_of_it(configure: Configure) -> None:
    configure(MAX_CRASHES=3)
    entry = create()
    for _ in range(3):
        again(entry)
        claimed(entry)
        put(entry, due_at=clock.later(-1))
        recovery.rescue_expired(10)
    assert [State.FAILED, "crashes", 3] == [
        getattr(fresh(entry), f"processing_{name}") for name in ("state", "reason", "crashes")
    ]
    assert ["lost"] * 3 == outcomes(entry)
    assert set(ProcessingAttempt.objects.values_list("error_type", flat=True)) == {"WorkerLost"}


def test_an_entry_alone_in_a_lost_batch_call_needs_an_own_crash(configure: Configure) -> None:
    configure(MAX_CRASHES=1)
    entries = [create("one"), create("two")]
    claimed(*entries)
    for entry in entries:
        put(entry, due_at=clock.later(-1))
    recovery.rescue_expired(10)
    assert ["PENDING"] * 2 == [fresh(entry).processing_state for entry in entries]


def test_a_lease_that_is_good_is_left_alone() -> None:
    entry = in_state(State.PROCESSING, due_at=clock.later(1))
    before = row(entry)
    assert recovery.rescue_expired(10) == 0
    assert before == row(entry)


def test_a_rescue_is_bounded() -> None:
    for _ in range(3):
        in_state(State.PROCESSING)
    assert recovery.rescue_expired(2) == 2


def test_a_rescue_is_told() -> None:
    entry = in_state(State.PROCESSING)
    with heard("entries_rescued") as rescued:
        recovery.rescue_expired(10)
    assert [entry.pk] == rescued


def _process_that_waits() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


def test_what_a_dead_process_held_is_taken_back_before_its_lease_ends() -> None:
    with _process_that_waits() as worker:
        owner = identity.of_process(worker.pid).owner("task")
        entry = in_state(State.PROCESSING, owner=owner, due_at=clock.later(600))
        assert recovery.rescue_dead(10) == 0
        worker.send_signal(signal.SIGKILL)
    assert recovery.rescue_dead(10) == 1
    assert fresh(entry).processing_state == State.PENDING


def test_a_process_that_is_dead_and_not_yet_reaped_counts_as_dead() -> None:
    with _process_that_waits() as worker:
        owner = identity.of_process(worker.pid).owner("task")
        in_state(State.PROCESSING, owner=owner, due_at=clock.later(600))
        worker.send_signal(signal.SIGKILL)
        while not identity.is_known_dead(owner):
            pass
        assert recovery.rescue_dead(10) == 1


@pytest.mark.parametrize("owner", ["elsewhere:1:1:task", "", "junk", ":::", "elsewhere:x:y"])
def test_a_process_of_another_place_is_never_judged(owner: str) -> None:
    in_state(State.PROCESSING, owner=owner, due_at=clock.later(600))
    assert recovery.rescue_dead(10) == 0


def test_the_task_of_a_lost_child_is_taken_back_and_no_other() -> None:
    lost, kept = (in_state(State.PROCESSING, owner=f"here:1:1:{task}", due_at=clock.later(60)) for task in "ab")
    assert recovery.rescue_task("here:1:1:a") == 1
    assert ["PENDING", "PROCESSING"] == [fresh(entry).processing_state for entry in (lost, kept)]


def test_rescued_entries_end_in_insights() -> None:
    entries = [create(f"text {number}") for number in range(3)]
    claimed(*entries)
    hosts.entries().update(processing_due_at=clock.now() - timedelta(seconds=1))
    assert recovery.rescue_expired(10) == 3
    for entry in entries:
        process(entry)
    assert 3 == Entry.objects.filter(processing_state=State.COMPLETED).count()
