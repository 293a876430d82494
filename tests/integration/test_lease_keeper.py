"""The service that renews a worker's leases: for as long as a task lives, and no task for ever."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from insights_recovery import clock, recovery
from insights_recovery.lifecycle import State
from insights_recovery.lifeline import Holds, LeaseKeeper, Lifeline
from insights_recovery.service import ForkGate
from tests.hosts.notes.models import Entry
from tests.integration.helpers import claimed, create, fresh, heard, in_state, outcomes, put, seconds_until

pytestmark = pytest.mark.django_db

PROCESS = "here:1:1"
LIMIT = 100.0


class Worker:
    """A worker with as many slots and the tasks that a test says, whose keeper's clock the test sets."""

    def __init__(self, slots: int | None) -> None:
        self.live: list[str] = []
        self.now = 0.0
        self.given_up = 0
        self.keeper = LeaseKeeper(PROCESS, lambda: self.live, ForkGate(), slots=slots, give_up=self._give_up)
        self.keeper._holds = Holds(lambda: self.now)
        self.lifeline = Lifeline(PROCESS, lambda: self.live, lambda: False, ForkGate())

    def _give_up(self) -> None:
        self.given_up += 1

    def takes(self, task: str) -> Entry:
        """Let a task claim an entry, which lasts for a few seconds if nobody renews it."""
        self.live.append(task)
        return in_state(State.PROCESSING, owner=f"{PROCESS}:{task}", due_at=clock.later(5))

    def renews(self, entry: Entry) -> bool:
        """Let the keeper tick; return whether it renewed the lease of `entry`."""
        put(entry, due_at=clock.later(5))
        self.keeper.tick()
        return seconds_until(entry, "due_at") > 5


def take_back(entry: Entry) -> None:
    """Let the lease run out, and be found."""
    put(entry, due_at=clock.later(-1))
    assert recovery.rescue_expired(10) == 1


@pytest.fixture
def work(configure: Callable[..., None]) -> Callable[..., Worker]:
    """Return a function that makes a worker; its settings are LIMIT and a lease of 30 seconds."""
    configure(TIME_LIMIT=LIMIT, SOFT_TIME_LIMIT=LIMIT / 2, LEASE_SECONDS=30)
    return lambda slots=None: Worker(slots)


def test_a_lease_is_renewed_until_its_task_has_held_it_for_the_time_limit(work: Callable[..., Worker]) -> None:
    worker = work()
    entry = worker.takes("a")
    assert worker.renews(entry)
    worker.now = LIMIT
    assert worker.renews(entry)
    worker.now = LIMIT + 1
    assert not worker.renews(entry)


def test_the_time_counts_from_the_claim_and_not_from_the_task(work: Callable[..., Worker]) -> None:
    worker = work()
    first = worker.takes("a")
    worker.renews(first)
    worker.now = LIMIT + 1
    second = worker.takes("a")
    assert worker.renews(second)
    assert not worker.renews(first)


def test_a_task_that_hangs_keeps_no_other_from_being_renewed(work: Callable[..., Worker]) -> None:
    worker = work(slots=2)
    hung = worker.takes("a")
    worker.renews(hung)
    worker.now = LIMIT + 1
    assert worker.renews(worker.takes("b"))


def test_what_a_hanging_task_holds_is_taken_back_and_counted_as_a_crash(work: Callable[..., Worker]) -> None:
    worker = work()
    entry = create()
    batch = claimed(entry)
    put(entry, owner=f"{PROCESS}:a")
    worker.live = ["a"]
    worker.keeper.tick()
    worker.now = LIMIT + 1

    worker.keeper.tick()
    take_back(entry)

    assert [State.PENDING, 1] == [fresh(entry).processing_state, fresh(entry).processing_crashes]
    with heard("stale_write_refused") as refused:
        batch.work()
    assert [entry.pk] == refused
    assert ["lost"] == outcomes(entry)


def test_a_worker_whose_every_slot_hangs_is_given_up_though_nothing_is_held_any_more(
    work: Callable[..., Worker],
) -> None:
    worker = work(slots=2)
    first = worker.takes("a")
    worker.renews(first)
    worker.now = LIMIT + 1
    worker.renews(first)
    take_back(first)
    second = worker.takes("b")
    worker.renews(second)
    assert not worker.given_up
    worker.now = 2 * LIMIT + 2
    worker.renews(second)
    assert worker.given_up == 1


def test_a_worker_with_work_in_hand_is_not_given_up(work: Callable[..., Worker]) -> None:
    worker = work(slots=1)
    worker.renews(worker.takes("a"))
    worker.now = LIMIT + 1
    worker.renews(worker.takes("b"))
    assert not worker.given_up


def test_a_task_that_ended_late_does_not_count_as_hanging(work: Callable[..., Worker]) -> None:
    worker = work(slots=2)
    first = worker.takes("a")
    worker.renews(first)
    worker.now = LIMIT + 1
    worker.renews(first)
    take_back(first)
    worker.live = []
    second = worker.takes("b")
    worker.renews(second)
    worker.now = 2 * LIMIT + 2
    assert not worker.renews(second)
    assert not worker.given_up


def test_where_children_are_killed_at_the_limit_no_worker_is_given_up(work: Callable[..., Worker]) -> None:
    worker = work(slots=None)
    entry = worker.takes("a")
    worker.renews(entry)
    worker.now = LIMIT + 1
    worker.renews(entry)
    assert not worker.given_up


def test_what_a_hanging_task_lost_is_not_taken_for_idle_in_other_hands(work: Callable[..., Worker]) -> None:
    worker = work()
    entry = worker.takes("a")
    take_back(entry)
    worker.live.append("b")
    put(entry, state=State.PROCESSING, owner=f"{PROCESS}:b", token=uuid4(), due_at=clock.later(5))
    for _ in range(3):
        worker.lifeline._release_idle()
    assert fresh(entry).processing_state == State.PROCESSING


def test_what_a_task_left_behind_that_ended_is_given_back_in_the_second_look(work: Callable[..., Worker]) -> None:
    worker = work()
    entry = worker.takes("a")
    worker.live = ["b"]
    worker.lifeline._release_idle()
    assert fresh(entry).processing_state == State.PROCESSING
    worker.lifeline._release_idle()
    assert fresh(entry).processing_state == State.PENDING
