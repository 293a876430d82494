"""What a chaos run does to the host's broker and database, beyond its own processes."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from celery import current_app
from celery.app import app_or_default
from celery.app.control import Control
from celery.exceptions import OperationalError as BrokerError
from django.db import OperationalError, connections

from insights_recovery.chaos.proxy import HOST, Proxy
from insights_recovery.conf import conf
from insights_recovery.dispatch import bounded_connection
from insights_recovery.hosts import database

STDERR = 2
PORTS = {"redis": 6379, "valkey": 6379, "amqp": 5672, "pyamqp": 5672}
"""The schemes of brokers to which a line can be laid, and their usual ports."""
TIMEOUT = 5.0
"""Seconds that the conductor itself waits for the broker."""
ANSWER = 2.0
"""Seconds that workers have to answer."""
RESTART_TIMEOUT = 120.0
"""Seconds that a command of the operator's may take."""


class BrokerLine:
    """The proxy between our processes and the broker, where one can be laid."""

    def __init__(self) -> None:
        with current_app.connection_for_write() as connection:
            self._url = connection.as_uri(include_password=True)
        self._proxy = self._laid()

    def _laid(self) -> Proxy | None:
        parts = urlsplit(self._url)
        if parts.scheme not in PORTS or parts.hostname is None:
            return None
        return Proxy(parts.hostname, parts.port or PORTS[parts.scheme])

    @property
    def proxy(self) -> Proxy | None:
        """The proxy; None where the broker is not reached by an address of its own."""
        return self._proxy

    def start(self) -> dict[str, str]:
        """Open the line; return the environment of a process that is to use it."""
        if self._proxy is None:
            return {}
        self._proxy.start()
        parts = urlsplit(self._url)
        login = parts.netloc.rpartition("@")
        netloc = f"{login[0]}{login[1]}{HOST}:{self._proxy.port}"
        # Celery prefers this variable to whatever the host's settings say.
        return {"CELERY_BROKER_URL": urlunsplit(parts._replace(netloc=netloc))}

    def end(self) -> None:
        """Close the line for good."""
        if self._proxy is not None:
            self._proxy.end()


def empty_broker() -> None:
    """Let the broker forget our messages; a Redis forgets all of its database, as after a restart without a disk."""
    with bounded_connection(TIMEOUT) as connection:
        channel: Any = connection.default_channel
        if hasattr(channel, "client"):
            channel.client.flushdb()
            return
        for name in _queues(channel):
            channel.queue_purge(name)


def messages_waiting() -> int | None:
    """Return how many of our messages wait at the broker; of a Redis, how many keys it holds.

    None while the broker does not answer: a fault may have it in hand, and a Redis that starts reads its disk first.
    """
    with bounded_connection(TIMEOUT) as connection:
        absent: Any = (BrokerError, *connection.connection_errors)
        try:
            channel: Any = connection.default_channel
            if hasattr(channel, "client"):
                return int(channel.client.dbsize())
            return sum(int(channel.queue_declare(name, passive=True).message_count) for name in _queues(channel))
        except absent:
            return None


def _queues(channel: Any) -> list[str]:
    """Return the names of our queues, which from now on exist, for no worker may have made them yet."""
    settings = conf()
    names = [settings.queue, settings.backfill_queue, settings.maintenance_queue]
    for name in names:
        current_app.amqp.queues[name](channel).declare()
    return names


def workers() -> list[str]:
    """Return the names of the workers that answer on the broker, whatever queues they serve."""
    control = Control(app_or_default())
    # The pool's connections would wait for ever; without it, the question goes out on ours.
    control.mailbox.producer_pool = None  # type: ignore[attr-defined]
    with bounded_connection(TIMEOUT) as connection:
        replies = control.broadcast("ping", reply=True, timeout=ANSWER, connection=connection) or []
    return sorted(name for reply in replies for name in reply)


CUT_POSTGRESQL = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""
OTHERS_MYSQL = """
    SELECT id FROM information_schema.processlist
    WHERE db = DATABASE() AND user = SUBSTRING_INDEX(USER(), '@', 1) AND id <> CONNECTION_ID()
"""


def cut_connections() -> None:
    """End every connection of ours to the database but the one that asks for it."""
    connection = connections[database()]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(CUT_POSTGRESQL)
            return
        cursor.execute(OTHERS_MYSQL)
        for (number,) in cursor.fetchall():
            # One that has ended by itself meanwhile cannot be ended.
            with suppress(OperationalError):
                cursor.execute("KILL %s", [number])


def run(command: str) -> None:
    """Run an operator's command in a shell, its output among our errors: ours may be read by a program.

    Raises:
        CalledProcessError: it ended with another status than 0.
    """
    # It is the operator's own, from the command line of this run.
    subprocess.run(  # noqa: S602
        command, shell=True, check=True, timeout=RESTART_TIMEOUT, stdin=subprocess.DEVNULL, stdout=STDERR
    )
