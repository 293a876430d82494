"""An edit by any route puts the entry back, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Concat, Lower

from insights_recovery import recovery
from insights_recovery.lifecycle import FINISHED, State, digest_of
from insights_recovery.models import Insight
from tests.hosts.extractors import digest_of as label_of
from tests.hosts.notes.models import Entry
from tests.integration.helpers import create, fresh, in_state, process, put, row, seconds_until
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db

OLD, NEW = "Walked to the lake.", "Swam in the lake."

Edit = Callable[[Entry], Any]


def _save(entry: Entry) -> None:
    entry.content = NEW
    entry.save()


def _save_the_field(entry: Entry) -> None:
    entry.content = NEW
    entry.save(update_fields=["content"])


def _save_an_expression(entry: Entry) -> None:
    entry.content = Concat(F("content"), Value(" And swam."))
    entry.save()


def _save_a_deferred(entry: Entry) -> None:
    partial = Entry.objects.only("content").get(pk=entry.pk)
    partial.content = NEW
    partial.save()


def _update(entry: Entry) -> None:
    Entry.objects.filter(pk=entry.pk).update(content=NEW)


def _update_by_expression(entry: Entry) -> None:
    Entry.objects.filter(pk=entry.pk).update(content=Concat(F("content"), Value(" And swam.")))


def _bulk_update(entry: Entry) -> None:
    entry.content = NEW
    Entry.objects.bulk_update([entry], ["content"])


def _update_or_create(entry: Entry) -> None:
    Entry.objects.update_or_create(pk=entry.pk, defaults={"content": NEW})


NOTICED = [
    _save,
    _save_the_field,
    _save_an_expression,
    _save_a_deferred,
    _update,
    _update_by_expression,
    _bulk_update,
    _update_or_create,
]


def _sql(entry: Entry) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notes_entry SET content = %s WHERE id = %s", [NEW, entry.pk])


@pytest.mark.parametrize("state", sorted(FINISHED))
@pytest.mark.parametrize("edit", NOTICED)
def test_an_edit_reopens_a_finished_entry(edit: Edit, state: State) -> None:
    entry = in_state(state, OLD, attempts=5, crashes=2, error="old")
    edit(entry)
    columns = row(entry)
    assert [columns[f"processing_{name}"] for name in ("state", "reason")] == ["PENDING", "edited"]
    assert [columns[f"processing_{name}"] for name in ("attempts", "crashes", "error")] == [0, 0, ""]


@pytest.mark.parametrize("edit", NOTICED)
def test_an_edited_entry_gets_insights_of_its_last_text(edit: Edit) -> None:
    entry = create(OLD)
    process(entry)
    edit(fresh(entry))
    assert process(entry) == {"completed": 1}
    assert [label_of(fresh(entry).content)] == [insight.label for insight in Insight.objects.filter(entry=entry)]


@pytest.mark.parametrize("edit", NOTICED)
def test_an_edit_of_an_entry_in_work_leaves_its_lease(edit: Edit) -> None:
    entry = in_state(State.PROCESSING, OLD)
    before = row(entry)
    edit(entry)
    kept = set(before) - {"content", "processing_digest"}
    assert {name: before[name] for name in kept} == {name: row(entry)[name] for name in kept}


@pytest.mark.parametrize("edit", [*NOTICED, _sql])
def test_an_edit_while_in_work_ends_in_insights_of_the_last_text(edit: Edit, scripted: Callable[..., Any]) -> None:
    entry = create(OLD)

    def extract(text: str) -> Any:
        if text == OLD:
            edit(fresh(entry))
        return found(text)

    scripted(extract)
    assert process(entry) == {"superseded": 1}
    assert not Insight.objects.exists()
    assert fresh(entry).processing_state == State.PENDING
    assert process(entry) == {"completed": 1}
    assert [fresh(entry).content] == [insight.label for insight in fresh(entry).current_insights()]


@pytest.mark.parametrize("edit", [*NOTICED, _sql])
def test_a_failure_while_the_text_was_edited_counts_for_nothing(edit: Edit, scripted: Callable[..., Any]) -> None:
    entry = create(OLD, attempts=4)

    def extract(text: str) -> Any:
        edit(fresh(entry))
        raise RuntimeError

    scripted(extract)
    assert process(entry) == {"superseded": 1}
    assert [State.PENDING, 0] == [fresh(entry).processing_state, fresh(entry).processing_attempts]


@pytest.mark.parametrize("edit", NOTICED)
def test_an_edit_ends_a_back_off(edit: Edit) -> None:
    entry = create(f"{OLD} @@fail")
    process(entry)
    edit(fresh(entry))
    assert row(entry)["processing_not_before"] is None


@pytest.mark.parametrize("state", State)
def test_a_save_without_a_new_text_moves_nothing(state: State) -> None:
    entry = in_state(state, OLD, attempts=2)
    before = row(entry)
    entry.title = "Another title"
    entry.save()
    assert before | {"title": "Another title"} == row(entry)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("columns", [{"title": "Another title"}, {"title": Lower("title")}])
def test_an_update_of_other_columns_moves_nothing(state: State, columns: dict[str, Any]) -> None:
    entry = in_state(state, OLD)
    before = row(entry)
    Entry.objects.filter(pk=entry.pk).update(**columns)
    assert {**before, "title": ""} == {**row(entry), "title": ""}


@pytest.mark.parametrize("fields", [None, ["title"], ["title", "processing_state", "processing_due_at"]])
def test_a_stale_save_writes_no_old_processing_columns(fields: list[str] | None) -> None:
    stale = create(OLD)
    process(stale)
    done = row(stale)
    stale.title = "Another title"
    stale.save(update_fields=fields)
    assert done | {"title": "Another title"} == row(stale)


def test_a_stale_save_keeps_the_lease_of_a_worker() -> None:
    stale = create(OLD)
    put(stale, **{k: in_state(State.PROCESSING).__dict__[f"processing_{k}"] for k in ("state", "token", "due_at")})
    held = row(stale)
    stale.save()
    assert held == row(stale)


def test_a_stale_save_that_brings_an_old_text_back_reopens() -> None:
    stale = create(OLD)
    newer = fresh(stale)
    newer.content = NEW
    newer.save()
    process(newer)
    stale.save()
    assert [State.PENDING, digest_of(OLD)] == [fresh(stale).processing_state, fresh(stale).processing_digest]
    process(stale)
    assert [label_of(OLD)] == [insight.label for insight in fresh(stale).current_insights()]


def test_values_written_to_the_instance_by_hand_are_not_saved() -> None:
    entry = create(OLD)
    entry.processing_state, entry.processing_due_at = State.COMPLETED, None
    entry.save()
    assert fresh(entry).processing_state == State.PENDING


def test_the_instance_knows_after_an_edit_how_it_stands() -> None:
    entry = create(OLD)
    process(entry)
    entry = fresh(entry)
    _save(entry)
    assert [State.PENDING, digest_of(NEW)] == [entry.processing_state, entry.processing_digest]


def test_an_announced_edit_is_due_after_the_grace_and_in_front() -> None:
    entry = in_state(State.COMPLETED, OLD, backfill=True)
    _save(entry)
    assert 50 < seconds_until(entry, "due_at") <= 60
    assert not row(entry)["processing_backfill"]


def test_an_edit_that_nobody_announces_is_due_at_once() -> None:
    entry = in_state(State.COMPLETED, OLD)
    _update(entry)
    assert seconds_until(entry, "due_at") <= 0


def test_an_update_that_writes_the_same_text_costs_no_call(scripted: Callable[..., Any]) -> None:
    calls = scripted()
    entry = create(OLD)
    process(entry)
    Entry.objects.update(content=OLD)
    assert process(entry) == {"completed": 1}
    assert [OLD] == calls


def test_an_edit_and_its_undoing_while_in_work_is_none(scripted: Callable[..., Any]) -> None:
    entry = create(OLD)

    def extract(text: str) -> Any:
        for content in (NEW, OLD):
            Entry.objects.filter(pk=entry.pk).update(content=content)
        return found("lake")

    scripted(extract)
    assert process(entry) == {"completed": 1}
    assert ["lake"] == [insight.label for insight in fresh(entry).current_insights()]


@pytest.mark.parametrize("edit", NOTICED)
def test_insights_of_an_older_text_are_never_shown(edit: Edit) -> None:
    entry = create(OLD)
    process(entry)
    edit(fresh(entry))
    assert not fresh(entry).current_insights().exists()
    assert not fresh(entry).current_extractions().exists()


def test_what_sql_edited_shows_nothing_old_once_it_was_found() -> None:
    entry = create(OLD)
    process(entry)
    _sql(entry)
    recovery.verify_slice(10)
    assert not fresh(entry).current_insights().exists()


def test_the_digest_of_a_text_that_the_database_computes_is_not_guessed() -> None:
    entry = in_state(State.COMPLETED, OLD)
    _save_an_expression(entry)
    assert "" == row(entry)["processing_digest"]


@pytest.mark.parametrize("edit", NOTICED)
def test_a_crash_after_an_edit_is_not_held_against_the_new_text(edit: Edit) -> None:
    entry = in_state(State.PROCESSING, OLD, solitary=True, crashes=2, attempts=4)
    edit(entry)
    recovery.rescue_expired(10)
    assert [State.PENDING, 1, 0] == [
        getattr(fresh(entry), f"processing_{name}") for name in ("state", "crashes", "attempts")
    ]
