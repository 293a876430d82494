"""Scenarios of those who ask: the process dies that carries out a person's command, admin action or correction."""

from __future__ import annotations

from insights_recovery import corrections, operations
from insights_recovery.lifecycle import State
from insights_recovery.models import Insight
from tests.under_fire.at_rest import Expectation
from tests.under_fire.crash_stage import BOTH, TWO, Scenario, Stage, dead, done, waiting
from tests.under_fire.crash_world import World, text

A, B = text("Apples"), text("Berries")
DEAD = text("Dead", "@@fail=2")
"""Fails as often as it may, and would be done at the next try."""
TWICE = {"MAX_ATTEMPTS": 2}
FAILED, COMPLETED, SKIPPED = ({state} for state in (State.FAILED, State.COMPLETED, State.SKIPPED))
ASKED, MOVED = "COMMIT", "UPDATE notes_entry"


def _remove(stage: Stage) -> None:
    corrections.remove(Insight.objects.filter(label="calm"))


def _restore(stage: Stage) -> None:
    corrections.restore(Insight.objects.filter(label="calm"))


def _is_removed(world: World) -> bool:
    return Insight.objects.filter(label="calm", is_removed=True).count() == len(BOTH)


def _removed() -> list[object]:
    entries = done(A)
    corrections.remove(Insight.objects.filter(label="calm"))
    return entries


def _was_called_again(world: World) -> bool:
    return [call.extractor for call in world.calls()].count("second") > 1


SCENARIOS = (
    Scenario(
        name="a person retries a dead letter",
        act=lambda stage: operations.retry(stage.pks),
        arrange=lambda: dead(DEAD),
        settings=TWICE,
        durable=ASKED,
        expected=Expectation(ends={DEAD: FAILED}),
        ends_once_durable={DEAD: COMPLETED},
    ),
    Scenario(
        name="a person retries waiting entries",
        act=lambda stage: operations.retry(stage.pks),
        arrange=lambda: waiting(A, B),
    ),
    Scenario(
        name="a person has entries done over",
        act=lambda stage: operations.reprocess(stage.pks),
        arrange=lambda: done(A),
        settings=TWO,
        durable=ASKED,
        is_done=_was_called_again,
        expected=Expectation(extractors=BOTH),
    ),
    Scenario(
        name="a person has entries done over by one extractor",
        act=lambda stage: operations.reprocess(stage.pks, extractor="second"),
        arrange=lambda: done(A),
        settings=TWO,
        durable=ASKED,
        is_done=_was_called_again,
        expected=Expectation(extractors=BOTH),
    ),
    Scenario(
        name="a person skips a waiting entry",
        act=lambda stage: operations.skip(stage.pks),
        arrange=lambda: waiting(A),
        durable=ASKED,
        ends_once_durable={A: SKIPPED},
    ),
    Scenario(
        name="a person skips a dead letter",
        act=lambda stage: operations.skip(stage.pks),
        arrange=lambda: dead(DEAD),
        settings=TWICE,
        durable=ASKED,
        expected=Expectation(ends={DEAD: FAILED}),
        ends_once_durable={DEAD: SKIPPED},
    ),
    Scenario(
        name="a person processes entries right here",
        act=lambda stage: operations.process_now(stage.pks),
        arrange=lambda: [*dead(DEAD), *waiting(A)],
        settings=TWICE,
        durable=MOVED,
        expected=Expectation(ends={DEAD: FAILED}),
        ends_once_durable={DEAD: COMPLETED},
    ),
    Scenario(
        name="a person removes insights",
        act=_remove,
        arrange=lambda: done(A),
        settings=TWO,
        durable=ASKED,
        is_done=_is_removed,
        expected=Expectation(extractors=BOTH),
    ),
    Scenario(
        name="a person takes a removal back",
        act=_restore,
        arrange=_removed,
        settings=TWO,
        durable="UPDATE insights_recovery_insight",
        is_done=lambda world: not _is_removed(world),
        expected=Expectation(extractors=BOTH, keeps_corrections=False),
    ),
)
