"""The end of an exchange, wherever it is met."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from insights_recovery.extractors.llm.deadline import Deadline
from tests.services.waiting import wait_until


class Stream:
    """A connection as the client's trace shows it."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def get_extra_info(self, name: str) -> Any:
        return self._end if name == "socket" else None


@pytest.mark.parametrize("event", ["connection.connect_tcp.complete", "proxy.start_tls.complete"])
@pytest.mark.parametrize("seconds", [0, 0.1], ids=["passed before", "passes after"])
def test_a_connection_ends_with_its_time(event: str, seconds: float) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Deadline(seconds) as deadline:
        if not seconds:
            wait_until(lambda: deadline.has_passed, 10)
        deadline.watch(event, {"return_value": Stream(ours)})
        ours.settimeout(10)
        assert ours.recv(1) == b""


def test_time_that_passes_without_a_connection_hurts_nobody() -> None:
    with Deadline(0) as deadline:
        deadline.watch("connection.connect_tcp.started", {})
        wait_until(lambda: deadline.has_passed, 10)


def test_an_exchange_in_time_is_left_alone() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with Deadline(3600) as deadline:
            deadline.watch("connection.connect_tcp.complete", {"return_value": Stream(ours)})
        theirs.send(b"x")
        assert ours.recv(1) == b"x"
        assert not deadline.has_passed


def test_a_connection_that_is_closed_already_hurts_nobody() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    ours.close()
    with Deadline(0) as deadline:
        wait_until(lambda: deadline.has_passed, 10)
        deadline.watch("connection.connect_tcp.complete", {"return_value": Stream(ours)})
