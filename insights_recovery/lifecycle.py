"""The state machine: the states, the table of legal transitions, and the guarded verbs that carry them out.

No other module writes a processing column. Each verb is one guarded statement, a compare and set on the state (and,
for whoever holds a lease, on its token), and returns how many entries it moved: zero means that the world moved on.
The verbs read no settings and no clock; delays arrive as arguments, in seconds, and count from the database's now.

Where a statement both tests and assigns a column, the assignment comes last: MariaDB evaluates assignments from left to
right and would test the new value.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.utils.translation import gettext_lazy as _

from insights_recovery import clock


class State(models.TextChoices):
    """Where an entry stands."""

    PENDING = "PENDING", _("waiting")
    """To be done: new, edited, waiting for a retry, postponed, or taken back from a lost worker."""
    CELERY_ERROR = "CELERY_ERROR", _("waiting, broker not told")
    """The broker could not be told; the entry is safe and will be offered again."""
    PROCESSING = "PROCESSING", _("in work")
    """One worker holds the lease."""
    COMPLETED = "COMPLETED", _("done")
    """Insights of the current text are stored."""
    SKIPPED = "SKIPPED", _("skipped")
    """Nothing to extract; the reason says why."""
    FAILED = "FAILED", _("failed")
    """The dead letter: kept, with its history, until a person acts."""


WAITING = frozenset({State.PENDING, State.CELERY_ERROR})
UNFINISHED = WAITING | {State.PROCESSING}
FINISHED = frozenset(State) - UNFINISHED


class Reason(models.TextChoices):
    """Why an entry stands where it stands."""

    NEW = "new", _("new")
    EDITED = "edited", _("its text was edited")
    RETRY = "retry", _("an attempt failed and will be repeated")
    BROKER = "broker", _("the message broker could not be reached")
    WORKER_LOST = "worker_lost", _("its worker was lost")
    CIRCUIT_OPEN = "circuit_open", _("the extraction service is out")
    RATE_LIMITED = "rate_limited", _("the extraction service limits the rate")
    BUDGET = "budget", _("the budget is spent")
    PAUSED = "paused", _("processing is paused")
    CONFIGURATION = "configuration", _("the extractor is not configured properly")
    BLANK = "blank", _("there is no text")
    DUPLICATE = "duplicate", _("the same author has an identical text that is done")
    BY_HAND = "by_hand", _("a person decided it")
    ATTEMPTS = "attempts", _("every attempt failed")
    CRASHES = "crashes", _("it crashed its worker every time")
    PERMANENT = "permanent", _("the extractor refused it for good")


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One legal move of an entry."""

    verb: str
    """The function of this module that makes the move."""
    sources: frozenset[State]
    """The states from which it may be made."""
    target: State
    """The state it leads to."""
    guard: str
    """What else must hold, in words."""
    caller: str
    """Who makes it."""


def _transition(
    verb: str, sources: frozenset[State] | set[State], target: State, guard: str, caller: str
) -> Transition:
    return Transition(verb=verb, sources=frozenset(sources), target=target, guard=guard, caller=caller)


_IN_WORK = frozenset({State.PROCESSING})
_FENCE = "the lease's token matches"
_GONE = "the lease ran out, or its process is known dead"

