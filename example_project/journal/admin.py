"""Django's admin: how far entries are, and what to do about those that are stuck; never what is in them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from insights_recovery.admin import RecoverableEntryAdminMixin

from .models import JournalEntry


@admin.register(JournalEntry)
class JournalEntryAdmin(RecoverableEntryAdminMixin, admin.ModelAdmin):
    """Entries for the people who run the site: a journal is its author's alone, so title and text are left out."""

    list_display = ["__str__", "author", "written_at"]
    list_select_related = ["author"]
    readonly_fields = ["author", "written_at"]
    exclude = ["title", "content"]
    # Only the author may open it there.
    view_on_site = False

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Entries are written in the journal."""
        return False
