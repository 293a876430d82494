"""The story: entries are written, a worker is killed while it has some in hand, and none is lost or done twice."""

from __future__ import annotations

import io
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from journal.models import JournalEntry

from demonstration.processes import Process, celery, manage
from demonstration.verdict import Verdict, judge
from insights_recovery.lifecycle import State

USER = "demo"
PATIENCE = 120.0
"""Seconds after which a step that does not come about fails the demo."""
LOOK = 0.02
"""Seconds between two looks at the database."""
WIDTH = 40
"""Characters of the progress bar."""


@dataclass(frozen=True, kw_only=True)
class Kill:
    """What the kill hit."""

    held: Sequence[Any]
    """Keys of the entries that the worker had in hand."""
    at: float
    """When, by `time.monotonic`."""


def tell(*, entries: int, serve: bool, port: int, logs: Path) -> int:
    """Go through the story and return the exit status: 0 when the verdict is good."""
    password = secrets.token_urlsafe(6)
    step(f"Database: {connection.display_name}. Broker: {broker_in_words()}.")
    set_up_database(password)
    pks = write(entries)
    worker = celery("worker", "worker", "-l", "INFO", "-c", "2", "-n", "demo@%h", env=os.environ, logs=logs)
    beat = celery("beat", "beat", "-l", "INFO", "--pidfile=", env=os.environ, logs=logs)
    with running(beat), running(worker):
        step(f"Started beat (pid {beat.pid}) and a worker (pid {worker.pid}).")
        kill = kill_in_flight(worker, pks)
        worker.start()
        step(f"Started another worker (pid {worker.pid}).")
        recovered_at = watch_the_end(worker, pks, kill.held)
        verdict = judge(pks, interrupted=len(kill.held), seconds_to_recover=recovered_at - kill.at)
        show(verdict)
        if serve:
            serve_journal(port, password, logs, worker)
    return 0 if verdict.is_good else 1


def broker_in_words() -> str:
    """Name the broker, and the embedded one's weakness; never a password."""
    scheme = str(settings.CELERY_BROKER_URL).partition(":")[0]
    return "messages in a folder (what a killed worker had received is gone)" if scheme == "filesystem" else scheme


def set_up_database(password: str) -> None:
    """Migrate, and make the user anew, with nothing left of an earlier demo."""
    call_command("migrate", verbosity=0)
    get_user_model().objects.filter(username=USER).delete()
    get_user_model().objects.create_superuser(USER, password=password)
    step("Migrated the database; that registered the sweeps with beat.")


def write(count: int) -> list[Any]:
    """Write sample entries: half of them saved, which tells the workers, half in bulk, of which nobody tells them."""
    call_command("load_samples", limit=count, author=USER, announce=count // 2, stdout=io.StringIO())
    pks = list(JournalEntry.objects.filter(author__username=USER).values_list("pk", flat=True))
    step(f"Wrote {len(pks)} entries; of every other one nobody told the workers.")
    return pks


@contextmanager
def running(process: Process) -> Iterator[None]:
    """Run a process for the length of the block."""
    process.start()
    try:
        yield
    finally:
        process.stop()


def kill_in_flight(worker: Process, pks: Sequence[Any]) -> Kill:
    """SIGKILL the worker with its children while they have entries in hand.

    The whole group is frozen first, so that what is in hand is known for sure, and let go on where nothing is.
    """
    enough = len(pks) // 5
    for done in progress(worker, pks):
        if done < enough or not in_hand(pks):
            continue
        worker.signal(signal.SIGSTOP)
        held = in_hand(pks)
        if held:
            worker.kill()
            step(f"Killed the worker with SIGKILL: {done} of {len(pks)} done, {len(held)} in hand.")
            return Kill(held=held, at=time.monotonic())
        worker.signal(signal.SIGCONT)
    raise SystemExit(f"All was done before the worker could be killed in the middle; its log is {worker.log}.")


def watch_the_end(worker: Process, pks: Sequence[Any], held: Sequence[Any]) -> float:
    """Wait until all has ended; return when the last of those ended that the killed worker had in hand."""
    recovered_at = float("inf")
    for _ in progress(worker, pks):
        if recovered_at == float("inf") and not unfinished(held):
            recovered_at = time.monotonic()
    return min(recovered_at, time.monotonic())


def progress(worker: Process, pks: Sequence[Any]) -> Iterator[int]:
    """Yield how many entries have ended, over and over until all have, and show it; start a worker that ended again."""
    deadline, shown = time.monotonic() + PATIENCE, -1
    while (done := len(pks) - unfinished(pks)) < len(pks):
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(pks) - done} entries did not end in {PATIENCE:.0f} s; the log is {worker.log}.")
        supervise(worker)
        if done != shown:
            draw(done, len(pks))
            shown = done
        yield done
        time.sleep(LOOK)
    draw(done, len(pks))
    if sys.stdout.isatty():
        print()


def draw(done: int, total: int) -> None:
    """Draw the bar over the last one on a terminal; elsewhere, where lines stay, draw none."""
    if sys.stdout.isatty():
        filled = WIDTH * done // total
        print(f"\r  {'█' * filled}{'·' * (WIDTH - filled)} {done}/{total} ", end="", flush=True)


def unfinished(pks: Sequence[Any]) -> int:
    """Return how many of these entries have not ended."""
    return JournalEntry.processing_rows("default").unfinished().filter(pk__in=pks).count()


def in_hand(pks: Sequence[Any]) -> list[Any]:
    """Return the keys of those of these entries that a worker holds now."""
    held = JournalEntry.objects.filter(pk__in=pks, processing_state=State.PROCESSING)
    return list(held.values_list("pk", flat=True))


def show(verdict: Verdict) -> None:
    """Print the verdict."""
    rows: list[tuple[str, str]] = [
        ("entries", str(verdict.entries)),
        ("completed", str(verdict.completed)),
        ("insights stored", str(verdict.insights)),
        ("in hand at the kill", str(verdict.interrupted)),
        ("lost", str(verdict.lost)),
        ("doubled", str(verdict.doubled)),
        ("of another text", str(verdict.wrong)),
        ("seconds to recover", f"{verdict.seconds_to_recover:.1f}"),
    ]
    print("\nVerdict: " + ("none lost, none doubled" if verdict.is_good else "NOT GOOD"))
    for name, value in rows:
        print(f"  {name:<20} {value:>6}")
    print(flush=True)


def serve_journal(port: int, password: str, logs: Path, worker: Process) -> None:
    """Serve the journal on this machine alone, with worker and beat at its side, until interrupted."""
    port = port if is_free(port) else free_port()
    server = manage("server", "runserver", f"127.0.0.1:{port}", "--noreload", env=os.environ, logs=logs)
    with running(server):
        print(f"The journal is at http://127.0.0.1:{port}/ (user {USER}, password {password}), its admin at /admin/.")
        print("Ctrl-C ends it.", flush=True)
        while server.is_alive:
            supervise(worker)
            time.sleep(0.5)
    raise SystemExit(f"The server ended by itself; its log is {server.log}.")


def supervise(worker: Process) -> None:
    """Start a worker again that ended, as systemd or its like does where it is meant seriously."""
    if not worker.is_alive:
        worker.start()


def is_free(port: int) -> bool:
    """Say whether a server can be bound to this port."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return candidate.connect_ex(("127.0.0.1", port)) != 0


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return int(candidate.getsockname()[1])


def step(words: str) -> None:
    """Say what was done."""
    if sys.stdout.isatty():
        print("\r", end="")
    print(f"• {words}", flush=True)
