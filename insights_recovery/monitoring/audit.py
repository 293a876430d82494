"""The conservation law, proved at run time: every entry in one state, and nothing between the states.

Workers go on meanwhile, so that two statements may contradict each other; an offence counts only if a second look finds
it again. No text is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from django.db.models import Exists, OuterRef

from insights_recovery.hosts import database, entries
from insights_recovery.insights import BELONGINGS
from insights_recovery.lifecycle import State
from insights_recovery.models import Extraction
from insights_recovery.monitoring.laws import COLUMNS, ENTRY_LAWS, Standing
from insights_recovery.monitoring.paging import pages

MAX_IDS = 20
"""Offending ids that a report names for each law; it counts them all."""

MISSING_EXTRACTION = "missing_extraction"
DOUBLED_EXTRACTION = "doubled_extraction"

MEANINGS = {
    **{law.name: law.meaning for law in ENTRY_LAWS},
    MISSING_EXTRACTION: "Completed entries without any extraction of their text.",
    DOUBLED_EXTRACTION: "Entries with several extractions of their text by the same extractor.",
    **{f"orphaned_{model._meta.model_name}": f"Rows of {model.__name__} whose entry is gone." for model in BELONGINGS},
}
"""Every law, with what it means to break it."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the audit found in one slice."""

    examined: int
    """Rows in it."""
    offences: Mapping[str, Sequence[Any]]
    """Keys that break a law, by the law's name."""


@dataclass
class Report:
    """What the audit found so far."""

    entries: int = 0
    """Rows examined, of entries and of what belongs to them."""
    counts: Counter[str] = field(default_factory=Counter)
    """How many break each law."""
    ids: dict[str, list[Any]] = field(default_factory=dict)
    """The first of them."""

    def add(self, page: Page) -> None:
        """Take in what was found in a slice."""
        self.entries += page.examined
        for name, pks in page.offences.items():
            self.counts[name] += len(pks)
            known = self.ids.setdefault(name, [])
            known.extend(pks[: MAX_IDS - len(known)])

    @property
    def offences(self) -> int:
        """How many offences there are in all."""
        return self.counts.total()

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        laws = {
            name: {"count": self.counts[name], "ids": self.ids.get(name, []), "meaning": meaning}
            for name, meaning in MEANINGS.items()
        }
        return {"examined": self.entries, "offences": self.offences, "laws": laws}


def size() -> int:
    """Return how many rows an audit examines."""
    return sum(int(rows.count()) for rows in (entries(), *map(_belongings, BELONGINGS)))


def examine() -> Iterator[Page]:
    """Examine every entry, and all that belongs to entries; yield what was found slice by slice."""
    for pks in pages(entries().all()):
        yield _entry_page(pks)
    for model in BELONGINGS:
        for pks in pages(_belongings(model)):
            yield _orphan_page(model, pks)


def _entry_page(pks: list[Any]) -> Page:
    suspects = _offences(pks)
    again = sorted({pk for found in suspects.values() for pk in found})
    confirmed = _offences(again) if again else {}
    offences = {name: [pk for pk in confirmed.get(name, ()) if pk in found] for name, found in suspects.items()}
    return Page(examined=len(pks), offences=offences)


def _offences(pks: Collection[Any]) -> dict[str, list[Any]]:
    standings = _standings(pks)
    offences = {law.name: [entry.pk for entry in standings if law.is_broken(entry)] for law in ENTRY_LAWS}
    known = _extractions(standings)
    extracted = {pk for pk, _ in known}
    offences[MISSING_EXTRACTION] = [
        entry.pk for entry in standings if entry.state == State.COMPLETED and entry.pk not in extracted
    ]
    doubled = {pk for (pk, _), count in known.items() if count > 1}
    offences[DOUBLED_EXTRACTION] = [entry.pk for entry in standings if entry.pk in doubled]
    return offences


def _standings(pks: Collection[Any]) -> list[Standing]:
    rows = entries().filter(pk__in=pks).order_by("pk").values_list(*COLUMNS)
    names = [item.name for item in fields(Standing)]
    return [Standing(**dict(zip(names, row, strict=True))) for row in rows]


def _extractions(standings: Sequence[Standing]) -> Counter[tuple[Any, str]]:
    """Count extractions of the present text, by entry and extractor."""
    digests = {entry.pk: entry.digest for entry in standings if entry.digest}
    rows = Extraction.objects.using(database()).filter(entry_id__in=list(digests))
    found = rows.values_list("entry_id", "extractor", "text_digest")
    return Counter((pk, extractor) for pk, extractor, digest in found if digest == digests[pk])


def _belongings(model: Any) -> Any:
    return model._default_manager.using(database()).all()


def _orphan_page(model: Any, pks: list[Any]) -> Page:
    gone = _belongings(model).filter(~Exists(entries().filter(pk=OuterRef("entry_id"))), pk__in=pks)
    orphans = list(gone.order_by("pk").values_list("pk", flat=True))
    return Page(examined=len(pks), offences={f"orphaned_{model._meta.model_name}": orphans})
