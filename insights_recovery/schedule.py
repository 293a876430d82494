"""The declared periodic tasks, and their idempotent installation in django-celery-beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connections, router, transaction

from insights_recovery.conf import conf
from insights_recovery.exceptions import ConfigurationError

BEAT = "django_celery_beat"

PREFIX = "insights_recovery: "


@dataclass(frozen=True, kw_only=True)
class Periodic:
    """A task that beat is to send at intervals."""

    name: str
    """Its name in django-celery-beat, by which it is found again."""
    task: str
    """The Celery task."""
    description: str
    """What it is for, for a person who reads the list in the admin."""


TASKS = (
    Periodic(
        name=f"{PREFIX}sweep",
        task="insights_recovery.tasks.retry_unprocessed_entries",
        description="Offers due entries to the workers again and takes back what lost workers held.",
    ),
    Periodic(
        name=f"{PREFIX}status",
        task="insights_recovery.tasks.check_entry_processing_status",
        description="Writes to the log how the entries stand, in numbers.",
    ),
)


def is_available() -> bool:
    """Say whether django-celery-beat is installed; without it the workers' own lifelines bring the sweeps about."""
    return apps.is_installed(BEAT)


def install() -> list[str]:
    """Create or update the periodic tasks, found by name; return the names of those that changed.

    What an operator paused stays paused. A tick that no worker took up before the next one is dropped, so that an
    outage leaves no pile of them.

    Raises:
        ConfigurationError: django-celery-beat is not installed.
    """
    if not is_available():
        raise ConfigurationError(
            f'Add "{BEAT}" to INSTALLED_APPS and run `manage.py migrate` to register periodic tasks.'
        )
    schedules = apps.get_model(BEAT, "IntervalSchedule")
    with transaction.atomic(using=_database()):
        every, _ = schedules._default_manager.using(_database()).get_or_create(
            every=max(1, round(conf().sweep_interval)), period=schedules.SECONDS
        )
        return [periodic.name for periodic in TASKS if _upsert(periodic, every)]


def _upsert(periodic: Periodic, every: Any) -> bool:
    wanted: dict[str, Any] = {
        "task": periodic.task,
        "interval_id": every.pk,
        "crontab_id": None,
        "solar_id": None,
        "clocked_id": None,
        "queue": conf().maintenance_queue,
        "expires": None,
        "expire_seconds": every.every,
        "description": periodic.description,
    }
    found, created = _periodic_tasks().get_or_create(name=periodic.name, defaults=wanted)
    if created or all(getattr(found, key) == value for key, value in wanted.items()):
        return bool(created)
    for key, value in wanted.items():
        setattr(found, key, value)
    # A save, and no update(): it is what tells a running beat that its schedule changed.
    found.save(using=_database())
    return True


def installed() -> list[Any]:
    """Return our periodic tasks as they stand in the database; none where django-celery-beat is not installed."""
    if not is_available():
        return []
    return list(_periodic_tasks().filter(name__in=[periodic.name for periodic in TASKS]))


def install_after_migrate(sender: Any, using: str, **_: Any) -> None:
    """Receiver of `post_migrate`, sent for our app: install, unless the host sets `SETUP_PERIODIC` to False."""
    if conf().setup_periodic and is_available() and using == _database() and _has_table(using):
        install()


def _periodic_tasks() -> Any:
    return apps.get_model(BEAT, "PeriodicTask")._default_manager.using(_database())


def _has_table(using: str) -> bool:
    table = apps.get_model(BEAT, "PeriodicTask")._meta.db_table
    return table in connections[using].introspection.table_names()


def _database() -> str:
    return router.db_for_write(apps.get_model(BEAT, "PeriodicTask"))
