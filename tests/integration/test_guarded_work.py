"""Guards of whoever ends a lease, each with what happens where it is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from insights_recovery import clock, dispatch, recovery
from insights_recovery.exceptions import PostponeError
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.helpers import (
    MARKER,
    SCRIPTED,
    claimed,
    create,
    fresh,
    in_state,
    outcomes,
    process,
    put,
    row,
)
from tests.integration.scripted import Script, found
from tests.integration.told import told

pytestmark = pytest.mark.django_db(transaction=True)

Scripted = Callable[..., list[Any]]
Configure = Callable[..., None]


class CutShortError(Exception):
    """Stands for whatever cuts a transaction short."""


def _interrupt(table: str, verb: str) -> Callable[..., Any]:
    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(verb) and table in sql:
            raise CutShortError
        return run(sql, params, many, context)

    return execute


def _attempt(entry: Entry) -> ProcessingAttempt:
    return ProcessingAttempt.objects.get(entry=entry)


# The end of a lease is one transaction


def test_insights_the_state_and_the_history_are_written_together_or_not_at_all(scripted: Scripted) -> None:
    scripted(lambda _: found("lake"))
    entry = create()
    batch = claimed(entry)
    before = row(entry)
    with connection.execute_wrapper(_interrupt("processingattempt", "UPDATE")), pytest.raises(CutShortError):
        batch.work()
    assert before == row(entry)
    assert not Extraction.objects.exists()
    assert outcomes(entry) == ["running"]


def test_a_postponement_and_its_history_are_written_together_or_not_at_all(scripted: Scripted) -> None:
    def is_out(_: str) -> Any:
        raise PostponeError

    scripted(is_out)
    entry = create()
    batch = claimed(entry)
    with connection.execute_wrapper(_interrupt("processingattempt", "UPDATE")), pytest.raises(CutShortError):
        batch.work()
    assert fresh(entry).processing_state == State.PROCESSING


def test_a_rescue_and_its_history_are_written_together_or_not_at_all(scripted: Scripted) -> None:
    scripted()
    entry = create()
    claimed(entry)
    put(entry, due_at=clock.later(-1))
    before = row(entry)
    with connection.execute_wrapper(_interrupt("processingattempt", "UPDATE")), pytest.raises(CutShortError):
        recovery.rescue_expired(10)
    assert before == row(entry)


def test_a_release_and_its_history_are_written_together_or_not_at_all(scripted: Scripted) -> None:
    scripted()
    entry = create()
    claimed(entry)
    before = row(entry)
    with connection.execute_wrapper(_interrupt("processingattempt", "UPDATE")), pytest.raises(CutShortError):
        recovery.release([before["processing_owner"]])
    assert before == row(entry)


def test_a_claim_and_its_attempt_are_written_together_or_not_at_all(scripted: Scripted) -> None:
    scripted()
    entry = create()
    before = row(entry)
    with connection.execute_wrapper(_interrupt("processingattempt", "INSERT")), pytest.raises(CutShortError):
        process(entry)
    assert before == row(entry)


# The history


def test_between_two_extractors_the_attempt_is_open(configure: Configure) -> None:
    entry = create()
    seen: list[Any] = []

    def look(_: str) -> Any:
        seen.append((_attempt(entry).outcome, _attempt(entry).finished_at))
        return found("lake")

    Script.action, Script.calls = staticmethod(look), []  # type: ignore[assignment]
    configure(EXTRACTORS=[MARKER, SCRIPTED])
    process(entry)
    assert seen == [("running", None)]
    assert outcomes(entry) == ["completed"]


@pytest.mark.parametrize("error", [RuntimeError, PostponeError])
def test_the_history_says_what_went_wrong(scripted: Scripted, error: type[Exception]) -> None:
    def fail(_: str) -> Any:
        raise error

    scripted(fail)
    entry = create()
    process(entry)
    attempt = _attempt(entry)
    assert attempt.error_type.endswith(error.__name__)
    assert attempt.traceback
    assert attempt.finished_at is not None


def test_the_history_of_a_lost_attempt_says_so(scripted: Scripted) -> None:
    scripted()
    entry = create()
    claimed(entry)
    put(entry, due_at=clock.later(-1))
    recovery.rescue_expired(10)
    assert (_attempt(entry).error_type, _attempt(entry).error) == ("WorkerLost", "the worker let its lease run out")


# A host's entries may live in another database than the default one


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Collect the databases for which transactions are opened and for whose commits somebody waits."""
    names: list[Any] = []
    atomic, on_commit = transaction.atomic, transaction.on_commit

    def noted_atomic(using: Any = None, **options: Any) -> Any:
        names.append(using)
        return atomic(using, **options)

    def noted_on_commit(func: Any, using: Any = None, **options: Any) -> None:
        names.append(using)
        on_commit(func, using, **options)

    monkeypatch.setattr(transaction, "atomic", noted_atomic)
    monkeypatch.setattr(transaction, "on_commit", noted_on_commit)
    return names


