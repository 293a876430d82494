"""The broker: a bag of messages, of which each may be lost, doubled, delayed and reordered."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from kombu.exceptions import OperationalError

from insights_recovery import dispatch
from tests.under_fire.simulated_actors import Actor, running, stop


class Weather(enum.Enum):
    """How the broker is."""

    FAIR = "fair"
    """It takes every message."""
    REFUSING = "refusing"
    """It takes none, and says so."""
    DEAF = "deaf"
    """It takes every message, and nobody hears that it did."""


@dataclass(eq=False, kw_only=True)
class Message:
    """One nudge."""

    keys: Any
    """The argument of the extraction task."""
    queue: str
    """The queue it lies in."""


@dataclass(kw_only=True)
class Bag:
    """All messages that are under way."""

    messages: list[Message] = field(default_factory=list)
    """In the order in which they came; any may be the next to arrive."""
    weather: Weather = Weather.FAIR
    """How the broker is."""
    tries: list[tuple[Actor | None, bool]] = field(default_factory=list)
    """Who heard how a try to publish ended since the judge last looked, and whether the broker took the message."""

    def send(self, _connection: Any, keys: Any, queue: str) -> None:
        """Stand in for the sending of a message."""
        stop("publish")
        if self.weather is not Weather.REFUSING:
            self.messages.append(Message(keys=keys, queue=queue))
        if self.weather is not Weather.FAIR:
            self.tries.append((running(), False))
            raise OperationalError("connection refused")
        stop("published")
        self.tries.append((running(), True))


class Line(dispatch.Broker):
    """A simulated process's line to the broker: the real one, but for the socket."""

    def _connection(self) -> Any:
        return None

    def _hang_up(self) -> None:
        """There is nothing to hang up."""


class Exchange:
    """Stands for `dispatch.broker` in all simulated processes at once: each has its own line."""

    @property
    def is_silenced(self) -> bool:
        return _line().is_silenced

    def publish(self, message: Any, queue: str) -> BaseException | None:
        return _line().publish(message, queue)


def _line() -> Line:
    actor = running()
    assert actor is not None, "only simulated processes publish"
    line: Line = actor.process.line
    return line


@contextmanager
def installed(bag: Bag) -> Iterator[None]:
    """Have the project publish into `bag` for as long as the block lasts."""
    with mock.patch.object(dispatch, "broker", Exchange()), mock.patch.object(dispatch, "_send", bag.send):
        yield
