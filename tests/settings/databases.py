"""Which database a test host uses.

`HOST_DATABASE_URL` names one database and is used as it is: so a worker process shares the one of the test that
started it. Otherwise `TEST_DATABASE` chooses a kind (`sqlite`, `postgres`, `mariadb`), whose server comes from
`tests.services` and runs as long as this process.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from tests import services
from tests.services.servers import at_exit

ENGINES = {
    "postgresql": "django.db.backends.postgresql",
    "mysql": "django.db.backends.mysql",
}
EXIT_NO_SERVER = 77
"""Exit status of a run whose database server is not to be had; `tests.suite` names it as left out."""

Database = dict[str, Any]


def configured(environ: Mapping[str, str] = os.environ) -> Database:
    """Return Django's DATABASES["default"] for this process."""
    if url := environ.get("HOST_DATABASE_URL"):
        return from_url(url)
    kind = environ.get("TEST_DATABASE", "sqlite")
    return _sqlite() if kind == "sqlite" else _served(kind)


def from_url(url: str) -> Database:
    """Return the Django database that `url` names."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return _sqlite_file(Path(unquote(parts.path)))
    if parts.scheme == "mysql":
        _use_pymysql()
    return {
        "ENGINE": ENGINES[parts.scheme],
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
    }


def to_url(database: Mapping[str, Any]) -> str:
    """Return the URL that `from_url` reads back, for an environment variable of a worker process."""
    schemes = {engine: scheme for scheme, engine in ENGINES.items()}
    if database["ENGINE"] not in schemes:
        return f"sqlite://{quote(str(database['NAME']))}"
    login = f"{quote(database['USER'])}:{quote(database['PASSWORD'], safe='')}"
    return f"{schemes[database['ENGINE']]}://{login}@{database['HOST']}:{database['PORT']}/{database['NAME']}"


def _sqlite() -> Database:
    """Return a file of this process's own: a database in memory could not be shared with threads and workers.

    Nothing is created here: a type checker, which reads the settings too, ends without cleaning up.
    """
    folder, prefix = Path(tempfile.gettempdir()), f"insights-recovery-{os.getpid()}-"
    at_exit(_remove, folder, prefix)
    return _sqlite_file(folder / f"{prefix}host.sqlite3") | {"TEST": {"NAME": str(folder / f"{prefix}test.sqlite3")}}


def _remove(folder: Path, prefix: str) -> None:
    """Remove a database with the files that SQLite keeps beside it."""
    for path in folder.glob(f"{prefix}*.sqlite3*"):
        path.unlink(missing_ok=True)


def _sqlite_file(path: Path) -> Database:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            # A host with workers on SQLite is told the same: waiting writers instead of "database is locked".
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


def _served(kind: str) -> Database:
    start = {"postgres": services.postgresql, "mariadb": services.mariadb}[kind]
    try:
        return from_url(start().url)
    except services.UnavailableError as why:
        print(f"{kind}: {why}", file=sys.stderr)
        sys.exit(1 if services.required() else EXIT_NO_SERVER)


def _use_pymysql() -> None:
    """Let Django's MySQL back end use PyMySQL, which needs no compiler."""
    import pymysql

    pymysql.install_as_MySQLdb()
