"""A server process of our own: on a free loopback port, in a temporary folder, ended by its id."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.services.ladder import UnavailableError
from tests.services.waiting import wait_until
from tests.services.watch import watch

HOST = "127.0.0.1"


def at_exit(action: Callable[..., object], *arguments: object, **options: object) -> None:
    """Do something when this process ends; a process forked from it, which ends sooner, must not."""
    owner = os.getpid()
    atexit.register(lambda: os.getpid() == owner and action(*arguments, **options))


def free_port() -> int:
    """Return a port on which nobody listens at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> bool:
    """Return whether somebody accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def account(*names: str) -> str | None:
    """Return the account to run a server under that refuses to run as root: None unless we are root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in names:
        if name in known:
            return name
    raise UnavailableError(f"needs one of the accounts {', '.join(names)} when run as root")


def own_folder(prefix: str, owner: str | None = None) -> Path:
    """Return a new temporary folder that belongs to `owner` and goes when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"insights-recovery-{prefix}-"))
    if owner:
        entry = pwd.getpwnam(owner)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    at_exit(shutil.rmtree, folder, ignore_errors=True)
    return folder


def run_as(owner: str | None) -> dict[str, object]:
    """Return the arguments by which `subprocess` becomes `owner`."""
    if owner is None:
        return {}
    return {"user": owner, "group": pwd.getpwnam(owner).pw_gid, "extra_groups": []}


def run(command: Sequence[str | Path], owner: str | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run a preparing program to its end.

    Raises:
        UnavailableError: it failed; the message carries the end of what it said.
    """
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, cwd="/", env=env, timeout=120, **run_as(owner)
        )
    except subprocess.CalledProcessError as error:
        raise UnavailableError(
            f"{Path(command[0]).name} failed: {(error.stderr or error.stdout)[-300:].strip()}"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{Path(command[0]).name} could not run: {error}") from error


class OwnServer:
    """A server that we start, kill, freeze and start again on the same port."""

    stop_signal = signal.SIGTERM

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        port: int,
        folder: Path,
        owner: str | None = None,
        env: Mapping[str, str] | None = None,
        patience: float = 60,
    ) -> None:
        self.command = [str(part) for part in command]
        self.port = port
        self.folder = folder
        self.owner = owner
        self.env = {**os.environ, **(env or {})}
        self.patience = patience
        self.log = folder / "server.log"
        self.log_before = 0
        self.process: subprocess.Popen[bytes] | None = None
        # First, so that at exit it ends last.
        watch.begin()
        at_exit(self.stop)

    def start(self) -> None:
        """Start it and wait until it accepts connections.

        Raises:
            UnavailableError: it does not start; the message carries the end of its log.
        """
        self._forget()
        with self.log.open("ab") as log:
            self.log_before = log.tell()
            try:
                self.process = subprocess.Popen(
                    self.command,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env=self.env,
                    start_new_session=True,
                    **run_as(self.owner),
                )
            except OSError as error:
                raise UnavailableError(f"{self.command[0]} could not run: {error}") from error
        watch.over(self.process.pid)
        try:
            wait_until(self._up_or_dead, self.patience, what=f"{self.command[0]} to accept connections")
        except TimeoutError as error:
            self.kill()
            raise UnavailableError(str(error)) from error
        if not self.alive():
            raise UnavailableError(f"{self.command[0]} ended at once: {self.said()[-300:].strip()}")

    def alive(self) -> bool:
        """Return whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        """End it in order, and by force when it does not."""
        if self.process is None or not self.alive():
            return
        self.thaw()
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
        self._forget()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None and self.alive():
            self.process.kill()
            self.process.wait()
            self._forget()

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay open, and nothing answers."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        if self.process is not None and self.alive():
            self.process.send_signal(signal.SIGCONT)

    def said(self) -> str:
        """Return what it wrote since its latest start."""
        return self.log.read_bytes()[self.log_before :].decode(errors="replace")

    def _forget(self) -> None:
        if self.process is not None:
            watch.forget(self.process.pid)

    def _up_or_dead(self) -> bool:
        return not self.alive() or self.ready()

    def ready(self) -> bool:
        """Return whether it accepts work; a server with a slow start may say more than its port does."""
        return listening(self.port)
