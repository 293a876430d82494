"""What belongs to an entry: extractions, insights, attempts; and the heartbeats of the standing services."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from insights_recovery.clock import DatabaseNow
from insights_recovery.conf import entry_model_name
from insights_recovery.extractors.base import MAX_LABEL, MAX_LANGUAGE, MAX_TITLE, Kind
from insights_recovery.models.entries import RecoverableEntry


class CurrentQuerySet(models.QuerySet[Any]):
    """What belongs to an entry's text as it stands."""

    text_digest: ClassVar[str]

    def current(self, entry: RecoverableEntry) -> Self:
        """Those of the entry's present text; none of an older one."""
        digest = type(entry).processing_rows(entry._state.db or "default").filter(pk=entry.pk)
        known = digest.exclude(processing_digest="").values("processing_digest")
        return self.filter(self.is_of(known), entry=entry)

    def is_of(self, digest: Any) -> Q:
        """The condition of being of the text with this digest."""
        return Q(**{f"{self.text_digest}__in": digest})


class ExtractionQuerySet(CurrentQuerySet):
    """Questions about extractions."""

    text_digest = "text_digest"


class InsightQuerySet(CurrentQuerySet):
    """Questions about insights."""

    text_digest = "extraction__text_digest"

    def current(self, entry: RecoverableEntry) -> Self:
        """The insights of the entry's present text, and those a person made, without those a person removed."""
        return super().current(entry).filter(is_removed=False)

    def is_of(self, digest: Any) -> Q:
        """Of the text with this digest, or a person's."""
        return super().is_of(digest) | Q(is_manual_edit=True)

    def corrected(self) -> Self:
        """Insights that a person edited, added or removed."""
        return self.filter(is_manual_edit=True)


def _entry_key(related_name: str) -> Any:
    """Return a foreign key to the host's entry, without a constraint in the database.

    A worker may write while somebody deletes the entry; with a constraint one of the two would fail. The row locks of
    `insights` keep them apart, and a sweep removes what a plain SQL DELETE left behind.
    """
    return models.ForeignKey(
        entry_model_name(), on_delete=models.CASCADE, related_name=related_name, db_constraint=False
    )


_SENTIMENT = [MinValueValidator(-1.0), MaxValueValidator(1.0)]


class Extraction(models.Model):
    """All that one extractor found in one text of one entry: the checkpoint that makes sure it is paid for once."""

    entry = _entry_key("extractions")
    extractor = models.CharField(max_length=64)
    version = models.CharField(max_length=64)
    text_digest = models.CharField(max_length=64)
    is_outdated = models.BooleanField(
        default=False, help_text="To be done over: still shown, but no longer a checkpoint."
    )
    sentiment = models.FloatField(null=True, blank=True, validators=_SENTIMENT)
    summary = models.TextField(blank=True)
    title = models.CharField(max_length=MAX_TITLE, blank=True)
    language = models.CharField(max_length=MAX_LANGUAGE, blank=True)
    duration = models.FloatField(help_text="Seconds that the extractor took for this text.")
    usage = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=DatabaseNow(), editable=False)

    objects: ClassVar[Any] = ExtractionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["entry", "extractor", "text_digest"], name="insights_recovery_one_extraction"
            )
        ]

    def __str__(self) -> str:
        return f"{self.extractor} {self.version} of entry {self.entry_id}"


class Insight(models.Model):
    """One finding about an entry."""

    entry = _entry_key("insights")
    extraction = models.ForeignKey(
        Extraction, on_delete=models.CASCADE, related_name="insights", null=True, blank=True, editable=False
    )
    position = models.PositiveIntegerField(default=0, editable=False)
    kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in Kind])
    label = models.CharField(max_length=MAX_LABEL)
    snippet = models.TextField(blank=True)
    start = models.PositiveIntegerField(null=True, blank=True, help_text="First character in the text.")
    end = models.PositiveIntegerField(null=True, blank=True, help_text="Behind the last character in the text.")
    sentiment = models.FloatField(null=True, blank=True, validators=_SENTIMENT, help_text="From -1 to 1.")
    confidence = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)], help_text="From 0 to 1."
    )
    is_manual_edit = models.BooleanField("made or edited by hand", default=False, editable=False)
    is_removed = models.BooleanField("removed by hand", default=False, editable=False)
    extracted_kind = models.CharField(max_length=16, blank=True, editable=False)
    extracted_label = models.CharField(
        max_length=MAX_LABEL,
        blank=True,
        editable=False,
        help_text="What the extractor said, so that it is known again when the text is read anew.",
    )

    objects: ClassVar[Any] = InsightQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["entry_id", "position", "pk"]

    def __str__(self) -> str:
        return f"{self.kind} of entry {self.entry_id}"


class Outcome(models.TextChoices):
    """How an attempt ended."""

    RUNNING = "running", "in work"
    """It has not ended."""
    COMPLETED = "completed", "done"
    """The insights are stored."""
    SKIPPED = "skipped", "skipped"
    """There was nothing to extract."""
    FAILED = "failed", "failed"
    """The extractor raised, or ran into the soft time limit."""
    POSTPONED = "postponed", "postponed"
    """An outage."""
    RELEASED = "released", "given back"
    """The worker gave the entry back untouched."""
    SUPERSEDED = "superseded", "text edited meanwhile"
    """The text was edited while in work."""
    LOST = "lost", "worker lost"
    """The worker died, was killed, or let its lease run out."""


class ProcessingAttempt(models.Model):
    """One claimed run of one entry."""

    entry = _entry_key("attempts")
    number = models.PositiveIntegerField()
    token = models.UUIDField()
    task_id = models.CharField(max_length=255, blank=True)
    worker = models.CharField(max_length=255, blank=True)
    started_at = models.DateTimeField(db_default=DatabaseNow())
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, default=Outcome.RUNNING)
    error_type = models.CharField(max_length=255, blank=True)
    error = models.TextField(blank=True)
    traceback = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["entry_id", "number"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["token"], name="ir_attempt_token"),
            models.Index(fields=["finished_at"], name="ir_attempt_finished"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} at entry {self.entry_id}"


class Heartbeat(models.Model):
    """The last run of a standing service, and the lease that keeps it to one runner at a time."""

    name = models.CharField(max_length=64, primary_key=True)
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    runner = models.CharField(max_length=255, blank=True)
    cursor = models.CharField(max_length=255, blank=True, help_text="Key up to which the verify pass has read.")
    report = models.JSONField(default=dict, blank=True, help_text="What the last run did, in numbers.")

    def __str__(self) -> str:
        return self.name
