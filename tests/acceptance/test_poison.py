"""Entries that kill, or hang, whatever takes them in hand."""

from __future__ import annotations

import pytest

from insights_recovery.models import Insight, Outcome, ProcessingAttempt
from tests.acceptance.entries import in_work, wait_for_states
from tests.harness import POOLS, HostProject
from tests.hosts.notes.models import Entry


@pytest.mark.prefork("its worker outlives what kills a child")
def test_an_entry_that_kills_its_worker_ends_as_a_dead_letter_and_costs_no_other_an_attempt(host_project: HostProject):
    worker = host_project.worker()
    poison = "@@kill a poisonous entry"
    Entry.objects.bulk_create([*(Entry(content=f"entry {n}") for n in range(99)), Entry(content=poison)])

    wait_for_states({"COMPLETED": 99, "FAILED": 1}, timeout=90)

    dead = Entry.objects.get(content=poison)
    max_crashes = 3
    assert (max_crashes, "crashes") == (dead.processing_crashes, dead.processing_reason)
    lost = ProcessingAttempt.objects.filter(outcome=Outcome.LOST)
    assert max_crashes + 1 == lost.filter(entry=dead).count()
    assert max_crashes + 1 == len(host_project.calls(poison))
    innocent = Entry.objects.exclude(pk=dead.pk)
    assert {0} == set(innocent.values_list("processing_attempts", flat=True))
    assert all(n <= 1 for n in (lost.filter(entry=entry).count() for entry in innocent))
    assert worker.is_alive


@pytest.mark.matrix
@pytest.mark.parametrize("pool", POOLS)
def test_an_entry_that_kills_whole_workers_ends_as_a_dead_letter_where_somebody_starts_them_again(
    host_project: HostProject, pool: str
):
    host_project.configure(MAX_CRASHES=2)
    worker = host_project.worker(concurrency=1, pool=pool)
    poison = "@@kill a poisonous entry"
    Entry.objects.bulk_create([*(Entry(content=f"entry {n}") for n in range(9)), Entry(content=poison)])

    wait_for_states({"COMPLETED": 9, "FAILED": 1}, timeout=90, supervised=[worker])

    dead = Entry.objects.get(content=poison)
    assert (2, "crashes") == (dead.processing_crashes, dead.processing_reason)
    lost = ProcessingAttempt.objects.filter(entry=dead, outcome=Outcome.LOST)
    assert 3 == len(host_project.calls(poison)) == lost.count()


@pytest.mark.matrix
@pytest.mark.parametrize("pool", POOLS)
def test_a_hang_beyond_the_hard_limit_is_a_crash_and_ends_as_a_dead_letter(host_project: HostProject, pool: str):
    host_project.configure(SOFT_TIME_LIMIT=1, TIME_LIMIT=2, LEASE_SECONDS=1.5, MAX_CRASHES=2)
    # One more than the threads that will hang.
    worker = host_project.worker(concurrency=3, pool=pool)
    hanging = "@@hang here for ever"
    Entry.objects.create(content=hanging)
    Entry.objects.create(content="a quick one")

    wait_for_states({"COMPLETED": 1, "FAILED": 1}, timeout=90, supervised=[worker])

    dead = Entry.objects.get(content=hanging)
    assert (2, "crashes") == (dead.processing_crashes, dead.processing_reason)
    assert worker.is_alive
    has_ended = worker.log.count(" ready.") > 1
    assert has_ended is (pool == "solo")


@pytest.mark.parametrize("pool", POOLS)
def test_an_entry_whose_extractor_quits_ends_as_a_dead_letter(host_project: HostProject, pool: str):
    host_project.configure(
        EXTRACTORS=["tests.acceptance.quitting.QuittingExtractor"],
        SOFT_TIME_LIMIT=1, TIME_LIMIT=2, LEASE_SECONDS=1.5, MAX_CRASHES=2,
    )  # fmt: skip
    worker = host_project.worker(concurrency=3, pool=pool)
    Entry.objects.create(content="quit here")
    Entry.objects.create(content="a quick one")

    wait_for_states({"COMPLETED": 1, "FAILED": 1}, timeout=90, supervised=[worker])

    assert "crashes" == Entry.objects.get(processing_state="FAILED").processing_reason


@pytest.mark.parametrize("pool", ["threads"])
def test_the_result_of_a_thread_that_overran_the_hard_limit_is_refused(host_project: HostProject, pool: str):
    host_project.configure(SOFT_TIME_LIMIT=1, TIME_LIMIT=2, LEASE_SECONDS=1.5)
    worker = host_project.worker(concurrency=2, pool=pool)
    text = "@@gate=open slower than it may be"
    Entry.objects.create(content=text)
    in_work(host_project, text, times=2)

    host_project.open_gate("open")

    worker.wait_for_log("stale_write_refused")
    wait_for_states({"COMPLETED": 1})
    outcomes = ProcessingAttempt.objects.order_by("number").values_list("outcome", flat=True)
    assert [Outcome.LOST, Outcome.COMPLETED] == list(outcomes)
    assert 1 == Insight.objects.count()


@pytest.mark.prefork("Celery knows no time limits with other pools")
def test_a_slow_extraction_runs_into_the_soft_limit_and_counts_as_a_failure(host_project: HostProject):
    host_project.configure(SOFT_TIME_LIMIT=1, TIME_LIMIT=10, MAX_ATTEMPTS=2)
    host_project.worker()
    entry = Entry.objects.create(content="@@sleep=8 slow")

    wait_for_states({"FAILED": 1}, timeout=60)

    entry.refresh_from_db()
    assert (2, 0, "attempts") == (entry.processing_attempts, entry.processing_crashes, entry.processing_reason)
