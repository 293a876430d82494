"""The standing services of a worker: one renews its leases, one is its own sweep."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from insights_recovery import recovery, signals
from insights_recovery.conf import conf
from insights_recovery.service import ForkGate, Service

STARTUP_JITTER = 1.0
"""Bound of the random delay of a worker's first sweep, in seconds, so that a fleet does not start as one."""

TaskIds = Callable[[], list[str]]
"""Returns the ids of the tasks that the worker has received and that have not ended."""


class Holds:
    """How long each claim has been held, as far as this worker has seen it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[UUID, float] = {}

    def within(self, limit: float, held: Sequence[recovery.Held]) -> list[recovery.Held]:
        """Return those of `held`, all that is held now, whose claim was first seen at most `limit` seconds ago."""
        now = self._clock()
        self._since = {claim.token: self._since.get(claim.token, now) for claim in held}
        return [claim for claim in held if now - self._since[claim.token] <= limit]


class LeaseKeeper(Service):
    """Renews the leases of what the live tasks of this worker hold, and of nothing else; of no task for ever.

    A task that has held something for longer than `TIME_LIMIT` hangs. A prefork child is killed for that; a thread
    cannot be, so its leases are left to run out. Where every one of a pool's `slots` hangs, so that the worker can do
    nothing for anybody, it is given up; `slots` is None where Celery kills what hangs.
    """

    def __init__(
        self,
        process: str,
        live_task_ids: TaskIds,
        gate: ForkGate,
        *,
        slots: int | None = None,
        give_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._process = process
        self._live_task_ids = live_task_ids
        self._slots = slots
        self._give_up = give_up
        self._holds = Holds()
        self._hanging: set[str] = set()
        super().__init__("lease-keeper", gate)

    def interval(self) -> float:
        """Three renewals a lease: one may be lost and one late."""
        return conf().lease_seconds / 3

    def tick(self) -> None:
        """Renew what is held by tasks that are in time."""
        live = self._live_task_ids()
        held = recovery.held_by_tasks(self._process, live)
        in_time = self._holds.within(conf().time_limit, held)
        late = {claim.task_id for claim in held} - {claim.task_id for claim in in_time}
        # Remembered for as long as they live: once their leases have run out they hold nothing.
        self._hanging = (self._hanging | late).intersection(live)
        recovery.renew(in_time)
        if self._slots and len(self._hanging) >= self._slots and not in_time:
            error = f"{len(self._hanging)} of {self._slots} threads hang: the worker ends, to be started again"
            signals.service_failed.send_robust(LeaseKeeper, service=self.name, error=error)
            self._give_up()


class Lifeline(Service):
    """The worker's own sweep, which needs no beat, and no broker to find what is due.

    Each tick takes back what dead processes held and what ran out, offers what is due, and takes over a sweep that is
    overdue. The first one, at the worker's start, is a whole sweep.
    """

    def __init__(self, process: str, live_task_ids: TaskIds, is_stopping: Callable[[], bool], gate: ForkGate) -> None:
        self._process = process
        self._live_task_ids = live_task_ids
        self._is_stopping = is_stopping
        self._has_swept = False
        self._idle_owners: Collection[str] = ()
        self._trusts_expiry_from = 0.0
        super().__init__("lifeline", gate)

    def first_pause(self) -> float:
        """A random delay, so that a fleet that is started at once does not sweep at once."""
        return random.uniform(0, STARTUP_JITTER)  # noqa: S311 - jitter needs no secrecy

    def interval(self) -> float:
        """The `LIFELINE_INTERVAL` setting."""
        return conf().lifeline_interval

    def failed(self) -> None:
        """The database was away, perhaps for all: leases that nobody could renew get the time to be renewed."""
        self._trusts_expiry_from = time.monotonic() + conf().lease_seconds

    def tick(self) -> None:
        """Look after what is due."""
        if self._is_stopping():
            return
        limit = conf().sweep_limit
        recovery.rescue_dead(limit)
        self._release_idle()
        if not self._has_swept:
            recovery.sweep()
            self._has_swept = True
        elif time.monotonic() >= self._trusts_expiry_from:
            recovery.rescue_expired(limit)
            recovery.sweep_if_overdue()
        recovery.offer_due(limit)

    def rescue(self, task_id: str) -> None:
        """A pool child died, or was killed at the hard time limit, with this task: take back what it held."""
        owner = f"{self._process}:{task_id}"
        if self._is_stopping():
            recovery.release([owner])
        else:
            recovery.rescue_task(owner)

    def release_all(self) -> None:
        """Give back whatever this worker still holds: it is shutting down, and its tasks have ended."""
        recovery.release(recovery.owners_in(self._process))

    def _release_idle(self) -> None:
        """Give back what tasks of this worker hold that ended without settling, seen in two ticks in a row."""
        live = {f"{self._process}:{task_id}" for task_id in self._live_task_ids()}
        idle = recovery.owners_in(self._process) - live
        recovery.release(idle.intersection(self._idle_owners))
        self._idle_owners = idle
