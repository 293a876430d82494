"""Two at the same thing at the same time, each with a connection of its own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from insights_recovery import dispatch, hosts, lifecycle, processing, recovery
from insights_recovery.lifecycle import State
from insights_recovery.models import Heartbeat, Insight, ProcessingAttempt
from insights_recovery.settling import Lease
from tests.hosts.extractors import digest_of as label_of
from tests.hosts.notes.models import Entry
from tests.integration.helpers import Elsewhere, claimed, create, fresh, in_state, process, runner, take_over
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db(transaction=True)

several_connections = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer: while it writes the other can only wait"
)
THREADS = 4


def _together(action: Callable[[int], Any]) -> list[Any]:
    """Do it on several threads that start as one."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> Any:
        start.wait()
        return action(number)

    threads = [Elsewhere(lambda number=number: run(number)) for number in range(THREADS)]  # type: ignore[misc]
    return [thread.value() for thread in threads]


def test_of_many_claims_of_the_same_entries_each_entry_goes_to_one() -> None:
    pks = [create(f"text {number}").pk for number in range(10)]

    def claim(_: int) -> list[Any]:
        lease = Lease(token=uuid4(), seconds=30.0, using="default")
        return [entry.pk for entry in processing._claim(pks, lease, runner(), alone=False)]

    claims = Counter(pk for mine in _together(claim) for pk in mine)
    assert dict.fromkeys(pks, 1) == claims
    assert len(pks) == ProcessingAttempt.objects.count()


def test_many_workers_at_the_same_message_extract_once(scripted: Callable[..., Any]) -> None:
    calls = scripted()
    pks = [create(f"text {number}").pk for number in range(6)]
    tallies = _together(lambda _: processing.process(pks, runner()))
    assert {"completed": len(pks)} == sum(tallies, Counter())
    assert len(pks) == len(calls)


@several_connections
def test_a_claim_skips_a_row_that_somebody_else_has_locked() -> None:
    locked, free = create("locked"), create("free")

    def claim() -> list[Any]:
        lease = Lease(token=uuid4(), seconds=30.0, using="default")
        return processing._claim([locked.pk, free.pk], lease, runner(), alone=False)

    with transaction.atomic():
        Entry.objects.select_for_update().get(pk=locked.pk)
        assert [free] == Elsewhere(claim).value(timeout=10)


@several_connections
def test_an_offer_skips_a_row_that_somebody_else_has_locked() -> None:
    locked, free = in_state(State.PENDING), in_state(State.PENDING)
    with transaction.atomic():
        Entry.objects.select_for_update().get(pk=locked.pk)
        assert [free.pk] == Elsewhere(lambda: dispatch.offer([locked.pk, free.pk])).value(timeout=10)


def test_of_many_offers_of_the_same_entries_one_is_sent(sent: Callable[[], list[dict[str, Any]]]) -> None:
    pks = [in_state(State.PENDING).pk for _ in range(5)]
    sent()
    _together(lambda _: dispatch.offer(pks))
    offered = Counter(pk for message in sent() for pk in message["args"][0])
    assert dict.fromkeys(pks, 1) == offered


def test_of_many_sweeps_one_runs() -> None:
    Heartbeat.objects.create(name="sweep")
    gate = threading.Barrier(THREADS)

    def take(_: int) -> bool:
        gate.wait()
        return recovery._take_sweep(uuid4())

    assert 1 == sum(_together(take))


def test_the_first_sweeps_ever_do_not_trip_over_each_other() -> None:
    in_state(State.PROCESSING)
    reports = _together(lambda _: recovery.sweep())
    assert any(reports)
    assert 1 == sum(report.rescued for report in reports if report)


def test_of_many_rescues_of_an_entry_one_counts() -> None:
    entry = in_state(State.PROCESSING, solitary=True)
    assert 1 == sum(_together(lambda _: recovery.rescue_expired(10)))
    assert fresh(entry).processing_crashes == 1


def test_a_settle_and_a_takeover_cannot_both_win(scripted: Callable[..., Any]) -> None:
    scripted(lambda _: found("stale"))
    entry = create()
    batch = claimed(entry)
    start = threading.Barrier(2)

    def take() -> None:
        start.wait()
        take_over(entry)

    other = Elsewhere(take)
    start.wait()
    tally = batch.work()
    other.value()
    assert (1 if tally else 0) == Insight.objects.count()


@several_connections
def test_an_edit_waits_for_the_settle_and_reopens_the_entry(scripted: Callable[..., Any]) -> None:
    scripted(lambda _: found("old"))
    entry = create("old")
    batch = claimed(entry)

    def edit() -> None:
        stale = Entry.objects.get(pk=entry.pk)
        stale.content = "new"
        stale.save()

    with transaction.atomic():
        batch.work()
        writer = Elsewhere(edit)
        writer.join(0.3)
        assert writer.is_alive()
    writer.value()
    assert [State.PENDING, lifecycle.digest_of("new")] == [
        fresh(entry).processing_state,
        fresh(entry).processing_digest,
    ]


@several_connections
def test_a_settle_waits_for_the_edit_and_stores_nothing_of_the_old_text() -> None:
    entry = create("old")
    batch = claimed(entry)
    with transaction.atomic():
        Entry.objects.filter(pk=entry.pk).update(content="new")
        work = Elsewhere(batch.work)
        work.join(0.3)
        assert work.is_alive()
    assert work.value() == {"superseded": 1}
    assert not Insight.objects.exists()


def test_edits_and_workers_together_end_in_the_last_text() -> None:
    entry = create("text")
    texts = iter(f"text {number}" for number in range(100))
    lock = threading.Lock()

    def write_and_work(_: int) -> None:
        for _round in range(3):
            with lock:
                Entry.objects.filter(pk=entry.pk).update(content=next(texts))
            processing.process([entry.pk], runner())

    _together(write_and_work)
    hosts.entries().unfinished().update(processing_not_before=None)
    process(entry)
    last = fresh(entry)
    assert [State.COMPLETED, lifecycle.digest_of(last.content)] == [last.processing_state, last.processing_digest]
    assert [label_of(last.content)] == list(Insight.objects.values_list("label", flat=True))
