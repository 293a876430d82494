"""Fixtures for all tests: which database, which servers, and the running host project.

`TEST_DATABASE` (`sqlite`, `postgres`, `mariadb`) chooses the database of a run; see `tests/settings/databases.py`.
`TEST_BROKER` (`redis`, `rabbitmq`, `filesystem`) and `TEST_POOL` (`prefork`, `threads`, `solo`) choose what the worker
processes of the acceptance tests have. Servers are started when a test first asks for one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection
from kombu.transport import memory

import insights_recovery
from tests import services
from tests.harness import BROKERS, POOLS, HostProject, chosen, filesystem_broker, forget_broker, use_broker
from tests.services.servers import free_port
from tests.settings import databases

DATABASE_MARKS = {"sqlite": "sqlite", "postgres": "postgresql", "mariadb": "mysql"}
"""Each marker of a test that speaks of one database only, and Django's name for that database."""

HERE = Path(__file__).parent

celery_app = current_app._get_current_object()

Server = TypeVar("Server")


def pytest_report_header() -> list[str]:
    """Say what is tested and on which database; the other servers are named at the end, when it is known who asked."""
    database = f"database: {os.environ.get('TEST_DATABASE', 'sqlite')} {_database_version()}"
    workers = f"workers: {chosen('TEST_POOL', POOLS)} pool, broker {chosen('TEST_BROKER', BROKERS)}"
    return [database, workers, f"package: {Path(insights_recovery.__file__).parent}"]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the tests of other hosts than the one whose settings are in force."""
    here = settings.INSIGHTS_RECOVERY["ENTRY_MODEL"]
    below = collection_path.rglob("test_*.py") if collection_path.is_dir() else [collection_path]
    return None if any(_host_of(path) == here for path in below) else True


def _host_of(path: Path) -> str:
    """Return the entry model of the host that a test module is about."""
    if "second_host" in path.relative_to(HERE).parts:
        return "diary.Note"
    return "journal.JournalEntry" if path.name.startswith("test_example_") else "notes.Entry"


def pytest_configure() -> None:
    """See to it that `tests/suite.py` tests the installed package, and that tests and their processes hear SIGINT."""
    # A run that a shell started in the background inherits SIGINT ignored, and so would every process it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Ended by another program, this one still stops its servers.
    signal.signal(signal.SIGTERM, lambda number, _frame: pytest.exit("terminated", returncode=128 + number))
    installed = Path(insights_recovery.__file__).is_relative_to(sys.prefix)
    if os.environ.get("TEST_INSTALLED") and not installed:
        raise pytest.UsageError(f"the package under test is {insights_recovery.__file__}, not the installed one")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the servers that were used, and those that were not to be had."""
    for used in services.used():
        terminalreporter.write_line(f"service: {used}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, and skip what speaks of another database, broker or pool."""
    for item in items:
        for folder in {"acceptance", "under_fire"}.intersection(item.path.relative_to(HERE).parts):
            item.add_marker(getattr(pytest.mark, folder))
        speaks_of = {mark: vendor for mark, vendor in DATABASE_MARKS.items() if item.get_closest_marker(mark)}
        if speaks_of and connection.vendor not in speaks_of.values():
            item.add_marker(pytest.mark.skip(reason=f"speaks of {' and '.join(speaks_of)} only"))
        for why in _reasons_of_workers(item):
            item.add_marker(pytest.mark.skip(reason=why))


def _reasons_of_workers(item: pytest.Item) -> Iterator[str]:
    """Return why this test does not belong to a run for which broker and pool were chosen, if it does not."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    for name, variable in (("host_project", "TEST_BROKER"), ("pool", "TEST_POOL")):
        one = parameters.get(name)
        if one and os.environ.get(variable, one) != one:
            yield f"speaks of {one} only"
    prefork = item.get_closest_marker("prefork")
    if prefork and chosen("TEST_POOL", POOLS) != "prefork":
        yield f"speaks of prefork only: {prefork.args[0]}"


def _database_version() -> str:
    return next((str(used) for used in services.used() if used.service in {"PostgreSQL", "MariaDB"}), "")


def _obtained(start: Callable[[], Server]) -> Server:
    """Return a server, or skip the test with the reason; fail where servers are required."""
    try:
        return start()
    except services.UnavailableError as why:
        if services.required():
            pytest.fail(str(why))
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def postgresql_server() -> services.PostgreSQL:
    """A PostgreSQL; the very one that the tests' database is on, when they run on PostgreSQL."""
    return _obtained(services.postgresql)


@pytest.fixture(scope="session")
def mariadb_server() -> services.MariaDB:
    """A MariaDB; the very one that the tests' database is on, when they run on MariaDB."""
    return _obtained(services.mariadb)


@pytest.fixture(scope="session")
def rabbitmq_server() -> services.RabbitMQ:
    """A RabbitMQ."""
    return _obtained(services.rabbitmq)


@pytest.fixture
def redis_server() -> Iterator[services.Redis]:
    """An empty Redis, whole again after the test whatever was done to it."""
    server = _obtained(services.redis)
    server.revive()
    yield server
    server.revive()


@pytest.fixture
def killable_redis(redis_server: services.Redis) -> services.Redis:
    """A Redis that the test may stop, freeze and start again."""
    if why := redis_server.why_not_killable:
        pytest.skip(why)
    return redis_server


@pytest.fixture
def redis_broker(redis_server: services.Redis) -> Iterator[services.Redis]:
    """Redis as the broker of this process."""
    with use_broker(celery_app, redis_server.url):
        yield redis_server


@pytest.fixture
def dead_broker() -> Iterator[str]:
    """A broker URL where nobody listens, as the broker of this process."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    with use_broker(celery_app, url):
        yield url


@pytest.fixture(autouse=True)
def nothing_queued() -> Iterator[None]:
    """Begin each test with empty queues in memory, and with a broker of which nothing bad is known."""
    _drain()
    yield
    forget_broker(celery_app)
    _drain()


@pytest.fixture
def sent() -> Callable[[], list[dict[str, Any]]]:
    """Return a function that takes the messages out of the queues in memory: dicts with queue, task, id, args, raw."""
    return _drain


def _drain() -> list[dict[str, Any]]:
    messages = []
    for queue, waiting in memory.Channel.queues.items():
        while not waiting.empty():
            messages.append(_parsed(queue, waiting.get()))
    return messages


def _parsed(queue: str, message: dict[str, Any]) -> dict[str, Any]:
    raw = json.dumps(message, default=str)
    headers = message.get("headers", {})
    return {
        "queue": queue,
        "task": headers.get("task"),
        "id": headers.get("id"),
        "args": _arguments(message),
        "headers": headers,
        "raw": raw,
    }


def _arguments(message: dict[str, Any]) -> list[Any]:
    """Return the positional arguments in a message's body, which kombu carries in base64."""
    import base64

    body = json.loads(base64.b64decode(message["body"]))
    return list(body[0])


@pytest.fixture
def extractor_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file to which `tests.hosts.extractors` write their calls in this process; see `read_calls` there."""
    log = tmp_path / "extractor.log"
    monkeypatch.setenv("EXTRACTOR_LOG", str(log))
    return log


@pytest.fixture
def host_project(
    request: pytest.FixtureRequest, transactional_db: None, tmp_path: Path, extractor_log: Path
) -> Iterator[HostProject]:
    """The main test host with its database and a broker, ready to start workers.

    The broker is what `TEST_BROKER` says, Redis where it says nothing; a test that speaks of one broker names it:
    `@pytest.mark.parametrize("host_project", ["filesystem"], indirect=True)` (or `"redis"`, `"rabbitmq"`). A test that
    speaks of some pools has a parameter `pool`. This process talks to the same broker and database as the workers do.
    """
    kind = getattr(request, "param", chosen("TEST_BROKER", BROKERS))
    overridden = request.getfixturevalue("settings")
    url, options = _broker(kind, request, tmp_path)
    with use_broker(celery_app, url, options):
        project = HostProject(
            folder=tmp_path,
            database_url=databases.to_url(connection.settings_dict),
            broker_url=url,
            broker_options=options,
            apply_settings=lambda insights: setattr(overridden, "INSIGHTS_RECOVERY", insights),
        )
        project.forget_messages()
        yield project
        project.close()
    # Pytest shows it where the test failed.
    print(project.logs()[-20_000:])


def _broker(kind: str, request: pytest.FixtureRequest, folder: Path) -> tuple[str, dict[str, Any]]:
    if kind == "filesystem":
        return filesystem_broker(folder / "broker")
    return request.getfixturevalue(f"{kind}_server").url, {}
