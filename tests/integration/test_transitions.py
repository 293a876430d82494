"""Every verb in every state: the table of transitions is the whole truth."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from insights_recovery import clock, hosts, lifecycle
from insights_recovery.lifecycle import FINISHED, TRANSITIONS, UNFINISHED, WAITING, Reason, State
from tests.integration.helpers import in_state, put, row, seconds_until

pytestmark = pytest.mark.django_db

TOKEN = UUID(int=7)
FOREIGN = UUID(int=8)

Verb = Callable[[Any], Any]


def _crashes(rows: Any) -> int:
    return rows.values_list("processing_crashes", flat=True).first() or 0


VERBS: dict[str, Verb] = {
    "announce": lambda rows: lifecycle.announce(rows, grace=60, doublings=6),
    "mark_untold": lambda rows: lifecycle.mark_untold(rows, error="closed", delay=5),
    "claim": lambda rows: lifecycle.claim(rows, token=TOKEN, owner="me", lease=30, alone=True),
    "renew": lambda rows: lifecycle.renew(rows, lease=30),
    "hold": lambda rows: lifecycle.hold(rows, TOKEN, lease=30),
    "complete": lambda rows: lifecycle.complete(rows, TOKEN, digest="d"),
    "skip": lambda rows: lifecycle.skip(rows, TOKEN, reason=Reason.BLANK, digest="d"),
    "retry": lambda rows: lifecycle.retry(rows, TOKEN, delay=9, error="e", digest="d"),
    "bury": lambda rows: lifecycle.bury(rows, TOKEN, reason=Reason.ATTEMPTS, error="e", digest="d"),
    "postpone": lambda rows: lifecycle.postpone(rows, TOKEN, reason=Reason.CIRCUIT_OPEN, delay=9, error="e"),
    "release": lambda rows: lifecycle.release(rows, TOKEN),
    "supersede": lambda rows: lifecycle.supersede(rows, TOKEN, digest="d"),
    "rescue_suspects": lifecycle.rescue_suspects,
    "rescue_crashed": lambda rows: lifecycle.rescue_crashed(rows, TOKEN, delay=9, error="e"),
    "bury_crashed": lambda rows: lifecycle.bury_crashed(rows, TOKEN, crashes=_crashes(rows), error="e"),
    "edit": lambda rows: lifecycle.edit(rows, digest="another"),
    "requeue": lifecycle.requeue,
    "reprocess": lifecycle.reprocess,
    "dismiss": lambda rows: lifecycle.dismiss(rows, digest="d"),
}
NEEDS_NO_TOKEN = {
    "announce", "mark_untold", "claim", "renew", "rescue_suspects", "edit", "requeue", "reprocess", "dismiss"
}  # fmt: skip
FENCED = sorted(set(VERBS) - NEEDS_NO_TOKEN)
HELD_ALONE = {"rescue_crashed", "bury_crashed"}

LEGAL = [(verb, state) for verb, move in TRANSITIONS.items() for state in move.sources]
ILLEGAL = [(verb, state) for verb, move in TRANSITIONS.items() for state in State if state not in move.sources]


def _subject(verb: str, state: State) -> Any:
    return in_state(state, token=TOKEN, solitary=verb in HELD_ALONE)


def _apply(verb: str, entry: Any) -> int:
    return int(VERBS[verb](hosts.entries().filter(pk=entry.pk)))


def test_the_table_and_the_verbs_are_the_same() -> None:
    takes_rows = {
        name
        for name, verb in inspect.getmembers(lifecycle, inspect.isfunction)
        if not name.startswith("_") and "rows" in inspect.signature(verb).parameters
    }
    assert set(TRANSITIONS) == takes_rows - {"adopt"} == set(VERBS)


@pytest.mark.parametrize(("verb", "state"), LEGAL)
def test_a_legal_move_leads_where_the_table_says(verb: str, state: State) -> None:
    entry = _subject(verb, state)
    assert _apply(verb, entry) == 1
    assert row(entry)["processing_state"] == TRANSITIONS[verb].target


@pytest.mark.parametrize(("verb", "state"), ILLEGAL)
def test_an_illegal_move_touches_nothing(verb: str, state: State) -> None:
    entry = _subject(verb, state)
    before = row(entry)
    assert _apply(verb, entry) == 0
    assert before == row(entry)


@pytest.mark.parametrize("verb", FENCED)
def test_the_verbs_of_a_holder_need_its_token(verb: str) -> None:
    entry = put(_subject(verb, State.PROCESSING), token=FOREIGN)
    before = row(entry)
    assert _apply(verb, entry) == 0
    assert before == row(entry)


@pytest.mark.parametrize(("verb", "state"), LEGAL)
def test_a_move_leaves_a_row_that_the_constraints_allow(verb: str, state: State) -> None:
    entry = _subject(verb, state)
    _apply(verb, entry)
    after = row(entry)
    assert (after["processing_due_at"] is None) is (after["processing_state"] in FINISHED)
    assert (after["processing_token"] is not None) is (after["processing_state"] == State.PROCESSING)
    assert bool(after["processing_owner"]) is (after["processing_state"] == State.PROCESSING)


def test_states_are_waiting_in_work_or_finished() -> None:
    assert set(State) == UNFINISHED | FINISHED
    assert {State.PROCESSING} == UNFINISHED - WAITING
    assert not UNFINISHED & FINISHED


@pytest.mark.parametrize("state", sorted(WAITING))
def test_only_what_is_due_is_announced(state: State) -> None:
    entry = in_state(state, due_at=clock.later(60))
    assert _apply("announce", entry) == 0


def test_the_grace_doubles_with_each_nudge_up_to_the_limit() -> None:
    graces = []
    for nudges in range(9):
        entry = in_state(State.PENDING, nudges=nudges)
        _apply("announce", entry)
        graces.append(round(seconds_until(entry, "due_at"), -1))
    assert [60, 120, 240, 480, 960, 1920, 3840, 3840, 3840] == graces


@pytest.mark.parametrize("state", sorted(WAITING))
def test_a_back_off_keeps_every_claim_away(state: State) -> None:
    entry = in_state(state, not_before=clock.later(60))
    assert _apply("claim", entry) == 0


def test_a_back_off_that_is_over_keeps_nobody_away() -> None:
    assert _apply("claim", in_state(State.PENDING, not_before=clock.later(-1))) == 1


def test_a_suspect_is_passed_over_in_a_batch() -> None:
    entry = in_state(State.PENDING, solitary=True)
    rows = hosts.entries().filter(pk=entry.pk)
    assert lifecycle.claim(rows, token=TOKEN, owner="me", lease=30, alone=False) == 0
    assert lifecycle.claim(rows, token=TOKEN, owner="me", lease=30, alone=True) == 1


@pytest.mark.parametrize(("verb", "solitary"), [("rescue_suspects", True), ("rescue_crashed", False)])
def test_only_what_was_held_alone_can_crash(verb: str, solitary: bool) -> None:
    assert _apply(verb, in_state(State.PROCESSING, token=TOKEN, solitary=solitary)) == 0


@pytest.mark.parametrize(
    ("verb", "counter"),
    [
        ("announce", "nudges"),
        ("claim", "claims"),
        ("retry", "attempts"),
        ("bury", "attempts"),
        ("postpone", "postponed"),
        ("rescue_crashed", "crashes"),
        ("bury_crashed", "crashes"),
    ],
)
def test_a_verb_counts_what_it_stands_for_and_nothing_else(verb: str, counter: str) -> None:
    counters = dict.fromkeys(["nudges", "claims", "attempts", "postponed", "crashes"], 2)
    state = next(iter(TRANSITIONS[verb].sources))
    entry = put(_subject(verb, state), **counters)
    _apply(verb, entry)
    expected = counters | {counter: 3}
    if verb == "claim":
        expected["nudges"] = 0
    assert expected == {name: row(entry)[f"processing_{name}"] for name in counters}


@pytest.mark.parametrize("verb", ["supersede", "edit", "requeue", "reprocess"])
def test_a_fresh_start_forgives_everything(verb: str) -> None:
    state = State.PROCESSING if verb == "supersede" else State.FAILED
    spent = {"attempts": 5, "crashes": 3, "postponed": 9, "error": "old", "not_before": clock.later(99)}
    entry = put(_subject(verb, state), **spent)
    _apply(verb, entry)
    forgiven = {"attempts": 0, "crashes": 0, "postponed": 0, "error": "", "not_before": None}
    assert forgiven == {name: row(entry)[f"processing_{name}"] for name in spent}


@pytest.mark.parametrize("verb", ["retry", "postpone", "rescue_crashed"])
def test_a_delay_gates_the_claim_until_it_is_due_again(verb: str) -> None:
    entry = _subject(verb, State.PROCESSING)
    _apply(verb, entry)
    after = row(entry)
    assert after["processing_due_at"] == after["processing_not_before"]
    assert 8 < seconds_until(entry, "due_at") <= 9


def test_without_a_delay_the_gate_stays_open() -> None:
    entry = _subject("retry", State.PROCESSING)
    lifecycle.retry(hosts.entries().filter(pk=entry.pk), TOKEN, delay=0, error="e", digest="d")
    assert row(entry)["processing_not_before"] is None
    assert _apply("claim", entry) == 1


def test_the_text_that_was_processed_already_is_no_edit() -> None:
    entry = in_state(State.COMPLETED)
    assert lifecycle.edit(hosts.entries().filter(pk=entry.pk), digest=entry.processing_digest) == 0


def test_a_digest_is_adopted_once() -> None:
    entry = in_state(State.SKIPPED, digest="")
    rows = hosts.entries().filter(pk=entry.pk)
    assert lifecycle.adopt(rows, digest="first") == 1
    assert lifecycle.adopt(rows, digest="second") == 0
    assert row(entry)["processing_digest"] == "first"


def test_one_claim_takes_one_lease_for_all() -> None:
    entries = [in_state(State.PENDING) for _ in range(3)]
    token = uuid4()
    rows = hosts.entries().filter(pk__in=[entry.pk for entry in entries])
    assert lifecycle.claim(rows, token=token, owner="me", lease=30, alone=False) == 3
    assert {token} == {row(entry)["processing_token"] for entry in entries}
