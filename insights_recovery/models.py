"""The mixin for the host's entries, and what belongs to an entry: extractions, insights, attempts, the heartbeat."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Q

from insights_recovery import clock, lifecycle, signals
from insights_recovery.clock import DatabaseNow
from insights_recovery.conf import conf, entry_model_name
from insights_recovery.extractors.base import MAX_LABEL, MAX_LANGUAGE, MAX_TITLE, Kind
from insights_recovery.lifecycle import FINISHED, Reason, State
from insights_recovery.querysets import EntryQuerySet

PREFIX = "processing_"


class DueIndex(models.Index):
    """Partial index over rows whose last field is not null; a plain one where the database has no partial indexes.

    Django leaves a conditional index out on MariaDB altogether, so the condition is added only where it can be had.
    """

    def create_sql(
        self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Any:
        """Return the statement that creates the index."""
        if not schema_editor.connection.features.supports_partial_indexes:
            return super().create_sql(model, schema_editor, using, **kwargs)
        condition = Q(**{f"{self.fields[-1]}__isnull": False})
        partial = models.Index(fields=self.fields, name=self.name, condition=condition)
        return partial.create_sql(model, schema_editor, using, **kwargs)


class RecoverableQuerySet(EntryQuerySet[Any]):
    """The host's queryset: an update of the text puts the entry back in the same statement."""

    def update(self, **columns: Any) -> int:
        """Update as ever; where the text is, or may be, among the columns, the entries are put back as edited."""
        if not self.model.may_change_text(columns):
            return super().update(**columns)
        return super().update(**columns, **lifecycle.reopening(None, due_in=0, backfill=True))

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> Any:
        """Create as ever; each entry starts unprocessed, even where an instance is the copy of one that is done."""
        objs = list(objs)
        for entry in objs:
            _reset_processing(entry)
        return super().bulk_create(objs, *args, **kwargs)


