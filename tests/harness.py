"""A host project that really runs: worker, beat and other processes on a shared database and a real broker.

Tests see it through the fixture `host_project`; what is here knows nothing of pytest.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from celery import Celery, current_app
from django.conf import settings

import tests
from insights_recovery import dispatch
from insights_recovery.conf import conf
from tests.hosts.extractors import Call, digest_of, gate_file, read_calls
from tests.services.waiting import wait_until
from tests.services.watch import watch

__all__ = [
    "BROKERS",
    "PATIENCE",
    "POOLS",
    "BeatProcess",
    "HostProcess",
    "HostProject",
    "WorkerProcess",
    "chosen",
    "filesystem_broker",
    "is_running",
    "use_broker",
    "wait_until",
]

IMPORT_ROOT = Path(tests.__file__).parent.parent
"""What a subprocess needs on PYTHONPATH. Not resolved: where the wheel is under test this is a folder of links beside
which no `insights_recovery` lies."""

BROKERS = ("redis", "rabbitmq", "filesystem")
"""Brokers that `TEST_BROKER` may choose for a whole run; the first one is meant where it says nothing."""
POOLS = ("prefork", "threads", "solo")
"""Pools that `TEST_POOL` may choose for a whole run; likewise."""
PATIENCE = float(os.environ.get("TEST_PATIENCE", "1"))
"""How many times longer than on an idle machine recovery may take."""
BROKER_URL = "CELERY_BROKER_URL"
"""The environment variable that every supported Celery prefers to its settings."""

FAST = {
    "LEASE_SECONDS": 3,
    "DISPATCH_GRACE": 2,
    "LIFELINE_INTERVAL": 0.5,
    "RETRY_DELAY": 0.5,
    "RETRY_DELAY_MAX": 1,
    "SWEEP_INTERVAL": 5,
    "SOFT_TIME_LIMIT": 20,
    "TIME_LIMIT": 25,
}
"""Settings under which recovery takes seconds instead of minutes."""


def chosen(variable: str, among: Sequence[str]) -> str:
    """Return what an environment variable chooses for this run, the first where it says nothing.

    Raises:
        ValueError: it chooses what there is not.
    """
    choice = os.environ.get(variable) or among[0]
    if choice not in among:
        raise ValueError(f"{variable} is {choice!r}; it may be {', '.join(among)}")
    return choice


def filesystem_broker(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return URL and transport options of the embedded broker, for tests without any server.

    It loses what a killed worker had received, and it polls; otherwise it behaves.
    """
    names = {"data_folder_in": "data", "data_folder_out": "data", "control_folder": "control"}
    options: dict[str, Any] = {"polling_interval": 0.05}
    for option, name in names.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        options[option] = str(folder / name)
    return "filesystem://", options


