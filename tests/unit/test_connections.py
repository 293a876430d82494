"""A connection stays open between our tasks, and is replaced when it broke."""

from __future__ import annotations

import os
import threading

import pytest
from django.db import close_old_connections, connection, connections

from insights_recovery.connections import kept_open
from tests.integration.helpers import Elsewhere

pytestmark = pytest.mark.django_db(transaction=True)


def _on_a_thread(body: object) -> list[object]:
    """Run on a thread without a past; return what it collected."""
    seen: list[object] = []

    def run() -> None:
        try:
            body(seen)  # type: ignore[operator]
        finally:
            connections.close_all()
            _close_what_is_aside()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    return seen


def _close_what_is_aside() -> None:
    with kept_open("default"):
        connections["default"].close()


def _query() -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return connection.connection


def test_the_next_task_finds_the_connection_of_the_last() -> None:
    def body(seen: list[object]) -> None:
        for _ in range(2):
            close_old_connections()
            with kept_open("default"):
                seen.append(_query())
            connections.close_all()

    first, second = _on_a_thread(body)
    assert first is second


def test_between_tasks_the_connection_is_out_of_sight() -> None:
    def body(seen: list[object]) -> None:
        with kept_open("default"):
            _query()
        seen.append(connections["default"].connection)

    assert [None] == _on_a_thread(body)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a file does not hang up")
def test_a_connection_that_broke_is_replaced() -> None:
    def body(seen: list[object]) -> None:
        with kept_open("default"):
            _query()
            _kill(_session())
        with kept_open("default"):
            seen.append(_session())

    assert 1 == len(_on_a_thread(body))


def _session() -> int:
    """Return the number by which the server knows this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()" if connection.vendor == "mysql" else "SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _kill(session: int) -> None:
    """Have the server hang up on a connection."""

    def kill() -> None:
        with connection.cursor() as cursor:
            cursor.execute("KILL %s" if connection.vendor == "mysql" else "SELECT pg_terminate_backend(%s)", [session])

    Elsewhere(kill).value()


def test_a_task_that_used_no_database_opens_none() -> None:
    def body(seen: list[object]) -> None:
        with kept_open("default"):
            pass
        with kept_open("default"):
            seen.append(connections["default"].connection)

    assert [None] == _on_a_thread(body)


def test_an_error_in_the_task_does_not_lose_the_connection() -> None:
    def body(seen: list[object]) -> None:
        def fail() -> None:
            with kept_open("default"):
                seen.append(_query())
                raise LookupError

        with pytest.raises(LookupError):
            fail()
        with kept_open("default"):
            seen.append(_query())

    first, second = _on_a_thread(body)
    assert first is second


def test_each_thread_keeps_its_own() -> None:
    def body(seen: list[object]) -> None:
        with kept_open("default"):
            seen.append(_query())

    (first,), (second,) = _on_a_thread(body), _on_a_thread(body)
    assert first is not second


def test_a_forked_child_does_not_take_up_its_parents_connection() -> None:
    def body(seen: list[object]) -> None:
        with kept_open("default"):
            parents = _query()
        if (child := os.fork()) == 0:
            with kept_open("default"):
                os._exit(1 if connections["default"].connection is parents else 0)
        seen.append(os.waitpid(child, 0)[1])

    assert [0] == _on_a_thread(body)
