"""The faults: when one cannot be tried, whom it hits, and that it strikes and passes."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from insights_recovery import dispatch
from insights_recovery.chaos import faults, journal, switches
from insights_recovery.chaos.faults import FAULTS, by_name
from insights_recovery.chaos.journal import CALLS, WRITES, note
from insights_recovery.chaos.orders import Orders
from insights_recovery.chaos.processes import Process
from insights_recovery.chaos.schedule import Strike
from insights_recovery.chaos.servers import messages_waiting
from insights_recovery.chaos.stage import Cast, Held, Stage
from insights_recovery.lifecycle import State
from tests import services
from tests.harness import is_running, wait_until
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, fresh, in_state
from tests.services.servers import listening
from tests.unit.test_chaos_orders import told

pytestmark = pytest.mark.django_db

SLEEPER = "import os, time; os.fork(); os.write(1, b'up\\n'); time.sleep(600)"
SOON = 30.0
NOW = Strike(number=1, fault="", victim=0.0, strength=0.0, pause=0.0)


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let outages pass in a moment."""
    monkeypatch.setattr(faults, "SHORTEST", 0.1)
    monkeypatch.setattr(faults, "LONGEST", 0.1)


@pytest.fixture
def given(tmp_path: Path) -> Orders:
    """The orders of a run."""
    return told(tmp_path, insights={"LEASE_SECONDS": 0.1})


@pytest.fixture
def stage(given: Orders) -> Iterator[Stage]:
    """A stage with a worker, a writer and beat on it, each with a child, which do nothing."""
    ours = Stage(given, Cast(app="tests.hosts.main"))
    ours.workers, ours.writers = [_sleeper("worker-0", given)], [_sleeper("writer-0", given)]
    ours.beat = _sleeper("beat", given)
    yield ours
    ours.drop_curtain()


def _sleeper(name: str, given: Orders) -> Process:
    process = Process(name, ["-c", SLEEPER], folder=given.path, environment={})
    process.start()
    wait_until(lambda: process.log.count("up\n") == 2, SOON, what=f"{name} and its child")
    return process


def _held(entry: Entry | None = None, *, by: Process | None = None) -> Held:
    """Return an entry in hand, of this process if given."""
    owner = f"{by.identity}:task" if by else "elsewhere:1:1:task"
    return Held(pk=entry.pk if entry else 1, token=uuid4(), owner=owner, seen_at=timezone.now())


def _why_not(cast: Cast, given: Orders) -> dict[str, str]:
    stage = Stage(given, cast)
    return {fault.name: why for fault in FAULTS if (why := fault.why_not(stage))}


# When it cannot be tried

NO_COMMANDS = {"broker restarted", "database restarted"}
NO_LINE = {"broker closed", "broker frozen"}
NO_SERVER = {"connections cut"} if connection.vendor == "sqlite" else set()
ALWAYS = NO_LINE | NO_SERVER
"""What cannot be tried in this process, whose broker is in memory."""


def test_each_fault_has_a_name_and_a_meaning_of_its_own() -> None:
    assert len(by_name()) == len({fault.meaning for fault in FAULTS}) == len(FAULTS)


def test_what_cannot_be_tried_is_said_with_the_reason(given: Orders) -> None:
    assert set(_why_not(Cast(), given)) == ALWAYS | NO_COMMANDS


@pytest.mark.parametrize(
    ("changes", "left_out"),
    [
        ({}, set()),
        ({"broker_restart": ""}, {"broker restarted"}),
        ({"database_restart": ""}, {"database restarted"}),
        ({"pool": "threads"}, {"child killed"}),
        ({"pool": "solo"}, {"child killed"}),
        ({"spared": 1}, {"server died"}),
        ({"spared": 2}, {"server died", "worker killed", "worker stopped", "worker frozen", "clock skewed"}),
    ],
)
def test_the_cast_decides_what_can_be_tried(given: Orders, changes: dict[str, Any], left_out: set[str]) -> None:
    cast = dataclasses.replace(Cast(workers=2, broker_restart="true", database_restart="true"), **changes)
    assert set(_why_not(cast, given)) == ALWAYS | left_out


def test_with_a_broker_on_a_port_its_line_can_be_cut(given: Orders, redis_broker: services.Redis) -> None:
    assert not NO_LINE & set(_why_not(Cast(), given))


def test_without_a_field_for_the_text_nobody_edits(given: Orders, configure: Callable[..., None]) -> None:
    configure(TEXT_FIELD="joined")
    assert {"edited by ORM", "edited by SQL"} <= set(_why_not(Cast(), given))


# Whom it hits


def test_a_worker_is_a_victim_while_it_holds_something(stage: Stage) -> None:
    fault, (worker,) = by_name()["worker killed"], stage.workers
    assert fault.victim(stage, [_held()], NOW) is None
    assert fault.victim(stage, [_held(), _held(by=worker)], NOW) is worker
    held = [_held(by=worker)]
    os.kill(worker.pid, signal.SIGKILL)
    wait_until(lambda: _state(worker.pid) == "Z", SOON, what="it to be dead, and not yet buried")
    assert fault.victim(stage, held, NOW) is None


