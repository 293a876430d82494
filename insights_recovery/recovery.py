"""The one due query under its triggers: sweep, lifeline, startup; and what a sweep looks after besides.

Recovery puts entries back to the queue and never runs them itself. Everything here is bounded, and safe to run in any
number of processes at once: each change is a guarded statement of `lifecycle`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q

from insights_recovery import clock, dispatch, history, identity, insights, lifecycle, signals, texts
from insights_recovery.conf import conf
from insights_recovery.hosts import database, entries
from insights_recovery.models import Heartbeat, Outcome
from insights_recovery.querysets import EntryQuerySet
from insights_recovery.retry import RetryPolicy
from insights_recovery.scrubbing import ErrorReport

SWEEP = "sweep"
SWEEP_LEASE = 120.0
"""Seconds after which a sweep that has not ended is presumed dead and another may start."""
LATE = 1.5
"""A sweep is overdue when the last one ended more than this many intervals ago."""
MAX_OWNERS = 500
"""Owners of leases that one look for dead processes considers."""


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """What one sweep did, in numbers of entries."""

    rescued: int
    """Taken back from workers that are gone."""
    offered: int
    """Put to the queue."""
    reopened: int
    """Put back because the text is not the one that was processed."""
    orphans: int
    """Rows removed whose entry is gone."""
    pruned: int
    """Attempts removed because they are old."""
    seconds: float
    """How long it took."""


# Offering what is due


def offer_due(limit: int) -> int:
    """Put at most `limit` due entries of either kind to the queue, oldest first; return how many the broker took.

    The first message is the probe: while the broker is out nothing else is touched. Backfill is kept to
    `MAX_IN_FLIGHT` entries offered or in work.
    """
    offered = _offer(_keys(entries().due(backfill=False)[:limit]))
    room = min(limit, conf().max_in_flight - entries().in_flight(backfill=True).count())
    return offered + (_offer(_keys(entries().due(backfill=True)[:room])) if room > 0 else 0)


def _offer(pks: Sequence[Any]) -> int:
    probe, rest = pks[: conf().batch_size], pks[conf().batch_size :]
    told = len(dispatch.offer(probe)) if probe else 0
    return told + len(dispatch.offer(rest)) if told and rest else told


def _keys(rows: EntryQuerySet[Any]) -> list[Any]:
    return list(rows.values_list("pk", flat=True))


# Taking back what a lost worker held

DIED = ErrorReport(type="WorkerLost", message="the worker's process died", traceback="")
SILENT = ErrorReport(type="WorkerLost", message="the worker let its lease run out", traceback="")
KILLED = ErrorReport(type="WorkerLost", message="the worker was killed, or ran into the hard time limit", traceback="")


def rescue_expired(limit: int) -> int:
    """Take back at most `limit` entries whose lease ran out; return how many."""
    return _rescue(entries().expired(), SILENT, limit)


def rescue_dead(limit: int) -> int:
    """Take back at once what processes held that are known dead, those of this machine; return how many entries."""
    owners = entries().leased().order_by().values_list("processing_owner", flat=True).distinct()[:MAX_OWNERS]
    dead = [owner for owner in owners if identity.is_known_dead(owner)]
    return _rescue(entries().held_by(dead), DIED, limit) if dead else 0


def rescue_task(owner: str) -> int:
    """Take back what a task held whose process was lost; return how many entries."""
    return _rescue(entries().held_by([owner]), KILLED, conf().sweep_limit)


def _rescue(rows: EntryQuerySet[Any], error: ErrorReport, limit: int) -> int:
    """Take back those of `rows`, which carry the guard, and offer them again."""
    columns = ("pk", "processing_token", "processing_solitary", "processing_crashes")
    found = rows.order_by("processing_due_at").values(*columns)[:limit]
    rescued = [held["pk"] for held in found if _take_back(rows.filter(pk=held["pk"]), held, error)]
    if rescued:
        signals.entries_rescued.send_robust(SweepReport, entry_ids=rescued, reason=error.message)
        dispatch.offer(rescued)
    return len(rescued)


def _take_back(rows: EntryQuerySet[Any], held: dict[str, Any], error: ErrorReport) -> bool:
    token, crashes = held["processing_token"], held["processing_crashes"]
    with transaction.atomic(using=database()):
        if not held["processing_solitary"]:
            moved = lifecycle.rescue_suspects(rows.filter(processing_token=token))
        elif (delay := _delay_after_crash(crashes + 1)) is None:
            moved = lifecycle.bury_crashed(rows, token, crashes=crashes, error=error.message)
        else:
            moved = lifecycle.rescue_crashed(rows, token, delay=delay, error=error.message)
        if moved:
            history.close_attempts([held["pk"]], [token], Outcome.LOST, using=database(), error=error)
    return bool(moved)


def _delay_after_crash(crashes: int) -> float | None:
    settings = conf()
    policy = RetryPolicy(limit=settings.max_crashes, delay=settings.retry_delay, max_delay=settings.retry_delay_max)
    return policy.delay_after_crash(crashes, random.uniform)


# The holder's side


@dataclass(frozen=True, kw_only=True)
class Held:
    """One entry in the hands of one task."""

    pk: Any
    """The entry's key."""
    token: UUID
    """The fencing token of the claim; a task that runs again makes another."""
    task_id: str
    """The task's id."""


