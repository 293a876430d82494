"""What our signals say, word for word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from insights_recovery import signals


@contextmanager
def told(name: str) -> Iterator[list[dict[str, Any]]]:
    """Collect what one of our signals says, each time."""
    words: list[dict[str, Any]] = []

    def listen(signal: Any, sender: Any, **said: Any) -> None:
        words.append(said)

    ours = getattr(signals, name)
    ours.connect(listen)
    try:
        yield words
    finally:
        ours.disconnect(listen)
