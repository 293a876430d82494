"""Workers, sweeps, writers and people at three entries at once, as the dice will have it; then nothing may be amiss."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from insights_recovery import clock, hosts, lifecycle, operations, processing, recovery
from insights_recovery.exceptions import PermanentError, PostponeError
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Insight
from insights_recovery.monitoring import audit
from tests.hosts.notes.models import Entry
from tests.integration.helpers import Elsewhere, create, runner
from tests.integration.scripted import found

pytestmark = pytest.mark.django_db(transaction=True)

Dice = random.Random
Act = Callable[[Dice, Sequence[Any]], Any]

ENTRIES = 3
THREADS = 4
ROUNDS = 20
ENOUGH = 5
"""Looks after which whatever is left would be left for ever."""
ENDINGS = (None, None, None, RuntimeError, PermanentError, PostponeError)
"""What an extractor does: mostly it answers."""
MEANWHILE = 0.5
"""How likely it is that something happens while an extractor works."""


def _work(dice: Dice, pks: Sequence[Any]) -> None:
    # A lease of no length may be taken away in the middle of the work.
    processing.process(pks, runner(task_id=str(uuid4()), lease=dice.choice([0.0, 30.0])))


def _save(dice: Dice, pks: Sequence[Any]) -> None:
    # Locked, since Django's own save inserts anew what was deleted meanwhile, and two of them would be one too many.
    with transaction.atomic():
        if entry := Entry.objects.select_for_update().filter(pk=pks[0]).first():
            entry.content = f"saved {dice.random()}"
            entry.save()


ACTS: dict[str, Act] = {
    "work": _work,
    "work again": _work,
    "work once more": _work,
    "sweep": lambda _, __: recovery.sweep(),
    "rescue": lambda _, __: recovery.rescue_expired(10),
    "offer": lambda _, __: recovery.offer_due(10),
    "retry": lambda _, pks: operations.retry(pks),
    "reprocess": lambda _, pks: operations.reprocess(pks),
    "skip": lambda _, pks: operations.skip(pks),
    "save": _save,
    "update": lambda dice, pks: Entry.objects.filter(pk=pks[0]).update(content=f"updated {dice.random()}"),
    "update again": lambda dice, pks: Entry.objects.filter(pk=pks[0]).update(content=f"updated {dice.random()}"),
    "delete": lambda _, pks: Entry.objects.filter(pk__in=pks[:1]).delete(),
    "create": lambda dice, __: create(f"created {dice.random()}"),
}
"""What anybody may do, with some of the entries in any order."""


class Storm:
    """Several threads, each of which does one thing at the same moment as the others, again and again."""

    def __init__(self, seed: int) -> None:
        self.errors: list[str] = []
        self._seed = seed
        self._start = threading.Barrier(THREADS, action=self._look)
        self._dice = random.Random(seed)

    def rage(self) -> None:
        """Do it, and return when all threads are through, or one has failed."""
        for thread in [Elsewhere(partial(self._run, number)) for number in range(THREADS)]:
            thread.value()

    def extract(self, text: str) -> Any:
        """Answer, or fail; but first, often, something happens to the entries just while they are in work."""
        if self._dice.random() < MEANWHILE:
            self._act(self._dice)
        if error := self._dice.choice(ENDINGS):
            raise error
        return found(text)

    def _run(self, number: int) -> None:
        dice = random.Random(f"{self._seed}.{number}")
        for _ in range(ROUNDS):
            with suppress(threading.BrokenBarrierError):
                self._start.wait(60)
            if not self.errors:
                self._act(dice)

    def _look(self) -> None:
        """Look whether all is well between two rounds, when nobody is at anything."""
        self.errors += [f"{law} is broken" for law in _broken_laws()]
        self.errors += [f"entry {pk} has not the result of its text" for pk in _wrong()]

    def _act(self, dice: Dice) -> None:
        pks = list(Entry.objects.order_by("pk").values_list("pk", flat=True)) or [0]
        name = dice.choice(sorted(ACTS))
        try:
            ACTS[name](dice, dice.sample(pks, dice.randint(1, len(pks))))
        except Exception as error:  # noqa: BLE001 - an extractor's own errors are swallowed, and these must not be
            self.errors.append(f"{name}: {error!r}")
            self._start.abort()


def _broken_laws() -> dict[str, int]:
    report = audit.Report()
    for page in audit.examine():
        report.add(page)
    return dict(+report.counts)


def _calm_down() -> None:
    """Let time pass and workers work until everything has ended."""
    for _ in range(ENOUGH):
        hosts.entries().unfinished().update(processing_due_at=clock.later(-60), processing_not_before=None)
        recovery.rescue_expired(10)
        recovery.verify(list(hosts.entries().values_list("pk", flat=True)))
        for pk in hosts.entries().unfinished().values_list("pk", flat=True):
            processing.process([pk], runner())


@pytest.mark.parametrize("seed", range(4))
def test_after_any_races_every_law_is_kept_and_every_entry_ends(seed: int, scripted: Callable[..., Any]) -> None:
    storm = Storm(seed)
    scripted(storm.extract)
    for number in range(ENTRIES):
        create(f"text {number}")
    storm.rage()
    assert [] == storm.errors
    scripted(found)
    _calm_down()
    assert {} == _broken_laws()
    assert [] == _wrong()
    assert not hosts.entries().unfinished().exists()


def _wrong() -> list[Any]:
    """Return the keys of completed entries that have anything but one result, of the text as it stands."""
    return [entry.pk for entry in Entry.objects.filter(processing_state=State.COMPLETED) if not _is_right(entry)]


def _is_right(entry: Entry) -> bool:
    digests = Extraction.objects.filter(entry=entry).values_list("text_digest", flat=True)
    labels = Insight.objects.filter(entry=entry).values_list("label", flat=True)
    return [[lifecycle.digest_of(entry.content)], [entry.content]] == [list(digests), list(labels)]
