"""The harness does to processes what it says: other acceptance tests prove nothing otherwise."""

from __future__ import annotations

import psutil
import pytest

from tests.harness import BROKERS, HostProject, is_running, wait_until
from tests.hosts.notes.models import Entry

each_broker = pytest.mark.parametrize("host_project", BROKERS, indirect=True)


@each_broker
def test_a_worker_shares_database_and_broker_with_the_test(host_project: HostProject) -> None:
    host_project.worker()
    entry = Entry.objects.create(content="A walk along the river.")
    wait_until(lambda: Entry.objects.get(pk=entry.pk).insights_processed, 30, what="the entry to be processed")
    assert len(host_project.calls(entry.content)) == 1
    assert not host_project.in_flight(entry.content)


@pytest.mark.prefork("it counts children")
def test_a_killed_worker_leaves_nobody_behind(host_project: HostProject) -> None:
    worker = host_project.worker(concurrency=2)
    family = [worker.pid, *worker.children()]
    assert len(family) == 3
    worker.kill()
    assert not any(map(is_running, family))


@pytest.mark.prefork("it kills a child")
def test_a_killed_child_is_replaced(host_project: HostProject) -> None:
    worker = host_project.worker(concurrency=1)
    victim = worker.kill_child()
    wait_until(lambda: worker.children() and victim not in worker.children(), 30, what="a new child")
    assert worker.is_alive


def test_an_entry_is_seen_in_flight_and_its_gate_opens(host_project: HostProject) -> None:
    host_project.worker(concurrency=1)
    entry = Entry.objects.create(content="@@gate=a A long day.")
    wait_until(lambda: host_project.in_flight(entry.content), 30, what="the extraction to begin")
    host_project.open_gate("a")
    wait_until(lambda: Entry.objects.get(pk=entry.pk).insights_processed, 30, what="the entry to be processed")


def test_a_paused_worker_stands_still_and_goes_on(host_project: HostProject) -> None:
    worker = host_project.worker(concurrency=1)
    worker.pause()
    tree = [psutil.Process(pid) for pid in [worker.pid, *worker.children()]]
    # A signal takes effect when its process is next given a core.
    wait_until(lambda: {process.status() for process in tree} == {psutil.STATUS_STOPPED}, 10, what="all to stand still")
    worker.resume()
    assert worker.terminate() == 0


def test_a_management_command_sees_the_tests_database(host_project: HostProject) -> None:
    Entry.objects.create(title="seen by another process")
    shell = host_project.manage(
        "shell", "--no-imports", "-c", "from tests.hosts.notes.models import Entry; print(Entry.objects.get().title)"
    )
    assert "seen by another process" in shell.stdout, shell.stderr


def test_beat_runs(host_project: HostProject) -> None:
    beat = host_project.beat()
    beat.wait_for_log("DatabaseScheduler")
    assert beat.is_alive
