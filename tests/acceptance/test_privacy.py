"""A canary phrase in the texts is found nowhere but in the entries and their insights."""

from __future__ import annotations

import pytest
import redis
from django.apps import apps
from django.db import connection

from insights_recovery import tasks
from insights_recovery.models import Extraction, Insight
from tests.acceptance.entries import wait_for_states
from tests.harness import HostProject, wait_until
from tests.hosts.notes.models import Entry
from tests.services import Redis

CANARY = "xylographerquux"
TEXTS = [
    f"{CANARY} went well",
    f"@@fail {CANARY} raises with its text",
    f"@@permanent {CANARY} is refused with its text",
    f"@@kill {CANARY} kills its worker",
    f"@@hang {CANARY} hangs",
]


def columns_with_the_canary() -> set[str]:
    """Return the columns of all tables that hold the canary, as table.column."""
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            columns = [info.name for info in connection.introspection.get_table_description(cursor, table)]
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                found |= {f"{table}.{name}" for name, value in zip(columns, row, strict=True) if CANARY in str(value)}
    return found


def keys_with_the_canary(server: Redis) -> list[bytes]:
    client = redis.Redis.from_url(server.url)
    return [key for key in client.scan_iter() if CANARY.encode() in (client.dump(key) or b"") + key]


@pytest.mark.prefork("its worker outlives what kills a child, and ends in order although an extractor hangs")
@pytest.mark.parametrize("host_project", ["redis"], indirect=True)
def test_no_word_of_an_entry_leaves_the_database_whatever_becomes_of_it(
    host_project: HostProject, killable_redis: Redis
):
    host_project.configure(SOFT_TIME_LIMIT=1, TIME_LIMIT=2, MAX_ATTEMPTS=2, MAX_CRASHES=2)
    for text in TEXTS:
        Entry.objects.create(content=text)
    queued = keys_with_the_canary(killable_redis)
    worker = host_project.worker(arguments=["-l", "DEBUG"], env={"CELERY_RESULT_BACKEND": "django-db"})

    wait_for_states({"COMPLETED": 1, "FAILED": 4}, timeout=90)
    tasks.debug_task.delay()
    results = apps.get_model("django_celery_results", "TaskResult").objects
    wait_until(results.exists, 30, what="a result to be stored")
    worker.terminate()

    own = {Entry._meta.db_table, Insight._meta.db_table, Extraction._meta.db_table}
    assert set() == {column for column in columns_with_the_canary() if column.partition(".")[0] not in own}
    assert {"notes_entry.content"} == {c for c in columns_with_the_canary() if c.startswith("notes_entry.")}
    assert ([], []) == (queued, keys_with_the_canary(killable_redis))
    assert CANARY not in host_project.logs()


@pytest.mark.parametrize("host_project", ["filesystem"], indirect=True)
def test_no_word_of_an_entry_is_in_the_files_of_the_embedded_broker(host_project: HostProject):
    Entry.objects.create(content=TEXTS[0])

    files = [path for path in host_project.folder.rglob("*") if path.is_file() and "sqlite" not in path.name]

    assert files
    assert [] == [path for path in files if CANARY.encode() in path.read_bytes()]
