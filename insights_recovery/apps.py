"""The app: it connects receivers and checks, runs no query, opens no connection and starts no thread."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.signals import request_started
from django.db.models.signals import post_delete, post_migrate, pre_delete


class InsightsRecoveryConfig(AppConfig):
    """Configuration of the app `insights_recovery`."""

    name = "insights_recovery"
    verbose_name = "Insights recovery"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the checks and the receivers."""
        # Models can be imported only now, and these modules import them; that of the tasks registers them with Celery.
        from insights_recovery import checks, conf, dispatch, insights, schedule, signals, startup, worker
        from insights_recovery import tasks as _registered_with_celery  # noqa: F401 - the import registers them

        checks.register()
        signals.connect_logging()
        signals.entry_written.connect(dispatch.on_entry_written, dispatch_uid="insights_recovery.dispatch")
        entry = conf.entry_model_name()
        pre_delete.connect(insights.lock_before_delete, sender=entry, dispatch_uid="insights_recovery.lock")
        post_delete.connect(insights.erase_after_delete, sender=entry, dispatch_uid="insights_recovery.erase")
        post_migrate.connect(schedule.install_after_migrate, sender=self, dispatch_uid="insights_recovery.schedule")
        request_started.connect(startup.on_request_started, dispatch_uid="insights_recovery.startup")
        worker.connect()
