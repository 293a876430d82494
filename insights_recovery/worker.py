"""Our hooks in the Celery worker: identity, queues, the lifeline, lost children, shutdown.

All of it happens in the worker's main process, whatever the pool, on a thread of its own with a database connection of
its own: Celery's event loop must not wait for a database. The only things that the pool's children share are the
identity and the stop flag, both made before they are forked.
"""

from __future__ import annotations

import mmap
import os
import queue
import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import bootsteps
from celery import signals as celery_signals
from celery.worker import state as worker_state
from django.db import connections

from insights_recovery import identity, recovery, scrubbing, signals
from insights_recovery.conf import conf

STARTUP_JITTER = 1.0
"""Bound of the random delay of a worker's first sweep, in seconds, so that a fleet does not start as one."""
CHILD_WATCH_INTERVAL = 0.5
"""Seconds between two looks of the worker's event loop for children that are gone."""
FORK_PATIENCE = 2.0
"""Seconds that a fork waits for the lifeline to let go of its database connection."""


TASK = "insights_recovery.tasks.extract_insights_task"


class WorkerContext:
    """What a worker's main process and its children share."""

    def __init__(self, *, keeps_queues: bool) -> None:
        self.identity = str(identity.of_this_process())
        self.keeps_queues = keeps_queues
        self._stop = mmap.mmap(-1, 1)

    def stop(self) -> None:
        """Tell the children to give back what they have not begun."""
        self._stop[0] = 1

    @property
    def is_stopping(self) -> bool:
        """Whether the worker was told to shut down."""
        return self._stop[0] == 1


_context: WorkerContext | None = None


def is_worker() -> bool:
    """Say whether this process belongs to a Celery worker, whose main process renews the leases."""
    return _context is not None


def identity_of_worker() -> str:
    """Return the identity of the main process of the worker that this process belongs to, or its own."""
    return _context.identity if _context else str(identity.of_this_process())


def is_stopping() -> bool:
    """Say whether the worker that this process belongs to was told to shut down."""
    return _context is not None and _context.is_stopping


class ForkGate:
    """Keeps forks and the database work of other threads apart.

    A child that is forked while a thread of the main process has a connection open inherits its socket or, with SQLite,
    its file locks. Work in hand is waited for, in bounded time: a frozen database must not keep the pool from replacing
    a child.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition(threading.Lock())
        self._working = 0
        os.register_at_fork(before=self._close, after_in_parent=self._open, after_in_child=self._open_in_child)

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Work with a database inside this block; no fork happens meanwhile."""
        with self._condition:
            self._working += 1
        try:
            yield
        finally:
            with self._condition:
                self._working -= 1
                self._condition.notify_all()

    def _close(self) -> None:
        self._condition.acquire()
        self._condition.wait_for(lambda: self._working == 0, timeout=FORK_PATIENCE)

    def _open(self) -> None:
        self._condition.release()

    def _open_in_child(self) -> None:
        self._working = 0
        self._condition.release()


class Service(threading.Thread):
    """A thread of the main process that does something at intervals, each time on a connection of its own."""

    def __init__(self, name: str, gate: ForkGate) -> None:
        super().__init__(name=f"insights-recovery-{name}", daemon=True)
        self._gate = gate
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._next_tick = time.monotonic() + self.first_pause()

    def first_pause(self) -> float:
        """Return the seconds before the first tick."""
        return self.interval()

    def interval(self) -> float:
        """Return the seconds between two ticks."""
        raise TypeError(f"{type(self).__name__} must define interval()")

    def tick(self) -> None:
        """Do it once."""
        raise TypeError(f"{type(self).__name__} must define tick()")

    def failed(self) -> None:
        """A tick or call failed; the next one comes all the same."""

    def call(self, action: Callable[[], None]) -> None:
        """Have the thread do `action` at once, between two ticks."""
        self._calls.put(action)

    def end(self, timeout: float) -> None:
        """End the thread once it has done what it was called for, and wait for it."""
        self._calls.put(None)
        self.join(timeout)

    def run(self) -> None:
        """Tick, and do what is called for in between, until the worker ends."""
        while True:
            try:
                action = self._calls.get(timeout=max(0.0, self._next_tick - time.monotonic()))
            except queue.Empty:
                action = self.tick
            if action is None:
                return
            self._attempt(action)
            if action == self.tick:
                self._next_tick = time.monotonic() + self.interval()

    def _attempt(self, action: Callable[[], None]) -> None:
        with self._gate.passed():
            try:
                action()
            except Exception as error:  # noqa: BLE001 - the worker's boundary: a thread that dies would take the leases with it
                signals.service_failed.send(type(self), service=self.name, error=scrubbing.report(error).message)
                self.failed()
            finally:
                connections.close_all()


