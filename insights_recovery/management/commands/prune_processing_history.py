"""`prune_processing_history`: old attempts go, dead letters keep theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from insights_recovery import history
from insights_recovery.conf import conf
from insights_recovery.hosts import database
from insights_recovery.management.output import ReportingCommand, count, positive

CHUNK = 1000
"""Attempts deleted in one go."""


class Command(ReportingCommand):
    """Delete the history of attempts that ended long ago."""

    help = "Delete attempts that ended long ago. Insights are never pruned, nor are the attempts at dead letters."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add how old and how many."""
        super().add_arguments(parser)
        parser.add_argument(
            "--days", type=positive, metavar="N", help="older than so many days (default: the HISTORY_DAYS setting)"
        )
        parser.add_argument("--limit", type=count, metavar="N", help="at most so many attempts")
        parser.add_argument("--dry-run", action="store_true", help="say how many, and change nothing")

    def handle(self, *, output: str, days: float | None, limit: int | None, dry_run: bool, **_: Any) -> None:
        """Count, delete chunk by chunk, report."""
        age = days or conf().history_days
        total = history.outlived(days=age, using=database()).order_by()[:limit].count()
        pruned = 0 if dry_run else self._prune(age, total)
        facts = {"selected": total, "pruned": pruned, "days": age, "dry_run": dry_run}
        self.report(output, facts, [_sentence(total, pruned, age, dry_run=dry_run)])

    def _prune(self, age: float, total: int) -> int:
        progress = self.progress(total)
        pruned = 0
        for number in _chunks(age, total):
            pruned += number
            progress.advance(number)
        progress.end()
        return pruned


def _chunks(age: float, total: int) -> Iterator[int]:
    left = total
    while left > 0:
        number = history.prune(days=age, limit=min(CHUNK, left), using=database())
        yield number
        left = left - number if number else 0


def _sentence(total: int, pruned: int, age: float, *, dry_run: bool) -> str:
    if dry_run:
        return f"Dry run: {total} attempts older than {age:g} days would be deleted; nothing was changed."
    return f"{pruned} attempts older than {age:g} days deleted."
