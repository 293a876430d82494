"""Entries come from everywhere, and all of them end with insights."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command
from django.db import connection

from insights_recovery.models import Insight
from tests.acceptance.entries import wait_for_states
from tests.harness import BROKERS, HostProject
from tests.hosts.extractors import digest_of
from tests.hosts.notes.models import Entry

TEXTS = ["saved", "created in bulk", "loaded from a fixture", "inserted by plain SQL"]


def create_in_every_way(folder) -> None:
    Entry(content=TEXTS[0]).save()
    Entry.objects.bulk_create([Entry(content=TEXTS[1])])
    fixture = folder / "entries.json"
    fixture.write_text(json.dumps([{"model": "notes.entry", "fields": {"content": TEXTS[2]}}]))
    call_command("loaddata", str(fixture), verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO notes_entry (title, content) VALUES ('', %s)", [TEXTS[3]])


@pytest.mark.matrix
@pytest.mark.parametrize("host_project", BROKERS, indirect=True)
def test_entries_from_save_bulk_create_loaddata_and_sql_all_end_with_insights(host_project: HostProject, tmp_path):
    host_project.worker()
    create_in_every_way(tmp_path)

    wait_for_states({"COMPLETED": 4})

    assert {digest_of(text) for text in TEXTS} == set(Insight.objects.values_list("label", flat=True))
    assert 4 == len(host_project.calls())


def test_entries_that_waited_while_no_worker_lived_are_done_by_the_next_one(host_project: HostProject, tmp_path):
    create_in_every_way(tmp_path)

    host_project.worker()

    wait_for_states({"COMPLETED": 4})
