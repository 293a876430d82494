"""Who a process is, so that whatever it held can be taken back the moment it is known to be dead.

An identity is `place:pid:start`. The place stands for one boot of one machine and one process namespace, the only
circumstances in which a process id means the same process to two observers; the start time tells a process from a
later one that got the same id. An owner is an identity and the task it runs: `place:pid:start:task`. Where the
operating system does not tell (anything but Linux), the place is random, nobody is ever presumed dead, and the lease
alone decides.

Source of the fields: proc(5), /proc/pid/stat fields 3 (state), 4 (ppid) and 22 (starttime), and pid_namespaces(7).
"""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_DEAD_STATES = frozenset("ZXx")


@dataclass(frozen=True, kw_only=True)
class ProcessIdentity:
    """One start of one process."""

    place: str
    """The boot and process namespace it runs in, 16 hexadecimal digits."""
    pid: int
    """Its process id there."""
    start: str
    """Its start time in clock ticks since boot; empty where unknown."""

    def __str__(self) -> str:
        return f"{self.place}:{self.pid}:{self.start}"

    def owner(self, task_id: str) -> str:
        """Return the owner of what this process holds for one task."""
        return f"{self}:{task_id}"


def of_this_process() -> ProcessIdentity:
    """Return the identity of the calling process."""
    return of_process(os.getpid())


def of_process(pid: int) -> ProcessIdentity:
    """Return the identity of the process with this id, here and now."""
    return ProcessIdentity(place=_place(), pid=pid, start=stat.start if (stat := _stat(pid)) else "")


def is_known_dead(owner: str) -> bool:
    """Say whether the process of this owner is certainly gone; False where that cannot be told from here."""
    place, pid, start, *_ = (*owner.split(":"), "", "", "")
    if place != _place() or not pid.isdigit() or not start:
        return False
    stat = _stat(int(pid))
    if stat is None:
        return not _exists(int(pid))
    return stat.state in _DEAD_STATES or stat.start != start


def is_running(pid: int) -> bool:
    """Say whether there is a process with this id, here and now, that has not ended."""
    stat = _stat(pid)
    return stat is not None and stat.state not in _DEAD_STATES


def parent_of(pid: int) -> int | None:
    """Return the id of the process that this one is a child of; None where there is no such process."""
    stat = _stat(pid)
    return stat.parent if stat else None


def _exists(pid: int) -> bool:
    """Say whether there is such a process, of whichever user: /proc may hide others' (mount option hidepid)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@lru_cache(maxsize=1)
def _place() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text()
        namespace = str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return uuid.uuid4().hex[:16]
    return hashlib.sha256(f"{boot}{namespace}".encode()).hexdigest()[:16]


class _Stat(NamedTuple):
    state: str
    parent: int
    start: str


def _stat(pid: int) -> _Stat | None:
    """Return what the system tells of a process, or None when there is no such process."""
    try:
        line = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The second field, the command in brackets, may hold blanks and brackets itself.
    fields = line.rpartition(")")[2].split()
    return _Stat(state=fields[0], parent=int(fields[1]), start=fields[19])
