"""Entries like this one."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import Any

from django.db.models import QuerySet

from insights_recovery import texts
from insights_recovery.models import RecoverableEntry
from insights_recovery.reflections.selection import slices, whole
from insights_recovery.reflections.vectors import vectors


@dataclass(frozen=True, kw_only=True)
class Similar:
    """An entry that is like another."""

    entry: Any
    """The entry."""
    likeness: float
    """How much, above 0 and up to 1, which is the same text: the cosine between the texts' vectors."""


def similar_entries(entry: RecoverableEntry, among: QuerySet[Any], *, limit: int = 10) -> list[Similar]:
    """Return the `limit` entries of `among` whose texts are most like that of `entry`, the most alike first.

    The entry itself is none of them, nor are entries that have nothing in common with it. All texts of `among` are
    read, few at a time: for n entries n/50 + n/500 queries, so narrow it to one author, or to some years.
    """
    (wanted,) = vectors([texts.read(entry).text])
    best: list[tuple[float, int, Any]] = []
    order = count(0, -1)
    for others in slices(whole(among).exclude(pk=entry.pk)):
        likenesses = vectors([texts.read(other).text for other in others]) @ wanted
        for other, likeness in zip(others, likenesses.tolist(), strict=True):
            if likeness > 0:
                heapq.heappush(best, (likeness, next(order), other))
            if len(best) > limit:
                heapq.heappop(best)
    return [Similar(entry=other, likeness=min(likeness, 1.0)) for likeness, _, other in sorted(best, reverse=True)]
