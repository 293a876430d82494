"""Extractors that do what the running test wrote for them; see the fixture `scripted`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from insights_recovery.extractors import ExtractedInsight, ExtractionResult, Extractor


def found(*labels: str, **fields: Any) -> ExtractionResult:
    """Return a result with a theme of each label."""
    return ExtractionResult(insights=[ExtractedInsight(kind="theme", label=label) for label in labels], **fields)


class Script:
    """What the extractors do, and what they were given."""

    action: ClassVar[Callable[[Any], Any]]
    calls: ClassVar[list[Any]] = []

    @classmethod
    def play(cls, given: Any) -> Any:
        """Do it."""
        cls.calls.append(given)
        return cls.action(given)


class ScriptedExtractor(Extractor):
    """Takes one text at a time."""

    name = "scripted"

    def extract(self, text: str) -> ExtractionResult:
        result: ExtractionResult = Script.play(text)
        return result


class ScriptedBatchExtractor(Extractor):
    """Takes many texts at once."""

    name = "scripted-batch"

    def extract_batch(self, texts: Sequence[str]) -> Any:
        return Script.play(list(texts))


class BrokenExtractor(Extractor):
    """Cannot be made."""

    name = "broken"

    def __init__(self) -> None:
        raise ValueError("no model file")


class NamelessExtractor(Extractor):
    """Has no name."""


class DemandingExtractor(Extractor):
    """Cannot be made without an option."""

    name = "demanding"

    def __init__(self, *, key: str) -> None:
        self.key = key