def held_by_tasks(process: str, task_ids: Iterable[str]) -> list[Held]:
    """Return what these tasks of a process hold."""
    rows = entries().held_by([f"{process}:{task_id}" for task_id in task_ids]).order_by()
    found = rows.values_list("pk", "processing_token", "processing_owner")
    return [Held(pk=pk, token=token, task_id=owner.removeprefix(f"{process}:")) for pk, token, owner in found]


def renew(held: Sequence[Held]) -> int:
    """Extend these leases, as far as they are still held; return how many entries.

    Rows that somebody has locked are left for the next renewal: a deletion must not be kept waiting, nor keep us.
    """
    if not held:
        return 0
    tokens = {claim.token for claim in held}
    with transaction.atomic(using=database()):
        free = entries().lock_free_keys([claim.pk for claim in held])
        rows = entries().filter(pk__in=free, processing_token__in=tokens)
        return lifecycle.renew(rows, lease=conf().lease_seconds)


def owners_in(process: str) -> set[str]:
    """Return the owners under which this process holds something."""
    rows = entries().held_by_process(process).order_by()
    return set(rows.values_list("processing_owner", flat=True).distinct())


def release(owners: Iterable[str]) -> int:
    """Give back untouched what these owners hold, whose tasks ended without settling; return how many entries."""
    found = list(entries().held_by(list(owners)).values_list("pk", "processing_token"))
    released = [pk for pk, token in found if _give_back(pk, token)]
    if released:
        signals.entries_released.send_robust(SweepReport, entry_ids=released)
        dispatch.offer(released)
    return len(released)


def _give_back(pk: Any, token: Any) -> bool:
    with transaction.atomic(using=database()):
        moved = lifecycle.release(entries().filter(pk=pk), token)
        if moved:
            history.close_attempts([pk], [token], Outcome.RELEASED, using=database())
    return bool(moved)


# The sweep


def sweep() -> SweepReport | None:
    """Run one bounded sweep and leave a heartbeat; return None when another process is at it."""
    started, token = time.monotonic(), uuid4()
    if not _take_sweep(token):
        return None
    limit, settings = conf().sweep_limit, conf()
    report = SweepReport(
        rescued=rescue_dead(limit) + rescue_expired(limit),
        reopened=verify_slice(limit),
        offered=offer_due(limit),
        orphans=_remove_orphans(limit),
        pruned=history.prune(days=settings.history_days, limit=limit, using=database()),
        seconds=round(time.monotonic() - started, 3),
    )
    _end_sweep(token, report)
    signals.sweep_finished.send_robust(SweepReport, report=report)
    return report


def sweep_if_overdue() -> SweepReport | None:
    """Take over a sweep that beat has not brought about in time."""
    on_time = _heartbeat().filter(finished_at__gt=clock.later(-LATE * conf().sweep_interval))
    return None if on_time.exists() else sweep()


def _heartbeat() -> Any:
    return Heartbeat.objects.using(database()).filter(name=SWEEP)


def _take_sweep(token: Any) -> bool:
    last, _ = Heartbeat.objects.using(database()).get_or_create(name=SWEEP)
    is_free = Q(lease_until=None) | Q(lease_until__lte=clock.now())
    if identity.is_known_dead(last.runner):
        is_free |= Q(token=last.token)
    runner = str(identity.of_this_process())
    taken = (
        _heartbeat()
        .filter(is_free)
        .update(token=token, lease_until=clock.later(SWEEP_LEASE), started_at=clock.now(), runner=runner)
    )
    return bool(taken)


def _end_sweep(token: Any, report: SweepReport) -> None:
    mine = _heartbeat().filter(token=token)
    mine.update(token=None, lease_until=None, finished_at=clock.now(), report=asdict(report))


def verify_slice(limit: int) -> int:
    """Compare the texts of the next `limit` finished entries with what was processed; return how many are put back."""
    return verify(_next_slice("verify", entries().finished(), limit))


def verify(pks: Sequence[Any]) -> int:
    """Put back those of these finished entries whose text is not the one that was processed; return how many."""
    reopened = []
    for entry in entries().finished().few_at_a_time(pks):
        digest = texts.read(entry).digest
        rows = entries().finished().filter(pk=entry.pk)
        if entry.processing_digest == "":
            lifecycle.adopt(rows, digest=digest)
        elif entry.processing_digest != digest and lifecycle.edit(rows, digest=digest):
            reopened.append(entry.pk)
    if reopened:
        signals.entries_reopened.send_robust(SweepReport, entry_ids=reopened)
    return len(reopened)


def _remove_orphans(limit: int) -> int:
    removed = 0
    for model in insights.BELONGINGS:
        rows = model._default_manager.using(database()).all()
        pks = _next_slice(f"orphans.{model._meta.model_name}", rows, limit)
        removed += insights.remove_orphans(model, pks, using=database())
    return removed


def _next_slice(name: str, rows: Any, limit: int) -> list[Any]:
    """Return the next `limit` keys of `rows` in key order, after those of the last call; it begins again at the end."""
    heartbeat, _ = Heartbeat.objects.using(database()).get_or_create(name=name)
    after = rows.filter(pk__gt=heartbeat.cursor) if heartbeat.cursor else rows
    pks = list(after.order_by("pk").values_list("pk", flat=True)[:limit])
    cursor = str(pks[-1]) if len(pks) == limit else ""
    Heartbeat.objects.using(database()).filter(name=name).update(cursor=cursor, finished_at=clock.now())
    return pks
