"""The main test host's project: the usual Celery-with-Django boilerplate and nothing else."""

from tests.hosts.main.celery import app as celery_app

__all__ = ["celery_app"]
