"""The embedded extractor: everything the other modules find, as one result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from insights_recovery.extractors.base import ExtractedInsight, ExtractionResult, Extractor, Kind
from insights_recovery.extractors.local import feeling, model, reading, summary
from insights_recovery.extractors.local.feeling import Finding, Mood
from insights_recovery.extractors.local.passages import Span
from insights_recovery.extractors.local.reading import Reading

RULES = "1"
"""Version of the rules and word lists: raise it when a change of them changes what is found."""
_TAGS = 8


class LocalExtractor(Extractor):
    """Finds insights with small trained models and word lists, on this machine, without any service or download.

    The same text always gives the same result. Emotions, themes and sentiment are given for English only; for other
    languages the result holds the language, key phrases, tags, well-known names, title and summary. Every text is read
    whole, in time that grows with its length and with nothing else.
    """

    name: ClassVar[str] = "local"
    version: ClassVar[str] = f"{RULES}-{model.version()}"

    def extract(self, text: str) -> ExtractionResult:
        """Return the insights of `text`; a text without any word gives an empty result, and no text raises."""
        found = reading.read(text)
        if not found.sentences:
            return ExtractionResult()
        mood = feeling.mood(model.load(), text, found) if found.scored else None
        small = reading.stopwords(found.language)
        return ExtractionResult(
            insights=tuple(_insights(text, found, mood)),
            sentiment=mood.sentiment if mood else None,
            summary=summary.summarise(text, found.sentences, small),
            title=summary.entitle(text, found.sentences, small),
            language=found.language,
        )


def _insights(text: str, found: Reading, mood: Mood | None) -> Iterator[ExtractedInsight]:
    if mood:
        yield from (_from_finding(text, Kind.EMOTION, finding) for finding in mood.emotions)
        yield from (_from_finding(text, Kind.THEME, finding) for finding in mood.themes)
    yield from _entities(text, found, mood)
    for phrase in found.phrases:
        span = Span(phrase.start, phrase.end)
        yield _insight(text, Kind.KEYPHRASE, phrase.label, span, confidence=phrase.weight)
    yield from _tags(text, found, mood)


def _from_finding(text: str, kind: Kind, finding: Finding) -> ExtractedInsight:
    return _insight(text, kind, finding.label, finding.proof, finding.feeling, finding.confidence)


def _entities(text: str, found: Reading, mood: Mood | None) -> Iterator[ExtractedInsight]:
    feelings = mood.attached if mood else [None] * len(found.entities)
    for entity, value in zip(found.entities, feelings, strict=True):
        first = entity.first
        yield _insight(text, first.kind, first.label, first.span, value, entity.confidence)


def _tags(text: str, found: Reading, mood: Mood | None) -> Iterator[ExtractedInsight]:
    """Yield the writer's own #tags, then the themes, then what is mentioned most, each once."""
    candidates = [(label, span, 1.0) for label, span in found.hashtags]
    candidates += [(theme.label, theme.proof, theme.confidence) for theme in mood.themes] if mood else []
    often = sorted(found.entities, key=lambda entity: -entity.count)
    candidates += [(entity.first.label.casefold(), entity.first.span, entity.confidence) for entity in often]
    distinct: dict[str, tuple[Span, float]] = {}
    for label, span, confidence in candidates:
        distinct.setdefault(label, (span, confidence))
    for label, (span, confidence) in list(distinct.items())[:_TAGS]:
        yield _insight(text, Kind.TAG, label, span, confidence=confidence)


def _insight(
    text: str, kind: Kind, label: str, span: Span, sentiment: float | None = None, confidence: float | None = None
) -> ExtractedInsight:
    return ExtractedInsight(
        kind=kind,
        label=label,
        snippet=span.of(text),
        start=span.start,
        end=span.end,
        sentiment=sentiment,
        confidence=confidence,
    )
