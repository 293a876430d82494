"""The verdict of a chaos run can fail: each kind of offence is made by hand, and is seen."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone

from insights_recovery.chaos import making, verdict
from insights_recovery.chaos.conductor import Conductor, remove
from insights_recovery.chaos.extractor import NAMES, FirstChaosExtractor, SecondChaosExtractor, labels
from insights_recovery.chaos.journal import WRITES, note
from insights_recovery.chaos.orders import VARIABLE, Orders
from insights_recovery.chaos.processes import Process
from insights_recovery.chaos.stage import Cast, Held
from insights_recovery.chaos.verdict import Recoveries, judge, stale
from insights_recovery.exceptions import PermanentError
from insights_recovery.lifecycle import State, digest_of
from insights_recovery.models import Extraction, Insight, Outcome, ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.helpers import OWNER, again, claimed, create, fresh, in_state, process, put
from tests.unit.test_chaos_orders import told

pytestmark = pytest.mark.django_db

OURS = [f"{kind.__module__}.{kind.__qualname__}" for kind in (FirstChaosExtractor, SecondChaosExtractor)]

Made = Callable[..., Entry]


@pytest.fixture(autouse=True)
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]) -> Orders:
    """The orders of a run, whose extractors are this process's."""
    ours = told(tmp_path)
    monkeypatch.setenv(VARIABLE, ours.environment()[VARIABLE])
    configure(EXTRACTORS=OURS)
    return ours


@pytest.fixture
def done() -> Made:
    """Return a function that makes an entry which our own code has done with the extractors of chaos."""

    def make(text: str = "Walked to the lake.") -> Entry:
        entry = create(text)
        process(entry)
        assert fresh(entry).processing_state == State.COMPLETED
        return entry

    return make


def found(*kept: Entry) -> dict[str, list[str]]:
    """Return the kinds of offences that there are, given the entries that must be there, with the offenders."""
    offences = vars(judge({str(entry.pk) for entry in kept}))
    return {kind: who for kind, who in offences.items() if who}


def kinds(*kept: Entry) -> set[str]:
    """Return the kinds alone."""
    return set(found(*kept))


# What is as it should be


def test_without_entries_nothing_is_wrong() -> None:
    assert found() == {}


def test_entries_that_are_done_are_no_offence(done: Made) -> None:
    entries = [done(f"day {number}") for number in range(3)]
    assert found(*entries) == {}
    assert judge({str(entry.pk) for entry in entries}).count() == 0


def test_an_entry_of_which_the_ledger_knows_nothing_may_be_there(done: Made) -> None:
    done()
    assert found() == {}


def test_an_edited_entry_that_was_done_again_is_no_offence(done: Made) -> None:
    entry = done()
    entry.content = "Walked to the river."
    entry.save()
    process(entry)
    assert found(entry) == {}


def test_faults_that_did_no_harm_are_no_offence(done: Made) -> None:
    entry = done()
    for outcome in (Outcome.LOST, Outcome.RELEASED, Outcome.POSTPONED, Outcome.SUPERSEDED):
        ProcessingAttempt.objects.create(entry=entry, number=9, token=uuid4(), outcome=outcome)
    assert found(entry) == {}


# Lost


@pytest.mark.parametrize("state", [State.PENDING, State.CELERY_ERROR, State.PROCESSING, State.SKIPPED])
def test_an_entry_that_has_not_ended_is_lost(state: State) -> None:
    entry = in_state(state)
    assert found(entry) == {"lost": [f"{entry.pk} ({state}; ; 0 insights)"]}


def test_an_entry_that_is_waiting_with_all_of_its_insights_is_lost_too(done: Made) -> None:
    entry = put(done(), state=State.PENDING, due_at=timezone.now())
    assert found(entry) == {"lost": [f"{entry.pk} (PENDING; chaos-first, chaos-second; 6 insights)"]}


def test_an_entry_that_has_not_ended_is_lost_though_the_ledger_does_not_know_it() -> None:
    in_state(State.PENDING)
    assert kinds() == {"lost"}


def test_an_entry_that_is_gone_is_lost(done: Made) -> None:
    kept, gone = done("kept"), done("gone")
    key = gone.pk
    gone.delete()
    assert judge({str(kept.pk), str(key)}).lost == [f"{key} (gone)"]


def test_an_entry_that_is_done_without_any_insight_is_lost() -> None:
    assert kinds(in_state(State.COMPLETED)) == {"lost"}


@pytest.mark.parametrize("extractor", NAMES)
def test_an_entry_without_the_set_of_one_extractor_is_lost(done: Made, extractor: str) -> None:
    entry = done()
    Extraction.objects.filter(entry=entry, extractor=extractor).delete()
    assert kinds(entry) == {"lost"}


