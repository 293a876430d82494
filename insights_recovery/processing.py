"""One batch of entries end to end: claim, extract, store, settle.

This is the only path: the first run, a retry, a rescued entry and "process now" all come through here. No transaction
is open while an extractor works.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from insights_recovery import dispatch, history, hosts, identity, insights, lifecycle, scrubbing, signals, texts
from insights_recovery.conf import conf
from insights_recovery.exceptions import (
    BatchError,
    CheckpointLostError,
    LeaseLostError,
    PermanentError,
    PostponeError,
)
from insights_recovery.extraction import Calls, Stopwatch
from insights_recovery.extractors import loading
from insights_recovery.extractors.base import ExtractionResult, Extractor
from insights_recovery.lifecycle import Reason
from insights_recovery.models import Outcome, RecoverableEntry
from insights_recovery.retry import RetryPolicy
from insights_recovery.scrubbing import ErrorReport
from insights_recovery.settling import Change, Lease, settle, settle_all

CONFIGURATION_DELAY = 60.0
"""Seconds after which an entry that waits for a working configuration is looked at again."""


@dataclass(frozen=True, kw_only=True)
class Runner:
    """The task that does the work, as the work needs to know it."""

    process: str
    """Identity of the process that renews the leases."""
    task_id: str
    """The task's id."""
    worker: str
    """A name for a person to read."""
    lease: float
    """Seconds for which a claim is good; inside a worker it is renewed."""
    interruptions: tuple[type[Exception], ...] = ()
    """Exceptions by which the task's soft time limit makes itself felt."""
    is_stopping: Callable[[], bool] = lambda: False
    """Whether the worker was told to shut down."""

    @property
    def owner(self) -> str:
        """Who holds what this task claims."""
        return f"{self.process}:{self.task_id}"


def this_process(task_id: str) -> Runner:
    """Return the runner for work that is done in this process, outside of a worker.

    Nobody renews its leases, so that each is good for as long as an extraction may take.
    """
    me = identity.of_this_process()
    return Runner(process=str(me), task_id=task_id, worker=f"pid {me.pid}", lease=conf().time_limit)


def process(pks: Sequence[Any], runner: Runner) -> Counter[Outcome]:
    """Do what can be done now of these entries; return how many attempts ended how.

    Entries that are done, in work elsewhere or backing off are passed over in silence: a message is only a nudge. Keys
    of no entry, which was deleted or never was, are reported. Suspects among several are sent on, one message each.
    """
    known, impossible = _possible_keys(pks)
    alone = len(known) == 1
    lease = Lease(token=uuid4(), seconds=runner.lease, using=hosts.database())
    claimed = _claim(known, lease, runner, alone=alone)
    tally = Batch(claimed, lease, runner, alone=alone).work() if claimed else Counter[Outcome]()
    ours = {entry.pk for entry in claimed}
    _pass_over([pk for pk in known if pk not in ours], impossible, alone=alone)
    return tally


def _possible_keys(pks: Sequence[Any]) -> tuple[list[Any], int]:
    """Return the keys that an entry can have, without repetitions, and how many of `pks` none can have."""
    field = hosts.entry_model()._meta.pk
    keys: dict[Any, None] = {}
    impossible = 0
    for pk in pks:
        try:
            keys[field.clean(pk, None)] = None
        except (ValidationError, OverflowError, TypeError):
            # An infinite number, which JSON may carry, overflows where the field expects a whole one; a moment or
            # bytes, which kombu carries in JSON too, are no text where it expects a UUID.
            impossible += 1
    return list(keys), impossible


def _pass_over(left: Sequence[Any], impossible: int, *, alone: bool) -> None:
    """Send on the suspects among what could not be claimed in company, and report what is no entry."""
    found = dict(hosts.entries().filter(pk__in=left).values_list("pk", "processing_solitary")) if left else {}
    missing = [pk for pk in left if pk not in found]
    if missing or impossible:
        signals.entries_unknown.send_robust(Batch, entry_ids=missing, impossible=impossible)
    if not alone:
        dispatch.send([pk for pk, is_solitary in found.items() if is_solitary])


