"""Says in plain words how far the reading of an entry is: what it waits for, until when, and what may be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import formats, timezone

from insights_recovery.lifecycle import Reason, State

from .models import JournalEntry

PATIENCE = timedelta(minutes=2)
"""How long after its due time an entry must lie still before the reader is told that nobody is at work."""

SOONEST_LOOK, LATEST_LOOK = 2, 30
"""Bounds, in seconds, of the time after which the page asks again."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """How far an entry is."""

    label: str
    """The state in a few words, for a list."""
    detail: str
    """One sentence more, for the page of the entry."""
    tone: str
    """`busy`, `waiting`, `done` or `trouble`: how it is coloured."""
    may_retry: bool = False
    """Whether the author may ask for another try."""
    look_again: int = 0
    """Seconds after which something may have changed; 0 when nothing will by itself."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing will change by itself."""
        return self.look_again == 0


WAITING_FOR: dict[str, tuple[str, str]] = {
    Reason.NEW: ("New", "It will be read in a moment."),
    Reason.EDITED: ("Changed", "You changed the text, so it will be read anew in a moment."),
    Reason.RETRY: ("Trying again", "It is on its way to be read once more."),
    Reason.BROKER: (
        "Queue out of reach",
        "Your entry is saved, but the queue could not be told of it. It is offered again.",
    ),
    Reason.WORKER_LOST: ("Interrupted", "The program that was reading it stopped. Another one takes over."),
    Reason.CIRCUIT_OPEN: (
        "Service out of order",
        "The reading service does not answer, which has nothing to do with your entry.",
    ),
    Reason.RATE_LIMITED: ("Waiting its turn", "The reading service takes only so many entries at a time."),
    Reason.BUDGET: ("Budget used up", "The budget for reading is used up for now. It goes on when there is a new one."),
    Reason.PAUSED: ("Paused", "Reading was paused by the administrator of this site."),
    Reason.CONFIGURATION: (
        "Not set up",
        "Reading is not set up properly; the administrator of this site has to see to it.",
    ),
}
"""Label and explanation for each reason to wait."""

SKIPPED_FOR: dict[str, str] = {
    Reason.BLANK: "There is no text to read.",
    Reason.DUPLICATE: "You have another entry with the very same text, and that one is read.",
    Reason.BY_HAND: "It was decided not to read this one.",
}

FAILED_FOR: dict[str, str] = {
    Reason.ATTEMPTS: "Every try failed.",
    Reason.CRASHES: "The program that reads it broke down every time.",
    Reason.PERMANENT: "It was refused for good.",
}


def status_of(entry: JournalEntry, *, now: datetime | None = None) -> Status:
    """Return how far `entry` is."""
    now = now or timezone.now()
    match entry.processing_state:
        case State.COMPLETED:
            return Status(label="Done", detail=_done(entry, now), tone="done")
        case State.SKIPPED:
            return Status(
                label="Not read", detail=_worded(SKIPPED_FOR, entry, "There was nothing to read."), tone="done"
            )
        case State.FAILED:
            detail = f"{_worded(FAILED_FOR, entry, 'It did not work.')} Your text is safe; you can have it tried again."
            return Status(label="Could not be read", detail=detail, tone="trouble", may_retry=True)
        case State.PROCESSING:
            detail = "This takes a moment; the page will show what was found."
            return Status(label="Reading your entry…", detail=detail, tone="busy", look_again=SOONEST_LOOK)
    return _waiting(entry, now)


def _waiting(entry: JournalEntry, now: datetime) -> Status:
    label, detail = WAITING_FOR.get(entry.processing_reason, ("Waiting", "It will be read."))
    until = entry.processing_not_before
    if entry.processing_state == State.CELERY_ERROR:
        until = entry.processing_due_at
    if until and until > now:
        if entry.processing_reason == Reason.RETRY:
            label, detail = "Waiting", "The last try did not work."
        return Status(
            label=f"{label}: will try again at {clock_time(until, now)}",
            detail=detail,
            tone="waiting",
            look_again=_bounded((until - now).total_seconds()),
        )
    if entry.processing_due_at and entry.processing_due_at < now - PATIENCE:
        detail = "Nobody is reading at the moment. Your entry is safe, and its turn comes as soon as somebody is."
        return Status(label=f"{label}: nobody is reading", detail=detail, tone="waiting", look_again=LATEST_LOOK)
    if entry.processing_backfill:
        detail = "It will be read as soon as the newer entries are."
    return Status(label=f"{label}: next in line", detail=detail, tone="waiting", look_again=SOONEST_LOOK)


def clock_time(moment: datetime, now: datetime) -> str:
    """Return the time of day in the reader's zone, with the day unless that is today."""
    local = timezone.localtime(moment)
    clock = formats.date_format(local, "H:i")
    if local.date() == timezone.localtime(now).date():
        return clock
    return f"{clock} on {formats.date_format(local, 'j F')}"


def _done(entry: JournalEntry, now: datetime) -> str:
    if entry.processing_completed_at is None:
        return "It is read."
    return f"It was read at {clock_time(entry.processing_completed_at, now)}."


def _worded(words: dict[str, str], entry: JournalEntry, otherwise: str) -> str:
    return words.get(entry.processing_reason, otherwise)


def _bounded(seconds: float) -> int:
    return int(min(max(seconds, SOONEST_LOOK), LATEST_LOOK))
