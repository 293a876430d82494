"""Mentions by name: runs of capitalised words, told apart by word lists, their neighbours and their endings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from insights_recovery.extractors.base import Kind
from insights_recovery.extractors.local import lists
from insights_recovery.extractors.local.mentions import Mention, span_of
from insights_recovery.extractors.local.passages import Word

_LONGEST_NAME = 5
_JOINTS = frozenset("of the de la del da van von der di al bin and".split())
_TITLES = frozenset(
    "mr mrs ms miss dr prof professor aunt auntie uncle sir lady president king queen coach captain".split()
)
_PLACE_CUES = frozenset("in at to from near around across visit visited visiting toward towards".split())
_PLACE_ENDINGS = frozenset(
    "street st road rd avenue ave blvd boulevard lane park beach lake river mountain mountains island islands airport "
    "station square bridge hill hills valley bay county city town village hotel museum cafe café restaurant church "
    "hospital library mall tower castle palace forest falls springs coast garden gardens zoo center centre".split()
)
_ORGANISATION_ENDINGS = frozenset(
    "university college school academy inc ltd corp gmbh company bank club foundation institute association committee "
    "department fc united airlines group records union society agency council".split()
)
_EVENT_ENDINGS = frozenset(
    "festival day olympics marathon conference awards tournament championship games fair".split()
)
_WATCHED = frozenset(
    "watch watched watching rewatched binge bingeing binged read reading reread played playing".split()
)
_MET = frozenset(
    "with met meet meeting call called told asked saw hugged miss missed love loved thank visited texted named "
    " dear friend brother sister cousin uncle aunt boss son daughter husband wife boyfriend girlfriend".split()
)
_SPOKE = frozenset(
    "said says told asked called came texted and invited gave smiled laughed thinks wants loves hates cried".split()
)


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring capitalised words: words[start:end] of a sentence."""

    words: list[Word]
    start: int
    end: int

    @property
    def lower(self) -> str:
        joined = " ".join(word.lower for word in self.words[self.start : self.end])
        return joined.removeprefix("the ").removesuffix("'s")

    @property
    def first(self) -> str:
        return self.words[self.start].lower.removesuffix("'s")

    @property
    def last(self) -> str:
        return self.words[self.end - 1].lower.removesuffix("'s")

    @property
    def before(self) -> str:
        return self.words[self.start - 1].lower if self.start else ""

    @property
    def after(self) -> str:
        return self.words[self.end].lower if self.end < len(self.words) else ""

    @property
    def size(self) -> int:
        return self.end - self.start


def names(words: list[Word]) -> Iterator[Mention]:
    """Yield the people, places, organisations, events and media that a sentence names."""
    if _shouted(words):
        return
    for run in _runs(words):
        yield from _judged(run)


@lru_cache(maxsize=1)
def _small() -> frozenset[str]:
    """Return words that are no name though they carry a capital: small words, weekdays, what sentences open with."""
    roles = {form for form in lists.phrases("people") if " " not in form}
    return lists.languages()["en"] | lists.plain("common_words") | roles


def _shouted(words: list[Word]) -> bool:
    capital = sum(word.text[0].isupper() for word in words)
    return len(words) > 4 and capital > 0.7 * len(words)


def _runs(words: list[Word]) -> Iterator[_Run]:
    place = 0
    while place < len(words):
        if not _capital(words[place]):
            place += 1
            continue
        end = _run_end(words, place)
        yield from _parts(words, place, end)
        place = end


def _run_end(words: list[Word], start: int) -> int:
    """Return the end of the capitalised run that begins at `start`; "of" and the like may join two capitals."""
    end = start + 1
    while (
        end < len(words)
        and end - start < _LONGEST_NAME
        and not words[end].gap.strip(" .")
        and not _owned(words[end - 1])
    ):
        if _capital(words[end]):
            end += 1
        elif words[end].lower in _JOINTS - {"and"} and end + 1 < len(words) and _capital(words[end + 1]):
            end += 2
        else:
            break
    return min(end, start + _LONGEST_NAME)


def _parts(words: list[Word], start: int, end: int) -> Iterator[_Run]:
    """Drop small words from the ends of a run, unless they open a name: "New York", "The Crown"."""
    while start < end and words[start].lower in _small() and not _opens_name(words, start, end):
        start += 1
    while start < end and words[end - 1].lower in _small() | _JOINTS:
        end -= 1
    if start < end:
        yield _Run(words, start, end)


