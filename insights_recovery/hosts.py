"""The only lookup of the host's model of a journal entry."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.db import router
from django.db.migrations import CreateModel, RenameModel
from django.db.migrations.loader import MigrationLoader

from insights_recovery.conf import conf, entry_model_name

if TYPE_CHECKING:
    from insights_recovery.models import RecoverableEntry
    from insights_recovery.querysets import EntryQuerySet


def entry_model() -> type[RecoverableEntry]:
    """Return the host's entry model.

    Raises:
        LookupError: no app or model of that name is installed.
    """
    return cast("type[RecoverableEntry]", apps.get_model(conf().entry_model))


def database() -> str:
    """Return the alias of the database that holds the entries and all that belongs to them."""
    return router.db_for_write(entry_model())


def entries() -> EntryQuerySet[Any]:
    """Return all entries, past any manager of the host's that hides some."""
    return entry_model().processing_rows(database())


def entry_migration() -> tuple[str, str]:
    """Return the host's migration that creates the entry model, on which our first migration depends.

    It is the host's first one where none is found that creates the model. The host's latest would not do: it is
    another one with each release of the host's, and ours would then be applied before it.
    """
    label, _, model = entry_model_name().partition(".")
    package, _ = MigrationLoader.migrations_module(label)
    for name in sorted(_modules_of(package), reverse=True):
        migration = getattr(import_module(f"{package}.{name}"), "Migration", None)
        if any(_creates(operation, model.lower()) for operation in getattr(migration, "operations", ())):
            return label, name
    return label, "__first__"


def _modules_of(package: str | None) -> list[str]:
    """Return the names of a package's modules; none of an app that has no migrations (yet)."""
    if package is None or find_spec(package) is None:
        return []
    return [found.name for found in pkgutil.iter_modules(import_module(package).__path__)]


def _creates(operation: Any, model: str) -> bool:
    if isinstance(operation, CreateModel):
        return operation.name.lower() == model
    return isinstance(operation, RenameModel) and operation.new_name.lower() == model
