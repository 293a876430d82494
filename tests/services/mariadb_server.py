"""MariaDB: given by TEST_MARIADB_URL, or installed; there is no wheel of it."""

from __future__ import annotations

import functools
import os
import pwd
import shutil
from pathlib import Path

from tests.services import binaries
from tests.services.ladder import UnavailableError, climb
from tests.services.servers import HOST, OwnServer, free_port, own_folder, run


class MariaDB:
    """A running MariaDB."""

    def __init__(self, url: str, *, rung: str, version: str, server: OwnServer | None) -> None:
        self.url = url
        self.rung = rung
        self.version = version
        self.server = server


@functools.cache
def mariadb() -> MariaDB:
    """Return the MariaDB of this process; the first call starts it.

    Raises:
        UnavailableError: there is none, for the reasons in the message.
    """
    return climb("MariaDB", [_given, _installed])


def _given() -> MariaDB:
    url = os.environ.get("TEST_MARIADB_URL")
    if not url:
        raise UnavailableError("TEST_MARIADB_URL is not set")
    return MariaDB(url, rung="given", version="as given", server=None)


def _installed() -> MariaDB:
    program, install = binaries.installed_mariadb(), shutil.which("mariadb-install-db")
    if program is None or install is None:
        raise UnavailableError("no MariaDB server is installed")
    return _started(program, Path(install))


def _started(program: Path, install: Path) -> MariaDB:
    folder, port = own_folder("mariadb"), free_port()
    user = pwd.getpwuid(os.geteuid()).pw_name
    own = ["--no-defaults", f"--datadir={folder / 'data'}", f"--user={user}"]
    run([install, *own, "--auth-root-authentication-method=normal", "--skip-test-db"])
    account = folder / "account.sql"
    # One statement a line: that is all that an init file may hold.
    account.write_text(
        "CREATE DATABASE IF NOT EXISTS insights;\n"
        "CREATE USER IF NOT EXISTS 'insights'@'127.0.0.1' IDENTIFIED BY 'insights';\n"
        "GRANT ALL ON *.* TO 'insights'@'127.0.0.1';\n"
    )
    command = [
        program, *own, f"--bind-address={HOST}", f"--port={port}", f"--socket={folder / 'socket'}",
        f"--pid-file={folder / 'pid'}", f"--init-file={account}", "--skip-name-resolve",
        "--innodb-flush-log-at-trx-commit=2", "--character-set-server=utf8mb4",
    ]  # fmt: skip
    server = OwnServer(command, port=port, folder=folder)
    server.start()
    url = f"mysql://insights:insights@{HOST}:{port}/insights"
    return MariaDB(url, rung="installed", version=binaries.version_of(program), server=server)
