"""The processes of a chaos run: started in groups of their own, killed, stopped and frozen with all their children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from insights_recovery import identity

PATIENCE = 60.0
"""Seconds that a process has to end in order, or to be seen dead."""
LINE = 120
"""Characters of a line that are told."""
LOOK = 0.05
"""Seconds between two looks."""


class Process:
    """One program and what it has forked; it may be started again after its end."""

    def __init__(self, name: str, arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self._command = [sys.executable, *arguments]
        self._environment = {**os.environ, "PYTHONPATH": _import_path(), "PYTHONUNBUFFERED": "1", **environment}
        self._log = folder / f"{name}.out"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, extra: Mapping[str, str] | None = None) -> None:
        """Start it, with further environment variables if given."""
        with self._log.open("ab") as log:
            # The command is put together here, from the options of this run.
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._environment, **(extra or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its id; 0 before it was started."""
        return self._process.pid if self._process else 0

    @property
    def identity(self) -> str:
        """Under which its leases run, if it is a worker."""
        return str(identity.of_process(self.pid))

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs, and before."""
        return self._process.poll() if self._process else None

    @property
    def log(self) -> str:
        """What it has written so far, in all its lives."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def last_words(self) -> str:
        """The beginning of the last line that it has written."""
        return (self.log.strip().splitlines() or [""])[-1][:LINE]

    def children(self) -> list[int]:
        """Return the ids of all processes below it."""
        return below(self.pid) if self.is_running else []

    def kill(self) -> None:
        """End it and all below it as a power cut would."""
        # Stopped first, so that it cannot replace children while they are being killed.
        self._send(signal.SIGSTOP, [self.pid])
        tree = [self.pid, *self.children()]
        self._send(signal.SIGKILL, tree)
        self._reap()
        _until_gone(tree)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end in order, and wait; one that does not is killed."""
        self._send(number, [self.pid])
        try:
            self._reap()
        except subprocess.TimeoutExpired:
            self.kill()

    def freeze(self) -> None:
        """Stop it and all below it in their tracks."""
        self._send(signal.SIGSTOP, [self.pid, *self.children()])

    def thaw(self) -> None:
        """Let them go on."""
        self._send(signal.SIGCONT, [*self.children(), self.pid])

    def close(self) -> None:
        """End it however it is."""
        if self.is_running:
            self.kill()

    def _send(self, number: signal.Signals, pids: Sequence[int]) -> None:
        if self.is_running:
            send(number, pids)

    def _reap(self) -> None:
        if self._process:
            self._process.wait(PATIENCE)


def send(number: signal.Signals, pids: Sequence[int]) -> None:
    """Send a signal to those of these processes that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def below(pid: int) -> list[int]:
    """Return the ids of all processes below this one, the nearest first."""
    parents = {child: parent for child in _all() if (parent := identity.parent_of(child)) is not None}
    found, layer = [], [pid]
    while layer:
        layer = [child for child, parent in parents.items() if parent in layer]
        found += layer
    return found


def _all() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def memory_of(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 when it is gone. Source: proc(5), /proc/pid/statm field 2."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _until_gone(pids: Sequence[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(identity.is_running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(LOOK)


def _import_path() -> str:
    return os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
