"""The due index; hosts' migrations import it, also those of a host that has uninstalled the app: it needs no model."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Q


class DueIndex(models.Index):
    """Partial index over rows whose last field is not null; a plain one where the database has no partial indexes.

    Django leaves a conditional index out on MariaDB altogether, so the condition is added only where it can be had.
    """

    def create_sql(
        self, model: type[models.Model], schema_editor: BaseDatabaseSchemaEditor, using: str = "", **kwargs: Any
    ) -> Any:
        """Return the statement that creates the index."""
        if not schema_editor.connection.features.supports_partial_indexes:
            return super().create_sql(model, schema_editor, using, **kwargs)
        condition = Q(**{f"{self.fields[-1]}__isnull": False})
        partial = models.Index(fields=self.fields, name=self.name, condition=condition)
        return partial.create_sql(model, schema_editor, using, **kwargs)