class ChildWatch(bootsteps.StartStopStep):  # type: ignore[misc]
    """Has the worker's event loop look for lost children every half second.

    Celery looks when a child's pipe closes, which may be a moment before the child can be reaped; then nothing is found,
    and the next look is a timer's, five seconds later.
    """

    def __init__(self, consumer: Any, **_: Any) -> None:
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Start looking; called again after each reconnection to the broker, which clears all timers."""
        self.stop(consumer)
        if consumer.hub is not None:
            self._timer = consumer.hub.call_repeatedly(CHILD_WATCH_INTERVAL, consumer.pool.maintain_pool)

    def stop(self, consumer: Any) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class LeaseKeeper(Service):
    """Renews the leases of what the live tasks of this worker hold, and of nothing else."""

    def __init__(self, context: WorkerContext, gate: ForkGate) -> None:
        self._context = context
        super().__init__("lease-keeper", gate)

    def interval(self) -> float:
        """Three renewals a lease: one may be lost and one late."""
        return conf().lease_seconds / 3

    def tick(self) -> None:
        """Renew."""
        recovery.renew(self._context.identity, live_task_ids())


class Lifeline(Service):
    """The worker's own sweep, which needs no beat, and no broker to find what is due.

    Each tick takes back what dead processes held and what ran out, offers what is due, and takes over a sweep that is
    overdue. The first one, at the worker's start, is a whole sweep.
    """

    def __init__(self, context: WorkerContext, gate: ForkGate) -> None:
        self._context = context
        self._started = False
        self._idle_owners: Collection[str] = ()
        self._trusts_expiry_from = 0.0
        super().__init__("lifeline", gate)

    def first_pause(self) -> float:
        """A random delay, so that a fleet that is started at once does not sweep at once."""
        return random.uniform(0, STARTUP_JITTER)

    def interval(self) -> float:
        """The `LIFELINE_INTERVAL` setting."""
        return conf().lifeline_interval

    def failed(self) -> None:
        """The database was away, perhaps for all: leases that nobody could renew get the time to be renewed."""
        self._trusts_expiry_from = time.monotonic() + conf().lease_seconds

    def tick(self) -> None:
        """Look after what is due."""
        if self._context.is_stopping:
            return
        limit = conf().sweep_limit
        recovery.rescue_dead(limit)
        self._release_idle()
        if not self._started:
            recovery.sweep()
            self._started = True
        elif time.monotonic() >= self._trusts_expiry_from:
            recovery.rescue_expired(limit)
            recovery.sweep_if_overdue()
        recovery.offer_due(limit)

    def rescue(self, task_id: str) -> None:
        """A pool child died, or was killed at the hard time limit, with this task: take back what it held."""
        owner = f"{self._context.identity}:{task_id}"
        if self._context.is_stopping:
            recovery.release([owner])
        else:
            recovery.rescue_task(owner)

    def release_all(self) -> None:
        """Give back whatever this worker still holds: it is shutting down, and its tasks have ended."""
        recovery.release(recovery.owners_in(self._context.identity))

    def _release_idle(self) -> None:
        """Give back what tasks of this worker hold that ended without settling, seen in two ticks in a row."""
        live = {f"{self._context.identity}:{task_id}" for task_id in live_task_ids()}
        idle = recovery.owners_in(self._context.identity) - live
        recovery.release(idle.intersection(self._idle_owners))
        self._idle_owners = idle


def live_task_ids() -> list[str]:
    """Return the ids of the tasks that this worker has received and that have not ended."""
    return list(worker_state.requests)


class Worker:
    """The services of one worker's main process, and the receivers that drive them."""

    def __init__(self) -> None:
        self._gate: ForkGate | None = None
        self._lifeline: Lifeline | None = None
        self._keeper: LeaseKeeper | None = None
        self._pid = 0

    def connect(self) -> None:
        """Connect the receivers; they do nothing outside of a worker."""
        for signal, receiver in (
            (celery_signals.celeryd_init, self.on_init),
            (celery_signals.celeryd_after_setup, self.on_setup),
            (celery_signals.worker_ready, self.on_ready),
            (celery_signals.task_failure, self.on_task_failure),
            (celery_signals.worker_shutting_down, self.on_shutting_down),
            (celery_signals.worker_shutdown, self.on_shutdown),
        ):
            signal.connect(receiver, weak=False, dispatch_uid=f"insights_recovery.worker.{receiver.__name__}")

    def on_init(self, instance: Any, options: dict[str, Any] | None = None, **_: Any) -> None:
        """The main process starts: what its children are to share is made now."""
        global _context
        instance.app.steps["consumer"].add(ChildWatch)
        _context = WorkerContext(keeps_queues=bool((options or {}).get("queues")))

    def on_setup(self, instance: Any, **_: Any) -> None:
        """Serve our queues too, unless the operator chose the queues."""
        if _context and not _context.keeps_queues:
            for name in (conf().queue, conf().backfill_queue, conf().maintenance_queue):
                instance.app.amqp.queues.select_add(name)

    def on_ready(self, **_: Any) -> None:
        """The worker takes messages: start the services."""
        if _context is None:
            return
        self._pid, self._gate = os.getpid(), self._gate or ForkGate()
        self._lifeline, self._keeper = Lifeline(_context, self._gate), LeaseKeeper(_context, self._gate)
        self._lifeline.start()
        self._keeper.start()

    def on_task_failure(self, sender: Any, task_id: str, exception: BaseException, **_: Any) -> None:
        """A child was lost with one of our tasks; Celery may say so twice, and a child says other things."""
        is_lost = isinstance(exception, WorkerLostError | TimeLimitExceeded)
        lifeline = self._lifeline
        if is_lost and lifeline and self._pid == os.getpid() and sender.name == TASK:
            lifeline.call(lambda: lifeline.rescue(task_id))

    def on_shutting_down(self, **_: Any) -> None:
        """The worker was told to stop: the children give back what they have not begun."""
        if _context:
            _context.stop()

    def on_shutdown(self, **_: Any) -> None:
        """The pool has stopped: give back what is left, and end the services."""
        lifeline, keeper = self._lifeline, self._keeper
        if lifeline and keeper and self._pid == os.getpid():
            lifeline.call(lifeline.release_all)
            for service in (lifeline, keeper):
                service.end(timeout=conf().lifeline_interval)


_worker = Worker()


def connect() -> None:
    """Connect our receivers to the signals of a Celery worker."""
    _worker.connect()