TRANSITIONS = {
    move.verb: move
    for move in (
        _transition("announce", WAITING, State.PENDING, "it is due", "dispatch"),
        _transition("mark_untold", {State.PENDING}, State.CELERY_ERROR, "the message was not published", "dispatch"),
        _transition("claim", WAITING, State.PROCESSING, "its back-off is over", "processing"),
        _transition("renew", _IN_WORK, State.PROCESSING, "the task that holds it is alive, and in time", "worker"),
        _transition("hold", _IN_WORK, State.PROCESSING, _FENCE, "processing"),
        _transition("complete", _IN_WORK, State.COMPLETED, f"{_FENCE} and the text is the one read", "processing"),
        _transition("skip", _IN_WORK, State.SKIPPED, f"{_FENCE} and the text is the one read", "processing"),
        _transition("retry", _IN_WORK, State.PENDING, _FENCE, "processing"),
        _transition("bury", _IN_WORK, State.FAILED, _FENCE, "processing"),
        _transition("postpone", _IN_WORK, State.PENDING, _FENCE, "processing"),
        _transition("release", _IN_WORK, State.PENDING, _FENCE, "processing, worker"),
        _transition("supersede", _IN_WORK, State.PENDING, f"{_FENCE} and the text is another", "processing"),
        _transition("rescue_suspects", _IN_WORK, State.PENDING, f"{_GONE}; held in a batch", "recovery"),
        _transition("rescue_crashed", _IN_WORK, State.PENDING, f"{_GONE}; held alone", "recovery"),
        _transition("bury_crashed", _IN_WORK, State.FAILED, f"{_GONE}; held alone, crashes spent", "recovery"),
        _transition("edit", frozenset(State) - _IN_WORK, State.PENDING, "the text changed", "the host, recovery"),
        _transition("requeue", WAITING | {State.FAILED}, State.PENDING, "a person asks", "operations"),
        _transition("reprocess", FINISHED, State.PENDING, "a person asks", "operations"),
        _transition("dismiss", WAITING | {State.FAILED}, State.SKIPPED, "a person asks", "operations"),
    )
}

_UNLEASED: dict[str, Any] = {"processing_token": None, "processing_owner": ""}
_FINISHED: dict[str, Any] = {**_UNLEASED, "processing_due_at": None, "processing_not_before": None}
_FRESH: dict[str, Any] = {
    "processing_attempts": 0,
    "processing_crashes": 0,
    "processing_postponed": 0,
    "processing_nudges": 0,
    "processing_solitary": False,
    "processing_not_before": None,
    "processing_error": "",
    "processing_completed_at": None,
}
_SHORTEST_PAUSE = 0.001
"""Delays below this, in seconds, are none: the gate stays open, and the entry may be claimed in the same instant."""


