"""The ten invariants, asked of every step that wrote: what may such an actor have changed, and what must hold now?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from insights_recovery.insights import _key as key_of
from insights_recovery.lifecycle import TRANSITIONS, UNFINISHED, WAITING, Reason, State
from tests.under_fire import simulated_texts as texts
from tests.under_fire.invariants_held import (
    DISPATCH_COLUMNS,
    bounded_attempts,
    one_holder,
    rescuer_is_watched,
)
from tests.under_fire.simulated_actors import Kind
from tests.under_fire.simulated_clock import moment
from tests.under_fire.simulated_ledger import Findings, Ledger, Step
from tests.under_fire.simulated_rows import EntryRow, ExtractionRow, InsightRow, changed

Check = Callable[[Step, Ledger], Findings]

MOVES = {(source, move.target) for move in TRANSITIONS.values() for source in move.sources}
"""Every legal change of state."""
FARTHEST = timedelta(seconds=4200)
"""No unfinished entry waits longer for somebody to look: the grace of a minute, doubled six times, and a bit more."""


# 1. Never lost


def never_lost(step: Step, ledger: Ledger) -> Findings:
    """Entries appear and disappear by a writer's hand alone; the unfinished are due in time; every move is legal."""
    for before, after in step.entries:
        if after is None:
            assert before is not None
            if step.actor.facts.get("deletes") != before.pk:
                yield f"entry {before.pk} is gone"
        elif before is None:
            if step.actor.kind is not Kind.WRITER:
                yield f"entry {after.pk} came from nowhere"
        elif before.state != after.state and (before.state, after.state) not in MOVES:
            yield f"entry {after.pk} went from {before.state} to {after.state}"
        if after is not None:
            yield from _is_findable(step, after)


def _is_findable(step: Step, row: EntryRow) -> Findings:
    if (row.state in UNFINISHED) == (row.due_at is None):
        yield f"entry {row.pk} is {row.state} and due at {row.due_at}"
    if row.state in WAITING and row.reason not in Reason.values:
        yield f"entry {row.pk} waits without a reason"
    for name in ("due_at", "not_before"):
        at = moment(getattr(row, name))
        if at is not None and at > step.when + FARTHEST:
            yield f"entry {row.pk} has {name} only in {at - step.when}"


# 2. One holder: see `invariants_held`.
# 3. One result


def one_result(step: Step, ledger: Ledger) -> Findings:
    """At most one set for each entry, extractor and text; every set is whole; what is done has all of them."""
    for pk in step.touched & step.after.entries.keys():
        extractions = [row for row in step.after.extractions.values() if row.entry == pk]
        kinds = Counter((row.extractor, row.text_digest) for row in extractions)
        for kind, count in kinds.items():
            if count > 1:
                yield f"entry {pk} has {count} sets of {kind}"
        for row in extractions:
            yield from _is_whole(step, ledger, row)
        entry = step.after.entries[pk]
        if entry.state == State.COMPLETED:
            wanted = {(name, entry.digest) for name in ledger.extractors}
            if set(kinds) != wanted or any(row.is_outdated for row in extractions):
                yield f"entry {pk} is done with {extractions}, not with {wanted}"
    yield from _dangling(step)


def _is_whole(step: Step, ledger: Ledger, extraction: ExtractionRow) -> Findings:
    text = ledger.by_digest[extraction.text_digest]
    wanted = {key_of("theme", label) for label in texts.labels(text, extraction.extractor)}
    rows = [row for row in step.after.insights.values() if row.extraction == extraction.pk]
    found = Counter(row.key for row in rows if not row.is_manual_edit)
    missing = wanted - set(found) - ledger.corrected[extraction.entry]
    if missing or set(found) - wanted or any(count > 1 for count in found.values()):
        yield f"{extraction} has {dict(found)}, wanted {wanted}"


def _dangling(step: Step) -> Findings:
    for _, row in step.insights:
        if row is None or row.extraction in step.after.extractions or row.entry not in step.after.entries:
            continue
        if row.extraction is not None or not row.is_manual_edit:
            yield f"{row} is of no extraction"


# 4. Of the current text


