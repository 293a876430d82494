"""One pass over a text: its language, sentences, windows, entities and phrases."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from insights_recovery.extractors.local import language, lists
from insights_recovery.extractors.local.entities import Entity, EntityCounter
from insights_recovery.extractors.local.keyphrases import Phrase, PhraseCounter
from insights_recovery.extractors.local.passages import Span, sentences, windows, words

ENTITIES_PER_KIND = 20
PHRASES = 8
_HASHTAG = re.compile(r"(?<![\w&/])#([^\W\d_]\w{1,49})")
_HASHTAGS = 10
_SPEAKING = re.compile(r"[^\W\d_]|[\U0001F300-\U0001FAFF☀-➿]")
_FOREIGN_KINDS = frozenset({"place", "person"})
_SURE = 0.7


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What stands in a text, before anything is said about how it feels."""

    language: str
    """BCP 47 tag, or empty when unknown."""
    scored: bool
    """Whether the trained models may speak: English, or too short to tell, with at least a letter or an emoji."""
    sentences: Sequence[Span]
    """All sentences."""
    windows: Sequence[tuple[Span, ...]]
    """The sentences in groups that are scored together."""
    entities: Sequence[Entity]
    """Who and what is mentioned."""
    phrases: Sequence[Phrase]
    """Key phrases, weightiest first."""
    hashtags: Sequence[tuple[str, Span]]
    """The writer's own #tags, most used first."""


def read(text: str) -> Reading:
    """Return the reading of `text`. Linear in its length; what is kept is bounded but for the sentences' places."""
    tag = language.detect(text)
    spans = tuple(sentences(text))
    english = tag == "en" or (not tag and language.too_short_to_tell(text))
    speaking = any(_SPEAKING.search(text, span.start, span.end) for span in spans)
    entities, phrases = EntityCounter(), PhraseCounter(_phrase_borders(tag))
    for number, span in enumerate(spans):
        found = words(text, span)
        entities.add(text, span, number, found)
        phrases.add(found)
    best = entities.best(ENTITIES_PER_KIND)
    return Reading(
        language=tag,
        scored=english and speaking,
        sentences=spans,
        windows=tuple(windows(spans)),
        entities=best if english else [entity for entity in best if _holds_abroad(entity)],
        phrases=phrases.best(PHRASES),
        hashtags=_hashtags(text),
    )


def stopwords(tag: str) -> frozenset[str]:
    """Return the small words of a language, English ones where it is unknown."""
    return lists.languages().get(tag) or lists.languages()["en"]


def _phrase_borders(tag: str) -> frozenset[str]:
    return stopwords(tag) | lists.plain("filler_words") if tag in {"en", ""} else stopwords(tag)


def _holds_abroad(entity: Entity) -> bool:
    """Tell whether an entity of a text that is not English rests on a list of names, not on English cues."""
    first = entity.first
    name = first.label.casefold().partition(" ")[0]
    listed = first.label.casefold() in lists.phrases("places") or name in lists.plain("first_names")
    return first.kind in _FOREIGN_KINDS and listed and entity.confidence >= _SURE


def _hashtags(text: str) -> list[tuple[str, Span]]:
    places: dict[str, Span] = {}
    counts: Counter[str] = Counter()
    for match in _HASHTAG.finditer(text):
        label = match[1].lower()
        if label in places or len(places) < 1000:
            counts[label] += 1
            places.setdefault(label, Span(*match.span()))
    return [(label, places[label]) for label, _ in counts.most_common(_HASHTAGS)]
