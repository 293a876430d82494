"""The journal's entry."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from insights_recovery.models import RecoverableEntry


class JournalEntry(RecoverableEntry):
    """What somebody wrote about a day."""

    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="journal_entries")
    """The only one who may read it."""
    title = models.CharField(max_length=200, blank=True)
    """The author's own; where it is empty the one that was found for the entry is shown."""
    content = models.TextField()
    """The text that is read for insights."""
    written_at = models.DateTimeField(default=timezone.now)
    """The moment that the entry is about, in UTC."""

    class Meta(RecoverableEntry.Meta):
        verbose_name = "journal entry"
        verbose_name_plural = "journal entries"
        ordering = ["-written_at", "-pk"]
        indexes = [*RecoverableEntry.Meta.indexes, models.Index(fields=["author", "-written_at"])]

    def __str__(self) -> str:
        # The title is as private as the text, and this ends in the admin's log and in messages.
        return f"Entry {self.pk}"

    def get_absolute_url(self) -> str:
        """Return the page of the entry."""
        return reverse("journal:detail", kwargs={"pk": self.pk})
