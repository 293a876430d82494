"""Filters of the list of entries: by state, by reason, and those that are overdue."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from insights_recovery.admin.wording import REASONS, STATES
from insights_recovery.querysets import EntryQuerySet


class StateFilter(admin.SimpleListFilter):
    """Entries in one state."""

    title = _("state")
    parameter_name = "processing_state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(state), words) for state, (words, _tone) in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(processing_state=self.value()) if self.value() in STATES else queryset


class ReasonFilter(admin.SimpleListFilter):
    """Entries that stand where they stand for one reason."""

    title = _("reason")
    parameter_name = "processing_reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(reason), words) for reason, (words, _sentence) in REASONS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(processing_reason=self.value()) if self.value() in REASONS else queryset


class OverdueFilter(admin.SimpleListFilter):
    """Entries that somebody should be looking at by now."""

    title = _("overdue")
    parameter_name = "processing_overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Overdue"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        # The host's manager may return a queryset of its own class, to which the same question can be put.
        return EntryQuerySet.overdue(cast("Any", queryset)) if self.value() == "yes" else queryset
