"""Sees to it that what a test run started ends with it, even where the run is killed and cannot do so itself.

A small process waits at the end of a pipe whose other end the run alone holds, and kills what it was told of and not
told to forget, each with its group, when the pipe closes.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

ALL_IS_WELL = "end"
"""The last word of a run that ends in order."""


class Watch:
    """The run's side of the pipe; a process that was forked from the run says nothing."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._owner = os.getpid()

    def begin(self) -> None:
        """Start the watching process, unless there is one."""
        if self._process is None and os.getpid() == self._owner:
            # Nothing of the project's and no site packages: it must be there at once.
            command = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)
            atexit.register(self.end)

    def over(self, pid: int) -> None:
        """End this process, the leader of a group, with the run."""
        self.begin()
        self._tell("+", pid)

    def forget(self, pid: int) -> None:
        """This process has ended."""
        self._tell("-", pid)

    def end(self) -> None:
        """The run ends in order, and has ended what it started."""
        if self._process is not None and os.getpid() == self._owner:
            self._process.communicate(ALL_IS_WELL)
            self._process = None

    def _tell(self, sign: str, pid: int) -> None:
        if self._process is not None and self._process.stdin is not None and os.getpid() == self._owner:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(f"{sign}{pid}\n")
                self._process.stdin.flush()


watch = Watch()


def main() -> None:
    """Read until the pipe closes, then kill what is left."""
    groups: set[int] = set()
    for line in sys.stdin:
        if line == ALL_IS_WELL:
            return
        change = groups.add if line.startswith("+") else groups.discard
        change(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