def _opens_name(words: list[Word], start: int, end: int) -> bool:
    """Tell whether a run is a listed place as it stands, or has an article with a capital inside a sentence."""
    if _Run(words, start, end).lower in lists.phrases("places"):
        return True
    article = start > 0 and end - start > 1 and words[start].text in {"The", "A"}
    return article and words[start + 1].lower not in _small()


def _inner(run: _Run) -> Iterator[_Run]:
    """Yield the single words of a run that says nothing as a whole, where one is a listed name: "Berlin Kaffee"."""
    if run.size > 1:
        for place in range(run.start, run.end):
            part = _Run(run.words, place, place + 1)
            if part.lower in lists.phrases("places") or part.first in lists.plain("first_names"):
                yield part


def _judged(run: _Run) -> Iterator[Mention]:
    """Yield what a run names: by the strongest cue for the whole, else by its listed words, else by its neighbours."""
    for judge in (_by_title, _by_lists, _by_ending):
        kind, confidence = judge(run)
        if kind is not None:
            yield _mention(run, kind, confidence)
            return
    listed = [(part, *_by_lists(part)) for part in _inner(run)]
    listed = listed or [(run, *_by_neighbours(run))]
    yield from (_mention(part, kind, confidence) for part, kind, confidence in listed if kind is not None)


def _by_title(run: _Run) -> tuple[Kind | None, float]:
    titled = run.before in _TITLES or (run.first in _TITLES and run.size > 1)
    return (Kind.PERSON, 0.9) if titled else (None, 0.0)


def _by_lists(run: _Run) -> tuple[Kind | None, float]:
    given, uncertain = lists.plain("first_names"), lists.plain("uncertain_names")
    place_like = run.before in _PLACE_CUES
    if run.lower in lists.phrases("places") and not (run.first in given and not place_like):
        return Kind.PLACE, 0.9 if place_like else 0.75
    if run.lower in lists.phrases("organisations"):
        return Kind.ORGANISATION, 0.8
    if run.last in _PLACE_ENDINGS | _ORGANISATION_ENDINGS and run.size > 1:
        return None, 0.0
    if run.first in given - uncertain:
        return Kind.PERSON, 0.85
    cued = run.after in _SPOKE or run.size == 2 or (run.start > 0 and not place_like)
    return (Kind.PERSON, 0.7) if run.first in uncertain and cued else (None, 0.0)


def _by_ending(run: _Run) -> tuple[Kind | None, float]:
    if run.size < 2:
        return None, 0.0
    endings = ((_PLACE_ENDINGS, Kind.PLACE), (_ORGANISATION_ENDINGS, Kind.ORGANISATION), (_EVENT_ENDINGS, Kind.EVENT))
    for words, kind in endings:
        if run.last in words or (kind is not Kind.EVENT and run.first in words and run.size > 1 and run.first != "st"):
            return kind, 0.8
    return None, 0.0


def _by_neighbours(run: _Run) -> tuple[Kind | None, float]:
    if _known_thing(run) or (run.start == 0 and run.size == 1):
        return None, 0.0
    before = run.words[run.start - 2].lower if run.before == "the" and run.start > 1 else run.before
    if before in _WATCHED:
        return Kind.MEDIA, 0.7
    if run.words[run.start].text.isupper() and run.size == 1:
        return (Kind.ORGANISATION, 0.5) if len(run.first) > 2 and before in {"at", "for", "from"} else (None, 0.0)
    if before in _PLACE_CUES:
        return Kind.PLACE, 0.6
    if before in _MET or run.after in _SPOKE:
        return Kind.PERSON, 0.55
    return None, 0.0


def _known_thing(run: _Run) -> bool:
    """Tell whether the run is a listed event, food or product, which `things` finds by itself."""
    return any(run.lower in lists.phrases(name) for name in ("events", "foods", "products", "media", "activities"))


def _mention(run: _Run, kind: Kind, confidence: float) -> Mention:
    span = span_of(run.words, run.start, run.end)
    last = run.words[run.end - 1].text
    cut = 2 if last.lower().endswith(("'s", "’s")) and run.lower not in lists.phrases("organisations") else 0
    first, *rest = run.words[run.start : run.end]
    label = first.text + "".join(word.gap + word.text for word in rest)
    return Mention(
        kind=kind,
        label=label[:-cut] if cut else label,
        span=type(span)(span.start, span.end - cut),
        confidence=confidence,
    )


def _capital(word: Word) -> bool:
    return word.text[0].isupper() and word.text not in {"I", "I'm", "I'll", "I've", "I'd", "I’m", "I’ll", "I’ve", "I’d"}


def _owned(word: Word) -> bool:
    return word.lower.endswith("'s")
