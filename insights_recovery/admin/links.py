"""Links between the admin's pages. They name entries by their key: a host's `__str__` may quote the text."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst

from insights_recovery.hosts import entry_model


def entry_name(pk: Any) -> str:
    """Return what an entry is called wherever its text must not be seen."""
    return f"{capfirst(entry_model()._meta.verbose_name)} {pk}"


def entry_link(site: AdminSite, pk: Any) -> str:
    """Return a link to the entry's page, or only its name where the site has no such page."""
    if not site.is_registered(entry_model()):
        return entry_name(pk)
    return format_html('<a href="{}">{}</a>', _url(site, entry_model(), "change", quote(pk)), entry_name(pk))


def list_link(site: AdminSite, model: type[Model], entry_pk: Any, words: str) -> str:
    """Return a link to the list of those rows of `model` that belong to the entry."""
    url = _url(site, model, "changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode({"entry__exact": entry_pk}), words)


def _url(site: AdminSite, model: type[Model], page: str, *args: Any) -> str:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    return reverse(name, args=args, current_app=site.name)
