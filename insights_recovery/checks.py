"""System checks with stable ids: what is wrong with the settings and the host's model, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage
from django.core.exceptions import FieldDoesNotExist

from insights_recovery import conf, schedule
from insights_recovery.exceptions import ConfigurationError
from insights_recovery.extractors import loading
from insights_recovery.indexes import DueIndex
from insights_recovery.models import RecoverableEntry, RecoverableQuerySet

TAG = "insights_recovery"


def register() -> None:
    """Register the checks with Django."""
    for check in (check_settings, check_entry_model, check_fields, check_extractors, check_surroundings):
        checks.register(check, TAG)


def check_settings(**_: Any) -> list[CheckMessage]:
    """Report what is wrong with the INSIGHTS_RECOVERY setting (E001)."""
    found = conf.problems(getattr(settings, conf.SETTING, {}))
    return [checks.Error(problem.message, hint=problem.hint, id="insights_recovery.E001") for problem in found]


def check_entry_model(**_: Any) -> Iterable[CheckMessage]:
    """Report an ENTRY_MODEL that is not installed (E002), not an entry (E003), or lacks what its Meta gives (E004)."""
    model = _entry_model()
    if model is None:
        return _unknown_model()
    if not issubclass(model, RecoverableEntry):
        hint = "Let it inherit insights_recovery.models.RecoverableEntry, and its Meta."
        return [
            checks.Error(f"{_name(model)} is no RecoverableEntry.", hint=hint, obj=model, id="insights_recovery.E003")
        ]
    return [*_lacking_meta(model), *_foreign_queryset(model)]


def _unknown_model() -> list[CheckMessage]:
    if check_settings():
        return []
    message = f"{conf.SETTING}['ENTRY_MODEL'] is '{conf.entry_model_name()}', which is not installed."
    hint = "Name an installed model as app_label.ModelName; its app belongs in INSTALLED_APPS."
    return [checks.Error(message, hint=hint, id="insights_recovery.E002")]


def _lacking_meta(model: type[RecoverableEntry]) -> Iterable[CheckMessage]:
    wanted = {str(constraint.name).rpartition("_")[2] for constraint in RecoverableEntry._meta.constraints}
    present = {str(constraint.name).rpartition("_")[2] for constraint in model._meta.constraints}
    has_index = any(isinstance(index, DueIndex) for index in model._meta.indexes)
    if not has_index or not wanted <= present:
        yield checks.Error(
            f"{_name(model)} lacks the index or the constraints of RecoverableEntry.",
            hint="Write `class Meta(RecoverableEntry.Meta):` and, where you set indexes or constraints yourself, add "
            "RecoverableEntry.Meta.indexes and RecoverableEntry.Meta.constraints to them; then makemigrations.",
            obj=model,
            id="insights_recovery.E004",
        )


def _foreign_queryset(model: type[RecoverableEntry]) -> Iterable[CheckMessage]:
    if not isinstance(model._default_manager.all(), RecoverableQuerySet):
        yield checks.Warning(
            f"The default manager of {_name(model)} does not use RecoverableQuerySet.",
            hint="An update() of the text through it is noticed by the next verify pass only; derive the manager's "
            "queryset from insights_recovery.models.RecoverableQuerySet to have it noticed at once.",
            obj=model,
            id="insights_recovery.W001",
        )


def check_fields(**_: Any) -> Iterable[CheckMessage]:
    """Report a TEXT_FIELD (E005) or AUTHOR_FIELD (E006) that the entry model does not have."""
    model = _entry_model()
    if model is None or not issubclass(model, RecoverableEntry) or check_settings():
        return
    if not model.overrides_insight_text():
        yield from _missing_field(model, "TEXT_FIELD", conf.conf().text_field, "insights_recovery.E005")
    yield from _missing_field(model, "AUTHOR_FIELD", conf.conf().author_field, "insights_recovery.E006")
    if conf.conf().skip_duplicates and not conf.conf().author_field:
        hint = "Set AUTHOR_FIELD too: only texts of the same author count as duplicates, so none is skipped now."
        message = f"{conf.SETTING}['SKIP_DUPLICATES'] has no effect without 'AUTHOR_FIELD'."
        yield checks.Warning(message, hint=hint, id="insights_recovery.W002")


def _missing_field(model: type[Any], key: str, name: str | None, check_id: str) -> Iterable[CheckMessage]:
    try:
        if name is not None:
            model._meta.get_field(name)
    except FieldDoesNotExist:
        fields = ", ".join(
            field.name for field in model._meta.concrete_fields if not field.name.startswith("processing_")
        )
        message = f"{conf.SETTING}['{key}'] is '{name}', a field that {_name(model)} does not have."
        yield checks.Error(message, hint=f"Its fields are: {fields}.", obj=model, id=check_id)


def check_extractors(**_: Any) -> list[CheckMessage]:
    """Report extractors that cannot be imported or made (E007)."""
    if check_settings():
        return []
    try:
        loading.load(conf.conf().extractors)
    except ConfigurationError as error:
        hint = f"Correct {conf.SETTING}['EXTRACTORS']; until then entries wait and spend no attempt."
        return [checks.Error(str(error), hint=hint, id="insights_recovery.E007")]
    return []


def check_surroundings(**_: Any) -> Iterable[CheckMessage]:
    """Report django-celery-beat missing from INSTALLED_APPS (W003)."""
    if not schedule.is_available():
        yield checks.Warning(
            f"{schedule.BEAT} is not in INSTALLED_APPS, so that no beat brings the sweeps about.",
            hint=f'Add "{schedule.BEAT}" and run migrate. Until then running workers sweep by themselves.',
            id="insights_recovery.W003",
        )


def _entry_model() -> type[Any] | None:
    try:
        return apps.get_model(conf.entry_model_name())
    except (LookupError, ValueError):
        return None


def _name(model: type[Any]) -> str:
    return str(model._meta.label)
