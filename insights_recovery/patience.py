"""Bearing with a database that is away for a moment, so that a paid answer is not thrown away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connections

ResultT = TypeVar("ResultT")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0


def patiently(action: Callable[[], ResultT], *, seconds: float, using: str) -> ResultT:
    """Return what `action` returns, repeating it for `seconds` while the database cannot be reached.

    `action` must be one whole transaction that is safe to repeat: where a commit went through unheard, the repetition
    finds the lease gone or, where the lease goes on, what it wrote. Inside a transaction of the caller's nothing is
    repeated.

    Raises:
        OperationalError: the database stayed away.
        InterfaceError: the same, as some drivers put it.
    """
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
    while True:
        try:
            return action()
        except (OperationalError, InterfaceError):
            if connections[using].in_atomic_block or time.monotonic() + pause > deadline:
                raise
        connections[using].close()
        time.sleep(pause)
        pause = min(LONGEST_PAUSE, pause * 2)