@pytest.mark.parametrize("extractor", NAMES)
def test_an_entry_with_a_torn_set_is_lost(done: Made, extractor: str) -> None:
    entry = done()
    Insight.objects.filter(entry=entry, extraction__extractor=extractor).first().delete()
    assert kinds(entry) == {"lost"}


def test_insights_without_their_extraction_are_lost(done: Made) -> None:
    entry = done()
    Insight.objects.filter(entry=entry).update(extraction=None)
    Extraction.objects.filter(entry=entry).delete()
    assert kinds(entry) == {"lost"}


def test_every_lost_entry_is_counted_beyond_a_page(monkeypatch: pytest.MonkeyPatch, done: Made) -> None:
    monkeypatch.setattr(verdict, "PAGE", 2)
    good = [done(f"day {number}") for number in range(3)]
    bad = [in_state(State.PENDING, f"lost {number}") for number in range(4)]
    assert len(found(*good, *bad)["lost"]) == 4


# Doubled


def test_the_same_finding_twice_is_doubled(done: Made) -> None:
    entry = done()
    again_found = Insight.objects.filter(entry=entry).first()
    again_found.pk = None
    again_found.save(force_insert=True)
    assert kinds(entry) == {"doubled"}


def test_a_whole_set_twice_is_doubled(done: Made) -> None:
    entry = done()
    for insight in Insight.objects.filter(entry=entry, extraction__extractor=NAMES[0]):
        insight.pk = None
        insight.save(force_insert=True)
    assert kinds(entry) == {"doubled"}


def test_two_extractions_of_one_extractor_are_doubled(done: Made) -> None:
    """The database admits no second one of the same text, so that one of them is of another."""
    entry = done()
    Extraction.objects.create(
        entry=entry, extractor=NAMES[0], version="1", text_digest=digest_of("another"), duration=0
    )
    assert kinds(entry) == {"doubled", "wrong_version"}


# Of another text


