"""The only module that publishes: after commit, in bounded time, and without the broker if need be.

A message is only a nudge; losing one costs seconds, never an entry. So publishing never raises: where the broker
cannot be told, the entry says so and is offered again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from celery import current_app
from django.db import DatabaseError, transaction
from kombu import Connection

from insights_recovery import hosts, lifecycle, scrubbing, signals
from insights_recovery.conf import conf

TASK = "insights_recovery.tasks.extract_insights_task"
OUTAGE_WINDOW = 30.0
"""Seconds for which a process that could not reach the broker does not try again, so that no writer waits twice."""
OFFER_DELAY = 5.0
"""Seconds after which an entry is offered again of which the broker could not be told."""
MAX_DOUBLINGS = 6
"""How often the dispatch grace doubles, at the most, while nudges stay unclaimed."""


class Broker:
    """This process's own line to the broker: short timeouts, no retries, and silence while the broker is out.

    Celery's own publishing waits 19 seconds for a closed Redis with a result backend, and for ever for a frozen one.
    """

    def __init__(self) -> None:
        self._local = threading.local()
        self._silent_until = 0.0
        self._pid = os.getpid()

    @property
    def is_silenced(self) -> bool:
        """Whether the broker was unreachable a moment ago, so that nobody waits for it again just now."""
        return time.monotonic() < self._silent_until

    def publish(self, message: Any, queue: str) -> BaseException | None:
        """Send `message`, the arguments of the extraction task, to `queue`; return what went wrong, if anything did."""
        try:
            _send(self._connection(), message, queue)
        except Exception as error:  # noqa: BLE001 - the broker's boundary: each transport fails in its own way
            self._hang_up()
            self._silent_until = time.monotonic() + OUTAGE_WINDOW
            return error
        self._silent_until = 0.0
        return None

    def _connection(self) -> Connection:
        if self._pid != os.getpid():
            # After a fork the socket is the parent's too: leave it to the parent and dial anew.
            self._local, self._pid = threading.local(), os.getpid()
        if getattr(self._local, "connection", None) is None:
            self._local.connection = bounded_connection(conf().publish_timeout)
        connection: Connection = self._local.connection
        return connection

    def _hang_up(self) -> None:
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.collect(socket_timeout=conf().publish_timeout)


broker = Broker()


def bounded_connection(timeout: float) -> Connection:
    """Return a connection to the host's broker on which no single wait exceeds `timeout` seconds."""
    connection = current_app.connection_for_write(connect_timeout=timeout)
    connection.transport_options = {**(connection.transport_options or {}), **_bounds(connection, timeout)}
    return connection


def _bounds(connection: Connection, timeout: float) -> dict[str, Any]:
    no_retries = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    scheme = (connection.transport_cls or "").partition("+")[0]
    if scheme in {"redis", "rediss", "valkey", "valkeys", "sentinel"}:
        return {"socket_timeout": timeout, "socket_connect_timeout": timeout, "retry_on_timeout": False, **no_retries}
    if scheme in {"amqp", "amqps", "pyamqp"}:
        return {"read_timeout": timeout, "write_timeout": timeout, **no_retries}
    return {}


def _send(connection: Connection, message: Any, queue: str) -> None:
    task: Any = current_app.tasks[TASK]
    task.apply_async(args=(message,), queue=queue, connection=connection)


def on_entry_written(sender: Any, entry_id: Any, using: str, **_: Any) -> None:
    """Receiver of `entry_written`: nudge the workers once the entry is committed."""
    transaction.on_commit(lambda: nudge([entry_id], conf().queue), using=using)


def nudge(pks: Sequence[Any], queue: str, *, insist: bool = False) -> bool:
    """Tell the workers of entries that were just announced; return whether the broker took the message.

    Where it did not, the entries say so. While the broker is known to be out nothing is tried, unless `insist`.
    """
    error: BaseException | None = None
    if insist or not broker.is_silenced:
        error = broker.publish([_wire(pk) for pk in pks], queue)
        if error is None:
            return True
    _mark_untold(pks, scrubbing.report(error).message if error else "the broker was unreachable a moment ago")
    return False


def _mark_untold(pks: Sequence[Any], error: str) -> None:
    try:
        with transaction.atomic(using=hosts.database()):
            free = hosts.entries().lock_free_keys(pks)
            lifecycle.mark_untold(hosts.entries().filter(pk__in=free), error=error, delay=OFFER_DELAY)
    except DatabaseError as failure:
        # The save is committed and the row is due after its grace, so nothing is lost: the writer must not fail now.
        error = scrubbing.report(failure).message
    signals.broker_unreachable.send_robust(Broker, entry_ids=list(pks), error=error)


def offer(pks: Sequence[Any]) -> list[Any]:
    """Put these due entries to their queues; return the keys of which the broker was told.

    They are marked first: should this process die in between, they are due again after the grace. Where another
    process was quicker and marked them all, nothing is sent.
    """
    with transaction.atomic(using=hosts.database()):
        free = hosts.entries().lock_free_keys(pks)
        rows = hosts.entries().filter(pk__in=free)
        marked = lifecycle.announce(rows, grace=conf().dispatch_grace, doublings=MAX_DOUBLINGS)
    return send(free) if marked else []


def send(pks: Sequence[Any]) -> list[Any]:
    """Tell the broker of these waiting entries, several to a message, suspects alone; return those it was told of.

    Where one message fails the rest is not tried: each would wait for the same broker.
    """
    told: list[Any] = []
    messages = list(_messages(pks))
    for number, (message, queue) in enumerate(messages):
        if not nudge(message, queue, insist=True):
            rest = [pk for message, _ in messages[number + 1 :] for pk in message]
            if rest:
                _mark_untold(rest, "the broker was unreachable a moment ago")
            break
        signals.entries_offered.send_robust(Broker, entry_ids=message, queue=queue)
        told += message
    return told


def _messages(pks: Sequence[Any]) -> Iterator[tuple[list[Any], str]]:
    rows = hosts.entries().filter(pk__in=pks, processing_state__in=lifecycle.WAITING)
    facts = list(rows.values_list("pk", "processing_solitary", "processing_backfill"))
    for backfill, queue in ((False, conf().queue), (True, conf().backfill_queue)):
        together = [pk for pk, solitary, is_backfill in facts if is_backfill is backfill and not solitary]
        yield from ((list(message), queue) for message in batched(together, conf().batch_size))
        yield from (([pk], queue) for pk, solitary, is_backfill in facts if is_backfill is backfill and solitary)


def batched(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Return `items` in slices of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _wire(pk: Any) -> Any:
    return pk if isinstance(pk, int) else str(pk)
