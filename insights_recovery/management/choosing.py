"""How our commands are told of which entries to speak: an author, keys, or all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Field

from insights_recovery.exceptions import ConfigurationError
from insights_recovery.hosts import entries, entry_model
from insights_recovery.management.output import wrong_usage
from insights_recovery.querysets import EntryQuerySet
from insights_recovery.reflections.selection import author_field, everything_of


def entries_by_author(value: str) -> EntryQuerySet[Any]:
    """Return all entries of the author with this key, hidden ones too.

    Raises:
        CommandError: the setting AUTHOR_FIELD is not set, or no author can have this key.
    """
    try:
        field: Any = entry_model()._meta.get_field(author_field())
    except ConfigurationError as error:
        raise wrong_usage(str(error)) from error
    return everything_of(_cleaned(field.target_field if field.is_relation else field, value, "author"))


def entries_by_key(values: Sequence[str]) -> EntryQuerySet[Any]:
    """Return the entries with these keys.

    Raises:
        CommandError: no entry can have such a key.
    """
    field = entry_model()._meta.pk
    return entries().filter(pk__in=[_cleaned(field, value, "entry") for value in values])


def _cleaned(field: Field[Any, Any], value: str, what: str) -> Any:
    try:
        return field.to_python(value)
    except ValidationError as error:
        raise wrong_usage(f"{value!r} is no key of an {what}: give keys as the admin shows them.") from error
