"""The conservation law, proved at run time: every entry in one state, and nothing between the states.

Laws are data: a name, a sentence, and a test. Workers go on meanwhile, so that two statements may contradict each
other; an offence counts only if a second look finds it again. No text is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from insights_recovery import identity
from insights_recovery.conf import conf
from insights_recovery.extractors import loading
from insights_recovery.hosts import database, entries
from insights_recovery.insights import BELONGINGS
from insights_recovery.lifecycle import FINISHED, UNFINISHED, WAITING, Reason, State
from insights_recovery.models import Extraction
from insights_recovery.monitoring.paging import pages

MAX_IDS = 20
"""Offending ids that a report names for each law; it counts them all."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where one entry stands, as its row says."""

    pk: Any
    """Its key."""
    state: str
    """Its state, whatever the column holds."""
    reason: str
    """Why it stands there."""
    due_at: datetime | None
    """When it is to be looked at."""
    token: UUID | None
    """The fencing token of its lease."""
    owner: str
    """The owner of its lease."""
    digest: str
    """The digest of the text that was processed."""


_COLUMNS = ("pk", *(f"processing_{name}" for name in ("state", "reason", "due_at", "token", "owner", "digest")))


@dataclass(frozen=True, kw_only=True)
class Law:
    """What must hold for every entry by itself."""

    name: str
    """A slug for reports."""
    meaning: str
    """What it means to break it, in a sentence."""
    is_broken: Callable[[Standing], bool]
    """Whether an entry breaks it."""


ENTRY_LAWS = (
    Law(
        name="unknown_state",
        meaning="Entries in none of the six states.",
        is_broken=lambda entry: entry.state not in State.values,
    ),
    Law(
        name="unfinished_not_due",
        meaning="Unfinished entries that nobody will ever look at.",
        is_broken=lambda entry: entry.state in UNFINISHED and entry.due_at is None,
    ),
    Law(
        name="finished_but_due",
        meaning="Finished entries that are due all the same.",
        is_broken=lambda entry: entry.state in FINISHED and entry.due_at is not None,
    ),
    Law(
        name="waiting_without_reason",
        meaning="Waiting entries that do not say why.",
        is_broken=lambda entry: entry.state in WAITING and entry.reason not in Reason.values,
    ),
    Law(
        name="lease_outside_processing",
        meaning="Entries with a lease that are not in work.",
        is_broken=lambda entry: entry.state != State.PROCESSING and (entry.token is not None or entry.owner != ""),
    ),
    Law(
        name="in_work_without_lease",
        meaning="Entries in work that nobody holds.",
        is_broken=lambda entry: entry.state == State.PROCESSING and (entry.token is None or entry.owner == ""),
    ),
    Law(
        name="held_by_the_dead",
        meaning="Entries in work whose process is known dead.",
        is_broken=lambda entry: entry.state == State.PROCESSING and identity.is_known_dead(entry.owner),
    ),
)

MISSING_EXTRACTION = "missing_extraction"
DOUBLED_EXTRACTION = "doubled_extraction"

MEANINGS = {
    **{law.name: law.meaning for law in ENTRY_LAWS},
    MISSING_EXTRACTION: "Completed entries without an extraction of their text by each configured extractor.",
    DOUBLED_EXTRACTION: "Entries with several extractions of their text by the same extractor.",
    **{
        f"orphaned_{model._meta.model_name}": f"Rows of {model._meta.verbose_name} whose entry is gone."
        for model in BELONGINGS
    },
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
    """Examine every entry, and all that belongs to entries; yield what was found slice by slice.

    Raises:
        ConfigurationError: an extractor cannot be made, so that nobody knows what a completed entry must have.
    """
    extractors = [extractor.name for extractor in loading.load(conf().extractors)]
    for pks in pages(entries().all()):
        yield _entry_page(pks, extractors)
    for model in BELONGINGS:
        for pks in pages(_belongings(model)):
            yield _orphan_page(model, pks)


def _entry_page(pks: list[Any], extractors: Sequence[str]) -> Page:
    suspects = _offences(pks, extractors)
    again = sorted({pk for found in suspects.values() for pk in found})
    confirmed = _offences(again, extractors) if again else {}
    offences = {name: [pk for pk in confirmed.get(name, ()) if pk in found] for name, found in suspects.items()}
    return Page(examined=len(pks), offences=offences)


def _offences(pks: Collection[Any], extractors: Sequence[str]) -> dict[str, list[Any]]:
    standings = _standings(pks)
    offences = {law.name: [entry.pk for entry in standings if law.is_broken(entry)] for law in ENTRY_LAWS}
    known = _extractions(standings)
    offences[MISSING_EXTRACTION] = [
        entry.pk
        for entry in standings
        if entry.state == State.COMPLETED and any(known[entry.pk, name] == 0 for name in extractors)
    ]
    doubled = {pk for (pk, _), count in known.items() if count > 1}
    offences[DOUBLED_EXTRACTION] = [entry.pk for entry in standings if entry.pk in doubled]
    return offences


def _standings(pks: Collection[Any]) -> list[Standing]:
    rows = entries().filter(pk__in=pks).order_by("pk").values_list(*_COLUMNS)
    names = ("pk", "state", "reason", "due_at", "token", "owner", "digest")
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
