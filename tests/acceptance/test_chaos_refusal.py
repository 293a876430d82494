"""`chaos` as a process of its own: what it refuses with nothing touched, and that it leaves nobody behind."""

from __future__ import annotations

import random
import signal
import subprocess

import pytest
import redis

from insights_recovery.chaos import making
from insights_recovery.chaos.processes import send
from insights_recovery.chaos.servers import messages_waiting
from tests.harness import HostProject, is_running, wait_until
from tests.hosts.notes.models import Entry

AT_ONCE = ["chaos", "--entries", "20", "--faults", "1", "--only", "extractor out", "--seed", "1", "--app"]
MANY = ["chaos", "--staging-copy", "--entries", "100000", "--faults", "1000", "--only", "extractor out", "--app"]


def _leftover() -> Entry:
    entry = making.make(making.new_text("7 abc", random.Random(1)))
    entry.save()
    return entry


def _refused(project: HostProject, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it, and return what it said as it refused."""
    ended = project.manage(*AT_ONCE, project.project, *arguments)
    assert ended.returncode == 2, ended.stderr[-2000:]
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended


@pytest.mark.parametrize("host_project", ["filesystem"], indirect=True)
def test_without_the_flag_messages_and_entries_stay(host_project: HostProject) -> None:
    left = _leftover()
    waiting = messages_waiting()
    assert waiting > 0

    assert "--staging-copy" in _refused(host_project).stderr

    assert messages_waiting() == waiting
    assert Entry.objects.get() == left


@pytest.mark.parametrize("host_project", ["filesystem"], indirect=True)
def test_a_persons_entries_and_messages_stay(host_project: HostProject) -> None:
    Entry.objects.create(content="Walked to the lake.")
    waiting = messages_waiting()

    assert "1 entries that no chaos run made" in _refused(host_project, "--staging-copy").stderr

    assert messages_waiting() == waiting > 0
    assert Entry.objects.get().content == "Walked to the lake."


@pytest.mark.parametrize("host_project", ["redis"], indirect=True)
@pytest.mark.parametrize("queues", ["insights,insights_backfill,insights_maintenance", "insights", "of_others"])
def test_a_live_worker_bars_the_way_whatever_it_serves(host_project: HostProject, queues: str) -> None:
    left = _leftover()
    worker = host_project.worker("at-work", arguments=["-Q", queues])
    with redis.Redis.from_url(host_project.broker_url) as client:
        client.set("somebody's", "key")

        assert f"{worker.node} would take the entries" in _refused(host_project, "--staging-copy").stderr

        assert client.get("somebody's") == b"key"
    assert worker.is_alive
    assert Entry.objects.get() == left


@pytest.mark.timeout(200)
@pytest.mark.prefork("it counts children")
@pytest.mark.parametrize("host_project", ["filesystem"], indirect=True)
def test_a_run_that_is_terminated_takes_everybody_along(host_project: HostProject) -> None:
    run = host_project.start("-m", f"{host_project.project}.manage", *MANY, host_project.project, name="chaos")
    # Two workers with two children each, two web writers, and beat.
    wait_until(lambda: len(run.children()) >= 9 or not run.is_alive, 60, what="the processes of the run")
    wait_until(lambda: Entry.objects.exists() or not run.is_alive, 60, what="the first entry")
    assert run.is_alive, run.log
    everybody = [run.pid, *run.children()]

    try:
        run.terminate(90)
        assert not any(map(is_running, everybody))
        assert not Entry.objects.exists()
    finally:
        # Should it fail, nobody else would end them.
        send(signal.SIGKILL, everybody)
