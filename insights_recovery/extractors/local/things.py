"""Mentions that need no capital letter: people by role, activities, food, events, everyday places, products, media."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from insights_recovery.extractors.base import Kind
from insights_recovery.extractors.local import lists
from insights_recovery.extractors.local.mentions import Mention, span_of
from insights_recovery.extractors.local.passages import Word

_FILES = {
    "people": Kind.PERSON,
    "foods": Kind.FOOD,
    "activities": Kind.ACTIVITY,
    "events": Kind.EVENT,
    "media": Kind.MEDIA,
    "products": Kind.PRODUCT,
    "place_words": Kind.PLACE,
}
_OWNERS = frozenset("my our".split())
_OTHER_OWNERS = frozenset("his her their your".split())
_ARTICLES = frozenset("a an the this that these some another".split())
_ADJECTIVES = frozenset(
    "old new little big younger older youngest oldest late dear lovely good best great own whole".split()
)
_PLACE_CUES = frozenset("at in to from near around inside into by outside visited visit visiting left".split())
_ALONE = frozenset(
    "mom mum dad grandma grandpa mommy mummy daddy nana granny mama papa auntie friends kids parents".split()
)
_PRODUCT_CUES = frozenset("my our new bought buy buying got ordered the a an".split())


@dataclass(frozen=True, slots=True)
class _Entry:
    words: tuple[str, ...]
    kind: Kind
    label: str


def things(words: list[Word]) -> Iterator[Mention]:
    """Yield the things that a sentence mentions; the longest match wins, and matches do not overlap."""
    known, place = _entries(), 0
    while place < len(words):
        entry = _match(words, place, known)
        mention = _mention(words, place, entry) if entry else None
        if entry and mention:
            yield mention
        place += len(entry.words) if entry and mention else 1


@lru_cache(maxsize=1)
def _entries() -> Mapping[str, list[_Entry]]:
    """Return all listed forms by their first word, longest first."""
    found: defaultdict[str, list[_Entry]] = defaultdict(list)
    for name, kind in _FILES.items():
        for form, label in lists.phrases(name).items():
            parts = tuple(form.split())
            found[parts[0]].append(_Entry(parts, kind, label))
    for entries in found.values():
        entries.sort(key=lambda entry: -len(entry.words))
    return dict(found)


def _match(words: list[Word], place: int, known: Mapping[str, list[_Entry]]) -> _Entry | None:
    for entry in known.get(words[place].lower, ()):
        end = place + len(entry.words)
        solid = all(not word.gap.strip() for word in words[place + 1 : end])
        if solid and tuple(word.lower for word in words[place:end]) == entry.words:
            return entry
    return None


def _mention(words: list[Word], place: int, entry: _Entry) -> Mention | None:
    """Return the mention if what stands before it bears it out."""
    end = place + len(entry.words)
    if entry.kind is Kind.PERSON:
        return _person(words, place, end, entry)
    before = _before(words, place)
    if entry.kind is Kind.PLACE and not before & _PLACE_CUES:
        return None
    if entry.kind is Kind.PRODUCT and not before & _PRODUCT_CUES:
        return None
    confidence = 0.8 if len(entry.words) > 1 or before & _OWNERS else 0.65
    return Mention(kind=entry.kind, label=entry.label, span=span_of(words, place, end), confidence=confidence)


def _person(words: list[Word], place: int, end: int, entry: _Entry) -> Mention | None:
    """Return the person by role, with the owner in the snippet: "my sister", "the doctor", "Mom"."""
    start = place - 1 if place and words[place - 1].lower in _ADJECTIVES else place
    owner = words[start - 1].lower if start else ""
    if owner in _OWNERS | _OTHER_OWNERS:
        label = f"{owner} {entry.label}"
        return Mention(kind=Kind.PERSON, label=label, span=span_of(words, start - 1, end), confidence=0.9)
    if owner in _ARTICLES or entry.words[0] in _ALONE:
        return Mention(kind=Kind.PERSON, label=entry.label, span=span_of(words, place, end), confidence=0.7)
    return None


def _before(words: list[Word], place: int) -> set[str]:
    return {word.lower for word in words[max(0, place - 3) : place]}
