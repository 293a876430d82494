"""What a chaos run does to broker and database: it hits what it is meant for, and nobody else."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from django.db import Error, connection, connections

from insights_recovery import dispatch
from insights_recovery.chaos import servers
from insights_recovery.chaos.proxy import HOST
from insights_recovery.chaos.servers import BrokerLine, cut_connections, empty_broker, messages_waiting, workers
from insights_recovery.conf import conf
from tests import services
from tests.conftest import celery_app
from tests.harness import filesystem_broker, use_broker
from tests.integration.helpers import Elsewhere
from tests.settings import databases

RABBITMQ = pytest.param("rabbitmq", marks=pytest.mark.acceptance)
"""Its start takes longer than all of the other tests here: it is tried where the acceptance tests are."""
BROKERS = ("memory", "filesystem", "redis", RABBITMQ)


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The broker of this process, without any of our queues; its kind."""
    kind: str = request.param
    url, options = "memory://", {}
    if kind == "filesystem":
        url, options = filesystem_broker(tmp_path / "broker")
    elif kind != "memory":
        url = request.getfixturevalue(f"{kind}_server").url
    with use_broker(celery_app, url, options):
        _forget_queues()
        yield kind


def _queues() -> list[str]:
    return [conf().queue, conf().backfill_queue, conf().maintenance_queue]


def _forget_queues() -> None:
    with celery_app.connection_for_write() as line:
        for name in _queues():
            line.default_channel.queue_delete(name)


def _publish(times: int) -> None:
    for number in range(times):
        assert dispatch.broker.publish([number], _queues()[number % 2]) is None


each_broker = pytest.mark.parametrize("broker", BROKERS, indirect=True)
that_counts = pytest.mark.parametrize("broker", [kind for kind in BROKERS if kind != "redis"], indirect=True)


# The broker


@that_counts
def test_our_messages_are_counted_in_all_queues_until_they_are_forgotten(broker: str) -> None:
    _publish(5)
    assert messages_waiting() == 5
    assert messages_waiting() == 5, "counting takes nothing away"

    empty_broker()
    assert messages_waiting() == 0


@each_broker
def test_a_broker_on_which_no_worker_has_made_our_queues_is_empty(broker: str) -> None:
    empty_broker()
    assert messages_waiting() == 0 if broker != "redis" else messages_waiting() < 10


def test_a_redis_forgets_all_of_its_own_database_and_nothing_of_another(redis_broker: services.Redis) -> None:
    url = urlsplit(redis_broker.url)
    with (
        redis.Redis.from_url(redis_broker.url) as client,
        redis.Redis.from_url(url._replace(path="/5").geturl()) as other,
    ):
        other.set("somebody's", "else")
        client.set("a result", "of a task")
        _publish(3)
        assert messages_waiting() == client.dbsize() > 2

        empty_broker()

        assert messages_waiting() == 0
        assert other.dbsize() == 1


@that_counts
def test_messages_of_others_stay(broker: str) -> None:
    name = "somebody_elses"
    with celery_app.connection_for_write() as line:
        queue = celery_app.amqp.queues[name](line.default_channel)
        queue.declare()
        queue.purge()
        with celery_app.producer_or_acquire() as producer:
            producer.publish({}, routing_key=name, exchange=queue.exchange, declare=[queue])
        _publish(2)
        empty_broker()
        assert queue.purge() == 1


@pytest.mark.parametrize("broker", ["memory", "redis"], indirect=True)
def test_without_a_worker_nobody_answers(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "ANSWER", 0.2)
    assert workers() == []


# The line to it


def test_a_broker_without_an_address_has_no_line() -> None:
    line = BrokerLine()
    assert line.proxy is None
    assert line.start() == {}
    line.end()


@pytest.mark.parametrize(
    ("url", "upstream"),
    [
        ("redis://:pass%20word%40@127.0.0.1:7001/3", ("127.0.0.1", 7001)),
        ("redis://localhost/3", ("localhost", 6379)),
        ("amqp://ada:secret@127.0.0.1:7002/host", ("127.0.0.1", 7002)),
        ("amqp://ada:secret@localhost/host", ("localhost", 5672)),
    ],
)
def test_the_line_has_the_brokers_url_but_for_the_address(url: str, upstream: tuple[str, int]) -> None:
    with use_broker(celery_app, url):
        line = BrokerLine()
    assert line.proxy is not None
    assert line.proxy._upstream == upstream
    try:
        environment = line.start()
    finally:
        line.end()

    (laid,) = environment.values()
    assert set(environment) == {"CELERY_BROKER_URL"}
    before, after = urlsplit(url), urlsplit(laid)
    assert (after.hostname, after.port) == (HOST, line.proxy.port)
    assert (after.scheme, after.path) == (before.scheme, before.path)
    assert (after.username or "", after.password) == (before.username or "", before.password)


