"""Extractors that tell of their calls, so that their process can die before, within and after each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from insights_recovery.extractors import ExtractedInsight, ExtractionResult
from insights_recovery.extractors.base import normalised
from tests.hosts.extractors import BatchExtractor, MarkerExtractor, SecondExtractor, digest_of

HERE = "tests.under_fire.crash_extractors"
MANY = 600
"""Findings that take more than one INSERT."""


class Traced:
    """Tells of each call; finds the same two things in every text, and one that no other text has."""

    name: ClassVar[str]
    version: ClassVar[str]
    fuse: ClassVar[Any] = None
    """Told of each call, in the process that is to die."""
    meanwhile: ClassVar[Callable[[str], object] | None] = None
    """What happens in the world during a call for a text."""

    def extract(self, text: str) -> ExtractionResult:
        self._tell("call")
        return super().extract(text)  # type: ignore[misc, no-any-return]

    def _obey(self, text: str) -> None:
        self._tell("answer")
        if Traced.meanwhile is not None:
            Traced.meanwhile(text)
        super()._obey(text)  # type: ignore[misc]

    def _tell(self, deed: str) -> None:
        if Traced.fuse is not None:
            Traced.fuse.before(f"{deed} of {self.name}")

    def _result(self, text: str) -> ExtractionResult:
        return ExtractionResult(insights=self._insights(text), sentiment=0.5, summary=text[:80], language="en")

    def _insights(self, text: str) -> list[ExtractedInsight]:
        first = text.split(maxsplit=1)[0]
        return [
            ExtractedInsight(kind="emotion", label="calm", sentiment=0.5),
            ExtractedInsight(kind="place", label="mill", confidence=0.75),
            ExtractedInsight(kind="keyphrase", label=digest_of(text), snippet=first, start=0, end=len(first)),
        ]


class First(Traced, MarkerExtractor):
    """Takes one text at a time."""


class Second(Traced, SecondExtractor):
    """Runs after the first one."""


class Together(Traced, BatchExtractor):
    """Takes many texts at once."""


class Wordy(Traced, MarkerExtractor):
    """Finds very many things."""

    name = "wordy"

    def _insights(self, text: str) -> list[ExtractedInsight]:
        return [ExtractedInsight(kind="tag", label=f"{number} {digest_of(text)}") for number in range(MANY)]


FIRST, SECOND, TOGETHER, WORDY = (f"{HERE}.{kind.__name__}" for kind in (First, Second, Together, Wordy))
BY_NAME: dict[str, Any] = {kind.name: kind for kind in (First, Second, Together, Wordy)}


def findings(name: str, text: str) -> list[tuple[Any, ...]]:
    """Return what the extractor of that name finds in `text`, as it is to be stored."""
    result = normalised(BY_NAME[name]()._result(text), text)
    return [
        (found.kind, found.label, found.snippet, found.start, found.end, found.sentiment, found.confidence)
        for found in result.insights
    ]
