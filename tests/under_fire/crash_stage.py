"""What a scenario is made of: entries in the states it begins with, and the act in which a process dies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from insights_recovery import hosts, identity, processing
from insights_recovery.models import Insight
from insights_recovery.processing import Runner
from insights_recovery.settling import Lease
from tests.hosts.notes.models import Entry
from tests.under_fire.at_rest import Ends, Expectation
from tests.under_fire.crash_extractors import FIRST, SECOND, TOGETHER
from tests.under_fire.crash_fates import TASK_ID
from tests.under_fire.crash_points import Fuse
from tests.under_fire.crash_world import World

ELSEWHERE = "another-machine:1:1"
"""A process of another place, of which nothing can be known from here."""
NOBODY = 4_194_305
"""A process id above any that Linux gives."""

TWO: dict[str, Any] = {"EXTRACTORS": [FIRST, SECOND]}
BOTH = ("marker", "second")
BATCHES: dict[str, Any] = {"EXTRACTORS": [TOGETHER]}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What the process that is to die has to work with."""

    world: World
    """The world it lives in."""
    pks: list[Any]
    """The entries that the scenario has prepared, in the order of its message."""
    process: str
    """The identity under which it claims."""
    fuse: Fuse
    """Told of what it does."""

    def runner(self, **changes: Any) -> Runner:
        """Return the runner of the task that dies."""
        facts = {"process": self.process, "task_id": TASK_ID, "worker": "dying", "lease": 30.0}
        return Runner(**(facts | changes))

    def work(self, **changes: Any) -> None:
        """Do what the message says."""
        processing.process(self.pks, self.runner(**changes))

    @property
    def entries(self) -> list[Entry]:
        """The prepared entries as they stand."""
        return [Entry.objects.get(pk=pk) for pk in self.pks]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A piece of the life of entries in which a process may die at any moment."""

    name: str
    """What happens, in words."""
    act: Callable[[Stage], object]
    """What the process does that dies."""
    arrange: Callable[[], Sequence[Entry]] = tuple
    """Makes the entries that it begins with."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Keys of INSIGHTS_RECOVERY that it needs."""
    durable: str = ""
    """The deed after which the writer's, or the person's, will is done for good."""
    expected: Expectation = field(default_factory=Expectation)
    """What it may come to."""
    ends_once_durable: Ends = field(default_factory=dict)
    """How entries must end after that deed."""
    is_done: Callable[[World], bool] | None = None
    """Says whether the person's will is done, where neither texts nor states tell."""


# Entries to begin with


def waiting(*contents: str, **columns: Any) -> list[Entry]:
    """Create entries by save; `columns`, without their prefix, are written past every guard."""
    return [put(Entry.objects.create(content=content), **columns) for content in contents]


def put(entry: Entry, **columns: Any) -> Entry:
    """Write processing columns of the entry's row."""
    if columns:
        _rows(entry).update(**{f"processing_{name}": value for name, value in columns.items()})
    return entry


def done(*contents: str) -> list[Entry]:
    """Create entries and process them."""
    entries = waiting(*contents)
    work(entries)
    return entries


def work(entries: Sequence[Entry]) -> None:
    """Let a worker of another place do these entries."""
    runner = Runner(process=ELSEWHERE, task_id="before", worker="another", lease=30.0)
    processing.process([entry.pk for entry in entries], runner)


def held(*contents: str, process: str = ELSEWHERE, **columns: Any) -> list[Entry]:
    """Create entries that another process has claimed, as one message, and will never settle."""
    entries = waiting(*contents)
    claim(entries, process=process)
    return [put(entry, **columns) for entry in entries]


def claim(entries: Sequence[Entry], *, process: str = ELSEWHERE) -> None:
    """Let another process claim these entries, as one message."""
    lease = Lease(token=uuid4(), seconds=30.0, using=hosts.database())
    runner = Runner(process=process, task_id="another", worker="another", lease=lease.seconds)
    claimed = processing._claim([entry.pk for entry in entries], lease, runner, alone=len(entries) == 1)
    if len(claimed) != len(entries):
        # An ordinary exception, raised during a call, would be taken for the entry's own failure.
        pytest.fail(f"{len(claimed)} of {len(entries)} entries could be claimed")


def dead(content: str) -> list[Entry]:
    """Create a dead letter by letting a worker come to that."""
    entries = waiting(content)
    while hosts.entries().unfinished().exists():
        hosts.entries().unfinished().update(processing_not_before=None)
        work(entries)
    return entries


def corrected(entries: list[Entry]) -> list[Entry]:
    """Let a person rename one finding of each entry, remove another, and add one."""
    for entry in entries:
        rows = Insight.objects.filter(entry=entry)
        rows.filter(label="calm").update(label="content", is_manual_edit=True)
        rows.filter(label="mill").update(is_removed=True, is_manual_edit=True)
        Insight.objects.create(entry=entry, kind="theme", label="home", is_manual_edit=True)
    return entries


def rewrite(entry: Entry, content: str) -> None:
    """Change an entry's text by plain SQL."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notes_entry SET content = %s WHERE id = %s", [content, entry.pk])


def erase(entry: Entry) -> None:
    """Delete an entry by plain SQL, which leaves behind what belongs to it."""
    _rows(entry)._raw_delete(hosts.database())


def of_the_dead() -> str:
    """Return the identity of a process of this machine that is known dead."""
    return f"{identity.of_this_process().place}:{NOBODY}:1"


def _rows(entry: Entry) -> Any:
    return hosts.entries().filter(pk=entry.pk)
