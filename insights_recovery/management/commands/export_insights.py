"""`export_insights`: all that is stored of an author's entries, or of all, as JSON or CSV."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from insights_recovery import export
from insights_recovery.hosts import entries
from insights_recovery.management.choosing import entries_by_author
from insights_recovery.management.output import ReportingCommand, wrong_usage


class Command(ReportingCommand):
    """Export entries with all that was derived from them."""

    help = (
        "Export entries with their texts and all that was derived from them: the export is as private as the journal. "
        "Without --output it goes to standard output."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add whose entries, how, and where to."""
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--author", metavar="PK", help="the entries of the author with this key")
        whose.add_argument("--all", action="store_true", help="all entries")
        parser.add_argument(
            "--format",
            dest="form",
            choices=list(export.FORMATS),
            default="json",
            help="json (the default): one object; csv: a table for spreadsheets",
        )
        parser.add_argument("--output", type=Path, metavar="FILE", help="a new file, which only its owner may read")
        parser.add_argument("--force", action="store_true", help="replace the file where there is one")

    def handle(
        self,
        *,
        author: str | None,
        form: str,
        output: Path | None,
        force: bool,
        **_: Any,
    ) -> None:
        """Select, and write record by record."""
        if force and output is None:
            raise wrong_usage("--force replaces a file: name it with --output FILE.")
        rows = entries() if author is None else entries_by_author(author)
        counted = _Counted(self.progress(rows.count()).over(export.records(rows)))
        with self._destination(output, force=force) as write:
            for piece in _pieces(form, counted, ascii_only=output is None):
                write(piece)
        self.stderr.write(f"{counted.number} entries exported.", style_func=str)

    @contextlib.contextmanager
    def _destination(self, output: Path | None, *, force: bool) -> Iterator[Callable[[str], Any]]:
        if output is None:
            yield lambda piece: self.stdout.write(piece, ending="")
            return
        try:
            with export.private_file(output, force=force) as file:
                yield file.write
        except FileExistsError:
            raise wrong_usage(f"{output} exists: name another file, or add --force to replace it.") from None
        except OSError as error:
            raise wrong_usage(f"{output} cannot be written: {error.strerror}.") from error


class _Counted:
    """Records, and how many went by."""

    def __init__(self, records: Iterable[export.Record]) -> None:
        self.number = 0
        self._records = records

    def __iter__(self) -> Iterator[export.Record]:
        for record in self._records:
            self.number += 1
            yield record


def _pieces(form: str, records: Iterable[export.Record], *, ascii_only: bool) -> Iterator[str]:
    """Return the document, JSON in ASCII where it is not known what the terminal or the pipe takes."""
    return export.as_json(records, ascii_only=True) if form == "json" and ascii_only else export.FORMATS[form](records)
