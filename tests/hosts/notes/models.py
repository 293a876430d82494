"""The main test host's entry."""

from django.conf import settings
from django.db import models

from insights_recovery.models import RecoverableEntry


class Entry(RecoverableEntry):
    """A journal entry with an integer key, the default text field and an author who may be missing."""

    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True)
    title = models.CharField(max_length=200, blank=True, default="")
    content = models.TextField(blank=True, default="")

    class Meta(RecoverableEntry.Meta):
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"entry {self.pk}"
