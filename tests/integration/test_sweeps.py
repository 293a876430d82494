"""The sweep: bounded, single-flight, watched; and what it looks after besides."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from insights_recovery import clock, hosts, identity, recovery
from insights_recovery.lifecycle import FINISHED, State, digest_of
from insights_recovery.models import Extraction, Heartbeat, Insight, ProcessingAttempt
from tests.hosts.extractors import digest_of as label_of
from tests.hosts.notes.models import Entry
from tests.integration.helpers import again, create, fresh, heard, in_state, process, put, row
from tests.integration.joined import MoodyEntry

pytestmark = pytest.mark.django_db

Configure = Callable[..., None]


def _rewrite(entry: Entry, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notes_entry SET content = %s WHERE id = %s", [text, entry.pk])


def _age(**ago: float) -> None:
    ProcessingAttempt.objects.update(finished_at=clock.now() - timedelta(**ago))


def _heartbeat(**columns: Any) -> None:
    Heartbeat.objects.update_or_create(name="sweep", defaults=columns)


# Single flight


def test_a_sweep_leaves_a_heartbeat() -> None:
    recovery.sweep()
    beat = Heartbeat.objects.get(name="sweep")
    assert beat.finished_at is not None
    assert beat.token is None
    assert beat.report["offered"] == 0


def test_a_sweep_reports_what_it_did() -> None:
    in_state(State.PENDING)
    in_state(State.PROCESSING)
    changed = in_state(State.COMPLETED)
    _rewrite(changed, "Another text.")
    report = recovery.sweep()
    assert report is not None
    assert (1, 1) == (report.rescued, report.reopened)


def test_a_second_sweep_does_not_start_while_one_runs() -> None:
    _heartbeat(token="0" * 32, lease_until=timezone.now() + timedelta(minutes=1))
    assert recovery.sweep() is None


def test_a_sweep_that_died_does_not_keep_the_next_from_starting() -> None:
    _heartbeat(token="0" * 32, lease_until=timezone.now() - timedelta(seconds=1))
    assert recovery.sweep() is not None


def test_a_sweep_whose_process_is_known_dead_is_taken_over_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as sweeper:
        runner = str(identity.of_process(sweeper.pid))
        _heartbeat(token="0" * 32, lease_until=timezone.now() + timedelta(minutes=1), runner=runner)
        assert recovery.sweep() is None
        sweeper.kill()
    assert recovery.sweep() is not None


def test_a_sweep_whose_lease_was_taken_over_does_not_end_that_of_another() -> None:
    other = "12345678123456781234567812345678"

    def take_over(**_: Any) -> None:
        _heartbeat(token=other, lease_until=timezone.now() + timedelta(minutes=1))

    in_state(State.PROCESSING)
    from insights_recovery import signals

    signals.entries_rescued.connect(take_over)
    try:
        recovery.sweep()
    finally:
        signals.entries_rescued.disconnect(take_over)
    assert other == Heartbeat.objects.get(name="sweep").token.hex


def test_a_late_sweep_is_taken_over() -> None:
    _heartbeat(finished_at=timezone.now() - timedelta(seconds=451))
    assert recovery.sweep_if_overdue() is not None


def test_a_sweep_in_time_is_left_to_beat() -> None:
    _heartbeat(finished_at=timezone.now() - timedelta(seconds=440))
    assert recovery.sweep_if_overdue() is None


def test_a_sweep_that_never_was_is_overdue() -> None:
    assert recovery.sweep_if_overdue() is not None


def test_a_sweep_is_bounded(configure: Configure) -> None:
    configure(SWEEP_LIMIT=2)
    for state in (State.PENDING, State.PROCESSING):
        for _ in range(5):
            in_state(state, backfill=False)
    report = recovery.sweep()
    assert report is not None
    assert (2, 2) == (report.rescued, report.offered)


# The verify pass


@pytest.mark.parametrize("state", sorted(FINISHED))
def test_an_edit_by_sql_is_found(state: State) -> None:
    entry = in_state(state)
    _rewrite(entry, "Another text.")
    with heard("entries_reopened") as reopened:
        assert recovery.verify_slice(10) == 1
    assert [entry.pk] == reopened
    assert [State.PENDING, "edited"] == [fresh(entry).processing_state, fresh(entry).processing_reason]


def test_an_edit_by_sql_ends_in_insights_of_the_new_text() -> None:
    entry = create()
    process(entry)
    _rewrite(entry, "Another text.")
    recovery.sweep()
    process(entry)
    assert [label_of("Another text.")] == [insight.label for insight in fresh(entry).current_insights()]


@pytest.mark.parametrize("state", State)
def test_what_is_as_it_was_processed_is_left_alone(state: State) -> None:
    entry = in_state(state)
    before = row(entry)
    assert recovery.verify_slice(10) == 0
    assert before == row(entry)


def test_an_unknown_digest_is_adopted_without_a_move() -> None:
    entry = in_state(State.SKIPPED, digest="")
    before = row(entry)
    assert recovery.verify_slice(10) == 0
    assert before | {"processing_digest": digest_of(entry.content)} == row(entry)


def test_the_verify_pass_goes_round_in_slices() -> None:
    entries = [in_state(State.COMPLETED) for _ in range(5)]
    for entry in entries:
        _rewrite(entry, "Another text.")
    assert [2, 2, 1, 0] == [recovery.verify_slice(2) for _ in range(4)]


def test_the_verify_pass_begins_again_at_the_end() -> None:
    entries = [in_state(State.COMPLETED) for _ in range(4)]
    for _ in range(3):
        recovery.verify_slice(2)
    _rewrite(entries[0], "Another text.")
    assert 1 == sum(recovery.verify_slice(2) for _ in range(3))


def test_each_slice_goes_on_where_the_last_one_ended() -> None:
    entries = [in_state(State.COMPLETED) for _ in range(6)]
    _rewrite(entries[-1], "Another text.")
    assert [0, 0, 1] == [recovery.verify_slice(2) for _ in range(3)]


def test_the_slices_of_the_verify_pass_follow_the_key(configure: Configure) -> None:
    entries = [in_state(State.COMPLETED) for _ in range(3)]
    for entry in entries:
        _rewrite(entry, "Another text.")
    recovery.verify_slice(1)
    assert ["PENDING", "COMPLETED", "COMPLETED"] == [fresh(entry).processing_state for entry in entries]


def test_an_entry_whose_text_cannot_be_read_stops_no_sweep(configure: Configure) -> None:
    configure(ENTRY_MODEL="notes.MoodyEntry")
    done = MoodyEntry.objects.create(content="fine")
    process(done)
    _rewrite(done, "unreadable")
    assert recovery.sweep() is not None


@pytest.mark.sqlite
def test_a_large_verify_pass_writes_while_others_do(transactional_db: None) -> None:
    from tests.integration.helpers import Elsewhere

    entries = [Entry(content=f"text {number}") for number in range(120)]
    Entry.objects.bulk_create(entries)
    hosts.entries().update(processing_state=State.COMPLETED, processing_due_at=None, processing_digest="old")
    Heartbeat.objects.create(name="other")

    def write(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE") and "notes_entry" in sql:
            Elsewhere(lambda: Heartbeat.objects.filter(name="other").update(cursor=sql[:9])).value()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(write):
        assert 120 == recovery.verify(list(hosts.entries().values_list("pk", flat=True)))


# Orphans and history


def test_what_an_sql_delete_left_behind_is_removed() -> None:
    entry, kept = create(), create("kept")
    process(entry, kept)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM notes_entry WHERE id = %s", [entry.pk])
    report = recovery.sweep()
    assert report is not None
    assert report.orphans == 3
    for model in (Insight, Extraction, ProcessingAttempt):
        assert [kept.pk] == list(model.objects.values_list("entry_id", flat=True))


def test_old_attempts_are_pruned(configure: Configure) -> None:
    configure(HISTORY_DAYS=7)
    process(create())
    _age(days=8)
    report = recovery.sweep()
    assert report is not None
    assert report.pruned == 1
    assert not ProcessingAttempt.objects.exists()


def test_insights_are_never_pruned() -> None:
    process(create())
    _age(days=400)
    recovery.sweep()
    assert Insight.objects.count() == Extraction.objects.count() == 1


def test_recent_attempts_are_kept(configure: Configure) -> None:
    configure(HISTORY_DAYS=7)
    process(create())
    _age(days=6)
    recovery.sweep()
    assert ProcessingAttempt.objects.count() == 1


def test_the_attempts_of_a_dead_letter_are_kept() -> None:
    process(create("@@permanent"))
    _age(days=400)
    recovery.sweep()
    assert ProcessingAttempt.objects.count() == 1


def test_the_history_is_pruned_in_slices(configure: Configure) -> None:
    configure(SWEEP_LIMIT=2)
    for number in range(3):
        process(create(f"text {number}"))
    _age(days=400)
    recovery.sweep()
    assert ProcessingAttempt.objects.count() == 1


def test_the_attempt_of_an_entry_in_work_is_kept() -> None:
    from tests.integration.helpers import claimed

    entry = create()
    claimed(entry)
    recovery.sweep()
    assert ["running"] == list(ProcessingAttempt.objects.values_list("outcome", flat=True))


def test_an_entry_offered_by_a_sweep_is_extracted(sent: Callable[[], list[dict[str, Any]]]) -> None:
    entry = in_state(State.CELERY_ERROR)
    recovery.sweep()
    assert [[[entry.pk]]] == [message["args"] for message in sent()]
    again(put(entry))
    assert process(entry) == {"completed": 1}
