"""Extractors that answer as chance will have it: every attempt ends, and what is stored can be read."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.db import connection

from insights_recovery.exceptions import BatchError, PermanentError, PostponeError
from insights_recovery.extractors import ExtractedInsight, ExtractionResult, Kind
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Insight, Outcome, ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.integration.conftest import configure, scripted
from tests.integration.helpers import create, fresh, process, seconds_until
from tests.integration.hostile_values import UNUSABLE, Kinds, Raising, Shifting, Sly
from tests.under_fire.evidence import Evidence
from tests.under_fire.profiles import by_profile

__all__ = ["configure", "scripted"]

RUNS = by_profile(ordinary=60, short=2_000, long=50_000)
CANARY = "xylographerquux"

TEXTS = (
    f"{CANARY} walked to the lake.",
    f"\u202e{CANARY}\u202c \u05e9\u05dc\u05d5\u05dd e\u0301\u200b 🏊",
    CANARY * 5_000,
    f"{CANARY}\r\n\u2028\x0b%s {{0}} <b>",
)
WORDS = (
    "lake", CANARY, "", " ", "\x00", "la\x00ke", "\ud800", "\u200b", "🏊" * 400, "x" * 10_000, "%s", "'; --",
    Sly("lake"), None, 7, b"x", ["lake"], Raising(),
)  # fmt: skip
KINDS = (*Kind, *Kind, "theme", "person", Kinds.THEME, Kinds.WEATHER, "weather", "", None, 7, b"theme", ["theme"])
NUMBERS = (
    0, 1, -1, 0.5, 7, True, None, float("nan"), float("inf"), 10**400, 2**63, "0.5", "x", Decimal("0.25"),
    Decimal("sNaN"), 1j, np.float32(0.5), np.int64(3), np.float64("nan"), Raising(), [1],
)  # fmt: skip
PLACES = (0, 1, 4, 8, -1, 10**12, 10**30, None, True, 2.0, "3", np.int64(2), float("nan"))
OUTAGES = (0, 1, 30, 1e5, 1e10, 1e12, 1e300, float("inf"), float("nan"), -1, "30", "soon", None)


class Hostility:
    """What one extractor does to one batch, drawn from a seed."""

    def __init__(self, seed: int, *, together: bool) -> None:
        self.dice = random.Random(seed)
        self.together = together

    def extract(self, given: Any) -> Any:
        """Answer for a text or, together, for texts."""
        if not self.together:
            return self._answer(given)
        answers = [self._answer(text) if self.dice.random() < 0.7 else RuntimeError(text) for text in given]
        if self.dice.random() < 0.2:
            answers = answers[1:] if self.dice.random() < 0.5 else [*answers, None]
        return iter(answers) if self.dice.random() < 0.3 else answers

    def _answer(self, text: str) -> Any:
        lot = self.dice.random()
        if lot < 0.1:
            raise self._error(text)
        if lot < 0.2:
            return self.dice.choice(list(UNUSABLE.values()))
        return self._result()

    def _error(self, text: str) -> Exception:
        outage = PostponeError(text)
        outage.retry_after = self.dice.choice(OUTAGES)
        lots = (RuntimeError(text), PermanentError(text), BatchError(text), KeyError(text), MemoryError(), outage)
        return self.dice.choice(lots)

    def _result(self) -> ExtractionResult:
        return ExtractionResult(
            insights=[self._insight() for _ in range(self.dice.choice((0, 1, 2, 3, 5, 8, 13, 40, *[2] * 20, 1200)))],
            sentiment=self._seldom(NUMBERS, 0.5),
            title=self._seldom(WORDS, "title"),
            summary=self._seldom(WORDS, "summary"),
            language=self._seldom(WORDS, "en"),
            usage={self._seldom(WORDS, "k"): self._seldom((*NUMBERS, *WORDS), 1)} if self.dice.random() < 0.3 else {},
        )

    def _insight(self) -> ExtractedInsight:
        make = Shifting if self.dice.random() < 0.001 else ExtractedInsight
        return make(
            kind=self._seldom(KINDS, "theme"),
            label=self._seldom(WORDS, "label"),
            snippet=self._seldom(WORDS, "lake"),
            start=self.dice.choice(PLACES),
            end=self.dice.choice(PLACES),
            sentiment=self._seldom(NUMBERS, 0.5),
            confidence=self._seldom(NUMBERS, 0.5),
        )

    def _seldom(self, junk: Sequence[Any], usual: Any) -> Any:
        return self.dice.choice(junk) if self.dice.random() < 0.02 else usual


@pytest.mark.django_db
@pytest.mark.timeout(by_profile(ordinary=120, short=900, long=20_000))
def test_every_attempt_ends_and_what_is_stored_can_be_read(
    scripted: Callable[..., list[Any]], evidence: Evidence
) -> None:
    found: list[str] = []
    ends = dict.fromkeys(Outcome.values, 0)
    for together in (False, True):
        turn: list[Hostility] = []
        scripted(lambda given, turn=turn: turn[-1].extract(given), together=together)
        for seed in range(RUNS // 2):
            turn[:] = [Hostility(seed, together=together)]
            entries = [create(turn[0].dice.choice(TEXTS)) for _ in range(turn[0].dice.randint(1, 3))]
            for outcome, count in process(*entries).items():
                ends[outcome] += count
            found += [f"seed {seed}, {together=}: {what}" for entry in entries for what in _wrong(fresh(entry))]
            Entry.objects.all().delete()
    note = ", ".join(f"{count} {outcome}" for outcome, count in ends.items() if count)
    evidence.record("hostile extractors", connection.vendor, tried=RUNS, violations=found, note=note)
    assert all(ends[outcome] for outcome in (Outcome.COMPLETED, Outcome.FAILED, Outcome.POSTPONED, Outcome.RELEASED))


def _wrong(entry: Entry) -> Iterator[str]:
    if entry.processing_state not in {State.COMPLETED, State.PENDING, State.FAILED}:
        yield f"an entry is left {entry.processing_state}"
    if entry.processing_state == State.PENDING and seconds_until(entry, "due_at") > 86_400:
        yield f"an entry is due at {entry.processing_due_at}"
    if entry.processing_state == State.COMPLETED and not Extraction.objects.filter(entry=entry).exists():
        yield "an entry is done without an extraction"
    if CANARY in f"{entry.processing_error}{list(ProcessingAttempt.objects.filter(entry=entry).values())}":
        yield "an error quotes the text"
    if ProcessingAttempt.objects.filter(entry=entry, outcome=Outcome.RUNNING).exists():
        yield "an attempt is left open"
    for insight in Insight.objects.filter(entry=entry):
        yield from _unreadable(insight, entry.content)


def _unreadable(insight: Insight, text: str) -> Iterator[str]:
    if insight.kind not in set(Kind) or not 0 < len(insight.label) <= 255:
        yield f"an insight is a {insight.kind!r} {insight.label[:20]!r}"
    if insight.start is not None and insight.snippet != text[insight.start : insight.end][:2000]:
        yield f"a snippet is not what stands at {insight.start} to {insight.end}"
    for score in (insight.sentiment, insight.confidence):
        if score is not None and not (math.isfinite(score) and -1 <= score <= 1):
            yield f"a score is {score}"
