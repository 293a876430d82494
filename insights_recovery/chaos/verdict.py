"""What a chaos run proved: the entries of the run against what the extractors must have found in their texts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from insights_recovery import texts
from insights_recovery.chaos.extractor import NAMES, labels
from insights_recovery.chaos.stage import Held
from insights_recovery.hosts import database, entries
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction, Insight, Outcome, ProcessingAttempt

PAGE = 500
"""Entries that are judged at a time."""


@dataclass(kw_only=True)
class Offences:
    """Keys of entries with which something is wrong, by what it is."""

    lost: list[str] = field(default_factory=list)
    """Created and not deleted, and yet gone, unfinished, or without all of its insights, each with its state."""
    doubled: list[str] = field(default_factory=list)
    """With two sets of insights of one extractor, or the same finding twice."""
    wrong_version: list[str] = field(default_factory=list)
    """With insights of another text than its own."""
    convicted: list[str] = field(default_factory=list)
    """A dead letter, or with a failed attempt, though no fault was its own."""
    left_behind: list[str] = field(default_factory=list)
    """Deleted, and yet something of it remains; or an attempt that nobody closed."""

    def count(self) -> int:
        """Return how many there are of all kinds."""
        return sum(len(keys) for keys in vars(self).values())


def judge(kept: set[str]) -> Offences:
    """Return what is wrong with the entries, of which `kept` must be there."""
    found = Offences()
    missing = set(kept)
    for page in _pages():
        missing -= {str(entry.pk) for entry in page}
        _judge_page(page, found)
    found.lost += [f"{key} (gone)" for key in sorted(missing)]
    found.convicted += _failed()
    found.left_behind += _left_behind()
    return found


def _pages() -> Iterator[list[Any]]:
    last = None
    while True:
        rows = entries().order_by("pk")
        page = list((rows.filter(pk__gt=last) if last is not None else rows)[:PAGE])
        if not page:
            return
        yield page
        last = page[-1].pk


def _judge_page(page: Sequence[Any], found: Offences) -> None:
    pks = [entry.pk for entry in page]
    sets: dict[Any, list[tuple[str, str]]] = {}
    for pk, *extraction in (
        Extraction.objects.using(database())
        .filter(entry_id__in=pks)
        .values_list("entry_id", "extractor", "text_digest")
    ):
        sets.setdefault(pk, []).append((extraction[0], extraction[1]))
    findings: dict[Any, Counter[str]] = {}
    for pk, label in Insight.objects.using(database()).filter(entry_id__in=pks).values_list("entry_id", "label"):
        findings.setdefault(pk, Counter())[label] += 1
    for entry in page:
        extractions, labelled = sets.get(entry.pk, []), findings.get(entry.pk, Counter())
        has = f"{entry.processing_state}; {', '.join(name for name, _ in extractions)}; {labelled.total()} insights"
        for kind in _offences(entry, extractions, labelled):
            getattr(found, kind).append(f"{entry.pk} ({has})")


def _offences(entry: Any, extractions: Sequence[tuple[str, str]], found: Counter[str]) -> set[str]:
    if entry.processing_state == State.FAILED:
        return {"convicted"}
    if entry.processing_state != State.COMPLETED:
        return {"lost"}
    digest = texts.read(entry).digest
    wanted = Counter(label for name in NAMES for label in labels(name, digest))
    names = Counter(name for name, _ in extractions)
    offences = set()
    if any(names[name] > 1 for name in NAMES) or any(times > 1 for times in found.values()):
        offences.add("doubled")
    if any(other != digest for _, other in extractions) or found.keys() - wanted.keys():
        offences.add("wrong_version")
    elif wanted - found or set(NAMES) - names.keys():
        offences.add("lost")
    return offences


def _failed() -> list[str]:
    rows = ProcessingAttempt.objects.using(database()).filter(outcome=Outcome.FAILED).order_by("entry_id", "number")
    return [f"{pk} ({error})" for pk, error in rows.values_list("entry_id", "error")]


def _left_behind() -> list[str]:
    unclosed = ProcessingAttempt.objects.using(database()).filter(outcome=Outcome.RUNNING)
    left = [f"attempt {pk}" for pk in unclosed.values_list("pk", flat=True)]
    for model in (Extraction, Insight, ProcessingAttempt):
        rows = model._default_manager.using(database()).exclude(entry_id__in=entries().values("pk"))
        left += [f"{model._meta.model_name} {pk}" for pk in rows.values_list("pk", flat=True)]
    return left


def stale(keys: set[str]) -> bool:
    """Say whether one of these entries is done, by the row, and yet has another text than the one that was read."""
    pks = [entry_key(key) for key in keys]
    return any(
        entry.processing_digest != texts.read(entry).digest
        for start in range(0, len(pks), PAGE)
        for entry in entries().filter(pk__in=pks[start : start + PAGE])
    )


def entry_key(key: str) -> Any:
    """Return the primary key that the journal has as a string."""
    return entries().model._meta.pk.to_python(key)


# Recovery


class Recoveries:
    """How long it took until an entry was in work again whose holder a fault had cost it."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self._pending: list[tuple[str, Held]] = []

    def add(self, fault: str, held: Sequence[Held]) -> None:
        """Watch what was in hand as a fault struck."""
        self._pending += [(fault, one) for one in held]

    def settle(self) -> None:
        """See which of them are in work again, and forget those that the fault did not reach."""
        tokens = {held.token for _, held in self._pending}
        rows = ProcessingAttempt.objects.using(database()).filter(token__in=tokens)
        attempts = {(row.token, row.entry_id): row for row in rows}
        self._pending = [(fault, held) for fault, held in self._pending if self._is_pending(fault, held, attempts)]

    def _is_pending(self, fault: str, held: Held, attempts: Mapping[tuple[UUID, Any], ProcessingAttempt]) -> bool:
        attempt = attempts.get((held.token, held.pk))
        if attempt is None or attempt.outcome not in {Outcome.RUNNING, Outcome.LOST, Outcome.RELEASED}:
            return False
        later = ProcessingAttempt.objects.using(database()).filter(entry_id=held.pk, number__gt=attempt.number)
        again = later.order_by("number").values_list("started_at", flat=True).first()
        if again is not None:
            self.seconds.setdefault(fault, []).append(max(0.0, (again - held.seen_at).total_seconds()))
        return again is None


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of `values` does not exceed, by the nearest-rank definition."""
    ranked = sorted(values)
    return round(ranked[math.ceil(share * len(ranked)) - 1], 2)
