"""Worker against worker, sweep, writer and deletion: each pair in either order, each with a connection of its own.

The first holds its transaction open at the moment that counts; the second passes by, or waits, and then sees what the
first has done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from insights_recovery import dispatch, hosts, recovery
from insights_recovery.exceptions import PermanentError, PostponeError
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Heartbeat, ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.helpers import Elsewhere, claimed, create, fresh, in_state, outcomes, process, row
from tests.integration.interleaved import claim, run_out, several_connections, waits
from tests.integration.scripted import found

pytestmark = [pytest.mark.django_db(transaction=True), several_connections]

Sent = Callable[[], list[dict[str, Any]]]


def _fail(error: type[Exception]) -> Callable[[str], Any]:
    def extract(_: str) -> Any:
        raise error

    return extract


ENDS: dict[str, tuple[Callable[[str], Any], State]] = {
    "complete": (lambda _: found("lake"), State.COMPLETED),
    "retry": (_fail(RuntimeError), State.PENDING),
    "bury": (_fail(PermanentError), State.FAILED),
    "postpone": (_fail(PostponeError), State.PENDING),
}
each_end = pytest.mark.parametrize("end", ENDS)


# Claim against claim


def test_a_claim_passes_over_what_another_is_claiming() -> None:
    entry = create()
    with transaction.atomic():
        assert [entry.pk] == claim(entry)
        assert [] == Elsewhere(lambda: claim(entry)).value(10)
    assert [] == Elsewhere(lambda: claim(entry)).value(10)
    assert [State.PROCESSING, 1] == [fresh(entry).processing_state, fresh(entry).processing_claims]
    assert 1 == ProcessingAttempt.objects.count()


def test_a_claim_that_comes_to_nothing_leaves_the_entry_to_the_next() -> None:
    entry = create()
    with transaction.atomic():
        claim(entry)
        transaction.set_rollback(True)
    assert [entry.pk] == Elsewhere(lambda: claim(entry)).value(10)


# Claim against sweep


def test_an_offer_passes_over_what_is_being_claimed(sent: Sent) -> None:
    entry = in_state(State.PENDING)
    sent()
    with transaction.atomic():
        claim(entry)
        before = row(entry)
        assert [] == Elsewhere(lambda: dispatch.offer([entry.pk])).value(10)
    assert before == row(entry)
    assert [] == sent()


def test_a_claim_passes_over_what_is_being_offered_and_finds_it_afterwards() -> None:
    entry = in_state(State.PENDING)
    with transaction.atomic():
        assert [entry.pk] == dispatch.offer([entry.pk])
        assert [] == Elsewhere(lambda: claim(entry)).value(10)
    assert [entry.pk] == Elsewhere(lambda: claim(entry)).value(10)


def test_a_sweep_takes_nothing_back_that_is_being_claimed() -> None:
    entry = in_state(State.PENDING)
    with transaction.atomic():
        claim(entry)
        assert 0 == Elsewhere(lambda: recovery.rescue_expired(10)).value(10)
    assert State.PROCESSING == fresh(entry).processing_state


def test_a_claim_passes_over_what_is_being_taken_back_and_finds_it_afterwards() -> None:
    entry = run_out(in_state(State.PROCESSING))
    with transaction.atomic():
        assert 1 == recovery.rescue_expired(10)
        assert [] == Elsewhere(lambda: claim(entry)).value(10)
    assert [entry.pk] == Elsewhere(lambda: claim(entry)).value(10)


# Settle against takeover


@each_end
def test_what_is_being_settled_is_not_taken_back(end: str, scripted: Callable[..., Any]) -> None:
    extract, target = ENDS[end]
    scripted(extract)
    entry = create()
    batch = claimed(entry)
    run_out(entry)
    with transaction.atomic():
        batch.work()
        sweep = Elsewhere(lambda: recovery.rescue_expired(10))
        assert waits(sweep)
    assert 0 == sweep.value()
    assert [target, 0] == [fresh(entry).processing_state, fresh(entry).processing_crashes]
    assert "lost" not in outcomes(entry)


@each_end
def test_what_is_being_taken_back_is_not_settled(end: str, scripted: Callable[..., Any]) -> None:
    scripted(ENDS[end][0])
    entry = create()
    batch = claimed(entry)
    run_out(entry)
    with transaction.atomic():
        assert 1 == recovery.rescue_expired(10)
        taken = row(entry)
        work = Elsewhere(batch.work)
        assert waits(work)
    assert {} == work.value()
    assert taken == row(entry)
    assert not Extraction.objects.exists()
    assert ["lost"] == outcomes(entry)


@pytest.mark.parametrize("alone", [False, True])
def test_a_lease_is_not_taken_back_for_an_earlier_one_that_ran_out(alone: bool) -> None:
    entry = create()
    earlier = claimed(entry, alone=alone)
    columns = ("pk", "processing_token", "processing_solitary", "processing_crashes")
    seen = hosts.entries().expired().values(*columns)
    run_out(entry)
    held = seen.get()
    earlier._release([entry.pk])
    claimed(entry, alone=alone)
    taken = row(run_out(entry))
    assert not recovery._take_back(hosts.entries().expired().filter(pk=entry.pk), held, recovery.SILENT)
    assert taken == row(entry)


# Renewal against takeover


def _renew() -> int:
    return recovery.renew(recovery.held_by_tasks("elsewhere:1:1", ["task"]))


def test_what_is_being_renewed_is_not_taken_back() -> None:
    entry = create()
    claim(entry)
    run_out(entry)
    with transaction.atomic():
        assert 1 == _renew()
        sweep = Elsewhere(lambda: recovery.rescue_expired(10))
        assert waits(sweep)
    assert 0 == sweep.value()
    assert State.PROCESSING == fresh(entry).processing_state


def test_what_is_being_taken_back_is_not_renewed() -> None:
    entry = create()
    claim(entry)
    run_out(entry)
    with transaction.atomic():
        recovery.rescue_expired(10)
        taken = row(entry)
        assert 0 == Elsewhere(_renew).value(10)
    assert taken == row(entry)


# Sweep against sweep


def test_a_sweep_that_is_being_started_keeps_others_from_starting_one() -> None:
    Heartbeat.objects.create(name="sweep")
    with transaction.atomic():
        assert recovery._take_sweep(uuid4())
        other = Elsewhere(lambda: recovery._take_sweep(uuid4()))
        assert waits(other)
    assert not other.value()


@pytest.mark.parametrize("solitary", [False, True])
def test_of_two_rescues_one_counts(solitary: bool) -> None:
    entry = in_state(State.PROCESSING, solitary=solitary)
    with transaction.atomic():
        assert 1 == recovery.rescue_expired(10)
        other = Elsewhere(lambda: recovery.rescue_expired(10))
        assert waits(other)
    assert 0 == other.value()
    assert solitary == fresh(entry).processing_crashes


def test_of_two_offers_one_is_sent(sent: Sent) -> None:
    entry = in_state(State.PENDING)
    sent()
    with transaction.atomic():
        dispatch.offer([entry.pk])
        assert [] == Elsewhere(lambda: dispatch.offer([entry.pk])).value(10)
    assert [] == dispatch.offer([entry.pk])
    assert [[[entry.pk]]] == [message["args"] for message in sent()]


# Claim against a writer; settle against a writer is told in test_races, settle against deletion in test_deletion


def _write(entry: Entry) -> None:
    written = Entry.objects.get(pk=entry.pk)
    written.content = "new"
    written.save()


def test_a_claim_passes_over_what_is_being_written() -> None:
    entry = create("old")
    with transaction.atomic():
        _write(entry)
        assert [] == Elsewhere(lambda: claim(entry)).value(10)
    assert {"completed": 1} == process(entry)
    assert "new" == fresh(entry).content


def test_who_writes_waits_for_a_claim_and_leaves_the_lease_alone(scripted: Callable[..., Any]) -> None:
    calls = scripted()
    entry = create("old")
    with transaction.atomic():
        batch = claimed(entry)
        writer = Elsewhere(lambda: _write(entry))
        assert waits(writer)
    writer.value()
    assert State.PROCESSING == fresh(entry).processing_state
    assert {"superseded": 1} == batch.work()
    assert {"completed": 1} == process(entry)
    assert ["old", "new"] == calls


def test_a_claim_passes_over_what_is_being_deleted() -> None:
    entry = create()
    with transaction.atomic():
        fresh(entry).delete()
        assert [] == Elsewhere(lambda: claim(entry)).value(10)
    assert not ProcessingAttempt.objects.exists()


def test_a_deletion_waits_for_a_claim_and_leaves_nothing_of_it() -> None:
    entry = create()
    with transaction.atomic():
        claim(entry)
        deletion = Elsewhere(lambda: fresh(entry).delete())
        assert waits(deletion)
    deletion.value()
    assert not ProcessingAttempt.objects.exists()
