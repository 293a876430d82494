"""Storing an extractor's insights: all of them or none, one set per entry and extractor, corrections kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef

from insights_recovery.extractors.base import ExtractedInsight, ExtractionResult, Extractor
from insights_recovery.hosts import entries
from insights_recovery.models import Extraction, Insight, ProcessingAttempt, RecoverableEntry
from insights_recovery.querysets import EntryQuerySet

_CHUNK = 500
"""Insights per INSERT, within the parameter limits of every supported database."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An extraction that an entry has already."""

    extractor: str
    """The extractor's name."""
    version: str
    """The extractor's version."""
    digest: str
    """The digest of the text it is of."""
    is_outdated: bool
    """Whether it is to be done over."""

    def is_checkpoint(self, extractor: Extractor, digest: str) -> bool:
        """Say whether it is what this extractor, in this version, would find in the text with this digest."""
        known = (self.extractor, self.version, self.digest)
        return not self.is_outdated and known == (extractor.name, extractor.version, digest)


def stored(pks: Collection[Any], *, using: str) -> dict[Any, list[Stored]]:
    """Return what is stored for these entries, by key; for whoever holds their leases it stays true."""
    found: dict[Any, list[Stored]] = {}
    rows = Extraction.objects.using(using).filter(entry_id__in=list(pks))
    for pk, extractor, version, digest, is_outdated in rows.values_list(
        "entry_id", "extractor", "version", "text_digest", "is_outdated"
    ):
        row = Stored(extractor=extractor, version=version, digest=digest, is_outdated=is_outdated)
        found.setdefault(pk, []).append(row)
    return found


def missing(pk: Any, extractors: Collection[str], *, digest: str, using: str) -> set[str]:
    """Return those of these extractors that have stored nothing for the entry's text with this digest."""
    rows = Extraction.objects.using(using).filter(entry_id=pk, extractor__in=extractors, text_digest=digest)
    return set(extractors) - set(rows.values_list("extractor", flat=True))


def store(
    pk: Any,
    extractor: Extractor,
    result: ExtractionResult,
    *,
    digest: str,
    duration: float,
    using: str,
    is_first: bool = False,
) -> Extraction:
    """Replace what this extractor had found for the entry by `result`; call it inside the settling transaction.

    What a person edited, added or removed stays, and is not found a second time. With `is_first` there is nothing of
    this extractor's to be replaced.
    """
    extractions = Extraction.objects.using(using)
    key = {"entry_id": pk, "extractor": extractor.name, "text_digest": digest}
    values = {
        "version": extractor.version,
        "is_outdated": False,
        "sentiment": result.sentiment,
        "summary": result.summary,
        "title": result.title,
        "language": result.language,
        "duration": duration,
        "usage": dict(result.usage),
    }
    extraction: Extraction
    if is_first:
        extraction = extractions.create(**key, **values)
    else:
        extraction, _ = extractions.update_or_create(**key, defaults=values)
        _keep_corrections(pk, extractor, extraction, using=using)
        extractions.filter(entry_id=pk, extractor=extractor.name).exclude(pk=extraction.pk).delete()
    known = _corrected_keys(pk, using=using)
    fresh = [found for found in result.insights if _key(found.kind, found.label) not in known]
    Insight.objects.using(using).bulk_create(
        (_row(found, number, extraction) for number, found in enumerate(fresh)), batch_size=_CHUNK
    )
    return extraction


def _keep_corrections(pk: Any, extractor: Extractor, extraction: Extraction, *, using: str) -> None:
    of_extractor = Insight.objects.using(using).filter(entry_id=pk, extraction__extractor=extractor.name)
    of_extractor.filter(is_manual_edit=False).delete()
    of_extractor.update(extraction=extraction)


def _corrected_keys(pk: Any, *, using: str) -> set[tuple[str, str]]:
    corrected = Insight.objects.using(using).filter(entry_id=pk).corrected()
    rows = corrected.values_list("kind", "label", "extracted_kind", "extracted_label")
    return {key for row in rows for key in (_key(row[0], row[1]), _key(row[2], row[3]))}


def _key(kind: str, label: str) -> tuple[str, str]:
    return kind, label.casefold()


def _row(found: ExtractedInsight, position: int, extraction: Extraction) -> Insight:
    values: dict[str, Any] = {
        name: getattr(found, name) for name in ("kind", "label", "snippet", "start", "end", "sentiment", "confidence")
    }
    return Insight(
        entry_id=extraction.entry_id,
        extraction=extraction,
        position=position,
        extracted_kind=found.kind,
        extracted_label=found.label,
        **values,
    )


def drop_outlived(pk: Any, *, digest: str, using: str) -> None:
    """Remove what was extracted from other texts of the entry than the one with this digest; corrections stay."""
    outlived = Extraction.objects.using(using).filter(entry_id=pk).exclude(text_digest=digest)
    Insight.objects.using(using).filter(extraction__in=outlived).corrected().update(extraction=None)
    outlived.delete()


def mark_outdated(rows: EntryQuerySet[Any], *, extractor: str | None = None) -> None:
    """These entries are to be done over, by one extractor or by all: what is stored stays, but saves no call."""
    extractions = Extraction.objects.using(rows.db).filter(entry__in=rows)
    (extractions.filter(extractor=extractor) if extractor else extractions).update(is_outdated=True)


def lock_before_delete(sender: type[RecoverableEntry], instance: RecoverableEntry, using: str, **_: Any) -> None:
    """Receiver of `pre_delete`: take the entry's row lock first, as a worker does when it settles.

    Both then lock in the same order, the entry before what belongs to it, and neither can be the other's deadlock.
    """
    rows = sender.processing_rows(using).filter(pk=instance.pk)
    list(rows.select_for_update().values_list("pk", flat=True))


def erase_after_delete(sender: type[RecoverableEntry], instance: RecoverableEntry, using: str, **_: Any) -> None:
    """Receiver of `post_delete`: remove what a worker stored between the cascade and the end of the entry's row."""
    erase([instance.pk], using=using)


def erase(pks: list[Any], *, using: str) -> None:
    """Remove all that belongs to these entries."""
    for model in BELONGINGS:
        model._default_manager.using(using).filter(entry_id__in=pks).delete()


def remove_orphans(model: type[models.Model], pks: Sequence[Any], *, using: str) -> int:
    """Delete those of the rows `pks` of `model` whose entry is gone; return how many rows went.

    An extraction goes together with its insights, and no insight without its extraction: an entry that is written again
    under its old key finds a whole set, which it may keep, or none.
    """
    gone = ~Exists(entries().filter(pk=OuterRef("entry_id")))
    rows = model._default_manager.using(using).filter(gone, pk__in=pks)
    if model is Insight:
        rows = rows.filter(extraction=None)
    # Looked for first: MariaDB would lock the entries that a DELETE looks at, the wrong way round for who deletes one.
    orphans = list(rows.values_list("pk", flat=True))
    with transaction.atomic(using=using):
        removed = 0
        if model is Extraction:
            removed = Insight.objects.using(using).filter(extraction__in=orphans).delete()[0]
        return removed + model._default_manager.using(using).filter(pk__in=orphans).delete()[0]


BELONGINGS: tuple[type[models.Model], ...] = (Insight, Extraction, ProcessingAttempt)
"""What belongs to an entry, in the order in which it may be deleted."""
