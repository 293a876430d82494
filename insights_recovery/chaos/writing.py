"""A web writer: creates, edits and deletes entries as people do, while it is told to."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.db import InterfaceError, OperationalError, connections

from insights_recovery.chaos import journal, making
from insights_recovery.chaos.orders import Orders
from insights_recovery.chaos.switches import WRITING, Switch
from insights_recovery.conf import conf
from insights_recovery.hosts import entries

PAUSE = 0.05
"""Seconds between two looks at the switch, and after a write that failed."""
BULK = 5
"""Entries that one `bulk_create` makes."""


class Writer:
    """Writes with the dice of its number."""

    def __init__(self, number: int, told: Orders) -> None:
        self._told = told
        self._make = making.factory(told.factory)
        self._dice = random.Random(f"{told.seed} writer {number} {os.getpid()}")  # noqa: S311 - no secrecy
        self._keys: list[Any] = []
        self._writing = Switch(told.path, WRITING)

    def run(self) -> None:
        """Write until this process is ended."""
        while True:
            if self._writing.is_on:
                self._bravely(self._step)
            else:
                time.sleep(PAUSE)

    def _bravely(self, step: Callable[[], None]) -> None:
        """A database that is away fails this request, as it would in a web server; the next one is tried."""
        try:
            step()
        except (OperationalError, InterfaceError):
            connections.close_all()
            time.sleep(PAUSE)

    def _step(self) -> None:
        kinds: list[Callable[[], None]] = [self._create, self._create_many]
        weights = [70, 6]
        if self._keys and making.text_column() is not None:
            kinds += [self._edit, self._edit_by_sql, self._delete]
            weights += [14, 5, 5]
        self._dice.choices(kinds, weights)[0]()

    def _create(self) -> None:
        entry = self._make(self._text())
        self._timed("created", entry.save, lambda: [entry.pk])
        self._keys.append(entry.pk)

    def _create_many(self) -> None:
        batch = [self._make(self._text()) for _ in range(BULK)]
        rows = type(batch[0])._default_manager
        self._timed("created", lambda: rows.bulk_create(batch), lambda: [entry.pk for entry in batch])

    def _edit(self) -> None:
        if entry := self._some():
            setattr(entry, conf().text_field, self._text())
            self._timed("edited", entry.save, lambda: [entry.pk])

    def _edit_by_sql(self) -> None:
        if entry := self._some():
            # Said beforehand too: where this process dies on the way nobody knows which text the entry has.
            journal.note(self._told.path, journal.WRITES, "overwriting", entry.pk, 0)
            self._timed("overwritten", lambda: making.edit_by_sql(entry, self._text()), lambda: [entry.pk])

    def _delete(self) -> None:
        if entry := self._some():
            key = entry.pk
            self._keys.remove(key)
            # Said beforehand: where this process dies on the way nobody knows whether the entry is gone.
            journal.note(self._told.path, journal.WRITES, "deleting", key, 0)
            self._timed("deleted", entry.delete, lambda: [key])

    def _some(self) -> Any:
        return entries().filter(pk=self._dice.choice(self._keys)).first()

    def _timed(self, event: str, write: Callable[[], Any], keys: Callable[[], Sequence[Any]]) -> None:
        begun = time.monotonic()
        write()
        seconds = round(time.monotonic() - begun, 3)
        for key in keys():
            journal.note(self._told.path, journal.WRITES, event, key, seconds)

    def _text(self) -> str:
        return making.new_text(self._told.phrase, self._dice)
