"""Whatever an extractor returns, it is stored safely or counts as that entry's failure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from insights_recovery.extractors import ExtractedInsight, ExtractionResult
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Insight
from tests.integration.helpers import create, fresh, process
from tests.integration.hostile_values import TEXT, UNUSABLE, Endless, Kinds, Shifting, Sly, insight_of
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db

Scripted = Callable[..., list[Any]]


def _short(value: Any) -> str:
    """Return what a value is called in the name of a test."""
    words = hex(value) if isinstance(value, int) else repr(value)
    return f"{type(value).__name__} {words[:40]}"


@pytest.mark.parametrize("result", UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_result_is_a_failed_attempt(scripted: Scripted, result: Any) -> None:
    scripted(lambda _: result)
    entry = create(TEXT)
    assert process(entry) == {"failed": 1}
    assert [State.PENDING, 1] == [fresh(entry).processing_state, fresh(entry).processing_attempts]
    assert TEXT not in fresh(entry).processing_error


@pytest.mark.parametrize("result", UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_result_delays_nobody_else(scripted: Scripted, result: Any) -> None:
    scripted(lambda text: result if text == TEXT else found())
    bad, good = create(TEXT), create("another")
    assert process(bad, good) == {"failed": 1, "completed": 1}


def _stored(scripted: Scripted, result: ExtractionResult, text: str = TEXT) -> Insight:
    scripted(lambda _: result)
    entry = create(text)
    assert process(entry) == {"completed": 1}
    return Insight.objects.filter(entry=entry).get()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (7, 1.0),
        (-7, -1.0),
        (float("nan"), None),
        (float("inf"), None),
        (float("-inf"), None),
        (None, None),
        ("0.5", 0.5),
        ("nan", None),
        ("9" * 1_000_000, None),
        (Decimal("0.5"), 0.5),
        (Decimal("Infinity"), None),
        (np.float32(0.5), 0.5),
        (np.float64("nan"), None),
        (np.int64(-7), -1.0),
        (np.array(0.5), 0.5),
    ],
    ids=_short,
)
def test_a_score_is_kept_within_its_bounds(scripted: Scripted, given: Any, kept: float | None) -> None:
    assert kept == _stored(scripted, insight_of(sentiment=given)).sentiment


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (-1, 4),
        (4, 4),
        (9, 4),
        (0, 20),
        (10**12, 10**12 + 1),
        (-(10**30), 10**30),
        (0, 10**5000),
        ("0", "4"),
        (0.0, 4.0),
        (float("nan"), float("inf")),
        (False, True),
        (0, True),
        (None, 4),
        ([0], {4}),
    ],
    ids=_short,
)
def test_a_span_outside_of_the_text_is_dropped(scripted: Scripted, start: Any, end: Any) -> None:
    stored = _stored(scripted, insight_of(start=start, end=end, snippet="not there"))
    assert (None, None) == (stored.start, stored.end)


def test_a_wrong_span_is_found_again_by_its_snippet(scripted: Scripted) -> None:
    stored = _stored(scripted, insight_of(start=90, end=94, snippet="lake"))
    assert "lake" == TEXT[stored.start : stored.end]


def test_a_span_of_numpys_numbers_is_a_span(scripted: Scripted) -> None:
    stored = _stored(scripted, insight_of(start=np.int64(14), end=np.uint8(18)))
    assert [14, 18, "lake"] == [stored.start, stored.end, stored.snippet]


def test_a_kind_of_a_hosts_own_enumeration_is_stored_by_its_value(scripted: Scripted) -> None:
    stored = _stored(scripted, insight_of(kind=Kinds.THEME))
    assert ["theme", "theme"] == [stored.kind, stored.extracted_kind]


def test_what_was_checked_is_what_is_stored(scripted: Scripted) -> None:
    stored = _stored(scripted, ExtractionResult(insights=[Shifting(kind="theme", label="lake")]))
    assert ["lake", "lake"] == [stored.label, stored.extracted_label]


def test_a_string_that_answers_for_itself_is_taken_as_a_plain_one(scripted: Scripted) -> None:
    sly = Sly("lake")
    given = ExtractionResult(insights=[ExtractedInsight(kind="theme", label=sly, snippet=sly)], title=sly, summary=sly)
    stored = _stored(scripted, given)
    assert ["lake", 14, 18, "lake"] == [stored.label, stored.start, stored.end, stored.extraction.title]


def test_the_snippet_is_what_the_span_says(scripted: Scripted) -> None:
    assert "Walked" == _stored(scripted, insight_of(start=0, end=6, snippet="Swam")).snippet


@pytest.mark.parametrize("label", ["x" * 10_000, "é" * 10_000, "🏊" * 10_000])
def test_a_long_label_is_cut(scripted: Scripted, label: str) -> None:
    assert label[:255] == _stored(scripted, insight_of(label=label)).label


@pytest.mark.parametrize(
    ("given", "kept"), [("la\x00ke", "lake"), ("la\ud800ke", "la?ke"), ("  lake\n", "lake"), ("🏊 lake", "🏊 lake")]
)
def test_what_no_database_stores_is_taken_out(scripted: Scripted, given: str, kept: str) -> None:
    assert kept == _stored(scripted, insight_of(label=given)).label


@pytest.mark.parametrize("label", ["", "  ", "\x00"])
def test_an_insight_without_a_label_is_dropped(scripted: Scripted, label: str) -> None:
    scripted(lambda _: insight_of(label=label))
    assert process(create(TEXT)) == {"completed": 1}
    assert not Insight.objects.exists()


def test_of_very_many_insights_the_first_are_kept(scripted: Scripted) -> None:
    scripted(lambda _: found(*map(str, range(100_000))))
    entry = create(TEXT)
    assert process(entry) == {"completed": 1}
    assert 1000 == Insight.objects.filter(entry=entry).count()
    assert "0" == fresh(entry).current_insights()[0].label


@pytest.mark.timeout(20)
def test_of_insights_without_end_the_first_are_kept(scripted: Scripted) -> None:
    def insights() -> Iterator[ExtractedInsight]:
        return (ExtractedInsight(kind="theme", label=str(number)) for number in itertools.count())

    scripted(lambda _: ExtractionResult(insights=insights()))  # type: ignore[arg-type]
    entry = create(TEXT)
    assert process(entry) == {"completed": 1}
    assert 1000 == Insight.objects.filter(entry=entry).count()


@pytest.mark.timeout(20)
def test_of_usage_without_end_the_first_is_kept(scripted: Scripted) -> None:
    scripted(lambda _: found(usage=Endless()))
    assert process(create(TEXT)) == {"completed": 1}
    assert 32 == len(Extraction.objects.get().usage)


def test_hostile_words_about_the_whole_text_are_cut_and_cleaned(scripted: Scripted) -> None:
    long = "\x00\ud800" + "x" * 10_000_000
    scripted(lambda _: found(title=long, summary=long, language=long, usage={"model": long, "k" * 500: 1}))
    entry = create(TEXT)
    process(entry)
    stored = Extraction.objects.get()
    assert [255, 10_000, 16] == [len(stored.title), len(stored.summary), len(stored.language)]
    assert {"model", "k" * 64} == set(stored.usage)
    assert 255 == len(stored.usage["model"])


def test_keys_and_numbers_of_usage_are_stored_as_every_database_reads_them(scripted: Scripted) -> None:
    scripted(lambda _: found(usage={"to\x00kens": 2**63 - 1, "co\ud800st": np.float64(0.25), 7: -(2**63) + 1}))
    assert process(create(TEXT)) == {"completed": 1}
    assert {"tokens": 2**63 - 1, "co?st": 0.25, "7": -(2**63) + 1} == Extraction.objects.get().usage


def test_two_findings_alike_are_both_kept(scripted: Scripted) -> None:
    scripted(lambda _: found("lake", "lake"))
    process(create(TEXT))
    assert 2 == Insight.objects.count()
