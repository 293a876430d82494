"""What the bookkeeping of an entry costs, by the size of the batch, beside plain ORM work without recovery."""

from __future__ import annotations

import time

from django.db import connection, transaction

from insights_recovery import processing
from insights_recovery.models import Extraction, Insight
from tests.hosts.extractors import MarkerExtractor
from tests.hosts.notes.models import Entry

ENTRIES = 400


def run() -> None:
    """Print the table."""
    plain_seconds, plain_statements = measured(plain)
    print("\none entry through claim, extraction, storing and settling")
    print(f"  {'':<44} {'entries/s':>10} {'statements':>10} {'ratio':>7}")
    line("read, extract and store by plain ORM", plain_seconds, plain_statements, plain_seconds)
    for size in (1, 10, 100):
        seconds, statements = measured(lambda pks, size=size: batches(pks, size))
        line(f"recoverable, {size} to a message", seconds, statements, plain_seconds)


def line(name: str, seconds: float, statements: float, base: float) -> None:
    """Print a row; the ratio is that of the seconds an entry takes."""
    print(f"  {name:<44} {ENTRIES / seconds:>10.0f} {statements:>10.1f} {seconds / base:>7.2f}")


def measured(work) -> tuple[float, float]:
    """Return the seconds for all entries, and the statements for each."""
    pks = fresh()
    begun = time.perf_counter()
    work(pks)
    seconds = time.perf_counter() - begun
    pks = fresh()
    counter = Counter()
    with connection.execute_wrapper(counter):
        work(pks)
    return seconds, counter.statements / len(pks)


class Counter:
    """Counts statements as they are sent; BEGIN and COMMIT are not among them."""

    def __init__(self) -> None:
        self.statements = 0

    def __call__(self, execute, sql, params, many, context):
        self.statements += 1
        return execute(sql, params, many, context)


def fresh() -> list[int]:
    """Return the keys of new entries."""
    Entry.objects.all().delete()
    Entry.objects.bulk_create(Entry(content=f"entry {number}") for number in range(ENTRIES))
    return list(Entry.objects.values_list("pk", flat=True))


def plain(pks: list[int]) -> None:
    """Do what a task without any recovery does."""
    extractor = MarkerExtractor()
    for pk in pks:
        entry = Entry.objects.get(pk=pk)
        result = extractor.extract(entry.content)
        with transaction.atomic():
            extraction = Extraction.objects.create(entry=entry, extractor="plain", version="1", duration=0)
            Insight.objects.bulk_create(
                Insight(entry=entry, extraction=extraction, kind=found.kind, label=found.label)
                for found in result.insights
            )


def batches(pks: list[int], size: int) -> None:
    """Process them as a worker does, so many to a message."""
    for start in range(0, len(pks), size):
        processing.process(pks[start : start + size], processing.this_process("benchmark"))
