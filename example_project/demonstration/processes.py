"""A worker, a beat and a web server as real processes, with a supervisor that starts a dead worker again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent.parent
GROUP_STOP = 20
"""Seconds that a process gets to end in order."""


class Process:
    """One process of the demo, in a process group of its own, its output in a file."""

    def __init__(self, name: str, command: list[str], *, env: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._command = command
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its output follows that of an earlier start."""
        output: IO[bytes]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, cwd=HERE, env=self._env, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """The id of its main process, which is its group's too; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def is_alive(self) -> bool:
        """Whether its main process runs."""
        return self._process is not None and self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group: main process and children."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """SIGKILL the whole group, as a power cut would, and reap the main process."""
        self.signal(signal.SIGKILL)
        if self._process:
            self._process.wait()

    def stop(self) -> None:
        """Ask it to end in order; kill it where it does not."""
        if not self._process or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(GROUP_STOP)
        except subprocess.TimeoutExpired:
            self.kill()


def celery(name: str, *arguments: str, env: Mapping[str, str], logs: Path) -> Process:
    """Return a Celery process of the example project: a worker or beat."""
    command = [sys.executable, "-m", "celery", "-A", "example_project", *arguments]
    return Process(name, command, env=env, logs=logs)


def manage(name: str, *arguments: str, env: Mapping[str, str], logs: Path) -> Process:
    """Return a management command as a process."""
    return Process(name, [sys.executable, "manage.py", *arguments], env=env, logs=logs)
