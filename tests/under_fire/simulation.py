"""A world of workers, sweeps, writers and persons on the real models and verbs, with every fault at hand.

What is simulated lies outside the project: the processes, the passing of time, the broker and the extractors. All that
runs is an actor, which stops wherever another could come in between; after each of its steps the judge looks at every
row. `simulated()` makes a world, and takes it down with no trace but rows in the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from billiard.exceptions import SoftTimeLimitExceeded
from django.conf import settings as django_settings
from django.db import OperationalError, connection
from django.test import override_settings

from insights_recovery.conf import conf
from insights_recovery.extractors import ExtractionResult
from insights_recovery.lifecycle import UNFINISHED
from insights_recovery.monitoring import audit
from insights_recovery.recovery import SWEEP
from tests.under_fire import simulated_broker
from tests.under_fire import simulated_texts as texts
from tests.under_fire.simulated_actors import Actor, Kind, Stops, running, stop
from tests.under_fire.simulated_broker import Bag, Weather
from tests.under_fire.simulated_clock import TABLES, Clock, moment, now
from tests.under_fire.simulated_judge import Judge
from tests.under_fire.simulated_ledger import Ledger, Step
from tests.under_fire.simulated_people import Public
from tests.under_fire.simulated_processes import Fleet, Process
from tests.under_fire.simulated_rows import Tables

LAYOUTS = {
    "one": ("first",),
    "two": ("first", "second"),
    "together": ("together",),
    "together and another": ("together", "second"),
}
"""The extractors of a world, in order."""
SETTINGS = {
    "ENTRY_MODEL": "notes.Entry",
    "AUTHOR_FIELD": "author",
    "MAX_ATTEMPTS": 3,
    "MAX_CRASHES": 2,
    "RETRY_DELAY": 20,
    "RETRY_DELAY_MAX": 600,
    "LEASE_SECONDS": 30,
    "DISPATCH_GRACE": 60,
    "BATCH_SIZE": 3,
    "SWEEP_INTERVAL": 7_200,
    "SWEEP_LIMIT": 4,
    "MAX_IN_FLIGHT": 3,
}
"""Small, so that every limit is met in a short run."""
ROUNDS = 60
"""Within so many rounds of a healed world every entry has ended: none needs more than a dozen, and few wait in line."""
DELIVERIES = 200
"""In one round no more than so many messages come of each other."""
BEYOND_EVERY_GRACE, BEYOND_A_SWEEP = 4_000, 20_000
"""Seconds after which whatever waits is due, and after which a sweep is overdue."""
EVERYTHING = 10_000
"""More steps than any actor has."""


class InvariantError(AssertionError):
    """An invariant does not hold."""


class Simulation:
    """One world."""

    def __init__(self, extractors: Sequence[str]) -> None:
        self.clock = Clock()
        self.bag = Bag()
        self.stops = Stops()
        self.fleet = Fleet(self.bag, self.clock)
        self.public = Public(self.fleet)
        self.actors: list[Actor] = []
        self.corpses: list[Actor] = []
        self.everybody: list[Actor] = []
        self.steps = 0
        self.ledger = Ledger(settings=conf(), extractors=tuple(extractors), fleet=self.fleet)
        self.judge = Judge(self.ledger)
        self.tables = Tables.read()

    # Acting

    def act(self, actor: Actor, steps: int = EVERYTHING) -> Actor:
        """Let an actor begin, and make so many steps at the most."""
        actor.facts |= {"began": self.clock.monotonic(), "sweeps_ended": self.ledger.sweeps_ended}
        self.actors.append(actor)
        self.everybody.append(actor)
        self.go_on(actor, steps)
        return actor

    def go_on(self, actor: Actor, steps: int = EVERYTHING) -> None:
        """Let an actor make so many steps at the most."""
        for _ in range(steps):
            if actor.is_over:
                return
            self._step(actor, actor.go_on)
        assert steps < EVERYTHING, f"{actor} does not end"

    def go_on_to(self, actor: Actor, where: str) -> None:
        """Let an actor go on until it stops there: `transaction`, `statement`, `call`, `answer`, `publish`..."""
        for _ in range(EVERYTHING):
            self.go_on(actor, 1)
            if actor.is_over or actor.stopped_at == where:
                break
        assert not actor.is_over, f"{actor} never comes to {where}"

    def _step(self, actor: Actor, move: Callable[[], None]) -> None:
        self.steps += 1
        move()
        if self.stops.written:
            self.look(actor)
        self._hear_of_messages()
        if actor.is_over:
            self._part_with(actor)
        self.check()

    def look(self, actor: Actor) -> None:
        """Have the judge see what was written."""
        before, self.tables = self.tables, self.tables.read_again(self.stops.written)
        self.stops.written.clear()
        self.judge.step(Step(actor=actor, before=before, after=self.tables, when=now()))

    def _hear_of_messages(self) -> None:
        for actor, is_heard in self.bag.tries:
            self.judge.tried_to_publish(actor, is_heard=is_heard, now=self.clock.monotonic())
        self.bag.tries.clear()
        if self.bag.messages:
            self.judge.sent(self.bag.messages[-1].keys, self.bag.messages[-1].queue)

    def _part_with(self, actor: Actor) -> None:
        self.actors.remove(actor)
        actor.at_end(actor)
        if actor.is_dead and actor.kind is Kind.TASK:
            self.corpses.append(actor)
        self.corpses = [corpse for corpse in self.corpses if corpse.process.is_alive]
        self.judge.ended(actor, self.tables)

    def check(self) -> None:
        """Raise what the judge found."""
        if self.judge.violations:
            raise InvariantError("\n".join(self.judge.violations))

    def read(self, extractor: str, given: Sequence[str]) -> list[ExtractionResult | Exception]:
        """Be the service behind an extractor: what the texts say happens."""
        actor = running()
        assert actor is not None
        stop("call")
        self.judge.called(actor, extractor, given, self.tables)
        before = [self.ledger.calls[extractor, text] - 1 for text in given]
        if any(texts.mark_for(text, extractor, calls) == "explode" for text, calls in zip(given, before, strict=True)):
            actor.faults |= {(token, self.judge._pk(text), "explode") for text in given for token in actor.tokens}
            raise RuntimeError(f"cannot read {given}")
        outcomes = [texts.outcome(text, extractor, calls) for text, calls in zip(given, before, strict=True)]
        stop("answer")
        for text, outcome in zip(given, outcomes, strict=True):
            self.judge.answered(actor, extractor, text, outcome, self.tables)
        return outcomes

    # Striking

    def crash(self, actor: Actor, *, is_knowable: bool = True) -> None:
        """Kill an actor: a task alone, as a pool child dies; anything else with its whole process."""
        if actor.kind is Kind.TASK:
            self._step(actor, actor.die)
        else:
            self.kill(actor.process, is_knowable=is_knowable)

    def kill(self, process: Process, *, is_knowable: bool = True) -> None:
        """Kill a process, with all that runs in it; whether its death can be known from here is another matter."""
        process.is_knowable = is_knowable
        for actor in [actor for actor in self.actors if actor.process is process]:
            self._step(actor, actor.die)
        self.fleet.bury(process, is_knowable=is_knowable)
        self.corpses = [corpse for corpse in self.corpses if corpse.process.is_alive]
        if process is self.public.web:
            self.public.reboot()

    def interrupt(self, actor: Actor) -> None:
        """Have the soft time limit strike a task."""
        held = [row for row in self.tables.entries.values() if row.token in actor.tokens]
        actor.faults |= {(row.token, row.pk, "interrupted") for row in held}
        self._step(actor, lambda: actor.strike(SoftTimeLimitExceeded()))

    def lose_database(self, actor: Actor, *, after_commit: bool) -> None:
        """Have the actor's next transaction fail: before it begins, or after it was committed."""
        if after_commit:
            actor.commit_goes_unheard = actor.was_disturbed = True
            self._step(actor, actor.go_on)
        else:
            self._step(actor, lambda: actor.strike(OperationalError("could not connect to server")))

    def notice(self, corpse: Actor) -> Actor:
        """Have the main process notice that the child of this task died."""
        self.corpses.remove(corpse)
        return self.fleet.notice(corpse)

    # Time

    def pass_by(self, seconds: float, *, is_renewed: bool) -> None:
        """Let time pass; with `is_renewed` the living workers keep their leases meanwhile."""
        self.clock.pass_by(seconds)
        self.tables = Tables.read()
        if is_renewed:
            for process in self.fleet.workers:
                self.act(self.fleet.renew(process))

    # The end

    def come_to_rest(self) -> None:
        """Heal everything, let whoever is left die, and see everything end in bounded time."""
        self.bag.weather = Weather.FAIR
        for process in self.fleet.alive:
            self.kill(process, is_knowable=process.number % 2 == 0)
        worker = self.fleet.boot()
        # As if it had had its first tick: that is a whole sweep, and there will be one.
        worker.lifeline._has_swept = worker.has_swept = True
        self._drain(worker)
        self._see_to_it_that_sweeps_go_on(worker)
        self._drain(worker)
        self.judge.at_rest(self.tables)
        for page in audit.examine():
            for name, pks in page.offences.items():
                if pks:
                    self.judge.find(1, f"the audit finds {name}: {pks}")
        self.check()

    def _drain(self, worker: Process) -> None:
        for _ in range(ROUNDS):
            if not any(row.state in UNFINISHED for row in self.tables.entries.values()):
                return
            self.pass_by(BEYOND_EVERY_GRACE, is_renewed=False)
            self.act(self.fleet.tick(worker))
            for _ in range(DELIVERIES):
                if not self.bag.messages:
                    break
                self.act(self.fleet.deliver(self.bag.messages.pop(0), worker))
                for corpse in list(self.corpses):
                    self.act(self.notice(corpse))

    def _see_to_it_that_sweeps_go_on(self, worker: Process) -> None:
        """With no beat at all, sweeps that are overdue are taken over, until they have seen everything."""
        with override_settings(INSIGHTS_RECOVERY={**django_settings.INSIGHTS_RECOVERY, "SWEEP_LIMIT": 1_000}):
            is_halfway = any(heartbeat.cursor for heartbeat in self.tables.heartbeats.values())
            for _ in range(1 + is_halfway):
                self.pass_by(BEYOND_A_SWEEP, is_renewed=False)
                self.act(self.fleet.tick(worker))
                sweep = self.tables.heartbeats.get(SWEEP)
                ended = moment(sweep.finished_at) if sweep else None
                if ended is None or ended < now() - timedelta(seconds=60):
                    self.judge.find(10, "an overdue sweep was not taken over")

    def close(self) -> None:
        """Clear away whoever was left, and the dead."""
        for actor in self.everybody:
            actor.unwind()


@contextmanager
def simulated(layout: str) -> Iterator[Simulation]:
    """Make a world with these extractors, on empty tables."""
    _empty()
    names = LAYOUTS[layout]
    paths = [f"{texts.__name__}.{name.title()}Extractor" for name in names]
    with ExitStack() as stack:
        stack.enter_context(override_settings(INSIGHTS_RECOVERY={**SETTINGS, "EXTRACTORS": paths}))
        world = Simulation(names)
        texts.Readers.read = world.read  # type: ignore[method-assign]
        for installed in (world.stops, world.clock, world.fleet):
            stack.enter_context(installed.installed())
        stack.enter_context(simulated_broker.installed(world.bag))
        stack.enter_context(world.judge.listening())
        stack.callback(world.close)
        yield world


def _empty() -> None:
    with connection.cursor() as cursor:
        for model in reversed(TABLES):
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")
