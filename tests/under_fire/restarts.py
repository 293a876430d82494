"""A shell command that has this process kill a server of its own and start it again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from tests.services.servers import OwnServer

LOOK = 0.1
"""Seconds between two looks for a wish."""


@contextmanager
def restarts(server: OwnServer | None, folder: Path, name: str) -> Iterator[str]:
    """Return the command, which ends when the server is there again; empty for a server that is not ours."""
    if server is None:
        yield ""
        return
    wish, over = folder / f"{name}.restart", threading.Event()
    thread = threading.Thread(target=_grant, args=(wish, over, lambda: _restart(server)), daemon=True)
    thread.start()
    try:
        yield f"touch {wish}; while [ -e {wish} ]; do sleep {LOOK}; done"
    finally:
        over.set()
        thread.join()
        # What this process had open to it is broken.
        connection.close()


def _grant(wish: Path, over: threading.Event, restart: Callable[[], None]) -> None:
    while not over.wait(LOOK):
        if wish.exists():
            restart()
            wish.unlink()


def _restart(server: OwnServer) -> None:
    """End it as abruptly as it can be started again, and start it."""
    program = Path(server.command[0]).name
    if program == "postgres":
        # After a SIGKILL its backends would go on and bar the way; this is what it calls immediate.
        assert server.process is not None
        server.process.send_signal(signal.SIGQUIT)
        server.process.wait(60)
    elif program == "rabbitmq-server":
        # A shell, whose node is ended with its group.
        server.stop()
    else:
        server.kill()
    server.start()
