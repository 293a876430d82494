"""Who brings the sweeps about: beat, or a worker where beat is late."""

from __future__ import annotations

from insights_recovery import recovery, schedule
from insights_recovery.models import Heartbeat
from tests.acceptance.entries import wait_for_states
from tests.harness import HostProject, wait_until
from tests.hosts.notes.models import Entry


def last_sweep():
    return Heartbeat.objects.filter(name=recovery.SWEEP).values_list("finished_at", flat=True).first()


def test_beat_brings_the_sweeps_about(host_project: HostProject):
    # A lifeline that ticks once a minute leaves the work to beat.
    host_project.configure(SWEEP_INTERVAL=1, LIFELINE_INTERVAL=60)
    schedule.install()
    host_project.worker()
    wait_until(last_sweep, 30, what="the sweep at the worker's start")
    Entry.objects.bulk_create(Entry(content=f"entry {n}") for n in range(3))

    host_project.beat()

    wait_for_states({"COMPLETED": 3}, timeout=30)


def test_a_worker_takes_over_the_sweeps_where_no_beat_runs(host_project: HostProject):
    host_project.configure(SWEEP_INTERVAL=1)
    host_project.worker()

    wait_until(last_sweep, 30, what="the first sweep")
    first = last_sweep()

    wait_until(lambda: last_sweep() > first, 30, what="another sweep")


def test_a_worker_that_serves_chosen_queues_only_leaves_ours_alone(host_project: HostProject):
    worker = host_project.worker(arguments=["-Q", "celery"])

    assert ".> celery" in worker.log
    assert ".> insights" not in worker.log
