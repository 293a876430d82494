"""One entry from the claim to the end of its lease."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from insights_recovery import clock
from insights_recovery.exceptions import PermanentError, PostponeError
from insights_recovery.lifecycle import State, digest_of
from insights_recovery.models import ProcessingAttempt
from tests.hosts.extractors import read_calls
from tests.hosts.notes.models import Entry
from tests.integration import joined
from tests.integration.helpers import (
    MARKER,
    again,
    create,
    fresh,
    heard,
    in_state,
    outcomes,
    process,
    row,
    seconds_until,
)
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db

Configure = Callable[..., None]
Scripted = Callable[..., list[Any]]


class TooSlowError(Exception):
    """Stands for the soft time limit."""


def _starts(log: Path, extractor: str) -> int:
    return sum((call.event, call.extractor) == ("start", extractor) for call in read_calls(log))


def test_an_extracted_entry_is_done_and_holds_nothing() -> None:
    entry = create()
    assert process(entry) == {"completed": 1}
    columns = row(entry)
    assert [columns[f"processing_{name}"] for name in ("state", "reason", "owner")] == ["COMPLETED", "", ""]
    assert [columns[f"processing_{name}"] for name in ("due_at", "token", "not_before")] == [None, None, None]
    assert columns["processing_digest"] == digest_of(entry.content)
    assert -5 < seconds_until(entry, "completed_at") <= 0


def test_a_second_message_for_the_same_entry_is_a_no_op(extractor_log: Path) -> None:
    entry = create()
    process(entry)
    assert process(entry) == {}
    assert len(read_calls(extractor_log)) == 2


def test_an_entry_that_is_named_twice_in_a_message_is_done_once(scripted: Scripted) -> None:
    calls = scripted()
    entry = create()
    assert process(entry, entry) == {"completed": 1}
    assert [entry.content] == calls


def test_the_claim_names_its_owner_and_its_end(scripted: Scripted) -> None:
    entry = create()
    seen: dict[str, Any] = {}

    def look(_: str) -> Any:
        seen.update(row(entry), until=seconds_until(entry, "due_at"))
        return found()

    scripted(look)
    process(entry, process="here:7:7", task_id="t-1", lease=40.0)
    assert [seen[f"processing_{name}"] for name in ("state", "owner", "claims")] == ["PROCESSING", "here:7:7:t-1", 1]
    assert 35 < seen["until"] <= 40


def test_no_transaction_is_open_while_an_extractor_works(scripted: Scripted, transactional_db: None) -> None:
    from django.db import connection

    seen = []

    def look(_: str) -> Any:
        seen.append(connection.in_atomic_block)
        return found()

    scripted(look)
    process(create())
    assert [False] == seen


def test_each_attempt_has_a_row_in_the_history(extractor_log: Path) -> None:
    entry = create("@@fail=1")
    process(entry, task_id="t-1", worker="w-1")
    again(entry)
    process(entry, task_id="t-2", worker="w-2")
    rows = ProcessingAttempt.objects.filter(entry=entry).order_by("number")
    assert [(1, "t-1", "w-1", "failed"), (2, "t-2", "w-2", "completed")] == list(
        rows.values_list("number", "task_id", "worker", "outcome")
    )
    assert all(attempt.finished_at is not None for attempt in rows)


def test_a_failure_waits_for_a_random_part_of_the_back_off(configure: Configure) -> None:
    configure(RETRY_DELAY=100, RETRY_DELAY_MAX=10_000)
    entries = [create("@@fail", attempts=2) for _ in range(8)]
    waits = []
    for entry in entries:
        assert process(entry) == {"failed": 1}
        waits.append(seconds_until(entry, "not_before"))
    assert 0 < max(waits) <= 400
    assert len({round(wait) for wait in waits}) > 1


def test_a_back_off_cannot_be_cut_short_by_a_message(extractor_log: Path) -> None:
    entry = create("@@fail=1", not_before=clock.later(30))
    assert process(entry) == {}
    assert read_calls(extractor_log) == []


def test_an_entry_that_always_fails_becomes_a_dead_letter(configure: Configure, extractor_log: Path) -> None:
    configure(MAX_ATTEMPTS=3)
    entry = create("@@fail")
    for _ in range(5):
        again(entry)
        process(entry)
    assert fresh(entry).processing_state == State.FAILED
    assert fresh(entry).processing_reason == "attempts"
    assert fresh(entry).processing_attempts == 3
    assert outcomes(entry) == ["failed"] * 3
    assert _starts(extractor_log, "marker") == 3


def test_a_permanent_error_ends_it_at_once() -> None:
    entry = create("@@permanent")
    with heard("entry_buried") as buried:
        assert process(entry) == {"failed": 1}
    assert [State.FAILED, "permanent"] == [fresh(entry).processing_state, fresh(entry).processing_reason]
    assert [entry.pk] == buried


def test_a_code_of_the_extractors_is_kept_and_its_words_are_not() -> None:
    entry = create("@@permanent")
    process(entry)
    assert "[refused]" in fresh(entry).processing_error
    assert "will never" not in fresh(entry).processing_error


def test_an_outage_burns_nothing_and_keeps_everybody_away() -> None:
    entry = create("@@postpone=90", attempts=1, crashes=1)
    assert process(entry) == {"postponed": 1}
    columns = row(entry)
    assert [columns[f"processing_{name}"] for name in ("attempts", "crashes", "postponed")] == [1, 1, 1]
    assert [columns[f"processing_{name}"] for name in ("state", "reason")] == ["PENDING", "circuit_open"]
    assert 80 < seconds_until(entry, "not_before") <= 90
    assert process(entry) == {}


def test_postponements_never_make_a_dead_letter(configure: Configure, scripted: Scripted) -> None:
    def postpone(_: str) -> Any:
        raise PostponeError(retry_after=0)

    scripted(postpone)
    configure(MAX_ATTEMPTS=1, MAX_CRASHES=1)
    entry = create()
    for _ in range(4):
        assert process(entry) == {"postponed": 1}
    assert fresh(entry).processing_postponed == 4


@pytest.mark.parametrize("text", ["unreadable", "nothing"])
def test_a_hook_that_fails_counts_as_a_failed_attempt(configure: Configure, text: str) -> None:
    configure(ENTRY_MODEL="notes.MoodyEntry", MAX_ATTEMPTS=2)
    joined.MoodyEntry.objects.bulk_create([joined.MoodyEntry(content=text)])
    entry = Entry.objects.get()
    assert process(entry) == {"failed": 1}
    again(entry)
    assert process(entry) == {"failed": 1}
    assert fresh(entry).processing_state == State.FAILED


def test_a_hook_that_fails_delays_nobody_else(configure: Configure) -> None:
    configure(ENTRY_MODEL="notes.MoodyEntry")
    joined.MoodyEntry.objects.bulk_create([joined.MoodyEntry(content=text) for text in ("unreadable", "readable")])
    assert process(*Entry.objects.order_by("pk")) == {"failed": 1, "completed": 1}


@pytest.mark.parametrize("extractors", [["nowhere.Extractor"], ["tests.integration.scripted.BrokenExtractor"]])
def test_an_extractor_that_cannot_be_made_burns_nothing(configure: Configure, extractors: list[str]) -> None:
    configure(EXTRACTORS=extractors, MAX_ATTEMPTS=1)
    entry = create()
    assert process(entry) == {"postponed": 1}
    assert [State.PENDING, "configuration"] == [fresh(entry).processing_state, fresh(entry).processing_reason]
    assert fresh(entry).processing_attempts == 0
    assert 50 < seconds_until(entry, "not_before") <= 60


def test_the_extractor_of_the_corrected_setting_does_what_waited(configure: Configure) -> None:
    configure(EXTRACTORS=["nowhere.Extractor"])
    entry = create()
    process(entry)
    configure(EXTRACTORS=[MARKER])
    again(entry)
    assert process(entry) == {"completed": 1}


def test_the_soft_limit_is_the_failure_of_an_entry_alone(scripted: Scripted) -> None:
    def extract(_: str) -> Any:
        raise TooSlowError

    scripted(extract)
    entry = create()
    assert process(entry, interruptions=(TooSlowError,)) == {"failed": 1}
    assert fresh(entry).processing_attempts == 1


def test_the_soft_limit_makes_a_dead_letter_in_the_end(scripted: Scripted, configure: Configure) -> None:
    def extract(_: str) -> Any:
        raise TooSlowError

    scripted(extract)
    configure(MAX_ATTEMPTS=1)
    entry = create()
    process(entry, interruptions=(TooSlowError,))
    assert fresh(entry).processing_state == State.FAILED


def test_an_orderly_shutdown_burns_nothing(scripted: Scripted) -> None:
    scripted()
    entries = [create(f"text {number}", attempts=1) for number in range(3)]
    assert process(*entries, is_stopping=lambda: True) == {"completed": 1, "released": 2}
    assert [1, 1] == [fresh(entry).processing_attempts for entry in entries[1:]]
    assert ["PENDING"] * 2 == [fresh(entry).processing_state for entry in entries[1:]]
    assert outcomes(entries[1]) == ["released"]


def test_an_entry_claimed_elsewhere_is_passed_over(extractor_log: Path) -> None:
    entry = in_state(State.PROCESSING)
    assert process(entry) == {}
    assert read_calls(extractor_log) == []


def test_a_permanent_error_is_told_by_its_type(scripted: Scripted) -> None:
    class RefusedError(PermanentError):
        """A subclass of the host's."""

    def refuse(_: str) -> Any:
        raise RefusedError

    scripted(refuse)
    entry = create()
    process(entry)
    assert fresh(entry).processing_reason == "permanent"