def test_every_transaction_is_one_of_the_entries_database(scripted: Scripted, named: list[Any]) -> None:
    def is_out(_: str) -> Any:
        raise PostponeError

    scripted(is_out)
    postponed = create()
    process(postponed)
    scripted(lambda _: found("lake"))
    process(create())
    lost = in_state(State.PROCESSING)
    idle = in_state(State.PROCESSING, owner="here:1:1:idle", due_at=clock.later(60))
    recovery.renew(recovery.held_by_tasks("here:1:1", ["idle"]))
    recovery.rescue_expired(10)
    recovery.release(["here:1:1:idle"])
    dispatch.nudge([lost.pk, idle.pk], "insights")
    dispatch._mark_untold([lost.pk], "closed")
    recovery.sweep()
    assert set(named) == {"default"}


# The claim, and what cannot be claimed


def test_a_claim_takes_what_it_was_told_of_and_nothing_else(scripted: Scripted) -> None:
    scripted(lambda _: found("lake"))
    one, other = create("Walked."), create("Swam.")
    before = row(other)
    assert process(one) == {"completed": 1}
    assert before == row(other)
    assert outcomes(other) == []


def test_entries_are_worked_on_in_the_order_of_the_message(scripted: Scripted) -> None:
    given = scripted(lambda _: found("lake"))
    one, other = create("Walked."), create("Swam.")
    process(other, one)
    assert given == ["Swam.", "Walked."]


def test_a_claim_is_told_with_its_task(scripted: Scripted) -> None:
    scripted(lambda _: found("lake"))
    entry = create()
    with told("entries_claimed") as words:
        process(entry, task_id="this-task")
        process(entry)
    assert words == [{"entry_ids": [entry.pk], "task_id": "this-task"}]


def test_a_message_about_what_is_done_already_says_nothing(scripted: Scripted) -> None:
    scripted()
    entry = in_state(State.COMPLETED)
    with told("entries_unknown") as words:
        assert process(entry) == {}
    assert words == []


def test_a_suspect_that_backs_off_is_not_sent_again_and_again(scripted: Scripted, sent: Callable[[], Any]) -> None:
    scripted()
    suspect = in_state(State.PENDING, solitary=True, not_before=clock.later(60))
    sent()
    process(suspect)
    assert sent() == []


def test_of_what_could_not_be_claimed_in_company_only_the_suspects_are_sent_on(
    scripted: Scripted, sent: Callable[[], Any]
) -> None:
    scripted()
    suspect, unrelated = (in_state(State.PENDING, solitary=True) for _ in range(2))
    backing_off = in_state(State.PENDING, not_before=clock.later(60))
    sent()
    process(suspect, backing_off)
    assert [message["args"] for message in sent()] == [[[suspect.pk]]]
    assert fresh(unrelated).processing_state == State.PENDING
