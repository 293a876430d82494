"""One exchange with the service over HTTP: no retries, no redirects, bounded in time and size."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from insights_recovery.exceptions import PostponeError
from insights_recovery.extractors.llm.deadline import Deadline
from insights_recovery.extractors.llm.options import Options

if TYPE_CHECKING:
    import httpx

MAX_BODY = 4 * 1024 * 1024
"""Bytes of an answer that are read; the longest of an honest model is far below."""
CONFIGURATION_DELAY = 900.0
"""Seconds until a fault is probed that a person must put right."""
_CONNECT = 10.0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the service sent back."""

    status: int
    """The HTTP status."""
    headers: Mapping[str, str]
    """The HTTP headers; they are asked for by names in lower case."""
    body: bytes
    """The body, `MAX_BODY` bytes of it at the most."""
    is_whole: bool
    """Whether that is all of the body."""


class Client:
    """Speaks to one service.

    Connections are not kept: an exchange takes seconds, a connection milliseconds, and one that a fork or a server's
    restart has spoilt would cost an entry its turn.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._url = f"{options.base_url.rstrip('/')}/chat/completions"

    def post(self, document: Mapping[str, Any]) -> Reply:
        """Send `document`; return what came back.

        Raises:
            PostponeError: there was no exchange. Nothing of what was sent or received hangs on to it.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        headers |= self._authorization()
        outcome = self._exchange(json.dumps(document).encode(), headers)
        # Raised here and not where it came about, so that no exception of the client's is its context.
        if isinstance(outcome, PostponeError):
            raise outcome
        return outcome

    def _authorization(self) -> dict[str, str]:
        if self._options.api_key_env is None:
            return {}
        key = os.environ.get(self._options.api_key_env, "").strip()
        if not key or not key.isascii() or not key.isprintable():
            raise PostponeError(retry_after=CONFIGURATION_DELAY, code="no-api-key")
        return {"Authorization": f"Bearer {key}"}

    def _exchange(self, content: bytes, headers: Mapping[str, str]) -> Reply | PostponeError:
        try:
            import httpx  # noqa: PLC0415 - of the extra; loaded by the task that needs it, never at start
        except ImportError:
            return PostponeError(retry_after=CONFIGURATION_DELAY, code="llm-extra-missing")
        deadline = Deadline(self._options.timeout)
        watched = {"trace": deadline.watch}
        try:
            with (
                deadline,
                self._http.stream("POST", self._url, content=content, headers=headers, extensions=watched) as response,
            ):
                body, is_whole = _bounded(response.iter_raw())
                reply = Reply(status=response.status_code, headers=response.headers, body=body, is_whole=is_whole)
        except httpx.TimeoutException:
            return PostponeError(code="timeout")
        except (httpx.HTTPError, OSError):
            return PostponeError(code="timeout" if deadline.has_passed else "connection")
        except (httpx.InvalidURL, ImportError, ValueError):
            # The address, or what the environment says of proxies and certificates.
            return PostponeError(retry_after=CONFIGURATION_DELAY, code="unusable-address")
        # A body without a length ends where the connection does, even when it was the deadline that ended it.
        return PostponeError(code="timeout") if deadline.has_passed else reply

    @cached_property
    def _http(self) -> httpx.Client:
        import httpx  # noqa: PLC0415 - the same

        seconds = self._options.timeout
        return httpx.Client(
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=httpx.Timeout(seconds, connect=min(seconds, _CONNECT)),
        )


def _bounded(chunks: Iterator[bytes]) -> tuple[bytes, bool]:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY:
            return bytes(body[:MAX_BODY]), False
    return bytes(body), True
