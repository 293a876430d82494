"""The Celery entry points: each takes the message apart, calls a use case, and carries its own delivery policy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from functools import wraps
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded
from celery import Task, shared_task
from celery.exceptions import Reject
from django.db import InterfaceError, OperationalError

from insights_recovery import hosts, processing, recovery, scrubbing, signals, worker
from insights_recovery.conf import conf
from insights_recovery.connections import kept_open
from insights_recovery.exceptions import InfrastructureError, UnexpectedError
from insights_recovery.monitoring import diagnosis, statistics


class RecoveryTask(Task):  # type: ignore[type-arg]  # generic in its stubs only
    """A task whose message is only a nudge: acknowledged late, never redelivered for a lost child, result ignored.

    Time limits and queue are read from the settings when they are needed. Infrastructure errors are tried again with
    exponential back-off and jitter; what an extractor raises never gets here, it is counted on the row.
    """

    abstract = True
    acks_late = True
    reject_on_worker_lost = False
    ignore_result = True
    autoretry_for = (InfrastructureError,)
    max_retries = 5
    retry_backoff = True
    retry_backoff_max = 60
    retry_jitter = True

    @property
    def soft_time_limit(self) -> float:  # type: ignore[override]  # Celery reads it, and never sets it
        """Seconds after which the task is interrupted."""
        return conf().soft_time_limit

    @property
    def time_limit(self) -> float:  # type: ignore[override]  # the same
        """Seconds after which the task's process is killed."""
        return conf().time_limit

    def default_queue(self) -> str:
        """Return the queue for a message that names none."""
        return conf().maintenance_queue

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Publish without retries: nobody waits for a broker that is out. The queue is ours unless told otherwise."""
        defaults: dict[str, Any] = {
            "retry": False,
            # Named here although they are attributes too: Celery reads those once and keeps what it read.
            "time_limit": self.time_limit,
            "soft_time_limit": self.soft_time_limit,
        }
        if not options.keys() & {"queue", "routing_key", "exchange"}:
            defaults["queue"] = self.default_queue()
        return super().apply_async(args, kwargs, **{**defaults, **options})


class ExtractionTask(RecoveryTask):
    """The task that extracts; its messages go to the queue for what people just wrote."""

    abstract = True

    def default_queue(self) -> str:
        """Return the queue for a message that names none."""
        return conf().queue


def _scrubbed(body: Callable[..., Any]) -> Callable[..., Any]:
    """Run a task's body on a connection that stays open; let no error out that quotes a value.

    Celery logs what a task raises, with its message; that of a database or model error may hold a text.
    """

    @wraps(body)
    def run(task: RecoveryTask, *args: Any, **kwargs: Any) -> Any:
        in_worker = not (task.request.is_eager or task.request.called_directly)
        try:
            with kept_open(hosts.database()) if in_worker else nullcontext():
                return body(task, *args, **kwargs)
        except (SoftTimeLimitExceeded, Reject):
            raise
        except (OperationalError, InterfaceError) as error:
            failure: Exception = InfrastructureError(scrubbing.report(error).message)
        except Exception as error:  # noqa: BLE001 - the worker's boundary: see above
            report = scrubbing.report(error)
            failure = UnexpectedError(f"{report.message}\n{report.traceback}")
        # Outside of the handlers, so that the failure has no context to be logged with it.
        raise failure

    return run


@shared_task(base=ExtractionTask, bind=True, name="insights_recovery.tasks.extract_insights_task")
@_scrubbed
def extract_insights_task(self: RecoveryTask, entry_ids: Any) -> dict[str, int]:
    """Extract insights for these entries: one key or a list. Return how many attempts ended how."""
    if worker.is_stopping():
        raise Reject("the worker is stopping", requeue=True)
    pks = list(entry_ids) if isinstance(entry_ids, list | tuple) else [entry_ids]
    runner = processing.Runner(
        process=worker.identity_of_worker(),
        task_id=self.request.id or "",
        worker=self.request.hostname or "",
        lease=conf().lease_seconds if worker.is_worker() else conf().time_limit,
        interruptions=(SoftTimeLimitExceeded,),
        is_stopping=worker.is_stopping,
    )
    return {str(outcome): count for outcome, count in processing.process(pks, runner).items()}


@shared_task(base=RecoveryTask, bind=True, name="insights_recovery.tasks.retry_unprocessed_entries")
@_scrubbed
def retry_unprocessed_entries(self: RecoveryTask) -> dict[str, Any] | None:
    """Run one sweep. Return its report, or None when another process is at it."""
    report = recovery.sweep()
    return asdict(report) if report else None


@shared_task(base=RecoveryTask, bind=True, name="insights_recovery.tasks.check_entry_processing_status")
@_scrubbed
def check_entry_processing_status(self: RecoveryTask) -> dict[str, Any]:
    """Return how the entries stand, in numbers, and say so in the log."""
    status = statistics.status()
    signals.status_checked.send_robust(type(self), overdue=status.overdue, unprocessed=status.unprocessed)
    return asdict(status)


@shared_task(base=RecoveryTask, bind=True, ignore_result=False, name="insights_recovery.tasks.debug_task")
@_scrubbed
def debug_task(self: RecoveryTask) -> dict[str, Any]:
    """Return who ran this task, and when: the round trip proves that messages arrive and children work."""
    return diagnosis.greeting(self.request.id or "", self.request.hostname or "")


@shared_task(base=RecoveryTask, bind=True, ignore_result=False, name="insights_recovery.tasks.worker_health_check")
@_scrubbed
def worker_health_check(self: RecoveryTask) -> dict[str, Any]:
    """Return what this worker's process can reach: database, file system, memory, models."""
    return diagnosis.health(self.request.id or "", self.request.hostname or "")


@shared_task(
    base=RecoveryTask, bind=True, ignore_result=False, name="insights_recovery.tasks.monitor_worker_performance"
)
@_scrubbed
def monitor_worker_performance(self: RecoveryTask) -> dict[str, Any]:
    """Return what this worker's process has used: memory, CPU seconds, and its share of the machine."""
    return diagnosis.performance(self.request.id or "", self.request.hostname or "")
