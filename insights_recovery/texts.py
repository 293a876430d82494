"""Reading an entry's text, with its digest, through a hook of the host's that may fail."""

from __future__ import annotations

from dataclasses import dataclass

from insights_recovery.lifecycle import digest_of
from insights_recovery.models import RecoverableEntry

UNREADABLE = "unreadable"
"""Stands for the digest of a text that the host's hook cannot produce."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What an entry's `get_insight_text()` gave."""

    text: str
    """The text; empty where there is none to be had."""
    digest: str
    """Its digest, or `UNREADABLE`."""
    error: Exception | None = None
    """What the hook raised, if it did."""


def read(entry: RecoverableEntry) -> Reading:
    """Return the entry's text; an error of the host's hook comes back as a value, and counts as a failed attempt."""
    try:
        text: object = entry.get_insight_text()
    except Exception as error:  # noqa: BLE001 - the worker's boundary: a host's hook may raise anything
        return Reading(text="", digest=UNREADABLE, error=error)
    if not isinstance(text, str):
        return Reading(text="", digest=UNREADABLE, error=TypeError("get_insight_text() must return a string"))
    return Reading(text=text, digest=digest_of(text))
