"""A broker that forgets, closes its port, or freezes."""

from __future__ import annotations

import time

import pytest

from tests.acceptance.entries import states, wait_for_states
from tests.harness import HostProject, wait_until
from tests.hosts.notes.models import Entry
from tests.services import Redis

MARGIN = 1.0
"""Seconds that saving and marking may take beyond the publish timeout, on a busy machine."""


def test_a_thousand_queued_entries_survive_a_broker_that_forgets_everything(
    host_project: HostProject, killable_redis: Redis
):
    for number in range(40):
        Entry.objects.create(content=f"entry {number}")
    Entry.objects.bulk_create(Entry(content=f"bulk entry {n}") for n in range(960))
    worker = host_project.worker(concurrency=1)
    wait_until(lambda: states().get("COMPLETED", 0) > 0, 30, what="the work to begin")
    worker.pause()
    assert states().get("COMPLETED", 0) < 1000

    killable_redis.flushall()
    worker.resume()

    wait_for_states({"COMPLETED": 1000}, timeout=120)
    assert 1000 == len(host_project.calls())


@pytest.mark.parametrize("outage", ["stop", "freeze"])
def test_saving_outlives_the_broker_and_the_entries_are_done_when_it_returns(
    host_project: HostProject, killable_redis: Redis, outage: str
):
    getattr(killable_redis, outage)()
    seconds = []
    for number in range(5):
        begun = time.monotonic()
        Entry.objects.create(content=f"written in an outage {number}")
        seconds.append(time.monotonic() - begun)

    assert seconds[0] < host_project.insights.get("PUBLISH_TIMEOUT", 0.5) + MARGIN
    assert {"CELERY_ERROR": 5} == states()
    assert {"broker"} == set(Entry.objects.values_list("processing_reason", flat=True))
    {"stop": killable_redis.start, "freeze": killable_redis.thaw}[outage]()
    host_project.worker()
    wait_for_states({"COMPLETED": 5})


@pytest.mark.parametrize("outage", ["stop", "freeze"])
def test_a_running_worker_goes_on_after_an_outage_of_the_broker(
    host_project: HostProject, killable_redis: Redis, outage: str
):
    worker = host_project.worker()
    Entry.objects.create(content="before")
    wait_for_states({"COMPLETED": 1})
    getattr(killable_redis, outage)()
    Entry.objects.create(content="meanwhile")
    wait_for_states({"COMPLETED": 1, "CELERY_ERROR": 1})

    {"stop": killable_redis.start, "freeze": killable_redis.thaw}[outage]()

    if not worker.is_alive:
        # Kombu 5.7 may end the main process when Redis refuses connections; that is what a supervisor is for.
        worker.start()
    wait_for_states({"COMPLETED": 2}, timeout=90)
