"""The table of transitions as data; what its verbs do to rows is told by the integration tests."""

from __future__ import annotations

import pytest

from insights_recovery import lifecycle
from insights_recovery.lifecycle import FINISHED, TRANSITIONS, UNFINISHED, State, digest_of


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_reached(state: State) -> None:
    assert state in {move.target for move in TRANSITIONS.values()}


@pytest.mark.parametrize("state", State)
def test_no_state_is_a_trap(state: State) -> None:
    assert any(state in move.sources and move.target != state for move in TRANSITIONS.values())


def test_every_unfinished_state_leads_to_an_end() -> None:
    ends = {move.target for move in TRANSITIONS.values() if move.sources & UNFINISHED}
    assert ends >= FINISHED


def test_only_a_claim_takes_a_lease() -> None:
    into_work = {verb for verb, move in TRANSITIONS.items() if move.target == State.PROCESSING}
    within_work = {verb for verb in into_work if TRANSITIONS[verb].sources == {State.PROCESSING}}
    assert {"claim"} == into_work - within_work


@pytest.mark.parametrize("move", TRANSITIONS.values(), ids=TRANSITIONS)
def test_every_move_says_what_guards_it_and_who_makes_it(move: lifecycle.Transition) -> None:
    assert move.guard
    assert move.caller
    assert move.sources


def test_a_digest_fits_its_column() -> None:
    assert len(digest_of("text")) == 64


@pytest.mark.parametrize("text", ["", "\ud800", "\x00", "🏊", "x" * 10**6])
def test_every_text_has_a_digest(text: str) -> None:
    assert digest_of(text) == digest_of(text)


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("a", "a "), ("é", "e\u0301"), ("", " "), ("\ud800", "?")])
def test_texts_that_differ_have_digests_that_differ(one: str, other: str) -> None:
    assert digest_of(one) != digest_of(other)
