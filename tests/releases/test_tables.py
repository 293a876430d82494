"""The code of an earlier release, still running, finds what it knows in today's tables and can write to them.

Whoever adds a column gives it a default in the database, or lets it be empty; whoever takes one away waits until no
release knows it that may still run.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, models

from insights_recovery.hosts import entry_model
from insights_recovery.models import Extraction, Heartbeat, Insight, ProcessingAttempt
from insights_recovery.models.entries import PREFIX
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, fresh, process
from tests.releases import record

pytestmark = pytest.mark.django_db

BELONGINGS: dict[str, type[models.Model]] = {
    model._meta.db_table: model for model in (Extraction, Heartbeat, Insight, ProcessingAttempt)
}

each_release = pytest.mark.parametrize("release", record.kept(), ids=lambda release: release.version)


def _columns_today(table: str) -> set[str]:
    model = BELONGINGS.get(table) or entry_model()
    with connection.cursor() as cursor:
        described = connection.introspection.get_table_description(cursor, model._meta.db_table)
    return {column.name for column in described if table in BELONGINGS or column.name.startswith(PREFIX)}


def _known(release: record.Release, table: str) -> set[str]:
    return set(release.columns[table])


@each_release
def test_every_table_that_a_release_knows_is_kept(release: record.Release) -> None:
    assert {"entry", *BELONGINGS} >= set(release.columns)


@each_release
@pytest.mark.parametrize("table", ["entry", *BELONGINGS])
def test_every_column_that_a_release_knows_is_there(release: record.Release, table: str) -> None:
    assert set() == _known(release, table) - _columns_today(table)


@each_release
@pytest.mark.parametrize("table", ["entry", *BELONGINGS])
def test_every_column_that_a_release_does_not_know_may_be_left_out(release: record.Release, table: str) -> None:
    model = BELONGINGS.get(table) or entry_model()
    news = [field for field in model._meta.concrete_fields if field.column not in _known(release, table)]
    ours = [field for field in news if table in BELONGINGS or field.name.startswith(PREFIX)]
    assert [] == [field.name for field in ours if not _may_be_left_out(field)]


def _may_be_left_out(field: models.Field[Any, Any]) -> bool:
    return bool(field.null or field.has_db_default())


def test_every_processing_column_may_be_left_out_by_plain_sql() -> None:
    columns = [field for field in entry_model()._meta.concrete_fields if field.name.startswith(PREFIX)]
    assert [] == [field.name for field in columns if not _may_be_left_out(field)]


def _insert_as(release: record.Release, row: models.Model) -> None:
    """Insert a row as the code of `release` does: with the columns it knows, and no word of any other."""
    table = row._meta.db_table if row._meta.db_table in BELONGINGS else "entry"
    known = _known(release, table)
    fields = [field for field in row._meta.concrete_fields if field.column in known and not field.primary_key]
    fields += [field for field in row._meta.concrete_fields if table == "entry" and not field.name.startswith(PREFIX)]
    fields = [field for field in fields if not isinstance(field, models.AutoField)]
    type(row)._base_manager._insert([row], fields=fields, using="default")


@each_release
def test_a_release_can_insert_all_that_belongs_to_an_entry(release: record.Release) -> None:
    entry = create()
    belonging: dict[str, Any] = {"entry": entry}
    _insert_as(release, ProcessingAttempt(**belonging, number=1, token=uuid4()))
    _insert_as(release, Extraction(**belonging, extractor="older", version="1", text_digest="0" * 64, duration=0.1))
    _insert_as(release, Insight(**belonging, extraction=Extraction.objects.get(), kind="theme", label="lake"))
    assert [1, 1] == [ProcessingAttempt.objects.count(), Insight.objects.filter(label="lake").count()]


@each_release
def test_an_entry_that_a_release_inserted_is_done(release: record.Release) -> None:
    _insert_as(release, Entry(content="Walked to the lake."))
    entry = Entry.objects.get()
    assert process(entry) == {"completed": 1}
    assert fresh(entry).insights_processed
