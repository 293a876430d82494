"""A journal that reads its entries in the background: how a host project uses insights_recovery."""

from .celery import app as celery_app

__all__ = ["celery_app"]
