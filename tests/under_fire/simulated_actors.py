"""Actors: whatever runs in a simulated process, stopped wherever another could come in between.

An actor is a greenlet that runs the project's own code and shares the one database connection with all others. It stops
before each transaction and each statement outside of one, at the beginning and the end of each extractor's call, and
around each message that it publishes; never inside a transaction, so that sharing the connection changes nothing. While
it is stopped it may be left alone for hours, may be killed, and may have its database or its time limit strike.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections, transaction
from greenlet import greenlet


class UnwoundError(BaseException):
    """The run is over: what is left of a dead actor is cleared away."""


class Kind(enum.Enum):
    """What an actor is."""

    TASK = "task"
    """A child of a worker, at one message."""
    SERVICE = "service"
    """A thread of a worker's main process, or a sweep."""
    WRITER = "writer"
    """A web request that creates, edits or deletes."""
    PERSON = "person"
    """Somebody who asks for something, or corrects an insight."""


class Actor:
    """One run of the project's code, stopped between its transactions."""

    def __init__(self, name: str, kind: Kind, process: Any, action: Callable[[], Any], **facts: Any) -> None:
        self.name = name
        self.kind = kind
        self.process = process
        self.facts = facts
        self.tokens: set[Any] = set()
        self.faults: set[tuple[Any, Any, str]] = set()
        self.stopped_at = ""
        self.is_dead = False
        self.error: Exception | None = None
        self.result: Any = None
        self.commit_goes_unheard = False
        self.was_disturbed = False
        self.at_end: Callable[[Actor], None] = lambda _: None
        self._action = action
        self._greenlet: greenlet | None = None

    def __repr__(self) -> str:
        return f"{self.name} at {self.stopped_at or 'its start'}"

    @property
    def is_over(self) -> bool:
        """Whether it ended, in whichever way."""
        return self.is_dead or (self._greenlet is not None and bool(self._greenlet.dead))

    def go_on(self) -> None:
        """Run to the next stop."""
        with _running(self):
            if self._greenlet is None:
                self._greenlet = greenlet(self._run)
            self._greenlet.switch()

    def strike(self, error: Exception) -> None:
        """Raise `error` where it stands, and run to the next stop."""
        self.was_disturbed = True
        assert self._greenlet is not None
        with _running(self):
            self._greenlet.throw(error)

    def die(self) -> None:
        """End here and now: nothing that is still to come is ever run, no handler and no clean-up either."""
        self.was_disturbed = self.is_dead = True

    def stop(self, where: str) -> None:
        """Let others come in between."""
        if self.is_dead:
            raise UnwoundError
        self.stopped_at = where
        self._leave_the_stage()

    def stop_for_ever(self) -> None:
        """Die, from within."""
        self.die()
        self._leave_the_stage()

    def _leave_the_stage(self) -> None:
        assert self._greenlet is not None
        with _connection_left_to_others():
            self._greenlet.parent.switch()

    def unwind(self) -> None:
        """Clear away what is left of it; whatever it tries to do on this way is cut off at the next stop."""
        self.die()
        if self._greenlet is not None and not self._greenlet.dead:
            with _running(self):
                self._greenlet.throw(UnwoundError())

    def _run(self) -> None:
        try:
            self.result = self._action()
        except UnwoundError:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the judge is shown it
            self.error = error


@contextmanager
def _connection_left_to_others() -> Iterator[None]:
    """Let what the project makes of its thread's connection, such as putting it aside, be each actor's own."""
    seen = connections.all(initialized_only=True)
    connections[DEFAULT_DB_ALIAS] = _shared[0]
    try:
        yield
    finally:
        if seen:
            connections[DEFAULT_DB_ALIAS] = seen[0]
        else:
            del connections[DEFAULT_DB_ALIAS]


_shared: list[Any] = []
"""The one connection."""
_stage: list[Actor] = []
"""The actor that runs at present, if one does."""


@contextmanager
def _running(actor: Actor) -> Iterator[None]:
    _stage.append(actor)
    try:
        yield
    finally:
        _stage.clear()


def running() -> Actor | None:
    """Return the actor that runs at present."""
    return _stage[0] if _stage else None


def stop(where: str) -> None:
    """Let others come in between, if an actor runs at present."""
    if actor := running():
        actor.stop(where)


def die() -> None:
    """End the actor that runs at present, from within."""
    actor = running()
    assert actor is not None
    actor.stop_for_ever()


class Stops:
    """Makes actors stop before each transaction and lone statement, and notes which tables were written."""

    def __init__(self) -> None:
        self.written: set[str] = set()
        self._is_beginning = False
        self._enter, self._exit = transaction.Atomic.__enter__, transaction.Atomic.__exit__

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Watch the connection for as long as the block lasts."""
        stops = self

        def enter(block: Any) -> Any:
            return stops.enter(block)

        def leave(block: Any, *error: Any) -> Any:
            return stops.leave(block, *error)

        _shared[:] = [connections[DEFAULT_DB_ALIAS]]
        transaction.Atomic.__enter__, transaction.Atomic.__exit__ = enter, leave
        try:
            # A process that hangs up does so for itself; here all share the line, and others hold cursors on it.
            with connection.execute_wrapper(self.execute), mock.patch.object(_shared[0], "close"):
                yield
        finally:
            transaction.Atomic.__enter__, transaction.Atomic.__exit__ = self._enter, self._exit

    def enter(self, block: Any) -> Any:
        """Stop before a transaction begins."""
        if connection.in_atomic_block or running() is None:
            return self._enter(block)
        stop("transaction")
        self._is_beginning = True
        try:
            return self._enter(block)
        finally:
            self._is_beginning = False

    def leave(self, block: Any, *error: Any) -> Any:
        """Let a commit go unheard where that was asked for: it happened, and nobody was told."""
        is_unheard = len(connection.atomic_blocks) == 1 and error[0] is None and _takes_unheard_commit()
        if is_unheard:
            connection.run_on_commit = []
        answer = self._exit(block, *error)
        if is_unheard:
            raise OperationalError("server closed the connection unexpectedly")
        return answer

    def execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Stop before a statement outside of a transaction."""
        is_alone = not (connection.in_atomic_block or self._is_beginning)
        if is_alone:
            stop("statement")
        answer = execute(sql, params, many, context)
        if written := _WRITES.match(sql):
            self.written.add(written["table"])
            if is_alone and _takes_unheard_commit():
                raise OperationalError("server closed the connection unexpectedly")
        return answer


_WRITES = re.compile(r"(?:INSERT(?: OR IGNORE| IGNORE)? INTO|UPDATE|DELETE FROM) \W?(?P<table>\w+)")


def _takes_unheard_commit() -> bool:
    actor = running()
    if actor is None or not actor.commit_goes_unheard:
        return False
    actor.commit_goes_unheard = False
    return True
