"""Health: which probes there are, what they say together, and the sweep that follows a checkup.

Command, API and web server all come here; none of these functions raises.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from django.core import checks

from insights_recovery import clock, recovery, scrubbing
from insights_recovery.conf import conf
from insights_recovery.hosts import database
from insights_recovery.models import Heartbeat
from insights_recovery.monitoring.examination import Health, examine
from insights_recovery.monitoring.messaging import BeatProbe, BrokerProbe, WorkersProbe
from insights_recovery.monitoring.probes import Finding, Probe, ProbeResult, ProbeStatus, failed, ok, warning
from insights_recovery.monitoring.storage import DatabaseProbe, IndexProbe, MigrationsProbe
from insights_recovery.monitoring.timeouts import TimeoutChainProbe
from insights_recovery.recovery import SweepReport

CHECK_TAG = "insights_recovery"
"""The tag of our system checks."""


@dataclass(frozen=True, kw_only=True)
class SettingsProbe(Probe):
    """Do the system checks of this app find anything?"""

    name: ClassVar[str] = "settings"
    remedy: ClassVar[str] = "Run `manage.py check --tag insights_recovery`."

    def examine(self) -> Finding:
        """Run them."""
        found = [message for message in checks.run_checks(tags=[CHECK_TAG]) if not message.is_silenced()]
        if not found:
            return ok("The system checks find nothing wrong.")
        report = failed if any(message.is_serious() for message in found) else warning
        return report(
            " ".join(f"{message.id}: {message.msg}" for message in found),
            " ".join(str(message.hint) for message in found if message.hint),
        )


@dataclass(frozen=True, kw_only=True)
class SweepProbe(Probe):
    """Has a sweep ended lately? Nobody else looks after what is forgotten, so that a late one is a failure."""

    name: ClassVar[str] = "sweep"
    remedy: ClassVar[str] = "Start a worker: it sweeps by itself. By hand: `manage.py retry_unprocessed_entries`."
    requires: ClassVar[tuple[str, ...]] = ("database",)

    def examine(self) -> Finding:
        """Read the heartbeat that the last sweep left."""
        rows = Heartbeat.objects.using(database()).filter(name=recovery.SWEEP, finished_at__isnull=False)
        times: tuple[Any, Any] | None = rows.annotate(now=clock.now()).values_list("now", "finished_at").first()
        if times is None:
            return warning("No sweep has ended yet.", self.remedy)
        age = max(0.0, (times[0] - times[1]).total_seconds())
        if age > _overdue_after():
            return failed(f"The last sweep ended {age:.0f} s ago; it is overdue.", self.remedy)
        return ok(f"The last sweep ended {age:.0f} s ago.")


def _overdue_after() -> float:
    """Return the age of a heartbeat, in seconds, at which the workers, too, have failed to take the sweep over."""
    settings = conf()
    return (recovery.LATE + 0.5) * settings.sweep_interval + settings.lifeline_interval


PROBES: tuple[Probe, ...] = (
    SettingsProbe(),
    DatabaseProbe(),
    MigrationsProbe(),
    IndexProbe(),
    BrokerProbe(),
    WorkersProbe(),
    BeatProbe(),
    SweepProbe(),
    TimeoutChainProbe(),
)
"""All of them, those that others require first."""


def current() -> Health:
    """Return what all probes say now."""
    return examine(PROBES)


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """The answers of all probes, and the sweep that followed."""

    health: Health
    """The answers; a sweep that could not be run is among the failures."""
    sweep: SweepReport | None
    """What the sweep did; None where there was none."""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return self.health.as_dict() | {"sweep": asdict(self.sweep) if self.sweep else None}


NEEDED_FOR_A_SWEEP = frozenset({"database", "migrations"})


def check_up() -> Checkup:
    """Run all probes and then, where there is ground for it, one sweep."""
    health = current()
    if NEEDED_FOR_A_SWEEP.intersection(health.failed):
        return Checkup(health=health, sweep=None)
    try:
        return Checkup(health=health, sweep=recovery.sweep())
    except Exception as error:  # noqa: BLE001 - the probe's boundary: a doctor who faints is of no help
        result = ProbeResult(
            name=SweepProbe.name,
            status=ProbeStatus.FAILED,
            message=f"The sweep could not be run: {scrubbing.report(error).message}.",
            remedy="Put right what the other probes name; then `manage.py retry_unprocessed_entries`.",
            duration_ms=0.0,
        )
        return Checkup(health=health.replacing(result), sweep=None)
