"""Making entries of a model that is not known beforehand."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, cast

from django.db import models
from django.utils import timezone
from django.utils.module_loading import import_string

from insights_recovery.chaos.orders import MARK
from insights_recovery.conf import conf
from insights_recovery.exceptions import ConfigurationError
from insights_recovery.hosts import database, entries, entry_model
from insights_recovery.models.entries import PREFIX

Factory = Callable[[str], Any]
"""Makes an entry with a text, and does not save it."""

_VALUES: tuple[tuple[type[models.Field[Any, Any]], Callable[[Any], Any]], ...] = (
    (models.DateTimeField, lambda _: timezone.now()),
    (models.DateField, lambda _: timezone.now().date()),
    (models.BooleanField, lambda _: False),
    (models.IntegerField, lambda _: 0),
    (models.FloatField, lambda _: 0.0),
    (models.DecimalField, lambda _: 0),
    (models.CharField, lambda field: "chaos"[: field.max_length]),
    (models.TextField, lambda _: "chaos"),
)


WORDS = "We walked along the river and talked about the summer, the new house, my sister and the bread she bakes."


def new_text(phrase: str, dice: random.Random) -> str:
    """Return a text that there was not before."""
    return f"{MARK} {phrase} {dice.getrandbits(64):016x}. {WORDS}"


def factory(path: str) -> Factory:
    """Return the host's factory by its dotted path, or for an empty one our own."""
    return cast("Factory", import_string(path)) if path else make


def make(text: str) -> Any:
    """Return an entry of the host's model, not saved, with this text, and with something in each required field.

    Raises:
        ConfigurationError: a required field, which the message names, is unique or of a kind that is not known; or
            the text lies in no field.
    """
    if text_column() is None:
        raise ConfigurationError("The text lies in no field: name a function that makes an entry, with --factory.")
    model = entry_model()
    values = {field.attname: _value_for_many(field) for field in model._meta.concrete_fields if _is_required(field)}
    return model(**values | {conf().text_field: text})


def text_column() -> str | None:
    """Return the column that holds the text; None where the host's hook puts it together from others."""
    model = entry_model()
    names = {field.name: field.column for field in model._meta.concrete_fields}
    return names.get(conf().text_field)


def edit_by_sql(entry: Any, text: str) -> None:
    """Write a text by a plain UPDATE past every guard of ours, as the SQL of another program would."""
    entries().filter(pk=entry.pk).update(**{conf().text_field: text})


def of_chaos() -> models.QuerySet[Any]:
    """Return the entries that a chaos run made, by how their texts begin; none where texts lie in no field."""
    return entries().none() if text_column() is None else entries().filter(**{f"{conf().text_field}__startswith": MARK})


def _is_required(field: Any) -> bool:
    return _is_missing(field) and not field.name.startswith(PREFIX) and field.name != conf().text_field


def _is_missing(field: Any) -> bool:
    return not (field.null or field.has_default() or field.has_db_default() or _fills_itself(field))


def _fills_itself(field: Any) -> bool:
    is_moment = getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    is_parent = field.is_relation and field.remote_field.parent_link
    return is_moment or is_parent or field.generated or isinstance(field, models.AutoField)


def _value_for_many(field: Any) -> Any:
    if field.unique:
        # We have one value, which no two entries could share.
        raise _unknown(field)
    return _value_for(field)


def _value_for(field: Any) -> Any:
    if field.is_relation:
        return getattr(_related(field.remote_field.model), field.target_field.attname)
    for kind, value in _VALUES:
        if isinstance(field, kind):
            return value(field)
    raise _unknown(field)


def _unknown(field: Any) -> ConfigurationError:
    return ConfigurationError(
        f"chaos does not know what to put into {field}: name a function that makes an entry, with --factory."
    )


def _related(model: Any) -> Any:
    """Return some row of a model that entries refer to, made where there is none."""
    rows = model._default_manager.using(database())
    found = rows.order_by("pk").first()
    if found is not None:
        return found
    values = {field.attname: _value_for(field) for field in model._meta.concrete_fields if _is_missing(field)}
    return rows.create(**values)
