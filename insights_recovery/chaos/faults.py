"""The faults: what each one is, when it cannot be tried, whom it hits, and how it strikes."""

from __future__ import annotations

import random
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, ClassVar, TypeVar

from django.db import connections

from insights_recovery import schedule
from insights_recovery.chaos import journal, making, orders, servers, switches
from insights_recovery.chaos.processes import Process, send
from insights_recovery.chaos.schedule import Strike
from insights_recovery.chaos.stage import Held, Stage
from insights_recovery.conf import conf
from insights_recovery.hosts import database, entries

T = TypeVar("T")

SHORTEST, LONGEST = 1.0, 4.0
"""Bounds of an outage, in seconds."""
SKEW = 600
"""Seconds by which a skewed clock is ahead or behind."""
MANY = 10
"""Entries that a burst hits, at the most."""


class Fault(ABC):
    """One kind of fault."""

    name: ClassVar[str]
    """What it is called in schedule and verdict."""
    meaning: ClassVar[str]
    """What happens, in a few words."""

    def why_not(self, stage: Stage) -> str:
        """Return the reason why it cannot be tried here; empty where it can."""
        return ""

    def victim(self, stage: Stage, held: Sequence[Held], strike: Strike) -> Any:
        """Return whom it hits, given what is in hand; None where it would hit nobody at work."""
        return held

    @abstractmethod
    def strike(self, stage: Stage, victim: Any, strike: Strike) -> None:
        """Let it happen, and where it is an outage let it pass."""


def _seconds(strike: Strike) -> float:
    return SHORTEST + strike.strength * (LONGEST - SHORTEST)


def _pick(candidates: Sequence[T], strike: Strike) -> T | None:
    return candidates[int(strike.victim * len(candidates))] if candidates else None


class WorkerFault(Fault):
    """A fault of a worker that has something in hand."""

    def why_not(self, stage: Stage) -> str:
        return "" if stage.cast.workers > stage.cast.spared else "every worker is to be spared"

    def victim(self, stage: Stage, held: Sequence[Held], strike: Strike) -> Process | None:
        return _pick([worker for worker in stage.victims if _holds(worker, held)], strike)


def _holds(worker: Process, held: Sequence[Held]) -> bool:
    return worker.is_running and any(one.owner.startswith(f"{worker.identity}:") for one in held)


class ChildKilled(Fault):
    """SIGKILL for a pool child that is within an extractor's call."""

    name = "child killed"
    meaning = "SIGKILL for a pool child at work"

    def why_not(self, stage: Stage) -> str:
        return "" if stage.cast.pool == "prefork" else f"the {stage.cast.pool} pool has no children"

    def victim(self, stage: Stage, held: Sequence[Held], strike: Strike) -> int | None:
        children = [child for worker in stage.workers for child in worker.children()]
        return _pick(sorted(stage.calls.busy().intersection(children)), strike)

    def strike(self, stage: Stage, victim: int, strike: Strike) -> None:
        send(signal.SIGKILL, [victim])


class WorkerKilled(WorkerFault):
    """SIGKILL for a worker and all of its children, and a new start."""

    name = "worker killed"
    meaning = "SIGKILL for a worker with its children, started again"

    def strike(self, stage: Stage, victim: Process, strike: Strike) -> None:
        victim.kill()
        victim.start()


class ServerDied(WorkerFault):
    """Every worker, beat and web writer is gone at the same moment."""

    name = "server died"
    meaning = "SIGKILL for all workers, writers and beat at once, started again"

    def why_not(self, stage: Stage) -> str:
        return "a worker is to be spared" if stage.cast.spared else ""

    def strike(self, stage: Stage, victim: Process, strike: Strike) -> None:
        for process in stage.processes:
            process.freeze()
        for process in stage.processes:
            process.kill()
        for process in stage.processes:
            process.start()


class WorkerStopped(WorkerFault):
    """SIGTERM, as at a deployment."""

    name = "worker stopped"
    meaning = "SIGTERM for a worker, started again"

    def strike(self, stage: Stage, victim: Process, strike: Strike) -> None:
        victim.stop()
        victim.start()


