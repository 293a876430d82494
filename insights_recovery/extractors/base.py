"""The extractor protocol: what an extractor is given, what it returns, and how a result is made safe to store."""

from __future__ import annotations

import enum
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar

from insights_recovery.exceptions import InvalidResultError

MAX_LABEL = 255
MAX_SNIPPET = 2000
MAX_TITLE = 255
MAX_SUMMARY = 10_000
MAX_LANGUAGE = 16
MAX_INSIGHTS = 1000
MAX_USAGE = 32
MAX_USAGE_WORD = 255
MAX_USAGE_KEY = 64
MAX_USAGE_BITS = 63


class Kind(enum.StrEnum):
    """What an insight is about."""

    EMOTION = "emotion"
    """How the writer feels."""
    THEME = "theme"
    """What part of life the entry is about: family, work, health."""
    PERSON = "person"
    """Somebody named, or spoken of by role: "my sister"."""
    PLACE = "place"
    """Where something happens."""
    ORGANISATION = "organisation"
    """A company, school, club or office."""
    EVENT = "event"
    """Something that takes place: a wedding, an exam."""
    PRODUCT = "product"
    """A thing, bought, made or used."""
    ACTIVITY = "activity"
    """What somebody does: running, cooking."""
    FOOD = "food"
    """What is eaten or drunk."""
    MEDIA = "media"
    """A book, a film, a song, a game."""
    KEYPHRASE = "keyphrase"
    """A phrase of the text that carries its subject."""
    TAG = "tag"
    """A short label for finding the entry again."""
    OTHER = "other"
    """A finding of no other kind."""


@dataclass(frozen=True, kw_only=True)
class ExtractedInsight:
    """One finding in a text."""

    kind: str
    """A `Kind` value."""
    label: str
    """What was found, in a few words."""
    snippet: str = ""
    """The words of the text it rests on."""
    start: int | None = None
    """Offset of the snippet's first character in the text, in code points."""
    end: int | None = None
    """Offset behind the snippet's last character; `text[start:end]` is the snippet."""
    sentiment: float | None = None
    """The feeling attached to it, from -1 (bad) to 1 (good)."""
    confidence: float | None = None
    """How sure the extractor is, from 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class ExtractionResult:
    """All that one extractor found in one text."""

    insights: Sequence[ExtractedInsight] = ()
    """The findings, in the order in which they should be shown."""
    sentiment: float | None = None
    """Overall sentiment of the text, from -1 to 1."""
    summary: str = ""
    """A few sentences that stand for the text."""
    title: str = ""
    """A headline."""
    language: str = ""
    """The text's language as a BCP 47 tag such as `en`; empty when unknown."""
    usage: Mapping[str, int | float | str] = field(default_factory=dict)
    """What the extraction cost: tokens, money, model."""


class Extractor:
    """Turns a text into insights. Subclass it, set `name` and `version`, and write `extract`.

    Instances are made once per process with the OPTIONS of the `EXTRACTORS` setting as keyword arguments, and are used
    for many texts, in threads too: keep no state of a text on `self`.
    """

    name: ClassVar[str] = ""
    """Stable name, under which results are stored; at most 64 characters."""
    version: ClassVar[str] = "1"
    """Version of what it finds; raise it when the same text would give other insights. At most 64 characters."""

    def extract(self, text: str) -> ExtractionResult:
        """Return the insights of `text`.

        Raises:
            PermanentError: the text can never be extracted.
            PostponeError: the service behind the extractor is out; nothing is held against the entry.
            Exception: anything else counts as a failed attempt, and is tried again with back-off.
        """
        raise TypeError(f"{type(self).__name__} must define extract(text)")

    def extract_batch(self, texts: Sequence[str]) -> Sequence[ExtractionResult | Exception]:
        """Return one result, or the exception that stands for it, per text, in order.

        Override it where many texts at once are cheaper than one by one. Where it is not overridden each text is
        extracted and stored by itself, so that a crash costs one text at the most.
        """
        return [self.extract(text) for text in texts]


