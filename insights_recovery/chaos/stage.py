"""The stage of a chaos run: its processes, its line to the broker, its switches, and what is in hand on it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from typing import Any, TypeVar
from uuid import UUID

from celery import current_app
from django.conf import settings

from insights_recovery import clock, schedule
from insights_recovery.chaos import switches
from insights_recovery.chaos.journal import Calls, Ledger
from insights_recovery.chaos.orders import Orders
from insights_recovery.chaos.processes import Process
from insights_recovery.chaos.servers import BrokerLine
from insights_recovery.chaos.switches import Switch
from insights_recovery.conf import conf
from insights_recovery.exceptions import ConfigurationError
from insights_recovery.hosts import database, entries
from insights_recovery.patience import patiently

T = TypeVar("T")

PATIENCE = 90.0
"""Seconds that the database may be away from the conductor, and that work may take to come into hand."""
LOOK = 0.05
"""Seconds between two looks."""
MORE = 20
"""Entries more that are written when nothing is in hand."""


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who takes part in a run, and what the operator lets it do."""

    app: str = ""
    """The host's Celery app, as for `celery -A`; found by itself where empty."""
    workers: int = 2
    """Celery workers."""
    concurrency: int = 2
    """Children or threads of each."""
    pool: str = "prefork"
    """Their kind of pool."""
    writers: int = 2
    """Web writers."""
    spared: int = 0
    """Workers, the first ones, that nothing ends, so that their memory can be watched."""
    broker_restart: str = ""
    """The operator's command that kills the broker and starts it again."""
    database_restart: str = ""
    """The operator's command that kills the database and starts it again."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """One entry in hand."""

    pk: Any
    """Its key."""
    token: UUID
    """The fencing token of its lease."""
    owner: str
    """Who holds it."""
    seen_at: datetime
    """When, by the database's clock."""


class Stage:
    """All that a fault may touch."""

    def __init__(self, orders: Orders, cast: Cast) -> None:
        self.orders = orders
        self.cast = cast
        self.line = BrokerLine()
        self.calls = Calls(orders.path)
        self.ledger = Ledger(orders.path)
        self.fallen: Counter[str] = Counter()
        self.workers: list[Process] = []
        self.writers: list[Process] = []
        self.beat: Process | None = None

    # Beginning and end

    def raise_curtain(self) -> None:
        """Start everything."""
        environment = {**self.orders.environment(), **self.line.start()}
        self.workers = [self._worker(number, environment) for number in range(self.cast.workers)]
        self.writers = [self._writer(number, environment) for number in range(self.cast.writers)]
        self.beat = self._beat(environment) if schedule.is_available() else None
        for process in self.processes:
            process.start()

    def heal(self) -> None:
        """Undo every fault that lasts, and start what has ended."""
        for name in (switches.EXTRACTOR_OUT, switches.DISK_FULL):
            self.switch(name).turn_off()
        if self.line.proxy is not None:
            self.line.proxy.reopen()
            self.line.proxy.thaw()
        for process in self.processes:
            process.thaw()
        self.supervise()

    def supervise(self) -> None:
        """Start again what ended by itself, as the host's supervisor would."""
        for process in self.processes:
            if not process.is_running:
                self.fallen[f"{process.name}, status {process.status}: {process.last_words}"] += 1
                process.start()

    def drop_curtain(self) -> None:
        """End everything."""
        for process in self.processes:
            process.close()
        self.line.end()

    @property
    def processes(self) -> list[Process]:
        """All processes of the run."""
        return [*self.workers, *self.writers, *([self.beat] if self.beat else [])]

    @property
    def victims(self) -> list[Process]:
        """Workers that may be ended."""
        return self.workers[self.cast.spared :]

    def switch(self, name: str) -> Switch:
        """Return a switch of the run."""
        return Switch(self.orders.path, name)

    # Work

    def ask(self, question: Callable[[], T]) -> T:
        """Return the answer to a question to the database, which may be away for a while."""
        return patiently(question, seconds=PATIENCE, using=database())

    def in_hand(self) -> list[Held]:
        """Return what is in work now."""
        leased = entries().leased().order_by().annotate(now=clock.now())
        rows = leased.values_list("pk", "processing_token", "processing_owner", "now")
        found = self.ask(lambda: list(rows))
        return [Held(pk=pk, token=token, owner=owner, seen_at=now) for pk, token, owner, now in found]

    def unfinished(self) -> int:
        """Return how many entries still must end."""
        return self.ask(entries().unfinished().count)

    def write_until(self, number: int) -> None:
        """Let the web writers make entries until there were so many.

        Raises:
            TimeoutError: they make none.
        """
        writing = self.switch(switches.WRITING)
        deadline = time.monotonic() + PATIENCE
        while (made := len(self.ledger.read().created)) < number:
            writing.turn_on()
            self.supervise()
            time.sleep(LOOK)
            if len(self.ledger.read().created) > made:
                deadline = time.monotonic() + PATIENCE
            elif time.monotonic() > deadline:
                raise TimeoutError("The web writers write nothing; their output is in the folder of the run.")
        writing.turn_off()

    def await_work(self, victim: Callable[[list[Held]], T | None]) -> tuple[T, list[Held]]:
        """Wait until `victim` finds something among what is in hand, and return both; more is written if need be.

        Raises:
            TimeoutError: no work came into hand.
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            held = self.in_hand()
            found = victim(held) if held else None
            if found is not None:
                return found, held
            self.supervise()
            if self.unfinished() < MORE:
                self.write_until(len(self.ledger.read().created) + MORE)
            time.sleep(LOOK)
        raise TimeoutError("No entry came into hand; the output of the workers is in the folder of the run.")

    # Who is on it

    def _worker(self, number: int, environment: Mapping[str, str]) -> Process:
        cast, queues = self.cast, f"{conf().queue},{conf().backfill_queue},{conf().maintenance_queue}"
        command = ["-m", "celery", "-A", cast.app, "worker", "-P", cast.pool, "-c", str(cast.concurrency), "-Q", queues]
        name = f"worker-{number}"
        return Process(name, [*command, "-n", f"chaos-{name}@%h"], folder=self.orders.path, environment=environment)

    def _writer(self, number: int, environment: Mapping[str, str]) -> Process:
        command = ["-m", "django", "chaos_writer", str(number)]
        return Process(f"writer-{number}", command, folder=self.orders.path, environment=environment)

    def _beat(self, environment: Mapping[str, str]) -> Process:
        command = ["-m", "celery", "-A", self.cast.app, "beat", "--max-interval", "1", "--pidfile", ""]
        command += ["-S", "django_celery_beat.schedulers:DatabaseScheduler"]
        return Process("beat", command, folder=self.orders.path, environment=environment)


def celery_app() -> str:
    """Return the host's Celery app as `celery -A` wants it, found beside its settings or its URLs.

    Raises:
        ConfigurationError: it is in neither place.
    """
    modules = (settings.SETTINGS_MODULE, getattr(settings, "ROOT_URLCONF", None), f"{current_app.main}.main")
    for module in modules:
        package = (module or "").rpartition(".")[0]
        if package and find_spec(package) and find_spec(f"{package}.celery"):
            return str(package)
    raise ConfigurationError("The project's Celery app was not found: name it with --app, as for `celery -A`.")
