"""Columns and index of the mixin, made so that the hosts' migrations outlive our wording."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Q


class WordlessMixin:
    """A field that tells migrations nothing of its labels, choices and help: they are ours to change.

    Otherwise a new reason, or a better word, in a release of ours would have every host make a migration. To migrations
    it is a plain field of Django's.
    """

    def deconstruct(self) -> Any:
        """Return name, path, args and kwargs as a plain field of Django's has them."""
        name, _, args, kwargs = super().deconstruct()  # type: ignore[misc]
        words = ("choices", "verbose_name", "help_text")
        plain = f"django.db.models.{type(self).__name__.removesuffix('Column')}Field"
        return name, plain, args, {key: value for key, value in kwargs.items() if key not in words}


class CharColumn(WordlessMixin, models.CharField):  # type: ignore[type-arg]  # generic in its stubs only, as the others
    """A CharField."""


class TextColumn(WordlessMixin, models.TextField):  # type: ignore[type-arg]
    """A TextField."""


class DateTimeColumn(WordlessMixin, models.DateTimeField):  # type: ignore[type-arg]
    """A DateTimeField."""


class PositiveIntegerColumn(WordlessMixin, models.PositiveIntegerField):  # type: ignore[type-arg]
    """A PositiveIntegerField."""


class BooleanColumn(WordlessMixin, models.BooleanField):  # type: ignore[type-arg]
    """A BooleanField."""


class UUIDColumn(WordlessMixin, models.UUIDField):  # type: ignore[type-arg]
    """A UUIDField."""


class DueIndex(models.Index):
    """Partial index over rows whose last field is not null; a plain one where the database has no partial indexes.

    Django leaves a conditional index out on MariaDB altogether, so the condition is added only where it can be had.
    """

    # Hosts' migrations name the class by its public place.
    __module__ = "insights_recovery.models"

    def create_sql(
        self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Any:
        """Return the statement that creates the index."""
        if not schema_editor.connection.features.supports_partial_indexes:
            return super().create_sql(model, schema_editor, using, **kwargs)
        condition = Q(**{f"{self.fields[-1]}__isnull": False})
        partial = models.Index(fields=self.fields, name=self.name, condition=condition)
        return partial.create_sql(model, schema_editor, using, **kwargs)