def normalised(result: object, text: str) -> ExtractionResult:
    """Return `result` made safe to store: known kinds, bounded lengths, finite scores, spans that lie in `text`.

    A span that does not lie in the text is dropped and its insight kept, found again by its snippet where the snippet
    occurs; an insight without a label is dropped. No more is read than is kept, since insights may come without end,
    and all that is returned is of plain types, whatever subclasses came.

    Raises:
        InvalidResultError: `result` is no `ExtractionResult`, or holds something that is no `ExtractedInsight`.
    """
    if not isinstance(result, ExtractionResult):
        raise InvalidResultError(code="not-an-extraction-result")
    try:
        insights = tuple(islice(result.insights, MAX_INSIGHTS))
        usage = _usage(result.usage)
    except (TypeError, ValueError):
        raise InvalidResultError(code="fields-of-wrong-type") from None
    if any(not isinstance(insight, ExtractedInsight) for insight in insights):
        raise InvalidResultError(code="not-an-extracted-insight")
    kept = (_normalised_insight(insight, text) for insight in insights)
    return ExtractionResult(
        insights=tuple(insight for insight in kept if insight.label),
        sentiment=_bounded(result.sentiment, -1.0, 1.0),
        summary=_clean(result.summary, MAX_SUMMARY),
        title=_clean(result.title, MAX_TITLE),
        language=_clean(result.language, MAX_LANGUAGE),
        usage=usage,
    )


def _normalised_insight(insight: ExtractedInsight, text: str) -> ExtractedInsight:
    start, end = _span(insight, text)
    snippet = text[start:end] if start is not None and end is not None else insight.snippet
    return ExtractedInsight(
        kind=_kind(insight.kind),
        label=_clean(insight.label, MAX_LABEL).strip(),
        snippet=_clean(snippet, MAX_SNIPPET),
        start=start,
        end=end,
        sentiment=_bounded(insight.sentiment, -1.0, 1.0),
        confidence=_bounded(insight.confidence, 0.0, 1.0),
    )


def _kind(kind: Any) -> str:
    try:
        # A host's own enumeration of strings is welcome, and has a str() of its own.
        return Kind(kind).value
    except ValueError:
        raise InvalidResultError(code="unknown-kind") from None


def _span(insight: ExtractedInsight, text: str) -> tuple[int, int] | tuple[None, None]:
    start, end = _offset(insight.start), _offset(insight.end)
    if start is not None and end is not None and 0 <= start < end <= len(text):
        return start, end
    snippet = _plain(insight.snippet)
    if snippet and (found := text.find(snippet)) >= 0:
        return found, found + len(snippet)
    return None, None


def _offset(value: Any) -> int | None:
    """Return a whole number of any type, such as numpy's, as Python's own; nothing for what is none."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _bounded(value: Any, low: float, high: float) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidResultError(code="score-is-no-number") from None
    return min(max(number, low), high) if math.isfinite(number) else None


def _clean(value: Any, length: int) -> str:
    """Return `value` without what no database stores in a text column (NUL, lone surrogates), cut to `length`."""
    return _plain(value)[: length * 2].encode("utf-8", "replace").decode("utf-8").replace("\x00", "")[:length]


def _plain(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidResultError(code="text-is-no-string")
    # Not str(), of which a subclass may make what it likes.
    return str.__str__(value)


def _usage(usage: Any) -> dict[str, int | float | str]:
    pairs = usage.items() if isinstance(usage, Mapping) else usage
    return {_clean(str(key), MAX_USAGE_KEY): _usage_value(value) for key, value in islice(pairs, MAX_USAGE)}


def _usage_value(value: Any) -> int | float | str:
    if isinstance(value, str):
        return _clean(value, MAX_USAGE_WORD)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("usage holds numbers and strings only")
    number = operator.index(value) if isinstance(value, int) else float(value)
    # JSON has no bound of its own, but Python neither writes nor reads whole numbers of thousands of digits.
    if isinstance(number, int) and number.bit_length() > MAX_USAGE_BITS:
        raise ValueError("usage holds a number beyond 64 bits")
    if isinstance(number, float) and not math.isfinite(number):
        raise ValueError("usage holds a number that is not finite")
    return number
