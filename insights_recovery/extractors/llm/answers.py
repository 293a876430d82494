"""What the model answered, read strictly: every field there and of its type, or no answer at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from insights_recovery.exceptions import ExtractorError
from insights_recovery.extractors.llm.schema import NAMED


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One item of a list of findings."""

    label: str
    """What was found, in the model's words."""
    snippet: str
    """What the model says are the words of the text; nobody has looked yet."""
    sentiment: float | None
    """The feeling attached to it."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Everything the model said of one text."""

    language: str
    """The text's language, as the model calls it."""
    title: str
    """A headline."""
    summary: str
    """A few sentences."""
    sentiment: float | None
    """The feeling of the whole."""
    emotions: Sequence[Finding]
    """How the writer feels, strongest first."""
    themes: Sequence[Finding]
    """What it is about, weightiest first."""
    named: Mapping[str, Sequence[Finding]]
    """People, places and whatever else is named, by list of the schema."""
    key_phrases: Sequence[str]
    """Phrases of the text."""
    tags: Sequence[str]
    """Labels for finding it again."""


class _MismatchError(Exception):
    """The answer is not of the schema."""


def decoded(text: str | bytes) -> Any:
    """Return what this JSON says, or None where it is none that Python can hold."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(_: str) -> None:
    raise ValueError("JSON has no such number")


def parse(content: str) -> Answer | ExtractorError:
    """Return the answer in the model's words, or the failure that they amount to.

    A service that does not enforce the schema may put a fence or a thought around the object; that is passed over.
    """
    document = decoded(content[content.find("{") : content.rfind("}") + 1])
    if not isinstance(document, dict):
        return ExtractorError(code="malformed-json")
    try:
        return _answer(document)
    except _MismatchError:
        return ExtractorError(code="schema-mismatch")


def _answer(document: Mapping[str, Any]) -> Answer:
    return Answer(
        language=_text(document, "language"),
        title=_text(document, "title"),
        summary=_text(document, "summary"),
        sentiment=_feeling(document),
        emotions=_findings(document, "emotions"),
        themes=_findings(document, "themes"),
        named={name: _findings(document, name) for name in NAMED},
        key_phrases=_texts(document, "key_phrases"),
        tags=_texts(document, "tags"),
    )


def _findings(document: Mapping[str, Any], name: str) -> list[Finding]:
    return [_finding(item) for item in _list(document, name)]


def _finding(item: object) -> Finding:
    if not isinstance(item, dict):
        raise _MismatchError
    return Finding(label=_text(item, "label"), snippet=_text(item, "snippet"), sentiment=_feeling(item))


def _texts(document: Mapping[str, Any], name: str) -> list[str]:
    items = _list(document, name)
    if not all(isinstance(item, str) for item in items):
        raise _MismatchError
    return items


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    if not isinstance(value, list):
        raise _MismatchError
    return value


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise _MismatchError
    return value


def _feeling(document: Mapping[str, Any]) -> float | None:
    """Return the feeling, or None where the model names it and says that there is none."""
    value = document.get("sentiment", "")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _MismatchError
    # A whole number may be too long for a float, and 1e999 is infinite.
    return min(max(value, -1.0), 1.0) if isinstance(value, int) or math.isfinite(value) else None
