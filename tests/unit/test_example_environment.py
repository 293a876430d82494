"""The example's settings: every variable typed, and an error that a person can act on."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from example_project import environment as env
from example_project.logs import JsonFormatter
from insights_recovery.conf import KEYS, problems

MINIMAL = {"ENTRY_MODEL": "journal.JournalEntry"}
PROJECT = Path(env.__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("YES", True), ("1", True), ("off", False), ("0", False)]
)
def test_boolean(value: str, expected: bool) -> None:
    assert env.boolean("FLAG", default=not expected, environ={"FLAG": value}) is expected


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_variable_is_one_that_is_not_set(value: str) -> None:
    environ = {"FLAG": value, "INSIGHTS_BATCH_SIZE": value}
    assert env.boolean("FLAG", default=True, environ=environ) is True
    assert env.whole("FLAG", default=2, environ=environ) == 2
    assert env.insights(MINIMAL, environ=environ) == MINIMAL


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("INSIGHTS_MAX_ATTEMPTS", "many", "a whole number"),
        ("INSIGHTS_MAX_ATTEMPTS", "0", "at least 1"),
        ("INSIGHTS_MAX_ATTEMPTS", "2.5", "a whole number"),
        ("INSIGHTS_LEASE_SECONDS", "-1", "above 0"),
        ("INSIGHTS_LEASE_SECONDS", "nan", "above 0"),
        ("INSIGHTS_SKIP_DUPLICATES", "perhaps", "true or false"),
        ("INSIGHTS_EXTRACTORS", "nodots", "dotted paths"),
        ("INSIGHTS_ENTRY_MODEL", "journal", "app_label.ModelName"),
    ],
)
def test_a_bad_value_is_named_with_what_is_expected(name: str, value: str, wanted: str) -> None:
    with pytest.raises(ImproperlyConfigured) as error:
        env.insights(MINIMAL, environ={name: value})
    assert name in str(error.value)
    assert repr(value) in str(error.value)
    assert wanted in str(error.value)


def test_every_key_of_the_settings_table_has_a_variable() -> None:
    samples = {int: "7", float: "1.5", bool: "true", str: "journal.JournalEntry"}
    environ = {f"INSIGHTS_{key}": samples.get(type(item.default), "journal.JournalEntry") for key, item in KEYS.items()}
    environ |= {"INSIGHTS_TIME_LIMIT": "60", "INSIGHTS_SOFT_TIME_LIMIT": "50", "INSIGHTS_RETRY_DELAY_MAX": "99"}
    values = env.insights({}, environ=environ)
    assert set(values) == set(KEYS)
    assert problems(values) == []


def test_values_are_typed() -> None:
    environ = {
        "INSIGHTS_BATCH_SIZE": "8",
        "INSIGHTS_PUBLISH_TIMEOUT": "0.25",
        "INSIGHTS_SKIP_DUPLICATES": "yes",
        "INSIGHTS_AUTHOR_FIELD": "none",
        "INSIGHTS_EXTRACTORS": "a.b.One, a.b.Two,",
    }
    assert env.insights(MINIMAL, environ=environ) == MINIMAL | {
        "BATCH_SIZE": 8,
        "PUBLISH_TIMEOUT": 0.25,
        "SKIP_DUPLICATES": True,
        "AUTHOR_FIELD": None,
        "EXTRACTORS": ["a.b.One", "a.b.Two"],
    }


def test_a_slip_in_a_name_is_not_passed_over() -> None:
    with pytest.raises(ImproperlyConfigured, match="INSIGHTS_MAX_ATTEMPTS"):
        env.insights(MINIMAL, environ={"INSIGHTS_MAX_ATTEMPT": "3"})


def test_other_variables_are_left_alone() -> None:
    assert env.insights(MINIMAL, environ={"INSIGHTS_DASHBOARD_COLOUR": "blue", "PATH": "/bin"}) == MINIMAL


@pytest.mark.parametrize(("value", "expected"), [("debug", 10), ("INFO", 20), ("20", 20), ("", None)])
def test_log_level_by_name_or_number(value: str, expected: int | None) -> None:
    assert env.log_level("CELERY_LOG_LEVEL", environ={"CELERY_LOG_LEVEL": value}) == expected


def test_unknown_log_level() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"CELERY_LOG_LEVEL.*DEBUG"):
        env.log_level("CELERY_LOG_LEVEL", environ={"CELERY_LOG_LEVEL": "loud"})


def test_the_secret_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    first = env.secret_key(path)
    assert len(first) >= 50
    assert env.secret_key(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_json_log_names_the_task() -> None:
    record = logging.makeLogRecord(
        {"name": "journal", "msg": "entry=%s", "args": (5,), "levelname": "INFO", "task_id": "t1"}
    )
    fields = json.loads(JsonFormatter().format(record))
    assert (fields["message"], fields["level"], fields["task_id"]) == ("entry=5", "INFO", "t1")
    assert "task_name" not in fields


def settings_under(tmp_path: Path, code: str, **variables: str) -> str:
    """Return what `code` prints in a process of its own, with the settings as these variables make them."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    script = f"import sys; sys.path[:0] = {sys.path!r}; from example_project import settings as s; {code}"
    environ = kept | {"EXAMPLE_VAR": str(tmp_path / "var"), "PYTHONDONTWRITEBYTECODE": "1"} | variables
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()


def test_without_any_variable_it_runs_on_sqlite_and_the_embedded_broker(tmp_path: Path) -> None:
    code = (
        "o = s.CELERY_BROKER_TRANSPORT_OPTIONS; same = o['data_folder_in'] == o['data_folder_out']; "
        "print(s.CELERY_BROKER_URL, s.DATABASE['ENGINE'], same, s.DEBUG)"
    )
    assert settings_under(tmp_path, code) == "filesystem://localhost// django.db.backends.sqlite3 True True"
    broker = tmp_path / "var" / "broker"
    assert {folder.name for folder in broker.iterdir()} == {"messages", "control", "processed"}


def test_redis_serves_as_broker_and_cache(tmp_path: Path) -> None:
    code = "print(s.CELERY_BROKER_URL, s.CACHES['default']['LOCATION'])"
    url = "redis://localhost:6390/3"
    assert settings_under(tmp_path, code, REDIS_URL=url) == f"{url} {url}"
    broker = "amqp://localhost//"
    assert settings_under(tmp_path, code, REDIS_URL=url, CELERY_BROKER_URL=broker) == f"{broker} {url}"


def test_another_database(tmp_path: Path) -> None:
    code = "print(s.DATABASE['ENGINE'], s.DATABASE['NAME'], s.DATABASE['HOST'])"
    printed = settings_under(tmp_path, code, DATABASE_URL="postgresql://me:secret@db.example:5433/daybook")
    assert printed == "django.db.backends.postgresql daybook db.example"


@pytest.mark.parametrize("url", ["journal", "oops://me:secret@host/name", "postgresql://me:secret@host:port/name"])
def test_a_bad_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must be like postgresql://") as error:
        env.database(Path("journal.sqlite3"), environ={"DATABASE_URL": url})
    assert "secret" not in str(error.value)


def test_naming_a_public_host_turns_tracebacks_off(tmp_path: Path) -> None:
    assert settings_under(tmp_path, "print(s.DEBUG)", ALLOWED_HOSTS="daybook.example") == "False"


def test_the_settings_name_a_bad_variable(tmp_path: Path) -> None:
    printed = settings_under(tmp_path, "print('fine')", CELERY_WORKER_CONCURRENCY="two")
    assert "CELERY_WORKER_CONCURRENCY is 'two'; it must be a whole number" in printed
