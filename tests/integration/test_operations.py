"""What a person may ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from insights_recovery import clock, operations
from insights_recovery.lifecycle import FINISHED, State, digest_of
from insights_recovery.models import Insight
from tests.hosts.extractors import read_calls
from tests.integration.helpers import create, fresh, in_state, process, row

pytestmark = pytest.mark.django_db

Sent = Callable[[], list[dict[str, Any]]]


@pytest.mark.parametrize("state", [State.PENDING, State.CELERY_ERROR, State.FAILED])
def test_a_retry_forgives_and_offers_after_the_commit(
    state: State, sent: Sent, django_capture_on_commit_callbacks: Any
) -> None:
    entry = in_state(state, attempts=5, crashes=3)
    with django_capture_on_commit_callbacks(execute=True):
        assert operations.retry([entry.pk]) == 1
        assert sent() == []
    assert [State.PENDING, 0, 0] == [getattr(fresh(entry), f"processing_{n}") for n in ("state", "attempts", "crashes")]
    assert [[[entry.pk]]] == [message["args"] for message in sent()]


@pytest.mark.parametrize("state", [State.PROCESSING, State.COMPLETED, State.SKIPPED])
def test_a_retry_leaves_what_is_done_or_in_work(state: State, sent: Sent) -> None:
    entry = in_state(state)
    before = row(entry)
    assert operations.retry([entry.pk]) == 0
    assert before == row(entry)
    assert sent() == []


def test_a_retry_ends_a_back_off() -> None:
    entry = in_state(State.PENDING, not_before=clock.later(900), due_at=clock.later(900))
    operations.retry([entry.pk])
    assert process(entry) == {"completed": 1}


@pytest.mark.parametrize("state", sorted(FINISHED))
def test_reprocessing_calls_the_extractor_again(state: State, extractor_log: Path) -> None:
    entry = create()
    process(entry)
    assert operations.reprocess([entry.pk]) == 1
    process(entry)
    assert 4 == len(read_calls(extractor_log))
    assert 1 == Insight.objects.count()


def test_reprocessing_goes_behind_what_people_write() -> None:
    entry = in_state(State.COMPLETED, backfill=False)
    operations.reprocess([entry.pk])
    assert fresh(entry).processing_backfill


@pytest.mark.parametrize("state", sorted(set(State) - FINISHED))
def test_what_is_not_finished_cannot_be_reprocessed(state: State) -> None:
    entry = in_state(state)
    assert operations.reprocess([entry.pk]) == 0


def test_reprocessing_an_unfinished_entry_throws_no_checkpoint_away(extractor_log: Path) -> None:
    entry = create()
    process(entry)
    operations.reprocess([entry.pk])
    process(entry)
    operations.retry([entry.pk])
    assert not fresh(entry).current_extractions().filter(is_outdated=True).exists()


@pytest.mark.parametrize("state", [State.PENDING, State.CELERY_ERROR, State.FAILED])
def test_a_person_may_leave_an_entry_be(state: State) -> None:
    entry = in_state(state, "text")
    assert operations.skip([entry.pk]) == 1
    columns = row(entry)
    assert ["SKIPPED", "by_hand", digest_of("text")] == [
        columns[f"processing_{name}"] for name in ("state", "reason", "digest")
    ]


@pytest.mark.parametrize("state", [State.PROCESSING, State.COMPLETED, State.SKIPPED])
def test_what_is_done_or_in_work_cannot_be_skipped(state: State) -> None:
    assert operations.skip([in_state(state).pk]) == 0


def test_a_skipped_entry_that_is_edited_is_done_after_all() -> None:
    entry = create()
    operations.skip([entry.pk])
    entry = fresh(entry)
    entry.content = "edited"
    entry.save()
    assert process(entry) == {"completed": 1}


@pytest.mark.parametrize("state", [State.PENDING, State.CELERY_ERROR, State.FAILED])
def test_processing_now_needs_no_broker(state: State, dead_broker: str) -> None:
    entry = in_state(state, not_before=None if state == State.FAILED else clock.later(900))
    assert operations.process_now([entry.pk]) == {"completed": 1}


@pytest.mark.parametrize("state", [State.PROCESSING, State.COMPLETED, State.SKIPPED])
def test_processing_now_leaves_what_is_done_or_in_work(state: State) -> None:
    entry = in_state(state)
    before = row(entry)
    assert operations.process_now([entry.pk]) == {}
    assert before == row(entry)


def test_processing_now_does_a_suspect() -> None:
    entry = in_state(State.PENDING, solitary=True)
    assert operations.process_now([entry.pk]) == {"completed": 1}


def test_processing_now_says_how_each_ended() -> None:
    entries = [create("good"), create("@@fail"), create("")]
    assert operations.process_now([entry.pk for entry in entries]) == {"completed": 1, "failed": 1, "skipped": 1}


def test_the_lease_of_what_is_processed_here_outlasts_an_extraction(
    scripted: Callable[..., Any], configure: Callable[..., None]
) -> None:
    from tests.integration.helpers import seconds_until
    from tests.integration.scripted import found

    entry, seen = create(), []

    def look(_: str) -> Any:
        seen.append(seconds_until(entry, "due_at"))
        return found()

    scripted(look)
    configure(TIME_LIMIT=200, SOFT_TIME_LIMIT=100)
    operations.process_now([entry.pk])
    assert 190 < seen[0] <= 200


def test_unknown_keys_move_nothing() -> None:
    verbs = (operations.retry, operations.reprocess, operations.skip)
    assert [0, 0, 0] == [verb([10**9]) for verb in verbs]


def test_more_keys_than_one_statement_takes_are_all_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "CHUNK", 2)
    entries = [in_state(State.FAILED) for _ in range(5)]
    assert operations.retry([entry.pk for entry in entries]) == 5
