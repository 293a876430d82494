"""`check_processing_status`: how the entries stand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Q

from insights_recovery import clock, dispatch, operations, recovery
from insights_recovery.conf import conf
from insights_recovery.hosts import entries
from insights_recovery.lifecycle import WAITING, State
from insights_recovery.management.output import ReportingCommand, exit_status, positive, table, wrong_usage
from insights_recovery.monitoring import statistics
from insights_recovery.monitoring.paging import pages
from insights_recovery.monitoring.statistics import Status


class Command(ReportingCommand):
    """Report how the entries stand."""

    help = "Report how the entries stand. Exit status 1 where any is overdue."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what may be done before the report, and how often it is given."""
        super().add_arguments(parser)
        parser.add_argument(
            "--retry-unprocessed",
            action="store_true",
            help="first offer what is due, and what is held back by a back-off or an outage, to the workers now",
        )
        parser.add_argument(
            "--verify",
            action="store_true",
            help="first compare the texts of all finished entries with what was processed, and put back what differs",
        )
        parser.add_argument("--watch", action="store_true", help="refresh the report until interrupted with Ctrl-C")
        parser.add_argument(
            "--interval", type=positive, default=2.0, metavar="SECONDS", help="pause of --watch (default: 2)"
        )

    def handle(
        self, *, output: str, retry_unprocessed: bool, verify: bool, watch: bool, interval: float, **_: Any
    ) -> None:
        """Do what is asked for first, then report, once or again and again."""
        if watch and output == "json":
            raise wrong_usage("--format json prints one object and --watch many reports: leave one of them out.")
        done: dict[str, int] = self._verify() if verify else {}
        if retry_unprocessed:
            done["retried"] = self._retry()
        status = self._show(output, done)
        if watch:
            status = self._watch(interval, status)
        exit_status(healthy=status.overdue == 0)

    def _verify(self) -> dict[str, int]:
        verified = reopened = 0
        finished = entries().finished()
        for pks in self.progress(finished.count()).over(pages(finished)):
            verified += len(pks)
            reopened += recovery.verify(pks)
        return {"verified": verified, "reopened": reopened}

    def _retry(self) -> int:
        limit = conf().sweep_limit
        held_back = _held_back(limit)
        retried = recovery.offer_due(limit) + operations.retry(held_back)
        if dispatch.broker.is_silenced:
            self.stderr.write("The broker cannot be reached; entries are offered again as soon as it is back.")
        return retried

    def _show(self, output: str, done: dict[str, int]) -> Status:
        status = statistics.status()
        self.report(output, asdict(status) | done, self._lines(status, done))
        return status

    def _watch(self, interval: float, status: Status) -> Status:
        try:
            while True:
                time.sleep(interval)
                self.stdout.write("\x1b[H\x1b[2J" if self.stdout.isatty() else "", ending="")
                status = self._show("table", {})
                self.stdout.flush()
        except KeyboardInterrupt:
            return status

    def _lines(self, status: Status, done: dict[str, int]) -> Iterator[str]:
        figures = {"entries": status.total, "processed": status.processed, "unprocessed": status.unprocessed}
        yield from table([*figures.items(), ("overdue", status.overdue), *done.items()])
        yield ""
        yield from table((f"  {state}", number) for state, number in status.states.items())
        if status.reasons:
            yield "unfinished because of"
            yield from table((f"  {reason or '(nothing)'}", number) for reason, number in status.reasons.items())
        if status.oldest_unprocessed_seconds is not None:
            yield f"The oldest has been waiting for {status.oldest_unprocessed_seconds:.0f} s."
        yield self._verdict(status)

    def _verdict(self, status: Status) -> str:
        if status.overdue == 0:
            return self.style.SUCCESS("Nothing is overdue.")
        return self.style.ERROR(
            f"{status.overdue} overdue: nobody looked at them in time. `manage.py startup_check` finds out why."
        )


def _held_back(limit: int) -> list[Any]:
    """Return the keys of waiting entries that are not due yet and that no message speaks of, the next first."""
    waiting = entries().filter(processing_state__in=WAITING, processing_due_at__gt=clock.now())
    silent = waiting.filter(Q(processing_not_before__gt=clock.now()) | Q(processing_state=State.CELERY_ERROR))
    return list(silent.order_by("processing_due_at").values_list("pk", flat=True)[:limit])
