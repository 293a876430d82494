"""A storm of faults over a few hundred entries; in the end none is lost, doubled, or of another text."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Count

from insights_recovery import hosts
from insights_recovery.models import Extraction, Insight, Outcome, ProcessingAttempt
from tests.acceptance.entries import states, wait_for_states
from tests.harness import HostProject, WorkerProcess, wait_until
from tests.hosts.extractors import digest_of
from tests.hosts.notes.models import Entry
from tests.services import Redis

FEW = 60
"""Unfinished entries below which more are written, so that no fault strikes an idle journal."""
MORE = 100
FAULTS = 12


class Storm:
    """Faults drawn from a seed, each while entries are in hand."""

    def __init__(self, workers: list[WorkerProcess], broker: Redis, seed: int) -> None:
        self.workers = workers
        self.broker = broker
        self.dice = random.Random(seed)

    def strike(self) -> None:
        """Let one thing go wrong while entries are in hand."""
        if hosts.entries().unfinished().count() < FEW:
            self.write()
        wait_until(lambda: states().get("PROCESSING", 0) > 0, 30, what="entries to be in hand")
        fault: Callable[[], None] = self.dice.choice(
            [self.kill_child, self.kill_worker, self.stop_worker, self.freeze_worker, self.forget, self.edit, self.edit]
        )
        fault()

    def write(self) -> None:
        Entry.objects.bulk_create(Entry(content=f"@@sleep=0.1 entry {self.dice.random()}") for _ in range(MORE))

    def kill_child(self) -> None:
        worker = self.dice.choice(self.workers)
        wait_until(worker.children, 30, what="a child to kill")
        worker.kill_child(self.dice.choice(worker.children()))

    def kill_worker(self) -> None:
        worker = self.dice.choice(self.workers)
        worker.kill()
        worker.start()

    def stop_worker(self) -> None:
        worker = self.dice.choice(self.workers)
        worker.terminate()
        worker.start()

    def freeze_worker(self) -> None:
        worker = self.dice.choice(self.workers)
        rescued = ProcessingAttempt.objects.filter(outcome=Outcome.LOST).count()
        held = Entry.objects.filter(processing_state="PROCESSING").count()
        worker.pause()
        wait_until(
            lambda: (
                ProcessingAttempt.objects.filter(outcome=Outcome.LOST).count() > rescued
                or Entry.objects.filter(processing_state="PROCESSING").count() < held
            ),
            30,
            what="the other worker to take over",
        )
        worker.resume()

    def forget(self) -> None:
        self.broker.flushall()

    def edit(self) -> None:
        pks = list(Entry.objects.values_list("pk", flat=True))
        entry = Entry.objects.get(pk=self.dice.choice(pks))
        text = f"@@sleep=0.02 edited to be {self.dice.random()}"
        if self.dice.random() < 0.5:
            entry.content = text
            entry.save()
        else:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE notes_entry SET content = %s WHERE id = %s", [text, entry.pk])


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_doubled_or_stale_in_a_storm_of_faults(
    host_project: HostProject, killable_redis: Redis, seed: int
):
    host_project.configure(BATCH_SIZE=8, MAX_CRASHES=20, SWEEP_INTERVAL=2)
    workers = [host_project.worker("one"), host_project.worker("two")]
    storm = Storm(workers, killable_redis, seed)

    for _ in range(FAULTS):
        storm.strike()
    total = Entry.objects.count()
    wait_for_states({"COMPLETED": total}, timeout=150)
    call_command("check_processing_status", verify=True)
    wait_for_states({"COMPLETED": total}, timeout=60)

    found = dict(Insight.objects.values_list("entry_id", "label"))
    assert {pk: digest_of(text) for pk, text in Entry.objects.values_list("pk", "content")} == found
    assert total == Extraction.objects.count() == Insight.objects.count()
    assert {0} == set(Entry.objects.values_list("processing_attempts", flat=True))
    twice = ProcessingAttempt.objects.filter(outcome=Outcome.COMPLETED).values("entry", "number")
    assert not twice.annotate(times=Count("pk")).filter(times__gt=1).exists()
