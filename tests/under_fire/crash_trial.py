"""One death: prepare, act, die, recover, examine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.under_fire.at_rest import Beginning, Death
from tests.under_fire.crash_fates import Fate, bring_to_rest
from tests.under_fire.crash_picture import Picture, faults
from tests.under_fire.crash_points import END, Ending, Fuse, changes, live
from tests.under_fire.crash_stage import Scenario, Stage
from tests.under_fire.crash_world import CANARY, World
from tests.under_fire.profiles import by_profile

TRIES_ALL = by_profile(ordinary=False, short=True, long=True)
"""Whether a death after a deed that changes nothing, a read, is tried too, though it is the same as one before it."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one death, or a run without one, came to."""

    ending: Ending
    """How the process ended."""
    violations: Sequence[str]
    """What did not hold then or later."""


def run(scenario: Scenario, fate: Fate, world: World, *, deadly: int | None = None) -> Trial:
    """Let the scenario's process die at its moment `deadly`, or live to its end; then recover, and examine."""
    world.begin()
    fate.begin(world)
    pks = [entry.pk for entry in scenario.arrange()]
    world.lose_messages()
    before = Beginning(world)

    def act(fuse: Fuse) -> None:
        scenario.act(Stage(world=world, pks=pks, process=fate.become(), fuse=fuse))

    ending = live(act, deadly=deadly, output=world.output)
    found = list(_examined(scenario, fate, world, pks, before, is_durable=scenario.durable in ending.done))
    if CANARY in ending.output or CANARY in repr(world.messages):
        found.append("leak: a text in a message, or in what the process printed or logged")
    return Trial(ending=ending, violations=[f"{scenario.name}; {fate.name}; {ending.place}: {what}" for what in found])


def _examined(
    scenario: Scenario, fate: Fate, world: World, pks: list[Any], before: Beginning, *, is_durable: bool
) -> Iterator[str]:
    expected, told = scenario.expected, "was" if is_durable else "was not"
    death = Death(picture=Picture(), calls=world.calls(), calls_before=before.calls)
    written = expected.becomes(before.texts) if is_durable else before.texts
    if sorted(death.picture.texts.values()) != sorted(written):
        yield f"the journal is not what the writer {told} told"
    if death.at_risk() > expected.at_risk:
        yield f"{death.at_risk()} answers that are paid for are not stored"
    wrong = faults(death.picture, edited_unseen=expected.edited_unseen)
    yield from (f"at the death: {what}" for what in wrong)

    world.reach_broker()
    yield from bring_to_rest(fate, world, pks, death.picture)
    if is_durable:
        expected = replace(expected, ends={**expected.ends, **scenario.ends_once_durable})
    now = Picture()
    yield from faults(now)
    yield from death.violations(now, world, expected)
    if expected.keeps_corrections:
        yield from before.lost_corrections(now)
    if scenario.is_done is not None and scenario.is_done(world) is not is_durable:
        yield f"what a person {told} told is not so"


def violations(scenario: Scenario, fate: Fate, world: World) -> tuple[int, list[str]]:
    """Try every death of the scenario under one fate; return how many there were, and what did not hold."""
    clean = run(scenario, fate, world)
    deeds, found = list(clean.ending.deeds), list(clean.violations)
    assert clean.ending.status == 0, clean.ending.output
    assert deeds[-1:] == [END]
    moments = _moments(deeds)
    for moment in moments:
        trial = run(scenario, fate, world, deadly=moment)
        assert trial.ending.was_killed, trial.ending.output
        assert list(trial.ending.deeds) == deeds[: moment + 1], "another run does other deeds"
        found += trial.violations
    return len(moments) + 1, found


def _moments(deeds: Sequence[str]) -> list[int]:
    """Return the moments to die at; the one before `END` was the clean run's, whose process is gone as well."""
    return [moment for moment in range(len(deeds) - 1) if TRIES_ALL or moment == 0 or changes(deeds[moment - 1])]
