"""What comes together in entries, and more often than chance would have it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from django.db.models import QuerySet

from insights_recovery.extractors.base import Kind
from insights_recovery.reflections.findings import Key, Spellings, found_in
from insights_recovery.reflections.selection import known

WIDEST = 1000
"""Labels that are compared with each other, the commonest: there are half a million pairs of them."""

KINDS = tuple(kind for kind in Kind if kind not in {Kind.KEYPHRASE, Kind.TAG, Kind.OTHER})
"""Kinds whose labels do not repeat those of other kinds."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two that come together."""

    kinds: tuple[str, str]
    """What they are: two `Kind` values."""
    labels: tuple[str, str]
    """Their labels, in the commonest spelling."""
    entries: int
    """The number of entries that have both."""
    lift: float
    """How many times as often as if they had nothing to do with each other: 1 is chance, above is more, below less."""
    association: float
    """The same on a scale from -1 over 0, which is chance, to 1, which is never one without the other."""


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """How often each label is met."""

    total: int
    """Entries of which anything is known."""
    single: dict[Key, int]
    """Entries that have a label, by the labels that are common enough."""
    spellings: Spellings
    """How they are written."""


def pairs(
    entries: QuerySet[Any], *, kinds: Collection[str] = KINDS, least_entries: int = 3, limit: int = 50
) -> list[Pair]:
    """Return the pairs of insights that come together in at least `least_entries` entries, the closest first.

    The measure is normalised pointwise mutual information (G. Bouma, "Normalized (pointwise) mutual information in
    collocation extraction", GSCL 2009), which unlike the plain one (K. W. Church and P. Hanks, Computational
    Linguistics 16, 1990) does not put what is rare first, with lift (S. Brin et al., SIGMOD 1997) beside it. A pair
    cannot be more frequent than either of its parts, so that only parts with enough entries are paired (R. Agrawal and
    R. Srikant, VLDB 1994). Three queries.

    Raises:
        ValueError: there is no such kind, or `least_entries` is below 1.
    """
    if least_entries < 1:
        raise ValueError("least_entries must be 1 or more")
    counts = _singles(entries, kinds, least_entries)
    together: Counter[tuple[Key, Key]] = Counter()
    for found in found_in(entries, kinds=kinds):
        together.update(combinations(sorted(key for key in found.by_key if key in counts.single), 2))
    met = [_pair(both, number, counts) for both, number in together.items() if number >= least_entries]
    return sorted(met, key=lambda pair: (-pair.association, -pair.entries, pair.kinds, pair.labels))[:limit]


def _singles(entries: QuerySet[Any], kinds: Collection[str], least_entries: int) -> _Counts:
    met: Counter[Key] = Counter()
    spellings = Spellings()
    for found in found_in(entries, kinds=kinds):
        for key, findings in found.by_key.items():
            spellings.meet(key, findings)
            met[key] += 1
    common = sorted((key for key in met if met[key] >= least_entries), key=lambda key: (-met[key], key))[:WIDEST]
    total = known(entries).count()
    return _Counts(total=total, single={key: met[key] for key in common}, spellings=spellings)


def _pair(both: tuple[Key, Key], number: int, counts: _Counts) -> Pair:
    first, second = both
    singles = counts.single[first], counts.single[second]
    # What is stored between the queries may be in one and not in the other.
    number, total = min(number, *singles), max(counts.total, *singles)
    lift = number * total / (singles[0] * singles[1])
    return Pair(
        kinds=(first[0], second[0]),
        labels=(counts.spellings.of(first), counts.spellings.of(second)),
        entries=number,
        lift=lift,
        association=math.log(lift) / math.log(total / number) if number < total else 0.0,
    )
