"""The embedded broker: a message is there whole or not at all."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kombu import Connection, Exchange, Queue

from tests.harness import filesystem_broker

TRANSPORT = "insights_recovery.embedded_broker:Transport"
MESSAGES = 300


@pytest.fixture
def connect(tmp_path: Path) -> Any:
    """Return a function that connects to one and the same folder."""
    _, options = filesystem_broker(tmp_path)
    return lambda: Connection(transport=TRANSPORT, hostname="localhost", transport_options=options)


@pytest.fixture
def name() -> str:
    """The name of a queue of this test's own: kombu remembers per process which it has bound."""
    return uuid4().hex


def test_what_is_put_is_got(connect: Any, name: str) -> None:
    with connect() as connection, connection.SimpleQueue(name) as queue:
        for letter in "abc":
            queue.put(letter)

        assert {queue.get(timeout=5).payload for _ in range(3)} == {"a", "b", "c"}


def test_a_reader_never_finds_half_a_message(connect: Any, name: str) -> None:
    def write() -> None:
        with connect() as connection, connection.SimpleQueue(name) as queue:
            for number in range(MESSAGES):
                queue.put({"number": number, "ballast": "x" * 10_000})

    writer = threading.Thread(target=write)
    # Bound before the writer starts: the two share what kombu remembers of bindings, and it remembers early.
    with connect() as connection, connection.SimpleQueue(name) as queue:
        writer.start()
        numbers = [queue.get(timeout=30).payload["number"] for _ in range(MESSAGES)]
    writer.join()

    assert sorted(numbers) == list(range(MESSAGES))


def test_no_draft_stays_behind(connect: Any, name: str, tmp_path: Path) -> None:
    with connect() as connection, connection.SimpleQueue(name) as queue:
        queue.put("a")

    assert [path.suffix for path in (tmp_path / "data").iterdir()] == [".msg"]


def test_bindings_made_at_the_same_moment_are_all_there(connect: Any, name: str) -> None:
    exchange = Exchange(name, type="fanout")

    def bind(number: int) -> None:
        with connect() as connection:
            Queue(f"{name}-{number}", exchange, channel=connection.default_channel).declare()

    threads = [threading.Thread(target=bind, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with connect() as connection:
        bound = {row.queue for row in connection.default_channel.get_table(name)}
    assert bound == {f"{name}-{number}" for number in range(8)}
