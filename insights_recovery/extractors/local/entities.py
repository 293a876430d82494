"""The entities of a text: mentions gathered over its sentences, the same thing once, the plainest first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from insights_recovery.extractors.base import Kind
from insights_recovery.extractors.local.mentions import Mention
from insights_recovery.extractors.local.names import names
from insights_recovery.extractors.local.passages import Span, Word
from insights_recovery.extractors.local.things import things

MENTIONS_KEPT = 8
"""How many mentions of one entity are looked at for the feeling attached to it."""
_MOST_ENTITIES = 5_000
_QUOTED = re.compile(
    r"(?:watch|watched|watching|read|reading|saw|seen|played|playing|finished|listened to|song|book|movie|film)"
    r"\s+(?:the\s+|a\s+|called\s+){0,2}[\"“]([^\"“”\n]{2,60})[\"”]",
    re.IGNORECASE,
)


@dataclass
class Entity:
    """Somebody or something that a text mentions, once or often."""

    first: Mention
    """The first mention, which gives kind, label and place."""
    count: int = 1
    """How often it is mentioned."""
    confidence: float = 0.0
    """The strongest confidence among its mentions."""
    places: list[tuple[Span, int]] = field(default_factory=list)
    """The first few mentions, each with the number of its sentence."""


@dataclass
class EntityCounter:
    """Gathers entities sentence by sentence, in bounded memory."""

    _found: dict[tuple[Kind, str], Entity] = field(default_factory=dict)

    def add(self, text: str, sentence: Span, number: int, words: list[Word]) -> None:
        """Take in the sentence with this number."""
        for mention in _mentions(text, sentence, words):
            entity = self._found.get(mention.key)
            if entity is None and len(self._found) >= _MOST_ENTITIES:
                continue
            if entity is None:
                entity = self._found[mention.key] = Entity(mention, 0)
            entity.count += 1
            entity.confidence = max(entity.confidence, mention.confidence)
            if len(entity.places) < MENTIONS_KEPT:
                entity.places.append((mention.span, number))

    def best(self, limit: int) -> list[Entity]:
        """Return at most `limit` entities per kind, those mentioned most first; equals in order of appearance."""
        chosen: list[Entity] = []
        for kind in Kind:
            same = [entity for entity in self._found.values() if entity.first.kind is kind]
            same.sort(key=lambda entity: (-entity.count, -entity.confidence, entity.first.span.start))
            chosen.extend(same[:limit])
        return chosen


def _mentions(text: str, sentence: Span, words: list[Word]) -> Iterator[Mention]:
    """Yield a sentence's mentions without overlaps: quoted titles first, then names, then things."""
    taken: list[Span] = []
    for mention in [*_quoted(text, sentence), *names(words), *things(words)]:
        if all(mention.span.end <= other.start or mention.span.start >= other.end for other in taken):
            taken.append(mention.span)
            yield mention


def _quoted(text: str, sentence: Span) -> Iterator[Mention]:
    for match in _QUOTED.finditer(text, sentence.start, sentence.end):
        if label := match[1].strip(" .,\t\r\n"):
            yield Mention(kind=Kind.MEDIA, label=label, span=Span(*match.span(1)), confidence=0.85)
