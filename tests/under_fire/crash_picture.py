"""What a database holds at one moment, as a reader would see it then, and what must hold at every moment."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields
from typing import Any

from insights_recovery import hosts
from insights_recovery.lifecycle import State, digest_of
from insights_recovery.models import Extraction, Heartbeat, Insight, Outcome, ProcessingAttempt
from insights_recovery.monitoring.laws import ENTRY_LAWS, Standing
from tests.under_fire.crash_extractors import findings
from tests.under_fire.crash_world import CANARY, KNOWN

HELD_BY_THE_DEAD = "held_by_the_dead"
"""The one law that a death breaks by itself."""


class Picture:
    """All rows of one moment."""

    def __init__(self) -> None:
        self.entries = {entry.pk: entry for entry in hosts.entries().order_by("pk")}
        self.extractions = list(Extraction.objects.order_by("pk"))
        self.insights = list(Insight.objects.order_by("position", "pk"))
        self.attempts = list(ProcessingAttempt.objects.order_by("number", "pk"))
        self.heartbeats = list(Heartbeat.objects.values())

    @property
    def texts(self) -> dict[Any, str]:
        """The text of each entry, by key."""
        return {pk: entry.get_insight_text() for pk, entry in self.entries.items()}

    @property
    def paid(self) -> set[tuple[str, str]]:
        """Extractor and digest, as the extractors' log has it, of every checkpoint."""
        return {(found.extractor, found.text_digest[:16]) for found in self.extractions if not found.is_outdated}

    @property
    def standing(self) -> list[Any]:
        """What changes whenever anybody does something for an entry."""
        names = ("state", "claims", "digest", "crashes", "completed_at")
        rows = [[getattr(entry, f"processing_{name}") for name in names] for entry in self.entries.values()]
        return [rows, *map(len, (self.entries, self.extractions, self.insights, self.attempts))]


def corrections_in(insights: Iterable[Insight]) -> set[tuple[Any, ...]]:
    """Return what people did to these insights: the entry's key first, then what they see."""
    by_hand = (insight for insight in insights if insight.is_manual_edit)
    return {(found.entry_id, found.kind, found.label, found.is_removed, found.extracted_label) for found in by_hand}


def faults(picture: Picture, *, edited_unseen: Collection[str] = ()) -> list[str]:
    """Return what is wrong at this very moment, whether something is under way or not.

    Only texts that were `edited_unseen`, by plain SQL, may stand beside the insights of another.
    """
    return [
        *(f"stale: {what}" for what in _stale(picture, edited_unseen)),
        *(f"torn: {what}" for what in _torn(picture)),
        *(f"done for nothing: {what}" for what in _done_without_insights(picture)),
        *(f"history: {what}" for what in _leases_without_attempts(picture)),
        *(f"law: {what}" for what in _lawless(picture)),
        *(f"leak: {what}" for what in _leaks(picture)),
    ]


def orphans(picture: Picture) -> list[str]:
    """Return what belongs to entries that are not there."""
    belongings = (*picture.extractions, *picture.insights, *picture.attempts)
    return [f"orphan: {row}" for row in belongings if row.entry_id not in picture.entries]


def _lawless(picture: Picture) -> Iterator[str]:
    """Yield entries that break one of the project's own laws; a death is no breach of them."""
    for entry in picture.entries.values():
        facts = {part.name: getattr(entry, f"processing_{part.name}") for part in fields(Standing) if part.name != "pk"}
        standing = Standing(pk=entry.pk, **facts)
        broken = {law.name for law in ENTRY_LAWS if law.is_broken(standing)} - {HELD_BY_THE_DEAD}
        yield from (f"entry {entry.pk}: {name}" for name in broken)


def _stale(picture: Picture, edited_unseen: Collection[str]) -> Iterator[str]:
    for pk, entry in picture.entries.items():
        text = entry.get_insight_text()
        is_done = entry.processing_state == State.COMPLETED and entry.processing_digest
        if is_done and entry.processing_digest != digest_of(text) and text not in edited_unseen:
            yield f"entry {pk} is done with another text"


def _torn(picture: Picture) -> Iterator[str]:
    """Yield extractions that do not have exactly the insights that their extractor finds in their text."""
    mine: dict[Any, list[tuple[Any, ...]]] = defaultdict(list)
    known: dict[Any, set[tuple[str, str]]] = defaultdict(set)
    for insight in picture.insights:
        if insight.is_manual_edit:
            known[insight.entry_id] |= _names(insight)
        else:
            mine[insight.extraction_id].append(_facts(insight))
    for extraction in picture.extractions:
        stored = mine.pop(extraction.pk, [])
        text = KNOWN.get(extraction.text_digest)
        wanted = findings(extraction.extractor, text) if text is not None else ()
        is_whole = stored == [found for found in wanted if found[:2] not in known[extraction.entry_id]]
        if not is_whole and extraction.entry_id in picture.entries:
            yield str(extraction)
    yield from (f"{len(rows)} insights of an extraction that is gone" for rows in mine.values())


def _names(insight: Insight) -> set[tuple[str, str]]:
    return {(insight.kind, insight.label), (insight.extracted_kind, insight.extracted_label)}


def _facts(insight: Insight) -> tuple[Any, ...]:
    names = ("kind", "label", "snippet", "start", "end", "sentiment", "confidence")
    return tuple(getattr(insight, name) for name in names)


def _done_without_insights(picture: Picture) -> Iterator[str]:
    known = {(extraction.entry_id, extraction.text_digest) for extraction in picture.extractions}
    for pk, entry in picture.entries.items():
        read = entry.processing_digest or digest_of(entry.get_insight_text())
        if entry.processing_state == State.COMPLETED and (pk, read) not in known:
            yield f"entry {pk} is done without insights"


def _leases_without_attempts(picture: Picture) -> Iterator[str]:
    in_work = (entry for entry in picture.entries.values() if entry.processing_state == State.PROCESSING)
    leases = Counter((entry.pk, entry.processing_token) for entry in in_work)
    running = (attempt for attempt in picture.attempts if attempt.outcome == Outcome.RUNNING)
    attempts = Counter((attempt.entry_id, attempt.token) for attempt in running)
    yield from (f"entry {pk} is in work without an attempt" for pk, _ in leases - attempts)
    yield from (f"an attempt at entry {pk} runs without a lease" for pk, _ in attempts - leases)


def _leaks(picture: Picture) -> Iterator[str]:
    """Yield places where a text stands that is no place for one."""
    for entry in picture.entries.values():
        columns = [value for name, value in vars(entry).items() if name.startswith("processing_")]
        if CANARY in repr(columns):
            yield f"the columns of entry {entry.pk}"
    for attempt in picture.attempts:
        if CANARY in repr(vars(attempt)):
            yield f"an attempt at entry {attempt.entry_id}"
    if CANARY in repr(picture.heartbeats):
        yield "a heartbeat"
