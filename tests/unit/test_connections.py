"""A connection stays open between our tasks, and is replaced when it broke."""

from __future__ import annotations

import os
import threading

import pytest
from django.db import close_old_connections, connection, connections

from insights_recovery.connections import kept_open

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
            broken = _query()
            seen.append(broken)
        broken.close()  # type: ignore[attr-defined]
        with kept_open("default"):
            seen.append(_query())

    first, second = _on_a_thread(body)
    assert first is not second


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
