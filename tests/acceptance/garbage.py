"""Messages that nobody should send, as raw as a broker takes them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from celery import current_app

CANARY = "xylographerquux"
TASK = "insights_recovery.tasks.extract_insights_task"


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """One of them."""

    name: str
    """What is wrong with it."""
    body: str | bytes
    """Its body."""
    headers: dict[str, Any] = field(default_factory=dict)
    """Its headers."""
    content_type: str = "application/json"
    """What it says of its body."""

    def send(self, queue: str) -> None:
        """Put it into a queue."""
        encoding = "binary" if isinstance(self.body, bytes) else "utf-8"
        with current_app.connection_for_write() as line:
            line.Producer().publish(
                self.body,
                exchange="",
                routing_key=queue,
                headers=self.headers,
                content_type=self.content_type,
                content_encoding=encoding,
            )


def _headers(**changes: Any) -> dict[str, Any]:
    """Return the headers of a message of ours, with some of them changed."""
    return {"lang": "py", "task": TASK, "id": str(uuid4()), "retries": 0, "timelimit": [25, 20], **changes}


def _body(*args: Any, **kwargs: Any) -> str:
    return json.dumps([args, kwargs, {}])


def _of_ours(name: str, body: str, **headers: Any) -> Garbage:
    return Garbage(name=name, body=body, headers=_headers(**headers))


NESTED = "[" * 20_000 + "]" * 20_000

FOR_OUR_TASKS = (
    _of_ours("a text for a key", _body(CANARY)),
    _of_ours("texts for keys", _body([CANARY, f"1; DROP TABLE {CANARY}"])),
    _of_ours("dicts and lists for keys", _body([{CANARY: [CANARY]}, [[CANARY]], None, True, 1.5])),
    _of_ours("numbers that are none", "[[[NaN, Infinity, -Infinity, 1e308, 1e999]], {}, {}]"),
    _of_ours("a number beyond 64 bits", _body([2**63, -(2**200), 10**4000])),
    _of_ours("types of kombu's", _body([{"__type__": "uuid", "__value__": "no"}, {"__type__": "bytes"}])),
    _of_ours("arguments nested too deeply", f"[[{NESTED}], {{}}, {{}}]"),
    _of_ours("twenty thousand strangers", _body(list(range(10**6, 10**6 + 20_000)))),
    _of_ours("no argument", _body()),
    _of_ours("too many arguments", _body([1], CANARY)),
    _of_ours("an unknown argument", _body([1], note=CANARY)),
    _of_ours("arguments in a text", json.dumps([CANARY, {}, {}])),
    _of_ours("arguments in a dict", json.dumps([{CANARY: 1}, {}, {}])),
    _of_ours("a limit in the past", _body([1]), timelimit=[-1, -1]),
    _of_ours("an expiry in the past", _body([1]), expires="2001-01-01T00:00:00+00:00"),
    _of_ours("another release's headers", _body([10**6]), stamps={CANARY: 1}, priority_class=CANARY),
    Garbage(name="the older protocol", body=json.dumps({"task": TASK, "id": "1", "args": [CANARY], "kwargs": {}})),
)
"""What reaches a task of ours; nothing of it is repeated."""

STUMBLING = (
    Garbage(name="no id", body=_body([1]), headers={"lang": "py", "task": TASK, "retries": 0}),
    _of_ours("an id that is a dict", _body([1]), id={"a": 1}),
    _of_ours("a task that is a list", _body([1]), task=[TASK]),
    _of_ours("an empty body", "[]"),
    _of_ours("a body of four", json.dumps([[1], {}, {}, CANARY])),
    _of_ours("a text for a body", json.dumps(CANARY)),
    _of_ours("nothing for a body", "null"),
    _of_ours("a number for a body", "7"),
)
"""What would end the worker's main process."""

FOR_NOBODY = (
    _of_ours("a task that is not", _body([1]), task="insights_recovery.tasks.no_such_task"),
    _of_ours("no task", _body([1]), task=None),
    _of_ours("corrupt JSON", '[[1], {"a": '),
    _of_ours("an expiry that is none", _body([1]), expires="tomorrow"),
    _of_ours("a start that is none", _body([1]), eta="tomorrow"),
    Garbage(name="no headers", body=json.dumps({"entry": 1})),
    Garbage(name="octets", body=b"\x00\xff\xfe", content_type="application/octet-stream"),
    Garbage(name="octets for us", body=b"\x00\xff", headers=_headers(), content_type="application/octet-stream"),
    Garbage(
        name="a pickle", body=b"c__main__\nno\n.", headers=_headers(), content_type="application/x-python-serialize"
    ),
    Garbage(name="an unknown type", body="1", headers=_headers(), content_type="text/unheard-of"),
)
"""What Celery itself turns away."""
