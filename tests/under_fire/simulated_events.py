"""What can happen in a simulated world, each with a name and a few numbers, so that a run can be drawn and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from insights_recovery.lifecycle import State
from tests.hosts.notes.models import Entry
from tests.under_fire import simulated_texts as texts
from tests.under_fire.simulated_actors import Actor, Kind
from tests.under_fire.simulated_broker import Message, Weather
from tests.under_fire.simulated_people import WAYS_TO_CREATE, WAYS_TO_DELETE, WAYS_TO_EDIT
from tests.under_fire.simulated_processes import Process
from tests.under_fire.simulation import EVERYTHING, Simulation

MOST_TASKS, MOST_OTHERS = 4, 4
MOST_ENTRIES = 6
MOST_WORKERS = 3
"""Few of each, so that they get in each other's way."""
WRITERS = (
    *(f"edit by {way}" for way in WAYS_TO_EDIT * 2),
    *(f"create by {way}" for way in WAYS_TO_CREATE * 2),
    *(f"delete by {way}" for way in WAYS_TO_DELETE),
    "open a form",
    "stale save",
    "stale save",
)
SERVICES = ("tick", "tick", "sweep", "renewal", "rescue", "exit", "boot")
EDIT = "edit by save"
MISFORTUNES = ("crash", "crash", "kill", "database lost", "soft time limit", "SIGTERM")
BROKER_FAULTS = ("double", "lose", "flush", "deaf", "refusing")
LABELS = ("by hand", "by hand again", "first lake", "together lake")
"""What people write into insights: words of their own, and those that an extractor finds."""