def of_the_current_text(step: Step, ledger: Ledger) -> Findings:
    """What is done is of the text as it stands; an edit puts the entry back, and a deletion leaves nothing behind."""
    for before, after in step.entries:
        if after is None:
            if not step.actor.facts.get("is_sql"):
                yield from _left_behind(step, before)
            continue
        is_of_text = after.state in {State.COMPLETED, State.SKIPPED}
        if is_of_text and after.pk not in ledger.bypassed and after.digest != texts.digest_of(after.content):
            yield f"entry {after.pk} is done with another text"
        if before is not None and step.actor.kind is Kind.WRITER:
            yield from _writer_changed(step, before, after)
    if step.actor.kind in {Kind.TASK, Kind.SERVICE}:
        yield from _new_orphans(step)


def _left_behind(step: Step, gone: EntryRow | None) -> Findings:
    assert gone is not None
    for rows in (step.after.extractions, step.after.insights, step.after.attempts):
        for row in rows.values():
            if row.entry == gone.pk:
                yield f"the deletion of entry {gone.pk} left {row}"


def _new_orphans(step: Step) -> Findings:
    for before, after in step.belongings:
        if before is None and after.entry not in step.after.entries:
            yield f"{step.actor} wrote {after} for an entry that is gone"


def _writer_changed(step: Step, before: EntryRow, after: EntryRow) -> Findings:
    columns = changed(before, after)
    if step.actor.facts.get("is_sql"):
        is_legal = not columns
    elif before.state == State.PROCESSING:
        is_legal = columns <= {"attempts", "crashes", "digest"} and _is_reset(after, "attempts", "crashes", of=columns)
    elif before.content == after.content and columns <= DISPATCH_COLUMNS and after.state == State.CELERY_ERROR:
        is_legal = before.state == State.PENDING
    else:
        is_legal = not columns - {"digest"} or _is_put_back(step, after)
    if not is_legal:
        yield f"{step.actor} wrote processing columns: {before} -> {after}"


def _is_reset(row: EntryRow, *names: str, of: set[str]) -> bool:
    return all(getattr(row, name) == 0 for name in names if name in of)


def _is_put_back(step: Step, row: EntryRow) -> bool:
    counters = (row.attempts, row.crashes, row.postponed, row.token, row.solitary, row.not_before, row.completed_at)
    waiting_since = moment(row.waiting_since)
    is_fresh = not any(counters) and waiting_since is not None and waiting_since > step.when - timedelta(minutes=2)
    return is_fresh and (row.state, row.reason, row.error) == (State.PENDING, Reason.EDITED, "")


# 5. Bounded attempts: see `invariants_held`.
# 6, The writer never waits, is judged where messages are sent and where requests end: see `simulated_judge`.
# 7. Private


def private(step: Step, ledger: Ledger) -> Findings:
    """No column but those of the text and of the insights speaks of the text."""
    for _, after in step.entries:
        if after is not None and texts.CANARY in f"{after.error}{after.reason}{after.owner}":
            yield f"entry {after.pk} quotes its text in {after}"
    for _, attempt in step.attempts:
        if attempt is not None and texts.CANARY in f"{attempt.error_type}{attempt.error}{attempt.traceback}":
            yield f"the history of entry {attempt.entry} quotes the text: {attempt}"
    for _, heartbeat in step.heartbeats:
        if heartbeat is not None and texts.CANARY in str(heartbeat):
            yield f"a heartbeat quotes a text: {heartbeat}"


# 8. Corrected by hand stays


def corrected_stays(step: Step, ledger: Ledger) -> Findings:
    """Only persons change what a person corrected, and what they removed is not found again."""
    for before, after in step.insights:
        row = after or before
        assert row is not None
        if step.actor.facts.get("corrects"):
            continue
        if before is not None and before.is_manual_edit and row.entry in step.after.entries:
            if after is None or after._replace(extraction=before.extraction) != before:
                yield f"{before}, corrected by hand, became {after}"
        elif after is not None and after.is_manual_edit:
            yield f"{after} pretends to be corrected by hand"
        elif before is None and after is not None and _is_known(step, after):
            yield f"{after} was found again after a person had corrected it"


def _is_known(step: Step, found: InsightRow) -> bool:
    mine = (row for row in step.before.insights.values() if row.entry == found.entry and row.is_manual_edit)
    return any(found.key in row.keys for row in mine)


# 9, Paid once, is judged where extractors are called and answers are stored: see `simulated_judge`.
# 10. The rescuer is watched: see `invariants_held`.

CHECKS: dict[int, Check] = {
    1: never_lost,
    2: one_holder,
    3: one_result,
    4: of_the_current_text,
    5: bounded_attempts,
    7: private,
    8: corrected_stays,
    10: rescuer_is_watched,
}
"""What is asked of each step that wrote, by the number of the invariant."""