def digest_of(text: str) -> str:
    """Return the SHA-256 of `text` in hexadecimal; lone surrogates, which UTF-8 cannot express, count as themselves."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _move(verb: str, rows: QuerySet[Any], **columns: Any) -> int:
    move = TRANSITIONS[verb]
    # Past the host's queryset, whose update() watches for edits.
    return QuerySet.update(
        rows.filter(processing_state__in=move.sources).order_by(), **columns, processing_state=move.target
    )


def _leased(rows: QuerySet[Any], token: UUID) -> QuerySet[Any]:
    return rows.filter(processing_token=token)


def _after(delay: float) -> dict[str, Any]:
    gate = clock.later(delay) if delay >= _SHORTEST_PAUSE else None
    return {"processing_due_at": gate or clock.now(), "processing_not_before": gate}


def _anew(reason: Reason) -> dict[str, Any]:
    return {
        **_FRESH,
        "processing_due_at": clock.now(),
        "processing_waiting_since": clock.now(),
        "processing_reason": reason,
    }


# Dispatch


def announce(rows: QuerySet[Any], *, grace: float, doublings: int) -> int:
    """A nudge for these due entries is on its way: look again when it stayed unclaimed for the grace.

    The grace doubles with each nudge in a row, `doublings` times at the most, so that entries which wait behind a long
    queue are not queued again and again, while a lost message never costs more than it has already waited.
    """
    due = Case(
        *(When(processing_nudges=n, then=clock.later(grace * 2**n)) for n in range(doublings)),
        default=clock.later(grace * 2**doublings),
    )
    waiting = rows.filter(processing_due_at__lte=clock.now())
    return _move("announce", waiting, processing_due_at=due, processing_nudges=F("processing_nudges") + 1)


def mark_untold(rows: QuerySet[Any], *, error: str, delay: float) -> int:
    """The broker could not be told of these entries: say so, and offer them again after the delay."""
    return _move(
        "mark_untold",
        rows,
        processing_due_at=clock.later(delay),
        processing_reason=Reason.BROKER,
        processing_error=error,
    )


# The holder of a lease


def claim(rows: QuerySet[Any], *, token: UUID, owner: str, lease: float, alone: bool) -> int:
    """Take the lease of these entries, each that waits and whose back-off is over.

    A suspect, an entry whose last batch was lost, is passed over unless it is claimed alone; what is claimed alone
    stands for itself when its worker is lost.
    """
    open_gate = rows.filter(Q(processing_not_before=None) | Q(processing_not_before__lte=clock.now()))
    return _move(
        "claim",
        open_gate if alone else open_gate.filter(processing_solitary=False),
        processing_token=token,
        processing_owner=owner,
        processing_due_at=clock.later(lease),
        processing_claims=F("processing_claims") + 1,
        processing_nudges=0,
        processing_solitary=alone,
    )


def renew(rows: QuerySet[Any], *, lease: float) -> int:
    """Extend the leases of these entries, whose tasks are alive."""
    return _move("renew", rows, processing_due_at=clock.later(lease))


def hold(rows: QuerySet[Any], token: UUID, *, lease: float) -> int:
    """Fence: lock these entries' rows until the transaction ends, as far as the lease is still ours.

    An UPDATE locks the row on every database, also where SELECT cannot.
    """
    return _move("hold", _leased(rows, token), processing_due_at=clock.later(lease))


def complete(rows: QuerySet[Any], token: UUID, *, digest: str) -> int:
    """The insights of the text with this digest are stored."""
    return _move(
        "complete",
        _leased(rows, token),
        **_FRESH
        | _FINISHED
        | {"processing_reason": "", "processing_digest": digest, "processing_completed_at": clock.now()},
    )


def skip(rows: QuerySet[Any], token: UUID, *, reason: Reason, digest: str) -> int:
    """There is nothing to extract from the text with this digest."""
    return _move(
        "skip",
        _leased(rows, token),
        **_FRESH | _FINISHED | {"processing_reason": reason, "processing_digest": digest},
    )


def retry(rows: QuerySet[Any], token: UUID, *, delay: float, error: str, digest: str) -> int:
    """The attempt failed and is repeated after the delay."""
    return _move(
        "retry",
        _leased(rows, token),
        **_UNLEASED | _after(delay),
        processing_attempts=F("processing_attempts") + 1,
        processing_solitary=False,
        processing_reason=Reason.RETRY,
        processing_error=error,
        processing_digest=digest,
    )


def bury(rows: QuerySet[Any], token: UUID, *, reason: Reason, error: str, digest: str) -> int:
    """The attempt failed, and it was the last: a dead letter, until a person acts."""
    return _move(
        "bury",
        _leased(rows, token),
        **_FINISHED,
        processing_attempts=F("processing_attempts") + 1,
        processing_solitary=False,
        processing_reason=reason,
        processing_error=error,
        processing_digest=digest,
    )


def postpone(rows: QuerySet[Any], token: UUID, *, reason: Reason, delay: float, error: str) -> int:
    """An outage that is nobody's fault: look again after the delay; no attempt is spent."""
    return _move(
        "postpone",
        _leased(rows, token),
        **_UNLEASED | _after(delay),
        processing_postponed=F("processing_postponed") + 1,
        processing_reason=reason,
        processing_error=error,
    )


def release(rows: QuerySet[Any], token: UUID, *, alone_next: bool = False) -> int:
    """Give these entries back untouched; with `alone_next` they are claimed one by one from then on."""
    kept: dict[str, Any] = {"processing_solitary": True} if alone_next else {}
    return _move("release", _leased(rows, token), **_UNLEASED | _after(0) | kept)


def supersede(rows: QuerySet[Any], token: UUID, *, digest: str) -> int:
    """The text was edited while in work: start over with the new one, with fresh attempts."""
    return _move(
        "supersede",
        _leased(rows, token),
        **_anew(Reason.EDITED) | _UNLEASED,
        processing_digest=digest,
    )


# Recovery; the rows come with the guard: `expired()`, or `held_by()` a process that is known dead


def rescue_suspects(rows: QuerySet[Any]) -> int:
    """Take back entries that were lost in a batch: nobody is convicted, each is claimed alone from now on."""
    return _move(
        "rescue_suspects",
        rows.filter(processing_solitary=False),
        **_UNLEASED | _after(0),
        processing_reason=Reason.WORKER_LOST,
        processing_solitary=True,
    )


