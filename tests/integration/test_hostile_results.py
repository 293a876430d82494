"""Whatever an extractor returns, it is stored safely or counts as that entry's failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DataError, connection

from insights_recovery.extractors import ExtractedInsight, ExtractionResult
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Insight
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, fresh, process
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db

Scripted = Callable[..., list[Any]]
TEXT = "Walked to the lake."


class Raising:
    """Raises at whatever it is asked."""

    def __float__(self) -> float:
        raise RuntimeError(TEXT)

    def __str__(self) -> str:
        raise RuntimeError(TEXT)

    def keys(self) -> Any:
        """Raise, as the mapping of a lazy client might."""
        raise RuntimeError(TEXT)


class Lazy(list[ExtractedInsight]):
    """Raises when it is read, as the answer of a streaming client might."""

    def __iter__(self) -> Iterator[ExtractedInsight]:
        yield ExtractedInsight(kind="theme", label="first")
        raise RuntimeError(TEXT)


def _insight(**fields: Any) -> ExtractionResult:
    return ExtractionResult(insights=[ExtractedInsight(**({"kind": "theme", "label": "lake"} | fields))])


UNUSABLE: dict[str, Any] = {
    "none": None,
    "dict": {"insights": []},
    "string": "lake",
    "look-alike": SimpleNamespace(insights=[]),
    "no insights": ExtractionResult(insights=None),  # type: ignore[arg-type]
    "foreign insight": ExtractionResult(insights=[{"kind": "theme", "label": "lake"}]),  # type: ignore[list-item]
    "insights that raise": ExtractionResult(insights=Lazy()),
    "unknown kind": _insight(kind="weather"),
    "unhashable kind": _insight(kind=["theme"]),
    "label of a wrong type": _insight(label=7),
    "no label": _insight(label=None),
    "snippet of a wrong type": _insight(snippet=b"lake"),
    "score of a wrong type": _insight(sentiment="good"),
    "score that raises": _insight(sentiment=Raising()),
    "score beyond floats": _insight(confidence=10**400),
    "summary of a wrong type": found(summary=["lake"]),
    "no title": found(title=None),
    "language of a wrong type": found(language=7),
    "usage that is not serialisable": found(usage={"client": object()}),
    "usage of a set": found(usage={"tokens": {1}}),
    "usage that is not finite": found(usage={"cost": float("nan")}),
    "usage of a wrong type": found(usage=7),
    "usage that raises": found(usage=Raising()),
    "usage with a key that raises": found(usage={Raising(): 1}),
}


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
    ],
)
def test_a_score_is_kept_within_its_bounds(scripted: Scripted, given: Any, kept: float | None) -> None:
    assert kept == _stored(scripted, _insight(sentiment=given)).sentiment


@pytest.mark.parametrize(
    ("start", "end"), [(-1, 4), (4, 4), (9, 4), (0, 20), (10**12, 10**12 + 1), ("0", "4"), (0.0, 4.0), (None, 4)]
)
def test_a_span_outside_of_the_text_is_dropped(scripted: Scripted, start: Any, end: Any) -> None:
    stored = _stored(scripted, _insight(start=start, end=end, snippet="not there"))
    assert (None, None) == (stored.start, stored.end)


def test_a_wrong_span_is_found_again_by_its_snippet(scripted: Scripted) -> None:
    stored = _stored(scripted, _insight(start=90, end=94, snippet="lake"))
    assert "lake" == TEXT[stored.start : stored.end]


def test_the_snippet_is_what_the_span_says(scripted: Scripted) -> None:
    assert "Walked" == _stored(scripted, _insight(start=0, end=6, snippet="Swam")).snippet


@pytest.mark.parametrize("label", ["x" * 10_000, "é" * 10_000, "🏊" * 10_000])
def test_a_long_label_is_cut(scripted: Scripted, label: str) -> None:
    assert label[:255] == _stored(scripted, _insight(label=label)).label


@pytest.mark.parametrize(
    ("given", "kept"), [("la\x00ke", "lake"), ("la\ud800ke", "la?ke"), ("  lake\n", "lake"), ("🏊 lake", "🏊 lake")]
)
def test_what_no_database_stores_is_taken_out(scripted: Scripted, given: str, kept: str) -> None:
    assert kept == _stored(scripted, _insight(label=given)).label


@pytest.mark.parametrize("label", ["", "  ", "\x00"])
def test_an_insight_without_a_label_is_dropped(scripted: Scripted, label: str) -> None:
    scripted(lambda _: _insight(label=label))
    assert process(create(TEXT)) == {"completed": 1}
    assert not Insight.objects.exists()


def test_of_very_many_insights_the_first_are_kept(scripted: Scripted) -> None:
    scripted(lambda _: found(*map(str, range(100_000))))
    entry = create(TEXT)
    assert process(entry) == {"completed": 1}
    assert 1000 == Insight.objects.filter(entry=entry).count()
    assert "0" == fresh(entry).current_insights()[0].label


def test_hostile_words_about_the_whole_text_are_cut_and_cleaned(scripted: Scripted) -> None:
    long = "\x00\ud800" + "x" * 100_000
    scripted(lambda _: found(title=long, summary=long, language=long, usage={"model": long, "k" * 500: 1}))
    entry = create(TEXT)
    process(entry)
    stored = Extraction.objects.get()
    assert [255, 10_000, 16] == [len(stored.title), len(stored.summary), len(stored.language)]
    assert {"model", "k" * 64} == set(stored.usage)


def test_a_text_of_five_megabytes_is_extracted(scripted: Scripted) -> None:
    text = "lake " * 1_000_000
    stored = _stored(scripted, _insight(start=4_999_995, end=4_999_999), text)
    assert ["lake", 4_999_995] == [stored.snippet, stored.start]


@pytest.mark.parametrize("text", ["🏊 in the lake", "ß ﷽ \u202e e\u0301", "'; DROP TABLE notes_entry; --", "%s {0} \\"])
def test_a_text_of_any_script_is_extracted(scripted: Scripted, text: str) -> None:
    assert text == _stored(scripted, _insight(start=0, end=len(text)), text).snippet


def test_a_nul_in_the_text_is_refused_at_the_save_or_extracted(scripted: Scripted) -> None:
    scripted()
    if connection.vendor == "postgresql":
        with pytest.raises((ValueError, DataError), match="NUL"):
            create("la\x00ke")
        return
    assert process(create("la\x00ke")) == {"completed": 1}
    assert "la\x00ke" == Entry.objects.get().content


def test_two_findings_alike_are_both_kept(scripted: Scripted) -> None:
    scripted(lambda _: found("lake", "lake"))
    process(create(TEXT))
    assert 2 == Insight.objects.count()
