"""Records as JSON and as CSV, piece by piece."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from insights_recovery.export.records import Record

VERSION = 1
"""Version of the form of the export; it is raised when a program that read it must be changed."""

COLUMNS = (
    "record", "entry", "text", "state", "reason", "completed_at", "kind", "label", "snippet", "start", "end",
    "sentiment", "confidence", "extractor", "version", "is_current", "is_manual_edit", "is_removed", "extracted_kind",
    "extracted_label", "is_outdated", "language", "title", "summary", "duration", "usage", "created_at", "number",
    "started_at", "finished_at", "outcome", "error", "fields",
)  # fmt: skip
"""The columns of the CSV."""

PARTS = {"extraction": "extractions", "insight": "insights", "attempt": "attempts"}
"""What a line stands for, by the name under which a record has it."""

FORMULA = frozenset("=+-@\t\r\n\0＝＋－＠")
"""First characters by which a spreadsheet takes a cell for a formula."""


def as_json(records: Iterable[Record], *, ascii_only: bool = False) -> Iterator[str]:
    """Yield one JSON object in pieces: `format`, `version`, and `entries`, a list with a record per line."""
    yield f'{{"format": "insights_recovery", "version": {VERSION}, "entries": ['
    border = "\n"
    for record in records:
        yield border + json.dumps(record, ensure_ascii=ascii_only, allow_nan=False)
        border = ",\n"
    yield "\n]}\n"


def as_csv(records: Iterable[Record]) -> Iterator[str]:
    """Yield a CSV table (RFC 4180) in pieces: a line for each entry, and for each extraction, insight and attempt.

    The column `record` says which of them a line is. Where a text begins as a formula does, an apostrophe stands before
    it, so that a spreadsheet does not carry it out (OWASP, "CSV Injection"); `unescaped` takes it away again. Numbers
    are written as numbers; what is a list or an object is JSON.
    """
    writer = csv.DictWriter(_Echo(), COLUMNS, restval="", quoting=csv.QUOTE_NONNUMERIC)
    yield writer.writerow(dict(zip(COLUMNS, COLUMNS, strict=True)))
    for record in records:
        for line in _lines(record):
            yield writer.writerow({column: _cell(value) for column, value in line.items()})


def escaped(text: str) -> str:
    """Return `text` as it is written into a cell; what begins with an apostrophe gets another, and is told apart."""
    return f"'{text}" if text[:1] in FORMULA or text[:1] == "'" else text


def unescaped(cell: str) -> str:
    """Return the text that was written into a cell."""
    return cell[1:] if cell[:1] == "'" else cell


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _lines(record: Record) -> Iterator[dict[str, Any]]:
    of_entry = {name: value for name, value in record.items() if name not in {"id", *PARTS.values()}}
    yield {"record": "entry", "entry": record["id"], **of_entry}
    for name, part in PARTS.items():
        for row in record[part]:
            yield {"record": name, "entry": record["id"], **row}


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return value
    return escaped(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
