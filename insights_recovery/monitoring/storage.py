"""Probes of the database: does it answer, is it migrated, does the index exist on which recovery rests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from insights_recovery.hosts import database, entry_model
from insights_recovery.indexes import DueIndex
from insights_recovery.models import RecoverableEntry
from insights_recovery.monitoring.probes import Finding, Probe, failed, ok, warning, within

PATIENCE = 5.0
"""Seconds after which a database that has not answered counts as out."""
MAX_NAMED = 5
"""How many names one message lists."""

_MIGRATE = "Run `manage.py makemigrations` and `manage.py migrate`."


@dataclass(frozen=True, kw_only=True)
class DatabaseProbe(Probe):
    """Does the database that holds the entries answer?"""

    name: ClassVar[str] = "database"
    fault: ClassVar[str] = "The database does not answer"
    remedy: ClassVar[str] = (
        "Start the database, or correct its entry in DATABASES; `manage.py dbshell` shows what the server itself says."
    )

    def examine(self) -> Finding:
        """Ask it for nothing, on a connection of its own: the caller's may be in the middle of a transaction."""
        alias = database()
        vendor = within(PATIENCE, lambda: _greet(alias))
        return ok(f"Database '{alias}' ({vendor}) answers.")


def _greet(alias: str) -> str:
    connection = connections[alias]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return connection.display_name
    finally:
        connection.close()


@dataclass(frozen=True, kw_only=True)
class MigrationsProbe(Probe):
    """Are the migrations of this app and of the entry model's app applied?"""

    name: ClassVar[str] = "migrations"
    remedy: ClassVar[str] = "Run `manage.py migrate`; `manage.py showmigrations` lists them."
    requires: ClassVar[tuple[str, ...]] = ("database",)

    def examine(self) -> Finding:
        """Compare the migrations on disk with those that the database has recorded."""
        executor = MigrationExecutor(connections[database()])
        labels = {"insights_recovery", entry_model()._meta.app_label}
        targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] in labels]
        missing = [f"{found.app_label}.{found.name}" for found, _ in executor.migration_plan(targets)]
        if missing:
            return failed(f"Not applied: {listed(missing)}.", "Run `manage.py migrate`.")
        if without := sorted(labels - {label for label, _ in targets}):
            return warning(f"Without migrations: {listed(without)}.", _MIGRATE)
        return ok(f"All migrations of {listed(sorted(labels))} are applied.")


@dataclass(frozen=True, kw_only=True)
class IndexProbe(Probe):
    """Does the index exist that makes recovery's one query cheap?"""

    name: ClassVar[str] = "index"
    remedy: ClassVar[str] = _MIGRATE
    requires: ClassVar[tuple[str, ...]] = ("database",)

    def examine(self) -> Finding:
        """Look it up in the database by its columns; whatever its name, it serves."""
        table, names = _place(_due_index())
        found = _indexes_over(table, names)
        if not found:
            return failed(f"Table {table} has no index over {', '.join(names)}.", _missing_index(table, names))
        if not any(found.values()):
            return warning(
                f"The index of table {table} over {', '.join(names)} covers finished entries too, or is not valid.",
                f"Drop {listed(sorted(found))} and create it anew: {_missing_index(table, names)}",
            )
        return ok(f"Table {table} has the index over {', '.join(names)}.")


def _due_index() -> DueIndex:
    return next(index for index in RecoverableEntry._meta.indexes if isinstance(index, DueIndex))


def _place(index: DueIndex) -> tuple[str, list[str]]:
    """Return the table and the columns that the index is over, in the host's own model."""
    fields: list[Any] = [entry_model()._meta.get_field(name) for name in index.fields]
    return fields[0].model._meta.db_table, [field.column for field in fields]


def _missing_index(table: str, columns: list[str]) -> str:
    partial = connections[database()].features.supports_partial_indexes
    condition = f" WHERE {columns[-1]} IS NOT NULL" if partial else ""
    return f"{_MIGRATE} Where they find nothing to do: CREATE INDEX ON {table} ({', '.join(columns)}){condition}."


def _indexes_over(table: str, columns: list[str]) -> dict[str, bool]:
    """Return the names of the indexes over exactly these columns, each with whether it is as good as it can be."""
    connection = connections[database()]
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table)
        names = [name for name, facts in found.items() if facts["index"] and facts["columns"] == columns]
        if not connection.features.supports_partial_indexes:
            return dict.fromkeys(names, True)
        partial = _partial_indexes(connection, cursor, table)
    return {name: name in partial for name in names}


def _partial_indexes(connection: Any, cursor: Any, table: str) -> set[str]:
    quoted = connection.ops.quote_name(table)
    if connection.vendor == "sqlite":
        cursor.execute(f"PRAGMA index_list({quoted})")
        return {name for _, name, _, _, partial in cursor.fetchall() if partial}
    cursor.execute(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE i.indrelid = %s::regclass AND i.indpred IS NOT NULL AND i.indisvalid",
        [quoted],
    )
    return {name for (name,) in cursor.fetchall()}


def listed(names: list[str]) -> str:
    """Return the first few of `names` for a sentence, and how many more there are."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
