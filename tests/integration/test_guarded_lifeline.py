"""Guards of a worker's standing services, each with what happens where it is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from insights_recovery import clock, identity, lifeline, recovery
from insights_recovery.lifecycle import State
from insights_recovery.lifeline import Holds, LeaseKeeper, Lifeline
from insights_recovery.models import Heartbeat
from insights_recovery.service import ForkGate
from tests.hosts.notes.models import Entry
from tests.integration.helpers import fresh, in_state, put, seconds_until
from tests.integration.told import told

pytestmark = pytest.mark.django_db

PROCESS = "here:1:1"
Configure = Callable[..., None]
Sent = Callable[[], list[dict[str, Any]]]


class Worker:
    """A worker with the tasks and the clock that a test says, and its lifeline."""

    def __init__(self) -> None:
        self.live: list[str] = []
        self.now = 1000.0
        self.is_stopping = False
        self.lifeline = Lifeline(PROCESS, lambda: self.live, lambda: self.is_stopping, ForkGate())


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, configure: Configure) -> Worker:
    """A worker that has just started, with leases of 30 seconds."""
    configure(LEASE_SECONDS=30)
    started = Worker()
    monkeypatch.setattr(lifeline, "time", SimpleNamespace(monotonic=lambda: started.now))
    return started


@pytest.fixture
def running(worker: Worker, sent: Sent) -> Worker:
    """A worker whose first tick is over, and what was sent by it forgotten."""
    worker.lifeline.tick()
    sent()
    return worker


def _swept() -> Any:
    return Heartbeat.objects.filter(name=recovery.SWEEP).values_list("finished_at", flat=True).first()


def _held(task: str, **columns: Any) -> Entry:
    return in_state(State.PROCESSING, **{"owner": f"{PROCESS}:{task}", "due_at": clock.later(60)} | columns)


def _state(entry: Entry) -> str:
    return str(fresh(entry).processing_state)


# The ticks of the lifeline


def test_the_first_tick_is_a_whole_sweep_and_the_next_is_none(worker: Worker) -> None:
    worker.lifeline.tick()
    first = _swept()
    assert first is not None
    worker.lifeline.tick()
    assert _swept() == first


def test_a_worker_begins_with_a_whole_sweep_though_none_is_overdue(worker: Worker) -> None:
    recovery.sweep()
    before = _swept()
    worker.lifeline.tick()
    assert _swept() > before


def test_a_tick_takes_over_a_sweep_that_is_late(running: Worker) -> None:
    Heartbeat.objects.filter(name=recovery.SWEEP).update(finished_at=clock.later(-10_000))
    late = _swept()
    running.lifeline.tick()
    assert _swept() > late


def test_a_tick_offers_what_is_due(running: Worker, sent: Sent) -> None:
    entry = in_state(State.PENDING)
    running.lifeline.tick()
    assert [message["args"] for message in sent()] == [[[entry.pk]]]


def test_a_tick_takes_back_what_ran_out(running: Worker) -> None:
    entry = in_state(State.PROCESSING)
    running.lifeline.tick()
    assert _state(entry) == State.PENDING


def test_a_tick_takes_back_what_a_dead_process_held_before_its_lease_ends(running: Worker) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        owner = identity.of_process(process.pid).owner("task")
        process.kill()
    entry = in_state(State.PROCESSING, owner=owner, due_at=clock.later(60))
    running.lifeline.tick()
    assert _state(entry) == State.PENDING


def test_after_an_outage_leases_get_the_time_to_be_renewed(running: Worker) -> None:
    running.lifeline.failed()
    entry = in_state(State.PROCESSING)
    running.now += 29
    running.lifeline.tick()
    assert _state(entry) == State.PROCESSING
    running.now += 1
    running.lifeline.tick()
    assert _state(entry) == State.PENDING


def test_a_worker_that_is_stopping_looks_after_nothing(running: Worker, sent: Sent) -> None:
    running.is_stopping = True
    lost, due = in_state(State.PROCESSING), in_state(State.PENDING)
    running.lifeline.tick()
    assert [_state(lost), _state(due)] == [State.PROCESSING, State.PENDING]
    assert sent() == []


def test_what_a_task_left_behind_is_given_back_in_the_second_tick(running: Worker) -> None:
    idle, at_work = _held("ended"), _held("live")
    running.live = ["live"]
    running.lifeline.tick()
    assert _state(idle) == State.PROCESSING
    running.lifeline.tick()
    assert [_state(idle), _state(at_work)] == [State.PENDING, State.PROCESSING]


# A lost child, the end


def test_what_a_lost_child_held_is_a_crash(running: Worker) -> None:
    entry, other = _held("lost", solitary=True), _held("another")
    running.lifeline.rescue("lost")
    assert [State.PENDING, 1] == [_state(entry), fresh(entry).processing_crashes]
    assert _state(other) == State.PROCESSING


def test_a_child_that_is_lost_while_the_worker_stops_burns_nothing(running: Worker) -> None:
    running.is_stopping = True
    entry, other = _held("lost", solitary=True), _held("another")
    running.lifeline.rescue("lost")
    assert [State.PENDING, 0] == [_state(entry), fresh(entry).processing_crashes]
    assert _state(other) == State.PROCESSING


def test_at_the_end_a_worker_gives_back_what_it_holds_and_nothing_else(running: Worker) -> None:
    ours, theirs = _held("left"), in_state(State.PROCESSING, due_at=clock.later(60))
    running.lifeline.release_all()
    assert [_state(ours), _state(theirs)] == [State.PENDING, State.PROCESSING]


# How often


def test_the_lifeline_ticks_as_often_as_the_setting_says(worker: Worker, configure: Configure) -> None:
    configure(LIFELINE_INTERVAL=7)
    assert worker.lifeline.interval() == 7


def test_the_first_sweeps_of_a_fleet_are_spread_over_a_second(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifeline.random, "uniform", lambda *bounds: bounds)
    assert worker.lifeline.first_pause() == (0, 1.0)


def test_a_lease_is_renewed_three_times_before_it_ends(worker: Worker) -> None:
    keeper = LeaseKeeper(PROCESS, lambda: worker.live, ForkGate())
    assert keeper.interval() == 10


# Threads that hang


@pytest.fixture
def keeper(worker: Worker, configure: Configure) -> tuple[LeaseKeeper, list[str]]:
    """A keeper of a pool of two threads, with a limit of 100 seconds, and a list that grows when it gives up."""
    configure(TIME_LIMIT=100, SOFT_TIME_LIMIT=50)
    ends: list[str] = []
    made = LeaseKeeper(PROCESS, lambda: worker.live, ForkGate(), slots=2, give_up=lambda: ends.append("given up"))
    made._holds = Holds(lambda: worker.now)
    return made, ends


def test_a_task_that_is_in_time_does_not_count_as_hanging(
    worker: Worker, keeper: tuple[LeaseKeeper, list[str]]
) -> None:
    made, ends = keeper
    worker.live = ["hangs", "works"]
    _held("hangs")
    quick = _held("works")
    made.tick()
    put(quick, state=State.COMPLETED, token=None, owner="", due_at=None)
    worker.now += 101
    made.tick()
    assert ends == []


def test_giving_up_is_told_with_its_reason(worker: Worker, keeper: tuple[LeaseKeeper, list[str]]) -> None:
    made, ends = keeper
    worker.live = ["one", "two"]
    entries = [_held("one"), _held("two")]
    made.tick()
    worker.now += 101
    with told("service_failed") as words:
        made.tick()
    assert ends == ["given up"]
    assert [said["service"] for said in words] == [made.name]
    assert words[0]["error"].startswith("2 of 2 threads hang")
    assert all(seconds_until(entry, "due_at") > 0 for entry in entries)


def test_without_a_clock_of_its_own_a_keeper_goes_by_the_machines() -> None:
    entry = _held("a", due_at=clock.later(5))
    LeaseKeeper(PROCESS, lambda: ["a"], ForkGate()).tick()
    assert seconds_until(entry, "due_at") > 5
