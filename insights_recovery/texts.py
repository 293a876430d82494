"""Reading an entry's text, with its digest, through a hook of the host's that may fail."""

from __future__ import annotations

import unicodedata
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from insights_recovery.lifecycle import digest_of
from insights_recovery.scrubbing import wordless

if TYPE_CHECKING:
    from insights_recovery.models import RecoverableEntry

UNREADABLE = "unreadable"
"""Stands for the digest of a text that the host's hook cannot produce."""
UNSEEN = frozenset({"Cc", "Cf"})
"""Unicode's categories of what nobody can read: controls and formats, such as the zero-width space that an editor puts
into an empty field, byte order marks, and marks of direction."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What an entry's `get_insight_text()` gave."""

    text: str
    """The text; empty where there is none to be had, or nothing in it that can be read."""
    digest: str
    """Its digest, or `UNREADABLE`."""
    error: Exception | None = None
    """What the hook raised, if it did."""


def read(entry: RecoverableEntry, *, using: str | None = None) -> Reading:
    """Return the entry's text; an error of the host's hook comes back as a value.

    For a worker it is a failed attempt, and a save goes on without it: the words that somebody wrote are worth more.
    `using` names the database of an entry that is in none yet.
    """
    try:
        with _hook_apart(entry, using or entry._state.db):
            text: object = entry.get_insight_text()
    except (SystemExit, KeyboardInterrupt) as end:
        raise wordless(end) from None
    except Exception as error:  # noqa: BLE001 - the worker's boundary: a host's hook may raise anything
        return Reading(text="", digest=UNREADABLE, error=error)
    if not isinstance(text, str):
        return Reading(text="", digest=UNREADABLE, error=TypeError("get_insight_text() must return a string"))
    # A plain string, whatever the hook's subclass makes of its methods.
    plain = str.__str__(text)
    return Reading(text=plain if _says_something(plain) else "", digest=digest_of(plain))


def _says_something(text: str) -> bool:
    return any(not char.isspace() and unicodedata.category(char) not in UNSEEN for char in text)


def _hook_apart(entry: RecoverableEntry, using: str | None) -> AbstractContextManager[None]:
    """Keep a query of the host's hook that fails from aborting the transaction that goes on."""
    if using and entry.overrides_insight_text() and transaction.get_connection(using).in_atomic_block:
        return transaction.atomic(using=using)
    return nullcontext()
