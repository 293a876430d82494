"""A thread of a worker's main process that does something at intervals, apart from forks."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connections

from insights_recovery import scrubbing, signals

FORK_PATIENCE = 2.0
"""Seconds that a fork waits for the services to let go of their database connections."""


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


class Service:
    """A thread of the main process that does something at intervals, each time on a connection of its own.

    It has a thread and is none: a subclass may call its attributes what it likes, and hit none of a thread's.
    """

    def __init__(self, name: str, gate: ForkGate) -> None:
        self.name = name
        self._gate = gate
        self._thread = threading.Thread(target=self._run, name=f"insights-recovery-{name}", daemon=True)
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

    def start(self) -> None:
        """Begin; the first tick comes after the first pause."""
        self._thread.start()

    def call(self, action: Callable[[], None]) -> None:
        """Have the thread do `action` at once, between two ticks."""
        self._calls.put(action)

    def end(self, timeout: float) -> None:
        """End the thread once it has done what it was called for, and wait for it."""
        self._calls.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        # Ticks, and does what is called for in between, until the worker ends.
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
            except Exception as error:  # noqa: BLE001 - the worker's boundary: a dead thread would take all leases with it
                signals.service_failed.send_robust(type(self), service=self.name, error=scrubbing.report(error).message)
                self.failed()
            finally:
                connections.close_all()
