"""Probes of what carries the messages: the broker, the workers, and beat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from celery.app import app_or_default
from celery.app.control import Control
from django.utils import timezone

from insights_recovery import schedule
from insights_recovery.conf import conf
from insights_recovery.dispatch import bounded_connection
from insights_recovery.monitoring.probes import Finding, Probe, failed, ok, warning, within
from insights_recovery.monitoring.storage import listed

BROKER_PATIENCE = 2.0
"""Seconds after which a broker counts as out that keeps the line busy in ways that no timeout of a socket ends."""
BEAT_WRITES = 180.0
"""Seconds between two moments at which django-celery-beat writes down when it last sent what."""


@dataclass(frozen=True, kw_only=True)
class BrokerProbe(Probe):
    """Does the broker answer, in the time that a writer would give it?"""

    name: ClassVar[str] = "broker"
    fault: ClassVar[str] = "The broker does not answer"
    remedy: ClassVar[str] = (
        "Start the broker, or correct CELERY_BROKER_URL. Until then no entry is lost: each is offered again when the "
        "broker is back, and `manage.py retry_unprocessed_entries --inline` needs none."
    )

    def examine(self) -> Finding:
        """Dial it, and hang up."""
        timeout = conf().publish_timeout
        where = within(max(BROKER_PATIENCE, 3 * timeout), partial(_dial, timeout))
        return ok(f"The broker answers: {where}.")


def _dial(timeout: float) -> str:
    with bounded_connection(timeout) as connection:
        # What publishing does, too; `connect()` would pause and try again.
        connection.default_channel  # noqa: B018 - a property that dials
        # Never the whole address: it may hold a password.
        return f"{connection.transport_cls} at {connection.hostname or 'no host'}"


@dataclass(frozen=True, kw_only=True)
class WorkersProbe(Probe):
    """Do workers answer, and is each of our queues served by one of them?"""

    name: ClassVar[str] = "workers"
    fault: ClassVar[str] = "The workers could not be asked"
    remedy: ClassVar[str] = "Start a worker: `celery -A <project> worker`; without -Q it serves all our queues."
    requires: ClassVar[tuple[str, ...]] = ("broker",)

    patience: float = 1.0
    """Seconds to wait for answers; where none comes, a busy machine is given as long again, and half as much."""

    def examine(self) -> Finding:
        """Ask every worker which queues it serves; a main process that answers is alive."""
        served = self._ask(self.patience) or self._ask(1.5 * self.patience)
        if not served:
            return failed("No worker answers.", self.remedy)
        names = listed(sorted(served))
        unserved = _unserved(queue for queues in served.values() for queue in queues)
        if not unserved:
            return ok(f"{len(served)} answered: {names}.")
        report = failed if set(unserved) - {conf().maintenance_queue} else warning
        remedy = f"Start a worker without -Q, or with `-Q {','.join(unserved)}` among its queues."
        return report(f"{names} answered, but nobody serves {', '.join(unserved)}.", remedy)

    def _ask(self, seconds: float) -> dict[str, list[str]]:
        return within(seconds + BROKER_PATIENCE, partial(_queues_by_worker, seconds))


def _queues_by_worker(seconds: float) -> dict[str, list[str]]:
    control = Control(app_or_default())
    # The pool's connections would wait for ever; without it, the question goes out on ours.
    control.mailbox.producer_pool = None  # type: ignore[attr-defined]
    with bounded_connection(conf().publish_timeout) as connection:
        replies = control.broadcast("active_queues", reply=True, timeout=seconds, connection=connection) or []
    answers = {worker: queues for reply in replies for worker, queues in reply.items()}
    return {worker: [queue["name"] for queue in queues] for worker, queues in answers.items() if _is_list(queues)}


def _is_list(answer: Any) -> bool:
    """Say whether a worker answered the question; where it could not, it sends a dict with the error."""
    return isinstance(answer, list)


def _unserved(served: Iterable[str]) -> list[str]:
    settings, known = conf(), set(served)
    wanted = (settings.queue, settings.backfill_queue, settings.maintenance_queue)
    return [queue for queue in dict.fromkeys(wanted) if queue not in known]


@dataclass(frozen=True, kw_only=True)
class BeatProbe(Probe):
    """Does beat send our periodic tasks? Without it the workers take the sweeps over, so that nothing here fails."""

    name: ClassVar[str] = "beat"
    remedy: ClassVar[str] = "Run `manage.py migrate`: django-celery-beat's tables are not as they should be."
    requires: ClassVar[tuple[str, ...]] = ("database",)

    def examine(self) -> Finding:
        """Look at the periodic tasks, and at when beat last sent them."""
        if not schedule.is_available():
            remedy = f'Add "{schedule.BEAT}" to INSTALLED_APPS, run `manage.py migrate`, and start beat.'
            return warning(f"{schedule.BEAT} is not installed; running workers sweep by themselves.", remedy)
        tasks = {task.name: task for task in schedule.installed()}
        wanted = [periodic.name for periodic in schedule.TASKS]
        if missing := [name for name in wanted if name not in tasks]:
            remedy = "Run `manage.py retry_unprocessed_entries --setup-periodic`."
            return warning(f"Not registered with beat: {listed(missing)}.", remedy)
        if paused := [name for name in wanted if not tasks[name].enabled]:
            return warning(f"Paused: {listed(paused)}; workers sweep by themselves.", "Enable them in the admin.")
        return _punctuality([tasks[name] for name in wanted])


def _punctuality(tasks: list[Any]) -> Finding:
    remedy = "Start beat: `celery -A <project> beat -S django_celery_beat.schedulers:DatabaseScheduler`."
    if unsent := [task.name for task in tasks if task.last_run_at is None]:
        return warning(f"Beat has not sent {listed(unsent)} yet.", remedy)
    age = max(_age(task.last_run_at) for task in tasks)
    if age > 2 * conf().sweep_interval + BEAT_WRITES:
        return warning(f"Beat last sent a periodic task {age:.0f} s ago; workers sweep by themselves.", remedy)
    return ok(f"{len(tasks)} periodic tasks are registered, enabled, and sent on time.")


def _age(moment: datetime) -> float:
    return float((timezone.now() - moment).total_seconds())