class RecoverableEntry(models.Model):
    """Mixin for the host's model of a journal entry: the row is the truth about how far it is processed.

    Inherit its `Meta` too, for the index and the constraints. Every column has a default in the database, so that rows
    from plain SQL, `bulk_create` and `loaddata` are found as well. The columns belong to `lifecycle`: a save
    leaves them alone, whatever the instance holds.
    """

    processing_state = models.CharField(
        "processing state", max_length=16, choices=State.choices, db_default=State.PENDING, editable=False
    )
    processing_due_at = models.DateTimeField(
        "to be looked at",
        null=True,
        db_default=DatabaseNow(),
        editable=False,
        help_text="When somebody must look at it again if nothing has happened until then.",
    )
    processing_waiting_since = models.DateTimeField(
        "waiting since", db_default=DatabaseNow(), editable=False, help_text="When it last became something to be done."
    )
    processing_not_before = models.DateTimeField(
        "not before", null=True, editable=False, help_text="Until then no worker may claim it."
    )
    processing_attempts = models.PositiveIntegerField("failed attempts", db_default=0, editable=False)
    processing_crashes = models.PositiveIntegerField("crashes", db_default=0, editable=False)
    processing_postponed = models.PositiveIntegerField("postponements", db_default=0, editable=False)
    processing_claims = models.PositiveIntegerField("claims ever", db_default=0, editable=False)
    processing_nudges = models.PositiveIntegerField("messages since the last claim", db_default=0, editable=False)
    processing_reason = models.CharField(
        "reason", max_length=16, choices=Reason.choices, db_default=Reason.NEW, blank=True, editable=False
    )
    processing_token = models.UUIDField("fencing token", null=True, editable=False)
    processing_owner = models.CharField("owner of the lease", max_length=255, db_default="", blank=True, editable=False)
    processing_solitary = models.BooleanField(
        "alone", db_default=False, editable=False, help_text="Held alone, or to be claimed alone."
    )
    processing_backfill = models.BooleanField(
        "backfill", db_default=True, editable=False, help_text="Waits behind what people write today."
    )
    processing_error = models.TextField("last error", db_default="", blank=True, editable=False)
    processing_digest = models.CharField("digest of the text", max_length=64, db_default="", blank=True, editable=False)
    processing_completed_at = models.DateTimeField("completed", null=True, editable=False)

    objects: ClassVar[Any] = RecoverableQuerySet.as_manager()

    class Meta:
        abstract = True
        indexes: ClassVar[list[models.Index]] = [DueIndex(fields=["processing_backfill", "processing_due_at"])]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_known_state", condition=Q(processing_state__in=State.values)
            ),
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_lease",
                condition=Q(processing_state=State.PROCESSING, processing_token__isnull=False)
                | (~Q(processing_state=State.PROCESSING) & Q(processing_token__isnull=True)),
            ),
            models.CheckConstraint(
                name="%(app_label)s_%(class)s_due",
                condition=Q(processing_state__in=sorted(FINISHED), processing_due_at__isnull=True)
                | (~Q(processing_state__in=sorted(FINISHED)) & Q(processing_due_at__isnull=False)),
            ),
        ]

    @property
    def insights_processed(self) -> bool:
        """Whether the entry is done: its insights are stored, or there is nothing to extract."""
        return self.processing_state in {State.COMPLETED, State.SKIPPED}

    def get_insight_text(self) -> str:
        """Return the text to extract insights from; override it to join several fields."""
        return str(getattr(self, conf().text_field) or "")

    def current_insights(self) -> models.QuerySet[Insight]:
        """Return the insights of the text as it stands, and those a person made; never those of an older text."""
        return Insight.objects.current(self)

    def current_extractions(self) -> models.QuerySet[Extraction]:
        """Return the extractions of the text as it stands; none while it has not been read yet."""
        return Extraction.objects.current(self)

    @classmethod
    def processing_rows(cls, using: str) -> EntryQuerySet[Self]:
        """Return all entries of the database `using`, past any manager that hides some or guards their text."""
        return EntryQuerySet(cls, using=using)

    @classmethod
    def may_change_text(cls, columns: Any) -> bool:
        """Say whether writing these fields may change the text: the text field; any, where the hook is overridden."""
        if cls.get_insight_text is not RecoverableEntry.get_insight_text:
            return any(not name.startswith(PREFIX) for name in columns)
        return conf().text_field in columns

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save as ever; a new text is announced to the workers after commit.

        An edit puts the entry back in the very statement that writes the text. The instance's own processing columns
        are never written, so that a stale one undoes nothing.
        """
        self._text_edited = self._is_inserted = False
        super().save(*args, **kwargs)
        if self._text_edited:
            self.refresh_from_db(using=self._state.db, fields=_processing_names(type(self)))
        if self._is_inserted or self._text_edited:
            self._defer_what_was_not_returned()
            signals.entry_written.send(type(self), entry_id=self.pk, using=self._state.db)

    save.alters_data = True  # type: ignore[attr-defined]

    _text_edited: bool = False
    _is_inserted: bool = False

    def _do_insert(self, manager: Any, using: str, fields: Any, returning_fields: Any, raw: bool) -> Any:
        """Start over, whatever the instance carries: it may be the copy of an entry that is done, under another key."""
        if not raw and any(map(_is_ours, fields)):
            self._start_processing()
        return super()._do_insert(manager, using, fields, returning_fields, raw)  # type: ignore[misc]

    def _start_processing(self) -> None:
        _reset_processing(self)
        self.processing_digest = lifecycle.digest_of(self.get_insight_text())
        self.processing_due_at = clock.later(conf().dispatch_grace)
        self.processing_nudges = 1
        self.processing_backfill = False
        self._is_inserted = True

    def _defer_what_was_not_returned(self) -> None:
        """Have the columns that the database computed, and did not return, read when somebody asks for them."""
        for name in _processing_names(type(self)):
            if hasattr(self.__dict__.get(name), "resolve_expression"):
                del self.__dict__[name]

    def _do_update(  # type: ignore[override]  # its tail differs between the versions of Django
        self, base_qs: Any, using: Any, pk_val: Any, values: Any, update_fields: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Write the host's columns only and, where the text is among them, the columns that put the entry back."""
        ours = {field.name: field for field in base_qs.model._meta.local_concrete_fields if _is_ours(field)}
        written = [value for value in values if value[0].name not in ours]
        if ours and self.may_change_text(field.name for field, *_ in written):
            columns = self._edit(_text_is_known(written, update_fields, type(self)))
            written += [(ours[name], None, value) for name, value in columns.items()]
        return super()._do_update(base_qs, using, pk_val, written, update_fields, *args, **kwargs)

    def _edit(self, is_known: bool) -> dict[str, Any]:
        digest = lifecycle.digest_of(self.get_insight_text()) if is_known else None
        self._text_edited = digest is None or digest != self.__dict__.get("processing_digest")
        due_in = conf().dispatch_grace if self._text_edited else 0
        return lifecycle.reopening(digest, due_in=due_in, backfill=False)


def _is_ours(field: models.Field[Any, Any]) -> bool:
    return field.name.startswith(PREFIX)


def _processing_names(model: type[models.Model]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if _is_ours(field)]


def _reset_processing(entry: RecoverableEntry) -> None:
    for field in type(entry)._meta.concrete_fields:
        if _is_ours(field):
            setattr(entry, field.attname, field.get_default())


def _text_is_known(written: list[Any], update_fields: Any, model: type[RecoverableEntry]) -> bool:
    """Say whether the instance holds the text that the row will have.

    It does not where a column is computed by the database, nor where the hook joins several fields and only some of
    them are written, since the instance's others may be stale.
    """
    if update_fields is not None and model.get_insight_text is not RecoverableEntry.get_insight_text:
        return False
    return not any(hasattr(value, "resolve_expression") for _, _, value in written)


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
        ordering: ClassVar[list[str]] = ["entry", "position", "pk"]

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
        ordering: ClassVar[list[str]] = ["entry", "number"]
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
