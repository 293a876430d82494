"""What becomes of a process's work when it has died: who hears of it, by what means, and when."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from insights_recovery import hosts, identity, recovery, tasks
from insights_recovery.lifecycle import State
from insights_recovery.lifeline import Lifeline
from insights_recovery.service import ForkGate
from tests.under_fire.crash_picture import Picture
from tests.under_fire.crash_world import World
from tests.under_fire.profiles import by_profile

TASK_ID = "dying"
"""The id of the task that dies."""
ROUNDS = 12
"""Rounds after which whatever is not at rest is lost."""
GOES_ON = by_profile(ordinary=False, short=True, long=True)
"""Whether there is a further round, which must change nothing."""


class Fate:
    """A worker died; another on the same machine finds its process gone, and the broker delivers its message again."""

    name = "process dead, seen by a worker of its machine"
    is_prompt = True
    """Whether what the dead process held is taken back at the first look, before any time has passed."""
    pause = 130.0
    """Seconds that pass after each look: longer than a sweep's lease, an entry's, and the dispatch grace."""

    def begin(self, world: World) -> None:
        """Prepare the world."""
        # A lifeline must do without the sweep, which is on time.
        world.note_sweep()

    def become(self) -> str:
        """In the process that is to die: return the identity under which it claims."""
        return str(identity.of_this_process())

    def hear(self, world: World, pks: list[Any]) -> None:
        """What happens first after the death."""
        self._start()
        tasks.extract_insights_task(pks)

    def look(self) -> None:
        """What recovery does each time round."""
        self._lifeline.tick()

    def _start(self) -> None:
        """Let this process be a worker that has been running for a while."""
        self._lifeline = Lifeline(str(identity.of_this_process()), list, lambda: False, gate())
        self._lifeline._has_swept = True


class LostChild(Fate):
    """A child of a worker's pool, which alone died; the main process hears of it at once."""

    name = "pool child dead, told to its main process"

    def become(self) -> str:
        return str(identity.of_process(os.getppid()))

    def hear(self, world: World, pks: list[Any]) -> None:
        self._start()
        self._lifeline.rescue(TASK_ID)


class UnheardChild(LostChild):
    """The same, but nobody tells the main process: it finds leases of a task that it has not got."""

    name = "pool child dead, not told to its main process"

    def hear(self, world: World, pks: list[Any]) -> None:
        self._start()

    def look(self) -> None:
        # What is idle when it is first seen may have been claimed a moment ago.
        self._lifeline.tick()
        self._lifeline.tick()


class LostMachine(Fate):
    """Machine and broker are gone with all messages; leases run out, and only beat's sweep, elsewhere, is left."""

    name = "machine and broker gone, leases run out"
    is_prompt = False

    def begin(self, world: World) -> None:
        """There was no sweep yet."""

    def become(self) -> str:
        identity._place = lambda: "another-machine"  # type: ignore[assignment]
        return str(identity.of_this_process())

    def hear(self, world: World, pks: list[Any]) -> None:
        world.lose_messages()

    def look(self) -> None:
        recovery.sweep()


FATES: tuple[Fate, ...] = (Fate(), LostMachine(), LostChild(), UnheardChild())


@lru_cache(maxsize=1)
def gate() -> ForkGate:
    """Return what keeps forks and services apart; one for all, since what it registers with Python stays there."""
    return ForkGate()


def bring_to_rest(fate: Fate, world: World, pks: list[Any], death: Picture) -> list[str]:
    """Recover until everything is done; return what went wrong on the way."""
    found: list[str] = []
    fate.hear(world, pks)
    for _ in range(ROUNDS):
        found += _round(fate, world, death)
        if world.is_at_rest():
            return found + _unrest(fate, world, death)
        world.pass_time(fate.pause)
    return [*found, f"lost: not at rest after {ROUNDS} rounds"]


def _round(fate: Fate, world: World, death: Picture) -> list[str]:
    world.deliver()
    fate.look()
    found = list(_injustice(death))
    if fate.is_prompt and hosts.entries().leased().filter(processing_owner__endswith=f":{TASK_ID}").exists():
        found.append("not taken back at once")
    world.deliver()
    return found


def _unrest(fate: Fate, world: World, death: Picture) -> list[str]:
    """Go on when everything is done: nothing may be done again."""
    if not GOES_ON:
        return []
    world.pass_time(fate.pause)
    before = Picture().standing
    found = _round(fate, world, death)
    return found if before == Picture().standing else [*found, "not at rest: something is done that was done already"]


def _injustice(death: Picture) -> Iterator[str]:
    """Yield entries on which more crashes are held than the one death, or for which they were not held alone."""
    for pk, crashes in hosts.entries().filter(processing_crashes__gt=0).values_list("pk", "processing_crashes"):
        was = death.entries[pk]
        was_alone = was.processing_state == State.PROCESSING and was.processing_solitary
        if crashes > was.processing_crashes + was_alone:
            yield f"entry {pk}: {crashes} crashes of one death"