def rescue_crashed(rows: QuerySet[Any], token: UUID, *, delay: float, error: str) -> int:
    """Take back an entry that was lost alone: the crash counts, and backs off."""
    return _move(
        "rescue_crashed",
        _leased(rows, token).filter(processing_solitary=True),
        **_UNLEASED | _after(delay),
        processing_crashes=F("processing_crashes") + 1,
        processing_reason=Reason.WORKER_LOST,
        processing_error=error,
    )


def bury_crashed(rows: QuerySet[Any], token: UUID, *, crashes: int, error: str) -> int:
    """Take back an entry that was lost alone once too often: a dead letter.

    It has crashed so often as its judge knows: an edit in between forgives what the old text did.
    """
    return _move(
        "bury_crashed",
        _leased(rows, token).filter(processing_solitary=True, processing_crashes=crashes),
        **_FINISHED,
        processing_crashes=F("processing_crashes") + 1,
        processing_reason=Reason.CRASHES,
        processing_error=error,
        processing_solitary=False,
    )


# The host, and people


def reopening(digest: str | None, *, due_in: float, backfill: bool) -> dict[str, Any]:
    """Return the columns by which a statement that writes the text puts the entry back, where the text changed.

    With `digest`, that of the new text, only rows with another digest are put back; with None, when the new text is not
    known before the statement runs, every row is: an entry whose text turns out to be the old one is completed from
    its checkpoints without a call. An entry in work keeps its lease, and its holder compares the texts when it settles;
    should it crash instead, what the old text did is not held against the new one.
    """
    changed = Q() if digest is None else ~Q(processing_digest=digest)
    idle = changed & ~Q(processing_state=State.PROCESSING)
    columns = {
        **_anew(Reason.EDITED),
        "processing_due_at": clock.later(due_in) if due_in else clock.now(),
        "processing_nudges": 1 if due_in else 0,
        "processing_backfill": backfill,
        "processing_state": TRANSITIONS["edit"].target,
    }
    forgiven = {"processing_attempts", "processing_crashes"}
    return {name: _where(changed if name in forgiven else idle, value, name) for name, value in columns.items()} | {
        "processing_digest": digest or ""
    }


def _where(condition: Q, value: Any, column: str) -> Any:
    if not condition:
        return value
    field = _FIELDS.get(type(value), models.DateTimeField)()
    then = value if hasattr(value, "resolve_expression") else Value(value, output_field=field)
    return Case(When(condition, then=then), default=F(column), output_field=field)


_FIELDS: dict[type[Any], type[models.Field[Any, Any]]] = {
    bool: models.BooleanField,
    int: models.IntegerField,
    str: models.TextField,
    Reason: models.TextField,
    State: models.TextField,
}
"""The kind of field for a value; whatever is not listed is a moment, or none."""


def edit(rows: QuerySet[Any], *, digest: str) -> int:
    """Put back finished entries whose text was found to be another than the one that was processed."""
    edited = rows.exclude(processing_state=State.PROCESSING).exclude(processing_digest=digest)
    return QuerySet.update(edited, **reopening(digest, due_in=0, backfill=False))


def adopt(rows: QuerySet[Any], *, digest: str) -> int:
    """Note the digest of the text of finished entries that never had one, without moving them."""
    return QuerySet.update(rows.filter(processing_state__in=FINISHED, processing_digest=""), processing_digest=digest)


def requeue(rows: QuerySet[Any]) -> int:
    """Try these entries again, with fresh attempts and crashes and no back-off."""
    return _move("requeue", rows, **_anew(Reason.RETRY))


def reprocess(rows: QuerySet[Any]) -> int:
    """Do these finished entries over, behind what people write today."""
    return _move(
        "reprocess",
        rows,
        **_anew(Reason.NEW),
        processing_backfill=True,
    )


def dismiss(rows: QuerySet[Any], *, digest: str) -> int:
    """Leave these entries be, with the text of this digest."""
    return _move(
        "dismiss",
        rows,
        **_FRESH | _FINISHED | {"processing_reason": Reason.BY_HAND, "processing_digest": digest},
    )
