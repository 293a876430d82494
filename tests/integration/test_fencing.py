"""A worker whose lease was taken over can write nothing, by whichever end of the lease."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from insights_recovery import hosts
from insights_recovery.exceptions import PermanentError, PostponeError
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Insight
from tests.hosts.extractors import digest_of as label_of
from tests.integration.helpers import (
    MARKER,
    SCRIPTED,
    claimed,
    create,
    fresh,
    heard,
    outcomes,
    process,
    put,
    row,
    take_over,
)
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db


class TooSlowError(Exception):
    """Stands for the soft time limit."""


def _fails(_: str) -> Any:
    raise RuntimeError


def _refuses(_: str) -> Any:
    raise PermanentError


def _is_out(_: str) -> Any:
    raise PostponeError


ENDS: dict[str, Callable[[str], Any]] = {
    "complete": lambda _: found("lake"),
    "retry": _fails,
    "bury": _refuses,
    "postpone": _is_out,
}


@pytest.mark.parametrize("end", ENDS)
def test_a_stale_worker_settles_nothing(scripted: Callable[..., Any], end: str) -> None:
    scripted(ENDS[end])
    entry = create()
    batch = claimed(entry)
    take_over(entry)
    before = row(entry)
    batch.work()
    assert before == row(entry)
    assert not Insight.objects.exists()
    assert not Extraction.objects.exists()


@pytest.mark.parametrize("end", ["complete", "retry", "bury"])
def test_a_refused_write_is_told(scripted: Callable[..., Any], end: str) -> None:
    scripted(ENDS[end])
    entry = create()
    batch = claimed(entry)
    take_over(entry)
    with heard("stale_write_refused") as refused:
        assert batch.work() == {}
    assert [entry.pk] == refused


def test_a_stale_worker_skips_nothing() -> None:
    entry = create("")
    batch = claimed(entry)
    take_over(entry)
    before = row(entry)
    with heard("stale_write_refused") as refused:
        batch.work()
    assert [entry.pk] == refused
    assert before == row(entry)


def test_a_stale_worker_releases_nothing(scripted: Callable[..., Any]) -> None:
    scripted()
    first, second = create("first"), create("second")
    batch = claimed(first, second)
    take_over(second)
    before = row(second)
    batch._release([first.pk, second.pk])
    assert before == row(second)
    assert fresh(first).processing_state == State.PENDING


def test_a_stale_worker_supersedes_nothing(scripted: Callable[..., Any]) -> None:
    scripted()
    entry = create("old")
    batch = claimed(entry)
    take_over(entry)
    hosts.entries().filter(pk=entry.pk).update(content="new")
    before = row(entry)
    batch.work()
    assert before == row(entry)


def test_the_first_of_two_extractors_of_a_stale_worker_stores_nothing(
    scripted: Callable[..., Any], configure: Callable[..., None]
) -> None:
    entry = create()
    scripted(lambda _: take_over(entry) or found("lake"))
    configure(EXTRACTORS=[SCRIPTED, MARKER])
    with heard("stale_write_refused") as refused:
        assert process(entry) == {}
    assert [entry.pk] == refused
    assert not Extraction.objects.exists()


def test_a_lease_lost_between_two_extractors_spares_the_second_call(
    scripted: Callable[..., Any], configure: Callable[..., None]
) -> None:
    entry = create()
    calls = scripted(lambda _: take_over(entry) or found("lake"))
    configure(EXTRACTORS=[MARKER, SCRIPTED])
    process(entry)
    assert [entry.content] == calls
    assert ["marker"] == list(Extraction.objects.values_list("extractor", flat=True))


def test_a_soft_limit_of_a_stale_worker_counts_for_nothing(scripted: Callable[..., Any]) -> None:
    entry = create()

    def extract(_: str) -> Any:
        take_over(entry)
        raise TooSlowError

    scripted(extract)
    assert process(entry, interruptions=(TooSlowError,)) == {}
    assert [State.PROCESSING, 0] == [fresh(entry).processing_state, fresh(entry).processing_attempts]


def test_a_taken_over_entry_keeps_what_its_new_holder_stored(scripted: Callable[..., Any]) -> None:
    entry = create()
    stale = claimed(entry)
    put(entry, state=State.PENDING, token=None, owner="")
    assert process(entry) == {"completed": 1}
    done = row(entry)
    scripted(lambda _: found("stale"))
    stale.work()
    assert done == row(entry)
    assert [label_of(entry.content)] == list(Insight.objects.values_list("label", flat=True))


def test_the_rest_of_a_batch_goes_on_where_one_lease_was_lost(scripted: Callable[..., Any]) -> None:
    scripted()
    lost, kept = create("lost"), create("kept")
    batch = claimed(lost, kept)
    take_over(lost)
    assert batch.work() == {"completed": 1}
    assert fresh(kept).processing_state == State.COMPLETED


def test_a_deleted_entry_gets_nothing(scripted: Callable[..., Any]) -> None:
    entry = create()
    batch = claimed(entry)
    entry.delete()
    scripted(lambda _: found("lake"))
    assert batch.work() == {}
    assert not Insight.objects.exists()


def test_the_history_of_the_new_holder_stays_open(scripted: Callable[..., Any]) -> None:
    scripted(_is_out)
    entry = create()
    stale = claimed(entry)
    put(entry, state=State.PENDING, token=None, owner="")
    claimed(entry)
    stale.work()
    assert outcomes(entry)[-1] == "running"


def test_a_stale_worker_counts_no_postponement(scripted: Callable[..., Any]) -> None:
    scripted(_is_out)
    entry = create()
    stale = claimed(entry)
    take_over(entry)
    with heard("entries_postponed") as postponed:
        assert stale.work() == {}
    assert [] == postponed
