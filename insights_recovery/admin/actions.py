"""What a person may ask for the selected entries: retry, do over, skip, process now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from insights_recovery import operations
from insights_recovery.admin.asking import (
    ASKS,
    PROCESS_NOW,
    REPROCESS,
    RETRY,
    SKIP,
    Ask,
    Message,
    report,
    report_outcomes,
)
from insights_recovery.admin.bases import ModelAdmin
from insights_recovery.admin.links import entry_name
from insights_recovery.lifecycle import TRANSITIONS

ACTIONS = tuple(ask.action for ask in ASKS)
NOW_LIMIT = 20
"""Entries that are processed while the person waits, at the most."""
LISTED = 50
"""Entries that the page which asks for confirmation names, at the most."""


class EntryActions(ModelAdmin):
    """The actions, each with a permission of its own that a host may override; who may change entries has them all."""

    def __init__(self, model: type[Any], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        theirs = type(self).actions
        # None says that the host wants no actions at all.
        self.actions = None if theirs is None else (*theirs, *(name for name in ACTIONS if name not in theirs))

    def has_retry_entries_permission(self, request: HttpRequest) -> bool:
        """Say whether entries may be tried again."""
        return self.has_change_permission(request)

    def has_process_entries_now_permission(self, request: HttpRequest) -> bool:
        """Say whether entries may be processed by the web server."""
        return self.has_change_permission(request)

    def has_reprocess_entries_permission(self, request: HttpRequest) -> bool:
        """Say whether entries may be done over, which may cost money."""
        return self.has_change_permission(request)

    def has_skip_entries_permission(self, request: HttpRequest) -> bool:
        """Say whether entries may be left unread."""
        return self.has_change_permission(request)

    @transaction.non_atomic_requests
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, or act; our actions outside of the transaction that ATOMIC_REQUESTS opens for a request.

        It would stay open while an extractor works, and messages would go out before what they speak of is committed.
        """
        is_ours = not set(ACTIONS).isdisjoint(request.POST.getlist("action"))
        wants_transaction = connections[DEFAULT_DB_ALIAS].settings_dict["ATOMIC_REQUESTS"]
        with transaction.atomic() if wants_transaction and not is_ours else nullcontext():
            response: HttpResponse = super().changelist_view(request, extra_context)
            return response

    @admin.action(description=_("Try again, with fresh attempts"), permissions=["retry_entries"])
    def retry_entries(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Try the selected entries again at once."""
        pks, selected = _movable(queryset, RETRY), queryset.count()
        moved = operations.retry(pks)
        self._conclude(request, RETRY, pks, report(RETRY, moved=moved, left=selected - moved))

    @admin.action(
        description=format_lazy(_("Process now, right here ({limit} at the most)"), limit=NOW_LIMIT),
        permissions=["process_entries_now"],
    )
    def process_entries_now(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Process the first of the selected entries while the person waits, without Celery; leave the rest to it."""
        pks, selected = _movable(queryset, PROCESS_NOW), queryset.count()
        queued = operations.retry(pks[NOW_LIMIT:])
        tally = operations.process_now(pks[:NOW_LIMIT])
        rest = report(PROCESS_NOW, moved=queued, left=selected - queued - tally.total())
        self._conclude(request, PROCESS_NOW, pks, [*report_outcomes(tally), *rest])

    @admin.action(description=_("Do over: read once more"), permissions=["reprocess_entries"])
    def reprocess_entries(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask, and then do the selected entries over."""
        return self._confirm_and_do(request, queryset, REPROCESS, operations.reprocess)

    @admin.action(description=_("Skip: leave unread"), permissions=["skip_entries"])
    def skip_entries(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask, and then leave the selected entries unread."""
        return self._confirm_and_do(request, queryset, SKIP, operations.skip)

    def _confirm_and_do(
        self, request: HttpRequest, queryset: QuerySet[Any], asked: Ask, operation: Callable[[list[Any]], int]
    ) -> HttpResponse | None:
        pks, selected = _movable(queryset, asked), queryset.count()
        if pks and request.POST.get("confirmed") != "yes":
            return self._confirmation(request, asked, pks, left=selected - len(pks))
        moved = operation(pks)
        self._conclude(request, asked, pks, report(asked, moved=moved, left=selected - moved))
        return None

    def _confirmation(self, request: HttpRequest, asked: Ask, pks: list[Any], *, left: int) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": asked.title,
            "question": asked.question % {"count": len(pks)},
            "consequences": asked.consequences,
            "left": asked.left % {"count": left} if left else "",
            "names": [entry_name(pk) for pk in pks[:LISTED]],
            "unnamed": max(0, len(pks) - LISTED),
            "action": asked.action,
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "opts": self.opts,
            "media": self.media,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/insights_recovery/confirm_action.html", context)

    def _conclude(self, request: HttpRequest, asked: Ask, pks: list[Any], said: Iterable[Message]) -> None:
        """Say what was done, and leave a line in the admin's history of each entry.

        Both name the entry by its key at the most: its `__str__` may quote the text.
        """
        common = {
            "user_id": request.user.pk,
            "content_type_id": get_content_type_for_model(self.model).pk,
            "action_flag": CHANGE,
            "change_message": str(asked.note),
        }
        lines = (LogEntry(object_id=str(pk), object_repr=entry_name(pk)[:200], **common) for pk in pks)
        LogEntry.objects.bulk_create(lines, batch_size=operations.CHUNK)
        for level, text in said:
            self.message_user(request, text, level)


def _movable(queryset: QuerySet[Any], asked: Ask) -> list[Any]:
    """Return the keys of those entries that may be moved as asked."""
    sources = TRANSITIONS[asked.verb].sources
    return list(queryset.filter(processing_state__in=sources).values_list("pk", flat=True))
