"""A broker that forgets, closes its port, or freezes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from insights_recovery.chaos.proxy import Proxy
from insights_recovery.models import ProcessingAttempt
from tests.acceptance.entries import in_work, states, wait_for_states
from tests.harness import PATIENCE, HostProject, wait_until
from tests.hosts.notes.models import Entry
from tests.services import Redis

speaks_of_redis = pytest.mark.parametrize("host_project", ["redis"], indirect=True)

MARGIN = 1.0
"""Seconds that saving and marking may take beyond the publish timeout, on a busy machine."""


@pytest.mark.matrix
def test_entries_whose_messages_are_lost_are_done_all_the_same(host_project: HostProject):
    for number in range(5):
        Entry.objects.create(content=f"entry {number}")
    host_project.forget_messages()

    host_project.worker()

    wait_for_states({"COMPLETED": 5})
    assert 5 == len(host_project.calls())


@speaks_of_redis
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


@speaks_of_redis
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

    assert seconds[0] < host_project.insights.get("PUBLISH_TIMEOUT", 0.5) + MARGIN * PATIENCE
    assert {"CELERY_ERROR": 5} == states()
    assert {"broker"} == set(Entry.objects.values_list("processing_reason", flat=True))
    {"stop": killable_redis.start, "freeze": killable_redis.thaw}[outage]()
    host_project.worker()
    wait_for_states({"COMPLETED": 5})


@speaks_of_redis
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

    # Kombu 5.7 may end the main process when Redis refuses connections; that is what a supervisor is for.
    wait_for_states({"COMPLETED": 2}, timeout=90, supervised=[worker])


@pytest.fixture
def line(host_project: HostProject) -> Iterator[Proxy]:
    """A line to the broker that can be cut; the URL with its port is in `host_project.broker_url`."""
    url = urlsplit(host_project.broker_url)
    proxy = Proxy(str(url.hostname), int(url.port or 0))
    proxy.start()
    host_project.broker_url = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{proxy.port}")).geturl()
    yield proxy
    host_project.close()
    proxy.end()


@pytest.mark.parametrize("host_project", ["rabbitmq"], indirect=True)
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_what_is_at_work_is_not_taken_for_ended_when_its_message_comes_again(
    host_project: HostProject, line: Proxy, pool: str
):
    worker = host_project.worker(pool=pool)
    entry = Entry.objects.create(content="@@gate=open longer than the line holds")
    in_work(host_project, entry.content)
    task = ProcessingAttempt.objects.get().task_id

    line.close()
    line.reopen()

    wait_until(lambda: worker.log.count(f"[{task}] received") == 2, 60, what="the message to come again")
    entry.refresh_from_db()
    later = entry.processing_due_at + timedelta(seconds=2 * host_project.insights["LEASE_SECONDS"])
    wait_until(lambda: Entry.objects.get().processing_due_at > later, 30, what="the lease to be renewed a few times")
    host_project.open_gate("open")
    wait_for_states({"COMPLETED": 1})
    assert 1 == len(host_project.calls(entry.content))
