"""The only place in the tests that sleeps: waiting for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout: float = 30.0, *, what: str = "", interval: float = 0.05) -> T:
    """Ask `condition` until its answer is true, and return that answer.

    Raises:
        TimeoutError: the answer was still false after `timeout` seconds; `what` says in words what was waited for.
    """
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:g} s in vain for {what or getattr(condition, '__name__', 'it')}")
        time.sleep(interval)
    return answer
