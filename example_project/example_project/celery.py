"""The Celery app: what any Django project with Celery has, and the shape of the worker's log."""

from __future__ import annotations

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import after_setup_logger, after_setup_task_logger
from django.conf import settings

from .logs import JsonFormatter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")

app = Celery("example_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@after_setup_logger.connect
@after_setup_task_logger.connect
def shape_log(logger: logging.Logger, **_: Any) -> None:
    """Apply CELERY_LOG_LEVEL and CELERY_JSON_LOGS to the handlers that Celery has just made.

    Celery keeps the rest to itself, so that `--logfile` and its like still mean what they say.
    """
    if settings.WORKER_LOG_LEVEL:
        logger.setLevel(settings.WORKER_LOG_LEVEL)
    if settings.WORKER_JSON_LOGS:
        for handler in logger.handlers:
            handler.setFormatter(JsonFormatter())
