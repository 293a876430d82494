"""However a row comes into being, it is seen; and the database refuses rows that cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import DataError, IntegrityError, connection, transaction

from insights_recovery import clock, hosts
from insights_recovery.lifecycle import FINISHED, UNFINISHED, State, digest_of
from tests.hosts.extractors import read_calls
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, fresh, in_state, process, put, row, seconds_until

pytestmark = pytest.mark.django_db

NEW = {
    "processing_state": State.PENDING,
    "processing_not_before": None,
    "processing_attempts": 0,
    "processing_crashes": 0,
    "processing_postponed": 0,
    "processing_claims": 0,
    "processing_nudges": 0,
    "processing_reason": "new",
    "processing_token": None,
    "processing_owner": "",
    "processing_solitary": False,
    "processing_backfill": True,
    "processing_error": "",
    "processing_digest": "",
    "processing_completed_at": None,
}
"""What the database gives a row that says nothing of processing."""


def _insert(text: str) -> Entry:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO notes_entry (title, content) VALUES ('', %s)", [text])
    return Entry.objects.get()


def _load(folder: Path, **fields: Any) -> Entry:
    fixture = folder / "entries.json"
    fixture.write_text(json.dumps([{"model": "notes.entry", "pk": 7, "fields": {"content": "Loaded."} | fields}]))
    call_command("loaddata", str(fixture), verbosity=0)
    return Entry.objects.get(pk=7)


def _is_new(entry: Entry) -> bool:
    columns = row(entry)
    return NEW == {name: columns[name] for name in NEW}


def test_an_sql_insert_that_names_the_hosts_columns_only_is_new_and_due() -> None:
    entry = _insert("By SQL.")
    assert _is_new(entry)
    assert entry in hosts.entries().due(backfill=True)


def test_the_databases_defaults_are_moments_of_its_own_clock() -> None:
    entry = _insert("By SQL.")
    assert -5 < seconds_until(entry, "due_at") <= 0
    assert -5 < seconds_until(entry, "waiting_since") <= 0


def test_an_sql_insert_is_extracted() -> None:
    entry = _insert("By SQL.")
    assert process(entry) == {"completed": 1}


def test_a_bulk_created_entry_is_new_and_due() -> None:
    (entry,) = Entry.objects.bulk_create([Entry(content="In bulk.")])
    entry = Entry.objects.get()
    assert _is_new(entry)
    assert entry in hosts.entries().due(backfill=True)


def test_a_loaded_entry_without_processing_columns_is_new_and_due(tmp_path: Path) -> None:
    entry = _load(tmp_path)
    assert _is_new(entry)
    assert entry in hosts.entries().due(backfill=True)


def test_a_loaded_entry_with_processing_columns_keeps_them(tmp_path: Path) -> None:
    digest = digest_of("Loaded.")
    entry = _load(tmp_path, processing_state="COMPLETED", processing_due_at=None, processing_digest=digest)
    assert entry.processing_state == State.COMPLETED


def test_loading_over_an_entry_that_is_done_puts_it_back_where_the_text_differs(tmp_path: Path) -> None:
    _load(tmp_path, processing_state="COMPLETED", processing_due_at=None, processing_digest=digest_of("Loaded."))
    assert _load(tmp_path, content="Loaded anew.").processing_state == State.PENDING


def test_a_dump_of_a_finished_entry_loads_as_it_was(tmp_path: Path) -> None:
    entry = create("Done.")
    process(entry)
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "notes", "insights_recovery", output=str(dump), verbosity=0)
    # The dump's moments have milliseconds only.
    before = {name: value for name, value in row(entry).items() if not isinstance(value, datetime)}
    entry.delete()
    call_command("loaddata", str(dump), verbosity=0)
    assert before == {name: row(Entry.objects.get())[name] for name in before}
    assert Entry.objects.get().current_insights().count() == 1


def _copy_by_key(entry: Entry) -> Entry:
    entry.pk = None
    entry.save()
    return entry


def _copy_by_the_book(entry: Entry) -> Entry:
    entry.pk = None
    entry._state.adding = True
    entry.save()
    return entry


def _copy_to_another_key(entry: Entry) -> Entry:
    entry.pk = entry.pk + 1000
    entry.save()
    return entry


def _copy_by_force(entry: Entry) -> Entry:
    entry.pk = entry.pk + 1000
    entry.save(force_insert=True)
    return entry


def _copy_in_bulk(entry: Entry) -> Entry:
    entry.pk = None
    Entry.objects.bulk_create([entry])
    return Entry.objects.latest("pk")


COPIES = [_copy_by_key, _copy_by_the_book, _copy_to_another_key, _copy_by_force, _copy_in_bulk]


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("state", State)
def test_a_copy_of_an_instance_starts_anew(copy: Callable[[Entry], Entry], state: State) -> None:
    entry = copy(in_state(state, attempts=3, crashes=2, claims=4, error="old"))
    columns = row(entry)
    assert columns["processing_state"] == State.PENDING
    assert [columns[f"processing_{name}"] for name in ("attempts", "crashes", "claims")] == [0, 0, 0]
    assert columns["processing_token"] is None
    assert columns["processing_due_at"] is not None


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_a_finished_entry_gets_its_own_insights(copy: Callable[[Entry], Entry], extractor_log: Path) -> None:
    entry = create("Done.")
    process(entry)
    assert process(copy(fresh(entry))) == {"completed": 1}
    assert len(read_calls(extractor_log)) == 4


@pytest.mark.parametrize(
    "columns",
    [
        {"processing_state": "DONE"},
        {"processing_state": State.PROCESSING},
        {"processing_token": uuid4()},
        {"processing_due_at": None},
        {"processing_state": State.COMPLETED},
        {"processing_state": State.FAILED},
        {"processing_attempts": -1},
    ],
    ids=["unknown state", "no lease", "stray lease", "never due", "done but due", "failed but due", "negative count"],
)
def test_an_impossible_row_is_refused(columns: dict[str, Any]) -> None:
    entry = create()
    # MariaDB, whose counts are unsigned, speaks of the value and not of a constraint.
    with pytest.raises((IntegrityError, DataError)), transaction.atomic():
        hosts.entries().filter(pk=entry.pk).update(**columns)


@pytest.mark.parametrize("state", sorted(FINISHED))
def test_a_finished_row_may_not_hold_a_lease(state: State) -> None:
    entry = in_state(state)
    with pytest.raises(IntegrityError), transaction.atomic():
        put(entry, token=uuid4())


@pytest.mark.parametrize("state", sorted(UNFINISHED))
def test_an_unfinished_row_must_be_due_some_time(state: State) -> None:
    entry = in_state(state)
    with pytest.raises(IntegrityError), transaction.atomic():
        put(entry, due_at=None)


def test_the_property_says_whether_an_entry_is_done() -> None:
    done = {state for state in State if in_state(state).insights_processed}
    assert {State.COMPLETED, State.SKIPPED} == done


def test_questions_about_entries_match_the_states() -> None:
    for state in State:
        in_state(state)
    assert len(UNFINISHED) == hosts.entries().unfinished().count()
    assert len(FINISHED) == hosts.entries().finished().count()
    assert [State.FAILED] == [entry.processing_state for entry in hosts.entries().dead()]
    assert [State.PROCESSING] == [entry.processing_state for entry in hosts.entries().leased()]
    assert len(UNFINISHED) == hosts.entries().overdue().count()


def test_due_entries_come_oldest_first_and_by_kind() -> None:
    late = in_state(State.PENDING, due_at=clock.later(-10), backfill=False)
    first = in_state(State.CELERY_ERROR, due_at=clock.later(-20), backfill=False)
    in_state(State.PENDING, due_at=clock.later(10), backfill=False)
    other = in_state(State.PENDING, backfill=True)
    assert [first, late] == list(hosts.entries().due(backfill=False))
    assert [other] == list(hosts.entries().due(backfill=True))


def test_the_lease_of_an_entry_in_work_runs_out_at_its_due_time() -> None:
    in_state(State.PROCESSING, due_at=clock.later(10))
    over = in_state(State.PROCESSING, due_at=clock.later(-10))
    assert [over] == list(hosts.entries().expired())


@pytest.mark.parametrize("copy", [None, *COPIES[:-1]])
def test_the_instance_knows_after_an_insert_how_it_stands(copy: Callable[[Entry], Entry] | None) -> None:
    entry = Entry.objects.create(content="New.")
    entry = copy(entry) if copy else entry
    assert row(entry) == {field.attname: getattr(entry, field.attname) for field in Entry._meta.concrete_fields}
