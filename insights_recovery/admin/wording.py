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

REASONS: dict[str, Words] = {
    Reason.NEW: gettext_lazy("It has not been read yet."),
    Reason.EDITED: gettext_lazy("Its text was edited."),
    Reason.RETRY: gettext_lazy("It is to be tried again."),
    Reason.BROKER: gettext_lazy("The queue could not be reached; the entry is safe and is offered again."),
    Reason.WORKER_LOST: gettext_lazy("The worker that had it was lost."),
    Reason.CIRCUIT_OPEN: gettext_lazy("The extraction service is out of order."),
    Reason.RATE_LIMITED: gettext_lazy("The extraction service takes only so many at a time."),
    Reason.BUDGET: gettext_lazy("The budget is spent."),
    Reason.PAUSED: gettext_lazy("Processing is paused."),
    Reason.CONFIGURATION: gettext_lazy("The extractor is not set up properly."),
    Reason.BLANK: gettext_lazy("There is no text."),
    Reason.DUPLICATE: gettext_lazy("The same author has an identical text that is done."),
    Reason.BY_HAND: gettext_lazy("A person decided not to have it read."),
    Reason.ATTEMPTS: gettext_lazy("Every attempt failed."),
    Reason.CRASHES: gettext_lazy("Its worker crashed every time."),
    Reason.PERMANENT: gettext_lazy("The extractor refused it for good."),
}
"""Why an entry stands where it stands."""

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
    return REASONS.get(entry.processing_reason, "")


def _when(entry: Any, now: datetime) -> str:
    if entry.processing_state == State.FAILED:
        return _("It waits for a person to retry or skip it.")
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
    return _("It is in the queue, and is offered again at %(moment)s.") % {"moment": moment(due)}


def moment(value: datetime) -> str:
    """Return date and time in the reader's zone and language."""
    return formats.date_format(timezone.template_localtime(value), "DATETIME_FORMAT")


def _span(start: datetime, end: datetime) -> str:
    if (end - start).total_seconds() < 60:
        return _("less than a minute")
    return timesince(start, end)
