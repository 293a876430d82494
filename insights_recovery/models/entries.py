"""The mixin for the host's entries, and the queryset that watches for edits."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from insights_recovery import clock, lifecycle, signals, texts
from insights_recovery.clock import DatabaseNow
from insights_recovery.conf import conf
from insights_recovery.indexes import DueIndex
from insights_recovery.lifecycle import FINISHED, Reason, State
from insights_recovery.models.columns import (
    BooleanColumn,
    CharColumn,
    DateTimeColumn,
    PositiveIntegerColumn,
    TextColumn,
    UUIDColumn,
)
from insights_recovery.querysets import EntryQuerySet

PREFIX = "processing_"


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

    processing_state = CharColumn(
        _("processing state"), max_length=16, choices=State.choices, db_default=State.PENDING, editable=False
    )
    processing_due_at = DateTimeColumn(
        _("to be looked at"),
        null=True,
        db_default=DatabaseNow(),
        editable=False,
        help_text=_("When somebody must look at it again if nothing has happened until then."),
    )
    processing_waiting_since = DateTimeColumn(
        _("waiting since"),
        db_default=DatabaseNow(),
        editable=False,
        help_text=_("When it last became something to be done."),
    )
    processing_not_before = DateTimeColumn(
        _("not before"), null=True, editable=False, help_text=_("Until then no worker may claim it.")
    )
    processing_attempts = PositiveIntegerColumn(_("failed attempts"), db_default=0, editable=False)
    processing_crashes = PositiveIntegerColumn(_("crashes"), db_default=0, editable=False)
    processing_postponed = PositiveIntegerColumn(_("postponements"), db_default=0, editable=False)
    processing_claims = PositiveIntegerColumn(_("claims ever"), db_default=0, editable=False)
    processing_nudges = PositiveIntegerColumn(_("messages since the last claim"), db_default=0, editable=False)
    processing_reason = CharColumn(
        _("reason"), max_length=16, choices=Reason.choices, db_default=Reason.NEW, blank=True, editable=False
    )
    processing_token = UUIDColumn(_("fencing token"), null=True, editable=False)
    processing_owner = CharColumn(_("owner of the lease"), max_length=255, db_default="", blank=True, editable=False)
    processing_solitary = BooleanColumn(
        _("alone"), db_default=False, editable=False, help_text=_("Held alone, or to be claimed alone.")
    )
    processing_backfill = BooleanColumn(
        _("backfill"), db_default=True, editable=False, help_text=_("Waits behind what people write today.")
    )
    processing_error = TextColumn(_("last error"), db_default="", blank=True, editable=False)
    processing_digest = CharColumn(_("digest of the text"), max_length=64, db_default="", blank=True, editable=False)
    processing_completed_at = DateTimeColumn(_("completed"), null=True, editable=False)

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

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save as ever; a new text is announced to the workers after commit.

        An edit puts the entry back in the very statement that writes the text. The instance's own processing columns
        are never written, so that a stale one undoes nothing.
        """
        self._text_edited = self._is_inserted = False
        super().save(*args, **kwargs)
        if self._text_edited:
            # Somebody may have deleted it since, and the save has done its part.
            with contextlib.suppress(type(self).DoesNotExist):
                self.refresh_from_db(using=self._state.db, fields=_processing_names(type(self)))
        if self._is_inserted or self._text_edited:
            self._defer_what_was_not_returned()
            signals.entry_written.send_robust(type(self), entry_id=self.pk, using=self._state.db)

    save.alters_data = True  # type: ignore[attr-defined]

    @property
    def insights_processed(self) -> bool:
        """Whether the entry is done: its insights are stored, or there is nothing to extract."""
        return self.processing_state in {State.COMPLETED, State.SKIPPED}

    def get_insight_text(self) -> str:
        """Return the text to extract insights from; override it to join several fields."""
        return str(getattr(self, conf().text_field) or "")

    def current_insights(self) -> models.QuerySet[Any]:
        """Return the insights of the text as it stands, and those a person made; never those of an older text."""
        return self.insights.current(self)  # type: ignore[attr-defined, no-any-return]

    def current_extractions(self) -> models.QuerySet[Any]:
        """Return the extractions of the text as it stands; none while it has not been read yet."""
        return self.extractions.current(self)  # type: ignore[attr-defined, no-any-return]

    @classmethod
    def processing_rows(cls, using: str) -> EntryQuerySet[Self]:
        """Return all entries of the database `using`, past any manager that hides some or guards their text."""
        return EntryQuerySet(cls, using=using)

    @classmethod
    def overrides_insight_text(cls) -> bool:
        """Say whether the host has put a hook of its own in the place of `get_insight_text()`."""
        return cls.get_insight_text is not RecoverableEntry.get_insight_text

    @classmethod
    def may_change_text(cls, columns: Any) -> bool:
        """Say whether writing these fields may change the text: the text field; any, where the hook is overridden."""
        if cls.overrides_insight_text():
            return any(not name.startswith(PREFIX) for name in columns)
        return conf().text_field in columns

    _text_edited: bool = False
    _is_inserted: bool = False

    def _do_insert(self, manager: Any, using: str, fields: Any, returning_fields: Any, raw: bool) -> Any:
        """Start over, whatever the instance carries: it may be the copy of an entry that is done, under another key."""
        if not raw and any(map(_is_ours, fields)):
            self._start_processing(using)
        return super()._do_insert(manager, using, fields, returning_fields, raw)  # type: ignore[misc]

    def _start_processing(self, using: str) -> None:
        _reset_processing(self)
        self.processing_digest = texts.read(self, using=using).digest
        self.processing_due_at = clock.later(conf().dispatch_grace)
        self.processing_nudges = 1
        self.processing_backfill = False
        self._is_inserted = True

    def _defer_what_was_not_returned(self) -> None:
        """Have the columns that the database computed, and did not return, read when somebody asks for them."""
        for name in _processing_names(type(self)):
            if hasattr(self.__dict__.get(name), "resolve_expression"):
                del self.__dict__[name]

    def _do_update(
        self, base_qs: Any, using: Any, pk_val: Any, values: Any, update_fields: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Write the host's columns only and, where the text is among them, the columns that put the entry back."""
        ours = {field.name: field for field in base_qs.model._meta.local_concrete_fields if _is_ours(field)}
        written = [value for value in values if value[0].name not in ours]
        if ours and self.may_change_text(field.name for field, *_ in written):
            columns = self._edit(using, is_known=_text_is_known(written, update_fields, type(self)))
            written += [(ours[name], None, value) for name, value in columns.items()]
        return super()._do_update(base_qs, using, pk_val, written, update_fields, *args, **kwargs)

    def _edit(self, using: str, *, is_known: bool) -> dict[str, Any]:
        digest = texts.read(self, using=using).digest if is_known else None
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
    if update_fields is not None and model.overrides_insight_text():
        return False
    return not any(hasattr(value, "resolve_expression") for _, _, value in written)
