"""The mixin for the host's admin of its entries."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from insights_recovery import hosts
from insights_recovery.admin import wording
from insights_recovery.admin.actions import EntryActions
from insights_recovery.admin.bases import STYLES
from insights_recovery.admin.evidence import AttemptInline
from insights_recovery.admin.filters import OverdueFilter, ReasonFilter, StateFilter
from insights_recovery.admin.links import list_link
from insights_recovery.models import Extraction, Insight, ProcessingAttempt

COLUMNS = ("processing_badge", "processing_explanation")
FILTERS = (StateFilter, ReasonFilter, OverdueFilter)
EVIDENCE = (
    *COLUMNS,
    "processing_attempts",
    "processing_crashes",
    "processing_postponed",
    "processing_waiting_since",
    "processing_due_at",
    "processing_not_before",
    "processing_completed_at",
    "processing_error",
)
LINKS: dict[str, type[Model]] = {
    "insight_list": Insight,
    "extraction_list": Extraction,
    "attempt_list": ProcessingAttempt,
}
"""Each line of the evidence that links to a list, and what it lists."""


class RecoverableEntryAdminMixin(EntryActions):
    """Adds to the host's admin of its entries how far each one is, why, and what may be done about it.

    Put it first: `class EntryAdmin(RecoverableEntryAdminMixin, admin.ModelAdmin)`. What the host sets itself stays as
    it is; columns, filters, actions, the fieldset and the inline come after it, and what the host lists already does
    not come twice. A host that overrides one of the `get_...` methods calls `super()`, as ever.

    Each action asks a method `has_<action>_permission(request)`; they grant it to whoever may change entries.
    """

    @property
    def media(self) -> forms.Media:
        return super().media + STYLES

    def get_list_display(self, request: HttpRequest) -> Any:
        return _joined(super().get_list_display(request), COLUMNS)

    def get_list_filter(self, request: HttpRequest) -> Any:
        return _joined(super().get_list_filter(request), FILTERS)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        inlines = list(super().get_inlines(request, obj))
        if obj is None or any(inline.model is ProcessingAttempt for inline in inlines):
            return inlines
        return [*inlines, AttemptInline]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return _joined(super().get_readonly_fields(request, obj), self._evidence(request, obj))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave to our fieldset what the host does not list itself."""
        ours = set(self._evidence(request, obj)) - set(self.readonly_fields)
        fields = super().get_fields(request, obj)
        return fields if self.fields else [name for name in fields if name not in ours]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))
        listed = set(admin.utils.flatten_fieldsets(fieldsets))
        evidence = [name for name in self._evidence(request, obj) if name not in listed]
        return (
            [*fieldsets, (_("Processing"), {"fields": evidence, "classes": ["ir-evidence"]})] if evidence else fieldsets
        )

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Let whoever may delete an entry delete what belongs to it."""
        deleted, counts, forbidden, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, forbidden - {model._meta.verbose_name for model in LINKS.values()}, protected

    @admin.display(description=_("state"), ordering="processing_state")
    def processing_badge(self, entry: Any) -> str:
        return wording.badge(entry.processing_state, wording.STATES)

    @admin.display(description=_("why, and until when"), ordering="processing_due_at")
    def processing_explanation(self, entry: Any) -> str:
        return wording.explanation(entry, timezone.now())

    @admin.display(description=_("insights"))
    def insight_list(self, entry: Any) -> str:
        count = _count(Insight, entry)
        words = ngettext("%(count)d insight", "%(count)d insights", count) % {"count": count}
        return list_link(self.admin_site, Insight, entry.pk, words)

    @admin.display(description=_("extractions"))
    def extraction_list(self, entry: Any) -> str:
        count = _count(Extraction, entry)
        words = ngettext("%(count)d extraction", "%(count)d extractions", count) % {"count": count}
        return list_link(self.admin_site, Extraction, entry.pk, words)

    @admin.display(description=_("all attempts"))
    def attempt_list(self, entry: Any) -> str:
        count = _count(ProcessingAttempt, entry)
        words = ngettext("%(count)d attempt", "%(count)d attempts", count) % {"count": count}
        return list_link(self.admin_site, ProcessingAttempt, entry.pk, words)

    def _evidence(self, request: HttpRequest, obj: Any) -> tuple[str, ...]:
        """Return the lines of our fieldset: none where an entry is being added, links only for who may follow them."""
        if obj is None:
            return ()
        return (*EVIDENCE, *(name for name, model in LINKS.items() if self._may_view(request, model)))

    def _may_view(self, request: HttpRequest, model: type[Model]) -> bool:
        if not self.admin_site.is_registered(model):
            return False
        return bool(self.admin_site.get_model_admin(model).has_view_permission(request))


def _joined(theirs: Any, ours: Any) -> tuple[Any, ...]:
    return (*theirs, *(item for item in ours if item not in theirs))


def _count(model: Any, entry: Any) -> int:
    return int(model._default_manager.using(hosts.database()).filter(entry_id=entry.pk).count())
