"""What the integration tests have in common: entries in every state, and the runner of a claim."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

from django.db import connections

from insights_recovery import clock, hosts, lifecycle, processing, signals
from insights_recovery.lifecycle import FINISHED, State
from insights_recovery.models import ProcessingAttempt
from insights_recovery.processing import Batch, Runner
from insights_recovery.settling import Lease
from tests.hosts.notes.models import Entry

MARKER = "tests.hosts.extractors.MarkerExtractor"
SECOND = "tests.hosts.extractors.SecondExtractor"
SCRIPTED = "tests.integration.scripted.ScriptedExtractor"
SCRIPTED_BATCH = "tests.integration.scripted.ScriptedBatchExtractor"

OWNER = "elsewhere:1:1:task"
"""An owner of another place, of whom nothing can be known from here."""


def runner(**changes: Any) -> Runner:
    """Return the runner of a task in a process of another place."""
    return Runner(**({"process": "elsewhere:1:1", "task_id": "task", "worker": "test", "lease": 30.0} | changes))


def create(text: str = "Walked to the lake.", **columns: Any) -> Entry:
    """Create an entry by save, then write processing columns, if any, past every guard."""
    entry = Entry.objects.create(content=text)
    return put(entry, **columns) if columns else entry


def put(entry: Entry, **columns: Any) -> Entry:
    """Write columns of the entry's row by a plain UPDATE, `due_at` for `processing_due_at`; return it read anew."""
    names = {f"processing_{name}" if hasattr(Entry, f"processing_{name}") else name: v for name, v in columns.items()}
    hosts.entries().filter(pk=entry.pk).update(**names)
    return fresh(entry)


def fresh(entry: Entry) -> Entry:
    """Return the entry as its row stands now."""
    return Entry.objects.get(pk=entry.pk)


def row(entry: Entry) -> dict[str, Any]:
    """Return all columns of the entry's row."""
    return hosts.entries().filter(pk=entry.pk).values().get()


def in_state(state: State, text: str = "Walked to the lake.", *, token: UUID | None = None, **columns: Any) -> Entry:
    """Create an entry that stands in `state`: waiting ones are due, the lease of one in work ran out."""
    digest = lifecycle.digest_of(text)
    wanted: dict[str, Any] = {"state": state, "digest": digest, "due_at": clock.later(-60), "nudges": 0}
    if state in FINISHED:
        wanted["due_at"] = None
    if state == State.PROCESSING:
        wanted |= {"token": token or uuid4(), "owner": OWNER, "claims": 1}
    return create(text, **wanted | columns)


def process(*entries: Entry, **changes: Any) -> Any:
    """Process these entries as one message would; return the tally."""
    return processing.process([entry.pk for entry in entries], runner(**changes))


def again(*entries: Entry) -> None:
    """Let the back-off and the grace of these entries be over."""
    past = clock.later(-60)
    rows = hosts.entries().filter(pk__in=[entry.pk for entry in entries], processing_due_at__isnull=False)
    rows.update(processing_due_at=past, processing_not_before=None)


def claimed(*entries: Entry, alone: bool | None = None) -> Batch:
    """Claim these entries; return the batch with the work before it."""
    lease = Lease(token=uuid4(), seconds=30.0, using="default")
    pks = [entry.pk for entry in entries]
    is_alone = len(pks) == 1 if alone is None else alone
    rows = processing._claim(pks, lease, runner(), alone=is_alone)
    assert len(rows) == len(pks)
    return Batch(rows, lease, runner(), alone=is_alone)


def take_over(entry: Entry) -> None:
    """Give the lease to somebody else, as when it ran out and was claimed again."""
    rows = hosts.entries().leased().filter(pk=entry.pk)
    rows.update(processing_token=uuid4(), processing_owner="another:2:2:task")


def outcomes(entry: Entry) -> list[str]:
    """Return how the entry's attempts ended, oldest first."""
    return list(ProcessingAttempt.objects.filter(entry=entry).order_by("pk").values_list("outcome", flat=True))


def seconds_until(entry: Entry, column: str) -> float:
    """Return the seconds from the database's now until the moment in a column."""
    values = hosts.entries().filter(pk=entry.pk).annotate(now=clock.now()).values_list(f"processing_{column}", "now")
    moment, now = values.get()
    return (moment - now).total_seconds()


@contextlib.contextmanager
def heard(name: str) -> Iterator[list[Any]]:
    """Collect the keys of which one of our signals speaks."""
    keys: list[Any] = []

    def listen(entry_ids: list[Any], **_: Any) -> None:
        keys.extend(entry_ids)

    signal = getattr(signals, name)
    signal.connect(listen)
    try:
        yield keys
    finally:
        signal.disconnect(listen)


class Elsewhere(threading.Thread):
    """Runs a function on a thread with a database connection of its own; `value()` waits for what it returns."""

    def __init__(self, action: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._action = action
        self._value: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        """Run it, and hang up."""
        try:
            self._value = self._action()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test's own thread raises it
            self._error = error
        finally:
            connections.close_all()

    def value(self, timeout: float = 60) -> Any:
        """Wait, and return what the function returned or raise what it raised."""
        self.join(timeout)
        assert not self.is_alive(), "the other thread hangs"
        if self._error is not None:
            raise self._error
        return self._value
