"""What stands in the tables at one moment, read by plain SQL: the judge looks after every single step."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

from django.db import connection, models

from insights_recovery.models import Extraction, Heartbeat, Insight, ProcessingAttempt
from tests.hosts.notes.models import Entry


class EntryRow(NamedTuple):
    """A row of an entry; the processing columns without their prefix."""

    pk: Any
    content: str
    state: str
    due_at: Any
    waiting_since: Any
    not_before: Any
    attempts: int
    crashes: int
    postponed: int
    claims: int
    nudges: int
    reason: str
    token: Any
    owner: str
    solitary: bool
    backfill: bool
    error: str
    digest: str
    completed_at: Any


def changed(before: EntryRow, after: EntryRow) -> set[str]:
    """Return the names of the processing columns that changed."""
    return {name for name in EntryRow._fields[2:] if getattr(before, name) != getattr(after, name)}


class ExtractionRow(NamedTuple):
    """A row of an extraction."""

    pk: Any
    entry: Any
    extractor: str
    text_digest: str
    is_outdated: bool


class InsightRow(NamedTuple):
    """A row of an insight."""

    pk: Any
    entry: Any
    extraction: Any
    kind: str
    label: str
    snippet: str
    is_manual_edit: bool
    is_removed: bool
    extracted_kind: str
    extracted_label: str

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by."""
        return self.kind, self.label.casefold()

    @property
    def keys(self) -> set[tuple[str, str]]:
        """What it is known by, to the person who corrected it and to the extractor."""
        return {self.key, (self.extracted_kind, self.extracted_label.casefold())}


class AttemptRow(NamedTuple):
    """A row of the history."""

    pk: Any
    entry: Any
    number: int
    token: Any
    outcome: str
    finished_at: Any
    error_type: str
    error: str
    traceback: str


class HeartbeatRow(NamedTuple):
    """A row of a standing service."""

    pk: str
    token: Any
    lease_until: Any
    finished_at: Any
    runner: str
    cursor: str
    report: Any


Row = TypeVar("Row", EntryRow, ExtractionRow, InsightRow, AttemptRow, HeartbeatRow)


class Table(Generic[Row]):
    """Reads all rows of a table."""

    def __init__(self, model: type[models.Model], row: type[Row]) -> None:
        self.name = model._meta.db_table
        self._row = row
        columns = ", ".join(connection.ops.quote_name(_column(model, name)) for name in row._fields)
        self._statement = f"SELECT {columns} FROM {connection.ops.quote_name(self.name)}"

    def read(self) -> dict[Any, Row]:
        """Return the rows by their keys."""
        with connection.cursor() as cursor:
            cursor.execute(self._statement)
            return {values[0]: self._row._make(values) for values in cursor.fetchall()}


def _column(model: type[models.Model], name: str) -> str:
    names = [name, f"processing_{name}"] if name != "pk" else [model._meta.pk.name]  # type: ignore[union-attr]
    fields = {field.name: field.column for field in model._meta.concrete_fields}
    return next(fields[known] for known in reversed(names) if known in fields)


_TABLES: dict[str, Table[Any]] = {
    "entries": Table(Entry, EntryRow),
    "extractions": Table(Extraction, ExtractionRow),
    "insights": Table(Insight, InsightRow),
    "attempts": Table(ProcessingAttempt, AttemptRow),
    "heartbeats": Table(Heartbeat, HeartbeatRow),
}


@dataclass(frozen=True, kw_only=True)
class Tables:
    """All rows at one moment, by their keys."""

    entries: dict[Any, EntryRow]
    extractions: dict[Any, ExtractionRow]
    insights: dict[Any, InsightRow]
    attempts: dict[Any, AttemptRow]
    heartbeats: dict[Any, HeartbeatRow]

    @classmethod
    def read(cls) -> Tables:
        """Return them as they are now."""
        return cls(**{name: table.read() for name, table in _TABLES.items()})

    def read_again(self, written: Container[str]) -> Tables:
        """Return them as they are now, where only these tables were written since."""
        return replace(self, **{name: table.read() for name, table in _TABLES.items() if table.name in written})


def changes(before: dict[Any, Row], after: dict[Any, Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """Yield what became of each row that changed, None for one that was not, or is no more."""
    if before is after:
        return
    for pk in before.keys() | after.keys():
        old, new = before.get(pk), after.get(pk)
        if old != new:
            yield old, new