@pytest.mark.parametrize("broker", ["redis", RABBITMQ], indirect=True)
def test_messages_pass_over_the_line(broker: str) -> None:
    line = BrokerLine()
    environment = line.start()
    try:
        with use_broker(celery_app, environment["CELERY_BROKER_URL"]):
            _publish(1)
            assert messages_waiting() > 0
            assert line.proxy is not None
            line.proxy.close()
            assert dispatch.broker.publish([1], _queues()[0]) is not None
    finally:
        line.end()
    assert messages_waiting() > 0


def test_a_broker_that_does_not_answer_is_not_counted(redis_server: services.Redis) -> None:
    with use_broker(celery_app, redis_server.url):
        line = BrokerLine()
    environment = line.start()
    try:
        with use_broker(celery_app, environment["CELERY_BROKER_URL"]):
            assert messages_waiting() is not None
            assert line.proxy is not None
            line.proxy.close()
            assert messages_waiting() is None
    finally:
        line.end()


@pytest.mark.parametrize("url", ["sqs://", "rediss://localhost:7001/0", "sentinel://localhost:26379/0"])
def test_to_a_broker_that_is_reached_in_another_way_no_line_is_laid(url: str) -> None:
    with use_broker(celery_app, "memory://"):
        line = BrokerLine()
    line._url = url
    assert line._laid() is None


# The database

several_connections = pytest.mark.django_db(transaction=True)


def _identity(of: Any) -> Any:
    question = "SELECT pg_backend_pid()" if of.vendor == "postgresql" else "SELECT CONNECTION_ID()"
    with of.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


class Other:
    """A connection of another thread, in the middle of a transaction."""

    def __init__(self) -> None:
        self.is_connected, self.may_go_on = threading.Event(), threading.Event()
        self._thread = Elsewhere(self._ask_twice)

    def _ask_twice(self) -> str:
        ours = connections["default"]
        before = _identity(ours)
        self.is_connected.set()
        self.may_go_on.wait(30)
        try:
            return "lives on" if _identity(ours) == before else "another"
        except Error:
            return "was cut"

    def end(self) -> str:
        """Let it go on, and return what became of it."""
        self.may_go_on.set()
        return str(self._thread.value())


@pytest.mark.postgres
@pytest.mark.mariadb
@several_connections
def test_every_other_connection_is_cut_and_not_the_own_one() -> None:
    others = [Other(), Other()]
    for other in others:
        assert other.is_connected.wait(30)
    own = _identity(connection)

    cut_connections()

    assert _identity(connection) == own
    assert [other.end() for other in others] == ["was cut", "was cut"]


@pytest.mark.postgres
@pytest.mark.mariadb
@several_connections
def test_connections_to_another_database_are_let_be(request: pytest.FixtureRequest) -> None:
    fixture = {"postgresql": "postgresql_server", "mysql": "mariadb_server"}[connection.vendor]
    elsewhere = databases.from_url(request.getfixturevalue(fixture).url)
    assert elsewhere["NAME"] != connection.settings_dict["NAME"]
    theirs = type(connections["default"])({**connection.settings_dict, **elsewhere}, "elsewhere")
    before = _identity(theirs)
    try:
        cut_connections()
        assert _identity(theirs) == before
    finally:
        theirs.close()


@pytest.mark.postgres
@pytest.mark.mariadb
@several_connections
def test_with_nobody_to_cut_nothing_happens() -> None:
    own = _identity(connection)
    cut_connections()
    cut_connections()
    assert _identity(connection) == own


# An operator's command


def test_what_a_command_says_is_no_part_of_our_output(capfd: pytest.CaptureFixture[str]) -> None:
    servers.run("echo redis-1; echo oh >&2; cat")
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == "redis-1\noh\n"


def test_a_command_that_fails_is_an_error() -> None:
    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        servers.run("exit 3")


def test_a_command_that_never_ends_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "RESTART_TIMEOUT", 0.2)
    with pytest.raises(subprocess.TimeoutExpired):
        servers.run("exec sleep 60")
