"""The second test host's entry."""

import uuid

from django.db import models

from insights_recovery.models import RecoverableEntry


class Note(RecoverableEntry):
    """A note with a UUID key under another name than `id`, and a text field of another name."""

    uid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    body = models.TextField()

    class Meta(RecoverableEntry.Meta):
        pass

    def __str__(self) -> str:
        return f"note {self.pk}"
