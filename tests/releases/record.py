"""What a release put on the wire and knew of the tables, kept in a file of its own.

Messages outlive the code that sent them: while workers are replaced one by one, those of a release run beside those of
the next, on one database and one broker. What is kept of a release is therefore never changed; each release adds its
file, and all later ones are tested against it:

    DJANGO_SETTINGS_MODULE=tests.settings.main python -m tests.releases
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kombu.serialization import loads

FOLDER = Path(__file__).parent
ACCEPT = {"application/json"}
"""What a worker takes, by default."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message, as it lies in a broker."""

    name: str
    """What it says, in a few words."""
    queue: str
    """The queue it was sent to."""
    raw: dict[str, Any]
    """Body, headers and properties, in the form that kombu's own transports have in common."""

    @property
    def task(self) -> str:
        """The task it is for."""
        return str(self.raw["headers"]["task"])

    @property
    def body(self) -> bytes:
        """The body's bytes."""
        return base64.b64decode(self.raw["body"])

    @property
    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """The task's positional and keyword arguments."""
        args, kwargs, _ = loads(self.body, self.raw["content-type"], self.raw["content-encoding"], accept=ACCEPT)
        return args, kwargs

    @property
    def keys(self) -> list[Any]:
        """The keys of the entries that it names."""
        args, _ = self.arguments
        return [pk for argument in args for pk in (argument if isinstance(argument, list) else [argument])]


@dataclass(frozen=True, kw_only=True)
class Release:
    """What is kept of one release."""

    version: str
    """Its version."""
    messages: tuple[Message, ...]
    """What it sends."""
    columns: dict[str, list[str]]
    """The columns that it knows of each table; those of the mixin under `entry`."""

    def message(self, name: str) -> Message:
        """Return the message of this name."""
        return next(message for message in self.messages if message.name == name)


def kept() -> tuple[Release, ...]:
    """Return what is kept of each release."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.json")))


def _read(path: Path) -> Release:
    facts = json.loads(path.read_text(encoding="utf-8"))
    messages = tuple(Message(**message) for message in facts["messages"])
    return Release(version=facts["version"], messages=messages, columns=facts["columns"])


def keep(release: Release) -> Path:
    """Write down what is kept of a new release, and return its file.

    Raises:
        FileExistsError: it is written down already, and stays as it is.
    """
    path = FOLDER / f"{release.version}.json"
    with path.open("x", encoding="utf-8") as file:
        file.write(json.dumps(asdict(release), indent=1, sort_keys=True) + "\n")
    return path


def all_messages() -> Iterator[tuple[str, Message]]:
    """Yield each message of each release, with a name for it."""
    for release in kept():
        for message in release.messages:
            yield f"{release.version}: {message.name}", message
