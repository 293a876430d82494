"""`erase_insights`: what was derived from entries goes, the entries stay."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from insights_recovery import erasure
from insights_recovery.erasure import Erased
from insights_recovery.management.choosing import entries_by_author, entries_by_key
from insights_recovery.management.output import ReportingCommand
from insights_recovery.monitoring.paging import pages
from insights_recovery.querysets import EntryQuerySet


class Command(ReportingCommand):
    """Erase what was derived from entries."""

    help = (
        "Erase insights, extractions and attempts of entries, corrections by hand among them, for good. The entries "
        "stay as they are, and are not read again until their text is edited."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what selects the entries."""
        super().add_arguments(parser)
        selection = parser.add_mutually_exclusive_group(required=True)
        selection.add_argument("--author", metavar="PK", help="the entries of the author with this key")
        selection.add_argument("--ids", nargs="+", metavar="ID", help="these entries")
        parser.add_argument("--dry-run", action="store_true", help="say how much, and change nothing")

    def handle(self, *, output: str, author: str | None, ids: list[str] | None, dry_run: bool, **_: Any) -> None:
        """Select, erase slice by slice, report."""
        rows = entries_by_key(ids or []) if author is None else entries_by_author(author)
        erased = erasure.erasable(rows) if dry_run else self._erase(rows)
        self.report(output, asdict(erased) | {"dry_run": dry_run}, [_sentence(erased, dry_run=dry_run)])

    def _erase(self, rows: EntryQuerySet[Any]) -> Erased:
        erased = Erased()
        progress = self.progress(rows.count())
        for pks in pages(rows):
            for some in erasure.erase_by_slices(pks):
                erased += some
                progress.advance(some.entries)
        progress.end()
        return erased


def _sentence(erased: Erased, *, dry_run: bool) -> str:
    what = f"{erased.insights} insights, {erased.extractions} extractions and {erased.attempts} attempts"
    if dry_run:
        return f"Dry run: {what} of {erased.entries} entries would be erased; nothing was changed."
    return f"{what} of {erased.entries} entries erased; the entries stay, and are left be until their text is edited."
