"""Who a process is, so that whatever it held can be taken back the moment it is known to be dead.

An identity is `place:pid:start`. The place stands for one boot of one machine and one process namespace, the only
circumstances in which a process id means the same process to two observers; the start time tells a process from a
later one that got the same id. An owner is an identity and the task it runs: `place:pid:start:task`. Where the
operating system does not tell (anything but Linux), the place is random, nobody is ever presumed dead, and the lease
alone decides.

Source of the fields: proc(5), /proc/pid/stat fields 3 (state) and 22 (starttime), and pid_namespaces(7).
"""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

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
    return ProcessIdentity(place=_place(), pid=pid, start=(_stat(pid) or ("", ""))[1])


def is_known_dead(owner: str) -> bool:
    """Say whether the process of this owner is certainly gone; False where that cannot be told from here."""
    place, pid, start, *_ = (*owner.split(":"), "", "", "")
    if place != _place() or not pid.isdigit() or not start:
        return False
    stat = _stat(int(pid))
    if stat is None:
        return not _exists(int(pid))
    return stat[0] in _DEAD_STATES or stat[1] != start


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


def _stat(pid: int) -> tuple[str, str] | None:
    """Return state and start time of a process, or None when there is no such process."""
    try:
        line = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The second field, the command in brackets, may hold blanks and brackets itself.
    fields = line.rpartition(")")[2].split()
    return fields[0], fields[19]