def test_a_spared_worker_is_no_victim(stage: Stage) -> None:
    stage.cast = dataclasses.replace(stage.cast, spared=1)
    assert by_name()["worker killed"].victim(stage, [_held(by=stage.workers[0])], NOW) is None


def test_a_child_is_a_victim_while_it_is_within_a_call(stage: Stage, given: Orders) -> None:
    fault, (child,) = by_name()["child killed"], stage.workers[0].children()
    assert fault.victim(stage, [], NOW) is None
    note(given.path, CALLS, "start", child, "chaos-first", "digest")
    note(given.path, CALLS, "start", 1, "chaos-first", "another")
    assert fault.victim(stage, [], NOW) == child
    note(given.path, CALLS, "end", child, "chaos-first", "digest")
    assert fault.victim(stage, [], NOW) is None


@pytest.mark.parametrize(("victim", "chosen"), [(0.0, 0), (0.34, 1), (0.99, 2)])
def test_the_dice_choose_among_those_it_may_hit(victim: float, chosen: int) -> None:
    strike = dataclasses.replace(NOW, victim=victim)
    assert faults._pick(["a", "b", "c"], strike) == "abc"[chosen]
    assert faults._pick([], strike) is None


# Processes


def test_a_killed_child_is_dead_and_its_parent_is_not(stage: Stage) -> None:
    (worker,), (child,) = stage.workers, stage.workers[0].children()
    by_name()["child killed"].strike(stage, child, NOW)
    wait_until(lambda: not is_running(child), SOON, what="the child to die")
    assert worker.is_running


@pytest.mark.parametrize("name", ["worker killed", "worker stopped", "clock skewed"])
def test_a_worker_is_ended_and_started_again(stage: Stage, name: str) -> None:
    (worker,) = stage.workers
    before = [worker.pid, *worker.children()]
    by_name()[name].strike(stage, worker, NOW)
    assert worker.is_running
    assert worker.pid != before[0]
    assert not is_running(before[0])


@pytest.mark.parametrize(("strength", "skew"), [(0.0, "600"), (0.9, "-600")])
def test_a_skewed_clock_is_ahead_or_behind(stage: Stage, given: Orders, strength: float, skew: str) -> None:
    program = "import os, time; print(os.environ.get('INSIGHTS_RECOVERY_CHAOS_SKEW'), flush=True); time.sleep(600)"
    worker = Process("skewed", ["-c", program], folder=given.path, environment={})
    stage.workers.append(worker)
    by_name()["clock skewed"].strike(stage, worker, dataclasses.replace(NOW, strength=strength))
    wait_until(lambda: worker.log, SOON, what="the worker to speak")
    assert worker.log == f"{skew}\n"


def test_when_the_server_dies_everything_ends_and_is_started_again(stage: Stage) -> None:
    before = [pid for process in stage.processes for pid in (process.pid, *process.children())]
    assert len(before) == 6
    by_name()["server died"].strike(stage, stage.workers[0], NOW)
    assert not any(map(is_running, before))
    assert all(process.is_running for process in stage.processes)


def test_a_frozen_worker_stands_beyond_its_lease_and_goes_on(stage: Stage) -> None:
    (worker,) = stage.workers
    before = worker.pid
    with Watching(lambda: _state(worker.pid) == "T") as saw:
        by_name()["worker frozen"].strike(stage, worker, NOW)
    assert saw.is_set()
    wait_until(lambda: _state(before) != "T", SOON, what="the worker to go on")
    assert worker.pid == before


def test_beat_is_killed_and_started_again(stage: Stage) -> None:
    assert stage.beat is not None
    before = stage.beat.pid
    by_name()["beat killed"].strike(stage, [], NOW)
    assert stage.beat.is_running
    assert stage.beat.pid != before


def test_a_writer_is_killed_while_it_writes(stage: Stage) -> None:
    fault = by_name()["writer killed"]
    victim = fault.victim(stage, [], NOW)
    assert victim is stage.writers[0]
    before = victim.pid
    with Watching(lambda: stage.switch(switches.WRITING).is_on and is_running(before)) as saw:
        fault.strike(stage, victim, dataclasses.replace(NOW, strength=0.4))
    assert saw.is_set()
    assert not stage.switch(switches.WRITING).is_on, "nothing else would turn it off while much is unfinished"
    assert victim.is_running
    assert victim.pid != before


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class Watching:
    """Asks a question all the time; the event says whether the answer was ever yes."""

    def __init__(self, question: Callable[[], bool]) -> None:
        self._question, self._saw, self._over = question, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            if self._question():
                self._saw.set()

    def __enter__(self) -> threading.Event:
        self._thread.start()
        return self._saw

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


# Servers and switches


