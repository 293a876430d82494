"""`retry_unprocessed_entries`: a sweep by hand, dead letters once more, or the work itself right here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Q

from insights_recovery import identity, operations, recovery, schedule
from insights_recovery.conf import conf
from insights_recovery.exceptions import ConfigurationError
from insights_recovery.hosts import entries
from insights_recovery.lifecycle import WAITING, State
from insights_recovery.management.output import ReportingCommand, count, exit_status, table, wrong_usage
from insights_recovery.models import Outcome
from insights_recovery.monitoring.paging import pages


class Command(ReportingCommand):
    """Bring unprocessed entries on."""

    help = (
        "Bring unprocessed entries on: by one sweep (the default), or as the options say. "
        "Exit status 1 where an attempt of --inline failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what is to be done."""
        super().add_arguments(parser)
        parser.add_argument(
            "--run-now", action="store_true", help="run one sweep, also where another option would do without"
        )
        parser.add_argument("--setup-periodic", action="store_true", help="register the periodic tasks with beat")
        parser.add_argument("--failed", action="store_true", help="try dead letters again, with fresh attempts")
        parser.add_argument(
            "--inline",
            action="store_true",
            help="process waiting entries right here, with no worker and no broker; with --failed dead letters too",
        )
        parser.add_argument(
            "--limit", type=count, metavar="N", help="at most so many entries (of a sweep, at each of its steps)"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")

    def handle(
        self,
        *,
        output: str,
        run_now: bool,
        setup_periodic: bool,
        failed: bool,
        inline: bool,
        limit: int | None,
        dry_run: bool,
        **_: Any,
    ) -> None:
        """Do what the options ask for, in the order: register, sweep, retry or process."""
        sweeps = run_now or not (setup_periodic or failed or inline)
        wanted = {"periodic": setup_periodic, "sweep": sweeps, "failed": failed and not inline, "inline": inline}
        do = _forecast if dry_run else self._act
        facts = do(wanted, limit, with_dead=failed)
        self.report(output, facts, _lines(facts))
        exit_status(healthy=facts.get("outcomes", {}).get(Outcome.FAILED, 0) == 0 or dry_run)

    def _act(self, wanted: dict[str, bool], limit: int | None, *, with_dead: bool) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        if wanted["periodic"]:
            facts["periodic"] = _install()
        if wanted["sweep"]:
            facts["sweep"] = _sweep(limit)
        if wanted["failed"]:
            facts["retried"] = self._retry_dead(limit)
        if wanted["inline"]:
            facts["outcomes"] = self._process(limit, with_dead=with_dead)
        return facts

    def _retry_dead(self, limit: int | None) -> int:
        dead = entries().dead()
        total = min(dead.count(), limit or dead.count())
        return sum(operations.retry(pks) for pks in self.progress(total).over(pages(dead, limit=limit)))

    def _process(self, limit: int | None, *, with_dead: bool) -> dict[str, int]:
        _take_back(conf().sweep_limit)
        pks = list(_workable(with_dead=with_dead).values_list("pk", flat=True)[:limit])
        tally: Counter[Outcome] = Counter()
        for outcomes in self.progress(len(pks)).over(operations.process_each(pks)):
            tally += outcomes
        return {str(outcome): number for outcome, number in tally.items()}


def _install() -> list[str]:
    try:
        changed = schedule.install()
    except ConfigurationError as error:
        raise wrong_usage(str(error)) from error
    return changed


def _sweep(limit: int | None) -> dict[str, Any] | None:
    """Run one sweep; with a limit, only those of its steps that bring entries on."""
    if limit is None:
        report = recovery.sweep()
        return asdict(report) if report else None
    return {"rescued": _take_back(limit), "offered": recovery.offer_due(limit)}


def _take_back(limit: int) -> int:
    return recovery.rescue_dead(limit) + recovery.rescue_expired(limit)


def _workable(*, with_dead: bool) -> Any:
    """Return what can be processed now, in the order in which workers would: people's own first, oldest first."""
    states = [*WAITING, State.FAILED] if with_dead else [*WAITING]
    return entries().filter(processing_state__in=states).order_by("processing_backfill", "processing_due_at")


def _forecast(wanted: dict[str, bool], limit: int | None, *, with_dead: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"dry_run": True}
    if wanted["periodic"]:
        facts["periodic"] = [periodic.name for periodic in schedule.TASKS]
    if wanted["sweep"]:
        bound = limit or conf().sweep_limit
        waiting = entries().overdue().filter(processing_state__in=WAITING)
        facts["sweep"] = {"rescued": _counted(_lost(), bound), "offered": _counted(waiting, bound)}
    if wanted["failed"]:
        facts["retried"] = _counted(entries().dead(), limit)
    if wanted["inline"]:
        facts["to_process"] = _counted(_workable(with_dead=with_dead), limit)
    return facts


def _lost() -> Any:
    """Return what a sweep would take back: leases that ran out, and those of processes known dead."""
    owners = entries().leased().order_by().values_list("processing_owner", flat=True).distinct()
    dead = [owner for owner in owners[: recovery.MAX_OWNERS] if identity.is_known_dead(owner)]
    return entries().leased().filter(Q(pk__in=entries().expired().values("pk")) | Q(processing_owner__in=dead))


def _counted(rows: Any, limit: int | None) -> int:
    return int(rows.order_by()[:limit].count())


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    if facts.get("dry_run"):
        yield "Dry run: nothing was changed. It would be:"
    if "periodic" in facts:
        names = ", ".join(facts["periodic"])
        yield f"Registered with beat: {names}." if names else "The periodic tasks were registered already."
    if "sweep" in facts:
        yield from _sweep_lines(facts["sweep"])
    if "retried" in facts:
        yield f"Dead letters put back: {facts['retried']}."
    if "to_process" in facts:
        yield f"Entries processed here: {facts['to_process']}."
    if "outcomes" in facts:
        yield f"Attempts made here: {sum(facts['outcomes'].values())}."
        yield from table((f"  {outcome}", number) for outcome, number in facts["outcomes"].items())


def _sweep_lines(sweep: dict[str, Any] | None) -> Iterator[str]:
    if sweep is None:
        yield "Another process is sweeping just now; nothing is left to do here."
        return
    yield "Swept:"
    yield from table((f"  {name}", number) for name, number in sweep.items())
