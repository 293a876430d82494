"""`audit_processing`: the conservation law."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from insights_recovery.management.output import Progress, ReportingCommand, exit_status
from insights_recovery.monitoring import audit
from insights_recovery.monitoring.audit import Report


class Command(ReportingCommand):
    """Prove that no entry is lost."""

    help = (
        "Prove that every entry is in exactly one state, that every unfinished one is due or leased and says why, and "
        "that every completed one has what it should have. Names the offenders; exit status 1 where there are any."
    )

    def handle(self, *, output: str, **_: Any) -> None:
        """Audit everything, slice by slice, and report."""
        report = self._audit(self.progress(audit.size()))
        self.report(output, report.as_dict(), self._lines(report))
        exit_status(healthy=report.offences == 0)

    def _audit(self, progress: Progress) -> Report:
        report = Report()
        try:
            for page in audit.examine():
                report.add(page)
                progress.advance(page.examined)
        finally:
            progress.end()
        return report

    def _lines(self, report: Report) -> Iterator[str]:
        for name, law in report.as_dict()["laws"].items():
            if law["count"]:
                yield self.style.ERROR(f"{name}: {law['count']}. {law['meaning']}")
                more = ", …" if law["count"] > len(law["ids"]) else ""
                yield f"  {', '.join(map(str, law['ids']))}{more}"
        yield f"{report.entries} rows examined, {report.offences} offences."
        if not report.offences:
            yield self.style.SUCCESS("Every entry is accounted for.")
