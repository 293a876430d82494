"""Reads the settings from environment variables: typed, and with an error that names the variable and the remedy.

An empty variable counts as one that is not set: process managers, and Celery itself, export empty ones.
"""

from __future__ import annotations

import difflib
import os
import secrets
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from insights_recovery.conf import KEYS, RecoverySettings

PREFIX = "INSIGHTS_"
TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})
LOG_LEVELS = {"CRITICAL": 50, "ERROR": 40, "WARNING": 30, "INFO": 20, "DEBUG": 10}


def text(name: str, default: str = "", *, environ: Mapping[str, str] = os.environ) -> str:
    """Return the variable, or `default` where it is empty or not set."""
    return environ.get(name, "").strip() or default


def names(name: str, default: str = "", *, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return the items of a comma-separated list."""
    return [item.strip() for item in text(name, default, environ=environ).split(",") if item.strip()]


def boolean(name: str, default: bool, *, environ: Mapping[str, str] = os.environ) -> bool:
    """Return the variable as true or false.

    Raises:
        ImproperlyConfigured: it is neither.
    """
    value = text(name, environ=environ)
    return _boolean(name, value) if value else default


def whole(name: str, default: int, *, environ: Mapping[str, str] = os.environ) -> int:
    """Return the variable as a whole number of at least 1.

    Raises:
        ImproperlyConfigured: it is none.
    """
    number = _number(name, text(name, environ=environ) or str(default), int, "a whole number, at least 1")
    if number < 1:
        raise _bad(name, str(number), "a whole number, at least 1")
    return int(number)


def log_level(name: str, *, environ: Mapping[str, str] = os.environ) -> int | None:
    """Return the level by its name or its number, or None where it is not set.

    Celery exports the level of a running worker under CELERY_LOG_LEVEL, as a number.

    Raises:
        ImproperlyConfigured: there is no such level.
    """
    value = text(name, environ=environ).upper()
    if not value or value.isdecimal():
        return int(value) if value else None
    if value not in LOG_LEVELS:
        raise _bad(name, value, f"one of {', '.join(LOG_LEVELS)}")
    return LOG_LEVELS[value]


def database(sqlite: Path, *, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return Django's settings of the database that DATABASE_URL names; of the SQLite file where it is not set.

    Raises:
        ImproperlyConfigured: it is no URL of a database. The URL is not quoted, since it may hold a password.
    """
    url = text("DATABASE_URL", environ=environ)
    if not url:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": sqlite}
    try:
        return dict(dj_database_url.parse(url))
    except ValueError:
        wanted = "postgresql://user:password@host:port/name, mysql://... or sqlite:////absolute/path"
        raise ImproperlyConfigured(f"The environment variable DATABASE_URL must be like {wanted}.") from None


def insights(defaults: Mapping[str, Any], *, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the INSIGHTS_RECOVERY setting: `defaults`, overruled by the INSIGHTS_* variables.

    Raises:
        ImproperlyConfigured: a variable has a bad value, or is one letter away from a key and probably a slip.
    """
    given = {
        name.removeprefix(PREFIX): name for name in environ if name.startswith(PREFIX) and text(name, environ=environ)
    }
    for key, name in given.items():
        near = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.85)
        if key not in KEYS and near:
            raise ImproperlyConfigured(f"{name} is no setting. Did you mean {PREFIX}{near[0]}?")
    return {**defaults, **{key: _insights_value(key, environ) for key in given if key in KEYS}}


def _insights_value(key: str, environ: Mapping[str, str]) -> Any:
    name = PREFIX + key
    wanted, is_valid = KEYS[key].metadata["rule"]
    if key == "EXTRACTORS":
        value: Any = names(name, environ=environ)
        wanted = "dotted paths of extractor classes, separated by commas"
    else:
        value = _typed(name, text(name, environ=environ), typing.get_type_hints(RecoverySettings)[key.lower()], wanted)
    if not is_valid(value):
        raise _bad(name, text(name, environ=environ), wanted)
    return value


def _typed(name: str, value: str, kind: Any, wanted: str) -> Any:
    if kind is bool:
        return _boolean(name, value)
    if kind in (int, float):
        return _number(name, value, kind, wanted)
    return None if value.lower() == "none" and type(None) in typing.get_args(kind) else value


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in TRUE | FALSE:
        raise _bad(name, value, "true or false")
    return value.lower() in TRUE


def _number(name: str, value: str, kind: type[int] | type[float], wanted: str) -> int | float:
    try:
        return kind(value)
    except ValueError:
        raise _bad(name, value, wanted) from None


def _bad(name: str, value: str, wanted: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"The environment variable {name} is {value!r}; it must be {wanted}.")


def secret_key(path: Path) -> str:
    """Return the key kept in the file at `path`, which is made at the first call and readable by its owner alone.

    Web server and worker may start at the same moment: the file appears whole, by a link, and the first one wins.
    """
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(50))
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text()


def folder(path: Path) -> Path:
    """Return `path`, made into a folder that only its owner may enter: a journal lies below it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
