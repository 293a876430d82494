"""`prune_processing_history`: old attempts go, dead letters keep theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from insights_recovery import clock, history
from insights_recovery.conf import conf
from insights_recovery.hosts import database
from insights_recovery.lifecycle import State
from insights_recovery.management.output import ReportingCommand, count, positive
from insights_recovery.models import ProcessingAttempt

CHUNK = 1000
"""Attempts deleted in one go."""
KEPT = (State.FAILED,)
"""Attempts at entries in these states are evidence, and stay."""


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
        total = _old_attempts(age).order_by()[:limit].count()
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
        number = history.prune_attempts(older_than_days=age, limit=min(CHUNK, left), using=database(), keep_states=KEPT)
        yield number
        left = left - number if number else 0


def _old_attempts(age: float) -> Any:
    old = ProcessingAttempt.objects.using(database()).filter(finished_at__lt=clock.later(-age * 86_400))
    return old.exclude(entry__processing_state__in=KEPT)


def _sentence(total: int, pruned: int, age: float, *, dry_run: bool) -> str:
    if dry_run:
        return f"Dry run: {total} attempts older than {age:g} days would be deleted; nothing was changed."
    return f"{pruned} attempts older than {age:g} days deleted."
