"""Django's admin classes under the names by which a type checker takes them: they are generic in its stubs alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django import forms
from django.contrib import admin
from django.forms.models import BaseInlineFormSet

from insights_recovery.models import Insight

if TYPE_CHECKING:
    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
    TabularInline: TypeAlias = admin.TabularInline[Any, Any]
    InlineFormSet: TypeAlias = BaseInlineFormSet[Any, Any, Any]
    InsightModelForm: TypeAlias = forms.ModelForm[Insight]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline
    InlineFormSet = BaseInlineFormSet
    InsightModelForm = forms.ModelForm

STYLES = forms.Media(css={"all": ["insights_recovery/admin.css"]})
"""Our style sheet for the admin."""