class WorkerFrozen(WorkerFault):
    """SIGSTOP until the leases have run out, then SIGCONT: the worker believes that it still holds them."""

    name = "worker frozen"
    meaning = "SIGSTOP for a worker beyond its lease, then SIGCONT"

    def strike(self, stage: Stage, victim: Process, strike: Strike) -> None:
        victim.freeze()
        time.sleep(stage.orders.lease * (1.2 + strike.strength))
        victim.thaw()


class ClockSkewed(WorkerFault):
    """A worker whose machine has another time of day."""

    name = "clock skewed"
    meaning = f"a worker started again with a clock {SKEW} s ahead or behind"

    def why_not(self, stage: Stage) -> str:
        return super().why_not(stage) or ("" if find_spec("time_machine") else "the extra [chaos] is not installed")

    def strike(self, stage: Stage, victim: Process, strike: Strike) -> None:
        victim.kill()
        victim.start({orders.SKEW: str(SKEW if strike.strength < 0.5 else -SKEW)})


class BeatKilled(Fault):
    """SIGKILL for beat."""

    name = "beat killed"
    meaning = "SIGKILL for beat, started again"

    def why_not(self, stage: Stage) -> str:
        return "" if schedule.is_available() else "django-celery-beat is not installed"

    def strike(self, stage: Stage, victim: Any, strike: Strike) -> None:
        if stage.beat:
            stage.beat.kill()
            stage.beat.start()


class WriterKilled(Fault):
    """SIGKILL for a web writer, in the middle of a request."""

    name = "writer killed"
    meaning = "SIGKILL for a web writer, started again"

    def victim(self, stage: Stage, held: Sequence[Held], strike: Strike) -> Process | None:
        return _pick(stage.writers, strike)

    def strike(self, stage: Stage, victim: Process, strike: Strike) -> None:
        stage.switch(switches.WRITING).turn_on()
        time.sleep(strike.strength / 4)
        victim.kill()
        stage.switch(switches.WRITING).turn_off()
        victim.start()


class BrokerEmptied(Fault):
    """The broker forgets every message."""

    name = "broker emptied"
    meaning = "the broker forgets every message"

    def strike(self, stage: Stage, victim: Any, strike: Strike) -> None:
        servers.empty_broker()


class LineFault(Fault):
    """A fault of the line to the broker."""

    def why_not(self, stage: Stage) -> str:
        return "" if stage.line.proxy else "this broker has no address to which a line could be laid"


class BrokerClosed(LineFault):
    """Connections are reset, and refused."""

    name = "broker closed"
    meaning = "connections to the broker reset, and refused for a while"

    def strike(self, stage: Stage, victim: Any, strike: Strike) -> None:
        if proxy := stage.line.proxy:
            proxy.close()
            time.sleep(_seconds(strike))
            proxy.reopen()


class BrokerFrozen(LineFault):
    """Connections stand, and nothing answers."""

    name = "broker frozen"
    meaning = "connections to the broker stand, and nothing answers for a while"

    def strike(self, stage: Stage, victim: Any, strike: Strike) -> None:
        if proxy := stage.line.proxy:
            proxy.freeze()
            time.sleep(_seconds(strike))
            proxy.thaw()


class BrokerRestarted(Fault):
    """The broker itself ends, and begins again."""

    name = "broker restarted"
    meaning = "the broker killed and started by the operator's command"

    def why_not(self, stage: Stage) -> str:
        return "" if stage.cast.broker_restart else "--broker-restart names no command"

    def strike(self, stage: Stage, victim: Any, strike: Strike) -> None:
        servers.run(stage.cast.broker_restart)


class DatabaseRestarted(Fault):
    """The database itself ends, and begins again."""

    name = "database restarted"
    meaning = "the database killed and started by the operator's command"

    def why_not(self, stage: Stage) -> str:
        return "" if stage.cast.database_restart else "--database-restart names no command"

    def strike(self, stage: Stage, victim: Any, strike: Strike) -> None:
        servers.run(stage.cast.database_restart)


