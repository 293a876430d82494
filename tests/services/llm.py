"""A server that speaks OpenAI's chat completions on a loopback port, and misbehaves the way a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
_DRIP = 0.02

LISTS = ("people", "places", "organisations", "events", "products", "activities", "food", "media")


def finding(label: str, snippet: str = "", sentiment: float | None = 0.0) -> dict[str, Any]:
    """Return one finding as the model writes it."""
    return {"label": label, "snippet": snippet, "sentiment": sentiment}


def answer(**fields: Any) -> dict[str, Any]:
    """Return the object that a model answers with, empty but for `fields`."""
    whole: dict[str, Any] = {"language": "en", "title": "A day", "summary": "It was a day.", "sentiment": 0.0}
    whole |= {name: [] for name in ("emotions", "themes", *LISTS, "key_phrases", "tags")}
    return whole | fields


def completion(content: object, **choice: Any) -> dict[str, Any]:
    """Return the document in which a service sends the model's words; an object is written as JSON."""
    said = content if isinstance(content, str | None) else json.dumps(content, ensure_ascii=False)
    message = {"role": "assistant", "content": said, **choice.pop("message", {})}
    return {
        "object": "chat.completion",
        "model": "said-by-the-server",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", **choice}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
    }


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that came in."""

    path: str
    """The path."""
    headers: Mapping[str, str]
    """The headers; names in any case."""
    connection: int
    """The port at the other end, which tells one connection from another."""
    body: dict[str, Any]
    """The document."""

    @property
    def system(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def user(self) -> str:
        return str(self.body["messages"][1]["content"])


@dataclass(frozen=True, kw_only=True)
class Response:
    """What to send: a document, or bytes as they are."""

    document: Any = None
    """Sent as JSON."""
    raw: bytes | None = None
    """Sent as it is, instead of the document."""
    status: int = 200
    """The HTTP status."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers beside, or instead of, the usual ones."""

    @property
    def body(self) -> bytes:
        return self.raw if self.raw is not None else json.dumps(self.document).encode()


Manner = Callable[["_Handler", Response], None]


class LanguageModel:
    """The server. It answers every request with what it was told last, in the manner it was told."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.stopping = threading.Event()
        self._act: Callable[[_Handler, Asked], None] = lambda handler, _: whole(handler, Response(status=404))
        self._server = ThreadingHTTPServer((HOST, 0), _Handler)
        self._server.daemon_threads = True
        self._server.model = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self._server.server_port}/v1"

    def answers(self, **fields: Any) -> None:
        """Answer as a model that behaves; see `answer`."""
        self.sends(completion(answer(**fields)))

    def says(self, content: object, **choice: Any) -> None:
        """Have the model say just this; see `completion`."""
        self.sends(completion(content, **choice))

    def sends(self, document: Any = None, *, manner: Manner | None = None, **response: Any) -> None:
        """Send this document; `response` has the fields of `Response`, `manner` is a function of this module."""
        told = Response(document=document, **response)
        self._act = lambda handler, _: (manner or whole)(handler, told)

    def reacts(self, reaction: Callable[[Asked], Response]) -> None:
        """Send what the function makes of each request."""
        self._act = lambda handler, asked: whole(handler, reaction(asked))

    def take(self, handler: _Handler, asked: Asked) -> None:
        """Answer one request."""
        self.asked.append(asked)
        self._act(handler, asked)

    def stop(self) -> None:
        """Stop, and let go of whoever still waits."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    # Connections are kept where the client wants it.
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        port = self.client_address[1]
        self.model.take(self, Asked(path=self.path, headers=self.headers, connection=port, body=body))

    def log_message(self, *_: object) -> None:
        """Say nothing: pytest's output is not for it."""

    @property
    def model(self) -> LanguageModel:
        model: LanguageModel = self.server.model  # type: ignore[attr-defined]
        return model

    def head(self, told: Response, *, length: int | None) -> None:
        """Send status and headers."""
        self.send_response(told.status)
        end = {"Connection": "close"} if length is None else {"Content-Length": str(length)}
        usual = {"Content-Type": "application/json", **end}
        for name, value in (usual | dict(told.headers)).items():
            self.send_header(name, value)
        self.end_headers()

    def drip(self, data: bytes) -> None:
        """Send a byte at a time, until it is all there, the other side has gone, or the test is over."""
        for byte in data:
            if self.model.stopping.wait(_DRIP):
                return
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                return


def whole(handler: _Handler, told: Response) -> None:
    """Send all of it."""
    try:
        handler.head(told, length=len(told.body))
        handler.wfile.write(told.body)
    except OSError:
        handler.close_connection = True


def without_length(handler: _Handler, told: Response) -> None:
    """Send all of it, so slowly that nobody waits for its end; the end is that of the connection."""
    handler.close_connection = True
    handler.head(told, length=None)
    handler.drip(told.body)


def cut_short(handler: _Handler, told: Response) -> None:
    """Promise all of it, send half, and hang up."""
    handler.close_connection = True
    handler.head(told, length=len(told.body))
    handler.wfile.write(told.body[: len(told.body) // 2])


def dripping(handler: _Handler, told: Response) -> None:
    """Send a byte at a time."""
    handler.close_connection = True
    handler.head(told, length=len(told.body))
    handler.drip(told.body)


def dripping_headers(handler: _Handler, told: Response) -> None:
    """Send headers without end, a byte at a time."""
    handler.close_connection = True
    handler.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000)


def silent(handler: _Handler, told: Response) -> None:
    """Take the request and say nothing."""
    handler.close_connection = True
    handler.model.stopping.wait(30)


def hanging_up(handler: _Handler, told: Response) -> None:
    """Take the request and hang up."""
    handler.close_connection = True


def garbled(handler: _Handler, told: Response) -> None:
    """Send what is not HTTP."""
    handler.close_connection = True
    handler.wfile.write(b"\x00\x01 no protocol of ours " + told.body + b"\r\n\r\n")
