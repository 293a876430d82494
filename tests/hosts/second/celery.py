"""The second test host's Celery app: `celery -A tests.hosts.second worker` starts a worker."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings.second")

app = Celery("second")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