@pytest.mark.parametrize(
    ("name", "switch"), [("disk full", switches.DISK_FULL), ("extractor out", switches.EXTRACTOR_OUT)]
)
def test_an_outage_within_our_processes_passes(stage: Stage, name: str, switch: str) -> None:
    with Watching(lambda: stage.switch(switch).is_on) as saw:
        by_name()[name].strike(stage, [], NOW)
    assert saw.is_set()
    assert not stage.switch(switch).is_on


def test_an_emptied_broker_has_no_message(stage: Stage, sent: Callable[[], Any]) -> None:
    assert dispatch.broker.publish([1], "insights") is None
    assert messages_waiting() == 1
    by_name()["broker emptied"].strike(stage, [], NOW)
    assert messages_waiting() == 0


@pytest.mark.parametrize("name", ["broker closed", "broker frozen"])
def test_an_outage_of_the_line_passes(given: Orders, redis_broker: services.Redis, name: str) -> None:
    stage = Stage(given, Cast())
    stage.line.start()
    proxy = stage.line.proxy
    assert proxy is not None
    is_out = {
        "broker closed": lambda: not listening(proxy.port),
        "broker frozen": lambda: not proxy._open.is_set(),
    }[name]
    try:
        wait_until(lambda: not is_out(), SOON, what="the line to be open")
        with Watching(is_out) as saw:
            by_name()[name].strike(stage, [], NOW)
        assert saw.is_set()
        wait_until(lambda: not is_out(), SOON, what="the line to be open again")
    finally:
        stage.drop_curtain()


@pytest.mark.parametrize("name", ["broker restarted", "database restarted"])
def test_a_server_is_restarted_by_the_operators_command(given: Orders, name: str) -> None:
    command = {f"{name.split(maxsplit=1)[0]}_restart": f"touch {given.path}/restarted"}
    by_name()[name].strike(Stage(given, Cast(**command)), [], NOW)
    assert (given.path / "restarted").exists()


# Entries


def test_an_entry_in_hand_is_edited_by_save(stage: Stage, given: Orders) -> None:
    entry = in_state(State.PROCESSING)
    by_name()["edited by ORM"].strike(stage, [_held(entry)], NOW)
    after = fresh(entry)
    assert given.phrase in after.content
    assert after.processing_digest != entry.processing_digest, "our save has seen it"
    assert after.processing_state == State.PROCESSING


def test_an_entry_in_hand_is_overwritten_past_every_guard_and_the_ledger_knows(stage: Stage, given: Orders) -> None:
    entry = in_state(State.PROCESSING)
    by_name()["edited by SQL"].strike(stage, [_held(entry)], NOW)
    after = fresh(entry)
    assert given.phrase in after.content
    assert after.processing_digest == entry.processing_digest
    assert stage.ledger.read().overwritten == {str(entry.pk)}


def test_an_entry_in_hand_is_deleted_and_the_ledger_knew_before(stage: Stage, given: Orders) -> None:
    entry = in_state(State.PROCESSING)
    note(given.path, WRITES, "created", entry.pk, 0)
    by_name()["deleted"].strike(stage, [_held(entry)], NOW)
    assert not Entry.objects.exists()
    assert stage.ledger.read().kept == set()


@pytest.mark.parametrize("name", ["edited by ORM", "edited by SQL", "deleted"])
@pytest.mark.parametrize(("strength", "hits"), [(0.0, 1), (0.25, 3), (1.0, 5)])
def test_a_burst_hits_as_many_as_it_is_strong(
    stage: Stage, given: Orders, name: str, strength: float, hits: int
) -> None:
    entries = [in_state(State.PROCESSING, f"day {number}") for number in range(5)]
    gone = create("gone meanwhile")
    key = gone.pk
    gone.delete()
    held = [dataclasses.replace(_held(), pk=key)] if strength == 1.0 else []
    by_name()[name].strike(stage, [*held, *map(_held, entries)], dataclasses.replace(NOW, strength=strength))
    untouched = Entry.objects.filter(content__startswith="day").count()
    assert untouched == 5 - hits


def test_the_same_strike_writes_the_same_texts(stage: Stage, given: Orders) -> None:
    one, other = in_state(State.PROCESSING), in_state(State.PROCESSING)
    for entry in (one, other):
        by_name()["edited by ORM"].strike(stage, [_held(entry)], NOW)
    assert fresh(one).content == fresh(other).content


def test_every_write_of_a_fault_is_in_words_of_the_journal(stage: Stage, given: Orders) -> None:
    entry = in_state(State.PROCESSING)
    for name in ("edited by ORM", "edited by SQL", "deleted"):
        by_name()[name].strike(stage, [_held(entry)], NOW)
    words = [line[0] for line in journal.Tail(given.path, WRITES).fresh()]
    assert words == ["overwritten", "deleting"]


def test_an_outage_lasts_as_long_as_the_dice_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "SHORTEST", 1.0)
    monkeypatch.setattr(faults, "LONGEST", 4.0)
    assert [faults._seconds(dataclasses.replace(NOW, strength=share)) for share in (0.0, 0.5, 1.0)] == [1.0, 2.5, 4.0]
