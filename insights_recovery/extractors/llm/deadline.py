"""An end for an exchange as a whole: a client's own timeouts begin anew with every byte that a slow service drips."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

_NEW_STREAM = ("connect_tcp.complete", "start_tls.complete")


class Deadline:
    """Hangs up when its time has passed; whoever waits for the next byte then meets the end of the connection."""

    def __init__(self, seconds: float) -> None:
        self.has_passed = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def watch(self, event: str, facts: Mapping[str, Any]) -> None:
        """Take note of the connection: httpx's `trace` extension calls this at every step."""
        if event.endswith(_NEW_STREAM):
            self._socket = facts["return_value"].get_extra_info("socket")
            if self.has_passed:
                self._hang_up()

    def _pass(self) -> None:
        self.has_passed = True
        self._hang_up()

    def _hang_up(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # Past ssl's own, which would take the cipher away from the thread that is reading.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
