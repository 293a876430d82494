"""Scenarios of those who recover: whoever takes back, offers or sweeps dies over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from insights_recovery import clock, dispatch, recovery
from insights_recovery.lifecycle import State
from insights_recovery.lifeline import LeaseKeeper, Lifeline
from insights_recovery.models import Heartbeat, ProcessingAttempt
from tests.hosts.notes.models import Entry
from tests.under_fire.at_rest import Expectation
from tests.under_fire.crash_fates import gate
from tests.under_fire.crash_stage import (
    ELSEWHERE,
    Scenario,
    Stage,
    claim,
    dead,
    done,
    erase,
    held,
    of_the_dead,
    put,
    rewrite,
    waiting,
)
from tests.under_fire.crash_world import text

A, B, C, D, E = (text(name) for name in ("Apples", "Berries", "Cherries", "Dates", "Elder"))
DOOMED, EDITED, BARE, AGED, GONE = (text(name) for name in ("Doomed", "Edited", "Bare", "Aged", "Gone"))
PAST = clock.later(-60)


def _lost(*, process: str = ELSEWHERE, **columns: Any) -> Sequence[Entry]:
    """A batch of two, one entry held alone, and one held alone that has crashed as often as it may."""
    return [
        *held(A, B, process=process, **columns),
        *held(C, process=process, **columns),
        *held(DOOMED, process=process, crashes=2, **columns),
    ]


_DOOMED = Expectation(ends={DOOMED: {State.FAILED}})


def _held_by_the_dying(stage: Stage) -> None:
    """Claim what is there, as this very process."""
    with stage.fuse.deed_of_another("claim"):
        claim(stage.entries, process=stage.process)


def _renew(stage: Stage) -> None:
    _held_by_the_dying(stage)
    LeaseKeeper(stage.process, lambda: ["another"], gate()).tick()


def _release(stage: Stage) -> None:
    _held_by_the_dying(stage)
    Lifeline(stage.process, list, lambda: True, gate()).release_all()


def _offer_without_broker(stage: Stage) -> None:
    stage.world.cut_broker()
    recovery.offer_due(1000)


def _due() -> Sequence[Entry]:
    """Due entries of either kind, one of them a suspect."""
    suspect, backfill = waiting(C, due_at=PAST, solitary=True), waiting(D, due_at=PAST, backfill=True)
    return [*waiting(A, B, due_at=PAST), *suspect, *backfill]


def _everything() -> Sequence[Entry]:
    """All that a sweep looks after; there was none yet."""
    Heartbeat.objects.all().delete()
    edited, bare, aged, gone = done(EDITED, BARE, AGED, GONE)
    rewrite(edited, E)
    put(bare, digest="")
    ProcessingAttempt.objects.filter(entry=aged).update(finished_at=clock.later(-31 * 86_400))
    erase(gone)
    dead(text("Failed", "@@permanent"))
    return [*held(A, B, process=of_the_dead()), *held(C, due_at=PAST), *waiting(D, due_at=PAST, backfill=True)]


SCENARIOS = (
    Scenario(
        name="a rescuer takes back leases that ran out",
        act=lambda _: recovery.rescue_expired(1000),
        arrange=lambda: _lost(due_at=PAST),
        expected=_DOOMED,
    ),
    Scenario(
        name="a rescuer takes back leases of the dead",
        act=lambda _: recovery.rescue_dead(1000),
        arrange=lambda: _lost(process=of_the_dead()),
        expected=_DOOMED,
    ),
    Scenario(
        name="a main process takes back leases of its child",
        act=lambda _: recovery.rescue_task(f"{ELSEWHERE}:another"),
        arrange=_lost,
        expected=_DOOMED,
    ),
    Scenario(name="a worker renews its leases", act=_renew, arrange=lambda: waiting(A, B)),
    Scenario(name="a worker gives back its leases", act=_release, arrange=lambda: waiting(A, B)),
    Scenario(name="somebody offers what is due", act=lambda _: recovery.offer_due(1000), arrange=_due),
    Scenario(
        name="somebody offers what is due, two to a message",
        act=lambda _: recovery.offer_due(1000),
        arrange=lambda: waiting(A, B, C, D, E, due_at=PAST),
        settings={"BATCH_SIZE": 2},
    ),
    Scenario(
        name="somebody offers what is due while the broker is out",
        act=_offer_without_broker,
        arrange=lambda: waiting(A, B, C, due_at=PAST),
        settings={"BATCH_SIZE": 2},
    ),
    Scenario(
        name="somebody sends on what waits",
        act=lambda stage: dispatch.send(stage.pks),
        arrange=_due,
    ),
    Scenario(
        name="a sweep finds everything there is to find",
        act=lambda _: recovery.sweep(),
        arrange=_everything,
        expected=Expectation(edited_unseen=(E,), forgotten=(AGED,)),
    ),
)
