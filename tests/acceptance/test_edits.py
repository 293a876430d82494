"""Texts that are edited while an extractor is at them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection

from insights_recovery.models import Extraction, Insight
from tests.acceptance.entries import in_work, wait_for_states
from tests.harness import HostProject, wait_until
from tests.hosts.extractors import digest_of
from tests.hosts.notes.models import Entry

LAST_TEXT = "the last text"


def by_save(entry: Entry) -> None:
    entry.content = LAST_TEXT
    entry.save()


def by_update(entry: Entry) -> None:
    Entry.objects.filter(pk=entry.pk).update(content=LAST_TEXT)


def by_bulk_update(entry: Entry) -> None:
    entry.content = LAST_TEXT
    Entry.objects.bulk_update([entry], ["content"])


def by_sql(entry: Entry) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notes_entry SET content = %s WHERE id = %s", [LAST_TEXT, entry.pk])


ROUTES = [by_save, by_update, by_bulk_update, by_sql]


@pytest.mark.parametrize("edit", [by_save, by_update, by_bulk_update, pytest.param(by_sql, marks=pytest.mark.matrix)])
def test_an_edit_in_the_middle_of_work_ends_with_insights_of_the_last_text(
    host_project: HostProject, edit: Callable[[Entry], None]
):
    host_project.worker()
    entry = Entry.objects.create(content="@@gate=open the first text")
    in_work(host_project, "@@gate=open the first text")

    edit(entry)
    host_project.open_gate("open")

    wait_until(lambda: host_project.calls(LAST_TEXT), 30, what="the last text to be read")
    wait_for_states({"COMPLETED": 1})
    assert [digest_of(LAST_TEXT)] == list(Insight.objects.values_list("label", flat=True))
    assert [LAST_TEXT] == list(Extraction.objects.values_list("summary", flat=True))


@pytest.mark.parametrize("edit", ROUTES)
def test_an_edit_after_completion_ends_with_insights_of_the_last_text(
    host_project: HostProject, edit: Callable[[Entry], None]
):
    host_project.configure(SWEEP_INTERVAL=1)
    host_project.worker()
    entry = Entry.objects.create(content="the first text")
    wait_for_states({"COMPLETED": 1})

    edit(entry)

    wait_until(lambda: host_project.calls(LAST_TEXT), 30, what="the last text to be read")
    wait_for_states({"COMPLETED": 1})
    assert [digest_of(LAST_TEXT)] == list(Insight.objects.values_list("label", flat=True))


@pytest.mark.matrix
def test_an_entry_deleted_in_the_middle_of_work_leaves_nothing_behind(host_project: HostProject):
    worker = host_project.worker()
    entry = Entry.objects.create(content="@@gate=open soon gone")
    in_work(host_project, entry.content)

    entry.delete()
    host_project.open_gate("open")

    worker.wait_for_log("stale_write_refused")
    assert (0, 0) == (Insight.objects.count(), Extraction.objects.count())