def _claim(pks: list[Any], lease: Lease, runner: Runner, *, alone: bool) -> list[RecoverableEntry]:
    token = lease.token
    with transaction.atomic(using=lease.using):
        free = hosts.entries().filter(pk__in=hosts.entries().lock_free_keys(pks))
        lifecycle.claim(free, token=token, owner=runner.owner, lease=lease.seconds, alone=alone)
        claimed = list(hosts.entries().filter(pk__in=pks, processing_token=token))
        claimed.sort(key=lambda entry: pks.index(entry.pk))
        history.open_attempts(claimed, token=token, task_id=runner.task_id, worker=runner.worker, using=lease.using)
    return claimed


class Batch:
    """The entries of one claim, and what has become of them."""

    def __init__(self, entries: Sequence[RecoverableEntry], lease: Lease, runner: Runner, *, alone: bool) -> None:
        self.tally: Counter[Outcome] = Counter()
        self._lease = lease
        self._runner = runner
        self._alone = alone
        self._stopwatch = Stopwatch(conf().soft_time_limit)
        self._open = {entry.pk: entry for entry in entries}
        self._readings = {entry.pk: texts.read(entry) for entry in entries}
        self._stored = insights.stored(self._open, using=lease.using)
        self._extractors: Sequence[str] = ()
        self._calls: Calls | None = None
        signals.entries_claimed.send_robust(Batch, entry_ids=list(self._open), task_id=runner.task_id)

    def work(self) -> Counter[Outcome]:
        """Bring every entry to the end of its lease; return how many ended how."""
        try:
            self._settle_what_needs_no_extractor()
            self._extract()
        except self._runner.interruptions as interruption:
            self._interrupted(interruption)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # the worker's boundary: a fault of ours, or a host's that no guard foresaw
            self._defeated(error)
            raise
        return self.tally

    # Extracting

    def _extract(self) -> None:
        try:
            extractors = loading.load(conf().extractors)
        except Exception as error:  # noqa: BLE001 - the worker's boundary: making one may raise anything
            self._postpone(Reason.CONFIGURATION, CONFIGURATION_DELAY, scrubbing.report(error))
            return
        self._extractors = [extractor.name for extractor in extractors]
        for extractor in extractors:
            if self._open:
                self._run(extractor, is_last=extractor is extractors[-1])

    def _is_done(self, pk: Any, extractor: Extractor) -> bool:
        digest = self._readings[pk].digest
        return any(stored.is_checkpoint(extractor, digest) for stored in self._stored.get(pk, ()))

    def _run(self, extractor: Extractor, *, is_last: bool) -> None:
        texts_by_key = {pk: self._readings[pk].text for pk in self._open}
        done = {pk for pk in self._open if self._is_done(pk, extractor)}
        self._calls = Calls(extractor, texts_by_key, done, self._stopwatch, self._runner.interruptions)
        for outcomes, seconds in self._calls:
            outage = None
            # Each result is stored, whatever comes of the others of the same call: it is paid for.
            for pk, outcome in outcomes.items():
                if isinstance(outcome, PostponeError):
                    outage = outage or outcome
                else:
                    self._settle(pk, extractor, outcome, seconds, is_last=is_last)
            if outage:
                self._postpone(Reason.CIRCUIT_OPEN, outage.retry_after, scrubbing.report(outage))
                return
            if self._open and (self._runner.is_stopping() or self._stopwatch.is_short()):
                self._release(list(self._open))
                return

    # Settling

    def _settle_what_needs_no_extractor(self) -> None:
        for pk, entry in list(self._open.items()):
            if error := self._readings[pk].error:
                self._failed(pk, error)
            elif reason := self._reason_to_skip(entry):
                self._skip(pk, reason)

    def _reason_to_skip(self, entry: RecoverableEntry) -> Reason | None:
        settings = conf()
        if not self._readings[entry.pk].text.strip():
            return Reason.BLANK
        if settings.skip_duplicates and settings.author_field:
            twins = hosts.entries().done_twins(entry, self._readings[entry.pk].digest, settings.author_field)
            return Reason.DUPLICATE if twins.exists() else None
        return None

    def _settle(
        self,
        pk: Any,
        extractor: Extractor,
        outcome: ExtractionResult | Exception | None,
        seconds: float,
        *,
        is_last: bool,
    ) -> None:
        if isinstance(outcome, BatchError):
            self._release([pk], alone_next=True)
        elif isinstance(outcome, Exception):
            self._failed(pk, outcome)
        else:
            self._store(pk, extractor, outcome, seconds, is_last=is_last)

    def _store(
        self, pk: Any, extractor: Extractor, result: ExtractionResult | None, seconds: float, *, is_last: bool
    ) -> None:
        digest, using, before = self._readings[pk].digest, self._lease.using, self._stored.get(pk, ())
        is_first = not any(stored.extractor == extractor.name for stored in before)

        def change(rows: Any) -> None:
            nonlocal is_first
            if result is not None:
                insights.store(pk, extractor, result, digest=digest, duration=seconds, using=using, is_first=is_first)
                # Where the commit goes through unheard this is done again, and meets what it stored.
                is_first = False
            if is_last:
                self._complete(pk, rows, digest, has_outlived=any(stored.digest != digest for stored in before))

        try:
            ended = self._end(pk, change, Outcome.COMPLETED if is_last else Outcome.RUNNING)
        except (OperationalError, InterfaceError):
            raise
        except CheckpointLostError:
            self._store(pk, extractor, result, seconds, is_last=False)
            if pk in self._open:
                self._release([pk])
            return
        except DatabaseError as error:
            # The database is there and refuses what the extractor brought: that is the attempt's failure.
            self._failed(pk, error)
            return
        if ended is Outcome.COMPLETED:
            signals.entry_completed.send_robust(Batch, entry_ids=[pk])

    def _complete(self, pk: Any, rows: Any, digest: str, *, has_outlived: bool) -> None:
        using = self._lease.using
        if has_outlived:
            insights.drop_outlived(pk, digest=digest, using=using)
        # After a failover to a replica that lagged, what was stored a moment ago may be gone.
        if len(self._extractors) > 1 and insights.missing(pk, self._extractors, digest=digest, using=using):
            raise CheckpointLostError
        lifecycle.complete(rows, self._lease.token, digest=digest)

    def _skip(self, pk: Any, reason: Reason) -> None:
        digest = self._readings[pk].digest

        def change(rows: Any) -> None:
            insights.drop_outlived(pk, digest=digest, using=self._lease.using)
            lifecycle.skip(rows, self._lease.token, reason=reason, digest=digest)

        if self._end(pk, change, Outcome.SKIPPED) is Outcome.SKIPPED:
            signals.entry_skipped.send_robust(Batch, entry_ids=[pk], reason=reason)

    def _failed(self, pk: Any, error: Exception) -> None:
        report, token = scrubbing.report(error), self._lease.token
        reason = Reason.PERMANENT if isinstance(error, PermanentError) else Reason.ATTEMPTS
        evidence: dict[str, Any] = {"error": report.message, "digest": self._readings[pk].digest}
        delay: float | None = None

        def change(rows: Any) -> None:
            nonlocal delay
            delay = None if reason is Reason.PERMANENT else self._delay_after_failure(rows)
            if delay is None:
                lifecycle.bury(rows, token, reason=reason, **evidence)
            else:
                lifecycle.retry(rows, token, delay=delay, **evidence)

        if self._end(pk, change, Outcome.FAILED, report) is not Outcome.FAILED:
            return
        if delay is None:
            signals.entry_buried.send_robust(Batch, entry_ids=[pk], reason=reason, error=report.message)
        else:
            signals.entry_retrying.send_robust(Batch, entry_ids=[pk], error=report.message, delay=round(delay, 3))

    def _delay_after_failure(self, rows: Any) -> float | None:
        settings = conf()
        policy = RetryPolicy(
            limit=settings.max_attempts, delay=settings.retry_delay, max_delay=settings.retry_delay_max
        )
        # As they are now: since the claim an edit may have granted fresh ones, and brought the same text back.
        attempts = rows.values_list("processing_attempts", flat=True).get()
        return policy.delay_after(attempts + 1, random.uniform)

    def _end(self, pk: Any, change: Change, outcome: Outcome, report: ErrorReport | None = None) -> Outcome | None:
        """Settle one entry; return how its attempt ended, or None when the lease was not ours any more."""
        try:
            ended = settle(self._lease, pk, self._readings[pk].digest, change, outcome, report)
        except LeaseLostError:
            del self._open[pk]
            signals.stale_write_refused.send_robust(Batch, entry_ids=[pk])
            return None
        if ended is Outcome.SUPERSEDED:
            signals.entry_superseded.send_robust(Batch, entry_ids=[pk])
            dispatch.offer([pk])
        if ended is not Outcome.RUNNING:
            self._count([pk], ended)
        return ended

    # All that is left

    def _postpone(self, reason: Reason, delay: float, report: ErrorReport) -> None:
        """An outage: whatever is open waits for its end, and nothing is held against it."""
        pks = list(self._open)
        change = partial(lifecycle.postpone, token=self._lease.token, reason=reason, delay=delay, error=report.message)
        if held := self._end_all(pks, change, Outcome.POSTPONED, report):
            signals.entries_postponed.send_robust(Batch, entry_ids=held, reason=reason, delay=delay)

    def _release(self, pks: Sequence[Any], *, alone_next: bool = False) -> None:
        """Give entries back untouched, for whoever has time."""
        change = partial(lifecycle.release, token=self._lease.token, alone_next=alone_next)
        if held := self._end_all(pks, change, Outcome.RELEASED):
            signals.entries_released.send_robust(Batch, entry_ids=held)
            if not self._runner.is_stopping():
                # A worker that is stopping would be sent them again itself; they are due, and others look.
                dispatch.offer(held)

    def _end_all(
        self, pks: Sequence[Any], change: Change, outcome: Outcome, report: ErrorReport | None = None
    ) -> list[Any]:
        """Settle these entries, whatever their text; return those whose lease was still ours."""
        held = settle_all(self._lease, pks, change, outcome, report)
        lost = [pk for pk in pks if pk not in held]
        if held:
            self._count(held, outcome)
        if lost:
            for pk in lost:
                self._open.pop(pk, None)
            signals.stale_write_refused.send_robust(Batch, entry_ids=lost)
        return held

    def _interrupted(self, interruption: Exception) -> None:
        """The soft time limit struck: it is the failure of an entry that was alone, and convicts nobody in a batch."""
        caught = [pk for pk in self._calls.in_hand if pk in self._open] if self._calls else []
        if self._alone:
            for pk in caught:
                self._failed(pk, interruption)
        elif caught:
            self._release(caught, alone_next=True)
        if self._open:
            self._release(list(self._open))

    def _defeated(self, error: Exception) -> None:
        """Something went wrong that nobody foresaw: it counts where it can only be the entry's, so that it ends."""
        if self._alone:
            for pk in list(self._open):
                self._failed(pk, error)
        elif self._open:
            self._release(list(self._open), alone_next=True)

    def _count(self, pks: Sequence[Any], outcome: Outcome) -> None:
        self.tally[outcome] += len(pks)
        for pk in list(pks):
            self._open.pop(pk, None)
