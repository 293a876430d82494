"""The judge: sees every step, every call, every message, every log line and every end, and says what they violate."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from insights_recovery.dispatch import OUTAGE_WINDOW
from insights_recovery.extractors import ExtractionResult
from insights_recovery.lifecycle import State
from insights_recovery.recovery import SWEEP
from tests.under_fire import simulated_texts as texts
from tests.under_fire.invariants import CHECKS
from tests.under_fire.simulated_actors import Actor, Kind
from tests.under_fire.simulated_ledger import Ledger, Step
from tests.under_fire.simulated_rows import EntryRow, Tables


class Judge:
    """Collects violations, each with the number of the invariant."""

    def __init__(self, ledger: Ledger) -> None:
        self.violations: list[str] = []
        self.heard: Counter[str] = Counter()
        self.ledger = ledger

    def find(self, number: int, violation: str) -> None:
        """Keep a violation of the invariant with this number."""
        self.violations.append(f"({number}) {violation}")

    def step(self, step: Step) -> None:
        """Judge what an actor wrote."""
        self.ledger.note(step)
        for number, check in CHECKS.items():
            for violation in check(step, self.ledger):
                self.find(number, f"{violation} [{step.actor.name}]")
        self._note_what_was_stored(step)

    def _note_what_was_stored(self, step: Step) -> None:
        for _, row in step.extractions:
            if row is not None and not row.is_outdated:
                self.ledger.answers.pop((step.actor, row.entry, row.extractor), None)
        # An answer is worth nothing once its entry has another text or another holder.
        for (actor, pk, extractor), text in list(self.ledger.answers.items()):
            row = step.after.entries.get(pk)
            if row is None or row.token not in actor.tokens or row.content != text:
                del self.ledger.answers[actor, pk, extractor]

    # 6. The writer never waits

    def tried_to_publish(self, actor: Actor, *, is_heard: bool, now: float) -> None:
        """A message was sent, or failed to be."""
        line, ledger = actor.process.line, self.ledger
        silent_since = ledger.silences.get(line)
        if actor.kind is Kind.WRITER and silent_since is not None:
            began = actor.facts["began"]
            if silent_since < began and now - silent_since < OUTAGE_WINDOW - 1:
                self.find(6, f"{actor} waited for a broker that was known to be out")
        if is_heard:
            ledger.silences.pop(line, None)
        else:
            ledger.silences[line] = now
        if actor.kind in {Kind.SERVICE, Kind.PERSON} and actor not in ledger.announcers:
            self.find(1, f"{actor} told the broker of entries before marking them")

    # 7. Private

    def sent(self, keys: Any, queue: str) -> None:
        """A message came to the broker."""
        if not isinstance(keys, list) or not all(isinstance(key, int) for key in keys):
            self.find(7, f"a message in {queue} carries {keys!r}")

    # 9. Paid once

    def called(self, actor: Actor, extractor: str, given: Sequence[str], tables: Tables) -> None:
        """An extractor is called."""
        for text in given:
            self.ledger.calls[extractor, text] += 1
            row = self._row(text, tables)
            if row is None or not self.ledger.holds(actor, row):
                continue
            for stored in tables.extractions.values():
                known = (stored.entry, stored.extractor, stored.text_digest)
                if known == (row.pk, extractor, texts.digest_of(text)) and not stored.is_outdated:
                    self.find(9, f"{extractor} was called again for entry {row.pk}")

    def answered(self, actor: Actor, extractor: str, text: str, outcome: object, tables: Tables) -> None:
        """An extractor said something of a text."""
        pk = self._pk(text)
        if isinstance(outcome, ExtractionResult):
            row = self._row(text, tables)
            if row is not None and self.ledger.holds(actor, row) and row.content == text:
                self.ledger.answers[actor, pk, extractor] = text
        elif (mark := texts.mark_for(text, extractor, self.ledger.calls[extractor, text] - 1)) not in {"", "postpone"}:
            actor.faults |= {(token, pk, mark) for token in actor.tokens}

    def _pk(self, text: str) -> Any:
        meaning = texts.read(text)
        return self.ledger.keys.get(meaning.entry) if meaning else None

    def _row(self, text: str, tables: Tables) -> EntryRow | None:
        return tables.entries.get(self._pk(text))

    # The end of an actor

    def ended(self, actor: Actor, tables: Tables) -> None:
        """An actor is over."""
        pending = [key for key in self.ledger.answers if key[0] is actor]
        for key in pending:
            del self.ledger.answers[key]
            if not actor.was_disturbed:
                self.find(9, f"what {key[2]} said of entry {key[1]} was thrown away by {actor}")
        if actor.error is not None and not actor.was_disturbed:
            number = 6 if actor.kind is Kind.WRITER else 1
            self.find(number, f"{actor} failed: {actor.error!r}")
        beat = tables.heartbeats.get(SWEEP)
        is_sweeping = beat is not None and beat.token is not None and self.ledger.sweepers.get(beat.token) is actor
        if is_sweeping and not actor.was_disturbed:
            self.find(10, f"{actor} ended without ending its sweep")

    # The end of a run

    def at_rest(self, tables: Tables) -> None:
        """Everything was healed and had time: every entry has ended, and well where nothing was wrong with it."""
        for row in tables.entries.values():
            if row.state not in {State.COMPLETED, State.SKIPPED, State.FAILED}:
                self.find(1, f"entry {row.pk} has not ended: {row}")
            if row.state == State.COMPLETED and row.digest != texts.digest_of(row.content):
                self.find(4, f"entry {row.pk} is done with another text, and nobody noticed")
        for rows in (tables.extractions, tables.insights, tables.attempts):
            for belonging in rows.values():
                if belonging.entry not in tables.entries:
                    self.find(4, f"{belonging} is left of an entry that is gone")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear every line that the project logs for as long as the block lasts, and let nobody else hear it."""
        logger, ear = logging.getLogger("insights_recovery"), _Ear(self)
        before = logger.level, logger.propagate, logger.handlers
        logger.setLevel(logging.DEBUG)
        logger.propagate, logger.handlers = False, [ear]
        try:
            yield
        finally:
            logger.setLevel(before[0])
            logger.propagate, logger.handlers = before[1:]


class _Ear(logging.Handler):
    """Looks for words of texts in log records."""

    def __init__(self, judge: Judge) -> None:
        super().__init__(logging.DEBUG)
        self._judge = judge

    def emit(self, record: logging.LogRecord) -> None:
        self._judge.heard[getattr(record, "event", record.name)] += 1
        if texts.CANARY in f"{record.getMessage()} {record.__dict__}" or record.exc_info:
            self._judge.find(7, f"a log line quotes a text: {record.getMessage()}")
