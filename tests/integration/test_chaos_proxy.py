"""The line to the broker: it passes everything on, and can be cut and frozen."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator

import pytest

from insights_recovery.chaos.proxy import CHUNK, Proxy
from tests.harness import wait_until
from tests.services.servers import HOST, free_port, listening

SOON = 10.0
"""Seconds that an answer may take on a busy machine."""
SILENCE = 0.3
"""Seconds for which nothing must come over a frozen line."""


class Echo:
    """A server that sends back what it gets."""

    def __init__(self) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard = b""
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening, and hang up."""
        self._listener.close()
        for connection in self.connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._send_back, args=(connection,), daemon=True).start()

    def _send_back(self, connection: socket.socket) -> None:
        try:
            while data := connection.recv(CHUNK):
                self.heard += data
                connection.sendall(data)
        except OSError:
            return


@pytest.fixture
def echo() -> Iterator[Echo]:
    """A server of the test's own."""
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    """A line to it."""
    line = Proxy(HOST, echo.port)
    line.start()
    yield line
    line.end()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    """A connection over the line that has been used."""
    with socket.create_connection((HOST, proxy.port), timeout=SOON) as connection:
        assert _said_back(connection, b"hello") == b"hello"
        yield connection


def _said_back(connection: socket.socket, words: bytes) -> bytes:
    connection.sendall(words)
    return _received(connection, len(words))


def _received(connection: socket.socket, length: int) -> bytes:
    got = b""
    while len(got) < length:
        got += connection.recv(CHUNK)
    return got


def test_everything_is_passed_on_both_ways(client: socket.socket) -> None:
    words = bytes(range(256)) * 20_000
    sender = threading.Thread(target=client.sendall, args=(words,))
    sender.start()
    assert _received(client, len(words)) == words
    sender.join()


def test_connections_do_not_hear_each_other(client: socket.socket, proxy: Proxy) -> None:
    with socket.create_connection((HOST, proxy.port), timeout=SOON) as other:
        assert _said_back(other, b"other") == b"other"
        assert _said_back(client, b"first") == b"first"


def test_a_closed_line_resets_what_is_connected_and_refuses_what_comes(
    client: socket.socket, proxy: Proxy, echo: Echo
) -> None:
    proxy.close()

    with pytest.raises(ConnectionResetError):
        client.recv(CHUNK)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, proxy.port), timeout=SOON)
    (broker,) = echo.connections
    wait_until(lambda: _is_over(broker), SOON, what="the broker to see that its client is gone")


def _is_over(connection: socket.socket) -> bool:
    try:
        connection.send(b"?")
    except OSError:
        return True
    return False


def test_a_line_that_is_closed_twice_is_closed(client: socket.socket, proxy: Proxy) -> None:
    proxy.close()
    proxy.close()
    assert not listening(proxy.port)


def test_a_reopened_line_has_the_same_port(client: socket.socket, proxy: Proxy) -> None:
    before = proxy.port
    proxy.close()
    proxy.reopen()

    assert proxy.port == before
    with socket.create_connection((HOST, before), timeout=SOON) as again:
        assert _said_back(again, b"again") == b"again"


def test_a_line_that_is_open_may_be_opened(client: socket.socket, proxy: Proxy) -> None:
    proxy.reopen()
    proxy.thaw()
    assert _said_back(client, b"still here") == b"still here"


def test_over_a_frozen_line_nothing_comes_until_it_thaws(client: socket.socket, proxy: Proxy, echo: Echo) -> None:
    proxy.freeze()
    client.sendall(b"from me ")
    echo.connections[0].sendall(b"from the broker ")

    client.settimeout(SILENCE)
    with pytest.raises(TimeoutError):
        client.recv(CHUNK)
    assert echo.heard == b"hello"

    proxy.thaw()
    client.settimeout(SOON)
    assert _received(client, len(b"from the broker from me ")) == b"from the broker from me "
    assert echo.heard == b"hellofrom me "


def test_whoever_connects_while_the_line_is_frozen_is_served_after_it(proxy: Proxy, echo: Echo) -> None:
    proxy.freeze()
    with socket.create_connection((HOST, proxy.port), timeout=SILENCE) as patient:
        patient.sendall(b"hello")
        with pytest.raises(TimeoutError):
            patient.recv(CHUNK)
        assert echo.connections == []

        proxy.thaw()
        patient.settimeout(SOON)
        assert _received(patient, 5) == b"hello"


def test_whoever_waits_on_a_frozen_line_is_reset_with_the_others(proxy: Proxy) -> None:
    proxy.freeze()
    with socket.create_connection((HOST, proxy.port), timeout=SILENCE) as patient:
        with pytest.raises(TimeoutError):
            patient.recv(CHUNK)
        proxy.close()
        patient.settimeout(SOON)
        with pytest.raises(ConnectionResetError):
            patient.recv(CHUNK)


def test_a_broker_that_refuses_hangs_up_on_the_client(caplog: pytest.LogCaptureFixture) -> None:
    line = Proxy(HOST, free_port())
    line.start()
    try:
        with socket.create_connection((HOST, line.port), timeout=SOON) as client:
            assert client.recv(CHUNK) == b""
    finally:
        line.end()
    gc.collect()
    assert caplog.messages == [], "asyncio complains of errors that nobody saw"


def test_a_broker_that_hangs_up_is_passed_on(client: socket.socket, echo: Echo) -> None:
    echo.connections[0].shutdown(socket.SHUT_RDWR)
    assert client.recv(CHUNK) == b""


def test_nothing_is_left_when_the_line_ends(echo: Echo, caplog: pytest.LogCaptureFixture) -> None:
    line = Proxy(HOST, echo.port)
    line.start()
    with socket.create_connection((HOST, line.port), timeout=SOON) as client:
        assert _said_back(client, b"hello") == b"hello"
        line.end()

    assert not line._thread.is_alive()
    assert not listening(line.port)
    assert caplog.messages == [], "asyncio complains of tasks that are left"


def test_a_line_that_was_never_laid_ends_at_once() -> None:
    Proxy(HOST, free_port()).end()
