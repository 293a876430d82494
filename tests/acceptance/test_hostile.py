"""Extractors and messages that no worker should have to bear, and bears."""

from __future__ import annotations

import pytest
from celery import current_app

from insights_recovery.conf import conf
from insights_recovery.models import Insight
from tests.acceptance import garbage
from tests.acceptance.entries import wait_for_states
from tests.acceptance.hostile import FAILING, KILLING, SPOILING
from tests.harness import BROKERS, PATIENCE, HostProject, wait_until
from tests.hosts.notes.models import Entry

CANARY = garbage.CANARY
INNOCENT = 40


@pytest.mark.prefork("what ends a child's process would end the worker's")
@pytest.mark.timeout(240)
def test_nothing_that_an_extractor_does_costs_any_other_entry_anything(host_project: HostProject):
    host_project.configure(
        EXTRACTORS=["tests.acceptance.hostile.HostileExtractor"], MAX_ATTEMPTS=2, MAX_CRASHES=2, SOFT_TIME_LIMIT=5
    )
    worker = host_project.worker()
    orders = [*KILLING, *FAILING, *SPOILING]
    innocent = [f"innocent{number}" for number in range(INNOCENT)]
    Entry.objects.bulk_create(Entry(content=f"{word} {CANARY}") for word in [*innocent[::2], *orders, *innocent[1::2]])

    ended = {"COMPLETED": INNOCENT + len(SPOILING), "FAILED": len(KILLING) + len(FAILING)}
    wait_for_states(ended, timeout=150 * PATIENCE)

    reasons = dict(Entry.objects.exclude(processing_reason="").values_list("content", "processing_reason"))
    expected = dict.fromkeys(KILLING, "crashes") | dict.fromkeys(FAILING, "attempts")
    assert expected == {text.partition(" ")[0]: reason for text, reason in reasons.items()}
    assert {*innocent, *SPOILING} == set(Insight.objects.values_list("label", flat=True))
    others = Entry.objects.filter(content__startswith="innocent")
    assert {(0, 0)} == set(others.values_list("processing_attempts", "processing_crashes"))
    assert worker.is_alive
    assert CANARY not in host_project.logs()


@pytest.mark.matrix
@pytest.mark.parametrize("host_project", BROKERS, indirect=True)
def test_a_worker_outlives_messages_that_make_no_sense_and_they_are_gone(host_project: HostProject):
    host_project.configure(DISPATCH_GRACE=3600)
    worker = host_project.worker(concurrency=1)
    for message in (*garbage.FOR_OUR_TASKS, *garbage.STUMBLING, *garbage.FOR_NOBODY):
        message.send(conf().queue)
        Entry.objects.create(content=f"after {message.name}")

    wait_for_states({"COMPLETED": Entry.objects.count()}, timeout=60 * PATIENCE)

    assert worker.is_alive
    assert worker.log.count(" ready.") == 1
    assert CANARY not in host_project.logs()
    worker.terminate()
    # What it had not acknowledged is back in its queue by now.
    wait_until(lambda: _waiting() == 0, 10 * PATIENCE, what="the queues to be empty")


def _waiting() -> int:
    """Return how many messages wait in our queues."""
    with current_app.connection_for_write() as line:
        names = (conf().queue, conf().backfill_queue, conf().maintenance_queue)
        queues = [current_app.amqp.queues[name](line.default_channel) for name in names]
        return sum(queue.queue_declare().message_count for queue in queues)
