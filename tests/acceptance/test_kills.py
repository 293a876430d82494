"""Processes that die, or freeze, with entries in hand."""

from __future__ import annotations

import signal
import time

import pytest

from insights_recovery.models import Insight, Outcome, ProcessingAttempt
from tests.acceptance.entries import in_work, states, wait_for_states
from tests.harness import PATIENCE, HostProject, wait_until
from tests.hosts.notes.models import Entry

LOST_CHILD = 3.0
"""Seconds within which the entry of a lost child is in work again."""
RESTART = 5.0
"""Seconds from the restarted worker's readiness within which its entry is in work again."""


def seconds_until_in_work_again(project: HostProject, text: str) -> float:
    begun = time.monotonic()
    in_work(project, text, times=2)
    return time.monotonic() - begun


@pytest.mark.matrix
@pytest.mark.prefork("it kills a child")
def test_the_entry_of_a_killed_child_is_in_work_again_at_once(host_project: HostProject):
    host_project.configure(LEASE_SECONDS=60)
    worker = host_project.worker()
    entry = Entry.objects.create(content="@@gate=open a day at the sea")
    in_work(host_project, entry.content)

    worker.kill_child(host_project.calls(entry.content)[0].pid)

    assert seconds_until_in_work_again(host_project, entry.content) < LOST_CHILD * PATIENCE
    host_project.open_gate("open")
    wait_for_states({"COMPLETED": 1})
    outcomes = list(ProcessingAttempt.objects.order_by("number").values_list("outcome", flat=True))
    assert [Outcome.LOST, Outcome.COMPLETED] == outcomes


@pytest.mark.matrix
def test_a_surviving_worker_takes_over_from_a_killed_one(host_project: HostProject):
    victim = host_project.worker("victim", concurrency=1)
    entry = Entry.objects.create(content="@@gate=open a long walk")
    in_work(host_project, entry.content)
    host_project.worker("survivor", concurrency=1)

    victim.kill()

    lease, tick = host_project.insights["LEASE_SECONDS"], host_project.insights["LIFELINE_INTERVAL"]
    assert seconds_until_in_work_again(host_project, entry.content) < (lease + 2 * tick + 1) * PATIENCE
    host_project.open_gate("open")
    wait_for_states({"COMPLETED": 1})


@pytest.mark.matrix
def test_the_restarted_only_worker_takes_up_what_it_held(host_project: HostProject):
    host_project.configure(LEASE_SECONDS=60, DISPATCH_GRACE=60)
    worker = host_project.worker(concurrency=1)
    entry = Entry.objects.create(content="@@gate=open dinner with friends")
    in_work(host_project, entry.content)

    worker.kill()
    worker.start()

    assert seconds_until_in_work_again(host_project, entry.content) < RESTART * PATIENCE
    host_project.open_gate("open")
    wait_for_states({"COMPLETED": 1})


@pytest.mark.matrix
def test_the_late_result_of_a_paused_worker_changes_nothing(host_project: HostProject):
    zombie = host_project.worker("zombie", concurrency=1)
    entry = Entry.objects.create(content="@@gate=open a quiet morning")
    in_work(host_project, entry.content)
    zombie.pause()
    host_project.worker("other", concurrency=1)
    in_work(host_project, entry.content, times=2)
    host_project.open_gate("open")
    wait_for_states({"COMPLETED": 1})
    completed_at = Entry.objects.get().processing_completed_at
    insight = Insight.objects.get()

    zombie.resume()

    zombie.wait_for_log("stale_write_refused")
    assert completed_at == Entry.objects.get().processing_completed_at
    assert insight == Insight.objects.get()


@pytest.mark.matrix
def test_an_orderly_shutdown_gives_back_what_was_not_begun(host_project: HostProject):
    host_project.configure(LEASE_SECONDS=60, DISPATCH_GRACE=60)
    worker = host_project.worker(concurrency=1)
    Entry.objects.bulk_create(Entry(content=f"@@gate=open entry {n}") for n in range(5))
    wait_until(lambda: states().get("PROCESSING") == 5, 30, what="the batch to be in work")
    wait_until(lambda: len(host_project.calls()) == 1, 30, what="the first of them to be with the extractor")

    worker.process.terminate()
    worker.wait_for_log("Warm shutdown")
    host_project.open_gate("open")
    worker.process.wait(30)

    # What it has just given back it does not take again.
    assert 1 == len(host_project.calls())
    assert {"COMPLETED": 1, "PENDING": 4} == states()
    assert "entries_released" in worker.log
    waiting = Entry.objects.filter(processing_state="PENDING")
    assert {(0, 0, False)} >= set(
        waiting.values_list("processing_attempts", "processing_crashes", "processing_solitary")
    )
    host_project.worker("next")
    wait_for_states({"COMPLETED": 5})


@pytest.mark.prefork("other pools cannot end while an extractor is at work")
def test_a_shutdown_that_will_not_wait_burns_nothing_either(host_project: HostProject):
    host_project.configure(LEASE_SECONDS=60, DISPATCH_GRACE=60)
    worker = host_project.worker(concurrency=1)
    entry = Entry.objects.create(content="@@gate=open a rainy day")
    in_work(host_project, entry.content)

    worker.process.send_signal(signal.SIGQUIT)
    worker.process.wait(30)

    entry.refresh_from_db()
    assert ("PENDING", 0, 0) == (entry.processing_state, entry.processing_attempts, entry.processing_crashes)


def test_an_extraction_longer_than_the_lease_is_done_once_while_its_worker_lives(host_project: HostProject):
    host_project.configure(LEASE_SECONDS=1)
    host_project.worker("one", concurrency=1)
    host_project.worker("two", concurrency=1)
    entry = Entry.objects.create(content="@@sleep=5 slow but alive")

    wait_for_states({"COMPLETED": 1})

    assert 1 == len(host_project.calls(entry.content))


@pytest.mark.parametrize("host_project", ["filesystem"], indirect=True)
def test_the_embedded_broker_loses_what_a_killed_worker_had_received_and_recovery_does_not(host_project: HostProject):
    worker = host_project.worker()
    Entry.objects.bulk_create(Entry(content=f"@@sleep=0.05 entry {n}") for n in range(60))
    wait_until(lambda: 5 <= states().get("COMPLETED", 0), 60, what="a few to be done")
    assert states().get("PROCESSING", 0) > 0

    worker.kill()
    worker.start()

    wait_for_states({"COMPLETED": 60})
    assert 60 == Insight.objects.count()
