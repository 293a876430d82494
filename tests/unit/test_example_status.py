"""States in plain words: nobody is told a bare "pending"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import QuerySet
from django.utils import timezone
from journal.factories import EntryFactory, fail, finish, hold_back, take
from journal.models import JournalEntry
from journal.status import FAILED_FOR, SKIPPED_FOR, WAITING_FOR, clock_time, status_of

from insights_recovery.lifecycle import Reason, State

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


def test_every_reason_has_words() -> None:
    assert {*WAITING_FOR, *SKIPPED_FOR, *FAILED_FOR} == set(Reason)


@pytest.mark.parametrize("reason", list(WAITING_FOR))
def test_a_waiting_entry_says_why(reason: Reason) -> None:
    columns = {"processing_due_at": timezone.now(), "processing_backfill": False}
    status = status_of(JournalEntry(processing_state=State.PENDING, processing_reason=reason, **columns))
    assert "pending" not in f"{status.label} {status.detail}".lower()
    assert status.label.startswith(WAITING_FOR[reason][0])
    assert status.detail == WAITING_FOR[reason][1]
    assert not status.is_settled


def test_a_new_entry_is_next_in_line() -> None:
    entry = EntryFactory()
    entry.refresh_from_db()
    assert status_of(entry).label == "New: next in line"


def test_an_entry_at_work() -> None:
    status = status_of(take(EntryFactory()))
    assert (status.label, status.tone, status.look_again) == ("Reading your entry…", "busy", 2)


def test_an_entry_that_is_done() -> None:
    status = status_of(finish(EntryFactory()))
    assert (status.label, status.tone, status.is_settled) == ("Done", "done", True)


def test_a_dead_letter_may_be_tried_again() -> None:
    status = status_of(fail(EntryFactory(), Reason.CRASHES))
    assert (status.tone, status.may_retry, status.is_settled) == ("trouble", True, True)
    assert "broke down" in status.detail


@pytest.mark.parametrize("reason", [Reason.RETRY, Reason.CIRCUIT_OPEN, Reason.BUDGET])
def test_what_is_put_off_says_until_when(reason: Reason) -> None:
    entry = hold_back(EntryFactory(), reason, seconds=600)
    status = status_of(entry)
    assert f"will try again at {clock_time(entry.processing_not_before, timezone.now())}" in status.label
    assert not status.may_retry
    assert status.look_again == 30


def test_an_entry_nobody_looks_at_says_so() -> None:
    entry = EntryFactory()
    QuerySet.update(JournalEntry.objects.filter(pk=entry.pk), processing_due_at=timezone.now() - timedelta(minutes=5))
    entry.refresh_from_db()
    assert "Nobody is reading at the moment" in status_of(entry).detail


def test_the_clock_names_the_day_unless_it_is_today() -> None:
    assert clock_time(NOON + timedelta(minutes=5), NOON) == "12:05"
    assert clock_time(NOON + timedelta(days=1), NOON) == "12:00 on 6 March"


def test_the_clock_goes_by_the_readers_zone() -> None:
    with timezone.override("Europe/Berlin"):
        assert clock_time(NOON, NOON) == "13:00"
