"""Telling the broker: after commit, in bounded time, by keys alone; and what happens when it is out."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import current_app
from kombu import Connection

from insights_recovery import dispatch, hosts
from insights_recovery.lifecycle import State
from tests import services
from tests.harness import use_broker
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, fresh, heard, in_state, process, put, row, seconds_until

pytestmark = pytest.mark.django_db(transaction=True)

Sent = Callable[[], list[dict[str, Any]]]

NO_HANG = 5.0
"""Seconds that nothing here may take; the true bound is a fraction of it, and a broker that is out costs for ever."""


class Refuser(threading.Thread):
    """Listens, counts who calls, and hangs up on each."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._socket.getsockname()[1]}/0"
        self.calls = 0
        self.start()

    def run(self) -> None:
        """Count until it is closed."""
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            self.calls += 1
            caller.close()

    def close(self) -> None:
        """Stop listening."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.join()


@pytest.fixture
def refuser() -> Iterator[Refuser]:
    """A broker that hangs up on everybody, as the broker of this process."""
    listener = Refuser()
    with use_broker(current_app._get_current_object(), listener.url):
        yield listener
    listener.close()


def _seconds(action: Callable[[], Any]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


@pytest.fixture(params=["closed", "frozen", "refusing"])
def broker_out(request: pytest.FixtureRequest) -> Any:
    """A broker that cannot be told, each in its own way."""
    if request.param == "refusing":
        return request.getfixturevalue("refuser")
    if request.param == "closed":
        return request.getfixturevalue("dead_broker")
    server = request.getfixturevalue("killable_redis")
    request.getfixturevalue("redis_broker")
    server.freeze()
    return server


def test_a_save_neither_fails_nor_hangs(broker_out: Any) -> None:
    assert NO_HANG > _seconds(lambda: Entry.objects.create(content="text"))


def test_the_entry_says_that_the_broker_was_not_told(broker_out: Any) -> None:
    entry = create()
    assert [State.CELERY_ERROR, "broker"] == [fresh(entry).processing_state, fresh(entry).processing_reason]
    assert fresh(entry).processing_error
    assert 0 < seconds_until(entry, "due_at") <= dispatch.OFFER_DELAY


def test_an_entry_of_which_nobody_was_told_is_extracted_all_the_same(broker_out: Any) -> None:
    assert process(create()) == {"completed": 1}


def test_an_edit_neither_fails_nor_hangs(broker_out: Any) -> None:
    entry = in_state(State.COMPLETED)
    entry.content = "edited"
    assert NO_HANG > _seconds(entry.save)
    assert fresh(entry).processing_state == State.CELERY_ERROR


def test_an_outage_is_told_with_its_entries(broker_out: Any) -> None:
    with heard("broker_unreachable") as untold:
        entry = create()
    assert [entry.pk] == untold


def test_within_the_window_of_an_outage_nobody_calls_the_broker_again(refuser: Refuser) -> None:
    create()
    before = refuser.calls
    assert before > 0
    for _ in range(5):
        assert fresh(create()).processing_state == State.CELERY_ERROR
    assert before == refuser.calls


def test_after_the_window_the_broker_is_tried_again(refuser: Refuser) -> None:
    create()
    before = refuser.calls
    dispatch.broker._silent_until = time.monotonic()
    create()
    assert before < refuser.calls


def test_what_recovery_offers_probes_within_the_window_too(refuser: Refuser) -> None:
    entry = put(create(), due_at=hosts.entries().get().processing_waiting_since)
    before = refuser.calls
    assert [] == dispatch.offer([entry.pk])
    assert before < refuser.calls


def test_when_the_broker_is_back_the_next_save_after_a_probe_tells_it(sent: Sent, refuser: Refuser) -> None:
    entry = create()
    with use_broker(current_app._get_current_object(), "memory://"):
        dispatch.broker._silent_until = time.monotonic() + 30
        put(entry, due_at=fresh(entry).processing_waiting_since)
        assert [entry.pk] == dispatch.offer([entry.pk])
        assert State.PENDING == fresh(create()).processing_state
    assert len(sent()) == 2


def test_a_redis_that_comes_back_is_told_again(killable_redis: services.Redis, redis_broker: services.Redis) -> None:
    killable_redis.stop()
    entry = create()
    assert fresh(entry).processing_state == State.CELERY_ERROR
    killable_redis.start()
    put(entry, due_at=fresh(entry).processing_waiting_since)
    assert [entry.pk] == dispatch.offer([entry.pk])


def test_a_redis_that_thaws_is_told_again(killable_redis: services.Redis, redis_broker: services.Redis) -> None:
    assert fresh(create()).processing_state == State.PENDING
    killable_redis.freeze()
    assert NO_HANG > _seconds(create)
    killable_redis.thaw()
    dispatch.broker._silent_until = 0.0
    assert fresh(create()).processing_state == State.PENDING


def test_a_frozen_redis_cannot_hold_up_a_worker_that_offers(
    killable_redis: services.Redis, redis_broker: services.Redis
) -> None:
    entries = [in_state(State.PENDING) for _ in range(3)]
    killable_redis.freeze()
    assert NO_HANG > _seconds(lambda: dispatch.offer([entry.pk for entry in entries]))


def test_only_what_is_due_is_offered(sent: Sent) -> None:
    entry = create()
    sent()
    assert [] == dispatch.offer([entry.pk])
    assert sent() == []


def test_what_is_due_is_offered_once(sent: Sent) -> None:
    entry = in_state(State.PENDING)
    sent()
    assert [entry.pk] == dispatch.offer([entry.pk])
    assert [] == dispatch.offer([entry.pk])
    assert len(sent()) == 1


def test_an_entry_is_marked_before_the_broker_is_told(sent: Sent) -> None:
    entry = in_state(State.PENDING)
    sent()
    seen = []

    def look(sql_executor: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql.partition(" ")[0], len(sent())))
        return sql_executor(sql, params, many, context)

    from django.db import connection

    with connection.execute_wrapper(look):
        dispatch.offer([entry.pk])
    assert ("UPDATE", 0) in seen
    assert {0} == {count for _, count in seen}


def test_where_one_message_fails_the_rest_is_not_tried(refuser: Refuser) -> None:
    entries = [in_state(State.PENDING, solitary=True) for _ in range(4)]
    before = refuser.calls
    dispatch.broker._silent_until = 0.0
    dispatch.offer([entry.pk for entry in entries])
    assert refuser.calls - before <= 2
    assert ["CELERY_ERROR"] * 4 == [fresh(entry).processing_state for entry in entries]


def test_what_was_claimed_meanwhile_is_not_called_untold(dead_broker: str) -> None:
    entry = in_state(State.PROCESSING)
    before = row(entry)
    dispatch.nudge([entry.pk], "insights")
    assert before == row(entry)


def test_the_error_of_the_broker_is_kept_without_its_words(dead_broker: str) -> None:
    error = fresh(create()).processing_error
    assert dead_broker not in error
    assert "127.0.0.1" not in error


def test_each_thread_has_a_line_of_its_own(redis_broker: services.Redis) -> None:
    lines: set[int] = set()

    def dial() -> None:
        lines.add(id(dispatch.broker._connection()))

    dial()
    other = threading.Thread(target=dial)
    other.start()
    other.join()
    assert len(lines) == 2


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"])
def test_no_wait_for_a_broker_is_unbounded(url: str) -> None:
    app = current_app._get_current_object()
    with use_broker(app, url):
        connection: Connection = dispatch.bounded_connection(0.2)
        assert connection.connect_timeout == 0.2
        options = connection.transport_options
        assert 0.2 in {options.get("socket_timeout"), options.get("read_timeout")}
        assert options["max_retries"] == 0
