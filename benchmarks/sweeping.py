"""What it costs to find what is due, by the size of the journal and of the backlog."""

from __future__ import annotations

from django.db import connection

from benchmarks.tables import show, timed
from insights_recovery.hosts import entries
from insights_recovery.monitoring import statistics
from tests.hosts.notes.models import Entry

LOOKS = 100
DUE = 1000


def run() -> None:
    """Print the tables."""
    finding, summing = [], []
    for size in (1_000, 10_000, 100_000):
        fill(size)
        finding.append((f"{DUE} due among {size:,} finished", timed(find, LOOKS)))
        summing.append((f"{DUE} due among {size:,} finished", timed(statistics.status, 20)))
    show("finding the 1,000 that are due", finding)
    show("counting all states, as check_processing_status does", summing)


def find() -> None:
    """Ask for what is due, as a sweep does."""
    list(entries().due(backfill=True).values_list("pk", flat=True)[:DUE])


def fill(size: int) -> None:
    """Have so many finished entries, and some that are due."""
    entries().all().delete()
    finished = (Entry(content="done", title=str(number)) for number in range(size))
    Entry.objects.bulk_create(finished, batch_size=2000)
    with connection.cursor() as cursor:
        # As an import by plain SQL would write them: all of these ended long ago.
        cursor.execute("UPDATE notes_entry SET processing_state = 'SKIPPED', processing_due_at = NULL")
    Entry.objects.bulk_create((Entry(content="due") for _ in range(DUE)), batch_size=2000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE notes_entry" if connection.vendor != "mysql" else "ANALYZE TABLE notes_entry")
