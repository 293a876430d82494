"""What happened, to be looked at and not to be touched: extractions, attempts and heartbeats."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import formats
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from insights_recovery.admin.bases import STYLES, InlineFormSet, ModelAdmin, TabularInline
from insights_recovery.admin.links import entry_link
from insights_recovery.admin.wording import OUTCOMES, badge
from insights_recovery.models import Extraction, Heartbeat, ProcessingAttempt


class EvidenceAdmin(ModelAdmin):
    """Rows that nobody may add, change or delete, whatever their permissions."""

    actions = None
    show_full_result_count = False
    ordering = ("-pk",)

    @property
    def media(self) -> forms.Media:
        return super().media + STYLES

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes evidence by itself; with the entry or the author it belongs to it goes as ever.

        On the page where such a deletion is confirmed, Django asks each model's admin whether it would allow it.
        """
        page = getattr(request.resolver_match, "func", None)
        return getattr(page, "model_admin", self) is not self and super().has_delete_permission(request, obj)

    @admin.display(description=_("entry"), ordering="entry_id")
    def entry_page(self, row: Any) -> str:
        return entry_link(self.admin_site, row.entry_id)


@admin.register(Extraction)
class ExtractionAdmin(EvidenceAdmin):
    """What each extractor found in a text, as a whole, and what that cost."""

    list_display = ("extractor", "entry_page", "language", "sentiment", "seconds", "created_at")
    list_filter = ("is_outdated",)
    fields = (
        "entry_page",
        "extractor",
        "version",
        "title",
        "summary",
        "language",
        "sentiment",
        "seconds",
        "usage",
        "is_outdated",
        "created_at",
    )
    readonly_fields = fields

    @admin.display(description=_("seconds"), ordering="duration")
    def seconds(self, extraction: Extraction) -> str:
        return formats.number_format(extraction.duration, decimal_pos=2)


class AttemptDisplay:
    """How an attempt's outcome and traceback are shown."""

    @admin.display(description=_("outcome"), ordering="outcome")
    def outcome_badge(self, attempt: ProcessingAttempt) -> str:
        return badge(attempt.outcome, OUTCOMES)

    @admin.display(description=_("traceback"))
    def folded_traceback(self, attempt: ProcessingAttempt) -> str:
        if not attempt.traceback:
            return "-"
        return format_html(
            '<details class="ir-traceback"><summary>{}</summary><pre>{}</pre></details>', _("Show"), attempt.traceback
        )


@admin.register(ProcessingAttempt)
class ProcessingAttemptAdmin(AttemptDisplay, EvidenceAdmin):
    """Each claimed run of an entry, and how it ended."""

    list_display = (
        "__str__",
        "entry_page",
        "outcome_badge",
        "worker",
        "started_at",
        "finished_at",
        "error_type",
    )
    list_filter = ("outcome",)
    fields = (
        "entry_page",
        "number",
        "outcome_badge",
        "worker",
        "task_id",
        "started_at",
        "finished_at",
        "error_type",
        "error",
        "folded_traceback",
    )
    readonly_fields = fields


@admin.register(Heartbeat)
class HeartbeatAdmin(EvidenceAdmin):
    """The last run of each standing service."""

    ordering = ("name",)
    list_display = ("name", "started_at", "finished_at", "runner")
    fields = ("name", "started_at", "finished_at", "lease_until", "runner", "cursor", "report")
    readonly_fields = fields


class LatestFormSet(InlineFormSet):
    """The latest attempts only: an outage of days leaves thousands, each an attempt that was postponed."""

    shown = 20

    def get_queryset(self) -> QuerySet[Any]:
        if not hasattr(self, "_latest"):
            self._latest = super().get_queryset()[: self.shown]
        return self._latest


class AttemptInline(AttemptDisplay, TabularInline):
    """The latest attempts at an entry, on its page."""

    model = ProcessingAttempt
    formset = LatestFormSet
    ordering = ("-number",)
    extra = 0
    can_delete = False
    verbose_name_plural = _("latest attempts")
    classes = ("ir-attempts",)
    fields = (
        "number",
        "worker",
        "started_at",
        "finished_at",
        "outcome_badge",
        "error_type",
        "error",
        "folded_traceback",
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