class ConnectionsCut(Fault):
    """Every connection to the database ends in the middle of what it is at."""

    name = "connections cut"
    meaning = "every connection to the database ended by the server"

    def why_not(self, stage: Stage) -> str:
        vendor = connections[database()].vendor
        return "" if vendor in {"postgresql", "mysql"} else f"{vendor} has no connections that could be cut"

    def strike(self, stage: Stage, victim: Any, strike: Strike) -> None:
        stage.ask(servers.cut_connections)


class SwitchFault(Fault):
    """A fault within our processes that lasts while a switch is on."""

    switch: ClassVar[str]

    def strike(self, stage: Stage, victim: Any, strike: Strike) -> None:
        stage.switch(self.switch).turn_on()
        time.sleep(_seconds(strike))
        stage.switch(self.switch).turn_off()


class DiskFull(SwitchFault):
    """The database takes no results."""

    name = "disk full"
    meaning = "the database refuses results for a while, having no room"
    switch = switches.DISK_FULL


class ExtractorOut(SwitchFault):
    """The extraction service answers that it is out."""

    name = "extractor out"
    meaning = "the extraction service answers for a while that it is out"
    switch = switches.EXTRACTOR_OUT


class EntryFault(Fault):
    """Somebody writes to entries that are in hand."""

    def strike(self, stage: Stage, victim: Sequence[Held], strike: Strike) -> None:
        dice = random.Random(f"{stage.orders.seed} {strike.number}")  # noqa: S311 - a seed makes it repeatable
        for held in victim[: 1 + int(strike.strength * MANY)]:
            if entry := stage.ask(entries().filter(pk=held.pk).first):
                self.write(stage, entry, making.new_text(stage.orders.phrase, dice))

    @abstractmethod
    def write(self, stage: Stage, entry: Any, text: str) -> None:
        """Write to one of them."""


class EditFault(EntryFault):
    """Somebody edits entries that are in hand."""

    def why_not(self, stage: Stage) -> str:
        return "" if making.text_column() else "the text lies in no field of the model"


class Edited(EditFault):
    """Entries get a new text by save, while a worker has the old one."""

    name = "edited by ORM"
    meaning = "entries in hand get a new text by save()"

    def write(self, stage: Stage, entry: Any, text: str) -> None:
        setattr(entry, conf().text_field, text)
        stage.ask(entry.save)


class Overwritten(EditFault):
    """Entries get a new text past every guard, while a worker has the old one."""

    name = "edited by SQL"
    meaning = "entries in hand get a new text by a plain UPDATE"

    def write(self, stage: Stage, entry: Any, text: str) -> None:
        stage.ask(lambda: making.edit_by_sql(entry, text))
        journal.note(stage.orders.path, journal.WRITES, "overwritten", entry.pk, 0)


class Deleted(EntryFault):
    """Entries are deleted while a worker is at them."""

    name = "deleted"
    meaning = "entries in hand are deleted"

    def write(self, stage: Stage, entry: Any, text: str) -> None:
        journal.note(stage.orders.path, journal.WRITES, "deleting", entry.pk, 0)
        stage.ask(entry.delete)


FAULTS: tuple[Fault, ...] = (
    ChildKilled(),
    WorkerKilled(),
    ServerDied(),
    WorkerStopped(),
    WorkerFrozen(),
    ClockSkewed(),
    BeatKilled(),
    WriterKilled(),
    BrokerEmptied(),
    BrokerClosed(),
    BrokerFrozen(),
    BrokerRestarted(),
    DatabaseRestarted(),
    ConnectionsCut(),
    DiskFull(),
    ExtractorOut(),
    Edited(),
    Overwritten(),
    Deleted(),
)
"""Every fault there is."""


def by_name() -> dict[str, Fault]:
    """Return the faults under their names."""
    return {fault.name: fault for fault in FAULTS}
