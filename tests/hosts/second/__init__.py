"""The second test host's project: the usual Celery-with-Django boilerplate and nothing else."""

from tests.hosts.second.celery import app as celery_app

__all__ = ["celery_app"]
