"""A process that dies, really and by SIGKILL, between any two things that the outside world sees of it.

Every statement, every commit and rollback, every message published and every call of an extractor is a deed. Between
two deeds a process only computes, so that a death right after the one and a death right before the next are the same.
A run with n deeds therefore has n + 1 moments to die at, and whoever tries them all has tried before and after each.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import re
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

from insights_recovery import dispatch, hosts
from tests.under_fire.crash_extractors import Traced

END = "the end"
"""What is reported when everything is done."""


class Fuse:
    """Counts the deeds of a process, reports each before it happens, and kills the process before the chosen one."""

    def __init__(self, report: int, deadly: int | None) -> None:
        self._report = report
        self._deadly = deadly
        self._burned = 0
        self._is_held = False

    def before(self, deed: str) -> None:
        """Here the process may die: what came before has happened, and `deed` has not."""
        if self._is_held:
            return
        os.write(self._report, f"{deed}\n".encode())
        if self._burned == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        self._burned += 1

    @contextlib.contextmanager
    def deed_of_another(self, deed: str) -> Iterator[None]:
        """What happens inside stands for somebody else's doing: to this process it is one deed."""
        self.before(deed)
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a process ended."""

    pid: int
    """Its process id."""
    deeds: Sequence[str]
    """What it did, in order; the last one was only about to be done, or is `END`."""
    was_killed: bool
    """Whether it died of SIGKILL."""
    status: int
    """What `os.waitpid` said."""
    output: str
    """What it printed and logged."""

    @property
    def done(self) -> Sequence[str]:
        """The deeds that did happen."""
        return self.deeds[:-1]

    @property
    def place(self) -> str:
        """Where it ended, in words."""
        after = self.deeds[-2] if len(self.deeds) > 1 else "the start"
        return f"death {len(self.deeds) - 1}, after {after}, before {self.deeds[-1]}"


def live(act: Callable[[Fuse], object], *, deadly: int | None, output: Path) -> Ending:
    """Let a child of this process do `act` and die at moment `deadly`, or live to its end; return how it ended."""
    connections.close_all()
    reading, writing = os.pipe()
    pid = _fork()
    if pid == 0:
        os.close(reading)
        _be_the_child(act, Fuse(writing, deadly), output)
    os.close(writing)
    with os.fdopen(reading) as report:
        deeds = report.read().splitlines()
    _, status = os.waitpid(pid, 0)
    was_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return Ending(pid=pid, deeds=deeds, was_killed=was_killed, status=status, output=output.read_text())


def _fork() -> int:
    with warnings.catch_warnings():
        # Python warns of threads that other tests left behind: the child touches nothing of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _be_the_child(act: Callable[[Fuse], object], fuse: Fuse, output: Path) -> None:
    """Do it, and never return: the test runner above goes on in the parent alone."""
    status = 1
    # It would touch, and so copy, every object of the test runner's.
    gc.disable()
    try:
        _speak_into(output)
        _light(fuse)
        act(fuse)
        fuse.before(END)
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the parent reads it
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


def _speak_into(output: Path) -> None:
    """Let all that this process prints or logs go to a file."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    logging.getLogger().handlers = [logging.StreamHandler(os.fdopen(2, "w"))]


def _light(fuse: Fuse) -> None:
    """Let this process tell the fuse of each deed; nothing is put back, since the process ends with it."""
    statements = _Statements(fuse)
    connection_created.connect(statements.watch, weak=False)
    for name, deed in {"_commit": "COMMIT", "_rollback": "ROLLBACK"}.items():
        kind: Any = type(connections[hosts.database()])
        setattr(kind, name, _told(fuse, deed, getattr(kind, name)))
    dispatch._send = _told(fuse, "publish", dispatch._send)
    Traced.fuse = fuse


def _told(fuse: Fuse, deed: str, action: Callable[..., Any]) -> Callable[..., Any]:
    def tell(*args: Any, **kwargs: Any) -> Any:
        fuse.before(deed)
        return action(*args, **kwargs)

    return tell


@dataclass(frozen=True)
class _Statements:
    """An execute wrapper of Django's."""

    fuse: Fuse
    """What is told of each statement."""

    def watch(self, connection: Any, **_: Any) -> None:
        """Receiver of `connection_created`: there may be more connections than one, one after another."""
        if self not in connection.execute_wrappers:
            connection.execute_wrappers.append(self)

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self.fuse.before(name_of(sql))
        return execute(sql, params, many, context)


_VERB = re.compile(r"\s*(\w+)")
_TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+["`]?(\w+)', re.IGNORECASE)


_READS = ("SELECT", "BEGIN", "SAVEPOINT", "RELEASE")


def changes(deed: str) -> bool:
    """Say whether a deed changes anything, be it in a transaction that is not committed yet."""
    return not deed.startswith(_READS)


def name_of(sql: str) -> str:
    """Return verb and table of a statement."""
    verb, table = _VERB.match(sql), _TABLE.search(sql)
    return " ".join(found[1] for found in (verb, table) if found)
