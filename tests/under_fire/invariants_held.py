"""The invariants about who may do what: the second, the fifth and the tenth of `invariants`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from insights_recovery.lifecycle import FINISHED, WAITING, Reason, State
from insights_recovery.models import Outcome
from insights_recovery.recovery import LATE, SWEEP
from tests.under_fire.simulated_actors import Actor, Kind
from tests.under_fire.simulated_clock import TOLERANCE, moment
from tests.under_fire.simulated_ledger import Findings, Ledger, Step
from tests.under_fire.simulated_rows import AttemptRow, EntryRow, HeartbeatRow, changed

DISPATCH_COLUMNS = {"state", "due_at", "nudges", "reason", "error"}
"""What telling the broker, or failing to, writes."""


# 2. One holder


def one_holder(step: Step, ledger: Ledger) -> Findings:
    """A lease is taken by a claim, ends by its holder or after its time, and nobody else writes for what is held."""
    for before, after in step.entries:
        if before is None or after is None:
            continue
        if before.token != after.token:
            yield from _lease_ended(step, ledger, before)
            yield from _claimed(step, ledger, before, after)
        elif before.token is not None:
            yield from _lease_goes_on(step, ledger, before, after)
        if ledger.may_claim(step.actor) and not ledger.holds(step.actor, before):
            yield from _worker_wrote_elsewhere(step, ledger, before, after)
    yield from _belongings_of_others(step, ledger)


def _lease_ended(step: Step, ledger: Ledger, before: EntryRow) -> Findings:
    if before.token is None or before.token in step.actor.tokens:
        return
    due, holder = moment(before.due_at), ledger.holders[before.token]
    is_allowed = (
        due is None
        or due <= step.when + TOLERANCE
        or ledger.fleet.is_known_dead(before.owner)
        or step.actor.facts.get("rescues") == before.owner
        or (holder.is_over and holder.process is step.actor.process)
    )
    if step.actor.kind is not Kind.SERVICE or not is_allowed:
        yield f"the valid lease of entry {before.pk}, held by {holder}, was taken away"


def _claimed(step: Step, ledger: Ledger, before: EntryRow, after: EntryRow) -> Findings:
    if after.token is None:
        return
    gate = moment(before.not_before)
    if before.token is not None or before.state not in WAITING or not ledger.may_claim(step.actor):
        yield f"entry {after.pk} was claimed from {before.state}"
    if (after.pk, after.token) in ledger.held or ledger.holders[after.token] is not step.actor:
        yield f"a token came back at entry {after.pk}"
    if gate is not None and gate > step.when + TOLERANCE:
        yield f"entry {after.pk} was claimed {gate - step.when} before its back-off was over"
    if not after.owner.startswith(f"{step.actor.process.identity}:"):
        yield f"entry {after.pk} has the wrong owner"
    ledger.held.add((after.pk, after.token))
    step.actor.tokens.add(after.token)


def _lease_goes_on(step: Step, ledger: Ledger, before: EntryRow, after: EntryRow) -> Findings:
    if after.owner != before.owner or after.state != State.PROCESSING:
        yield f"entry {after.pk} changed hands under the same token"
    if step.actor.kind is Kind.SERVICE:
        holder = ledger.holders[before.token]
        is_live = any(task is holder for task in step.actor.facts.get("live", ()))
        if changed(before, after) - {"due_at"} or not is_live:
            yield f"{step.actor} renewed the lease of entry {after.pk}, whose task is not among its live ones"
    elif changed(before, after) & {"due_at", "solitary", "claims", "nudges"} and not ledger.holds(step.actor, before):
        yield f"{step.actor} changed the lease of entry {after.pk}"


def _worker_wrote_elsewhere(step: Step, ledger: Ledger, before: EntryRow, after: EntryRow) -> Findings:
    if step.actor.kind is Kind.TASK:
        is_dispatch = {before.state, after.state} <= WAITING and changed(before, after) <= DISPATCH_COLUMNS
        is_claim = before.token is None and after.token is not None
        if not (is_dispatch or is_claim):
            yield f"{step.actor} wrote for entry {after.pk}, which it does not hold: {before} -> {after}"


def _belongings_of_others(step: Step, ledger: Ledger) -> Findings:
    if not ledger.may_claim(step.actor):
        return
    for before, after in step.belongings:
        row = after or before
        is_held = ledger.holds(step.actor, step.before.entries.get(row.entry))
        is_claim = isinstance(row, AttemptRow) and before is None and row.token in step.actor.tokens
        if not (is_held or is_claim):
            yield f"{step.actor} wrote {row} of entry {row.entry}, which it does not hold"


# 5. Bounded attempts


def bounded_attempts(step: Step, ledger: Ledger) -> Findings:
    """Counters agree with the history, and the history with the claims; nothing else burns an attempt."""
    for before, after in step.entries:
        if after is None:
            continue
        if before is not None:
            yield from _counted(step, before, after)
            yield from _company(step, ledger, before, after)
        if after.attempts > ledger.settings.max_attempts or after.crashes > ledger.settings.max_crashes:
            yield f"entry {after.pk} was tried too often: {after}"
        if after.state == State.FAILED and (before is None or before.state != State.FAILED):
            yield from _deserves_it(step, ledger, before, after)
    for pk in step.touched:
        yield from _history(step, ledger, pk)


def _counted(step: Step, before: EntryRow, after: EntryRow) -> Findings:
    closed = step.closed(after.pk)
    may_reset = _may_reset(step, before, after)
    for name, outcome, counts in (
        ("attempts", Outcome.FAILED, True),
        ("crashes", Outcome.LOST, before.solitary),
        ("postponed", Outcome.POSTPONED, True),
    ):
        old, new = getattr(before, name), getattr(after, name)
        wanted = old + (outcome in closed and bool(counts))
        if new != wanted and not (new == 0 and may_reset):
            yield f"entry {after.pk} has {new} {name} after {old}, and its attempt ended {closed}"
    if Outcome.SUPERSEDED in closed and (after.attempts or after.crashes or after.postponed or after.solitary):
        yield f"entry {after.pk} was edited and did not start afresh: {after}"
    if Outcome.LOST in closed and not before.solitary and not after.solitary:
        yield f"entry {after.pk} was lost in a batch and is no suspect"
    if Outcome.FAILED in closed and not any(fault[:2] == (before.token, after.pk) for fault in step.actor.faults):
        yield f"entry {after.pk} failed, and nothing went wrong with it"


def _may_reset(step: Step, before: EntryRow, after: EntryRow) -> bool:
    if step.actor.kind in {Kind.WRITER, Kind.PERSON}:
        return True
    if before.state in FINISHED:
        return after.state == State.PENDING
    return after.state in {State.COMPLETED, State.SKIPPED} or Outcome.SUPERSEDED in step.closed(after.pk)


def _company(step: Step, ledger: Ledger, before: EntryRow, after: EntryRow) -> Findings:
    """A suspect is claimed alone, and what is claimed alone is marked so."""
    if after.token is None or before.token == after.token:
        return
    is_alone = step.actor.kind is Kind.PERSON or len(step.actor.facts["keys"]) == 1
    if before.solitary and not is_alone:
        yield f"entry {after.pk}, a suspect, was claimed in company"
    if bool(after.solitary) is not is_alone:
        yield f"entry {after.pk} was claimed {'alone' if is_alone else 'in company'}, and is not marked so"


def _deserves_it(step: Step, ledger: Ledger, before: EntryRow | None, after: EntryRow) -> Findings:
    token = before.token if before else None
    is_deserved = {
        Reason.ATTEMPTS: after.attempts >= ledger.settings.max_attempts,
        Reason.CRASHES: after.crashes >= ledger.settings.max_crashes,
        Reason.PERMANENT: (token, after.pk, "permanent") in step.actor.faults,
    }
    if not is_deserved.get(Reason(after.reason), False):
        yield f"entry {after.pk} became a dead letter undeservedly: {after}"


def _history(step: Step, ledger: Ledger, pk: Any) -> Findings:
    entry = step.after.entries.get(pk)
    if entry is None:
        return
    gone = sum(
        after is None and before is not None and before.entry == pk and before.pk not in ledger.former[pk]
        for before, after in step.attempts
    )
    ledger.pruned[pk] += gone
    rows = [row for row in step.after.attempts.values() if row.entry == pk and row.pk not in ledger.former[pk]]
    if len(rows) + ledger.pruned[pk] != entry.claims or len({row.number for row in rows}) != len(rows):
        yield f"entry {pk} was claimed {entry.claims} times and has the history {[row.number for row in rows]}"
    open_tokens = [row.token for row in rows if row.outcome == Outcome.RUNNING]
    if open_tokens != ([entry.token] if entry.token is not None else []):
        yield f"entry {pk} is {entry.state} and has {len(open_tokens)} open attempts"
    if any((row.outcome == Outcome.RUNNING) == (row.finished_at is not None) for row in rows):
        yield f"entry {pk} has an attempt that is both open and ended"


# 10. The rescuer is watched


def rescuer_is_watched(step: Step, ledger: Ledger) -> Findings:
    """A sweep begins where none is under way, leaves a heartbeat, and nobody else does its work."""
    for before, after in step.heartbeats:
        if after is None:
            yield f"heartbeat {before} is gone"
        elif after.pk != SWEEP:
            if not _sweeps(step.actor, ledger):
                yield f"{step.actor} did a sweep's work without being at it"
        elif before is not None and before.token != after.token:
            yield from _sweep_changed_hands(step, ledger, before, after)


def _sweeps(actor: Actor, ledger: Ledger) -> bool:
    return any(sweeper is actor for sweeper in ledger.sweepers.values())


def _sweep_changed_hands(step: Step, ledger: Ledger, before: HeartbeatRow, after: HeartbeatRow) -> Findings:
    if after.token is None:
        ledger.sweeps_ended += 1
        if ledger.sweepers.get(before.token) is not step.actor:
            yield f"{step.actor} ended the sweep of {ledger.sweepers.get(before.token)}"
        if after.finished_at is None or after.finished_at == before.finished_at:
            yield f"{step.actor} ended its sweep without a heartbeat"
        return
    ledger.sweepers[after.token] = step.actor
    until, last = moment(before.lease_until), moment(before.finished_at)
    is_held = before.token is not None and until is not None and until > step.when + TOLERANCE
    if is_held and not ledger.fleet.is_known_dead(before.runner):
        yield f"{step.actor} sweeps while {ledger.sweepers.get(before.token)} does"
    # Of two that see the same sweep overdue the later one finds it done, and does it once more: a waste, and no fault.
    is_takeover = (
        step.actor.facts.get("is_tick")
        and step.actor.process.has_swept
        and step.actor.facts["sweeps_ended"] == ledger.sweeps_ended
    )
    late = timedelta(seconds=LATE * ledger.settings.sweep_interval)
    if is_takeover and last is not None and last > step.when - late + TOLERANCE:
        yield f"{step.actor} took over a sweep that was not late"
