"""From the model's answer to insights: what can be found in the text stays, what was made up is dropped and counted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from insights_recovery.extractors.base import ExtractedInsight, Kind
from insights_recovery.extractors.llm.answers import Answer, Finding
from insights_recovery.extractors.llm.schema import NAMED, scheme
from insights_recovery.extractors.llm.spans import Quotable

_MOST_SHOWN = 3
_MOST_NAMED = 100
_MOST_PHRASES = 10
_MOST_TAGS = 8
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, kw_only=True)
class Sifted:
    """What is left of an answer."""

    insights: Sequence[ExtractedInsight]
    """The insights, in the order in which they should be shown."""
    dropped: int
    """How many snippets stand nowhere in the text, and labels outside the scheme."""


def sift(answer: Answer, text: str) -> Sifted:
    """Return the insights of `answer` that `text` bears out."""
    sieve = _Sieve(text)
    insights = list(sieve.insights(answer))
    return Sifted(insights=insights, dropped=sieve.dropped)


def language(answer: Answer) -> str:
    """Return the language as a tag; a model that says "English" has said nothing that can be stored as one."""
    return answer.language if _TAG.fullmatch(answer.language) else ""


class _Sieve:
    """Passes the findings of one answer, each once."""

    def __init__(self, text: str) -> None:
        self.dropped = 0
        self._text = text
        self._quotable = Quotable(text)
        self._seen: set[tuple[Kind, str]] = set()

    def insights(self, answer: Answer) -> Iterator[ExtractedInsight]:
        yield from self._of_scheme(Kind.EMOTION, answer.emotions, scheme()["emotions"])
        yield from self._of_scheme(Kind.THEME, answer.themes, scheme()["themes"])
        for name, kind in NAMED.items():
            yield from self._quoted(kind, answer.named[name][:_MOST_NAMED])
        phrases = answer.key_phrases[:_MOST_PHRASES]
        yield from self._quoted(
            Kind.KEYPHRASE, [Finding(label=words, snippet=words, sentiment=None) for words in phrases]
        )
        for tag in answer.tags[:_MOST_TAGS]:
            yield from self._insight(Kind.TAG, tag.lstrip("#"), None, None)

    def _of_scheme(self, kind: Kind, found: Sequence[Finding], labels: Sequence[str]) -> Iterator[ExtractedInsight]:
        """Yield findings that may rest on the whole text; a snippet that is not in it is taken from them."""
        for finding in found[:_MOST_SHOWN]:
            label = finding.label.strip().lower()
            if label not in labels:
                self.dropped += 1
                continue
            yield from self._insight(kind, label, self._span(finding), finding.sentiment)

    def _quoted(self, kind: Kind, found: Sequence[Finding]) -> Iterator[ExtractedInsight]:
        """Yield findings that are nothing without the words they rest on."""
        for finding in found:
            if span := self._span(finding, is_required=True):
                label = _words(self._text[slice(*span)] if kind is Kind.KEYPHRASE else finding.label)
                yield from self._insight(kind, label, span, finding.sentiment)

    def _span(self, finding: Finding, *, is_required: bool = False) -> tuple[int, int] | None:
        span = self._quotable.find(finding.snippet)
        self.dropped += span is None and (is_required or bool(finding.snippet.strip()))
        return span

    def _insight(
        self, kind: Kind, label: str, span: tuple[int, int] | None, sentiment: float | None
    ) -> Iterator[ExtractedInsight]:
        words = _words(label)
        key = (kind, words.casefold())
        if not words or key in self._seen:
            return
        self._seen.add(key)
        start, end = span or (None, None)
        snippet = self._text[start:end] if span else ""
        yield ExtractedInsight(kind=kind, label=words, snippet=snippet, start=start, end=end, sentiment=sentiment)


def _words(label: str) -> str:
    return " ".join(label.split())
