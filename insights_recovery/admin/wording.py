"""How far an entry is, in plain words: a badge for its state, and a sentence or two about why and until when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from insights_recovery.lifecycle import Reason, State
from insights_recovery.models import Outcome

Words = str | Promise
"""A text, or one that is translated when it is shown."""

STATES: dict[str, tuple[Words, str]] = {
    State.PENDING: (gettext_lazy("Waiting"), "waiting"),
    State.CELERY_ERROR: (gettext_lazy("Waiting, queue not told"), "warning"),
    State.PROCESSING: (gettext_lazy("In work"), "busy"),
    State.COMPLETED: (gettext_lazy("Done"), "good"),
    State.SKIPPED: (gettext_lazy("Skipped"), "quiet"),
    State.FAILED: (gettext_lazy("Failed"), "bad"),
}
"""The words for each state, and the tone that colours them."""

REASONS: dict[str, tuple[Words, Words]] = {
    Reason.NEW: (gettext_lazy("New"), gettext_lazy("It has not been read yet.")),
    Reason.EDITED: (gettext_lazy("Edited"), gettext_lazy("Its text was edited.")),
    Reason.RETRY: (gettext_lazy("To be tried again"), gettext_lazy("It is to be tried again.")),
    Reason.BROKER: (
        gettext_lazy("Queue out of reach"),
        gettext_lazy("The queue could not be told of it; the entry itself is safe."),
    ),
    Reason.WORKER_LOST: (gettext_lazy("Worker lost"), gettext_lazy("The worker that had it was lost.")),
    Reason.CIRCUIT_OPEN: (gettext_lazy("Service out"), gettext_lazy("The extraction service is out of order.")),
    Reason.RATE_LIMITED: (
        gettext_lazy("Rate limited"),
        gettext_lazy("The extraction service takes only so many at a time."),
    ),
    Reason.BUDGET: (gettext_lazy("Budget spent"), gettext_lazy("The budget is spent.")),
    Reason.PAUSED: (gettext_lazy("Paused"), gettext_lazy("Processing is paused.")),
    Reason.CONFIGURATION: (gettext_lazy("Not set up"), gettext_lazy("The extractor is not set up properly.")),
    Reason.BLANK: (gettext_lazy("No text"), gettext_lazy("There is no text.")),
    Reason.DUPLICATE: (
        gettext_lazy("Duplicate"),
        gettext_lazy("The same author has an identical text that is done."),
    ),
    Reason.BY_HAND: (gettext_lazy("Skipped by a person"), gettext_lazy("A person decided not to have it read.")),
    Reason.ATTEMPTS: (gettext_lazy("Attempts spent"), gettext_lazy("Every attempt failed.")),
    Reason.CRASHES: (gettext_lazy("Crashes"), gettext_lazy("It crashed its worker every time.")),
    Reason.PERMANENT: (gettext_lazy("Refused"), gettext_lazy("The extractor refused it for good.")),
}
"""Why an entry stands where it stands: in a word or two for a list of choices, and in a sentence."""

OUTCOMES: dict[str, tuple[Words, str]] = {
    Outcome.RUNNING: (gettext_lazy("In work"), "busy"),
    Outcome.COMPLETED: (gettext_lazy("Done"), "good"),
    Outcome.SKIPPED: (gettext_lazy("Skipped"), "quiet"),
    Outcome.FAILED: (gettext_lazy("Failed"), "bad"),
    Outcome.POSTPONED: (gettext_lazy("Postponed"), "waiting"),
    Outcome.RELEASED: (gettext_lazy("Given back"), "quiet"),
    Outcome.SUPERSEDED: (gettext_lazy("Text edited meanwhile"), "quiet"),
    Outcome.LOST: (gettext_lazy("Worker lost"), "bad"),
}
"""The words for how an attempt ended, and the tone that colours them."""


def badge(value: str, vocabulary: dict[str, tuple[Words, str]]) -> SafeString:
    """Return the words for `value`, coloured; the words alone say it all."""
    words, tone = vocabulary.get(value, (value, "quiet"))
    return format_html('<span class="ir-badge ir-badge--{}">{}</span>', tone, words)


def explanation(entry: Any, now: datetime) -> str:
    """Return why the entry stands where it stands, and when that will change, in a sentence or two.

    `now` is this machine's clock: it chooses words, and decides nothing.
    """
    sentences = (_why(entry), _when(entry, now))
    return " ".join(str(sentence) for sentence in sentences if sentence)


def _why(entry: Any) -> Words:
    if entry.processing_state == State.PROCESSING:
        return _("A worker is reading it.")
    if entry.processing_state == State.COMPLETED:
        return _("Its insights are stored.")
    _short, sentence = REASONS.get(entry.processing_reason, ("", ""))
    return sentence


def _when(entry: Any, now: datetime) -> str:
    if entry.processing_state == State.FAILED:
        return _("It waits for a person to try it again or skip it.")
    if entry.processing_due_at is None:
        return ""
    if entry.processing_state == State.PROCESSING:
        return _until_taken_back(entry.processing_due_at, now)
    return _until_next_try(entry, now)


def _until_taken_back(due: datetime, now: datetime) -> str:
    if due <= now:
        return _("It gave no sign for %(time)s and is about to be taken back.") % {"time": _span(due, now)}
    return ""


def _until_next_try(entry: Any, now: datetime) -> str:
    due, gate = entry.processing_due_at, entry.processing_not_before
    if gate and gate > now:
        return _("Next try: %(moment)s, in %(time)s.") % {"moment": moment(gate), "time": _span(now, gate)}
    if due <= now:
        return _("It has been due for %(time)s.") % {"time": _span(due, now)}
    facts = {"moment": moment(due), "time": _span(now, due)}
    if entry.processing_state == State.CELERY_ERROR:
        return _("Offered again: %(moment)s, in %(time)s.") % facts
    return _("It is in the queue; should no worker take it, it is offered again in %(time)s.") % facts


def moment(value: datetime) -> str:
    """Return date and time in the reader's zone and language."""
    local = timezone.localtime(value) if timezone.is_aware(value) else value
    return formats.date_format(local, "DATETIME_FORMAT")


def _span(start: datetime, end: datetime) -> str:
    if (end - start).total_seconds() < 60:
        return _("less than a minute")
    return timesince(start, end)
