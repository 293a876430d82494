"""`startup_check`: the doctor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from insights_recovery.management.output import ReportingCommand, exit_status
from insights_recovery.monitoring import health
from insights_recovery.monitoring.examination import Health
from insights_recovery.monitoring.health import Checkup
from insights_recovery.monitoring.probes import ProbeResult, ProbeStatus


class Command(ReportingCommand):
    """Examine everything that processing depends on, then sweep once."""

    help = (
        "Examine settings, database, migrations, index, broker, workers, beat, sweep and timeout chain, say what to do "
        "about each, then run one sweep. Exit status 1 where a probe failed."
    )
    # They are one of the probes: as a command's own they would end it before the others were heard.
    requires_system_checks = ()

    def handle(self, *, output: str, **_: Any) -> None:
        """Examine, sweep, report."""
        checkup = health.check_up()
        self.report(output, checkup.as_dict(), self._lines(checkup))
        exit_status(healthy=not checkup.health.failed)

    def _lines(self, checkup: Checkup) -> Iterator[str]:
        width = max(len(result.name) for result in checkup.health.results)
        for result in checkup.health.results:
            yield f"{result.name.ljust(width)}  {self._colour(result)}  {result.message}"
            if result.remedy:
                yield f"{' ' * width}  -> {result.remedy}"
        yield _sweep_line(checkup)
        yield self._verdict(checkup.health)

    def _colour(self, result: ProbeResult) -> str:
        styles = {ProbeStatus.OK: self.style.SUCCESS, ProbeStatus.WARNING: self.style.WARNING}
        return styles.get(result.status, self.style.ERROR)(str(result.status).ljust(len(ProbeStatus.WARNING)))

    def _verdict(self, found: Health) -> str:
        failed = f": {', '.join(found.failed)} failed" if found.failed else ""
        style = self.style.ERROR if found.failed else self.style.SUCCESS
        return style(f"{found.overall_status}{failed}.")


def _sweep_line(checkup: Checkup) -> str:
    if checkup.sweep is not None:
        return f"Swept: {checkup.sweep.rescued} rescued, {checkup.sweep.offered} offered."
    if health.NEEDED_FOR_A_SWEEP.union({"sweep"}).intersection(checkup.health.failed):
        return "Not swept."
    return "Not swept: another process is at it."