def _overwrite(entry: Entry, text: str) -> None:
    """Change the text by SQL that no code of ours sees."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notes_entry SET content = %s WHERE id = %s", [text, entry.pk])


def test_insights_of_an_older_text_are_of_another_text(done: Made) -> None:
    entry = done()
    _overwrite(entry, "Walked to the river.")
    assert fresh(entry).processing_state == State.COMPLETED
    assert kinds(entry) == {"wrong_version"}


def test_the_extraction_of_an_older_text_is_seen_without_its_insights(done: Made) -> None:
    entry = done()
    Extraction.objects.filter(entry=entry, extractor=NAMES[1]).update(text_digest=digest_of("an older text"))
    assert kinds(entry) == {"wrong_version"}


def test_insights_of_an_older_text_are_seen_beside_those_of_its_own(done: Made) -> None:
    entry = done()
    extraction = Extraction.objects.filter(entry=entry).first()
    (label, *_) = labels(NAMES[0], digest_of("an older text"))
    Insight.objects.create(entry=entry, extraction=extraction, kind="keyphrase", label=label)
    assert kinds(entry) == {"wrong_version"}


def test_an_old_set_under_a_new_extraction_is_of_another_text(done: Made) -> None:
    entry = done()
    _overwrite(entry, "Walked to the river.")
    Extraction.objects.filter(entry=entry).update(text_digest=digest_of("Walked to the river."))
    assert kinds(entry) == {"wrong_version"}


# Convicted


def test_a_dead_letter_is_convicted() -> None:
    assert kinds(in_state(State.FAILED)) == {"convicted"}


def test_a_failed_attempt_is_convicted_though_the_entry_was_done_after_it(
    scripted: Callable[..., list[Any]], configure: Callable[..., None]
) -> None:
    def fail(_: str) -> None:
        raise PermanentError("nothing", code="broken")

    scripted(fail)
    entry = create()
    process(entry)
    configure(EXTRACTORS=OURS)
    entry.content = "another"
    entry.save()
    process(entry)
    assert fresh(entry).processing_state == State.COMPLETED

    (offender,) = found(entry)["convicted"]

    assert offender.startswith(f"{entry.pk} (")
    assert "broken" in offender


# Left behind


def _delete_by_sql(entry: Entry) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM notes_entry WHERE id = %s", [entry.pk])


def test_what_a_deleted_entry_leaves_is_left_behind(done: Made) -> None:
    kept, gone = done("kept"), done("gone")
    counts = {
        model._meta.model_name: model.objects.filter(entry=gone).count()
        for model in (Extraction, Insight, ProcessingAttempt)
    }
    assert counts == {"extraction": 2, "insight": 6, "processingattempt": 1}
    _delete_by_sql(gone)

    left = found(kept)

    assert set(left) == {"left_behind"}
    assert {name: sum(who.startswith(name) for who in left["left_behind"]) for name in counts} == counts


@pytest.mark.parametrize("model", [Extraction, Insight, ProcessingAttempt])
def test_one_row_of_a_deleted_entry_is_enough(done: Made, model: Any) -> None:
    gone = done()
    _delete_by_sql(gone)
    for other in (Insight, Extraction, ProcessingAttempt):
        if other is not model:
            if other is Extraction:
                Insight.objects.update(extraction=None)
            other.objects.all().delete()
    assert kinds() == {"left_behind"}


def test_an_attempt_that_nobody_closed_is_left_behind(done: Made) -> None:
    entry = done()
    attempt = ProcessingAttempt.objects.create(entry=entry, number=2, token=uuid4())
    assert attempt.outcome == Outcome.RUNNING
    assert found(entry) == {"left_behind": [f"attempt {attempt.pk}"]}


# All at once


def test_offences_are_counted_together(done: Made) -> None:
    in_state(State.PENDING)
    in_state(State.FAILED)
    _overwrite(done(), "Walked to the river.")
    assert judge({"987654"}).count() == 4


def test_removing_the_entries_of_a_run_leaves_nothing_for_the_next_verdict(done: Made) -> None:
    kept = done("a person's")
    done(f"{making.MARK} one")
    _delete_by_sql(done("gone"))

    remove(making.of_chaos())

    assert list(Entry.objects.all()) == [kept]
    assert found(kept) == {}
    assert (Extraction.objects.count(), Insight.objects.count(), ProcessingAttempt.objects.count()) == (2, 6, 1)


# Texts that the verify pass must find


def test_an_entry_whose_text_was_changed_past_every_guard_is_stale_until_it_is_found(done: Made) -> None:
    entry, other = done(), done("other")
    assert not stale({str(entry.pk), str(other.pk)})

    _overwrite(entry, "Walked to the river.")
    assert not stale({str(other.pk)})
    assert stale({str(entry.pk), str(other.pk)})

    put(entry, digest=digest_of("Walked to the river."))
    assert not stale({str(entry.pk)})


def test_what_is_gone_is_not_stale(done: Made) -> None:
    gone = done()
    key = str(gone.pk)
    gone.delete()
    assert not stale({key})
    assert not stale(set())


def test_all_pages_are_looked_through_for_stale_ones(monkeypatch: pytest.MonkeyPatch, done: Made) -> None:
    monkeypatch.setattr(verdict, "PAGE", 2)
    entries = [done(f"day {number}") for number in range(5)]
    for entry in entries:
        _overwrite(entry, "Walked to the river.")
        keys = {str(one.pk) for one in entries}
        assert stale(keys)
        _overwrite(entry, entry.content)
        assert not stale(keys)


# How long it took


STRUCK = timezone.now()


def _attempt(entry: Entry, number: int, outcome: Outcome, *, after: float, token: UUID | None = None) -> UUID:
    """Store an attempt that started so many seconds after the strike; return its token."""
    token = token or uuid4()
    ProcessingAttempt.objects.create(
        entry=entry, number=number, token=token, outcome=outcome, started_at=STRUCK + timedelta(seconds=after)
    )
    return token


def _watched(*held: tuple[Entry, UUID]) -> Recoveries:
    recoveries = Recoveries()
    hit = [Held(pk=entry.pk, token=token, owner=OWNER, seen_at=STRUCK) for entry, token in held]
    recoveries.add("worker killed", hit)
    return recoveries


@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.RELEASED])
def test_recovery_takes_from_the_strike_to_the_next_attempt(outcome: Outcome) -> None:
    entry = create()
    recoveries = _watched((entry, _attempt(entry, 1, outcome, after=-2)))
    _attempt(entry, 2, Outcome.LOST, after=1.5)
    _attempt(entry, 3, Outcome.COMPLETED, after=7)

    recoveries.settle()

    assert recoveries.seconds == {"worker killed": [1.5]}


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.SUPERSEDED, Outcome.POSTPONED, Outcome.FAILED])
def test_what_the_fault_did_not_reach_is_no_recovery(outcome: Outcome) -> None:
    entry = create()
    recoveries = _watched((entry, _attempt(entry, 1, outcome, after=-2)))
    recoveries.settle()
    _attempt(entry, 2, Outcome.COMPLETED, after=1.5)
    recoveries.settle()
    assert recoveries.seconds == {}


def test_it_is_watched_until_somebody_has_it_again() -> None:
    entry = create()
    token = _attempt(entry, 1, Outcome.RUNNING, after=-2)
    recoveries = _watched((entry, token))
    recoveries.settle()
    assert recoveries.seconds == {}

    ProcessingAttempt.objects.filter(token=token).update(outcome=Outcome.LOST)
    recoveries.settle()
    assert recoveries.seconds == {}

    _attempt(entry, 2, Outcome.RUNNING, after=4)
    recoveries.settle()
    recoveries.settle()
    assert recoveries.seconds == {"worker killed": [4.0]}


def test_each_entry_of_a_batch_is_watched_by_itself() -> None:
    taken, kept = create(), create()
    token = _attempt(taken, 1, Outcome.LOST, after=-2)
    other = _attempt(kept, 1, Outcome.LOST, after=-2, token=token)
    _attempt(taken, 2, Outcome.COMPLETED, after=2)

    recoveries = _watched((taken, token), (kept, other))
    recoveries.settle()
    assert recoveries.seconds == {"worker killed": [2.0]}

    _attempt(kept, 2, Outcome.COMPLETED, after=3)
    recoveries.settle()
    assert recoveries.seconds == {"worker killed": [2.0, 3.0]}


def test_what_was_taken_back_before_the_strike_is_said_took_no_time() -> None:
    entry = create()
    recoveries = _watched((entry, _attempt(entry, 1, Outcome.LOST, after=-2)))
    _attempt(entry, 2, Outcome.COMPLETED, after=-0.01)
    recoveries.settle()
    assert recoveries.seconds == {"worker killed": [0.0]}


def test_what_was_deleted_is_watched_no_longer() -> None:
    entry = create()
    recoveries = _watched((entry, uuid4()))
    recoveries.settle()
    _attempt(entry, 1, Outcome.LOST, after=1)
    recoveries.settle()
    assert recoveries.seconds == {}


# The conductor's verdict


@pytest.fixture
def conductor(given: Orders) -> Conductor:
    """A conductor whose run is over, and of whose processes there is only the output."""
    ours = Conductor(given, Cast(), [], entries=1, patience=1)
    ours.stage.workers = [Process(f"worker-{number}", [], folder=given.path, environment={}) for number in range(2)]
    ours.stage.writers = [Process("writer-0", [], folder=given.path, environment={})]
    ours.stage.beat = Process("beat", [], folder=given.path, environment={})
    for ended in ours.stage.processes:
        (given.path / f"{ended.name}.out").write_text("[INFO] entry_completed entry_ids=1\n")
    return ours


def test_outputs_without_a_text_are_no_leaks(conductor: Conductor) -> None:
    assert conductor._verdict(0, 0).leaks == []


@pytest.mark.parametrize("name", ["worker-1", "writer-0", "beat"])
def test_an_output_that_holds_a_text_is_a_leak(conductor: Conductor, given: Orders, name: str) -> None:
    with (given.path / f"{name}.out").open("a") as output:
        output.write(f"ValueError: {making.new_text(given.phrase, random.Random(1))[:60]}\n")

    outcome = conductor._verdict(0, 0)

    assert outcome.leaks == [name]
    assert outcome.violations == 1


def test_the_verdict_is_about_what_the_ledger_says(conductor: Conductor, given: Orders, done: Made) -> None:
    kept, gone = done("kept"), done("deleted")
    for entry in (kept, gone):
        note(given.path, WRITES, "created", entry.pk, 0.5)
    note(given.path, WRITES, "edited", kept.pk, 0.75)
    note(given.path, WRITES, "deleting", gone.pk, 0)
    gone.delete()
    note(given.path, WRITES, "created", 987654, 0.1)

    outcome = conductor._verdict(0, 1.5)

    assert (outcome.created, outcome.deleted, outcome.edits, outcome.longest_write) == (3, 1, 1, 0.75)
    assert outcome.offences.lost == ["987654 (gone)"]
    assert outcome.violations == 1
    assert outcome.settled_after == 1.5


def test_calls_and_refused_writes_are_in_the_verdict(conductor: Conductor, given: Orders, done: Made) -> None:
    entry = done()
    Extraction.objects.filter(entry=entry).delete()
    put(entry, state=State.PENDING, due_at=timezone.now(), digest="")
    again(entry)
    process(entry)
    note(given.path, "events.log", "stale_write_refused", 3)

    outcome = conductor._verdict(0, 0)

    assert outcome.repeated_extractions == 2
    assert outcome.stale_writes_refused == 3


def test_it_is_quiet_once_all_have_ended_and_nothing_is_stale(conductor: Conductor, given: Orders, done: Made) -> None:
    entry = done()
    note(given.path, WRITES, "created", entry.pk, 0)
    assert conductor._is_quiet()

    _overwrite(entry, "Walked to the river.")
    assert conductor._is_quiet(), "nobody said so"
    note(given.path, WRITES, "overwriting", entry.pk, 0)
    assert not conductor._is_quiet()

    put(entry, digest=digest_of("Walked to the river."))
    assert conductor._is_quiet()
    create("one more")
    assert not conductor._is_quiet()


def test_one_in_work_is_not_quiet(conductor: Conductor) -> None:
    entry = create()
    claimed(entry)
    assert not conductor._is_quiet()
