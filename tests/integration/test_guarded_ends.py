"""Guards of a batch's common ends, and of what they tell, each with what happens where it is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError

from insights_recovery import processing
from insights_recovery.exceptions import PostponeError
from insights_recovery.lifecycle import State
from tests.hosts.notes.models import Entry
from tests.integration.helpers import claimed, create, fresh, process, runner, take_over
from tests.integration.scripted import found
from tests.integration.told import told

pytestmark = pytest.mark.django_db

Scripted = Callable[..., list[Any]]
Sent = Callable[[], list[dict[str, Any]]]


class TooSlowError(Exception):
    """Stands for the soft time limit."""


def _is_out(_: str) -> Any:
    raise PostponeError


def test_a_text_edited_meanwhile_is_told_and_offered_again_at_once(scripted: Scripted, sent: Sent) -> None:
    scripted(lambda _: found("lake"))
    entry = create("Walked.")
    batch = claimed(entry)
    Entry.objects.filter(pk=entry.pk).update(content="Swam.")
    sent()
    with told("entry_superseded") as words:
        assert batch.work() == {"superseded": 1}
    assert words == [{"entry_ids": [entry.pk]}]
    assert [message["args"] for message in sent()] == [[[entry.pk]]]


def test_a_text_that_stayed_is_not_called_edited(scripted: Scripted) -> None:
    scripted(lambda _: found("lake"))
    with told("entry_superseded") as words:
        process(create())
    assert words == []


def test_what_a_stopping_worker_gives_back_is_told(scripted: Scripted) -> None:
    scripted(lambda _: found("lake"))
    one, other = create("Walked."), create("Swam.")
    with told("entries_released") as words:
        process(one, other, is_stopping=lambda: True)
    assert words == [{"entry_ids": [other.pk]}]


def test_a_stopping_worker_sends_itself_nothing(scripted: Scripted, sent: Sent) -> None:
    scripted(lambda _: found("lake"))
    entries = create("Walked."), create("Swam.")
    sent()
    process(*entries, is_stopping=lambda: True)
    assert sent() == []


def test_what_was_lost_is_not_called_given_back(scripted: Scripted) -> None:
    entries = create("Walked."), create("Swam.")
    scripted(lambda _: (take_over(entries[1]), found("lake"))[1])
    with told("entries_released") as released, told("stale_write_refused") as refused:
        process(*entries, is_stopping=lambda: True)
    assert released == []
    assert refused == [{"entry_ids": [entries[1].pk]}]


def test_an_outage_that_finds_every_lease_ours_refuses_nothing(scripted: Scripted) -> None:
    scripted(_is_out)
    with told("stale_write_refused") as refused:
        process(create("Walked."), create("Swam."))
    assert refused == []


def test_what_an_outage_found_lost_is_refused_once_and_done_with(scripted: Scripted) -> None:
    scripted(_is_out)
    entries = create("Walked."), create("Swam.")
    batch = claimed(*entries)
    take_over(entries[0])
    with told("stale_write_refused") as refused:
        assert batch.work() == {"postponed": 1}
    assert refused == [{"entry_ids": [entries[0].pk]}]
    assert batch._open == {}


def test_the_soft_limit_before_any_call_gives_everything_back(
    scripted: Scripted, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted()
    entry = create()
    sent()
    batch = claimed(entry)
    batch._runner = runner(interruptions=(TooSlowError,))

    def strike() -> None:
        raise TooSlowError

    monkeypatch.setattr(batch, "_settle_what_needs_no_extractor", strike)
    assert batch.work() == {"released": 1}
    assert [message["args"] for message in sent()] == [[[entry.pk]]]
    assert (fresh(entry).processing_state, fresh(entry).processing_attempts) == (State.PENDING, 0)


# What nobody foresaw


def _fault(batch: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(batch, "_extract", fail)


def test_a_fault_counts_for_an_entry_that_was_alone(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted()
    entry = create()
    batch = claimed(entry)
    _fault(batch, monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        batch.work()
    assert (fresh(entry).processing_state, fresh(entry).processing_attempts) == (State.PENDING, 1)
    assert "ZeroDivisionError" in fresh(entry).processing_error


def test_a_fault_in_company_makes_suspects(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted()
    entries = create("Walked."), create("Swam.")
    batch = claimed(*entries)
    _fault(batch, monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        batch.work()
    facts = [(e.processing_state, e.processing_attempts, e.processing_solitary) for e in map(fresh, entries)]
    assert facts == [(State.PENDING, 0, True)] * 2


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_nobodys_fault(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    scripted()
    entry = create()
    batch = claimed(entry)
    _fault(batch, monkeypatch, error())
    with pytest.raises(error):
        batch.work()
    assert (fresh(entry).processing_state, fresh(entry).processing_attempts) == (State.PROCESSING, 0)


@pytest.mark.parametrize("key", [float("inf"), "no key", {}, []], ids=repr)
def test_what_can_be_no_key_is_reported_and_costs_the_others_nothing(scripted: Scripted, key: Any) -> None:
    scripted(lambda _: found("lake"))
    entry = create()
    with told("entries_unknown") as words:
        assert processing.process([key, entry.pk], runner()) == {"completed": 1}
    assert words == [{"entry_ids": [], "impossible": 1}]


def test_a_key_that_the_field_of_a_host_stumbles_over_is_none(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted()

    def stumble(*_: Any) -> Any:
        # As a field of UUIDs does for a moment or for bytes.
        raise TypeError

    monkeypatch.setattr(Entry._meta.pk, "clean", stumble)
    with told("entries_unknown") as words:
        assert processing.process([7], runner()) == {}
    assert words == [{"entry_ids": [], "impossible": 1}]
