"""The laws that each entry must keep by itself, as data: a name, a sentence, and a test of what its row says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from insights_recovery import identity
from insights_recovery.lifecycle import FINISHED, UNFINISHED, WAITING, Reason, State


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where one entry stands, as its row says."""

    pk: Any
    """Its key."""
    state: str
    """Its state, whatever the column holds."""
    reason: str
    """Why it stands there."""
    due_at: datetime | None
    """When it is to be looked at."""
    token: UUID | None
    """The fencing token of its lease."""
    owner: str
    """The owner of its lease."""
    digest: str
    """The digest of the text that was processed."""


COLUMNS = ("pk", *(f"processing_{name}" for name in ("state", "reason", "due_at", "token", "owner", "digest")))
"""What a `Standing` is read from, in the order of its fields."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """What must hold for every entry by itself."""

    name: str
    """A slug for reports."""
    meaning: str
    """What it means to break it, in a sentence."""
    is_broken: Callable[[Standing], bool]
    """Whether an entry breaks it."""


ENTRY_LAWS = (
    Law(
        name="unknown_state",
        meaning="Entries in none of the six states.",
        is_broken=lambda entry: entry.state not in State.values,
    ),
    Law(
        name="unfinished_not_due",
        meaning="Unfinished entries that nobody will ever look at.",
        is_broken=lambda entry: entry.state in UNFINISHED and entry.due_at is None,
    ),
    Law(
        name="finished_but_due",
        meaning="Finished entries that are due all the same.",
        is_broken=lambda entry: entry.state in FINISHED and entry.due_at is not None,
    ),
    Law(
        name="waiting_without_reason",
        meaning="Waiting entries that do not say why.",
        is_broken=lambda entry: entry.state in WAITING and entry.reason not in Reason.values,
    ),
    Law(
        name="lease_outside_processing",
        meaning="Entries with a lease that are not in work.",
        is_broken=lambda entry: entry.state != State.PROCESSING and (entry.token is not None or entry.owner != ""),
    ),
    Law(
        name="in_work_without_lease",
        meaning="Entries in work that nobody holds.",
        is_broken=lambda entry: entry.state == State.PROCESSING and (entry.token is None or entry.owner == ""),
    ),
    Law(
        name="held_by_the_dead",
        meaning="Entries in work whose process is known dead.",
        is_broken=lambda entry: entry.state == State.PROCESSING and identity.is_known_dead(entry.owner),
    ),
)
