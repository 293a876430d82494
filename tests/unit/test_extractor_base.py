"""A result is made safe to store, or refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights_recovery.exceptions import InvalidResultError
from insights_recovery.extractors import ExtractedInsight, ExtractionResult, Extractor, Kind
from insights_recovery.extractors.base import MAX_INSIGHTS, MAX_LABEL, MAX_SNIPPET, normalised

TEXT = "Walked to the lake with Anna."


def _one(**fields: Any) -> ExtractedInsight:
    result = ExtractionResult(insights=[ExtractedInsight(**({"kind": "theme", "label": "lake"} | fields))])
    (kept,) = normalised(result, TEXT).insights
    return kept


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_kept_as_a_plain_string(kind: Kind) -> None:
    assert type(_one(kind=kind).kind) is str


@pytest.mark.parametrize("kind", ["", "Theme", "weather", None, 7])
def test_an_unknown_kind_is_refused(kind: Any) -> None:
    with pytest.raises(InvalidResultError):
        _one(kind=kind)


def test_an_insight_with_nothing_but_kind_and_label_is_enough() -> None:
    assert ExtractedInsight(kind="theme", label="lake") == _one()


def test_a_good_span_is_kept_with_its_words() -> None:
    kept = _one(start=14, end=18)
    assert [14, 18, "lake"] == [kept.start, kept.end, kept.snippet]


@pytest.mark.parametrize("span", [(18, 14), (-4, 2), (28, 40), (3, 3), (None, 4), (4, None)])
def test_a_bad_span_is_dropped_and_its_insight_kept(span: tuple[Any, Any]) -> None:
    kept = _one(start=span[0], end=span[1])
    assert [None, None, "lake"] == [kept.start, kept.end, kept.label]


def test_a_snippet_is_found_in_the_text() -> None:
    assert [24, 28] == [_one(snippet="Anna").start, _one(snippet="Anna").end]


def test_a_long_snippet_is_cut() -> None:
    assert MAX_SNIPPET == len(_one(snippet="x" * 9000).snippet)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_score_is_finite_and_within_bounds_or_nothing(score: float) -> None:
    kept = _one(sentiment=score, confidence=score)
    assert (kept.sentiment is None) is not math.isfinite(score)
    assert kept.sentiment is None or -1 <= kept.sentiment <= 1
    assert kept.confidence is None or 0 <= kept.confidence <= 1


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_be_stored_afterwards(words: str) -> None:
    kept = normalised(ExtractionResult(title=words, summary=words, language=words), words)
    for value in (kept.title, kept.summary, kept.language):
        value.encode("utf-8")
        assert "\x00" not in value


@given(st.text(st.characters(exclude_categories=()), min_size=1), st.integers(-5, 50), st.integers(-5, 50))
def test_a_kept_span_says_what_the_text_says(text: str, start: int, end: int) -> None:
    found = ExtractedInsight(kind="theme", label="x", start=start, end=end)
    (kept,) = normalised(ExtractionResult(insights=[found]), text).insights
    assert (kept.start is None) is not (0 <= start < end <= len(text))


def test_very_many_insights_are_cut() -> None:
    insight = ExtractedInsight(kind="theme", label="x" * 999)
    kept = normalised(ExtractionResult(insights=[insight] * (MAX_INSIGHTS + 1)), TEXT).insights
    assert [MAX_INSIGHTS, MAX_LABEL] == [len(kept), len(kept[0].label)]


@pytest.mark.parametrize("usage", [{}, {"tokens": 7, "cost": 0.25, "model": "m"}])
def test_usage_is_kept(usage: dict[str, Any]) -> None:
    assert usage == normalised(ExtractionResult(usage=usage), TEXT).usage


def test_no_result_is_changed() -> None:
    result = ExtractionResult(insights=[ExtractedInsight(kind="theme", label=" lake ")], sentiment=9.0)
    normalised(result, TEXT)
    assert [" lake ", 9.0] == [result.insights[0].label, result.sentiment]


@pytest.mark.parametrize("code", [None, {}, [], "", 7, object()])
def test_what_is_no_result_is_refused(code: Any) -> None:
    with pytest.raises(InvalidResultError) as refused:
        normalised(code, TEXT)
    assert refused.value.code == "not-an-extraction-result"


def test_an_extractor_that_knows_single_texts_takes_many() -> None:
    class Shouting(Extractor):
        name = "shouting"

        def extract(self, text: str) -> ExtractionResult:
            return ExtractionResult(title=text.upper())

    assert ["A", "B"] == [result.title for result in Shouting().extract_batch(["a", "b"])]  # type: ignore[union-attr]
