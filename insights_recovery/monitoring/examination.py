"""Several probes together: their order, their verdict, and its form in JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from insights_recovery.monitoring.probes import Probe, ProbeResult, ProbeStatus


class Overall(StrEnum):
    """What all probes say together."""

    HEALTHY = "HEALTHY"
    """Each says that all is well."""
    DEGRADED = "DEGRADED"
    """Some warn, none failed."""
    UNHEALTHY = "UNHEALTHY"
    """At least one failed."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """The answers of several probes."""

    results: tuple[ProbeResult, ...]
    """One for each probe, in their order."""

    @property
    def overall_status(self) -> Overall:
        """The worst of them."""
        statuses = {result.status for result in self.results}
        if ProbeStatus.FAILED in statuses:
            return Overall.UNHEALTHY
        return Overall.DEGRADED if ProbeStatus.WARNING in statuses else Overall.HEALTHY

    @property
    def failed(self) -> list[str]:
        """Names of the probes that failed."""
        return [result.name for result in self.results if result.status is ProbeStatus.FAILED]

    def replacing(self, result: ProbeResult) -> Health:
        """Return the same with another answer of one probe."""
        return Health(results=tuple(result if old.name == result.name else old for old in self.results))

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "overall_status": str(self.overall_status),
            "failed_checks_count": len(self.failed),
            "checks": {result.name: result.as_dict() for result in self.results},
        }


def examine(probes: Iterable[Probe]) -> Health:
    """Run these probes in order; one whose ground another has found missing answers that it was not examined."""
    results: dict[str, ProbeResult] = {}
    for probe in probes:
        culprits = [name for name in probe.requires if name in results and _has_failed(results[name])]
        results[probe.name] = probe.blocked_by(culprits[0]) if culprits else probe.run()
    return Health(results=tuple(results.values()))


def _has_failed(result: ProbeResult) -> bool:
    return result.status is ProbeStatus.FAILED
