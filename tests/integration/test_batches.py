"""Several entries in one message: each ends by its own merits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from insights_recovery.exceptions import PermanentError, PostponeError
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction
from tests.hosts.extractors import read_calls
from tests.integration.helpers import (
    MARKER,
    SCRIPTED_BATCH,
    again,
    create,
    fresh,
    outcomes,
    process,
    put,
    seconds_until,
)
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db

Sent = Callable[[], list[dict[str, Any]]]
Scripted = Callable[..., list[Any]]


class TooSlowError(Exception):
    """Stands for the soft time limit."""


def _raise(error: Exception) -> Callable[[Any], Any]:
    def action(_: Any) -> Any:
        raise error

    return action


def _states(*entries: Any) -> list[str]:
    return [fresh(entry).processing_state for entry in entries]


@pytest.mark.parametrize("extractor", ["MarkerExtractor", "BatchExtractor"])
def test_a_failure_concerns_its_entry_alone(configure: Callable[..., None], extractor: str) -> None:
    configure(EXTRACTORS=[f"tests.hosts.extractors.{extractor}"])
    good, bad, refused, last = create("good"), create("@@fail"), create("@@permanent"), create("last")
    assert process(good, bad, refused, last) == {"completed": 2, "failed": 2}
    assert ["COMPLETED", "PENDING", "FAILED", "COMPLETED"] == _states(good, bad, refused, last)


@pytest.mark.parametrize("extractor", ["MarkerExtractor", "BatchExtractor"])
def test_an_outage_lets_the_rest_of_the_batch_wait(configure: Callable[..., None], extractor: str) -> None:
    configure(EXTRACTORS=[f"tests.hosts.extractors.{extractor}"])
    first, out, rest = create("first"), create("@@postpone=50"), create("@@postpone=70 rest")
    assert process(first, out, rest) == {"completed": 1, "postponed": 2}
    assert ["COMPLETED", "PENDING", "PENDING"] == _states(first, out, rest)
    assert 40 < seconds_until(rest, "not_before") <= 50


def test_after_an_outage_no_other_entry_is_tried(extractor_log: Path) -> None:
    process(create("@@postpone"), create("rest"))
    assert len(read_calls(extractor_log)) == 2


def test_what_a_batch_brought_beside_an_outage_is_kept(scripted: Scripted) -> None:
    scripted(lambda texts: [found(), PostponeError(retry_after=9), found()][: len(texts)], together=True)
    first, out, last = create("first"), create("out"), create("last")
    assert process(first, out, last) == {"completed": 2, "postponed": 1}
    assert ["COMPLETED", "PENDING", "COMPLETED"] == _states(first, out, last)


def test_what_a_batch_brought_before_a_shutdown_is_kept(scripted: Scripted) -> None:
    scripted(lambda texts: [found() for _ in texts], together=True)
    assert process(create("one"), create("two"), is_stopping=lambda: True) == {"completed": 2}


def test_what_a_batch_brought_in_too_long_a_time_is_kept(scripted: Scripted, configure: Callable[..., None]) -> None:
    scripted(lambda texts: [found() for _ in texts], together=True)
    configure(SOFT_TIME_LIMIT=1e-6, TIME_LIMIT=1)
    assert process(create("one"), create("two")) == {"completed": 2}


def test_a_batch_stops_in_time_and_releases_the_rest(scripted: Scripted, configure: Callable[..., None]) -> None:
    calls = scripted()
    configure(SOFT_TIME_LIMIT=1e-6, TIME_LIMIT=1)
    assert process(create("one"), create("two"), create("three")) == {"completed": 1, "released": 2}
    assert ["one"] == calls


def test_a_batch_call_that_fails_as_a_whole_convicts_nobody(scripted: Scripted) -> None:
    scripted(_raise(RuntimeError()), together=True)
    entries = [create("one"), create("two")]
    assert process(*entries) == {"released": 2}
    assert [(0, True)] * 2 == [(e.processing_attempts, e.processing_solitary) for e in map(fresh, entries)]
    assert outcomes(entries[0]) == ["released"]


def test_after_a_batch_failed_as_a_whole_each_is_sent_alone(scripted: Scripted, sent: Sent) -> None:
    scripted(_raise(RuntimeError()), together=True)
    entries = [create("one"), create("two"), create("three")]
    process(*entries)
    assert sorted([[entry.pk]] for entry in entries) == sorted(message["args"] for message in sent())


def test_alone_the_entry_to_blame_fails_and_the_others_do_not(scripted: Scripted) -> None:
    def extract(texts: list[str]) -> Any:
        if "bad" in texts:
            raise RuntimeError
        return [found() for _ in texts]

    scripted(extract, together=True)
    good, bad = create("good"), create("bad")
    process(good, bad)
    assert process(good) == {"completed": 1}
    assert process(bad) == {"failed": 1}


def test_a_whole_call_that_is_refused_for_good_convicts_nobody_either(scripted: Scripted) -> None:
    scripted(_raise(PermanentError()), together=True)
    assert process(create("one"), create("two")) == {"released": 2}


def test_a_whole_call_that_meets_an_outage_postpones_all(scripted: Scripted) -> None:
    scripted(_raise(PostponeError(retry_after=30)), together=True)
    assert process(create("one"), create("two")) == {"postponed": 2}


@pytest.mark.parametrize("results", [[], [found()], [found()] * 3, None, 7])
def test_a_wrong_number_of_results_convicts_nobody(scripted: Scripted, results: Any) -> None:
    scripted(lambda _: results, together=True)
    entries = [create("one"), create("two")]
    assert process(*entries) == {"released": 2}
    assert not Extraction.objects.exists()


@pytest.mark.parametrize("results", [[], [found()] * 2, None])
def test_a_wrong_number_of_results_for_one_text_is_its_failure(scripted: Scripted, results: Any) -> None:
    scripted(lambda _: results, together=True)
    assert process(create("one")) == {"failed": 1}


def test_a_batch_extractor_is_given_all_texts_in_one_call(scripted: Scripted) -> None:
    calls = scripted(lambda texts: [found() for _ in texts], together=True)
    process(create("one"), create("two"))
    assert [["one", "two"]] == calls


def test_blank_and_stored_texts_cost_a_batch_nothing(configure: Callable[..., None], scripted: Scripted) -> None:
    calls = scripted(lambda texts: [found() for _ in texts], together=True)
    done = create("done")
    process(done)
    put(done, state=State.PENDING, due_at=fresh(done).processing_waiting_since)
    configure(EXTRACTORS=[SCRIPTED_BATCH])
    assert process(done, create(""), create("new")) == {"completed": 2, "skipped": 1}
    assert [["done"], ["new"]] == calls


def test_each_result_of_a_batch_lands_at_its_own_text(scripted: Scripted) -> None:
    scripted(lambda texts: [found(text) for text in texts], together=True)
    entries = [create(text) for text in ("one", "two", "three")]
    process(*reversed(entries))
    labels = [[insight.label for insight in fresh(entry).current_insights()] for entry in entries]
    assert [["one"], ["two"], ["three"]] == labels


def test_the_soft_limit_in_a_batch_convicts_nobody(scripted: Scripted) -> None:
    def extract(text: str) -> Any:
        if text == "slow":
            raise TooSlowError
        return found()

    scripted(extract)
    done, slow, rest = create("done"), create("slow"), create("rest")
    assert process(done, slow, rest, interruptions=(TooSlowError,)) == {"completed": 1, "released": 2}
    assert [0, 0] == [fresh(entry).processing_attempts for entry in (slow, rest)]
    assert [True, False] == [fresh(entry).processing_solitary for entry in (slow, rest)]


def test_the_soft_limit_of_a_call_for_many_makes_suspects_of_all(scripted: Scripted) -> None:
    scripted(_raise(TooSlowError()), together=True)
    entries = [create("one"), create("two")]
    assert process(*entries, interruptions=(TooSlowError,)) == {"released": 2}
    assert [True, True] == [fresh(entry).processing_solitary for entry in entries]


def test_suspects_in_a_message_of_several_are_passed_over_and_sent_alone(scripted: Scripted, sent: Sent) -> None:
    calls = scripted()
    good, *suspects = create("good"), create("a", solitary=True), create("b", solitary=True)
    sent()
    assert process(good, *suspects) == {"completed": 1}
    assert ["good"] == calls
    assert sorted([[entry.pk]] for entry in suspects) == sorted(message["args"] for message in sent())


def test_a_message_of_one_may_hold_a_suspect(scripted: Scripted) -> None:
    scripted()
    assert process(create("a", solitary=True)) == {"completed": 1}


def test_an_entry_claimed_alone_stands_for_itself(scripted: Scripted) -> None:
    entry = create()
    seen = []

    def look(_: str) -> Any:
        seen.append(fresh(entry).processing_solitary)
        return found()

    scripted(look)
    process(entry)
    assert [True] == seen


def test_what_a_batch_extractor_brought_is_not_asked_for_twice(
    scripted: Scripted, configure: Callable[..., None], extractor_log: Path
) -> None:
    calls = scripted(lambda texts: [found() for _ in texts], together=True)
    configure(EXTRACTORS=[SCRIPTED_BATCH, MARKER])
    bad, good = create("@@fail=1"), create("good")
    assert process(bad, good) == {"failed": 1, "completed": 1}
    again(bad)
    assert process(bad) == {"completed": 1}
    assert [["@@fail=1", "good"]] == calls
