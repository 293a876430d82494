"""What was found in an entry, arranged for its page: the text in segments, and the findings by kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import fmean

from insights_recovery.extractors.base import Kind
from insights_recovery.models import Insight

from .models import JournalEntry
from .moods import Mood, mood_of

HEADINGS = {
    Kind.EMOTION: "Feelings",
    Kind.THEME: "Themes",
    Kind.PERSON: "People",
    Kind.PLACE: "Places",
    Kind.ACTIVITY: "Activities",
    Kind.EVENT: "Events",
    Kind.FOOD: "Food and drink",
    Kind.MEDIA: "Books, films and music",
    Kind.PRODUCT: "Things",
    Kind.ORGANISATION: "Organisations",
    Kind.KEYPHRASE: "Key phrases",
    Kind.TAG: "Tags",
    Kind.OTHER: "Also noticed",
}
"""The kinds in the order in which they are shown."""

ECHOES = frozenset({Kind.KEYPHRASE, Kind.TAG})
"""Kinds whose labels often repeat those of other kinds."""

SHORT = 0.75
"""The share of the text's length up to which a summary is worth showing."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A run of the text over which the same insights lie. Joined, the segments are the text."""

    text: str
    """The characters, as written: escaping them is the template's task."""
    insights: tuple[Insight, ...] = ()
    """The insights that rest on them, the narrowest first; empty for plain text."""

    @property
    def classes(self) -> str:
        """Its kinds as CSS classes: a thing is a patch of colour, the passage around it a line below."""
        return " ".join(dict.fromkeys(f"kind-{item.kind}" for item in self.insights))

    @property
    def words(self) -> str:
        """Its insights in words, for a tooltip."""
        return "; ".join(f"{HEADINGS[Kind(item.kind)]}: {item.label}" for item in self.insights)

    @property
    def keys(self) -> str:
        """The keys of its insights, by which a finding is shown in the text."""
        return " ".join(str(item.pk) for item in self.insights)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was found, once or several times."""

    insight: Insight
    """Its first insight, which stands for it in addresses."""
    label: str
    """What was found."""
    mood: Mood | None
    """The feeling attached to it, on average; None where none is known."""
    keys: str
    """The keys of all its insights, separated by blanks."""
    times: int
    """How often it was found."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The findings of one kind."""

    kind: str
    """The kind."""
    heading: str
    """Its name for people."""
    findings: Sequence[Finding]
    """The findings, in the order of the extractor."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """All that was found in the current text of an entry."""

    segments: Sequence[Segment]
    """The text."""
    groups: Sequence[Group]
    """The findings by kind, the empty kinds left out."""
    mood: Mood | None
    """The feeling of the whole."""
    title: str
    """The headline that was found."""
    summary: str
    """The summary that was found; empty where it is hardly shorter than the text."""


def reading_of(entry: JournalEntry) -> Reading:
    """Return what is known of the current text of `entry`; the plain text alone while nothing is."""
    extractions = list(entry.current_extractions().order_by("pk"))
    insights = list(entry.current_insights())
    return Reading(
        segments=segments(entry.content, insights),
        groups=_groups(_without_echoes(insights)),
        mood=mood_of(_mean(extraction.sentiment for extraction in extractions)),
        title=next((item.title for item in extractions if item.title), ""),
        summary=next((item.summary for item in extractions if _is_short(item.summary, entry.content)), ""),
    )


def segments(text: str, insights: Iterable[Insight]) -> list[Segment]:
    """Cut `text` wherever an insight begins or ends.

    Spans may overlap, nest or repeat. One that does not lie in the text, or over other words than it was found in, is
    left out: better no mark than one on the wrong words.
    """
    placed = [(span, item) for item in insights if (span := _span(item, text))]
    placed.sort(key=lambda pair: (pair[0][1] - pair[0][0], pair[1].pk))
    cuts = sorted({0, len(text), *(edge for span, _ in placed for edge in span)})
    return [
        Segment(
            text=text[start:end],
            insights=tuple(item for (first, last), item in placed if first <= start and end <= last),
        )
        for start, end in pairwise(cuts)
    ]


def _span(insight: Insight, text: str) -> tuple[int, int] | None:
    start, end = insight.start, insight.end
    if start is None or end is None or not 0 <= start < end <= len(text):
        return None
    # A stored snippet may be cut short.
    return (start, end) if text[start:end].startswith(insight.snippet) else None


def _without_echoes(insights: Sequence[Insight]) -> list[Insight]:
    """Leave out tags and key phrases that only repeat what a finding of a telling kind says."""
    said = {item.label.casefold() for item in insights if item.kind not in ECHOES}
    return [item for item in insights if item.kind not in ECHOES or item.label.casefold() not in said]


def _is_short(summary: str, text: str) -> bool:
    return 0 < len(summary) < SHORT * len(text)


def _groups(insights: Iterable[Insight]) -> list[Group]:
    order = list(HEADINGS)
    by_kind = sorted(insights, key=lambda item: order.index(Kind(item.kind)))
    return [
        Group(kind=kind, heading=HEADINGS[Kind(kind)], findings=_findings(items))
        for kind, items in groupby(by_kind, key=lambda item: item.kind)
    ]


def _findings(insights: Iterable[Insight]) -> list[Finding]:
    by_label: dict[str, list[Insight]] = {}
    for insight in insights:
        by_label.setdefault(insight.label.casefold(), []).append(insight)
    return [
        Finding(
            insight=same[0],
            label=same[0].label,
            mood=mood_of(_mean(item.sentiment for item in same)),
            keys=" ".join(str(item.pk) for item in same),
            times=len(same),
        )
        for same in by_label.values()
    ]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
