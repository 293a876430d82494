"""A line between our processes and the broker that can be cut and frozen, whoever's the broker is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any

HOST = "127.0.0.1"
CHUNK = 65_536
"""Bytes that are passed on at a time."""
WITHOUT_GOODBYE = struct.pack("ii", 1, 0)
"""Value of SO_LINGER with which closing a socket resets the connection. Source: socket(7)."""


class Proxy:
    """Passes on what comes to a port of this machine; runs on a thread of its own."""

    _loop: asyncio.AbstractEventLoop
    _thread: threading.Thread

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._open = asyncio.Event()
        self._listener: socket.socket | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    def start(self) -> None:
        """Listen on a free port, which from then on is `port`."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos-proxy", daemon=True)
        self._thread.start()
        self._run(self._listen())
        self.thaw()

    def close(self) -> None:
        """Refuse connections, and reset those that there are."""
        self._run(self._hang_up())

    def reopen(self) -> None:
        """Accept connections again, on the same port."""
        self._run(self._listen())

    def freeze(self) -> None:
        """Let connections stand, and pass nothing on."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def thaw(self) -> None:
        """Pass everything on again."""
        self._loop.call_soon_threadsafe(self._open.set)

    def end(self) -> None:
        """End the thread, if it was ever started."""
        if not self.port:
            return
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, action: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(action, self._loop).result()

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server((HOST, self.port))
            self._listener.setblocking(False)
            self.port = self._listener.getsockname()[1]
            self._loop.add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        # asyncio's own server loses sight of what it is just accepting when it is closed at that moment.
        with contextlib.suppress(OSError):
            accepted, _ = listener.accept()
            task = self._loop.create_task(self._serve(accepted))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
            # Cancelled before its first step it would never have been anybody's.
            task.add_done_callback(lambda _: accepted.close())

    async def _hang_up(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        connections = tuple(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, accepted: socket.socket) -> None:
        ends: list[asyncio.StreamWriter] = []
        try:
            reader, writer = await asyncio.open_connection(sock=accepted)
            ends.append(writer)
            await self._open.wait()
            there_reader, there_writer = await asyncio.open_connection(*self._upstream)
            ends.append(there_writer)
            await asyncio.gather(self._pass_on(reader, there_writer), self._pass_on(there_reader, writer))
        except OSError:
            # The broker itself refuses: the client is hung up on.
            return
        except asyncio.CancelledError:
            for end in ends:
                _say_no_goodbye(end)
            raise
        finally:
            for end in ends:
                end.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A connection that breaks ends both directions; that is what happens to connections here.
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


def _say_no_goodbye(end: asyncio.StreamWriter) -> None:
    """Let this end of a connection be reset when it is closed; one that has closed meanwhile cannot be."""
    with contextlib.suppress(OSError):
        end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, WITHOUT_GOODBYE)
