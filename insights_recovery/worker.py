"""Our hooks in the Celery worker: identity, queues, the lifeline, lost children, shutdown.

All of it happens in the worker's main process, whatever the pool, on a thread of its own with a database connection of
its own: Celery's event loop must not wait for a database. The only things that the pool's children share are the
identity and the stop flag, both made before they are forked.
"""

from __future__ import annotations

import atexit
import mmap
import os
from collections.abc import Callable
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import bootsteps
from celery import signals as celery_signals
from celery.concurrency import solo, thread
from celery.worker import state as worker_state

from insights_recovery import identity, scrubbing, signals
from insights_recovery.conf import conf
from insights_recovery.lifeline import LeaseKeeper, Lifeline
from insights_recovery.service import ForkGate

SHUTDOWN_PATIENCE = 10.0
"""Seconds that a worker's end waits for a service to finish what it is at and give entries back."""
CHILD_WATCH_INTERVAL = 0.5
"""Seconds between two looks of the worker's event loop for children that are gone."""
TASK = "insights_recovery.tasks.extract_insights_task"
UNLIMITED_POOLS = (solo.TaskPool, thread.TaskPool)
"""Pools whose tasks Celery cannot end: time limits mean nothing to them."""


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


class ChildWatch(bootsteps.StartStopStep):
    """Has the worker's event loop look for lost children every half second.

    Celery looks when a child's pipe closes, which may be a moment before the child can be reaped; then it finds
    nothing, and the next look is a timer's, five seconds later.
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


class MessageGuard(bootsteps.StartStopStep):
    """Turns away a message that Celery's consumer stumbles over.

    One without an id, or with a body that is no task's, would end the worker's main process, or have it reconnect
    without end; and since nobody acknowledged the message, it would do the same to every worker after that.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """Stand between the broker and Celery's handler; called again after each reconnection."""
        make = type(consumer).create_task_handler
        consumer.create_task_handler = lambda *args, **kwargs: _guarded(make(consumer, *args, **kwargs))


def _guarded(handle: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def receive(message: Any) -> Any:
        try:
            return handle(message)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            if message.acknowledged:
                raise
            signals.message_refused.send_robust(MessageGuard, error=scrubbing.report(error).message)
            message.reject()

    return receive


def live_task_ids() -> list[str]:
    """Return the ids of the tasks that this worker has received and that have not ended.

    A message that comes again, after a line to the broker broke, makes a second request with the id of the first. When
    it ends, Celery strikes the id out although the first is still at work; then only the set of those at work tells.
    """
    active: Any = worker_state.active_requests
    # Copies made at one stroke: both are other threads', and must not change under our hands.
    at_work = [reference() for reference in active.data.copy()]
    return list({*list(worker_state.requests), *(request.id for request in at_work if request is not None)})


def give_up() -> None:
    """End this process at once: threads that hang would keep it from any other end.

    Nobody else has anything in hand then. What the hanging tasks hold is taken back from a process that is known dead.
    """
    os._exit(os.EX_SOFTWARE)


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
        ):
            signal.connect(receiver, weak=False, dispatch_uid=f"insights_recovery.worker.{receiver.__name__}")

    def on_init(self, instance: Any, options: dict[str, Any] | None = None, **_: Any) -> None:
        """The main process starts: what its children are to share is made now."""
        global _context  # noqa: PLW0603 - children inherit it by fork
        instance.app.steps["consumer"].add(ChildWatch)
        instance.app.steps["consumer"].add(MessageGuard)
        _context = WorkerContext(keeps_queues=bool((options or {}).get("queues")))

    def on_setup(self, instance: Any, **_: Any) -> None:
        """Serve our queues too, unless the operator chose the queues."""
        if _context and not _context.keeps_queues:
            for name in (conf().queue, conf().backfill_queue, conf().maintenance_queue):
                instance.app.amqp.queues.select_add(name)

    def on_ready(self, sender: Any, **_: Any) -> None:
        """The worker takes messages: start the services."""
        if _context is None:
            return
        slots = sender.pool.limit if isinstance(sender.pool, UNLIMITED_POOLS) else None
        self._pid, self._gate = os.getpid(), self._gate or ForkGate()
        self._lifeline = Lifeline(_context.identity, live_task_ids, is_stopping, self._gate)
        self._keeper = LeaseKeeper(_context.identity, live_task_ids, self._gate, slots=slots, give_up=give_up)
        self._lifeline.start()
        self._keeper.start()
        atexit.register(self.on_exit)

    def on_task_failure(self, sender: Any, task_id: str, exception: BaseException, **_: Any) -> None:
        """A child was lost with one of our tasks; Celery may say so twice, and a child says other things.

        With Celery 5.5 a child that quits is reported by what it quit with, which is no `Exception`.
        """
        is_lost = isinstance(exception, WorkerLostError | TimeLimitExceeded) or not isinstance(exception, Exception)
        lifeline = self._lifeline
        if is_lost and lifeline and self._pid == os.getpid() and sender.name == TASK:
            lifeline.call(lambda: lifeline.rescue(task_id))

    def on_shutting_down(self, **_: Any) -> None:
        """The worker was told to stop: the children give back what they have not begun."""
        if _context:
            _context.stop()

    def on_exit(self) -> None:
        """The pool has stopped: give back what is left, and end the services.

        This is the interpreter's exit and no signal of Celery's, which sends none when it is told to stop at once.
        Where nobody told it to stop, a task has brought the process down, as it can where it has no process of its own;
        what is left is then for those who find the process dead, and count the crash.
        """
        lifeline, keeper = self._lifeline, self._keeper
        if lifeline and keeper and self._pid == os.getpid():
            if is_stopping():
                lifeline.call(lifeline.release_all)
            for service in (lifeline, keeper):
                service.end(timeout=SHUTDOWN_PATIENCE)


_worker = Worker()


def connect() -> None:
    """Connect our receivers to the signals of a Celery worker."""
    _worker.connect()
