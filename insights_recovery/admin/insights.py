"""The insights themselves: a person may add, correct, remove and restore them, and none of that is undone later."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import ForeignKeyRawIdWidget
from django.contrib.auth import get_permission_codename
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from insights_recovery import corrections, hosts
from insights_recovery.admin.bases import STYLES, ModelAdmin
from insights_recovery.admin.forms import InsightForm
from insights_recovery.admin.links import entry_link
from insights_recovery.admin.wording import Words, badge
from insights_recovery.models import Insight

CORRECTIONS: dict[str, tuple[Words, str]] = {
    "corrected": (gettext_lazy("Made or edited"), "busy"),
    "removed": (gettext_lazy("Removed"), "quiet"),
}
"""What a person may have done to an insight."""


class EntryKeyWidget(ForeignKeyRawIdWidget):
    """A field for an entry's key that does not show the entry beside it: its `__str__` may quote the text."""

    def label_and_url_for_value(self, value: Any) -> tuple[str, str]:
        return "", ""


@admin.register(Insight)
class InsightAdmin(ModelAdmin):
    """Insights, editable by hand.

    There is no search by words: what is searched for stands in the URL, and so in the logs of servers.
    """

    form = InsightForm
    actions = ("restore",)
    list_display = ("label", "kind", "entry_page", "sentiment", "confidence", "correction")
    list_filter = ("kind", "is_manual_edit", "is_removed")
    ordering = ("-pk",)
    show_full_result_count = False
    raw_id_fields = ("entry",)
    fields = ("kind", "label", "snippet", ("start", "end"), ("sentiment", "confidence"))
    origin = ("extraction_name", "correction")

    @property
    def media(self) -> forms.Media:
        return super().media + STYLES

    def get_fields(self, request: HttpRequest, obj: Insight | None = None) -> Any:
        """Let the entry be chosen when an insight is added, and never be changed."""
        return ("entry", *self.fields) if obj is None else ("entry_page", *self.fields, *self.origin)

    def get_readonly_fields(self, request: HttpRequest, obj: Insight | None = None) -> Any:
        return () if obj is None else ("entry_page", *self.origin)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Tell the form, whose class is made anew for each request, what this person may read."""
        form = super().get_form(request, obj, change=change, **kwargs)
        form.may_read_text = _may_read_entries(request)  # type: ignore[attr-defined]
        return form

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "entry":
            kwargs["widget"] = EntryKeyWidget(db_field.remote_field, self.admin_site, using=hosts.database())
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=gettext_lazy("entry"), ordering="entry_id")
    def entry_page(self, insight: Insight) -> str:
        return entry_link(self.admin_site, insight.entry_id)

    @admin.display(description=gettext_lazy("found by"))
    def extraction_name(self, insight: Insight) -> str:
        if insight.extraction:
            return str(insight.extraction)
        return _("an extractor, in an earlier text") if insight.extracted_label else _("a person")

    @admin.display(description=gettext_lazy("by hand"), ordering="is_manual_edit")
    def correction(self, insight: Insight) -> str:
        if insight.is_removed:
            return badge("removed", CORRECTIONS)
        return badge("corrected", CORRECTIONS) if insight.is_manual_edit else "-"

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Insight | None:
        """Return the insight; with its entry locked where it is about to be changed, see `corrections`."""
        insight = super().get_object(request, object_id, from_field)
        if insight is None or request.method != "POST" or not _in_transaction():
            return insight
        corrections.hold_entries([insight.entry_id])
        return super().get_object(request, object_id, from_field)

    def save_model(self, request: HttpRequest, obj: Insight, form: Any, change: bool) -> None:
        """Save what a person wrote, so that no extractor replaces it."""
        obj.is_manual_edit = True
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Insight) -> None:
        """Remove the insight in such a way that it is not found again."""
        corrections.remove(Insight.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Insight]) -> None:
        """Remove the insights in such a way that they are not found again."""
        corrections.remove(queryset)

    @admin.action(description=gettext_lazy("Restore removed insights"), permissions=["change"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Insight]) -> None:
        """Take back that the selected insights were removed."""
        count = corrections.restore(queryset)
        words = ngettext("%(count)d insight was restored.", "%(count)d insights were restored.", count)
        self.message_user(request, words % {"count": count}, messages.SUCCESS if count else messages.WARNING)


def _may_read_entries(request: HttpRequest) -> bool:
    options = hosts.entry_model()._meta
    names = (get_permission_codename(action, options) for action in ("view", "change"))
    return any(request.user.has_perm(f"{options.app_label}.{name}") for name in names)


def _in_transaction() -> bool:
    return bool(transaction.get_connection(hosts.database()).in_atomic_block)
