"""Guards that are one word in a statement: each verb's columns, all of them, and what else no other test would miss."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from insights_recovery import clock, hosts, lifecycle
from insights_recovery.lifecycle import TRANSITIONS, Reason, State
from tests.hosts.notes.models import Entry
from tests.integration.helpers import in_state, row

pytestmark = pytest.mark.django_db

TOKEN = UUID(int=7)
NOW, LATER = timedelta(0), timedelta(seconds=9)
PAST = datetime.fromisoformat("2020-02-02T02:02:02+00:00")
"""A moment in every column that holds one, where the state admits it."""

SPENT = {
    "waiting_since": PAST,
    "attempts": 2,
    "crashes": 3,
    "postponed": 4,
    "claims": 5,
    "nudges": 1,
    "reason": Reason.CIRCUIT_OPEN,
    "backfill": False,
    "error": "of before",
    "digest": "of before",
    "completed_at": PAST,
}
"""An entry that something of everything has happened to, so that whatever a verb forgets is seen."""

UNLEASED = {"token": None, "owner": ""}
FINISHED = {**UNLEASED, "due_at": None, "not_before": None}
FRESH = {
    "attempts": 0,
    "crashes": 0,
    "postponed": 0,
    "nudges": 0,
    "solitary": False,
    "not_before": None,
    "error": "",
    "completed_at": None,
}
ANEW = {**FRESH, "due_at": NOW, "waiting_since": NOW}
BACKING_OFF = {**UNLEASED, "due_at": LATER, "not_before": LATER}
OPEN = {**UNLEASED, "due_at": NOW, "not_before": None}
SETTLED: dict[str, Any] = {"error": "now", "digest": "now"}

Verb = Callable[[Any], int]

WRITES: dict[str, tuple[Verb, dict[str, Any]]] = {
    "announce": (lambda rows: lifecycle.announce(rows, grace=4.5, doublings=6), {"due_at": LATER, "nudges": 2}),
    "mark_untold": (
        lambda rows: lifecycle.mark_untold(rows, error="now", delay=9),
        {"due_at": LATER, "reason": Reason.BROKER, "error": "now"},
    ),
    "claim": (
        lambda rows: lifecycle.claim(rows, token=TOKEN, owner="me", lease=9, alone=True),
        {"token": TOKEN, "owner": "me", "due_at": LATER, "claims": 6, "nudges": 0, "solitary": True},
    ),
    "claim in company": (
        lambda rows: lifecycle.claim(rows, token=TOKEN, owner="me", lease=9, alone=False),
        {"token": TOKEN, "owner": "me", "due_at": LATER, "claims": 6, "nudges": 0, "solitary": False},
    ),
    "renew": (lambda rows: lifecycle.renew(rows, lease=9), {"due_at": LATER}),
    "hold": (lambda rows: lifecycle.hold(rows, TOKEN, lease=9), {"due_at": LATER}),
    "complete": (
        lambda rows: lifecycle.complete(rows, TOKEN, digest="now"),
        {**FRESH, **FINISHED, "reason": "", "digest": "now", "completed_at": NOW},
    ),
    "skip": (
        lambda rows: lifecycle.skip(rows, TOKEN, reason=Reason.BLANK, digest="now"),
        {**FRESH, **FINISHED, "reason": Reason.BLANK, "digest": "now"},
    ),
    "retry": (
        lambda rows: lifecycle.retry(rows, TOKEN, delay=9, **SETTLED),
        {**BACKING_OFF, **SETTLED, "attempts": 3, "solitary": False, "reason": Reason.RETRY},
    ),
    "bury": (
        lambda rows: lifecycle.bury(rows, TOKEN, reason=Reason.PERMANENT, **SETTLED),
        {**FINISHED, **SETTLED, "attempts": 3, "solitary": False, "reason": Reason.PERMANENT},
    ),
    "postpone": (
        lambda rows: lifecycle.postpone(rows, TOKEN, reason=Reason.BUDGET, delay=9, error="now"),
        {**BACKING_OFF, "postponed": 5, "reason": Reason.BUDGET, "error": "now"},
    ),
    "release": (lambda rows: lifecycle.release(rows, TOKEN), OPEN),
    "release of a suspect": (
        lambda rows: lifecycle.release(rows, TOKEN, alone_next=True),
        {**OPEN, "solitary": True},
    ),
    "supersede": (
        lambda rows: lifecycle.supersede(rows, TOKEN, digest="now"),
        {**ANEW, **UNLEASED, "reason": Reason.EDITED, "digest": "now"},
    ),
    "rescue_suspects": (lifecycle.rescue_suspects, {**OPEN, "reason": Reason.WORKER_LOST, "solitary": True}),
    "rescue_crashed": (
        lambda rows: lifecycle.rescue_crashed(rows, TOKEN, delay=9, error="now"),
        {**BACKING_OFF, "crashes": 4, "reason": Reason.WORKER_LOST, "error": "now"},
    ),
    "bury_crashed": (
        lambda rows: lifecycle.bury_crashed(rows, TOKEN, error="now"),
        {**FINISHED, "crashes": 4, "reason": Reason.CRASHES, "error": "now", "solitary": False},
    ),
    "edit": (
        lambda rows: lifecycle.edit(rows, digest="now"),
        {**ANEW, "reason": Reason.EDITED, "digest": "now"},
    ),
    "requeue": (lifecycle.requeue, {**ANEW, "reason": Reason.RETRY}),
    "reprocess": (lifecycle.reprocess, {**ANEW, "reason": Reason.NEW, "backfill": True}),
    "dismiss": (
        lambda rows: lifecycle.dismiss(rows, digest="now"),
        {**FRESH, **FINISHED, "reason": Reason.BY_HAND, "digest": "now"},
    ),
}
"""Each verb, by the first word of its name here, and what it writes; whatever is not listed must stay as it was."""

IN_COMPANY = {"claim in company", "rescue_suspects"}
"""Verbs for entries that are no suspects, or were not held alone."""


@pytest.mark.parametrize("name", WRITES)
def test_a_verb_writes_its_columns_and_leaves_all_others(name: str) -> None:
    verb, written = WRITES[name]
    move = TRANSITIONS[name.partition(" ")[0]]
    for state in sorted(move.sources):
        entry = _spent(state, solitary=name not in IN_COMPANY)
        before = row(entry)
        assert verb(hosts.entries().filter(pk=entry.pk)) == 1
        expected = (
            before
            | {"processing_state": move.target}
            | {f"processing_{column}": value for column, value in written.items()}
        )
        assert expected == _with_delays(entry, expected)


@pytest.mark.parametrize("name", WRITES)
def test_a_verb_moves_no_other_row(name: str) -> None:
    verb, _ = WRITES[name]
    state = min(TRANSITIONS[name.partition(" ")[0]].sources)
    entry, other = (_spent(state, solitary=name not in IN_COMPANY) for _ in range(2))
    before = row(other)
    verb(hosts.entries().filter(pk=entry.pk))
    assert before == row(other)


def _spent(state: State, *, solitary: bool) -> Entry:
    moments = {} if state in lifecycle.FINISHED else {"due_at": PAST, "not_before": PAST}
    return in_state(state, token=TOKEN, solitary=solitary, **SPENT | moments)


def _with_delays(entry: Entry, expected: dict[str, Any]) -> dict[str, Any]:
    """Return the entry's row, with a delay in the place of each moment for which one is expected."""
    now = hosts.entries().filter(pk=entry.pk).annotate(now=clock.now()).values_list("now", flat=True).get()
    after = row(entry)
    for column, value in expected.items():
        if isinstance(value, timedelta) and after[column] is not None:
            late = abs(after[column] - now - value)
            after[column] = value if late < timedelta(seconds=3) else after[column] - now
    return after