class Play:
    """One run: a world, and what happens in it."""

    drawn: ClassVar[Counter[str]] = Counter()
    """How often each thing happened, in all runs."""
    heard: ClassVar[Counter[str]] = Counter()
    """How often the project logged each of its events, in all runs."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.stale: list[Entry] = []
        self._number = 0

    def happen(self, name: str, *details: Any) -> None:
        """Let something happen; where it cannot, what is under way goes on, or the next thing that can happen does."""
        if not (self._has_room_for(name) and getattr(self, name)(*details)):
            which = next((detail for detail in details if isinstance(detail, int)), 0)
            _ = self.go_on(which, 2) or self.deliver(which, which, 4) or self.write(EDIT, which, 11, ("",), EVERYTHING)

    def _has_room_for(self, name: str) -> bool:
        tasks = sum(actor.kind is Kind.TASK for actor in self.actors)
        if name in NEW_TASKS:
            return tasks < MOST_TASKS
        return name not in NEWCOMERS or len(self.actors) - tasks < MOST_OTHERS

    # What there is, what is most worth disturbing first

    @property
    def actors(self) -> list[Actor]:
        """All that is under way, tasks first."""
        return sorted(self.world.actors, key=lambda actor: actor.kind is not Kind.TASK)

    @property
    def pks(self) -> list[Any]:
        """The keys of all entries: those in work, then those that wait, then the others."""
        rows = self.world.tables.entries.values()
        return [row.pk for row in sorted(rows, key=lambda row: (_RANK.get(row.state, 2), row.pk))]

    @property
    def messages(self) -> list[Message]:
        """All messages that are under way."""
        return self.world.bag.messages

    @property
    def workers(self) -> list[Process]:
        """The workers that run."""
        return self.world.fleet.workers

    def _idle_workers(self) -> list[Process]:
        """Return the workers whose lifeline is not at anything."""
        busy = {actor.process for actor in self.actors if actor.kind is Kind.SERVICE}
        return [process for process in self.workers if process not in busy]

    def _begin(self, name: str, actor: Actor, steps: int) -> bool:
        self.drawn[name] += 1
        self.world.act(actor, steps)
        return True

    # Those who write

    def write(self, what: str, which: int, text: int, marks: Sequence[str], steps: int) -> bool:
        """Somebody writes."""
        verb, _, way = what.partition(" by ")
        if verb == "create":
            return len(self.pks) < MOST_ENTRIES and self.create(way, marks, steps)
        if verb == "stale save":
            return bool(self.stale) and self._save_stale(which, steps)
        return bool(self.pks) and self._write_to(pick(self.pks, which), verb, way, text, marks[0], steps)

    def create(self, way: str, marks: Sequence[str], steps: int) -> bool:
        """Somebody writes an entry, or several at once."""
        given = [texts.write(self._new_number(), 0, mark) for mark in marks]
        return self._begin(f"create by {way}", self.world.public.create(way, given), steps)

    def _save_stale(self, which: int, steps: int) -> bool:
        instance = self.stale.pop(which % len(self.stale))
        return self._begin("stale save", self.world.public.save_stale(instance), steps)

    def _write_to(self, pk: Any, verb: str, way: str, text: int, mark: str, steps: int) -> bool:
        if verb == "delete":
            return self._begin(f"delete by {way}", self.world.public.delete(pk, way), steps)
        if verb == "edit":
            actor = self.world.public.edit(pk, way, self._text(pk, text, mark))
            return self._begin(f"edit by {way}", actor, steps)
        self.stale = [*self.stale[-2:], Entry.objects.get(pk=pk)]
        return True

    def _text(self, pk: Any, which: int, mark: str) -> str:
        """Return a new text of an entry or, once in a while, one that it had before, or a blank one."""
        ledger = self.world.ledger
        if which == 0:
            return texts.BLANK
        if which < 4:
            return ledger.written[pk][which % len(ledger.written[pk])]
        if pk not in ledger.numbers:
            ledger.number(pk, self._new_number())
        return texts.write(ledger.numbers[pk], len(ledger.written[pk]), mark)

    def _new_number(self) -> int:
        self._number += 1
        return self._number

    # Those who ask

    def ask(self, which: Sequence[int], question: str, steps: int) -> bool:
        """Somebody asks for something."""
        if not self.pks:
            return False
        pks = list(dict.fromkeys(pick(self.pks, number) for number in which))
        return self._begin(question, self.world.public.ask(pks, question), steps)

    def correct(self, which: int, way: str, label: str, steps: int) -> bool:
        """Somebody corrects an insight."""
        insights = self.world.tables.insights
        if not insights:
            return False
        insight = insights[pick(sorted(insights), which)]
        actor = self.world.public.correct(insight.pk, insight.entry, way, label)
        return self._begin(f"{way} an insight", actor, steps)

    # The workers

    def deliver(self, message: int, worker: int, steps: int) -> bool:
        """A message arrives, whichever; a stray one, of entries that could be claimed, is always under way too."""
        if not self.workers:
            return False
        candidates = [*self.messages, *self._stray(message)]
        if not candidates:
            return False
        arrived = pick(candidates, message)
        if arrived in self.messages:
            self.messages.remove(arrived)
        return self._begin("deliver", self.world.fleet.deliver(arrived, pick(self.workers, worker)), steps)

    def _stray(self, size: int) -> list[Message]:
        rows = self.world.tables.entries.values()
        free = sorted(row.pk for row in rows if _RANK.get(row.state) == 1 and row.not_before is None)
        return [Message(keys=free[: 1 + size % 3], queue="stray")] if free else []

    def deliver_everything(self, worker: int) -> bool:
        """All messages arrive one after the other, and each task ends before the next."""
        if not self.messages or not self.workers:
            return False
        for _ in range(len(self.messages)):
            self.world.act(self.world.fleet.deliver(self.messages.pop(0), pick(self.workers, worker)))
        self.drawn["deliver everything"] += 1
        return True

    def take_over(self, which: int, worker: int, steps: int) -> bool:
        """Leases run out while their holders pause; a worker takes back what was held, and begins with it."""
        idle = [process for process in self._idle_workers() if not process.is_stopping]
        if not idle or not any(row.token for row in self.world.tables.entries.values()):
            return False
        self.world.pass_by(40, is_renewed=False)
        self._begin("take over", self.world.fleet.tick(pick(idle, which)), EVERYTHING)
        return not self._has_room_for("deliver") or self.deliver(which, worker, steps)

    def go_on(self, which: int, steps: int) -> bool:
        """Something that is under way goes on."""
        if not self.actors:
            return False
        self.drawn["go on"] += 1
        self.world.go_on(pick(self.world.actors, which), steps)
        return True

    def serve(self, what: str, which: int, steps: int) -> bool:
        """A worker's standing service has its turn, or another worker starts."""
        fleet, idle = self.world.fleet, self._idle_workers()
        stopping = [process for process in idle if process.is_stopping]
        corpses = [corpse for corpse in self.world.corpses if corpse.process in idle]
        if corpses and what in {"rescue", "tick"}:
            return self._begin("rescue", self.world.notice(pick(corpses, which)), steps)
        if stopping and what in {"exit", "tick"}:
            return self._begin("exit", self._leave(pick(stopping, which)), steps)
        if idle and what == "tick":
            return self._begin("tick", fleet.tick(pick(idle, which)), steps)
        if self.workers and what == "sweep":
            return self._begin("sweep", fleet.sweep(pick(self.workers, which)), steps)
        if self.workers and what == "renewal":
            return self._begin("renewal", fleet.renew(pick(self.workers, which)), steps)
        if len(self.workers) >= MOST_WORKERS:
            return False
        fleet.boot()
        return True

    def _leave(self, process: Process) -> Actor:
        """Return the end of a worker that was told to stop: what it has not finished by now is cut off."""
        for task in [actor for actor in self.actors if actor.kind is Kind.TASK and actor.process is process]:
            self.world.crash(task)
        return self.world.fleet.leave(process)

    # What goes wrong

    def suffer(self, what: str, which: int, is_so: bool) -> bool:
        """Something goes wrong with a process; `is_so` says more about it."""
        return bool(_MISFORTUNES[what](self, which, is_so)) and self._count(what)

    def _count(self, what: str) -> bool:
        self.drawn[what] += 1
        return True

    def _crash(self, which: int, is_knowable: bool) -> bool:
        if self.actors:
            self.world.crash(pick(self.actors, which), is_knowable=is_knowable)
            return True
        return False

    def _kill(self, which: int, is_knowable: bool) -> bool:
        if self.workers:
            self.world.kill(pick(self.workers, which), is_knowable=is_knowable)
            return True
        return False

    def _lose_database(self, which: int, after_commit: bool) -> bool:
        inside, stops = {Kind.TASK, Kind.SERVICE}, {"transaction", "statement"}
        struck = [actor for actor in self.actors if actor.kind in inside and actor.stopped_at in stops]
        if struck:
            self.world.lose_database(pick(struck, which), after_commit=after_commit)
        return bool(struck)

    def _interrupt(self, which: int, _: bool) -> bool:
        tasks = [actor for actor in self.actors if actor.kind is Kind.TASK]
        if tasks:
            self.world.interrupt(pick(tasks, which))
        return bool(tasks)

    def _terminate(self, which: int, _: bool) -> bool:
        if self.workers:
            pick(self.workers, which).is_stopping = True
        return bool(self.workers)

    def suffer_from_the_broker(self, what: str, which: int) -> bool:
        """Something goes wrong with the broker, or it is well again."""
        bag = self.world.bag
        if bag.weather is not Weather.FAIR:
            bag.weather = Weather.FAIR
        elif what in {"deaf", "refusing"}:
            bag.weather = Weather(what)
        elif not bag.messages:
            return False
        elif what == "double":
            bag.messages.append(pick(bag.messages, which))
        elif what == "lose":
            bag.messages.pop(which % len(bag.messages))
        else:
            bag.messages.clear()
        return self._count(f"broker: {what}")

    # Time

    def pass_by(self, seconds: int, is_renewed: bool) -> bool:
        """Time passes; with `is_renewed` the workers keep their leases meanwhile."""
        self.world.pass_by(seconds, is_renewed=is_renewed)
        return self._count(f"{seconds} s pass")


NEW_TASKS, NEWCOMERS = {"deliver"}, {"write", "create", "ask", "correct", "serve", "take_over"}
"""What brings another task, or another actor."""
_RANK = {State.PROCESSING: 0, State.PENDING: 1, State.CELERY_ERROR: 1}
_MISFORTUNES = {
    "crash": Play._crash,
    "kill": Play._kill,
    "database lost": Play._lose_database,
    "soft time limit": Play._interrupt,
    "SIGTERM": Play._terminate,
}


def pick(things: Sequence[Any], which: int) -> Any:
    """Return one of them."""
    return things[which % len(things)]
