"""A database connection that stays open between our tasks.

Celery's Django fixup closes every connection before and after each task, whatever CONN_MAX_AGE says, and a new one
costs more than the bookkeeping of an entry. Our tasks put theirs aside, out of the fixup's sight, and take it up
again; a connection that broke meanwhile is noticed and replaced. The host's own tasks are left as they are.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

_aside = threading.local()


@contextmanager
def kept_open(using: str) -> Iterator[None]:
    """Run the body on the connection that this thread put aside last time, and put it aside again afterwards."""
    _take_up(using)
    try:
        yield
    finally:
        _put_aside(using)


def _take_up(using: str) -> None:
    kept: dict[str, Any] = getattr(_aside, "connections", {})
    if getattr(_aside, "pid", None) != os.getpid():
        # After a fork the socket is the parent's too: it is dropped here and closed there.
        return
    connection = kept.pop(using, None)
    if connection is not None and connection.connection is not None:
        connections[using] = connection
        if not connection.is_usable():
            connection.close()


def _put_aside(using: str) -> None:
    connection = connections[using]
    if connection.connection is None or connection.in_atomic_block or connection.errors_occurred:
        connection.close_if_unusable_or_obsolete()
        return
    if getattr(_aside, "pid", None) != os.getpid():
        _aside.connections, _aside.pid = {}, os.getpid()
    _aside.connections[using] = connection
    del connections[using]
