"""The ladder itself: try each rung in order, and remember which one bore."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeVar


class UnavailableError(Exception):
    """A server is not to be had here; the message says why, rung by rung."""


class Handle(Protocol):
    """What every server's handle tells."""

    rung: str
    """How it was found: `given`, `installed`, `wheel` or `fake`."""
    version: str
    """The server's version."""


HandleT = TypeVar("HandleT", bound=Handle)


@dataclass(frozen=True, kw_only=True)
class Used:
    """A server that was used, or the reason why there was none."""

    service: str
    """Which kind of server."""
    rung: str
    """How it was found; `none` where it was not."""
    version: str
    """Its version; empty where there was none."""
    reason: str = ""
    """Why there was none."""

    def __str__(self) -> str:
        return (
            f"{self.service} left out ({self.reason})"
            if self.reason
            else f"{self.service} {self.version} ({self.rung})"
        )


_used: list[Used] = []


def used() -> list[Used]:
    """Return the servers that this process asked for so far."""
    return list(_used)


def required() -> bool:
    """Return whether a missing server must fail the tests instead of skipping them."""
    return os.environ.get("REQUIRE_SERVICES") == "1"


def climb(service: str, rungs: Iterable[Callable[[], HandleT]]) -> HandleT:
    """Return the handle of the first rung that bears.

    Raises:
        UnavailableError: none does; the message gives each rung's reason.
    """
    reasons = []
    for rung in rungs:
        try:
            handle = rung()
        except UnavailableError as why:
            reasons.append(str(why))
        else:
            _remember(Used(service=service, rung=handle.rung, version=handle.version))
            return handle
    _remember(Used(service=service, rung="none", version="", reason="; ".join(reasons)))
    raise UnavailableError("; ".join(reasons))


def _remember(used: Used) -> None:
    """Keep it for this run's summary, and for the runner that sums up many runs."""
    _used.append(used)
    if report := os.environ.get("SERVICES_REPORT"):
        with Path(report).open("a") as lines:
            lines.write(json.dumps(asdict(used)) + "\n")
