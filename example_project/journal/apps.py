"""The app."""

from django.apps import AppConfig


class JournalConfig(AppConfig):
    """A journal whose entries are read in the background."""

    name = "journal"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Journal"
