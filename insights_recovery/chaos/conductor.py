"""One chaos run from its first entry to its verdict."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from insights_recovery.chaos import faults, journal, servers, verdict
from insights_recovery.chaos.faults import Fault
from insights_recovery.chaos.orders import Orders
from insights_recovery.chaos.processes import memory_of
from insights_recovery.chaos.schedule import Strike
from insights_recovery.chaos.stage import LOOK, Cast, Stage
from insights_recovery.chaos.verdict import Offences, Recoveries
from insights_recovery.hosts import database, entries
from insights_recovery.insights import BELONGINGS
from insights_recovery.models import ProcessingAttempt

BACKLOG = 200
"""Unfinished entries from which on the web writers wait for the workers, lest the queue be all that is measured."""

Told = Callable[[str], None]
"""Hears what happens, for a person who watches."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a run used at one moment."""

    entries: int
    """Entries created so far."""
    memory: int
    """Resident memory of the main process of the first worker, in bytes."""
    attempts: int
    """Rows of history."""
    broker: int | None
    """Messages at the broker; of a Redis, its keys; None where it did not answer just then."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a run came out."""

    created: int
    """Entries whose creation was committed."""
    deleted: int
    """Of those, entries that somebody deleted, or began to."""
    edits: int
    """Edits by the web writers."""
    offences: Offences
    """What is wrong in the end."""
    leaks: list[str]
    """Processes whose output holds a text."""
    stale_writes_refused: int
    """Writes of workers that held the lease no longer."""
    repeated_extractions: int
    """Calls of an extractor for a text that it had been called for already."""
    longest_write: float
    """Seconds of the slowest write of a web writer."""
    restarts: Counter[str]
    """Processes that ended by themselves and were started again, with their exit statuses, and how often."""
    times: Counter[str]
    """How often each fault struck."""
    in_hand: Counter[str]
    """How many entries were in hand as it did."""
    recoveries: dict[str, list[float]]
    """Seconds until what a fault cost its holder was in work again, by fault."""
    samples: list[Sample]
    """What the run used, from its beginning to its end."""
    settled_after: float
    """Seconds from the last fault to the last entry."""
    seconds: float
    """How long it all took."""

    @property
    def violations(self) -> int:
        """How often a promise was broken."""
        return self.offences.count() + len(self.leaks)


class Conductor:
    """Carries out a schedule on a stage."""

    def __init__(
        self, orders: Orders, cast: Cast, schedule: Sequence[Strike], *, entries: int, patience: float
    ) -> None:
        self.stage = Stage(orders, cast)
        self._schedule = schedule
        self._entries = entries
        self._patience = patience
        self._faults: dict[str, Fault] = faults.by_name()
        self._recoveries = Recoveries()
        self._times: Counter[str] = Counter()
        self._in_hand: Counter[str] = Counter()
        self._samples: list[Sample] = []

    def run(self, tell: Told) -> Verdict:
        """Carry it out, and judge.

        Raises:
            TimeoutError: nothing was written, or nothing came into hand, so that there is nothing to judge.
        """
        begun = time.monotonic()
        try:
            self.stage.raise_curtain()
            for strike in self._schedule:
                self._strike(strike, tell)
            tell("no more faults: everything is started again, and given time to end")
            settled_after = self._settle()
            return self._verdict(begun, settled_after)
        finally:
            self.stage.drop_curtain()

    def _strike(self, strike: Strike, tell: Told) -> None:
        stage, fault = self.stage, self._faults[strike.fault]
        time.sleep(strike.pause)
        stage.supervise()
        if stage.unfinished() < BACKLOG:
            stage.write_until(self._entries * strike.number // (len(self._schedule) + 1))
        self._sample()
        victim, held = stage.await_work(lambda held: fault.victim(stage, held, strike))
        # At once: what was seen in hand is to be in hand still.
        fault.strike(stage, victim, strike)
        tell(f"{strike.number}/{len(self._schedule)} {fault.name}, {len(held)} in hand")
        self._times[fault.name] += 1
        self._in_hand[fault.name] += len(held)
        self._recoveries.add(fault.name, held)
        stage.ask(self._recoveries.settle)

    def _settle(self) -> float:
        """Wait until all has ended, or for so long nothing more has ended; return how long it took."""
        stage, begun = self.stage, time.monotonic()
        stage.heal()
        stage.write_until(self._entries)
        fewest, progress = stage.unfinished(), time.monotonic()
        while time.monotonic() - progress < self._patience and not self._is_quiet():
            stage.supervise()
            time.sleep(10 * LOOK)
            if (unfinished := stage.unfinished()) < fewest:
                fewest, progress = unfinished, time.monotonic()
        seconds = time.monotonic() - begun
        self._sample()
        stage.ask(self._recoveries.settle)
        return round(seconds, 1)

    def _is_quiet(self) -> bool:
        overwritten = self.stage.ledger.read().overwritten
        return self.stage.unfinished() == 0 and not self.stage.ask(lambda: verdict.stale(overwritten))

    def _sample(self) -> None:
        attempts = ProcessingAttempt.objects.using(database())
        self._samples.append(
            Sample(
                entries=len(self.stage.ledger.read().created),
                memory=memory_of(self.stage.workers[0].pid),
                attempts=self.stage.ask(attempts.count),
                broker=servers.messages_waiting(),
            )
        )

    def _verdict(self, begun: float, settled_after: float) -> Verdict:
        stage = self.stage
        ledger = stage.ledger.read()
        return Verdict(
            created=len(ledger.created),
            deleted=len(ledger.created - ledger.kept),
            edits=ledger.edits,
            offences=stage.ask(lambda: verdict.judge(ledger.kept)),
            leaks=[process.name for process in stage.processes if stage.orders.phrase in process.log],
            stale_writes_refused=journal.stale_writes(stage.orders.path),
            repeated_extractions=stage.calls.repeated(),
            longest_write=ledger.longest,
            restarts=stage.fallen,
            times=self._times,
            in_hand=self._in_hand,
            recoveries=self._recoveries.seconds,
            samples=self._samples,
            settled_after=settled_after,
            seconds=round(time.monotonic() - begun, 1),
        )


def remove(rows: Any) -> None:
    """Remove these entries, and all that belongs to them or to entries that are gone."""
    while pks := list(rows.order_by("pk").values_list("pk", flat=True)[: verdict.PAGE]):
        entries().filter(pk__in=pks).delete()
    # A run that was ended in the middle leaves such, for which the next one must not be blamed.
    for model in BELONGINGS:
        model._default_manager.using(database()).exclude(entry_id__in=entries().values("pk")).delete()