@contextlib.contextmanager
def use_broker(app: Celery, url: str, options: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Let `app` in this process talk to another broker for a while, with nothing remembered of the former one.

    The environment says so: Celery 5.5 lets a namespaced setting of Django's win over what is set on the app.
    """
    before = os.environ.get(BROKER_URL), app.conf.broker_transport_options
    _switch(app, url, dict(options or {}))
    try:
        yield
    finally:
        _switch(app, *before)


def _switch(app: Celery, url: str | None, options: Mapping[str, Any]) -> None:
    forget_broker(app)
    if url is None:
        os.environ.pop(BROKER_URL, None)
    else:
        os.environ[BROKER_URL] = url
    app.conf.update(broker_transport_options=options)


def forget_broker(app: Celery) -> None:
    """Hang up, and forget that a broker was out: as a process that has just started."""
    dispatch.broker._hang_up()
    dispatch.broker.__init__()  # type: ignore[misc]
    if app._pool is not None:
        app._pool.force_close_all()
        app._pool = None
    if app.amqp._producer_pool is not None:
        app.amqp._producer_pool.force_close_all()
        app.amqp._producer_pool = None


def is_running(pid: int) -> bool:
    """Return whether a process lives; one that is dead and waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class HostProcess:
    """A process of the host project, in a group of its own, its output in a file."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], folder: Path, name: str) -> None:
        self.command = list(command)
        self.env = dict(env)
        self.folder = folder
        self.name = name
        self.log_file = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its output follows that of an earlier start."""
        self._forget()
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, cwd=self.folder, env=self.env, start_new_session=True
            )
        watch.over(self.process.pid)

    @property
    def pid(self) -> int:
        """The id of the main process."""
        assert self.process is not None, f"{self.name} was not started"
        return self.process.pid

    @property
    def log(self) -> str:
        """All that it wrote so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def returncode(self) -> int | None:
        """The exit status; None while it runs."""
        return self.process.poll() if self.process else None

    @property
    def is_alive(self) -> bool:
        """Whether the main process runs."""
        return self.process is not None and self.process.poll() is None

    def wait_for_log(self, text: str, timeout: float = 60) -> None:
        """Wait until it has written `text`.

        Raises:
            AssertionError: it ended first; the message carries the end of its log.
        """
        wait_until(lambda: text in self.log or not self.is_alive, timeout, what=f"{text!r} in the log of {self.name}")
        assert text in self.log, f"{self.name} ended with {self.returncode}:\n{self.log[-3000:]}"

    def children(self) -> list[int]:
        """Return the ids of the processes below the main one, oldest first."""
        if not self.is_alive:
            return []
        return [child.pid for child in psutil.Process(self.pid).children(recursive=True) if is_running(child.pid)]

    def terminate(self, timeout: float = 60) -> int:
        """Ask it to end in order, wait, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """End the whole tree as a power cut would: nobody gets to say goodbye."""
        if not self.is_alive:
            return
        # Stopped first, so that the main process cannot replace children while they are being killed.
        self._signal(self.pid, signal.SIGSTOP)
        children = self.children()
        for pid in (self.pid, *children):
            self._signal(pid, signal.SIGKILL)
        assert self.process is not None
        self.process.wait()
        wait_until(lambda: not any(map(is_running, children)), 10, what="the killed children to go")

    def pause(self) -> None:
        """Stop the whole tree in its tracks, as a frozen virtual machine."""
        self._signal(self.pid, signal.SIGSTOP)
        for pid in self.children():
            self._signal(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let the tree go on."""
        for pid in (*self.children(), self.pid):
            self._signal(pid, signal.SIGCONT)

    def close(self) -> None:
        """End it however it is, at the end of a test."""
        self.kill()
        self._forget()

    def _forget(self) -> None:
        if self.process is not None:
            watch.forget(self.process.pid)

    @staticmethod
    def _signal(pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class WorkerProcess(HostProcess):
    """A Celery worker, with the given pool or that which `TEST_POOL` says."""

    def __init__(
        self,
        project: str,
        *,
        env: Mapping[str, str],
        folder: Path,
        name: str,
        concurrency: int = 2,
        pool: str = "",
        arguments: Sequence[str] = (),
    ) -> None:
        self.pool = pool or chosen("TEST_POOL", POOLS)
        command = [sys.executable, "-m", "celery", "-A", project, "worker", "-P", self.pool, "-l", "INFO"]
        # Asking neighbours what they revoked takes a second of each start, and nobody revokes anything.
        command += ["--without-mingle", "-c", str(concurrency), "-n", f"{name}@%h", *arguments]
        super().__init__(command, env=env, folder=folder, name=name)
        self.concurrency = concurrency

    @property
    def node(self) -> str:
        """The name under which it answers `inspect`."""
        return f"{self.name}@{socket.gethostname()}"

    def start(self, timeout: float = 60) -> None:
        """Start it and wait until it takes tasks."""
        before = self.log.count(" ready.")
        super().start()
        wait_until(
            lambda: self.log.count(" ready.") > before or not self.is_alive, timeout, what=f"{self.name} to be ready"
        )
        assert self.is_alive, f"{self.name} ended with {self.returncode}:\n{self.log[-3000:]}"

    def supervise(self) -> None:
        """Start it again if it has ended, and do not wait for it: it may end at once, as it did before."""
        if not self.is_alive:
            super().start()

    def kill_child(self, pid: int | None = None) -> int:
        """SIGKILL one child, the given one or the oldest, and return its id."""
        victim = pid or self.children()[0]
        os.kill(victim, signal.SIGKILL)
        return victim


class BeatProcess(HostProcess):
    """Celery beat with the database scheduler."""

    def __init__(self, project: str, *, env: Mapping[str, str], folder: Path, name: str) -> None:
        scheduler = "django_celery_beat.schedulers:DatabaseScheduler"
        command = [sys.executable, "-m", "celery", "-A", project, "beat", "-l", "INFO", "-S", scheduler]
        command += ["--max-interval", "1", "--pidfile", str(folder / f"{name}.pid")]
        super().__init__(command, env=env, folder=folder, name=name)

    def start(self, timeout: float = 60) -> None:
        """Start it and wait until it says so."""
        super().start()
        self.wait_for_log("beat: Starting...", timeout)


class HostProject:
    """The main test host on the database of the running test, with a broker, and processes on demand."""

    project = "tests.hosts.main"

    def __init__(
        self,
        *,
        folder: Path,
        database_url: str,
        broker_url: str,
        broker_options: Mapping[str, Any] | None = None,
        apply_settings: Callable[[dict[str, Any]], None],
    ) -> None:
        self.folder = folder
        self.database_url = database_url
        self.broker_url = broker_url
        self.broker_options = dict(broker_options or {})
        self.extractor_log = folder / "extractor.log"
        self.processes: list[HostProcess] = []
        self.insights: dict[str, Any] = dict(FAST)
        self._apply_settings = apply_settings
        self.configure()

    def configure(self, **insights: Any) -> None:
        """Change INSIGHTS_RECOVERY, in this process and in those started from now on."""
        self.insights |= insights
        self._apply_settings({**settings.INSIGHTS_RECOVERY, **self.insights})

    def env(self, **more: str) -> dict[str, str]:
        """Return the environment of the host's processes."""
        # Warnings are errors in the tests' own process; a host's worker has Python's defaults.
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONWARNINGS"}
        return {
            **inherited,
            "PYTHONPATH": str(IMPORT_ROOT),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "tests.settings.main",
            "HOST_DATABASE_URL": self.database_url,
            "HOST_INSIGHTS": json.dumps(self.insights),
            "HOST_BROKER_OPTIONS": json.dumps(self.broker_options),
            "CELERY_BROKER_URL": self.broker_url,
            "EXTRACTOR_LOG": str(self.extractor_log),
            **more,
        }

    def worker(
        self,
        name: str = "",
        *,
        concurrency: int = 2,
        pool: str = "",
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> WorkerProcess:
        """Return a worker that is ready; without `-Q` among `arguments` it serves all our queues."""
        worker = WorkerProcess(
            self.project,
            env=self.env(**(env or {})),
            folder=self.folder,
            name=name or f"worker-{uuid.uuid4().hex[:8]}",
            concurrency=concurrency,
            pool=pool,
            arguments=arguments,
        )
        self._started(worker)
        return worker

    def beat(self, name: str = "beat", env: Mapping[str, str] | None = None) -> BeatProcess:
        """Return a running beat."""
        beat = BeatProcess(self.project, env=self.env(**(env or {})), folder=self.folder, name=name)
        self._started(beat)
        return beat

    def start(self, *command: str, name: str, env: Mapping[str, str] | None = None) -> HostProcess:
        """Start any other Python program in the host's environment: `start("-m", "tests.hosts.main.manage", ...)`."""
        process = HostProcess([sys.executable, *command], env=self.env(**(env or {})), folder=self.folder, name=name)
        self._started(process)
        return process

    def manage(
        self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a management command in a process of its own and return how it ended."""
        command = [sys.executable, "-m", f"{self.project}.manage", *arguments]
        return subprocess.run(
            command, env=self.env(**(env or {})), cwd=self.folder, capture_output=True, text=True, check=False,
            timeout=timeout,
        )  # fmt: skip

    def calls(self, text: str | None = None, event: str = "start") -> list[Call]:
        """Return the extractor calls so far, those for `text` alone if given."""
        calls = [call for call in read_calls(self.extractor_log) if call.event == event]
        return calls if text is None else [call for call in calls if call.digest == digest_of(text)]

    def forget_messages(self) -> None:
        """Lose every message that waits in the broker's queues."""
        with current_app.connection_for_write() as line:
            for name in (conf().queue, conf().backfill_queue, conf().maintenance_queue):
                queue = current_app.amqp.queues[name](line.default_channel)
                queue.declare()
                queue.purge()

    def in_flight(self, text: str) -> bool:
        """Return whether an extractor is at `text` now, or was when its process was killed."""
        return len(self.calls(text)) > len(self.calls(text, "end"))

    def open_gate(self, gate: str) -> None:
        """Let every text with `@@gate=<gate>` pass."""
        gate_file(self.extractor_log, gate).touch()

    def logs(self) -> str:
        """Return the output of all processes so far."""
        return "\n".join(f"--- {process.name}\n{process.log}" for process in self.processes)

    def close(self) -> None:
        """End every process, frozen ones too."""
        for process in self.processes:
            process.close()

    def _started(self, process: HostProcess) -> None:
        self.processes.append(process)
        process.start()
