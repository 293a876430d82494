"""How long an entry waits whose holder was killed, under the settings that a host has who sets none.

The bounds are promises of the documentation: a lost child 3 s, a lost worker with a survivor on another machine the
lease and 10 s, the restart of the only worker 5 s after it takes tasks again.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

import pytest

from insights_recovery.chaos.verdict import percentile
from tests.acceptance.entries import wait_for_states
from tests.harness import HostProject, WorkerProcess, wait_until
from tests.hosts.notes.models import Entry
from tests.under_fire.evidence import Evidence
from tests.under_fire.profiles import by_profile

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(3600)]

KILLS = by_profile(ordinary=3, short=4, long=100)
LEASE = by_profile(ordinary=4, short=4, long=30)
"""Seconds; the long profile has the setting's default."""
AT_ONCE = 10
"""Workers that are killed at the same moment, at the most."""
DEFAULTS = {
    "LEASE_SECONDS": LEASE,
    "DISPATCH_GRACE": 60,
    "LIFELINE_INTERVAL": 5,
    "RETRY_DELAY": 60,
    "RETRY_DELAY_MAX": 3600,
}
ELSEWHERE = ["unshare", "--pid", "--fork", "--mount-proc"]
"""Runs a program in a process namespace of its own, from which nothing is known of others' processes, nor of its own
by others: as on another machine."""


class WorkerElsewhere(WorkerProcess):
    """A worker of whose death nobody can know."""

    def start(self, timeout: float = 60) -> None:
        """Start it in a namespace of its own."""
        if self.command[0] != ELSEWHERE[0]:
            self.command = [*ELSEWHERE, *self.command]
        super().start(timeout)


def _gated(number: int) -> Entry:
    return Entry.objects.create(content=f"@@gate=g{number} day {number}")


def _wait_for_call(project: HostProject, entry: Entry, times: int) -> float:
    """Wait until an extractor has begun with the entry for the so-many-th time; return when that was seen."""
    wait_until(lambda: len(project.calls(entry.content)) >= times, 120, what=f"call {times} for entry {entry.pk}")
    assert project.in_flight(entry.content)
    return time.monotonic()


def _record(evidence: Evidence, where: str, seconds: Sequence[float], bound: float) -> None:
    p50, p99, most = (percentile(seconds, share) for share in (0.5, 0.99, 1))
    late = [f"p99 is {p99} s, and should be at most {bound} s"] if p99 > bound else []
    note = f"p50 {p50} s, p99 {p99} s, max {most} s; bound {bound} s"
    evidence.record("recovery time", where, tried=len(seconds), violations=late, note=note)


def test_of_a_lost_child(host_project: HostProject, evidence: Evidence) -> None:
    host_project.configure(**DEFAULTS)
    worker, seconds = host_project.worker(concurrency=2), []
    for number in range(KILLS):
        entry = _gated(number)
        _wait_for_call(host_project, entry, 1)
        begun = time.monotonic()
        worker.kill_child(host_project.calls(entry.content)[0].pid)
        seconds.append(_wait_for_call(host_project, entry, 2) - begun)
        host_project.open_gate(f"g{number}")
    _record(evidence, "child killed", seconds, 3.0)
    wait_for_states({"COMPLETED": KILLS})


def test_of_the_only_worker(host_project: HostProject, evidence: Evidence) -> None:
    host_project.configure(**DEFAULTS)
    worker, seconds = host_project.worker(concurrency=1), []
    for number in range(KILLS):
        entry = _gated(number)
        _wait_for_call(host_project, entry, 1)
        worker.kill()
        worker.start()
        ready = time.monotonic()
        seconds.append(_wait_for_call(host_project, entry, 2) - ready)
        host_project.open_gate(f"g{number}")
    _record(evidence, "only worker killed, from its restart", seconds, 5.0)
    wait_for_states({"COMPLETED": KILLS})


def test_of_a_worker_on_another_machine(host_project: HostProject, evidence: Evidence) -> None:
    if subprocess.run([*ELSEWHERE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this account may not make process namespaces, so that no worker can be as on another machine")
    host_project.configure(**DEFAULTS)
    seconds: list[float] = []
    while len(seconds) < KILLS:
        seconds += _kill_elsewhere(host_project, len(seconds), min(AT_ONCE, KILLS - len(seconds)))
    _record(evidence, f"worker elsewhere killed, lease {LEASE} s", seconds, LEASE + 10.0)
    wait_for_states({"COMPLETED": KILLS})


def _kill_elsewhere(project: HostProject, first: int, count: int) -> list[float]:
    """Let so many workers elsewhere take an entry each, kill them all, and let a survivor take over."""
    entries = []
    victims = [_elsewhere(project, f"victim-{number}") for number in range(first, first + count)]
    for number in range(first, first + count):
        entries.append(_gated(number))
        _wait_for_call(project, entries[-1], 1)
    survivor = project.worker(f"survivor-{first}", concurrency=count)
    begun = time.monotonic()
    for victim in victims:
        victim.kill()
    seconds = [_wait_for_call(project, entry, 2) - begun for entry in entries]
    for number in range(first, first + count):
        project.open_gate(f"g{number}")
    wait_for_states({"COMPLETED": first + count})
    survivor.terminate()
    return seconds


def _elsewhere(project: HostProject, name: str) -> WorkerElsewhere:
    # One that prefetches would take an entry that it cannot begin with.
    arguments = ["--prefetch-multiplier", "1"]
    worker = WorkerElsewhere(
        project.project, env=project.env(), folder=project.folder, name=name, concurrency=1, arguments=arguments
    )
    project.processes.append(worker)
    worker.start()
    return worker
