"""Guards that are one word in a statement: each verb's columns, all of them, and what else no other test would miss."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models import QuerySet

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
    "release of what was held alone": (lambda rows: lifecycle.release(rows, TOKEN), OPEN),
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
        lambda rows: lifecycle.bury_crashed(rows, TOKEN, crashes=3, error="now"),
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

WAITING, IN_WORK, DONE = {"PENDING", "CELERY_ERROR"}, {"PROCESSING"}, {"COMPLETED", "SKIPPED", "FAILED"}
EVERY = WAITING | IN_WORK | DONE
MOVES: dict[str, tuple[set[str], str]] = {
    "announce": (WAITING, "PENDING"),
    "mark_untold": ({"PENDING"}, "CELERY_ERROR"),
    "claim": (WAITING, "PROCESSING"),
    "renew": (IN_WORK, "PROCESSING"),
    "hold": (IN_WORK, "PROCESSING"),
    "complete": (IN_WORK, "COMPLETED"),
    "skip": (IN_WORK, "SKIPPED"),
    "retry": (IN_WORK, "PENDING"),
    "bury": (IN_WORK, "FAILED"),
    "postpone": (IN_WORK, "PENDING"),
    "release": (IN_WORK, "PENDING"),
    "supersede": (IN_WORK, "PENDING"),
    "rescue_suspects": (IN_WORK, "PENDING"),
    "rescue_crashed": (IN_WORK, "PENDING"),
    "bury_crashed": (IN_WORK, "FAILED"),
    "edit": (EVERY - IN_WORK, "PENDING"),
    "requeue": (WAITING | {"FAILED"}, "PENDING"),
    "reprocess": (DONE, "PENDING"),
    "dismiss": (WAITING | {"FAILED"}, "SKIPPED"),
}
"""The table of transitions, said once more: whoever changes it must mean it."""

IN_COMPANY = {"claim in company", "release", "release of a suspect", "rescue_suspects"}
"""Verbs for entries that are no suspects, or were not held alone."""


def test_the_table_of_transitions_is_the_one_that_was_meant() -> None:
    assert MOVES == {verb: (set(move.sources), move.target) for verb, move in TRANSITIONS.items()}


@pytest.mark.parametrize("name", WRITES)
def test_a_verb_writes_its_columns_and_leaves_all_others(name: str) -> None:
    verb, written = WRITES[name]
    sources, target = MOVES[name.partition(" ")[0]]
    for state in sorted(sources):
        entry = _spent(State(state), solitary=name not in IN_COMPANY)
        before = row(entry)
        assert verb(hosts.entries().filter(pk=entry.pk)) == 1
        expected = (
            before | {"processing_state": target} | {f"processing_{column}": value for column, value in written.items()}
        )
        assert expected == _with_delays(entry, expected)


@pytest.mark.parametrize("name", WRITES)
def test_a_verb_moves_no_other_row(name: str) -> None:
    verb, _ = WRITES[name]
    state = State(min(MOVES[name.partition(" ")[0]][0]))
    entry, other = (_spent(state, solitary=name not in IN_COMPANY) for _ in range(2))
    before = row(other)
    verb(hosts.entries().filter(pk=entry.pk))
    assert before == row(other)


@pytest.mark.parametrize(("solitary", "crashes"), [(False, 3), (True, 2)])
def test_only_what_was_held_alone_and_crashed_so_often_is_buried_for_it(solitary: bool, crashes: int) -> None:
    entry = _spent(State.PROCESSING, solitary=solitary)
    before = row(entry)
    assert lifecycle.bury_crashed(hosts.entries().filter(pk=entry.pk), TOKEN, crashes=crashes, error="now") == 0
    assert before == row(entry)


@pytest.mark.parametrize("state", sorted(WAITING | IN_WORK))
def test_only_finished_entries_adopt_a_digest(state: str) -> None:
    entry = in_state(State(state), digest="")
    assert lifecycle.adopt(hosts.entries().filter(pk=entry.pk), digest="now") == 0
    assert row(entry)["processing_digest"] == ""


# A statement that writes the text


@pytest.mark.parametrize("digest", ["now", None])
@pytest.mark.parametrize("state", sorted(EVERY - IN_WORK))
@pytest.mark.parametrize(("due_in", "backfill"), [(9, False), (0, True)])
def test_another_text_puts_the_entry_back_in_the_same_statement(
    digest: str | None, state: str, due_in: int, backfill: bool
) -> None:
    announced = {"due_at": LATER, "nudges": 1} if due_in else {"due_at": NOW, "nudges": 0}
    anew = {**ANEW, **announced, "state": "PENDING", "reason": "edited", "backfill": backfill, "digest": digest or ""}
    entry = _spent(State(state), solitary=True)
    expected = _changed(entry, anew)
    _rewrite(entry, digest, due_in=due_in, backfill=backfill)
    assert expected == _with_delays(entry, expected)


@pytest.mark.parametrize("digest", ["now", None])
def test_another_text_leaves_the_lease_and_forgives_what_the_old_one_did(digest: str | None) -> None:
    entry = _spent(State.PROCESSING, solitary=True)
    expected = _changed(entry, {"attempts": 0, "crashes": 0, "digest": digest or ""})
    _rewrite(entry, digest, due_in=9, backfill=True)
    assert expected == row(entry)


@pytest.mark.parametrize("state", sorted(EVERY))
def test_the_same_text_changes_nothing(state: str) -> None:
    entry = _spent(State(state), solitary=True)
    expected = row(entry)
    _rewrite(entry, "of before", due_in=9, backfill=True)
    assert expected == row(entry)


def _rewrite(entry: Entry, digest: str | None, **how: Any) -> None:
    QuerySet.update(hosts.entries().filter(pk=entry.pk), **lifecycle.reopening(digest, **how))


def _changed(entry: Entry, columns: dict[str, Any]) -> dict[str, Any]:
    return row(entry) | {f"processing_{column}": value for column, value in columns.items()}


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
