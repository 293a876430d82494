"""What the judge remembers: a model of the world beside the tables, kept from what happened and never from a verb."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from insights_recovery.conf import RecoverySettings
from insights_recovery.lifecycle import FINISHED
from tests.under_fire import simulated_texts as texts
from tests.under_fire.simulated_actors import Actor, Kind
from tests.under_fire.simulated_processes import Fleet
from tests.under_fire.simulated_rows import (
    AttemptRow,
    EntryRow,
    ExtractionRow,
    HeartbeatRow,
    InsightRow,
    Tables,
    changes,
)

Findings = Iterator[str]
"""Violations, in words."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of an actor, which wrote: at most one transaction."""

    actor: Actor
    """Who made it."""
    before: Tables
    """What stood in the tables before."""
    after: Tables
    """What stands there now."""
    when: datetime
    """The moment after it."""

    @cached_property
    def entries(self) -> list[tuple[EntryRow | None, EntryRow | None]]:
        """The entries that changed, before and after."""
        return list(changes(self.before.entries, self.after.entries))

    @cached_property
    def extractions(self) -> list[tuple[ExtractionRow | None, ExtractionRow | None]]:
        """The extractions that changed."""
        return list(changes(self.before.extractions, self.after.extractions))

    @cached_property
    def insights(self) -> list[tuple[InsightRow | None, InsightRow | None]]:
        """The insights that changed."""
        return list(changes(self.before.insights, self.after.insights))

    @cached_property
    def attempts(self) -> list[tuple[AttemptRow | None, AttemptRow | None]]:
        """The rows of the history that changed."""
        return list(changes(self.before.attempts, self.after.attempts))

    @cached_property
    def heartbeats(self) -> list[tuple[HeartbeatRow | None, HeartbeatRow | None]]:
        """The heartbeats that changed."""
        return list(changes(self.before.heartbeats, self.after.heartbeats))

    @cached_property
    def belongings(self) -> list[tuple[Any, Any]]:
        """What changed of all that belongs to entries."""
        return [*self.extractions, *self.insights, *self.attempts]

    @cached_property
    def touched(self) -> set[Any]:
        """The keys of the entries that changed, or of which something that belongs to them did."""
        pks = {(after or before).pk for before, after in self.entries}  # type: ignore[union-attr]
        return pks | {(after or before).entry for before, after in self.belongings}

    def closed(self, pk: Any) -> list[str]:
        """Return how attempts at this entry ended in this step."""
        return [
            after.outcome
            for before, after in self.attempts
            if before and after and after.entry == pk and before.outcome != after.outcome
        ]


@dataclass(kw_only=True)
class Ledger:
    """What happened so far."""

    settings: RecoverySettings
    """The settings in force."""
    extractors: tuple[str, ...]
    """The names of the extractors, in order."""
    fleet: Fleet
    """The processes."""
    numbers: dict[Any, int] = field(default_factory=dict)
    """The number that an entry's texts bear, by the entry's key."""
    keys: dict[int, Any] = field(default_factory=dict)
    """The other way round."""
    written: dict[Any, list[str]] = field(default_factory=lambda: defaultdict(list))
    """All texts that an entry ever had, by its key."""
    by_digest: dict[str, str] = field(default_factory=dict)
    """Every text ever, by its digest."""
    bypassed: set[Any] = field(default_factory=set)
    """Finished entries whose text was changed by plain SQL since."""
    holders: dict[Any, Actor] = field(default_factory=dict)
    """Who claimed with a token."""
    held: set[tuple[Any, Any]] = field(default_factory=set)
    """Every entry and token that ever were together."""
    answers: dict[tuple[Actor, Any, str], str] = field(default_factory=dict)
    """Results that exist and are not stored yet: who has them, of which entry and extractor; the text."""
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Calls by extractor and text."""
    corrected: dict[Any, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    """What persons ever corrected, by entry, as insights are known."""
    former: dict[Any, set[Any]] = field(default_factory=dict)
    """Keys of rows of the history that a former life of an entry left behind."""
    pruned: Counter[Any] = field(default_factory=Counter)
    """Rows of the history that were pruned, by entry."""
    sweepers: dict[Any, Actor] = field(default_factory=dict)
    """Who took the sweep with a token."""
    sweeps_ended: int = 0
    """How many sweeps ended."""
    announcers: set[Actor] = field(default_factory=set)
    """Who announced something before telling the broker."""
    silences: dict[Any, float] = field(default_factory=dict)
    """When a line to the broker failed last, by the process's own clock."""

    def note(self, step: Step) -> None:
        """Take in what happened, before it is judged."""
        for before, after in step.entries:
            if after is None or before is None or before.content != after.content:
                self._note_text(step, before, after)
            if after is not None and after.state not in FINISHED:
                self.bypassed.discard(after.pk)
            if before is not None and after is not None and after.nudges > before.nudges:
                self.announcers.add(step.actor)
            if after is not None and after.token is not None and (before is None or before.token != after.token):
                self._note_claim(step.actor, after)

        if step.actor.facts.get("corrects"):
            for row in (row for rows in step.insights for row in rows if row is not None):
                self.corrected[row.entry] |= row.keys

    def _note_text(self, step: Step, before: EntryRow | None, after: EntryRow | None) -> None:
        if after is None:
            return
        if before is None:
            self.former[after.pk] = {row.pk for row in step.before.attempts.values() if row.entry == after.pk}
            self.pruned[after.pk] = 0
        elif step.actor.facts.get("is_sql") and before.state in FINISHED:
            self.bypassed.add(after.pk)
        self.written[after.pk].append(after.content)
        self.by_digest[texts.digest_of(after.content)] = after.content
        if after.pk not in self.numbers and (meaning := texts.read(after.content)):
            self.number(after.pk, meaning.entry)

    def number(self, pk: Any, number: int) -> None:
        """The texts of this entry bear this number."""
        self.numbers[pk], self.keys[number] = number, pk

    def _note_claim(self, actor: Actor, row: EntryRow) -> None:
        self.holders.setdefault(row.token, actor)

    def holds(self, actor: Actor, row: EntryRow | None) -> bool:
        """Say whether the actor holds the lease of the entry in this row."""
        return row is not None and row.token is not None and row.token in actor.tokens

    def may_claim(self, actor: Actor) -> bool:
        """Say whether the actor processes entries."""
        return actor.kind is Kind.TASK or actor.facts.get("question") == "process now"
