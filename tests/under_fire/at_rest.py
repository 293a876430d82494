"""What must be true once everything has come to rest after a death."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from insights_recovery import hosts
from insights_recovery.conf import conf
from insights_recovery.lifecycle import FINISHED, Reason, State, digest_of
from insights_recovery.models import Extraction, Insight, Outcome, ProcessingAttempt
from insights_recovery.monitoring import audit
from tests.hosts.extractors import MARKER, Call
from tests.under_fire.crash_picture import Picture, corrections_in, orphans
from tests.under_fire.crash_world import KNOWN, World
from tests.under_fire.profiles import by_profile

AUDITS = by_profile(ordinary=False, short=True, long=True)
"""Whether the project's own audit is asked as well; the laws that it goes by hold in every profile."""
Ends = Mapping[str, Collection[State]]
"""The states in which the entries with these texts may end."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What one scenario may come to; whatever it does not name is as strict as can be."""

    extractors: Sequence[str] = ("marker",)
    """Names of the configured extractors."""
    becomes: Callable[[list[str]], list[str]] = list
    """What the act makes of the journal's texts."""
    ends: Ends = field(default_factory=dict)
    """Ends other than those that a text's own markers imply."""
    calls: int = 1
    """Calls for one text by one extractor, not paid for at the death, that may follow it."""
    at_risk: int = 1
    """Calls whose answers one death may cost, at the most: the one in hand."""
    losses: int = 1
    """Attempts at one entry that may be lost; a single death is one."""
    failures: int = 0
    """Failed attempts at one entry, besides those that its text's markers bring about."""
    keeps_corrections: bool = True
    """Whether what was corrected by hand before the act stays as it was."""
    edited_unseen: Collection[str] = ()
    """Texts that were written by plain SQL, so that only the sweep can notice."""
    forgotten: Collection[str] = ()
    """Texts of entries of whose history something is old enough to be pruned."""


@dataclass(frozen=True, kw_only=True)
class Death:
    """How everything stood when the process had died."""

    picture: Picture
    """The database."""
    calls: Sequence[Call]
    """Calls of extractors so far."""
    calls_before: int
    """How many of them were made before the act."""

    def violations(self, now: Picture, world: World, expected: Expectation) -> list[str]:
        """Return what is wrong `now`, when nothing is left to be done."""
        texts = now.texts
        found = [f"entry {pk} is not as it was at the death" for pk, _ in self.picture.texts.items() ^ texts.items()]
        for pk, entry in now.entries.items():
            found += (f"entry {pk} ({entry.processing_state}): {what}" for what in _of_entry(entry, now, expected))
        found += (f"paid again: {what}" for what in self._paid_again(world, expected))
        found += orphans(now)
        if AUDITS:
            found += (f"audit: {name} broken {count} times" for name, count in _broken_laws().items())
        found += ("a sweep did not end" for beat in now.heartbeats if beat["token"] or beat["lease_until"])
        return found

    def at_risk(self) -> int:
        """Return how many calls of the act for texts that can be read are not paid for by what is stored."""
        made = {(call.extractor, call.digest) for call in self.calls[self.calls_before :]}
        readable = {digest[:16] for digest, text in KNOWN.items() if not _orders(text)}
        return sum(digest in readable for _, digest in made - self.picture.paid)

    def _paid_again(self, world: World, expected: Expectation) -> Iterator[str]:
        later = Counter((call.extractor, call.digest) for call in world.calls()[len(self.calls) :])
        for (extractor, digest), number in later.items():
            allowed = 0 if (extractor, digest) in self.picture.paid else expected.calls
            if number > allowed:
                yield f"{number} calls of {extractor} for text {digest}, where {allowed} were left to be paid"


class Beginning:
    """What people had written before the act."""

    def __init__(self, world: World) -> None:
        self.texts = [entry.get_insight_text() for entry in hosts.entries()]
        self.calls = len(world.calls())
        self._corrections = corrections_in(Insight.objects.corrected())

    def lost_corrections(self, now: Picture) -> list[str]:
        """Return which corrections of entries that are still there are gone."""
        gone = self._corrections - corrections_in(now.insights)
        return [f"entry {pk}: its correction {kind} is gone" for pk, kind, *_ in gone if pk in now.entries]


def _broken_laws() -> Counter[str]:
    """Return how often each law is broken in the eyes of the project's own audit."""
    report = audit.Report()
    for page in audit.examine():
        report.add(page)
    return +report.counts


def _of_entry(entry: Any, now: Picture, expected: Expectation) -> Iterator[str]:
    text = entry.get_insight_text()
    attempts = [attempt for attempt in now.attempts if attempt.entry_id == entry.pk]
    if entry.processing_state not in expected.ends.get(text, ends_of(text)):
        yield f"must not end so ({entry.processing_reason})"
    if entry.processing_state == State.FAILED and text not in expected.ends:
        yield from _of_dead_letter(entry)
    if entry.processing_state in FINISHED - {State.FAILED}:
        stored = [extraction for extraction in now.extractions if extraction.entry_id == entry.pk]
        yield from _of_done(entry, digest_of(text), stored, expected)
    yield from _of_history(entry, text, attempts, expected)


def ends_of(text: str) -> Collection[State]:
    """Return the state in which an entry with this text must end, by its markers."""
    if not text.strip():
        return {State.SKIPPED}
    orders = _orders(text)
    fails_always = "fail" in orders and orders["fail"] is None
    return {State.FAILED} if "permanent" in orders or fails_always else {State.COMPLETED}


def _orders(text: str) -> dict[str, str | None]:
    return {found["name"]: found["value"] for found in MARKER.finditer(text)}


def _failures_of(text: str) -> int:
    orders = _orders(text)
    if "fail" in orders:
        return int(orders["fail"] or conf().max_attempts)
    return int("permanent" in orders)


def _of_dead_letter(entry: Any) -> Iterator[str]:
    if entry.processing_reason not in {Reason.ATTEMPTS, Reason.PERMANENT}:
        yield f"is dead of {entry.processing_reason}"
    if entry.processing_reason == Reason.ATTEMPTS and entry.processing_attempts != conf().max_attempts:
        yield f"is dead after {entry.processing_attempts} attempts"


def _of_done(entry: Any, digest: str, stored: Sequence[Extraction], expected: Expectation) -> Iterator[str]:
    wanted = expected.extractors if entry.processing_state == State.COMPLETED else ()
    if entry.processing_digest != digest:
        yield "is of another text"
    kept = sorted((found.extractor, found.text_digest == digest, found.is_outdated) for found in stored)
    if kept != sorted((name, True, False) for name in wanted):
        yield f"has extractions {kept}"


def _of_history(entry: Any, text: str, attempts: Sequence[ProcessingAttempt], expected: Expectation) -> Iterator[str]:
    numbers = [attempt.number for attempt in attempts]
    if numbers != list(range(1, entry.processing_claims + 1)) and text not in expected.forgotten:
        yield f"has attempts {numbers} of {entry.processing_claims} claims"
    ended = Counter(attempt.outcome for attempt in attempts)
    if ended[Outcome.LOST] > expected.losses:
        yield f"lost {ended[Outcome.LOST]} attempts"
    if ended[Outcome.FAILED] > _failures_of(text) + expected.failures:
        yield f"failed {ended[Outcome.FAILED]} times"
    oldest = timezone.now() - timedelta(days=conf().history_days)
    if entry.processing_state != State.FAILED and any(attempt.finished_at < oldest for attempt in attempts):
        yield "has an attempt that should have been pruned"
