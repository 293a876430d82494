"""Processes: workers with their tasks and standing services, which die in ways that can be known or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import cast
from unittest import mock

from billiard.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from insights_recovery import identity, processing, recovery
from insights_recovery.conf import conf
from insights_recovery.identity import ProcessIdentity
from insights_recovery.lifeline import Holds, LeaseKeeper, Lifeline
from insights_recovery.processing import Runner
from insights_recovery.service import ForkGate
from tests.under_fire.simulated_actors import Actor, Kind, running
from tests.under_fire.simulated_broker import Bag, Line, Message
from tests.under_fire.simulated_clock import Clock

PLACE = "simulated"
NO_GATE = cast("ForkGate", None)
"""No thread is started, and nothing forks."""


@dataclass(eq=False, kw_only=True)
class Process:
    """One process."""

    number: int
    """Stands for its process id."""
    clock: Clock
    """Its own clock."""
    is_worker: bool
    """Whether it takes messages."""
    line: Line = field(default_factory=Line)
    """Its line to the broker."""
    is_alive: bool = True
    """Whether it runs."""
    is_knowable: bool = True
    """Whether its death can be known: it cannot from another machine."""
    is_stopping: bool = False
    """Whether it was told to shut down."""
    has_swept: bool = False
    """Whether its lifeline's first tick, which is a whole sweep, has ended."""
    is_leaving: bool = False
    """Whether its pool has stopped, so that it takes no more messages."""
    tasks: dict[str, Actor] = field(default_factory=dict)
    """What it takes for its live tasks, by id; a child that died is among them until the main process notices."""
    lifeline: Lifeline = field(init=False)
    """The real one, never started: the simulation makes it tick."""
    keeper: LeaseKeeper = field(init=False)
    """The same."""

    def __post_init__(self) -> None:
        self.lifeline = Lifeline(str(self.identity), self.live_task_ids, lambda: self.is_stopping, NO_GATE)
        self.keeper = LeaseKeeper(str(self.identity), self.live_task_ids, NO_GATE)
        self.keeper._holds = Holds(self.clock.monotonic)

    def __repr__(self) -> str:
        return f"process {self.number}"

    @property
    def identity(self) -> ProcessIdentity:
        """Who it is."""
        return ProcessIdentity(place=PLACE, pid=self.number, start="1")

    def live_task_ids(self) -> list[str]:
        """Return the ids of what it takes for its live tasks."""
        return list(self.tasks)


class Fleet:
    """All processes; what runs in them is returned as actors that have not begun."""

    def __init__(self, bag: Bag, clock: Clock) -> None:
        self.processes: dict[int, Process] = {}
        self._bag = bag
        self._clock = clock
        self._tasks = 0

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have the project ask this fleet who a process is, and whether it is dead, for as long as the block lasts."""
        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(identity, "is_known_dead", self.is_known_dead))
            stack.enter_context(mock.patch.object(identity, "of_this_process", self.of_this_process))
            yield

    def is_known_dead(self, owner: str) -> bool:
        """Stand in for the look at the operating system's table of processes."""
        place, number, *_ = (*owner.split(":"), "")
        process = self.processes[int(number)] if place == PLACE else None
        return process is not None and process.is_knowable and not process.is_alive

    def of_this_process(self) -> ProcessIdentity:
        """Return the identity of the process whose actor runs."""
        actor = running()
        assert actor is not None
        who: ProcessIdentity = actor.process.identity
        return who

    def boot(self, *, is_worker: bool = True) -> Process:
        """Start a process, a worker unless told otherwise."""
        process = Process(number=len(self.processes) + 1, clock=self._clock, is_worker=is_worker)
        self.processes[process.number] = process
        return process

    @property
    def alive(self) -> list[Process]:
        """The processes that run, oldest first."""
        return [process for process in self.processes.values() if process.is_alive]

    @property
    def workers(self) -> list[Process]:
        """The workers that run and whose pool has not stopped, oldest first."""
        return [process for process in self.alive if process.is_worker and not process.is_leaving]

    # What a worker does

    def deliver(self, message: Message, process: Process) -> Actor:
        """A message arrives: a child begins the task."""
        self._tasks += 1
        runner = Runner(
            process=str(process.identity),
            task_id=f"task-{self._tasks}",
            worker=f"worker {process.number}",
            lease=conf().lease_seconds,
            interruptions=(SoftTimeLimitExceeded,),
            is_stopping=lambda: process.is_stopping,
        )
        keys = list(message.keys)
        actor = Actor(
            runner.task_id, Kind.TASK, process, partial(processing.process, keys, runner), runner=runner, keys=keys
        )
        actor.at_end = partial(self._task_ended, message=message)
        process.tasks[runner.task_id] = actor
        return actor

    def _task_ended(self, actor: Actor, message: Message) -> None:
        """A task that ended is live no more; one whose child died is so until the main process notices."""
        if not actor.is_dead:
            del actor.process.tasks[actor.facts["runner"].task_id]
        if isinstance(actor.error, OperationalError | InterfaceError):
            self._bag.messages.append(message)

    def notice(self, actor: Actor) -> Actor:
        """The main process notices that the child of this task died: its lifeline takes back what the task held."""
        runner, process = actor.facts["runner"], actor.process
        del process.tasks[runner.task_id]
        rescue = partial(process.lifeline.rescue, runner.task_id)
        return Actor(f"rescue of {actor.name}", Kind.SERVICE, process, rescue, rescues=runner.owner)

    def tick(self, process: Process) -> Actor:
        """The lifeline ticks."""

        def action() -> None:
            try:
                process.lifeline.tick()
            except (OperationalError, InterfaceError):
                process.lifeline.failed()
            process.has_swept = process.lifeline._has_swept

        return Actor(f"tick of {process}", Kind.SERVICE, process, action, is_tick=True)

    def renew(self, process: Process) -> Actor:
        """The lease keeper ticks."""
        # It goes by what lives when it begins: what ends meanwhile is renewed once more.
        live = list(process.tasks.values())
        return Actor(f"renewal by {process}", Kind.SERVICE, process, process.keeper.tick, live=live)

    def sweep(self, process: Process) -> Actor:
        """Beat's task arrives."""
        return Actor(f"sweep by {process}", Kind.SERVICE, process, recovery.sweep)

    # How a process ends

    def leave(self, process: Process) -> Actor:
        """Its pool has stopped: give back what is left, and end."""
        process.is_stopping = process.is_leaving = True
        actor = Actor(f"exit of {process}", Kind.SERVICE, process, process.lifeline.release_all, is_exit=True)
        actor.at_end = lambda _: self.bury(process, is_knowable=True)
        return actor

    def bury(self, process: Process, *, is_knowable: bool) -> None:
        """It is dead; the broker gives out again what it had not acknowledged."""
        process.is_alive, process.is_knowable = False, is_knowable
        for actor in process.tasks.values():
            self._bag.messages.append(Message(keys=actor.facts["keys"], queue=conf().queue))
        process.tasks.clear()
